//! The state of the sandbox's GitHub, its changes, and their events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;

use chrono::DateTime;
use serde_json::{Map, Value, json};

use super::app::{self, GitHubCaller, ManifestCode, SandboxApp, SandboxInstallation};
use crate::sandbox::now;
use crate::sandbox::webhook_sender::{AttemptEnd, DeliveryAttempt};
use crate::sandbox::wire::{hmac_sha256, random, uuid};

/// Requests per hour of a person's token (docs/contracts/github.md#rate-limits).
const RATE_LIMIT: u32 = 5000;
/// The length of the primary limit's window in milliseconds.
const RATE_WINDOW: i64 = 3_600_000;
/// The first id of issues and comments.
pub(super) const ISSUES: u64 = 3_000_000_000;
pub(super) const COMMENTS: u64 = 900_000;
const DAY: i64 = 24 * 3600 * 1000;

pub(super) struct GitHubWorld {
    /// The base of its API, used for links in answers.
    pub base: String,
    /// The origin of its pages.
    pub pages: String,
    /// The version of a GitHub Enterprise Server; `None` for github.com.
    pub server: Option<&'static str>,
    pub token: String,
    /// The App, once it was installed.
    pub app: Option<SandboxApp>,
    /// The App's one webhook, for all repositories of its installations.
    pub app_hook: Option<RepoWebhook>,
    /// The codes of Apps that were made from a manifest.
    pub codes: Vec<ManifestCode>,
    /// The sender of the request that is being answered.
    pub caller: GitHubCaller,
    pub revoked: bool,
    /// The token's expiry in milliseconds since the epoch, as answers show it.
    pub token_expires: Option<i64>,
    /// The login of the token's user.
    pub me: String,
    pub users: BTreeMap<String, Value>,
    /// What people wrote about themselves, by login.
    bios: BTreeMap<String, String>,
    /// The public e-mail addresses, by login. Only `GET /users/{login}` shows them.
    emails: BTreeMap<String, String>,
    /// Users without access: no issue can be assigned to them.
    pub outside: BTreeSet<String>,
    pub repos: BTreeMap<u64, Repo>,
    /// The issue types in wire form, by the login of their organization, in lower case.
    pub types: BTreeMap<String, Vec<Value>>,
    /// Who may read them.
    pub types_shown: TypesShown,
    /// Former full names of repositories, in lower case.
    moved: BTreeMap<String, u64>,
    pub outgoing: Vec<DeliveryAttempt>,
    pub rate: RateBudget,
    /// The number of requests left for the secondary limit, and their `retry-after`.
    pub secondary: (u32, Option<u64>),
    pub enforce_secondary: bool,
    /// Requests of the last hour: time, points, whether they created content (docs/contracts/github.md#rate-limits).
    pub spent: VecDeque<(i64, u32, bool)>,
    pub allow_loopback: bool,
    /// The last number used before listings began to lag: newer issues and comments are not shown.
    pub lag: Option<u64>,
    /// Whether issues in payloads have dependencies, sub-issues, fields and types; the contract does not say.
    pub payloads_tell_all: bool,
    /// How far its clock is ahead, in milliseconds.
    pub ahead: i64,
    number: u64,
}

/// Where the names of issue types can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TypesShown {
    /// In a repository, and in its organization.
    #[default]
    Everywhere,
    /// In the organization only, as on older servers.
    InTheOrganization,
    /// The token may not read them.
    Nowhere,
}

pub(super) struct RateBudget {
    pub limit: u32,
    pub remaining: u32,
    /// The end of the window in milliseconds since the epoch.
    pub ends: i64,
}

impl RateBudget {
    pub fn renew(&mut self) {
        if now() >= self.ends {
            *self = RateBudget {
                remaining: self.limit,
                ends: now() + RATE_WINDOW,
                ..*self
            };
        }
    }
}

pub(super) struct Repo {
    pub full_name: String,
    pub archived: bool,
    pub has_issues: bool,
    pub hidden: bool,
    pub push: bool,
    pub admin: bool,
    pub issues: BTreeMap<u64, Issue>,
    /// The labels with their ids.
    pub labels: BTreeMap<String, u64>,
    /// The milestones in wire form, by their number.
    pub milestones: BTreeMap<u64, Value>,
    pub hooks: Vec<RepoWebhook>,
}

impl Repo {
    pub fn owner(&self) -> &str {
        self.full_name
            .split_once('/')
            .map_or("", |(owner, _)| owner)
    }

    pub fn name(&self) -> &str {
        self.full_name.split_once('/').map_or("", |(_, name)| name)
    }
}

pub(super) struct Issue {
    /// The wire form, without the parts that contain the repository's name.
    pub json: Value,
    /// In order of their ids.
    pub comments: Vec<Value>,
    /// The issues that it waits for: repository and number.
    pub waits_for: Vec<(u64, u64)>,
    /// The issue that it is a sub-issue of: repository and number.
    pub parent: Option<(u64, u64)>,
    pub gone: Option<Gone>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    Deleted,
    Moved { repo: u64, number: u64 },
}

pub(super) struct RepoWebhook {
    pub id: u64,
    pub active: bool,
    pub events: Vec<String>,
    pub url: String,
    pub form: bool,
    pub secret: Option<String>,
    /// Its deliveries, oldest first, as the deliveries API shows them, with the parcel for another attempt.
    pub log: Vec<(Value, DeliveryAttempt)>,
    pub created_at: String,
}

/// A change of an issue; `None` leaves a field unchanged.
#[derive(Default)]
pub(super) struct IssueChange {
    pub title: Option<String>,
    /// `Some(None)` clears it.
    pub body: Option<Option<String>>,
    /// The state, and its reason if given.
    pub state: Option<(String, Option<String>)>,
    pub labels: Option<Vec<String>>,
    pub assignees: Option<Vec<String>>,
    /// The milestone in wire form; `Some(Value::Null)` for none.
    pub milestone: Option<Value>,
    /// The type in wire form; `Some(Value::Null)` for none.
    pub issue_type: Option<Value>,
}

/// A time in milliseconds in GitHub's format: whole seconds (docs/contracts/github.md#issues).
pub(super) fn iso(at_ms: i64) -> String {
    DateTime::from_timestamp_millis(at_ms)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

impl GitHubWorld {
    pub fn new(seed: &Value) -> io::Result<GitHubWorld> {
        let missing = |what: &str| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the GitHub seed lacks {what}"),
            )
        };
        let users = seed["users"].as_array().ok_or_else(|| missing("users"))?;
        let named = |user: &Value| {
            let mut user = user.clone();
            user.as_object_mut()?.remove("email");
            Some((user["login"].as_str()?.to_owned(), user))
        };
        let email = |user: &Value| {
            let login = user["login"].as_str()?.to_owned();
            Some((login, user["email"].as_str()?.to_owned()))
        };
        Ok(GitHubWorld {
            base: String::new(),
            pages: String::new(),
            server: None,
            token: seed["token"]
                .as_str()
                .ok_or_else(|| missing("token"))?
                .to_owned(),
            app: None,
            app_hook: None,
            codes: Vec::new(),
            caller: GitHubCaller::User,
            revoked: false,
            token_expires: Some(now() + 90 * DAY),
            me: seed["me"].as_str().ok_or_else(|| missing("me"))?.to_owned(),
            users: users.iter().filter_map(named).collect(),
            bios: BTreeMap::new(),
            emails: users.iter().filter_map(email).collect(),
            outside: BTreeSet::new(),
            repos: BTreeMap::new(),
            types: BTreeMap::new(),
            types_shown: TypesShown::default(),
            moved: BTreeMap::new(),
            outgoing: Vec::new(),
            rate: RateBudget {
                limit: RATE_LIMIT,
                remaining: RATE_LIMIT,
                ends: now() + RATE_WINDOW,
            },
            secondary: (0, None),
            enforce_secondary: true,
            spent: VecDeque::new(),
            allow_loopback: false,
            lag: None,
            payloads_tell_all: true,
            // `number` is random because a store outlives the sandbox that filled it: ids must not repeat.
            ahead: 0,
            number: fastrand::u64(..1_000_000) * 1000,
        })
    }

    /// The time of its clock.
    pub fn time(&self) -> i64 {
        now() + self.ahead
    }

    /// Makes listings show only the current state, or everything again.
    pub fn lag(&mut self, on: bool) {
        self.lag = on.then_some(self.number);
    }

    /// Whether a listing already shows that issue or comment.
    pub fn listed(&self, thing: &Value, base: u64) -> bool {
        self.lag
            .is_none_or(|last| thing["id"].as_u64() <= Some(base + last))
    }

    pub fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    // People.

    pub fn is_user(&self, login: &str) -> bool {
        self.users.contains_key(login)
    }

    /// A login in GitHub's spelling; logins ignore case.
    pub fn spelled(&self, login: &str) -> Option<String> {
        let mut known = self.users.keys();
        known
            .find(|known| known.eq_ignore_ascii_case(login))
            .cloned()
    }

    /// Whether a person has access, so that issues can be assigned to them.
    pub fn may_be_assigned(&self, login: &str) -> bool {
        !self.outside.contains(login)
            && self
                .users
                .get(login)
                .is_some_and(|user| user["type"] == "User")
    }

    /// A user who is not the bot.
    pub fn somebody(&self) -> String {
        let people = self
            .users
            .iter()
            .filter(|(login, user)| **login != self.me && user["type"] == "User");
        people
            .map(|(login, _)| login.clone())
            .next()
            .unwrap_or_else(|| self.me.clone())
    }

    pub fn user(&self, login: &str) -> Value {
        self.users.get(login).cloned().unwrap_or_default()
    }

    // The App.

    pub fn app(&mut self) -> &mut SandboxApp {
        let created_at = iso(self.time());
        self.app.get_or_insert_with(|| SandboxApp::new(created_at))
    }

    /// Installs the App for an account; returns the installation's id.
    pub fn install_app(&mut self, account: &str) -> u64 {
        self.users.insert(app::bot(), app::bot_json());
        let id = 50_000_000 + self.next() % 1_000_000;
        let app = self.app();
        let installed = app::installed_by(account, &app.permissions);
        app.installations.insert(id, installed);
        id
    }

    /// The login that the caller of this request acts as.
    pub fn actor(&self) -> String {
        match self.caller {
            GitHubCaller::Installation(_) => app::bot(),
            GitHubCaller::User | GitHubCaller::App => self.me.clone(),
        }
    }

    /// The installation that sends this request, if one does.
    pub fn installation(&self) -> Option<&SandboxInstallation> {
        match self.caller {
            GitHubCaller::Installation(id) => self.app.as_ref()?.installations.get(&id),
            GitHubCaller::User | GitHubCaller::App => None,
        }
    }

    // Repositories.

    pub fn names(&self) -> String {
        self.repos
            .values()
            .map(|repo| repo.full_name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The repository with this current full name.
    pub fn named(&self, full_name: &str) -> Option<u64> {
        self.repos
            .iter()
            .find(|(_, repo)| repo.full_name.eq_ignore_ascii_case(full_name))
            .map(|(id, _)| *id)
    }

    /// The repository that formerly had this full name, unless another has it now.
    pub fn formerly(&self, full_name: &str) -> Option<u64> {
        self.moved.get(&full_name.to_lowercase()).copied()
    }

    pub fn add_repo(&mut self, full_name: &str, id: u64) {
        let repo = Repo {
            full_name: full_name.to_owned(),
            archived: false,
            has_issues: true,
            hidden: false,
            push: true,
            admin: true,
            issues: BTreeMap::new(),
            labels: BTreeMap::new(),
            milestones: BTreeMap::new(),
            hooks: Vec::new(),
        };
        self.repos.insert(id, repo);
    }

    /// Adds a label to the repository.
    pub fn add_label(&mut self, id: u64, name: &str) {
        self.labels_of(id, &[name.to_owned()]);
    }

    /// Adds a milestone to the repository, and returns its number.
    pub fn add_milestone(&mut self, id: u64, title: &str, open: bool) -> u64 {
        let milestone = self.next();
        let base = self.base.clone();
        let Some(repo) = self.repos.get_mut(&id) else {
            return 0;
        };
        let number = repo
            .milestones
            .keys()
            .next_back()
            .map_or(1, |last| last + 1);
        let json = json!({
            "id": milestone, "node_id": format!("MI_{milestone}"), "number": number, "title": title,
            "state": if open { "open" } else { "closed" }, "description": null, "due_on": null,
            "url": format!("{base}/repos/{}/milestones/{number}", repo.full_name),
        });
        repo.milestones.insert(number, json);
        number
    }

    /// Adds an issue type to an organization.
    pub fn add_type(&mut self, organization: &str, name: &str, enabled: bool) {
        let id = self.next();
        let at = iso(self.time());
        let json = json!({
            "id": id, "node_id": format!("IT_{id}"), "name": name, "description": null, "color": "gray",
            "created_at": at, "updated_at": at, "is_enabled": enabled,
        });
        let types = self.types.entry(organization.to_lowercase()).or_default();
        types.push(json);
    }

    /// The issue types of a repository's owner; `None` if that is a person.
    pub fn types_of(&self, repo: u64) -> Option<&[Value]> {
        let owner = self.repo_json(repo)["owner"].clone();
        if owner["type"] != "Organization" {
            return None;
        }
        let login = owner["login"].as_str()?.to_lowercase();
        Some(self.types.get(&login).map_or(&[], Vec::as_slice))
    }

    /// The type with this name, in any case, that issues of a repository can get.
    pub fn type_named(&self, repo: u64, name: &str) -> Option<Value> {
        let mut usable = self.types_of(repo)?.iter();
        let called = |one: &&Value| {
            one["is_enabled"] == true
                && one["name"]
                    .as_str()
                    .is_some_and(|known| known.eq_ignore_ascii_case(name))
        };
        usable.find(called).cloned()
    }

    pub fn settings(&mut self, id: u64, set: impl FnOnce(&mut Repo)) {
        if let Some(repo) = self.repos.get_mut(&id) {
            set(repo);
        }
    }

    pub fn rename_repo(&mut self, id: u64, full_name: &str, by: &str) {
        let Some(repo) = self.repos.get_mut(&id) else {
            return;
        };
        let (owner, name) = (repo.owner().to_owned(), repo.name().to_owned());
        self.moved.insert(repo.full_name.to_lowercase(), id);
        repo.full_name = full_name.to_owned();
        let same_owner = repo.owner() == owner;
        if same_owner {
            let changes = json!({ "repository": { "name": { "from": name } } });
            self.tell(
                id,
                "repository",
                "renamed",
                by,
                json!({ "changes": changes }),
            );
        } else {
            let changes = json!({ "owner": { "from": { "organization": self.user(&owner) } } });
            self.tell(
                id,
                "repository",
                "transferred",
                by,
                json!({ "changes": changes }),
            );
        }
    }

    pub fn archive(&mut self, id: u64, archived: bool, by: &str) {
        self.settings(id, |repo| repo.archived = archived);
        self.tell(
            id,
            "repository",
            if archived { "archived" } else { "unarchived" },
            by,
            json!({}),
        );
    }

    pub fn repo_json(&self, id: u64) -> Value {
        let Some(repo) = self.repos.get(&id) else {
            return Value::Null;
        };
        let mut owner = self.user(repo.owner());
        if owner.is_null() {
            owner = json!({ "login": repo.owner(), "id": 20, "type": "Organization" });
        }
        // An App's rights are those of its installation; this field is about a person's.
        let person = self.installation().is_none();
        json!({
            "id": id, "node_id": format!("R_{id}"), "name": repo.name(), "full_name": repo.full_name, "private": true,
            "owner": owner, "html_url": format!("{}/{}", self.pages, repo.full_name),
            "url": format!("{}/repos/{}", self.base, repo.full_name), "has_issues": repo.has_issues,
            "archived": repo.archived, "disabled": false, "fork": false, "default_branch": "main",
            "visibility": "private",
            "permissions": { "admin": person && repo.admin, "maintain": person && repo.admin,
                             "push": person && repo.push, "triage": person && repo.push, "pull": person },
        })
    }

    // Issues.

    /// The repository's id, if it has that issue now.
    pub fn find(&self, full_name: &str, number: u64) -> Result<u64, String> {
        let id = self
            .named(full_name)
            .ok_or_else(|| format!("no repository {full_name}; there are: {}", self.names()))?;
        let issues = self.repos.get(&id).map(|repo| &repo.issues);
        if issues
            .and_then(|issues| issues.get(&number))
            .is_some_and(|issue| issue.gone.is_none())
        {
            return Ok(id);
        }
        let known = issues
            .into_iter()
            .flatten()
            .filter(|(_, issue)| issue.gone.is_none());
        let known: Vec<_> = known
            .map(|(number, issue)| format!("#{number} {}", issue.json["title"]))
            .collect();
        Err(format!(
            "no issue {full_name}#{number}; there are: {}",
            known.join(", ")
        ))
    }

    pub fn issue(&self, repo: u64, number: u64) -> Option<&Issue> {
        self.repos.get(&repo)?.issues.get(&number)
    }

    fn issue_mut(&mut self, repo: u64, number: u64) -> Option<&mut Issue> {
        self.repos.get_mut(&repo)?.issues.get_mut(&number)
    }

    pub fn all(&self, repo: u64) -> Vec<Value> {
        let issues = self
            .repos
            .get(&repo)
            .into_iter()
            .flat_map(|known| &known.issues);
        issues
            .filter(|(_, issue)| issue.gone.is_none())
            .map(|(number, _)| self.show(repo, *number))
            .collect()
    }

    pub fn bodies(&self, repo: u64, number: u64) -> Vec<String> {
        let comments = self
            .issue(repo, number)
            .map(|issue| issue.comments.as_slice())
            .unwrap_or_default();
        comments
            .iter()
            .map(|comment| comment["body"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// An issue in wire form (docs/contracts/github.md#issues).
    pub fn show(&self, repo: u64, number: u64) -> Value {
        let (Some(known), Some(issue)) = (self.repos.get(&repo), self.issue(repo, number)) else {
            return Value::Null;
        };
        let mut json = issue.json.clone();
        let pull = json["pull_request"].is_object();
        let kind = if pull { "pull" } else { "issues" };
        let html = format!("{}/{}/{kind}/{number}", self.pages, known.full_name);
        let api = format!("{}/repos/{}", self.base, known.full_name);
        if pull {
            json["pull_request"] =
                json!({ "url": format!("{api}/pulls/{number}"), "html_url": html });
        }
        json["html_url"] = json!(html);
        json["url"] = json!(format!("{api}/issues/{number}"));
        json["repository_url"] = json!(api);
        json["comments"] = json!(issue.comments.len());
        if !pull {
            let is_open = |at: &&(u64, u64)| {
                self.issue(at.0, at.1)
                    .is_some_and(|issue| issue.json["state"] == "open")
            };
            let [blocked_by, blocking] =
                ["blocked_by", "blocking"].map(|way| self.dependencies(repo, number, way));
            json["issue_dependencies_summary"] = json!({
                "blocked_by": blocked_by.iter().filter(is_open).count(), "total_blocked_by": blocked_by.len(),
                "blocking": blocking.iter().filter(is_open).count(), "total_blocking": blocking.len(),
            });
            let parts = self.sub_issues(repo, number);
            let completed = parts.iter().filter(|at| !is_open(at)).count();
            json["sub_issues_summary"] = json!({
                "total": parts.len(), "completed": completed,
                "percent_completed": (completed * 100).checked_div(parts.len()).unwrap_or_default(),
            });
            // Others lack the field (docs/contracts/github.md#sub-issues).
            if let Some(at) = self.parent_of(repo, number)
                && let Some(home) = self.repos.get(&at.0)
            {
                let address = format!("{}/repos/{}/issues/{}", self.base, home.full_name, at.1);
                json["parent_issue_url"] = json!(address);
            }
        }
        json
    }

    /// The current place of an issue, which may have been transferred; `None` if it was deleted.
    fn now_at(&self, mut at: (u64, u64)) -> Option<(u64, u64)> {
        while let Some(gone) = self.issue(at.0, at.1)?.gone {
            match gone {
                Gone::Deleted => return None,
                Gone::Moved { repo, number } => at = (repo, number),
            }
        }
        Some(at)
    }

    /// The issue that it is a sub-issue of.
    pub fn parent_of(&self, repo: u64, number: u64) -> Option<(u64, u64)> {
        self.now_at(self.issue(repo, number)?.parent?)
    }

    /// Its sub-issues: repository and number.
    pub fn sub_issues(&self, repo: u64, number: u64) -> Vec<(u64, u64)> {
        let issues = self.repos.iter().flat_map(|(id, repo)| {
            let there = repo.issues.iter().filter(|(_, issue)| issue.gone.is_none());
            there.map(|(number, _)| (*id, *number))
        });
        issues
            .filter(|at| self.parent_of(at.0, at.1) == Some((repo, number)))
            .collect()
    }

    /// Makes an issue a sub-issue of another, or of none. Both repositories send an event (docs.github.com, webhook event
    /// `sub_issues`). Neither counts as changed; the contract does not say.
    pub fn put_under(&mut self, part: (u64, u64), parent: Option<(u64, u64)>, by: &str) {
        let was = self.parent_of(part.0, part.1);
        if let Some(issue) = self.issue_mut(part.0, part.1) {
            issue.parent = parent;
        }
        let Some(whole) = parent.or(was) else {
            return;
        };
        let (sub_issue, parent_issue) = (self.told(part.0, part.1), self.told(whole.0, whole.1));
        let word = if parent.is_some() { "added" } else { "removed" };
        let told = json!({
            "sub_issue_id": sub_issue["id"], "sub_issue": sub_issue,
            "parent_issue_id": parent_issue["id"], "parent_issue": parent_issue,
        });
        let mut of_whole = told.clone();
        of_whole["sub_issue_repo"] = self.repo_json(part.0);
        self.tell(
            whole.0,
            "sub_issues",
            &format!("sub_issue_{word}"),
            by,
            of_whole,
        );
        let mut of_part = told;
        of_part["parent_issue_repo"] = self.repo_json(whole.0);
        self.tell(
            part.0,
            "sub_issues",
            &format!("parent_issue_{word}"),
            by,
            of_part,
        );
    }

    /// The repository and the number of the issue with this id.
    pub fn with_id(&self, id: u64) -> Option<(u64, u64)> {
        let issues = self.repos.iter().flat_map(|(repo, known)| {
            let there = known.issues.iter();
            there.map(move |(number, issue)| (*repo, *number, issue))
        });
        let mut there = issues.filter(|(_, _, issue)| issue.gone.is_none());
        let (repo, number, _) = there.find(|(_, _, issue)| issue.json["id"] == id)?;
        Some((repo, number))
    }

    /// The issues that it waits for (`blocked_by`), or that wait for it (`blocking`).
    pub fn dependencies(&self, repo: u64, number: u64, way: &str) -> Vec<(u64, u64)> {
        let waits_for = |repo: u64, number: u64| {
            let issue = self.issue(repo, number);
            let at = issue.map(|issue| issue.waits_for.as_slice());
            let now = at
                .unwrap_or_default()
                .iter()
                .filter_map(|at| self.now_at(*at));
            now.collect::<Vec<_>>()
        };
        if way == "blocked_by" {
            return waits_for(repo, number);
        }
        let issues = self.repos.iter().flat_map(|(id, repo)| {
            let there = repo.issues.iter().filter(|(_, issue)| issue.gone.is_none());
            there.map(|(number, _)| (*id, *number))
        });
        issues
            .filter(|at| waits_for(at.0, at.1).contains(&(repo, number)))
            .collect()
    }

    /// Makes an issue wait for another, or ends that. Neither counts as changed (measured by others). Both repositories
    /// send an event (docs.github.com, webhook event `issue_dependencies`).
    pub fn depend(&mut self, waits: (u64, u64), first: (u64, u64), on: bool, by: &str) {
        let Some(issue) = self.issue_mut(waits.0, waits.1) else {
            return;
        };
        issue.waits_for.retain(|known| *known != first);
        if on {
            issue.waits_for.push(first);
        }
        let (blocked, blocking) = (self.show(waits.0, waits.1), self.show(first.0, first.1));
        let told = json!({
            "blocked_issue_id": blocked["id"], "blocked_issue": blocked,
            "blocking_issue_id": blocking["id"], "blocking_issue": blocking,
        });
        let (added, word) = if on {
            ("added", "blocked_by_added")
        } else {
            ("removed", "blocked_by_removed")
        };
        let mut of_blocked = told.clone();
        of_blocked["blocking_issue_repo"] = self.repo_json(first.0);
        self.tell(waits.0, "issue_dependencies", word, by, of_blocked);
        let mut of_blocking = told;
        of_blocking["blocked_issue_repo"] = self.repo_json(waits.0);
        let word = format!("blocking_{added}");
        self.tell(first.0, "issue_dependencies", &word, by, of_blocking);
    }

    /// Sets one member of the issue, in wire form, without an event.
    pub fn set_member(&mut self, repo: u64, number: u64, member: &str, value: Value) {
        if let Some(issue) = self.issue_mut(repo, number) {
            issue.json[member] = value;
        }
    }

    /// Sets the fields of the issue, in wire form.
    pub fn set_fields(&mut self, repo: u64, number: u64, fields: Value, by: &str) {
        let at = iso(self.time());
        let Some(issue) = self.issue_mut(repo, number) else {
            return;
        };
        let action = match fields.as_array().is_some_and(Vec::is_empty) {
            true => "field_removed",
            false => "field_added",
        };
        issue.json["issue_field_values"] = fields;
        issue.json["updated_at"] = json!(at);
        self.tell_issue(repo, number, action, by, json!({}));
    }

    /// A comment in wire form (docs/contracts/github.md#calls).
    pub fn show_comment(&self, repo: u64, number: u64, comment: &Value) -> Value {
        let issue = self.show(repo, number);
        let text = |key: &str| issue[key].as_str().unwrap_or_default().to_owned();
        let mut json = comment.clone();
        json["html_url"] = json!(format!(
            "{}#issuecomment-{}",
            text("html_url"),
            comment["id"]
        ));
        json["issue_url"] = json!(text("url"));
        json["url"] = json!(format!(
            "{}/issues/comments/{}",
            text("repository_url"),
            comment["id"]
        ));
        json
    }

    fn labels_of(&mut self, repo: u64, names: &[String]) -> Vec<Value> {
        let mut labels = Vec::new();
        for name in names {
            let new = self.next();
            let Some(known) = self.repos.get_mut(&repo) else {
                continue;
            };
            // A repository has one label of a name, in any case.
            let mut spelled = known.labels.keys();
            let spelled = spelled.find(|known| known.eq_ignore_ascii_case(name));
            let name = spelled.unwrap_or(name).clone();
            let id = *known.labels.entry(name.clone()).or_insert(new);
            let label = label_json(&name, id);
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        labels
    }

    /// Opens an issue with the keys of `add_issue`, which include those of `POST …/issues`.
    pub fn add_issue(&mut self, repo: u64, wish: &Value) -> u64 {
        let names = |key: &str| -> Vec<String> {
            wish[key]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect()
        };
        let by = wish["user"]
            .as_str()
            .map_or_else(|| self.somebody(), str::to_owned);
        let at = self.time();
        let ago = |key: &str| wish[key].as_i64().map(|days| iso(at - days * DAY));
        let created = ago("created_days_ago").unwrap_or_else(|| iso(at));
        let updated = ago("updated_days_ago").unwrap_or_else(|| created.clone());
        let used = self
            .repos
            .get(&repo)
            .and_then(|repo| repo.issues.keys().next_back().copied())
            .unwrap_or_default();
        let number = wish["number"].as_u64().unwrap_or(used + 1);
        let id = ISSUES + self.next();
        let closed = wish["state"] == "closed";
        let labels = self.labels_of(repo, &names("labels"));
        let assignees: Vec<_> = names("assignees")
            .iter()
            .map(|login| self.user(login))
            .collect();
        let wanted = wish["type"].as_str();
        let issue_type = wanted.and_then(|name| self.type_named(repo, name));
        let mut json = json!({
            "id": id, "node_id": format!("I_{id}"), "number": number,
            "state": if closed { "closed" } else { "open" },
            "state_reason": closed.then(|| wish["state_reason"].as_str().unwrap_or("completed")),
            "title": wish["title"], "body": wish["body"], "user": self.user(&by),
            "labels": labels, "assignees": assignees, "milestone": null, "type": issue_type, "locked": false, "active_lock_reason": null,
            "created_at": created, "updated_at": updated,
            "closed_at": if closed { json!(updated) } else { Value::Null },
            "closed_by": if closed { self.user(&by) } else { Value::Null },
            "author_association": "MEMBER", "performed_via_github_app": null,
            "issue_field_values": wish.get("issue_field_values").cloned().unwrap_or_else(|| json!([])),
        });
        let pull = wish["pull_request"] == true;
        if pull {
            json["pull_request"] = json!({});
        }
        if let Some(repo) = self.repos.get_mut(&repo) {
            repo.issues.insert(
                number,
                Issue {
                    json,
                    comments: Vec::new(),
                    waits_for: Vec::new(),
                    parent: None,
                    gone: None,
                },
            );
        }
        // Pull requests send no `issues` event (docs/contracts/github.md#events).
        if !pull {
            self.tell_issue(repo, number, "opened", &by, json!({}));
            for label in labels {
                self.tell_issue(repo, number, "labeled", &by, json!({ "label": label }));
            }
            for assignee in assignees {
                self.tell_issue(
                    repo,
                    number,
                    "assigned",
                    &by,
                    json!({ "assignee": assignee }),
                );
            }
            if let Some(issue_type) = issue_type {
                self.tell_issue(repo, number, "typed", &by, json!({ "type": issue_type }));
            }
        }
        number
    }

    /// Changes an issue. Values that are set already cause no change and no event.
    pub fn change(&mut self, repo: u64, number: u64, by: &str, change: &IssueChange) {
        let labels = change
            .labels
            .as_ref()
            .map(|names| self.labels_of(repo, names));
        let assignees: Option<Vec<Value>> = change
            .assignees
            .as_ref()
            .map(|logins| logins.iter().map(|login| self.user(login)).collect());
        let closer = self.user(by);
        let at = iso(self.time());
        let Some(issue) = self.issue_mut(repo, number) else {
            return;
        };
        let json = &mut issue.json;
        let before = json.clone();
        let mut told: Vec<(&str, Value)> = Vec::new();
        let mut edited = Map::new();
        if let Some(title) = &change.title
            && json["title"] != **title
        {
            edited.insert("title".to_owned(), json!({ "from": json["title"] }));
            json["title"] = json!(title);
        }
        if let Some(body) = &change.body
            && json["body"] != json!(body)
        {
            edited.insert("body".to_owned(), json!({ "from": json["body"] }));
            json["body"] = json!(body);
        }
        if !edited.is_empty() {
            told.push(("edited", json!({ "changes": edited })));
        }
        if let Some((state, reason)) = &change.state
            && json["state"] != **state
        {
            json["state"] = json!(state);
            if state == "closed" {
                json["state_reason"] = json!(reason.as_deref().unwrap_or("completed"));
                json["closed_at"] = json!(at);
                json["closed_by"] = closer;
                told.push(("closed", json!({})));
            } else {
                json["state_reason"] = json!("reopened");
                json["closed_at"] = Value::Null;
                json["closed_by"] = Value::Null;
                told.push(("reopened", json!({})));
            }
        }
        for (key, now, one, come, gone) in [
            ("labels", labels, "label", "labeled", "unlabeled"),
            ("assignees", assignees, "assignee", "assigned", "unassigned"),
        ] {
            let Some(now) = now else { continue };
            let had = json[key].as_array().cloned().unwrap_or_default();
            told.extend(
                had.iter()
                    .filter(|item| !now.contains(item))
                    .map(|item| (gone, json!({ one: item }))),
            );
            told.extend(
                now.iter()
                    .filter(|item| !had.contains(item))
                    .map(|item| (come, json!({ one: item }))),
            );
            if had != now {
                json[key] = json!(now);
            }
        }
        if let Some(milestone) = &change.milestone
            && json["milestone"] != *milestone
        {
            let had = std::mem::replace(&mut json["milestone"], milestone.clone());
            if !had.is_null() {
                told.push(("demilestoned", json!({ "milestone": had })));
            }
            if !milestone.is_null() {
                told.push(("milestoned", json!({ "milestone": milestone })));
            }
        }
        if let Some(issue_type) = &change.issue_type
            && json["type"] != *issue_type
        {
            let had = std::mem::replace(&mut json["type"], issue_type.clone());
            // Whether another type is told as both is not certain (docs/contracts/github.md#issue-types).
            if !had.is_null() {
                told.push(("untyped", json!({ "type": had })));
            }
            if !issue_type.is_null() {
                told.push(("typed", json!({ "type": issue_type })));
            }
        }
        if *json == before {
            return;
        }
        json["updated_at"] = json!(at);
        if json["pull_request"].is_object() {
            return;
        }
        for (action, extra) in told {
            self.tell_issue(repo, number, action, by, extra);
        }
    }

    pub fn lock(&mut self, repo: u64, number: u64, by: &str, locked: bool) {
        if let Some(issue) = self.issue_mut(repo, number) {
            issue.json["locked"] = json!(locked);
            self.tell_issue(
                repo,
                number,
                if locked { "locked" } else { "unlocked" },
                by,
                json!({}),
            );
        }
    }

    pub fn remove(&mut self, repo: u64, number: u64, by: &str, how: Gone) {
        if how == Gone::Deleted {
            self.tell_issue(repo, number, "deleted", by, json!({}));
        }
        if let Some(issue) = self.issue_mut(repo, number) {
            issue.gone = Some(how);
        }
    }

    /// Contract 8: creates an issue there, with events on both sides.
    pub fn transfer(&mut self, from: u64, number: u64, to: u64, by: &str) -> u64 {
        let (old, old_repo) = (self.show(from, number), self.repo_json(from));
        let id = ISSUES + self.next();
        let Some(issue) = self.issue(from, number) else {
            return 0;
        };
        let (mut json, comments) = (issue.json.clone(), issue.comments.clone());
        let waits_for = issue.waits_for.clone();
        let parent = issue.parent;
        let at = iso(self.time());
        let target = self.repos.get_mut(&to);
        let there = target
            .as_ref()
            .and_then(|repo| repo.issues.keys().next_back().copied())
            .unwrap_or_default()
            + 1;
        json["id"] = json!(id);
        json["node_id"] = json!(format!("I_{id}"));
        json["number"] = json!(there);
        json["updated_at"] = json!(at);
        if let Some(repo) = target {
            repo.issues.insert(
                there,
                Issue {
                    json,
                    comments,
                    waits_for,
                    parent,
                    gone: None,
                },
            );
        }
        let changes =
            json!({ "new_issue": self.show(to, there), "new_repository": self.repo_json(to) });
        self.tell_issue(
            from,
            number,
            "transferred",
            by,
            json!({ "changes": changes }),
        );
        self.remove(
            from,
            number,
            by,
            Gone::Moved {
                repo: to,
                number: there,
            },
        );
        let changes = json!({ "old_issue": old, "old_repository": old_repo });
        self.tell_issue(to, there, "opened", by, json!({ "changes": changes }));
        there
    }

    /// A person's text about themselves, which only answers about one user have.
    pub fn write_bio(&mut self, login: &str, bio: &str) {
        self.bios.insert(login.to_owned(), bio.to_owned());
    }

    /// A user as answers about one user show them.
    pub fn whole_user(&self, login: &str) -> Value {
        let mut user = self.user(login);
        let bio = self.bios.get(login).filter(|bio| !bio.is_empty());
        user["bio"] = json!(bio);
        user["email"] = json!(self.emails.get(login));
        user
    }

    // Comments.

    /// Returns the new comment's id and its wire form.
    pub fn comment(&mut self, repo: u64, number: u64, by: &str, body: &str) -> (u64, Value) {
        let id = COMMENTS + self.next();
        let at = iso(self.time());
        let association = match self.outside.contains(by) {
            true => "NONE",
            false => "MEMBER",
        };
        let comment = json!({
            "id": id, "node_id": format!("IC_{id}"), "body": body, "user": self.user(by), "created_at": at,
            "updated_at": at, "author_association": association,
        });
        if let Some(issue) = self.issue_mut(repo, number) {
            issue.comments.push(comment.clone());
            issue.json["updated_at"] = json!(at);
        }
        let comment = self.show_comment(repo, number, &comment);
        self.tell_comment(repo, number, "created", by, &comment, json!({}));
        (id, comment)
    }

    /// The place of a comment: repository, issue, position.
    pub fn where_is(&self, comment: u64) -> Option<(u64, u64, usize)> {
        self.repos.iter().find_map(|(repo, known)| {
            known
                .issues
                .iter()
                .filter(|(_, issue)| issue.gone.is_none())
                .find_map(|(number, issue)| {
                    let place = issue
                        .comments
                        .iter()
                        .position(|known| known["id"] == comment)?;
                    Some((*repo, *number, place))
                })
        })
    }

    pub fn edit_comment(&mut self, comment: u64, by: &str, body: &str) -> Option<Value> {
        let (repo, number, place) = self.where_is(comment)?;
        let at = iso(self.time());
        let known = self.issue_mut(repo, number)?.comments.get_mut(place)?;
        let changes = json!({ "body": { "from": known["body"] } });
        let changed = known["body"] != *body;
        if changed {
            known["body"] = json!(body);
            known["updated_at"] = json!(at);
        }
        let known = known.clone();
        let shown = self.show_comment(repo, number, &known);
        if changed {
            self.tell_comment(
                repo,
                number,
                "edited",
                by,
                &shown,
                json!({ "changes": changes }),
            );
        }
        Some(shown)
    }

    pub fn delete_comment(&mut self, comment: u64, by: &str) -> Option<()> {
        let (repo, number, place) = self.where_is(comment)?;
        let gone = self.issue_mut(repo, number)?.comments.remove(place);
        let gone = self.show_comment(repo, number, &gone);
        self.tell_comment(repo, number, "deleted", by, &gone, json!({}));
        Some(())
    }

    // Webhooks.

    /// An issue as in payloads.
    fn told(&self, repo: u64, number: u64) -> Value {
        let mut issue = self.show(repo, number);
        if let Some(issue) = issue.as_object_mut().filter(|_| !self.payloads_tell_all) {
            issue.remove("issue_dependencies_summary");
            issue.remove("issue_field_values");
            issue.remove("type");
            issue.remove("sub_issues_summary");
            issue.remove("parent_issue_url");
        }
        issue
    }

    fn tell_issue(&mut self, repo: u64, number: u64, action: &str, by: &str, mut extra: Value) {
        extra["issue"] = self.told(repo, number);
        self.tell(repo, "issues", action, by, extra);
    }

    fn tell_comment(
        &mut self,
        repo: u64,
        number: u64,
        action: &str,
        by: &str,
        comment: &Value,
        mut extra: Value,
    ) {
        extra["issue"] = self.told(repo, number);
        extra["comment"] = comment.clone();
        self.tell(repo, "issue_comment", action, by, extra);
    }

    /// Makes a delivery for each hook of the repository that subscribes to the event; all share one GUID (docs/contracts/github.md#headers).
    fn tell(&mut self, repo: u64, event: &str, action: &str, by: &str, mut payload: Value) {
        payload["action"] = json!(action);
        self.complete(repo, by, &mut payload);
        let guid = uuid(&random());
        let hooks = self
            .repos
            .get(&repo)
            .map(|repo| repo.hooks.as_slice())
            .unwrap_or_default();
        let parcels: Vec<_> = hooks
            .iter()
            .filter(|hook| {
                hook.active && hook.events.iter().any(|name| name == event || name == "*")
            })
            .map(|hook| {
                parcel(
                    self.as_sender(),
                    ("repository", repo),
                    hook,
                    event,
                    action,
                    &guid,
                    &payload,
                )
            })
            .collect();
        self.outgoing.extend(parcels);
        self.tell_app(repo, event, action, &guid, payload);
    }

    /// The version and the host that a server names in deliveries.
    fn as_sender(&self) -> Option<(&str, &str)> {
        let host = self.pages.split_once("://").map(|(_, host)| host);
        Some((self.server?, host?))
    }

    /// Makes a delivery for the App's webhook, if an installation that is not suspended has the repository.
    fn tell_app(&mut self, repo: u64, event: &str, action: &str, guid: &str, mut payload: Value) {
        let Some(owner) = self.repos.get(&repo).map(|repo| repo.owner().to_owned()) else {
            return;
        };
        let Some(app) = &self.app else { return };
        let mut installed = app.installations.iter();
        let here = installed.find(|(_, one)| one.account.eq_ignore_ascii_case(&owner));
        let Some((id, _)) = here.filter(|(_, one)| one.suspended_at.is_none()) else {
            return;
        };
        payload["installation"] = json!({"id": id, "node_id": format!("I_{id}")});
        let hook = self.app_hook.as_ref().filter(|hook| hook.active);
        let hook = hook.filter(|_| app.events.iter().any(|name| name == event));
        let Some(hook) = hook else { return };
        let parcel = parcel(
            self.as_sender(),
            ("integration", hook.id),
            hook,
            event,
            action,
            guid,
            &payload,
        );
        self.outgoing.push(parcel);
    }

    /// Gives the App its webhook, and sends its ping.
    pub fn hook_app(&mut self, url: &str, secret: &str) -> u64 {
        self.hook_app_at(url, secret, true)
    }

    /// Gives the App its webhook; only an active one is pinged.
    pub fn hook_app_at(&mut self, url: &str, secret: &str, active: bool) -> u64 {
        let id = self.next();
        let hook = RepoWebhook {
            id,
            active,
            events: self.app().events.clone(),
            url: url.to_owned(),
            form: false,
            secret: Some(secret.to_owned()),
            log: Vec::new(),
            created_at: iso(self.time()),
        };
        let ping = json!({"zen": "Approachable is better than simple.", "hook_id": id});
        let guid = uuid(&random());
        let target = ("integration", id);
        let ping = parcel(self.as_sender(), target, &hook, "ping", "", &guid, &ping);
        if active {
            self.outgoing.push(ping);
        }
        self.app_hook = Some(hook);
        id
    }

    fn hooks(&self) -> impl Iterator<Item = &RepoWebhook> {
        let of_the_app = self.app_hook.iter();
        let of_repos = self.repos.values().flat_map(|repo| &repo.hooks);
        of_repos.chain(of_the_app)
    }

    /// Adds the fields that every payload has (docs/contracts/github.md#events).
    fn complete(&self, repo: u64, by: &str, payload: &mut Value) {
        let repository = self.repo_json(repo);
        if repository["owner"]["type"] == "Organization" {
            payload["organization"] = repository["owner"].clone();
        }
        payload["repository"] = repository;
        payload["sender"] = self.user(by);
    }

    /// The secrets of all webhooks.
    pub fn hook_secrets(&self) -> Vec<String> {
        self.hooks()
            .filter_map(|hook| hook.secret.clone())
            .collect()
    }

    pub fn hook_everywhere(&mut self, url: &str, secret: &str) -> u64 {
        let repos: Vec<u64> = self.repos.keys().copied().collect();
        let mut first = None;
        for repo in repos {
            let id = self.add_hook(
                repo,
                url,
                vec!["*".to_owned()],
                false,
                Some(secret.to_owned()),
                true,
            );
            first.get_or_insert(id);
        }
        first.unwrap_or_default()
    }

    /// Adds a hook and sends its ping.
    pub fn add_hook(
        &mut self,
        repo: u64,
        url: &str,
        events: Vec<String>,
        form: bool,
        secret: Option<String>,
        active: bool,
    ) -> u64 {
        let id = self.next();
        let hook = RepoWebhook {
            id,
            active,
            events,
            url: url.to_owned(),
            form,
            secret,
            log: Vec::new(),
            created_at: iso(self.time()),
        };
        if let Some(repo) = self.repos.get_mut(&repo) {
            repo.hooks.push(hook);
        }
        self.ping(repo, id);
        id
    }

    pub fn ping(&mut self, repo: u64, id: u64) {
        let Some(hook) = self.hook(repo, id).filter(|hook| hook.active) else {
            return;
        };
        let mut payload = json!({ "zen": "Keep it logically awesome.", "hook_id": id, "hook": self.hook_json(repo, hook) });
        self.complete(repo, &self.me, &mut payload);
        let guid = uuid(&random());
        let parcel = parcel(
            self.as_sender(),
            ("repository", repo),
            hook,
            "ping",
            "",
            &guid,
            &payload,
        );
        self.outgoing.push(parcel);
    }

    pub fn hook(&self, repo: u64, id: u64) -> Option<&RepoWebhook> {
        self.repos
            .get(&repo)?
            .hooks
            .iter()
            .find(|hook| hook.id == id)
    }

    pub fn hook_is_there(&self, id: &str) -> bool {
        self.hooks()
            .any(|hook| hook.active && hook.id.to_string() == id)
    }

    /// A hook in wire form, its secret masked (docs/contracts/github.md#registering).
    pub fn hook_json(&self, repo: u64, hook: &RepoWebhook) -> Value {
        let name = self
            .repos
            .get(&repo)
            .map(|repo| repo.full_name.as_str())
            .unwrap_or_default();
        let url = format!("{}/repos/{name}/hooks/{}", self.base, hook.id);
        let mut config = json!({
            "url": hook.url, "content_type": if hook.form { "form" } else { "json" }, "insecure_ssl": "0",
        });
        if hook.secret.is_some() {
            config["secret"] = json!("********");
        }
        let last = match hook.log.last() {
            Some((last, _)) => {
                json!({ "code": last["status_code"], "status": "active", "message": last["status"] })
            }
            None => json!({ "code": null, "status": "unused", "message": null }),
        };
        json!({
            "id": hook.id, "type": "Repository", "name": "web", "active": hook.active, "events": hook.events,
            "config": config, "url": url, "deliveries_url": format!("{url}/deliveries"),
            "ping_url": format!("{url}/pings"), "created_at": hook.created_at, "updated_at": hook.created_at,
            "last_response": last,
        })
    }

    /// Contract 9.5: adds an entry for the deliveries API.
    pub fn log_delivery(&mut self, parcel: &DeliveryAttempt, ended: &AttemptEnd) {
        let id = self.next();
        let (status, code, duration) = match ended {
            AttemptEnd::Answered(code, took) if ended.is_ok() => {
                ("OK".to_owned(), *code, took.as_secs_f64())
            }
            AttemptEnd::Answered(code, took) => (
                format!("Invalid HTTP Response: {code}"),
                *code,
                took.as_secs_f64(),
            ),
            AttemptEnd::Failed(why) => ((*why).to_owned(), 0, 0.0),
            AttemptEnd::Lost => ("failed to connect".to_owned(), 0, 0.0),
        };
        let (event, action) = parcel.event.split_once('.').unwrap_or((&parcel.event, ""));
        let repository = parcel
            .header("x-github-hook-installation-target-id")
            .and_then(|id| id.parse::<u64>().ok());
        let delivery = json!({
            "id": id, "guid": parcel.header("x-github-delivery"), "delivered_at": iso(self.time()),
            "redelivery": parcel.attempt > 1, "duration": duration, "status": status, "status_code": code,
            "event": event, "action": if action.is_empty() { Value::Null } else { json!(action) },
            "installation_id": null, "repository_id": repository, "throttled_at": null,
        });
        let of_the_app = self.app_hook.iter_mut();
        let hooks = self.repos.values_mut().flat_map(|repo| &mut repo.hooks);
        if let Some(hook) = hooks
            .chain(of_the_app)
            .find(|hook| hook.id.to_string() == parcel.hook)
        {
            hook.log.push((delivery, parcel.clone()));
        }
    }
}

/// A label in wire form (docs/contracts/github.md#issues).
pub(super) fn label_json(name: &str, id: u64) -> Value {
    json!({ "id": id, "name": name, "color": "ededed", "default": false, "description": null })
}

/// Contract 9.2 and 9.3.
fn parcel(
    server: Option<(&str, &str)>,
    (kind_of_target, target): (&str, u64),
    hook: &RepoWebhook,
    event: &str,
    action: &str,
    guid: &str,
    payload: &Value,
) -> DeliveryAttempt {
    let payload = payload.to_string();
    let (kind, body) = if hook.form {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload)
            .finish();
        ("application/x-www-form-urlencoded", form)
    } else {
        ("application/json", payload)
    };
    let mut headers = vec![
        ("accept", "*/*".to_owned()),
        ("content-type", kind.to_owned()),
        ("user-agent", "GitHub-Hookshot/sandbox".to_owned()),
        ("x-github-delivery", guid.to_owned()),
        ("x-github-event", event.to_owned()),
        ("x-github-hook-id", hook.id.to_string()),
        ("x-github-hook-installation-target-id", target.to_string()),
        (
            "x-github-hook-installation-target-type",
            kind_of_target.to_owned(),
        ),
    ];
    if let Some((version, host)) = server {
        headers.push(("x-github-enterprise-version", version.to_owned()));
        headers.push(("x-github-enterprise-host", host.to_owned()));
    }
    if let Some(secret) = &hook.secret {
        headers.push((
            "x-hub-signature-256",
            format!("sha256={}", hmac_sha256(secret, body.as_bytes())),
        ));
    }
    DeliveryAttempt {
        hook: hook.id.to_string(),
        event: if action.is_empty() {
            event.to_owned()
        } else {
            format!("{event}.{action}")
        },
        url: hook.url.clone(),
        headers: headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        body,
        attempt: 1,
    }
}
