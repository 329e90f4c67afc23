//! A sandbox GitHub built from its contract: repositories with issues, comments and webhooks behind the REST API.
//!
//! `api.rs` reads requests and refuses those that GitHub refuses. `world.rs` holds the state, changes it, and makes a
//! delivery of every change. Actions of other people come in through the methods of [`SandboxGitHub`] and change the same
//! state. Where the contract is unsure, this is the stricter reading.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON is indexed, by key: what it lacks reads as null, and only objects made here are written to"
)]

mod api;
mod app;
mod app_pages;
#[cfg(test)]
mod tests;
mod world;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, header};
use serde_json::Value;

use super::fault_server::FaultServer;
use super::webhook_sender::{
    AttemptEnd, DeliveryAttempt, DeliveryHandler, DeliveryRecord, WebhookSender,
};
use super::wire::ReadRequest;
use super::{locked, now};
pub use world::TypesShown;
use world::{GitHubWorld, Gone, IssueChange};

/// The time limit of an endpoint's answer (docs/contracts/github.md#delivery).
const HOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// The version of the sandbox as a GitHub Enterprise Server.
const SERVER_VERSION: &str = "3.17.2";

/// A GitHub on loopback. Clones share it.
#[derive(Clone)]
pub struct SandboxGitHub {
    house: Arc<House>,
    front: FaultServer,
    token: Arc<str>,
}

/// A snapshot of one issue or pull request.
pub struct IssueView {
    house: Arc<House>,
    repo: u64,
    number: u64,
}

struct House {
    world: Arc<Mutex<GitHubWorld>>,
    courier: WebhookSender,
}

impl SandboxGitHub {
    /// Starts a GitHub with the state of a seed: `token`, `me` (the login of its user), `users`, `repos` (`full_name`,
    /// `id`) and `issues` (in the form of [`SandboxGitHub::add_issue`], with `repo`).
    ///
    /// # Errors
    /// When one of these is missing, or no port can be bound.
    pub async fn start(seed: &Value) -> io::Result<SandboxGitHub> {
        SandboxGitHub::start_at(seed, 0).await
    }

    /// Starts it on this port; 0 is any free port.
    ///
    /// # Errors
    /// As [`SandboxGitHub::start`].
    pub async fn start_at(seed: &Value, port: u16) -> io::Result<SandboxGitHub> {
        let world = Arc::new(Mutex::new(GitHubWorld::new(seed)?));
        let courier = WebhookSender::start(HOOK_TIMEOUT, Carrying(Arc::clone(&world)));
        let house = Arc::new(House {
            world: Arc::clone(&world),
            courier,
        });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&house));
        let front = FaultServer::open_at(router, port).await?;
        let token = {
            let mut world = locked(&world);
            world.base = format!("http://{}", front.address());
            world.pages = "https://github.com".to_owned();
            world.token.clone()
        };
        let github = SandboxGitHub {
            house,
            front,
            token: token.into(),
        };
        for repo in seed["repos"].as_array().into_iter().flatten() {
            github.add_repo(
                repo["full_name"].as_str().unwrap_or_default(),
                repo["id"].as_u64().unwrap_or_default(),
            );
        }
        for repo in seed["repos"].as_array().into_iter().flatten() {
            for label in repo["labels"].as_array().into_iter().flatten() {
                github.add_label(
                    repo["full_name"].as_str().unwrap_or_default(),
                    label.as_str().unwrap_or_default(),
                );
            }
        }
        for (organization, types) in seed["types"].as_object().into_iter().flatten() {
            for name in types.as_array().into_iter().flatten() {
                let name = name.as_str().unwrap_or_default();
                github
                    .house
                    .with(|world| world.add_type(organization, name, true));
            }
        }
        for issue in seed["issues"].as_array().into_iter().flatten() {
            github.add_issue(issue["repo"].as_str().unwrap_or_default(), issue.clone());
        }
        Ok(github)
    }

    /// Base of the API, without a slash at the end.
    pub fn api_url(&self) -> String {
        locked(&self.house.world).base.clone()
    }

    /// Makes it a GitHub Enterprise Server: the API is below `/api/v3`, the pages are on the same host, and answers and
    /// deliveries name its version (docs/contracts/github.md#enterprise-server).
    pub fn become_server(&self) {
        let mut world = locked(&self.house.world);
        world.pages = format!("http://{}", self.front.address());
        world.base = format!("{}/api/v3", world.pages);
        world.server = Some(SERVER_VERSION);
    }

    /// The origin of the pages: `github.url` of `bot.toml` for a server.
    pub fn url(&self) -> String {
        locked(&self.house.world).pages.clone()
    }

    /// The valid fine-grained token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The login of the token's user.
    pub fn me(&self) -> String {
        locked(&self.house.world).me.clone()
    }

    /// The journal and faults of its HTTP side.
    pub fn front(&self) -> &FaultServer {
        &self.front
    }

    /// Stops listening.
    pub async fn close(&self) {
        self.front.close().await;
    }

    // State. Repositories are given by their current full name; a missing one panics.

    /// The issue or pull request with this number.
    ///
    /// # Panics
    /// When it does not exist; the message lists the existing ones.
    #[track_caller]
    pub fn issue(&self, repo: &str, number: u64) -> IssueView {
        let found = locked(&self.house.world).find(repo, number);
        match found {
            Ok(repo) => IssueView {
                house: Arc::clone(&self.house),
                repo,
                number,
            },
            Err(wrong) => panic!("{wrong}"),
        }
    }

    /// Every issue with that title in the repository, as `GET …/issues/{n}` shows it.
    #[track_caller]
    pub fn issues_titled(&self, repo: &str, title: &str) -> Vec<Value> {
        self.issues(repo)
            .into_iter()
            .filter(|issue| issue["title"] == *title)
            .collect()
    }

    /// Every issue and pull request of the repository, in order of their numbers.
    #[track_caller]
    pub fn issues(&self, repo: &str) -> Vec<Value> {
        let id = self.repo(repo);
        locked(&self.house.world).all(id)
    }

    #[track_caller]
    fn repo(&self, full_name: &str) -> u64 {
        let world = locked(&self.house.world);
        let found = world.named(full_name);
        let known = world.names();
        drop(world);
        found.unwrap_or_else(|| panic!("no repository {full_name}; there are: {known}"))
    }

    #[track_caller]
    fn login(&self, login: &str) {
        let world = locked(&self.house.world);
        let known = world.is_user(login);
        drop(world);
        assert!(known, "no GitHub user {login}");
    }

    // Actions of other people.

    /// Adds a repository with that full name and id. A redirect from that name ends.
    pub fn add_repo(&self, full_name: &str, id: u64) {
        self.house.with(|world| world.add_repo(full_name, id));
    }

    /// Adds a label to the repository. Setting a new label on an issue adds it too.
    #[track_caller]
    pub fn add_label(&self, repo: &str, label: &str) {
        let id = self.repo(repo);
        self.house.with(|world| world.add_label(id, label));
    }

    /// Adds a milestone to the repository.
    #[track_caller]
    pub fn add_milestone(&self, repo: &str, title: &str, open: bool) {
        let id = self.repo(repo);
        self.house
            .with(|world| world.add_milestone(id, title, open));
    }

    /// Adds an issue type to the organization that the repository belongs to.
    #[track_caller]
    pub fn add_type(&self, repo: &str, name: &str, enabled: bool) {
        self.repo(repo);
        let organization = repo.split('/').next().unwrap_or_default();
        self.house
            .with(|world| world.add_type(organization, name, enabled));
    }

    /// Sets who may read the names of issue types.
    pub fn show_types(&self, shown: TypesShown) {
        self.house.with(|world| world.types_shown = shown);
    }

    /// A person gives the issue the type with this name, or none.
    ///
    /// # Panics
    /// When the organization has no such type.
    #[track_caller]
    pub fn type_as(&self, repo: &str, number: u64, login: &str, name: Option<&str>) {
        let id = self.repo(repo);
        let found = name.map(|name| self.house.with(|world| world.type_named(id, name)));
        let issue_type = match found {
            Some(None) => panic!("{repo} has no type {name:?}"),
            Some(found) => found,
            None => Some(Value::Null),
        };
        self.change(
            repo,
            number,
            login,
            IssueChange {
                issue_type,
                ..IssueChange::default()
            },
        );
    }

    /// Makes the issue a sub-issue of another one, or of none.
    #[track_caller]
    pub fn put_under(&self, part: (&str, u64), parent: Option<(&str, u64)>) {
        let at = |(repo, number): (&str, u64)| (self.repo(repo), number);
        let (part, parent) = (at(part), parent.map(at));
        let by = self.somebody();
        self.house.with(|world| world.put_under(part, parent, &by));
    }

    /// A person puts the issue in the milestone with this title, or in none.
    #[track_caller]
    pub fn milestone_as(&self, repo: &str, number: u64, login: &str, title: Option<&str>) {
        let id = self.repo(repo);
        let milestone = self.house.with(|world| {
            let all = world.repos.get(&id).map(|repo| repo.milestones.values());
            let mut all = all.into_iter().flatten();
            all.find(|one| one["title"].as_str() == title).cloned()
        });
        let milestone = Some(milestone.unwrap_or_default());
        self.change(
            repo,
            number,
            login,
            IssueChange {
                milestone,
                ..IssueChange::default()
            },
        );
    }

    /// Opens an issue as a person would: `title`, and optionally `body`, `labels`, `assignees` (logins), `user`
    /// (login), `state`, `number`, `type` (a name), `pull_request` (true), `created_days_ago`, `updated_days_ago`. Returns its number.
    ///
    /// # Panics
    /// When the repository, the user or the title is missing.
    #[track_caller]
    pub fn add_issue(&self, repo: &str, issue: Value) -> u64 {
        let id = self.repo(repo);
        assert!(
            issue["title"].is_string(),
            "an issue needs a title: {issue}"
        );
        for login in issue["assignees"].as_array().into_iter().flatten() {
            self.login(login.as_str().unwrap_or_default());
        }
        self.house.with(|world| world.add_issue(id, &issue))
    }

    /// Opens a pull request: it uses a number of the issues and appears in their listings.
    #[track_caller]
    pub fn add_pull_request(&self, repo: &str, title: &str) -> u64 {
        self.add_issue(
            repo,
            serde_json::json!({ "title": title, "pull_request": true }),
        )
    }

    /// A person closes the issue.
    #[track_caller]
    pub fn close_as(&self, repo: &str, number: u64, login: &str) {
        self.close_with_reason(repo, number, login, "completed");
    }

    /// A person closes the issue as `completed`, `not_planned` or `duplicate`.
    #[track_caller]
    pub fn close_with_reason(&self, repo: &str, number: u64, login: &str, reason: &str) {
        self.change(
            repo,
            number,
            login,
            IssueChange {
                state: Some(("closed".to_owned(), Some(reason.to_owned()))),
                ..IssueChange::default()
            },
        );
    }

    /// A person reopens the issue.
    #[track_caller]
    pub fn reopen_as(&self, repo: &str, number: u64, login: &str) {
        self.change(
            repo,
            number,
            login,
            IssueChange {
                state: Some(("open".to_owned(), None)),
                ..IssueChange::default()
            },
        );
    }

    /// A person comments. Returns the comment's id.
    #[track_caller]
    pub fn comment_as(&self, repo: &str, number: u64, login: &str, body: &str) -> u64 {
        self.login(login);
        let id = self.issue(repo, number).repo;
        self.house
            .with(|world| world.comment(id, number, login, body))
            .0
    }

    /// A person writes their bio.
    #[track_caller]
    pub fn write_bio(&self, login: &str, bio: &str) {
        self.login(login);
        self.house.with(|world| world.write_bio(login, bio));
    }

    /// A person edits a comment.
    pub fn edit_comment_as(&self, comment: u64, login: &str, body: &str) {
        self.house
            .with(|world| world.edit_comment(comment, login, body));
    }

    /// A person deletes a comment.
    pub fn delete_comment_as(&self, comment: u64, login: &str) {
        self.house
            .with(|world| world.delete_comment(comment, login));
    }

    /// The repository's owner changes the title of the issue.
    #[track_caller]
    pub fn rename_issue(&self, repo: &str, number: u64, title: &str) {
        let somebody = self.somebody();
        self.change(
            repo,
            number,
            &somebody,
            IssueChange {
                title: Some(title.to_owned()),
                ..IssueChange::default()
            },
        );
    }

    /// A person changes the body of the issue.
    #[track_caller]
    pub fn edit_issue_as(&self, repo: &str, number: u64, login: &str, body: &str) {
        self.change(
            repo,
            number,
            login,
            IssueChange {
                body: Some(Some(body.to_owned())),
                ..IssueChange::default()
            },
        );
    }

    /// A person replaces the issue's labels.
    #[track_caller]
    pub fn label_as(&self, repo: &str, number: u64, login: &str, labels: &[&str]) {
        let labels = Some(labels.iter().map(|label| (*label).to_owned()).collect());
        self.change(
            repo,
            number,
            login,
            IssueChange {
                labels,
                ..IssueChange::default()
            },
        );
    }

    /// A person replaces the issue's assignees.
    #[track_caller]
    pub fn assign_as(&self, repo: &str, number: u64, login: &str, assignees: &[&str]) {
        let assignees = Some(
            assignees
                .iter()
                .map(|assignee| (*assignee).to_owned())
                .collect(),
        );
        self.change(
            repo,
            number,
            login,
            IssueChange {
                assignees,
                ..IssueChange::default()
            },
        );
    }

    /// Deletes the issue: 410 from now on.
    #[track_caller]
    pub fn delete_issue(&self, repo: &str, number: u64) {
        let id = self.issue(repo, number).repo;
        let by = self.somebody();
        self.house
            .with(|world| world.remove(id, number, &by, Gone::Deleted));
    }

    /// Moves the issue with its comments to another repository. Returns its number there.
    #[track_caller]
    pub fn transfer_issue(&self, repo: &str, number: u64, to: &str) -> u64 {
        let (from, to) = (self.issue(repo, number).repo, self.repo(to));
        let by = self.somebody();
        self.house
            .with(|world| world.transfer(from, number, to, &by))
    }

    /// Locks the issue against comments, or unlocks it.
    #[track_caller]
    pub fn lock_issue(&self, repo: &str, number: u64, locked: bool) {
        let id = self.issue(repo, number).repo;
        let by = self.somebody();
        self.house.with(|world| world.lock(id, number, &by, locked));
    }

    /// Renames the repository; the old name redirects.
    #[track_caller]
    pub fn rename_repo(&self, repo: &str, full_name: &str) {
        let id = self.repo(repo);
        let by = self.somebody();
        self.house
            .with(|world| world.rename_repo(id, full_name, &by));
    }

    /// Makes an issue wait for another through GitHub's own dependencies, or ends that.
    #[track_caller]
    pub fn wait_for(&self, waits: (&str, u64), first: (&str, u64), on: bool) {
        let at = |(repo, number): (&str, u64)| (self.repo(repo), number);
        let (waits, first) = (at(waits), at(first));
        let by = self.somebody();
        self.house.with(|world| world.depend(waits, first, on, &by));
    }

    /// Sets the issue's fields, in wire form; an empty list removes them.
    #[track_caller]
    pub fn set_fields(&self, repo: &str, number: u64, fields: Value) {
        let id = self.repo(repo);
        let by = self.somebody();
        self.house
            .with(|world| world.set_fields(id, number, fields, &by));
    }

    /// Sets one member of the issue, in wire form, without an event: GitHub itself would never have some values.
    #[track_caller]
    pub fn set_member(&self, repo: &str, number: u64, member: &str, value: Value) {
        let id = self.repo(repo);
        locked(&self.house.world).set_member(id, number, member, value);
    }

    /// Sets whether issues in payloads have dependencies and fields, as those of the API do.
    pub fn payloads_tell_all(&self, all: bool) {
        locked(&self.house.world).payloads_tell_all = all;
    }

    /// Makes the repository read-only, or writable again.
    #[track_caller]
    pub fn archive_repo(&self, repo: &str, archived: bool) {
        let id = self.repo(repo);
        let by = self.somebody();
        self.house.with(|world| world.archive(id, archived, &by));
    }

    /// Enables the repository's issues, or disables them: 410.
    #[track_caller]
    pub fn enable_issues(&self, repo: &str, on: bool) {
        let id = self.repo(repo);
        self.house
            .with(|world| world.settings(id, |repo| repo.has_issues = on));
    }

    /// Hides the repository from the token (404), or shows it again.
    #[track_caller]
    pub fn hide_repo(&self, repo: &str, hidden: bool) {
        let id = self.repo(repo);
        self.house
            .with(|world| world.settings(id, |repo| repo.hidden = hidden));
    }

    /// Sets the token's permissions in the repository: push (labels, assignees, other people's issues), admin (hooks).
    #[track_caller]
    pub fn permit(&self, repo: &str, push: bool, admin: bool) {
        let id = self.repo(repo);
        self.house
            .with(|world| world.settings(id, |repo| (repo.push, repo.admin) = (push, admin)));
    }

    /// Adds a bot with access to every repository here, such as `github-actions[bot]`.
    pub fn add_bot(&self, login: &str, id: u64) {
        let mut world = locked(&self.house.world);
        let user = serde_json::json!({"login": login, "id": id, "node_id": format!("BOT_{id}"), "type": "Bot", "site_admin": false});
        world.users.insert(login.to_owned(), user);
    }

    /// Adds a user without access to any repository here: no issue can be assigned to them.
    pub fn add_outsider(&self, login: &str, id: u64) {
        let mut world = locked(&self.house.world);
        let user = serde_json::json!({"login": login, "id": id, "node_id": format!("U_{id}"), "type": "User", "site_admin": false});
        world.users.insert(login.to_owned(), user);
        world.outside.insert(login.to_owned());
    }

    /// A person with an account at GitHub, who can be assigned in every repository.
    pub fn add_user(&self, login: &str, id: u64) {
        let user = serde_json::json!({"login": login, "id": id, "node_id": format!("U_{id}"), "type": "User", "site_admin": false});
        locked(&self.house.world)
            .users
            .insert(login.to_owned(), user);
    }

    /// Revokes the token: 401.
    pub fn revoke_token(&self) {
        locked(&self.house.world).revoked = true;
    }

    /// Makes the revoked token valid again.
    pub fn accept_token(&self) {
        locked(&self.house.world).revoked = false;
    }

    /// Sets the token's expiry, as its answers show it: 90 days by default, `None` for a token without one.
    pub fn token_expires_in(&self, time: Option<Duration>) {
        let time = time.map(|time| now() + i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4));
        locked(&self.house.world).token_expires = time;
    }

    // The GitHub App.

    /// The App ID.
    pub fn app_id(&self) -> String {
        app::app_id()
    }

    /// The App's client ID, which may be used instead.
    pub fn app_client_id(&self) -> &'static str {
        app::client_id()
    }

    /// The App's private key, as PEM in PKCS#1.
    pub fn app_key(&self) -> &'static str {
        app::KEY
    }

    /// The App as its owner sees it: name, owner, permissions, events; `None` before it is made or installed.
    pub fn app_made(&self) -> Option<Value> {
        let world = locked(&self.house.world);
        let app = world.app.as_ref()?;
        Some(app.json(world.user(&app.owner), &world.pages))
    }

    /// The login that its installations act as.
    pub fn app_login(&self) -> String {
        app::bot()
    }

    /// Installs the App for an account, for all its repositories, with the permissions that Ivan needs. Returns the
    /// installation's id.
    pub fn install_app(&self, account: &str) -> u64 {
        self.house.with(|world| world.install_app(account))
    }

    /// Removes an installation; its tokens are rejected.
    pub fn uninstall_app(&self, installation: u64) {
        locked(&self.house.world)
            .app()
            .installations
            .remove(&installation);
    }

    /// The ids of the installations.
    pub fn app_installations(&self) -> Vec<u64> {
        let mut world = locked(&self.house.world);
        world.app().installations.keys().copied().collect()
    }

    /// Suspends an installation, or ends that.
    pub fn suspend_app(&self, installation: u64, suspended: bool) {
        let mut world = locked(&self.house.world);
        let at = world::iso(world.time());
        if let Some(one) = world.app().installations.get_mut(&installation) {
            one.suspended_at = suspended.then_some(at);
        }
    }

    /// Sets a permission of all installations: `read`, `write`, or `None` for none.
    pub fn permit_app(&self, permission: &str, level: Option<&str>) {
        let mut world = locked(&self.house.world);
        for one in world.app().installations.values_mut() {
            match level {
                Some(level) => one
                    .permissions
                    .insert(permission.to_owned(), level.to_owned()),
                None => one.permissions.remove(permission),
            };
        }
    }

    /// Ends all tokens of installations at once, as their hour does.
    pub fn expire_app_tokens(&self) {
        locked(&self.house.world).app().expire_tokens();
    }

    /// The tokens of installations that were granted so far.
    pub fn app_tokens(&self) -> Vec<String> {
        let world = locked(&self.house.world);
        world
            .app
            .as_ref()
            .map_or(Vec::new(), app::SandboxApp::granted)
    }

    /// Gives the App its one webhook, as its owner does in the App's settings. Returns the webhook's id.
    pub fn add_app_hook(&self, url: &str, secret: &str) -> u64 {
        self.house.with(|world| world.hook_app(url, secret))
    }

    #[track_caller]
    fn change(&self, repo: &str, number: u64, login: &str, change: IssueChange) {
        self.login(login);
        let id = self.issue(repo, number).repo;
        self.house
            .with(|world| world.change(id, number, login, &change));
    }

    fn somebody(&self) -> String {
        locked(&self.house.world).somebody()
    }

    // Rate limits.

    /// Sets how many requests are left in the current hour.
    pub fn rate_limit(&self, remaining: u32) {
        self.rate_limit_for(remaining, Duration::from_secs(3600));
    }

    /// Sets how many requests are left for that long; then the limit is full again.
    pub fn rate_limit_for(&self, remaining: u32, window: Duration) {
        let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX / 4);
        let mut world = locked(&self.house.world);
        world.rate.remaining = remaining;
        world.rate.ends = now() + window;
    }

    /// Answers the next requests with the secondary limit, with or without a `retry-after` in seconds.
    pub fn secondary_limit(&self, times: u32, retry_after: Option<u64>) {
        locked(&self.house.world).secondary = (times, retry_after);
    }

    /// Sets whether the secondary limits of docs/contracts/github.md#rate-limits apply: 80 creations and 900 points a minute, 500 creations an
    /// hour. On by default.
    pub fn enforce_secondary(&self, on: bool) {
        locked(&self.house.world).enforce_secondary = on;
    }

    /// Shifts GitHub's clock ahead, or back if negative. Earlier times stay.
    pub fn clock_is_ahead(&self, by_ms: i64) {
        locked(&self.house.world).ahead = by_ms;
    }

    /// Makes listings lag: they show only issues and comments that exist now. How long GitHub takes to list a write is
    /// unknown (docs/contracts/github.md#to-be-confirmed).
    pub fn lag(&self, on: bool) {
        locked(&self.house.world).lag(on);
    }

    // Webhooks.

    /// A webhook of every existing repository for all events, created by hand. Returns its id in the first repository.
    pub fn add_hook(&self, url: &str, secret: &str) -> u64 {
        self.house.with(|world| world.hook_everywhere(url, secret))
    }

    /// The secrets of all webhooks, which no answer shows.
    pub fn hook_secrets(&self) -> Vec<String> {
        locked(&self.house.world).hook_secrets()
    }

    /// Sets whether loopback webhooks can be registered. GitHub refuses them (docs/contracts/github.md#registering), as this does by default.
    pub fn allow_loopback_hooks(&self, on: bool) {
        locked(&self.house.world).allow_loopback = on;
    }

    /// The deliveries and attempts so far.
    pub fn deliveries(&self) -> Vec<DeliveryRecord> {
        self.house.courier.deliveries()
    }

    /// Loses the next deliveries. The deliveries API shows them as failed.
    pub fn lose_next(&self, n: u32) {
        self.house.courier.lose_next(n);
    }

    /// Delivers the next deliveries twice.
    pub fn repeat_next(&self, n: u32) {
        self.house.courier.repeat_next(n);
    }

    /// Holds deliveries from now on.
    pub fn hold(&self) {
        self.house.courier.hold();
    }

    /// Delivers the held ones in order, and ends the holding.
    pub fn release(&self) {
        self.house.courier.release(false);
    }

    /// Delivers the held ones in reverse order, and ends the holding.
    pub fn release_reversed(&self) {
        self.house.courier.release(true);
    }

    /// Loses the held ones, and ends the holding.
    pub fn lose_held(&self) {
        self.house.courier.lose_held();
    }

    /// Deliveries to an address that begins with `public` go to `local`, which is on loopback.
    pub fn tunnel(&self, public: &str, local: &str) {
        self.house.courier.tunnel(public, local);
    }

    /// Sets the time limit of an endpoint's answer. The default is 10 s.
    pub fn hook_timeout(&self, timeout: Duration) {
        self.house.courier.timeout(timeout);
    }

    /// Whether no delivery is under way, retries included.
    pub fn is_settled(&self) -> bool {
        self.house.courier.is_settled()
    }

    /// Waits until no delivery is under way.
    pub async fn settled(&self) {
        self.house.courier.settled().await;
    }
}

impl IssueView {
    /// The issue as `GET …/issues/{n}` shows it.
    pub fn json(&self) -> Value {
        locked(&self.house.world).show(self.repo, self.number)
    }

    /// The names of its labels.
    pub fn labels(&self) -> Vec<String> {
        self.list("labels", "name")
    }

    /// The title of its milestone.
    pub fn milestone(&self) -> Option<String> {
        let title = self.json()["milestone"]["title"].clone();
        title.as_str().map(str::to_owned)
    }

    /// The name of its type.
    pub fn issue_type(&self) -> Option<String> {
        let name = self.json()["type"]["name"].clone();
        name.as_str().map(str::to_owned)
    }

    /// The number of the issue that it is a sub-issue of.
    pub fn parent(&self) -> Option<u64> {
        let address = self.json()["parent_issue_url"].clone();
        address.as_str()?.rsplit('/').next()?.parse().ok()
    }

    /// The logins of its assignees.
    pub fn assignees(&self) -> Vec<String> {
        self.list("assignees", "login")
    }

    fn list(&self, key: &str, field: &str) -> Vec<String> {
        let json = self.json();
        let items = json[key].as_array().into_iter().flatten();
        items
            .map(|item| item[field].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The bodies of its comments as sent, oldest first.
    pub fn raw_comments(&self) -> Vec<String> {
        locked(&self.house.world).bodies(self.repo, self.number)
    }

    /// The bodies of its comments as displayed, without an HTML comment at the end, oldest first.
    pub fn comments(&self) -> Vec<String> {
        self.raw_comments()
            .iter()
            .map(|body| without_marker(body).to_owned())
            .collect()
    }

    /// Asserts its state.
    #[track_caller]
    pub fn is(&self, state: &str) -> &Self {
        let json = self.json();
        assert_eq!(json["state"], state, "state of {json}");
        self
    }

    /// Asserts its comments as displayed, oldest first.
    #[track_caller]
    pub fn has_comments<const N: usize>(&self, bodies: [&str; N]) -> &Self {
        assert_eq!(
            self.comments(),
            bodies,
            "comments of {}",
            self.json()["title"]
        );
        self
    }
}

/// The text without one HTML comment at its end and the space before it.
fn without_marker(body: &str) -> &str {
    let text = body.trim_end();
    match text
        .strip_suffix("-->")
        .and_then(|open| open.rsplit_once("<!--"))
    {
        Some((text, _)) => text.trim_end(),
        None => body,
    }
}

impl House {
    /// Changes the state and queues the deliveries under one lock.
    fn with<T>(&self, change: impl FnOnce(&mut GitHubWorld) -> T) -> T {
        let mut world = locked(&self.world);
        let result = change(&mut world);
        let outgoing = std::mem::take(&mut world.outgoing);
        self.courier.send(outgoing);
        result
    }
}

struct Carrying(Arc<Mutex<GitHubWorld>>);

impl DeliveryHandler for Carrying {
    fn wanted(&self, parcel: &DeliveryAttempt) -> bool {
        locked(&self.0).hook_is_there(&parcel.hook)
    }

    /// Deliveries have no automatic retry (docs/contracts/github.md#delivery); the deliveries API can redeliver.
    fn ended(&self, parcel: &DeliveryAttempt, ended: &AttemptEnd) -> Option<Duration> {
        locked(&self.0).log_delivery(parcel, ended);
        None
    }
}

async fn serve(State(house): State<Arc<House>>, request: Request) -> Response<Body> {
    let Some(mut call) = ReadRequest::read(request).await else {
        return Response::new(Body::empty());
    };
    let reply = house.with(|world| match world.server {
        Some(_) if !call.strip(&["api", "v3"]) => world.page_of(&call),
        _ => world.answer(&call),
    });
    let mut answer = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        answer = answer.header(name, value);
    }
    let body = match (&reply.body, reply.page) {
        (Some(body), _) => {
            answer = answer.header(header::CONTENT_TYPE, "application/json; charset=utf-8");
            Body::from(body.to_string())
        }
        (None, Some(page)) => {
            answer = answer.header(header::CONTENT_TYPE, "text/html; charset=utf-8");
            Body::from(page)
        }
        (None, None) => Body::empty(),
    };
    answer.body(body).expect("these are headers")
}
