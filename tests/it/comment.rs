//! `comment`: a person's text arrives in the source as it was typed.

use crate::harness::*;
use serde_json::json;

fn both() -> Setup {
    two_tasks().github_issues([json!({"title": "Login fails", "labels": ["P1"]})])
}

#[tokio::test]
async fn a_comment_goes_to_the_current_task_and_leaves_it_current() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "comment halfway there")
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        ivan.clickup()
            .task("Renew cert")
            .is("to do")
            .has_comments(["halfway there"]);
        ivan.dm(ANA, "current").await.mentions("Renew cert");
    })
    .await;
}

#[tokio::test]
async fn a_comment_goes_to_the_task_that_is_named() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "list").await;
        for (typed, comment) in [
            ("comment on #1: by number", "by number"),
            ("comment on github:acme/widgets#1: by id", "by id"),
            ("Comment on 2: by place", "by place"),
            (
                "comment on https://github.com/acme/widgets/issues/1: by address",
                "by address",
            ),
        ] {
            ivan.dm(ANA, typed)
                .await
                .replies("✓ Comment added in GitHub: Login fails");
            let comments = ivan.github().issue(REPO, 1).comments();
            assert_eq!(comments.last().map(String::as_str), Some(comment));
        }
        ivan.clickup().task("Renew cert").has_comments([]);
    })
    .await;
}

#[tokio::test]
async fn a_colon_that_follows_no_ref_is_text() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let texts = [
            "on hold: waits for legal",
            "on the 12: see mail",
            "on 2:30 we meet",
            "note: on 2: no",
        ];
        for text in texts {
            ivan.dm(ANA, &format!("comment {text}"))
                .await
                .replies("✓ Comment added in ClickUp: Renew cert");
        }
        ivan.clickup().task("Renew cert").has_comments(texts);
    })
    .await;
}

#[tokio::test]
async fn lines_and_marks_and_quotes_are_kept() {
    let text = "first\n\n  second — “quoted” ‘too’\n\u{2022} *bold* `code` a\u{a0}b";
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, &format!("comment {text}"))
            .await
            .mentions("✓ Comment added");
        ivan.dm(ANA, &format!("comment on #1: {text}"))
            .await
            .mentions("✓ Comment added");
        ivan.clickup().task("Renew cert").has_comments([text]);
        ivan.github().issue(REPO, 1).has_comments([text]);
    })
    .await;
}

#[tokio::test]
async fn what_slack_makes_of_a_text_is_undone() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await;
        for (wire, text) in [
            ("a &amp; b &lt;c&gt; &amp;lt;", "a & b <c> &lt;"),
            (
                "see <https://x.test/y?a=1&amp;b=2> or <http://foo.rs|foo.rs>",
                "see https://x.test/y?a=1&b=2 or foo.rs",
            ),
            (
                "see <https://x.test/y|the page>",
                "see the page (https://x.test/y)",
            ),
            // Bo has never written here.
            (
                "<!here> ask <@U0BOB01> in <#C0GEN01|general> :tada:",
                "@here ask bo in #general :tada:",
            ),
        ] {
            ivan.says_wire(ANA, &format!("comment {wire}"))
                .settles()
                .await
                .mentions("✓ Comment added");
            let comments = ivan.clickup().task("Renew cert").comments();
            assert_eq!(comments.last().map(String::as_str), Some(text), "{wire}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_comment_without_text_is_none() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await;
        for typed in ["comment", "comment  ", "comment on #1:", "comment on 1: "] {
            ivan.dm(ANA, typed)
                .await
                .replies("✗ What is the comment? `comment TEXT`, or `comment on REF: TEXT`.");
        }
        ivan.clickup().task("Renew cert").has_comments([]);
        ivan.github().issue(REPO, 1).has_comments([]);
    })
    .await;
}

#[tokio::test]
async fn a_comment_without_a_current_task_shows_what_is_current() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "comment shipped")
            .await
            .mentions("✗ No current task, so nothing changed. Current now: Renew cert · ClickUp");
        ivan.clickup().task("Renew cert").has_comments([]);
        ivan.dm(ANA, "comment shipped")
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn an_issue_that_is_locked_takes_no_comment() {
    ivan_test(two_issues(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.github().lock_issue(REPO, 1, true);
        ivan.dm(ANA, "comment may I")
            .await
            .mentions("✗ Comment not added: Login fails. GitHub");
        ivan.github().issue(REPO, 1).has_comments([]);
    })
    .await;
}
