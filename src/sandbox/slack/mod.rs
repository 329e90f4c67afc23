//! A sandbox Slack built from its contract: Socket Mode and the Web API of one workspace, one app, one bot.
//!
//! `world` holds the workspace, `text` and `blocks` its rules, `web` the bot's methods, `wire` and `socket` the
//! delivery to the bot. This file is the handle for tests and the demo; `people` has the actions of people.

mod blocks;
mod files;
mod ids;
mod interact;
mod pages;
mod people;
mod socket;
#[cfg(test)]
mod tests;
mod text;
mod web;
mod wire;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::fault_server::{Fault, FaultKind, FaultServer};
use super::locked;
use wire::{Order, Wire};
use world::SlackWorld;

pub use wire::{Ack, Envelope, EnvelopeKind};
pub use world::{EphemeralPost, PostedMessage};

/// How many happenings a slow subscriber can miss before the oldest are lost.
const SUBSCRIBER_LAG: usize = 4096;
/// How long a link stays open after a `warning` or `refresh_requested` (docs/contracts/slack.md#disconnects-and-several-connections).
const CUT_AFTER: Duration = Duration::from_secs(10);

/// A Slack on loopback. Clones share it. It ends with [`SandboxSlack::close`] or with the last clone.
#[derive(Clone)]
pub struct SandboxSlack {
    inner: Arc<Inner>,
    front: FaultServer,
    app_token: String,
    bot_token: String,
    bot_user: String,
    _open: Arc<Open>,
}

/// An event for the demo and for waiting tests.
#[derive(Debug, Clone, PartialEq)]
pub enum SandboxEvent {
    /// The bot opened a link.
    Connected {
        /// The number of the link, counted from 1.
        link: u64,
    },
    /// A link ended.
    Disconnected {
        /// The number of the link.
        link: u64,
    },
    /// A message from a person or from the bot.
    Posted {
        /// Slack id.
        channel: String,
        /// Slack's message object.
        message: Value,
    },
    /// An edit or an unfurl; `previous` is the earlier message.
    Updated {
        /// Slack id.
        channel: String,
        /// Slack's message object, after the change.
        message: Value,
        /// Slack's message object, before the change.
        previous: Value,
    },
    /// An ephemeral message, new or changed.
    Whispered(EphemeralPost),
    /// A reaction was added.
    Reacted {
        /// Slack id.
        channel: String,
        /// The `ts` of the message.
        ts: String,
        /// The Slack id of the actor.
        user: String,
        /// The emoji's name, without colons.
        name: String,
    },
    /// A reaction was removed.
    Unreacted {
        /// Slack id.
        channel: String,
        /// The `ts` of the message.
        ts: String,
        /// The Slack id of the actor.
        user: String,
        /// The emoji's name, without colons.
        name: String,
    },
    /// A modal was opened, or a Home tab published.
    Viewed {
        /// Slack's view object.
        view: Value,
    },
    /// An envelope was sent on a link, or on none: no link is open, or the envelope was set to get lost.
    Sent {
        /// The id that the bot acknowledges.
        envelope_id: String,
        /// The number of the link; `None` if it was sent on none.
        link: Option<u64>,
        /// The `retry_attempt`; 0 for the first sending.
        attempt: u32,
    },
    /// The bot acknowledged an envelope.
    Acked(Ack),
    /// A frame from the bot that is not an acknowledgement.
    Stray {
        /// The number of the link.
        link: u64,
        /// The text of the frame.
        frame: String,
    },
}

/// State shared by all parts. Never hold both locks: take `world` and `wire` one after the other.
struct Inner {
    world: Mutex<SlackWorld>,
    wire: Mutex<Wire>,
    /// Counts changes and wakes the tasks that wait for one.
    changed: watch::Sender<u64>,
    happenings: broadcast::Sender<SandboxEvent>,
    closing: CancellationToken,
    address: OnceLock<SocketAddr>,
    /// Lets a person act from any thread.
    runtime: Handle,
}

impl Inner {
    fn world(&self) -> MutexGuard<'_, SlackWorld> {
        locked(&self.world)
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        locked(&self.wire)
    }

    fn tell(&self, happening: SandboxEvent) {
        // No receiver is fine.
        let _ = self.happenings.send(happening);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Reports that a reaction was added or removed.
    fn reacted(&self, channel: &str, ts: &str, user: &str, name: &str, adds: bool) {
        let [channel, ts, user, name] = [channel, ts, user, name].map(str::to_owned);
        self.tell(match adds {
            true => SandboxEvent::Reacted {
                channel,
                ts,
                user,
                name,
            },
            false => SandboxEvent::Unreacted {
                channel,
                ts,
                user,
                name,
            },
        });
    }

    /// `127.0.0.1:port`.
    fn authority(&self) -> String {
        self.address
            .get()
            .map(SocketAddr::to_string)
            .unwrap_or_default()
    }
}

/// Ends the links when the last [`SandboxSlack`] is dropped.
struct Open(Arc<Inner>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closing.cancel();
    }
}

impl SandboxSlack {
    /// Starts a Slack with the workspace of a seed, such as `fixtures/seed/slack.json`.
    ///
    /// # Errors
    /// When the seed is incomplete, or no port can be bound.
    pub async fn start(seed: &Value) -> io::Result<SandboxSlack> {
        SandboxSlack::start_at(seed, 0).await
    }

    /// Starts it on this port; 0 is any free port.
    ///
    /// # Errors
    /// As [`SandboxSlack::start`].
    pub async fn start_at(seed: &Value, port: u16) -> io::Result<SandboxSlack> {
        let world = SlackWorld::new(seed)?;
        let (app_token, bot_token) = (world.app.app_token.clone(), world.app.bot_token.clone());
        let bot_user = world.bot.user.clone();
        let inner = Arc::new(Inner {
            world: Mutex::new(world),
            wire: Mutex::new(Wire::new()),
            changed: watch::Sender::new(0),
            happenings: broadcast::Sender::new(SUBSCRIBER_LAG),
            closing: CancellationToken::new(),
            address: OnceLock::new(),
            runtime: Handle::current(),
        });
        let router = Router::new()
            .route("/api/{method}", any(web::call))
            .route("/resp/{id}", any(web::respond))
            .route("/files-pri/{place}/{name}", any(files::content))
            .route("/upload/v1/{file}", any(files::upload))
            .route("/signin", get(files::sign_in))
            .route("/link/", get(socket::link))
            .with_state(Arc::clone(&inner));
        let front = FaultServer::open_at(router, port).await?;
        inner.address.get_or_init(|| front.address());
        let _open = Arc::new(Open(Arc::clone(&inner)));
        Ok(SandboxSlack {
            inner,
            front,
            app_token,
            bot_token,
            bot_user,
            _open,
        })
    }

    /// Drops every link and stops listening.
    pub async fn close(&self) {
        self.inner.closing.cancel();
        self.front.close().await;
    }

    /// The base of the Web API, without a slash at its end: `slack.api_url` of `bot.toml`.
    pub fn api_url(&self) -> String {
        format!("http://{}/api", self.inner.authority())
    }

    /// Makes `apps.connections.open` return addresses under this base (`wss://localhost:port`, without a slash at its
    /// end) instead of its own, for a TLS proxy in front of it.
    pub fn links_are_at(&self, base: &str) {
        self.inner.wire().knobs.links_at = Some(base.to_owned());
    }

    /// The app-level token (`xapp-…`).
    pub fn app_token(&self) -> &str {
        &self.app_token
    }

    /// The bot's token (`xoxb-…`).
    pub fn bot_token(&self) -> &str {
        &self.bot_token
    }

    /// The bot's user id.
    pub fn bot_user(&self) -> &str {
        &self.bot_user
    }

    /// The journal and the faults. Paths are `POST /api/<method>`, `GET /link/`, `POST /resp/<id>`,
    /// `GET /files-pri/<file>/<name>`.
    pub fn front(&self) -> &FaultServer {
        &self.front
    }

    /// Happenings from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<SandboxEvent> {
        self.inner.happenings.subscribe()
    }

    /// Waits until `what` holds: checked at once, on each change, and on each change of the journal. Tests call it
    /// inside a time-out.
    pub async fn until(&self, what: impl Fn(&SandboxSlack) -> bool) {
        let mut changed = self.inner.changed.subscribe();
        let mut asked = self.front.changes();
        loop {
            changed.borrow_and_update();
            asked.borrow_and_update();
            if what(self) {
                return;
            }
            // A call that is answered by a fault changes only the journal.
            let ended = tokio::select! {
                ended = changed.changed() => ended,
                ended = asked.changed() => ended,
            };
            if ended.is_err() {
                return;
            }
        }
    }

    /// Waits until more than `seen` happenings occurred; returns their number.
    pub async fn more_than(&self, seen: u64) -> u64 {
        let mut changed = self.inner.changed.subscribe();
        // The sender lives as long as `self`.
        let count = changed.wait_for(|count| *count > seen).await;
        count.map_or(seen, |count| *count)
    }

    /// The number of happenings so far.
    pub fn happened(&self) -> u64 {
        *self.inner.changed.borrow()
    }

    // Actions of the bot.

    /// The current messages of a channel, oldest first, with replies in threads.
    pub fn messages(&self, channel: &str) -> Vec<Value> {
        self.inner.world().messages(channel)
    }

    /// The same messages as history shows them, with their reactions.
    pub fn history(&self, channel: &str) -> Vec<Value> {
        self.inner.world().whole(channel)
    }

    /// The bot's messages in a channel, oldest first.
    pub fn bot_messages(&self, channel: &str) -> Vec<PostedMessage> {
        self.inner.world().posted(channel)
    }

    /// How many messages the bot has posted in all conversations.
    pub fn bot_posts(&self) -> usize {
        self.inner.world().bot_posts
    }

    /// The bot's replies in the thread under that message, oldest first.
    pub fn replies_to(&self, channel: &str, ts: &str) -> Vec<PostedMessage> {
        let mut posted = self.bot_messages(channel);
        posted.retain(|posted| posted.thread_ts.as_deref() == Some(ts));
        posted
    }

    /// The ephemeral messages, in order.
    pub fn whispers(&self) -> Vec<EphemeralPost> {
        self.inner.world().whispers.clone()
    }

    /// The reactions to a message in order, each with its user.
    pub fn reactions(&self, channel: &str, ts: &str) -> Vec<(String, String)> {
        self.inner.world().reactions(channel, ts)
    }

    /// The open modals and the published Home tabs.
    pub fn views(&self) -> Vec<Value> {
        self.inner.world().views()
    }

    /// Every acknowledgement, in order of arrival.
    pub fn acks(&self) -> Vec<Ack> {
        self.inner.wire().acks.clone()
    }

    /// Frames from the bot that are not acknowledgements, and payloads of acknowledgements that Slack would ignore.
    pub fn strays(&self) -> Vec<String> {
        self.inner.wire().strays.clone()
    }

    /// Every envelope, in order of creation.
    pub fn envelopes(&self) -> Vec<Envelope> {
        self.inner.wire().envelopes.clone()
    }

    /// The events without an acknowledgement.
    pub fn unacked(&self) -> Vec<Envelope> {
        let wire = self.inner.wire();
        let unacked =
            |envelope: &&Envelope| envelope.kind == EnvelopeKind::EventsApi && !envelope.acked;
        wire.envelopes.iter().filter(unacked).cloned().collect()
    }

    /// Whether every envelope is acknowledged, or was sent too late for an acknowledgement.
    pub fn is_settled(&self) -> bool {
        let wire = self.inner.wire();
        wire.envelopes
            .iter()
            .all(|envelope| envelope.acked || envelope.over)
    }

    /// Whether the bot is in a channel.
    pub fn has_bot(&self, channel: &str) -> bool {
        self.inner.world().is_member(channel, &self.bot_user)
    }

    // The socket.

    /// The number of links, ghosts included.
    pub fn links(&self) -> usize {
        self.inner.wire().links.len()
    }

    /// The numbers of the links in the order they were opened. The first link ever is 1.
    pub fn link_ids(&self) -> Vec<u64> {
        self.inner.wire().links.keys().copied().collect()
    }

    /// Sends all envelopes on this link until it ends; `None` spreads them again.
    pub fn route_to(&self, link: Option<u64>) {
        self.inner.wire().pinned = link;
    }

    /// Announces the end of every link: `warning`, `refresh_requested`, `link_disabled`, `too_many_websockets`
    /// (docs/contracts/slack.md#disconnects-and-several-connections). The first two cut the links after 10 s, the others at once.
    pub fn disconnect(&self, reason: &str) {
        for link in self.link_ids() {
            self.disconnect_link(link, reason);
        }
    }

    /// Announces the end of one link.
    pub fn disconnect_link(&self, link: u64, reason: &str) {
        let goodbye = json!({"type": "disconnect", "reason": reason, "debug_info": {"host": wire::host(link)}});
        self.order(link, || Order::Text(goodbye.to_string()));
        if !["warning", "refresh_requested"].contains(&reason) {
            return self.close_link(link);
        }
        let inner = Arc::clone(&self.inner);
        self.inner.runtime.spawn(async move {
            tokio::select! {
                () = inner.closing.cancelled() => {}
                () = tokio::time::sleep(CUT_AFTER) => cut(&inner, link),
            }
        });
    }

    /// Drops the TCP connection of every link, without a Close frame.
    pub fn cut(&self) {
        self.link_ids()
            .into_iter()
            .for_each(|link| self.cut_link(link));
    }

    /// Drops the TCP connection of one link.
    pub fn cut_link(&self, link: u64) {
        cut(&self.inner, link);
    }

    /// Sends a Close frame on every link; the links get no more envelopes.
    pub fn close_frame(&self) {
        self.link_ids()
            .into_iter()
            .for_each(|link| self.close_link(link));
    }

    fn close_link(&self, link: u64) {
        if let Some(link) = self.inner.wire().links.get_mut(&link) {
            link.routed = false;
        }
        self.order(link, || Order::Close);
    }

    /// Makes every link half-open: the connection stays, but is neither read nor written. Envelopes are still routed to
    /// it (a ghost, docs/contracts/slack.md#disconnects-and-several-connections) until it is cut.
    pub fn half_open(&self) {
        self.link_ids()
            .into_iter()
            .for_each(|link| self.order(link, || Order::Silence));
    }

    fn order(&self, link: u64, order: impl Fn() -> Order) {
        if let Some(link) = self.inner.wire().links.get(&link) {
            // A link that has just ended needs no order.
            let _ = link.orders.send(order());
        }
    }

    /// Sends this text unchecked on every link.
    pub fn send_raw(&self, frame: &str) {
        self.link_ids()
            .into_iter()
            .for_each(|link| self.order(link, || Order::Text(frame.to_owned())));
    }

    /// Sends a binary frame on every link.
    pub fn send_binary(&self, bytes: &[u8]) {
        self.link_ids()
            .into_iter()
            .for_each(|link| self.order(link, || Order::Binary(bytes.to_vec())));
    }

    /// Stops pinging the bot.
    pub fn stop_pinging(&self) {
        self.inner.wire().knobs.pinging = false;
    }

    /// Stops answering the bot's pings.
    pub fn ignore_pings(&self) {
        self.inner.wire().knobs.ponging = false;
    }

    /// Resumes pings and pongs.
    pub fn answer_pings(&self) {
        let mut wire = self.inner.wire();
        (wire.knobs.pinging, wire.knobs.ponging) = (true, true);
    }

    /// Sets the ping period of links opened from now on. The default is 10 s.
    pub fn ping_every(&self, period: Duration) {
        self.inner.wire().knobs.ping_every = period;
    }

    /// Sets whether links opened from now on begin with `hello`.
    pub fn say_hello(&self, on: bool) {
        self.inner.wire().knobs.hello = on;
    }

    /// Keeps TCP open after a Close handshake (docs/contracts/slack.md#disconnects-and-several-connections).
    pub fn leave_tcp_open(&self, on: bool) {
        self.inner.wire().knobs.leave_tcp_open = on;
    }

    // Retries.

    /// Multiplies the delays of docs/contracts/slack.md#redelivery (3 s, 60 s, 300 s, and the 3 s after which a person sees an error), from
    /// the next delay on. 1 is real time.
    pub fn time_scale(&self, scale: f64) {
        self.inner.wire().knobs.time_scale = scale;
    }

    /// Loses the next envelopes: nothing is sent, and retries follow as for an unacknowledged envelope.
    pub fn lose_next(&self, n: u32) {
        self.inner.wire().knobs.lose = n;
    }

    /// Drops the events of people's next messages while the link is up. History has the messages; the events are never
    /// sent (docs/contracts/slack.md#redelivery).
    pub fn drop_next(&self, n: u32) {
        self.inner.wire().knobs.drop = n;
    }

    /// The `ts` of each message whose events were dropped.
    pub fn dropped(&self) -> Vec<String> {
        self.inner.wire().dropped.clone()
    }

    /// Loses the bot's frames, mainly acknowledgements, as a breaking link does.
    pub fn lose_acks(&self, on: bool) {
        self.inner.wire().knobs.losing_acks = on;
    }

    /// Sends an envelope again as its next retry, even if it is acknowledged.
    pub fn redeliver(&self, envelope_id: &str) {
        let attempt = self
            .inner
            .wire()
            .envelope(envelope_id)
            .map(|envelope| envelope.attempt + 1);
        if let Some(attempt) = attempt {
            self.inner.send(envelope_id, attempt);
        }
    }

    /// Sends every unacknowledged event again as its next retry.
    pub fn redeliver_unacked(&self) {
        self.unacked()
            .into_iter()
            .for_each(|envelope| self.redeliver(&envelope.id));
    }

    /// Sends an envelope again unchanged, with the same attempt number (seen in bolt-js#2487, docs/contracts/slack.md#redelivery).
    pub fn repeat(&self, envelope_id: &str) {
        let attempt = self
            .inner
            .wire()
            .envelope(envelope_id)
            .map(|envelope| envelope.attempt);
        if let Some(attempt) = attempt {
            self.inner.send(envelope_id, attempt);
        }
    }

    /// Sends an event as given, in the usual wrapping; returns its envelope's id.
    pub fn send_event(&self, event: Value) -> String {
        self.send_event_as(event, 0)
    }

    /// Sends an event that first arrives as this retry.
    pub fn send_event_as(&self, event: Value, attempt: u32) -> String {
        self.send_payload_as(EnvelopeKind::EventsApi, self.inner.wrapped(event), attempt)
    }

    /// Sends a payload as given, such as one without an inner event or with a null team; returns its envelope's id.
    pub fn send_payload(&self, kind: EnvelopeKind, payload: Value) -> String {
        self.send_payload_as(kind, payload, 0)
    }

    fn send_payload_as(&self, kind: EnvelopeKind, payload: Value, attempt: u32) -> String {
        self.inner.deliver(kind, payload, attempt)
    }

    /// The payload of an event, as [`SandboxSlack::send_event`] makes it, for tests that change and send it.
    pub fn wrapped(&self, event: Value) -> Value {
        self.inner.wrapped(event)
    }

    // The app and its limits.

    /// Answers the next calls of a method with a Slack error and HTTP 200; nothing is applied.
    pub fn errors(&self, method: &str, error: &str, times: u32) {
        let body = json!({"ok": false, "error": error}).to_string();
        let path = format!("/api/{method}");
        let fault = Fault {
            path: Some(path),
            ..Fault::new(FaultKind::answer(200, body)).times(times)
        };
        self.front.fault(fault);
    }

    /// Refuses messages with blocks with this error until `None`: `invalid_blocks`, `msg_blocks_too_long`, … Slack may
    /// start to refuse blocks that it accepted before (docs/contracts/slack.md#web-api).
    pub fn refuse_blocks(&self, error: Option<&'static str>) {
        self.inner.world().app.refusing_blocks = error;
    }

    /// Answers the next calls of a method with 429 and `Retry-After`; nothing is applied.
    pub fn limits(&self, method: &str, retry_after_s: u32, times: u32) {
        let what = FaultKind::Answer {
            status: 429,
            headers: vec![("retry-after".to_owned(), retry_after_s.to_string())],
            body: json!({"ok": false, "error": "ratelimited"}).to_string(),
        };
        self.front.fault(Fault {
            path: Some(format!("/api/{method}")),
            ..Fault::new(what).times(times)
        });
    }

    /// Answers every call with this error until `None`: `token_revoked`, `account_inactive`, …
    pub fn refuse_tokens(&self, error: Option<&str>) {
        self.inner.world().app.refusing = error.map(str::to_owned);
    }

    /// Shifts Slack's clock ahead, or back if negative. A message's `ts` is still never before an earlier one's.
    pub fn clock_is_ahead(&self, by_ms: i64) {
        self.inner.world().ahead_ms = by_ms;
    }

    /// Removes a scope from the app.
    pub fn revoke_scope(&self, scope: &str) {
        self.inner.world().app.scopes.remove(scope);
    }

    /// Adds a scope to the app.
    pub fn grant_scope(&self, scope: &str) {
        self.inner.world().app.scopes.insert(scope.to_owned());
    }

    /// Sets whether files are shared from another workspace from now on: messages show their ids only, and `files.info`
    /// the rest (docs/contracts/slack.md#files).
    pub fn files_are_foreign(&self, on: bool) {
        self.inner.world().files_are_foreign = on;
    }

    /// Makes the next posts that show an uploaded file be refused, because Slack has not looked at the file yet
    /// (docs/contracts/slack.md#uploads).
    pub fn refuse_pictures(&self, posts: u32) {
        self.inner.world().pictures_refused = posts;
    }

    /// The content of a file that the app uploaded, by its id.
    pub fn uploaded(&self, id: &str) -> Option<Vec<u8>> {
        let world = self.inner.world();
        let file = world.files.get(id).filter(|file| file.channel.is_empty());
        file.map(|file| file.content.clone())
    }

    /// Sets the size that Slack gives for files from now on; `None` for that of their content.
    pub fn files_have_size(&self, size: Option<u64>) {
        self.inner.world().file_size = size;
    }

    /// Sets whether a second post to a channel within a second is answered with 429 (docs/contracts/slack.md#limits). Off by default.
    pub fn enforce_rate(&self, on: bool) {
        self.inner.world().enforce_rate = on;
    }

    /// Makes every existing `trigger_id` older by that much; after 3 s it is expired (docs/contracts/slack.md#buttons-shortcuts-and-forms).
    pub fn age_triggers(&self, by: Duration) {
        self.inner
            .world()
            .age_triggers(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// Switches the messages tab of the app (`messages_tab_disabled`) and its Home tab (`not_enabled`).
    pub fn tabs(&self, messages: bool, home: bool) {
        let mut world = self.inner.world();
        (world.app.messages_tab, world.app.home_tab) = (messages, home);
    }
}

fn cut(inner: &Inner, link: u64) {
    if let Some(link) = inner.wire().links.get(&link) {
        link.cut.notify_one();
    }
}

/// Sets these fields of an object, over those of the same name.
fn merge(object: &mut Value, fields: Value) {
    if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
        object.extend(fields);
    }
}
