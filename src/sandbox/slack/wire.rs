//! Delivery to the bot: links, envelopes, acknowledgements and retries (docs/contracts/slack.md#frames, docs/contracts/slack.md#acknowledging, docs/contracts/slack.md#redelivery). `socket` has the
//! frames.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::{Notify, mpsc};

use super::interact::ResponseEffect;
use super::world::{Changed, EphemeralPost};
use super::{Inner, SandboxEvent, ids, merge};
use crate::sandbox::now;

/// Delays before the three retries of an `events_api` envelope (docs/contracts/slack.md#disconnects-and-several-connections: 3 s, +60 s, +300 s).
const RETRIES: [Duration; 3] = [
    Duration::from_secs(3),
    Duration::from_secs(60),
    Duration::from_secs(300),
];
/// The time limit of an acknowledgement; after it a person sees an error (docs/contracts/slack.md#acknowledging).
const ACK_WITHIN: Duration = Duration::from_secs(3);
/// The period of Slack's pings (docs/contracts/slack.md#pings-and-time-outs).
const PING_EVERY: Duration = Duration::from_secs(10);
/// Links per app; one more is refused (docs/contracts/slack.md#disconnects-and-several-connections).
pub(super) const LINKS: usize = 10;
/// The lifetime of a ticket in milliseconds. Slack's real value is unknown (docs/contracts/slack.md#to-be-confirmed).
const TICKET_LIFE_MS: i64 = 60_000;

/// The kinds of envelopes (docs/contracts/slack.md#frames).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvelopeKind {
    /// Sent again if it is not acknowledged.
    EventsApi,
    /// Never sent again; its acknowledgement may contain a message.
    SlashCommands,
    /// Never sent again.
    Interactive,
}

impl EnvelopeKind {
    fn name(self) -> &'static str {
        match self {
            EnvelopeKind::EventsApi => "events_api",
            EnvelopeKind::SlashCommands => "slash_commands",
            EnvelopeKind::Interactive => "interactive",
        }
    }
}

/// An acknowledgement from the bot.
#[derive(Debug, Clone, PartialEq)]
pub struct Ack {
    /// The id of the acknowledged envelope.
    pub envelope_id: String,
    /// The link it came on.
    pub link: u64,
    /// The time of arrival in milliseconds since the epoch.
    pub at_ms: i64,
    /// The time since the envelope was last sent, in milliseconds.
    pub after_ms: i64,
    /// The message in it, as JSON; `None` for a bare acknowledgement.
    pub payload: Option<Value>,
    /// Whether it counts: the first for this envelope, on a link that the envelope was sent on, and within 3 s if a
    /// person waits. The sandbox ignores one from another link; Slack's real rule is unknown (docs/contracts/slack.md#acknowledging).
    pub counts: bool,
}

/// An envelope and its delivery state.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// A UUID, the `envelope_id` on the wire.
    pub id: String,
    /// The kind, which determines its retries.
    pub kind: EnvelopeKind,
    /// The `payload` on the wire, as JSON.
    pub payload: Value,
    /// `retry_attempt` as last sent.
    pub attempt: u32,
    /// The links it was sent on, in order; one entry per sending.
    pub links: Vec<u64>,
    /// The time of the last sending in milliseconds since the epoch; the time of creation if it was never sent.
    pub sent_ms: i64,
    /// Whether an acknowledgement that counts has arrived.
    pub acked: bool,
    /// Too late for an acknowledgement: a person has seen an error.
    pub(super) over: bool,
}

/// An order for a link's task.
#[derive(Debug)]
pub(super) enum Order {
    Text(String),
    Binary(Vec<u8>),
    /// Sends a Close frame and waits for the other's.
    Close,
    /// Stops reading and writing but keeps the connection.
    Silence,
}

pub(super) struct SocketLink {
    pub(super) orders: mpsc::UnboundedSender<Order>,
    /// Wakes the link's task, even out of a blocked write, to drop the connection.
    pub(super) cut: Arc<Notify>,
    /// Whether it gets new envelopes.
    pub(super) routed: bool,
}

/// The state of all deliveries.
pub(super) struct Wire {
    pub(super) links: BTreeMap<u64, SocketLink>,
    last_link: u64,
    turn: usize,
    /// All envelopes in order of creation; `index` has each one's position and signal by id.
    pub(super) envelopes: Vec<Envelope>,
    index: HashMap<String, (usize, Arc<Notify>)>,
    pub(super) acks: Vec<Ack>,
    /// Frames from the bot that are not acknowledgements.
    pub(super) strays: Vec<String>,
    /// The `ts` of messages whose events were dropped.
    pub(super) dropped: Vec<String>,
    tickets: BTreeMap<String, i64>,
    /// The only link that gets envelopes.
    pub(super) pinned: Option<u64>,
    pub(super) knobs: TestSettings,
}

/// Settings for tests.
#[derive(Debug, Clone)]
pub(super) struct TestSettings {
    pub(super) time_scale: f64,
    pub(super) ping_every: Duration,
    pub(super) pinging: bool,
    pub(super) ponging: bool,
    pub(super) lose: u32,
    /// How many further messages of people have their events dropped.
    pub(super) drop: u32,
    pub(super) mention_first: bool,
    pub(super) leave_tcp_open: bool,
    pub(super) hello: bool,
    pub(super) losing_acks: bool,
    /// The base of link addresses, if not the sandbox's own: `wss://localhost:port`.
    pub(super) links_at: Option<String>,
}

impl Wire {
    pub(super) fn new() -> Wire {
        Wire {
            links: BTreeMap::new(),
            last_link: 0,
            turn: 0,
            envelopes: Vec::new(),
            index: HashMap::new(),
            acks: Vec::new(),
            strays: Vec::new(),
            dropped: Vec::new(),
            tickets: BTreeMap::new(),
            pinned: None,
            knobs: TestSettings {
                time_scale: 1.0,
                ping_every: PING_EVERY,
                pinging: true,
                ponging: true,
                lose: 0,
                drop: 0,
                mention_first: false,
                leave_tcp_open: false,
                hello: true,
                losing_acks: false,
                links_at: None,
            },
        }
    }

    /// A ticket for one link.
    pub(super) fn ticket(&mut self) -> String {
        let ticket = ids::uuid();
        self.tickets.insert(ticket.clone(), now());
        ticket
    }

    /// Redeems a ticket; returns whether it was valid.
    pub(super) fn redeem(&mut self, ticket: &str) -> bool {
        self.tickets
            .remove(ticket)
            .is_some_and(|made| now() - made <= TICKET_LIFE_MS)
    }

    /// Registers a link; `None` if the number of links is at its limit.
    pub(super) fn admit(&mut self, link: SocketLink) -> Option<u64> {
        if self.links.len() >= LINKS {
            return None;
        }
        self.last_link += 1;
        self.links.insert(self.last_link, link);
        Some(self.last_link)
    }

    /// Removes a link; returns whether it existed.
    pub(super) fn dismiss(&mut self, link: u64) -> bool {
        if self.pinned == Some(link) {
            self.pinned = None;
        }
        self.links.remove(&link).is_some()
    }

    /// Stores a new envelope; returns the signal of its acknowledgement.
    fn keep(&mut self, envelope: Envelope) -> Arc<Notify> {
        let acked = Arc::new(Notify::new());
        self.index.insert(
            envelope.id.clone(),
            (self.envelopes.len(), Arc::clone(&acked)),
        );
        self.envelopes.push(envelope);
        acked
    }

    pub(super) fn envelope(&self, id: &str) -> Option<&Envelope> {
        self.envelopes.get(self.index.get(id)?.0)
    }

    fn envelope_mut(&mut self, id: &str) -> Option<&mut Envelope> {
        self.envelopes.get_mut(self.index.get(id)?.0)
    }

    /// The next link. Slack picks "any of them, no pattern" (docs/contracts/slack.md#disconnects-and-several-connections); the sandbox takes them in turn.
    fn next_link(&mut self) -> Option<u64> {
        let routed: Vec<u64> = self
            .links
            .iter()
            .filter(|(id, link)| link.routed && self.pinned.is_none_or(|pinned| pinned == **id))
            .map(|(id, _)| *id)
            .collect();
        self.turn = self.turn.wrapping_add(1);
        routed.get(self.turn.checked_rem(routed.len())?).copied()
    }

    fn scaled(&self, wait: Duration) -> Duration {
        wait.mul_f64(self.knobs.time_scale)
    }
}

impl Inner {
    /// Puts events into envelopes and sends them; returns the envelopes' ids.
    pub(super) fn deliver_events(self: &Arc<Self>, mut events: Vec<Value>) -> Vec<String> {
        if self.drops(&events) {
            return Vec::new();
        }
        if events.len() > 1 && self.wire().knobs.mention_first {
            events.reverse();
        }
        events
            .into_iter()
            .map(|event| self.deliver(EnvelopeKind::EventsApi, self.wrapped(event), 0))
            .collect()
    }

    /// Whether the events of a person's new message are dropped. The message is then in the history, but no envelope of
    /// it is ever sent (docs/contracts/slack.md#redelivery).
    fn drops(&self, events: &[Value]) -> bool {
        let said = events.iter().find(|event| {
            event["type"] == "message" && event["hidden"] != true && event["bot_id"].is_null()
        });
        let Some(ts) = said.and_then(|event| event["ts"].as_str()) else {
            return false;
        };
        let mut wire = self.wire();
        if wire.knobs.drop == 0 {
            return false;
        }
        wire.knobs.drop -= 1;
        wire.dropped.push(ts.to_owned());
        true
    }

    /// The `event_callback` around an event (docs/contracts/slack.md#messages).
    pub(super) fn wrapped(&self, event: Value) -> Value {
        let world = self.world();
        json!({
            "token": "sandbox", "team_id": world.team.id, "context_team_id": world.team.id,
            "context_enterprise_id": null, "api_app_id": world.app.id, "type": "event_callback",
            "event_id": ids::slack("Ev0"), "event_time": now() / 1_000, "event_context": format!("4-{}", ids::short(40)),
            "is_ext_shared_channel": false,
            "authorizations": [{"enterprise_id": null, "team_id": world.team.id, "user_id": world.bot.user,
                "is_bot": true, "is_enterprise_install": false}],
            "event": event,
        })
    }

    /// Sends a new envelope. Starts its retries, or the time-out after which its person sees an error.
    pub(super) fn deliver(
        self: &Arc<Self>,
        kind: EnvelopeKind,
        payload: Value,
        attempt: u32,
    ) -> String {
        let id = ids::uuid();
        let envelope = Envelope {
            id: id.clone(),
            kind,
            payload,
            attempt,
            links: Vec::new(),
            sent_ms: now(),
            acked: false,
            over: false,
        };
        let acked = self.wire().keep(envelope);
        let sent = self.send(&id, attempt);
        match kind {
            EnvelopeKind::EventsApi => {
                self.runtime
                    .spawn(chase(Arc::clone(self), id.clone(), acked));
            }
            EnvelopeKind::SlashCommands | EnvelopeKind::Interactive if sent.is_none() => {
                self.fails(&id, "dispatch_failed")
            }
            EnvelopeKind::SlashCommands | EnvelopeKind::Interactive => {
                self.runtime
                    .spawn(expire(Arc::clone(self), id.clone(), acked));
            }
        }
        id
    }

    /// Sends an envelope on the next link and returns that link; `None` if no link is open or the envelope got lost.
    pub(super) fn send(&self, id: &str, attempt: u32) -> Option<u64> {
        let mut wire = self.wire();
        let link = match wire.knobs.lose {
            0 => wire.next_link(),
            lose => {
                wire.knobs.lose = lose - 1;
                None
            }
        };
        let envelope = wire.envelope_mut(id)?;
        envelope.attempt = attempt;
        if let Some(link) = link {
            envelope.links.push(link);
            envelope.sent_ms = now();
            let frame = frame(envelope).to_string();
            if let Some(link) = wire.links.get(&link) {
                // A link that has just ended: the envelope counts as lost and is sent again later.
                let _ = link.orders.send(Order::Text(frame));
            }
        }
        drop(wire);
        self.tell(SandboxEvent::Sent {
            envelope_id: id.to_owned(),
            link,
            attempt,
        });
        link
    }

    /// Handles a text frame from the bot.
    pub(super) fn heard(self: &Arc<Self>, link: u64, frame: &str) {
        let said: Option<Map<String, Value>> = serde_json::from_str(frame).ok();
        let id = said
            .as_ref()
            .and_then(|said| said.get("envelope_id"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let mut wire = self.wire();
        if wire.knobs.losing_acks {
            return;
        }
        let Some(envelope) = wire.envelope_mut(id) else {
            wire.strays.push(frame.to_owned());
            drop(wire);
            return self.tell(SandboxEvent::Stray {
                link,
                frame: frame.to_owned(),
            });
        };
        let payload = said.as_ref().and_then(|said| said.get("payload")).cloned();
        let counts = !envelope.acked && !envelope.over && envelope.links.contains(&link);
        envelope.acked |= counts;
        let at_ms = now();
        let ack = Ack {
            envelope_id: id.to_owned(),
            link,
            at_ms,
            after_ms: at_ms - envelope.sent_ms,
            payload: payload.clone(),
            counts,
        };
        let answered = counts.then(|| (envelope.kind, envelope.payload.clone()));
        wire.acks.push(ack.clone());
        if let Some((_, acked)) = wire.index.get(id).filter(|_| counts) {
            acked.notify_one();
        }
        drop(wire);
        if let Some((kind, asked)) = answered {
            let answer = payload.and_then(|payload| payload.as_object().cloned());
            self.take_answer(kind, &asked, &answer.unwrap_or_default());
        }
        self.tell(SandboxEvent::Acked(ack));
    }

    /// Applies the payload of an acknowledgement (docs/contracts/slack.md#acknowledging).
    fn take_answer(
        self: &Arc<Self>,
        kind: EnvelopeKind,
        asked: &Value,
        answer: &Map<String, Value>,
    ) {
        let at = |pointer: &str| {
            asked
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        match (kind, at("/type")) {
            // A form closes unless the answer says otherwise. An empty answer closes it too (docs/contracts/slack.md#acknowledging).
            (EnvelopeKind::Interactive, "view_submission") if answer.is_empty() => {
                self.world().close_view(at("/view/id"));
            }
            (_, _) if answer.is_empty() => {}
            (EnvelopeKind::SlashCommands, _) => {
                let (channel, user) = (at("/channel_id"), at("/user_id"));
                let posted = self.world().answer(channel, user, answer, "ack");
                match posted {
                    Ok(said) => self.announce_said(said),
                    Err(error) => self
                        .wire()
                        .strays
                        .push(format!("{error}: {}", json!(answer))),
                }
            }
            (EnvelopeKind::Interactive, "view_submission") => {
                let mut world = self.world();
                let view = at("/view/id");
                match answer.get("response_action").and_then(Value::as_str) {
                    Some("errors") => {}
                    Some("update" | "push") => {
                        let kept = answer
                            .get("view")
                            .and_then(|view| super::blocks::check_view(view, "modal").ok());
                        if let Some(kept) = kept {
                            world.keep_view(kept, Some(view.to_owned()));
                        }
                    }
                    _ => world.close_view(view),
                }
            }
            _ => self
                .wire()
                .strays
                .push(format!("this envelope takes no payload: {}", json!(answer))),
        }
    }

    /// Shows Slack's error to the person who waits for an envelope.
    fn fails(&self, id: &str, error: &str) {
        let asked = {
            let mut wire = self.wire();
            let Some(envelope) = wire.envelope_mut(id) else {
                return;
            };
            envelope.over = true;
            envelope.payload.clone()
        };
        let at = |first: &str, second: &str| {
            let found = asked
                .pointer(first)
                .or_else(|| asked.pointer(second))
                .and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        self.whispered(EphemeralPost {
            ts: String::new(),
            blocks: Value::Null,
            channel: at("/channel_id", "/channel/id"),
            user: at("/user_id", "/user/id"),
            text: error.to_owned(),
            thread_ts: None,
            from: "slack",
        });
    }

    pub(super) fn whispered(&self, whisper: EphemeralPost) {
        self.world().whispers.push(whisper.clone());
        self.tell(SandboxEvent::Whispered(whisper));
    }

    /// Reports the effect of an answer to a command or through a `response_url`.
    pub(super) fn announce_said(self: &Arc<Self>, said: ResponseEffect) {
        match said {
            ResponseEffect::Changed(channel, changed) => self.announce(&channel, changed),
            ResponseEffect::Whisper(whisper) => self.whispered(whisper),
            ResponseEffect::Replaced(whisper) => self.tell(SandboxEvent::Whispered(whisper)),
            ResponseEffect::Nothing => {}
        }
    }

    /// Sends a posted or changed message to the bot and to subscribers.
    pub(super) fn announce(self: &Arc<Self>, channel: &str, changed: Changed) {
        let channel = channel.to_owned();
        self.tell(match changed.previous {
            None => SandboxEvent::Posted {
                channel,
                message: changed.message,
            },
            Some(previous) => SandboxEvent::Updated {
                channel,
                message: changed.message,
                previous,
            },
        });
        self.deliver_events(changed.events);
    }

    /// The first frame of a link (docs/contracts/slack.md#frames).
    pub(super) fn hello(&self, link: u64) -> String {
        let app = self.world().app.id.clone();
        let links = self.wire().links.len();
        json!({
            "type": "hello", "num_connections": links, "connection_info": {"app_id": app},
            "debug_info": {"host": host(link), "build_number": 18, "approximate_connection_time": 18_060},
        })
        .to_string()
    }
}

/// The applink host of a link, as in frames and pings.
pub(super) fn host(link: u64) -> String {
    format!("applink-{link}")
}

/// The frame of an envelope (docs/contracts/slack.md#frames).
fn frame(envelope: &Envelope) -> Value {
    let mut frame = json!({
        "envelope_id": envelope.id, "type": envelope.kind.name(),
        "accepts_response_payload": envelope.kind != EnvelopeKind::EventsApi, "payload": envelope.payload,
    });
    if envelope.kind == EnvelopeKind::EventsApi {
        let reason = if envelope.attempt == 0 { "" } else { "timeout" };
        merge(
            &mut frame,
            json!({"retry_attempt": envelope.attempt, "retry_reason": reason}),
        );
    }
    frame
}

/// Sends an event again until it is acknowledged or out of retries.
async fn chase(inner: Arc<Inner>, id: String, acked: Arc<Notify>) {
    loop {
        let (attempt, wait) = {
            let wire = inner.wire();
            let Some(envelope) = wire.envelope(&id) else {
                return;
            };
            let attempt = envelope.attempt;
            let Some(wait) = usize::try_from(attempt)
                .ok()
                .and_then(|attempt| RETRIES.get(attempt))
            else {
                return;
            };
            (attempt, wire.scaled(*wait))
        };
        tokio::select! {
            biased;
            () = inner.closing.cancelled() => return,
            () = acked.notified() => return,
            () = tokio::time::sleep(wait) => {}
        }
        // A test sent it again meanwhile: that was this retry.
        if inner
            .wire()
            .envelope(&id)
            .is_some_and(|envelope| envelope.attempt == attempt)
        {
            inner.send(&id, attempt + 1);
        }
    }
}

/// Shows a person `operation_timeout` when a command or a click is not acknowledged in time.
async fn expire(inner: Arc<Inner>, id: String, acked: Arc<Notify>) {
    let wait = inner.wire().scaled(ACK_WITHIN);
    tokio::select! {
        biased;
        () = inner.closing.cancelled() => {}
        () = acked.notified() => {}
        () = tokio::time::sleep(wait) => inner.fails(&id, "operation_timeout"),
    }
}
