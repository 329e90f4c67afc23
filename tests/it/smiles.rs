//! Emoji at the end of a command, in titles and in comments.

use rstest::rstest;
use serde_json::json;

use crate::harness::*;

#[rstest]
#[case::by_name("done :white_check_mark:")]
#[case::as_a_character("done 🎉")]
#[case::together("Done! :tada: 🚀")]
#[case::with_a_tone("done :+1::skin-tone-3:")]
#[case::of_the_workspace_s_own("done :shipit:")]
#[tokio::test]
async fn a_command_with_a_smile_is_a_command(#[case] typed: &str) {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(ANA, typed)
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
        ivan.clickup().task("Renew cert").is("complete");
    })
    .await;
}

/// ClickUp shows the same characters that the author saw.
#[rstest]
#[case::by_name("create :rocket: Launch page", "🚀 Launch page")]
#[case::as_a_character("create 🚀 Launch page", "🚀 Launch page")]
#[case::at_the_end("create Launch page :tada:", "Launch page 🎉")]
#[case::in_code("create Say `:tada:` :tada:", "Say `:tada:` 🎉")]
#[case::own("create :shipit: Launch page", ":shipit: Launch page")]
#[tokio::test]
async fn a_title_has_the_characters_of_its_emoji(#[case] typed: &str, #[case] title: &str) {
    ivan_test(Setup::new(), async |ivan| {
        // Slack would draw code in a title, so the answer shows other marks.
        let shown = title.replace('`', "ˋ");
        ivan.dm(ANA, typed)
            .await
            .replies(&format!("✓ Task created in ClickUp: {shown}"));
        assert_eq!(ivan.clickup().tasks_named(title).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_comment_has_them_too_and_stays_one_comment_through_a_lost_answer() {
    let setup = two_tasks().github_issues([json!({"title": "Login fails"})]);
    ivan_test(setup, async |ivan| {
        use ivan::sandbox::fault_server::{Fault, FaultKind};
        ivan.dm(ANA, "current").await;
        ivan.clickup()
            .front()
            .fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/comment"));
        ivan.dm(ANA, "comment shipped :rocket: `:rocket:`")
            .await
            .begins("✓ ");
        ivan.clickup()
            .task("Renew cert")
            .has_comments(["shipped 🚀 `:rocket:`"]);
        ivan.dm(ANA, "comment on #1: :tada:").await.begins("✓ ");
        assert_eq!(ivan.github().issue(REPO, 1).comments().len(), 1);
    })
    .await;
}

/// A forgotten colon causes a question, and nothing is written.
#[tokio::test]
async fn a_forgotten_colon_is_asked_about() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "list").await;
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "comment on 1")
            .await
            .begins("✗ Is this a comment on `1`? Add a colon: `comment on 1: TEXT`.");
        ivan.dm(ANA, "prio")
            .await
            .begins("✗ Which priority? `prio high`, or `prio 2 high`");
        ivan.clickup().task("Renew cert").has_comments([]);
        ivan.dm(ANA, "comment \"on 1\"").await.begins("✓ ");
        ivan.clickup().task("Renew cert").has_comments(["on 1"]);
    })
    .await;
}
