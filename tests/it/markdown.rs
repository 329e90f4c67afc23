//! Slack text is shown in GitHub as its author saw it, although GitHub reads Markdown.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

fn one_issue() -> Setup {
    Setup::new().github_issues([json!({"title": "Login fails", "assignees": ["ana"]})])
}

/// Each arrives in wire form and is sent as that; the next is typed after the first has arrived.
#[tokio::test]
async fn a_comment_is_shown_as_it_was_typed() {
    let texts = [
        (
            "```Traceback (most recent call last):\n  File \"a.py\", line 3\nValueError: x```",
            "```\nTraceback (most recent call last):\n  File \"a.py\", line 3\nValueError: x\n```",
        ),
        (
            "```\na = 1\nb = 2```\nCan somebody look?",
            "```\na = 1\nb = 2\n```\nCan somebody look?",
        ),
        (
            "&gt; we ship on friday\nagreed",
            "> we ship on friday\n\nagreed",
        ),
        (
            "Vec&lt;String&gt; is not Send, a &lt; b is",
            "Vec&lt;String&gt; is not Send, a < b is",
        ),
        (
            "&lt;!-- all of it --&gt; in `&lt;b&gt;`",
            "&lt;!-- all of it --&gt; in `<b>`",
        ),
        (
            "see \\\\srv\\share, &amp;lt; it",
            "see \\\\\\\\srv\\share, &amp;lt; it",
        ),
        ("- one\n- two\nagreed", "- one\n- two\n\nagreed"),
        (
            "call <tel:+15551234567|555-123-4567> or <mailto:bo@acme.test|Bo>",
            "call 555-123-4567 or Bo (bo@acme.test)",
        ),
    ];
    ivan_test(one_issue(), async |ivan| {
        for (wire, shown) in texts {
            ivan.says_wire(ANA, &format!("comment on #1: {wire}"))
                .settles()
                .await
                .replies("✓ Comment added in GitHub: Login fails");
            let comments = ivan.github().issue(REPO, 1).comments();
            assert_eq!(comments.last().map(String::as_str), Some(shown));
        }
    })
    .await;
}

/// The converted text is used for the search after a lost answer, and for the comparison before an undo.
#[tokio::test]
async fn what_was_written_otherwise_is_found_again_and_taken_back() {
    ivan_test(one_issue(), async |ivan| {
        let wire = "comment on #1: &gt; Vec&lt;String&gt;\nno: ```a\n&lt;b&gt;```";
        let front = ivan.github().front();
        front.fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/comments"));
        ivan.says_wire(ANA, wire)
            .settles()
            .await
            .replies("✓ Comment added in GitHub: Login fails");
        ivan.github()
            .issue(REPO, 1)
            .has_comments(["> Vec&lt;String&gt;\n\nno: \n```\na\n<b>\n```"]);
        // The log shows the typed text.
        ivan.dm(ANA, "log").await.mentions("Vec<String>");
        ivan.dm(ANA, "undo").await.begins("✓ Undone: your comment");
        ivan.github().issue(REPO, 1).has_comments([]);
    })
    .await;
}

#[tokio::test]
async fn a_title_says_a_telephone_number_as_it_was_typed() {
    ivan_test(one_issue(), async |ivan| {
        ivan.says_wire(
            ANA,
            "create Call <tel:+15551234567|555-123-4567> back -s github\nask for Vec&lt;u8&gt;",
        )
        .settles()
        .await
        .replies("✓ Issue created in GitHub: Call 555-123-4567 back (acme/widgets#2)");
        let issue = ivan.github().issue(REPO, 2).json();
        assert_eq!(issue["title"], "Call 555-123-4567 back");
        let body = issue["body"].as_str().unwrap().to_owned();
        assert!(body.starts_with("ask for Vec&lt;u8&gt;"), "{body}");
    })
    .await;
}

/// ClickUp shows text unchanged, and API callers write Markdown themselves.
#[rstest]
#[case::clickup("clickup")]
#[case::http("http")]
#[tokio::test]
async fn elsewhere_a_text_stays_as_it_is(#[case] way: &str) {
    let setup = one_issue().clickup_tasks([json!({"name": "Renew cert"})]);
    ivan_test(setup, async |ivan| match way {
        "clickup" => {
            let task = ivan.clickup().task("Renew cert");
            let typed = format!(
                "comment on clickup:{}: Vec&lt;String&gt; __init__",
                task.id()
            );
            ivan.says_wire(ANA, &typed)
                .settles()
                .await
                .begins("✓ Comment added in ClickUp");
            task.has_comments(["Vec<String> __init__"]);
        }
        _ => {
            let path = "/tasks/github%3Aacme%2Fwidgets%231/comment";
            let body = json!({"text": "<details>\n\n# Vec\n\n</details>"});
            let (status, answer) = ivan.http("POST", path, Some(body)).await;
            assert_eq!(status, 200, "{answer}");
            ivan.github()
                .issue(REPO, 1)
                .has_comments(["<details>\n\n# Vec\n\n</details>"]);
        }
    })
    .await;
}
