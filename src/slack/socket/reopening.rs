//! The time of opening the next link to Slack.

use std::time::Duration;

use tokio::time::Instant;

use crate::runtime::Backoff;

/// When to open a link after the last one ended: at once, but not more often than a sound link would end.
///
/// Slack closes links every few hours without a warning. A server that closes each one right after its `hello` must not
/// be flooded with attempts (docs/contracts/slack.md#disconnects-and-several-connections).
#[derive(Debug)]
pub struct Reopening {
    backoff: Backoff,
    /// A link that ends sooner than this after the last immediate reopening counts as unstable.
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

    /// The wait after a link that had received `hello` ended, or is about to.
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

    /// The wait after a failed attempt to open one.
    pub fn after_failure(&mut self) -> Duration {
        self.backoff.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

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
}
