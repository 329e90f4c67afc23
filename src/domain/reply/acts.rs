//! The words of `start`, `snooze`, `reopen`, `undo` and `why`.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::{Report, ReportState, Step, StepState, Text, sentence, stopped};
use crate::domain::change::TaskChange;
use crate::domain::operation::{Outcome, Write};
use crate::domain::task::{DueDate, Source, Task, TaskStatus};
use crate::domain::undo::{UndoKind, UndoRequest};
use crate::domain::when::NotThen;

/// After a `start`; it was made current, too.
pub(super) fn started(outcome: &Outcome, subject: Text) -> Text {
    let task = outcome.task();
    let profile = task.key.source().profile();
    let words = match outcome {
        Outcome::Applied(_) if task.status != TaskStatus::InProgress => {
            return subject.text(format!(
                " is now your current task. Its {} has no {} for work in progress, so {} was not changed",
                profile.home, profile.progress_mark, profile.name
            ));
        }
        Outcome::Applied(_) => Text::new().text(profile.reported("started")).then(subject),
        _ if profile.named_statuses => Text::new()
            .text(format!(
                "Already in progress in {} ({}): ",
                profile.name, task.source_status
            ))
            .then(subject),
        _ => Text::new()
            .text(format!("Already in progress in {}: ", profile.name))
            .then(subject),
    };
    let words = match outcome {
        Outcome::Applied(_) => with_status(words, task),
        _ => words,
    };
    words.text(". It's your current task.")
}

/// With the name of the task's status, where that says more than open or closed.
fn with_status(words: Text, task: &Task) -> Text {
    match task.key.source().profile().named_statuses {
        true => words.text(format!(" ({})", task.source_status)),
        false => words,
    }
}

/// After a `reopen`.
pub(super) fn reopened(outcome: &Outcome, subject: Text, zone: Tz) -> Text {
    let task = outcome.task();
    let source = task.key.source();
    match outcome {
        Outcome::Applied(_) => {
            let reopened = source.profile().reported("reopened");
            with_status(Text::new().text(reopened).then(subject), task)
        }
        Outcome::AlreadySo { .. } => Text::new()
            .text(format!(
                "Already open in {} ({}): ",
                source.name(),
                task.source_status
            ))
            .then(subject),
        Outcome::Overtaken { .. } => {
            let at = task.closed.as_ref().and_then(|closed| closed.at);
            Text::new()
                .text("Note: ")
                .then(subject)
                .text(format!(
                    " was reopened, and completed in {} since (",
                    source.name()
                ))
                .moment(at.unwrap_or(task.updated_at), zone)
                .text("), so I left it closed")
        }
    }
}

/// The reason of a closed issue that is not complete, as the end of a sentence.
fn reason_words(task: &Task) -> &'static str {
    let closed = task.closed.as_ref();
    match closed.and_then(|closed| closed.reason.as_deref()) {
        Some("not_planned") => " as not planned",
        Some("duplicate") => " as a duplicate",
        _ => "",
    }
}

/// After an `undo`: the undone effect and its task.
pub(super) fn undone(undo: &UndoRequest, outcome: &Outcome, subject: Text) -> Text {
    let task = outcome.task();
    let profile = undo.source.profile();
    let (source, status, reason) = (profile.name, &task.source_status, reason_words(task));
    let applied = matches!(outcome, Outcome::Applied(_));
    let words = Text::new().text(match applied {
        true => "Undone: ",
        false => "Already undone: ",
    });
    match (undo.what, applied) {
        (UndoKind::Completion | UndoKind::Reopening, _) => words
            .then(subject)
            .text(format!(" is {status} again in {source}{reason}")),
        (UndoKind::Start, true) if profile.named_statuses => words
            .then(subject)
            .text(format!(" is {status} again in {source}")),
        (UndoKind::Start, _) => words
            .then(subject)
            .text(format!(" is no longer in progress in {source}")),
        (UndoKind::Change, _) => words
            .then(subject)
            .text(format!(" is as it was before in {source}")),
        (UndoKind::Comment, true) => words
            .text("your comment on ")
            .then(subject)
            .text(format!(" was deleted in {source}"))
            .then(copies_stay(&undo.copies)),
        (UndoKind::Comment, false) => words
            .text("your comment on ")
            .then(subject)
            .text(format!(" is gone from {source}"))
            .then(copies_stay(&undo.copies)),
        (UndoKind::Creation, true) => words.then(subject).text(match profile.deletes_tasks {
            true => format!(" was deleted in {source}"),
            false => format!(" was closed in {source} as not planned"),
        }),
        (UndoKind::Creation, false) => words.then(subject).text(match profile.deletes_tasks {
            true => format!(" is deleted in {source}"),
            false => format!(" is closed in {source}"),
        }),
    }
}

/// After an `assign`, `claim`, `due`, `prio`, `label`, `milestone` or `type`; `said` is the requested change in words.
pub(super) fn changed(
    change: &TaskChange,
    said: &str,
    outcome: &Outcome,
    subject: Text,
    zone: Tz,
) -> Text {
    let source = outcome.task().key.source().name();
    let words = Text::new();
    if !matches!(outcome, Outcome::Applied(_)) {
        let so = match change {
            TaskChange::Due(Some(at)) => due_at(*at, zone),
            TaskChange::Priority(Some(priority)) => words.text(priority.as_str()),
            TaskChange::Pause { .. } => words.text("not in progress"),
            _ => words.text(said),
        };
        return Text::new()
            .text("Already ")
            .then(so)
            .text(format!(" in {source}: "))
            .then(subject);
    }
    let now = match change {
        TaskChange::Due(Some(at)) => words.text("Due date is now ").date(*at, zone),
        TaskChange::DueOn(day) => words.text(format!("Due date is now {}", full_day(*day))),
        TaskChange::Due(None) => words.text("Due date removed"),
        TaskChange::Priority(Some(priority)) => {
            words.text(format!("Priority is now {}", priority.as_str()))
        }
        TaskChange::Priority(None) => words.text("Priority removed"),
        TaskChange::Milestone(Some(title)) => words.text(format!("Milestone is now {title}")),
        TaskChange::Milestone(None) => words.text("Milestone removed"),
        TaskChange::Type(name) => {
            let plain = outcome.task().key.source().profile().plain_type;
            match name.as_deref().or(plain) {
                Some(name) => words.text(format!("Type is now {name}")),
                None => words.text("Type removed"),
            }
        }
        TaskChange::Pause { .. } => words.text(format!("Paused in {source}")),
        TaskChange::Resume { .. }
        | TaskChange::Assign { .. }
        | TaskChange::PriorityLabels(_)
        | TaskChange::Labels(_) => words.text(format!("Now {said} in {source}")),
    };
    now.text(": ").then(subject)
}

/// `Tue 1 Dec 2026`
fn full_day(day: NaiveDate) -> String {
    day.format("%a %-d %b %Y").to_string()
}

/// With its time in the reader's zone.
pub fn due_at(at: DateTime<Utc>, zone: Tz) -> Text {
    Text::new().text("due ").date(at, zone)
}

/// The requested assignee, as a phrase about the task.
pub fn assigned_to(name: &str) -> String {
    format!("assigned to {name}")
}

/// A day alone, or with its time in the reader's zone.
pub fn when_due(due: DueDate, zone: Tz) -> Text {
    match due.day {
        Some(day) => Text::new().text(full_day(day)),
        None => Text::new().date(due.at, zone),
    }
}

/// The reason why a time was not accepted, as part of a sentence.
pub fn not_then(why: &NotThen) -> Text {
    match why {
        NotThen::Past { at, text } => Text::new().moment_as(*at, text).text(" is in the past"),
        _ => Text::new().text(why.to_string()),
    }
}

/// A person without a known account in a source.
pub fn no_account(name: Option<&str>, source: Source) -> Text {
    let whose = match name {
        Some(name) => format!("{name}'s"),
        None => "your".to_owned(),
    };
    let words = Text::new().text(format!("I don't know {whose} {} account. ", source.name()));
    match name {
        Some(name) => words.text(format!("{name} can type ")),
        None => words.text("Type "),
    }
    .code(source.profile().link)
    .text(".")
}

/// It was taken back in time.
pub fn not_sent(subject: Text, source: Source) -> Text {
    Text::new()
        .text("Undone in time: ")
        .then(subject)
        .text(format!(". Nothing changed in {}", source.name()))
}

/// No program can take an attachment away, so the copies of a comment's files outlive it.
fn copies_stay(names: &[String]) -> Text {
    match names {
        [] => Text::new(),
        [name] => Text::new().text(". ").said(name).text(" stays attached"),
        _ => Text::new().text(". Its files stay attached"),
    }
}

/// The comment of a `done -c`, undone as well.
pub(super) fn also_undone(report: &mut Report, step: &Step<'_>) {
    let message = std::mem::take(&mut report.message);
    report.message = match step.end {
        StepState::Well(outcome) => message
            .text(match outcome {
                Outcome::Applied(_) => ", and your comment was deleted",
                _ => ", and your comment is already gone",
            })
            .then(match step.write {
                Write::Undo(undo) => copies_stay(&undo.copies),
                _ => Text::new(),
            }),
        StepState::Pending { .. } if report.state == ReportState::Queued => message,
        StepState::Pending { why, .. } => {
            report.state = ReportState::Queued;
            let why = why
                .map(|why| format!(". {}", sentence(why)))
                .unwrap_or_default();
            message.text(format!("; the deletion of your comment is waiting{why}"))
        }
        StepState::Refused(_, why) => message.text(format!(
            ". ✗ Your comment was not deleted. {}",
            sentence(why)
        )),
        StepState::GivenUp { why, .. } => message.text(format!(
            ". ✗ Your comment may not have been deleted; check. I gave up: {}",
            sentence(why)
        )),
        StepState::SetAside { .. } if report.state == ReportState::SetAside => message,
        StepState::SetAside { why, .. } => {
            report.state = ReportState::SetAside;
            message.text(format!("; your comment was not deleted. {}", sentence(why)))
        }
        StepState::Cancelled if report.state == ReportState::Done => {
            message.text("; your comment was never sent")
        }
        StepState::Cancelled => message.text(" Your comment was not deleted either."),
    };
}

/// The undone command had moved the person on.
pub fn current_again(message: Text) -> Text {
    stopped(message).text(" It's your current task again.")
}

/// `Tue 1 Dec 2026 09:00`
pub(super) fn full_date(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone)
        .format("%a %-d %b %Y %H:%M")
        .to_string()
}

/// A task that was never read cannot be snoozed or explained.
pub fn not_mirrored(source: Source, called: &str) -> Text {
    Text::new().text(format!(
        "I haven't read {} {called} from {} yet. Try again after the next sync; `status` shows the connection.",
        source.noun(),
        source.name()
    ))
}

/// The place of a task in its person's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rank {
    /// From 1, of so many; and why it is ahead of the next one, if the points do not show that.
    At {
        /// The place in the queue, from 1.
        place: usize,
        /// The number of tasks in the queue.
        of: usize,
        /// With equal points, the reason why it is ahead of the next task: `it is older`.
        tie: Option<String>,
    },
    /// Outside of the queue, and why: the end of a sentence about it.
    Hidden(Text),
}

/// Some tasks by their titles and ids; of many the first few.
pub fn task_names(tasks: &[&Task]) -> String {
    const FEW: usize = 3;
    let more = tasks.len().saturating_sub(FEW);
    let mut names: Vec<String> = tasks
        .iter()
        .take(FEW)
        .map(|task| format!("{} ({})", task.title, task.id.short()))
        .collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    let last = names.pop().unwrap_or_default();
    match names.is_empty() {
        true => last,
        false => format!("{} and {last}", names.join(", ")),
    }
}

/// The blockers of a task, as a list shows them beside it.
pub fn waits_for(blockers: &[&Task]) -> String {
    format!("waits for {}", task_names(blockers))
}

/// The end of a snooze, as a list shows it beside the task.
pub fn snoozed_until(until: DateTime<Utc>, zone: Tz) -> Text {
    Text::new().text("snoozed until ").date(until, zone)
}

/// Some words, one after the other.
pub fn joined(all: impl IntoIterator<Item = Text>, between: &str) -> Text {
    let mut all = all.into_iter();
    let first = all.next().unwrap_or_default();
    all.fold(first, |words, more| words.text(between).then(more))
}

/// The reason why a task is not offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hidden {
    /// These have to be finished before it.
    Blocked(Vec<Task>),
    /// Until this time.
    Snoozed(DateTime<Utc>),
    /// In the source's own word.
    Done(String),
    /// A completion of it waits for its source.
    BeingCompleted,
    /// It was deleted at its source.
    Gone,
    /// It is in a list or repository that is archived or not followed.
    Away,
    /// It is assigned to others.
    NotTheirs,
}
