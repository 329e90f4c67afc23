//! Webhooks of GitHub: bodies of 17 KB that are stored, each signed, on many connections.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::fake::{Fake, REPO, issue};
use super::machine::{Server, write_private};
use super::report::{Table, quantile};
use super::{folder, ivan, this_program};

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// The deliveries of one measurement: fewer than Ivan lets wait, so that none is turned away.
const DELIVERIES: usize = 12_000;
/// The deliveries before a measurement, which are not counted.
const BEFORE: usize = 400;
const OPEN_LOOP_PER_SECOND: usize = 200;
const OPEN_LOOP_SECONDS: usize = 5;
const BODY: usize = 17 * 1024;

/// Signed requests, ready to be written.
pub struct Deliveries {
    requests: Vec<Vec<u8>>,
}

impl Deliveries {
    pub fn make() -> Deliveries {
        let count = DELIVERIES + BEFORE;
        Deliveries {
            requests: (1..=count as u64).map(request).collect(),
        }
    }
}

/// A request that reports an issue as opened, with a long text.
pub fn request(number: u64) -> Vec<u8> {
    let opened = include_str!("../../fixtures/github/issues__opened.json");
    let mut payload: Value = serde_json::from_str(opened).unwrap();
    let mut of = issue(number);
    let fields = of.as_object_mut().unwrap();
    fields.insert("body".to_owned(), json!("x".repeat(BODY - 2_000)));
    payload
        .as_object_mut()
        .unwrap()
        .insert("issue".to_owned(), of);
    signed(number, &payload)
}

/// A signed request with this payload, as GitHub's delivery of this number.
pub fn signed(number: u64, payload: &Value) -> Vec<u8> {
    let body = payload.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    format!(
        "POST /webhooks/github HTTP/1.1\r\nhost: localhost\r\nuser-agent: GitHub-Hookshot/load\r\naccept: */*\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nx-github-event: issues\r\n\
         x-github-delivery: 00000000-0000-4000-8000-{number:012}\r\nx-github-hook-id: 1\r\n\
         x-hub-signature-256: sha256={signature}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A connection that is kept open.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> Connection {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Connection {
            stream,
            read: Vec::with_capacity(1_024),
        }
    }

    /// Sends a request, and reads its whole response; whether it was accepted.
    pub async fn send(&mut self, request: &[u8]) -> bool {
        self.exchange(request).await.0
    }

    /// Sends a request; whether it was accepted, and the body of the response.
    pub async fn exchange(&mut self, request: &[u8]) -> (bool, String) {
        self.stream.write_all(request).await.unwrap();
        self.read.clear();
        loop {
            let read = self.stream.read_buf(&mut self.read).await.unwrap();
            assert!(read > 0, "the connection was closed");
            let text = String::from_utf8_lossy(&self.read);
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, length)| length.trim().parse::<usize>().ok());
            if body.len() >= length.unwrap() {
                return (head.starts_with("HTTP/1.1 2"), body.to_owned());
            }
        }
    }
}

/// Deliveries per second, when each of so many connections sends as fast as it is answered.
async fn closed_loop(address: &str, deliveries: &Arc<Deliveries>, connections: usize) -> f64 {
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Arc::new(Mutex::new(None::<Instant>));
    let mut senders = Vec::new();
    for _ in 0..connections {
        let (next, deliveries) = (Arc::clone(&next), Arc::clone(deliveries));
        let begun = Arc::clone(&begun);
        let mut connection = Connection::open(address).await;
        senders.push(tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = deliveries.requests.get(number) else {
                    return;
                };
                if number >= BEFORE {
                    begun.lock().unwrap().get_or_insert_with(Instant::now);
                }
                assert!(
                    connection.send(request).await,
                    "delivery {number} was refused"
                );
            }
        }));
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let begun = begun.lock().unwrap().unwrap();
    DELIVERIES as f64 / begun.elapsed().as_secs_f64()
}

/// The times from the instant at which a delivery was due to its answer, in milliseconds.
async fn open_loop(address: &str, deliveries: &Arc<Deliveries>) -> Vec<f64> {
    let idle: Arc<Mutex<VecDeque<Connection>>> = Arc::default();
    for _ in 0..32 {
        let connection = Connection::open(address).await;
        idle.lock().unwrap().push_back(connection);
    }
    let between = Duration::from_secs(1) / OPEN_LOOP_PER_SECOND as u32;
    let begun = Instant::now();
    let mut senders = Vec::new();
    for number in 0..OPEN_LOOP_PER_SECOND * OPEN_LOOP_SECONDS {
        let due = begun + between * number as u32;
        tokio::time::sleep_until(due).await;
        let (idle, deliveries) = (Arc::clone(&idle), Arc::clone(deliveries));
        let address = address.to_owned();
        senders.push(tokio::spawn(async move {
            let free = idle.lock().unwrap().pop_front();
            let mut connection = match free {
                Some(connection) => connection,
                None => Connection::open(&address).await,
            };
            let request = deliveries.requests.get(number).unwrap();
            assert!(
                connection.send(request).await,
                "delivery {number} was refused"
            );
            let took = due.elapsed().as_secs_f64() * 1_000.0;
            idle.lock().unwrap().push_back(connection);
            took
        }));
    }
    let mut took = Vec::new();
    for sender in senders {
        took.push(sender.await.unwrap());
    }
    took
}

#[derive(Clone, Copy)]
enum Who {
    Ivan,
    Bare,
}

async fn start(who: Who, fake: &Fake, folder: &Path) -> (Server, String) {
    let mut server = match who {
        Who::Ivan => {
            let config = folder.join("bot.toml");
            write_private(&config, &bot_toml(fake));
            let arguments = ["--config", config.to_str().unwrap(), "serve"];
            Server::start(&ivan(), &arguments, folder)
        }
        Who::Bare => {
            let store = folder.join("bare.db");
            let arguments = ["bare-webhooks", store.to_str().unwrap()];
            Server::start(&this_program(), &arguments, folder)
        }
    };
    let address = match who {
        Who::Ivan => address_in(&server.says("\"started\"").await, "webhooks"),
        Who::Bare => last_address_in(&server.says("listening on").await),
    };
    (server, address)
}

/// The address that a line ends with, or names last.
pub fn address_in(line: &str, field: &str) -> String {
    let (_, rest) = line.split_once(&format!("\"{field}\":\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// The last address in a line.
fn last_address_in(line: &str) -> String {
    let (_, rest) = line.rsplit_once("127.0.0.1:").unwrap();
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    format!("127.0.0.1:{port}")
}

/// Both sources and no Slack; polls stay away.
pub fn bot_toml(fake: &Fake) -> String {
    let base = fake.base();
    format!(
        "log.format = \"json\"\nlog.level = \"info\"\nstore.path = \"ivan.db\"\napi.bind = \"127.0.0.1:0\"\n\
         api.token = \"load\"\nwebhooks.bind = \"127.0.0.1:0\"\n\
         github.token = \"github_pat_load\"\ngithub.repo = \"{REPO}\"\ngithub.api_url = \"{base}/github\"\n\
         github.webhook_secret = \"{SECRET}\"\ngithub.writes_per_second = 0\n"
    )
}

/// One repetition.
pub async fn measure(table: &mut Table, fake: &Fake, deliveries: &Arc<Deliveries>, turn: usize) {
    fake.has_issues(1..=1);
    let mut order = [Who::Ivan, Who::Bare];
    order.rotate_left(turn % 2);
    for who in order {
        let put = |table: &mut Table, name: &str, unit, value| match who {
            Who::Ivan => table.add(name, unit, Some(value), None),
            Who::Bare => table.add(name, unit, None, Some(value)),
        };
        for connections in [32, 256] {
            let folder = folder();
            let (server, address) = start(who, fake, folder.path()).await;
            let before = server.processor_time();
            let rate = closed_loop(&address, deliveries, connections).await;
            let used = server.processor_time() - before;
            let name = format!("webhooks, {connections} connections");
            put(table, &name, "/s", rate);
            let name = format!("{name}: processor time per 1,000");
            put(
                table,
                &name,
                "ms",
                used * 1e6 / (DELIVERIES + BEFORE) as f64,
            );
            drop(server);
        }
        let folder = folder();
        let (server, address) = start(who, fake, folder.path()).await;
        let took = open_loop(&address, deliveries).await;
        let name = format!("webhooks, {OPEN_LOOP_PER_SECOND}/s");
        put(
            table,
            &format!("{name}: p50"),
            "ms",
            quantile(&took, 0.5).unwrap(),
        );
        put(
            table,
            &format!("{name}: p99"),
            "ms",
            quantile(&took, 0.99).unwrap(),
        );
        drop(server);
    }
}
