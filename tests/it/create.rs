//! `create`: a new task in ClickUp or a new issue in GitHub, with its client and its description.

use crate::harness::*;
use serde_json::Value;

fn the_only_issue(ivan: &Ivan) -> Value {
    let issues = ivan.github().issues(REPO);
    assert_eq!(issues.len(), 1, "{issues:#?}");
    issues[0].clone()
}

/// The number of POST requests.
fn posts(ivan: &Ivan) -> usize {
    let journals = [
        ivan.clickup().front().journal(),
        ivan.github().front().journal(),
    ];
    journals
        .iter()
        .flatten()
        .filter(|seen| seen.method == "POST")
        .count()
}

#[tokio::test]
async fn a_title_alone_is_a_task_in_clickup() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.dm(ANA, "create Buy milk")
            .await
            .replies("✓ Task created in ClickUp: Buy milk");
        let task = ivan.clickup().task("Buy milk");
        task.is("to do");
        assert_eq!(task.json()["list"]["id"], ivan.clickup().list_id());
        assert_eq!(ivan.clickup().tasks().len(), 1);
        ivan.dm(ANA, "current")
            .await
            .mentions("Buy milk · ClickUp · to do");
    })
    .await;
}

#[tokio::test]
async fn an_issue_is_asked_for_by_its_source() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.dm(ANA, "create Fix login -s github -e acme")
            .await
            .replies("✓ Issue created in GitHub: [CLIENT:acme] Fix login (acme/widgets#1)");
        let issue = the_only_issue(ivan);
        assert_eq!(issue["title"], "[CLIENT:acme] Fix login");
        ivan.dm(ANA, "current")
            .await
            .mentions("[CLIENT:acme] Fix login · GitHub acme/widgets#1 · open");
    })
    .await;
}

#[tokio::test]
async fn a_client_is_a_tag_in_clickup() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.dm(ANA, "create Fix login —e acme")
            .await
            .replies("✓ Task created in ClickUp: Fix login");
        assert_eq!(ivan.clickup().task("Fix login").tags(), ["client:acme"]);
    })
    .await;
}

#[tokio::test]
async fn the_default_source_can_be_github() {
    let setup = Setup::new().config("queue.default_source = \"github\"");
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "create Fix login")
            .await
            .replies("✓ Issue created in GitHub: Fix login (acme/widgets#1)");
        ivan.dm(ANA, "create Buy milk -s ClickUp")
            .await
            .replies("✓ Task created in ClickUp: Buy milk");
        assert_eq!(the_only_issue(ivan)["title"], "Fix login");
    })
    .await;
}

#[tokio::test]
async fn the_only_source_is_the_default() {
    ivan_test(Setup::new().without_clickup(), async |ivan| {
        ivan.dm(ANA, "create Fix login")
            .await
            .replies("✓ Issue created in GitHub: Fix login (acme/widgets#1)");
        ivan.dm(ANA, "create Buy milk -s clickup")
            .await
            .replies("✗ ClickUp is not connected. Ask an Ivan operator to connect it.");
    })
    .await;
}

#[tokio::test]
async fn lines_after_the_title_are_the_description() {
    ivan_test(Setup::new(), async |ivan| {
        let lines = "It fails on Safari:\n\n  1. open & log in\n  2. “wait”";
        ivan.dm(ANA, &format!("create Fix login\n{lines}"))
            .await
            .replies("✓ Task created in ClickUp: Fix login");
        let task = ivan.clickup().task("Fix login").json();
        assert_eq!(task["description"].as_str().unwrap().trim_end(), lines);
        ivan.dm(ANA, &format!("create Fix login -s github\n{lines}"))
            .await
            .replies("✓ Issue created in GitHub: Fix login (acme/widgets#1)");
        let issue = the_only_issue(ivan);
        let body = issue["body"].as_str().unwrap();
        assert!(body.starts_with(&format!("{lines}\n")), "{body}");
        assert!(body.trim_end().ends_with("-->"), "the marker: {body}");
    })
    .await;
}

#[tokio::test]
async fn a_description_can_stand_on_the_first_line() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.dm(ANA, "create Fix login -d only on Safari -e acme")
            .await
            .replies("✓ Task created in ClickUp: Fix login");
        let task = ivan.clickup().task("Fix login").json();
        assert_eq!(
            task["description"].as_str().unwrap().trim_end(),
            "only on Safari"
        );
    })
    .await;
}

#[tokio::test]
async fn a_place_can_be_named() {
    let mut ivan = Setup::new()
        .config("clickup.lists = [\"901100000002\"]\ngithub.repos = [\"acme/gadgets\"]")
        .start()
        .await;
    ivan.github().add_repo("acme/gadgets", 2002);
    ivan.start().await;
    ivan.dm(ANA, "create Fix login -r acme/gadgets")
        .await
        .replies("✓ Issue created in GitHub: Fix login (acme/gadgets#1)");
    for list in ["901100000002", "roadmap"] {
        ivan.dm(ANA, &format!("create Plan for {list} -l {list}"))
            .await
            .mentions("✓ Task created in ClickUp: Plan for");
        let task = ivan.clickup().task(&format!("Plan for {list}")).json();
        assert_eq!(task["list"]["id"], "901100000002");
    }
    assert_eq!(ivan.github().issues("acme/gadgets").len(), 1);
    assert!(ivan.github().issues(REPO).is_empty());
    ivan.finish().await;
}

#[tokio::test]
async fn nothing_is_made_in_a_place_that_is_not_followed() {
    let mut ivan = Setup::new().start().await;
    ivan.github().add_repo("acme/gadgets", 2002);
    ivan.start().await;
    let before = posts(&ivan);
    ivan.dm(ANA, "create Fix login -r acme/gadgets")
        .await
        .replies("✗ I don't follow the repository acme/gadgets. Ask an Ivan operator to add it.");
    ivan.dm(ANA, "create Plan -l 901100000002")
        .await
        .replies("✗ I don't follow the ClickUp list 901100000002. Ask an Ivan operator to add it.");
    assert_eq!(posts(&ivan), before);
    ivan.finish().await;
}

#[tokio::test]
async fn a_title_that_github_would_refuse_is_not_sent() {
    ivan_test(Setup::new(), async |ivan| {
        let before = posts(ivan);
        let title = "x".repeat(257);
        ivan.dm(ANA, &format!("create {title} -s github"))
            .await
            .replies(
                "✗ The title is too long for GitHub: 257 characters, 256 at most. Nothing was created. Shorten it and put the rest on the lines after the first.",
            );
        // The client is part of GitHub's title.
        let title = "x".repeat(256);
        ivan.dm(ANA, &format!("create {title} -s github -e acme"))
            .await
            .mentions("270 characters, 256 at most.");
        assert_eq!(posts(ivan), before);
        ivan.dm(ANA, &format!("create {title} -s github"))
            .await
            .mentions("✓ Issue created in GitHub: xxx");
        assert_eq!(the_only_issue(ivan)["title"], title);
        // ClickUp has no such limit.
        ivan.dm(ANA, &format!("create {title}x"))
            .await
            .mentions("✓ Task created in ClickUp: xxx");
    })
    .await;
}

#[tokio::test]
async fn a_no_break_space_in_a_title_is_a_space() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.dm(ANA, "create Buy\u{a0}milk")
            .await
            .replies("✓ Task created in ClickUp: Buy milk");
        ivan.clickup().task("Buy milk").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_title_keeps_what_slack_escapes() {
    ivan_test(Setup::new(), async |ivan| {
        let answer = ivan.dm(ANA, "create Fix <b> & \"x\" on foo.rs").await;
        answer.replies("✓ Task created in ClickUp: Fix <b> & \"x\" on foo.rs");
        ivan.clickup().task("Fix <b> & \"x\" on foo.rs").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_creation_with_a_mistake_makes_nothing() {
    ivan_test(Setup::new(), async |ivan| {
        let before = posts(ivan);
        let mistakes = [
            (
                "create",
                "What is the task called? Type `create Buy milk`, or fill in the form.",
            ),
            (
                "create Buy milk -s jira",
                "✗ I don't know the source `jira`. Use `-s clickup` or `-s github`.",
            ),
            (
                "create Buy milk -r widgets",
                "✗ `widgets` is not a repository. Try `-r owner/repo`.",
            ),
            (
                "create Buy milk -r acme/widgets -s clickup",
                "✗ `-r` is a GitHub repository, but `-s` says ClickUp. Keep one of them.",
            ),
            (
                "create Buy milk -e",
                "✗ `-e` needs a value after it: `-e ENTITY`.",
            ),
            (
                "create Buy milk -e a,b",
                "✗ A client's name has 1 to 64 characters, without brackets, commas or line breaks. Nothing was created.",
            ),
        ];
        for ((typed, hint), who) in mistakes.into_iter().zip(IN_TURN.into_iter().cycle()) {
            ivan.dm(who, typed).await.replies(hint);
        }
        assert_eq!(posts(ivan), before);
        assert!(ivan.clickup().tasks().is_empty());
        assert!(ivan.github().issues(REPO).is_empty());
    })
    .await;
}
