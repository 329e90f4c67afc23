//! The handlers of the routes that write: a body → a `Command`, its outcome → an answer or a [`Problem`].

#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::answers::{Answered, ReceiptsAnswer, Rhythm};
use super::problem::{Extension, FailedWrite, Kind, Problem};
use super::request::{Sent, TaskPath, WRITE_WAIT};
use crate::commands::{Answer, Asked, Report, ReportState, RhythmChange};
use crate::domain::command::Ref;
use crate::domain::operation::Refusal;
use crate::verbs::quiet::QuietChange;
use crate::verbs::{self, Command, Row};

/// `POST /{verb}`.
pub(super) async fn ask(
    State(api): State<Api>,
    sent: Sent,
    row: &'static Row,
) -> Result<Response, Problem> {
    let command = sent.command(row)?;
    write(&api, sent, command).await
}

/// `POST /tasks/{task_id}/{verb}`: the path names the task, so the body must not.
pub(super) async fn ask_about(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
    row: &'static Row,
) -> Result<Response, Problem> {
    let command = sent.command_about(row, Ref::Id(id))?;
    write(&api, sent, command).await
}

pub(super) async fn briefing(State(api): State<Api>, sent: Sent) -> Result<Json<Rhythm>, Problem> {
    let verbs::Briefing { at } = sent.json()?;
    change_rhythm(&api, &sent, at.map(RhythmChange::from)).await
}

pub(super) async fn quiet(State(api): State<Api>, sent: Sent) -> Result<Json<Rhythm>, Problem> {
    let verbs::Quiet { change } = sent.json()?;
    let change = match change {
        Some(QuietChange::Hours(hours)) => RhythmChange::Quiet(Some(hours)),
        Some(QuietChange::Off) => RhythmChange::Quiet(None),
        // A body has no others.
        _ => RhythmChange::UsualQuiet,
    };
    change_rhythm(&api, &sent, Some(change)).await
}

/// It is idempotent.
async fn change_rhythm(
    api: &Api,
    sent: &Sent,
    change: Option<RhythmChange>,
) -> Result<Json<Rhythm>, Problem> {
    let person = api.commands.who(sent.actor.as_deref()).await?;
    Ok(Json(api.commands.rhythm(&person, change).await?.into()))
}

pub(super) async fn set_receipts(
    State(api): State<Api>,
    sent: Sent,
) -> Result<Json<ReceiptsAnswer>, Problem> {
    let verbs::Receipts { by } = sent.json()?;
    let person = api.commands.who(sent.actor.as_deref()).await?;
    Ok(Json(api.commands.receipts(&person, by).await?.into()))
}

/// Runs a command and waits for its outcome.
async fn write(api: &Api, sent: Sent, command: Command) -> Result<Response, Problem> {
    let person = api.commands.who(sent.actor.as_deref()).await?;
    let once = sent.once(&person);
    let creates = matches!(command, Command::Create(_));
    let asked = Asked {
        person,
        command,
        once,
        via: sent.via,
    };
    let (command, operation_id) = match api.commands.ask(asked).await? {
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
        report = api.commands.outcome(command, wait) => report?,
        () = sent.stopping() => api.commands.outcome(command, Duration::ZERO).await?,
    };
    report.operation_id.get_or_insert(operation_id);
    answer(&report, creates)
}

/// The answer to a report: 200 with an outcome, 202 queued, else a problem. `creates`: the command names no task.
fn answer(report: &Report, creates: bool) -> Result<Response, Problem> {
    let answered = Answered::of(report);
    let kind = match &report.state {
        ReportState::Done => return Ok(Json(answered).into_response()),
        ReportState::Queued | ReportState::SetAside => {
            return Ok((StatusCode::ACCEPTED, Json(answered)).into_response());
        }
        ReportState::Refused(Refusal::Gone) => Kind::Gone,
        ReportState::Refused(Refusal::Changed) => Kind::Changed,
        // It was never mirrored, and its source has no such task, or hides it.
        ReportState::Refused(Refusal::Invisible) if report.task.is_none() && !creates => {
            Kind::UnknownTask
        }
        ReportState::Refused(Refusal::Invisible | Refusal::NotMirrored | Refusal::Other) => {
            Kind::SourceRefused
        }
        ReportState::GivenUp => Kind::GivenUp,
    };
    let failed = FailedWrite {
        success: false,
        operation_id: answered.operation_id,
        task_id: answered.task_id,
        current_state: answered.current_state,
    };
    Err(Problem::new(kind, answered.message).with(Extension::Write(failed)))
}
