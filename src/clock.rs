//! The only clock of the app. Decisions take `now` from it as a value; tests can shift it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, Utc};

/// Wall time, possibly shifted. Clones share the shift.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    shift_us: Arc<AtomicI64>,
}

impl Clock {
    /// The system's time, not shifted.
    pub fn system() -> Clock {
        Clock::default()
    }

    /// The current time in microseconds: the precision of the store and of Slack's `ts`.
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is the app's clock")]
        let now = Utc::now();
        let us = now.timestamp_micros() + self.shift_us.load(Ordering::Relaxed);
        DateTime::from_timestamp_micros(us).unwrap_or(now)
    }

    /// Moves this clock and all its clones forward, or back if negative.
    pub fn shift(&self, by: Duration) {
        let us = by.num_microseconds().unwrap_or(0);
        self.shift_us.fetch_add(us, Ordering::Relaxed);
    }
}
