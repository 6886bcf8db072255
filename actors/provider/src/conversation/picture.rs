//! Which pictures go on a wire: each provider has a bound for one, and for how many.

use super::Part;
use super::Turn;

/// Stands for a picture where the model sees none.
const BLIND: &str = "[A picture was sent here. This model reads text only.]";
/// Stands for a picture of a kind that no provider takes.
const FOREIGN: &str = "[A picture was sent here in a format that this model can't read.]";
/// Stands for a picture that is larger than the provider takes.
const TOO_LARGE: &str = "[A picture was sent here. It is too large for this model.]";
/// Stands for a picture of long ago.
const LEFT_OUT: &str = "[A picture was sent here. It is left out: there are newer ones.]";

/// What a provider takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pictures {
    /// How many in one request.
    pub count: usize,
    /// How long one may be, in letters of base64.
    pub length: usize,
    /// Whether the model sees at all.
    pub seen: bool,
}

impl Pictures {
    /// A provider whose bounds are those of the whole request.
    pub const MANY: Self = Self {
        count: 100,
        length: 20 * 1024 * 1024,
        seen: true,
    };
    /// Anthropic's: 5 MB each.
    pub const ANTHROPIC: Self = Self {
        count: 100,
        length: 5 * 1024 * 1024,
        seen: true,
    };
    /// Bedrock's: twenty, 3.75 MB each before base64.
    pub const BEDROCK: Self = Self {
        count: 20,
        length: 5 * 1024 * 1024,
        seen: true,
    };

    /// The same for a model that may be blind.
    #[must_use]
    pub fn seen_by(self, seen: bool) -> Self {
        Self { seen, ..self }
    }

    /// The words in place of a picture that can't be sent.
    pub(super) fn instead(&self, data: &str, mime: &str) -> Option<&'static str> {
        let known = matches!(
            mime,
            "image/png" | "image/jpeg" | "image/gif" | "image/webp"
        );
        match () {
            () if !self.seen => Some(BLIND),
            () if !known => Some(FOREIGN),
            () if data.len() > self.length => Some(TOO_LARGE),
            () => None,
        }
    }
}

/// Keeps the newest pictures and puts words in place of the others.
pub(super) fn bound(turns: &mut [Turn<'_>], count: usize) {
    let mut left = count;
    for turn in turns.iter_mut().rev() {
        let lists: Vec<&mut Vec<Part<'_>>> = match turn {
            Turn::User(parts) => vec![parts],
            Turn::Results(answers) => answers.iter_mut().map(|answer| &mut answer.parts).collect(),
            Turn::Assistant(_) => Vec::new(),
        };
        for part in lists
            .into_iter()
            .rev()
            .flat_map(|list| list.iter_mut().rev())
        {
            if matches!(part, Part::Image { .. }) {
                match left.checked_sub(1) {
                    Some(rest) => left = rest,
                    None => *part = Part::Text(LEFT_OUT),
                }
            }
        }
    }
}
