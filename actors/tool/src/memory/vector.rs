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
    /// Numbers of one byte, each with 128 added.
    parts: Box<[u8]>,
}

/// A vector that many are compared with.
#[derive(Debug, Clone)]
pub(super) struct Question {
    scale: f32,
    /// Of each eight parts the first and the fifth, the second and the sixth and so on in one number: multiplied with two
    /// parts of another vector it has the sum of both products in its upper half.
    pairs: Vec<[u64; 4]>,
    /// What is left over eight.
    rest: Vec<i64>,
    /// What comes out too much for the 128 in each part of the other.
    excess: i64,
}

/// The lowest bytes of both halves.
const HALVES: u64 = 0x0000_00ff_0000_00ff;
/// What sums of so many eights fit into half a number, whatever the parts are.
const EIGHTS: usize = 4096;

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
            .map(|part| ((part / largest * 127.0).round() as i8).cast_unsigned() ^ 128)
            .collect();
        Some(Self {
            scale: largest / length / 127.0,
            parts,
        })
    }

    /// Prepares it to be compared with many.
    pub(super) fn question(&self) -> Question {
        let (eights, rest) = self.parts.as_chunks::<8>();
        let part = |part: u8| i64::from(part) - 128;
        let pair = |low: u8, high: u8| {
            let pair = part(high).wrapping_add(part(low) << 32);
            pair.cast_unsigned()
        };
        Question {
            scale: self.scale,
            pairs: eights
                .iter()
                .map(|[a, b, c, d, e, f, g, h]| {
                    [pair(*a, *e), pair(*b, *f), pair(*c, *g), pair(*d, *h)]
                })
                .collect(),
            rest: rest.iter().copied().map(part).collect(),
            excess: 128 * self.parts.iter().copied().map(part).sum::<i64>(),
        }
    }
}

impl Question {
    /// How alike two are: 1 for the same direction. Vectors of another length are not alike.
    pub(super) fn likeness(&self, other: &Rounded) -> f64 {
        let (eights, rest) = other.parts.as_chunks::<8>();
        if (eights.len(), rest.len()) != (self.pairs.len(), self.rest.len()) {
            return 0.0;
        }
        let runs = self.pairs.chunks(EIGHTS).zip(eights.chunks(EIGHTS));
        let whole: i64 = runs.map(|(pairs, eights)| product(pairs, eights)).sum();
        let rest = self.rest.iter().zip(rest);
        let rest: i64 = rest.map(|(a, b)| a * i64::from(*b)).sum();
        #[allow(clippy::cast_precision_loss)] // sums of a few thousand small products
        let sum = (whole + rest - self.excess) as f64;
        sum * f64::from(self.scale) * f64::from(other.scale)
    }
}

/// The sum of the products. Two of them at a time and none in a loop of its own: the release build is made small, and
/// puts nothing side by side by itself.
fn product(pairs: &[[u64; 4]], eights: &[[u8; 8]]) -> i64 {
    let mut sum = 0_u64;
    for ([a, b, c, d], eight) in pairs.iter().zip(eights) {
        let eight = u64::from_le_bytes(*eight);
        let one = (eight & HALVES).wrapping_mul(*a);
        let two = ((eight >> 8) & HALVES).wrapping_mul(*b);
        let three = ((eight >> 16) & HALVES).wrapping_mul(*c);
        let four = ((eight >> 24) & HALVES).wrapping_mul(*d);
        let both = one.wrapping_add(two);
        sum = sum
            .wrapping_add(both)
            .wrapping_add(three.wrapping_add(four));
    }
    // The lower half holds products of parts that are not each other's; below nothing, it took one from the upper half.
    let sum = sum.cast_signed();
    #[allow(clippy::cast_possible_truncation)] // the lower half is what is wanted
    let low = i64::from(sum as i32);
    sum.wrapping_sub(low) >> 32
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
            bytes.extend(vector.parts.iter().map(|part| part ^ 128));
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
            let parts = parts.iter().map(|part| part ^ 128).collect();
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
        let likeness = |a: &[f32], b: &[f32]| round(a).question().likeness(&round(b));
        assert!((likeness(&[3.0, 4.0], &[6.0, 8.0]) - 1.0).abs() < 0.01);
        assert!(likeness(&[1.0, 0.0], &[0.0, 2.0]).abs() < 0.01);
        assert!(
            (likeness(&[1.0, 0.0], &[1.0, 1.0]) - std::f64::consts::FRAC_1_SQRT_2).abs() < 0.01
        );
        assert!(Rounded::new(&[0.0, 0.0]).is_none());
        assert!(Rounded::new(&[f32::NAN]).is_none());
    }

    #[test]
    fn products_are_the_same_as_one_by_one() {
        let mut dice = 7_u64;
        let mut part = || {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // The ends of what a part can be come often.
            [0, 1, 127, 128, 255, (dice >> 40).to_le_bytes()[0]][(dice >> 60) as usize % 6]
        };
        for length in [0, 1, 7, 8, 9, 768, 1023, 100_000] {
            let mut row = |end: Option<u8>| Rounded {
                scale: 1.0,
                parts: (0..length).map(|_| end.unwrap_or_else(&mut part)).collect(),
            };
            let pairs = [
                (row(None), row(None)),
                (row(Some(0)), row(Some(0))),
                (row(Some(0)), row(Some(255))),
                (row(Some(255)), row(Some(0))),
            ];
            for (a, b) in pairs {
                let one = |part: &u8| i64::from(*part) - 128;
                let pairs = a.parts.iter().zip(&b.parts);
                let expected: i64 = pairs.map(|(a, b)| one(a) * one(b)).sum();
                assert_eq!(a.question().likeness(&b), expected as f64, "{length}");
            }
        }
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
