//! `talk.*`, `tts.*`, `voicewake.*`: talk mode and wake words are kept; speech itself is not built.

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::hub::Audience;
use crate::hub::Broadcast;
use crate::services::now_ms;

pub(super) fn talk_mode(call: Call) -> Outcome {
    let payload = json!({
        "enabled": call.flag("enabled"),
        "phase": call.text("phase"),
        "ts": now_ms(),
    });
    call.services.hub.broadcast(&Broadcast {
        payload: payload.clone(),
        is_stale_soon: true,
        ..Broadcast::to(Audience::Readers, "talk.mode")
    });
    Outcome::now(Ok(payload))
}

pub(super) fn talk_config(call: Call) -> Outcome {
    let config = call.services.configuration();
    let mut talk = config.tree.value().get("talk").cloned().unwrap_or_default();
    if let Value::Object(talk) = &mut talk {
        talk.shift_remove("apiKey");
        talk.shift_remove("providers");
    }
    let shown = if talk.is_object() {
        json!({ "talk": talk })
    } else {
        json!({})
    };
    Outcome::now(Ok(json!({ "config": shown })))
}

/// No provider of speech is built in, so none is ready.
pub(super) fn talk_catalog(_call: Call) -> Outcome {
    let nobody = json!({ "ready": false, "providers": [] });
    Outcome::now(Ok(json!({
        "modes": [],
        "transports": [],
        "brains": [],
        "speech": nobody,
        "transcription": nobody,
        "realtime": nobody,
    })))
}

pub(super) fn tts_status(call: Call) -> Outcome {
    let prefs = call
        .services
        .paths
        .state_dir
        .join("settings")
        .join("tts.json");
    let mut status = json!({
        "enabled": false,
        "auto": "off",
        "provider": "",
        "fallbackProvider": null,
        "fallbackProviders": [],
        "prefsPath": prefs,
        "hasOpenAIKey": false,
        "hasElevenLabsKey": false,
        "edgeEnabled": false,
    });
    if call.principal.version == Protocol::V4
        && let Value::Object(status) = &mut status
    {
        status.insert("persona".to_owned(), Value::Null);
        status.insert("personas".to_owned(), json!([]));
        status.insert("providerStates".to_owned(), json!([]));
    }
    Outcome::now(Ok(status))
}

pub(super) fn tts_providers(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "providers": [], "active": "" })))
}

pub(super) fn tts_disable(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "enabled": false })))
}

pub(super) fn tts_missing(_call: Call) -> Outcome {
    let message = "this gateway can't speak yet: there is no speech provider";
    Outcome::now(Err(ErrorShape::unavailable(message)))
}

pub(super) fn wake_words(call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "triggers": call.services.wake_words.now() })))
}

pub(super) fn set_wake_words(call: Call) -> Outcome {
    Outcome::later(async move {
        let words = call.params.get("triggers").filter(|words| words.is_array());
        let Some(words) = words else {
            let message = "voicewake.set requires triggers: string[]";
            return Err(ErrorShape::invalid(message));
        };
        let set = call.services.wake_words.set(words, now_ms()).await;
        let triggers = set.map_err(|error| ErrorShape::unavailable(error.to_string()))?;
        let payload = json!({ "triggers": triggers });
        call.services.hub.broadcast(&Broadcast {
            payload: payload.clone(),
            is_stale_soon: true,
            ..Broadcast::to(Audience::Everyone, "voicewake.changed")
        });
        Ok(payload)
    })
}

pub(super) fn wake_routing(_call: Call) -> Outcome {
    let config = json!({
        "version": 1, "defaultTarget": { "mode": "current" }, "routes": [], "updatedAtMs": 0,
    });
    Outcome::now(Ok(json!({ "config": config })))
}
