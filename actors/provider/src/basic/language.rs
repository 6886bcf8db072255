//! The languages it is spoken to in: told apart by small words, not by statistics.

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Language {
    #[default]
    English,
    French,
    German,
}

const FRENCH: &[&str] = &[
    "bonjour", "salut", "bonsoir", "coucou", "merci", "aide", "aidez", "je", "tu", "vous", "le",
    "les", "une", "est", "quoi", "que", "qui", "quelle", "quel", "heure", "mes", "mon", "ma",
    "sur", "avec", "souviens", "rappelle", "retiens", "peux", "moi", "sais", "sont", "statut",
    "état", "pour", "ça", "c'est", "aime",
];
const GERMAN: &[&str] = &[
    "hallo", "guten", "moin", "servus", "danke", "hilfe", "ich", "du", "sie", "der", "das", "ein",
    "eine", "ist", "sind", "wie", "wer", "welche", "welches", "uhr", "spät", "meine", "mein",
    "über", "mit", "merke", "merk", "erinnere", "kannst", "mir", "weißt", "weisst", "notiz",
    "notizen", "und", "nicht", "für", "mag", "zustand",
];

impl Language {
    /// Guesses from the words; English unless another has more of them.
    pub(super) fn of(words: &[&str]) -> Self {
        let count = |list: &[&str]| words.iter().filter(|word| list.contains(word)).count();
        let (french, german) = (count(FRENCH), count(GERMAN));
        match (french, german) {
            (0, 0) => Self::English,
            (f, g) if f >= g => Self::French,
            _ => Self::German,
        }
    }

    /// Picks a text.
    pub(super) fn pick<'t>(self, english: &'t str, french: &'t str, german: &'t str) -> &'t str {
        match self {
            Self::English => english,
            Self::French => french,
            Self::German => german,
        }
    }
}
