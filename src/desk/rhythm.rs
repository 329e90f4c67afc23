//! When somebody is told what they have not just asked for, and how they learn of outcomes: what they chose.

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;

use super::Desk;
use crate::command_tx::{CommandError, CommandTx, Rejection, Stop};
use crate::domain::person::{Person, PersonId};
use crate::domain::receipts::Receipts;
use crate::domain::reply;
use crate::domain::rhythm::{Briefing, Quiet, RhythmChange, briefing, over_with};
use crate::store::rhythms::{self, Rhythm};
use crate::store::{DbResult, StoreTrouble, Wake, people};

/// What is in force for somebody, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RhythmView {
    /// What was changed, or how it is.
    pub message: reply::Words,
    pub briefing: Option<NaiveTime>,
    pub next_briefing: Option<DateTime<Utc>>,
    pub quiet: Option<Quiet>,
    /// Whether they have chosen each themselves; else it is as bot.toml has it.
    pub own_briefing: bool,
    pub own_quiet: bool,
    pub zone: Tz,
    /// Notices that wait for the end of quiet hours.
    pub held: i64,
}

/// How somebody learns of outcomes, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptsView {
    /// What was changed, or how it is.
    pub message: reply::Words,
    pub receipts: Receipts,
    /// Whether they have chosen that themselves; else it is as bot.toml has it.
    pub own: bool,
}

impl Desk {
    /// What somebody has chosen; after a change, if there is one.
    pub async fn rhythm(
        &self,
        person: &Person,
        change: Option<RhythmChange>,
    ) -> Result<RhythmView, CommandError> {
        let person = person.clone();
        self.decide(move |turn| {
            let message = match change {
                Some(change) => turn.change_rhythm(&person, change)?,
                None => turn.quiet_is(&person)?,
            };
            let chosen = rhythms::of(turn.db, person.id)?;
            Ok(RhythmView {
                message,
                briefing: chosen.briefing,
                next_briefing: next_briefing(&chosen, turn.now, person.zone),
                quiet: chosen.quiet,
                own_briefing: chosen.own_briefing,
                own_quiet: chosen.own_quiet,
                zone: person.zone,
                held: rhythms::count_held(turn.db, person.id)?,
            })
        })
        .await
    }

    /// How somebody learns of outcomes; after a change, if there is one, which may be to leave it to bot.toml.
    pub async fn receipts(
        &self,
        person: &Person,
        change: Option<Option<Receipts>>,
    ) -> Result<ReceiptsView, StoreTrouble> {
        let id = person.id;
        self.turn(move |turn| {
            let message = match change {
                Some(by) => turn.change_receipts(id, by)?,
                None => turn.receipts_are(id)?,
            };
            let chosen = people::receipts(turn.db, id)?;
            Ok(ReceiptsView {
                message,
                receipts: chosen.unwrap_or(turn.settings.receipts),
                own: chosen.is_some(),
            })
        })
        .await
    }
}

impl CommandTx<'_> {
    /// `receipts`
    pub(super) fn receipts_are(&self, person: PersonId) -> DbResult<reply::Words> {
        let chosen = people::receipts(self.db, person)?;
        let by = chosen.unwrap_or(self.settings.receipts);
        Ok(reply::receipts_are(by, chosen.is_some()))
    }

    /// `receipts reactions`, `receipts messages`, and `receipts default`, which is no own choice.
    pub(super) fn change_receipts(
        &self,
        person: PersonId,
        by: Option<Receipts>,
    ) -> DbResult<reply::Words> {
        people::wants_receipts(self.db, person, by)?;
        self.db.wake(Wake::Homes);
        Ok(match by {
            Some(by) => reply::receipts_set(by),
            None => reply::receipts_usual(self.settings.receipts),
        })
    }

    /// `quiet`
    pub(super) fn quiet_is(&self, person: &Person) -> DbResult<reply::Words> {
        let chosen = rhythms::of(self.db, person.id)?;
        let held = rhythms::count_held(self.db, person.id)?;
        Ok(reply::quiet_is(
            chosen.quiet,
            chosen.own_quiet,
            held,
            person.zone,
        ))
    }

    /// `briefing 8:30`, `quiet 20:00-8:00`, their `off` and their `default`.
    pub(super) fn change_rhythm(
        &self,
        person: &Person,
        change: RhythmChange,
    ) -> Result<reply::Words, Stop> {
        let mut chosen = rhythms::of(self.db, person.id)?;
        let usual = rhythms::defaults(self.db)?;
        let wants_something = match change {
            RhythmChange::Briefing(at) => at.is_some(),
            RhythmChange::Quiet(hours) => hours.is_some(),
            RhythmChange::UsualBriefing => usual.briefing.is_some(),
            RhythmChange::UsualQuiet => usual.quiet.is_some(),
        };
        if wants_something && people::reached_in(self.db, person.id)?.is_none() {
            return Err(Rejection::Unfit(reply::nowhere_to_tell()).into());
        }
        let words = match change {
            RhythmChange::Briefing(_) | RhythmChange::UsualBriefing => {
                let (at, own) = match change {
                    RhythmChange::Briefing(at) => (at, true),
                    _ => (usual.briefing, false),
                };
                (chosen.briefing, chosen.own_briefing) = (at, own);
                // Today's is over with if its time is, and what was sent is sent.
                let over = at.and_then(|at| over_with(at, self.now, person.zone));
                chosen.briefed_on = chosen.briefed_on.max(over);
                let next = next_briefing(&chosen, self.now, person.zone);
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
        rhythms::set(self.db, person.id, &chosen)?;
        self.db.wake(Wake::Rhythms);
        self.db.wake(Wake::Homes);
        Ok(words)
    }
}

fn next_briefing(chosen: &Rhythm, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
    match briefing(chosen.briefing?, chosen.briefed_on, now, zone)? {
        Briefing::Now(_) => Some(now),
        Briefing::At(then) => Some(then),
    }
}
