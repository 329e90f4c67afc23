//! The words of `start`, `snooze`, `reopen`, `undo` and `why`.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{Report, ReportState, Step, StepState, Text, sentence};
use crate::domain::change::TaskChange;
use crate::domain::operation::Outcome;
use crate::domain::task::{DueDate, Source, Task, TaskStatus};
use crate::domain::undo::{UndoKind, UndoRequest};
use crate::domain::when::NotThen;

/// After a `start`; it was made current, too.
pub(super) fn started(outcome: &Outcome, subject: Text) -> Text {
    let task = outcome.task();
    let profile = task.key.source().profile();
    let words = match outcome {
        Outcome::Applied(_) if task.status != TaskStatus::InProgress => {
            return Text::new()
                .text("It is your current task now: ")
                .then(subject)
                .text(format!(
                    ". Its {} in {} has no {} for work in progress, so nothing was changed there",
                    profile.home, profile.name, profile.progress_mark
                ));
        }
        Outcome::Applied(_) => Text::new().text(profile.reported("started")).then(subject),
        _ => Text::new()
            .text("Note: ")
            .then(subject)
            .text(format!(" was already in progress in {}", profile.name)),
    };
    let words = with_status(words, task);
    words.text(". It is your current task")
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
        Outcome::AlreadySo { .. } => Text::new().text("Note: ").then(subject).text(format!(
            " is open already in {} ({})",
            source.name(),
            task.source_status
        )),
        Outcome::Overtaken { .. } => {
            let at = task.closed.as_ref().and_then(|closed| closed.at);
            Text::new()
                .text("Note: ")
                .then(subject)
                .text(format!(
                    " was reopened and has been completed in {} since (",
                    source.name()
                ))
                .moment(at.unwrap_or(task.updated_at), zone)
                .text("); I left it as it is")
        }
    }
}

/// After an `undo`: the undone effect and its task.
pub(super) fn undone(undo: &UndoRequest, outcome: &Outcome, subject: Text) -> Text {
    let task = outcome.task();
    let profile = undo.source.profile();
    let (source, status) = (profile.name, &task.source_status);
    let applied = matches!(outcome, Outcome::Applied(_));
    let words = Text::new().text(if applied { "Undone: " } else { "Note: " });
    match (undo.what, applied) {
        (UndoKind::Completion | UndoKind::Reopening, true) => words
            .then(subject)
            .text(format!(" is {status} again in {source}")),
        (UndoKind::Completion | UndoKind::Reopening, false) => words
            .then(subject)
            .text(format!(" is {status} again in {source} already")),
        (UndoKind::Start, true) => words.then(subject).text(match profile.named_statuses {
            true => format!(" is {status} again in {source}"),
            false => format!(" is not in progress any more in {source}"),
        }),
        (UndoKind::Start, false) => words
            .then(subject)
            .text(format!(" is not in progress any more in {source} already")),
        (UndoKind::Change, true) => words
            .then(subject)
            .text(format!(" is as it was before in {source}")),
        (UndoKind::Change, false) => words
            .then(subject)
            .text(format!(" is as it was before in {source} already")),
        (UndoKind::Comment, true) => words
            .text("your comment on ")
            .then(subject)
            .text(format!(" was deleted in {source}")),
        (UndoKind::Comment, false) => words
            .text("your comment on ")
            .then(subject)
            .text(format!(" is not there any more in {source}")),
        (UndoKind::Creation, true) => words.then(subject).text(match profile.deletes_tasks {
            true => format!(" was deleted in {source}"),
            false => format!(" was closed in {source}, as not planned"),
        }),
        (UndoKind::Creation, false) => words.then(subject).text(match profile.deletes_tasks {
            true => format!(" is deleted in {source} already"),
            false => format!(" is closed in {source} already"),
        }),
    }
}

/// After an `assign`, `claim`, `due` or `prio`; `said` is the requested change in words.
pub(super) fn changed(
    change: &TaskChange,
    said: &str,
    outcome: &Outcome,
    subject: Text,
    zone: Tz,
) -> Text {
    let source = outcome.task().key.source().name();
    let said = match change {
        TaskChange::Due(Some(at)) => due_at(*at, zone),
        _ => Text::new().text(said),
    };
    match outcome {
        Outcome::Applied(_) => Text::new()
            .text("Now ")
            .then(said)
            .text(format!(" in {source}: "))
            .then(subject),
        _ => Text::new()
            .text("Note: ")
            .then(subject)
            .text(" was already ")
            .then(said)
            .text(format!(" in {source}")),
    }
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
        Some(day) => Text::new().text(day.format("%a %-d %b %Y").to_string()),
        None => Text::new().date(due.at, zone),
    }
}

/// The reason why a time was not accepted, as part of a sentence.
pub fn not_then(why: &NotThen) -> Text {
    match why {
        NotThen::Past { at, text } => Text::new().moment_as(*at, text).text(" is over"),
        _ => Text::new().text(why.to_string()),
    }
}

/// A person without a known account in a source.
pub fn no_account(name: Option<&str>, source: Source) -> Text {
    let whose = match name {
        Some(name) => format!("{name}'s"),
        None => "your".to_owned(),
    };
    Text::new().text(format!(
        "I do not know {whose} account in {}. Whoever runs me can add it to [[people]] in bot.toml.",
        source.name()
    ))
}

/// It was taken back in time.
pub fn not_sent(subject: Text, source: Source) -> Text {
    Text::new()
        .text("Taken back in time: ")
        .then(subject)
        .text(format!(". Nothing was changed in {}", source.name()))
}

/// The comment of a `done -c`, undone as well.
pub(super) fn also_undone(report: &mut Report, step: &Step<'_>) {
    let message = std::mem::take(&mut report.message);
    report.message = match step.end {
        StepState::Well(Outcome::Applied(_)) => message.text(", and your comment was deleted"),
        StepState::Well(_) => message.text("; your comment is not there any more"),
        StepState::Pending { .. } if report.state == ReportState::Queued => message,
        StepState::Pending { why, .. } => {
            report.state = ReportState::Queued;
            let why = why
                .map(|why| format!(". {}", sentence(why)))
                .unwrap_or_default();
            message.text(format!("; your comment is still to be deleted{why}"))
        }
        StepState::Refused(_, why) => message.text(format!(
            ". ✗ Your comment was not deleted. {}",
            sentence(why)
        )),
        StepState::GivenUp { why, .. } => message.text(format!(
            ". ✗ Deleting your comment was given up; look whether it is there. {}",
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
    let stop = match message.plain().ends_with(['.', '!', '?', '…']) {
        true => "",
        false => ".",
    };
    message.text(format!("{stop} It is your current task again"))
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
        "I have not read {} {called} from {} yet. It comes with the next sync; `status` tells how that goes.",
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
