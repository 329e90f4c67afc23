//! Identity: a mention is an id, and a Slack id is the person.

use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

/// Ana, and a colleague with another display name in Slack.
const PEOPLE: &str = "outbox.signature = false\n\
     [[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\ngithub = \"ana\"\nclickup = \"4242\"\n\
     [[people]]\nname = \"Robert\"\nslack = \"U0BOB01\"\ngithub = \"bo\"\nclickup = \"4243\"";

/// A third person, who has the colleague's name.
const OTHER: &str = "U0000008";

fn mentions() -> Setup {
    two_issues().config(PEOPLE).before(|sandbox| {
        for (id, name) in [
            (OTHER, "Robert"),
            ("U0000009", "@octocat"),
            ("U0000010", "team/x *b*\u{200b}o"),
            ("U0000011", "bo"),
            ("U0000012", "Zoe @Robert"),
        ] {
            sandbox.slack.add_person(id, name);
        }
    })
}

#[derive(Debug, Clone, Copy)]
enum Where {
    Dm,
    Slash,
    Channel,
}

async fn told(ivan: &Ivan, place: Where, text: &str) -> String {
    match place {
        Where::Dm => ivan.says_wire(ANA, text).settles().await.text(),
        Where::Slash => {
            let dm = ivan.slack().dm(ANA);
            ivan.slash(ANA, &dm, text).await
        }
        Where::Channel => {
            let text = format!("@ivan {text}");
            ivan.says_in("general", ANA, &text).settles().await.text()
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_mention_is_an_id_on_every_surface(
    #[values(Where::Dm, Where::Slash, Where::Channel)] place: Where,
    #[values("<@U0BOB01>", "<@U0BOB01|bobby>", "<@U0BOB01|Ana>")] who: &'static str,
) {
    ivan_test(mentions(), async |ivan| {
        let made = told(ivan, place, &format!("create Fix login -s github -a {who}")).await;
        assert!(made.starts_with("✓ Issue created in GitHub"), "{made}");
        assert_eq!(ivan.github().issue(REPO, 3).assignees(), ["bo"]);
        ivan.is_told(BO).answers().await.mentions("Fix login");
        let given = told(ivan, place, &format!("assign acme/widgets#1 {who}")).await;
        assert!(given.contains("Robert"), "{given}");
        assert_eq!(ivan.github().issue(REPO, 1).assignees(), ["bo"]);
        ivan.is_told(BO).answers().await.mentions("Login fails");
        let said = told(
            ivan,
            place,
            &format!("comment on acme/widgets#2: {who} please look"),
        )
        .await;
        assert!(said.starts_with("✓ Comment added"), "{said}");
        let comment = ivan.github().issue(REPO, 2).raw_comments().remove(0);
        assert!(comment.starts_with("@bo please look"), "{comment}");
        // A comment from a channel causes no notice.
        if !matches!(place, Where::Channel) {
            ivan.is_told(BO).answers().await.mentions("please look");
        }
    })
    .await;
}

/// The colleague of the same name is never meant.
#[rstest]
#[tokio::test]
async fn somebody_who_is_nobody_here_is_assigned_nothing(
    #[values(Where::Dm, Where::Slash, Where::Channel)] place: Where,
    #[values("<@U0000008>", "<@U0000008|Robert>", "<@U0000008|bo>")] who: &'static str,
) {
    ivan_test(mentions(), async |ivan| {
        for text in [
            format!("create Fix login -s github -a {who}"),
            format!("assign acme/widgets#1 {who}"),
        ] {
            let refused = told(ivan, place, &text).await;
            assert!(refused.starts_with('✗'), "{refused}");
            assert!(refused.contains("U0000008 (Robert)"), "{refused}");
        }
        assert!(ivan.github().issue(REPO, 1).assignees().is_empty());
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM operations"), 0);
    })
    .await;
}

/// The label of a group, or of a date, is text of others.
#[rstest]
#[case::group("<!subteam^S0OPS01|@Robert>")]
#[case::group_without_an_at("<!subteam^S0OPS01|Robert>")]
#[case::date("<!date^0^{date}|@Robert>")]
#[tokio::test]
async fn a_group_with_a_persons_name_is_nobody(#[case] group: &'static str) {
    ivan_test(mentions(), async |ivan| {
        for text in [
            format!("assign #1 {group}"),
            format!("create Fix login -s github -a {group}"),
        ] {
            ivan.says_wire(ANA, &text)
                .settles()
                .await
                .begins("✗ I don't know ");
        }
        assert!(ivan.github().issue(REPO, 1).assignees().is_empty());
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM operations"), 0);
        ivan.says_wire(ANA, &format!("comment on #1: {group} look"))
            .settles()
            .await
            .begins("✓ Comment added");
        let comment = ivan.github().issue(REPO, 1).raw_comments().remove(0);
        assert!(comment.starts_with("@\u{2060}Robert look"), "{comment}");
    })
    .await;
}

/// The display name of somebody who is mentioned in a forwarded message.
#[tokio::test]
async fn a_name_with_a_persons_name_in_it_mentions_nobody() {
    ivan_test(mentions(), async |ivan| {
        let forwarded = json!({"attachments": [{"is_share": true, "is_msg_unfurl": true, "author_name": "Bo",
            "from_url": "https://acme.slack.com/archives/C0GEN01/p1763800000123459", "text": "ask <@U0000012>",
            "fallback": "…"}]});
        ivan.hears(ANA, |slack, dm| {
            slack.says_with(ANA, dm, "comment on #1: see", forwarded)
        })
        .settles()
        .await
        .begins("✓ Comment added");
        let comment = ivan.github().issue(REPO, 1).raw_comments().remove(0);
        assert!(comment.contains("> ask @\u{2060}Zoe Robert\n"), "{comment}");
        assert!(!comment.contains("@bo"), "{comment}");
    })
    .await;
}

#[rstest]
#[case::name("ask <@U0000008>, please", "ask Robert, please")]
#[case::login("<@U0000011|bo> knows", "bo knows")]
#[case::with_an_at("<@U0000009>: look", "octocat: look")]
#[case::markup("see <@U0000010>.", "see team/x bo.")]
#[case::unknown("see <@U0000099|octocat>.", "see U0000099.")]
#[case::typed_by_hand("@octocat and @bobby know", "@octocat and @bobby know")]
#[case::after_an_at("@<@U0000008> knows", "@ Robert knows")]
#[tokio::test]
async fn who_is_nobody_here_is_named_without_an_at(
    #[case] wire: &'static str,
    #[case] written: &'static str,
) {
    ivan_test(mentions(), async |ivan| {
        let text = format!("comment on #1: {wire}");
        ivan.says_wire(ANA, &text)
            .settles()
            .await
            .begins("✓ Comment added");
        let comment = ivan.github().issue(REPO, 1).raw_comments().remove(0);
        // What looks like a mention of somebody in GitHub notifies nobody there.
        let quiet = written
            .replace("@o", "@\u{2060}o")
            .replace("@b", "@\u{2060}b");
        assert!(comment.starts_with(&format!("{quiet}\n")), "{comment}");
        let text = format!("create {wire} -s github");
        ivan.says_wire(ANA, &text)
            .settles()
            .await
            .begins("✓ Issue created");
        let title = ivan.github().issue(REPO, 3).json()["title"].clone();
        assert_eq!(title, json!(written));
    })
    .await;
}

#[tokio::test]
async fn many_who_are_nobody_here_call_nobody() {
    ivan_test(mentions(), async |ivan| {
        let many: Vec<String> = (100..130).map(|n| format!("<@U0000{n}>")).collect();
        let text = format!("comment on #1: {} and <@U0BOB01>", many.join(" "));
        ivan.says_wire(ANA, &text)
            .settles()
            .await
            .begins("✓ Comment added");
        let comment = ivan.github().issue(REPO, 1).raw_comments().remove(0);
        assert_eq!(comment.matches('@').count(), 1, "{comment}");
        assert!(comment.contains("U0000129 and @bo"), "{comment}");
    })
    .await;
}

// ------------------------------------------------------------ people

fn people(ana: &[&str; 2], bo: &[&str; 2]) -> String {
    let one = |[name, slack]: &[&str; 2]| match *slack {
        "" => format!("[[people]]\nname = \"{name}\"\n"),
        slack => format!("[[people]]\nname = \"{name}\"\nslack = \"{slack}\"\n"),
    };
    one(ana) + &one(bo)
}

/// Ana links an account, sets quiet hours, lists, comments and snoozes.
async fn lives_here(ivan: &Ivan) {
    ivan.dm(ANA, "link clickup ana@acme.test").await.begins("✓");
    ivan.dm(ANA, "quiet 3:00-3:05").await.begins("✓");
    ivan.dm(ANA, "list").await.mentions("Renew cert");
    ivan.dm(ANA, "comment on 1: a secret").await.begins("✓");
    ivan.dm(ANA, "snooze 2 3d").await.begins("✓");
}

/// Stops, and starts with other people in bot.toml.
async fn begins_with(ivan: &mut Ivan, before: &str, after: &str) {
    assert!(ivan.stop().await.success());
    let path = ivan.folder().join("bot.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(before), "{text}");
    std::fs::write(&path, text.replace(before, after)).unwrap();
    ivan.start().await;
}

fn with(people: &str) -> Setup {
    Setup::new()
        .clickup_tasks([
            json!({"name": "Renew cert", "assignees": [ANA_CLICKUP], "priority": 1}),
            json!({"name": "Write the runbook", "assignees": [ANA_CLICKUP]}),
            json!({"name": "Pay the rent", "assignees": [BO_CLICKUP]}),
        ])
        .config(people)
}

#[tokio::test]
async fn with_another_name_everything_stays() {
    let before = people(&["Ann", ANA], &["Bo", BO]);
    let after = people(&["Anna", ANA], &["Ann", BO]);
    ivan_test(with(&before), async |ivan| {
        lives_here(ivan).await;
        begins_with(ivan, &before, &after).await;
        let who = ivan.dm(ANA, "whoami").await.text();
        assert!(
            who.contains("Anna") && who.contains("ClickUp: Ana"),
            "{who}"
        );
        assert!(who.contains("03:00"), "{who}");
        ivan.dm(ANA, "list")
            .await
            .replies("1. Renew cert · ClickUp · to do");
        ivan.dm(ANA, "log").await.mentions("a secret");
        // The person who now has her former name has none of it.
        let log = ivan.dm(BO, "log").await.text();
        assert!(!log.contains("secret"), "{log}");
        let (status, answer) = ivan
            .http_with("GET", "/log", None, &[("X-Ivan-Actor", "Ann")])
            .await;
        assert!(
            status == 200 && !answer.to_string().contains("secret"),
            "{answer}"
        );
    })
    .await;
}

#[tokio::test]
async fn another_id_under_a_name_is_another_person() {
    let before = people(&["Ann", ANA], &["Cy", ""]);
    let after = people(&["Ann", BO], &["Cy", ""]);
    ivan_test(with(&before), async |ivan| {
        lives_here(ivan).await;
        begins_with(ivan, &before, &after).await;
        let who = ivan.dm(BO, "whoami").await.text();
        assert!(
            !who.contains("03:00") && !who.contains("ClickUp: Ana"),
            "{who}"
        );
        let log = ivan.dm(BO, "log").await.text();
        assert!(!log.contains("secret"), "{log}");
        let log = ivan
            .http_with("GET", "/log", None, &[("X-Ivan-Actor", "Ann")])
            .await
            .1;
        assert!(!log.to_string().contains("secret"), "{log}");
        ivan.dm(BO, "done 1")
            .await
            .begins("✗ You haven't seen a list yet");
        ivan.dm(BO, "undo").await.begins("✗");
        ivan.dm(ANA, "list").await.begins("✗ You're not set up yet");
        // Notices for Ann go to her DM, and not to the former Ann's.
        let id = ivan.clickup().task("Pay the rent").id().to_owned();
        let path = format!("/tasks/clickup%3A{id}/complete");
        let (status, answer) = ivan
            .http_with("POST", &path, None, &[("X-Ivan-Actor", "Cy")])
            .await;
        assert_eq!(status, 200, "{answer}");
        ivan.is_told(BO).answers().await.mentions("Pay the rent");
        // The former Ann is back, with all her things.
        begins_with(ivan, &after, &before).await;
        ivan.dm(ANA, "log").await.mentions("a secret");
        ivan.dm(ANA, "whoami").await.mentions("ClickUp: Ana");
    })
    .await;
}

#[rstest]
#[case::exchanged(people(&["Ann", ANA], &["Bo", BO]), people(&["Bo", ANA], &["Ann", BO]))]
#[case::got_an_id(people(&["Ann", ""], &["Bo", BO]), people(&["Ann", ANA], &["Bo", BO]))]
#[case::away_and_back(people(&["Ann", ANA], &["Bo", BO]), "slack.allowed_users = [\"*\"]\n".to_owned())]
#[tokio::test]
async fn the_rows_follow_the_ids(#[case] before: String, #[case] after: String) {
    ivan_test(with(&before), async |ivan| {
        let rows = "SELECT group_concat(id || ':' || ifnull(slack_id, '') || ':' || present, ' ') FROM people \
                    WHERE alone = 0 ORDER BY id";
        let first: String = ivan.sql(rows);
        begins_with(ivan, &before, &after).await;
        begins_with(ivan, &after.clone(), &after).await;
        let second: String = ivan.sql(rows);
        let ids = |text: &str| {
            let rows = text.split(' ').map(|row| row.split(':').next().unwrap().to_owned());
            rows.collect::<Vec<_>>()
        };
        assert_eq!(ids(&first), ids(&second), "nobody new: {first}, then {second}");
        ivan.dm(ANA, "status").await.begins("Slack: connected");
    })
    .await;
}

/// A login counts only if no person has that name.
#[tokio::test]
async fn an_actor_is_an_id_before_a_name_before_a_login() {
    let people = people(&["Bo", BO], &["Ana", ANA]);
    ivan_test(two_issues().config(&people), async |ivan| {
        ivan.links_by_bio(BO, "ana").await.begins("✓");
        for (actor, slack) in [("Ana", ANA), ("ana", ANA), (BO, BO), ("bo", BO), (ANA, ANA)] {
            let (_, who): (_, Value) = ivan
                .http_with("GET", "/whoami", None, &[("X-Ivan-Actor", actor)])
                .await;
            assert!(who.to_string().contains(slack), "{actor}: {who}");
        }
    })
    .await;
}
