//! The tags of a task that a person changes (docs/contracts/clickup.md#writing).
//!
//! Tags belong to a space. Whether ClickUp makes one that the space lacks is not certain, and its people would not want
//! that: names are looked up first. The response does not have the task, so it is read afterwards.

use serde::de::IgnoredAny;
use serde_json::json;

use crate::domain::controls::one_line;
use crate::domain::labels::{LabelChange, same_label, unknown};
use crate::domain::operation::WriteError;
use crate::domain::source::{Source, SourceWriter as _};
use crate::domain::task::Task;
use crate::http_client::{after_a_part, refused};

use super::ClickUp;
use super::client::{Request, segment};
use super::wire::SpaceTags;
use super::writer::{named, path};

impl ClickUp {
    /// Adds and removes tags, one request each. Each can be repeated.
    pub(super) async fn retag(&self, now: &Task, tags: &LabelChange) -> Result<Task, WriteError> {
        let spelled = self.spelled_in_space(now, tags).await?;
        let missing = tags.missing_in(now);
        let added = spelled
            .iter()
            .filter(|name| missing.iter().any(|new| same_label(new, name)))
            .map(|name| (true, name.as_str()));
        let removed = tags.to_take_off(now).into_iter().map(|name| (false, name));
        let mut is_begun = false;
        for (adds, tag) in added.chain(removed) {
            let below = format!("/tag/{}", segment(tag));
            let (path, thing) = (path(&now.key, &below), named(&now.key));
            // The content type counts, even without a body.
            let request = match adds {
                true => Request::post(path, thing, json!({})),
                false => Request::delete(path, thing).with_body(json!({})),
            };
            let sent: Result<IgnoredAny, _> = self.client.send(&request).await;
            sent.map_err(|error| after_a_part(is_begun, error.into()))?;
            is_begun = true;
        }
        let read = self.read(&now.key).await;
        let task = read.map_err(|error| after_a_part(is_begun, error))?;
        match tags.holds_in(&task) {
            true => Ok(task),
            false => Err(WriteError::Unknown {
                why: format!(
                    "ClickUp does not show the change of tags of {}",
                    named(&now.key)
                ),
            }),
        }
    }

    /// The names that the task does not have, in the space's spelling. Refused if the space lacks one.
    pub(super) async fn spelled_in_space(
        &self,
        now: &Task,
        tags: &LabelChange,
    ) -> Result<Vec<String>, WriteError> {
        let unseen = tags.unseen_in(now);
        if unseen.is_empty() {
            return Ok(Vec::new());
        }
        let (list, _) = self.home_of(now).await?;
        let Some(space) = list.space else {
            // Its tags cannot be asked for, so the name counts as typed.
            return Ok(unseen.into_iter().map(str::to_owned).collect());
        };
        let place = match &space.name {
            Some(name) => format!("the space {}", one_line(name)),
            None => format!("the space {}", space.id),
        };
        let request = Request::get(
            format!("/space/{}/tag", segment(&space.id.to_string())),
            format!("the tags of {place}"),
        );
        let known: SpaceTags = self.client.send(&request).await?;
        let known: Vec<&str> = known.tags.iter().map(|tag| tag.name.as_str()).collect();
        let (mut spelled, mut missing) = (Vec::new(), Vec::new());
        for name in unseen {
            match known.iter().find(|known| same_label(known, name)) {
                Some(known) => spelled.push((*known).to_owned()),
                None => missing.push(name),
            }
        }
        match missing.is_empty() {
            true => Ok(spelled),
            false => Err(refused(unknown(&place, Source::ClickUp, &missing, &known))),
        }
    }
}
