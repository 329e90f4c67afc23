//! Starting and reopening tasks in ClickUp, and undoing our writes there.
//!
//! `domain::undo` decides whether a write is undone. This module reads the state that the task itself does not show,
//! and sends the opposite: a status, or a deletion (docs/contracts/clickup.md#comments, docs/contracts/clickup.md#writing).

use serde::de::IgnoredAny;

use crate::domain::operation::{Refusal, WriteError};
use crate::domain::task::{Task, TaskKey};
use crate::domain::undo::EffectState;
use crate::domain::writes::OwnComment;
use crate::http_client::refused;

use super::ClickUp;
use super::client::{Request, segment};
use super::wire::{Family, Millis, WireComment, WireCommentPage, WireList, WireStatus, same_name};
use super::writer::{CLOCK_SLACK, named, path};

impl ClickUp {
    /// Sets the status of work in progress: the configured one if the list has it, else its first `custom` one. Without
    /// either the task stays as it is.
    pub(super) async fn begin(&self, now: &Task) -> Result<Task, WriteError> {
        self.set(now, |list| {
            let configured = self.mapping.in_progress_status.as_deref();
            let configured = configured.and_then(|name| called(list, name));
            Ok(configured.or_else(|| first(list, "custom")))
        })
        .await
    }

    /// Reopens a task: in the status `before` if its list still has that, else in the list's first status.
    pub(super) async fn open(&self, now: &Task, before: Option<&str>) -> Result<Task, WriteError> {
        self.set(now, |list| {
            let before = before.and_then(|name| called(list, name));
            before
                .or_else(|| first(list, "open"))
                .or_else(|| first(list, "custom"))
                .map(Some)
                .ok_or_else(|| {
                    refused(format!(
                        "The ClickUp list of {} has no open status. Add one, or move the task",
                        named(&now.key)
                    ))
                })
        })
        .await
    }

    /// Completes a task again: in the status `before` if its list still has that.
    pub(super) async fn finish(
        &self,
        now: &Task,
        before: Option<&str>,
    ) -> Result<Task, WriteError> {
        self.set(now, |list| {
            match before.and_then(|name| finished(list, name)) {
                Some(before) => Ok(Some(before)),
                None => self.finishing(list, now).map(Some),
            }
        })
        .await
    }

    /// Deletes a comment of ours. ClickUp's code for an absent one is ambiguous, so it is looked up.
    pub(super) async fn remove_comment(
        &self,
        now: &Task,
        comment: &OwnComment<'_>,
    ) -> Result<(), WriteError> {
        let thing = format!("your comment on {}", named(&now.key));
        let request = Request::delete(format!("/comment/{}", segment(comment.id)), thing);
        match self.remove(&request).await {
            Err(refused @ WriteError::Refused { .. }) => {
                match self.own_comment_stands(now, comment).await {
                    Ok(EffectState::Gone) => Ok(()),
                    _ => Err(refused),
                }
            }
            removed => removed,
        }
    }

    /// Deletes an item. An absent one counts as success.
    pub(super) async fn remove(&self, request: &Request) -> Result<(), WriteError> {
        let deleted = self.client.send::<IgnoredAny>(request).await;
        match deleted.map_err(WriteError::from) {
            Ok(_)
            | Err(WriteError::Refused {
                what: Refusal::Gone,
                ..
            }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The state of a comment of ours.
    pub(super) async fn own_comment_stands(
        &self,
        now: &Task,
        comment: &OwnComment<'_>,
    ) -> Result<EffectState, WriteError> {
        let since = Millis((comment.since - CLOCK_SLACK).timestamp_millis());
        let is_it = |one: &WireComment| one.id.to_string() == comment.id;
        Ok(match self.walk_comments(&now.key, since, is_it).await? {
            None => EffectState::Gone,
            Some(found) if found.says(comment.text) => EffectState::AsLeft,
            Some(_) => EffectState::Changed("the comment was edited".to_owned()),
        })
    }

    /// Checks for children: deleting a task deletes those that others added, too.
    pub(super) async fn childless(&self, key: &TaskKey) -> Result<EffectState, WriteError> {
        let thing = named(key);
        let request = Request::get(path(key, "/comment"), thing.as_str());
        let page: WireCommentPage = self.client.send(&request).await?;
        if !page.comments.is_empty() {
            return Ok(EffectState::Changed(
                "someone has commented on it".to_owned(),
            ));
        }
        let request = Request::get(path(key, ""), thing).with("include_subtasks", true);
        let family: Family = self.client.send(&request).await?;
        Ok(match family.subtasks.is_empty() {
            true => EffectState::AsLeft,
            false => EffectState::Changed("it now has subtasks".to_owned()),
        })
    }
}

/// The status with that name, in the list's own spelling.
fn called<'a>(list: &'a WireList, name: &str) -> Option<&'a str> {
    find(list, |status| {
        !status.is_finished() && same_name(&status.status, name)
    })
}

fn finished<'a>(list: &'a WireList, name: &str) -> Option<&'a str> {
    find(list, |status| {
        status.is_finished() && same_name(&status.status, name)
    })
}

fn first<'a>(list: &'a WireList, kind: &str) -> Option<&'a str> {
    find(list, |status| status.kind == kind)
}

fn find(list: &WireList, is_it: impl Fn(&WireStatus) -> bool) -> Option<&str> {
    let status = list.statuses.iter().find(|status| is_it(status))?;
    Some(status.status.as_str())
}
