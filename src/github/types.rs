//! The type of an issue that a person changes (docs/contracts/github.md#issue-types).
//!
//! A request names a type by its name. Without push access GitHub drops the change silently, so the response is checked.
//! The known types are read first, for the nearest names of an unknown one. Not every token may read them: then GitHub
//! decides.

use serde_json::json;

use crate::domain::change::TaskChange;
use crate::domain::labels::{not_there, same_label};
use crate::domain::operation::{Refusal, WriteError};
use crate::domain::source::Source;
use crate::domain::task::{RepoName, Task};
use crate::http_client::refused;

use super::GitHub;
use super::client::{ReadAnswer, Request, segment};
use super::wire::{IssueType, Listed};
use super::writer::parts;

impl GitHub {
    /// Gives an issue the type with this name, or none. Refused if its repository has no such type.
    pub(super) async fn set_type(
        &self,
        now: &Task,
        name: Option<&str>,
    ) -> Result<Task, WriteError> {
        let (repository, _) = parts(&now.key)?;
        let home = self.name_of(repository).await?;
        let (spelled, is_known) = match name {
            None => (None, true),
            Some(name) => match self.types_of(&home).await? {
                Some(types) => (Some(spelled(&types, name, &home)?), true),
                None => (Some(name.to_owned()), false),
            },
        };
        let task = match self.patch(now, json!({ "type": spelled })).await {
            Err(WriteError::Refused {
                what: Refusal::Other,
                why,
            }) if !is_known => {
                return Err(self.no_types(&home, name.unwrap_or_default(), why).await);
            }
            done => done?,
        };
        match TaskChange::Type(name.map(str::to_owned)).holds_in(&task) {
            true => Ok(task),
            false => Err(refused(format!(
                "GitHub did not change the type of {}. Give {} write access to the repository",
                now.id.short(),
                self.account()
            ))),
        }
    }

    /// The types that issues of a repository can have; `None` if they cannot be read. Older servers list them for the
    /// organization only, and that takes a right of its own.
    async fn types_of(&self, home: &RepoName) -> Result<Option<Vec<IssueType>>, WriteError> {
        let of_repository = format!("/repos/{home}/issue-types");
        let of_organization = format!("/orgs/{}/issue-types", segment(home.owner()));
        for path in [of_repository, of_organization] {
            let request = Request::get(path, format!("the issue types of {home}"));
            let got: Result<ReadAnswer<Listed<IssueType>>, _> = self.client.get(&request).await;
            match got {
                Ok(got) => return Ok(Some(got.value.items)),
                Err(WriteError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The reason of a refusal by a repository whose types cannot be read.
    async fn no_types(&self, home: &RepoName, name: &str, why: String) -> WriteError {
        let found = match self.repository(home).await {
            Ok(found) => found,
            Err(WriteError::Refused { .. }) => return refused(why),
            Err(error) => return error,
        };
        // Without push access the refusal has another reason. The field says nothing about an App.
        let rights = found.permissions.as_ref();
        let may_push = self.app.is_some() || rights.is_none_or(|rights| rights.push);
        refused(match (found.is_of_a_person(), may_push) {
            (true, _) => format!(
                "{home} belongs to a person, and only issues of an organization have types in GitHub. Use `label` instead"
            ),
            (false, true) => format!(
                "{home} has no issue type “{name}” in GitHub, and I can't see which ones it has. Look there"
            ),
            (false, false) => why,
        })
    }
}

/// The name in GitHub's spelling. Refused if no type that can be used has it.
fn spelled(types: &[IssueType], name: &str, home: &RepoName) -> Result<String, WriteError> {
    let usable = types.iter().filter(|one| one.is_enabled != Some(false));
    let known: Vec<&str> = usable.map(|one| one.name.as_str()).collect();
    match known.iter().find(|known| same_label(known, name)) {
        Some(known) => Ok((*known).to_owned()),
        None => Err(refused(not_there(
            &home.to_string(),
            Source::GitHub,
            Source::GitHub.profile().types,
            &[name],
            &known,
        ))),
    }
}
