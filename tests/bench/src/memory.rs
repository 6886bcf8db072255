//! How long a question to a large memory takes: words only, and with vectors.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use openclaw_protocol::AgentId;
use openclaw_runtime::BoxFuture;
use openclaw_tool::Memory;
use openclaw_tool::memory::{Asked, EmbedFor, Embedded, MemorySettings, NoVectors, Vectors};

use crate::sample::{Sample, ms};
use crate::table::Table;

const FILES: usize = 1_000;
const CHUNKS_A_FILE: usize = 10;
const WORDS_A_CHUNK: usize = 120;
/// As many words as a household's notes use.
const VOCABULARY: u64 = 8_000;
const DIMENSIONS: usize = 768;

pub(crate) async fn search(scale: usize, table: &mut Table) {
    let dir = tempfile::tempdir().expect("a temp folder");
    notes(dir.path());
    for (what, vectors) in [
        ("words", Arc::new(NoVectors) as Arc<dyn Vectors>),
        ("words and vectors", Arc::new(Scattered)),
    ] {
        let settings = Arc::new(|_: &AgentId| MemorySettings::default());
        let memory = Memory::new(dir.path().join("state"), settings, vectors);
        let agent = AgentId::main();
        if memory.makes_vectors(&agent) {
            memory.embed(&agent, dir.path()).await.expect("vectors");
        }
        let mut sample = Sample::default();
        for n in 0..40 * scale as u64 + 1 {
            let asked = Asked {
                query: format!("{} {} and {}", word(n * 7), word(n * 31), word(n * 97)),
                most: 6,
                min_score: None,
                is_private: true,
            };
            let begun = Instant::now();
            let found = memory.search(&agent, dir.path(), asked).await;
            found.expect("an answer");
            // The first makes the index.
            if n > 0 {
                sample.push(begun.elapsed());
            }
        }
        table.row(
            &format!(
                "memory_search over {} chunks, {what}, p50",
                FILES * CHUNKS_A_FILE
            ),
            ms(sample.at(500)),
            "≤ 10 ms",
        );
    }
}

/// Files whose sections are one chunk each.
fn notes(workspace: &Path) {
    let folder = workspace.join("memory");
    fs::create_dir_all(&folder).expect("a folder");
    let mut dice = 7_u64;
    for file in 0..FILES {
        let mut text = String::new();
        for chunk in 0..CHUNKS_A_FILE {
            text.push_str(&format!("# Part {chunk}\n"));
            for n in 0..WORDS_A_CHUNK {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let mark = if n % 12 == 0 { "\n- " } else { " " };
                // Common words come often, as in a language.
                let number = (dice >> 33) % VOCABULARY;
                text.push_str(mark);
                text.push_str(&word(number * number / VOCABULARY));
            }
            text.push('\n');
        }
        fs::write(folder.join(format!("{file:04}.md")), text).expect("a file");
    }
}

fn word(n: u64) -> String {
    let syllables = ["ba", "ke", "lo", "mi", "nu", "ra", "se", "to", "vi", "zu"];
    let digits = n.to_string();
    digits
        .bytes()
        .map(|digit| syllables[usize::from(digit - b'0')])
        .collect()
}

/// Vectors in all directions, as far apart as texts of a real model or further.
struct Scattered;

impl Vectors for Scattered {
    fn model(&self, _: &AgentId) -> Result<String, String> {
        Ok("bench/scattered".to_owned())
    }

    fn make(&self, _: AgentId, texts: Vec<String>, _: EmbedFor) -> BoxFuture<'static, Embedded> {
        let vector = |text: &String| {
            let mut dice = text.bytes().fold(7_u64, |dice, byte| {
                (dice ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            let mut part = || {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (dice >> 40) as f32 / (1 << 23) as f32 - 1.0
            };
            (0..DIMENSIONS).map(|_| part()).collect()
        };
        let made = texts.iter().map(vector).collect();
        Box::pin(std::future::ready(Ok(made)))
    }
}
