//! Service levels: how soon the commands that write get their ✓ (docs/operations.md#service-levels).

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};

use super::ids::CommandId;

/// Nearly all commands have their ✓ within this time.
pub const SOON: Duration = Duration::seconds(2);
/// All others have it within this time of their source being back.
pub const AT_LAST: Duration = Duration::minutes(10);
/// The commands of this time count.
pub const WINDOW: Duration = Duration::days(7);
/// The most writes that are counted, the newest ones: a look reads no more rows than that.
pub const WRITES_MAX: i64 = 5_000;

/// The times of one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteTimes {
    /// The command that it belongs to.
    pub command: CommandId,
    /// Its lane, in which writes go one after another.
    pub lane: String,
    /// UTC, when its command was accepted.
    pub accepted_at: DateTime<Utc>,
    /// UTC, when it got its outcome; `None` while it waits.
    pub ended_at: Option<DateTime<Utc>>,
    /// UTC, the time that its source was given after a failed attempt, or its turn in the source's line of writes.
    pub due_at: Option<DateTime<Utc>>,
    /// Whether it was given up: its source did not take it in all the time.
    pub given_up: bool,
}

/// The commands of a window, and those that kept their promise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceLevels {
    /// UTC, the begin of the window.
    pub since: DateTime<Utc>,
    /// Commands that write. One that was accepted in the last two seconds counts once it has its outcome.
    pub commands: u64,
    /// Those with all outcomes within [`SOON`].
    pub soon: u64,
    /// Those with a write that took longer than [`AT_LAST`] after its source was back, or waits for longer now.
    pub late: u64,
    /// Those with a write that was given up.
    pub given_up: u64,
}

/// How one command did.
#[derive(Debug, Clone, Copy, Default)]
struct Course {
    slow: bool,
    open: bool,
    late: bool,
    given_up: bool,
}

impl ServiceLevels {
    /// Counts the writes of a window, in the order of their adding.
    ///
    /// A source is taken to be back at the time that the last failed attempt left it, because the next attempt then
    /// succeeded; and a write behind another one in its lane could not begin before that one ended.
    pub fn of(since: DateTime<Utc>, writes: &[WriteTimes], now: DateTime<Utc>) -> ServiceLevels {
        let mut courses: BTreeMap<CommandId, Course> = BTreeMap::new();
        // The end of the last write in each lane; `None` while it waits.
        let mut lanes: BTreeMap<&str, Option<DateTime<Utc>>> = BTreeMap::new();
        for write in writes {
            let ahead = lanes.insert(&write.lane, write.ended_at);
            let course = courses.entry(write.command).or_default();
            let until = write.ended_at.unwrap_or(now);
            let is_slow = until - write.accepted_at > SOON;
            course.open |= write.ended_at.is_none() && !is_slow;
            course.slow |= is_slow;
            course.given_up |= write.given_up;
            let begins = [write.due_at, ahead.flatten()].into_iter().flatten();
            let begins = begins.fold(write.accepted_at, DateTime::max);
            let waits_behind = write.ended_at.is_none() && ahead == Some(None);
            course.late |= !write.given_up && !waits_behind && until - begins > AT_LAST;
        }
        let mut levels = ServiceLevels {
            since,
            ..ServiceLevels::default()
        };
        for course in courses.into_values() {
            if course.open && !course.slow {
                continue;
            }
            levels.commands += 1;
            levels.soon += u64::from(!course.slow && !course.given_up);
            levels.late += u64::from(course.late);
            levels.given_up += u64::from(course.given_up);
        }
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
    }

    /// A write of a command, accepted at the first time, with its outcome at the second.
    fn write(command: i64, accepted: i64, ended: Option<i64>) -> WriteTimes {
        WriteTimes {
            command: CommandId(command),
            lane: format!("101/clickup:{command}"),
            accepted_at: at(accepted),
            ended_at: ended.map(at),
            due_at: None,
            given_up: false,
        }
    }

    /// Commands, those within two seconds, late ones, and given-up ones, an hour after the first.
    fn counted(writes: &[WriteTimes]) -> (u64, u64, u64, u64) {
        let levels = ServiceLevels::of(at(0), writes, at(3_600));
        assert_eq!(levels.since, at(0));
        (levels.commands, levels.soon, levels.late, levels.given_up)
    }

    #[test]
    fn without_a_command_there_is_nothing_to_count() {
        assert_eq!(counted(&[]), (0, 0, 0, 0));
    }

    #[test]
    fn two_seconds_are_soon_and_more_are_not() {
        let writes = [write(1, 0, Some(2)), write(2, 0, Some(3))];
        assert_eq!(counted(&writes), (2, 1, 0, 0));
    }

    #[test]
    fn a_command_is_as_slow_as_its_last_write() {
        let writes = [write(1, 0, Some(1)), write(1, 0, Some(5))];
        assert_eq!(counted(&writes), (1, 0, 0, 0));
    }

    /// A command of this moment is neither kept nor broken; one that waits for longer is no success.
    #[test]
    fn a_command_without_an_outcome_counts_after_two_seconds() {
        assert_eq!(counted(&[write(1, 3_599, None)]), (0, 0, 0, 0));
        assert_eq!(counted(&[write(1, 3_590, None)]), (1, 0, 0, 0));
        let half = [write(1, 3_599, Some(3_600)), write(1, 3_599, None)];
        assert_eq!(counted(&half), (0, 0, 0, 0));
    }

    /// The source was away for half an hour: the outcome came a minute after the last failed attempt.
    #[test]
    fn waiting_for_a_source_is_not_late() {
        let mut waited = write(1, 0, Some(1_860));
        waited.due_at = Some(at(1_800));
        assert_eq!(counted(&[waited.clone()]), (1, 0, 0, 0));
        waited.due_at = Some(at(1_200));
        assert_eq!(counted(&[waited.clone()]), (1, 0, 1, 0));
        waited.due_at = None;
        assert_eq!(counted(&[waited]), (1, 0, 1, 0));
    }

    #[test]
    fn a_write_that_waits_for_ten_minutes_with_its_source_there_is_late_already() {
        assert_eq!(counted(&[write(1, 2_000, None)]), (1, 0, 1, 0));
        let mut waits = write(1, 2_000, None);
        waits.due_at = Some(at(3_590));
        assert_eq!(counted(&[waits]), (1, 0, 0, 0));
    }

    /// The one ahead waited for its source; the one behind was never tried before.
    #[test]
    fn a_write_behind_another_one_begins_with_its_end() {
        let mut ahead = write(1, 0, Some(1_810));
        ahead.due_at = Some(at(1_800));
        let mut behind = write(2, 5, Some(1_811));
        behind.lane.clone_from(&ahead.lane);
        assert_eq!(counted(&[ahead.clone(), behind.clone()]), (2, 0, 0, 0));
        (ahead.ended_at, ahead.due_at, behind.ended_at) = (None, Some(at(3_590)), None);
        assert_eq!(counted(&[ahead, behind]), (2, 0, 0, 0));
    }

    #[test]
    fn a_write_that_was_given_up_is_neither_soon_nor_late() {
        let mut given_up = write(1, 0, Some(3_000));
        given_up.given_up = true;
        assert_eq!(counted(&[given_up]), (1, 0, 0, 1));
    }
}
