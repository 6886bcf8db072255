//! Vectors of pieces, one byte a number, in a file beside the notes that can be thrown away.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;

use super::index::ContentHash;

/// What the file begins with; another layout has another number.
const MAGIC: &[u8] = b"openclaw vectors 1\n";
/// How many are kept, so that a text that comes back is not paid for again.
const KEPT: usize = 50_000;
/// What stands before each vector: the name of its text, and its scale.
const HEAD: usize = size_of::<ContentHash>() + size_of::<f32>();
const SUM: usize = 32;

/// A vector of length 1, rounded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rounded {
    scale: f32,
    parts: Box<[i8]>,
}

/// The vectors of an agent's notes, all of one model.
#[derive(Debug, Default)]
pub(super) struct VectorStore {
    model: String,
    dims: usize,
    vectors: HashMap<ContentHash, Rounded>,
    is_changed: bool,
}

/// What the file says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Label {
    model: String,
    dims: usize,
    count: usize,
}

/// Why a file of vectors can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

impl Rounded {
    /// Rounds a vector; none if it has no direction.
    pub(super) fn new(vector: &[f32]) -> Option<Self> {
        let length = vector.iter().map(|part| part * part).sum::<f32>().sqrt();
        let largest = vector
            .iter()
            .fold(0.0_f32, |most, part| most.max(part.abs()));
        if !length.is_finite() || length <= 0.0 {
            return None;
        }
        #[allow(clippy::cast_possible_truncation)] // within ±127 by the division
        let parts = vector
            .iter()
            .map(|part| (part / largest * 127.0).round() as i8)
            .collect();
        Some(Self {
            scale: largest / length / 127.0,
            parts,
        })
    }

    /// How alike two are: 1 for the same direction.
    pub(super) fn likeness(&self, other: &Self) -> f64 {
        let pairs = self.parts.iter().zip(&other.parts);
        let sum: i64 = pairs
            .map(|(a, b)| i64::from(i16::from(*a) * i16::from(*b)))
            .sum();
        #[allow(clippy::cast_precision_loss)] // sums of a few thousand small products
        let sum = sum as f64;
        sum * f64::from(self.scale) * f64::from(other.scale)
    }
}

impl VectorStore {
    pub(super) fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            ..Self::default()
        }
    }

    /// Who made them.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn get(&self, text: &ContentHash) -> Option<&Rounded> {
        self.vectors.get(text)
    }

    /// Takes a vector in; refuses one of another length, which no other could be compared with.
    pub(super) fn put(&mut self, text: ContentHash, vector: &[f32]) -> bool {
        if self.vectors.is_empty() {
            self.dims = vector.len();
        }
        if vector.len() != self.dims {
            return false;
        }
        let Some(rounded) = Rounded::new(vector) else {
            return false;
        };
        self.is_changed = true;
        self.vectors.insert(text, rounded);
        true
    }

    /// Reads the file; a missing one is an empty store of this model, and so is one of another model.
    pub(super) fn open(path: &Path, model: &str) -> Result<Self, StoreError> {
        match fs::read(path) {
            Ok(bytes) => {
                let store = Self::decode(&bytes)?;
                let is_same = store.model == model;
                Ok(if is_same { store } else { Self::new(model) })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::new(model)),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the file if something changed. What is in use goes before what may come back.
    pub(super) fn save(&mut self, path: &Path, used: &HashSet<ContentHash>) -> io::Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        if self.vectors.len() > KEPT {
            let mut room = KEPT.saturating_sub(used.len());
            self.vectors.retain(|text, _| {
                used.contains(text) || {
                    let fits = room > 0;
                    room = room.saturating_sub(1);
                    fits
                }
            });
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let beside = path.with_extension(format!("{}.tmp", std::process::id()));
        let mut file = File::create(&beside)?;
        file.write_all(&self.encode()?)?;
        file.sync_data()?;
        fs::rename(&beside, path)?;
        self.is_changed = false;
        Ok(())
    }

    fn encode(&self) -> io::Result<Vec<u8>> {
        let label = Label {
            model: self.model.clone(),
            dims: self.dims,
            count: self.vectors.len(),
        };
        let mut bytes = MAGIC.to_vec();
        bytes.reserve(self.vectors.len() * (HEAD + self.dims) + 256);
        bytes.extend(serde_json::to_vec(&label)?);
        bytes.push(b'\n');
        for (text, vector) in &self.vectors {
            bytes.extend_from_slice(text);
            bytes.extend_from_slice(&vector.scale.to_le_bytes());
            bytes.extend(vector.parts.iter().map(|part| part.cast_unsigned()));
        }
        let sum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&sum);
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = StoreError::Damaged;
        let whole = bytes.len().checked_sub(SUM);
        let (body, sum) = whole
            .map(|at| bytes.split_at(at))
            .ok_or(damaged("it is cut"))?;
        if Sha256::digest(body)[..] != *sum {
            return Err(damaged("its sum is wrong"));
        }
        let body = body.strip_prefix(MAGIC).ok_or(damaged("another layout"))?;
        let end = body.iter().position(|byte| *byte == b'\n');
        let (label, rows) = body.split_at(end.ok_or(damaged("no label"))?);
        let label: Label =
            serde_json::from_slice(label).map_err(|_| damaged("its label can't be read"))?;
        let rows = rows.get(1..).unwrap_or_default();
        let width = HEAD.saturating_add(label.dims);
        if rows.len() != label.count.saturating_mul(width) {
            return Err(damaged("rows are missing"));
        }
        let mut vectors = HashMap::with_capacity(label.count);
        for row in rows.chunks_exact(width) {
            let (Some((text, rest)), scale_at) = (row.split_first_chunk::<16>(), size_of::<f32>())
            else {
                return Err(damaged("a row is short"));
            };
            let (scale, parts) = rest.split_at(scale_at);
            let scale = f32::from_le_bytes(scale.try_into().unwrap_or_default());
            let parts = parts.iter().map(|part| part.cast_signed()).collect();
            vectors.insert(*text, Rounded { scale, parts });
        }
        Ok(Self {
            model: label.model,
            dims: label.dims,
            vectors,
            is_changed: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> VectorStore {
        let mut store = VectorStore::new("home/small");
        for n in 0..20_u8 {
            let n32 = f32::from(n);
            assert!(store.put([n; 16], &[n32.sin(), n32.cos(), 0.3]));
        }
        store
    }

    #[test]
    fn rounded_vectors_are_as_alike_as_before() {
        let round = |vector: &[f32]| Rounded::new(vector).unwrap();
        let likeness = |a: &[f32], b: &[f32]| round(a).likeness(&round(b));
        assert!((likeness(&[3.0, 4.0], &[6.0, 8.0]) - 1.0).abs() < 0.01);
        assert!(likeness(&[1.0, 0.0], &[0.0, 2.0]).abs() < 0.01);
        assert!(
            (likeness(&[1.0, 0.0], &[1.0, 1.0]) - std::f64::consts::FRAC_1_SQRT_2).abs() < 0.01
        );
        assert!(Rounded::new(&[0.0, 0.0]).is_none());
        assert!(Rounded::new(&[f32::NAN]).is_none());
    }

    #[test]
    fn what_is_stored_is_read_again_and_belongs_to_its_model() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memory/main.vectors");
        let mut store = store();
        assert!(!store.put([99; 16], &[1.0, 2.0]));
        store.save(&path, &HashSet::new()).unwrap();
        let again = VectorStore::open(&path, "home/small").unwrap();
        assert_eq!(again.vectors, store.vectors);
        assert_eq!(
            VectorStore::open(&path, "home/large")
                .unwrap()
                .vectors
                .len(),
            0
        );
        let missing = dir.path().join("none.vectors");
        assert_eq!(
            VectorStore::open(&missing, "home/small")
                .unwrap()
                .vectors
                .len(),
            0
        );
    }

    #[test]
    fn whatever_byte_is_changed_or_cut_is_noticed() {
        let bytes = store().encode().unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x41;
            assert!(VectorStore::decode(&other).is_err(), "byte {at}");
            assert!(VectorStore::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
