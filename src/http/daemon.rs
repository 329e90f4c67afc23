//! The handlers about the daemon itself: operations, synchronization, health, and its description.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{Alive, OperationAnswer, Readiness, Retried, StatusAnswer, SyncReport};
use super::problem::{Extension, Problem, ProblemKind};
use super::request::{Caller, SYNC_WAIT, WriteRequest};
use super::{ApiState, SYNCS_MAX, metrics};
use crate::commands::HealthView;
use crate::domain::set_aside;
use crate::limits::Limit;

pub(super) async fn operation(
    State(api): State<ApiState>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<OperationAnswer>, Problem> {
    let unknown = || {
        Problem::new(
            ProblemKind::UnknownOperation,
            "No operation has this id. Operations are kept for store.retention after their outcome",
        )
    };
    let Path(id) = path.map_err(|_| unknown())?;
    // A token of one person shows that person's operations.
    let of = match &caller.grant.person {
        Some(_) => Some(api.who(&caller).await?.id),
        None => None,
    };
    let view = api.commands.operation(&id, of).await?.ok_or_else(unknown)?;
    Ok(Json(view.into()))
}

/// Retries set-aside work: an operation, or another id that `GET /status` lists.
pub(super) async fn retry(
    State(api): State<ApiState>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Retried>, Problem> {
    let unknown = |id: &str| {
        Problem::new(
            ProblemKind::UnknownOperation,
            set_aside::nothing_set_aside(id).plain(),
        )
    };
    caller.grant.of_any()?;
    let Path(id) = path.map_err(|_| unknown(""))?;
    let words = api.commands.retry(&id).await?.ok_or_else(|| unknown(&id))?;
    let message = words.plain();
    let message = message.strip_prefix("✓ ").unwrap_or(&message);
    Ok(Json(Retried {
        success: true,
        message: message.to_owned(),
        id,
    }))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SyncBody {
    /// Read everything, not only changes.
    #[schema(default = false)]
    full: Option<bool>,
}

pub(super) async fn sync(
    State(api): State<ApiState>,
    sent: WriteRequest,
) -> Result<Response, Problem> {
    let body: SyncBody = sent.json_or_default()?;
    let full = body.full.unwrap_or(false);
    let slot = api.syncs.clone().try_acquire_owned().map_err(|_| {
        Limit::Syncs.reached(format_args!(
            "{SYNCS_MAX} syncs are running; another one is answered 503"
        ));
        Problem::new(
            ProblemKind::Busy,
            "Several syncs are already running. Wait for them and try again",
        )
    })?;
    let synchronize = api.sync.clone();
    // A task of its own: it continues when the wait is over, or when the client is gone.
    let running = tokio::spawn(async move {
        let sources = synchronize.sync(full).await;
        drop(slot);
        sources
    });
    let waited = sent.until(SYNC_WAIT);
    tokio::select! {
        biased;
        sources = running => match sources {
            Ok(sources) => {
                let report = SyncReport { sources, queued: false };
                Ok(Json(report).into_response())
            }
            Err(error) => {
                tracing::error!(%error, "sync panicked");
                Err(Problem::new(
                    ProblemKind::Defect,
                    "The sync failed with an internal error; see the log",
                ))
            }
        },
        () = waited => {
            let report = SyncReport { queued: true, ..SyncReport::default() };
            Ok((StatusCode::ACCEPTED, Json(report)).into_response())
        }
    }
}

pub(super) async fn status(State(api): State<ApiState>) -> Json<StatusAnswer> {
    let health = api.commands.health().await;
    let levels = api.commands.service_levels().await;
    let now = api.clock.now();
    let mut answer = StatusAnswer::of(&health, levels.as_ref(), api.version, now);
    answer.leader = api.leader.as_ref().map(|leader| leader().into());
    Json(answer)
}

pub(super) async fn healthz() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

pub(super) async fn readyz(State(api): State<ApiState>) -> Result<Json<Readiness>, Problem> {
    let leader = api.leader.as_ref().map(|leader| leader().holder);
    ready(&api.commands.health().await, leader)
}

fn ready(health: &HealthView, leader: Option<String>) -> Result<Json<Readiness>, Problem> {
    let mut readiness = Readiness::of(health);
    readiness.leader = leader;
    if readiness.ready {
        return Ok(Json(readiness));
    }
    let why = format!("{}; see `ivan status`", readiness.lacking());
    Err(Problem::new(ProblemKind::NotReady, why).with(Extension::NotReady(readiness)))
}

pub(super) async fn measured(State(api): State<ApiState>) -> Response {
    if let Err(trouble) = api.commands.show_counts().await {
        tracing::debug!(error = %trouble, "the numbers of the store are not up to date");
    }
    metrics::shows_process(api.version, api.clock.now(), true);
    metrics::exposition(&metrics::install())
}

/// Builds the document anew for each request: few ask for it, and it would occupy memory.
pub(super) async fn describe(State(api): State<ApiState>) -> Response {
    Json((api.document)(api.version)).into_response()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::commands::SlackHealth;
    use crate::http::answers::tests::health;
    use crate::http::writes::tests::json_of;

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
        let (answered, body) =
            json_of(ready(&health(store_writable, slack), None).into_response()).await;
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
}
