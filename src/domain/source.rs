//! What a source can do: write, read, list, and tell by webhooks.
//!
//! The outbox, the reconciler, the inbox and the gap recovery know a source by these traits only. Each source implements
//! all of them and decides nothing: `carry_out.rs` does.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::event::{Act, SourceEvent};
use super::operation::{Operation, WriteError, Written};
use super::task::{Source, Task, TaskKey};
use super::undo::Stands;

/// One of the two sources, as the outbox writes to it.
#[async_trait]
pub trait SourceWriter: Send + Sync {
    fn source(&self) -> Source;

    /// The task as the source has it now.
    ///
    /// Fails `Refused` if it is gone, invisible or outside of what is configured; `NotTaken` for everything that may
    /// pass; never `Unknown`, for a read changes nothing.
    async fn read(&self, task: &TaskKey) -> Result<Task, WriteError>;

    /// Sends the write once: no retry, no check and no following of redirects in here.
    ///
    /// `now` is the task as it was just read; `None` for a creation.
    async fn send(&self, op: &Operation, now: Option<&Task>) -> Result<Written, WriteError>;

    /// Looks once for the trace of a write whose answer was lost, by marker or by author, words and time since
    /// `op.begun_at`, leaving out `op.claimed`. `None` only if it was searched for and is not there; a write that
    /// leaves no trace (`Write::is_repeatable`) has none. Fails as `read` does.
    async fn find(&self, op: &Operation) -> Result<Option<Written>, WriteError>;

    /// Of an undo: how what is to be taken back stands, as far as the task itself does not show it (a comment, what
    /// hangs on a task that is to be deleted). `now` is the task as it was just read. Fails as `read` does.
    async fn still_as_left(&self, op: &Operation, now: &Task) -> Result<Stands, WriteError>;

    /// Takes the next place in the source's line of writes: how long until it comes up, where the source asks for
    /// writes to be spread. One that is not used is to be given back ([`SourceWriter::give_back`]).
    fn take_turn(&self) -> Duration {
        Duration::ZERO
    }

    /// A place in the line was not used: nothing was sent.
    fn give_back(&self) {}

    /// How the source stands to us, as its last answers told.
    fn standing(&self) -> Standing {
        Standing::default()
    }

    /// Nothing is sent before then: an earlier run was told to wait, and who goes on all the same may be banned.
    fn pause_until(&self, _until: DateTime<Utc>) {}
}

/// How a source stands to us, as its answers told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its rate limit is used up: nothing is sent before.
    pub paused_until: Option<DateTime<Utc>>,
    pub token: TokenStanding,
    /// The token ends soon, and when: somebody has to make another before.
    pub token_ends: Option<DateTime<Utc>>,
    /// By account (an organization) whose rules were seen: why they refuse us, if they do.
    pub rules: BTreeMap<String, Option<String>>,
}

/// What a source thinks of the token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TokenStanding {
    /// It was not asked yet.
    #[default]
    Unknown,
    Taken,
    /// It is invalid or was revoked. What is queued waits; nobody but a poll asks again before `until`.
    Refused {
        why: String,
        until: DateTime<Utc>,
    },
}

/// What a source last said about how much it will take, for metrics, `status`, and how far polls may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a window, of all there are for the token.
    pub limit: Option<u64>,
    /// Requests that are left in this window.
    pub remaining: Option<u64>,
    /// When the window ends.
    pub reset_at: Option<DateTime<Utc>>,
    /// The source refused for its rate limit: nothing is sent to it before.
    pub refused_until: Option<DateTime<Utc>>,
}

impl Limits {
    /// Of how many requests of a window one is kept for people: polls do not use the last tenth.
    const RESERVE: u64 = 10;

    /// When what can wait goes on, while only the reserve is left of this window.
    pub fn rest_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (limit, remaining) = (self.limit?, self.remaining?);
        let reset_at = self.reset_at.filter(|at| *at > now)?;
        (remaining.saturating_mul(Self::RESERVE) < limit).then_some(reset_at)
    }
}

/// A list or a repository that is mirrored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    pub source: Source,
    /// The stable id: ClickUp's list id; GitHub's repository id, as text.
    pub id: String,
    /// `Inbox`; `acme/widgets`.
    pub name: String,
    /// What the configuration calls it (a list id, `owner/name`): stays when the name changes.
    pub configured: String,
    /// People do not find its tasks at the source any more: they are kept, and not offered.
    #[serde(default)]
    pub archived: bool,
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub tasks: Vec<Task>,
    /// Where to go on, in the source's own terms; `None` at the end.
    pub next: Option<String>,
}

/// How a source lists comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Those of a whole container together.
    ByContainer,
    /// Those of one task at a time.
    ByTask,
}

/// Whose comments are asked for; which of them a source can be asked for, its [`Listing`] says.
#[derive(Debug, Clone, Copy)]
pub enum Of<'a> {
    Container(&'a Container),
    Task(&'a TaskKey),
}

/// A comment as a listing has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    pub task: TaskKey,
    /// Who wrote it, when, and what: always `What::Commented`.
    pub act: Act,
}

/// A part of a listing of comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentPage {
    pub comments: Vec<Comment>,
    /// The newest change of any of them, of those on pull requests too: by the source's clock.
    pub newest: Option<DateTime<Utc>>,
    /// Where to go on, in the source's own terms; `None` at the end.
    pub next: Option<String>,
}

/// The reading twin of [`SourceWriter`]: what a mirror needs. Requests are repeated by the caller, never in here.
#[async_trait]
pub trait SourceReader: Send + Sync {
    fn source(&self) -> Source;

    /// The configured lists or repositories, resolved to their stable ids. One that cannot be had fails on its own.
    async fn containers(&self) -> Vec<Result<Container, WriteError>>;

    /// One page of a container's tasks, finished ones and pull-request-free, oldest change first; changed since
    /// `since` (inclusive, the caller overlaps), or all of them. `page` is `None` or what the last page said.
    async fn page(
        &self,
        container: &Container,
        since: Option<DateTime<Utc>>,
        page: Option<&str>,
    ) -> Result<Page, WriteError>;

    /// All pages of a walk through the container were read and are kept: what they said need not be said again.
    fn walked(&self, _container: &Container) {}

    fn comments_are_listed(&self) -> Listing;

    /// One page of comments, none of pull requests. Of a container: what changed since `since` (inclusive, the caller
    /// overlaps), oldest change first; without a `since` the newest page alone, newest change first. Of a task: what was
    /// written since `since`, newest first. `page` is `None` or what the last page said.
    async fn comments(
        &self,
        of: Of<'_>,
        since: Option<DateTime<Utc>>,
        page: Option<&str>,
    ) -> Result<CommentPage, WriteError>;

    /// All pages of changed comments of the container were read and are kept: what they said need not be said again.
    fn listened(&self, _container: &Container) {}

    /// The key under which a task lives on that is gone from where it was, if that place is mirrored: a GitHub issue
    /// that was transferred (contract github 8). Fails as a read does.
    async fn moved_to(&self, _key: &TaskKey) -> Result<Option<TaskKey>, WriteError> {
        Ok(None)
    }

    /// Until when polls are to leave what remains of the source's rate limit to people's writes; `None` while there is
    /// enough for both.
    fn rest_until(&self) -> Option<DateTime<Utc>> {
        None
    }
}

// ---------------------------------------------------------------- webhooks at the sources

/// A payload that cannot be understood. It is counted, logged, and answered like any other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload of {event} cannot be read: {why}")]
pub struct Unreadable {
    pub event: String,
    pub why: String,
}

/// What a webhook request says about itself, before its payload is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub source: Source,
    /// The same for every repetition of the delivery (contract github 9.5, clickup 7.6).
    pub dedupe_key: String,
    /// `issues`; `taskStatusUpdated`.
    pub event: String,
    /// The JSON, out of its form if it came in one.
    pub payload: Vec<u8>,
}

/// The headers of a request: pairs of a name in lower case and a value.
#[derive(Debug, Clone, Default)]
pub struct Headers<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Headers<'a> {
    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(other, _)| *other == name)?;
        Some(found.1)
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers<'a> {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(pairs: T) -> Headers<'a> {
        Headers(pairs.into_iter().collect())
    }
}

/// The terms on which a source's webhooks are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The largest body, in bytes.
    pub body_max: usize,
    /// The header that has the signature, and its form: for answers and the log.
    pub signature: &'static str,
    /// An answer of 401 suspends the webhook at once.
    pub suspends_at_401: bool,
}

/// Why a signed request is no delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDelivery {
    /// Its event is known to be of no concern.
    Ignored(String),
    /// Its event has a name that is not known.
    Unknown(String),
    /// It is not what the source's documents say.
    Unreadable(String),
}

/// Reads a source's webhook requests and payloads.
#[async_trait]
pub trait HookReader: Send + Sync {
    fn source(&self) -> Source;

    fn terms(&self) -> Terms;

    /// Whether a request has a signature of the right form. It may be wrong.
    fn has_signature(&self, headers: &Headers<'_>) -> bool;

    /// The id of the webhook whose secret is to be looked up. It is not verified: nothing else is read from the request
    /// before its signature is checked. `body` is empty while it was not received.
    fn hook_id(&self, headers: &Headers<'_>, body: &[u8]) -> Option<String>;

    /// Whether the owner of `secret` signed the body; compared in constant time.
    fn is_signed(&self, headers: &Headers<'_>, body: &[u8], secret: &str) -> bool;

    /// The delivery in a request whose signature holds: event and dedupe key. Its payload is read later, by `read`.
    fn delivery(
        &self,
        headers: &Headers<'_>,
        body: Vec<u8>,
        now: DateTime<Utc>,
    ) -> Result<Delivery, NoDelivery>;

    /// Learns what reading payloads needs, such as whose the token is: before that no act counts as our own. Asks the
    /// source once, and nothing when it is known.
    async fn prepare(&self) -> Result<(), WriteError>;

    /// What a kept delivery says: nothing, if it is of no concern (a pull request, a ping, an unknown event or action,
    /// a list or repository that is not followed).
    fn read(&self, delivery: &Delivery) -> Result<Vec<SourceEvent>, Unreadable>;
}

/// A webhook as its source has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    pub source: Source,
    pub id: String,
    /// The repository, or the workspace, that it belongs to.
    pub place: String,
    pub url: String,
    pub events: Vec<String>,
    /// The source sends to it: ClickUp `active` or `failing`, GitHub `active`.
    pub active: bool,
    /// The source's own words about its health: `suspended, 100 failures`; `last answer 502`.
    pub health: String,
    /// Shown by ClickUp when it is made, perhaps later (contract clickup 7.1). GitHub never shows it.
    pub secret: Option<String>,
}

/// What the places of a source came to, each on its own: one that refuses keeps nothing from the others.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places<T> {
    /// What there is of those that answered.
    pub found: Vec<T>,
    /// The places that did not, by name, and why.
    pub refused: Vec<(String, WriteError)>,
}

impl<T> Default for Places<T> {
    fn default() -> Places<T> {
        Places {
            found: Vec::new(),
            refused: Vec::new(),
        }
    }
}

impl<T> Places<T> {
    /// All of it, or one error for all places that failed.
    pub fn whole(self) -> Result<Vec<T>, WriteError> {
        let errors = self.refused.into_iter().map(|(_, error)| error);
        WriteError::together(errors.collect()).map_or(Ok(self.found), Err)
    }
}

/// The webhooks of a source: what `ivan webhooks` and the gap recovery need.
#[async_trait]
pub trait HookKeeper: Send + Sync {
    fn source(&self) -> Source;

    /// Every webhook that the token may see, of every place that is mirrored. A place fails with what permission is
    /// missing there.
    async fn list(&self) -> Places<Hook>;

    /// Makes sure of one active webhook for `url` in each place, with our events: adopts what is there by its address,
    /// changes what differs, makes what is missing, and never a second one. `secret` is what GitHub signs with; ClickUp
    /// chooses its own, which is in the answer.
    async fn register(&self, url: &str, secret: &str) -> Places<Hook>;

    /// Puts a webhook that is not active back to work; its secret stays.
    async fn reactivate(&self, hook: &Hook) -> Result<(), WriteError>;

    /// Deliveries to `hook` that failed since `since` and were not delivered by a later attempt, oldest first
    /// (GitHub keeps them for 3 days: contract github 9.5). Always empty for ClickUp, which keeps none.
    async fn missed(&self, hook: &Hook, since: DateTime<Utc>) -> Result<Vec<Delivery>, WriteError>;
}
