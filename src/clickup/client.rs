//! Requests to ClickUp, and what its answers mean.
//!
//! `writer.rs` and `poll.rs` say what to ask; this sends it once and sorts every answer into what may be done next
//! ([`classify`], contract clickup 3 and 4). It repeats nothing and follows no redirect.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Host, Url};

use crate::bounds::Bound;
use crate::clock::Clock;
use crate::domain::operation::{Limits, Refusal, Standing, TokenStanding, WriteError};

use super::Unusable;

const USER_AGENT: &str = concat!("ivan/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole request, its answer included.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest answer that is read: a page of a hundred tasks is far below.
const BODY_MAX: usize = 10 * 1024 * 1024;

/// The window of the rate limit is a minute: no wait is longer, unless `Retry-After` says so (contract clickup 3).
const WINDOW: Duration = Duration::from_secs(65);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// No pause is longer: that, and what is added so that not everybody comes back at once.
const PAUSE_MAX: Duration = Duration::from_secs(610);
/// Clocks that differ by less agree, for dates are in whole seconds.
const CLOCKS_AGREE: TimeDelta = TimeDelta::seconds(2);
/// How long to leave alone what only an operator can mend: a dead token, a wrong address.
const OPERATOR_WAIT: Duration = Duration::from_secs(60);

/// A path segment: everything but unreserved characters is escaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Escapes an id for use in a path.
pub(super) fn segment(id: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(id, SEGMENT)
}

/// One request, and the words for the thing that it is about.
pub(super) struct Request {
    method: Method,
    /// Below the API's base, escaped, with a slash in front.
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    /// As it is named in errors: `the task 86tst0001`.
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
}

/// What came back, before it is known what it means.
struct Answer {
    status: u16,
    headers: HeaderMap,
    /// Text first, JSON second: the edge answers in HTML (contract clickup 4.0).
    body: String,
}

/// What an answer means.
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
    /// A 401 that says neither "dead token" nor "invisible": `GET /user` decides.
    Unfamiliar,
    /// It does not take the token: nothing was done, and nothing will be before an operator mends it.
    DeadToken(String),
    Failed(WriteError),
}

/// How a request failed, where that is more than a [`WriteError`].
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

/// The way to ClickUp, with the token.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    authorization: HeaderValue,
    clock: Clock,
    limits: Mutex<Limits>,
    token: Mutex<TokenStanding>,
    /// How far our clock is ahead of ClickUp's, as its last answer showed; zero if it is not.
    ahead: Mutex<TimeDelta>,
}

impl Client {
    pub(super) fn new(api_url: &str, token: &str, clock: Clock) -> Result<Client, Unusable> {
        let base = parse_base(api_url).map_err(|why| Unusable {
            key: "clickup.api_url",
            why,
        })?;
        let http = connector(&base).build().map_err(|error| Unusable {
            key: "clickup.api_url",
            why: format!("no HTTP client can be made: {}", reason(&error)),
        })?;
        Ok(Client {
            http,
            base,
            authorization: authorization(token)?,
            clock,
            limits: Mutex::default(),
            token: Mutex::default(),
            ahead: Mutex::new(TimeDelta::zero()),
        })
    }

    pub(super) fn limits(&self) -> Limits {
        self.lock_limits().clone()
    }

    /// How ClickUp stands to us, as its last answers told.
    pub(super) fn standing(&self) -> Standing {
        let now = self.clock.now();
        Standing {
            paused_until: self.lock_limits().refused_until.filter(|at| *at > now),
            token: locked(&self.token).clone(),
        }
    }

    /// Nothing is sent before then.
    pub(super) fn pause_until(&self, until: DateTime<Utc>) {
        let mut limits = self.lock_limits();
        limits.refused_until = limits.refused_until.max(Some(until));
    }

    /// How far our clock is ahead of ClickUp's: what it dates can be that much older by ours.
    pub(super) fn ahead(&self) -> TimeDelta {
        *locked(&self.ahead)
    }

    /// Sends a request, once, and reads the answer.
    pub(super) async fn send<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Trouble> {
        let answer = self.exchange(request).await?;
        match self.judge(request, &answer) {
            Verdict::Taken => Ok(parse(request, &answer.body)?),
            Verdict::UnknownStatus(why) => Err(Trouble::UnknownStatus(why)),
            Verdict::Unfamiliar => Err(self.whose_fault(request, &answer).await.into()),
            Verdict::Wait { why, wait } => Err(not_taken(why, Some(wait)).into()),
            Verdict::DeadToken(why) => Err(not_taken(why, Some(OPERATOR_WAIT)).into()),
            Verdict::Failed(error) => Err(error.into()),
        }
    }

    /// Tells a dead token from an invisible thing after an unfamiliar 401 (contract clickup 4).
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
            // The 401 itself was no effect, whatever the probe says.
            Verdict::Failed(WriteError::Unknown { why } | WriteError::Refused { why, .. }) => {
                not_taken(why, Some(OPERATOR_WAIT))
            }
            Verdict::Failed(error) => error,
        }
    }

    /// Remembers that the token is not taken.
    fn is_dead(&self, why: String) -> WriteError {
        *locked(&self.token) = TokenStanding::Refused {
            why: why.clone(),
            until: self.clock.now() + OPERATOR_WAIT,
        };
        not_taken(why, Some(OPERATOR_WAIT))
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, WriteError> {
        self.check_open()?;
        let mut url = self.base.clone();
        url.set_path(&format!(
            "{}{}",
            self.base.path().trim_end_matches('/'),
            request.path
        ));
        let mut sending = self
            .http
            .request(request.method.clone(), url)
            .header(AUTHORIZATION, self.authorization.clone())
            .query(&request.query);
        if let Some(body) = &request.body {
            sending = sending.json(body);
        }
        let sent = sending.send().await;
        count(&request.method, sent.as_ref().ok());
        let response = sent.map_err(|error| unanswered(request, &error))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        self.learn(&headers);
        match read_bounded(response).await {
            Ok(body) => Ok(Answer {
                status,
                headers,
                body,
            }),
            // A refusal stands without its body; what was taken must be looked at.
            Err(_) if status >= 300 => Ok(Answer {
                status,
                headers,
                body: String::new(),
            }),
            Err(why) => Err(lost(request, &why)),
        }
    }

    /// Classifies, and remembers a refusal for the rate limit and what became of the token.
    fn judge(&self, request: &Request, answer: &Answer) -> Verdict {
        let now = self.clock.now();
        // How long to wait is told by ClickUp's clock: ours may be wrong.
        let there = date(&answer.headers).unwrap_or(now);
        let verdict = classify(request, answer.status, &answer.headers, &answer.body, there);
        match verdict {
            Verdict::Wait { why, wait } => {
                // Everybody who waits would come back at once.
                let wait = wait + Duration::from_millis(fastrand::u64(0..1000));
                self.pause_until(now + wait);
                Verdict::Wait { why, wait }
            }
            Verdict::DeadToken(why) => {
                self.is_dead(why.clone());
                Verdict::DeadToken(why)
            }
            Verdict::Taken => {
                *locked(&self.token) = TokenStanding::Taken;
                Verdict::Taken
            }
            other => other,
        }
    }

    /// Nothing is sent while a rate limit holds: it would be refused and counted.
    fn check_open(&self) -> Result<(), WriteError> {
        let mut limits = self.lock_limits();
        let until = limits.refused_until;
        let wait = until.and_then(|until| (until - self.clock.now()).to_std().ok());
        match wait {
            // No window is as long: the clock was moved meanwhile.
            Some(wait) if wait > PAUSE_MAX => limits.refused_until = None,
            Some(wait) if !wait.is_zero() => {
                return Err(not_taken(
                    "ClickUp's rate limit is used up; I wait until it is open again".to_owned(),
                    Some(wait),
                ));
            }
            _ => {}
        }
        Ok(())
    }

    fn learn(&self, headers: &HeaderMap) {
        let now = self.clock.now();
        let there = date(headers);
        if let Some(there) = there {
            // It counts whole seconds, and the answer has been on its way.
            let ahead = now - there;
            *locked(&self.ahead) = if ahead > CLOCKS_AGREE {
                ahead
            } else {
                TimeDelta::zero()
            };
        }
        let Some(remaining) = number(headers, "x-ratelimit-remaining") else {
            return;
        };
        let reset_at = reset(headers);
        {
            let mut limits = self.lock_limits();
            limits.remaining = Some(remaining);
            metrics::gauge!("ivan_source_ratelimit_remaining", "source" => "clickup")
                .set(remaining as f64);
            limits.limit = number(headers, "x-ratelimit-limit");
            limits.reset_at = reset_at;
        }
        // That was the last one of this window: the next would be refused.
        if remaining == 0
            && let Some(left) = reset_at.and_then(|at| (at - there.unwrap_or(now)).to_std().ok())
        {
            let wait = (left + Duration::from_secs(1)).min(WINDOW);
            self.pause_until(now + wait);
        }
    }

    fn lock_limits(&self) -> MutexGuard<'_, Limits> {
        locked(&self.limits)
    }
}

fn locked<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `none`: there was no answer.
fn count(method: &Method, response: Option<&reqwest::Response>) {
    let status = response.map_or("none".to_owned(), |response| {
        response.status().as_str().to_owned()
    });
    metrics::counter!(
        "ivan_source_requests_total",
        "source" => "clickup", "method" => method.as_str().to_owned(), "status" => status
    )
    .increment(1);
}

/// Reads the address of the API: http or https, no query; a slash at its end is dropped.
fn parse_base(api_url: &str) -> Result<Url, String> {
    let base = Url::parse(api_url.trim_end_matches('/'))
        .map_err(|error| format!("is not an address ({error}); it begins with https://"))?;
    if !matches!(base.scheme(), "http" | "https") || base.query().is_some() {
        return Err("must be an http or https address without a query".to_owned());
    }
    Ok(base)
}

fn connector(base: &Url) -> reqwest::ClientBuilder {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .http1_only();
    if base.scheme() == "http" {
        // No certificate will be asked for: works where none are installed.
        builder = builder.tls_certs_only([]);
    }
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    builder
}

fn is_loopback(base: &Url) -> bool {
    match base.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A personal token goes as it is, an OAuth token as Bearer (contract clickup 2).
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

async fn read_bounded(mut response: reqwest::Response) -> Result<String, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
        if body.len() + chunk.len() > BODY_MAX {
            Bound::Answer.reached(format_args!(
                "an answer of ClickUp is longer than {BODY_MAX} bytes and counts as none"
            ));
            return Err(format!("it is longer than {BODY_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(match String::from_utf8(body) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

fn parse<T: DeserializeOwned>(request: &Request, body: &str) -> Result<T, WriteError> {
    // What is deleted leaves nothing to say.
    let body = match body.is_empty() && request.method == Method::DELETE {
        true => "null",
        false => body,
    };
    serde_json::from_str(body).map_err(|error| {
        lost(
            request,
            &format!(
                "it is not what I expect (line {}, column {})",
                error.line(),
                error.column()
            ),
        )
    })
}

/// The answer was a success, and cannot be read.
fn lost(request: &Request, why: &str) -> WriteError {
    let why = format!("ClickUp's answer about {} was lost: {why}", request.thing);
    if request.is_write() {
        WriteError::Unknown { why }
    } else {
        not_taken(why, None)
    }
}

/// No answer at all. Without a connection nothing was sent; after that nobody knows (contract clickup 6.4).
fn unanswered(request: &Request, error: &reqwest::Error) -> WriteError {
    let thing = &request.thing;
    let reason = reason(error);
    if error.is_connect() {
        return not_taken(format!("ClickUp cannot be reached ({reason})"), None);
    }
    if request.is_write() && !error.is_builder() {
        return WriteError::Unknown {
            why: format!("ClickUp did not answer about {thing} ({reason})"),
        };
    }
    not_taken(
        format!("ClickUp did not answer about {thing} ({reason})"),
        None,
    )
}

/// The innermost cause, without the address.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        let limit = if error.is_connect() {
            CONNECT_TIMEOUT
        } else {
            TOTAL_TIMEOUT
        };
        return format!("nothing for {} s", limit.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    // Only the outermost error prints the address.
    if std::ptr::addr_eq(cause, error) {
        return "the request failed".to_owned();
    }
    cause.to_string()
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
        let words: String = self
            .err
            .as_deref()
            .unwrap_or("no reason given")
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(200)
            .collect();
        f.write_str(words.trim().trim_end_matches('.'))?;
        match &self.code {
            Some(code) => write!(f, ", {}", code.chars().take(40).collect::<String>()),
            None => Ok(()),
        }
    }
}

/// What an answer means (contract clickup 3, 4 and 6.4). ClickUp's own code decides before the status does: both a
/// dead token and a task that is not visible are 401.
pub(super) fn classify(
    request: &Request,
    status: u16,
    headers: &HeaderMap,
    body: &str,
    now: DateTime<Utc>,
) -> Verdict {
    if (200..300).contains(&status) {
        return Verdict::Taken;
    }
    let said = Said::read(body);
    let thing = &request.thing;
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

/// Nothing queued is refused for a dead token: the operator mends it, and it is sent.
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

fn not_taken(why: String, retry_after: Option<Duration>) -> WriteError {
    WriteError::NotTaken { why, retry_after }
}

/// How long to wait: what ClickUp says, else to the end of the window and a second more (contract clickup 3).
fn limited_for(headers: &HeaderMap, now: DateTime<Utc>) -> Duration {
    let second = Duration::from_secs(1);
    if let Some(seconds) = number(headers, "retry-after") {
        return Duration::from_secs(seconds).clamp(second, RETRY_AFTER_MAX);
    }
    let to_reset = reset(headers).map(|at| (at - now).to_std().unwrap_or_default() + second);
    to_reset.unwrap_or(WINDOW).clamp(second, WINDOW)
}

/// When it was answered, by ClickUp's clock.
fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let date = headers.get(DATE)?.to_str().ok()?;
    Some(DateTime::parse_from_rfc2822(date).ok()?.to_utc())
}

/// `X-RateLimit-Reset` is in Unix seconds (contract clickup 3).
fn reset(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let seconds = i64::try_from(number(headers, "x-ratelimit-reset")?).ok()?;
    DateTime::from_timestamp(seconds, 0)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::fake;
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
    #[case::unfamiliar_html(401, "<html>401</html>", ("unfamiliar", None), ("unfamiliar", None))]
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

    #[rstest]
    #[case("https://api.clickup.com/api/v2", Some("/api/v2"))]
    #[case("http://127.0.0.1:1/api/v2/", Some("/api/v2"))]
    #[case("api.clickup.com", None)]
    #[case("https://api.clickup.com/?a=b", None)]
    fn the_address_is_checked(#[case] url: &str, #[case] path: Option<&str>) {
        let base = parse_base(url).ok();
        assert_eq!(base.as_ref().map(Url::path), path);
    }

    /// The connection is taken and nothing is ever said.
    #[tokio::test]
    async fn silence_after_a_write_is_unknown_and_after_a_read_not_taken() {
        fake::provider();
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let mut client = Client::new(&url, "pk_1", Clock::system()).unwrap();
        let impatient = connector(&client.base).timeout(Duration::from_millis(100));
        client.http = impatient.build().unwrap();
        let write = WriteError::from(client.send::<Value>(&a_write()).await.unwrap_err());
        assert!(matches!(write, WriteError::Unknown { .. }), "{write:?}");
        let read = WriteError::from(client.send::<Value>(&a_read()).await.unwrap_err());
        assert!(matches!(read, WriteError::NotTaken { .. }), "{read:?}");
    }

    #[tokio::test]
    async fn an_answer_without_end_counts_as_none() {
        let before = Bound::Answer.times();
        let fake =
            fake::Fake::start(|_| fake::Reply::Text(200, vec![], " ".repeat(BODY_MAX + 1))).await;
        fake::provider();
        let answer = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .unwrap()
            .get(&fake.url)
            .send()
            .await
            .unwrap();
        let read = read_bounded(answer).await;
        assert_eq!(read, Err(format!("it is longer than {BODY_MAX} bytes")));
        assert!(Bound::Answer.times() > before);
    }
}
