//! `list` with filters: overdue, blocked or snoozed, by source, by client, and all combined.

use rstest::rstest;
use serde_json::json;

use crate::harness::*;

fn of_all_kinds() -> Setup {
    Setup::new()
        .clickup_tasks([
            json!({"name": "Bill Acme", "tags": ["client:acme"], "due_in_days": -2}),
            json!({"name": "Call Acme", "tags": ["client:acme"]}),
            json!({"name": "Late", "due_in_days": -1}),
            json!({"name": "Tidy up"}),
        ])
        .github_issues([
            json!({"title": "[CLIENT:Globex] Login fails"}),
            json!({"title": "Deploy", "body": "Blocked by #1"}),
            json!({"title": "Blocked for Acme", "labels": [], "body": "Blocked by #1"}),
        ])
}

/// The titles of an answer's list, in order.
fn titles(list: &str) -> Vec<String> {
    list.lines()
        .filter_map(|line| {
            let (number, rest) = line.split_once(". ")?;
            number.parse::<usize>().ok()?;
            Some(rest.split_once(" · ")?.0.to_owned())
        })
        .collect()
}

const LOGIN: &str = "[CLIENT:Globex] Login fails";

#[rstest]
#[case("list overdue", &["Bill Acme", "Late"])]
#[case("list github", &[LOGIN])]
#[case("list clickup", &["Bill Acme", "Call Acme", "Late", "Tidy up"])]
#[case("list Acme", &["Bill Acme", "Call Acme"])]
#[case("list globex", &[LOGIN])]
#[case("list overdue acme", &["Bill Acme"])]
#[case("list acme globex", &[LOGIN, "Bill Acme", "Call Acme"])]
#[case("list Globex ACME clickup", &["Bill Acme", "Call Acme"])]
#[case("list globex acme overdue", &["Bill Acme"])]
#[case("list clickup github overdue", &["Bill Acme", "Late"])]
#[case("tasks clickup 2", &["Bill Acme", "Call Acme"])]
#[case("list blocked", &["Deploy", "Blocked for Acme"])]
#[tokio::test]
async fn a_list_is_narrowed_everywhere_alike(#[case] typed: &str, #[case] expected: &[&str]) {
    ivan_test(of_all_kinds(), async |ivan| {
        let list = ivan.dm(ANA, typed).await.text();
        assert_eq!(titles(&list), expected, "{list}");
        let words: Vec<&str> = typed.split(' ').skip(1).collect();
        let ran = ivan.cli(&[&["list"], words.as_slice()].concat()).await;
        assert_eq!(titles(&ran.out), expected, "{}", ran.out);
        let filter = words
            .iter()
            .filter(|word| word.parse::<u8>().is_err())
            .copied()
            .collect::<Vec<_>>()
            .join("+");
        let (_, queue) = ivan
            .http("GET", &format!("/queue?filter={filter}"), None)
            .await;
        let queue: Vec<&str> = queue["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|task| task["title"].as_str().unwrap())
            .collect();
        assert!(queue.starts_with(expected), "{queue:?}");
        let (_, tasks) = ivan
            .http("GET", &format!("/tasks?filter={filter}"), None)
            .await;
        let mut tasks: Vec<&str> = tasks["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|task| task["title"].as_str().unwrap())
            .collect();
        let mut queue = queue;
        if typed == "list github" {
            // `tasks` means all tasks, including blocked ones.
            tasks.retain(|title| *title == LOGIN);
        }
        tasks.sort_unstable();
        queue.sort_unstable();
        assert_eq!(tasks, queue);
    })
    .await;
}

#[tokio::test]
async fn numbers_mean_what_was_listed() {
    ivan_test(of_all_kinds(), async |ivan| {
        ivan.dm(ANA, "list overdue").await.mentions("2. Late");
        ivan.dm(ANA, "done 2")
            .await
            .begins("✓ Task completed in ClickUp: Late");
        ivan.dm(ANA, "list blocked").await.mentions("1. Deploy");
        ivan.dm(ANA, "comment on 1: soon")
            .await
            .begins("✓ Comment added in GitHub: Deploy");
    })
    .await;
}

#[tokio::test]
async fn what_is_snoozed_is_listed_with_its_end() {
    ivan_test(of_all_kinds(), async |ivan| {
        let id = format!("clickup:{}", ivan.clickup().task("Tidy up").id());
        ivan.dm(ANA, &format!("snooze {id} 3d"))
            .await
            .begins("✓ Snoozed until ");
        let list = ivan.dm(ANA, "list snoozed").await;
        list.begins("1. Tidy up · ClickUp · to do · snoozed until ");
        ivan.dm(ANA, "snooze #2 3d").await;
        let both = ivan.dm(ANA, "list snoozed blocked").await;
        both.begins(
            "1. Deploy · GitHub acme/widgets#2 · open · waits for [CLIENT:Globex] Login fails",
        );
        both.mentions(" · snoozed until ");
        let ran = ivan.cli(&["list", "snoozed", "clickup"]).await;
        assert!(
            ran.out
                .contains("Tidy up · ClickUp · to do · snoozed until "),
            "{}",
            ran.out
        );
    })
    .await;
}

#[tokio::test]
async fn a_word_that_narrows_nothing_is_refused_with_those_that_do() {
    ivan_test(of_all_kinds(), async |ivan| {
        let refusal = "I can't filter by `initech`. Filters: overdue, blocked, snoozed, clickup, github, label:NAME, milestone:NAME, type:NAME. Clients: acme, Globex.";
        ivan.dm(ANA, "list initech")
            .await
            .replies(&format!("✗ {refusal}"));
        for path in ["/queue?filter=initech", "/tasks?filter=initech"] {
            let (status, problem) = ivan.http("GET", path, None).await;
            assert_eq!((status, &problem["detail"]), (422, &json!(refusal)));
        }
        let ran = ivan.cli(&["list", "initech"]).await;
        assert_eq!(ran.exit, 1);
        assert!(ran.err.contains(refusal), "{}", ran.err);
        ivan.dm(BO, "list of things to buy").await.mentions("I can't filter by `of things to buy`");
        ivan.dm(ANA, "list acme initech").await.replies(&format!("✗ {refusal}"));
        ivan.dm(BO, "list five things").await.mentions("I can't filter by `five things`");
        ivan.dm(BO, "list snoozed").await.replies("None of your tasks is snoozed.");
        ivan.dm(BO, "list overdue github").await.replies("No task in your queue is overdue and in GitHub.");
        ivan.dm(BO, "list 1 clickup").await.mentions("3 more: `list 4 clickup` shows all");
    })
    .await;
}
