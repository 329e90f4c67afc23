//! The schedule of unasked messages: changes of a briefing or of quiet hours.

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;

use crate::command_tx::{CommandTx, Rejection, Stop};
use crate::domain::person::Person;
use crate::domain::reply::Text;
use crate::domain::schedule::{self, QuietHours, ScheduleChange, over_with};
use crate::store::schedules::{self, Schedule};
use crate::store::{Wake, people};

/// `briefing 8:30`, `quiet 20:00-8:00`, their `off` and their `default`.
pub fn change(tx: &CommandTx<'_>, person: &Person, change: ScheduleChange) -> Result<Text, Stop> {
    let mut chosen = schedules::of(tx.db, person.id)?;
    let usual = schedules::defaults(tx.db)?;
    let wants_something = match change {
        ScheduleChange::Briefing(at) => at.is_some(),
        ScheduleChange::Quiet(hours) => hours.is_some(),
        ScheduleChange::UsualBriefing => usual.briefing.is_some(),
        ScheduleChange::UsualQuiet => usual.quiet.is_some(),
    };
    if wants_something && people::reached_in(tx.db, person.id)?.is_none() {
        return Err(Rejection::Unfit(nowhere_to_tell()).into());
    }
    let words = match change {
        ScheduleChange::Briefing(_) | ScheduleChange::UsualBriefing => {
            let (at, own) = match change {
                ScheduleChange::Briefing(at) => (at, true),
                _ => (usual.briefing, false),
            };
            (chosen.briefing, chosen.own_briefing) = (at, own);
            // Today's counts as past if its time is; a sent one stays sent.
            let over = at.and_then(|at| over_with(at, tx.now, person.zone));
            chosen.briefed_on = chosen.briefed_on.max(over);
            let next = next_briefing(&chosen, tx.now, person.zone);
            match own {
                true => briefing_set(at, next, person.zone),
                false => briefing_usual(at, next, person.zone),
            }
        }
        ScheduleChange::Quiet(quiet) => {
            (chosen.quiet, chosen.own_quiet) = (quiet, true);
            quiet_set(quiet, person.zone)
        }
        ScheduleChange::UsualQuiet => {
            (chosen.quiet, chosen.own_quiet) = (usual.quiet, false);
            quiet_usual(usual.quiet, person.zone)
        }
    };
    schedules::set(tx.db, person.id, &chosen)?;
    tx.db.wake(Wake::Rhythms);
    tx.db.wake(Wake::Homes);
    Ok(words)
}

/// When the next briefing is due.
pub fn next_briefing(chosen: &Schedule, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
    match schedule::briefing(chosen.briefing?, chosen.briefed_on, now, zone)? {
        schedule::NextBriefing::Now(_) => Some(now),
        schedule::NextBriefing::At(then) => Some(then),
    }
}

/// After `briefing 8:30` or `briefing off`.
pub(crate) fn briefing_set(at: Option<NaiveTime>, next: Option<DateTime<Utc>>, zone: Tz) -> Text {
    match (at, next) {
        (Some(at), Some(next)) => Text::new().text(format!(
            "✓ Briefing on working days at {} ({}), next on {}.",
            at.format("%-H:%M"),
            zone.name(),
            next.with_timezone(&zone).format("%a %-d %b")
        )),
        _ => Text::new().text("✓ Briefing off. `morning` shows it at any time."),
    }
}

/// After `briefing default`.
pub(crate) fn briefing_usual(at: Option<NaiveTime>, next: Option<DateTime<Utc>>, zone: Tz) -> Text {
    let words = Text::new().text("✓ Team default: ");
    match (at, next) {
        (Some(at), Some(next)) => words.text(format!(
            "briefing on working days at {} ({}), next on {}.",
            at.format("%-H:%M"),
            zone.name(),
            next.with_timezone(&zone).format("%a %-d %b")
        )),
        _ => words
            .text("briefing off. ")
            .code("morning")
            .text(" shows it at any time."),
    }
}

/// A person without a DM cannot get messages.
pub(crate) fn nowhere_to_tell() -> Text {
    Text::new().text(
        "I have no direct message with you yet, so nothing changed. Write to me in Slack first.",
    )
}

/// After `quiet 20:00-8:00` or `quiet off`.
pub(crate) fn quiet_set(quiet: Option<QuietHours>, zone: Tz) -> Text {
    Text::new().text(match quiet {
        Some(quiet) => format!(
            "✓ Quiet hours {quiet} ({}). I'll sum up what you missed at {}.",
            zone.name(),
            quiet.until().format("%-H:%M")
        ),
        None => "✓ Quiet hours off.".to_owned(),
    })
}

/// After `quiet default`.
pub(crate) fn quiet_usual(quiet: Option<QuietHours>, zone: Tz) -> Text {
    Text::new().text(match quiet {
        Some(quiet) => format!("✓ Team default: quiet hours {quiet} ({}).", zone.name()),
        None => "✓ Team default: no quiet hours.".to_owned(),
    })
}
