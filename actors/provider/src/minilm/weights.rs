//! The file of weights: a header in JSON that says where each table lies, then numbers.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;

use serde::Deserialize;

use super::NoModel;

const FILE: &str = "model.safetensors";
/// Where a hundred tables lie takes a few kilobytes.
const LONGEST_HEADER: u64 = 1024 * 1024;
/// A number takes four bytes.
const NUMBER: usize = 4;

/// The weights of a model, still in their file.
#[derive(Debug)]
pub(super) struct Weights {
    file: File,
    tables: HashMap<String, Table>,
    /// Where the numbers begin, and where the file ends.
    begin: u64,
    end: u64,
}

#[derive(Debug, Deserialize)]
struct Table {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

impl Weights {
    pub(super) fn open(folder: &Path) -> Result<Self, NoModel> {
        let path = folder.join(FILE);
        let lost = |error| NoModel::Unreadable(path.display().to_string(), error);
        let mut file = File::open(&path).map_err(lost)?;
        let end = file.metadata().map_err(lost)?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(lost)?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER {
            return Err(malformed("its header is too long"));
        }
        let mut header = String::new();
        let mut part = (&mut file).take(length);
        part.read_to_string(&mut header).map_err(lost)?;
        let header: HashMap<String, serde_json::Value> =
            serde_json::from_str(&header).map_err(|error| malformed(&error.to_string()))?;
        // What is no table tells about the file.
        let tables = header.into_iter().filter_map(|(name, table)| {
            let table = serde_json::from_value(table).ok()?;
            Some((name, table))
        });
        Ok(Self {
            tables: tables.collect(),
            file,
            begin: 8 + length,
            end,
        })
    }

    /// How many rows of this length a table has.
    pub(super) fn rows(&self, name: &str, width: usize) -> Result<usize, NoModel> {
        match self.table(name)?.shape.as_slice() {
            [rows, columns] if *columns == width => Ok(*rows),
            shape => Err(malformed(&format!("{name} has the shape {shape:?}"))),
        }
    }

    /// One row of a table.
    pub(super) fn row(
        &mut self,
        name: &str,
        row: usize,
        width: usize,
    ) -> Result<Vec<f32>, NoModel> {
        if row >= self.rows(name, width)? {
            return Err(malformed(&format!("{name} has no row {row}")));
        }
        self.numbers(name, row.saturating_mul(width), width)
    }

    /// A whole table of this many numbers.
    pub(super) fn all(&mut self, name: &str, count: usize) -> Result<Vec<f32>, NoModel> {
        let shape = &self.table(name)?.shape;
        if shape.iter().try_fold(1_usize, |all, n| all.checked_mul(*n)) != Some(count) {
            return Err(malformed(&format!("{name} has the shape {shape:?}")));
        }
        self.numbers(name, 0, count)
    }

    /// The rows of a table that is as wide as this, however many it has.
    pub(super) fn tall(&mut self, name: &str, width: usize) -> Result<(Vec<f32>, usize), NoModel> {
        let rows = self.rows(name, width)?;
        Ok((self.numbers(name, 0, rows.saturating_mul(width))?, rows))
    }

    fn table(&self, name: &str) -> Result<&Table, NoModel> {
        let table = self.tables.get(name);
        let table = table.ok_or_else(|| malformed(&format!("{name} is missing")))?;
        match table.dtype.as_str() {
            "F32" => Ok(table),
            other => Err(malformed(&format!("{name} is of {other}, not of F32"))),
        }
    }

    fn numbers(&mut self, name: &str, from: usize, count: usize) -> Result<Vec<f32>, NoModel> {
        let [begin, end] = self.table(name)?.data_offsets;
        let lost = |error| NoModel::Unreadable(FILE.to_owned(), error);
        let (skip, length) = (from.saturating_mul(NUMBER), count.saturating_mul(NUMBER));
        let place = begin.saturating_add(skip as u64);
        let over = place.saturating_add(length as u64);
        // What the header says is not to be believed: no more is asked for than the file has.
        if over > end || self.begin.saturating_add(over) > self.end {
            return Err(malformed(&format!("{name} is cut off")));
        }
        let place = SeekFrom::Start(self.begin + place);
        self.file.seek(place).map_err(lost)?;
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes).map_err(lost)?;
        let numbers = bytes.as_chunks::<NUMBER>().0;
        Ok(numbers
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect())
    }
}

fn malformed(what: &str) -> NoModel {
    NoModel::Malformed(FILE, what.to_owned())
}
