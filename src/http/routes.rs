//! The table of the API's routes: method, path, handler, and the description of each. A start builds no description.

use axum::extract::State;
use axum::handler::Handler;
use axum::routing::{MethodRouter, get, post};
use utoipa::openapi::{AllOfBuilder, Content, HttpMethod, ObjectBuilder, Ref, Type};
use utoipa::{PartialSchema, ToSchema};

use super::answers::{
    Alive, BriefingAnswer, CurrentJson, FoundAnswer, LogAnswer, LoginAnswer, LoginStateAnswer,
    LogoutAnswer, OperationAnswer, PageLinkAnswer, PeopleAnswer, QueueAnswer, Readiness,
    ReceiptsAnswer, Retried, ScheduleAnswer, StatsAnswer, StatusAnswer, SyncReport, TaskJson,
    TaskPageAnswer, WhoamiAnswer, WhyAnswer,
};
use super::describe::{Description, operation, verb};
use super::problem::{PROBLEM_JSON, ProblemDocument};
use super::queries::{
    CurrentQuery, FindQuery, LogQuery, QueueQuery, StatsQuery, TasksQuery, WhyQuery,
};
use super::request::{SYNC_WAIT, TaskPath, WriteRequest};
use super::{ApiState, ReloadReport, reload};
use super::{daemon as d, logins as l, pages as p, reads as r, writes as w};
use crate::verbs::{self, VERBS};

pub(super) struct Route {
    pub method: HttpMethod,
    pub path: String,
    pub handler: MethodRouter<ApiState>,
    /// Builds the description. Only the API's document needs it.
    pub describe: Box<dyn Fn() -> Description>,
}

fn reads<H: Handler<T, ApiState>, T: 'static>(
    path: &str,
    handler: H,
    describe: impl Fn() -> Description + 'static,
) -> Route {
    Route {
        method: HttpMethod::Get,
        path: path.to_owned(),
        handler: get(handler),
        describe: Box::new(describe),
    }
}

fn writes<H: Handler<T, ApiState>, T: 'static>(
    path: &str,
    handler: H,
    describe: impl Fn() -> Description + 'static,
) -> Route {
    Route {
        method: HttpMethod::Post,
        path: path.to_owned(),
        handler: post(handler),
        describe: Box::new(describe),
    }
}

pub(super) fn routes() -> Vec<Route> {
    let mut routes = tasks();
    routes.extend(people());
    routes.extend(verbs());
    routes.extend(daemon());
    routes.extend(logins());
    routes.extend(pages());
    routes
}

/// The routes that show tasks.
fn tasks() -> Vec<Route> {
    vec![
        reads("/current", r::current, || {
            operation("current", "The current task")
                .about(
                    "If nothing is pinned, the first of the queue is pinned. All fields are null when the queue \
                         is empty; `reason` and `message` then say why, unless there is nothing to do.",
                )
                .actor()
                .query::<CurrentQuery>()
                .answers::<CurrentJson>("The current task")
                .problems(&[400, 422])
        }),
        reads("/why", r::why, || {
            operation("why", "Explain a task's place in the queue")
                .about(
                    "For the current task (if nothing is pinned, the first of the queue is pinned), or for `ref`, \
                         hidden tasks included. The points add up to its score.",
                )
                .actor()
                .query::<WhyQuery>()
                .answers::<WhyAnswer>("Points and place")
                .problems(&[400, 404, 422])
        }),
        reads("/morning", r::morning, || {
            operation("morning", "Get the briefing")
                .about(
                    "The top three tasks with reasons, tasks overdue and due today, people waiting, and queued or \
                         stuck work. The numbers of `top` work as `ref` until the queue is shown again. If nothing is \
                         pinned, the first of the queue is pinned.",
                )
                .actor()
                .answers::<BriefingAnswer>("The briefing")
                .problems(&[422])
        }),
        reads("/queue", r::queue, || {
            operation("queue", "List the queue")
                .about(
                    "The numbers work as `ref` until the queue is shown again. Blocked and snoozed tasks are not \
                         in the queue; `filter` lists those, or narrows the queue.",
                )
                .actor()
                .query::<QueueQuery>()
                .answers::<QueueAnswer>("The first tasks of the queue")
                .problems(&[400, 422])
        }),
        reads("/find", r::find, || {
            operation("find", "Find tasks by words")
                .about(
                    "Searches titles, clients, labels and descriptions of the mirror's tasks, and the comments that \
                         Ivan has seen; best first, finished ones too. The numbers work as `ref` until another list is \
                         shown. Tasks that the person may not name are not found.",
                )
                .actor()
                .query::<FindQuery>()
                .answers::<FoundAnswer>("The best matches")
                .problems(&[400, 422])
        }),
        reads("/tasks", r::tasks, || {
            operation("listTasks", "List tasks")
                .about(
                    "Deleted tasks, and tasks moved to a place that is not mirrored, are left out.",
                )
                .actor()
                .query::<TasksQuery>()
                .answers::<TaskPageAnswer>("One page of tasks")
                .problems(&[400, 422])
        }),
        reads("/tasks/{task_id}", r::task, || {
            operation("getTask", "Get a task")
                .actor()
                .answers::<TaskJson>("The task")
                .problems(&[400, 404, 422])
        }),
    ]
}

/// The log, and people's settings.
fn people() -> Vec<Route> {
    vec![
        reads("/log", r::log, || {
            operation("log", "List the activity log")
                .about(
                    "Commands with their outcomes, and changes by others in the sources, newest first. Without an \
                         actor: everyone's; with one: that person's, or with `task` the history of a task of theirs. \
                         Entries are never changed, and are kept for `store.log_retention`.",
                )
                .actor()
                .query::<LogQuery>()
                .answers::<LogAnswer>("One page of the log")
                .problems(&[400, 404, 422])
        }),
        reads("/stats", r::stats, || {
            operation("stats", "Get figures of a week or a month")
                .about(
                    "Tasks done and created, comments, the median time from asking to the outcome, and the ages of \
                         open tasks, against as many days before. An operator gets everybody's figures, too; so does a \
                         request without an actor, unless its token acts as one person. Nobody else's own figures are \
                         shown.",
                )
                .actor()
                .query::<StatsQuery>()
                .answers::<StatsAnswer>("The figures")
                .problems(&[400, 422])
        }),
        reads("/people", r::people, || {
            operation("people", "List the people")
                .about("Everybody whom `assign` can name. Without `[[people]]` there is nobody.")
                .answers::<PeopleAnswer>("Their names")
                .problems(&[])
        }),
        reads("/whoami", r::whoami, || {
            operation("whoami", "Get the person's accounts")
                .about(
                    "The person's account at each configured source: the origin of the link, its present name, \
                         and when the source last confirmed it. Without `[[people]]`, everyone shares one queue \
                         (`alone`) and there are no accounts.",
                )
                .actor()
                .answers::<WhoamiAnswer>("The person's accounts")
                .problems(&[422])
        }),
        reads("/rhythm", r::rhythm, || {
            choice("rhythm", "Get briefing and quiet hours")
                .answers::<ScheduleAnswer>("The settings in force")
                .problems(&[422])
        }),
        writes("/briefing", w::briefing, || {
            choice("setBriefing", "Set the briefing")
                .body::<verbs::Briefing>()
                .answers::<ScheduleAnswer>("The settings in force")
                .problems(&[400, 413, 415, 422])
        }),
        writes("/quiet", w::quiet, || {
            choice("setQuietHours", "Set quiet hours")
                .body::<verbs::Quiet>()
                .answers::<ScheduleAnswer>("The settings in force")
                .problems(&[400, 413, 415, 422])
        }),
        reads("/receipts", r::receipts, || {
            choice("receipts", "Get confirmation settings")
                .answers::<ReceiptsAnswer>("The settings in force")
                .problems(&[422])
        }),
        writes("/receipts", w::set_receipts, || {
            choice("setReceipts", "Set confirmations")
                .body::<verbs::Receipts>()
                .answers::<ReceiptsAnswer>("The settings in force")
                .problems(&[400, 413, 415, 422])
        }),
    ]
}

/// A command each, from the table of verbs.
fn verbs() -> Vec<Route> {
    let mut routes = Vec::new();
    for row in VERBS {
        if let Some(path) = row.info.http.path {
            let ask = move |api: State<ApiState>, sent: WriteRequest| w::ask(api, sent, row);
            routes.push(writes(&format!("/{path}"), ask, move || verb(row, false)));
        }
        if let Some(path) = row.info.http.task_path {
            let ask = move |api: State<ApiState>, id: TaskPath, sent: WriteRequest| {
                w::ask_about(api, id, sent, row)
            };
            let path = format!("/tasks/{{task_id}}/{path}");
            routes.push(writes(&path, ask, move || verb(row, true)));
        }
    }
    routes
}

/// The description of a setting's route.
fn choice(id: &str, summary: &str) -> Description {
    operation(id, summary).actor()
}

/// The problem document of `GET /readyz`, which has the fields of the ready answer too.
fn not_ready() -> AllOfBuilder {
    let schema = |name| Ref::from_schema_name(name);
    AllOfBuilder::new()
        .item(schema(ProblemDocument::name()))
        .item(schema(Readiness::name()))
}

/// A person's own token, from its login to its end.
fn logins() -> Vec<Route> {
    let mut begin = writes("/login", l::begin, || {
        operation("login", "Begin a login")
            .about(
                "Keeps the hash of a token that the client made itself. From when its person types `token allow CODE` \
                     to Ivan in Slack, the token is them. At most 10 logins of an address within 10 minutes.",
            )
            .open()
            .body::<l::LoginBody>()
            .answers::<LoginAnswer>("It waits for its person")
            .problems(&[408, 422, 429])
    });
    begin.handler = begin.handler.get(l::look);
    vec![
        begin,
        Route {
            method: HttpMethod::Get,
            path: "/login".to_owned(),
            handler: MethodRouter::new(),
            describe: Box::new(|| {
                operation("loginState", "See whether a login is allowed")
                    .about("Send the token of the login.")
                    .answers::<LoginStateAnswer>("The token works")
                    .answers_with::<LoginStateAnswer>(202, "Its person has not allowed it yet")
                    .problems(&[403, 410])
            }),
        },
        writes("/logout", l::end, || {
            operation("logout", "Revoke the token of this request")
                .about("For tokens that a person made, those that only read included.")
                .answers::<LogoutAnswer>("It no longer works")
                .problems(&[403])
        }),
    ]
}

/// Operations, synchronization, and the daemon's health.
fn daemon() -> Vec<Route> {
    vec![
        reads("/operations/{operation_id}", d::operation, || {
            operation("getOperation", "Get an operation")
                .answers::<OperationAnswer>("The operation")
                .problems(&[404])
        }),
        writes("/operations/{operation_id}/retry", d::retry, || {
            operation("retry", "Retry set-aside work")
                .about(
                    "Takes the id of an operation, or another id from `set_aside` of GET /status. A write that \
                         may have been applied is looked for before it is sent again.",
                )
                .answers::<Retried>("Retrying")
                .problems(&[404])
        }),
        writes("/sync", d::sync, || {
            operation("sync", "Sync with the sources")
                .about("Reads changes from every source; with `full`, everything.")
                .wait(SYNC_WAIT.as_secs())
                .body::<d::SyncBody>()
                .answers::<SyncReport>("Every source was read or has failed")
                .answers_with::<SyncReport>(202, "Still syncing after `wait`")
                .problems(&[400, 413, 415, 422])
        }),
        writes("/config/reload", reload::reload, || {
            operation("reloadConfig", "Read bot.toml again")
                .about(
                    "Applies the changes that need no restart, and lists those that do. A file with a mistake is refused \
                         as a whole, and the former configuration stays in force. For tokens of any person. SIGHUP does \
                         the same.",
                )
                .answers::<ReloadReport>("The changes")
                .problems(&[422])
        }),
        reads("/status", d::status, || {
            operation("status", "Get connections, last sync and queued work")
                .answers::<StatusAnswer>("The daemon's health")
                .problems(&[])
        }),
        reads("/healthz", d::healthz, || {
            operation("healthz", "Check that the process runs")
                .open()
                .answers::<Alive>("It runs")
        }),
        reads("/readyz", d::readyz, || {
            operation("readyz", "Check that Ivan is ready for commands")
                .about(
                    "Ready: the store is writable and Slack, if configured, is connected. Sources are reported, \
                         but don't affect readiness.",
                )
                .open()
                .answers::<Readiness>("Ready")
                .response(
                    503,
                    "Not ready; the body has the fields of the ready answer too",
                    PROBLEM_JSON,
                    Content::new(Some(not_ready())),
                )
        }),
        reads("/metrics", d::measured, || {
            operation("metrics", "Get metrics for Prometheus")
                .response(
                    200,
                    "Prometheus text format",
                    "text/plain",
                    Content::new(Some(String::schema())),
                )
                .problems(&[])
        }),
        reads("/openapi.json", d::describe, || {
            operation("openapi", "Get this document")
                .response(
                    200,
                    "OpenAPI 3.1",
                    "application/json",
                    Content::new(Some(ObjectBuilder::new().schema_type(Type::Object))),
                )
                .problems(&[])
        }),
    ]
}

/// The pages for a browser, and the link to them.
fn pages() -> Vec<Route> {
    vec![
        reads("/", p::status, || {
            operation("statusPage", "Show the status page")
                .about(
                    "HTML for a browser with a session, or for a token of any person. It shows the health of all parts, \
                         waiting writes, the figures of 24 hours, and the end of the log.",
                )
                .shows(200, "The page")
                .shows(401, "Neither a session nor a token: a page that says how to get a link")
                .shows(403, "The token acts as one person only")
        }),
        reads("/docs", p::docs, || {
            operation("docs", "Show the page about the API")
                .about("This document as HTML, with a tried example for each operation.")
                .shows(200, "The page")
                .shows(
                    401,
                    "Neither a session nor a token: a page that says how to get a link",
                )
        }),
        writes("/ops", p::link, || {
            operation("pageLink", "Make a link to the status page")
                .about("For tokens of any person. The link begins a session in the browser that opens it first.")
                .answers::<PageLinkAnswer>("The link")
                .problems(&[403])
        }),
        reads("/ops/{code}", p::begin, || {
            operation("beginPageSession", "Open a link to the status page")
                .about("Sets the cookie of a session, which lasts 8 hours, and leads to the status page.")
                .open()
                .leads(303, "To the status page")
                .shows(401, "The link was used, or is over")
        }),
        reads("/style.css", p::style, || {
            operation("style", "Get the style sheet of the pages")
                .open()
                .response(200, "CSS", "text/css", Content::new(Some(String::schema())))
        }),
    ]
}
