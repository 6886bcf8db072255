//! What a stranger reads. Programs and people look for the title, the code and the command on lines of
//! their own, in this order.

/// The message with a code.
pub fn pairing_text(channel: &str, id_line: &str, code: &str, profile: Option<&str>) -> String {
    let profile = profile
        .filter(|profile| !profile.is_empty())
        .map(|profile| format!(" --profile {profile}"))
        .unwrap_or_default();
    format!(
        "OpenClaw: access not configured.\n\
         \n\
         {id_line}\n\
         \n\
         Pairing code: {code}\n\
         \n\
         Ask the bot owner to approve you with:\n\
         openclaw{profile} pairing approve {channel} {code}"
    )
}

/// What an approved person may be told.
pub fn approved_text() -> &'static str {
    "OpenClaw: you have been approved. Write a message to begin."
}
