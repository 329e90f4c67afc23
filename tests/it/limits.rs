//! Bounds that only the whole daemon can reach (P8). A refusal has a reason, is counted and logged, and loses nothing
//! accepted before. Other bounds are tested in their own rooms.

use ivan::sandbox::fault_server::{Fault, FaultKind, Gate};
use ivan::sandbox::webhook_sender::AttemptEnd;
use serde_json::{Value, json};

use crate::harness::*;

/// As in `inbox.rs`, `mailbox/incoming.rs` and `commands/mod.rs`.
const DELIVERIES: usize = 20_000;
const MESSAGES: usize = 100;
const WRITES: usize = 500;

/// The table of docs/reliability.md has every bound, and the tests that it names exist.
#[test]
fn the_table_has_every_bound_and_names_tests_that_exist() {
    let doc = include_str!("../../docs/reliability.md");
    let (_, section) = doc.split_once("\n## Bounds\n").unwrap();
    let rows: Vec<Vec<&str>> = section
        .lines()
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| ") && !line.starts_with("| bound"))
        .map(|line| line.trim_matches('|').split(" | ").collect())
        // The page's other tables have other subjects.
        .filter(|row: &Vec<&str>| row.len() == 5)
        .collect();
    assert!(rows.len() > 20, "{rows:?}");
    for bound in ivan::limits::Limit::ALL {
        let word = format!("`{}`", bound.word());
        assert!(rows.iter().any(|row| row[3].contains(&word)), "{word}");
    }
    let mut code = String::new();
    all_code(std::path::Path::new(env!("CARGO_MANIFEST_DIR")), &mut code);
    for row in &rows {
        let name = row[4].trim().trim_matches('`');
        assert!(code.contains(&format!("fn {name}(")), "{name}: {}", row[0]);
    }
}

fn all_code(folder: &std::path::Path, code: &mut String) {
    for part in ["src", "tests"] {
        let mut folders = vec![folder.join(part)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => code.push_str(&std::fs::read_to_string(path).unwrap_or_default()),
                }
            }
        }
    }
}

fn reached(bound: &str) -> String {
    format!("ivan_bounds_reached_total{{bound=\"{bound}\"}} 1")
}

#[tokio::test]
async fn a_full_inbox_asks_senders_to_come_again() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.store()
            .execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                 INSERT INTO deliveries (source, dedupe_key, event, payload, kept_ms)
                 SELECT 'github', 'full-' || i, 'issues', x'7b7d', 0 FROM n",
                [i64::try_from(DELIVERIES).unwrap()],
            )
            .unwrap();
        ivan.github().close_as(REPO, 1, "bo");
        ivan.within("the delivery is answered", ivan.github().settled())
            .await;
        let refused = ivan.github().deliveries().pop().unwrap();
        assert!(
            matches!(refused.ended, AttemptEnd::Answered(503, _)),
            "{:?}",
            refused.ended
        );
        ivan.logs("limit reached: 20000 deliveries are waiting")
            .await;
        ivan.counts(&reached("inbox")).await;
        ivan.counts("ivan_deliveries_total{source=\"github\",result=\"full\"} 1")
            .await;
        // Nothing accepted was lost, and there is room again once it is processed.
        let kept = ivan.sql::<i64>("SELECT count(*) FROM deliveries");
        assert_eq!(usize::try_from(kept).unwrap(), DELIVERIES);
        ivan.store()
            .execute("DELETE FROM deliveries WHERE dedupe_key LIKE 'full-%'", [])
            .unwrap();
        ivan.github().reopen_as(REPO, 1, "bo");
        ivan.github().close_as(REPO, 1, "bo");
        ivan.until_deliveries_are_applied().await;
        let done = "SELECT status FROM tasks WHERE source_key LIKE '%:1'";
        assert_eq!(ivan.sql::<String>(done), "done");
    })
    .await;
}

#[tokio::test]
async fn a_person_of_whom_too_much_waits_is_told_so_and_others_are_heard() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(BO, "current").await.mentions("Renew cert");
        // A hundred messages wait, because Slack does not answer who she is.
        let gate = Gate::new();
        let asked = Fault::new(FaultKind::Wait(gate.clone())).on("GET", "users.info");
        ivan.slack().front().fault(asked.times(u32::MAX));
        ivan.store()
            .execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                 INSERT INTO slack_events (user_id, channel, said_us, heard, raw, kept_ms)
                 SELECT ?2, ?3, said_us, replace(replace(heard, ?4, ?2), channel, ?3), raw, -1 FROM slack_events, n",
                rusqlite::params![
                    i64::try_from(MESSAGES).unwrap(),
                    ANA,
                    ivan.slack().dm(ANA),
                    BO
                ],
            )
            .unwrap();
        let refused = ivan.dm(ANA, "create Buy milk").await;
        refused.replies(
            "✗ 100 of your messages are still waiting, the most that I accept from one person. I did not act on this \
             one: `create Buy milk`. Type it again when I've answered the others.",
        );
        ivan.acknowledges().await;
        ivan.logs("limit reached: one person has 100 waiting messages")
            .await;
        ivan.counts(&reached("heard")).await;
        ivan.store()
            .execute("DELETE FROM slack_events WHERE kept_ms = -1", [])
            .unwrap();
        ivan.dm(BO, "create Buy bread").await.begins("✓ ");
        ivan.slack().front().clear_faults();
        gate.open();
        ivan.dm(ANA, "create Buy milk").await.begins("✓ ");
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_person_whose_writes_do_not_get_through_is_refused_further_ones() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.clickup().front().down();
        let queued = ivan.says(ANA, "create Buy milk").answers().await;
        queued.begins("… ");
        // A hundred more, behind it in its lane.
        ivan.store()
            .execute(
                "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                 INSERT INTO operations (id, command_id, lane, source, kind, write, created_ms)
                 SELECT 'full-' || i, command_id, lane, source, kind, write, created_ms FROM operations, n",
                [i64::try_from(WRITES).unwrap()],
            )
            .unwrap();
        ivan.dm(ANA, "comment on #1: shipped")
            .await
            .begins("✗ 500 of your changes are still waiting");
        let refused = client()
            .post(format!("{}/tasks", ivan.api_url()))
            .bearer_auth(ivan.token())
            .json(&json!({"title": "Buy bread"}))
            .send()
            .await
            .unwrap();
        assert_eq!(refused.status().as_u16(), 503);
        assert!(refused.headers().contains_key("retry-after"));
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["type"], "urn:ivan:problem:busy", "{problem}");
        ivan.logs("limit reached: one person has 500 waiting writes")
            .await;
        assert!(
            ivan.metrics()
                .await
                .contains("ivan_bounds_reached_total{bound=\"outbox\"} 2")
        );
        // Commands without a source are answered, and accepted ones are carried out.
        ivan.dm(ANA, "list").await.mentions("Renew cert");
        ivan.store()
            .execute("DELETE FROM operations WHERE id LIKE 'full-%'", [])
            .unwrap();
        ivan.clickup().front().up();
        queued
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Buy milk");
        ivan.dm(ANA, "create Buy bread").await.begins("✓ ");
        for title in ["Buy milk", "Buy bread"] {
            assert_eq!(ivan.clickup().tasks_named(title).len(), 1, "{title}");
        }
    })
    .await;
}

#[tokio::test]
async fn one_form_too_many_at_once_is_asked_for_again() {
    const FORMS: usize = 32;
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let slack = ivan.slack().front();
        slack.fault(
            Fault::new(FaultKind::Hang)
                .on("POST", "views.open")
                .always(),
        );
        for _ in 0..FORMS {
            ivan.slack().shortcut(BO, "new_task");
        }
        let opening = slack.until(|seen| {
            let opening = seen.iter().filter(|one| one.is("POST", "views.open"));
            opening.count() >= FORMS
        });
        ivan.within("so many are being opened", opening).await;
        ivan.slack().shortcut(ANA, "new_task");
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("so nothing changed. Press the button again");
        ivan.logs("limit reached: 32 forms").await;
        ivan.counts(&reached("forms")).await;
        // There is room again when Slack answers.
        slack.clear_faults();
        slack.cut();
        ivan.logs_times("cannot open a form", FORMS).await;
        ivan.logs_times("Slack connected", 2).await;
        ivan.slack().shortcut(ANA, "new_task");
        ivan.form(1).await;
    })
    .await;
}

#[tokio::test]
async fn a_fifth_synchronisation_at_once_is_refused() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.clickup()
            .front()
            .fault(Fault::new(FaultKind::Hang).on("GET", "/list/").always());
        for _ in 0..4 {
            let (status, _) = ivan.http("POST", "/sync?wait=0", None).await;
            assert_eq!(status, 202);
        }
        let (status, problem) = ivan.http("POST", "/sync?wait=0", None).await;
        assert_eq!(
            (status, &problem["title"]),
            (503, &json!("Busy")),
            "{problem}"
        );
        ivan.logs("limit reached: 4 syncs").await;
        ivan.counts(&reached("syncs")).await;
        ivan.clickup().front().clear_faults();
        ivan.clickup().front().cut();
        let synced = async {
            while ivan.http("POST", "/sync", None).await.0 != 200 {
                tokio::task::yield_now().await;
            }
        };
        ivan.within("there is room again", synced).await;
    })
    .await;
}
