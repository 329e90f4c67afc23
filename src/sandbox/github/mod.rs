//! GitHub, from its contract: repositories with issues, comments and webhooks behind the REST API.
//!
//! `api.rs` reads requests and refuses what GitHub refuses; `world.rs` holds what there is, changes it, and makes a
//! delivery of every change. What other people do comes in here, through the methods of [`GitHub`], and changes the
//! same world. Where the contract is unsure, this is the harsher reading.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON is indexed, by key: what it lacks reads as null, and only objects made here are written to"
)]

mod api;
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

use super::courier::{Carry, Courier, Delivery, Ended, Parcel};
use super::front::Front;
use super::wire::Call;
use super::{locked, now};
use world::{Change, Gone, World};

/// How long an endpoint has to answer a delivery (contract 9.5).
const HOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// A GitHub on loopback. Clones share it.
#[derive(Clone)]
pub struct GitHub {
    house: Arc<House>,
    front: Front,
    token: Arc<str>,
}

/// One issue or pull request, as it is at the moment of asking.
pub struct IssueView {
    house: Arc<House>,
    repo: u64,
    number: u64,
}

struct House {
    world: Arc<Mutex<World>>,
    courier: Courier,
}

impl GitHub {
    /// Starts a GitHub that holds what the seed says: `token`, `me` (the login it acts as), `users`, `repos`
    /// (`full_name`, `id`) and `issues` (as [`GitHub::add_issue`] takes them, with `repo`).
    ///
    /// # Errors
    /// When the seed lacks one of these, or no port can be bound.
    pub async fn start(seed: &Value) -> io::Result<GitHub> {
        GitHub::start_at(seed, 0).await
    }

    /// The same on this port; 0 is any free one.
    ///
    /// # Errors
    /// As [`GitHub::start`].
    pub async fn start_at(seed: &Value, port: u16) -> io::Result<GitHub> {
        let world = Arc::new(Mutex::new(World::new(seed)?));
        let courier = Courier::start(HOOK_TIMEOUT, Carrying(Arc::clone(&world)));
        let house = Arc::new(House {
            world: Arc::clone(&world),
            courier,
        });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&house));
        let front = Front::open_at(router, port).await?;
        let token = {
            let mut world = locked(&world);
            world.base = format!("http://{}", front.address());
            world.token.clone()
        };
        let github = GitHub {
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
        for issue in seed["issues"].as_array().into_iter().flatten() {
            github.add_issue(issue["repo"].as_str().unwrap_or_default(), issue.clone());
        }
        Ok(github)
    }

    /// Base of the API, without a slash at the end.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.front.address())
    }

    /// The fine-grained token it takes.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The login that the token acts as.
    pub fn me(&self) -> String {
        locked(&self.house.world).me.clone()
    }

    /// Journal and faults of its HTTP side.
    pub fn front(&self) -> &Front {
        &self.front
    }

    /// Stops listening.
    pub async fn close(&self) {
        self.front.close().await;
    }

    // What is there. Repositories are given by their present full name; what is not there panics.

    /// That issue or pull request.
    ///
    /// # Panics
    /// When there is none of that number now; the message lists what exists.
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

    /// Every issue of that title in the repository, as `GET …/issues/{n}` shows it.
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

    // What other people do.

    /// A repository of that full name and id. If one was called so before it was renamed, its redirect ends.
    pub fn add_repo(&self, full_name: &str, id: u64) {
        self.house.with(|world| world.add_repo(full_name, id));
    }

    /// A label that issues of the repository can have; one that an issue gets is there from then on.
    #[track_caller]
    pub fn add_label(&self, repo: &str, label: &str) {
        let id = self.repo(repo);
        self.house.with(|world| world.add_label(id, label));
    }

    /// A new issue, as if a person had opened it: `title`, and optionally `body`, `labels`, `assignees` (logins),
    /// `user` (login), `state`, `number`, `pull_request` (true), `created_days_ago`, `updated_days_ago`.
    /// Answers its number.
    ///
    /// # Panics
    /// When there is no such repository, user or title.
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

    /// A pull request: it takes a number of the issues and shows up in their listings.
    #[track_caller]
    pub fn add_pull_request(&self, repo: &str, title: &str) -> u64 {
        self.add_issue(
            repo,
            serde_json::json!({ "title": title, "pull_request": true }),
        )
    }

    /// That person closes the issue.
    #[track_caller]
    pub fn close_as(&self, repo: &str, number: u64, login: &str) {
        self.change(
            repo,
            number,
            login,
            Change {
                state: Some(("closed".to_owned(), None)),
                ..Change::default()
            },
        );
    }

    /// That person reopens the issue.
    #[track_caller]
    pub fn reopen_as(&self, repo: &str, number: u64, login: &str) {
        self.change(
            repo,
            number,
            login,
            Change {
                state: Some(("open".to_owned(), None)),
                ..Change::default()
            },
        );
    }

    /// That person comments. Answers the comment's id.
    #[track_caller]
    pub fn comment_as(&self, repo: &str, number: u64, login: &str, body: &str) -> u64 {
        self.login(login);
        let id = self.issue(repo, number).repo;
        self.house
            .with(|world| world.comment(id, number, login, body))
            .0
    }

    /// That person edits a comment.
    pub fn edit_comment_as(&self, comment: u64, login: &str, body: &str) {
        self.house
            .with(|world| world.edit_comment(comment, login, body));
    }

    /// That person deletes a comment.
    pub fn delete_comment_as(&self, comment: u64, login: &str) {
        self.house
            .with(|world| world.delete_comment(comment, login));
    }

    /// The owner's people give the issue another title.
    #[track_caller]
    pub fn rename_issue(&self, repo: &str, number: u64, title: &str) {
        let somebody = self.somebody();
        self.change(
            repo,
            number,
            &somebody,
            Change {
                title: Some(title.to_owned()),
                ..Change::default()
            },
        );
    }

    /// That person writes another text into the issue.
    #[track_caller]
    pub fn edit_issue_as(&self, repo: &str, number: u64, login: &str, body: &str) {
        self.change(
            repo,
            number,
            login,
            Change {
                body: Some(Some(body.to_owned())),
                ..Change::default()
            },
        );
    }

    /// That person replaces the issue's labels.
    #[track_caller]
    pub fn label_as(&self, repo: &str, number: u64, login: &str, labels: &[&str]) {
        let labels = Some(labels.iter().map(|label| (*label).to_owned()).collect());
        self.change(
            repo,
            number,
            login,
            Change {
                labels,
                ..Change::default()
            },
        );
    }

    /// That person replaces the issue's assignees.
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
            Change {
                assignees,
                ..Change::default()
            },
        );
    }

    /// The issue is deleted: 410 from now on.
    #[track_caller]
    pub fn delete_issue(&self, repo: &str, number: u64) {
        let id = self.issue(repo, number).repo;
        let by = self.somebody();
        self.house
            .with(|world| world.remove(id, number, &by, Gone::Deleted));
    }

    /// The issue moves to another repository, with its comments. Answers its number there.
    #[track_caller]
    pub fn transfer_issue(&self, repo: &str, number: u64, to: &str) -> u64 {
        let (from, to) = (self.issue(repo, number).repo, self.repo(to));
        let by = self.somebody();
        self.house
            .with(|world| world.transfer(from, number, to, &by))
    }

    /// The issue is locked, or no longer: nobody can comment.
    #[track_caller]
    pub fn lock_issue(&self, repo: &str, number: u64, locked: bool) {
        let id = self.issue(repo, number).repo;
        let by = self.somebody();
        self.house.with(|world| world.lock(id, number, &by, locked));
    }

    /// The repository gets another full name; the old one redirects.
    #[track_caller]
    pub fn rename_repo(&self, repo: &str, full_name: &str) {
        let id = self.repo(repo);
        let by = self.somebody();
        self.house
            .with(|world| world.rename_repo(id, full_name, &by));
    }

    /// An issue waits for another, by GitHub's own dependencies, or no longer.
    #[track_caller]
    pub fn wait_for(&self, waits: (&str, u64), first: (&str, u64), on: bool) {
        let at = |(repo, number): (&str, u64)| (self.repo(repo), number);
        let (waits, first) = (at(waits), at(first));
        let by = self.somebody();
        self.house.with(|world| world.depend(waits, first, on, &by));
    }

    /// The issue's fields are these, as on the wire; an empty list takes them away.
    #[track_caller]
    pub fn set_fields(&self, repo: &str, number: u64, fields: Value) {
        let id = self.repo(repo);
        let by = self.somebody();
        self.house
            .with(|world| world.set_fields(id, number, fields, &by));
    }

    /// Whether issues in payloads speak of dependencies and fields, as those of the API do.
    pub fn payloads_tell_all(&self, all: bool) {
        locked(&self.house.world).payloads_tell_all = all;
    }

    /// The repository is read-only, or no longer.
    #[track_caller]
    pub fn archive_repo(&self, repo: &str, archived: bool) {
        let id = self.repo(repo);
        let by = self.somebody();
        self.house.with(|world| world.archive(id, archived, &by));
    }

    /// The repository has issues, or has them disabled: 410.
    #[track_caller]
    pub fn enable_issues(&self, repo: &str, on: bool) {
        let id = self.repo(repo);
        self.house
            .with(|world| world.settings(id, |repo| repo.has_issues = on));
    }

    /// The token cannot see the repository, or can again: 404.
    #[track_caller]
    pub fn hide_repo(&self, repo: &str, hidden: bool) {
        let id = self.repo(repo);
        self.house
            .with(|world| world.settings(id, |repo| repo.hidden = hidden));
    }

    /// What the token may do in the repository: push (labels, assignees, other people's issues), administer (hooks).
    #[track_caller]
    pub fn permit(&self, repo: &str, push: bool, admin: bool) {
        let id = self.repo(repo);
        self.house
            .with(|world| world.settings(id, |repo| (repo.push, repo.admin) = (push, admin)));
    }

    /// A bot that may act in every repository here, such as `github-actions[bot]`.
    pub fn add_bot(&self, login: &str, id: u64) {
        let mut world = locked(&self.house.world);
        let user = serde_json::json!({"login": login, "id": id, "node_id": format!("BOT_{id}"), "type": "Bot", "site_admin": false});
        world.users.insert(login.to_owned(), user);
    }

    /// A user of GitHub who has no access to any repository here: no issue can be assigned to them.
    pub fn add_outsider(&self, login: &str, id: u64) {
        let mut world = locked(&self.house.world);
        let user = serde_json::json!({"login": login, "id": id, "node_id": format!("U_{id}"), "type": "User", "site_admin": false});
        world.users.insert(login.to_owned(), user);
        world.outside.insert(login.to_owned());
    }

    /// The token stops being valid: 401.
    pub fn revoke_token(&self) {
        locked(&self.house.world).revoked = true;
    }

    /// The token that was revoked is valid again.
    pub fn accept_token(&self) {
        locked(&self.house.world).revoked = false;
    }

    /// When the token ends, as its answers say: in 90 days unless set here; `None` for a token that does not.
    pub fn token_expires_in(&self, time: Option<Duration>) {
        let time = time.map(|time| now() + i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4));
        locked(&self.house.world).token_expires = time;
    }

    #[track_caller]
    fn change(&self, repo: &str, number: u64, login: &str, change: Change) {
        self.login(login);
        let id = self.issue(repo, number).repo;
        self.house
            .with(|world| world.change(id, number, login, &change));
    }

    fn somebody(&self) -> String {
        locked(&self.house.world).somebody()
    }

    // Rate limits.

    /// So many requests are left in the present hour.
    pub fn rate_limit(&self, remaining: u32) {
        self.rate_limit_for(remaining, Duration::from_secs(3600));
    }

    /// So many requests are left for that long; then the limit is whole again.
    pub fn rate_limit_for(&self, remaining: u32, window: Duration) {
        let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX / 4);
        let mut world = locked(&self.house.world);
        world.rate.remaining = remaining;
        world.rate.ends = now() + window;
    }

    /// The next requests meet the secondary limit, with a `retry-after` of so many seconds or without one.
    pub fn secondary_limit(&self, times: u32, retry_after: Option<u64>) {
        locked(&self.house.world).secondary = (times, retry_after);
    }

    /// Whether the secondary limits of contract 5 are kept: 80 creations and 900 points a minute, 500 creations an
    /// hour. They are, unless set here.
    pub fn enforce_secondary(&self, on: bool) {
        locked(&self.house.world).enforce_secondary = on;
    }

    /// Sets its clock so far ahead of everybody else's, or back if negative; what it has said stays said.
    pub fn clock_is_ahead(&self, by_ms: i64) {
        locked(&self.house.world).ahead = by_ms;
    }

    /// Whether listings lag behind: of issues and comments they show only those that were there when it was set. How
    /// long GitHub takes to list what was written is unknown (contract 11).
    pub fn lag(&self, on: bool) {
        locked(&self.house.world).lag(on);
    }

    // Webhooks.

    /// A webhook of every repository that is there now, for all events, made by hand. Answers its id in the first.
    pub fn add_hook(&self, url: &str, secret: &str) -> u64 {
        self.house.with(|world| world.hook_everywhere(url, secret))
    }

    /// Whether webhooks may be registered for loopback; GitHub refuses that (contract 9.1), as does this unless set.
    pub fn allow_loopback_hooks(&self, on: bool) {
        locked(&self.house.world).allow_loopback = on;
    }

    /// What was delivered, or tried, so far.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.house.courier.deliveries()
    }

    /// The next deliveries are lost on the way. The deliveries API shows them as failed.
    pub fn lose_next(&self, n: u32) {
        self.house.courier.lose_next(n);
    }

    /// The next deliveries arrive twice.
    pub fn repeat_next(&self, n: u32) {
        self.house.courier.repeat_next(n);
    }

    /// From now on deliveries wait.
    pub fn hold(&self) {
        self.house.courier.hold();
    }

    /// What waits is delivered, in order, and waiting ends.
    pub fn release(&self) {
        self.house.courier.release(false);
    }

    /// What waits is delivered, the last first, and waiting ends.
    pub fn release_reversed(&self) {
        self.house.courier.release(true);
    }

    /// What waits is lost on the way, and waiting ends.
    pub fn lose_held(&self) {
        self.house.courier.lose_held();
    }

    /// Deliveries to an address that begins with `public` go to `local`, which is on loopback.
    pub fn tunnel(&self, public: &str, local: &str) {
        self.house.courier.tunnel(public, local);
    }

    /// How long an endpoint has to answer: 10 s, unless set here.
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
    /// As `GET …/issues/{n}` shows it.
    pub fn json(&self) -> Value {
        locked(&self.house.world).show(self.repo, self.number)
    }

    /// Its labels, by name.
    pub fn labels(&self) -> Vec<String> {
        self.list("labels", "name")
    }

    /// Its assignees, by login.
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

    /// Bodies of its comments, oldest first, as they were sent.
    pub fn raw_comments(&self) -> Vec<String> {
        locked(&self.house.world).bodies(self.repo, self.number)
    }

    /// Bodies of its comments, oldest first, as people see them: without an HTML comment at the end.
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

    /// Asserts its comments as people see them, oldest first.
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

/// The text without one HTML comment at its end, and without the space before that.
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
    /// Changes the world, and hands over what is to be delivered before anybody else can change it.
    fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = locked(&self.world);
        let result = change(&mut world);
        let outgoing = std::mem::take(&mut world.outgoing);
        self.courier.send(outgoing);
        result
    }
}

struct Carrying(Arc<Mutex<World>>);

impl Carry for Carrying {
    fn wanted(&self, parcel: &Parcel) -> bool {
        locked(&self.0).hook_is_there(&parcel.hook)
    }

    /// No automatic retry (contract 9.5); the deliveries API has it.
    fn ended(&self, parcel: &Parcel, ended: &Ended) -> Option<Duration> {
        locked(&self.0).log_delivery(parcel, ended);
        None
    }
}

async fn serve(State(house): State<Arc<House>>, request: Request) -> Response<Body> {
    let Some(call) = Call::read(request).await else {
        return Response::new(Body::empty());
    };
    let reply = house.with(|world| world.answer(&call));
    let mut answer = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        answer = answer.header(name, value);
    }
    let body = match &reply.body {
        Some(body) => {
            answer = answer.header(header::CONTENT_TYPE, "application/json; charset=utf-8");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    answer.body(body).expect("these are headers")
}
