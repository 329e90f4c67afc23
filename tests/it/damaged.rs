//! Correctly signed payloads that break the contracts, through the binary's listener. Each is answered and logged, none
//! is an error of Ivan's, and valid payloads still work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use hmac::{Hmac, KeyInit, Mac};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::damage::{damaged, fixtures};
use crate::harness::*;

/// Concurrent requests, so that the listener and the store handle several.
const AT_ONCE: usize = 16;
/// The number of places at which each payload is cut.
const CUTS: usize = 8;

/// A payload as it is on the wire.
struct Sent {
    source: &'static str,
    event: String,
    form: bool,
    body: Vec<u8>,
    /// Describes the payload in a failure.
    what: String,
}

impl Sent {
    /// `issues__closed__not_planned` is of `issues`; ClickUp names the event in the body.
    fn new(source: &'static str, name: &str, form: bool, body: Vec<u8>, how: &str) -> Sent {
        Sent {
            source,
            event: name.split("__").next().unwrap().to_owned(),
            form,
            body,
            what: format!("{source}/{name}, {how}"),
        }
    }

    async fn send(&self, client: &reqwest::Client, url: &str, n: usize) -> (u16, Value) {
        let mut mac = Hmac::<Sha256>::new_from_slice(HOOK_SECRET.as_bytes()).unwrap();
        mac.update(&self.body);
        let signature = hex::encode(mac.finalize().into_bytes());
        let request = client.post(url).body(self.body.clone());
        let request = match self.source {
            "github" => request
                .header("X-GitHub-Event", &self.event)
                .header("X-GitHub-Delivery", format!("damaged-{n}"))
                .header("X-Hub-Signature-256", format!("sha256={signature}")),
            _ => request.header("X-Signature", signature),
        };
        let content = match self.form {
            true => "application/x-www-form-urlencoded",
            false => "application/json",
        };
        let answer = request.header("Content-Type", content).send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error:?}", self.what));
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }
}

/// Every payload of docs/contracts/clickup.md#webhooks, docs/contracts/github.md#webhooks, with its body and whether it is a form.
fn payloads() -> Vec<(&'static str, String, bool, Vec<u8>)> {
    let of_source: [(&str, &[&str]); 2] = [
        ("clickup", &["task", "automation__"]),
        ("github", &["issue", "repository__", "ping"]),
    ];
    let mut payloads = Vec::new();
    for (source, begins) in of_source {
        for (name, text) in fixtures(source, begins) {
            // The fixtures' line breaks are not on the wire.
            let body: Value = serde_json::from_str(&text).unwrap();
            payloads.push((source, name, false, body.to_string().into_bytes()));
        }
    }
    let form = include_str!("../../fixtures/github/issues__closed.form").trim_end();
    payloads.push(("github", "issues__closed".to_owned(), true, form.into()));
    payloads
}

/// Each payload whole, cut, and with every field missing, null or of another type.
fn all_damages() -> Vec<Sent> {
    let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
    for (source, name, form, body) in payloads() {
        all.push(Sent::new(source, &name, form, body.clone(), "whole"));
        // The shortest one at every byte, the others at intervals; always at the end too.
        let step = match name.as_str() {
            "taskDeleted" => 1,
            _ => body.len().div_ceil(CUTS),
        };
        let cuts = (0..body.len()).step_by(step).chain([body.len() - 1]);
        all.extend(cuts.map(|end| {
            let how = format!("cut at {end}");
            Sent::new(source, &name, form, body[..end].to_vec(), &how)
        }));
        if form {
            continue;
        }
        let whole: Value = serde_json::from_slice(&body).unwrap();
        for (n, (how, payload)) in damaged(&whole).into_iter().enumerate() {
            // One wrong type for each field, in turn.
            if !how.ends_with(" is gone") && !how.ends_with(" is null") && n % 4 != 0 {
                continue;
            }
            // Payloads of one event get the same damage once; the readers' own tests combine all.
            let event = name.split("__").next().unwrap().to_owned();
            if !seen.insert((source, event, how.clone())) {
                continue;
            }
            let body = payload.to_string().into_bytes();
            all.push(Sent::new(source, &name, form, body, &how));
        }
    }
    all
}

#[tokio::test]
async fn whatever_is_signed_is_answered_and_logged_and_nothing_breaks() {
    let setup = two_issues().webhooks().set("log.level", "\"debug\"");
    ivan_test(setup, async |ivan| {
        let all = all_damages();
        let client = client();
        let urls = BTreeMap::from(["clickup", "github"].map(|at| (at, ivan.hook_url(at))));
        let again = AtomicUsize::new(0);
        let answers: Vec<(&Sent, u16, Value)> = futures_util::stream::iter(all.iter().enumerate())
            .map(async |(n, sent)| {
                let url = &urls[sent.source];
                let mut answered = sent.send(&client, url, n).await;
                // If the machine is too busy to store it in time, Ivan asks for it again, and a source would resend it.
                let kept = async {
                    while answered.0 == 503 {
                        again.fetch_add(1, Ordering::Relaxed);
                        answered = sent.send(&client, url, n).await;
                    }
                };
                ivan.within("it is kept", kept).await;
                (sent, answered.0, answered.1)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut counted = BTreeMap::<&str, usize>::new();
        for (sent, status, answer) in &answers {
            assert!(
                (200..500).contains(status),
                "{}: {status} {answer}",
                sent.what
            );
            *counted
                .entry(answer["status"].as_str().unwrap())
                .or_default() += 1;
        }
        // Each outcome occurred.
        for word in ["accepted", "ignored"] {
            assert!(counted.get(word).is_some_and(|&n| n > 500), "{counted:?}");
        }
        let lines = |ivan: &Ivan| {
            let said = [
                "webhook delivery",
                "signed webhook ignored",
                "webhook event ignored",
                "unknown webhook event ignored",
            ];
            let logged = ivan.messages_logged().into_iter();
            let logged = logged.filter(|line| said.iter().any(|said| line.starts_with(said)));
            logged.count()
        };
        let (logged, again) = (lines(ivan), again.into_inner());
        assert!(
            (answers.len()..=answers.len() + again).contains(&logged),
            "one line each: {counted:?}, {logged} lines, {again} sent again"
        );
        ivan.until_deliveries_are_applied().await;
        assert!(!ivan.log().contains("panicked"));
        // The daemon still works.
        ivan.hook_up();
        ivan.github().close_as(REPO, 1, "bo");
        ivan.until_deliveries_are_applied().await;
        let (_, task) = ivan
            .http("GET", "/tasks/github:acme%2Fwidgets%231", None)
            .await;
        assert_eq!(task["status"], json!("done"));
    })
    .await;
}

/// A sender that breaks its contract all the time does not fill the log.
#[tokio::test]
async fn many_signed_payloads_that_cannot_be_read_are_a_line_a_minute() {
    const MANY: usize = 100;
    ivan_test(two_issues().webhooks(), async |ivan| {
        let client = client();
        let url = ivan.hook_url("clickup");
        let send = async |n: usize, body: Value, how: &str| {
            let body = body.to_string().into_bytes();
            let sent = Sent::new("clickup", "taskUpdated", false, body, how);
            let answered = async {
                // A busy machine may not store it in time.
                loop {
                    let (status, answer) = sent.send(&client, &url, n).await;
                    if status != 503 {
                        return (status, answer);
                    }
                }
            };
            let (status, answer) = ivan.within("it is answered", answered).await;
            assert_eq!(status, 200, "{how}: {answer}");
        };
        for n in 0..MANY {
            let body = json!({"webhook_id": "4b67ac88", "n": n});
            send(n, body, "without an event").await;
            let body = json!({"event": "taskUpdated", "webhook_id": "4b67ac88", "n": n});
            send(n, body, "without a task").await;
        }
        ivan.until_deliveries_are_applied().await;
        for words in ["signed webhook ignored", "unreadable delivery skipped"] {
            ivan.logs(words).await;
            let logged = ivan.messages_logged();
            let lines = logged.iter().filter(|line| line.starts_with(words));
            // It may take longer than a minute.
            assert!(lines.count() <= 2, "{logged:#?}");
        }
        let skipped = "SELECT count(*) FROM deliveries WHERE result LIKE 'unreadable: %'";
        assert_eq!(ivan.sql::<i64>(skipped), i64::try_from(MANY).unwrap());
    })
    .await;
}

/// The limits of chrono's range, at which sums and local times fail.
#[rstest]
#[case::the_last("8210266876799999")]
#[case::the_first("-8334601228800000")]
#[tokio::test]
async fn a_due_date_at_a_limit_of_time_is_no_due_date(#[case] limit: &str) {
    ivan_test(two_tasks().webhooks(), async |ivan| {
        let id = ivan.clickup().task("Renew cert").id().to_owned();
        let task = format!("clickup:{id}");
        let is_read = async |title: &str| {
            let (_, read) = ivan.http("GET", &format!("/tasks/{task}"), None).await;
            assert_eq!(
                (&read["title"], &read["due"]),
                (&json!(title), &Value::Null)
            );
        };
        ivan.clickup().set_member(&id, "due_date", json!(limit));
        ivan.clickup().rename_task(&id, "Found by a poll");
        ivan.sync().await;
        is_read("Found by a poll").await;
        ivan.hook_up();
        ivan.clickup().rename_task(&id, "Found by a webhook");
        ivan.until_deliveries_are_applied().await;
        is_read("Found by a webhook").await;
        assert!(!ivan.log().contains("panicked"));
        ivan.dm(ANA, &format!("done {task}")).await.begins("✓ ");
        ivan.clickup().task(&id).is("complete");
    })
    .await;
}

#[tokio::test]
async fn an_issue_that_changed_at_the_last_time_is_followed() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        let last = json!("+262142-12-31T23:59:59Z");
        let github = ivan.github();
        github.rename_issue(REPO, 1, "Found by a poll");
        github.set_member(REPO, 1, "updated_at", last.clone());
        ivan.sync().await;
        let title = "SELECT title FROM tasks WHERE source_key LIKE '%:1'";
        assert_eq!(ivan.sql::<String>(title), "Found by a poll");
        github.close_as(REPO, 1, "bo");
        github.set_member(REPO, 1, "updated_at", last.clone());
        github.set_member(REPO, 1, "closed_at", last);
        let mut payload: Value =
            serde_json::from_str(include_str!("../../fixtures/github/issues__closed.json"))
                .unwrap();
        payload["issue"] = github.issue(REPO, 1).json();
        let repository: String =
            ivan.sql("SELECT container FROM tasks WHERE source_key LIKE '%:1'");
        payload["repository"]["id"] = json!(repository.parse::<u64>().unwrap());
        payload["repository"]["full_name"] = json!(REPO);
        let body = payload.to_string().into_bytes();
        let sent = Sent::new("github", "issues__closed", false, body, "at the last time");
        let (status, answer) = sent.send(&client(), &ivan.hook_url("github"), 0).await;
        assert_eq!(status, 200, "{answer}");
        ivan.until_deliveries_are_applied().await;
        let status = "SELECT status FROM tasks WHERE source_key LIKE '%:1'";
        assert_eq!(ivan.sql::<String>(status), "done");
        assert!(!ivan.log().contains("panicked"));
        ivan.dm(ANA, &format!("done {REPO}#2")).await.begins("✓ ");
    })
    .await;
}
