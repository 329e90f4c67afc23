//! `deploy/alerts.yaml`, evaluated by promtool over what the real daemon shows while the sandbox causes an outage: each
//! outage raises its alert and no other. No series is made up: each is a scrape of the daemon, which lasts in promtool's
//! world. Time passes by a restart with a clock that is ahead.
//!
//! promtool comes with the package `prometheus` of Debian. Without it these stories end early and say so.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ivan::sandbox::fault_server::{Fault, FaultKind};
use serde_json::json;
use tokio::process::Command;

use crate::harness::*;
use crate::recovery::{is_suspended, registers};
use crate::set_aside::{a_comment_ends_it_twice, retries};

/// The minute of promtool's world, which begins at 1970, of which the alerts are asked; a change is ten minutes before.
const ASKED_AT_MIN: i64 = 240;
const CHANGE_AT_MIN: i64 = ASKED_AT_MIN - 10;

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file)
}

/// Runs promtool; `None` if it is not installed.
async fn promtool(args: &[&str]) -> Option<(bool, String)> {
    match Command::new("promtool").args(args).output().await {
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

/// The series of promtool: a scrape that lasts for hours, and then one that lasts for the rest. `None` is a scrape without
/// an answer. `now` is the daemon's time.
pub fn series(before: Option<&str>, after: Option<&str>, now: i64) -> String {
    let (long, rest) = (CHANGE_AT_MIN, ASKED_AT_MIN - CHANGE_AT_MIN);
    let mut text = String::new();
    let [was_up, is_up] = [before, after].map(|scrape| i32::from(scrape.is_some()));
    let _ = writeln!(
        text,
        "      - series: 'up{{job=\"ivan\"}}'\n        values: '{was_up}x{long} {is_up}x{rest}'"
    );
    let (before, lasting) = (
        before.unwrap_or_default(),
        after.or(before).unwrap_or_default(),
    );
    let rules = std::fs::read_to_string(deploy("alerts.yaml")).unwrap();
    for line in lasting.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.rsplit_once(' ') else {
            continue;
        };
        // promtool needs seconds for the hundreds that no alert is about.
        let is_asked_of = |name: &str| {
            ["{", " ", ")"]
                .iter()
                .any(|end| rules.contains(&format!("{name}{end}")))
        };
        if !name.split('{').next().is_some_and(is_asked_of) {
            continue;
        }
        let was = before
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let values = match value.parse::<i64>() {
            _ if after.is_none() => format!("{value}x{long} stale"),
            // A time of the daemon keeps its distance from now.
            Ok(at) if name.contains("timestamp_seconds") && at > 0 => {
                format!("{}+60x{ASKED_AT_MIN}", at - now)
            }
            _ => format!("{}x{long} {value}x{rest}", was.unwrap_or("0")),
        };
        let _ = writeln!(text, "      - series: '{name}'\n        values: '{values}'");
    }
    text
}

/// The names of the alerts that fire then.
pub async fn firing(ivan: &Ivan, input: &str) -> Option<BTreeSet<String>> {
    let rules = deploy("alerts.yaml");
    let mut test = format!(
        "rule_files: ['{}']\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n{input}    \
         promql_expr_test:\n",
        rules.display()
    );
    // `promtool` compares only: an alert fires if the opposite is refuted.
    for name in alert_names() {
        let _ = write!(
            test,
            "      - expr: 'count(ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}) > 0 or vector(0)'\n        \
             eval_time: {ASKED_AT_MIN}m\n        exp_samples: [{{ labels: '{{}}', value: 0 }}]\n"
        );
    }
    let path = ivan.folder().join("promtool.yaml");
    std::fs::write(&path, test).unwrap();
    let (well, said) = promtool(&["test", "rules", &path.display().to_string()]).await?;
    let is_refuted = |name: &String| said.contains(&format!("alertname=\\\"{name}\\\""));
    let found: BTreeSet<String> = alert_names().into_iter().filter(is_refuted).collect();
    assert_eq!(well, found.is_empty(), "{said}");
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
    firing(ivan, &series(Some(before), Some(&after), now(ivan).await)).await
}

/// A scrape as Prometheus makes it; `None` without an answer.
pub async fn scrape(url: &str, token: &str) -> Option<String> {
    let request = client().get(format!("{url}/metrics")).bearer_auth(token);
    let answer = request.send().await.ok()?;
    assert_eq!(answer.status(), 200);
    answer.text().await.ok()
}

/// The daemon's time, in seconds.
async fn now(ivan: &Ivan) -> i64 {
    let (_, status) = ivan.http("GET", "/status", None).await;
    let now: chrono::DateTime<chrono::Utc> = status["now"].as_str().unwrap().parse().unwrap();
    now.timestamp()
}

pub fn only(name: &str) -> Option<BTreeSet<String>> {
    Some(BTreeSet::from([name.to_owned()]))
}

#[tokio::test]
async fn the_rules_are_valid_and_documented() {
    let names = alert_names();
    assert_eq!(names.len(), 9);
    let page = include_str!("../../docs/operations.md");
    for name in &names {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "{name} is not in docs/operations.md"
        );
    }
    let rules = deploy("alerts.yaml").display().to_string();
    if let Some((well, said)) = promtool(&["check", "rules", &rules]).await {
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
        let (url, token, at) = (ivan.api_url(), ivan.token(), now(ivan).await);
        let there = scrape(&url, &token).await;
        assert!(there.is_some());
        ivan.kill().await;
        let gone = scrape(&url, &token).await;
        let raised = firing(ivan, &series(there.as_deref(), gone.as_deref(), at)).await;
        assert_eq!(raised, only("IvanDown"));
        ivan.start().await;
        assert_eq!(fires(ivan, "").await, Some(BTreeSet::new()));
    })
    .await;
}

/// Starts the daemon again with a clock that is so many seconds ahead. Its sources need not be there.
async fn so_much_later(ivan: &mut Ivan, seconds: u32) {
    ivan.stop().await;
    ivan.env("IVAN_CLOCK_SHIFT_S", seconds.to_string());
    ivan.launch().await;
    ivan.until_there_is_a_link().await;
}

/// ClickUp takes no write for 11 minutes, then a poll fails, too, then the write is given up: by the daemon's own clock.
#[tokio::test]
async fn a_source_that_is_away_raises_one_alert_after_the_other_and_one_warning() {
    let world = two_tasks().config("outbox.give_up_after = \"1h\"\nsync.interval = \"1h\"");
    ivan_test(world, async |ivan| {
        ivan.dm(ANA, "current").await;
        let clickup = ivan.clickup().front().clone();
        let full = Fault::new(FaultKind::answer(503, "")).on("PUT", "/task");
        clickup.fault(full.always());
        let asked = ivan.says(ANA, "done");
        asked.answers().await.begins("…");
        so_much_later(ivan, 11 * 60).await;
        ivan.sync().await;
        ivan.within("it was asked again", async {
            while ivan.sql::<i64>("SELECT attempts FROM operations") < 2 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
        let Some(waits) = fires(ivan, "").await else {
            clickup.clear_faults();
            ivan.until_nothing_is_queued().await;
            return;
        };
        assert_eq!(Some(waits), only("IvanWritesWait"));
        // Now a poll fails, too.
        clickup.down();
        clickup.clear_faults();
        ivan.http("POST", "/sync", None).await;
        let both = fires(ivan, "").await.unwrap();
        assert!(
            both.contains("IvanSourceUnread") && both.len() == 2,
            "{both:?}"
        );
        let before = ivan.metrics().await;
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
        ivan.forgive("operation given up");
        so_much_later(ivan, 71 * 60).await;
        ivan.counts(
            "ivan_operations_total{source=\"clickup\",kind=\"complete\",outcome=\"given_up\"} 1",
        )
        .await;
        let given_up = fires(ivan, &before).await.unwrap();
        assert!(given_up.contains("IvanWritesGivenUp"), "{given_up:?}");
        clickup.up();
        ivan.sync().await;
    })
    .await;
}

/// The daemon starts three hours later, and ClickUp answers no poll: none fails, and none ends.
#[tokio::test]
async fn a_source_that_was_not_read_for_long_raises_its_alert() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let clickup = ivan.clickup().front().clone();
        clickup.fault(Fault::new(FaultKind::Hang).on("GET", "/").always());
        so_much_later(ivan, 3 * 3_600).await;
        let scraped = ivan.metrics().await;
        let of_clickup = "ivan_source_readable{source=\"clickup\"}";
        assert!(!scraped.contains(of_clickup), "no poll has ended");
        let raised = fires(ivan, "").await;
        clickup.clear_faults();
        if let Some(raised) = raised {
            assert_eq!(Some(raised), only("IvanSourceUnread"));
            ivan.kill_and_restart().await;
            assert_eq!(fires(ivan, "").await, Some(BTreeSet::new()));
        }
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

/// ClickUp suspends the webhook. The daemon reactivates it, and only the next delivery shows that it works.
#[tokio::test]
async fn a_suspended_webhook_raises_its_alert_until_it_delivers() {
    let setup = two_tasks().webhooks_without_secrets();
    ivan_test(setup, async |ivan| {
        registers(ivan).await;
        ivan.counts("ivan_webhook_healthy{source=\"clickup\"} 1")
            .await;
        is_suspended(ivan, "Write the runbook").await;
        // A poll finds a change that no webhook reported: a reason to check.
        ivan.sync().await;
        ivan.counts("ivan_webhook_healthy{source=\"clickup\"} 0")
            .await;
        let broken = fires(ivan, "").await;
        ivan.clickup()
            .set_status("Write the runbook", "to do", BO_CLICKUP);
        ivan.counts("ivan_webhook_healthy{source=\"clickup\"} 1")
            .await;
        if let Some(broken) = broken {
            assert_eq!(Some(broken), only("IvanWebhookBroken"));
            ivan.sync().await;
            assert_eq!(fires(ivan, "").await, Some(BTreeSet::new()));
        }
    })
    .await;
}

/// A comment ends the process twice.
#[tokio::test]
async fn work_set_aside_raises_its_alert_until_it_is_retried() {
    ivan_test(two_issues(), async |ivan| {
        let id = a_comment_ends_it_twice(ivan, FaultKind::Hang).await;
        let told = ivan.answer(ANA, 0).settles().await;
        told.begins("✗ Comment not added: Login fails.");
        let aside = fires(ivan, "").await;
        retries(ivan, &id).await;
        told.becomes("✓ Comment added in GitHub: Login fails").await;
        ivan.counts("ivan_set_aside 0").await;
        if let Some(aside) = aside {
            assert_eq!(Some(aside), only("IvanWorkSetAside"));
            ivan.sync().await;
            assert_eq!(fires(ivan, "").await, Some(BTreeSet::new()));
        }
    })
    .await;
}
