//! People's own settings for unasked messages, and for how they learn of outcomes.

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;

use super::Commands;
use crate::command_tx::CommandError;
use crate::domain::person::Person;
use crate::domain::receipts::ReceiptMode;
use crate::domain::reply;
use crate::domain::schedule::{QuietHours, ScheduleChange};
use crate::store::{StoreError, people, schedules};
use crate::verbs::quiet::quiet_is;
use crate::verbs::receipts::{self, ReceiptsBy};
use crate::verbs::schedule::{self, next_briefing};

/// The schedule in force for a person, for the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleView {
    /// The change, or the current setting.
    pub message: reply::Text,
    /// The local time of the briefing on working days; `None` for no briefing.
    pub briefing: Option<NaiveTime>,
    /// The time of the next briefing; `None` without one.
    pub next_briefing: Option<DateTime<Utc>>,
    /// The quiet hours in local time; `None` for none.
    pub quiet: Option<QuietHours>,
    /// Whether each is their own choice; else it follows bot.toml.
    pub own_briefing: bool,
    /// As `own_briefing`, for quiet hours.
    pub own_quiet: bool,
    /// The person's time zone, in which `briefing` and `quiet` are local times.
    pub zone: Tz,
    /// Notices that wait for the end of quiet hours.
    pub held: i64,
}

/// How a person learns of outcomes, for the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptsView {
    /// The change, or the current setting.
    pub message: reply::Text,
    /// The way in force: their own choice, or the team default.
    pub receipts: ReceiptMode,
    /// Whether that is their own choice; else it follows bot.toml.
    pub own: bool,
}

impl Commands {
    /// A person's schedule; after a change, if one is given.
    pub async fn rhythm(
        &self,
        person: &Person,
        change: Option<ScheduleChange>,
    ) -> Result<ScheduleView, CommandError> {
        let person = person.clone();
        self.decide(move |turn| {
            let message = match change {
                Some(change) => schedule::change(turn, &person, change)?,
                None => quiet_is(turn, &person)?,
            };
            let chosen = schedules::of(turn.db, person.id)?;
            Ok(ScheduleView {
                message,
                briefing: chosen.briefing,
                next_briefing: next_briefing(&chosen, turn.now, person.zone),
                quiet: chosen.quiet,
                own_briefing: chosen.own_briefing,
                own_quiet: chosen.own_quiet,
                zone: person.zone,
                held: schedules::count_held(turn.db, person.id)?,
            })
        })
        .await
    }

    /// How a person learns of outcomes; after a change, if one is given. A change may be back to the default.
    pub async fn receipts(
        &self,
        person: &Person,
        change: Option<ReceiptsBy>,
    ) -> Result<ReceiptsView, StoreError> {
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
