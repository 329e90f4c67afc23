//! Parts of a Slack message besides its text: an alert, a forwarded message, a picture, a text turned into a file.

use ivan::sandbox::slack::SandboxSlack;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

const GENERAL: &str = "C0GEN01";
const SHARED: &str = "https://acme.slack.com/archives/C0GEN01/p1763800000123459";
const PICTURE: &str = "https://acme.slack.com/files/U0ANN01/F0FILE1/shot.png";

fn one_issue() -> Setup {
    Setup::new().github_issues([json!({"title": "Login fails", "assignees": ["ana"]})])
}

fn forwarded() -> Value {
    json!({"attachments": [{"is_share": true, "is_msg_unfurl": true, "author_name": "Bo", "from_url": SHARED,
        "text": "Login is broken since noon\nask <@U0BOB01> &amp; co", "fallback": "…"}]})
}

fn file(changes: Value) -> Value {
    let mut file =
        json!({"id": "F0FILE1", "name": "shot.png", "mode": "hosted", "permalink": PICTURE});
    for (key, value) in changes.as_object().unwrap() {
        file[key] = value.clone();
    }
    json!({"subtype": "file_share", "files": [file]})
}

/// Ana sends a message with further fields in her DM.
fn says<'a>(ivan: &'a Ivan, text: &str, fields: Value) -> Asked<'a> {
    ivan.hears(ANA, |slack: &SandboxSlack, dm| {
        slack.says_with(ANA, dm, text, fields)
    })
}

#[rstest]
#[case::alert(json!({"attachments": [{"title": "[FIRING] disk full", "title_link": "https://alerts.example/1",
    "text": "db-1 at 97 %", "fallback": "disk"}]}),
    "[FIRING] disk full", "[FIRING] disk full\nhttps://alerts.example/1\ndb-1 at 97 %")]
#[case::blocks(json!({"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "Deploy failed"}},
    {"type": "section", "text": {"type": "mrkdwn", "text": "of <https://ci.example/7|build 7>"}}]}),
    "Deploy failed", "Deploy failed\nof build 7 (https://ci.example/7)")]
#[case::picture(file(json!({})), PICTURE, "")]
#[case::forwarded(json!({"attachments": [{"is_share": true, "is_msg_unfurl": true, "author_name": "Bo", "from_url": SHARED,
    "text": "Login is broken\nsince noon"}]}), "Login is broken",
    "Login is broken\nsince noon\nhttps://acme.slack.com/archives/C0GEN01/p1763800000123459")]
#[case::forwarded_alert(json!({"attachments": [{"is_share": true, "is_msg_unfurl": true, "from_url": SHARED, "text": "Alert",
    "message_blocks": [{"team": "T0TEAM1", "channel": "C0GEN01", "ts": "1763800000.123459", "message": {"blocks": [
        {"type": "header", "text": {"type": "plain_text", "text": "[FIRING] disk full"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "db-1 at 97 %"}}]}}]}]}),
    "[FIRING] disk full", "[FIRING] disk full\ndb-1 at 97 %\nhttps://acme.slack.com/archives/C0GEN01/p1763800000123459")]
#[tokio::test]
async fn a_form_from_a_message_holds_what_people_see_of_it(
    #[case] fields: Value,
    #[case] title: &str,
    #[case] description: &str,
) {
    ivan_test(Setup::new(), async |ivan| {
        let ts = ivan.slack().says_with(BO, GENERAL, "", fields);
        ivan.slack()
            .message_action(ANA, GENERAL, &ts, "create_task");
        let form = ivan.form(1).await;
        assert_eq!(form.holds("title"), title);
        assert_eq!(form.holds("description"), description);
    })
    .await;
}

#[tokio::test]
async fn what_is_forwarded_with_a_command_goes_where_its_text_goes() {
    ivan_test(one_issue(), async |ivan| {
        says(ivan, "create Fix this -s github", forwarded())
            .settles()
            .await
            .replies("✓ Issue created in GitHub: Fix this (acme/widgets#2)");
        let body = ivan.github().issue(REPO, 2).json()["body"].as_str().unwrap().to_owned();
        let wanted = format!("> Login is broken since noon\n> ask @\u{2060}bo & co\n\n— Bo, {SHARED}");
        assert!(body.starts_with(&wanted), "{body}");
        says(ivan, "comment on #1: the same?", forwarded())
            .settles()
            .await
            .replies("✓ Comment added in GitHub: Login fails");
        let comments = ivan.github().issue(REPO, 1).comments();
        assert!(comments[0].starts_with("the same?\n> Login is broken since noon"), "{comments:?}");
        assert!(comments[0].contains(SHARED), "{comments:?}");
        // A pasted link unfolds, and is in the text already.
        let unfolded = json!({"attachments": [{"from_url": SHARED, "is_msg_unfurl": true, "text": "Login is broken"}]});
        says(ivan, "comment on #1: see above", unfolded)
            .settles()
            .await
            .begins("✓ ");
        let comments = ivan.github().issue(REPO, 1).comments();
        assert_eq!(comments[1], "see above");
        // Without a command the intent is unclear.
        says(ivan, "", forwarded())
            .settles()
            .await
            .begins("✗ This is a forwarded message without a command");
    })
    .await;
}

#[tokio::test]
async fn a_picture_goes_along_by_its_address() {
    ivan_test(one_issue(), async |ivan| {
        for (typed, comment) in [
            (
                "comment on #1: see the picture",
                format!("see the picture\n{PICTURE}"),
            ),
            ("comment on #1:", PICTURE.to_owned()),
            ("done #1 -c there", format!("there\n{PICTURE}")),
        ] {
            says(ivan, typed, file(json!({})))
                .settles()
                .await
                .begins("✓ ");
            let comments = ivan.github().issue(REPO, 1).comments();
            assert_eq!(comments.last(), Some(&comment));
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_taken_over_is_said() {
    ivan_test(one_issue(), async |ivan| {
        says(ivan, "done #1", file(json!({})))
            .settles()
            .await
            .begins("✓ Issue closed");
        ivan.is_told(ANA)
            .answers()
            .await
            .begins("The file `shot.png` was not used: this command takes no text");
        // For another workspace Slack gives an id only.
        let unknown =
            file(json!({"name": null, "permalink": null, "file_access": "check_file_info"}));
        says(ivan, "comment on #1: look", unknown)
            .settles()
            .await
            .begins("✓ Comment added");
        ivan.is_told(ANA)
            .answers()
            .await
            .begins("The file `F0FILE1` was not added: Slack gives me no link");
        ivan.github().issue(REPO, 1).has_comments(["look"]);
    })
    .await;
}

#[rstest]
#[case::snippet(json!({"mode": "snippet", "name": "paste.txt"}), "✗ Slack turned your long text into a file (`paste.txt`)")]
#[case::picture(json!({}), "✗ This is a file (`shot.png`) without a command")]
#[tokio::test]
async fn a_file_without_a_command_is_named(#[case] changes: Value, #[case] said: &str) {
    ivan_test(one_issue(), async |ivan| {
        says(ivan, "", file(changes)).settles().await.begins(said);
    })
    .await;
}

/// A picture alone counts as a comment where replies in a task's thread do, in channels as well.
#[tokio::test]
async fn a_picture_alone_in_the_thread_of_a_task_is_a_comment() {
    let setup = one_issue().config("slack.thread_replies = \"comment\"");
    ivan_test(setup, async |ivan| {
        let made = ivan.says_in("general", ANA, "create Fix login -s github");
        let root = made.ts.clone();
        made.settles().await.begins("✓ Issue created in GitHub");
        let mut fields = file(json!({}));
        fields["thread_ts"] = json!(root);
        let ts = ivan.slack().says_with(ANA, GENERAL, "", fields);
        ivan.carries(GENERAL, &ts, &["white_check_mark"]).await;
        ivan.github().issue(REPO, 2).has_comments([PICTURE]);
        let card = ivan.dm(ANA, "current").await.ts();
        let mut fields = file(json!({}));
        fields["thread_ts"] = json!(card);
        let dm = ivan.slack().dm(ANA);
        let ts = ivan.slack().says_with(ANA, &dm, "", fields);
        ivan.carries(&dm, &ts, &["white_check_mark"]).await;
        ivan.github().issue(REPO, 1).has_comments([PICTURE]);
    })
    .await;
}
