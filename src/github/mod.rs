//! GitHub, a source: reads and writes, in our own types.
//!
//! [`GitHub`] implements the domain's `SourceWriter` (`writer.rs`), `SourceReader` (`poll.rs`), `WebhookReader` and
//! `WebhookKeeper` (`hook.rs`), and `Accounts` (`accounts.rs`). `client.rs` sends requests and classifies responses,
//! `wire.rs` has their JSON. Facts are those of docs/contracts/github.md.
//!
//! Repositories are stored by id and addressed by name (docs/contracts/github.md#names-that-change). Before a name is trusted, `locate` checks
//! its id, so that a reused name never leads to another owner's repository.

mod accounts;
mod app;
mod change;
pub mod checkup;
mod client;
mod dependencies;
pub mod directory;
mod fields;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod hook;
mod labels;
mod links;
pub mod manifest;
mod milestones;
mod poll;
mod types;
mod undo;
mod wire;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::OnceCell;

use crate::clock::Clock;
use crate::domain::operation::{Refusal, WriteError};
use crate::domain::reason::with_remedy;
use crate::domain::source::{Container, Limits};
use crate::domain::task::{RepoName, Source};
pub use crate::http_client::InvalidSettings;
use crate::runtime::lock;

use app::AppAccess;
pub use app::AppSettings;
use client::{GitHubClient, Request, segment};
#[cfg(test)]
pub(crate) use client::{MovedElsewhere, classify};
#[cfg(test)]
pub(crate) use hook::FACTS as HOOK_FACTS;
use wire::{Mapping, Repository, User};

/// The labels that stand for a priority, compared without case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriorityLabels {
    /// The labels for the priority `Urgent`.
    pub urgent: Vec<String>,
    /// The labels for the priority `High`.
    pub high: Vec<String>,
}

/// How requests prove themselves.
#[derive(Clone)]
pub enum GitHubAccess {
    /// A personal access token. Never printed.
    Token(String),
    /// A GitHub App with the tokens of its installation.
    App(AppSettings),
}

/// The configuration for [`GitHub::new`] (`github.*`).
#[derive(Clone)]
pub struct GitHubSettings {
    /// The token or the App. Never printed.
    pub access: GitHubAccess,
    /// The default repository; it is mirrored.
    pub repo: RepoName,
    /// Further repositories that are mirrored.
    pub repos: Vec<RepoName>,
    /// The origin of the pages: `https://github.com`.
    pub url: String,
    /// Without a trailing slash; GitHub Enterprise's ends in `/api/v3`.
    pub api_url: String,
    /// The label for work in progress, which `start` adds.
    pub in_progress_label: String,
    /// The labels that stand for priorities.
    pub priority_labels: PriorityLabels,
    /// The rate of writes once a burst of ten is used up; 0 for no limit.
    pub writes_per_second: f64,
}

impl fmt::Debug for GitHubSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubSettings")
            .field("access", &"********")
            .field("repo", &self.repo)
            .field("repos", &self.repos)
            .field("url", &self.url)
            .field("api_url", &self.api_url)
            .field("in_progress_label", &self.in_progress_label)
            .field("priority_labels", &self.priority_labels)
            .field("writes_per_second", &self.writes_per_second)
            .finish()
    }
}

/// A configured repository, and its identity.
#[derive(Debug, Clone)]
struct Followed {
    configured: RepoName,
    /// Its id, and its name when it was last located.
    known: Option<(u64, RepoName)>,
    /// Whether it is read-only: no issue in it can be closed.
    archived: bool,
}

/// GitHub as a source. One value serves as writer, as reader and for webhooks.
pub struct GitHub {
    client: GitHubClient,
    /// With `github.app_id`.
    app: Option<AppAccess>,
    mapping: Mapping,
    followed: Mutex<Vec<Followed>>,
    /// The account that the token belongs to, or the App's bot; `None` for a token that cannot request it.
    me: OnceCell<Option<User>>,
    /// The results of the polls' probes, by repository id and kind of listing.
    probes: Mutex<BTreeMap<(u64, poll::ListingKind), poll::Probed>>,
}

impl GitHub {
    /// Creates the client without sending a request. A TLS provider must be installed (main does that).
    pub fn new(settings: GitHubSettings, clock: Clock) -> Result<GitHub, InvalidSettings> {
        let (url, rate) = (&settings.api_url, settings.writes_per_second);
        let (client, app) = match &settings.access {
            GitHubAccess::Token(token) => (GitHubClient::new(url, token, rate, clock)?, None),
            GitHubAccess::App(app) => {
                let app = AppAccess::new(url, app, settings.repo.clone(), clock.clone())?;
                let tokens = Arc::new(app.clone());
                (GitHubClient::of_app(url, tokens, rate, clock)?, Some(app))
            }
        };
        let mut followed: Vec<Followed> = Vec::new();
        for configured in std::iter::once(settings.repo).chain(settings.repos) {
            if !followed.iter().any(|one| one.configured.is(&configured)) {
                followed.push(Followed {
                    configured,
                    known: None,
                    archived: false,
                });
            }
        }
        Ok(GitHub {
            client,
            app,
            mapping: Mapping {
                pages: settings.url,
                in_progress_label: settings.in_progress_label,
                priority_labels: settings.priority_labels,
            },
            followed: Mutex::new(followed),
            me: OnceCell::new(),
            probes: Mutex::default(),
        })
    }

    /// GitHub's last report on its rate limit (docs/contracts/github.md#rate-limits).
    pub fn limits(&self) -> Limits {
        self.client.rest.limits()
    }

    /// Restores the repositories that earlier runs found behind the configured names, before any request. A name that
    /// has since passed to another repository is then detected (docs/contracts/github.md#names-that-change).
    pub fn remember(&self, containers: &[Container]) {
        let mut followed = self.lock_followed();
        for container in containers.iter().filter(|c| c.source == Source::GitHub) {
            let Ok(id) = container.id.parse() else {
                continue;
            };
            let configured = RepoName::parse(&container.configured);
            for one in followed.iter_mut() {
                if configured
                    .as_ref()
                    .is_some_and(|name| name.is(&one.configured))
                {
                    let name = RepoName::parse(&container.name);
                    one.known = Some((id, name.unwrap_or_else(|| one.configured.clone())));
                }
            }
        }
    }

    /// The account that we write as; requested once. `None` for a token that cannot request it (docs/contracts/github.md#tokens).
    async fn me(&self) -> Result<Option<&User>, WriteError> {
        let ask = async || {
            if let Some(app) = &self.app {
                return self.bot(app).await;
            }
            let request = Request::get("/user", "the account of github.token");
            match self.client.get(&request).await {
                Ok(got) => Ok(Some(got.value)),
                Err(WriteError::Refused { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.me.get_or_try_init(ask).await.map(Option::as_ref)
    }

    /// The account that needs rights, in remedies.
    fn account(&self) -> &'static str {
        match self.app {
            Some(_) => "the GitHub App",
            None => "the account of github.token",
        }
    }

    /// The account that an App writes as (docs/contracts/github.md#github-apps). Without it, our own writes are known by
    /// their markers alone.
    async fn bot(&self, app: &AppAccess) -> Result<Option<User>, WriteError> {
        let identity = app.identity().await;
        let identity = identity.map_err(|failure| self.client.without_token(failure.into()))?;
        let login = format!("{}[bot]", identity.slug);
        let path = format!("/users/{}", segment(&login));
        match self
            .client
            .get(&Request::get(path, format!("the account {login}")))
            .await
        {
            Ok(got) => Ok(Some(got.value)),
            Err(WriteError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The current name of the repository with this id. No name is read from or written to before this has confirmed
    /// its repository.
    async fn locate(&self, id: u64) -> Result<RepoName, WriteError> {
        if let Some(name) = self.known_name(id) {
            match self.repository(&name).await {
                Ok(found) if found.id == id => return self.learn(&found),
                // It belongs to another owner by now, or the redirect from an old name has ended.
                Ok(_) | Err(WriteError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.locate_by_id(id).await
    }

    /// The name of a repository when it was last located; if it never was, its current name.
    async fn name_of(&self, id: u64) -> Result<RepoName, WriteError> {
        match self.known_name(id) {
            Some(name) => Ok(name),
            None => self.locate_by_id(id).await,
        }
    }

    fn known_name(&self, id: u64) -> Option<RepoName> {
        let followed = self.lock_followed();
        let mut known = followed.iter().filter_map(|one| one.known.as_ref());
        known
            .find(|(other, _)| *other == id)
            .map(|(_, name)| name.clone())
    }

    /// Looks up a repository by its id, as GitHub's own redirects do (docs/contracts/github.md#names-that-change).
    async fn locate_by_id(&self, id: u64) -> Result<RepoName, WriteError> {
        let thing = match self.known_name(id) {
            Some(name) => format!("the repository {name} (id {id})"),
            None => format!("the repository with the id {id}"),
        };
        let request = Request::get(format!("/repositories/{id}"), thing);
        let found: Repository = self.client.get(&request).await?.value;
        if found.id != id {
            return Err(WriteError::NotTaken {
                why: format!(
                    "GitHub answered with repository {} instead of {id}",
                    found.id
                ),
                retry_after: None,
            });
        }
        self.learn(&found)
    }

    async fn repository(&self, name: &RepoName) -> Result<Repository, WriteError> {
        let path = format!("/repos/{name}");
        let request = Request::get(path, format!("the repository {name}"));
        Ok(self.client.get(&request).await?.value)
    }

    /// Whether a repository was archived when it was last located.
    fn is_archived(&self, id: u64) -> bool {
        let followed = self.lock_followed();
        let is_it = |one: &&Followed| one.known.as_ref().is_some_and(|(known, _)| *known == id);
        followed.iter().find(is_it).is_some_and(|one| one.archived)
    }

    /// Stores a repository's current name, and whether it is archived.
    fn learn(&self, found: &Repository) -> Result<RepoName, WriteError> {
        let name = RepoName::parse(&found.full_name).ok_or_else(|| WriteError::NotTaken {
            why: format!("GitHub gave repository {} a malformed name", found.id),
            retry_after: None,
        })?;
        for one in self.lock_followed().iter_mut() {
            if let Some((id, known)) = &mut one.known
                && *id == found.id
            {
                *known = name.clone();
                one.archived = found.archived;
            }
        }
        Ok(name)
    }

    /// Looks up the repository behind a configured name, unless it is known.
    async fn resolve(&self, configured: &RepoName) -> Result<(u64, RepoName), WriteError> {
        let known = {
            let followed = self.lock_followed();
            let one = followed.iter().find(|one| one.configured.is(configured));
            one.and_then(|one| one.known.clone())
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let found = self.repository(configured).await?;
        let name = self.learn(&found)?;
        for one in self.lock_followed().iter_mut() {
            if one.configured.is(configured) {
                one.known = Some((found.id, name.clone()));
            }
        }
        Ok((found.id, name))
    }

    /// All configured repositories with their ids; an unavailable one fails on its own.
    async fn resolve_all(&self) -> Vec<(RepoName, Result<(u64, RepoName), WriteError>)> {
        let configured: Vec<RepoName> = {
            let followed = self.lock_followed();
            followed.iter().map(|one| one.configured.clone()).collect()
        };
        let mut all = Vec::new();
        for name in configured {
            let resolved = self.resolve(&name).await;
            all.push((name, resolved));
        }
        all
    }

    /// Refuses a repository that is not configured: nothing in it is read or written.
    async fn check_followed(&self, id: u64) -> Result<(), WriteError> {
        if self.known_name(id).is_some() {
            return Ok(());
        }
        let mut trouble = None;
        for (_, resolved) in self.resolve_all().await {
            match resolved {
                Ok((followed, _)) if followed == id => return Ok(()),
                Ok(_) | Err(WriteError::Refused { .. }) => {}
                Err(error) => trouble = Some(error),
            }
        }
        // One of the unavailable repositories may be it.
        Err(trouble.unwrap_or_else(|| not_followed(&format!("the repository with the id {id}"))))
    }

    fn lock_followed(&self) -> MutexGuard<'_, Vec<Followed>> {
        lock(&self.followed)
    }
}

/// Compares names of labels without case, as GitHub does.
fn same_name(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn not_followed(thing: &str) -> WriteError {
    WriteError::Refused {
        what: Refusal::NotMirrored,
        why: with_remedy(
            format_args!("I don't follow the repository of {thing} in GitHub. Do it there"),
            "Or add it to github.repos",
        ),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::http_client::fake::{self, Fake, FakeResponse, SeenRequest, json as says};

    pub(crate) fn settings(url: &str) -> GitHubSettings {
        GitHubSettings {
            access: GitHubAccess::Token("github_pat_SECRET".into()),
            repo: name("acme/widgets"),
            repos: vec![name("acme/gadgets"), name("ACME/Widgets")],
            url: crate::domain::address::GITHUB.into(),
            api_url: url.into(),
            in_progress_label: "in progress".into(),
            priority_labels: PriorityLabels {
                urgent: vec!["P0".into()],
                high: vec!["P1".into()],
            },
            writes_per_second: 0.0,
        }
    }

    pub(super) fn github(url: &str) -> GitHub {
        fake::provider();
        GitHub::new(settings(url), Clock::system()).unwrap()
    }

    pub(super) fn name(text: &str) -> RepoName {
        RepoName::parse(text).unwrap()
    }

    pub(crate) fn repository(id: u64, name: &str) -> Value {
        json!({"id": id, "full_name": name, "has_issues": true, "archived": false})
    }

    /// `acme/widgets` is 1001, `acme/gadgets` 2002, and we are `ivan-bot`; `rest` answers all other requests.
    pub(super) fn world(
        rest: impl Fn(&SeenRequest) -> FakeResponse + Send + Sync + 'static,
    ) -> impl Fn(&SeenRequest) -> FakeResponse + Send + Sync + 'static {
        move |seen| match seen.line().replace("Acme/Gadgets", "acme/gadgets").as_str() {
            "GET /repos/acme/widgets" => says(200, repository(1001, "acme/widgets")),
            "GET /repos/acme/gadgets" => says(200, repository(2002, "acme/gadgets")),
            "GET /user" => says(200, json!({"login": "ivan-bot", "id": 40})),
            _ => rest(seen),
        }
    }

    fn moved(to: &str) -> FakeResponse {
        let location = vec![("Location", to.to_owned())];
        FakeResponse::Text(
            301,
            location,
            json!({"message": "Moved Permanently"}).to_string(),
        )
    }

    fn not_found() -> FakeResponse {
        says(404, json!({"message": "Not Found"}))
    }

    #[test]
    fn a_rate_that_is_none_is_named() {
        fake::provider();
        let mut negative = settings("http://127.0.0.1:1");
        negative.writes_per_second = -1.0;
        let refused = GitHub::new(negative, Clock::system()).err().unwrap();
        assert_eq!(refused.key, "github.writes_per_second");
    }

    #[tokio::test]
    async fn a_renamed_repository_is_found_through_its_redirect() {
        let fake = Fake::start(|seen| match seen.line().as_str() {
            "GET /repos/acme/widgets" => moved("/repositories/1001"),
            "GET /repositories/1001" => says(200, repository(1001, "acme/renamed")),
            _ => not_found(),
        })
        .await;
        let github = github(&fake.url);
        assert_eq!(github.resolve(&name("acme/widgets")).await.unwrap().0, 1001);
        assert_eq!(github.locate(1001).await, Ok(name("acme/renamed")));
    }

    #[tokio::test]
    async fn a_name_that_became_a_strangers_is_not_followed() {
        let fake = Fake::start(|seen| match seen.line().as_str() {
            "GET /repos/acme/widgets" => says(200, repository(6666, "acme/widgets")),
            "GET /repositories/1001" => says(200, repository(1001, "acme/renamed")),
            _ => not_found(),
        })
        .await;
        let github = github(&fake.url);
        github.remember(&[Container {
            source: Source::GitHub,
            id: "1001".into(),
            name: "acme/widgets".into(),
            configured: "acme/widgets".into(),
            archived: false,
        }]);
        assert_eq!(github.locate(1001).await, Ok(name("acme/renamed")));
        assert_eq!(github.check_followed(1001).await, Ok(()));
        assert!(github.check_followed(6666).await.is_err());
    }

    #[tokio::test]
    async fn a_repository_that_cannot_be_asked_for_may_be_the_one_that_is_meant() {
        let fake = Fake::start(|seen| match seen.line().as_str() {
            "GET /repos/acme/widgets" => says(200, repository(1001, "acme/widgets")),
            _ => FakeResponse::Drop,
        })
        .await;
        let error = github(&fake.url).check_followed(2002).await.unwrap_err();
        assert!(matches!(error, WriteError::NotTaken { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn an_app_has_no_account_to_ask_for() {
        let fake = Fake::start(|_| {
            says(
                403,
                json!({"message": "Resource not accessible by integration"}),
            )
        })
        .await;
        let github = github(&fake.url);
        assert!(github.me().await.unwrap().is_none());
        assert!(github.me().await.unwrap().is_none());
        assert_eq!(fake.lines(), ["GET /user"]);
    }
}
