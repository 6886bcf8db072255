//! A line of a transcript as it is stored, looked into no further than the chain of lines takes.

use std::borrow::Cow;

use serde::Deserialize;
use serde::Deserializer;
use serde_json::value::RawValue;

use super::Head;

/// What a line says of itself, and its message as text.
#[derive(Debug, Default)]
pub(crate) struct Stored<'a> {
    pub(crate) kind: Option<Cow<'a, str>>,
    pub(crate) id: Option<Cow<'a, str>>,
    pub(crate) parent: Option<Cow<'a, str>>,
    pub(crate) message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    r#type: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "parentId", deserialize_with = "present")]
    parent_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    message: Option<&'a RawValue>,
}

impl<'a> Stored<'a> {
    /// Reads a line. One that is no object says nothing.
    ///
    /// # Errors
    /// When it isn't JSON.
    pub(crate) fn read(line: &'a str) -> serde_json::Result<Self> {
        if !line.starts_with('{') {
            return Ok(Self::default());
        }
        let fields: Fields<'a> = serde_json::from_str(line)?;
        Ok(Self {
            kind: string(fields.r#type),
            id: string(fields.id),
            parent: string(fields.parent_id),
            message: fields.message,
        })
    }

    /// Its place in the chain.
    pub(crate) fn head(&self) -> Head<'_> {
        Head {
            is_header: self.kind.as_deref() == Some("session"),
            id: self.id.as_deref(),
            parent: self.parent.as_deref(),
        }
    }
}

/// Whatever stands there, `null` too.
pub(crate) fn present<'de, D: Deserializer<'de>>(
    value: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}

/// A string of JSON; none if something else stands there.
pub(crate) fn string(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let quoted = value?.get();
    let plain = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if plain.contains('\\') {
        serde_json::from_str(quoted).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(plain))
    }
}
