//! Payloads of GitHub → source events; and the webhooks themselves: creating, adopting and reactivating them, and their
//! missed deliveries.
//!
//! A payload has the whole issue, mapped as in a listing. An incomplete one is a hint, and a read decides. Repositories
//! count by their id: a reused name belongs to a stranger (docs/contracts/github.md#names-that-change).

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;
use url::Url;

use crate::domain::event::{Activity, ActivityKind, Actor, MissingParts, SourceEvent, TaskField};
use crate::domain::operation::WriteError;
use crate::domain::source::{
    Delivery, DeliveryRefusal, Headers, Places, SignatureCheck, SignedDelivery, UnreadablePayload,
    Webhook, WebhookFacts, WebhookKeeper, WebhookReader, WebhookRules,
};
use crate::domain::task::{RepoName, Source, Task, TaskKey};
use crate::http_client::refused;
use crate::http_client::webhook::{self, Signature};
use crate::lenient;
use crate::limits::Limit;

use super::GitHub;
use super::app::{AppAccess, AppFailure};
use super::client::{ReadAnswer, Request};
use super::wire::{
    Attempt, AttemptDetail, HookPayload, HookRepository, Label, LastResponse, Listed, Numbered,
    User, WireHook, whole_issue,
};

/// The events that we subscribe to.
pub(super) const EVENTS: [&str; 5] = [
    "issues",
    "issue_comment",
    "repository",
    "sub_issues",
    "issue_dependencies",
];
/// Those that every Enterprise server supports.
pub(super) const OLDER_EVENTS: [&str; 3] = ["issues", "issue_comment", "repository"];
/// How many of ours an Enterprise server supports: without dependencies, and, if it is older, without sub-issues.
const OLDER: [usize; 2] = [4, OLDER_EVENTS.len()];

/// Events that a webhook with "send me everything" sends as well, and those of every webhook or app.
const IGNORED: [&str; 26] = [
    "check_run",
    "check_suite",
    "commit_comment",
    "create",
    "delete",
    "deployment",
    "deployment_status",
    "discussion",
    "fork",
    "installation",
    "installation_repositories",
    "label",
    "meta",
    "milestone",
    "ping",
    "public",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "push",
    "release",
    "star",
    "status",
    "watch",
    "workflow_job",
    "workflow_run",
];

/// Contract github 9.3.
const SIGNATURE: Signature = Signature {
    headers: &["x-hub-signature-256"],
    prefix: "sha256=",
};

pub(crate) const FACTS: WebhookFacts = WebhookFacts {
    chooses_secret: false,
    on_unknown_secret: "Run `ivan webhooks register` with its address to set a new one",
    on_refusal: "Only a token of a repository administrator may manage webhooks: fine-grained with the permission Webhooks: \
         read and write (Settings → Developer settings → Fine-grained tokens → Edit), or classic with the scope \
         admin:repo_hook. Or create the webhook by hand: the repository's Settings → Webhooks → Add webhook; content \
         type application/json; secret github.webhook_secret; events Issues, Issue comments, Issue dependencies, \
         Sub-issues and Repositories",
};

/// Of an App, whose one webhook is a part of its settings.
const APP_FACTS: WebhookFacts = WebhookFacts {
    chooses_secret: false,
    on_unknown_secret: "Set github.webhook_secret to the secret in the App's settings → Webhook, and restart",
    on_refusal: "A GitHub App has one webhook for all its repositories. In the App's settings → General → Webhook, tick Active, set \
         the URL https://<your address>/webhooks/github and a secret; in Permissions & events, subscribe to Issues, Issue \
         comment, Issue dependencies, Sub-issues and Repository. Set github.webhook_secret to the same secret, and restart Ivan",
};

/// Actions on an issue that may change its task (docs/contracts/github.md#events). New ones appear without notice and are ignored.
const ISSUE_ACTIONS: [&str; 18] = [
    "opened",
    "edited",
    "pinned",
    "unpinned",
    "closed",
    "reopened",
    "assigned",
    "unassigned",
    "labeled",
    "unlabeled",
    "locked",
    "unlocked",
    "milestoned",
    "demilestoned",
    "typed",
    "untyped",
    "field_added",
    "field_removed",
];

/// How long GitHub keeps deliveries (docs/contracts/github.md#delivery).
const DELIVERIES_KEPT: TimeDelta = TimeDelta::days(3);
const PER_PAGE: usize = 100;
/// How many pages of webhooks or deliveries are read. The poll completes the rest.
const PAGES_MAX: usize = 20;
/// How many missed deliveries are fetched at once, one request each: the newest.
const MISSED_MAX: usize = 200;
/// The most bytes of them.
const MISSED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The place of an App's webhook, where its name is not known.
const OF_THE_APP: &str = "the GitHub App";
const NEEDS: &str = "Managing webhooks needs the permission `Webhooks: read and write` (fine-grained token) or the scope \
     `admin:repo_hook` (classic), and an administrator's account";

// ---------------------------------------------------------------- requests and payloads

/// Whether the body is a form with the JSON in it (docs/contracts/github.md#body-and-signature).
fn is_form(headers: &Headers<'_>) -> bool {
    let essence = headers
        .get("content-type")
        .and_then(|content| content.split(';').next());
    essence.is_some_and(|essence| {
        essence
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

/// `payload` of a form (docs/contracts/github.md#body-and-signature).
fn form_payload(body: &[u8]) -> Result<Vec<u8>, DeliveryRefusal> {
    let mut fields = body.split(|&byte| byte == b'&');
    let payload = fields.find_map(|field| field.strip_prefix(b"payload="));
    let payload = payload
        .ok_or_else(|| DeliveryRefusal::Unreadable("The form has no field `payload`".to_owned()))?;
    Ok(form_decoded(payload))
}

/// Decodes a value of a form into one buffer: it may be as large as a body.
pub(super) fn form_decoded(value: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let mut escaped = [0_u8];
        let digits = after.get(..2).filter(|_| byte == b'%');
        let is_escaped =
            digits.is_some_and(|digits| hex::decode_to_slice(digits, &mut escaped).is_ok());
        rest = after;
        decoded.push(match (byte, escaped) {
            (b'%', [escaped]) if is_escaped => {
                rest = after.get(2..).unwrap_or_default();
                escaped
            }
            (b'+', _) => b' ',
            (byte, _) => byte,
        });
    }
    decoded
}

/// Whether we follow a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Followed,
    /// Its name is configured, but not verified yet: the read will do that.
    Perhaps,
    Stranger,
}

#[async_trait]
impl WebhookReader for GitHub {
    fn source(&self) -> Source {
        Source::GitHub
    }

    /// GitHub sends no larger body (docs/contracts/github.md#body-and-signature).
    fn terms(&self) -> WebhookRules {
        WebhookRules {
            body_max: 25 * 1024 * 1024,
            signature: "X-Hub-Signature-256: sha256=<64 hex digits>",
            suspends_at_401: false,
        }
    }

    fn has_signature(&self, headers: &Headers<'_>) -> bool {
        SIGNATURE.is_claimed(headers)
    }

    /// A header names it (docs/contracts/github.md#headers).
    fn hook_id(&self, headers: &Headers<'_>, _: &[u8]) -> Option<String> {
        webhook::header(headers, "x-github-hook-id")
    }

    fn check(&self, headers: &Headers<'_>, secret: &str) -> Box<dyn SignatureCheck> {
        SIGNATURE.check(headers, secret)
    }

    fn delivery(
        &self,
        headers: &Headers<'_>,
        body: Vec<u8>,
        _: DateTime<Utc>,
    ) -> Result<Delivery, DeliveryRefusal> {
        let event = webhook::header(headers, "x-github-event").ok_or_else(|| {
            DeliveryRefusal::Unreadable("The header X-GitHub-Event is missing".to_owned())
        })?;
        webhook::is_read(&event, &EVENTS, IGNORED.contains(&event.as_str()))?;
        // The same for every repetition, and for every webhook that got the event (docs/contracts/github.md#delivery).
        let guid = webhook::header(headers, "x-github-delivery");
        let dedupe_key = guid.unwrap_or_else(|| format!("sha256:{}", webhook::hash(&body)));
        let payload = match is_form(headers) {
            true => form_payload(&body)?,
            false => body,
        };
        let IgnoredAny = webhook::object(&payload)?;
        Ok(Delivery {
            source: Source::GitHub,
            dedupe_key,
            event,
            payload,
        })
    }

    /// Also verifies the configured names: until then their events are only hints.
    async fn prepare(&self) -> Result<(), WriteError> {
        self.me().await?;
        let resolved = self.resolve_all().await.into_iter();
        let errors = resolved.filter_map(|(_, resolved)| resolved.err());
        // A refused repository does not hold back the others.
        let unanswered = errors.filter(|error| !matches!(error, WriteError::Refused { .. }));
        WriteError::together(unanswered.collect()).map_or(Ok(()), Err)
    }

    fn read(&self, delivery: &Delivery) -> Result<Vec<SourceEvent>, UnreadablePayload> {
        let unreadable = |why: String| UnreadablePayload {
            event: delivery.event.clone(),
            why,
        };
        let event = delivery.event.as_str();
        if !EVENTS.contains(&event) {
            return Ok(Vec::new());
        }
        let text = lenient::payload(&delivery.payload);
        let payload: HookPayload<'_> = webhook::payload(delivery, &text)?;
        let missing = |what: &str| unreadable(format!("it names no {what}"));
        let action = payload.action.as_deref();
        let action = action.ok_or_else(|| missing("action"))?;
        match event {
            "issue_dependencies" => {
                let waits = self.depends(&payload, action);
                return waits.ok_or_else(|| missing("issue that waits"));
            }
            "sub_issues" => {
                let parts = self.has_parts(&payload, action);
                return parts.ok_or_else(|| missing("issue and its parent"));
            }
            _ => {}
        }
        let id = payload.repository.id;
        let id = id.ok_or_else(|| missing("repository"))?;
        if event == "repository" {
            let renamed = self.renamed(&payload.repository, id, action);
            return renamed.ok_or_else(|| missing("repository by its name"));
        }
        let known = match event {
            "issues" => {
                ISSUE_ACTIONS.contains(&action) || matches!(action, "transferred" | "deleted")
            }
            _ => matches!(action, "created" | "edited" | "deleted"),
        };
        if !known {
            return Ok(Vec::new());
        }
        let issue: Numbered = payload
            .issue
            .and_then(|issue| serde_json::from_str(issue.get()).ok())
            .unwrap_or_default();
        if issue.is_pull_request() {
            return Ok(Vec::new());
        }
        let number = issue.number.filter(|&number| number > 0);
        let key = TaskKey::github(id, number.ok_or_else(|| missing("issue"))?);
        let acts = self.acts(event, action, &payload, &issue);
        Ok(match (event, action) {
            ("issues", "transferred") => self.transferred(&payload, key),
            // The event's name is not signed: with another one, a deleted comment looks like this. The read decides.
            ("issues", "deleted") => match self.standing(&payload.repository) {
                Standing::Followed | Standing::Perhaps => vec![SourceEvent::Look { key, acts }],
                Standing::Stranger => Vec::new(),
            },
            ("issues", "opened") => {
                // The other half of a transfer: a webhook on one side receives only that (docs/contracts/github.md#names-that-change).
                let from = payload.changes.from();
                let from = from.filter(|(repository, _)| self.known_name(*repository).is_some());
                let moved = from.map(|(repository, number)| SourceEvent::Moved {
                    key: TaskKey::github(repository, number),
                    to: Some(key.clone()),
                    acts: Vec::new(),
                });
                let seen = self.seen(&payload, key, event, action, acts);
                moved.into_iter().chain(seen).collect()
            }
            _ => self
                .seen(&payload, key, event, action, acts)
                .into_iter()
                .collect(),
        })
    }
}

impl GitHub {
    fn standing(&self, repository: &HookRepository) -> Standing {
        let Some(id) = repository.id else {
            return Standing::Stranger;
        };
        if self.known_name(id).is_some() {
            return Standing::Followed;
        }
        let name = repository.name();
        let may_be = self.lock_followed().iter().any(|one| {
            one.known.is_none() && name.as_ref().is_some_and(|name| name.is(&one.configured))
        });
        if may_be {
            Standing::Perhaps
        } else {
            Standing::Stranger
        }
    }

    /// The new name in a `repository` event; other changes are ignored. `None` if it should have one and lacks it.
    fn renamed(
        &self,
        repository: &HookRepository,
        id: u64,
        action: &str,
    ) -> Option<Vec<SourceEvent>> {
        if !matches!(action, "renamed" | "transferred") || self.known_name(id).is_none() {
            return Some(Vec::new());
        }
        Some(vec![SourceEvent::Renamed {
            container: id.to_string(),
            name: repository.name()?,
        }])
    }

    /// A dependency was added or removed: the waiting issue is read again. It is in the webhook's repository, or in the
    /// other one that the payload names. `None` if it names neither.
    fn depends(&self, payload: &HookPayload<'_>, action: &str) -> Option<Vec<SourceEvent>> {
        let of_the_blocker = match action {
            "blocked_by_added" | "blocked_by_removed" => false,
            "blocking_added" | "blocking_removed" => true,
            _ => return Some(Vec::new()),
        };
        let (issue, elsewhere) = (&payload.blocked_issue, &payload.blocked_issue_repo);
        self.look(payload, issue, elsewhere, !of_the_blocker)
    }

    /// An issue became a sub-issue, or is one no more: it and its parent are read again. The sub-issue comes first,
    /// because the parent's count depends on it. `None` if the payload lacks one of them.
    fn has_parts(&self, payload: &HookPayload<'_>, action: &str) -> Option<Vec<SourceEvent>> {
        let of_the_parent = match action {
            "sub_issue_added" | "sub_issue_removed" => true,
            "parent_issue_added" | "parent_issue_removed" => false,
            _ => return Some(Vec::new()),
        };
        let (part, part_at) = (&payload.sub_issue, &payload.sub_issue_repo);
        let (parent, parent_at) = (&payload.parent_issue, &payload.parent_issue_repo);
        let mut looks = self.look(payload, part, part_at, !of_the_parent)?;
        looks.extend(self.look(payload, parent, parent_at, of_the_parent)?);
        Some(looks)
    }

    /// A hint to read one of the two issues of a payload, if its repository is followed. That is the webhook's own
    /// (`is_own`), or the one that the payload names beside the issue. `None` if it has no number.
    fn look(
        &self,
        payload: &HookPayload<'_>,
        issue: &Numbered,
        elsewhere: &HookRepository,
        is_own: bool,
    ) -> Option<Vec<SourceEvent>> {
        let number = issue.number.filter(|&number| number > 0)?;
        let own = &payload.repository;
        let is_here = || {
            let home = issue.repository()?;
            Some(own.name()?.is(&home))
        };
        let repository = match elsewhere.id {
            Some(_) => elsewhere,
            None if is_own || is_here() == Some(true) => own,
            None => return Some(Vec::new()),
        };
        let id = repository.id?;
        Some(match self.standing(repository) {
            Standing::Followed | Standing::Perhaps => vec![SourceEvent::Look {
                key: TaskKey::github(id, number),
                acts: Vec::new(),
            }],
            Standing::Stranger => Vec::new(),
        })
    }

    /// The issue after the event; a hint if the payload is incomplete.
    fn seen(
        &self,
        payload: &HookPayload<'_>,
        key: TaskKey,
        event: &str,
        action: &str,
        acts: Vec<Activity>,
    ) -> Option<SourceEvent> {
        let task = match self.standing(&payload.repository) {
            Standing::Followed => self.task(payload),
            Standing::Perhaps => None,
            Standing::Stranger => return None,
        };
        // The event is about a type that the issue does not show.
        let is_silent = |task: &Task, lacks: &MissingParts| match action {
            "typed" => task.task_type.is_none(),
            "untyped" => lacks.types,
            _ => false,
        };
        let task = task.filter(|(task, lacks)| !is_silent(task, lacks));
        let Some((mut task, lacks)) = task else {
            return Some(SourceEvent::Look { key, acts });
        };
        match (event, action) {
            // The issue of a payload lacks who closed it. For this event it is the sender.
            ("issues", "closed") => {
                if let Some(closed) = &mut task.closed
                    && closed.by.is_none()
                    && let Some(actor) = self.actor(payload)
                {
                    closed.by_us = self.known_me().map(|_| actor.us);
                    closed.by = Some(actor.account);
                }
            }
            ("issues", "reopened") => task.reopened = task.closed.is_none(),
            _ => {}
        }
        Some(SourceEvent::Seen { task, acts, lacks })
    }

    /// The issue of a payload, if complete, and the parts that it lacks. A waiting issue does not name its blockers.
    fn task(&self, payload: &HookPayload<'_>) -> Option<(Task, MissingParts)> {
        let issue = whole_issue(payload.issue?).filter(|issue| !issue.waits())?;
        let name = payload.repository.name()?;
        let id = payload.repository.id?;
        let lacks = issue.lacks();
        let task = issue.into_task(&self.mapping, id, &name, self.known_me());
        Some((task.ok()?, lacks))
    }

    /// The issue has another key now. If only this half arrives, the new task has to be looked up.
    fn transferred(&self, payload: &HookPayload<'_>, key: TaskKey) -> Vec<SourceEvent> {
        let is_followed = match self.standing(&payload.repository) {
            Standing::Stranger => return Vec::new(),
            standing => standing == Standing::Followed,
        };
        let acts = Vec::new();
        match payload.changes.to().filter(|_| is_followed) {
            None => vec![SourceEvent::Look { key, acts }],
            Some((repository, number)) => {
                let to = TaskKey::github(repository, number);
                let look = self.known_name(repository).map(|_| SourceEvent::Look {
                    key: to.clone(),
                    acts: Vec::new(),
                });
                let moved = SourceEvent::Moved {
                    key,
                    to: Some(to),
                    acts,
                };
                std::iter::once(moved).chain(look).collect()
            }
        }
    }

    /// The actions, as far as people are notified of them.
    fn acts(
        &self,
        event: &str,
        action: &str,
        payload: &HookPayload<'_>,
        issue: &Numbered,
    ) -> Vec<Activity> {
        let mut by = self.actor(payload);
        let mut at = issue.updated_at;
        let what = match (event, action) {
            ("issues", "closed") => {
                at = issue.closed_at.or(at);
                Some(ActivityKind::Completed)
            }
            ("issues", "reopened") => Some(ActivityKind::Reopened),
            ("issues", "deleted") => Some(ActivityKind::Deleted),
            ("issues", "assigned") => {
                let to = payload.assignee.as_ref().map(User::account);
                to.map(|to| ActivityKind::Assigned { to })
            }
            ("issues", "unassigned") => {
                let from = payload.assignee.as_ref().map(User::account);
                from.map(|from| ActivityKind::Unassigned { from })
            }
            ("issues", "edited") => {
                payload
                    .changes
                    .is_of_title()
                    .then_some(ActivityKind::Changed {
                        field: TaskField::Title,
                    })
            }
            ("issues", "labeled" | "unlabeled") => {
                let label = payload.label.clone().map(Label::name);
                let ranks = label.and_then(|label| self.mapping.priority(&[label]));
                ranks.map(|_| ActivityKind::Changed {
                    field: TaskField::Priority,
                })
            }
            // An edit is no new comment.
            ("issue_comment", "created") => payload.comment.as_ref().map(|comment| {
                at = comment.created_at.or(at);
                by = by.take().or(comment
                    .user
                    .as_ref()
                    .map(|user| self.known(user, user.is_bot())));
                if let Some(by) = &mut by {
                    by.outside = comment.is_by_an_outsider();
                }
                let (text, operation) = comment.text();
                ActivityKind::Commented {
                    id: comment.id.to_string(),
                    text: text.into(),
                    operation,
                }
            }),
            _ => None,
        };
        let act = what.zip(at).map(|(what, at)| Activity { by, at, what });
        act.into_iter().collect()
    }

    fn actor(&self, payload: &HookPayload<'_>) -> Option<Actor> {
        let user = payload.sender.user()?;
        Some(self.known(&user, payload.sender.is_bot()))
    }

    pub(super) fn known(&self, user: &User, is_bot: bool) -> Actor {
        let us = self.known_me().is_some_and(|me| me.id == user.id);
        Actor {
            account: user.account(),
            // An app's login shows that itself (docs/contracts/github.md#tokens).
            bot: us || is_bot || user.login.ends_with("[bot]"),
            us,
            outside: false,
        }
    }

    /// The account that we write as, if it was requested already.
    fn known_me(&self) -> Option<&User> {
        self.me.get().and_then(Option::as_ref)
    }
}

// ---------------------------------------------------------------- the webhooks

#[async_trait]
impl WebhookKeeper for GitHub {
    fn source(&self) -> Source {
        Source::GitHub
    }

    fn facts(&self) -> WebhookFacts {
        match self.app {
            Some(_) => APP_FACTS,
            None => FACTS,
        }
    }

    async fn list(&self) -> Places<Webhook> {
        let mut hooks = Places::default();
        if let Some(app) = &self.app {
            match self.hooks_of_the_app(app).await {
                Ok(found) => hooks.found.extend(found),
                Err(error) => hooks.refused.push((OF_THE_APP.to_owned(), error)),
            }
            return hooks;
        }
        for (name, place) in self.places().await {
            match self.listed(place).await {
                Ok(found) => hooks.found.extend(found),
                Err(error) => hooks.refused.push((name, error)),
            }
        }
        hooks
    }

    async fn registered_elsewhere(&self, url: &str) -> Option<WriteError> {
        let app = self.app.as_ref()?;
        Some(self.app_has_its_own(app, Some(url)).await)
    }

    async fn register(&self, url: &str, secret: &str) -> Places<Webhook> {
        let mut hooks = Places::default();
        if let Some(app) = &self.app {
            let refusal = self.app_has_its_own(app, Some(url)).await;
            hooks.refused.push((OF_THE_APP.to_owned(), refusal));
            return hooks;
        }
        for (name, place) in self.places().await {
            match self.registered(place, url, secret).await {
                Ok(hook) => hooks.found.push(hook),
                Err(error) => hooks.refused.push((name, error)),
            }
        }
        hooks
    }

    async fn reactivate(&self, hook: &Webhook) -> Result<(), WriteError> {
        if let Some(app) = &self.app {
            return Err(self.app_has_its_own(app, None).await);
        }
        let (id, name) = self.place_of(hook).await?;
        // Without a `config`, which would remove the secret.
        let body = json!({"active": true});
        self.change_hook(id, name, &hook.id, &body)
            .await
            .map(|_| ())
    }

    async fn remove(&self, hook: &Webhook) -> Result<(), WriteError> {
        if let Some(app) = &self.app {
            return Err(self.app_has_its_own(app, None).await);
        }
        let (id, name) = self.place_of(hook).await?;
        let delete = |name: &RepoName| {
            let path = format!("/repos/{name}/hooks/{}", hook.id);
            Request::delete(path, thing(name)).needing(NEEDS)
        };
        let (IgnoredAny, _) = self.write(id, name, delete).await?;
        Ok(())
    }

    /// GitHub sends the same when a webhook is made (docs/contracts/github.md#events).
    fn test_delivery(&self, hook: &Webhook, secret: &str) -> SignedDelivery {
        let body = json!({"zen": "Checked by ivan doctor", "hook_id": hook.id}).to_string();
        let body = body.into_bytes();
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-github-event", "ping".to_owned()),
            ("x-github-hook-id", hook.id.clone()),
        ];
        headers.extend(SIGNATURE.sign(secret, &body));
        SignedDelivery { headers, body }
    }

    /// The attempts of one delivery share their GUID. At worst, deliveries that the inbox has are fetched again, as
    /// duplicates.
    async fn missed(
        &self,
        hook: &Webhook,
        since: DateTime<Utc>,
    ) -> Result<Vec<Delivery>, WriteError> {
        if self.app.is_some() {
            // The next poll finds the changes.
            return Ok(Vec::new());
        }
        let (_, name) = self.place_of(hook).await?;
        let since = since.max(self.client.rest.now() - DELIVERIES_KEPT);
        let mut failed = self.attempts(&name, hook, "failure", since).await?;
        failed.retain(|one| !one.is_delivered() && EVENTS.contains(&one.event.as_str()));
        let Some(oldest) = failed.iter().map(|one| one.delivered_at).min() else {
            return Ok(Vec::new());
        };
        let delivered = self.attempts(&name, hook, "success", oldest).await?;
        let delivered = delivered.into_iter().filter(Attempt::is_delivered);
        let mut healthy: BTreeSet<String> = delivered.map(|one| one.guid).collect();
        // The newest attempt stands for all of its delivery.
        failed.retain(|one| healthy.insert(one.guid.clone()));
        if failed.len() > MISSED_MAX {
            Limit::Missed.reached(format_args!("{} deliveries to {name} failed; {MISSED_MAX} are fetched, and the poll finds the rest", failed.len()));
            failed.truncate(MISSED_MAX);
        }
        let (mut missed, mut bytes) = (Vec::new(), 0);
        for attempt in failed.into_iter().rev() {
            let Some(delivery) = self.fetch(&name, hook, attempt).await? else {
                continue;
            };
            bytes += delivery.payload.len();
            missed.push(delivery);
            if bytes > MISSED_BYTES_MAX {
                Limit::Missed.reached(format_args!("the failed deliveries to {name} are longer than {MISSED_BYTES_MAX} bytes; some are fetched, and \
                     the poll finds the rest"));
                break;
            }
        }
        Ok(missed)
    }
}

impl GitHub {
    /// The App's webhook for each followed repository, if it has an address. GitHub shows neither its number nor whether
    /// it is active.
    async fn hooks_of_the_app(&self, app: &AppAccess) -> Result<Vec<Webhook>, WriteError> {
        let failed = |failure: AppFailure| self.client.without_token(failure.into());
        let Some(url) = app.hook_url().await.map_err(failed)? else {
            return Ok(Vec::new());
        };
        let identity = app.identity().await.map_err(failed)?;
        let health = format!("the webhook of the App {}", identity.slug);
        let health = health + &missing_events(&identity.events);
        let followed = self.lock_followed();
        let hooks = followed.iter().map(|one| Webhook {
            source: Source::GitHub,
            id: format!("app-{}", identity.slug),
            place: one.configured.to_string(),
            url: url.clone(),
            events: identity.events.clone(),
            active: true,
            health: health.clone(),
            secret: None,
        });
        Ok(hooks.collect())
    }

    /// The refusal to change the App's webhook, which serves all its installations.
    async fn app_has_its_own(&self, app: &AppAccess, url: Option<&str>) -> WriteError {
        let settings = match app.identity().await {
            Ok(identity) => format!("the settings of the App {}", identity.slug),
            Err(_) => "the App's settings".to_owned(),
        };
        refused(match url {
            Some(url) => {
                format!("a GitHub App has its own webhook. Set its URL to {url} in {settings}")
            }
            None => format!("a GitHub App has its own webhook, which is managed in {settings}"),
        })
    }

    /// The followed repositories, each once, by their names in bot.toml. All of them are tried, even if one refuses.
    async fn places(&self) -> Vec<(String, Result<(u64, RepoName), WriteError>)> {
        let mut seen = BTreeSet::new();
        let mut places = Vec::new();
        for (configured, resolved) in self.resolve_all().await {
            let place = match resolved {
                Ok((id, _)) if !seen.insert(id) => continue,
                Ok((id, _)) => self.locate(id).await.map(|name| (id, name)),
                Err(error) => Err(error),
            };
            places.push((configured.to_string(), place));
        }
        places
    }

    async fn listed(
        &self,
        place: Result<(u64, RepoName), WriteError>,
    ) -> Result<Vec<Webhook>, WriteError> {
        let (_, name) = place?;
        let hooks = self.hooks_of(&name).await?.into_iter();
        Ok(hooks.map(|hook| named(hook, &name)).collect())
    }

    /// Writes an existing webhook again, even if it looks right: GitHub does not show whether its secret is ours.
    async fn registered(
        &self,
        place: Result<(u64, RepoName), WriteError>,
        url: &str,
        secret: &str,
    ) -> Result<Webhook, WriteError> {
        let (id, name) = place?;
        let mut here = self.hooks_of(&name).await?;
        here.retain(|hook| is_same(&hook.config.url, url));
        // Of several, one that needs no change: GitHub refuses two identical ones.
        here.sort_by_key(|hook| (hook.config.content_type != "json", !hook.active));
        let config =
            json!({"url": url, "content_type": "json", "secret": secret, "insecure_ssl": "0"});
        let known = here.first().map(|hook| hook.id.to_string());
        let put = async |events: &[&str], name: RepoName| match &known {
            Some(known) => {
                let body = json!({"active": true, "events": events, "config": config});
                self.change_hook(id, name, known, &body).await
            }
            None => {
                let body =
                    json!({"name": "web", "active": true, "events": events, "config": config});
                let post = |name: &RepoName| {
                    Request::post(format!("/repos/{name}/hooks"), thing(name), body.clone())
                        .needing(NEEDS)
                };
                self.write(id, name, post).await
            }
        };
        let mut tried = put(&EVENTS, name.clone()).await;
        for supported in OLDER {
            // Perhaps for an event that it does not support. If that is not the reason, the retry fails as well.
            if !matches!(tried, Err(WriteError::Refused { .. })) {
                break;
            }
            let older: Vec<&str> = EVENTS.into_iter().take(supported).collect();
            tried = put(&older, name.clone()).await;
        }
        let (hook, name) = tried?;
        Ok(named(hook, &name))
    }

    async fn hooks_of(&self, name: &RepoName) -> Result<Vec<WireHook>, WriteError> {
        let request = Request::get(format!("/repos/{name}/hooks"), thing(name));
        let mut hooks = Vec::new();
        self.pages(request.with("per_page", PER_PAGE), |page: Vec<WireHook>| {
            hooks.extend(page);
            true
        })
        .await?;
        // Legacy services have no URL.
        hooks.retain(|hook| !hook.config.url.is_empty());
        Ok(hooks)
    }

    async fn change_hook(
        &self,
        repository: u64,
        name: RepoName,
        hook: &str,
        body: &serde_json::Value,
    ) -> Result<(WireHook, RepoName), WriteError> {
        let patch = |name: &RepoName| {
            let path = format!("/repos/{name}/hooks/{hook}");
            Request::patch(path, thing(name), body.clone()).needing(NEEDS)
        };
        self.write(repository, name, patch).await
    }

    /// The repository that a webhook belongs to, and its current name.
    async fn place_of(&self, hook: &Webhook) -> Result<(u64, RepoName), WriteError> {
        let name = RepoName::parse(&hook.place)
            .ok_or_else(|| super::not_followed(&format!("the repository {}", hook.place)))?;
        let (id, _) = self.followed_as(&name).await?;
        Ok((id, self.locate(id).await?))
    }

    /// The attempts with this outcome, newest first, back to `since`.
    async fn attempts(
        &self,
        name: &RepoName,
        hook: &Webhook,
        status: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<Attempt>, WriteError> {
        let path = format!("/repos/{name}/hooks/{}/deliveries", hook.id);
        let request = Request::get(path, format!("the deliveries to {name}'s webhook"))
            .with("per_page", PER_PAGE)
            .with("status", status);
        let mut attempts = Vec::new();
        self.pages(request, |page: Vec<Attempt>| {
            let goes_on = page.iter().all(|one| one.delivered_at >= since);
            attempts.extend(page.into_iter().filter(|one| one.delivered_at >= since));
            goes_on
        })
        .await?;
        Ok(attempts)
    }

    /// Reads a listing page by page, along GitHub's own links, as long as `take` accepts more.
    async fn pages<T: DeserializeOwned>(
        &self,
        request: Request,
        mut take: impl FnMut(Vec<T>) -> bool + Send,
    ) -> Result<(), WriteError> {
        let mut request = request.needing(NEEDS);
        for _ in 0..PAGES_MAX {
            let got: ReadAnswer<Listed<T>> = self.client.get(&request).await?;
            let goes_on = take(got.value.items);
            match got.next.filter(|_| goes_on) {
                Some(next) => request = self.client.follow(&next, request.thing)?.needing(NEEDS),
                None => return Ok(()),
            }
        }
        Limit::Pages.reached(format_args!(
            "{} has more than {PAGES_MAX} pages in GitHub; the rest is not read",
            request.thing
        ));
        Ok(())
    }

    /// The payload of an attempt; empty if GitHub no longer has it.
    async fn fetch(
        &self,
        name: &RepoName,
        hook: &Webhook,
        attempt: Attempt,
    ) -> Result<Option<Delivery>, WriteError> {
        let path = format!("/repos/{name}/hooks/{}/deliveries/{}", hook.id, attempt.id);
        let request = Request::get(path, format!("a delivery to {name}'s webhook")).needing(NEEDS);
        let detail: Option<AttemptDetail> = match self.client.get(&request).await {
            Ok(got) => Some(got.value),
            Err(WriteError::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(payload) = detail.and_then(AttemptDetail::into_payload) else {
            tracing::warn!(source = "github", repository = %name, delivery = attempt.guid, "cannot fetch a missed delivery; the poll finds its changes");
            return Ok(None);
        };
        Ok(Some(Delivery {
            source: Source::GitHub,
            dedupe_key: attempt.guid,
            event: attempt.event,
            payload,
        }))
    }
}

fn thing(name: &RepoName) -> String {
    format!("the webhooks of {name}")
}

fn named(hook: WireHook, name: &RepoName) -> Webhook {
    Webhook {
        source: Source::GitHub,
        id: hook.id.to_string(),
        place: name.to_string(),
        url: hook.config.url,
        health: health(hook.active, &hook.last_response) + &missing_events(&hook.events),
        events: hook.events,
        active: hook.active,
        secret: None,
    }
}

/// `, without the events sub_issues`; empty if there are all of ours.
fn missing_events(events: &[String]) -> String {
    let has = |event: &str| events.iter().any(|one| one == event || one == "*");
    let missing: Vec<&str> = EVENTS.into_iter().filter(|event| !has(event)).collect();
    match missing.as_slice() {
        [] => String::new(),
        [one] => format!(", without the event {one}"),
        several => format!(", without the events {}", several.join(", ")),
    }
}

fn health(active: bool, last: &LastResponse) -> String {
    let last_answer = match (last.code, &last.message) {
        (Some(code @ 1..), _) => format!("last answer {code}"),
        (Some(0), Some(why)) => format!("no answer: {}", why.chars().take(80).collect::<String>()),
        (Some(0), None) => "no answer".to_owned(),
        (None, _) if last.status.is_empty() => "unused".to_owned(),
        (None, _) => last.status.clone(),
    };
    if active {
        last_answer
    } else {
        format!("switched off, {last_answer}")
    }
}

/// Compares URLs as GitHub would reach them.
fn is_same(one: &str, other: &str) -> bool {
    one == other || Url::parse(one).is_ok_and(|one| Url::parse(other) == Ok(one))
}

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use rstest::rstest;

    use serde_json::Value;

    use super::super::tests::{github, name, repository, settings, world};
    use crate::http_client::damage::{damaged, fixtures};
    use crate::http_client::fake::{Fake, FakeResponse, SeenRequest, json as says, provider};

    use super::super::{GitHubAccess, GitHubSettings, wire};
    use super::*;
    use crate::clock::Clock;
    use crate::domain::operation::Refusal;
    use crate::domain::source::Container;
    use crate::domain::task::{Account, Closed, TaskStatus};
    use crate::sandbox::Seed;
    use crate::sandbox::github::SandboxGitHub as Sandbox;

    const URL: &str = "https://bot.example/webhooks/github";
    const DELIVERIES: [&str; 3] = ["issue", "repository__", "ping"];

    /// Follows `acme/widgets`, which is 1001, and is the user `me`.
    fn reader(me: Option<(u64, &str)>) -> GitHub {
        provider();
        let settings = GitHubSettings {
            repos: vec![],
            ..settings("http://127.0.0.1:1")
        };
        let github = GitHub::new(settings, Clock::system()).unwrap();
        github.remember(&[container(1001, "acme/widgets", "acme/widgets")]);
        let me = me.map(|(id, login)| User {
            id,
            login: login.into(),
            kind: String::new(),
            bio: None,
        });
        github.me.set(me).unwrap();
        github
    }

    fn bot() -> GitHub {
        reader(Some((40, "ivan-bot")))
    }

    /// Follows `acme/gadgets` as well, which is 2002.
    fn bot_of_two() -> GitHub {
        provider();
        let settings = GitHubSettings {
            repos: vec![name("acme/gadgets")],
            ..settings("http://127.0.0.1:1")
        };
        let github = GitHub::new(settings, Clock::system()).unwrap();
        github.remember(&[
            container(1001, "acme/widgets", "acme/widgets"),
            container(2002, "acme/gadgets", "acme/gadgets"),
        ]);
        github
    }

    fn container(id: u64, name: &str, configured: &str) -> Container {
        Container {
            source: Source::GitHub,
            id: id.to_string(),
            name: name.into(),
            configured: configured.into(),
            archived: false,
        }
    }

    fn delivery(event: &str, payload: impl Into<Vec<u8>>) -> Delivery {
        Delivery {
            source: Source::GitHub,
            dedupe_key: "k".into(),
            event: event.into(),
            payload: payload.into(),
        }
    }

    fn read(
        github: &GitHub,
        event: &str,
        payload: &Value,
    ) -> Result<Vec<SourceEvent>, UnreadablePayload> {
        WebhookReader::read(github, &delivery(event, payload.to_string()))
    }

    fn fixture(name: &str) -> Value {
        let mut found = fixtures("github", &[name]).into_iter();
        let (_, text) = found.find(|(found, _)| found == name).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn with(name: &str, pointer: &str, value: Value) -> Value {
        let mut payload = fixture(name);
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        payload.pointer_mut(parent).unwrap()[field] = value;
        payload
    }

    /// `issues__closed__not_planned` is of `issues`.
    fn event_of(name: &str) -> &str {
        name.split("__").next().unwrap()
    }

    fn account(id: u64, login: &str) -> Account {
        Account {
            id: id.to_string(),
            name: login.into(),
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn act(who: (u64, &str), what: ActivityKind) -> Activity {
        Activity {
            by: Some(Actor {
                account: account(who.0, who.1),
                bot: false,
                us: false,
                outside: false,
            }),
            at: at("2026-01-02T03:04:05Z"),
            what,
        }
    }

    fn ana(what: ActivityKind) -> Activity {
        act((31, "ana"), what)
    }

    /// The payloads of the contract lack the fields that were added later.
    const OPEN: MissingParts = MissingParts {
        dependencies: true,
        fields: true,
        types: true,
    };

    /// The issue of a payload, as in a listing.
    fn task(payload: &Value) -> Task {
        let issue: wire::WireIssue = serde_json::from_str(&payload["issue"].to_string()).unwrap();
        let id = payload["repository"]["id"].as_u64().unwrap();
        let name = name(payload["repository"]["full_name"].as_str().unwrap());
        let github = bot();
        issue
            .into_task(&github.mapping, id, &name, github.known_me())
            .unwrap()
    }

    /// Every payload of the contract, and its relevant events.
    #[test]
    fn every_payload_is_read() {
        let key = || TaskKey::github(1001, 7);
        let seen = |name: &str, acts: Vec<Activity>| {
            vec![SourceEvent::Seen {
                task: task(&fixture(name)),
                acts,
                lacks: OPEN,
            }]
        };
        let completed = || Activity {
            at: at("2026-01-03T00:00:00Z"),
            ..ana(ActivityKind::Completed)
        };
        let assigned = |to: Account| ActivityKind::Assigned { to };
        let unassigned = |from: Account| ActivityKind::Unassigned { from };
        let commented = ActivityKind::Commented {
            id: "901".into(),
            text: "thanks ✓".into(),
            operation: None,
        };
        let changed = |field: TaskField| ActivityKind::Changed { field };
        let looks = |name: &str| seen(name, vec![]);
        let expected: Vec<(&str, Vec<SourceEvent>)> = vec![
            (
                "issue_comment__created",
                seen("issue_comment__created", vec![act((32, "bo"), commented)]),
            ),
            ("issue_comment__created__pull_request", vec![]),
            ("issue_comment__deleted", looks("issue_comment__deleted")),
            ("issue_comment__edited", looks("issue_comment__edited")),
            (
                "issues__assigned",
                seen("issues__assigned", vec![ana(assigned(account(31, "ana")))]),
            ),
            ("issues__closed", seen("issues__closed", vec![completed()])),
            (
                "issues__closed__not_planned",
                seen("issues__closed__not_planned", vec![completed()]),
            ),
            (
                "issues__deleted",
                vec![SourceEvent::Look {
                    key: key(),
                    acts: vec![ana(ActivityKind::Deleted)],
                }],
            ),
            (
                "issues__edited",
                seen("issues__edited", vec![ana(changed(TaskField::Title))]),
            ),
            ("issues__labeled", looks("issues__labeled")),
            ("issues__locked", looks("issues__locked")),
            ("issues__opened", looks("issues__opened")),
            // To a repository that is not followed here, from one that is.
            (
                "issues__opened__by_transfer",
                vec![SourceEvent::Moved {
                    key: key(),
                    to: Some(TaskKey::github(1002, 4)),
                    acts: vec![],
                }],
            ),
            (
                "issues__reopened",
                seen("issues__reopened", vec![ana(ActivityKind::Reopened)]),
            ),
            (
                "issues__transferred",
                vec![SourceEvent::Moved {
                    key: key(),
                    to: Some(TaskKey::github(1002, 4)),
                    acts: vec![],
                }],
            ),
            (
                "issues__typed",
                vec![SourceEvent::Seen {
                    task: task(&fixture("issues__typed")),
                    acts: vec![],
                    lacks: MissingParts {
                        types: false,
                        ..OPEN
                    },
                }],
            ),
            (
                "issues__unassigned",
                seen(
                    "issues__unassigned",
                    vec![ana(unassigned(account(31, "ana")))],
                ),
            ),
            ("issues__unlabeled", looks("issues__unlabeled")),
            ("ping", vec![]),
            ("repository__archived", vec![]),
            ("repository__deleted", vec![]),
            (
                "repository__renamed",
                vec![SourceEvent::Renamed {
                    container: "1001".into(),
                    name: name("acme/gizmos"),
                }],
            ),
        ];
        let fixtures = fixtures("github", &DELIVERIES);
        let names: Vec<_> = fixtures.iter().map(|(name, _)| name.as_str()).collect();
        let tested: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, tested);
        let github = bot();
        for ((name, text), (_, events)) in fixtures.iter().zip(expected) {
            let read = WebhookReader::read(&github, &delivery(event_of(name), text.as_str()));
            assert_eq!(read, Ok(events), "{name}");
        }
    }

    #[rstest]
    #[case::unknown("star", "{")]
    #[case::pushes("push", r#"{"repository": {"id": 1001}}"#)]
    #[case::of_pull_requests("pull_request", r#"{"action": "closed", "repository": {"id": 1001}}"#)]
    #[case::a_new_action(
        "issues",
        r#"{"action": "blessed", "issue": {"number": 7}, "repository": {"id": 1001}}"#
    )]
    #[case::a_pinned_comment(
        "issue_comment",
        r#"{"action": "pinned", "issue": {"number": 7}, "repository": {"id": 1001}}"#
    )]
    #[case::a_public_repository(
        "repository",
        r#"{"action": "publicized", "repository": {"id": 1001}}"#
    )]
    fn other_events_are_no_concern(#[case] event: &str, #[case] payload: &str) {
        let read = WebhookReader::read(&bot(), &delivery(event, payload));
        assert_eq!(read, Ok(vec![]));
    }

    #[rstest]
    #[case::that_ranks("labeled", "P1", Some(TaskField::Priority))]
    #[case::that_ranked_in_another_case("unlabeled", "p0", Some(TaskField::Priority))]
    #[case::of_something_else("labeled", "ops", None)]
    fn a_label_tells_of_a_priority_if_it_is_one(
        #[case] action: &str,
        #[case] label: &str,
        #[case] told: Option<TaskField>,
    ) {
        let mut payload = fixture("issues__labeled");
        payload["action"] = json!(action);
        payload["label"]["name"] = json!(label);
        let events = read(&bot(), "issues", &payload).unwrap();
        let [SourceEvent::Seen { acts, .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        let whats: Vec<_> = acts.iter().map(|act| act.what.clone()).collect();
        let told: Vec<_> = told
            .map(|field| ActivityKind::Changed { field })
            .into_iter()
            .collect();
        assert_eq!(whats, told);
    }

    #[test]
    fn an_edit_of_the_text_is_none_of_the_title() {
        let mut payload = fixture("issues__edited");
        payload["changes"] = json!({"body": {"from": "before"}});
        let events = read(&bot(), "issues", &payload).unwrap();
        assert!(matches!(events.as_slice(), [SourceEvent::Seen { acts, .. }] if acts.is_empty()));
    }

    /// The name is ours, the id is not: a stranger's repository that took the name.
    #[test]
    fn a_reused_name_is_a_strangers() {
        for (name, text) in fixtures("github", &DELIVERIES) {
            let mut payload: Value = serde_json::from_str(&text).unwrap();
            payload["repository"]["id"] = json!(6666);
            if let Some(changes) = payload.get_mut("changes").and_then(Value::as_object_mut) {
                changes.remove("old_repository");
            }
            assert_eq!(
                read(&bot(), event_of(&name), &payload),
                Ok(vec![]),
                "{name}"
            );
        }
    }

    #[test]
    fn a_repository_keeps_its_tasks_under_a_new_name() {
        let payload = with(
            "issues__opened",
            "/repository/full_name",
            json!("acme/gizmos"),
        );
        let events = read(&bot(), "issues", &payload).unwrap();
        let [SourceEvent::Seen { task, .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!(task.key, TaskKey::github(1001, 12));
        assert_eq!(task.id.to_string(), "github:acme/gizmos#12");
        let mut payload = fixture("repository__renamed");
        payload["action"] = json!("transferred");
        payload["repository"]["full_name"] = json!("umbrella/widgets");
        let renamed = SourceEvent::Renamed {
            container: "1001".into(),
            name: name("umbrella/widgets"),
        };
        assert_eq!(read(&bot(), "repository", &payload), Ok(vec![renamed]));
    }

    /// The configured name is not verified yet.
    #[rstest]
    #[case("issues__closed", vec![ActivityKind::Completed])]
    #[case("issues__deleted", vec![ActivityKind::Deleted])]
    #[case("issues__transferred", vec![])]
    #[case("issue_comment__edited", vec![])]
    fn before_the_names_are_resolved_there_are_only_hints(
        #[case] name: &str,
        #[case] told: Vec<ActivityKind>,
    ) {
        let github = github("http://127.0.0.1:1");
        let events = read(&github, event_of(name), &fixture(name)).unwrap();
        let [SourceEvent::Look { key, acts }] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!(*key, TaskKey::github(1001, 7));
        let whats: Vec<_> = acts.iter().map(|act| act.what.clone()).collect();
        assert_eq!(whats, told);
        let elsewhere = with(name, "/repository/full_name", json!("other/widgets"));
        assert_eq!(read(&github, event_of(name), &elsewhere), Ok(vec![]));
    }

    #[test]
    fn a_transfer_between_two_that_are_followed_is_told_by_either_half() {
        let github = github("http://127.0.0.1:1");
        github.remember(&[
            container(1001, "acme/widgets", "acme/widgets"),
            container(1002, "acme/gadgets", "acme/gadgets"),
        ]);
        let to = TaskKey::github(1002, 4);
        let moved = SourceEvent::Moved {
            key: TaskKey::github(1001, 7),
            to: Some(to.clone()),
            acts: vec![],
        };
        let gone = read(&github, "issues", &fixture("issues__transferred")).unwrap();
        let look = SourceEvent::Look {
            key: to,
            acts: vec![],
        };
        assert_eq!(gone, [moved.clone(), look]);
        let payload = fixture("issues__opened__by_transfer");
        let come = read(&github, "issues", &payload).unwrap();
        let seen = SourceEvent::Seen {
            task: task(&payload),
            acts: vec![],
            lacks: OPEN,
        };
        assert_eq!(come, [moved, seen]);
    }

    /// The action, the repository of the webhook, and the other one that the payload names; then the issue to be read.
    #[rstest]
    #[case::added("blocked_by_added", 1001, None, Some(1001))]
    #[case::removed("blocked_by_removed", 1001, None, Some(1001))]
    #[case::told_by_the_blocker("blocking_added", 1001, Some(2002), Some(2002))]
    #[case::told_by_the_blocker_removed("blocking_removed", 1001, Some(2002), Some(2002))]
    #[case::both_here("blocking_added", 1001, Some(1001), Some(1001))]
    #[case::told_by_a_stranger("blocking_added", 6666, Some(1001), Some(1001))]
    #[case::a_stranger_waits("blocking_added", 1001, Some(6666), None)]
    #[case::nobody_knows_where("blocking_added", 1001, None, None)]
    #[case::a_new_action("blocked_by_moved", 1001, None, None)]
    fn a_dependency_has_the_issue_looked_at_that_waits(
        #[case] action: &str,
        #[case] own: u64,
        #[case] besides: Option<u64>,
        #[case] looked_at: Option<u64>,
    ) {
        let repo = |id: u64| json!({"id": id, "full_name": format!("some/r{id}")});
        let mut payload = json!({
            "action": action, "blocked_issue_id": 1, "blocked_issue": {"number": 7},
            "blocking_issue_id": 2, "blocking_issue": {"number": 8}, "repository": repo(own),
            "sender": {"login": "ana", "id": 31, "type": "User"}
        });
        if let Some(besides) = besides {
            payload["blocked_issue_repo"] = repo(besides);
        }
        let read = read(&bot_of_two(), "issue_dependencies", &payload).unwrap();
        let looks = looked_at.map(|id| SourceEvent::Look {
            key: TaskKey::github(id, 7),
            acts: Vec::new(),
        });
        assert_eq!(read, looks.into_iter().collect::<Vec<_>>());
    }

    /// The action, the repository of the webhook, and the other ones that the payload names; then the issues to be read.
    #[rstest]
    #[case::told_by_the_parent("sub_issue_added", 1001, Some(1001), None, &[(1001, 7), (1001, 8)])]
    #[case::removed("sub_issue_removed", 1001, Some(1001), None, &[(1001, 7), (1001, 8)])]
    #[case::told_by_the_part("parent_issue_added", 1001, None, Some(1001), &[(1001, 7), (1001, 8)])]
    #[case::told_by_the_part_removed("parent_issue_removed", 1001, None, Some(1001), &[(1001, 7), (1001, 8)])]
    #[case::of_two_repositories("sub_issue_added", 1001, Some(2002), None, &[(2002, 7), (1001, 8)])]
    #[case::the_other_way_round("parent_issue_added", 1001, None, Some(2002), &[(1001, 7), (2002, 8)])]
    #[case::the_part_is_a_strangers("sub_issue_added", 1001, Some(6666), None, &[(1001, 8)])]
    #[case::the_parent_is_a_strangers("parent_issue_added", 1001, None, Some(6666), &[(1001, 7)])]
    #[case::told_by_a_stranger("sub_issue_added", 6666, Some(6666), None, &[])]
    #[case::nobody_knows_where_the_part_is("sub_issue_added", 1001, None, None, &[(1001, 8)])]
    #[case::nobody_knows_where_the_parent_is("parent_issue_added", 1001, None, None, &[(1001, 7)])]
    #[case::a_new_action("sub_issue_reprioritized", 1001, Some(1001), None, &[])]
    fn a_sub_issue_and_its_parent_are_looked_at(
        #[case] action: &str,
        #[case] own: u64,
        #[case] part_at: Option<u64>,
        #[case] parent_at: Option<u64>,
        #[case] looked_at: &[(u64, u64)],
    ) {
        let repo = |id: u64| json!({"id": id, "full_name": format!("some/r{id}")});
        let mut payload = json!({
            "action": action, "sub_issue_id": 1, "sub_issue": {"number": 7},
            "parent_issue_id": 2, "parent_issue": {"number": 8}, "repository": repo(own),
            "sender": {"login": "ana", "id": 31, "type": "User"}
        });
        for (key, at) in [
            ("sub_issue_repo", part_at),
            ("parent_issue_repo", parent_at),
        ] {
            if let Some(id) = at {
                payload[key] = repo(id);
            }
        }
        let read = read(&bot_of_two(), "sub_issues", &payload).unwrap();
        let looks = looked_at.iter().map(|&(id, number)| SourceEvent::Look {
            key: TaskKey::github(id, number),
            acts: Vec::new(),
        });
        assert_eq!(read, looks.collect::<Vec<_>>());
    }

    #[rstest]
    #[case::dependencies("issue_dependencies", json!({"action": "blocked_by_added"}))]
    #[case::a_part_without_a_parent("sub_issues", json!({"action": "sub_issue_added", "sub_issue": {"number": 7}}))]
    #[case::a_parent_without_a_part("sub_issues", json!({"action": "sub_issue_removed", "parent_issue": {"number": 7}}))]
    fn an_event_that_lacks_an_issue_cannot_be_read(
        #[case] event: &str,
        #[case] mut payload: Value,
    ) {
        payload["repository"] = json!({"id": 1001});
        let error = read(&bot(), event, &payload).unwrap_err();
        assert_eq!(error.event, event);
    }

    /// The events that a server supports, and those that the webhook is registered for.
    #[rstest]
    #[case::of_today(&EVENTS, &EVENTS)]
    #[case::before_dependencies(&["issues", "issue_comment", "repository", "sub_issues"], &["issues", "issue_comment", "repository", "sub_issues"])]
    #[case::before_sub_issues(&["issues", "issue_comment", "repository"], &["issues", "issue_comment", "repository"])]
    #[tokio::test]
    async fn an_older_server_is_asked_for_the_events_that_it_has(
        #[case] supports: &'static [&'static str],
        #[case] registered: &[&str],
    ) {
        let fake = Fake::start(world(move |seen| match seen.method.as_str() {
            "GET" => says(200, json!([])),
            _ => {
                let sent = seen.json();
                let asked = sent["events"].as_array().unwrap().iter();
                let mut asked = asked.map(|event| event.as_str().unwrap());
                match asked.all(|event| supports.contains(&event)) {
                    true => says(
                        201,
                        json!({"id": 42, "active": true, "events": sent["events"],
                        "config": sent["config"]}),
                    ),
                    false => says(422, json!({"message": "Validation Failed"})),
                }
            }
        }))
        .await;
        let made = github(&fake.url).register(URL, "s").await.whole().unwrap();
        assert!(
            made.iter().all(|hook| hook.events == registered),
            "{made:?}"
        );
    }

    /// The issue's dependencies and fields in a payload; whether it is used as it is, and the parts that it lacks.
    #[rstest]
    #[case::nothing(json!({}), Some(OPEN))]
    #[case::none(json!({"issue_dependencies_summary": {"blocked_by": 0, "total_blocked_by": 0}, "issue_field_values": [], "type": null}),
        Some(MissingParts::default()))]
    #[case::a_type(json!({"type": {"id": 1, "name": "Bug"}}), Some(MissingParts { types: false, ..OPEN }))]
    #[case::it_waits(json!({"issue_dependencies_summary": {"blocked_by": 1}}), None)]
    #[case::what_it_waited_for_is_closed(json!({"issue_dependencies_summary": {"blocked_by": 0, "total_blocked_by": 1}}), None)]
    #[case::odd(json!({"issue_dependencies_summary": 7, "issue_field_values": "odd", "type": "odd"}), Some(OPEN))]
    fn a_payload_leaves_open_what_it_does_not_say(
        #[case] says: Value,
        #[case] expected: Option<MissingParts>,
    ) {
        let mut payload = fixture("issues__edited");
        for (key, value) in says.as_object().unwrap() {
            payload["issue"][key] = value.clone();
        }
        let read = read(&bot(), "issues", &payload).unwrap();
        match (read.as_slice(), expected) {
            ([SourceEvent::Seen { lacks, .. }], Some(expected)) => assert_eq!(*lacks, expected),
            ([SourceEvent::Look { .. }], None) => {}
            (other, _) => panic!("{other:?}"),
        }
    }

    #[rstest]
    #[case::typed("typed")]
    #[case::untyped("untyped")]
    fn a_type_that_the_issue_does_not_show_is_looked_for(#[case] action: &str) {
        let mut payload = fixture("issues__typed");
        payload["action"] = json!(action);
        payload["issue"].as_object_mut().unwrap().remove("type");
        let read = read(&bot(), "issues", &payload).unwrap();
        assert!(
            matches!(read.as_slice(), [SourceEvent::Look { .. }]),
            "{read:?}"
        );
    }

    #[rstest]
    #[case::by_another(Some((40, "ivan-bot")), Some(false))]
    #[case::by_us(Some((31, "renamed")), Some(true))]
    #[case::by_nobody_knows(None, None)]
    fn whoever_closes_an_issue_closed_it(
        #[case] me: Option<(u64, &str)>,
        #[case] by_us: Option<bool>,
    ) {
        // As GitHub sends it: without `closed_by`.
        let mut payload = fixture("issues__closed");
        payload["issue"]
            .as_object_mut()
            .unwrap()
            .remove("closed_by");
        let closed = |event: &str, payload: &Value| {
            let events = read(&reader(me), event, payload).unwrap();
            match events.as_slice() {
                [SourceEvent::Seen { task, .. }] => task.closed.clone().unwrap(),
                other => panic!("{other:?}"),
            }
        };
        let expected = Closed {
            by: Some(account(31, "ana")),
            at: Some(at("2026-01-03T00:00:00Z")),
            by_us,
            reason: None,
        };
        assert_eq!(closed("issues", &payload), expected);
        // Labelling a closed issue does not mean closing it.
        payload["action"] = json!("labeled");
        assert_eq!(
            (
                closed("issues", &payload).by,
                closed("issues", &payload).by_us
            ),
            (None, None)
        );
        payload["action"] = json!("created");
        assert_eq!(closed("issue_comment", &payload).by, None);
    }

    #[rstest]
    #[case::a_person(json!({"id": 31, "login": "ana", "type": "User"}), Some((false, false)))]
    #[case::us(json!({"id": 40, "login": "renamed", "type": "User"}), Some((true, true)))]
    #[case::a_bot(json!({"id": 99, "login": "deploys", "type": "Bot"}), Some((true, false)))]
    #[case::an_app(json!({"id": 99, "login": "deploys[bot]"}), Some((true, false)))]
    #[case::a_ghost(Value::Null, None)]
    fn an_actor_is_told_apart(#[case] sender: Value, #[case] bot_us: Option<(bool, bool)>) {
        let payload = with("issues__reopened", "/sender", sender);
        let events = read(&bot(), "issues", &payload).unwrap();
        let [SourceEvent::Seen { acts, .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!(acts[0].what, ActivityKind::Reopened);
        assert_eq!(acts[0].by.as_ref().map(|by| (by.bot, by.us)), bot_us);
    }

    #[rstest]
    #[case::ours("shipped ✓\n\n<!-- ivan:op=01JABC -->", "shipped ✓", Some("01JABC"))]
    #[case::somebodys("<!-- ivan:op=01JABC -->said Ivan", "said Ivan", None)]
    #[case::empty("", "", None)]
    fn a_comment_names_its_operation(
        #[case] body: &str,
        #[case] shown: &str,
        #[case] op: Option<&str>,
    ) {
        let payload = with("issue_comment__created", "/comment/body", json!(body));
        let events = read(&bot(), "issue_comment", &payload).unwrap();
        let [SourceEvent::Seen { acts, .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        let ActivityKind::Commented {
            text, operation, ..
        } = &acts[0].what
        else {
            panic!("{acts:?}")
        };
        assert_eq!(
            (text.to_string().as_str(), operation.as_deref()),
            (shown, op)
        );
    }

    #[test]
    fn a_long_comment_is_cut_between_characters() {
        let payload = with(
            "issue_comment__created",
            "/comment/body",
            json!("é".repeat(70_000)),
        );
        let events = read(&bot(), "issue_comment", &payload).unwrap();
        let [SourceEvent::Seen { acts, .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        let ActivityKind::Commented { text, .. } = &acts[0].what else {
            panic!("{acts:?}")
        };
        assert_eq!(text.to_string(), "é".repeat(4_000));
    }

    #[test]
    fn a_payload_that_is_cut_anywhere_cannot_be_read() {
        let github = bot();
        for (name, text) in fixtures("github", &DELIVERIES) {
            // The line breaks of the fixtures are not on the wire.
            let whole: Value = serde_json::from_str(&text).unwrap();
            let whole = whole.to_string().into_bytes();
            for end in 0..whole.len() {
                let cut = WebhookReader::read(&github, &delivery("issues", &whole[..end]));
                assert!(cut.is_err(), "{name} cut at {end}");
            }
        }
    }

    /// A damaged payload never makes another task than the whole one does: it is a hint at the same task, or unreadable.
    #[test]
    fn a_damaged_payload_makes_no_wrong_task() {
        let github = bot();
        let mut counted = [0; 3];
        for (name, text) in fixtures("github", &DELIVERIES) {
            let whole: Value = serde_json::from_str(&text).unwrap();
            let told = read(&github, event_of(&name), &whole).unwrap();
            for (how, payload) in damaged(&whole) {
                // An issue without a text has null there.
                if how == "issue.body is null" {
                    continue;
                }
                let Ok(events) = read(&github, event_of(&name), &payload) else {
                    counted[0] += 1;
                    continue;
                };
                for event in events {
                    let is_right = match &event {
                        SourceEvent::Look { key, .. } => {
                            counted[1] += 1;
                            key.as_str() == format!("1001:{}", whole["issue"]["number"])
                        }
                        SourceEvent::Seen { task, .. } => {
                            counted[2] += 1;
                            told.iter().any(|told| is_same(told, task))
                        }
                        moved => told.contains(moved),
                    };
                    assert!(is_right, "{name}, {how}: {event:?}");
                }
            }
        }
        assert!(counted.iter().all(|&count| count > 100), "{counted:?}");

        /// A payload may lack only its closer, the reason of its closing and its creator.
        fn is_same(told: &SourceEvent, task: &Task) -> bool {
            let SourceEvent::Seen { task: told, .. } = told else {
                return false;
            };
            let mut task = task.clone();
            if let (Some(closed), Some(told)) = (&mut task.closed, &told.closed) {
                (closed.by, closed.by_us) = (told.by.clone(), told.by_us);
                if closed.reason.is_none() {
                    closed.reason.clone_from(&told.reason);
                }
            }
            if task.creator.is_none() {
                task.creator.clone_from(&told.creator);
            }
            task == *told
        }
    }

    #[rstest]
    #[case::action("/action")]
    #[case::repository("/repository")]
    #[case::repository_id("/repository/id")]
    #[case::issue("/issue")]
    #[case::number("/issue/number")]
    fn what_matters_cannot_be_missing(#[case] pointer: &str) {
        let payload = with("issues__closed", pointer, Value::Null);
        let error = read(&bot(), "issues", &payload).unwrap_err();
        assert_eq!(error.event, "issues");
    }

    // ------------------------------------------------------------ the webhooks

    async fn sandbox() -> (Sandbox, GitHub) {
        let sandbox = Sandbox::start(&Seed::demo().github).await.unwrap();
        sandbox.add_repo("acme/gadgets", 1002);
        provider();
        let settings = GitHubSettings {
            access: GitHubAccess::Token(sandbox.token().into()),
            ..settings(&sandbox.api_url())
        };
        let github = GitHub::new(settings, Clock::system()).unwrap();
        (sandbox, github)
    }

    /// The webhooks at GitHub.
    async fn there(sandbox: &Sandbox, repo: &str) -> Vec<Value> {
        let url = format!("{}/repos/{repo}/hooks", sandbox.api_url());
        let answer = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .unwrap()
            .get(url)
            .header("authorization", format!("Bearer {}", sandbox.token()))
            .header("user-agent", "tests")
            .send()
            .await
            .unwrap();
        answer.json().await.unwrap()
    }

    #[tokio::test]
    async fn a_webhook_is_made_once_in_every_repository() {
        let (sandbox, github) = sandbox().await;
        let made = github.register(URL, "s3cret").await.whole().unwrap();
        let places: Vec<_> = made.iter().map(|hook| hook.place.as_str()).collect();
        assert_eq!(places, ["acme/widgets", "acme/gadgets"]);
        assert!(
            made.iter()
                .all(|hook| hook.active && hook.url == URL && hook.secret.is_none())
        );
        let ids = |hooks: &[Webhook]| hooks.iter().map(|hook| hook.id.clone()).collect::<Vec<_>>();
        let again = github.register(URL, "s3cret").await.whole().unwrap();
        assert_eq!(ids(&again), ids(&made));
        let listed = WebhookKeeper::list(&github).await.whole().unwrap();
        assert_eq!(ids(&listed), ids(&made));
        let hooks = there(&sandbox, "acme/widgets").await;
        assert_eq!(hooks.len(), 1);
        assert_eq!(hooks[0]["events"], json!(EVENTS));
        assert_eq!(hooks[0]["config"]["content_type"], "json");
        assert_eq!(hooks[0]["config"]["secret"], "********");
    }

    #[tokio::test]
    async fn a_webhook_made_by_hand_is_adopted_with_our_events_and_secret() {
        let (sandbox, github) = sandbox().await;
        let end = axum::Router::new().fallback(async || "ok");
        let end = crate::sandbox::fault_server::FaultServer::open(end)
            .await
            .unwrap();
        let local = format!("http://{}", end.address());
        sandbox.tunnel("https://bot.example", &local);
        sandbox.add_hook(URL, "another");
        let adopted = github
            .register(URL, "It's a Secret to Everybody")
            .await
            .whole()
            .unwrap();
        assert_eq!(adopted.len(), 2);
        let hooks = there(&sandbox, "acme/widgets").await;
        assert_eq!((hooks.len(), &hooks[0]["events"]), (1, &json!(EVENTS)));
        let before = end.journal().len();
        sandbox.add_issue("acme/widgets", json!({"title": "New"}));
        sandbox.settled().await;
        let journal = end.journal();
        let seen = journal[before..].last().unwrap();
        use hmac::{KeyInit as _, Mac as _};
        let mut mac =
            hmac::Hmac::<sha2::Sha256>::new_from_slice(b"It's a Secret to Everybody").unwrap();
        mac.update(seen.body.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        assert_eq!(seen.header("x-hub-signature-256"), Some(signature.as_str()));
    }

    #[tokio::test]
    async fn a_webhook_that_is_switched_off_is_put_back_to_work() {
        let fake = Fake::start(world(|seen| match seen.line().as_str() {
            "GET /repos/acme/widgets/hooks" => {
                let mut hook = json!({"id": 42, "active": false, "events": ["issues"],
                    "config": {"url": URL, "content_type": "json", "secret": "********"}});
                hook["last_response"] = json!({"code": 502, "status": "active", "message": "x"});
                let service = json!({"id": 43, "active": true, "config": {}});
                says(200, json!([service, hook]))
            }
            "GET /repos/acme/gadgets/hooks" => says(200, json!([])),
            "PATCH /repos/acme/widgets/hooks/42" => says(200, json!({"id": 42, "active": true})),
            _ => says(404, json!({})),
        }))
        .await;
        let github = github(&fake.url);
        let hooks = WebhookKeeper::list(&github).await.whole().unwrap();
        assert_eq!(hooks.len(), 1);
        let hook = &hooks[0];
        assert_eq!(
            (hook.active, hook.health.as_str()),
            (
                false,
                "switched off, last answer 502, without the events issue_comment, repository, sub_issues, \
                 issue_dependencies"
            )
        );
        github.reactivate(hook).await.unwrap();
        let sent = fake.seen().pop().unwrap();
        // A `config` would replace the secret.
        assert_eq!(
            (sent.method.as_str(), sent.json()),
            ("PATCH", json!({"active": true}))
        );
    }

    #[rstest]
    #[case::unused(json!({"code": null, "status": "unused", "message": null}), "unused")]
    #[case::well(json!({"code": 200, "status": "active", "message": "OK"}), "last answer 200")]
    #[case::unreachable(json!({"code": 0, "message": "failed to connect"}), "no answer: failed to connect")]
    #[case::silent(json!({"code": 0}), "no answer")]
    #[case::nothing(json!({}), "unused")]
    fn health_is_told_in_words(#[case] last: Value, #[case] words: &str) {
        let last: LastResponse = serde_json::from_str(&last.to_string()).unwrap();
        assert_eq!(health(true, &last), words);
    }

    #[tokio::test]
    async fn a_missing_permission_is_named() {
        let (sandbox, github) = sandbox().await;
        sandbox.permit("acme/gadgets", true, false);
        for error in [
            WebhookKeeper::list(&github).await.whole().unwrap_err(),
            github.register(URL, "s").await.whole().unwrap_err(),
        ] {
            let text = error.to_string();
            for part in [
                "the webhooks of acme/gadgets",
                "repository_hooks=write",
                "Webhooks: read and write",
                "admin:repo_hook",
            ] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(!text.contains("acme/widgets"), "{text}");
            assert!(matches!(error, WriteError::Refused { .. }));
        }
        // Where it was allowed, it succeeded.
        assert_eq!(there(&sandbox, "acme/widgets").await.len(), 1);
    }

    /// For a classic token without the scope GitHub returns an empty list.
    #[tokio::test]
    async fn a_missing_scope_is_named() {
        let fake = Fake::start(world(|_| says(404, json!({"message": "Not Found"})))).await;
        let error = WebhookKeeper::list(&github(&fake.url))
            .await
            .whole()
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("admin:repo_hook"), "{text}");
        assert!(
            text.contains("acme/widgets") && text.contains("acme/gadgets"),
            "{text}"
        );
        let WriteError::Refused { what, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(what, Refusal::Invisible);
    }

    #[tokio::test]
    async fn what_may_pass_is_asked_again() {
        let fake = Fake::start(world(|seen| match seen.line().as_str() {
            "GET /repos/acme/widgets/hooks" => {
                says(403, json!({"message": "Resource not accessible"}))
            }
            _ => says(502, json!({})),
        }))
        .await;
        let error = WebhookKeeper::list(&github(&fake.url))
            .await
            .whole()
            .unwrap_err();
        assert!(matches!(error, WriteError::NotTaken { .. }), "{error:?}");
        assert!(error.to_string().contains("admin:repo_hook"), "{error}");
    }

    #[tokio::test]
    async fn an_address_that_github_cannot_reach_is_refused() {
        let (_sandbox, github) = sandbox().await;
        let error = github
            .register("http://127.0.0.1:1/x", "s")
            .await
            .whole()
            .unwrap_err();
        assert!(error.to_string().contains("public Internet"), "{error}");
    }

    #[tokio::test]
    async fn what_was_missed_is_fetched_oldest_first() {
        let (sandbox, github) = sandbox().await;
        let end = axum::Router::new().fallback(async || "ok");
        let end = crate::sandbox::fault_server::FaultServer::open(end)
            .await
            .unwrap();
        sandbox.tunnel("https://bot.example", &format!("http://{}", end.address()));
        let hook = github.register(URL, "s").await.whole().unwrap().remove(0);
        sandbox.settled().await;
        let long_ago = DateTime::UNIX_EPOCH;
        assert_eq!(github.missed(&hook, long_ago).await, Ok(vec![]));

        sandbox.lose_next(3);
        let number = sandbox.add_issue("acme/widgets", json!({"title": "Lost"}));
        sandbox.comment_as("acme/widgets", number, "bo", "lost as well");
        sandbox.close_as("acme/widgets", number, "ana");
        sandbox.reopen_as("acme/widgets", number, "ana");
        sandbox.settled().await;
        let missed = github.missed(&hook, long_ago).await.unwrap();
        let events: Vec<_> = missed.iter().map(|one| one.event.as_str()).collect();
        assert_eq!(events, ["issues", "issue_comment", "issues"]);
        let lost = sandbox.deliveries();
        let guids: Vec<_> = lost
            .iter()
            .filter(|delivery| !delivery.ended.is_ok())
            .map(|delivery| delivery.parcel.header("x-github-delivery").unwrap())
            .collect();
        let keys: Vec<_> = missed.iter().map(|one| one.dedupe_key.as_str()).collect();
        assert_eq!(keys, guids);
        let read = WebhookReader::read(&github, &missed[2]).unwrap();
        let [SourceEvent::Seen { task, acts, .. }] = read.as_slice() else {
            panic!("{read:?}")
        };
        assert_eq!(
            (task.title.as_str(), task.status),
            ("Lost", TaskStatus::Done)
        );
        assert_eq!(acts[0].what, ActivityKind::Completed);

        // Failures from before the outage do not count.
        let now = Clock::system().now();
        assert_eq!(
            github.missed(&hook, now + TimeDelta::minutes(1)).await,
            Ok(vec![])
        );
    }

    fn attempt(id: u64, guid: &str, minutes_ago: i64, code: u16) -> Value {
        let when = Clock::system().now() - TimeDelta::minutes(minutes_ago);
        json!({"id": id, "guid": guid, "delivered_at": when, "status": "x", "status_code": code,
            "event": if guid == "ping" { "ping" } else { "issues" }, "action": "closed"})
    }

    /// Answers as GitHub would for these attempts, newest first, three a page.
    fn deliveries(seen: &SeenRequest, attempts: &[Value]) -> FakeResponse {
        let wanted = seen.query("status").unwrap();
        let after = seen.query("cursor").map(|id| id.parse::<u64>().unwrap());
        let matching: Vec<&Value> = attempts
            .iter()
            .filter(|one| (one["status_code"] == 200) == (wanted == "success"))
            .filter(|one| after.is_none_or(|after| one["id"].as_u64().unwrap() < after))
            .collect();
        let page: Vec<_> = matching.iter().take(3).collect();
        let host = seen.header("host").unwrap();
        let mut headers = vec![];
        if matching.len() > 3 {
            let path = seen.target.split('?').next().unwrap();
            let last = &page[2]["id"];
            headers.push((
                "Link",
                format!("<http://{host}{path}?status={wanted}&cursor={last}>; rel=\"next\""),
            ));
        }
        FakeResponse::Text(200, headers, json!(page).to_string())
    }

    fn a_hook() -> Webhook {
        Webhook {
            source: Source::GitHub,
            id: "42".into(),
            place: "acme/widgets".into(),
            url: URL.into(),
            events: vec![],
            active: true,
            health: String::new(),
            secret: None,
        }
    }

    #[tokio::test]
    async fn attempts_of_one_delivery_are_one() {
        let attempts: Vec<Value> = vec![
            attempt(99, "again", 1, 500),
            attempt(98, "mended", 2, 200),
            attempt(97, "again", 3, 0),
            attempt(96, "ping", 3, 500),
            attempt(95, "mended", 4, 500),
            attempt(94, "gone", 5, 500),
            attempt(93, "once", 6, 401),
            attempt(92, "well", 7, 200),
            attempt(91, "before", 600, 500),
            attempt(90, "older", 5_000, 500),
        ];
        let fake = Fake::start(world(move |seen| {
            match seen
                .line()
                .strip_prefix("GET /repos/acme/widgets/hooks/42/deliveries")
            {
                Some("") => deliveries(seen, &attempts),
                Some("/94") => says(404, json!({"message": "Not Found"})),
                Some(id) => says(200, json!({"request": {"payload": {"attempt": id}}})),
                None => says(404, json!({})),
            }
        }))
        .await;
        let github = github(&fake.url);
        let since = Clock::system().now() - TimeDelta::hours(1);
        let missed = github.missed(&a_hook(), since).await.unwrap();
        let told: Vec<_> = missed
            .iter()
            .map(|one| {
                (
                    one.dedupe_key.as_str(),
                    String::from_utf8(one.payload.clone()).unwrap(),
                )
            })
            .collect();
        let expected = [
            ("once", r#"{"attempt":"/93"}"#.to_owned()),
            ("again", r#"{"attempt":"/99"}"#.to_owned()),
        ];
        assert_eq!(told, expected);
        // Only missing deliveries are fetched.
        let details = fake.lines().into_iter();
        assert_eq!(
            details.filter(|line| line.contains("deliveries/")).count(),
            3
        );
        // GitHub keeps three days: older ones are not requested, with any `since`.
        let all = github
            .missed(&a_hook(), DateTime::UNIX_EPOCH)
            .await
            .unwrap();
        let keys: Vec<_> = all.iter().map(|one| one.dedupe_key.as_str()).collect();
        assert_eq!(keys, ["before", "once", "again"]);
    }

    #[tokio::test]
    async fn of_many_missed_deliveries_the_newest_are_fetched() {
        let before = Limit::Missed.times();
        let fake = Fake::start(world(|seen| {
            if seen.target.contains("/deliveries/") {
                return says(200, json!({"request": {"payload": {}}}));
            }
            let failed = seen.query("status").as_deref() == Some("failure");
            let attempts = (0..=MISSED_MAX as u64)
                .filter(|_| failed)
                .map(|n| attempt(1_000 + n, &format!("g{n}"), 1, 500));
            says(200, json!(attempts.collect::<Vec<_>>()))
        }))
        .await;
        let github = github(&fake.url);
        let missed = github
            .missed(&a_hook(), DateTime::UNIX_EPOCH)
            .await
            .unwrap();
        assert_eq!(missed.len(), MISSED_MAX);
        assert!(Limit::Missed.times() > before);
    }

    #[tokio::test]
    async fn a_listing_without_end_has_one_here() {
        let before = Limit::Pages.times();
        let fake = Fake::start(world(|seen| {
            let host = seen.header("host").unwrap();
            let next = format!("<http://{host}/repositories/1001/more>; rel=\"next\"");
            let page = json!([attempt(1, "one", 1, 500)]);
            match seen.target.contains("/deliveries/") {
                true => says(200, json!({"request": {"payload": {}}})),
                false => FakeResponse::Text(200, vec![("Link", next)], page.to_string()),
            }
        }))
        .await;
        let github = github(&fake.url);
        let missed = github
            .missed(&a_hook(), DateTime::UNIX_EPOCH)
            .await
            .unwrap();
        assert_eq!(missed.len(), 1);
        assert!(Limit::Pages.times() > before);
        let pages = fake.lines().into_iter();
        let pages = pages.filter(|line| line.ends_with("/more") || line.ends_with("/deliveries"));
        assert_eq!(pages.count(), 2 * PAGES_MAX);
    }

    #[tokio::test]
    async fn a_webhook_of_another_repository_is_not_touched() {
        let fake = Fake::start(world(|_| says(200, json!([])))).await;
        let hook = Webhook {
            place: "umbrella/widgets".into(),
            ..a_hook()
        };
        let error = github(&fake.url).reactivate(&hook).await.unwrap_err();
        assert!(error.to_string().contains("umbrella/widgets"), "{error}");
        assert!(fake.lines().iter().all(|line| !line.contains("hooks")));
    }

    #[tokio::test]
    async fn preparing_says_who_we_are_and_what_is_followed() {
        let fake = Fake::start(world(|_| says(404, json!({})))).await;
        let github = github(&fake.url);
        github.prepare().await.unwrap();
        assert_eq!(github.known_me().map(|me| me.id), Some(40));
        let followed = repository(2002, "acme/gadgets").to_string();
        let followed: HookRepository = serde_json::from_str(&followed).unwrap();
        assert_eq!(github.standing(&followed), Standing::Followed);
    }

    /// The responses as the contract shows them.
    #[tokio::test]
    async fn the_fixtures_are_read() {
        let fake = Fake::start(world(|seen| {
            let text = match seen.line().as_str() {
                "GET /repos/acme/widgets/hooks" => {
                    include_str!("../../fixtures/github/list_hooks.json")
                }
                "GET /repos/acme/widgets/hooks/42/deliveries" => {
                    include_str!("../../fixtures/github/list_deliveries.json")
                }
                "POST /repos/acme/gadgets/hooks" | "PATCH /repos/acme/widgets/hooks/42" => {
                    include_str!("../../fixtures/github/post_hook__201.json")
                }
                _ => "[]",
            };
            FakeResponse::Text(200, vec![], text.into())
        }))
        .await;
        let github = github(&fake.url);
        let listed = WebhookKeeper::list(&github).await.whole().unwrap();
        let expected = Webhook {
            events: ["issues", "issue_comment", "repository"]
                .map(str::to_owned)
                .to_vec(),
            health: "unused, without the events sub_issues, issue_dependencies".into(),
            ..a_hook()
        };
        assert_eq!(listed, [expected]);
        let made = github.register(URL, "s").await.whole().unwrap();
        assert_eq!(made.len(), 2);
        // They are older than three days.
        assert_eq!(
            github.missed(&made[0], DateTime::UNIX_EPOCH).await,
            Ok(vec![])
        );
    }
}
