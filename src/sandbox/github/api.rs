//! The REST API: requests, GitHub's refusals, and its answers.

use axum::http::Method;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use url::Url;

use super::app::{self, AppRefusal, GitHubCaller, SandboxApp, SandboxInstallation};
use super::world::{
    COMMENTS, GitHubWorld, Gone, ISSUES, IssueChange, Repo, RepoWebhook, TypesShown, iso,
    label_json,
};
use crate::sandbox::webhook_sender::is_loopback;
use crate::sandbox::wire::{ReadRequest, digest};
use crate::sandbox::{http_date, now};

/// Characters of a title.
const TITLE: usize = 256;
/// Characters of a body (docs/contracts/github.md#errors).
const BODY: usize = 65_536;
/// Assignees of an issue.
const ASSIGNEES: usize = 10;
/// Sub-issues of an issue, and levels of them (docs/contracts/github.md#sub-issues).
const SUB_ISSUES: usize = 100;
const LEVELS: usize = 8;
/// The supported API versions; the first applies to requests that name none (docs/contracts/github.md#requests).
const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];
/// Hooks for one event (docs/contracts/github.md#registering).
const HOOKS: usize = 20;
/// The secondary limits (docs/contracts/github.md#rate-limits).
const POINTS_A_MINUTE: u32 = 900;
const CREATIONS_A_MINUTE: usize = 80;
const CREATIONS_AN_HOUR: usize = 500;
/// The events that a hook can select (docs/contracts/github.md#events).
const EVENTS: [&str; 9] = [
    "*",
    "push",
    "issues",
    "issue_comment",
    "issue_dependencies",
    "sub_issues",
    "repository",
    "pull_request",
    "label",
];
const DOCS: &str = "https://docs.github.com/rest";

pub(super) struct ApiReply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Option<Value>,
    /// HTML in place of JSON.
    pub page: Option<String>,
}

impl ApiReply {
    pub fn new(status: u16, body: Value) -> ApiReply {
        ApiReply {
            status,
            headers: Vec::new(),
            body: Some(body),
            page: None,
        }
    }

    fn empty(status: u16) -> ApiReply {
        ApiReply {
            status,
            headers: Vec::new(),
            body: None,
            page: None,
        }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> ApiReply {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

type Answer = Result<ApiReply, ApiReply>;

/// Contract 4.3.
fn no(status: u16, message: &str) -> ApiReply {
    ApiReply::new(
        status,
        json!({ "message": message, "documentation_url": DOCS, "status": status.to_string() }),
    )
}

pub(super) fn not_found() -> ApiReply {
    no(404, "Not Found")
}

/// A 422 about one field.
fn invalid(resource: &str, field: &str, code: &str, message: Option<&str>) -> ApiReply {
    let mut error = json!({ "resource": resource, "field": field, "code": code });
    if let Some(message) = message {
        error["message"] = json!(message);
    }
    let mut reply = no(422, "Validation Failed");
    if let Some(body) = &mut reply.body {
        body["errors"] = json!([error]);
    }
    reply
}

impl GitHubWorld {
    pub(super) fn answer(&mut self, call: &ReadRequest) -> ApiReply {
        self.caller = GitHubCaller::User;
        let exchanged = match (call.method.as_str(), call.steps().as_slice()) {
            ("POST", ["app-manifests", code, "conversions"]) => Some((*code).to_owned()),
            _ => None,
        };
        let mut reply = match self.admitted(call) {
            Err(refusal) if exchanged.is_some() && refusal.status != 401 => refusal,
            // The code alone proves who asks.
            _ if exchanged.is_some() => {
                let code = exchanged.unwrap_or_default();
                self.convert(&code).unwrap_or_else(|refusal| refusal)
            }
            // It counts towards no installation's limit.
            Ok(()) if self.caller == GitHubCaller::App => {
                self.as_app(call).unwrap_or_else(|refusal| refusal)
            }
            Ok(()) => {
                let reply = self.routed(call).unwrap_or_else(|refusal| refusal);
                let reply = tagged(call, reply);
                let reply = match self.token_expires {
                    _ if self.caller != GitHubCaller::User => reply,
                    Some(at) => reply.with("github-authentication-token-expiration", expiry(at)),
                    None => reply,
                };
                // A 304 does not count (docs/contracts/github.md#conditional-requests-and-polling).
                if reply.status != 304 {
                    self.rate.remaining = self.rate.remaining.saturating_sub(1);
                }
                reply
            }
            Err(refusal) => refusal,
        };
        let rate = &self.rate;
        for (name, value) in [
            ("x-ratelimit-limit", rate.limit.to_string()),
            ("x-ratelimit-remaining", rate.remaining.to_string()),
            (
                "x-ratelimit-used",
                (rate.limit - rate.remaining.min(rate.limit)).to_string(),
            ),
            (
                "x-ratelimit-reset",
                ((rate.ends + self.ahead + 999) / 1000).to_string(),
            ),
            ("x-ratelimit-resource", "core".to_owned()),
            ("date", http_date(self.ahead)),
            ("x-github-media-type", "github.v3; format=json".to_owned()),
            ("x-github-api-version-selected", version(call).to_owned()),
        ] {
            reply.headers.push((name.to_owned(), value));
        }
        if let Some(version) = self.server {
            let name = "x-github-enterprise-version".to_owned();
            reply.headers.push((name, version.to_owned()));
        }
        // Other people's acts follow.
        self.caller = GitHubCaller::User;
        reply
    }

    fn forbidden(&self, permission: &str) -> ApiReply {
        let message = match self.caller {
            GitHubCaller::Installation(_) => "Resource not accessible by integration",
            GitHubCaller::User | GitHubCaller::App => {
                "Resource not accessible by personal access token"
            }
        };
        no(403, message).with("x-accepted-github-permissions", permission)
    }

    /// Whether the caller may change issues: a person with push access, an App with the permission.
    fn may_push(&self, repo: u64) -> bool {
        match self.installation() {
            Some(_) => self.has_permission("issues", "write"),
            None => self.repos.get(&repo).is_some_and(|repo| repo.push),
        }
    }

    /// Whether the installation that calls has a permission at this level; true for a person.
    fn has_permission(&self, name: &str, level: &str) -> bool {
        self.installation().is_none_or(|one| {
            let granted = one.permissions.get(name);
            granted.is_some_and(|granted| granted == "write" || granted == level)
        })
    }

    /// Contract 2, 3 and 5: the checks for every request.
    fn admitted(&mut self, call: &ReadRequest) -> Result<(), ApiReply> {
        if call.header("user-agent").is_none_or(str::is_empty) {
            let message = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
            return Err(no(403, message));
        }
        // A server knows the versions that it came with.
        let known = match self.server {
            Some(_) => VERSIONS.get(..1).unwrap_or_default(),
            None => &VERSIONS,
        };
        if !known.contains(&version(call)) {
            return Err(no(
                400,
                &format!("API version {} is not supported", version(call)),
            ));
        }
        match call
            .header("authorization")
            .map(|header| header.strip_prefix("Bearer "))
        {
            None => return Err(no(401, "Requires authentication")),
            Some(Some(token)) => self.caller = self.caller_of(token)?,
            Some(None) => return Err(no(401, "Bad credentials")),
        }
        if self.caller == GitHubCaller::App {
            return Ok(());
        }
        if is_of_the_app(call) {
            return Err(refusal(app::UNDECODABLE));
        }
        self.rate.renew();
        if self.rate.remaining == 0 {
            return Err(no(403, "API rate limit exceeded for user ID 40."));
        }
        self.spend(call)
    }

    /// Contract 5: the secondary limits.
    fn spend(&mut self, call: &ReadRequest) -> Result<(), ApiReply> {
        let limited = |retry_after: Option<u64>| {
            let reply = no(
                403,
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
            );
            match retry_after {
                Some(seconds) => reply.with("retry-after", seconds.to_string()),
                None => reply,
            }
        };
        let (times, retry_after) = self.secondary;
        if times > 0 {
            self.secondary.0 -= 1;
            return Err(limited(retry_after));
        }
        let at = now();
        while self
            .spent
            .front()
            .is_some_and(|(then, _, _)| at - then > 3_600_000)
        {
            self.spent.pop_front();
        }
        let minute: Vec<_> = self
            .spent
            .iter()
            .filter(|(then, _, _)| at - then <= 60_000)
            .collect();
        let points: u32 = minute.iter().map(|(_, points, _)| points).sum();
        let creations = minute.iter().filter(|(_, _, creates)| *creates).count();
        let creations_an_hour = self.spent.iter().filter(|(_, _, creates)| *creates).count();
        let cost = if matches!(call.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            1
        } else {
            5
        };
        let creates = call.method == Method::POST
            && matches!(call.steps().last(), Some(&"issues" | &"comments"));
        let over = points + cost > POINTS_A_MINUTE
            || creates
                && (creations >= CREATIONS_A_MINUTE || creations_an_hour >= CREATIONS_AN_HOUR);
        if over && self.enforce_secondary {
            return Err(limited(Some(60)));
        }
        self.spent.push_back((at, cost, creates));
        Ok(())
    }

    fn routed(&mut self, call: &ReadRequest) -> Answer {
        let steps = call.steps();
        if self.installation().is_some() && is_of_a_person(call) {
            return Err(no(403, "Resource not accessible by integration"));
        }
        match (call.method.as_str(), steps.as_slice()) {
            ("GET", ["user"]) => Ok(ApiReply::new(200, self.user(&self.me))),
            ("GET", ["user", "repos"]) => self.own_repos(call),
            ("GET", ["users", login]) => {
                let known = self.spelled(login).ok_or_else(not_found)?;
                Ok(ApiReply::new(200, self.whole_user(&known)))
            }
            ("GET", ["user", id]) => {
                let known = self
                    .users
                    .values()
                    .find(|user| user["id"].as_u64() == id.parse().ok());
                let login = known.ok_or_else(not_found)?["login"]
                    .as_str()
                    .unwrap_or_default();
                Ok(ApiReply::new(200, self.whole_user(login)))
            }
            ("GET", ["rate_limit"]) => {
                let core = json!({
                    "limit": self.rate.limit, "remaining": self.rate.remaining,
                    "used": self.rate.limit - self.rate.remaining.min(self.rate.limit), "reset": (self.rate.ends + self.ahead + 999) / 1000,
                });
                let mut body = json!({ "resources": { "core": core } });
                if old(call) {
                    body["rate"] = core;
                }
                Ok(ApiReply::new(200, body))
            }
            ("GET", ["meta"]) => {
                let mut body =
                    json!({ "verifiable_password_authentication": self.server.is_some() });
                if let Some(version) = self.server {
                    body["installed_version"] = json!(version);
                }
                Ok(ApiReply::new(200, body))
            }
            ("GET", ["issues"]) => self.assigned(call),
            ("GET", ["orgs", organization, "issue-types"]) => {
                let login = organization.to_lowercase();
                let mut repos = self.repos.values();
                let is_known = repos.any(|repo| repo.owner().eq_ignore_ascii_case(organization));
                if !is_known || self.user(organization)["type"] == "User" {
                    return Err(not_found());
                }
                // A right of its own, which Ivan does not ask for.
                if self.types_shown == TypesShown::Nowhere
                    || !self.has_permission("issue_types", "read")
                {
                    return Err(self.forbidden("issue_types=read"));
                }
                let types = self.types.get(&login).cloned().unwrap_or_default();
                Ok(ApiReply::new(200, json!(types)))
            }
            (_, ["repos", owner, name, rest @ ..]) => {
                let full_name = format!("{owner}/{name}");
                let Some(id) = self.named(&full_name) else {
                    let id = self
                        .formerly(&full_name)
                        .filter(|id| self.sees(*id))
                        .ok_or_else(not_found)?;
                    let tail: String = rest.iter().map(|step| format!("/{step}")).collect();
                    return Err(self.redirect(call, &format!("/repositories/{id}{tail}"), true));
                };
                self.in_repo(call, id, rest)
            }
            (_, ["repositories", id, rest @ ..]) => {
                let id = id.parse().map_err(|_| not_found())?;
                self.in_repo(call, id, rest)
            }
            _ => Err(not_found()),
        }
    }

    /// The sender of a request with this credential, or the refusal.
    fn caller_of(&self, token: &str) -> Result<GitHubCaller, ApiReply> {
        if token == self.token && !self.revoked {
            return Ok(GitHubCaller::User);
        }
        match &self.app {
            Some(app) => app.caller_of(token, self.time()).map_err(refusal),
            None if app::is_jwt(token) => Err(refusal(app::NO_APP)),
            None => Err(refusal(app::BAD)),
        }
    }

    /// The endpoints of the App itself (docs/contracts/github.md#github-apps).
    fn as_app(&mut self, call: &ReadRequest) -> Answer {
        let steps = call.steps();
        let now = self.time();
        let known = self.app.as_ref().ok_or_else(not_found)?;
        let shown = |id: u64, one: &SandboxInstallation| {
            known.installation_json(
                (id, one),
                self.user(&one.account),
                (&self.base, &self.pages),
            )
        };
        match (call.method.as_str(), steps.as_slice()) {
            ("GET", ["app"]) => Ok(ApiReply::new(
                200,
                known.json(self.user("acme"), &self.pages),
            )),
            ("GET", ["app", "installations"]) => {
                let all = known.installations.iter();
                let all = all.map(|(id, one)| shown(*id, one));
                self.page(call, "/app/installations", all.collect())
            }
            ("GET", ["app", "installations", id]) => {
                let (id, one) = installation(known, id)?;
                Ok(ApiReply::new(200, shown(id, one)))
            }
            ("POST", ["app", "installations", id, "access_tokens"]) => {
                let (id, one) = installation(known, id)?;
                if one.suspended_at.is_some() {
                    return Err(refusal(app::SUSPENDED));
                }
                if !call.body.is_empty() && !call.is_json() {
                    return Err(no(415, "Unsupported Media Type"));
                }
                let permissions = json!(one.permissions);
                let (token, expires) = self.app().grant(id, now);
                let body = json!({
                    "token": token, "expires_at": iso(expires), "permissions": permissions,
                    "repository_selection": "all",
                });
                Ok(ApiReply::new(201, body))
            }
            ("GET", ["repos", owner, name, "installation"]) => {
                let is_there = self.named(&format!("{owner}/{name}")).is_some();
                let mut installed = known.installations.iter().filter(|_| is_there);
                let found = installed.find(|(_, one)| one.account.eq_ignore_ascii_case(owner));
                let (id, one) = found.ok_or_else(not_found)?;
                Ok(ApiReply::new(200, shown(*id, one)))
            }
            ("GET", ["app", "hook", "config"]) => {
                let hook = self.app_hook.as_ref();
                let secret = hook.and_then(|hook| hook.secret.as_ref());
                let body = json!({
                    "content_type": "json", "insecure_ssl": "0", "secret": secret.map(|_| "********"),
                    "url": hook.map(|hook| &hook.url),
                });
                Ok(ApiReply::new(200, body))
            }
            _ => Err(refusal(app::BAD)),
        }
    }

    /// `GET /user/repos`: the repositories that the token's account can see (docs/contracts/github.md#calls).
    fn own_repos(&self, call: &ReadRequest) -> Answer {
        if call.one("type").is_some()
            && (call.one("visibility").is_some() || call.one("affiliation").is_some())
        {
            return Err(invalid("Repository", "type", "invalid", None));
        }
        let field = match call.one("sort") {
            // The seed has no times of repositories.
            None | Some("full_name" | "created" | "updated" | "pushed") => "full_name",
            Some(_) => return Err(invalid("Repository", "sort", "invalid", None)),
        };
        let descends = descends(call, "asc")?;
        let seen = self.repos.keys().filter(|id| self.sees(**id));
        let mut repos: Vec<Value> = seen.map(|id| self.repo_json(*id)).collect();
        repos.sort_by_key(|repo| repo[field].as_str().unwrap_or_default().to_owned());
        if descends {
            repos.reverse();
        }
        self.page(call, "/user/repos", repos)
    }

    fn sees(&self, repo: u64) -> bool {
        let its = |repo: &Repo| {
            let installation = self.installation();
            installation.is_none_or(|one| one.account.eq_ignore_ascii_case(repo.owner()))
        };
        self.repos
            .get(&repo)
            .is_some_and(|repo| !repo.hidden && its(repo))
    }

    /// Contract 8: for a repository 301, and 307 for writes; for a transferred issue always 301.
    fn redirect(&self, call: &ReadRequest, path: &str, of_repo: bool) -> ApiReply {
        let query = call.query_string();
        let url = format!(
            "{}{path}{}{query}",
            self.base,
            if query.is_empty() { "" } else { "?" }
        );
        let (status, message) = match (of_repo, call.method.as_str()) {
            (true, "GET" | "HEAD") | (false, _) => (301, "Moved Permanently"),
            (true, _) => (307, "Temporary Redirect"),
        };
        ApiReply::new(
            status,
            json!({ "message": message, "url": url, "documentation_url": DOCS }),
        )
        .with("location", url)
    }

    fn in_repo(&mut self, call: &ReadRequest, repo: u64, rest: &[&str]) -> Answer {
        if !self.sees(repo) {
            return Err(not_found());
        }
        let method = call.method.as_str();
        let known = self.repos.get(&repo).ok_or_else(not_found)?;
        if known.archived && method != "GET" {
            return Err(no(403, "Repository was archived so is read-only."));
        }
        let level = if method == "GET" { "read" } else { "write" };
        if rest.first() == Some(&"issues") && !self.has_permission("issues", level) {
            return Err(self.forbidden(&format!("issues={level}")));
        }
        if rest.first() == Some(&"issues") && !known.has_issues {
            return Err(no(410, "Issues are disabled for this repo"));
        }
        match (method, rest) {
            ("GET", []) => Ok(ApiReply::new(200, self.repo_json(repo))),
            ("GET", ["milestones"]) => {
                let state = match call.one("state") {
                    None | Some("open") => Some("open"),
                    Some("closed") => Some("closed"),
                    Some("all") => None,
                    Some(_) => return Err(invalid("Milestone", "state", "invalid", None)),
                };
                let shown = known.milestones.values();
                let shown = shown.filter(|one| state.is_none_or(|state| one["state"] == *state));
                let shown = shown.cloned().collect();
                self.page(call, &format!("/repositories/{repo}/milestones"), shown)
            }
            ("GET", ["issue-types"]) if self.types_shown == TypesShown::Everywhere => {
                let types = self.types_of(repo).ok_or_else(not_found)?;
                Ok(ApiReply::new(200, json!(types)))
            }
            ("GET", ["labels"]) => {
                let labels = known.labels.iter();
                let shown = labels.map(|(name, id)| label_json(name, *id)).collect();
                self.page(call, &format!("/repositories/{repo}/labels"), shown)
            }
            ("GET", ["labels", name]) => {
                let label = known
                    .labels
                    .iter()
                    .find(|(label, _)| label.eq_ignore_ascii_case(name));
                let (name, id) = label.ok_or_else(not_found)?;
                Ok(ApiReply::new(200, label_json(name, *id)))
            }
            ("GET", ["assignees"]) => {
                let logins = self.users.keys();
                let people = logins.filter(|login| self.may_be_assigned(login));
                let people = people.map(|login| self.user(login)).collect();
                self.page(call, &format!("/repositories/{repo}/assignees"), people)
            }
            ("GET", ["assignees", login]) => {
                let known = self
                    .spelled(login)
                    .filter(|login| self.may_be_assigned(login));
                known.ok_or_else(not_found)?;
                Ok(ApiReply::empty(204))
            }
            ("GET", ["issues"]) => self.list_issues(call, repo),
            ("POST", ["issues"]) => self.create_issue(call, repo),
            ("GET", ["issues", "comments"]) => self.list_comments(call, repo, None),
            ("GET" | "PATCH" | "DELETE", ["issues", "comments", id]) => {
                self.one_comment(call, repo, id)
            }
            (_, ["issues", number, rest @ ..]) => {
                let number = number.parse().map_err(|_| not_found())?;
                let gone = self.issue(repo, number).ok_or_else(not_found)?.gone;
                match gone {
                    None => self.in_issue(call, repo, number, rest),
                    Some(Gone::Deleted) => Err(no(410, "This issue was deleted")),
                    Some(Gone::Moved { repo, .. }) if !self.sees(repo) => Err(not_found()),
                    Some(Gone::Moved { repo, number }) => {
                        let tail: String = rest.iter().map(|step| format!("/{step}")).collect();
                        Err(self.redirect(
                            call,
                            &format!("/repositories/{repo}/issues/{number}{tail}"),
                            false,
                        ))
                    }
                }
            }
            (_, ["hooks", rest @ ..]) => {
                let may = match self.installation() {
                    Some(_) => self.has_permission("repository_hooks", "write"),
                    None => known.admin,
                };
                if !may {
                    return Err(self.forbidden("repository_hooks=write"));
                }
                self.in_hooks(call, repo, rest)
            }
            _ => Err(not_found()),
        }
    }

    fn in_issue(&mut self, call: &ReadRequest, repo: u64, number: u64, rest: &[&str]) -> Answer {
        let push = self.may_push(repo);
        let me = self.actor();
        match (call.method.as_str(), rest) {
            ("GET", []) => Ok(ApiReply::new(200, self.shown(call, repo, number))),
            ("PATCH", []) => {
                let body = json_body(call)?;
                let mut change = self.read_change(&body, push)?;
                let milestone = self.read_milestone(repo, &body)?;
                // Without push access it is silently dropped (docs/contracts/github.md#calls).
                change.milestone = milestone.filter(|_| push);
                let issue_type = self.read_type(repo, &body)?;
                change.issue_type = issue_type.filter(|_| push);
                let author = self
                    .issue(repo, number)
                    .is_some_and(|issue| issue.json["user"]["login"] == *me);
                if !push && !author {
                    return Err(self.forbidden("issues=write"));
                }
                self.change(repo, number, &me, &change);
                Ok(ApiReply::new(200, self.shown(call, repo, number)))
            }
            ("GET", ["dependencies", way @ ("blocked_by" | "blocking")]) => {
                let others = self.dependencies(repo, number, way).into_iter();
                let seen = others.filter(|(repo, _)| self.sees(*repo));
                let shown = seen.map(|(repo, number)| self.shown(call, repo, number));
                let path = format!("/repositories/{repo}/issues/{number}/dependencies/{way}");
                self.page(call, &path, shown.collect())
            }
            ("GET", ["sub_issues"]) => {
                let parts = self.sub_issues(repo, number).into_iter();
                let seen = parts.filter(|(repo, _)| self.sees(*repo));
                let shown = seen.map(|(repo, number)| self.shown(call, repo, number));
                let path = format!("/repositories/{repo}/issues/{number}/sub_issues");
                self.page(call, &path, shown.collect())
            }
            ("GET", ["parent"]) => {
                let at = self.parent_of(repo, number);
                let at = at.filter(|at| self.sees(at.0)).ok_or_else(not_found)?;
                Ok(ApiReply::new(200, self.shown(call, at.0, at.1)))
            }
            ("POST", ["sub_issues"]) => {
                if !push {
                    return Err(self.forbidden("issues=write"));
                }
                let part = self.new_part(&json_body(call)?, (repo, number))?;
                self.put_under(part, Some((repo, number)), &me);
                Ok(ApiReply::new(201, self.shown(call, repo, number)))
            }
            ("DELETE", ["sub_issue"]) => {
                if !push {
                    return Err(self.forbidden("issues=write"));
                }
                let part = self.part_in(&json_body(call)?)?;
                if self.parent_of(part.0, part.1) != Some((repo, number)) {
                    return Err(not_found());
                }
                self.put_under(part, None, &me);
                Ok(ApiReply::new(200, self.shown(call, repo, number)))
            }
            ("GET", ["comments"]) => self.list_comments(call, repo, Some(number)),
            ("POST", ["comments"]) => {
                let body = comment_body(&json_body(call)?)?;
                if self
                    .issue(repo, number)
                    .is_some_and(|issue| issue.json["locked"] == true)
                {
                    return Err(no(403, "Unable to create comment because issue is locked."));
                }
                let (_, comment) = self.comment(repo, number, &me, &body);
                let location = comment["url"].as_str().unwrap_or_default().to_owned();
                Ok(ApiReply::new(201, comment).with("location", location))
            }
            ("GET", ["labels"]) => Ok(ApiReply::new(
                200,
                self.show(repo, number)["labels"].clone(),
            )),
            ("POST", ["labels"]) => {
                let wanted = labels(json_body(call)?.get("labels"))?
                    .ok_or_else(|| invalid("Label", "labels", "missing_field", None))?;
                if !push {
                    return Err(self.forbidden("issues=write"));
                }
                let mut names = self.names_in(repo, number, "labels", "name");
                for name in wanted {
                    if !names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                        names.push(name);
                    }
                }
                self.change(
                    repo,
                    number,
                    &me,
                    &IssueChange {
                        labels: Some(names),
                        ..IssueChange::default()
                    },
                );
                Ok(ApiReply::new(
                    200,
                    self.show(repo, number)["labels"].clone(),
                ))
            }
            ("DELETE", ["labels", name]) => {
                if !push {
                    return Err(self.forbidden("issues=write"));
                }
                let mut names = self.names_in(repo, number, "labels", "name");
                let before = names.len();
                names.retain(|known| !known.eq_ignore_ascii_case(name));
                if names.len() == before {
                    return Err(no(404, "Label does not exist"));
                }
                self.change(
                    repo,
                    number,
                    &me,
                    &IssueChange {
                        labels: Some(names),
                        ..IssueChange::default()
                    },
                );
                Ok(ApiReply::new(
                    200,
                    self.show(repo, number)["labels"].clone(),
                ))
            }
            ("POST" | "DELETE", ["assignees"]) => {
                let adds = call.method == Method::POST;
                let wanted = logins(json_body(call)?.get("assignees"))?.unwrap_or_default();
                // In GitHub's spelling. Without push access all are silently ignored
                // (docs.github.com/rest/issues/assignees).
                let wanted: Vec<String> = wanted
                    .iter()
                    .filter(|_| push)
                    .filter_map(|login| self.spelled(login))
                    .collect();
                let mut names = self.names_in(repo, number, "assignees", "login");
                if adds {
                    for login in wanted {
                        if !names.contains(&login) && self.may_be_assigned(&login) {
                            names.push(login);
                        }
                    }
                    names.truncate(ASSIGNEES);
                } else {
                    names.retain(|login| !wanted.contains(login));
                }
                self.change(
                    repo,
                    number,
                    &me,
                    &IssueChange {
                        assignees: Some(names),
                        ..IssueChange::default()
                    },
                );
                Ok(ApiReply::new(
                    if adds { 201 } else { 200 },
                    self.shown(call, repo, number),
                ))
            }
            _ => Err(not_found()),
        }
    }

    /// The issue that a body names by its id, which is no number of an issue.
    fn part_in(&self, body: &Map<String, Value>) -> Result<(u64, u64), ApiReply> {
        let Some(id) = body.get("sub_issue_id") else {
            return Err(invalid("Issue", "sub_issue_id", "missing_field", None));
        };
        let id = id.as_u64();
        let id = id.ok_or_else(|| invalid("Issue", "sub_issue_id", "invalid", None))?;
        let found = self.with_id(id).filter(|at| self.sees(at.0));
        found.ok_or_else(not_found)
    }

    /// The issue that is to be a sub-issue of another (docs/contracts/github.md#sub-issues).
    fn new_part(
        &self,
        body: &Map<String, Value>,
        parent: (u64, u64),
    ) -> Result<(u64, u64), ApiReply> {
        let refused = |why: &str| {
            let message = "An error occurred while adding the sub-issue to the parent issue.";
            no(422, &format!("{message} {why}"))
        };
        let part = self.part_in(body)?;
        let owner = |at: (u64, u64)| self.repos.get(&at.0).map(Repo::owner);
        if owner(part) != owner(parent) {
            return Err(refused("Sub issue must belong to the same owner"));
        }
        let replaces = body.get("replace_parent") == Some(&json!(true));
        match self.parent_of(part.0, part.1) {
            Some(known) if known == parent => {
                return Err(refused(
                    "Issue may not contain duplicate sub-issues and Sub issue may only have one parent",
                ));
            }
            Some(_) if !replaces => {
                return Err(refused("Sub issue may only have one parent"));
            }
            _ => {}
        }
        if self.sub_issues(parent.0, parent.1).len() >= SUB_ISSUES {
            return Err(refused("Parent cannot have more than 100 sub-issues"));
        }
        let mut above = Some(parent);
        for _ in 0..LEVELS {
            match above {
                None => return Ok(part),
                Some(at) if at == part => break,
                Some(at) => above = self.parent_of(at.0, at.1),
            }
        }
        Err(refused(
            "Sub issues may not be nested so deep, or in a circle",
        ))
    }

    fn names_in(&self, repo: u64, number: u64, key: &str, field: &str) -> Vec<String> {
        let issue = self.show(repo, number);
        let items = issue[key].as_array().into_iter().flatten();
        items
            .map(|item| item[field].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The issue, with the singular `assignee` if the requested version has it (docs/contracts/github.md#requests).
    fn shown(&self, call: &ReadRequest, repo: u64, number: u64) -> Value {
        let mut issue = self.show(repo, number);
        if old(call) {
            issue["assignee"] = issue["assignees"].get(0).cloned().unwrap_or_default();
        }
        issue
    }

    /// Contract 4.2.
    fn create_issue(&mut self, call: &ReadRequest, repo: u64) -> Answer {
        let body = json_body(call)?;
        let push = self.may_push(repo);
        if !body.contains_key("title") {
            return Err(invalid("Issue", "title", "missing_field", None));
        }
        let change = self.read_change(&body, push)?;
        let issue_type = self.read_type(repo, &body)?.filter(|_| push);
        let wish = json!({
            "title": change.title, "body": change.body.flatten(), "labels": change.labels,
            "assignees": change.assignees, "user": self.actor(),
            "type": issue_type.map(|one| one["name"].clone()),
        });
        let number = self.add_issue(repo, &wish);
        let issue = self.shown(call, repo, number);
        let location = issue["url"].as_str().unwrap_or_default().to_owned();
        Ok(ApiReply::new(201, issue).with("location", location))
    }

    /// The fields of `POST …/issues` and `PATCH …/issues/{n}`. Without push access, labels and assignees are silently
    /// dropped (docs/contracts/github.md#calls).
    fn read_change(&self, body: &Map<String, Value>, push: bool) -> Result<IssueChange, ApiReply> {
        let mut change = IssueChange::default();
        match body.get("title") {
            None => {}
            Some(Value::String(title)) if title.trim().is_empty() => {
                return Err(invalid("Issue", "title", "missing_field", None));
            }
            Some(Value::String(title)) if title.chars().count() > TITLE => {
                return Err(invalid(
                    "Issue",
                    "title",
                    "custom",
                    Some("title is too long (maximum is 256 characters)"),
                ));
            }
            Some(Value::String(title)) => change.title = Some(title.clone()),
            Some(_) => return Err(invalid("Issue", "title", "invalid", None)),
        }
        match body.get("body") {
            None => {}
            Some(Value::Null) => change.body = Some(None),
            Some(Value::String(text)) => {
                short_enough("Issue", text)?;
                change.body = Some(Some(text.clone()));
            }
            Some(_) => return Err(invalid("Issue", "body", "invalid", None)),
        }
        let reason = match body.get("state_reason") {
            None | Some(Value::Null) => None,
            Some(Value::String(reason))
                if ["completed", "not_planned", "duplicate", "reopened"]
                    .contains(&reason.as_str()) =>
            {
                Some(reason.clone())
            }
            Some(_) => return Err(invalid("Issue", "state_reason", "invalid", None)),
        };
        match body.get("state") {
            None => {}
            Some(Value::String(state)) if state == "open" || state == "closed" => {
                change.state = Some((state.clone(), reason));
            }
            Some(_) => return Err(invalid("Issue", "state", "invalid", None)),
        }
        for key in ["milestone", "duplicate_issue_id"] {
            if body
                .get(key)
                .is_some_and(|id| !id.is_null() && !id.is_u64())
            {
                return Err(invalid("Issue", key, "invalid", None));
            }
        }
        let labels = labels(body.get("labels"))?;
        let assignees = logins(body.get("assignees"))?;
        let known = |login: &String| self.may_be_assigned(login);
        if assignees.iter().flatten().count() > ASSIGNEES || !assignees.iter().flatten().all(known)
        {
            return Err(invalid("Issue", "assignees", "invalid", None));
        }
        if push {
            change.labels = labels;
            change.assignees = assignees;
        }
        Ok(change)
    }

    /// The milestone that a body names by its number.
    fn read_milestone(
        &self,
        repo: u64,
        body: &Map<String, Value>,
    ) -> Result<Option<Value>, ApiReply> {
        let wanted = match body.get("milestone") {
            None => return Ok(None),
            Some(Value::Null) => return Ok(Some(Value::Null)),
            Some(number) => number.as_u64(),
        };
        let of_repo = self.repos.get(&repo).map(|repo| &repo.milestones);
        let found = of_repo.and_then(|all| all.get(&wanted?));
        match found {
            Some(milestone) => Ok(Some(milestone.clone())),
            None => Err(invalid("Issue", "milestone", "invalid", None)),
        }
    }

    /// The type that a body names. An empty name is none, too (docs/contracts/github.md#issue-types).
    fn read_type(&self, repo: u64, body: &Map<String, Value>) -> Result<Option<Value>, ApiReply> {
        let name = match body.get("type") {
            None => return Ok(None),
            Some(Value::Null) => return Ok(Some(Value::Null)),
            Some(Value::String(name)) if name.trim().is_empty() => return Ok(Some(Value::Null)),
            Some(Value::String(name)) => Some(name),
            Some(_) => None,
        };
        let found = name.and_then(|name| self.type_named(repo, name));
        match found {
            Some(found) => Ok(Some(found)),
            None => Err(invalid("Issue", "type", "invalid", None)),
        }
    }

    /// Contract 4.2: includes pull requests, and only open ones by default (1.1).
    fn list_issues(&self, call: &ReadRequest, repo: u64) -> Answer {
        let known = self.repos.get(&repo).ok_or_else(not_found)?;
        let found = self.chosen(call, known)?;
        let shown: Vec<_> = found
            .iter()
            .map(|number| self.shown(call, repo, *number))
            .collect();
        self.page(call, &format!("/repositories/{repo}/issues"), shown)
    }

    /// The numbers of the issues in a listing, in its order.
    fn chosen(&self, call: &ReadRequest, repo: &Repo) -> Result<Vec<u64>, ApiReply> {
        let bad = |field: &str| invalid("Issue", field, "invalid", None);
        let state = match call.one("state") {
            None | Some("open") => Some("open"),
            Some("closed") => Some("closed"),
            Some("all") => None,
            Some(_) => return Err(bad("state")),
        };
        let since = since(call)?;
        let order = match call.one("sort") {
            None | Some("created") => "created_at",
            Some("updated") => "updated_at",
            Some("comments") => "comments",
            Some(_) => return Err(bad("sort")),
        };
        let descends = descends(call, "desc")?;
        let labels: Vec<&str> = call
            .one("labels")
            .into_iter()
            .flat_map(|labels| labels.split(','))
            .collect();
        let has = |issue: &Value, key: &str, field: &str, wanted: &str| {
            issue[key]
                .as_array()
                .is_some_and(|items| items.iter().any(|item| item[field] == *wanted))
        };
        let mut found: Vec<(i64, u64)> = repo
            .issues
            .values()
            .filter(|issue| issue.gone.is_none() && self.listed(&issue.json, ISSUES))
            .filter(|issue| {
                let json = &issue.json;
                state.is_none_or(|state| json["state"] == *state)
                    && since.is_none_or(|since| updated(json) >= since)
                    && call
                        .one("creator")
                        .is_none_or(|login| json["user"]["login"] == *login)
                    && labels
                        .iter()
                        .all(|label| has(json, "labels", "name", label))
                    && match call.one("assignee") {
                        None => true,
                        Some("*") => json["assignees"] != json!([]),
                        Some("none") => json["assignees"] == json!([]),
                        Some(login) => has(json, "assignees", "login", login),
                    }
            })
            .map(|issue| {
                let key = match order {
                    "comments" => i64::try_from(issue.comments.len()).unwrap_or_default(),
                    field => issue.json[field]
                        .as_str()
                        .and_then(time)
                        .unwrap_or_default(),
                };
                (key, issue.json["number"].as_u64().unwrap_or_default())
            })
            .collect();
        found.sort_unstable();
        if descends {
            found.reverse();
        }
        Ok(found.into_iter().map(|(_, number)| number).collect())
    }

    /// Issues assigned to the token's user in all repositories (docs/contracts/github.md#calls).
    fn assigned(&self, call: &ReadRequest) -> Answer {
        if !matches!(call.one("filter"), None | Some("assigned")) {
            return Err(invalid("Issue", "filter", "invalid", None));
        }
        let mut all = Vec::new();
        for (id, repo) in self.repos.iter().filter(|(id, _)| self.sees(**id)) {
            for number in self.chosen(call, repo)? {
                let mut issue = self.shown(call, *id, number);
                if issue["assignees"]
                    .as_array()
                    .is_some_and(|users| users.iter().any(|user| user["login"] == *self.me))
                {
                    issue["repository"] = self.repo_json(*id);
                    all.push(issue);
                }
            }
        }
        self.page(call, "/issues", all)
    }

    /// One page, with `Link` to the other pages (docs/contracts/github.md#calls).
    fn page(&self, call: &ReadRequest, path: &str, items: Vec<Value>) -> Answer {
        let per_page = positive(call, "per_page")?.unwrap_or(30).min(100);
        let page = positive(call, "page")?.unwrap_or(1);
        let last = items.len().div_ceil(per_page).max(1);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(call.query().iter().filter(|(key, _)| key != "page"));
        let query = query.finish();
        let link = |page: usize, rel: &str| {
            let rest = if query.is_empty() {
                String::new()
            } else {
                format!("{query}&")
            };
            format!("<{}{path}?{rest}page={page}>; rel=\"{rel}\"", self.base)
        };
        let mut links = Vec::new();
        if page > 1 {
            links.push(link(page - 1, "prev"));
        }
        if page < last {
            links.push(link(page + 1, "next"));
            links.push(link(last, "last"));
        }
        if page > 1 {
            links.push(link(1, "first"));
        }
        let items: Vec<_> = items
            .into_iter()
            .skip((page - 1).saturating_mul(per_page))
            .take(per_page)
            .collect();
        let reply = ApiReply::new(200, json!(items));
        Ok(if links.is_empty() {
            reply
        } else {
            reply.with("link", links.join(", "))
        })
    }

    /// Comments of one issue, ascending; of a repository in the requested order (docs/contracts/github.md#calls).
    fn list_comments(&self, call: &ReadRequest, repo: u64, number: Option<u64>) -> Answer {
        let since = since(call)?;
        let known = self.repos.get(&repo).ok_or_else(not_found)?;
        let issues = known.issues.iter().filter(|(of, issue)| {
            number.is_none_or(|number| number == **of) && issue.gone.is_none()
        });
        let mut found: Vec<(u64, &Value)> = issues
            .flat_map(|(of, issue)| issue.comments.iter().map(|comment| (*of, comment)))
            .collect();
        found.retain(|(_, comment)| {
            since.is_none_or(|since| updated(comment) >= since) && self.listed(comment, COMMENTS)
        });
        if number.is_none() {
            let by_update = match call.one("sort") {
                None | Some("created") => false,
                Some("updated") => true,
                Some(_) => return Err(invalid("IssueComment", "sort", "invalid", None)),
            };
            found.sort_by_key(|(_, comment)| {
                (
                    if by_update { updated(comment) } else { 0 },
                    comment["id"].as_u64(),
                )
            });
            // `direction` has an effect only with `sort`.
            if call.one("sort").is_some() && descends(call, "asc")? {
                found.reverse();
            }
        }
        let shown: Vec<_> = found
            .iter()
            .map(|(of, comment)| self.show_comment(repo, *of, comment))
            .collect();
        let path = match number {
            Some(number) => format!("/repositories/{repo}/issues/{number}/comments"),
            None => format!("/repositories/{repo}/issues/comments"),
        };
        self.page(call, &path, shown)
    }

    fn one_comment(&mut self, call: &ReadRequest, repo: u64, id: &str) -> Answer {
        let id: u64 = id.parse().map_err(|_| not_found())?;
        let me = self.actor();
        let (_, number, place) = self
            .where_is(id)
            .filter(|(of, _, _)| *of == repo)
            .ok_or_else(not_found)?;
        let comment = self
            .issue(repo, number)
            .and_then(|issue| issue.comments.get(place))
            .ok_or_else(not_found)?;
        match call.method.as_str() {
            "GET" => Ok(ApiReply::new(200, self.show_comment(repo, number, comment))),
            "PATCH" => {
                let body = comment_body(&json_body(call)?)?;
                Ok(ApiReply::new(
                    200,
                    self.edit_comment(id, &me, &body).ok_or_else(not_found)?,
                ))
            }
            _ => {
                self.delete_comment(id, &me).ok_or_else(not_found)?;
                Ok(ApiReply::empty(204))
            }
        }
    }

    // Webhooks (docs/contracts/github.md#webhooks).

    fn in_hooks(&mut self, call: &ReadRequest, repo: u64, rest: &[&str]) -> Answer {
        if let ("GET", []) = (call.method.as_str(), rest) {
            let hooks = self
                .repos
                .get(&repo)
                .map(|repo| repo.hooks.as_slice())
                .unwrap_or_default();
            let hooks = hooks
                .iter()
                .map(|hook| self.hook_json(repo, hook))
                .collect();
            return self.page(call, &format!("/repositories/{repo}/hooks"), hooks);
        }
        if let ("POST", []) = (call.method.as_str(), rest) {
            return self.create_hook(repo, &json_body(call)?);
        }
        let [id, rest @ ..] = rest else {
            return Err(not_found());
        };
        let id: u64 = id.parse().map_err(|_| not_found())?;
        let hook = self.hook(repo, id).ok_or_else(not_found)?;
        match (call.method.as_str(), rest) {
            ("GET", []) => Ok(ApiReply::new(200, self.hook_json(repo, hook))),
            ("PATCH", []) => self.update_hook(repo, id, &json_body(call)?),
            ("DELETE", []) => {
                self.settings(repo, |repo| repo.hooks.retain(|hook| hook.id != id));
                Ok(ApiReply::empty(204))
            }
            ("POST", ["pings"]) => {
                self.ping(repo, id);
                Ok(ApiReply::empty(204))
            }
            ("GET", ["deliveries"]) => self.list_deliveries(call, repo, hook),
            ("GET", ["deliveries", delivery]) => {
                let (delivery, parcel) = logged(hook, delivery)?;
                let mut delivery = delivery.clone();
                let headers: Map<String, Value> = parcel
                    .headers
                    .iter()
                    .map(|(name, value)| (name.clone(), json!(value)))
                    .collect();
                delivery["url"] = json!(hook.url);
                delivery["request"] =
                    json!({ "headers": headers, "payload": payload(&parcel.body) });
                delivery["response"] = json!({ "headers": {}, "payload": null });
                Ok(ApiReply::new(200, delivery))
            }
            ("POST", ["deliveries", delivery, "attempts"]) => {
                let mut parcel = logged(hook, delivery)?.1.clone();
                // The GUID stays the same (docs/contracts/github.md#headers).
                parcel.attempt += 1;
                self.outgoing.push(parcel);
                Ok(ApiReply::new(202, json!({})))
            }
            _ => Err(not_found()),
        }
    }

    fn create_hook(&mut self, repo: u64, body: &Map<String, Value>) -> Answer {
        if body.get("name").is_some_and(|name| name != "web") {
            return Err(invalid("Hook", "name", "invalid", None));
        }
        let Some(config) = body.get("config").and_then(Value::as_object) else {
            return Err(invalid("Hook", "config", "missing_field", None));
        };
        let url = self.hook_url(config)?;
        let form = is_form(config)?;
        let events = events(body)?.unwrap_or_else(|| vec!["push".to_owned()]);
        let secret = secret(config)?;
        let active = flag(body, "active")?.unwrap_or(true);
        let hooks = self
            .repos
            .get(&repo)
            .map(|repo| repo.hooks.as_slice())
            .unwrap_or_default();
        let overlaps = |hook: &RepoWebhook| hook.events.iter().any(|event| events.contains(event));
        if hooks
            .iter()
            .any(|hook| hook.url == url && hook.form == form && overlaps(hook))
        {
            return Err(invalid(
                "Hook",
                "base",
                "custom",
                Some("Hook already exists on this repository"),
            ));
        }
        if events.iter().any(|event| {
            hooks
                .iter()
                .filter(|hook| hook.events.contains(event))
                .count()
                >= HOOKS
        }) {
            let message = "The \"push\" event cannot have more than 20 hooks"
                .replace("push", &events.join(", "));
            return Err(invalid("Hook", "base", "custom", Some(&message)));
        }
        let id = self.add_hook(repo, &url, events, form, secret, active);
        let hook = self.hook(repo, id).ok_or_else(not_found)?;
        let json = self.hook_json(repo, hook);
        let location = json["url"].as_str().unwrap_or_default().to_owned();
        Ok(ApiReply::new(201, json).with("location", location))
    }

    fn update_hook(&mut self, repo: u64, id: u64, body: &Map<String, Value>) -> Answer {
        let mut url = None;
        let mut form = None;
        let mut new_secret = None;
        if let Some(config) = body.get("config") {
            let config = config
                .as_object()
                .ok_or_else(|| invalid("Hook", "config", "invalid", None))?;
            url = Some(self.hook_url(config)?);
            form = Some(is_form(config)?);
            // A config replaces the old one completely: without a secret there is none afterwards.
            new_secret = Some(secret(config)?);
        }
        let events = events(body)?;
        let active = flag(body, "active")?;
        self.settings(repo, |repo| {
            let Some(hook) = repo.hooks.iter_mut().find(|hook| hook.id == id) else {
                return;
            };
            hook.url = url.unwrap_or_else(|| hook.url.clone());
            hook.form = form.unwrap_or(hook.form);
            hook.secret = new_secret.unwrap_or_else(|| hook.secret.clone());
            hook.events = events.unwrap_or_else(|| hook.events.clone());
            hook.active = active.unwrap_or(hook.active);
        });
        let hook = self.hook(repo, id).ok_or_else(not_found)?;
        Ok(ApiReply::new(200, self.hook_json(repo, hook)))
    }

    /// Contract 9.1: loopback is refused.
    fn hook_url(&self, config: &Map<String, Value>) -> Result<String, ApiReply> {
        let Some(address) = config.get("url").and_then(Value::as_str) else {
            return Err(invalid("Hook", "url", "missing_field", None));
        };
        match Url::parse(address) {
            Ok(url) if is_loopback(&url) && !self.allow_loopback => {
                let message =
                    "url is not supported because it isn't reachable over the public Internet";
                Err(invalid("Hook", "url", "custom", Some(message)))
            }
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(address.to_owned()),
            _ => Err(invalid("Hook", "url", "invalid", None)),
        }
    }

    /// Deliveries, newest first, with a cursor in `Link` (docs/contracts/github.md#delivery).
    fn list_deliveries(&self, call: &ReadRequest, repo: u64, hook: &RepoWebhook) -> Answer {
        let per_page = positive(call, "per_page")?.unwrap_or(30).min(100);
        let cursor = call.one("cursor").map(str::parse::<u64>).transpose();
        let cursor = cursor.map_err(|_| invalid("Delivery", "cursor", "invalid", None))?;
        let healthy = match call.one("status") {
            None => None,
            Some("success") => Some(true),
            Some("failure") => Some(false),
            Some(_) => return Err(invalid("Delivery", "status", "invalid", None)),
        };
        let mut found = hook
            .log
            .iter()
            .rev()
            .map(|(delivery, _)| delivery)
            .filter(|delivery| {
                cursor.is_none_or(|cursor| delivery["id"].as_u64() < Some(cursor))
                    && healthy.is_none_or(|healthy| (delivery["status"] == "OK") == healthy)
            });
        let page: Vec<_> = found.by_ref().take(per_page).collect();
        let more = found.next().is_some();
        let last = page
            .last()
            .map(|delivery| delivery["id"].clone())
            .unwrap_or_default();
        let reply = ApiReply::new(200, json!(page));
        if !more {
            return Ok(reply);
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(call.query().iter().filter(|(key, _)| key != "cursor"));
        query.append_pair("cursor", &last.to_string());
        let path = format!("/repositories/{repo}/hooks/{}/deliveries", hook.id);
        Ok(reply.with(
            "link",
            format!("<{}{path}?{}>; rel=\"next\"", self.base, query.finish()),
        ))
    }
}

fn refusal((status, message): AppRefusal) -> ApiReply {
    no(status, message)
}

fn installation<'a>(
    app: &'a SandboxApp,
    id: &str,
) -> Result<(u64, &'a SandboxInstallation), ApiReply> {
    let id: u64 = id.parse().map_err(|_| not_found())?;
    let one = app.installations.get(&id).ok_or_else(not_found)?;
    Ok((id, one))
}

/// Whether an endpoint is about a person, who does not exist for an installation.
fn is_of_a_person(call: &ReadRequest) -> bool {
    let steps = call.steps();
    let of_a_person = matches!(steps.as_slice(), ["user"] | ["user", "repos"] | ["issues"]);
    call.method == Method::GET && of_a_person
}

/// Whether an endpoint takes a JWT only.
fn is_of_the_app(call: &ReadRequest) -> bool {
    matches!(
        call.steps().as_slice(),
        ["app", ..] | ["repos", _, _, "installation"]
    )
}

/// A time in the form `2027-01-31 09:00:00 UTC` (docs/contracts/github.md#tokens).
fn expiry(at_ms: i64) -> String {
    DateTime::from_timestamp_millis(at_ms)
        .unwrap_or_default()
        .format("%Y-%m-%d %H:%M:%S UTC")
        .to_string()
}

fn version(call: &ReadRequest) -> &str {
    call.header("x-github-api-version")
        .unwrap_or(VERSIONS.first().copied().unwrap_or_default())
}

fn old(call: &ReadRequest) -> bool {
    version(call) == "2022-11-28"
}

/// Contract 6: adds an ETag to the answer to a GET, and answers 304 if the client has it.
fn tagged(call: &ReadRequest, reply: ApiReply) -> ApiReply {
    let Some(body) = reply
        .body
        .as_ref()
        .filter(|_| call.method == Method::GET && reply.status == 200)
    else {
        return reply;
    };
    let tag = format!("W/\"{}\"", digest(&format!("{} {body}", version(call))));
    let has = call.header("if-none-match").is_some_and(|known| {
        known
            .split(',')
            .any(|known| known.trim().trim_start_matches("W/") == tag.trim_start_matches("W/"))
    });
    if has {
        ApiReply {
            body: None,
            status: 304,
            ..reply
        }
        .with("etag", tag)
    } else {
        reply.with("etag", tag)
    }
}

fn time(text: &str) -> Option<i64> {
    // Years of more than four digits, too.
    text.parse::<DateTime<Utc>>().ok().map(|at| at.timestamp())
}

fn updated(thing: &Value) -> i64 {
    thing["updated_at"]
        .as_str()
        .and_then(time)
        .unwrap_or_default()
}

/// The `since` parameter, inclusive, in seconds since the epoch.
fn since(call: &ReadRequest) -> Result<Option<i64>, ApiReply> {
    call.one("since")
        .map(|text| time(text).ok_or_else(|| invalid("Issue", "since", "invalid", None)))
        .transpose()
}

fn descends(call: &ReadRequest, default: &str) -> Result<bool, ApiReply> {
    match call.one("direction").unwrap_or(default) {
        "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err(invalid("Issue", "direction", "invalid", None)),
    }
}

fn positive(call: &ReadRequest, key: &str) -> Result<Option<usize>, ApiReply> {
    let number = call
        .one(key)
        .map(|digits| digits.parse().ok().filter(|number| *number > 0));
    number
        .map(|number| number.ok_or_else(|| invalid("Search", key, "invalid", None)))
        .transpose()
}

fn json_body(call: &ReadRequest) -> Result<Map<String, Value>, ApiReply> {
    if !call.is_json() {
        return Err(no(415, "Unsupported Media Type"));
    }
    match serde_json::from_slice(&call.body) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err(no(400, "Body should be a JSON object")),
        Err(_) => Err(no(400, "Problems parsing JSON")),
    }
}

fn short_enough(resource: &str, body: &str) -> Result<(), ApiReply> {
    if body.chars().count() > BODY {
        return Err(invalid(
            resource,
            "body",
            "custom",
            Some("body is too long (maximum is 65536 characters)"),
        ));
    }
    Ok(())
}

fn comment_body(body: &Map<String, Value>) -> Result<String, ApiReply> {
    match body.get("body") {
        None => Err(invalid("IssueComment", "body", "missing_field", None)),
        Some(Value::String(text)) if text.trim().is_empty() => Err(invalid(
            "IssueComment",
            "body",
            "unprocessable",
            Some("Body can't be blank"),
        )),
        Some(Value::String(text)) => {
            short_enough("IssueComment", text)?;
            Ok(text.clone())
        }
        Some(_) => Err(invalid("IssueComment", "body", "invalid", None)),
    }
}

/// Labels as names, or as objects with a name.
fn labels(value: Option<&Value>) -> Result<Option<Vec<String>>, ApiReply> {
    let name = |label: &Value| {
        label
            .as_str()
            .or_else(|| label["name"].as_str())
            .map(str::to_owned)
    };
    texts(value, "labels", name)
}

fn logins(value: Option<&Value>) -> Result<Option<Vec<String>>, ApiReply> {
    texts(value, "assignees", |login| {
        login.as_str().map(str::to_owned)
    })
}

fn texts(
    value: Option<&Value>,
    field: &str,
    read: impl Fn(&Value) -> Option<String>,
) -> Result<Option<Vec<String>>, ApiReply> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => {
            let texts: Option<Vec<_>> = items.iter().map(read).collect();
            texts
                .map(Some)
                .ok_or_else(|| invalid("Issue", field, "invalid", None))
        }
        Some(_) => Err(invalid("Issue", field, "invalid", None)),
    }
}

fn flag(body: &Map<String, Value>, key: &str) -> Result<Option<bool>, ApiReply> {
    match body.get(key) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(invalid("Hook", key, "invalid", None)),
    }
}

/// Whether the content type is a form, also the default (docs/contracts/github.md#registering).
fn is_form(config: &Map<String, Value>) -> Result<bool, ApiReply> {
    match config.get("content_type").map(Value::as_str) {
        None | Some(Some("form")) => Ok(true),
        Some(Some("json")) => Ok(false),
        Some(_) => Err(invalid("Hook", "content_type", "invalid", None)),
    }
}

fn secret(config: &Map<String, Value>) -> Result<Option<String>, ApiReply> {
    match config.get("secret") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(secret)) => Ok(Some(secret.clone()).filter(|secret| !secret.is_empty())),
        Some(_) => Err(invalid("Hook", "secret", "invalid", None)),
    }
}

fn events(body: &Map<String, Value>) -> Result<Option<Vec<String>>, ApiReply> {
    let bad = || invalid("Hook", "events", "invalid", None);
    let Some(events) = body.get("events") else {
        return Ok(None);
    };
    let events: Option<Vec<String>> = events
        .as_array()
        .ok_or_else(bad)?
        .iter()
        .map(|event| event.as_str().map(str::to_owned))
        .collect();
    let events = events.ok_or_else(bad)?;
    if events.is_empty() || !events.iter().all(|event| EVENTS.contains(&event.as_str())) {
        return Err(bad());
    }
    Ok(Some(events))
}

fn logged<'a>(
    hook: &'a RepoWebhook,
    id: &str,
) -> Result<&'a (Value, crate::sandbox::webhook_sender::DeliveryAttempt), ApiReply> {
    let id: u64 = id.parse().map_err(|_| not_found())?;
    hook.log
        .iter()
        .find(|(delivery, _)| delivery["id"] == id)
        .ok_or_else(not_found)
}

/// The body of a delivery as the API shows it: the event, decoded from JSON or a form.
fn payload(body: &str) -> Value {
    let form = url::form_urlencoded::parse(body.as_bytes())
        .find(|(key, _)| key == "payload")
        .map(|(_, value)| value);
    serde_json::from_str(body)
        .or_else(|_| serde_json::from_str(&form.unwrap_or_default()))
        .unwrap_or_default()
}
