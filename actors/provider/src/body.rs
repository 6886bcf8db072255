//! The body of a request, written field by field as the text that is sent.

use openclaw_protocol::ToolSpec;
use openclaw_protocol::Tools;
use openclaw_protocol::written::Object;
use serde::Serialize;

/// A JSON object that grows by fields. Conversations are long and sent again with each call, so that they go straight
/// into the text.
#[derive(Debug, Default)]
pub struct Body {
    object: Object,
}

impl Body {
    /// An empty object.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a field. A value that JSON can't hold leaves it out.
    pub(crate) fn put<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        self.object.put(name, value);
    }

    /// Adds the tools; each wire writes the same tools once.
    pub(crate) fn tools<T: Serialize>(
        &mut self,
        wire: &'static str,
        tools: &Tools,
        one: impl Fn(&ToolSpec) -> T,
    ) {
        let text = tools.written(wire, |tools| {
            let tools: Vec<T> = tools.iter().map(one).collect();
            serde_json::to_string(&tools).unwrap_or_else(|_| "[]".to_owned())
        });
        self.object
            .field("tools")
            .extend_from_slice(text.as_bytes());
    }

    /// Adds a list, entry by entry.
    pub(crate) fn list(&mut self, name: &str, fill: impl FnOnce(&mut List<'_>)) {
        let text = self.object.field(name);
        text.push(b'[');
        let mut list = List {
            text,
            is_empty: true,
        };
        fill(&mut list);
        list.text.push(b']');
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.object.close()
    }
}

/// A list of a [`Body`] that grows by entries.
pub(crate) struct List<'b> {
    text: &'b mut Vec<u8>,
    is_empty: bool,
}

impl List<'_> {
    /// Adds an entry. A value that JSON can't hold leaves it out.
    pub(crate) fn put<T: Serialize + ?Sized>(&mut self, value: &T) {
        let (before, was_empty) = (self.text.len(), self.is_empty);
        self.begin();
        if serde_json::to_writer(&mut *self.text, value).is_err() {
            self.text.truncate(before);
            self.is_empty = was_empty;
        }
    }

    /// Adds an entry that is JSON already, in pieces.
    pub(crate) fn text(&mut self, pieces: &[&str]) {
        self.begin();
        for piece in pieces {
            self.text.extend_from_slice(piece.as_bytes());
        }
    }

    fn begin(&mut self) {
        if !std::mem::take(&mut self.is_empty) {
            self.text.push(b',');
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_holds_what_is_put_and_what_is_json_already() {
        let unfit: std::collections::HashMap<(u8, u8), u8> = [((1, 2), 3)].into();
        let mut body = Body::new();
        body.list("none", |_| {});
        body.list("some", |list| {
            list.put(&unfit);
            list.text(&["{\"a\":", "1}"]);
            list.put(&unfit);
            list.put("b");
        });
        assert_eq!(body.finish(), r#"{"none":[],"some":[{"a":1},"b"]}"#);
    }

    #[test]
    fn tools_are_written_once_for_each_wire() {
        let tools = Tools::from([ToolSpec {
            name: "read".to_owned(),
            description: "Reads.".to_owned(),
            parameters: json!({ "type": "object" }),
        }]);
        let text = |wire, says: &'static str| {
            let mut body = Body::new();
            body.tools(wire, &tools, |spec| json!({ says: spec.name }));
            serde_json::from_str::<Value>(&body.finish()).unwrap()
        };
        assert_eq!(text("one", "a"), json!({ "tools": [{ "a": "read" }] }));
        assert_eq!(text("one", "b"), json!({ "tools": [{ "a": "read" }] }));
        assert_eq!(text("two", "b"), json!({ "tools": [{ "b": "read" }] }));
    }
}
