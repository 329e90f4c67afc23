//! The pin: the task that a person means, and the one that `next` leads to.
//!
//! Pins are a history: a command means the task that its author could see when typing, not the current one on arrival.

use chrono::{DateTime, Utc};

use super::ids::{PinId, TaskRow};
use super::task::Source;

/// The reason why a queue is empty. The first that holds counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmptyQueue {
    /// These sources were not read yet.
    NotRead(Vec<Source>),
    /// The person's account is known at none of the sources, which are these.
    NotLinked(Vec<Source>),
    /// There are tasks, but these numbers of them are blocked and snoozed. A task may be both.
    HeldBack {
        /// The number of open tasks that wait for others.
        blocked: usize,
        /// The number of open tasks that are snoozed.
        snoozed: usize,
    },
    /// Ivan has one user only, and there is no open task.
    Done,
    /// No open task is assigned to the person, whose account is not known at these sources.
    NothingAssigned(Vec<Source>),
}

impl EmptyQueue {
    /// Whether the queue may be empty only for lack of information.
    pub fn is_unknown(&self) -> bool {
        matches!(self, EmptyQueue::NotRead(_) | EmptyQueue::NotLinked(_))
    }

    /// Whether the reason needs no explanation.
    pub fn is_plain(&self) -> bool {
        match self {
            EmptyQueue::Done => true,
            EmptyQueue::NothingAssigned(unlinked) => unlinked.is_empty(),
            _ => false,
        }
    }

    /// The name in the HTTP API.
    pub fn word(&self) -> &'static str {
        match self {
            EmptyQueue::NotRead(_) => "not_read",
            EmptyQueue::NotLinked(_) => "not_linked",
            EmptyQueue::HeldBack { snoozed: 0, .. } => "all_wait",
            EmptyQueue::HeldBack { blocked: 0, .. } => "all_snoozed",
            EmptyQueue::HeldBack { .. } => "all_held_back",
            EmptyQueue::Done | EmptyQueue::NothingAssigned(_) => "empty",
        }
    }
}

/// A task that became a person's current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// The row; a later pin has a higher number.
    pub id: PinId,
    /// The row of the task; `None` when their queue was empty.
    pub task: Option<TaskRow>,
    /// The time since when they can see it, by the clock of the showing surface; `None` until it is shown.
    pub shown_at: Option<DateTime<Utc>>,
}

/// The pin that a command typed at `typed_at` is about: the last one shown before. It is never a task that its author
/// had not seen yet.
pub fn meant(pins: &[Pin], typed_at: DateTime<Utc>) -> Option<&Pin> {
    pins.iter()
        .filter(|pin| pin.shown_at.is_some_and(|shown| shown < typed_at))
        .max_by_key(|pin| (pin.shown_at, pin.id))
}

/// The task after `current` in a ranked queue, for `next`; the end leads back to the first. `None` if there is no
/// other.
pub fn following(ranked: &[TaskRow], current: Option<TaskRow>) -> Option<TaskRow> {
    let behind = current
        .and_then(|current| ranked.iter().position(|&task| task == current))
        .map_or(0, |place| place + 1);
    ranked
        .iter()
        .cycle()
        .skip(behind)
        .take(ranked.len())
        .copied()
        .find(|&task| Some(task) != current)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn pin(id: i64, task: i64, shown: Option<i64>) -> Pin {
        Pin {
            id: PinId(id),
            task: Some(TaskRow(task)),
            shown_at: shown.map(at),
        }
    }

    #[rstest]
    #[case::before_anything_was_shown(5, None)]
    #[case::in_the_same_instant_it_was_not_seen(10, None)]
    #[case::after_the_first(15, Some(100))]
    #[case::typed_while_the_second_was_on_its_way(20, Some(100))]
    #[case::after_the_second(21, Some(200))]
    #[case::the_third_is_not_shown_yet(99, Some(200))]
    fn a_command_means_what_its_author_saw(#[case] typed: i64, #[case] task: Option<i64>) {
        let pins = [
            pin(1, 100, Some(10)),
            pin(2, 200, Some(20)),
            pin(3, 300, None),
        ];
        assert_eq!(
            meant(&pins, at(typed)).and_then(|pin| pin.task),
            task.map(TaskRow)
        );
    }

    #[rstest]
    #[case(&[1, 2, 3], Some(1), Some(2))]
    #[case(&[1, 2, 3], Some(3), Some(1))]
    #[case(&[1, 2, 3], Some(9), Some(1))]
    #[case(&[1, 2, 3], None, Some(1))]
    #[case(&[1], Some(1), None)]
    #[case(&[], Some(1), None)]
    #[case(&[], None, None)]
    fn next_goes_round(
        #[case] ranked: &[i64],
        #[case] current: Option<i64>,
        #[case] next: Option<i64>,
    ) {
        let ranked: Vec<TaskRow> = ranked.iter().copied().map(TaskRow).collect();
        assert_eq!(following(&ranked, current.map(TaskRow)), next.map(TaskRow));
    }
}
