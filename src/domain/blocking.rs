//! The order in which tasks must be finished, and the people who wait.
//!
//! Sources read [`Relation`](super::task::Relation)s from their reports of a task. The store turns them into pairs of open
//! tasks. [`WaitGraph`] says who is held up: `score` gives points for that, and queues leave out blocked tasks.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::TaskRow;
use super::person::{Person, PersonId};
use super::task::{Account, Source};

/// Two open tasks, by their rows. The first has to be finished before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockingPair {
    /// The task that blocks.
    pub first: TaskRow,
    /// The task that waits.
    pub then: TaskRow,
}

/// A waiting person, by any of their accounts, or an account that belongs to no person here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaitingAccount {
    /// A person with this account.
    Person(PersonId),
    /// A source, and the account's id there.
    Account(Source, String),
}

impl WaitingAccount {
    /// The owner of an account.
    pub fn of(people: &[Person], source: Source, account: &Account) -> WaitingAccount {
        match people.iter().find(|person| person.has(source, account)) {
            Some(person) => WaitingAccount::Person(person.id),
            None => WaitingAccount::Account(source, account.id.clone()),
        }
    }
}

/// The waiting relations among the open tasks.
///
/// Tasks that wait for each other in a circle would all be hidden, and people would be offered none of them. So a pair
/// within a circle hides nothing and gives no points; it is only reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaitGraph {
    blockers: BTreeMap<TaskRow, BTreeSet<TaskRow>>,
    people: BTreeMap<TaskRow, BTreeSet<WaitingAccount>>,
    circles: BTreeMap<TaskRow, BTreeSet<TaskRow>>,
}

impl WaitGraph {
    /// Computes it from all pairs of open tasks and the owners of each pair's second task.
    pub fn of(
        pairs: &BTreeSet<BlockingPair>,
        whose: &BTreeMap<TaskRow, BTreeSet<WaitingAccount>>,
    ) -> WaitGraph {
        let circle_of = circles(pairs);
        let mut waits = WaitGraph::default();
        for &BlockingPair { first, then } in pairs {
            if first == then {
                continue;
            }
            if circle_of.get(&first) == circle_of.get(&then) {
                waits.circles.entry(first).or_default().insert(then);
                waits.circles.entry(then).or_default().insert(first);
                continue;
            }
            waits.blockers.entry(then).or_default().insert(first);
            let people = whose.get(&then).into_iter().flatten().cloned();
            waits.people.entry(first).or_default().extend(people);
        }
        waits
    }

    /// The number of people who wait for a task. Each counts once, for any number of their tasks.
    pub fn people_waiting_for(&self, task: TaskRow) -> usize {
        self.people.get(&task).map_or(0, BTreeSet::len)
    }

    /// Those people.
    pub fn who_waits_for(&self, task: TaskRow) -> impl Iterator<Item = &WaitingAccount> {
        self.people.get(&task).into_iter().flatten()
    }

    /// Whether another task has to be finished first.
    pub fn is_blocked(&self, task: TaskRow) -> bool {
        self.blockers.contains_key(&task)
    }

    /// All blocked tasks.
    pub fn blocked(&self) -> impl Iterator<Item = TaskRow> + '_ {
        self.blockers.keys().copied()
    }

    /// The tasks that have to be finished first.
    pub fn blockers_of(&self, task: TaskRow) -> Vec<TaskRow> {
        self.blockers
            .get(&task)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// The tasks in the same circle of waiting.
    pub fn in_a_circle_with(&self, task: TaskRow) -> Vec<TaskRow> {
        self.circles
            .get(&task)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }
}

/// Numbers the tasks so that those which reach each other along the pairs share a number. It does not recurse, so long
/// chains are safe.
fn circles(pairs: &BTreeSet<BlockingPair>) -> BTreeMap<TaskRow, TaskRow> {
    let mut ahead: BTreeMap<TaskRow, Vec<TaskRow>> = BTreeMap::new();
    let mut back: BTreeMap<TaskRow, Vec<TaskRow>> = BTreeMap::new();
    for &BlockingPair { first, then } in pairs {
        ahead.entry(first).or_default().push(then);
        back.entry(then).or_default().push(first);
    }
    let mut seen = BTreeSet::new();
    let mut left = Vec::new();
    for &task in ahead.keys() {
        let mut stack = vec![(task, false)];
        while let Some((task, leaves)) = stack.pop() {
            if leaves {
                left.push(task);
            } else if seen.insert(task) {
                stack.push((task, true));
                let next = ahead.get(&task).into_iter().flatten();
                stack.extend(next.map(|&next| (next, false)));
            }
        }
    }
    let mut circles = BTreeMap::new();
    for &circle in left.iter().rev() {
        let mut stack = vec![circle];
        while let Some(task) = stack.pop() {
            if circles.contains_key(&task) {
                continue;
            }
            circles.insert(task, circle);
            stack.extend(back.get(&task).into_iter().flatten());
        }
    }
    circles
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn pairs(of: &[(i64, i64)]) -> BTreeSet<BlockingPair> {
        of.iter()
            .map(|&(first, then)| BlockingPair {
                first: TaskRow(first),
                then: TaskRow(then),
            })
            .collect()
    }

    fn person(id: i64) -> WaitingAccount {
        WaitingAccount::Person(PersonId(id))
    }

    #[rstest]
    #[case::nothing(&[], &[])]
    #[case::one(&[(1, 2)], &[2])]
    #[case::a_chain(&[(1, 2), (2, 3)], &[2, 3])]
    #[case::itself(&[(1, 1)], &[])]
    #[case::each_other(&[(1, 2), (2, 1)], &[])]
    #[case::a_circle_of_three(&[(1, 2), (2, 3), (3, 1)], &[])]
    #[case::before_a_circle(&[(9, 1), (1, 2), (2, 1)], &[1])]
    #[case::behind_a_circle(&[(1, 2), (2, 1), (2, 9)], &[9])]
    #[case::two_ways_to_one(&[(1, 2), (1, 3), (2, 4), (3, 4)], &[2, 3, 4])]
    #[case::two_circles(&[(1, 2), (2, 1), (2, 3), (3, 4), (4, 3)], &[3])]
    fn blocks(#[case] of: &[(i64, i64)], #[case] blocked: &[i64]) {
        let waits = WaitGraph::of(&pairs(of), &BTreeMap::new());
        assert_eq!(
            waits.blocked().map(|task| task.0).collect::<Vec<_>>(),
            blocked
        );
    }

    #[test]
    fn each_person_who_waits_counts_once() {
        let whose = BTreeMap::from([
            (TaskRow(2), BTreeSet::from([person(1), person(2)])),
            (TaskRow(3), BTreeSet::from([person(2)])),
            (TaskRow(4), BTreeSet::new()),
            (TaskRow(5), BTreeSet::from([person(3)])),
        ]);
        // 5 waits for 1 only through 2, and is in a circle with 6.
        let of = pairs(&[(1, 2), (1, 3), (1, 4), (2, 5), (5, 6), (6, 5)]);
        let waits = WaitGraph::of(&of, &whose);
        let counted: Vec<usize> = (1..=6)
            .map(|task| waits.people_waiting_for(TaskRow(task)))
            .collect();
        assert_eq!(counted, [2, 1, 0, 0, 0, 0]);
        assert_eq!(waits.in_a_circle_with(TaskRow(5)), [TaskRow(6)]);
        assert_eq!(waits.blockers_of(TaskRow(5)), [TaskRow(2)]);
    }

    #[test]
    fn a_long_chain_is_no_trouble() {
        let of: Vec<(i64, i64)> = (0..50_000).map(|task| (task, task + 1)).collect();
        let waits = WaitGraph::of(&pairs(&of), &BTreeMap::new());
        assert_eq!(waits.blocked().count(), 50_000);
    }

    proptest! {
        /// In any relation of waiting, at least one task is not blocked.
        #[test]
        fn never_is_everything_blocked(of in proptest::collection::btree_set((0..12i64, 0..12i64), 1..40)) {
            let of: Vec<(i64, i64)> = of.into_iter().collect();
            let waits = WaitGraph::of(&pairs(&of), &BTreeMap::new());
            let tasks: BTreeSet<TaskRow> = pairs(&of).iter().flat_map(|pair| [pair.first, pair.then]).collect();
            prop_assert!(tasks.iter().any(|&task| !waits.is_blocked(task)));
            // Finishing unblocked tasks again and again finishes all.
            let mut open = tasks;
            while !open.is_empty() {
                let left: BTreeSet<BlockingPair> = pairs(&of)
                    .into_iter()
                    .filter(|pair| open.contains(&pair.first) && open.contains(&pair.then))
                    .collect();
                let waits = WaitGraph::of(&left, &BTreeMap::new());
                let before = open.len();
                open.retain(|&task| waits.is_blocked(task));
                prop_assert!(open.len() < before);
            }
        }
    }
}
