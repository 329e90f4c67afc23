//! The assignees of an issue, and its priority, a label here (docs/contracts/github.md#calls: deltas, never the whole set).
//!
//! GitHub silently drops assignees who may not be assigned or exceed ten, and all of them if the token's account may
//! not push ("Only users with push access can add assignees to an issue. Assignees are silently ignored otherwise",
//! docs.github.com/rest/issues/assignees; the same for removing them). So the response is checked. Issues have no due
//! date.

use serde::de::IgnoredAny;
use serde_json::json;

use crate::domain::change::TaskChange;
use crate::domain::labels::on_task;
use crate::domain::operation::WriteError;
use crate::domain::task::{Priority, RepoName, Task};
use crate::http_client::refused;

use super::GitHub;
use super::client::{Request, segment};
use super::same_name;
use super::wire::{Label, Listed, WireIssue};
use super::writer::{named, parts};

/// The most assignees that GitHub allows on an issue (docs.github.com/rest/issues/assignees).
const ASSIGNEES_MAX: usize = 10;

impl GitHub {
    /// Makes a change, with as many requests as needed; each can be repeated.
    pub(super) async fn make(&self, now: &Task, change: &TaskChange) -> Result<Task, WriteError> {
        match change {
            TaskChange::Assign { add, remove } => {
                let mut task = now.clone();
                if !add.is_empty() {
                    task = self.assignees(&task, add, true).await?;
                    let added = TaskChange::Assign {
                        add: add.clone(),
                        remove: Vec::new(),
                    };
                    if !added.holds_in(&task) {
                        return Err(self.not_assigned(&task, add).await?);
                    }
                }
                if !remove.is_empty() {
                    task = self.assignees(&task, remove, false).await?;
                    let removed = TaskChange::Assign {
                        add: Vec::new(),
                        remove: remove.clone(),
                    };
                    if !removed.holds_in(&task) {
                        return Err(may_not(self.account(), now));
                    }
                }
                Ok(task)
            }
            TaskChange::Priority(priority) => self.prioritise(now, *priority).await,
            TaskChange::PriorityLabels(labels) => {
                let mut labels = labels.clone();
                // The repository may lack a configured label; then there is none to remove.
                labels.remove.retain(|name| on_task(now, name).is_some());
                self.relabel(now, &labels).await
            }
            TaskChange::Labels(labels) => self.relabel(now, labels).await,
            TaskChange::Milestone(title) => self.put_in_milestone(now, title.as_deref()).await,
            TaskChange::Type(name) => self.set_type(now, name.as_deref()).await,
            TaskChange::Pause { .. } => self.remove_progress_label(now).await,
            TaskChange::Resume { .. } => self.add_progress_label(now).await,
            TaskChange::Due(_) | TaskChange::DueOn(_) => {
                Err(refused("GitHub has no due dates for issues".to_owned()))
            }
        }
    }

    /// Finds the reason why GitHub has dropped an assignee, which its response lacks.
    async fn not_assigned(&self, now: &Task, logins: &[String]) -> Result<WriteError, WriteError> {
        let (repository, _) = parts(&now.key)?;
        let name = self.name_of(repository).await?;
        for login in logins {
            if !self.can_be_assigned(&name, login).await? {
                return Ok(refused(format!(
                    "GitHub doesn't let me assign {} to {login}. They need access to the repository",
                    now.id.short(),
                )));
            }
        }
        Ok(match now.assignees.len() {
            ASSIGNEES_MAX.. => refused(format!(
                "{} already has {ASSIGNEES_MAX} assignees, the most in GitHub. Remove one first",
                now.id.short()
            )),
            _ => may_not(self.account(), now),
        })
    }

    async fn assignees(
        &self,
        now: &Task,
        logins: &[String],
        adds: bool,
    ) -> Result<Task, WriteError> {
        let (repository, number) = parts(&now.key)?;
        let name = self.name_of(repository).await?;
        let request = |name: &RepoName| {
            let path = format!("/repos/{name}/issues/{number}/assignees");
            let (thing, body) = (named(name, number), json!({ "assignees": logins }));
            match adds {
                true => Request::post(path, thing, body),
                false => Request::delete(path, thing).with_body(body),
            }
        };
        let (issue, name): (WireIssue, _) = self.write(repository, name, request).await?;
        self.after_write(now, issue, repository, &name).await
    }

    /// Adds the label of a priority, if the repository has one of those configured, and removes those of others.
    async fn prioritise(&self, now: &Task, priority: Option<Priority>) -> Result<Task, WriteError> {
        let labels = &self.mapping.priority_labels;
        let wanted: &[String] = match priority {
            Some(Priority::Urgent) => &labels.urgent,
            Some(Priority::High) => &labels.high,
            Some(Priority::Normal | Priority::Low) | None => &[],
        };
        if wanted.is_empty() && self.mapping.field_priority(now).is_some() {
            return Err(refused(format!(
                "{} gets its priority from the field Priority in GitHub, and I only set labels. Change it there",
                now.id.short()
            )));
        }
        let is_on = |wanted: &String| now.labels.iter().any(|label| same_name(label, wanted));
        let missing = match priority {
            Some(_) if !wanted.iter().any(is_on) => Some(self.first_label(now, wanted).await?),
            _ => None,
        };
        // In this order, so that after an interruption the issue does not look finished.
        let mut task = now.clone();
        let others = labels.urgent.iter().chain(&labels.high);
        for other in others.filter(|other| !wanted.iter().any(|label| same_name(label, other))) {
            // In the repository's own spelling.
            let found = task.labels.iter().find(|label| same_name(label, other));
            if let Some(label) = found.cloned() {
                task = self.take_off(&task, &label).await?;
            }
        }
        if let Some(label) = missing {
            task = self.put_on(&task, &[label]).await?;
        }
        Ok(task)
    }

    /// The first of some labels that the repository has. GitHub would create a missing one, which is not wanted.
    async fn first_label(&self, now: &Task, wanted: &[String]) -> Result<String, WriteError> {
        let (repository, _) = parts(&now.key)?;
        let name = self.name_of(repository).await?;
        for label in wanted {
            let path = format!("/repos/{name}/labels/{}", segment(label));
            let thing = format!("the label {label} of {name}");
            match self
                .client
                .get::<IgnoredAny>(&Request::get(path, thing))
                .await
            {
                Ok(_) => return Ok(label.clone()),
                Err(WriteError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(refused(match wanted {
            [] => {
                "There is no label for that priority\nAdd one to github.priority_labels".to_owned()
            }
            wanted => format!(
                "{name} has no label {} in GitHub. Make it there first, or name another in github.priority_labels",
                wanted.join(" or ")
            ),
        }))
    }

    pub(super) async fn put_on(&self, now: &Task, added: &[String]) -> Result<Task, WriteError> {
        let (repository, number) = parts(&now.key)?;
        let name = self.name_of(repository).await?;
        let post = |name: &RepoName| {
            let path = format!("/repos/{name}/issues/{number}/labels");
            Request::post(path, named(name, number), json!({ "labels": added }))
        };
        let (labels, _): (Listed<Label>, _) = self.write(repository, name, post).await?;
        Ok(self.labelled(now, labels))
    }

    pub(super) async fn take_off(&self, now: &Task, label: &str) -> Result<Task, WriteError> {
        let (repository, number) = parts(&now.key)?;
        let name = self.name_of(repository).await?;
        let delete = |name: &RepoName| {
            let path = format!("/repos/{name}/issues/{number}/labels/{}", segment(label));
            Request::delete(path, named(name, number))
        };
        let (labels, _): (Listed<Label>, _) = self.write(repository, name, delete).await?;
        Ok(self.labelled(now, labels))
    }
}

/// The token's account may read the issue, but not assign it.
fn may_not(account: &str, now: &Task) -> WriteError {
    refused(format!(
        "GitHub does not let me say to whom {} is assigned. Give {account} write access to the repository",
        now.id.short()
    ))
}
