//! The handlers of the routes that write: a body → a `Command`, its outcome → an answer or a [`Problem`].

#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::ApiState;
use super::answers::{ReceiptsAnswer, ScheduleAnswer, WriteAnswer};
use super::problem::{Extension, FailedWrite, Problem, ProblemKind};
use super::request::{TaskPath, WRITE_WAIT, WriteRequest};
use crate::commands::{CommandAnswer, CommandRequest, Report, ReportState, ScheduleChange};
use crate::domain::command::Ref;
use crate::domain::operation::Refusal;
use crate::verbs::quiet::QuietChange;
use crate::verbs::{self, Command, Row};

/// `POST /{verb}`.
pub(super) async fn ask(
    State(api): State<ApiState>,
    sent: WriteRequest,
    row: &'static Row,
) -> Result<Response, Problem> {
    let command = sent.command(row)?;
    write(&api, sent, command).await
}

/// `POST /tasks/{task_id}/{verb}`: the path names the task, so the body must not.
pub(super) async fn ask_about(
    State(api): State<ApiState>,
    TaskPath(id): TaskPath,
    sent: WriteRequest,
    row: &'static Row,
) -> Result<Response, Problem> {
    let command = sent.command_about(row, Ref::Id(id))?;
    write(&api, sent, command).await
}

pub(super) async fn briefing(
    State(api): State<ApiState>,
    sent: WriteRequest,
) -> Result<Json<ScheduleAnswer>, Problem> {
    let verbs::Briefing { at } = sent.json()?;
    change_rhythm(&api, &sent, at.map(ScheduleChange::from)).await
}

pub(super) async fn quiet(
    State(api): State<ApiState>,
    sent: WriteRequest,
) -> Result<Json<ScheduleAnswer>, Problem> {
    let verbs::Quiet { change } = sent.json()?;
    let change = match change {
        Some(QuietChange::Hours(hours)) => ScheduleChange::Quiet(Some(hours)),
        Some(QuietChange::Off) => ScheduleChange::Quiet(None),
        // A body has no others.
        _ => ScheduleChange::UsualQuiet,
    };
    change_rhythm(&api, &sent, Some(change)).await
}

/// It is idempotent.
async fn change_rhythm(
    api: &ApiState,
    sent: &WriteRequest,
    change: Option<ScheduleChange>,
) -> Result<Json<ScheduleAnswer>, Problem> {
    let person = api.who(&sent.caller).await?;
    Ok(Json(api.commands.rhythm(&person, change).await?.into()))
}

pub(super) async fn set_receipts(
    State(api): State<ApiState>,
    sent: WriteRequest,
) -> Result<Json<ReceiptsAnswer>, Problem> {
    let verbs::Receipts { by } = sent.json()?;
    let person = api.who(&sent.caller).await?;
    Ok(Json(api.commands.receipts(&person, by).await?.into()))
}

/// Runs a command and waits for its outcome.
async fn write(api: &ApiState, sent: WriteRequest, command: Command) -> Result<Response, Problem> {
    let person = api.who(&sent.caller).await?;
    let once = sent.once(&person);
    let creates = matches!(command, Command::Create(_));
    let asked = CommandRequest {
        person,
        command,
        once,
        via: sent.caller.grant.via,
        token: sent.caller.grant.name.clone(),
    };
    let (command, operation_id) = match api.commands.ask(asked).await? {
        CommandAnswer::Accepted {
            command,
            operation_id,
        } => (command, operation_id),
        CommandAnswer::Moved { message, current } => {
            return Ok(
                Json(WriteAnswer::moved(message.plain(), current.as_deref())).into_response(),
            );
        }
        CommandAnswer::Asked { message, id } => {
            return Ok(Json(WriteAnswer::asked(message.plain(), id)).into_response());
        }
        CommandAnswer::Settled(report) => return answer(&report, creates),
    };
    let wait = sent.wait.unwrap_or(WRITE_WAIT);
    let mut report = tokio::select! {
        report = api.commands.outcome(command, wait) => report?,
        () = sent.stopping() => api.commands.outcome(command, Duration::ZERO).await?,
    };
    if report.parts.is_empty() {
        report.operation_id.get_or_insert(operation_id);
    }
    answer(&report, creates)
}

/// The answer to a report: 200 with an outcome, 202 queued, else a problem. `creates`: the command names no task. That of
/// several tasks has a result for each, so it is no problem.
fn answer(report: &Report, creates: bool) -> Result<Response, Problem> {
    let created = report.task.as_ref().filter(|_| creates);
    let answered = WriteAnswer {
        url: created.map(|task| task.url.clone()),
        ..WriteAnswer::of(report)
    };
    let kind = match &report.state {
        ReportState::Done => return Ok(Json(answered).into_response()),
        ReportState::Queued | ReportState::SetAside => {
            return Ok((StatusCode::ACCEPTED, Json(answered)).into_response());
        }
        _ if !report.parts.is_empty() => return Ok(Json(answered).into_response()),
        ReportState::Refused(Refusal::Gone) => ProblemKind::Gone,
        ReportState::Refused(Refusal::Changed) => ProblemKind::Changed,
        // It was never mirrored, and its source has no such task, or hides it.
        ReportState::Refused(Refusal::Invisible) if report.task.is_none() && !creates => {
            ProblemKind::UnknownTask
        }
        ReportState::Refused(Refusal::Invisible | Refusal::NotMirrored | Refusal::Other) => {
            ProblemKind::SourceRefused
        }
        ReportState::GivenUp => ProblemKind::GivenUp,
    };
    let failed = FailedWrite {
        success: false,
        operation_id: answered.operation_id,
        task_id: answered.task_id,
        current_state: answered.current_state,
    };
    Err(Problem::new(kind, answered.message).with(Extension::Write(failed)))
}
