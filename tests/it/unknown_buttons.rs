//! Buttons that this version does not have: from an older version, or from a newer one before a downgrade.

use ivan::sandbox::slack::EnvelopeKind;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

const RANDOM: &str = "C0RND01";
const TOLD: &str = "✗ That button is from an older version. Type `current`.";

/// Ana presses a button `dance:7` there.
fn press(ivan: &Ivan, place: &Value) {
    let mut payload = json!({"type": "block_actions", "team": {"id": "T0TEAM1", "domain": "acme"}, "user": {"id": ANA},
        "trigger_id": ivan.slack().trigger(),
        "actions": [{"type": "button", "action_id": "dance:7", "action_ts": "1963800710.000100"}]});
    for (field, value) in place.as_object().unwrap() {
        payload[field] = value.clone();
    }
    ivan.slack()
        .send_payload(EnvelopeKind::Interactive, payload);
}

#[tokio::test]
async fn a_button_that_is_not_known_any_more_is_answered() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        let dm = ivan.slack().dm(ANA);
        let told = ivan.is_told(ANA);
        press(
            ivan,
            &json!({"channel": {"id": dm, "name": "directmessage"},
                "container": {"type": "message", "message_ts": card.ts(), "channel_id": dm, "is_ephemeral": false}}),
        );
        told.settles().await.replies(TOLD);
    })
    .await;
}

#[rstest]
#[case::a_row("done:1")]
#[case::a_row_of_next("next:1")]
#[case::a_row_of_snooze("snooze:1")]
#[case::a_row_of_a_comment("comment:1")]
#[case::a_row_of_a_command("undo:1")]
#[case::a_key_of_no_source("done:jira:1")]
#[case::no_key("done:clickup:")]
#[case::half_a_key("done:github:4711")]
#[case::a_key_of_nothing_here("done:clickup:86nothere")]
#[case::next_of_nothing_here("next:clickup:86nothere")]
#[case::no_command_of_ours("undo:01ARZ3NDEKTSV4RRFFQ69G5FAV")]
#[case::use_that_one_of_no_command_of_ours("instead:01ARZ3NDEKTSV4RRFFQ69G5FAV:clickup:86nothere")]
#[case::use_that_one_of_a_row("instead:1:clickup:86nothere")]
#[case::use_that_one_without_a_task("instead:01ARZ3NDEKTSV4RRFFQ69G5FAV")]
#[case::use_that_one_of_no_source("instead:01ARZ3NDEKTSV4RRFFQ69G5FAV:jira:1")]
#[case::an_operation_in_lower_case("undo:01arz3ndektsv4rrffq69g5fav")]
#[tokio::test]
async fn one_that_names_a_row_or_nothing_of_ours_changes_nothing(#[case] action: &'static str) {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "comment nearly").await;
        let wrote = || {
            let seen = ivan.clickup().front().journal().into_iter();
            seen.filter(|one| one.method != "GET").count()
        };
        let (dm, before) = (ivan.slack().dm(ANA), wrote());
        let told = ivan.is_told(ANA);
        press(
            ivan,
            &json!({"channel": {"id": dm, "name": "directmessage"},
                "container": {"type": "message", "message_ts": card.ts(), "channel_id": dm, "is_ephemeral": false},
                "actions": [{"type": "button", "action_id": action, "action_ts": "1963800710.000100"}]}),
        );
        told.settles().await.replies(TOLD);
        assert_eq!(wrote(), before);
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM snoozes"), 0);
    })
    .await;
}

#[tokio::test]
async fn one_at_home_is_answered_in_the_dm() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.opens_home(ANA).await;
        let told = ivan.is_told(ANA);
        press(
            ivan,
            &json!({"container": {"type": "view", "view_id": "V0HOMEU0ANN01"},
                "view": {"id": "V0HOMEU0ANN01", "type": "home", "callback_id": ""}}),
        );
        told.settles().await.replies(TOLD);
    })
    .await;
}

#[tokio::test]
async fn one_that_only_one_person_sees_is_answered_so() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slash(ANA, RANDOM, "current").await;
        let envelopes = ivan.slack().envelopes();
        let url = envelopes
            .iter()
            .find_map(|one| one.payload["response_url"].as_str())
            .unwrap();
        press(
            ivan,
            &json!({"response_url": url, "channel": {"id": RANDOM, "name": "random"},
                "container": {"type": "message", "message_ts": "1763800700.000800", "channel_id": RANDOM,
                    "is_ephemeral": true}}),
        );
        ivan.is_whispered(ANA, 1, |text| text == TOLD).await;
        assert!(ivan.slack().bot_messages(RANDOM).is_empty());
    })
    .await;
}

#[rstest]
#[case::in_a_form(json!({"container": {"type": "view", "view_id": "V0MODAL1"},
    "view": {"id": "V0MODAL1", "type": "modal", "callback_id": "ivan_create"}}), "dance:7")]
#[case::a_link(json!({"container": {"type": "view", "view_id": "V0HOMEU0ANN01"},
    "view": {"id": "V0HOMEU0ANN01", "type": "home", "callback_id": ""}}), "open:")]
#[tokio::test]
async fn what_asks_for_nothing_is_not_answered(#[case] place: Value, #[case] action: &'static str) {
    ivan_test(two_tasks(), async |ivan| {
        ivan.is_silent_after(ANA, |_, _| {
            let mut place = place.clone();
            place["actions"] =
                json!([{"type": "button", "action_id": action, "action_ts": "1963800710.000100"}]);
            press(ivan, &place);
        })
        .await;
    })
    .await;
}
