//! How long to wait: between attempts that fail, between links that break, between posts in one channel.
//!
//! `socket`, `listen` and `post` wait by these; they decide about durations and do not wait themselves.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// Doubling waits with jitter: each is between half and all of its step, so that daemons do not march in step.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    tries: u32,
}

impl Backoff {
    pub fn new(first: Duration, max: Duration) -> Backoff {
        Backoff {
            first,
            max,
            tries: 0,
        }
    }

    /// How long to wait after one more failure.
    pub fn next(&mut self) -> Duration {
        let step = self
            .first
            .saturating_mul(1 << self.tries.min(20))
            .min(self.max);
        self.tries = self.tries.saturating_add(1);
        step.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

/// When to open a link after the last one ended: at once, but not more often than a sound link would end.
///
/// Slack closes links every few hours without a warning; a server that closes each one right after its `hello` must
/// not be hammered (contract slack 1.5).
#[derive(Debug)]
pub struct Reopening {
    backoff: Backoff,
    /// A link that ends sooner than this after the last free reopening did not hold.
    settled: Duration,
    last_free: Option<Instant>,
}

impl Reopening {
    pub fn new(backoff: Backoff, settled: Duration) -> Reopening {
        Reopening {
            backoff,
            settled,
            last_free: None,
        }
    }

    /// A link that had said `hello` ended, or is about to.
    pub fn after_link(&mut self, now: Instant) -> Duration {
        let free = self
            .last_free
            .is_none_or(|last| now.duration_since(last) >= self.settled);
        if free {
            self.last_free = Some(now);
            self.backoff.reset();
            Duration::ZERO
        } else {
            self.backoff.next()
        }
    }

    /// An attempt to open one failed.
    pub fn after_failure(&mut self) -> Duration {
        self.backoff.next()
    }
}

/// About one call per `every` in each lane (a method in a channel), with a small burst: a first message never waits
/// (contract slack 3.3).
#[derive(Debug)]
pub struct Limiter {
    every: Duration,
    burst: u32,
    /// When the lane's next call would be due if all were spaced evenly.
    due: HashMap<String, Instant>,
}

/// So many lanes are remembered before the ones that need no waiting are forgotten.
const LANES_MAX: usize = 1_000;

impl Limiter {
    pub fn new(every: Duration, burst: u32) -> Limiter {
        Limiter {
            every,
            burst: burst.max(1),
            due: HashMap::new(),
        }
    }

    /// Takes the lane's next turn; returns when it is.
    pub fn take(&mut self, lane: &str, now: Instant) -> Instant {
        if self.due.len() >= LANES_MAX {
            self.due.retain(|_, due| *due > now);
        }
        let allowance = self.every * (self.burst - 1);
        let due = self.due.entry(lane.to_owned()).or_insert(now);
        let turn = due.checked_sub(allowance).unwrap_or(now).max(now);
        *due = (*due).max(now) + self.every;
        turn
    }

    /// Slack asked for a pause (`Retry-After`): nothing goes there before, and no burst after it.
    pub fn pause(&mut self, lane: &str, until: Instant) {
        let due = until + self.every * (self.burst - 1);
        let entry = self.due.entry(lane.to_owned()).or_insert(due);
        *entry = (*entry).max(due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_most_and_start_anew() {
        let mut backoff = Backoff::new(SECOND, 60 * SECOND);
        for step in [1, 2, 4, 8, 16, 32, 60, 60] {
            let wait = backoff.next();
            assert!(
                wait >= step * SECOND / 2 && wait <= step * SECOND,
                "{wait:?} of {step}"
            );
        }
        backoff.reset();
        assert!(backoff.next() <= SECOND);
    }

    #[test]
    fn a_hundred_failures_do_not_overflow() {
        let mut backoff = Backoff::new(SECOND, 60 * SECOND);
        let longest = (0..100).map(|_| backoff.next()).max();
        assert!(longest.is_some_and(|longest| longest <= 60 * SECOND));
    }

    #[test]
    fn a_link_that_held_is_replaced_at_once_and_one_that_did_not_is_not() {
        let mut reopening = Reopening::new(Backoff::new(SECOND, 60 * SECOND), 30 * SECOND);
        let start = Instant::now();
        assert_eq!(reopening.after_link(start), Duration::ZERO);
        assert!(reopening.after_link(start + SECOND) >= SECOND / 2);
        assert!(reopening.after_link(start + 2 * SECOND) >= SECOND);
        assert_eq!(reopening.after_link(start + 40 * SECOND), Duration::ZERO);
        assert!(reopening.after_failure() <= SECOND);
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_once_a_second() {
        let mut limiter = Limiter::new(SECOND, 3);
        let now = Instant::now();
        let turns: Vec<Duration> = (0..5)
            .map(|_| limiter.take("C1", now).duration_since(now))
            .collect();
        assert_eq!(turns, [0, 0, 0, 1, 2].map(|seconds| seconds * SECOND));
        assert_eq!(limiter.take("C2", now), now, "another lane does not wait");
        assert_eq!(limiter.take("C1", now + 60 * SECOND), now + 60 * SECOND);
    }

    #[test]
    fn a_pause_is_for_its_lane_only() {
        let mut limiter = Limiter::new(SECOND, 3);
        let now = Instant::now();
        limiter.pause("C1", now + 7 * SECOND);
        assert_eq!(limiter.take("C1", now), now + 7 * SECOND);
        assert_eq!(limiter.take("C1", now), now + 8 * SECOND);
        assert_eq!(limiter.take("C2", now), now);
    }

    #[test]
    fn idle_lanes_are_forgotten() {
        let mut limiter = Limiter::new(SECOND, 1);
        let now = Instant::now();
        for channel in 0..3 * LANES_MAX {
            limiter.take(
                &format!("C{channel}"),
                now + 2 * SECOND * u32::try_from(channel).unwrap(),
            );
        }
        assert!(limiter.due.len() <= LANES_MAX);
    }
}
