//! `mute`: turn the person's notices off.

use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, nothing_after};
use super::{Info, Verb};
use crate::command_tx::{CommandTx, Context, Decided, Handled};
use crate::domain::person::Person;
use crate::domain::reply;
use crate::store::people;

/// `mute`: it has no arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Mute {}

impl Verb for Mute {
    const INFO: &'static Info = &Info {
        name: "mute",
        usage: "mute",
        effect: "turn notices off",
        examples: &["mute"],
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Mute, ParseError> {
        nothing_after("mute", rest, Mute {})
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, _context: &Context) -> Decided {
        people::mute(tx.db, person.id, true)?;
        Ok(Handled::Replied(reply::muted(true).into()))
    }
}
