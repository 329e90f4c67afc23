//! Reduced scopes: the features that stop, those that work, and the message about each.

use serde_json::{Value, json};

use crate::harness::*;

/// The app lacks a scope that the manifest asks for.
fn without(setup: Setup, revoke: fn(&ivan::sandbox::Sandbox)) -> Setup {
    setup.before(revoke)
}

fn no_history(sandbox: &ivan::sandbox::Sandbox) {
    for scope in ["channels:history", "groups:history"] {
        sandbox.slack.revoke_scope(scope);
    }
}

async fn missing(ivan: &Ivan) -> Vec<Value> {
    let (_, status) = ivan.http("GET", "/status", None).await;
    let missing = status["slack"]["missing_scopes"].as_array().unwrap();
    missing.iter().map(|one| one["scope"].clone()).collect()
}

#[tokio::test]
async fn without_channel_history_a_bare_create_goes_and_the_rest_stays() {
    ivan_test(without(two_tasks(), no_history), async |ivan| {
        ivan.logs("features are off without optional scopes; … scopes=channels:history, groups:history")
            .await;
        let status = ivan.dm(ANA, "status").await;
        status.begins("Slack: connected");
        status.mentions(
            "Off without the Slack scope channels:history: in public channels I see only mentions, so no bare `create` \
             and no replies in threads.",
        );
        status.mentions("Off without the Slack scope groups:history: ");
        assert_eq!(missing(ivan).await, ["channels:history", "groups:history"]);
        let ran = ivan.cli(&["status"]).await;
        let line = "         off without the scope channels:history: in public channels I see only mentions";
        assert!(ran.out.contains(line), "{}", ran.out);

        ivan.says_in_vain("general", ANA, ["create Fix logout"])
            .await;
        ivan.says_in("general", ANA, "@ivan create Fix login")
            .settles()
            .await
            .begins("✓ Task created in ClickUp: Fix login");
        // A person's creations in one list happen in order.
        assert!(ivan.clickup().tasks_named("Fix logout").is_empty());
        let general = ivan.slack().channel("general");
        let told = ivan.slash(BO, &general, "list").await;
        assert!(told.starts_with("1. Renew cert"), "{told}");
        let card = ivan.dm(ANA, "current").await;
        ivan.signs(ANA, &card, "white_check_mark")
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn what_nothing_configured_needs_is_not_missed() {
    let setup = two_tasks().config("slack.channel_commands = \"mention\"");
    let setup = without(setup, |sandbox| {
        no_history(sandbox);
        sandbox.slack.revoke_scope("reactions:write");
        sandbox.slack.revoke_scope("reactions:read");
    });
    ivan_test(setup, async |ivan| {
        ivan.logs("features are off without optional scopes; … scopes=reactions:read")
            .await;
        assert_eq!(missing(ivan).await, ["reactions:read"]);
        let status = ivan.dm(ANA, "status").await;
        status.mentions(
            "Off without the Slack scope reactions:read: ✅, 💤 and 👀 on a card do nothing.",
        );
        assert_eq!(status.text().matches("Off without").count(), 1);
        assert!(!status.text().contains('✗'), "{}", status.text());
        // The card confirms it.
        let card = ivan.dm(BO, "current").await;
        let (dm, ts) = (ivan.slack().dm(BO), card.ts());
        ivan.slack().reacts(BO, &dm, &ts, "white_check_mark");
        ivan.is_silent_after(ANA, |_, _| {}).await;
        ivan.clickup().task("Renew cert").is("to do");
        ivan.presses(BO, &card, "Done").settles().await.begins("✓ ");
    })
    .await;
}

#[tokio::test]
async fn with_every_scope_nothing_is_said_of_scopes() {
    ivan_test(two_tasks(), async |ivan| {
        let asked = ivan.slack().front();
        ivan.asks(asked, "POST", "/api/auth.test", 1).await;
        assert!(!ivan.dm(ANA, "status").await.text().contains("scope"));
        assert_eq!(missing(ivan).await, Vec::<Value>::new());
        let (_, mut status) = ivan.http("GET", "/status", None).await;
        let since = status["slack"]["since"].take();
        assert!(since.is_string(), "{since}");
        assert_eq!(
            status["slack"],
            json!({"state": "connected", "since": null, "detail": null, "missing_scopes": [], "other_links": 0})
        );
    })
    .await;
}
