//! Due dates of ClickUp: which of them are days, and how a day is written.
//!
//! ClickUp stores a due date without a time as 04:00 in its setter's zone, and a read does not distinguish it from a
//! time (docs/contracts/clickup.md#tasks). The only setter whose zone we know is the token's owner (5.1), as whom Ivan itself sets
//! days. So 04:00 sharp in that zone is a day, and the same day for all readers. If another person sets a day from
//! another zone, their 04:00 counts as a time in each reader's zone. If every 04:00 counted as a day, a deadline of
//! this evening could become tomorrow. Pure: the zone is a parameter.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::domain::task::DueDate;
use crate::domain::when::local;

/// The time that stands for "no time".
const NO_TIME: NaiveTime = match NaiveTime::from_hms_opt(4, 0, 0) {
    Some(time) => time,
    None => NaiveTime::MIN,
};

/// A due date as ClickUp stores it; `zone` is the owner's, if known.
pub(super) fn due(at: DateTime<Utc>, zone: Option<Tz>) -> DueDate {
    let here = zone.map(|zone| local(at, zone));
    let day = here.filter(|here| here.time() == NO_TIME);
    DueDate {
        at,
        day: day.map(|here| here.date()),
    }
}

/// The time that stands for a day. Without the owner's zone it is noon in UTC, which is on that day except in zones 12
/// hours ahead. ClickUp itself makes it the owner's 04:00.
pub(super) fn instant(day: NaiveDate, zone: Option<Tz>) -> DateTime<Utc> {
    let noon = day.and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(12);
    let here = zone.and_then(|zone| {
        let time = zone.from_local_datetime(&day.and_time(NO_TIME)).earliest();
        // A day that never was in the owner's zone, or a 04:00 inside a DST gap.
        let noon = || zone.from_local_datetime(&noon.naive_utc()).earliest();
        time.or_else(noon)
    });
    here.map_or(noon, |here| here.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::America::{New_York, St_Johns};
    use chrono_tz::Asia::{Kathmandu, Tokyo};
    use chrono_tz::Europe::{Athens, Madrid};
    use chrono_tz::Pacific::{Apia, Auckland, Kiritimati, Pago_Pago};
    use rstest::rstest;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[rstest]
    #[case::madrid_in_winter(Madrid, "2026-12-01", "2026-12-01T03:00:00Z")]
    #[case::madrid_in_summer(Madrid, "2026-07-01", "2026-07-01T02:00:00Z")]
    // The clocks go forward at 02:00 on this day, and back at 03:00 on that.
    #[case::the_short_day(Madrid, "2026-03-29", "2026-03-29T02:00:00Z")]
    #[case::the_long_day(Madrid, "2026-10-25", "2026-10-25T03:00:00Z")]
    // In Athens they jump from 03:00 to 04:00, and go back from there.
    #[case::athens_forward(Athens, "2026-03-29", "2026-03-29T01:00:00Z")]
    #[case::athens_back(Athens, "2026-10-25", "2026-10-25T02:00:00Z")]
    #[case::new_york(New_York, "2026-12-01", "2026-12-01T09:00:00Z")]
    #[case::half_an_hour_off(St_Johns, "2026-12-01", "2026-12-01T07:30:00Z")]
    #[case::three_quarters_off(Kathmandu, "2026-12-01", "2026-11-30T22:15:00Z")]
    #[case::tokyo_is_a_day_on(Tokyo, "2026-12-01", "2026-11-30T19:00:00Z")]
    #[case::auckland_where_noon_is_tomorrow(Auckland, "2026-12-01", "2026-11-30T15:00:00Z")]
    // On either side of the date line one time is on two days.
    #[case::first_of_all(Kiritimati, "2026-12-01", "2026-11-30T14:00:00Z")]
    #[case::last_of_all(Pago_Pago, "2026-12-01", "2026-12-01T15:00:00Z")]
    fn a_day_is_written_as_it_is_read(#[case] zone: Tz, #[case] of: &str, #[case] at: &str) {
        let at: DateTime<Utc> = at.parse().unwrap();
        assert_eq!(instant(day(of), Some(zone)), at);
        assert_eq!(due(at, Some(zone)).day, Some(day(of)));
        // Any time beside it is a time.
        for off in [
            TimeDelta::milliseconds(1),
            TimeDelta::hours(1),
            TimeDelta::minutes(-15),
        ] {
            assert_eq!(due(at + off, Some(zone)).day, None);
        }
    }

    #[rstest]
    #[case::elsewhere(Some(New_York), "2026-12-01T03:00:00Z")]
    #[case::a_time(Some(Madrid), "2026-12-01T16:00:00Z")]
    // 04:00 of the summer, in winter.
    #[case::of_the_other_half_of_the_year(Some(Madrid), "2026-12-01T02:00:00Z")]
    #[case::not_known(None, "2026-12-01T03:00:00Z")]
    fn else_it_is_a_time(#[case] zone: Option<Tz>, #[case] at: &str) {
        let at: DateTime<Utc> = at.parse().unwrap();
        assert_eq!(due(at, zone), DueDate::at(at));
    }

    #[rstest]
    #[case::east(Madrid)]
    #[case::west(New_York)]
    fn the_limits_of_time_are_times(#[case] zone: Tz) {
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            assert_eq!(due(at, Some(zone)), DueDate::at(at));
        }
    }

    #[rstest]
    #[case::no_zone(None, "2026-12-01", "2026-12-01T12:00:00Z")]
    // Samoa had no 30 December 2011.
    #[case::a_day_that_never_was(Some(Apia), "2011-12-30", "2011-12-30T12:00:00Z")]
    fn without_an_owners_four_oclock_it_is_noon(
        #[case] zone: Option<Tz>,
        #[case] of: &str,
        #[case] at: &str,
    ) {
        assert_eq!(instant(day(of), zone), at.parse::<DateTime<Utc>>().unwrap());
    }
}
