//! Requests to ClickUp, and the meaning of its responses.
//!
//! `writer.rs` and `poll.rs` build requests. This module sends each once and classifies the response by the allowed
//! next step ([`classify`], contract clickup 3 and 4). It repeats nothing and follows no redirect.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::Clock;
use crate::domain::operation::{Refusal, WriteError};
pub(super) use crate::rest::segment;
use crate::rest::{
    Answer, Asked, OPERATOR_WAIT, Rest, System, clipped, from_between, is_page, not_taken, number,
    reset,
};

use super::Unusable;

/// The rate limit's window is a minute, so no wait is longer unless `Retry-After` says so (contract clickup 3).
const WINDOW: Duration = Duration::from_secs(65);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
const SYSTEM: System = System {
    name: "ClickUp",
    label: "clickup",
    window: WINDOW,
    pause_max: Duration::from_secs(610),
};

/// One request, and the words for its subject.
pub(super) struct Request {
    method: Method,
    /// Below the API's base, escaped, with a leading slash.
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    /// The subject in errors: `the task 86tst0001`.
    pub(super) thing: String,
}

impl Request {
    pub(super) fn get(path: impl Into<String>, thing: impl Into<String>) -> Request {
        Request {
            method: Method::GET,
            path: path.into(),
            query: Vec::new(),
            body: None,
            thing: thing.into(),
        }
    }

    pub(super) fn put(path: impl Into<String>, thing: impl Into<String>, body: Value) -> Request {
        Request {
            method: Method::PUT,
            body: Some(body),
            ..Request::get(path, thing)
        }
    }

    pub(super) fn post(path: impl Into<String>, thing: impl Into<String>, body: Value) -> Request {
        Request {
            method: Method::POST,
            body: Some(body),
            ..Request::get(path, thing)
        }
    }

    pub(super) fn delete(path: impl Into<String>, thing: impl Into<String>) -> Request {
        Request {
            method: Method::DELETE,
            ..Request::get(path, thing)
        }
    }

    pub(super) fn with(mut self, key: &'static str, value: impl ToString) -> Request {
        self.query.push((key, value.to_string()));
        self
    }

    fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            method: &self.method,
            thing: &self.thing,
        }
    }
}

/// The meaning of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Taken,
    /// Refused for its rate limit: nothing is sent for that long.
    Wait {
        why: String,
        wait: Duration,
    },
    /// The list has no such status (`CRTSK_001`).
    UnknownStatus(String),
    /// A 401 that is neither "dead token" nor "invisible": `GET /user` decides.
    Unfamiliar,
    /// The token is rejected: nothing was done, and nothing will be until an operator replaces it.
    DeadToken(String),
    Failed(WriteError),
}

/// The failure of a request, if it is more than a [`WriteError`].
#[derive(Debug)]
pub(super) enum Trouble {
    UnknownStatus(String),
    Failed(WriteError),
}

impl From<WriteError> for Trouble {
    fn from(error: WriteError) -> Trouble {
        Trouble::Failed(error)
    }
}

impl From<Trouble> for WriteError {
    fn from(trouble: Trouble) -> WriteError {
        match trouble {
            Trouble::UnknownStatus(why) => WriteError::Refused {
                what: Refusal::Other,
                why,
            },
            Trouble::Failed(error) => error,
        }
    }
}

/// The connection to ClickUp, with the token.
pub(super) struct Client {
    /// Also holds the observed limits, token status and clock.
    pub(super) rest: Rest,
    authorization: HeaderValue,
}

impl Client {
    pub(super) fn new(api_url: &str, token: &str, clock: Clock) -> Result<Client, Unusable> {
        Ok(Client {
            rest: Rest::new(SYSTEM, api_url, clock).map_err(|why| Unusable {
                key: "clickup.api_url",
                why,
            })?,
            authorization: authorization(token)?,
        })
    }

    /// Sends a request, once, and reads the response.
    pub(super) async fn send<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Trouble> {
        let answer = self.exchange(request).await?;
        match self.judge(request, &answer) {
            Verdict::Taken => Ok(self.rest.parse(request.asked(), &answer.body)?),
            Verdict::UnknownStatus(why) => Err(Trouble::UnknownStatus(why)),
            Verdict::Unfamiliar => Err(self.whose_fault(request, &answer).await.into()),
            Verdict::Wait { why, wait } => Err(not_taken(why, Some(wait)).into()),
            Verdict::DeadToken(why) => Err(not_taken(why, Some(OPERATOR_WAIT)).into()),
            Verdict::Failed(error) => Err(error.into()),
        }
    }

    /// Tells a dead token from an invisible item after an unfamiliar 401 (contract clickup 4).
    async fn whose_fault(&self, refused: &Request, answer: &Answer) -> WriteError {
        let said = Said::read(&answer.body);
        if refused.path == "/user" {
            return self.is_dead(token_dead(&said));
        }
        let user = Request::get("/user", "the account of clickup.token");
        let probe = match self.exchange(&user).await {
            Ok(probe) => probe,
            Err(error) => return error,
        };
        match self.judge(&user, &probe) {
            Verdict::Taken => invisible(&refused.thing, &said),
            Verdict::Unfamiliar => self.is_dead(token_dead(&Said::read(&probe.body))),
            Verdict::DeadToken(why) => not_taken(why, Some(OPERATOR_WAIT)),
            Verdict::Wait { why, wait } => not_taken(why, Some(wait)),
            Verdict::UnknownStatus(why) => not_taken(why, None),
            // The 401 itself had no effect, in either case.
            Verdict::Failed(WriteError::Unknown { why } | WriteError::Refused { why, .. }) => {
                not_taken(why, Some(OPERATOR_WAIT))
            }
            Verdict::Failed(error) => error,
        }
    }

    /// Records that the token is rejected.
    fn is_dead(&self, why: String) -> WriteError {
        self.rest.token_is_refused(why.clone());
        not_taken(why, Some(OPERATOR_WAIT))
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, WriteError> {
        let mut sending = self
            .rest
            .request(&request.method, self.rest.at(&request.path))
            .header(AUTHORIZATION, self.authorization.clone())
            .query(&request.query);
        if let Some(body) = &request.body {
            sending = sending.json(body);
        }
        self.rest.exchange(request.asked(), sending).await
    }

    /// Classifies a response, and records a rate limit or the token's status.
    fn judge(&self, request: &Request, answer: &Answer) -> Verdict {
        let there = self.rest.answered_at(answer);
        let verdict = classify(request, answer.status, &answer.headers, &answer.body, there);
        match verdict {
            Verdict::Wait { why, wait } => Verdict::Wait {
                why,
                wait: self.rest.pause_for(wait),
            },
            Verdict::DeadToken(why) => {
                self.rest.token_is_refused(why.clone());
                Verdict::DeadToken(why)
            }
            Verdict::Taken => {
                self.rest.token_is_taken(None);
                Verdict::Taken
            }
            other => other,
        }
    }
}

/// A personal token is sent as it is, an OAuth token as Bearer (contract clickup 2).
fn authorization(token: &str) -> Result<HeaderValue, Unusable> {
    let value = if token.starts_with("pk_") {
        token.to_owned()
    } else {
        format!("Bearer {token}")
    };
    let mut header = HeaderValue::try_from(value).map_err(|_| Unusable {
        key: "clickup.token",
        why: "holds characters that no token has, perhaps a line break".to_owned(),
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// An error body (contract clickup 4.0): both fields may be missing.
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
            Some(code) => write!(f, ", {}", code.chars().take(40).collect::<String>()),
            None => Ok(()),
        }
    }
}

/// Classifies a response (contract clickup 3, 4 and 6.4). ClickUp's own code goes before the status: both a dead token
/// and an invisible task are 401.
pub(super) fn classify(
    request: &Request,
    status: u16,
    headers: &HeaderMap,
    body: &str,
    now: DateTime<Utc>,
) -> Verdict {
    let thing = &request.thing;
    if !is_of_clickup(status, headers, body) {
        let why = from_between("ClickUp", thing, status, headers);
        return Verdict::Failed(match request.is_write() {
            true => WriteError::Unknown { why },
            false => not_taken(why, None),
        });
    }
    if (200..300).contains(&status) {
        return Verdict::Taken;
    }
    let said = Said::read(body);
    if status == 429 || said.code() == "APP_002" {
        return Verdict::Wait {
            why: format!("ClickUp's rate limit is used up ({said})"),
            wait: limited_for(headers, now),
        };
    }
    let refused = |what, why| Verdict::Failed(WriteError::Refused { what, why });
    match (status, said.code()) {
        (400..500, "ITEM_013") => refused(
            Refusal::Gone,
            format!(
                "ClickUp says that {thing} was deleted ({said}). Restore it from ClickUp's Trash if it is needed"
            ),
        ),
        (400..500, "CRTSK_001") => Verdict::UnknownStatus(format!(
            "ClickUp's list has no such status for {thing} ({said}). \
             Set clickup.complete_status to a status of that list"
        )),
        (400..500, "OAUTH_171") => refused(
            Refusal::Other,
            format!(
                "ClickUp already has {thing} for this address, which it does not show to this account ({said}). \
                 Delete it with the account that made it, or use another address"
            ),
        ),
        (400..500, code) if is_token_dead(code) => Verdict::DeadToken(token_dead(&said)),
        (400..500, code) if is_invisible(code) => Verdict::Failed(invisible(thing, &said)),
        (401, _) => Verdict::Unfamiliar,
        (404, _) => Verdict::Failed(invisible(thing, &said)),
        (403, _) => refused(
            Refusal::Other,
            format!(
                "ClickUp does not allow this on {thing} ({said}). \
                 Give the account of clickup.token the permission, or do it in ClickUp itself"
            ),
        ),
        // The server gave up on the request, and does not say when.
        (408 | 500.., _) if request.is_write() => Verdict::Failed(WriteError::Unknown {
            why: format!("ClickUp failed at {thing} (HTTP {status}, {said})"),
        }),
        (408 | 500.., _) => Verdict::Failed(not_taken(
            format!("ClickUp failed at {thing} (HTTP {status}, {said})"),
            None,
        )),
        (..400, _) => Verdict::Failed(not_taken(
            format!(
                "ClickUp's address answers with a redirect (HTTP {status}): check clickup.api_url"
            ),
            Some(OPERATOR_WAIT),
        )),
        _ => refused(
            Refusal::Other,
            format!(
                "ClickUp refuses this for {thing} ({said}; HTTP {status}). Change it and try again"
            ),
        ),
    }
}

/// Whether ClickUp's API has answered, and not a firewall, a proxy or a login page: its body is JSON or empty (contract
/// clickup 4.0). Its edge fails (5xx) and limits (429) with pages of its own.
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
    format!(
        "ClickUp refuses the token ({said}). Put a valid one into clickup.token and restart Ivan; \
         what is queued is kept until then"
    )
}

fn invisible(thing: &str, said: &Said) -> WriteError {
    WriteError::Refused {
        what: Refusal::Invisible,
        why: format!(
            "ClickUp has no such thing as {thing}, or does not show it to this account ({said}). \
             Check the id, or share it with the account of clickup.token"
        ),
    }
}

/// How long to wait: ClickUp's value, else to the end of the window and a second more (contract clickup 3).
fn limited_for(headers: &HeaderMap, now: DateTime<Utc>) -> Duration {
    let second = Duration::from_secs(1);
    if let Some(seconds) = number(headers, "retry-after") {
        return Duration::from_secs(seconds).clamp(second, RETRY_AFTER_MAX);
    }
    let to_reset = reset(headers).map(|at| (at - now).to_std().unwrap_or_default() + second);
    to_reset.unwrap_or(WINDOW).clamp(second, WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    const NOW: i64 = 1_767_225_600;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(NOW, 0).unwrap()
    }

    fn a_write() -> Request {
        Request::post("/task/86tst0001/comment", "the task 86tst0001", json!({}))
    }

    fn a_read() -> Request {
        Request::get("/task/86tst0001", "the task 86tst0001")
    }

    fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    reqwest::header::HeaderName::from_static(name),
                    value.parse().unwrap(),
                )
            })
            .collect()
    }

    fn error(code: &str) -> String {
        json!({"err": "said so", "ECODE": code}).to_string()
    }

    /// A verdict in one word, and how long to wait.
    fn word(verdict: &Verdict) -> (&'static str, Option<u64>) {
        match verdict {
            Verdict::Taken => ("taken", None),
            Verdict::Wait { wait, .. } => ("wait", Some(wait.as_secs())),
            Verdict::UnknownStatus(_) => ("unknown status", None),
            Verdict::Unfamiliar => ("unfamiliar", None),
            Verdict::DeadToken(_) => ("dead token", None),
            Verdict::Failed(WriteError::Refused { what, .. }) => (
                match what {
                    Refusal::Gone => "gone",
                    Refusal::Invisible => "invisible",
                    Refusal::NotMirrored => "not mirrored",
                    Refusal::Changed | Refusal::Other => "refused",
                },
                None,
            ),
            Verdict::Failed(WriteError::NotTaken { retry_after, .. }) => {
                ("not taken", retry_after.map(|wait| wait.as_secs()))
            }
            Verdict::Failed(WriteError::Unknown { .. }) => ("unknown", None),
        }
    }

    /// Every row of the contract's table, for a write and for a read.
    #[rstest]
    #[case::ok(200, "{}", ("taken", None), ("taken", None))]
    #[case::unknown_status(400, &error("CRTSK_001"), ("unknown status", None), ("unknown status", None))]
    #[case::bad_list(400, &error("INPUT_003"), ("refused", None), ("refused", None))]
    #[case::no_name(400, &error("INPUT_005"), ("refused", None), ("refused", None))]
    #[case::bad_date(400, &error("INPUT_006"), ("refused", None), ("refused", None))]
    #[case::plan(400, &error("FIELD_033"), ("refused", None), ("refused", None))]
    #[case::no_header(401, &error("OAUTH_017"), ("dead token", None), ("dead token", None))]
    #[case::bad_token_19(401, &error("OAUTH_019"), ("dead token", None), ("dead token", None))]
    #[case::bad_token_21(401, &error("OAUTH_021"), ("dead token", None), ("dead token", None))]
    #[case::bad_token_25(401, &error("OAUTH_025"), ("dead token", None), ("dead token", None))]
    #[case::bad_token_77(401, &error("OAUTH_077"), ("dead token", None), ("dead token", None))]
    #[case::workspace(401, &error("OAUTH_023"), ("invisible", None), ("invisible", None))]
    #[case::invisible_26(401, &error("OAUTH_026"), ("invisible", None), ("invisible", None))]
    #[case::invisible_27(401, &error("OAUTH_027"), ("invisible", None), ("invisible", None))]
    #[case::invisible_29(401, &error("OAUTH_029"), ("invisible", None), ("invisible", None))]
    #[case::invisible_45(401, &error("OAUTH_045"), ("invisible", None), ("invisible", None))]
    #[case::unfamiliar_28(401, &error("OAUTH_028"), ("unfamiliar", None), ("unfamiliar", None))]
    #[case::unfamiliar_46(401, &error("OAUTH_046"), ("unfamiliar", None), ("unfamiliar", None))]
    #[case::unfamiliar_silence(401, "", ("unfamiliar", None), ("unfamiliar", None))]
    #[case::page_of_a_portal(401, "<html>401</html>", ("unknown", None), ("not taken", None))]
    #[case::page_of_a_firewall(403, "<html>Blocked</html>", ("unknown", None), ("not taken", None))]
    #[case::words_of_a_gateway(404, "no healthy upstream", ("unknown", None), ("not taken", None))]
    #[case::proxy(407, "", ("unknown", None), ("not taken", None))]
    #[case::forbidden(403, &error("ACCESS_001"), ("refused", None), ("refused", None))]
    #[case::deleted(404, &error("ITEM_013"), ("gone", None), ("gone", None))]
    #[case::no_view(404, &error("ACCESS_118"), ("invisible", None), ("invisible", None))]
    #[case::no_route(404, "", ("invisible", None), ("invisible", None))]
    #[case::limited(429, &error("APP_002"), ("wait", Some(65)), ("wait", Some(65)))]
    #[case::limited_by_code(400, &error("APP_002"), ("wait", Some(65)), ("wait", Some(65)))]
    #[case::limited_at_the_edge(429, "<html>", ("wait", Some(65)), ("wait", Some(65)))]
    #[case::gave_up(408, "", ("unknown", None), ("not taken", None))]
    #[case::server(500, &error("ITEMV2_003"), ("unknown", None), ("not taken", None))]
    #[case::server_with_a_known_code(500, &error("ITEM_013"), ("unknown", None), ("not taken", None))]
    #[case::edge(502, "<html>Bad gateway</html>", ("unknown", None), ("not taken", None))]
    #[case::timeout_at_the_edge(504, "", ("unknown", None), ("not taken", None))]
    #[case::moved(301, "", ("not taken", Some(60)), ("not taken", Some(60)))]
    #[case::odd_fields(400, r#"{"err":null,"ECODE":7}"#, ("refused", None), ("refused", None))]
    #[case::odd_shape(422, r#"["no"]"#, ("refused", None), ("refused", None))]
    fn an_answer_is_classified(
        #[case] status: u16,
        #[case] body: &str,
        #[case] write: (&str, Option<u64>),
        #[case] read: (&str, Option<u64>),
    ) {
        let none = HeaderMap::new();
        assert_eq!(
            word(&classify(&a_write(), status, &none, body, now())),
            write
        );
        assert_eq!(word(&classify(&a_read(), status, &none, body, now())), read);
    }

    #[rstest]
    #[case::to_the_reset(&[("x-ratelimit-reset", NOW + 12)], 13)]
    #[case::reset_is_past(&[("x-ratelimit-reset", NOW - 12)], 1)]
    #[case::reset_is_absurd(&[("x-ratelimit-reset", NOW + 86_400)], 65)]
    #[case::retry_after_wins(&[("x-ratelimit-reset", NOW + 12), ("retry-after", 90)], 90)]
    #[case::retry_after_is_absurd(&[("retry-after", 86_400)], 600)]
    #[case::says_nothing(&[], 65)]
    fn a_rate_limit_says_how_long(#[case] said: &[(&'static str, i64)], #[case] seconds: u64) {
        let said: Vec<_> = said
            .iter()
            .map(|(name, n)| (*name, n.to_string()))
            .collect();
        let verdict = classify(&a_write(), 429, &headers(&said), &error("APP_002"), now());
        assert_eq!(word(&verdict), ("wait", Some(seconds)));
    }

    #[rstest]
    #[case(400, &error("INPUT_006"))]
    #[case(401, &error("OAUTH_027"))]
    #[case(403, "")]
    #[case(404, &error("ITEM_013"))]
    fn a_refusal_names_system_thing_and_reason(#[case] status: u16, #[case] body: &str) {
        let verdict = classify(&a_read(), status, &HeaderMap::new(), body, now());
        let Verdict::Failed(error) = verdict else {
            panic!("{verdict:?}");
        };
        let words = error.to_string();
        assert!(words.contains("ClickUp"), "{words}");
        assert!(words.contains("the task 86tst0001"), "{words}");
        assert!(
            words.contains("said so") || words.contains("no reason"),
            "{words}"
        );
    }

    #[rstest]
    #[case("pk_1_abc", "pk_1_abc")]
    #[case("oauthtoken", "Bearer oauthtoken")]
    fn a_personal_token_has_no_bearer(#[case] token: &str, #[case] sent: &str) {
        let header = authorization(token).unwrap();
        assert_eq!(header.to_str().unwrap(), sent);
        assert!(!format!("{header:?}").contains(token));
    }
}
