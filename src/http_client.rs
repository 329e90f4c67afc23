//! One exchange with a source over HTTP: sent once, without redirects, with a bounded response. The headers of the
//! responses give the rate limit, the state of the token and the source's clock.
//!
//! `clickup::client` and `github::client` build requests and classify responses ([`Verdict`]); [`HttpClient`] sends them. It
//! repeats nothing, and sends nothing while a rate limit holds.

#[cfg(test)]
pub(crate) mod clients;
#[cfg(test)]
#[cfg(feature = "demo")]
pub(crate) mod damage;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod request;
mod verdict;
pub(crate) mod webhook;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, IF_NONE_MATCH};
use rustls::ClientConfig;
use serde::de::DeserializeOwned;
use url::{Host, Url};

use crate::clock::Clock;
use crate::domain::checkup::TokenTrouble;
use crate::domain::controls::{json_without_controls, one_line};
use crate::domain::operation::{Refusal, WriteError};
use crate::domain::reason::with_details;
use crate::domain::source::{Limits, SourceStanding, TokenStanding};
use crate::domain::when::plausible;
use crate::limits::Limit;
use crate::runtime::fence::fenced;
use crate::runtime::lock;
use crate::telemetry;
use crate::tls;

pub(crate) use request::{FormFile, Request};
pub(crate) use verdict::{SourceError, Verdict, is_page};

use request::RequestTarget;
use verdict::without_answer;

const USER_AGENT: &str = concat!("ivan/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole request, its response included. GitHub itself gives up after ten seconds (docs/contracts/github.md#requests).
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// The same for a request that sends a file.
const FILE_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest response that is read: a page of a hundred issues is at most 6.5 MB (docs/contracts/github.md#conditional-requests-and-polling).
const BODY_MAX: usize = 10 * 1024 * 1024;
/// How much of a text is read that only a person reads.
const SHORT_BODY_MAX: usize = 64 * 1024;
/// Clocks that differ by less count as equal, because dates are in whole seconds.
const CLOCKS_AGREE: TimeDelta = TimeDelta::seconds(2);
/// What a date in whole seconds lacks on average.
const HALF_A_SECOND: TimeDelta = TimeDelta::milliseconds(500);
/// How long before a token expires the operators are told: enough time to get another.
const ENDS_SOON: TimeDelta = TimeDelta::days(7);
/// The pause after an error that only an operator can fix: a dead token, a wrong URL.
pub(crate) const OPERATOR_WAIT: Duration = Duration::from_secs(60);

/// The wait if a source gives none, doubled each time in a row (docs/contracts/github.md#rate-limits).
const BLIND_WAIT: Duration = Duration::from_secs(60);
const DOUBLINGS_MAX: u32 = 4;

/// The shortest text that can be a token. A shorter one would be found in words.
const TOKEN_MIN: usize = 8;

/// A path segment: everything but unreserved characters is escaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Escapes an id or a name for use in a path.
pub(crate) fn segment(id: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(id, SEGMENT)
}

/// The facts about a source that its HTTP exchange needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceFacts {
    /// The name for people.
    pub(crate) name: &'static str,
    /// The name in metrics.
    pub(crate) label: &'static str,
    /// The window of its rate limit, and a little more.
    pub(crate) window: Duration,
    /// The longest pause: the window plus the jitter.
    pub(crate) pause_max: Duration,
    /// The keys of bot.toml for its URL and its token.
    pub(crate) api_url_key: &'static str,
    pub(crate) token_key: &'static str,
    /// Headers of every request.
    pub(crate) headers: &'static [(&'static str, &'static str)],
}

/// The reason why the settings are invalid. The text names the key, never the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct InvalidSettings {
    /// The key of bot.toml: `github.api_url`.
    pub key: &'static str,
    /// The reason, as the rest of a sentence after the key.
    pub why: String,
}

/// How much access to an account's data a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AccessNeed {
    pub(crate) writes: bool,
    /// Whether it is about tasks, and not only about their containers.
    pub(crate) tasks: bool,
}

/// A response, not classified yet.
pub(crate) struct RawResponse {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Text first, JSON second: the edge answers in HTML.
    pub(crate) body: String,
}

/// The connection to a source.
pub(crate) struct HttpClient {
    system: SourceFacts,
    http: reqwest::Client,
    base: Url,
    authorization: HeaderValue,
    clock: Clock,
    limits: Mutex<Limits>,
    token: Mutex<TokenStanding>,
    /// When the token expires, from the last response.
    token_ends: Mutex<Option<DateTime<Utc>>>,
    /// How far our clock is ahead of the source's, from the last response; zero if it is not.
    ahead: Mutex<TimeDelta>,
    /// The difference between our clock and the source's, from the last response.
    skew: Mutex<Option<TimeDelta>>,
    /// Refusals in a row without a time to wait.
    blind: Mutex<u32>,
    /// By account: the reason and the request of a refusal by its rules; `None` if they do not refuse.
    rules: Mutex<BTreeMap<String, Option<(String, AccessNeed)>>>,
}

impl HttpClient {
    /// `authorization` is the header's value.
    pub(crate) fn new(
        system: SourceFacts,
        api_url: &str,
        authorization: &str,
        clock: Clock,
    ) -> Result<HttpClient, InvalidSettings> {
        let unusable = |key, why| InvalidSettings { key, why };
        let base = parse_base(api_url).map_err(|why| unusable(system.api_url_key, why))?;
        let http = connector(&base)
            .and_then(|builder| builder.build().map_err(|error| reason(&error)))
            .map_err(|why| {
                let why = format!("cannot create an HTTP client: {why}");
                unusable(system.api_url_key, why)
            })?;
        let mut authorization = HeaderValue::try_from(authorization).map_err(|_| {
            let why = "has a character that no token has, perhaps a line break".to_owned();
            unusable(system.token_key, why)
        })?;
        authorization.set_sensitive(true);
        Ok(HttpClient {
            system,
            http,
            base,
            authorization,
            clock,
            limits: Mutex::default(),
            token: Mutex::default(),
            token_ends: Mutex::default(),
            ahead: Mutex::new(TimeDelta::zero()),
            skew: Mutex::default(),
            blind: Mutex::default(),
            rules: Mutex::default(),
        })
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn limits(&self) -> Limits {
        lock(&self.limits).clone()
    }

    /// The status of the source towards us, from its last responses.
    pub(crate) fn standing(&self) -> SourceStanding {
        let now = self.clock.now();
        let until = lock(&self.limits).refused_until;
        let ends = *lock(&self.token_ends);
        SourceStanding {
            paused_until: until.filter(|at| *at > now),
            token: lock(&self.token).clone(),
            token_ends: ends.filter(|at| *at - now <= ENDS_SOON),
            rules: lock(&self.rules)
                .iter()
                .map(|(account, rule)| (account.clone(), rule.as_ref().map(|(why, _)| why.clone())))
                .collect(),
        }
    }

    /// Records that a rule of an account refused us: an administrator must change it.
    pub(crate) fn rules_refuse(&self, account: &str, reach: AccessNeed, why: &str) {
        lock(&self.rules).insert(account.to_owned(), Some((why.to_owned(), reach)));
    }

    /// Records that a request about an account was accepted. This does not prove that larger refused ones would be.
    pub(crate) fn rules_allow(&self, account: &str, reach: AccessNeed) {
        let mut rules = lock(&self.rules);
        let known = rules.entry(account.to_owned()).or_default();
        let stands = known.as_ref().is_some_and(|(_, refused)| {
            refused.writes && !reach.writes || refused.tasks && !reach.tasks
        });
        if !stands {
            *known = None;
        }
    }

    /// Sends nothing before then.
    pub(crate) fn pause_until(&self, until: DateTime<Utc>) {
        let mut limits = lock(&self.limits);
        limits.refused_until = limits.refused_until.max(Some(until));
    }

    /// Records a refusal for the rate limit; returns how long nothing is sent.
    pub(crate) fn pause_for(&self, wait: Duration) -> Duration {
        // Jitter, so that not all waiting clients return at once.
        let wait = wait + Duration::from_millis(fastrand::u64(0..1000));
        self.pause_until(self.clock.now() + wait);
        wait
    }

    /// How far our clock is ahead of the source's: its times may be that much older by our clock.
    pub(crate) fn ahead(&self) -> TimeDelta {
        *lock(&self.ahead)
    }

    /// How far our clock is ahead of the source's; negative if it is behind. `None` before the first response.
    pub(crate) fn skew(&self) -> Option<TimeDelta> {
        *lock(&self.skew)
    }

    /// The meaning of a failed question about the token.
    pub(crate) fn token_trouble(&self, error: &WriteError) -> TokenTrouble {
        let is_refused = matches!(*lock(&self.token), TokenStanding::Refused { .. });
        match error {
            WriteError::Refused { .. } => TokenTrouble::Rejected(error.to_string()),
            _ if is_refused => TokenTrouble::Rejected(error.to_string()),
            WriteError::NotTaken { .. } | WriteError::Unknown { .. } => {
                TokenTrouble::NoAnswer(error.to_string())
            }
        }
    }

    pub(crate) fn token_is_refused(&self, why: String) {
        *lock(&self.token) = TokenStanding::Refused {
            why,
            until: self.clock.now() + OPERATOR_WAIT,
        };
    }

    /// The URL below the API's base; `path` is escaped, with a leading slash.
    pub(crate) fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Whether the token may be sent there.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// The URL of a request.
    pub(crate) fn address(&self, request: &Request) -> Url {
        let mut url = match &request.target {
            RequestTarget::Url(url) => url.clone(),
            RequestTarget::Path(path) => self.at(path),
        };
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        url
    }

    /// Records the rate limit or the token status of a verdict; an accepted token is valid until `ends`.
    pub(crate) fn remember<Own>(
        &self,
        verdict: Verdict<Own>,
        ends: Option<DateTime<Utc>>,
    ) -> Verdict<Own> {
        match &verdict {
            Verdict::Taken => {
                *lock(&self.token) = TokenStanding::Taken;
                *lock(&self.token_ends) = ends;
            }
            Verdict::DeadToken(why) => self.token_is_refused(why.clone()),
            _ => {}
        }
        let mut blind = lock(&self.blind);
        let Verdict::Wait { why, wait } = verdict else {
            *blind = 0;
            return verdict;
        };
        let wait = wait.unwrap_or_else(|| {
            let wait = BLIND_WAIT * 2_u32.pow((*blind).min(DOUBLINGS_MAX));
            *blind += 1;
            wait
        });
        let wait = Some(self.pause_for(wait));
        Verdict::Wait { why, wait }
    }

    /// Sends a request, once, and reads the response. `url` is its own, or the target of a redirect.
    pub(crate) async fn exchange(
        &self,
        request: &Request,
        url: Url,
    ) -> Result<RawResponse, WriteError> {
        self.exchange_as(request, url, &self.authorization).await
    }

    /// As [`HttpClient::exchange`], with another value of the header `authorization`: a token that changes.
    pub(crate) async fn exchange_as(
        &self,
        request: &Request,
        url: Url,
        authorization: &HeaderValue,
    ) -> Result<RawResponse, WriteError> {
        self.check_open()?;
        let mut sending = self.http.request(request.method.clone(), url);
        if !authorization.is_empty() {
            sending = sending.header(AUTHORIZATION, authorization.clone());
        }
        for (name, value) in self.system.headers {
            sending = sending.header(*name, *value);
        }
        if let Some(known) = &request.known {
            sending = sending.header(IF_NONE_MATCH, known);
        }
        if let Some(body) = &request.body {
            sending = sending.json(body);
        }
        if let Some(file) = &request.file {
            let (kind, form) = file.form();
            sending = sending.header(CONTENT_TYPE, kind).body(form);
            sending = sending.timeout(FILE_TIMEOUT);
        }
        // A leader whose lease is over sends nothing any more.
        let traced = telemetry::request_begins();
        let sent = fenced(sending.send()).await;
        if let Some(traced) = traced {
            let status = sent.as_ref().ok().map(|response| response.status());
            let well = status.is_some_and(|s| !s.is_client_error() && !s.is_server_error());
            traced.ends(request.method.as_str(), status.map(|s| s.as_u16()), well);
        }
        self.count(&request.method, sent.as_ref().ok());
        let response = sent.map_err(|error| self.unanswered(request, &error))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        self.learn(&headers);
        match self.read_bounded(response).await {
            Ok(body) => Ok(RawResponse {
                status,
                headers,
                body: match status {
                    300.. => without_token(authorization, body),
                    _ => body,
                },
            }),
            // A refusal is valid without its body; an accepted request without one must be looked up.
            Err(_) if status >= 300 => Ok(RawResponse {
                status,
                headers,
                body: String::new(),
            }),
            Err(why) => Err(self.lost(request, &why)),
        }
    }

    /// Reads the body of a success.
    pub(crate) fn parse<T: DeserializeOwned>(
        &self,
        request: &Request,
        body: &str,
    ) -> Result<T, WriteError> {
        // A deletion has an empty response.
        let body = match body.is_empty() && request.method == Method::DELETE {
            true => "null",
            false => body,
        };
        serde_json::from_str(body).map_err(|error| {
            self.lost(
                request,
                &format!(
                    "unexpected JSON at line {}, column {}",
                    error.line(),
                    error.column()
                ),
            )
        })
    }

    /// The time of the response by the source's clock, which waits refer to: ours may be wrong.
    pub(crate) fn answered_at(&self, answer: &RawResponse) -> DateTime<Utc> {
        date(&answer.headers).unwrap_or_else(|| self.clock.now())
    }

    /// Sends nothing while a rate limit holds: it would be refused and counted, and persistence may lead to a ban
    /// (docs/contracts/github.md#rate-limits).
    fn check_open(&self) -> Result<(), WriteError> {
        let mut limits = lock(&self.limits);
        let until = limits.refused_until;
        let wait = until.and_then(|until| (until - self.clock.now()).to_std().ok());
        match wait {
            // No window is that long: the clock was moved meanwhile.
            Some(wait) if wait > self.system.pause_max => limits.refused_until = None,
            Some(wait) if !wait.is_zero() => {
                let why = format!(
                    "{}'s rate limit is reached, so I am waiting for it to reset",
                    self.system.name
                );
                return Err(not_taken(why, Some(wait)));
            }
            _ => {}
        }
        Ok(())
    }

    /// Both sources have these headers (docs/contracts/clickup.md#rate-limits, docs/contracts/github.md#rate-limits).
    fn learn(&self, headers: &HeaderMap) {
        let now = self.clock.now();
        let there = date(headers);
        if let Some(there) = there {
            // It counts whole seconds, and the response has been on its way.
            let ahead = now - there;
            *lock(&self.skew) = Some(ahead - HALF_A_SECOND);
            *lock(&self.ahead) = if ahead > CLOCKS_AGREE {
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
            let mut limits = lock(&self.limits);
            limits.remaining = Some(remaining);
            metrics::gauge!("ivan_source_ratelimit_remaining", "source" => self.system.label)
                .set(remaining as f64);
            limits.limit = number(headers, "x-ratelimit-limit");
            limits.reset_at = reset_at;
        }
        // That was the last one of this window: the next would be refused, and counted against us.
        if remaining == 0
            && let Some(left) = reset_at.and_then(|at| (at - there.unwrap_or(now)).to_std().ok())
        {
            let wait = (left + Duration::from_secs(1)).min(self.system.window);
            self.pause_until(now + wait);
        }
    }

    /// `none`: there was no response.
    fn count(&self, method: &Method, response: Option<&reqwest::Response>) {
        let status = response.map_or("none".to_owned(), |response| {
            response.status().as_str().to_owned()
        });
        metrics::counter!(
            "ivan_source_requests_total",
            "source" => self.system.label, "method" => method.as_str().to_owned(), "status" => status
        )
        .increment(1);
    }

    async fn read_bounded(&self, mut response: reqwest::Response) -> Result<String, String> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
            if body.len() + chunk.len() > BODY_MAX {
                Limit::Answer.reached(format_args!(
                    "an answer of {} is longer than {BODY_MAX} bytes and is dropped",
                    self.system.name
                ));
                return Err(format!("it is longer than {BODY_MAX} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(body)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Ok(match json_without_controls(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(plain) => plain,
        })
    }

    /// The response was a success, and cannot be read.
    fn lost(&self, request: &Request, why: &str) -> WriteError {
        let (name, thing) = (self.system.name, &request.thing);
        let why = with_details(
            format_args!("{name}'s answer was lost"),
            format_args!("It was about {thing}: {why}"),
        );
        without_answer(request, why)
    }

    /// No response at all. Without a connection nothing was sent; otherwise the effect is unknown (docs/contracts/clickup.md#lost-answers, docs/contracts/github.md#lost-answers).
    fn unanswered(&self, request: &Request, error: &reqwest::Error) -> WriteError {
        let name = self.system.name;
        let reason = reason(error);
        if error.is_connect() {
            return not_taken(
                with_details(
                    format_args!("I can't reach {name}"),
                    format_args!("Connection failed: {reason}"),
                ),
                None,
            );
        }
        let why = with_details(
            format_args!("{name} is not responding"),
            format_args!("No answer about {} ({reason})", request.thing),
        );
        match error.is_builder() {
            true => not_taken(why, None),
            false => without_answer(request, why),
        }
    }

    /// The error for a read whose content is unusable.
    pub(crate) fn unreadable(&self, thing: &str, why: &str) -> WriteError {
        not_taken(self.cannot_be_used(thing, why), None)
    }

    /// The error for a write that was accepted and whose response is unusable.
    pub(crate) fn unreadable_after_write(&self, thing: &str, why: &str) -> WriteError {
        let why = self.cannot_be_used(thing, why);
        WriteError::Unknown { why }
    }

    fn cannot_be_used(&self, thing: &str, why: &str) -> String {
        with_details(
            format_args!("{}'s answer is unusable", self.system.name),
            format_args!("It was about {thing}: {why}"),
        )
    }

    /// The search for a trace was incomplete: its absence is not proven.
    pub(crate) fn too_much(&self, thing: &str) -> WriteError {
        let name = self.system.name;
        Limit::Pages.reached(format_args!(
            "a search in {name} did not find out whether a write arrived, and is repeated"
        ));
        let why = with_details(
            format_args!("{name} has too many changes to tell whether the write arrived"),
            format_args!("The search was in {thing}"),
        );
        not_taken(why, None)
    }
}

/// Sends one request to any address, without a token, and returns the status and the beginning of the text.
pub(crate) async fn exchange_once(
    method: Method,
    url: &Url,
    headers: &[(&str, String)],
    body: Vec<u8>,
) -> Result<(u16, String), String> {
    let client = connector(url)?.build().map_err(|error| reason(&error))?;
    let mut sending = client.request(method, url.clone()).body(body);
    for (name, value) in headers {
        sending = sending.header(*name, value);
    }
    let mut answer = sending.send().await.map_err(|error| reason(&error))?;
    let status = answer.status().as_u16();
    let mut text = Vec::new();
    while text.len() < SHORT_BODY_MAX
        && let Some(chunk) = answer.chunk().await.map_err(|error| reason(&error))?
    {
        text.extend_from_slice(&chunk);
    }
    Ok((status, String::from_utf8_lossy(&text).into_owned()))
}

/// The body of a refusal, whose words people and the log get. A proxy may repeat the request in it, and so the token.
fn without_token(authorization: &HeaderValue, body: String) -> String {
    let sent = authorization.to_str().unwrap_or_default();
    let token = sent.rsplit(' ').next().unwrap_or_default();
    match token.len() >= TOKEN_MIN && body.contains(token) {
        true => body.replace(token, "…"),
        false => body,
    }
}

/// A refusal for a reason of its own.
pub(crate) fn refused(why: String) -> WriteError {
    WriteError::Refused {
        what: Refusal::Other,
        why,
    }
}

pub(crate) fn not_taken(why: String, retry_after: Option<Duration>) -> WriteError {
    WriteError::NotTaken { why, retry_after }
}

/// The same error of a write that takes several requests. Once one of them is applied, it is not certain any more that
/// nothing changed.
pub(crate) fn after_a_part(is_begun: bool, error: WriteError) -> WriteError {
    match (is_begun, error) {
        (true, WriteError::NotTaken { why, .. }) => WriteError::Unknown { why },
        (true, WriteError::Refused { what, why }) => WriteError::Refused {
            what,
            why: format!("Only a part was changed. {why}"),
        },
        (_, error) => error,
    }
}

/// The longest error text of a source, and the longest URL in it.
const SAID_MAX: usize = 200;
const ADDRESS_MAX: usize = 300;

/// A source's error text: one line, shortened. A URL in it stays whole or is left out. One that the text leads to
/// stays, because it is often the remedy.
pub(crate) fn clipped(words: &str) -> String {
    let plain = one_line(words);
    let plain = plain.trim();
    if plain.chars().count() <= SAID_MAX {
        return plain.to_owned();
    }
    let is_address = |word: &&str| word.contains("://");
    let mut kept = String::new();
    let mut length = 0;
    let mut rest = plain.split(' ');
    let mut left_out = None;
    for word in rest.by_ref() {
        length += word.chars().count() + 1;
        if length > SAID_MAX + 1 {
            left_out = Some(word);
            break;
        }
        kept.push_str(word);
        kept.push(' ');
    }
    if kept.is_empty() {
        // One word.
        let first = left_out
            .filter(|word| !is_address(word))
            .unwrap_or_default();
        kept = first.chars().take(SAID_MAX).collect();
    }
    let mut addresses = left_out.into_iter().chain(rest).filter(is_address);
    let address = addresses.find(|word| word.chars().count() <= ADDRESS_MAX);
    match address {
        Some(address) if left_out == Some(address) => kept.trim().to_owned() + " " + address,
        Some(address) => kept.trim().to_owned() + " … " + address,
        None => kept.trim().to_owned() + " …",
    }
    .trim()
    .to_owned()
}

/// The number in a header.
pub(crate) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// When the window of the rate limit ends, in Unix seconds on the wire.
pub(crate) fn reset(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let seconds = i64::try_from(number(headers, "x-ratelimit-reset")?).ok()?;
    DateTime::from_timestamp(seconds, 0)
}

fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let date = headers.get(DATE)?.to_str().ok()?;
    plausible(DateTime::parse_from_rfc2822(date).ok()?.to_utc())
}

/// Parses the URL of the API: http or https, no query; a trailing slash is dropped.
fn parse_base(api_url: &str) -> Result<Url, String> {
    let base = Url::parse(api_url.trim_end_matches('/'))
        .map_err(|error| format!("is not an address ({error}); expected https://…"))?;
    if !matches!(base.scheme(), "http" | "https") || base.query().is_some() {
        return Err("expected an http or https address without a query".to_owned());
    }
    Ok(base)
}

/// A client for addresses that begin with `base`: with the authorities of this system and of `tls.ca_file`, and the proxy
/// of the environment.
pub(crate) fn connector(base: &Url) -> Result<reqwest::ClientBuilder, String> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .http1_only();
    let tls = match base.scheme() {
        "http" => tls::without_certificates()?,
        _ => ClientConfig::clone(&*tls::with_system_certificates()?),
    };
    builder = builder.tls_backend_preconfigured(tls);
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    Ok(builder)
}

fn is_loopback(base: &Url) -> bool {
    match base.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The innermost cause, without the URL.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        let limit = if error.is_connect() {
            CONNECT_TIMEOUT
        } else {
            TOTAL_TIMEOUT
        };
        return format!("no answer for {} s", limit.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    // Only the outermost error prints the URL.
    if std::ptr::addr_eq(cause, error) {
        return "the request failed".to_owned();
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;
    use rstest::rstest;
    use serde_json::json;

    use super::fake::{Fake, FakeResponse};
    use super::*;

    const SYSTEM: SourceFacts = SourceFacts {
        name: "GitHub",
        label: "github",
        window: Duration::from_secs(3_660),
        pause_max: Duration::from_secs(3_670),
        api_url_key: "github.api_url",
        token_key: "github.token",
        headers: &[],
    };

    fn rest(url: &str) -> HttpClient {
        fake::provider();
        HttpClient::new(SYSTEM, url, "t", Clock::system()).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    async fn read(rest: &HttpClient) -> Result<RawResponse, WriteError> {
        let request = Request::get("/issue", "the issue acme/widgets#7");
        rest.exchange(&request, rest.address(&request)).await
    }

    async fn write(rest: &HttpClient) -> Result<RawResponse, WriteError> {
        let request = Request::post("/issue", "the issue acme/widgets#7", json!({}));
        rest.exchange(&request, rest.address(&request)).await
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

    #[rstest]
    #[case::short("No.", "No.")]
    #[case::lines("a\nb\u{7}", "a b")]
    #[case::long(&"word ".repeat(60), &format!("{} …", "word ".repeat(40).trim()))]
    #[case::one_word(&"é".repeat(300), &format!("{} …", "é".repeat(200)))]
    #[case::address_at_the_cut(&format!("{} https://x.test/settings/tokens/1", "word ".repeat(38).trim()), &format!("{} https://x.test/settings/tokens/1", "word ".repeat(38).trim()))]
    #[case::address_after_it(&format!("{}see https://x.test/1 now", "word ".repeat(60)), &format!("{} … https://x.test/1", "word ".repeat(40).trim()))]
    #[case::address_too_long(&format!("{}https://x.test/{}", "word ".repeat(39), "a".repeat(400)), &format!("{} …", "word ".repeat(39).trim()))]
    fn an_address_in_a_sources_words_is_whole_or_not_there(#[case] said: &str, #[case] kept: &str) {
        assert_eq!(clipped(said), kept);
    }

    #[test]
    fn the_last_request_of_a_window_is_followed_by_none() {
        let rest = rest("http://127.0.0.1:1");
        let now = rest.now();
        // The source's clock is an hour behind ours: a minute is left by both.
        let there = now - TimeDelta::hours(1);
        let date = there.to_rfc2822().replace("+0000", "GMT");
        let reset = (there.timestamp() + 60).to_string();
        let said = |remaining| {
            headers(&[
                ("date", &date),
                ("x-ratelimit-remaining", remaining),
                ("x-ratelimit-reset", &reset),
            ])
        };
        rest.learn(&said("1"));
        assert_eq!(rest.check_open(), Ok(()));
        rest.learn(&said("0"));
        let until = rest.standing().paused_until.unwrap();
        assert!((59..=62).contains(&(until - now).num_seconds()), "{until}");
        assert!(rest.check_open().is_err());
    }

    #[test]
    fn a_pause_that_no_window_is_as_long_as_is_a_clock_that_was_moved() {
        let rest = rest("http://127.0.0.1:1");
        rest.pause_until(rest.now() + TimeDelta::minutes(59));
        assert!(rest.check_open().is_err());
        rest.pause_until(rest.now() + TimeDelta::hours(2));
        assert_eq!(rest.check_open(), Ok(()));
    }

    /// The connection is accepted and no response is ever sent.
    #[tokio::test]
    async fn silence_after_a_write_is_unknown_and_after_a_read_not_taken() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut rest = rest(&format!("http://{}", silent.local_addr().unwrap()));
        let impatient = connector(&rest.base)
            .unwrap()
            .timeout(Duration::from_millis(100));
        rest.http = impatient.build().unwrap();
        let write = write(&rest).await.err().unwrap();
        assert!(matches!(write, WriteError::Unknown { .. }), "{write:?}");
        let read = read(&rest).await.err().unwrap();
        assert!(matches!(read, WriteError::NotTaken { .. }), "{read:?}");
    }

    #[tokio::test]
    async fn an_answer_without_end_counts_as_none() {
        let before = Limit::Answer.times();
        let fake = Fake::start(|_| FakeResponse::Text(200, vec![], " ".repeat(BODY_MAX + 1))).await;
        let rest = rest(&fake.url);
        let write = write(&rest).await.err().unwrap();
        let words = write.to_string();
        assert!(
            words.contains(
                "GitHub's answer was lost. It was about the issue acme/widgets#7: it is longer than"
            ),
            "{words}"
        );
        assert!(matches!(write, WriteError::Unknown { .. }), "{write:?}");
        assert!(Limit::Answer.times() > before);
    }
}
