//! What the service manager knows of the gateway.

use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

/// A unit that is installed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Service {
    unit: String,
    scope: &'static str,
    active: String,
    enabled: String,
}

impl Service {
    /// Looks for the user unit of a profile, then for the system unit. `None` = no systemd, or no unit.
    pub(super) fn find(profile: Option<&str>) -> Option<Self> {
        if !Path::new("/run/systemd/system").is_dir() {
            return None;
        }
        let user = match profile {
            Some(profile) => format!("openclaw-gateway-{profile}.service"),
            None => "openclaw-gateway.service".to_owned(),
        };
        Self::ask("--user", &user).or_else(|| match profile {
            Some(_) => None,
            None => Self::ask("--system", "openclaw.service"),
        })
    }

    fn ask(scope: &'static str, unit: &str) -> Option<Self> {
        let asked = Command::new("systemctl")
            .args([
                scope,
                "show",
                unit,
                "--property=LoadState,ActiveState,UnitFileState",
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        Self::read(scope, unit, &String::from_utf8_lossy(&asked.stdout))
    }

    fn read(scope: &'static str, unit: &str, text: &str) -> Option<Self> {
        let property = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            lines
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.trim().to_owned())
        };
        if property("LoadState")? != "loaded" {
            return None;
        }
        Some(Self {
            unit: unit.to_owned(),
            scope: scope.trim_start_matches('-'),
            active: property("ActiveState")?,
            enabled: property("UnitFileState").unwrap_or_default(),
        })
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "unit": self.unit, "scope": self.scope, "active": self.active, "enabled": self.enabled,
        })
    }

    /// The unit in a line.
    pub(super) fn line(&self) -> String {
        format!(
            "{} ({} unit {}, {})",
            self.active, self.scope, self.unit, self.enabled
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_unit_that_is_installed_counts() {
        let text = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n";
        let service = Service::read("--user", "openclaw-gateway.service", text).unwrap();
        assert_eq!(
            service.line(),
            "active (user unit openclaw-gateway.service, enabled)"
        );
        let none = "LoadState=not-found\nActiveState=inactive\nUnitFileState=\n";
        assert_eq!(Service::read("--user", "x", none), None);
        assert_eq!(
            Service::read("--user", "x", "Failed to connect to bus"),
            None
        );
    }
}
