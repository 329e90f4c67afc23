//! Instructions of the daemon under callgrind: per `done`, per `create`, per webhook, per unchanged task of a poll. Unlike times, they
//! are the same on a busy machine.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::Instant;

use super::fake::{Fake, user};
use super::machine::{Server, write_private};
use super::report::shown;
use super::webhooks::{Connection, address_in, request};
use super::{folder, ivan, slack, webhooks};

const COMMANDS: u64 = 20;
const DELIVERIES: u64 = 200;
const TASKS: u64 = 1_000;
/// A daemon under valgrind is some fifty times slower.
const PATIENCE: Duration = Duration::from_secs(300);
pub async fn measure() {
    let found = Command::new("valgrind").arg("--version").output().await;
    if !found.is_ok_and(|found| found.status.success()) {
        eprintln!(
            "valgrind is not installed: instructions cannot be counted here (Debian: apt install valgrind)"
        );
        std::process::exit(1);
    }
    let fake = Fake::start().await;
    fake.has_issues(1..=TASKS);
    let folder = folder();
    let config = folder.path().join("bot.toml");
    // Both sources: `done #N` closes an issue.
    let of_github = webhooks::bot_toml(&fake);
    let of_github = of_github.lines().filter(|line| line.starts_with("github."));
    let of_github = of_github.collect::<Vec<_>>().join("\n");
    let text = slack::bot_toml(&fake);
    let text = text.replacen("\n\n[[people]]", &format!("\n{of_github}\n\n[[people]]"), 1);
    write_private(&config, &text);
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=callgrind.out"])
        .arg(ivan())
        .arg("--config")
        .arg(&config)
        .arg("serve");
    fake.expects_a_link();
    let mut server = Server::spawn(&mut command, folder.path());
    let started = server.says("\"started\"").await;
    let (api, hooks) = (
        address_in(&started, "api"),
        address_in(&started, "webhooks"),
    );
    fake.is_connected().await;
    let mut counted = Counted { server, part: 0 };
    counted.server.is_still(PATIENCE).await;

    // Everything is compiled and cached by the first of each kind.
    let done = |number| format!("done #{number}");
    let create = |number| format!("create Errand {number}");
    for (name, typed) in [
        ("done #N", &done as &dyn Fn(u64) -> String),
        ("create", &create),
    ] {
        commands(&fake, 1..=3, typed).await;
        counted.restart(folder.path()).await;
        commands(&fake, 4..=3 + COMMANDS, typed).await;
        let all = counted.restart(folder.path()).await;
        println!(
            "instructions per `{name}` (2,100 people): {}",
            per(all, COMMANDS)
        );
    }

    let mut connection = Connection::open(&hooks).await;
    assert!(connection.send(&request(TASKS + 1)).await);
    counted.restart(folder.path()).await;
    for number in 1..=DELIVERIES {
        assert!(connection.send(&request(TASKS + 1 + number)).await);
    }
    let all = counted.restart(folder.path()).await;
    println!(
        "instructions per webhook of 17 KB, stored and applied: {}",
        per(all, DELIVERIES)
    );

    poll(&api).await;
    counted.restart(folder.path()).await;
    poll(&api).await;
    let all = counted.restart(folder.path()).await;
    println!(
        "instructions per unchanged task of a poll: {}",
        per(all, TASKS)
    );
    drop(counted);
}

fn per(all: f64, count: u64) -> String {
    let each = all / count as f64;
    match each >= 1e6 {
        true => format!("{:.2} million", each / 1e6),
        false => shown(each),
    }
}

/// One message of each person, each after the answer to the one before.
async fn commands(
    fake: &Fake,
    people: std::ops::RangeInclusive<u64>,
    typed: &dyn Fn(u64) -> String,
) {
    for number in people {
        fake.begins();
        let typed = typed(number);
        fake.says(&user(usize::try_from(number).unwrap()), &typed);
        assert_eq!(
            fake.are_answered(1, PATIENCE).await,
            1,
            "`{typed}` has no answer"
        );
    }
}

/// Reads all tasks again.
async fn poll(api: &str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(api).await.unwrap();
    let body = "{\"full\":true}";
    let head = "POST /sync?wait=300 HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer load\r\nconnection: close";
    let length = body.len();
    let request = format!(
        "{head}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let errors = body.to_string();
    assert!(!errors.contains("\"error\":\""), "{errors}");
}

/// A daemon under callgrind.
struct Counted {
    server: Server,
    part: u32,
}

impl Counted {
    /// The instructions since the last call; counting starts again.
    async fn restart(&mut self, folder: &Path) -> f64 {
        self.server.is_still(PATIENCE).await;
        let pid = self.server.pid().to_string();
        let dumped = Command::new("callgrind_control")
            .args(["--dump", &pid])
            .output()
            .await;
        assert!(dumped.unwrap().status.success(), "callgrind_control");
        self.part += 1;
        let part = folder.join(format!("callgrind.out.{}", self.part));
        let begun = Instant::now();
        loop {
            let text = std::fs::read_to_string(&part).unwrap_or_default();
            let totals = text
                .lines()
                .rev()
                .find_map(|line| line.strip_prefix("totals: "));
            if let Some(totals) = totals {
                return totals.trim().parse().unwrap();
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "no counts in {}",
                part.display()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
