//! Requests to GitHub, and the meaning of its responses.
//!
//! `writer.rs` and `poll.rs` build requests. This module sends each and classifies the response by the allowed next step
//! ([`classify`], docs/contracts/github.md#errors, docs/contracts/github.md#rate-limits). Reads follow a few redirects, always on `github.api_url`. A write is sent
//! once and is never redirected here (docs/contracts/github.md#redirects, docs/contracts/github.md#names-that-change). `rest/clients.rs` has the table of both sources' responses.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::header::{ETAG, HeaderMap, HeaderValue, LINK, LOCATION};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;
use url::Url;

use crate::clock::Clock;
use crate::domain::controls;
use crate::domain::operation::{Refusal, WriteError};
use crate::domain::reason::with_remedy;
use crate::domain::when::plausible;
use crate::http_client::{
    self, AccessNeed, HttpClient, InvalidSettings, OPERATOR_WAIT, RawResponse, SourceFacts,
    clipped, is_page, not_taken, number, reset,
};
pub(super) use crate::http_client::{Request, segment};
use crate::runtime::RateLimiter;

use super::wire::{each, lenient};

/// The response equals the one whose ETag was sent (docs/contracts/github.md#conditional-requests-and-polling).
const NOT_MODIFIED: u16 = 304;
/// How many redirects a read follows (docs/contracts/github.md#names-that-change).
const HOPS_MAX: usize = 3;

/// The window of the rate limit is an hour (docs/contracts/github.md#rate-limits).
const WINDOW: Duration = Duration::from_secs(3_660);
pub(super) const SYSTEM: SourceFacts = SourceFacts {
    name: "GitHub",
    label: "github",
    window: WINDOW,
    pause_max: Duration::from_secs(3_670),
    api_url_key: "github.api_url",
    token_key: "github.token",
    headers: &[
        ("accept", "application/vnd.github+json"),
        // The version that every GitHub Enterprise server supports, too; the fields that we read are the same in
        // `2026-03-10` (docs/contracts/github.md#requests).
        ("x-github-api-version", "2022-11-28"),
    ],
};
/// The shortest wait after too much was created at once.
const TOO_QUICK_WAIT: Duration = Duration::from_secs(60);
/// How many writes go out at once before they are spread (`github.writes_per_second`).
const BURST: u32 = 10;
/// The limiter's only key.
const WRITES: &str = "writes";
/// The widest spacing of writes.
const SPACING_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The account that owns the repository of a request, in lower case.
fn owner(request: &Request) -> Option<String> {
    let owner = request.path().strip_prefix("/repos/")?.split('/').next()?;
    Some(owner.to_lowercase())
}

fn reach(request: &Request) -> AccessNeed {
    AccessNeed {
        writes: request.is_write(),
        tasks: request.path().contains("/issues"),
    }
}

/// The result of a read.
pub(super) struct ReadAnswer<T> {
    pub(super) value: T,
    /// `Link: rel="next"`.
    pub(super) next: Option<String>,
    /// The final URL, after redirects.
    pub(super) url: Url,
}

/// It is elsewhere (3xx); nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MovedElsewhere;

pub(crate) type GitHubVerdict = http_client::Verdict<MovedElsewhere>;
pub(super) type GitHubError = http_client::SourceError<MovedElsewhere>;

/// The remedy for a suspended installation of a GitHub App.
pub(super) const SUSPENDED_REMEDY: &str = "The owner of the installation must end the suspension (GitHub → Settings → GitHub Apps → Configure → Unsuspend). \
     Queued work is safe";

/// A token of an App's installation, which lives for an hour.
#[derive(Debug, Clone)]
pub(super) struct InstallationToken {
    /// The header's value; it is not printed.
    pub(super) authorization: HeaderValue,
    /// A later token has a greater number.
    pub(super) serial: u64,
}

/// The reason why there is no valid token now.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoToken {
    /// An operator or the App's owner must act.
    #[error("{0}")]
    Refused(String),
    /// GitHub does not answer now.
    #[error("{0}")]
    NotNow(WriteError),
}

/// The holder of a token that changes.
#[async_trait]
pub(super) trait TokenSource: Send + Sync {
    /// The valid token.
    async fn token(&self) -> Result<InstallationToken, NoToken>;

    /// A newer token than one that GitHub has rejected.
    async fn newer(&self, refused: &InstallationToken) -> Result<InstallationToken, NoToken>;
}

/// The connection to GitHub, with the token.
pub(super) struct GitHubClient {
    /// Also holds the observed limits, token status and clock.
    pub(super) rest: HttpClient,
    /// For an App: it has the tokens.
    tokens: Option<Arc<dyn TokenSource>>,
    writes: RateLimiter,
}

impl GitHubClient {
    pub(super) fn new(
        api_url: &str,
        token: &str,
        writes_per_second: f64,
        clock: Clock,
    ) -> Result<GitHubClient, InvalidSettings> {
        Ok(GitHubClient {
            rest: HttpClient::new(SYSTEM, api_url, &format!("Bearer {token}"), clock)?,
            tokens: None,
            writes: RateLimiter::new(spacing(writes_per_second)?, BURST),
        })
    }

    /// A client whose token changes.
    pub(super) fn of_app(
        api_url: &str,
        tokens: Arc<dyn TokenSource>,
        writes_per_second: f64,
        clock: Clock,
    ) -> Result<GitHubClient, InvalidSettings> {
        Ok(GitHubClient {
            rest: HttpClient::new(SYSTEM, api_url, "", clock)?,
            tokens: Some(tokens),
            writes: RateLimiter::new(spacing(writes_per_second)?, BURST),
        })
    }

    /// Sends a request and reads the response. With an App, a token that has just ended is renewed, and the request is
    /// sent once more. That is safe for a write, too: GitHub checks the token before it does anything, so a request that
    /// it answers with 401 changed nothing (docs/contracts/github.md#github-apps). An answer without GitHub's own marks,
    /// from a proxy, proves nothing and is not repeated; neither is a request without an answer.
    pub(super) async fn exchange(
        &self,
        request: &Request,
        url: Url,
    ) -> Result<RawResponse, WriteError> {
        let Some(tokens) = &self.tokens else {
            return self.rest.exchange(request, url).await;
        };
        let token = tokens
            .token()
            .await
            .map_err(|why| self.without_token(why))?;
        let answer = self
            .rest
            .exchange_as(request, url.clone(), &token.authorization)
            .await?;
        if answer.status != 401 || !is_of_github(answer.status, &answer.headers, &answer.body) {
            return Ok(answer);
        }
        let newer = tokens.newer(&token).await;
        let newer = newer.map_err(|why| self.without_token(why))?;
        self.rest
            .exchange_as(request, url, &newer.authorization)
            .await
    }

    /// Nothing was sent for want of a token. Queued work waits, as for a rejected token.
    pub(super) fn without_token(&self, why: NoToken) -> WriteError {
        match why {
            NoToken::Refused(why) => {
                self.rest.token_is_refused(why.clone());
                not_taken(why, Some(OPERATOR_WAIT))
            }
            NoToken::NotNow(error) => error,
        }
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
        match own {
            Some(url) => Ok(Request::follow(url, thing)),
            None => Err(http_client::refused(format!(
                "GitHub's next page of {thing} is not on its API, so I did not follow it"
            ))),
        }
    }

    /// Reads, following redirects within GitHub by hand.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        request: &Request,
    ) -> Result<ReadAnswer<T>, WriteError> {
        let (answer, url) = self.reach(request).await?;
        Ok(ReadAnswer {
            value: self.rest.parse(request, &answer.body)?,
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

    /// Reads a resource that may be known: the response and its ETag, or `None` if it has not changed (docs/contracts/github.md#conditional-requests-and-polling).
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
            self.rest.parse(request, &answer.body)?,
            tag.map(str::to_owned),
        )))
    }

    /// The response to a read, and its final URL. It is a success, or "not modified" if the request allows that.
    pub(super) async fn reach(&self, request: &Request) -> Result<(RawResponse, Url), WriteError> {
        let mut url = self.rest.address(request);
        for _ in 0..=HOPS_MAX {
            let answer = self.exchange(request, url.clone()).await?;
            match self.judge(request, &answer).taken() {
                Ok(()) => return Ok((answer, url)),
                Err(GitHubError::Failed(error)) => return Err(error),
                Err(GitHubError::Own(MovedElsewhere))
                    if answer.status == NOT_MODIFIED && request.known.is_some() =>
                {
                    return Ok((answer, url));
                }
                Err(GitHubError::Own(MovedElsewhere)) => {
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
            }
        }
        Err(astray(request))
    }

    /// Writes once and without delay; the caller has taken its turn before ([`GitHubClient::take_turn`]). It follows no
    /// redirect: that is the caller's decision.
    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        request: &Request,
    ) -> Result<T, GitHubError> {
        let answer = self.exchange(request, self.rest.address(request)).await?;
        self.judge(request, &answer).taken()?;
        Ok(self.rest.parse(request, &answer.body)?)
    }

    /// Classifies a response, and records a rate limit or the token's status.
    fn judge(&self, request: &Request, answer: &RawResponse) -> GitHubVerdict {
        let there = self.rest.answered_at(answer);
        let verdict = classify(request, answer.status, &answer.headers, &answer.body, there);
        let verdict = match self.tokens {
            Some(_) => as_an_app(verdict, &answer.body),
            None => verdict,
        };
        if let Some(owner) = owner(request) {
            match &verdict {
                GitHubVerdict::Taken => self.rest.rules_allow(&owner, reach(request)),
                GitHubVerdict::Ruled(why) => self.rest.rules_refuse(&owner, reach(request), why),
                _ => {}
            }
        }
        // The token of an App ends within the hour and is renewed: no operator is told.
        let ends = match self.tokens {
            Some(_) => None,
            None => token_ends(&answer.headers),
        };
        self.rest.remember(verdict, ends)
    }
}

/// A verdict in the terms of an App, which has no `github.token`: remedies name the App.
fn as_an_app(verdict: GitHubVerdict, body: &str) -> GitHubVerdict {
    let named = |why: String| why.replace("github.token", "the GitHub App");
    let said = Said::read(body);
    match verdict {
        GitHubVerdict::DeadToken(_) => GitHubVerdict::DeadToken(with_remedy(
            format_args!("GitHub rejects the token of the GitHub App's installation ({said})"),
            "Run `ivan doctor`, which asks GitHub about the App. Queued work is safe",
        )),
        GitHubVerdict::Ruled(_) if said.mentions("suspended") && said.mentions("installation") => {
            GitHubVerdict::DeadToken(with_remedy(
                format_args!("The installation of the GitHub App is suspended ({said})"),
                SUSPENDED_REMEDY,
            ))
        }
        GitHubVerdict::Ruled(why) => GitHubVerdict::Ruled(named(why)),
        GitHubVerdict::Failed(error) => GitHubVerdict::Failed(match error {
            WriteError::Refused { what, why } => WriteError::Refused {
                what,
                why: named(why),
            },
            WriteError::NotTaken { why, retry_after } => WriteError::NotTaken {
                why: named(why),
                retry_after,
            },
            WriteError::Unknown { why } => WriteError::Unknown { why: named(why) },
        }),
        verdict => verdict,
    }
}

/// The time between two writes. GitHub asks for a second, and allows 80 a minute (docs/contracts/github.md#rate-limits).
fn spacing(per_second: f64) -> Result<Duration, InvalidSettings> {
    if !per_second.is_finite() || per_second < 0.0 {
        return Err(InvalidSettings {
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

/// The error of a read that was redirected in circles or away from GitHub: by a proxy, or for a wrong URL.
fn astray(request: &Request) -> WriteError {
    not_taken(
        format!(
            "GitHub redirects me, so I can't reach it\nThe request was for {}; check github.api_url",
            request.thing
        ),
        Some(OPERATOR_WAIT),
    )
}

/// An error body (docs/contracts/github.md#errors).
#[derive(Default, Deserialize)]
pub(super) struct Said {
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
    pub(super) fn read(body: &str) -> Said {
        serde_json::from_str(body).unwrap_or_default()
    }

    pub(super) fn mentions(&self, words: &str) -> bool {
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
            let codes = [&error.field, &error.code].into_iter().flatten();
            let codes = codes.map(|code| controls::code(code));
            for part in codes.chain(error.message.as_deref()) {
                words.push(' ');
                words.push_str(part);
            }
        }
        f.write_str(clipped(&words).trim_end_matches('.'))
    }
}

/// Classifies a response (docs/contracts/github.md#errors, docs/contracts/github.md#rate-limits, docs/contracts/github.md#lost-answers). A 403 is a rate limit only if it says so in one of three ways.
pub(crate) fn classify(
    request: &Request,
    status: u16,
    headers: &HeaderMap,
    body: &str,
    now: DateTime<Utc>,
) -> GitHubVerdict {
    let thing = &request.thing;
    if !is_of_github(status, headers, body) {
        return SYSTEM.another_answered(request, status, headers);
    }
    if (200..300).contains(&status) {
        return GitHubVerdict::Taken;
    }
    let said = Said::read(body);
    if let Some(wait) = limited_for(status, headers, &said, now) {
        return GitHubVerdict::Wait {
            why: format!("GitHub's rate limit is reached ({said})"),
            wait,
        };
    }
    let refused = GitHubVerdict::refused;
    match status {
        300..=399 => GitHubVerdict::Own(MovedElsewhere),
        // Queued work is not refused for a dead token: once the operator replaces the token, it is sent.
        401 => GitHubVerdict::DeadToken(with_remedy(
            format_args!("GitHub rejects the token ({said})"),
            "Set a new github.token and restart. Queued work is safe",
        )),
        // The token is valid, but a rule blocks it: an administrator can change that, too.
        403 | 451 if let Some(remedy) = rule_remedy(&said, headers) => {
            GitHubVerdict::Ruled(with_remedy(
                format_args!("GitHub doesn't let me access {thing} ({said})"),
                format_args!("{remedy}. Queued work is safe"),
            ))
        }
        403 => refused(
            Refusal::Other,
            match remedy_in_github(&said) {
                Some(remedy) => {
                    format!("GitHub doesn't let me change {thing} ({said}). {remedy}")
                }
                None => with_remedy(
                    format_args!("GitHub doesn't let me change {thing} ({said})"),
                    remedy(headers, request.needs),
                ),
            },
        ),
        404 => refused(
            Refusal::Invisible,
            with_remedy(
                format_args!("GitHub can't find {thing}, or I may not see it"),
                format_args!(
                    "It said: {said}. {}",
                    request
                        .needs
                        .unwrap_or("Check the name, or give github.token access to the repository")
                ),
            ),
        ),
        410 if said.mentions("disabled") => refused(
            Refusal::Other,
            format!(
                "GitHub issues are turned off for {thing} ({said}). Turn them on in its settings"
            ),
        ),
        410 => refused(
            Refusal::Gone,
            format!(
                "GitHub can't find {thing}: it was deleted ({said}). Create a new one if you need it"
            ),
        ),
        408 | 500.. => SYSTEM.failed(request, status, &said),
        _ => SYSTEM.refused(request, status, &said),
    }
}

/// The administrator's remedy for a rule that refuses all requests; `None` if it is no such rule.
fn rule_remedy(said: &Said, headers: &HeaderMap) -> Option<String> {
    /// GitHub's words, and the remedy. The first match counts.
    const RULES: [(&str, &str); 13] = [
        (
            "ip allow list",
            "Add the address of Ivan's host to the organization's IP allow list (Settings, Authentication security)",
        ),
        (
            "ip address is not permitted",
            "Allow the address of Ivan's host (the organization's Settings, Authentication security)",
        ),
        (
            "lifetime",
            "Create a token with the lifetime that the organization asks for, set github.token and restart",
        ),
        (
            "forbids access via",
            "Set github.token to a kind of token that the organization allows, and restart",
        ),
        (
            "access restrictions",
            "An owner of the organization must approve the app of github.token (Settings, Third-party access)",
        ),
        (
            "two-factor",
            "Turn on two-factor authentication for the account of github.token",
        ),
        (
            "must be verified",
            "Verify the e-mail address of the account of github.token",
        ),
        (
            "billing",
            "An owner of the organization must settle its billing with GitHub",
        ),
        (
            "access blocked",
            "GitHub has blocked it; its owner must contact GitHub Support",
        ),
        (
            "suspended",
            "An administrator must end the suspension, or set github.token to another account's token and restart",
        ),
        (
            "enterprise managed user",
            "Set github.token to the token of an account that may use this organization, and restart",
        ),
        (
            "migrat",
            "It is locked while it is moved, and opens afterwards",
        ),
        (
            "saml",
            "The owner of github.token must authorise it in GitHub's settings, under the token's \"Configure SSO\"",
        ),
    ];
    let rule = RULES.iter().find(|(words, _)| said.mentions(words));
    let signed_on = single_sign_on(headers)
        .map(|at| format!("The owner of github.token must authorise it for single sign-on {at}"));
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

/// The remedy for a 403 that anyone with access can apply.
fn remedy_in_github(said: &Said) -> Option<&'static str> {
    if said.mentions("locked") {
        Some("Unlock the conversation in GitHub first")
    } else if said.mentions("archived") {
        Some("Unarchive the repository in GitHub first")
    } else {
        None
    }
}

/// The operator's remedy for a 403 that is no rate limit.
fn remedy(headers: &HeaderMap, needs: Option<&str>) -> String {
    let needed = headers
        .get("x-accepted-github-permissions")
        .and_then(|permissions| permissions.to_str().ok());
    if let Some(permissions) = needed {
        let permissions: String = permissions.chars().take(100).collect();
        match needs {
            Some(needs) => format!("Give github.token the permission {permissions}. {needs}"),
            None => format!("Give github.token the permission {permissions}"),
        }
    } else if let Some(needs) = needs {
        needs.to_owned()
    } else {
        "Give github.token write access to its issues, or do it in GitHub".to_owned()
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
/// the end of the window; a secondary limit may have neither (docs/contracts/github.md#rate-limits).
fn limited_for(
    status: u16,
    headers: &HeaderMap,
    said: &Said,
    now: DateTime<Utc>,
) -> Option<Option<Duration>> {
    let second = Duration::from_secs(1);
    if status == 422 && said.is_too_quick() {
        let asked = number(headers, "retry-after").map(Duration::from_secs);
        return Some(asked.map(|asked| asked.clamp(TOO_QUICK_WAIT, WINDOW)));
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

/// When a fine-grained token expires (docs/contracts/github.md#requests): `2027-01-31 09:00:00 UTC`, or with an offset.
pub(super) fn token_ends(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let ends = headers.get("github-authentication-token-expiration")?;
    let ends = ends.to_str().ok()?.trim();
    let utc = NaiveDateTime::parse_from_str(ends, "%Y-%m-%d %H:%M:%S UTC").map(|at| at.and_utc());
    utc.or_else(|_| DateTime::parse_from_str(ends, "%Y-%m-%d %H:%M:%S %z").map(|at| at.to_utc()))
        .ok()
        .and_then(plausible)
}

/// The URL of the next page: `Link: <…>; rel="next", <…>; rel="last"`.
pub(super) fn next_link(headers: &HeaderMap) -> Option<String> {
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
    use crate::http_client::fake;
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

    use crate::http_client::clients::word;

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
        let GitHubVerdict::Failed(error) = verdict else {
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
        "Although you appear to have the correct authorization credentials, the `acme` organization has an IP \
             allow list enabled, and your IP address is not permitted to access this resource.",
        "IP allow list (Settings"
    )]
    #[case::address_named(
        "the `acme` organization has an IP allow list enabled, and 34.210.66.22 is not permitted to access this \
             resource.",
        "Add the address of Ivan's host"
    )]
    #[case::lifetime(
        "The 'acme' organization forbids access via a fine-grained personal access tokens if the token's lifetime \
             is greater than 366 days.",
        "Create a token with the lifetime"
    )]
    #[case::kind(
        "`acme` forbids access via a personal access token (classic). Please use a GitHub App, OAuth App, or a \
             personal access token with fine-grained permissions.",
        "a kind of token that"
    )]
    #[case::app(
        "Although you appear to have the correct authorization credentials, the `acme` organization has enabled \
             OAuth App access restrictions",
        "must approve the app"
    )]
    #[case::saml(
        "Resource protected by organization SAML enforcement. You must grant your Personal Access token access to \
             this organization.",
        "Configure SSO"
    )]
    #[case::blocked("Repository access blocked", "GitHub Support")]
    #[case::suspended("Sorry. Your account was suspended.", "end the suspension")]
    #[case::billing(
        "Repository access is disabled due to a billing issue",
        "settle its billing"
    )]
    #[case::managed(
        "Unauthorized: As an Enterprise Managed User, you cannot access this content",
        "an account that may use this organization"
    )]
    #[case::migration("Repository has been locked for migration.", "opens afterwards")]
    fn a_rule_that_an_administrator_mends_is_no_refusal(#[case] said: &str, #[case] remedy: &str) {
        for request in [a_write(), a_read()] {
            let verdict = classify(&request, 403, &HeaderMap::new(), &message(said), now());
            let GitHubVerdict::Ruled(why) = verdict else {
                panic!("{verdict:?}");
            };
            assert!(why.contains(remedy), "{why}");
            assert!(why.contains("Queued work is safe"), "{why}");
            assert!(!why.contains("write access"), "{why}");
        }
    }

    #[test]
    fn the_address_that_a_refusal_leads_to_is_whole() {
        let said = "The 'acme' organization forbids access via a fine-grained personal access tokens if the token's \
                    lifetime is greater than 366 days. Please adjust your token's lifetime at the following URL: \
                    https://github.com/settings/personal-access-tokens/1";
        let verdict = classify(&a_write(), 403, &HeaderMap::new(), &message(said), now());
        let GitHubVerdict::Ruled(why) = verdict else {
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
        let client = GitHubClient::new("http://127.0.0.1:1", "t", 0.0, Clock::system()).unwrap();
        let answer = |status, said: &str| RawResponse {
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
        "required; url=https://github.com/orgs/acme/sso?authorization_request=A1",
        "authorise it for single sign-on at https://github.com/orgs/acme/sso?authorization_request=A1."
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
        let GitHubVerdict::Ruled(why) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(why.contains(remedy), "{why}");
        let partial = headers(&[("x-github-sso", "partial-results; organizations=21")]);
        let verdict = classify(&a_write(), 403, &partial, &message("No"), now());
        assert_eq!(word(&verdict).0, "refused");
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

    fn client(writes_per_second: f64) -> GitHubClient {
        fake::provider();
        GitHubClient::new(
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
        let answer = |status| RawResponse {
            status,
            headers: HeaderMap::new(),
            body: String::new(),
        };
        let wait = |client: &GitHubClient| word(&client.judge(&a_write(), &answer(429))).1.unwrap();
        let waits: Vec<u64> = (0..6).map(|_| wait(&client)).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 960]);
        assert_eq!(client.judge(&a_write(), &answer(200)), GitHubVerdict::Taken);
        assert_eq!(wait(&client), 60);
    }
}
