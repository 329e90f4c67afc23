//! Times as people type them (`2h`, `tomorrow 14:00`, `mon`, `1 dec`) → a time in their zone; for due dates, a day.
//!
//! [`parse`](When::parse) reads the text, `command` stores the result, and the verb resolves it with [`When::after`].
//! Pure: `now` and the zone are parameters.

use chrono::{
    DateTime, Datelike, Days, Duration, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset,
    TimeZone, Utc, Weekday,
};
use chrono_tz::Tz;

/// The time on a day that was given without one.
const MORNING: NaiveTime = match NaiveTime::from_hms_opt(9, 0, 0) {
    Some(morning) => morning,
    None => NaiveTime::MIN,
};
/// How far ahead a time may be.
const AT_MOST: Months = Months::new(12);
/// The most digits before a unit; no useful number is longer.
const DIGITS_MAX: usize = 6;

/// A time as typed. Its meaning depends on the time and zone in which it is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// `2h`, `3d`, `1h30m`: days and weeks by the calendar, hours and minutes by the clock.
    In {
        /// Calendar days; a week is 7.
        days: u64,
        /// Minutes by the clock; an hour is 60.
        minutes: u64,
    },
    /// `15:30`: the next such time.
    At(NaiveTime),
    /// `today 17:00`
    Today(NaiveTime),
    /// `tomorrow`, `tomorrow 14:00`
    Tomorrow(NaiveTime),
    /// `mon`, `mon 9:00`: the next such day, never today.
    On(Weekday, NaiveTime),
    /// `1 dec`, `dec 1 10:00`: the next such date.
    Date {
        /// From 1 to 12.
        month: u32,
        /// As typed; the date may not exist.
        day: u32,
        /// The time of day; 9:00 if none was typed.
        at: NaiveTime,
    },
    /// `2026-12-01`, `1 dec 2026 10:00`
    Day(NaiveDate, NaiveTime),
    /// `2026-12-01T10:00:00+01:00`, as programs write it.
    Instant(DateTime<Utc>),
    /// `2026-02-30`: a date that no calendar has.
    NoSuchDay,
}

impl When {
    /// The morning of the next day.
    pub fn tomorrow() -> When {
        When::Tomorrow(MORNING)
    }
}

/// A due date as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueWhen {
    /// `fri`, `1 dec`, `3d`, `today`: a day without a time.
    Day(When),
    /// `fri 17:00`, `2h`
    Time(When),
}

/// A resolved due date: a day, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueThen {
    /// A whole day in the person's zone.
    Day(NaiveDate),
    /// A time, UTC.
    At(DateTime<Utc>),
}

impl DueWhen {
    /// Resolves it for a person in `zone` at `now`.
    pub fn after(&self, now: DateTime<Utc>, zone: Tz) -> Result<DueThen, NotThen> {
        match self {
            DueWhen::Day(when) => when.day(now, zone).map(DueThen::Day),
            DueWhen::Time(when) => when.after(now, zone).map(DueThen::At),
        }
    }
}

/// The reason why a time is not possible. `Display` is a sentence without its full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotThen {
    /// The time is not after now.
    #[error("{text} is in the past")]
    Past {
        /// The resolved time.
        at: DateTime<Utc>,
        /// The same in the person's zone: `1 Dec 2026 10:00`.
        text: String,
    },
    /// The day, as `1 Dec 2026`, is before today.
    #[error("{0} is in the past")]
    PastDay(String),
    /// The time span is zero.
    #[error("that time is in the past")]
    NoTime,
    /// The time is more than 12 months ahead.
    #[error("that is more than a year ahead")]
    TooFar,
    /// The date does not exist, as 30 February.
    #[error("there is no such date")]
    NoSuchDay,
}

/// The accepted forms, for help and hints.
pub const WHEN_HELP: &str =
    "`2h`, `3d`, `1w`, `15:30`, `tomorrow`, `tomorrow 14:00`, `mon 9:00`, `1 dec` or `2026-12-01`";

impl When {
    /// Parses a text that is only a time. `in`, `for`, `until`, `on` and `at` before it are left out.
    pub fn parse(text: &str) -> Option<When> {
        if let Ok(instant) = DateTime::parse_from_rfc3339(text.trim()) {
            return Some(When::Instant(instant.to_utc()));
        }
        let text = text.to_lowercase().replace(',', " ");
        let mut words: Vec<&str> = text.split_whitespace().collect();
        if let Some(last) = words.last_mut() {
            *last = last.trim_end_matches(['.', '!']);
        }
        words.retain(|word| !word.is_empty());
        if let Some(&("in" | "for" | "until" | "till" | "on" | "at")) = words.first() {
            words.remove(0);
        }
        if let Some(stay) = stay(&words) {
            return Some(stay);
        }
        let (day, time) = split_time(&words)?;
        let at = time.unwrap_or(MORNING);
        match day {
            [] => time.map(When::At),
            ["today"] => time.map(When::Today),
            ["tomorrow"] => Some(When::Tomorrow(at)),
            [one] => match weekday(one) {
                Some(day) => Some(When::On(day, at)),
                None => dated(one, time),
            },
            [a, b] => date(a, b).map(|(month, day)| When::Date { month, day, at }),
            [a, b, year] => {
                let (month, day) = date(a, b)?;
                let year = number(year).filter(|year| (1000..=9999).contains(year))?;
                let day = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day);
                // A date that does not exist gets its own error, instead of "unreadable".
                Some(match day {
                    Some(day) => When::Day(day, at),
                    None => When::NoSuchDay,
                })
            }
            _ => None,
        }
    }

    /// Parses a due date: a day alone is the whole day.
    pub fn parse_due(text: &str) -> Option<DueWhen> {
        let words = text.to_lowercase().replace(',', " ");
        let mut words: Vec<&str> = words.split_whitespace().collect();
        if let Some(last) = words.last_mut() {
            *last = last.trim_end_matches(['.', '!']);
        }
        // Only as a due date is the rest of today accepted.
        if let [.., "today"] = words.as_slice()
            && words.len() <= 2
        {
            return Some(DueWhen::Day(When::Today(MORNING)));
        }
        let when = When::parse(text)?;
        let has_time = match &when {
            When::In { minutes, days } => *minutes > 0 || *days == 0,
            When::At(_) | When::Today(_) | When::Instant(_) => true,
            When::NoSuchDay => false,
            When::Tomorrow(_) | When::On(..) | When::Date { .. } | When::Day(..) => {
                matches!(split_time(&words), Some((_, Some(_))))
                    || words.iter().any(|word| dated_with_time(word))
            }
        };
        Some(match has_time {
            true => DueWhen::Time(when),
            false => DueWhen::Day(when),
        })
    }

    /// Resolves its day for a person in `zone` at `now`, without its time: today or later, and at most a year ahead.
    fn day(&self, now: DateTime<Utc>, zone: Tz) -> Result<NaiveDate, NotThen> {
        let today = local(now, zone).date();
        let day = match self {
            When::In { days, .. } => following(today, *days)?,
            When::At(_) | When::Today(_) => today,
            When::Tomorrow(_) => following(today, 1)?,
            When::On(day, _) => {
                let ahead = day.days_since(today.weekday());
                following(today, if ahead == 0 { 7 } else { ahead.into() })?
            }
            When::Date { month, day, .. } => next_date(today, *month, *day)?,
            When::Day(day, _) => *day,
            When::Instant(then) => local(*then, zone).date(),
            When::NoSuchDay => return Err(NotThen::NoSuchDay),
        };
        if day < today {
            return Err(NotThen::PastDay(day.format("%-d %b %Y").to_string()));
        }
        match today.checked_add_months(AT_MOST) {
            Some(last) if day <= last => Ok(day),
            _ => Err(NotThen::TooFar),
        }
    }

    /// Resolves it for a person in `zone` at `now`: a time in the future, and at most a year ahead.
    pub fn after(&self, now: DateTime<Utc>, zone: Tz) -> Result<DateTime<Utc>, NotThen> {
        let here = local(now, zone);
        let today = here.date();
        let then = match self {
            When::In {
                days: 0,
                minutes: 0,
            } => return Err(NotThen::NoTime),
            When::In { days, minutes } => {
                let day = match days {
                    0 => now,
                    days => {
                        let day = today
                            .checked_add_days(Days::new(*days))
                            .ok_or(NotThen::TooFar)?;
                        instant(day.and_time(here.time()), zone, now)
                    }
                };
                let minutes = i64::try_from(*minutes)
                    .ok()
                    .and_then(Duration::try_minutes)
                    .ok_or(NotThen::TooFar)?;
                day.checked_add_signed(minutes).ok_or(NotThen::TooFar)?
            }
            When::At(time) => {
                let then = instant(today.and_time(*time), zone, now);
                if then > now {
                    then
                } else {
                    instant(following(today, 1)?.and_time(*time), zone, now)
                }
            }
            When::Today(time) => instant(today.and_time(*time), zone, now),
            When::Tomorrow(time) => instant(following(today, 1)?.and_time(*time), zone, now),
            When::On(day, time) => {
                let ahead = day.days_since(today.weekday());
                let ahead = if ahead == 0 { 7 } else { ahead };
                instant(following(today, ahead.into())?.and_time(*time), zone, now)
            }
            When::Date { month, day, at } => {
                instant(next_date(today, *month, *day)?.and_time(*at), zone, now)
            }
            When::Day(day, at) => instant(day.and_time(*at), zone, now),
            When::Instant(then) => *then,
            When::NoSuchDay => return Err(NotThen::NoSuchDay),
        };
        if then <= now {
            return Err(NotThen::Past {
                at: then,
                text: local(then, zone).format("%-d %b %Y %H:%M").to_string(),
            });
        }
        let last = today
            .checked_add_months(AT_MOST)
            .map(|day| instant(day.and_time(here.time()), zone, now));
        match last {
            Some(last) if then <= last => Ok(then),
            _ => Err(NotThen::TooFar),
        }
    }
}

/// A time that was read from outside; `None` if its year is not from 1970 to 9999. No person means such a time, and
/// sums and local times near the limits of chrono's range panic.
pub fn plausible(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (1970..=9999).contains(&at.year()).then_some(at)
}

/// The wall clock at a given time; UTC's at the limits of chrono's range.
pub fn local(at: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    let utc = at.naive_utc();
    let offset = zone.offset_from_utc_datetime(&utc).fix();
    utc.checked_add_offset(offset).unwrap_or(utc)
}

/// When a wall clock shows this. Times inside a DST gap move forward by the gap. Of an ambiguous time, the first that
/// is still after `now` counts.
pub(super) fn instant(wall: NaiveDateTime, zone: Tz, now: DateTime<Utc>) -> DateTime<Utc> {
    match zone.from_local_datetime(&wall) {
        chrono::LocalResult::Single(then) => then.to_utc(),
        chrono::LocalResult::Ambiguous(first, second) if first.to_utc() <= now => second.to_utc(),
        chrono::LocalResult::Ambiguous(first, _) => first.to_utc(),
        chrono::LocalResult::None => {
            // Samoa once skipped a whole day: the offset before the gap may be that far back.
            let before = (1..=30).find_map(|hours| {
                let earlier = wall.checked_sub_signed(Duration::hours(hours))?;
                zone.from_local_datetime(&earlier).latest()
            });
            let offset = before.map_or_else(|| Utc.fix(), |before| before.offset().fix());
            wall.checked_sub_offset(offset).unwrap_or(wall).and_utc()
        }
    }
}

fn following(today: NaiveDate, days: u64) -> Result<NaiveDate, NotThen> {
    today
        .checked_add_days(Days::new(days))
        .ok_or(NotThen::TooFar)
}

/// This year's date, unless it has passed; for 29 February, that of the next leap year.
fn next_date(today: NaiveDate, month: u32, day: u32) -> Result<NaiveDate, NotThen> {
    (today.year()..=today.year() + 8)
        .filter_map(|year| NaiveDate::from_ymd_opt(year, month, day))
        .find(|date| *date >= today)
        .ok_or(NotThen::NoSuchDay)
}

/// `2h`, `2 hours`, `1h30m`, `1d 12h`
fn stay(words: &[&str]) -> Option<When> {
    let (mut days, mut minutes) = (0_u64, 0_u64);
    let mut add = |count: u64, unit: &str| {
        match unit {
            "m" | "min" | "mins" | "minute" | "minutes" => minutes += count,
            "h" | "hr" | "hrs" | "hour" | "hours" => minutes += count * 60,
            "d" | "day" | "days" => days += count,
            "w" | "week" | "weeks" => days += count * 7,
            _ => return None,
        }
        Some(())
    };
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if let Some(count) = number(word) {
            add(count, rest.next()?)?;
            continue;
        }
        let mut word = *word;
        while !word.is_empty() {
            let (count, unit) = word.split_at_checked(word.find(|c: char| !c.is_ascii_digit())?)?;
            let end = unit.find(|c: char| c.is_ascii_digit());
            let (unit, after) = unit.split_at_checked(end.unwrap_or(unit.len()))?;
            add(number(count)?, unit)?;
            word = after;
        }
    }
    (!words.is_empty()).then_some(When::In { days, minutes })
}

/// Splits the name of a day from the time at its end, if there is one.
fn split_time<'a>(words: &'a [&'a str]) -> Option<(&'a [&'a str], Option<NaiveTime>)> {
    let day = |day: &'a [&'a str]| match day {
        [before @ .., "at"] => before,
        day => day,
    };
    // `9 am` is two words.
    if let [before @ .., hour, half @ ("am" | "pm")] = words {
        return Some((day(before), Some(clock(&format!("{hour}{half}"))?)));
    }
    if let [before @ .., last] = words
        && let Some(time) = clock(last)
    {
        return Some((day(before), Some(time)));
    }
    (!words.is_empty()).then_some((words, None))
}

/// `9:00`, `09:30`, `9am`, `9:30pm`. A bare number is no time: it may be a day.
pub(super) fn clock(text: &str) -> Option<NaiveTime> {
    let half = ["am", "pm"].into_iter().find(|half| text.ends_with(half));
    let bare = half.map_or(text, |half| text.trim_end_matches(half));
    let (hour, minute) = match bare.split_once(':') {
        Some((hour, minute)) if minute.len() == 2 => (number(hour)?, number(minute)?),
        Some(_) => return None,
        None => (half.and_then(|_| number(bare))?, 0),
    };
    let hour = match half {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some("am") => hour % 12,
        Some(_) => hour % 12 + 12,
    };
    NaiveTime::from_hms_opt(u32::try_from(hour).ok()?, u32::try_from(minute).ok()?, 0)
}

/// `2026-12-01`, and `2026-12-01t10:00`
fn dated(word: &str, time: Option<NaiveTime>) -> Option<When> {
    let (day, time) = match (word.split_once('t'), time) {
        (Some((day, time)), None) => (day, Some(clock(time)?)),
        _ => (word, time),
    };
    let at = time.unwrap_or(MORNING);
    let mut parts = day.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let year = i32::try_from(number(year)?).ok()?;
    let (month, day) = (number(month)?, number(day)?);
    let (month, day) = (u32::try_from(month).ok()?, u32::try_from(day).ok()?);
    Some(match NaiveDate::from_ymd_opt(year, month, day) {
        Some(day) => When::Day(day, at),
        None => When::NoSuchDay,
    })
}

/// Whether it is `2026-12-01t10:00`.
fn dated_with_time(word: &str) -> bool {
    matches!(word.split_once('t'), Some((day, time)) if day.contains('-') && clock(time).is_some())
}

/// `1 dec`, `dec 1`, `1st december`
fn date(a: &str, b: &str) -> Option<(u32, u32)> {
    let day = |text: &str| {
        let bare = ["st", "nd", "rd", "th", "."]
            .into_iter()
            .find_map(|end| text.strip_suffix(end));
        number(bare.unwrap_or(text)).and_then(|day| u32::try_from(day).ok())
    };
    match (month(a), month(b)) {
        (None, Some(month)) => Some((month, day(a)?)),
        (Some(month), None) => Some((month, day(b)?)),
        _ => None,
    }
}

fn month(word: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    (1..)
        .zip(MONTHS)
        .find_map(|(number, name)| is_short_for(word, name, 3).then_some(number))
}

fn weekday(word: &str) -> Option<Weekday> {
    use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    [
        (Mon, "monday"),
        (Tue, "tuesday"),
        (Wed, "wednesday"),
        (Thu, "thursday"),
        (Fri, "friday"),
        (Sat, "saturday"),
        (Sun, "sunday"),
    ]
    .into_iter()
    .find_map(|(day, name)| is_short_for(word, name, 3).then_some(day))
}

fn is_short_for(word: &str, name: &str, at_least: usize) -> bool {
    let word = word.trim_end_matches('.');
    word.len() >= at_least && name.starts_with(word)
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= DIGITS_MAX;
    let digits = digits && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::{America::New_York, Asia::Kolkata, Europe::Berlin, Pacific::Apia, UTC as Z};
    use proptest::prelude::*;
    use rstest::rstest;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[rstest]
    #[case::the_first("1970-01-01T00:00:00Z", true)]
    #[case::the_last("9999-12-31T23:59:59.999Z", true)]
    #[case::before("1969-12-31T23:59:59.999Z", false)]
    #[case::after("+10000-01-01T00:00:00Z", false)]
    #[case::the_last_of_chrono("+262142-12-31T23:59:59.999Z", false)]
    #[case::the_first_of_chrono("-262143-01-01T00:00:00Z", false)]
    fn times_from_outside_are_of_years_that_people_mean(#[case] text: &str, #[case] meant: bool) {
        let at: DateTime<Utc> = text.parse().unwrap();
        assert_eq!(plausible(at), meant.then_some(at));
    }

    /// Monday 23 November 2026, 12:00 UTC.
    const MONDAY_NOON: &str = "2026-11-23T12:00:00Z";

    #[rstest]
    #[case::hours("2h", "2026-11-23T14:00:00Z")]
    #[case::minutes("30m", "2026-11-23T12:30:00Z")]
    #[case::days("3d", "2026-11-26T12:00:00Z")]
    #[case::week("1w", "2026-11-30T12:00:00Z")]
    #[case::several("1h30m", "2026-11-23T13:30:00Z")]
    #[case::spelled_out("for 2 hours", "2026-11-23T14:00:00Z")]
    #[case::day_and_hours("in 1d 12h", "2026-11-25T00:00:00Z")]
    #[case::shouted(" 2H! ", "2026-11-23T14:00:00Z")]
    #[case::tomorrow("tomorrow", "2026-11-24T09:00:00Z")]
    #[case::tomorrow_at("tomorrow 14:00", "2026-11-24T14:00:00Z")]
    #[case::tomorrow_with_at("Tomorrow at 2pm", "2026-11-24T14:00:00Z")]
    #[case::today("today 17:00", "2026-11-23T17:00:00Z")]
    #[case::monday_is_next_week("mon", "2026-11-30T09:00:00Z")]
    #[case::monday_though_the_time_is_ahead("monday 23:00", "2026-11-30T23:00:00Z")]
    #[case::tuesday("tue 9:00", "2026-11-24T09:00:00Z")]
    #[case::short_thursday("thurs", "2026-11-26T09:00:00Z")]
    #[case::sunday("until sun 18:30", "2026-11-29T18:30:00Z")]
    #[case::later_today("15:30", "2026-11-23T15:30:00Z")]
    #[case::right_now_is_tomorrow("12:00", "2026-11-24T12:00:00Z")]
    #[case::earlier_is_tomorrow("at 9:00", "2026-11-24T09:00:00Z")]
    #[case::half_past_nine_at_night("9:30 pm", "2026-11-23T21:30:00Z")]
    #[case::midnight("12am", "2026-11-24T00:00:00Z")]
    #[case::noon("12pm", "2026-11-24T12:00:00Z")]
    #[case::iso("2026-12-01", "2026-12-01T09:00:00Z")]
    #[case::iso_at("2026-12-01 7:15", "2026-12-01T07:15:00Z")]
    #[case::iso_with_t("2026-12-01T07:15", "2026-12-01T07:15:00Z")]
    #[case::programs("2026-12-01T07:15:00+01:00", "2026-12-01T06:15:00Z")]
    #[case::day_month("1 dec", "2026-12-01T09:00:00Z")]
    #[case::month_day("dec 1 10:00", "2026-12-01T10:00:00Z")]
    #[case::ordinal("1st December at 10:00", "2026-12-01T10:00:00Z")]
    #[case::next_year("1 feb", "2027-02-01T09:00:00Z")]
    #[case::with_year("dec 1, 2026 10:00", "2026-12-01T10:00:00Z")]
    #[case::today_by_date("23 nov 18:00", "2026-11-23T18:00:00Z")]
    #[case::a_year("52w", "2027-11-22T12:00:00Z")]
    #[case::a_year_to_the_minute("23 nov 2027 12:00", "2027-11-23T12:00:00Z")]
    fn is_read_and_meant(#[case] typed: &str, #[case] then: &str) {
        let when = When::parse(typed).unwrap();
        assert_eq!(when.after(at(MONDAY_NOON), Z), Ok(at(then)));
    }

    #[rstest]
    #[case::today("today", Some(Ok("2026-11-23")))]
    #[case::today_by_date("23 nov", Some(Ok("2026-11-23")))]
    #[case::tomorrow("tomorrow", Some(Ok("2026-11-24")))]
    #[case::weekday("on Fri.", Some(Ok("2026-11-27")))]
    #[case::monday_is_next_week("mon", Some(Ok("2026-11-30")))]
    #[case::iso("2026-12-01", Some(Ok("2026-12-01")))]
    #[case::with_year("1 dec 2026", Some(Ok("2026-12-01")))]
    #[case::days("3d", Some(Ok("2026-11-26")))]
    #[case::a_week("1w", Some(Ok("2026-11-30")))]
    #[case::a_year("23 nov 2027", Some(Ok("2027-11-23")))]
    #[case::over("2026-11-22", Some(Err("22 Nov 2026 is in the past")))]
    #[case::too_far("24 nov 2027", Some(Err("that is more than a year ahead")))]
    #[case::no_such_day("2026-02-30", Some(Err("there is no such date")))]
    // These name a time.
    #[case::today_at("today 17:00", None)]
    #[case::tomorrow_at("tomorrow at 2pm", None)]
    #[case::weekday_at("fri 9 am", None)]
    #[case::iso_at("2026-12-01 7:15", None)]
    #[case::iso_with_t("2026-12-01T07:15", None)]
    #[case::programs("2026-12-01T07:15:00+01:00", None)]
    #[case::date_at("1 dec 17:00", None)]
    #[case::hours("2h", None)]
    #[case::days_and_hours("1d 2h", None)]
    #[case::a_time("15:30", None)]
    fn a_due_date_is_a_day_where_no_time_is_named(
        #[case] typed: &str,
        #[case] day: Option<Result<&str, &str>>,
    ) {
        let due = When::parse_due(typed).unwrap();
        assert_eq!(matches!(due, DueWhen::Day(_)), day.is_some(), "{due:?}");
        let then = due.after(at("2026-11-23T12:00:00Z"), Z);
        match day {
            Some(Ok(day)) => assert_eq!(then, Ok(DueThen::Day(day.parse().unwrap()))),
            Some(Err(why)) => assert_eq!(then.unwrap_err().to_string(), why),
            None => {
                let when = When::parse(typed).unwrap();
                assert_eq!(
                    then,
                    when.after(at("2026-11-23T12:00:00Z"), Z).map(DueThen::At)
                );
            }
        }
    }

    #[test]
    fn a_due_day_is_of_the_persons_calendar() {
        let day = |zone| {
            When::parse_due("tomorrow")
                .unwrap()
                .after(at("2026-11-23T22:00:00Z"), zone)
        };
        let of = |day: &str| Ok(DueThen::Day(day.parse().unwrap()));
        assert_eq!(day(New_York), of("2026-11-24"));
        assert_eq!(day(Kolkata), of("2026-11-25"));
        assert_eq!(When::parse_due("soon"), None);
    }

    #[rstest]
    #[case::over_today("today 9:00", "23 Nov 2026 09:00 is in the past")]
    #[case::over_by_date("2026-11-22", "22 Nov 2026 09:00 is in the past")]
    #[case::this_morning("23 nov", "23 Nov 2026 09:00 is in the past")]
    #[case::last_year("1 dec 2025", "1 Dec 2025 09:00 is in the past")]
    #[case::no_time("0h", "that time is in the past")]
    #[case::too_far("53w", "that is more than a year ahead")]
    #[case::a_minute_too_far("23 nov 2027 12:01", "that is more than a year ahead")]
    #[case::far_too_far("999999w", "that is more than a year ahead")]
    #[case::no_such_day("31 nov", "there is no such date")]
    #[case::no_such_day_ever("2026-02-30", "there is no such date")]
    #[case::no_such_day_that_year("29 feb 2027", "there is no such date")]
    #[case::leap_day_is_too_far("29 feb", "that is more than a year ahead")]
    fn cannot_be_meant(#[case] typed: &str, #[case] why: &str) {
        let refused = When::parse(typed).unwrap().after(at(MONDAY_NOON), Z);
        assert_eq!(refused.unwrap_err().to_string(), why);
    }

    #[rstest]
    #[case("")]
    #[case("soon")]
    #[case("2")]
    #[case("2x")]
    #[case("h2")]
    #[case("25:00")]
    #[case("9:5")]
    #[case("13pm")]
    #[case("0am")]
    #[case("today")]
    #[case("mo")]
    #[case("mon tue")]
    #[case("1 2 dec")]
    #[case("dec dec")]
    #[case("2026-1-1")]
    #[case("2026-12-01T")]
    #[case("1234567h")]
    #[case("tomorrow mon")]
    #[case("2h later")]
    #[case::a_number_and_a_stay("2 2h")]
    #[case("2 h30m 1")]
    fn is_no_time(#[case] typed: &str) {
        assert_eq!(When::parse(typed), None);
    }

    #[rstest]
    // The clocks of Berlin go forward at 02:00 on 29 March 2026: 02:30 is 03:30.
    #[case::skipped(
        Berlin,
        "2026-03-28T12:00:00Z",
        "tomorrow 2:30",
        "2026-03-29T01:30:00Z"
    )]
    #[case::skipped_next_time(Berlin, "2026-03-29T00:30:00Z", "2:30", "2026-03-29T01:30:00Z")]
    #[case::same_clock_over_the_short_day(
        Berlin,
        "2026-03-28T12:00:00Z",
        "1d",
        "2026-03-29T11:00:00Z"
    )]
    #[case::hours_are_hours_over_the_short_day(
        Berlin,
        "2026-03-28T12:00:00Z",
        "24h",
        "2026-03-29T12:00:00Z"
    )]
    #[case::morning_after_the_short_night(
        Berlin,
        "2026-03-28T20:00:00Z",
        "sun",
        "2026-03-29T07:00:00Z"
    )]
    // They go back at 03:00 on 25 October 2026: 02:30 comes twice.
    #[case::twice_is_the_first(
        Berlin,
        "2026-10-24T12:00:00Z",
        "tomorrow 2:30",
        "2026-10-25T00:30:00Z"
    )]
    #[case::twice_is_the_one_ahead(Berlin, "2026-10-25T00:45:00Z", "2:30", "2026-10-25T01:30:00Z")]
    #[case::twice_and_over(Berlin, "2026-10-25T01:45:00Z", "2:30", "2026-10-26T01:30:00Z")]
    #[case::same_clock_over_the_long_day(
        Berlin,
        "2026-10-24T12:00:00Z",
        "1d",
        "2026-10-25T13:00:00Z"
    )]
    #[case::week_over_the_change(Berlin, "2026-10-20T07:00:00Z", "1w", "2026-10-27T08:00:00Z")]
    // New York: forward on 8 March, back on 1 November 2026.
    #[case::new_york_skips(
        New_York,
        "2026-03-07T20:00:00Z",
        "tomorrow 2:30",
        "2026-03-08T07:30:00Z"
    )]
    #[case::new_york_twice(
        New_York,
        "2026-10-31T20:00:00Z",
        "tomorrow 1:30",
        "2026-11-01T05:30:00Z"
    )]
    // The day is the person's: 23:30 on Monday in New York, 04:30 on Tuesday in UTC.
    #[case::over_midnight(New_York, "2026-11-24T04:30:00Z", "tomorrow", "2026-11-24T14:00:00Z")]
    #[case::still_monday(New_York, "2026-11-24T04:30:00Z", "mon", "2026-11-30T14:00:00Z")]
    #[case::already_tuesday(Kolkata, "2026-11-23T19:00:00Z", "tue", "2026-12-01T03:30:00Z")]
    #[case::two_hours_over_midnight(Berlin, "2026-11-23T22:30:00Z", "2h", "2026-11-24T00:30:00Z")]
    #[case::month_end(Berlin, "2026-11-30T12:00:00Z", "tomorrow", "2026-12-01T08:00:00Z")]
    #[case::year_end(Berlin, "2026-12-31T12:00:00Z", "1d", "2027-01-01T12:00:00Z")]
    #[case::leap_day(Z, "2028-02-28T12:00:00Z", "tomorrow", "2028-02-29T09:00:00Z")]
    #[case::leap_day_by_date(Z, "2027-06-01T12:00:00Z", "29 feb", "2028-02-29T09:00:00Z")]
    // Samoa had no 30 December 2011.
    #[case::a_day_that_never_was(Apia, "2011-12-29T22:00:00Z", "tomorrow", "2011-12-30T19:00:00Z")]
    fn is_of_the_persons_clock(
        #[case] zone: Tz,
        #[case] now: &str,
        #[case] typed: &str,
        #[case] then: &str,
    ) {
        let when = When::parse(typed).unwrap();
        assert_eq!(when.after(at(now), zone), Ok(at(then)), "{when:?}");
    }

    #[test]
    fn a_year_from_a_leap_day_ends_in_february() {
        let now = at("2028-02-29T12:00:00Z");
        let last = When::parse("28 feb 2029 12:00").unwrap();
        assert_eq!(last.after(now, Z), Ok(at("2029-02-28T12:00:00Z")));
        let later = When::parse("28 feb 2029 12:01").unwrap();
        assert_eq!(later.after(now, Z), Err(NotThen::TooFar));
    }

    fn typed() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            proptest::sample::select(vec![
                "2", "30", "h", "d", "w", "m", " ", ":", "00", "mon", "tomorrow", "today", "dec",
                "at", "am", "pm", "2026", "-12", "-01", "T", "1st", "feb", "29", "Z", "ß", "İ",
                "\u{a0}",
            ])
            .prop_map(str::to_owned),
            "(?s).{0,4}",
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_ahead_and_within_a_year(
            text in typed(), second in 0..4_000_000_000_i64, zone in proptest::sample::select(vec![Z, Berlin, New_York, Apia])
        ) {
            let now = DateTime::from_timestamp(second, 0).unwrap();
            if let Some(when) = When::parse(&text)
                && let Ok(then) = when.after(now, zone)
            {
                prop_assert!(then > now && then <= now + Duration::days(368), "{when:?} {then}");
            }
        }
    }
}
