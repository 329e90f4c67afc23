//! Outcomes, notices and refusals → the text that people read, all in one place.
//!
//! [`Text`] carry links in no particular notation: Slack renders them with its escapes (`slack/blocks.rs`), the API
//! and the CLI as plain text.

mod acts;
mod arrivals;
mod files;
mod identity;
mod morning;
mod several;
mod tokens;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::event::{Activity, ActivityKind, TaskField};
use super::filter::Filter;
use super::ids::TokenId;
use super::operation::{Outcome, Refusal, TEXT_MAX, Write};
use super::profile::TaskIdForm;
use super::queue::{EmptyQueue, FirstRead, HeldBack, READ_COUNTED};
use super::reason::{for_operators, for_owner, for_people};
use super::receipts::ReceiptMode;
use super::score::Score;
use super::source::Container;
use super::task::{RepoName, Source, Task, TaskId, TaskStatus};

pub use acts::{
    Hidden, Rank, assigned_to, current_again, due_at, joined, no_account, not_mirrored, not_sent,
    not_then, snoozed_until, task_names, waits_for, when_due,
};

pub use arrivals::{
    Missing, arrival_added, arrival_asked, arrival_before, arrival_by_config, arrival_refused,
    arrival_removed, introduction, welcome,
};

pub use files::{
    files_left_out, files_need_scope, files_without_address, no_command_with, not_taken_over,
};

pub use morning::{
    HELD_BLOCK, briefing_by_config, digest, held, home_briefing, home_quiet, morning_lead,
    morning_rest,
};

pub use several::{
    asks_first, asks_first_lines, not_your_question, nothing_was_done, question_is_over,
    receipt_lines, several, too_many_tasks,
};

pub use tokens::{
    ListedToken, login_allowed, no_such_login, no_such_token, only_in_the_dm, token_is_hidden,
    token_list, token_lost, token_made, token_name_taken, token_revoked, too_many_codes,
    too_many_tokens,
};

pub use identity::{
    link_answered, link_asked, link_proved, link_refused, link_waits, linked_news,
    linked_to_another, no_such_request, not_confirmed, not_linked, only_operators_link, prove_it,
    too_many_tries, whoami,
};

/// The longest name of a client.
pub const ENTITY_MAX: usize = 64;
/// The longest list.
pub const LIST_MAX: usize = 50;
/// The operators, where no Slack id of theirs is known or no mention is possible.
pub const AN_OPERATOR: &str = "an Ivan operator";
/// A token, where it is not shown.
pub const HIDDEN: &str = "(hidden)";
/// The most operators that one text mentions.
const MENTIONED_MAX: usize = 2;

/// A short text with links in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Text(Vec<Span>);

/// A piece of [`Text`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// Our own words, without links or marks.
    Text(String),
    /// Text from another person: shown unchanged, with any marks in it.
    Said(String),
    /// A link.
    Link {
        /// The text that is shown.
        text: String,
        /// The address, never empty.
        url: String,
    },
    /// Text to type, shown as code.
    Code(String),
    /// The operators by their Slack ids, as a mention where the surface has them; without ids "an Ivan operator".
    Operators(Vec<String>),
    /// The title of a finished task, struck through; without a URL it is text.
    Struck {
        /// The title, as its author wrote it.
        text: String,
        /// The task's page; empty if there is none.
        url: String,
    },
    /// A time, shown in the reader's zone if the surface can do that; otherwise as `text`.
    Time {
        /// The time to show.
        at: DateTime<Utc>,
        /// The same in words, for surfaces that cannot show a zone.
        text: String,
        /// With its day; else it is soon, and shown to the second.
        #[serde(default)]
        day: bool,
    },
    /// A token of the API, which one message shows once. It is not stored: [`Text::revealing`] puts it in.
    Token(TokenId),
}

impl Text {
    /// An empty text.
    pub fn new() -> Text {
        Text::default()
    }

    /// Appends our own words.
    pub fn text(mut self, text: impl Into<String>) -> Text {
        self.0.push(Span::Text(text.into()));
        self
    }

    /// Text that is not ours: a title, a name, a comment.
    pub fn said(mut self, text: impl Into<String>) -> Text {
        self.0.push(Span::Said(text.into()));
        self
    }

    /// A link; without a URL it is plain text.
    pub fn link(mut self, text: impl Into<String>, url: impl Into<String>) -> Text {
        let (text, url) = (text.into(), url.into());
        self.0.push(if url.is_empty() {
            Span::Said(text)
        } else {
            Span::Link { text, url }
        });
        self
    }

    /// Appends text to type, shown as code.
    pub fn code(mut self, text: impl Into<String>) -> Text {
        self.0.push(Span::Code(text.into()));
        self
    }

    /// The operators: a person asks them to change the configuration.
    pub fn operators(mut self) -> Text {
        self.0.push(Span::Operators(Vec::new()));
        self
    }

    /// With these operators' Slack ids, to be mentioned.
    #[must_use]
    pub fn mentioning(mut self, operators: &[String]) -> Text {
        for span in &mut self.0 {
            if let Span::Operators(ids) = span {
                *ids = operators.iter().take(MENTIONED_MAX).cloned().collect();
            }
        }
        self
    }

    /// The place of a token, which is known only in memory.
    pub fn token(mut self, id: TokenId) -> Text {
        self.0.push(Span::Token(id));
        self
    }

    /// With the tokens that are to be shown. Others stay hidden.
    #[must_use]
    pub fn revealing(mut self, token: impl Fn(TokenId) -> Option<String>) -> Text {
        for span in &mut self.0 {
            if let Span::Token(id) = span
                && let Some(plain) = token(*id)
            {
                *span = Span::Code(plain);
            }
        }
        self
    }

    /// A struck title.
    pub fn struck(mut self, text: impl Into<String>, url: impl Into<String>) -> Text {
        self.0.push(Span::Struck {
            text: text.into(),
            url: url.into(),
        });
        self
    }

    /// A time that is soon.
    pub fn time(mut self, at: DateTime<Utc>, zone: Tz) -> Text {
        let text = at.with_timezone(&zone).format("%H:%M:%S %Z").to_string();
        self.0.push(Span::Time {
            at,
            text,
            day: false,
        });
        self
    }

    /// A time with its day: `22 Nov 10:00`.
    pub fn moment(mut self, at: DateTime<Utc>, zone: Tz) -> Text {
        let text = moment(at, zone);
        self.0.push(Span::Time {
            at,
            text,
            day: true,
        });
        self
    }

    /// A time with its day and year: `Tue 1 Dec 2026 09:00`.
    pub fn date(mut self, at: DateTime<Utc>, zone: Tz) -> Text {
        self.0.push(Span::Time {
            at,
            text: acts::full_date(at, zone),
            day: true,
        });
        self
    }

    /// A time with this text for surfaces that cannot show the reader's zone.
    pub(super) fn moment_as(mut self, at: DateTime<Utc>, text: &str) -> Text {
        self.0.push(Span::Time {
            at,
            text: text.to_owned(),
            day: true,
        });
        self
    }

    /// Appends another text.
    pub fn then(mut self, more: Text) -> Text {
        self.0.extend(more.0);
        self
    }

    /// Its pieces, from first to last.
    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// Whether it has no pieces.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Without links or marks: for the API, the CLI and logs.
    pub fn plain(&self) -> String {
        self.0
            .iter()
            .map(|span| match span {
                Span::Text(text)
                | Span::Said(text)
                | Span::Code(text)
                | Span::Link { text, .. }
                | Span::Struck { text, .. }
                | Span::Time { text, .. } => text.as_str(),
                Span::Operators(_) => AN_OPERATOR,
                Span::Token(_) => HIDDEN,
            })
            .collect()
    }
}

/// A short description of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskBrief {
    /// The id that people type: `clickup:86a`, `github:acme/widgets#7`.
    pub task_id: TaskId,
    /// The title in the mirror.
    pub title: String,
    /// The task's page at its source.
    pub url: String,
    /// The source that has the task.
    pub source: Source,
    /// The state that the source's status stands for.
    pub status: TaskStatus,
}

impl From<&Task> for TaskBrief {
    fn from(task: &Task) -> TaskBrief {
        TaskBrief {
            task_id: task.id.clone(),
            title: task.title.clone(),
            url: task.url.clone(),
            source: task.key.source(),
            status: task.status,
        }
    }
}

/// The result of a command, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The state, which decides the mark before the message.
    pub state: ReportState,
    /// The event, without its mark and without the next task.
    pub message: Text,
    /// The task of the command, as its source has it.
    pub task: Option<TaskBrief>,
    /// The source's own word for its status: `complete`, `closed`.
    pub current_state: Option<String>,
    /// Whether another author had done it already.
    pub conflict: bool,
    /// Whether the command requested a completion, and the task is complete.
    pub completed: bool,
    /// The ULID of the first operation; `None` if nothing was sent to a source.
    pub operation_id: Option<String>,
    /// The new current task, if the command moved on.
    pub next: Option<TaskBrief>,
    /// Whether the command moved on, and the queue was empty.
    pub emptied: bool,
    /// The numbers of tasks that were blocked and snoozed then.
    #[serde(default)]
    pub held_back: HeldBack,
    /// The reports of its parts, if it is for several tasks, in the order of the tasks. Then it has no task of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Report>,
}

/// The state of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    /// `✓`
    Done,
    /// `…`: stored, and not accepted by the source yet.
    Queued,
    /// `✗`: refused by the source.
    Refused(Refusal),
    /// `✗`: given up after `outbox.give_up_after`.
    GivenUp,
    /// `✗` for now: it ended the process twice, and waits for `retry`.
    SetAside,
}

impl ReportState {
    /// The first character of an answer.
    pub fn mark(self) -> &'static str {
        match self {
            ReportState::Done => "✓",
            ReportState::Queued => "…",
            ReportState::Refused(_) | ReportState::GivenUp | ReportState::SetAside => "✗",
        }
    }
}

impl Report {
    /// The text for Slack: mark, event, next task.
    pub fn words(&self) -> Text {
        if !self.parts.is_empty() {
            return several::receipt(self);
        }
        let words = self.lead();
        match &self.next {
            Some(next) => stopped(words).text(" Next: ").link(&next.title, &next.url),
            None if self.emptied && self.held_back != HeldBack::default() => {
                stopped(words).text(" ").then(held_back(self.held_back))
            }
            None if self.emptied => stopped(words).text(" Nothing is left in your queue."),
            None => words,
        }
    }

    /// The same without the next task, which is a card below it.
    pub fn lead(&self) -> Text {
        let words = Text::new()
            .text(format!("{} ", self.state.mark()))
            .then(self.message.clone());
        // Only if the words can change: an answer over HTTP is given once.
        match self.state {
            ReportState::Queued if words.plain().ends_with(KEEP_TRYING) => {
                words.text(" and update this message.")
            }
            ReportState::Queued => stopped(words).text(" I'll update this message."),
            _ => words,
        }
    }
}

/// The end of a text about a write that will be sent again.
const KEEP_TRYING: &str = "I'll keep trying";

/// A creation, and an open task with nearly the same title in the same place.
pub fn with_twin(made: Text, other: &Task) -> Text {
    stopped(made)
        .text(" There already is ")
        .link(&other.title, &other.url)
        .text(format!(" ({}). ", place(other)))
        .code("undo")
        .text(" takes the new one back.")
}

/// The undo of a creation whose author goes on with the task that it nearly repeats.
pub fn other_is_current(undone: Text) -> Text {
    stopped(undone).text(" The other one is now your current task.")
}

/// With a stop at the end of the sentence.
fn stopped(words: Text) -> Text {
    match words.plain().ends_with(['.', '!', '?', '…']) {
        true => words,
        false => words.text("."),
    }
}

/// One operation of a command, with its state.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The ULID of the operation, `operation_id` in the API.
    pub operation_id: &'a str,
    /// The write as it was requested.
    pub write: &'a Write,
    /// The state that the report shows.
    pub end: StepState<'a>,
    /// The task from the mirror, if it has it.
    pub known: Option<&'a Task>,
    /// The source's name for a task that the mirror lacks: `86abc`, `acme/widgets#7`.
    pub called: &'a str,
    /// Whether Ivan itself has completed this task before.
    pub completed_here: bool,
}

/// The state of an operation.
#[derive(Debug, Clone, Copy)]
pub enum StepState<'a> {
    /// Pending, with the last failure if there was one, and the time of its turn if that is certain.
    Pending {
        /// The last failure; `None` if there was none.
        why: Option<&'a str>,
        /// The time of its next attempt, if that is certain and not yet past.
        turn: Option<DateTime<Utc>>,
    },
    /// A success, with the task as its source has it.
    Well(&'a Outcome),
    /// Refused by the source, with its reason as a sentence.
    Refused(Refusal, &'a str),
    /// Tried for `outbox.give_up_after` without a certain outcome.
    GivenUp {
        /// The error of the last attempt.
        why: &'a str,
        /// Whether the source may have applied it all the same.
        perhaps_applied: bool,
    },
    /// The operation before it did not succeed.
    Cancelled,
    /// It ended the process twice.
    SetAside {
        /// The reason for setting it aside.
        why: &'a str,
        /// Whether the source may have applied it all the same.
        perhaps_applied: bool,
    },
}

/// The report of a command from its steps: the first is the request, a second is the comment that goes with it. `None`
/// without a step.
///
/// `owner`: the reader runs Ivan alone, so the remedies of operators are theirs.
pub fn report(steps: &[Step<'_>], owner: bool, zone: Tz) -> Option<Report> {
    let reasons: Vec<Option<String>> = steps
        .iter()
        .map(|step| {
            step.end.why().map(|why| match owner {
                true => for_owner(why),
                false => for_people(why).to_owned(),
            })
        })
        .collect();
    let mut steps = steps.iter().zip(&reasons).map(|(step, why)| Step {
        end: step.end.because(why.as_deref()),
        ..*step
    });
    let mut report = first_step(&steps.next()?, zone);
    for step in steps {
        second_step(&mut report, &step);
    }
    Some(report)
}

impl<'a> StepState<'a> {
    fn why(self) -> Option<&'a str> {
        match self {
            StepState::Pending { why, .. } => why,
            StepState::Refused(_, why)
            | StepState::GivenUp { why, .. }
            | StepState::SetAside { why, .. } => Some(why),
            StepState::Well(_) | StepState::Cancelled => None,
        }
    }

    /// The same end for another reason.
    fn because(self, reason: Option<&'a str>) -> StepState<'a> {
        match (self, reason) {
            (StepState::Pending { turn, .. }, why) => StepState::Pending { why, turn },
            (StepState::Refused(what, _), Some(why)) => StepState::Refused(what, why),
            (
                StepState::GivenUp {
                    perhaps_applied, ..
                },
                Some(why),
            ) => StepState::GivenUp {
                why,
                perhaps_applied,
            },
            (
                StepState::SetAside {
                    perhaps_applied, ..
                },
                Some(why),
            ) => StepState::SetAside {
                why,
                perhaps_applied,
            },
            (end, _) => end,
        }
    }
}

fn first_step(step: &Step<'_>, zone: Tz) -> Report {
    let task = match step.end {
        StepState::Well(outcome) => Some(outcome.task()),
        _ => step.known,
    };
    let subject = subject(step, task);
    let (state, message) = match step.end {
        StepState::Well(outcome) => (ReportState::Done, well(step, outcome, subject, zone)),
        StepState::Pending { why, turn } => (
            ReportState::Queued,
            queued(step.write, subject, why, turn, zone),
        ),
        StepState::Refused(what, why) => (
            ReportState::Refused(what),
            Text::new()
                .text(format!("{}: ", not_done(step.write)))
                .then(subject)
                .text(format!(". {}", sentence(why))),
        ),
        StepState::GivenUp {
            why,
            perhaps_applied,
        } => (
            ReportState::GivenUp,
            given_up(step.write, subject, why, perhaps_applied),
        ),
        StepState::SetAside {
            why,
            perhaps_applied,
        } => (
            ReportState::SetAside,
            set_aside(step.write, subject, why, perhaps_applied),
        ),
        StepState::Cancelled => match step.write {
            Write::Undo(undo) => (ReportState::Done, not_sent(subject, undo.source)),
            write => (
                ReportState::GivenUp,
                Text::new()
                    .text(format!("{}: ", not_done(write)))
                    .then(subject)
                    .text(". You undid it in time, so nothing changed."),
            ),
        },
    };
    let well = match step.end {
        StepState::Well(outcome) => Some(outcome),
        _ => None,
    };
    Report {
        state,
        message,
        task: task.map(TaskBrief::from),
        current_state: well.map(|outcome| outcome.task().source_status.clone()),
        conflict: well.is_some_and(|outcome| !matches!(outcome, Outcome::Applied(_))),
        completed: matches!(step.write, Write::Complete { .. })
            && well.is_some_and(|outcome| outcome.task().status == TaskStatus::Done),
        operation_id: Some(step.operation_id.to_owned()),
        next: None,
        emptied: false,
        held_back: HeldBack::default(),
        parts: Vec::new(),
    }
}

/// The subject of a step: the title as a link; the id of a task that was never read; the title of one to be created.
fn subject(step: &Step<'_>, task: Option<&Task>) -> Text {
    match (task, step.write) {
        // After its removal a link would lead nowhere.
        (Some(task), write) if write.removes() && matches!(step.end, StepState::Well(_)) => {
            Text::new().said(&task.title)
        }
        (Some(task), _) => Text::new().link(&task.title, &task.url),
        (None, Write::Create(new)) => Text::new().said(&new.title),
        (None, Write::Undo(undo)) => Text::new().said(&undo.title),
        (None, write) => Text::new().text(format!("{} {}", write.source().noun(), step.called)),
    }
}

fn well(step: &Step<'_>, outcome: &Outcome, subject: Text, zone: Tz) -> Text {
    let source = step.write.source();
    let profile = source.profile();
    let task = outcome.task();
    match (outcome, step.write) {
        (_, Write::Start { .. }) => acts::started(outcome, subject),
        (_, Write::Reopen { .. }) => acts::reopened(outcome, subject, zone),
        (_, Write::Change { change, said, .. }) => {
            acts::changed(change, said, outcome, subject, zone)
        }
        (_, Write::Undo(undo)) => acts::undone(undo, outcome, subject),
        (_, Write::Upload { file, .. }) => files::attached(file, source).then(subject),
        (Outcome::Applied(_), Write::Complete { .. }) => Text::new()
            .text(profile.reported(profile.finished))
            .then(subject),
        (Outcome::Applied(_), Write::Comment { files, .. }) => Text::new()
            .text(format!("Comment added in {}: ", source.name()))
            .then(subject)
            .then(files::with_links(", with ", files)),
        (Outcome::Applied(_), Write::Create(new)) => {
            let words = Text::new().text(profile.reported("created")).then(subject);
            let words = match profile.ids {
                TaskIdForm::Own => words,
                TaskIdForm::Numbers => words.text(format!(" ({})", task.id.short())),
            };
            let words = match &new.under {
                Some(parent) if new.is_under_in(task) => words.text(", under ").said(&parent.title),
                Some(parent) => words
                    .text(format!(". {} did not put it under ", source.name()))
                    .said(&parent.title)
                    .text(", so do that there"),
                None => words,
            };
            let words = words.then(files::with_links(", with ", &new.files));
            match &new.assignee {
                Some(wanted) if !new.is_assigned_in(task) => {
                    words.then(identity::not_assigned(source, wanted))
                }
                _ => words,
            }
        }
        (Outcome::AlreadySo { .. }, _) if step.completed_here => {
            let already = format!("Already {} in {}: ", task.source_status, source.name());
            Text::new().text(already).then(subject)
        }
        (Outcome::AlreadySo { .. }, _) => Text::new()
            .text("Note: ")
            .then(subject)
            .text(format!(
                " was already {} in {}",
                task.source_status,
                source.name()
            ))
            .then(by_whom_and_when(task, zone))
            .text(" (completed externally)"),
        (Outcome::Overtaken { .. }, _) => Text::new()
            .text("Note: ")
            .then(subject)
            .text(format!(
                " was completed, and reopened in {} since (",
                source.name()
            ))
            .moment(task.updated_at, zone)
            .text("), so I left it open"),
    }
}

/// The author and time of a completion, as far as the source reports them (P5).
fn by_whom_and_when(task: &Task, zone: Tz) -> Text {
    let (by, at) = match &task.closed {
        Some(closed) => (closed.by.as_ref(), closed.at),
        None => (None, None),
    };
    let words = match (by, at) {
        (None, None) => return Text::new(),
        (Some(by), _) => Text::new().text(", by ").said(&by.name),
        (None, Some(_)) => Text::new().text(","),
    };
    match at {
        Some(at) => words.text(" on ").moment(at, zone),
        None => words,
    }
}

fn moment(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%-d %b %H:%M").to_string()
}

fn queued(
    write: &Write,
    subject: Text,
    why: Option<&str>,
    turn: Option<DateTime<Utc>>,
    zone: Tz,
) -> Text {
    let what = match write {
        Write::Complete { .. } => "Completion of ",
        Write::Comment { .. } => "Comment on ",
        Write::Create(_) => "Creation of ",
        Write::Start { .. } => "Start of ",
        Write::Reopen { .. } => "Reopening of ",
        Write::Change { change, .. } => change.words(write.source()).0,
        Write::Upload { .. } => "The copy of a file to ",
        Write::Undo(_) => "Undo for ",
    };
    let words = Text::new().text(what).then(subject).text(" is waiting: ");
    let source = write.source().name();
    match (why, turn) {
        (Some(why), None) => words.text(format!("{} {KEEP_TRYING}", sentence(why))),
        (Some(why), Some(turn)) => words
            .text(format!("{} Next try at ", sentence(why)))
            .time(turn, zone),
        (None, Some(turn)) => words
            .text(format!(
                "{source} takes one write at a time. It is sent at "
            ))
            .time(turn, zone),
        (None, None) => words.text(format!("{source} has not answered yet")),
    }
}

fn not_done(write: &Write) -> &'static str {
    match write {
        Write::Complete { .. } => "Not completed",
        Write::Comment { .. } => "Comment not added",
        Write::Create(_) => "Not created",
        Write::Start { .. } => "Not started",
        Write::Reopen { .. } => "Not reopened",
        Write::Change { change, .. } => change.words(write.source()).1,
        Write::Upload { .. } => "File not attached",
        Write::Undo(_) => "Not undone",
    }
}

fn given_up(write: &Write, subject: Text, why: &str, perhaps_applied: bool) -> Text {
    let words = Text::new()
        .text(format!("{}: ", not_done(write)))
        .then(subject)
        .text(format!(". I gave up: {}", sentence(why)));
    if perhaps_applied {
        words.text(perhaps(write.source()))
    } else {
        words.text(" Nothing changed. Repeat the command to try again.")
    }
}

fn set_aside(write: &Write, subject: Text, why: &str, perhaps_applied: bool) -> Text {
    let words = Text::new()
        .text(format!("{}: ", not_done(write)))
        .then(subject)
        .text(format!(". {}", sentence(why)));
    match perhaps_applied {
        true => words.text(perhaps(write.source())),
        false => words,
    }
}

/// The advice after a write that may have been applied.
fn perhaps(source: Source) -> String {
    format!(
        " It may have worked: check {} before you repeat it.",
        source.name()
    )
}

fn second_step(report: &mut Report, step: &Step<'_>) {
    match step.write {
        Write::Undo(_) => return acts::also_undone(report, step),
        Write::Upload { file, .. } => return files::copied(report, file, step),
        _ => {}
    }
    let message = std::mem::take(&mut report.message);
    report.message = match step.end {
        StepState::Well(_) => message
            .text(", with your comment")
            .then(files::with_links(" and ", step.write.files())),
        StepState::Pending { .. } if report.state == ReportState::Queued => message,
        StepState::Pending { why, .. } => {
            report.state = ReportState::Queued;
            let why = why
                .map(|why| format!(". {}", sentence(why)))
                .unwrap_or_default();
            message.text(format!("; your comment is waiting{why}"))
        }
        StepState::Refused(_, why) => {
            message.text(format!(". ✗ Your comment was not added. {}", sentence(why)))
        }
        StepState::GivenUp {
            why,
            perhaps_applied: false,
        } => message.text(format!(
            ". ✗ Your comment was not added. I gave up: {}",
            sentence(why)
        )),
        StepState::GivenUp { why, .. } => message.text(format!(
            ". ✗ Your comment may not have been added. I gave up: {}{}",
            sentence(why),
            perhaps(step.write.source())
        )),
        StepState::SetAside { .. } if report.state == ReportState::SetAside => message,
        StepState::SetAside { why, .. } => {
            report.state = ReportState::SetAside;
            message.text(format!("; your comment was not added. {}", sentence(why)))
        }
        StepState::Cancelled => message.text(" Your comment was not added either."),
    };
}

/// The part of a reason that is for everybody, as a sentence.
fn sentence(why: &str) -> String {
    ended(for_people(why))
}

/// All of a reason, as sentences.
fn sentences(why: &str) -> String {
    ended(&for_operators(why))
}

fn ended(why: &str) -> String {
    let why = why.trim();
    let begun = match why.strip_prefix("the ") {
        Some(rest) => format!("The {rest}"),
        None => why.to_owned(),
    };
    match begun.ends_with(['.', '!', '?', '…']) {
        true => begun,
        false => begun + ".",
    }
}

/// A refusal while it was still unknown whether an earlier attempt had been applied.
pub fn perhaps_applied_before(why: &str, source: Source) -> String {
    format!(
        "{} An earlier attempt may have worked: check {} before you repeat it",
        sentence(why),
        source.name()
    )
}

/// One line about a task: title, place, the source's status, due date, and the reason for its rank.
pub fn card(task: &Task, score: &Score, now: DateTime<Utc>, zone: Tz) -> Text {
    let words = Text::new()
        .link(&task.title, &task.url)
        .text(format!(" · {}", place(task)));
    let words = match due(task, now, zone) {
        Some(due) => words.text(format!(" · {due}")),
        None => words,
    };
    let words = match children(task) {
        Some(children) => words.text(format!(" · {children}")),
        None => words,
    };
    if task.status == TaskStatus::Done {
        return words.text(" (completed externally). `done` or `next` moves on.");
    }
    match why(score) {
        Some(why) => words.text(format!("    why: {why}")),
        None => words,
    }
}

/// `ClickUp · in review`, `GitHub acme/widgets#12 · open`.
pub fn place(task: &Task) -> String {
    let profile = task.key.source().profile();
    let (name, status) = (profile.name, &task.source_status);
    match profile.ids {
        TaskIdForm::Own => format!("{name} · {status}"),
        TaskIdForm::Numbers => format!("{name} {} · {status}", task.id.short()),
    }
}

/// `2 of 3 sub-issues open`; `None` for a task without parts.
pub fn children(task: &Task) -> Option<String> {
    let children = task.children.filter(|children| children.all > 0)?;
    Some(children.words(task.key.source()))
}

/// `client 1000, due today 400`; `None` without points.
pub fn why(score: &Score) -> Option<String> {
    let reasons: Vec<String> = score
        .reasons
        .iter()
        .map(|(reason, points)| format!("{reason} {points}"))
        .collect();
    (!reasons.is_empty()).then(|| reasons.join(", "))
}

/// When a task is due, in the reader's days.
pub fn due(task: &Task, now: DateTime<Utc>, zone: Tz) -> Option<String> {
    let due = task.due?.day_in(zone);
    let today = now.with_timezone(&zone).date_naive();
    Some(match (due - today).num_days() {
        0 => "due today".to_owned(),
        1 => "due tomorrow".to_owned(),
        ..0 => format!("overdue since {}", due.format("%-d %b")),
        2..7 => format!("due {}", due.format("%a %-d %b")),
        _ if due.format("%Y").to_string() == today.format("%Y").to_string() => {
            format!("due {}", due.format("%-d %b"))
        }
        _ => format!("due {}", due.format("%-d %b %Y")),
    })
}

/// The number of tasks that a list leaves out, and how to see them.
pub fn more_of(total: usize, listed: usize, filter: &Filter) -> Option<Text> {
    let more = match total.saturating_sub(listed) {
        0 => return None,
        more => Text::new().text(format!("{more} more: ")),
    };
    let longer = format!("list {} {filter}", total.min(LIST_MAX));
    let longer = longer.trim_end().to_owned();
    Some(match (listed < LIST_MAX, total <= LIST_MAX) {
        (true, true) => more.code(longer).text(" shows all"),
        (true, false) => more
            .code(longer)
            .text(format!(" shows the first {LIST_MAX}")),
        (false, _) if filter.is_empty() => more
            .text("a filter shows fewer, such as ")
            .code("list overdue".to_owned()),
        (false, _) => more.text("another filter shows fewer"),
    })
}

/// The state of the connection to Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlackHealth {
    /// No connection is open yet, or again.
    Connecting,
    /// A connection is open.
    Connected,
    /// The problem and the remedy.
    Trouble(String),
}

/// The state of the mirror of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceHealth {
    /// The end of the last complete poll; `None` until each list or repository was polled.
    pub last_sync: Option<DateTime<Utc>>,
    /// The reason why the oldest waiting write was not accepted; `None` if none waits for that.
    pub error: Option<String>,
    /// Open tasks.
    pub tasks: i64,
    /// The names of its lists or repositories that are archived there.
    pub archived: Vec<String>,
    /// A full read that is under way.
    pub reading: Option<ReadingProgress>,
    /// The host of a server of the company's own; `None` for the service that everybody uses.
    pub server: Option<String>,
}

/// A read of a source that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadingProgress {
    /// The tasks read so far.
    pub tasks: u64,
    /// The tasks that were known before, if everything is read and it is not the first time.
    pub expected: Option<u64>,
    /// The place of the list or repository that is read, from 1.
    pub container: usize,
    /// The number of lists or repositories.
    pub containers: usize,
}

impl ReadingProgress {
    /// The progress in words: `reading, 1200 of about 3000 tasks, list 2 of 5`.
    pub fn words(&self, source: Source) -> String {
        let (read, of) = (self.tasks, self.containers);
        let tasks = match self.expected {
            Some(all) if all > read => format!("{read} of about {all} tasks"),
            _ => format!("{read} tasks so far"),
        };
        match of {
            0 | 1 => format!("reading, {tasks}"),
            _ => format!(
                "reading, {tasks}, {} {} of {of}",
                source.container(),
                self.container
            ),
        }
    }
}

/// The alert to operators about an answer that Slack refuses in every form.
pub fn unpostable(person: Option<&str>, code: &str) -> Text {
    let to = person.map_or_else(String::new, |name| format!(" to {name}"));
    let reader = person.unwrap_or("its reader");
    Text::new().text(format!(
        "✗ Slack rejected a message of mine{to} ({code}), so it was dropped. `log` shows {reader} what was done. I report \
         each reason once a day."
    ))
}

/// The content of a Home tab that Slack refuses.
pub fn home_refused(code: &str) -> Text {
    Text::new().text(format!(
        "✗ Slack rejected this page ({code}). Nothing is lost: type `current` or `list` in the Messages tab."
    ))
}

/// Answers that were given up within a day, for `status`.
pub fn lately_given_up(codes: &[(String, DateTime<Utc>)], zone: Tz) -> Option<Text> {
    let (first, since) = codes.first()?;
    let codes = codes
        .iter()
        .skip(1)
        .fold(first.clone(), |codes, (code, _)| format!("{codes}, {code}"));
    Some(
        Text::new()
            .text(format!(
                "✗ Slack has rejected messages of mine ({codes}) since "
            ))
            .moment(*since, zone)
            .text("; they were dropped. `log` shows what was done."),
    )
}

/// All tasks are blocked or snoozed, so none is offered.
fn held_back(HeldBack { blocked, snoozed }: HeldBack) -> Text {
    let held_back = [
        (blocked > 0).then(|| match blocked {
            1 => "1 task is blocked (`list blocked`)".to_owned(),
            more => format!("{more} tasks are blocked (`list blocked`)"),
        }),
        (snoozed > 0).then(|| match snoozed {
            1 => "1 task is snoozed (`list snoozed`)".to_owned(),
            more => format!("{more} tasks are snoozed (`list snoozed`)"),
        }),
    ];
    let held_back: Vec<String> = held_back.into_iter().flatten().collect();
    Text::new().text(format!(
        "Nothing to work on right now: {}.",
        held_back.join(" and ")
    ))
}

/// The reason for an empty queue.
pub fn empty(why: &EmptyQueue) -> Text {
    let unassigned = "Your queue is empty: no open tasks are assigned to you.";
    let text = match why {
        EmptyQueue::NotRead(reading) => format!(
            "I'm still reading {}. Try again in a minute; `status` shows the connection.",
            reading.iter().map(so_far).collect::<Vec<_>>().join(" and ")
        ),
        EmptyQueue::NotLinked(sources) => format!(
            "I don't know your {} account yet, so your queue is empty. {}",
            names(sources, " or "),
            link_it(sources)
        ),
        EmptyQueue::HeldBack(left_out) => return held_back(*left_out),
        EmptyQueue::Done => "Your queue is empty. `create TITLE` adds a task.".to_owned(),
        EmptyQueue::NothingAssigned(unlinked) if unlinked.is_empty() => unassigned.to_owned(),
        EmptyQueue::NothingAssigned(unlinked) => format!(
            "{unassigned} I don't know your {} account yet. {}",
            names(unlinked, " or "),
            link_it(unlinked)
        ),
    };
    Text::new().text(text)
}

/// A source that is being read for the first time: `ClickUp (1,200 tasks so far)`.
fn so_far(reading: &FirstRead) -> String {
    let name = reading.source.name();
    match reading.about() {
        0 => name.to_owned(),
        1 => format!("{name} (1 task so far)"),
        many if many >= READ_COUNTED => {
            format!("{name} (more than {} tasks so far)", grouped(many))
        }
        many => format!("{name} ({} tasks so far)", grouped(many)),
    }
}

/// A number below a million with its thousands set off: `1,200`.
fn grouped(number: usize) -> String {
    match number / 1000 {
        0 => number.to_string(),
        thousands => format!("{thousands},{:03}", number % 1000),
    }
}

fn names(sources: &[Source], between: &str) -> String {
    let names: Vec<&str> = sources.iter().map(|source| source.name()).collect();
    names.join(between)
}

/// The error of a form for an account that names none.
pub fn no_account_named(source: Source) -> String {
    let (name, hint) = (source.name(), source.profile().account_hint);
    format!("Which {name} account? Type {hint}.")
}

/// The commands that link an account at these sources.
fn link_it(sources: &[Source]) -> String {
    let commands: Vec<String> = sources
        .iter()
        .map(|source| format!("`{}`", source.profile().link))
        .collect();
    format!("Type {}.", commands.join(" or "))
}

/// The API's answer to the `next` of a person with one task.
pub fn still(title: &str) -> Text {
    Text::new().text(format!("No other task in your queue. Still: {title}"))
}

/// The API's answer to a `next`, which has the task itself beside it.
pub fn moved() -> Text {
    Text::new().text("Moved on")
}

/// The API's answer to a `next` without any task.
pub fn nowhere_to_move(why: &EmptyQueue) -> Text {
    match why {
        EmptyQueue::Done | EmptyQueue::NothingAssigned(_) => {
            Text::new().text("Nothing is left in your queue")
        }
        why => empty(why),
    }
}

/// `✗`, and why a command was rejected before any request to a source.
pub fn refusal(why: Text) -> Text {
    Text::new().text("✗ ").then(why)
}

/// A person has this many waiting messages, so no further one is accepted.
pub fn too_many_messages(waiting: i64, text: &str) -> Text {
    Text::new()
        .text(format!(
            "{waiting} of your messages are still waiting, the most that I accept from one person. I did not act on this \
             one: "
        ))
        .code(quote(text))
        .text(". Type it again when I've answered the others.")
}

/// A person has this many writes without an outcome, so no further one is accepted.
pub fn too_many_writes(waiting: i64) -> Text {
    Text::new().text(format!(
        "{waiting} of your changes are still waiting, the most that I accept from one person, so nothing changed. ClickUp or \
         GitHub is slow or not responding; `status` shows which. Try again when they are through."
    ))
}

/// The alert to operators that the store refuses writes. It bypasses the store, which cannot store it.
pub fn store_refuses(why: &str) -> Text {
    Text::new().text(format!(
        "✗ I can't write to disk ({why}), so I accept no commands and no webhooks. Accepted work is safe, and senders are \
         told to retry. Free disk space at store.path, or check the permissions of the file. I try again every second."
    ))
}

/// The notice to operators that this is over.
pub fn store_well() -> Text {
    Text::new().text("✓ Disk is writable again; queued work resumed.")
}

/// The notice to a person whose message could not be stored.
pub fn not_stored() -> Text {
    Text::new().text(
        "✗ I can't save anything right now, so nothing changed. Slack will deliver your message again for a few minutes. If \
         I haven't answered by then, type it again.",
    )
}

/// The longest part of a comment that a notice quotes, in characters.
const QUOTE: usize = 300;

/// The notice to a person about an action that they did not do.
pub fn notice(task: &Task, act: &Activity, is_current: bool, zone: Tz) -> Text {
    let source = task.key.source().name();
    let who = act.by.as_ref().map(|actor| actor.account.name.as_str());
    let subject = Text::new().link(&task.title, &task.url);
    let done = match &act.what {
        ActivityKind::Completed => "was completed",
        ActivityKind::Reopened => "was reopened",
        ActivityKind::Assigned { .. } => "was assigned to you",
        ActivityKind::Unassigned { .. } => "is no longer assigned to you",
        ActivityKind::Deleted => "was deleted",
        ActivityKind::Changed { field } => {
            let (what, now) = match field {
                TaskField::Title => ("title", None),
                TaskField::Due => ("due date", task.due.map(|due| acts::when_due(due, zone))),
                TaskField::Priority => (
                    "priority",
                    task.priority.map(|it| Text::new().text(it.as_str())),
                ),
            };
            let words = Text::new()
                .text(format!(
                    "{} changed the {what} of ",
                    who.unwrap_or("Someone")
                ))
                .then(subject)
                .text(format!(" in {source}"));
            return match (field, now) {
                (TaskField::Title, _) => words,
                (_, Some(now)) => words.text(" to ").then(now),
                (_, None) => words.text(" to none"),
            };
        }
        ActivityKind::Commented { text, .. } => {
            let who = who.unwrap_or("Someone");
            return Text::new()
                .said(who)
                .text(" commented on ")
                .then(subject)
                .text(format!(" in {source}: “"))
                .said(quote(&text.to_string()))
                .text("”");
        }
    };
    if let (ActivityKind::Unassigned { .. }, Some(who)) = (&act.what, who) {
        return Text::new()
            .said(who)
            .text(" unassigned you from ")
            .then(subject)
            .text(format!(" in {source}, "))
            .moment(act.at, zone);
    }
    let words = subject.text(format!(" {done} in {source}"));
    let words = match who {
        Some(who) => words.text(" by ").said(who),
        None => words,
    };
    let words = words.text(", ").moment(act.at, zone);
    match (&act.what, is_current) {
        (ActivityKind::Completed, true) => words
            .text(". It stays your current task until you type ")
            .code("done")
            .text(" or ")
            .code("next"),
        _ => words,
    }
}

/// After `mute` or `unmute`.
pub fn muted(muted: bool) -> Text {
    Text::new().text(match muted {
        true => "✓ Notices are off. `unmute` turns them back on.",
        false => "✓ Notices are on. I'll tell you what others do to your tasks.",
    })
}

/// The alert to an operator that a source has been unreadable for a while.
pub fn source_failing(source: Source, since: DateTime<Utc>, why: &str, zone: Tz) -> Text {
    Text::new()
        .text(format!("✗ I haven't been able to read {} since ", source.name()))
        .moment(since, zone)
        .text(format!(
            ". {} Commands are queued, and changes made there are not seen. I'll keep trying and post here when \
                 it works.",
            sentences(why)
        ))
}

/// The notice to an operator that this is over.
pub fn source_well(source: Source) -> Text {
    Text::new().text(format!(
        "✓ I can read {} again, and caught up with its changes.",
        source.name()
    ))
}

/// The alert to operators about a configured list or repository that is archived at its source.
pub fn archived(container: &Container) -> Text {
    let Container { source, name, .. } = container;
    let key = source.profile().home_keys;
    Text::new().text(format!(
        "✗ The {} {name} is archived in {}, so its tasks are hidden. Restore it there, or remove {} from {key}.",
        source.container(),
        source.name(),
        container.configured
    ))
}

/// The notice to operators that a list or repository is archived no longer.
pub fn unarchived(container: &Container) -> Text {
    let Container { source, name, .. } = container;
    Text::new().text(format!(
        "✓ The {} {name} is no longer archived in {}; its tasks are back.",
        source.container(),
        source.name()
    ))
}

/// The alert to operators, and the line in `status`, when Slack counts more links of the app than are held here.
pub fn app_is_shared(others: u32) -> Text {
    Text::new().text(format!(
        "✗ Slack counts {others} more {} of this app than I have open. Either another daemon uses the same slack.app_token \
         and gets some of the messages, or a connection broke unnoticed. Stop the other daemon, or give it its own app.",
        match others {
            1 => "connection",
            _ => "connections",
        }
    ))
}

/// The notice to operators that the app's links are all held here again.
pub fn app_is_ours() -> Text {
    Text::new().text("✓ Slack counts no other connection of this app any more.")
}

/// The alert to an operator that a source rejects the token.
pub fn token_refused(why: &str) -> Text {
    Text::new().text(format!(
        "✗ {} I'll post here when it works.",
        sentences(why)
    ))
}

/// The notice to an operator that this is over.
pub fn token_well(source: Source) -> Text {
    Text::new().text(format!(
        "✓ {} accepts the token again; queued work resumed.",
        source.name()
    ))
}

/// The notice to an operator that a rule of an organization no longer refuses.
pub fn rule_well(source: Source, account: &str) -> Text {
    Text::new().text(format!(
        "✓ {} lets me access {account} again; queued work resumed.",
        source.name()
    ))
}

/// The alert to an operator about a token that expires soon.
pub fn token_ends(source: Source, ends: DateTime<Utc>, zone: Tz) -> Text {
    let (name, key) = (source.name(), source.as_str());
    Text::new()
        .text(format!("✗ {name} token expires on "))
        .moment(ends, zone)
        .text(format!(
            ". After that, commands wait. Create a new token, set {key}.token and restart. I'll post here when it \
                 is done."
        ))
}

/// The notice to an operator about a new token, or a later expiry.
pub fn token_stays(source: Source) -> Text {
    Text::new().text(format!("✓ {} token renewed.", source.name()))
}

/// The alert to an operator about a webhook that its source had suspended.
pub fn hook_suspended(source: Source, url: &str, health: &str, back: bool) -> Text {
    let name = source.name();
    Text::new().text(match back {
        true => format!(
            "✗ {name} had stopped sending to {url} ({health}). I reactivated the webhook and caught up. If this happens again, \
             check the proxy or tunnel in front of Ivan."
        ),
        false => format!(
            "✗ {name} has stopped sending to {url} ({health}), and reactivating the webhook did not help. Changes are seen only \
             every sync.interval. Check docs/webhooks.md, then run `ivan webhooks repair`."
        ),
    })
}

/// The notice to an operator that this is over.
pub fn hook_well(source: Source, url: &str) -> Text {
    Text::new().text(format!("✓ {} sends to {url} again.", source.name()))
}

/// Commands and comments that were received late: too long ago to act on without asking, or edited since.
pub fn received_late(sent: &[&str]) -> Text {
    let mut words = Text::new().text(
        "This did not reach me when you sent it, so I did not act on it. Send again what you still want:",
    );
    for text in sent {
        words = words.text("\n• ").code(quote(text));
    }
    words
}

/// The answer to a command that may have been carried out in a time that a restored store does not know.
pub fn perhaps_done_before() -> Text {
    Text::new().text(
        "I was restored from a backup and may have done this already, so I did nothing now. Look at the task, and type \
         it again if you still want it",
    )
}

/// The same for commands of long ago.
pub fn typed_in_lost_time(typed: &[&str]) -> Text {
    let mut words = Text::new().text(
        "I was restored from a backup and don't know whether I acted on this. Type again what is still missing:",
    );
    for text in typed {
        words = words.text("\n• ").code(quote(text));
    }
    words
}

/// The start of a text for a message about it: at most 300 characters.
pub fn quote(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(QUOTE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text).trim_end()),
        None => text.to_owned(),
    }
}

/// No task was shown before the command was typed, so nothing was changed; `card` is current from now on.
pub fn no_current(card: Text) -> Text {
    Text::new()
        .text("No current task, so nothing changed. Current now: ")
        .then(card)
}

/// As [`no_current`], without a task to show either.
pub fn no_current_in(empty: Text) -> Text {
    Text::new().text("No current task. ").then(empty)
}

/// A reaction to an answer about one task that shows the next one.
pub fn reaction_on_outcome() -> Text {
    Text::new().text(
        "That message shows two tasks, so a reaction on it does nothing. Press a button there, or type `current` \
             and react to the card.",
    )
}

/// Why the text of a thread is not part of a task that was created in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadUnread<'a> {
    /// Slack did not return it.
    NoAnswer,
    /// Slack's rate limit.
    Limited,
    /// The app may not read the history of such a channel.
    NoScope,
    /// We are no member of the channel.
    NotMember,
    /// Another refusal, by Slack's code.
    Refused(&'a str),
    /// The description is nearly as long as a text may be.
    NoRoom,
}

/// A task is created without the text of the thread in which it was asked for.
pub fn thread_not_read(why: &ThreadUnread<'_>) -> Text {
    let words = Text::new().text("The text of this thread was not added: ");
    match why {
        ThreadUnread::NoAnswer => words.text("Slack didn't give it to me."),
        ThreadUnread::Limited => words.text("Slack doesn't let me read more right now."),
        ThreadUnread::NoScope => words
            .text("the Slack app lacks a scope to read it (channels:history, groups:history or mpim:history). To add it, ask ")
            .operators()
            .text("."),
        ThreadUnread::NotMember => words.text("I'm not a member of this channel."),
        ThreadUnread::Refused(code) => {
            words.text("Slack refused (").code(*code).text(").")
        }
        ThreadUnread::NoRoom => words.text("the description is too long already."),
    }
}

/// A name for a sentence: short, and without markup.
fn code(name: &str) -> String {
    let name: String = name
        .chars()
        .filter(|c| !c.is_control() && *c != '`')
        .take(80)
        .collect();
    format!("`{name}`")
}

/// The answer to a greeting, if the person knows their current task; `name`: if people are told apart.
pub fn greeting(name: Option<&str>, current: &Task) -> Text {
    hello(name)
        .text("Your current task is ")
        .link(&current.title, &current.url)
        .text(". Type ")
        .code("list")
        .text(", ")
        .code("done")
        .text(" or ")
        .code("help")
        .text(".")
}

/// The answer to a greeting, before the card of the current task.
pub fn greeting_with_card(name: Option<&str>, card: Text) -> Text {
    hello(name).text("Your current task: ").then(card)
}

/// The answer to a greeting, before the reason for an empty queue.
pub fn hello(name: Option<&str>) -> Text {
    match name {
        Some(name) => Text::new().text("Hi ").said(name).text(". "),
        None => Text::new().text("Hi. "),
    }
}

/// The answer to thanks.
pub fn thanked(current: Option<&Task>) -> Text {
    let words = Text::new().text("You're welcome.");
    match current {
        Some(task) => words
            .text(" Your current task is ")
            .link(&task.title, &task.url)
            .text("."),
        None => words,
    }
}

/// A text in a DM is no command.
pub fn no_command() -> Text {
    Text::new()
        .text("That is no command of mine. Make this a task? ")
        .code("help")
        .text(" shows what I know.")
}

/// A command with a typo.
pub fn did_you_mean(word: &str, meant: &str) -> Text {
    Text::new()
        .text("I don't know ")
        .code(quote(word))
        .text(". Did you mean ")
        .code(meant)
        .text("?")
}

/// A new task without a title.
pub fn which_title() -> Text {
    Text::new()
        .text("What is the task called? Type ")
        .code("create Buy milk")
        .text(", or fill in the form.")
}

/// An empty message.
pub fn which_command() -> Text {
    Text::new()
        .text("Type a command, such as ")
        .code("done")
        .text(", ")
        .code("comment TEXT")
        .text(" or ")
        .code("create TITLE")
        .text(".")
}

/// `stop`: it may mean the notices or the current task.
pub fn stop_what(current: Option<&Task>) -> Text {
    let words = Text::new()
        .text("Stop what? Without notices I tell you nothing of what others do, until you type ")
        .code("unmute")
        .text(".");
    match current {
        Some(task) => words
            .text(" Pausing puts ")
            .link(&task.title, &task.url)
            .text(" back to its status before ")
            .code("start")
            .text(", which takes it up again."),
        None => words,
    }
}

/// The pressed button is unknown to this version.
pub fn not_a_button() -> Text {
    Text::new().text("That button is from an older version. Type `current`.")
}

/// A command without a task, in a thread whose answers the store has only in part.
pub fn unknown_thread() -> Text {
    Text::new().text(
        "I don't remember which task this thread is about, so nothing changed. Name the task, as in `done #12`, \
             or type the command outside the thread.",
    )
}

/// A form without a comment.
pub fn no_comment() -> String {
    "A comment needs text.".to_owned()
}

/// A form without a title.
pub fn no_title() -> String {
    "A task needs a title.".to_owned()
}

/// A form without a place for the task.
pub fn no_place() -> String {
    "Choose a list or repository for the task.".to_owned()
}

/// A person without a known account in a source.
pub fn not_assignable(name: Option<&str>, source: Source) -> Text {
    let whose = name.map_or_else(|| "that person's".to_owned(), |name| format!("{name}'s"));
    Text::new()
        .text(format!(
            "I don't know {whose} {} account, so the task can't be assigned to them. Choose someone else or \
                 nobody, or ask ",
            source.name()
        ))
        .operators()
        .text(" to add the account.")
}

/// A due date for a place that has none.
pub fn no_due_date() -> Text {
    Text::new().text("GitHub issues have no due date. Clear the date, or choose a ClickUp list.")
}

/// A form that another version of Ivan, or another app, made.
pub fn not_a_form() -> String {
    "This form is from an older version, so nothing changed. Close it and open it again.".to_owned()
}

/// A form, or a command, that could not be stored.
pub fn not_kept() -> String {
    format!(
        "✗ I couldn't save that, so nothing changed. Try again in a minute. If it keeps failing, tell {AN_OPERATOR}; the \
         reason is in the log."
    )
}

/// A form whose storing takes longer than Slack waits. Sending it again does no harm.
pub fn form_is_slow() -> String {
    "I'm not sure that was saved. Press again; it will only happen once.".to_owned()
}

/// A command whose storing takes longer than Slack waits.
pub fn command_is_slow() -> String {
    "… I'm not sure that was saved. If I haven't answered in a minute, type it again.".to_owned()
}

/// Slack's time for opening a form was over.
pub fn press_again() -> Text {
    refusal(
        Text::new().text(
            "The form opened too late for Slack, so nothing changed. Press the button again.",
        ),
    )
}

/// A form that Slack does not open.
pub fn form_refused(why: &str) -> Text {
    refusal(Text::new().text(format!(
        "The form could not be opened, so nothing changed. {} Type the command instead: `help` lists them.",
        sentence(why)
    )))
}

/// The same message, a second time.
pub fn made_before(task: &Task) -> Text {
    Text::new()
        .text("✓ Already a task: ")
        .link(&task.title, &task.url)
        .text(format!(" · {}", place(task)))
}

/// The same for a person who may not name that task.
pub fn made_by_another() -> Text {
    Text::new().text(
        "✓ Someone already made a task from this message. It isn't yours, so I can't show it.",
    )
}

/// The rejection of a number by a person who was never shown a list.
pub fn no_list_yet() -> Text {
    Text::new().text("You haven't seen a list yet. Type `list`, then use its numbers.")
}

/// The rejection of a number that the last list does not have.
pub fn not_in_list(number: usize) -> Text {
    Text::new().text(format!(
        "Your last list has no number {number}. Type `list` to see it again."
    ))
}

/// The offer after a number that no list has: an open issue has it.
pub fn did_you_mean_issue(refused: Text, command: &str, title: &str) -> Text {
    refused
        .text(" Did you mean ")
        .code(command)
        .text(" (")
        .said(title)
        .text(")?")
}

/// The rejection of an id without a task; a sentence without a full stop.
pub fn names_no_task(id: &TaskId) -> Text {
    Text::new().text(format!("I don't know a task {id}"))
}

/// A task as it is shown to a person who may not name it: without its title, id and address.
pub fn untold(task: Task) -> Task {
    Task {
        title: "another task".to_owned(),
        id: TaskId::clickup("hidden").unwrap_or(task.id),
        url: String::new(),
        ..task
    }
}

/// The rejection of a request about a task that was deleted at its source.
pub fn deleted(task: &Task) -> Text {
    Text::new()
        .said(&task.title)
        .text(format!(" was deleted in {}.", task.key.source().name()))
}

/// The text about a source that bot.toml does not configure.
pub fn not_connected(source: Source) -> Text {
    Text::new()
        .text(format!("{} is not connected. Ask ", source.name()))
        .operators()
        .text(" to connect it.")
}

/// The rejection of an issue in a repository that was never polled.
pub fn not_read_yet(repo: &RepoName) -> Text {
    Text::new().text(format!(
        "I'm still reading {repo} from GitHub, so nothing changed. Try again in a minute; `status` shows the \
             connection."
    ))
}

/// The rejection of a repository that is not in `github.repos`.
pub fn repo_not_followed(repo: &RepoName) -> Text {
    Text::new()
        .text(format!("I don't follow the repository {repo}. Ask "))
        .operators()
        .text(" to add it.")
}

/// The rejection of a link to an issue on another GitHub than that of `github.url`.
pub fn another_github(host: &str, ours: &str) -> Text {
    Text::new().text(format!(
        "That issue is on {host}, and I follow the issues on {ours}. Nothing changed."
    ))
}

/// The rejection of a ClickUp list, by id, that is not in `clickup.lists`.
pub fn list_not_followed(list: &str) -> Text {
    Text::new()
        .text(format!("I don't follow the ClickUp list {list}. Ask "))
        .operators()
        .text(" to add it.")
}

/// The rejection of a client's name that does not fit into a tag or a title.
pub fn odd_entity() -> Text {
    Text::new().text(format!(
        "A client's name has 1 to {ENTITY_MAX} characters, without brackets, commas or line breaks. Nothing was \
             created."
    ))
}

/// The rejection of a title: the limit of the source and the length, in characters.
pub fn title_too_long(source: Source, max: usize, length: usize) -> Text {
    Text::new().text(format!(
        "The title is too long for {}: {length} characters, {max} at most. Nothing was created. Shorten it and put the rest on \
         the lines after the first.",
        source.name()
    ))
}

/// The rejection of a text over `TEXT_MAX`; `length` in characters.
pub fn text_too_long(length: usize) -> Text {
    Text::new().text(format!(
        "The text is too long: {length} characters, {TEXT_MAX} at most. Nothing changed. Send it in parts."
    ))
}

// ---------------------------------------------------------------- the Home tab

/// The heading of the current task.
pub const HOME_CURRENT: &str = "Current";
/// The heading of the tasks after the current one.
pub const HOME_QUEUE: &str = "Queue";
/// The heading of operations without an outcome, and of sources that cannot be read.
pub const HOME_WAITING: &str = "Waiting";
/// The heading of the person's accounts at the sources.
pub const HOME_ACCOUNTS: &str = "Accounts";
/// The heading of the person's settings.
pub const HOME_SETTINGS: &str = "Settings";
/// The heading for a person who may not give commands or is not configured.
pub const HOME_NOBODY: &str = "Almost there";

/// The number of open tasks, and of those completed today.
pub fn home_lead(open: usize, completed_today: i64) -> Text {
    let open = match open {
        0 => "Nothing open".to_owned(),
        some => format!("{some} open"),
    };
    Text::new().text(format!("{open} · {completed_today} completed today"))
}

/// The number of tasks that are not shown.
pub fn home_more(more: usize) -> Option<Text> {
    (more > 0).then(|| Text::new().text(format!("and {more} more")))
}

/// The current task is the whole queue.
pub fn home_nothing_else() -> Text {
    Text::new().text("Nothing else.")
}

/// A write without an outcome. `called` is the source's name for a task that was never read.
pub fn home_waiting(
    write: &Write,
    known: Option<&Task>,
    called: &str,
    why: Option<&str>,
    turn: Option<DateTime<Utc>>,
    zone: Tz,
) -> Text {
    let subject = match (known, write) {
        (Some(task), _) => Text::new().link(&task.title, &task.url),
        (None, Write::Create(new)) => Text::new().said(&new.title),
        (None, write) => Text::new().text(format!("{} {called}", write.source().noun())),
    };
    Text::new()
        .text("… ")
        .then(queued(write, subject, why, turn, zone))
}

/// A source that cannot be read.
pub fn home_trouble(source: Source, why: &str) -> Text {
    Text::new().text(format!("✗ {}: {}", source.name(), sentence(why)))
}

/// A person's identity in Slack.
pub fn home_in_slack(name: &str, alone: bool) -> Text {
    Text::new().text(match alone {
        true => "Slack: connected. Everyone here shares one queue of all open tasks.".to_owned(),
        false => format!("Slack: you are {name}"),
    })
}

/// A person's account at a source: `account` is their login or name there, `alone` if all share one queue.
pub fn home_account(source: Source, account: Option<&str>, alone: bool) -> Text {
    let name = source.name();
    match (account, alone) {
        (_, true) => Text::new().text(format!("{name}: connected")),
        (Some(account), false) => Text::new().text(format!("{name}: {account}")),
        (None, false) => identity::home_unlinked(source),
    }
}

/// Whether a person gets notices.
pub fn home_notices(muted: bool) -> Text {
    Text::new().text(match muted {
        true => "Notices: off",
        false => "Notices: on (what others do to your tasks)",
    })
}

/// How a person learns of outcomes.
pub fn home_receipts(by: ReceiptMode, own: bool) -> Text {
    let whose = as_set(own);
    Text::new().text(match by {
        ReceiptMode::Message => format!("Receipts: messages{whose}"),
        ReceiptMode::Reactions => format!("Receipts: reactions and messages{whose}"),
    })
}

/// The origin of the setting in force, in the Home tab.
fn as_set(own: bool) -> &'static str {
    match own {
        true => "",
        false => " (team default)",
    }
}
