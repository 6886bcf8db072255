//! Which pictures go on a wire: each provider has a bound for one, and for how many.

use super::Part;
use super::Turn;
use crate::endpoint::Wire;

/// Stands for a picture where the model sees none.
const BLIND: &str = "[A picture was sent here. This model reads text only.]";
/// Stands for a picture of a kind that no provider takes.
const FOREIGN: &str = "[A picture was sent here in a format that this model can't read.]";
/// Stands for a picture that is larger than the provider takes.
const TOO_LARGE: &str = "[A picture was sent here. It is too large for this model.]";
/// Stands for a picture of long ago.
const LEFT_OUT: &str = "[A picture was sent here. It is left out: there are newer ones.]";

const MIB: usize = 1024 * 1024;

/// What a provider takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pictures {
    /// How many in one request.
    pub count: usize,
    /// How long one may be, in letters of base64.
    pub length: usize,
    /// How long all of them may be together.
    pub all: usize,
    /// How many pixels its longer side may have.
    pub side: u32,
    /// How many it gets where it has more.
    pub made: u32,
    /// Whether the model sees at all.
    pub seen: bool,
}

impl Pictures {
    /// A provider whose bounds are those of the whole request. More than 2048 pixels are made fewer by OpenAI itself.
    pub const MANY: Self = Self {
        count: 100,
        length: 20 * MIB,
        all: 40 * MIB,
        side: 2048,
        made: 2048,
        seen: true,
    };
    /// Google's: 20 MB for all of a request, and no more than 3072 pixels are looked at.
    pub const GOOGLE: Self = Self {
        count: 100,
        length: 7 * MIB,
        all: 15 * MIB,
        side: 3072,
        made: 3072,
        seen: true,
    };
    /// Anthropic's: 5 MB each, 2000 pixels where there are many; what is above 1568 is made smaller there.
    pub const ANTHROPIC: Self = Self {
        count: 100,
        length: 5 * MIB,
        all: 24 * MIB,
        side: 2000,
        made: 1568,
        seen: true,
    };
    /// Bedrock's: twenty, 3.75 MB each before base64.
    pub const BEDROCK: Self = Self {
        count: 20,
        ..Self::ANTHROPIC
    };

    /// What a wire takes.
    pub(crate) const fn of(wire: Wire) -> Self {
        match wire {
            Wire::AnthropicMessages => Self::ANTHROPIC,
            Wire::BedrockConverseStream => Self::BEDROCK,
            Wire::GoogleGenerativeAi => Self::GOOGLE,
            _ => Self::MANY,
        }
    }

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
pub(super) fn bound(turns: &mut [Turn<'_>], pictures: &Pictures) {
    let (mut left, mut room) = (pictures.count, pictures.all);
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
            if let Part::Image { data, .. } = part {
                match (left.checked_sub(1), room.checked_sub(data.len())) {
                    (Some(fewer), Some(less)) => (left, room) = (fewer, less),
                    // No older one after this: which ones are there would change with each that comes.
                    _ => {
                        left = 0;
                        *part = Part::Text(LEFT_OUT);
                    }
                }
            }
        }
    }
}
