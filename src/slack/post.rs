//! Posts and updates Ivan's messages in Slack, each message once (docs/contracts/slack.md#no-idempotency-key).
//!
//! Messages of one conversation go out in order; conversations do not wait for each other. The mailbox stores the result
//! of each post, so every attempt starts from committed state. A post that was begun and never recorded is looked up,
//! by the `uid` in its metadata, before it is sent again.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::blocks::mrkdwn;
use super::cards::{layout, layout_with};
use super::pictures::{Pictures, SHOWN_AFTER};
use super::text::instant;
use super::web::{POST, SeenMessage, UPDATE, Web, WebError, count_refusal, is_about_blocks};
use super::{SlackError, Timings, ephemeral, millis, panicked};
use crate::clock::Clock;
use crate::domain::ids::MessageId;
use crate::domain::set_aside::Work as Begins;
use crate::limits::{Limit, ReasonThrottle};
use crate::mailbox::{
    Attempts, Conversation, Ephemeral, Fate, Outbound, Outgoing, OutgoingPage, StoreError,
};
use crate::runtime::{Backoff, CancellationToken, RateLimiter, slept};
use crate::telemetry::{self, Errand};

/// How many conversations are posted to at once; the others wait.
const CONVERSATIONS_AT_ONCE: usize = 32;
/// How many further messages are read at once, so that a crowd of them is not read again for each.
const READ_AHEAD: usize = 64;
/// How many failed messages are remembered before the idle ones are dropped.
const BACKOFFS_MAX: usize = 1_000;

/// While Slack takes no posts, each attempt for each message would be a log line.
static NOT_POSTED: ReasonThrottle = ReasonThrottle::new();
/// The same, for messages that Slack refuses in every form.
static GIVEN_UP: ReasonThrottle = ReasonThrottle::new();
/// The same, for messages without their blocks.
static WITHOUT_BLOCKS: ReasonThrottle = ReasonThrottle::new();

/// Posts until told to stop; then the remaining messages still go out, if Slack accepts them at once.
///
/// # Errors
/// A panic while a message was posted.
pub async fn run(
    outbound: Arc<dyn Outbound>,
    attempts: Attempts,
    web: Web,
    clock: Clock,
    timings: Arc<Timings>,
    shutdown: CancellationToken,
) -> Result<(), SlackError> {
    let poster = Arc::new(Poster {
        outbound,
        attempts,
        started_at: clock.now(),
        clock,
        limiter: RateLimiter::new(timings.post_every, timings.post_burst),
        pictures: Pictures::new(web.clone(), timings.alarm_retry),
        web,
        timings,
    });
    let mut store_backoff = poster.backoff();
    let mut work = Work::new();
    let mut finish_by: Option<Instant> = None;
    loop {
        // While it stops, nothing reports new messages.
        work.is_stale |= finish_by.is_some();
        let read = match work.wants() {
            0 => Ok(None),
            at_most => poster.outbound.outgoing(at_most).await.map(Some),
        };
        match read {
            Ok(read) => {
                store_backoff.reset();
                if let Some(page) = read {
                    work.read(page);
                }
                work.begin(&poster, &shutdown);
            }
            Err(trouble) => {
                let wait = store_backoff.next();
                tracing::error!(wait_ms = millis(wait), error = %trouble, "cannot read outgoing messages");
                if !slept(wait, &shutdown).await {
                    break;
                }
                continue;
            }
        }
        if let Some(finish_by) = finish_by {
            // Stopping: messages go out one after the other, and it waits for no new ones.
            match timeout_at(finish_by, work.running.join_next_with_id()).await {
                Ok(Some(ended)) => work.end(ended)?,
                Ok(None) | Err(_) => break,
            }
            continue;
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {
                finish_by = Some(Instant::now() + poster.timings.finish_limit);
            }
            Some(ended) = work.running.join_next_with_id() => work.end(ended)?,
            () = poster.outbound.something_to_post() => work.is_stale = true,
        }
    }
    // Else a start would look for each of them.
    if let Err(trouble) = poster.outbound.stops().await {
        tracing::debug!(error = %trouble, "unsent messages stay marked as sent");
    }
    Ok(())
}

/// The messages that are being posted, one of each conversation.
struct Work {
    running: JoinSet<(Outgoing, After)>,
    /// Messages that were read and not begun yet, in order. Each conversation has one.
    ready: VecDeque<Outgoing>,
    /// The busy conversations. The redraw of a card has a lane of its own and delays nothing else.
    busy: HashSet<Lane>,
    /// The messages themselves: two changes of one must not overtake each other.
    at_work: HashSet<MessageId>,
    /// The back-off of each message that failed.
    backoffs: HashMap<MessageId, Backoff>,
    /// Conversations that failed after the stop: not tried again.
    given_up: HashSet<Conversation>,
    /// Whether the store may have messages that were not read.
    is_stale: bool,
    /// Whether messages wait behind those under way.
    passed_over: bool,
}

/// The key of messages that go out one after the other.
#[derive(PartialEq, Eq, Hash)]
struct Lane {
    conversation: Conversation,
    redraw: bool,
    /// An ephemeral message waits only for its own earlier versions.
    ephemeral: Option<MessageId>,
    /// The notices of a channel, in all its threads. Answers do not wait for them, and only one of them has a place in the
    /// channel's rate limit.
    notice: bool,
}

impl Lane {
    fn of(message: &Outgoing) -> Lane {
        let mut conversation = message.conversation.clone();
        if message.notice {
            conversation.thread = None;
        }
        Lane {
            conversation,
            notice: message.notice,
            redraw: message.redraw,
            ephemeral: message.ephemeral.as_ref().map(|_| message.id),
        }
    }
}

/// The result of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// It is recorded.
    Done,
    /// It will be tried again; the wait is over.
    Again,
    /// The daemon stops; it will be tried again after a start.
    Later,
}

impl Work {
    fn new() -> Work {
        Work {
            running: JoinSet::new(),
            ready: VecDeque::new(),
            busy: HashSet::new(),
            at_work: HashSet::new(),
            backoffs: HashMap::new(),
            given_up: HashSet::new(),
            is_stale: true,
            passed_over: false,
        }
    }

    /// How many messages to read: those under way or given up may come first. None while there is no room, some that
    /// were read are left, or the store has no others.
    fn wants(&self) -> usize {
        let room = CONVERSATIONS_AT_ONCE.saturating_sub(self.running.len());
        match room > 0 && self.ready.is_empty() && self.is_stale {
            true => self.running.len() + self.given_up.len() + room + READ_AHEAD,
            false => 0,
        }
    }

    /// Takes messages that were read, without those under way: their rows are about to change. These and the next of
    /// their conversations are read again afterwards.
    fn read(&mut self, page: OutgoingPage) {
        self.is_stale = false;
        self.passed_over |= page.more;
        for message in page.messages {
            if self.given_up.contains(&message.conversation) {
                continue;
            }
            let is_busy =
                self.at_work.contains(&message.id) || self.busy.contains(&Lane::of(&message));
            match is_busy {
                // Also the message under way itself: it may have been recorded as one to be posted again.
                true => self.passed_over = true,
                false => self.ready.push_back(message),
            }
        }
    }

    fn begin(&mut self, poster: &Arc<Poster>, shutdown: &CancellationToken) {
        // Some of the failed ones may be obsolete, and are not among these.
        if self.backoffs.len() > BACKOFFS_MAX {
            let at_work = &self.at_work;
            self.backoffs.retain(|message, _| at_work.contains(message));
        }
        while let Some(message) = self.ready.pop_front() {
            let lane = Lane::of(&message);
            if self.given_up.contains(&message.conversation) {
                continue;
            }
            if self.busy.contains(&lane) {
                self.passed_over = true;
                continue;
            }
            if self.running.len() >= CONVERSATIONS_AT_ONCE {
                Limit::ConversationsAtOnce.reached(format_args!(
                    "posting to {CONVERSATIONS_AT_ONCE} conversations; the next wait"
                ));
                self.ready.push_front(message);
                return;
            }
            self.busy.insert(lane);
            self.at_work.insert(message.id);
            let backoff = self
                .backoffs
                .entry(message.id)
                .or_insert_with(|| poster.backoff());
            // Computed now, so that the attempt does not need this map; it counts only after a failure.
            let wait = backoff.next();
            self.running
                .spawn(Arc::clone(poster).try_once(message, wait, shutdown.clone()));
        }
    }

    fn end(
        &mut self,
        ended: Result<(tokio::task::Id, (Outgoing, After)), tokio::task::JoinError>,
    ) -> Result<(), SlackError> {
        let (_, (message, after)) = ended.map_err(|error| panicked("post", error))?;
        self.busy.remove(&Lane::of(&message));
        self.at_work.remove(&message.id);
        self.is_stale |= std::mem::take(&mut self.passed_over);
        match after {
            After::Done => {
                self.backoffs.remove(&message.id);
            }
            After::Again => self.is_stale = true,
            After::Later => {
                self.given_up.insert(message.conversation);
            }
        }
        Ok(())
    }
}

/// The result of a search for a post.
enum Looked {
    Found(SeenMessage),
    Absent,
    /// The app lacks the permission to read there.
    MayNot,
}

impl Looked {
    fn found(self) -> Option<SeenMessage> {
        match self {
            Looked::Found(seen) => Some(seen),
            Looked::Absent | Looked::MayNot => None,
        }
    }
}

struct Poster {
    outbound: Arc<dyn Outbound>,
    attempts: Attempts,
    web: Web,
    clock: Clock,
    /// The start of this process. Another process sent earlier posts, and may have sent them until it died.
    started_at: DateTime<Utc>,
    limiter: RateLimiter,
    pictures: Pictures,
    timings: Arc<Timings>,
}

/// The reason why an attempt was not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Poster {
    fn backoff(&self) -> Backoff {
        Backoff::new(self.timings.retry_first, self.timings.retry_max)
    }

    /// One attempt, and the wait after it if it failed.
    async fn try_once(
        self: Arc<Self>,
        message: Outgoing,
        backoff: Duration,
        shutdown: CancellationToken,
    ) -> (Outgoing, After) {
        let brought = match self.attempts.begin(&Begins::Post(message.id)).await {
            Ok(begun) => {
                let errand = || Errand::Message(message.id);
                let work = self.bring(&message);
                let brought = telemetry::on_errand(&self.clock, errand, work).await;
                self.attempts.is_over(begun, brought.is_ok()).await;
                brought
            }
            Err(trouble) => Err(trouble.into()),
        };
        let failed = match brought {
            Ok(()) => return (message, After::Done),
            Err(failed) => failed,
        };
        let wait = match &failed {
            Failed::Web(WebError::Limited { after, method }) => {
                let wait = after.map_or(backoff, |after| after.max(self.timings.retry_first));
                // The whole channel, not only this thread of it.
                let lane = lane(method, &message.conversation.channel);
                self.limiter.pause(&lane, Instant::now() + wait);
                wait
            }
            Failed::Web(WebError::Credentials { .. }) => self.timings.alarm_retry,
            Failed::Web(_) | Failed::Store(_) => backoff,
        };
        match NOT_POSTED.pass(&failed.to_string(), Instant::now()) {
            Some(suppressed) => {
                tracing::warn!(message_id = message.id.0, wait_ms = millis(wait), suppressed, error = %failed, "cannot post the message yet");
            }
            None => {
                tracing::debug!(message_id = message.id.0, wait_ms = millis(wait), error = %failed, "cannot post the message yet");
            }
        }
        let again = async {
            // The store itself signals when it accepts writes again.
            let well = self.attempts.until_the_store_is_well();
            if matches!(failed, Failed::Store(_)) && well.now_or_never().is_none() {
                self.attempts.until_the_store_is_well().await;
                return;
            }
            tokio::time::sleep(wait).await;
        };
        match shutdown.run_until_cancelled(again).await {
            Some(()) => (message, After::Again),
            None => (message, After::Later),
        }
    }

    /// Posts or updates one message and records that; or records that it cannot be posted.
    async fn bring(&self, message: &Outgoing) -> Result<(), Failed> {
        let text = mrkdwn(&message.words);
        if let Some(ephemeral) = &message.ephemeral {
            return self.post_ephemeral(message, ephemeral, &text).await;
        }
        let brought = match &message.ts {
            Some(ts) => self.update(message, ts, &text).await,
            None => self.post(message, &text).await,
        };
        match brought {
            // The root of its thread is gone. With other readers around it is not posted outside of the thread.
            Err(Failed::Web(WebError::Refused { code, .. }))
                if code == "cannot_reply_to_message"
                    && message.conversation.thread.is_some()
                    && is_one_persons(&message.conversation.channel) =>
            {
                self.record(message, Fate::WithoutThread).await
            }
            // If the channel refuses it, the person who asked there gets it in a DM (P7).
            Err(Failed::Web(error @ WebError::Refused { .. }))
                if message.has_asker && !is_one_persons(&message.conversation.channel) =>
            {
                tracing::info!(message_id = message.id.0, %error, "message goes to the person's DM instead");
                self.record(message, Fate::ToDm).await
            }
            Err(Failed::Web(error @ WebError::Refused { .. })) => {
                self.give_up(message, &error).await
            }
            brought => brought,
        }
    }

    /// Gives up a message that Slack refuses in every form: logs it, counts it, and alerts operators.
    async fn give_up(&self, message: &Outgoing, error: &WebError) -> Result<(), Failed> {
        let (code, why) = (error.code(), error.to_string());
        match GIVEN_UP.pass(code, Instant::now()) {
            Some(suppressed) => tracing::warn!(
                message_id = message.id.0,
                channel = message.conversation.channel,
                code,
                suppressed,
                error = why,
                "message given up"
            ),
            None => tracing::debug!(
                message_id = message.id.0,
                channel = message.conversation.channel,
                code,
                error = why,
                "message given up"
            ),
        }
        count_refusal(code, "given_up");
        let code = code.to_owned();
        self.record(message, Fate::Dropped { code, why }).await
    }

    /// A simpler form of a message after Slack has refused its content: its text alone, or the beginning of a text that
    /// is too long. `sent` is the refused form, blocks and text. `None` if nothing simpler would help.
    fn plainer<'a>(
        &self,
        message: &Outgoing,
        sent: (bool, &Cow<'a, str>),
        error: &WebError,
    ) -> Option<Cow<'a, str>> {
        let (blocks, text) = sent;
        let too_long = is_too_long(error.code());
        let less = match blocks {
            true if too_long || is_about_blocks(error.code()) => text.clone(),
            _ if too_long => shortened(text)?.into(),
            _ => return None,
        };
        if message.redraw {
            return None;
        }
        if let Some(suppressed) = WITHOUT_BLOCKS.pass(error.code(), Instant::now()) {
            tracing::warn!(message_id = message.id.0, blocks = message.parts.len(), characters = text.chars().count(), suppressed, %error, "Slack rejected the blocks; message sent as plain text");
        }
        tracing::debug!(message_id = message.id.0, parts = ?message.parts, %error, "rejected blocks");
        count_refusal(error.code(), "said_plainly");
        Some(less)
    }

    /// Sends an ephemeral message; if that is impossible, sends it to the DM.
    async fn post_ephemeral(
        &self,
        message: &Outgoing,
        ephemeral: &Ephemeral,
        text: &str,
    ) -> Result<(), Failed> {
        let Some(url) = ephemeral::address(ephemeral, self.clock.now()) else {
            return self
                .cannot_post_ephemeral(message, "its address is over")
                .await;
        };
        let blocks = ephemeral::named(&layout(&message.parts), &message.uid);
        let (mut text, mut blocks) = (Cow::from(text), blocks);
        let (sent_at, answered) = loop {
            // Slack may count the use in any case.
            if !self.outbound.about_to_send(message).await? {
                return Ok(());
            }
            let has_blocks = !blocks.is_empty();
            let said =
                ephemeral::EphemeralBody::new(&text, blocks, ephemeral.public, ephemeral.replaces);
            // Slack returns no time for it. Text typed after this moment may refer to it.
            let sent_at = self.clock.now();
            let answered = self.web.respond(url, &said).await;
            let plainer = match &answered {
                Err(error) => self.plainer(message, (has_blocks, &text), error),
                Ok(()) => None,
            };
            let Some(plainer) = plainer else {
                break (sent_at, answered);
            };
            (text, blocks) = (plainer, Vec::new());
        };
        match answered {
            // It has no `ts`; the stored substitute is no id of Slack's.
            Ok(()) => self.posted(message, &message.uid, Some(sent_at)).await,
            Err(error) if ephemeral::is_over(&error) => {
                self.cannot_post_ephemeral(message, &error.to_string())
                    .await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Handles a `response_url` that no longer works. A card that was only to be redrawn stays as it is; an awaited
    /// answer goes to the DM.
    async fn cannot_post_ephemeral(&self, message: &Outgoing, why: &str) -> Result<(), Failed> {
        if message.redraw {
            return self.stays(message, why.to_owned()).await;
        }
        tracing::info!(
            message_id = message.id.0,
            error = why,
            "ephemeral message goes to the DM instead"
        );
        self.record(message, Fate::ToDm).await
    }

    async fn post(&self, message: &Outgoing, text: &str) -> Result<(), Failed> {
        let in_dm = match &message.conversation {
            conversation if is_person(&conversation.channel) => self.in_dm(message).await?,
            _ => None,
        };
        let message = in_dm.as_ref().unwrap_or(message);
        let Conversation { channel, thread } = &message.conversation;
        if let Some(begun_at) = message.begun_at
            && let Some(seen) = self.look_twice(message, begun_at).await?
        {
            tracing::info!(message_id = message.id.0, "message had already been posted");
            // An older text or card may have gone out. Its content counts since then.
            if seen.text.as_deref() != Some(text) {
                if let (None, Some(at)) = (&seen.edited_ts, instant(&seen.ts)) {
                    let ts = seen.ts.clone();
                    self.record(message, Fate::Found { ts, at }).await?;
                }
                return self.update(message, &seen.ts, text).await;
            }
            let since = seen.edited_ts.as_deref().unwrap_or(&seen.ts);
            return self.posted(message, &seen.ts, instant(since)).await;
        }
        let mut pictures = self.pictures.of(message).await;
        self.turn(POST, channel).await;
        if !self.outbound.about_to_send(message).await? {
            return Ok(());
        }
        let post = async |text: &str, blocks| {
            let thread = thread.as_deref();
            self.web
                .post(channel, thread, text, blocks, &message.uid)
                .await
        };
        let mut sent = post(text, layout_with(&message.parts, &pictures)).await;
        let mut waits = SHOWN_AFTER.into_iter();
        while !pictures.is_empty()
            && let Err(error) = &sent
            && is_about_blocks(error.code())
        {
            // Slack looks at a new file for a moment before a message may show it.
            match waits.next() {
                Some(wait) => tokio::time::sleep(wait).await,
                None => {
                    tracing::info!(message_id = message.id.0, %error, "picture refused; text stands for it");
                    pictures.clear();
                }
            }
            self.turn(POST, channel).await;
            sent = post(text, layout_with(&message.parts, &pictures)).await;
        }
        let (mut has_blocks, mut less) = (!message.parts.is_empty(), Cow::from(text));
        while let Err(error) = &sent
            && let Some(plainer) = self.plainer(message, (has_blocks, &less), error)
        {
            (has_blocks, less) = (false, plainer);
            self.turn(POST, channel).await;
            sent = post(&less, Vec::new()).await;
        }
        match sent {
            Ok(seen) => {
                self.pictures.forget(message.id);
                // A post addressed to a person is in their DM, and can be changed only there.
                if let Some(stands_in) = seen.channel.filter(|called| called != channel) {
                    let fate = Fate::StandsIn { channel: stands_in };
                    self.record(message, fate).await?;
                }
                self.posted(message, &seen.ts, instant(&seen.ts)).await
            }
            Err(error) => {
                if is_certainly_not_posted(&error) {
                    self.record(message, Fate::NotPosted).await?;
                }
                Err(error.into())
            }
        }
    }

    /// Resolves the DM for a message to a person who never wrote to us. Only there can the message be looked up if this
    /// post or an earlier one was interrupted (docs/contracts/slack.md#methods). `None` if Slack does not return the DM but accepts
    /// the person's id.
    async fn in_dm(&self, message: &Outgoing) -> Result<Option<Outgoing>, Failed> {
        let user = &message.conversation.channel;
        match self.web.open_dm(user).await {
            Ok(dm) => {
                let fate = Fate::StandsIn {
                    channel: dm.clone(),
                };
                self.record(message, fate).await?;
                let mut message = message.clone();
                message.conversation.channel = dm;
                Ok(Some(message))
            }
            Err(error) if may_not(&error) => {
                tracing::debug!(message_id = message.id.0, %error, "cannot open a DM");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Looks up a post that was begun, and once more if it may have been on its way at first: its sender may have died
    /// a moment ago. `None` if it is not there, or may not be looked up.
    async fn look_twice(
        &self,
        message: &Outgoing,
        begun_at: DateTime<Utc>,
    ) -> Result<Option<SeenMessage>, Failed> {
        let looked = self.look(message).await?;
        let Looked::Absent = looked else {
            return Ok(looked.found());
        };
        // The clock may have been set back.
        let sent_by = begun_at.max(self.started_at);
        let since = (self.clock.now() - sent_by).to_std().unwrap_or_default();
        let rest = self.timings.arrives_within.saturating_sub(since);
        if rest.is_zero() {
            return Ok(None);
        }
        tokio::time::sleep(rest).await;
        Ok(self.look(message).await?.found())
    }

    /// Looks it up once.
    async fn look(&self, message: &Outgoing) -> Result<Looked, Failed> {
        let Conversation { channel, thread } = &message.conversation;
        match self
            .web
            .find(channel, thread.as_deref(), &message.uid)
            .await
        {
            Ok(Some(seen)) => Ok(Looked::Found(seen)),
            Ok(None) => Ok(Looked::Absent),
            // The message matters more than a possible second copy of it (docs/contracts/slack.md#no-idempotency-key).
            Err(error) if may_not(&error) => {
                tracing::warn!(message_id = message.id.0, %error, "message may have been posted and cannot be looked up; posting it, perhaps twice");
                Ok(Looked::MayNot)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Updates a message. It can be repeated, so an ambiguous result needs no look-up.
    async fn update(&self, message: &Outgoing, ts: &str, text: &str) -> Result<(), Failed> {
        let channel = &message.conversation.channel;
        self.turn(UPDATE, channel).await;
        let sent_at = self.clock.now();
        let mut updated = self
            .web
            .update(channel, ts, text, layout(&message.parts))
            .await;
        let (mut has_blocks, mut less) = (!message.parts.is_empty(), Cow::from(text));
        while let Err(error) = &updated
            && let Some(plainer) = self.plainer(message, (has_blocks, &less), error)
        {
            (has_blocks, less) = (false, plainer);
            self.turn(UPDATE, channel).await;
            updated = self.web.update(channel, ts, &less, Vec::new()).await;
        }
        let seen = match updated {
            Err(error @ WebError::Refused { .. }) => {
                return self.cannot_change(message, &error).await;
            }
            updated => updated?,
        };
        let edited = seen.edited_ts.as_deref().and_then(instant);
        let since = edited.map_or(sent_at, |edited| edited_at(edited, sent_at));
        self.posted(message, ts, Some(since)).await
    }

    /// Handles a message that Slack no longer changes: it was deleted, or is too old. A card that was only to be
    /// redrawn stays as it is; a press on it still works. Awaited words are posted again (P7).
    async fn cannot_change(&self, message: &Outgoing, error: &WebError) -> Result<(), Failed> {
        if message.redraw {
            return self.stays(message, error.to_string()).await;
        }
        tracing::info!(message_id = message.id.0, %error, "message cannot be updated; posting a new one");
        self.record(message, Fate::Replaced).await
    }

    /// Records that people see it under `ts`, since `since` by Slack's clock, or since now if Slack returns no time.
    async fn posted(
        &self,
        message: &Outgoing,
        ts: &str,
        since: Option<DateTime<Utc>>,
    ) -> Result<(), Failed> {
        let fate = Fate::Posted {
            version: message.version,
            ts: ts.to_owned(),
            at: since.unwrap_or_else(|| self.clock.now()),
        };
        self.record(message, fate).await
    }

    /// A card that was only to be made again stays as it is.
    async fn stays(&self, message: &Outgoing, why: String) -> Result<(), Failed> {
        let version = message.version;
        self.record(message, Fate::Stays { version, why }).await
    }

    async fn record(&self, message: &Outgoing, fate: Fate) -> Result<(), Failed> {
        Ok(self.outbound.record(message.id, fate).await?)
    }

    /// Waits for the channel's turn. Slack limits each method separately.
    async fn turn(&self, method: &str, channel: &str) {
        self.limiter.turn(&lane(method, channel)).await;
    }
}

/// Whether the content is too long.
fn is_too_long(code: &str) -> bool {
    matches!(
        code,
        "msg_too_long" | "msg_blocks_too_long" | "too_long" | "text_too_long"
    )
}

/// The length in characters to which a too long text is cut.
const SHORT_MAX: usize = 1_000;

/// The beginning of a text; `None` if it is short already.
fn shortened(text: &str) -> Option<String> {
    let (end, _) = text.char_indices().nth(SHORT_MAX)?;
    let cut = text.get(..end)?;
    // No cut inside a link or an entity of Slack's.
    let whole = match (cut.rfind(['<', '&']), cut.rfind(['>', ';'])) {
        (Some(opens), closes) if closes < Some(opens) => cut.get(..opens)?,
        _ => cut,
    };
    Some(format!("{} …", whole.trim_end()))
}

/// A DM, or a person's id, which stands for their DM.
fn is_one_persons(channel: &str) -> bool {
    channel.starts_with('D') || is_person(channel)
}

/// The key that shares a rate limit.
fn lane(method: &str, channel: &str) -> String {
    format!("{method} {channel}")
}

/// The time of an edit. Slack returns whole seconds; our own clock gives the best estimate within that second.
///
/// Rounded down it would be before a `done` that was typed while the old text was shown.
fn edited_at(edited: DateTime<Utc>, sent_at: DateTime<Utc>) -> DateTime<Utc> {
    if edited.timestamp_subsec_micros() > 0 {
        return edited;
    }
    let last = edited + chrono::Duration::microseconds(999_999);
    sent_at.clamp(edited, last)
}

/// Whether it is a person's id, not a conversation's.
fn is_person(channel: &str) -> bool {
    channel.starts_with(['U', 'W'])
}

/// Whether the app lacks the permission to read or open the conversation. An invalid token is a different case: it will
/// be repaired, and posts are found then.
fn may_not(error: &WebError) -> bool {
    match error {
        WebError::Refused { .. } => true,
        WebError::Credentials { code, .. } => {
            matches!(
                code.as_str(),
                "missing_scope" | "no_permission" | "access_denied"
            )
        }
        WebError::Limited { .. } | WebError::NotTaken { .. } | WebError::Unknown { .. } => false,
    }
}

/// Whether this attempt certainly left no post to look up.
fn is_certainly_not_posted(error: &WebError) -> bool {
    match error {
        WebError::Limited { .. } | WebError::NotTaken { .. } | WebError::Credentials { .. } => true,
        // A refused message is recorded as that.
        WebError::Unknown { .. } | WebError::Refused { .. } => false,
    }
}

#[cfg(test)]
mod tests;
