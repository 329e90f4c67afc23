//! `morning`: the first three tasks with their reasons, due tasks, stuck tasks; to each person their own.

use chrono::Duration;
use ivan::clock::Clock;
use serde_json::{Value, json};

use crate::harness::*;

/// Four tasks: two overdue, one due today, and one that may wait.
fn some() -> Setup {
    let ms = |days| (Clock::system().now() + Duration::days(days)).timestamp_millis();
    Setup::new().clickup_tasks([
        json!({"name": "Renew cert", "tags": ["client:acme"], "due_date": ms(0)}),
        json!({"name": "Write the runbook", "priority": 1, "due_date": ms(-3)}),
        json!({"name": "Pay the bill", "due_date": ms(-9)}),
        json!({"name": "Tidy the wiki", "priority": 4}),
    ])
}

#[tokio::test]
async fn it_has_what_one_needs_to_know_before_one_begins() {
    ivan_test(some(), async |ivan| {
        for typed in ["morning", "briefing", "Brief me!"] {
            let told = ivan.dm(ANA, typed).await;
            let text = told.text();
            let lines: Vec<&str> = text.lines().collect();
            assert!(lines[0].ends_with(": 4 open"), "{text}");
            assert!(
                lines[1].starts_with("1. Renew cert · ClickUp · to do · due today"),
                "{text}"
            );
            assert!(
                lines[1].contains("why: client 1000, due today 400"),
                "{text}"
            );
            assert!(
                lines[2].starts_with("2. Write the runbook · ClickUp · to do · overdue since "),
                "{text}"
            );
            assert!(lines[2].contains("why: overdue 500, urgent 200"), "{text}");
            assert!(lines[3].starts_with("3. Pay the bill"), "{text}");
            assert_eq!(
                lines[4..],
                [
                    "Overdue: Write the runbook, Pay the bill",
                    "Due today: Renew cert"
                ]
            );
        }
        // Its numbers are those of a list, the first task is pinned, and its buttons are those of a card.
        ivan.dm(ANA, "done 3")
            .await
            .begins("✓ Task completed in ClickUp: Pay the bill");
        let told = ivan.dm(ANA, "morning").await;
        ivan.presses(ANA, &told, "Done")
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        ivan.dm(ANA, "done")
            .await
            .begins("✓ Task completed in ClickUp: Write the runbook");
    })
    .await;
}

#[tokio::test]
async fn what_is_current_and_not_among_the_first_is_named() {
    ivan_test(some(), async |ivan| {
        ivan.dm(ANA, "list").await;
        ivan.dm(ANA, "start 4")
            .await
            .mentions("It's your current task");
        ivan.dm(ANA, "morning")
            .await
            .mentions("\nCurrent: Tidy the wiki\n");
        ivan.dm(ANA, "done")
            .await
            .begins("✓ Task completed in ClickUp: Tidy the wiki");
    })
    .await;
}

#[tokio::test]
async fn what_is_queued_and_why_is_in_it() {
    ivan_test(some(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.clickup().front().down();
        let done = ivan.says(ANA, "done").answers().await;
        let told = ivan.dm(ANA, "morning").await;
        told.mentions(": 3 open")
            .mentions("\n… Completion of Renew cert is waiting: ");
        ivan.clickup().front().up();
        done.until(|posted| posted.text.starts_with('✓')).await;
        let text = ivan.dm(ANA, "morning").await.text();
        assert!(!text.contains("queued"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn with_nothing_to_do_it_says_so() {
    ivan_test(Setup::new(), async |ivan| {
        let text = ivan.dm(ANA, "morning").await.text();
        assert!(
            text.ends_with(": Your queue is empty. `create TITLE` adds a task."),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
    })
    .await;
}

#[tokio::test]
async fn it_is_the_same_over_http_and_from_the_command_line() {
    let setup = Setup::new().people().clickup_tasks([
        json!({"name": "Renew cert", "assignees": [ANA_CLICKUP], "tags": ["deal"], "due_date": (Clock::system().now() - Duration::days(3)).timestamp_millis()}),
        json!({"name": "Plan the party", "assignees": [ANA_CLICKUP, BO_CLICKUP]}),
        json!({"name": "Pay the rent", "assignees": [BO_CLICKUP]}),
    ]);
    ivan_test(setup, async |ivan| {
        let of = async |who| {
            let (status, answer) = ivan
                .http_with("GET", "/morning", None, &[("X-Ivan-Actor", who)])
                .await;
            assert_eq!(status, 200, "{answer}");
            answer
        };
        let titles = |tasks: &Value| {
            let tasks = tasks.as_array().unwrap().iter();
            tasks
                .map(|task| task["title"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let ana = of("Ana").await;
        assert_eq!(titles(&ana["top"]), ["Renew cert", "Plan the party"]);
        assert_eq!(ana["top"][0]["number"], 1);
        assert_eq!(ana["top"][0]["reasons"][0]["reason"], "deal");
        assert_eq!(titles(&ana["overdue"]), ["Renew cert"]);
        assert_eq!((&ana["open"], &ana["due_today"]), (&json!(2), &json!([])));
        let bo = of("Bo").await;
        assert_eq!(titles(&bo["top"]).len(), 2);
        assert!(!bo.to_string().contains("Renew cert"), "{bo}");
        assert!(!ana.to_string().contains("Pay the rent"), "{ana}");
        let ran = ivan.cli(&["--as", "Ana", "morning"]).await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        assert!(ran.out.contains("\n1. Renew cert"), "{}", ran.out);
        // The numbers of the shown list work over the command line.
        let done = ivan.cli(&["--as", "Ana", "done", "2"]).await;
        assert!(done.out.contains("Plan the party"), "{}", done.out);
        let ran = ivan.cli(&["--as", "Ana", "briefing"]).await;
        assert!(ran.out.contains("1 open"), "{}", ran.out);
        let (status, problem) = ivan.http("GET", "/morning", None).await;
        assert_eq!(status, 422, "{problem}");
    })
    .await;
}

#[tokio::test]
async fn it_says_who_waits_for_whom() {
    let world = Setup::new().people().github_issues([
        json!({"title": "Fix the build", "assignees": ["ana"]}),
        json!({"title": "Deploy", "assignees": ["bo"], "body": "Blocked by #1"}),
    ]);
    ivan_test(world, async |ivan| {
        ivan.dm(ANA, "morning")
            .await
            .mentions("\nBo is waiting for Fix the build");
        // Bo is not told that a person waits for Ana, and his own blocked task is not offered.
        let told = ivan.dm(BO, "morning").await;
        told.mentions("1 task is blocked (`list blocked`)");
        assert!(!told.text().contains("waits for Fix"), "{}", told.text());
        assert!(!told.text().contains("Deploy"), "{}", told.text());
    })
    .await;
}
