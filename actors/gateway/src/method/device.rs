//! `device.*`: who may connect as which device.

use openclaw_protocol::ErrorCode;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use openclaw_protocol::Scope;
use openclaw_protocol::Secret;
use openclaw_runtime::BoxFuture;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::device::BookError;
use crate::device::book;
use crate::device::desk::ChangeError;
use crate::device::desk::fresh_token;
use crate::device::owner::Notice;
use crate::device::record::Paired;
use crate::device::setup;
use crate::device::setup::Profile;
use crate::device::setup::Setup;
use crate::ingress::auth::Proof;
use crate::ingress::outbound::Goodbye;
use crate::ingress::principal::Principal;
use crate::ingress::websocket::close;
use crate::services::now_ms;

const ROTATED: &str = "client invalidated: device token rotated";
const REVOKED: &str = "client invalidated: device token revoked";
const REMOVED: &str = "device removed";

pub(super) fn list(call: Call) -> Outcome {
    let (book, now) = (call.services.devices.book(), now_ms());
    let own = own_device_only(&call.principal);
    let is_visible = |device_id: &str| own.is_none_or(|own| own == device_id);
    let mut pending: Vec<_> = book
        .pending
        .values()
        .filter(|request| book::is_waiting(request, now) && is_visible(&request.device_id))
        .collect();
    pending.sort_by_key(|request| std::cmp::Reverse(request.ts));
    let mut paired: Vec<_> = book
        .paired
        .values()
        .filter(|device| is_visible(&device.device_id))
        .collect();
    paired.sort_by_key(|device| std::cmp::Reverse(device.approved_at_ms));
    let paired: Vec<Value> = paired
        .into_iter()
        .map(|device| row(device, &call))
        .collect();
    Outcome::now(Ok(json!({ "pending": pending, "paired": paired })))
}

fn row(device: &Paired, call: &Call) -> Value {
    let mut row = device.redacted();
    let Value::Object(fields) = &mut row else {
        return row;
    };
    if call.principal.version == Protocol::V4 {
        if let Some(at) = call.services.devices.seen_at(&device.device_id) {
            fields.insert("lastSeenAtMs".to_owned(), json!(at));
        }
        let connected = call.services.hub.has_device(&device.device_id);
        fields.insert("connected".to_owned(), json!(connected));
    }
    row
}

pub(super) fn approve(call: Call) -> Outcome {
    let request_id = text(&call, "requestId");
    let by = call.principal.scopes;
    let own = own_device_only(&call.principal).map(str::to_owned);
    change(call, move |draft| {
        let asked = draft.book.pending.get(&request_id);
        let is_own = asked.is_some_and(|asked| own.as_ref() == Some(&asked.device_id));
        // A device that lets itself have more is no approval.
        if is_own && !by.allows(Scope::Admin) {
            return Err(BookError::Missing(Scope::Admin));
        }
        let (request, device) = draft.book.approve(&request_id, by, draft.now_ms)?;
        draft.notices.push(Notice::Resolved {
            request_id: request_id.clone(),
            device_id: request.device_id,
            decision: "approved",
        });
        Ok(json!({ "requestId": request_id, "device": device.redacted() }))
    })
}

pub(super) fn reject(call: Call) -> Outcome {
    let request_id = text(&call, "requestId");
    change(call, move |draft| {
        let request = draft.book.reject(&request_id)?;
        draft.notices.push(Notice::Resolved {
            request_id: request_id.clone(),
            device_id: request.device_id.clone(),
            decision: "rejected",
        });
        Ok(json!({ "requestId": request_id, "deviceId": request.device_id }))
    })
}

pub(super) fn remove(call: Call) -> Outcome {
    let device_id = text(&call, "deviceId");
    if let Err(error) = may_manage(&call.principal, &device_id, None) {
        return Outcome::now(Err(error));
    }
    let (own, spare) = own_connection(&call.principal, &device_id, None);
    let closes = own.then_some(REMOVED);
    change_and_close(call, closes, move |draft| {
        draft.book.remove(&device_id)?;
        draft.notices.push(Notice::Resolved {
            request_id: String::new(),
            device_id: device_id.clone(),
            decision: "removed",
        });
        draft.notices.push(Notice::Ended {
            device_id: device_id.clone(),
            role: None,
            reason: REMOVED,
            spare,
        });
        Ok(json!({ "deviceId": device_id }))
    })
}

pub(super) fn rename(call: Call) -> Outcome {
    let (device_id, label) = (text(&call, "deviceId"), text(&call, "label"));
    if let Err(error) = may_manage(&call.principal, &device_id, None) {
        return Outcome::now(Err(error));
    }
    change(call, move |draft| {
        let device = draft.book.rename(&device_id, &label)?;
        draft.notices.push(Notice::Renamed { device_id });
        Ok(json!({ "device": device.redacted() }))
    })
}

pub(super) fn rotate(call: Call) -> Outcome {
    let (device_id, role) = (text(&call, "deviceId"), text(&call, "role"));
    if let Err(error) = may_manage(&call.principal, &device_id, Some(&role)) {
        return Outcome::now(Err(error));
    }
    let scopes: Option<Vec<String>> = call.params.get("scopes").and_then(|scopes| {
        let scopes = scopes.as_array()?.iter();
        Some(
            scopes
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        )
    });
    let Ok(fresh) = fresh_token() else {
        return Outcome::now(Err(no_chance()));
    };
    let principal = &call.principal;
    let (by, version) = (principal.scopes, principal.version);
    let is_own_device = principal.device.as_deref() == Some(device_id.as_str());
    let (_, spare) = own_connection(principal, &device_id, Some(&role));
    change(call, move |draft| {
        let now = draft.now_ms;
        let token = draft
            .book
            .rotate(&device_id, &role, scopes.as_deref(), by, now, fresh)?;
        draft.notices.push(Notice::Ended {
            device_id: device_id.clone(),
            role: Some(role.clone()),
            reason: ROTATED,
            spare,
        });
        let mut answer = json!({
            "deviceId": device_id, "role": role, "scopes": token.scopes, "rotatedAtMs": now,
        });
        if let Value::Object(answer) = &mut answer {
            // Later clients fetch a token by connecting as the device; nobody else needs to see it.
            if version == Protocol::V3 || is_own_device {
                answer.insert("token".to_owned(), json!(token.token.expose()));
            } else {
                answer.insert("tokenDelivery".to_owned(), json!("withheld-cross-device"));
            }
        }
        Ok(answer)
    })
}

pub(super) fn revoke(call: Call) -> Outcome {
    let (device_id, role) = (text(&call, "deviceId"), text(&call, "role"));
    if let Err(error) = may_manage(&call.principal, &device_id, Some(&role)) {
        return Outcome::now(Err(error));
    }
    let (own, spare) = own_connection(&call.principal, &device_id, Some(&role));
    let closes = own.then_some(REVOKED);
    change_and_close(call, closes, move |draft| {
        let at = draft.book.revoke(&device_id, &role, draft.now_ms)?;
        draft.notices.push(Notice::Ended {
            device_id: device_id.clone(),
            role: Some(role.clone()),
            reason: REVOKED,
            spare,
        });
        Ok(json!({ "deviceId": device_id, "role": role, "revokedAtMs": at }))
    })
}

pub(super) fn setup_code(call: Call) -> Outcome {
    let profile = match call.text("bootstrapProfile") {
        Some("node") => Profile::Node,
        _ => Profile::Limited,
    };
    let config = call.services.configuration();
    let (url, source) = match (call.text("publicUrl"), config.gateway.remote.url.as_deref()) {
        (Some(url), _) => (Some(url.to_owned()), "publicUrl"),
        (None, Some(url)) if call.flag("preferRemoteUrl") == Some(true) => {
            (Some(url.to_owned()), "gateway.remote.url")
        }
        _ => (own_url(&call), "gateway.bind"),
    };
    let Some(url) = url else {
        let message = "no device can reach this gateway: it listens on this machine only. Give publicUrl, or set gateway.bind to \"lan\" or \"tailnet\"";
        return Outcome::now(Err(ErrorShape::invalid(message)));
    };
    let Ok(token) = fresh_token() else {
        return Outcome::now(Err(no_chance()));
    };
    let with_qr = call.flag("includeQr") == Some(true);
    let auth = crate::ingress::auth::mode_name(call.services.auth_policy().mode);
    change(call, move |draft| {
        let setup_id = uuid::Uuid::new_v4().to_string();
        let setup = Setup::new(&setup_id, &token, profile, draft.now_ms);
        let expires_at_ms = setup.expires_at_ms;
        draft.book.setups.push(setup);
        Ok(setup_answer(&SetupAnswer {
            setup_id,
            expires_at_ms,
            url,
            source,
            auth,
            token,
            profile,
            with_qr,
        }))
    })
}

struct SetupAnswer {
    setup_id: String,
    expires_at_ms: i64,
    url: String,
    source: &'static str,
    auth: &'static str,
    token: Secret,
    profile: Profile,
    with_qr: bool,
}

fn setup_answer(made: &SetupAnswer) -> Value {
    let code = setup::code(&made.url, &made.token, made.expires_at_ms);
    let mut answer = json!({
        "setupId": made.setup_id,
        "expiresAtMs": made.expires_at_ms,
        "setupCode": code,
        "gatewayUrl": made.url,
        "auth": made.auth,
        "urlSource": made.source,
        "access": made.profile.access(),
    });
    let picture = made.with_qr.then(|| setup::qr_data_url(&code)).flatten();
    if let (Some(picture), Value::Object(answer)) = (picture, &mut answer) {
        answer.insert("qrDataUrl".to_owned(), json!(picture));
    }
    answer
}

/// The address under which others reach this gateway, if they do.
fn own_url(call: &Call) -> Option<String> {
    let address = call.services.listening()?;
    let ip = match address.ip() {
        ip if ip.is_loopback() => return None,
        ip if ip.is_unspecified() => crate::ingress::bind::outward_address()?,
        ip => ip,
    };
    let scheme = if call.services.configuration().gateway.tls.enabled {
        "wss"
    } else {
        "ws"
    };
    Some(format!(
        "{scheme}://{}",
        std::net::SocketAddr::new(ip, address.port())
    ))
}

pub(super) fn setup_status(call: Call) -> Outcome {
    let setup_id = call.text("setupId").unwrap_or_default();
    let book = call.services.devices.book();
    let done = book.setups.iter().find_map(|setup| {
        let at = setup
            .completed_at_ms
            .filter(|_| setup.setup_id == setup_id)?;
        let device_id = setup.device_id.as_deref()?;
        let name = book
            .paired
            .get(device_id)
            .and_then(|device| device.display_name.clone());
        let mut completion = json!({
            "setupId": setup_id, "deviceId": device_id, "access": setup.profile.access(), "ts": at,
        });
        if let (Some(name), Value::Object(completion)) = (name, &mut completion) {
            completion.insert("deviceName".to_owned(), json!(name));
        }
        Some(json!({ "completion": completion }))
    });
    Outcome::now(Ok(done.unwrap_or_else(|| json!({}))))
}

/// The only device that a caller may see and manage: its own, when all it showed is that device's token.
fn own_device_only(principal: &Principal) -> Option<&str> {
    let is_device = matches!(
        principal.verified.proof(),
        Proof::DeviceToken | Proof::SetupCode
    );
    let is_limited = is_device && !principal.scopes.allows(Scope::Admin);
    principal.device.as_deref().filter(|_| is_limited)
}

/// Tokens of nodes are only for administrators, except to the node's own owner.
fn may_manage(
    principal: &Principal,
    device_id: &str,
    role: Option<&str>,
) -> Result<(), ErrorShape> {
    if own_device_only(principal).is_some_and(|own| own != device_id) {
        return Err(refused(&BookError::NotYours, principal.version));
    }
    if role.is_some_and(|role| role != "operator") && !principal.scopes.allows(Scope::Admin) {
        return Err(ErrorShape::missing_scope(Scope::Admin, principal.version));
    }
    Ok(())
}

/// Whether the caller itself is meant; then its own connection hears the answer before it is closed.
fn own_connection(
    principal: &Principal,
    device_id: &str,
    role: Option<&str>,
) -> (bool, Option<u64>) {
    let is_own = principal.device.as_deref() == Some(device_id)
        && role.is_none_or(|role| role == principal.role.as_str());
    (is_own, is_own.then_some(principal.connection))
}

type Draft = crate::device::owner::Draft;

fn change(
    call: Call,
    work: impl FnOnce(&mut Draft) -> Result<Value, BookError> + Send + 'static,
) -> Outcome {
    change_and_close(call, None, work)
}

fn change_and_close(
    call: Call,
    closes: Option<&'static str>,
    work: impl FnOnce(&mut Draft) -> Result<Value, BookError> + Send + 'static,
) -> Outcome {
    let version = call.principal.version;
    let devices = call.services.devices.clone();
    let changing: BoxFuture<'static, _> = Box::pin(async move {
        let answer = devices.change(work).await.map_err(|error| match error {
            ChangeError::Refused(refusal) => refused(&refusal, version),
            other => ErrorShape::unavailable(other.to_string()).retry_after(1000),
        })?;
        if let Some(reason) = closes {
            // After the goodbye nothing is queued any more, so the answer goes first.
            (call.early)(answer.clone());
            let goodbye = Goodbye::new(close::AUTH_CHANGED, reason);
            call.services
                .hub
                .close_connection(call.principal.connection, &goodbye);
        }
        Ok(answer)
    });
    Outcome::later(changing)
}

fn refused(error: &BookError, version: Protocol) -> ErrorShape {
    match error {
        BookError::Missing(scope) => ErrorShape::missing_scope(*scope, version),
        BookError::NotYours if version == Protocol::V4 => {
            ErrorShape::new(ErrorCode::Forbidden, error.to_string())
        }
        other => ErrorShape::invalid(other.to_string()),
    }
}

fn no_chance() -> ErrorShape {
    ErrorShape::unavailable("the system gives no random numbers")
}

fn text(call: &Call, name: &str) -> String {
    call.text(name).unwrap_or_default().to_owned()
}
