//! The table of known keys as a JSON Schema, with hints for forms.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::known::Kind;
use super::known::Rule;
use super::known::known;
use super::path::Path;
use super::redact;

/// Deeper than this nothing nests; a table that leads in circles ends here.
const DEPTH: usize = 16;

/// The schema of a whole configuration.
pub fn whole() -> Value {
    let mut schema = of(&known().root, 0);
    if let Value::Object(schema) = &mut schema {
        schema.insert(
            "$schema".to_owned(),
            json!("http://json-schema.org/draft-07/schema#"),
        );
        schema.insert("title".to_owned(), json!("OpenClawConfig"));
    }
    schema
}

/// Labels of keys, their order, and which of them hold secrets.
pub fn hints() -> Value {
    let mut hints = Map::new();
    for (order, name) in known().names(&known().root).enumerate() {
        let hint = json!({ "label": label(name), "group": label(name), "order": (order + 1) * 10 });
        hints.insert(name.to_owned(), hint);
        if let Some(rule) = known().below(&known().root, name) {
            secrets(rule, name, 1, &mut hints);
        }
    }
    Value::Object(hints)
}

fn secrets(rule: &'static Rule, path: &str, depth: usize, hints: &mut Map<String, Value>) {
    if depth > DEPTH {
        return;
    }
    for (name, below) in rules_below(rule) {
        let path = format!("{path}.{name}");
        let place = path
            .split('.')
            .fold(Path::root(), |place, name| place.key(name));
        if below.kinds.contains(&Kind::Text) && redact::is_sensitive(&place, &json!("x")) {
            hints.insert(
                path.clone(),
                json!({ "label": label(name), "sensitive": true }),
            );
        }
        secrets(below, &path, depth + 1, hints);
    }
}

/// One place of the schema, with the keys below it but not theirs.
pub fn lookup(path: &str) -> Option<Value> {
    let mut rule = &known().root;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        rule = known().below(rule, name)?;
    }
    let mut schema = of(rule, DEPTH);
    let last = path.rsplit('.').next().unwrap_or_default();
    if let Value::Object(schema) = &mut schema {
        schema.shift_remove("properties");
        schema.insert("title".to_owned(), json!(label(last)));
    }
    let children: Vec<Value> = rules_below(rule)
        .map(|(name, below)| {
            let at = if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            };
            json!({
                "key": name,
                "path": at,
                "type": of(below, DEPTH).get("type"),
                "required": below.required,
                "hasChildren": rules_below(below).next().is_some(),
                "hint": { "label": label(name) },
            })
        })
        .collect();
    Some(json!({
        "path": path,
        "schema": schema,
        "hint": { "label": label(last) },
        "hintPath": path,
        "children": children,
    }))
}

fn rules_below(rule: &'static Rule) -> impl Iterator<Item = (&'static str, &'static Rule)> {
    let names = known().names(rule);
    let named = names.filter_map(move |name| Some((name, known().below(rule, name)?)));
    named.chain(known().any_below(rule).map(|rule| ("*", rule)))
}

fn of(rule: &'static Rule, depth: usize) -> Value {
    let kinds: Vec<Value> = rule
        .kinds
        .iter()
        .map(|kind| of_kind(kind, rule, depth))
        .collect();
    match <[Value; 1]>::try_from(kinds) {
        Ok([only]) => only,
        Err(kinds) => json!({ "anyOf": kinds }),
    }
}

fn of_kind(kind: &'static Kind, rule: &'static Rule, depth: usize) -> Value {
    match kind {
        Kind::Any => json!({}),
        Kind::Text => json!({ "type": "string" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Number { whole, bounds } => {
            let mut number = json!({ "type": if *whole { "integer" } else { "number" } });
            if let Value::Object(number) = &mut number {
                for (name, bound) in bounds.schema() {
                    number.insert(name.to_owned(), json!(bound));
                }
            }
            number
        }
        Kind::Words(words) => json!({ "type": "string", "enum": words }),
        Kind::List(kinds) => {
            let kinds: Vec<Value> = kinds
                .iter()
                .map(|kind| of_kind(kind, rule, DEPTH))
                .collect();
            let items = match <[Value; 1]>::try_from(kinds) {
                Ok([only]) => only,
                Err(kinds) => json!({ "anyOf": kinds }),
            };
            json!({ "type": "array", "items": items })
        }
        Kind::Entries => json!({ "type": "array", "items": object(rule, depth) }),
        Kind::Object => object(rule, depth),
    }
}

fn object(rule: &'static Rule, depth: usize) -> Value {
    if depth >= DEPTH || rule.is_open() {
        return json!({ "type": "object" });
    }
    let mut properties = Map::new();
    for name in known().names(rule) {
        if let Some(below) = known().below(rule, name) {
            properties.insert(name.to_owned(), of(below, depth + 1));
        }
    }
    let others = known()
        .any_below(rule)
        .map_or(json!(false), |below| of(below, depth + 1));
    let mut object = json!({
        "type": "object", "properties": properties, "additionalProperties": others,
    });
    let required: Vec<&str> = known().required(rule).collect();
    if let (Value::Object(object), false) = (&mut object, required.is_empty()) {
        object.insert("required".to_owned(), json!(required));
    }
    object
}

/// `groupPolicy` as people read it: `Group Policy`.
fn label(name: &str) -> String {
    let mut label = String::new();
    for (index, letter) in name.chars().enumerate() {
        if index == 0 {
            label.extend(letter.to_uppercase());
        } else {
            if letter.is_uppercase() {
                label.push(' ');
            }
            label.push(letter);
        }
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_says_what_the_table_says() {
        let schema = whole();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(
            schema["properties"]["cron"]["properties"]["enabled"]["type"],
            "boolean"
        );
        let rooms = &schema["properties"]["cron"]["properties"]["maxConcurrentRuns"];
        assert_eq!(
            (&rooms["type"], &rooms["exclusiveMinimum"]),
            (&json!("integer"), &json!(0.0))
        );
        let gateway = lookup("gateway").unwrap();
        let keys = gateway["children"].as_array().unwrap();
        assert!(
            keys.iter().any(|child| child["path"] == "gateway.port"),
            "{gateway}"
        );
        assert!(lookup("gateway.nonsense").is_none());
        assert_eq!(hints()["gateway.auth.token"]["sensitive"], true);
    }
}
