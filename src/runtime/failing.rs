//! The log throttle for what is tried again and again, such as a poll: the first failure, each new reason, then growing
//! intervals. Otherwise a source that is down for a day would fill the log.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// The first interval; each further one doubles.
const AGAIN_FIRST: Duration = Duration::from_secs(10 * 60);
const AGAIN_MAX: Duration = Duration::from_secs(6 * 60 * 60);
/// New reasons that are logged at once during a failure. Some reasons contain a time and are new at each attempt.
const REASONS: usize = 8;

/// Consecutive failed attempts at one thing.
#[derive(Debug, Default)]
pub struct LastingFailure {
    of: Option<Row>,
}

#[derive(Debug)]
struct Row {
    since: Duration,
    /// The time of the next log line, and the interval after it.
    again_at: Duration,
    wait: Duration,
    told: Vec<String>,
}

impl LastingFailure {
    /// Handles the end of an attempt, without an error or with one. `now` is the time since any moment that stays the same.
    /// Returns the duration of the failure as the end of a sentence, if a line is due.
    pub fn went(&mut self, now: Duration, error: Option<&str>) -> Option<String> {
        let Some(why) = error else {
            let over = self.of.take();
            return over.map(|row| lasting(now.saturating_sub(row.since)));
        };
        let Some(row) = &mut self.of else {
            self.of = Some(Row {
                since: now,
                again_at: now + AGAIN_FIRST,
                wait: AGAIN_FIRST,
                told: vec![why.to_owned()],
            });
            return Some(lasting(Duration::ZERO));
        };
        let new = row.told.len() < REASONS && !row.told.iter().any(|told| told == why);
        if now < row.again_at && !new {
            return None;
        }
        if new {
            row.told.push(why.to_owned());
        }
        if now >= row.again_at {
            row.wait = (row.wait * 2).min(AGAIN_MAX);
            row.again_at = now + row.wait;
        }
        Some(lasting(now.saturating_sub(row.since)))
    }
}

fn lasting(time: Duration) -> String {
    match time.as_secs() / MINUTE.as_secs() {
        ..1 => "for less than a minute".to_owned(),
        minutes @ 1..120 => format!("for {minutes} min"),
        minutes => format!("for {} h", minutes / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u32) -> Duration {
        MINUTE * minute
    }

    /// The minutes with a log line, for attempts that fail every minute for a day and a half.
    fn logged(why: impl Fn(u32) -> String) -> Vec<u32> {
        let mut failing = LastingFailure::default();
        (0..2160)
            .filter(|&minute| failing.went(at(minute), Some(&why(minute))).is_some())
            .collect()
    }

    #[test]
    fn one_that_lasts_is_logged_at_growing_intervals() {
        let said = logged(|_| "no".to_owned());
        assert_eq!(said, [0, 10, 30, 70, 150, 310, 630, 990, 1350, 1710, 2070]);
    }

    #[test]
    fn a_new_reason_is_logged_at_once_and_an_old_one_is_not() {
        let said = logged(|minute| (if minute % 2 == 0 { "no" } else { "still no" }).to_owned());
        assert_eq!(&said[..4], [0, 1, 10, 30]);
    }

    #[test]
    fn reasons_that_are_new_each_time_do_not_fill_the_log() {
        let said = logged(|minute| format!("until {minute}"));
        assert_eq!(&said[..10], [0, 1, 2, 3, 4, 5, 6, 7, 10, 30]);
    }

    #[test]
    fn the_end_is_told_once_and_the_next_failure_is_a_new_one() {
        let mut failing = LastingFailure::default();
        assert_eq!(failing.went(at(0), None), None);
        assert_eq!(
            failing.went(at(1), Some("no")).as_deref(),
            Some("for less than a minute")
        );
        assert_eq!(failing.went(at(2), Some("no")), None);
        assert_eq!(failing.went(at(42), None).as_deref(), Some("for 41 min"));
        assert_eq!(failing.went(at(43), None), None);
        assert_eq!(
            failing.went(at(44), Some("no")).as_deref(),
            Some("for less than a minute")
        );
        assert_eq!(
            failing.went(at(300), Some("no")).as_deref(),
            Some("for 4 h")
        );
    }
}
