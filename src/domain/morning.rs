//! The briefing: what somebody needs to know before they begin.
//!
//! The desk gathers what is in a [`Morning`]; here it becomes the [`Part`]s of a message, and `reply` says the same in
//! words.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::card::{Card, Part, card, item};
use super::reply::{self, Words};
use super::score::Score;
use super::task::Task;

/// So many of the queue are shown.
pub const TOP: usize = 3;
/// Of each kind of task, so many are named; of more, only how many.
pub const NAMED_MAX: usize = 5;

/// What somebody needs to know in the morning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Morning {
    pub now: DateTime<Utc>,
    pub zone: Tz,
    /// How many tasks are in the queue.
    pub open: usize,
    /// Its first, with their rows and reasons.
    pub top: Vec<(i64, Task, Score)>,
    /// The current task, if it is none of those.
    pub current: Option<Task>,
    pub overdue: Vec<Task>,
    pub due_today: Vec<Task>,
    /// Who waits for a task of theirs.
    pub waits: Vec<Waits>,
    /// What they asked for and has no outcome yet, and why.
    pub queued: Vec<Words>,
    /// How many those are in all.
    pub queued_count: usize,
    /// Sources that cannot be read, and why.
    pub troubles: Vec<Words>,
    /// What is said where there is nothing to do.
    pub empty: Words,
}

/// Somebody who waits for a task to be finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    pub who: String,
    pub task: Task,
}

/// Sorts a queue into what is overdue and what is due today, in its own order.
pub fn due(queue: &[(i64, Task, Score)], now: DateTime<Utc>, zone: Tz) -> (Vec<Task>, Vec<Task>) {
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

impl Morning {
    /// From top to bottom: the first with all that can be done about it.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::Text(reply::morning_lead(self))];
        for (number, (row, task, score)) in (1..).zip(&self.top) {
            parts.push(Part::Card(match number {
                1 => card(*row, task, score, self.now, self.zone),
                _ => Card {
                    why: reply::why(score),
                    ..item(number, *row, task, self.now, self.zone)
                },
            }));
        }
        parts.extend(reply::morning_rest(self).into_iter().map(Part::Text));
        parts
    }

    /// The same for whoever cannot see cards.
    pub fn words(&self) -> Words {
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
