//! Operations → requests to GitHub, and their responses → tasks.
//!
//! The domain's `carry_out` decides which request is sent and when; this translates. Every body that we write ends in
//! the operation's invisible marker, by which a lost comment or issue is recognized (docs/contracts/github.md#lost-answers).

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value, json};

use crate::domain::change::TaskChange;
use crate::domain::mention_text::MentionText;
use crate::domain::operation::{
    NewTask, Operation, ParentTask, Place, Refusal, Write, WriteError, WriteReceipt,
};
use crate::domain::reason::{for_operators, with_remedy};
use crate::domain::source::{SourceStanding, SourceWriter};
use crate::domain::task::{RepoName, Source, Task, TaskKey, closing_reason};
use crate::domain::undo::{EffectState, OwnCreation};
use crate::domain::writes::{self, OwnComment, Writes};
use crate::http_client::{after_a_part, not_taken, refused};

use super::client::{GitHubError, MovedElsewhere, ReadAnswer, Request};
use super::wire::{Listed, User, WireComment, WireIssue, is_marked, marked, plain_title};
use super::{GitHub, not_followed};

/// How long before the start of the write its trace is searched for: clocks differ (docs/contracts/github.md#lost-answers).
const CLOCK_SLACK: TimeDelta = TimeDelta::seconds(60);
/// How many pages a search reads: a thousand comments or issues since the write began.
const SEARCH_PAGES_MAX: usize = 10;

#[async_trait]
impl SourceWriter for GitHub {
    fn source(&self) -> Source {
        Source::GitHub
    }

    async fn read(&self, key: &TaskKey) -> Result<Task, WriteError> {
        let (repository, number) = parts(key)?;
        self.check_followed(repository).await?;
        let (name, got) = self.issue(repository, number).await?;
        let thing = named(&name, number);
        self.check_here(&got, repository, &name, number)?;
        if got.value.is_pull_request() {
            return Err(WriteError::Refused {
                what: Refusal::Invisible,
                why: format!("{thing} is a pull request in GitHub. I only work on issues"),
            });
        }
        let me = self.me().await?;
        let waits = got.value.waits();
        let task = got.value.into_task(&self.mapping, repository, &name, me);
        let mut task = task.map_err(|why| self.client.rest.unreadable(&thing, &why))?;
        if waits {
            self.add_dependencies(&mut task, &name).await?;
        }
        Ok(task)
    }

    async fn send(&self, op: &Operation, now: Option<&Task>) -> Result<WriteReceipt, WriteError> {
        writes::send(self, op, now).await
    }

    async fn check_names(&self, op: &Operation, now: &Task) -> Result<(), WriteError> {
        if let Write::Change {
            change: TaskChange::Labels(labels),
            ..
        } = &op.write
        {
            self.spelled_in_repository(now, labels).await?;
        }
        Ok(())
    }

    /// The level of a priority does not show which labels stood for it.
    fn back_to(&self, change: &TaskChange, now: &Task) -> TaskChange {
        match change {
            TaskChange::Priority(_) => {
                TaskChange::PriorityLabels(self.mapping.priority_labels_of(now))
            }
            _ => change.back_to(now),
        }
    }

    async fn still_as_left(&self, op: &Operation, now: &Task) -> Result<EffectState, WriteError> {
        writes::still_as_left(self, op, now).await
    }

    async fn find(&self, op: &Operation) -> Result<Option<WriteReceipt>, WriteError> {
        writes::find(self, op).await
    }

    fn take_turn(&self) -> Duration {
        self.client.take_turn()
    }

    fn give_back(&self) {
        self.client.give_back();
    }

    fn standing(&self) -> SourceStanding {
        self.client.rest.standing()
    }

    fn pause_until(&self, until: DateTime<Utc>) {
        self.client.rest.pause_until(until);
    }
}

#[async_trait]
impl Writes for GitHub {
    async fn complete(&self, now: &Task) -> Result<Task, WriteError> {
        let completed = json!({"state": "closed", "state_reason": "completed"});
        self.patch(now, completed).await
    }

    async fn start(&self, now: &Task) -> Result<Task, WriteError> {
        self.add_progress_label(now).await
    }

    async fn reopen(&self, now: &Task, _: Option<&str>) -> Result<Task, WriteError> {
        self.patch(now, json!({"state": "open"})).await
    }

    async fn change(&self, now: &Task, change: &TaskChange) -> Result<Task, WriteError> {
        self.make(now, change).await
    }

    async fn comment(
        &self,
        op: &Operation,
        now: &Task,
        text: &MentionText,
    ) -> Result<String, WriteError> {
        let (repository, number) = parts(&now.key)?;
        let name = self.name_of(repository).await?;
        let body = json!({"body": marked(&text.to_string(), &op.id)});
        let post = |name: &RepoName| {
            let path = format!("/repos/{name}/issues/{number}/comments");
            Request::post(path, named(name, number), body.clone())
        };
        let (comment, _): (WireComment, _) = self.write(repository, name, post).await?;
        Ok(comment.id.to_string())
    }

    async fn create(&self, op: &Operation, new: &NewTask) -> Result<Task, WriteError> {
        let (repository, name) = self.place(new).await?;
        let mut body = Map::new();
        let title = plain_title(&new.github_title());
        body.insert("title".to_owned(), title.into());
        let text = marked(new.description.as_deref().unwrap_or_default(), &op.id);
        body.insert("body".to_owned(), text.into());
        // An assignee without access would have the whole issue refused (422).
        if let Some(who) = &new.assignee
            && self.can_be_assigned(&name, &who.name).await?
        {
            body.insert("assignees".to_owned(), json!([who.name]));
        }
        let body = Value::Object(body);
        let post = |name: &RepoName| {
            let path = format!("/repos/{name}/issues");
            Request::post(path, format!("a new issue in {name}"), body.clone())
        };
        let (issue, name): (WireIssue, _) = self.write(repository, name, post).await?;
        let me = self.me().await.unwrap_or(None);
        let id = issue.id;
        let made = issue.into_task(&self.mapping, repository, &name, me);
        let made = made.map_err(|why| {
            let thing = format!("a new issue in {name}");
            self.client.rest.unreadable_after_write(&thing, &why)
        })?;
        match &new.under {
            Some(parent) => self.put_under(made, id, parent).await,
            None => Ok(made),
        }
    }

    async fn stop(&self, now: &Task, _: Option<&str>) -> Result<Task, WriteError> {
        self.remove_progress_label(now).await
    }

    async fn finish_again(&self, now: &Task, before: Option<&str>) -> Result<Task, WriteError> {
        let reason = before.and_then(closing_reason).unwrap_or("completed");
        let closed = json!({"state": "closed", "state_reason": reason});
        self.patch(now, closed).await
    }

    async fn delete_comment(&self, now: &Task, comment: &OwnComment<'_>) -> Result<(), WriteError> {
        self.remove_comment(now, comment).await
    }

    async fn discard(&self, now: &Task) -> Result<Task, WriteError> {
        let dropped = json!({"state": "closed", "state_reason": "not_planned"});
        self.patch(now, dropped).await
    }

    /// Searches the issue's new comments for our own that ends in this operation's marker.
    async fn find_comment(
        &self,
        op: &Operation,
        now: &Task,
        _: &MentionText,
        begun_at: DateTime<Utc>,
    ) -> Result<Option<String>, WriteError> {
        let (repository, number) = parts(&now.key)?;
        let name = self.name_of(repository).await?;
        let me = self.me().await?;
        let since = self.since(begun_at);
        let path = format!("/repos/{name}/issues/{number}/comments");
        let request = Request::get(path, named(&name, number))
            .with("since", seconds(since))
            .with("per_page", 100);
        let fits = |comment: &WireComment| {
            is_by(me, comment.user.as_ref())
                && is_marked(&comment.body, &op.id)
                && is_since(comment.created_at, since)
                && !op.claimed.contains(&comment.id.to_string())
        };
        let found = self.search(request, fits).await?;
        Ok(found.map(|comment| comment.id.to_string()))
    }

    /// Lists issues created since, for our own that ends in this operation's marker.
    async fn find_created(
        &self,
        op: &Operation,
        new: &NewTask,
        begun_at: DateTime<Utc>,
    ) -> Result<Option<Task>, WriteError> {
        let (repository, name) = self.place(new).await?;
        let me = self.me().await?;
        let since = self.since(begun_at);
        let thing = format!("the new issues in {name}");
        let request = || {
            Request::get(format!("/repos/{name}/issues"), thing.as_str())
                .with("state", "all")
                .with("since", seconds(since))
                .with("sort", "created")
                .with("direction", "desc")
                .with("per_page", 100)
        };
        let fits = |issue: &WireIssue| {
            let key = TaskKey::github(repository, issue.number);
            is_by(me, issue.user.as_ref())
                && !issue.is_pull_request()
                && is_marked(issue.body.as_deref().unwrap_or_default(), &op.id)
                && is_since(issue.created_at, since)
                && !op.claimed.contains(key.as_str())
        };
        let found = match me {
            Some(me) => {
                let by_us = request().with("creator", &me.login);
                match self.search(by_us, fits).await {
                    // The form in which GitHub expects an account here is not certain for all (docs/contracts/github.md#lost-answers).
                    Err(WriteError::Refused { .. }) => self.search(request(), fits).await?,
                    found => found?,
                }
            }
            None => self.search(request(), fits).await?,
        };
        let Some(issue) = found else {
            return Ok(None);
        };
        let id = issue.id;
        let made = issue.into_task(&self.mapping, repository, &name, me);
        let made = made.map_err(|why| self.client.rest.unreadable(&thing, &why))?;
        Ok(Some(match &new.under {
            // The second request of the creation may be missing.
            Some(parent) if !new.is_under_in(&made) => self.put_under(made, id, parent).await?,
            _ => made,
        }))
    }

    async fn comment_stands(
        &self,
        now: &Task,
        comment: &OwnComment<'_>,
    ) -> Result<EffectState, WriteError> {
        self.own_comment_stands(now, comment).await
    }

    async fn is_bare(&self, now: &Task, own: &OwnCreation) -> Result<EffectState, WriteError> {
        self.bare(now, own).await
    }
}

impl GitHub {
    /// The start of the search for a trace, by GitHub's clock, for a write that began at `begun_at` by ours.
    fn since(&self, begun_at: DateTime<Utc>) -> DateTime<Utc> {
        begun_at - CLOCK_SLACK - self.client.rest.ahead()
    }

    /// An issue of the repository with this id, and the repository's current name. Both are requested concurrently: a
    /// response under a name that belongs to another repository is dropped.
    async fn issue(
        &self,
        repository: u64,
        number: u64,
    ) -> Result<(RepoName, ReadAnswer<WireIssue>), WriteError> {
        let ask = async |name: &RepoName| {
            let path = format!("/repos/{name}/issues/{number}");
            self.client
                .get(&Request::get(path, named(name, number)))
                .await
        };
        let believed = self.name_of(repository).await?;
        let (located, got) = tokio::join!(self.locate(repository), ask(&believed));
        let name = located?;
        let got = if name.is(&believed) {
            got?
        } else {
            ask(&name).await?
        };
        Ok((name, got))
    }

    /// A transferred issue answers from its new repository, under its new number (docs/contracts/github.md#names-that-change).
    fn check_here(
        &self,
        got: &ReadAnswer<WireIssue>,
        repository: u64,
        name: &RepoName,
        number: u64,
    ) -> Result<(), WriteError> {
        let issue = &got.value;
        let home = issue.repository();
        let path = got.url.path();
        if path.ends_with(&format!("/repos/{name}/issues/{number}"))
            || path.ends_with(&format!("/repositories/{repository}/issues/{number}"))
            || (issue.number == number && home.as_ref().is_some_and(|home| home.is(name)))
        {
            return Ok(());
        }
        let thing = named(name, number);
        let Some(home) = home else {
            let why = "it comes from an unknown repository";
            return Err(self.client.rest.unreadable(&thing, why));
        };
        // A configured name counts only until it is verified.
        let followed = self.lock_followed().iter().any(|one| {
            let called = one.known.as_ref().map_or(&one.configured, |known| &known.1);
            called.is(&home)
        });
        let new = format!("github:{home}#{}", issue.number);
        Err(if followed {
            WriteError::Refused {
                what: Refusal::Gone,
                why: format!("{thing} was transferred in GitHub. It is now {new}, so use that"),
            }
        } else {
            WriteError::Refused {
                what: Refusal::NotMirrored,
                why: with_remedy(
                    format_args!(
                        "{thing} was transferred in GitHub to {new}, which I don't follow. Do it there"
                    ),
                    format_args!("Or add {home} to github.repos"),
                ),
            }
        })
    }

    /// The new key of an issue that was transferred to a followed repository.
    pub(super) async fn successor(&self, key: &TaskKey) -> Result<Option<TaskKey>, WriteError> {
        let (repository, number) = parts(key)?;
        let (name, got) = match self.issue(repository, number).await {
            Ok(found) => found,
            Err(WriteError::Refused { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if self.check_here(&got, repository, &name, number).is_ok() {
            return Ok(None);
        }
        let home = got.value.repository();
        let followed = self.lock_followed();
        let mut known = followed.iter().filter_map(|one| one.known.as_ref());
        let here = known.find(|(_, name)| home.as_ref().is_some_and(|home| home.is(name)));
        Ok(here.map(|(id, _)| TaskKey::github(*id, got.value.number)))
    }

    /// Makes a new issue with this id a sub-issue of another. It may be sent twice: the second time GitHub refuses it, and
    /// changes nothing (docs/contracts/github.md#sub-issues). A refusal is no failure, since the issue was created: it is
    /// returned as GitHub has it then.
    async fn put_under(
        &self,
        made: Task,
        id: u64,
        parent: &ParentTask,
    ) -> Result<Task, WriteError> {
        let (repository, number) = parts(&parent.task)?;
        let name = self.name_of(repository).await;
        let name = name.map_err(|error| after_a_part(true, error))?;
        let post = |name: &RepoName| {
            let path = format!("/repos/{name}/issues/{number}/sub_issues");
            let thing = format!("the sub-issues of {}", named(name, number));
            Request::post(path, thing, json!({"sub_issue_id": id}))
        };
        match self.write::<IgnoredAny>(repository, name, post).await {
            Ok(_) => Ok(Task {
                parent: Some(parent.task.clone()),
                ..made
            }),
            Err(WriteError::Refused { why, .. }) => {
                tracing::info!(source = "github", issue = %made.id, error = %for_operators(&why), "not made a sub-issue");
                let read = self.read(&made.key).await;
                read.map_err(|error| after_a_part(true, error))
            }
            Err(error) => Err(after_a_part(true, error)),
        }
    }

    /// Changes fields of an issue.
    pub(super) async fn patch(&self, now: &Task, fields: Value) -> Result<Task, WriteError> {
        let (repository, number) = parts(&now.key)?;
        let name = self.name_of(repository).await?;
        let patch = |name: &RepoName| {
            let path = format!("/repos/{name}/issues/{number}");
            Request::patch(path, named(name, number), fields.clone())
        };
        let (issue, name): (WireIssue, _) = self.write(repository, name, patch).await?;
        self.after_write(now, issue, repository, &name).await
    }

    /// The task in the response to a write. Its dependencies stay as just read, and so do the fields that the response
    /// lacks: none of our writes changes them.
    pub(super) async fn after_write(
        &self,
        now: &Task,
        issue: WireIssue,
        repository: u64,
        name: &RepoName,
    ) -> Result<Task, WriteError> {
        let me = self.me().await.unwrap_or(None);
        let (number, lacks) = (issue.number, issue.lacks());
        let task = issue.into_task(&self.mapping, repository, name, me);
        let unreadable = |why: String| {
            let thing = named(name, number);
            self.client.rest.unreadable_after_write(&thing, &why)
        };
        let mut task = task.map_err(unreadable)?;
        task.links.clone_from(&now.links);
        task.parent = task.parent.or_else(|| now.parent.clone());
        task.children = task.children.or(now.children);
        if lacks.fields {
            task.due = now.due;
            task.priority = task.priority.or_else(|| self.mapping.field_priority(now));
        }
        if lacks.types {
            task.task_type.clone_from(&now.task_type);
        }
        Ok(task)
    }

    /// Writes to a repository. If it has moved, its name is looked up by its id, and the same request goes there, once
    /// (docs/contracts/github.md#names-that-change). Returns the name that was written to.
    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        repository: u64,
        name: RepoName,
        request: impl Fn(&RepoName) -> Request,
    ) -> Result<(T, RepoName), WriteError> {
        let moved =
            |name: &RepoName| not_taken(format!("GitHub has moved {}", request(name).thing), None);
        match self.client.write(&request(&name)).await {
            Ok(written) => return Ok((written, name)),
            Err(GitHubError::Failed(error)) => return Err(error),
            Err(GitHubError::Own(MovedElsewhere)) => {}
        }
        let renamed = self.locate_by_id(repository).await?;
        if renamed.is(&name) {
            // The issue moved, not the repository: the next read returns its new place.
            return Err(moved(&name));
        }
        match self.client.write(&request(&renamed)).await {
            Ok(written) => Ok((written, renamed)),
            Err(GitHubError::Failed(error)) => Err(error),
            Err(GitHubError::Own(MovedElsewhere)) => Err(moved(&renamed)),
        }
    }

    /// The repository of a creation and its current name, if we may write there: never a stranger's that has the name
    /// now.
    async fn place(&self, new: &NewTask) -> Result<(u64, RepoName), WriteError> {
        let wanted = match &new.place {
            Place::Repo(wanted) => wanted,
            Place::List(list) => {
                return Err(refused(format!(
                    "GitHub has no lists, and {list} is not a repository"
                )));
            }
        };
        let (id, known_as) = self.followed_as(wanted).await?;
        match self.repository(wanted).await {
            Ok(found) if found.id == id => Ok((id, self.learn(&found)?)),
            Ok(found) => Err(refused(with_remedy(
                format_args!(
                    "{wanted} is now a different repository in GitHub, so nothing changed"
                ),
                format_args!(
                    "It has the id {}; I follow the id {id}, last known as {known_as}. Set its present name in \
                     github.repo or github.repos",
                    found.id
                ),
            ))),
            // The redirect from an old name has ended.
            Err(WriteError::Refused { .. }) => Ok((id, self.locate_by_id(id).await?)),
            Err(error) => Err(error),
        }
    }

    /// The followed repository with this name, as configured or as it is named now.
    pub(super) async fn followed_as(
        &self,
        wanted: &RepoName,
    ) -> Result<(u64, RepoName), WriteError> {
        let mut trouble = None;
        for (configured, resolved) in self.resolve_all().await {
            match resolved {
                Ok((id, name)) if configured.is(wanted) || name.is(wanted) => {
                    return Ok((id, name));
                }
                Err(error) if configured.is(wanted) => return Err(error),
                Err(error @ WriteError::NotTaken { .. }) => trouble = Some(error),
                Ok(_) | Err(_) => {}
            }
        }
        Err(trouble.unwrap_or_else(|| not_followed(&format!("the repository {wanted}"))))
    }

    /// Reads a listing page by page to the first match.
    async fn search<T: DeserializeOwned>(
        &self,
        mut request: Request,
        fits: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, WriteError> {
        for _ in 0..SEARCH_PAGES_MAX {
            let page: ReadAnswer<Listed<T>> = self.client.get(&request).await?;
            if let Some(found) = page.value.items.into_iter().find(&fits) {
                return Ok(Some(found));
            }
            match page.next {
                Some(next) => request = self.client.follow(&next, request.thing)?,
                None => return Ok(None),
            }
        }
        Err(self.client.rest.too_much(&request.thing))
    }
}

/// Whether we wrote it. For a token without a known account, the marker alone decides.
fn is_by(me: Option<&User>, author: Option<&User>) -> bool {
    me.is_none_or(|me| author.is_some_and(|author| author.id == me.id))
}

fn is_since(created_at: Option<DateTime<Utc>>, since: DateTime<Utc>) -> bool {
    // GitHub counts whole seconds.
    created_at.is_some_and(|created| created.timestamp() >= since.timestamp())
}

/// A time in the form that GitHub accepts: whole seconds, UTC.
pub(super) fn seconds(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub(super) fn parts(key: &TaskKey) -> Result<(u64, u64), WriteError> {
    key.github_parts().ok_or_else(|| WriteError::Refused {
        what: Refusal::Invisible,
        why: format!("`{}` is not an issue in GitHub", key.as_str()),
    })
}

pub(super) fn named(name: &RepoName, number: u64) -> String {
    format!("the issue {name}#{number}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::super::tests::{github, name, repository, world};
    use super::*;
    use crate::clock::Clock;
    use crate::domain::labels::LabelChange;
    use crate::domain::operation::OperationHistory;
    use crate::domain::task::{Priority, TaskStatus};
    use crate::domain::undo::{Effect, UndoKind, UndoRequest, UndoTarget};
    use crate::http_client::fake::{Fake, FakeResponse, SeenRequest, json as says};

    const OP: &str = "01J00000000000000000000001";
    const MARKER: &str = "<!-- ivan:op=01J00000000000000000000001 -->";

    fn begun() -> DateTime<Utc> {
        "2026-01-01T00:00:00.900Z".parse().unwrap()
    }

    fn issue(repo: &str, number: u64) -> Value {
        json!({"id": 3000000001u64, "number": number, "state": "open", "title": "Renew cert", "body": null,
            "user": {"login": "ivan-bot", "id": 40}, "labels": [], "assignees": [],
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
            "html_url": format!("https://github.com/{repo}/issues/{number}"),
            "repository_url": format!("https://api.github.com/repos/{repo}")})
    }

    fn with(mut value: Value, fields: Value) -> Value {
        for (name, new) in fields.as_object().unwrap() {
            value[name] = new.clone();
        }
        value
    }

    fn key() -> TaskKey {
        TaskKey::github(1001, 7)
    }

    fn operation(write: Write) -> Operation {
        Operation {
            id: OP.into(),
            write,
            begun_at: Some(begun()),
            interrupted: false,
            looks: 0,
            looks_first: false,
            claimed: BTreeSet::new(),
            past: OperationHistory::default(),
        }
    }

    fn complete() -> Operation {
        operation(Write::Complete { task: key() })
    }

    fn comment(text: &str) -> Operation {
        operation(Write::Comment {
            task: key(),
            text: text.into(),
            files: Vec::new(),
        })
    }

    fn create(repo: &str) -> Operation {
        operation(Write::Create(NewTask {
            place: Place::Repo(name(repo)),
            title: "Fix\u{a0}login".into(),
            description: Some("It fails".into()),
            entity: Some("acme".into()),
            due: None,
            assignee: None,
            under: None,
            files: Vec::new(),
        }))
    }

    fn moved(status: u16, to: &str) -> FakeResponse {
        let location = vec![("Location", to.to_owned())];
        FakeResponse::Text(
            status,
            location,
            json!({"message": "Moved Permanently"}).to_string(),
        )
    }

    fn not_found() -> FakeResponse {
        says(404, json!({"message": "Not Found"}))
    }

    fn refused_as(error: &WriteError) -> Refusal {
        match error {
            WriteError::Refused { what, .. } => *what,
            other => panic!("{other:?}"),
        }
    }

    /// The requests for issues, in order.
    fn issue_lines(fake: &Fake) -> Vec<String> {
        let lines = fake.lines().into_iter();
        lines.filter(|line| line.contains("/issues")).collect()
    }

    #[tokio::test]
    async fn an_issue_is_read_with_the_headers_that_github_wants() {
        let fake = Fake::start(world(|_| says(200, issue("acme/widgets", 7)))).await;
        let task = github(&fake.url).read(&key()).await.unwrap();
        assert_eq!(task.id.to_string(), "github:acme/widgets#7");
        assert_eq!(task.key, key());
        for seen in fake.seen() {
            assert_eq!(
                seen.header("authorization"),
                Some("Bearer github_pat_SECRET")
            );
            assert_eq!(seen.header("accept"), Some("application/vnd.github+json"));
            assert_eq!(seen.header("x-github-api-version"), Some("2022-11-28"));
            assert!(seen.header("user-agent").unwrap().starts_with("ivan/"));
        }
    }

    #[rstest]
    #[case::not_configured(TaskKey::github(3003, 7), Refusal::NotMirrored)]
    #[case::not_a_key(TaskKey::stored(Source::GitHub, "7"), Refusal::Invisible)]
    #[case::missing(TaskKey::github(1001, 404), Refusal::Invisible)]
    #[case::deleted(TaskKey::github(1001, 410), Refusal::Gone)]
    #[case::pull_request(TaskKey::github(1001, 8), Refusal::Invisible)]
    #[tokio::test]
    async fn what_is_not_ours_to_read_is_refused(#[case] key: TaskKey, #[case] what: Refusal) {
        let fake = Fake::start(world(|seen| match seen.line().as_str() {
            "GET /repos/acme/widgets/issues/8" => says(
                200,
                with(
                    issue("acme/widgets", 8),
                    json!({"pull_request": {"url": "x"}}),
                ),
            ),
            "GET /repos/acme/widgets/issues/410" => {
                says(410, json!({"message": "This issue was deleted"}))
            }
            _ => not_found(),
        }))
        .await;
        let error = github(&fake.url).read(&key).await.unwrap_err();
        assert_eq!(refused_as(&error), what, "{error}");
        assert!(error.to_string().contains("GitHub"), "{error}");
    }

    #[rstest]
    #[case::followed("acme/gadgets", Refusal::Gone)]
    #[case::elsewhere("other/place", Refusal::NotMirrored)]
    #[tokio::test]
    async fn a_transferred_issue_is_named_anew(#[case] to: &'static str, #[case] what: Refusal) {
        let fake = Fake::start(world(move |seen| match seen.line().as_str() {
            "GET /repos/acme/widgets/issues/7" => moved(301, &format!("/repos/{to}/issues/3")),
            _ => says(200, issue(to, 3)),
        }))
        .await;
        let error = github(&fake.url).read(&key()).await.unwrap_err();
        assert_eq!(refused_as(&error), what);
        assert!(
            error.to_string().contains(&format!("github:{to}#3")),
            "{error}"
        );
        let reader = github(&fake.url);
        reader.resolve_all().await;
        let successor = (what == Refusal::Gone).then(|| TaskKey::github(2002, 3));
        assert_eq!(reader.successor(&key()).await, Ok(successor));
    }

    #[tokio::test]
    async fn an_issue_transferred_to_a_stranger_of_our_old_name_is_not_ours() {
        let fake = Fake::start(|seen| match seen.line().as_str() {
            "GET /repos/acme/widgets" | "GET /repositories/1001" => {
                says(200, repository(1001, "acme/renamed"))
            }
            "GET /repos/acme/gadgets" => not_found(),
            "GET /repos/acme/renamed" => says(200, repository(1001, "acme/renamed")),
            "GET /repos/acme/renamed/issues/7" => moved(301, "/repos/acme/widgets/issues/3"),
            _ => says(200, issue("acme/widgets", 3)),
        })
        .await;
        let error = github(&fake.url).read(&key()).await.unwrap_err();
        assert_eq!(refused_as(&error), Refusal::NotMirrored);
    }

    #[tokio::test]
    async fn a_read_follows_no_redirect_to_another_host() {
        let other = Fake::start(|_| says(200, issue("acme/widgets", 7))).await;
        let to = format!("{}/repos/acme/widgets/issues/7", other.url);
        let fake = Fake::start(world(move |_| moved(301, &to))).await;
        let error = github(&fake.url).read(&key()).await.unwrap_err();
        assert!(matches!(error, WriteError::NotTaken { .. }), "{error:?}");
        assert_eq!(other.lines(), Vec::<String>::new(), "the token went there");
    }

    #[tokio::test]
    async fn a_read_is_not_sent_in_circles() {
        let fake = Fake::start(world(|seen| moved(301, &seen.target))).await;
        let error = github(&fake.url).read(&key()).await.unwrap_err();
        assert!(matches!(error, WriteError::NotTaken { .. }), "{error:?}");
        assert_eq!(issue_lines(&fake).len(), 4, "asked once, and three hops");
    }

    #[tokio::test]
    async fn completing_closes_as_completed() {
        let fake = Fake::start(world(|seen| match seen.method.as_str() {
            "PATCH" => {
                let by = json!({"state": "closed", "closed_by": {"login": "ivan-bot", "id": 40}});
                says(200, with(issue("acme/widgets", 7), by))
            }
            _ => says(200, issue("acme/widgets", 7)),
        }))
        .await;
        let github = github(&fake.url);
        let now = github.read(&key()).await.unwrap();
        let written = github.send(&complete(), Some(&now)).await.unwrap();
        assert_eq!(written.task.status, TaskStatus::Done);
        assert_eq!(written.task.closed.unwrap().by_us, Some(true));
        assert_eq!(written.trace, None);
        let patch = fake.seen().pop().unwrap();
        assert_eq!(patch.line(), "PATCH /repos/acme/widgets/issues/7");
        assert_eq!(
            patch.json(),
            json!({"state": "closed", "state_reason": "completed"})
        );
    }

    /// A former version stored the state without a reason.
    #[rstest]
    #[case::not_planned(Some("closed as not_planned"), "not_planned")]
    #[case::duplicate(Some("closed as duplicate"), "duplicate")]
    #[case::without_a_reason(Some("closed"), "completed")]
    #[case::not_known(None, "completed")]
    #[tokio::test]
    async fn a_reopened_issue_is_closed_for_the_reason_before(
        #[case] before: Option<&str>,
        #[case] reason: &str,
    ) {
        let fake = Fake::start(world(|seen| match seen.method.as_str() {
            "PATCH" => says(200, with(issue("acme/widgets", 7), seen.json())),
            _ => says(200, issue("acme/widgets", 7)),
        }))
        .await;
        let github = github(&fake.url);
        let now = github.read(&key()).await.unwrap();
        let mut op = operation(Write::Undo(UndoRequest {
            operation: "01J00000000000000000000002".into(),
            what: UndoKind::Reopening,
            source: Source::GitHub,
            task: Some(key()),
            title: "Renew cert".into(),
            copies: Vec::new(),
            instead: None,
        }));
        op.past.to_undo = Some(UndoTarget::Effect(Effect::Reopened {
            before: before.map(str::to_owned),
            left: "open".into(),
        }));
        let written = github.send(&op, Some(&now)).await.unwrap();
        let closed = json!({"state": "closed", "state_reason": reason});
        assert_eq!(fake.seen().pop().unwrap().json(), closed);
        let said = written.task.closed.unwrap().reason;
        assert_eq!(said.as_deref().unwrap_or("completed"), reason);
    }

    #[tokio::test]
    async fn the_way_back_from_a_priority_names_its_labels() {
        let labels = json!({"labels": ["ops", "p0"]});
        let there = with(issue("acme/widgets", 7), labels);
        let fake = Fake::start(world(move |_| says(200, there.clone()))).await;
        let github = github(&fake.url);
        let now = github.read(&key()).await.unwrap();
        let change = TaskChange::Priority(Some(Priority::High));
        let back = github.back_to(&change, &now);
        assert!(back.holds_in(&now));
        let labels = LabelChange {
            add: vec!["p0".to_owned()],
            remove: vec!["P1".to_owned()],
        };
        assert_eq!(back, TaskChange::PriorityLabels(labels));
        let change = TaskChange::Milestone(None);
        assert_eq!(github.back_to(&change, &now), change.back_to(&now));
    }

    #[tokio::test]
    async fn a_comment_ends_in_the_marker() {
        let fake = Fake::start(world(|seen| match seen.method.as_str() {
            "POST" => says(201, json!({"id": 900, "body": seen.json()["body"]})),
            _ => says(200, issue("acme/widgets", 7)),
        }))
        .await;
        let op = comment("two\nlines");
        let written = github(&fake.url).send(&op, None).await.unwrap();
        assert_eq!(written.trace.as_deref(), Some("900"));
        let post = fake.seen().pop().unwrap();
        assert_eq!(post.line(), "POST /repos/acme/widgets/issues/7/comments");
        assert_eq!(
            post.json(),
            json!({"body": format!("two\nlines\n\n{MARKER}")})
        );
    }

    #[tokio::test]
    async fn a_creation_carries_client_title_and_marked_description() {
        let fake = Fake::start(world(|_| says(201, issue("acme/gadgets", 12)))).await;
        let written = github(&fake.url)
            .send(&create("Acme/Gadgets"), None)
            .await
            .unwrap();
        assert_eq!(written.trace.as_deref(), Some("2002:12"));
        assert_eq!(written.task.id.to_string(), "github:acme/gadgets#12");
        let post = fake
            .seen()
            .into_iter()
            .find(|seen| seen.method == "POST")
            .unwrap();
        assert_eq!(post.line(), "POST /repos/acme/gadgets/issues");
        assert_eq!(
            post.json(),
            json!({"title": "[CLIENT:acme] Fix login", "body": format!("It fails\n\n{MARKER}")})
        );
    }

    #[tokio::test]
    async fn nothing_is_created_in_a_repository_that_is_not_configured() {
        let fake = Fake::start(world(|_| says(201, issue("other/place", 12)))).await;
        let error = github(&fake.url)
            .send(&create("other/place"), None)
            .await
            .unwrap_err();
        assert_eq!(refused_as(&error), Refusal::NotMirrored);
        assert!(fake.seen().iter().all(|seen| seen.method == "GET"));
    }

    /// Between the read and the write the repository is renamed.
    #[rstest]
    #[case(301)]
    #[case(307)]
    #[tokio::test]
    async fn a_redirected_write_is_sent_once_more_to_the_same_repository(#[case] status: u16) {
        let fake = Fake::start(world(move |seen| match seen.line().as_str() {
            "GET /repositories/1001" => says(200, repository(1001, "acme/renamed")),
            "POST /repos/acme/widgets/issues/7/comments" => {
                moved(status, "/repositories/1001/issues/7/comments")
            }
            "POST /repos/acme/renamed/issues/7/comments" => says(201, json!({"id": 900})),
            _ => says(200, issue("acme/widgets", 7)),
        }))
        .await;
        let written = github(&fake.url).send(&comment("hi"), None).await.unwrap();
        assert_eq!(written.trace.as_deref(), Some("900"));
        let posts: Vec<SeenRequest> = fake
            .seen()
            .into_iter()
            .filter(|seen| seen.method == "POST")
            .collect();
        assert_eq!(posts.len(), 2);
        assert_eq!(posts[0].body, posts[1].body);
        assert_eq!(
            posts[1].line(),
            "POST /repos/acme/renamed/issues/7/comments"
        );
    }

    #[tokio::test]
    async fn a_write_is_redirected_no_further_than_once_and_never_to_a_stranger() {
        let fake = Fake::start(world(|seen| match seen.line().as_str() {
            "GET /repositories/1001" => says(200, repository(6666, "acme/stranger")),
            "PATCH /repos/acme/widgets/issues/7" => moved(307, "/repos/acme/stranger/issues/7"),
            _ => says(200, issue("acme/widgets", 7)),
        }))
        .await;
        let error = github(&fake.url).send(&complete(), None).await.unwrap_err();
        assert!(matches!(error, WriteError::NotTaken { .. }), "{error:?}");
        let patches = fake
            .seen()
            .iter()
            .filter(|seen| seen.method == "PATCH")
            .count();
        assert_eq!(patches, 1);
    }

    /// `acme/widgets` is renamed to `acme/renamed`, and a stranger makes a new `acme/widgets` with an issue 7.
    #[tokio::test]
    async fn a_reused_name_reaches_nobody_elses_repository() {
        let reused = Arc::new(AtomicBool::new(false));
        let now_reused = reused.clone();
        let fake = Fake::start(move |seen| {
            let reused = now_reused.load(Ordering::SeqCst);
            match seen.line().as_str() {
                "GET /repos/acme/widgets" if reused => says(200, repository(6666, "acme/widgets")),
                "GET /repos/acme/widgets" => says(200, repository(1001, "acme/widgets")),
                "GET /repos/acme/renamed" | "GET /repositories/1001" => {
                    says(200, repository(1001, "acme/renamed"))
                }
                "GET /repos/acme/gadgets" => says(200, repository(2002, "acme/gadgets")),
                "GET /user" => says(200, json!({"login": "ivan-bot", "id": 40})),
                "GET /repos/acme/widgets/issues/7" if reused => says(
                    200,
                    with(issue("acme/widgets", 7), json!({"title": "A stranger's"})),
                ),
                "GET /repos/acme/widgets/issues/7" => says(200, issue("acme/widgets", 7)),
                "GET /repos/acme/renamed/issues/7" => says(200, issue("acme/renamed", 7)),
                "POST /repos/acme/renamed/issues/7/comments" => says(201, json!({"id": 900})),
                other => says(500, json!({"message": other})),
            }
        })
        .await;
        let github = github(&fake.url);
        github.read(&key()).await.unwrap();
        reused.store(true, Ordering::SeqCst);

        let now = github.read(&key()).await.unwrap();
        assert_eq!(now.title, "Renew cert");
        assert_eq!(now.id.to_string(), "github:acme/renamed#7");
        let written = github.send(&comment("hi"), Some(&now)).await.unwrap();
        assert_eq!(written.trace.as_deref(), Some("900"));

        let error = github
            .send(&create("acme/widgets"), None)
            .await
            .unwrap_err();
        assert_eq!(refused_as(&error), Refusal::Other);
        assert!(error.to_string().contains("acme/renamed"), "{error}");
        let writes: Vec<String> = fake
            .lines()
            .into_iter()
            .filter(|line| line.starts_with("POST"))
            .collect();
        assert_eq!(writes, ["POST /repos/acme/renamed/issues/7/comments"]);
    }

    fn comment_by(id: u64, user: u64, body: &str) -> Value {
        json!({"id": id, "body": body, "user": {"login": "somebody", "id": user},
            "created_at": "2026-01-01T00:00:05Z"})
    }

    fn marked_comment() -> Value {
        comment_by(900, 40, &format!("shipped\n\n{MARKER}"))
    }

    #[rstest]
    #[case::ours(marked_comment(), Some("900"))]
    #[case::by_another(comment_by(900, 11, MARKER), None)]
    #[case::another_operation(
        comment_by(900, 40, "<!-- ivan:op=01J00000000000000000000002 -->"),
        None
    )]
    #[case::quoted(comment_by(900, 40, &format!("> {MARKER}\n\nwhat is this?")), None)]
    #[case::the_text_alone(comment_by(900, 40, "shipped"), None)]
    #[case::of_another_operation(comment_by(901, 40, MARKER), None)]
    #[case::older(with(marked_comment(), json!({"created_at": "2025-12-31T23:58:59Z"})), None)]
    #[case::clocks_differ(with(marked_comment(), json!({"created_at": "2025-12-31T23:59:00Z"})), Some("900"))]
    #[tokio::test]
    async fn a_lost_comment_is_known_by_author_and_marker(
        #[case] there: Value,
        #[case] trace: Option<&str>,
    ) {
        let fake = Fake::start(world(move |seen| match seen.line().as_str() {
            "GET /repos/acme/widgets/issues/7/comments" => says(200, json!([there])),
            _ => says(200, issue("acme/widgets", 7)),
        }))
        .await;
        let mut op = comment("shipped");
        op.claimed.insert("901".into());
        let found = github(&fake.url).find(&op).await.unwrap();
        assert_eq!(found.and_then(|written| written.trace).as_deref(), trace);
        let listing = fake.seen().pop().unwrap();
        assert_eq!(
            listing.query("since").as_deref(),
            Some("2025-12-31T23:59:00Z")
        );
        assert_eq!(listing.query("per_page").as_deref(), Some("100"));
    }

    /// Our clock is ten minutes ahead of GitHub's.
    #[tokio::test]
    async fn a_wrong_clock_hides_no_trace() {
        let begun = Clock::system().now();
        let there = begun - TimeDelta::minutes(10);
        let dated = move |status, body: Value| {
            let date = there.to_rfc2822().replace("+0000", "GMT");
            FakeResponse::Text(status, vec![("date", date)], body.to_string())
        };
        let fake = Fake::start(world(move |seen| match seen.line().as_str() {
            "GET /repos/acme/widgets/issues/7/comments" => {
                let made = json!({"created_at": seconds(there)});
                dated(200, json!([with(marked_comment(), made)]))
            }
            _ => dated(200, issue("acme/widgets", 7)),
        }))
        .await;
        let mut op = comment("shipped");
        op.begun_at = Some(begun);
        let found = github(&fake.url).find(&op).await.unwrap();
        assert_eq!(found.unwrap().trace.as_deref(), Some("900"));
        let since = fake.seen().pop().unwrap().query("since").unwrap();
        let since: DateTime<Utc> = since.parse().unwrap();
        assert!(since <= there - TimeDelta::seconds(59), "{since}");
    }

    #[tokio::test]
    async fn an_account_that_no_listing_knows_is_left_out_of_the_search() {
        let there = with(issue("acme/widgets", 12), json!({"body": MARKER}));
        let fake = Fake::start(world(move |seen| match seen.query("creator") {
            Some(_) => says(422, json!({"message": "Validation Failed"})),
            None => says(200, json!([there])),
        }))
        .await;
        let op = create("acme/widgets");
        let found = github(&fake.url).find(&op).await.unwrap();
        assert_eq!(found.unwrap().trace.as_deref(), Some("1001:12"));
    }

    #[tokio::test]
    async fn a_token_without_an_account_finds_by_the_marker_alone() {
        let fake = Fake::start(|seen: &SeenRequest| match seen.line().as_str() {
            "GET /user" => says(
                403,
                json!({"message": "Resource not accessible by integration"}),
            ),
            "GET /repos/acme/widgets" => says(200, repository(1001, "acme/widgets")),
            "GET /repos/acme/widgets/issues" => says(
                200,
                json!([with(
                    issue("acme/widgets", 12),
                    json!({"body": MARKER, "user": null})
                )]),
            ),
            _ => not_found(),
        })
        .await;
        let found = github(&fake.url)
            .find(&create("acme/widgets"))
            .await
            .unwrap();
        assert_eq!(found.unwrap().trace.as_deref(), Some("1001:12"));
        assert_eq!(fake.seen().pop().unwrap().query("creator"), None);
    }

    #[tokio::test]
    async fn a_search_goes_on_to_the_last_page() {
        let fake = Fake::start(world(|seen| match seen.line().as_str() {
            "GET /repos/acme/widgets/issues/7/comments" if seen.query("page").is_none() => {
                let host = seen.header("host").unwrap();
                let link = format!(
                    "<http://{host}/repos/acme/widgets/issues/7/comments?page=2>; rel=\"next\""
                );
                FakeResponse::Text(
                    200,
                    vec![("Link", link)],
                    json!([comment_by(899, 11, "hm")]).to_string(),
                )
            }
            "GET /repos/acme/widgets/issues/7/comments" => says(200, json!([marked_comment()])),
            _ => says(200, issue("acme/widgets", 7)),
        }))
        .await;
        let found = github(&fake.url).find(&comment("shipped")).await.unwrap();
        assert_eq!(found.unwrap().trace.as_deref(), Some("900"));
    }

    #[tokio::test]
    async fn a_search_that_finds_no_end_does_not_claim_absence() {
        let fake = Fake::start(world(|seen| match seen.line().as_str() {
            "GET /repos/acme/widgets/issues/7/comments" => {
                let host = seen.header("host").unwrap();
                let link = format!("<http://{host}{}>; rel=\"next\"", seen.target);
                FakeResponse::Text(200, vec![("Link", link)], "[]".into())
            }
            _ => says(200, issue("acme/widgets", 7)),
        }))
        .await;
        let error = github(&fake.url)
            .find(&comment("shipped"))
            .await
            .unwrap_err();
        assert!(matches!(error, WriteError::NotTaken { .. }), "{error:?}");
    }

    #[rstest]
    #[case::ours(json!({}), Some("1001:12"))]
    #[case::not_ours(json!({"body": "It fails"}), None)]
    #[case::by_another(json!({"user": {"login": "octo", "id": 11}}), None)]
    #[case::pull_request(json!({"pull_request": {"url": "x"}}), None)]
    #[case::of_another_operation(json!({"number": 13}), None)]
    #[tokio::test]
    async fn a_lost_issue_is_known_by_author_and_marker(
        #[case] fields: Value,
        #[case] trace: Option<&str>,
    ) {
        let body = json!({"body": format!("It fails\r\n\r\n{MARKER}")});
        let there = with(with(issue("acme/widgets", 12), body), fields);
        let fake = Fake::start(world(move |_| says(200, json!([there])))).await;
        let mut op = create("acme/widgets");
        op.claimed.insert("1001:13".into());
        let found = github(&fake.url).find(&op).await.unwrap();
        assert_eq!(
            found.as_ref().and_then(|written| written.trace.as_deref()),
            trace
        );
        if let Some(written) = found {
            assert_eq!(written.task.description, "It fails");
        }
        let listing = fake.seen().pop().unwrap();
        assert_eq!(listing.line(), "GET /repos/acme/widgets/issues");
        assert_eq!(listing.query("creator").as_deref(), Some("ivan-bot"));
        assert_eq!(listing.query("state").as_deref(), Some("all"));
        assert_eq!(
            listing.query("since").as_deref(),
            Some("2025-12-31T23:59:00Z")
        );
    }

    #[tokio::test]
    async fn a_change_of_state_leaves_no_trace_to_look_for() {
        let fake = Fake::start(|_| FakeResponse::Drop).await;
        assert_eq!(github(&fake.url).find(&complete()).await, Ok(None));
        assert_eq!(fake.lines(), Vec::<String>::new());
    }
}
