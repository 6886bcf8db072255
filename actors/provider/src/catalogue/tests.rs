use openclaw_protocol::AgentId;
use openclaw_protocol::Config;
use serde_json::Value;
use serde_json::json;

use super::Catalogue;
use super::Choice;
use super::Credential;
use super::Inputs;
use super::LocalModel;
use super::LocalServer;
use super::ResolveError;
use super::Source;
use crate::profile::Profiles;

/// Builds a catalogue of a configuration, variables and local servers.
fn catalogue(config: Value, env: &[(&str, &str)], local: &[LocalServer]) -> Catalogue {
    let loaded = Config::from_value(config);
    let look = |name: &str| {
        let found = env.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Catalogue::build(&Inputs {
        config: &loaded.config,
        env: &look,
        profiles: &Profiles::default(),
        local,
        now_ms: 0,
    })
}

fn choice(config: Value, env: &[(&str, &str)], local: &[LocalServer]) -> Choice {
    catalogue(config, env, local).choice().clone()
}

fn ollama(models: &[&str]) -> LocalServer {
    let model = |id: &&str| LocalModel {
        id: (*id).to_owned(),
        context_window: None,
        images: false,
    };
    LocalServer {
        id: "ollama".into(),
        name: "Ollama".into(),
        base_url: "http://127.0.0.1:11434/v1".into(),
        models: models.iter().map(model).collect(),
    }
}

fn resolved(catalogue: &Catalogue, name: &str) -> Result<String, ResolveError> {
    catalogue
        .resolve(name)
        .map(|reference| reference.to_string())
}

#[test]
fn without_anything_the_built_in_model_answers() {
    let choice = choice(json!({}), &[], &[]);
    assert_eq!(choice.model.to_string(), "builtin/basic");
    assert_eq!(choice.source, Source::Builtin);
}

#[test]
fn in_an_empty_home_only_the_built_in_provider_can_be_called() {
    let usable = |config: Value, env: &[(&str, &str)]| {
        let catalogue = catalogue(config, env, &[]);
        let usable = catalogue.usable();
        usable
            .map(|entry| entry.endpoint.provider.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(usable(json!({}), &[]), ["builtin"]);
    // One that is configured needs no key on this machine.
    let own = json!({"models": {"providers": {"litellm": {
        "baseUrl": "http://localhost:4000/v1", "models": [{"id": "m", "name": "m"}]}}}});
    assert_eq!(usable(own, &[]), ["litellm", "builtin"]);
    assert_eq!(
        usable(json!({}), &[("LITELLM_API_KEY", "sk-1")]),
        ["litellm", "builtin"]
    );
}

#[test]
fn a_local_server_wins_over_nothing_and_a_key_over_the_server() {
    let server = [ollama(&["nomic-embed-text", "llama3.2:latest"])];
    let local = choice(json!({}), &[], &server);
    assert_eq!(local.model.to_string(), "ollama/llama3.2:latest");
    assert_eq!(local.source, Source::LocalServer);
    assert!(local.reason.contains("127.0.0.1:11434"), "{}", local.reason);
    let keyed = choice(json!({}), &[("OPENAI_API_KEY", "sk-x")], &server);
    assert_eq!(keyed.model.provider, "openai");
    assert_eq!(keyed.reason, "OPENAI_API_KEY is set in the environment");
    let both = [("OPENAI_API_KEY", "sk-x"), ("ANTHROPIC_API_KEY", "sk-y")];
    assert_eq!(
        choice(json!({}), &both, &server).model.provider,
        "anthropic"
    );
    assert_eq!(
        choice(json!({}), &[("OPENAI_API_KEY", " ")], &[]).source,
        Source::Builtin
    );
}

#[test]
fn what_is_configured_wins_over_all() {
    let config = json!({ "agents": { "defaults": { "model": {
        "primary": "groq/llama-3.3-70b-versatile", "fallbacks": ["sonnet", "builtin/basic"] } } } });
    let choice = choice(config, &[("ANTHROPIC_API_KEY", "k")], &[]);
    assert_eq!(choice.model.to_string(), "groq/llama-3.3-70b-versatile");
    assert_eq!(choice.source, Source::Configured);
    let problem = choice.problem.unwrap();
    assert!(problem.contains("GROQ_API_KEY"), "{problem}");
    assert!(
        problem.contains("openclaw config set models.providers.groq.apiKey"),
        "{problem}"
    );
    let names: Vec<String> = choice.fallbacks.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["anthropic/claude-sonnet-4-5", "builtin/basic"]);
}

#[test]
fn a_mistake_in_the_choice_stays_visible() {
    let config = json!({ "agents": { "defaults": { "model": "openai/" } } });
    let choice = choice(config, &[("OPENAI_API_KEY", "k")], &[]);
    assert_eq!(choice.source, Source::Configured);
    assert!(choice.problem.is_some());
}

#[test]
fn a_provider_of_ones_own_is_chosen_with_its_first_model() {
    let config = json!({ "models": { "providers": { "home": {
        "baseUrl": "http://pi.local:8000", "api": "openai-completions", "apiKey": "x",
        "models": [{ "id": "org/big", "name": "Big", "contextWindow": 9000, "input": ["text", "image"] }],
    }}}});
    let catalogue = catalogue(config, &[("OPENAI_API_KEY", "k")], &[]);
    assert_eq!(catalogue.choice().model.to_string(), "home/org/big");
    assert_eq!(catalogue.choice().source, Source::Provider);
    let endpoint = catalogue.check(&catalogue.choice().model).unwrap();
    assert_eq!(endpoint.base_url, "http://pi.local:8000/v1");
    let listed = catalogue.list();
    let own = listed
        .iter()
        .find(|model| model["provider"] == "home")
        .unwrap();
    let expected = json!({ "id": "org/big", "name": "Big", "provider": "home", "reasoning": false,
        "input": ["text", "image"], "contextWindow": 9000 });
    assert_eq!(*own, expected);
}

#[test]
fn names_are_taken_as_people_write_them() {
    let config = json!({ "agents": { "defaults": { "models": {} } } });
    let catalogue = catalogue(config, &[("OPENROUTER_API_KEY", "k")], &[]);
    let ok = |name: &str| resolved(&catalogue, name).unwrap();
    assert_eq!(ok("opus"), "anthropic/claude-opus-4-6");
    assert_eq!(ok(" Anthropic/claude-next "), "anthropic/claude-next");
    assert_eq!(ok("openrouter/meta/llama"), "openrouter/meta/llama");
    assert_eq!(ok("openrouter/auto"), "openrouter/openrouter/auto");
    assert_eq!(ok("z.ai/glm-9"), "zai/glm-9");
    assert_eq!(ok("gpt-4o"), "openai/gpt-4o");
    assert_eq!(ok("claude-next"), "anthropic/claude-next");
    assert_eq!(ok("openai/gpt-nonexistent"), "openai/gpt-nonexistent");
    assert_eq!(resolved(&catalogue, " "), Err(ResolveError::Empty));
    let error = resolved(&catalogue, "sonet").unwrap_err().to_string();
    assert!(error.contains("did you mean sonnet?"), "{error}");
    assert!(resolved(&catalogue, "builtin/clever").is_err());
}

#[test]
fn own_aliases_win_and_a_list_allows_only_what_is_on_it() {
    let config = json!({ "agents": { "defaults": {
        "model": { "primary": "openai/gpt-4o" },
        "models": {
            "openai/gpt-4o-mini": { "alias": "Sonnet", "params": { "temperature": 0.2 } },
        } } } });
    let catalogue = catalogue(config, &[("OPENAI_API_KEY", "k")], &[]);
    assert_eq!(
        resolved(&catalogue, "sonnet").unwrap(),
        "openai/gpt-4o-mini"
    );
    assert_eq!(
        resolved(&catalogue, "openai/gpt-4o").unwrap(),
        "openai/gpt-4o"
    );
    assert_eq!(resolved(&catalogue, "basic").unwrap(), "builtin/basic");
    let error = resolved(&catalogue, "opus").unwrap_err().to_string();
    let expected =
        "Model \"anthropic/claude-opus-4-6\" is not allowed. Use /model to list available models.";
    assert_eq!(error, expected);
    let mini = catalogue.resolve("sonnet").unwrap();
    assert_eq!(catalogue.params(&mini), json!({ "temperature": 0.2 }));
}

#[test]
fn keys_are_looked_for_in_their_order() {
    let config = |key: &str| json!({ "models": { "providers": { "openai": { "apiKey": key } } } });
    let found = |config: Value, env: &[(&str, &str)]| {
        let catalogue = catalogue(config, env, &[]);
        catalogue.provider("openai").unwrap().credential.clone()
    };
    let env = [("OPENAI_API_KEY", "a"), ("MY_KEY", "b")];
    assert_eq!(
        found(config("c"), &env),
        Credential::Env("OPENAI_API_KEY".into())
    );
    assert_eq!(found(config("c"), &[]), Credential::Config);
    assert_eq!(
        found(config("MY_KEY"), &env[1..]),
        Credential::Env("MY_KEY".into())
    );
    assert_eq!(
        found(json!({}), &[]),
        Credential::Missing(vec!["OPENAI_API_KEY".into()])
    );
}

#[test]
fn a_provider_can_be_switched_off_and_the_known_ones_replaced() {
    let config = json!({ "models": { "providers": { "openai": { "enabled": false } } } });
    let off = catalogue(config, &[("OPENAI_API_KEY", "k")], &[]);
    assert!(off.provider("openai").is_none());
    assert_eq!(off.choice().source, Source::Builtin);
    let config = json!({ "models": { "mode": "replace", "providers": {} } });
    let replaced = catalogue(config, &[("OPENAI_API_KEY", "k")], &[]);
    let ids: Vec<&str> = replaced
        .providers()
        .map(|entry| entry.endpoint.provider.as_str())
        .collect();
    assert_eq!(ids, ["builtin"]);
}

#[test]
fn an_agent_may_have_a_model_of_its_own() {
    let config = json!({ "agents": {
        "defaults": { "model": "openai/gpt-4o" },
        "list": [{ "id": "main" }, { "id": "thinker", "model": "opus" },
            { "id": "careful", "model": { "fallbacks": ["sonnet"] } }],
    }});
    let catalogue = catalogue(config, &[("OPENAI_API_KEY", "k")], &[]);
    let model = |agent: &str| {
        let id = AgentId::parse(agent).unwrap();
        catalogue.choice_for(&id).model.to_string()
    };
    assert_eq!(model("main"), "openai/gpt-4o");
    assert_eq!(model("thinker"), "anthropic/claude-opus-4-6");
    assert_eq!(model("nobody"), "openai/gpt-4o");
    assert_eq!(model("careful"), "openai/gpt-4o");
    let careful = catalogue.choice_for(&AgentId::parse("careful").unwrap());
    assert_eq!(careful.fallbacks.len(), 1);
}

#[test]
fn secrets_are_not_printed() {
    let config = json!({ "models": { "providers": { "home": {
        "baseUrl": "http://h", "apiKey": "hunter2", "headers": { "x-key": "hunter3" } } } } });
    let catalogue = catalogue(config, &[("OPENAI_API_KEY", "hunter4")], &[]);
    let printed = format!("{catalogue:?}");
    assert!(!printed.contains("hunter"), "{printed}");
}

#[test]
fn ollama_is_reached_as_people_configure_it() {
    let config = json!({
        "agents": { "defaults": { "model": "ollama/llama3.2" } },
        "models": { "providers": { "ollama": { "enabled": true, "baseUrl": "http://localhost:11434" } } },
    });
    let catalogue = catalogue(config, &[], &[]);
    let endpoint = catalogue.check(&catalogue.choice().model).unwrap();
    assert_eq!(endpoint.base_url, "http://localhost:11434");
    assert_eq!(endpoint.wire, crate::endpoint::Wire::Ollama);
    assert_eq!(catalogue.choice().problem, None);
    assert_eq!(endpoint.deadlines, crate::Deadlines::LOCAL);
}

#[test]
fn accounts_are_spread_pinned_and_ordered() {
    let profiles = Profiles::parse(
        r#"{"profiles":{"openai:a":{"type":"api_key","provider":"openai","key":"1"},
        "openai:b@x.org":{"type":"api_key","provider":"openai","key":"2"},
        "openai-codex:me":{"type":"oauth","provider":"openai-codex","access":"x","refresh":"y"}}}"#,
    )
    .unwrap();
    let build = |config: Value| {
        let loaded = Config::from_value(config);
        Catalogue::build(&Inputs {
            config: &loaded.config,
            env: &|name| (name == "OPENAI_API_KEY").then(|| "3".to_owned()),
            profiles: &profiles,
            local: &[],
            now_ms: 0,
        })
    };
    let ids = |catalogue: &Catalogue| -> Vec<String> {
        let endpoint = &catalogue.provider("openai").unwrap().endpoint;
        endpoint
            .accounts
            .iter()
            .map(|account| account.id.clone())
            .collect()
    };
    let usual = build(json!({}));
    assert_eq!(
        ids(&usual),
        ["openai:a", "openai:b@x.org", "env:OPENAI_API_KEY"]
    );
    let ordered = build(json!({ "auth": { "order": { "openai": ["openai:b@x.org"] } } }));
    assert_eq!(ids(&ordered), ["openai:b@x.org", "env:OPENAI_API_KEY"]);
    assert!(ordered.provider("openai").unwrap().endpoint.ordered);
    let pin = |name: &str| usual.resolve_account(name).unwrap();
    let four = openclaw_protocol::ModelRef::new("openai", "gpt-4o");
    assert_eq!(
        pin("openai/gpt-4o@openai:b@x.org"),
        (four, Some("openai:b@x.org".into()))
    );
    let odd = openclaw_protocol::ModelRef::new("openai", "m@v1");
    assert_eq!(pin("openai/m@v1"), (odd, None));
    let codex = usual.provider("openai-codex").unwrap();
    assert!(codex.usable() && codex.endpoint.access.key.is_none());
}

#[test]
fn a_server_at_home_may_stand_in_before_it_is_there() {
    let config = json!({ "agents": { "defaults": { "model": {
        "primary": "openai/gpt-4o", "fallbacks": ["ollama/llama3.2"] } } } });
    let catalogue = catalogue(config, &[("OPENAI_API_KEY", "k")], &[]);
    let stand_in = &catalogue.choice().fallbacks[0];
    assert_eq!(stand_in.to_string(), "ollama/llama3.2");
    assert!(catalogue.check(stand_in).is_ok());
    assert!(catalogue.provider("vllm").is_none());
}

/// Keys in Amazon's own files are used where something speaks of Bedrock, and not else.
#[test]
fn amazon_s_own_files_open_bedrock_where_it_is_meant() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".aws");
    std::fs::create_dir(&folder).unwrap();
    let keys = "[default]\naws_access_key_id=A\naws_secret_access_key=s\n";
    std::fs::write(folder.join("credentials"), keys).unwrap();
    std::fs::write(folder.join("config"), "[default]\nregion=eu-central-1\n").unwrap();
    let bedrock = |config: Value| {
        let env = |name: &str| (name == "HOME").then(|| home.path().display().to_string());
        let loaded = Config::from_value(config);
        let catalogue = Catalogue::build(&Inputs {
            config: &loaded.config,
            env: &env,
            profiles: &Profiles::default().with_amazon(&env),
            local: &[],
            now_ms: 0,
        });
        let entry = catalogue.provider("amazon-bedrock").unwrap().clone();
        (entry, catalogue.choice().model.to_string())
    };
    let (entry, chosen) = bedrock(json!({}));
    assert!(!entry.usable());
    assert_eq!(chosen, "builtin/basic");
    let model = "amazon-bedrock/us.anthropic.claude-sonnet-4-5";
    let (entry, chosen) = bedrock(json!({ "agents": { "defaults": { "model": model } } }));
    assert_eq!(chosen, model);
    assert_eq!(entry.credential, Credential::Profile("aws:default".into()));
    assert!(entry.endpoint.base_url.contains("eu-central-1"));
    assert!(matches!(
        &entry.endpoint.accounts[0].proof,
        crate::Proof::Kept(crate::account::Kept::Amazon { region, .. }) if region == "eu-central-1"
    ));
}
