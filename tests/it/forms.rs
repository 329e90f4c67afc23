//! Forms: opened at once from the store, checked while they are open, done once.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::json;

use crate::gestures::*;
use crate::harness::*;

const RANDOM: &str = "C0RND01";
const GENERAL: &str = "C0GEN01";

#[tokio::test]
async fn a_comment_is_written_in_a_form() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        press(ivan, &card, "Comment");
        let form = ivan.form(1).await;
        assert!(form.shows("Renew cert"));
        assert_eq!(
            form.submits(ANA, &[("text", " \n ")]).await,
            json!({"response_action": "errors", "errors": {"text": "A comment needs text."}})
        );
        let answer = ivan.is_told(ANA);
        assert!(form.submits(ANA, &[("text", "two\nlines")]).await.is_null());
        answer
            .settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        ivan.clickup()
            .task("Renew cert")
            .has_comments(["two\nlines"]);
        assert!(modals(ivan.slack()).is_empty(), "it is closed");
    })
    .await;
}

#[tokio::test]
async fn a_comment_form_means_its_card_whatever_is_current() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        press(ivan, &card, "Comment");
        let form = ivan.form(1).await;
        ivan.dm(ANA, "next").await.begins("Next: Write the runbook");
        let answer = ivan.is_told(ANA);
        assert!(form.submits(ANA, &[("text", "shipped")]).await.is_null());
        answer
            .settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
    })
    .await;
}

/// A mistake that is only found after the form closes is reported with all its input.
#[tokio::test]
async fn nothing_that_was_filled_in_is_lost_with_a_refusal() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        press(ivan, &card, "Comment");
        let form = ivan.form(1).await;
        ivan.clickup().delete_task("Renew cert");
        assert_eq!(
            ivan.http("POST", "/sync", Some(json!({"full": true})))
                .await
                .0,
            200
        );
        let answer = ivan.is_told(ANA);
        assert!(form.submits(ANA, &[("text", "two\nlines")]).await.is_null());
        let refused = answer.settles().await;
        refused.begins("✗ ").mentions("You wrote:\ntwo\nlines");
    })
    .await;
}

#[tokio::test]
async fn the_shortcut_opens_a_form_for_a_new_task() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        assert_eq!(form.choices("place"), ["Inbox", "acme/widgets"]);
        assert_eq!(form.holds("place"), "Inbox");
        let answer = ivan.is_told(ANA);
        let fields = [
            ("title", "Fix login"),
            ("description", "It fails"),
            ("place", "repo:acme/widgets"),
            ("entity", "acme"),
        ];
        assert!(form.submits(ANA, &fields).await.is_null());
        answer
            .settles()
            .await
            .replies("✓ Issue created in GitHub: [CLIENT:acme] Fix login (acme/widgets#1)");
        assert!(
            ivan.github().issue(REPO, 1).json()["body"]
                .as_str()
                .unwrap()
                .starts_with("It fails")
        );
    })
    .await;
}

#[rstest]
#[case::no_title(&[("title", "  ")], &["title"])]
#[case::long_title(&[("title", TITLE_OVER), ("place", "repo:acme/widgets")], &["title"])]
#[case::odd_client(&[("title", "x"), ("entity", "a[b]")], &["entity"])]
#[case::nowhere(&[("title", "x"), ("place", "repo:nowhere")], &["place"])]
#[case::all_at_once(&[("title", ""), ("entity", "a,b")], &["title", "entity"])]
#[tokio::test]
async fn a_field_that_is_wrong_is_told_beside_it(
    #[case] fields: &'static [(&'static str, &'static str)],
    #[case] wrong: &'static [&'static str],
) {
    ivan_test(Setup::new(), async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        let told = form.submits(ANA, fields).await;
        assert_eq!(told["response_action"], "errors");
        let errors = told["errors"].as_object().unwrap();
        let mut wrong = wrong.to_vec();
        wrong.sort_unstable();
        assert!(errors.keys().eq(wrong), "{errors:?}");
        assert_eq!(modals(ivan.slack()).len(), 1, "it stays open");
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM slack_events"), 0);
    })
    .await;
}

const TITLE_OVER: &str = "אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי \
    אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי \
    אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי אבגדהוזחטי";

#[tokio::test]
async fn create_alone_opens_the_form_of_its_channel() {
    let setup = Setup::new()
        .config("[[slack.channels]]\nid = \"C0RND01\"\nsource = \"github\"\nentity = \"acme\"");
    ivan_test(setup, async |ivan| {
        ivan.slack().commands(ANA, RANDOM, "/ivan", "create");
        let form = ivan.form(1).await;
        assert_eq!(form.holds("place"), "acme/widgets");
        assert_eq!(form.holds("entity"), "acme");
        // A cleared field is cleared on purpose.
        let fields = [("title", "Fix login"), ("entity", "")];
        assert!(form.submits(ANA, &fields).await.is_null());
        assert_eq!(
            ivan.settles_in(RANDOM, 0).await,
            "✓ Issue created in GitHub: Fix login (acme/widgets#1)"
        );
        assert!(whispers(ivan.slack(), ANA).is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_message_becomes_one_task() {
    ivan_test(Setup::new(), async |ivan| {
        let ts = ivan
            .slack()
            .says(BO, GENERAL, "Login is broken\nask <@U0ANN01> & <!channel>");
        ivan.slack()
            .message_action(ANA, GENERAL, &ts, "create_task");
        let form = ivan.form(1).await;
        assert_eq!(form.holds("title"), "Login is broken");
        ivan.clickup().front().down();
        assert!(
            form.submits(ANA, &[("place", "repo:acme/widgets")])
                .await
                .is_null()
        );
        let made = ivan
            .is_whispered(ANA, 0, |text| text.starts_with('✓'))
            .await;
        assert_eq!(
            made,
            "✓ Issue created in GitHub: Login is broken (acme/widgets#1)"
        );
        let body = ivan.github().issue(REPO, 1).json()["body"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(body.contains("From a message by bo in Slack"), "{body}");
        let link = format!("/archives/{GENERAL}/p{}", ts.replace('.', ""));
        assert!(body.contains(&link), "{body}");
        // Names in the message are names in the issue, and notify no account.
        assert!(
            body.contains("ask @\u{2060}ana & @\u{2060}channel"),
            "{body}"
        );
        // The same message, by another person.
        let before = whispers(ivan.slack(), BO).len();
        ivan.slack().message_action(BO, GENERAL, &ts, "create_task");
        let again = ivan.is_whispered(BO, before, |_| true).await;
        assert!(
            again.starts_with("✓ Already a task: Login is broken"),
            "{again}"
        );
        assert!(modals(ivan.slack()).is_empty());
        ivan.clickup().front().up();
    })
    .await;
}

#[tokio::test]
async fn two_forms_of_one_message_make_one_task() {
    ivan_test(Setup::new(), async |ivan| {
        let ts = ivan.slack().says(BO, GENERAL, "Login is broken");
        ivan.slack()
            .message_action(ANA, GENERAL, &ts, "create_task");
        let first = ivan.form(1).await.view["id"].clone();
        ivan.slack().message_action(BO, GENERAL, &ts, "create_task");
        ivan.form(2).await;
        let forms = modals(ivan.slack());
        let form_of = |mine: bool| {
            let view = forms.iter().find(|view| (view["id"] == first) == mine);
            view.unwrap().clone()
        };
        ivan.clickup().front().down();
        for (who, mine) in [(ANA, true), (BO, false)] {
            let form = Form::of(ivan, form_of(mine));
            assert!(form.submits(who, &[]).await.is_null());
            if mine {
                let asked = "SELECT count(*) FROM made_from";
                ivan.within("it is asked for", async {
                    while ivan.sql::<i64>(asked) == 0 {
                        tokio::task::yield_now().await;
                    }
                })
                .await;
            }
        }
        let being_made = ivan.is_whispered(BO, 0, |_| true).await;
        assert_eq!(
            being_made,
            "… Already creating a task from this message: Login is broken"
        );
        // A third gesture is answered too, without a form.
        ivan.slack().message_action(BO, GENERAL, &ts, "create_task");
        ivan.is_whispered(BO, 1, |text| text.starts_with("… Already creating a task"))
            .await;
        ivan.clickup().front().up();
        ivan.is_whispered(ANA, 0, |text| text.starts_with("✓ Task created"))
            .await;
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM operations"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_message_that_slack_does_not_show_us_still_has_its_address() {
    ivan_test(Setup::new(), async |ivan| {
        let ts = ivan.slack().says(BO, RANDOM, "Login is broken");
        ivan.slack()
            .errors("chat.getPermalink", "channel_not_found", 1);
        ivan.slack().message_action(ANA, RANDOM, &ts, "create_task");
        let form = ivan.form(1).await;
        assert!(
            form.submits(ANA, &[("place", "repo:acme/widgets")])
                .await
                .is_null()
        );
        ivan.is_whispered(ANA, 0, |text| text.starts_with('✓'))
            .await;
        let body = ivan.github().issue(REPO, 1).json()["body"]
            .as_str()
            .unwrap()
            .to_owned();
        let link = format!(".slack.com/archives/{RANDOM}/p{}", ts.replace('.', ""));
        assert!(body.contains(&link), "{body}");
    })
    .await;
}

#[tokio::test]
async fn a_kill_right_after_a_form_closed_loses_nothing() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        let answer = ivan.is_told(ANA);
        let envelope = form.submit(ANA, &[("title", "Call Bo")]);
        ivan.answered(&envelope).await;
        drop(answer);
        ivan.kill_and_restart().await;
        ivan.answer(ANA, 0)
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Call Bo");
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM operations"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_form_that_arrives_twice_is_done_once() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        let answer = ivan.is_told(ANA);
        let envelope = form.submit(ANA, &[("title", "Call Bo")]);
        ivan.slack().repeat(&envelope);
        answer
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Call Bo");
        ivan.until_all_is_acked().await;
        ivan.is_silent_after(ANA, |_, _| {}).await;
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM operations"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_source_that_is_down_holds_up_no_form() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        ivan.clickup()
            .front()
            .fault(Fault::new(FaultKind::Hang).always());
        press(ivan, &card, "Comment");
        let form = ivan.form(1).await;
        let answer = ivan.is_told(ANA);
        assert!(form.submits(ANA, &[("text", "shipped")]).await.is_null());
        let answer = answer.answers().await;
        answer.begins("… Comment on Renew cert");
        ivan.clickup().front().clear_faults();
        ivan.clickup().front().cut();
        answer
            .becomes("✓ Comment added in ClickUp: Renew cert")
            .await;
    })
    .await;
}

#[rstest]
#[case::expired("expired_trigger_id", "✗ The form opened too late")]
#[case::exchanged("exchanged_trigger_id", "✗ The form opened too late")]
#[case::refused("view_too_large", "✗ The form could not be opened")]
#[tokio::test]
async fn a_form_that_does_not_open_is_told_in_the_dm(
    #[case] code: &'static str,
    #[case] told: &'static str,
) {
    ivan_test(two_tasks(), async |ivan| {
        ivan.forgive("cannot open a form");
        ivan.slack().errors("views.open", code, 1);
        let answer = ivan.is_told(ANA);
        ivan.slack().shortcut(ANA, "new_task");
        answer.answers().await.begins(told);
    })
    .await;
}

#[tokio::test]
async fn a_shortcut_that_arrives_twice_opens_one_form() {
    ivan_test(Setup::new(), async |ivan| {
        let envelope = ivan.slack().shortcut(ANA, "new_task");
        ivan.slack().repeat(&envelope);
        ivan.form(1).await;
        ivan.until_all_is_acked().await;
        ivan.is_silent_after(ANA, |_, _| {}).await;
        assert_eq!(modals(ivan.slack()).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn whoever_may_not_act_gets_no_form() {
    ivan_test(two_tasks(), async |ivan| {
        let answer = ivan.is_told(GUEST);
        ivan.slack().shortcut(GUEST, "new_task");
        answer.answers().await.begins("✗ I only take commands");
        assert!(modals(ivan.slack()).is_empty());
        // Not even one that another person has open.
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        let answer = ivan.is_told(GUEST);
        form.submits(GUEST, &[("title", "Mine")]).await;
        answer.answers().await.begins("✗ I only take commands");
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM operations"), 0);
    })
    .await;
}

#[rstest]
#[case::nothing("")]
#[case::no_json("{")]
#[case::of_another_kind(r#"{"comment": {"task": 1, "channel": "D0DM001", "thread": null, "direct": true, "reply": null}}"#)]
#[case::odd_channel(
    r#"{"create": {"channel": "../x", "public": true, "reply": null, "from": null}}"#
)]
#[case::more(
    r#"{"create": {"channel": null, "public": true, "reply": null, "from": null, "as": "Bo"}}"#
)]
#[tokio::test]
async fn a_form_that_is_not_as_we_wrote_it_does_nothing(#[case] note: &'static str) {
    ivan_test(Setup::new(), async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        let mut view = form.view.clone();
        view["private_metadata"] = json!(note);
        view["state"] = json!({"values": {"title": {"title": {"value": "Mine"}},
            "place": {"place": {"selected_option": {"value": "repo:acme/widgets"}}}}});
        let payload = json!({"type": "view_submission", "team": {"id": "T0TEAM1"}, "user": {"id": ANA},
            "trigger_id": "1.2.x", "view": view, "response_urls": []});
        let envelope = ivan
            .slack()
            .send_payload(ivan::sandbox::slack::EnvelopeKind::Interactive, payload);
        let told = ivan.answered(&envelope).await;
        assert!(told["errors"]["title"].as_str().unwrap().starts_with("This form is from an older version"));
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM slack_events"), 0);
    })
    .await;
}

#[tokio::test]
async fn a_store_that_takes_nothing_leaves_the_form_open() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        let held = ivan.holds_the_store();
        let told = form.submits(ANA, &[("title", "Call Bo")]).await;
        let why = told["errors"]["title"].as_str().unwrap();
        assert!(why.starts_with("I'm not sure that was saved"), "{why}");
        drop(held);
        // Submitted again it is the same form.
        let answer = ivan.is_told(ANA);
        assert!(form.submits(ANA, &[("title", "Call Bo")]).await.is_null());
        answer
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Call Bo");
        ivan.is_silent_after(ANA, |_, _| {}).await;
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM operations"), 1);
    })
    .await;
}

#[tokio::test]
async fn titles_of_any_kind_fit_into_their_form() {
    let long = format!("🦀 שלום <!channel> `{}`", "x".repeat(4_000));
    let setup = Setup::new().clickup_tasks([json!({"name": long})]);
    ivan_test(setup, async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        press(ivan, &card, "Comment");
        let form = ivan.form(1).await;
        assert!(form.view["blocks"].to_string().contains("&lt;!channel&gt;"));
        let said = format!("{}\n{}", "שלום 🦀 ".repeat(60), "é".repeat(5_000));
        let ts = ivan.slack().says(BO, GENERAL, &said);
        ivan.slack()
            .message_action(ANA, GENERAL, &ts, "create_task");
        let forms = ivan.slack().until(|slack| modals(slack).len() == 2);
        ivan.within("the second form", forms).await;
        // The bot is in #general, where nothing of this is posted.
        assert!(ivan.slack().bot_messages(GENERAL).is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_whispered_card_is_answered_in_whispers() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slash(ANA, RANDOM, "current").await;
        let ephemeral = |action: &str, trigger: &str| {
            let url = ivan.slack().envelopes();
            let url = url.iter().find_map(|one| one.payload["response_url"].as_str().map(str::to_owned));
            json!({"type": "block_actions", "team": {"id": "T0TEAM1", "domain": "acme"}, "user": {"id": ANA},
                "trigger_id": trigger, "response_url": url, "channel": {"id": RANDOM, "name": "random"},
                "container": {"type": "message", "message_ts": "1763800700.000800", "channel_id": RANDOM,
                    "is_ephemeral": true},
                "actions": [{"type": "button", "action_id": action, "action_ts": "1963800710.000100"}]})
        };
        let key: String = ivan.sql("SELECT source || ':' || source_key FROM tasks WHERE title = 'Renew cert'");
        let interactive = ivan::sandbox::slack::EnvelopeKind::Interactive;
        let trigger = ivan.slack().trigger();
        ivan.slack()
            .send_payload(interactive, ephemeral(&format!("comment:{key}"), &trigger));
        let form = ivan.form(1).await;
        assert!(form.submits(ANA, &[("text", "shipped")]).await.is_null());
        ivan.is_whispered(ANA, 1, |text| text == "✓ Comment added in ClickUp: Renew cert").await;
        ivan.slack()
            .send_payload(interactive, ephemeral(&format!("done:{key}"), "1.2.y"));
        ivan.is_whispered(ANA, 2, |text| text.starts_with("✓ Task completed in ClickUp: Renew cert")).await;
        assert!(ivan.slack().bot_messages(RANDOM).is_empty());
    })
    .await;
}

/// Presses a button that opens a form: no answer is expected yet.
fn press(ivan: &Ivan, on: &Answer<'_>, label: &str) {
    let action = on.action(label);
    let dm = ivan.slack().dm(ANA);
    ivan.slack().clicks(ANA, &dm, &on.ts(), &action);
}

// ------------------------------------------------------------ due dates and assignees

#[tokio::test]
async fn a_task_is_made_with_its_day_and_its_assignee() {
    ivan_test(Setup::new().people(), async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        assert_eq!(
            form.fields(),
            [
                "title",
                "description",
                "place",
                "assignee",
                "due",
                "entity",
                "under"
            ]
        );
        assert_eq!(form.choices("assignee"), ["Ana", "Bo"]);
        let answer = ivan.is_told(ANA);
        let fields = [
            ("title", "Fix login"),
            ("assignee", "Bo"),
            ("due", "2031-12-01"),
        ];
        assert!(form.submits(ANA, &fields).await.is_null());
        let answer = answer.settles().await;
        answer.replies("✓ Task created in ClickUp: Fix login");
        let task = ivan.clickup().task("Fix login");
        assert_eq!(task.json()["assignees"][0]["id"], BO_CLICKUP);
        // 1 December where the token's owner is.
        assert_eq!(task.json()["due_date"], "1953860400000");
        assert_eq!(task.json()["assignees"].as_array().unwrap().len(), 1);
        ivan.is_told(BO)
            .answers()
            .await
            .begins("Fix login was assigned to you in ClickUp by Ana, ");
        ivan.dm(BO, "list")
            .await
            .begins("1. Fix login · ClickUp · to do · due ");
        // The requested state is not a change by others.
        ivan.presses(ANA, &answer, "Undo")
            .settles()
            .await
            .replies("✓ Undone: Fix login was deleted in ClickUp");
    })
    .await;
}

#[tokio::test]
async fn an_issue_is_made_with_its_assignee() {
    ivan_test(Setup::new().people(), async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        let answer = ivan.is_told(ANA);
        let fields = [
            ("title", "Fix login"),
            ("place", "acme/widgets"),
            ("assignee", "Bo"),
        ];
        assert!(form.submits(ANA, &fields).await.is_null());
        let answer = answer.settles().await;
        answer.replies("✓ Issue created in GitHub: Fix login (acme/widgets#1)");
        let issue = ivan.github().issue(REPO, 1);
        assert_eq!(issue.json()["assignees"][0]["login"], "bo");
        ivan.presses(ANA, &answer, "Undo")
            .settles()
            .await
            .replies("✓ Undone: Fix login was closed in GitHub as not planned");
    })
    .await;
}

#[tokio::test]
async fn a_creation_with_day_and_assignee_whose_answer_is_lost_is_made_once() {
    ivan_test(Setup::new().people(), async |ivan| {
        ivan.clickup()
            .front()
            .fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/task"));
        ivan.github()
            .front()
            .fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/issues"));
        for (place, due) in [("Inbox", Some("2031-12-01")), ("acme/widgets", None)] {
            ivan.slack().shortcut(ANA, "new_task");
            let form = ivan.form(1).await;
            let answer = ivan.is_told(ANA);
            let fields = [("title", "Fix login"), ("place", place), ("assignee", "Bo")];
            let fields: Vec<(&str, &str)> = fields
                .into_iter()
                .chain(due.map(|due| ("due", due)))
                .collect();
            assert!(form.submits(ANA, &fields).await.is_null());
            answer.settles().await.mentions("created in ");
        }
        assert_eq!(ivan.clickup().tasks_named("Fix login").len(), 1);
        assert_eq!(ivan.github().issues_titled(REPO, "Fix login").len(), 1);
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: Fix login was closed in GitHub as not planned");
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: Fix login was deleted in ClickUp");
    })
    .await;
}

#[tokio::test]
async fn what_a_source_cannot_have_is_told_beside_its_field() {
    let setup = Setup::new().config(
        "[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\nclickup = \"4242\"\n\
         [[people]]\nname = \"Bo\"\nslack = \"U0BOB01\"",
    );
    ivan_test(setup, async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        // Bo has no account anywhere.
        assert_eq!(form.choices("assignee"), ["Ana"]);
        let fields = [
            ("title", "Fix login"),
            ("place", "acme/widgets"),
            ("assignee", "Ana"),
            ("due", "2031-12-01"),
        ];
        assert_eq!(
            form.submits(ANA, &fields).await,
            json!({"response_action": "errors", "errors": {
                "due": "GitHub issues have no due date. Clear the date, or choose a ClickUp list.",
                "assignee": "I don't know that person's GitHub account, so the task can't be assigned to them. Choose someone else or nobody, or ask an Ivan operator to add the account.",
            }})
        );
        // A value that was not offered cannot come from a form of Ivan's.
        for odd in [("assignee", "2:github"), ("assignee", "x"), ("due", "soon")] {
            let told = form.submits(ANA, &[("title", "Fix login"), odd]).await;
            assert_eq!(told["response_action"], "errors", "{odd:?}: {told}");
        }
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM slack_events"), 0);
        assert!(ivan.clickup().tasks_named("Fix login").is_empty());
    })
    .await;
}

#[tokio::test]
async fn one_person_alone_is_not_asked_who() {
    ivan_test(Setup::new().without_clickup(), async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        // And GitHub alone has no due dates.
        assert_eq!(
            form.fields(),
            ["title", "description", "place", "entity", "under"]
        );
    })
    .await;
}

#[tokio::test]
async fn an_assignee_whom_github_leaves_out_is_told_of() {
    let setup = Setup::new()
        .people()
        .before(|sandbox| sandbox.github.permit(REPO, false, false));
    ivan_test(setup, async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        let answer = ivan.is_told(ANA);
        let fields = [
            ("title", "Fix login"),
            ("place", "acme/widgets"),
            ("assignee", "Bo"),
        ];
        assert!(form.submits(ANA, &fields).await.is_null());
        answer.settles().await.replies(
            "✓ Issue created in GitHub: Fix login (acme/widgets#1). GitHub did not assign it to bo: they have no \
             access to the repository, or I may not assign there.",
        );
    })
    .await;
}

// ------------------------------------------------------------ a part of another task

/// The parent decides on the place, although the form always has one chosen.
#[tokio::test]
async fn a_form_makes_a_part_of_another_task() {
    let setup = Setup::new().work_of_ana();
    ivan_test(setup, async |ivan| {
        let cert = cert(ivan);
        ivan.dm(ANA, "list").await.begins("1. Renew cert");
        for (under, said) in [
            (
                "1",
                "✓ Task created in ClickUp: Write a test, under Renew cert",
            ),
            (
                cert.as_str(),
                "✓ Task created in ClickUp: Write a test, under Renew cert",
            ),
            (
                " #1 ",
                "✓ Issue created in GitHub: Write a test (acme/widgets#3), under Login fails",
            ),
            (
                "https://github.com/acme/widgets/issues/2",
                "✓ Issue created in GitHub: Write a test (acme/widgets#4), under Update the docs",
            ),
        ] {
            ivan.slack().shortcut(ANA, "new_task");
            let form = ivan.form(1).await;
            let answer = ivan.is_told(ANA);
            let fields = [("title", "Write a test"), ("under", under)];
            assert!(form.submits(ANA, &fields).await.is_null(), "{under}");
            answer.settles().await.begins(said);
        }
        assert_eq!(ivan.github().issue(REPO, 3).parent(), Some(1));
        assert_eq!(ivan.github().issue(REPO, 4).parent(), Some(2));
        let parts = ivan.clickup().tasks_named("Write a test");
        let id = cert.trim_start_matches("clickup:");
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|part| part["parent"] == id), "{parts:?}");
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        ivan.github().issue(REPO, 4).is("closed");
    })
    .await;
}

/// The fields, and the field of the error with its begin.
#[rstest]
#[case::no_task(&[("under", "soon")], "under", "“soon” is not a task. Type a number of your list, ")]
#[case::no_list_yet(&[("under", "1")], "under", "")]
#[case::not_there(&[("under", "#99")], "under", "")]
#[case::finished(&[("under", "#2")], "under", "Update the docs is closed in GitHub, so nothing was created under it.")]
#[case::of_another_person(&[("under", "#3")], "under", "")]
#[case::no_due_dates_there(&[("under", "#1"), ("due", "2031-12-01")], "due", "GitHub issues have no due date.")]
#[case::no_account_there(&[("under", "#1"), ("assignee", "Cem")], "assignee", "I don't know Cem's GitHub account")]
#[case::long_title(&[("under", "#1"), ("title", TITLE_OVER)], "title", "")]
#[tokio::test]
async fn a_parent_that_does_not_fit_is_told_beside_its_field(
    #[case] fields: &'static [(&'static str, &'static str)],
    #[case] field: &str,
    #[case] begin: &str,
) {
    let setup = Setup::new()
        .config("access.tasks = \"own\"")
        .work_of_ana()
        .config("[[people]]\nname = \"Cem\"\nslack = \"U0CEM01\"\nclickup = \"4244\"")
        .github_issues([json!({"title": "Of Bo", "assignees": ["bo"], "user": "bo"})]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "done #2").await.begins("✓ Issue closed");
        let before = ivan.sql::<i64>("SELECT count(*) FROM slack_events");
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        let mut filled = vec![("title", "Odd")];
        filled.retain(|(name, _)| !fields.iter().any(|(other, _)| other == name));
        filled.extend(fields);
        let told = form.submits(ANA, &filled).await;
        assert_eq!(told["response_action"], "errors", "{told}");
        let errors = told["errors"].as_object().unwrap();
        assert!(errors.keys().eq([field]), "{told}");
        let why = errors[field].as_str().unwrap();
        assert!(why.starts_with(begin) && !why.contains("Of Bo"), "{why}");
        assert_eq!(modals(ivan.slack()).len(), 1, "it stays open");
        let after = ivan.sql::<i64>("SELECT count(*) FROM slack_events");
        assert_eq!(after, before);
        // Mended, it is the same form.
        let answer = ivan.is_told(ANA);
        let mended = [("title", "Even"), ("under", "#1")];
        assert!(form.submits(ANA, &mended).await.is_null());
        answer
            .settles()
            .await
            .begins("✓ Issue created in GitHub: Even (acme/widgets#4), under Login fails");
    })
    .await;
}

/// Its parent was finished since, so that the errors would be shown: but it is the form from before.
#[tokio::test]
async fn a_form_with_a_parent_that_arrives_twice_makes_one_task() {
    ivan_test(Setup::new().work_of_ana(), async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        let answer = ivan.is_told(ANA);
        let envelope = form.submit(ANA, &[("title", "Write a test"), ("under", "#1")]);
        answer
            .settles()
            .await
            .begins("✓ Issue created in GitHub: Write a test (acme/widgets#3), under Login fails");
        ivan.dm(ANA, "done #1").await.begins("✓ Issue closed");
        ivan.slack().repeat(&envelope);
        ivan.until_all_is_acked().await;
        ivan.is_silent_after(ANA, |_, _| {}).await;
        assert_eq!(ivan.github().issues_titled(REPO, "Write a test").len(), 1);
    })
    .await;
}

/// The error would name a task.
#[tokio::test]
async fn whoever_may_not_act_is_told_nothing_of_a_parent() {
    ivan_test(two_issues(), async |ivan| {
        ivan.dm(ANA, "done #1").await.begins("✓ Issue closed");
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        let answer = ivan.is_told(GUEST);
        let fields = [("title", "Mine"), ("under", "#1")];
        assert!(form.submits(GUEST, &fields).await.is_null());
        answer.answers().await.begins("✗ I only take commands");
        assert_eq!(ivan.github().issues_titled(REPO, "Mine").len(), 0);
    })
    .await;
}
