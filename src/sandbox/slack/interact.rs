//! Interactions in the workspace (docs/contracts/slack.md#buttons-shortcuts-and-forms): triggers, response URLs, answers, views.

use serde_json::{Map, Value, json};

use super::world::{Changed, EphemeralPost, ErrorCode, PostDraft, Response, SlackWorld, Trigger};
use super::{blocks, ids, text};
use crate::sandbox::now;

/// The lifetime of a `trigger_id` in milliseconds (docs/contracts/slack.md#buttons-shortcuts-and-forms).
const TRIGGER_LIFE_MS: i64 = 3_000;
/// How many uses a `response_url` allows, and within how many milliseconds (docs/contracts/slack.md#buttons-shortcuts-and-forms).
const RESPONSE_URL: (u32, i64) = (5, 30 * 60 * 1_000);

/// The effect of an answer to a command or through a `response_url`.
pub(super) enum ResponseEffect {
    /// A message in that channel.
    Changed(String, Changed),
    Whisper(EphemeralPost),
    /// An ephemeral message was replaced or deleted.
    Replaced(EphemeralPost),
    Nothing,
}

impl SlackWorld {
    /// A fresh `trigger_id` of that person.
    pub(super) fn trigger(&mut self, user: &str) -> String {
        let id = format!(
            "{}.{}.{}",
            fastrand::u32(..),
            fastrand::u32(..),
            ids::short(32).to_lowercase()
        );
        self.triggers.insert(
            id.clone(),
            Trigger {
                user: user.to_owned(),
                made_ms: now(),
                used: false,
            },
        );
        id
    }

    /// Makes every `trigger_id` older.
    pub(super) fn age_triggers(&mut self, by_ms: i64) {
        for trigger in self.triggers.values_mut() {
            trigger.made_ms = trigger.made_ms.saturating_sub(by_ms);
        }
    }

    /// Uses a `trigger_id` up (docs/contracts/slack.md#buttons-shortcuts-and-forms); returns its person.
    pub(super) fn exchange(&mut self, trigger: &str) -> Result<String, ErrorCode> {
        let trigger = self.triggers.get_mut(trigger).ok_or("invalid_trigger_id")?;
        if trigger.used {
            return Err("exchanged_trigger_id");
        }
        if now() - trigger.made_ms > TRIGGER_LIFE_MS {
            return Err("expired_trigger_id");
        }
        trigger.used = true;
        Ok(trigger.user.clone())
    }

    /// A new id of a `response_url` for that person in that channel. `message` is the target of `replace_original`.
    pub(super) fn response(&mut self, user: &str, channel: &str, message: Option<&str>) -> String {
        let id = ids::short(24);
        let response = Response {
            user: user.to_owned(),
            channel: channel.to_owned(),
            message: message.map(str::to_owned),
            made_ms: now(),
            uses: 0,
        };
        self.responses.insert(id.clone(), response);
        id
    }

    /// The payload of a slash command (docs/contracts/slack.md#slash-commands).
    pub(super) fn slash(
        &mut self,
        user: &str,
        channel: &str,
        command: &str,
        text: &str,
        base: &str,
    ) -> Value {
        let response = self.response(user, channel, None);
        json!({
            "token": "sandbox", "team_id": self.team.id, "team_domain": self.team.domain, "channel_id": channel,
            "channel_name": self.channel_name(channel), "user_id": user, "user_name": self.name_of(user),
            "command": command, "text": text, "api_app_id": self.app.id, "is_enterprise_install": "false",
            "response_url": format!("{base}/resp/{response}"), "trigger_id": self.trigger(user),
        })
    }

    /// Handles a post to a `response_url`. The real error bodies are unknown (docs/contracts/slack.md#to-be-confirmed); these are the sandbox's own.
    pub(super) fn respond(
        &mut self,
        id: &str,
        said: &Map<String, Value>,
    ) -> Result<ResponseEffect, ErrorCode> {
        let response = self.responses.get_mut(id).ok_or("no_such_url")?;
        if response.uses >= RESPONSE_URL.0 || now() - response.made_ms > RESPONSE_URL.1 {
            return Err("expired_url");
        }
        let (user, channel, original) = (
            response.user.clone(),
            response.channel.clone(),
            response.message.clone(),
        );
        let is = |name: &str| said.get(name).is_some_and(|on| on == true);
        if is("delete_original") && said.len() > 1 {
            return Err("invalid_payload");
        }
        let fields = message_fields(said)?;
        if fields.is_empty() && !is("delete_original") {
            return Err("no_text");
        }
        if let Some(response) = self.responses.get_mut(id) {
            response.uses += 1;
        }
        match original {
            Some(ts) if is("delete_original") || is("replace_original") => {
                if let Some(whisper) = self.whispers.iter_mut().find(|one| one.ts == ts) {
                    let mut fields = fields;
                    let text = fields.remove("text").unwrap_or_default();
                    whisper.text = text.as_str().unwrap_or_default().to_owned();
                    whisper.blocks = fields.remove("blocks").unwrap_or_default();
                    return Ok(ResponseEffect::Replaced(whisper.clone()));
                }
                if is("replace_original") {
                    let bot = self.bot.user.clone();
                    // The whole message is replaced: an answer with text only removes the old blocks.
                    let mut fields = fields;
                    fields.entry("blocks").or_insert(Value::Null);
                    let changed = self.edit(&channel, &ts, &bot, fields)?;
                    return Ok(ResponseEffect::Changed(channel, changed));
                }
                let changed = self.delete(&channel, &ts)?;
                Ok(ResponseEffect::Changed(channel, changed))
            }
            _ => self.answer(&channel, &user, said, "response_url"),
        }
    }

    /// An answer to a slash command or through a `response_url`: ephemeral unless `response_type` says otherwise.
    pub(super) fn answer(
        &mut self,
        channel: &str,
        user: &str,
        said: &Map<String, Value>,
        from: &'static str,
    ) -> Result<ResponseEffect, ErrorCode> {
        let mut fields = message_fields(said)?;
        if fields.is_empty() {
            return Ok(ResponseEffect::Nothing);
        }
        let thread_ts = said
            .get("thread_ts")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let text = fields
            .remove("text")
            .and_then(|text| text.as_str().map(str::to_owned))
            .unwrap_or_default();
        match said.get("response_type").and_then(Value::as_str) {
            Some("in_channel") => {
                let draft = PostDraft {
                    author: self.bot.user.clone(),
                    text,
                    thread_ts,
                    extra: fields,
                    ..PostDraft::default()
                };
                Ok(ResponseEffect::Changed(
                    channel.to_owned(),
                    self.post(channel, draft)?,
                ))
            }
            None | Some("ephemeral") => {
                let (channel, user) = (channel.to_owned(), user.to_owned());
                Ok(ResponseEffect::Whisper(EphemeralPost {
                    ts: self.next_ts(),
                    channel,
                    user,
                    text,
                    blocks: fields.remove("blocks").unwrap_or_default(),
                    thread_ts,
                    from,
                }))
            }
            Some(_) => Err("invalid_payload"),
        }
    }

    /// Stores a checked view with a new hash, under a new id or the id of a Home tab.
    pub(super) fn keep_view(
        &mut self,
        mut view: Map<String, Value>,
        id: Option<String>,
    ) -> Map<String, Value> {
        let id = id.unwrap_or_else(|| ids::slack("V0"));
        let own = [
            ("id", json!(id)),
            ("team_id", json!(self.team.id)),
            ("app_id", json!(self.app.id)),
            ("bot_id", json!(self.bot.id)),
            (
                "hash",
                json!(format!("{}.{}", now() / 1_000, ids::short(8))),
            ),
            ("state", json!({"values": {}})),
            ("root_view_id", json!(id)),
            ("previous_view_id", Value::Null),
        ];
        view.extend(own.map(|(name, value)| (name.to_owned(), value)));
        for name in ["private_metadata", "callback_id", "external_id"] {
            view.entry(name).or_insert_with(|| json!(""));
        }
        self.views.insert(id, view.clone());
        view
    }

    pub(super) fn view(&self, id: &str) -> Option<&Map<String, Value>> {
        self.views.get(id)
    }

    pub(super) fn close_view(&mut self, id: &str) {
        self.views.remove(id);
        self.viewers.remove(id);
    }

    /// The open modals of a person, in the order of their ids.
    pub(super) fn modals_of(&self, user: &str) -> Vec<Value> {
        let theirs = self.viewers.iter().filter(|(_, viewer)| *viewer == user);
        let views = theirs.filter_map(|(id, _)| self.views.get(id));
        views.cloned().map(Value::Object).collect()
    }

    /// The open modals, and the Home tabs (under [`home_id`]).
    pub(super) fn views(&self) -> Vec<Value> {
        self.views.values().cloned().map(Value::Object).collect()
    }

    pub(super) fn has_external_id(&self, external_id: &str) -> bool {
        !external_id.is_empty()
            && self
                .views
                .values()
                .any(|view| view.get("external_id").is_some_and(|id| id == external_id))
    }
}

/// The id of a person's Home tab.
pub(super) fn home_id(user: &str) -> String {
    format!("V0HOME{user}")
}

/// The `text` and `blocks` of an answer, as Slack stores them.
fn message_fields(said: &Map<String, Value>) -> Result<Map<String, Value>, ErrorCode> {
    let mut fields = Map::new();
    match said.get("text") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(Value::String(text)) => {
            fields.insert("text".to_owned(), json!(text::posted(text)));
        }
        Some(_) => return Err("invalid_payload"),
    }
    if let Some(list) = said.get("blocks") {
        let kept = blocks::check(list, blocks::IN_MESSAGE).map_err(|bad| bad.code)?;
        fields.insert("blocks".to_owned(), Value::Array(kept));
    }
    Ok(fields)
}
