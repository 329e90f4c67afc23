//! The facts of the operator's page: writes that wait, webhooks, and the figures of a day.

use chrono::{DateTime, Duration, DurationRound, Utc};

use super::log::ActivityResult;
use super::reason::for_operators;
use super::task::Source;

/// The hours that the figures cover. The last one is the present hour, which is not over yet.
pub const HOURS: usize = 24;

/// A write that waits in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingWrite {
    /// The ULID of its operation.
    pub id: String,
    /// The kind of write: `complete`, `comment`, ….
    pub kind: &'static str,
    /// The source that it writes to.
    pub source: Source,
    /// The name of its person.
    pub person: String,
    /// The title of its task; empty if that is not mirrored.
    pub title: String,
    /// The page of its task; empty if that is not mirrored.
    pub url: String,
    /// When it was accepted.
    pub since: DateTime<Utc>,
    /// The number of attempts so far, without one under way.
    pub attempts: u32,
    /// The last failure, or that of the write before it.
    pub why: Option<String>,
    /// The next attempt, if its time is known.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Whether it is set aside until an operator retries it.
    pub set_aside: bool,
    /// The time until which its source asked for no requests.
    pub paused_until: Option<DateTime<Utc>>,
}

impl WaitingWrite {
    /// The reason why it waits, in words for operators.
    pub fn reason(&self, now: DateTime<Utc>) -> String {
        if self.set_aside {
            return format!("set aside after two crashes: ivan retry {}", self.id);
        }
        if self.paused_until.is_some_and(|until| now < until) {
            return format!("{} asked for a pause", self.source.name());
        }
        match (&self.why, self.attempts) {
            (Some(why), _) => for_operators(why),
            (None, 0) => "its turn has not come yet".to_owned(),
            (None, _) => "an attempt is under way".to_owned(),
        }
    }

    /// The time of the next attempt, if it is known and still to come.
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let times = [self.next_attempt_at, self.paused_until];
        let next = times.into_iter().flatten().max();
        next.filter(|&at| now < at && !self.set_aside)
    }
}

/// A webhook that was registered from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookState {
    /// Its id at the source.
    pub hook: String,
    /// The address that it delivers to.
    pub url: String,
    /// When it was registered.
    pub made_at: DateTime<Utc>,
    /// Since when operators know that it is broken; `None` while it is well.
    pub broken_since: Option<DateTime<Utc>>,
}

/// The webhooks of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceWebhooks {
    /// The source.
    pub source: Source,
    /// Its webhooks, newest first.
    pub hooks: Vec<WebhookState>,
    /// When its newest delivery arrived, among the last deliveries of all sources.
    pub last_delivery: Option<DateTime<Utc>>,
}

/// A command of the log with its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedCommand {
    /// When it was given; in Slack by Slack's clock.
    pub asked_at: DateTime<Utc>,
    /// When its outcome was recorded.
    pub ended_at: DateTime<Utc>,
    /// The outcome.
    pub came: ActivityResult,
}

/// The figures of some commands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// The commands with an outcome.
    pub commands: usize,
    /// Those that are in the source, by Ivan or by others.
    pub done: usize,
    /// Those that were refused.
    pub refused: usize,
    /// Those that were given up or taken back before they were sent.
    pub dropped: usize,
    /// The time within which half of them had their outcome; `None` without any.
    pub p50: Option<Duration>,
    /// The time within which 99 of 100 had their outcome; `None` without any.
    pub p99: Option<Duration>,
}

impl Figures {
    fn of<'a>(commands: impl Iterator<Item = &'a EndedCommand>) -> Figures {
        let mut figures = Figures::default();
        let mut times = Vec::new();
        for command in commands {
            figures.commands += 1;
            match command.came {
                ActivityResult::Done | ActivityResult::AlreadySo => figures.done += 1,
                ActivityResult::Refused => figures.refused += 1,
                ActivityResult::GivenUp | ActivityResult::TakenBack | ActivityResult::Pending => {
                    figures.dropped += 1;
                }
            }
            // Slack's clock may be ahead of ours.
            times.push((command.ended_at - command.asked_at).max(Duration::zero()));
        }
        times.sort_unstable();
        figures.p50 = percentile(&times, 50);
        figures.p99 = percentile(&times, 99);
        figures
    }
}

/// The smallest of the sorted times within which so many of 100 are (the nearest rank).
fn percentile(sorted: &[Duration], of_100: usize) -> Option<Duration> {
    let rank = (sorted.len() * of_100).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

/// The figures of one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourFigures {
    /// Its beginning.
    pub begins: DateTime<Utc>,
    /// The commands whose outcome came within it.
    pub figures: Figures,
}

/// The figures of the last hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayFigures {
    /// Each hour, oldest first; the last one is not over.
    pub hours: Vec<HourFigures>,
    /// All of them together.
    pub all: Figures,
}

impl DayFigures {
    /// The beginning of the first hour.
    pub fn begin(now: DateTime<Utc>) -> DateTime<Utc> {
        let hour = now.duration_trunc(Duration::hours(1)).unwrap_or(now);
        hour - Duration::hours(HOURS as i64 - 1)
    }

    /// The figures of these commands at a time; those from before are left out.
    pub fn of(commands: &[EndedCommand], now: DateTime<Utc>) -> DayFigures {
        let begin = DayFigures::begin(now);
        let mut by_hour = vec![Vec::new(); HOURS];
        for command in commands {
            let hour = (command.ended_at - begin)
                .num_milliseconds()
                .div_euclid(3_600_000);
            let hour = usize::try_from(hour)
                .ok()
                .and_then(|hour| by_hour.get_mut(hour));
            if let Some(hour) = hour {
                hour.push(command);
            }
        }
        let hours = (0..).zip(&by_hour).map(|(number, commands)| HourFigures {
            begins: begin + Duration::hours(number),
            figures: Figures::of(commands.iter().copied()),
        });
        DayFigures {
            hours: hours.collect(),
            all: Figures::of(by_hour.iter().flatten().copied()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn ended(at_text: &str, took_ms: i64, came: ActivityResult) -> EndedCommand {
        EndedCommand {
            asked_at: at(at_text) - Duration::milliseconds(took_ms),
            ended_at: at(at_text),
            came,
        }
    }

    #[test]
    fn a_day_has_its_hours_and_each_command_is_in_one() {
        use ActivityResult as R;
        let now = at("2026-03-03T12:30:00Z");
        let commands = [
            // Before the first hour.
            ended("2026-03-02T12:59:59Z", 10, R::Done),
            ended("2026-03-02T13:00:00Z", 100, R::Done),
            ended("2026-03-03T11:59:59Z", 200, R::Refused),
            ended("2026-03-03T12:00:00Z", 300, R::AlreadySo),
            ended("2026-03-03T12:29:59Z", -5, R::TakenBack),
        ];
        let day = DayFigures::of(&commands, now);
        assert_eq!(day.hours.len(), HOURS);
        assert_eq!(day.hours[0].begins, at("2026-03-02T13:00:00Z"));
        assert_eq!(day.hours[HOURS - 1].begins, at("2026-03-03T12:00:00Z"));
        let counts: Vec<usize> = day.hours.iter().map(|hour| hour.figures.commands).collect();
        assert_eq!((counts[0], counts[22], counts[23]), (1, 1, 2));
        let all = day.all;
        assert_eq!(
            (all.commands, all.done, all.refused, all.dropped),
            (4, 2, 1, 1)
        );
        // A clock that is ahead makes no time negative.
        assert_eq!(day.hours[23].figures.p50, Some(Duration::zero()));
        assert_eq!(day.hours[23].figures.p99, Some(Duration::milliseconds(300)));
        assert_eq!(day.hours[1].figures, Figures::default());
    }

    #[rstest]
    #[case(0, None, None)]
    #[case(1, Some(1), Some(1))]
    #[case(2, Some(1), Some(2))]
    #[case(100, Some(50), Some(99))]
    #[case(1000, Some(500), Some(990))]
    fn percentiles_are_the_nearest_rank(
        #[case] count: i64,
        #[case] p50: Option<i64>,
        #[case] p99: Option<i64>,
    ) {
        let times: Vec<Duration> = (1..=count).map(Duration::milliseconds).collect();
        assert_eq!(percentile(&times, 50), p50.map(Duration::milliseconds));
        assert_eq!(percentile(&times, 99), p99.map(Duration::milliseconds));
    }

    #[test]
    fn a_waiting_write_says_why_and_when() {
        let now = at("2026-03-03T12:00:00Z");
        let soon = now + Duration::minutes(2);
        let fresh = WaitingWrite {
            id: "01JOP".into(),
            kind: "comment",
            source: Source::ALL[0],
            person: "Ana".into(),
            title: "Login fails".into(),
            url: String::new(),
            since: now,
            attempts: 0,
            why: None,
            next_attempt_at: None,
            set_aside: false,
            paused_until: None,
        };
        assert_eq!(fresh.reason(now), "its turn has not come yet");
        assert_eq!(fresh.next(now), None);
        let failed = WaitingWrite {
            attempts: 3,
            why: Some("It rejects the token\nSet a new one\nHTTP 401".into()),
            next_attempt_at: Some(soon),
            ..fresh.clone()
        };
        assert_eq!(
            failed.reason(now),
            "It rejects the token. Set a new one. HTTP 401"
        );
        assert_eq!((failed.next(now), failed.next(soon)), (Some(soon), None));
        let paused = WaitingWrite {
            paused_until: Some(soon),
            ..failed.clone()
        };
        assert!(paused.reason(now).ends_with(" asked for a pause"));
        assert!(paused.reason(soon).starts_with("It rejects"));
        let aside = WaitingWrite {
            set_aside: true,
            ..failed
        };
        assert!(aside.reason(now).contains("ivan retry 01JOP"));
        assert_eq!(aside.next(now), None);
    }
}
