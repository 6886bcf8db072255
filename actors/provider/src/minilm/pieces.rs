//! Texts as the model reads them: words and parts of words by their number.

use std::collections::HashMap;
use std::path::Path;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use icu_properties::props::GeneralCategoryGroup;

use super::NoModel;
use super::text;

const FILE: &str = "vocab.txt";
/// What is longer is no word.
const LONGEST_WORD: usize = 100;

/// The words of a model.
#[derive(Debug)]
pub(super) struct Pieces {
    numbers: HashMap<String, u32>,
    unknown: u32,
    begin: u32,
    end: u32,
}

impl Pieces {
    pub(super) fn read(folder: &Path) -> Result<Self, NoModel> {
        Self::parse(&text(folder, FILE)?)
    }

    pub(super) fn parse(text: &str) -> Result<Self, NoModel> {
        let numbered = (0..).zip(text.lines());
        let numbers: HashMap<String, u32> = numbered
            .map(|(number, word)| (word.trim_end().to_owned(), number))
            .collect();
        let of = |word: &str| {
            let number = numbers.get(word).copied();
            number.ok_or_else(|| NoModel::Malformed(FILE, format!("{word} is missing")))
        };
        Ok(Self {
            unknown: of("[UNK]")?,
            begin: of("[CLS]")?,
            end: of("[SEP]")?,
            numbers,
        })
    }

    /// The numbers of a text, `most` at the most.
    pub(super) fn ids(&self, text: &str, most: usize) -> Vec<u32> {
        let mut ids = vec![self.begin];
        let room = most.saturating_sub(1);
        for word in words(text) {
            self.cut(&word, &mut ids);
            if ids.len() >= room {
                break;
            }
        }
        ids.truncate(room);
        ids.push(self.end);
        ids
    }

    /// Cuts a word into the longest parts that are known, from its beginning.
    fn cut(&self, word: &str, ids: &mut Vec<u32>) {
        let before = ids.len();
        let ends: Vec<usize> = word
            .char_indices()
            .map(|(at, c)| at + c.len_utf8())
            .collect();
        let mut begin = 0;
        if ends.len() > LONGEST_WORD {
            ids.push(self.unknown);
            return;
        }
        while begin < word.len() {
            let mut longest = ends.iter().rev().take_while(|end| **end > begin);
            let found = longest.find_map(|end| {
                let part = word.get(begin..*end)?;
                let number = match begin {
                    0 => self.numbers.get(part),
                    _ => self.numbers.get(&format!("##{part}")),
                };
                Some((*number?, *end))
            });
            let Some((number, end)) = found else {
                ids.truncate(before);
                ids.push(self.unknown);
                return;
            };
            ids.push(number);
            begin = end;
        }
    }
}

/// The words and signs of a text, in small letters without accents.
fn words(text: &str) -> Vec<String> {
    let kinds = CodePointMapData::<GeneralCategory>::new();
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        let is_other = || GeneralCategoryGroup::Other.contains(kinds.get(c));
        match c {
            '\t' | '\n' | '\r' => clean.push(' '),
            '\0' | '\u{fffd}' => {}
            _ if is_other() => {}
            _ if is_han(c) => clean.extend([' ', c, ' ']),
            _ => clean.push(c),
        }
    }
    let apart = DecomposingNormalizerBorrowed::new_nfd().normalize(&clean);
    let is_accent = |c: &char| kinds.get(*c) == GeneralCategory::NonspacingMark;
    let plain = apart.chars().filter(|c| !is_accent(c)).collect::<String>();
    let plain = plain.chars().flat_map(char::to_lowercase);
    let (mut words, mut word) = (Vec::new(), String::new());
    for c in plain {
        let is_sign =
            c.is_ascii_punctuation() || GeneralCategoryGroup::Punctuation.contains(kinds.get(c));
        if !is_sign && !c.is_whitespace() {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if is_sign {
            words.push(c.to_string());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Signs that are words by themselves.
fn is_han(c: char) -> bool {
    matches!(c,
        '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{2a6df}'
        | '\u{2a700}'..='\u{2b73f}' | '\u{2b740}'..='\u{2b81f}' | '\u{2b820}'..='\u{2ceaf}'
        | '\u{f900}'..='\u{faff}' | '\u{2f800}'..='\u{2fa1f}')
}
