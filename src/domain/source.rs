//! The capabilities of a source: writing, reading, listing, and webhooks.
//!
//! The outbox, the reconciler, the inbox and the gap recovery use a source through these traits only. Each source
//! implements all of them and decides nothing: `carry_out.rs` does.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::change::TaskChange;
use super::event::{Activity, SourceEvent};
use super::operation::{Operation, WriteError, WriteReceipt};
pub use super::profile::{Profile, Source};
use super::task::{Task, TaskKey};
use super::undo::EffectState;

/// The writing side of a source, for the outbox.
#[async_trait]
pub trait SourceWriter: Send + Sync {
    /// The source that it writes to.
    fn source(&self) -> Source;

    /// The task as the source has it now.
    ///
    /// Fails `Refused` if it is gone, invisible or outside of the configuration; `NotTaken` for every temporary
    /// failure; never `Unknown`, because a read changes nothing.
    async fn read(&self, task: &TaskKey) -> Result<Task, WriteError>;

    /// Sends the write once, without retry, check or following of redirects.
    ///
    /// `now` is the task as it was just read; `None` for a creation.
    async fn send(&self, op: &Operation, now: Option<&Task>) -> Result<WriteReceipt, WriteError>;

    /// Looks once for the trace of a write whose response was lost, by marker or by author, words and time since
    /// `op.begun_at`, without `op.claimed`. `None` only if the search was complete and found nothing; a write without a
    /// trace (`Write::is_repeatable`) has none. Fails as `read` does.
    async fn find(&self, op: &Operation) -> Result<Option<WriteReceipt>, WriteError>;

    /// Refuses a write with a name that the source does not know (a label), for a task that is as requested already:
    /// nothing is sent then. `now` is the task as it was just read. Fails as `read` does.
    async fn check_names(&self, _op: &Operation, _now: &Task) -> Result<(), WriteError> {
        Ok(())
    }

    /// The change that restores the task as it was just read, before `change` is made. A source overrides it where the
    /// task alone does not show enough.
    fn back_to(&self, change: &TaskChange, now: &Task) -> TaskChange {
        change.back_to(now)
    }

    /// For an undo: the state of the effect, as far as the task itself does not show it (a comment, the dependents of a
    /// task that is to be deleted). `now` is the task as it was just read. Fails as `read` does.
    async fn still_as_left(&self, op: &Operation, now: &Task) -> Result<EffectState, WriteError>;

    /// Takes the next place in the source's line of writes and returns the wait until then, if the source asks to
    /// spread writes. An unused place must be given back ([`SourceWriter::give_back`]).
    fn take_turn(&self) -> Duration {
        Duration::ZERO
    }

    /// Gives back a place in the line when nothing was sent.
    fn give_back(&self) {}

    /// The source's status towards us, from its last responses.
    fn standing(&self) -> SourceStanding {
        SourceStanding::default()
    }

    /// Cuts off transfers of files, for good: the daemon stops. They fail as `NotTaken` or `Unknown`.
    fn stops(&self) {}

    /// Keeps requests back until then. An earlier run was told to wait, and ignoring that may lead to a ban.
    fn pause_until(&self, _until: DateTime<Utc>) {}
}

/// The status of a source towards us, from its responses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceStanding {
    /// The end of its rate limit: nothing is sent before.
    pub paused_until: Option<DateTime<Utc>>,
    /// Whether the source accepts the token.
    pub token: TokenStanding,
    /// When the token expires, if that is soon: a person has to create another before.
    pub token_ends: Option<DateTime<Utc>>,
    /// By account (an organization) whose rules were seen: the reason of a refusal, if they refuse us.
    pub rules: BTreeMap<String, Option<String>>,
}

/// The source's verdict on the token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TokenStanding {
    /// It was not tested yet.
    #[default]
    Unknown,
    /// The source accepted it in its last response.
    Taken,
    /// It is invalid or was revoked. Queued work waits; only a poll tries again before `until`.
    Refused {
        /// The source's reason, for operators.
        why: String,
        /// The time from which other requests try it again.
        until: DateTime<Utc>,
    },
}

/// The source's last report on its rate limit, for metrics, `status`, and the polls' share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// All requests of the token in a window.
    pub limit: Option<u64>,
    /// Requests that are left in this window.
    pub remaining: Option<u64>,
    /// When the window ends.
    pub reset_at: Option<DateTime<Utc>>,
    /// The source refused for its rate limit: nothing is sent to it before.
    pub refused_until: Option<DateTime<Utc>>,
}

impl Limits {
    /// One of this many requests of a window is reserved for people: polls do not use the last tenth.
    const RESERVE: u64 = 10;

    /// When postponable requests continue, if only the reserve is left of this window.
    pub fn rest_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (limit, remaining) = (self.limit?, self.remaining?);
        let reset_at = self.reset_at.filter(|at| *at > now)?;
        (remaining.saturating_mul(Self::RESERVE) < limit).then_some(reset_at)
    }
}

/// A list or a repository that is mirrored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The source that has it.
    pub source: Source,
    /// The stable id: ClickUp's list id; GitHub's repository id, as text.
    pub id: String,
    /// `Inbox`; `acme/widgets`.
    pub name: String,
    /// The name in the configuration (a list id, `owner/name`), which stays when the source's name changes.
    pub configured: String,
    /// Whether it is archived: its tasks are stored and not offered, since people cannot find them at the source.
    #[serde(default)]
    pub archived: bool,
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The tasks of this part, oldest change first.
    pub tasks: Vec<Task>,
    /// The next page, in the source's own terms; `None` at the end.
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

/// The subject whose comments are read; the source's [`Listing`] says which one it supports.
#[derive(Debug, Clone, Copy)]
pub enum CommentsOf<'a> {
    /// A list or repository, at a source that lists `ByContainer`.
    Container(&'a Container),
    /// A task, at a source that lists `ByTask`.
    Task(&'a TaskKey),
}

/// A comment in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceComment {
    /// The key of the task that it is on.
    pub task: TaskKey,
    /// Its author, time and text: always `What::Commented`.
    pub act: Activity,
    /// Whether others may have changed its text since.
    pub edited: bool,
}

/// A part of a listing of comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentPage {
    /// The comments of this part, without those on pull requests.
    pub comments: Vec<SourceComment>,
    /// The newest change of any of them, including those on pull requests, by the source's clock.
    pub newest: Option<DateTime<Utc>>,
    /// The next page, in the source's own terms; `None` at the end.
    pub next: Option<String>,
}

/// The reading counterpart of [`SourceWriter`], for a mirror. The caller repeats requests, never the source.
#[async_trait]
pub trait SourceReader: Send + Sync {
    /// The source that it reads.
    fn source(&self) -> Source;

    /// The configured lists or repositories, resolved to their stable ids. An unavailable one fails on its own.
    async fn containers(&self) -> Vec<Result<Container, WriteError>>;

    /// One page of a container's tasks, finished ones included and pull requests excluded, oldest change first; changed
    /// since `since` (inclusive, the caller overlaps), or all of them. `page` is `None` or the last page's `next`.
    async fn page(
        &self,
        container: &Container,
        since: Option<DateTime<Utc>>,
        page: Option<&str>,
    ) -> Result<Page, WriteError>;

    /// Reports that all pages of a walk through the container were read and stored, so they need not be repeated.
    fn walked(&self, _container: &Container) {}

    /// The way in which the source lists comments.
    fn comments_are_listed(&self) -> Listing;

    /// One page of comments, without those of pull requests. Of a container: those changed since `since` (inclusive,
    /// the caller overlaps), oldest change first; without a `since` the newest page alone, newest change first. Of a
    /// task: those written since `since`, newest first. `page` is `None` or the last page's `next`.
    async fn comments(
        &self,
        of: CommentsOf<'_>,
        since: Option<DateTime<Utc>>,
        page: Option<&str>,
    ) -> Result<CommentPage, WriteError>;

    /// Reports that all pages of changed comments were read and stored, so they need not be repeated.
    fn listened(&self, _container: &Container) {}

    /// The new key of a task that is gone from its place, if the new place is mirrored: a GitHub issue that was
    /// transferred (docs/contracts/github.md#names-that-change). Fails as a read does.
    async fn moved_to(&self, _key: &TaskKey) -> Result<Option<TaskKey>, WriteError> {
        Ok(None)
    }

    /// The time until which polls leave the rest of the rate limit to people's writes; `None` while there is enough.
    fn rest_until(&self) -> Option<DateTime<Utc>> {
        None
    }
}

// ---------------------------------------------------------------- webhooks at the sources

/// A payload that cannot be understood. It is counted, logged, and answered like any other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unreadable payload of {event}: {why}")]
pub struct UnreadablePayload {
    /// The event of the delivery: `issues`; `taskStatusUpdated`.
    pub event: String,
    /// The reason, as part of a sentence.
    pub why: String,
}

/// The metadata of a webhook request, known before its payload is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The source that sent it.
    pub source: Source,
    /// The same for every repetition of the delivery (docs/contracts/github.md#delivery, docs/contracts/clickup.md#repeated-deliveries).
    pub dedupe_key: String,
    /// `issues`; `taskStatusUpdated`.
    pub event: String,
    /// The JSON, decoded from a form if it came in one.
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

/// The rules for a source's webhook requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookRules {
    /// The largest body, in bytes.
    pub body_max: usize,
    /// The name and form of the signature header, for answers and the log.
    pub signature: &'static str,
    /// Whether an answer of 401 suspends the webhook at once.
    pub suspends_at_401: bool,
}

/// The reason why a signed request is no delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryRefusal {
    /// Its event is known and irrelevant.
    Ignored(String),
    /// Its event has an unknown name.
    Unknown(String),
    /// It does not match the source's documentation.
    Unreadable(String),
}

/// The verification of one signature, one piece of the body after the other.
pub trait SignatureCheck: Send + Sync {
    /// Adds the next piece of the body.
    fn update(&mut self, piece: &[u8]);
    /// Whether the signature fits all pieces; compared in constant time.
    fn holds(&self) -> bool;
}

/// Reads a source's webhook requests and payloads.
#[async_trait]
pub trait WebhookReader: Send + Sync {
    /// The source whose webhooks it reads.
    fn source(&self) -> Source;

    /// The rules for the source's webhook requests.
    fn terms(&self) -> WebhookRules;

    /// Whether a request has a signature of the right form. It may be wrong.
    fn has_signature(&self, headers: &Headers<'_>) -> bool;

    /// The id of the webhook whose secret is to be looked up. It is not verified: nothing else is read from the request
    /// before its signature is checked. `body` is empty while it was not received.
    fn hook_id(&self, headers: &Headers<'_>, body: &[u8]) -> Option<String>;

    /// Begins the verification that the owner of `secret` signed the body, which may still be arriving.
    fn check(&self, headers: &Headers<'_>, secret: &str) -> Box<dyn SignatureCheck>;

    /// Whether the owner of `secret` signed the body; compared in constant time.
    fn is_signed(&self, headers: &Headers<'_>, body: &[u8], secret: &str) -> bool {
        let mut check = self.check(headers, secret);
        check.update(body);
        check.holds()
    }

    /// The delivery in a request whose signature is valid: event and dedupe key. Its payload is read later, by `read`.
    fn delivery(
        &self,
        headers: &Headers<'_>,
        body: Vec<u8>,
        now: DateTime<Utc>,
    ) -> Result<Delivery, DeliveryRefusal>;

    /// Fetches the data for reading payloads, such as the token's account: before that no action counts as our own.
    /// Calls the source once, and not at all if the data is known.
    async fn prepare(&self) -> Result<(), WriteError>;

    /// The events of a stored delivery. Empty if it is irrelevant (a pull request, a ping, an unknown event or action,
    /// a list or repository that is not followed).
    fn read(&self, delivery: &Delivery) -> Result<Vec<SourceEvent>, UnreadablePayload>;
}

/// A webhook as its source has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// The source that sends to it.
    pub source: Source,
    /// The source's id of it, as text.
    pub id: String,
    /// The repository, or the workspace, that it belongs to.
    pub place: String,
    /// The address that it delivers to.
    pub url: String,
    /// The events that it is registered for, in the source's names.
    pub events: Vec<String>,
    /// The source sends to it: ClickUp `active` or `failing`, GitHub `active`.
    pub active: bool,
    /// The source's own words about its health: `suspended, 100 failures`; `last answer 502`.
    pub health: String,
    /// Set by ClickUp on creation, perhaps later (docs/contracts/clickup.md#managing-webhooks). GitHub never shows it.
    pub secret: Option<String>,
}

/// The results for the places of a source, each on its own: one failure does not affect the others.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places<T> {
    /// The results of the places that answered.
    pub found: Vec<T>,
    /// The places that failed, by name, and why.
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
    /// All results, or one error for all places that failed.
    pub fn whole(self) -> Result<Vec<T>, WriteError> {
        let errors = self.refused.into_iter().map(|(_, error)| error);
        WriteError::together(errors.collect()).map_or(Ok(self.found), Err)
    }
}

/// Facts about a source's webhooks, for `ivan webhooks`.
#[derive(Debug, Clone, Copy)]
pub struct WebhookFacts {
    /// The source chooses the secrets of its webhooks.
    pub chooses_secret: bool,
    /// The remedy for a webhook whose secret is not known here, as sentences.
    pub on_unknown_secret: &'static str,
    /// The remedy where the source refuses to show or make webhooks.
    pub on_refusal: &'static str,
}

/// A request to a webhook's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDelivery {
    /// The headers of the source, its signature included.
    pub headers: Vec<(&'static str, String)>,
    /// The signed body.
    pub body: Vec<u8>,
}

/// Management of a source's webhooks, for `ivan webhooks` and the gap recovery.
#[async_trait]
pub trait WebhookKeeper: Send + Sync {
    /// The source whose webhooks it manages.
    fn source(&self) -> Source;

    /// The facts about the source's webhooks.
    fn facts(&self) -> WebhookFacts;

    /// The refusal, if webhooks are not registered from here: a sentence with the place where that is done for `url`.
    async fn registered_elsewhere(&self, _url: &str) -> Option<WriteError> {
        None
    }

    /// Every webhook that the token can see, of every mirrored place. A place fails with the permission that is
    /// missing.
    async fn list(&self) -> Places<Webhook>;

    /// Ensures one active webhook for `url` in each place, with our events. It adopts an existing one by its URL,
    /// changes differences, and creates a missing one, never a second. GitHub signs with `secret`; ClickUp chooses its
    /// own, which is in the response.
    async fn register(&self, url: &str, secret: &str) -> Places<Webhook>;

    /// Reactivates a webhook; its secret stays.
    async fn reactivate(&self, hook: &Webhook) -> Result<(), WriteError>;

    /// Removes a webhook.
    async fn remove(&self, hook: &Webhook) -> Result<(), WriteError>;

    /// A delivery that the listener of an Ivan accepts and ignores, as the source would sign it with `secret`.
    fn test_delivery(&self, hook: &Webhook, secret: &str) -> SignedDelivery;

    /// Deliveries to `hook` that failed since `since` and were not delivered by a later attempt, oldest first (GitHub
    /// keeps them for 3 days: docs/contracts/github.md#delivery). Always empty for ClickUp, which keeps none.
    async fn missed(
        &self,
        hook: &Webhook,
        since: DateTime<Utc>,
    ) -> Result<Vec<Delivery>, WriteError>;
}
