//! Workspace members without the right to command: they are told, the log has a line, operators get one notice.

use rstest::rstest;

use crate::harness::*;

/// Ana has a queue, Bo has none.
fn only_ana() -> Setup {
    two_tasks()
        .config("slack.operators = [\"U0ANN01\"]")
        .config("[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\nclickup = \"4242\"")
}

const LOGGED: &str = "U0BOB01 asked for something and is none of [[people]]";
const TOLD: &str = "wrote to me and is none of [[people]], so I did nothing. To give them a queue, add them to bot.toml with \
                    slack = \"U0BOB01\"";

fn times(ivan: &Ivan, words: &str) -> usize {
    let logged = ivan.messages_logged();
    logged.iter().filter(|line| line.contains(words)).count()
}

#[tokio::test]
async fn a_member_who_is_nobody_here_is_logged_and_told_to_operators_once() {
    ivan_test(only_ana(), async |ivan| {
        ivan.dm(BO, "done").await.begins("✗ I do not know you yet");
        ivan.is_told(ANA).answers().await.mentions(TOLD);
        ivan.dm(BO, "list").await.begins("✗ I do not know you yet");
        ivan.dm(BO, "create Fix login").await.begins("✗ ");
        assert_eq!(times(ivan, LOGGED), 1);
        // After a restart as well; the log begins anew.
        ivan.kill_and_restart().await;
        ivan.dm(BO, "done").await.begins("✗ I do not know you yet");
        assert_eq!(times(ivan, LOGGED), 1);
        // Configured people cause no such line.
        ivan.dm(ANA, "current").await;
        assert_eq!(times(ivan, "U0ANN01 asked"), 0);
    })
    .await;
}

/// Slash commands and forms count too.
#[tokio::test]
async fn whoever_asks_for_a_form_is_logged_and_told_of_too() {
    ivan_test(only_ana(), async |ivan| {
        let answer = ivan.is_told(BO);
        ivan.slack().shortcut(BO, "new_task");
        answer.answers().await.begins("✗ I do not know you yet");
        ivan.is_told(ANA).answers().await.mentions(TOLD);
        let general = ivan.slack().channel("general");
        let told = ivan.slash(BO, &general, "list").await;
        assert!(told.starts_with("✗ I do not know you yet"), "{told}");
        assert_eq!(times(ivan, LOGGED), 1);
    })
    .await;
}

/// The operators' list or Slack's answer already decides: no notice for each person.
#[rstest]
#[case::guest(
    GUEST,
    "[]",
    "U0GST01 asked for something and is no full member of the workspace"
)]
#[case::not_named(
    BO,
    "[\"U0ANN01\"]",
    "U0BOB01 asked for something and is not in slack.allowed_users"
)]
#[tokio::test]
async fn others_who_may_not_are_logged(
    #[case] who: &str,
    #[case] allowed: &str,
    #[case] logged: &str,
) {
    let setup = two_tasks()
        .config("slack.operators = [\"U0ANN01\"]")
        .config(&format!("slack.allowed_users = {allowed}"));
    ivan_test(setup, async |ivan| {
        ivan.dm(who, "done")
            .await
            .begins("✗ I only take commands from");
        ivan.dm(who, "current")
            .await
            .begins("✗ I only take commands from");
        assert_eq!(times(ivan, logged), 1);
    })
    .await;
}
