//! The milestone of an issue that a person changes.
//!
//! A request names a milestone by its number in the repository. Without push access GitHub drops the change silently
//! (docs/contracts/github.md#calls), so the response is checked.

use serde_json::{Value, json};

use crate::domain::change::TaskChange;
use crate::domain::labels::{not_there, same_label};
use crate::domain::operation::WriteError;
use crate::domain::source::Source;
use crate::domain::task::{RepoName, Task};
use crate::http_client::refused;

use super::GitHub;
use super::client::{ReadAnswer, Request};
use super::wire::{Listed, WireMilestone};
use super::writer::parts;

/// How many pages of milestones are read, of 100 each.
const PAGES_MAX: usize = 10;

impl GitHub {
    /// Puts an issue in the milestone with this title, or in none. Refused if the repository has no such milestone.
    pub(super) async fn put_in_milestone(
        &self,
        now: &Task,
        title: Option<&str>,
    ) -> Result<Task, WriteError> {
        let number = match title {
            None => Value::Null,
            Some(title) => {
                let (repository, _) = parts(&now.key)?;
                let name = self.name_of(repository).await?;
                json!(self.milestone(&name, title).await?)
            }
        };
        let task = self.patch(now, json!({ "milestone": number })).await?;
        match TaskChange::Milestone(title.map(str::to_owned)).holds_in(&task) {
            true => Ok(task),
            false => Err(refused(format!(
                "GitHub did not change the milestone of {}. Give {} write access to the repository",
                now.id.short(),
                self.account()
            ))),
        }
    }

    /// The number of the milestone with this title; of several, one that is open.
    async fn milestone(&self, name: &RepoName, title: &str) -> Result<u64, WriteError> {
        let thing = format!("the milestones of {name}");
        let mut request = Request::get(format!("/repos/{name}/milestones"), thing.as_str())
            .with("state", "all")
            .with("per_page", 100);
        let mut all: Vec<WireMilestone> = Vec::new();
        for _ in 0..PAGES_MAX {
            let page: ReadAnswer<Listed<WireMilestone>> = self.client.get(&request).await?;
            all.extend(page.value.items);
            match page.next {
                Some(next) => request = self.client.follow(&next, thing.as_str())?,
                None => break,
            }
        }
        let is_open = |milestone: &&WireMilestone| milestone.state != "closed";
        let called = |milestone: &&WireMilestone| same_label(milestone.title.trim(), title);
        let found = all.iter().filter(called);
        let found = found.clone().find(is_open).or_else(|| found.clone().next());
        match found {
            Some(milestone) => Ok(milestone.number),
            None => {
                let open = all.iter().filter(is_open);
                let known: Vec<&str> = open.map(|milestone| milestone.title.as_str()).collect();
                let kinds = ("milestone", "milestones");
                Err(refused(not_there(
                    &name.to_string(),
                    Source::GitHub,
                    kinds,
                    &[title],
                    &known,
                )))
            }
        }
    }
}
