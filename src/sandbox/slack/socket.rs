//! One WebSocket link: the upgrade, the frames, the pings. Frames are read and written one by one, because a library
//! that implements the protocol correctly cannot withhold a pong or go silent (docs/contracts/slack.md#disconnects-and-several-connections, case 6).

use std::io::{self, Cursor};
use std::pin::pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use super::wire::{self, Order, SocketLink};
use super::{Inner, SandboxEvent};

/// The largest accepted frame from the bot in bytes. Acknowledgements are small, but answers with blocks are not.
const LARGEST: u64 = 1024 * 1024;

/// `GET /link/?ticket=…`: the upgrade (docs/contracts/slack.md#opening-a-connection).
pub(super) async fn link(State(inner): State<Arc<Inner>>, mut request: Request) -> Response {
    let Some(accept) = accept_key(request.headers()) else {
        return (StatusCode::BAD_REQUEST, "not a WebSocket upgrade").into_response();
    };
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let ticket = url::form_urlencoded::parse(query).find(|(name, _)| name == "ticket");
    if !ticket.is_some_and(|(_, ticket)| inner.wire().redeem(&ticket)) {
        // Slack's real response is unknown (docs/contracts/slack.md#to-be-confirmed).
        return (
            StatusCode::FORBIDDEN,
            "the ticket is unknown, used or too old",
        )
            .into_response();
    }
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return (
            StatusCode::BAD_REQUEST,
            "this connection cannot be upgraded",
        )
            .into_response();
    };
    tokio::spawn(serve(inner, upgrade));
    let headers = [
        (header::UPGRADE, "websocket"),
        (header::CONNECTION, "Upgrade"),
        (header::SEC_WEBSOCKET_ACCEPT, accept.as_str()),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}

/// The answer to the client's key; `None` unless the request is an upgrade of RFC 6455.
fn accept_key(headers: &HeaderMap) -> Option<String> {
    let says = |name: header::HeaderName, word: &str| {
        let value = headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        value
            .split(',')
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    let upgrades = says(header::CONNECTION, "upgrade")
        && says(header::UPGRADE, "websocket")
        && says(header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    upgrades.then(|| derive_accept_key(key.as_bytes()))
}

/// Serves a link from its upgrade to its end.
async fn serve(inner: Arc<Inner>, upgrade: OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let (orders, inbox) = mpsc::unbounded_channel();
    let cut = Arc::new(Notify::new());
    let admitted = inner.wire().admit(SocketLink {
        orders,
        cut: Arc::clone(&cut),
        routed: true,
    });
    let mut line = Line {
        io: TokioIo::new(upgraded),
        read: Vec::new(),
        partial: None,
    };
    let Some(id) = admitted else {
        let goodbye = json!({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {"host": "applink-0"}});
        // One link too many gets this message and is closed; a failed send does not matter.
        let _ = line
            .write(Frame::message(
                goodbye.to_string(),
                OpCode::Data(Data::Text),
                true,
            ))
            .await;
        let _ = line.write(close()).await;
        return;
    };
    inner.tell(SandboxEvent::Connected { link: id });
    tokio::select! {
        biased;
        () = inner.closing.cancelled() => {}
        () = cut.notified() => {}
        // The connection is dropped below in every case.
        _ = talk(&inner, id, &mut line, inbox) => {}
    }
    gone(&inner, id);
    if inner.wire().knobs.leave_tcp_open {
        tokio::select! {
            () = inner.closing.cancelled() => {}
            () = cut.notified() => {}
        }
    }
}

fn gone(inner: &Inner, id: u64) {
    // Outside the lock: the receivers look at the links.
    let was_there = inner.wire().dismiss(id);
    if was_there {
        inner.tell(SandboxEvent::Disconnected { link: id });
    }
}

fn close() -> Frame {
    Frame::close(Some(CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    }))
}

/// Reads and writes until either side closes.
async fn talk(
    inner: &Arc<Inner>,
    id: u64,
    line: &mut Line,
    mut orders: mpsc::UnboundedReceiver<Order>,
) -> io::Result<()> {
    if inner.wire().knobs.hello {
        line.write(Frame::message(
            inner.hello(id),
            OpCode::Data(Data::Text),
            true,
        ))
        .await?;
    }
    let ping_every = inner.wire().knobs.ping_every;
    let mut ping = pin!(tokio::time::sleep(ping_every));
    let mut closing = false;
    loop {
        let knobs = inner.wire().knobs.clone();
        tokio::select! {
            biased;
            Some(order) = orders.recv() => match order {
                Order::Text(text) => line.write(Frame::message(text, OpCode::Data(Data::Text), true)).await?,
                Order::Binary(bytes) => line.write(Frame::message(bytes, OpCode::Data(Data::Binary), true)).await?,
                Order::Close => {
                    closing = true;
                    line.write(close()).await?;
                }
                // A ghost: Slack still routes to it (docs/contracts/slack.md#disconnects-and-several-connections). Only a cut ends it.
                Order::Silence => std::future::pending::<()>().await,
            },
            () = ping.as_mut() => {
                ping.set(tokio::time::sleep(knobs.ping_every));
                if knobs.pinging && !closing {
                    line.write(Frame::ping(format!("Ping from {}", wire::host(id)).into_bytes())).await?;
                }
            }
            message = line.next() => match message? {
                Message::Text(text) => inner.heard(id, &text),
                Message::Binary => inner.heard(id, "a binary frame"),
                Message::Ping(payload) if inner.wire().knobs.ponging => line.write(Frame::pong(payload)).await?,
                Message::Ping(_) | Message::Pong => {}
                Message::Close if closing => return Ok(()),
                Message::Close => {
                    gone(inner, id);
                    return line.write(close()).await;
                }
                Message::Wrong(why) => {
                    inner.heard(id, why);
                    let refusal = CloseFrame { code: CloseCode::Protocol, reason: why.into() };
                    return line.write(Frame::close(Some(refusal))).await;
                }
            },
        }
    }
}

/// A message from the bot.
enum Message {
    Text(String),
    Binary,
    Ping(Vec<u8>),
    Pong,
    Close,
    /// A violation of RFC 6455, with its reason.
    Wrong(&'static str),
}

/// An upgraded connection.
struct Line {
    io: TokioIo<Upgraded>,
    /// Bytes that were read but not parsed yet.
    read: Vec<u8>,
    /// The start of a fragmented message.
    partial: Option<(Data, Vec<u8>)>,
}

impl Line {
    async fn write(&mut self, frame: Frame) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame.format(&mut bytes).map_err(io::Error::other)?;
        self.io.write_all(&bytes).await?;
        self.io.flush().await
    }

    /// The next message. Cancel-safe.
    async fn next(&mut self) -> io::Result<Message> {
        loop {
            if let Some(message) = self.parse() {
                return Ok(message);
            }
            if self.io.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Parses the next complete message from the bytes read.
    fn parse(&mut self) -> Option<Message> {
        loop {
            let mut cursor = Cursor::new(&self.read);
            let (head, length) = match FrameHeader::parse(&mut cursor) {
                Ok(Some(parsed)) => parsed,
                Ok(None) => return None,
                Err(_) => return Some(Message::Wrong("an unknown opcode")),
            };
            if length > LARGEST {
                return Some(Message::Wrong("a frame that is too large"));
            }
            let start = usize::try_from(cursor.position()).ok()?;
            let end = start.checked_add(usize::try_from(length).ok()?)?;
            let mut payload = self.read.get(start..end)?.to_vec();
            self.read.drain(..end);
            let Some(mask) = head.mask else {
                return Some(Message::Wrong("an unmasked frame"));
            };
            payload
                .iter_mut()
                .zip(mask.iter().cycle())
                .for_each(|(byte, mask)| *byte ^= mask);
            if let Some(message) = self.assemble(&head, payload) {
                return Some(message);
            }
        }
    }

    /// Assembles a frame into a message; `None` while a fragmented message continues.
    fn assemble(&mut self, head: &FrameHeader, payload: Vec<u8>) -> Option<Message> {
        let (kind, whole) = match (head.opcode, self.partial.take()) {
            (OpCode::Control(control), partial) => {
                self.partial = partial;
                return Some(match control {
                    Control::Ping => Message::Ping(payload),
                    Control::Pong => Message::Pong,
                    Control::Close => Message::Close,
                    Control::Reserved(_) => Message::Wrong("a reserved control frame"),
                });
            }
            (OpCode::Data(Data::Continue), Some((kind, mut before))) => {
                before.extend(payload);
                (kind, before)
            }
            (OpCode::Data(kind @ (Data::Text | Data::Binary)), None) => (kind, payload),
            _ => return Some(Message::Wrong("a fragment out of place")),
        };
        if !head.is_final {
            self.partial = Some((kind, whole));
            return None;
        }
        Some(match (kind, String::from_utf8(whole)) {
            (Data::Text, Ok(text)) => Message::Text(text),
            (Data::Text, Err(_)) => Message::Wrong("text that is no UTF-8"),
            _ => Message::Binary,
        })
    }
}
