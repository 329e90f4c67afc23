//! Starting issues in GitHub, and undoing our writes there.
//!
//! `domain::undo` decides whether a write is undone. This module reads the state of a comment, and sends the opposite:
//! a state, the removal of a label, a deletion (docs/contracts/github.md#calls). Only comments are ever deleted.

use serde::de::IgnoredAny;
use serde_json::json;

use crate::domain::operation::{Refusal, WriteError};
use crate::domain::task::{RepoName, Task, TaskStatus};
use crate::domain::undo::{EffectState, OwnCreation};
use crate::domain::writes::OwnComment;

use super::GitHub;
use super::client::{Request, segment};
use super::same_name;
use super::wire::{IssueExtras, Label, Listed, WireComment, is_cut, is_still};
use super::writer::{named, parts};

impl GitHub {
    /// Adds the label of work in progress, if the repository has it. GitHub would create a missing label, which its
    /// people do not want.
    pub(super) async fn add_progress_label(&self, now: &Task) -> Result<Task, WriteError> {
        let (repository, number) = parts(&now.key)?;
        let label = &self.mapping.in_progress_label;
        let name = self.name_of(repository).await?;
        let path = format!("/repos/{name}/labels/{}", segment(label));
        let thing = format!("the label {label} of {name}");
        match self
            .client
            .get::<IgnoredAny>(&Request::get(path, thing))
            .await
        {
            Ok(_) => {}
            Err(WriteError::Refused { .. }) => return Ok(now.clone()),
            Err(error) => return Err(error),
        }
        let post = |name: &RepoName| {
            let path = format!("/repos/{name}/issues/{number}/labels");
            Request::post(path, named(name, number), json!({"labels": [label]}))
        };
        let (labels, _): (Listed<Label>, _) = self.write(repository, name, post).await?;
        Ok(self.labelled(now, labels))
    }

    /// Removes the label of work in progress.
    pub(super) async fn remove_progress_label(&self, now: &Task) -> Result<Task, WriteError> {
        let (repository, number) = parts(&now.key)?;
        let wanted = &self.mapping.in_progress_label;
        // In the repository's own spelling.
        let label = now.labels.iter().find(|label| same_name(label, wanted));
        let Some(label) = label else {
            return Ok(now.clone());
        };
        let name = self.name_of(repository).await?;
        let delete = |name: &RepoName| {
            let path = format!("/repos/{name}/issues/{number}/labels/{}", segment(label));
            Request::delete(path, named(name, number))
        };
        let (labels, _): (Listed<Label>, _) = self.write(repository, name, delete).await?;
        Ok(self.labelled(now, labels))
    }

    /// Deletes our comment. GitHub's "not there" may also mean "not visible", so it is looked up.
    pub(super) async fn remove_comment(
        &self,
        now: &Task,
        comment: &OwnComment<'_>,
    ) -> Result<(), WriteError> {
        let (repository, number) = parts(&now.key)?;
        let name = self.name_of(repository).await?;
        let delete = |name: &RepoName| {
            let path = format!("/repos/{name}/issues/comments/{}", segment(comment.id));
            Request::delete(path, format!("your comment on {}", named(name, number)))
        };
        match self.write::<IgnoredAny>(repository, name, delete).await {
            Ok(_) => Ok(()),
            Err(refused @ WriteError::Refused { .. }) => {
                match self.own_comment_stands(now, comment).await {
                    Ok(EffectState::Gone) => Ok(()),
                    _ => Err(refused),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// The state of a comment of ours.
    pub(super) async fn own_comment_stands(
        &self,
        now: &Task,
        comment: &OwnComment<'_>,
    ) -> Result<EffectState, WriteError> {
        let (repository, number) = parts(&now.key)?;
        let name = self.name_of(repository).await?;
        let path = format!("/repos/{name}/issues/comments/{}", segment(comment.id));
        let thing = format!("your comment on {}", named(&name, number));
        match self
            .client
            .get::<WireComment>(&Request::get(path, thing))
            .await
        {
            Ok(got)
                if is_still(
                    &got.value.body,
                    &comment.text.to_string(),
                    comment.operation,
                ) =>
            {
                Ok(EffectState::AsLeft)
            }
            Ok(_) => Ok(EffectState::Changed("the comment was edited".to_owned())),
            // The issue was read just now: a part that it does not show is gone.
            Err(WriteError::Refused {
                what: Refusal::Invisible | Refusal::Gone,
                ..
            }) => Ok(EffectState::Gone),
            Err(error) => Err(error),
        }
    }

    /// Checks for contributions of others, since closing an issue as not planned would answer them.
    pub(super) async fn bare(
        &self,
        now: &Task,
        own: &OwnCreation,
    ) -> Result<EffectState, WriteError> {
        let (repository, number) = parts(&now.key)?;
        let name = self.name_of(repository).await?;
        let path = format!("/repos/{name}/issues/{number}");
        let request = Request::get(path, named(&name, number));
        let hung: IssueExtras = self.client.get(&request).await?.value;
        let body = hung.body.unwrap_or_default();
        let changed = |how: &str| Ok(EffectState::Changed(how.to_owned()));
        if hung.comments > 0 {
            changed("someone has commented on it")
        } else if hung.sub_issues.total > 0 {
            changed("it now has sub-issues")
        } else if hung.milestone.is_some() {
            changed("it now has a milestone")
        } else if is_cut(&now.description) && !is_still(&body, &own.description, &own.operation) {
            changed("its description changed")
        } else {
            Ok(EffectState::AsLeft)
        }
    }

    /// The issue with its current labels.
    pub(super) fn labelled(&self, now: &Task, labels: Listed<Label>) -> Task {
        let labels: Vec<String> = labels.items.into_iter().map(Label::name).collect();
        let wanted = &self.mapping.in_progress_label;
        let is_in_progress = labels.iter().any(|label| same_name(label, wanted));
        Task {
            priority: self
                .mapping
                .priority(&labels)
                .or_else(|| self.mapping.field_priority(now)),
            status: match (now.status, is_in_progress) {
                // A label opens no closed issue.
                (TaskStatus::Done, _) => TaskStatus::Done,
                (_, true) => TaskStatus::InProgress,
                (_, false) => TaskStatus::Todo,
            },
            labels,
            ..now.clone()
        }
    }
}
