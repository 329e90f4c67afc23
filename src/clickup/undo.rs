//! Starting and reopening tasks in ClickUp, and undoing our writes there.
//!
//! `domain::undo` decides whether a write is undone. This module reads the state that the task itself does not show,
//! and sends the opposite: a status, or a deletion (contract clickup 5.5, 6.1, 6.3).

use serde::de::IgnoredAny;

use crate::domain::operation::{Operation, Refusal, WriteError, Written};
use crate::domain::task::{Task, TaskKey};
use crate::domain::undo::{Effect, Stands, ToUndo};

use super::ClickUp;
use super::client::{Request, segment};
use super::wire::{CommentPage, Family, List, Millis, TaskStatus, WireComment, same_name};
use super::writer::{CLOCK_SLACK, COMMENT_PAGES_MAX, COMMENTS_A_PAGE, named, path, too_much};

impl ClickUp {
    /// Sets the status of work in progress: the configured one if the list has it, else its first `custom` one. Without
    /// either the task stays as it is.
    pub(super) async fn start(&self, now: &Task) -> Result<Task, WriteError> {
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
                .ok_or_else(|| WriteError::Refused {
                    what: Refusal::Other,
                    why: format!(
                        "ClickUp's list of {} has no status for an open task. Give it one, or move the task",
                        named(&now.key)
                    ),
                })
        })
        .await
    }

    /// Sends the opposite of a write.
    pub(super) async fn undo(
        &self,
        op: &Operation,
        now: Option<&Task>,
    ) -> Result<Written, WriteError> {
        let (Some(ToUndo::Effect(effect)), Some(now)) = (&op.past.to_undo, now) else {
            return Err(WriteError::Refused {
                what: Refusal::Other,
                why: "there is nothing to take back in ClickUp".to_owned(),
            });
        };
        let task = match effect {
            Effect::Completed { before, .. } | Effect::Started { before, .. } => {
                self.open(now, before.as_deref()).await?
            }
            Effect::Reopened { before, .. } => {
                self.set(now, |list| {
                    let before = before.as_deref().and_then(|name| finished(list, name));
                    match before {
                        Some(before) => Ok(Some(before)),
                        None => self.finishing(list, now).map(Some),
                    }
                })
                .await?
            }
            Effect::Changed { back, .. } => self.change(now, back).await?,
            Effect::Commented { id, .. } => {
                let thing = format!("your comment on {}", named(&now.key));
                let request = Request::delete(format!("/comment/{}", segment(id)), thing);
                self.remove(&request, async || {
                    Ok(self.stands(op, now).await? == Stands::Gone)
                })
                .await?;
                now.clone()
            }
            Effect::Created { .. } => {
                let request = Request::delete(path(&now.key, ""), named(&now.key));
                self.remove(&request, async || Ok(false)).await?;
                now.clone()
            }
        };
        Ok(Written { task, trace: None })
    }

    /// Deletes an item. An absent one counts as success; ClickUp's code for that is ambiguous, so it is looked up.
    async fn remove(
        &self,
        request: &Request,
        is_gone: impl AsyncFnOnce() -> Result<bool, WriteError>,
    ) -> Result<(), WriteError> {
        let deleted = self.client.send::<IgnoredAny>(request).await;
        match deleted.map_err(WriteError::from) {
            Ok(_)
            | Err(WriteError::Refused {
                what: Refusal::Gone,
                ..
            }) => Ok(()),
            Err(refused @ WriteError::Refused { .. }) => match is_gone().await {
                Ok(true) => Ok(()),
                _ => Err(refused),
            },
            Err(error) => Err(error),
        }
    }

    /// The state of a comment of ours, or the children of a task that is to be deleted.
    pub(super) async fn stands(&self, op: &Operation, now: &Task) -> Result<Stands, WriteError> {
        match &op.past.to_undo {
            Some(ToUndo::Effect(Effect::Commented {
                id, text, since, ..
            })) => {
                let since = Millis((*since - CLOCK_SLACK).timestamp_millis());
                let found = self.own_comment(&now.key, id, since).await?;
                Ok(match found {
                    None => Stands::Gone,
                    Some(comment) if comment.says(text) => Stands::AsLeft,
                    Some(_) => Stands::Changed("the comment says something else now".to_owned()),
                })
            }
            Some(ToUndo::Effect(Effect::Created { .. })) => self.childless(&now.key).await,
            _ => Ok(Stands::AsLeft),
        }
    }

    /// Checks for children: deleting a task deletes those that others added, too.
    async fn childless(&self, key: &TaskKey) -> Result<Stands, WriteError> {
        let thing = named(key);
        let request = Request::get(path(key, "/comment"), thing.as_str());
        let page: CommentPage = self.client.send(&request).await?;
        if !page.comments.is_empty() {
            return Ok(Stands::Changed("somebody has commented on it".to_owned()));
        }
        let request = Request::get(path(key, ""), thing).with("include_subtasks", true);
        let family: Family = self.client.send(&request).await?;
        Ok(match family.subtasks.is_empty() {
            true => Stands::AsLeft,
            false => Stands::Changed("it has subtasks now".to_owned()),
        })
    }

    /// Our comment with this id, not older than `since`.
    async fn own_comment(
        &self,
        key: &TaskKey,
        id: &str,
        since: Millis,
    ) -> Result<Option<WireComment>, WriteError> {
        let mut start: Option<(Millis, String)> = None;
        for _ in 0..COMMENT_PAGES_MAX {
            let mut request = Request::get(path(key, "/comment"), named(key));
            if let Some((date, id)) = &start {
                request = request.with("start", date.0).with("start_id", id);
            }
            let page: CommentPage = self.client.send(&request).await?;
            let full = page.comments.len() >= COMMENTS_A_PAGE;
            let last = page
                .comments
                .last()
                .and_then(|last| Some((last.date?, last.id.to_string())));
            let mut comments = page.comments.into_iter();
            if let Some(found) = comments.find(|comment| comment.id.to_string() == id) {
                return Ok(Some(found));
            }
            match last {
                Some((date, _)) if date < since => return Ok(None),
                Some(next) if full && start.as_ref() != Some(&next) => start = Some(next),
                _ => return Ok(None),
            }
        }
        // Its absence is not proven.
        Err(too_much(&named(key)))
    }
}

/// The status with that name, in the list's own spelling.
fn called<'a>(list: &'a List, name: &str) -> Option<&'a str> {
    find(list, |status| {
        !status.is_finished() && same_name(&status.status, name)
    })
}

fn finished<'a>(list: &'a List, name: &str) -> Option<&'a str> {
    find(list, |status| {
        status.is_finished() && same_name(&status.status, name)
    })
}

fn first<'a>(list: &'a List, kind: &str) -> Option<&'a str> {
    find(list, |status| status.kind == kind)
}

fn find(list: &List, is_it: impl Fn(&TaskStatus) -> bool) -> Option<&str> {
    let status = list.statuses.iter().find(|status| is_it(status))?;
    Some(status.status.as_str())
}
