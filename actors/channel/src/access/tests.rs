use super::*;

fn list(entries: &[&str]) -> AllowList {
    AllowList::parse("telegram", entries)
}

fn group(id: &str, addressed: bool) -> Place<'_> {
    Place::Group {
        id,
        topic: None,
        addressed,
    }
}

fn paired(id: &str) -> Grants {
    Grants {
        paired: [id.to_owned()].into(),
        ..Grants::default()
    }
}

#[test]
fn a_stranger_is_offered_pairing_by_default() {
    let rules = AccessRules::default();
    assert_eq!(
        rules.decide(&Grants::default(), Some("7"), Place::Direct),
        Verdict::Pair
    );
    assert_eq!(
        rules.decide(&paired("7"), Some("7"), Place::Direct),
        Verdict::Admit
    );
}

#[test]
fn open_without_a_star_admits_only_the_list() {
    let mut rules = AccessRules {
        dm: DmPolicy::Open,
        allow_from: list(&["1"]),
        ..AccessRules::default()
    };
    let grants = Grants::default();
    assert_eq!(
        rules.decide(&grants, Some("1"), Place::Direct),
        Verdict::Admit
    );
    let refused = Verdict::Ignore(Refusal::NotOnDmList);
    assert_eq!(rules.decide(&grants, Some("2"), Place::Direct), refused);
    rules.allow_from = list(&["*"]);
    assert_eq!(
        rules.decide(&grants, Some("2"), Place::Direct),
        Verdict::Admit
    );
}

#[test]
fn an_allowlist_does_not_count_paired_people() {
    let rules = AccessRules {
        dm: DmPolicy::Allowlist,
        ..AccessRules::default()
    };
    let refused = Verdict::Ignore(Refusal::NotOnDmList);
    assert_eq!(
        rules.decide(&paired("7"), Some("7"), Place::Direct),
        refused
    );
    let in_group = rules.decide(&paired("7"), Some("7"), group("-1", true));
    assert_eq!(in_group, Verdict::Ignore(Refusal::NotOnGroupList));
}

#[test]
fn a_name_authorises_only_the_id_pinned_to_it() {
    let rules = AccessRules {
        dm: DmPolicy::Allowlist,
        allow_from: list(&["@Ann"]),
        ..AccessRules::default()
    };
    let refused = Verdict::Ignore(Refusal::NotOnDmList);
    assert_eq!(
        rules.decide(&Grants::default(), Some("5"), Place::Direct),
        refused
    );
    let grants = Grants {
        pinned: [("ann".to_owned(), "5".to_owned())].into(),
        ..Grants::default()
    };
    assert_eq!(
        rules.decide(&grants, Some("5"), Place::Direct),
        Verdict::Admit
    );
    assert_eq!(rules.decide(&grants, Some("6"), Place::Direct), refused);
    assert_eq!(rules.names().into_iter().collect::<Vec<_>>(), ["ann"]);
}

#[test]
fn spellings_of_an_id_are_read() {
    let list = list(&["telegram:1", "TG:2", " 3 ", "-100", ""]);
    for id in ["1", "2", "3", "-100"] {
        assert!(list.admits(id, &Grants::default()), "{id}");
    }
    assert!(!list.admits("", &Grants::default()));
}

#[test]
fn a_group_asks_policy_then_list_then_sender_then_mention() {
    let grants = Grants::default();
    let mut rules = AccessRules {
        group: GroupPolicy::Disabled,
        allow_from: list(&["1"]),
        groups: [("-5".to_owned(), GroupRule::default())].into(),
        ..AccessRules::default()
    };
    let decide = |rules: &AccessRules, sender: &str, id: &str, addressed| {
        rules.decide(&grants, Some(sender), group(id, addressed))
    };
    let ignore = Verdict::Ignore;
    assert_eq!(
        decide(&rules, "1", "-9", true),
        ignore(Refusal::GroupsDisabled)
    );
    rules.group = GroupPolicy::Allowlist;
    assert_eq!(
        decide(&rules, "2", "-9", true),
        ignore(Refusal::GroupNotListed)
    );
    assert_eq!(
        decide(&rules, "2", "-5", false),
        ignore(Refusal::NotOnGroupList)
    );
    assert_eq!(
        decide(&rules, "1", "-5", false),
        ignore(Refusal::NotAddressed)
    );
    assert_eq!(decide(&rules, "1", "-5", true), Verdict::Admit);
    rules.group = GroupPolicy::Open;
    assert_eq!(decide(&rules, "2", "-5", true), Verdict::Admit);
    rules.group_allow_from = Some(list(&["3"]));
    rules.group = GroupPolicy::Allowlist;
    assert_eq!(
        decide(&rules, "1", "-5", true),
        ignore(Refusal::NotOnGroupList)
    );
    assert_eq!(decide(&rules, "3", "-5", true), Verdict::Admit);
}

#[test]
fn a_topic_overrides_its_group_and_a_group_overrides_the_star() {
    let quiet = GroupRule {
        require_mention: Some(true),
        ..GroupRule::default()
    };
    let star = GroupRule {
        require_mention: Some(false),
        topics: [(
            "9".to_owned(),
            GroupRule {
                enabled: Some(false),
                ..GroupRule::default()
            },
        )]
        .into(),
        ..GroupRule::default()
    };
    let rules = AccessRules {
        group: GroupPolicy::Open,
        groups: [("*".to_owned(), star), ("-5".to_owned(), quiet)].into(),
        ..AccessRules::default()
    };
    let grants = Grants::default();
    assert_eq!(
        rules.decide(&grants, Some("1"), group("-4", false)),
        Verdict::Admit
    );
    let refused = rules.decide(&grants, Some("1"), group("-5", false));
    assert_eq!(refused, Verdict::Ignore(Refusal::NotAddressed));
    let topic = Place::Group {
        id: "-4",
        topic: Some("9"),
        addressed: true,
    };
    let refused = rules.decide(&grants, Some("1"), topic);
    assert_eq!(refused, Verdict::Ignore(Refusal::GroupSwitchedOff));
}

#[test]
fn a_pattern_that_is_no_regex_is_named() {
    let (patterns, bad) = MentionPatterns::compile(["hey bot", "(", ""]);
    assert!(patterns.matches("Hey BOT, are you there?"));
    assert!(!patterns.matches("hello"));
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].pattern, "(");
    let (named, _) = MentionPatterns::compile(MentionPatterns::for_name("Iris"));
    assert!(named.matches("iris, hello") && named.matches("@Iris"));
    assert!(!named.matches("irises"));
}
