//! The JSON of successful answers, a struct for each, which `GET /openapi.json` describes.
//!
//! A field without a known value is `null`, not absent; the exceptions are those with `skip_serializing_if`.

mod health;
mod logins;
mod people;
mod stats;
mod tasks;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{SyncOutcome, schemas};
use crate::commands::{OperationView, Report, ReportState, Scored, TaskBrief};
use crate::domain::task::{Source, Task, TaskId};

pub use health::{Alive, Readiness, SlackState, StatusAnswer};
pub use logins::{LoginAnswer, LoginStateAnswer, LogoutAnswer, PageLinkAnswer};
pub use people::{LogAnswer, PeopleAnswer, ReceiptsAnswer, ScheduleAnswer, WhoamiAnswer};
pub use stats::StatsAnswer;
pub use tasks::{
    BriefingAnswer, CurrentJson, FoundAnswer, QueueAnswer, TaskJson, TaskPageAnswer, WhyAnswer,
};

/// The answer to every write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Answer)]
pub struct WriteAnswer {
    /// Whether the source has it now; false while queued.
    pub success: bool,
    /// The result, as plain text.
    pub message: String,
    /// The task, if the command asked to complete it and it is complete; else `null`.
    pub completed_task_id: Option<TaskId>,
    /// Whether another author had done it already.
    pub conflict: bool,
    /// The source's own word for the task's status.
    pub current_state: Option<String>,
    /// A ULID; `null` if nothing is sent to a source.
    pub operation_id: Option<String>,
    /// The task of the command; `null` if it has none, or none yet.
    pub task_id: Option<TaskId>,
    /// The page of the task that the command created. Present only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uri")]
    pub url: Option<String>,
    /// The new current task; `null` if the command did not move on, or the queue is empty.
    pub next_task: Option<NextTask>,
    /// Stored, and not accepted by the source yet: 202. Present only when true.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(schema_with = schemas::queued)]
    pub queued: bool,
    /// The results of a command for several tasks, in the order of the tasks. Present only then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub results: Vec<PartAnswer>,
    /// Nothing is done yet: the `id` for `POST /confirm`. Present only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    pub confirm: Option<String>,
}

/// The result for one of several tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Result)]
pub struct PartAnswer {
    /// Whether the source has it now; false while queued.
    pub success: bool,
    /// The result, as plain text.
    pub message: String,
    /// Whether another author had done it already.
    pub conflict: bool,
    /// The source's own word for the task's status.
    pub current_state: Option<String>,
    /// A ULID; `null` if nothing is sent to a source.
    pub operation_id: Option<String>,
    /// The task; `null` if it was never read.
    pub task_id: Option<TaskId>,
    /// Whether it is stored, and not accepted by the source yet.
    pub queued: bool,
}

impl From<&Report> for PartAnswer {
    fn from(report: &Report) -> PartAnswer {
        PartAnswer {
            success: report.state == ReportState::Done,
            message: report.message.plain(),
            conflict: report.conflict,
            current_state: report.current_state.clone(),
            operation_id: report.operation_id.clone(),
            task_id: report.task.as_ref().map(|task| task.task_id.clone()),
            queued: is_queued(report),
        }
    }
}

fn is_queued(report: &Report) -> bool {
    matches!(report.state, ReportState::Queued | ReportState::SetAside)
}

/// A task by its name and URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NextTask {
    /// The id for a path or a `ref`.
    pub task_id: TaskId,
    /// The title in the source.
    pub title: String,
    /// The task's page in the source.
    #[schema(format = "uri")]
    pub url: String,
    /// The source that holds the task.
    pub source: Source,
}

impl WriteAnswer {
    pub(super) fn of(report: &Report) -> WriteAnswer {
        let task_id = report.task.as_ref().map(|task| task.task_id.clone());
        WriteAnswer {
            success: report.state == ReportState::Done,
            message: report.message.plain(),
            completed_task_id: task_id.clone().filter(|_| report.completed),
            conflict: report.conflict,
            current_state: report.current_state.clone(),
            operation_id: report.operation_id.clone(),
            task_id,
            url: None,
            next_task: report.next.as_ref().map(NextTask::from),
            queued: is_queued(report),
            results: report.parts.iter().map(PartAnswer::from).collect(),
            confirm: None,
        }
    }

    /// The answer to a command that sent nothing to a source.
    pub(super) fn moved(message: String, current: Option<&Scored>) -> WriteAnswer {
        WriteAnswer {
            success: true,
            message,
            completed_task_id: None,
            conflict: false,
            current_state: None,
            operation_id: None,
            task_id: None,
            url: None,
            next_task: current.map(|scored| NextTask::from(&scored.task)),
            queued: false,
            results: Vec::new(),
            confirm: None,
        }
    }

    /// The question of a command before it acts on many tasks.
    pub(super) fn asked(message: String, id: String) -> WriteAnswer {
        WriteAnswer {
            success: false,
            confirm: Some(id),
            ..WriteAnswer::moved(message, None)
        }
    }
}

impl From<&TaskBrief> for NextTask {
    fn from(brief: &TaskBrief) -> NextTask {
        NextTask {
            task_id: brief.task_id.clone(),
            title: brief.title.clone(),
            url: brief.url.clone(),
            source: brief.source,
        }
    }
}

impl From<&Task> for NextTask {
    fn from(task: &Task) -> NextTask {
        NextTask {
            task_id: task.id.clone(),
            title: task.title.clone(),
            url: task.url.clone(),
            source: task.key.source(),
        }
    }
}

/// An operation: one write to a source.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
pub struct OperationAnswer {
    /// A ULID.
    pub operation_id: String,
    /// The kind of write.
    #[schema(examples("complete", "comment", "create", "start", "reopen", "undo"))]
    pub kind: String,
    /// The source that it writes to.
    pub source: Source,
    /// Its task; `null` for a creation without an outcome, and for a task that is not mirrored.
    #[schema(value_type = Option<TaskId>)]
    pub task_id: Option<String>,
    /// The final ones are `applied`, `already_so`, `overtaken`, `refused`, `given_up` and `cancelled`.
    #[schema(examples(
        "pending",
        "in_flight",
        "applied",
        "already_so",
        "overtaken",
        "refused",
        "given_up",
        "cancelled",
        "set_aside"
    ))]
    pub state: String,
    /// The number of attempts so far, without one under way.
    #[schema(minimum = 0)]
    pub attempts: i64,
    /// When the command was accepted, UTC.
    pub created_at: DateTime<Utc>,
    /// No attempt before this time, UTC; `null` if any time is right, and after the end.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The last failure.
    pub detail: Option<String>,
    /// The answer to its command, as far as it is known.
    pub answer: Option<WriteAnswer>,
}

impl From<OperationView> for OperationAnswer {
    fn from(view: OperationView) -> OperationAnswer {
        OperationAnswer {
            operation_id: view.id,
            kind: view.kind,
            source: view.source,
            task_id: view.task_id,
            state: view.state,
            attempts: view.attempts,
            created_at: view.created_at,
            next_attempt_at: view.next_attempt_at,
            detail: view.detail,
            answer: view.report.as_ref().map(WriteAnswer::of),
        }
    }
}

/// Work that is tried again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Retried {
    /// Always true; an error is a problem document.
    #[schema(schema_with = schemas::succeeded)]
    pub success: bool,
    /// The id from the path.
    pub id: String,
    /// The result, as plain text.
    pub message: String,
}

/// The result of a synchronization, by source.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct SyncReport {
    /// The result of each configured source; empty while the sync runs on.
    pub sources: BTreeMap<Source, SyncOutcome>,
    /// True if the sync runs on after the wait: 202. Present only when true.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(schema_with = schemas::goes_on)]
    pub queued: bool,
}
