//! Moments are Slack dates, shown in each reader's zone; a day without a time is the same for all readers.

use serde_json::json;

use crate::harness::*;

/// A Slack date with this text before it.
fn date_after(before: &str) -> String {
    format!("{before}<!date^")
}

#[tokio::test]
async fn until_when_a_task_is_snoozed_is_a_date_of_slacks() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "list").await;
        ivan.dm(ANA, "snooze 2 tomorrow 17:00").await;
        let list = ivan.dm(ANA, "list snoozed").await;
        list.mentions("Write the runbook · ClickUp · to do · snoozed until ");
        let date = date_after("snoozed until ");
        assert!(list.wire().contains(&date), "{}", list.wire());
        let card = list.posted().blocks.to_string();
        assert!(card.contains(&date), "{card}");
        let why = ivan.dm(ANA, "why 1").await;
        let date = date_after("it is snoozed until ");
        assert!(why.wire().contains(&date), "{}", why.wire());
        why.mentions(" 17:00.");
        let over = ivan.dm(ANA, "snooze 1 2020-01-01 9:30").await;
        over.begins("✗ Not snoozed: 1 Jan 2020 09:30 is in the past. ");
        assert!(over.wire().contains(&date_after("Not snoozed: ")));
    })
    .await;
}

#[tokio::test]
async fn a_due_time_is_a_date_of_slacks_and_a_due_day_is_a_day() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "list").await;
        let timed = ivan.dm(ANA, "due 1 tomorrow 17:00").await;
        let date = date_after("Due date is now ");
        assert!(timed.wire().contains(&date), "{}", timed.wire());
        let blocks = timed.posted().blocks.to_string();
        assert!(blocks.contains(&date), "{blocks}");
        timed.mentions(" 17:00: Renew cert");
        let again = ivan.dm(ANA, "due 1 tomorrow 17:00").await;
        assert!(again.wire().contains(&date_after("Already due ")));
        let log = ivan.dm(ANA, "log").await;
        assert!(log.wire().contains(&date_after("(now due ")));
        let day = ivan.dm(ANA, "due 2 tomorrow").await;
        day.begins("✓ Due date is now ");
        assert!(!day.wire().contains("<!date"), "{}", day.wire());
    })
    .await;
}

#[tokio::test]
async fn over_http_a_moment_is_in_its_persons_zone() {
    ivan_test(two_tasks(), async |ivan| {
        let dm = ivan.slack().dm(ANA);
        ivan.slash(ANA, &dm, "list").await;
        let said = ivan.slash(ANA, &dm, "due 1 tomorrow 17:00").await;
        let (_, list) = ivan.http("GET", "/log", None).await;
        let now = list["entries"][0]["after"].as_str().unwrap_or_default();
        assert!(now.ends_with('Z'), "{list}");
        assert!(said.contains(" 17:00: Renew cert"), "{said}");
    })
    .await;
}

/// Before a person's first message, Slack's zone counts: for answers over HTTP and in the command line, and for dates.
#[tokio::test]
async fn whoever_has_not_written_yet_is_in_the_zone_that_slack_knows() {
    let setup = two_tasks().people().before(|sandbox| {
        sandbox.slack.moves_to(ANA, "Asia/Tokyo");
        sandbox.slack.moves_to(BO, "America/Bogota");
    });
    ivan_test(setup, async |ivan| {
        let zone_of = async |who: &str| {
            let (_, told) = ivan
                .http_with("GET", "/rhythm", None, &[("X-Ivan-Actor", who)])
                .await;
            told["zone"].as_str().unwrap_or_default().to_owned()
        };
        ivan.within("their zones are known", async {
            while zone_of("Ana").await != "Asia/Tokyo" || zone_of("Bo").await != "America/Bogota" {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
        let task = ivan.clickup().task("Renew cert");
        let path = format!("/tasks/clickup:{}/due", task.id());
        let body = json!({"due": "tomorrow 09:00"});
        for (who, at) in [("Ana", "T00:00:00Z"), ("Bo", "T14:00:00Z")] {
            let actor = [("X-Ivan-Actor", who)];
            let (status, answer) = ivan
                .http_with("POST", &path, Some(body.clone()), &actor)
                .await;
            assert_eq!(status, 200, "{answer}");
            let shown = path.trim_end_matches("/due");
            let (_, task) = ivan.http_with("GET", shown, None, &actor).await;
            assert!(task["due"].as_str().unwrap().ends_with(at), "{who}: {task}");
        }
    })
    .await;
}
