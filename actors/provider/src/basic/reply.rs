//! What is answered.

use serde_json::Value;
use serde_json::json;

use super::intent::Heard;
use super::intent::Intent;
use super::language::Language;
use super::result::Found;
use crate::model::ModelRequest;

/// An answer, or a tool to ask first.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Say(String),
    Call {
        name: &'static str,
        arguments: Value,
    },
}

/// How much of the person's words is echoed.
const ECHO: usize = 80;

/// Answers a person's words.
pub(super) fn to_words(heard: &Heard, request: &ModelRequest) -> Outcome {
    let language = heard.language;
    let ask = |name: &'static str, arguments: Value| {
        if request.tools.iter().any(|tool| tool.name == name) {
            return Outcome::Call { name, arguments };
        }
        Outcome::Say(format!(
            "{} `{name}` {}",
            language.pick(
                "For that I need the tool",
                "Pour cela il me faut l'outil",
                "Dafür brauche ich das Werkzeug"
            ),
            language.pick(
                "and it is switched off here.",
                "et il est désactivé ici.",
                "und es ist hier abgeschaltet."
            ),
        ))
    };
    match &heard.intent {
        Intent::Status => ask("gateway_status", json!({ "what": "status" })),
        Intent::Configured => ask("gateway_status", json!({ "what": "configured" })),
        Intent::Time => ask("current_time", json!({})),
        Intent::Note(text) => ask("memory_note", json!({ "text": text })),
        Intent::Recall(query) => ask("memory_search", json!({ "query": query })),
        Intent::Notes => ask("memory_search", json!({ "query": "" })),
        other => Outcome::Say(saying(other, language)),
    }
}

fn saying(intent: &Intent, language: Language) -> String {
    match intent {
        Intent::Greeting => language.pick(
            "Hello! I am the gateway's built-in assistant: I follow fixed rules and cannot reason. I can take and find notes, tell the time and the gateway's status. Say \"help\" to see how.",
            "Bonjour ! Je suis l'assistant intégré de la passerelle : je suis des règles fixes et ne raisonne pas. Je prends et retrouve des notes, je donne l'heure et l'état de la passerelle. Dites « aide » pour voir comment.",
            "Hallo! Ich bin der eingebaute Assistent des Gateways: Ich folge festen Regeln und kann nicht nachdenken. Ich schreibe und finde Notizen, sage die Uhrzeit und den Zustand des Gateways. Sagen Sie „Hilfe“, um zu sehen wie.",
        ).to_owned(),
        Intent::Thanks => language.pick("You're welcome.", "Avec plaisir.", "Gern geschehen.").to_owned(),
        Intent::Goodbye => language.pick(
            "Goodbye. The gateway keeps running; write whenever you like.",
            "Au revoir. La passerelle continue ; écrivez quand vous voulez.",
            "Auf Wiedersehen. Das Gateway läuft weiter; schreiben Sie, wann Sie möchten.",
        ).to_owned(),
        Intent::Nothing => language.pick(
            "I can only read text, and there was none. Say \"help\" to see what I can do.",
            "Je ne lis que du texte, et il n'y en avait pas. Dites « aide » pour voir ce que je sais faire.",
            "Ich lese nur Text, und es war keiner da. Sagen Sie „Hilfe“, um zu sehen, was ich kann.",
        ).to_owned(),
        Intent::NoteWhat => language.pick(
            "What should I note? For instance: \"remember that the bins go out on Tuesday\".",
            "Que dois-je noter ? Par exemple : « retiens que les poubelles sortent le mardi ».",
            "Was soll ich notieren? Zum Beispiel: „merke dir, dass dienstags die Tonnen rausmüssen“.",
        ).to_owned(),
        Intent::Who => format!("{}\n\n{}", who(language), connect(language)),
        Intent::Connect => connect(language).to_owned(),
        Intent::Help => format!("{}\n\n{}\n\n{}", who(language), abilities(language), connect(language)),
        Intent::Other(text) => {
            let said = shorten(text);
            let opening = match language {
                Language::English => format!("You wrote \"{said}\". I follow fixed rules and cannot reason, so I have no answer to that."),
                Language::French => format!("Vous avez écrit « {said} ». Je suis des règles fixes et ne raisonne pas : je n'ai pas de réponse à cela."),
                Language::German => format!("Sie schrieben „{said}“. Ich folge festen Regeln und kann nicht nachdenken, darum habe ich darauf keine Antwort."),
            };
            format!("{opening}\n\n{}\n\n{}", abilities(language), connect(language))
        }
        _ => String::new(),
    }
}

fn who(language: Language) -> &'static str {
    language.pick(
        "I am `builtin/basic`, the gateway's built-in assistant. I am a set of rules, not a language model: no network, no key, nothing leaves this machine.",
        "Je suis `builtin/basic`, l'assistant intégré de la passerelle. Je suis un ensemble de règles, pas un modèle de langage : ni réseau, ni clé, rien ne quitte cette machine.",
        "Ich bin `builtin/basic`, der eingebaute Assistent des Gateways. Ich bin ein Satz Regeln, kein Sprachmodell: kein Netz, kein Schlüssel, nichts verlässt diesen Rechner.",
    )
}

fn abilities(language: Language) -> &'static str {
    language.pick(
        "What I can do:\n- take a note: \"remember that …\", \"note: …\"\n- find notes: \"what do you know about …\", \"recall …\", \"my notes\"\n- tell the time: \"what time is it\"\n- tell how the gateway is: \"status\"\n- tell what is set up: \"what is configured\"",
        "Ce que je sais faire :\n- noter : « retiens que … », « note : … »\n- retrouver : « que sais-tu sur … », « mes notes »\n- donner l'heure : « quelle heure est-il »\n- donner l'état de la passerelle : « statut »\n- dire ce qui est configuré : « qu'est-ce qui est configuré »",
        "Was ich kann:\n- notieren: „merke dir, dass …“, „notiz: …“\n- Notizen finden: „was weißt du über …“, „meine Notizen“\n- die Uhrzeit sagen: „wie spät ist es“\n- den Zustand des Gateways sagen: „Zustand“\n- sagen, was eingerichtet ist: „was ist konfiguriert“",
    )
}

fn connect(language: Language) -> &'static str {
    language.pick(
        "To talk to a model that reasons, either\n- start a local model server (Ollama, LM Studio or llama.cpp): the gateway finds it by itself, or\n- set a key, for instance `ANTHROPIC_API_KEY` or `OPENAI_API_KEY`, or run `openclaw config set models.providers.openai.apiKey <key>`.\n\n`openclaw models status` shows what is chosen and why.",
        "Pour parler à un modèle qui raisonne, soit\n- démarrez un serveur de modèles local (Ollama, LM Studio ou llama.cpp) : la passerelle le trouve d'elle-même, soit\n- donnez une clé, par exemple `ANTHROPIC_API_KEY` ou `OPENAI_API_KEY`, ou lancez `openclaw config set models.providers.openai.apiKey <clé>`.\n\n`openclaw models status` montre ce qui est choisi et pourquoi.",
        "Um mit einem Modell zu sprechen, das nachdenkt, entweder\n- einen lokalen Modellserver starten (Ollama, LM Studio oder llama.cpp): das Gateway findet ihn von selbst, oder\n- einen Schlüssel setzen, zum Beispiel `ANTHROPIC_API_KEY` oder `OPENAI_API_KEY`, oder `openclaw config set models.providers.openai.apiKey <Schlüssel>` ausführen.\n\n`openclaw models status` zeigt, was gewählt ist und warum.",
    )
}

/// Puts what tools gave back into words.
pub(super) fn to_results(heard: &Heard, results: &[Found]) -> Outcome {
    let said: Vec<String> = results.iter().map(|found| result(heard, found)).collect();
    Outcome::Say(said.join("\n\n"))
}

fn result(heard: &Heard, found: &Found) -> String {
    let language = heard.language;
    if found.failed {
        let opening = language.pick(
            "That did not work:",
            "Cela n'a pas marché :",
            "Das hat nicht geklappt:",
        );
        return format!("{opening} {}", found.text);
    }
    let value: Value = serde_json::from_str(&found.text).unwrap_or(Value::Null);
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    match found.tool.as_str() {
        "memory_note" => {
            let place = field("path").unwrap_or("memory");
            match language {
                Language::English => format!("Noted, in `{place}`."),
                Language::French => format!("C'est noté, dans `{place}`."),
                Language::German => format!("Notiert, in `{place}`."),
            }
        }
        "current_time" => match field("local") {
            Some(time) => {
                let zone = field("zone").unwrap_or_default();
                let opening = language.pick("It is", "Il est", "Es ist");
                format!("{opening} {time} {zone}").trim_end().to_owned() + "."
            }
            None => found.text.clone(),
        },
        "memory_search" => notes(heard, &value),
        _ if value.is_object() => {
            let opening = language.pick(
                "Here is what I know:",
                "Voici ce que je sais :",
                "Das weiß ich:",
            );
            format!("{opening}\n{}", outline(&value))
        }
        _ => found.text.clone(),
    }
}

fn notes(heard: &Heard, value: &Value) -> String {
    let language = heard.language;
    let hits = value.get("results").and_then(Value::as_array);
    let line = |hit: &Value| {
        let text = hit.get("snippet")?.as_str()?.trim();
        let path = hit.get("path")?.as_str()?;
        Some(format!("- {} (`{path}`)", text.trim_start_matches("- ")))
    };
    let lines: Vec<String> = hits.into_iter().flatten().filter_map(line).collect();
    if !lines.is_empty() {
        let opening = language.pick("In the notes:", "Dans les notes :", "In den Notizen:");
        return format!("{opening}\n{}", lines.join("\n"));
    }
    match (&heard.intent, language) {
        (Intent::Recall(query), Language::English) => {
            format!("There is nothing about \"{query}\" in the notes.")
        }
        (Intent::Recall(query), Language::French) => {
            format!("Il n'y a rien sur « {query} » dans les notes.")
        }
        (Intent::Recall(query), Language::German) => {
            format!("Über „{query}“ steht nichts in den Notizen.")
        }
        _ => language
            .pick(
                "There are no notes yet. Say \"remember that …\" to begin.",
                "Il n'y a pas encore de notes. Dites « retiens que … » pour commencer.",
                "Es gibt noch keine Notizen. Sagen Sie „merke dir, dass …“, um anzufangen.",
            )
            .to_owned(),
    }
}

/// A JSON object as a short list, two levels deep.
fn outline(value: &Value) -> String {
    let mut lines = Vec::new();
    for (name, inner) in value.as_object().into_iter().flatten() {
        match inner {
            Value::Object(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .filter_map(|(name, inner)| Some(format!("{} {}", spaced(name), plain(inner)?)))
                    .collect();
                if !fields.is_empty() {
                    lines.push(format!("- {}: {}", spaced(name), fields.join(", ")));
                }
            }
            other => lines.extend(plain(other).map(|text| format!("- {}: {text}", spaced(name)))),
        }
    }
    lines.join("\n")
}

/// A value in one line; none for what has no short form.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => {
            let items: Vec<String> = list.iter().filter_map(plain).collect();
            (!items.is_empty()).then(|| items.join(", "))
        }
        other => Some(other.to_string()),
    }
}

/// `dmPolicy` as "dm policy".
fn spaced(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(ECHO) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}
