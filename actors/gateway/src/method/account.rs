//! `channels.logout`, `channels.start`, `channels.stop`, `web.login.*`: one chat account at a time.

use std::time::Duration;

use openclaw_channel::CHANNELS;
use openclaw_protocol::AccountKey;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::config::Path;
use openclaw_runtime::ActorPath;
use openclaw_runtime::ChildId;
use openclaw_runtime::OrderError;
use openclaw_runtime::SupervisorHandle;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::config;
use crate::config::EditError;

/// How long an order may take: an account finishes the message in hand first.
const ORDER: Duration = Duration::from_secs(20);

fn account(call: &Call) -> Result<AccountKey, ErrorShape> {
    let channel = call.text("channel").unwrap_or_default().to_lowercase();
    let account = call.text("accountId").unwrap_or(AccountKey::DEFAULT);
    let key = AccountKey::new(&channel, account);
    if call.services.accounts.get(&key).is_some() {
        return Ok(key);
    }
    let all = call.services.accounts.all();
    let mut of_channel = all.iter().filter(|(known, _)| *known.channel == *channel);
    match (call.text("accountId"), of_channel.next()) {
        (None, Some((only, _))) => Ok(only.clone()),
        (Some(account), Some(_)) => {
            let message = format!("unknown account: {channel}/{account}");
            Err(ErrorShape::invalid(message))
        }
        (_, None) => Err(ErrorShape::invalid(format!(
            "unsupported channel: {channel}"
        ))),
    }
}

/// Takes the account's secret out of the configuration; without it the account ends.
pub(super) fn logout(call: Call) -> Outcome {
    Outcome::later(async move {
        let key = account(&call)?;
        let (paths, environment) = (
            call.services.paths.clone(),
            call.services.environment.clone(),
        );
        let (channel, name) = (key.channel.to_string(), key.account.to_string());
        let clearing = tokio::task::spawn_blocking(move || {
            let of_channel = Path::root().key("channels").key(&channel);
            let of_account = of_channel.key("accounts").key(&name);
            let mut places = vec![of_account];
            if name == AccountKey::DEFAULT {
                places.push(of_channel);
            }
            let mut is_cleared = false;
            for place in places {
                match config::edit::unset(&paths, &environment, &place.key("botToken")) {
                    Ok(_) => is_cleared = true,
                    Err(EditError::NotSet(..) | EditError::Path(_)) => {}
                    Err(error) => return Err(super::config::refused(error)),
                }
            }
            Ok(is_cleared)
        });
        let cleared = clearing
            .await
            .map_err(|error| ErrorShape::unavailable(error.to_string()))??;
        Ok(json!({
            "channel": key.channel.to_string(),
            "accountId": key.account.to_string(),
            "cleared": cleared,
            "loggedOut": cleared,
        }))
    })
}

pub(super) fn start(call: Call) -> Outcome {
    order(call, "started", |handle, id| async move {
        handle.restart(&id).await
    })
}

pub(super) fn stop(call: Call) -> Outcome {
    order(call, "stopped", |handle, id| async move {
        handle.stop(&id).await
    })
}

fn order<F>(
    call: Call,
    done: &'static str,
    give: impl FnOnce(SupervisorHandle, ChildId) -> F + Send + 'static,
) -> Outcome
where
    F: Future<Output = Result<(), OrderError>> + Send + 'static,
{
    let key = match account(&call) {
        Ok(key) => key,
        Err(error) => return Outcome::now(Err(error)),
    };
    let path = ActorPath::from(format!("{CHANNELS}/{key}").as_str());
    let Some((handle, id)) = call.services.directory.supervisor_of(&path) else {
        let message = format!("{key} is not running: its configuration is off or incomplete");
        return Outcome::now(Err(ErrorShape::unavailable(message)));
    };
    Outcome::within(ORDER, async move {
        let given = give(handle, id).await;
        given.map_err(|error| ErrorShape::unavailable(error.to_string()))?;
        let mut answer = json!({
            "channel": key.channel.to_string(), "accountId": key.account.to_string(),
        });
        if let serde_json::Value::Object(answer) = &mut answer {
            answer.insert(done.to_owned(), json!(true));
        }
        Ok(answer)
    })
}

/// No channel here is joined by scanning a code.
pub(super) fn login(_call: Call) -> Outcome {
    let message = "web login provider is not available";
    Outcome::now(Err(ErrorShape::invalid(message)))
}
