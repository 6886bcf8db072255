//! What becomes of a device that proved its key: it is in, is let in by a rule, or must be approved first.

use openclaw_protocol::Secret;

use super::book::Ask;
use super::book::Book;
use super::book::BookError;
use super::book::Reason;
use super::owner::Draft;
use super::owner::Notice;
use super::record::Paired;
use super::record::Pending;
use super::record::Token;

/// A device at the door.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What it asks for.
    pub ask: Ask,
    /// By which rule it may be approved without anybody being asked.
    pub silent: Option<&'static str>,
    /// The set-up code it showed.
    pub setup: Option<String>,
    /// Its own token, if that is what let it come this far.
    pub token: Option<Secret>,
}

/// What is drawn before the decision, so that the decision itself is pure.
#[derive(Debug, Clone)]
pub struct Lots {
    /// Names a request.
    pub request_id: String,
    /// Tokens for the roles.
    pub tokens: [Secret; 2],
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Entered {
    /// It is in. Its token for the role stands first; a set-up code gives others besides.
    Admitted(Vec<Token>),
    /// It must be approved first.
    MustPair {
        /// Why.
        reason: Reason,
        /// What waits for an answer.
        request: Box<Pending>,
        /// What it is approved for so far.
        approved: Option<Box<Paired>>,
    },
}

/// Lets a device in, or notes that it asks.
pub fn enter(draft: &mut Draft, entry: &Entry, lots: Lots) -> Result<Entered, BookError> {
    let Lots { request_id, tokens } = lots;
    let ask = &entry.ask;
    if let Some(tokens) = set_up(draft, entry, &tokens) {
        return Ok(Entered::Admitted(tokens));
    }
    // It may have been taken back since it was looked at.
    let is_stale = |token: &Secret| draft.book.check_token(ask, token.expose()).is_err();
    if entry.token.as_ref().is_some_and(is_stale) {
        return Err(BookError::UnknownRole);
    }
    let now = draft.now_ms;
    if let Some(reason) = draft.book.obstacle(ask) {
        let rule = entry.silent.filter(|_| Book::may_be_silent(ask, reason));
        let Some(rule) = rule else {
            let (request, gone, is_new) = draft.book.request(ask, now, &request_id);
            draft
                .notices
                .extend(gone.into_iter().map(|gone| Notice::Resolved {
                    request_id: gone.request_id,
                    device_id: gone.device_id,
                    decision: "rejected",
                }));
            if is_new {
                draft
                    .notices
                    .push(Notice::Requested(Box::new(request.clone())));
            }
            let approved = draft.book.paired.get(&ask.device_id).cloned();
            return Ok(Entered::MustPair {
                reason,
                request: Box::new(request),
                approved: approved.map(Box::new),
            });
        };
        draft.book.admit(ask, now, Some(rule));
        draft.notices.push(Notice::Resolved {
            request_id,
            device_id: ask.device_id.clone(),
            decision: "approved",
        });
    }
    let [fresh, _] = tokens;
    let token = draft.book.token(ask, now, fresh);
    Ok(Entered::Admitted(token.into_iter().collect()))
}

fn set_up(draft: &mut Draft, entry: &Entry, fresh: &[Secret; 2]) -> Option<Vec<Token>> {
    let (ask, now) = (&entry.ask, draft.now_ms);
    let setup_id = entry.setup.as_deref()?;
    let profile = draft.book.redeem(setup_id, ask, now)?;
    draft.notices.push(Notice::Resolved {
        request_id: setup_id.to_owned(),
        device_id: ask.device_id.clone(),
        decision: "approved",
    });
    draft.notices.push(Notice::SetupDone {
        setup_id: setup_id.to_owned(),
        device_id: ask.device_id.clone(),
        name: ask.display_name.clone(),
        access: profile.access(),
    });
    let mut tokens: Vec<Token> = profile
        .grants()
        .iter()
        .zip(fresh)
        .filter_map(|((role, scopes), fresh)| {
            let granted = Ask {
                role: (*role).to_owned(),
                scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
                ..ask.clone()
            };
            draft.book.token(&granted, now, fresh.clone())
        })
        .collect();
    tokens.sort_by_key(|token| token.role != ask.role);
    Some(tokens)
}
