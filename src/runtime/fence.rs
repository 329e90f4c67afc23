//! The time until which this process may send anything to Slack and the sources, and answer anybody.
//!
//! Without a standby it has no end. A daemon that leads by a lease (`standby/`) moves it on with each renewal. Its clock goes
//! on while the process is stopped (SIGSTOP) and while the machine is suspended, so a daemon that comes back finds the time
//! over. What may not be sent any more waits for ever: the daemon's watch ends the process.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

/// Stands for no end.
const NEVER: u64 = u64::MAX;

/// The end of the time, in milliseconds of [`since_boot`].
#[derive(Debug)]
struct Fence(AtomicU64);

static FENCE: Fence = Fence(AtomicU64::new(NEVER));

impl Fence {
    fn is_open_at(&self, now: impl FnOnce() -> Duration) -> bool {
        match self.0.load(Ordering::Acquire) {
            NEVER => true,
            until => now() < Duration::from_millis(until),
        }
    }

    fn ends_at(&self, until: Duration) {
        let until = u64::try_from(until.as_millis()).unwrap_or(NEVER - 1);
        self.0.store(until.min(NEVER - 1), Ordering::Release);
    }
}

/// The time since the machine was started, with all the time in which it or this process stood still.
#[cfg(target_os = "linux")]
pub fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// The time since the first call. Elsewhere than on Linux it may stand still while the machine is suspended.
#[cfg(not(target_os = "linux"))]
pub fn since_boot() -> Duration {
    static BEGUN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGUN.get_or_init(std::time::Instant::now).elapsed()
}

/// From then on nothing is sent any more.
pub fn ends_at(until: Duration) {
    FENCE.ends_at(until);
}

/// Whether something may be sent now.
pub fn is_open() -> bool {
    FENCE.is_open_at(since_boot)
}

/// Resolves at once while something may be sent, and never afterwards.
pub async fn passes() {
    fenced(std::future::ready(())).await;
}

/// Makes progress only as long as something may be sent: the time is looked at before each step, so that a process that
/// was stopped in the middle goes no further.
pub async fn fenced<F: Future>(sending: F) -> F::Output {
    let mut sending = pin!(sending);
    poll_fn(|cx| match is_open() {
        true => sending.as_mut().poll(cx),
        false => Poll::Pending,
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_open_until_its_time_is_over() {
        let fence = Fence(AtomicU64::new(NEVER));
        let at = |seconds| move || Duration::from_secs(seconds);
        assert!(fence.is_open_at(at(u64::MAX)));
        fence.ends_at(Duration::from_secs(10));
        assert!(fence.is_open_at(at(9)));
        assert!(!fence.is_open_at(at(10)));
        fence.ends_at(Duration::from_secs(20));
        assert!(fence.is_open_at(at(10)));
        fence.ends_at(Duration::ZERO);
        assert!(!fence.is_open_at(at(0)));
        fence.ends_at(Duration::MAX);
        assert!(fence.is_open_at(at(1 << 40)));
    }

    #[test]
    fn its_clock_goes_on() {
        let begun = since_boot();
        while since_boot() == begun {
            std::hint::spin_loop();
        }
        assert!(since_boot() > begun);
    }
}
