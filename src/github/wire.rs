//! GitHub's JSON, read leniently, and its conversion to our own types; and the marker at the end of our texts (docs/contracts/github.md#lost-answers).
//!
//! Users and bodies may be null, labels may be plain text, unknown fields and values are accepted (docs/contracts/github.md#issues). These types stay within the parent module.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::domain::controls::one_line;
use crate::domain::event::MissingParts;
use crate::domain::labels::{LabelChange, on_task};
use crate::domain::task::{
    Account, Children, Closed, Priority, RepoName, Task, TaskId, TaskKey, TaskStatus,
};

use super::PriorityLabels;
use super::fields::{self, FieldValue};
use super::links::links;
use super::same_name;
use crate::domain::signature::open_fence;
use crate::lenient::{IsText, items, time, time_or_null};
pub(super) use crate::lenient::{each, lenient, lenient_time};

/// The longest description in the mirror, in characters.
const DESCRIPTION_MAX: usize = 4_000;

const MARKER_OPENS: &str = "<!-- ivan:op=";
const MARKER_CLOSES: &str = " -->";

/// The invisible trace of an operation, at the end of our texts.
pub(super) fn marker(operation: &str) -> String {
    format!("{MARKER_OPENS}{operation}{MARKER_CLOSES}")
}

/// A person's text with the operation's marker after it.
pub(super) fn marked(text: &str, operation: &str) -> String {
    let text = disarmed(text);
    let separator = if text.is_empty() { "" } else { "\n\n" };
    // In a code block our marker would be visible.
    let closed = open_fence(&text).map(|fence| format!("\n{fence}"));
    let closed = closed.unwrap_or_default();
    format!("{text}{closed}{separator}{}", marker(operation))
}

/// Whether a body ends in this operation's marker. One in the middle is a person's text.
pub(super) fn is_marked(body: &str, operation: &str) -> bool {
    body.trim_end().ends_with(&marker(operation))
}

/// Whether a task's description may be only the beginning of its text.
pub(super) fn is_cut(description: &str) -> bool {
    description.chars().count() >= DESCRIPTION_MAX
}

/// Whether a body still is this text with this operation's marker, apart from line breaks that GitHub changes.
pub(super) fn is_still(body: &str, text: &str, operation: &str) -> bool {
    let body = body.replace("\r\n", "\n");
    let written = marked(text, operation).replace("\r\n", "\n");
    body.trim() == written.trim()
}

/// Makes a typed copy of our marker visible as text, so that it claims nothing.
fn disarmed(text: &str) -> String {
    let mut rest = text;
    let mut disarmed = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once("<!--") {
        disarmed.push_str(before);
        let looks_like_ours = after
            .trim_start()
            .get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case("ivan:op="));
        disarmed.push_str(if looks_like_ours { "<! --" } else { "<!--" });
        rest = after;
    }
    disarmed.push_str(rest);
    disarmed
}

/// A body as people see it in GitHub: without any marker, because quoted ones are as invisible there as our own.
fn unmarked(body: &str) -> String {
    let mut rest = body;
    let mut unmarked = String::with_capacity(body.len());
    while let Some((before, after)) = rest.split_once(MARKER_OPENS) {
        unmarked.push_str(before);
        rest = match after_operation(after) {
            Some(after) => after,
            None => {
                unmarked.push_str(MARKER_OPENS);
                after
            }
        };
    }
    unmarked.push_str(rest);
    unmarked.truncate(unmarked.trim_end().len());
    unmarked
}

/// The text after the operation of a marker and its end.
fn after_operation(text: &str) -> Option<&str> {
    let after = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    let is_named = after.len() < text.len();
    after.strip_prefix(MARKER_CLOSES).filter(|_| is_named)
}

/// The operation in the marker at the end of a body. A marker in the middle is a quote.
fn operation_of(body: &str) -> Option<&str> {
    let (_, operation) = body
        .trim_end()
        .strip_suffix(MARKER_CLOSES)?
        .rsplit_once(MARKER_OPENS)?;
    is_operation(operation).then_some(operation)
}

fn is_operation(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// A listing: an array whose unreadable items are left out.
#[derive(Debug, Deserialize)]
#[serde(transparent, bound = "T: Deserialize<'de>")]
pub(super) struct Listed<T> {
    #[serde(deserialize_with = "items")]
    pub(super) items: Vec<T>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct User {
    pub(super) id: u64,
    pub(super) login: String,
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    pub(super) kind: String,
    /// Only in answers about one user.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) bio: Option<String>,
}

/// A GitHub App, as it sees itself (`GET /app`).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireApp {
    /// Its name in addresses, and in the login of its bot.
    pub(super) slug: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) html_url: String,
    /// The events that its webhook is subscribed to.
    #[serde(default, deserialize_with = "each")]
    pub(super) events: Vec<String>,
}

/// The facts that `GET /meta` tells about a server.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireMeta {
    /// The version of a GitHub Enterprise Server; github.com has none.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) installed_version: Option<String>,
}

/// An installation of a GitHub App.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireInstallation {
    pub(super) id: u64,
    /// The person or organization that installed it.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) account: Option<InstallationOwner>,
    /// The page of its settings.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) html_url: String,
    /// By the name of a permission: `read` or `write`.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) permissions: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) suspended_at: Option<String>,
}

/// The owner of an installation: an enterprise has a slug instead of a login.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct InstallationOwner {
    #[serde(default, alias = "slug", deserialize_with = "lenient")]
    pub(super) login: String,
}

/// A new token of an installation.
#[derive(Deserialize)]
pub(super) struct WireInstallationToken {
    pub(super) token: String,
    #[serde(deserialize_with = "time")]
    pub(super) expires_at: DateTime<Utc>,
}

/// The configuration of an App's webhook.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WireAppHook {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) url: String,
}

/// The public part of `GET /users/{login}`.
#[derive(Debug, Deserialize)]
pub(super) struct PublicProfile {
    /// Null if the person does not show it.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) email: Option<String>,
}

/// A repository in `GET /user/repos`.
#[derive(Debug, Deserialize)]
pub(super) struct ListedRepository {
    pub(super) full_name: String,
    #[serde(default, deserialize_with = "lenient")]
    archived: bool,
    #[serde(default, deserialize_with = "lenient")]
    has_issues: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) permissions: ListedPermissions,
}

impl ListedRepository {
    /// Whether issues can be written there.
    pub(super) fn takes_issues(&self) -> bool {
        !self.archived && self.has_issues != Some(false)
    }
}

/// The rights of the token's account in a listed repository.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListedPermissions {
    pub(super) triage: bool,
    pub(super) push: bool,
}

impl User {
    pub(super) fn account(&self) -> Account {
        Account {
            id: self.id.to_string(),
            name: self.login.clone(),
        }
    }

    pub(super) fn is_bot(&self) -> bool {
        self.kind == "Bot"
    }
}

/// `GET /repos/{o}/{r}`
#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    pub(super) id: u64,
    pub(super) full_name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) archived: bool,
    #[serde(default, deserialize_with = "lenient")]
    owner: RepositoryOwner,
    /// Whether it has issues at all.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) has_issues: Option<bool>,
    /// The rights of the token's account. A fine-grained token may have fewer.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) permissions: Option<AccountRights>,
}

impl Repository {
    /// Whether it belongs to a person, and not to an organization.
    pub(super) fn is_of_a_person(&self) -> bool {
        self.owner.kind == "User"
    }
}

/// The owner of a repository.
#[derive(Debug, Default, Deserialize)]
struct RepositoryOwner {
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    kind: String,
}

/// The rights of an account in a repository.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AccountRights {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) triage: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) push: bool,
}

/// A comment, as written and as listed (docs/contracts/github.md#calls).
#[derive(Debug, Deserialize)]
pub(super) struct WireComment {
    pub(super) id: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) body: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) user: Option<User>,
    #[serde(default, deserialize_with = "lenient_time")]
    pub(super) created_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "lenient_time")]
    updated_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "lenient")]
    html_url: String,
    #[serde(default, deserialize_with = "lenient")]
    issue_url: String,
    #[serde(default, deserialize_with = "lenient")]
    author_association: String,
}

impl WireComment {
    /// Whether its author is no collaborator (docs/contracts/github.md#comments). One of unknown standing counts as one.
    pub(super) fn is_by_an_outsider(&self) -> bool {
        !matches!(
            self.author_association.as_str(),
            "" | "OWNER" | "MEMBER" | "COLLABORATOR"
        )
    }

    /// The number of its issue; `None` on a pull request, which only the page for people distinguishes.
    pub(super) fn issue(&self) -> Option<u64> {
        let page = self.html_url.split('#').next().unwrap_or_default();
        let is_of_pull = page.rsplit('/').nth(1) == Some("pull");
        let number = self.issue_url.rsplit('/').next()?.parse().ok()?;
        (!is_of_pull && number > 0).then_some(number)
    }

    /// The time of the last edit, or of its creation.
    pub(super) fn changed_at(&self) -> Option<DateTime<Utc>> {
        self.updated_at.or(self.created_at)
    }

    /// Whether it was changed since, perhaps by somebody else with access to the repository.
    pub(super) fn is_edited(&self) -> bool {
        self.changed_at() != self.created_at
    }

    /// Its text for display, at most as long as a description, and the operation of our marker in it.
    pub(super) fn text(&self) -> (String, Option<String>) {
        let text = unmarked(&self.body);
        let text = text.chars().take(DESCRIPTION_MAX).collect();
        (text, operation_of(&self.body).map(str::to_owned))
    }
}

/// An issue, or a pull request that looks like one (docs/contracts/github.md#issues).
#[derive(Debug, Deserialize)]
pub(super) struct WireIssue {
    /// The id that sub-issues are named by; 0 if it is missing.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: u64,
    pub(super) number: u64,
    #[serde(default, deserialize_with = "lenient")]
    state: String,
    #[serde(default, deserialize_with = "lenient")]
    state_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    title: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) body: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) user: Option<User>,
    #[serde(default, deserialize_with = "each")]
    labels: Vec<Label>,
    #[serde(default, deserialize_with = "each")]
    assignees: Vec<User>,
    #[serde(default, deserialize_with = "lenient")]
    milestone: Option<WireMilestone>,
    #[serde(default, deserialize_with = "lenient_time")]
    pub(super) created_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "lenient_time")]
    updated_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "lenient_time")]
    closed_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "lenient")]
    closed_by: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    repository_url: String,
    #[serde(default, deserialize_with = "lenient")]
    pull_request: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    issue_dependencies_summary: Option<DependenciesSummary>,
    #[serde(default, deserialize_with = "lenient")]
    sub_issues_summary: Option<SubIssues>,
    /// Only a sub-issue has it.
    #[serde(default, deserialize_with = "lenient")]
    parent_issue_url: Option<String>,
    #[serde(default, deserialize_with = "fields::values")]
    issue_field_values: Option<Vec<FieldValue>>,
    /// Its type or null; `None` if it does not say.
    #[serde(default, rename = "type", deserialize_with = "issue_type")]
    issue_type: Option<Option<IssueType>>,
}

/// A type of issues.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct IssueType {
    pub(super) name: String,
    /// Whether issues can get it; only lists of types say.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) is_enabled: Option<bool>,
}

/// The type of an issue, or null. Any other value says nothing.
fn issue_type<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<IssueType>>, D::Error> {
    let json = <&RawValue>::deserialize(deserializer)?.get();
    Ok(serde_json::from_str(json).ok())
}

/// A milestone of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct WireMilestone {
    pub(super) number: u64,
    pub(super) title: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) state: String,
}

/// The number of issues that an issue waits for, and how many of them are open.
#[derive(Debug, Deserialize)]
struct DependenciesSummary {
    #[serde(default, deserialize_with = "lenient")]
    blocked_by: u64,
    #[serde(default, deserialize_with = "lenient")]
    total_blocked_by: u64,
}

/// `GET …/issues/{n}/dependencies/blocked_by`: an issue that another waits for.
#[derive(Debug, Deserialize)]
pub(super) struct Blocker {
    pub(super) number: u64,
    #[serde(default, deserialize_with = "lenient")]
    state: String,
    #[serde(default, deserialize_with = "lenient")]
    html_url: String,
    #[serde(default, deserialize_with = "lenient")]
    repository_url: String,
    #[serde(default, deserialize_with = "lenient")]
    repository: HookRepository,
}

impl Blocker {
    pub(super) fn is_closed(&self) -> bool {
        self.state == "closed"
    }

    pub(super) fn repository_id(&self) -> Option<u64> {
        self.repository.id
    }

    /// Its repository, if it names one: by the API's URL of that, or its own page's.
    pub(super) fn repository(&self) -> Option<RepoName> {
        let page = self.html_url.rsplit_once("/issues/");
        self.repository
            .name()
            .or_else(|| last_two(&self.repository_url))
            .or_else(|| last_two(page?.0))
    }
}

/// The name of the repository at the end of a URL.
fn last_two(address: &str) -> Option<RepoName> {
    let mut parts = address.rsplit('/');
    let name = parts.next()?;
    let owner = parts.next()?;
    RepoName::parse(&format!("{owner}/{name}"))
}

/// The parts of an issue that no [`Task`] has.
#[derive(Debug, Deserialize)]
pub(super) struct IssueExtras {
    /// Their number; a missing one counts as zero.
    pub(super) comments: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) milestone: Option<IgnoredAny>,
    #[serde(default, rename = "sub_issues_summary", deserialize_with = "lenient")]
    pub(super) sub_issues: SubIssues,
}

/// The number of an issue's sub-issues, and how many of them are closed.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SubIssues {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) total: u64,
    #[serde(default, deserialize_with = "lenient")]
    completed: u64,
}

impl SubIssues {
    fn children(&self) -> Children {
        let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Children {
            open: count(self.total.saturating_sub(self.completed)),
            all: count(self.total),
        }
    }
}

/// The issue at this address of the API, if it is in this repository.
fn in_repository(address: &str, repository: u64, name: &RepoName) -> Option<TaskKey> {
    let (home, number) = address.rsplit_once("/issues/")?;
    let number = number.parse().ok()?;
    let is_here = last_two(home).is_some_and(|home| home.is(name))
        || home.ends_with(&format!("/repositories/{repository}"));
    is_here.then(|| TaskKey::github(repository, number))
}

/// A label by its name: an object that has one, or in some responses the name alone.
#[derive(Debug, Clone)]
pub(super) struct Label(String);

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Label, D::Error> {
        struct Labels;
        impl<'de> Visitor<'de> for Labels {
            type Value = Label;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a label")
            }
            fn visit_str<E>(self, name: &str) -> Result<Label, E> {
                Ok(Label(name.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Label, A::Error> {
                let mut label = None;
                while let Some(field) = map.next_key::<Cow<'de, str>>()? {
                    if field == "name" {
                        label = Some(Label(map.next_value()?));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                label.ok_or_else(|| A::Error::missing_field("name"))
            }
        }
        deserializer.deserialize_any(Labels)
    }
}

impl Label {
    pub(super) fn name(self) -> String {
        self.0
    }
}

/// The parts of the configuration that the mapping needs.
#[derive(Debug, Clone)]
pub(super) struct Mapping {
    /// The address of GitHub's pages: `https://github.com`.
    pub(super) pages: String,
    pub(super) in_progress_label: String,
    pub(super) priority_labels: PriorityLabels,
}

impl Mapping {
    fn status(&self, state: &str, labels: &[String]) -> TaskStatus {
        let in_progress = labels
            .iter()
            .any(|label| same_name(label, &self.in_progress_label));
        match state {
            "closed" => TaskStatus::Done,
            _ if in_progress => TaskStatus::InProgress,
            _ => TaskStatus::Todo,
        }
    }

    pub(super) fn priority(&self, labels: &[String]) -> Option<Priority> {
        let among = |wanted: &[String]| {
            let mut pairs = wanted
                .iter()
                .flat_map(|want| labels.iter().map(move |l| (want, l)));
            pairs.any(|(want, label)| same_name(want, label))
        };
        if among(&self.priority_labels.urgent) {
            Some(Priority::Urgent)
        } else if among(&self.priority_labels.high) {
            Some(Priority::High)
        } else {
            None
        }
    }
}

impl Mapping {
    /// The labels of a priority that the issue has, and those that it lacks, as the change that restores them.
    pub(super) fn priority_labels_of(&self, task: &Task) -> LabelChange {
        let PriorityLabels { urgent, high } = &self.priority_labels;
        let mut labels = LabelChange::default();
        for name in urgent.iter().chain(high) {
            match on_task(task, name) {
                // In the repository's own spelling.
                Some(label) => labels.add.push(label.clone()),
                None => labels.remove.push(name.clone()),
            }
        }
        labels
    }

    /// The priority of a task that comes from a field: no label shows it.
    pub(super) fn field_priority(&self, task: &Task) -> Option<Priority> {
        task.priority
            .filter(|_| self.priority(&task.labels).is_none())
    }
}

/// A title as one line, in which no-break spaces are spaces.
pub(super) fn plain_title(title: &str) -> String {
    one_line(&title.replace('\u{a0}', " "))
}

impl WireIssue {
    pub(super) fn is_pull_request(&self) -> bool {
        self.pull_request.is_some()
    }

    /// The name of the repository that it is in, if it has one.
    pub(super) fn repository(&self) -> Option<RepoName> {
        last_two(&self.repository_url)
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == "open"
    }

    /// Whether it waits for other issues by GitHub's dependencies. Closed ones count, because they may be reopened.
    pub(super) fn waits(&self) -> bool {
        let summary = self.issue_dependencies_summary.as_ref();
        summary.is_some_and(|summary| summary.blocked_by > 0 || summary.total_blocked_by > 0)
    }

    /// The parts that it lacks.
    pub(super) fn lacks(&self) -> MissingParts {
        MissingParts {
            dependencies: self.issue_dependencies_summary.is_none(),
            fields: self.issue_field_values.is_none(),
            types: self.issue_type.is_none(),
        }
    }

    /// Converts it to our own types, as an issue of this repository. `me` is the account that we write as, if known.
    pub(super) fn into_task(
        self,
        mapping: &Mapping,
        repository: u64,
        name: &RepoName,
        me: Option<&User>,
    ) -> Result<Task, String> {
        let id = TaskId::github(Some(name.clone()), self.number)
            .ok_or_else(|| "it has no number".to_owned())?;
        let labels: Vec<String> = self.labels.into_iter().map(Label::name).collect();
        let status = mapping.status(&self.state, &labels);
        let closed = (status == TaskStatus::Done).then(|| Closed {
            by_us: match (&self.closed_by, me) {
                (Some(by), Some(me)) => Some(by.id == me.id),
                _ => None,
            },
            by: self.closed_by.as_ref().map(User::account),
            at: self.closed_at,
            reason: self
                .state_reason
                .clone()
                .filter(|reason| reason != "completed"),
        });
        let title = plain_title(&self.title);
        let body = self.body.unwrap_or_default();
        let fields = self.issue_field_values.unwrap_or_default();
        Ok(Task {
            key: TaskKey::github(repository, self.number),
            id,
            container: repository.to_string(),
            entity: Task::entity_of_title(&title),
            title,
            description: unmarked(&body).chars().take(DESCRIPTION_MAX).collect(),
            // Made here: an address in an answer could lead anywhere.
            url: format!("{}/{name}/issues/{}", mapping.pages, self.number),
            status,
            priority: mapping
                .priority(&labels)
                .or_else(|| fields::priority(&fields, &mapping.priority_labels)),
            labels,
            commented_at: None,
            reopened: self.state == "open" && self.state_reason.as_deref() == Some("reopened"),
            custom_id: None,
            creator: self.user.as_ref().map(User::account),
            links: links(&body, repository, &mapping.pages),
            home: None,
            milestone: self.milestone.map(|milestone| one_line(&milestone.title)),
            task_type: self.issue_type.flatten().map(|one| one_line(&one.name)),
            parent: self
                .parent_issue_url
                .and_then(|address| in_repository(&address, repository, name)),
            children: self.sub_issues_summary.as_ref().map(SubIssues::children),
            source_status: self.state,
            assignees: self.assignees.iter().map(User::account).collect(),
            // An issue has no due date of its own, but perhaps a field for one.
            due: fields::due(&fields),
            created_at: self.created_at.or(self.updated_at).unwrap_or_default(),
            updated_at: self.updated_at.or(self.created_at).unwrap_or_default(),
            closed,
        })
    }
}

/// The fields that an issue in a payload must have to be used as it is. Listings may lack them; a damaged payload
/// without them would make a wrong task.
#[derive(Deserialize)]
struct Whole {
    number: u64,
    state: State,
    html_url: String,
    #[serde(deserialize_with = "time_or_null")]
    closed_at: Option<DateTime<Utc>>,
    #[serde(rename = "state_reason", deserialize_with = "Option::deserialize")]
    _state_reason: Option<String>,
    #[serde(rename = "title")]
    _title: IsText,
    #[serde(rename = "body", deserialize_with = "Option::deserialize")]
    _body: Option<IsText>,
    #[serde(rename = "user", deserialize_with = "Option::deserialize")]
    _user: Option<IsUser>,
    #[serde(rename = "labels")]
    _labels: Vec<IsNamed>,
    #[serde(rename = "assignees")]
    _assignees: Vec<IsUser>,
    #[serde(rename = "created_at", deserialize_with = "time")]
    _created_at: DateTime<Utc>,
    #[serde(rename = "updated_at", deserialize_with = "time")]
    _updated_at: DateTime<Utc>,
}

#[derive(PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Open,
    Closed,
}

#[derive(Deserialize)]
struct IsNamed {
    #[serde(rename = "name")]
    _name: IsText,
}

#[derive(Deserialize)]
struct IsUser {
    #[serde(rename = "id")]
    _id: u64,
    #[serde(rename = "login")]
    _login: IsText,
}

/// The issue of a payload, if it is complete, and no pull request by its URL.
pub(super) fn whole_issue(issue: &RawValue) -> Option<WireIssue> {
    let whole: Whole = serde_json::from_str(issue.get()).ok()?;
    let fits = (whole.state == State::Open || whole.closed_at.is_some())
        && whole
            .html_url
            .ends_with(&format!("/issues/{}", whole.number));
    fits.then(|| serde_json::from_str(issue.get()).ok())?
}

/// The payload of a webhook (docs/contracts/github.md#events).
#[derive(Deserialize)]
pub(super) struct HookPayload<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) action: Option<String>,
    #[serde(borrow, default)]
    pub(super) issue: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) repository: HookRepository,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) sender: Sender,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) assignee: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) comment: Option<WireComment>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) changes: Changes,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) label: Option<Label>,
    /// Of `issue_dependencies`: the waiting issue, and its repository if that is not the webhook's own.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) blocked_issue: Numbered,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) blocked_issue_repo: HookRepository,
    /// Of `sub_issues`: the two issues, and the repository of one that is not in the webhook's own.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) sub_issue: Numbered,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) sub_issue_repo: HookRepository,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) parent_issue: Numbered,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) parent_issue_repo: HookRepository,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct HookRepository {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    full_name: String,
}

impl HookRepository {
    pub(super) fn name(&self) -> Option<RepoName> {
        RepoName::parse(&self.full_name)
    }
}

/// The actor. It may be a ghost.
#[derive(Default, Deserialize)]
pub(super) struct Sender {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    login: Option<String>,
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    kind: String,
}

impl Sender {
    pub(super) fn user(&self) -> Option<User> {
        Some(User {
            id: self.id?,
            login: self.login.clone()?,
            kind: self.kind.clone(),
            bio: None,
        })
    }

    pub(super) fn is_bot(&self) -> bool {
        self.kind == "Bot"
    }
}

/// The changes of an edit (docs/contracts/github.md#events), and the two halves of a transfer (docs/contracts/github.md#names-that-change).
#[derive(Default, Deserialize)]
pub(super) struct Changes {
    #[serde(default)]
    title: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    new_issue: Numbered,
    #[serde(default, deserialize_with = "lenient")]
    new_repository: HookRepository,
    #[serde(default, deserialize_with = "lenient")]
    old_issue: Numbered,
    #[serde(default, deserialize_with = "lenient")]
    old_repository: HookRepository,
}

impl Changes {
    pub(super) fn is_of_title(&self) -> bool {
        self.title.is_some()
    }

    /// The id of the new repository, and the number there.
    pub(super) fn to(&self) -> Option<(u64, u64)> {
        Some((self.new_repository.id?, self.new_issue.number?))
    }

    pub(super) fn from(&self) -> Option<(u64, u64)> {
        Some((self.old_repository.id?, self.old_issue.number?))
    }
}

/// The readable part of an incomplete issue.
#[derive(Default, Deserialize)]
pub(super) struct Numbered {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) number: Option<u64>,
    #[serde(default, deserialize_with = "lenient_time")]
    pub(super) updated_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "lenient_time")]
    pub(super) closed_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pull_request: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    repository_url: String,
}

impl Numbered {
    /// The name of the repository that it is in, if it has one.
    pub(super) fn repository(&self) -> Option<RepoName> {
        last_two(&self.repository_url)
    }

    pub(super) fn is_pull_request(&self) -> bool {
        self.pull_request.is_some()
    }
}

/// A webhook (docs/contracts/github.md#registering). Its secret is never shown.
#[derive(Debug, Deserialize)]
pub(super) struct WireHook {
    pub(super) id: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) active: bool,
    #[serde(default, deserialize_with = "each")]
    pub(super) events: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) config: HookConfig,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) last_response: LastResponse,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct HookConfig {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) url: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) content_type: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct LastResponse {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) code: Option<u16>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) status: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) message: Option<String>,
}

/// One attempt to deliver, as listed (docs/contracts/github.md#delivery).
#[derive(Debug, Deserialize)]
pub(super) struct Attempt {
    pub(super) id: u64,
    pub(super) guid: String,
    #[serde(deserialize_with = "time")]
    pub(super) delivered_at: DateTime<Utc>,
    /// 0 if there was no response.
    #[serde(default, deserialize_with = "lenient")]
    status_code: u16,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) event: String,
}

impl Attempt {
    pub(super) fn is_delivered(&self) -> bool {
        (200..300).contains(&self.status_code)
    }
}

/// One attempt with its payload.
#[derive(Debug, Deserialize)]
pub(super) struct AttemptDetail {
    #[serde(default, deserialize_with = "lenient")]
    request: AttemptRequest,
}

#[derive(Debug, Default, Deserialize)]
struct AttemptRequest {
    #[serde(default)]
    payload: Option<Box<RawValue>>,
}

impl AttemptDetail {
    /// The payload's JSON: it came from GitHub itself, so its signature is not checked again.
    pub(super) fn into_payload(self) -> Option<Vec<u8>> {
        let payload = Box::<str>::from(self.request.payload?);
        let is_object = payload.starts_with('{');
        is_object.then(|| String::from(payload).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[test]
    fn the_time_grows_with_the_body() {
        crate::scan_cost::is_linear(unmarked);
        crate::scan_cost::is_linear(disarmed);
        crate::scan_cost::is_linear(|body| operation_of(body).is_some());
        crate::scan_cost::is_linear(|body| marked(body, "01J"));
        let body = "<!-- ivan:op=".repeat(4_000);
        let begun = std::time::Instant::now();
        assert_eq!(unmarked(&body), body);
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    }

    const OP: &str = "01J00000000000000000000001";

    fn mapping() -> Mapping {
        Mapping {
            pages: crate::domain::address::GITHUB.to_owned(),
            in_progress_label: "in progress".into(),
            priority_labels: PriorityLabels {
                urgent: vec!["P0".into()],
                high: vec!["P1".into(), "soon".into()],
            },
        }
    }

    fn me() -> User {
        User {
            id: 40,
            login: "ivan-bot".into(),
            kind: String::new(),
            bio: None,
        }
    }

    fn read(value: Value) -> Task {
        let issue: WireIssue = serde_json::from_str(&value.to_string()).unwrap();
        let name = RepoName::parse("acme/widgets").unwrap();
        issue
            .into_task(&mapping(), 1001, &name, Some(&me()))
            .unwrap()
    }

    /// The issue of docs/contracts/github.md#issues.
    fn renew_cert() -> Value {
        json!({"id":3000000001u64,"node_id":"I_kwDOAAAB","number":7,"state":"open","state_reason":null,
            "title":"[CLIENT:acme] Renew\u{a0}cert","body":null,
            "user":{"login":"octo","id":11,"type":"User"},
            "labels":[{"id":1,"name":"ops","color":"ff0000","default":false,"description":null},"p1"],
            "assignees":[{"login":"bo","id":12,"type":"User"}],"milestone":null,"locked":false,"comments":0,
            "created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-02T03:04:05Z","closed_at":null,"closed_by":null,
            "html_url":"https://github.com/acme/widgets/issues/7",
            "repository_url":"https://api.github.com/repos/acme/widgets","performed_via_github_app":null})
    }

    fn with(fields: Value) -> Value {
        let mut issue = renew_cert();
        for (name, value) in fields.as_object().unwrap() {
            issue[name] = value.clone();
        }
        issue
    }

    #[test]
    fn an_issue_is_read_as_the_contract_shows_it() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(
            read(renew_cert()),
            Task {
                key: TaskKey::github(1001, 7),
                id: TaskId::parse("github:acme/widgets#7").unwrap(),
                container: "1001".into(),
                title: "[CLIENT:acme] Renew cert".into(),
                description: String::new(),
                url: "https://github.com/acme/widgets/issues/7".into(),
                status: TaskStatus::Todo,
                source_status: "open".into(),
                assignees: vec![Account {
                    id: "12".into(),
                    name: "bo".into()
                }],
                labels: vec!["ops".into(), "p1".into()],
                entity: Some("acme".into()),
                priority: Some(Priority::High),
                due: None,
                created_at: at("2026-01-01T00:00:00Z"),
                updated_at: at("2026-01-02T03:04:05Z"),
                closed: None,
                commented_at: None,
                reopened: false,
                custom_id: None,
                creator: Some(Account {
                    id: "11".into(),
                    name: "octo".into()
                }),
                links: Vec::new(),
                home: None,
                milestone: None,
                task_type: None,
                parent: None,
                children: None,
            }
        );
    }

    #[rstest]
    #[case::open(json!({}), TaskStatus::Todo)]
    #[case::labelled(json!({"labels": [{"name": "In Progress"}]}), TaskStatus::InProgress)]
    #[case::closed(json!({"state": "closed", "labels": ["in progress"]}), TaskStatus::Done)]
    #[case::odd(json!({"state": "paused"}), TaskStatus::Todo)]
    fn the_state_decides_before_the_label(#[case] fields: Value, #[case] status: TaskStatus) {
        assert_eq!(read(with(fields)).status, status);
    }

    #[rstest]
    #[case::by_us(json!({"login": "renamed-bot", "id": 40}), Some(true))]
    #[case::by_another(json!({"login": "ivan-bot", "id": 41}), Some(false))]
    #[case::by_a_ghost(Value::Null, None)]
    fn a_closed_issue_says_by_whom(#[case] by: Value, #[case] by_us: Option<bool>) {
        let task = read(with(json!({"state": "closed", "state_reason": "completed",
            "closed_at": "2026-01-02T03:04:05Z", "closed_by": by})));
        let closed = task.closed.unwrap();
        assert_eq!(closed.by_us, by_us);
        assert_eq!(closed.by.is_some(), by_us.is_some());
        assert_eq!(closed.at, Some(task.updated_at));
        assert!(!task.reopened);
    }

    #[rstest]
    #[case::completed(json!("completed"), None, "closed")]
    #[case::not_planned(json!("not_planned"), Some("not_planned"), "closed as not_planned")]
    #[case::duplicate(json!("duplicate"), Some("duplicate"), "closed as duplicate")]
    #[case::none(Value::Null, None, "closed")]
    fn a_closed_issue_says_why(
        #[case] reason: Value,
        #[case] read_as: Option<&str>,
        #[case] state: &str,
    ) {
        let task = read(with(
            json!({"state": "closed", "state_reason": reason, "closed_at": "2026-01-02T03:04:05Z"}),
        ));
        assert_eq!(task.state_with_reason(), state);
        assert_eq!(crate::domain::task::closing_reason(state), read_as);
        assert_eq!(task.closed.unwrap().reason.as_deref(), read_as);
    }

    #[test]
    fn the_labels_of_a_priority_are_those_on_the_issue_and_all_others() {
        let task = read(with(json!({"labels": ["ops", "p0", "Soon"]})));
        assert_eq!(
            mapping().priority_labels_of(&task),
            LabelChange {
                add: vec!["p0".to_owned(), "Soon".to_owned()],
                remove: vec!["P1".to_owned()],
            }
        );
    }

    #[test]
    fn a_reopened_issue_says_so() {
        let task = read(with(json!({"state_reason": "reopened"})));
        assert!(task.reopened);
        assert_eq!(task.closed, None);
    }

    #[test]
    fn nulls_and_odd_values_are_no_obstacle() {
        let task = read(
            json!({"number": 7, "state": "open", "title": null, "body": 7, "user": null,
            "labels": null, "assignees": [null, {"login": "bo", "id": 12}], "created_at": "soon",
            "updated_at": "2026-01-02T03:04:05Z", "state_reason": "invented"}),
        );
        assert_eq!((task.title.as_str(), task.assignees.len()), ("", 1));
        assert_eq!(task.created_at, task.updated_at);
    }

    #[rstest]
    #[case("+262142-12-31T23:59:59Z")]
    #[case("-262143-01-01T00:00:00Z")]
    #[case("+10000-01-01T00:00:00Z")]
    #[case("1969-12-31T23:59:59Z")]
    fn times_that_nobody_means_are_absent(#[case] odd: &str) {
        let issue = with(json!({"updated_at": odd}));
        let whole = serde_json::value::to_raw_value(&issue).unwrap();
        assert!(whole_issue(&whole).is_none());
        let task = read(issue);
        assert_eq!(task.updated_at, task.created_at);
        let closed = read(with(json!({"state": "closed", "closed_at": odd})));
        assert_eq!(closed.closed.unwrap().at, None);
        let token = json!({"token": "ghs_1", "expires_at": odd});
        assert!(serde_json::from_value::<WireInstallationToken>(token).is_err());
    }

    #[rstest]
    #[case("text\n\n<!-- ivan:op=01JABC -->", "text")]
    #[case("text\r\n\r\n<!-- ivan:op=01JABC -->\r\n", "text")]
    #[case("<!-- ivan:op=01JABC -->", "")]
    #[case("<!-- ivan:op=01JABC --> text", " text")]
    #[case(
        "> shipped\n>\n> <!-- ivan:op=01JABC -->\n\nthanks\n\n<!-- ivan:op=01JDEF -->",
        "> shipped\n>\n> \n\nthanks"
    )]
    #[case("<!-- ivan:op=<!-- ivan:op=01JABC -->", "<!-- ivan:op=")]
    #[case("text <!-- other -->", "text <!-- other -->")]
    #[case("text <!-- ivan:op= -->", "text <!-- ivan:op= -->")]
    #[case("text <!-- ivan:op=a b -->", "text <!-- ivan:op=a b -->")]
    fn a_description_is_without_our_marker(#[case] body: &str, #[case] shown: &str) {
        assert_eq!(read(with(json!({"body": body}))).description, shown);
    }

    #[test]
    fn a_long_description_is_cut_between_characters() {
        let task = read(with(json!({"body": "é".repeat(5_000)})));
        assert_eq!(task.description, "é".repeat(4_000));
    }

    #[rstest]
    #[case("shipped", true)]
    #[case("", true)]
    #[case("a <!-- note --> b", true)]
    #[case("<!-- ivan:op=01J00000000000000000000002 -->", false)]
    #[case("<!--IVAN:op=x-->", false)]
    #[case("<!--\u{a0}ivan:op=x", false)]
    #[case("<!--é", true)]
    fn a_text_is_sent_as_typed_unless_it_poses_as_a_marker(#[case] text: &str, #[case] kept: bool) {
        let body = marked(text, OP);
        assert!(is_marked(&body, OP));
        assert!(!is_marked(&body, "01J00000000000000000000002"));
        assert_eq!(body.starts_with(text), kept, "{body}");
        assert_eq!(body.matches("<!-- ivan:op=").count(), 1, "{body}");
    }

    #[rstest]
    #[case("```one\ntwo```", "```one\ntwo```\n```\n\n")]
    #[case("````\n```\none", "````\n```\none\n````\n\n")]
    #[case("```\none\n```", "```\none\n```\n\n")]
    #[case("```one```", "```one```\n\n")]
    #[case("a ` and ``", "a ` and ``\n\n")]
    #[case("~~~\none\n```", "~~~\none\n```\n~~~\n\n")]
    #[case("- one\n  ```\n  two", "- one\n  ```\n  two\n\n")]
    fn a_marker_is_not_seen_in_a_code_block_that_was_left_open(
        #[case] text: &str,
        #[case] before: &str,
    ) {
        assert_eq!(marked(text, OP), format!("{before}{}", marker(OP)));
    }

    #[test]
    fn a_marker_in_the_middle_is_somebodys_text() {
        assert!(!is_marked(&format!("{} and more", marker(OP)), OP));
    }

    proptest! {
        #[test]
        fn marking_and_unmarking_gives_the_text_back(text in "[a-z <!\\->é\n]{0,40}") {
            let body = marked(&text, OP);
            prop_assert_eq!(unmarked(&body), text.trim_end());
        }
    }

    #[test]
    fn pull_requests_are_told_from_issues() {
        let issue: WireIssue = serde_json::from_str(&renew_cert().to_string()).unwrap();
        assert!(!issue.is_pull_request());
        assert_eq!(issue.repository().unwrap().to_string(), "acme/widgets");
        let pull = with(json!({"pull_request": {"url": "https://api.github.com/x"}}));
        let pull: WireIssue = serde_json::from_str(&pull.to_string()).unwrap();
        assert!(pull.is_pull_request());
    }
}
