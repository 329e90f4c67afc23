//! The health of all parts: `/status` and the probes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::commands::{HealthView, ServiceLevels, SetAside, SlackHealth, SourceHealth};
use crate::domain::reason::for_operators;
use crate::domain::reply;
use crate::domain::task::Source;
use crate::http::{LeaderStatus, metrics, schemas};

/// The health of all parts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Status)]
pub struct StatusAnswer {
    pub(in crate::http) version: &'static str,
    pub(in crate::http) now: DateTime<Utc>,
    /// The start of the process.
    pub(in crate::http) started_at: DateTime<Utc>,
    pub(in crate::http) store: StoreStatus,
    /// Null: Slack is not configured.
    pub(in crate::http) slack: Option<SlackStatus>,
    pub(in crate::http) sources: BTreeMap<Source, SourceStatus>,
    #[schema(minimum = 0)]
    pub(in crate::http) queued_operations: i64,
    /// Work that ended the process twice and is not begun any more.
    pub(in crate::http) set_aside: Vec<WorkSetAside>,
    /// How soon the commands of the last 7 days had their outcome; null if the store cannot be read.
    pub(in crate::http) service_levels: Option<ServiceStatus>,
    /// The daemon that leads; null without `[standby]`.
    pub(in crate::http) leader: Option<LeaderAnswer>,
}

/// The daemon that leads.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Leader)]
pub struct LeaderAnswer {
    /// Its name: `standby.holder`.
    pub(in crate::http) holder: String,
    /// When it began to lead.
    pub(in crate::http) since: DateTime<Utc>,
    /// How often the leader changed, and itself began anew.
    pub(in crate::http) term: u64,
    /// Why its store is not replicated; null if it is.
    pub(in crate::http) replication: Option<String>,
}

impl From<LeaderStatus> for LeaderAnswer {
    fn from(leader: LeaderStatus) -> LeaderAnswer {
        LeaderAnswer {
            holder: leader.holder,
            since: leader.since,
            term: leader.term,
            replication: leader.replication,
        }
    }
}

/// How soon commands that write had their outcome in their source.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceLevels)]
pub struct ServiceStatus {
    /// The begin of the window: 7 days ago, or later if there were more than 5,000 writes since.
    pub(in crate::http) since: DateTime<Utc>,
    /// The commands that write.
    pub(in crate::http) commands: u64,
    /// Those with their outcome within 2 seconds.
    pub(in crate::http) within_2s: u64,
    /// Those that took, or wait, more than 10 minutes after their source was back.
    pub(in crate::http) late: u64,
    /// Those that were given up.
    pub(in crate::http) given_up: u64,
}

impl From<&ServiceLevels> for ServiceStatus {
    fn from(levels: &ServiceLevels) -> ServiceStatus {
        ServiceStatus {
            since: levels.since,
            commands: levels.commands,
            within_2s: levels.soon,
            late: levels.late,
            given_up: levels.given_up,
        }
    }
}

/// The state of the store.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoreStatus {
    pub(in crate::http) writable: bool,
}

/// The state of the connection to Slack.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlackStatus {
    pub(in crate::http) state: SlackState,
    /// The time since when that is the state.
    pub(in crate::http) since: Option<DateTime<Utc>>,
    pub(in crate::http) detail: Option<String>,
    /// Missing scopes of the Slack app that the configuration needs.
    pub(in crate::http) missing_scopes: Vec<MissingScope>,
    /// Links of the Slack app that are not held here: perhaps another daemon's.
    pub(in crate::http) other_links: u32,
}

/// The state of the connection to Slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlackState {
    /// No connection is open yet, or again.
    Connecting,
    /// A connection is open.
    Connected,
    /// Slack refuses, or does not answer.
    Trouble,
}

impl From<&SlackHealth> for SlackState {
    fn from(slack: &SlackHealth) -> SlackState {
        match slack {
            SlackHealth::Connecting => SlackState::Connecting,
            SlackHealth::Connected => SlackState::Connected,
            SlackHealth::Trouble(_) => SlackState::Trouble,
        }
    }
}

/// A missing scope of the Slack app.
#[derive(Debug, Serialize, ToSchema)]
pub struct MissingScope {
    pub(in crate::http) scope: &'static str,
    /// The feature that does not work.
    pub(in crate::http) without: &'static str,
    /// Whether an administrator may refuse it: then the feature is off, which is no fault.
    pub(in crate::http) optional: bool,
}

/// The state of the mirror of a source.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceStatus {
    pub(in crate::http) last_sync: Option<DateTime<Utc>>,
    pub(in crate::http) error: Option<String>,
    /// Open tasks.
    #[schema(minimum = 0)]
    pub(in crate::http) tasks: i64,
    /// The lists or repositories that are archived there: their tasks are not offered.
    pub(in crate::http) archived: Vec<String>,
    /// A full read that is under way; null if none is.
    pub(in crate::http) reading: Option<ReadingStatus>,
}

/// How far a full read of a source is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reading)]
pub struct ReadingStatus {
    /// The tasks read so far.
    pub(in crate::http) tasks: u64,
    /// About how many there are; null at the first read.
    pub(in crate::http) expected: Option<u64>,
    /// The place of the list or repository that is read, from 1.
    pub(in crate::http) container: usize,
    /// The number of lists or repositories.
    pub(in crate::http) containers: usize,
}

/// Work that ended the process twice.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkSetAside {
    #[schema(examples("message-12", "01KDVZBG003YBZ0GX3ZV3RB6R9"))]
    pub(in crate::http) id: String,
    #[schema(examples(
        "message",
        "delivery",
        "operation",
        "post",
        "reaction",
        "home",
        "history",
        "briefing",
        "poll",
        "comments",
        "webhooks",
        "payloads"
    ))]
    pub(in crate::http) kind: &'static str,
    /// A description, without any person's text.
    pub(in crate::http) about: String,
    /// The number of unclean ends at which it was under way.
    #[schema(minimum = 2)]
    pub(in crate::http) ends: i64,
    pub(in crate::http) since: DateTime<Utc>,
    /// When it is tried again by itself; null if only `retry` does that.
    pub(in crate::http) next_attempt_at: Option<DateTime<Utc>>,
}

impl From<&SourceHealth> for SourceStatus {
    fn from(health: &SourceHealth) -> SourceStatus {
        SourceStatus {
            last_sync: health.last_sync,
            error: health.error.as_deref().map(for_operators),
            tasks: health.tasks,
            archived: health.archived.clone(),
            reading: health.reading.map(|reading| ReadingStatus {
                tasks: reading.tasks,
                expected: reading.expected,
                container: reading.container,
                containers: reading.containers,
            }),
        }
    }
}

impl From<&SetAside> for WorkSetAside {
    fn from(aside: &SetAside) -> WorkSetAside {
        WorkSetAside {
            id: aside.work.to_string(),
            kind: aside.work.kind(),
            about: aside.about.clone(),
            ends: aside.ends,
            since: aside.since,
            next_attempt_at: aside.until,
        }
    }
}

impl SlackStatus {
    fn of(slack: &SlackHealth, health: &HealthView) -> SlackStatus {
        let given_up = || reply::lately_given_up(&health.given_up, chrono_tz::Tz::UTC);
        let detail = match slack {
            SlackHealth::Trouble(why) => Some(why.clone()),
            SlackHealth::Connecting | SlackHealth::Connected => given_up().map(|w| w.plain()),
        };
        let missing = health.missing_scopes.iter().map(|one| MissingScope {
            scope: one.scope,
            without: one.without,
            optional: one.optional,
        });
        SlackStatus {
            state: slack.into(),
            since: health.slack_since,
            detail,
            missing_scopes: missing.collect(),
            other_links: health.other_links,
        }
    }
}

impl StatusAnswer {
    pub(in crate::http) fn of(
        health: &HealthView,
        levels: Option<&ServiceLevels>,
        version: &'static str,
        now: DateTime<Utc>,
    ) -> StatusAnswer {
        let slack = health.slack.as_ref();
        StatusAnswer {
            version,
            now,
            started_at: metrics::started_at(now),
            store: StoreStatus {
                writable: health.store_writable,
            },
            slack: slack.map(|slack| SlackStatus::of(slack, health)),
            sources: each(&health.sources, |health| health.into()),
            queued_operations: health.queued_operations,
            set_aside: health.set_aside.iter().map(WorkSetAside::from).collect(),
            service_levels: levels.map(ServiceStatus::from),
            leader: None,
        }
    }
}

fn each<T>(
    sources: &BTreeMap<Source, SourceHealth>,
    answer: impl Fn(&SourceHealth) -> T,
) -> BTreeMap<Source, T> {
    let sources = sources.iter();
    sources
        .map(|(source, health)| (*source, answer(health)))
        .collect()
}

/// Whether the daemon accepts commands: the store accepts writes, and Slack is connected, if it is configured; this
/// answer proves that it listens. Sources are reported and do not affect readiness. This needs no token, so it reveals
/// nothing that needs one.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Readiness {
    /// True if the store accepts writes and Slack, if configured, is connected.
    pub ready: bool,
    store: StoreState,
    /// Null: Slack is not configured.
    slack: Option<SlackState>,
    sources: BTreeMap<Source, SourceReadiness>,
    /// The name of the daemon that leads; null without `[standby]`.
    pub(in crate::http) leader: Option<String>,
}

/// Whether the store accepts writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum StoreState {
    #[serde(rename = "writable")]
    Writable,
    #[serde(rename = "not writable")]
    NotWritable,
}

/// Whether the mirror of a source is complete.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SourceReadiness {
    /// Whether its first synchronization is done.
    synced: bool,
    /// Whether its last one had no error.
    ok: bool,
}

impl Readiness {
    pub(in crate::http) fn of(health: &HealthView) -> Readiness {
        let slack_ready = matches!(health.slack, None | Some(SlackHealth::Connected));
        Readiness {
            ready: health.store_writable && slack_ready,
            store: match health.store_writable {
                true => StoreState::Writable,
                false => StoreState::NotWritable,
            },
            slack: health.slack.as_ref().map(SlackState::from),
            sources: each(&health.sources, |health| SourceReadiness {
                synced: health.last_sync.is_some(),
                ok: health.error.is_none(),
            }),
            leader: None,
        }
    }

    /// The parts that are not ready.
    pub(in crate::http) fn lacking(&self) -> String {
        let mut lacking = Vec::new();
        if self.store == StoreState::NotWritable {
            lacking.push("the store is not writable");
        }
        if !matches!(self.slack, None | Some(SlackState::Connected)) {
            lacking.push("Slack is not connected");
        }
        lacking.join(", and ")
    }
}

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    /// Always `ok`.
    #[schema(schema_with = schemas::alive)]
    pub status: &'static str,
}
