//! Shapes of parameters, as data: what a method takes, checked before its handler sees it.
//!
//! The shapes are closed: a property that a method doesn't know is refused, as a misspelt one must
//! not be ignored. The reports read as existing clients expect them: `at /path: reason; …`.

use serde_json::Map;
use serde_json::Value;

#[cfg(test)]
mod tests;

/// Problems listed in one report.
const REPORTED: usize = 5;

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Anything.
    Any,
    /// True or false.
    Bool,
    /// A string of this many characters.
    Text {
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
    /// A whole number in this range.
    Int {
        /// At least.
        min: i64,
        /// At most.
        max: i64,
    },
    /// Any number.
    Number,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A list of values of one shape.
    List {
        /// The shape.
        of: &'static Shape,
        /// At least this many.
        min: usize,
        /// At most this many.
        max: usize,
    },
    /// An object with any names and values of one shape.
    Map(&'static Shape),
    /// An object with these fields.
    Object(&'static Fields),
    /// The value or null.
    Nullable(&'static Shape),
    /// The first shape or the second.
    Either(&'static Shape, &'static Shape),
}

/// The fields of an object.
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    /// The known ones.
    pub fields: &'static [Field],
    /// Whether others are let through: newer clients add some.
    pub is_open: bool,
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub shape: Shape,
    /// Whether it must be there.
    pub is_required: bool,
}

/// Any string.
pub const STRING: Shape = Shape::Text {
    min: 0,
    max: usize::MAX,
};
/// A string that is not empty.
pub const TEXT: Shape = Shape::Text {
    min: 1,
    max: usize::MAX,
};
/// A whole number from 0.
pub const COUNT: Shape = Shape::Int {
    min: 0,
    max: i64::MAX,
};
/// A list of anything.
pub const LIST: Shape = Shape::List {
    of: &Shape::Any,
    min: 0,
    max: usize::MAX,
};

/// A field that must be there.
pub const fn req(name: &'static str, shape: Shape) -> Field {
    let is_required = true;
    Field {
        name,
        shape,
        is_required,
    }
}

/// A field that may be there.
pub const fn opt(name: &'static str, shape: Shape) -> Field {
    let is_required = false;
    Field {
        name,
        shape,
        is_required,
    }
}

/// An object with these fields and no others.
pub const fn closed(fields: &'static [Field]) -> Fields {
    let is_open = false;
    Fields { fields, is_open }
}

/// An object with these fields and possibly others.
pub const fn open(fields: &'static [Field]) -> Fields {
    let is_open = true;
    Fields { fields, is_open }
}

impl Fields {
    /// Checks parameters; the error lists what is wrong.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let mut problems = Vec::new();
        match value {
            Value::Object(object) => self.check_object(object, "", &mut problems),
            _ => problems.push("at root: must be object".to_owned()),
        }
        if problems.is_empty() {
            return Ok(());
        }
        problems.truncate(REPORTED);
        Err(problems.join("; "))
    }

    fn check_object(&self, object: &Map<String, Value>, path: &str, problems: &mut Vec<String>) {
        let here = if path.is_empty() { "root" } else { path };
        for field in self.fields {
            match object.get(field.name) {
                Some(value) => {
                    field
                        .shape
                        .check(value, &format!("{path}/{}", field.name), problems);
                }
                None if field.is_required => {
                    problems.push(format!(
                        "at {here}: must have required property '{}'",
                        field.name
                    ));
                }
                None => {}
            }
        }
        if self.is_open {
            return;
        }
        for name in object.keys() {
            if !self.fields.iter().any(|field| field.name == name) {
                problems.push(format!("at {here}: unexpected property '{name}'"));
            }
        }
    }
}

impl Shape {
    fn check(&self, value: &Value, path: &str, problems: &mut Vec<String>) {
        let mut wrong = |reason: String| problems.push(format!("at {path}: {reason}"));
        match (self, value) {
            (Self::Any, _)
            | (Self::Bool, Value::Bool(_))
            | (Self::Number, Value::Number(_))
            | (Self::Nullable(_), Value::Null) => {}
            (Self::Text { min, max }, Value::String(text)) => {
                let length = text.chars().count();
                if length < *min {
                    wrong(format!("must NOT have fewer than {min} characters"));
                } else if length > *max {
                    wrong(format!("must NOT have more than {max} characters"));
                }
            }
            (Self::Int { min, max }, Value::Number(number)) => match number.as_i64() {
                None => wrong("must be integer".to_owned()),
                Some(n) if n < *min => wrong(format!("must be >= {min}")),
                Some(n) if n > *max => wrong(format!("must be <= {max}")),
                Some(_) => {}
            },
            (Self::OneOf(words), Value::String(text)) if words.contains(&text.as_str()) => {}
            (Self::OneOf(words), _) => wrong(format!("must be one of {}", words.join(", "))),
            (Self::List { of, min, max }, Value::Array(items)) => {
                if items.len() < *min {
                    wrong(format!("must NOT have fewer than {min} items"));
                } else if items.len() > *max {
                    wrong(format!("must NOT have more than {max} items"));
                }
                for (index, item) in items.iter().enumerate() {
                    of.check(item, &format!("{path}/{index}"), problems);
                }
            }
            (Self::Map(of), Value::Object(object)) => {
                for (name, value) in object {
                    of.check(value, &format!("{path}/{name}"), problems);
                }
            }
            (Self::Object(fields), Value::Object(object)) => {
                fields.check_object(object, path, problems);
            }
            (Self::Nullable(shape), value) => shape.check(value, path, problems),
            (Self::Either(first, second), value) => {
                let (mut one, mut two) = (Vec::new(), Vec::new());
                first.check(value, path, &mut one);
                second.check(value, path, &mut two);
                if !one.is_empty() && !two.is_empty() {
                    problems.append(&mut one);
                }
            }
            (shape, _) => wrong(format!("must be {}", shape.noun())),
        }
    }

    fn noun(&self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Bool => "boolean",
            Self::Text { .. } | Self::OneOf(_) => "string",
            Self::Int { .. } => "integer",
            Self::Number => "number",
            Self::List { .. } => "array",
            Self::Map(_) | Self::Object(_) => "object",
            Self::Nullable(shape) | Self::Either(shape, _) => shape.noun(),
        }
    }
}
