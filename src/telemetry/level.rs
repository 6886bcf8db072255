//! Which lines go where.

use openclaw_gateway::config::Environment;
use openclaw_protocol::config::LogLevel;
use openclaw_protocol::config::Logging;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;

/// Libraries that tell their own story below a warning.
const NOISY: &[&str] = &[
    "h2",
    "hyper",
    "hyper_util",
    "notify",
    "opentelemetry",
    "opentelemetry_sdk",
    "opentelemetry-otlp",
    "ractor",
    "reqwest",
    "rustls",
    "tungstenite",
    "tokio_tungstenite",
];

/// What goes to the log file and what to the terminal.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    pub(crate) file: Targets,
    pub(crate) console: Targets,
}

impl Levels {
    /// `--log-level`, else `OPENCLAW_LOG_LEVEL`, decides both; else the config decides each.
    pub(crate) fn new(
        flag: Option<&str>,
        environment: &Environment,
        logging: &Logging,
        verbose: bool,
    ) -> CommandResult<Self> {
        let word = flag.map(|text| ("--log-level", text)).or_else(|| {
            environment
                .get("OPENCLAW_LOG_LEVEL")
                .map(|text| ("OPENCLAW_LOG_LEVEL", text))
        });
        if let Some((from, text)) = word {
            let targets = parse(from, text)?;
            return Ok(Self {
                file: targets.clone(),
                console: targets,
            });
        }
        let file = logging.level.unwrap_or(LogLevel::Info);
        let mut console = logging.console_level.unwrap_or(file);
        if verbose {
            console = console.max(LogLevel::Debug);
        }
        Ok(Self {
            file: targets(filter(file)),
            console: targets(filter(console)),
        })
    }

    /// What goes anywhere.
    pub(crate) fn either(&self) -> Targets {
        let default = |targets: &Targets| targets.default_level().unwrap_or(LevelFilter::OFF);
        let mut either =
            Targets::new().with_default(default(&self.file).max(default(&self.console)));
        for (target, level) in self.file.iter().chain(self.console.iter()) {
            let known = either
                .iter()
                .find(|(known, _)| *known == target)
                .map_or(LevelFilter::OFF, |(_, level)| level);
            either = either.with_target(target.to_owned(), level.max(known));
        }
        either
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Silent => LevelFilter::OFF,
        LogLevel::Fatal | LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

fn targets(level: LevelFilter) -> Targets {
    Targets::new().with_default(level).with_targets(
        NOISY
            .iter()
            .map(|name| (*name, level.min(LevelFilter::WARN))),
    )
}

/// Reads `debug`, or `info,openclaw_ledger=trace`.
fn parse(from: &str, text: &str) -> CommandResult<Targets> {
    let wrong = || {
        CommandError::new(
            Kind::Usage,
            format!(
                "{from} is \"{text}\"; levels are silent, fatal, error, warn, info, debug and trace"
            ),
        )
        .hint("one for everything, or by part: info,openclaw_ledger=trace")
    };
    let level = |word: &str| match word.trim().to_ascii_lowercase().as_str() {
        "silent" | "off" => Ok(LevelFilter::OFF),
        "fatal" | "error" => Ok(LevelFilter::ERROR),
        "warn" | "warning" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(wrong()),
    };
    let mut all = LevelFilter::INFO;
    let mut parts = Vec::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        match part.split_once('=') {
            Some((target, word)) => parts.push((target.trim().to_owned(), level(word)?)),
            None => all = level(part)?,
        }
    }
    Ok(targets(all).with_targets(parts))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn levels(flag: Option<&str>, logging: &Logging, verbose: bool) -> Levels {
        Levels::new(flag, &Environment::default(), logging, verbose).unwrap()
    }

    #[test]
    fn the_config_decides_each_and_the_flag_both() {
        let logging = Logging {
            level: Some(LogLevel::Debug),
            console_level: Some(LogLevel::Warn),
            ..Logging::default()
        };
        let quiet = levels(None, &logging, false);
        assert!(quiet.file.would_enable("openclaw_ledger", &Level::DEBUG));
        assert!(!quiet.console.would_enable("openclaw_ledger", &Level::INFO));
        assert!(
            quiet
                .either()
                .would_enable("openclaw_ledger", &Level::DEBUG)
        );
        assert!(!quiet.either().would_enable("hyper::client", &Level::INFO));
        let loud = levels(None, &logging, true);
        assert!(loud.console.would_enable("openclaw_ledger", &Level::DEBUG));
        let flag = levels(Some("error,openclaw_ledger=trace"), &logging, false);
        assert!(flag.console.would_enable("openclaw_ledger", &Level::TRACE));
        assert!(!flag.file.would_enable("openclaw_session", &Level::WARN));
    }

    #[test]
    fn a_word_that_is_no_level_is_named() {
        let wrong = Levels::new(
            Some("loud"),
            &Environment::default(),
            &Logging::default(),
            false,
        );
        assert_eq!(wrong.unwrap_err().kind(), Kind::Usage);
    }
}
