//! Connections to Slack. The addresses of a host are raced (RFC 8305). If the environment names a proxy, the Web API
//! and the socket use it.
//!
//! The variables are those that reqwest uses for ClickUp and GitHub: `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in
//! either case. Loopback is never reached through a proxy. A proxy is always asked for a tunnel (`CONNECT`).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::runtime::fence;

/// How long to wait for an answer before the next address is tried concurrently (RFC 8305, section 5).
const NEXT_AFTER: Duration = Duration::from_millis(250);
/// The most bytes that are read of a proxy's answer to `CONNECT`.
const ANSWER_MAX: usize = 8 * 1024;

/// Connects to Slack. Clones share it.
#[derive(Clone)]
pub(super) struct ProxyConnector {
    proxies: Arc<Matcher>,
}

impl ProxyConnector {
    pub(super) fn from_env() -> ProxyConnector {
        ProxyConnector {
            proxies: Arc::new(Matcher::from_env()),
        }
    }

    /// The proxy for a URL, if it is reached through one.
    fn proxy(&self, to: &Uri) -> Option<Intercept> {
        let host = to.host()?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_here = bare == "localhost"
            || bare
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback());
        self.proxies.intercept(to).filter(|_| !is_here)
    }

    /// The proxy for a URL, for people: without a name and password that it may contain.
    pub(super) fn by(&self, address: &str) -> Option<String> {
        let to = tunnelled(&address.parse().ok()?)?;
        let proxy = self.proxy(&to)?;
        let uri = proxy.uri();
        Some(format!("{}:{}", uri.host()?, port(uri)?))
    }

    /// A connection to the host of a URL of Slack's, `https` or `wss`.
    pub(super) async fn connect(&self, to: &Uri) -> io::Result<FencedStream> {
        self.dial(to).await.map(FencedStream)
    }

    async fn dial(&self, to: &Uri) -> io::Result<TcpStream> {
        let odd = || io::Error::new(io::ErrorKind::InvalidInput, "an address without a host");
        let to = tunnelled(to).ok_or_else(odd)?;
        let (host, at) = (to.host().ok_or_else(odd)?, port(&to).ok_or_else(odd)?);
        match self.proxy(&to) {
            None => dial(host, at).await,
            Some(proxy) => {
                let through = |error: io::Error| {
                    let by = proxy.uri().host().unwrap_or_default();
                    io::Error::new(error.kind(), format!("through the proxy {by}: {error}"))
                };
                tunnel(&proxy, host, at).await.map_err(through)
            }
        }
    }
}

impl tower_service::Service<Uri> for ProxyConnector {
    type Response = TokioIo<FencedStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<FencedStream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let way = self.clone();
        Box::pin(async move { way.connect(&to).await.map(TokioIo::new) })
    }
}

/// A connection that sends nothing once the time for it is over (`runtime/fence.rs`): requests, and acknowledgements of events.
#[derive(Debug)]
pub struct FencedStream(pub(super) TcpStream);

impl AsyncRead for FencedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for FencedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match fence::is_open() {
            true => Pin::new(&mut self.0).poll_write(cx, bytes),
            false => Poll::Pending,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match fence::is_open() {
            true => Pin::new(&mut self.0).poll_write_vectored(cx, bytes),
            false => Poll::Pending,
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Connection for FencedStream {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

/// The URL by which a proxy is chosen. A WebSocket counts as its initial HTTP request.
fn tunnelled(to: &Uri) -> Option<Uri> {
    let scheme = match to.scheme_str()? {
        "wss" | "https" => "https",
        _ => "http",
    };
    let at = to.authority()?.as_str();
    format!("{scheme}://{at}/").parse().ok()
}

fn port(uri: &Uri) -> Option<u16> {
    let usual = match uri.scheme_str()? {
        "https" => 443,
        _ => 80,
    };
    Some(uri.port_u16().unwrap_or(usual))
}

/// Resolves a host and connects to the first of its addresses that answers.
async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    let stream = race(in_turn(found), NEXT_AFTER, TcpStream::connect).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Alternates the address families, starting with the resolver's first: one family may be unreachable.
fn in_turn(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = found.first().map(SocketAddr::is_ipv6) else {
        return found;
    };
    let (one, other): (Vec<_>, Vec<_>) = found.into_iter().partition(|at| at.is_ipv6() == first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut turns = Vec::new();
    loop {
        let pair = [one.next(), other.next()];
        if pair.iter().all(Option::is_none) {
            return turns;
        }
        turns.extend(pair.into_iter().flatten());
    }
}

/// Tries addresses one after the other, each concurrently with those that have not answered yet. The first that answers
/// wins; if none does, the last failure is returned.
async fn race<A, T, F>(
    addresses: Vec<A>,
    next_after: Duration,
    dial: impl Fn(A) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut left = addresses.into_iter();
    let mut under_way = FuturesUnordered::new();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        match left.next() {
            Some(address) => under_way.push(dial(address)),
            None if under_way.is_empty() => return Err(failed),
            None => {}
        }
        let more = left.len() > 0;
        let pause = async {
            match more {
                true => tokio::time::sleep(next_after).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(ended) = under_way.next() => match ended {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            },
            () = pause => {}
        }
    }
}

/// A connection through a proxy, which is asked for a tunnel.
async fn tunnel(proxy: &Intercept, host: &str, port_there: u16) -> io::Result<TcpStream> {
    let uri = proxy.uri();
    let other = |why: &str| io::Error::other(why.to_owned());
    if uri.scheme_str() != Some("http") {
        return Err(other("only a proxy with an http:// address is supported"));
    }
    let at = uri.host().zip(port(uri));
    let (by, at) = at.ok_or_else(|| other("it has no address"))?;
    let mut stream = dial(by, at).await?;
    let mut asks = format!("CONNECT {host}:{port_there} HTTP/1.1\r\nHost: {host}:{port_there}\r\n")
        .into_bytes();
    if let Some(credentials) = proxy.basic_auth() {
        asks.extend_from_slice(b"Proxy-Authorization: ");
        asks.extend_from_slice(credentials.as_bytes());
        asks.extend_from_slice(b"\r\n");
    }
    asks.extend_from_slice(b"\r\n");
    stream.write_all(&asks).await?;
    let mut answer = Vec::new();
    // Byte by byte: data after the answer must not be read here.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= ANSWER_MAX {
            return Err(other("its answer is incomplete"));
        }
        answer.push(stream.read_u8().await?);
    }
    let line = answer
        .split(|&byte| byte == b'\r')
        .next()
        .unwrap_or_default();
    let line: String = String::from_utf8_lossy(line)
        .chars()
        .filter(|c| !c.is_control())
        .take(100)
        .collect();
    let mut words = line.split(' ');
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    match words.next().and_then(|status| status.parse::<u16>().ok()) {
        Some(200..=299) if is_http => Ok(stream),
        Some(407) if is_http => Err(other(
            "it needs a name and password (407): use http://name:password@host:port",
        )),
        _ => Err(other(&format!("it refused the connection ({line})"))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rstest::rstest;
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::sync::Notify;

    use super::*;

    /// The delay before the next address in these tests.
    const SOON: Duration = Duration::from_millis(5);

    fn refused() -> io::Error {
        io::Error::from(io::ErrorKind::ConnectionRefused)
    }

    /// The behaviour of each address: `s` never answers, `r` refuses, `a` answers; and the one that is connected to.
    #[rstest]
    #[case::one("a", Some(0))]
    #[case::the_first_is_silent("sa", Some(1))]
    #[case::several_are("sssa", Some(3))]
    #[case::the_first_refuses("ra", Some(1))]
    #[case::silent_and_refusing("srsra", Some(4))]
    #[case::the_last_is_silent("as", Some(0))]
    #[case::all_refuse("rr", None)]
    #[case::none("", None)]
    #[tokio::test]
    async fn the_first_address_that_answers_wins(#[case] behave: &str, #[case] won: Option<usize>) {
        let addresses: Vec<(usize, char)> = behave.chars().enumerate().collect();
        let dialled = race(addresses, SOON, |(nth, behaves)| async move {
            match behaves {
                'a' => Ok(nth),
                'r' => Err(refused()),
                _ => std::future::pending().await,
            }
        });
        assert_eq!(dialled.await.ok(), won);
    }

    /// A slow address is not given up for the next.
    #[tokio::test]
    async fn one_that_is_slow_may_still_win() {
        let next_is_tried = &Notify::new();
        let dialled = race(vec![0, 1], SOON, |nth| async move {
            match nth {
                0 => {
                    next_is_tried.notified().await;
                    Ok(nth)
                }
                _ => {
                    next_is_tried.notify_one();
                    std::future::pending().await
                }
            }
        });
        assert_eq!(dialled.await.unwrap(), 0);
    }

    /// A listener whose queue is full answers no one, like lost packets.
    #[tokio::test]
    async fn a_listener_that_never_answers_keeps_nobody_from_another() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = socket.listen(1).unwrap();
        let silent = full.local_addr().unwrap();
        let mut waiting = Vec::new();
        // The kernel accepts a few more than the backlog.
        while let Ok(taken) =
            tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(silent)).await
        {
            waiting.push(taken.unwrap());
            assert!(waiting.len() < 100, "its queue has no end");
        }
        let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = (good.local_addr().unwrap(), good);
        let dialled = race(vec![silent, good.0], SOON, TcpStream::connect)
            .await
            .unwrap();
        assert_eq!(dialled.peer_addr().unwrap(), good.0);
    }

    #[rstest]
    #[case(&["[::1]:1", "[::2]:1", "1.1.1.1:1"], &["[::1]:1", "1.1.1.1:1", "[::2]:1"])]
    #[case(&["1.1.1.1:1", "2.2.2.2:1", "[::1]:1", "[::2]:1"], &["1.1.1.1:1", "[::1]:1", "2.2.2.2:1", "[::2]:1"])]
    #[case(&["1.1.1.1:1"], &["1.1.1.1:1"])]
    #[case(&[], &[])]
    fn the_families_take_turns(#[case] found: &[&str], #[case] expected: &[&str]) {
        let parse = |all: &[&str]| {
            all.iter()
                .map(|at| at.parse().unwrap())
                .collect::<Vec<SocketAddr>>()
        };
        assert_eq!(in_turn(parse(found)), parse(expected));
    }

    fn way(https: &str, no: &str) -> ProxyConnector {
        ProxyConnector {
            proxies: Arc::new(Matcher::builder().https(https).no(no).build()),
        }
    }

    #[rstest]
    #[case::https("https://slack.com/api", "", Some("proxy.test:3128"))]
    #[case::the_socket("wss://wss-primary.slack.com/link", "", Some("proxy.test:3128"))]
    #[case::plain("http://slack.com/api", "", None)]
    #[case::this_machine("https://localhost:8443/api", "", None)]
    #[case::this_machine_by_address("https://127.0.0.1:8443/api", "", None)]
    #[case::this_machine_by_ipv6("https://[::1]:8443/api", "", None)]
    #[case::left_out("wss://wss-primary.slack.com/link", "slack.com", None)]
    #[case::left_out_by_its_end("https://slack.com/api", ".slack.com,other.test", None)]
    #[case::everything_left_out("https://slack.com/api", "*", None)]
    #[case::another_left_out("https://slack.com/api", "github.com", Some("proxy.test:3128"))]
    #[case::no_address("slack", "", None)]
    fn a_proxy_is_chosen_as_for_the_sources(
        #[case] to: &str,
        #[case] no: &str,
        #[case] by: Option<&str>,
    ) {
        let way = way("http://name:secret@proxy.test:3128", no);
        assert_eq!(way.by(to).as_deref(), by);
    }

    /// The answer of a proxy, and the resulting error.
    #[rstest]
    #[case::taken("HTTP/1.1 200 Connection established\r\n\r\nhello", None)]
    #[case::with_headers("HTTP/1.0 200 OK\r\nVia: x\r\n\r\nhello", None)]
    #[case::refused(
        "HTTP/1.1 403 Forbidden\r\n\r\n",
        Some("it refused the connection (HTTP/1.1 403 Forbidden)")
    )]
    #[case::asks_who(
        "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        Some("needs a name and password (407)")
    )]
    #[case::no_proxy("SSH-2.0-OpenSSH\r\n\r\n", Some("it refused the connection"))]
    #[case::gone("", Some("through the proxy 127.0.0.1"))]
    #[tokio::test]
    async fn a_proxy_is_asked_for_a_tunnel(
        #[case] answer: &'static str,
        #[case] says: Option<&str>,
    ) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(asked).unwrap()
        });
        let way = way(&format!("http://name:secret@{at}"), "");
        let connected = way.connect(&"wss://slack.test/link".parse().unwrap()).await;
        let asked = asked.await.unwrap();
        assert!(
            asked.starts_with("CONNECT slack.test:443 HTTP/1.1\r\nHost: slack.test:443\r\n"),
            "{asked}"
        );
        assert!(
            asked.contains("Proxy-Authorization: Basic bmFtZTpzZWNyZXQ="),
            "{asked}"
        );
        match (connected, says) {
            (Ok(mut stream), None) => {
                let mut rest = String::new();
                stream.read_to_string(&mut rest).await.unwrap();
                assert_eq!(rest, "hello");
            }
            (Err(error), Some(says)) => {
                let words = error.to_string();
                assert!(words.contains(says) && !words.contains("secret"), "{words}");
            }
            (other, _) => panic!("{other:?}"),
        }
    }

    #[rstest]
    #[case("socks5://127.0.0.1:1")]
    #[case("https://127.0.0.1:1")]
    #[tokio::test]
    async fn a_proxy_that_cannot_be_used_is_said(#[case] proxy: &str) {
        let to = "https://slack.test".parse().unwrap();
        let error = way(proxy, "").connect(&to).await.unwrap_err();
        let words = error.to_string();
        assert!(
            words.contains("only a proxy with an http:// address"),
            "{words}"
        );
    }

    /// The race counts each address once.
    #[tokio::test]
    async fn each_address_is_tried_once() {
        let counted = AtomicUsize::new(0);
        let tries = &counted;
        let all = race(vec![(); 5], SOON, |()| async move {
            tries.fetch_add(1, Ordering::SeqCst);
            io::Result::<()>::Err(refused())
        });
        assert!(all.await.is_err());
        assert_eq!(tries.load(Ordering::SeqCst), 5);
    }
}
