use openclaw_ledger::TranscriptEdit;

use serde_json::json;

use super::*;
use crate::sessions::row::Now;
use crate::sessions::row::Written;
use crate::sessions::row::facts;

async fn put(ledger: &Ledger, name: &str, entry: Option<Value>) {
    let key = SessionKey::parse(name).unwrap();
    let put = ledger.put_session_entry(&key, entry, TranscriptEdit::Keep);
    put.await.unwrap();
}

fn text(rows: &Rows) -> String {
    let mut written = Written::new();
    rows.iter()
        .for_each(|row| written.push(row, &Now::default()));
    String::from_utf8(written.finish().concat()).unwrap()
}

fn stored(shelf: &Shelf, ledger: &Ledger) -> Rows {
    shelf.rows(ledger, "main", &Arc::default()).0
}

fn keys(rows: &Rows) -> Vec<&str> {
    rows.iter().map(|row| row.key.as_str()).collect()
}

#[tokio::test]
async fn only_what_changed_is_written_anew_and_what_is_shown_is_what_is_there() {
    let (ledger, shelf) = (Ledger::memory(), Shelf::default());
    for name in [
        "agent:main:a",
        "agent:main:b",
        "agent:main:c",
        "agent:other:a",
    ] {
        put(
            &ledger,
            name,
            Some(json!({ "sessionId": name, "updatedAt": 1 })),
        )
        .await;
    }
    let first = stored(&shelf, &ledger);
    assert_eq!(first.len(), 3);
    assert!(Arc::ptr_eq(&first, &stored(&shelf, &ledger)));
    // One changes, one comes before it, one goes.
    put(&ledger, "agent:main:b", Some(json!({ "label": "new" }))).await;
    put(&ledger, "agent:main:aa", Some(json!({}))).await;
    put(&ledger, "agent:main:c", None).await;
    let second = stored(&shelf, &ledger);
    assert!(Arc::ptr_eq(&first[0], &second[0]), "it was the same");
    assert_eq!(
        keys(&second),
        ["agent:main:a", "agent:main:aa", "agent:main:b"]
    );
    assert_eq!(text(&second), text(&stored(&Shelf::default(), &ledger)));
    assert!(text(&second).contains(r#""label":"new""#));
    put(&ledger, "agent:main:b", None).await;
    assert_eq!(stored(&shelf, &ledger).len(), 2, "the last one is gone");
    // The last touched first, also among those that were there.
    put(&ledger, "agent:main:aa", Some(json!({ "updatedAt": 9 }))).await;
    let third = stored(&shelf, &ledger);
    assert_eq!(keys(&third), ["agent:main:aa", "agent:main:a"]);
}

#[tokio::test]
async fn however_much_changes_the_list_is_as_one_that_is_read_anew() {
    let (ledger, shelf) = (Ledger::memory(), Shelf::default());
    let name = |n: usize| format!("agent:main:s{n:03}");
    let mut dice = 7_usize;
    for round in 0..40 {
        // More than is remembered, once.
        for _ in 0..(if round == 20 { 1500 } else { 30 }) {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (n, at) = ((dice >> 33) % 400, (dice >> 45) % 50);
            let entry = json!({ "updatedAt": at, "label": format!("{round}") });
            put(&ledger, &name(n), Some(entry).filter(|_| at > 5)).await;
        }
        let rows = stored(&shelf, &ledger);
        assert_eq!(text(&rows), text(&stored(&Shelf::default(), &ledger)));
        let held: usize = rows.iter().map(|row| row.text.len()).max().unwrap();
        let shown: usize = rows.iter().map(|row| row.bytes().len() + 1).sum();
        assert!(held <= 2 * shown, "{held} bytes are held to show {shown}");
    }
    let mut written = Written::new();
    for row in stored(&Shelf::default(), &ledger).iter() {
        written.push(row, &Now::default());
    }
    assert_eq!(written.finish().len(), 3, "all of them are one piece");
    for n in 3..400 {
        put(&ledger, &name(n), None).await;
    }
    let few = stored(&shelf, &ledger);
    assert!(
        few.iter().all(|row| row.text.len() < 1000),
        "what is gone is held"
    );
}

#[tokio::test]
async fn what_waits_is_shown_until_somebody_speaks_to_it() {
    let (ledger, shelf) = (Ledger::memory(), Shelf::default());
    let waits = |n: i64| {
        let key = SessionKey::parse(&format!("agent:main:{n}")).unwrap();
        let entry = json!({ "updatedAt": n }).as_object().unwrap().clone();
        Arc::new(Untouched { key, entry })
    };
    let all: Vec<_> = (0..5).map(waits).collect();
    let left = all.iter().skip(1).cloned().collect::<Vec<_>>();
    let (_, first) = shelf.rows(&ledger, "main", &Arc::new(all));
    assert_eq!(first.len(), 5);
    assert_eq!(first[0].updated_at, Some(4));
    let (_, second) = shelf.rows(&ledger, "main", &Arc::new(left));
    assert_eq!(second.len(), 4);
    assert!(Arc::ptr_eq(&first[0], &second[0]), "it was the same");
}

#[test]
fn a_row_is_an_object_whatever_is_so_at_the_moment() {
    let key = SessionKey::parse("agent:main:telegram:group:7").unwrap();
    let entry = json!({ "subject": "a \"quoted\" name", "updatedAt": 5, "own": 1 });
    let row = Row::new(key, entry.as_object().unwrap());
    for now in [
        Now::default(),
        Now {
            active_run: Some("run \"1\""),
            derived_title: Some("Tea"),
            last_message: Some("bye\n"),
        },
    ] {
        let mut written = Written::new();
        written.push(&row, &now);
        written.push(&row, &Now::default());
        let text = written.finish().concat();
        let mut expected = facts(&row.key, entry.as_object().unwrap());
        for (name, value) in now.facts() {
            expected.insert(name.to_owned(), value);
        }
        let read: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(read[0], Value::Object(expected));
        assert_eq!(read[0]["kind"], "group");
        assert!(read[0].get("own").is_none());
        assert_eq!(read[1]["hasActiveRun"], false);
    }
}
