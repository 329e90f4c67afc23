//! The types of tasks (docs/contracts/clickup.md#task-types).
//!
//! A task has only the number of its type. The names belong to the workspace, and are read when a task has a number that
//! is not known. Without the right to read them, a type is called by its number.

use std::collections::BTreeMap;

use chrono::Duration;
use serde_json::json;

use crate::domain::change::TaskChange;
use crate::domain::controls::one_line;
use crate::domain::labels::{not_there, same_label};
use crate::domain::operation::WriteError;
use crate::domain::source::Source;
use crate::domain::task::Task;
use crate::http_client::refused;
use crate::runtime::lock;

use super::ClickUp;
use super::client::{Request, segment};
use super::wire::{CustomItems, KnownTypes, MILESTONE, PLAIN, WireTask};
use super::writer::named;

/// How long names are cached.
const NAMES_TTL: Duration = Duration::minutes(10);
/// How long an unknown number is not asked for again.
const UNKNOWN_TTL: Duration = Duration::minutes(1);

impl ClickUp {
    /// Reads the names of types, if one of these tasks has a type whose name is unknown or was read long ago. Old names
    /// do while ClickUp does not answer.
    pub(super) async fn know_types<'a>(
        &self,
        tasks: impl IntoIterator<Item = &'a WireTask>,
    ) -> Result<(), WriteError> {
        let (now, mut is_due, mut is_unknown) = (self.clock.now(), false, false);
        {
            let known = lock(&self.mapping.types);
            let age = known.as_ref().map(|known| now - known.read_at);
            let numbers = tasks.into_iter().filter_map(WireTask::type_number);
            for number in numbers.filter(|number| ![PLAIN, MILESTONE.0].contains(number)) {
                let names = known.as_ref().map(|known| &known.names);
                let has = names.is_some_and(|names| names.contains_key(&number));
                let ttl = if has { NAMES_TTL } else { UNKNOWN_TTL };
                is_due |= age.is_none_or(|age| age >= ttl);
                is_unknown |= !has;
            }
        }
        if !is_due {
            return Ok(());
        }
        match self.read_types().await {
            // Not asked again for a while.
            Err(WriteError::Refused { why, .. }) => {
                tracing::debug!(source = "clickup", error = %why, "task types not read");
                let mut known = lock(&self.mapping.types);
                let names = known.take().map(|known| known.names).unwrap_or_default();
                *known = Some(KnownTypes {
                    read_at: now,
                    names,
                });
                Ok(())
            }
            Err(error) if is_unknown => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The names of the workspace's types by their numbers.
    async fn read_types(&self) -> Result<BTreeMap<i64, String>, WriteError> {
        let path = format!("/team/{}/custom_item", segment(&self.team_id));
        let request = Request::get(path, "the task types of the workspace");
        let read: CustomItems = self.client.send(&request).await?;
        let mut names: BTreeMap<i64, String> = read
            .custom_items
            .into_iter()
            .filter_map(|item| Some((item.id.number()?, one_line(&item.name))))
            .filter(|(number, _)| *number != PLAIN)
            .collect();
        let (number, name) = MILESTONE;
        names.entry(number).or_insert_with(|| name.to_owned());
        *lock(&self.mapping.types) = Some(KnownTypes {
            read_at: self.clock.now(),
            names: names.clone(),
        });
        Ok(names)
    }

    /// Gives a task the type with this name, or makes it a plain task. Refused if the workspace has no such type.
    pub(super) async fn set_type(
        &self,
        now: &Task,
        name: Option<&str>,
    ) -> Result<Task, WriteError> {
        let number = match name {
            None => PLAIN,
            Some(name) => {
                let names = self.read_types().await?;
                let mut known = names.iter();
                match known.find(|(_, known)| same_label(known, name)) {
                    Some((number, _)) => *number,
                    None => {
                        let known: Vec<&str> = names.values().map(String::as_str).collect();
                        let source = Source::ClickUp;
                        let types = source.profile().types;
                        return Err(refused(not_there(
                            "The workspace",
                            source,
                            types,
                            &[name],
                            &known,
                        )));
                    }
                }
            }
        };
        let task = self.put(now, json!({ "custom_item_id": number })).await?;
        match TaskChange::Type(name.map(str::to_owned)).holds_in(&task) {
            true => Ok(task),
            false => Err(refused(format!(
                "ClickUp did not change the type of {}. Change it there",
                named(&now.key)
            ))),
        }
    }
}
