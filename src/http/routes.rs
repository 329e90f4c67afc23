//! The table of the API's routes: method, path, handler, and the description of each.

use axum::extract::State;
use axum::handler::Handler;
use axum::routing::{MethodRouter, get, post};
use utoipa::openapi::{Content, HttpMethod, ObjectBuilder, Ref, Type};
use utoipa::{PartialSchema, ToSchema};

use super::ApiState;
use super::answers::{
    Alive, BriefingAnswer, CurrentJson, LogAnswer, OperationAnswer, QueueAnswer, Readiness,
    ReceiptsAnswer, Retried, ScheduleAnswer, StatusAnswer, SyncReport, TaskJson, TaskPageAnswer,
    WhoamiAnswer, WhyAnswer,
};
use super::describe::{Description, operation, verb};
use super::problem::{PROBLEM_JSON, ProblemDocument};
use super::queries::{LogQuery, QueueQuery, TasksQuery, WhyQuery};
use super::request::{SYNC_WAIT, TaskPath, WriteRequest};
use super::{daemon as d, reads as r, writes as w};
use crate::verbs::{self, VERBS};

pub(super) struct Route {
    pub method: HttpMethod,
    pub path: String,
    pub handler: MethodRouter<ApiState>,
    pub description: Description,
}

fn reads<H: Handler<T, ApiState>, T: 'static>(
    path: &str,
    handler: H,
    description: Description,
) -> Route {
    Route {
        method: HttpMethod::Get,
        path: path.to_owned(),
        handler: get(handler),
        description,
    }
}

fn writes<H: Handler<T, ApiState>, T: 'static>(
    path: &str,
    handler: H,
    description: Description,
) -> Route {
    Route {
        method: HttpMethod::Post,
        path: path.to_owned(),
        handler: post(handler),
        description,
    }
}

pub(super) fn routes() -> Vec<Route> {
    let mut routes = tasks();
    routes.extend(people());
    routes.extend(verbs());
    routes.extend(daemon());
    routes
}

/// The routes that show tasks.
fn tasks() -> Vec<Route> {
    vec![
        reads(
            "/current",
            r::current,
            operation("current", "The current task")
                .about(
                    "With nothing pinned the first of the queue is pinned, as showing does. All fields are null when \
                     the queue is empty. `reason` and `message` are added if that does not mean that nothing is to do.",
                )
                .actor()
                .answers::<CurrentJson>("The current task")
                .problems(&[422]),
        ),
        reads(
            "/why",
            r::why,
            operation("why", "Why a task is where it is in the queue")
                .about(
                    "Of the current task (with nothing pinned the first of the queue is pinned), or of the one that \
                     `ref` names, hidden ones too. The points add up to its score.",
                )
                .actor()
                .query::<WhyQuery>()
                .answers::<WhyAnswer>("The points and the place")
                .problems(&[400, 404, 422]),
        ),
        reads(
            "/morning",
            r::morning,
            operation("morning", "The briefing")
                .about(
                    "The first three of the queue with their reasons, what is overdue and due today, who waits, and \
                     what is queued or stuck. The numbers of `top` name their tasks in a `ref` until the queue is \
                     shown again; with nothing pinned the first of the queue is pinned, as showing does.",
                )
                .actor()
                .answers::<BriefingAnswer>("The briefing, now")
                .problems(&[422]),
        ),
        reads(
            "/queue",
            r::queue,
            operation("queue", "The queue in order, numbered")
                .about(
                    "Showing binds the numbers: each names its task in a `ref` until the queue is shown again. What is \
                     blocked or snoozed is not in the queue; `filter` asks for that instead, and narrows.",
                )
                .actor()
                .query::<QueueQuery>()
                .answers::<QueueAnswer>("The first tasks of the queue")
                .problems(&[400, 422]),
        ),
        reads(
            "/tasks",
            r::tasks,
            operation("listTasks", "Tasks, page by page")
                .about("Tasks that were deleted, or moved to where nothing is mirrored, are not listed.")
                .actor()
                .query::<TasksQuery>()
                .answers::<TaskPageAnswer>("One page of tasks")
                .problems(&[400, 422]),
        ),
        reads(
            "/tasks/{task_id}",
            r::task,
            operation("getTask", "One task")
                .actor()
                .answers::<TaskJson>("The task")
                .problems(&[400, 404, 422]),
        ),
    ]
}

/// The log, and people's settings.
fn people() -> Vec<Route> {
    let choice = |id, summary| operation(id, summary).actor();
    vec![
        reads(
            "/log",
            r::log,
            operation("log", "Who did what, newest first")
                .about(
                    "What was asked of Ivan and has its outcome, and what others did in the sources. Without an actor \
                     what everybody did; with one what that person did, or with `task` what was done to a task of \
                     theirs. Entries are never changed, and kept for `store.log_retention`.",
                )
                .actor()
                .query::<LogQuery>()
                .answers::<LogAnswer>("One page of the log")
                .problems(&[400, 404, 422]),
        ),
        reads(
            "/whoami",
            r::whoami,
            operation("whoami", "Which accounts are the person's")
                .about(
                    "Each configured source with the person's account there: where the link comes from, what it is \
                     called now, and when the source confirmed that. Without `[[people]]` Ivan is one person's \
                     (`alone`), and nobody has accounts.",
                )
                .actor()
                .answers::<WhoamiAnswer>("Who the person is")
                .problems(&[422]),
        ),
        reads(
            "/rhythm",
            r::rhythm,
            choice("rhythm", "When somebody is told what they have not just asked for")
                .answers::<ScheduleAnswer>("What is in force for them")
                .problems(&[422]),
        ),
        writes(
            "/briefing",
            w::briefing,
            choice("setBriefing", "Have the briefing sent on working days, or no more")
                .body::<verbs::Briefing>()
                .answers::<ScheduleAnswer>("What is in force now")
                .problems(&[400, 413, 415, 422]),
        ),
        writes(
            "/quiet",
            w::quiet,
            choice("setQuietHours", "Hold notices in some hours, or no more")
                .body::<verbs::Quiet>()
                .answers::<ScheduleAnswer>("What is in force now")
                .problems(&[400, 413, 415, 422]),
        ),
        reads(
            "/receipts",
            r::receipts,
            choice("receipts", "How somebody learns in Slack what became of what they asked")
                .answers::<ReceiptsAnswer>("What is in force for them")
                .problems(&[422]),
        ),
        writes(
            "/receipts",
            w::set_receipts,
            choice("setReceipts", "Have outcomes stand on one's own messages too, or no more")
                .body::<verbs::Receipts>()
                .answers::<ReceiptsAnswer>("What is in force now")
                .problems(&[400, 413, 415, 422]),
        ),
    ]
}

/// A command each, from the table of verbs.
fn verbs() -> Vec<Route> {
    let mut routes = Vec::new();
    for row in VERBS {
        if let Some(path) = row.info.http.path {
            let ask = move |api: State<ApiState>, sent: WriteRequest| w::ask(api, sent, row);
            routes.push(writes(&format!("/{path}"), ask, verb(row, false)));
        }
        if let Some(path) = row.info.http.task_path {
            let ask = move |api: State<ApiState>, id: TaskPath, sent: WriteRequest| {
                w::ask_about(api, id, sent, row)
            };
            let path = format!("/tasks/{{task_id}}/{path}");
            routes.push(writes(&path, ask, verb(row, true)));
        }
    }
    routes
}

/// Operations, synchronization, and the daemon's health.
fn daemon() -> Vec<Route> {
    let schema = |name| Ref::from_schema_name(name);
    let not_ready = utoipa::openapi::AllOfBuilder::new()
        .item(schema(ProblemDocument::name()))
        .item(schema(Readiness::name()));
    vec![
        reads(
            "/operations/{operation_id}",
            d::operation,
            operation("getOperation", "What became of a write")
                .answers::<OperationAnswer>("The operation")
                .problems(&[404]),
        ),
        writes(
            "/operations/{operation_id}/retry",
            d::retry,
            operation("retry", "Try again what is set aside")
                .about(
                    "Takes the id of an operation, or another id that GET /status lists in `set_aside`. An operation \
                     goes on as after any restart: what may have been applied is looked for before it is sent again.",
                )
                .answers::<Retried>("It is tried again")
                .problems(&[404]),
        ),
        writes(
            "/sync",
            d::sync,
            operation("sync", "Bring the mirror up to date")
                .about("Asks every source what changed since it was last asked; with `full`, for everything.")
                .wait(SYNC_WAIT.as_secs())
                .body::<d::SyncBody>()
                .answers::<SyncReport>("Every source has answered, well or not")
                .answers_with::<SyncReport>(202, "It goes on: `wait` is over")
                .problems(&[400, 413, 415, 422]),
        ),
        reads(
            "/status",
            d::status,
            operation("status", "Connections, last synchronisation, queued operations")
                .answers::<StatusAnswer>("The daemon's health")
                .problems(&[]),
        ),
        reads(
            "/healthz",
            d::healthz,
            operation("healthz", "The process answers")
                .open()
                .answers::<Alive>("It does"),
        ),
        reads(
            "/readyz",
            d::readyz,
            operation("readyz", "Ready to take commands")
                .about(
                    "Ready: the store takes writes and Slack, where configured, is connected. Sources are reported and \
                     hold nothing back.",
                )
                .open()
                .answers::<Readiness>("Ready")
                .response(
                    503,
                    "Not ready; the document has the members of the ready answer too",
                    PROBLEM_JSON,
                    Content::new(Some(not_ready)),
                ),
        ),
        reads(
            "/metrics",
            d::measured,
            operation("metrics", "What was counted and measured, for Prometheus")
                .response(
                    200,
                    "Prometheus' text format",
                    "text/plain",
                    Content::new(Some(String::schema())),
                )
                .problems(&[]),
        ),
        reads(
            "/openapi.json",
            d::describe,
            operation("openapi", "This document")
                .response(
                    200,
                    "OpenAPI 3.1",
                    "application/json",
                    Content::new(Some(ObjectBuilder::new().schema_type(Type::Object))),
                )
                .problems(&[]),
        ),
    ]
}
