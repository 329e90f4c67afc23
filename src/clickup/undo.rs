//! Starting and reopening tasks in ClickUp, and undoing our writes there.
//!
//! `domain::undo` decides whether a write is undone. This module reads the state that the task itself does not show,
//! and sends the opposite: a status, or a deletion (docs/contracts/clickup.md#comments, docs/contracts/clickup.md#writing).

use serde::de::IgnoredAny;

use crate::domain::operation::{Refusal, WriteError};
use crate::domain::task::Task;
use crate::domain::undo::{EffectState, OwnCreation};
use crate::domain::writes::OwnComment;
use crate::http_client::refused;

use super::ClickUp;
use super::client::{Request, segment};
use super::wire::{
    Millis, TaskExtras, WireComment, WireCommentPage, WireList, WireStatus, is_cut, same_name,
};
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
            Some(found) if !found.says(comment.text) => {
                EffectState::Changed("the comment was edited".to_owned())
            }
            // They would be deleted with it.
            Some(found) if found.has_replies() => {
                EffectState::Changed("someone has replied to the comment".to_owned())
            }
            Some(_) => EffectState::AsLeft,
        })
    }

    /// Checks for contributions of others: deleting a task deletes its comments, subtasks, checklists and files, too.
    pub(super) async fn bare(
        &self,
        now: &Task,
        own: &OwnCreation,
    ) -> Result<EffectState, WriteError> {
        let changed = |how: &str| Ok(EffectState::Changed(how.to_owned()));
        let (key, thing) = (&now.key, named(&now.key));
        let request = Request::get(path(key, "/comment"), thing.as_str());
        let page: WireCommentPage = self.client.send(&request).await?;
        if !page.comments.is_empty() {
            return changed("someone has commented on it");
        }
        let request = Request::get(path(key, ""), thing).with("include_subtasks", true);
        let extras: TaskExtras = self.client.send(&request).await?;
        let mut files = extras.attachments.iter().filter(|file| !file.deleted);
        if !extras.subtasks.is_empty() {
            changed("it now has subtasks")
        } else if !extras.checklists.is_empty() {
            changed("it now has a checklist")
        } else if files.any(|file| !own.uploads.contains(&file.id.to_string())) {
            changed("someone has attached a file to it")
        } else if is_cut(&now.description) && !extras.is_described(&own.description) {
            changed("its description changed")
        } else {
            Ok(EffectState::AsLeft)
        }
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::super::tests::clickup;
    use super::*;
    use crate::domain::mention_text::MentionText;
    use crate::domain::source::SourceWriter;
    use crate::domain::task::TaskKey;
    use crate::http_client::fake::{Fake, json as says};

    /// 2026-01-01 00:00:00 UTC, in ms.
    const BEGUN: i64 = 1_767_225_600_000;

    fn long() -> String {
        "two litres ".repeat(500)
    }

    /// ClickUp with a task that has these comments and further fields.
    async fn with(comments: Value, fields: Value) -> Fake {
        let mut task = json!({"id": "86a", "name": "Buy milk", "status": {"status": "to do", "type": "open"},
            "date_created": BEGUN.to_string(), "list": {"id": "901"}});
        for (field, value) in fields.as_object().unwrap() {
            task[field] = value.clone();
        }
        Fake::start(move |seen| match seen.line().as_str() {
            "GET /task/86a/comment" => says(200, json!({"comments": comments.clone()})),
            _ => says(200, task.clone()),
        })
        .await
    }

    fn changed(how: &str) -> EffectState {
        EffectState::Changed(how.to_owned())
    }

    #[rstest]
    #[case::bare(json!({}), EffectState::AsLeft)]
    #[case::empty(json!({"subtasks": [], "checklists": [], "attachments": []}), EffectState::AsLeft)]
    #[case::with_our_file(json!({"attachments": [{"id": "f1.png", "title": "shot.png"}]}), EffectState::AsLeft)]
    #[case::with_a_removed_file(json!({"attachments": [{"id": "f2.png", "deleted": true}]}), EffectState::AsLeft)]
    #[case::with_another_file(json!({"attachments": [{"id": "f1.png"}, {"id": "f2.png", "deleted": false}]}),
        changed("someone has attached a file to it"))]
    #[case::with_a_checklist(json!({"checklists": [{"id": "c1", "name": "Steps", "items": []}]}),
        changed("it now has a checklist"))]
    #[case::with_a_subtask(json!({"subtasks": [{"id": "86b"}]}), changed("it now has subtasks"))]
    #[case::as_long(json!({"text_content": format!("{}\n", long())}), EffectState::AsLeft)]
    #[case::longer(json!({"text_content": format!("{}\nand oats\n", long())}), changed("its description changed"))]
    #[tokio::test]
    async fn only_our_own_parts_of_a_task_go_with_it(
        #[case] fields: Value,
        #[case] expected: EffectState,
    ) {
        let fake = with(json!([]), fields).await;
        let clickup = clickup(&fake.url);
        let now = clickup.read(&TaskKey::clickup("86a")).await.unwrap();
        let own = OwnCreation {
            description: long(),
            operation: "01J00000000000000000000001".into(),
            uploads: ["f1.png".to_owned()].into(),
        };
        assert_eq!(clickup.bare(&now, &own).await, Ok(expected));
    }

    #[rstest]
    #[case::none("shipped", json!("0"), EffectState::AsLeft)]
    #[case::unknown("shipped", Value::Null, EffectState::AsLeft)]
    #[case::one("shipped", json!("1"), changed("someone has replied to the comment"))]
    #[case::as_a_number("shipped", json!(2), changed("someone has replied to the comment"))]
    #[case::of_an_edited_one("shipped, I think", json!("1"), changed("the comment was edited"))]
    #[tokio::test]
    async fn a_comment_with_replies_is_not_as_we_left_it(
        #[case] text: &str,
        #[case] replies: Value,
        #[case] expected: EffectState,
    ) {
        let comment = json!({"id": "7", "comment_text": text, "user": {"id": 4200},
            "date": (BEGUN + 5_000).to_string(), "reply_count": replies});
        let fake = with(json!([comment]), json!({})).await;
        let clickup = clickup(&fake.url);
        let now = clickup.read(&TaskKey::clickup("86a")).await.unwrap();
        let text = MentionText::from("shipped");
        let comment = OwnComment {
            id: "7",
            text: &text,
            operation: "01J00000000000000000000001",
            since: DateTime::from_timestamp_millis(BEGUN).unwrap(),
        };
        let state = clickup.own_comment_stands(&now, &comment).await;
        assert_eq!(state, Ok(expected));
    }
}
