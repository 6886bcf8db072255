use serde_json::json;

use super::*;

const WIDTH: usize = 8;
const WIDE: usize = 16;

/// The tables of a model with two layers, in the order in which their numbers are made.
fn tables() -> Vec<(String, Vec<usize>)> {
    let norm = |name: &str| {
        let of = |end: &str| (format!("{name}.{end}"), vec![WIDTH]);
        vec![of("weight"), of("bias")]
    };
    let linear = |name: String, from: usize, to: usize| {
        vec![
            (format!("{name}.weight"), vec![to, from]),
            (format!("{name}.bias"), vec![to]),
        ]
    };
    let embedding = |name: &str, rows| {
        (
            format!("embeddings.{name}_embeddings.weight"),
            vec![rows, WIDTH],
        )
    };
    let mut tables = vec![
        embedding("word", 12),
        embedding("position", 16),
        embedding("token_type", 2),
    ];
    tables.extend(norm("embeddings.LayerNorm"));
    for layer in 0..2 {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        for part in ["query", "key", "value"] {
            tables.extend(linear(
                name(&format!("attention.self.{part}")),
                WIDTH,
                WIDTH,
            ));
        }
        tables.extend(linear(name("attention.output.dense"), WIDTH, WIDTH));
        tables.extend(norm(&name("attention.output.LayerNorm")));
        tables.extend(linear(name("intermediate.dense"), WIDTH, WIDE));
        tables.extend(linear(name("output.dense"), WIDE, WIDTH));
        tables.extend(norm(&name("output.LayerNorm")));
    }
    tables
}

/// Writes a model whose numbers are made up, but always the same.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // small numbers
fn tiny(dir: &Path) {
    let config = json!({ "model_type": "bert", "hidden_size": WIDTH, "num_attention_heads": 2,
        "num_hidden_layers": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu" });
    std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let words = [
        "[PAD]", "[CLS]", "[SEP]", "tea", "with", "mil", "##k", ".", "茶", "##s", "[UNK]", "cafe",
    ];
    std::fs::write(dir.join("vocab.txt"), words.join("\n") + "\n").unwrap();
    let (mut header, mut numbers) = (serde_json::Map::new(), Vec::new());
    for (k, (name, shape)) in tables().into_iter().enumerate() {
        let begin = numbers.len();
        for i in 0..shape.iter().product::<usize>() {
            let n = ((i * 7919 + k * 104_729) % 2003) as f64 / 2003.0 - 0.5;
            numbers.extend((n as f32).to_le_bytes());
        }
        let table =
            json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, numbers.len()] });
        header.insert(name, table);
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    file.extend(numbers);
    std::fs::write(dir.join("model.safetensors"), file).unwrap();
}

fn vectors_of(folder: &Path, texts: &[&str]) -> Result<(Vec<Vec<f32>>, u64), NoModel> {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    vectors(folder, &texts, &Arc::new(AtomicBool::new(false)))
}

fn close(made: &[f32], expected: &[f32]) {
    let near = made
        .iter()
        .zip(expected)
        .all(|(made, expected)| (made - expected).abs() < 2e-4);
    assert!(near, "{made:?} {expected:?}");
}

/// The expected numbers are those of the published formulas in double precision, from another program.
#[test]
fn the_numbers_are_those_of_the_published_model() {
    let dir = tempfile::tempdir().unwrap();
    tiny(dir.path());
    // [CLS] tea with mil ##s [SEP]
    let (made, read) = vectors_of(dir.path(), &["tea with mils", "tea", "Tea with MILS"]).unwrap();
    let expected = [
        -0.460_274, -0.533_482, 0.176_683, -0.102_502, -0.563_385, -0.166_242, -0.294_154,
        0.173_942,
    ];
    close(&made[0], &expected);
    assert_eq!((made[0].len(), read), (WIDTH, 6 + 3 + 6));
    assert_eq!(made[0], made[2]);
    assert_ne!(made[0], made[1]);
    let many: Vec<&str> = (0..40)
        .map(|n| if n % 2 == 0 { "tea" } else { "tea with mils" })
        .collect();
    let (many, _) = vectors_of(dir.path(), &many).unwrap();
    assert_eq!((&many[38], &many[39]), (&made[1], &made[0]));
}

#[test]
fn words_are_cut_as_the_model_learned_them() {
    let dir = tempfile::tempdir().unwrap();
    tiny(dir.path());
    let pieces = Pieces::read(dir.path()).unwrap();
    let ids = |text: &str| pieces.ids(text, 16);
    assert_eq!(ids("Tea, with milk."), [1, 3, 10, 4, 5, 6, 7, 2]);
    assert_eq!(ids("teas\u{200b} CAFÉ"), [1, 3, 9, 11, 2]);
    assert_eq!(ids("tea茶\ntea"), [1, 3, 8, 3, 2]);
    assert_eq!(ids(&"x".repeat(101)), [1, 10, 2]);
    assert_eq!(pieces.ids(&"tea ".repeat(50), 5), [1, 3, 3, 3, 2]);
}

#[test]
fn a_folder_that_holds_no_such_model_is_told_by_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = |dir: &Path| vectors_of(dir, &["tea"]).unwrap_err().to_string();
    assert!(wrong(dir.path()).contains("config.json"));
    tiny(dir.path());
    let file = dir.path().join("model.safetensors");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 40]).unwrap();
    assert!(wrong(dir.path()).contains("model.safetensors"));
    for at in 0..400 {
        // Damage is an error or another number, never a panic.
        let mut damaged = whole.clone();
        damaged[at * whole.len() / 400] ^= 0x55;
        std::fs::write(&file, damaged).unwrap();
        drop(vectors_of(dir.path(), &["tea"]));
    }
    std::fs::write(
        dir.path().join("config.json"),
        r#"{"model_type":"gpt2","hidden_size":8,"num_attention_heads":2,"num_hidden_layers":2}"#,
    )
    .unwrap();
    assert!(wrong(dir.path()).contains("bert"));
}

/// With the published weights in the folder that `OPENCLAW_MINILM` names; the numbers are from another program.
#[test]
#[ignore = "needs the folder of all-MiniLM-L6-v2 in OPENCLAW_MINILM"]
fn the_published_weights_make_the_published_vectors() {
    let folder = std::env::var("OPENCLAW_MINILM").expect("OPENCLAW_MINILM names a folder");
    let folder = Path::new(&folder);
    let texts = [
        "The cat sits on the mat.",
        "Wo ist mein Schlüssel? Ça va, naïve café!",
        "tea & 茶 — unbelievably (good)…\u{200b}",
    ];
    let (made, read) = vectors_of(folder, &texts).unwrap();
    close(
        &made[0],
        &[0.13418, -0.0329, -0.0248, 0.04144, -0.03635, 0.04181],
    );
    close(
        &made[1],
        &[0.03582, 0.02094, 0.01308, 0.05855, 0.01291, 0.07392],
    );
    close(
        &made[2],
        &[-0.08208, -0.01485, 0.06879, 0.06335, -0.00506, 0.05165],
    );
    assert_eq!((made[0].len(), read), (384, 9 + 16 + 15));
    let pieces = Pieces::read(folder).unwrap();
    let ids = [
        101, 5572, 1004, 100, 1517, 4895, 8671, 2666, 3567, 6321, 1006, 2204, 1007, 1529, 102,
    ];
    assert_eq!(pieces.ids(texts[2], 256), ids);
}
