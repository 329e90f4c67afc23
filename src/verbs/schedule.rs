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
fn briefing_set(at: Option<NaiveTime>, next: Option<DateTime<Utc>>, zone: Tz) -> Text {
    match (at, next) {
        (Some(at), Some(next)) => Text::new()
            .text(format!(
                "✓ Briefing at {} on working days ({}). The next one is on ",
                at.format("%-H:%M"),
                zone.name()
            ))
            .text(next.with_timezone(&zone).format("%a %-d %b %Y").to_string()),
        _ => Text::new().text("✓ No briefing any more. `morning` shows it whenever you like."),
    }
}

/// After `briefing default`.
fn briefing_usual(at: Option<NaiveTime>, next: Option<DateTime<Utc>>, zone: Tz) -> Text {
    let words = Text::new().text("✓ As bot.toml has it for everybody: ");
    match (at, next) {
        (Some(at), Some(next)) => words.text(format!(
            "a briefing at {} on working days ({}). The next one is on {}",
            at.format("%-H:%M"),
            zone.name(),
            next.with_timezone(&zone).format("%a %-d %b %Y")
        )),
        _ => words
            .text("no briefing. ")
            .code("morning")
            .text(" shows it whenever you like."),
    }
}

/// A person without a DM cannot get messages.
fn nowhere_to_tell() -> Text {
    Text::new().text(
        "I have no direct message with you in which I could tell you that, so nothing was changed. Write to me in Slack \
         once.",
    )
}

/// After `quiet 20:00-8:00` or `quiet off`.
fn quiet_set(quiet: Option<QuietHours>, zone: Tz) -> Text {
    Text::new().text(match quiet {
        Some(quiet) => format!(
            "✓ Quiet from {quiet} ({}): what others do meanwhile is told in one message when it ends. What you ask is \
             answered at any time.",
            zone.name()
        ),
        None => "✓ No quiet hours any more.".to_owned(),
    })
}

/// After `quiet default`.
fn quiet_usual(quiet: Option<QuietHours>, zone: Tz) -> Text {
    Text::new().text(match quiet {
        Some(quiet) => format!(
            "✓ As bot.toml has it for everybody: quiet from {quiet} ({}).",
            zone.name()
        ),
        None => "✓ As bot.toml has it for everybody: no quiet hours.".to_owned(),
    })
}
