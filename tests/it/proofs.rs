//! Whose account it is: `link` counts once the account has written a code, or an operator has approved it.

use ivan::sandbox::Sandbox;
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

/// Ana and Bo, known by their Slack ids alone; Bo is the operator.
fn unlinked() -> Setup {
    Setup::new()
        .webhooks()
        .config(
            "slack.operators = [\"U0BOB01\"]\n\
             [[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\n\
             [[people]]\nname = \"Bo\"\nslack = \"U0BOB01\"",
        )
        .before(|sandbox: &Sandbox| sandbox.slack.revoke_scope("users:read.email"))
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]})])
        .github_issues([
            json!({"title": "Login fails", "assignees": ["ana"]}),
            json!({"title": "Update the docs", "assignees": ["bo"]}),
        ])
}

fn links(ivan: &Ivan) -> i64 {
    ivan.sql("SELECT count(*) FROM links")
}

/// Types `link`, sees the operator's card, and returns the code.
async fn asks(ivan: &Ivan, typed: &str) -> String {
    let card = ivan.is_told(BO);
    let asked = ivan.dm(ANA, typed).await;
    asked.begins("✗ Not linked yet. To show that ");
    let card = card.answers().await;
    card.begins("Ana wants to link ");
    assert_eq!(card.buttons(), ["Approve", "Refuse"]);
    code_in(&asked.text())
}

#[tokio::test]
async fn a_comment_by_the_account_links_it_and_operators_are_told() {
    ivan_test(unlinked(), async |ivan| {
        ivan.hook_up();
        let code = asks(ivan, "link github ana").await;
        // The code is the same as long as it counts.
        let again = ivan.dm(ANA, "link github ana").await;
        assert_eq!(code_in(&again.text()), code);
        let (told, news) = (ivan.is_told(ANA), ivan.is_told(BO));
        ivan.github().comment_as(REPO, 2, "ana", &format!("It's me: `{code}`."));
        told.answers()
            .await
            .replies("✓ Linked GitHub account ana: it wrote your code. Its open issues are in your queue now.");
        news.answers().await.replies("Ana linked GitHub account ana (it wrote their code).");
        ivan.dm(ANA, "list").await.mentions("Login fails");
        assert_eq!(ivan.sql::<String>("SELECT proof FROM links"), "comment");
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM link_requests"), 0);
        // A linked account needs no second proof.
        ivan.dm(ANA, "link github ana")
            .await
            .replies("✓ Linked GitHub account ana. 1 open issue is now in your queue.");
    })
    .await;
}

/// Without webhooks a poll brings the comment.
#[tokio::test]
async fn a_poll_sees_the_comment_too() {
    ivan_test(unlinked(), async |ivan| {
        let code = asks(ivan, "link github ana").await;
        let (told, news) = (ivan.is_told(ANA), ivan.is_told(BO));
        ivan.github().comment_as(REPO, 1, "ana", &code);
        ivan.sync().await;
        told.answers().await.begins("✓ Linked GitHub account ana");
        news.answers().await.begins("Ana linked GitHub account ana");
    })
    .await;
}

/// The code proves nothing in a comment by another account, by Ivan's own, or in one that was changed.
#[tokio::test]
async fn only_the_account_itself_proves_it() {
    ivan_test(unlinked(), async |ivan| {
        let code = asks(ivan, "link github ana").await;
        // By Ivan, for anybody who may comment.
        ivan.dm(ANA, &format!("comment on #2: {code}"))
            .await
            .begins("✓ Comment added");
        ivan.github().comment_as(REPO, 1, "bo", &code);
        // Changed by somebody with access, before a poll reads it.
        let hers = ivan.github().comment_as(REPO, 1, "ana", "I agree");
        ivan.github().clock_is_ahead(2_000);
        ivan.github().edit_comment_as(hers, "bo", &code);
        ivan.github()
            .comment_as(REPO, 1, "ana", &format!("x{code}"));
        ivan.sync().await;
        // Nor elsewhere.
        ivan.github().write_bio("bo", &code);
        ivan.dm(ANA, "link github ana")
            .await
            .begins("✗ Not linked yet.");
        assert_eq!(links(ivan), 0);
    })
    .await;
}

#[tokio::test]
async fn a_webhook_about_another_account_or_an_edit_proves_nothing() {
    ivan_test(unlinked(), async |ivan| {
        ivan.hook_up();
        let code = asks(ivan, "link github ana").await;
        ivan.github().comment_as(REPO, 1, "bo", &code);
        let hers = ivan.github().comment_as(REPO, 1, "ana", "I agree");
        ivan.github().edit_comment_as(hers, "bo", &code);
        ivan.clickup().comment_by("Renew cert", ANA_CLICKUP, &code);
        ivan.until_deliveries_are_applied().await;
        assert_eq!(links(ivan), 0);
    })
    .await;
}

#[tokio::test]
async fn the_bio_proves_an_account_of_github() {
    ivan_test(unlinked(), async |ivan| {
        let code = asks(ivan, "link github ana").await;
        ivan.github().write_bio("ana", &format!("Engineer. {code}"));
        let news = ivan.is_told(BO);
        ivan.dm(ANA, "link github ana")
            .await
            .replies("✓ Linked GitHub account ana. 1 open issue is now in your queue.");
        news.answers()
            .await
            .replies("Ana linked GitHub account ana (its profile had their code).");
    })
    .await;
}

#[rstest]
#[case::approved("Approve")]
#[case::refused("Refuse")]
#[tokio::test]
async fn an_operator_decides(#[case] label: &'static str) {
    ivan_test(unlinked(), async |ivan| {
        let card = ivan.is_told(BO);
        ivan.dm(ANA, "link clickup Ana")
            .await
            .begins("✗ Not linked yet.");
        let card = card.answers().await;
        let told = ivan.is_told(ANA);
        match label {
            "Approve" => {
                let news = ivan.is_told(BO);
                let pressed = ivan.presses(BO, &card, label);
                let said = news.answers().await.text() + &pressed.answers().await.text();
                assert!(
                    said.contains("Linked: ClickUp account Ana of Ana."),
                    "{said}"
                );
                assert!(
                    said.contains("Ana linked ClickUp account Ana (approved by an operator)."),
                    "{said}"
                );
                told.answers()
                    .await
                    .begins("✓ Linked ClickUp account Ana: an operator approved it.");
                assert_eq!(ivan.sql::<String>("SELECT proof FROM links"), "operator");
            }
            _ => {
                let pressed = ivan.presses(BO, &card, label).answers().await;
                pressed.replies("✓ Refused: ClickUp account Ana of Ana.");
                told.answers()
                    .await
                    .replies("✗ Not linked: an operator refused ClickUp account Ana.");
                assert_eq!(links(ivan), 0);
            }
        }
        // Once.
        ivan.presses(BO, &card, "Approve")
            .answers()
            .await
            .replies("✗ This request was answered, or has expired.");
    })
    .await;
}

/// With `identity.link = "operators"` there is no code, and the confirmed e-mail address links nothing.
#[tokio::test]
async fn only_operators_link_where_bot_toml_says_so() {
    let setup = unlinked()
        .config("[identity]\nlink = \"operators\"")
        .before(|sandbox: &Sandbox| sandbox.slack.grant_scope("users:read.email"));
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await;
        assert_eq!(links(ivan), 0, "the e-mail address is no proof here");
        for (typed, account) in [
            ("link clickup ana@acme.test", "ClickUp account Ana"),
            ("link github ana", "GitHub account ana"),
        ] {
            let card = ivan.is_told(BO);
            let asked = ivan.dm(ANA, typed).await;
            asked.begins("✗ Not linked yet. I've asked ");
            asked.mentions(&format!("whether {account} is yours."));
            let (card, told) = (card.answers().await, ivan.is_told(ANA));
            let news = ivan.is_told(BO);
            ivan.presses(BO, &card, "Approve").answers().await;
            news.answers().await;
            told.answers()
                .await
                .begins(&format!("✓ Linked {account}: an operator approved it."));
        }
        let proofs = "SELECT count(*) FROM links WHERE proof = 'operator'";
        assert_eq!(ivan.sql::<i64>(proofs), 2);
    })
    .await;
}

#[tokio::test]
async fn a_code_counts_for_a_day() {
    ivan_test(unlinked(), async |ivan| {
        let code = asks(ivan, "link github ana").await;
        let day = "UPDATE link_requests SET asked_ms = asked_ms - 86400000, since_ms = since_ms - 86400000";
        ivan.store().execute(day, []).unwrap();
        ivan.github().comment_as(REPO, 1, "ana", &code);
        ivan.github().write_bio("ana", &code);
        ivan.sync().await;
        let other = asks(ivan, "link github ana").await;
        assert_ne!(code, other);
        assert_eq!(links(ivan), 0);
    })
    .await;
}

#[tokio::test]
async fn somebody_who_asks_too_often_has_to_wait() {
    ivan_test(unlinked(), async |ivan| {
        let code = asks(ivan, "link github ana").await;
        for _ in 1..10 {
            ivan.dm(ANA, "link github ana")
                .await
                .begins("✗ Not linked yet.");
        }
        ivan.github().write_bio("ana", &code);
        ivan.dm(ANA, "link github ana")
            .await
            .begins("✗ Not linked: you tried too often.");
        assert_eq!(links(ivan), 0);
        ivan.counts("ivan_bounds_reached_total{bound=\"link_tries\"} 1")
            .await;
        // A comment still counts.
        let (told, news) = (ivan.is_told(ANA), ivan.is_told(BO));
        ivan.github().comment_as(REPO, 1, "ana", &code);
        ivan.sync().await;
        told.answers().await.begins("✓ Linked GitHub account ana");
        news.answers().await.begins("Ana linked");
    })
    .await;
}
