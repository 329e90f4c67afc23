//! The bare baselines: the least that a durable server does, without any of Ivan's work.
//!
//! - Webhooks: hyper, the signature, and one row in SQLite. Rows that arrive during a commit share the next.
//! - Slack: a Socket Mode loop. One row is committed, the envelope acknowledged, the task written to the source, and
//!   the answer posted.
//!
//! Both run as processes of their own, with the same settings of SQLite and the same number of threads as Ivan.

use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;

use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rusqlite::{Connection, TransactionBehavior, params};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

/// Rows in one commit at most, as in Ivan.
const BATCH: usize = 256;

struct Row {
    key: String,
    payload: Vec<u8>,
    kept: oneshot::Sender<()>,
}

/// Commits rows in groups on a thread of its own.
#[derive(Clone)]
struct Keeper {
    rows: mpsc::Sender<Row>,
}

impl Keeper {
    fn start(path: &Path) -> Keeper {
        let mut connection = Connection::open(path).unwrap();
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .unwrap();
        connection
            .pragma_update(None, "synchronous", "FULL")
            .unwrap();
        connection
            .execute_batch("CREATE TABLE kept (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, payload BLOB NOT NULL)")
            .unwrap();
        let (rows, mut queue) = mpsc::channel::<Row>(1024);
        std::thread::spawn(move || {
            let mut batch = Vec::with_capacity(BATCH);
            while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
                let tx = connection
                    .transaction_with_behavior(TransactionBehavior::Immediate)
                    .unwrap();
                for row in &batch {
                    tx.prepare_cached("INSERT OR IGNORE INTO kept (key, payload) VALUES (?1, ?2)")
                        .unwrap()
                        .execute(params![row.key, row.payload])
                        .unwrap();
                }
                tx.commit().unwrap();
                for row in batch.drain(..) {
                    let _ = row.kept.send(());
                }
            }
        });
        Keeper { rows }
    }

    /// Returns when the row is on the disk.
    async fn keep(&self, key: String, payload: Vec<u8>) {
        let (kept, is_kept) = oneshot::channel();
        let row = Row { key, payload, kept };
        self.rows.send(row).await.ok().unwrap();
        is_kept.await.unwrap();
    }
}

/// Receives signed webhooks until it is killed.
pub async fn webhooks(store: &Path, secret: &'static str) {
    let keeper = Keeper::start(store);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    eprintln!("listening on {}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let keeper = keeper.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| take(request, keeper.clone(), secret));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn take(
    request: Request<Incoming>,
    keeper: Keeper,
    secret: &str,
) -> Result<Response<String>, Infallible> {
    let header = |name: &str| {
        let value = request.headers().get(name);
        let value = value.and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (key, signature) = (header("x-github-delivery"), header("x-hub-signature-256"));
    let body = whole(request.into_body()).await;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&body);
    let claimed = hex::decode(signature.trim_start_matches("sha256=")).unwrap_or_default();
    let status = match mac.verify_slice(&claimed) {
        Ok(()) => {
            keeper.keep(key, body).await;
            200
        }
        Err(_) => 401,
    };
    let response = Response::builder().status(status);
    Ok(response.body("{}".to_owned()).unwrap())
}

async fn whole(mut body: Incoming) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame.unwrap().into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    bytes
}

type Http = Client<HttpConnector, String>;

/// Answers Slack's messages until it is killed. `base` is the address of the fake services.
pub async fn slack(store: &Path, base: &str) {
    let keeper = Keeper::start(store);
    let http: Http = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let opened = post(&http, &format!("{base}/api/apps.connections.open"), "{}").await;
    let url = opened.get("url").and_then(Value::as_str).unwrap();
    let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let (mut sink, mut stream) = socket.split();
    let (acks, mut to_write) = mpsc::channel::<Message>(256);
    tokio::spawn(async move {
        let mut together = Vec::new();
        while to_write.recv_many(&mut together, 64).await > 0 {
            for frame in together.drain(..) {
                sink.feed(frame).await.unwrap();
            }
            sink.flush().await.unwrap();
        }
    });
    while let Some(Ok(frame)) = stream.next().await {
        let Message::Text(text) = frame else { continue };
        let envelope: Value = serde_json::from_str(&text).unwrap();
        let Some(id) = envelope.get("envelope_id").and_then(Value::as_str) else {
            continue;
        };
        let (id, event) = (id.to_owned(), envelope.pointer("/payload/event").cloned());
        let (keeper, http, acks) = (keeper.clone(), http.clone(), acks.clone());
        let base = base.to_owned();
        tokio::spawn(async move {
            keeper.keep(id.clone(), text.as_bytes().to_vec()).await;
            let ack = json!({ "envelope_id": id }).to_string();
            let _ = acks.send(Message::text(ack)).await;
            let event = event.unwrap_or_default();
            let field = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
            let title = field("text").trim_start_matches("create ");
            let task = json!({ "name": title }).to_string();
            let url = format!("{base}/clickup/list/{}/task", super::fake::LIST);
            post(&http, &url, &task).await;
            let said = format!("✓ Task created in ClickUp: {title}");
            let answer = json!({"channel": field("channel"), "text": said}).to_string();
            post(&http, &format!("{base}/api/chat.postMessage"), &answer).await;
        });
    }
}

async fn post(http: &Http, url: &str, body: &str) -> Value {
    let request = Request::post(url)
        .header("content-type", "application/json")
        .body(body.to_owned())
        .unwrap();
    let response = http.request(request).await.unwrap();
    serde_json::from_slice(&whole(response.into_body()).await).unwrap()
}
