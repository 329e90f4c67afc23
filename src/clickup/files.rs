//! Files of messages → attachments of tasks (docs/contracts/clickup.md#attachments).
//!
//! An upload has no key and no marker. Its trace is the name and the size, among the attachments since it began.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::ClickUp;
use super::client::{FormFile, Request};
use super::wire::{Attached, Millis, TaskFiles, UploadedFile};
use super::writer::{named, path};
use crate::domain::operation::{Operation, WriteError};
use crate::domain::shared_file::{COPY_MAX, FileUnread, SharedFile};
use crate::domain::task::Task;
use crate::http_client::refused;

/// The waits between the attempts to download a file. After the last one, only its link stands.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

impl ClickUp {
    /// Downloads a file and attaches it to a task. Nothing was sent to ClickUp if it is refused before.
    pub(super) async fn attach(&self, now: &Task, file: &SharedFile) -> Result<String, WriteError> {
        let reads = async {
            let turn = self.copying.acquire().await.ok();
            (turn, self.content(file).await)
        };
        let Some((_turn, content)) = self.stopping.run_until_cancelled(reads).await else {
            return Err(WriteError::NotTaken {
                why: "I am stopping".to_owned(),
                retry_after: None,
            });
        };
        let content = content.map_err(refused)?;
        let form = FormFile {
            field: "attachment",
            name: file.copy_name(),
            content,
        };
        let request = Request::post_file(path(&now.key, "/attachment"), named(&now.key), form);
        let sends = self.client.send::<UploadedFile>(&request);
        match self.stopping.run_until_cancelled(sends).await {
            Some(uploaded) => Ok(uploaded?.id.to_string()),
            None => Err(WriteError::Unknown {
                why: "I stopped while it was sent".to_owned(),
            }),
        }
    }

    /// The content of a file, or the reason why there is none, for its person.
    async fn content(&self, file: &SharedFile) -> Result<Vec<u8>, String> {
        let too_large = || format!("It is larger than {} MB", COPY_MAX / 1024 / 1024);
        let most = COPY_MAX as u64;
        let Some(files) = &self.files else {
            return Err("Slack is not connected".to_owned());
        };
        if file.size.is_some_and(|size| size > most) {
            return Err(too_large());
        }
        let mut waits = WAITS.into_iter();
        loop {
            let why = match files.content(&file.id, COPY_MAX).await {
                Ok(content) => {
                    let is_whole = file.size.is_none_or(|size| size == content.len() as u64);
                    return match is_whole {
                        true => Ok(content),
                        false => Err("It has changed in Slack since".to_owned()),
                    };
                }
                Err(FileUnread::TooLarge) => return Err(too_large()),
                Err(FileUnread::Never(why)) => return Err(why),
                Err(FileUnread::NotNow(why)) => why,
            };
            match waits.next() {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(why),
            }
        }
    }

    /// The attachment that a lost upload has left: by name and size, since it began, and of no other operation.
    pub(super) async fn search_file(
        &self,
        op: &Operation,
        now: &Task,
        file: &SharedFile,
        since: DateTime<Utc>,
    ) -> Result<Option<String>, WriteError> {
        let request = Request::get(path(&now.key, ""), named(&now.key));
        let task: TaskFiles = self.client.send(&request).await?;
        let (name, since) = (file.copy_name(), Millis(since.timestamp_millis()));
        let is_it = |one: &Attached| {
            let fresh = one.date.is_none_or(|date| date >= since);
            let same = one.title == name
                && (file.size.is_none() || one.size.is_none() || one.size == file.size);
            fresh && same && !op.claimed.contains(&one.id.to_string())
        };
        let found = task.attachments.iter().find(|one| is_it(one));
        Ok(found.map(|one| one.id.to_string()))
    }
}
