//! P4: after lost, repeated, late or reordered deliveries, local state equals the source once a poll has succeeded.
//!
//! Random histories: people change things in both sources, Ivan writes too, deliveries get lost, doubled, held and
//! reversed, and the daemon is killed in between. A failure names its seed; `IVAN_P4_SEED=n` runs that one alone, and
//! `IVAN_P4=1000` runs that many.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::harness::*;

/// The number of histories by default, and of steps in each.
const HISTORIES: u64 = 3;
const STEPS: usize = 25;

#[tokio::test]
async fn one_poll_makes_local_state_equal_the_source_after_any_history() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seeds: Vec<u64> = match (number("IVAN_P4_SEED"), number("IVAN_P4")) {
        (Some(seed), _) => vec![seed],
        (None, histories) => (0..histories.unwrap_or(HISTORIES)).collect(),
    };
    for seed in seeds {
        let setup = Setup::new()
            .webhooks()
            .clickup_tasks([
                json!({"name": "Renew cert"}),
                json!({"name": "Write the runbook"}),
                json!({"name": "Order labels", "status": "complete"}),
            ])
            .github_issues([
                json!({"title": "Login fails"}),
                json!({"title": "Update the docs"}),
                json!({"title": "Remove the importer", "state": "closed"}),
            ]);
        ivan_test(setup, async |ivan| {
            ivan.hook_up();
            history(ivan, seed).await;
        })
        .await;
    }
}

async fn history(ivan: &mut Ivan, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut told = Vec::new();
    for _ in 0..STEPS {
        told.push(step(ivan, &mut rng).await);
    }
    ivan.clickup().release();
    ivan.github().release_reversed();
    ivan.until_nothing_is_queued().await;
    ivan.until_deliveries_are_applied().await;
    let (status, synced) = ivan
        .http("POST", "/sync", Some(json!({"full": true})))
        .await;
    assert_eq!(status, 200, "seed {seed}: {synced}");
    assert_eq!(
        local(ivan).await,
        truth(ivan),
        "seed {seed}: local state (left) is not the source's (right) after {told:#?}"
    );
}

/// One step; returns its description.
async fn step(ivan: &mut Ivan, rng: &mut Rng) -> String {
    let tasks = ivan.clickup().tasks();
    let task = tasks
        .get(rng.usize(..tasks.len()))
        .cloned()
        .unwrap_or_default();
    let task = task["id"].as_str().unwrap_or_default().to_owned();
    let issues: Vec<Value> = ivan.github().issues(REPO);
    let issue = issues
        .get(rng.usize(..issues.len()))
        .cloned()
        .unwrap_or_default();
    let issue = issue["number"].as_u64().unwrap_or_default();
    let name = format!("Renamed {}", rng.u16(..));
    match rng.u8(..19) {
        0 => ivan.clickup().set_status(&task, "complete", BO_CLICKUP),
        1 => ivan.clickup().set_status(&task, "to do", BO_CLICKUP),
        2 => ivan.clickup().set_status(&task, "in review", BO_CLICKUP),
        3 => ivan.clickup().rename_task(&task, &name),
        4 => drop(ivan.clickup().add_task(json!({"name": name}))),
        5 => drop(ivan.clickup().comment_by(&task, BO_CLICKUP, &name)),
        6 if tasks.len() > 2 => ivan.clickup().delete_task(&task),
        7 => ivan.github().close_as(REPO, issue, "bo"),
        8 => ivan.github().reopen_as(REPO, issue, "bo"),
        9 => ivan.github().rename_issue(REPO, issue, &name),
        10 => drop(ivan.github().add_issue(REPO, json!({"title": name}))),
        11 => drop(ivan.github().comment_as(REPO, issue, "bo", &name)),
        12 if issues.len() > 2 => ivan.github().delete_issue(REPO, issue),
        13 => {
            ivan.clickup().lose_next(2);
            ivan.github().lose_next(2);
        }
        14 => {
            ivan.clickup().repeat_next(2);
            ivan.github().repeat_next(2);
        }
        15 => {
            ivan.clickup().hold();
            ivan.github().hold();
        }
        16 => {
            ivan.clickup().release_reversed();
            ivan.github().release();
        }
        17 => {
            let id = match rng.bool() {
                true => format!("clickup:{task}"),
                false => format!("github:{REPO}#{issue}")
                    .replace('/', "%2F")
                    .replace('#', "%23"),
            };
            let path = format!("/tasks/{id}/complete?wait=0");
            let (status, _) = ivan.http("POST", &path, None).await;
            return format!("complete {id}: {status}");
        }
        18 if rng.u8(..4) == 0 => {
            ivan.kill_and_restart().await;
            return "kill -9".to_owned();
        }
        _ => drop(ivan.http("POST", "/sync", Some(json!({}))).await),
    }
    format!("{task} {issue} {name}")
}

/// Title, state and last activity (ms) of every mirrored task, by id.
type Known = BTreeMap<String, (String, bool, i64)>;

async fn local(ivan: &Ivan) -> Known {
    let mut known = Known::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/tasks?status=all&limit=50{cursor}");
        let (status, page) = ivan.http("GET", &path, None).await;
        assert_eq!(status, 200, "{page}");
        for task in page["tasks"].as_array().unwrap() {
            let text = |key: &str| task[key].as_str().unwrap_or_default().to_owned();
            let done = text("status") == "done";
            let active = millis(&text("last_activity"));
            known.insert(text("task_id"), (text("title"), done, active));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return known,
        }
    }
}

fn millis(time: &str) -> i64 {
    let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
    time.timestamp_millis()
}

fn truth(ivan: &Ivan) -> Known {
    let tasks = ivan.clickup().tasks().into_iter().map(|task| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let done = ["done", "closed"].contains(&text(&task["status"]["type"]).as_str());
        let id = text(&task["id"]);
        // A comment does not change the task's own time.
        let updated: i64 = text(&task["date_updated"]).parse().unwrap();
        let commented = ivan.clickup().task(&id).commented_at();
        let active = updated.max(commented.unwrap_or_default());
        (format!("clickup:{id}"), (text(&task["name"]), done, active))
    });
    let issues = ivan.github().issues(REPO).into_iter().map(|issue| {
        let title = issue["title"].as_str().unwrap_or_default().to_owned();
        (
            format!("github:{REPO}#{}", issue["number"]),
            (
                title,
                issue["state"] == "closed",
                millis(issue["updated_at"].as_str().unwrap()),
            ),
        )
    });
    tasks.chain(issues).collect()
}
