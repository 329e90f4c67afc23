//! `whoami`: who the person is in each system.

use serde::Deserialize;

use super::grammar::{ParseError, nothing_after};
use super::{Info, Verb};
use crate::command_tx::{CommandTx, Context, Handled, Stop};
use crate::domain::link::Link;
use crate::domain::person::Person;
use crate::domain::person::PersonId;
use crate::domain::receipts::Receipts;
use crate::domain::reply::{self, Words};
use crate::domain::task::Source;
use crate::store::{Db, DbResult, links, people, rhythms};

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whoami {}

impl Verb for Whoami {
    const INFO: &'static Info = &Info {
        name: "whoami",
        aliases: &["who am i?"],
        usage: "whoami",
        effect: "show which accounts are yours, and what is missing",
        examples: &["whoami"],
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Whoami, ParseError> {
        nothing_after("whoami", rest, Whoami {})
    }

    fn decide(
        self,
        tx: &CommandTx<'_>,
        person: &Person,
        context: &Context,
    ) -> Result<Handled, Stop> {
        let accounts = accounts_of(tx.db, person, tx.settings.sources())?;
        let told = told_how(tx.db, person.id, tx.settings.receipts)?;
        let words = reply::whoami(person, &accounts, context.email, tx.now);
        Ok(Handled::Replied(words.then(told).into()))
    }
}

/// A person's links at the configured sources.
pub fn accounts_of(
    connection: &Db,
    person: &Person,
    sources: impl Iterator<Item = Source>,
) -> DbResult<Vec<(Source, Option<Link>)>> {
    sources
        .map(|source| Ok((source, links::of(connection, person.id, source)?)))
        .collect()
}

/// The settings for unasked messages and outcomes, each with its origin.
pub fn told_how(connection: &Db, person: PersonId, usual: Receipts) -> DbResult<Words> {
    let now = rhythms::of(connection, person)?;
    let lines = reply::rhythm_of(now.briefing, now.own_briefing, now.quiet, now.own_quiet);
    let chosen = people::receipts(connection, person)?;
    let receipts = reply::receipts_of(chosen.unwrap_or(usual), chosen.is_some());
    let lines = lines.into_iter().chain(receipts);
    Ok(lines.fold(Words::new(), |words, line| words.text("\n").then(line)))
}
