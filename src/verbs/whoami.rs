//! `whoami`: the person's account in each system.

use chrono::NaiveTime;
use clap::Args;
use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, nothing_after};
use super::line::{AnswerKind, Call, CommandLine, Line};
use super::{Info, Verb};
use crate::command_tx::{CommandTx, Context, Decided, Handled, Reply, with_link_buttons};
use crate::domain::link::AccountLink;
use crate::domain::person::{Person, PersonId};
use crate::domain::receipts::ReceiptMode;
use crate::domain::reply::{self, Text};
use crate::domain::schedule::QuietHours;
use crate::domain::task::Source;
use crate::store::{Db, DbResult, links, people, schedules};

/// Shows the person's accounts; it has no arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Whoami {}

impl Verb for Whoami {
    const INFO: &'static Info = &Info {
        name: "whoami",
        aliases: &["who am i?"],
        usage: "whoami",
        effect: "show your linked accounts and settings",
        examples: &["whoami"],
        line: Some(CommandLine::of::<WhoamiWords>(&[
            "ivan whoami",
            "ivan whoami --as bo",
        ])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Whoami, ParseError> {
        nothing_after("whoami", rest, Whoami {})
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let accounts = accounts_of(tx.db, person, tx.settings.sources())?;
        let told = told_how(tx.db, person.id, tx.settings.receipts)?;
        let words = reply::whoami(person, &accounts, context.email, tx.now).then(told);
        let lacks = |source: &Source| !person.alone && person.account(*source).is_none();
        let unlinked: Vec<Source> = tx.settings.sources().filter(lacks).collect();
        Ok(Handled::Replied(Reply {
            parts: with_link_buttons(&words, &unlinked),
            ..Reply::from(words)
        }))
    }
}

/// `ivan whoami` has no further words.
#[derive(Debug, Args)]
struct WhoamiWords {}

impl Line for WhoamiWords {
    fn call(self, _info: &Info) -> Call {
        Call::get("/whoami", AnswerKind::Whoami)
    }
}

/// A person's links at the configured sources.
pub fn accounts_of(
    connection: &Db,
    person: &Person,
    sources: impl Iterator<Item = Source>,
) -> DbResult<Vec<(Source, Option<AccountLink>)>> {
    sources
        .map(|source| Ok((source, links::of(connection, person.id, source)?)))
        .collect()
}

/// The settings for unasked messages and outcomes, each with its origin.
pub fn told_how(connection: &Db, person: PersonId, usual: ReceiptMode) -> DbResult<Text> {
    let now = schedules::of(connection, person)?;
    let lines = rhythm_of(now.briefing, now.own_briefing, now.quiet, now.own_quiet);
    let chosen = people::receipts(connection, person)?;
    let receipts = receipts_of(chosen.unwrap_or(usual), chosen.is_some());
    let lines = lines.into_iter().chain(receipts);
    Ok(lines.fold(Text::new(), |words, line| words.text("\n").then(line)))
}

/// In `whoami`: how outcomes are shown, and who chose that; `None` for the default.
pub(crate) fn receipts_of(by: ReceiptMode, own: bool) -> Option<Text> {
    match (by, own) {
        (ReceiptMode::Message, false) => None,
        (ReceiptMode::Message, true) => Some("Receipts: messages"),
        (ReceiptMode::Reactions, true) => Some("Receipts: reactions and messages"),
        (ReceiptMode::Reactions, false) => Some("Receipts: reactions and messages (team default)"),
    }
    .map(|text| Text::new().text(text))
}

/// In `whoami`: the unasked messages, their times, and who chose that; empty if there are none.
pub(crate) fn rhythm_of(
    briefing: Option<NaiveTime>,
    own_briefing: bool,
    quiet: Option<QuietHours>,
    own_quiet: bool,
) -> Option<Text> {
    let by = |own| if own { "" } else { " (team default)" };
    let briefing = match briefing {
        Some(at) => Some(format!("{} on working days", at.format("%-H:%M"))),
        None => own_briefing.then(|| "off".to_owned()),
    };
    let briefing = briefing.map(|when| format!("Briefing: {when}{}", by(own_briefing)));
    let quiet = match quiet {
        Some(quiet) => Some(quiet.to_string()),
        None => own_quiet.then(|| "none".to_owned()),
    };
    let quiet = quiet.map(|hours| format!("Quiet hours: {hours}{}", by(own_quiet)));
    let lines: Vec<String> = [briefing, quiet].into_iter().flatten().collect();
    (!lines.is_empty()).then(|| Text::new().text(lines.join("\n")))
}
