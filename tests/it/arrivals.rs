//! People who come to Ivan: the welcome, the operators' card about a new member, and the forms that link accounts.

use ivan::sandbox::Sandbox;
use serde_json::json;

use crate::harness::*;

const RANDOM: &str = "C0RND01";

/// Ana is the only operator, and nobody else is known.
fn one_operator() -> Setup {
    Setup::new()
        .config("slack.operators = [\"U0ANN01\"]\nslack.allowed_users = []")
        .before(|sandbox: &Sandbox| sandbox.slack.revoke_scope("users:read.email"))
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]})])
        .github_issues([json!({"title": "Login fails", "assignees": ["bo"]})])
}

/// A person opens their DM with Ivan.
fn opens<'a>(ivan: &'a Ivan, who: &str) -> Asked<'a> {
    let told = ivan.is_told(who);
    ivan.slack().opens_tab(who, "messages");
    told
}

#[tokio::test]
async fn the_first_opening_of_the_dm_is_welcomed_once() {
    let setup = two_tasks().people();
    ivan_test(setup, async |ivan| {
        let welcome = opens(ivan, ANA).answers().await;
        welcome.begins(
            "Hi Ana, I'm Ivan. I keep your ClickUp tasks and GitHub issues in one queue.\n",
        );
        assert_eq!(welcome.text().lines().count(), 4, "{}", welcome.text());
        assert_eq!(welcome.buttons(), ["Show my task", "New task", "Help"]);
        let (ts, new_task) = (welcome.posted().ts, welcome.action("New task"));
        ivan.presses(ANA, &welcome, "Show my task")
            .answers()
            .await
            .begins("Your queue is empty");
        ivan.presses(ANA, &welcome, "Help")
            .answers()
            .await
            .begins("Commands:");
        // Not again, after a restart neither.
        ivan.slack().opens_tab(ANA, "messages");
        ivan.kill_and_restart().await;
        ivan.slack().opens_tab(ANA, "messages");
        ivan.slack().opens_tab(ANA, "home");
        ivan.slack()
            .clicks(ANA, &ivan.slack().dm(ANA), &ts, &new_task);
        assert_eq!(ivan.form(1).await.holds("title"), "");
        // A guest is not welcome, and hears nothing.
        ivan.slack().opens_tab(GUEST, "messages");
    })
    .await;
}

/// Everybody shares one queue: the welcome names nobody.
#[tokio::test]
async fn who_shares_the_queue_is_welcomed_too() {
    ivan_test(two_tasks(), async |ivan| {
        let welcome = opens(ivan, BO).answers().await;
        welcome.begins("Hi, I'm Ivan.");
        assert_eq!(welcome.buttons(), ["Show my task", "New task", "Help"]);
        ivan.presses(BO, &welcome, "Show my task").answers().await;
    })
    .await;
}

#[tokio::test]
async fn who_is_not_linked_gets_forms_instead_of_an_empty_queue() {
    let setup = Setup::new()
        .config(
            "slack.operators = [\"U0BOB01\"]\n\
             [[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\n\
             [[people]]\nname = \"Bo\"\nslack = \"U0BOB01\"",
        )
        .before(|sandbox: &Sandbox| sandbox.slack.revoke_scope("users:read.email"))
        .github_issues([json!({"title": "Login fails", "assignees": ["ana"]})]);
    ivan_test(setup, async |ivan| {
        let welcome = opens(ivan, ANA).answers().await;
        welcome.mentions("I don't know your ClickUp or GitHub account yet. Link it below");
        let both = ["Link ClickUp", "Link GitHub"];
        assert_eq!(welcome.buttons(), ["Link ClickUp", "Link GitHub", "Help"]);
        ivan.dm(ANA, "hello")
            .await
            .begins("Hi Ana. I don't know your ClickUp or GitHub account yet");
        for typed in ["list", "current", "done", "hello"] {
            assert_eq!(ivan.dm(ANA, typed).await.buttons(), both, "{typed}");
        }
        let home = ivan.opens_home(ANA).await;
        assert!(home.contains("[Link ClickUp] [Link GitHub]"), "{home}");
        ivan.slack().clicks(
            ANA,
            &ivan.slack().dm(ANA),
            &welcome.posted().ts,
            &welcome.action("Link GitHub"),
        );
        let form = ivan.form(1).await;
        assert_eq!(
            form.submits(ANA, &[("account", " ")]).await,
            json!({"response_action": "errors", "errors":
                {"account": "Which GitHub account? Type your GitHub login."}})
        );
        let (told, card) = (ivan.is_told(ANA), ivan.is_told(BO));
        assert!(form.submits(ANA, &[("account", "ana")]).await.is_null());
        told.answers()
            .await
            .begins("✗ Not linked yet. To show that GitHub account ana is yours");
        let card = card.answers().await;
        let (told, news) = (ivan.is_told(ANA), ivan.is_told(BO));
        let pressed = ivan.presses(BO, &card, "Approve");
        news.answers().await;
        pressed.answers().await;
        told.answers().await.begins("✓ Linked GitHub account ana");
        let list = ivan.dm(ANA, "list").await;
        list.mentions("Login fails");
        assert_eq!(list.buttons(), ["Done"]);
    })
    .await;
}

#[tokio::test]
async fn an_operator_adds_a_member_with_one_press() {
    ivan_test(one_operator(), async |ivan| {
        let config = ivan.config_text();
        let card = ivan.is_told(ANA);
        let refused = "✗ You're not set up yet. I've asked @U0ANN01 to add you.";
        opens(ivan, BO).answers().await.replies(refused);
        let card = card.answers().await;
        card.replies(
            "bo (U0BOB01) came to me and is not set up. If you add them, they get a queue of their own once they have \
             linked their accounts. I ask this once.",
        );
        assert_eq!(card.buttons(), ["Add bo", "Not now"]);
        // Whatever they do then, the operator is not asked again.
        ivan.slack().opens_tab(BO, "messages");
        for typed in ["list", "hello", "what is this?"] {
            ivan.dm(BO, typed).await.replies(refused);
        }
        assert!(ivan.slash(BO, RANDOM, "list").await.starts_with(refused));
        let welcome = ivan.is_told(BO);
        let added = ivan.presses(ANA, &card, "Add bo").answers().await;
        added.replies("✓ Added: bo. I've told them how to begin.");
        let welcome = welcome.answers().await;
        welcome.begins("Hi bo, I'm Ivan, and ana has added you.");
        assert_eq!(welcome.buttons(), ["Link ClickUp", "Link GitHub", "Help"]);
        assert_eq!(ivan.dm(BO, "list").await.buttons(), ["Link ClickUp", "Link GitHub"]);
        for label in ["Add bo", "Not now"] {
            ivan.presses(ANA, &card, label)
                .answers()
                .await
                .replies("✓ Already set up: bo, answered by ana.");
        }
        // They stay over a restart, and can be removed.
        let (ts, remove) = (added.posted().ts, added.action("Remove bo"));
        ivan.kill_and_restart().await;
        ivan.dm(BO, "list").await.mentions("I don't know your ");
        let removed = ivan.is_told(ANA);
        ivan.slack().clicks(ANA, &ivan.slack().dm(ANA), &ts, &remove);
        removed
            .answers()
            .await
            .replies("✓ Removed: bo. They can no longer give commands.");
        ivan.dm(BO, "list").await.replies("✗ You're not set up yet. Ask @U0ANN01 to add you.");
        assert_eq!(ivan.config_text(), config, "no file was touched");
    })
    .await;
}

#[tokio::test]
async fn not_now_is_said_once_and_can_be_taken_back() {
    ivan_test(one_operator(), async |ivan| {
        let card = ivan.is_told(ANA);
        ivan.dm(BO, "list")
            .await
            .begins("✗ You're not set up yet. I've asked");
        let card = card.answers().await;
        ivan.presses(ANA, &card, "Not now")
            .answers()
            .await
            .replies("✓ Not added: bo. The button above still adds them.");
        ivan.dm(BO, "list")
            .await
            .replies("✗ You're not set up yet. Ask @U0ANN01 to add you.");
        let welcome = ivan.is_told(BO);
        ivan.presses(ANA, &card, "Add bo")
            .answers()
            .await
            .begins("✓ Added: ");
        welcome.answers().await;
    })
    .await;
}

/// The press is stored before it is acknowledged, and done once.
#[tokio::test]
async fn a_press_survives_a_kill() {
    ivan_test(one_operator(), async |ivan| {
        let card = ivan.is_told(ANA);
        ivan.dm(BO, "list").await;
        let card = card.answers().await;
        let (ts, add) = (card.posted().ts, card.action("Add bo"));
        ivan.slack().clicks(ANA, &ivan.slack().dm(ANA), &ts, &add);
        ivan.until_all_is_acked().await;
        ivan.kill_and_restart().await;
        let (added, welcome) = (ivan.is_told(ANA), ivan.is_told(BO));
        added.answers().await.begins("✓ Added: ");
        welcome.answers().await.begins("Hi bo");
        let people = "SELECT count(*) FROM people WHERE present = 1";
        assert_eq!(ivan.sql::<i64>(people), 2);
    })
    .await;
}

/// Two operators, of whom one is known by the Slack id alone.
#[tokio::test]
async fn two_operators_at_once_add_a_member_once() {
    let setup = Setup::new()
        .config("slack.operators = [\"U0ANN01\", \"U0BOB01\"]\nslack.allowed_users = []")
        .before(|sandbox: &Sandbox| {
            sandbox.slack.revoke_scope("users:read.email");
            sandbox.slack.add_person("U0CEM01", "Cem");
        });
    ivan_test(setup, async |ivan| {
        let cards = (ivan.is_told(ANA), ivan.is_told(BO));
        ivan.dm("U0CEM01", "list")
            .await
            .begins("✗ You're not set up yet. I've asked");
        let cards = (cards.0.answers().await, cards.1.answers().await);
        let welcome = ivan.is_told("U0CEM01");
        let pressed = (
            ivan.presses(ANA, &cards.0, "Add Cem"),
            ivan.presses(BO, &cards.1, "Add Cem"),
        );
        let said = [
            pressed.0.answers().await.text(),
            pressed.1.answers().await.text(),
        ];
        let added = said
            .iter()
            .filter(|text| text.starts_with("✓ Added: Cem"))
            .count();
        let before = said
            .iter()
            .filter(|text| text.starts_with("✓ Already set up: Cem"))
            .count();
        assert_eq!((added, before), (1, 1), "{said:?}");
        welcome.answers().await;
    })
    .await;
}

/// A button that a client sends without ever having been shown it.
#[tokio::test]
async fn a_press_of_somebody_who_is_no_operator_is_refused() {
    let setup = one_operator().config(
        "[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\n[[people]]\nname = \"Bo\"\nslack = \"U0BOB01\"",
    );
    let setup = setup.before(|sandbox: &Sandbox| sandbox.slack.add_person("U0CEM01", "Cem"));
    ivan_test(setup, async |ivan| {
        let card = ivan.is_told(ANA);
        ivan.dm("U0CEM01", "list").await;
        let card = card.answers().await;
        for who in [BO, "U0CEM01"] {
            ivan.presses(who, &card, "Add Cem")
                .answers()
                .await
                .begins("✗ ");
        }
        assert_eq!(
            ivan.sql::<i64>("SELECT count(*) FROM people WHERE slack_id = 'U0CEM01'"),
            0
        );
    })
    .await;
}

/// A member who calls themselves like another person, or by their login, is not taken for them.
#[tokio::test]
async fn a_name_of_somebody_else_is_not_given_twice() {
    let setup = Setup::new()
        .config("slack.operators = [\"U0ANN01\"]")
        .people()
        .before(|sandbox: &Sandbox| sandbox.slack.add_person("U0EVE01", "bo"));
    ivan_test(setup, async |ivan| {
        let card = ivan.is_told(ANA);
        ivan.dm("U0EVE01", "list").await;
        let card = card.answers().await;
        let welcome = ivan.is_told("U0EVE01");
        ivan.presses(ANA, &card, "Add bo").answers().await;
        welcome.answers().await;
        let name = "SELECT name FROM people WHERE slack_id = 'U0EVE01'";
        assert_eq!(ivan.sql::<String>(name), "bo (U0EVE01)");
    })
    .await;
}

/// Twelve new members: one press of the operator and one form each.
#[tokio::test]
async fn twelve_members_arrive_without_a_file_or_a_restart() {
    let member = |n: u64| format!("U0NEW{n:02}");
    let setup = Setup::new()
        .config("slack.operators = [\"U0ANN01\"]\nslack.allowed_users = []")
        .before(|sandbox: &Sandbox| {
            sandbox.slack.revoke_scope("users:read.email");
            for n in 1..=12_u64 {
                sandbox
                    .slack
                    .add_person(&format!("U0NEW{n:02}"), &format!("Member {n}"));
                sandbox.github.add_user(&format!("member-{n}"), 500 + n);
                let issue =
                    json!({"title": format!("Issue of {n}"), "assignees": [format!("member-{n}")]});
                sandbox.github.add_issue(REPO, issue);
            }
        });
    ivan_test(setup, async |ivan| {
        let (config, begun) = (ivan.config_text(), ivan.messages_logged().len());
        for n in 1..=12 {
            let who = member(n);
            let card = ivan.is_told(ANA);
            opens(ivan, &who)
                .answers()
                .await
                .begins("✗ You're not set up yet. I've asked ");
            let card = card.answers().await;
            let welcome = ivan.is_told(&who);
            ivan.presses(ANA, &card, &format!("Add Member {n}"))
                .answers()
                .await
                .begins("✓ Added: ");
            let welcome = welcome.answers().await;
            let dm = ivan.slack().dm(&who);
            ivan.slack().clicks(
                &who,
                &dm,
                &welcome.posted().ts,
                &welcome.action("Link GitHub"),
            );
            let form = ivan.form(1).await;
            let (told, asked) = (ivan.is_told(&who), ivan.is_told(ANA));
            let login = format!("member-{n}");
            assert!(form.submits(&who, &[("account", &login)]).await.is_null());
            let told = told.answers().await;
            asked
                .answers()
                .await
                .begins(&format!("Member {n} wants to link "));
            // The account proves itself: Ivan asks for a code in a comment, or in the bio.
            ivan.github().write_bio(&login, &code_in(&told.text()));
            let news = ivan.is_told(ANA);
            let again = format!("link github {login}");
            let linked = ivan.dm(&who, &again);
            ivan.within("it is linked", linked)
                .await
                .begins("✓ Linked GitHub account ");
            news.answers().await;
            ivan.dm(&who, "current")
                .await
                .mentions(&format!("Issue of {n}"));
        }
        assert_eq!(ivan.config_text(), config, "no file was touched");
        let starts = ivan.messages_logged();
        let starts = starts
            .iter()
            .skip(begun)
            .filter(|line| line.starts_with("started"));
        assert_eq!(starts.count(), 0, "no restart");
    })
    .await;
}

/// The posts to operators do not grow with the workspace, nor the answers with the messages of one stranger.
#[tokio::test]
async fn strangers_cannot_make_ivan_post_without_bound() {
    ivan_test(one_operator(), async |ivan| {
        let card = ivan.is_told(ANA);
        ivan.dm(BO, "list").await;
        card.answers().await;
        let dm = ivan.slack().dm(BO);
        for _ in 1..5 {
            ivan.dm(BO, "list").await.begins("✗ You're not set up yet");
        }
        for n in 0..10 {
            ivan.slack().says(BO, &dm, &format!("message {n}"));
        }
        let all = "SELECT count(*) FROM slack_events WHERE handled_ms IS NULL";
        ivan.within("all are handled", async {
            while ivan.sql::<i64>(all) != 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(ivan.slack().bot_messages(&dm).len(), 5);
    })
    .await;
}

#[tokio::test]
async fn operators_are_introduced_at_the_first_connection() {
    ivan_test(one_operator(), async |ivan| {
        let said = ivan.slack().bot_messages(&ivan.slack().dm(ANA));
        assert_eq!(said.len(), 1);
        let text = shown(&said[0].text);
        for words in [
            "✓ I'm connected to Slack. You get this once, because you are an operator.",
            "copy this into a channel:",
            "When a member of this workspace comes to me, I ask you here whether to add them.",
            "Still missing: 1 person has no ClickUp account linked; 1 person has no GitHub account linked.",
        ] {
            assert!(text.contains(words), "{text}");
        }
        ivan.kill_and_restart().await;
        ivan.dm(ANA, "whoami").await.mentions("ana");
    })
    .await;
}

/// A workspace may have ten thousand members.
#[tokio::test]
async fn operators_are_asked_about_a_hundred_members_at_a_time() {
    ivan_test(one_operator(), async |ivan| {
        let hundred = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
             INSERT INTO arrivals (slack_id, name, came_ms, asked_ms) SELECT 'U0OLD' || i, 'Old', 0, 0 FROM n";
        ivan.store().execute(hundred, []).unwrap();
        ivan.dm(BO, "list").await.replies("✗ You're not set up yet. Ask @U0ANN01 to add you.");
        ivan.logs("operators have not answered about 100 members; they are not asked about further ones").await;
        // Once an operator has answered, the next one is asked about.
        ivan.store()
            .execute("UPDATE arrivals SET answer = 'refused' WHERE slack_id = 'U0OLD1'", [])
            .unwrap();
        let card = ivan.is_told(ANA);
        ivan.dm(BO, "list").await.begins("✗ You're not set up yet. I've asked ");
        card.answers().await;
    })
    .await;
}
