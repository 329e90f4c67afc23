//! ClickUp, a source: reads and writes, in our own types.
//!
//! [`ClickUp`] implements the domain's `SourceWriter` (`writer.rs`), `SourceReader` (`poll.rs`), `WebhookReader` and
//! `WebhookKeeper` (`hook.rs`), and `Accounts` (`accounts.rs`). `client.rs` sends requests and classifies responses,
//! `wire.rs` has their JSON, `due.rs` tells due days from due times, `tags.rs` changes tags, `types.rs` types, `files.rs` copies files to tasks. Facts are those of docs/contracts/clickup.md.

mod accounts;
pub mod checkup;
mod client;
pub mod directory;
mod due;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod hook;
mod poll;
mod tags;
mod types;
mod undo;
mod wire;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use tokio::sync::{OnceCell, Semaphore};

use crate::clock::Clock;
use crate::domain::operation::{Refusal, WriteError};
use crate::domain::reason::with_remedy;
use crate::domain::shared_file::FileReader;
use crate::domain::source::Limits;
pub use crate::http_client::InvalidSettings;
use crate::runtime::{CancellationToken, lock};

use client::{ClickUpClient, Request};
#[cfg(test)]
pub(crate) use client::{ClickUpOnly, classify};
#[cfg(test)]
pub(crate) use hook::FACTS as HOOK_FACTS;
use wire::{Mapping, User, WireList};

/// How long the statuses of a list are cached (docs/contracts/clickup.md#lists-and-statuses).
const STATUSES_TTL: Duration = Duration::minutes(10);

/// The configuration for [`ClickUp::new`] (`clickup.*`).
#[derive(Clone)]
pub struct ClickUpSettings {
    /// `pk_…`, or an OAuth access token. Never printed.
    pub token: String,
    /// The workspace, in which custom task ids (`OPS-12`) are looked up.
    pub team_id: String,
    /// The list for `create`; it is mirrored.
    pub list_id: String,
    /// Further lists that are mirrored.
    pub lists: Vec<String>,
    /// The status that `done` sets. A list without it uses its `closed` status, else its `done` status.
    pub complete_status: String,
    /// The status that `start` sets. `None`, or missing in a list: the list's first `custom` status.
    pub in_progress_status: Option<String>,
    /// Without a trailing slash.
    pub api_url: String,
}

impl fmt::Debug for ClickUpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClickUpSettings")
            .field("token", &"********")
            .field("team_id", &self.team_id)
            .field("list_id", &self.list_id)
            .field("lists", &self.lists)
            .field("complete_status", &self.complete_status)
            .field("in_progress_status", &self.in_progress_status)
            .field("api_url", &self.api_url)
            .finish()
    }
}

/// ClickUp as a source. One value serves as writer, as reader and for webhooks.
pub struct ClickUp {
    client: ClickUpClient,
    clock: Clock,
    team_id: String,
    complete_status: String,
    mapping: Mapping,
    /// The lists with their statuses, and the time when each was read.
    known: Mutex<BTreeMap<String, (DateTime<Utc>, WireList)>>,
    /// The member that the token belongs to.
    me: OnceCell<String>,
    /// The members of the workspace, and the time when they were read.
    members: Mutex<Option<(DateTime<Utc>, Vec<wire::WireMember>)>>,
    /// Reads the files that are copied to tasks.
    files: Option<Arc<dyn FileReader>>,
    /// One file is in memory at a time.
    copying: Semaphore,
    /// Ends the transfers of files.
    stopping: CancellationToken,
}

impl ClickUp {
    /// Creates the client without sending a request. A TLS provider must be installed (main does that).
    pub fn new(settings: ClickUpSettings, clock: Clock) -> Result<ClickUp, InvalidSettings> {
        let mut lists: Vec<String> = Vec::new();
        for id in std::iter::once(&settings.list_id).chain(&settings.lists) {
            if !lists.contains(id) {
                lists.push(id.clone());
            }
        }
        Ok(ClickUp {
            client: ClickUpClient::new(&settings.api_url, &settings.token, clock.clone())?,
            clock,
            team_id: settings.team_id,
            complete_status: settings.complete_status,
            mapping: Mapping::new(lists, settings.in_progress_status),
            known: Mutex::default(),
            me: OnceCell::new(),
            members: Mutex::default(),
            files: None,
            copying: Semaphore::new(1),
            stopping: CancellationToken::new(),
        })
    }

    /// Copies files to tasks, read from there.
    #[must_use]
    pub fn with_files(self, files: Arc<dyn FileReader>) -> ClickUp {
        ClickUp {
            files: Some(files),
            ..self
        }
    }

    /// Restores the ids of tasks that are followed in a list that is not their home: their webhooks do not name that
    /// list.
    pub fn remember(&self, guests: Vec<String>) {
        self.mapping.remember_guests(guests);
    }

    /// ClickUp's last report on its rate limit (docs/contracts/clickup.md#rate-limits).
    pub fn limits(&self) -> Limits {
        self.client.rest.limits()
    }

    /// The id of the member that we write as; requested once.
    async fn me(&self) -> Result<&str, WriteError> {
        let ask = async || {
            let request = Request::get("/user", "the account of clickup.token");
            let answer: wire::Me = self.client.send(&request).await?;
            if let Some(zone) = answer.user.zone() {
                let _known = self.mapping.owner_zone.set(zone);
            }
            Ok(answer.user.id.to_string())
        };
        self.me.get_or_try_init(ask).await.map(String::as_str)
    }

    /// The zone of the token's owner, for due days. If it is unavailable, the caller continues without it.
    async fn owner_zone(&self) -> Option<Tz> {
        let _asked = self.me().await;
        self.mapping.owner_zone.get().copied()
    }

    /// Refuses a list that is not configured: nothing in it is read or written.
    fn check_followed(&self, list: &str, thing: &str) -> Result<(), WriteError> {
        if self.mapping.follows(list) {
            return Ok(());
        }
        Err(WriteError::Refused {
            what: Refusal::NotMirrored,
            why: with_remedy(
                format_args!("I don't follow the list of {thing} in ClickUp. Do it there"),
                format_args!("Or add {list} to clickup.lists"),
            ),
        })
    }

    /// A list with its statuses, from a cache of ten minutes or from ClickUp.
    async fn list(&self, id: &str) -> Result<WireList, WriteError> {
        let now = self.clock.now();
        let known = lock(&self.known).get(id).cloned();
        match known {
            Some((read_at, list)) if now - read_at < STATUSES_TTL => Ok(list),
            _ => self.read_list(id).await,
        }
    }

    /// Reads a list, and caches it.
    async fn read_list(&self, id: &str) -> Result<WireList, WriteError> {
        // As the poll's other requests call it, so that the log has one line about a failure.
        let name = lock(&self.known)
            .get(id)
            .and_then(|(_, list)| list.name.clone());
        let called = name.as_deref().unwrap_or(id);
        let request = Request::get(
            format!("/list/{}", client::segment(id)),
            format!("the list {called}"),
        );
        let list: WireList = self.client.send(&request).await?;
        self.mapping.list_is(id, list.archived);
        lock(&self.known).insert(id.to_owned(), (self.clock.now(), list.clone()));
        Ok(list)
    }
}

impl User {
    fn id(&self) -> String {
        self.id.to_string()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::http_client::fake;

    pub(crate) fn settings(url: &str) -> ClickUpSettings {
        ClickUpSettings {
            token: "pk_4200_SECRET".into(),
            team_id: "9001".into(),
            list_id: "901".into(),
            lists: vec!["902".into(), "901".into()],
            complete_status: "complete".into(),
            in_progress_status: None,
            api_url: url.into(),
        }
    }

    pub(super) fn clickup(url: &str) -> ClickUp {
        fake::provider();
        ClickUp::new(settings(url), Clock::system()).unwrap()
    }
}
