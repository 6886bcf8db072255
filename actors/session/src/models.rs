//! How a turn gets at a model: choose one, take a lease, say how it went.

use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::config::ResolvedAgent;
use openclaw_protocol::config::models::ModelCost;
use openclaw_provider::CallOutcome;
use openclaw_provider::Catalogue;
use openclaw_provider::Model;
use openclaw_provider::ModelError;
use openclaw_provider::ModelErrorKind;
use openclaw_provider::NoLease;
use openclaw_provider::Want;
use openclaw_provider::catalogue::ResolveError;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::Directory;
use serde_json::Value;

/// How long a turn may queue for a permit; the turn's own deadline is usually earlier.
const QUEUE: Duration = Duration::from_secs(600);

/// The models of the house, as sessions see them.
pub trait Models: Send + Sync {
    /// Which model answers. `wanted` is the session's own choice, if a user made one.
    fn choose(&self, agent: &ResolvedAgent, wanted: Option<&str>) -> Result<Chosen, ModelError>;

    /// The names of what can be chosen.
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    /// Waits for a permit to call a model.
    fn lease(&self, want: Want) -> BoxFuture<'static, Result<Leased, NoLease>>;
}

/// A model, and what has to be known to call it.
#[derive(Debug, Clone)]
pub struct Chosen {
    pub model: ModelRef,
    /// The wire, as transcripts name it.
    pub api: String,
    pub context_window: Option<u64>,
    pub max_tokens: Option<u32>,
    /// How much the model can write.
    pub output_limit: Option<u64>,
    /// US dollars for a million tokens; zero where nobody knows.
    pub cost: ModelCost,
    pub params: Value,
    /// The model can think.
    pub reasoning: bool,
    /// The model can see pictures.
    pub sees: bool,
    /// Who answers in its place where there are pictures that it can't see, in order.
    pub for_pictures: Vec<Chosen>,
    /// The account that a person chose for it.
    pub account: Option<String>,
    /// Who stands in for it, in order.
    pub fallbacks: Vec<Chosen>,
}

impl Chosen {
    /// A model of which nothing else is known.
    pub fn plain(model: ModelRef, api: &str) -> Self {
        Self {
            model,
            api: api.to_owned(),
            context_window: None,
            max_tokens: None,
            output_limit: None,
            cost: ModelCost::default(),
            params: Value::Null,
            reasoning: false,
            sees: true,
            for_pictures: Vec::new(),
            account: None,
            fallbacks: Vec::new(),
        }
    }

    /// Who answers a message: pictures go to a model that sees them.
    #[must_use]
    pub(crate) fn for_message(mut self, message: &Message) -> Self {
        let has_pictures = match message {
            Message::User(user) => {
                let mut parts = user.content.iter();
                parts.any(|part| matches!(part, Content::Image { .. }))
            }
            _ => false,
        };
        if self.sees || !has_pictures || self.for_pictures.is_empty() {
            return self;
        }
        let mut seeing = std::mem::take(&mut self.for_pictures).into_iter();
        let Some(first) = seeing.next() else {
            return self;
        };
        let own = std::mem::take(&mut self.fallbacks);
        // Better an answer without the picture than none.
        let others = seeing.chain([self]).chain(own);
        Self {
            fallbacks: others.filter(|other| other.model != first.model).collect(),
            ..first
        }
    }

    /// It and who stands in for it.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.fallbacks)
    }
}

/// A client and the permit to use it once; dropping it gives the permit back.
pub struct Leased {
    pub client: Arc<dyn Model>,
    /// The account it is called with.
    pub account: String,
    /// Tells the provider how the call went; owns the permit.
    pub report: Box<dyn FnOnce(CallOutcome) + Send>,
}

impl std::fmt::Debug for Leased {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leased").finish_non_exhaustive()
    }
}

/// The models of a running gateway: the catalogue of now, and the provider actors.
#[derive(Clone)]
pub struct HouseModels {
    pub directory: Directory,
    pub catalogue: Arc<dyn Fn() -> Arc<Catalogue> + Send + Sync>,
}

impl std::fmt::Debug for HouseModels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HouseModels").finish_non_exhaustive()
    }
}

impl HouseModels {
    fn chosen(catalogue: &Catalogue, agent: &ResolvedAgent, model: &ModelRef) -> Chosen {
        let info = catalogue.info(model);
        let window = info.as_ref().and_then(|info| info.context_window);
        let smaller = agent.defaults.context_tokens;
        Chosen {
            context_window: match (window, smaller) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            output_limit: info
                .as_ref()
                .and_then(|info| info.max_tokens)
                .map(u64::from),
            cost: info.as_ref().map(|info| info.cost).unwrap_or_default(),
            params: catalogue.params(model),
            reasoning: info.as_ref().is_some_and(|info| info.reasoning),
            sees: info.as_ref().is_none_or(|info| info.images),
            ..Chosen::plain(
                model.clone(),
                info.as_ref().map_or("", |info| info.wire.as_str()),
            )
        }
    }
}

impl Models for HouseModels {
    fn choose(&self, agent: &ResolvedAgent, wanted: Option<&str>) -> Result<Chosen, ModelError> {
        let catalogue = (self.catalogue)();
        let choice = catalogue.choice_for(&agent.id);
        let (model, account) = match wanted {
            Some(name) => match catalogue.resolve_account(name) {
                Ok((model, account)) => (model, account),
                // One that is not there is passed over when somebody stands in for it.
                Err(ResolveError::Unknown { name, .. }) if !choice.fallbacks.is_empty() => {
                    let unknown = || ModelRef::new("unknown", name.as_str());
                    (name.parse().unwrap_or_else(|_| unknown()), None)
                }
                Err(error) => {
                    let kind = ModelErrorKind::ModelNotFound;
                    return Err(ModelError::new(kind, error.to_string()));
                }
            },
            None => (choice.model.clone(), choice.account.clone()),
        };
        let mut chosen = Self::chosen(&catalogue, agent, &model);
        chosen.account = account;
        // Whoever has a choice of their own still has the house's to fall back on.
        let usual = (!choice.fallbacks.is_empty()).then_some(&choice.model);
        let mut chain: Vec<&ModelRef> = Vec::new();
        for next in choice.fallbacks.iter().chain(usual) {
            if *next != model && !chain.contains(&next) {
                chain.push(next);
            }
        }
        chosen.fallbacks = chain
            .into_iter()
            .map(|next| Self::chosen(&catalogue, agent, next))
            .collect();
        if !chosen.sees {
            let seeing = catalogue.for_pictures().iter();
            let seeing = seeing.map(|model| Self::chosen(&catalogue, agent, model));
            chosen.for_pictures = seeing.filter(|one| one.sees).collect();
        }
        Ok(chosen)
    }

    fn names(&self) -> Vec<String> {
        let catalogue = (self.catalogue)();
        let listed = catalogue.usable().flat_map(|entry| &entry.endpoint.models);
        let names = listed.map(|info| info.reference.to_string());
        names
            .filter(|name| catalogue.resolve(name).is_ok())
            .collect()
    }

    fn lease(&self, want: Want) -> BoxFuture<'static, Result<Leased, NoLease>> {
        let (directory, catalogue) = (self.directory.clone(), (self.catalogue)());
        Box::pin(async move {
            let lease = openclaw_provider::lease(&directory, &catalogue, want, QUEUE).await?;
            Ok(Leased {
                client: lease.model().clone(),
                account: lease.account().to_owned(),
                report: Box::new(move |outcome| lease.report(outcome)),
            })
        })
    }
}

#[cfg(test)]
mod tests {

    use openclaw_protocol::AgentId;
    use openclaw_protocol::Config;
    use openclaw_provider::catalogue::Inputs;
    use openclaw_provider::profile::Profiles;
    use serde_json::json;

    use super::*;

    fn chain(image_model: Value, message: &Value) -> Vec<String> {
        let model = |id: &str, input: Value| json!({ "id": id, "input": input });
        let loaded = Config::from_value(json!({
            "agents": { "defaults": { "model": { "primary": "home/blind", "fallbacks": ["home/other"] },
                "imageModel": image_model } },
            "models": { "mode": "replace", "providers": { "home": { "baseUrl": "http://127.0.0.1:9", "models": [
                model("blind", json!(["text"])), model("other", json!(["text"])),
                model("eyes", json!(["text", "image"])), model("more-eyes", json!(["text", "image"])),
            ] } } },
        }));
        let catalogue = Arc::new(Catalogue::build(&Inputs {
            config: &loaded.config,
            env: &|_| None,
            profiles: &Profiles::default(),
            local: &[],
            now_ms: 0,
        }));
        let models = HouseModels {
            directory: Directory::new(),
            catalogue: Arc::new(move || Arc::clone(&catalogue)),
        };
        let agent = loaded.config.agents.resolve(&AgentId::main()).unwrap();
        let chosen = models.choose(&agent, None).unwrap();
        let message = serde_json::from_value(message.clone()).unwrap();
        let chosen = chosen.for_message(&message);
        chosen.chain().map(|one| one.model.to_string()).collect()
    }

    #[test]
    fn pictures_go_to_the_model_for_pictures_when_the_one_that_answers_is_blind() {
        let words = json!({ "role": "user", "content": [{ "type": "text", "text": "hi" }] });
        let picture = json!({ "role": "user", "content": [
            { "type": "text", "text": "what is this?" },
            { "type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png" } ] });
        let own = ["home/blind", "home/other"];
        let eyes = json!({ "primary": "home/eyes", "fallbacks": ["home/more-eyes", "home/other"] });
        assert_eq!(chain(eyes.clone(), &words), own);
        assert_eq!(
            chain(eyes, &picture),
            ["home/eyes", "home/more-eyes", "home/blind", "home/other"]
        );
        assert_eq!(chain(json!("home/eyes"), &picture)[0], "home/eyes");
        // One that can't see either is no help.
        assert_eq!(chain(json!("home/other"), &picture), own);
        assert_eq!(chain(Value::Null, &picture), own);
    }
}
