//! The routes of the API: a request → a `Command` for the desk, what the desk says → JSON (design 5).
//!
//! Whatever arrives is read completely, into types that can only be valid, before the desk is asked. Reports become JSON
//! in [`Answered`], the one shape of every write; everything else than success is a [`Problem`].

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, RequestExt};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};

use super::problem::{Kind, Problem};
use super::{Api, BODY_MAX, BODY_WITHIN, SYNCS_MAX, WAIT_MAX, metrics, openapi};
use crate::bounds::Bound;
use crate::desk::{
    Answer, Asked, Brief, Current, EmptyList, Explained, HealthView, IdempotencyKey, Identity,
    LogAsked, MorningView, OperationView, ReceiptsView, Report, ReportState, RhythmChange,
    RhythmView, Scored, SlackHealth, Wanted, WantedStatus,
};
use crate::domain::command::{Assignee, Command, Create, Ref, is_none};
use crate::domain::controls::json_without_controls;
use crate::domain::filter::Filter;
use crate::domain::link::{Link, Origin};
use crate::domain::log::{Entry, Via};
use crate::domain::operation::Refusal;
use crate::domain::person::Person;
use crate::domain::queue::EmptyQueue;
use crate::domain::receipts::Receipts;
use crate::domain::reply::{self, Words};
use crate::domain::rhythm::{DEFAULT, HOURS_HELP, Quiet, TIME_HELP, time_of_day};
use crate::domain::set_aside;
use crate::domain::task::{Priority, RepoName, Source, Status, Task, TaskId};
use crate::domain::when::{DueWhen, WHEN_HELP, When};
use crate::runtime::CancellationToken;

/// How long a write is waited for without `?wait=`.
const WRITE_WAIT: Duration = Duration::from_secs(10);
/// How long a synchronisation is waited for without `?wait=`.
const SYNC_WAIT: Duration = Duration::from_secs(60);
/// How many tasks `GET /tasks` lists without `?limit=`, and at most.
const TASKS_LIMIT: usize = 50;
const TASKS_MAX: usize = 200;
/// How many tasks `GET /queue` shows without `?limit=`.
const QUEUE_LIMIT: usize = 20;
/// How many entries `GET /log` shows without `?limit=`.
const LOG_LIMIT: usize = 50;
/// The longest `Idempotency-Key`, in bytes.
const KEY_MAX: usize = 255;

/// One route, as the router and the test of the API's description need it.
pub(super) struct Route {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a test compares it with the API's description")
    )]
    pub method: Method,
    pub path: &'static str,
    pub handler: MethodRouter<Api>,
}

/// All of them, as design 5 lists them; those with a `ref` in their body, `/queue` and `/status` are what the CLI needs besides.
pub(super) fn routes() -> Vec<Route> {
    vec![
        reads("/current", current),
        writes("/done", done),
        writes("/comment", comment),
        writes("/next", next),
        writes("/start", start),
        writes("/snooze", snooze),
        writes("/reopen", reopen),
        writes("/assign", assign),
        writes("/claim", claim),
        writes("/due", due),
        writes("/priority", priority),
        writes("/undo", undo),
        reads("/why", why),
        reads("/log", log),
        reads("/morning", morning),
        reads("/rhythm", rhythm),
        writes("/briefing", briefing),
        writes("/quiet", quiet),
        reads("/receipts", receipts),
        writes("/receipts", set_receipts),
        reads("/whoami", whoami),
        writes("/link", link),
        writes("/unlink", unlink),
        reads("/queue", queue),
        reads("/tasks", tasks),
        writes("/tasks", create),
        reads("/tasks/{task_id}", task),
        writes("/tasks/{task_id}/complete", complete),
        writes("/tasks/{task_id}/comment", comment_on),
        writes("/tasks/{task_id}/start", start_task),
        writes("/tasks/{task_id}/snooze", snooze_task),
        writes("/tasks/{task_id}/reopen", reopen_task),
        writes("/tasks/{task_id}/assign", assign_task),
        writes("/tasks/{task_id}/claim", claim_task),
        writes("/tasks/{task_id}/due", due_task),
        writes("/tasks/{task_id}/priority", priority_task),
        reads("/operations/{operation_id}", operation),
        writes("/operations/{operation_id}/retry", retry),
        writes("/sync", sync),
        reads("/status", status),
        reads("/healthz", healthz),
        reads("/readyz", readyz),
        reads("/metrics", measured),
        reads("/openapi.json", describe),
    ]
}

fn reads<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route {
        method: Method::GET,
        path,
        handler: get(handler),
    }
}

fn writes<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route {
        method: Method::POST,
        path,
        handler: post(handler),
    }
}

// ---------------------------------------------------------------- the handlers

async fn current(
    State(api): State<Api>,
    Actor(actor): Actor,
) -> Result<Json<CurrentJson>, Problem> {
    let person = api.desk.who(actor.as_deref()).await?;
    Ok(Json(match api.desk.current(&person).await? {
        Current::Task(current) => CurrentJson {
            task: Shown::of(&current),
            ..CurrentJson::default()
        },
        Current::Nothing(why) => CurrentJson::without(&why),
    }))
}

/// Any task by its REF; without one the current task.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DoneBody {
    r#ref: Option<String>,
    comment: Option<String>,
}

async fn done(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: DoneBody = sent.json_or_default()?;
    let command = Command::Done {
        task: body.r#ref.as_deref().map(read_ref).transpose()?,
        comment: body
            .comment
            .map(|text| written("comment", text))
            .transpose()?,
    };
    write(&api, sent, command).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommentBody {
    r#ref: Option<String>,
    text: String,
}

async fn comment(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: CommentBody = sent.json()?;
    let command = Command::Comment {
        task: body.r#ref.as_deref().map(read_ref).transpose()?,
        text: written("text", body.text)?,
    };
    write(&api, sent, command).await
}

async fn next(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let _: Nothing = sent.json_or_default()?;
    write(&api, sent, Command::Next).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefBody {
    r#ref: Option<String>,
}

impl RefBody {
    fn task(&self) -> Result<Option<Ref>, Problem> {
        self.r#ref.as_deref().map(read_ref).transpose()
    }
}

async fn start(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let task = sent.json_or_default::<RefBody>()?.task()?;
    write(&api, sent, Command::Start { task }).await
}

async fn start_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let _: Nothing = sent.json_or_default()?;
    let task = Some(Ref::Id(id));
    write(&api, sent, Command::Start { task }).await
}

async fn reopen(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let task = sent.json_or_default::<RefBody>()?.task()?;
    write(&api, sent, Command::Reopen { task }).await
}

async fn reopen_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let _: Nothing = sent.json_or_default()?;
    let task = Some(Ref::Id(id));
    write(&api, sent, Command::Reopen { task }).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SnoozeBody {
    r#ref: Option<String>,
    until: String,
}

async fn snooze(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: SnoozeBody = sent.json()?;
    let command = Command::Snooze {
        task: body.r#ref.as_deref().map(read_ref).transpose()?,
        until: read_when(&body.until)?,
    };
    write(&api, sent, command).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SnoozeTaskBody {
    until: String,
}

async fn snooze_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let body: SnoozeTaskBody = sent.json()?;
    let command = Command::Snooze {
        task: Some(Ref::Id(id)),
        until: read_when(&body.until)?,
    };
    write(&api, sent, command).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AssignBody {
    r#ref: Option<String>,
    person: String,
}

async fn assign(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: AssignBody = sent.json()?;
    let command = Command::Assign {
        task: body.r#ref.as_deref().map(read_ref).transpose()?,
        to: read_person(&body.person)?,
    };
    write(&api, sent, command).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AssignTaskBody {
    person: String,
}

async fn assign_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let body: AssignTaskBody = sent.json()?;
    let command = Command::Assign {
        task: Some(Ref::Id(id)),
        to: read_person(&body.person)?,
    };
    write(&api, sent, command).await
}

async fn claim(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let task = sent.json_or_default::<RefBody>()?.task()?;
    write(&api, sent, Command::Claim { task }).await
}

async fn claim_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let _: Nothing = sent.json_or_default()?;
    let task = Some(Ref::Id(id));
    write(&api, sent, Command::Claim { task }).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DueBody {
    r#ref: Option<String>,
    due: String,
}

async fn due(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: DueBody = sent.json()?;
    let command = Command::Due {
        task: body.r#ref.as_deref().map(read_ref).transpose()?,
        at: read_due(&body.due)?,
    };
    write(&api, sent, command).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DueTaskBody {
    due: String,
}

async fn due_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let body: DueTaskBody = sent.json()?;
    let command = Command::Due {
        task: Some(Ref::Id(id)),
        at: read_due(&body.due)?,
    };
    write(&api, sent, command).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriorityBody {
    r#ref: Option<String>,
    priority: String,
}

async fn priority(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: PriorityBody = sent.json()?;
    let command = Command::Prioritise {
        task: body.r#ref.as_deref().map(read_ref).transpose()?,
        priority: read_priority(&body.priority)?,
    };
    write(&api, sent, command).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriorityTaskBody {
    priority: String,
}

async fn priority_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let body: PriorityTaskBody = sent.json()?;
    let command = Command::Prioritise {
        task: Some(Ref::Id(id)),
        priority: read_priority(&body.priority)?,
    };
    write(&api, sent, command).await
}

async fn undo(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let _: Nothing = sent.json_or_default()?;
    write(&api, sent, Command::Undo { of: None }).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WhyQuery {
    r#ref: Option<String>,
}

async fn why(
    State(api): State<Api>,
    Actor(actor): Actor,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let WhyQuery { r#ref } = query(&uri)?;
    let task = r#ref.as_deref().map(read_ref).transpose()?;
    let person = api.desk.who(actor.as_deref()).await?;
    let explained = api.desk.why(&person, task).await?;
    Ok(Json(explained_json(&explained)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogQuery {
    limit: Option<String>,
    cursor: Option<String>,
    task: Option<String>,
}

/// Whoever names nobody has the operator's token, and sees what everybody did.
async fn log(
    State(api): State<Api>,
    Actor(actor): Actor,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let asked: LogQuery = query(&uri)?;
    let task = asked.task.as_deref().map(read_ref).transpose()?;
    let limit = asked.limit.as_deref().map_or(Ok(LOG_LIMIT), read_limit)?;
    let person = match &actor {
        Some(actor) => Some(api.desk.who(Some(actor)).await?),
        None => None,
    };
    let asked = LogAsked {
        person,
        task,
        limit,
        cursor: asked.cursor,
    };
    let page = api.desk.log(asked).await?;
    let entries: Vec<Value> = page.entries.iter().map(entry_json).collect();
    Ok(Json(
        json!({ "entries": entries, "next_cursor": page.next_cursor }),
    ))
}

async fn morning(State(api): State<Api>, Actor(actor): Actor) -> Result<Json<Value>, Problem> {
    let person = api.desk.who(actor.as_deref()).await?;
    let view = api.desk.morning(&person).await?;
    Ok(Json(morning_json(&view)))
}

async fn rhythm(State(api): State<Api>, Actor(actor): Actor) -> Result<Json<Value>, Problem> {
    let person = api.desk.who(actor.as_deref()).await?;
    let view = api.desk.rhythm(&person, None).await?;
    Ok(Json(rhythm_json(&view)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BriefingBody {
    at: String,
}

async fn briefing(State(api): State<Api>, sent: Sent) -> Result<Json<Value>, Problem> {
    let body: BriefingBody = sent.json()?;
    let change = match body.at.trim() {
        "off" => RhythmChange::Briefing(None),
        DEFAULT => RhythmChange::UsualBriefing,
        time => RhythmChange::Briefing(Some(time_of_day(time).ok_or_else(|| {
            let why = format!(
                "`at` is {TIME_HELP}, `off` or `default`; not `{}`",
                start_of(time)
            );
            Problem::new(Kind::BadBody, why)
        })?)),
    };
    change_rhythm(&api, &sent, change).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptsBody {
    by: String,
}

async fn receipts(State(api): State<Api>, Actor(actor): Actor) -> Result<Json<Value>, Problem> {
    let person = api.desk.who(actor.as_deref()).await?;
    let view = api.desk.receipts(&person, None).await?;
    Ok(Json(receipts_json(&view)))
}

async fn set_receipts(State(api): State<Api>, sent: Sent) -> Result<Json<Value>, Problem> {
    let body: ReceiptsBody = sent.json()?;
    let by = match body.by.trim() {
        DEFAULT => None,
        by => Some(Receipts::typed(by).ok_or_else(|| {
            let by = start_of(by);
            let why = format!("`by` is `reactions`, `message` or `default`; not `{by}`");
            Problem::new(Kind::BadBody, why)
        })?),
    };
    let person = api.desk.who(sent.actor.as_deref()).await?;
    let view = api.desk.receipts(&person, Some(by)).await?;
    Ok(Json(receipts_json(&view)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuietBody {
    hours: String,
}

async fn quiet(State(api): State<Api>, sent: Sent) -> Result<Json<Value>, Problem> {
    let body: QuietBody = sent.json()?;
    let change = match body.hours.trim() {
        "off" => RhythmChange::Quiet(None),
        DEFAULT => RhythmChange::UsualQuiet,
        hours => RhythmChange::Quiet(Some(Quiet::parse(hours).ok_or_else(|| {
            let why = format!(
                "`hours` are {HOURS_HELP}, `off` or `default`; not `{}`",
                start_of(hours)
            );
            Problem::new(Kind::BadBody, why)
        })?)),
    };
    change_rhythm(&api, &sent, change).await
}

/// Asked twice, it is so all the same.
async fn change_rhythm(
    api: &Api,
    sent: &Sent,
    change: RhythmChange,
) -> Result<Json<Value>, Problem> {
    let person = api.desk.who(sent.actor.as_deref()).await?;
    let view = api.desk.rhythm(&person, Some(change)).await?;
    Ok(Json(rhythm_json(&view)))
}

async fn whoami(State(api): State<Api>, Actor(actor): Actor) -> Result<Json<Value>, Problem> {
    let person = api.desk.who(actor.as_deref()).await?;
    let identity = api.desk.identity(&person).await?;
    Ok(Json(identity_json(&identity)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkBody {
    source: String,
    account: String,
}

async fn link(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: LinkBody = sent.json()?;
    let command = Command::Link {
        source: read_source(&body.source)?,
        account: written("account", body.account)?,
    };
    write(&api, sent, command).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnlinkBody {
    source: String,
}

async fn unlink(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: UnlinkBody = sent.json()?;
    let source = read_source(&body.source)?;
    write(&api, sent, Command::Unlink { source }).await
}

/// A body that may be absent or `{}`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    title: String,
    description: Option<String>,
    source: Option<String>,
    entity_id: Option<String>,
    repo: Option<String>,
    list: Option<String>,
    assignee: Option<String>,
}

async fn create(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: CreateBody = sent.json()?;
    let command = Command::Create(read_create(body)?);
    write(&api, sent, command).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompleteBody {
    comment: Option<String>,
}

async fn complete(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let body: CompleteBody = sent.json_or_default()?;
    let command = Command::Done {
        task: Some(Ref::Id(id)),
        comment: body
            .comment
            .map(|text| written("comment", text))
            .transpose()?,
    };
    write(&api, sent, command).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommentOnBody {
    text: String,
}

async fn comment_on(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let body: CommentOnBody = sent.json()?;
    let command = Command::Comment {
        task: Some(Ref::Id(id)),
        text: written("text", body.text)?,
    };
    write(&api, sent, command).await
}

async fn task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    Actor(actor): Actor,
) -> Result<Json<TaskJson>, Problem> {
    let person = api.desk.who(actor.as_deref()).await?;
    let scored = api.desk.task(&person, &id).await?;
    Ok(Json(TaskJson::of(&scored)))
}

async fn tasks(
    State(api): State<Api>,
    Actor(actor): Actor,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let wanted = read_wanted(&uri)?;
    let person = api.desk.who(actor.as_deref()).await?;
    let (tasks, next_cursor) = api.desk.tasks(&person, &wanted).await?;
    let tasks: Vec<TaskJson> = tasks.iter().map(TaskJson::of).collect();
    Ok(Json(json!({ "tasks": tasks, "next_cursor": next_cursor })))
}

async fn queue(
    State(api): State<Api>,
    Actor(actor): Actor,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let (limit, filter) = read_queue(&uri)?;
    let person = api.desk.who(actor.as_deref()).await?;
    let listed = api.desk.list(&person, limit, &filter).await?;
    let tasks: Vec<Shown> = listed
        .tasks
        .iter()
        .zip(1..)
        .map(|(scored, number)| Shown::of(scored).numbered(number))
        .collect();
    let empty = listed.empty.as_ref();
    Ok(Json(json!({
        "tasks": tasks,
        "total": listed.total,
        "reason": empty.map(EmptyList::word),
        "message": empty.and_then(EmptyList::message).as_ref().map(Words::plain),
    })))
}

async fn operation(
    State(api): State<Api>,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Json<Value>, Problem> {
    let unknown = || {
        Problem::new(
            Kind::UnknownOperation,
            "There is no operation of this id. Operations are kept for store.retention after their outcome",
        )
    };
    let Path(id) = path.map_err(|_| unknown())?;
    let view = api.desk.operation(&id).await?.ok_or_else(unknown)?;
    Ok(Json(operation_json(&view)))
}

/// Tries again what is set aside: an operation, or anything else of an id that `GET /status` lists.
async fn retry(
    State(api): State<Api>,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Json<Value>, Problem> {
    let unknown = |id: &str| {
        Problem::new(
            Kind::UnknownOperation,
            set_aside::nothing_set_aside(id).plain(),
        )
    };
    let Path(id) = path.map_err(|_| unknown(""))?;
    let words = api.desk.retry(&id).await?.ok_or_else(|| unknown(&id))?;
    let message = words.plain();
    let message = message.strip_prefix("✓ ").unwrap_or(&message);
    Ok(Json(
        json!({ "success": true, "id": id, "message": message }),
    ))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SyncBody {
    full: Option<bool>,
}

async fn sync(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: SyncBody = sent.json_or_default()?;
    let full = body.full.unwrap_or(false);
    let slot = api.syncs.clone().try_acquire_owned().map_err(|_| {
        Bound::Syncs.reached(format_args!(
            "{SYNCS_MAX} synchronisations run, and one more is answered 503"
        ));
        Problem::new(
            Kind::Busy,
            "Several synchronisations are running already; wait for them and ask again",
        )
    })?;
    let synchronize = api.sync.clone();
    // A task of its own: it goes on when the answer is no longer waited for, or nobody is there to get it.
    let running = tokio::spawn(async move {
        let sources = synchronize.sync(full).await;
        drop(slot);
        sources
    });
    let waited = sent.until(SYNC_WAIT);
    tokio::select! {
        biased;
        sources = running => match sources {
            Ok(sources) => Ok(Json(json!({ "sources": sources })).into_response()),
            Err(error) => {
                tracing::error!("a synchronisation ended in a defect of the daemon: {error}");
                Err(Problem::new(
                    Kind::Defect,
                    "The synchronisation ended in a defect of the daemon; its log says where",
                ))
            }
        },
        () = waited => {
            let answer = Json(json!({ "sources": {}, "queued": true }));
            Ok((StatusCode::ACCEPTED, answer).into_response())
        }
    }
}

async fn status(State(api): State<Api>) -> Json<Value> {
    let health = api.desk.health().await;
    Json(status_json(&health, api.version, api.clock.now()))
}

/// The process answers: that is all it says.
async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn readyz(State(api): State<Api>) -> Response {
    ready(&api.desk.health().await)
}

async fn measured() -> Response {
    metrics::exposition(&metrics::install())
}

async fn describe(State(api): State<Api>) -> Json<Value> {
    Json(openapi::document(api.version))
}

/// Gives a command to the desk and waits for what it came to.
async fn write(api: &Api, sent: Sent, command: Command) -> Result<Response, Problem> {
    let person = api.desk.who(sent.actor.as_deref()).await?;
    let once = sent.once(&person);
    let creates = matches!(command, Command::Create(_));
    let asked = Asked {
        person,
        command,
        once,
        via: sent.via,
    };
    let (command, operation_id) = match api.desk.ask(asked).await? {
        Answer::Accepted {
            command,
            operation_id,
        } => (command, operation_id),
        Answer::Moved { message, current } => {
            return Ok(Json(Answered::moved(message.plain(), current.as_deref())).into_response());
        }
        Answer::Settled(report) => return answer(&report, creates),
    };
    let wait = sent.wait.unwrap_or(WRITE_WAIT);
    let mut report = tokio::select! {
        report = api.desk.outcome(command, wait) => report?,
        () = sent.stopping() => api.desk.outcome(command, Duration::ZERO).await?,
    };
    report.operation_id.get_or_insert(operation_id);
    answer(&report, creates)
}

// ---------------------------------------------------------------- what arrives

/// Who acts, by the header `X-Ivan-Actor`; a name may have any letters.
pub(super) struct Actor(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Actor, Problem> {
        text_header(&parts.headers, "x-ivan-actor").map(Actor)
    }
}

/// The task id in a path, percent-decoded.
pub(super) struct TaskPath(pub TaskId);

impl<S: Send + Sync> FromRequestParts<S> for TaskPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<TaskPath, Problem> {
        let malformed = |why: String| Problem::new(Kind::MalformedTaskId, why);
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| malformed(rejection.body_text()))?;
        let id = TaskId::parse(&text).map_err(|error| malformed(error.to_string()))?;
        Ok(TaskPath(id))
    }
}

/// A request that asks for an effect, completely received.
pub(super) struct Sent {
    method: Method,
    /// As it was on the wire.
    pub path: String,
    actor: Option<String>,
    via: Via,
    key: Option<String>,
    wait: Option<Duration>,
    is_json: bool,
    body: Bytes,
    shutdown: Option<CancellationToken>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitQuery {
    wait: Option<String>,
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Sent, Problem> {
        let headers = request.headers();
        let WaitQuery { wait } = query(request.uri())?;
        let wait = wait.as_deref().map(read_wait).transpose()?;
        let actor = text_header(headers, "x-ivan-actor")?;
        let via = match text_header(headers, "x-ivan-surface")?.as_deref() {
            Some("cli") => Via::Cli,
            _ => Via::Http,
        };
        let key = idempotency_key(headers)?;
        let is_json = is_json(headers);
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let shutdown = request.extensions().get::<CancellationToken>().cloned();
        let body = match timeout(BODY_WITHIN, request.extract::<Bytes, _>()).await {
            Ok(body) => body.map_err(unreceived)?,
            Err(_) => {
                let why = format!("The body did not arrive within {} s", BODY_WITHIN.as_secs());
                return Err(Problem::new(Kind::SlowBody, why));
            }
        };
        Ok(Sent {
            method,
            path,
            actor,
            via,
            key,
            wait,
            is_json,
            body,
            shutdown,
        })
    }
}

impl Sent {
    /// The body, which must be JSON of this shape.
    fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if self.body.is_empty() {
            return Err(Problem::new(
                Kind::BadBody,
                "The body is empty; a JSON object is wanted. GET /openapi.json says of what shape",
            ));
        }
        if !self.is_json {
            return Err(Problem::new(
                Kind::NotJson,
                "Send the body as JSON, with the header `Content-Type: application/json`",
            ));
        }
        let unread = |why: String| Problem::new(Kind::BadBody, format!("The body: {why}"));
        let text = std::str::from_utf8(&self.body).map_err(|error| unread(error.to_string()))?;
        serde_json::from_str(&json_without_controls(text))
            .map_err(|error| unread(error.to_string()))
    }

    /// The body; without one, what an empty object would be.
    fn json_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        if self.body.is_empty() {
            return Ok(T::default());
        }
        self.json()
    }

    /// What makes a repetition of this request the same operation. Two names of one person are one actor, and how long
    /// is waited is no part of what is asked.
    fn once(&self, person: &Person) -> Option<IdempotencyKey> {
        let key = self.key.clone()?;
        let mut hash = Sha256::new();
        for part in [
            self.method.as_str().as_bytes(),
            self.path.as_bytes(),
            person.id.0.to_string().as_bytes(),
            &self.body,
        ] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let fingerprint = hex::encode(hash.finalize());
        Some(IdempotencyKey { key, fingerprint })
    }

    /// Resolves when the daemon is told to stop.
    async fn stopping(&self) {
        match &self.shutdown {
            Some(shutdown) => shutdown.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Resolves when the answer is to be given without an outcome.
    async fn until(&self, default: Duration) {
        tokio::select! {
            () = sleep(self.wait.unwrap_or(default)) => {}
            () = self.stopping() => {}
        }
    }
}

fn unreceived(rejection: BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let why = format!("A body may have {BODY_MAX} bytes at most");
        Bound::ApiBody.reached(format_args!(
            "a request with more than {BODY_MAX} bytes is answered 413"
        ));
        return Problem::new(Kind::BodyTooLarge, why);
    }
    Problem::new(Kind::SlowBody, "The body did not arrive completely")
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    match Query::try_from_uri(uri) {
        Ok(Query(query)) => Ok(query),
        Err(rejection) => Err(Problem::new(Kind::BadQuery, rejection.body_text())),
    }
}

/// A header's text, trimmed; HTTP leaves the encoding open, we take UTF-8.
fn text_header(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Problem::new(Kind::BadHeader, format!("The header {name} is not UTF-8")))?;
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let key = text_header(headers, "idempotency-key")?;
    match key {
        Some(key) if key.len() > KEY_MAX => {
            let why = format!("An Idempotency-Key may have {KEY_MAX} bytes at most");
            Err(Problem::new(Kind::BadHeader, why))
        }
        key => Ok(key),
    }
}

/// `application/json` or a relative (`…+json`), whatever its parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| {
        let essence = essence.trim().to_ascii_lowercase();
        essence == "application/json"
            || (essence.starts_with("application/") && essence.ends_with("+json"))
    })
}

/// Whole seconds; longer than the longest is the longest.
fn read_wait(text: &str) -> Result<Duration, Problem> {
    let seconds: u64 = text.parse().map_err(|_| {
        let longest = WAIT_MAX.as_secs();
        let why = format!(
            "`wait` is whole seconds, 0 to {longest}; not `{}`",
            start_of(text)
        );
        Problem::new(Kind::BadQuery, why)
    })?;
    Ok(Duration::from_secs(seconds).min(WAIT_MAX))
}

fn read_limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok();
    limit
        .filter(|limit| (1..=TASKS_MAX).contains(limit))
        .ok_or_else(|| {
            let why = format!("`limit` is 1 to {TASKS_MAX}; not `{}`", start_of(text));
            Problem::new(Kind::BadQuery, why)
        })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueQuery {
    limit: Option<String>,
    filter: Option<String>,
}

fn read_queue(uri: &Uri) -> Result<(usize, Filter), Problem> {
    let QueueQuery { limit, filter } = query(uri)?;
    let limit = limit.as_deref().map_or(Ok(QUEUE_LIMIT), read_limit)?;
    Ok((limit, Filter::read(&filter.unwrap_or_default())))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TasksQuery {
    status: Option<String>,
    source: Option<String>,
    filter: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

fn read_wanted(uri: &Uri) -> Result<Wanted, Problem> {
    let asked: TasksQuery = query(uri)?;
    let bad = |why: String| Problem::new(Kind::BadQuery, why);
    let status = match asked.status.as_deref() {
        None | Some("open") => WantedStatus::Open,
        Some("all") => WantedStatus::All,
        Some(text) => WantedStatus::Is(Status::parse(text).ok_or_else(|| {
            let text = start_of(text);
            bad(format!(
                "`status` is open, todo, in_progress, done or all; not `{text}`"
            ))
        })?),
    };
    let read_source = |text: &str| {
        let wrong = || {
            bad(format!(
                "`source` is clickup or github; not `{}`",
                start_of(text)
            ))
        };
        Source::parse(text).ok_or_else(wrong)
    };
    Ok(Wanted {
        status,
        source: asked.source.as_deref().map(read_source).transpose()?,
        filter: Filter::read(&asked.filter.unwrap_or_default()),
        limit: asked.limit.as_deref().map_or(Ok(TASKS_LIMIT), read_limit)?,
        cursor: asked.cursor,
    })
}

fn read_ref(text: &str) -> Result<Ref, Problem> {
    Ref::parse(text).ok_or_else(|| {
        let why = format!(
            "`ref`: `{}` names no task. It is a number of the last list, #12 for an issue of the default repo, a task \
             id (clickup:<id>, github:<owner>/<repo>#<number>), or the address of a task's page",
            start_of(text)
        );
        Problem::new(Kind::BadBody, why)
    })
}

fn read_source(text: &str) -> Result<Source, Problem> {
    Source::parse(text.trim()).ok_or_else(|| {
        let why = format!("`source` is clickup or github; not `{}`", start_of(text));
        Problem::new(Kind::BadBody, why)
    })
}

fn read_when(text: &str) -> Result<When, Problem> {
    When::parse(text).ok_or_else(|| {
        let why = format!(
            "`until`: `{}` is no time that I understand. It is {WHEN_HELP}, or an RFC 3339 time with its offset",
            start_of(text)
        );
        Problem::new(Kind::BadBody, why)
    })
}

fn read_person(text: &str) -> Result<String, Problem> {
    let name = text.trim().trim_start_matches('@');
    written("person", name.to_owned())
}

fn read_due(text: &str) -> Result<Option<DueWhen>, Problem> {
    if is_none(text) {
        return Ok(None);
    }
    When::parse_due(text).map(Some).ok_or_else(|| {
        let why = format!(
            "`due`: `{}` is no time that I understand. It is {WHEN_HELP}, an RFC 3339 time with its offset, or none",
            start_of(text)
        );
        Problem::new(Kind::BadBody, why)
    })
}

fn read_priority(text: &str) -> Result<Option<Priority>, Problem> {
    if is_none(text) {
        return Ok(None);
    }
    Priority::parse(text).map(Some).ok_or_else(|| {
        let why = format!(
            "`priority` is urgent, high, normal, low or none; not `{}`",
            start_of(text)
        );
        Problem::new(Kind::BadBody, why)
    })
}

/// A text that must say something; it is kept as it was written.
fn written(field: &str, text: String) -> Result<String, Problem> {
    if text.trim().is_empty() {
        let why = format!("`{field}` is empty; say something in it");
        return Err(Problem::new(Kind::BadBody, why));
    }
    Ok(text)
}

fn read_create(body: CreateBody) -> Result<Create, Problem> {
    let bad = |why: String| Problem::new(Kind::BadBody, why);
    // A no-break space in a title is a space (design 10).
    let title = written("title", body.title)?.replace('\u{a0}', " ");
    let title = title.trim();
    if title.chars().any(char::is_control) {
        let why =
            "`title` is one line without control characters; the rest belongs into `description`";
        return Err(bad(why.to_owned()));
    }
    let said = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let short = |text| said(text).map(|text| text.trim().to_owned());
    let read_source = |text: String| read_source(&text);
    let read_repo = |text: String| {
        let wrong = || bad(format!("`repo` is owner/name; not `{}`", start_of(&text)));
        RepoName::parse(&text).ok_or_else(wrong)
    };
    Ok(Create {
        title: title.to_owned(),
        description: said(body.description),
        source: short(body.source).map(read_source).transpose()?,
        entity: short(body.entity_id),
        repo: short(body.repo).map(read_repo).transpose()?,
        list: short(body.list),
        due: None,
        assignee: short(body.assignee).map(Assignee::Called),
    })
}

/// Who somebody is, for machines and in words.
fn identity_json(identity: &Identity) -> Value {
    let time = |at: Option<DateTime<Utc>>| at.map(rfc3339);
    let account = |(source, link): &(Source, Option<Link>)| {
        let known = link.as_ref();
        let linked = known.filter(|link| link.origin != Origin::Unlinked);
        json!({
            "source": source,
            "id": linked.and_then(|link| link.id.as_deref()),
            "name": linked.map(Link::shown),
            "origin": known.map(|link| link.origin.as_str()),
            "linked_by": known.and_then(|link| link.by.as_deref()),
            "linked_at": time(known.and_then(|link| link.at)),
            "confirmed_at": time(linked.and_then(|link| link.seen_at)),
            "gone": linked.is_some_and(|link| link.gone),
        })
    };
    let accounts: Vec<Value> = match identity.person.alone {
        true => Vec::new(),
        false => identity.accounts.iter().map(account).collect(),
    };
    json!({
        "message": identity.message.plain(),
        "name": identity.person.name,
        "slack": identity.person.slack,
        "alone": identity.person.alone,
        "accounts": accounts,
    })
}

/// Enough of a stranger's text to recognise it by.
fn start_of(text: &str) -> String {
    text.chars().take(80).collect()
}

// ---------------------------------------------------------------- what is answered

/// What every write answers (design 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// It is so in the source now. Not yet while `queued`.
    pub success: bool,
    /// What happened, as plain text.
    pub message: String,
    pub completed_task_id: Option<String>,
    /// It already was so, by another hand.
    pub conflict: bool,
    /// The source's own word for the task's state.
    pub current_state: Option<String>,
    pub operation_id: Option<String>,
    pub task_id: Option<String>,
    pub next_task: Option<NextTask>,
    /// Durable, and the source has not taken it yet: 202. Only there when true.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub queued: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NextTask {
    pub task_id: String,
    pub title: String,
    pub url: String,
    pub source: Source,
}

impl Answered {
    fn of(report: &Report) -> Answered {
        let task_id = report.task.as_ref().map(|task| task.task_id.to_string());
        Answered {
            success: report.state == ReportState::Done,
            message: report.message.plain(),
            completed_task_id: task_id.clone().filter(|_| report.completed),
            conflict: report.conflict,
            current_state: report.current_state.clone(),
            operation_id: report.operation_id.clone(),
            task_id,
            next_task: report.next.as_ref().map(NextTask::of),
            queued: matches!(report.state, ReportState::Queued | ReportState::SetAside),
        }
    }

    /// The answer to a command that asked nothing of a source.
    fn moved(message: String, current: Option<&Scored>) -> Answered {
        Answered {
            success: true,
            message,
            completed_task_id: None,
            conflict: false,
            current_state: None,
            operation_id: None,
            task_id: None,
            next_task: current.map(|scored| NextTask {
                task_id: scored.task.id.to_string(),
                title: scored.task.title.clone(),
                url: scored.task.url.clone(),
                source: scored.task.key.source(),
            }),
            queued: false,
        }
    }
}

impl NextTask {
    fn of(brief: &Brief) -> NextTask {
        NextTask {
            task_id: brief.task_id.to_string(),
            title: brief.title.clone(),
            url: brief.url.clone(),
            source: brief.source,
        }
    }
}

/// The status that a report is answered with: 200 with an outcome, 202 queued, else the problem it is. `creates` says that
/// the command named no task.
fn answer(report: &Report, creates: bool) -> Result<Response, Problem> {
    let answered = Answered::of(report);
    let kind = match &report.state {
        ReportState::Done => return Ok(Json(answered).into_response()),
        ReportState::Queued | ReportState::SetAside => {
            return Ok((StatusCode::ACCEPTED, Json(answered)).into_response());
        }
        ReportState::Refused(Refusal::Gone) => Kind::Gone,
        ReportState::Refused(Refusal::Changed) => Kind::Changed,
        // It was never mirrored, and its source has no such task, or shows none.
        ReportState::Refused(Refusal::Invisible) if report.task.is_none() && !creates => {
            Kind::UnknownTask
        }
        ReportState::Refused(Refusal::Invisible | Refusal::NotMirrored | Refusal::Other) => {
            Kind::SourceRefused
        }
        ReportState::GivenUp => Kind::GivenUp,
    };
    Err(Problem::new(kind, answered.message)
        .with("success", false)
        .with("operation_id", answered.operation_id)
        .with("task_id", answered.task_id)
        .with("current_state", answered.current_state))
}

/// A task as design 5 lists its fields; all null is no task.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TaskJson {
    task_id: Option<String>,
    source: Option<Source>,
    /// ClickUp's task id; GitHub's issue number.
    source_id: Option<String>,
    title: Option<String>,
    status: Option<Status>,
    url: Option<String>,
    assignees: Option<Vec<String>>,
    due: Option<String>,
    /// Where it is due on a day, at no time of it.
    due_day: Option<String>,
    priority: Option<&'static str>,
    entity: Option<String>,
    score: Option<i64>,
    updated_at: Option<String>,
    last_activity: Option<String>,
    /// Only there of one task that was asked for, while whoever asks has put it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    snoozed_until: Option<String>,
}

impl TaskJson {
    fn of(scored: &Scored) -> TaskJson {
        let task = &scored.task;
        TaskJson {
            task_id: Some(task.id.to_string()),
            source: Some(task.key.source()),
            source_id: Some(source_id(task)),
            title: Some(task.title.clone()),
            status: Some(task.status),
            url: Some(task.url.clone()),
            assignees: Some(task.assignees.iter().map(|a| a.name.clone()).collect()),
            due: task.due.map(|due| rfc3339(due.at)),
            due_day: task.due.and_then(|due| due.day).map(|day| day.to_string()),
            priority: task.priority.map(|priority| priority.as_str()),
            entity: task.entity.clone(),
            score: Some(scored.score),
            updated_at: Some(rfc3339(task.updated_at)),
            last_activity: Some(rfc3339(task.last_activity())),
            snoozed_until: scored.snoozed_until.map(rfc3339),
        }
    }
}

fn source_id(task: &Task) -> String {
    match task.key.github_parts() {
        Some((_, number)) => number.to_string(),
        None => task.key.as_str().to_owned(),
    }
}

/// A task as it is shown to a person, who wants to know why it is where it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Shown {
    /// In a list: what names it in a REF until the next list.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<usize>,
    #[serde(flatten)]
    task: TaskJson,
    /// The source's own word for `status`.
    source_status: Option<String>,
    reasons: Option<Vec<Reason>>,
    /// In a list of what the queue leaves out: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden: Option<String>,
}

/// The current task. Without one all of it is null; why there is none is added if it is not that nothing is to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CurrentJson {
    #[serde(flatten)]
    task: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl CurrentJson {
    fn without(why: &EmptyQueue) -> CurrentJson {
        let added = !why.is_plain();
        CurrentJson {
            task: Shown::default(),
            reason: added.then(|| why.word()),
            message: added.then(|| reply::empty(why).plain()),
        }
    }
}

/// What earned how many points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    reason: String,
    points: i64,
}

impl Shown {
    fn of(scored: &Scored) -> Shown {
        let reason = |(reason, points): &(String, i64)| Reason {
            reason: reason.clone(),
            points: *points,
        };
        Shown {
            number: None,
            task: TaskJson::of(scored),
            source_status: Some(scored.task.source_status.clone()),
            reasons: Some(scored.reasons.iter().map(reason).collect()),
            hidden: scored.hidden.clone(),
        }
    }

    fn numbered(self, number: usize) -> Shown {
        Shown {
            number: Some(number),
            ..self
        }
    }
}

fn explained_json(explained: &Explained) -> Value {
    let points = explained.points.iter().map(|(reason, points)| Reason {
        reason: reason.clone(),
        points: *points,
    });
    json!({
        "message": explained.message.plain(),
        "task": explained.task.as_ref().map(Shown::of),
        "points": points.collect::<Vec<_>>(),
        "place": explained.place,
        "of": explained.of,
        "hidden": explained.hidden,
    })
}

fn morning_json(view: &MorningView) -> Value {
    let morning = &view.morning;
    let task = |task: &Task| {
        json!({
            "task_id": task.id.to_string(),
            "title": task.title,
            "url": task.url,
            "source": task.key.source(),
        })
    };
    let tasks = |tasks: &[Task]| tasks.iter().map(task).collect::<Vec<_>>();
    let plain = |words: &[Words]| words.iter().map(Words::plain).collect::<Vec<_>>();
    let top: Vec<Shown> = view
        .top
        .iter()
        .zip(1..)
        .map(|(scored, number)| Shown::of(scored).numbered(number))
        .collect();
    let waits = morning.waits.iter();
    let waits: Vec<Value> = waits
        .map(|waits| json!({ "who": waits.who, "task": task(&waits.task) }))
        .collect();
    json!({
        "message": view.message.plain(),
        "open": morning.open,
        "top": top,
        "current": morning.current.as_ref().map(task),
        "overdue": tasks(&morning.overdue),
        "due_today": tasks(&morning.due_today),
        "waiting": waits,
        "queued": plain(&morning.queued),
        "queued_count": morning.queued_count,
        "troubles": plain(&morning.troubles),
    })
}

fn rhythm_json(view: &RhythmView) -> Value {
    json!({
        "message": view.message.plain(),
        "briefing": view.briefing.map(|at| at.format("%H:%M").to_string()),
        "next_briefing": view.next_briefing.map(rfc3339),
        "quiet": view.quiet.map(|quiet| quiet.to_string()),
        "own": { "briefing": view.own_briefing, "quiet": view.own_quiet },
        "zone": view.zone.name(),
        "held": view.held,
    })
}

fn receipts_json(view: &ReceiptsView) -> Value {
    json!({
        "message": view.message.plain(),
        "receipts": view.receipts.as_str(),
        "own": view.own,
    })
}

fn entry_json(entry: &Entry) -> Value {
    json!({
        "id": entry.id,
        "at": rfc3339(entry.at),
        "person": entry.person,
        "account": entry.account,
        "surface": entry.via.as_str(),
        "verb": entry.verb,
        "outcome": entry.came.as_str(),
        "source": entry.source,
        "task_id": entry.task,
        "title": entry.title,
        "url": entry.url,
        "before": entry.change.before,
        "after": entry.change.after,
        "text": entry.change.text,
        "detail": entry.detail,
    })
}

fn operation_json(view: &OperationView) -> Value {
    json!({
        "operation_id": view.id,
        "kind": view.kind,
        "source": view.source,
        "task_id": view.task_id,
        "state": view.state,
        "attempts": view.attempts,
        "created_at": rfc3339(view.created_at),
        "next_attempt_at": view.next_attempt_at.map(rfc3339),
        "detail": view.detail,
        "answer": view.report.as_ref().map(Answered::of),
    })
}

fn status_json(health: &HealthView, version: &str, now: DateTime<Utc>) -> Value {
    let slack = health.slack.as_ref().map(|slack| {
        let detail = match slack {
            SlackHealth::Trouble(why) => Some(why.clone()),
            SlackHealth::Connecting | SlackHealth::Connected => {
                reply::lately_given_up(&health.given_up, chrono_tz::Tz::UTC)
                    .map(|words| words.plain())
            }
        };
        let missing = health.missing_scopes.iter();
        let missing = missing.map(|one| json!({ "scope": one.scope, "without": one.without }));
        json!({
            "state": slack_word(slack),
            "detail": detail,
            "missing_scopes": missing.collect::<Vec<_>>(),
            "other_links": health.other_links,
        })
    });
    let sources = health.sources.iter().map(|(source, health)| {
        let health = json!({
            "last_sync": health.last_sync.map(rfc3339),
            "error": health.error,
            "tasks": health.tasks,
            "archived": health.archived,
        });
        (source.to_string(), health)
    });
    let aside = health.set_aside.iter().map(|one| {
        json!({
            "id": one.work.to_string(),
            "kind": one.work.kind(),
            "about": one.about,
            "ends": one.ends,
            "since": rfc3339(one.since),
            "next_attempt_at": one.until.map(rfc3339),
        })
    });
    json!({
        "version": version,
        "now": rfc3339(now),
        "store": { "writable": health.store_writable },
        "slack": slack,
        "sources": sources.collect::<serde_json::Map<_, _>>(),
        "queued_operations": health.queued_operations,
        "set_aside": aside.collect::<Vec<_>>(),
    })
}

fn slack_word(slack: &SlackHealth) -> &'static str {
    match slack {
        SlackHealth::Connecting => "connecting",
        SlackHealth::Connected => "connected",
        SlackHealth::Trouble(_) => "trouble",
    }
}

/// Ready: the store takes writes and Slack, where configured, is connected; that we are asked shows that we listen.
/// Sources are reported and hold nothing back. No token is asked for here, so nothing is told that needs one.
fn ready(health: &HealthView) -> Response {
    let store = if health.store_writable {
        "writable"
    } else {
        "not writable"
    };
    let slack = health.slack.as_ref().map(slack_word);
    let sources = health.sources.iter().map(|(source, health)| {
        let health = json!({ "synced": health.last_sync.is_some(), "ok": health.error.is_none() });
        (source.to_string(), health)
    });
    let sources: serde_json::Map<_, _> = sources.collect();
    let slack_ready = matches!(health.slack, None | Some(SlackHealth::Connected));
    if health.store_writable && slack_ready {
        return Json(json!({
            "ready": true, "store": store, "slack": slack, "sources": sources,
        }))
        .into_response();
    }
    let mut lacking = Vec::new();
    if !health.store_writable {
        lacking.push("the store takes no writes");
    }
    if !slack_ready {
        lacking.push("Slack is not connected");
    }
    Problem::new(
        Kind::NotReady,
        format!("{}; `ivan status` says more", lacking.join(", and ")),
    )
    .with("ready", false)
    .with("store", store)
    .with("slack", slack)
    .with("sources", sources)
    .into_response()
}

/// UTC, to the second where it is whole.
fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::desk::SourceHealth;
    use crate::domain::person::PersonId;
    use crate::domain::reply::Words;
    use crate::domain::task::{Account, Due, Priority, TaskKey};
    use crate::http::problem::PROBLEM_JSON;
    use axum::body::{Body, to_bytes};
    use rstest::rstest;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn certificate() -> Scored {
        Scored {
            task: Task {
                key: TaskKey::clickup("86tst0001"),
                id: TaskId::parse("clickup:86tst0001").unwrap(),
                container: "901100000001".into(),
                title: "Renew the certificate".into(),
                description: "Before Friday.".into(),
                url: "https://app.clickup.com/t/86tst0001".into(),
                status: Status::InProgress,
                source_status: "in review".into(),
                assignees: vec![Account {
                    id: "4242".into(),
                    name: "Ana".into(),
                }],
                labels: vec!["client:acme".into()],
                entity: Some("acme".into()),
                priority: Some(Priority::Urgent),
                due: Some(Due {
                    at: at("2026-03-03T03:00:00Z"),
                    day: chrono::NaiveDate::from_ymd_opt(2026, 3, 3),
                }),
                created_at: at("2026-02-01T08:00:00Z"),
                updated_at: at("2026-03-01T09:30:00.250Z"),
                closed: None,
                commented_at: None,
                reopened: false,
                custom_id: None,
                creator: None,
                links: Vec::new(),
                home: None,
            },
            score: 1400,
            reasons: vec![("client".into(), 1000), ("due today".into(), 400)],
            snoozed_until: None,
            hidden: None,
        }
    }

    fn login() -> Scored {
        let certificate = certificate();
        Scored {
            task: Task {
                key: TaskKey::github(1001, 7),
                id: TaskId::parse("github:acme/widgets#7").unwrap(),
                title: "Login fails on Safari".into(),
                url: "https://github.com/acme/widgets/issues/7".into(),
                ..certificate.task
            },
            ..certificate
        }
    }

    fn brief(scored: &Scored) -> Brief {
        Brief {
            task_id: scored.task.id.clone(),
            title: scored.task.title.clone(),
            url: scored.task.url.clone(),
            source: scored.task.key.source(),
            status: scored.task.status,
        }
    }

    fn completed() -> Report {
        Report {
            state: ReportState::Done,
            message: Words::new().text("Task completed in ClickUp: ").link(
                "Renew the certificate",
                "https://app.clickup.com/t/86tst0001",
            ),
            task: Some(brief(&certificate())),
            current_state: Some("complete".into()),
            conflict: false,
            completed: true,
            operation_id: Some("01JOP".into()),
            emptied: false,
            next: Some(brief(&login())),
        }
    }

    fn ana() -> Person {
        Person {
            id: PersonId(31),
            name: "Ana".into(),
            slack: None,
            github: None,
            github_id: None,
            clickup: None,
            clickup_name: None,
            zone: chrono_tz::UTC,
            alone: true,
        }
    }

    async fn json_of(response: Response) -> (u16, Value) {
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), BODY_MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn answered(report: Report) -> (u16, Value) {
        json_of(answer(&report, false).into_response()).await
    }

    async fn sent(request: axum::http::request::Builder, body: &str) -> Result<Sent, Problem> {
        let request = request.body(Body::from(body.to_owned())).unwrap();
        Sent::from_request(request, &()).await
    }

    fn post(path: &str) -> axum::http::request::Builder {
        Request::post(path).header("content-type", "application/json")
    }

    #[tokio::test]
    async fn a_completed_task_is_answered_with_all_fields() {
        let (status, body) = answered(completed()).await;
        assert_eq!(status, 200);
        assert_eq!(
            body,
            json!({
                "success": true,
                "message": "Task completed in ClickUp: Renew the certificate",
                "completed_task_id": "clickup:86tst0001",
                "conflict": false,
                "current_state": "complete",
                "operation_id": "01JOP",
                "task_id": "clickup:86tst0001",
                "next_task": {
                    "task_id": "github:acme/widgets#7",
                    "title": "Login fails on Safari",
                    "url": "https://github.com/acme/widgets/issues/7",
                    "source": "github",
                },
            })
        );
    }

    #[tokio::test]
    async fn a_queued_write_is_no_success_yet() {
        let queued = Report {
            state: ReportState::Queued,
            completed: false,
            next: None,
            ..completed()
        };
        let (status, body) = answered(queued).await;
        assert_eq!(status, 202);
        assert_eq!(body["queued"], true);
        assert_eq!(body["success"], false);
        assert_eq!(body["completed_task_id"], Value::Null);
        assert_eq!(body["next_task"], Value::Null);
    }

    #[tokio::test]
    async fn a_comment_completes_nothing() {
        let commented = Report {
            completed: false,
            ..completed()
        };
        let (status, body) = answered(commented).await;
        assert_eq!(status, 200);
        assert_eq!(body["completed_task_id"], Value::Null);
        assert_eq!(body["task_id"], "clickup:86tst0001");
    }

    #[rstest]
    #[case::gone(ReportState::Refused(Refusal::Gone), 404, "gone")]
    #[case::invisible(ReportState::Refused(Refusal::Invisible), 502, "source-refused")]
    #[case::elsewhere(ReportState::Refused(Refusal::NotMirrored), 502, "source-refused")]
    #[case::other(ReportState::Refused(Refusal::Other), 502, "source-refused")]
    #[case::given_up(ReportState::GivenUp, 502, "given-up")]
    #[tokio::test]
    async fn a_failed_write_is_a_problem_with_the_sources_words(
        #[case] state: ReportState,
        #[case] status: u16,
        #[case] kind: &str,
    ) {
        let failed = Report {
            state,
            message: Words::new().text("ClickUp says: no access"),
            completed: false,
            ..completed()
        };
        let response = answer(&failed, false).into_response();
        assert_eq!(response.headers()["content-type"], PROBLEM_JSON);
        let (answered, body) = json_of(response).await;
        assert_eq!(answered, status);
        assert_eq!(body["type"], format!("urn:ivan:problem:{kind}"));
        assert_eq!(body["detail"], "ClickUp says: no access");
        assert_eq!(body["operation_id"], "01JOP");
        assert_eq!(body["success"], false);
    }

    /// What was never mirrored and cannot be seen is not there. A place that a creation cannot reach is another matter.
    #[rstest]
    #[case::task(Refusal::Invisible, false, 404, "unknown-task")]
    #[case::place(Refusal::Invisible, true, 502, "source-refused")]
    #[case::elsewhere(Refusal::NotMirrored, false, 502, "source-refused")]
    #[case::forbidden(Refusal::Other, false, 502, "source-refused")]
    #[tokio::test]
    async fn a_task_that_was_never_known_is_unknown(
        #[case] refusal: Refusal,
        #[case] creates: bool,
        #[case] status: u16,
        #[case] kind: &str,
    ) {
        let failed = Report {
            state: ReportState::Refused(refusal),
            task: None,
            ..completed()
        };
        let response = answer(&failed, creates).into_response();
        let (answered, body) = json_of(response).await;
        assert_eq!(answered, status);
        assert_eq!(body["type"], format!("urn:ivan:problem:{kind}"));
    }

    #[test]
    fn moving_on_names_the_task_that_is_current_now() {
        let moved = Answered::moved("Moved on".into(), Some(&login()));
        let body = serde_json::to_value(moved).unwrap();
        assert_eq!(body["next_task"]["task_id"], "github:acme/widgets#7");
        assert_eq!(body["success"], true);
        assert_eq!(body["completed_task_id"], Value::Null);
    }

    #[test]
    fn a_task_has_the_fields_of_the_design() {
        let task = serde_json::to_value(TaskJson::of(&certificate())).unwrap();
        assert_eq!(
            task,
            json!({
                "task_id": "clickup:86tst0001",
                "source": "clickup",
                "source_id": "86tst0001",
                "title": "Renew the certificate",
                "status": "in_progress",
                "url": "https://app.clickup.com/t/86tst0001",
                "assignees": ["Ana"],
                "due": "2026-03-03T03:00:00Z",
                "due_day": "2026-03-03",
                "priority": "urgent",
                "entity": "acme",
                "score": 1400,
                "updated_at": "2026-03-01T09:30:00.250Z",
                "last_activity": "2026-03-01T09:30:00.250Z",
            })
        );
        let issue = serde_json::to_value(TaskJson::of(&login())).unwrap();
        assert_eq!(issue["source_id"], "7");
    }

    #[test]
    fn an_empty_queue_has_a_current_task_of_nulls() {
        let nothing = serde_json::to_value(CurrentJson::without(&EmptyQueue::Done)).unwrap();
        let members = nothing.as_object().unwrap();
        assert!(members.contains_key("task_id") && members.contains_key("title"));
        assert!(members.values().all(Value::is_null), "{nothing}");
    }

    /// The sentence says as much as the word, and more than that the queue is empty.
    #[rstest]
    #[case(EmptyQueue::NotRead(vec![Source::GitHub]), "not_read", "able to read GitHub yet")]
    #[case(EmptyQueue::NotLinked(vec![Source::ClickUp, Source::GitHub]), "not_linked", "your ClickUp or GitHub account yet")]
    #[case(EmptyQueue::NotLinked(vec![Source::GitHub]), "not_linked", "Type `link github LOGIN`.")]
    #[case(EmptyQueue::HeldBack { blocked: 2, snoozed: 0 }, "all_wait", "2 tasks wait for others")]
    #[case(EmptyQueue::HeldBack { blocked: 0, snoozed: 1 }, "all_snoozed", "1 task is snoozed")]
    #[case(EmptyQueue::HeldBack { blocked: 1, snoozed: 1 }, "all_held_back", "1 task waits for another (`list blocked`), and 1")]
    #[case(EmptyQueue::NothingAssigned(vec![Source::ClickUp]), "empty", "no open task is assigned to you. I don't know your ClickUp")]
    fn without_a_current_task_it_is_said_why(
        #[case] why: EmptyQueue,
        #[case] word: &str,
        #[case] says: &str,
    ) {
        let json = serde_json::to_value(CurrentJson::without(&why)).unwrap();
        assert_eq!(
            (&json["task_id"], &json["reason"]),
            (&Value::Null, &json!(word))
        );
        assert!(json["message"].as_str().unwrap().contains(says), "{json}");
    }

    /// What we answer has exactly the members that the description says are always there.
    #[test]
    fn answers_are_as_described() {
        let document = openapi::document("1");
        let described = |name: &str| -> BTreeSet<String> {
            let schema = &document["components"]["schemas"][name];
            let required = schema["required"].as_array().unwrap();
            required
                .iter()
                .map(|m| m.as_str().unwrap().to_owned())
                .collect()
        };
        let members = |value: Value| -> BTreeSet<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let task = serde_json::to_value(TaskJson::of(&certificate())).unwrap();
        assert_eq!(members(task), described("Task"));
        let done = serde_json::to_value(Answered::of(&completed())).unwrap();
        assert_eq!(members(done["next_task"].clone()), described("NextTask"));
        assert_eq!(members(done), described("Answer"));
        let now = at("2026-03-03T12:00:00Z");
        let status = status_json(&HealthView::default(), "1", now);
        assert_eq!(members(status), described("Status"));
        assert_eq!(members(operation_json(&pending())), described("Operation"));
    }

    fn pending() -> OperationView {
        OperationView {
            id: "01JOP".into(),
            kind: "comment".into(),
            source: Source::GitHub,
            task_id: Some("github:acme/widgets#7".into()),
            state: "pending".into(),
            attempts: 2,
            created_at: at("2026-03-03T12:00:00Z"),
            next_attempt_at: Some(at("2026-03-03T12:00:04Z")),
            detail: Some("GitHub does not answer".into()),
            report: None,
        }
    }

    #[test]
    fn an_operation_tells_when_it_is_tried_again() {
        let operation = operation_json(&pending());
        assert_eq!(operation["operation_id"], "01JOP");
        assert_eq!(operation["next_attempt_at"], "2026-03-03T12:00:04Z");
        assert_eq!(operation["answer"], Value::Null);
        let ended = OperationView {
            report: Some(completed()),
            ..pending()
        };
        assert_eq!(operation_json(&ended)["answer"]["success"], true);
    }

    fn health(store_writable: bool, slack: Option<SlackHealth>) -> HealthView {
        let trouble = SourceHealth {
            last_sync: None,
            error: Some("GitHub refuses github.token".into()),
            tasks: 0,
            archived: Vec::new(),
        };
        HealthView {
            missing_scopes: Vec::new(),
            given_up: Vec::new(),
            other_links: 0,
            store_writable,
            slack,
            sources: BTreeMap::from([(Source::GitHub, trouble)]),
            queued_operations: 3,
            set_aside: Vec::new(),
        }
    }

    #[rstest]
    #[case::all_well(true, Some(SlackHealth::Connected), 200)]
    #[case::without_slack(true, None, 200)]
    #[case::connecting(true, Some(SlackHealth::Connecting), 503)]
    #[case::slack_refuses(true, Some(SlackHealth::Trouble("xapp-secret".into())), 503)]
    #[case::full_disk(false, Some(SlackHealth::Connected), 503)]
    #[tokio::test]
    async fn ready_is_the_store_and_slack_and_tells_no_details(
        #[case] store_writable: bool,
        #[case] slack: Option<SlackHealth>,
        #[case] status: u16,
    ) {
        let (answered, body) = json_of(ready(&health(store_writable, slack))).await;
        assert_eq!(answered, status);
        assert_eq!(body["ready"], status == 200);
        assert_eq!(
            body["sources"]["github"],
            json!({ "synced": false, "ok": false })
        );
        let text = body.to_string();
        assert!(
            !text.contains("github.token") && !text.contains("xapp"),
            "{text}"
        );
    }

    #[test]
    fn status_tells_what_is_wrong() {
        let health = health(true, Some(SlackHealth::Trouble("Slack refuses".into())));
        let status = status_json(&health, "0.1.0", at("2026-03-03T12:00:00Z"));
        assert_eq!(
            status["slack"],
            json!({ "state": "trouble", "detail": "Slack refuses", "missing_scopes": [], "other_links": 0 })
        );
        assert_eq!(
            status["sources"]["github"]["error"],
            "GitHub refuses github.token"
        );
        assert_eq!(status["queued_operations"], 3);
        assert_eq!(status["now"], "2026-03-03T12:00:00Z");
    }

    #[rstest]
    #[case("0", 0)]
    #[case("10", 10)]
    #[case("300", 300)]
    #[case("301", 300)]
    #[case("18446744073709551615", 300)]
    fn wait_is_whole_seconds_and_has_an_end(#[case] text: &str, #[case] seconds: u64) {
        assert_eq!(read_wait(text).unwrap(), Duration::from_secs(seconds));
    }

    #[rstest]
    #[case("/done?wait=soon")]
    #[case("/done?wait=-1")]
    #[case("/done?wait=1.5")]
    #[case("/done?wait=")]
    #[case("/done?wiat=3")]
    #[tokio::test]
    async fn a_bad_wait_is_a_bad_query(#[case] path: &str) {
        let problem = sent(post(path), "").await.err().unwrap();
        assert_eq!(problem.kind(), Kind::BadQuery);
    }

    #[test]
    fn tasks_are_the_open_ones_unless_asked_otherwise() {
        let wanted = |query: &str| read_wanted(&query.parse().unwrap()).unwrap();
        assert_eq!(
            wanted("/tasks"),
            Wanted {
                status: WantedStatus::Open,
                source: None,
                filter: Filter::default(),
                limit: 50,
                cursor: None,
            }
        );
        assert_eq!(
            wanted(
                "/tasks?status=in_progress&source=github&filter=overdue+acme&limit=200&cursor=a%20b"
            ),
            Wanted {
                status: WantedStatus::Is(Status::InProgress),
                source: Some(Source::GitHub),
                filter: Filter::read("acme overdue"),
                limit: 200,
                cursor: Some("a b".into()),
            }
        );
        assert_eq!(wanted("/tasks?status=all").status, WantedStatus::All);
    }

    #[rstest]
    #[case("/tasks?status=closed", "status")]
    #[case("/tasks?source=jira", "source")]
    #[case("/tasks?limit=0", "limit")]
    #[case("/tasks?limit=201", "limit")]
    #[case("/tasks?limit=many", "limit")]
    #[case("/tasks?state=open", "state")]
    fn a_bad_query_says_which_word(#[case] uri: &str, #[case] word: &str) {
        let problem = read_wanted(&uri.parse().unwrap()).err().unwrap();
        assert_eq!(problem.kind(), Kind::BadQuery);
        let detail = problem.document()["detail"].to_string();
        assert!(detail.contains(&format!("`{word}`")), "{detail}");
    }

    #[tokio::test]
    async fn a_body_may_be_absent_where_nothing_is_wanted() {
        let done: DoneBody = sent(Request::post("/done"), "")
            .await
            .unwrap()
            .json_or_default()
            .unwrap();
        assert!(done.r#ref.is_none() && done.comment.is_none());
        let done: DoneBody = sent(post("/done"), r##"{"ref":"#12"}"##)
            .await
            .unwrap()
            .json_or_default()
            .unwrap();
        assert_eq!(done.r#ref.as_deref(), Some("#12"));
    }

    #[rstest]
    #[case::empty("", Kind::BadBody)]
    #[case::not_json("{text", Kind::BadBody)]
    #[case::other_shape("[]", Kind::BadBody)]
    #[case::missing("{}", Kind::BadBody)]
    #[case::wrong_type(r#"{"text": 5}"#, Kind::BadBody)]
    #[case::unknown_field(r#"{"text": "a", "task_id": "clickup:1"}"#, Kind::BadBody)]
    #[case::two(r#"{"text": "a"}{"text": "b"}"#, Kind::BadBody)]
    #[tokio::test]
    async fn a_bad_body_is_refused(#[case] body: &str, #[case] kind: Kind) {
        let sent = sent(post("/comment"), body).await.unwrap();
        assert_eq!(sent.json::<CommentBody>().err().unwrap().kind(), kind);
    }

    #[rstest]
    #[case::charset(Some("application/json; charset=utf-8"), true)]
    #[case::loud(Some("Application/JSON"), true)]
    #[case::relative(Some("application/problem+json"), true)]
    #[case::form(Some("application/x-www-form-urlencoded"), false)]
    #[case::text(Some("text/json+json"), false)]
    #[case::none(None, false)]
    #[tokio::test]
    async fn a_body_must_say_that_it_is_json(#[case] content_type: Option<&str>, #[case] is: bool) {
        let mut request = Request::post("/comment");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let read = sent(request, r#"{"text":"a"}"#)
            .await
            .unwrap()
            .json::<CommentBody>();
        match read {
            Ok(body) => assert!(is, "{body:?}"),
            Err(problem) => assert!(!is && problem.kind() == Kind::NotJson, "{problem:?}"),
        }
    }

    #[tokio::test]
    async fn a_repeated_request_is_recognised_by_all_that_it_asks() {
        let with_key = |path: &str| post(path).header("idempotency-key", "k1");
        let once = async |request, body: &str, person: &Person| {
            sent(request, body).await.unwrap().once(person).unwrap()
        };
        let ben = Person {
            id: PersonId(32),
            ..ana()
        };
        let first = once(with_key("/done"), "{}", &ana()).await;
        assert_eq!(first.key, "k1");
        assert_eq!(first, once(with_key("/done?wait=3"), "{}", &ana()).await);
        for other in [
            once(with_key("/done"), r#"{"comment":"a"}"#, &ana()).await,
            once(with_key("/next"), "{}", &ana()).await,
            once(with_key("/done"), "{}", &ben).await,
        ] {
            assert_ne!(first.fingerprint, other.fingerprint);
        }
        assert_eq!(sent(post("/done"), "{}").await.unwrap().once(&ana()), None);
    }

    #[tokio::test]
    async fn headers_are_read_as_utf8_and_have_an_end() {
        let named = post("/done").header("x-ivan-actor", "Zoë".as_bytes());
        assert_eq!(sent(named, "").await.unwrap().actor.as_deref(), Some("Zoë"));
        let blank = post("/done").header("x-ivan-actor", " ");
        assert_eq!(sent(blank, "").await.unwrap().actor, None);
        let latin1 = post("/done").header("x-ivan-actor", &b"Zo\xeb"[..]);
        assert_eq!(
            sent(latin1, "").await.err().unwrap().kind(),
            Kind::BadHeader
        );
        let long = post("/done").header("idempotency-key", "k".repeat(256));
        assert_eq!(sent(long, "").await.err().unwrap().kind(), Kind::BadHeader);
    }

    fn create_body(title: &str) -> CreateBody {
        CreateBody {
            title: title.into(),
            description: None,
            source: None,
            entity_id: None,
            repo: None,
            list: None,
            assignee: None,
        }
    }

    #[test]
    fn what_is_to_be_created_is_read() {
        let read = read_create(CreateBody {
            description: Some("One.\n\nTwo.".into()),
            source: Some("GitHub".into()),
            entity_id: Some(" acme ".into()),
            repo: Some("acme/gadgets".into()),
            ..create_body(" Fix\u{a0}login ")
        });
        assert_eq!(
            read.unwrap(),
            Create {
                title: "Fix login".into(),
                description: Some("One.\n\nTwo.".into()),
                source: Some(Source::GitHub),
                entity: Some("acme".into()),
                repo: RepoName::parse("acme/gadgets"),
                list: None,
                due: None,
                assignee: None,
            }
        );
    }

    #[rstest]
    #[case::blank(create_body(" \u{a0}"), "title")]
    #[case::two_lines(create_body("Fix\nlogin"), "title")]
    #[case::escape(create_body("Fix \u{1b}[31mlogin"), "title")]
    #[case::source(CreateBody { source: Some("jira".into()), ..create_body("a") }, "source")]
    #[case::repo(CreateBody { repo: Some("acme".into()), ..create_body("a") }, "repo")]
    fn what_cannot_be_created_says_which_field(#[case] body: CreateBody, #[case] field: &str) {
        let problem = read_create(body).err().unwrap();
        assert_eq!(problem.kind(), Kind::BadBody);
        let detail = problem.document()["detail"].to_string();
        assert!(detail.contains(&format!("`{field}`")), "{detail}");
    }

    #[test]
    fn a_comment_says_something_and_keeps_its_characters() {
        let text = " one\u{a0}\n two ";
        assert_eq!(written("text", text.into()).unwrap(), text);
        assert_eq!(
            written("text", " \n".into()).err().unwrap().kind(),
            Kind::BadBody
        );
    }

    #[test]
    fn a_ref_that_names_nothing_is_a_bad_body() {
        assert_eq!(read_ref("2").unwrap(), Ref::Nth(2));
        assert_eq!(read_ref("the first").err().unwrap().kind(), Kind::BadBody);
    }
}
