//! `done`: the current task, or the task that REF names, is complete in its source, and the next one is shown.

use crate::harness::*;
use serde_json::json;

/// Two tasks and two issues: the queue is `Renew cert`, `Login fails`, `Update the docs`, `Write the runbook`.
fn both() -> Setup {
    two_tasks().github_issues([
        json!({"title": "Login fails", "labels": ["P0"]}),
        json!({"title": "Update the docs", "labels": ["P1"]}),
    ])
}

#[tokio::test]
async fn done_completes_the_current_task_and_shows_the_next() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
        ivan.clickup().task("Renew cert").is("complete");
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

#[tokio::test]
async fn done_closes_an_issue_as_completed() {
    ivan_test(two_issues(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Issue closed in GitHub: Login fails. Next: Update the docs");
        let issue = ivan.github().issue(REPO, 1);
        issue.is("closed");
        assert_eq!(issue.json()["state_reason"], "completed");
    })
    .await;
}

#[tokio::test]
async fn the_last_task_done_leaves_an_empty_queue() {
    let one = Setup::new().clickup_tasks([json!({"name": "Renew cert"})]);
    ivan_test(one, async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Nothing is left in your queue.");
        ivan.dm(ANA, "done")
            .await
            .replies("✗ No current task. Your queue is empty. `create TITLE` adds a task.");
    })
    .await;
}

#[tokio::test]
async fn titles_are_links_to_their_tasks() {
    ivan_test(two_tasks(), async |ivan| {
        let first = ivan.clickup().task("Renew cert").json();
        let second = ivan.clickup().task("Write the runbook").json();
        ivan.dm(ANA, "current").await;
        let answer = ivan.dm(ANA, "done").await;
        assert_eq!(
            answer.wire(),
            format!(
                "✓ Task completed in ClickUp: <{}|Renew cert>. Next: <{}|Write the runbook>",
                first["url"].as_str().unwrap(),
                second["url"].as_str().unwrap()
            )
        );
    })
    .await;
}

#[tokio::test]
async fn a_title_that_ends_a_sentence_gets_no_second_full_stop() {
    let setup = Setup::new().clickup_tasks([
        json!({"name": "Who paid?", "priority": 1}),
        json!({"name": "Write it down."}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Task completed in ClickUp: Who paid? Next: Write it down.");
    })
    .await;
}

#[tokio::test]
async fn every_way_to_say_done_is_done() {
    let said = [
        "done",
        "DONE",
        " Done! ",
        "*done*",
        "`done`",
        "finished",
        "Completed.",
    ];
    let mut setup = Setup::new();
    for _ in &said {
        setup = setup.clickup_tasks([json!({"name": "Water the plants"})]);
    }
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(BO, "current").await;
        for ((count, said), who) in (1..).zip(said).zip([BO, ANA].into_iter().cycle()) {
            ivan.dm(who, said)
                .await
                .mentions("✓ Task completed in ClickUp: Water the plants");
            let complete = ivan.clickup().tasks_named("Water the plants");
            let complete = complete
                .iter()
                .filter(|task| task["status"]["status"] == "complete");
            assert_eq!(complete.count(), count, "{said}");
        }
    })
    .await;
}

#[tokio::test]
async fn done_takes_a_number_of_the_list() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "list").await;
        ivan.dm(ANA, "done 4")
            .await
            .replies("✓ Task completed in ClickUp: Write the runbook. Next: Renew cert");
        ivan.dm(ANA, "done 2")
            .await
            .replies("✓ Issue closed in GitHub: Login fails. Next: Renew cert");
        ivan.clickup().task("Write the runbook").is("complete");
        ivan.clickup().task("Renew cert").is("to do");
        ivan.github().issue(REPO, 1).is("closed");
        ivan.github().issue(REPO, 2).is("open");
    })
    .await;
}

#[tokio::test]
async fn done_takes_every_name_of_an_issue() {
    let names = [
        "#1",
        "github:2",
        "github:acme/widgets#3",
        "acme/widgets#4",
        "https://github.com/acme/widgets/issues/5",
        "https://github.com/Acme/Widgets/issues/6#issuecomment-77",
    ];
    let mut setup = two_tasks();
    for name in names {
        setup = setup.github_issues([json!({"title": format!("Issue {name}")})]);
    }
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        for ((number, name), who) in (1..).zip(names).zip([BO, ANA].into_iter().cycle()) {
            ivan.dm(who, &format!("done {name}"))
                .await
                .replies(&format!(
                    "✓ Issue closed in GitHub: Issue {name}. Next: Renew cert"
                ));
            ivan.github().issue(REPO, number).is("closed");
        }
    })
    .await;
}

#[tokio::test]
async fn done_takes_every_name_of_a_clickup_task() {
    let setup = two_tasks().clickup_tasks([
        json!({"name": "By address"}),
        json!({"name": "By its own name", "custom_id": "OPS-12"}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let id = |name| ivan.clickup().task(name).id().to_owned();
        for (typed, name) in [
            (
                format!("clickup:{}", id("Write the runbook")),
                "Write the runbook",
            ),
            (
                format!("https://app.clickup.com/t/{}", id("By address")),
                "By address",
            ),
            ("clickup:OPS-12".to_owned(), "By its own name"),
        ] {
            ivan.dm(ANA, &format!("done {typed}"))
                .await
                .replies(&format!(
                    "✓ Task completed in ClickUp: {name}. Next: Renew cert"
                ));
            ivan.clickup().task(name).is("complete");
        }
    })
    .await;
}

#[tokio::test]
async fn a_link_that_is_copied_out_of_a_reply_is_a_ref() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let reply = ivan.dm(ANA, "next").await.wire();
        let (_, link) = reply.split_once('<').unwrap();
        let (link, _) = link.split_once('>').unwrap();
        ivan.says_wire(ANA, &format!("done <{link}>"))
            .settles()
            .await
            .replies("✓ Task completed in ClickUp: Write the runbook. Next: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn the_current_task_done_by_its_custom_id_is_left_too() {
    let setup = Setup::new().clickup_tasks([
        json!({"name": "Renew cert", "custom_id": "OPS-12", "priority": 1}),
        json!({"name": "Write the runbook"}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(ANA, "done clickup:OPS-12")
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
    })
    .await;
}

#[tokio::test]
async fn done_comments_as_well() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done -c shipped in 2.1").await.replies(
            "✓ Task completed in ClickUp: Renew cert, with your comment. Next: Login fails",
        );
        ivan.clickup()
            .task("Renew cert")
            .is("complete")
            .has_comments(["shipped in 2.1"]);
        ivan.dm(ANA, "done #2 —c “docs & all”").await.replies(
            "✓ Issue closed in GitHub: Update the docs, with your comment. Next: Login fails",
        );
        ivan.github()
            .issue(REPO, 2)
            .is("closed")
            .has_comments(["docs & all"]);
    })
    .await;
}

#[tokio::test]
async fn a_task_that_is_not_mirrored_yet_is_read_and_done() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let id = ivan.clickup().add_task(json!({"name": "Just made"}));
        let number = ivan
            .github()
            .add_issue(REPO, json!({"title": "Just opened"}));
        ivan.dm(ANA, &format!("done clickup:{id}"))
            .await
            .replies("✓ Task completed in ClickUp: Just made. Next: Renew cert");
        ivan.dm(ANA, &format!("done #{number}"))
            .await
            .replies("✓ Issue closed in GitHub: Just opened. Next: Renew cert");
        ivan.clickup().task(&id).is("complete");
        ivan.github().issue(REPO, number).is("closed");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_followed_is_refused_and_left_alone() {
    let mut ivan = both().start().await;
    ivan.github().add_repo("acme/secrets", 9009);
    ivan.github()
        .add_issue("acme/secrets", json!({"title": "Not ours"}));
    let elsewhere = ivan
        .clickup()
        .add_task(json!({"name": "On the roadmap", "list": "901100000002"}));
    ivan.start().await;
    ivan.dm(ANA, "current").await;
    ivan.dm(ANA, "done github:acme/secrets#1")
        .await
        .replies("✗ I don't follow the repository acme/secrets. Ask an Ivan operator to add it.");
    ivan.dm(ANA, &format!("done clickup:{elsewhere}"))
        .await
        .replies(&format!(
            "✗ Not completed: task {elsewhere}. I don't follow the list of the task {elsewhere} in ClickUp. Do it there. \
                 Or add 901100000002 to clickup.lists."
        ));
    ivan.github().issue("acme/secrets", 1).is("open");
    ivan.clickup().task(&elsewhere).is("backlog");
    ivan.dm(ANA, "current").await.mentions("Renew cert");
    ivan.finish().await;
}

#[tokio::test]
async fn a_task_that_never_was_is_refused_by_name() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done #99")
            .await
            .mentions("✗ Not completed: issue acme/widgets#99. GitHub");
        ivan.dm(ANA, "done clickup:86never")
            .await
            .mentions("✗ Not completed: task 86never. ClickUp");
        ivan.dm(ANA, "current").await.mentions("Renew cert");
    })
    .await;
}

#[tokio::test]
async fn a_deleted_task_is_refused_once_it_is_known_too() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let id = ivan.clickup().task("Write the runbook").id().to_owned();
        ivan.clickup().delete_task(&id);
        ivan.github().delete_issue(REPO, 2);
        // The source's answer for a deleted task, and Ivan's state afterwards.
        ivan.dm(ANA, &format!("done clickup:{id}"))
            .await
            .mentions("✗ Not completed: Write the runbook. ClickUp can't find the task")
            .mentions("was deleted");
        ivan.dm(ANA, &format!("done clickup:{id}"))
            .await
            .replies("✗ Write the runbook was deleted in ClickUp.");
        ivan.dm(BO, "done #2")
            .await
            .mentions("✗ Not completed: Update the docs. ")
            .mentions("deleted");
        ivan.dm(BO, "done #2")
            .await
            .replies("✗ Update the docs was deleted in GitHub.");
        ivan.dm(BO, "list").await.replies(
            "1. Renew cert · ClickUp · to do\n2. Login fails · GitHub acme/widgets#1 · open",
        );
    })
    .await;
}

#[tokio::test]
async fn a_deleted_current_task_makes_room_for_the_next() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.clickup().delete_task("Renew cert");
        ivan.dm(ANA, "done")
            .await
            .mentions("✗ Not completed: Renew cert. ClickUp can't find")
            .mentions(". Next: Write the runbook");
        ivan.dm(ANA, "done")
            .await
            .mentions("✓ Task completed in ClickUp: Write the runbook");
    })
    .await;
}

#[tokio::test]
async fn a_pull_request_is_no_task() {
    let mut ivan = both().start().await;
    let number = ivan.github().add_pull_request(REPO, "Mend the login");
    ivan.start().await;
    ivan.dm(ANA, "list").await;
    ivan.dm(ANA, &format!("done #{number}"))
        .await
        .replies(&format!(
            "✗ Not completed: issue acme/widgets#{number}. The issue acme/widgets#{number} is a pull request in GitHub. I only \
             work on issues."
        ));
    ivan.github().issue(REPO, number).is("open");
    ivan.finish().await;
}

#[tokio::test]
async fn the_finishing_status_is_the_lists_own() {
    let mut ivan = two_tasks()
        .config("clickup.lists = [\"901100000002\"]\nclickup.complete_status = \"shipped\"")
        .start()
        .await;
    let other = ivan
        .clickup()
        .add_task(json!({"name": "Plan the year", "list": "901100000002"}));
    ivan.start().await;
    ivan.dm(ANA, "current").await;
    ivan.dm(ANA, "done").await.mentions("✓ Task completed");
    ivan.clickup().task("Renew cert").is("shipped");
    // `Roadmap` has no such status; its own finishing one is used.
    ivan.dm(ANA, &format!("done clickup:{other}"))
        .await
        .mentions("✓ Task completed in ClickUp: Plan the year");
    ivan.clickup().task(&other).is("closed");
    ivan.finish().await;
}
