//! Forms, slash commands and the Home tab in the demo, as text: what opens is shown with its fields numbered, `fill` and
//! `submit` do what hands would, and what comes back to Ana alone is shown like any other answer.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::blocks::{self, button_called, buttons_in, tame, unwired};
use super::{ANA, Asked, Dm, PATIENCE, something};
use crate::sandbox::slack::Whisper;

/// The id that the sandbox gives the Home tab of Ana.
const HOME: &str = "V0HOMEU0ANN01";
/// How long a Home tab that looks as it did is waited for: such a one is not published again.
const HOME_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);

/// A form that is open.
pub(super) struct Form {
    view: Value,
    /// What was filled in, by field.
    filled: BTreeMap<String, String>,
}

/// What was there before something was done: what comes of it is news.
struct Before {
    whispers: Vec<Whisper>,
    forms: Vec<String>,
    /// Conversations in which an answer may come, with the newest message of each.
    newest: Vec<(String, String)>,
}

/// A field of a form.
struct Field<'a> {
    id: &'a str,
    label: &'a str,
    element: &'a Value,
}

impl Form {
    fn fields(&self) -> Vec<Field<'_>> {
        let blocks = self.view["blocks"].as_array().into_iter().flatten();
        blocks
            .filter(|block| block["type"] == "input")
            .filter_map(|block| {
                Some(Field {
                    id: block["block_id"].as_str()?,
                    label: block["label"]["text"].as_str().unwrap_or_default(),
                    element: &block["element"],
                })
            })
            .collect()
    }

    /// By its number, its name or its label.
    fn field(&self, which: &str) -> Option<Field<'_>> {
        let number = which.parse::<usize>().ok();
        let is = |text: &str| text.eq_ignore_ascii_case(which);
        (1..)
            .zip(self.fields())
            .find(|(at, field)| number == Some(*at) || is(field.id) || is(field.label))
            .map(|(_, field)| field)
    }

    fn values(&self) -> Value {
        let mut values = Map::new();
        for field in self.fields() {
            let filled = self.filled.get(field.id);
            let kind = field.element["type"].as_str().unwrap_or_default();
            let value = match (kind, filled) {
                ("static_select", Some(name)) => {
                    let chosen = field.choice(name).cloned();
                    json!({"type": kind, "selected_option": chosen})
                }
                ("static_select", None) => {
                    json!({"type": kind, "selected_option": field.element["initial_option"]})
                }
                ("datepicker", filled) => {
                    let date = filled.filter(|date| !date.is_empty());
                    json!({"type": kind, "selected_date": date})
                }
                (_, Some(text)) => json!({"type": kind, "value": text}),
                (_, None) => json!({"type": kind, "value": field.element["initial_value"]}),
            };
            values.insert(field.id.to_owned(), json!({ field.id: value }));
        }
        Value::Object(values)
    }
}

impl<'a> Field<'a> {
    fn choices(&self) -> Vec<&'a Value> {
        let element = self.element;
        let groups = element["option_groups"].as_array().into_iter().flatten();
        groups
            .chain([element])
            .flat_map(|group| group["options"].as_array().into_iter().flatten())
            .collect()
    }

    /// What can be chosen, by its name.
    fn choice(&self, name: &str) -> Option<&'a Value> {
        let is = |option: &Value| {
            let shown = option["text"]["text"].as_str().unwrap_or_default();
            shown.eq_ignore_ascii_case(name)
        };
        self.choices().into_iter().find(|option| is(option))
    }

    /// What stands in it.
    fn holds(&self, filled: Option<&String>) -> String {
        let initial = || {
            let chosen = &self.element["initial_option"]["text"]["text"];
            let text = self.element["initial_value"].as_str();
            text.or(chosen.as_str()).unwrap_or_default().to_owned()
        };
        filled.cloned().unwrap_or_else(initial).replace('\n', "\\n")
    }

    /// What may stand in it.
    fn hint(&self) -> String {
        let names: Vec<&str> = self
            .choices()
            .iter()
            .filter_map(|option| option["text"]["text"].as_str())
            .collect();
        match self.element["type"].as_str() {
            Some("datepicker") => "  (YYYY-MM-DD)".to_owned(),
            _ if names.is_empty() => String::new(),
            _ => format!("  ({})", names.join(", ")),
        }
    }
}

impl Dm {
    /// `shortcut new_task`, or `shortcut message [N]`: the N-th last message that was typed where Ana is.
    pub(super) async fn shortcut(&mut self, which: &str) {
        let before = self.before();
        let (name, number) = which.split_once(' ').unwrap_or((which, ""));
        let slack = self.sandbox.slack.clone();
        match name {
            "new_task" => {
                slack.shortcut(ANA, "new_task");
            }
            "message" => {
                let said = slack.messages(&self.place);
                let bot = slack.bot_user();
                let mut typed = said.iter().rev().filter(|message| message["user"] != bot);
                let nth = number.trim().parse::<usize>().unwrap_or(1).max(1);
                let Some(ts) = typed.nth(nth - 1).and_then(|one| one["ts"].as_str()) else {
                    return self.print("       (nobody has said so many things there)");
                };
                slack.message_action(ANA, &self.place, ts, "create_task");
            }
            _ => {
                return self.print(
                    "       (`shortcut new_task`, or `shortcut message` for what was typed last, `shortcut message 2` before)",
                );
            }
        }
        self.show_what_comes(before).await;
    }

    /// `/ivan …`, where Ana spoke last.
    pub(super) async fn slash(&mut self, text: &str) {
        let before = self.before();
        let slack = &self.sandbox.slack;
        slack.commands(ANA, &self.place, "/ivan", text);
        self.show_what_comes(before).await;
    }

    /// Presses a button that opens a form.
    pub(super) async fn press_for_a_form(&mut self, channel: &str, ts: Option<&str>, action: &str) {
        let before = self.before();
        let slack = &self.sandbox.slack;
        match ts {
            Some(ts) => slack.clicks(ANA, channel, ts, action),
            None => slack.clicks_home(ANA, action),
        };
        self.show_what_comes(before).await;
    }

    /// `fill FIELD VALUE`
    pub(super) fn fill(&mut self, what: &str) {
        let Some(form) = &mut self.form else {
            return self.print(NO_FORM);
        };
        let (which, value) = what.split_once(' ').unwrap_or((what, ""));
        let value = value.trim().replace("\\n", "\n");
        let Some(field) = form.field(which) else {
            return self.print("       (there is no such field: its number or its name)");
        };
        let is_choice = field.element["type"] == "static_select";
        if is_choice && !value.is_empty() && field.choice(&value).is_none() {
            let hint = field.hint();
            return self.print(&format!("       (that cannot be chosen there{hint})"));
        }
        let id = field.id.to_owned();
        form.filled.insert(id, value);
        self.show_form(&BTreeMap::new());
    }

    /// `submit`
    pub(super) async fn submit(&mut self) {
        let before = self.before();
        let Some(form) = &self.form else {
            return self.print(NO_FORM);
        };
        let id = form.view["id"].as_str().unwrap_or_default();
        let slack = self.sandbox.slack.clone();
        let envelope = slack.submits(ANA, id, form.values());
        let acked = async {
            loop {
                let acks = slack.acks().into_iter();
                let ack = acks.filter(|ack| ack.counts);
                match ack.into_iter().find(|ack| ack.envelope_id == envelope) {
                    Some(ack) => return ack.payload.unwrap_or_default(),
                    None => something(&mut self.slack).await,
                }
            }
        };
        let Ok(answer) = tokio::time::timeout(PATIENCE, acked).await else {
            return self.print("       (the form was not answered)");
        };
        let errors: BTreeMap<String, String> = answer["errors"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(field, why)| Some((field.clone(), why.as_str()?.to_owned())))
            .collect();
        if !errors.is_empty() {
            return self.show_form(&errors);
        }
        self.form = None;
        self.show_what_comes(before).await;
    }

    /// `cancel`
    pub(super) fn cancel(&mut self) {
        match self.form.take() {
            None => self.print(NO_FORM),
            Some(form) => {
                let id = form.view["id"].as_str().unwrap_or_default();
                self.sandbox.slack.closes(id);
                self.print("       (closed; nothing was done)");
            }
        }
    }

    /// `home`
    pub(super) async fn show_home(&mut self) {
        let slack = self.sandbox.slack.clone();
        let hash = |view: Option<Value>| view.map(|view| view["hash"].clone());
        let before = hash(self.home_view());
        slack.opens_tab(ANA, "home");
        let published = async {
            while hash(self.home_view()) == before {
                something(&mut self.slack).await;
            }
        };
        // One that looks as it did stands there already.
        let _ = tokio::time::timeout(HOME_WITHIN, published).await;
        let Some(view) = self.home_view() else {
            return self.print("       (the Home tab is empty)");
        };
        let paint = |look, text: &str| self.look(look, text);
        for line in blocks::shown(&view["blocks"], &paint) {
            self.print(format!("       {line}").trim_end());
        }
        self.at_home = true;
        self.whispered = None;
    }

    pub(super) fn home_view(&self) -> Option<Value> {
        let mut views = self.sandbox.slack.views().into_iter();
        views.find(|view| view["id"] == HOME)
    }

    fn before(&self) -> Before {
        let slack = &self.sandbox.slack;
        let dm = slack.dm(ANA);
        let newest = |channel: &str| {
            let newest = slack.messages(channel).pop();
            let ts = newest.and_then(|message| message["ts"].as_str().map(str::to_owned));
            (channel.to_owned(), ts.unwrap_or_default())
        };
        let mut places = vec![newest(&dm)];
        if self.place != dm {
            places.push(newest(&self.place));
        }
        Before {
            whispers: self.whispers(),
            forms: self.forms().iter().map(id_of).collect(),
            newest: places,
        }
    }

    /// What only Ana has been shown so far.
    fn whispers(&self) -> Vec<Whisper> {
        let all = self.sandbox.slack.whispers().into_iter();
        all.filter(|whisper| whisper.user == ANA && !whisper.text.is_empty())
            .collect()
    }

    /// Presses a button of what only Ana sees.
    pub(super) async fn press_whisper(&mut self, whisper: &Whisper, which: &str) {
        let buttons = buttons_in(&whisper.blocks);
        let Some(button) = button_called(&buttons, which) else {
            return self.print("       (there is no such button there, or not any more)");
        };
        if let Some(url) = &button.url {
            return self.print(&format!("       (opens {url})"));
        }
        let before = self.before();
        let slack = &self.sandbox.slack;
        slack.clicks_whisper(&whisper.ts, &button.action);
        self.show_what_comes(before).await;
    }

    /// The forms that are open.
    fn forms(&self) -> Vec<Value> {
        let views = self.sandbox.slack.views().into_iter();
        views.filter(|view| view["type"] == "modal").collect()
    }

    /// Waits for a form, for something that only Ana sees, or for a message, and shows it.
    async fn show_what_comes(&mut self, mut before: Before) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            // New, or in place of what was pressed.
            let mut whispers = self.whispers().into_iter();
            if let Some(whisper) = whispers.find(|whisper| !before.whispers.contains(whisper)) {
                before.whispers.push(whisper.clone());
                self.show_whisper(&whisper);
                self.show_requests();
                if whisper.text.starts_with('…') {
                    continue;
                }
                return;
            }
            let opened = self.forms().into_iter();
            let mut opened = opened.filter(|view| !before.forms.contains(&id_of(view)));
            if let Some(view) = opened.next() {
                self.form = Some(Form {
                    view,
                    filled: BTreeMap::new(),
                });
                return self.show_form(&BTreeMap::new());
            }
            let asked = before.newest.iter().map(|(channel, after)| Asked {
                channel: channel.clone(),
                after: after.clone(),
                thread: None,
            });
            let answered = asked
                .into_iter()
                .find(|asked| self.answer_to(asked).is_some());
            if let Some(asked) = answered {
                return self.show_answer(asked).await;
            }
            let next = something(&mut self.slack);
            if tokio::time::timeout_at(deadline, next).await.is_err() {
                return self.print("       (nothing came of it)");
            }
        }
    }

    fn show_whisper(&mut self, whisper: &Whisper) {
        self.speak(&whisper.text, &whisper.blocks, Some("only you see this"));
        self.whispered = Some(whisper.clone());
        self.at_home = false;
    }

    /// The form that is open, with what is wrong with its fields.
    fn show_form(&mut self, errors: &BTreeMap<String, String>) {
        let Some(form) = &self.form else {
            return;
        };
        let title = form.view["title"]["text"].as_str().unwrap_or_default();
        let mut lines = vec![format!("       ── {title} ──")];
        let blocks = form.view["blocks"].as_array().into_iter().flatten();
        let texts = blocks.filter_map(|block| block["text"]["text"].as_str());
        let paint = |look, text: &str| self.look(look, text);
        lines.extend(texts.map(|text| format!("       {}", unwired(text, &paint))));
        for (number, field) in (1..).zip(form.fields()) {
            let holds = field.holds(form.filled.get(field.id));
            let mut line = format!("       {number} {}:", field.id);
            if !holds.is_empty() {
                line.push_str(&format!(" {holds}"));
            }
            line.push_str(&field.hint());
            lines.push(tame(&line));
            if let Some(why) = errors.get(field.id) {
                lines.push(format!("         ✗ {why}"));
            }
        }
        lines.push("       `fill 1 …` or `fill title …`, then `submit` or `cancel`".to_owned());
        self.print(&lines.join("\n"));
    }
}

const NO_FORM: &str = "       (no form is open: `shortcut new_task`, or press Comment on a card)";

fn id_of(view: &Value) -> String {
    view["id"].as_str().unwrap_or_default().to_owned()
}
