//! A task as people see it in a message: a few facts and the buttons below them.
//!
//! Cards accompany the [`Words`] of a message, which carry the same content as plain text. Cards are decided here and
//! laid out by the surface (`slack/blocks.rs`). A posted card is redrawn when its task changes.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::command::{CommandRef, Ref};
use super::ids::TaskRow;
use super::receipts::Receipts;
use super::reply::{self, Words};
use super::rhythm::{Quiet, Setting, time_of_day};
use super::score::Score;
use super::task::{Status, Task, TaskKey};

/// The longest line of a description that a card shows, in characters.
const LINE_MAX: usize = 140;

/// A piece of a message, from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Heading(String),
    Text(Words),
    Card(Card),
    Buttons(Vec<Button>),
    /// Controls for settings, side by side.
    Controls(Vec<Control>),
}

/// A control for one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    Button(Button),
    Time(Picker),
}

/// A time of day to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picker {
    /// The label while no time is chosen.
    pub label: String,
    pub picks: Picks,
    pub chosen: Option<NaiveTime>,
}

/// The setting that a chosen time is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Picks {
    Briefing,
    /// The start or the end of quiet hours.
    QuietFrom,
    QuietUntil,
}

impl Picks {
    /// The press for choosing `at`; no time turns the setting off.
    pub fn press(self, at: Option<NaiveTime>) -> Press {
        match (self, at) {
            (Picks::Briefing, at) => Press::Briefing(at),
            (Picks::QuietFrom, Some(at)) => Press::QuietFrom(at),
            (Picks::QuietUntil, Some(at)) => Press::QuietUntil(at),
            (Picks::QuietFrom | Picks::QuietUntil, None) => Press::Quiet(None),
        }
    }
}

impl fmt::Display for Picks {
    /// `pick:quiet_from`, as it goes to a surface and comes back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Picks::Briefing => "pick:briefing",
            Picks::QuietFrom => "pick:quiet_from",
            Picks::QuietUntil => "pick:quiet_until",
        })
    }
}

impl FromStr for Picks {
    type Err = NotOurs;

    fn from_str(text: &str) -> Result<Picks, NotOurs> {
        [Picks::Briefing, Picks::QuietFrom, Picks::QuietUntil]
            .into_iter()
            .find(|picks| picks.to_string() == text)
            .ok_or(NotOurs)
    }
}

/// A task in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Its row in the mirror.
    pub task: TaskRow,
    /// Its number in a list; such a card is one line.
    pub number: Option<usize>,
    pub title: String,
    pub url: String,
    /// `ClickUp · in review · due today`
    pub facts: String,
    /// The reason that holds it back, as shown in the list.
    #[serde(default)]
    pub note: Option<Words>,
    /// The reason for its rank when it was shown: `client 1000, due today 400`.
    pub why: Option<String>,
    /// The first line of its description.
    pub line: Option<String>,
    /// Done or gone: struck through, and without buttons.
    pub struck: bool,
    pub buttons: Vec<Button>,
}

/// The plain text of a message that is only a card or a list of cards; it is redrawn with them. `None` if its words say
/// more, so that they stay as sent.
pub fn told(parts: &[Part]) -> Option<Words> {
    let mut words = Words::new();
    let mut cards = 0;
    for part in parts {
        match part {
            // The text that introduces the card, as `Next: `.
            Part::Text(lead) if cards == 0 && leads_to_a_card(lead) => {
                words = words.then(lead.clone());
            }
            Part::Text(more) if cards > 0 => words = words.text("\n").then(more.clone()),
            Part::Card(card) => {
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
fn leads_to_a_card(words: &Words) -> bool {
    words.plain().ends_with(": ")
}

/// The task of a message that is a card: one whole card, and no text about another task. Outcomes with the next card
/// below, lists and briefings do not count.
pub fn card_of(parts: &[Part]) -> Option<TaskRow> {
    let mut task = None;
    for part in parts {
        match part {
            Part::Text(lead) if task.is_none() && leads_to_a_card(lead) => {}
            Part::Card(card) if task.is_none() && card.number.is_none() => task = Some(card.task),
            _ => return None,
        }
    }
    task
}

/// Whether a message shows only this task, as a whole card, with no other buttons.
pub fn is_card_alone(parts: &[Part], task: TaskRow) -> bool {
    let mut cards = 0;
    parts.iter().all(|part| match part {
        Part::Heading(_) | Part::Text(_) => true,
        Part::Card(card) => {
            cards += 1;
            card.task == task && card.number.is_none()
        }
        Part::Buttons(_) | Part::Controls(_) => false,
    }) && cards == 1
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    pub label: String,
    pub press: Press,
    /// Whether it is the primary button.
    #[serde(default)]
    pub main: bool,
}

impl Button {
    pub fn new(label: &str, press: Press) -> Button {
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

/// The button below an answer that undoes its command, given by uid.
pub fn undo_button(command: &str) -> Part {
    let command = CommandRef::Uid(command.to_owned());
    Part::Buttons(vec![Button::new("Undo", Press::Undo(command))])
}

/// The task of a button or a form. The key is valid in every store. A row means another task in another store, or in an
/// older copy of this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TaskRef {
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
fn is_uid(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    text.len() == 26 && text.chars().all(fits)
}

/// The request that a button makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Press {
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
    Quiet(Option<Quiet>),
    /// Change the start or the end of quiet hours.
    QuietFrom(NaiveTime),
    QuietUntil(NaiveTime),
    /// Set how outcomes are shown.
    Receipts(Receipts),
    /// Follow the default of bot.toml.
    Usual(Setting),
    /// Snooze until tomorrow.
    Snooze(TaskRef),
    /// Undo this command.
    Undo(CommandRef),
    /// Open a URL; no request to us.
    Open(String),
    /// Unknown to this version of Ivan.
    Unknown,
}

impl fmt::Display for Press {
    /// `done:clickup:86a`, as it goes to a surface and comes back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Press::Done(task) => write!(f, "done:{task}"),
            Press::Next(task) => write!(f, "next:{task}"),
            Press::Snooze(task) => write!(f, "snooze:{task}"),
            Press::Undo(command) => write!(f, "undo:{command}"),
            Press::Comment(task) => write!(f, "comment:{task}"),
            Press::Briefing(Some(at)) => write!(f, "briefing:{}", at.format("%H:%M")),
            Press::Briefing(None) => f.write_str("briefing:off"),
            Press::Quiet(Some(hours)) => write!(f, "quiet:{hours}"),
            Press::Quiet(None) => f.write_str("quiet:off"),
            Press::QuietFrom(at) => write!(f, "quiet_from:{}", at.format("%H:%M")),
            Press::QuietUntil(at) => write!(f, "quiet_until:{}", at.format("%H:%M")),
            Press::Receipts(by) => write!(f, "receipts:{}", by.as_str()),
            Press::Usual(setting) => write!(f, "usual:{}", setting.as_str()),
            Press::Mute(true) => f.write_str("mute:on"),
            Press::Mute(false) => f.write_str("mute:off"),
            Press::Open(_) => f.write_str("open:"),
            Press::Unknown => f.write_str("unknown:"),
        }
    }
}

/// The error for a value from a surface that is no button of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a button of ours")]
pub struct NotOurs;

impl FromStr for Press {
    type Err = NotOurs;

    fn from_str(text: &str) -> Result<Press, NotOurs> {
        let (verb, of) = text.split_once(':').ok_or(NotOurs)?;
        let task = TaskKey::parse(of).map(TaskRef::Key).ok_or(NotOurs);
        match verb {
            "done" => Ok(Press::Done(task?)),
            "next" => Ok(Press::Next(task?)),
            "snooze" => Ok(Press::Snooze(task?)),
            "undo" if is_uid(of) => Ok(Press::Undo(CommandRef::Uid(of.to_owned()))),
            "comment" => Ok(Press::Comment(task?)),
            "briefing" if of == "off" => Ok(Press::Briefing(None)),
            "briefing" => time_of_day(of)
                .map(|at| Press::Briefing(Some(at)))
                .ok_or(NotOurs),
            "quiet" if of == "off" => Ok(Press::Quiet(None)),
            "quiet" => Quiet::parse(of)
                .map(|hours| Press::Quiet(Some(hours)))
                .ok_or(NotOurs),
            "receipts" => Receipts::of(of).map(Press::Receipts).ok_or(NotOurs),
            "usual" => Setting::of(of).map(Press::Usual).ok_or(NotOurs),
            "mute" if matches!(of, "on" | "off") => Ok(Press::Mute(of == "on")),
            "open" => Ok(Press::Open(String::new())),
            _ => Err(NotOurs),
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
        struck: task.status == Status::Done,
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
    fn words(&self) -> Words {
        let words = match self.number {
            Some(number) => Words::new().text(format!("{number}. ")),
            None => Words::new(),
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
                Press::Done(TaskRef::Row(_))
                    | Press::Next(TaskRef::Row(_))
                    | Press::Comment(TaskRef::Row(_))
                    | Press::Snooze(TaskRef::Row(_))
            )
        })
    }

    /// The same card for the task's current state. The reason for its rank is not computed again.
    pub fn again(&self, task: &Task, gone: bool, now: DateTime<Utc>, zone: Tz) -> Card {
        let struck = gone || task.status == Status::Done;
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
    let place = reply::place(task);
    match reply::due(task, now, zone).filter(|_| task.status != Status::Done) {
        Some(due) => format!("{place} · {due}"),
        None => place,
    }
}

fn done_button(task: &Task) -> Button {
    Button::new("Done", Press::Done((&task.key).into()))
}

fn buttons(task: &Task) -> Vec<Button> {
    if task.status == Status::Done {
        return Vec::new();
    }
    let key = || TaskRef::from(&task.key);
    let mut buttons = vec![
        done_button(task).main(),
        Button::new("Next", Press::Next(key())),
        Button::new("Comment", Press::Comment(key())),
        Button::new("Snooze", Press::Snooze(key())),
    ];
    if !task.url.is_empty() {
        buttons.push(Button::new("Open", Press::Open(task.url.clone())));
    }
    buttons
}

/// The first line of a description with content, shortened.
fn line(description: &str) -> Option<String> {
    let line = description
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())?;
    Some(match line.char_indices().nth(LINE_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(line).trim_end()),
        None => line.to_owned(),
    })
}
