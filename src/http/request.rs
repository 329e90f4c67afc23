//! Requests, completely received: the actor, the task of a path, the body, the key, and the wait.

#[cfg(test)]
pub(super) mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use axum::RequestExt;
use axum::body::{Bytes, HttpBody};
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method, StatusCode, Uri, header};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};

use super::problem::{Problem, ProblemKind};
use super::serving::TooSlow;
use super::tokens::{TokenGrant, forbidden, not_authorized};
use super::{ApiState, BODY_MAX, BODY_WITHIN, WAIT_MAX};
use crate::commands::{IdempotencyKey, Shows};
use crate::domain::command::Ref;
use crate::domain::controls::json_without_controls;
use crate::domain::person::Person;
use crate::domain::task::TaskId;
use crate::limits::Limit;
use crate::runtime::CancellationToken;
use crate::verbs::body::{self, start_of};
use crate::verbs::{Command, Row};

/// How long a write waits for its outcome without `?wait=`.
pub(super) const WRITE_WAIT: Duration = Duration::from_secs(10);
/// How long a synchronization is awaited without `?wait=`.
pub(super) const SYNC_WAIT: Duration = Duration::from_secs(60);
/// The longest `Idempotency-Key`, in bytes.
pub(super) const KEY_MAX: usize = 255;

/// The caller of a request.
pub(super) struct Caller {
    /// The person in the header `X-Ivan-Actor`; a name may have any letters.
    pub actor: Option<String>,
    /// The rights of its token.
    pub grant: TokenGrant,
}

impl Caller {
    fn of(headers: &HeaderMap, extensions: &Extensions) -> Result<Caller, Problem> {
        Ok(Caller {
            actor: text_header(headers, "x-ivan-actor")?,
            grant: extensions.get().cloned().ok_or_else(not_authorized)?,
        })
    }

    /// Whether it is about one person: by its actor or its token.
    pub fn names_a_person(&self) -> bool {
        self.actor.is_some() || self.grant.person.is_some()
    }

    /// Whether its person sees the answer. For a token that may only read, and for a request that only peeks, nothing is
    /// pinned or numbered.
    pub fn shows(&self, peeks: bool) -> Shows {
        match self.grant.read_only || peeks {
            true => Shows::Nobody,
            false => Shows::Person,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Problem> {
        Caller::of(&parts.headers, &parts.extensions)
    }
}

impl ApiState {
    /// The person of a request: the one that it names, if its token may act as them.
    pub(super) async fn who(&self, caller: &Caller) -> Result<Person, Problem> {
        let Some(own) = &caller.grant.person else {
            return Ok(self.commands.who(caller.actor.as_deref()).await?);
        };
        let person = match &caller.grant.own {
            Some(holder) => holder.person.clone(),
            None => self.commands.who(Some(own)).await?,
        };
        let is_own = match &caller.actor {
            None => true,
            // Whether others exist is nobody's business here.
            Some(actor) => {
                let named = self.commands.who(Some(actor)).await;
                named.is_ok_and(|named| named.id == person.id)
            }
        };
        match is_own {
            true => Ok(person),
            false => Err(forbidden(format!(
                "This token acts as {own} only. Leave out X-Ivan-Actor (--as)"
            ))),
        }
    }
}

/// The task id in a path, percent-decoded.
pub(super) struct TaskPath(pub TaskId);

impl<S: Send + Sync> FromRequestParts<S> for TaskPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<TaskPath, Problem> {
        let malformed = |why: String| Problem::new(ProblemKind::MalformedTaskId, why);
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| malformed(rejection.body_text()))?;
        let id = TaskId::parse(&text).map_err(|error| malformed(error.to_string()))?;
        Ok(TaskPath(id))
    }
}

/// A request for a write, completely received.
pub(super) struct WriteRequest {
    method: Method,
    /// The raw path.
    pub path: String,
    pub caller: Caller,
    key: Option<String>,
    pub wait: Option<Duration>,
    is_json: bool,
    body: Bytes,
    shutdown: Option<CancellationToken>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitQuery {
    wait: Option<String>,
}

impl<S: Send + Sync> FromRequest<S> for WriteRequest {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<WriteRequest, Problem> {
        let headers = request.headers();
        let WaitQuery { wait } = query(request.uri())?;
        let wait = wait.as_deref().map(read_wait).transpose()?;
        let caller = Caller::of(headers, request.extensions())?;
        let key = idempotency_key(headers)?;
        let is_json = is_json(headers);
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let shutdown = request.extensions().get::<CancellationToken>().cloned();
        if request.body().size_hint().lower() > BODY_MAX as u64 {
            return Err(too_large());
        }
        let body = match timeout(BODY_WITHIN, request.extract::<Bytes, _>()).await {
            Ok(body) => body.map_err(unreceived)?,
            Err(_) => {
                let why = format!("The body did not arrive within {} s", BODY_WITHIN.as_secs());
                return Err(Problem::new(ProblemKind::SlowBody, why));
            }
        };
        Ok(WriteRequest {
            method,
            path,
            caller,
            key,
            wait,
            is_json,
            body,
            shutdown,
        })
    }
}

impl WriteRequest {
    /// The command in the body of a verb's route; a missing body counts as `{}` if the verb needs no field.
    pub fn command(&self, row: &Row) -> Result<Command, Problem> {
        if self.body.is_empty() {
            return (row.body)("{}").map_err(|_| no_body());
        }
        (row.body)(&self.text()?).map_err(|error| unread(&error))
    }

    /// The same, about the task that the path names.
    pub fn command_about(&self, row: &Row, task: Ref) -> Result<Command, Problem> {
        let command = self.command(row)?;
        let members = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(&self.body);
        let names_it = |field: &&str| members.as_ref().is_ok_and(|all| all.contains_key(*field));
        if let Some(field) = ["ref", "refs", "filter"].iter().copied().find(names_it) {
            let why = format!("Bad body: unknown field `{field}`: the path names the task");
            return Err(Problem::new(ProblemKind::BadBody, why));
        }
        Ok(command.about(task))
    }

    /// The body, which must be JSON of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if self.body.is_empty() {
            return Err(no_body());
        }
        serde_json::from_str(&self.text()?).map_err(|error| unread(&error))
    }

    /// The body; a missing one counts as an empty object.
    pub fn json_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        if self.body.is_empty() {
            return Ok(T::default());
        }
        self.json()
    }

    /// The text of the body, whose content type must be JSON.
    fn text(&self) -> Result<Cow<'_, str>, Problem> {
        if !self.is_json {
            return Err(Problem::new(
                ProblemKind::NotJson,
                "Send the body as JSON, with the header `Content-Type: application/json`",
            ));
        }
        match std::str::from_utf8(&self.body) {
            Ok(text) => Ok(json_without_controls(text)),
            Err(error) => Err(Problem::new(
                ProblemKind::BadBody,
                format!("Bad body: {error}"),
            )),
        }
    }

    /// The identity of this request, by which a repetition is detected. Two names of one person are one actor, and the
    /// wait is not part of it.
    pub fn once(&self, person: &Person) -> Option<IdempotencyKey> {
        let key = self.key.clone()?;
        let mut hash = Sha256::new();
        for part in [
            self.method.as_str().as_bytes(),
            self.path.as_bytes(),
            person.id.to_string().as_bytes(),
            &self.body,
        ] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let fingerprint = hex::encode(hash.finalize());
        Some(IdempotencyKey { key, fingerprint })
    }

    /// Resolves when the daemon is told to stop.
    pub async fn stopping(&self) {
        match &self.shutdown {
            Some(shutdown) => shutdown.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Resolves when the answer must be given without an outcome.
    pub async fn until(&self, default: Duration) {
        tokio::select! {
            () = sleep(self.wait.unwrap_or(default)) => {}
            () = self.stopping() => {}
        }
    }
}

fn no_body() -> Problem {
    Problem::new(
        ProblemKind::BadBody,
        "The body is empty. Send a JSON object; GET /openapi.json describes it",
    )
}

/// A verb's own sentences begin with a capital letter or a quoted value; others are serde's, about the body.
fn unread(error: &serde_json::Error) -> Problem {
    let why = error.to_string();
    let is_own = why.starts_with(|c: char| c == '`' || c.is_uppercase()) && !error.is_eof();
    let own = is_own.then(|| why.rsplit_once(" at line "));
    let why = match own {
        Some(Some((words, _))) => words.to_owned(),
        Some(None) => why,
        None => format!("Bad body: {why}"),
    };
    Problem::new(ProblemKind::BadBody, why)
}

fn unreceived(rejection: BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    let why = match TooSlow::is_in(&rejection) {
        true => "The body arrives too slowly",
        false => "The body is incomplete",
    };
    Problem::new(ProblemKind::SlowBody, why)
}

fn too_large() -> Problem {
    Limit::ApiBody.reached(format_args!(
        "a request with more than {BODY_MAX} bytes is answered 413"
    ));
    let why = format!("The body is larger than {BODY_MAX} bytes");
    Problem::new(ProblemKind::BodyTooLarge, why)
}

pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    match Query::try_from_uri(uri) {
        Ok(Query(query)) => Ok(query),
        Err(rejection) => Err(Problem::new(ProblemKind::BadQuery, rejection.body_text())),
    }
}

/// A header's text, trimmed; HTTP leaves the encoding open, we accept UTF-8.
fn text_header(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| {
        Problem::new(
            ProblemKind::BadHeader,
            format!("The header {name} is not UTF-8"),
        )
    })?;
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let key = text_header(headers, "idempotency-key")?;
    match key {
        Some(key) if key.len() > KEY_MAX => {
            let why = format!("The Idempotency-Key is longer than {KEY_MAX} bytes");
            Err(Problem::new(ProblemKind::BadHeader, why))
        }
        key => Ok(key),
    }
}

/// Whether it is `application/json` or similar (`…+json`), with any parameters.
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

/// Whole seconds, cut to the longest wait.
fn read_wait(text: &str) -> Result<Duration, Problem> {
    let seconds: u64 = text.parse().map_err(|_| {
        let longest = WAIT_MAX.as_secs();
        let why = format!(
            "`wait` must be whole seconds, 0 to {longest}, not `{}`",
            start_of(text)
        );
        Problem::new(ProblemKind::BadQuery, why)
    })?;
    Ok(Duration::from_secs(seconds).min(WAIT_MAX))
}

pub(super) fn read_ref(text: &str) -> Result<Ref, Problem> {
    body::read_ref(text).map_err(|why| Problem::new(ProblemKind::BadBody, why))
}
