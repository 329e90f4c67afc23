//! A GitHub App: requests that it signs, its installation, and the one holder of the installation's token.
//!
//! The App signs a JWT of some minutes with its private key, and gets a token of its installation for it, which lives for
//! an hour (docs/contracts/github.md#github-apps). All other requests carry that token. From three quarters of its life on
//! the next request has it renewed in the background; only a request that finds no valid one waits. One renewal runs at a
//! time, and those who wait for it share its outcome.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::HeaderValue;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::de::DeserializeOwned;
use serde_json::json;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::domain::operation::WriteError;
use crate::domain::reason::with_remedy;
use crate::domain::task::RepoName;
use crate::http_client::{HttpClient, InvalidSettings, RawResponse, SourceError, not_taken};
use crate::runtime::lock;

use super::client::{
    GitHubVerdict, InstallationToken, NoToken, Request, SUSPENDED_REMEDY, SYSTEM, Said,
    TokenSource, classify,
};
use super::wire::{Listed, WireApp, WireAppHook, WireInstallation, WireInstallationToken};

/// How long a JWT is valid: GitHub takes at most ten minutes.
const JWT_LIFE: TimeDelta = TimeDelta::minutes(9);
/// How far it is dated back, as GitHub recommends: clocks differ.
const JWT_DATED_BACK: TimeDelta = TimeDelta::seconds(60);
/// A difference between the clocks that a JWT bears.
const CLOCKS_AGREE: TimeDelta = TimeDelta::seconds(30);
/// The pause after a renewal in the background failed; meanwhile the old token is valid.
const RENEW_AGAIN: TimeDelta = TimeDelta::seconds(30);
/// How many installations are named when there is a choice.
const NAMED_MAX: usize = 10;
const KEY_FILE: &str = "github.app_key_file";

/// The settings of a GitHub App (`github.app_id`, `github.app_key_file`, `github.installation_id`).
#[derive(Clone)]
pub struct AppSettings {
    /// The App ID or the client ID.
    pub app_id: String,
    /// The private key as PEM, PKCS#1 or PKCS#8. Never printed.
    pub key: Zeroizing<String>,
    /// `None`: the only installation.
    pub installation_id: Option<u64>,
}

/// The reason why an App's question has no answer.
#[derive(Debug, Clone)]
pub(super) enum AppFailure {
    /// There is no such thing (404); GitHub's words.
    Missing(String),
    /// An operator or the App's owner must act.
    Refused(String),
    /// Another time it may have one.
    NotNow(WriteError),
}

impl From<AppFailure> for NoToken {
    fn from(failure: AppFailure) -> NoToken {
        match failure {
            AppFailure::Missing(said) => NoToken::Refused(with_remedy(
                format_args!("GitHub does not find what I ask for as a GitHub App ({said})"),
                "Check github.app_id and github.installation_id. Queued work is safe",
            )),
            AppFailure::Refused(why) => NoToken::Refused(why),
            AppFailure::NotNow(error) => NoToken::NotNow(error),
        }
    }
}

/// The App. Clones share the token.
#[derive(Clone)]
pub(super) struct AppAccess(Arc<Inner>);

struct Inner {
    /// With limits and a clock of its own: these requests do not count towards the installation's limit.
    http: HttpClient,
    app_id: String,
    key: RsaKeyPair,
    configured: Option<u64>,
    /// The default repository, to tell which of several installations is meant.
    repo: RepoName,
    /// Held by the one renewal.
    turn: Arc<tokio::sync::Mutex<()>>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<HeldToken>,
    /// The installation that was found, unless one is configured.
    installation: Option<u64>,
    /// How many renewals ended, and how the last one failed.
    renewals: u64,
    failure: Option<AppFailure>,
}

#[derive(Clone)]
struct HeldToken {
    token: InstallationToken,
    renew_at: DateTime<Utc>,
    ends: DateTime<Utc>,
}

impl AppAccess {
    /// Reads the key; sends no request.
    pub(super) fn new(
        api_url: &str,
        settings: &AppSettings,
        repo: RepoName,
        clock: Clock,
    ) -> Result<AppAccess, InvalidSettings> {
        Ok(AppAccess(Arc::new(Inner {
            http: HttpClient::new(SYSTEM, api_url, "", clock)?,
            app_id: settings.app_id.clone(),
            key: private_key(&settings.key).map_err(|why| InvalidSettings {
                key: KEY_FILE,
                why: why.to_owned(),
            })?,
            configured: settings.installation_id,
            repo,
            turn: Arc::default(),
            held: Mutex::default(),
        })))
    }

    /// The App itself: its name, and with it the login of its bot.
    pub(super) async fn identity(&self) -> Result<WireApp, AppFailure> {
        let app = self.0.ask(&Request::get("/app", "the GitHub App")).await;
        app.map(|(app, _)| app).map_err(|failure| match failure {
            AppFailure::Missing(said) => self.0.unknown_app(&said),
            failure => failure,
        })
    }

    /// The installation that is used.
    pub(super) async fn installation(&self) -> Result<WireInstallation, AppFailure> {
        let Some(id) = self.0.configured else {
            return self.only_installation().await;
        };
        let path = format!("/app/installations/{id}");
        let found = self
            .0
            .ask(&Request::get(path, installation_named(id)))
            .await;
        found
            .map(|(found, _)| found)
            .map_err(|failure| match failure {
                AppFailure::Missing(said) => self.0.removed(id, &said),
                failure => failure,
            })
    }

    /// The address of the App's webhook; `None` if it has none.
    pub(super) async fn hook_url(&self) -> Result<Option<String>, AppFailure> {
        let request = Request::get("/app/hook/config", "the webhook of the GitHub App");
        match self.0.ask::<WireAppHook>(&request).await {
            Ok((hook, _)) => Ok(Some(hook.url).filter(|url| !url.is_empty())),
            Err(AppFailure::Missing(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The installation, if there is exactly one.
    async fn only_installation(&self) -> Result<WireInstallation, AppFailure> {
        let request = Request::get("/app/installations", "the installations of the GitHub App");
        let request = request.with("per_page", 100);
        let (found, _): (Listed<WireInstallation>, _) = match self.0.ask(&request).await {
            Err(AppFailure::Missing(said)) => return Err(self.0.unknown_app(&said)),
            found => found?,
        };
        let mut all = found.items;
        match (all.len(), all.pop()) {
            (1, Some(only)) => Ok(only),
            (_, None) => {
                let app = self.identity().await?;
                Err(AppFailure::Refused(with_remedy(
                    format_args!("The GitHub App {} is installed nowhere", app.slug),
                    format_args!(
                        "Install it for the repositories at {}/installations/new. Queued work is safe",
                        app.html_url
                    ),
                )))
            }
            (count, Some(last)) => {
                all.push(last);
                Err(self.choice(count, &all).await)
            }
        }
    }

    /// Several installations: which ones, and which of them has the default repository.
    async fn choice(&self, count: usize, all: &[WireInstallation]) -> AppFailure {
        let named = all.iter().take(NAMED_MAX).map(|one| match &one.account {
            Some(account) => format!("{} ({})", one.id, account.login),
            None => one.id.to_string(),
        });
        let mut named = named.collect::<Vec<_>>().join(", ");
        if count > NAMED_MAX {
            named.push_str(", …");
        }
        let repo = &self.0.repo;
        let path = format!("/repos/{repo}/installation");
        let request = Request::get(path, format!("the installation for {repo}"));
        let here = match self.0.ask::<WireInstallation>(&request).await {
            Ok((one, _)) => format!(". {repo} is in {}", one.id),
            Err(_) => String::new(),
        };
        AppFailure::Refused(with_remedy(
            format_args!(
                "The GitHub App has {count} installations, and I don't know which one is mine"
            ),
            format_args!(
                "Set github.installation_id to one of {named}, and restart{here}. Queued work is safe"
            ),
        ))
    }

    /// Asks for a new token and stores it. The caller has the turn.
    async fn renew(&self) -> Result<InstallationToken, AppFailure> {
        let renewed = self.new_token().await;
        let mut held = lock(&self.0.held);
        held.renewals += 1;
        match renewed {
            Ok(mut new) => {
                new.token.serial = held.renewals;
                held.failure = None;
                let token = new.token.clone();
                held.token = Some(new);
                Ok(token)
            }
            Err(failure) => {
                if matches!(failure, AppFailure::Refused(_)) {
                    // It may be installed again, under another id.
                    held.installation = None;
                }
                held.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    async fn new_token(&self) -> Result<HeldToken, AppFailure> {
        let known = self.0.configured.or(lock(&self.0.held).installation);
        let id = match known {
            Some(id) => id,
            None => self.only_installation().await?.id,
        };
        let path = format!("/app/installations/{id}/access_tokens");
        let request = Request::post(path, installation_named(id), json!({}));
        let (granted, there): (WireInstallationToken, _) = match self.0.ask(&request).await {
            Err(AppFailure::Missing(said)) if said.to_lowercase().contains("integration") => {
                return Err(self.0.unknown_app(&said));
            }
            Err(AppFailure::Missing(said)) => return Err(self.0.removed(id, &said)),
            granted => granted?,
        };
        lock(&self.0.held).installation = Some(id);
        // By GitHub's clock; ours may be another.
        let life = (granted.expires_at - there).max(TimeDelta::zero());
        let now = self.0.http.now();
        let token = Zeroizing::new(granted.token);
        let header = HeaderValue::try_from(format!("Bearer {}", token.as_str()));
        let mut authorization = header.map_err(|_| {
            AppFailure::NotNow(not_taken(
                "GitHub's answer is unusable: its token has a character that no token has"
                    .to_owned(),
                None,
            ))
        })?;
        authorization.set_sensitive(true);
        Ok(HeldToken {
            token: InstallationToken {
                authorization,
                serial: 0,
            },
            renew_at: now + life * 3 / 4,
            ends: now + life,
        })
    }

    /// Waits for a token newer than `refused`, or gets one. Those who waited for the same renewal share its failure.
    async fn newer_than(&self, refused: u64) -> Result<InstallationToken, NoToken> {
        let seen = lock(&self.0.held).renewals;
        let turn = self.0.turn.lock().await;
        {
            let held = lock(&self.0.held);
            let now = self.0.http.now();
            let newer = held
                .token
                .as_ref()
                .filter(|it| it.token.serial > refused && now < it.ends);
            if let Some(newer) = newer {
                return Ok(newer.token.clone());
            }
            if held.renewals > seen
                && let Some(failure) = &held.failure
            {
                return Err(failure.clone().into());
            }
        }
        let renewed = self.renew().await;
        drop(turn);
        Ok(renewed?)
    }

    /// Renews the token while the old one is in use, unless a renewal is under way.
    fn renew_in_background(&self) {
        let Ok(turn) = Arc::clone(&self.0.turn).try_lock_owned() else {
            return;
        };
        let app = self.clone();
        tokio::spawn(async move {
            if let Err(failure) = app.renew().await {
                if let Some(token) = &mut lock(&app.0.held).token {
                    token.renew_at = app.0.http.now() + RENEW_AGAIN;
                }
                let why = NoToken::from(failure);
                tracing::warn!(source = "github", error = %why, "the token of the installation was not renewed yet");
            }
            drop(turn);
        });
    }
}

#[async_trait]
impl TokenSource for AppAccess {
    async fn token(&self) -> Result<InstallationToken, NoToken> {
        let held = lock(&self.0.held).token.clone();
        let now = self.0.http.now();
        match held {
            Some(held) if now < held.renew_at => Ok(held.token),
            Some(held) if now < held.ends => {
                self.renew_in_background();
                Ok(held.token)
            }
            Some(held) => self.newer_than(held.token.serial).await,
            None => self.newer_than(0).await,
        }
    }

    async fn newer(&self, refused: &InstallationToken) -> Result<InstallationToken, NoToken> {
        self.newer_than(refused.serial).await
    }
}

impl Inner {
    /// Sends a request that the App signs. Also returns the time of the answer by GitHub's clock.
    async fn ask<T: DeserializeOwned>(
        &self,
        request: &Request,
    ) -> Result<(T, DateTime<Utc>), AppFailure> {
        let assumed = self.http.skew().unwrap_or_default();
        let mut answer = self.signed(request, assumed).await?;
        // GitHub checks the times of a JWT by its own clock, which each of its answers tells.
        let told = self.http.skew().unwrap_or_default();
        if answer.status == 401 && (told - assumed).abs() > CLOCKS_AGREE {
            answer = self.signed(request, told).await?;
        }
        self.judge(request, &answer)?;
        let there = self.http.answered_at(&answer);
        let value = self.http.parse(request, &answer.body);
        Ok((value.map_err(not_now)?, there))
    }

    async fn signed(&self, request: &Request, ahead: TimeDelta) -> Result<RawResponse, AppFailure> {
        let jwt = jwt(&self.key, &self.app_id, self.http.now() - ahead)?;
        let url = self.http.address(request);
        let answer = self.http.exchange_as(request, url, &jwt).await;
        answer.map_err(not_now)
    }

    fn judge(&self, request: &Request, answer: &RawResponse) -> Result<(), AppFailure> {
        let there = self.http.answered_at(answer);
        let (status, headers) = (answer.status, &answer.headers);
        let verdict = classify(request, status, headers, &answer.body, there);
        let said = Said::read(&answer.body);
        match self.http.remember(verdict, None) {
            GitHubVerdict::DeadToken(_) => Err(AppFailure::Refused(with_remedy(
                format_args!("GitHub rejects the key of the GitHub App ({said})"),
                "Check that github.app_key_file is a key of the App with the id github.app_id (the App's settings → Private \
                 keys), and the clock of this machine, and restart. Queued work is safe",
            ))),
            GitHubVerdict::Ruled(_) if said.mentions("suspended") => {
                Err(AppFailure::Refused(with_remedy(
                    format_args!("The installation of the GitHub App is suspended ({said})"),
                    SUSPENDED_REMEDY,
                )))
            }
            GitHubVerdict::Ruled(why) => Err(AppFailure::Refused(why)),
            GitHubVerdict::Failed(WriteError::Refused { .. }) if matches!(status, 404 | 410) => {
                Err(AppFailure::Missing(said.to_string()))
            }
            GitHubVerdict::Failed(WriteError::Refused { why, .. }) => Err(AppFailure::Refused(why)),
            verdict => verdict.taken().map_err(|error| match error {
                SourceError::Failed(error) => not_now(error),
                SourceError::Own(_) => AppFailure::NotNow(not_taken(
                    format!(
                        "GitHub redirects me\nThe request was for {}; check github.api_url",
                        request.thing
                    ),
                    None,
                )),
            }),
        }
    }

    fn unknown_app(&self, said: &str) -> AppFailure {
        AppFailure::Refused(with_remedy(
            format_args!("GitHub knows no GitHub App {} ({said})", self.app_id),
            "Set github.app_id to the App ID in the App's settings, and restart. Queued work is safe",
        ))
    }

    fn removed(&self, id: u64, said: &str) -> AppFailure {
        let why = format!(
            "The GitHub App has no installation {id}: it was removed, or is another App's ({said})"
        );
        let remedy = match self.configured {
            Some(_) => {
                "Install the App again, set github.installation_id to the number at the end of that page's address, \
                        and restart. Queued work is safe"
            }
            None => "Install the App again for the repositories. Queued work is safe",
        };
        AppFailure::Refused(with_remedy(why, remedy))
    }
}

/// Nothing that an App asks for changes an issue: a token more or less does no harm.
fn not_now(error: WriteError) -> AppFailure {
    match error {
        WriteError::NotTaken { .. } => AppFailure::NotNow(error),
        WriteError::Unknown { why } => AppFailure::NotNow(not_taken(why, None)),
        WriteError::Refused { why, .. } => AppFailure::Refused(why),
    }
}

fn installation_named(id: u64) -> String {
    format!("the installation {id} of the GitHub App")
}

/// Reads a private key. The errors repeat nothing of it.
fn private_key(pem: &str) -> Result<RsaKeyPair, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "is no private key in PEM form; use the file that GitHub generated")?;
    let read = match &key {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        _ => return Err("is no RSA key; use the file that GitHub generated"),
    };
    read.map_err(|_| "cannot be used as an RSA key; use the file that GitHub generated")
}

/// The header of a request that the App signs (RFC 7519, RS256).
fn jwt(key: &RsaKeyPair, app_id: &str, now: DateTime<Utc>) -> Result<HeaderValue, AppFailure> {
    let head = json!({"alg": "RS256", "typ": "JWT"});
    let claims = json!({
        "iat": (now - JWT_DATED_BACK).timestamp(), "exp": (now + JWT_LIFE).timestamp(), "iss": app_id,
    });
    let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let text = format!("{head}.{claims}");
    let mut signature = vec![0; key.public().modulus_len()];
    let unsigned =
        |_| AppFailure::NotNow(not_taken("I can't sign as a GitHub App".to_owned(), None));
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        text.as_bytes(),
        &mut signature,
    )
    .map_err(unsigned)?;
    let signature = URL_SAFE_NO_PAD.encode(signature);
    let mut header = HeaderValue::try_from(format!("Bearer {text}.{signature}")).map_err(|_| {
        AppFailure::Refused("github.app_id has a character that no id has".to_owned())
    })?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use rstest::rstest;
    use serde_json::Value;

    use super::super::client::GitHubClient;
    use super::super::tests::{name, repository};
    use super::*;
    use crate::domain::source::TokenStanding;
    use crate::http_client::fake::{self, Fake, FakeResponse, SeenRequest, json as says};

    const KEY: &str = include_str!("../../fixtures/github/app-key.pem");
    const KEY_IN_PKCS8: &str = include_str!("../../fixtures/github/app-key-other.pem");

    fn settings(installation_id: Option<u64>) -> AppSettings {
        AppSettings {
            app_id: "123456".into(),
            key: Zeroizing::new(KEY.to_owned()),
            installation_id,
        }
    }

    /// An App and a client that uses it.
    fn app(url: &str, installation: Option<u64>, clock: &Clock) -> (AppAccess, GitHubClient) {
        fake::provider();
        let repo = name("acme/widgets");
        let app = AppAccess::new(url, &settings(installation), repo, clock.clone()).unwrap();
        let tokens = Arc::new(app.clone());
        let client = GitHubClient::of_app(url, tokens, 0.0, clock.clone()).unwrap();
        (app, client)
    }

    /// Grants `ghs_TOKEN1`, `ghs_TOKEN2` and so on, each for an hour of `clock`; `rest` answers all other requests.
    fn granting(
        clock: &Clock,
        rest: impl Fn(&SeenRequest) -> FakeResponse + Send + Sync + 'static,
    ) -> impl Fn(&SeenRequest) -> FakeResponse + Send + Sync + 'static {
        let (clock, granted) = (clock.clone(), AtomicUsize::new(0));
        move |seen| match seen.line().as_str() {
            "GET /app/installations" => says(200, json!([{"id": 7, "account": {"login": "acme"}}])),
            "POST /app/installations/7/access_tokens" => {
                let number = granted.fetch_add(1, Ordering::SeqCst) + 1;
                let ends = clock.now() + TimeDelta::hours(1);
                let token = format!("ghs_TOKEN{number}");
                says(201, json!({"token": token, "expires_at": ends}))
            }
            _ => rest(seen),
        }
    }

    fn widgets(_: &SeenRequest) -> FakeResponse {
        says(200, repository(1001, "acme/widgets"))
    }

    fn grants(fake: &Fake) -> usize {
        let lines = fake.lines().into_iter();
        lines
            .filter(|line| line.ends_with("/access_tokens"))
            .count()
    }

    /// The numbers of the tokens that requests about the repository carried.
    fn carried(fake: &Fake) -> Vec<String> {
        let seen = fake.seen().into_iter();
        let seen = seen.filter(|seen| seen.target.starts_with("/repos/"));
        let token = |seen: SeenRequest| seen.header("authorization").unwrap_or_default().to_owned();
        seen.map(|seen| token(seen).replace("Bearer ghs_TOKEN", ""))
            .collect()
    }

    async fn ask(client: &GitHubClient) -> Result<(), WriteError> {
        let request = Request::get("/repos/acme/widgets", "the repository acme/widgets");
        client.get::<Value>(&request).await.map(|_| ())
    }

    async fn write(client: &GitHubClient) -> Result<(), WriteError> {
        let path = "/repos/acme/widgets/issues";
        let request = Request::post(path, "a new issue", json!({"title": "x"}));
        match client.write::<Value>(&request).await {
            Ok(_) => Ok(()),
            Err(SourceError::Failed(error)) => Err(error),
            Err(SourceError::Own(moved)) => panic!("{moved:?}"),
        }
    }

    #[rstest]
    fn a_jwt_is_signed_with_the_key_and_lives_for_minutes(#[values(KEY, KEY_IN_PKCS8)] pem: &str) {
        let key = private_key(pem).unwrap();
        let now = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let header = jwt(&key, "123456", now).unwrap();
        assert!(header.is_sensitive());
        let text = header.to_str().unwrap().strip_prefix("Bearer ").unwrap();
        let (signed, signature) = text.rsplit_once('.').unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        public.verify(signed.as_bytes(), &signature).unwrap();
        let parts = signed.split('.').map(|part| {
            let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
            serde_json::from_slice::<Value>(&bytes).unwrap()
        });
        let claims = json!({"iat": 1_767_225_540, "exp": 1_767_226_140, "iss": "123456"});
        let parts: Vec<Value> = parts.collect();
        assert_eq!(parts, [json!({"alg": "RS256", "typ": "JWT"}), claims]);
    }

    #[rstest]
    #[case("github_pat_SESAME")]
    #[case("-----BEGIN PRIVATE KEY-----\nU0VTQU1F\n-----END PRIVATE KEY-----")]
    #[case("-----BEGIN EC PRIVATE KEY-----\nU0VTQU1F\n-----END EC PRIVATE KEY-----")]
    fn a_key_that_is_none_is_refused_by_its_name(#[case] pem: &str) {
        fake::provider();
        let settings = AppSettings {
            key: Zeroizing::new(pem.to_owned()),
            ..settings(None)
        };
        let url = "http://127.0.0.1:1";
        let refused = AppAccess::new(url, &settings, name("acme/widgets"), Clock::system());
        let refused = refused.err().unwrap();
        assert_eq!(refused.key, "github.app_key_file");
        assert!(!refused.to_string().contains("SESAME"), "{refused}");
        assert!(!refused.to_string().contains("U0VT"), "{refused}");
    }

    #[tokio::test]
    async fn a_token_is_renewed_at_three_quarters_of_its_life_while_it_is_used() {
        let clock = Clock::system();
        let fake = Fake::start(granting(&clock, widgets)).await;
        let (app, client) = app(&fake.url, None, &clock);
        ask(&client).await.unwrap();
        clock.shift(TimeDelta::minutes(44));
        ask(&client).await.unwrap();
        assert_eq!(grants(&fake), 1);
        clock.shift(TimeDelta::minutes(2));
        ask(&client).await.unwrap();
        // The renewal has had the turn since before that request.
        drop(app.0.turn.lock().await);
        assert_eq!(grants(&fake), 2);
        ask(&client).await.unwrap();
        assert_eq!(carried(&fake), ["1", "1", "1", "2"]);
    }

    #[tokio::test]
    async fn one_renewal_serves_all_who_wait() {
        let clock = Clock::system();
        let fake = Fake::start(granting(&clock, widgets)).await;
        let (_, client) = app(&fake.url, None, &clock);
        for round in 1..=2 {
            let all = (0..20).map(|_| ask(&client));
            let all = futures_util::future::join_all(all).await;
            assert!(all.iter().all(Result::is_ok), "{all:?}");
            assert_eq!(grants(&fake), round);
            clock.shift(TimeDelta::hours(1));
        }
    }

    #[tokio::test]
    async fn a_renewal_that_fails_disturbs_nobody_while_the_old_token_is_valid() {
        let clock = Clock::system();
        let grant = granting(&clock, widgets);
        let fails = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let fake = Fake::start({
            let fails = Arc::clone(&fails);
            move |seen| match fails.load(Ordering::SeqCst)
                && seen.target.ends_with("/access_tokens")
            {
                true => says(502, json!({"message": "Server Error"})),
                false => grant(seen),
            }
        })
        .await;
        let (app, client) = app(&fake.url, None, &clock);
        ask(&client).await.unwrap();
        fails.store(true, Ordering::SeqCst);
        clock.shift(TimeDelta::minutes(50));
        ask(&client).await.unwrap();
        drop(app.0.turn.lock().await);
        ask(&client).await.unwrap();
        drop(app.0.turn.lock().await);
        assert_eq!(grants(&fake), 2, "not again at once");
        clock.shift(TimeDelta::minutes(1));
        ask(&client).await.unwrap();
        drop(app.0.turn.lock().await);
        assert_eq!(grants(&fake), 3);
        // Now there is none, and a write was certainly not sent.
        clock.shift(TimeDelta::minutes(10));
        let refused = write(&client).await.unwrap_err();
        assert!(
            matches!(refused, WriteError::NotTaken { .. }),
            "{refused:?}"
        );
        fails.store(false, Ordering::SeqCst);
        write(&client).await.unwrap();
    }

    /// A request with the first token is refused.
    fn refusing_the_first(seen: &SeenRequest) -> FakeResponse {
        match seen.header("authorization") {
            Some("Bearer ghs_TOKEN1") => says(401, json!({"message": "Bad credentials"})),
            _ => widgets(seen),
        }
    }

    #[tokio::test]
    async fn a_request_whose_token_is_refused_is_sent_once_more_with_the_next() {
        let clock = Clock::system();
        let fake = Fake::start(granting(&clock, refusing_the_first)).await;
        let (_, client) = app(&fake.url, Some(7), &clock);
        write(&client).await.unwrap();
        ask(&client).await.unwrap();
        assert_eq!(carried(&fake), ["1", "2", "2"]);
        assert_eq!(client.rest.standing().token, TokenStanding::Taken);
    }

    #[tokio::test]
    async fn a_page_of_a_proxy_does_not_end_a_token() {
        let clock = Clock::system();
        let page = |_: &SeenRequest| {
            let html = vec![("content-type", "text/html".to_owned())];
            FakeResponse::Text(401, html, "<html>Log in</html>".to_owned())
        };
        let fake = Fake::start(granting(&clock, page)).await;
        let (_, client) = app(&fake.url, Some(7), &clock);
        let unknown = write(&client).await.unwrap_err();
        assert!(matches!(unknown, WriteError::Unknown { .. }), "{unknown:?}");
        assert_eq!((grants(&fake), carried(&fake).len()), (1, 1));
    }

    #[tokio::test]
    async fn a_token_that_is_refused_again_and_again_is_said_and_not_tried_a_third_time() {
        let clock = Clock::system();
        let refuse = |_: &SeenRequest| says(401, json!({"message": "Bad credentials"}));
        let fake = Fake::start(granting(&clock, refuse)).await;
        let (_, client) = app(&fake.url, Some(7), &clock);
        let refused = write(&client).await.unwrap_err();
        assert!(
            matches!(refused, WriteError::NotTaken { .. }),
            "{refused:?}"
        );
        assert_eq!(carried(&fake), ["1", "2"]);
        let TokenStanding::Refused { why, .. } = client.rest.standing().token else {
            panic!("{:?}", client.rest.standing());
        };
        assert!(
            why.contains("the token of the GitHub App's installation"),
            "{why}"
        );
    }

    #[rstest]
    #[case::suspended(403, "This installation has been suspended", "is suspended")]
    #[case::removed(404, "Not Found", "has no installation 7: it was removed")]
    #[case::no_app(404, "Integration not found", "knows no GitHub App 123456")]
    #[case::another_key(
        401,
        "A JSON web token could not be decoded",
        "rejects the key of the GitHub App"
    )]
    #[tokio::test]
    async fn an_app_that_gets_no_token_says_why(
        #[case] status: u16,
        #[case] said: &'static str,
        #[case] words: &str,
    ) {
        let clock = Clock::system();
        let fake = Fake::start(move |_| says(status, json!({"message": said}))).await;
        let (_, client) = app(&fake.url, Some(7), &clock);
        let refused = write(&client).await.unwrap_err();
        assert!(
            matches!(refused, WriteError::NotTaken { .. }),
            "{refused:?}"
        );
        assert!(refused.to_string().contains(words), "{refused}");
        let TokenStanding::Refused { why, .. } = client.rest.standing().token else {
            panic!("{:?}", client.rest.standing());
        };
        assert!(
            why.contains(words) && why.contains("Queued work is safe"),
            "{why}"
        );
        assert!(!why.contains("github.token"), "{why}");
    }

    #[tokio::test]
    async fn a_suspension_in_the_middle_is_said_as_such() {
        let clock = Clock::system();
        let suspended = |_: &SeenRequest| {
            says(
                403,
                json!({"message": "This installation has been suspended"}),
            )
        };
        let fake = Fake::start(granting(&clock, suspended)).await;
        let (_, client) = app(&fake.url, Some(7), &clock);
        let refused = ask(&client).await.unwrap_err();
        assert!(refused.to_string().contains("is suspended"), "{refused}");
        assert!(matches!(
            client.rest.standing().token,
            TokenStanding::Refused { .. }
        ));
    }

    #[rstest]
    #[case::none(json!([]), "The GitHub App ivan-app is installed nowhere", "/apps/ivan-app/installations/new")]
    #[case::two(
        json!([{"id": 7, "account": {"login": "acme"}}, {"id": 8, "account": {"slug": "big-corp"}}]),
        "The GitHub App has 2 installations",
        "7 (acme), 8 (big-corp), and restart. acme/widgets is in 7"
    )]
    #[tokio::test]
    async fn an_installation_that_is_not_the_only_one_is_to_be_chosen(
        #[case] listed: Value,
        #[case] why: &str,
        #[case] remedy: &str,
    ) {
        let clock = Clock::system();
        let fake = Fake::start(move |seen| match seen.line().as_str() {
            "GET /app/installations" => says(200, listed.clone()),
            "GET /app" => says(
                200,
                json!({"slug": "ivan-app", "html_url": "https://github.com/apps/ivan-app"}),
            ),
            "GET /repos/acme/widgets/installation" => says(200, json!({"id": 7})),
            _ => says(404, json!({"message": "Not Found"})),
        })
        .await;
        let (_, client) = app(&fake.url, None, &clock);
        let refused = ask(&client).await.unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
        assert!(refused.contains(remedy), "{refused}");
        assert_eq!(grants(&fake), 0);
    }

    /// GitHub's clock decides, and its refusal tells it.
    #[tokio::test]
    async fn a_clock_that_is_wrong_is_allowed_for() {
        let clock = Clock::system();
        clock.shift(TimeDelta::hours(3));
        let there = Clock::system();
        let grant = granting(&there, widgets);
        let fake = Fake::start(move |seen| {
            let signed = seen.header("authorization").unwrap_or_default();
            let claims = signed
                .split('.')
                .nth(1)
                .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
            let claims: Option<Value> = claims.and_then(|it| serde_json::from_slice(&it).ok());
            let iat = claims.and_then(|claims| claims["iat"].as_i64());
            let answer = match iat.is_some_and(|iat| iat > there.now().timestamp()) {
                true => says(
                    401,
                    json!({"message": "'Issued at' claim ('iat') must be an Integer"}),
                ),
                false => grant(seen),
            };
            let FakeResponse::Text(status, mut headers, body) = answer else {
                unreachable!("it answers");
            };
            headers.push(("date", there.now().to_rfc2822().replace("+0000", "GMT")));
            FakeResponse::Text(status, headers, body)
        })
        .await;
        let (_, client) = app(&fake.url, Some(7), &clock);
        ask(&client).await.unwrap();
        ask(&client).await.unwrap();
        assert_eq!(grants(&fake), 2, "one that is refused, and one");
        assert_eq!(carried(&fake), ["1", "1"]);
    }

    #[test]
    fn settings_and_tokens_do_not_print() {
        let token = InstallationToken {
            authorization: {
                let mut header = HeaderValue::from_static("Bearer ghs_SESAME");
                header.set_sensitive(true);
                header
            },
            serial: 1,
        };
        assert!(!format!("{token:?}").contains("SESAME"));
    }
}
