//! When a person is told what they have not just asked for: the change of a briefing or of quiet hours.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::command_tx::{CommandTx, Rejection, Stop};
use crate::domain::person::Person;
use crate::domain::reply::{self, Words};
use crate::domain::rhythm::{self, RhythmChange, over_with};
use crate::store::rhythms::{self, Rhythm};
use crate::store::{Wake, people};

/// `briefing 8:30`, `quiet 20:00-8:00`, their `off` and their `default`.
pub fn change(tx: &CommandTx<'_>, person: &Person, change: RhythmChange) -> Result<Words, Stop> {
    let mut chosen = rhythms::of(tx.db, person.id)?;
    let usual = rhythms::defaults(tx.db)?;
    let wants_something = match change {
        RhythmChange::Briefing(at) => at.is_some(),
        RhythmChange::Quiet(hours) => hours.is_some(),
        RhythmChange::UsualBriefing => usual.briefing.is_some(),
        RhythmChange::UsualQuiet => usual.quiet.is_some(),
    };
    if wants_something && people::reached_in(tx.db, person.id)?.is_none() {
        return Err(Rejection::Unfit(reply::nowhere_to_tell()).into());
    }
    let words = match change {
        RhythmChange::Briefing(_) | RhythmChange::UsualBriefing => {
            let (at, own) = match change {
                RhythmChange::Briefing(at) => (at, true),
                _ => (usual.briefing, false),
            };
            (chosen.briefing, chosen.own_briefing) = (at, own);
            // Today's counts as past if its time is; a sent one stays sent.
            let over = at.and_then(|at| over_with(at, tx.now, person.zone));
            chosen.briefed_on = chosen.briefed_on.max(over);
            let next = next_briefing(&chosen, tx.now, person.zone);
            match own {
                true => reply::briefing_set(at, next, person.zone),
                false => reply::briefing_usual(at, next, person.zone),
            }
        }
        RhythmChange::Quiet(quiet) => {
            (chosen.quiet, chosen.own_quiet) = (quiet, true);
            reply::quiet_set(quiet, person.zone)
        }
        RhythmChange::UsualQuiet => {
            (chosen.quiet, chosen.own_quiet) = (usual.quiet, false);
            reply::quiet_usual(usual.quiet, person.zone)
        }
    };
    rhythms::set(tx.db, person.id, &chosen)?;
    tx.db.wake(Wake::Rhythms);
    tx.db.wake(Wake::Homes);
    Ok(words)
}

/// When the next briefing is due.
pub fn next_briefing(chosen: &Rhythm, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
    match rhythm::briefing(chosen.briefing?, chosen.briefed_on, now, zone)? {
        rhythm::Briefing::Now(_) => Some(now),
        rhythm::Briefing::At(then) => Some(then),
    }
}
