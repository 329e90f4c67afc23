//! Requests to ClickUp, and the meaning of its responses.
//!
//! `writer.rs` and `poll.rs` build requests. This module sends each once and classifies the response by the allowed next
//! step ([`classify`], docs/contracts/clickup.md#rate-limits, docs/contracts/clickup.md#errors). It repeats nothing and follows no redirect. `rest/clients.rs` has the
//! table of both sources' responses.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clock::Clock;
use crate::domain::controls;
use crate::domain::operation::{Refusal, WriteError};
use crate::domain::reason::with_remedy;
use crate::http_client::{
    self, HttpClient, InvalidSettings, OPERATOR_WAIT, RawResponse, SourceFacts, clipped, is_page,
    not_taken, number, reset,
};
pub(super) use crate::http_client::{FormFile, Request, segment};

/// The rate limit's window is a minute, so no wait is longer unless `Retry-After` says so (docs/contracts/clickup.md#rate-limits).
const WINDOW: Duration = Duration::from_secs(65);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
const SYSTEM: SourceFacts = SourceFacts {
    name: "ClickUp",
    label: "clickup",
    window: WINDOW,
    pause_max: Duration::from_secs(610),
    api_url_key: "clickup.api_url",
    token_key: "clickup.token",
    headers: &[],
};

/// The verdicts of ClickUp only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClickUpOnly {
    /// The list has no such status (`CRTSK_001`).
    UnknownStatus(String),
    /// A 401 that is neither "dead token" nor "invisible": `GET /user` decides.
    Unfamiliar,
}

pub(crate) type ClickUpVerdict = http_client::Verdict<ClickUpOnly>;

/// A status that the list lacks, and the text about that.
#[derive(Debug)]
pub(super) struct UnknownStatus(pub(super) String);

pub(super) type ClickUpError = http_client::SourceError<UnknownStatus>;

impl From<ClickUpError> for WriteError {
    fn from(trouble: ClickUpError) -> WriteError {
        match trouble {
            ClickUpError::Own(UnknownStatus(why)) => http_client::refused(why),
            ClickUpError::Failed(error) => error,
        }
    }
}

/// The connection to ClickUp, with the token.
pub(super) struct ClickUpClient {
    /// Also holds the observed limits, token status and clock.
    pub(super) rest: HttpClient,
}

impl ClickUpClient {
    /// A personal token is sent as it is, an OAuth token as Bearer (docs/contracts/clickup.md#requests-and-tokens).
    pub(super) fn new(
        api_url: &str,
        token: &str,
        clock: Clock,
    ) -> Result<ClickUpClient, InvalidSettings> {
        let authorization = match token.starts_with("pk_") {
            true => token.to_owned(),
            false => format!("Bearer {token}"),
        };
        let rest = HttpClient::new(SYSTEM, api_url, &authorization, clock)?;
        Ok(ClickUpClient { rest })
    }

    /// Sends a request, once, and reads the response.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        request: &Request,
    ) -> Result<T, ClickUpError> {
        let answer = self.exchange(request).await?;
        Err(match self.judge(request, &answer).taken() {
            Ok(()) => return Ok(self.rest.parse(request, &answer.body)?),
            Err(http_client::SourceError::Own(ClickUpOnly::UnknownStatus(why))) => {
                ClickUpError::Own(UnknownStatus(why))
            }
            Err(http_client::SourceError::Own(ClickUpOnly::Unfamiliar)) => {
                self.whose_fault(request, &answer).await.into()
            }
            Err(http_client::SourceError::Failed(error)) => error.into(),
        })
    }

    /// Tells a dead token from an invisible item after an unfamiliar 401 (docs/contracts/clickup.md#errors).
    async fn whose_fault(&self, refused: &Request, answer: &RawResponse) -> WriteError {
        let said = Said::read(&answer.body);
        if refused.path() == "/user" {
            return self.is_dead(token_dead(&said));
        }
        let user = Request::get("/user", "the account of clickup.token");
        let probe = match self.exchange(&user).await {
            Ok(probe) => probe,
            Err(error) => return error,
        };
        match self.judge(&user, &probe).taken() {
            Ok(()) => invisible(&refused.thing, &said),
            Err(http_client::SourceError::Own(ClickUpOnly::Unfamiliar)) => {
                self.is_dead(token_dead(&Said::read(&probe.body)))
            }
            // The 401 itself had no effect, in either case.
            Err(
                http_client::SourceError::Own(ClickUpOnly::UnknownStatus(why))
                | http_client::SourceError::Failed(
                    WriteError::Unknown { why } | WriteError::Refused { why, .. },
                ),
            ) => not_taken(why, Some(OPERATOR_WAIT)),
            Err(http_client::SourceError::Failed(error)) => error,
        }
    }

    /// Records that the token is rejected.
    fn is_dead(&self, why: String) -> WriteError {
        self.rest.token_is_refused(why.clone());
        not_taken(why, Some(OPERATOR_WAIT))
    }

    async fn exchange(&self, request: &Request) -> Result<RawResponse, WriteError> {
        self.rest
            .exchange(request, self.rest.address(request))
            .await
    }

    /// Classifies a response, and records a rate limit or the token's status.
    fn judge(&self, request: &Request, answer: &RawResponse) -> ClickUpVerdict {
        let there = self.rest.answered_at(answer);
        let verdict = classify(request, answer.status, &answer.headers, &answer.body, there);
        self.rest.remember(verdict, None)
    }
}

/// An error body (docs/contracts/clickup.md#errors): both fields may be missing.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default, deserialize_with = "super::wire::lenient")]
    err: Option<String>,
    #[serde(default, rename = "ECODE", deserialize_with = "super::wire::lenient")]
    code: Option<String>,
}

impl Said {
    fn read(body: &str) -> Said {
        serde_json::from_str(body).unwrap_or_default()
    }

    fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = clipped(self.err.as_deref().unwrap_or("no reason given"));
        f.write_str(words.trim_end_matches('.'))?;
        match &self.code {
            Some(code) => write!(f, ", {}", controls::code(code)),
            None => Ok(()),
        }
    }
}

/// Classifies a response (docs/contracts/clickup.md#rate-limits, docs/contracts/clickup.md#errors, docs/contracts/clickup.md#lost-answers). ClickUp's own code goes before the status: both a dead token
/// and an invisible task are 401.
pub(crate) fn classify(
    request: &Request,
    status: u16,
    headers: &HeaderMap,
    body: &str,
    now: DateTime<Utc>,
) -> ClickUpVerdict {
    let thing = &request.thing;
    if !is_of_clickup(status, headers, body) {
        return SYSTEM.another_answered(request, status, headers);
    }
    if (200..300).contains(&status) {
        return ClickUpVerdict::Taken;
    }
    let said = Said::read(body);
    if status == 429 || said.code() == "APP_002" {
        return ClickUpVerdict::Wait {
            why: format!("ClickUp's rate limit is reached ({said})"),
            wait: Some(limited_for(headers, now)),
        };
    }
    let refused = ClickUpVerdict::refused;
    match (status, said.code()) {
        (400..500, "ITEM_013") => refused(
            Refusal::Gone,
            format!(
                "ClickUp can't find {thing}: it was deleted ({said}). Restore it from ClickUp's Trash if you need it"
            ),
        ),
        (400..500, "CRTSK_001") => ClickUpVerdict::Own(ClickUpOnly::UnknownStatus(with_remedy(
            format_args!("ClickUp's list has no such status ({said})"),
            format_args!("It was for {thing}. Set clickup.complete_status to a status of its list"),
        ))),
        (400..500, "OAUTH_171") => refused(
            Refusal::Other,
            format!(
                "ClickUp already has {thing} for this address, and this account can't see it ({said}). Delete it \
                     with the account that created it, or use another address"
            ),
        ),
        (400..500, code) if is_token_dead(code) => ClickUpVerdict::DeadToken(token_dead(&said)),
        (400..500, code) if is_invisible(code) => ClickUpVerdict::Failed(invisible(thing, &said)),
        (401, _) => ClickUpVerdict::Own(ClickUpOnly::Unfamiliar),
        (404, _) => ClickUpVerdict::Failed(invisible(thing, &said)),
        (403, _) => refused(
            Refusal::Other,
            with_remedy(
                format_args!("ClickUp doesn't let me change {thing} ({said}). Do it in ClickUp"),
                "Or give the account of clickup.token the permission",
            ),
        ),
        (408 | 500.., _) => SYSTEM.failed(request, status, &said),
        (..400, _) => ClickUpVerdict::Failed(not_taken(
            with_remedy(
                "ClickUp redirects me, so I can't reach it",
                format_args!("HTTP {status}; check clickup.api_url"),
            ),
            Some(OPERATOR_WAIT),
        )),
        _ => SYSTEM.refused(request, status, &said),
    }
}

/// Whether ClickUp's API has answered, and not a firewall, a proxy or a login page: its body is JSON or empty (docs/contracts/clickup.md#errors). Its edge fails (5xx) and limits (429) with pages of its own.
fn is_of_clickup(status: u16, headers: &HeaderMap, body: &str) -> bool {
    match status {
        200..300 => !is_page(headers),
        300..400 | 408 | 429 | 500..=510 | 512.. => true,
        407 | 511 => false,
        _ => {
            let says_nothing = body.trim().is_empty() && !is_page(headers);
            says_nothing || serde_json::from_str::<serde_json::Value>(body).is_ok()
        }
    }
}

fn is_token_dead(code: &str) -> bool {
    matches!(
        code,
        "OAUTH_017" | "OAUTH_019" | "OAUTH_021" | "OAUTH_025" | "OAUTH_077"
    )
}

fn is_invisible(code: &str) -> bool {
    let number = code
        .strip_prefix("OAUTH_")
        .and_then(|digits| digits.parse::<u16>().ok());
    matches!(number, Some(23 | 26 | 27 | 29..=45))
}

/// The message for a dead token. Queued work is not refused for it: once the operator replaces the token, it is sent.
fn token_dead(said: &Said) -> String {
    with_remedy(
        format_args!("ClickUp rejects the token ({said})"),
        "Set a new clickup.token and restart. Queued work is safe",
    )
}

fn invisible(thing: &str, said: &Said) -> WriteError {
    WriteError::Refused {
        what: Refusal::Invisible,
        why: with_remedy(
            format_args!("ClickUp can't find {thing}, or I may not see it"),
            format_args!(
                "It said: {said}. Check the id, or share it with the account of clickup.token"
            ),
        ),
    }
}

/// How long to wait: ClickUp's value, else to the end of the window and a second more (docs/contracts/clickup.md#rate-limits).
fn limited_for(headers: &HeaderMap, now: DateTime<Utc>) -> Duration {
    let second = Duration::from_secs(1);
    if let Some(seconds) = number(headers, "retry-after") {
        return Duration::from_secs(seconds).clamp(second, RETRY_AFTER_MAX);
    }
    let to_reset = reset(headers).map(|at| (at - now).to_std().unwrap_or_default() + second);
    to_reset.unwrap_or(WINDOW).clamp(second, WINDOW)
}
