//! `snooze`: hides a task from the person's own queue until a time. `why`: the points that give a task its place.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde_json::json;

use crate::harness::*;

fn three_tasks() -> Setup {
    two_tasks().clickup_tasks([json!({"name": "Tidy the wiki", "priority": 4})])
}

/// Ends the snooze.
fn time_passes(ivan: &Ivan) {
    let changed = ivan
        .store()
        .execute("UPDATE snoozes SET until_ms = 1000", []);
    assert!(changed.unwrap() > 0);
}

#[tokio::test]
async fn a_snoozed_task_is_not_offered_until_then() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let answer = ivan.dm(ANA, "snooze 3d").await;
        answer.begins("✓ Snoozed until ");
        answer.mentions(": Renew cert. Next: Write the runbook");
        ivan.dm(ANA, "list")
            .await
            .replies("1. Write the runbook · ClickUp · to do\n2. Tidy the wiki · ClickUp · to do");
        ivan.dm(ANA, "next").await.begins("Next: Tidy the wiki");
        ivan.dm(ANA, "next").await.begins("Next: Write the runbook");
        let seen = ivan.clickup().front().journal();
        assert!(seen.iter().all(|one| one.method == "GET"), "{seen:#?}");
        time_passes(ivan);
        ivan.dm(BO, "list").await.begins("1. Renew cert");
    })
    .await;
}

#[tokio::test]
async fn the_answer_has_the_whole_date_in_the_persons_zone() {
    ivan_test(three_tasks(), async |ivan| {
        // Ana is in Madrid, where 9:00 in winter is 8:00 in UTC. It is her first message.
        let day = next_second_of_december(ivan).await;
        let cert = ivan.clickup().task("Renew cert");
        let text = format!("snooze clickup:{} 2 dec", cert.id());
        ivan.dm(ANA, &text).await.replies(&format!(
            "✓ Snoozed until {}: Renew cert",
            day.format("%a %-d %b %Y 09:00")
        ));
        let until: i64 = ivan.sql("SELECT until_ms FROM snoozes");
        let then = day.and_hms_opt(8, 0, 0).unwrap().and_utc();
        assert_eq!(until, then.timestamp_millis());
        let (_, task) = ivan.http("GET", &path(ivan, "Renew cert", ""), None).await;
        assert_eq!(
            task["snoozed_until"],
            then.format("%Y-%m-%dT08:00:00Z").to_string()
        );
        let (_, other) = ivan
            .http("GET", &path(ivan, "Tidy the wiki", ""), None)
            .await;
        assert_eq!(other.get("snoozed_until"), None);
    })
    .await;
}

/// The next 2 December, by the daemon's clock.
async fn next_second_of_december(ivan: &Ivan) -> NaiveDate {
    let (_, status) = ivan.http("GET", "/status", None).await;
    let now: DateTime<Utc> = status["now"].as_str().unwrap().parse().unwrap();
    let of = |year| NaiveDate::from_ymd_opt(year, 12, 2).unwrap();
    match of(now.year()) {
        this_year if this_year > now.date_naive() => this_year,
        _ => of(now.year() + 1),
    }
}

fn path(ivan: &Ivan, name: &str, verb: &str) -> String {
    format!("/tasks/clickup:{}{verb}", ivan.clickup().task(name).id())
}

#[tokio::test]
async fn another_persons_queue_is_untouched_and_restarts_change_nothing() {
    let setup = Setup::new().people().clickup_tasks([
        json!({"name": "Renew cert", "priority": 1, "assignees": [ANA_CLICKUP, BO_CLICKUP]}),
        json!({"name": "Write the runbook", "assignees": [ANA_CLICKUP, BO_CLICKUP]}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(ANA, "snooze tomorrow")
            .await
            .mentions("Next: Write the runbook");
        ivan.dm(BO, "current").await.mentions("Renew cert");
        ivan.kill_and_restart().await;
        ivan.dm(BO, "list").await.begins("1. Renew cert");
        ivan.dm(ANA, "list")
            .await
            .replies("1. Write the runbook · ClickUp · to do");
    })
    .await;
}

#[tokio::test]
async fn who_acts_on_a_task_has_not_put_it_off_any_more() {
    ivan_test(
        three_tasks().github_issues([json!({"title": "Login fails", "labels": ["P0"]})]),
        async |ivan| {
            ivan.dm(ANA, "list").await;
            for (number, who) in [(2, ANA), (3, BO), (4, ANA)] {
                ivan.dm(who, &format!("snooze {number} 1w"))
                    .await
                    .begins("✓ Snoozed until ");
            }
            assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM snoozes"), 3);
            ivan.dm(BO, "start 2").await.begins("✓ Issue started");
            ivan.dm(ANA, "reopen 3")
                .await
                .begins("✓ Already open in ClickUp (to do): ");
            ivan.dm(BO, "done 4").await.begins("✓ ");
            assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM snoozes"), 0);
        },
    )
    .await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let paid = json!({"name": "Pay the bill", "status": "complete"});
    ivan_test(two_tasks().clickup_tasks([paid]), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        for (who, text, why) in [
            (ANA, "snooze", "✗ Until when? Try `snooze 2h`, "),
            (BO, "snooze soon", "✗ I can't read `soon` as a time. Try "),
            (
                ANA,
                "snooze 2020-01-01",
                "✗ Not snoozed: 1 Jan 2020 09:00 is in the past. ",
            ),
            (
                BO,
                "snooze 400d",
                "✗ Not snoozed: that is more than a year ahead. ",
            ),
            (
                ANA,
                "snooze 30 feb",
                "✗ Not snoozed: there is no such date. ",
            ),
            (BO, "snooze 7 2h", "✗ "),
        ] {
            ivan.dm(who, text).await.begins(why);
        }
        let paid = ivan.clickup().task("Pay the bill").id().to_owned();
        ivan.dm(ANA, &format!("snooze clickup:{paid} 2h"))
            .await
            .replies("✗ Not snoozed: Pay the bill is already complete in ClickUp.");
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM snoozes"), 0);
    })
    .await;
}

#[tokio::test]
async fn the_last_task_put_off_leaves_an_empty_queue() {
    let one = Setup::new().clickup_tasks([json!({"name": "Renew cert"})]);
    ivan_test(one, async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "snooze 2h")
            .await
            .mentions(": Renew cert. Nothing to work on right now: 1 task is snoozed (`list snoozed`).");
        ivan.dm(ANA, "done")
            .await
            .replies("✗ No current task. Nothing to work on right now: 1 task is snoozed (`list snoozed`).");
        ivan.dm(ANA, "undo").await.replies(
            "✓ Undone: Renew cert is back in your queue. It's your current task again.",
        );
        ivan.dm(ANA, "undo").await.replies(
            "✗ Nothing more to undo in the last 15 minutes. To redo something, type the command again.",
        );
    })
    .await;
}

#[tokio::test]
async fn a_second_snooze_is_undone_to_the_first() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "list").await;
        ivan.dm(ANA, "snooze 2 2d").await.begins("✓ Snoozed until ");
        let first: i64 = ivan.sql("SELECT until_ms FROM snoozes");
        ivan.dm(ANA, "snooze 2 30d")
            .await
            .begins("✓ Snoozed until ");
        assert_ne!(first, ivan.sql::<i64>("SELECT until_ms FROM snoozes"));
        ivan.dm(ANA, "undo")
            .await
            .begins("✓ Undone: Write the runbook is snoozed until ");
        assert_eq!(first, ivan.sql::<i64>("SELECT until_ms FROM snoozes"));
    })
    .await;
}

#[tokio::test]
async fn a_repeated_request_snoozes_once() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.http("GET", "/current", None).await;
        let key = [("Idempotency-Key", "once")];
        let body = || Some(json!({"until": "2h"}));
        let (status, first) = ivan.http_with("POST", "/snooze", body(), &key).await;
        let (again, second) = ivan.http_with("POST", "/snooze", body(), &key).await;
        assert_eq!((status, again, &first), (200, 200, &second));
        assert_eq!(first["next_task"]["title"], "Write the runbook");
        assert_eq!(first["success"], true);
        assert!(first["message"].as_str().unwrap().ends_with(": Renew cert"));
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM snoozes"), 1);
        let (status, bad) = ivan
            .http("POST", &path(ivan, "Tidy the wiki", "/snooze"), Some(json!({"until": "soon"})))
            .await;
        assert_eq!(status, 422, "{bad}");
        let (status, far) = ivan
            .http(
                "POST",
                &path(ivan, "Tidy the wiki", "/snooze"),
                Some(json!({"until": "2020-01-01T00:00:00Z"})),
            )
            .await;
        assert_eq!((status, &far["detail"]), (422, &json!(
            "Not snoozed: 1 Jan 2020 00:00 is in the past. Try `snooze tomorrow`, `snooze mon 9:00` or `snooze 1 dec`."
        )));
    })
    .await;
}

// ------------------------------------------------------------ why

#[tokio::test]
async fn why_adds_up_and_says_the_place() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "why").await.replies(
            "Renew cert · ClickUp · to do\n1101 points: client 1000 + active today 1 + due later or never 100.\nIt is \
             first of 3 in your queue.",
        );
        // It was shown, and so it is current.
        ivan.dm(ANA, "start").await.begins("✓ Task started in ClickUp: Renew cert");
        ivan.dm(ANA, "list").await;
        ivan.dm(BO, "why 2").await.replies(
            "Write the runbook · ClickUp · to do\n101 points: active today 1 + due later or never 100.\nIt is number \
             2 of 3 in your queue; first is Renew cert with 1101 points.",
        );
        ivan.dm(BO, "next").await.begins("Next: Write the runbook");
        ivan.dm(ANA, "why").await.mentions(
            "It is still your current task because I showed it to you; `next` moves on.",
        );
        for query in ["", "?ref=2", "?ref=3"] {
            let (_, why) = ivan.http("GET", &format!("/why{query}"), None).await;
            let points = why["points"].as_array().unwrap();
            let sum: i64 = points.iter().map(|one| one["points"].as_i64().unwrap()).sum();
            assert_eq!(why["task"]["score"], sum, "{why}");
            assert_eq!((&why["of"], &why["hidden"]), (&json!(3), &json!(null)), "{why}");
        }
    })
    .await;
}

#[tokio::test]
async fn why_explains_what_is_hidden() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "list").await;
        ivan.dm(ANA, "snooze 2 tomorrow 10:00").await;
        ivan.dm(ANA, "why 2")
            .await
            .mentions("\nIt is not in your queue: it is snoozed until ")
            .mentions(" 10:00.");
        ivan.dm(BO, "done 3").await;
        ivan.dm(BO, "why 3")
            .await
            .mentions("\nIt is not in your queue: it is complete.");
        let (_, why) = ivan.http("GET", "/why?ref=2", None).await;
        assert_eq!(why["place"], json!(null));
        let hidden = why["hidden"].as_str().unwrap();
        assert!(hidden.starts_with("is snoozed until "), "{why}");
        let ran = ivan.cli(&["why", "2"]).await;
        assert_eq!(ran.exit, 0, "{ran:?}");
        assert!(
            ran.out
                .contains("It is not in your queue: it is snoozed until"),
            "{ran:?}"
        );
        let (status, _) = ivan.http("GET", "/why?ref=clickup:86never", None).await;
        assert_eq!(status, 404);
    })
    .await;
}
