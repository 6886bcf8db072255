use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use openclaw_protocol::AgentId;
use openclaw_protocol::Content;
use openclaw_protocol::SessionKey;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use super::*;

struct House {
    _dir: TempDir,
    workspace: PathBuf,
    outside: PathBuf,
    tools: Vec<FileTool>,
}

fn house(workspace_only: bool) -> House {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let (workspace, outside) = (root.join("workspace"), root.join("outside"));
    fs::create_dir(&workspace).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret words").unwrap();
    let home = root.clone();
    let rules: RulesNow = Arc::new(move |_| FileRules {
        workspace_only,
        home: home.clone(),
        ..FileRules::default()
    });
    House {
        _dir: dir,
        workspace,
        outside,
        tools: tools(&rules),
    }
}

impl House {
    async fn call(&self, name: &str, arguments: Value) -> (bool, String) {
        let outcome = self.outcome(name, arguments).await;
        let text = match outcome.content.first() {
            Some(Content::Text { text, .. }) => text.clone(),
            other => panic!("{other:?}"),
        };
        (!outcome.is_error, text)
    }

    async fn outcome(&self, name: &str, arguments: Value) -> ToolOutcome {
        let tool = self.tools.iter().find(|tool| tool.spec().name == name);
        let call = ToolCall {
            name: name.to_owned(),
            arguments,
            key: "k".to_owned(),
            workspace: self.workspace.clone(),
            agent: AgentId::main(),
            session: SessionKey::main(&AgentId::main()),
            caller: Default::default(),
            outside: None,
        };
        tool.unwrap().run(call).await
    }

    async fn good(&self, name: &str, arguments: Value) -> String {
        let (is_good, text) = self.call(name, arguments).await;
        assert!(is_good, "{name}: {text}");
        text
    }

    async fn bad(&self, name: &str, arguments: Value) -> String {
        let (is_good, text) = self.call(name, arguments).await;
        assert!(!is_good, "{name}: {text}");
        text
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.workspace.join(name)).unwrap()
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.workspace.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[tokio::test]
async fn a_file_is_written_read_and_edited_under_every_name_that_models_use() {
    let house = house(true);
    let said = house
        .good(
            "write",
            json!({ "file_path": "a/b.md", "content": " one\ntwo\n" }),
        )
        .await;
    assert_eq!(said, "wrote 9 bytes to a/b.md");
    let edit = json!({ "file_path": "a/b.md", "old_string": "two", "new_string": "three" });
    house.good("edit", edit).await;
    let edits = json!({ "path": "a/b.md", "edits": [
        { "oldText": " one", "newText": "1" }, { "oldText": "three", "newText": "3" },
    ]});
    house.good("edit", edits).await;
    assert_eq!(
        house.good("read", json!({ "path": "a/b.md" })).await,
        "1\n3\n"
    );
    // One edit that fails leaves all as it was.
    let half = json!({ "path": "a/b.md", "edits": [
        { "oldText": "1", "newText": "x" }, { "oldText": "gone", "newText": "y" },
    ]});
    assert!(house.bad("edit", half).await.contains("edit 2"));
    assert_eq!(house.read("a/b.md"), "1\n3\n");
    assert!(
        house
            .bad("write", json!({ "path": "x" }))
            .await
            .contains("needs a content")
    );
    assert!(
        house
            .bad("read", json!({}))
            .await
            .contains("a path is needed")
    );
    assert!(
        house
            .bad("read", json!({ "path": "none" }))
            .await
            .contains("there is no none")
    );
}

#[tokio::test]
async fn a_picture_that_is_too_wide_is_shown_smaller() {
    use std::io::Write;
    let house = house(true);
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&vec![0; 4001 * 30]).unwrap();
    let packed = packed.finish().unwrap();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [0, 0, 0x0f, 0xa0, 0, 0, 0, 30, 8, 0, 0, 0, 0];
    for (kind, data) in [
        (b"IHDR", &header[..]),
        (b"IDAT", &packed[..]),
        (b"IEND", &[]),
    ] {
        png.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        png.extend_from_slice(kind);
        png.extend_from_slice(data);
        png.extend([0; 4]);
    }
    fs::write(house.workspace.join("wide.png"), png).unwrap();
    let outcome = house.outcome("read", json!({ "path": "wide.png" })).await;
    let [
        Content::Text { text, .. },
        Content::Image {
            mime_type, data, ..
        },
    ] = outcome.content.as_slice()
    else {
        panic!("{outcome:?}");
    };
    assert!(text.contains("smaller than its 4000 x 30 pixels"), "{text}");
    assert_eq!(mime_type, "image/jpeg");
    use base64::Engine;
    let made = base64::engine::general_purpose::STANDARD
        .decode(data)
        .unwrap();
    assert_eq!(openclaw_compute::picture::size(&made).unwrap().width, 1568);
}

#[tokio::test]
async fn a_picture_is_shown_and_other_bytes_are_refused() {
    let house = house(true);
    let png = [
        &[0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'][..],
        b"rest",
    ]
    .concat();
    fs::write(house.workspace.join("p.png"), &png).unwrap();
    let outcome = house.outcome("read", json!({ "path": "p.png" })).await;
    let [
        _,
        Content::Image {
            mime_type, data, ..
        },
    ] = outcome.content.as_slice()
    else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        (mime_type.as_str(), data.as_str()),
        ("image/png", "iVBORw0KGgpyZXN0")
    );
    fs::write(
        house.workspace.join("large.png"),
        [png, vec![1; 4_000_000]].concat(),
    )
    .unwrap();
    assert!(
        house
            .bad("read", json!({ "path": "large.png" }))
            .await
            .contains("4000012 bytes")
    );
    fs::write(house.workspace.join("bytes"), [1, 0, 2]).unwrap();
    assert!(
        house
            .bad("read", json!({ "path": "bytes" }))
            .await
            .contains("not text")
    );
}

#[tokio::test]
async fn no_file_tool_leaves_the_workspace() {
    let house = house(true);
    house.put("inside", "x");
    symlink(&house.outside, house.workspace.join("way")).unwrap();
    symlink(house.outside.join("secret"), house.workspace.join("link")).unwrap();
    let secret = house.outside.join("secret").display().to_string();
    let targets = [
        "../outside/secret",
        "way/secret",
        "link",
        secret.as_str(),
        "~/outside/secret",
        "inside/../../outside/secret",
    ];
    for target in targets {
        let patch =
            |body: &str| json!({ "input": format!("*** Begin Patch\n{body}\n*** End Patch") });
        let calls = [
            ("read", json!({ "path": target })),
            ("write", json!({ "path": target, "content": "x" })),
            (
                "edit",
                json!({ "path": target, "oldText": "secret", "newText": "x" }),
            ),
            ("grep", json!({ "path": target, "pattern": "secret" })),
            ("apply_patch", patch(&format!("*** Delete File: {target}"))),
            (
                "apply_patch",
                patch(&format!("*** Update File: inside\n*** Move to: {target}")),
            ),
            (
                "apply_patch",
                patch(&format!("*** Add File: {target}/../new\n+x")),
            ),
        ];
        for (name, arguments) in calls {
            house.bad(name, arguments).await;
        }
    }
    for folder in ["..", "way", "/", "~"] {
        house.bad("ls", json!({ "path": folder })).await;
        house
            .bad("find", json!({ "path": folder, "pattern": "*" }))
            .await;
        house
            .bad("grep", json!({ "path": folder, "pattern": "secret" }))
            .await;
    }
    // A search goes through no link either.
    assert_eq!(
        house.good("grep", json!({ "pattern": "secret" })).await,
        "no line fits the pattern"
    );
    let found = house.good("find", json!({ "pattern": "**/*" })).await;
    assert_eq!(found.lines().collect::<Vec<_>>(), ["inside", "link", "way"]);
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret words");
    assert_eq!(fs::read_dir(&house.outside).unwrap().count(), 1);
}

#[tokio::test]
async fn elsewhere_is_open_unless_the_policy_says_otherwise() {
    let house = house(false);
    let said = house
        .good("read", json!({ "path": "~/outside/secret" }))
        .await;
    assert_eq!(said, "secret words");
    house
        .good("write", json!({ "path": "../outside/new", "content": "x" }))
        .await;
    assert_eq!(fs::read_to_string(house.outside.join("new")).unwrap(), "x");
}

#[tokio::test]
async fn a_patch_is_applied_as_a_whole_or_not_at_all() {
    let house = house(true);
    house.put("keep.rs", "fn a() {}\nfn b() {}\n");
    house.put("old.rs", "old\n");
    house.put("move.sh", "echo 1\n");
    let script = house.workspace.join("move.sh");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let body = "*** Begin Patch\n*** Update File: keep.rs\n@@\n-fn b() {}\n+fn c() {}\n*** Delete File: old.rs\n*** Add File: deep/new.rs\n+new\n*** Update File: move.sh\n*** Move to: bin/run.sh\n@@\n-echo 1\n+echo 2\n";
    let broken = format!("{body}*** Update File: keep.rs\n@@\n-fn gone() {{}}\n+x\n*** End Patch");
    let said = house.bad("apply_patch", json!({ "input": broken })).await;
    assert!(
        said.contains("keep.rs: piece 1") && said.ends_with("nothing was changed"),
        "{said}"
    );
    assert_eq!(house.read("keep.rs"), "fn a() {}\nfn b() {}\n");
    assert!(script.exists() && !house.workspace.join("deep").exists());

    let said = house
        .good(
            "apply_patch",
            json!({ "input": format!("{body}*** End Patch") }),
        )
        .await;
    assert_eq!(
        said,
        "M keep.rs\nD old.rs\nA deep/new.rs\nR move.sh -> bin/run.sh"
    );
    assert_eq!(house.read("keep.rs"), "fn a() {}\nfn c() {}\n");
    assert_eq!(house.read("deep/new.rs"), "new\n");
    assert_eq!(house.read("bin/run.sh"), "echo 2\n");
    let mode = fs::metadata(house.workspace.join("bin/run.sh"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    assert!(!script.exists() && !house.workspace.join("old.rs").exists());
    let again = house
        .bad(
            "apply_patch",
            json!({ "input": "*** Begin Patch\n*** Add File: keep.rs\n+x\n*** End Patch" }),
        )
        .await;
    assert!(again.contains("there already"));
}

#[tokio::test]
async fn a_patch_that_can_t_be_written_leaves_everything_as_it_was() {
    let house = house(true);
    house.put("a", "1\n");
    house.put("folder/x", "x\n");
    // The second file's place is a folder: found out before the first is touched.
    let input =
        "*** Begin Patch\n*** Update File: a\n@@\n-1\n+2\n*** Add File: folder\n+x\n*** End Patch";
    house.bad("apply_patch", json!({ "input": input })).await;
    assert_eq!(house.read("a"), "1\n");
    let names: Vec<_> = fs::read_dir(&house.workspace).unwrap().flatten().collect();
    assert_eq!(names.len(), 2, "nothing is left beside them");
}

#[tokio::test]
async fn searches_leave_out_what_gitignore_leaves_out() {
    let house = house(true);
    fs::create_dir(house.workspace.join(".git")).unwrap();
    house.put(".git/words", "needle\n");
    house.put(".gitignore", "target/\n*.log\n");
    house.put("src/.gitignore", "!kept.log\n");
    house.put("src/main.rs", "one\nNeedle two\nthree\nneedle\n");
    house.put("src/kept.log", "needle\n");
    house.put("src/lost.log", "needle\n");
    house.put("target/out.rs", "needle\n");
    let said = house
        .good("grep", json!({ "pattern": "needle", "ignoreCase": true }))
        .await;
    assert_eq!(
        said,
        "src/kept.log:1: needle\nsrc/main.rs:2: Needle two\nsrc/main.rs:4: needle"
    );
    let said = house
        .good(
            "grep",
            json!({ "pattern": "n..dle", "path": "src", "glob": "*.rs", "context": 1 }),
        )
        .await;
    assert_eq!(said, "src/main.rs-3- three\nsrc/main.rs:4: needle");
    let said = house
        .good("grep", json!({ "pattern": "needle", "limit": 1 }))
        .await;
    assert!(
        said.ends_with("[Cut after 1 hits; there are more. Use a narrower pattern, path or glob.]")
    );
    assert_eq!(
        house
            .good("grep", json!({ "pattern": "n..dle", "literal": true }))
            .await,
        "no line fits the pattern"
    );
    assert!(
        house
            .bad("grep", json!({ "pattern": "(" }))
            .await
            .contains("can't be read")
    );
    assert_eq!(
        house.good("find", json!({ "pattern": "*.rs" })).await,
        "src/main.rs"
    );
    assert_eq!(
        house.good("find", json!({ "pattern": "src/*.log" })).await,
        "src/kept.log"
    );
    assert_eq!(
        house
            .good("find", json!({ "pattern": "*.rs", "path": "src" }))
            .await,
        "src/main.rs"
    );
    // Below an ignored folder's neighbour the lists above still count.
    assert!(
        house
            .good("find", json!({ "pattern": "*.log", "path": "src" }))
            .await
            .starts_with("src/kept.log")
    );
}

#[tokio::test]
async fn a_folder_is_listed_up_to_a_limit() {
    let house = house(true);
    assert_eq!(house.good("ls", json!({})).await, "(empty)");
    house.put("b/x", "");
    house.put("A", "");
    house.put(".hidden", "");
    symlink("A", house.workspace.join("z")).unwrap();
    assert_eq!(house.good("ls", json!({})).await, ".hidden\nA\nb/\nz@");
    let said = house.good("ls", json!({ "limit": 2 })).await;
    assert_eq!(
        said,
        ".hidden\nA\n[2 of 4 names. Raise limit, or use find.]"
    );
    assert!(
        house
            .bad("ls", json!({ "path": "A" }))
            .await
            .contains("not a folder")
    );
}

#[tokio::test]
async fn a_long_answer_is_cut_and_says_so() {
    let house = house(true);
    for n in 0..40 {
        house.put(
            &format!("{n:02}{}", "x".repeat(60)),
            &"needle needle\n".repeat(200),
        );
    }
    for (name, arguments) in [
        ("grep", json!({ "pattern": "needle", "limit": 2000 })),
        ("find", json!({ "pattern": "*", "limit": 10 })),
    ] {
        let said = house.good(name, arguments).await;
        assert!(
            said.len() < OUTPUT + 200 && said.contains("there are more"),
            "{name}: {}",
            said.len()
        );
    }
}

#[test]
fn what_may_run_again_is_declared_so() {
    let rules: RulesNow = Arc::new(|_| FileRules::default());
    let may: Vec<(String, bool)> = tools(&rules)
        .iter()
        .map(|tool| (tool.spec().name.clone(), tool.idempotent()))
        .collect();
    let changes = ["write", "edit", "apply_patch"];
    assert!(
        may.iter()
            .all(|(name, again)| *again != changes.contains(&name.as_str()))
    );
    assert_eq!(may.len(), 7);
}
