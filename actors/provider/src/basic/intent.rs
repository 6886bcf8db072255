//! What a person wants, read by rules.

use super::language::Language;

/// What was heard, and in which language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) intent: Intent,
    pub(super) language: Language,
}

/// What a person wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Intent {
    Nothing,
    Greeting,
    Thanks,
    Goodbye,
    Help,
    Who,
    Status,
    Configured,
    Time,
    /// How to get a model that reasons.
    Connect,
    /// Take a note.
    Note(String),
    /// A note was to be taken, but of what?
    NoteWhat,
    /// Find notes.
    Recall(String),
    /// The latest notes.
    Notes,
    Other(String),
}

/// Openings after which the rest is a note.
const NOTE: &[&str] = &[
    "remember that",
    "remember this",
    "please remember that",
    "please remember",
    "remember to",
    "remember",
    "note that",
    "note to self",
    "make a note that",
    "make a note",
    "take a note",
    "add a note",
    "note",
    "don't forget that",
    "don't forget",
    "save this",
    "souviens-toi que",
    "souviens-toi de",
    "souviens toi que",
    "retiens que",
    "retiens",
    "note que",
    "noter",
    "n'oublie pas que",
    "n'oublie pas",
    "merke dir, dass",
    "merke dir dass",
    "merk dir, dass",
    "merk dir dass",
    "merke dir",
    "merk dir",
    "notiere, dass",
    "notiere dass",
    "notiere",
    "notiz",
    "vergiss nicht, dass",
    "vergiss nicht",
];

/// Openings after which the rest is what to look for.
const RECALL: &[&str] = &[
    "what do you know about",
    "what do you remember about",
    "do you remember",
    "what did i say about",
    "what did i tell you about",
    "what have i told you about",
    "what about",
    "recall",
    "search notes for",
    "search my notes for",
    "search memory for",
    "search for",
    "search",
    "find notes about",
    "find",
    "look up",
    "que sais-tu de",
    "que sais-tu sur",
    "que sais tu de",
    "que sais tu sur",
    "qu'est-ce que tu sais sur",
    "te souviens-tu de",
    "rappelle-moi",
    "cherche",
    "trouve",
    "was weißt du über",
    "was weisst du über",
    "was weißt du von",
    "erinnerst du dich an",
    "was habe ich über",
    "suche nach",
    "suche",
    "finde",
];

/// Reads a message.
pub(super) fn read(message: &str) -> Heard {
    let straight = message.replace('’', "'");
    let body = body(&straight);
    let lower = lower(body);
    let words: Vec<&str> = lower
        .split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .filter(|word| !word.is_empty())
        .collect();
    Heard {
        language: Language::of(&words),
        intent: intent(body, &lower, &words),
    }
}

fn intent(body: &str, lower: &str, words: &[&str]) -> Intent {
    if words.is_empty() {
        return Intent::Nothing;
    }
    let command = lower
        .strip_prefix('/')
        .and_then(|rest| rest.split_whitespace().next());
    match command {
        Some("help" | "commands" | "start") => return Intent::Help,
        Some("status") => return Intent::Status,
        Some("whoami" | "id") => return Intent::Who,
        Some("model" | "models") => return Intent::Connect,
        Some("notes" | "memory") => return Intent::Notes,
        _ => {}
    }
    if wants_notes(lower, words) {
        return Intent::Notes;
    }
    // A question about remembering is not an order to remember.
    let asks = lower.trim_end().ends_with('?');
    if let Some(rest) = after(body, lower, RECALL) {
        return match rest {
            "" => Intent::Notes,
            rest => Intent::Recall(rest.to_owned()),
        };
    }
    if let Some(rest) = (!asks).then(|| after(body, lower, NOTE)).flatten() {
        return match rest {
            "" => Intent::NoteWhat,
            rest => Intent::Note(rest.to_owned()),
        };
    }
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let says = |list: &[&str]| list.iter().any(|phrase| lower.contains(phrase));
    let short = words.len() <= 6;
    if says(&[
        "real model",
        "connect a model",
        "connect model",
        "configure a model",
        "use a model",
        "api key",
        "ollama",
        "openai",
        "anthropic",
        "claude",
        "gpt",
        "lm studio",
        "llama",
        "vrai modèle",
        "clé api",
        "echtes modell",
        "modell verbinden",
        "api-schlüssel",
    ]) {
        return Intent::Connect;
    }
    if says(&[
        "what time",
        "the time",
        "what day",
        "what date",
        "which day",
        "today's date",
        "quelle heure",
        "quel jour",
        "wie spät",
        "wieviel uhr",
        "wie viel uhr",
        "welcher tag",
        "welches datum",
    ]) || (short && has(&["time", "date", "heure", "uhrzeit", "datum"]))
    {
        return Intent::Time;
    }
    if says(&[
        "configured",
        "configuration",
        "which channels",
        "what channels",
        "which models",
        "which model",
        "what model",
        "connected channels",
        "configuré",
        "quels canaux",
        "quel modèle",
        "konfiguriert",
        "welche kanäle",
        "welches modell",
        "eingerichtet",
    ]) {
        return Intent::Configured;
    }
    if says(&[
        "how are you running",
        "are you ok",
        "are you up",
        "uptime",
        "gateway",
    ]) || (short && has(&["status", "health", "statut", "état", "zustand"]))
    {
        return Intent::Status;
    }
    if says(&[
        "who are you",
        "what are you",
        "your name",
        "qui es-tu",
        "qui es tu",
        "qui êtes-vous",
        "tu es qui",
        "wer bist du",
        "was bist du",
        "wie heißt du",
        "are you an ai",
        "are you real",
    ]) {
        return Intent::Who;
    }
    if says(&[
        "what can you do",
        "how do you work",
        "que peux-tu faire",
        "que sais-tu faire",
        "was kannst du",
    ]) || (short && has(&["help", "commands", "aide", "hilfe"]))
    {
        return Intent::Help;
    }
    if short && has(&["thanks", "thank", "thx", "merci", "danke"]) {
        return Intent::Thanks;
    }
    if short
        && has(&[
            "bye",
            "goodbye",
            "ciao",
            "tschüss",
            "tschüß",
            "revoir",
            "wiedersehen",
        ])
    {
        return Intent::Goodbye;
    }
    let greets = [
        "hello",
        "hi",
        "hey",
        "hiya",
        "howdy",
        "greetings",
        "good",
        "yo",
        "bonjour",
        "salut",
        "bonsoir",
        "coucou",
        "hallo",
        "guten",
        "moin",
        "servus",
        "ping",
        "test",
    ];
    if short && words.first().is_some_and(|word| greets.contains(word)) {
        return Intent::Greeting;
    }
    Intent::Other(body.trim().to_owned())
}

fn wants_notes(lower: &str, words: &[&str]) -> bool {
    let phrases = [
        "my notes",
        "your notes",
        "all notes",
        "list notes",
        "show notes",
        "mes notes",
        "meine notizen",
        "what do you remember",
        "what do you know about me",
    ];
    let bare = matches!(words, ["notes" | "notizen" | "memory" | "memories"]);
    let searches =
        lower.contains(" for ") || lower.contains("about ") && !lower.contains("about me");
    bare || (!searches && phrases.iter().any(|phrase| lower.contains(phrase)))
}

/// The rest after the longest opening that fits, as it was written.
fn after<'b>(body: &'b str, lower: &str, openings: &[&str]) -> Option<&'b str> {
    let opening = openings
        .iter()
        .filter(|opening| {
            lower.strip_prefix(**opening).is_some_and(|rest| {
                rest.chars()
                    .next()
                    .is_none_or(|c| !c.is_alphanumeric() && c != '\'' && c != '-')
            })
        })
        .max_by_key(|opening| opening.len())?;
    let rest = body
        .get(opening.len()..)?
        .trim_start_matches(|c: char| c.is_whitespace() || ":,-–—".contains(c));
    Some(rest.trim_end().trim_end_matches('?').trim_end())
}

/// Takes off what the gateway puts before a message: stamps in brackets and, in a group, the
/// sender's name.
fn body(message: &str) -> &str {
    let mut rest = message.trim();
    while let Some(inner) = rest.strip_prefix('[') {
        match inner.split_once(']') {
            Some((stamp, tail)) if stamp.len() <= 200 && !stamp.contains('\n') => {
                rest = tail.trim_start();
            }
            _ => break,
        }
    }
    rest
}

/// Lower case with every letter at its place, so that what is found there can be cut from the
/// original.
fn lower(text: &str) -> String {
    text.chars()
        .map(|c| {
            let mut small = c.to_lowercase();
            match (small.next(), small.next()) {
                (Some(one), None) if one.len_utf8() == c.len_utf8() => one,
                _ => c,
            }
        })
        .collect()
}
