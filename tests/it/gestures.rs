//! Further verbs of the stories: slash commands with their ephemeral answers, shortcuts, and forms.
#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use ivan::sandbox::slack::SandboxSlack;
use serde_json::{Map, Value, json};

use crate::harness::*;

/// The ephemeral answers of one person by `response_url`, in order, as they see them. Notices that a source is slow are
/// left out: the numbering must not depend on the machine.
pub fn whispers(slack: &SandboxSlack, who: &str) -> Vec<String> {
    slack
        .whispers()
        .iter()
        .filter(|whisper| whisper.user == who && whisper.from == "response_url")
        .filter(|whisper| !is_slow(&whisper.text))
        .map(|whisper| shown(&whisper.text))
        .collect()
}

impl Ivan {
    /// Types `/ivan …` in a channel, given by its id, and waits for the ephemeral outcome.
    pub async fn slash(&self, who: &str, channel: &str, text: &str) -> String {
        let before = whispers(self.slack(), who).len();
        self.slack().commands(who, channel, "/ivan", text);
        self.is_whispered(who, before, |text| !text.starts_with('…'))
            .await
    }

    /// Waits until a person has an ephemeral answer like this, after the first `before`.
    pub async fn is_whispered(
        &self,
        who: &str,
        before: usize,
        what: impl Fn(&str) -> bool,
    ) -> String {
        let found = |slack: &SandboxSlack| {
            let said = whispers(slack, who);
            said.get(before..)
                .and_then(|new| new.iter().find(|text| what(text)).cloned())
        };
        let event = self.slack().until(|slack| found(slack).is_some());
        self.within("it is whispered", event).await;
        found(self.slack()).unwrap()
    }

    /// Waits until this many forms are open; returns the newest one.
    pub async fn form(&self, open: usize) -> Form<'_> {
        let event = self.slack().until(|slack| modals(slack).len() >= open);
        self.within("the form is open", event).await;
        // Their ids are random and their hashes begin with the second, so the newest is the one not seen before.
        let view = modals(self.slack()).pop().unwrap();
        Form { ivan: self, view }
    }
}

/// The options of a menu, from all its groups.
fn options(menu: &Value) -> Vec<Value> {
    let groups = menu["option_groups"].as_array().into_iter().flatten();
    groups
        .chain([menu])
        .flat_map(|group| group["options"].as_array().cloned().unwrap_or_default())
        .collect()
}

/// The forms that are open.
pub fn modals(slack: &SandboxSlack) -> Vec<Value> {
    let views = slack.views().into_iter();
    views.filter(|view| view["type"] == "modal").collect()
}

/// A form as a person sees it.
pub struct Form<'a> {
    ivan: &'a Ivan,
    pub view: Value,
}

impl<'a> Form<'a> {
    pub fn of(ivan: &'a Ivan, view: Value) -> Form<'a> {
        Form { ivan, view }
    }

    fn element(&self, field: &str) -> Value {
        let blocks = self.view["blocks"].as_array().unwrap();
        let block = blocks.iter().find(|block| block["block_id"] == field);
        block.map(|block| block["element"].clone()).unwrap()
    }

    /// Its fields, from top to bottom.
    pub fn fields(&self) -> Vec<String> {
        let blocks = self.view["blocks"].as_array().unwrap();
        let fields = blocks.iter().filter(|block| block["type"] == "input");
        fields
            .map(|block| block["block_id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The initial value of a field.
    pub fn holds(&self, field: &str) -> String {
        let element = self.element(field);
        let chosen = &element["initial_option"]["text"]["text"];
        let text = element["initial_value"].as_str().or(chosen.as_str());
        text.unwrap_or_default().to_owned()
    }

    /// The options of a field.
    pub fn choices(&self, field: &str) -> Vec<String> {
        let element = self.element(field);
        options(&element)
            .iter()
            .map(|option| option["text"]["text"].as_str().unwrap().to_owned())
            .collect()
    }

    pub fn shows(&self, words: &str) -> bool {
        self.view["blocks"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|block| block["text"]["text"].as_str())
            .any(|text| shown(text).contains(words))
    }

    /// Fills in fields over their initial values, and submits; returns the envelope's id.
    pub fn submit(&self, who: &str, fields: &[(&str, &str)]) -> String {
        let mut values = Map::new();
        for block in self.view["blocks"].as_array().unwrap() {
            let Some(field) = block["block_id"]
                .as_str()
                .filter(|_| block["type"] == "input")
            else {
                continue;
            };
            let element = &block["element"];
            let typed = fields.iter().find(|(name, _)| *name == field);
            let typed = typed.map(|(_, value)| json!(value));
            let value = if element["type"] == "static_select" {
                let chosen = match typed {
                    // By its name, if it is one of the options.
                    Some(value) => options(element)
                        .into_iter()
                        .find(|option| option["text"]["text"] == value)
                        .unwrap_or_else(|| json!({"value": value})),
                    None => element["initial_option"].clone(),
                };
                json!({"type": "static_select", "selected_option": chosen})
            } else if element["type"] == "datepicker" {
                let value = typed.unwrap_or_else(|| element["initial_date"].clone());
                json!({"type": "datepicker", "selected_date": value})
            } else {
                let value = typed.unwrap_or_else(|| element["initial_value"].clone());
                json!({"type": "plain_text_input", "value": value})
            };
            values.insert(field.to_owned(), json!({ field: value }));
        }
        let id = self.view["id"].as_str().unwrap();
        self.ivan.slack().submits(who, id, Value::Object(values))
    }

    /// Submits, and returns the payload of the acknowledgement.
    pub async fn submits(&self, who: &str, fields: &[(&str, &str)]) -> Value {
        let envelope = self.submit(who, fields);
        self.ivan.answered(&envelope).await
    }
}

impl Ivan {
    /// The payload of an envelope's acknowledgement.
    pub async fn answered(&self, envelope: &str) -> Value {
        let ack = |slack: &SandboxSlack| {
            let acks = slack.acks().into_iter();
            acks.filter(|ack| ack.counts)
                .find(|ack| ack.envelope_id == envelope)
        };
        let event = self.slack().until(|slack| ack(slack).is_some());
        self.within("it is acknowledged", event).await;
        let ack = ack(self.slack()).unwrap();
        assert!(ack.after_ms < 3_000, "Slack waits 3 s: {ack:?}");
        ack.payload.unwrap_or_default()
    }
}
