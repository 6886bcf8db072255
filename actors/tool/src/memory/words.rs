//! The words of a text, as search sees them.

use std::collections::BTreeSet;

/// Words that say nothing about a subject.
const SMALL: &[&str] = &[
    "a", "an", "and", "are", "at", "be", "do", "for", "i", "in", "is", "it", "me", "my", "of",
    "on", "or", "that", "the", "to", "was", "what", "when", "where", "who", "you", "your", "about",
    "with", "le", "la", "les", "un", "une", "des", "de", "du", "et", "est", "que", "qui", "je",
    "tu", "mon", "ma", "mes", "sur", "pour", "der", "die", "das", "ein", "eine", "und", "ist",
    "ich", "mein", "meine", "von", "zu", "im", "den", "dem", "ueber", "uber",
];

/// The words of a text, folded: lower case, without accents. Scripts that put no space between
/// words give their characters in pairs.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for run in text.split(|c: char| !c.is_alphanumeric()) {
        let mut word = String::new();
        let mut before = None;
        for c in run.chars() {
            if !is_unspaced(c) {
                before = None;
                fold(c, &mut word);
                continue;
            }
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            match before {
                Some(before) => words.push(String::from_iter([before, c])),
                None => words.push(c.to_string()),
            }
            before = Some(c);
        }
        if !word.is_empty() {
            words.push(word);
        }
    }
    words
}

/// The words of a question that say something; all of them if none does.
pub(super) fn terms(question: &str) -> Vec<String> {
    let all: BTreeSet<String> = words(question).into_iter().collect();
    let tells = |word: &&String| {
        let is_letter = word.len() == 1 && !word.bytes().all(|byte| byte.is_ascii_digit());
        !is_letter && !SMALL.contains(&word.as_str())
    };
    let telling: Vec<String> = all.iter().filter(tells).cloned().collect();
    if telling.is_empty() {
        all.into_iter().collect()
    } else {
        telling
    }
}

/// Chinese, Japanese, Thai and their neighbours.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn fold(c: char, folded: &mut String) {
    for c in c.to_lowercase() {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_and_small_ones_are_left_out_of_a_question() {
        assert_eq!(words("Zürich, straße!"), ["zurich", "strasse"]);
        assert_eq!(terms("What is Ada's tea?"), ["ada", "tea"]);
        assert_eq!(terms("what is it"), ["is", "it", "what"]);
        assert_eq!(
            words("東京タワー v2"),
            ["東", "東京", "京タ", "タワ", "ワー", "v2"]
        );
    }
}
