use openclaw_protocol::Scope;
use openclaw_protocol::Scopes;
use openclaw_protocol::Secret;
use proptest::prelude::*;

use super::Ask;
use super::Book;
use super::BookError;
use super::Reason;
use super::TokenFailure;
use super::WAITING;

const READ: &str = "operator.read";
const WRITE: &str = "operator.write";
const ADMIN: &str = "operator.admin";

fn ask(device: &str, role: &str, scopes: &[&str]) -> Ask {
    Ask {
        device_id: device.to_owned(),
        public_key: format!("key of {device}"),
        role: role.to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        platform: Some("linux".to_owned()),
        ..Ask::default()
    }
}

fn all() -> Scopes {
    Scopes::all()
}

fn only(scopes: &[Scope]) -> Scopes {
    scopes.iter().copied().collect()
}

#[test]
fn a_device_is_held_up_by_what_it_was_not_approved_for() {
    let mut book = Book::default();
    let first = ask("a", "operator", &[WRITE]);
    assert_eq!(book.obstacle(&first), Some(Reason::NotPaired));
    book.admit(&first, 1, None);
    assert_eq!(book.obstacle(&first), None);
    // Writing includes reading.
    assert_eq!(book.obstacle(&ask("a", "operator", &[READ])), None);
    let more = ask("a", "operator", &[ADMIN]);
    assert_eq!(book.obstacle(&more), Some(Reason::ScopeUpgrade));
    let node = ask("a", "node", &[]);
    assert_eq!(book.obstacle(&node), Some(Reason::RoleUpgrade));
    assert!(!Book::may_be_silent(&node, Reason::RoleUpgrade));
    let mut moved = first.clone();
    moved.platform = Some(" LINUX ".to_owned());
    moved.is_pinned = true;
    assert_eq!(book.obstacle(&moved), None);
    moved.platform = Some("ios 18".to_owned());
    assert_eq!(book.obstacle(&moved), Some(Reason::MetadataUpgrade));
    let mut other_key = first;
    other_key.public_key = "another".to_owned();
    assert_eq!(book.obstacle(&other_key), Some(Reason::NotPaired));
}

#[test]
fn a_repeated_request_is_the_same_and_a_changed_one_takes_its_place() {
    let mut book = Book::default();
    let (first, gone, is_new) = book.request(&ask("a", "operator", &[READ]), 1, "r1");
    assert!(is_new && gone.is_empty());
    let (same, _, is_new) = book.request(&ask("a", "operator", &[READ]), 2, "r2");
    assert_eq!((same.request_id.as_str(), is_new), ("r1", false));
    let (_, gone, is_new) = book.request(&ask("a", "operator", &[ADMIN]), 3, "r3");
    assert!(is_new);
    assert_eq!(gone, [first]);
    // The same app's other connection asks for itself.
    let (_, gone, _) = book.request(&ask("a", "node", &[]), 4, "r4");
    assert!(gone.is_empty());
    assert_eq!(book.pending.len(), 2);
    for n in 0..2 * WAITING {
        let id = format!("d{n}");
        book.request(&ask(&id, "operator", &[READ]), 5, &id);
    }
    assert_eq!(book.pending.len(), WAITING);
    book.prune(5 + super::PENDING_MS);
    assert!(book.pending.is_empty());
}

#[test]
fn nobody_approves_more_than_they_hold() {
    let mut book = Book::default();
    book.request(&ask("a", "operator", &[WRITE]), 1, "r");
    let pairing = only(&[Scope::Pairing, Scope::Read]);
    assert_eq!(
        book.approve("r", pairing, 2),
        Err(BookError::Missing(Scope::Write))
    );
    assert!(book.pending.contains_key("r"), "it still waits");
    let writer = only(&[Scope::Pairing, Scope::Write]);
    let (_, device) = book.approve("r", writer, 3).unwrap();
    assert_eq!(device.scopes, [WRITE]);
    assert_eq!(book.approve("r", all(), 4), Err(BookError::UnknownRequest));
    book.request(&ask("n", "node", &[]), 1, "node");
    assert_eq!(
        book.approve("node", writer, 2),
        Err(BookError::Missing(Scope::Admin))
    );
    assert!(book.approve("node", only(&[Scope::Admin]), 2).is_ok());
}

#[test]
fn a_token_is_kept_while_it_is_enough_and_ends_with_its_revocation() {
    let mut book = Book::default();
    let reads = ask("a", "operator", &[READ]);
    let writes = ask("a", "operator", &[WRITE]);
    book.admit(&reads, 1, Some("silent"));
    let first = book.token(&reads, 1, Secret::from("t1")).unwrap();
    let same = book.token(&reads, 2, Secret::from("t2")).unwrap();
    assert_eq!(first, same);
    book.admit(&writes, 3, Some("silent"));
    let wider = book.token(&writes, 3, Secret::from("t3")).unwrap();
    assert_eq!(wider.token.expose(), "t3");
    assert_eq!(book.check_token(&writes, "t1"), Err(TokenFailure::Mismatch));
    assert_eq!(book.check_token(&writes, "t3"), Ok(()));
    let admin = ask("a", "operator", &[ADMIN]);
    assert_eq!(
        book.check_token(&admin, "t3"),
        Err(TokenFailure::ScopeMismatch)
    );
    assert_eq!(
        book.check_token(&ask("a", "node", &[]), "t3"),
        Err(TokenFailure::Unknown)
    );
    book.revoke("a", "operator", 4).unwrap();
    assert_eq!(book.check_token(&writes, "t3"), Err(TokenFailure::Unknown));
    let again = book.token(&writes, 5, Secret::from("t4")).unwrap();
    assert!(again.is_live() && again.token.expose() == "t4");
    book.remove("a").unwrap();
    assert_eq!(book.check_token(&writes, "t4"), Err(TokenFailure::Unknown));
}

#[test]
fn a_rotated_token_gives_no_more_than_was_approved() {
    let mut book = Book::default();
    let writes = ask("a", "operator", &[WRITE]);
    book.admit(&writes, 1, None);
    book.token(&writes, 1, Secret::from("t1"));
    let mut rotate = |scopes: Option<&[&str]>, by, fresh: &str| {
        let scopes: Option<Vec<String>> =
            scopes.map(|scopes| scopes.iter().map(|s| (*s).to_owned()).collect());
        book.rotate(
            "a",
            "operator",
            scopes.as_deref(),
            by,
            2,
            Secret::from(fresh),
        )
    };
    assert_eq!(
        rotate(Some(&[ADMIN]), all(), "t2"),
        Err(BookError::NotApproved(ADMIN))
    );
    assert_eq!(
        rotate(None, only(&[Scope::Pairing]), "t2"),
        Err(BookError::Missing(Scope::Write))
    );
    let narrow = rotate(Some(&[READ]), all(), "t2").unwrap();
    assert_eq!(narrow.scopes, [READ]);
    assert_eq!(
        book.check_token(&writes, "t2"),
        Err(TokenFailure::ScopeMismatch)
    );
    assert_eq!(book.check_token(&writes, "t1"), Err(TokenFailure::Mismatch));
    assert_eq!(
        book.rotate("a", "node", None, all(), 3, Secret::from("t3")),
        Err(BookError::UnknownRole)
    );
}

#[test]
fn files_of_existing_installations_are_read_and_written_as_they_are() {
    let stored = serde_json::json!({
        "abc": {
            "deviceId": "abc", "publicKey": "k", "platform": "linux", "clientId": "cli",
            "clientMode": "cli", "role": "operator", "roles": ["operator"],
            "scopes": ["operator.admin", "operator.someday"], "fromTheFuture": { "x": 1 },
            "tokens": { "operator": {
                "token": "eb8b495e79944b14843f73956c9f6ec1", "role": "operator",
                "scopes": ["operator.admin"], "createdAtMs": 5, "lastUsedAtMs": 6, "more": true,
            } },
            "createdAtMs": 3, "approvedAtMs": 4,
        }
    });
    let paired: std::collections::BTreeMap<String, super::Paired> =
        serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&paired).unwrap(), stored);
    let book = Book {
        paired,
        ..Book::default()
    };
    let mut asks = ask("abc", "operator", &[ADMIN]);
    asks.public_key = "k".to_owned();
    assert_eq!(
        book.check_token(&asks, "eb8b495e79944b14843f73956c9f6ec1"),
        Ok(())
    );
    let shown = book.paired["abc"].redacted().to_string();
    assert!(!shown.contains("eb8b495e"), "{shown}");
}

fn scopes() -> impl Strategy<Value = Scopes> {
    prop::collection::vec(prop::sample::select(Scope::ALL.to_vec()), 0..5)
        .prop_map(|scopes| scopes.into_iter().collect())
}

proptest! {
    /// However approvals, tokens and rotations follow each other, a token never gives what the last link in the chain
    /// of those who granted did not hold.
    #[test]
    fn no_chain_of_grants_gives_more_than_its_first_link(
        chain in prop::collection::vec((scopes(), any::<bool>()), 1..6),
    ) {
        let mut book = Book::default();
        // The first link: a device that somebody with exactly these rights let in.
        let mut holder = Scopes::named(&[WRITE.to_owned(), "operator.pairing".to_owned()]);
        let root = holder;
        for (n, (wanted, rotates)) in chain.into_iter().enumerate() {
            let names: Vec<&str> = wanted.names().collect();
            let asks = ask(&format!("d{n}"), "operator", &names);
            book.request(&asks, 1, "r");
            match book.approve("r", holder, 1) {
                Err(_) => {
                    book.pending.clear();
                    continue;
                }
                Ok((_, device)) => prop_assert!(wanted.is_within(device.grant("operator"))),
            }
            let token = book.token(&asks, 1, Secret::from("t")).unwrap();
            prop_assert!(token.grant().is_within(root));
            if rotates {
                let all: Vec<String> = Scopes::all().names().map(str::to_owned).collect();
                let wider = book.rotate(&asks.device_id, "operator", Some(&all), holder, 2, Secret::from("u"));
                prop_assert!(wider.is_err());
            }
            holder = token.grant();
            if !holder.allows(Scope::Pairing) {
                break;
            }
        }
    }
}
