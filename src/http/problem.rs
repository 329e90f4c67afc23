//! Errors of a request → an RFC 9457 problem document.
//!
//! Every failure of the API is built here, including the framework's own refusals, so that clients have one shape to
//! read: `type`, `title`, `status`, `detail`, and for writes the known facts about the operation.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::answers::Readiness;
use super::schemas;
use crate::commands::{CommandError, Rejection, StoreError};
use crate::domain::task::TaskId;

/// The media type of RFC 9457.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// The wait before a client may retry, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// The kind of problem, which determines `type`, `title` and `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// 400: a task id in the path that has no known form.
    MalformedTaskId,
    /// 400: an unknown parameter, or a value out of range.
    BadQuery,
    /// 422: a header that is not UTF-8, or an `Idempotency-Key` that is too long.
    BadHeader,
    /// 401: no bearer token, or a wrong one.
    NotAuthorized,
    /// 403: a token without the right to this.
    Forbidden,
    /// 404: a path without a route.
    NoSuchPath,
    /// 404: a task that is unknown or deleted here, or no current task.
    UnknownTask,
    /// 404: no such operation, or one that was pruned after `store.retention`.
    UnknownOperation,
    /// 405: a path without this method.
    MethodNotAllowed,
    /// 413: a body above the limit in bytes.
    BodyTooLarge,
    /// 415: a body without a JSON media type.
    NotJson,
    /// 422: a body that is not the JSON of this route.
    BadBody,
    /// 408: a body that did not arrive completely, or not in time.
    SlowBody,
    /// 422: no actor was named and none is configured, or the name is unknown.
    NoActor,
    /// 422: a request that cannot be done in this form.
    Unfit,
    /// 422: an `Idempotency-Key` that came with another request before.
    KeyReused,
    /// 409: a task that is not in the state that the command assumed.
    Changed,
    /// 409: an undo without a command to undo.
    NothingToUndo,
    /// 404: a task that was found deleted in its source.
    Gone,
    /// 502: any other refusal by the source.
    SourceRefused,
    /// 502: a write that was given up, usually after `outbox.give_up_after`.
    GivenUp,
    /// 503: too much work waits or runs already.
    Busy,
    /// 503: a failed readiness probe, or a source that has to confirm and does not answer.
    NotReady,
    /// 503: the store cannot be read or written.
    StoreTrouble,
    /// 504: no answer within the time limit of a request.
    TimedOut,
    /// 410: a login that has expired, or never was.
    LoginOver,
    /// 429: too many logins of this address, or of all.
    TooManyLogins,
    /// 500: an error of the daemon itself.
    Defect,
}

impl ProblemKind {
    /// All kinds, for the API's description.
    pub const ALL: [ProblemKind; 28] = [
        ProblemKind::MalformedTaskId,
        ProblemKind::BadQuery,
        ProblemKind::BadHeader,
        ProblemKind::NotAuthorized,
        ProblemKind::Forbidden,
        ProblemKind::NoSuchPath,
        ProblemKind::UnknownTask,
        ProblemKind::UnknownOperation,
        ProblemKind::MethodNotAllowed,
        ProblemKind::BodyTooLarge,
        ProblemKind::NotJson,
        ProblemKind::BadBody,
        ProblemKind::SlowBody,
        ProblemKind::NoActor,
        ProblemKind::Unfit,
        ProblemKind::KeyReused,
        ProblemKind::Changed,
        ProblemKind::NothingToUndo,
        ProblemKind::Gone,
        ProblemKind::SourceRefused,
        ProblemKind::GivenUp,
        ProblemKind::Busy,
        ProblemKind::NotReady,
        ProblemKind::StoreTrouble,
        ProblemKind::TimedOut,
        ProblemKind::LoginOver,
        ProblemKind::TooManyLogins,
        ProblemKind::Defect,
    ];

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        self.row().0
    }

    /// The `type` of the document: an identifier, not a URL to open.
    pub fn uri(self) -> String {
        format!("urn:ivan:problem:{}", self.row().1)
    }

    /// The `title` of the document, the same for every problem of this kind.
    pub fn title(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            ProblemKind::MalformedTaskId => {
                (S::BAD_REQUEST, "malformed-task-id", "Malformed task id")
            }
            ProblemKind::BadQuery => (S::BAD_REQUEST, "bad-query", "Bad query"),
            ProblemKind::BadHeader => (S::UNPROCESSABLE_ENTITY, "bad-header", "Bad header"),
            ProblemKind::NotAuthorized => (S::UNAUTHORIZED, "not-authorized", "Not authorized"),
            ProblemKind::Forbidden => (S::FORBIDDEN, "forbidden", "Not allowed"),
            ProblemKind::NoSuchPath => (S::NOT_FOUND, "no-such-path", "No such path"),
            ProblemKind::UnknownTask => (S::NOT_FOUND, "unknown-task", "Unknown task"),
            ProblemKind::UnknownOperation => {
                (S::NOT_FOUND, "unknown-operation", "Unknown operation")
            }
            ProblemKind::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
            ),
            ProblemKind::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large"),
            ProblemKind::NotJson => (S::UNSUPPORTED_MEDIA_TYPE, "not-json", "Body is not JSON"),
            ProblemKind::BadBody => (S::UNPROCESSABLE_ENTITY, "bad-body", "Bad body"),
            ProblemKind::SlowBody => (S::REQUEST_TIMEOUT, "slow-body", "Body not received"),
            ProblemKind::NoActor => (S::UNPROCESSABLE_ENTITY, "no-actor", "Unknown actor"),
            ProblemKind::Unfit => (S::UNPROCESSABLE_ENTITY, "unfit", "Not possible"),
            ProblemKind::KeyReused => (
                S::UNPROCESSABLE_ENTITY,
                "key-reused",
                "Idempotency-Key used for another request",
            ),
            ProblemKind::Changed => (S::CONFLICT, "changed", "Changed in the meantime"),
            ProblemKind::NothingToUndo => (S::CONFLICT, "nothing-to-undo", "Nothing to undo"),
            ProblemKind::Gone => (S::NOT_FOUND, "gone", "Task is gone"),
            ProblemKind::SourceRefused => {
                (S::BAD_GATEWAY, "source-refused", "Refused by the source")
            }
            ProblemKind::GivenUp => (S::BAD_GATEWAY, "given-up", "Given up"),
            ProblemKind::Busy => (S::SERVICE_UNAVAILABLE, "busy", "Busy"),
            ProblemKind::NotReady => (S::SERVICE_UNAVAILABLE, "not-ready", "Not ready"),
            ProblemKind::StoreTrouble => (S::SERVICE_UNAVAILABLE, "store", "Store unavailable"),
            ProblemKind::TimedOut => (S::GATEWAY_TIMEOUT, "timed-out", "Timed out"),
            ProblemKind::LoginOver => (S::GONE, "login-over", "Login is over"),
            ProblemKind::TooManyLogins => {
                (S::TOO_MANY_REQUESTS, "too-many-logins", "Too many logins")
            }
            ProblemKind::Defect => (S::INTERNAL_SERVER_ERROR, "defect", "Internal error"),
        }
    }
}

/// A failed request, with the reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    extension: Option<Box<Extension>>,
}

/// Members that only some problems have (RFC 9457, 3.2).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Extension {
    /// Facts about a refused or given-up write.
    Write(FailedWrite),
    /// The state of each part, for a readiness probe that failed.
    NotReady(Readiness),
}

/// The known facts about a write that its source refused: only in its problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FailedWrite {
    /// Always false.
    #[schema(required = false, schema_with = schemas::failed)]
    pub success: bool,
    /// The ULID of the operation; `null` if there is none.
    pub operation_id: Option<String>,
    /// The task of the write; `null` if it is unknown, as for a creation.
    pub task_id: Option<TaskId>,
    /// The source's own word.
    pub current_state: Option<String>,
}

/// A problem document (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// An identifier to compare with.
    #[schema(format = "uri")]
    r#type: String,
    title: &'static str,
    status: u16,
    /// The error and the next step.
    detail: String,
    #[serde(flatten)]
    #[schema(value_type = FailedWrite)]
    extension: Option<Box<Extension>>,
}

impl Problem {
    /// `detail` names the error and the next step.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Problem {
        Problem {
            kind,
            detail: detail.into(),
            extension: None,
        }
    }

    /// Adds members to the document, in place of earlier ones.
    pub fn with(self, extension: Extension) -> Problem {
        Problem {
            extension: Some(Box::new(extension)),
            ..self
        }
    }

    /// The kind, which determines `type`, `title` and `status`.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The HTTP status of its kind.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The document itself.
    pub fn document(&self) -> Value {
        serde_json::json!(ProblemDocument {
            r#type: self.kind.uri(),
            title: self.kind.title(),
            status: self.status().as_u16(),
            detail: self.detail.clone(),
            extension: self.extension.clone(),
        })
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = self.document().to_string();
        let content = HeaderValue::from_static(PROBLEM_JSON);
        let mut response =
            (self.status(), [(header::CONTENT_TYPE, content)], document).into_response();
        let headers = response.headers_mut();
        if self.kind == ProblemKind::NotAuthorized {
            let challenge = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

impl From<StoreError> for Problem {
    /// Logs the store's error for the operator, since it is handled here.
    fn from(trouble: StoreError) -> Problem {
        tracing::warn!(error = %trouble, "request failed: the store is unavailable");
        Problem::new(
            ProblemKind::StoreTrouble,
            format!(
                "{trouble}. The request may not have been saved: check disk space and permissions, then repeat it \
                     with the same Idempotency-Key"
            ),
        )
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Problem {
        match error {
            CommandError::Rejected(rejection) => rejection.into(),
            CommandError::Store(trouble) => trouble.into(),
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Problem {
        let kind = match rejection {
            Rejection::Full(_) => ProblemKind::Busy,
            Rejection::NoAnswer(_) => ProblemKind::NotReady,
            Rejection::NoCurrent(_) | Rejection::UnknownTask(_) | Rejection::Deleted { .. } => {
                ProblemKind::UnknownTask
            }
            Rejection::Unfit(_) => ProblemKind::Unfit,
            Rejection::NothingToUndo(_) => ProblemKind::NothingToUndo,
            Rejection::KeyReused => ProblemKind::KeyReused,
            Rejection::Actor(_) => ProblemKind::NoActor,
        };
        Problem::new(kind, rejection.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::commands::WhoActs;
    use crate::domain::reply::Text;
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn a_problem_is_a_document_of_rfc_9457() {
        let failed = FailedWrite {
            success: false,
            operation_id: Some("01JOP".into()),
            task_id: TaskId::parse("clickup:86a").ok(),
            current_state: None,
        };
        let problem =
            Problem::new(ProblemKind::Gone, "It was deleted.").with(Extension::Write(failed));
        assert_eq!(
            problem.document(),
            json!({
                "type": "urn:ivan:problem:gone",
                "title": "Task is gone",
                "status": 404,
                "detail": "It was deleted.",
                "success": false,
                "operation_id": "01JOP",
                "task_id": "clickup:86a",
                "current_state": null,
            })
        );
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        assert!(!response.headers().contains_key(header::WWW_AUTHENTICATE));
    }

    #[test]
    fn a_missing_token_is_challenged() {
        let response = Problem::new(ProblemKind::NotAuthorized, "").into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn every_kind_has_a_type_of_its_own() {
        let types: BTreeSet<String> = ProblemKind::ALL.iter().map(|kind| kind.uri()).collect();
        assert_eq!(types.len(), ProblemKind::ALL.len());
    }

    #[rstest]
    #[case::unknown(Rejection::UnknownTask(Text::new().text("No task 9.")), 404, "No task 9.")]
    #[case::no_current(Rejection::NoCurrent(Text::new().text("No current task")), 404, "No current task")]
    #[case::nothing_to_undo(Rejection::NothingToUndo(Text::new().text("Nothing")), 409, "Nothing")]
    #[case::unfit(Rejection::Unfit(Text::new().text("The title is too long")), 422, "The title is too long")]
    fn a_rejection_keeps_its_words(
        #[case] rejection: Rejection,
        #[case] status: u16,
        #[case] detail: &str,
    ) {
        let document = Problem::from(rejection).document();
        assert_eq!(document["status"], status);
        assert_eq!(document["detail"], detail);
    }

    #[test]
    fn other_refusals_have_the_statuses_of_the_design() {
        let trouble = StoreError {
            path: "ivan.db".into(),
            why: "disk full".into(),
        };
        let problem = Problem::from(CommandError::from(trouble));
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
        let detail = problem.document()["detail"].to_string();
        assert!(
            detail.contains("the store at ivan.db: disk full"),
            "{detail}"
        );
        assert_eq!(Problem::from(Rejection::KeyReused).status(), 422);
        for who in [
            WhoActs::NotNamed(vec!["Ana".into()]),
            WhoActs::NotKnown("zoe".into()),
        ] {
            let problem = Problem::from(Rejection::from(who.clone())).document();
            assert_eq!(problem["status"], 422);
            assert_eq!(problem["detail"], who.to_string());
        }
    }
}
