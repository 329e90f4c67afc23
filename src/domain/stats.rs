//! Figures of a period, for `stats`: what was done, created and said, how soon commands had their ✓, and how old the open
//! tasks are. They are made from the activity log.

use std::collections::HashSet;

use chrono::{DateTime, Days, Duration, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::ids::TaskRow;
use super::log::ActivityResult;
use super::score::day;

/// A period that ends today.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StatsPeriod {
    /// The last 7 days.
    #[default]
    Week,
    /// The last 30 days.
    Month,
}

impl StatsPeriod {
    /// The period that people type.
    pub fn parse(word: &str) -> Option<StatsPeriod> {
        match word.to_lowercase().as_str() {
            "week" | "weekly" | "7d" => Some(StatsPeriod::Week),
            "month" | "monthly" | "30d" => Some(StatsPeriod::Month),
            _ => None,
        }
    }

    /// The name, as it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            StatsPeriod::Week => "week",
            StatsPeriod::Month => "month",
        }
    }

    /// The number of days, today included.
    pub fn days(self) -> u16 {
        match self {
            StatsPeriod::Week => 7,
            StatsPeriod::Month => 30,
        }
    }
}

/// The parts of an entry of the log that figures need.
#[derive(Debug, Clone, Copy)]
pub struct LoggedAct<'a> {
    /// The verb, or the name of an action in a source.
    pub verb: &'a str,
    /// The time of the request, or of the action by the source's clock.
    pub at: DateTime<Utc>,
    /// The time of the outcome; for an action in a source, of its report.
    pub recorded_at: DateTime<Utc>,
    /// The outcome.
    pub came: ActivityResult,
    /// Its task, if that is mirrored.
    pub task: Option<TaskRow>,
    /// Whether the task had another status afterwards.
    pub status_changed: bool,
    /// Whether a comment was written with it.
    pub has_text: bool,
    /// Whether it is a command to Ivan.
    pub is_command: bool,
}

/// The sums of a period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeriodSums {
    /// Tasks that were completed and not reopened since. Each counts once.
    pub done: u32,
    /// Tasks that were created through Ivan.
    pub created: u32,
    /// Comments, through Ivan and in the sources.
    pub comments: u32,
    /// Commands with a ✓ whose time counts.
    pub commands: u32,
    /// The median time from asking to the ✓; `None` without such a command.
    pub median: Option<Duration>,
}

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsDay {
    /// In the zone of the reader.
    pub day: NaiveDate,
    /// Tasks that were done on it.
    pub done: u32,
    /// Tasks that were created on it through Ivan.
    pub created: u32,
}

/// The figures of a period and of the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodFigures {
    /// The days; oldest first, today last.
    pub days: Vec<StatsDay>,
    /// The sums of these days.
    pub sums: PeriodSums,
    /// The sums of as many days before; `None` if the log does not have all of them.
    pub before: Option<PeriodSums>,
    /// The time since when the log has everything, if that is within these days or those before.
    pub complete_since: Option<DateTime<Utc>>,
}

/// The age of open tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueAge {
    /// The number of open tasks.
    pub open: usize,
    /// The median age; `None` without a task.
    pub median: Option<Duration>,
    /// The greatest age; `None` without a task.
    pub oldest: Option<Duration>,
}

impl QueueAge {
    /// The ages of tasks that were created at these times. A source's clock may be ahead of ours.
    pub fn of(mut created: Vec<DateTime<Utc>>, now: DateTime<Utc>) -> QueueAge {
        created.sort_unstable();
        let age = |at: &DateTime<Utc>| (now - *at).max(Duration::zero());
        QueueAge {
            open: created.len(),
            median: created.get(created.len() / 2).map(age),
            oldest: created.first().map(age),
        }
    }
}

/// Sums of a period that are being made.
#[derive(Debug, Default)]
struct Sums {
    sums: PeriodSums,
    times: Vec<Duration>,
}

impl Sums {
    fn finished(mut self) -> PeriodSums {
        self.times.sort_unstable();
        self.sums.commands = u32::try_from(self.times.len()).unwrap_or(u32::MAX);
        self.sums.median = self.times.get(self.times.len() / 2).copied();
        self.sums
    }
}

/// Figures that are made entry by entry, newest first.
#[derive(Debug)]
pub struct StatsTally {
    zone: Tz,
    /// Whether commands with this verb wait for a source.
    waits: fn(&str) -> bool,
    /// The first day of the period, and of the one before it.
    first: NaiveDate,
    first_before: NaiveDate,
    days: Vec<StatsDay>,
    now: Sums,
    before: Sums,
    /// Tasks whose last completion or reopening was seen already.
    decided: HashSet<TaskRow>,
}

impl StatsTally {
    /// A tally of the period that ends at `now`, in days of this zone. Commands whose verb waits for a source are timed.
    pub fn new(
        period: StatsPeriod,
        now: DateTime<Utc>,
        zone: Tz,
        waits: fn(&str) -> bool,
    ) -> StatsTally {
        let today = day(now, zone);
        let length = u64::from(period.days());
        let back = |days: u64| today.checked_sub_days(Days::new(days)).unwrap_or(today);
        StatsTally {
            zone,
            waits,
            first: back(length - 1),
            first_before: back(2 * length - 1),
            days: (0..length)
                .rev()
                .map(|days| StatsDay {
                    day: back(days),
                    done: 0,
                    created: 0,
                })
                .collect(),
            now: Sums::default(),
            before: Sums::default(),
            decided: HashSet::new(),
        }
    }

    /// The time since when entries count, or a little before.
    pub fn since(&self) -> DateTime<Utc> {
        // No zone is further from UTC than 14 hours.
        let midnight = self.first_before.and_time(chrono::NaiveTime::MIN).and_utc();
        midnight - Duration::hours(14)
    }

    /// Adds an entry, which is older than those before.
    pub fn add(&mut self, act: &LoggedAct<'_>) {
        let is_done = act.came == ActivityResult::Done;
        let completes = match act.verb {
            "done" | "completed" if is_done => Some(true),
            "reopen" | "reopened" if is_done => Some(false),
            "undo" if is_done && act.status_changed => Some(false),
            _ => None,
        };
        // The last of them decides whether a task is done.
        let is_last = match (completes, act.task) {
            (Some(_), Some(task)) => self.decided.insert(task),
            _ => true,
        };
        let on = day(act.at, self.zone);
        let sums = match on {
            on if on >= self.first => &mut self.now,
            on if on >= self.first_before => &mut self.before,
            _ => return,
        };
        if is_last && completes == Some(true) {
            sums.sums.done += 1;
        }
        let creates = act.verb == "create" && is_done;
        // The clock of a source may be ahead of ours.
        let of_day = match self.days.last() {
            Some(today) if on > today.day => self.days.last_mut(),
            _ => self.days.iter_mut().find(|one| one.day == on),
        };
        if let Some(of_day) = of_day {
            of_day.done += u32::from(is_last && completes == Some(true));
            of_day.created += u32::from(creates);
        }
        let is_so = is_done || act.came == ActivityResult::AlreadySo;
        match act.verb {
            "create" if creates => sums.sums.created += 1,
            "comment" | "commented" if is_done => sums.sums.comments += 1,
            // With -c.
            "done" if is_so && act.has_text => sums.sums.comments += 1,
            _ => {}
        }
        if is_so && act.is_command && (self.waits)(act.verb) {
            let time = act.recorded_at - act.at;
            sums.times.push(time.max(Duration::zero()));
        }
    }

    /// The figures, if the log has everything since `complete_since`.
    pub fn finished(self, complete_since: DateTime<Utc>) -> PeriodFigures {
        // Of that day something may be missing.
        let has_all = day(complete_since, self.zone) < self.first_before;
        PeriodFigures {
            days: self.days,
            sums: self.now.finished(),
            before: has_all.then(|| self.before.finished()),
            complete_since: (!has_all).then_some(complete_since),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Tz = chrono_tz::Europe::Madrid;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Half past midnight in Madrid on Monday.
    fn now() -> DateTime<Utc> {
        at("2026-11-29T23:30:00Z")
    }

    fn act(verb: &'static str, task: i64, time: &str) -> LoggedAct<'static> {
        LoggedAct {
            verb,
            at: at(time),
            recorded_at: at(time) + Duration::seconds(2),
            came: ActivityResult::Done,
            task: Some(TaskRow(task)),
            status_changed: true,
            has_text: false,
            is_command: true,
        }
    }

    /// The figures of a week of these entries, newest first.
    fn week(acts: &[LoggedAct<'_>]) -> PeriodFigures {
        let mut tally = StatsTally::new(StatsPeriod::Week, now(), ZONE, |verb| verb != "snooze");
        acts.iter().for_each(|act| tally.add(act));
        tally.finished(DateTime::UNIX_EPOCH)
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let found = week(&[
            act("done", 1, "2026-11-29T23:10:00Z"),
            act("done", 2, "2026-11-29T22:50:00Z"),
            act("completed", 3, "2026-11-23T23:10:00Z"),
            act("done", 4, "2026-11-23T22:50:00Z"),
            act("done", 5, "2026-11-16T23:10:00Z"),
            act("done", 6, "2026-11-16T22:50:00Z"),
        ]);
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(found.days.len(), 7);
        let done = |of: &str| StatsDay {
            day: day(of),
            done: 1,
            created: 0,
        };
        assert_eq!(found.days[0], done("2026-11-24"));
        assert_eq!(found.days[5..], [done("2026-11-29"), done("2026-11-30")]);
        assert_eq!(found.sums.done, 3);
        assert_eq!(found.before.unwrap().done, 2);
        assert_eq!(found.complete_since, None);
    }

    #[test]
    fn a_task_counts_once_and_only_if_it_stayed_done() {
        let found = week(&[
            act("done", 1, "2026-11-29T12:00:00Z"),
            act("reopen", 1, "2026-11-28T12:00:00Z"),
            act("done", 1, "2026-11-27T12:00:00Z"),
            act("undo", 2, "2026-11-27T11:00:00Z"),
            act("done", 2, "2026-11-27T10:00:00Z"),
            // What was undone was a comment.
            LoggedAct {
                status_changed: false,
                ..act("undo", 3, "2026-11-27T09:00:00Z")
            },
            act("completed", 3, "2026-11-27T08:00:00Z"),
            LoggedAct {
                came: ActivityResult::AlreadySo,
                ..act("done", 4, "2026-11-27T08:00:00Z")
            },
        ]);
        assert_eq!(found.sums.done, 2);
    }

    #[test]
    fn other_acts_are_counted_and_timed() {
        let slow = LoggedAct {
            recorded_at: at("2026-11-29T13:00:00Z"),
            ..act("create", 2, "2026-11-29T12:00:00Z")
        };
        let elsewhere = LoggedAct {
            is_command: false,
            ..act("commented", 1, "2026-11-29T11:00:00Z")
        };
        let with_comment = LoggedAct {
            has_text: true,
            ..act("done", 1, "2026-11-29T10:00:00Z")
        };
        let refused = LoggedAct {
            came: ActivityResult::Refused,
            ..act("comment", 1, "2026-11-29T09:00:00Z")
        };
        let comment = act("comment", 1, "2026-11-29T08:00:00Z");
        let snooze = act("snooze", 1, "2026-11-29T07:00:00Z");
        let found = week(&[slow, elsewhere, with_comment, refused, comment, snooze]);
        let of_day = found.days.iter().find(|one| one.created > 0).unwrap();
        assert_eq!(of_day.day, "2026-11-29".parse().unwrap());
        let sums = found.sums;
        assert_eq!((sums.done, sums.created, sums.comments), (1, 1, 3));
        assert_eq!(
            (sums.commands, sums.median),
            (3, Some(Duration::seconds(2)))
        );
    }

    #[test]
    fn a_log_that_began_lately_is_not_compared_with() {
        let finished = |since: &str| {
            let tally = StatsTally::new(StatsPeriod::Week, now(), ZONE, |verb| verb != "snooze");
            tally.finished(at(since))
        };
        assert!(finished("2026-11-16T12:00:00Z").before.is_some());
        let young = finished("2026-11-17T01:00:00Z");
        assert_eq!(young.before, None);
        assert_eq!(young.complete_since, Some(at("2026-11-17T01:00:00Z")));
    }

    #[test]
    fn a_source_whose_clock_is_ahead_counts_today() {
        let found = week(&[act("completed", 1, "2026-12-02T12:00:00Z")]);
        assert_eq!(found.days.last().unwrap().done, 1);
    }

    #[test]
    fn ages_are_of_the_tasks_that_are_open() {
        let ages = QueueAge::of(
            vec![
                now() - Duration::days(3),
                now() - Duration::days(40),
                now() + Duration::hours(1),
            ],
            now(),
        );
        assert_eq!(ages.open, 3);
        assert_eq!(ages.median, Some(Duration::days(3)));
        assert_eq!(ages.oldest, Some(Duration::days(40)));
        assert_eq!(QueueAge::of(Vec::new(), now()), QueueAge::default());
    }

    #[test]
    fn periods_have_their_names() {
        for period in [StatsPeriod::Week, StatsPeriod::Month] {
            assert_eq!(StatsPeriod::parse(period.as_str()), Some(period));
        }
        assert_eq!(StatsPeriod::parse("year"), None);
    }
}
