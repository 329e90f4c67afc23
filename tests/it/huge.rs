//! Bodies of the largest size that a source may send, correctly signed, and a daemon with little memory: none ends the
//! daemon, neither on arrival nor at each later start.

use hmac::{Hmac, KeyInit, Mac};
use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::*;

const MB: usize = 1024 * 1024;
/// The limit of the daemon's writable memory. Its address space depends on the number of threads that a busy machine needs:
/// the allocator reserves 64 MB for each.
const LITTLE: u64 = 1024 * 1024 * 1024;

/// The content that fills a payload.
#[derive(Debug, Clone, Copy)]
enum Filling {
    /// The shortest possible items of a list.
    Objects,
    Numbers,
    Texts,
    Text,
    /// Deeper than any reader goes.
    Nested,
}

/// A JSON value of `bytes` bytes.
fn filling(kind: Filling, bytes: usize) -> String {
    let listed = |item: &str| {
        let items = item.repeat(bytes / item.len());
        format!("[{}]", items.trim_end_matches(','))
    };
    match kind {
        Filling::Objects => listed("{},"),
        Filling::Numbers => listed("1,"),
        Filling::Texts => listed("\"\","),
        Filling::Text => format!("\"{}\"", "x".repeat(bytes)),
        Filling::Nested => "[".repeat(bytes / 2) + &"]".repeat(bytes / 2),
    }
}

/// A payload with a further field.
fn with(payload: &Value, field: &str, value: &str) -> String {
    let text = payload.to_string();
    let rest = text.strip_prefix('{').unwrap();
    format!("{{\"{field}\":{value},{rest}")
}

fn of_clickup(ivan: &Ivan) -> Value {
    json!({"event": "taskUpdated", "task_id": ivan.clickup().task("Renew cert").id(),
        "webhook_id": "11111111-2222-4333-8444-555555555555"})
}

/// The sandbox's issue after a person has closed it.
fn of_github(ivan: &Ivan) -> Value {
    let mut payload: Value =
        serde_json::from_str(include_str!("../../fixtures/github/issues__closed.json")).unwrap();
    ivan.github().close_as(REPO, 1, "bo");
    payload["issue"] = ivan.github().issue(REPO, 1).json();
    let repository: String = ivan.sql("SELECT container FROM tasks WHERE source_key LIKE '%:1'");
    payload["repository"]["id"] = json!(repository.parse::<u64>().unwrap());
    payload["repository"]["full_name"] = json!(REPO);
    payload
}

/// The status of the answer to a signed delivery. A 503 says that the store of a busy machine took too long: then it is
/// sent again, as a source does.
async fn deliver(ivan: &Ivan, source: &str, content: &str, body: String) -> u16 {
    for _ in 0..5 {
        let status = deliver_once(ivan, source, content, body.clone()).await;
        if status != 503 {
            return status;
        }
    }
    503
}

async fn deliver_once(ivan: &Ivan, source: &str, content: &str, body: String) -> u16 {
    let mut mac = Hmac::<Sha256>::new_from_slice(HOOK_SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let request = client().post(ivan.hook_url(source)).body(body);
    let request = match source {
        "github" => request
            .header("X-GitHub-Event", "issues")
            .header("X-Hub-Signature-256", format!("sha256={signature}")),
        _ => request.header("X-Signature", signature),
    };
    let answer = request.header("Content-Type", content).send().await;
    answer.unwrap().status().as_u16()
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The daemon's peak memory, in bytes.
fn peak(ivan: &Ivan) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", ivan.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kb: usize = line
        .and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap();
    kb * 1024
}

#[rstest]
#[case::objects("junk", Filling::Objects, JSON)]
#[case::objects_in_a_form("junk", Filling::Objects, FORM)]
#[case::labels("label", Filling::Objects, JSON)]
#[case::numbers("sender", Filling::Numbers, JSON)]
#[case::texts("comment", Filling::Texts, JSON)]
#[case::a_text("changes", Filling::Text, JSON)]
#[case::nested("junk", Filling::Nested, JSON)]
#[tokio::test]
async fn the_largest_body_of_github_takes_a_few_times_its_size(
    #[case] field: &str,
    #[case] kind: Filling,
    #[case] content: &str,
) {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.limits_memory(LITTLE);
        let before = peak(ivan);
        let mut payload = of_github(ivan);
        payload.as_object_mut().unwrap().remove(field);
        let body = with(&payload, field, &filling(kind, 24 * MB));
        let body = match content {
            FORM => format!("payload={}", body.replace('&', "%26").replace('+', "%2B")),
            _ => body,
        };
        assert_eq!(deliver(ivan, "github", content, body).await, 200);
        ivan.until_deliveries_are_applied().await;
        let done = "SELECT status FROM tasks WHERE source_key LIKE '%:1'";
        assert_eq!(ivan.sql::<String>(done), "done");
        let took = peak(ivan).saturating_sub(before);
        println!("{field}, {kind:?}, {content}: {} MB", took / MB);
        // A form is decoded into another text. A tree of the whole took more than eighty times the body.
        assert!(took < 4 * 24 * MB, "{} MB", took / MB);
    })
    .await;
}

#[tokio::test]
async fn of_clickup_no_body_over_a_megabyte_is_taken() {
    ivan_test(two_tasks().webhooks(), async |ivan| {
        ivan.limits_memory(LITTLE);
        let before = peak(ivan);
        for kind in [Filling::Objects, Filling::Texts, Filling::Nested] {
            let body = with(&of_clickup(ivan), "history_items", &filling(kind, 12 * MB));
            assert_eq!(deliver(ivan, "clickup", JSON, body).await, 413, "{kind:?}");
            let body = with(
                &of_clickup(ivan),
                "history_items",
                &filling(kind, MB - 1000),
            );
            let answered = deliver(ivan, "clickup", JSON, body).await;
            assert_eq!(answered, 200, "{kind:?}");
        }
        ivan.until_deliveries_are_applied().await;
        let took = peak(ivan).saturating_sub(before);
        assert!(took < 32 * MB, "{} MB", took / MB);
        // Only the first of the many changes are read.
        ivan.logs("limit reached: a JSON list is cut to 100 items")
            .await;
        ivan.clickup()
            .set_status("Renew cert", "complete", BO_CLICKUP);
        ivan.sync().await;
    })
    .await;
}

/// As an earlier version stored them.
#[tokio::test]
async fn huge_ones_that_were_kept_end_no_start() {
    let mut ivan = two_tasks().webhooks().start().await;
    ivan.start().await;
    ivan.stop().await;
    let bodies = [(Filling::Objects, 12), (Filling::Text, 24)];
    let bodies = bodies.map(|(kind, size)| {
        with(
            &of_clickup(&ivan),
            "history_items",
            &filling(kind, size * MB),
        )
    });
    for (n, body) in bodies.into_iter().enumerate() {
        ivan.store()
            .execute(
                "INSERT INTO deliveries (source, dedupe_key, event, payload, kept_ms)
                 VALUES ('clickup', 'huge-' || ?1, 'taskUpdated', ?2, 0)",
                rusqlite::params![n as i64, body.into_bytes()],
            )
            .unwrap();
    }
    ivan.spawn();
    ivan.limits_memory(LITTLE);
    ivan.until_it_listens().await;
    ivan.until_deliveries_are_applied().await;
    let took = peak(&ivan);
    assert!(took < 300 * MB, "{} MB", took / MB);
    ivan.finish().await;
}

/// A message waits, and Slack's answer with the history of its DM is too large to be read.
#[tokio::test]
async fn a_huge_history_of_slack_ends_no_start() {
    let mut ivan = two_tasks().start().await;
    ivan.start().await;
    let slack = ivan.slack().front().clone();
    slack.fault(Fault::new(FaultKind::Hang).on("GET", "users.info"));
    ivan.says(ANA, "create Buy milk");
    let waits = "SELECT count(*) FROM slack_events WHERE handled_ms IS NULL";
    ivan.within("the message is stored", async {
        while ivan.sql::<i64>(waits) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    ivan.kill().await;
    slack.clear_faults();
    let blocks = filling(Filling::Objects, 12 * MB);
    let huge = FaultKind::Answer {
        status: 200,
        headers: Vec::new(),
        body: format!("{{\"ok\":true,\"messages\":[{{\"ts\":\"1.2\",\"blocks\":{blocks}}}]}}"),
    };
    slack.fault(Fault::new(huge).on("GET", "conversations.history"));
    ivan.spawn();
    ivan.limits_memory(LITTLE);
    ivan.until_it_listens().await;
    ivan.logs("limit reached: an answer of Slack is longer than 10485760 bytes")
        .await;
    let took = peak(&ivan);
    assert!(took < 300 * MB, "{} MB", took / MB);
    slack.clear_faults();
    ivan.answer(ANA, 0).settles().await.begins("✓ Task created");
    ivan.finish().await;
}
