//! Operations → requests to ClickUp, and their responses → tasks.
//!
//! The domain's `carry_out` decides which request is sent and when; this translates. Nothing visible is added to a
//! person's text: a lost comment or task is recognized by its author, words and time (docs/contracts/clickup.md#lost-answers).

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use crate::domain::change::TaskChange;
use crate::domain::mention_text::MentionText;
use crate::domain::operation::{NewTask, Operation, Place, Write, WriteError, WriteReceipt};
use crate::domain::reason::with_remedy;
use crate::domain::shared_file::SharedFile;
use crate::domain::source::{SourceStanding, SourceWriter};
use crate::domain::task::{Account, Priority, Source, Task, TaskKey};
use crate::domain::undo::{EffectState, OwnCreation};
use crate::domain::writes::{self, OwnComment, Writes};
use crate::http_client::refused;

use super::ClickUp;
use super::client::{ClickUpError, Request, UnknownStatus, segment};
use super::due;
use super::wire::{
    Millis, Posted, WireComment, WireCommentPage, WireList, WireStatus, WireTask, WireTaskPage,
    plain_title, rich, same_name,
};

/// How long before the start of the write its trace is searched for: clocks differ (docs/contracts/clickup.md#lost-answers).
pub(super) const CLOCK_SLACK: TimeDelta = TimeDelta::minutes(2);
/// ClickUp's page sizes are fixed (docs/contracts/clickup.md#listing-tasks, docs/contracts/clickup.md#comments).
const TASKS_A_PAGE: usize = 100;
pub(super) const COMMENTS_A_PAGE: usize = 25;
/// How many pages a search reads: a thousand comments, two thousand new tasks.
pub(super) const COMMENT_PAGES_MAX: usize = 40;
const TASK_PAGES_MAX: usize = 20;

#[async_trait]
impl SourceWriter for ClickUp {
    fn source(&self) -> Source {
        Source::ClickUp
    }

    async fn read(&self, key: &TaskKey) -> Result<Task, WriteError> {
        let thing = named(key);
        let request = self.about(Request::get(path(key, ""), thing.as_str()), key);
        let task: WireTask = self.client.send(&request).await?;
        self.know_types([&task]).await?;
        let task = task
            .into_task(&self.mapping, None)
            .map_err(|why| self.client.rest.unreadable(&thing, &why))?;
        self.check_followed(&task.container, &thing)?;
        Ok(task)
    }

    async fn send(&self, op: &Operation, now: Option<&Task>) -> Result<WriteReceipt, WriteError> {
        writes::send(self, op, now).await
    }

    async fn check_names(&self, op: &Operation, now: &Task) -> Result<(), WriteError> {
        if let Write::Change {
            change: TaskChange::Labels(tags),
            ..
        } = &op.write
        {
            self.spelled_in_space(now, tags).await?;
        }
        Ok(())
    }

    async fn still_as_left(&self, op: &Operation, now: &Task) -> Result<EffectState, WriteError> {
        writes::still_as_left(self, op, now).await
    }

    async fn find(&self, op: &Operation) -> Result<Option<WriteReceipt>, WriteError> {
        writes::find(self, op).await
    }

    fn standing(&self) -> SourceStanding {
        self.client.rest.standing()
    }

    fn stops(&self) {
        self.stopping.cancel();
    }

    fn pause_until(&self, until: DateTime<Utc>) {
        self.client.rest.pause_until(until);
    }
}

#[async_trait]
impl Writes for ClickUp {
    /// Sets the finishing status of the task's own list.
    async fn complete(&self, now: &Task) -> Result<Task, WriteError> {
        self.set(now, |list| self.finishing(list, now).map(Some))
            .await
    }

    async fn start(&self, now: &Task) -> Result<Task, WriteError> {
        self.begin(now).await
    }

    async fn reopen(&self, now: &Task, before: Option<&str>) -> Result<Task, WriteError> {
        self.open(now, before).await
    }

    /// Contract clickup 6.1.
    async fn change(&self, now: &Task, change: &TaskChange) -> Result<Task, WriteError> {
        let mut day_at = None;
        let fields = match change {
            TaskChange::Labels(tags) => return self.retag(now, tags).await,
            TaskChange::Milestone(_) => {
                return Err(refused("ClickUp tasks have no milestones".to_owned()));
            }
            TaskChange::Type(name) => return self.set_type(now, name.as_deref()).await,
            TaskChange::Pause { status } => return self.open(now, status.as_deref()).await,
            TaskChange::Resume { status } => return self.open(now, Some(status)).await,
            TaskChange::Assign { add, remove } => {
                json!({"assignees": {"add": members(add)?, "rem": members(remove)?}})
            }
            TaskChange::Due(None) => json!({"due_date": null}),
            TaskChange::Due(Some(due)) => {
                json!({"due_date": due.timestamp_millis(), "due_date_time": true})
            }
            TaskChange::DueOn(day) => {
                let at = due::instant(*day, self.owner_zone().await);
                day_at = Some(at);
                json!({"due_date": at.timestamp_millis(), "due_date_time": false})
            }
            TaskChange::Priority(priority) => json!({"priority": priority.map(level)}),
            TaskChange::PriorityLabels(_) => {
                return Err(refused("ClickUp has no labels for a priority".to_owned()));
            }
        };
        let task = self.put(now, fields).await?;
        let holds = match day_at {
            // ClickUp moves a day to the owner's 04:00, whatever zone we believe in.
            Some(at) => {
                let due = task.due.as_ref();
                due.is_some_and(|due| (due.at - at).abs() < TimeDelta::days(1))
            }
            None => change.holds_in(&task),
        };
        match holds {
            true => Ok(task),
            false => Err(refused(format!(
                "ClickUp did not change the {} of {}. Change it there",
                change.what(Source::ClickUp),
                named(&now.key)
            ))),
        }
    }

    async fn comment(
        &self,
        _: &Operation,
        now: &Task,
        text: &MentionText,
    ) -> Result<String, WriteError> {
        Ok(self.post_comment(now, text).await?.id.to_string())
    }

    async fn create(&self, _: &Operation, new: &NewTask) -> Result<Task, WriteError> {
        self.make(new).await
    }

    async fn stop(&self, now: &Task, before: Option<&str>) -> Result<Task, WriteError> {
        self.open(now, before).await
    }

    async fn finish_again(&self, now: &Task, before: Option<&str>) -> Result<Task, WriteError> {
        self.finish(now, before).await
    }

    async fn delete_comment(&self, now: &Task, comment: &OwnComment<'_>) -> Result<(), WriteError> {
        self.remove_comment(now, comment).await
    }

    async fn discard(&self, now: &Task) -> Result<Task, WriteError> {
        let request = Request::delete(path(&now.key, ""), named(&now.key));
        self.remove(&request).await?;
        Ok(now.clone())
    }

    async fn find_comment(
        &self,
        op: &Operation,
        now: &Task,
        text: &MentionText,
        begun_at: DateTime<Utc>,
    ) -> Result<Option<String>, WriteError> {
        let since = self.since(begun_at);
        self.search_comment(op, &now.key, text, since).await
    }

    async fn find_created(
        &self,
        op: &Operation,
        new: &NewTask,
        begun_at: DateTime<Utc>,
    ) -> Result<Option<Task>, WriteError> {
        self.search_created(op, new, self.since(begun_at)).await
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

    async fn upload(&self, now: &Task, file: &SharedFile) -> Result<String, WriteError> {
        self.attach(now, file).await
    }

    async fn find_upload(
        &self,
        op: &Operation,
        now: &Task,
        file: &SharedFile,
        begun_at: DateTime<Utc>,
    ) -> Result<Option<String>, WriteError> {
        let since = self.since(begun_at);
        self.search_file(op, now, file, since).await
    }
}

impl ClickUp {
    /// The start of the search for a trace, by ClickUp's clock, for a write that began at `begun_at` by ours.
    fn since(&self, begun_at: DateTime<Utc>) -> DateTime<Utc> {
        begun_at - CLOCK_SLACK - self.client.rest.ahead()
    }

    /// Adds the workspace to a request, if the key is a custom id as a person typed it (docs/contracts/clickup.md#tasks).
    fn about(&self, request: Request, key: &TaskKey) -> Request {
        if key.as_str().contains('-') {
            request
                .with("custom_task_ids", true)
                .with("team_id", &self.team_id)
        } else {
            request
        }
    }

    /// Posts a comment. If it is refused for mentions of people who have left the workspace, it is posted without them.
    async fn post_comment(&self, now: &Task, text: &MentionText) -> Result<Posted, WriteError> {
        let post = |text: &MentionText| {
            let body = match text.mentions().next() {
                None => json!({"comment_text": text.to_string(), "notify_all": false}),
                Some(_) => json!({"comment": rich(text), "notify_all": false}),
            };
            Request::post(path(&now.key, "/comment"), named(&now.key), body)
        };
        match self.client.send(&post(text)).await {
            Ok(posted) => Ok(posted),
            // Nothing was written.
            Err(ClickUpError::Failed(WriteError::Refused { what, why })) => {
                let known = match text.mentions().next() {
                    None => text.clone(),
                    Some(_) => {
                        let members = self.read_members().await?;
                        text.unmentioned_but(|account| {
                            members
                                .iter()
                                .any(|member| member.id.to_string() == account)
                        })
                    }
                };
                if known == *text {
                    return Err(WriteError::Refused { what, why });
                }
                Ok(self.client.send(&post(&known)).await?)
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Sets a status chosen from those of the task's home list; without a choice nothing changes. If the statuses were
    /// renamed, the list is read again, once.
    pub(super) async fn set(
        &self,
        now: &Task,
        choose: impl for<'a> Fn(&'a WireList) -> Result<Option<&'a str>, WriteError>,
    ) -> Result<Task, WriteError> {
        let (list, home) = self.home_of(now).await?;
        let Some(status) = choose(&list)? else {
            return Ok(now.clone());
        };
        match self.set_status(now, status).await {
            Err(ClickUpError::Own(UnknownStatus(why))) => {
                let list = self.read_list(home).await?;
                match choose(&list)? {
                    Some(renamed) if renamed != status => Ok(self.set_status(now, renamed).await?),
                    _ => Err(refused(why)),
                }
            }
            done => Ok(done?),
        }
    }

    /// The list whose statuses a task has. If our account cannot see the home, it is the list that the task was added
    /// to, whose statuses are often the same.
    pub(super) async fn home_of<'a>(
        &self,
        now: &'a Task,
    ) -> Result<(WireList, &'a str), WriteError> {
        if let Some(home) = &now.home {
            match self.list(home).await {
                Ok(list) => return Ok((list, home)),
                Err(WriteError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((self.list(&now.container).await?, &now.container))
    }

    async fn set_status(&self, now: &Task, status: &str) -> Result<Task, ClickUpError> {
        self.put(now, json!({"status": status})).await
    }

    pub(super) async fn put(&self, now: &Task, fields: Value) -> Result<Task, ClickUpError> {
        let thing = named(&now.key);
        let request = Request::put(path(&now.key, ""), thing.as_str(), fields);
        let task: WireTask = self.client.send(&request).await?;
        let task = task.into_task(&self.mapping, Some(&now.container));
        Ok(task.map_err(|why| self.client.rest.unreadable_after_write(&thing, &why))?)
    }

    /// The status that completes a task of this list, in ClickUp's own spelling: the configured one if the list has
    /// it, else its `closed`, else its `done` status (docs/contracts/clickup.md#lists-and-statuses).
    pub(super) fn finishing<'a>(
        &self,
        list: &'a WireList,
        now: &Task,
    ) -> Result<&'a str, WriteError> {
        self.closing_status(list).ok_or_else(|| {
            let names: Vec<&str> = list.statuses.iter().map(|s| s.status.as_str()).collect();
            refused(with_remedy(
                format_args!(
                    "The ClickUp list of {} has no status for completed tasks",
                    named(&now.key)
                ),
                format_args!(
                    "Set clickup.complete_status to one of: {}",
                    names.join(", ")
                ),
            ))
        })
    }

    /// The status that completes a task of the list; `None` if it has none.
    pub(super) fn closing_status<'a>(&self, list: &'a WireList) -> Option<&'a str> {
        let find = |wanted: &dyn Fn(&WireStatus) -> bool| {
            let status = list.statuses.iter().find(|status| wanted(status))?;
            Some(status.status.as_str())
        };
        find(&|status| same_name(&status.status, &self.complete_status))
            .or_else(|| find(&|status| status.kind == "closed"))
            .or_else(|| find(&|status| status.kind == "done"))
    }

    async fn make(&self, new: &NewTask) -> Result<Task, WriteError> {
        let list = self.place(new)?;
        let mut body = Map::new();
        body.insert("name".to_owned(), plain_title(&new.title).into());
        if let Some(description) = &new.description {
            body.insert("description".to_owned(), description.as_str().into());
        }
        if let Some(day) = new.due {
            let at = due::instant(day, self.owner_zone().await);
            body.insert("due_date".to_owned(), at.timestamp_millis().into());
            body.insert("due_date_time".to_owned(), false.into());
        }
        let number = |account: &Account| {
            account.id.parse::<i64>().map_err(|_| {
                refused(with_remedy(
                    format_args!("`{}` is not a ClickUp member", account.id),
                    "Set the member's id, a number, in [[people]]",
                ))
            })
        };
        let member = new.assignee.as_ref().map(number).transpose()?;
        if let Some(member) = member {
            body.insert("assignees".to_owned(), json!([member]));
        }
        if let Some(tag) = new.clickup_tag() {
            body.insert("tags".to_owned(), json!([tag]));
        }
        if let Some(parent) = &new.under {
            body.insert("parent".to_owned(), parent.task.as_str().into());
        }
        let thing = format!("a new task in the list {list}");
        let post = |body: Map<String, serde_json::Value>| {
            let path = format!("/list/{}/task", segment(list));
            Request::post(path, thing.as_str(), body.into())
        };
        let task: WireTask = match self.client.send(&post(body.clone())).await {
            Ok(task) => task,
            // Nothing was created. If the assignee is the reason, it is created without one.
            Err(ClickUpError::Failed(WriteError::Refused { what, why })) => match member {
                Some(member) if !self.is_in_list(list, member).await? => {
                    body.remove("assignees");
                    self.client.send(&post(body)).await?
                }
                _ => return Err(WriteError::Refused { what, why }),
            },
            Err(trouble) => return Err(trouble.into()),
        };
        // A list may have a type for new tasks.
        if let Err(error) = self.know_types([&task]).await {
            tracing::debug!(source = "clickup", error = %error, "task types not read");
        }
        task.into_task(&self.mapping, Some(list))
            .map_err(|why| self.client.rest.unreadable_after_write(&thing, &why))
    }

    /// The list of a creation, if we may write there.
    fn place<'a>(&self, new: &'a NewTask) -> Result<&'a str, WriteError> {
        match &new.place {
            Place::List(list) => {
                self.check_followed(list, "the place for the new task")?;
                Ok(list)
            }
            Place::Repo(repo) => Err(refused(format!(
                "ClickUp has no repositories, and {repo} is not a list"
            ))),
        }
    }

    /// Pages back to `since` for our own comment with this text that no other operation has; the oldest of several.
    async fn search_comment(
        &self,
        op: &Operation,
        key: &TaskKey,
        text: &MentionText,
        since: DateTime<Utc>,
    ) -> Result<Option<String>, WriteError> {
        let me = self.me().await?;
        let since = Millis(since.timestamp_millis());
        let mut found = None;
        let look = |comment: &WireComment| {
            let fresh = comment.date.is_some_and(|date| date >= since);
            let ours =
                comment.user.as_ref().is_some_and(|user| user.id() == me) && comment.says(text);
            let id = comment.id.to_string();
            if fresh && ours && !op.claimed.contains(&id) {
                found = Some(id);
            }
            false
        };
        self.walk_comments(key, since, look).await?;
        Ok(found)
    }

    /// Reads a task's comments page by page, newest first, back to `since`. Stops at the first that `is_it` accepts.
    pub(super) async fn walk_comments(
        &self,
        key: &TaskKey,
        since: Millis,
        mut is_it: impl FnMut(&WireComment) -> bool,
    ) -> Result<Option<WireComment>, WriteError> {
        let mut start: Option<(Millis, String)> = None;
        for _ in 0..COMMENT_PAGES_MAX {
            let page = self.comment_page(key, start.as_ref()).await?;
            let full = page.comments.len() >= COMMENTS_A_PAGE;
            let last = page.comments.last();
            let last = last.and_then(|last| Some((last.date?, last.id.to_string())));
            let mut comments = page.comments.into_iter();
            if let Some(found) = comments.find(|comment| is_it(comment)) {
                return Ok(Some(found));
            }
            match last {
                Some((date, _)) if date < since => return Ok(None),
                Some(next) if full && start.as_ref() != Some(&next) => start = Some(next),
                _ => return Ok(None),
            }
        }
        Err(self.client.rest.too_much(&named(key)))
    }

    /// A page of a task's comments, newest first, after the one with this time and id.
    pub(super) async fn comment_page(
        &self,
        key: &TaskKey,
        start: Option<&(Millis, String)>,
    ) -> Result<WireCommentPage, WriteError> {
        let mut request = Request::get(path(key, "/comment"), named(key));
        if let Some((date, id)) = start {
            request = request.with("start", date.0).with("start_id", id);
        }
        Ok(self.client.send(&request).await?)
    }

    /// Lists tasks created since, for our own with this name and description that no other operation has.
    async fn search_created(
        &self,
        op: &Operation,
        new: &NewTask,
        since: DateTime<Utc>,
    ) -> Result<Option<Task>, WriteError> {
        let list = self.place(new)?;
        let me = self.me().await?;
        let since = since.timestamp_millis();
        let thing = format!("the list {list}");
        let title = plain_title(&new.title);
        let description = new.description.as_deref().unwrap_or_default();
        let tag = new.clickup_tag();
        let parent = new.under.as_ref().map(|parent| &parent.task);
        let mut found: Option<WireTask> = None;
        for page in 0..TASK_PAGES_MAX {
            let request = Request::get(format!("/list/{}/task", segment(list)), thing.as_str())
                .with("page", page)
                .with("archived", false)
                .with("include_closed", true)
                .with("subtasks", true)
                .with("order_by", "created")
                // Strictly greater.
                .with("date_created_gt", since - 1);
            let listed: WireTaskPage = self.client.send(&request).await?;
            let last = listed.last_page == Some(true) || listed.tasks.len() < TASKS_A_PAGE;
            for task in listed.tasks {
                let fresh = task.date_created.is_some_and(|date| date.0 >= since);
                let ours = task.creator.as_ref().is_some_and(|user| user.id() == me)
                    && task.is_titled(&title)
                    && task.is_described(description)
                    && task.is_under(parent)
                    && !task.is_for_another(tag.as_deref());
                let older = found
                    .as_ref()
                    .is_none_or(|found| task.date_created < found.date_created);
                if fresh && ours && older && !op.claimed.contains(&task.id.to_string()) {
                    found = Some(task);
                }
            }
            if last {
                self.know_types(&found).await?;
                let found = found.map(|task| task.into_task(&self.mapping, Some(list)));
                return found
                    .transpose()
                    .map_err(|why| self.client.rest.unreadable(&thing, &why));
            }
        }
        Err(self.client.rest.too_much(&thing))
    }
}

pub(super) fn path(key: &TaskKey, below: &str) -> String {
    format!("/task/{}{below}", segment(key.as_str()))
}

pub(super) fn named(key: &TaskKey) -> String {
    format!("the task {}", key.as_str())
}

/// The ids of members, which are numbers in ClickUp.
fn members(handles: &[String]) -> Result<Vec<i64>, WriteError> {
    let number = |handle: &String| {
        handle.parse().map_err(|_| {
            refused(with_remedy(
                format_args!("`{handle}` is not a ClickUp member"),
                "Set the member's id, a number, in [[people]]",
            ))
        })
    };
    handles.iter().map(number).collect()
}

/// A priority in ClickUp's numbers.
fn level(priority: Priority) -> u8 {
    match priority {
        Priority::Urgent => 1,
        Priority::High => 2,
        Priority::Normal => 3,
        Priority::Low => 4,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rstest::rstest;
    use serde_json::Value;

    use super::super::tests::clickup;
    use super::*;
    use crate::clock::Clock;
    use crate::domain::mention_text::Piece;
    use crate::domain::operation::{OperationHistory, Refusal};
    use crate::domain::task::TaskStatus;
    use crate::http_client::fake::{Fake, FakeResponse, SeenRequest, json as says};

    /// 2026-01-01 00:00:00 UTC, in ms: when the write began.
    const BEGUN: i64 = 1_767_225_600_000;

    fn task(id: &str, list: &str) -> Value {
        json!({"id": id, "name": "Renew cert", "status": {"status": "in review", "type": "custom"},
            "date_created": BEGUN.to_string(), "date_updated": BEGUN.to_string(),
            "creator": {"id": 4200}, "description": "body\n", "list": {"id": list}})
    }

    fn with(mut value: Value, field: &str, new: Value) -> Value {
        value[field] = new;
        value
    }

    fn list(statuses: &[(&str, &str)]) -> Value {
        let statuses: Vec<Value> = statuses
            .iter()
            .map(|(name, kind)| json!({"status": name, "type": kind}))
            .collect();
        json!({"id": "901", "name": "Inbox", "status": {"status": "red"}, "statuses": statuses})
    }

    fn operation(write: Write) -> Operation {
        Operation {
            id: "01J00000000000000000000001".into(),
            write,
            begun_at: DateTime::from_timestamp_millis(BEGUN),
            interrupted: false,
            looks: 0,
            looks_first: false,
            claimed: BTreeSet::new(),
            past: OperationHistory::default(),
        }
    }

    fn complete() -> Operation {
        operation(Write::Complete {
            task: TaskKey::clickup("86a"),
        })
    }

    fn comment(text: &str) -> Operation {
        operation(Write::Comment {
            task: TaskKey::clickup("86a"),
            text: text.into(),
            files: Vec::new(),
        })
    }

    fn create(list: &str) -> Operation {
        operation(Write::Create(NewTask {
            place: Place::List(list.into()),
            title: "Renew\u{a0}cert".into(),
            description: Some("body".into()),
            entity: Some("acme".into()),
            due: None,
            assignee: None,
            under: None,
            files: Vec::new(),
        }))
    }

    fn refused_as(error: &WriteError) -> Refusal {
        match error {
            WriteError::Refused { what, .. } => *what,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_task_is_read_with_the_token_as_it_is() {
        let fake = Fake::start(|_| says(200, task("86a", "902"))).await;
        let read = clickup(&fake.url).read(&TaskKey::clickup("86a")).await;
        assert_eq!(read.unwrap().title, "Renew cert");
        let seen = &fake.seen()[0];
        assert_eq!(seen.line(), "GET /task/86a");
        assert_eq!(seen.header("authorization"), Some("pk_4200_SECRET"));
        assert!(seen.header("user-agent").unwrap().starts_with("ivan/"));
    }

    #[tokio::test]
    async fn a_custom_id_is_looked_up_in_the_workspace_and_answers_with_the_internal_one() {
        let fake = Fake::start(|_| says(200, task("86a", "901"))).await;
        let read = clickup(&fake.url).read(&TaskKey::clickup("OPS-12")).await;
        assert_eq!(read.unwrap().key, TaskKey::clickup("86a"));
        let seen = &fake.seen()[0];
        assert_eq!(seen.query("custom_task_ids").as_deref(), Some("true"));
        assert_eq!(seen.query("team_id").as_deref(), Some("9001"));
    }

    #[tokio::test]
    async fn a_task_in_another_list_is_not_ours() {
        let fake = Fake::start(|_| says(200, task("86a", "999"))).await;
        let error = clickup(&fake.url).read(&TaskKey::clickup("86a")).await;
        assert_eq!(refused_as(&error.unwrap_err()), Refusal::NotMirrored);
    }

    #[tokio::test]
    async fn an_unfamiliar_401_is_settled_by_asking_who_we_are() {
        let fake = Fake::start(|seen| match seen.line().as_str() {
            "GET /user" => says(200, json!({"user": {"id": 4200}})),
            _ => says(401, json!({"err": "No", "ECODE": "OAUTH_099"})),
        })
        .await;
        let error = clickup(&fake.url).read(&TaskKey::clickup("86a")).await;
        assert_eq!(refused_as(&error.unwrap_err()), Refusal::Invisible);
        assert_eq!(fake.lines(), ["GET /task/86a", "GET /user"]);
    }

    #[tokio::test]
    async fn a_token_that_is_refused_everywhere_is_dead_and_loses_nothing() {
        let fake = Fake::start(|_| says(401, json!({"err": "No"}))).await;
        let error = clickup(&fake.url).read(&TaskKey::clickup("86a")).await;
        let error = error.unwrap_err();
        assert!(
            matches!(&error, WriteError::NotTaken { retry_after: Some(wait), .. } if wait.as_secs() == 60)
        );
        assert!(error.to_string().contains("clickup.token"), "{error}");
    }

    #[rstest]
    #[case::configured(&[("to do", "open"), ("Complete", "done"), ("archive", "closed")], "Complete")]
    #[case::closed(&[("to do", "open"), ("shipped", "done"), ("finished", "closed")], "finished")]
    #[case::done(&[("to do", "open"), ("shipped", "done")], "shipped")]
    #[tokio::test]
    async fn completing_sets_a_status_that_the_list_has(
        #[case] statuses: &'static [(&str, &str)],
        #[case] sent: &str,
    ) {
        let fake = Fake::start(move |seen| match seen.line().as_str() {
            "GET /list/901" => says(200, list(statuses)),
            "PUT /task/86a" => {
                let status = json!({"status": seen.json()["status"], "type": "closed"});
                says(200, with(task("86a", "901"), "status", status))
            }
            _ => says(200, task("86a", "901")),
        })
        .await;
        let clickup = clickup(&fake.url);
        let now = clickup.read(&TaskKey::clickup("86a")).await.unwrap();
        let written = clickup.send(&complete(), Some(&now)).await.unwrap();
        assert_eq!(written.task.status, TaskStatus::Done);
        assert_eq!(written.task.source_status, sent);
        assert_eq!(written.trace, None);
        // The list is cached.
        clickup.send(&complete(), Some(&now)).await.unwrap();
        assert_eq!(
            fake.lines(),
            [
                "GET /task/86a",
                "GET /list/901",
                "PUT /task/86a",
                "PUT /task/86a"
            ]
        );
    }

    #[tokio::test]
    async fn a_list_without_a_finishing_status_is_refused_with_its_statuses() {
        let fake = Fake::start(|seen| match seen.line().as_str() {
            "GET /list/901" => says(200, list(&[("to do", "open"), ("doing", "custom")])),
            _ => says(200, task("86a", "901")),
        })
        .await;
        let error = clickup(&fake.url)
            .send(&complete(), None)
            .await
            .unwrap_err();
        assert_eq!(refused_as(&error), Refusal::Other);
        assert!(error.to_string().contains("to do, doing"), "{error}");
        assert!(
            error.to_string().contains("clickup.complete_status"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_renamed_status_is_read_anew_once() {
        let reads = AtomicUsize::new(0);
        let fake = Fake::start(move |seen| match seen.line().as_str() {
            "GET /list/901" if reads.fetch_add(1, Ordering::SeqCst) == 0 => {
                says(200, list(&[("complete", "closed")]))
            }
            "GET /list/901" => says(200, list(&[("ready", "closed")])),
            "PUT /task/86a" if seen.json()["status"] == "complete" => says(
                400,
                json!({"err": "Status not found", "ECODE": "CRTSK_001"}),
            ),
            "PUT /task/86a" => {
                let status = json!({"status": "ready", "type": "closed"});
                says(200, with(task("86a", "901"), "status", status))
            }
            _ => says(200, task("86a", "901")),
        })
        .await;
        let written = clickup(&fake.url).send(&complete(), None).await.unwrap();
        assert_eq!(written.task.source_status, "ready");
    }

    #[tokio::test]
    async fn a_status_that_is_refused_twice_is_refused() {
        let fake = Fake::start(|seen| match seen.line().as_str() {
            "GET /list/901" => says(200, list(&[("complete", "closed")])),
            "PUT /task/86a" => says(
                400,
                json!({"err": "Status not found", "ECODE": "CRTSK_001"}),
            ),
            _ => says(200, task("86a", "901")),
        })
        .await;
        let error = clickup(&fake.url)
            .send(&complete(), None)
            .await
            .unwrap_err();
        assert_eq!(refused_as(&error), Refusal::Other);
        let puts = fake
            .lines()
            .iter()
            .filter(|line| line.starts_with("PUT"))
            .count();
        assert_eq!(puts, 1, "the same status is not sent twice");
    }

    #[tokio::test]
    async fn a_comment_is_sent_as_typed_and_leaves_its_id() {
        let fake = Fake::start(|seen| match seen.method.as_str() {
            "POST" => says(
                200,
                json!({"id": 90110000000001i64, "hist_id": "41", "date": BEGUN}),
            ),
            _ => says(200, task("86a", "901")),
        })
        .await;
        let op = comment("two\nlines <b>");
        let written = clickup(&fake.url).send(&op, None).await.unwrap();
        assert_eq!(written.trace.as_deref(), Some("90110000000001"));
        let posted = fake.seen()[1].json();
        assert_eq!(
            posted,
            json!({"comment_text": "two\nlines <b>", "notify_all": false})
        );
    }

    #[tokio::test]
    async fn a_creation_carries_title_description_and_client() {
        let fake = Fake::start(|_| says(200, task("86new", "901"))).await;
        let written = clickup(&fake.url).send(&create("901"), None).await.unwrap();
        assert_eq!(written.trace.as_deref(), Some("86new"));
        let seen = &fake.seen()[0];
        assert_eq!(seen.line(), "POST /list/901/task");
        assert_eq!(
            seen.json(),
            json!({"name": "Renew cert", "description": "body", "tags": ["client:acme"]})
        );
    }

    #[tokio::test]
    async fn nothing_is_created_in_a_list_that_is_not_configured() {
        let fake = Fake::start(|_| says(200, task("86new", "999"))).await;
        let error = clickup(&fake.url)
            .send(&create("999"), None)
            .await
            .unwrap_err();
        assert_eq!(refused_as(&error), Refusal::NotMirrored);
        assert_eq!(fake.lines(), Vec::<String>::new());
    }

    fn mentioning() -> Operation {
        let mention = |account: &str, name: &str| Piece::Mention {
            account: account.into(),
            name: name.into(),
        };
        let text = |text: &str| Piece::Text(text.into());
        let text: MentionText = [
            text("ask "),
            mention("4243", "Bo"),
            text(" and "),
            mention("4244", "Zoe"),
            text(", now"),
        ]
        .into_iter()
        .collect();
        operation(Write::Comment {
            task: TaskKey::clickup("86a"),
            text,
            files: Vec::new(),
        })
    }

    fn tag(id: u64) -> Value {
        json!({"type": "tag", "user": {"id": id}})
    }

    #[tokio::test]
    async fn a_mention_is_a_part_of_its_own() {
        let fake = Fake::start(|seen| match seen.line().as_str() {
            "POST /task/86a/comment" => says(200, json!({"id": "7"})),
            _ => says(200, task("86a", "901")),
        })
        .await;
        clickup(&fake.url).send(&mentioning(), None).await.unwrap();
        assert_eq!(
            fake.seen().last().unwrap().json(),
            json!({"comment": [{"text": "ask "}, tag(4243), {"text": " and "}, tag(4244), {"text": ", now"}],
                "notify_all": false})
        );
    }

    /// Zoe has left the workspace.
    #[tokio::test]
    async fn who_is_no_member_any_more_is_named() {
        let fake = Fake::start(|seen| match seen.line().as_str() {
            "POST /task/86a/comment" if seen.body.contains("4244") => {
                says(400, json!({"err": "User 4244 is no member"}))
            }
            "POST /task/86a/comment" => says(200, json!({"id": "7"})),
            "GET /team" => {
                let members = json!([{"user": {"id": 4243, "username": "Bo"}}]);
                says(200, json!({"teams": [{"id": "9001", "members": members}]}))
            }
            _ => says(200, task("86a", "901")),
        })
        .await;
        clickup(&fake.url).send(&mentioning(), None).await.unwrap();
        assert_eq!(
            fake.seen().last().unwrap().json(),
            json!({"comment": [{"text": "ask "}, tag(4243), {"text": " and Zoe, now"}], "notify_all": false})
        );
    }

    #[tokio::test]
    async fn a_refusal_for_another_reason_stands() {
        let fake = Fake::start(|seen| match seen.line().as_str() {
            "POST /task/86a/comment" => says(400, json!({"err": "Too long"})),
            "GET /team" => {
                let member = |id: i64| json!({"user": {"id": id, "username": "x"}});
                says(
                    200,
                    json!({"teams": [{"id": "9001", "members": [member(4243), member(4244)]}]}),
                )
            }
            _ => says(200, task("86a", "901")),
        })
        .await;
        let error = clickup(&fake.url)
            .send(&mentioning(), None)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("Too long"), "{error}");
        let posts = fake
            .lines()
            .iter()
            .filter(|line| line.starts_with("POST"))
            .count();
        assert_eq!(posts, 1);
    }

    #[rstest]
    #[case::parts(json!([{"text": "ask "}, tag(4243), {"text": " and "}, tag(4244), {"text": ", now\n"}]), "whatever", Some("7"))]
    #[case::parts_with_names(json!([{"text": "ask ", "attributes": {}}, {"type": "tag", "user": {"id": "4243", "username": "Bob"}, "text": "@Bob"},
        {"text": " and "}, tag(4244), {"text": ", "}, {"text": "now"}, {"text": "\n", "attributes": {"block-id": "b"}}]), "", Some("7"))]
    #[case::one_that_was_only_named(json!([{"text": "ask "}, tag(4243), {"text": " and Zoe, now"}]), "ask @Bo and Zoe, now", Some("7"))]
    #[case::flat(json!([]), "ask @Bo and @Zoe, now", Some("7"))]
    #[case::no_parts(Value::Null, "ask Bo and Zoe, now\n", Some("7"))]
    #[case::somebody_else(json!([{"text": "ask "}, tag(4243), {"text": " and "}, tag(4245), {"text": ", now"}]), "ask @Bo and @Zoe, now", None)]
    #[case::others_in_text(json!([]), "ask @Zoe and @Bo, now", None)]
    #[tokio::test]
    async fn a_lost_comment_is_known_by_whom_it_mentions(
        #[case] parts: Value,
        #[case] flat: &str,
        #[case] trace: Option<&str>,
    ) {
        let there = with(comment_by(7, 4200, flat, BEGUN + 5), "comment", parts);
        let fake = Fake::start(search(move |_| vec![there.clone()])).await;
        let found = clickup(&fake.url).find(&mentioning()).await.unwrap();
        assert_eq!(found.and_then(|written| written.trace).as_deref(), trace);
    }

    fn comment_by(id: u64, user: u64, text: &str, at: i64) -> Value {
        json!({"id": id.to_string(), "comment_text": text, "user": {"id": user}, "date": at.to_string()})
    }

    fn search(
        comments: impl Fn(&SeenRequest) -> Vec<Value> + Send + Sync + 'static,
    ) -> impl Fn(&SeenRequest) -> FakeResponse {
        move |seen| match seen.line().as_str() {
            "GET /user" => says(200, json!({"user": {"id": 4200, "username": "Ivan"}})),
            "GET /task/86a/comment" => says(200, json!({"comments": comments(seen)})),
            _ => says(200, task("86a", "901")),
        }
    }

    #[rstest]
    #[case::ours(comment_by(7, 4200, "shipped\n", BEGUN + 5), Some("7"))]
    #[case::clocks_differ(comment_by(7, 4200, "shipped", BEGUN - 119_000), Some("7"))]
    #[case::older(comment_by(7, 4200, "shipped", BEGUN - 121_000), None)]
    #[case::by_another(comment_by(7, 4242, "shipped", BEGUN + 5), None)]
    #[case::another_text(comment_by(7, 4200, "shipped!", BEGUN + 5), None)]
    #[case::our_words_and_a_marker(comment_by(7, 4200, "shipped <!-- ivan:op=01J00000000000000000000001 -->", BEGUN + 5), None)]
    #[case::of_another_operation(comment_by(8, 4200, "shipped", BEGUN + 5), None)]
    #[tokio::test]
    async fn a_lost_comment_is_known_by_author_text_and_time(
        #[case] there: Value,
        #[case] trace: Option<&str>,
    ) {
        let fake = Fake::start(search(move |_| vec![there.clone()])).await;
        let mut op = comment("shipped");
        op.claimed.insert("8".into());
        let found = clickup(&fake.url).find(&op).await.unwrap();
        assert_eq!(found.and_then(|written| written.trace).as_deref(), trace);
    }

    #[rstest]
    #[case::one_kind_of_line_breaks("one\r\ntwo\rthree", "one\ntwo\nthree\n")]
    #[case::nothing_before_them("one \ntwo\t", "one\ntwo")]
    #[case::no_signs("run `make test`", "run make test\n")]
    #[case::no_signs_of_a_list("Left:\n- **one**\n- two", "Left:\none\ntwo\n")]
    #[case::a_link_by_its_label("see [docs](https://a.test)", "see docs\n")]
    #[tokio::test]
    async fn what_clickup_makes_of_a_text_is_still_known(
        #[case] sent: &str,
        #[case] listed: &'static str,
    ) {
        let fake = Fake::start(search(move |_| {
            vec![comment_by(7, 4200, listed, BEGUN + 5)]
        }))
        .await;
        let found = clickup(&fake.url).find(&comment(sent)).await.unwrap();
        assert_eq!(found.unwrap().trace.as_deref(), Some("7"));
    }

    /// ClickUp returns it formatted: in parts, and flat with or without its signs.
    #[rstest]
    #[case::in_parts_alone("", json!([{"text": "run "}, {"text": "make test", "attributes": {"code": true}}, {"text": "\n"}]), Some("7"))]
    #[case::flat_with_signs("run `make test`", json!([{"text": "run "}, {"text": "make test", "attributes": {"code": true}}]), Some("7"))]
    #[case::flat_without("run make test\n", json!([{"text": "run make test\n"}]), Some("7"))]
    #[case::another("run make tests\n", json!([{"text": "run "}, {"text": "make tests"}]), None)]
    #[tokio::test]
    async fn a_formatted_comment_is_still_known(
        #[case] flat: &str,
        #[case] parts: Value,
        #[case] trace: Option<&str>,
    ) {
        let there = with(comment_by(7, 4200, flat, BEGUN + 5), "comment", parts);
        let fake = Fake::start(search(move |_| vec![there.clone()])).await;
        let found = clickup(&fake.url).find(&comment("run `make test`")).await;
        let found = found.unwrap().and_then(|written| written.trace);
        assert_eq!(found.as_deref(), trace);
    }

    /// Our clock is ten minutes ahead of ClickUp's.
    #[tokio::test]
    async fn a_wrong_clock_hides_no_trace() {
        let begun = Clock::system().now();
        let there = begun - TimeDelta::minutes(10);
        let listed =
            search(move |_| vec![comment_by(7, 4200, "shipped", there.timestamp_millis())]);
        let fake = Fake::start(move |seen| match listed(seen) {
            FakeResponse::Text(status, mut headers, body) => {
                headers.push(("date", there.to_rfc2822().replace("+0000", "GMT")));
                FakeResponse::Text(status, headers, body)
            }
            other => other,
        })
        .await;
        let mut op = comment("shipped");
        op.begun_at = Some(begun);
        let found = clickup(&fake.url).find(&op).await.unwrap();
        assert_eq!(found.unwrap().trace.as_deref(), Some("7"));
    }

    #[tokio::test]
    async fn of_several_unclaimed_comments_the_oldest_is_taken_however_far_back() {
        let fake = Fake::start(search(|seen| match seen.query("start_id").as_deref() {
            None => (0..25)
                .map(|n| comment_by(100 - n, 4200, "ok", BEGUN + 2_000 - n as i64))
                .collect(),
            Some("76") => vec![
                comment_by(75, 4200, "ok", BEGUN + 10),
                comment_by(74, 4200, "ok", BEGUN + 9),
                comment_by(73, 4200, "ok", BEGUN - 300_000),
            ],
            Some(odd) => panic!("{odd}"),
        }))
        .await;
        let mut op = comment("ok");
        op.claimed.insert("74".into());
        let found = clickup(&fake.url).find(&op).await.unwrap();
        assert_eq!(found.unwrap().trace.as_deref(), Some("75"));
        let last = fake.seen().pop().unwrap();
        assert_eq!(last.query("start"), Some((BEGUN + 1_976).to_string()));
    }

    #[tokio::test]
    async fn a_search_that_finds_no_end_does_not_claim_absence() {
        let next = AtomicUsize::new(1_000_000);
        let fake = Fake::start(search(move |_| {
            let id = next.fetch_sub(25, Ordering::SeqCst) as u64;
            (0..25)
                .map(|n| comment_by(id - n, 4242, "chat", BEGUN + id as i64 - n as i64))
                .collect()
        }))
        .await;
        let error = clickup(&fake.url)
            .find(&comment("shipped"))
            .await
            .unwrap_err();
        assert!(matches!(error, WriteError::NotTaken { .. }), "{error:?}");
    }

    #[rstest]
    #[case::ours(task("86new", "901"), Some("86new"))]
    #[case::another_name(with(task("86new", "901"), "name", json!("Renew certs")), None)]
    #[case::another_text(with(task("86new", "901"), "description", json!("bodies")), None)]
    #[case::formatted(with(with(task("86new", "901"), "name", json!("Renew  cert ")), "text_content", json!("body\n")), Some("86new"))]
    #[case::by_another(with(task("86new", "901"), "creator", json!({"id": 4242})), None)]
    #[case::older(with(task("86new", "901"), "date_created", json!(BEGUN - 121_000)), None)]
    #[case::of_another_operation(task("86other", "901"), None)]
    #[case::of_our_client(with(task("86new", "901"), "tags", json!([{"name": "Client:Acme"}, {"name": "ops"}])), Some("86new"))]
    #[case::of_another_client(with(task("86new", "901"), "tags", json!([{"name": "client:zeta"}])), None)]
    #[tokio::test]
    async fn a_lost_task_is_known_by_author_words_and_time(
        #[case] there: Value,
        #[case] trace: Option<&str>,
    ) {
        let fake = Fake::start(move |seen| match seen.line().as_str() {
            "GET /user" => says(200, json!({"user": {"id": 4200}})),
            "GET /list/901/task" => says(200, json!({"tasks": [there], "last_page": true})),
            _ => says(404, json!({})),
        })
        .await;
        let mut op = create("901");
        op.claimed.insert("86other".into());
        let found = clickup(&fake.url).find(&op).await.unwrap();
        assert_eq!(found.and_then(|written| written.trace).as_deref(), trace);
        let listing = fake.seen().pop().unwrap();
        assert_eq!(
            listing.query("date_created_gt"),
            Some((BEGUN - 120_001).to_string())
        );
        assert_eq!(listing.query("include_closed").as_deref(), Some("true"));
    }

    #[tokio::test]
    async fn a_change_of_state_leaves_no_trace_to_look_for() {
        let fake = Fake::start(|_| FakeResponse::Drop).await;
        assert_eq!(clickup(&fake.url).find(&complete()).await, Ok(None));
        assert_eq!(fake.lines(), Vec::<String>::new());
    }
}
