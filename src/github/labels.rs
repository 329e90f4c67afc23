//! The labels of an issue that a person changes (docs/contracts/github.md#calls: deltas, never the whole set).
//!
//! GitHub would create a label that the repository lacks, which its people do not want: names are looked up first. A
//! response has the labels of the issue afterwards, so that a change that GitHub drops is noticed.

use crate::domain::labels::{LabelChange, unknown};
use crate::domain::operation::{Refusal, WriteError};
use crate::domain::source::Source;
use crate::domain::task::{RepoName, Task};
use crate::http_client::{after_a_part, refused};

use super::GitHub;
use super::client::{ReadAnswer, Request, segment};
use super::wire::{Label, Listed};
use super::writer::parts;

/// How many pages of labels are read, of 100 each.
const PAGES_MAX: usize = 10;

impl GitHub {
    /// Adds and removes labels. Those to add go in one request, which is the first: if it is refused, nothing changed.
    pub(super) async fn relabel(
        &self,
        now: &Task,
        labels: &LabelChange,
    ) -> Result<Task, WriteError> {
        let names = self.spelled_in_repository(now, labels).await?;
        let is_new = |name: &&String| {
            labels
                .missing_in(now)
                .iter()
                .any(|new| super::same_name(new, name))
        };
        let missing: Vec<String> = names.iter().filter(is_new).cloned().collect();
        let mut task = now.clone();
        if !missing.is_empty() {
            task = self.put_on(&task, &missing).await?;
        }
        let mut is_begun = !missing.is_empty();
        for label in labels.to_take_off(now) {
            task = match self.take_off(&task, label).await {
                Ok(task) => task,
                // Another person may have removed it since it was read.
                Err(WriteError::Refused {
                    what: Refusal::Invisible,
                    why,
                }) => {
                    let read = self.reread(now, is_begun).await?;
                    if read
                        .labels
                        .iter()
                        .any(|known| super::same_name(known, label))
                    {
                        return Err(after_a_part(
                            is_begun,
                            WriteError::Refused {
                                what: Refusal::Other,
                                why,
                            },
                        ));
                    }
                    read
                }
                Err(error) => return Err(after_a_part(is_begun, error)),
            };
            is_begun = true;
        }
        match labels.holds_in(&task) {
            true => Ok(task),
            false => Err(refused(format!(
                "GitHub did not change the labels of {}. Give {} write access to the repository",
                now.id.short(),
                self.account()
            ))),
        }
    }

    async fn reread(&self, now: &Task, is_begun: bool) -> Result<Task, WriteError> {
        use crate::domain::source::SourceWriter as _;
        let read = self.read(&now.key).await;
        read.map_err(|error| after_a_part(is_begun, error))
    }

    /// The names that the issue does not have, in the repository's spelling. Refused if the repository lacks one.
    pub(super) async fn spelled_in_repository(
        &self,
        now: &Task,
        labels: &LabelChange,
    ) -> Result<Vec<String>, WriteError> {
        let (repository, _) = parts(&now.key)?;
        let name = self.name_of(repository).await?;
        let (mut spelled, mut missing) = (Vec::new(), Vec::new());
        for label in labels.unseen_in(now) {
            let path = format!("/repos/{name}/labels/{}", segment(label));
            let request = Request::get(path, format!("the label {label} of {name}"));
            match self.client.get::<Label>(&request).await {
                Ok(found) => spelled.push(found.value.name()),
                Err(WriteError::Refused {
                    what: Refusal::Invisible | Refusal::Gone,
                    ..
                }) => missing.push(label),
                Err(error) => return Err(error),
            }
        }
        if missing.is_empty() {
            return Ok(spelled);
        }
        let known = self.labels_of(&name).await?;
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let why = unknown(&name.to_string(), Source::GitHub, &missing, &known);
        Err(refused(why))
    }

    /// The names of a repository's labels.
    async fn labels_of(&self, name: &RepoName) -> Result<Vec<String>, WriteError> {
        let thing = format!("the labels of {name}");
        let mut request =
            Request::get(format!("/repos/{name}/labels"), thing.as_str()).with("per_page", 100);
        let mut names = Vec::new();
        for _ in 0..PAGES_MAX {
            let page: ReadAnswer<Listed<Label>> = self.client.get(&request).await?;
            names.extend(page.value.items.into_iter().map(Label::name));
            match page.next {
                Some(next) => request = self.client.follow(&next, thing.as_str())?,
                None => break,
            }
        }
        Ok(names)
    }
}
