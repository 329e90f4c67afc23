//! Membership fails closed: only an unambiguous answer of Slack's makes a member, and only for a while.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::{Value, json};

use crate::gestures::modals;
use crate::harness::*;

const NOT_CERTAIN: &str = "✗ Slack hasn't told me who you are yet, so nothing changed. Try again in a minute. If it keeps \
                           failing, tell an Ivan operator.";
const NOT_FULL: &str = "✗ I only take commands from full members of this workspace.";
const DOUBT: &str = "users.info is incomplete, so this person may not give commands";

/// Slack's `users.info` answer about Ana, with some fields changed; `"absent"` removes one.
fn ana(changes: Value) -> Value {
    let mut user = json!({"id": ANA, "team_id": "T0TEAM1", "name": "ana", "real_name": "Ana Prieto", "deleted": false,
        "is_bot": false, "is_app_user": false, "is_restricted": false, "is_ultra_restricted": false, "tz": "Europe/Madrid",
        "profile": {"real_name": "Ana Prieto", "display_name": "ana"}});
    for (name, value) in changes.as_object().unwrap() {
        match value == "absent" {
            true => drop(user.as_object_mut().unwrap().remove(name)),
            false => user[name] = value.clone(),
        }
    }
    json!({ "user": user })
}

fn doubts(ivan: &Ivan) -> usize {
    let logged = ivan.messages_logged();
    logged.iter().filter(|line| line.contains(DOUBT)).count()
}

#[rstest]
#[case::empty(json!({"user": {}}))]
#[case::no_user(json!({}))]
#[case::null(json!({"user": null}))]
#[case::several(json!({"user": [{"id": ANA}]}))]
#[case::restricted_by_a_word(ana(json!({"is_restricted": "true"})))]
#[case::deleted_by_a_number(ana(json!({"deleted": 1})))]
#[case::bot_by_a_word(ana(json!({"is_bot": "true"})))]
#[case::stranger_by_a_number(ana(json!({"is_stranger": 1})))]
#[case::single_channel_guest_by_null(ana(json!({"is_ultra_restricted": null})))]
#[case::somebody_else(ana(json!({"id": BO})))]
#[case::no_team(ana(json!({"team_id": "absent"})))]
#[case::teams_by_a_text(ana(json!({"team_id": "T0SISTER", "enterprise_user": {"teams": "T0TEAM1"}})))]
#[case::without_a_flag(ana(json!({"is_restricted": "absent"})))]
#[tokio::test]
async fn a_doubtful_answer_is_refused_logged_once_and_asked_again(#[case] answer: Value) {
    ivan_test(two_tasks().people(), async |ivan| {
        let id = ivan.clickup().task("Renew cert").id().to_owned();
        ivan.slack().answers_about(ANA, Some(answer));
        for typed in [format!("done clickup:{id}"), "create Buy milk".to_owned()] {
            ivan.dm(ANA, &typed).await.replies(NOT_CERTAIN);
        }
        ivan.clickup().task("Renew cert").is("to do");
        assert_eq!(ivan.clickup().tasks().len(), 2);
        assert_eq!(doubts(ivan), 1);
        // Others are unaffected, and she can go on as soon as Slack confirms her.
        ivan.dm(BO, "status").await.begins("Slack: connected");
        ivan.slack().answers_about(ANA, None);
        ivan.dm(ANA, &format!("done clickup:{id}"))
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
    })
    .await;
}

/// Slack's answer clearly excludes her, whichever team it names.
#[rstest]
#[case::stranger(json!({"is_stranger": true}))]
#[case::invited(json!({"is_invited_user": true}))]
#[case::workflow(json!({"is_workflow_bot": true}))]
#[case::of_another_team(json!({"team_id": "T0TEAM9"}))]
#[case::of_sisters_only(json!({"team_id": "E0ORG1", "enterprise_user": {"teams": ["T0SISTER", "T0COUSIN"]}}))]
#[case::who_left_our_workspace(json!({"enterprise_user": {"teams": ["T0SISTER"]}}))]
#[tokio::test]
async fn who_is_certainly_no_member_is_refused_as_such(#[case] changes: Value) {
    ivan_test(two_tasks().people(), async |ivan| {
        ivan.slack().answers_about(ANA, Some(ana(changes)));
        ivan.dm(ANA, "create Buy milk").await.begins(NOT_FULL);
        assert_eq!(ivan.clickup().tasks().len(), 2);
        assert_eq!(doubts(ivan), 0);
    })
    .await;
}

/// Enterprise Grid: an account has a home workspace, and belongs to several.
#[rstest]
#[case::a_sister_is_home(json!({"team_id": "T0SISTER", "teams": ["T0SISTER", "T0TEAM1"]}))]
#[case::the_organisation_is_named(json!({"team_id": "E0ORG1", "teams": ["T0TEAM1"]}))]
#[case::ours_is_home(json!({"teams": ["T0COUSIN", "T0TEAM1", "T0SISTER"]}))]
#[tokio::test]
async fn who_belongs_to_our_workspace_among_others_may_command(#[case] account: Value) {
    ivan_test(two_tasks().people(), async |ivan| {
        ivan.slack().changes(ANA, account);
        ivan.until_all_is_acked().await;
        ivan.dm(ANA, "create Buy milk").await.begins("✓");
        ivan.opens_home(ANA).await;
        // She stays in the organisation, and leaves our workspace.
        ivan.slack().changes(ANA, json!({"teams": ["T0SISTER"]}));
        ivan.until_all_is_acked().await;
        ivan.dm(ANA, "create Buy bread").await.begins(NOT_FULL);
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 1);
        assert!(ivan.clickup().tasks_named("Buy bread").is_empty());
        assert_eq!(doubts(ivan), 0);
    })
    .await;
}

#[tokio::test]
async fn every_surface_refuses_whom_slack_does_not_vouch_for() {
    let setup = Setup::new()
        .people()
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]})]);
    ivan_test(setup, async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        let odd = ana(json!({"is_restricted": "false"}));
        ivan.slack().answers_about(ANA, Some(odd));
        // No remembered answer counts for her either.
        ivan.slack().changes(ANA, json!({}));
        ivan.until_all_is_acked().await;
        ivan.presses(ANA, &card, "Done")
            .settles()
            .await
            .replies(NOT_CERTAIN);
        ivan.signs(ANA, &card, "white_check_mark")
            .settles()
            .await
            .replies(NOT_CERTAIN);
        ivan.says_in("general", ANA, "@ivan done")
            .settles()
            .await
            .replies(NOT_CERTAIN);
        let general = ivan.slack().channel("general");
        assert_eq!(ivan.slash(ANA, &general, "done").await, NOT_CERTAIN);
        let told = ivan.is_told(ANA);
        ivan.slack().shortcut(ANA, "new_task");
        told.answers().await.replies(NOT_CERTAIN);
        assert!(modals(ivan.slack()).is_empty());
        let home = ivan.opens_home(ANA).await;
        assert!(
            home.contains("Slack hasn't told me who you are yet"),
            "{home}"
        );
        assert!(!home.contains("Renew cert"), "{home}");
        ivan.clickup().task("Renew cert").is("to do");
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM operations"), 0);
        assert_eq!(doubts(ivan), 1);
    })
    .await;
}

#[rstest]
#[case::guest(json!({"is_restricted": true}), json!({"is_restricted": false}))]
#[case::single_channel_guest(json!({"is_ultra_restricted": true}), json!({"is_ultra_restricted": false}))]
#[case::of_another_team(json!({"team_id": "T0TEAM9"}), json!({"team_id": "T0TEAM1"}))]
#[tokio::test]
async fn a_change_counts_at_once(#[case] to: Value, #[case] back: Value) {
    ivan_test(two_tasks().people(), async |ivan| {
        ivan.dm(ANA, "create Buy milk").await.begins("✓");
        let dm = ivan.slack().dm(ANA);
        ivan.slack().changes(ANA, to);
        ivan.until_all_is_acked().await;
        // By a message, and by a form that needs no new answer.
        ivan.slack().shortcut(ANA, "new_task");
        ivan.is_told(ANA).answers().await.begins(NOT_FULL);
        assert!(modals(ivan.slack()).is_empty());
        let refused = ivan.is_told(ANA);
        let event = json!({"type": "message", "channel": dm, "channel_type": "im", "user": ANA,
            "text": "create Buy bread", "ts": "1763800000.000901", "event_ts": "1763800000.000901", "team": "T0TEAM1"});
        ivan.slack().send_event(event);
        refused.answers().await.begins(NOT_FULL);
        ivan.slack().changes(ANA, back);
        ivan.until_all_is_acked().await;
        ivan.dm(ANA, "create Buy butter").await.begins("✓");
        assert_eq!(ivan.clickup().tasks_named("Buy bread").len(), 0);
    })
    .await;
}

/// An event without a readable person makes Ivan ask about every person again.
#[rstest]
#[case::user_change(json!({"type": "user_change", "user": {"id": ANA}}))]
#[case::team_join(json!({"type": "team_join", "user": {"id": ANA}}))]
#[case::without_an_id(json!({"type": "user_change", "user": {}}))]
#[case::of_another_shape(json!({"type": "user_change", "user": ANA}))]
#[tokio::test]
async fn an_event_about_a_person_is_heard_in_any_shape(#[case] event: Value) {
    ivan_test(two_tasks().people(), async |ivan| {
        ivan.dm(ANA, "status").await.begins("Slack: connected");
        ivan.slack()
            .changes_silently(ANA, json!({"is_restricted": true}));
        // The answer is valid for a few minutes.
        ivan.dm(ANA, "status").await.begins("Slack: connected");
        ivan.slack().send_event(event);
        ivan.until_all_is_acked().await;
        ivan.dm(ANA, "status").await.begins(NOT_FULL);
        assert_eq!(
            ivan.sql::<i64>("SELECT count(*) FROM slack_events WHERE raw LIKE '%user_change%'"),
            0,
            "nothing of it is kept"
        );
    })
    .await;
}

#[rstest]
#[case::limited(FaultKind::Answer { status: 429, headers: vec![("Retry-After".into(), "1".into())], body: String::new() })]
#[case::broken(FaultKind::Answer { status: 502, headers: vec![], body: String::new() })]
#[case::no_json(FaultKind::Answer { status: 200, headers: vec![], body: "who?".into() })]
#[tokio::test]
async fn no_answer_makes_nobody_a_member_and_the_message_waits(#[case] what: FaultKind) {
    ivan_test(two_tasks().people(), async |ivan| {
        ivan.dm(ANA, "status").await.begins("Slack: connected");
        ivan.slack().changes(ANA, json!({"is_restricted": true}));
        ivan.until_all_is_acked().await;
        let front = ivan.slack().front();
        let asked = front
            .journal()
            .iter()
            .filter(|seen| seen.is("GET", "users.info"))
            .count();
        front.fault(Fault::new(what).on("GET", "users.info"));
        let waits = ivan.says(ANA, "create Buy milk");
        ivan.asks(front, "GET", "users.info", asked + 2).await;
        let told = ivan.is_told(ANA);
        ivan.slack().shortcut(ANA, "new_task");
        told.answers().await.begins("✗");
        assert!(modals(ivan.slack()).is_empty());
        assert_eq!(ivan.clickup().tasks().len(), 2);
        front.clear_faults();
        waits.settles().await.begins(NOT_FULL);
        assert_eq!(ivan.clickup().tasks().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_home_tab_shows_nothing_more_to_somebody_who_became_a_guest() {
    let setup = Setup::new()
        .people()
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]})]);
    ivan_test(setup, async |ivan| {
        let home = ivan.opens_home(ANA).await;
        assert!(home.contains("Renew cert"), "{home}");
        ivan.slack().changes(ANA, json!({"is_restricted": true}));
        ivan.until_all_is_acked().await;
        ivan.clickup()
            .add_task(json!({"name": "A secret", "assignees": [ANA_CLICKUP]}));
        ivan.sync().await;
        ivan.shows_at_home(ANA, "I only take commands from full members")
            .await;
        let home = ivan.at_home(ANA);
        assert!(
            !home.contains("secret") && !home.contains("Renew"),
            "{home}"
        );
    })
    .await;
}

/// Somebody of another team who is named in `slack.allowed_users` may command, but the address proves nothing: another
/// workspace confirmed it.
#[rstest]
#[case::another(json!({"team_id": "T0OTHER"}))]
#[case::a_sister(json!({"team_id": "T0SISTER", "enterprise_user": {"teams": ["T0SISTER"]}}))]
#[tokio::test]
async fn an_address_of_another_team_links_nothing(#[case] changes: Value) {
    let setup = Setup::new()
        .config(
            "slack.allowed_users = [\"*\", \"U0ANN01\"]\n[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"",
        )
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]})]);
    ivan_test(setup, async |ivan| {
        let mut answer = ana(changes);
        answer["user"]["profile"]["email"] = json!("ana@acme.test");
        ivan.slack().answers_about(ANA, Some(answer));
        let who = ivan.dm(ANA, "whoami").await.text();
        assert!(who.contains("ClickUp: not linked"), "{who}");
        ivan.dm(ANA, "link clickup Ana")
            .await
            .begins("✗ Not linked yet.");
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM links"), 0);
    })
    .await;
}

/// A profile's address links an account, so it too has to be confirmed without doubt.
#[rstest]
#[case::confirmed(json!(true), true)]
#[case::only_typed_in(json!(false), false)]
#[case::by_a_word(json!("true"), false)]
#[case::by_null(json!(null), false)]
#[tokio::test]
async fn an_address_links_only_if_it_is_confirmed(#[case] confirmed: Value, #[case] links: bool) {
    let setup = Setup::new()
        .config("[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"")
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]})]);
    ivan_test(setup, async |ivan| {
        let mut answer = ana(json!({ "is_email_confirmed": confirmed }));
        answer["user"]["profile"]["email"] = json!("ana@acme.test");
        ivan.slack().answers_about(ANA, Some(answer));
        let who = ivan.dm(ANA, "whoami").await.text();
        assert_eq!(who.contains("ClickUp: Ana"), links, "{who}");
    })
    .await;
}
