//! GitHub Enterprise Server: `github.url` alone names it. The API, the addresses of issues and pasted links follow.

use rstest::rstest;

use crate::harness::*;

#[rstest]
#[case::with_a_token(two_issues())]
#[case::as_a_github_app(two_issues().github_app())]
#[tokio::test]
async fn one_address_is_enough(#[case] setup: Setup) {
    let setup = setup.github_server().webhooks();
    ivan_test(setup, async |ivan| {
        ivan.github()
            .add_hook(&ivan.hook_url("github"), HOOK_SECRET);
        let server = ivan.github().url();
        let host = server.trim_start_matches("http://").to_owned();
        ivan.dm(ANA, "current").await.mentions("Login fails");
        let current = ivan.cli(&["current", "--json"]).await.out;
        let page = format!("{server}/{REPO}/issues/1");
        assert!(current.contains(&page), "{current}");
        ivan.dm(ANA, "comment shipped").await.begins("✓ ");
        ivan.dm(ANA, "create Fix login -s github")
            .await
            .begins("✓ Issue created in GitHub: Fix login");
        ivan.dm(ANA, &format!("done <{server}/{REPO}/issues/2>"))
            .await
            .begins("✓ Issue closed in GitHub: Update the docs");
        ivan.github().issue(REPO, 2).is("closed");
        ivan.github().issue(REPO, 1).has_comments(["shipped"]);
        assert_eq!(ivan.github().issues_titled(REPO, "Fix login").len(), 1);

        // The same repository and number on github.com is another issue.
        ivan.dm(ANA, &format!("done <https://github.com/{REPO}/issues/1>"))
            .await
            .replies(&format!(
                "✗ That issue is on github.com, and I follow the issues on {host}. Nothing changed."
            ));
        ivan.github().issue(REPO, 1).is("open");

        // A change by somebody else comes as a webhook, with the server's headers.
        ivan.github().close_as(REPO, 1, "bo");
        let told = ivan.is_told(ANA).answers().await;
        told.mentions("Login fails was completed in GitHub by bo");

        ivan.dm(ANA, "status")
            .await
            .mentions(&format!("GitHub ({host}): "));
        let doctor = ivan.cli(&["doctor"]).await.out;
        let version = format!("{host} is GitHub Enterprise Server 3.17.2");
        assert!(doctor.contains(&version), "{doctor}");
        let asked = ivan.github().front().journal();
        let elsewhere = asked.iter().find(|one| !one.path.starts_with("/api/v3/"));
        assert_eq!(elsewhere, None);
    })
    .await;
}

/// A repository that was renamed, and a second page: both are addresses that the server gives.
#[tokio::test]
async fn addresses_of_the_server_are_followed() {
    ivan_test(two_issues().github_server(), async |ivan| {
        ivan.github().rename_repo(REPO, "acme/gadgets");
        ivan.dm(ANA, "done github:1")
            .await
            .begins("✓ Issue closed in GitHub: Login fails");
        ivan.github().issue("acme/gadgets", 1).is("closed");
    })
    .await;
}

/// An address that is no server's is said by the doctor.
#[tokio::test]
async fn a_wrong_address_is_said() {
    let setup = two_issues()
        .github_server()
        .without_waiting_for_the_first_read();
    let mut ivan = setup.start().await;
    let server = ivan.github().url();
    let api = format!("{server}/api/v4");
    ivan.reconfigure(|setup| setup.config(&format!("github.api_url = \"{api}\"")));
    ivan.start().await;
    ivan.logs("poll failed … source=github").await;
    let doctor = ivan.cli(&["doctor"]).await.out;
    let words = format!("github.url is {server}, so its API is looked for at {api}");
    assert!(doctor.contains(&words), "{doctor}");
    ivan.finish().await;
}
