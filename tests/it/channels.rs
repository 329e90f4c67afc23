//! Channels: `create` works where the configuration says so, other verbs after a mention; answers go into threads.

use crate::harness::*;

#[tokio::test]
async fn create_works_bare_and_is_answered_in_a_thread() {
    ivan_test(Setup::new(), async |ivan| {
        let answer = ivan
            .says_in("general", ANA, "create Fix login -s github")
            .settles()
            .await;
        answer.replies("✓ Issue created in GitHub: Fix login (acme/widgets#1)");
        assert!(answer.posted().thread_ts.is_some());
        assert_eq!(ivan.github().issues(REPO).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn create_works_after_a_mention_and_makes_one() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.says_in("general", ANA, "@ivan create Buy milk")
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Buy milk");
        ivan.dm(ANA, "status").await;
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 1);
        let channel = ivan.slack().channel("general");
        assert_eq!(ivan.slack().bot_messages(&channel).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_refused_create_says_so_in_the_thread() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.says_in("general", ANA, "create -s github")
            .settles()
            .await
            .mentions("✗ What is the task called?");
        assert!(ivan.github().issues(REPO).is_empty());
    })
    .await;
}

#[tokio::test]
async fn no_other_bare_verb_is_read() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let texts = [
            "done",
            "comment shipped",
            "next",
            "list",
            "created it",
            "please create Buy milk",
            "<@U0BOB01> done",
        ];
        ivan.says_in_vain("general", ANA, texts).await;
        ivan.clickup()
            .task("Renew cert")
            .is("to do")
            .has_comments([]);
        assert_eq!(ivan.clickup().tasks().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn every_verb_works_after_a_mention() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.says_in("general", ANA, "@ivan current")
            .settles()
            .await
            .mentions("Renew cert · ClickUp");
        ivan.says_in("general", ANA, "@ivan: done")
            .settles()
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
        ivan.clickup().task("Renew cert").is("complete");
    })
    .await;
}

#[tokio::test]
async fn with_mention_a_bare_create_is_not_read() {
    let setup = Setup::new().config("slack.channel_commands = \"mention\"");
    ivan_test(setup, async |ivan| {
        ivan.says_in_vain("general", ANA, ["create Buy milk"]).await;
        ivan.says_in("general", ANA, "@ivan create Buy bread")
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Buy bread");
        assert_eq!(ivan.clickup().tasks().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn with_off_nothing_is_read_in_channels() {
    let setup = Setup::new().config("slack.channel_commands = \"off\"");
    ivan_test(setup, async |ivan| {
        let texts = ["create Buy milk", "@ivan create Buy milk"];
        ivan.says_in_vain("general", ANA, texts).await;
        ivan.dm(ANA, "create Buy bread")
            .await
            .replies("✓ Task created in ClickUp: Buy bread");
        assert_eq!(ivan.clickup().tasks().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn where_ivan_is_not_nothing_is_heard() {
    ivan_test(Setup::new(), async |ivan| {
        let texts = ["create Buy milk", "@ivan create Buy milk"];
        ivan.says_in_vain("random", ANA, texts).await;
        assert!(ivan.clickup().tasks().is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_thread_of_a_creation_is_about_what_was_made() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let made = ivan.says_in("general", ANA, "create Fix login -s github");
        let root = made.ts.clone();
        made.settles().await.mentions("✓ Issue created");
        ivan.says_in_thread("general", BO, &root, "@ivan comment I have seen it too")
            .settles()
            .await
            .replies("✓ Comment added in GitHub: Fix login");
        ivan.says_in_thread("general", ANA, &root, "@ivan done")
            .settles()
            .await
            .replies("✓ Issue closed in GitHub: Fix login. Next: Renew cert");
        ivan.github()
            .issue(REPO, 1)
            .is("closed")
            .has_comments(["I have seen it too"]);
        ivan.clickup().task("Renew cert").is("to do");
    })
    .await;
}
