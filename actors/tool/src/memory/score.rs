//! How well a note fits a question: by the words they share, the rare ones counting more.

use std::collections::HashMap;

/// Words that say nothing about a subject.
const SMALL: &[&str] = &[
    "a", "an", "and", "are", "at", "be", "do", "for", "i", "in", "is", "it", "me", "my", "of",
    "on", "or", "that", "the", "to", "was", "what", "when", "where", "who", "you", "your", "about",
    "with", "le", "la", "les", "un", "une", "des", "de", "du", "et", "est", "que", "qui", "je",
    "tu", "mon", "ma", "mes", "sur", "pour", "der", "die", "das", "ein", "eine", "und", "ist",
    "ich", "mein", "meine", "von", "zu", "im", "den", "dem", "ueber", "uber",
];

/// The words of a text, folded: lower case, without accents.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(fold)
        .collect()
}

/// The words of a question that say something; all of them if none does.
pub(super) fn terms(question: &str) -> Vec<String> {
    let all = words(question);
    let telling: Vec<String> = all
        .iter()
        .filter(|word| !SMALL.contains(&word.as_str()))
        .cloned()
        .collect();
    let mut terms = if telling.is_empty() { all } else { telling };
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// Scores each text from 0 (nothing shared) to 1 (every term, word for word).
pub(super) fn scores(terms: &[String], texts: &[Vec<String>]) -> Vec<f64> {
    let mut within: HashMap<&str, f64> = HashMap::new();
    for term in terms {
        let holding = texts
            .iter()
            .filter(|text| closeness(term, text) > 0.0)
            .count();
        #[allow(clippy::cast_precision_loss)] // no one has 2^52 notes
        let rarity = (1.0 + texts.len() as f64 / (1.0 + holding as f64)).ln();
        within.insert(term, rarity);
    }
    let weight = |term: &String| within.get(term.as_str()).copied().unwrap_or(0.0);
    let whole: f64 = terms.iter().map(weight).sum();
    let score = |text: &Vec<String>| {
        let sum: f64 = terms
            .iter()
            .map(|term| weight(term) * closeness(term, text))
            .sum();
        if whole > 0.0 { sum / whole } else { 0.0 }
    };
    texts.iter().map(score).collect()
}

/// 1 for the word itself, less for one that begins the same ("bin" and "bins").
fn closeness(term: &str, text: &[String]) -> f64 {
    let mut best = 0.0_f64;
    for word in text {
        if word == term {
            return 1.0;
        }
        let (short, long) = if word.len() < term.len() {
            (word.as_str(), term)
        } else {
            (term, word.as_str())
        };
        if short.chars().count() >= 3 && long.starts_with(short) {
            best = best.max(0.6);
        }
    }
    best
}

fn fold(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    for c in word.chars().flat_map(char::to_lowercase) {
        match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => folded.push('a'),
            'ç' => folded.push('c'),
            'è' | 'é' | 'ê' | 'ë' => folded.push('e'),
            'ì' | 'í' | 'î' | 'ï' => folded.push('i'),
            'ñ' => folded.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => folded.push('o'),
            'ù' | 'ú' | 'û' | 'ü' => folded.push('u'),
            'ß' => folded.push_str("ss"),
            'œ' => folded.push_str("oe"),
            'æ' => folded.push_str("ae"),
            other => folded.push(other),
        }
    }
    folded
}
