//! `status`: the state of the connections, the last sync, and the queued work.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use clap::Args;
use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, nothing_after};
use super::line::{AnswerKind, Call, CommandLine, Line};
use super::{Info, Verb};
use crate::command_tx::{CommandSettings, CommandTx, Context, Decided, Handled, Reply};
use crate::domain::address;
use crate::domain::person::Person;
use crate::domain::profile::ContainerKind;
use crate::domain::reason::for_people;
use crate::domain::reply::{self, SlackHealth, SourceHealth, Text};
use crate::domain::scope::UnmetScope;
use crate::domain::set_aside;
use crate::domain::task::Source;
use crate::runtime::lock;
use crate::store::{Db, DbResult, deliveries, operations, set_aside as store_set_aside, tasks};

/// Shows the state of the daemon; it has no arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Status {}

impl Verb for Status {
    const INFO: &'static Info = &Info {
        name: "status",
        usage: "status",
        effect: "show connections, last sync and queued work",
        examples: &["status"],
        line: Some(CommandLine::of::<StatusWords>(&[
            "ivan status",
            "ivan status --json",
            "ivan status --check",
        ])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Status, ParseError> {
        nothing_after("status", rest, Status {})
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, _context: &Context) -> Decided {
        let (mut sources, queued) = sources(tx.db, &tx.settings)?;
        let health = lock(tx.health);
        health.add_errors(&mut sources);
        let status = status(health.slack.as_ref(), &sources, queued, person.zone);
        let aside = set_aside::listed(&store_set_aside::all(tx.db)?, person.zone);
        let status = aside.into_iter().fold(status, Text::then);
        let missing = &health.missing_scopes;
        let reactions = health.reactions.as_deref();
        let trouble = reactions.map(no_reactions).into_iter();
        let trouble = trouble.chain(missing_scopes(missing));
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

/// `ivan status`, for people and for monitors.
#[derive(Debug, Args)]
struct StatusWords {
    /// Exit with 1 while something is wrong, for monitors
    #[arg(long)]
    check: bool,
}

impl Line for StatusWords {
    fn call(self, _info: &Info) -> Call {
        let answer = match self.check {
            true => AnswerKind::Check,
            false => AnswerKind::Status,
        };
        Call::get("/status", answer)
    }
}

type Sources = BTreeMap<Source, SourceHealth>;

/// The state of the sources, and the number of waiting operations.
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
                reading: None,
                server: server(source, settings),
            },
        );
    }
    Ok((sources, operations::count_pending(connection)?))
}

/// The host of a GitHub Enterprise Server.
fn server(source: Source, settings: &CommandSettings) -> Option<String> {
    let pages = settings.github_url.as_str();
    let is_own = ContainerKind::Repositories.source() == source && pages != address::GITHUB;
    is_own.then(|| address::host_of(pages).to_owned())
}

/// The Slack features without a scope, and the remedy. A feature without its optional scope is off, which is no fault.
pub(crate) fn missing_scopes(missing: &[UnmetScope]) -> Option<Text> {
    let line = |one: &UnmetScope| match one.optional {
        false => format!("✗ Missing Slack scope {}: {}.", one.scope, one.without),
        true => format!(
            "Off without the Slack scope {}: {}.",
            one.scope, one.without
        ),
    };
    let lines: Vec<String> = missing.iter().map(line).collect();
    let remedy = match missing.iter().all(|one| one.optional) {
        false => "To fix it, give the app the scopes that `ivan manifest` lists and reinstall it.",
        true => "To turn it on, reinstall the app and grant the scope.",
    };
    (!lines.is_empty()).then(|| Text::new().text(format!("{}\n{remedy}", lines.join("\n"))))
}

/// Reactions cannot be placed: a message shows the outcome instead.
pub(crate) fn no_reactions(why: &str) -> Text {
    Text::new().text(format!("Reactions: ✗ {why}. I send messages instead."))
}

/// Connections, the last sync and the queued work, a line each.
pub(crate) fn status(
    slack: Option<&SlackHealth>,
    sources: &BTreeMap<Source, SourceHealth>,
    queued: i64,
    zone: Tz,
) -> Text {
    let mut words = Text::new().text(match slack {
        None => "Slack: not configured".to_owned(),
        Some(SlackHealth::Connected) => "Slack: connected".to_owned(),
        Some(SlackHealth::Connecting) => "Slack: connecting".to_owned(),
        Some(SlackHealth::Trouble(why)) => format!("Slack: ✗ {why}"),
    });
    for (source, health) in sources {
        let on = health.server.as_ref();
        let on = on.map(|host| format!(" ({host})")).unwrap_or_default();
        let (name, open) = (source.name(), health.tasks);
        words = words.text(format!("\n{name}{on}: {open} open, "));
        words = match health.last_sync {
            Some(at) => words.text("last read ").moment(at, zone),
            None => words.text("not read yet"),
        };
        if let Some(reading) = &health.reading {
            words = words.text(format!("; {}", reading.words(*source)));
        }
        if let Some(error) = &health.error {
            words = words.text(format!("; ✗ {}", for_people(error)));
        }
        for name in &health.archived {
            words = words.text(format!(
                "; ✗ the {} {name} is archived, so its tasks are hidden",
                source.container()
            ));
        }
    }
    words.text(match queued {
        0 => "\nQueued: nothing".to_owned(),
        1 => "\nQueued: 1 change".to_owned(),
        more => format!("\nQueued: {more} changes"),
    })
}
