//! The keys in `~/.aws`, where Amazon's own programs keep them.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use openclaw_protocol::Secret;

use super::AwsKeys;

/// Which files, and which profile in them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AwsFiles {
    /// `~/.aws/credentials`.
    pub credentials: PathBuf,
    /// `~/.aws/config`.
    pub config: PathBuf,
    /// The profile's name.
    pub profile: String,
}

/// What a profile says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsProfile {
    /// Where it was read.
    pub files: AwsFiles,
    /// Its region.
    pub region: Option<String>,
    /// Whether somebody named it: it is used then though nothing else speaks of Bedrock.
    pub named: bool,
    /// Why its keys can't be used; none when they can.
    pub problem: Option<String>,
}

type Section = BTreeMap<String, String>;

impl AwsFiles {
    /// The files and the profile that the variables name, or the usual ones.
    pub fn of(env: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let look = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let home = look("HOME").or_else(|| look("USERPROFILE"));
        let place = |variable: &str, name: &str| {
            let named = look(variable).map(PathBuf::from);
            named.or_else(|| Some(Path::new(home.as_deref()?).join(".aws").join(name)))
        };
        let profile = look("AWS_PROFILE").or_else(|| look("AWS_DEFAULT_PROFILE"));
        Some(Self {
            credentials: place("AWS_SHARED_CREDENTIALS_FILE", "credentials")?,
            config: place("AWS_CONFIG_FILE", "config")?,
            profile: profile.unwrap_or_else(|| "default".to_owned()),
        })
    }

    fn section(&self) -> std::io::Result<Option<Section>> {
        let read = |path: &Path| match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            other => other,
        };
        let (credentials, config) = (read(&self.credentials)?, read(&self.config)?);
        Ok(section(&credentials, &config, &self.profile))
    }

    /// Reads what the profile says. Waits for the disk.
    pub fn profile(self, named: bool) -> Option<AwsProfile> {
        let section = match self.section() {
            Ok(section) => section,
            Err(error) => {
                return Some(AwsProfile {
                    problem: Some(format!("can't read the keys in ~/.aws: {error}")),
                    region: None,
                    named,
                    files: self,
                });
            }
        };
        let problem = match &section {
            None if !named => return None,
            None => Some(format!(
                "there is no profile \"{}\" in ~/.aws",
                self.profile
            )),
            Some(section) => problem(section, &self.profile),
        };
        Some(AwsProfile {
            region: section.and_then(|section| section.get("region").cloned()),
            files: self,
            named,
            problem,
        })
    }

    /// Reads the keys as they are now. Waits for the disk.
    pub fn keys(&self, region: &str) -> std::io::Result<AwsKeys> {
        let section = self.section()?.unwrap_or_default();
        let field = |name: &str| section.get(name).cloned();
        let (id, secret) = (field("aws_access_key_id"), field("aws_secret_access_key"));
        let (Some(id), Some(secret)) = (id, secret) else {
            let text = problem(&section, &self.profile).unwrap_or_default();
            return Err(std::io::Error::other(text));
        };
        Ok(AwsKeys {
            id,
            secret: Secret::new(secret),
            session: field("aws_session_token").map(Secret::new),
            region: region.to_owned(),
        })
    }
}

/// Why a profile has no keys to sign with.
fn problem(section: &Section, profile: &str) -> Option<String> {
    let has = |name: &str| section.contains_key(name);
    if has("aws_access_key_id") && has("aws_secret_access_key") {
        return None;
    }
    let needs = [
        "role_arn",
        "sso_session",
        "sso_start_url",
        "credential_process",
        "login_session",
    ];
    Some(match needs.into_iter().find(|name| has(name)) {
        Some(name) => format!(
            "the profile \"{profile}\" in ~/.aws has no keys but {name}; `aws configure export-credentials --profile {profile} --format env` prints keys for the environment"
        ),
        None => format!("the profile \"{profile}\" in ~/.aws has no keys"),
    })
}

/// A profile of both files; what the file of credentials says counts.
fn section(credentials: &str, config: &str, profile: &str) -> Option<Section> {
    let long = format!("profile {profile}");
    let of_config = parse(config)
        .into_iter()
        .filter(|(name, _)| *name == long || (name == profile && profile == "default"));
    let of_credentials = parse(credentials)
        .into_iter()
        .filter(|(name, _)| name == profile);
    let mut found = None;
    for (_, fields) in of_config.chain(of_credentials) {
        found.get_or_insert_with(Section::new).extend(fields);
    }
    found
}

/// Sections in order. Indented lines belong to the setting above them, and none of ours has any.
fn parse(text: &str) -> Vec<(String, Section)> {
    let mut sections: Vec<(String, Section)> = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = trimmed.strip_prefix('[') {
            let name = rest.split(']').next().unwrap_or_default();
            let words: Vec<&str> = name.split_whitespace().collect();
            sections.push((words.join(" ").replace(['"', '\''], ""), Section::new()));
            continue;
        }
        let (Some((name, value)), Some((_, fields))) =
            (trimmed.split_once('='), sections.last_mut())
        else {
            continue;
        };
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let value = value.split(" #").next().unwrap_or_default();
        let value = value.split(" ;").next().unwrap_or_default().trim();
        if !value.is_empty() {
            fields.insert(name.trim().to_lowercase(), value.to_owned());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "# mine\n[default]\naws_access_key_id = AKID1\naws_secret_access_key=s1 # note\n\n\
        [ work ]\nAWS_Access_Key_Id=AKID2\naws_secret_access_key=s2==\naws_session_token = t2\n";
    const CONFIG: &str = "[default]\nregion = eu-west-1\naws_access_key_id = other\n[profile work]\n\
        s3 =\n  region = nowhere\nregion=us-west-2\n[profile roles]\nrole_arn = arn:aws:iam::1:role/x\n";

    fn files(dir: &Path, profile: &str) -> AwsFiles {
        let put = |name: &str, text: &str| {
            let path = dir.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        AwsFiles {
            credentials: put("credentials", CREDENTIALS),
            config: put("config", CONFIG),
            profile: profile.to_owned(),
        }
    }

    #[test]
    fn a_profile_is_put_together_from_both_files() {
        let dir = tempfile::tempdir().unwrap();
        let of = |profile| files(dir.path(), profile);
        let read = of("default").profile(false).unwrap();
        assert_eq!(
            (read.region.as_deref(), read.problem),
            (Some("eu-west-1"), None)
        );
        let keys = of("default").keys("eu-west-1").unwrap();
        assert_eq!((&*keys.id, keys.secret.expose()), ("AKID1", "s1"));
        assert_eq!(keys.session, None);
        let keys = of("work").keys("us-west-2").unwrap();
        assert_eq!((&*keys.id, keys.secret.expose()), ("AKID2", "s2=="));
        assert_eq!(keys.session.unwrap().expose(), "t2");
        assert_eq!(
            of("work").profile(true).unwrap().region.as_deref(),
            Some("us-west-2")
        );
    }

    #[test]
    fn what_has_no_keys_says_what_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let of = |profile| files(dir.path(), profile);
        let roles = of("roles").profile(true).unwrap().problem.unwrap();
        assert!(
            roles.contains("role_arn") && roles.contains("export-credentials"),
            "{roles}"
        );
        let nobody = of("nobody").profile(true).unwrap().problem.unwrap();
        assert!(nobody.contains("no profile \"nobody\""), "{nobody}");
        assert_eq!(of("nobody").profile(false), None);
        let none = AwsFiles {
            credentials: dir.path().join("x"),
            config: dir.path().join("y"),
            profile: "default".to_owned(),
        };
        assert_eq!(none.profile(false), None);
    }

    #[test]
    fn variables_say_where_to_look() {
        let env = |name: &str| match name {
            "HOME" => Some("/home/me".to_owned()),
            "AWS_PROFILE" => Some("work".to_owned()),
            "AWS_CONFIG_FILE" => Some("/etc/aws".to_owned()),
            _ => None,
        };
        let files = AwsFiles::of(&env).unwrap();
        assert_eq!(files.credentials, Path::new("/home/me/.aws/credentials"));
        assert_eq!(
            (files.config, files.profile),
            (PathBuf::from("/etc/aws"), "work".to_owned())
        );
        assert_eq!(AwsFiles::of(&|_| None), None);
    }
}
