//! Work that was under way at two ends of the process is set aside at the third start: its person and the operators get
//! a notice, all else goes on, and `retry` starts it again, exactly once.
//!
//! The process ends by SIGABRT from outside, while the sandbox holds a request of that very work.

use ivan::sandbox::fault_server::{Fault, FaultKind, FaultServer};
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

const OPERATORS: &str = "slack.operators = [\"U0BOB01\"]\n";

/// The id of the only work that is set aside.
async fn the_one(ivan: &Ivan) -> String {
    let all = ivan.set_aside().await;
    let [only] = all.as_slice() else {
        panic!("set aside: {all:?}\n{}", ivan.log());
    };
    only.clone()
}

pub async fn retries(ivan: &Ivan, id: &str) {
    let ran = ivan.cli(&["retry", id]).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(ran.out.starts_with("✓ Retrying: "), "{ran:?}");
    let all = ivan.set_aside().await;
    assert!(!all.contains(&id.to_owned()), "{all:?}");
}

/// Holds every such request until its client is gone.
fn holds(front: &FaultServer, method: &str, path: &str) {
    front.fault(Fault::new(FaultKind::Hang).on(method, path).always());
}

/// Waits until a further such request is under way.
async fn is_under_way(ivan: &Ivan, front: &FaultServer, method: &str, path: &str) {
    let held = |journal: &[ivan::sandbox::fault_server::RequestRecord]| {
        let mut seen = journal.iter().filter(|seen| seen.is(method, path));
        seen.any(|seen| !seen.done)
    };
    ivan.within("the work is under way", front.until(held))
        .await;
}

/// Aborts the daemon while only that work is under way in the store, because all work under way counts as interrupted.
/// The daemon is frozen first, so that nothing begins or ends between the look and the end. Where the work has a row in
/// the store, it must be under way still: on a slow machine its request may have timed out since it was seen.
async fn aborts_during(ivan: &mut Ivan, work: &str) {
    // Stored work has no row at its first attempt; recurring work always has one while it is under way.
    let stored = ["message", "operation", "post", "reaction", "home"].contains(&work);
    let only_it = format!(
        "SELECT count(*) FILTER (WHERE under_way = 1 AND NOT it) = 0
                AND ifnull(max(under_way) FILTER (WHERE it), {stored})
         FROM (SELECT under_way, kind || '-' || item LIKE '{work}%' AS it FROM begun_work)"
    );
    ivan.within("only that work is under way", async {
        loop {
            ivan.freezes().await;
            // It may be frozen while it holds a lock of the store: then SQLite gives up.
            let is_so = ivan
                .store()
                .query_row(&only_it, [], |row| row.get::<_, bool>(0));
            if is_so == Ok(true) {
                return;
            }
            ivan.signal("-CONT").await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    ivan.aborts().await;
}

/// Waits until the sandbox has noticed that the client of every held request is gone.
async fn are_let_go(ivan: &Ivan, front: &FaultServer, method: &str, path: &str) {
    let gone = |journal: &[ivan::sandbox::fault_server::RequestRecord]| {
        let mut seen = journal.iter().filter(|seen| seen.is(method, path));
        seen.all(|seen| seen.done)
    };
    ivan.within("held requests are let go", front.until(gone))
        .await;
}

/// The daemon ends while such a request is under way, and starts again.
async fn ends(ivan: &mut Ivan, kind: &str, front: &FaultServer, method: &str, path: &str) {
    is_under_way(ivan, front, method, path).await;
    if kind == "message" {
        a_message_is_begun(ivan).await;
    }
    aborts_during(ivan, kind).await;
    are_let_go(ivan, front, method, path).await;
}

/// The daemon ends twice while such a request is under way, and starts a third time without held requests.
async fn ends_twice(ivan: &mut Ivan, kind: &str, front: &FaultServer, method: &str, path: &str) {
    ends(ivan, kind, front, method, path).await;
    ivan.start().await;
    ends(ivan, kind, front, method, path).await;
    front.clear_faults();
    ivan.start().await;
}

/// A comment meets that fault, and the daemon ends; its second run ends while it searches for the comment. Returns the
/// id of the work that the third run sets aside.
pub async fn a_comment_ends_it_twice(ivan: &mut Ivan, fault: FaultKind) -> String {
    let github = ivan.github().front().clone();
    let comments = format!("/repos/{REPO}/issues/1/comments");
    github.fault(Fault::new(fault).on("POST", &comments));
    ivan.says(ANA, "comment on #1: shipped");
    ends(ivan, "operation", &github, "POST", &comments).await;
    holds(&github, "GET", &comments);
    ivan.start().await;
    ends(ivan, "operation", &github, "GET", &comments).await;
    github.clear_faults();
    ivan.start().await;
    the_one(ivan).await
}

/// Waits until a query's count satisfies `holds`.
async fn until_counted(ivan: &Ivan, what: &str, sql: &str, holds: impl Fn(i64) -> bool) {
    ivan.within(what, async {
        while !holds(ivan.sql::<i64>(sql)) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Waits until a stored message is being processed. Slack is asked for its author already while it is stored.
async fn a_message_is_begun(ivan: &Ivan) {
    let begun = "SELECT count(*) FROM slack_events WHERE handled_ms IS NULL
         AND (NOT EXISTS (SELECT 1 FROM begun_work WHERE kind = 'message')
              OR EXISTS (SELECT 1 FROM begun_work WHERE kind = 'message' AND under_way = 1))";
    until_counted(ivan, "a message is begun", begun, |messages| messages > 0).await;
}

/// The operator gets a notice without any person's text.
async fn the_operator_is_told(ivan: &Ivan, id: &str, of: &str) {
    let told = ivan.is_told(BO).answers().await;
    told.begins("✗ I crashed twice during this work: ")
        .mentions(of)
        .mentions(&format!("ivan retry {id}"));
}

// ------------------------------------------------------------ each kind of work

#[tokio::test]
async fn a_message_is_set_aside_and_what_its_person_says_next_is_answered() {
    let setup = two_tasks().config(OPERATORS).people();
    ivan_test(setup, async |ivan| {
        let slack = ivan.slack().front().clone();
        holds(&slack, "GET", "users.info");
        ivan.says(ANA, "create Buy milk");
        ends_twice(ivan, "message", &slack, "GET", "users.info").await;
        let id = the_one(ivan).await;
        assert!(id.starts_with("message-"), "{id}");
        let told = ivan.answer(ANA, 0).answers().await;
        told.begins("✗ Not finished: your command ")
            .mentions("create Buy milk")
            .mentions("crashed me twice, so I set it aside. I've told the operators.");
        the_operator_is_told(ivan, &id, "a message of Ana").await;
        // None of it reaches another person or the log.
        assert!(
            !ivan
                .slack()
                .messages(&ivan.slack().dm(BO))
                .iter()
                .any(|message| message["text"]
                    .as_str()
                    .is_some_and(|text| text.contains("milk")))
        );
        ivan.dm(ANA, "current").await.begins("Your queue is empty");
        ivan.dm(ANA, "status")
            .await
            .mentions("Set aside after two crashes:")
            .mentions(&id);
        let status = ivan.cli(&["status"]).await;
        assert!(
            status.out.contains(&format!("ivan retry {id}")),
            "{status:?}"
        );
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 0);
        retries(ivan, &id).await;
        let made = ivan.is_told(ANA).settles().await;
        made.begins("✓ Task created in ClickUp: Buy milk");
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 1);
        assert_eq!(ivan.set_aside().await, Vec::<String>::new());
    })
    .await;
}

/// A write applied before the end is found by the retry, and not sent again.
#[rstest]
#[case::applied(FaultKind::ApplyThenHang, 1)]
#[case::not_applied(FaultKind::Hang, 0)]
#[tokio::test]
async fn an_operation_is_set_aside_and_its_retry_looks_before_it_sends(
    #[case] fault: FaultKind,
    #[case] there: usize,
) {
    let setup = two_issues().config(OPERATORS);
    ivan_test(setup, async |ivan| {
        let id = a_comment_ends_it_twice(ivan, fault).await;
        let told = ivan.answer(ANA, 0).settles().await;
        told.begins("✗ Comment not added: Login fails. It crashed me twice, so I set it aside. I've told the operators.")
            .mentions("It may have worked: check GitHub before you repeat it.");
        the_operator_is_told(ivan, &id, "a comment in GitHub").await;
        assert_eq!(ivan.github().issue(REPO, 1).comments().len(), there);
        let (_, operation) = ivan.http("GET", &format!("/operations/{id}"), None).await;
        assert_eq!(operation["state"], "set_aside");
        // The same person's next command on the same task goes on.
        ivan.dm(ANA, "comment on #1: and tagged")
            .await
            .begins("✓ Comment added");
        retries(ivan, &id).await;
        told.becomes("✓ Comment added in GitHub: Login fails").await;
        let comments = ivan.github().issue(REPO, 1).comments();
        let shipped = comments.iter().filter(|text| *text == "shipped");
        assert_eq!((shipped.count(), comments.len()), (1, 2), "{comments:#?}");
    })
    .await;
}

/// Meanwhile its answer in the DM stays ✗, which is no sign of an older copy of the store.
#[tokio::test]
async fn a_restart_during_a_retry_goes_on_with_it() {
    ivan_test(two_issues(), async |ivan| {
        let id = a_comment_ends_it_twice(ivan, FaultKind::Hang).await;
        let told = ivan.answer(ANA, 0).settles().await;
        told.begins("✗ Comment not added: Login fails.");
        ivan.github().front().down();
        let slack = ivan.slack().front().clone();
        holds(&slack, "POST", "chat.update");
        retries(ivan, &id).await;
        is_under_way(ivan, &slack, "POST", "chat.update").await;
        slack.clear_faults();
        ivan.stop().await;
        ivan.github().front().up();
        ivan.start().await;
        ivan.answer(ANA, 0)
            .until(|posted| shown(&posted.text) == "✓ Comment added in GitHub: Login fails")
            .await;
        ivan.github().issue(REPO, 1).has_comments(["shipped"]);
        let log = ivan.log();
        assert!(!log.contains("older copy"), "{log}");
    })
    .await;
}

/// An undo of work that is set aside waits with it, and reverts the effect that the retry finds.
#[rstest]
#[case::applied(FaultKind::ApplyThenHang, "✓ Undone")]
#[case::not_applied(FaultKind::Hang, "✓ Undone in time")]
#[tokio::test]
async fn an_undo_of_what_is_set_aside_waits_until_that_is_tried_again(
    #[case] fault: FaultKind,
    #[case] outcome: &str,
) {
    ivan_test(two_issues(), async |ivan| {
        let id = a_comment_ends_it_twice(ivan, fault).await;
        ivan.answer(ANA, 0)
            .settles()
            .await
            .mentions(&format!("retry it with ivan retry {id}."));
        let undo = ivan.dm(ANA, "undo").await;
        undo.begins("✗ Not undone: ")
            .mentions("The command to undo is set aside, so this waits until that is retried.");
        retries(ivan, &id).await;
        ivan.until_nothing_is_queued().await;
        ivan.within(
            "its outcome is said",
            ivan.slack().until(|_| undo.text().starts_with(outcome)),
        )
        .await;
        ivan.github().issue(REPO, 1).has_comments([]);
    })
    .await;
}

/// Without a message of the command, its person is told in the DM.
#[tokio::test]
async fn an_operation_that_was_asked_for_over_http_is_told_in_the_dm() {
    let setup = two_tasks().config(OPERATORS).people();
    ivan_test(setup, async |ivan| {
        let clickup = ivan.clickup().front().clone();
        let as_ana = [("X-Ivan-Actor", "Ana")];
        holds(&clickup, "PUT", "/task/");
        let id = ivan.clickup().task("Renew cert").id().to_owned();
        let path = format!("/tasks/clickup%3A{id}/complete?wait=0");
        let asked = ivan
            .http_with("POST", &path, Some(json!({})), &as_ana)
            .await;
        let operation = asked.1["operation_id"].as_str().unwrap().to_owned();
        ends_twice(ivan, "operation", &clickup, "PUT", "/task/").await;
        assert_eq!(the_one(ivan).await, operation);
        ivan.is_told(ANA)
            .answers()
            .await
            .begins("✗ Not completed: Renew cert. It crashed me twice, so I set it aside.")
            .mentions("It may have worked: check ClickUp before you repeat it.");
        the_operator_is_told(
            ivan,
            &operation,
            "a completion in ClickUp, asked for by Ana",
        )
        .await;
        let path = format!("/operations/{operation}/retry");
        let (status, answer) = ivan.http("POST", &path, None).await;
        assert_eq!(
            (status, &answer["success"]),
            (200, &json!(true)),
            "{answer}"
        );
        ivan.until_nothing_is_queued().await;
        ivan.clickup().task("Renew cert").is("complete");
        let (_, seen) = ivan
            .http("GET", &format!("/operations/{operation}"), None)
            .await;
        assert_eq!(seen["state"], "applied");
        // A second retry finds nothing to do.
        let (status, answer) = ivan.http("POST", &path, None).await;
        assert_eq!(status, 404, "{answer}");
        let ran = ivan.cli(&["retry", "message-4711"]).await;
        assert_eq!(ran.exit, 1, "{ran:?}");
        assert!(
            ran.err
                .contains("Nothing with the id message-4711 is set aside"),
            "{ran:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_set_aside_and_its_retry_posts_it_once() {
    let setup = two_tasks().config(OPERATORS);
    ivan_test(setup, async |ivan| {
        let slack = ivan.slack().front().clone();
        holds(&slack, "POST", "chat.postMessage");
        ivan.says(ANA, "current");
        ends(ivan, "post", &slack, "POST", "chat.postMessage").await;
        // The second time it is posted, without confirmation.
        slack.clear_faults();
        slack.fault(
            Fault::new(FaultKind::ApplyThenHang)
                .on("POST", "chat.postMessage")
                .always(),
        );
        ivan.start().await;
        ends(ivan, "post", &slack, "POST", "chat.postMessage").await;
        slack.clear_faults();
        ivan.start().await;
        let id = the_one(ivan).await;
        assert!(id.starts_with("post-"), "{id}");
        ivan.is_told(ANA).answers().await.begins(
            "✗ Not finished: posting a message to you crashed me twice, so I set it aside.",
        );
        the_operator_is_told(ivan, &id, "a message to").await;
        retries(ivan, &id).await;
        let begun = "SELECT count(*) FROM begun_work WHERE kind = 'post'";
        until_counted(ivan, "it is found", begun, |count| count == 0).await;
        // One answer and one notice, as the harness counts at the end.
        let said = ivan.slack().bot_messages(&ivan.slack().dm(ANA));
        assert!(said[0].text.contains("Renew cert"), "{said:#?}");
    })
    .await;
}

#[tokio::test]
async fn a_delivery_is_set_aside_and_the_next_ones_are_worked_off() {
    let setup = two_tasks().webhooks().config(OPERATORS);
    ivan_test(setup, async |ivan| {
        ivan.store()
            .execute("UPDATE people SET muted = 1", [])
            .unwrap();
        ivan.hook_up();
        let clickup = ivan.clickup().front().clone();
        let path = format!("/task/{}", ivan.clickup().task("Renew cert").id());
        holds(&clickup, "GET", &path);
        ivan.clickup()
            .set_status("Renew cert", "complete", BO_CLICKUP);
        is_under_way(ivan, &clickup, "GET", &path).await;
        ivan.aborts().await;
        ivan.launch().await;
        // Marked by the start that counted the first end, and begun again since.
        let begun = "SELECT count(*) FROM begun_work WHERE kind = 'delivery' AND under_way = 1 AND ends = 1";
        until_counted(ivan, "the delivery is under way", begun, |count| count > 0).await;
        ivan.aborts().await;
        clickup.clear_faults();
        ivan.launch().await;
        ivan.logs("poll done … source=github").await;
        let all = ivan.set_aside().await;
        let id = all.iter().find(|id| id.starts_with("delivery-"));
        let id = id.unwrap_or_else(|| panic!("{all:?}")).clone();
        // Its poll may have been under way as well; each causes a notice.
        for _ in &all {
            ivan.is_told(BO)
                .answers()
                .await
                .begins("✗ I crashed twice");
        }
        ivan.clickup()
            .set_status("Write the runbook", "complete", BO_CLICKUP);
        ivan.until_deliveries_are_applied().await;
        let (_, tasks) = ivan.http("GET", "/tasks?status=done", None).await;
        assert!(tasks.to_string().contains("Write the runbook"), "{tasks}");
        let set_aside_now: i64 =
            ivan.sql("SELECT count(*) FROM deliveries WHERE result = 'set aside'");
        assert_eq!(set_aside_now, 1);
        for id in &all {
            if !id.starts_with("delivery-") {
                let _ = ivan.is_told(BO);
            }
            ivan.cli(&["retry", id]).await;
        }
        let applied = format!(
            "SELECT count(*) FROM deliveries WHERE id = {} AND result = 'applied'",
            id.trim_start_matches("delivery-")
        );
        until_counted(ivan, "it is applied", &applied, |count| count > 0).await;
        let (_, tasks) = ivan.http("GET", "/tasks?status=done", None).await;
        assert!(tasks.to_string().contains("Renew cert"), "{tasks}");
    })
    .await;
}

/// What was under way at one end is tried alone. If its source does not answer, deliveries of the other source must not
/// end the waiting.
#[tokio::test]
async fn an_interrupted_delivery_waits_for_its_source_whatever_else_comes() {
    let setup = two_tasks()
        .github_issues([json!({"title": "Login fails"})])
        .webhooks();
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        let clickup = ivan.clickup().front().clone();
        let path = format!("/task/{}", ivan.clickup().task("Renew cert").id());
        holds(&clickup, "GET", &path);
        ivan.clickup()
            .set_status("Renew cert", "complete", BO_CLICKUP);
        is_under_way(ivan, &clickup, "GET", &path).await;
        ivan.aborts().await;
        clickup.clear_faults();
        clickup.fault(
            Fault::new(FaultKind::answer(503, ""))
                .on("GET", &path)
                .always(),
        );
        ivan.launch().await;
        ivan.logs("deliveries are waiting for their source").await;
        ivan.logs("poll failed … source=clickup").await;
        for number in 0..10 {
            let title = format!("Login fails for the {number}th time");
            ivan.github().rename_issue(REPO, 1, &title);
            ivan.within("the delivery is answered", ivan.github().settled())
                .await;
        }
        clickup.clear_faults();
        ivan.until_deliveries_are_applied().await;
        ivan.logs("the source responds again; processing its deliveries")
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_reaction_is_set_aside() {
    let setup = two_tasks()
        .config("slack.receipts = \"reactions\"\n")
        .config(OPERATORS);
    ivan_test(setup, async |ivan| {
        let slack = ivan.slack().front().clone();
        ivan.dm(ANA, "current").await;
        holds(&slack, "POST", "reactions.add");
        let dm = ivan.slack().dm(ANA);
        let ts = ivan.slack().says(ANA, &dm, "comment on its way");
        ends_twice(ivan, "reaction", &slack, "POST", "reactions.add").await;
        let id = the_one(ivan).await;
        assert!(id.starts_with("reaction-"), "{id}");
        ivan.is_told(ANA).answers().await.begins(
            "✗ Not finished: putting a reaction on your message crashed me twice, so I set it aside.",
        );
        the_operator_is_told(ivan, &id, "a reaction for").await;
        ivan.clickup().task("Renew cert").has_comments(["on its way"]);
        retries(ivan, &id).await;
        ivan.carries(&dm, &ts, &["white_check_mark"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_home_tab_is_set_aside_and_others_are_published() {
    let setup = two_tasks().config(OPERATORS);
    ivan_test(setup, async |ivan| {
        let slack = ivan.slack().front().clone();
        holds(&slack, "POST", "views.publish");
        ivan.slack().opens_tab(ANA, "home");
        ends_twice(ivan, "home", &slack, "POST", "views.publish").await;
        let id = the_one(ivan).await;
        assert_eq!(id, format!("home-{ANA}"));
        ivan.is_told(ANA)
            .answers()
            .await
            .begins("✗ Not finished: showing your Home tab crashed me twice, so I set it aside.");
        the_operator_is_told(ivan, &id, "the Home tab of").await;
        ivan.opens_home(BO).await;
        assert_eq!(ivan.home(ANA), None);
        retries(ivan, &id).await;
        ivan.shows_at_home(ANA, "Renew cert").await;
    })
    .await;
}

// ------------------------------------------------------------ recurring work rests

#[tokio::test]
async fn a_poll_rests_and_the_other_source_is_read() {
    let setup = two_issues()
        .clickup_tasks([json!({"name": "Renew cert"})])
        .config(OPERATORS);
    let mut ivan = setup.without_waiting_for_the_first_read().start().await;
    let github = ivan.github().front().clone();
    let path = format!("/repos/{REPO}/issues");
    holds(&github, "GET", &path);
    ivan.start().await;
    ends_twice(&mut ivan, "poll-github", &github, "GET", &path).await;
    ivan.logs("poll done … source=clickup").await;
    assert_eq!(the_one(&ivan).await, "poll-github");
    let (_, status) = ivan.http("GET", "/status", None).await;
    assert!(
        status["set_aside"][0]["next_attempt_at"].is_string(),
        "{status}"
    );
    assert!(!ivan.has_logged("poll done … source=github"));
    let told = ivan.is_told(BO).answers().await;
    told.mentions("reading GitHub").mentions("Next try at ");
    ivan.dm(ANA, "list").await.mentions("Renew cert");
    let _ = ivan.is_told(BO);
    retries(&ivan, "poll-github").await;
    ivan.logs("poll done … changed=2 … source=github").await;
    ivan.answer(BO, 2)
        .answers()
        .await
        .replies("✓ Worked this time: reading GitHub. It is no longer set aside.");
    ivan.finish().await;
}

#[tokio::test]
async fn the_history_of_a_dm_rests_and_what_is_said_there_is_heard() {
    let setup = two_tasks().config(OPERATORS);
    ivan_test(setup, async |ivan| {
        let slack = ivan.slack().front().clone();
        ivan.dm(ANA, "current").await;
        ivan.stop().await;
        holds(&slack, "GET", "conversations.history");
        ivan.start().await;
        ends_twice(ivan, "history", &slack, "GET", "conversations.history").await;
        let id = the_one(ivan).await;
        assert_eq!(id, format!("history-{}", ivan.slack().dm(ANA)));
        ivan.is_told(ANA).answers().await.begins(
            "✗ Not finished: reading what you wrote while I was offline crashed me twice, so I set it aside.",
        );
        the_operator_is_told(ivan, &id, "reading the history of the DM").await;
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let before = slack.journal().len();
        let _ = ivan.is_told(BO);
        retries(ivan, &id).await;
        let read = slack.until(|journal| {
            let mut since = journal.iter().skip(before);
            since.any(|seen| seen.is("GET", "conversations.history") && seen.status == Some(200))
        });
        ivan.within("it is read", read).await;
        ivan.answer(BO, 2).answers().await.begins("✓ Worked this time");
    })
    .await;
}

#[tokio::test]
async fn a_look_at_webhooks_rests_and_is_made_up_for_by_retry() {
    ivan_test(two_issues().config(OPERATORS), async |ivan| {
        ivan.store()
            .execute(
                "INSERT INTO hooks (source, hook_id, url, secret, made_ms)
                 VALUES ('github', '1', 'https://bot.example/webhooks/github', 's', 0)",
                [],
            )
            .unwrap();
        ivan.stop().await;
        let github = ivan.github().front().clone();
        // The first daemon may have seen the row that was just inserted.
        let before = github.journal().len();
        holds(&github, "GET", "/hooks");
        ivan.start().await;
        ends_twice(ivan, "webhooks-github", &github, "GET", "/hooks").await;
        assert_eq!(the_one(ivan).await, "webhooks-github");
        the_operator_is_told(ivan, "webhooks-github", "checking the webhooks of GitHub").await;
        let _ = ivan.is_told(BO);
        let answered = |journal: &[ivan::sandbox::fault_server::RequestRecord]| {
            let mut since = journal.iter().skip(before);
            since.any(|seen| seen.is("GET", "/hooks") && seen.status.is_some())
        };
        assert!(!answered(&github.journal()), "it rests");
        retries(ivan, "webhooks-github").await;
        ivan.within("it looks", github.until(answered)).await;
        ivan.answer(BO, 2)
            .answers()
            .await
            .begins("✓ Worked this time");
    })
    .await;
}

// ------------------------------------------------------------ ends that do not count

#[tokio::test]
async fn clean_stops_do_not_count() {
    ivan_test(two_tasks().config(OPERATORS), async |ivan| {
        let slack = ivan.slack().front().clone();
        holds(&slack, "GET", "users.info");
        ivan.says(ANA, "create Buy milk");
        ends(ivan, "message", &slack, "GET", "users.info").await;
        for _ in 0..2 {
            ivan.start().await;
            is_under_way(ivan, &slack, "GET", "users.info").await;
            let status = ivan.stop().await;
            assert!(status.success(), "{status}");
            are_let_go(ivan, &slack, "GET", "users.info").await;
        }
        slack.clear_faults();
        ivan.start().await;
        ivan.answer(ANA, 0).settles().await.begins("✓ Task created");
        assert_eq!(ivan.set_aside().await, Vec::<String>::new());
    })
    .await;
}

/// Work that is not under way at the second end is not set aside, nor is work that waits behind other work.
#[tokio::test]
async fn what_waits_behind_another_is_not_under_way() {
    ivan_test(two_tasks().config(OPERATORS), async |ivan| {
        let slack = ivan.slack().front().clone();
        holds(&slack, "GET", "users.info");
        ivan.says(ANA, "create Buy milk");
        ivan.says(ANA, "create Buy bread");
        ends_twice(ivan, "message", &slack, "GET", "users.info").await;
        let id = the_one(ivan).await;
        the_operator_is_told(ivan, &id, "a message of").await;
        // The notice takes the place of the first answer.
        ivan.answer(ANA, 1)
            .settles()
            .await
            .begins("✓ Task created in ClickUp: Buy bread");
        let _ = ivan.is_told(ANA);
        retries(ivan, &id).await;
        ivan.until_nothing_is_queued().await;
        ivan.answer(ANA, 2)
            .settles()
            .await
            .begins("✓ Task created in ClickUp: Buy milk");
    })
    .await;
}

#[tokio::test]
async fn what_is_tried_again_and_ends_it_once_more_is_set_aside_at_once() {
    ivan_test(two_tasks().config(OPERATORS), async |ivan| {
        let slack = ivan.slack().front().clone();
        holds(&slack, "GET", "users.info");
        ivan.says(ANA, "create Buy milk");
        ends_twice(ivan, "message", &slack, "GET", "users.info").await;
        let id = the_one(ivan).await;
        the_operator_is_told(ivan, &id, "a message of").await;
        ivan.answer(ANA, 0)
            .answers()
            .await
            .begins("✗ Not finished: ");
        holds(&slack, "GET", "users.info");
        retries(ivan, &id).await;
        ends(ivan, "message", &slack, "GET", "users.info").await;
        slack.clear_faults();
        ivan.start().await;
        assert_eq!(the_one(ivan).await, id);
        the_operator_is_told(ivan, &id, "a message of").await;
        ivan.is_told(ANA).answers().await.begins("✗ Not finished: ");
        retries(ivan, &id).await;
        ivan.is_told(ANA).settles().await.begins("✓ Task created");
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 1);
    })
    .await;
}
