//! The index of an agent's notes: which words stand in which piece of which file.
//!
//! Made from the Markdown, which is the truth: it holds no text, and can be made again at any time.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

use sha2::Digest;
use sha2::Sha256;

use super::cut;
use super::cut::Chunking;
use super::cut::Piece;
use super::words;

/// How fast more of the same word counts for less, and how much long pieces are held back; the usual
/// values of BM25.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// What a word counts for that only begins the same ("bin" and "bins").
const KIN: f64 = 0.6;
/// How much longer than the other such a word may be, in bytes.
const KIN_LONGER: usize = 4;
/// A word that stands nowhere tells no piece from another, but the question is less answered.
const NOWHERE: f64 = 0.5;

/// Names a piece by its text: a short SHA-256.
pub(super) type ContentHash = [u8; 16];

/// How a file was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) modified: Option<SystemTime>,
    pub(super) len: u64,
}

/// A piece of a file, as the index knows it.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) file: Arc<str>,
    pub(super) piece: Piece,
    pub(super) hash: ContentHash,
    words: u32,
}

#[derive(Debug)]
struct Held {
    stamp: Stamp,
    chunks: Vec<u32>,
}

/// The index.
#[derive(Debug, Default)]
pub(super) struct Index {
    chunking: Chunking,
    files: BTreeMap<Arc<str>, Held>,
    /// By number; what is gone leaves its place empty until the next clearing.
    chunks: Vec<Option<Chunk>>,
    /// For each word the pieces it stands in, and how often.
    terms: BTreeMap<Box<str>, Vec<(u32, u16)>>,
    live: usize,
    words: u64,
}

/// Names a text.
pub(super) fn hash(text: &str) -> ContentHash {
    let whole = Sha256::digest(text.as_bytes());
    let mut short = ContentHash::default();
    for (to, from) in short.iter_mut().zip(whole.iter()) {
        *to = *from;
    }
    short
}

impl Index {
    pub(super) fn new(chunking: Chunking) -> Self {
        Self {
            chunking,
            ..Self::default()
        }
    }

    pub(super) fn chunking(&self) -> Chunking {
        self.chunking
    }

    /// How a file was when it was taken in.
    pub(super) fn stamp(&self, file: &str) -> Option<Stamp> {
        self.files.get(file).map(|held| held.stamp)
    }

    /// The names of the files.
    pub(super) fn files(&self) -> impl Iterator<Item = &Arc<str>> {
        self.files.keys()
    }

    /// How many pieces there are.
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// The pieces with their numbers.
    pub(super) fn chunks(&self) -> impl Iterator<Item = (u32, &Chunk)> {
        let numbered = (0_u32..).zip(&self.chunks);
        numbered.filter_map(|(id, chunk)| Some((id, chunk.as_ref()?)))
    }

    /// A piece by its number.
    pub(super) fn chunk(&self, id: u32) -> Option<&Chunk> {
        self.chunks.get(usize::try_from(id).ok()?)?.as_ref()
    }

    /// Takes a file in, in place of what was known of it.
    pub(super) fn put(&mut self, name: &str, stamp: Stamp, text: &str) {
        self.remove(name);
        let file: Arc<str> = name.into();
        let mut ids = Vec::new();
        for piece in cut::pieces(text, self.chunking) {
            let own = text.get(piece.start..piece.end).unwrap_or_default();
            let plain = cut::plain(own);
            if plain.trim().is_empty() {
                continue;
            }
            let mut counts: HashMap<String, u16> = HashMap::new();
            let mut words = 0_u32;
            for word in words::words(&plain) {
                words += 1;
                let count = counts.entry(word).or_default();
                *count = count.saturating_add(1);
            }
            let Ok(id) = u32::try_from(self.chunks.len()) else {
                break;
            };
            for (word, count) in counts {
                match self.terms.get_mut(word.as_str()) {
                    Some(list) => list.push((id, count)),
                    None => drop(self.terms.insert(word.into(), vec![(id, count)])),
                }
            }
            self.words += u64::from(words);
            self.live += 1;
            self.chunks.push(Some(Chunk {
                file: file.clone(),
                piece,
                hash: hash(&plain),
                words,
            }));
            ids.push(id);
        }
        self.files.insert(file, Held { stamp, chunks: ids });
    }

    /// Forgets a file.
    pub(super) fn remove(&mut self, name: &str) {
        let Some(held) = self.files.remove(name) else {
            return;
        };
        for id in held.chunks {
            let place = usize::try_from(id).ok();
            let place = place.and_then(|id| self.chunks.get_mut(id));
            if let Some(gone) = place.and_then(Option::take) {
                self.live -= 1;
                self.words -= u64::from(gone.words);
            }
        }
    }

    /// Whether so much is gone that the index had better be made anew.
    pub(super) fn is_sparse(&self) -> bool {
        self.chunks.len() > 1000 + 2 * self.live
    }

    /// The pieces that share words with a question, the best first, with a score of at most 1: how much
    /// of what the question says stands there.
    pub(super) fn search(
        &self,
        terms: &[String],
        may: &dyn Fn(&Chunk) -> bool,
        most: usize,
    ) -> Vec<(u32, f64)> {
        // A place for each piece: looking a number up would take longer than what is done with it.
        let mut sums = vec![0.0_f64; self.chunks.len()];
        let mut parts = vec![0.0_f64; self.chunks.len()];
        let mut whole = 0.0;
        #[allow(clippy::cast_precision_loss)] // no one has 2^52 notes
        let (all, mean) = (
            self.live as f64,
            (self.words as f64 / (self.live.max(1)) as f64).max(1.0),
        );
        for term in terms {
            let mut found: Vec<u32> = Vec::new();
            for (weight, list) in self.kin(term) {
                for (id, count) in list {
                    let place = usize::try_from(*id).unwrap_or(usize::MAX);
                    let (Some(Some(chunk)), Some(best)) =
                        (self.chunks.get(place), parts.get_mut(place))
                    else {
                        continue;
                    };
                    let (count, words) = (f64::from(*count), f64::from(chunk.words));
                    let long = K1 * (1.0 - B + B * words / mean);
                    let part = weight * count * (K1 + 1.0) / (count + long);
                    // What was found has a part above nothing.
                    if *best <= 0.0 {
                        found.push(*id);
                    }
                    *best = best.max(part);
                }
            }
            #[allow(clippy::cast_precision_loss)]
            let rarity = (1.0 + all / (1.0 + found.len() as f64)).ln();
            whole += if found.is_empty() {
                rarity * NOWHERE
            } else {
                rarity
            };
            for id in found {
                let place = usize::try_from(id).unwrap_or(usize::MAX);
                if let (Some(sum), Some(part)) = (sums.get_mut(place), parts.get_mut(place)) {
                    *sum += rarity * std::mem::take(part);
                }
            }
        }
        let mut hits: Vec<(u32, f64)> = (0_u32..)
            .zip(sums)
            .filter(|(id, sum)| *sum > 0.0 && self.chunk(*id).is_some_and(may))
            .map(|(id, sum)| (id, sum / whole))
            .collect();
        best(&mut hits, most);
        for (_, score) in &mut hits {
            *score = score.min(1.0);
        }
        hits
    }

    /// Where a word stands, and words that begin the same.
    fn kin(&self, term: &str) -> Vec<(f64, &Vec<(u32, u16)>)> {
        let mut kin = Vec::new();
        if term.chars().count() >= 3 {
            let from = (Bound::Included(term), Bound::Unbounded);
            for (word, list) in self.terms.range::<str, _>(from) {
                if !word.starts_with(term) {
                    break;
                }
                match word.len() - term.len() {
                    0 => kin.push((1.0, list)),
                    longer if longer <= KIN_LONGER => kin.push((KIN, list)),
                    _ => {}
                }
            }
        } else {
            kin.extend(self.terms.get(term).map(|list| (1.0, list)));
        }
        let ends = term.char_indices().map(|(at, _)| at).skip(3);
        for end in ends.filter(|end| term.len() - end <= KIN_LONGER) {
            let shorter = term.get(..end).and_then(|word| self.terms.get(word));
            kin.extend(shorter.map(|list| (KIN, list)));
        }
        kin
    }
}

/// Leaves the best, in order. Of two equal ones the later wins; files are read oldest first.
pub(super) fn best(hits: &mut Vec<(u32, f64)>, most: usize) {
    let order =
        |(one, a): &(u32, f64), (other, b): &(u32, f64)| b.total_cmp(a).then(other.cmp(one));
    if hits.len() > most {
        hits.select_nth_unstable_by(most, order);
        hits.truncate(most);
    }
    hits.sort_unstable_by(order);
}

/// How much of a question a note answers, against the other notes of its piece.
pub(super) fn share(terms: &[String], text: &str) -> f64 {
    let words = words::words(text);
    let close = |term: &String| {
        let kin = |word: &String| {
            let (short, long) = if word.len() < term.len() {
                (word, term)
            } else {
                (term, word)
            };
            short.chars().count() >= 3
                && long.starts_with(short.as_str())
                && long.len() - short.len() <= KIN_LONGER
        };
        if words.contains(term) {
            1.0
        } else if words.iter().any(kin) {
            KIN
        } else {
            0.0
        }
    };
    terms.iter().map(close).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        modified: None,
        len: 0,
    };

    fn files(index: &Index, question: &str) -> Vec<String> {
        let hits = index.search(&words::terms(question), &|_| true, 10);
        hits.iter()
            .map(|(id, _)| index.chunk(*id).unwrap().file.to_string())
            .collect()
    }

    #[test]
    fn rare_words_count_more_and_what_changed_is_found_as_it_is_now() {
        let mut index = Index::default();
        index.put("a.md", STAMP, "the garden has apples and pears");
        index.put("b.md", STAMP, "the garden has a gate");
        index.put("c.md", STAMP, "the garden is large, says Ada");
        assert_eq!(files(&index, "garden gate")[0], "b.md");
        assert_eq!(files(&index, "Ada"), ["c.md"]);
        index.put("b.md", STAMP, "the gate is gone");
        assert_eq!(files(&index, "garden").len(), 2);
        index.remove("c.md");
        assert_eq!(files(&index, "Ada"), Vec::<String>::new());
        assert_eq!(index.len(), 2);
    }

    #[test]
    fn an_index_that_was_changed_answers_as_one_made_anew() {
        let text = |n: u32| format!("# day {n}\n- word{} and word{}\n- tea\n", n % 7, n % 5);
        let (mut changed, mut anew) = (Index::default(), Index::default());
        for n in 0..40 {
            changed.put(&format!("{n:02}.md"), STAMP, "something else entirely");
        }
        for n in 0..40 {
            changed.put(&format!("{n:02}.md"), STAMP, &text(n));
            anew.put(&format!("{n:02}.md"), STAMP, &text(n));
        }
        for question in ["word3", "tea word1", "day 12", "entirely"] {
            assert_eq!(files(&changed, question), files(&anew, question));
        }
    }
}
