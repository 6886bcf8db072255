use serde_json::Value;
use serde_json::json;

/// A configuration that sets something everywhere.
pub(crate) fn full() -> Value {
    json!({
        "meta": { "lastTouchedVersion": "2026.2.12", "lastTouchedAt": "2026-02-14T08:00:00.000Z" },
        "env": { "vars": { "A_KEY": "value-a" }, "B_KEY": "value-b", "shellEnv": { "enabled": false } },
        "auth": { "order": { "anthropic": ["anthropic:default"] } },
        "agents": {
            "defaults": {
                "model": { "primary": "anthropic/claude", "fallbacks": ["openai/gpt"] },
                "models": { "anthropic/claude": { "alias": "opus", "params": { "x": 1 } } },
                "workspace": "~/ws", "bootstrapMaxChars": 20_000, "userTimezone": "UTC",
                "thinkingDefault": "low", "timeoutSeconds": 600, "maxConcurrent": 4,
                "heartbeat": { "every": "30m", "activeHours": { "start": "08:00", "end": "23:00" } },
                "compaction": { "mode": "safeguard", "memoryFlush": { "enabled": true } },
                "sandbox": { "mode": "off", "docker": { "image": "x", "env": { "K": "docker-secret" } } }
            },
            "list": [
                { "id": "main", "default": true, "identity": { "name": "Iris", "emoji": "🌿" } },
                { "id": "ops", "model": "local/qwen", "workspace": "~/ops",
                  "groupChat": { "mentionPatterns": ["@ops"] }, "tools": { "profile": "coding" } }
            ]
        },
        "models": {
            "mode": "merge",
            "providers": {
                "local": {
                    "baseUrl": "http://127.0.0.1:8080/v1", "apiKey": "provider-key", "api": "openai-completions",
                    "headers": { "X-Team": "header-secret" }, "timeouts": { "connectMs": 5_000 }, "maxConcurrent": 2,
                    "models": [
                        { "id": "qwen", "name": "Qwen", "reasoning": true, "input": ["text", "image"],
                          "cost": { "input": 0.5, "output": 1 }, "contextWindow": 32_000, "maxTokens": 4_096,
                          "compat": { "maxTokensField": "max_tokens" } }
                    ]
                },
                "other": { "baseUrl": "https://example.org", "api": "anthropic-messages", "models": [] }
            }
        },
        "bindings": [
            { "agentId": "ops", "match": { "channel": "telegram", "accountId": "alerts" } },
            { "agentId": "main", "match": { "channel": "telegram", "peer": { "kind": "group", "id": "-100" } } }
        ],
        "session": {
            "dmScope": "main", "identityLinks": { "ada": ["telegram:1"] }, "resetTriggers": ["/new"],
            "reset": { "mode": "daily", "atHour": 4 }, "resetByType": { "group": { "mode": "idle", "idleMinutes": 60 } },
            "resetByChannel": { "telegram": { "mode": "none" } }, "maintenance": { "pruneAfter": "30d" }
        },
        "messages": {
            "responsePrefix": "»", "ackReactionScope": "group-mentions",
            "queue": { "mode": "collect", "byChannel": { "telegram": "steer+backlog" }, "cap": 20 },
            "inbound": { "debounceMs": 500, "byChannel": { "telegram": 100 } },
            "groupChat": { "mentionPatterns": ["@claw"], "historyLimit": 20 }
        },
        "tools": { "profile": "full", "deny": ["canvas"], "exec": { "ask": "on-miss" } },
        "channels": {
            "defaults": { "groupPolicy": "allowlist" },
            "telegram": {
                "botToken": "1:abc", "dmPolicy": "pairing", "allowFrom": [123, "@ada"], "chunkMode": "newline",
                "groupPolicy": "allowlist", "groups": { "*": { "requireMention": true, "topics": { "7": { "enabled": true } } } },
                "textChunkLimit": 4_000, "apiRoot": "http://127.0.0.1:8081", "network": { "autoSelectFamily": false },
                "retry": { "attempts": 3, "jitter": 0.1 }, "replyToMode": "first", "onUnknownSend": "hold",
                "accounts": { "alerts": { "botToken": "2:def", "dmPolicy": "disabled" } }
            },
            "whatsapp": { "allowFrom": ["+15550001111"] }
        },
        "cron": { "enabled": true },
        "hooks": { "enabled": false, "token": "hook-token" },
        "gateway": {
            "mode": "local", "port": 18_789, "bind": "loopback",
            "auth": { "mode": "token", "token": "t0ken", "rateLimit": { "maxAttempts": 5 } },
            "controlUi": { "enabled": true, "allowedOrigins": ["https://example.org"] },
            "reload": { "mode": "hybrid", "debounceMs": 300 }, "trustedProxies": ["10.0.0.1"],
            "remote": { "url": "ws://example.org", "token": "remote-token" }, "tls": { "enabled": false }
        },
        "logging": { "level": "info", "redactSensitive": "tools" },
        "diagnostics": { "otel": { "enabled": true, "endpoint": "http://localhost:4318", "sampleRate": 1,
                                   "headers": { "authorization": "otel-secret" } } },
        "update": { "channel": "stable" }
    })
}
