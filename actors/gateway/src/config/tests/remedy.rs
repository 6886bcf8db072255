//! One mistake anywhere in a full configuration: the gateway can be reached, and every remedy that is printed, run as the
//! command line runs it, clears what it is printed for.

use openclaw_protocol::config::Path;
use openclaw_protocol::config::Section;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use self::full::full;
use self::harm::any_mutation;
use self::harm::mutate;
use self::harm::paths;
use super::*;
use crate::gateway::Overrides;
use crate::ingress::auth::AuthPolicy;
use crate::ingress::bind;

#[path = "../../../../../protocol/src/config/tests/full.rs"]
mod full;
#[path = "../../../../../protocol/src/config/tests/harm.rs"]
mod harm;

/// A home in memory where there is such a place: the writes are durable, which is not what this is about.
fn home(text: &str) -> Home {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let dir = dir.unwrap();
    let paths = Paths::under(dir.path());
    std::fs::write(&paths.config_path, text).unwrap();
    Home { dir, paths }
}

/// Runs a printed command as `openclaw config` does.
fn run(home: &Home, fix: &str) -> Result<(), String> {
    let words = shell_words(fix);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let env = Environment::default();
    let change = match words.as_slice() {
        ["openclaw", "config", "unset", path] => {
            let path: Path = path.parse().map_err(|error| format!("{error:?}"))?;
            edit::unset(&home.paths, &env, &path)
        }
        ["openclaw", "config", "set", path, word] => {
            let path: Path = path.parse().map_err(|error| format!("{error:?}"))?;
            let value = edit::value_for(&path, word);
            edit::set(&home.paths, &env, &path, value)
        }
        _ => return Err("not a command of ours".to_owned()),
    };
    change.map(drop).map_err(|error| error.to_string())
}

/// Splits a command as a shell does, for the quoting that is used here.
fn shell_words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let word = words.last_mut().unwrap();
        match c {
            '\'' => quoted = !quoted,
            '\\' if !quoted => word.extend(chars.next()),
            ' ' if !quoted => words.push(String::new()),
            c => word.push(c),
        }
    }
    words
}

/// Where a gateway with this configuration listens; what can't be is this machine only.
fn is_reachable(loaded: &LoadedConfig) -> bool {
    let gateway = &loaded.config.gateway;
    let auth = AuthPolicy::of(gateway, |_| None);
    let plan = bind::plan(gateway, &Overrides::default(), &auth, None);
    gateway.port > 0 && plan.map_or(true, |plan| plan.address.port() == gateway.port)
}

fn mends(loaded: &LoadedConfig) -> impl Iterator<Item = &Issue> {
    loaded.issues.iter().filter(|issue| issue.fix.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn after_any_mistake_the_gateway_is_reachable_and_every_printed_remedy_works(
        place in any::<prop::sample::Index>(),
        mutation in any_mutation(),
    ) {
        let mut all = Vec::new();
        paths(&full(), &Path::root(), &mut all);
        let mut tree = full();
        mutate(&mut tree, place.get(&all), &mutation);
        let home = home(&tree.to_string());
        let mut loaded = home.load();
        prop_assert!(is_reachable(&loaded));
        let errors = |loaded: &LoadedConfig| {
            let errors = loaded.issues.iter().filter(|issue| issue.severity == Severity::Error);
            errors.count()
        };
        for issue in &loaded.issues {
            let is_bare = issue.fix.is_none() && issue.severity != Severity::Note;
            prop_assert!(!is_bare, "no remedy: {}", issue);
        }
        let mut steps = 0;
        loop {
            let Some(issue) = mends(&loaded).next().cloned() else { break };
            let fix = issue.fix.clone().unwrap_or_default();
            let ran = run(&home, &fix);
            prop_assert!(ran.is_ok(), "{} for {}: {:?}", fix, issue, ran);
            let after = home.load();
            let same = |other: &&Issue| {
                other.path == issue.path && other.message == issue.message && other.value == issue.value
            };
            let (before, left) = (
                loaded.issues.iter().filter(same).count(),
                after.issues.iter().filter(same).count(),
            );
            // Removing one of two like entries of a list moves the other into its place.
            let is_mended = left < before || after.issues.len() < loaded.issues.len();
            prop_assert!(is_mended, "{} does not mend {}: {:#?}", fix, issue, after.issues);
            prop_assert!(is_reachable(&after));
            loaded = after;
            steps += 1;
            prop_assert!(steps < 50, "no end of remedies: {:#?}", loaded.issues);
        }
        prop_assert_eq!(errors(&loaded), 0);
    }

    #[test]
    fn whatever_happens_to_the_file_the_gateway_is_reachable_and_the_file_is_kept(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = full().to_string().into_bytes();
        for (at, bit) in &flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let home = home("{}");
        std::fs::write(&home.paths.config_path, &bytes).unwrap();
        let loaded = home.load();
        prop_assert!(is_reachable(&loaded));
        if loaded.is_fatal {
            // Nobody knows who was meant to have access.
            prop_assert_eq!(loaded.config.gateway.bind, Bind::Loopback);
            prop_assert!(matches!(loaded.config.gateway.auth, Section::Invalid(_)));
        }
        prop_assert_eq!(&std::fs::read(&home.paths.config_path).unwrap(), &bytes);
        // Whoever writes it anew leaves what was there beside it.
        let base = Some(loaded.hash.as_str());
        let written = edit::replace(&home.paths, &Environment::default(), "{ logging: {} }", base);
        prop_assert!(written.is_ok(), "{:?}", written);
        if !bytes.trim_ascii().is_empty() {
            let names = ["openclaw.json.bak", "openclaw.json.broken"];
            let is_kept = names
                .iter()
                .any(|name| std::fs::read(home.dir.path().join(name)).is_ok_and(|kept| kept == bytes));
            prop_assert!(is_kept);
        }
    }
}
