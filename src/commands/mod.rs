//! A [`Command`] from a [`Person`] → an answer now, or a durable operation.
//! A command runs in one transaction: the person, the verb's decision, the reply and the record for undo. HTTP calls
//! [`Commands::ask`] and waits here; the mailbox runs a command inside its own transaction. No source is called: a write is
//! an operation in the outbox.

mod background;
mod find;
mod identity;
mod log;
mod morning;
mod overview;
mod run;
mod schedule;
mod set_aside;
mod stats;
mod tokens;
mod transaction;
mod why;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::clock::Clock;
use crate::command_tx::{CommandTx, LiveHealth, Logins, Target, report_of};
use crate::completion::CompletionTrigger;
use crate::domain::filter::Filter;
use crate::domain::ids::{CommandId, TaskRow};
use crate::domain::link::Accounts;
use crate::domain::log::Via;
use crate::domain::person::{self, Person, PersonId, SlackMember};
use crate::domain::queue::EmptyQueue;
use crate::domain::reply::{self, Text};
use crate::domain::score::{day, day_begins, score};
use crate::domain::task::{Source, TaskId, TaskKey};
use crate::runtime::{Reloadable, lock};
use crate::store::{
    Db, DbResult, Store, Tx, access, deliveries, open_tasks, operations, people, service_levels,
    snoozes, tasks,
};
use crate::verbs::list::{filtered, notes, nothing_listed, with_clients};
use crate::verbs::{self, Command};
use run::answer_request;

pub use crate::command_tx::{
    ChannelDefaults, CommandError, CommandSettings, IdempotencyKey, Rejection, Scored, Shows,
    WhoActs,
};
pub use crate::domain::receipts::ReceiptMode;
pub use crate::domain::reply::{
    ReadingProgress, Report, ReportState, SlackHealth, SourceHealth, TaskBrief,
};
pub use crate::domain::schedule::ScheduleChange;
pub use crate::domain::scope::UnmetScope;
pub use crate::domain::service_levels::ServiceLevels;
pub use crate::store::StoreError;
pub use crate::store::overview::StoreOverview;
pub use crate::store::tasks::StatusFilter;
pub use crate::verbs::list::EmptyList;
pub use crate::verbs::stats::StatsView;
pub use crate::verbs::why::Explained;
pub use find::FoundView;
pub use identity::Identity;
pub use log::{LogPage, LogRequest};
pub use morning::MorningView;
pub use overview::OverviewView;
pub(crate) use run::run;
pub use schedule::{ReceiptsView, ScheduleView};
pub use set_aside::SetAside;
pub use tokens::{Admission, Admitted, LoginState, NewLogin, TokenCheck, TokenHolder};

/// How long a person waits for an outcome before they are told that it is queued.
const TELL_AFTER: Duration = Duration::from_secs(2);
/// Writes of one person that may wait for their outcome (P8).
const OUTBOX_MAX: i64 = 500;

/// The entry point for commands. Clones share it.
#[derive(Clone)]
pub struct Commands {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    settings: Reloadable<CommandSettings>,
    clock: Clock,
    health: Mutex<LiveHealth>,
    /// The account look-ups of the sources.
    accounts: BTreeMap<Source, Arc<dyn Accounts>>,
    introduced: identity::EmailLookups,
    logins: Logins,
    /// Says whether a member may act now; set once Slack knows us.
    admission: OnceLock<Arc<dyn Admission>>,
    confirmed: tokens::Confirmed,
    background: background::Background,
}

impl Inner {
    fn lock_health(&self) -> MutexGuard<'_, LiveHealth> {
        lock(&self.health)
    }
}

/// A command over HTTP, and its person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRequest {
    /// The actor.
    pub person: Person,
    /// The command, read and checked for its form.
    pub command: Command,
    /// The key under which a repeated request is the same command; `None` without an `Idempotency-Key`.
    pub once: Option<IdempotencyKey>,
    /// Over HTTP itself, or by the command line.
    pub via: Via,
    /// The name of its token; `None` for the single one.
    pub token: Option<String>,
}

/// An answer to [`Commands::ask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandAnswer {
    /// It is stored in the outbox; [`Commands::outcome`] waits for it.
    Accepted {
        /// The command's row.
        command: CommandId,
        /// The ULID of its first operation.
        operation_id: String,
    },
    /// Its whole effect is local, without a request to a source (`snooze`, some kinds of `undo`).
    Settled(Box<Report>),
    /// It asks before it acts on many tasks.
    Asked {
        /// The question, with the tasks.
        message: Text,
        /// The id for `confirm`.
        id: String,
    },
    /// Without a request to a source (`next`).
    Moved {
        /// The result, for the person.
        message: Text,
        /// The new current task; `None` if the queue is empty.
        current: Option<Box<Scored>>,
    },
}

/// The answer to `GET /current`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CurrentView {
    /// The current task, with its points.
    Task(Box<Scored>),
    /// Why the queue is empty.
    Nothing(EmptyQueue),
}

/// The answer to `GET /queue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueView {
    /// The first tasks of the queue, best first, up to the limit.
    pub tasks: Vec<Scored>,
    /// The total number, with those that the limit leaves out.
    pub total: usize,
    /// Why it is empty.
    pub empty: Option<EmptyList>,
}

/// Who reads `GET /tasks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskReader {
    /// A person, who sees the tasks that they may name.
    Person(Person),
    /// The operator, who sees all, in the zone of the only person if there is one.
    Operator(Option<Person>),
}

/// The filter of `GET /tasks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFilter {
    /// The wanted statuses.
    pub status: StatusFilter,
    /// The only wanted source; `None` for all.
    pub source: Option<Source>,
    /// Further conditions, as words of `list`; empty for none.
    pub filter: Filter,
    /// The largest number of tasks on a page.
    pub limit: usize,
    /// As returned with the last page.
    pub cursor: Option<String>,
}

/// An operation as `GET /operations/{id}` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationView {
    /// A ULID.
    pub id: String,
    /// The kind of write: `complete`, `comment`, `create`, `assign`, ….
    pub kind: String,
    /// The source that it writes to.
    pub source: Source,
    /// The id of its task; `None` for a creation without an outcome, and for a task that is not mirrored.
    pub task_id: Option<String>,
    /// pending, set_aside, applied, already_so, overtaken, refused, given_up, cancelled
    pub state: String,
    /// The number of attempts so far, without one under way.
    pub attempts: i64,
    /// UTC, when the command was accepted.
    pub created_at: DateTime<Utc>,
    /// UTC, no attempt before this time. `None` if any time is right, and after the end.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The last failure.
    pub detail: Option<String>,
    /// The report of its command, as far as it is known.
    pub report: Option<Report>,
}

/// The health of all parts, for `status` and `/readyz`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthView {
    /// Whether a test write and a read of the store succeeded.
    pub store_writable: bool,
    /// `None`: not configured.
    pub slack: Option<SlackHealth>,
    /// Since when that is its state; `None`: not configured.
    pub slack_since: Option<DateTime<Utc>>,
    /// The state of each configured source; empty if the store cannot be read.
    pub sources: BTreeMap<Source, SourceHealth>,
    /// The number of operations without an outcome, set-aside ones included.
    pub queued_operations: i64,
    /// The missing scopes, and the Slack features that need them.
    pub missing_scopes: Vec<UnmetScope>,
    /// Links of the Slack app that are not held here, as Slack counts them: perhaps another daemon's.
    pub other_links: u32,
    /// Work that ended the process twice.
    pub set_aside: Vec<SetAside>,
    /// Answers that were given up within a day, by Slack's error code.
    pub given_up: Vec<(String, DateTime<Utc>)>,
}

impl Commands {
    /// How soon commands had their outcome lately, for `status`; `None` if the store cannot be read.
    pub async fn service_levels(&self) -> Option<ServiceLevels> {
        let now = self.inner.clock.now();
        let read = self
            .inner
            .store
            .read(move |db| service_levels::read(db, now));
        read.await.ok()
    }
}

impl Commands {
    /// Commands on this store. `accounts` looks accounts up, one per source.
    pub fn new(
        store: Store,
        settings: CommandSettings,
        accounts: Vec<Arc<dyn Accounts>>,
        clock: Clock,
    ) -> Commands {
        let slack = settings.slack.then_some(SlackHealth::Connecting);
        let slack_since = settings.slack.then(|| clock.now());
        Commands {
            inner: Arc::new(Inner {
                store,
                settings: Reloadable::new(settings),
                clock,
                health: Mutex::new(LiveHealth {
                    slack,
                    slack_since,
                    ..LiveHealth::default()
                }),
                accounts: accounts
                    .into_iter()
                    .map(|accounts| (accounts.source(), accounts))
                    .collect(),
                introduced: identity::EmailLookups::default(),
                logins: Logins::default(),
                admission: OnceLock::new(),
                confirmed: tokens::Confirmed::default(),
                background: background::Background::default(),
            }),
        }
    }

    /// Sets the state of the connection to Slack, for `status` and `/readyz`.
    pub(crate) fn slack_is(&self, state: SlackHealth) {
        let now = self.inner.clock.now();
        self.live_health().slack_is(state, now);
    }

    /// Sets the result of a source's last sync, for `status`.
    pub fn source_is(&self, source: Source, error: Option<String>) {
        let mut health = self.live_health();
        let before = match error.clone() {
            Some(error) => health.sources.insert(source, error),
            None => health.sources.remove(&source),
        };
        if before != error {
            self.inner.store.signals().homes.notify_one();
        }
    }

    /// Sets how far a full read of a source is, for `status`; `None` when it ends.
    pub fn is_reading(&self, source: Source, reading: Option<ReadingProgress>) {
        let mut health = self.live_health();
        match reading {
            Some(reading) => health.reading.insert(source, reading),
            None => health.reading.remove(&source),
        };
    }

    /// Brings the numbers of `GET /metrics` up to date that are counted only then.
    pub async fn show_counts(&self) -> Result<(), StoreError> {
        let sources = self.settings().sources().collect();
        let now = self.inner.clock.now();
        self.inner.store.show_counts(sources, now).await
    }

    /// The state of the connections, which is only in memory, for `status` and `/readyz`.
    pub(crate) fn live_health(&self) -> MutexGuard<'_, LiveHealth> {
        self.inner.lock_health()
    }

    /// The settings from `bot.toml` that commands use.
    pub(crate) fn settings(&self) -> Arc<CommandSettings> {
        self.inner.settings.get()
    }

    /// Follows other settings from the next command on.
    pub fn follow(&self, settings: CommandSettings) {
        self.inner.settings.set(settings);
    }

    /// A command's context within a transaction that another part of the daemon has begun.
    pub(crate) fn command_tx<'a>(&'a self, db: &'a Tx<'a>, now: DateTime<Utc>) -> CommandTx<'a> {
        CommandTx {
            settings: self.settings(),
            health: &self.inner.health,
            logins: &self.inner.logins,
            db,
            now,
            shows: Shows::Person,
            accepted: Cell::default(),
        }
    }

    /// After a restart, tells the authors of commands without any report that these wait.
    pub async fn tell_the_untold(&self) -> Result<(), StoreError> {
        for command in self.inner.store.read(operations::untold).await? {
            self.tell_if_it_takes_long(command);
        }
        Ok(())
    }

    pub(crate) fn tell_if_it_takes_long(&self, command: CommandId) {
        self.later(TELL_AFTER, move |commands| async move {
            if let Err(trouble) = commands.tell_it_waits(command).await {
                tracing::error!(command = command.0, error = %trouble, "cannot report that the command is queued");
            }
        });
    }

    async fn tell_it_waits(&self, command: CommandId) -> Result<(), StoreError> {
        let is_settled = move |db: &Db| operations::is_settled(db, command);
        if self.inner.store.read_short(is_settled).await? {
            return Ok(());
        }
        self.turn(move |turn| turn.settle(command, CompletionTrigger::Waits))
            .await
    }
}

/// The person among these who acts, if it is clear.
fn acting<'a>(people: &'a [Person], named: Option<&str>) -> Result<&'a Person, WhoActs> {
    match (people, named) {
        ([only], None) => Ok(only),
        ([only], Some(_)) if only.alone => Ok(only),
        (people, None) => Err(WhoActs::NotNamed(
            people.iter().map(|person| person.name.clone()).collect(),
        )),
        (people, Some(name)) => person::called(people, name)
            .ok_or_else(|| WhoActs::NotKnown(name.chars().take(80).collect())),
    }
}

/// Requests over HTTP.
impl Commands {
    /// The actor, by name, Slack id or GitHub login; without a name the only person, or `api.default_person`.
    pub async fn who(&self, actor: Option<&str>) -> Result<Person, CommandError> {
        let settings = self.settings();
        let named = actor.or(settings.default_person.as_deref());
        if let Some(named) = named.map(str::to_owned) {
            let found = self.inner.store.read(move |connection| {
                let people = people::maybe_called(connection, &named)?;
                Ok(acting(&people, Some(&named)).cloned().ok())
            });
            if let Some(person) = found.await? {
                return Ok(person);
            }
        }
        // A login that is not in bot.toml, or an error that names everyone. The writer has them in memory.
        let present = self.inner.store.write(|tx| people::present(tx)).await?;
        Ok(acting(&present, named).map_err(Rejection::from)?.clone())
    }

    /// Runs a command; its requests to a source are committed when this returns (P1).
    pub async fn ask(&self, mut asked: CommandRequest) -> Result<CommandAnswer, CommandError> {
        asked.command = self.found_out(&asked.person, asked.command, None).await?;
        self.decide(move |turn| answer_request(turn, asked)).await
    }

    /// The command's report: final as soon as there is one, or `Queued` after `wait`.
    pub async fn outcome(&self, command: CommandId, wait: Duration) -> Result<Report, StoreError> {
        let mut settled = self.inner.store.signals().settled();
        let until_settled = async {
            loop {
                settled.mark_unchanged();
                if let (true, Some(report)) = self.report(command).await? {
                    return Ok(report);
                }
                if settled.changed().await.is_err() {
                    return Err(self.no_report(command));
                }
            }
        };
        if let Ok(report) = tokio::time::timeout(wait, until_settled).await {
            return report;
        }
        self.tell_it_waits(command).await?;
        let (_, report) = self.report(command).await?;
        report.ok_or_else(|| self.no_report(command))
    }

    /// Whether a command is settled, and its current report.
    async fn report(&self, command: CommandId) -> Result<(bool, Option<Report>), StoreError> {
        let row = self
            .inner
            .store
            .read(move |connection| operations::command(connection, command))
            .await?;
        Ok(row.map_or((false, None), |row| (row.settled, report_of(&row))))
    }

    fn no_report(&self, command: CommandId) -> StoreError {
        StoreError {
            path: self.inner.store.path().display().to_string(),
            why: format!("command {command} has no report"),
        }
    }

    /// The current task; without a pin the first task of the queue is pinned, as for every display.
    pub async fn current(&self, person: &Person, shows: Shows) -> Result<CurrentView, StoreError> {
        let person = person.clone();
        self.turn(move |turn| {
            let turn = &turn.that_shows(shows);
            let (pin, current) = turn.show_current(&person)?;
            turn.pin_shown(pin)?;
            Ok(match current {
                Some(stored) => CurrentView::Task(Box::new(turn.scored(stored, &person)?)),
                None => CurrentView::Nothing(turn.why_empty(&person)?),
            })
        })
        .await
    }

    /// The tasks of `GET /tasks`, and the cursor of the next page.
    pub async fn tasks(
        &self,
        reader: TaskReader,
        wanted: &TaskFilter,
    ) -> Result<(Vec<Scored>, Option<String>), CommandError> {
        let (person, sees_all) = match reader {
            TaskReader::Person(person) => (Some(person), false),
            TaskReader::Operator(person) => (person, true),
        };
        let zone = person.as_ref().map_or(Tz::UTC, |person| person.zone);
        let cursor = wanted.cursor.as_deref().map(read_cursor).transpose()?;
        let limit = wanted.limit;
        let (inner, who, asked) = (Arc::clone(&self.inner), person, wanted.clone());
        let found = self.look(move |connection| {
            let now = inner.clock.now();
            let after = match cursor {
                None => None,
                // A row from another store, or from an older copy, may be another task.
                Some((row, key)) => match tasks::by_row(connection, row)? {
                    Some(stored) if stored.task.key == key => Some(row),
                    _ => return Err(not_a_cursor("tasks").into()),
                },
            };
            let filter = with_clients(connection, &inner.settings.get().entities, &asked.filter)?;
            let (_, waits) = open_tasks::waits(connection, now)?;
            let marked = filter.of_marks();
            let mut sources = filter.sources;
            if let Some(source) = asked.source {
                let fits = sources.is_empty() || sources.contains(&source);
                sources.clear();
                if !fits {
                    return Ok((Vec::new(), waits));
                }
                sources.insert(source);
            }
            let held_back = [
                filter.blocked.then(|| waits.blocked().collect()),
                match (filter.snoozed, &who) {
                    (true, Some(who)) => Some(snoozes::hidden(connection, who.id, now)?),
                    (true, None) => return Err(snoozed_by_whom().into()),
                    (false, _) => None,
                },
            ];
            let mut query = tasks::TaskListing {
                status: asked.status,
                sources,
                entities: filter.entities,
                due_before: filter
                    .overdue
                    .then(|| (day_begins(now, zone), day(now, zone))),
                rows: held_back
                    .into_iter()
                    .flatten()
                    .reduce(|one: BTreeSet<TaskRow>, other| &one & &other),
                after,
                limit: limit + 1,
            };
            let mut found = Vec::new();
            loop {
                let page = tasks::listed(connection, &query)?;
                let last = page.last().map(|stored| stored.row);
                let is_last = page.len() < query.limit;
                for stored in page {
                    let may = match &who {
                        Some(who) if !sees_all => access::may_name(connection, who, &stored)?,
                        _ => true,
                    };
                    if may && marked.is_marked(&stored.task) {
                        found.push(stored);
                    }
                }
                if is_last || found.len() > limit {
                    return Ok((found, waits));
                }
                query.after = last;
            }
        });
        let (mut found, waits) = found.await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found
            .last()
            .filter(|_| more)
            .map(|last| format!("{}~{}", last.row, last.task.key));
        let now = self.inner.clock.now();
        let scored = found
            .into_iter()
            .map(|stored| {
                let waiting = waits.people_waiting_for(stored.row);
                let weights = &self.settings().weights;
                let points = score(&stored.task, waiting, now, zone, weights);
                Scored::from((stored.task, points))
            })
            .collect();
        Ok((scored, next))
    }

    /// The names of the people here, as `assign` takes them.
    pub async fn names(&self) -> Result<Vec<String>, StoreError> {
        let read = |connection: &Db| -> DbResult<Vec<String>> {
            let present = people::present(connection)?;
            let others = present.iter().filter(|person| !person.alone);
            Ok(others.map(|person| person.name.clone()).collect())
        };
        self.inner.store.read(read).await
    }

    /// The first `limit` of the queue in order, numbered from 1; the numbers work as REF until the next list.
    pub async fn list(
        &self,
        person: &Person,
        limit: usize,
        filter: &Filter,
        shows: Shows,
    ) -> Result<QueueView, CommandError> {
        let (person, filter) = (person.clone(), filter.clone());
        self.decide(move |turn| {
            let mut ranked = filtered(turn, &person, &filter)?;
            let total = ranked.len();
            ranked.truncate(limit);
            let rows: Vec<TaskRow> = ranked.iter().map(|(row, ..)| *row).collect();
            if shows == Shows::Person {
                people::list(turn.db, person.id, &rows, Some(turn.now))?;
            }
            let mut notes = notes(turn, &person, &rows, &filter)?;
            let empty = match rows.is_empty() {
                true => Some(nothing_listed(turn, &person, &filter)?),
                false => None,
            };
            let tasks = ranked
                .into_iter()
                .map(|(row, task, score)| Scored {
                    hidden: notes.remove(&row).map(|note| note.plain()),
                    ..Scored::from((task, score))
                })
                .collect();
            Ok(QueueView {
                tasks,
                total,
                empty,
            })
        })
        .await
    }

    /// One task of the mirror.
    pub async fn task(&self, person: &Person, id: &TaskId) -> Result<Scored, CommandError> {
        let (person, id) = (person.clone(), id.clone());
        self.decide(move |turn| {
            let Target {
                stored: Some(stored),
                ..
            } = turn.by_id(Some(&person), &id)?
            else {
                return Err(Rejection::UnknownTask(reply::names_no_task(&id)).into());
            };
            Ok(Scored {
                snoozed_until: snoozes::until(turn.db, person.id, stored.row, turn.now)?,
                ..turn.scored(stored, &person)?
            })
        })
        .await
    }

    /// An operation by its id; with `of`, only one of that person.
    pub async fn operation(
        &self,
        id: &str,
        of: Option<PersonId>,
    ) -> Result<Option<OperationView>, StoreError> {
        let id = id.to_owned();
        self.inner
            .store
            .read(move |connection| {
                let Some(row) = operations::by_id(connection, &id)? else {
                    return Ok(None);
                };
                let command = operations::command(connection, row.command)?;
                let is_theirs = |of| command.as_ref().is_some_and(|command| command.person == of);
                if !of.is_none_or(is_theirs) {
                    return Ok(None);
                }
                let report = command.as_ref().and_then(report_of);
                let task = match (row.operation.write.task(), &row.outcome) {
                    (_, Some(outcome)) => Some(outcome.task().id.to_string()),
                    (Some(key), None) => {
                        tasks::by_key(connection, key)?.map(|stored| stored.task.id.to_string())
                    }
                    (None, None) => None,
                };
                Ok(Some(OperationView {
                    kind: row.operation.write.kind().to_owned(),
                    source: row.operation.write.source(),
                    task_id: task,
                    state: match row.set_aside && row.state == operations::OperationState::Pending {
                        true => "set_aside".to_owned(),
                        false => row.state.as_str().to_owned(),
                    },
                    attempts: row.attempts.into(),
                    created_at: row.created_at,
                    next_attempt_at: row
                        .not_before
                        .filter(|_| row.state == operations::OperationState::Pending),
                    detail: row.why,
                    report,
                    id: row.operation.id,
                }))
            })
            .await
    }

    /// The health of all parts.
    pub async fn health(&self) -> HealthView {
        let writable = self.inner.store.try_out_for_callers().await;
        let inner = Arc::clone(&self.inner);
        let read = self
            .inner
            .store
            .read(move |connection| {
                let (sources, queued) = verbs::status::sources(connection, &inner.settings.get())?;
                let set_aside = crate::store::set_aside::all(connection)?;
                let given_up = deliveries::lately_given_up(connection, inner.clock.now())?;
                Ok((sources, queued, set_aside, given_up))
            })
            .await;
        let (mut sources, queued_operations, set_aside, given_up) =
            read.clone().unwrap_or_default();
        let health = self.live_health();
        health.add_errors(&mut sources);
        HealthView {
            store_writable: writable.is_ok() && read.is_ok(),
            slack: health.slack.clone(),
            slack_since: health.slack_since,
            sources,
            queued_operations,
            missing_scopes: health.missing_scopes.clone(),
            other_links: health.other_links,
            set_aside,
            given_up,
        }
    }
}

/// A cursor of `GET /tasks`: the last row of a page, and its task.
fn read_cursor(cursor: &str) -> Result<(TaskRow, TaskKey), Rejection> {
    let read = cursor
        .split_once('~')
        .and_then(|(row, key)| Some((row.parse().ok()?, TaskKey::parse(key)?)));
    read.ok_or_else(|| not_a_cursor("tasks"))
}

fn snoozed_by_whom() -> Rejection {
    Rejection::Unfit(
        Text::new().text("People snooze tasks for themselves. Name one with X-Ivan-Actor (--as)"),
    )
}

fn not_a_cursor(listing: &str) -> Rejection {
    Rejection::Unfit(Text::new().text(format!(
        "This cursor is not a next_cursor of GET /{listing}, or is from an older store. Start with the first page"
    )))
}

/// The person behind a Slack member: by Slack id, or the only person if none is configured.
pub(crate) fn person_of(connection: &Db, member: &SlackMember) -> DbResult<Option<Person>> {
    people::of_slack(connection, &member.id)
}
