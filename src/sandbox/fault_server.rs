//! The HTTP server in front of one sandbox service. It records every request in a journal and injects the faults that a
//! test sets. The service behind it is an ordinary [`axum::Router`] without any of this.
//!
//! It has its own accept loop over hyper's HTTP/1. The most important faults (a connection closed after the write was
//! applied, an answer that never comes) cannot be expressed with axum's server.

use std::convert::Infallible;
use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, broadcast, watch};

use super::now;

/// The largest request body in bytes: above the limits of all three services.
const BODY_LIMIT: usize = 32 * 1024 * 1024;
/// How many requests a slow subscriber can miss before the oldest are lost.
const SUBSCRIBER_LAG: usize = 4096;

/// One service's server. Clones share it. It closes on [`FaultServer::close`] or when the last clone is dropped.
#[derive(Clone)]
pub struct FaultServer {
    shared: Arc<Shared>,
    _open: Arc<Open>,
}

/// One request, from its arrival to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// The time it was fully read, in milliseconds since the epoch.
    pub at_ms: i64,
    /// In capitals: `POST`.
    pub method: String,
    /// The path as sent, percent-encoded.
    pub path: String,
    /// The query as sent, without the `?`; empty if there is none.
    pub query: String,
    /// The body as text; bytes that are not UTF-8 are replaced.
    pub body: String,
    /// The headers in the order sent, names in lower case, credentials masked.
    pub headers: Vec<(String, String)>,
    /// The status of the answer. `None` while it is under way, and for good if the connection was dropped.
    pub status: Option<u16>,
    /// Whether the service applied it: the request reached it, and its own answer was below 400. The client may have
    /// got another answer.
    pub applied: bool,
    /// Its place among the requests applied by this server; `None` if not applied. Held requests are applied in another
    /// order than they arrived.
    pub turn: Option<u64>,
    /// The name of its fault.
    pub fault: Option<&'static str>,
    /// Whether it was answered or dropped.
    pub done: bool,
}

impl RequestRecord {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it has that method and a path that contains that text.
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path.contains(path)
    }
}

/// A fault for the requests that it matches.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The method that it matches; `None` for any.
    pub method: Option<String>,
    /// A part of the path that it matches; `None` for any.
    pub path: Option<String>,
    /// The number of requests left for it; `None` for all until it is cleared.
    pub times: Option<u32>,
    /// The effect on the request.
    pub what: FaultKind,
}

/// The kind of a fault.
#[derive(Debug, Clone)]
pub enum FaultKind {
    /// The request is handled after this delay, even if the client has left.
    Delay(Duration),
    /// The fault answers instead of the service; nothing is applied.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Names and values; without a content type, JSON is assumed.
        headers: Vec<(String, String)>,
        /// The whole body.
        body: String,
    },
    /// The connection is closed without an answer; nothing is applied.
    Drop,
    /// No answer until the client disconnects; nothing is applied.
    Hang,
    /// The request is applied, then the connection is closed without an answer.
    ApplyThenDrop,
    /// The request is applied, then answered differently from the service's answer.
    ApplyThenAnswer {
        /// The HTTP status.
        status: u16,
        /// Names and values; without a content type, JSON is assumed.
        headers: Vec<(String, String)>,
        /// The whole body.
        body: String,
    },
    /// The request is applied, then there is no answer until the client disconnects.
    ApplyThenHang,
    /// The request is handled once the gate is open, even if the client has left.
    Wait(Gate),
    /// The request is applied, then answered once the gate is open.
    ApplyThenWait(Gate),
}

/// Holds the requests of a fault until a test opens it. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    #[expect(
        clippy::new_without_default,
        reason = "whether a gate is open or closed is not to be guessed"
    )]
    pub fn new() -> Gate {
        Gate(watch::Sender::new(false))
    }

    /// Releases held requests, and holds no further ones.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn passed(&self) {
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl FaultKind {
    /// An answer with a JSON body and no other headers; nothing is applied.
    pub fn answer(status: u16, body: impl Into<String>) -> FaultKind {
        FaultKind::Answer {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// The page of a firewall or proxy instead of the service: 403, HTML, without the service's headers.
    pub fn page_in_between() -> FaultKind {
        FaultKind::Answer {
            status: 403,
            headers: vec![(
                "content-type".to_owned(),
                "text/html; charset=utf-8".to_owned(),
            )],
            body: "<html><body><h1>Blocked by policy</h1></body></html>".to_owned(),
        }
    }

    /// The same answer, after the service has applied the request.
    pub fn once_applied(self) -> FaultKind {
        match self {
            FaultKind::Answer {
                status,
                headers,
                body,
            } => FaultKind::ApplyThenAnswer {
                status,
                headers,
                body,
            },
            other => other,
        }
    }

    /// The fault's name in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            FaultKind::Delay(_) => "handled late",
            FaultKind::Answer { status: 429, .. } => "rate limited",
            FaultKind::Answer { .. } => "answered in its place",
            FaultKind::Drop => "dropped",
            FaultKind::Hang => "left hanging",
            FaultKind::ApplyThenDrop => "applied, then dropped",
            FaultKind::ApplyThenAnswer { .. } => "applied, then answered otherwise",
            FaultKind::ApplyThenHang => "applied, then left hanging",
            FaultKind::Wait(_) => "held before it was applied",
            FaultKind::ApplyThenWait(_) => "applied, and its answer held",
        }
    }
}

impl Fault {
    /// A fault for the next request.
    pub fn new(what: FaultKind) -> Self {
        Fault {
            method: None,
            path: None,
            times: Some(1),
            what,
        }
    }

    /// Limits it to requests with this method and a path that contains this text.
    pub fn on(self, method: &str, path: &str) -> Self {
        Fault {
            method: Some(method.to_owned()),
            path: Some(path.to_owned()),
            ..self
        }
    }

    /// Sets the number of requests.
    pub fn times(self, n: u32) -> Self {
        Fault {
            times: Some(n),
            ..self
        }
    }

    /// Applies to every request until the faults are cleared.
    pub fn always(self) -> Self {
        Fault {
            times: None,
            ..self
        }
    }

    fn matches(&self, parts: &request::Parts) -> bool {
        self.times != Some(0)
            && self
                .method
                .as_deref()
                .is_none_or(|method| parts.method.as_str() == method)
            && self
                .path
                .as_deref()
                .is_none_or(|path| parts.uri.path().contains(path))
    }
}

impl FaultServer {
    /// Listens on a free port of 127.0.0.1 and serves `router` there, WebSocket upgrades included.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn open(router: axum::Router) -> io::Result<FaultServer> {
        FaultServer::open_at(router, 0).await
    }

    /// Listens on this port; 0 is any free port.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn open_at(router: axum::Router, port: u16) -> io::Result<FaultServer> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let shared = Arc::new(Shared {
            address: listener.local_addr()?,
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            ended: broadcast::Sender::new(SUBSCRIBER_LAG),
            closed: watch::Sender::new(false),
            cut: Arc::new(Notify::new()),
        });
        let open = Arc::new(Open(Arc::clone(&shared)));
        tokio::spawn(accept(listener, router, Arc::clone(&shared)));
        Ok(FaultServer {
            shared,
            _open: open,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Every request so far, in order of arrival.
    pub fn journal(&self) -> Vec<RequestRecord> {
        self.shared.state().journal.clone()
    }

    /// Requests from now on, each when it is answered or dropped.
    pub fn subscribe(&self) -> broadcast::Receiver<RequestRecord> {
        self.shared.ended.subscribe()
    }

    /// Waits until `what` holds for the journal: checked at once and on each change. Tests call it inside a time-out.
    pub async fn until(&self, what: impl Fn(&[RequestRecord]) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if what(&self.shared.state().journal) || changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Changes of the journal.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// Queues a fault. A request gets the first fault that matches it and has uses left.
    pub fn fault(&self, fault: Fault) {
        self.shared.state().faults.push(fault);
    }

    /// Injects a fault into the next request that is not a read.
    pub fn spoil_next_write(&self, what: FaultKind) {
        self.shared.state().next_write = Some(what);
    }

    /// Clears all faults. Requests that hang already continue to hang.
    pub fn clear_faults(&self) {
        let mut state = self.shared.state();
        state.faults.clear();
        state.next_write = None;
    }

    /// Breaks every connection. From now on requests are read but neither applied nor answered.
    pub fn down(&self) {
        self.shared.state().down = true;
        self.cut();
    }

    /// Ends [`FaultServer::down`].
    pub fn up(&self) {
        self.shared.state().down = false;
    }

    /// Whether it is down.
    pub fn is_down(&self) -> bool {
        self.shared.state().down
    }

    /// Breaks every open connection, WebSockets included, as a failing network does.
    pub fn cut(&self) {
        self.shared.cut.notify_waiters();
    }

    /// Stops listening and breaks every connection. Resolves once the port refuses connections.
    pub async fn close(&self) {
        self.shared.close();
        // The receivers are the accept loop, which owns the listener, and the requests under way.
        self.shared.closed.closed().await;
    }
}

/// Closes the server when the last [`FaultServer`] is dropped.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Shared {
    address: SocketAddr,
    state: Mutex<State>,
    /// Counts changes of the journal and wakes waiting tasks.
    changed: watch::Sender<u64>,
    ended: broadcast::Sender<RequestRecord>,
    closed: watch::Sender<bool>,
    cut: Arc<Notify>,
}

#[derive(Default)]
struct State {
    journal: Vec<RequestRecord>,
    faults: Vec<Fault>,
    next_write: Option<FaultKind>,
    /// How many requests were applied.
    applied: u64,
    down: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        super::locked(&self.state)
    }

    fn close(&self) {
        self.closed.send_replace(true);
        self.cut.notify_waiters();
    }

    /// Records a request; returns its number and its fault.
    fn arrives(&self, parts: &request::Parts, body: &[u8]) -> (usize, Option<FaultKind>) {
        let seen = RequestRecord {
            at_ms: now(),
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            body: String::from_utf8_lossy(body).into_owned(),
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), shown(name, value)))
                .collect(),
            status: None,
            applied: false,
            turn: None,
            fault: None,
            done: false,
        };
        let mut state = self.state();
        state.journal.push(seen);
        let number = state.journal.len() - 1;
        let reads = [Method::GET, Method::HEAD].contains(&parts.method);
        let what = if state.down {
            Some(FaultKind::Drop)
        } else if !reads && state.next_write.is_some() {
            state.next_write.take()
        } else {
            state
                .faults
                .iter_mut()
                .find(|fault| fault.matches(parts))
                .map(|fault| {
                    fault.times = fault.times.map(|left| left - 1);
                    fault.what.clone()
                })
        };
        if let (Some(what), Some(seen)) = (&what, state.journal.get_mut(number)) {
            seen.fault = Some(what.name());
        }
        drop(state);
        self.changed.send_modify(|count| *count += 1);
        (number, what)
    }

    fn applied(&self, number: usize) {
        let mut state = self.state();
        state.applied += 1;
        let turn = state.applied;
        drop(state);
        self.update(number, |seen| {
            seen.applied = true;
            seen.turn = Some(turn);
        });
    }

    fn update(&self, number: usize, change: impl FnOnce(&mut RequestRecord)) {
        let mut state = self.state();
        let ended = state.journal.get_mut(number).and_then(|seen| {
            let before = seen.done;
            change(seen);
            (seen.done && !before).then(|| seen.clone())
        });
        drop(state);
        if let Some(seen) = ended {
            // No receiver is fine.
            let _ = self.ended.send(seen);
        }
        self.changed.send_modify(|count| *count += 1);
    }
}

/// A header's value for the journal; of a credential only its scheme and kind (`Bearer xoxb-…`).
fn shown(name: &HeaderName, value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    if *name != header::AUTHORIZATION && *name != header::COOKIE {
        return text;
    }
    let (scheme, secret) = text
        .split_once(' ')
        .map_or(("", text.as_str()), |(scheme, secret)| (scheme, secret));
    let kind: String = secret
        .split_inclusive(['-', '_'])
        .next()
        .unwrap_or_default()
        .chars()
        .take(8)
        .collect();
    let kind = if kind.ends_with(['-', '_']) {
        kind
    } else {
        String::new()
    };
    format!("{scheme} {kind}…").trim_start().to_owned()
}

async fn accept(listener: TcpListener, router: axum::Router, shared: Arc<Shared>) {
    let mut closed = shared.closed.subscribe();
    loop {
        let stream = tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // The client left while it was queued.
                Err(_) => continue,
            },
        };
        let io = TokioIo::new(Cuttable {
            stream,
            cut: Box::pin(Arc::clone(&shared.cut).notified_owned()),
            is_cut: false,
        });
        let (shared, router) = (Arc::clone(&shared), router.clone());
        let serve =
            service_fn(move |request| request_at(Arc::clone(&shared), router.clone(), request));
        tokio::spawn(async move {
            // The journal already has the end of the connection.
            let _ = http1::Builder::new()
                .serve_connection(io, serve)
                .with_upgrades()
                .await;
        });
    }
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox drops this connection")]
struct Dropped;

async fn request_at(
    shared: Arc<Shared>,
    router: axum::Router,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(Body::new(body), BODY_LIMIT)
        .await
        .map_err(|_| Dropped)?;
    let (number, what) = shared.arrives(&parts, &body);
    // Ends the entry even if the client disconnects and hyper drops this future.
    let mut ending = Ending {
        shared: Arc::clone(&shared),
        number,
        status: None,
    };
    // On its own task: a service finishes a request whose client has left.
    let handled = tokio::spawn(handle(
        Arc::clone(&shared),
        number,
        what,
        router,
        Request::from_parts(parts, body),
    ));
    let mut closed = shared.closed.subscribe();
    let answer = tokio::select! {
        answer = handled => answer.ok().flatten(),
        _ = closed.wait_for(|closed| *closed) => None,
    };
    let answer = answer.ok_or(Dropped)?;
    ending.status = Some(answer.status().as_u16());
    Ok(answer)
}

/// Handles a request with its fault; `None` closes the connection without an answer.
async fn handle(
    shared: Arc<Shared>,
    number: usize,
    what: Option<FaultKind>,
    router: axum::Router,
    request: Request<Bytes>,
) -> Option<Response<Body>> {
    match &what {
        Some(FaultKind::Drop) => return None,
        Some(FaultKind::Hang) => return hang(&shared).await,
        Some(FaultKind::Answer {
            status,
            headers,
            body,
        }) => return Some(made_up(*status, headers, body)),
        Some(FaultKind::Delay(delay)) => tokio::time::sleep(*delay).await,
        Some(FaultKind::Wait(gate)) => gate.passed().await,
        _ => {}
    }
    let request = request.map(Body::from);
    let Ok::<_, Infallible>(answer) = TowerToHyperService::new(router).call(request).await;
    if answer.status().as_u16() < 400 {
        shared.applied(number);
    }
    match what {
        Some(FaultKind::ApplyThenDrop) => None,
        Some(FaultKind::ApplyThenHang) => hang(&shared).await,
        Some(FaultKind::ApplyThenWait(gate)) => {
            gate.passed().await;
            Some(answer)
        }
        Some(FaultKind::ApplyThenAnswer {
            status,
            headers,
            body,
        }) => Some(made_up(status, &headers, &body)),
        _ => Some(answer),
    }
}

/// Waits until the front closes. Hyper drops this future if the client disconnects.
async fn hang(shared: &Shared) -> Option<Response<Body>> {
    let _ = shared.closed.subscribe().wait_for(|closed| *closed).await;
    None
}

/// A fault's own answer; a 500 with an explanation if the fault is not valid HTTP.
fn made_up(status: u16, headers: &[(String, String)], body: &str) -> Response<Body> {
    let mut answer = Response::builder().status(status);
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        answer = answer.header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    }
    for (name, value) in headers {
        answer = answer.header(name, value);
    }
    answer
        .body(Body::from(body.to_owned()))
        .unwrap_or_else(|error| {
            let mut answer =
                Response::new(Body::from(format!("the fault is no HTTP answer: {error}")));
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            answer
        })
}

struct Ending {
    shared: Arc<Shared>,
    number: usize,
    status: Option<u16>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let status = self.status;
        self.shared.update(self.number, |seen| {
            seen.status = status;
            seen.done = true;
        });
    }
}

/// A connection that can be broken from outside, even after an upgrade took it from hyper.
struct Cuttable {
    stream: TcpStream,
    cut: Pin<Box<OwnedNotified>>,
    is_cut: bool,
}

impl Cuttable {
    fn whole(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.is_cut = self.is_cut || self.cut.as_mut().poll(context).is_ready();
        if self.is_cut {
            Err(io::ErrorKind::ConnectionReset.into())
        } else {
            Ok(())
        }
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.whole(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A cut must reach the reader's waker, so a writer only checks the known state.
        if self.is_cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A service that counts its requests.
    async fn counter() -> (FaultServer, Arc<AtomicU32>, reqwest::Client) {
        let count = Arc::new(AtomicU32::new(0));
        let reached = Arc::clone(&count);
        let router = axum::Router::new().route(
            "/count",
            post(move |body: String| async move {
                reached.fetch_add(1, Ordering::SeqCst);
                format!("counted {body}")
            }),
        );
        let client = super::super::http_client();
        (FaultServer::open(router).await.unwrap(), count, client)
    }

    async fn count(
        front: &FaultServer,
        client: &reqwest::Client,
    ) -> reqwest::Result<(u16, String)> {
        let request = client
            .post(format!("http://{}/count?a=1", front.address()))
            .body("x")
            .bearer_auth("xoxb-secret");
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    #[tokio::test]
    async fn journals_what_it_serves_without_the_secret() {
        let (front, _, client) = counter().await;
        let mut ended = front.subscribe();
        assert_eq!(
            count(&front, &client).await.unwrap(),
            (200, "counted x".to_owned())
        );
        front
            .until(|journal| journal.iter().any(|seen| seen.done))
            .await;
        let journal = front.journal();
        let seen = &journal[0];
        assert_eq!(
            (
                seen.method.as_str(),
                seen.path.as_str(),
                seen.query.as_str()
            ),
            ("POST", "/count", "a=1")
        );
        assert_eq!(
            (seen.body.as_str(), seen.status, seen.applied),
            ("x", Some(200), true)
        );
        assert_eq!(seen.header("authorization"), Some("Bearer xoxb-…"));
        assert_eq!(&ended.recv().await.unwrap(), seen);
    }

    #[tokio::test]
    async fn an_unknown_path_is_answered_and_not_applied() {
        let (front, _, client) = counter().await;
        let answer = client
            .post(format!("http://{}/other", front.address()))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 404);
        front
            .until(|journal| journal.iter().all(|seen| seen.done))
            .await;
        assert!(!front.journal()[0].applied);
    }

    #[tokio::test]
    async fn a_fault_is_used_as_often_as_asked_and_only_where_it_matches() {
        let (front, reached, client) = counter().await;
        front.fault(
            Fault::new(FaultKind::answer(503, "{}"))
                .on("GET", "/count")
                .times(9),
        );
        front.fault(
            Fault::new(FaultKind::answer(500, "{}"))
                .on("POST", "/cou")
                .times(2),
        );
        for expected in [500, 500, 200] {
            assert_eq!(count(&front, &client).await.unwrap().0, expected);
        }
        assert_eq!(reached.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_dropped_request_is_applied_only_where_the_fault_says_so() {
        let (front, reached, client) = counter().await;
        front.fault(Fault::new(FaultKind::Drop));
        front.fault(Fault::new(FaultKind::ApplyThenDrop));
        count(&front, &client).await.unwrap_err();
        assert_eq!(reached.load(Ordering::SeqCst), 0);
        count(&front, &client).await.unwrap_err();
        assert_eq!(reached.load(Ordering::SeqCst), 1);
        front
            .until(|journal| journal.iter().all(|seen| seen.done))
            .await;
        let ends: Vec<_> = front
            .journal()
            .iter()
            .map(|seen| (seen.status, seen.applied))
            .collect();
        assert_eq!(ends, [(None, false), (None, true)]);
    }

    #[tokio::test]
    async fn an_applied_write_can_answer_something_else() {
        let (front, reached, client) = counter().await;
        front.fault(Fault::new(FaultKind::ApplyThenAnswer {
            status: 502,
            headers: vec![],
            body: "bad gateway".to_owned(),
        }));
        assert_eq!(
            count(&front, &client).await.unwrap(),
            (502, "bad gateway".to_owned())
        );
        assert_eq!(reached.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_hanging_request_ends_when_the_client_leaves() {
        let (front, reached, client) = counter().await;
        front.fault(Fault::new(FaultKind::ApplyThenHang));
        let asked = tokio::spawn({
            let front = front.clone();
            async move { count(&front, &client).await }
        });
        front
            .until(|journal| journal.iter().any(|seen| seen.applied))
            .await;
        assert!(!front.journal()[0].done);
        asked.abort();
        front
            .until(|journal| journal.iter().all(|seen| seen.done))
            .await;
        assert_eq!(
            (front.journal()[0].status, reached.load(Ordering::SeqCst)),
            (None, 1)
        );
    }

    #[tokio::test]
    async fn a_closing_front_ends_what_hangs_and_refuses_what_comes() {
        let (front, _, client) = counter().await;
        front.fault(Fault::new(FaultKind::Hang));
        let asked = tokio::spawn({
            let (front, client) = (front.clone(), client.clone());
            async move { count(&front, &client).await }
        });
        front.until(|journal| !journal.is_empty()).await;
        front.close().await;
        assert!(asked.await.unwrap().is_err());
        assert!(count(&front, &client).await.unwrap_err().is_connect());
    }

    #[tokio::test]
    async fn while_down_nothing_is_answered_and_then_it_is_again() {
        let (front, reached, client) = counter().await;
        count(&front, &client).await.unwrap();
        front.down();
        count(&front, &client).await.unwrap_err();
        assert_eq!(reached.load(Ordering::SeqCst), 1);
        front.up();
        count(&front, &client).await.unwrap();
        assert_eq!(reached.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_gate_holds_a_request_and_its_answer() {
        let (front, reached, client) = counter().await;
        let (before, after) = (Gate::new(), Gate::new());
        front.fault(Fault::new(FaultKind::Wait(before.clone())));
        front.fault(Fault::new(FaultKind::ApplyThenWait(after.clone())));
        let ask = || {
            let (front, client) = (front.clone(), client.clone());
            tokio::spawn(async move { count(&front, &client).await })
        };
        // The first is held before it is applied, and its client leaves.
        let held = ask();
        front.until(|journal| !journal.is_empty()).await;
        held.abort();
        // The second is applied at once.
        let unanswered = ask();
        front
            .until(|journal| journal.iter().any(|seen| seen.applied))
            .await;
        assert_eq!(reached.load(Ordering::SeqCst), 1);
        assert!(!front.journal()[1].done);
        after.open();
        assert_eq!(unanswered.await.unwrap().unwrap().0, 200);
        before.open();
        front
            .until(|journal| journal.iter().all(|seen| seen.applied))
            .await;
        assert_eq!(reached.load(Ordering::SeqCst), 2);
        let journal = front.journal();
        let turns: Vec<_> = journal.iter().map(|seen| (seen.turn, seen.fault)).collect();
        assert_eq!(
            turns,
            [
                (Some(2), Some("held before it was applied")),
                (Some(1), Some("applied, and its answer held"))
            ]
        );
    }

    #[tokio::test]
    async fn a_delayed_request_is_handled_though_its_client_has_left() {
        let (front, reached, client) = counter().await;
        front.fault(Fault::new(FaultKind::Delay(Duration::from_millis(50))));
        let asked = tokio::spawn({
            let front = front.clone();
            async move { count(&front, &client).await }
        });
        front.until(|journal| !journal.is_empty()).await;
        asked.abort();
        front
            .until(|journal| journal.iter().any(|seen| seen.applied))
            .await;
        assert_eq!(reached.load(Ordering::SeqCst), 1);
    }
}
