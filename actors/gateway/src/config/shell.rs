//! Asks the login shell for keys that a service doesn't inherit.
//!
//! Only when `env.shellEnv.enabled` (or `OPENCLAW_LOAD_SHELL_ENV`) asks for it, only for names that
//! are expected and missing, and never for longer than its time-out.

use std::time::Duration;

use openclaw_runtime::child::ChildError;
use openclaw_runtime::child::Job;

use super::Environment;

/// Keys that people export in their shell.
const EXPECTED: [&str; 22] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_OAUTH_TOKEN",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "OPENROUTER_API_KEY",
    "GROQ_API_KEY",
    "MISTRAL_API_KEY",
    "XAI_API_KEY",
    "DEEPSEEK_API_KEY",
    "CEREBRAS_API_KEY",
    "TOGETHER_API_KEY",
    "ZAI_API_KEY",
    "MINIMAX_API_KEY",
    "AI_GATEWAY_API_KEY",
    "ELEVENLABS_API_KEY",
    "BRAVE_API_KEY",
    "TELEGRAM_BOT_TOKEN",
    "DISCORD_BOT_TOKEN",
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "OPENCLAW_GATEWAY_TOKEN",
    "OPENCLAW_GATEWAY_PASSWORD",
];

/// What the login shell has of the expected names and `also`, as far as they are missing.
pub(super) fn import(
    env: &Environment,
    also: &[String],
    timeout: Duration,
) -> Vec<(String, String)> {
    let expected = EXPECTED.into_iter().chain(also.iter().map(String::as_str));
    let missing: Vec<&str> = expected.filter(|name| env.get(name).is_none()).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let shell = env.get("SHELL").unwrap_or("/bin/sh");
    match ask(shell, env, timeout) {
        Ok(output) => read(&output, &missing),
        Err(error) => {
            tracing::warn!(shell, %error, "the login shell was not asked for variables");
            Vec::new()
        }
    }
}

fn ask(shell: &str, env: &Environment, timeout: Duration) -> Result<Vec<u8>, ChildError> {
    let job = Job::new(shell, ["-l", "-c", "env -0"]);
    let done = job.environment(env.iter()).within(timeout).run_blocking()?;
    Ok(done.output)
}

fn read(output: &[u8], missing: &[&str]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(output);
    text.split('\0')
        .filter_map(|line| line.split_once('='))
        // A profile may print a greeting before the first variable.
        .map(|(name, value)| (name.lines().last().unwrap_or_default(), value))
        .filter(|(name, value)| missing.contains(name) && !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_expected_and_missing_is_taken() {
        let output = b"hello\nOPENAI_API_KEY=a=b\0PATH=/bin\0GROQ_API_KEY=\0BRAVE_API_KEY=c\nd\0";
        let missing = ["OPENAI_API_KEY", "GROQ_API_KEY", "BRAVE_API_KEY"];
        let pairs = read(output, &missing);
        assert_eq!(
            pairs,
            [
                ("OPENAI_API_KEY".to_owned(), "a=b".to_owned()),
                ("BRAVE_API_KEY".to_owned(), "c\nd".to_owned())
            ]
        );
    }

    #[test]
    #[cfg(unix)]
    fn a_shell_that_never_answers_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let shell = dir.path().join("shell");
        std::fs::write(&shell, "#!/bin/sh\nsleep 600\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&shell, mode).unwrap();
        let vars = [
            ("SHELL".to_owned(), shell.display().to_string()),
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
        ];
        let env: Environment = vars.into_iter().collect();
        assert_eq!(import(&env, &[], Duration::from_millis(50)), []);
    }
}
