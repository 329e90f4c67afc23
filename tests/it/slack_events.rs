//! Slack's events in all their forms: only a person's new message acts, and once (docs/contracts/slack.md#redelivery, docs/contracts/slack.md#messages, docs/contracts/slack.md#text).

use ivan::sandbox::fault_server::{Fault, FaultKind};
use ivan::sandbox::slack::{Envelope, EnvelopeKind, SandboxSlack};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

const MILK: &str = "create Buy milk";
const MADE: &str = "✓ Task created in ClickUp: Buy milk";

/// The message was acted on once, with any copies still on their way.
async fn one_milk_is_bought(ivan: &Ivan) {
    ivan.until_all_is_acked().await;
    there_is_one_milk(ivan).await;
}

/// An effect of a second copy would be visible before the answer to a later question of the same person.
async fn there_is_one_milk(ivan: &Ivan) {
    ivan.dm(ANA, "status").await;
    ivan.until_nothing_is_queued().await;
    assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 1);
}

/// The first answer in Ana's DM reports the creation.
fn ana_was_told(ivan: &Ivan) {
    let said = ivan.slack().bot_messages(&ivan.slack().dm(ANA));
    assert_eq!(
        said.first().map(|said| shown(&said.text)).as_deref(),
        Some(MADE)
    );
}

/// Slack repeats unacknowledged events, and gets its acknowledgements.
async fn slack_tries_again(ivan: &Ivan) {
    ivan.slack().redeliver_unacked();
    let acked = ivan.slack().until(|slack| slack.unacked().is_empty());
    ivan.within("it is acknowledged after all", acked).await;
}

/// The number of stored messages.
fn kept(ivan: &Ivan) -> i64 {
    ivan.store()
        .query_row("SELECT count(*) FROM slack_events", [], |row| row.get(0))
        .unwrap()
}

/// A `done` as if Ana had just typed it, with some fields changed; null removes one.
fn done_with(slack: &SandboxSlack, changes: Value) -> Value {
    let dm = slack.dm(ANA);
    let mut event = json!({"type": "message", "channel": dm, "channel_type": "im", "user": ANA, "team": "T0TEAM1",
        "text": "done"});
    let now = ivan::sandbox::now();
    event["ts"] = json!(format!("{}.{:03}999", now / 1_000, now % 1_000));
    event["event_ts"] = event["ts"].clone();
    for (name, value) in changes.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

// ---------------------------------------------------------------- the same again

#[rstest]
#[case::message_first(false)]
#[case::mention_first(true)]
#[tokio::test]
async fn a_mention_arrives_as_two_events_and_acts_once(#[case] mention_first: bool) {
    ivan_test(Setup::new(), async |ivan| {
        ivan.slack().mention_first(mention_first);
        ivan.says_in("general", ANA, "@ivan create Buy milk")
            .settles()
            .await
            .replies(MADE);
        let of_ana = |envelope: &Envelope| envelope.payload["event"]["user"] == ANA;
        let twins = ivan.slack().envelopes().into_iter().filter(of_ana).count();
        assert_eq!(twins, 2);
        one_milk_is_bought(ivan).await;
        let general = ivan.slack().channel("general");
        assert_eq!(ivan.slack().bot_messages(&general).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn one_gesture_that_arrives_as_two_messages_acts_once() {
    ivan_test(Setup::new(), async |ivan| {
        let asked = ivan.says(ANA, MILK);
        let ts = asked.ts.clone();
        asked.settles().await.replies(MADE);
        let dm = ivan.slack().dm(ANA);
        let mut again = ivan.slack().events_of(&dm, &ts).remove(0);
        assert!(again["client_msg_id"].is_string());
        again["ts"] = json!("1763800000.000100");
        again["event_ts"] = again["ts"].clone();
        ivan.slack().send_event(again);
        one_milk_is_bought(ivan).await;
    })
    .await;
}

#[rstest]
#[case::as_a_retry(|slack: &SandboxSlack, sent: &Envelope| slack.redeliver(&sent.id))]
#[case::as_it_was(|slack: &SandboxSlack, sent: &Envelope| slack.repeat(&sent.id))]
#[case::in_another_envelope(|slack: &SandboxSlack, sent: &Envelope| {
    slack.send_payload(EnvelopeKind::EventsApi, sent.payload.clone());
})]
#[tokio::test]
async fn a_message_that_is_sent_again_acts_once(#[case] again: fn(&SandboxSlack, &Envelope)) {
    ivan_test(Setup::new(), async |ivan| {
        ivan.dm(ANA, MILK).await.replies(MADE);
        ivan.until_all_is_acked().await;
        let sent = ivan.slack().envelopes().remove(0);
        again(ivan.slack(), &sent);
        one_milk_is_bought(ivan).await;
        // What a kill leaves unacknowledged is not acknowledged before Slack sends it again.
        ivan.until_all_is_acked().await;
        ivan.kill_and_restart().await;
        again(ivan.slack(), &sent);
        one_milk_is_bought(ivan).await;
    })
    .await;
}

#[tokio::test]
async fn a_crash_between_commit_and_acknowledgement_costs_nothing() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.slack().lose_acks(true);
        let _ = ivan.says(ANA, MILK);
        let acted = ivan.clickup().front().until(|journal| {
            journal
                .iter()
                .any(|seen| seen.applied && seen.method == "POST")
        });
        ivan.within("it acts", acted).await;
        ivan.kill().await;
        assert_eq!(
            ivan.slack().envelopes().first().map(|sent| sent.acked),
            Some(false)
        );
        ivan.slack().lose_acks(false);
        ivan.start().await;
        slack_tries_again(ivan).await;
        there_is_one_milk(ivan).await;
        ana_was_told(ivan);
    })
    .await;
}

#[tokio::test]
async fn a_crash_before_the_commit_costs_nothing() {
    ivan_test(Setup::new(), async |ivan| {
        let busy = ivan.store();
        busy.execute_batch("BEGIN IMMEDIATE").unwrap();
        ivan.slack().time_scale(0.1);
        let _ = ivan.says(ANA, MILK);
        // Slack waits for the acknowledgement in vain, and sends it again.
        let again = ivan.slack().until(|slack| {
            let sent = slack.envelopes().remove(0);
            assert!(!sent.acked, "acknowledged before it was committed");
            sent.attempt > 0
        });
        ivan.within("it is sent again", again).await;
        ivan.kill().await;
        drop(busy);
        assert_eq!(kept(ivan), 0);
        ivan.start().await;
        slack_tries_again(ivan).await;
        there_is_one_milk(ivan).await;
        ana_was_told(ivan);
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_first_seen_at_its_last_retry_acts() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.slack().time_scale(0.001);
        ivan.slack().lose_next(3);
        ivan.dm(ANA, MILK).await.replies(MADE);
        let sent = ivan.slack().envelopes().remove(0);
        assert_eq!((sent.attempt, sent.links.len()), (3, 1));
    })
    .await;
}

// ---------------------------------------------------------------- events that do not act

#[tokio::test]
async fn only_a_new_message_of_a_person_acts() {
    ivan_test(two_tasks(), async |ivan| {
        let asked = ivan.says(ANA, "current");
        let ts = asked.ts.clone();
        asked.settles().await.mentions("Renew cert");
        let at = |changes: Value| {
            move |slack: &SandboxSlack, _: &str| {
                slack.send_event(done_with(slack, changes.clone()));
            }
        };
        type Happens = Box<dyn Fn(&SandboxSlack, &str)>;
        let happenings: Vec<(&str, Happens)> = vec![
            (
                "our own answer",
                Box::new(at(
                    json!({"user": "U0BOT01", "bot_id": "B0BOT01", "app_id": "A0APP1",
                "bot_profile": {"id": "B0BOT01", "app_id": "A0APP1", "name": "ivan"}}),
                )),
            ),
            ("our own user", Box::new(at(json!({"user": "U0BOT01"})))),
            (
                "another bot",
                Box::new(|slack, dm| slack.other_bot_says(dm, "ci", "done")),
            ),
            (
                "another bot without a subtype",
                Box::new(at(json!({"bot_id": "B0OTHER", "app_id": "A0OTHER"}))),
            ),
            ("Slackbot", Box::new(at(json!({"user": "USLACKBOT"})))),
            ("nobody", Box::new(at(json!({"user": null})))),
            (
                "an edit",
                Box::new({
                    let ts = ts.clone();
                    move |slack, dm| slack.edits(ANA, dm, &ts, "done")
                }),
            ),
            (
                "an unfurl",
                Box::new({
                    let ts = ts.clone();
                    move |slack, dm| slack.unfurls(dm, &ts, "https://example.test")
                }),
            ),
            (
                "a deletion",
                Box::new(move |slack, dm| slack.deletes(dm, &ts)),
            ),
            ("hidden", Box::new(at(json!({"hidden": true})))),
            ("a join", Box::new(at(json!({"subtype": "channel_join"})))),
            ("a leave", Box::new(at(json!({"subtype": "channel_leave"})))),
            ("a topic", Box::new(at(json!({"subtype": "channel_topic"})))),
            ("/me", Box::new(at(json!({"subtype": "me_message"})))),
            (
                "a thread that got a reply",
                Box::new(at(json!({"subtype": "message_replied"}))),
            ),
            ("a tombstone", Box::new(at(json!({"subtype": "tombstone"})))),
            (
                "a huddle",
                Box::new(at(json!({"subtype": "huddle_thread"}))),
            ),
            (
                "a subtype of next year",
                Box::new(at(json!({"subtype": "hologram"}))),
            ),
            (
                "a reaction",
                Box::new(at(
                    json!({"type": "reaction_added", "reaction": "white_check_mark"}),
                )),
            ),
            (
                "a tab",
                Box::new(|slack, _| {
                    slack.opens_tab(ANA, "messages");
                }),
            ),
            (
                "a type of next year",
                Box::new(at(json!({"type": "hologram"}))),
            ),
        ];
        // The first opening of the tab is answered with a welcome.
        let welcome = ivan.is_told(ANA);
        ivan.slack().opens_tab(ANA, "messages");
        welcome.answers().await;
        let dm = ivan.slack().dm(ANA);
        for (what, happens) in happenings {
            ivan.until_all_is_acked().await;
            let (kept_before, sent_before) = (kept(ivan), ivan.slack().envelopes().len());
            happens(ivan.slack(), &dm);
            assert!(
                ivan.slack().envelopes().len() > sent_before,
                "{what} was sent"
            );
            ivan.until_all_is_acked().await;
            assert_eq!(kept(ivan), kept_before, "{what} was heard");
        }
        ivan.is_silent_after(ANA, |_, _| {}).await;
        ivan.clickup().task("Renew cert").is("to do");
    })
    .await;
}

#[tokio::test]
async fn talk_in_a_channel_that_is_not_for_us_is_not_stored() {
    ivan_test(Setup::new(), async |ivan| {
        let general = ivan.slack().channel("general");
        let talk = ivan
            .slack()
            .says(BO, &general, "the password is zebra-one, done");
        ivan.slack()
            .says_in_thread(BO, &general, &talk, "no, <@U0ANN01>, it is zebra-two");
        ivan.slack()
            .broadcasts(BO, &general, &talk, "or zebra-three");
        ivan.until_all_is_acked().await;
        // The same search does find a command to Ivan.
        ivan.says_in("general", BO, "create Feed zebra-four")
            .settles()
            .await;
        let mut files = String::new();
        for file in std::fs::read_dir(ivan.folder()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            files.push_str(&String::from_utf8_lossy(&bytes));
        }
        files.push_str(&ivan.log());
        for (word, found) in [
            ("zebra-one", false),
            ("zebra-two", false),
            ("zebra-three", false),
            ("zebra-four", true),
        ] {
            assert_eq!(files.contains(word), found, "{word}");
        }
        assert_eq!(kept(ivan), 1);
        assert_eq!(ivan.slack().bot_messages(&general).len(), 1);
    })
    .await;
}

// ---------------------------------------------------------------- events that act

#[tokio::test]
async fn a_message_with_a_file_acts() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.hears(ANA, |slack, dm| {
            slack.shares_file(ANA, dm, "shot.png", MILK)
        })
        .settles()
        .await
        .replies(&format!(
            "{MADE}, with a link to shot.png (it opens for people who can see it in Slack). shot.png is attached in \
             ClickUp, too."
        ));
    })
    .await;
}

#[tokio::test]
async fn a_reply_that_also_goes_to_the_channel_acts_and_is_answered_in_its_thread() {
    ivan_test(Setup::new(), async |ivan| {
        let general = ivan.slack().channel("general");
        let root = ivan.slack().says(BO, &general, "we are out of milk");
        ivan.slack().broadcasts(ANA, &general, &root, MILK);
        let answered = ivan.slack().until(|slack| {
            slack
                .replies_to(&general, &root)
                .iter()
                .any(|said| shown(&said.text) == MADE)
        });
        ivan.within("it is answered in the thread", answered).await;
        one_milk_is_bought(ivan).await;
        assert_eq!(ivan.slack().bot_messages(&general).len(), 1);
    })
    .await;
}

#[rstest]
#[case::spaces_that_do_not_break("create\u{a0}Buy\u{a0}oat milk", "Buy oat milk")]
#[case::a_phone("create “Don’t panic” —source clickup", "Don’t panic")]
#[case::entities_once("create Replace &amp;lt; by &lt; &amp; co", "Replace &lt; by < & co")]
#[case::a_bare_domain("create Read <http://foo.rs|foo.rs> now", "Read foo.rs now")]
#[case::emoji("create Ship it :tada:", "Ship it :tada:")]
#[case::bold("*create* Buy milk", "Buy milk")]
#[case::a_mention_before("<@U0BOT01>: create Buy milk", "Buy milk")]
#[tokio::test]
async fn a_title_is_what_the_person_typed(#[case] wire: &str, #[case] title: &str) {
    ivan_test(Setup::new(), async |ivan| {
        ivan.hears(ANA, |slack, dm| slack.says_wire(ANA, dm, wire))
            .settles()
            .await
            .replies(&format!("✓ Task created in ClickUp: {title}"));
        assert_eq!(ivan.clickup().tasks_named(title).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_bold_done_is_done_and_a_comment_keeps_its_own_characters() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.hears(ANA, |slack, dm| {
            slack.says_wire(
                ANA,
                dm,
                "comment “It’s”\u{a0}<http://foo.rs|foo.rs> &lt;3 :tada: — *now*",
            )
        })
        .settles()
        .await
        .mentions("✓");
        ivan.clickup()
            .task("Renew cert")
            .has_comments(["“It’s”\u{a0}foo.rs <3 :tada: — *now*"]);
        ivan.hears(ANA, |slack, dm| {
            slack.says_wire(ANA, dm, "\u{200b}*Done*!\u{a0}")
        })
        .settles()
        .await
        .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
    })
    .await;
}

// ---------------------------------------------------------------- odd frames

#[tokio::test]
async fn frames_that_nobody_expects_break_nothing() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let slack = ivan.slack();
        let link = slack.link_ids();
        slack.send_raw(r#"{"envelope_id":"unknown-1","type":"hologram","payload":{"event":{"type":"message"}}}"#);
        slack.send_raw(r#"{"envelope_id":"unknown-2","payload":null}"#);
        slack.send_raw(r#"{"type":"hologram"}"#);
        slack.send_raw("not json");
        slack.send_raw("[]");
        slack.send_raw(r#"{"envelope_id":7,"type":["events_api"],"payload":"?"}"#);
        slack.send_raw(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)));
        slack.send_binary(&[0, 159, 146, 150]);
        slack.send_payload(EnvelopeKind::EventsApi, json!({"token": "x", "team_id": "T0TEAM1", "type": "app_rate_limited",
            "minute_rate_limited": 1_763_800_000, "api_app_id": "A0APP1"}));
        slack.send_payload(EnvelopeKind::EventsApi, json!({"type": "event_callback"}));
        slack.send_payload(EnvelopeKind::EventsApi, Value::Null);
        ivan.until_all_is_acked().await;
        let acked = slack.until(|slack| slack.strays().len() == 2);
        ivan.within("unknown envelopes are acknowledged", acked).await;
        assert_eq!(
            slack.strays(),
            [r#"{"envelope_id":"unknown-1"}"#, r#"{"envelope_id":"unknown-2"}"#]
        );
        ivan.is_silent_after(ANA, |_, _| {}).await;
        ivan.clickup().task("Renew cert").is("to do");
        assert_eq!(slack.link_ids(), link, "the link was not even renewed");
    })
    .await;
}

#[rstest]
#[case::no_team(|payload: &mut Value| {
    for name in ["team_id", "context_team_id"] {
        payload[name] = Value::Null;
    }
    payload["authorizations"][0]["team_id"] = Value::Null;
})]
#[case::blocks_of_next_year(|payload: &mut Value| {
    payload["event"]["blocks"] = json!([{"type": "hologram", "elements": 3}, 7]);
    payload["event"]["files"] = json!([{"id": 7, "url_private": ""}]);
    payload["event"]["attachments"] = json!([{"id": "one"}]);
    payload["event"]["metadata"] = json!({"event_type": "x", "event_payload": {"n": 7}});
    payload["hologram"] = json!({"a": [{}]});
})]
#[case::nothing_but_the_message(|payload: &mut Value| {
    *payload = json!({"type": "event_callback", "event": payload["event"]});
})]
#[tokio::test]
async fn a_message_is_read_whatever_surrounds_it(#[case] change: fn(&mut Value)) {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.hears(ANA, |slack, _| {
            let event = done_with(slack, json!({}));
            let ts = event["ts"].as_str().unwrap().to_owned();
            let mut payload = slack.wrapped(event);
            change(&mut payload);
            slack.send_payload(EnvelopeKind::EventsApi, payload);
            ts
        })
        .settles()
        .await
        .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
    })
    .await;
}

// ---------------------------------------------------------------- answers

#[rstest]
#[case::an_error_of_slack(FaultKind::ApplyThenAnswer { status: 500, headers: Vec::new(), body: "oops".to_owned() })]
#[case::a_proxy(FaultKind::ApplyThenAnswer { status: 502, headers: Vec::new(), body: "<html>".to_owned() })]
#[case::no_answer(FaultKind::ApplyThenDrop)]
#[tokio::test]
async fn an_answer_whose_posting_is_unclear_is_posted_once(#[case] what: FaultKind) {
    ivan_test(two_tasks(), async |ivan| {
        let fault = Fault::new(what).on("POST", "/api/chat.postMessage");
        ivan.slack().front().fault(fault);
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        // The next answer is behind it, and its task was shown: `done` is about it.
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
    })
    .await;
}

#[tokio::test]
async fn a_pause_in_one_channel_keeps_its_order_and_delays_no_other() {
    ivan_test(two_tasks(), async |ivan| {
        let ana = ivan.slack().dm(ANA);
        // Long enough for Bo's answer on a busy machine.
        ivan.slack().limits("chat.postMessage", 4, 1);
        let first = ivan.says(ANA, "help");
        let refused = ivan
            .slack()
            .front()
            .until(|journal| journal.iter().any(|seen| seen.status == Some(429)));
        ivan.within("Slack asks for a pause", refused).await;
        let second = ivan.says(ANA, "status");
        ivan.dm(BO, "current").await.mentions("Renew cert");
        // By their places in the conversation.
        first.settles().await.mentions("comment");
        second.settles().await.mentions("Slack: connected");
        let journal = ivan.slack().front().journal();
        let posts: Vec<(&str, i64)> = journal
            .iter()
            .filter(|seen| seen.path == "/api/chat.postMessage")
            .map(|seen| {
                (
                    if seen.body.contains(&ana) {
                        "Ana"
                    } else {
                        "Bo"
                    },
                    seen.at_ms,
                )
            })
            .collect();
        let order: Vec<&str> = posts.iter().map(|(whose, _)| *whose).collect();
        assert_eq!(order, ["Ana", "Bo", "Ana", "Ana"], "{posts:?}");
        assert!(
            posts[2].1 - posts[0].1 >= 4_000,
            "the pause was not kept: {posts:?}"
        );
    })
    .await;
}
