//! The schedule of unasked messages: the briefing of working days, and quiet hours.
//!
//! Pure: the time, the zone and the last briefing are parameters. `slack/schedule.rs` waits for the returned times. The
//! mailbox decides again, in the transaction that adds the message.

use std::fmt;

use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, NaiveTime, Utc, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::when::{clock, instant, local};

/// How late a delayed briefing may still be sent.
pub const LATE: Duration = Duration::hours(3);

/// Parses a text that is only a time of day: `8:30`, `9am`.
pub fn time_of_day(text: &str) -> Option<NaiveTime> {
    let text = text.trim().to_lowercase();
    let text = text.strip_prefix("at ").unwrap_or(&text);
    clock(&text.replace(' ', ""))
}

/// A change of a person's schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleChange {
    /// A briefing at this local time on working days; `None` turns it off.
    Briefing(Option<NaiveTime>),
    /// Quiet hours in local time; `None` turns them off.
    Quiet(Option<QuietHours>),
    /// Follow bot.toml.
    UsualBriefing,
    /// Follow bot.toml for quiet hours.
    UsualQuiet,
}

/// When the next briefing is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextBriefing {
    /// Now, as the briefing of this local day.
    Now(NaiveDate),
    /// At this time, UTC.
    At(DateTime<Utc>),
}

/// The next briefing of a person who wants one on working days `at` this time; `last` is the last local day that is
/// sent or skipped. Times inside a DST gap move forward by the gap; of ambiguous times the first counts. `None` at the
/// end of the calendar.
pub fn briefing(
    at: NaiveTime,
    last: Option<NaiveDate>,
    now: DateTime<Utc>,
    zone: Tz,
) -> Option<NextBriefing> {
    let today = local(now, zone).date();
    // A briefing due shortly before midnight may still be sent after it.
    let mut day = today.checked_sub_days(Days::new(1))?;
    // A person who crossed the date line may be days behind their last briefing.
    for _ in 0..12 {
        let is_free = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        if !is_free && last.is_none_or(|last| day > last) {
            let then = first(day, at, zone);
            if now < then {
                return Some(NextBriefing::At(then));
            }
            if now <= then + LATE {
                return Some(NextBriefing::Now(day));
            }
        }
        day = day.checked_add_days(Days::new(1))?;
    }
    None
}

/// The last day whose briefing time has passed when a person chooses `at`. Briefings up to that day are not sent.
pub fn over_with(at: NaiveTime, now: DateTime<Utc>, zone: Tz) -> Option<NaiveDate> {
    let today = local(now, zone).date();
    match first(today, at, zone) <= now {
        true => Some(today),
        false => today.checked_sub_days(Days::new(1)),
    }
}

/// The daily hours in which notices are held; they span midnight if they end before they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    from: NaiveTime,
    to: NaiveTime,
}

impl QuietHours {
    /// The usual night, from evening to morning.
    pub const NIGHT: QuietHours = QuietHours {
        from: match NaiveTime::from_hms_opt(20, 0, 0) {
            Some(time) => time,
            None => NaiveTime::MIN,
        },
        to: match NaiveTime::from_hms_opt(8, 0, 0) {
            Some(time) => time,
            None => NaiveTime::MIN,
        },
    };

    /// `20:00-8:00`, with any dash, `to` or `until`. Hours that end when they begin are invalid.
    pub fn parse(text: &str) -> Option<QuietHours> {
        let text = text.trim().to_lowercase();
        let text = text.strip_prefix("from ").unwrap_or(&text);
        let text = text.replace(['–', '—', '−'], "-");
        let text = text.replace(" until ", "-").replace(" to ", "-");
        let (from, to) = text.split_once('-')?;
        QuietHours::between(time_of_day(from)?, time_of_day(to)?)
    }

    /// `None` if they end when they begin.
    pub fn between(from: NaiveTime, to: NaiveTime) -> Option<QuietHours> {
        (from != to).then_some(QuietHours { from, to })
    }

    /// The local time at which they begin.
    pub fn from(&self) -> NaiveTime {
        self.from
    }

    /// The local time at which they end, on the next day if it is the earlier of the two.
    pub fn until(&self) -> NaiveTime {
        self.to
    }

    /// The end of the quiet hours, if `now` is within them.
    pub fn ends(&self, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let today = local(now, zone).date();
        let days = [today.pred_opt()?, today];
        days.into_iter().find_map(|day| {
            let last = match self.to > self.from {
                true => day,
                false => day.succ_opt()?,
            };
            let (begins, ends) = (first(day, self.from, zone), first(last, self.to, zone));
            (begins <= now && now < ends).then_some(ends)
        })
    }
}

/// The settings that people may choose themselves, or leave to bot.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleSetting {
    /// The time of the briefing.
    Briefing,
    /// The quiet hours.
    Quiet,
    /// The form of outcomes in Slack: messages alone, or reactions too.
    Receipts,
}

impl ScheduleSetting {
    /// The name in commands and buttons.
    pub fn as_str(self) -> &'static str {
        match self {
            ScheduleSetting::Briefing => "briefing",
            ScheduleSetting::Quiet => "quiet",
            ScheduleSetting::Receipts => "receipts",
        }
    }

    /// Finds one by that name.
    pub fn of(name: &str) -> Option<ScheduleSetting> {
        [
            ScheduleSetting::Briefing,
            ScheduleSetting::Quiet,
            ScheduleSetting::Receipts,
        ]
        .into_iter()
        .find(|one| one.as_str() == name)
    }
}

/// The word that resets a setting to that of bot.toml.
pub const DEFAULT: &str = "default";

/// The defaults of bot.toml for people without a choice of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Defaults {
    /// The local time of their briefing on working days.
    pub briefing: Option<NaiveTime>,
    /// Their quiet hours, in local time; `None` for none.
    pub quiet: Option<QuietHours>,
}

impl fmt::Display for QuietHours {
    /// `20:00-08:00`, the stored and typed form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{}",
            self.from.format("%H:%M"),
            self.to.format("%H:%M")
        )
    }
}

/// The first time at which a wall clock shows this.
fn first(day: NaiveDate, at: NaiveTime, zone: Tz) -> DateTime<Utc> {
    instant(day.and_time(at), zone, DateTime::<Utc>::MIN_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    const BERLIN: &str = "Europe/Berlin";

    /// 2026-11-23 is a Monday; in Berlin it is an hour later than in UTC.
    #[rstest]
    #[case::before(
        "8:30",
        None,
        "2026-11-23T07:29:59Z",
        BERLIN,
        NextBriefing::At(at("2026-11-23T07:30:00Z"))
    )]
    #[case::at_its_time(
        "8:30",
        None,
        "2026-11-23T07:30:00Z",
        BERLIN,
        NextBriefing::Now(day("2026-11-23"))
    )]
    #[case::still_the_morning(
        "8:30",
        None,
        "2026-11-23T10:30:00Z",
        BERLIN,
        NextBriefing::Now(day("2026-11-23"))
    )]
    #[case::not_the_morning(
        "8:30",
        None,
        "2026-11-23T10:30:01Z",
        BERLIN,
        NextBriefing::At(at("2026-11-24T07:30:00Z"))
    )]
    #[case::sent_today(
        "8:30",
        Some("2026-11-23"),
        "2026-11-23T07:30:01Z",
        BERLIN,
        NextBriefing::At(at("2026-11-24T07:30:00Z"))
    )]
    #[case::friday_is_followed_by_monday(
        "8:30",
        Some("2026-11-20"),
        "2026-11-20T09:00:00Z",
        BERLIN,
        NextBriefing::At(at("2026-11-23T07:30:00Z"))
    )]
    #[case::no_saturday(
        "8:30",
        Some("2026-11-20"),
        "2026-11-21T07:30:00Z",
        BERLIN,
        NextBriefing::At(at("2026-11-23T07:30:00Z"))
    )]
    #[case::no_sunday(
        "8:30",
        None,
        "2026-11-22T08:00:00Z",
        BERLIN,
        NextBriefing::At(at("2026-11-23T07:30:00Z"))
    )]
    #[case::their_saturday_is_not_ours(
        "8:30",
        Some("2026-11-19"),
        "2026-11-20T22:30:00Z",
        "Asia/Tokyo",
        NextBriefing::At(at("2026-11-22T23:30:00Z"))
    )]
    #[case::over_midnight(
        "23:30",
        Some("2026-11-22"),
        "2026-11-24T00:10:00Z",
        BERLIN,
        NextBriefing::Now(day("2026-11-23"))
    )]
    #[case::long_down(
        "8:30",
        Some("2026-11-02"),
        "2026-11-23T08:00:00Z",
        BERLIN,
        NextBriefing::Now(day("2026-11-23"))
    )]
    // On 29 March 2026 the clocks of Berlin go forward, on 25 October back: half past eight stays half past eight.
    #[case::before_spring(
        "8:30",
        Some("2026-03-26"),
        "2026-03-27T07:30:00Z",
        BERLIN,
        NextBriefing::Now(day("2026-03-27"))
    )]
    #[case::after_spring(
        "8:30",
        Some("2026-03-27"),
        "2026-03-27T08:00:00Z",
        BERLIN,
        NextBriefing::At(at("2026-03-30T06:30:00Z"))
    )]
    #[case::after_autumn(
        "8:30",
        Some("2026-10-23"),
        "2026-10-23T08:00:00Z",
        BERLIN,
        NextBriefing::At(at("2026-10-26T07:30:00Z"))
    )]
    // In Cairo they go forward on a Friday, from midnight to one, and back on a Thursday, from midnight to eleven.
    #[case::skipped(
        "0:30",
        Some("2026-04-23"),
        "2026-04-23T20:00:00Z",
        "Africa/Cairo",
        NextBriefing::At(at("2026-04-23T22:30:00Z"))
    )]
    #[case::twice(
        "23:30",
        Some("2026-10-28"),
        "2026-10-29T20:00:00Z",
        "Africa/Cairo",
        NextBriefing::At(at("2026-10-29T20:30:00Z"))
    )]
    #[case::not_twice(
        "23:30",
        Some("2026-10-29"),
        "2026-10-29T21:30:00Z",
        "Africa/Cairo",
        NextBriefing::At(at("2026-10-30T21:30:00Z"))
    )]
    // Sent in Tokyo on Tuesday morning. In Los Angeles it is Monday then, and Tuesday is sent already.
    #[case::flew_west(
        "8:30",
        Some("2026-11-24"),
        "2026-11-24T00:00:00Z",
        "America/Los_Angeles",
        NextBriefing::At(at("2026-11-25T16:30:00Z"))
    )]
    // Sent in Los Angeles on Monday morning; in Tokyo Tuesday's is next.
    #[case::flew_east(
        "8:30",
        Some("2026-11-23"),
        "2026-11-23T17:00:00Z",
        "Asia/Tokyo",
        NextBriefing::At(at("2026-11-23T23:30:00Z"))
    )]
    fn a_briefing_is_due(
        #[case] time: &str,
        #[case] last: Option<&str>,
        #[case] now: &str,
        #[case] zone: &str,
        #[case] due: NextBriefing,
    ) {
        let time = time_of_day(time).unwrap();
        let zone = zone.parse().unwrap();
        assert_eq!(briefing(time, last.map(day), at(now), zone), Some(due));
    }

    #[rstest]
    #[case::in_the_evening("2026-11-23T18:59:59Z", None)]
    #[case::begins("2026-11-23T19:00:00Z", Some("2026-11-24T07:00:00Z"))]
    #[case::after_midnight("2026-11-24T01:00:00Z", Some("2026-11-24T07:00:00Z"))]
    #[case::last_second("2026-11-24T06:59:59Z", Some("2026-11-24T07:00:00Z"))]
    #[case::ends("2026-11-24T07:00:00Z", None)]
    #[case::spring_is_an_hour_shorter("2026-03-28T19:00:00Z", Some("2026-03-29T06:00:00Z"))]
    #[case::autumn_is_an_hour_longer("2026-10-24T18:00:00Z", Some("2026-10-25T07:00:00Z"))]
    fn the_night_is_quiet(#[case] now: &str, #[case] ends: Option<&str>) {
        let ends = ends.map(at);
        assert_eq!(
            QuietHours::NIGHT.ends(at(now), chrono_tz::Europe::Berlin),
            ends
        );
    }

    #[rstest]
    #[case("12:00-13:30", "2026-11-23T12:00:00Z", Some("2026-11-23T13:30:00Z"))]
    #[case("12:00-13:30", "2026-11-23T13:30:00Z", None)]
    #[case("12:00-13:30", "2026-11-23T01:00:00Z", None)]
    fn noon_may_be_quiet_too(#[case] hours: &str, #[case] now: &str, #[case] ends: Option<&str>) {
        let quiet = QuietHours::parse(hours).unwrap();
        assert_eq!(quiet.ends(at(now), Tz::UTC), ends.map(at));
    }

    #[rstest]
    #[case("20:00-8:00", Some("20:00-08:00"))]
    #[case(" 8pm – 8am ", Some("20:00-08:00"))]
    #[case("from 22:00 to 6:30", Some("22:00-06:30"))]
    #[case("22:00 until 6:30", Some("22:00-06:30"))]
    #[case("8:00-8:00", None)]
    #[case("20:00", None)]
    #[case("20-8", None)]
    #[case("25:00-8:00", None)]
    fn hours_are_read(#[case] typed: &str, #[case] read: Option<&str>) {
        let hours = QuietHours::parse(typed).map(|quiet| quiet.to_string());
        assert_eq!(hours.as_deref(), read);
    }

    #[test]
    fn whoever_asks_after_its_time_gets_the_next_one() {
        let (time, zone) = (time_of_day("8:30").unwrap(), chrono_tz::Europe::Berlin);
        let now = at("2026-11-23T09:00:00Z");
        let over = over_with(time, now, zone);
        assert_eq!(over, Some(day("2026-11-23")));
        let next = briefing(time, over, now, zone);
        assert_eq!(next, Some(NextBriefing::At(at("2026-11-24T07:30:00Z"))));
        let before = at("2026-11-23T07:00:00Z");
        let next = briefing(time, over_with(time, before, zone), before, zone);
        assert_eq!(next, Some(NextBriefing::At(at("2026-11-23T07:30:00Z"))));
    }

    fn zones() -> impl Strategy<Value = Tz> {
        prop::sample::select(vec![
            Tz::UTC,
            chrono_tz::Europe::Berlin,
            chrono_tz::America::New_York,
            chrono_tz::Africa::Cairo,
            chrono_tz::Australia::Lord_Howe,
            chrono_tz::Pacific::Apia,
        ])
    }

    proptest! {
        /// Checked every 15 minutes for a year, a briefing comes once per working day and at most three hours late.
        #[test]
        fn once_a_working_day(zone in zones(), minute in 0_u32..1440) {
            let time = NaiveTime::from_num_seconds_from_midnight_opt(minute * 60, 0).unwrap();
            let mut now = at("2026-01-01T12:00:00Z");
            let end = at("2027-01-01T12:00:00Z");
            let mut last = over_with(time, now, zone);
            let mut sent = Vec::new();
            while now < end {
                if let Some(NextBriefing::Now(day)) = briefing(time, last, now, zone) {
                    prop_assert!(last.is_none_or(|last| day > last));
                    last = Some(day);
                    sent.push(day);
                }
                now += Duration::minutes(15);
            }
            let working = sent.iter().all(|day| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun));
            prop_assert!(working);
            prop_assert!((260..=262).contains(&sent.len()), "{}", sent.len());
        }

        /// It is quiet until the returned end, and not from then on.
        #[test]
        fn quiet_ends_when_it_says(zone in zones(), from in 0_u32..1440, to in 0_u32..1440, second in 1_767_225_600_i64..1_798_761_600) {
            prop_assume!(from != to);
            let time = |minute: u32| NaiveTime::from_num_seconds_from_midnight_opt(minute * 60, 0).unwrap();
            let quiet = QuietHours { from: time(from), to: time(to) };
            let now = DateTime::from_timestamp(second, 0).unwrap();
            if let Some(end) = quiet.ends(now, zone) {
                prop_assert!(end > now && end - now <= Duration::hours(26));
                let just_before = quiet.ends(end - Duration::seconds(1), zone);
                prop_assert_eq!(just_before, Some(end));
            }
        }
    }
}
