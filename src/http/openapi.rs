//! What `GET /openapi.json` answers: the API's description, OpenAPI 3.1, written by hand beside the routes it describes.
//!
//! A test compares it with the router, so that neither has a path or a method that the other lacks.

use serde_json::{Map, Value, json};

use super::problem::{Kind, PROBLEM_JSON};
use super::{BODY_MAX, WAIT_MAX};
use crate::domain::when::WHEN_HELP;

/// The whole document, for a daemon of this version.
pub fn document(version: &str) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ivan",
            "version": version,
            "description": description(),
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`api.token` of the configuration, or the file `api-token` beside the store.",
                },
            },
            "parameters": parameters(),
            "responses": responses(),
            "schemas": schemas(),
        },
    })
}

fn description() -> String {
    format!(
        "Tasks of ClickUp and issues of GitHub: what is current, and what is to become of it. A write is durable before \
         it is answered, and has its effect in the source once; with an `Idempotency-Key` a repeated request is the \
         same operation. A body is JSON of at most {BODY_MAX} bytes. Errors are problem documents (RFC 9457)."
    )
}

// ---------------------------------------------------------------- paths

fn paths() -> Value {
    json!({
        "/current": { "get": current() },
        "/done": { "post": done() },
        "/comment": { "post": comment() },
        "/next": { "post": next() },
        "/start": { "post": start() },
        "/snooze": { "post": snooze() },
        "/reopen": { "post": reopen() },
        "/assign": { "post": assign() },
        "/claim": { "post": claim() },
        "/due": { "post": due() },
        "/priority": { "post": priority() },
        "/undo": { "post": undo() },
        "/why": { "get": why() },
        "/log": { "get": log() },
        "/morning": { "get": morning() },
        "/rhythm": { "get": rhythm() },
        "/briefing": { "post": briefing() },
        "/quiet": { "post": quiet() },
        "/receipts": { "get": receipts(), "post": set_receipts() },
        "/whoami": { "get": whoami() },
        "/link": { "post": link() },
        "/unlink": { "post": unlink() },
        "/queue": { "get": queue() },
        "/tasks": { "get": tasks(), "post": create() },
        "/tasks/{task_id}": { "get": task(), "parameters": [parameter("task_id")] },
        "/tasks/{task_id}/complete": { "post": complete(), "parameters": [parameter("task_id")] },
        "/tasks/{task_id}/comment": { "post": comment_on(), "parameters": [parameter("task_id")] },
        "/tasks/{task_id}/start": { "post": start_task(), "parameters": [parameter("task_id")] },
        "/tasks/{task_id}/snooze": { "post": snooze_task(), "parameters": [parameter("task_id")] },
        "/tasks/{task_id}/reopen": { "post": reopen_task(), "parameters": [parameter("task_id")] },
        "/tasks/{task_id}/assign": { "post": assign_task(), "parameters": [parameter("task_id")] },
        "/tasks/{task_id}/claim": { "post": claim_task(), "parameters": [parameter("task_id")] },
        "/tasks/{task_id}/due": { "post": due_task(), "parameters": [parameter("task_id")] },
        "/tasks/{task_id}/priority": { "post": priority_task(), "parameters": [parameter("task_id")] },
        "/operations/{operation_id}": { "get": operation(), "parameters": [parameter("operation_id")] },
        "/operations/{operation_id}/retry": { "post": retry(), "parameters": [parameter("operation_id")] },
        "/sync": { "post": sync() },
        "/status": { "get": status() },
        "/healthz": { "get": healthz() },
        "/readyz": { "get": readyz() },
        "/metrics": { "get": metrics() },
        "/openapi.json": { "get": describe() },
    })
}

fn current() -> Value {
    json!({
        "operationId": "current",
        "summary": "The current task",
        "description": "With nothing pinned the first of the queue is pinned, as showing does. All fields are null when \
                        the queue is empty. `reason` and `message` are added if that does not mean that nothing is to do.",
        "parameters": [parameter("actor")],
        "responses": answers(200, "The current task", json!({ "allOf": [schema("ShownTask"), {
            "type": "object",
            "properties": {
                "reason": {
                    "enum": ["not_read", "not_linked", "all_wait", "all_snoozed", "all_held_back", "empty"],
                    "description": "Why there is none: the sources were not read yet; no account of the person is known; all of \
                                    their tasks wait for others, are snoozed, or are one or the other; none is assigned to \
                                    the accounts that are known.",
                },
                "message": { "type": "string", "description": "The same as a sentence." },
            },
        }] }), &[422]),
    })
}

fn done() -> Value {
    write(
        "done",
        "Complete the current task, or another",
        "Completes the current task in its source, or the one that `ref` names, with a comment if one is given. Already \
         done there: success, and `conflict`.",
        body(
            false,
            json!({ "ref": schema("Ref"), "comment": { "type": "string", "minLength": 1 } }),
            &[],
        ),
        &[404, 422, 502],
    )
}

fn comment() -> Value {
    write(
        "comment",
        "Comment on the current task, or another",
        "Comments on the current task, or on the one that `ref` names. Newlines are kept.",
        body(
            true,
            json!({ "ref": schema("Ref"), "text": { "type": "string", "minLength": 1 } }),
            &["text"],
        ),
        &[404, 422, 502],
    )
}

fn next() -> Value {
    write(
        "next",
        "Move on without completing",
        "Makes the next task of the queue current; it is `next_task` of the answer. With no other task, `next_task` is null and \
         the current one stays. Without a queue, since the sources were not read yet: 503; since no account of the person \
         is known: 422.",
        body(false, json!({}), &[]),
        &[422, 503],
    )
}

const START: &str = "Makes it the current task and, where its source has such a status or label, in progress. Already so \
                     there: success, and `conflict`.";
const SNOOZE: &str =
    "Hides it from the person's own queue until then; from nobody else's. The source is not asked.";
const REOPEN: &str = "Opens it in its source: as it was before it was completed from here, or as its source begins its \
                      tasks. Open already: success, and `conflict`.";

fn start() -> Value {
    write(
        "start",
        "Start the current task, or another",
        START,
        body(false, json!({ "ref": schema("Ref") }), &[]),
        &[404, 409, 422, 502],
    )
}

fn start_task() -> Value {
    write(
        "startTask",
        "Start a task",
        START,
        body(false, json!({}), &[]),
        &[400, 404, 409, 422, 502],
    )
}

fn snooze() -> Value {
    write(
        "snooze",
        "Put off the current task, or another",
        SNOOZE,
        body(
            true,
            json!({ "ref": schema("Ref"), "until": schema("When") }),
            &["until"],
        ),
        &[404, 422],
    )
}

fn snooze_task() -> Value {
    write(
        "snoozeTask",
        "Put a task off",
        SNOOZE,
        body(true, json!({ "until": schema("When") }), &["until"]),
        &[400, 404, 422],
    )
}

fn reopen() -> Value {
    write(
        "reopen",
        "Open a task again",
        REOPEN,
        body(true, json!({ "ref": schema("Ref") }), &["ref"]),
        &[404, 422, 502],
    )
}

fn reopen_task() -> Value {
    write(
        "reopenTask",
        "Open a task again",
        REOPEN,
        body(false, json!({}), &[]),
        &[400, 404, 422, 502],
    )
}

const ASSIGN: &str = "Assigns it in its source to `person`: a name of [[people]], a Slack id or a GitHub login, whose \
                      account there is known. Whoever gives it away is not assigned any more; others are still. So \
                      already: success, and `conflict`.";
const CLAIM: &str = "Assigns it in its source to whoever acts, besides those who are.";
const DUE: &str = "Sets when it is due in ClickUp; `none`: never. GitHub has no due dates for issues, and 422 says so.";
const PRIORITY: &str =
    "Sets its priority in ClickUp, or in GitHub its label of `github.priority_labels`.";

fn assign() -> Value {
    write(
        "assign",
        "Assign the current task, or another",
        ASSIGN,
        body(
            true,
            json!({ "ref": schema("Ref"), "person": { "type": "string", "minLength": 1 } }),
            &["person"],
        ),
        &[404, 422, 502],
    )
}

fn assign_task() -> Value {
    write(
        "assignTask",
        "Assign a task",
        ASSIGN,
        body(
            true,
            json!({ "person": { "type": "string", "minLength": 1 } }),
            &["person"],
        ),
        &[400, 404, 422, 502],
    )
}

fn claim() -> Value {
    write(
        "claim",
        "Assign the current task, or another, to oneself",
        CLAIM,
        body(false, json!({ "ref": schema("Ref") }), &[]),
        &[404, 422, 502],
    )
}

fn claim_task() -> Value {
    write(
        "claimTask",
        "Assign a task to oneself",
        CLAIM,
        body(false, json!({}), &[]),
        &[400, 404, 422, 502],
    )
}

fn due_date() -> Value {
    json!({ "anyOf": [schema("When"), { "const": "none" }] })
}

fn due() -> Value {
    write(
        "due",
        "Set when the current task, or another, is due",
        DUE,
        body(
            true,
            json!({ "ref": schema("Ref"), "due": due_date() }),
            &["due"],
        ),
        &[404, 422, 502],
    )
}

fn due_task() -> Value {
    write(
        "dueTask",
        "Set when a task is due",
        DUE,
        body(true, json!({ "due": due_date() }), &["due"]),
        &[400, 404, 422, 502],
    )
}

fn level() -> Value {
    json!({ "enum": ["urgent", "high", "normal", "low", "none"] })
}

fn priority() -> Value {
    write(
        "priority",
        "Set the priority of the current task, or of another",
        PRIORITY,
        body(
            true,
            json!({ "ref": schema("Ref"), "priority": level() }),
            &["priority"],
        ),
        &[404, 422, 502],
    )
}

fn priority_task() -> Value {
    write(
        "priorityTask",
        "Set the priority of a task",
        PRIORITY,
        body(true, json!({ "priority": level() }), &["priority"]),
        &[400, 404, 422, 502],
    )
}

fn undo() -> Value {
    write(
        "undo",
        "Take back what was done last",
        "Takes back the person's last effect of the last 15 minutes that is not undone, if its source still is as it was \
         left; else 409, and nothing is changed. What is still queued is cancelled, or looked for and taken back.",
        body(false, json!({}), &[]),
        &[404, 409, 422, 502],
    )
}

fn why() -> Value {
    json!({
        "operationId": "why",
        "summary": "Why a task is where it is in the queue",
        "description": "Of the current task (with nothing pinned the first of the queue is pinned), or of the one that \
                        `ref` names, hidden ones too. The points add up to its score.",
        "parameters": [parameter("actor"), in_query("ref", schema("Ref"))],
        "responses": answers(200, "The points and the place", object(json!({
            "message": { "type": "string" },
            "task": maybe_schema("ShownTask"),
            "points": { "type": "array", "items": object(json!({
                "reason": { "type": "string" },
                "points": { "type": "integer" },
            })) },
            "place": { "type": ["integer", "null"], "minimum": 1, "description": "Null: it is not in the queue." },
            "of": { "type": "integer", "minimum": 0 },
            "hidden": { "type": ["string", "null"], "description": "Why it is not in the queue." },
        })), &[400, 404, 422]),
    })
}

fn log() -> Value {
    json!({
        "operationId": "log",
        "summary": "Who did what, newest first",
        "description": "What was asked of Ivan and has its outcome, and what others did in the sources. Without an actor \
                        what everybody did; with one what that person did, or with `task` what was done to a task of \
                        theirs. Entries are never changed, and kept for `store.log_retention`.",
        "parameters": [
            parameter("actor"),
            limit(50),
            in_query("cursor", json!({
                "type": "string", "description": "`next_cursor` of the page before.",
            })),
            in_query("task", schema("Ref")),
        ],
        "responses": answers(200, "One page of the log", object(json!({
            "entries": { "type": "array", "items": schema("LogEntry") },
            "next_cursor": {
                "type": ["string", "null"], "description": "Where to go on; null on the last page.",
            },
        })), &[400, 404, 422]),
    })
}

fn morning() -> Value {
    let tasks = || json!({ "type": "array", "items": schema("NextTask") });
    let lines = || json!({ "type": "array", "items": { "type": "string" } });
    json!({
        "operationId": "morning",
        "summary": "The briefing",
        "description": "The first three of the queue with their reasons, what is overdue and due today, who waits, and \
                        what is queued or stuck. The numbers of `top` name their tasks in a `ref` until the queue is \
                        shown again; with nothing pinned the first of the queue is pinned, as showing does.",
        "parameters": [parameter("actor")],
        "responses": answers(200, "The briefing, now", object(json!({
            "message": { "type": "string" },
            "open": { "type": "integer", "minimum": 0, "description": "How many tasks are in the queue." },
            "top": { "type": "array", "items": { "allOf": [
                schema("ShownTask"),
                { "type": "object", "properties": { "number": { "type": "integer", "minimum": 1 } }, "required": ["number"] },
            ] } },
            "current": maybe_schema("NextTask"),
            "overdue": tasks(),
            "due_today": tasks(),
            "waiting": { "type": "array", "items": object(json!({
                "who": { "type": "string" },
                "task": schema("NextTask"),
            })) },
            "queued": lines(),
            "queued_count": { "type": "integer", "minimum": 0 },
            "troubles": lines(),
        })), &[422]),
    })
}

fn rhythm() -> Value {
    json!({
        "operationId": "rhythm",
        "summary": "When somebody is told what they have not just asked for",
        "parameters": [parameter("actor")],
        "responses": answers(200, "What is in force for them", schema("Rhythm"), &[422]),
    })
}

fn briefing() -> Value {
    json!({
        "operationId": "setBriefing",
        "summary": "Have the briefing sent on working days, or no more",
        "parameters": [parameter("actor")],
        "requestBody": body(true, json!({ "at": {
            "type": "string",
            "description": "A time of day in the person's zone, `off`, or `default`: as `slack.briefing` has it.",
            "examples": ["8:30", "9am", "off", "default"],
        } }), &["at"]),
        "responses": answers(200, "What is in force now", schema("Rhythm"), &[400, 413, 415, 422]),
    })
}

fn quiet() -> Value {
    json!({
        "operationId": "setQuietHours",
        "summary": "Hold notices in some hours, or no more",
        "parameters": [parameter("actor")],
        "requestBody": body(true, json!({ "hours": {
            "type": "string",
            "description": "Hours of the day in the person's zone, `off`, or `default`: as `slack.quiet` has it.",
            "examples": ["20:00-8:00", "off", "default"],
        } }), &["hours"]),
        "responses": answers(200, "What is in force now", schema("Rhythm"), &[400, 413, 415, 422]),
    })
}

fn receipts() -> Value {
    json!({
        "operationId": "receipts",
        "summary": "How somebody learns in Slack what became of what they asked",
        "parameters": [parameter("actor")],
        "responses": answers(200, "What is in force for them", schema("Receipts"), &[422]),
    })
}

fn set_receipts() -> Value {
    json!({
        "operationId": "setReceipts",
        "summary": "Have outcomes stand on one's own messages too, or no more",
        "parameters": [parameter("actor")],
        "requestBody": body(true, json!({ "by": {
            "type": "string",
            "description": "`message`, `reactions`, or `default`: as `slack.receipts` has it.",
            "examples": ["reactions", "message", "default"],
        } }), &["by"]),
        "responses": answers(200, "What is in force now", schema("Receipts"), &[400, 413, 415, 422]),
    })
}

fn whoami() -> Value {
    let text = || json!({ "type": ["string", "null"] });
    let time = || json!({ "type": ["string", "null"], "format": "date-time" });
    json!({
        "operationId": "whoami",
        "summary": "Which accounts are the person's",
        "description": "Each configured source with the person's account there: where the link comes from, what it is \
                        called now, and when the source confirmed that. Without `[[people]]` Ivan is one person's \
                        (`alone`), and nobody has accounts.",
        "parameters": [parameter("actor")],
        "responses": answers(200, "Who the person is", object(json!({
            "message": { "type": "string", "description": "The same in words, with what is missing." },
            "name": { "type": "string" },
            "slack": text(),
            "alone": { "type": "boolean" },
            "accounts": { "type": "array", "items": object(json!({
                "source": schema("Source"),
                "id": text(),
                "name": text(),
                "origin": { "enum": ["bot.toml", "email", "typed", "unlinked", null] },
                "linked_by": text(),
                "linked_at": time(),
                "confirmed_at": time(),
                "gone": { "type": "boolean", "description": "The source shows no such account any more." },
            })) },
        })), &[422]),
    })
}

fn link() -> Value {
    write(
        "link",
        "Make an account the person's",
        "The source confirms it first: the login exists and can be assigned in a mirrored repository; the member is one of \
         the workspace. What is assigned to it is in the person's queue at once. 503 if the source does not answer.",
        body(
            true,
            json!({
                "source": schema("Source"),
                "account": {
                    "type": "string",
                    "minLength": 1,
                    "description": "GitHub login; ClickUp name, e-mail address or member id.",
                },
            }),
            &["source", "account"],
        ),
        &[422, 503],
    )
}

fn unlink() -> Value {
    write(
        "unlink",
        "Take an account off the person",
        "What is assigned to it is not in the person's queue any more. One that bot.toml gives stays.",
        body(true, json!({ "source": schema("Source") }), &["source"]),
        &[422],
    )
}

fn queue() -> Value {
    json!({
        "operationId": "queue",
        "summary": "The queue in order, numbered",
        "description": "Showing binds the numbers: each names its task in a `ref` until the queue is shown again. What is \
                        blocked or snoozed is not in the queue; `filter` asks for that instead, and narrows.",
        "parameters": [parameter("actor"), limit(20), filter()],
        "responses": answers(200, "The first tasks of the queue", object(json!({
            "tasks": { "type": "array", "items": { "allOf": [
                schema("ShownTask"),
                { "type": "object", "properties": {
                    "number": { "type": "integer", "minimum": 1 },
                    "hidden": { "type": "string", "description": "Only there where `filter` asks for what the queue \
                                leaves out: why it does." },
                }, "required": ["number"] },
            ] } },
            "total": { "type": "integer", "minimum": 0, "description": "How many there are, with those that `limit` leaves out." },
            "reason": {
                "enum": ["not_read", "not_linked", "all_wait", "all_snoozed", "all_held_back", "empty", "no_match", null],
                "description": "Why there are none, as in `GET /current`; `no_match`: none fits `filter`. Null where there are \
                                some.",
            },
            "message": { "type": ["string", "null"], "description": "The same as a sentence, unless there simply is nothing \
                         to do." },
        })), &[400, 422]),
    })
}

fn filter() -> Value {
    in_query(
        "filter",
        json!({
            "type": "string",
            "description": "Words with spaces between them, all of which have to hold: `overdue`, `blocked`, `snoozed`, \
                            `clickup`, `github`, or the name of a client. Two sources or two clients mean either.",
        }),
    )
}

fn tasks() -> Value {
    json!({
        "operationId": "listTasks",
        "summary": "Tasks, page by page",
        "description": "Tasks that were deleted, or moved to where nothing is mirrored, are not listed.",
        "parameters": [
            parameter("actor"),
            in_query("status", json!({
                "enum": ["open", "todo", "in_progress", "done", "all"], "default": "open",
            })),
            in_query("source", schema("Source")),
            filter(),
            limit(50),
            in_query("cursor", json!({
                "type": "string", "description": "`next_cursor` of the page before.",
            })),
        ],
        "responses": answers(200, "One page of tasks", object(json!({
            "tasks": { "type": "array", "items": schema("Task") },
            "next_cursor": {
                "type": ["string", "null"], "description": "Where to go on; null on the last page.",
            },
        })), &[400, 422]),
    })
}

fn create() -> Value {
    write(
        "createTask",
        "Create a task",
        "Creates a task in ClickUp or an issue in GitHub. `list` and `repo` place it elsewhere than in the default list \
         or repository; at most one of them.",
        body(
            true,
            json!({
                "title": { "type": "string", "minLength": 1, "description": "One line." },
                "description": { "type": "string" },
                "source": { "anyOf": [schema("Source")], "description": "Default: `queue.default_source`." },
                "entity_id": {
                    "type": "string",
                    "description": "The client it is for: ClickUp tag `client:<entity>`, GitHub title prefix \
                                    `[CLIENT:<entity>] `.",
                },
                "repo": { "type": "string", "pattern": "^[^/]+/[^/]+$", "description": "GitHub `owner/name`." },
                "list": { "type": "string", "description": "ClickUp list id." },
                "assignee": {
                    "type": "string",
                    "description": "Whose it is to be: a name of `[[people]]`, a Slack id, a GitHub login, or `nobody`. \
                                    Default: whoever creates it, as far as their account is known. A source that does \
                                    not assign it says so in `message`.",
                },
            }),
            &["title"],
        ),
        &[422, 502],
    )
}

fn task() -> Value {
    json!({
        "operationId": "getTask",
        "summary": "One task",
        "parameters": [parameter("actor")],
        "responses": answers(200, "The task", schema("Task"), &[400, 404, 422]),
    })
}

fn complete() -> Value {
    write(
        "completeTask",
        "Complete a task",
        "Completes it in its source, with a comment if one is given. Already done there: success, and `conflict`.",
        body(
            false,
            json!({ "comment": { "type": "string", "minLength": 1 } }),
            &[],
        ),
        &[400, 404, 422, 502],
    )
}

fn comment_on() -> Value {
    write(
        "commentOnTask",
        "Comment on a task",
        "Newlines are kept.",
        body(
            true,
            json!({ "text": { "type": "string", "minLength": 1 } }),
            &["text"],
        ),
        &[400, 404, 422, 502],
    )
}

fn operation() -> Value {
    json!({
        "operationId": "getOperation",
        "summary": "What became of a write",
        "responses": answers(200, "The operation", schema("Operation"), &[404]),
    })
}

fn retry() -> Value {
    json!({
        "operationId": "retry",
        "summary": "Try again what is set aside",
        "description": "Takes the id of an operation, or another id that GET /status lists in `set_aside`. An operation \
                        goes on as after any restart: what may have been applied is looked for before it is sent again.",
        "responses": answers(
            200,
            "It is tried again",
            object(json!({
                "success": { "const": true },
                "id": { "type": "string" },
                "message": { "type": "string" },
            })),
            &[404],
        ),
    })
}

fn sync() -> Value {
    let mut responses = answers(
        200,
        "Every source has answered, well or not",
        schema("SyncReport"),
        &[400, 413, 415, 422],
    );
    responses.insert(
        "202".into(),
        answer("It goes on: `wait` is over", schema("SyncReport")),
    );
    json!({
        "operationId": "sync",
        "summary": "Bring the mirror up to date",
        "description": "Asks every source what changed since it was last asked; with `full`, for everything.",
        "parameters": [in_query("wait", wait(60))],
        "requestBody": body(false, json!({ "full": { "type": "boolean", "default": false } }), &[]),
        "responses": responses,
    })
}

fn status() -> Value {
    json!({
        "operationId": "status",
        "summary": "Connections, last synchronisation, queued operations",
        "responses": answers(200, "The daemon's health", schema("Status"), &[]),
    })
}

fn healthz() -> Value {
    json!({
        "operationId": "healthz",
        "summary": "The process answers",
        "security": [],
        "responses": { "200": answer("It does", object(json!({ "status": { "const": "ok" } }))) },
    })
}

fn readyz() -> Value {
    json!({
        "operationId": "readyz",
        "summary": "Ready to take commands",
        "description": "Ready: the store takes writes and Slack, where configured, is connected. Sources are reported and \
                        hold nothing back.",
        "security": [],
        "responses": {
            "200": answer("Ready", schema("Readiness")),
            "503": {
                "description": "Not ready; the document has the members of the ready answer too",
                "content": { PROBLEM_JSON: { "schema": {
                    "allOf": [schema("Problem"), schema("Readiness")],
                } } },
            },
        },
    })
}

fn metrics() -> Value {
    let mut responses = answers(200, "What was counted", json!({}), &[]);
    responses.insert(
        "200".into(),
        json!({
            "description": "Prometheus' text format",
            "content": { "text/plain": { "schema": { "type": "string" } } },
        }),
    );
    json!({
        "operationId": "metrics",
        "summary": "What was counted and measured, for Prometheus",
        "responses": responses,
    })
}

fn describe() -> Value {
    json!({
        "operationId": "openapi",
        "summary": "This document",
        "responses": answers(200, "OpenAPI 3.1", json!({ "type": "object" }), &[]),
    })
}

// ---------------------------------------------------------------- their parts

/// A write: who acts, how long to wait, once, and the one shape of answer.
fn write(id: &str, summary: &str, description: &str, body: Value, problems: &[u16]) -> Value {
    let problems = [&[400, 413, 415], problems].concat();
    let mut responses = answers(
        200,
        "It is so in the source now",
        schema("Answer"),
        &problems,
    );
    responses.insert(
        "202".into(),
        answer("Durable, and not yet taken by the source", schema("Answer")),
    );
    json!({
        "operationId": id,
        "summary": summary,
        "description": description,
        "parameters": [parameter("actor"), parameter("idempotency_key"), in_query("wait", wait(10))],
        "requestBody": body,
        "responses": responses,
    })
}

/// The good answer, the given problems, and those that every path with a token may have.
fn answers(status: u16, description: &str, schema: Value, problems: &[u16]) -> Map<String, Value> {
    let mut answers = Map::new();
    answers.insert(status.to_string(), answer(description, schema));
    for problem in [&[401, 503], problems].concat() {
        let name = format!("#/components/responses/{problem}");
        answers.insert(problem.to_string(), json!({ "$ref": name }));
    }
    answers
}

fn answer(description: &str, schema: Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn body(required: bool, properties: Value, wanted: &[&str]) -> Value {
    json!({
        "required": required,
        "content": { "application/json": { "schema": {
            "type": "object",
            "properties": properties,
            "required": wanted,
            "additionalProperties": false,
        } } },
    })
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn parameter(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

fn in_query(name: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "schema": schema })
}

fn wait(default: u64) -> Value {
    json!({
        "type": "integer",
        "minimum": 0,
        "default": default,
        "description": format!(
            "Seconds to wait for the outcome before 202; more than {} are {0}.",
            WAIT_MAX.as_secs()
        ),
    })
}

fn limit(default: u64) -> Value {
    in_query(
        "limit",
        json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": default }),
    )
}

fn parameters() -> Value {
    json!({
        "actor": {
            "name": "X-Ivan-Actor",
            "in": "header",
            "schema": { "type": "string" },
            "description": "Who acts: a name of `[[people]]`, a Slack id or a GitHub login. Needed where several people \
                            are configured and no `api.default_person`.",
        },
        "idempotency_key": {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": { "type": "string", "maxLength": 255 },
            "description": "The same key with the same request is the same operation; with another request it is \
                            refused.",
        },
        "task_id": {
            "name": "task_id",
            "in": "path",
            "required": true,
            "schema": schema("TaskId"),
            "description": "Percent-encoded: `github:acme%2Fwidgets%237`.",
        },
        "operation_id": {
            "name": "operation_id",
            "in": "path",
            "required": true,
            "schema": { "type": "string" },
        },
    })
}

/// One response for each status that a problem can have, with what it may mean.
fn responses() -> Value {
    let mut responses: Map<String, Value> = Map::new();
    for kind in Kind::ALL {
        let status = kind.status().as_u16().to_string();
        let meaning = format!("{} (`{}`)", kind.title(), kind.uri());
        let response = responses.entry(status).or_insert_with(|| {
            json!({
                "description": "",
                "content": { PROBLEM_JSON: { "schema": schema("Problem") } },
            })
        });
        let description = match response.get("description").and_then(Value::as_str) {
            Some(others) if !others.is_empty() => format!("{others}; {meaning}"),
            _ => meaning,
        };
        if let Some(response) = response.as_object_mut() {
            response.insert("description".into(), json!(description));
        }
    }
    Value::Object(responses)
}

// ---------------------------------------------------------------- schemas

/// An object that always has all of these.
fn object(properties: Value) -> Value {
    let required: Vec<&String> = properties
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

/// Like [`object`], with optional members besides.
fn object_with(optional: Value, always: Value) -> Value {
    let mut schema = object(always);
    if let (Some(all), Value::Object(optional)) = (
        schema.get_mut("properties").and_then(Value::as_object_mut),
        optional,
    ) {
        all.extend(optional);
    }
    schema
}

fn maybe(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn maybe_time() -> Value {
    json!({ "type": ["string", "null"], "format": "date-time" })
}

fn maybe_schema(name: &str) -> Value {
    json!({ "anyOf": [schema(name), { "type": "null" }] })
}

fn schemas() -> Value {
    json!({
        "TaskId": {
            "type": "string",
            "description": "`clickup:<id>`, `github:<owner>/<repo>#<number>`, or `github:<number>` for the default \
                            repository.",
            "examples": ["clickup:86tst0001", "github:acme/widgets#7"],
        },
        "Ref": {
            "type": "string",
            "description": "A number of the queue as last shown, `#12` for an issue of the default repository, a task \
                            id, or the address of a task's page.",
            "examples": ["2", "#12", "clickup:86tst0001"],
        },
        "When": {
            "type": "string",
            "description": format!(
                "{WHEN_HELP}, in the person's time zone; or an RFC 3339 time. Ahead, and within a year."
            ),
            "examples": ["2h", "tomorrow 14:00", "mon", "2026-12-01T10:00:00+01:00"],
        },
        "Source": { "type": "string", "enum": ["clickup", "github"] },
        "Problem": problem(),
        "Task": task_schema(),
        "ShownTask": shown_task(),
        "NextTask": object(json!({
            "task_id": schema("TaskId"),
            "title": { "type": "string" },
            "url": { "type": "string", "format": "uri" },
            "source": schema("Source"),
        })),
        "Answer": answer_schema(),
        "Operation": operation_schema(),
        "LogEntry": log_entry(),
        "Rhythm": object(json!({
            "message": { "type": "string" },
            "briefing": { "type": ["string", "null"], "examples": ["08:30"] },
            "next_briefing": maybe_time(),
            "quiet": { "type": ["string", "null"], "examples": ["20:00-08:00"] },
            "own": object(json!({
                "briefing": { "type": "boolean", "description": "They have chosen it themselves; else it is `slack.briefing`." },
                "quiet": { "type": "boolean", "description": "They have chosen it themselves; else it is `slack.quiet`." },
            })),
            "zone": { "type": "string", "description": "The person's, as Slack last told it.", "examples": ["Europe/Madrid"] },
            "held": { "type": "integer", "minimum": 0, "description": "Notices that wait for the end of quiet hours." },
        })),
        "Receipts": object(json!({
            "message": { "type": "string" },
            "receipts": { "enum": ["message", "reactions"] },
            "own": { "type": "boolean", "description": "They have chosen it themselves; else it is `slack.receipts`." },
        })),
        "SyncReport": sync_report(),
        "Status": status_schema(),
        "Readiness": readiness(),
    })
}

fn problem() -> Value {
    object_with(
        json!({
            "success": { "const": false, "description": "Of a write that its source refused." },
            "operation_id": maybe("string"),
            "task_id": maybe_schema("TaskId"),
            "current_state": maybe("string"),
        }),
        json!({
            "type": { "type": "string", "format": "uri", "description": "A name to compare with." },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "What is wrong, and what to do next." },
        }),
    )
}

fn task_schema() -> Value {
    let snoozed_until = json!({
        "type": "string",
        "format": "date-time",
        "description": "Of one task that was asked for, while whoever asks has put it off.",
    });
    object_with(
        json!({ "snoozed_until": snoozed_until }),
        json!({
            "task_id": maybe_schema("TaskId"),
            "source": maybe_schema("Source"),
            "source_id": { "type": ["string", "null"], "description": "ClickUp's task id; GitHub's issue number." },
            "title": maybe("string"),
            "status": { "enum": ["todo", "in_progress", "done", null] },
            "url": { "type": ["string", "null"], "format": "uri" },
            "assignees": { "type": ["array", "null"], "items": { "type": "string" } },
            "due": maybe_time(),
            "due_day": {
                "type": ["string", "null"],
                "format": "date",
                "description": "The day, where it is due on a day and at no time of it: the same for everybody. ClickUp \
                                keeps such a day as 04:00 where it was set, which is what `due` says.",
            },
            "priority": { "enum": ["urgent", "high", "normal", "low", null] },
            "entity": maybe("string"),
            "score": maybe("integer"),
            "updated_at": maybe_time(),
            "last_activity": maybe_time(),
        }),
    )
}

fn shown_task() -> Value {
    json!({ "allOf": [schema("Task"), object(json!({
        "source_status": { "type": ["string", "null"], "description": "The source's own word for `status`." },
        "reasons": {
            "type": ["array", "null"],
            "description": "What earned the points of `score`; they add up to it.",
            "items": object(json!({
                "reason": { "type": "string" },
                "points": { "type": "integer" },
            })),
        },
    }))] })
}

fn answer_schema() -> Value {
    object_with(
        json!({ "queued": {
            "const": true,
            "description": "The source has not taken it yet; GET /operations/{operation_id} says what becomes of it.",
        } }),
        json!({
            "success": { "type": "boolean", "description": "It is so in the source now; false while queued." },
            "message": { "type": "string" },
            "completed_task_id": maybe_schema("TaskId"),
            "conflict": { "type": "boolean", "description": "It already was so, by another hand." },
            "current_state": { "type": ["string", "null"], "description": "The source's own word." },
            "operation_id": maybe("string"),
            "task_id": maybe_schema("TaskId"),
            "next_task": maybe_schema("NextTask"),
        }),
    )
}

fn operation_schema() -> Value {
    object(json!({
        "operation_id": { "type": "string" },
        "kind": { "type": "string", "examples": ["complete", "comment", "create", "start", "reopen", "undo"] },
        "source": schema("Source"),
        "task_id": maybe_schema("TaskId"),
        "state": {
            "type": "string",
            "examples": [
                "pending", "in_flight", "applied", "already_so", "overtaken", "refused", "given_up", "cancelled",
                "set_aside",
            ],
        },
        "attempts": { "type": "integer", "minimum": 0 },
        "created_at": { "type": "string", "format": "date-time" },
        "next_attempt_at": maybe_time(),
        "detail": maybe("string"),
        "answer": maybe_schema("Answer"),
    }))
}

fn log_entry() -> Value {
    object(json!({
        "id": { "type": "integer", "minimum": 1, "description": "Counts what was written down." },
        "at": {
            "type": "string",
            "format": "date-time",
            "description": "When it was asked for; of what was done in a source, by its clock.",
        },
        "person": { "type": ["string", "null"], "description": "Whoever of `[[people]]` it was." },
        "account": { "type": ["string", "null"], "description": "Who did it to the source, where it was done there." },
        "surface": {
            "type": "string",
            "enum": [
                "dm", "channel", "button", "reaction", "slash", "form", "http", "cli", "slack", "clickup", "github",
            ],
        },
        "verb": {
            "type": "string",
            "examples": ["done", "comment", "create", "start", "snooze", "reopen", "undo", "completed", "commented", "rescheduled",
                         "prioritized", "renamed", "deleted"],
        },
        "outcome": { "type": "string", "enum": ["done", "already_so", "refused", "given_up", "taken_back"] },
        "source": maybe_schema("Source"),
        "task_id": maybe_schema("TaskId"),
        "title": { "type": "string" },
        "url": { "type": "string" },
        "before": { "type": ["string", "null"], "description": "In the source's words." },
        "after": { "type": ["string", "null"], "description": "In the source's words; of a snooze, until when; of a due date, an RFC 3339 time or a day." },
        "text": { "type": ["string", "null"], "description": "What was said, cut after 300 characters." },
        "detail": { "type": ["string", "null"], "description": "Why it came to nothing." },
    }))
}

fn sync_report() -> Value {
    object_with(
        json!({ "queued": { "const": true, "description": "It goes on." } }),
        json!({ "sources": {
            "type": "object",
            "propertyNames": schema("Source"),
            "additionalProperties": object(json!({
                "changed": { "type": "integer", "minimum": 0 },
                "error": maybe("string"),
            })),
        } }),
    )
}

fn status_schema() -> Value {
    object(json!({
        "version": { "type": "string" },
        "now": { "type": "string", "format": "date-time" },
        "store": object(json!({ "writable": { "type": "boolean" } })),
        "slack": { "anyOf": [
            { "type": "null" },
            object(json!({
                "state": slack_state(),
                "detail": maybe("string"),
                "other_links": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Links of the Slack app that are not held here: another daemon's, perhaps.",
                },
                "missing_scopes": {
                    "type": "array",
                    "description": "Scopes that the Slack app has not, and that something configured needs.",
                    "items": object(json!({
                        "scope": { "type": "string" },
                        "without": { "type": "string", "description": "What does not work." },
                    })),
                },
            })),
        ] },
        "sources": {
            "type": "object",
            "propertyNames": schema("Source"),
            "additionalProperties": object(json!({
                "last_sync": maybe_time(),
                "error": maybe("string"),
                "tasks": { "type": "integer", "minimum": 0 },
                "archived": {
                    "type": "array",
                    "description": "The lists or repositories that are archived there: their tasks are not offered.",
                    "items": { "type": "string" },
                },
            })),
        },
        "queued_operations": { "type": "integer", "minimum": 0 },
        "set_aside": {
            "type": "array",
            "description": "Work that was under way at two ends of the process and is not begun any more.",
            "items": object(json!({
                "id": { "type": "string", "examples": ["message-12", "01KDVZBG003YBZ0GX3ZV3RB6R9"] },
                "kind": {
                    "type": "string",
                    "examples": [
                        "message", "delivery", "operation", "post", "reaction", "home", "history", "briefing", "poll",
                        "comments", "webhooks", "payloads",
                    ],
                },
                "about": { "type": "string" },
                "ends": { "type": "integer", "minimum": 2 },
                "since": { "type": "string", "format": "date-time" },
                "next_attempt_at": maybe_time(),
            })),
        },
    }))
}

fn readiness() -> Value {
    object(json!({
        "ready": { "type": "boolean" },
        "store": { "enum": ["writable", "not writable"] },
        "slack": { "anyOf": [{ "type": "null" }, slack_state()] },
        "sources": {
            "type": "object",
            "propertyNames": schema("Source"),
            "additionalProperties": object(json!({
                "synced": { "type": "boolean", "description": "Its first synchronisation is done." },
                "ok": { "type": "boolean", "description": "Its last one had no error." },
            })),
        },
    }))
}

fn slack_state() -> Value {
    json!({ "enum": ["connecting", "connected", "trouble"] })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::api;

    const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

    fn operations(document: &Value) -> Vec<(String, String, Value)> {
        let paths = document["paths"].as_object().unwrap();
        let of_path = |(path, item): (&String, &Value)| {
            let members = item.as_object().unwrap().clone().into_iter();
            let path = path.clone();
            members
                .filter(|(name, _)| METHODS.contains(&name.as_str()))
                .map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
                .collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    }

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let described: BTreeSet<(String, String)> = operations(&document("1"))
            .into_iter()
            .map(|(method, path, _)| (method, path))
            .collect();
        let routed: BTreeSet<(String, String)> = api::routes()
            .iter()
            .map(|route| (route.method.to_string(), route.path.to_owned()))
            .collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut BTreeSet<String>) {
            match value {
                Value::Object(members) => {
                    if let Some(Value::String(to)) = members.get("$ref") {
                        found.insert(to.clone());
                    }
                    members
                        .values()
                        .for_each(|member| references(member, found));
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = document("1");
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 10, "{found:?}");
        for to in found {
            let pointer = to.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{to}");
        }
    }

    #[test]
    fn the_parameters_of_a_path_are_declared() {
        let document = document("1");
        for (path, item) in document["paths"].as_object().unwrap() {
            let named: Vec<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
            let declared = item["parameters"].as_array().map_or(0, Vec::len);
            assert_eq!(declared, named.len(), "{path}");
            for name in named {
                let reference = parameter(name);
                assert!(
                    item["parameters"].as_array().unwrap().contains(&reference),
                    "{path}"
                );
            }
        }
    }

    #[test]
    fn operations_have_ids_of_their_own_and_only_the_probes_need_no_token() {
        let document = document("1");
        let operations = operations(&document);
        let ids: BTreeSet<&str> = operations
            .iter()
            .map(|(_, _, operation)| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), operations.len());
        let open: Vec<&str> = operations
            .iter()
            .filter(|(_, _, operation)| operation.get("security").is_some())
            .map(|(_, path, _)| path.as_str())
            .collect();
        assert_eq!(open, ["/healthz", "/readyz"]);
    }
}
