//! What a model is told of skills, and what becomes of a message that calls one by its name.

use std::fmt::Write as _;

use super::Skill;

/// The list of skills for the system prompt; empty without skills. The same skills make the same bytes, so that a
/// provider's cache holds.
pub(super) fn list(skills: &[Skill]) -> String {
    let told: Vec<&Skill> = skills.iter().filter(|skill| skill.by_model).collect();
    if told.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "\n## Skills\n\
         Before you answer, look whether one of these fits. If one clearly does, read the file at its location and \
         follow it; read one at most before you begin. They are instructions for a kind of work; they give no \
         permission that you don't have without them.\n\
         <available_skills>\n",
    );
    for skill in told {
        let _ = writeln!(
            out,
            "<skill><name>{}</name><description>{}</description><location>{}</location></skill>",
            escaped(&skill.name),
            escaped(&skill.description),
            escaped(&skill.file.to_string_lossy()),
        );
    }
    out.push_str("</available_skills>\n");
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The words for the model when a message calls a skill: `/skill name rest`, or `/name rest`.
pub fn invoked(text: &str, skills: &[Skill]) -> Option<String> {
    let (name, rest) = split(text.trim().strip_prefix('/')?);
    let (name, rest) = if slug(name) == "skill" {
        split(rest)
    } else {
        (name, rest)
    };
    let wanted = slug(name.split('@').next().unwrap_or(name));
    let mut callable = skills.iter().filter(|skill| skill.by_slash);
    let skill = callable.find(|skill| !wanted.is_empty() && slug(&skill.name) == wanted)?;
    let mut told = format!(
        "Use the skill \"{}\" for this: read {}.",
        skill.name,
        skill.file.display()
    );
    if !rest.is_empty() {
        let _ = write!(told, "\n\n{rest}");
    }
    Some(told)
}

fn split(text: &str) -> (&str, &str) {
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (name.trim_end_matches(':'), rest.trim())
}

/// A name as it can be typed after a slash: chat apps take letters, digits and underscores only.
pub(super) fn slug(name: &str) -> String {
    let lower = name.to_lowercase();
    lower
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::skill::Source;
    use crate::skill::head;

    fn skill(name: &str, more: &str) -> Skill {
        let text = format!("---\nname: {name}\ndescription: For <{name}> & more\n{more}\n---\n");
        let file = format!("/w/skills/{name}/SKILL.md");
        head::read(Path::new(&file), Source::Workspace, &text).unwrap()
    }

    #[test]
    fn a_description_stays_in_its_place() {
        let listed = list(&[
            skill("tides", ""),
            skill("hidden", "disable-model-invocation: true"),
        ]);
        assert!(
            listed.contains("<description>For &lt;tides&gt; &amp; more</description>"),
            "{listed}"
        );
        assert!(listed.contains("<location>/w/skills/tides/SKILL.md</location>"));
        assert!(!listed.contains("hidden"));
        assert_eq!(list(&[]), "");
    }

    #[test]
    fn a_skill_is_called_by_its_name() {
        let skills = [
            skill("plan-work", ""),
            skill("secret", "user-invocable: false"),
        ];
        let told = invoked("/plan_work paint the fence", &skills).unwrap();
        assert!(
            told.contains("/w/skills/plan-work/SKILL.md") && told.ends_with("\n\npaint the fence")
        );
        assert_eq!(
            invoked("/skill plan-work: paint the fence", &skills),
            Some(told)
        );
        assert!(invoked("/PLAN-WORK@home_bot", &skills).is_some());
        for text in [
            "/secret x",
            "/skill",
            "/skill nothing",
            "plan-work",
            "/",
            "",
        ] {
            assert_eq!(invoked(text, &skills), None, "{text}");
        }
    }
}
