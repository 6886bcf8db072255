use std::fs;
use std::path::Path;

use jiff::Zoned;
use openclaw_protocol::Content;
use serde_json::Value;
use serde_json::json;

use super::Asked;
use super::Memory;
use super::MemoryGet;
use super::file;
use super::note;
use crate::Caller;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;

const MORNING: &str = "2026-02-15T09:30:00[Europe/Paris]";
const NEXT_DAY: &str = "2026-02-16T00:01:00[Europe/Paris]";

mod vectors;

fn asked(query: &str, most: usize) -> Asked {
    Asked {
        query: query.into(),
        most,
        min_score: None,
        is_private: true,
    }
}

/// What is found in a workspace that was never looked at before.
fn search(workspace: &Path, query: &str, most: usize) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let memory = Memory::default();
    let agent = "main".parse().unwrap();
    let found = runtime.block_on(memory.search(&agent, workspace, asked(query, most)));
    found.unwrap().to_json()
}

fn call(workspace: &Path, key: &str, arguments: Value) -> ToolCall {
    ToolCall {
        name: "memory_note".into(),
        arguments,
        key: key.into(),
        workspace: workspace.into(),
        agent: "main".parse().unwrap(),
        session: "agent:main:main".parse().unwrap(),
        caller: Caller::default(),
        outside: None,
    }
}

fn at(when: &str) -> Zoned {
    when.parse().unwrap()
}

fn value(outcome: &ToolOutcome) -> Value {
    assert!(!outcome.is_error, "{outcome:?}");
    let [Content::Text { text, .. }] = outcome.content.as_slice() else {
        panic!("{outcome:?}");
    };
    serde_json::from_str(text).unwrap()
}

fn take(workspace: &Path, key: &str, text: &str, when: &str) -> Value {
    value(&note::write(
        call(workspace, key, json!({ "text": text })),
        &at(when),
    ))
}

fn day(workspace: &Path) -> String {
    fs::read_to_string(workspace.join("memory/2026-02-15.md")).unwrap()
}

#[test]
fn a_note_is_written_once_for_each_call() {
    let home = tempfile::tempdir().unwrap();
    let first = take(home.path(), "s/1/0", "I like tea", MORNING);
    assert_eq!(
        first,
        json!({ "path": "memory/2026-02-15.md", "written": true })
    );
    let again = take(home.path(), "s/1/0", "I like tea", MORNING);
    assert_eq!(again["written"], false);
    // The same words of another call are another note.
    take(home.path(), "s/2/0", "I like tea", MORNING);
    let text = day(home.path());
    assert_eq!(
        text.matches("- 09:30 I like tea <!-- note:").count(),
        2,
        "{text}"
    );
    assert!(text.starts_with("# 2026-02-15\n\n- "), "{text}");
}

#[test]
fn a_call_that_comes_again_after_midnight_writes_nothing() {
    let home = tempfile::tempdir().unwrap();
    take(home.path(), "s/1/0", "I like tea", MORNING);
    let again = take(home.path(), "s/1/0", "I like tea", NEXT_DAY);
    assert_eq!(
        again,
        json!({ "path": "memory/2026-02-15.md", "written": false })
    );
    assert!(!home.path().join("memory/2026-02-16.md").exists());
}

#[test]
fn a_file_that_a_person_edited_is_respected() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("memory")).unwrap();
    fs::write(home.path().join("memory/2026-02-15.md"), "my own words").unwrap();
    take(home.path(), "k", "one\ntwo --> three", MORNING);
    let text = day(home.path());
    assert!(text.starts_with("my own words\n- 09:30 one <!--"), "{text}");
    assert!(text.ends_with("-->\n  two → three\n"), "{text}");
}

#[test]
fn notes_do_not_leave_the_workspace() {
    let home = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("secret.md"), "hunter2").unwrap();
    fs::create_dir(home.path().join("memory")).unwrap();
    let refused = [
        "../secret.md",
        "/etc/passwd",
        "memory/../../secret.md",
        "AGENTS.md",
        "memory/a.txt",
        "memory",
        "",
        "memory/missing.md",
    ];
    for name in refused {
        assert!(file::find(home.path(), &[], name).is_err(), "{name}");
    }
    #[cfg(unix)]
    {
        let link = home.path().join("memory/link.md");
        std::os::unix::fs::symlink(other.path().join("secret.md"), &link).unwrap();
        assert!(file::find(home.path(), &[], "memory/link.md").is_err());
        assert_eq!(search(home.path(), "hunter2", 5)["results"], json!([]));
        let today = home.path().join("memory/2026-02-15.md");
        std::os::unix::fs::symlink(other.path().join("secret.md"), today).unwrap();
        let outcome = note::write(call(home.path(), "k", json!({ "text": "x" })), &at(MORNING));
        assert!(outcome.is_error);
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(other.path(), folder.path().join("memory")).unwrap();
        let outcome = note::write(
            call(folder.path(), "k", json!({ "text": "x" })),
            &at(MORNING),
        );
        assert!(outcome.is_error);
        assert_eq!(
            fs::read_to_string(other.path().join("secret.md")).unwrap(),
            "hunter2"
        );
    }
}

#[test]
fn search_finds_by_the_words_that_matter() {
    let home = tempfile::tempdir().unwrap();
    fs::write(
        home.path().join("MEMORY.md"),
        "# About Ada\n\n- Ada's birthday is on 10 December\n- Lives in Zürich\n\nA paragraph\nabout the garden.\n",
    )
    .unwrap();
    take(home.path(), "1", "the bins go out on Tuesday", MORNING);
    take(home.path(), "2", "Ada likes Oolong tea", MORNING);
    let hits = |query: &str| -> Vec<String> {
        let found = search(home.path(), query, 6);
        let list = found["results"].as_array().unwrap().clone();
        list.iter()
            .map(|hit| hit["snippet"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        hits("when is the bin out?"),
        ["- 09:30 the bins go out on Tuesday"]
    );
    assert_eq!(hits("zurich"), ["- Lives in Zürich"]);
    assert_eq!(hits("Ada tea")[0], "- 09:30 Ada likes Oolong tea");
    assert_eq!(hits("garden"), ["A paragraph\nabout the garden."]);
    assert!(hits("submarine").is_empty());
    let latest = hits("");
    assert_eq!(latest[0], "- 09:30 Ada likes Oolong tea", "{latest:?}");
    let hit = &search(home.path(), "zurich", 1)["results"][0];
    assert_eq!(
        (&hit["path"], &hit["startLine"], &hit["endLine"]),
        (&json!("MEMORY.md"), &json!(4), &json!(4))
    );
}

#[test]
fn search_in_a_new_workspace_finds_nothing() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(search(home.path(), "tea", 5), json!({ "results": [] }));
}

#[tokio::test]
async fn lines_around_a_hit_can_be_read() {
    let home = tempfile::tempdir().unwrap();
    take(home.path(), "1", "one", MORNING);
    take(home.path(), "2", "two", MORNING);
    let arguments = json!({ "path": "memory/2026-02-15.md", "from": "3", "lines": 1 });
    let read = MemoryGet::new(Memory::default())
        .run(call(home.path(), "", arguments))
        .await;
    assert_eq!(value(&read)["text"], "- 09:30 one");
    let missing = MemoryGet::new(Memory::default())
        .run(call(home.path(), "", json!({})))
        .await;
    assert!(missing.is_error);
    let text = MemoryGet::new(Memory::default())
        .run(call(home.path(), "", json!("{\"path\":")))
        .await;
    assert!(text.is_error);
}

#[tokio::test]
async fn what_is_curated_is_not_told_where_others_listen() {
    let home = tempfile::tempdir().unwrap();
    fs::write(
        home.path().join("MEMORY.md"),
        "- the key is under the mat\n",
    )
    .unwrap();
    take(home.path(), "1", "the mat is red", MORNING);
    let mut call = call(home.path(), "k", json!({ "query": "mat" }));
    let tool = super::MemorySearch::new(Memory::default());
    let private = value(&tool.run(call.clone()).await);
    assert_eq!(private["results"].as_array().unwrap().len(), 2);
    for group in [
        "agent:main:telegram:group:-7",
        "agent:main:slack:channel:c1:thread:2",
    ] {
        call.session = group.parse().unwrap();
        for query in ["mat", ""] {
            call.arguments = json!({ "query": query });
            let shared = value(&tool.run(call.clone()).await);
            let results = shared["results"].as_array().unwrap();
            assert_eq!(results.len(), 1, "{group} {query}");
            assert_eq!(results[0]["path"], "memory/2026-02-15.md");
        }
        call.arguments = json!({ "path": "MEMORY.md" });
        let read = MemoryGet::new(Memory::default()).run(call.clone()).await;
        assert!(read.is_error);
    }
}
