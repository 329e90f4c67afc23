//! `deploy/alerts.yaml`, evaluated by promtool over what the real daemon shows while the sandbox causes an outage: each
//! outage raises its alert and no other.
//!
//! promtool comes with the package `prometheus` of Debian. Without it these stories end early and say so.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::harness::*;

/// Minutes for which the series last in promtool's world, which begins at 1970.
const LASTS_MIN: i64 = 40;

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file)
}

/// Runs promtool; `None` if it is not installed.
fn promtool(args: &[&str]) -> Option<(bool, String)> {
    match Command::new("promtool").args(args).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            Some((
                output.status.success(),
                String::from_utf8_lossy(&text).into_owned(),
            ))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("SKIPPED: promtool is not installed (apt-get install prometheus)");
            None
        }
        Err(error) => panic!("promtool: {error}"),
    }
}

/// The series of promtool: one scrape that lasts, or a change from one to another halfway. `now` is the daemon's time.
fn series(before: &str, after: &str, now: i64) -> String {
    let half = LASTS_MIN / 2;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "      - series: 'up{{job=\"ivan\"}}'\n        values: '1x{LASTS_MIN}'"
    );
    for line in after.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.rsplit_once(' ') else {
            continue;
        };
        let was = before
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let values = match value.parse::<i64>() {
            // A time of the daemon keeps its distance from now.
            Ok(at) if name.contains("timestamp_seconds") && at > 0 => {
                format!("{}+60x{LASTS_MIN}", at - now)
            }
            _ => format!("{}x{half} {value}x{half}", was.unwrap_or("0")),
        };
        let _ = writeln!(text, "      - series: '{name}'\n        values: '{values}'");
    }
    text
}

/// The names of the firing alerts after half an hour.
fn firing(ivan: &Ivan, input: &str) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let rules = deploy("alerts.yaml");
    let names = alert_names();
    for name in names {
        // `promtool` compares only: an alert fires if the opposite is refuted.
        let test = format!(
            "rule_files: ['{}']\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n{input}    \
             promql_expr_test:\n      - expr: 'count(ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}) > 0 or vector(0)'\n        \
             eval_time: 30m\n        exp_samples: [{{ labels: '{{}}', value: 0 }}]\n",
            rules.display()
        );
        let path = ivan.folder().join("promtool.yaml");
        std::fs::write(&path, test).unwrap();
        let (well, said) = promtool(&["test", "rules", &path.display().to_string()])?;
        if !well {
            assert!(said.contains("got:"), "{name}: {said}");
            found.insert(name);
        }
    }
    Some(found)
}

fn alert_names() -> Vec<String> {
    let text = std::fs::read_to_string(deploy("alerts.yaml")).unwrap();
    let names = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

/// What is firing by the daemon's metrics of now, with the scrape `before`.
async fn fires(ivan: &Ivan, before: &str) -> Option<BTreeSet<String>> {
    let after = ivan.metrics().await;
    firing(ivan, &series(before, &after, now(ivan).await))
}

/// The daemon's time, in seconds.
async fn now(ivan: &Ivan) -> i64 {
    let (_, status) = ivan.http("GET", "/status", None).await;
    let now: chrono::DateTime<chrono::Utc> = status["now"].as_str().unwrap().parse().unwrap();
    now.timestamp()
}

fn only(name: &str) -> Option<BTreeSet<String>> {
    Some(BTreeSet::from([name.to_owned()]))
}

#[test]
fn the_rules_are_valid_and_documented() {
    let names = alert_names();
    assert_eq!(names.len(), 8);
    let page = include_str!("../../docs/operations.md");
    for name in &names {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "{name} is not in docs/operations.md"
        );
    }
    let rules = deploy("alerts.yaml").display().to_string();
    if let Some((well, said)) = promtool(&["check", "rules", &rules]) {
        assert!(well, "{said}");
    }
}

/// The names of the dashboard's and the alerts' series are those of docs/metrics.md.
#[test]
fn the_dashboard_and_the_alerts_use_series_that_exist() {
    let page = include_str!("../../docs/metrics.md");
    let texts = ["alerts.yaml", "grafana-dashboard.json"]
        .map(|file| std::fs::read_to_string(deploy(file)).unwrap());
    let board: serde_json::Value = serde_json::from_str(&texts[1]).unwrap();
    assert!(board["panels"].as_array().unwrap().len() >= 10);
    for text in texts {
        for part in text.split("ivan_").skip(1) {
            let name: String = part
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            let name = ["_bucket", "_count", "_sum"]
                .iter()
                .fold(name.as_str(), |name, end| {
                    name.strip_suffix(end).unwrap_or(name)
                });
            assert!(page.contains(&format!("`ivan_{name}`")), "ivan_{name}");
        }
    }
}

#[tokio::test]
async fn a_daemon_that_is_well_raises_nothing_and_one_that_is_gone_raises_its_alert() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done").await.begins("✓");
        let Some(firing_now) = fires(ivan, "").await else {
            return;
        };
        assert_eq!(firing_now, BTreeSet::new());
        let gone =
            format!("      - series: 'up{{job=\"ivan\"}}'\n        values: '0x{LASTS_MIN}'\n");
        assert_eq!(firing(ivan, &gone), only("IvanDown"));
    })
    .await;
}

/// Moves the waiting writes this many minutes into the past.
fn grows_old(ivan: &Ivan, minutes: i64) {
    let sql = "UPDATE operations SET created_ms = created_ms - ?1 WHERE state = 'pending'";
    ivan.store().execute(sql, [minutes * 60_000]).unwrap();
}

/// A write waits 11 minutes, then a poll fails, then the write is given up.
#[tokio::test]
async fn a_source_that_is_away_raises_one_alert_after_the_other_and_one_warning() {
    let world = two_tasks().config("outbox.give_up_after = \"1h\"");
    ivan_test(world, async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.clickup().front().down();
        let asked = ivan.says(ANA, "done");
        asked.answers().await.begins("…");
        grows_old(ivan, 11);
        let Some(waits) = fires(ivan, "").await else {
            ivan.clickup().front().up();
            return;
        };
        assert_eq!(Some(waits), only("IvanWritesWait"));
        // A poll finds it, too.
        ivan.http("POST", "/sync", None).await;
        let both = fires(ivan, "").await.unwrap();
        assert!(
            both.contains("IvanSourceUnread") && both.len() == 2,
            "{both:?}"
        );
        let before = ivan.metrics().await;
        ivan.forgive("operation given up");
        grows_old(ivan, 60);
        ivan.counts(
            "ivan_operations_total{source=\"clickup\",kind=\"complete\",outcome=\"given_up\"} 1",
        )
        .await;
        let given_up = fires(ivan, &before).await.unwrap();
        assert!(given_up.contains("IvanWritesGivenUp"), "{given_up:?}");
        ivan.clickup().front().up();
        ivan.sync().await;
        let warnings: Vec<String> = ivan
            .log()
            .lines()
            .filter(|line| line.contains("\"level\":\"WARN\"") && line.contains("ClickUp"))
            .map(str::to_owned)
            .collect();
        assert!(
            warnings.len() <= 1 && warnings.iter().all(|line| line.contains("poll failed")),
            "{warnings:#?}"
        );
    })
    .await;
}

#[tokio::test]
async fn slack_away_raises_its_alert() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.forgive("cannot connect to Slack");
        ivan.slack().front().down();
        for link in ivan.slack().link_ids() {
            ivan.slack().cut_link(link);
        }
        ivan.counts("ivan_slack_connected 0").await;
        if let Some(firing) = fires(ivan, "").await {
            assert_eq!(Some(firing), only("IvanSlackDisconnected"));
        }
        let check = ivan.cli(&["status", "--check"]).await;
        assert_eq!(check.exit, 1, "{}", check.out);
        ivan.slack().front().up();
        ivan.counts("ivan_slack_connected 1").await;
        let check = ivan.cli(&["status", "--check"]).await;
        assert_eq!(check.exit, 0, "{}", check.out);
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_raises_its_alert() {
    ivan_test(two_tasks().disk_can_fill(), async |ivan| {
        ivan.forgive("");
        ivan.dm(ANA, "current").await;
        ivan.fills_the_disk(1);
        let _refused = ivan
            .http("POST", "/snooze", Some(json!({"until": "2h"})))
            .await;
        // A probe writes.
        let _probe = ivan.http("GET", "/readyz", None).await;
        ivan.counts("ivan_store_writable 0").await;
        let firing = fires(ivan, "").await;
        ivan.frees_the_disk();
        ivan.counts("ivan_store_writable 1").await;
        if let Some(firing) = firing {
            assert_eq!(Some(firing), only("IvanStoreNotWritable"));
        }
    })
    .await;
}

/// The rows are those that the stories of `recovery.rs` and `set_aside.rs` lead to.
#[tokio::test]
async fn broken_webhooks_and_work_set_aside_raise_their_alerts() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.store()
            .execute_batch(
                "INSERT INTO hooks (source, hook_id, url, secret, made_ms) VALUES ('github', '42', 'https://x.example', 's', 1);
                 INSERT INTO alarms (about, since_ms) VALUES ('webhook 42', 1);",
            )
            .unwrap();
        if let Some(firing) = fires(ivan, "").await {
            assert_eq!(Some(firing), only("IvanWebhookBroken"));
        }
        ivan.store()
            .execute_batch("DELETE FROM alarms; DELETE FROM hooks;")
            .unwrap();
        let set_aside = ivan.metrics().await.replace("ivan_set_aside 0", "ivan_set_aside 1");
        if let Some(firing) = firing(ivan, &series("", &set_aside, now(ivan).await)) {
            assert_eq!(Some(firing), only("IvanWorkSetAside"));
        }
    })
    .await;
}
