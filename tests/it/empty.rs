//! An empty queue: one reason in Slack, over HTTP and from the command line.

use ivan::sandbox::Sandbox;
use ivan::sandbox::fault_server::{Fault, FaultKind, Gate};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

/// Asks on each surface, as Ana, for the reason of an empty queue.
async fn is_empty(ivan: &Ivan, reason: &str, sentence: &str, exit: i32) {
    for typed in ["list", "current"] {
        ivan.dm(ANA, typed).await.replies(sentence);
    }
    ivan.dm(ANA, "done")
        .await
        .replies(&format!("✗ No current task. {sentence}"));
    let slash = |text: &'static str| ivan.slash(ANA, "C0RND01", text);
    assert_eq!(slash("list").await, sentence);
    assert_eq!(slash("current").await, sentence);
    let home = ivan.opens_home(ANA).await;
    assert!(home.contains(&format!("\n{sentence}\n")), "{home}");
    for path in ["/queue", "/current"] {
        let (status, answer) = ivan.http("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
        assert_eq!(
            (&answer["reason"], &answer["message"]),
            (&json!(reason), &json!(sentence)),
            "{path}"
        );
    }
    for verb in ["list", "current"] {
        let ran = ivan.cli(&[verb]).await;
        assert_eq!(
            (ran.exit, ran.out, ran.err),
            (exit, format!("{sentence}\n"), String::new())
        );
        // A script sees the same.
        let ran = ivan.cli(&["--json", verb]).await;
        let answer: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!((ran.exit, &answer["reason"]), (exit, &json!(reason)));
    }
}

#[tokio::test]
async fn what_was_not_read_yet_is_not_empty() {
    let setup = two_tasks()
        .without_github()
        .without_waiting_for_the_first_read();
    let mut ivan = setup.start().await;
    ivan.clickup().front().down();
    ivan.start().await;
    let sentence =
        "I'm still reading ClickUp. Try again in a minute; `status` shows the connection.";
    is_empty(&ivan, "not_read", sentence, 75).await;
    // Whether something is overdue is unknown too.
    ivan.dm(ANA, "list overdue").await.replies(sentence);
    let (_, queue) = ivan.http("GET", "/queue?filter=overdue", None).await;
    assert_eq!(queue["reason"], "not_read");
    let (status, next) = ivan.http("POST", "/next", None).await;
    assert_eq!((status, &next["detail"]), (503, &json!(sentence)));
    assert_eq!(ivan.cli(&["next"]).await.exit, 1);
    ivan.clickup().front().up();
    ivan.logs("poll … changed=2 … source=clickup").await;
    let (_, queue) = ivan.http("GET", "/queue", None).await;
    assert_eq!(
        (&queue["total"], &queue["reason"], &queue["message"]),
        (&json!(2), &Value::Null, &Value::Null)
    );
    ivan.finish().await;
}

/// The list is followed beside the Inbox.
const ROADMAP: &str = "901100000002";

#[tokio::test]
async fn how_far_the_first_read_is_is_told_everywhere() {
    let setup = Setup::new()
        .without_github()
        .without_waiting_for_the_first_read()
        .clickup_tasks([
            json!({"name": "Renew cert"}),
            json!({"name": "Plan the year", "list": ROADMAP}),
        ])
        .config("clickup.lists = [\"901100000002\"]\napi.default_person = \"Ana\"")
        .people();
    let mut ivan = setup.start().await;
    let gate = Gate::new();
    ivan.clickup().front().fault(Fault {
        method: None,
        path: Some(format!("/list/{ROADMAP}/task")),
        times: None,
        what: FaultKind::Wait(gate.clone()),
    });
    ivan.start().await;
    let read = "SELECT count(*) FROM tasks";
    ivan.within("the Inbox is read", async {
        while ivan.sql::<i64>(read) != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let sentence = "I'm still reading ClickUp (1 task so far). Try again in a minute; `status` shows the connection.";
    is_empty(&ivan, "not_read", sentence, 75).await;
    for path in ["/queue", "/current"] {
        let (_, answer) = ivan.http("GET", path, None).await;
        assert_eq!(
            answer["reading"],
            json!([{"source": "clickup", "tasks": 1}]),
            "{path}"
        );
    }
    gate.open();
    ivan.logs("poll … source=clickup").await;
    let (_, queue) = ivan.http("GET", "/queue", None).await;
    assert_eq!(
        (&queue["reason"], &queue["reading"]),
        (&json!("empty"), &Value::Null)
    );
    ivan.finish().await;
}

/// No person is linked in either source, and e-mail addresses cannot be read.
fn nobody_is_linked() -> Setup {
    Setup::new()
        .webhooks()
        .config("[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"")
        .before(|sandbox: &Sandbox| sandbox.slack.revoke_scope("users:read.email"))
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]})])
        .github_issues([json!({"title": "Login fails", "assignees": ["bo"]})])
}

#[tokio::test]
async fn who_is_not_linked_is_told_so() {
    ivan_test(nobody_is_linked(), async |ivan| {
        let sentence = "I don't know your ClickUp or GitHub account yet, so your queue is empty. Type `link clickup you@example.com` \
         or `link github LOGIN`.";
        is_empty(ivan, "not_linked", sentence, 1).await;
        let (status, next) = ivan.http("POST", "/next", None).await;
        assert_eq!((status, &next["detail"]), (422, &json!(sentence)));
        ivan.dm(ANA, "list github").await.replies(
            "I don't know your GitHub account yet, so your queue is empty. Type `link github LOGIN`.",
        );
        // One account is linked, and has no tasks assigned.
        ivan.links_by_bio(ANA, "ana").await.begins("✓ Linked GitHub account ana");
        let sentence = "Your queue is empty: no open tasks are assigned to you. I don't know your ClickUp account yet. Type `link \
         clickup you@example.com`.";
        is_empty(ivan, "empty", sentence, 0).await;
        ivan.dm(ANA, "list clickup").await.begins("I don't know your ClickUp account yet");
        ivan.dm(ANA, "list github").await.replies("No task in your queue is in GitHub.");
        ivan.hook_up();
        let by_herself = |code: &str| {
            ivan.clickup().comment_by("Renew cert", ANA_CLICKUP, code);
        };
        ivan.links_by_comment(ANA, "link clickup Ana", by_herself)
            .await
            .begins("✓ Linked ClickUp account Ana");
        ivan.dm(ANA, "list").await.mentions("Renew cert");
    })
    .await;
}

/// One that waits for another's, one that can be snoozed.
fn one_waits() -> Setup {
    Setup::new().people().github_issues([
        json!({"title": "Deploy", "assignees": ["ana"], "body": "Blocked by #2"}),
        json!({"title": "Fix the build", "assignees": ["bo"]}),
    ])
}

#[rstest]
#[case::all_wait(&[], "all_wait", "1 task is blocked (`list blocked`)")]
#[case::all_snoozed(&["Write the runbook"], "all_snoozed", "1 task is snoozed (`list snoozed`)")]
#[case::both(
    &["Write the runbook", "Deploy"],
    "all_held_back",
    "1 task is blocked (`list blocked`) and 1 task is snoozed (`list snoozed`)"
)]
#[tokio::test]
async fn that_all_is_held_back_is_told_everywhere(
    #[case] tasks: &[&str],
    #[case] reason: &str,
    #[case] held_back: &str,
) {
    let write = json!({"name": "Write the runbook", "assignees": [ANA_CLICKUP]});
    let setup = match tasks {
        [] => one_waits(),
        [_] => Setup::new().people().clickup_tasks([write]),
        _ => one_waits().clickup_tasks([write]),
    };
    ivan_test(setup, async |ivan| {
        if !tasks.is_empty() {
            ivan.dm(ANA, "current").await.mentions("Write the runbook");
            ivan.dm(ANA, "snooze 2h").await.begins("✓ Snoozed until ");
        }
        let sentence = format!("Nothing to work on right now: {held_back}.");
        for typed in ["list", "current"] {
            ivan.dm(ANA, typed).await.replies(&sentence);
        }
        let as_ana = [("x-ivan-actor", "Ana")];
        for path in ["/queue", "/current"] {
            let (_, answer) = ivan.http_with("GET", path, None, &as_ana).await;
            assert_eq!(
                (&answer["reason"], &answer["message"]),
                (&json!(reason), &json!(sentence)),
                "{path}"
            );
        }
        let (status, next) = ivan.http_with("POST", "/next", None, &as_ana).await;
        assert_eq!((status, &next["message"]), (200, &json!(sentence)));
        let ran = ivan.cli(&["--as", "Ana", "list"]).await;
        assert_eq!((ran.exit, ran.out), (0, format!("{sentence}\n")));
        assert_eq!(ivan.slash(ANA, "C0RND01", "list").await, sentence);
        let home = ivan.opens_home(ANA).await;
        assert!(home.contains(&format!("\n{sentence}\n")), "{home}");
        // Held-back tasks can be listed, and an empty selection is reported.
        let (_, overdue) = ivan
            .http_with("GET", "/queue?filter=overdue", None, &as_ana)
            .await;
        assert_eq!(
            (&overdue["reason"], &overdue["message"]),
            (
                &json!("no_match"),
                &json!("No task in your queue is overdue.")
            )
        );
        let ran = ivan.cli(&["--as", "Ana", "list", "overdue"]).await;
        assert_eq!(
            (ran.exit, ran.out.as_str()),
            (0, "No task in your queue is overdue.\n")
        );
    })
    .await;
}

#[tokio::test]
async fn that_nothing_is_left_is_no_other_reason() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.dm(ANA, "list")
            .await
            .replies("Your queue is empty. `create TITLE` adds a task.");
        let (_, queue) = ivan.http("GET", "/queue", None).await;
        assert_eq!(
            queue,
            json!({"tasks": [], "total": 0, "reason": "empty", "message": null})
        );
        let ran = ivan.cli(&["list"]).await;
        assert_eq!((ran.exit, ran.out.as_str()), (0, "Your queue is empty.\n"));
        let sentence = "Your queue is empty. `create TITLE` adds a task.";
        assert_eq!(ivan.slash(ANA, "C0RND01", "list").await, sentence);
        let home = ivan.opens_home(ANA).await;
        assert!(home.contains(sentence), "{home}");
    })
    .await;
}

#[tokio::test]
async fn done_of_the_last_task_says_what_is_held_back() {
    let setup = one_waits().clickup_tasks([
        json!({"name": "Write the runbook", "assignees": [ANA_CLICKUP]}),
        json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "list").await;
        ivan.dm(ANA, "snooze 2 2h").await.begins("✓ Snoozed until ");
        ivan.dm(ANA, "done 1").await.mentions(
            " Nothing to work on right now: 1 task is blocked (`list blocked`) and 1 task is snoozed (`list snoozed`).",
        );
    })
    .await;
}
