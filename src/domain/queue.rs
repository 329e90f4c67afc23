//! The pin: the task that a person means, and the one that `next` leads to.
//!
//! Pins are a history: a command means the task that its author could see when typing, not the current one on arrival.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{PinId, TaskRow};
use super::task::Source;

/// The most tasks of a first read that are counted.
pub const READ_COUNTED: usize = 50_000;

/// How far the first read of a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstRead {
    /// The source that is being read.
    pub source: Source,
    /// The tasks read so far, at most [`READ_COUNTED`].
    pub tasks: usize,
}

impl FirstRead {
    /// The tasks read so far, rounded down to two digits: a Home tab that shows them is not published for each page.
    pub fn about(&self) -> usize {
        let mut unit = 1;
        while self.tasks / unit >= 100 {
            unit *= 10;
        }
        self.tasks / unit * unit
    }
}

/// The facts about a source on which the reason for an empty queue depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSource {
    /// The source.
    pub source: Source,
    /// How far its first read is; `None` once it was read.
    pub reading: Option<FirstRead>,
    /// Whether the person's account there is known, or needs not be known.
    pub linked: bool,
}

/// The numbers of open tasks that a queue leaves out. A task may be both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeldBack {
    /// Those that wait for others.
    pub blocked: usize,
    /// Those that the person has snoozed.
    pub snoozed: usize,
}

/// The reason why a queue is empty. The first that holds counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmptyQueue {
    /// These sources were not read yet.
    NotRead(Vec<FirstRead>),
    /// The person's account is known at none of the sources, which are these.
    NotLinked(Vec<Source>),
    /// There are tasks, but all of them are blocked or snoozed.
    HeldBack(HeldBack),
    /// Ivan has one user only, and there is no open task.
    Done,
    /// No open task is assigned to the person, whose account is not known at these sources.
    NothingAssigned(Vec<Source>),
}

impl EmptyQueue {
    /// The reason, from the facts about each source, the numbers of blocked and snoozed tasks, and whether Ivan has one
    /// user only.
    pub fn of(sources: &[QueueSource], held_back: HeldBack, alone: bool) -> EmptyQueue {
        let reading: Vec<FirstRead> = sources.iter().filter_map(|one| one.reading).collect();
        let unlinked = sources.iter().filter(|one| !one.linked);
        let unlinked: Vec<Source> = unlinked.map(|one| one.source).collect();
        if !reading.is_empty() {
            EmptyQueue::NotRead(reading)
        } else if !unlinked.is_empty() && unlinked.len() == sources.len() {
            EmptyQueue::NotLinked(unlinked)
        } else if held_back != HeldBack::default() {
            EmptyQueue::HeldBack(held_back)
        } else if alone {
            EmptyQueue::Done
        } else {
            EmptyQueue::NothingAssigned(unlinked)
        }
    }

    /// The sources at which the person's account is not known.
    pub fn unlinked(&self) -> &[Source] {
        match self {
            EmptyQueue::NotLinked(sources) | EmptyQueue::NothingAssigned(sources) => sources,
            _ => &[],
        }
    }

    /// The sources that are being read for the first time.
    pub fn reading(&self) -> &[FirstRead] {
        match self {
            EmptyQueue::NotRead(reading) => reading,
            _ => &[],
        }
    }

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
            EmptyQueue::HeldBack(HeldBack { snoozed: 0, .. }) => "all_wait",
            EmptyQueue::HeldBack(HeldBack { blocked: 0, .. }) => "all_snoozed",
            EmptyQueue::HeldBack(_) => "all_held_back",
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

    /// ClickUp and GitHub, with the tasks read so far while they are read, and whether each is linked.
    fn facts(clickup: (Option<usize>, bool), github: (Option<usize>, bool)) -> [QueueSource; 2] {
        [(Source::ClickUp, clickup), (Source::GitHub, github)].map(|(source, (tasks, linked))| {
            QueueSource {
                source,
                reading: tasks.map(|tasks| FirstRead { source, tasks }),
                linked,
            }
        })
    }

    #[rstest]
    #[case::reading_goes_first((Some(7), false), (None, false), (1, 1), "not_read")]
    #[case::one_is_read((None, true), (Some(0), true), (0, 0), "not_read")]
    #[case::no_account((None, false), (None, false), (2, 0), "not_linked")]
    #[case::one_account_is_enough((None, true), (None, false), (2, 0), "all_wait")]
    #[case::snoozed((None, true), (None, true), (0, 1), "all_snoozed")]
    #[case::both((None, true), (None, true), (1, 1), "all_held_back")]
    #[case::nothing((None, true), (None, false), (0, 0), "empty")]
    fn the_first_reason_that_holds_counts(
        #[case] clickup: (Option<usize>, bool),
        #[case] github: (Option<usize>, bool),
        #[case] (blocked, snoozed): (usize, usize),
        #[case] word: &str,
    ) {
        let sources = facts(clickup, github);
        let held_back = HeldBack { blocked, snoozed };
        assert_eq!(EmptyQueue::of(&sources, held_back, false).word(), word);
    }

    #[test]
    fn without_a_source_nobody_lacks_a_link() {
        assert_eq!(
            EmptyQueue::of(&[], HeldBack::default(), true),
            EmptyQueue::Done
        );
    }

    #[rstest]
    #[case(0, 0)]
    #[case(99, 99)]
    #[case(101, 100)]
    #[case(1_299, 1_200)]
    #[case(50_000, 50_000)]
    fn a_first_read_is_told_in_steps(#[case] tasks: usize, #[case] about: usize) {
        let source = Source::ClickUp;
        assert_eq!(FirstRead { source, tasks }.about(), about);
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
