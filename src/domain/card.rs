//! A task as people see it in a message: a few facts and the buttons below them.
//!
//! Cards accompany the [`Text`] of a message, which carry the same content as plain text. Cards are decided here and
//! laid out by the surface (`slack/blocks.rs`). A posted card is redrawn when its task changes.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::command::{CommandRef, Ref};
use super::ids::TaskRow;
use super::mention;
use super::receipts::ReceiptMode;
use super::reply::{self, Text};
use super::schedule::{QuietHours, ScheduleSetting, time_of_day};
use super::score::Score;
use super::stats::StatsDay;
use super::task::{Source, Task, TaskKey, TaskStatus};
use super::when::plausible;

/// The longest line of a description that a card shows, in characters.
const LINE_MAX: usize = 140;

/// A piece of a message, from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardPart {
    /// A heading, as plain text.
    Heading(String),
    /// A text with links and marks.
    Text(Text),
    /// A task with its facts and buttons.
    Card(Card),
    /// Bars of days: a picture where the surface can show one.
    Picture(BarChart),
    /// A row of buttons.
    Buttons(Vec<Button>),
    /// Controls for settings, side by side.
    Controls(Vec<Control>),
}

impl CardPart {
    /// Mentions these operators by their Slack ids.
    pub fn mention(&mut self, operators: &[String]) {
        if let CardPart::Text(words) = self {
            *words = std::mem::take(words).mentioning(operators);
        }
    }
}

/// Bars of days: for each one for the tasks done and one for those created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BarChart {
    /// Oldest first.
    pub days: Vec<StatsDay>,
    /// The same values in words, for people who do not see the picture.
    pub alt: String,
    /// The bars as text, where there is no picture; empty if there are none.
    pub text: Text,
}

/// A control for one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// A button that switches it.
    Button(Button),
    /// A picker for a time of day.
    Time(Picker),
}

/// A time of day to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picker {
    /// The label while no time is chosen.
    pub label: String,
    /// The setting that it changes.
    pub picks: PickerSetting,
    /// The local time in force; `None` while there is none.
    pub chosen: Option<NaiveTime>,
}

/// The setting that a chosen time is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PickerSetting {
    /// The time of the briefing on working days.
    Briefing,
    /// The start or the end of quiet hours.
    QuietFrom,
    /// The end of quiet hours.
    QuietUntil,
}

impl PickerSetting {
    /// The press for choosing `at`; no time turns the setting off.
    pub fn press(self, at: Option<NaiveTime>) -> ButtonAction {
        match (self, at) {
            (PickerSetting::Briefing, at) => ButtonAction::Briefing(at),
            (PickerSetting::QuietFrom, Some(at)) => ButtonAction::QuietFrom(at),
            (PickerSetting::QuietUntil, Some(at)) => ButtonAction::QuietUntil(at),
            (PickerSetting::QuietFrom | PickerSetting::QuietUntil, None) => {
                ButtonAction::Quiet(None)
            }
        }
    }
}

impl fmt::Display for PickerSetting {
    /// `pick:quiet_from`, as it goes to a surface and comes back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PickerSetting::Briefing => "pick:briefing",
            PickerSetting::QuietFrom => "pick:quiet_from",
            PickerSetting::QuietUntil => "pick:quiet_until",
        })
    }
}

impl FromStr for PickerSetting {
    type Err = UnknownButton;

    fn from_str(text: &str) -> Result<PickerSetting, UnknownButton> {
        [
            PickerSetting::Briefing,
            PickerSetting::QuietFrom,
            PickerSetting::QuietUntil,
        ]
        .into_iter()
        .find(|picks| picks.to_string() == text)
        .ok_or(UnknownButton)
    }
}

/// A task in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Its row in the mirror.
    pub task: TaskRow,
    /// Its number in a list; such a card is one line.
    pub number: Option<usize>,
    /// The task's title in the mirror.
    pub title: String,
    /// The task's page at its source. If it is empty, the title is no link.
    pub url: String,
    /// `ClickUp · in review · due today`
    pub facts: String,
    /// The reason that holds it back, as shown in the list.
    #[serde(default)]
    pub note: Option<Text>,
    /// The reason for its rank when it was shown: `client 1000, due today 400`.
    pub why: Option<String>,
    /// The first line of its description.
    pub line: Option<String>,
    /// Done or gone: struck through, and without buttons.
    pub struck: bool,
    /// The buttons below it, in the order shown.
    pub buttons: Vec<Button>,
}

/// The plain text of a message that is only a card or a list of cards; it is redrawn with them. `None` if its words say
/// more, so that they stay as sent.
pub fn told(parts: &[CardPart]) -> Option<Text> {
    let mut words = Text::new();
    let mut cards = 0;
    for part in parts {
        match part {
            // The text that introduces the card, as `Next: `.
            CardPart::Text(lead) if cards == 0 && leads_to_a_card(lead) => {
                words = words.then(lead.clone());
            }
            CardPart::Text(more) if cards > 0 => words = words.text("\n").then(more.clone()),
            CardPart::Card(card) => {
                let line = if cards == 0 { "" } else { "\n" };
                words = words.text(line).then(card.words());
                cards += 1;
            }
            _ => return None,
        }
    }
    (cards > 0).then_some(words)
}

/// Whether these words only introduce the card below them: `Next: `.
fn leads_to_a_card(words: &Text) -> bool {
    words.plain().ends_with(": ")
}

/// The task of a message that is a card: one whole card, and no text about another task. Outcomes with the next card
/// below, lists and briefings do not count.
pub fn card_of(parts: &[CardPart]) -> Option<TaskRow> {
    let mut task = None;
    for part in parts {
        match part {
            CardPart::Text(lead) if task.is_none() && leads_to_a_card(lead) => {}
            CardPart::Card(card) if task.is_none() && card.number.is_none() => {
                task = Some(card.task)
            }
            _ => return None,
        }
    }
    task
}

/// Whether a message shows only this task, as a whole card, with no other buttons.
pub fn is_card_alone(parts: &[CardPart], task: TaskRow) -> bool {
    let mut cards = 0;
    parts.iter().all(|part| match part {
        CardPart::Heading(_) | CardPart::Text(_) => true,
        CardPart::Card(card) => {
            cards += 1;
            card.task == task && card.number.is_none()
        }
        CardPart::Picture(_) | CardPart::Buttons(_) | CardPart::Controls(_) => false,
    }) && cards == 1
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// The text on the button.
    pub label: String,
    /// The request that it makes.
    pub press: ButtonAction,
    /// Whether it is the primary button.
    #[serde(default)]
    pub main: bool,
}

impl Button {
    /// A button that is not the primary one.
    pub fn new(label: &str, press: ButtonAction) -> Button {
        Button {
            label: label.to_owned(),
            press,
            main: false,
        }
    }

    fn main(mut self) -> Button {
        self.main = true;
        self
    }
}

/// The button below an answer that undoes its command, given by uid. `other`: the task that a creation nearly repeats;
/// a second button undoes the creation and goes on with that one.
pub fn undo_buttons(command: &str, other: Option<&TaskKey>) -> CardPart {
    let undo = ButtonAction::Undo(CommandRef::Uid(command.to_owned()));
    let instead = other.map(|other| {
        let press = ButtonAction::Instead {
            uid: command.to_owned(),
            other: other.clone(),
        };
        Button::new("Undo, use that one", press)
    });
    let undo = Button::new("Undo", undo);
    CardPart::Buttons(std::iter::once(undo).chain(instead).collect())
}

/// Whether these are the buttons that undo this command.
pub fn are_undo_buttons(part: &CardPart, command: &str) -> bool {
    let is_undo = |button: &Button| match &button.press {
        ButtonAction::Undo(CommandRef::Uid(uid)) => uid == command,
        _ => false,
    };
    matches!(part, CardPart::Buttons(buttons) if buttons.first().is_some_and(is_undo))
}

/// The buttons below the question of a command, given by uid.
pub fn question_buttons(command: &str) -> CardPart {
    let answer = |yes| ButtonAction::Answer {
        uid: command.to_owned(),
        yes,
    };
    CardPart::Buttons(vec![
        Button::new("Do it", answer(true)).main(),
        Button::new("No", answer(false)),
    ])
}

/// The task of a button or a form. The key is valid in every store. A row means another task in another store, or in an
/// older copy of this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TaskRef {
    /// Its key in the mirror.
    Key(TaskKey),
    /// Stored by an older version. It is read from the store only, never from a surface.
    Row(TaskRow),
}

impl TaskRef {
    /// The reference for a command.
    pub fn named(&self) -> Ref {
        match self {
            TaskRef::Key(key) => Ref::Key(key.clone()),
            TaskRef::Row(row) => Ref::Row(*row),
        }
    }
}

impl From<&TaskKey> for TaskRef {
    fn from(key: &TaskKey) -> TaskRef {
        TaskRef::Key(key.clone())
    }
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskRef::Key(key) => key.fmt(f),
            TaskRef::Row(row) => row.fmt(f),
        }
    }
}

/// Whether this can be the uid of a command: 26 capital letters and digits.
pub fn is_uid(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    text.len() == 26 && text.chars().all(fits)
}

/// Whether this can be the `ts` of a message: digits around a dot.
fn is_ts(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.len() <= 32
        && text
            .split_once('.')
            .is_some_and(|(a, b)| digits(a) && digits(b))
}

/// The time of a message by its `ts`: seconds, a dot, microseconds. As an id the `ts` stays a string.
pub fn time_of_ts(ts: &str) -> Option<DateTime<Utc>> {
    let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, ""));
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    if seconds.is_empty() || !digits(seconds) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
    let at = DateTime::from_timestamp_micros(seconds.checked_mul(1_000_000)?.checked_add(micros)?)?;
    plausible(at)
}

/// An operator's answer about a member of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalAnswer {
    /// Make them a person.
    Add,
    /// Leave them out.
    NotNow,
    /// Remove them again.
    Remove,
}

impl ArrivalAnswer {
    const ALL: [ArrivalAnswer; 3] = [
        ArrivalAnswer::Add,
        ArrivalAnswer::NotNow,
        ArrivalAnswer::Remove,
    ];

    fn as_str(self) -> &'static str {
        match self {
            ArrivalAnswer::Add => "add",
            ArrivalAnswer::NotNow => "not_now",
            ArrivalAnswer::Remove => "remove",
        }
    }
}

/// The buttons that link a person's accounts at these sources.
pub fn link_buttons(sources: &[Source]) -> Vec<Button> {
    let button = |source: &Source| {
        let label = format!("Link {}", source.name());
        Button::new(&label, ButtonAction::Account(*source))
    };
    sources.iter().map(button).collect()
}

/// The request that a button makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonAction {
    /// Complete this task.
    Done(TaskRef),
    /// Skip this task, if it still is the current one.
    Next(TaskRef),
    /// Open a form for the comment.
    Comment(TaskRef),
    /// Turn notices off, or on again.
    Mute(bool),
    /// Get a briefing on working days at this time, or none.
    Briefing(Option<NaiveTime>),
    /// Set quiet hours, or none.
    Quiet(Option<QuietHours>),
    /// Change the start or the end of quiet hours.
    QuietFrom(NaiveTime),
    /// Change the end of quiet hours, in local time.
    QuietUntil(NaiveTime),
    /// Set how outcomes are shown.
    Receipts(ReceiptMode),
    /// Follow the default of bot.toml.
    Usual(ScheduleSetting),
    /// Snooze until tomorrow.
    Snooze(TaskRef),
    /// Undo this command.
    Undo(CommandRef),
    /// Undo this creation, and make the task that it nearly repeats the current one.
    Instead {
        /// The uid of the command that created a task.
        uid: String,
        /// The key of the other task.
        other: TaskKey,
    },
    /// Answer the question of a command before it acts on many tasks.
    Answer {
        /// The uid of the command.
        uid: String,
        /// Whether to do it.
        yes: bool,
    },
    /// Approve or refuse a request to link an account.
    Link {
        /// The uid of the request.
        uid: String,
        /// Whether to approve it.
        approve: bool,
    },
    /// Put this task back to its status before `start`.
    Pause(TaskRef),
    /// The command with this text.
    Say(String),
    /// Open a form for a new task, filled with the message of this `ts` in the same conversation.
    Draft(String),
    /// Show the current task.
    Current,
    /// Open a form for a new task.
    New,
    /// Show the commands.
    Help,
    /// Open a form to link an account of this source.
    Account(Source),
    /// Answer about a member of the workspace who is no person yet, or was added.
    Arrival {
        /// Their Slack id.
        slack: String,
        /// The answer of the operator who presses it.
        answer: ArrivalAnswer,
    },
    /// Open a URL; no request to us.
    Open(String),
    /// Unknown to this version of Ivan.
    Unknown,
}

impl fmt::Display for ButtonAction {
    /// `done:clickup:86a`, as it goes to a surface and comes back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ButtonAction::Done(task) => write!(f, "done:{task}"),
            ButtonAction::Next(task) => write!(f, "next:{task}"),
            ButtonAction::Snooze(task) => write!(f, "snooze:{task}"),
            ButtonAction::Undo(command) => write!(f, "undo:{command}"),
            ButtonAction::Instead { uid, other } => write!(f, "instead:{uid}:{other}"),
            ButtonAction::Comment(task) => write!(f, "comment:{task}"),
            ButtonAction::Briefing(Some(at)) => write!(f, "briefing:{}", at.format("%H:%M")),
            ButtonAction::Briefing(None) => f.write_str("briefing:off"),
            ButtonAction::Quiet(Some(hours)) => write!(f, "quiet:{hours}"),
            ButtonAction::Quiet(None) => f.write_str("quiet:off"),
            ButtonAction::QuietFrom(at) => write!(f, "quiet_from:{}", at.format("%H:%M")),
            ButtonAction::QuietUntil(at) => write!(f, "quiet_until:{}", at.format("%H:%M")),
            ButtonAction::Receipts(by) => write!(f, "receipts:{}", by.as_str()),
            ButtonAction::Usual(setting) => write!(f, "usual:{}", setting.as_str()),
            ButtonAction::Mute(true) => f.write_str("mute:on"),
            ButtonAction::Mute(false) => f.write_str("mute:off"),
            ButtonAction::Link { uid, approve: true } => write!(f, "approve:{uid}"),
            ButtonAction::Link {
                uid,
                approve: false,
            } => write!(f, "refuse:{uid}"),
            ButtonAction::Answer { uid, yes: true } => write!(f, "confirm:{uid}"),
            ButtonAction::Answer { uid, yes: false } => write!(f, "decline:{uid}"),
            ButtonAction::Pause(task) => write!(f, "pause:{task}"),
            ButtonAction::Say(text) => write!(f, "say:{text}"),
            ButtonAction::Draft(ts) => write!(f, "draft:{ts}"),
            ButtonAction::Current => f.write_str("current:"),
            ButtonAction::New => f.write_str("create:"),
            ButtonAction::Help => f.write_str("help:"),
            ButtonAction::Account(source) => write!(f, "account:{source}"),
            ButtonAction::Arrival { slack, answer } => write!(f, "{}:{slack}", answer.as_str()),
            ButtonAction::Open(_) => f.write_str("open:"),
            ButtonAction::Unknown => f.write_str("unknown:"),
        }
    }
}

/// The error for a value from a surface that is no button of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a button of ours")]
pub struct UnknownButton;

impl FromStr for ButtonAction {
    type Err = UnknownButton;

    fn from_str(text: &str) -> Result<ButtonAction, UnknownButton> {
        let (verb, of) = text.split_once(':').ok_or(UnknownButton)?;
        let task = TaskKey::parse(of).map(TaskRef::Key).ok_or(UnknownButton);
        match verb {
            "done" => Ok(ButtonAction::Done(task?)),
            "next" => Ok(ButtonAction::Next(task?)),
            "snooze" => Ok(ButtonAction::Snooze(task?)),
            "undo" if is_uid(of) => Ok(ButtonAction::Undo(CommandRef::Uid(of.to_owned()))),
            "instead" => match of.split_once(':') {
                Some((uid, other)) if is_uid(uid) => Ok(ButtonAction::Instead {
                    uid: uid.to_owned(),
                    other: TaskKey::parse(other).ok_or(UnknownButton)?,
                }),
                _ => Err(UnknownButton),
            },
            "comment" => Ok(ButtonAction::Comment(task?)),
            "briefing" if of == "off" => Ok(ButtonAction::Briefing(None)),
            "briefing" => time_of_day(of)
                .map(|at| ButtonAction::Briefing(Some(at)))
                .ok_or(UnknownButton),
            "quiet" if of == "off" => Ok(ButtonAction::Quiet(None)),
            "quiet" => QuietHours::parse(of)
                .map(|hours| ButtonAction::Quiet(Some(hours)))
                .ok_or(UnknownButton),
            "receipts" => ReceiptMode::of(of)
                .map(ButtonAction::Receipts)
                .ok_or(UnknownButton),
            "usual" => ScheduleSetting::of(of)
                .map(ButtonAction::Usual)
                .ok_or(UnknownButton),
            "mute" if matches!(of, "on" | "off") => Ok(ButtonAction::Mute(of == "on")),
            "approve" | "refuse" if is_uid(of) => Ok(ButtonAction::Link {
                uid: of.to_owned(),
                approve: verb == "approve",
            }),
            "confirm" | "decline" if is_uid(of) => Ok(ButtonAction::Answer {
                uid: of.to_owned(),
                yes: verb == "confirm",
            }),
            "pause" => Ok(ButtonAction::Pause(task?)),
            "say" if !of.is_empty() => Ok(ButtonAction::Say(of.to_owned())),
            "draft" if is_ts(of) => Ok(ButtonAction::Draft(of.to_owned())),
            "current" if of.is_empty() => Ok(ButtonAction::Current),
            "create" if of.is_empty() => Ok(ButtonAction::New),
            "help" if of.is_empty() => Ok(ButtonAction::Help),
            "account" => Source::parse(of)
                .map(ButtonAction::Account)
                .ok_or(UnknownButton),
            "open" => Ok(ButtonAction::Open(String::new())),
            about if mention::has_form_of_id(of) => {
                let answer = ArrivalAnswer::ALL.into_iter();
                let mut answer = answer.filter(|one| one.as_str() == about);
                let answer = answer.next().ok_or(UnknownButton)?;
                let slack = of.to_owned();
                Ok(ButtonAction::Arrival { slack, answer })
            }
            _ => Err(UnknownButton),
        }
    }
}

/// A task with all its buttons.
pub fn card(row: TaskRow, task: &Task, score: &Score, now: DateTime<Utc>, zone: Tz) -> Card {
    Card {
        task: row,
        number: None,
        title: task.title.clone(),
        url: task.url.clone(),
        facts: facts(task, now, zone),
        note: None,
        why: reply::why(score),
        line: line(&task.description),
        struck: task.status == TaskStatus::Done,
        buttons: buttons(task),
    }
}

/// A task as one line of a list.
pub fn item(number: usize, row: TaskRow, task: &Task, now: DateTime<Utc>, zone: Tz) -> Card {
    Card {
        number: Some(number),
        why: None,
        line: None,
        buttons: vec![done_button(task)],
        ..card(row, task, &Score::default(), now, zone)
    }
}

impl Card {
    /// The plain text, in one line.
    fn words(&self) -> Text {
        let words = match self.number {
            Some(number) => Text::new().text(format!("{number}. ")),
            None => Text::new(),
        };
        let words = match self.struck {
            true => words.struck(&self.title, &self.url),
            false => words.link(&self.title, &self.url),
        };
        let words = words.text(" · ").said(&self.facts);
        let words = match &self.note {
            Some(note) => words.text(" · ").then(note.clone()),
            None => words,
        };
        match &self.why {
            Some(why) => words.text(format!("    why: {why}")),
            None => words,
        }
    }

    /// Whether its buttons were stored by an older version and would not be understood if shown again.
    pub fn is_of_an_older_version(&self) -> bool {
        self.buttons.iter().any(|button| {
            matches!(
                &button.press,
                ButtonAction::Done(TaskRef::Row(_))
                    | ButtonAction::Next(TaskRef::Row(_))
                    | ButtonAction::Comment(TaskRef::Row(_))
                    | ButtonAction::Snooze(TaskRef::Row(_))
            )
        })
    }

    /// The same card for the task's current state. The reason for its rank is not computed again.
    pub fn again(&self, task: &Task, gone: bool, now: DateTime<Utc>, zone: Tz) -> Card {
        let struck = gone || task.status == TaskStatus::Done;
        let buttons = match (struck, self.number) {
            (true, _) => Vec::new(),
            (false, Some(_)) => vec![done_button(task)],
            (false, None) => buttons(task),
        };
        Card {
            task: self.task,
            number: self.number,
            title: task.title.clone(),
            url: task.url.clone(),
            facts: facts(task, now, zone),
            note: self.note.clone().filter(|_| !struck),
            why: self.why.clone().filter(|_| !struck),
            line: self.line.as_ref().and(line(&task.description)),
            struck,
            buttons,
        }
    }
}

fn facts(task: &Task, now: DateTime<Utc>, zone: Tz) -> String {
    let due = reply::due(task, now, zone).filter(|_| task.status != TaskStatus::Done);
    let all = [Some(reply::place(task)), due, reply::children(task)];
    let all: Vec<String> = all.into_iter().flatten().collect();
    all.join(" · ")
}

fn done_button(task: &Task) -> Button {
    Button::new("Done", ButtonAction::Done((&task.key).into()))
}

fn buttons(task: &Task) -> Vec<Button> {
    if task.status == TaskStatus::Done {
        return Vec::new();
    }
    let key = || TaskRef::from(&task.key);
    let mut buttons = vec![
        done_button(task).main(),
        Button::new("Next", ButtonAction::Next(key())),
        Button::new("Comment", ButtonAction::Comment(key())),
        Button::new("Snooze", ButtonAction::Snooze(key())),
    ];
    if !task.url.is_empty() {
        buttons.push(Button::new("Open", ButtonAction::Open(task.url.clone())));
    }
    buttons
}

/// The first line of a description with content, shortened. The name that Ivan writes below a description is none.
fn line(description: &str) -> Option<String> {
    let mut lines = description.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty())?;
    if line.starts_with("— ") && lines.all(str::is_empty) {
        return None;
    }
    Some(match line.char_indices().nth(LINE_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(line).trim_end()),
        None => line.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_about_a_member_takes_every_id() {
        for slack in ["U0CEM01", "UHWJBQDPS", "W1"] {
            let action = ButtonAction::Arrival {
                slack: slack.to_owned(),
                answer: ArrivalAnswer::Add,
            };
            assert_eq!(action.to_string().parse::<ButtonAction>(), Ok(action));
        }
        assert!("add:Cem".parse::<ButtonAction>().is_err());
    }

    #[test]
    fn the_name_below_a_description_is_not_its_first_line() {
        assert_eq!(line("— Ana"), None);
        assert_eq!(line("\n\n— Ana\n"), None);
        assert_eq!(line("On Safari\n\n— Ana").as_deref(), Some("On Safari"));
        assert_eq!(line("— see\nbelow").as_deref(), Some("— see"));
        assert_eq!(line(""), None);
    }
}
