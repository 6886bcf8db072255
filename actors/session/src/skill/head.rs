//! The lines between the two rules at the top of a `SKILL.md`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::Needs;
use super::Skill;
use super::Source;

/// A longer name or description is no label; it would also crowd the prompt.
const NAME: usize = 64;
const DESCRIPTION: usize = 1024;

/// Reads a skill; none without a description, as nobody could know what it is for.
pub(super) fn read(file: &Path, source: Source, text: &str) -> Option<Skill> {
    let head = fields(text);
    let folder = file.parent()?.file_name()?.to_string_lossy();
    let name = head.get("name").map_or(folder.trim(), |name| name.trim());
    let description = one_line(head.get("description")?, DESCRIPTION);
    if name.is_empty() || description.is_empty() {
        return None;
    }
    let metadata = head.get("metadata");
    let metadata = metadata.and_then(|text| json5::from_str::<Value>(text).ok());
    let own = ["openclaw", "clawdbot"]
        .into_iter()
        .find_map(|name| metadata.as_ref()?.get(name))
        .cloned()
        .unwrap_or_default();
    let text_of = |name: &str| own.get(name).and_then(Value::as_str).map(str::to_owned);
    let is = |name: &str, usual: bool| match head.get(name).map(String::as_str) {
        Some("true" | "yes") => true,
        Some("false" | "no") => false,
        _ => usual,
    };
    let name = one_line(name, NAME);
    Some(Skill {
        key: text_of("skillKey").unwrap_or_else(|| name.clone()),
        description,
        source,
        file: file.to_owned(),
        homepage: head
            .get("homepage")
            .cloned()
            .or_else(|| text_of("homepage")),
        emoji: text_of("emoji"),
        primary_env: text_of("primaryEnv"),
        always: own.get("always") == Some(&Value::Bool(true)),
        needs: Needs::read(&own),
        by_slash: is("user-invocable", true),
        by_model: !is("disable-model-invocation", false),
        name,
    })
}

/// Names and texts of the head; a value over several lines is one text.
fn fields(text: &str) -> BTreeMap<String, String> {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let mut head = BTreeMap::new();
    if lines.next().map(str::trim) != Some("---") {
        return head;
    }
    let mut last: Option<String> = None;
    for line in lines.take_while(|line| line.trim() != "---") {
        let is_inside = line.starts_with([' ', '\t', '}', ']']);
        match (is_inside, line.split_once(':'), &last) {
            (true, _, Some(name)) => {
                if let Some(value) = head.get_mut(name) {
                    // A folded text is written with a mark and goes on below it.
                    if matches!(String::as_str(value), "|" | ">" | "|-" | ">-") {
                        String::clear(value);
                    }
                    let space = if value.is_empty() { "" } else { " " };
                    value.push_str(space);
                    value.push_str(line.trim());
                }
            }
            (false, Some((name, value)), _) => {
                last = Some(name.trim().to_owned());
                head.insert(name.trim().to_owned(), unquoted(value.trim()).to_owned());
            }
            _ => {}
        }
    }
    head
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = value
            .strip_prefix(quote)
            .and_then(|value| value.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner;
        }
    }
    value
}

/// A text in one line without what could pass for another part of the prompt.
fn one_line(text: &str, most: usize) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .collect();
    let line = words
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    line.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skill(text: &str) -> Option<Skill> {
        read(
            Path::new("/w/skills/tides/SKILL.md"),
            Source::Workspace,
            text,
        )
    }

    #[test]
    fn a_head_is_read_as_people_write_it() {
        let read = skill(
            "---\nname: tides\ndescription: \"When the sea comes\"\nuser-invocable: false\nhomepage: https://example.org\nmetadata:\n  {\"openclaw\": {\"emoji\": \"🌊\", primaryEnv: 'TIDE_KEY',\n  \"requires\": {\"env\": [\"TIDE_KEY\"]}, \"os\": [\"linux\"]}}\n---\nbody",
        );
        let read = read.unwrap();
        assert_eq!((read.name.as_str(), read.key.as_str()), ("tides", "tides"));
        assert_eq!(read.description, "When the sea comes");
        assert_eq!(read.emoji.as_deref(), Some("🌊"));
        assert_eq!(read.primary_env.as_deref(), Some("TIDE_KEY"));
        assert_eq!(read.needs.env, ["TIDE_KEY"]);
        assert_eq!(read.homepage.as_deref(), Some("https://example.org"));
        assert!(!read.by_slash && read.by_model && !read.always);
    }

    #[test]
    fn what_is_no_skill_is_none_and_a_long_text_is_cut() {
        assert_eq!(skill("# just a file"), None);
        assert_eq!(skill("---\nname: tides\n---\n"), None);
        let long = format!(
            "---\ndescription: >\n  {}\n  more\n---\n",
            "word ".repeat(900)
        );
        let read = skill(&long).unwrap();
        assert_eq!(read.name, "tides");
        assert_eq!(read.description.chars().count(), DESCRIPTION);
        let older =
            skill("---\ndescription: d\nmetadata: {\"clawdbot\": {\"always\": true}}\n---\n");
        assert!(older.unwrap().always);
    }
}
