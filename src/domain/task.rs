//! A task as a source has it, and its two names: the key that is stored, and the id that people see.
//!
//! Sources build [`Task`]s, the store stores them, and `score`, `queue` and `reply` decide about them.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub use super::profile::Source;
use super::profile::TaskIdForm;
use super::when::local;

/// The key of a task in the mirror: ClickUp's task id, or GitHub's `<repository id>:<number>`.
///
/// It survives renames and transfers of repositories, and a reused name never matches it (docs/contracts/github.md#names-that-change).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskKey {
    source: Source,
    key: String,
}

impl TaskKey {
    /// The key of a ClickUp task by its internal id (never the custom id, which can change: docs/contracts/clickup.md#tasks).
    pub fn clickup(id: impl Into<String>) -> TaskKey {
        TaskKey {
            // Names a source: the form of this key is its own.
            source: Source::ClickUp,
            key: id.into(),
        }
    }

    /// The key of a GitHub issue by its repository's stable id and its number there.
    pub fn github(repository_id: u64, number: u64) -> TaskKey {
        TaskKey {
            // Names a source: the form of this key is its own.
            source: Source::GitHub,
            key: format!("{repository_id}:{number}"),
        }
    }

    /// Joins a key from its two stored columns.
    pub fn stored(source: Source, key: impl Into<String>) -> TaskKey {
        TaskKey {
            source,
            key: key.into(),
        }
    }

    /// The source that has the task.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The part without the source: `86a`, `4711:12`.
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// The repository id and the issue number, for a GitHub key.
    pub fn github_parts(&self) -> Option<(u64, u64)> {
        if self.source.profile().ids != TaskIdForm::Numbers {
            return None;
        }
        let (repository, number) = self.key.split_once(':')?;
        Some((repository.parse().ok()?, number.parse().ok()?))
    }
}

impl fmt::Display for TaskKey {
    /// `clickup:86a`, `github:4711:12`, as it goes into buttons and forms and comes back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.key)
    }
}

impl TaskKey {
    /// Parses the output of `Display`.
    pub fn parse(text: &str) -> Option<TaskKey> {
        let (source, key) = text.split_once(':')?;
        let source = Source::ALL.into_iter().find(|one| one.as_str() == source)?;
        let key = TaskKey::stored(source, key);
        let fits = !key.key.is_empty() && key.key.chars().all(|c| c.is_ascii_graphic());
        (fits && (source.profile().ids == TaskIdForm::Own || key.github_parts().is_some()))
            .then_some(key)
    }
}

/// `owner/name` of a repository, as GitHub spells it. It can change at GitHub: for display and look-up, never a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoName {
    owner: String,
    name: String,
}

impl RepoName {
    /// Parses `owner/name`. Both parts are GitHub's alphabet: ASCII letters, digits, `-`, `_` and `.`.
    pub fn parse(text: &str) -> Option<RepoName> {
        let (owner, name) = text.split_once('/')?;
        let valid = |part: &str| {
            !part.is_empty()
                && part.len() <= 100
                && part != "."
                && part != ".."
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        (valid(owner) && valid(name)).then(|| RepoName {
            owner: owner.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The account that has the repository, as GitHub spells it.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The name within that account, as GitHub spells it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// GitHub compares names without case.
    pub fn is(&self, other: &RepoName) -> bool {
        self.owner.eq_ignore_ascii_case(&other.owner) && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl From<RepoName> for String {
    fn from(repo: RepoName) -> String {
        repo.to_string()
    }
}

impl TryFrom<String> for RepoName {
    type Error = String;

    fn try_from(text: String) -> Result<RepoName, String> {
        RepoName::parse(&text).ok_or_else(|| format!("`{text}` is not owner/name"))
    }
}

/// The id that a person sees and types: `clickup:<id>`, `github:<owner>/<repo>#<number>`, or `github:<number>` for the
/// default repo.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(Named);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Named {
    ClickUp(String),
    GitHub(Option<RepoName>, u64),
}

/// The error for a text that is no task id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a task id. A task id is clickup:<id>, github:<owner>/<repo>#<number>, or github:<number> for the default repo"
)]
pub struct MalformedTaskId(pub String);

impl TaskId {
    /// Parses a task id as typed or as a path segment, already percent-decoded.
    pub fn parse(text: &str) -> Result<TaskId, MalformedTaskId> {
        let malformed = || MalformedTaskId(text.chars().take(80).collect());
        let (source, rest) = text.trim().split_once(':').ok_or_else(malformed)?;
        match Source::parse(source).ok_or_else(malformed)?.profile().ids {
            TaskIdForm::Own => TaskId::clickup(rest).ok_or_else(malformed),
            TaskIdForm::Numbers => match rest.split_once('#') {
                Some((repo, number)) => Some((RepoName::parse(repo).map(Some), number)),
                None => Some((Some(None), rest)),
            }
            .and_then(|(repo, number)| Some(TaskId(Named::GitHub(repo?, issue_number(number)?))))
            .ok_or_else(malformed),
        }
    }

    /// The id of a ClickUp task, if the text is one: letters, digits, `-` and `_`.
    pub fn clickup(id: &str) -> Option<TaskId> {
        let valid = !id.is_empty()
            && id.len() <= 64
            && id
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        valid.then(|| TaskId(Named::ClickUp(id.to_owned())))
    }

    /// The id of an issue. Numbers start at 1; 0 is none.
    pub fn github(repo: Option<RepoName>, number: u64) -> Option<TaskId> {
        (number > 0).then_some(TaskId(Named::GitHub(repo, number)))
    }

    /// Parses the URL of a task's page: `https://app.clickup.com/t/86…`, `https://github.com/o/r/issues/7`.
    ///
    /// A host other than github.com counts as GitHub by the shape of the path, for GitHub Enterprise.
    pub fn from_url(text: &str) -> Option<TaskId> {
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))?;
        let rest = rest.split(['?', '#']).next()?;
        let mut segments = rest.trim_end_matches('/').split('/');
        let host = segments.next()?;
        let path: Vec<&str> = segments.collect();
        match path.as_slice() {
            ["t", id] if is_clickup_host(host) => TaskId::clickup(id),
            ["t", _team, id] if is_clickup_host(host) => TaskId::clickup(id),
            [owner, name, "issues", number] => TaskId::github(
                Some(RepoName::parse(&format!("{owner}/{name}"))?),
                issue_number(number)?,
            ),
            _ => None,
        }
    }

    /// The source that has the task.
    pub fn source(&self) -> Source {
        match self.0 {
            // Names a source: each form of an id is one's own.
            Named::ClickUp(_) => Source::ClickUp,
            Named::GitHub(..) => Source::GitHub,
        }
    }

    /// ClickUp's id, for a ClickUp task.
    pub fn clickup_id(&self) -> Option<&str> {
        match &self.0 {
            Named::ClickUp(id) => Some(id),
            Named::GitHub(..) => None,
        }
    }

    /// The repository if it was named, and the number, for a GitHub issue.
    pub fn issue(&self) -> Option<(Option<&RepoName>, u64)> {
        match &self.0 {
            Named::ClickUp(_) => None,
            Named::GitHub(repo, number) => Some((repo.as_ref(), *number)),
        }
    }

    /// The short form beside a title: `acme/widgets#7`, or ClickUp's bare id.
    pub fn short(&self) -> String {
        match &self.0 {
            Named::ClickUp(id) => id.clone(),
            Named::GitHub(Some(repo), number) => format!("{repo}#{number}"),
            Named::GitHub(None, number) => format!("#{number}"),
        }
    }
}

fn is_clickup_host(host: &str) -> bool {
    host == "clickup.com" || host.ends_with(".clickup.com")
}

fn issue_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|&number| digits && number > 0)
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Named::ClickUp(id) => write!(f, "clickup:{id}"),
            Named::GitHub(Some(repo), number) => write!(f, "github:{repo}#{number}"),
            Named::GitHub(None, number) => write!(f, "github:{number}"),
        }
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for TaskId {
    type Error = MalformedTaskId;

    fn try_from(text: String) -> Result<TaskId, MalformedTaskId> {
        TaskId::parse(&text)
    }
}

/// The three states of a task; sources map theirs by type first, name second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Not begun.
    Todo,
    /// In progress.
    InProgress,
    /// Finished.
    Done,
}

impl TaskStatus {
    /// The word in the store and in the API: `in_progress`.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskStatus::Todo => "todo",
            TaskStatus::InProgress => "in_progress",
            TaskStatus::Done => "done",
        }
    }

    /// Parses the output of `as_str`; `None` for any other text.
    pub fn parse(text: &str) -> Option<TaskStatus> {
        [TaskStatus::Todo, TaskStatus::InProgress, TaskStatus::Done]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// Only the two priorities that earn points are distinguished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// The highest; it earns points.
    Urgent,
    /// The second highest; it earns points.
    High,
    /// Earns no points.
    Normal,
    /// The lowest; it earns no points.
    Low,
}

impl Priority {
    /// The word in the store and in the API, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Urgent => "urgent",
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        }
    }

    /// Parses the output of `as_str`; `None` for any other text.
    pub fn parse(text: &str) -> Option<Priority> {
        use Priority::{High, Low, Normal, Urgent};
        [Urgent, High, Normal, Low]
            .into_iter()
            .find(|priority| priority.as_str() == text)
    }
}

/// An account of a person at a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account {
    /// The stable id, as text: ClickUp's member id, GitHub's numeric user id.
    pub id: String,
    /// The name for people: ClickUp's user name, GitHub's login.
    pub name: String,
}

/// When a task is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "KeptDue", into = "KeptDue")]
pub struct DueDate {
    /// The time that the source stores.
    pub at: DateTime<Utc>,
    /// The due day, if there is no due time. It is the same day in every time zone.
    pub day: Option<NaiveDate>,
}

impl DueDate {
    /// Due at a time.
    pub fn at(at: DateTime<Utc>) -> DueDate {
        DueDate { at, day: None }
    }

    /// The due day for a person in that zone.
    pub fn day_in(&self, zone: Tz) -> NaiveDate {
        self.day.unwrap_or_else(|| local(self.at, zone).date())
    }
}

/// The stored form; a time alone keeps its original form.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum KeptDue {
    At(DateTime<Utc>),
    Day { at: DateTime<Utc>, day: NaiveDate },
}

impl From<KeptDue> for DueDate {
    fn from(kept: KeptDue) -> DueDate {
        match kept {
            KeptDue::At(at) => DueDate::at(at),
            KeptDue::Day { at, day } => DueDate { at, day: Some(day) },
        }
    }
}

impl From<DueDate> for KeptDue {
    fn from(due: DueDate) -> KeptDue {
        match due.day {
            Some(day) => KeptDue::Day { at: due.at, day },
            None => KeptDue::At(due.at),
        }
    }
}

/// One unit of work, in its last known state at the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The key in the mirror, which survives renames.
    pub key: TaskKey,
    /// The id that people see. At GitHub a rename of the repository changes it.
    pub id: TaskId,
    /// Its place: ClickUp's list id; GitHub's repository id, as text.
    pub container: String,
    /// The list that defines its statuses, if that is not its container: a ClickUp task that lives in an unfollowed
    /// list and was added to a followed one.
    #[serde(default)]
    pub home: Option<String>,
    /// The title with GitHub's `[CLIENT:<entity>] ` prefix; no-break spaces are spaces.
    pub title: String,
    /// Without Ivan's own marker; at most a few thousand characters.
    pub description: String,
    /// The task's page at the source.
    pub url: String,
    /// The state that `source_status` stands for.
    pub status: TaskStatus,
    /// The source's own word: `in review`, `open`, `closed`.
    pub source_status: String,
    /// The accounts that it is assigned to; empty for none.
    pub assignees: Vec<Account>,
    /// ClickUp tags or GitHub labels, in the source's spelling.
    pub labels: Vec<String>,
    /// The client the task is for: ClickUp tag `client:<entity>`, GitHub title prefix `[CLIENT:<entity>] `.
    pub entity: Option<String>,
    /// `None` if the source has no priority for it.
    pub priority: Option<Priority>,
    /// `None` if it is never due.
    pub due: Option<DueDate>,
    /// The time of its creation, by the source's clock.
    pub created_at: DateTime<Utc>,
    /// The source's own time of the last change, which decides which of two reports is newer (P4).
    pub updated_at: DateTime<Utc>,
    /// The time of the last known comment. Reports of a source do not set it, the mirror does.
    #[serde(default)]
    pub commented_at: Option<DateTime<Utc>>,
    /// Who finished it and when, if the source reports that (P5).
    pub closed: Option<Closed>,
    /// GitHub reports that an open issue was reopened; with `updated_at` that shows a later actor.
    pub reopened: bool,
    /// Another id that people may use: ClickUp's custom id, `OPS-12`.
    #[serde(default)]
    pub custom_id: Option<String>,
    /// Its creator, if the source reports that.
    #[serde(default)]
    pub creator: Option<Account>,
    /// The title of its milestone, if it is in one. ClickUp has none.
    #[serde(default)]
    pub milestone: Option<String>,
    /// The name of its type: an issue type of GitHub, a task type of ClickUp. `None` for none, or for ClickUp's plain task.
    #[serde(default)]
    pub task_type: Option<String>,
    /// The task that it is a part of: the parent of a ClickUp subtask, or of a GitHub sub-issue in the same repository.
    #[serde(default)]
    pub parent: Option<TaskKey>,
    /// The number of its own parts; `None` without any.
    #[serde(default)]
    pub children: Option<Children>,
    /// Its relations to other tasks: ClickUp's dependencies, links in GitHub's body.
    #[serde(default)]
    pub links: Vec<Relation>,
}

/// The number of a task's parts: ClickUp's subtasks, GitHub's sub-issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Children {
    /// Those that are not finished.
    pub open: usize,
    /// All of them.
    pub all: usize,
}

impl Children {
    /// `2 of 3 sub-issues open`
    pub fn words(self, source: Source) -> String {
        let (one, several) = source.profile().parts;
        let noun = if self.all == 1 { one } else { several };
        format!("{} of {} {noun} open", self.open, self.all)
    }
}

/// How a task was finished, as far as the source reports that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The account that finished it; `None` if the source does not report that.
    pub by: Option<Account>,
    /// The time by the source's clock; `None` if the source does not report it.
    pub at: Option<DateTime<Utc>>,
    /// Whether the account that Ivan writes with closed it; `None` if the source does not report the actor.
    pub by_us: Option<bool>,
    /// GitHub's reason, if that is another one than `completed`: `not_planned`, `duplicate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Between the state and the reason in [`Task::state_with_reason`].
const AS: &str = " as ";

/// The reason in the output of [`Task::state_with_reason`] at GitHub; `None` for a state alone.
pub fn closing_reason(state: &str) -> Option<&str> {
    state.split_once(AS).map(|(_, reason)| reason)
}

impl Task {
    /// The time of the last action. A comment may leave `updated_at` as it is (docs/contracts/clickup.md#polling).
    pub fn last_activity(&self) -> DateTime<Utc> {
        self.commented_at
            .map_or(self.updated_at, |commented| commented.max(self.updated_at))
    }

    /// The source's own word for its state, with the reason if GitHub closed it for another one than its completion:
    /// `closed as not_planned`.
    pub fn state_with_reason(&self) -> String {
        let closed = self.closed.as_ref();
        match closed.and_then(|closed| closed.reason.as_deref()) {
            Some(reason) => format!("{}{AS}{reason}", self.source_status),
            None => self.source_status.clone(),
        }
    }

    /// Restores data that a report lacks: who finished the task, unless it was finished again since, its last comment,
    /// and the number of its parts.
    pub fn remember(&mut self, known: &Task) {
        self.children = self.children.or(known.children);
        self.commented_at = self.commented_at.max(known.commented_at);
        if let (Some(closed), Some(known)) = (&mut self.closed, &known.closed)
            && closed.by.is_none()
            && closed.at == known.at
        {
            // Each report has the reason.
            let reason = closed.reason.take();
            *closed = Closed {
                reason,
                ..known.clone()
            };
        }
    }

    /// The client in a GitHub title's `[CLIENT:<entity>] ` prefix.
    pub fn entity_of_title(title: &str) -> Option<String> {
        let rest = title.strip_prefix("[CLIENT:")?;
        let (entity, _) = rest.split_once(']')?;
        let entity = entity.trim();
        (!entity.is_empty()).then(|| entity.to_owned())
    }

    /// The client in ClickUp tags: the first `client:<entity>`.
    pub fn entity_of_labels(labels: &[String]) -> Option<String> {
        labels.iter().find_map(|label| {
            let (kind, entity) = label.split_once(':')?;
            let entity = entity.trim();
            (kind.eq_ignore_ascii_case("client") && !entity.is_empty()).then(|| entity.to_owned())
        })
    }
}

/// How many links of one task are read.
pub const LINKS_MAX: usize = 50;

/// A relation of a task to another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Relation {
    /// The task that waits, of the two.
    pub way: Direction,
    /// The other task.
    pub to: RelatedTask,
}

/// The direction of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The other task waits for this one.
    Blocks,
    /// This task waits for the other one.
    BlockedBy,
}

/// The reference to the other task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelatedTask {
    /// A task by its key.
    Task(TaskKey),
    /// An issue by its repository's name, which is resolved only when it is looked up.
    Issue {
        /// `owner/name` as in the link; it may have changed since.
        repo: RepoName,
        /// The issue's number in it.
        number: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("clickup:86tst0001", "clickup:86tst0001")]
    #[case("ClickUp:OPS-12", "clickup:OPS-12")]
    #[case("github:acme/widgets#7", "github:acme/widgets#7")]
    #[case("github:7", "github:7")]
    #[case("  github:7 ", "github:7")]
    fn a_task_id_is_read_and_shown(#[case] typed: &str, #[case] shown: &str) {
        assert_eq!(TaskId::parse(typed).unwrap().to_string(), shown);
    }

    #[rstest]
    #[case("86tst0001")]
    #[case("clickup:")]
    #[case("clickup:86/../team")]
    #[case("github:acme#7")]
    #[case("github:acme/widgets")]
    #[case("github:acme/../x#7")]
    #[case("github:acme/widgets#0")]
    #[case("github:+7")]
    #[case("github:99999999999999999999999")]
    #[case("jira:7")]
    #[case("")]
    fn a_malformed_task_id_is_refused(#[case] typed: &str) {
        assert!(TaskId::parse(typed).is_err(), "{typed}");
    }

    #[rstest]
    #[case("https://app.clickup.com/t/86tst0001", Some("clickup:86tst0001"))]
    #[case("https://app.clickup.com/t/9001/OPS-12?x=1", Some("clickup:OPS-12"))]
    #[case(
        "https://github.com/acme/widgets/issues/7#issuecomment-900",
        Some("github:acme/widgets#7")
    )]
    #[case(
        "https://github.example.com/acme/widgets/issues/7/",
        Some("github:acme/widgets#7")
    )]
    #[case("https://github.com/acme/widgets/pull/7", None)]
    #[case("https://evil.example/t/86tst0001", None)]
    #[case("ftp://github.com/acme/widgets/issues/7", None)]
    fn an_address_names_a_task(#[case] url: &str, #[case] id: Option<&str>) {
        let read = TaskId::from_url(url).map(|id| id.to_string());
        assert_eq!(read.as_deref(), id);
    }

    #[test]
    fn a_stored_key_gives_its_parts_back() {
        assert_eq!(TaskKey::github(1001, 7).github_parts(), Some((1001, 7)));
        assert_eq!(TaskKey::clickup("86tst0001").github_parts(), None);
    }

    #[test]
    fn the_client_is_read_from_titles_and_tags() {
        assert_eq!(
            Task::entity_of_title("[CLIENT:acme] Fix login").as_deref(),
            Some("acme")
        );
        assert_eq!(Task::entity_of_title("Fix [CLIENT:acme] login"), None);
        let tags = ["ops".to_owned(), "Client:Acme".to_owned()];
        assert_eq!(Task::entity_of_labels(&tags).as_deref(), Some("Acme"));
    }
}
