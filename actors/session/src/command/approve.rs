//! `/approve <id> <decision>`: a person's word on a program that waits.

use openclaw_ledger::InboxRow;
use openclaw_runtime::BoxFuture;
use openclaw_tool::approval::Decision;

use super::Command;
use crate::caller;
use crate::deps::Deps;

/// Reads what follows the command; none if it isn't an id and a decision.
pub(super) fn read(rest: &str) -> Option<Command> {
    let mut words = rest.split_whitespace();
    let (id, word) = (words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let decision = match word.to_ascii_lowercase().as_str() {
        "allow" | "once" | "yes" => Decision::AllowOnce,
        "always" => Decision::AllowAlways,
        "no" => Decision::Deny,
        word => Decision::parse(word)?,
    };
    Some(Command::Approve {
        id: id.to_owned(),
        decision,
    })
}

/// Whether whoever wrote the row may answer such questions.
pub(crate) fn may(deps: &Deps, row: &InboxRow) -> bool {
    caller::caller(&(deps.config)(), row, None).may_approve
}

/// Answers the question that a row names, if it names one and its writer may; the text is for them.
///
/// The same row may come twice, before its turn and in it: the second time says the same.
pub(crate) fn answer(deps: &Deps, row: &InboxRow) -> Option<BoxFuture<'static, String>> {
    let Some(Command::Approve { id, decision }) = super::read(&row.body.text, &[]) else {
        return None;
    };
    if !may(deps, row) {
        return None;
    }
    let by = match &row.body.sender {
        Some(sender) => format!("{}:{}", row.source, sender.id),
        None => row.source.clone(),
    };
    let resolving = deps.desk.resolve(&id, decision, &by);
    Some(Box::pin(async move {
        match resolving.await {
            Ok(asked) => {
                let is_listed = asked
                    .get("canBeListed")
                    .and_then(serde_json::Value::as_bool);
                match (decision, is_listed) {
                    (Decision::Deny, _) => "Refused.".to_owned(),
                    (Decision::AllowAlways, Some(true)) => "Allowed, from now on.".to_owned(),
                    (Decision::AllowAlways, _) => {
                        "Allowed this time; such a command is asked about each time.".to_owned()
                    }
                    (Decision::AllowOnce, _) => "Allowed this time.".to_owned(),
                }
            }
            Err(error) => format!("That doesn't count: {error}."),
        }
    }))
}
