//! The words of `start`, `snooze`, `reopen`, `undo` and `why`.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{End, Report, ReportState, Step, Words, place, sentence};
use crate::domain::change::Change;
use crate::domain::operation::Outcome;
use crate::domain::score::Score;
use crate::domain::task::{Due, Priority, Source, Status, Task};
use crate::domain::undo::{Undo, Undoes};
use crate::domain::when::NotThen;

/// After a `start`; it was made current, too.
pub(super) fn started(outcome: &Outcome, subject: Words) -> Words {
    let task = outcome.task();
    let profile = task.key.source().profile();
    let words = match outcome {
        Outcome::Applied(_) if task.status != Status::InProgress => {
            return Words::new()
                .text("It is your current task now: ")
                .then(subject)
                .text(format!(
                    ". Its {} in {} has no {} for work in progress, so nothing was changed there",
                    profile.home, profile.name, profile.progress_mark
                ));
        }
        Outcome::Applied(_) => Words::new().text(profile.reported("started")).then(subject),
        _ => Words::new()
            .text("Note: ")
            .then(subject)
            .text(format!(" was already in progress in {}", profile.name)),
    };
    let words = with_status(words, task);
    words.text(". It is your current task")
}

/// With the name of the task's status, where that says more than open or closed.
fn with_status(words: Words, task: &Task) -> Words {
    match task.key.source().profile().named_statuses {
        true => words.text(format!(" ({})", task.source_status)),
        false => words,
    }
}

/// After a `reopen`.
pub(super) fn reopened(outcome: &Outcome, subject: Words, zone: Tz) -> Words {
    let task = outcome.task();
    let source = task.key.source();
    match outcome {
        Outcome::Applied(_) => {
            let reopened = source.profile().reported("reopened");
            with_status(Words::new().text(reopened).then(subject), task)
        }
        Outcome::AlreadySo { .. } => Words::new().text("Note: ").then(subject).text(format!(
            " is open already in {} ({})",
            source.name(),
            task.source_status
        )),
        Outcome::Overtaken { .. } => {
            let at = task.closed.as_ref().and_then(|closed| closed.at);
            Words::new()
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
pub(super) fn undone(undo: &Undo, outcome: &Outcome, subject: Words) -> Words {
    let task = outcome.task();
    let profile = undo.source.profile();
    let (source, status) = (profile.name, &task.source_status);
    let applied = matches!(outcome, Outcome::Applied(_));
    let words = Words::new().text(if applied { "Undone: " } else { "Note: " });
    match (undo.what, applied) {
        (Undoes::Completion | Undoes::Reopening, true) => words
            .then(subject)
            .text(format!(" is {status} again in {source}")),
        (Undoes::Completion | Undoes::Reopening, false) => words
            .then(subject)
            .text(format!(" is {status} again in {source} already")),
        (Undoes::Start, true) => words.then(subject).text(match profile.named_statuses {
            true => format!(" is {status} again in {source}"),
            false => format!(" is not in progress any more in {source}"),
        }),
        (Undoes::Start, false) => words
            .then(subject)
            .text(format!(" is not in progress any more in {source} already")),
        (Undoes::Change, true) => words
            .then(subject)
            .text(format!(" is as it was before in {source}")),
        (Undoes::Change, false) => words
            .then(subject)
            .text(format!(" is as it was before in {source} already")),
        (Undoes::Comment, true) => words
            .text("your comment on ")
            .then(subject)
            .text(format!(" was deleted in {source}")),
        (Undoes::Comment, false) => words
            .text("your comment on ")
            .then(subject)
            .text(format!(" is not there any more in {source}")),
        (Undoes::Creation, true) => words.then(subject).text(match profile.deletes_tasks {
            true => format!(" was deleted in {source}"),
            false => format!(" was closed in {source}, as not planned"),
        }),
        (Undoes::Creation, false) => words.then(subject).text(match profile.deletes_tasks {
            true => format!(" is deleted in {source} already"),
            false => format!(" is closed in {source} already"),
        }),
    }
}

/// After an `assign`, `claim`, `due` or `prio`; `said` is the requested change in words.
pub(super) fn changed(
    change: &Change,
    said: &str,
    outcome: &Outcome,
    subject: Words,
    zone: Tz,
) -> Words {
    let source = outcome.task().key.source().name();
    let said = match change {
        Change::Due(Some(at)) => due_at(*at, zone),
        _ => Words::new().text(said),
    };
    match outcome {
        Outcome::Applied(_) => Words::new()
            .text("Now ")
            .then(said)
            .text(format!(" in {source}: "))
            .then(subject),
        _ => Words::new()
            .text("Note: ")
            .then(subject)
            .text(" was already ")
            .then(said)
            .text(format!(" in {source}")),
    }
}

/// With its time in the reader's zone.
pub(super) fn due_at(at: DateTime<Utc>, zone: Tz) -> Words {
    Words::new().text("due ").date(at, zone)
}

/// The requested assignee, as a phrase about the task.
pub fn assigned_to(name: &str) -> String {
    format!("assigned to {name}")
}

/// When it is due, as a phrase about the task.
pub fn due_on(due: Option<Due>, zone: Tz) -> String {
    match due {
        Some(due) => format!("due {}", when_due(due, zone).plain()),
        None => "without a due date".to_owned(),
    }
}

/// A day alone, or with its time in the reader's zone.
pub(super) fn when_due(due: Due, zone: Tz) -> Words {
    match due.day {
        Some(day) => Words::new().text(day.format("%a %-d %b %Y").to_string()),
        None => Words::new().date(due.at, zone),
    }
}

/// Its priority, as a phrase about the task.
pub fn of_priority(priority: Option<Priority>) -> String {
    match priority {
        Some(priority) => format!("of {} priority", priority.as_str()),
        None => "without a priority".to_owned(),
    }
}

pub fn not_due_then(why: &NotThen) -> Words {
    Words::new()
        .text("The due date was not set: ")
        .then(not_then(why))
        .text(
            ". Type a time ahead, within a year: `due fri`, `due tomorrow 17:00`, `due 1 dec`; or `due none`.",
        )
}

fn not_then(why: &NotThen) -> Words {
    match why {
        NotThen::Past { at, text } => Words::new().moment_as(*at, text).text(" is over"),
        _ => Words::new().text(why.to_string()),
    }
}

pub fn no_due_in_github() -> Words {
    Words::new().text(
        "GitHub has no due dates for issues. Put the date into its milestone in GitHub, or `snooze` the issue for yourself.",
    )
}

pub fn no_such_priority_in_github(priority: Priority) -> Words {
    Words::new().text(format!(
        "In GitHub a priority is a label of github.priority_labels, and there is none for {}. It can be urgent, high or none.",
        priority.as_str()
    ))
}

/// No person has that name.
pub fn no_such_person(name: &str, known: &[String]) -> Words {
    let who = match known {
        [] => "Whoever runs me can name people in [[people]] of bot.toml.".to_owned(),
        known => format!("I know {}.", known.join(", ")),
    };
    Words::new().text(format!("I do not know who `{name}` is. {who}"))
}

/// A person without a known account in a source.
pub fn no_account(name: Option<&str>, source: Source) -> Words {
    let whose = match name {
        Some(name) => format!("{name}'s"),
        None => "your".to_owned(),
    };
    Words::new().text(format!(
        "I do not know {whose} account in {}. Whoever runs me can add it to [[people]] in bot.toml.",
        source.name()
    ))
}

/// It was taken back in time.
pub fn not_sent(subject: Words, source: Source) -> Words {
    Words::new()
        .text("Taken back in time: ")
        .then(subject)
        .text(format!(". Nothing was changed in {}", source.name()))
}

/// The comment of a `done -c`, undone as well.
pub(super) fn also_undone(report: &mut Report, step: &Step<'_>) {
    let message = std::mem::take(&mut report.message);
    report.message = match step.end {
        End::Well(Outcome::Applied(_)) => message.text(", and your comment was deleted"),
        End::Well(_) => message.text("; your comment is not there any more"),
        End::Pending { .. } if report.state == ReportState::Queued => message,
        End::Pending { why, .. } => {
            report.state = ReportState::Queued;
            let why = why
                .map(|why| format!(". {}", sentence(why)))
                .unwrap_or_default();
            message.text(format!("; your comment is still to be deleted{why}"))
        }
        End::Refused(_, why) => message.text(format!(
            ". ✗ Your comment was not deleted. {}",
            sentence(why)
        )),
        End::GivenUp { why, .. } => message.text(format!(
            ". ✗ Deleting your comment was given up; look whether it is there. {}",
            sentence(why)
        )),
        End::SetAside { .. } if report.state == ReportState::SetAside => message,
        End::SetAside { why, .. } => {
            report.state = ReportState::SetAside;
            message.text(format!("; your comment was not deleted. {}", sentence(why)))
        }
        End::Cancelled if report.state == ReportState::Done => {
            message.text("; your comment was never sent")
        }
        End::Cancelled => message.text(" Your comment was not deleted either."),
    };
}

/// The undone command had moved the person on.
pub fn current_again(message: Words) -> Words {
    let stop = match message.plain().ends_with(['.', '!', '?', '…']) {
        true => "",
        false => ".",
    };
    message.text(format!("{stop} It is your current task again"))
}

/// The undo of a `start` that had changed nothing in the source.
pub fn not_started(task: &Task) -> Words {
    Words::new()
        .text("Undone: ")
        .link(&task.title, &task.url)
        .text(" is not your current task any more")
}

/// After a `snooze`.
pub fn snoozed(task: &Task, until: DateTime<Utc>, zone: Tz) -> Words {
    Words::new()
        .text("Snoozed until ")
        .date(until, zone)
        .text(": ")
        .link(&task.title, &task.url)
}

/// After the undo of a `snooze`; an earlier snooze is in force again.
pub fn unsnoozed(task: &Task, before: Option<DateTime<Utc>>, zone: Tz) -> Words {
    let words = Words::new().text("Undone: ").link(&task.title, &task.url);
    match before {
        Some(before) => words
            .text(" is snoozed until ")
            .date(before, zone)
            .text(" again"),
        None => words.text(" is back in your queue"),
    }
}

/// `Tue 1 Dec 2026 09:00`
pub(super) fn full_date(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone)
        .format("%a %-d %b %Y %H:%M")
        .to_string()
}

pub fn cannot_snooze(why: &NotThen) -> Words {
    Words::new().text("Not snoozed: ").then(not_then(why)).text(
        ". Type a time ahead, within a year: `snooze tomorrow`, `snooze mon 9:00`, `snooze 1 dec`.",
    )
}

pub fn nothing_to_snooze(task: &Task) -> Words {
    Words::new()
        .text("Not snoozed: ")
        .link(&task.title, &task.url)
        .text(format!(
            " is {} in {}, and in nobody's queue.",
            task.source_status,
            task.key.source().name()
        ))
}

/// A task that was never read cannot be snoozed or explained.
pub fn not_mirrored(source: Source, called: &str) -> Words {
    Words::new().text(format!(
        "I have not read {} {called} from {} yet. It comes with the next sync; `status` tells how that goes.",
        source.noun(),
        source.name()
    ))
}

pub fn reopen_which() -> Words {
    Words::new().text(
        "Name the task: `reopen REF`, with a task id, `#12` or the link of a task. `undo` takes back what you did last.",
    )
}

/// The person has nothing to undo.
pub fn nothing_to_undo(undone_before: bool, too_old: bool) -> Words {
    Words::new().text(match (undone_before, too_old) {
        (true, _) => {
            "There is nothing more to undo within the last 15 minutes. An undo itself cannot be undone: type the command \
             again."
        }
        (false, true) => {
            "There is nothing to undo: what you did last is more than 15 minutes ago. `reopen REF` opens a task again."
        }
        (false, false) => "There is nothing of yours to undo within the last 15 minutes.",
    })
}

/// The command of an undo button was undone before.
pub fn undone_already() -> Words {
    Words::new().text("That was undone already. To have it again, type the command again.")
}

/// Why the command of an undo button has nothing to undo.
pub fn cannot_be_undone(too_old: bool) -> Words {
    Words::new().text(match too_old {
        true => "That is more than 15 minutes ago and cannot be undone from here any more.",
        false => "There is nothing to undo there: it changed nothing, or was not yours.",
    })
}

/// A check mark was removed from the card of a task that is not complete.
pub fn not_complete(task: &Task) -> Words {
    Words::new()
        .text("✓ Note: ")
        .link(&task.title, &task.url)
        .text(format!(
            " is {} in {}. There is nothing to undo",
            task.source_status,
            task.key.source().name()
        ))
}

/// A check mark was removed from the card of a task that stays complete, and why.
pub fn stays_complete(task: &Task, too_old: bool) -> Words {
    let why = match too_old {
        true => "you completed it more than 15 minutes ago",
        false => "it was not you who completed it",
    };
    Words::new()
        .link(&task.title, &task.url)
        .text(format!(
            " stays {} in {}: {why}. Type ",
            task.source_status,
            task.key.source().name()
        ))
        .code(format!("reopen {}", task.id))
        .text(" to open it again.")
}

/// The place of a task in its person's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rank {
    /// From 1, of so many; and why it is ahead of the next one, if the points do not show that.
    At {
        place: usize,
        of: usize,
        tie: Option<String>,
    },
    /// Outside of the queue, and why: the end of a sentence about it.
    Hidden(Words),
}

/// The explanation of a task's rank: its points, which add up to its score, and its place.
pub fn why_here(
    task: &Task,
    score: &Score,
    rank: &Rank,
    is_current: bool,
    first: Option<(&Task, i64)>,
    circle: &[&Task],
) -> Words {
    let points: Vec<String> = score
        .points()
        .into_iter()
        .map(|(reason, points)| format!("{reason} {points}"))
        .collect();
    let words = Words::new()
        .link(&task.title, &task.url)
        .text(format!(" · {}", place(task)))
        .text(format!("\n{} points: {}.", score.total, points.join(" + ")));
    let words = match rank {
        Rank::At {
            place: 1, of: 1, ..
        } => words.text("\nIt is the only task in your queue."),
        Rank::At { place: 1, of, tie } => {
            let words = words.text(format!("\nIt is first of the {of} tasks in your queue"));
            match tie {
                Some(tie) => words.text(format!(", before one with as many points: {tie}.")),
                None => words.text("."),
            }
        }
        Rank::At { place, of, .. } => {
            let words = words.text(format!(
                "\nIt is number {place} of the {of} tasks in your queue"
            ));
            match first {
                Some((first, points)) => words
                    .text("; first is ")
                    .link(&first.title, &first.url)
                    .text(format!(" with {points} points.")),
                None => words.text("."),
            }
        }
        Rank::Hidden(why) => words
            .text("\nIt is not in your queue: it ")
            .then(why.clone())
            .text("."),
    };
    let words = match circle {
        [] => words,
        circle => words.text(format!(
            " It and {} wait for each other in a circle, so that is no reason to hide any of them.",
            names(circle)
        )),
    };
    let leads = matches!(rank, Rank::At { place: 1, .. });
    match is_current && !leads {
        true => {
            words.text(" It is your current task because it was shown to you; `next` moves on.")
        }
        false => words,
    }
}

/// Some tasks by their titles and ids; of many the first few.
fn names(tasks: &[&Task]) -> String {
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
    format!("waits for {}", names(blockers))
}

/// The end of a snooze, as a list shows it beside the task.
pub fn snoozed_until(until: DateTime<Utc>, zone: Tz) -> Words {
    Words::new().text("snoozed until ").date(until, zone)
}

/// All reasons why a task is not in a person's queue.
pub fn hidden_because(hidden: &[Hidden], zone: Tz) -> Words {
    let reasons = hidden.iter().map(|one| hidden_by(one, zone));
    joined(reasons, ", and ")
}

fn hidden_by(hidden: &Hidden, zone: Tz) -> Words {
    let words = Words::new();
    match hidden {
        Hidden::Blocked(by) => words.text(waits_for(&by.iter().collect::<Vec<_>>())),
        Hidden::Snoozed(until) => words.text("is ").then(snoozed_until(*until, zone)),
        Hidden::Done(word) => words.text(format!("is {word}")),
        Hidden::BeingCompleted => words.text("is being completed"),
        Hidden::Gone => words.text("was deleted"),
        Hidden::Away => words.text("is in a place that I do not follow"),
        Hidden::NotTheirs => words.text("is not assigned to you"),
    }
}

/// Some words, one after the other.
pub fn joined(all: impl IntoIterator<Item = Words>, between: &str) -> Words {
    let mut all = all.into_iter();
    let first = all.next().unwrap_or_default();
    all.fold(first, |words, more| words.text(between).then(more))
}

/// The reason why a task is not offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hidden {
    /// These have to be finished before it.
    Blocked(Vec<Task>),
    Snoozed(DateTime<Utc>),
    /// In the source's own word.
    Done(String),
    BeingCompleted,
    Gone,
    Away,
    NotTheirs,
}
