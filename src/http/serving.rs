//! A listener: accepts connections, serves their requests, and closes them.
//!
//! ```text
//! accept ─ a place (connections.rs) ─ head within 5 s ─ body that progresses ─ router ─ answer ─ the next head, or closed
//! ```
//!
//! A refused request is answered at once with `Connection: close`. After that at most 64 kB of it are read and dropped,
//! because a sender that is cut off within its body may never see the answer.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Extension, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::FutureExt;
use futures_util::future::poll_fn;
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};
use tower_service::Service;

use super::connections::{Connections, NoPlace, OpenConnection, counted};
use crate::limits::Limit;
use crate::runtime::{CancellationToken, fence, slept};

/// Decides whether an address is a proxy's, to which the bound per address does not apply.
pub type IsProxy = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// The limits of one listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Serving {
    /// The name in messages.
    pub name: &'static str,
    /// The most connections at once.
    pub connections: usize,
    pub bound: Limit,
    /// The most connections from one address.
    pub per_address: usize,
    /// How long a connection may stay without a complete request head, between requests too.
    pub head_within: Duration,
    /// Whether each refusal closes its connection. Otherwise only refusals do that strangers can cause.
    pub closes_refused: bool,
}

/// The largest request head, in bytes.
const HEAD_MAX: usize = 64 * 1024;
/// How many bytes of a refused request are read, and for how long.
const REFUSED_READ_MAX: usize = 64 * 1024;
const LINGER: Duration = Duration::from_secs(2);
/// A body may take this long, and one more second for each of its `BODY_PACE` bytes that has arrived.
const BODY_GRACE: Duration = Duration::from_secs(3);
const BODY_PACE: u64 = 4 * 1024;
/// How long requests may go on after the stop signal: within the 10 s of the whole daemon.
const FINISH_WITHIN: Duration = Duration::from_secs(8);
/// The wait after `accept` failed for lack of file descriptors or memory.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The address of the other end of a request's connection; an extension of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PeerAddress(pub IpAddr);

/// Serves `router` until `shutdown`: then accepts no more, answers open requests within 8 s, and closes.
pub(super) async fn serve_as(
    serving: Serving,
    listener: TcpListener,
    router: Router,
    is_proxy: IsProxy,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let Serving { name, .. } = serving;
    // Waiting handlers answer with the current state when the daemon stops.
    let router = router.layer(Extension(shutdown.clone()));
    let places = Connections::new(serving.connections, serving.per_address);
    let mut connections = JoinSet::new();
    loop {
        // Ended connections are removed first, so that the set is bounded as the places are.
        while let Some(ended) = connections.try_join_next() {
            report_panic(name, ended);
        }
        let accepting = accept(&listener, &places, serving, &is_proxy);
        let Some(accepted) = shutdown.run_until_cancelled(accepting).await else {
            break;
        };
        match accepted {
            Ok(Some(accepted)) => {
                let (router, shutdown) = (router.clone(), shutdown.clone());
                connections.spawn(accepted.serve(serving, router, shutdown));
            }
            Ok(None) => {}
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(listener = name, %error, "cannot accept connections; trying again");
                slept(ACCEPT_AGAIN_AFTER, &shutdown).await;
            }
        }
    }
    drop(listener);
    let finish = async {
        while let Some(ended) = connections.join_next().await {
            report_panic(name, ended);
        }
    };
    if timeout(FINISH_WITHIN, finish).await.is_err() {
        let cut = connections.len();
        tracing::warn!(
            listener = name,
            cut,
            "connections cut off: they did not end in time"
        );
        connections.shutdown().await;
    }
    Ok(())
}

/// The next connection, with its place; `None` if it was closed because its address has too many.
async fn accept(
    listener: &TcpListener,
    places: &Connections,
    serving: Serving,
    is_proxy: &IsProxy,
) -> io::Result<Option<Accepted>> {
    let Serving {
        name, connections, ..
    } = serving;
    let (stream, peer) = listener.accept().await?;
    let address = peer.ip().to_canonical();
    let counted = (!is_proxy(address)).then(|| counted(address));
    if places.is_full() {
        serving.bound.reached(format_args!(
            "{name} has {connections} connections; for the next one the one is closed that has waited longest for a request"
        ));
    }
    loop {
        match places.admit(counted, Instant::now()) {
            Ok(place) => {
                return Ok(Some(Accepted {
                    stream,
                    address,
                    place: Arc::new(place),
                }));
            }
            Err(NoPlace::Address) => {
                Limit::AddressConnections.reached(format_args!(
                    "{name} has {} connections of one address, {address}; its next one is closed. \
                     http.trusted_proxies names the addresses of proxies",
                    serving.per_address
                ));
                return Ok(None);
            }
            Err(NoPlace::All(until)) => {
                let soonest = async {
                    match until {
                        Some(until) => sleep_until(until).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = places.changed() => {}
                    () = soonest => {}
                }
            }
        }
    }
}

/// Whether only one connection failed, because the client left early; the listener still works.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

fn report_panic(name: &str, ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(listener = name, %error, "request handler panicked");
    }
}

/// An accepted connection.
struct Accepted {
    stream: TcpStream,
    address: IpAddr,
    place: Arc<OpenConnection>,
}

impl Accepted {
    /// Serves its requests until it ends, or is closed for another one.
    async fn serve(self, serving: Serving, router: Router, shutdown: CancellationToken) {
        let close = self.place.close().clone();
        // In its own allocation: it is large, and would be copied with each future around it.
        let served = Box::pin(self.serve_requests(serving, router, &shutdown));
        tokio::select! {
            biased;
            () = close.cancelled() => {
                let listener = serving.name;
                tracing::debug!(
                    listener,
                    "connection closed for another: it waited longest for a request"
                );
            }
            () = served => {}
        }
    }

    async fn serve_requests(self, serving: Serving, router: Router, shutdown: &CancellationToken) {
        let Accepted {
            stream,
            address,
            place,
        } = self;
        // Answers are small and awaited: they must not be delayed to be batched.
        let _ = stream.set_nodelay(true);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(PeerAddress(address));
            answer(serving, router.clone(), Arc::clone(&place), request).boxed()
        });
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(serving.head_within)
            .max_buf_size(HEAD_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let stopped =
            shutdown.run_until_cancelled(poll_fn(|cx| connection.poll_without_shutdown(cx)));
        let ended = match stopped.await {
            Some(ended) => ended,
            None => {
                Pin::new(&mut connection).graceful_shutdown();
                poll_fn(|cx| connection.poll_without_shutdown(cx)).await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(listener = serving.name, %error, "connection ended");
            return;
        }
        let parts = connection.into_parts();
        let (stream, read) = (parts.io.into_inner(), parts.read_buf.len());
        shutdown.run_until_cancelled(linger(stream, read)).await;
    }
}

/// Closes a connection after its last answer. A part of a refused request is read, and the rest left to the sender's
/// buffers for a while: with unread data the other end might drop the answer.
async fn linger(mut stream: TcpStream, read: usize) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let end = Instant::now() + LINGER;
    let mut left = REFUSED_READ_MAX.saturating_sub(read);
    let mut buffer = [0; 4096];
    while left > 0 {
        let most = left.min(buffer.len());
        let some = buffer.get_mut(..most).unwrap_or_default();
        match timeout_at(end, stream.read(some)).await {
            Ok(Ok(read)) if read > 0 => left -= read,
            _ => return,
        }
    }
    sleep_until(end).await;
}

/// Answers one request, and keeps its connection's place up to date.
async fn answer(
    serving: Serving,
    mut router: Router,
    place: Arc<OpenConnection>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() && !place.is_asked() {
        return Ok(closed(place));
    }
    let body = Arriving::new(body, Arc::clone(&place));
    let request = Request::from_parts(parts, Body::new(body));
    // A leader whose lease is over confirms nothing any more: its store is no longer the one that counts.
    let mut response = router.call(request).await?;
    fence::passes().await;
    let status = response.status();
    let unread = !place.has_request();
    let refused = status.is_client_error() || status.is_server_error();
    let closes = match serving.closes_refused {
        true => refused,
        false => status == StatusCode::UNAUTHORIZED,
    };
    if unread || closes {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    Ok(response.map(|body| Answer {
        body,
        sent: Sent(place),
    }))
}

/// The answer to a request that came when its connection was already closed for another, if it can still be sent.
fn closed(place: Arc<OpenConnection>) -> Response<Answer> {
    let mut answer = Response::new(Answer {
        body: Body::empty(),
        sent: Sent(place),
    });
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(header::CONNECTION, close);
    answer
}

// ---------------------------------------------------------------- bodies

/// The connection was closed for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is closed: it waited longest for a request")]
struct Closed;

/// The body of a request came too slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body arrives too slowly")]
pub(super) struct TooSlow;

impl TooSlow {
    /// Whether it is the error, or its cause.
    pub(super) fn is_in(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut causes = std::iter::successors(Some(error), |error| error.source());
        causes.any(|cause| cause.is::<TooSlow>())
    }
}

/// The body of a request. It fails with [`TooSlow`] if it does not progress.
struct Arriving {
    body: Incoming,
    place: Arc<OpenConnection>,
    /// Begins with the first read: the time before that is our own.
    progress: Option<(Instant, Pin<Box<Sleep>>)>,
    received: u64,
}

impl Arriving {
    fn new(body: Incoming, place: Arc<OpenConnection>) -> Arriving {
        Arriving {
            body,
            place,
            progress: None,
            received: 0,
        }
    }

    /// Whether the time is over that the received part allows.
    fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (begun, timer) = self.progress.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + BODY_GRACE)))
        });
        let deadline = *begun + time_for(self.received);
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.poll_unpin(cx)
    }
}

/// How long a body may have taken of which so many bytes arrived.
fn time_for(received: u64) -> Duration {
    BODY_GRACE + Duration::from_millis(received.saturating_mul(1000) / BODY_PACE)
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                return match self.poll_too_slow(cx) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(TooSlow.into()))),
                    Poll::Pending => Poll::Pending,
                };
            }
        };
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.received += u64::try_from(bytes).unwrap_or(u64::MAX);
        }
        let is_whole = frame.is_none() || self.body.is_end_stream();
        if is_whole && !self.place.is_asked() {
            return Poll::Ready(Some(Err(Closed.into())));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer.
pub(super) struct Answer {
    body: Body,
    #[expect(dead_code, reason = "its drop is its purpose")]
    sent: Sent,
}

/// Dropped when the answer is written.
struct Sent(Arc<OpenConnection>);

impl Drop for Sent {
    fn drop(&mut self) {
        self.0.is_answered();
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
