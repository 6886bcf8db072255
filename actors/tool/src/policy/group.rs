//! The names that stand for several tools, and the names that tools go by.

/// Tools that act on the gateway itself, on other devices or on what happens later: only for its owners.
pub const OWNER_ONLY: &[&str] = &["cron", "gateway", "nodes", "whatsapp_login"];

/// What each group holds.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "group:fs",
        &["read", "write", "edit", "apply_patch", "grep", "find", "ls"],
    ),
    ("group:runtime", &["exec", "process"]),
    ("group:web", &["web_search", "web_fetch"]),
    (
        "group:memory",
        &["memory_search", "memory_get", "memory_note"],
    ),
    (
        "group:sessions",
        &[
            "sessions_list",
            "sessions_history",
            "sessions_send",
            "sessions_spawn",
            "session_status",
        ],
    ),
    ("group:ui", &["browser", "canvas"]),
    ("group:automation", &["cron", "gateway"]),
    ("group:messaging", &["message"]),
    ("group:nodes", &["nodes"]),
    (
        "group:status",
        &["session_status", "gateway_status", "current_time"],
    ),
];

/// Tools that stand in no group of their own.
const OTHERS: &[&str] = &["agents_list", "image", "tts", "whatsapp_login"];

/// The group of all of them.
const ALL: &str = "group:openclaw";

/// What each profile begins with; the profile that isn't here begins with everything.
const PROFILES: &[(&str, &[&str])] = &[
    ("minimal", &["group:status"]),
    (
        "coding",
        &[
            "group:fs",
            "group:runtime",
            "group:sessions",
            "group:memory",
            "group:status",
            "image",
        ],
    ),
    (
        "messaging",
        &[
            "group:messaging",
            "sessions_list",
            "sessions_history",
            "sessions_send",
            "group:status",
        ],
    ),
];

/// Every tool that this gateway knows by name, whether or not it is there now.
pub fn known() -> impl Iterator<Item = &'static str> {
    let grouped = GROUPS.iter().flat_map(|(_, tools)| tools.iter());
    grouped.chain(OTHERS).copied()
}

/// The name a tool goes by here: lower case, and one name for those with several.
pub fn canonical(name: &str) -> String {
    let lower = name.trim().to_ascii_lowercase();
    let one = match lower.as_str() {
        "bash" | "shell" | "system.run" => "exec",
        "apply-patch" => "apply_patch",
        "file.read" => "read",
        "file.write" => "write",
        "file.edit" => "edit",
        "file.*" => "group:fs",
        "task" => "sessions_spawn",
        "agent.send" => "message",
        "generate_image" => "image_generate",
        _ => return lower,
    };
    one.to_owned()
}

/// The profiles that a tool belongs to.
pub fn profiles(tool: &str) -> Vec<&'static str> {
    let holds = |names: &&[&str]| {
        let mut members = names
            .iter()
            .flat_map(|name| members(name).unwrap_or_else(|| vec![name]));
        members.any(|name| name == tool)
    };
    let fitting = PROFILES.iter().filter(|(_, names)| holds(names));
    fitting
        .map(|(profile, _)| *profile)
        .chain(["full"])
        .collect()
}

/// The tools a group holds; none if there is no such group.
pub(super) fn members(name: &str) -> Option<Vec<&'static str>> {
    if name == ALL {
        return Some(known().collect());
    }
    let group = GROUPS.iter().find(|(group, _)| *group == name)?;
    Some(group.1.to_vec())
}

/// What a profile begins with: everything is none, and a profile nobody knows is the smallest.
pub(super) fn profile(name: &str) -> Option<&'static [&'static str]> {
    if name == "full" {
        return None;
    }
    let found = PROFILES.iter().find(|(profile, _)| *profile == name);
    found.or(PROFILES.first()).map(|(_, tools)| *tools)
}
