//! `unmute`: turn the person's notices on again.

use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, nothing_after};
use super::{Info, Verb};
use crate::command_tx::{CommandTx, Context, Decided, Handled};
use crate::domain::person::Person;
use crate::domain::reply;
use crate::store::people;

/// Turns the person's notices on again; without fields.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Unmute {}

impl Verb for Unmute {
    const INFO: &'static Info = &Info {
        name: "unmute",
        usage: "unmute",
        effect: "turn notices on",
        examples: &["unmute"],
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Unmute, ParseError> {
        nothing_after("unmute", rest, Unmute {})
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, _context: &Context) -> Decided {
        people::mute(tx.db, person.id, false)?;
        Ok(Handled::Replied(reply::muted(false).into()))
    }
}
