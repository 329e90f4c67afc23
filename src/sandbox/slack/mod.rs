//! Slack, from its contract: Socket Mode and the Web API of one workspace, one app, one bot.
//!
//! `world` is the workspace, `text` and `blocks` its rules, `web` the methods that the bot calls, `wire` and `socket`
//! what is on its way to the bot. This file is what a test or the demo holds; what people do is in `people`.

mod blocks;
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

use super::front::{Fault, Front, What};
use super::locked;
use wire::{Order, Wire};
use world::World;

pub use wire::{Ack, Envelope, Kind};
pub use world::{Posted, Whisper};

/// How far a subscriber may fall behind before it loses the oldest happenings.
const SUBSCRIBER_LAG: usize = 4096;
/// How long a link lives on after a `warning` or `refresh_requested` (contract 1.5).
const CUT_AFTER: Duration = Duration::from_secs(10);

/// A Slack on loopback. Clones share it; it ends with [`Slack::close`] or with the last clone.
#[derive(Clone)]
pub struct Slack {
    inner: Arc<Inner>,
    front: Front,
    app_token: String,
    bot_token: String,
    bot_user: String,
    _open: Arc<Open>,
}

/// Something that happened, for the demo and for tests that wait.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    Connected {
        link: u64,
    },
    Disconnected {
        link: u64,
    },
    /// A message of a person or of the bot.
    Posted {
        channel: String,
        message: Value,
    },
    /// An edit or an unfurl; `previous` is the message before it.
    Updated {
        channel: String,
        message: Value,
        previous: Value,
    },
    /// Shown to one person only.
    /// New, or another than before.
    Whispered(Whisper),
    Reacted {
        channel: String,
        ts: String,
        user: String,
        name: String,
    },
    /// A reaction was taken away again.
    Unreacted {
        channel: String,
        ts: String,
        user: String,
        name: String,
    },
    /// A modal was opened or a Home tab published.
    Viewed {
        view: Value,
    },
    /// An envelope was put on a link, or on none: nobody is connected, or it was to be lost.
    Sent {
        envelope_id: String,
        link: Option<u64>,
        attempt: u32,
    },
    Acked(Ack),
    /// The bot sent something that acknowledges nothing.
    Stray {
        link: u64,
        frame: String,
    },
}

/// What all parts share. Never hold both locks: `world` and `wire` are taken one after the other.
struct Inner {
    world: Mutex<World>,
    wire: Mutex<Wire>,
    /// Counts changes, to wake those who wait for one.
    changed: watch::Sender<u64>,
    happenings: broadcast::Sender<Happening>,
    closing: CancellationToken,
    address: OnceLock<SocketAddr>,
    /// So that a person can speak from any thread.
    runtime: Handle,
}

impl Inner {
    fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        locked(&self.wire)
    }

    fn tell(&self, happening: Happening) {
        // Nobody needs to be listening.
        let _ = self.happenings.send(happening);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Tells that a reaction was added, or taken away.
    fn reacted(&self, channel: &str, ts: &str, user: &str, name: &str, adds: bool) {
        let [channel, ts, user, name] = [channel, ts, user, name].map(str::to_owned);
        self.tell(match adds {
            true => Happening::Reacted {
                channel,
                ts,
                user,
                name,
            },
            false => Happening::Unreacted {
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

/// Ends the links when the last [`Slack`] is gone.
struct Open(Arc<Inner>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closing.cancel();
    }
}

impl Slack {
    /// Starts a Slack with the workspace of a seed (`fixtures/seed/slack.json` is one).
    ///
    /// # Errors
    /// When the seed lacks something, or no port can be bound.
    pub async fn start(seed: &Value) -> io::Result<Slack> {
        Slack::start_at(seed, 0).await
    }

    /// The same on this port; 0 is any free one.
    ///
    /// # Errors
    /// As [`Slack::start`].
    pub async fn start_at(seed: &Value, port: u16) -> io::Result<Slack> {
        let world = World::new(seed)?;
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
            .route("/link/", get(socket::link))
            .with_state(Arc::clone(&inner));
        let front = Front::open_at(router, port).await?;
        inner.address.get_or_init(|| front.address());
        let _open = Arc::new(Open(Arc::clone(&inner)));
        Ok(Slack {
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

    /// Has `apps.connections.open` give addresses under this base (`wss://localhost:port`, without a slash at its end)
    /// instead of its own: for what stands before it and speaks TLS.
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

    /// The journal and the faults. Requests are `POST /api/<method>`, `GET /link/`, `POST /resp/<id>`.
    pub fn front(&self) -> &Front {
        &self.front
    }

    /// What happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Happening> {
        self.inner.happenings.subscribe()
    }

    /// Waits until `what` holds; looks at once, on each change, and on each change of the journal. For tests, inside a
    /// time-out.
    pub async fn until(&self, what: impl Fn(&Slack) -> bool) {
        let mut changed = self.inner.changed.subscribe();
        let mut asked = self.front.changes();
        loop {
            changed.borrow_and_update();
            asked.borrow_and_update();
            if what(self) {
                return;
            }
            // A call that a fault answers changes the journal alone.
            let ended = tokio::select! {
                ended = changed.changed() => ended,
                ended = asked.changed() => ended,
            };
            if ended.is_err() {
                return;
            }
        }
    }

    /// How much has happened so far, once it is more than `seen`.
    pub async fn more_than(&self, seen: u64) -> u64 {
        let mut changed = self.inner.changed.subscribe();
        // Its sender lives as long as `self`.
        let count = changed.wait_for(|count| *count > seen).await;
        count.map_or(seen, |count| *count)
    }

    /// How much has happened so far: grows with each [`Happening`].
    pub fn happened(&self) -> u64 {
        *self.inner.changed.borrow()
    }

    // What the bot did.

    /// The messages that a channel holds now, oldest first, replies of threads included.
    pub fn messages(&self, channel: &str) -> Vec<Value> {
        self.inner.world().messages(channel)
    }

    /// The same as history shows them, with their reactions.
    pub fn history(&self, channel: &str) -> Vec<Value> {
        self.inner.world().whole(channel)
    }

    /// The bot's messages in a channel, oldest first.
    pub fn bot_messages(&self, channel: &str) -> Vec<Posted> {
        self.inner.world().posted(channel)
    }

    /// How many messages the bot has posted, wherever.
    pub fn bot_posts(&self) -> usize {
        self.inner.world().bot_posts
    }

    /// The bot's messages in the thread under that message, oldest first.
    pub fn replies_to(&self, channel: &str, ts: &str) -> Vec<Posted> {
        let mut posted = self.bot_messages(channel);
        posted.retain(|posted| posted.thread_ts.as_deref() == Some(ts));
        posted
    }

    /// What was shown to one person only, in order.
    pub fn whispers(&self) -> Vec<Whisper> {
        self.inner.world().whispers.clone()
    }

    /// Who reacted to a message with what, in order.
    pub fn reactions(&self, channel: &str, ts: &str) -> Vec<(String, String)> {
        self.inner.world().reactions(channel, ts)
    }

    /// The modals that are open and the Home tabs that are published.
    pub fn views(&self) -> Vec<Value> {
        self.inner.world().views()
    }

    /// Every acknowledgement, in order of arrival.
    pub fn acks(&self) -> Vec<Ack> {
        self.inner.wire().acks.clone()
    }

    /// What the bot sent over the socket that acknowledges nothing, and payloads that nobody takes.
    pub fn strays(&self) -> Vec<String> {
        self.inner.wire().strays.clone()
    }

    /// Every envelope, in the order they were made.
    pub fn envelopes(&self) -> Vec<Envelope> {
        self.inner.wire().envelopes.clone()
    }

    /// The events that are not acknowledged.
    pub fn unacked(&self) -> Vec<Envelope> {
        let wire = self.inner.wire();
        let unacked = |envelope: &&Envelope| envelope.kind == Kind::EventsApi && !envelope.acked;
        wire.envelopes.iter().filter(unacked).cloned().collect()
    }

    /// Whether every envelope is acknowledged, or was sent too late to be.
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

    /// How many links there are, ghosts included.
    pub fn links(&self) -> usize {
        self.inner.wire().links.len()
    }

    /// The links by number, in the order they were opened. The first link ever is 1.
    pub fn link_ids(&self) -> Vec<u64> {
        self.inner.wire().links.keys().copied().collect()
    }

    /// Puts all envelopes on this link until it ends; `None` spreads them again.
    pub fn route_to(&self, link: Option<u64>) {
        self.inner.wire().pinned = link;
    }

    /// Announces the end of every link: `warning`, `refresh_requested`, `link_disabled`, `too_many_websockets`
    /// (contract 1.5). Links are cut 10 s after the first two, and at once after the others.
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

    /// Sends a Close frame on every link, which gets no more envelopes.
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

    /// Makes every link half-open: the connection stays, nothing is read or written any more, and envelopes go on
    /// being put on it (a ghost, contract 1.5) until it is cut.
    pub fn half_open(&self) {
        self.link_ids()
            .into_iter()
            .for_each(|link| self.order(link, || Order::Silence));
    }

    fn order(&self, link: u64, order: impl Fn() -> Order) {
        if let Some(link) = self.inner.wire().links.get(&link) {
            // A link that has just ended needs no orders.
            let _ = link.orders.send(order());
        }
    }

    /// Sends this text on every link, whatever it is.
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

    /// Sends no more pings of its own.
    pub fn stop_pinging(&self) {
        self.inner.wire().knobs.pinging = false;
    }

    /// Leaves the bot's pings without a pong.
    pub fn ignore_pings(&self) {
        self.inner.wire().knobs.ponging = false;
    }

    /// Pings and pongs again.
    pub fn answer_pings(&self) {
        let mut wire = self.inner.wire();
        (wire.knobs.pinging, wire.knobs.ponging) = (true, true);
    }

    /// How often links opened from now on are pinged. 10 s unless said.
    pub fn ping_every(&self, period: Duration) {
        self.inner.wire().knobs.ping_every = period;
    }

    /// Whether links opened from now on begin with `hello`.
    pub fn say_hello(&self, on: bool) {
        self.inner.wire().knobs.hello = on;
    }

    /// Leaves TCP open after a Close handshake (contract 1.5).
    pub fn leave_tcp_open(&self, on: bool) {
        self.inner.wire().knobs.leave_tcp_open = on;
    }

    // Sending again.

    /// Multiplies the waits of contract 1.6 (3 s, 60 s, 300 s, and the 3 s after which a person sees an error), from
    /// the next wait on. 1 is real.
    pub fn time_scale(&self, scale: f64) {
        self.inner.wire().knobs.time_scale = scale;
    }

    /// Loses the next envelopes: nothing is sent, and the retries go on as after an unacknowledged sending.
    pub fn lose_next(&self, n: u32) {
        self.inner.wire().knobs.lose = n;
    }

    /// Drops the events of the next messages of people while the link is up: they stand in the history, and are neither
    /// sent nor sent again (contract, additions).
    pub fn drop_next(&self, n: u32) {
        self.inner.wire().knobs.drop = n;
    }

    /// The `ts` of each message whose events were dropped.
    pub fn dropped(&self) -> Vec<String> {
        self.inner.wire().dropped.clone()
    }

    /// Loses what the bot says on its links, acknowledgements above all: it arrives nowhere, as from a link that breaks.
    pub fn lose_acks(&self, on: bool) {
        self.inner.wire().knobs.losing_acks = on;
    }

    /// Sends an envelope again as its next retry, acknowledged or not.
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

    /// Sends every event that is not acknowledged again, as its next retry.
    pub fn redeliver_unacked(&self) {
        self.unacked()
            .into_iter()
            .for_each(|envelope| self.redeliver(&envelope.id));
    }

    /// Sends an envelope again as it was, attempt and all (seen in bolt-js#2487, contract 1.6).
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

    /// Sends an event as it is given, in the usual wrapping; the id of its envelope.
    pub fn send_event(&self, event: Value) -> String {
        self.send_event_as(event, 0)
    }

    /// Sends an event whose first sight is that retry.
    pub fn send_event_as(&self, event: Value, attempt: u32) -> String {
        self.send_payload_as(Kind::EventsApi, self.inner.wrapped(event), attempt)
    }

    /// Sends a payload as it is given: one without an inner event, one with a null team; the id of its envelope.
    pub fn send_payload(&self, kind: Kind, payload: Value) -> String {
        self.send_payload_as(kind, payload, 0)
    }

    fn send_payload_as(&self, kind: Kind, payload: Value, attempt: u32) -> String {
        self.inner.deliver(kind, payload, attempt)
    }

    /// The payload that announces an event, as [`Slack::send_event`] makes it, to be changed and sent.
    pub fn wrapped(&self, event: Value) -> Value {
        self.inner.wrapped(event)
    }

    // The app and its limits.

    /// Answers the next calls of a method with an error of Slack's, HTTP 200; nothing is applied.
    pub fn errors(&self, method: &str, error: &str, times: u32) {
        let body = json!({"ok": false, "error": error}).to_string();
        let path = format!("/api/{method}");
        let fault = Fault {
            path: Some(path),
            ..Fault::new(What::answer(200, body)).times(times)
        };
        self.front.fault(fault);
    }

    /// Refuses messages with blocks with this error until `None`: `invalid_blocks`, `msg_blocks_too_long`, …, which may
    /// come for blocks that were good yesterday (contract, second round).
    pub fn refuse_blocks(&self, error: Option<&'static str>) {
        self.inner.world().app.refusing_blocks = error;
    }

    /// Answers the next calls of a method with 429 and `Retry-After`; nothing is applied.
    pub fn limits(&self, method: &str, retry_after_s: u32, times: u32) {
        let what = What::Answer {
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

    /// Sets its clock so far ahead of everybody else's, or back if negative; a message's `ts` is never before an earlier
    /// one's.
    pub fn clock_is_ahead(&self, by_ms: i64) {
        self.inner.world().ahead_ms = by_ms;
    }

    /// Takes a scope from the app.
    pub fn revoke_scope(&self, scope: &str) {
        self.inner.world().app.scopes.remove(scope);
    }

    /// Gives the app a scope.
    pub fn grant_scope(&self, scope: &str) {
        self.inner.world().app.scopes.insert(scope.to_owned());
    }

    /// Whether a second post to a channel within a second is answered 429 (contract 3.3). Off unless said.
    pub fn enforce_rate(&self, on: bool) {
        self.inner.world().enforce_rate = on;
    }

    /// Makes every `trigger_id` given so far older by that much: after 3 s it is expired (contract 2.4).
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

/// Puts these fields into an object, over those of the same name.
fn merge(object: &mut Value, fields: Value) {
    if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
        object.extend(fields);
    }
}
