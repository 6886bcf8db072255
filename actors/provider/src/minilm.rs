//! Vectors without a server: all-MiniLM-L6-v2 and its likes, computed here.
//!
//! Takes the folder that the model is published as: `config.json`, `vocab.txt`, `model.safetensors`. A layer's weights
//! are read when it is their turn and let go of again, so that the model takes 7 MB while it works and nothing while
//! it doesn't; the rest of its 90 MB stays in the file, where the system keeps it at hand.

mod forward;
mod pieces;
#[cfg(test)]
mod tests;
mod weights;

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use serde::Deserialize;

use self::forward::Layer;
use self::forward::Norm;
use self::forward::Shape;
use self::pieces::Pieces;
use self::weights::Weights;

/// More at once would take more memory and save no time.
const AT_ONCE: usize = 16;
/// The longest text in pieces; what is behind it is not read. The model was trained on less.
const LONGEST: usize = 256;

/// One batch at a time: a small computer has other things to do.
static WORK: Mutex<()> = Mutex::new(());

/// Why a model in a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoModel {
    #[error("can't read {0}: {1}")]
    Unreadable(String, #[source] std::io::Error),
    #[error("{0}: {1}")]
    Malformed(&'static str, String),
    /// Whoever asked is gone.
    #[error("nobody waits for it")]
    GivenUp,
}

/// `config.json`, as far as it matters.
#[derive(Debug, Deserialize)]
struct Settings {
    model_type: String,
    hidden_size: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    #[serde(default = "usual_act")]
    hidden_act: String,
    #[serde(default = "usual_eps")]
    layer_norm_eps: f32,
}

fn usual_act() -> String {
    "gelu".to_owned()
}

fn usual_eps() -> f32 {
    1e-12
}

/// The vectors of texts, of length 1 each, and how many pieces were read. Takes the thread it is called on.
pub(crate) fn vectors(
    folder: &Path,
    texts: &[String],
    given_up: &Arc<AtomicBool>,
) -> Result<(Vec<Vec<f32>>, u64), NoModel> {
    let _one = WORK.lock().unwrap_or_else(PoisonError::into_inner);
    let settings = settings(folder)?;
    let shape = Shape {
        width: settings.hidden_size,
        heads: settings.num_attention_heads,
        eps: settings.layer_norm_eps,
    };
    let pieces = Pieces::read(folder)?;
    let mut weights = Weights::open(folder)?;
    let positions = weights.rows("embeddings.position_embeddings.weight", shape.width)?;
    let (mut done, mut read) = (Vec::with_capacity(texts.len()), 0);
    for batch in texts.chunks(AT_ONCE) {
        let ids = batch
            .iter()
            .map(|text| pieces.ids(text, positions.min(LONGEST)));
        let ids: Vec<Vec<u32>> = ids.collect();
        read += ids.iter().map(|ids| ids.len() as u64).sum::<u64>();
        let mut states = Vec::with_capacity(ids.len());
        let norm = Norm::read(&mut weights, "embeddings.LayerNorm", shape)?;
        let kind = weights.row("embeddings.token_type_embeddings.weight", 0, shape.width)?;
        for ids in &ids {
            let mut state = Vec::with_capacity(ids.len() * shape.width);
            for (at, id) in ids.iter().enumerate() {
                let word = weights.row(
                    "embeddings.word_embeddings.weight",
                    *id as usize,
                    shape.width,
                )?;
                let place =
                    weights.row("embeddings.position_embeddings.weight", at, shape.width)?;
                let sums = word.iter().zip(&place).zip(&kind);
                state.extend(sums.map(|((word, place), kind)| word + place + kind));
            }
            norm.apply(&mut state);
            states.push(state);
        }
        for number in 0..settings.num_hidden_layers {
            if given_up.load(Ordering::Relaxed) {
                return Err(NoModel::GivenUp);
            }
            let layer = Layer::read(&mut weights, number, shape)?;
            for state in &mut states {
                layer.apply(state);
            }
        }
        done.extend(states.iter().map(|state| forward::mean(state, shape.width)));
    }
    Ok((done, read))
}

fn settings(folder: &Path) -> Result<Settings, NoModel> {
    const FILE: &str = "config.json";
    let text = text(folder, FILE)?;
    let settings: Settings =
        serde_json::from_str(&text).map_err(|error| NoModel::Malformed(FILE, error.to_string()))?;
    let (width, heads) = (settings.hidden_size, settings.num_attention_heads);
    let fits = heads > 0 && width > 0 && width % heads == 0;
    if settings.model_type != "bert" || settings.hidden_act != "gelu" || !fits {
        let text = "only models of the kind \"bert\" with \"gelu\" can be computed here";
        return Err(NoModel::Malformed(FILE, text.to_owned()));
    }
    Ok(settings)
}

fn text(folder: &Path, file: &str) -> Result<String, NoModel> {
    let path = folder.join(file);
    std::fs::read_to_string(&path)
        .map_err(|error| NoModel::Unreadable(path.display().to_string(), error))
}
