//! `stats`: figures of a week and of a month on every surface; those of everybody for operators only.

use ivan::sandbox::fault_server::{Fault, FaultKind, RequestRecord};
use ivan::sandbox::slack::PostedMessage;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

/// Three tasks of Ana's, who is an operator, and three of Bo's.
fn world() -> Setup {
    Setup::new()
        .config("slack.operators = [\"U0ANN01\"]")
        .webhooks()
        .people()
        .clickup_tasks([
            json!({"name": "Renew cert", "assignees": [ANA_CLICKUP], "priority": 1}),
            json!({"name": "Plan the party", "assignees": [ANA_CLICKUP], "priority": 2}),
            json!({"name": "Order the cake", "assignees": [ANA_CLICKUP]}),
            json!({"name": "Pay the rent", "assignees": [BO_CLICKUP], "creator": BO_CLICKUP, "priority": 1, "created_days_ago": 3}),
            json!({"name": "Sweep", "assignees": [BO_CLICKUP], "creator": BO_CLICKUP}),
        ])
        .github_issues([json!({"title": "Login fails", "assignees": ["bo"], "user": "bo"})])
}

/// Entries of the log from before these weeks: Ana did one task 9 days ago, and Bo one 20 days ago.
fn remembers(ivan: &Ivan) {
    let entries = "INSERT INTO log (kept_ms, at_ms, person_id, surface, verb, outcome, title)
        SELECT ms, ms - 3000, id, 'dm', 'done', 'done', 'An old task'
        FROM (SELECT (unixepoch() - 86400 * CASE name WHEN 'Ana' THEN 9 ELSE 20 END) * 1000 AS ms, id
              FROM people WHERE name IN ('Ana', 'Bo')) ORDER BY ms";
    ivan.store().execute(entries, []).unwrap();
}

/// The lines that begin with these words.
fn lines<'a>(text: &'a str, begins: &str) -> Vec<&'a str> {
    text.lines()
        .filter(|line| line.starts_with(begins))
        .collect()
}

async fn figures(ivan: &Ivan, query: &str, who: Option<&str>) -> Value {
    let headers: Vec<(&str, &str)> = who.map(|who| ("X-Ivan-Actor", who)).into_iter().collect();
    let path = format!("/stats{query}");
    let (status, answer) = ivan.http_with("GET", &path, None, &headers).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn figures_are_ones_own_and_everybodys_for_operators() {
    ivan_test(world(), async |ivan| {
        ivan.hook_up();
        let young = ivan.dm(BO, "stats").await.text();
        assert!(young.starts_with("Your last 7 days ("), "{young}");
        assert!(young.contains("so there is nothing to compare with:"), "{young}");
        assert_eq!(lines(&young, "Done"), ["Done: 0"]);
        assert_eq!(lines(&young, "From"), ["From asked to ✓: no commands"]);
        assert_eq!(
            lines(&young, "Open"),
            ["Open: 3 tasks; their median age is less than a day, the oldest is 3 days old: Pay the rent"]
        );
        remembers(ivan);
        ivan.dm(ANA, "current").await.begins("Renew cert");
        ivan.dm(ANA, "done -c shipped").await.begins("✓ Task completed");
        ivan.dm(ANA, "done").await.begins("✓ Task completed");
        ivan.dm(ANA, "undo").await.begins("✓ Undone");
        ivan.dm(ANA, "create Buy milk").await.begins("✓ Task created");
        ivan.dm(ANA, "snooze 2h").await.begins("✓");
        // In the source itself, under a linked account.
        ivan.clickup().set_status("Pay the rent", "complete", BO_CLICKUP);
        ivan.until_deliveries_are_applied().await;

        let ana = ivan.dm(ANA, "stats this week").await.text();
        let (own, all) = ana.split_once("\n\n").unwrap();
        assert!(own.contains("in brackets the 7 days before:"), "{ana}");
        assert_eq!(lines(own, "Done"), ["Done: 1 (1)", "Done per day:"]);
        assert_eq!(lines(own, "Created"), ["Created: 1 (0)"]);
        assert_eq!(lines(own, "Comments"), ["Comments: 1 (0)"]);
        let timed = lines(own, "From")[0];
        assert!(timed.ends_with(", the median of 3 commands (3.0 s)"), "{timed}");
        assert!(lines(own, "Open")[0].starts_with("Open: 3 tasks; "), "{own}");
        assert_eq!(own.lines().filter(|line| line.contains('█')).count(), 1);
        assert!(all.starts_with("Everybody's last 7 days ("), "{ana}");
        assert_eq!(lines(all, "Done"), ["Done: 2 (1)", "Done per day:"]);
        assert!(lines(all, "Open")[0].starts_with("Open: 5 tasks; "), "{all}");
        assert!(!all.contains("Plan the party") && !all.contains("Sweep"), "{all}");

        let bo = ivan.dm(BO, "my stats").await.text();
        assert!(!bo.contains("Everybody") && !bo.contains("Plan the party"), "{bo}");
        assert_eq!(lines(&bo, "Done"), ["Done: 1 (0)", "Done per day:"]);
        let month = ivan.dm(BO, "stats month").await.text();
        assert!(month.starts_with("Your last 30 days ("), "{month}");
        assert_eq!(lines(&month, "Done")[0], "Done: 2");
        assert!(month.contains("a line for each week"), "{month}");
        ivan.dm(BO, "stats of the year").await.mentions("I have no figures of");

        // Over HTTP a person's own, and the operator's token has those of everybody.
        let own = figures(ivan, "?period=month", Some("Bo")).await;
        assert_eq!((&own["period"], &own["own"]["done"]), (&json!("month"), &json!(2)));
        assert_eq!(own["own"]["days"].as_array().unwrap().len(), 30);
        assert!(own["everybody"].is_null() && own["own"]["before"].is_null(), "{own:#}");
        assert_eq!(own["own"]["open"], json!({"tasks": 2, "median_days": 0, "oldest_days": 0}));
        let operators = figures(ivan, "", Some("Ana")).await;
        assert_eq!(operators["own"]["before"]["done"], 1);
        assert_eq!(operators["everybody"]["done"], 2);
        let all = figures(ivan, "", None).await;
        assert!(all["own"].is_null(), "{all:#}");
        assert_eq!((&all["everybody"]["done"], &all["everybody"]["comments"]), (&json!(2), &json!(1)));
        assert!(all["message"].as_str().unwrap().starts_with("Everybody's last 7 days"));

        let ran = ivan.cli(&["--as", "Bo", "stats"]).await;
        assert_eq!(ran.exit, 0, "{ran:?}");
        assert_eq!(lines(&ran.out, "Done"), ["Done: 1 (0)", "Done per day:"]);
        assert!(!ran.out.contains("Everybody"), "{ran:?}");
        let ran = ivan.cli(&["stats", "month"]).await;
        assert!(ran.out.starts_with("Everybody's last 30 days ("), "{ran:?}");
        assert_eq!(lines(&ran.out, "Done")[0], "Done: 4");
        let ran = ivan.cli(&["--as", "Bo", "stats", "--jq", ".own.done"]).await;
        assert_eq!(ran.out, "1\n");
        assert_eq!(ivan.cli(&["stats", "year"]).await.exit, 2);
    })
    .await;
}

/// A long log is read on a connection that only reads, and as far as it counts: other commands go on meanwhile.
#[tokio::test]
async fn a_long_log_is_read_as_far_as_it_counts() {
    ivan_test(world(), async |ivan| {
        let ivan = &*ivan;
        ivan.dm(BO, "current").await;
        let many = "INSERT INTO log (kept_ms, at_ms, person_id, surface, verb, outcome, title)
            WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 60000)
            SELECT (unixepoch() - 3600) * 1000 + n, (unixepoch() - 3600) * 1000, (SELECT id FROM people WHERE name = 'Bo'), 'cli',
                'comment', 'done', 'An old task' FROM n";
        ivan.store().execute(many, []).unwrap();
        let asked = [0; 4].map(|_| figures(ivan, "", Some("Ana")));
        let all = futures_util::future::join_all(asked);
        let done = ivan.dm(BO, "done");
        let (all, done) = tokio::join!(all, done);
        done.begins("✓ Task completed");
        for figures in all {
            assert_eq!(figures["own"]["comments"], 0);
            let counted = figures["everybody"]["comments"].as_u64().unwrap();
            assert!((49_000..=50_000).contains(&counted), "{figures:#}");
            assert!(figures["everybody"]["complete_since"].is_string());
        }
        let own = figures(ivan, "", Some("Bo")).await;
        let counted = own["own"]["comments"].as_u64().unwrap();
        assert!((9_990..=10_000).contains(&counted), "{own:#}");
    })
    .await;
}

// ------------------------------------------------------------ the picture

const TITLE: &str = "Per day: done (blue) and created (orange)";

/// Ana has done a task and created one today.
async fn has_done_something(ivan: &Ivan) {
    ivan.dm(ANA, "current").await.begins("Renew cert");
    ivan.dm(ANA, "done").await.begins("✓ Task completed");
    ivan.dm(ANA, "create Buy milk")
        .await
        .begins("✓ Task created");
}

/// The image blocks of a message.
fn pictures(posted: &PostedMessage) -> Vec<Value> {
    let blocks = posted.blocks.as_array().into_iter().flatten();
    let images = blocks.filter(|block| block["type"] == "image");
    images.cloned().collect()
}

/// Whether the blocks have bars as text.
fn has_text_bars(posted: &PostedMessage) -> bool {
    posted.blocks.to_string().contains('█')
}

/// The calls of the sandbox's Slack whose path has this.
fn calls(ivan: &Ivan, path: &str) -> usize {
    let seen = ivan.slack().front().journal();
    seen.iter().filter(|one| one.path.contains(path)).count()
}

#[tokio::test]
async fn the_bars_are_a_picture_that_says_the_same_in_words() {
    ivan_test(world(), async |ivan| {
        has_done_something(ivan).await;
        let answer = ivan.dm(BO, "stats").await;
        assert!(pictures(&answer.posted()).is_empty(), "nothing was done");
        let answer = ivan.dm(ANA, "stats").await;
        // The words of the message, for notifications and the other surfaces, have the bars as before.
        assert_eq!(
            lines(&answer.text(), "Done"),
            ["Done: 1", "Done per day:", "Done: 1", "Done per day:"]
        );
        let posted = answer.posted();
        assert!(!has_text_bars(&posted), "{:#}", posted.blocks);
        let shown = pictures(&posted);
        assert_eq!(shown.len(), 2, "their own, and everybody's");
        for picture in &shown {
            assert_eq!(picture["title"]["text"], TITLE);
            let words = picture["alt_text"].as_str().unwrap();
            assert!(
                words.starts_with("Tasks done and created per day: "),
                "{words}"
            );
            assert!(words.ends_with(" 1 and 1"), "{words}");
            assert_eq!(words.split(", ").count(), 7);
            let file = picture["slack_file"]["id"].as_str().unwrap();
            let content = ivan.slack().uploaded(file).unwrap();
            assert!(content.starts_with(b"\x89PNG\r\n\x1a\n") && content.len() < 5_000);
        }
        // A month has one, too; over HTTP the days say what was created.
        let month = ivan.dm(BO, "stats month").await;
        assert!(pictures(&month.posted()).is_empty());
        let month = ivan.dm(ANA, "stats month").await;
        let words = pictures(&month.posted())[0]["alt_text"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(words.split(", ").count(), 30);
        let own = figures(ivan, "", Some("Ana")).await;
        let today = own["own"]["days"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone();
        assert_eq!((&today["done"], &today["created"]), (&json!(1), &json!(1)));
    })
    .await;
}

/// Only Ana sees the answer to a slash command, and only text can be sent there.
#[tokio::test]
async fn without_the_scope_and_in_ephemeral_answers_the_bars_are_text() {
    ivan_test(world(), async |ivan| {
        has_done_something(ivan).await;
        let told = ivan.slash(ANA, "C0RND01", "stats").await;
        assert!(told.contains('█'), "{told}");
        assert_eq!(calls(ivan, "files.getUploadURLExternal"), 0);
        ivan.slack().revoke_scope("files:write");
        for _ in 0..2 {
            let answer = ivan.dm(ANA, "stats").await;
            assert!(pictures(&answer.posted()).is_empty());
            assert!(
                has_text_bars(&answer.posted()),
                "{:#}",
                answer.posted().blocks
            );
        }
        // It is not asked for with each answer.
        assert_eq!(calls(ivan, "files.getUploadURLExternal"), 1);
    })
    .await;
}

fn method_of(path: &str) -> &'static str {
    match path {
        "files.getUploadURLExternal" => "GET",
        _ => "POST",
    }
}

/// A failed upload costs the picture alone.
#[rstest]
#[case::no_address(FaultKind::answer(500, "{}"), "files.getUploadURLExternal")]
#[case::refused(
    FaultKind::answer(200, "{\"ok\":false,\"error\":\"storage_limit_reached\"}"),
    "files.getUploadURLExternal"
)]
#[case::an_address_elsewhere(
    FaultKind::answer(
        200,
        "{\"ok\":true,\"upload_url\":\"https://files.example/1\",\"file_id\":\"F0ELSEWHERE\"}"
    ),
    "files.getUploadURLExternal"
)]
#[case::not_sent(FaultKind::Drop, "/upload/v1/")]
#[case::not_taken(FaultKind::answer(413, ""), "/upload/v1/")]
#[case::not_completed(FaultKind::Drop, "files.completeUploadExternal")]
#[case::lost(FaultKind::ApplyThenDrop, "files.completeUploadExternal")]
#[tokio::test]
async fn a_failed_upload_costs_the_picture_alone(#[case] what: FaultKind, #[case] path: &str) {
    let method = method_of(path);
    ivan_test(world(), async |ivan| {
        has_done_something(ivan).await;
        let dm = ivan.slack().dm(ANA);
        let before = ivan.slack().bot_messages(&dm).len();
        ivan.slack()
            .front()
            .fault(Fault::new(what.clone()).on(method, path));
        let answer = ivan.dm(ANA, "stats").await;
        assert!(pictures(&answer.posted()).is_empty());
        assert!(
            has_text_bars(&answer.posted()),
            "{:#}",
            answer.posted().blocks
        );
        assert_eq!(ivan.slack().bot_messages(&dm).len(), before + 1);
        // The next answer has its picture.
        let answer = ivan.dm(ANA, "stats").await;
        assert_eq!(pictures(&answer.posted()).len(), 2);
    })
    .await;
}

/// Slack looks at a new file first, and refuses messages that show it before.
#[rstest]
#[case::soon(2, true)]
#[case::never(u32::MAX, false)]
#[tokio::test]
async fn a_picture_that_may_not_be_shown_yet_is_shown_later(
    #[case] refused: u32,
    #[case] shown: bool,
) {
    ivan_test(world(), async |ivan| {
        has_done_something(ivan).await;
        let dm = ivan.slack().dm(ANA);
        let before = ivan.slack().bot_messages(&dm).len();
        ivan.slack().refuse_pictures(refused);
        let answer = ivan.dm(ANA, "stats").await;
        assert_eq!(pictures(&answer.posted()).len(), if shown { 2 } else { 0 });
        assert_eq!(has_text_bars(&answer.posted()), !shown);
        assert_eq!(ivan.slack().bot_messages(&dm).len(), before + 1);
        // Both were uploaded once.
        assert_eq!(calls(ivan, "files.completeUploadExternal"), 2);
    })
    .await;
}

/// Through a kill there is one answer with one picture of each kind.
#[rstest]
#[case::while_it_is_sent("/upload/v1/", FaultKind::Hang)]
#[case::when_it_is_complete("files.completeUploadExternal", FaultKind::ApplyThenHang)]
#[case::when_it_is_posted("chat.postMessage", FaultKind::ApplyThenHang)]
#[tokio::test]
async fn through_a_kill_there_is_one_answer(#[case] path: &str, #[case] what: FaultKind) {
    let method = method_of(path);
    ivan_test(world(), async |ivan| {
        has_done_something(ivan).await;
        let dm = ivan.slack().dm(ANA);
        let before = ivan.slack().bot_messages(&dm).len();
        let asked = calls(ivan, path);
        ivan.slack()
            .front()
            .fault(Fault::new(what.clone()).on(method, path));
        ivan.says(ANA, "stats");
        let is_held = |seen: &[RequestRecord]| {
            let held = seen.iter().filter(|one| one.path.contains(path));
            held.count() > asked
        };
        ivan.within("it is held", ivan.slack().front().until(is_held))
            .await;
        ivan.kill_and_restart().await;
        let told = ivan
            .slack()
            .until(|slack| slack.bot_messages(&dm).len() > before);
        ivan.within("it is answered", told).await;
        ivan.until_messages_are_recorded().await;
        let all = ivan.slack().bot_messages(&dm);
        assert_eq!(all.len(), before + 1);
        assert_eq!(pictures(all.last().unwrap()).len(), 2);
    })
    .await;
}
