use super::*;

fn account(token: Option<&str>) -> Section<TelegramAccount> {
    Section::Valid(TelegramAccount {
        bot_token: token.map(Secret::from),
        ..TelegramAccount::default()
    })
}

fn read(telegram: &[(&str, Section<TelegramAccount>)], env: Option<&str>) -> Configured {
    let mut config = Config::default();
    for (name, section) in telegram {
        config
            .channels
            .telegram
            .insert((*name).to_owned(), section.clone());
    }
    configured(&config, env.map(Secret::from).as_ref(), None, |path| {
        path.into()
    })
}

#[test]
fn two_accounts_with_one_token_are_one_too_many() {
    let read = read(
        &[("a", account(Some("1:x"))), ("b", account(Some(" 1:x ")))],
        None,
    );
    assert_eq!(read.accounts.len(), 1);
    let (key, issue) = &read.off[0];
    assert_eq!(key.to_string(), "telegram/b");
    let issue = issue.as_ref().unwrap();
    assert!(issue.message.contains("telegram/a"), "{}", issue.message);
    assert!(issue.fix.contains("channels.telegram.accounts.b.botToken"));
    assert!(!issue.message.contains("1:x"));
}

#[test]
fn the_environment_s_token_serves_the_default_account_only() {
    let alone = read(&[], Some("1:x"));
    assert_eq!(alone.accounts[0].key.to_string(), "telegram/default");
    let both = read(
        &[("default", account(None)), ("work", account(None))],
        Some("1:x"),
    );
    assert_eq!(both.accounts.len(), 1);
    assert_eq!(both.accounts[0].key.to_string(), "telegram/default");
    assert_eq!(both.off[0].0.to_string(), "telegram/work");
}

#[test]
fn an_account_without_a_token_says_how_to_get_one() {
    let read = read(&[("default", account(None))], None);
    let issue = read.off[0].1.as_ref().unwrap();
    assert!(
        issue
            .fix
            .starts_with("openclaw config set channels.telegram.botToken")
    );
    let board = StatusBoard::default();
    read.publish(&board);
    let (_, status) = board.all().remove(0);
    assert_eq!(status.state, AccountState::Disabled);
    assert_eq!(status.issues.len(), 1);
}

#[test]
fn a_switched_off_account_is_silent() {
    let off = Section::Valid(TelegramAccount {
        enabled: Some(false),
        ..TelegramAccount::default()
    });
    let read = read(&[("default", off)], Some("1:x"));
    assert!(read.accounts.is_empty());
    assert_eq!(read.off[0].1, None);
}
