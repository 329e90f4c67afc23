//! Clients: the names in `-e` and in titles, and the place of their tasks.

use ivan::sandbox::Sandbox;
use rstest::rstest;
use serde_json::json;

use crate::gestures::*;
use crate::harness::*;

/// Acme goes to GitHub; Globex goes where the command says.
fn two_clients() -> Setup {
    Setup::new().config(
        "[[entities]]\nid = \"acme\"\nname = \"Acme Corporation\"\naliases = [\"ac\"]\nsource = \"github\"\n\
         [[entities]]\nid = \"globex\"",
    )
}

#[rstest]
#[case::by_alias("create Fix login -e AC")]
#[case::by_name("create Fix login -e \"acme corporation\"")]
#[case::by_its_prefix("create [CLIENT:Ac] Fix login")]
#[case::by_its_tag("create Fix login client:acme")]
#[case::by_both("create [client:acme] Fix login -e ac")]
#[tokio::test]
async fn a_client_is_known_by_all_its_names_and_has_its_place(#[case] typed: &str) {
    ivan_test(two_clients(), async |ivan| {
        ivan.dm(ANA, typed)
            .await
            .replies("✓ Issue created in GitHub: [CLIENT:acme] Fix login (acme/widgets#1)");
    })
    .await;
}

#[tokio::test]
async fn what_is_said_comes_before_the_channel_and_the_channel_before_the_client() {
    let setup = two_clients().config(
        "[[slack.channels]]\nid = \"C0COMMON1\"\nsource = \"clickup\"\n\
         [[slack.channels]]\nid = \"C0PROJ77\"\nentity = \"ac\"",
    );
    let channels = |sandbox: &Sandbox| {
        for (id, name) in [("C0COMMON1", "common"), ("C0PROJ77", "project")] {
            sandbox
                .slack
                .add_channel(id, name, false, &[ANA, "U0BOT01"]);
        }
    };
    ivan_test(setup.before(channels), async |ivan| {
        let said = |channel, text| ivan.says_in(channel, ANA, text);
        said("common", "create One -e acme")
            .settles()
            .await
            .begins("✓ Task created in ClickUp: One");
        assert_eq!(ivan.clickup().task("One").tags(), ["client:acme"]);
        said("project", "create Two")
            .settles()
            .await
            .begins("✓ Issue created in GitHub: [CLIENT:acme] Two");
        said("project", "create Three -s clickup")
            .settles()
            .await
            .begins("✓ Task created in ClickUp: Three");
        said("project", "create Four -e globex")
            .settles()
            .await
            .begins("✓ Task created in ClickUp: Four");
        assert_eq!(ivan.clickup().task("Four").tags(), ["client:globex"]);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_client_is_refused_with_those_that_are_near() {
    ivan_test(two_clients(), async |ivan| {
        for typed in ["create Fix -e acmee", "create [CLIENT:acmee] Fix"] {
            ivan.dm(ANA, typed).await.replies(
                "✗ I don't know the client `acmee`, so nothing was created. Did you mean `acme`? To add it, ask an Ivan operator.",
            );
        }
        ivan.dm(ANA, "create Fix -e zzz").await.replies(
            "✗ I don't know the client `zzz`, so nothing was created. Clients here: `acme`, `globex`. To add it, ask an Ivan operator.",
        );
        ivan.dm(ANA, "create [CLIENT:acme] Fix -e globex")
            .await
            .begins("✗ This names two clients, `globex` and `acme`");
        let body = Some(json!({"title": "Fix", "entity_id": "acmee"}));
        let (status, problem) = ivan.http("POST", "/tasks", body).await;
        assert_eq!(status, 422, "{problem}");
        assert_eq!(ivan.clickup().tasks().len(), 0);
    })
    .await;
}

/// Without `[[entities]]` every name is a client; a title's prefix is understood and not doubled.
#[tokio::test]
async fn where_no_clients_are_listed_every_name_is_one() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.dm(ANA, "create [CLIENT:zoe] Fix login -s github")
            .await
            .replies("✓ Issue created in GitHub: [CLIENT:zoe] Fix login (acme/widgets#1)");
        ivan.dm(ANA, "create [CLIENT:zoe] Fix logout -e Zoe")
            .await
            .replies("✓ Task created in ClickUp: Fix logout");
        assert_eq!(ivan.clickup().task("Fix logout").tags(), ["client:Zoe"]);
        ivan.dm(ANA, "create Open client:port")
            .await
            .replies("✓ Task created in ClickUp: Open client:port");
    })
    .await;
}

#[rstest]
#[case::unknown(&[("title", "Fix login"), ("entity", "initech")], "entity", "I don't know the client `initech`, so nothing was created. ")]
#[case::two(&[("title", "[CLIENT:globex] Fix login"), ("entity", "ac")], "entity", "This names two clients")]
#[case::nothing_but_a_client(&[("title", "[CLIENT:globex]")], "title", "A task needs a title.")]
#[tokio::test]
async fn a_client_that_is_wrong_is_told_beside_its_field_and_the_form_stays(
    #[case] fields: &'static [(&'static str, &'static str)],
    #[case] wrong: &str,
    #[case] why: &str,
) {
    ivan_test(two_clients(), async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        let told = form.submits(ANA, fields).await;
        assert_eq!(told["response_action"], "errors", "{told}");
        let errors = told["errors"].as_object().unwrap();
        assert!(errors.keys().eq([wrong]), "{told}");
        assert!(errors[wrong].as_str().unwrap().starts_with(why), "{told}");
        assert_eq!(modals(ivan.slack()).len(), 1, "it stays open");
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM slack_events"), 0);
        let answer = ivan.is_told(ANA);
        let right = [("title", "Fix login"), ("entity", "AC")];
        assert!(form.submits(ANA, &right).await.is_null());
        let answered = answer.settles().await;
        answered.begins("✓ ").mentions("Fix login");
    })
    .await;
}
