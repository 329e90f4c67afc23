//! Workspace members without the right to command: they are told, the log has a line, operators get one notice.

use rstest::rstest;

use crate::harness::*;

/// Ana has a queue, Bo has none.
fn only_ana() -> Setup {
    two_tasks()
        .config("slack.operators = [\"U0ANN01\"]")
        .config("[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\nclickup = \"4242\"")
}

const LOGGED: &str = "rejected a person who is none of [[people]] person=U0BOB01";
const TOLD: &str = "(U0BOB01) came to me and is not set up.";

fn times(ivan: &Ivan, words: &str) -> usize {
    let logged = ivan.messages_logged();
    logged.iter().filter(|line| line.contains(words)).count()
}

#[tokio::test]
async fn a_member_who_is_nobody_here_is_logged_and_told_to_operators_once() {
    ivan_test(only_ana(), async |ivan| {
        ivan.dm(BO, "done").await.begins("✗ You're not set up yet");
        ivan.is_told(ANA).answers().await.mentions(TOLD);
        ivan.dm(BO, "list").await.begins("✗ You're not set up yet");
        ivan.dm(BO, "create Fix login").await.begins("✗ ");
        assert_eq!(times(ivan, LOGGED), 1);
        // After a restart as well; the log begins anew.
        ivan.kill_and_restart().await;
        ivan.dm(BO, "done").await.begins("✗ You're not set up yet");
        assert_eq!(times(ivan, LOGGED), 1);
        // Configured people cause no such line.
        ivan.dm(ANA, "current").await;
        assert_eq!(times(ivan, "person=U0ANN01"), 0);
    })
    .await;
}

/// Slash commands and forms count too.
#[tokio::test]
async fn whoever_asks_for_a_form_is_logged_and_told_of_too() {
    ivan_test(only_ana(), async |ivan| {
        let answer = ivan.is_told(BO);
        ivan.slack().shortcut(BO, "new_task");
        answer.answers().await.begins("✗ You're not set up yet");
        ivan.is_told(ANA).answers().await.mentions(TOLD);
        let general = ivan.slack().channel("general");
        let told = ivan.slash(BO, &general, "list").await;
        assert!(told.starts_with("✗ You're not set up yet"), "{told}");
        assert_eq!(times(ivan, LOGGED), 1);
    })
    .await;
}

/// The operators' list or Slack's answer already decides: no notice for each person.
#[rstest]
#[case::guest(
    GUEST,
    "[\"*\"]",
    "rejected a person who is no full member of the workspace person=U0GST01",
    "✗ I only take commands from full members of this workspace. Ask @U0ANN01 to allow you."
)]
#[case::not_named(
    BO,
    "[\"U0ANN01\"]",
    "rejected a person who is not in slack.allowed_users person=U0BOB01",
    "✗ You're not on the list of people who may use Ivan here. Ask @U0ANN01 to add you."
)]
#[tokio::test]
async fn others_who_may_not_are_logged(
    #[case] who: &str,
    #[case] allowed: &str,
    #[case] logged: &str,
    #[case] told: &str,
) {
    let setup = two_tasks()
        .config("slack.operators = [\"U0ANN01\"]")
        .config(&format!("slack.allowed_users = {allowed}"));
    ivan_test(setup, async |ivan| {
        ivan.dm(who, "done").await.begins(told);
        let again = ivan
            .slash(who, &ivan.slack().dm(who), "current")
            .await
            .replace(&format!("<@{ANA}>"), "@U0ANN01");
        assert!(again.starts_with(told), "{again}");
        assert_eq!(times(ivan, logged), 1);
    })
    .await;
}
