//! Dotted paths into a configuration: `bindings[0].match.channel`, `agents.defaults.models["a/b.c"]`.

use std::fmt;
use std::str::FromStr;

use serde_json::Map;
use serde_json::Value;

#[cfg(test)]
mod tests;

/// Longest path: no known key is deeper than 9.
const MAX_DEPTH: usize = 32;

/// A path into a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Vec<Segment>);

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A key of an object; a number as key also names a place in a list.
    Key(String),
    /// A place in a list.
    Index(usize),
}

/// Why a path can't be read or followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It isn't a path.
    #[error("invalid path \"{0}\": write a.b, a[0].b or a[\"key.with.dots\"]")]
    Syntax(String),
    /// A step leads into a value that has no parts.
    #[error("{0} is not an object or a list, so there is nothing below it")]
    NotAContainer(Path),
    /// A place behind the end of a list.
    #[error("{path} has {len} entries; the next free place is [{len}]")]
    OutOfBounds {
        /// The list.
        path: Path,
        /// How long it is.
        len: usize,
    },
    /// A list has places, not names.
    #[error("{0} is a list: name a place in it, for instance {0}[0]")]
    IsAList(Path),
}

impl Path {
    /// The path of the whole tree.
    pub fn root() -> Self {
        Self::default()
    }

    /// The steps.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Tells whether it is the whole tree.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of a key below this one.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.step(Segment::Key(key.into()))
    }

    /// The path of a place in the list at this one.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Segment::Index(index))
    }

    /// The path one step below.
    #[must_use]
    pub fn step(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// The path one step above.
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        Some(Self(above.to_vec()))
    }

    /// The last step.
    pub fn last(&self) -> Option<&Segment> {
        self.0.last()
    }

    /// Tells whether this path is `above` or below it.
    pub fn is_under(&self, above: &Self) -> bool {
        self.0.starts_with(&above.0)
    }

    /// This path below `to` in place of `from`.
    pub fn rebase(&self, from: &Self, to: &Self) -> Option<Self> {
        let rest = self.0.strip_prefix(from.0.as_slice())?;
        Some(Self([to.0.as_slice(), rest].concat()))
    }

    /// The value at the path.
    pub fn get<'a>(&self, tree: &'a Value) -> Option<&'a Value> {
        self.0
            .iter()
            .try_fold(tree, |value, segment| match (value, segment) {
                (Value::Object(map), Segment::Key(key)) => map.get(key),
                (Value::Array(list), segment) => list.get(place(segment)?),
                _ => None,
            })
    }

    /// Puts a value at the path, making the objects and lists above it.
    pub fn set(&self, tree: &mut Value, value: Value) -> Result<(), PathError> {
        let mut at = Self::root();
        let mut slot = tree;
        for segment in &self.0 {
            if slot.is_null() {
                *slot = match segment {
                    Segment::Key(_) => Value::Object(Map::new()),
                    Segment::Index(_) => Value::Array(Vec::new()),
                };
            }
            slot = match (slot, segment) {
                (Value::Object(map), Segment::Key(key)) => {
                    map.entry(key.clone()).or_insert(Value::Null)
                }
                (Value::Object(map), Segment::Index(index)) => {
                    map.entry(index.to_string()).or_insert(Value::Null)
                }
                (Value::Array(list), segment) => {
                    let index = place(segment).ok_or_else(|| PathError::IsAList(at.clone()))?;
                    let len = list.len();
                    if index == len {
                        list.push(Value::Null);
                    }
                    let path = at.clone();
                    list.get_mut(index)
                        .ok_or(PathError::OutOfBounds { path, len })?
                }
                _ => return Err(PathError::NotAContainer(at)),
            };
            at = at.step(segment.clone());
        }
        *slot = value;
        Ok(())
    }

    /// Takes the value at the path out of the tree.
    pub fn unset(&self, tree: &mut Value) -> Option<Value> {
        let (last, above) = self.0.split_last()?;
        let mut slot = tree;
        for segment in above {
            slot = match (slot, segment) {
                (Value::Object(map), Segment::Key(key)) => map.get_mut(key)?,
                (Value::Array(list), segment) => list.get_mut(place(segment)?)?,
                _ => return None,
            };
        }
        match (slot, last) {
            (Value::Object(map), Segment::Key(key)) => map.shift_remove(key),
            (Value::Array(list), segment) => {
                let index = place(segment).filter(|index| *index < list.len())?;
                Some(list.remove(index))
            }
            _ => None,
        }
    }
}

fn place(segment: &Segment) -> Option<usize> {
    match segment {
        Segment::Index(index) => Some(*index),
        Segment::Key(key) => key.parse().ok(),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if is_plain(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(key)?;
                }
                Segment::Key(key) => write!(f, "[{}]", Value::from(key.as_str()))?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || "_-$*:/@+".contains(c);
    !key.is_empty() && key.chars().all(is_word)
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let text = text.trim();
        let syntax = || PathError::Syntax(text.to_owned());
        let mut segments = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let (segment, behind) = bracket(inside).ok_or_else(syntax)?;
                segments.push(segment);
                rest = behind;
            } else {
                if let Some(behind) = rest.strip_prefix('.') {
                    if segments.is_empty() || behind.starts_with('[') {
                        return Err(syntax());
                    }
                    rest = behind;
                } else if !segments.is_empty() {
                    return Err(syntax());
                }
                let (key, behind) = word(rest);
                if key.is_empty() {
                    return Err(syntax());
                }
                segments.push(Segment::Key(key));
                rest = behind;
            }
        }
        if segments.is_empty() || segments.len() > MAX_DEPTH {
            return Err(syntax());
        }
        Ok(Self(segments))
    }
}

/// A key up to the next dot or bracket; a backslash keeps what follows it.
fn word(text: &str) -> (String, &str) {
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '.' | '[' => return (key, text.get(at..).unwrap_or_default()),
            '\\' => key.extend(chars.next().map(|(_, c)| c)),
            c => key.push(c),
        }
    }
    (key, "")
}

/// What stands in brackets: a place, or a key in quotes (or without, as other tools write it).
fn bracket(inside: &str) -> Option<(Segment, &str)> {
    if inside.starts_with('"') {
        let mut reader = serde_json::Deserializer::from_str(inside).into_iter::<String>();
        let key = reader.next()?.ok()?;
        let behind = inside.get(reader.byte_offset()..)?.strip_prefix(']')?;
        return Some((Segment::Key(key), behind));
    }
    if let Some(quoted) = inside.strip_prefix('\'') {
        let (key, behind) = quoted.split_once("']")?;
        return Some((Segment::Key(key.to_owned()), behind));
    }
    let (text, behind) = inside.split_once(']')?;
    let segment = match text.parse() {
        Ok(index) => Segment::Index(index),
        Err(_) if text.is_empty() => return None,
        Err(_) => Segment::Key(text.to_owned()),
    };
    Some((segment, behind))
}
