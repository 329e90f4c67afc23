//! `status`: how the connections are, the last sync, and what is queued.

use serde::Deserialize;

use super::grammar::{ParseError, nothing_after};
use super::{Info, Verb};
use crate::command_tx::{CommandSettings, Reply};
use crate::command_tx::{CommandTx, Context, Handled, Stop};
use crate::domain::person::Person;
use crate::domain::reply::{self, SourceHealth, Words};
use crate::domain::set_aside;
use crate::domain::task::Source;
use crate::runtime::lock;
use crate::store::set_aside as store_set_aside;
use crate::store::{Db, DbResult, deliveries, operations, tasks};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {}

impl Verb for Status {
    const INFO: &'static Info = &Info {
        name: "status",
        usage: "status",
        effect: "show connections, the last sync and what is queued",
        examples: &["status"],
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Status, ParseError> {
        nothing_after("status", rest, Status {})
    }

    fn decide(
        self,
        tx: &CommandTx<'_>,
        person: &Person,
        _context: &Context,
    ) -> Result<Handled, Stop> {
        let (mut sources, queued) = sources(tx.db, tx.settings)?;
        let health = lock(tx.health);
        health.add_errors(&mut sources);
        let status = reply::status(health.slack.as_ref(), &sources, queued, person.zone);
        let aside = set_aside::listed(&store_set_aside::all(tx.db)?, person.zone);
        let status = aside.into_iter().fold(status, Words::then);
        let missing = &health.missing_scopes;
        let reactions = health.reactions.as_deref();
        let trouble = reactions.map(reply::no_reactions).into_iter();
        let trouble = trouble.chain(reply::missing_scopes(missing));
        let given_up = deliveries::lately_given_up(tx.db, tx.now)?;
        let trouble = trouble.chain(reply::lately_given_up(&given_up, person.zone));
        let others = health.other_links;
        let trouble = trouble.chain((others > 0).then(|| reply::app_is_shared(others)));
        Ok(Handled::Replied(Reply {
            words: trouble.fold(status, |words, trouble| words.text("\n").then(trouble)),
            ..Reply::default()
        }))
    }
}

type Sources = BTreeMap<Source, SourceHealth>;

/// How the sources are, and how many operations wait.
pub fn sources(connection: &Db, settings: &CommandSettings) -> DbResult<(Sources, i64)> {
    let mut sources = BTreeMap::new();
    for source in settings.sources() {
        sources.insert(
            source,
            SourceHealth {
                last_sync: tasks::synced_at(connection, source)?,
                error: operations::trouble(connection, source)?,
                tasks: tasks::count_open(connection, source)?,
                archived: tasks::archived(connection, source)?,
            },
        );
    }
    Ok((sources, operations::count_pending(connection)?))
}
