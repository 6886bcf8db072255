//! JSON that is written field by field, straight as the text that is sent.

use serde::Serialize;

/// A JSON object that grows by fields.
#[derive(Debug, Default)]
pub struct Object {
    /// Open: the last brace comes at the end.
    text: Vec<u8>,
}

impl Object {
    /// An empty object.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field. A value that JSON can't hold leaves it out.
    pub fn put<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        let before = self.text.len();
        if serde_json::to_writer(self.field(name), value).is_err() {
            self.text.truncate(before);
        }
    }

    /// Adds a field's name; its value, as JSON, is for the caller to write.
    pub fn field(&mut self, name: &str) -> &mut Vec<u8> {
        self.text
            .push(if self.text.is_empty() { b'{' } else { b',' });
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
        &mut self.text
    }

    /// What is written so far: without its last brace, and without any where it is empty.
    pub fn open(self) -> Vec<u8> {
        self.text
    }

    /// The whole text.
    pub fn close(mut self) -> String {
        if self.text.is_empty() {
            self.text.push(b'{');
        }
        self.text.push(b'}');
        // Only whole JSON was written.
        String::from_utf8(self.text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn fields_stand_in_their_order() {
        assert_eq!(Object::new().close(), "{}");
        let unfit: HashMap<(u8, u8), u8> = [((1, 2), 3)].into();
        let mut object = Object::new();
        object.put("none", &unfit);
        object.put("model", "a\"b");
        object.put("none", &unfit);
        object.field("raw").extend_from_slice(b"[0]");
        object.put("list", &json!([1, { "x": null }]));
        let whole = r#"{"model":"a\"b","raw":[0],"list":[1,{"x":null}]}"#;
        assert_eq!(object.close(), whole);
    }
}
