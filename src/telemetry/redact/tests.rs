use super::*;

fn hide(line: &str) -> String {
    Redactor::new(true, Vec::new()).hide(line.to_owned())
}

#[test]
fn secrets_do_not_reach_the_log() {
    let secrets = [
        "sk-ant-api03-AAAABBBBCCCCDDDD",
        "sk-proj-abcdefghijklmnop1234",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "xoxb-1234567890-abcdefghijkl",
        "AIzaSyA-1234567890abcdefghijklmnopqrstuv",
        "123456789:AAE-abcdefghijklmnopqrstuvwxyz012345",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
    ];
    for secret in secrets {
        for line in [
            format!("calling with {secret} now"),
            format!(r#"{{"1":"calling https://x/{secret}/y"}}"#),
        ] {
            assert!(!hide(&line).contains(secret), "{line}: {}", hide(&line));
        }
    }
}

#[test]
fn a_bot_token_in_a_path_is_hidden() {
    let line =
        "https://api.telegram.org/bot123456789:AAE-abcdefghijklmnopqrstuvwxyz012345/getMe failed";
    assert!(!hide(line).contains("AAE-abcdef"), "{}", hide(line));
}

#[test]
fn a_value_with_a_telling_name_is_hidden_in_every_notation() {
    for line in [
        r#"{"token":"abcdefgh12"}"#,
        r#"{"1":"{\"botToken\":\"abcdefgh12\"}"}"#,
        "OPENCLAW_GATEWAY_TOKEN=abcdefgh12 x",
        "GatewayAuth { password: Some(\"abcdefgh12\") }",
        "Authorization: Bearer abcdefgh12",
        "GET /v1?api_key=abcdefgh12&x=1",
        "client-secret = 'abcdefgh12'",
    ] {
        assert!(!hide(line).contains("abcdefgh12"), "{line}: {}", hide(line));
    }
}

#[test]
fn a_private_key_goes_as_a_whole() {
    let line = r#"{"1":"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY----- after"}"#;
    let hidden = hide(line);
    assert!(
        !hidden.contains("b3Blbn") && hidden.contains("after"),
        "{hidden}"
    );
    assert!(!hide("-----BEGIN PRIVATE KEY-----\nMIIE cut off").contains("MIIE"));
}

#[test]
fn credentials_in_addresses_are_hidden() {
    assert_eq!(hide("to https://me:hunter2@h/x"), "to https://me:***@h/x");
}

#[test]
fn what_is_no_secret_stays() {
    for line in [
        "telegram polling every 30 s, 12 tokens used",
        r#"{"totalTokens":123456789,"token":null}"#,
        "session agent:main:telegram:direct:42 at 12:30:45",
        "ws://127.0.0.1:18789",
        "the token is wrong",
    ] {
        assert_eq!(hide(line), line);
    }
}

#[test]
fn hidden_lines_stay_json() {
    let line = r#"{"0":"{\"subsystem\":\"x\"}","1":{"token":"abcdefgh12345","n":1},"2":"Bearer abcdefgh12345"}"#;
    let value: serde_json::Value = serde_json::from_str(&hide(line)).unwrap();
    assert_eq!(value["1"]["n"], 1);
    assert_eq!(value["1"]["token"], "***");
}

#[test]
fn own_patterns_join_and_off_means_off() {
    let own = Redactor::new(true, vec![r"door (\d+)".to_owned(), "(".to_owned()]);
    assert_eq!(own.hide("door 4711".into()), "door ***");
    let off = Redactor::new(false, Vec::new());
    assert_eq!(off.hide("token=abcdefgh12".into()), "token=abcdefgh12");
}
