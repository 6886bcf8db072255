use super::*;
use crate::error::classify;

/// What providers answer, and where the walk goes on with one account and with several.
#[rustfmt::skip] // a table
const ANSWERS: &[(u16, &str, Next, Next)] = &[
    // status, body, next with one account, next with several
    (401, r#"{"error":{"type":"authentication_error","message":"invalid x-api-key"}}"#, Next::Model, Next::Account),
    (403, r#"{"error":{"status":"PERMISSION_DENIED","message":"denied"}}"#, Next::Model, Next::Account),
    (402, r#"{"error":{"message":"Insufficient credits"}}"#, Next::Model, Next::Account),
    (429, r#"{"error":{"code":"insufficient_quota","message":"You exceeded your current quota"}}"#, Next::Model, Next::Account),
    (400, r#"{"error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#, Next::Model, Next::Account),
    (429, r#"{"error":{"type":"rate_limit_error","message":"slow down"}}"#, Next::Model, Next::Account),
    (429, r#"{"error":{"type":"usage_limit_reached","resets_in_seconds":90}}"#, Next::Model, Next::Account),
    (400, r#"{"error":{"type":"ThrottlingException","message":"Too many requests"}}"#, Next::Model, Next::Account),
    (529, r#"{"error":{"type":"overloaded_error","message":"Overloaded"}}"#, Next::Model, Next::Model),
    (500, r#"{"error":{"message":"oops"}}"#, Next::Model, Next::Model),
    (503, r#"{"error":{"status":"UNAVAILABLE"}}"#, Next::Model, Next::Model),
    (504, "", Next::Model, Next::Model),
    (408, "", Next::Model, Next::Model),
    (404, r#"{"error":{"code":"model_not_found","message":"The model does not exist"}}"#, Next::Model, Next::Model),
    (400, r#"{"error":{"message":"bad field"}}"#, Next::Model, Next::Model),
    (400, r#"{"error":{"message":"prompt is too long: 9 > 8"}}"#, Next::Stop, Next::Stop),
    (400, r#"{"error":{"code":"content_filter","message":"flagged"}}"#, Next::Stop, Next::Stop),
    (302, "<html>", Next::Model, Next::Model),
];

/// Walks a chain whose every model answers the same, and returns whom it asked.
fn walk(kind: ModelErrorKind, chain: usize, accounts: usize) -> Vec<(usize, usize)> {
    let (mut model, mut account) = (0, 0);
    let mut asked = vec![(model, account)];
    loop {
        let left = Left {
            accounts: account + 1 < accounts,
            models: model + 1 < chain,
        };
        match after(kind, left) {
            Next::Account => account += 1,
            Next::Model => (model, account) = (model + 1, 0),
            Next::Stop => return asked,
        }
        asked.push((model, account));
    }
}

#[test]
fn every_answer_goes_on_as_it_should_for_every_chain_streaming_or_not() {
    for (status, body, one, several) in ANSWERS {
        // Inside a stream there is no status: what has no word of its own is an outage there.
        let labelled = body.contains("\"type\"") || body.contains("\"code\"");
        let forms = if labelled {
            vec![*status, 0]
        } else {
            vec![*status]
        };
        for status in forms {
            let kind = classify("p", status, body, None).kind;
            for (accounts, next) in [(1, *one), (3, *several)] {
                for chain in 1..=4 {
                    let asked = walk(kind, chain, accounts);
                    let of_each = if next == Next::Account { accounts } else { 1 };
                    let models = if next == Next::Stop { 1 } else { chain };
                    let expected: Vec<(usize, usize)> = (0..models)
                        .flat_map(|model| (0..of_each).map(move |account| (model, account)))
                        .collect();
                    assert_eq!(asked, expected, "{status} {body} chain {chain}");
                }
            }
        }
    }
}

#[test]
fn an_outage_is_never_asked_again_with_another_account() {
    use crate::error::Phase;
    use ModelErrorKind as Kind;
    for kind in [
        Kind::Network,
        Kind::Overload,
        Kind::Timeout(Phase::FirstByte),
        Kind::Timeout(Phase::Idle),
        Kind::Timeout(Phase::Total),
        Kind::Timeout(Phase::Connect),
    ] {
        assert_eq!(walk(kind, 3, 5), [(0, 0), (1, 0), (2, 0)]);
    }
}

#[test]
fn the_end_of_a_chain_names_each_model_and_why() {
    let one = |model: &str, reason, message: &str| Passed {
        model: model.to_owned(),
        account: None,
        reason,
        message: message.to_owned(),
    };
    let passed = [
        one("a/x", "rate_limit", "a asks for a pause"),
        one("b/y", "auth", "b did not accept the key."),
        one("b/y", "auth", "b did not accept the key."),
    ];
    let text = exhausted(&passed);
    assert!(text.contains("- a/x (rate_limit): a asks for a pause\n"));
    assert_eq!(text.matches("b/y").count(), 1, "{text}");
}
