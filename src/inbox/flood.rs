//! Deliveries that flood in: how many wait, counted in memory, and how fast they come.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::runtime::lock;

/// A flood is as many arrivals within that time.
const FAST: usize = 32;
const FAST_WITHIN: Duration = Duration::from_millis(100);
/// How often an ongoing flood is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the processing of a page of deliveries waits for the end of a flood.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Default)]
pub(super) struct Flood {
    state: Mutex<FloodState>,
}

#[derive(Default)]
struct FloodState {
    /// The waiting deliveries. `None` until the store has counted them.
    waiting: Option<i64>,
    /// The newest arrivals, at most [`FAST`].
    arrivals: VecDeque<Instant>,
}

impl Flood {
    /// A delivery was stored.
    pub(super) fn one_arrived(&self, now: Instant) {
        let mut state = self.state();
        if let Some(waiting) = &mut state.waiting {
            *waiting += 1;
        }
        if state.arrivals.len() == FAST {
            state.arrivals.pop_front();
        }
        state.arrivals.push_back(now);
    }

    /// A delivery was processed.
    pub(super) fn one_left(&self) {
        if let Some(waiting) = &mut self.state().waiting {
            *waiting = (*waiting - 1).max(0);
        }
    }

    /// The number of waiting deliveries. `None` if the store should count them: at first, and while they seem to be
    /// `too_many`, because other parts of Ivan may have set some aside.
    pub(super) fn count_waiting(&self, too_many: i64) -> Option<i64> {
        self.state().waiting.filter(|waiting| *waiting < too_many)
    }

    /// The store has counted.
    pub(super) fn counted(&self, waiting: i64) {
        self.state().waiting = Some(waiting);
    }

    /// Waits until no more deliveries flood in, until more than `many` wait, or a second.
    pub(super) async fn is_over(&self, many: i64) {
        let begun = Instant::now();
        while begun.elapsed() < WAIT_MAX && self.state().is_flood(many, Instant::now()) {
            sleep(LOOK_EVERY).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, FloodState> {
        lock(&self.state)
    }
}

impl FloodState {
    fn is_flood(&self, many: i64, now: Instant) -> bool {
        let of_many = self
            .arrivals
            .front()
            .filter(|_| self.arrivals.len() == FAST);
        let fast = of_many.is_some_and(|first| now.duration_since(*first) < FAST_WITHIN);
        fast && self.waiting.is_none_or(|waiting| waiting <= many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// As many arrivals, at such intervals; returns the time of the last.
    fn arrive(flood: &Flood, deliveries: u32, every: Duration) -> Instant {
        let begun = Instant::now();
        (0..deliveries).for_each(|number| flood.one_arrived(begun + every * number));
        begun + every * (deliveries - 1)
    }

    fn is_flood(flood: &Flood, many: i64, now: Instant) -> bool {
        flood.state().is_flood(many, now)
    }

    #[test]
    fn many_deliveries_at_once_are_a_flood_until_they_end() {
        let flood = Flood::default();
        assert!(!is_flood(&flood, 10, Instant::now()));
        let last = arrive(&flood, 100, MS * 10);
        assert!(!is_flood(&flood, 10, last));
        let flood = Flood::default();
        let last = arrive(&flood, 31, MS);
        assert!(!is_flood(&flood, 10, last));
        let flood = Flood::default();
        let last = arrive(&flood, 32, MS);
        assert!(is_flood(&flood, 10, last));
        assert!(!is_flood(&flood, 10, last + FAST_WITHIN));
    }

    #[test]
    fn a_flood_that_leaves_too_many_waiting_is_not_awaited() {
        let flood = Flood::default();
        flood.counted(0);
        let last = arrive(&flood, 101, MS);
        assert!(!is_flood(&flood, 100, last));
        flood.one_left();
        assert!(is_flood(&flood, 100, last));
    }

    #[tokio::test]
    async fn the_end_of_a_flood_is_awaited() {
        let flood = Flood::default();
        (0..FAST).for_each(|_| flood.one_arrived(Instant::now()));
        let begun = Instant::now();
        flood.is_over(1_000).await;
        assert!(begun.elapsed() >= LOOK_EVERY);
        assert!(!is_flood(&flood, 1_000, Instant::now()));
    }

    #[tokio::test]
    async fn a_flood_without_an_end_is_awaited_for_a_while() {
        let flood = Flood::default();
        // They seem to come in for ever.
        let later = Instant::now() + WAIT_MAX * 100;
        (0..FAST).for_each(|_| flood.one_arrived(later));
        let begun = Instant::now();
        flood.is_over(1_000).await;
        assert!(begun.elapsed() >= WAIT_MAX);
    }

    #[test]
    fn the_store_counts_at_first_and_while_too_many_wait() {
        let flood = Flood::default();
        let now = Instant::now();
        assert_eq!(flood.count_waiting(100), None);
        // Nothing is counted before the store has.
        flood.one_arrived(now);
        flood.counted(98);
        flood.one_arrived(now);
        assert_eq!(flood.count_waiting(100), Some(99));
        flood.one_arrived(now);
        assert_eq!(flood.count_waiting(100), None);
        flood.counted(3);
        flood.one_left();
        assert_eq!(flood.count_waiting(100), Some(2));
    }
}
