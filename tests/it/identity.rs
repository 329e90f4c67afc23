//! Identity: links from bot.toml, from e-mail addresses and from commands; and the author of each write.

use ivan::sandbox::Sandbox;
use ivan::sandbox::clickup::MentionsAs;
use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

const NOT_LINKED: &str = "I don't know your ClickUp or GitHub account yet, so your queue is empty. Type `link clickup you@example.com` or \
 `link github LOGIN`.";

/// Ana and Bo, known by their Slack ids alone. Their tasks in the sources overlap.
fn strangers_to_the_sources() -> Setup {
    Setup::new()
        .webhooks()
        .config(
            "[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\n\
             [[people]]\nname = \"Bo\"\nslack = \"U0BOB01\"",
        )
        .clickup_tasks([
            json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]}),
            json!({"name": "Pay the rent", "assignees": [BO_CLICKUP]}),
            json!({"name": "Plan the party", "assignees": [ANA_CLICKUP, BO_CLICKUP], "priority": 4}),
        ])
        .github_issues([
            json!({"title": "Login fails", "assignees": ["ana"]}),
            json!({"title": "Update the docs", "assignees": ["bo"]}),
        ])
}

fn without_addresses(sandbox: &Sandbox) {
    sandbox.slack.revoke_scope("users:read.email");
}

#[tokio::test]
async fn a_login_is_linked_and_its_issues_are_in_the_queue_at_once() {
    let setup = strangers_to_the_sources().before(without_addresses);
    ivan_test(setup, async |ivan| {
        let empty = NOT_LINKED;
        ivan.dm(ANA, "list").await.replies(empty);
        ivan.links_by_bio(ANA, "@ANA")
            .await
            .replies("✓ Linked GitHub account ana. 1 open issue is now in your queue.");
        ivan.dm(ANA, "list")
            .await
            .replies("1. Login fails · GitHub acme/widgets#1 · open");
        ivan.dm(BO, "link github ana").await.replies(
            "✗ Not linked: Ana has already linked the GitHub account ana. If it is yours, Ana can `unlink github` first, or ask an Ivan operator.",
        );
        ivan.dm(BO, "list").await.replies(empty);
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.dm(ANA, "unlink github").await.replies(
            "✓ Unlinked GitHub account ana. Its tasks are no longer in your queue. \
             `link github LOGIN` links another.",
        );
        ivan.dm(ANA, "done")
            .await
            .replies(&format!("✗ No current task. {empty}"));
        ivan.github().issue(REPO, 1).is("open");
        ivan.links_by_bio(BO, "ana")
            .await
            .begins("✓ Linked GitHub account ana");
        ivan.kill_and_restart().await;
        ivan.dm(BO, "current").await.mentions("Login fails");
        ivan.dm(ANA, "list").await.replies(empty);
    })
    .await;
}

#[tokio::test]
async fn only_an_account_that_can_work_here_is_linked() {
    let setup = strangers_to_the_sources()
        .before(without_addresses)
        .before(|sandbox| sandbox.github.add_outsider("outside", 77));
    ivan_test(setup, async |ivan| {
        for (typed, why) in [
            (
                "link github nobody-at-all",
                "✗ Not linked: GitHub has no user nobody-at-all that I can see",
            ),
            (
                "link github acme",
                "✗ Not linked: acme is not a person's account in GitHub",
            ),
            (
                "link github outside",
                "✗ Not linked: outside can't be assigned issues in any repository that I follow \
                 (acme/widgets).",
            ),
            (
                "link github a/../b",
                "✗ Not linked: `a/../b` is not a GitHub login",
            ),
            (
                "link clickup Zoe",
                "✗ Not linked: ClickUp has no member `Zoe` in workspace 9001.",
            ),
            ("unlink clickup", "✗ You have no linked ClickUp account."),
        ] {
            let who = if typed.contains("github") { ANA } else { BO };
            ivan.dm(who, typed).await.begins(why);
        }
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM links"), 0);
        let by_himself = |code: &str| {
            ivan.clickup()
                .comment_by("Pay the rent", BO_CLICKUP, code);
        };
        ivan.hook_up();
        ivan.links_by_comment(BO, "link clickup bo@acme.test", by_himself)
            .await
            .replies("✓ Linked ClickUp account Bo: it wrote your code. Its open tasks are in your queue now.");
        ivan.dm(BO, "link clickup Bo")
            .await
            .replies("✓ Linked ClickUp account Bo. 2 open tasks are now in your queue.");
    })
    .await;
}

#[tokio::test]
async fn a_source_that_does_not_answer_links_nobody() {
    let setup = strangers_to_the_sources().before(without_addresses);
    ivan_test(setup, async |ivan| {
        ivan.github()
            .front()
            .fault(Fault::new(FaultKind::Drop).on("GET", "/users/ana"));
        ivan.dm(ANA, "link github ana")
            .await
            .begins("✗ Not linked: GitHub can't confirm the account right now");
        ivan.links_by_bio(ANA, "ana")
            .await
            .begins("✓ Linked GitHub account ana");
        assert_eq!(ivan.sql::<String>("SELECT proof FROM links"), "profile");
    })
    .await;
}

#[tokio::test]
async fn the_same_address_in_slack_and_clickup_is_the_same_person() {
    ivan_test(strangers_to_the_sources(), async |ivan| {
        ivan.dm(ANA, "list").await.replies(
            "1. Renew cert · ClickUp · to do\n\
             2. Plan the party · ClickUp · to do",
        );
        let who = ivan.dm(ANA, "whoami").await;
        who.begins("You are Ana.\nSlack: U0ANN01 (configured)\nClickUp: Ana, found by your Slack e-mail on ");
        who.mentions("GitHub: not linked. Type `link github LOGIN`.");
        // An account that its person unlinked is not linked again.
        ivan.dm(ANA, "unlink clickup").await.begins("✓ Unlinked ClickUp account Ana");
        ivan.dm(ANA, "list").await.replies(NOT_LINKED);
        ivan.dm(ANA, "whoami").await.mentions(", you unlinked it on ");
        // Nobody has it now, but it is not his: his address is another.
        ivan.dm(BO, "link clickup Ana").await.begins("✗ Not linked yet.");
        ivan.dm(BO, "list").await.mentions("1. Pay the rent");
        // Her own address proves that it is hers.
        ivan.dm(ANA, "link clickup Ana").await.begins("✓ Linked ClickUp account Ana");
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM links WHERE proof = 'email'"), 2);
    })
    .await;
}

#[tokio::test]
async fn without_the_scope_nobody_is_found_by_address_and_whoami_says_so() {
    let setup = strangers_to_the_sources().before(without_addresses);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "whoami").await.replies(
            "You are Ana.\nSlack: U0ANN01 (configured)\nClickUp: not linked. Slack does not show me your e-mail. Type \
             `link clickup you@example.com`.\nGitHub: not linked. Type `link github LOGIN`.",
        );
    })
    .await;
}

#[tokio::test]
async fn bot_toml_has_the_last_word_and_names_are_fresh() {
    ivan_test(two_tasks().people(), async |ivan| {
        ivan.dm(ANA, "whoami").await.replies(
            "You are Ana.\nSlack: U0ANN01 (configured)\nClickUp: Ana (configured)\nGitHub: ana (configured)",
        );
        for typed in ["link github bo", "unlink github"] {
            ivan.dm(ANA, typed).await.replies(
                "✗ Your GitHub account (ana) is set in the configuration. Ask an Ivan operator to change it.",
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_account_that_is_gone_is_said_to_be() {
    let setup = two_tasks().config(
        "[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\ngithub = \"left-us\"\nclickup = \"9999\"",
    );
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "whoami").await.replies(
            "You are Ana.\nSlack: U0ANN01 (configured)\nClickUp: 9999 (configured). ✗ I can't find this account in ClickUp any more. Ask an Ivan operator to correct it in the configuration.\nGitHub: left-us (configured). ✗ I can't find this account in GitHub any more. Ask an Ivan operator to correct it in the configuration.",
        );
    })
    .await;
}

#[tokio::test]
async fn without_people_there_is_nobody_to_link() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "whoami")
            .await
            .begins("Everyone here shares one queue of all open tasks");
        ivan.dm(ANA, "link github ana")
            .await
            .begins("✗ Everyone here shares one queue");
        let (status, who) = ivan.http("GET", "/whoami", None).await;
        assert_eq!(
            (status, &who["alone"], &who["accounts"]),
            (200, &json!(true), &json!([]))
        );
    })
    .await;
}

#[tokio::test]
async fn the_api_and_the_command_line_link_too() {
    let setup = strangers_to_the_sources().before(without_addresses);
    ivan_test(setup, async |ivan| {
        let link = ["--as", "Ana", "link", "github", "ana"];
        let asked = ivan.cli(&link).await;
        assert_eq!((asked.exit, asked.out.as_str()), (1, ""));
        ivan.github().write_bio("ana", &code_in(&asked.err));
        let linked = ivan.cli(&link).await;
        ivan.github().write_bio("ana", "");
        assert_eq!(
            linked.out,
            "✓ Linked GitHub account ana. 1 open issue is now in your queue.\n"
        );
        let listed = ivan.cli(&["--as", "ana", "list"]).await;
        assert!(listed.out.starts_with("1. Login fails"), "{}", listed.out);
        let who = ivan.cli(&["--as", "U0ANN01", "whoami"]).await;
        assert!(who.out.starts_with("You are Ana.\n"), "{}", who.out);
        assert!(
            who.out.contains("GitHub: ana, linked by Ana on "),
            "{}",
            who.out
        );
        let whoami = ivan.cli(&["--as", "Ana", "--json", "whoami"]).await;
        let whoami: serde_json::Value = serde_json::from_str(&whoami.out).unwrap();
        let github = &whoami["accounts"][1];
        assert_eq!(github["id"], "31");
        assert_eq!(
            (&github["origin"], &github["linked_by"]),
            (&json!("typed"), &json!("Ana"))
        );
        assert_eq!(whoami["accounts"][0]["origin"], json!(null));
        let refused = ivan.cli(&["--as", "Bo", "link", "github", "ana"]).await;
        assert_eq!(refused.exit, 1);
        assert!(
            refused
                .err
                .contains("Ana has already linked the GitHub account ana"),
            "{}",
            refused.err
        );
        let unlinked = ivan.cli(&["--as", "Ana", "unlink", "github"]).await;
        assert_eq!(unlinked.exit, 0);
        let listed = ivan.cli(&["--as", "Ana", "list"]).await;
        assert_eq!((listed.exit, listed.out), (1, format!("{NOT_LINKED}\n")));
        ivan.github().front().down();
        let unsure = ivan.cli(&["--as", "Ana", "link", "github", "ana"]).await;
        assert_eq!(unsure.exit, 1);
        assert!(
            unsure.err.contains("can't confirm the account"),
            "{}",
            unsure.err
        );
        ivan.github().front().up();
    })
    .await;
}

/// People without the right to command are not looked up and not linked, even if bot.toml names them.
#[tokio::test]
async fn guests_are_linked_to_nothing() {
    let setup =
        strangers_to_the_sources().config("[[people]]\nname = \"Gil\"\nslack = \"U0GST01\"");
    ivan_test(setup, async |ivan| {
        for typed in ["whoami", "link github ana", "list"] {
            let told = ivan.slash(GUEST, &ivan.slack().dm(GUEST), typed).await;
            assert!(
                told.starts_with("✗ I only take commands from full members of this workspace."),
                "{told}"
            );
        }
        let sources = [ivan.github().front(), ivan.clickup().front()];
        let asked = sources.iter().flat_map(|front| front.journal());
        let paths: Vec<String> = asked.map(|seen| seen.path).collect();
        let about_people = |path: &&String| path.contains("/users/") || path.ends_with("/team");
        assert_eq!(paths.iter().find(about_people), None);
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM links"), 0);
    })
    .await;
}

// ---------------------------------------------------------------- authors

#[tokio::test]
async fn what_people_write_bears_their_name_and_what_they_make_is_theirs() {
    ivan_test(two_issues().people(), async |ivan| {
        ivan.dm(ANA, "create Buy milk\ntwo litres")
            .await
            .begins("✓ Task created in ClickUp: Buy milk");
        let milk = ivan.clickup().task("Buy milk").json();
        assert_eq!(milk["assignees"][0]["id"], ANA_CLICKUP);
        assert_eq!(milk["text_content"], "two litres\n\n— Ana\n");
        ivan.dm(ANA, "create Fix login -s github")
            .await
            .replies("✓ Issue created in GitHub: Fix login (acme/widgets#3)");
        assert_eq!(ivan.github().issue(REPO, 3).assignees(), ["ana"]);
        ivan.dm(ANA, "comment on #3: shipped")
            .await
            .begins("✓ Comment added");
        let said = ivan.github().issue(REPO, 3).raw_comments();
        assert!(
            said[0].starts_with("shipped\n\n— Ana\n\n<!-- ivan:op="),
            "{said:?}"
        );
        ivan.dm(ANA, "list").await.mentions("Fix login");
        // The task is not in Bo's queue, and Bo gets no notice.
        ivan.dm(BO, "list")
            .await
            .replies("Your queue is empty: no open tasks are assigned to you.");
        ivan.dm(BO, "create Sweep -a Ana")
            .await
            .begins("✓ Task created");
        ivan.is_told(ANA)
            .answers()
            .await
            .begins("Sweep was assigned to you in ClickUp by Bo, ");
        assert_eq!(
            ivan.clickup().task("Sweep").json()["assignees"][0]["id"],
            ANA_CLICKUP
        );
        ivan.dm(BO, "create Wash up -a nobody")
            .await
            .begins("✓ Task created");
        assert_eq!(
            ivan.clickup().task("Wash up").json()["assignees"],
            json!([])
        );
        ivan.dm(BO, "create Dry -a Zoe")
            .await
            .replies("✗ I don't know `Zoe`. After `-a`, type Ana, Bo or `nobody`.");
    })
    .await;
}

/// A mention in Slack becomes a mention in the source if the person is linked there. Otherwise their name is written,
/// and no stranger of that name is mentioned.
#[tokio::test]
async fn who_is_addressed_is_mentioned_as_the_source_has_them() {
    let setup = two_issues()
        .clickup_tasks([json!({"name": "Renew cert"})])
        .config(
            "outbox.signature = false\n[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\n\
         [[people]]\nname = \"Bo\"\nslack = \"U0BOB01\"\ngithub = \"bo\"\nclickup = \"9999\"",
        );
    ivan_test(setup, async |ivan| {
        let says =
            |text: &'static str| ivan.hears(ANA, move |slack, dm| slack.says_wire(ANA, dm, text));
        says("comment on #1: <@U0BOB01>, ask <@U0ANN01> or @octocat; `@BO` is code, @BO is not")
            .settles()
            .await
            .begins("✓ Comment added");
        let said = ivan.github().issue(REPO, 1).raw_comments();
        assert!(
            said[0].starts_with("@bo, ask Ana or @\u{2060}octocat; `@BO` is code, @bo is not\n"),
            "{said:?}"
        );
        says("create Ask <@U0BOB01> -s github\nfor <@U0BOB01>")
            .settles()
            .await
            .begins("✓ Issue created in GitHub: Ask Bo (");
        assert!(
            ivan.github().issue(REPO, 3).json()["body"]
                .as_str()
                .unwrap()
                .starts_with("for @bo\n")
        );
        says("create Ask them -a <@U0BOB01> -s github")
            .settles()
            .await
            .begins("✓ Issue created");
        assert_eq!(ivan.github().issue(REPO, 4).assignees(), ["bo"]);
        let cert = ivan.clickup().task("Renew cert");
        let text = format!("comment on clickup:{}: <@U0BOB01> knows", cert.id());
        ivan.hears(ANA, |slack, dm| slack.says_wire(ANA, dm, &text))
            .settles()
            .await
            .begins("✓ Comment added");
        cert.has_comments(["Bo knows"]);
    })
    .await;
}

/// ClickUp's own mention notifies them. It is recognized after a lost answer and when it comes back, in each form that
/// ClickUp returns, and can be undone.
#[rstest]
#[case::called(MentionsAs::Called)]
#[case::named(MentionsAs::Named)]
#[case::nothing(MentionsAs::Nothing)]
#[tokio::test]
async fn a_mention_in_clickup_calls_them_once(#[case] way: MentionsAs) {
    let both = json!([ANA_CLICKUP, BO_CLICKUP]);
    let setup = Setup::new()
        .clickup_tasks([json!({"name": "Renew cert", "assignees": both})])
        .webhooks()
        .people();
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        ivan.dm(BO, "current").await.mentions("Renew cert");
        ivan.clickup().shows_mentions(way);
        let cert = ivan.clickup().task("Renew cert");
        let front = ivan.clickup().front();
        front.fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/comment"));
        let text = format!("comment on clickup:{}: <@U0BOB01> knows", cert.id());
        let says = |text: String| ivan.hears(ANA, move |slack, dm| slack.says_wire(ANA, dm, &text));
        says(text)
            .settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        // He gets one notice, and none for the same comment as a change by Ivan.
        let told = ivan.is_told(BO).answers().await;
        told.replies("Ana commented on Renew cert in ClickUp: “@Bo knows”");
        ivan.until_deliveries_are_applied().await;
        ivan.sync().await;
        assert_eq!(
            (cert.mentions(), cert.comments().len()),
            (vec![BO_CLICKUP], 1)
        );
        ivan.dm(ANA, "undo").await.begins("✓ ");
        cert.has_comments([]);
    })
    .await;
}

/// The comment was changed in ClickUp: it mentions another person now.
#[tokio::test]
async fn a_mention_that_was_changed_since_is_not_taken_back() {
    ivan_test(two_tasks().people(), async |ivan| {
        let cert = ivan.clickup().task("Renew cert");
        let text = format!("comment on clickup:{}: <@U0BOB01> knows", cert.id());
        ivan.hears(ANA, |slack, dm| slack.says_wire(ANA, dm, &text))
            .settles()
            .await
            .begins("✓ Comment added");
        let parts = [
            json!({"type": "tag", "user": {"id": ANA_CLICKUP}}),
            json!({"text": " knows\n\n— Ana"}),
        ];
        ivan.clickup()
            .rich_edit_comment(&cert.comment_ids()[0], ANA_CLICKUP, &parts);
        ivan.dm(ANA, "undo")
            .await
            .mentions("the comment was edited");
        assert_eq!(cert.mentions(), [ANA_CLICKUP]);
    })
    .await;
}

/// Mentions by others are read by their names, regardless of the flat text.
#[rstest]
#[case::called(MentionsAs::Called)]
#[case::nothing(MentionsAs::Nothing)]
#[tokio::test]
async fn a_mention_by_somebody_in_clickup_is_told_by_name(#[case] way: MentionsAs) {
    let setup = Setup::new()
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]})])
        .webhooks()
        .people();
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        ivan.clickup().shows_mentions(way);
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let tag = json!({"type": "tag", "user": {"id": ANA_CLICKUP}});
        let parts = [tag, json!({"text": ", <!channel> *now*?"})];
        ivan.clickup()
            .rich_comment_by("Renew cert", BO_CLICKUP, &parts);
        let told = ivan.is_told(ANA).answers().await;
        told.replies("Bo commented on Renew cert in ClickUp: “@Ana, <!channel> ∗now∗?”");
    })
    .await;
}

#[tokio::test]
async fn the_signature_can_be_switched_off() {
    ivan_test(
        two_tasks().config("outbox.signature = false").people(),
        async |ivan| {
            let id = ivan.clickup().task("Renew cert").id().to_owned();
            ivan.dm(ANA, &format!("comment on clickup:{id}: shipped"))
                .await
                .begins("✓ Comment added");
            ivan.clickup().task("Renew cert").has_comments(["shipped"]);
            ivan.dm(ANA, "create Buy milk")
                .await
                .begins("✓ Task created");
            assert_eq!(ivan.clickup().task("Buy milk").json()["description"], "");
        },
    )
    .await;
}

/// The search, the match and the undo use the text as written, name included.
#[tokio::test]
async fn a_signed_comment_and_creation_are_found_after_a_lost_answer_and_taken_back() {
    ivan_test(two_tasks().webhooks().people(), async |ivan| {
        ivan.hook_up();
        let cert = ivan.clickup().task("Renew cert");
        let front = ivan.clickup().front();
        for path in ["/comment", "/list/"] {
            front.fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", path));
        }
        ivan.dm(ANA, &format!("comment on clickup:{}: shipped", cert.id()))
            .await
            .begins("✓ Comment added");
        ivan.dm(BO, "create Buy milk")
            .await
            .begins("✓ Task created");
        cert.has_comments(["shipped\n\n— Ana"]);
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 1);
        ivan.until_deliveries_are_applied().await;
        ivan.dm(ANA, "undo").await.begins("✓ ");
        cert.has_comments([]);
        ivan.dm(BO, "undo").await.begins("✓ ");
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_source_that_does_not_assign_makes_the_task_and_the_answer_says_so() {
    let setup = two_issues()
        .config(
            "[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\ngithub = \"ana\"\nclickup = \"9999\"\n\
             [[people]]\nname = \"Bo\"\nslack = \"U0BOB01\"\ngithub = \"outside\"",
        )
        .before(|sandbox| {
            sandbox.github.add_outsider("outside", 77);
            sandbox.github.permit(REPO, false, false);
        });
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "create Fix login -s github").await.replies(
            "✓ Issue created in GitHub: Fix login (acme/widgets#3). GitHub did not assign it to ana: they have no \
             access to the repository, or I may not assign there.",
        );
        ivan.dm(BO, "create Fix logout -s github").await.begins(
            "✓ Issue created in GitHub: Fix logout (acme/widgets#4). GitHub did not assign it to outside",
        );
        ivan.dm(ANA, "create Buy milk").await.replies(
            "✓ Task created in ClickUp: Buy milk. ClickUp did not assign it to 9999: they have no access to the list.",
        );
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 1);
    })
    .await;
}
