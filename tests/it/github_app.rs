//! GitHub as a GitHub App: its tokens end within the hour, and people notice nothing. What they notice is an App that
//! cannot work: suspended, removed, with another key, or with several installations.

use ivan::sandbox::Sandbox;
use ivan::sandbox::fault_server::{Fault, FaultKind, RequestRecord};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

const ANOTHER_KEY: &str = include_str!("../../fixtures/github/app-key-other.pem");

/// Two issues, and Bo as the operator.
fn with_an_operator() -> Setup {
    two_issues()
        .github_app()
        .config("slack.operators = [\"U0BOB01\"]")
}

/// How many tokens were granted.
fn granted(ivan: &Ivan) -> usize {
    ivan.github().app_tokens().len()
}

fn of_github(ivan: &Ivan) -> Vec<RequestRecord> {
    ivan.github().front().journal()
}

/// The author of the newest comment on an issue.
async fn comments_author(ivan: &Ivan, number: u64) -> Value {
    let url = format!(
        "{}/repos/{REPO}/issues/{number}/comments",
        ivan.github().api_url()
    );
    let asked = client()
        .get(url)
        .bearer_auth(ivan.github().token())
        .header("user-agent", "a-story");
    let comments: Value = asked.send().await.unwrap().json().await.unwrap();
    comments.as_array().unwrap().last().unwrap()["user"]["login"].clone()
}

#[tokio::test]
async fn commands_are_carried_out_by_the_app() {
    ivan_test(two_issues().github_app(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.dm(ANA, "comment shipped").await.begins("✓ ");
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Issue closed in GitHub: Login fails. Next: Update the docs");
        ivan.dm(ANA, "create Fix login -s github")
            .await
            .begins("✓ Issue created in GitHub: Fix login");
        ivan.github()
            .issue(REPO, 1)
            .is("closed")
            .has_comments(["shipped"]);
        let login = ivan.github().app_login();
        assert_eq!(comments_author(ivan, 1).await, login);
        let created = ivan.github().issues_titled(REPO, "Fix login");
        assert_eq!(created[0]["user"]["login"], login);
        // One token for all of it, and no question about a person that an App is not.
        assert_eq!(granted(ivan), 1);
        assert!(!of_github(ivan).iter().any(|seen| seen.path == "/user"));
    })
    .await;
}

/// The token ends before each request of a command; each is repeated once with the next.
#[tokio::test]
async fn a_token_that_ends_in_the_middle_is_noticed_by_nobody() {
    ivan_test(with_an_operator(), async |ivan| {
        for (typed, answer) in [
            ("done github:1", "✓ Issue closed"),
            ("comment on github:2: shipped", "✓ Comment added"),
            ("create Fix login -s github", "✓ Issue created"),
        ] {
            let before = granted(ivan);
            ivan.github().expire_app_tokens();
            ivan.dm(ANA, typed).await.begins(answer);
            assert!(granted(ivan) > before, "{typed}");
        }
        ivan.github().issue(REPO, 1).is("closed");
        ivan.github().issue(REPO, 2).has_comments(["shipped"]);
        assert_eq!(ivan.github().issues_titled(REPO, "Fix login").len(), 1);
        assert!(of_github(ivan).iter().any(|seen| seen.status == Some(401)));
        let log = ivan.log();
        for word in ["WARN", "ERROR"] {
            let is_of_github = |line: &&str| line.contains(word) && line.contains("github");
            assert_eq!(log.lines().find(is_of_github), None);
        }
        // The operator heard nothing: the next message is the answer.
        ivan.dm(BO, "status").await.begins("Slack: connected");
    })
    .await;
}

/// A write that is refused for its token was not applied, and is sent once more: once alone.
#[tokio::test]
async fn a_write_whose_token_ended_is_written_once() {
    ivan_test(two_issues().github_app(), async |ivan| {
        let body = json!({"message": "Bad credentials"}).to_string();
        let refused = Fault::new(FaultKind::answer(401, body));
        ivan.github().front().fault(refused.on("POST", "/comments"));
        let before = granted(ivan);
        ivan.dm(ANA, "comment on github:2: shipped")
            .await
            .begins("✓ ");
        ivan.github().issue(REPO, 2).has_comments(["shipped"]);
        assert_eq!(granted(ivan), before + 1);
        let posts = of_github(ivan).into_iter();
        let posts: Vec<_> = posts.filter(|seen| seen.is("POST", "/comments")).collect();
        assert_eq!(posts.len(), 2);
    })
    .await;
}

/// Polls, commands and webhooks ask at once; one renewal serves all of them.
#[tokio::test]
async fn one_renewal_serves_all_requests() {
    ivan_test(two_issues().github_app().people(), async |ivan| {
        let before = granted(ivan);
        ivan.github().expire_app_tokens();
        let (ana, bo) = (
            ivan.dm(ANA, "comment on github:1: one"),
            ivan.dm(BO, "comment on github:2: two"),
        );
        let (ana, bo, ()) = tokio::join!(ana, bo, ivan.sync());
        ana.begins("✓ ");
        bo.begins("✓ ");
        assert_eq!(granted(ivan), before + 1);
    })
    .await;
}

#[tokio::test]
async fn the_clock_of_this_machine_may_be_wrong() {
    let setup = two_issues()
        .github_app()
        .before(|sandbox| sandbox.github.clock_is_ahead(-20 * 60 * 1000));
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "comment on github:1: shipped")
            .await
            .begins("✓ ");
    })
    .await;
}

#[tokio::test]
async fn own_comments_come_back_by_the_webhook_of_the_app_and_are_no_news() {
    ivan_test(two_issues().github_app().webhooks(), async |ivan| {
        ivan.github()
            .add_app_hook(&ivan.hook_url("github"), HOOK_SECRET);
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.dm(ANA, "comment shipped").await.begins("✓ ");
        ivan.until_deliveries_are_applied().await;
        let all_taken = ivan.github().deliveries();
        assert!(
            all_taken.iter().all(|one| one.ended.is_ok()),
            "{all_taken:?}"
        );
        // Another person's comment is the next message.
        ivan.github().comment_as(REPO, 1, "bo", "why?");
        let told = ivan.is_told(ANA).answers().await;
        told.mentions("why?");
        ivan.github().close_as(REPO, 1, "bo");
        let told = ivan.is_told(ANA).answers().await;
        told.mentions("Login fails was completed in GitHub by bo");
    })
    .await;
}

/// Suspends the only installation.
fn suspend(sandbox: &Sandbox, suspended: bool) {
    let (_, id) = only_installation(sandbox);
    sandbox.github.suspend_app(id, suspended);
}

fn only_installation(sandbox: &Sandbox) -> (usize, u64) {
    let all = sandbox.github.app_installations();
    (all.len(), all[0])
}

#[rstest]
#[case::suspended(false)]
#[case::removed(true)]
#[tokio::test]
async fn an_installation_that_cannot_be_used_is_said_and_loses_nothing(#[case] removed: bool) {
    ivan_test(with_an_operator(), async |ivan| {
        match removed {
            true => ivan
                .github()
                .uninstall_app(only_installation(&ivan.sandbox).1),
            false => suspend(&ivan.sandbox, true),
        }
        // Who asks after the first refusal finds no installation at all.
        let is_said = |text: &str| match removed {
            true => text.contains("it was removed") || text.contains("is installed nowhere"),
            false => text.contains("is suspended"),
        };
        let waiting = ivan.says(ANA, "done github:1").answers().await;
        waiting.begins("… ").mentions("GitHub App");
        let told = ivan.is_told(BO).answers().await;
        told.begins("✗ ");
        let status = ivan.dm(BO, "status").await;
        let doctor = ivan.cli(&["doctor"]).await;
        for text in [told.text(), status.text(), doctor.out] {
            assert!(is_said(&text), "{text}");
        }
        match removed {
            true => drop(ivan.github().install_app("acme")),
            false => suspend(&ivan.sandbox, false),
        }
        ivan.sync().await;
        waiting.settles().await.begins("✓ Issue closed in GitHub");
        let told = ivan.is_told(BO).answers().await;
        told.begins("✓ ").mentions("accepts the token again");
        ivan.github().issue(REPO, 1).is("closed");
    })
    .await;
}

/// The first line of `ivan doctor` about GitHub, for a world that is wrong from the start.
async fn doctor_says(setup: Setup, change: impl FnOnce(&Ivan)) -> String {
    let setup = setup.without_waiting_for_the_first_read();
    let mut ivan = setup.start().await;
    change(&ivan);
    ivan.start().await;
    ivan.logs("poll failed … source=github").await;
    let out = ivan.cli(&["doctor"]).await.out;
    ivan.finish().await;
    out
}

#[tokio::test]
async fn another_apps_key_is_said() {
    let out = doctor_says(two_issues().github_app(), |ivan| {
        ivan.writes_app_key(ANOTHER_KEY);
    });
    let out = out.await;
    assert!(
        out.contains("GitHub rejects the key of the GitHub App"),
        "{out}"
    );
    assert!(out.contains("github.app_key_file"), "{out}");
}

#[tokio::test]
async fn an_app_that_does_not_exist_is_said() {
    let setup = two_issues().github_app().set("github.app_id", "\"999\"");
    let out = doctor_says(setup, |_| {}).await;
    assert!(out.contains("GitHub knows no GitHub App 999"), "{out}");
}

#[tokio::test]
async fn of_two_installations_one_has_to_be_named() {
    let out = doctor_says(two_issues().github_app(), |ivan| {
        ivan.github().install_app("other");
    });
    let out = out.await;
    assert!(out.contains("The GitHub App has 2 installations"), "{out}");
    assert!(
        out.contains("Set github.installation_id to one of"),
        "{out}"
    );
    for word in ["(acme)", "(other)", "acme/widgets is in 5"] {
        assert!(out.contains(word), "{word}: {out}");
    }
}

#[tokio::test]
async fn the_named_one_of_two_installations_is_used() {
    let mut ivan = two_issues().github_app().start().await;
    let (_, id) = only_installation(&ivan.sandbox);
    ivan.github().install_app("other");
    ivan.reconfigure(|setup| setup.config(&format!("github.installation_id = {id}")));
    ivan.start().await;
    ivan.dm(ANA, "done github:1").await.begins("✓ ");
    ivan.finish().await;
}

#[tokio::test]
async fn a_client_id_is_as_good_as_the_app_id() {
    let setup = two_issues()
        .github_app()
        .set("github.app_id", "\"Iv23liSANDBOX0APP001\"");
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "done github:1").await.begins("✓ ");
    })
    .await;
}

#[tokio::test]
async fn doctor_knows_the_app_and_its_permissions() {
    ivan_test(two_issues().github_app().webhooks(), async |ivan| {
        ivan.github()
            .add_app_hook(&ivan.hook_url("github"), HOOK_SECRET);
        let out = ivan.cli(&["doctor"]).await.out;
        assert!(
            out.contains("Ivan acts as ivan-app[bot] in the installation"),
            "{out}"
        );
        let out = ivan.cli(&["webhooks", "list"]).await.out;
        assert!(out.contains("the webhook of the App ivan-app"), "{out}");
        ivan.github().permit_app("issues", Some("read"));
        let out = ivan.cli(&["doctor"]).await.out;
        assert!(out.contains("may not write issues"), "{out}");
        let refused = ivan.says(ANA, "done github:1").answers().await;
        refused
            .begins("✗ ")
            .mentions("Give the GitHub App the permission issues=write");
        ivan.github().permit_app("issues", Some("write"));
        ivan.github().permit_app("contents", Some("write"));
        let out = ivan.cli(&["doctor"]).await.out;
        assert!(
            out.contains("permissions that Ivan does not use: contents"),
            "{out}"
        );
    })
    .await;
}

#[tokio::test]
async fn the_webhook_of_an_app_is_registered_in_its_settings() {
    ivan_test(two_issues().without_clickup().github_app(), async |ivan| {
        let register = ["webhooks", "register", "--url", "https://bot.example"];
        let ran = ivan.cli(&register).await;
        let said = format!("{}{}", ran.out, ran.err);
        for words in [
            "a GitHub App has its own webhook. Set its URL to https://bot.example/webhooks/github in the settings of the App \
             ivan-app",
            "github.webhook_secret",
        ] {
            assert!(said.contains(words), "{said}");
        }
        assert!(!of_github(ivan).iter().any(|seen| seen.path.contains("/hooks")));
        // No secret and no address of it is left behind.
        let list = ivan.cli(&["webhooks", "list"]).await;
        assert!(!list.out.contains("bot.example"), "{}", list.out);
    })
    .await;
}

#[tokio::test]
async fn the_most_detailed_log_has_neither_key_nor_token_of_an_app() {
    let setup = two_issues().github_app().set("log.level", "\"trace\"");
    ivan_test(setup, async |ivan| {
        ivan.github().expire_app_tokens();
        ivan.dm(ANA, "done github:1").await.begins("✓ ");
        ivan.cli(&["doctor"]).await;
        ivan.cli(&["config", "show"]).await;
    })
    .await;
}
