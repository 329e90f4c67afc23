//! Webhooks: a signed request → a delivery that the inbox stores. Each configured source has a route, and
//! reads its own requests ([`WebhookReader`]); no source is named here.
//!
//! ```text
//! receive (size, time) ─ verify (raw bytes, constant time) ─ read (event, dedupe key) ─ keep (committed) ─ 2xx
//! ```
//!
//! The listener is open to strangers. Before the signature is verified nothing is stored, only the id of the webhook is
//! read, to find its secret, and little is buffered or logged. Processing follows the 2xx (docs/contracts/github.md#delivery, docs/contracts/clickup.md#delivery), so the answer never depends on the meaning of a payload.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::connections::counted;
use super::serving::{PeerAddress, TooSlow};
use crate::clock::Clock;
use crate::commands::StoreError;
use crate::domain::controls;
use crate::domain::source::{Delivery, DeliveryRefusal, Headers, SignatureCheck, WebhookReader};
use crate::domain::task::Source;
use crate::inbox::{Inbox, Inserted, NotKept};
use crate::limits::{LogThrottle, ReasonThrottle};
use crate::runtime::{RateLimiter, lock};

/// The part of the inbox that is needed here; [`Inbox`] documents the guarantees of each method.
#[async_trait]
pub trait DeliveryStore: Send + Sync + 'static {
    /// Committed when this returns (P1).
    async fn keep(&self, delivery: Delivery) -> Result<Inserted, NotKept>;
    /// The secrets that may have signed a delivery of the webhook `hook`; for `None`, of any webhook of the source. If
    /// a source has none at all, it has no route (P6). They may be as old as [`crate::inbox::SECRETS_FOR`].
    async fn secrets(&self, source: Source, hook: Option<&str>) -> Result<Vec<String>, StoreError>;
    /// Reads the secrets of a source again: one may have been registered since.
    async fn learn_secrets(&self, source: Source) -> Result<(), StoreError>;
}

#[async_trait]
impl DeliveryStore for Inbox {
    async fn keep(&self, delivery: Delivery) -> Result<Inserted, NotKept> {
        let source = delivery.source;
        let kept = Inbox::keep(self, delivery).await?;
        self.has_delivered(source);
        Ok(kept)
    }
    async fn secrets(&self, source: Source, hook: Option<&str>) -> Result<Vec<String>, StoreError> {
        Inbox::secrets(self, source, hook).await
    }
    async fn learn_secrets(&self, source: Source) -> Result<(), StoreError> {
        Inbox::learn_secrets(self, source).await
    }
}

/// The webhooks' routes, one for each of the `sources`, and no others; to be served with [`super::serve_hooks`].
pub fn hooks_router(
    keeps: impl DeliveryStore,
    sources: impl IntoIterator<Item = Arc<dyn WebhookReader>>,
    clock: Clock,
) -> Router {
    router(keeps, sources, clock, Limits::default())
}

fn router(
    keeps: impl DeliveryStore,
    sources: impl IntoIterator<Item = Arc<dyn WebhookReader>>,
    clock: Clock,
    limits: Limits,
) -> Router {
    let hooks = Arc::new(Hooks::new(keeps, clock, limits));
    let mut router = Router::new();
    for reader in sources {
        let path = format!("/webhooks/{}", reader.source());
        let route = Arc::new(Route::new(reader, Arc::clone(&hooks)));
        router = router.route(&path, any(take).with_state(route));
    }
    router
        .route("/healthz", get(healthz))
        .fallback(nothing_here)
        .method_not_allowed_fallback(nothing_here)
}

/// The limits of a request; tests shorten them.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The time for a body to arrive. Senders give up after ten seconds (docs/contracts/github.md#delivery).
    body_within: Duration,
    /// The time for one step of the store, of which there are two: reading secrets, and storing. The most impatient sender gives up after seven
    /// seconds (docs/contracts/clickup.md#delivery).
    store_within: Duration,
    /// Bodies up to this many bytes are accepted on every connection at once; nearly all deliveries are smaller.
    small: usize,
    /// Further bytes of all larger bodies together: strangers may open every connection and send the largest on each.
    room: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_within: Duration::from_secs(10),
            store_within: Duration::from_secs(3),
            small: 64 * 1024,
            room: 128 * 1024 * 1024,
        }
    }
}

/// The most distinct secrets with which a body is compared, and how many of them while it arrives.
const SECRETS_MAX: usize = 3;
const EARLY_MAX: usize = 2;
/// A body longer than [`Limits::small`] is hashed in parts of this size on threads that may be busy for long.
const HASHED_AT_ONCE: usize = 1024 * 1024;
/// How often requests may have the secrets of a source read again, after a burst.
const LEARN_EVERY: Duration = Duration::from_secs(1);
const LEARN_BURST: u32 = 10;
/// The number of addresses whose refusals are logged on their own; all others share a line.
const ADDRESSES_MAX: usize = 256;
/// The wait before a source should retry, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

struct Hooks {
    keeps: Box<dyn DeliveryStore>,
    clock: Clock,
    limits: Limits,
    /// The remaining bytes for larger bodies.
    room: Arc<Semaphore>,
    /// How often forged requests may have the secrets read again.
    learns: RateLimiter,
    /// Throttles the log of deliveries that the store refused.
    unkept: LogThrottle,
    /// Throttles the log of deliveries that the store did not commit in time.
    slow: LogThrottle,
}

impl Hooks {
    fn new(keeps: impl DeliveryStore, clock: Clock, limits: Limits) -> Hooks {
        Hooks {
            keeps: Box::new(keeps),
            clock,
            room: Arc::new(Semaphore::new(limits.room)),
            limits,
            learns: RateLimiter::new(LEARN_EVERY, LEARN_BURST),
            unkept: LogThrottle::default(),
            slow: LogThrottle::default(),
        }
    }

    /// The secrets that may have signed a delivery of the webhook `hook`. An unknown webhook is checked against all of
    /// them: a source may deliver from a new webhook before its id is stored here.
    async fn secrets(&self, source: Source, hook: Option<&str>) -> Result<Vec<String>, Why> {
        let asked = async {
            let of_hook = self.known_secrets(source, hook).await?;
            if of_hook.is_empty() && hook.is_some() {
                return self.known_secrets(source, None).await;
            }
            Ok(of_hook)
        };
        in_time(self.limits.store_within, asked).await
    }

    /// Reads the secrets of a source again, unless many requests have caused that lately. `false` if they are unchanged.
    async fn learn_secrets(&self, source: Source) -> Result<bool, Why> {
        if !self.learns.take_now(source.as_str(), Instant::now()) {
            return Ok(false);
        }
        in_time(self.limits.store_within, self.keeps.learn_secrets(source)).await?;
        Ok(true)
    }

    /// The known secrets, each once, without empty ones, which anyone could use.
    async fn known_secrets(
        &self,
        source: Source,
        hook: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        let mut secrets = self.keeps.secrets(source, hook).await?;
        let mut seen = BTreeSet::new();
        secrets.retain(|secret| !secret.trim().is_empty() && seen.insert(secret.clone()));
        Ok(secrets)
    }

    /// Stores a delivery with its share of the room for larger bodies. A write that takes longer than the answer still
    /// holds the body, and so its share: otherwise each repetition of the source would add to the memory.
    async fn keep(self: &Arc<Self>, verified: Verified) -> Result<Inserted, Why> {
        let within = self.limits.store_within;
        let Verified { delivery, room } = verified;
        let Some(room) = room else {
            return in_time(within, self.keeps.keep(delivery)).await;
        };
        let hooks = Arc::clone(self);
        let keeping = tokio::spawn(async move {
            let kept = hooks.keeps.keep(delivery).await;
            drop(room);
            kept
        });
        match timeout(within, keeping).await {
            Ok(Ok(kept)) => kept.map_err(Why::from),
            Ok(Err(ended)) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Why::SlowStore(within)),
            },
            Err(_) => Err(Why::SlowStore(within)),
        }
    }
}

/// Limits the wait for the store. A write still under way may be committed all the same: a repetition finds it.
async fn in_time<T, E: Into<Why>>(
    within: Duration,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, Why> {
    match timeout(within, asked).await {
        Ok(answered) => answered.map_err(E::into),
        Err(_) => Err(Why::SlowStore(within)),
    }
}

/// One source's route.
struct Route {
    source: Source,
    reader: Arc<dyn WebhookReader>,
    hooks: Arc<Hooks>,
    refusals: Refusals,
    /// Throttles the log of signed webhooks that cannot be read.
    unreadable: ReasonThrottle,
}

/// Throttles the log of refusals: a line a minute for each address.
#[derive(Default)]
struct Refusals {
    of: Mutex<HashMap<IpAddr, Arc<LogThrottle>>>,
    /// For the addresses beyond the limit.
    others: LogThrottle,
}

impl Refusals {
    /// Returns `Some` if a refusal of this address is to be logged, with the number of lines skipped since the last one.
    fn pass(&self, address: Option<IpAddr>, now: Instant) -> Option<u64> {
        let Some(address) = address else {
            return self.others.pass(now);
        };
        let address = counted(address);
        let mut of = lock(&self.of);
        if of.len() >= ADDRESSES_MAX && !of.contains_key(&address) {
            of.retain(|_, throttle| throttle.is_held(now));
        }
        if of.len() >= ADDRESSES_MAX && !of.contains_key(&address) {
            drop(of);
            return self.others.pass(now);
        }
        let throttle = Arc::clone(of.entry(address).or_default());
        drop(of);
        throttle.pass(now)
    }
}

async fn take(State(route): State<Arc<Route>>, request: Request) -> Response {
    let peer = request.extensions().get::<PeerAddress>();
    let peer = peer.map(|PeerAddress(address)| *address);
    let kept = match verify(request, &route).await {
        Ok(verified) => route.keep(verified).await,
        Err(why) => Err(why),
    };
    match kept {
        Ok(kept) => {
            let status = match kept {
                Inserted::New => "accepted",
                Inserted::Duplicate => "duplicate",
                Inserted::NotForUs => "ignored",
            };
            count(route.source, status);
            Json(json!({ "status": status })).into_response()
        }
        Err(why) => {
            count(route.source, why.word());
            route.say(&why, peer);
            route.refuse(&why)
        }
    }
}

fn count(source: Source, result: &'static str) {
    metrics::counter!("ivan_deliveries_total", "source" => source.as_str(), "result" => result)
        .increment(1);
}

async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn nothing_here() -> Response {
    refusal(StatusCode::NOT_FOUND, "There is nothing here")
}

impl Route {
    fn new(reader: Arc<dyn WebhookReader>, hooks: Arc<Hooks>) -> Route {
        Route {
            source: reader.source(),
            reader,
            hooks,
            refusals: Refusals::default(),
            unreadable: ReasonThrottle::default(),
        }
    }

    async fn keep(&self, verified: Verified) -> Result<Inserted, Why> {
        let delivery = &verified.delivery;
        let (key, event) = (delivery.dedupe_key.clone(), delivery.event.clone());
        let kept = self.hooks.keep(verified).await?;
        let source = self.source;
        tracing::debug!(%source, delivery = key, event, ?kept, "webhook delivery");
        Ok(kept)
    }

    /// Logs one line for the operator. Warnings that others can cause are throttled, so that they cannot fill the log.
    fn say(&self, why: &Why, peer: Option<IpAddr>) {
        let source = self.source;
        let what = self.in_words(why);
        match why {
            Why::Ignored(event) => {
                let event = controls::code(event);
                tracing::debug!(%source, event, "webhook event ignored");
            }
            Why::Unknown(event) => {
                let event = controls::code(event);
                tracing::info!(%source, event, "unknown webhook event ignored");
            }
            Why::Unreadable(_) => match self.unreadable.pass(&what, Instant::now()) {
                Some(suppressed) => {
                    tracing::warn!(%source, suppressed, error = what, "signed webhook ignored");
                }
                None => {
                    tracing::debug!(%source, error = what, "signed webhook ignored");
                }
            },
            // The limit has logged it already.
            Why::Full => tracing::debug!(%source, error = what, "webhook rejected"),
            // No action is needed: the source is asked to repeat it, and a poll finds it. It may even be stored by now.
            Why::SlowStore(within) => {
                if let Some(unsaid) = self.hooks.slow.pass(Instant::now()) {
                    let seconds = within.as_secs_f32();
                    tracing::warn!(%source, suppressed = unsaid, seconds, "webhook answered 503: the store did not respond in time; the next poll finds its changes");
                }
            }
            Why::Store(why) => {
                if let Some(unsaid) = self.hooks.unkept.pass(Instant::now()) {
                    tracing::error!(%source, suppressed = unsaid, error = %why, "webhook answered 503: it could not be stored; the next poll finds its changes");
                }
            }
            Why::NoRoute => {
                tracing::debug!(%source, "webhook rejected: no secret is known");
            }
            Why::Unsigned
            | Why::BadSignature
            | Why::TooLarge
            | Why::Slow
            | Why::CutOff
            | Why::Busy => {
                if let Some(unsaid) = self.refusals.pass(peer, Instant::now()) {
                    let result = why.word();
                    let from = peer.map(tracing::field::display);
                    tracing::warn!(%source, from, result, suppressed = unsaid, error = what, "webhook rejected: compare the secret with the source's (`ivan webhooks list`), or the sender \
                         is a stranger");
                }
            }
        }
    }

    /// The text for the log, and for the page where the source shows our answer.
    fn in_words(&self, why: &Why) -> String {
        match why {
            Why::Ignored(_) => "This event is ignored".to_owned(),
            Why::Unknown(_) => "Unknown event".to_owned(),
            Why::Unreadable(why) => why.clone(),
            Why::NoRoute => "There is nothing here".to_owned(),
            Why::Unsigned => format!(
                "Not signed: the header `{}` is missing",
                self.reader.terms().signature
            ),
            Why::BadSignature => "The signature matches no secret".to_owned(),
            Why::TooLarge => "The body is too large".to_owned(),
            Why::Slow => "The body did not arrive in time".to_owned(),
            Why::CutOff => "The body is incomplete".to_owned(),
            Why::Busy => "Too many large bodies at once; send it again".to_owned(),
            Why::Full => "Too many deliveries are waiting; send it again".to_owned(),
            Why::Store(_) | Why::SlowStore(_) => "It could not be stored; send it again".to_owned(),
        }
    }

    fn refuse(&self, why: &Why) -> Response {
        let words = self.in_words(why);
        let status = match why {
            Why::Ignored(_) | Why::Unknown(_) | Why::Unreadable(_) => {
                return Json(json!({ "status": "ignored", "detail": words })).into_response();
            }
            Why::NoRoute => StatusCode::NOT_FOUND,
            Why::Unsigned | Why::BadSignature => match self.reader.terms().suspends_at_401 {
                true => StatusCode::FORBIDDEN,
                false => StatusCode::UNAUTHORIZED,
            },
            Why::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Why::Slow => StatusCode::REQUEST_TIMEOUT,
            Why::CutOff => StatusCode::BAD_REQUEST,
            Why::Busy | Why::Full | Why::Store(_) | Why::SlowStore(_) => {
                let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, &words);
                let headers = response.headers_mut();
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
                return response;
            }
        };
        refusal(status, &words)
    }
}

// ---------------------------------------------------------------- requests

/// A delivery whose signature is valid. It can only be made by verification.
struct Verified {
    delivery: Delivery,
    /// Its share of the room for larger bodies.
    room: Option<OwnedSemaphorePermit>,
}

async fn verify(request: Request, route: &Route) -> Result<Verified, Why> {
    let Route {
        source,
        reader,
        hooks,
        ..
    } = route;
    let (source, limits) = (*source, hooks.limits);
    let (parts, body) = request.into_parts();
    // Checked here and not by the router, whose refusal would name the allowed method.
    if parts.method != Method::POST {
        return Err(Why::NoRoute);
    }
    let headers = texts(&parts.headers);
    let body_max = reader.terms().body_max;
    let mut arriving = Arriving::new(body, body_max, limits);
    let length = declared(&parts.headers);
    let refused = if length.is_some_and(|length| length > body_max) {
        Some(Why::TooLarge)
    } else if !reader.has_signature(&headers) {
        Some(Why::Unsigned)
    } else {
        None
    };
    if let Some(why) = refused {
        let hook = reader.hook_id(&headers, &[]);
        let knows_any = async || -> Result<bool, Why> {
            Ok(!hooks.secrets(source, hook.as_deref()).await?.is_empty())
        };
        let is_known =
            knows_any().await? || hooks.learn_secrets(source).await? && knows_any().await?;
        return Err(match is_known {
            true => why,
            false => Why::NoRoute,
        });
    }
    // The signature is verified while the body arrives, for the secrets that are known now.
    let hook = reader.hook_id(&headers, &[]);
    let known = hooks.secrets(source, hook.as_deref()).await?;
    let early = known.into_iter().take(EARLY_MAX);
    let early: Checks = early
        .map(|secret| {
            let check = reader.check(&headers, &secret);
            (secret, check)
        })
        .collect();
    let (received, room) = arriving.receive(&hooks.room, length, early).await?;
    let hook = reader.hook_id(&headers, &received.body);
    let mut compared = Compared {
        reader: reader.as_ref(),
        headers: &headers,
        received,
        small: limits.small,
    };
    let mut secrets = hooks.secrets(source, hook.as_deref()).await?;
    let mut is_signed = compared.is_signed_by_any(&secrets).await;
    // `ivan webhooks` may have registered one meanwhile.
    if !is_signed && hooks.learn_secrets(source).await? {
        secrets = hooks.secrets(source, hook.as_deref()).await?;
        is_signed = compared.is_signed_by_any(&secrets).await;
    }
    match (is_signed, secrets.is_empty()) {
        (true, _) => {}
        (false, true) => return Err(Why::NoRoute),
        (false, false) => return Err(Why::BadSignature),
    }
    let body = compared.received.body;
    let (reader, now) = (Arc::clone(reader), hooks.clock.now());
    let delivery = match body.len() > limits.small {
        false => reader.delivery(&headers, body, now)?,
        // Reading so much takes a while.
        true => {
            let headers = parts.headers.clone();
            let read = move || reader.delivery(&texts(&headers), body, now);
            busy(read).await?
        }
    };
    Ok(Verified { delivery, room })
}

/// The headers that are text.
fn texts(headers: &HeaderMap) -> Headers<'_> {
    let pairs = headers.iter();
    pairs
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect()
}

/// Runs long work on a thread that may be busy.
async fn busy<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// A body whose signature is compared with one secret after the other.
struct Compared<'a> {
    reader: &'a dyn WebhookReader,
    headers: &'a Headers<'a>,
    received: Received,
    /// The length of bodies that are hashed at once.
    small: usize,
}

impl Compared<'_> {
    /// Whether any of these secrets signed the body. No more than [`SECRETS_MAX`] are compared with it in all.
    async fn is_signed_by_any(&mut self, secrets: &[String]) -> bool {
        for secret in secrets {
            let checks = &self.received.checks;
            let known = checks.iter().find(|(known, _)| known == secret);
            let holds = match known {
                Some((_, check)) => check.holds(),
                None if checks.len() >= SECRETS_MAX => false,
                None => self.is_signed_by(secret).await,
            };
            if holds {
                return true;
            }
        }
        false
    }

    async fn is_signed_by(&mut self, secret: &str) -> bool {
        let check = self.reader.check(self.headers, secret);
        let one = Received {
            body: std::mem::take(&mut self.received.body),
            checks: vec![(secret.to_owned(), check)],
        };
        let Received { body, checks } = one.hashed(0, self.small).await;
        self.received.body = body;
        let holds = checks.iter().all(|(_, check)| check.holds());
        self.received.checks.extend(checks);
        holds
    }
}

fn declared(headers: &HeaderMap) -> Option<usize> {
    let length = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    length.parse().ok()
}

/// Verifications under way, each with its secret.
type Checks = Vec<(String, Box<dyn SignatureCheck>)>;

/// A body, and the checks that have read all of it.
struct Received {
    body: Vec<u8>,
    checks: Checks,
}

impl Received {
    /// Hashes the rest of the body after `from`, for all checks.
    fn hash(mut self, from: usize) -> Received {
        let rest = self.body.get(from..).unwrap_or_default();
        for (_, check) in &mut self.checks {
            check.update(rest);
        }
        self
    }

    /// The same, elsewhere if the rest is longer than `small`.
    async fn hashed(self, from: usize, small: usize) -> Received {
        match self.body.len().saturating_sub(from) > small {
            true => busy(move || self.hash(from)).await,
            false => self.hash(from),
        }
    }
}

/// A body on its way, with a deadline.
struct Arriving {
    stream: BodyDataStream,
    /// The largest accepted size.
    body_max: usize,
    until: Instant,
    limits: Limits,
}

impl Arriving {
    fn new(body: Body, body_max: usize, limits: Limits) -> Arriving {
        Arriving {
            stream: body.into_data_stream(),
            body_max,
            until: Instant::now() + limits.body_within,
            limits,
        }
    }

    /// Receives all of it, with its share of the `room`. The checks read it meanwhile. `length` is the size that the request
    /// declares.
    async fn receive(
        &mut self,
        room: &Arc<Semaphore>,
        length: Option<usize>,
        checks: Checks,
    ) -> Result<(Received, Option<OwnedSemaphorePermit>), Why> {
        let received = timeout_at(self.until, self.collect(room, length, checks)).await;
        received.unwrap_or(Err(Why::Slow))
    }

    async fn collect(
        &mut self,
        room: &Arc<Semaphore>,
        length: Option<usize>,
        checks: Checks,
    ) -> Result<(Received, Option<OwnedSemaphorePermit>), Why> {
        let mut taken: Option<OwnedSemaphorePermit> = None;
        // A declared size is believed as far as every connection may have it.
        let mut received = Received {
            body: Vec::with_capacity(length.unwrap_or(0).min(self.limits.small)),
            checks,
        };
        let mut hashed = 0;
        while let Some(chunk) = self.stream.next().await {
            let chunk = chunk.map_err(|error| match TooSlow::is_in(&error) {
                true => Why::Slow,
                false => Why::CutOff,
            })?;
            let body = &mut received.body;
            let length = body.len() + chunk.len();
            if length > self.body_max {
                return Err(Why::TooLarge);
            }
            let large = length.saturating_sub(self.limits.small);
            let has = taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            if large > has {
                let more = u32::try_from(large - has).map_err(|_| Why::TooLarge)?;
                let more = Arc::clone(room).try_acquire_many_owned(more);
                let more = more.map_err(|_| Why::Busy)?;
                match &mut taken {
                    Some(taken) => taken.merge(more),
                    None => taken = Some(more),
                }
            }
            // Exact growth: by default the buffer would double.
            if body.capacity() < length {
                body.reserve_exact(chunk.len().max(body.len() / 4));
            }
            body.extend_from_slice(&chunk);
            let small = self.limits.small;
            if length <= small || length - hashed >= HASHED_AT_ONCE {
                received = received.hashed(hashed, small).await;
                hashed = length;
            }
        }
        let received = received.hashed(hashed, self.limits.small).await;
        Ok((received, taken))
    }
}

// ---------------------------------------------------------------- answers

/// The reason why nothing is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    /// A signed event that is known and irrelevant.
    Ignored(String),
    /// A signed event with an unknown name.
    Unknown(String),
    /// Signed, and against the contract.
    Unreadable(String),
    /// No secret for the source, so no route (P6); or a method other than POST.
    NoRoute,
    /// No signature, or none of the right form.
    Unsigned,
    BadSignature,
    TooLarge,
    /// The body did not arrive in time.
    Slow,
    /// The connection ended within the body.
    CutOff,
    /// Larger bodies fill the room.
    Busy,
    /// The inbox is full.
    Full,
    Store(String),
    /// The store did not answer within that time.
    SlowStore(Duration),
}

impl From<StoreError> for Why {
    fn from(trouble: StoreError) -> Why {
        Why::Store(trouble.to_string())
    }
}

impl From<DeliveryRefusal> for Why {
    fn from(none: DeliveryRefusal) -> Why {
        match none {
            DeliveryRefusal::Ignored(event) => Why::Ignored(event),
            DeliveryRefusal::Unknown(event) => Why::Unknown(event),
            DeliveryRefusal::Unreadable(why) => Why::Unreadable(why),
        }
    }
}

impl From<NotKept> for Why {
    fn from(not_kept: NotKept) -> Why {
        match not_kept {
            NotKept::Full { .. } => Why::Full,
            NotKept::Store(trouble) => trouble.into(),
        }
    }
}

impl Why {
    /// The name in metrics.
    fn word(&self) -> &'static str {
        match self {
            Why::Ignored(_) => "ignored",
            Why::Unknown(_) => "unknown",
            Why::Unreadable(_) => "unreadable",
            Why::NoRoute => "no_route",
            Why::Unsigned => "unsigned",
            Why::BadSignature => "bad_signature",
            Why::TooLarge => "too_large",
            Why::Slow => "slow",
            Why::CutOff => "cut_off",
            Why::Busy => "busy",
            Why::Full => "full",
            Why::Store(_) | Why::SlowStore(_) => "store",
        }
    }
}

fn refusal(status: StatusCode, detail: &str) -> Response {
    let body = Json(json!({ "status": "refused", "detail": detail }));
    (status, body).into_response()
}

#[cfg(test)]
mod tests;
