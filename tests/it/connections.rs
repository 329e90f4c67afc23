//! Held connections: 300 that idle, send slowly or stay after an answer keep neither a webhook nor a local user waiting.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use rstest::rstest;
use serde_json::json;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::*;

const HELD: usize = 300;
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// How many of a story's tries in a row must be answered in time, and how many it may make: a busy machine delays some.
const IN_TIME: usize = 5;
const TRIES: usize = 20;

/// What a held connection does.
#[derive(Debug, Clone, Copy)]
enum Hold {
    Idle,
    DripsHeads,
    DripsBodies,
    StaysAfterAnAnswer,
}

impl Hold {
    /// Holds one connection until it is closed.
    async fn hold(self, address: SocketAddr, opened: &AtomicUsize) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(address).await?;
        opened.fetch_add(1, Ordering::AcqRel);
        let begin: &[u8] = match self {
            Hold::Idle => b"",
            Hold::DripsHeads => b"POST /webhooks/github HTTP/1.1\r\nX-Long: ",
            // A signature of the right form, so that the body is read.
            Hold::DripsBodies => b"POST /webhooks/github HTTP/1.1\r\nHost: ivan\r\nX-GitHub-Event: issues\r\n\
                  X-Hub-Signature-256: sha256=857107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17\r\n\
                  Content-Length: 60000\r\n\r\n",
            Hold::StaysAfterAnAnswer => b"GET /healthz HTTP/1.1\r\nHost: ivan\r\n\r\n",
        };
        stream.write_all(begin).await?;
        let (mut reads, mut writes) = stream.into_split();
        let drips = async {
            match self {
                Hold::DripsHeads | Hold::DripsBodies => loop {
                    writes.write_all(b"x").await?;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                },
                Hold::Idle | Hold::StaysAfterAnAnswer => std::future::pending().await,
            }
        };
        let is_closed = async {
            let mut answer = [0; 1024];
            while reads.read(&mut answer).await? > 0 {}
            Ok(())
        };
        tokio::select! {
            ended = drips => ended,
            ended = is_closed => ended,
        }
    }
}

/// Holds so many connections. One that is closed is opened again.
fn hold(hold: Hold, address: SocketAddr) -> (JoinSet<()>, Arc<AtomicUsize>) {
    let (mut held, opened) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..HELD {
        let opened = Arc::clone(&opened);
        held.spawn(async move {
            loop {
                let _ = hold.hold(address, &opened).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }
    (held, opened)
}

fn address(url: &str) -> SocketAddr {
    let rest = url.strip_prefix("http://").unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

async fn is_delivered(ivan: &Ivan, n: usize) -> reqwest::Result<u16> {
    let body = json!({"action": "opened", "n": n}).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(HOOK_SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let sent = client()
        .post(ivan.hook_url("github"))
        .header("X-GitHub-Event", "issues")
        .header("X-Hub-Signature-256", format!("sha256={signature}"))
        .header("Content-Type", "application/json")
        .body(body);
    Ok(sent.send().await?.status().as_u16())
}

async fn is_asked(ivan: &Ivan) -> reqwest::Result<u16> {
    let asked = client()
        .get(format!("{}/current", ivan.api_url()))
        .bearer_auth(ivan.token());
    Ok(asked.send().await?.status().as_u16())
}

/// Whether it was answered with 200 in time.
async fn in_time(answer: impl Future<Output = reqwest::Result<u16>>) -> bool {
    let answer = tokio::time::timeout(ANSWERED_WITHIN, answer).await;
    matches!(answer, Ok(Ok(200)))
}

#[rstest]
#[case::idle(Hold::Idle)]
#[case::drip_heads(Hold::DripsHeads)]
#[case::drip_bodies(Hold::DripsBodies)]
#[case::stay_after_an_answer(Hold::StaysAfterAnAnswer)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_connections_keep_nobody_waiting(#[case] holds: Hold) {
    ivan_test(two_issues().webhooks(), async |ivan| {
        let listeners = [ivan.hook_url("github"), ivan.api_url()];
        let held = listeners.map(|url| hold(holds, address(&url)));
        for (_, opened) in &held {
            // More than the places of the listener: it is full.
            while opened.load(Ordering::Acquire) < HELD {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let mut in_a_row = 0;
        for n in 0..TRIES {
            let webhook = in_time(is_delivered(ivan, n)).await;
            let request = in_time(is_asked(ivan)).await;
            in_a_row = if webhook && request { in_a_row + 1 } else { 0 };
            if in_a_row == IN_TIME {
                break;
            }
        }
        assert_eq!(
            in_a_row, IN_TIME,
            "{holds:?}: not so many webhooks and requests in a row are answered in time"
        );
        drop(held);
    })
    .await;
}
