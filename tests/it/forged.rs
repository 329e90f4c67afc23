//! Requests of strangers: they cost little, and what is not signed in a webhook decides nothing.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::*;

const FORGED: u32 = 400;
/// The processor time for one forged request, of a build without optimization. An optimized one takes a small part of it.
const CPU_OF_ONE: Duration = Duration::from_millis(4);

fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(HOOK_SECRET.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// The processor time of all threads of a process so far.
fn cpu_of(pid: &str) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let nanos = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Sends forged webhooks one after the other; returns the processor time of the sender.
fn forges(address: &str) -> Duration {
    let on_cpu = || {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    };
    let before = on_cpu();
    for n in 0..FORGED {
        let body = json!({"action": "closed", "n": n}).to_string();
        let request = format!(
            "POST /webhooks/github HTTP/1.1\r\nHost: ivan\r\nX-GitHub-Event: issues\r\nX-GitHub-Hook-ID: {n}\r\n\
             X-Hub-Signature-256: sha256={n:064x}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"));
    }
    on_cpu() - before
}

/// The statements that the store's writer has run.
async fn written(ivan: &Ivan) -> f64 {
    let text = ivan.metrics().await;
    let begin = "ivan_store_statements_total{connection=\"writer\"} ";
    let line = text.lines().find_map(|line| line.strip_prefix(begin));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_forged_webhook_costs_little_and_is_logged_once_a_minute() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        let url = ivan.hook_url("github");
        let rest = url.strip_prefix("http://").unwrap();
        let address = rest.split('/').next().unwrap().to_owned();
        let pid = ivan.pid().to_string();
        let (statements, before) = (written(ivan).await, cpu_of(&pid));
        let senders = tokio::task::spawn_blocking(move || forges(&address));
        let theirs = senders.await.unwrap() / FORGED;
        let ours = (cpu_of(&pid) - before) / FORGED;
        println!("a forged webhook: {ours:?} of ours, {theirs:?} of the sender");
        assert!(ours < CPU_OF_ONE, "{ours:?}, the sender {theirs:?}");
        // Only what the daemon writes for itself.
        let written = written(ivan).await - statements;
        assert!(written < f64::from(FORGED / 4), "{written} statements");
        let lines = ivan.messages_logged();
        let refused = lines
            .iter()
            .filter(|line| line.starts_with("webhook rejected"));
        let refused = refused.count();
        assert!((1..=3).contains(&refused), "{lines:#?}");
    })
    .await;
}

/// Each test write syncs the disk.
#[tokio::test]
async fn readiness_does_not_write_for_each_caller() {
    ivan_test(two_tasks(), async |ivan| {
        let before = written(ivan).await;
        let begun = std::time::Instant::now();
        for _ in 0..200 {
            let (status, _) = ivan.http("GET", "/readyz", None).await;
            assert_eq!(status, 200);
        }
        let seconds = begun.elapsed().as_secs_f64();
        let written = written(ivan).await - before;
        // Ten writes at once, one a second, and what the daemon writes for itself. Each of 200 would be two and more.
        assert!(written < 200.0 + 10.0 * seconds, "{written} in {seconds} s");
    })
    .await;
}

/// The name of the event is a header, and no signature covers it.
#[rstest]
#[case::deleted_comment("issue_comment__deleted", "issues")]
#[case::deleted_issue("issues__deleted", "issues")]
#[tokio::test]
async fn a_reported_deletion_is_a_hint(#[case] fixture: &str, #[case] event: &str) {
    ivan_test(two_issues().webhooks(), async |ivan| {
        let path = format!(
            "{}/fixtures/github/{fixture}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let mut payload: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let repository: String =
            ivan.sql("SELECT container FROM tasks WHERE source_key LIKE '%:1'");
        payload["repository"]["id"] = json!(repository.parse::<u64>().unwrap());
        payload["repository"]["full_name"] = json!(REPO);
        payload["issue"]["number"] = json!(1);
        let body = payload.to_string();
        let sent = client()
            .post(ivan.hook_url("github"))
            .header("X-GitHub-Event", event)
            .header("X-GitHub-Delivery", "replayed")
            .header("X-Hub-Signature-256", signature(body.as_bytes()))
            .header("Content-Type", "application/json")
            .body(body);
        assert_eq!(sent.send().await.unwrap().status().as_u16(), 200);
        ivan.until_deliveries_are_applied().await;
        // The issue is there, whatever the delivery says.
        let path = "/tasks/github:acme%2Fwidgets%231";
        let (status, task) = ivan.http("GET", path, None).await;
        assert_eq!((status, &task["status"]), (200, &json!("todo")), "{task}");
        ivan.dm(ANA, "done #1").await.mentions("Login fails");
        assert_eq!(ivan.github().issue(REPO, 1).json()["state"], "closed");
    })
    .await;
}

/// GitHub would notify everybody whose name Ivan's account writes.
#[tokio::test]
async fn a_text_mentions_nobody_who_is_not_linked() {
    ivan_test(two_issues(), async |ivan| {
        let typed = "ask @octocat and @acme/all, run `npm i @angular/core`";
        ivan.dm(ANA, &format!("comment on #1: {typed}"))
            .await
            .begins("✓ Comment added in GitHub");
        let quiet = "ask @\u{2060}octocat and @\u{2060}acme/all, run `npm i @angular/core`";
        assert_eq!(ivan.github().issue(REPO, 1).comments(), [quiet]);
        let body = json!({"text": "&#64;octocat \\@octocat"});
        let (status, answer) = ivan
            .http(
                "POST",
                "/tasks/github:acme%2Fwidgets%231/comment",
                Some(body),
            )
            .await;
        assert_eq!(status, 200, "{answer}");
        let comments = ivan.github().issue(REPO, 1).comments();
        assert_eq!(comments[1], "@\u{2060}octocat \\@\u{2060}octocat");
    })
    .await;
}

/// Sentences and codes of ClickUp, GitHub and Slack are one short line wherever they are logged.
#[tokio::test]
async fn hostile_sentences_are_short_lines_of_the_log() {
    let setup = two_issues().set("log.level", "\"debug\"");
    ivan_test(setup, async |ivan| {
        let hostile = format!(
            "No.\r\n2026 ERROR faked \u{1b}[2J\u{9b}K \u{202e}gnp.\u{2066}exe {}",
            "long ".repeat(2_000)
        );
        let detail = json!({"field": hostile, "code": hostile, "message": hostile});
        let body =
            json!({"err": hostile, "ECODE": hostile, "message": hostile, "errors": [detail]});
        let refusal = |status| Fault::new(FaultKind::answer(status, body.to_string()));
        let github = ivan.github().front();
        github.fault(refusal(422).on("POST", "/comments"));
        ivan.dm(ANA, "comment on #1: hi").await.begins("✗ ");
        ivan.clickup()
            .front()
            .fault(refusal(400).on("POST", "/task"));
        ivan.dm(ANA, "create Fix it -s clickup").await.begins("✗ ");
        github.down();
        let queued = ivan.says(ANA, "comment on #1: again").answers().await;
        queued.begins("… ");
        ivan.slack().errors("chat.update", &hostile, 1);
        let told = ivan.is_told(ANA);
        github.up();
        told.settles().await.begins("✓ Comment added in GitHub");
        let (mut sentences, mut codes) = (0, 0);
        for line in ivan.log().lines() {
            let Ok(read) = serde_json::from_str::<Value>(line) else {
                panic!("{line}");
            };
            for text in texts_in(&read) {
                assert!(!text.contains(is_dangerous), "{line}");
                assert!(text.chars().count() < 1_000, "{line}");
            }
            sentences += usize::from(line.contains("No.  2026 ERROR faked"));
            codes += usize::from(line.contains("Slack rejected chat.update: unreadable_code"));
        }
        assert!(sentences >= 2 && codes >= 1, "{}", ivan.log());
    })
    .await;
}

/// Whether a character begins a line, commands a terminal, or reorders a text.
fn is_dangerous(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// All texts in a JSON value.
fn texts_in(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().flat_map(texts_in).collect(),
        Value::Object(all) => all.values().flat_map(texts_in).collect(),
        _ => Vec::new(),
    }
}
