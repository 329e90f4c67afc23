//! When somebody is told what they have not just asked for, and how they learn of outcomes: what they chose.

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;

use super::Desk;
use crate::command_tx::CommandError;
use crate::domain::person::Person;
use crate::domain::receipts::Receipts;
use crate::domain::reply;
use crate::domain::rhythm::{Quiet, RhythmChange};
use crate::store::{StoreTrouble, people, rhythms};
use crate::verbs::quiet::quiet_is;
use crate::verbs::receipts::{self, ReceiptsBy};
use crate::verbs::schedule::{self, next_briefing};

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
                Some(change) => schedule::change(turn, &person, change)?,
                None => quiet_is(turn, &person)?,
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
        change: Option<ReceiptsBy>,
    ) -> Result<ReceiptsView, StoreTrouble> {
        let id = person.id;
        self.turn(move |turn| {
            let message = match change {
                Some(by) => receipts::change(turn, id, by)?,
                None => receipts::receipts_are(turn, id)?,
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
