use super::*;
use crate::config;
use crate::config::Environment;

/// A shelf over an installation of its own.
struct House {
    dir: tempfile::TempDir,
    paths: Paths,
    config: watch::Sender<Arc<LoadedConfig>>,
    shelf: SkillShelf,
}

impl House {
    fn new(look_each: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let (config, now) = watch::channel(Arc::new(load(&paths)));
        let shelf = SkillShelf {
            look_each,
            ..SkillShelf::new(&paths, now)
        };
        Self {
            dir,
            paths,
            config,
            shelf,
        }
    }

    fn put(&self, name: &str, description: &str) {
        let folder = self.dir.path().join("workspace/skills").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!("---\nname: {name}\ndescription: {description}\n---\n");
        std::fs::write(folder.join("SKILL.md"), text).unwrap();
    }

    fn configure(&self, text: &str) {
        std::fs::write(&self.paths.config_path, text).unwrap();
        self.config.send_replace(Arc::new(load(&self.paths)));
    }

    fn now(&self) -> Arc<Snapshot> {
        let workspace = self.dir.path().join("workspace");
        self.shelf.now(&AgentId::main(), &workspace)
    }

    fn tells(&self, text: &str) -> bool {
        let now = self.now();
        let mut skills = now.skills().iter();
        skills.any(|skill| skill.description == text)
    }
}

fn load(paths: &Paths) -> LoadedConfig {
    config::load(paths, &Environment::default())
}

#[test]
fn a_turn_is_handed_the_same_snapshot_until_something_changes() {
    let house = House::new(Duration::ZERO);
    house.put("tides", "when the sea comes");
    let first = house.now();
    assert_eq!(first.skills().len(), 5);
    assert!(Arc::ptr_eq(&house.now(), &first));
    house.put("tides", "when it comes and goes");
    assert!(house.tells("when it comes and goes"));
    house.put("moon", "how full it is");
    assert!(house.tells("how full it is"));
    house.configure(r#"{ "skills": { "entries": { "moon": { "enabled": false } } } }"#);
    assert!(!house.tells("how full it is"));
}

#[test]
fn turns_that_follow_each_other_look_at_no_file() {
    let house = House::new(Duration::from_secs(3600));
    house.put("tides", "when the sea comes");
    let first = house.now();
    house.put("moon", "how full it is");
    assert!(Arc::ptr_eq(&house.now(), &first));
    // The configuration is taken up at once: it is known without a look.
    house.configure("{}");
    assert!(house.tells("how full it is"));
}

#[test]
fn changes_are_followed_unless_somebody_says_otherwise() {
    let house = House::new(Duration::ZERO);
    assert!(house.shelf.is_followed());
    house.configure(r#"{ "skills": { "load": { "watch": false } } }"#);
    assert!(!house.shelf.is_followed());
}
