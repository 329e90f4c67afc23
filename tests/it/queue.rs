//! `current` and `next`, and the order of the queue with both sources in it.

use crate::harness::*;
use serde_json::json;

#[tokio::test]
async fn current_shows_the_task_and_why_it_is_first() {
    let setup = Setup::new().clickup_tasks([json!({
        "name": "Renew cert", "tags": ["client:acme"], "due_in_days": 0, "priority": 1, "status": "in review",
        "created_days_ago": 9, "updated_days_ago": 2,
    })]);
    ivan_test(setup, async |ivan| {
        let card = "Renew cert · ClickUp · in review · due today    why: client 1000, due today 400, urgent 200";
        ivan.dm(ANA, "current").await.replies(card);
        ivan.dm(ANA, "What should I work on?").await.replies(card);
    })
    .await;
}

#[tokio::test]
async fn an_empty_queue_is_said_to_be_empty() {
    ivan_test(Setup::new(), async |ivan| {
        for typed in ["current", "next"] {
            ivan.dm(ANA, typed)
                .await
                .replies("Your queue is empty. `create TITLE` adds a task.");
        }
        ivan.dm(ANA, "done")
            .await
            .replies("✗ No current task. Your queue is empty. `create TITLE` adds a task.");
    })
    .await;
}

#[tokio::test]
async fn next_goes_round() {
    let setup = two_tasks().github_issues([json!({"title": "Login fails", "labels": ["P1"]})]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        for (typed, title) in [
            ("next", "Login fails"),
            ("skip", "Write the runbook"),
            ("not now", "Renew cert"),
        ] {
            ivan.dm(ANA, typed)
                .await
                .mentions(&format!("Next: {title} · "));
        }
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Login fails");
        ivan.github().issue(REPO, 1).is("open");
    })
    .await;
}

#[tokio::test]
async fn next_with_one_task_stays_there() {
    let one = Setup::new().clickup_tasks([
        json!({"name": "Renew cert", "updated_days_ago": 2, "created_days_ago": 2}),
    ]);
    ivan_test(one, async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "next")
            .await
            .replies("No other task in your queue. Still: Renew cert · ClickUp · to do");
        ivan.dm(ANA, "done").await.mentions("✓ Task completed");
    })
    .await;
}

#[tokio::test]
async fn next_before_anything_was_shown_shows_the_first() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "next").await.mentions("Next: Renew cert · ");
    })
    .await;
}

#[tokio::test]
async fn revenue_comes_before_urgency_before_priority_before_activity_before_age() {
    let old = |mut task: serde_json::Value| {
        task["created_days_ago"] = json!(20);
        task["updated_days_ago"] = json!(10);
        task
    };
    let setup = Setup::new()
        .clickup_tasks([
            json!({"name": "Active", "created_days_ago": 10, "updated_days_ago": 0}),
            old(json!({"name": "High", "priority": 2})),
            old(json!({"name": "Urgent", "priority": 1})),
            // As many points as the urgent one, and older.
            json!({"name": "This week", "due_in_days": 3, "created_days_ago": 21, "updated_days_ago": 10}),
            old(json!({"name": "Today", "due_in_days": 0})),
            old(json!({"name": "Overdue", "due_in_days": -3})),
            old(json!({"name": "A client", "tags": ["client:acme"]})),
            old(json!({"name": "A deal, overdue", "tags": ["Big deal"], "due_in_days": -1})),
        ])
        .github_issues([
            json!({"title": "Older", "created_days_ago": 40, "updated_days_ago": 30}),
            json!({"title": "Younger", "created_days_ago": 5, "updated_days_ago": 4}),
            json!({"title": "Urgent, by label", "labels": ["p0"], "created_days_ago": 15, "updated_days_ago": 9}),
            json!({"title": "Revenue", "labels": ["Revenue"], "created_days_ago": 3, "updated_days_ago": 2}),
        ]);
    ivan_test(setup, async |ivan| {
        let list = ivan.dm(ANA, "list 12").await.text();
        let titles: Vec<&str> = list
            .lines()
            .map(|line| {
                let (_, rest) = line.split_once(". ").unwrap();
                rest.split_once(" · ").unwrap().0
            })
            .collect();
        assert_eq!(
            titles,
            [
                "A deal, overdue",
                "A client",
                "Revenue",
                "Overdue",
                "Today",
                "This week",
                "Urgent",
                "Urgent, by label",
                "High",
                "Active",
                "Older",
                "Younger",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn the_points_can_be_configured() {
    let setup = Setup::new()
        .clickup_tasks([
            json!({"name": "A client", "tags": ["client:acme"]}),
            json!({"name": "Urgent", "priority": 1}),
        ])
        .config("[queue.score]\nrevenue = 10\nrecent = 0");
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current")
            .await
            .replies("Urgent · ClickUp · to do    why: urgent 200");
        ivan.dm(ANA, "next")
            .await
            .replies("Next: A client · ClickUp · to do    why: client 10");
    })
    .await;
}
