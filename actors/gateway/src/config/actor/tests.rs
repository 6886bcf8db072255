use super::*;
use crate::config::tests::Home;

fn verdict(now: &Home, new: &Home) -> Verdict {
    judge(&now.load(), &new.load())
}

#[test]
fn a_good_change_is_taken_and_no_change_is_none() {
    let now = Home::with("{ gateway: { port: 1 } }");
    assert!(matches!(verdict(&now, &now), Verdict::Same));
    assert!(matches!(
        verdict(&now, &Home::with("{ gateway: { port: 2 } }")),
        Verdict::Take
    ));
    // The text counts too: clients send its hash back.
    assert!(matches!(
        verdict(&now, &Home::with("{ gateway: { port: 1 }, }")),
        Verdict::Take
    ));
}

#[test]
fn what_is_worse_is_kept_out() {
    let now = Home::with("{ session: { dmScope: 5 } }");
    for text in [
        "{ gateway: ",
        "{ session: { dmScope: 5 }, gateway: { port: 'x' } }",
    ] {
        assert!(
            matches!(verdict(&now, &Home::with(text)), Verdict::Keep(_)),
            "{text}"
        );
    }
    assert!(
        matches!(verdict(&now, &Home::new()), Verdict::Keep(_)),
        "the file is gone"
    );
}

#[test]
fn a_mistake_that_was_there_does_not_keep_other_changes_out() {
    let now = Home::with("{ session: { dmScope: 5 } }");
    let new = Home::with("{ session: { dmScope: 5 }, gateway: { port: 2 } }");
    assert!(matches!(verdict(&now, &new), Verdict::Take));
}
