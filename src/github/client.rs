//! Requests to GitHub, and the meaning of its responses.
//!
//! `writer.rs` and `poll.rs` build requests. This module sends them and classifies each response by the allowed next
//! step ([`classify`], contract github 4.3 and 5). Reads follow a few redirects by hand, always below `github.api_url`,
//! whatever host they name; a write is sent once and never redirected here (contract github 1.5, 8).

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::Method;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, LINK, LOCATION,
};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;
use url::Url;

use crate::clock::Clock;
use crate::domain::operation::{Refusal, WriteError};
pub(super) use crate::rest::segment;
use crate::rest::{
    Answer, Asked, OPERATOR_WAIT, Reach, Rest, System, clipped, from_between, is_page, not_taken,
    number, reset,
};
use crate::runtime::{RateLimiter, lock};

use super::Unusable;
use super::wire::{each, lenient};

/// The version that every GitHub Enterprise server supports, too; the fields that we read are the same in `2026-03-10`
/// (contract github 2).
const API_VERSION: &str = "2022-11-28";
/// The response equals the one whose ETag was sent (contract github 6).
const NOT_MODIFIED: u16 = 304;
/// How many redirects a read follows (contract github 8).
const HOPS_MAX: usize = 3;

/// The window of the rate limit is an hour (contract github 5).
const WINDOW: Duration = Duration::from_secs(3_660);
const SYSTEM: System = System {
    name: "GitHub",
    label: "github",
    window: WINDOW,
    pause_max: Duration::from_secs(3_670),
};
/// The wait if GitHub gives none, doubled each time in a row (contract github 5).
const BLIND_WAIT: Duration = Duration::from_secs(60);
const DOUBLINGS_MAX: u32 = 4;
/// How many writes go out at once before they are spread (design 5, `github.writes_per_second`).
const BURST: u32 = 10;
/// The limiter's only key.
const WRITES: &str = "writes";
/// The widest spacing of writes.
const SPACING_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// One request, and the words for its subject.
pub(super) struct Request {
    method: Method,
    target: Target,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    /// The subject in errors: `the issue acme/widgets#7`.
    pub(super) thing: String,
    /// The permission that the token needs beyond reading and writing issues, as text.
    needs: Option<&'static str>,
    /// The ETag of the known response.
    known: Option<String>,
}

enum Target {
    /// Below the API's base, with a leading slash.
    Path(String),
    /// A URL from GitHub, checked to be its own.
    Url(Url),
}

impl Request {
    pub(super) fn get(path: impl Into<String>, thing: impl Into<String>) -> Request {
        Request {
            method: Method::GET,
            target: Target::Path(path.into()),
            query: Vec::new(),
            body: None,
            thing: thing.into(),
            needs: None,
            known: None,
        }
    }

    pub(super) fn patch(path: impl Into<String>, thing: impl Into<String>, body: Value) -> Request {
        Request {
            method: Method::PATCH,
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

    /// Sets the body, as for a deletion that names its items there.
    pub(super) fn with_body(mut self, body: Value) -> Request {
        self.body = Some(body);
        self
    }

    pub(super) fn with(mut self, key: &'static str, value: impl ToString) -> Request {
        self.query.push((key, value.to_string()));
        self
    }

    /// Sets the permission that the token needs, for the error if GitHub refuses.
    pub(super) fn needing(mut self, what: &'static str) -> Request {
        self.needs = Some(what);
        self
    }

    /// Requests a response only if it differs from the one with this ETag.
    pub(super) fn unless(mut self, known: Option<String>) -> Request {
        self.known = known;
        self
    }

    fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    /// The account that owns the repository, in lower case.
    fn owner(&self) -> Option<String> {
        let Target::Path(path) = &self.target else {
            return None;
        };
        let owner = path.strip_prefix("/repos/")?.split('/').next()?;
        Some(owner.to_lowercase())
    }

    fn reach(&self) -> Reach {
        let path = match &self.target {
            Target::Path(path) => path,
            Target::Url(url) => url.path(),
        };
        Reach {
            writes: self.is_write(),
            tasks: path.contains("/issues"),
        }
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            method: &self.method,
            thing: &self.thing,
        }
    }
}

/// The result of a read.
pub(super) struct Got<T> {
    pub(super) value: T,
    /// `Link: rel="next"`.
    pub(super) next: Option<String>,
    /// The final URL, after redirects.
    pub(super) url: Url,
}

/// The meaning of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Taken,
    /// It is elsewhere (3xx); nothing was done.
    Moved,
    /// Refused for its rate limit: nothing is sent for that long. `None` if GitHub gives no time.
    Wait {
        why: String,
        wait: Option<Duration>,
    },
    /// The token is rejected: nothing was done, and nothing will be until an operator replaces it.
    DeadToken(String),
    /// A rule of the organization or of GitHub refuses: nothing was done, and an administrator must change it.
    Ruled(String),
    Failed(WriteError),
}

/// The failure of a write, if it is more than a [`WriteError`].
#[derive(Debug)]
pub(super) enum Trouble {
    /// Not applied: the repository or the issue has another URL.
    Moved,
    Failed(WriteError),
}

impl From<WriteError> for Trouble {
    fn from(error: WriteError) -> Trouble {
        Trouble::Failed(error)
    }
}

/// The connection to GitHub, with the token.
pub(super) struct Client {
    /// Also holds the observed limits, token status and clock.
    pub(super) rest: Rest,
    authorization: HeaderValue,
    writes: RateLimiter,
    /// Refusals in a row without a time to wait.
    blind: Mutex<u32>,
}

impl Client {
    pub(super) fn new(
        api_url: &str,
        token: &str,
        writes_per_second: f64,
        clock: Clock,
    ) -> Result<Client, Unusable> {
        Ok(Client {
            rest: Rest::new(SYSTEM, api_url, clock).map_err(|why| Unusable {
                key: "github.api_url",
                why,
            })?,
            authorization: authorization(token)?,
            writes: RateLimiter::new(spacing(writes_per_second)?, BURST),
            blind: Mutex::default(),
        })
    }

    /// Takes the next place in the line of writes, and returns the wait until then.
    pub(super) fn take_turn(&self) -> Duration {
        let now = Instant::now();
        self.writes.take(WRITES, now).duration_since(now)
    }

    /// Gives back a place that was not used.
    pub(super) fn give_back(&self) {
        self.writes.give_back(WRITES);
    }

    /// A URL from GitHub, moved below our own base: a proxy at `github.api_url` may pass on GitHub's own URLs. Path and
    /// query stay; the token is sent nowhere else. `None` for a URL outside of the API.
    fn own(&self, url: &Url) -> Option<Url> {
        if self.rest.is_own(url) {
            return Some(url.clone());
        }
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let path = url.path();
        let begins = ["/repositories/", "/repos/"];
        let at = begins.iter().filter_map(|begin| path.find(begin)).min()?;
        let mut own = self.rest.at(path.get(at..)?);
        own.set_query(url.query());
        Some(own)
    }

    /// A request for a URL from GitHub. Refuses one outside of the API.
    pub(super) fn follow(
        &self,
        url: &str,
        thing: impl Into<String>,
    ) -> Result<Request, WriteError> {
        let thing = thing.into();
        let own = Url::parse(url).ok().and_then(|url| self.own(&url));
        let url = own.ok_or_else(|| WriteError::Refused {
            what: Refusal::Other,
            why: format!(
                "GitHub's listing of {thing} goes on at an address that is not one of its API's: not followed"
            ),
        })?;
        Ok(Request {
            target: Target::Url(url),
            ..Request::get("", thing)
        })
    }

    /// Reads, following redirects within GitHub by hand.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        request: &Request,
    ) -> Result<Got<T>, WriteError> {
        let (answer, url) = self.reach(request).await?;
        Ok(Got {
            value: self.rest.parse(request.asked(), &answer.body)?,
            next: next_link(&answer.headers),
            url,
        })
    }

    /// A yes-or-no request, which GitHub answers with 204 or 404 and no body.
    pub(super) async fn is_so(&self, request: &Request) -> Result<bool, WriteError> {
        match self.reach(request).await {
            Ok(_) => Ok(true),
            Err(WriteError::Refused {
                what: Refusal::Invisible,
                ..
            }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads a resource that may be known: the response and its ETag, or `None` if it has not changed (contract github
    /// 6).
    pub(super) async fn get_if_new<T: DeserializeOwned>(
        &self,
        request: &Request,
    ) -> Result<Option<(T, Option<String>)>, WriteError> {
        let (answer, _) = self.reach(request).await?;
        if answer.status == NOT_MODIFIED {
            return Ok(None);
        }
        let tag = answer.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
        Ok(Some((
            self.rest.parse(request.asked(), &answer.body)?,
            tag.map(str::to_owned),
        )))
    }

    /// The response to a read, and its final URL. It is a success, or "not modified" if the request allows that.
    async fn reach(&self, request: &Request) -> Result<(Answer, Url), WriteError> {
        let mut url = self.address(request);
        for _ in 0..=HOPS_MAX {
            let answer = self.exchange(request, url.clone()).await?;
            match self.judge(request, &answer) {
                Verdict::Taken => return Ok((answer, url)),
                Verdict::Moved if answer.status == NOT_MODIFIED && request.known.is_some() => {
                    return Ok((answer, url));
                }
                Verdict::Moved => {
                    let location = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok());
                    let to = location.and_then(|to| url.join(to).ok());
                    let mut to = to
                        .and_then(|to| self.own(&to))
                        .ok_or_else(|| astray(request))?;
                    if to.query().is_none() {
                        to.set_query(url.query());
                    }
                    url = to;
                }
                Verdict::Wait { why, wait } => return Err(not_taken(why, wait)),
                Verdict::DeadToken(why) | Verdict::Ruled(why) => {
                    return Err(not_taken(why, Some(OPERATOR_WAIT)));
                }
                Verdict::Failed(error) => return Err(error),
            }
        }
        Err(astray(request))
    }

    /// Writes once and without delay; the caller has taken its turn before ([`Client::take_turn`]). It follows no
    /// redirect: that is the caller's decision.
    pub(super) async fn write<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Trouble> {
        let answer = self.exchange(request, self.address(request)).await?;
        match self.judge(request, &answer) {
            Verdict::Taken => Ok(self.rest.parse(request.asked(), &answer.body)?),
            Verdict::Moved => Err(Trouble::Moved),
            Verdict::Wait { why, wait } => Err(not_taken(why, wait).into()),
            Verdict::DeadToken(why) | Verdict::Ruled(why) => {
                Err(not_taken(why, Some(OPERATOR_WAIT)).into())
            }
            Verdict::Failed(error) => Err(error.into()),
        }
    }

    fn address(&self, request: &Request) -> Url {
        let mut url = match &request.target {
            Target::Url(url) => url.clone(),
            Target::Path(path) => self.rest.at(path),
        };
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        url
    }

    async fn exchange(&self, request: &Request, url: Url) -> Result<Answer, WriteError> {
        let mut sending = self
            .rest
            .request(&request.method, url)
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", API_VERSION);
        if let Some(known) = &request.known {
            sending = sending.header(IF_NONE_MATCH, known);
        }
        if let Some(body) = &request.body {
            sending = sending.json(body);
        }
        self.rest.exchange(request.asked(), sending).await
    }

    /// Classifies a response, and records a rate limit or the token's status.
    fn judge(&self, request: &Request, answer: &Answer) -> Verdict {
        let there = self.rest.answered_at(answer);
        let verdict = classify(request, answer.status, &answer.headers, &answer.body, there);
        match &verdict {
            Verdict::Taken => {
                self.rest.token_is_taken(token_ends(&answer.headers));
                if let Some(owner) = request.owner() {
                    self.rest.rules_allow(&owner, request.reach());
                }
            }
            Verdict::DeadToken(why) => self.rest.token_is_refused(why.clone()),
            Verdict::Ruled(why) => {
                if let Some(owner) = request.owner() {
                    self.rest.rules_refuse(&owner, request.reach(), why);
                }
            }
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
        Verdict::Wait {
            why,
            wait: Some(self.rest.pause_for(wait)),
        }
    }
}

/// The time between two writes. GitHub asks for a second, and allows 80 a minute (contract github 5).
fn spacing(per_second: f64) -> Result<Duration, Unusable> {
    if !per_second.is_finite() || per_second < 0.0 {
        return Err(Unusable {
            key: "github.writes_per_second",
            why: format!("must be 0 (unlimited) or more, not {per_second}"),
        });
    }
    if per_second == 0.0 {
        return Ok(Duration::ZERO);
    }
    let spacing = Duration::try_from_secs_f64(per_second.recip());
    Ok(spacing.map_or(SPACING_MAX, |spacing| spacing.min(SPACING_MAX)))
}

fn authorization(token: &str) -> Result<HeaderValue, Unusable> {
    let mut header = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| Unusable {
        key: "github.token",
        why: "holds characters that no token has, perhaps a line break".to_owned(),
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// The error of a read that was redirected in circles or away from GitHub: by a proxy, or for a wrong URL.
fn astray(request: &Request) -> WriteError {
    not_taken(
        format!(
            "GitHub redirects the request for {} elsewhere: not followed. Check github.api_url",
            request.thing
        ),
        Some(OPERATOR_WAIT),
    )
}

/// An error body (contract github 4.3).
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default, deserialize_with = "lenient")]
    message: Option<String>,
    #[serde(default, deserialize_with = "each")]
    errors: Vec<Detail>,
}

#[derive(Default)]
struct Detail {
    field: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

impl<'de> Deserialize<'de> for Detail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Detail, D::Error> {
        #[derive(Deserialize)]
        struct Parts {
            #[serde(default, deserialize_with = "lenient")]
            field: Option<String>,
            #[serde(default, deserialize_with = "lenient")]
            code: Option<String>,
            #[serde(default, deserialize_with = "lenient")]
            message: Option<String>,
        }
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        // Some endpoints return plain sentences.
        if let Ok(sentence) = serde_json::from_str::<String>(raw) {
            return Ok(Detail {
                message: Some(sentence),
                ..Detail::default()
            });
        }
        let parts: Parts = serde_json::from_str(raw).map_err(D::Error::custom)?;
        Ok(Detail {
            field: parts.field,
            code: parts.code,
            message: parts.message,
        })
    }
}

impl Said {
    fn read(body: &str) -> Said {
        serde_json::from_str(body).unwrap_or_default()
    }

    fn mentions(&self, words: &str) -> bool {
        let message = self.message.as_deref().unwrap_or_default();
        message.to_lowercase().contains(words)
    }

    /// Whether too much was created at once: a limit that GitHub reports as a failed validation. Nothing was created.
    fn is_too_quick(&self) -> bool {
        let details = self
            .errors
            .iter()
            .filter_map(|error| error.message.as_ref());
        self.message
            .iter()
            .chain(details)
            .any(|message| message.to_lowercase().contains("submitted too quickly"))
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self
            .message
            .clone()
            .unwrap_or_else(|| "no reason given".to_owned());
        for error in &self.errors {
            let parts = [&error.field, &error.code, &error.message];
            for part in parts.into_iter().flatten() {
                words.push(' ');
                words.push_str(part);
            }
        }
        f.write_str(clipped(&words).trim_end_matches('.'))
    }
}

/// Classifies a response (contract github 4.3, 5, 7). A 403 is a rate limit only if it says so in one of three ways.
pub(super) fn classify(
    request: &Request,
    status: u16,
    headers: &HeaderMap,
    body: &str,
    now: DateTime<Utc>,
) -> Verdict {
    let thing = &request.thing;
    if !is_of_github(status, headers, body) {
        let why = from_between("GitHub", thing, status, headers);
        return Verdict::Failed(match request.is_write() {
            true => WriteError::Unknown { why },
            false => not_taken(why, None),
        });
    }
    if (200..300).contains(&status) {
        return Verdict::Taken;
    }
    let said = Said::read(body);
    if let Some(wait) = limited_for(status, headers, &said, now) {
        return Verdict::Wait {
            why: format!("GitHub's rate limit is used up ({said})"),
            wait,
        };
    }
    let refused = |what, why| Verdict::Failed(WriteError::Refused { what, why });
    match status {
        300..=399 => Verdict::Moved,
        // Queued work is not refused for a dead token: once the operator replaces the token, it is sent.
        401 => Verdict::DeadToken(format!(
            "GitHub refuses the token ({said}). Put a valid one into github.token and restart Ivan; \
             what is queued is kept until then"
        )),
        // The token is valid, but a rule blocks it: an administrator can change that, too.
        403 | 451 if let Some(remedy) = rule_remedy(&said, headers) => Verdict::Ruled(format!(
            "GitHub does not let me reach {thing} ({said}). {remedy}; what is queued is kept until then"
        )),
        403 => refused(
            Refusal::Other,
            format!(
                "GitHub does not allow this on {thing} ({said}). {}",
                remedy(&said, headers, request.needs)
            ),
        ),
        404 => refused(
            Refusal::Invisible,
            format!(
                "GitHub has no such thing as {thing}, or does not show it to this account ({said}). {}",
                request
                    .needs
                    .unwrap_or("Check the name, or give github.token access to the repository")
            ),
        ),
        410 if said.mentions("disabled") => refused(
            Refusal::Other,
            format!(
                "GitHub has issues switched off for {thing} ({said}). Switch them on in its settings"
            ),
        ),
        410 => refused(
            Refusal::Gone,
            format!(
                "GitHub says that {thing} was deleted ({said}). Create it anew if it is needed"
            ),
        ),
        // The server gave up on the request, and does not say when.
        408 | 500.. if request.is_write() => Verdict::Failed(WriteError::Unknown {
            why: format!("GitHub failed at {thing} (HTTP {status}, {said})"),
        }),
        408 | 500.. => Verdict::Failed(not_taken(
            format!("GitHub failed at {thing} (HTTP {status}, {said})"),
            None,
        )),
        _ => refused(
            Refusal::Other,
            format!(
                "GitHub refuses this for {thing} ({said}; HTTP {status}). Change it and try again"
            ),
        ),
    }
}

/// The administrator's remedy for a rule that refuses all requests; `None` if it is no such rule.
fn rule_remedy(said: &Said, headers: &HeaderMap) -> Option<String> {
    /// GitHub's words, and the remedy. The first match counts.
    const RULES: [(&str, &str); 13] = [
        (
            "ip allow list",
            "Let the address of Ivan's host in: put it on the organization's IP allow list, under Settings, \
             Authentication security",
        ),
        (
            "ip address is not permitted",
            "Let the address of Ivan's host in, under the organization's Settings, Authentication security",
        ),
        (
            "lifetime",
            "Make a token that ends as soon as the organization asks, put it into github.token and restart Ivan",
        ),
        (
            "forbids access via",
            "Put a token of a kind that the organization allows into github.token and restart Ivan",
        ),
        (
            "access restrictions",
            "An owner of the organization approves the app of github.token, under Settings, Third-party access",
        ),
        (
            "two-factor",
            "Switch two-factor authentication on for the account of github.token",
        ),
        (
            "must be verified",
            "Verify the e-mail address of the account of github.token",
        ),
        (
            "billing",
            "An owner of the organization settles its billing with GitHub",
        ),
        (
            "access blocked",
            "GitHub has blocked it; its owner clears that with GitHub Support",
        ),
        (
            "suspended",
            "An administrator ends the suspension, or put the token of another account into github.token and restart \
             Ivan",
        ),
        (
            "enterprise managed user",
            "Put the token of an account that may use this organization into github.token and restart Ivan",
        ),
        (
            "migrat",
            "It is locked while it is moved, and opens when that is done",
        ),
        (
            "saml",
            "Whoever made github.token authorises it in GitHub's settings, under the token's \"Configure SSO\"",
        ),
    ];
    let rule = RULES.iter().find(|(words, _)| said.mentions(words));
    let signed_on = single_sign_on(headers)
        .map(|at| format!("Whoever made github.token authorises it for single sign-on {at}"));
    signed_on.or_else(|| rule.map(|(_, remedy)| (*remedy).to_owned()))
}

/// The URL for authorizing a token for single sign-on, from a 403: `X-GitHub-SSO: required; url=https://…`.
fn single_sign_on(headers: &HeaderMap) -> Option<String> {
    let asked = headers.get("x-github-sso")?.to_str().ok()?;
    let rest = asked.trim().strip_prefix("required")?;
    let url = rest
        .split_once("url=")
        .map(|(_, url)| url.trim())
        .filter(|url| url.starts_with("https://") && url.len() <= 300);
    Some(match url {
        Some(url) => format!("at {url}"),
        None => "in GitHub's settings, under the token's \"Configure SSO\"".to_owned(),
    })
}

/// The remedy for a 403 that is no rate limit.
fn remedy(said: &Said, headers: &HeaderMap, needs: Option<&str>) -> String {
    let needed = headers
        .get("x-accepted-github-permissions")
        .and_then(|permissions| permissions.to_str().ok());
    if said.mentions("locked") {
        "Unlock the conversation in GitHub first".to_owned()
    } else if said.mentions("archived") {
        "Unarchive the repository in GitHub first".to_owned()
    } else if let Some(permissions) = needed {
        let permissions: String = permissions.chars().take(100).collect();
        match needs {
            Some(needs) => format!("Give github.token the permission {permissions}. {needs}"),
            None => format!("Give github.token the permission {permissions}"),
        }
    } else if let Some(needs) = needs {
        needs.to_owned()
    } else {
        "Give github.token write access to its issues, or do it in GitHub itself".to_owned()
    }
}

/// Whether GitHub's API has answered, and not a firewall, a proxy or a login page. A proxy may remove headers, but does
/// not produce GitHub's body. GitHub's edge fails (5xx) with a page of its own.
fn is_of_github(status: u16, headers: &HeaderMap, body: &str) -> bool {
    const ITS_OWN: [&str; 5] = [
        "x-github-request-id",
        "x-github-media-type",
        "x-ratelimit-limit",
        "x-github-sso",
        "x-accepted-github-permissions",
    ];
    if matches!(status, 408 | 429 | 500..=510 | 512..) || is_edge_moved(status, body) {
        return true;
    }
    if is_page(headers) {
        return false;
    }
    if ITS_OWN.iter().any(|name| headers.contains_key(*name)) {
        return true;
    }
    match status {
        // An unreadable body is a lost response.
        200..300 => true,
        _ => serde_json::from_str::<Value>(body).is_ok_and(|said| said.get("message").is_some()),
    }
}

/// A redirect, or "not modified", needs no body.
fn is_edge_moved(status: u16, body: &str) -> bool {
    (300..400).contains(&status) && body.trim().is_empty()
}

/// Whether a response is a refusal for the rate limit, and how long it lasts if GitHub gives that: `retry-after` before
/// the end of the window; a secondary limit may have neither (contract github 5).
fn limited_for(
    status: u16,
    headers: &HeaderMap,
    said: &Said,
    now: DateTime<Utc>,
) -> Option<Option<Duration>> {
    let second = Duration::from_secs(1);
    if status == 422 && said.is_too_quick() {
        let asked = number(headers, "retry-after").map(Duration::from_secs);
        return Some(asked.map(|asked| asked.clamp(BLIND_WAIT, WINDOW)));
    }
    if !matches!(status, 403 | 429) {
        return None;
    }
    if let Some(seconds) = number(headers, "retry-after") {
        return Some(Some(Duration::from_secs(seconds).clamp(second, WINDOW)));
    }
    if number(headers, "x-ratelimit-remaining") == Some(0)
        && let Some(reset) = reset(headers)
    {
        let to_reset = (reset - now).to_std().unwrap_or_default() + second;
        return Some(Some(to_reset.min(WINDOW)));
    }
    let remaining = number(headers, "x-ratelimit-remaining");
    // Enterprise servers have the older words.
    let says_so = said.mentions("rate limit") || said.mentions("abuse detection");
    (status == 429 || remaining == Some(0) || says_so).then_some(None)
}

/// When a fine-grained token expires (contract github 2): `2027-01-31 09:00:00 UTC`, or with an offset.
fn token_ends(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let ends = headers.get("github-authentication-token-expiration")?;
    let ends = ends.to_str().ok()?.trim();
    let utc = NaiveDateTime::parse_from_str(ends, "%Y-%m-%d %H:%M:%S UTC").map(|at| at.and_utc());
    utc.or_else(|_| DateTime::parse_from_str(ends, "%Y-%m-%d %H:%M:%S %z").map(|at| at.to_utc()))
        .ok()
}

/// The URL of the next page: `Link: <…>; rel="next", <…>; rel="last"`.
fn next_link(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(LINK).into_iter();
    links
        .filter_map(|link| link.to_str().ok())
        .find_map(|links| {
            links.split('<').find_map(|link| {
                let (url, parameters) = link.split_once('>')?;
                let is_next = parameters
                    .split([';', ','])
                    .any(|parameter| matches!(parameter.trim(), "rel=\"next\"" | "rel=next"));
                is_next.then(|| url.to_owned())
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::fake;
    use rstest::rstest;
    use serde_json::json;

    const NOW: i64 = 1_767_225_600;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(NOW, 0).unwrap()
    }

    fn a_write() -> Request {
        let path = "/repos/acme/widgets/issues/7/comments";
        Request::post(path, "the issue acme/widgets#7", json!({}))
    }

    fn a_read() -> Request {
        Request::get("/repos/acme/widgets/issues/7", "the issue acme/widgets#7")
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
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

    fn message(text: &str) -> String {
        json!({"message": text, "documentation_url": "https://docs.example"}).to_string()
    }

    /// A verdict in one word, and how long to wait.
    fn word(verdict: &Verdict) -> (&'static str, Option<u64>) {
        match verdict {
            Verdict::Taken => ("taken", None),
            Verdict::Moved => ("moved", None),
            Verdict::Wait { wait, .. } => ("wait", wait.map(|wait| wait.as_secs())),
            Verdict::DeadToken(_) => ("dead token", None),
            Verdict::Ruled(_) => ("ruled", None),
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
    #[case::created(201, "{}", ("taken", None), ("taken", None))]
    #[case::moved(301, &message("Moved Permanently"), ("moved", None), ("moved", None))]
    #[case::moved_for_now(302, "", ("moved", None), ("moved", None))]
    #[case::moved_with_method(307, "", ("moved", None), ("moved", None))]
    #[case::bad_json(400, &message("Problems parsing JSON"), ("refused", None), ("refused", None))]
    #[case::bad_token(401, &message("Bad credentials"), ("dead token", None), ("dead token", None))]
    #[case::primary(403, &message("API rate limit exceeded for user ID 1."), ("wait", None), ("wait", None))]
    #[case::secondary(403, &message("You have exceeded a secondary rate limit."), ("wait", None), ("wait", None))]
    #[case::too_many(429, "<html>", ("wait", None), ("wait", None))]
    #[case::app(403, &message("Resource not accessible by integration"), ("refused", None), ("refused", None))]
    #[case::pat(403, &message("Resource not accessible by personal access token"), ("refused", None), ("refused", None))]
    #[case::locked(403, &message("Unable to create comment because issue is locked."), ("refused", None), ("refused", None))]
    #[case::archived(403, &message("Repository was archived so is read-only."), ("refused", None), ("refused", None))]
    #[case::not_found(404, &message("Not Found"), ("invisible", None), ("invisible", None))]
    #[case::disabled(410, &message("Issues are disabled for this repo"), ("refused", None), ("refused", None))]
    #[case::disabled_otherwise(410, &message("Issues has been disabled in this repository."), ("refused", None), ("refused", None))]
    #[case::deleted(410, &message("This issue was deleted"), ("gone", None), ("gone", None))]
    #[case::invalid(422, &message("Validation Failed"), ("refused", None), ("refused", None))]
    #[case::gave_up(408, "", ("unknown", None), ("not taken", None))]
    #[case::server(500, &message("Server Error"), ("unknown", None), ("not taken", None))]
    #[case::edge(502, "<html>Unicorn!</html>", ("unknown", None), ("not taken", None))]
    #[case::unavailable(503, "", ("unknown", None), ("not taken", None))]
    #[case::timeout(504, "", ("unknown", None), ("not taken", None))]
    #[case::abuse(403, &message("You have triggered an abuse detection mechanism. Please wait."), ("wait", None), ("wait", None))]
    #[case::too_quick(422, &json!({"message": "Validation Failed", "errors": [{"resource": "Issue", "code": "custom", "field": "body", "message": "was submitted too quickly"}]}).to_string(), ("wait", None), ("wait", None))]
    #[case::too_quick_in_a_sentence(422, &json!({"message": "Validation Failed", "errors": ["Body was submitted too quickly"]}).to_string(), ("wait", None), ("wait", None))]
    #[case::too_quick_in_short(422, &message("was submitted too quickly after a previous comment"), ("wait", None), ("wait", None))]
    #[case::page_of_a_firewall(403, "<html>Blocked</html>", ("unknown", None), ("not taken", None))]
    #[case::words_of_a_firewall(403, "Forbidden by policy", ("unknown", None), ("not taken", None))]
    #[case::json_of_a_firewall(403, r#"{"error":"blocked","category":"social"}"#, ("unknown", None), ("not taken", None))]
    #[case::page_of_a_portal(401, "<html>Log in</html>", ("unknown", None), ("not taken", None))]
    #[case::page_of_a_gateway(404, "<h1>404</h1>", ("unknown", None), ("not taken", None))]
    #[case::silence_of_a_gateway(404, "", ("unknown", None), ("not taken", None))]
    #[case::proxy(407, "", ("unknown", None), ("not taken", None))]
    #[case::page_that_redirects(302, "<html>Log in</html>", ("unknown", None), ("not taken", None))]
    #[case::network_login(511, "<html>Log in</html>", ("unknown", None), ("not taken", None))]
    #[case::odd_body(400, r#"{"message":7,"errors":"no"}"#, ("refused", None), ("refused", None))]
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
    #[case::retry_after(403, &[("retry-after", "30")], Some(30))]
    #[case::retry_after_first(429, &[("retry-after", "30"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225700")], Some(30))]
    #[case::to_the_reset(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225700")], Some(101))]
    #[case::reset_is_past(429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225500")], Some(1))]
    #[case::reset_is_absurd(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1967225500")], Some(3660))]
    #[case::no_reset(403, &[("x-ratelimit-remaining", "0")], None)]
    #[case::immediately(403, &[("retry-after", "0")], Some(1))]
    fn a_rate_limit_says_how_long(
        #[case] status: u16,
        #[case] said: &[(&'static str, &str)],
        #[case] seconds: Option<u64>,
    ) {
        let verdict = classify(
            &a_write(),
            status,
            &headers(said),
            &message("Forbidden"),
            now(),
        );
        assert_eq!(word(&verdict), ("wait", seconds));
    }

    #[test]
    fn a_403_with_requests_left_is_no_rate_limit() {
        let left = headers(&[
            ("x-ratelimit-remaining", "4999"),
            ("x-ratelimit-reset", "1767225700"),
        ]);
        let verdict = classify(
            &a_write(),
            403,
            &left,
            &message("Must have admin rights"),
            now(),
        );
        assert_eq!(word(&verdict).0, "refused");
    }

    /// A success with an HTML page comes from a proxy, and proves nothing about the token either.
    #[test]
    fn a_page_is_never_an_answer_of_the_api() {
        let page = headers(&[("content-type", "text/html; charset=utf-8")]);
        for status in [200, 403, 404] {
            let verdict = classify(&a_read(), status, &page, r#"{"message":"x"}"#, now());
            assert_eq!(word(&verdict), ("not taken", None), "{status}");
        }
        let of_github = headers(&[
            ("content-type", "text/html"),
            ("x-github-request-id", "1A:2B"),
        ]);
        // GitHub's site has pages, its API has none.
        let verdict = classify(&a_read(), 403, &of_github, "<html>", now());
        assert_eq!(word(&verdict), ("not taken", None));
        let verdict = classify(&a_write(), 403, &page, "<html>", now());
        let Verdict::Failed(error) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(
            error
                .to_string()
                .contains("a firewall, a proxy or a login page"),
            "{error}"
        );
    }

    #[rstest]
    #[case::address(
        "Although you appear to have the correct authorization credentials, the `acme` organization has an IP allow list enabled, and your IP address is not permitted to access this resource.",
        "IP allow list, under Settings"
    )]
    #[case::address_named(
        "the `acme` organization has an IP allow list enabled, and 34.210.66.22 is not permitted to access this resource.",
        "Let the address of Ivan's host in"
    )]
    #[case::lifetime(
        "The 'acme' organization forbids access via a fine-grained personal access tokens if the token's lifetime is greater than 366 days.",
        "Make a token that ends as soon"
    )]
    #[case::kind(
        "`acme` forbids access via a personal access token (classic). Please use a GitHub App, OAuth App, or a personal access token with fine-grained permissions.",
        "Put a token of a kind"
    )]
    #[case::app(
        "Although you appear to have the correct authorization credentials, the `acme` organization has enabled OAuth App access restrictions",
        "approves the app"
    )]
    #[case::saml(
        "Resource protected by organization SAML enforcement. You must grant your Personal Access token access to this organization.",
        "Configure SSO"
    )]
    #[case::blocked("Repository access blocked", "GitHub Support")]
    #[case::suspended("Sorry. Your account was suspended.", "ends the suspension")]
    #[case::billing(
        "Repository access is disabled due to a billing issue",
        "settles its billing"
    )]
    #[case::managed(
        "Unauthorized: As an Enterprise Managed User, you cannot access this content",
        "an account that may use this organization"
    )]
    #[case::migration("Repository has been locked for migration.", "opens when that is done")]
    fn a_rule_that_an_administrator_mends_is_no_refusal(#[case] said: &str, #[case] remedy: &str) {
        for request in [a_write(), a_read()] {
            let verdict = classify(&request, 403, &HeaderMap::new(), &message(said), now());
            let Verdict::Ruled(why) = verdict else {
                panic!("{verdict:?}");
            };
            assert!(why.contains(remedy), "{why}");
            assert!(why.contains("what is queued is kept"), "{why}");
            assert!(!why.contains("write access"), "{why}");
        }
    }

    #[test]
    fn the_address_that_a_refusal_leads_to_is_whole() {
        let said = "The 'acme' organization forbids access via a fine-grained personal access tokens if the token's \
                    lifetime is greater than 366 days. Please adjust your token's lifetime at the following URL: \
                    https://github.com/settings/personal-access-tokens/1";
        let verdict = classify(&a_write(), 403, &HeaderMap::new(), &message(said), now());
        let Verdict::Ruled(why) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(
            why.contains("https://github.com/settings/personal-access-tokens/1)"),
            "{why}"
        );
    }

    #[test]
    fn a_limit_that_is_told_as_a_failed_validation_lasts_a_minute_at_least() {
        let body = json!({"message": "Validation Failed", "errors": [{"message": "was submitted too quickly"}]});
        let wait = |seconds: &'static str| {
            let said = headers(&[("retry-after", seconds)]);
            word(&classify(&a_write(), 422, &said, &body.to_string(), now()))
        };
        assert_eq!(wait("5"), ("wait", Some(60)));
        assert_eq!(wait("90"), ("wait", Some(90)));
    }

    #[test]
    fn what_the_rules_of_an_account_refuse_stands_until_it_is_taken() {
        fake::provider();
        let client = Client::new("http://127.0.0.1:1", "t", 0.0, Clock::system()).unwrap();
        let answer = |status, said: &str| Answer {
            status,
            headers: HeaderMap::new(),
            body: message(said),
        };
        let refused = || {
            let rules = client.rest.standing().rules;
            rules.get("acme").is_some_and(Option::is_some)
        };
        let rule = answer(403, "the `acme` organization has an IP allow list enabled");
        let other = Request::get("/repos/Other/x/issues/1", "the issue other/x#1");
        client.judge(&a_read(), &rule);
        assert!(refused());
        client.judge(&other, &answer(200, ""));
        assert!(refused(), "another account's");
        let repository = Request::get("/repos/acme/widgets", "the repository acme/widgets");
        client.judge(&repository, &answer(200, ""));
        assert!(refused(), "the repository is no issue");
        client.judge(&a_read(), &answer(200, ""));
        assert!(!refused());
        client.judge(&a_write(), &rule);
        client.judge(&a_read(), &answer(200, ""));
        assert!(refused(), "reading does not show that writing works");
        client.judge(&a_write(), &answer(200, ""));
        assert!(!refused());
    }

    #[rstest]
    #[case(
        403,
        "Unable to create comment because issue is locked.",
        "Unlock the conversation"
    )]
    #[case(
        403,
        "Repository was archived so is read-only.",
        "Unarchive the repository"
    )]
    #[case(
        403,
        "Resource not accessible by integration",
        "permission issues=write"
    )]
    #[case(404, "Not Found", "github.token access")]
    #[case(410, "Issues are disabled for this repo", "Switch them on")]
    fn a_refusal_names_thing_reason_and_remedy(
        #[case] status: u16,
        #[case] text: &str,
        #[case] remedy: &str,
    ) {
        let needed = headers(&[("x-accepted-github-permissions", "issues=write")]);
        let verdict = classify(&a_write(), status, &needed, &message(text), now());
        let Verdict::Failed(error) = verdict else {
            panic!("{verdict:?}");
        };
        let words = error.to_string();
        for part in [
            "GitHub",
            "the issue acme/widgets#7",
            text.trim_end_matches('.'),
            remedy,
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
    }

    #[rstest]
    #[case(
        "required; url=https://github.com/orgs/acme/sso?authorization_request=A1",
        "authorises it for single sign-on at https://github.com/orgs/acme/sso?authorization_request=A1;"
    )]
    #[case("required", "for single sign-on in GitHub's settings")]
    #[case(
        "required; url=javascript:alert(1)",
        "for single sign-on in GitHub's settings"
    )]
    fn a_token_that_single_sign_on_shuts_out_waits_for_its_owner(
        #[case] header: &str,
        #[case] remedy: &str,
    ) {
        let asked = headers(&[("x-github-sso", header)]);
        let said = message("Resource protected by organization SAML enforcement.");
        let verdict = classify(&a_write(), 403, &asked, &said, now());
        let Verdict::Ruled(why) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(why.contains(remedy), "{why}");
        let partial = headers(&[("x-github-sso", "partial-results; organizations=21")]);
        let verdict = classify(&a_write(), 403, &partial, &message("No"), now());
        assert_eq!(word(&verdict).0, "refused");
    }

    #[test]
    fn a_failed_validation_names_the_field() {
        let body = json!({"message": "Validation Failed",
            "errors": [{"resource": "Issue", "field": "title", "code": "missing_field"}]});
        let verdict = classify(&a_write(), 422, &HeaderMap::new(), &body.to_string(), now());
        let Verdict::Failed(error) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(
            error
                .to_string()
                .contains("Validation Failed title missing_field"),
            "{error}"
        );
    }

    #[rstest]
    #[case::next(
        r#"<https://api/x?page=2&labels=a,b>; rel="next", <https://api/x?page=9>; rel="last""#,
        Some("https://api/x?page=2&labels=a,b")
    )]
    #[case::not_first(
        r#"<https://api/x?page=1>; rel="prev", <https://api/x?page=3>; rel="next""#,
        Some("https://api/x?page=3")
    )]
    #[case::last(
        r#"<https://api/x?page=1>; rel="prev", <https://api/x?page=1>; rel="first""#,
        None
    )]
    #[case::odd("rel=next", None)]
    fn the_next_page_is_linked(#[case] link: &str, #[case] url: Option<&str>) {
        assert_eq!(next_link(&headers(&[("link", link)])).as_deref(), url);
    }

    #[rstest]
    #[case("2027-01-31 09:00:00 UTC", Some("2027-01-31T09:00:00Z"))]
    #[case("2027-01-31 10:00:00 +0100", Some("2027-01-31T09:00:00Z"))]
    #[case("in a while", None)]
    fn the_end_of_a_token_is_told(#[case] said: &str, #[case] ends: Option<&str>) {
        let said = headers(&[("github-authentication-token-expiration", said)]);
        let ends = ends.map(|ends| ends.parse().unwrap());
        assert_eq!(token_ends(&said), ends);
    }

    fn client(writes_per_second: f64) -> Client {
        fake::provider();
        Client::new(
            "http://127.0.0.1:1",
            "t",
            writes_per_second,
            Clock::system(),
        )
        .unwrap()
    }

    #[test]
    fn ten_writes_go_at_once_and_the_others_one_by_one() {
        // Slow enough that no time passes meanwhile.
        let client = client(0.001);
        let waits: Vec<f64> = (0..12)
            .map(|_| (client.take_turn().as_secs_f64() / 1_000.0).ceil())
            .collect();
        assert_eq!(waits, [0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 1., 2.]);
    }

    #[test]
    fn a_turn_that_was_given_back_is_anothers() {
        let client = client(1.0);
        for _ in 0..100 {
            assert!(client.take_turn().is_zero());
            client.give_back();
        }
    }

    #[rstest]
    #[case::unlimited(0.0, Duration::ZERO)]
    #[case::one(1.0, Duration::from_secs(1))]
    #[case::many(4.0, Duration::from_millis(250))]
    #[case::few(0.5, Duration::from_secs(2))]
    #[case::hardly_any(1e-300, SPACING_MAX)]
    #[case::next_to_none(f64::MIN_POSITIVE / 4.0, SPACING_MAX)]
    fn a_rate_is_a_time_between_two_writes(#[case] per_second: f64, #[case] apart: Duration) {
        assert_eq!(spacing(per_second).unwrap(), apart);
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let client = client(0.0);
        assert!((0..1_000).all(|_| client.take_turn().is_zero()));
    }

    #[test]
    fn refusals_that_do_not_say_how_long_are_waited_for_longer_each_time() {
        let client = client(0.0);
        let answer = |status| Answer {
            status,
            headers: HeaderMap::new(),
            body: String::new(),
        };
        let wait = |client: &Client| word(&client.judge(&a_write(), &answer(429))).1.unwrap();
        let waits: Vec<u64> = (0..6).map(|_| wait(&client)).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 960]);
        assert_eq!(client.judge(&a_write(), &answer(200)), Verdict::Taken);
        assert_eq!(wait(&client), 60);
    }

    #[test]
    fn the_token_is_sent_and_not_printed() {
        let header = authorization("ghs_1_a.b-c").unwrap();
        assert_eq!(header.to_str().unwrap(), "Bearer ghs_1_a.b-c");
        assert!(!format!("{header:?}").contains("ghs"));
    }
}
