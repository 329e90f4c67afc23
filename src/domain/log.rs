//! The activity log: who did what, when, from where, and with which result.
//!
//! `settle` logs the outcome of commands, `apply` the actions of others in the sources. The verb `log` reads the entries
//! that a person may see, and `reply` words them.

use chrono::{DateTime, SecondsFormat, Utc};

use super::change::TaskChange;
use super::event::{ActivityKind, TaskField};
use super::ids::EntryId;
use super::markdown;
use super::operation::{Outcome, Write};
use super::reply::{Report, ReportState};
use super::task::{DueDate, Priority, Source, Task};

/// The longest part of a text that is stored, in characters.
const TEXT_MAX: usize = 300;

/// The way in which a command was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Typed in a direct message.
    Dm,
    /// Typed in a channel, perhaps in a thread.
    Channel,
    /// A button of a message, or of the Home tab.
    Button,
    /// A reaction on a message of ours, added or removed.
    Reaction,
    /// The slash command `/ivan`.
    Slash,
    /// A modal in Slack.
    Form,
    /// The HTTP API, without the CLI.
    Http,
    /// The command line.
    Cli,
    /// In Slack, stored before the exact way was recorded.
    Slack,
    /// Not through us: in the source itself.
    In(Source),
}

impl Via {
    const OURS: [Via; 9] = [
        Via::Dm,
        Via::Channel,
        Via::Button,
        Via::Reaction,
        Via::Slash,
        Via::Form,
        Via::Http,
        Via::Cli,
        Via::Slack,
    ];

    /// All ways; the sources are last.
    pub fn all() -> impl Iterator<Item = Via> {
        Via::OURS
            .into_iter()
            .chain(Source::ALL.into_iter().map(Via::In))
    }

    /// The name in the table and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Via::Dm => "dm",
            Via::Channel => "channel",
            Via::Button => "button",
            Via::Reaction => "reaction",
            Via::Slash => "slash",
            Via::Form => "form",
            Via::Http => "http",
            Via::Cli => "cli",
            Via::Slack => "slack",
            Via::In(source) => source.as_str(),
        }
    }

    /// The way with this name, as of `as_str`; `None` for another word.
    pub fn parse(word: &str) -> Option<Via> {
        Via::all().find(|via| via.as_str() == word)
    }
}

/// The result of an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityResult {
    /// No outcome yet. Shown, but not stored before there is one.
    Pending,
    /// The change is in the source, or in Ivan for a local command.
    Done,
    /// Another author had done it already.
    AlreadySo,
    /// Refused by the source, or by Ivan.
    Refused,
    /// Without success until `outbox.give_up_after`.
    GivenUp,
    /// Undone before it was sent.
    TakenBack,
}

impl ActivityResult {
    /// Every result, in the order of declaration.
    pub const ALL: [ActivityResult; 6] = [
        ActivityResult::Pending,
        ActivityResult::Done,
        ActivityResult::AlreadySo,
        ActivityResult::Refused,
        ActivityResult::GivenUp,
        ActivityResult::TakenBack,
    ];

    /// The name in the table and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            ActivityResult::Pending => "pending",
            ActivityResult::Done => "done",
            ActivityResult::AlreadySo => "already_so",
            ActivityResult::Refused => "refused",
            ActivityResult::GivenUp => "given_up",
            ActivityResult::TakenBack => "taken_back",
        }
    }

    /// The result with this name, as of `as_str`; `None` for another word.
    pub fn parse(word: &str) -> Option<ActivityResult> {
        ActivityResult::ALL
            .into_iter()
            .find(|came| came.as_str() == word)
    }

    /// From the final report of a command; `cancelled` if its operations were never sent.
    pub fn of(report: &Report, cancelled: bool) -> ActivityResult {
        match report.state {
            ReportState::Queued | ReportState::SetAside => ActivityResult::Pending,
            ReportState::Done if report.conflict => ActivityResult::AlreadySo,
            ReportState::Done => ActivityResult::Done,
            ReportState::Refused(_) => ActivityResult::Refused,
            ReportState::GivenUp if cancelled => ActivityResult::TakenBack,
            ReportState::GivenUp => ActivityResult::GivenUp,
        }
    }
}

/// The difference that an activity made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoggedChange {
    /// In the source's words.
    pub before: Option<String>,
    /// In the source's words, or RFC 3339 for a time; `None` if nothing is known or left.
    pub after: Option<String>,
    /// The comment's text, shortened.
    pub text: Option<String>,
}

/// The change that an operation made; `before` is the source's state of the task right before it was sent.
pub fn change(write: &Write, before: Option<&str>, outcome: Option<&Outcome>) -> LoggedChange {
    let after = outcome.map(|outcome| outcome.task().source_status.clone());
    let before = match outcome {
        Some(Outcome::Applied(_)) => before.map(ToOwned::to_owned),
        _ => None,
    };
    match write {
        Write::Comment { task, text, .. } => LoggedChange {
            text: Some(cut(&match task.source().profile().markdown {
                true => markdown::plain(&text.to_string()),
                false => text.to_string(),
            })),
            ..LoggedChange::default()
        },
        Write::Create(_) => LoggedChange {
            after,
            ..LoggedChange::default()
        },
        Write::Change { change, said, .. } => LoggedChange {
            after: outcome.map(|_| match change {
                // In UTC, because each reader sees it in their own zone.
                TaskChange::Due(Some(at)) => rfc3339(*at),
                _ => said.clone(),
            }),
            ..LoggedChange::default()
        },
        _ => LoggedChange {
            before,
            after,
            text: None,
        },
    }
}

/// The name in the log, and the change, of an action of others.
///
/// A time is in RFC 3339, because each reader sees it in their own zone; a day stays a day.
pub fn done_elsewhere(
    what: &ActivityKind,
    before: Option<&Task>,
    after: &Task,
) -> (&'static str, LoggedChange) {
    let both = |of: &dyn Fn(&Task) -> Option<String>| LoggedChange {
        before: before.and_then(of),
        after: of(after),
        text: None,
    };
    let states = || both(&|task| Some(task.source_status.clone()));
    match what {
        ActivityKind::Completed => ("completed", states()),
        ActivityKind::Reopened => ("reopened", states()),
        ActivityKind::Assigned { to } => (
            "assigned",
            LoggedChange {
                after: Some(to.name.clone()),
                ..LoggedChange::default()
            },
        ),
        ActivityKind::Unassigned { from } => (
            "unassigned",
            LoggedChange {
                before: Some(from.name.clone()),
                ..LoggedChange::default()
            },
        ),
        ActivityKind::Commented { text, .. } => (
            "commented",
            LoggedChange {
                text: Some(cut(&text.to_string())),
                ..LoggedChange::default()
            },
        ),
        ActivityKind::Deleted => ("deleted", LoggedChange::default()),
        ActivityKind::Changed { field } => match field {
            TaskField::Title => ("renamed", both(&|task| Some(cut(&task.title)))),
            TaskField::Due => ("rescheduled", both(&|task| task.due.map(due))),
            TaskField::Priority => (
                "prioritized",
                both(&|task| {
                    task.priority
                        .map(|priority| Priority::as_str(priority).to_owned())
                }),
            ),
        },
    }
}

fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn due(due: DueDate) -> String {
    match due.day {
        Some(day) => day.to_string(),
        None => rfc3339(due.at),
    }
}

fn cut(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text).trim_end()),
        None => text.to_owned(),
    }
}

/// One activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `None` while there is no outcome.
    pub id: Option<EntryId>,
    /// The time of the request; for actions of others, by the source's clock.
    pub at: DateTime<Utc>,
    /// The person, by their current name, if it is one of ours.
    pub person: Option<String>,
    /// The account at the source, for actions there.
    pub account: Option<String>,
    /// The way in which the request came.
    pub via: Via,
    /// The name of the API's token; `None` for the single one, and elsewhere.
    pub token: Option<String>,
    /// The name of a verb, or of an action elsewhere, as `completed`.
    pub verb: String,
    /// The outcome.
    pub came: ActivityResult,
    /// The source of the task; `None` if the activity had none.
    pub source: Option<Source>,
    /// The task's id, title and URL at that time.
    pub task: Option<String>,
    /// Empty if the task was not known.
    pub title: String,
    /// The page at the source; empty if the task was not mirrored.
    pub url: String,
    /// The difference that it made; empty for none.
    pub change: LoggedChange,
    /// Why it failed.
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_itself() {
        for via in Via::all() {
            assert_eq!(Via::parse(via.as_str()), Some(via));
        }
        for came in ActivityResult::ALL {
            assert_eq!(ActivityResult::parse(came.as_str()), Some(came));
        }
        assert_eq!(Via::parse("telephone"), None);
    }

    #[test]
    fn a_long_text_is_cut_and_a_short_one_whole() {
        assert_eq!(cut(" shipped \n"), "shipped");
        let long = cut(&"ü".repeat(TEXT_MAX + 1));
        assert_eq!(long.chars().count(), TEXT_MAX + 1);
        assert!(long.ends_with('…'));
    }
}
