//! Forms, slash commands and the Home tab of the demo, as text. An opened form is printed with numbered fields; `fill`
//! and `submit` fill it in and send it. Ephemeral answers are printed like any other answer.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::blocks::{self, buttons_in, tame, unwired};
use super::{Asked, Dm, Home, NO_ANSWER, Shown, Side, Waited, waits};
use crate::sandbox::slack::EphemeralPost;

/// An open form.
pub(super) struct Form {
    view: Value,
    /// Values that were filled in, by field.
    filled: BTreeMap<String, String>,
}

/// The state before a gesture; later changes are news.
pub(super) struct Before {
    whispers: Vec<EphemeralPost>,
    forms: Vec<String>,
    /// Conversations that may get an answer, with the newest message of each.
    newest: Vec<(String, String)>,
}

/// The effect of a gesture.
enum News {
    Whisper(EphemeralPost),
    Form(Value),
    Answer(Asked),
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

    pub(super) fn names(&self) -> Vec<String> {
        let fields = self.fields().into_iter();
        fields.map(|field| field.id.to_owned()).collect()
    }

    /// Finds a field by its number, its name or its label.
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

    /// Finds an option by its name.
    fn choice(&self, name: &str) -> Option<&'a Value> {
        let is = |option: &Value| {
            let shown = option["text"]["text"].as_str().unwrap_or_default();
            shown.eq_ignore_ascii_case(name)
        };
        self.choices().into_iter().find(|option| is(option))
    }

    /// The value of the field as text.
    fn holds(&self, filled: Option<&String>) -> String {
        let initial = || {
            let chosen = &self.element["initial_option"]["text"]["text"];
            let text = self.element["initial_value"].as_str();
            text.or(chosen.as_str()).unwrap_or_default().to_owned()
        };
        filled.cloned().unwrap_or_else(initial).replace('\n', "\\n")
    }

    /// The values that the field accepts.
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
    /// `shortcut new_task`, or `shortcut message [N]` for the N-th last message typed in the current conversation.
    pub(super) async fn shortcut(&mut self, which: &str) -> Waited<()> {
        let before = self.before();
        let (name, number) = which.split_once(' ').unwrap_or((which, ""));
        let slack = self.sandbox.slack.clone();
        match name {
            "new_task" => {
                slack.shortcut(self.me.id, "new_task");
            }
            "message" => {
                let said = slack.messages(&self.me.place);
                let bot = slack.bot_user();
                let mut typed = said.iter().rev().filter(|message| message["user"] != bot);
                let nth = number.trim().parse::<usize>().unwrap_or(1).max(1);
                let Some(ts) = typed.nth(nth - 1).and_then(|one| one["ts"].as_str()) else {
                    return self.note("(there are not that many messages)");
                };
                slack.message_action(self.me.id, &self.me.place, ts, "create_task");
            }
            _ => {
                return self.note(
                    "(try `shortcut new_task`, or `shortcut message` for the last message, `shortcut message 2` \
                         for the one before)",
                );
            }
        }
        self.show_what_comes(before).await
    }

    /// `/ivan …`, in the conversation of the person's last message.
    pub(super) async fn slash(&mut self, text: &str) -> Waited<()> {
        let before = self.before();
        let slack = &self.sandbox.slack;
        slack.commands(self.me.id, &self.me.place, "/ivan", text);
        self.me.home = None;
        self.show_what_comes(before).await
    }

    /// `fill FIELD VALUE`
    pub(super) fn fill(&mut self, what: &str) -> Waited<()> {
        let Some(form) = &mut self.me.form else {
            return self.note(NO_FORM);
        };
        let (which, value) = what.split_once(' ').unwrap_or((what, ""));
        let value = value.trim().replace("\\n", "\n");
        let Some(field) = form.field(which) else {
            let names: Vec<String> = (1..)
                .zip(form.fields())
                .map(|(number, field)| format!("{number} {}", field.id))
                .collect();
            let names = names.join(", ");
            return self.note(&format!("(no field {which}; there are: {names})"));
        };
        let kind = field.element["type"].as_str().unwrap_or_default();
        if kind == "static_select" && !value.is_empty() && field.choice(&value).is_none() {
            let hint = field.hint();
            return self.note(&format!("(not one of the choices{hint})"));
        }
        let is_day =
            value.is_empty() || chrono::NaiveDate::parse_from_str(&value, "%Y-%m-%d").is_ok();
        if kind == "datepicker" && !is_day {
            return self.note("(not a date; use YYYY-MM-DD)");
        }
        let id = field.id.to_owned();
        form.filled.insert(id, value);
        self.show_form(&BTreeMap::new())
    }

    /// `submit`
    pub(super) async fn submit(&mut self) -> Waited<()> {
        let before = self.before();
        let Some(form) = &self.me.form else {
            return self.note(NO_FORM);
        };
        let id = form.view["id"].as_str().unwrap_or_default();
        let slack = self.sandbox.slack.clone();
        let envelope = slack.submits(self.me.id, id, form.values());
        let acked = |dm: &Dm| {
            let mut acks = dm.sandbox.slack.acks().into_iter();
            acks.find(|ack| ack.counts && ack.envelope_id == envelope)
        };
        let answer = match self.wait(acked).await {
            Waited::Came(ack) => ack.payload.unwrap_or_default(),
            Waited::Nothing => return self.note(NO_ANSWER),
            Waited::Interrupted => return Waited::Interrupted,
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
        self.me.form = None;
        self.show_what_comes(before).await
    }

    /// `cancel`
    pub(super) fn cancel(&mut self) -> Waited<()> {
        match self.me.form.take() {
            None => self.note(NO_FORM),
            Some(form) => {
                let id = form.view["id"].as_str().unwrap_or_default();
                self.sandbox.slack.closes(id);
                self.note("(closed)")
            }
        }
    }

    /// `home`
    pub(super) async fn show_home(&mut self) -> Waited<()> {
        self.sandbox.slack.opens_tab(self.me.id, "home");
        // Each opening publishes the tab again; an earlier version may lack recent changes.
        if let Waited::Interrupted = self.wait(|_| None::<()>).await {
            return Waited::Interrupted;
        }
        let Some(view) = self.home_view() else {
            return self.note("(the Home tab is empty)");
        };
        let paint = |look, text: &str| self.look(look, text);
        for line in blocks::shown(&view["blocks"], 1, &paint) {
            self.print(format!("       {line}").trim_end());
        }
        self.me.home = Some(Home {
            buttons: buttons_in(&view["blocks"]),
            answered: false,
        });
        Waited::Came(())
    }

    pub(super) fn home_view(&self) -> Option<Value> {
        let mut views = self.sandbox.slack.views().into_iter();
        // The sandbox names a person's Home tab so.
        let id = format!("V0HOME{}", self.me.id);
        views.find(|view| view["id"] == id.as_str())
    }

    /// The current state.
    pub(super) fn before(&self) -> Before {
        let slack = &self.sandbox.slack;
        let dm = self.me.dm.clone();
        let newest = |channel: &str| {
            let newest = slack.messages(channel).pop();
            let ts = newest.and_then(|message| message["ts"].as_str().map(str::to_owned));
            (channel.to_owned(), ts.unwrap_or_default())
        };
        let mut places = vec![newest(&dm)];
        if self.me.place != dm {
            places.push(newest(&self.me.place));
        }
        Before {
            whispers: self.whispers(),
            forms: self.forms().iter().map(id_of).collect(),
            newest: places,
        }
    }

    /// The ephemeral messages to the person who types so far.
    pub(super) fn whispers(&self) -> Vec<EphemeralPost> {
        self.whispers_to(&self.me)
    }

    pub(super) fn whispers_to(&self, side: &Side) -> Vec<EphemeralPost> {
        let all = self.sandbox.slack.whispers().into_iter();
        all.filter(|whisper| whisper.user == side.id && !whisper.text.is_empty())
            .collect()
    }

    /// The open forms.
    fn forms(&self) -> Vec<Value> {
        let views = self.sandbox.slack.views().into_iter();
        views.filter(|view| view["type"] == "modal").collect()
    }

    /// Waits for a form, an ephemeral message or a message, and shows it.
    pub(super) async fn show_what_comes(&mut self, before: Before) -> Waited<()> {
        match self.wait(|dm| dm.come_since(&before)).await {
            Waited::Came(News::Whisper(whisper)) => {
                self.show_whisper(&whisper);
                self.show_requests();
                if waits(&whisper.text) {
                    self.pending_whispers += 1;
                    if !self.screen.echoes {
                        self.settle().await;
                    }
                }
                Waited::Came(())
            }
            Waited::Came(News::Form(view)) => {
                self.me.form = Some(Form {
                    view,
                    filled: BTreeMap::new(),
                });
                self.show_form(&BTreeMap::new())
            }
            Waited::Came(News::Answer(asked)) => self.show_answer(asked, NO_ANSWER).await,
            Waited::Nothing => self.note(NO_ANSWER),
            Waited::Interrupted => Waited::Interrupted,
        }
    }

    fn come_since(&self, before: &Before) -> Option<News> {
        // New, or a replacement of the pressed message.
        let mut whispers = self.whispers().into_iter();
        if let Some(whisper) = whispers.find(|whisper| !before.whispers.contains(whisper)) {
            return Some(News::Whisper(whisper));
        }
        let opened = self.forms().into_iter();
        let mut opened = opened.filter(|view| !before.forms.contains(&id_of(view)));
        if let Some(view) = opened.next() {
            return Some(News::Form(view));
        }
        let mut asked = before.newest.iter().map(|(channel, after)| Asked {
            channel: channel.clone(),
            after: after.clone(),
            thread: None,
        });
        let answered = asked.find(|asked| self.answer_to(asked).is_some());
        answered.map(News::Answer)
    }

    pub(super) fn show_whisper(&mut self, whisper: &EphemeralPost) {
        let to_other = whisper.user == self.other.id;
        self.speak(
            to_other,
            &whisper.text,
            &whisper.blocks,
            Some("only you see this"),
        );
        self.known_whispers.retain(|known| known.ts != whisper.ts);
        self.known_whispers.push(whisper.clone());
        let side = self.side(to_other);
        side.said = None;
        side.last = Some(Shown::Whisper(whisper.clone()));
    }

    /// Shows the open form with the errors of its fields.
    fn show_form(&mut self, errors: &BTreeMap<String, String>) -> Waited<()> {
        let Some(form) = &self.me.form else {
            return Waited::Came(());
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
        lines.push(match form.fields().first() {
            Some(first) => {
                let id = tame(first.id);
                format!("       `fill 1 …` or `fill {id} …`, then `submit` or `cancel`")
            }
            None => "       `submit` or `cancel`".to_owned(),
        });
        self.print(&lines.join("\n"));
        Waited::Came(())
    }
}

const NO_FORM: &str = "(no form is open; try `shortcut new_task`, or press Comment on a card)";

fn id_of(view: &Value) -> String {
    view["id"].as_str().unwrap_or_default().to_owned()
}
