//! Our supervised Socket Mode loop (docs/contracts/slack.md#opening-a-connection, docs/contracts/slack.md#why-ivan-holds-its-own-connection): Slack's envelopes → stored by the mailbox → acknowledged.
//!
//! One supervisor opens and replaces links. Each link is a task with three parts that never wait for each other: a
//! reader, a keeper that commits and then acknowledges on the same link, and a writer that owns the sink. Every step
//! has a time limit. Any failure leads to a new link, after a wait that depends on the reason.

mod queue;
mod reopening;

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::error::UrlError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::filter::Ignored;
use super::forms::{FormRequest, GestureRequest, errors, without_secrets};
use super::proxy::FencedStream;
use super::web::{Web, WebError};
use super::wire::{Callback, Frame};
use super::{SlackError, Timings, millis, panicked};
use crate::domain::controls;
use crate::domain::reply::SlackHealth;
use crate::limits::{Limit, LogThrottle};
use crate::mailbox::{Acceptance, IncomingMessage, Inserted, StoreError};
use crate::runtime::{Backoff, CancellationToken, LastingFailure};
use crate::tls;
use queue::{Budget, ENVELOPES_MAX, GESTURES_RESERVE, Held, JOB_BYTES, JobQueue};
use reopening::Reopening;

/// Frames that wait to be written on a link, mostly acknowledgements.
const WRITE_QUEUE: usize = 256;
/// Frames that are written before the link is flushed.
const WRITES_AT_ONCE: usize = 64;
/// Events of a link that are committed concurrently; the store commits them together. Commands and forms are not
/// limited.
const COMMITS_MAX: usize = 256;
/// Frames that are read in a row before processing begins.
const FRAMES_IN_A_ROW: u32 = 64;
/// Larger than any envelope, small enough for a small machine.
const FRAME_MAX: usize = 8 << 20;
/// Envelopes are small, and the buffer exists as long as the link.
const READ_BUFFER: usize = 16 << 10;
/// Slack waits 3 s for the acknowledgement of a command or a form (docs/contracts/slack.md#acknowledging). It is sent this long after
/// arrival, even if the store has not answered.
const KEEP_WITHIN: Duration = Duration::from_millis(2_300);

/// A store that refuses writes would otherwise fill the log with every envelope of that time.
static NOT_KEPT: LogThrottle = LogThrottle::new();
/// The same, for interactions: each person is told.
static INTERACTION_NOT_KEPT: LogThrottle = LogThrottle::new();
/// The same, for a slow store.
static SLOW_STORE: LogThrottle = LogThrottle::new();

/// The source of the loop's connections.
#[async_trait]
pub trait Connector: Send + Sync + 'static {
    /// A fresh URL for one link; it is a secret.
    async fn open(&self, limit: Duration) -> Result<String, WebError>;
    /// A connection to the host of such a URL.
    async fn dial(&self, to: &hyper::Uri) -> std::io::Result<FencedStream>;
}

#[async_trait]
impl Connector for Web {
    async fn open(&self, limit: Duration) -> Result<String, WebError> {
        Web::open(self, limit).await
    }

    async fn dial(&self, to: &hyper::Uri) -> std::io::Result<FencedStream> {
        self.way.connect(to).await
    }
}

/// The loop's interface to the rest of the daemon.
#[async_trait]
pub trait EventHandler: Send + Sync + 'static {
    /// Whether an event is meant for us. Quick, and stores nothing.
    fn judge(&self, callback: &Callback) -> Result<IncomingMessage, Ignored>;
    /// Stores it; committed when this returns (P1). Calls are committed in the order in which they begin.
    async fn keep(&self, heard: IncomingMessage, raw: String) -> Result<Acceptance, StoreError>;
    /// Reads the request of a slash command or an interaction. Quick, and stores nothing.
    fn understand(&self, kind: &str, payload: Value) -> Result<GestureRequest, Ignored>;
    /// Reports a sign that messages there did not arrive: this one was repeated, or is not accepted. Quick.
    fn missed(&self, heard: &IncomingMessage);
    /// Slack reported that it left out events.
    fn events_are_left_out(&self);
    /// Opens a form in the background.
    fn open(&self, opening: FormRequest);
    fn slack_is(&self, health: SlackHealth);
    /// Reports the number of links of the app, as Slack counts them, that are not held here. `sure` after two counts.
    async fn others_are(&self, others: u32, sure: bool);
}

/// Holds a link to Slack until told to stop.
///
/// # Errors
/// Only a panic in a link's task: it waits for Slack and the network to recover.
pub async fn run(
    door: impl Connector,
    intake: Arc<dyn EventHandler>,
    timings: Arc<Timings>,
    shutdown: CancellationToken,
) -> Result<(), SlackError> {
    let mut links = JoinSet::new();
    let budget = Budget::new(ENVELOPES_MAX, GESTURES_RESERVE);
    let held = hold(&door, &intake, &timings, &budget, &mut links, &shutdown).await;
    if held.is_ok() {
        // Every link got the stop signal as well: it commits its envelopes, acknowledges them, and sends Close.
        let limit = timings.drain_limit + timings.write_limit + timings.close_limit * 2;
        let closed = timeout(limit, async {
            while let Some(ended) = links.join_next().await {
                ended.map_err(|error| panicked("socket link", error))?;
            }
            Ok(())
        });
        return closed.await.unwrap_or(Ok(()));
    }
    held
}

// ---------------------------------------------------------------- the supervisor

/// Opens links and replaces them, until told to stop.
async fn hold(
    door: &impl Connector,
    intake: &Arc<dyn EventHandler>,
    timings: &Arc<Timings>,
    budget: &Budget,
    links: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) -> Result<(), SlackError> {
    let backoff = Backoff::new(timings.retry_first, timings.retry_max);
    let mut reopening = Reopening::new(backoff, timings.settled);
    // After a `warning` the old link stays current until the new one has received its hello.
    let mut current: Option<Link> = None;
    // Earlier links, while they are still read.
    let mut retired: Vec<watch::Receiver<State>> = Vec::new();
    // How often in a row Slack counted more links than are held here.
    let mut counted = 0_u32;
    let mut unlinked = Unlinked::new();
    loop {
        let opened = meanwhile(links, shutdown, connect(door, timings)).await?;
        let greeted = match opened {
            None => return Ok(()),
            Some(Err(failure)) => Err(failure),
            Some(Ok(socket)) => {
                let link = Link::start(links, socket, intake, timings, budget, shutdown);
                match meanwhile(links, shutdown, link.hello(timings.hello_limit)).await? {
                    None => return Ok(()),
                    Some(Ok(connections)) => Ok((link, connections)),
                    // Dropping the handle closes it.
                    Some(Err(failure)) => Err(failure),
                }
            }
        };
        let wait = match greeted {
            Ok((link, connections)) => {
                if let Some(old) = current.take() {
                    retired.push(old.retire());
                }
                retired.retain(|state| !is_over(state));
                let held = retired.len() + 1;
                match unlinked.ends() {
                    None => tracing::info!(connections, held, "Slack connected"),
                    Some(failed) => {
                        tracing::info!(connections, held, failed, "Slack connected after failures")
                    }
                }
                let held = u32::try_from(held).unwrap_or(u32::MAX);
                let others = connections.unwrap_or(0).saturating_sub(held);
                counted = if others > 0 {
                    counted.saturating_add(1)
                } else {
                    0
                };
                if counted == 1 {
                    tracing::warn!(
                        connections,
                        held,
                        "Slack counts more connections of this app than are open here: another daemon, or connections \
                         that broke unnoticed"
                    );
                }
                intake.slack_is(SlackHealth::Connected);
                let told = intake.others_are(others, counted > 1);
                if meanwhile(links, shutdown, told).await?.is_none() {
                    return Ok(());
                }
                let link = current.insert(link);
                // Slack sends the count to new links only.
                let recount = match counted {
                    0 => None,
                    1 => Some(timings.recount),
                    _ => Some(timings.recount_again),
                };
                let leaving = async {
                    match recount {
                        None => link.leaving().await,
                        Some(wait) => timeout(wait, link.leaving())
                            .await
                            .unwrap_or(State::Recount),
                    }
                };
                let Some(state) = meanwhile(links, shutdown, leaving).await? else {
                    return Ok(());
                };
                match state {
                    State::Recount => {
                        tracing::debug!("opening another connection to have them counted again");
                        reopening.after_link(Instant::now())
                    }
                    State::Refresh => {
                        tracing::debug!(
                            "Slack is about to close the connection; opening the next one"
                        );
                        reopening.after_link(Instant::now())
                    }
                    State::Disabled => {
                        current = None;
                        let wait = Failure::disabled().wait(timings, &mut reopening);
                        unlinked.goes_on(intake.as_ref(), Failure::disabled(), wait);
                        wait
                    }
                    State::Crowded => {
                        current = None;
                        let wait = Failure::crowded().wait(timings, &mut reopening);
                        unlinked.goes_on(intake.as_ref(), Failure::crowded(), wait);
                        wait
                    }
                    State::Over(why) => {
                        current = None;
                        let wait = reopening.after_link(Instant::now());
                        tracing::info!(wait_ms = millis(wait), error = %why, "connection to Slack ended");
                        intake.slack_is(SlackHealth::Connecting);
                        wait
                    }
                    State::Opening | State::Up { .. } => continue,
                }
            }
            Err(failure) => {
                let wait = failure.wait(timings, &mut reopening);
                if current.as_ref().is_some_and(|link| !is_over(&link.state)) {
                    tracing::warn!(wait_ms = millis(wait), error = %failure.why, "cannot open the next connection to Slack; the old one still works");
                } else {
                    unlinked.goes_on(intake.as_ref(), failure, wait);
                }
                wait
            }
        };
        if meanwhile(links, shutdown, tokio::time::sleep(wait))
            .await?
            .is_none()
        {
            return Ok(());
        }
    }
}

/// Runs `work` until the daemon is to stop (`None`); a link that panics meanwhile is an error.
async fn meanwhile<T>(
    links: &mut JoinSet<()>,
    shutdown: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<Option<T>, SlackError> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(None),
            Some(ended) = links.join_next() => {
                ended.map_err(|error| panicked("socket link", error))?;
            }
            done = &mut work => return Ok(Some(done)),
        }
    }
}

/// A time without a link, which is logged at growing intervals.
struct Unlinked {
    begun: Instant,
    failing: LastingFailure,
}

impl Unlinked {
    fn new() -> Unlinked {
        Unlinked {
            begun: Instant::now(),
            failing: LastingFailure::default(),
        }
    }

    /// Reports that Slack is not connected.
    fn goes_on(&mut self, intake: &dyn EventHandler, failure: Failure, wait: Duration) {
        let (why, wait_ms) = (&failure.why, millis(wait));
        let lasted = self.failing.went(self.begun.elapsed(), Some(why));
        match (&failure.patience, lasted) {
            (Patience::Mend, Some(failing)) => {
                tracing::error!(wait_ms, failing, error = %why, "cannot connect to Slack");
            }
            (_, Some(failing)) => {
                tracing::warn!(wait_ms, failing, error = %why, "not connected to Slack; retrying");
            }
            (_, None) => tracing::debug!(wait_ms, error = %why, "still not connected to Slack"),
        }
        intake.slack_is(SlackHealth::Trouble(failure.why));
    }

    /// Its duration as the end of a sentence, if there was one.
    fn ends(&mut self) -> Option<String> {
        self.failing.went(self.begun.elapsed(), None)
    }
}

/// The reason why there is no link, with its retry policy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    why: String,
    patience: Patience,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// It is temporary.
    BackOff,
    /// Slack gives the wait.
    Until(Duration),
    /// More than ten links: always a long wait (docs/contracts/slack.md#disconnects-and-several-connections).
    Crowded,
    /// Nothing will change until a person repairs it.
    Mend,
}

impl Failure {
    fn passing(why: impl Into<String>) -> Failure {
        Failure {
            why: why.into(),
            patience: Patience::BackOff,
        }
    }

    fn disabled() -> Failure {
        Failure {
            why: "Socket Mode is turned off for this app (link_disabled); turn it on under Settings → Socket Mode at \
                 api.slack.com/apps"
                .to_owned(),
            patience: Patience::Mend,
        }
    }

    fn crowded() -> Failure {
        Failure {
            why: "this app has more than ten connections (too_many_websockets); stop other daemons that use its app \
                 token"
                .to_owned(),
            patience: Patience::Crowded,
        }
    }

    fn wait(&self, timings: &Timings, reopening: &mut Reopening) -> Duration {
        match self.patience {
            Patience::BackOff => reopening.after_failure(),
            Patience::Until(wait) => wait.max(reopening.after_failure()),
            Patience::Crowded => timings.crowded_retry + reopening.after_failure(),
            Patience::Mend => timings.alarm_retry,
        }
    }
}

impl From<WebError> for Failure {
    fn from(error: WebError) -> Failure {
        let patience = match &error {
            WebError::Credentials { .. } => Patience::Mend,
            WebError::Limited {
                after: Some(after), ..
            } => Patience::Until(*after),
            WebError::Limited { after: None, .. }
            | WebError::NotTaken { .. }
            | WebError::Unknown { .. }
            | WebError::Refused { .. } => Patience::BackOff,
        };
        Failure {
            why: error.to_string(),
            patience,
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<FencedStream>>;

/// Opens a WebSocket at a fresh URL. A URL works once, so each attempt requests its own.
async fn connect(door: &impl Connector, timings: &Timings) -> Result<Socket, Failure> {
    let url = door.open(timings.open_limit).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(FRAME_MAX));
    let tls = match url.starts_with("wss:") {
        true => Some(tokio_tungstenite::Connector::Rustls(
            tls::with_system_certificates().map_err(Failure::passing)?,
        )),
        false => None,
    };
    let upgrade = async {
        // Its URL is a secret: errors do not contain it.
        let to = url
            .parse()
            .map_err(|_| WsError::Url(UrlError::NoHostName))?;
        let stream = door.dial(&to).await?;
        client_async_tls_with_config(url, stream, Some(config), tls).await
    };
    match timeout(timings.upgrade_limit, upgrade).await {
        Ok(Ok((socket, _response))) => Ok(socket),
        // 408 and 409 are among them (docs/contracts/slack.md#disconnects-and-several-connections).
        Ok(Err(error)) => Err(Failure::passing(format!(
            "Slack refused the WebSocket: {error}"
        ))),
        Err(_) => Err(Failure::passing(format!(
            "the WebSocket did not open within {} s",
            timings.upgrade_limit.as_secs_f32()
        ))),
    }
}

// ---------------------------------------------------------------- a link

/// The state that a link reports.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// No `hello` yet.
    Opening,
    /// `connections` as Slack counts them.
    Up { connections: Option<u32> },
    /// Slack will close it soon: open the next one.
    Refresh,
    /// A new count of the links is needed: open the next one. No link reports this itself.
    Recount,
    /// `link_disabled`.
    Disabled,
    /// `too_many_websockets`.
    Crowded,
    /// It ended.
    Over(String),
}

/// A command to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Stay,
    /// The next link is up: read and acknowledge a little longer, then close.
    Retire,
}

/// The supervisor's handle of a link. Without it the link closes.
struct Link {
    state: watch::Receiver<State>,
    orders: watch::Sender<Order>,
}

impl Link {
    fn start(
        links: &mut JoinSet<()>,
        socket: Socket,
        intake: &Arc<dyn EventHandler>,
        timings: &Arc<Timings>,
        budget: &Budget,
        shutdown: &CancellationToken,
    ) -> Link {
        let (state_is, state) = watch::channel(State::Opening);
        let (orders, ordered) = watch::channel(Order::Stay);
        let reader = Reader {
            intake: Arc::clone(intake),
            timings: Arc::clone(timings),
            state: state_is,
            orders: ordered,
            shutdown: shutdown.clone(),
        };
        links.spawn(live(socket, reader, JobQueue::new(budget)));
        Link { state, orders }
    }

    /// Waits for `hello`, and returns how many links of the app Slack counts.
    async fn hello(&self, limit: Duration) -> Result<Option<u32>, Failure> {
        let mut state = self.state.clone();
        let greeted = timeout(limit, state.wait_for(|state| *state != State::Opening)).await;
        match greeted {
            Err(_) => Err(Failure::passing(format!(
                "Slack said no hello within {} s",
                limit.as_secs_f32()
            ))),
            Ok(Err(_)) => Err(Failure::passing("the connection ended")),
            Ok(Ok(state)) => match &*state {
                State::Up { connections } => Ok(*connections),
                State::Disabled => Err(Failure::disabled()),
                State::Crowded => Err(Failure::crowded()),
                State::Over(why) => Err(Failure::passing(format!("no hello from Slack: {why}"))),
                // It needs a successor already, and works until then.
                State::Opening | State::Refresh | State::Recount => Ok(None),
            },
        }
    }

    /// Waits until the link needs a successor.
    async fn leaving(&self) -> State {
        let mut state = self.state.clone();
        let left = state
            .wait_for(|state| !matches!(state, State::Opening | State::Up { .. }))
            .await;
        match left {
            Ok(state) => state.clone(),
            Err(_) => State::Over("its task ended".to_owned()),
        }
    }

    /// Retires the link, whose successor is up.
    fn retire(self) -> watch::Receiver<State> {
        self.orders.send_replace(Order::Retire);
        self.state
    }
}

fn is_over(state: &watch::Receiver<State>) -> bool {
    matches!(*state.borrow(), State::Over(_)) || state.has_changed().is_err()
}

/// A link, from its upgrade to its end.
async fn live(socket: Socket, mut reader: Reader, queue: JobQueue) {
    let timings = Arc::clone(&reader.timings);
    let (sink, mut stream) = socket.split();
    let (acks, to_write) = mpsc::channel(WRITE_QUEUE);
    let keeper = Arc::clone(&reader.intake);
    let state = reader.state.clone();
    {
        let taking = async {
            let keeping = keep(&queue, acks, keeper.as_ref());
            let reading = async {
                let why = reader.read(&mut stream, &queue).await;
                // The keeper ends when it has processed the queue.
                queue.close();
                becomes(&state, State::Over(why));
            };
            tokio::pin!(keeping, reading);
            tokio::select! {
                () = &mut reading => {
                    if timeout(timings.drain_limit, &mut keeping).await.is_err() {
                        tracing::warn!("the store is slow: envelopes of a closing connection stay unacknowledged");
                    }
                }
                () = &mut keeping => {}
            }
        };
        let writing = write(sink, to_write, &timings);
        tokio::pin!(taking, writing);
        tokio::select! {
            () = &mut taking => {
                // The acknowledgements' sender is gone: the writer sends the rest, then Close, and ends.
                let limit = timings.write_limit + timings.close_limit;
                if let Ok(Err(why)) = timeout(limit, &mut writing).await {
                    tracing::debug!(error = %why, "closing the connection to Slack");
                }
            }
            Err(why) = &mut writing => {
                // Unacknowledged envelopes are not lost: Slack delivers them again, and the store detects duplicates.
                becomes(&state, State::Over(why));
                return;
            }
        }
    }
    // Slack's half of the Close. It may leave TCP open: then it is dropped (docs/contracts/slack.md#disconnects-and-several-connections).
    let _ = timeout(timings.close_limit, async {
        while let Some(Ok(_)) = stream.next().await {}
    })
    .await;
}

/// The reading part of a link. It waits for frames only.
struct Reader {
    intake: Arc<dyn EventHandler>,
    timings: Arc<Timings>,
    state: watch::Sender<State>,
    orders: watch::Receiver<Order>,
    shutdown: CancellationToken,
}

impl Reader {
    /// Reads until the link ends, is retired, or the daemon stops; returns the reason.
    async fn read(&mut self, stream: &mut SplitStream<Socket>, queue: &JobQueue) -> String {
        let mut last_frame = Instant::now();
        let mut frames: u32 = 0;
        let mut retires_at: Option<Instant> = None;
        loop {
            let dead_at = last_frame + self.timings.dead_after;
            let frame = tokio::select! {
                () = self.shutdown.cancelled() => return "the daemon is stopping".to_owned(),
                order = self.orders.changed(), if retires_at.is_none() => {
                    if order.is_err() || *self.orders.borrow() == Order::Stay {
                        return "not needed".to_owned();
                    }
                    retires_at = Some(Instant::now() + self.timings.overlap);
                    continue;
                }
                () = sleep_until(retires_at.unwrap_or(dead_at)), if retires_at.is_some() => {
                    return "replaced by a new one".to_owned();
                }
                () = sleep_until(dead_at) => {
                    let silence = self.timings.dead_after.as_secs_f32();
                    return format!("no frame for {silence} s");
                }
                frame = stream.next() => frame,
            };
            last_frame = Instant::now();
            // In a flood the next frame is always ready: this lets the link's keeper and writer run, too.
            frames = frames.wrapping_add(1);
            if frames.is_multiple_of(FRAMES_IN_A_ROW) {
                tokio::task::yield_now().await;
            }
            match frame {
                Some(Ok(Message::Text(text))) => self.take(text.as_str(), queue),
                Some(Ok(Message::Close(_))) | None => return "Slack closed it".to_owned(),
                // tungstenite answers pings by itself, with the next read.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Binary(bytes))) => {
                    tracing::warn!(bytes = bytes.len(), "ignored a binary frame from Slack");
                }
                Some(Err(error)) => {
                    if matches!(error, WsError::Capacity(_)) {
                        Limit::Frame.reached(format_args!("Slack sent a frame of more than {FRAME_MAX} bytes; the connection ends, and the next is \
                             opened"));
                    }
                    return in_words(&error);
                }
            }
        }
    }

    /// Handles one text frame.
    fn take(&self, text: &str, queue: &JobQueue) {
        let Some(frame) = Frame::read(text) else {
            tracing::warn!(
                bytes = text.len(),
                "ignored a frame from Slack that is not JSON"
            );
            return;
        };
        match frame.kind.as_deref() {
            Some("hello") => {
                let connections = frame.num_connections;
                becomes(&self.state, State::Up { connections });
            }
            Some("disconnect") => {
                let reason = frame.reason.as_deref().unwrap_or_default();
                tracing::debug!(reason = controls::code(reason), "Slack asks to disconnect");
                let next = match reason {
                    "link_disabled" => State::Disabled,
                    "too_many_websockets" => State::Crowded,
                    _ => State::Refresh,
                };
                becomes(&self.state, next);
            }
            _ => {
                let Some(job) = Job::of(frame, text, self.intake.as_ref()) else {
                    return;
                };
                if let Some(job) = queue.push(job) {
                    self.turn_away(job, queue);
                }
            }
        }
    }

    /// Rejects an envelope for lack of room. An event stays unacknowledged, so that Slack delivers it again. The author
    /// of a command or a form gets an error.
    fn turn_away(&self, job: Job, queue: &JobQueue) {
        count(&job.kind, "dropped");
        if let Some((heard, _)) = &job.keep {
            self.intake.missed(heard);
        }
        Limit::Envelopes.reached(format_args!("{ENVELOPES_MAX} bytes of Slack's envelopes wait for the store; the next stay unacknowledged"));
        if let Some(told) = job.told() {
            queue.push_small(told);
        }
    }
}

/// A `Disabled` or `Crowded` state is kept when the link also ends.
fn becomes(state: &watch::Sender<State>, next: State) {
    state.send_if_modified(|state| {
        let stays = matches!(state, State::Disabled | State::Crowded | State::Over(_));
        if !stays {
            *state = next;
        }
        !stays
    });
}

/// The reason of a link's end, without its URL.
fn in_words(error: &WsError) -> String {
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => "Slack closed it".to_owned(),
        error => error.to_string(),
    }
}

// ---------------------------------------------------------------- envelopes

/// Counts the result of an envelope. All unknown types are counted as one, to bound their number.
fn count(kind: &str, result: &'static str) {
    let kind = match kind {
        "events_api" => "events_api",
        "interactive" => "interactive",
        "slash_commands" => "slash_commands",
        _ => "other",
    };
    metrics::counter!("ivan_slack_envelopes_total", "type" => kind, "result" => result)
        .increment(1);
}

/// An envelope to be acknowledged, perhaps after it is stored.
struct Job {
    /// When it was read.
    arrived: Instant,
    envelope_id: Option<String>,
    kind: String,
    keep: Option<(IncomingMessage, String)>,
    /// The acknowledgement's message to the person.
    response: Option<Value>,
    /// Its replacements if Slack does not deliver it again: if it cannot be stored, and if that takes long.
    instead: Option<(Value, Value)>,
}

impl Job {
    /// The work for a frame; `None` if there is none.
    fn of(frame: Frame, raw: &str, intake: &dyn EventHandler) -> Option<Job> {
        let envelope_id = frame.envelope_id;
        let kind = frame.kind.unwrap_or_default();
        let envelope = envelope_id.as_deref().map(controls::code);
        let (mut keep, mut response, mut instead) = (None, None, None);
        match kind.as_str() {
            "events_api" => {
                let callback = Callback::read(frame.payload);
                if callback.kind.as_deref() == Some("app_rate_limited") {
                    count(&kind, "rate_limited");
                    intake.events_are_left_out();
                    tracing::warn!(
                        "Slack drops events: the workspace is over its hourly limit (app_rate_limited)"
                    );
                } else {
                    // Retries are processed, because events of an outage arrive as retries (docs/contracts/slack.md#redelivery).
                    let retry = frame.retry_attempt;
                    let reason = frame.retry_reason.as_deref().map(controls::code);
                    match intake.judge(&callback) {
                        Ok(heard) => {
                            tracing::debug!(envelope, retry, reason, "message received");
                            if retry.is_some_and(|retry| retry > 0) {
                                intake.missed(&heard);
                            }
                            keep = Some((heard, raw.to_owned()));
                        }
                        Err(why) => {
                            count(&kind, why.as_str());
                            tracing::debug!(
                                envelope,
                                retry,
                                reason = why.as_str(),
                                "event ignored"
                            );
                        }
                    }
                }
            }
            // Not delivered twice: the acknowledgement reports that it cannot be stored (docs/contracts/slack.md#redelivery).
            "slash_commands" | "interactive" => {
                let says = frame.accepts_response_payload == Some(true);
                match intake.understand(&kind, frame.payload) {
                    Ok(GestureRequest::Keep {
                        heard,
                        failed,
                        slow,
                    }) => {
                        keep = Some((*heard, without_secrets(raw)));
                        instead = (says && !failed.is_null()).then_some((failed, slow));
                    }
                    Ok(GestureRequest::Open(opening)) => {
                        count(&kind, "opened");
                        intake.open(*opening);
                    }
                    Ok(GestureRequest::Say(said)) => {
                        count(&kind, "answered");
                        response = Some(said).filter(|_| says);
                    }
                    Err(why) => {
                        count(&kind, why.as_str());
                        tracing::debug!(
                            envelope,
                            kind,
                            reason = why.as_str(),
                            "interaction ignored"
                        );
                    }
                }
            }
            _ => {
                count(&kind, "unanswered");
                let kind = controls::code(&kind);
                tracing::warn!(envelope, kind, "unknown envelope type");
            }
        }
        let is_work = envelope_id.is_some() || keep.is_some();
        is_work.then_some(Job {
            arrived: Instant::now(),
            envelope_id,
            kind,
            keep,
            response,
            instead,
        })
    }

    /// Whether it is urgent: a person watches the screen until the acknowledgement, or there is nothing to commit.
    fn goes_first(&self) -> bool {
        self.keep.is_none() || self.kind != "events_api"
    }

    /// The author of its message or gesture.
    fn user(&self) -> Option<&str> {
        self.keep.as_ref().map(|(heard, _)| heard.user.as_str())
    }

    /// Its approximate memory: the raw and the parsed envelope.
    fn bytes(&self) -> usize {
        let kept = self.keep.as_ref();
        JOB_BYTES + kept.map_or(0, |(heard, raw)| raw.len() + heard.text.len())
    }

    /// Its acknowledgement without storing, as an error; `None` if Slack delivers it again or shows an error itself.
    fn told(self) -> Option<Job> {
        let (failed, _) = self.instead?;
        Some(Job {
            keep: None,
            response: Some(failed),
            instead: None,
            ..self
        })
    }

    /// Commits its message, if it has one; then the acknowledgement, unless that failed.
    async fn commit(mut self, intake: &dyn EventHandler) -> Option<Message> {
        let envelope = self.envelope_id.as_deref().map(controls::code);
        if let Some((heard, raw)) = self.keep {
            let keeping = intake.keep(heard, raw);
            let says = self.instead.is_some();
            let kept = match self.instead.take() {
                None => keeping.await,
                Some((failed, slow)) => match timeout_at(self.arrived + KEEP_WITHIN, keeping).await
                {
                    Ok(Ok(kept)) => Ok(kept),
                    Ok(Err(trouble)) => {
                        count(&self.kind, "not_kept");
                        match INTERACTION_NOT_KEPT.pass(Instant::now()) {
                            Some(suppressed) => {
                                tracing::error!(envelope, kind = self.kind, suppressed, error = %trouble, "interaction not stored; its person is told");
                            }
                            None => {
                                tracing::debug!(envelope, kind = self.kind, error = %trouble, "interaction not stored; its person is told");
                            }
                        }
                        return acknowledgement(self.envelope_id, Some(failed));
                    }
                    // It may still be stored: the write under way is completed.
                    Err(_) => {
                        count(&self.kind, "slow");
                        match SLOW_STORE.pass(Instant::now()) {
                            Some(suppressed) => tracing::warn!(
                                envelope,
                                kind = self.kind,
                                suppressed,
                                "the store is slow: interaction acknowledged before it is stored"
                            ),
                            None => tracing::debug!(
                                envelope,
                                kind = self.kind,
                                "the store is slow: interaction acknowledged before it is stored"
                            ),
                        }
                        return acknowledgement(self.envelope_id, Some(slow));
                    }
                },
            };
            match kept {
                Ok(Acceptance::Faulty(faults)) => {
                    count(&self.kind, "answered");
                    let said = says.then(|| errors(&faults));
                    return acknowledgement(self.envelope_id, said);
                }
                Ok(Acceptance::Taken(Inserted::New)) => count(&self.kind, "kept"),
                Ok(Acceptance::Taken(Inserted::NotForUs)) => {
                    count(&self.kind, Ignored::NotForUs.as_str());
                }
                Ok(Acceptance::Taken(Inserted::Duplicate)) => {
                    count(&self.kind, "duplicate");
                    tracing::debug!(envelope, "duplicate envelope");
                }
                Err(trouble) => {
                    count(&self.kind, "not_kept");
                    if let Some(unsaid) = NOT_KEPT.pass(Instant::now()) {
                        tracing::error!(envelope, kind = self.kind, suppressed = unsaid, error = %trouble, "message not stored and not acknowledged; Slack will deliver it again");
                    }
                    return None;
                }
            }
        }
        acknowledgement(self.envelope_id, self.response)
    }
}

/// The frame that acknowledges an envelope, with a message to the person.
fn acknowledgement(envelope_id: Option<String>, says: Option<Value>) -> Option<Message> {
    let mut ack = json!({"envelope_id": envelope_id?});
    if let (Some(says), Some(ack)) = (says, ack.as_object_mut()) {
        ack.insert("payload".to_owned(), says);
    }
    Some(Message::text(ack.to_string()))
}

/// Commits jobs, many at once, and acknowledges each as soon as it is committed. Ends with the queue.
async fn keep(queue: &JobQueue, acks: mpsc::Sender<Message>, intake: &dyn EventHandler) {
    type Commit<'a> = Pin<Box<dyn Future<Output = Option<Message>> + Send + 'a>>;
    let mut commits: FuturesUnordered<Commit> = FuturesUnordered::new();
    let mut more = true;
    while more || !commits.is_empty() {
        let events = commits.len() < COMMITS_MAX;
        let done = tokio::select! {
            biased;
            Some(done) = commits.next() => done,
            job = queue.next(events), if more => match job {
                None => {
                    more = false;
                    None
                }
                Some(Held { job, room }) => {
                    // Each is begun before the next is taken, so that a person's messages are committed in the order of
                    // arrival (P3).
                    let mut commit: Commit = Box::pin(async move {
                        let done = job.commit(intake).await;
                        drop(room);
                        done
                    });
                    match std::future::poll_fn(|cx| Poll::Ready(commit.as_mut().poll(cx))).await {
                        Poll::Ready(done) => done,
                        Poll::Pending => {
                            commits.push(commit);
                            None
                        }
                    }
                }
            },
        };
        if let Some(ack) = done {
            // It fails only when the link is over: then Slack delivers again.
            let _ = acks.send(ack).await;
        }
    }
}

/// Writes frames, several at once, and our own pings; after the last frame it sends Close.
async fn write(
    mut sink: SplitSink<Socket, Message>,
    mut frames: mpsc::Receiver<Message>,
    timings: &Timings,
) -> Result<(), String> {
    let mut pings = interval_at(Instant::now() + timings.ping_every, timings.ping_every);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut together = Vec::with_capacity(WRITES_AT_ONCE);
    loop {
        tokio::select! {
            biased;
            written = frames.recv_many(&mut together, WRITES_AT_ONCE) => if written == 0 {
                break;
            },
            _ = pings.tick() => together.push(Message::Ping(Vec::new().into())),
        }
        let frames = std::mem::take(&mut together);
        send(&mut sink, frames, timings.write_limit).await?;
    }
    send(&mut sink, vec![Message::Close(None)], timings.close_limit).await
}

async fn send(
    sink: &mut SplitSink<Socket, Message>,
    frames: Vec<Message>,
    limit: Duration,
) -> Result<(), String> {
    let sending = async {
        for frame in frames {
            sink.feed(frame).await?;
        }
        sink.flush().await
    };
    match timeout(limit, sending).await {
        Ok(sent) => sent.map_err(|error: WsError| in_words(&error)),
        Err(_) => Err(format!(
            "a frame could not be written within {} s",
            limit.as_secs_f32()
        )),
    }
}

#[cfg(test)]
mod tests;
