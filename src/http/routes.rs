//! The table of the API's routes: method, path, handler, and the description of each.

use axum::handler::Handler;
use axum::routing::{MethodRouter, get, post};
use utoipa::openapi::{Content, HttpMethod, ObjectBuilder, Ref, Type};
use utoipa::{PartialSchema, ToSchema};

use super::Api;
use super::answers::{
    Alive, Briefing, CurrentJson, LogAnswer, Operation, Queue, Readiness, ReceiptsAnswer, Retried,
    Rhythm, StatusAnswer, SyncReport, TaskJson, TaskPage, Whoami, Why,
};
use super::describe::{Description, operation, write};
use super::problem::{PROBLEM_JSON, ProblemDocument};
use super::queries::{LogQuery, QueueQuery, TasksQuery, WhyQuery};
use super::request::SYNC_WAIT;
use super::{daemon as d, reads as r, writes as w};

pub(super) struct Route {
    pub method: HttpMethod,
    pub path: &'static str,
    pub handler: MethodRouter<Api>,
    pub description: Description,
}

fn reads<H: Handler<T, Api>, T: 'static>(
    path: &'static str,
    handler: H,
    description: Description,
) -> Route {
    Route {
        method: HttpMethod::Get,
        path,
        handler: get(handler),
        description,
    }
}

fn writes<H: Handler<T, Api>, T: 'static>(
    path: &'static str,
    handler: H,
    description: Description,
) -> Route {
    Route {
        method: HttpMethod::Post,
        path,
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

/// What is shown of tasks.
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
                .answers::<Why>("The points and the place")
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
                .answers::<Briefing>("The briefing, now")
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
                .answers::<Queue>("The first tasks of the queue")
                .problems(&[400, 422]),
        ),
        reads(
            "/tasks",
            r::tasks,
            operation("listTasks", "Tasks, page by page")
                .about("Tasks that were deleted, or moved to where nothing is mirrored, are not listed.")
                .actor()
                .query::<TasksQuery>()
                .answers::<TaskPage>("One page of tasks")
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

/// The log, and what somebody has chosen.
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
                .answers::<Whoami>("Who the person is")
                .problems(&[422]),
        ),
        reads(
            "/rhythm",
            r::rhythm,
            choice("rhythm", "When somebody is told what they have not just asked for")
                .answers::<Rhythm>("What is in force for them")
                .problems(&[422]),
        ),
        writes(
            "/briefing",
            w::briefing,
            choice("setBriefing", "Have the briefing sent on working days, or no more")
                .body::<w::BriefingBody>()
                .answers::<Rhythm>("What is in force now")
                .problems(&[400, 413, 415, 422]),
        ),
        writes(
            "/quiet",
            w::quiet,
            choice("setQuietHours", "Hold notices in some hours, or no more")
                .body::<w::QuietBody>()
                .answers::<Rhythm>("What is in force now")
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
                .body::<w::ReceiptsBody>()
                .answers::<ReceiptsAnswer>("What is in force now")
                .problems(&[400, 413, 415, 422]),
        ),
    ]
}

const DONE: &str = "Completes it in its source, with a comment if one is given. Already done there: success, and \
                    `conflict`.";
const COMMENT: &str = "Newlines are kept.";
const START: &str = "Makes it the current task and, where its source has such a status or label, in progress. Already so \
                     there: success, and `conflict`.";
const SNOOZE: &str =
    "Hides it from the person's own queue until then; from nobody else's. The source is not asked.";
const REOPEN: &str = "Opens it in its source: as it was before it was completed from here, or as its source begins its \
                      tasks. Open already: success, and `conflict`.";
const ASSIGN: &str = "Assigns it in its source to `person`: a name of [[people]], a Slack id or a GitHub login, whose \
                      account there is known. A person who gives it away is not assigned any more; others are still. \
                      Already so: success, and `conflict`.";
const CLAIM: &str = "Assigns it in its source to the person who acts, besides those who are.";
const DUE: &str = "Sets when it is due in ClickUp; `none`: never. GitHub has no due dates for issues, and 422 says so.";
const PRIORITY: &str =
    "Sets its priority in ClickUp, or in GitHub its label of `github.priority_labels`.";

/// A command each.
fn verbs() -> Vec<Route> {
    vec![
        writes(
            "/done",
            w::done,
            write("done", "Complete the current task, or another", DONE, &[404, 422, 502])
                .body::<w::DoneBody>(),
        ),
        writes(
            "/comment",
            w::comment,
            write("comment", "Comment on the current task, or another", COMMENT, &[404, 422, 502])
                .body::<w::CommentBody>(),
        ),
        writes(
            "/next",
            w::next,
            write(
                "next",
                "Move on without completing",
                "Makes the next task of the queue current; it is `next_task` of the answer. With no other task, \
                 `next_task` is null and the current one stays. Without a queue, since the sources were not read yet: \
                 503; since no account of the person is known: 422.",
                &[422, 503],
            )
            .body::<w::Nothing>(),
        ),
        writes(
            "/start",
            w::start,
            write("start", "Start the current task, or another", START, &[404, 409, 422, 502])
                .body::<w::RefBody>(),
        ),
        writes(
            "/snooze",
            w::snooze,
            write("snooze", "Put off the current task, or another", SNOOZE, &[404, 422])
                .body::<w::SnoozeBody>(),
        ),
        writes(
            "/reopen",
            w::reopen,
            write("reopen", "Open a task again", REOPEN, &[404, 422, 502]).body::<w::ReopenBody>(),
        ),
        writes(
            "/assign",
            w::assign,
            write("assign", "Assign the current task, or another", ASSIGN, &[404, 422, 502])
                .body::<w::AssignBody>(),
        ),
        writes(
            "/claim",
            w::claim,
            write("claim", "Assign the current task, or another, to oneself", CLAIM, &[404, 422, 502])
                .body::<w::RefBody>(),
        ),
        writes(
            "/due",
            w::due,
            write("due", "Set when the current task, or another, is due", DUE, &[404, 422, 502])
                .body::<w::DueBody>(),
        ),
        writes(
            "/priority",
            w::priority,
            write("priority", "Set the priority of the current task, or of another", PRIORITY, &[404, 422, 502])
                .body::<w::PriorityBody>(),
        ),
        writes(
            "/undo",
            w::undo,
            write(
                "undo",
                "Take back what was done last",
                "Takes back the person's last effect of the last 15 minutes that is not undone, if its source still is \
                 as it was left; else 409, and nothing is changed. What is still queued is cancelled, or looked for \
                 and taken back.",
                &[404, 409, 422, 502],
            )
            .body::<w::Nothing>(),
        ),
        writes(
            "/link",
            w::link,
            write(
                "link",
                "Make an account the person's",
                "The source confirms it first: the login exists and can be assigned in a mirrored repository; the \
                 member is one of the workspace. What is assigned to it is in the person's queue at once. 503 if the \
                 source does not answer.",
                &[422, 503],
            )
            .body::<w::LinkBody>(),
        ),
        writes(
            "/unlink",
            w::unlink,
            write(
                "unlink",
                "Take an account off the person",
                "What is assigned to it is not in the person's queue any more. One that bot.toml gives stays.",
                &[422],
            )
            .body::<w::UnlinkBody>(),
        ),
        writes(
            "/tasks",
            w::create,
            write(
                "createTask",
                "Create a task",
                "Creates a task in ClickUp or an issue in GitHub. `list` and `repo` place it elsewhere than in the \
                 default list or repository; at most one of them.",
                &[422, 502],
            )
            .body::<w::CreateBody>(),
        ),
        writes(
            "/tasks/{task_id}/complete",
            w::complete,
            write("completeTask", "Complete a task", DONE, &[400, 404, 422, 502])
                .body::<w::CompleteBody>(),
        ),
        writes(
            "/tasks/{task_id}/comment",
            w::comment_on,
            write("commentOnTask", "Comment on a task", COMMENT, &[400, 404, 422, 502])
                .body::<w::CommentOnBody>(),
        ),
        writes(
            "/tasks/{task_id}/start",
            w::start_task,
            write("startTask", "Start a task", START, &[400, 404, 409, 422, 502])
                .body::<w::Nothing>(),
        ),
        writes(
            "/tasks/{task_id}/snooze",
            w::snooze_task,
            write("snoozeTask", "Put a task off", SNOOZE, &[400, 404, 422])
                .body::<w::SnoozeTaskBody>(),
        ),
        writes(
            "/tasks/{task_id}/reopen",
            w::reopen_task,
            write("reopenTask", "Open a task again", REOPEN, &[400, 404, 422, 502])
                .body::<w::Nothing>(),
        ),
        writes(
            "/tasks/{task_id}/assign",
            w::assign_task,
            write("assignTask", "Assign a task", ASSIGN, &[400, 404, 422, 502])
                .body::<w::AssignTaskBody>(),
        ),
        writes(
            "/tasks/{task_id}/claim",
            w::claim_task,
            write("claimTask", "Assign a task to oneself", CLAIM, &[400, 404, 422, 502])
                .body::<w::Nothing>(),
        ),
        writes(
            "/tasks/{task_id}/due",
            w::due_task,
            write("dueTask", "Set when a task is due", DUE, &[400, 404, 422, 502])
                .body::<w::DueTaskBody>(),
        ),
        writes(
            "/tasks/{task_id}/priority",
            w::priority_task,
            write("priorityTask", "Set the priority of a task", PRIORITY, &[400, 404, 422, 502])
                .body::<w::PriorityTaskBody>(),
        ),
    ]
}

/// Operations, synchronisation, and how the daemon is.
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
                .answers::<Operation>("The operation")
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
