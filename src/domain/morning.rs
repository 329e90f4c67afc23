//! The briefing: the things that a person should know before they begin.
//!
//! The verb gathers the content in a [`BriefingContent`]; this module turns it into the [`CardPart`]s of a message, and `reply`
//! into words.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::card::{Card, CardPart, card, item};
use super::ids::TaskRow;
use super::reply::{self, Text};
use super::score::Score;
use super::task::Task;

/// How many tasks of the queue are shown.
pub const TOP: usize = 3;
/// How many tasks of each kind are named; further ones are only counted.
pub const NAMED_MAX: usize = 5;

/// The content of a briefing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BriefingContent {
    /// The time of the briefing, UTC.
    pub now: DateTime<Utc>,
    /// The person's time zone.
    pub zone: Tz,
    /// The number of tasks in the queue.
    pub open: usize,
    /// Its first tasks, with their rows and reasons.
    pub top: Vec<(TaskRow, Task, Score)>,
    /// The current task, if it is none of those.
    pub current: Option<Task>,
    /// Tasks of the queue whose due day is over, in its order.
    pub overdue: Vec<Task>,
    /// Tasks of the queue that are due on this day, in its order.
    pub due_today: Vec<Task>,
    /// People who wait for a task of theirs.
    pub waits: Vec<WaitingPerson>,
    /// Their requests without an outcome, and why.
    pub queued: Vec<Text>,
    /// The number of all those requests.
    pub queued_count: usize,
    /// Sources that cannot be read, and why.
    pub troubles: Vec<Text>,
    /// The text for an empty queue.
    pub empty: Text,
}

/// A person who waits for a task to be finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingPerson {
    /// The person's name, or a phrase for an account of no person here.
    pub who: String,
    /// The task that the person waits for.
    pub task: Task,
}

/// The overdue tasks of a queue and those due today, each in the queue's order.
pub fn due(
    queue: &[(TaskRow, Task, Score)],
    now: DateTime<Utc>,
    zone: Tz,
) -> (Vec<Task>, Vec<Task>) {
    let today = now.with_timezone(&zone).date_naive();
    let (mut overdue, mut due_today) = (Vec::new(), Vec::new());
    for (_, task, _) in queue {
        match task.due.map(|due| due.day_in(zone)) {
            Some(day) if day < today => overdue.push(task.clone()),
            Some(day) if day == today => due_today.push(task.clone()),
            _ => {}
        }
    }
    (overdue, due_today)
}

impl BriefingContent {
    /// The message from top to bottom: the first task with all its buttons.
    pub fn parts(&self) -> Vec<CardPart> {
        let mut parts = vec![CardPart::Text(reply::morning_lead(self))];
        for (number, (row, task, score)) in (1..).zip(&self.top) {
            parts.push(CardPart::Card(match number {
                1 => card(*row, task, score, self.now, self.zone),
                _ => Card {
                    why: reply::why(score),
                    ..item(number, *row, task, self.now, self.zone)
                },
            }));
        }
        parts.extend(reply::morning_rest(self).into_iter().map(CardPart::Text));
        parts
    }

    /// The same as plain text.
    pub fn words(&self) -> Text {
        let mut words = reply::morning_lead(self);
        for (number, (_, task, score)) in (1..).zip(&self.top) {
            words = words
                .text(format!("\n{number}. "))
                .then(reply::card(task, score, self.now, self.zone));
        }
        for line in reply::morning_rest(self) {
            words = words.text("\n").then(line);
        }
        words
    }
}
