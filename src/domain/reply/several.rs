//! The receipt of a command for several tasks: a line for each.

use super::{Report, ReportState, Text, held_back, joined};
use crate::domain::operation::Refusal;
use crate::domain::queue::HeldBack;
use crate::domain::task::Task;

/// The report of a command from those of its parts, without the next task. A reason that is the same for all parts is
/// given once.
pub fn several(mut parts: Vec<Report>) -> Report {
    if one_message(&parts).is_none() {
        parts.iter_mut().for_each(name_the_task);
    }
    let done = |part: &Report| part.state == ReportState::Done;
    let is_any = |state: ReportState| parts.iter().any(|part| part.state == state);
    let state = if is_any(ReportState::Queued) {
        ReportState::Queued
    } else if is_any(ReportState::SetAside) {
        ReportState::SetAside
    } else if parts.iter().all(done) {
        ReportState::Done
    } else if is_any(ReportState::GivenUp) {
        ReportState::GivenUp
    } else {
        ReportState::Refused(Refusal::Other)
    };
    let mut report = Report {
        state,
        message: Text::new(),
        task: None,
        current_state: None,
        conflict: parts.iter().any(|part| part.conflict),
        completed: parts.iter().all(|part| part.completed),
        operation_id: None,
        next: None,
        emptied: false,
        held_back: HeldBack::default(),
        parts,
    };
    report.message = match one_message(&report.parts) {
        Some(message) => message,
        None => lines(&report)
            .into_iter()
            .fold(heading(&report), |words, line| words.text("\n").then(line)),
    };
    report
}

/// The message of the only part, or the reason that all parts were rejected for.
fn one_message(parts: &[Report]) -> Option<Text> {
    let (first, rest) = parts.split_first()?;
    let is_same = |part: &Report| is_rejected(part) && part.message == first.message;
    let is_one = rest.is_empty() || parts.iter().all(is_same);
    is_one.then(|| first.message.clone())
}

/// Whether it was rejected before any request to a source.
fn is_rejected(part: &Report) -> bool {
    matches!(part.state, ReportState::Refused(_)) && part.operation_id.is_none()
}

/// `2 of 3 tasks:`
fn heading(report: &Report) -> Text {
    let all = report.parts.len();
    let done = report
        .parts
        .iter()
        .filter(|part| part.state == ReportState::Done);
    Text::new().text(format!("{} of {all} tasks:", done.count()))
}

/// The reason for a rejection may not name the task.
fn name_the_task(part: &mut Report) {
    if let Some(task) = part.task.as_ref().filter(|_| is_rejected(part))
        && !part.message.plain().contains(&task.title)
    {
        let reason = std::mem::take(&mut part.message);
        part.message = Text::new()
            .link(&task.title, &task.url)
            .text(": ")
            .then(reason);
    }
}

/// A line for each part: its mark and its message.
fn lines(report: &Report) -> Vec<Text> {
    let line = |part: &Report| {
        let mark = format!("{} ", part.state.mark());
        Text::new().text(mark).then(part.message.clone())
    };
    report.parts.iter().map(line).collect()
}

/// The receipt of several tasks, with the next task.
pub(super) fn receipt(report: &Report) -> Text {
    let next = report
        .next
        .as_ref()
        .map(|next| Text::new().text("Next: ").link(&next.title, &next.url));
    joined(receipt_lines(report).into_iter().chain(next), "\n")
}

/// The lines of the receipt of several tasks, without the next task: the heading first.
pub fn receipt_lines(report: &Report) -> Vec<Text> {
    let mark = Text::new().text(format!("{} ", report.state.mark()));
    let mut all = match one_message(&report.parts) {
        Some(message) => vec![mark.then(message)],
        None => {
            let mut all = vec![mark.then(heading(report))];
            all.extend(lines(report));
            all
        }
    };
    if report.state == ReportState::Queued {
        all.push(Text::new().text("I'll update this message."));
    }
    if report.emptied && report.next.is_none() {
        all.push(match report.held_back == HeldBack::default() {
            true => Text::new().text("Nothing is left in your queue."),
            false => held_back(report.held_back),
        });
    }
    all
}

/// More tasks at once than are allowed.
pub fn too_many_tasks(count: usize, most: usize) -> Text {
    Text::new().text(format!(
        "That is {count} tasks. I take at most {most} at once, so nothing changed."
    ))
}

/// The question of a command before it acts on many tasks, or on those that match a filter.
pub fn asks_first(typed: &str, tasks: &[&Task]) -> Text {
    joined(asks_first_lines(typed, tasks), "\n")
}

/// The lines of that question: the command first, and then its tasks.
pub fn asks_first_lines(typed: &str, tasks: &[&Task]) -> Vec<Text> {
    let which = match tasks.len() {
        1 => "this task".to_owned(),
        many => format!("these {many} tasks"),
    };
    let question = Text::new()
        .code(typed)
        .text(format!(" for {which}? Nothing is done yet."));
    let line = |task: &&Task| Text::new().text("• ").link(&task.title, &task.url);
    std::iter::once(question)
        .chain(tasks.iter().map(line))
        .collect()
}

/// The answer `No` to that question.
pub fn nothing_was_done() -> Text {
    Text::new().text("OK, nothing was done.")
}

/// A question that has its answer, or is too old.
pub fn question_is_over() -> Text {
    Text::new()
        .text("That question was answered, or is older than an hour. Type the command again.")
}

/// A question that another person was asked.
pub fn not_your_question() -> Text {
    Text::new().text("Only the person who was asked can answer that.")
}
