//! The link to Slack and its failures (docs/contracts/slack.md#opening-a-connection): no event is lost or acts twice, and the link recovers.
//!
//! Scenarios that take Slack's own time (10 s for an open that hangs, 35 s for a dead link) use the room itself, which
//! runs in the test's process with every limit shortened.
//!
//! The scenarios of docs/contracts/slack.md#disconnects-and-several-connections and their tests; without a file, in this one:
//!
//! | | scenario | test |
//! |---|---|---|
//! | 1 | acknowledged while the worker is stuck | `what_is_typed_is_acknowledged_in_time_while_its_source_is_stuck`, `an_envelope_whose_work_is_stuck_holds_up_nobody_else` |
//! | 2 | killed after the commit, before the acknowledgement | `slack_events.rs`: `a_crash_between_commit_and_acknowledgement_costs_nothing` |
//! | 3 | killed before the commit | `slack_events.rs`: `a_crash_before_the_commit_costs_nothing` |
//! | 4 | `warning`, then events on the old link | `a_refreshed_link_serves_on_beside_the_new_one`, `a_refreshed_link_serves_until_the_new_one_has_said_hello` |
//! | 5 | `disconnect` right behind an event | `what_comes_right_before_a_disconnect_is_acknowledged` |
//! | 6 | no pong, no pings, half-open: a new link within 45 s | `a_link_that_has_fallen_silent_is_dead_and_what_went_there_comes_again`, `nothing_that_hangs_is_waited_for_longer_than_agreed` |
//! | 7 | open or upgrade hangs: the next attempt within 15 s | `an_attempt_that_comes_to_nothing_is_followed_by_the_next`, `nothing_that_hangs_is_waited_for_longer_than_agreed` |
//! | 8 | a 429 on open | `a_pause_that_slack_asks_for_before_a_link_is_kept` |
//! | 9 | `invalid_auth`: alarm, slow retry | `a_refused_token_is_tried_again_until_it_works`, `a_refused_token_is_an_alarm_that_everybody_can_see` |
//! | 10 | `too_many_websockets`: no hot loop | `where_ten_others_are_connected_we_wait_until_there_is_room`, `a_link_that_slack_forbids_is_opened_again_after_a_while` |
//! | 11 | `message` and `app_mention` twins in both orders | `slack_events.rs`: `a_mention_arrives_as_two_events_and_acts_once` |
//! | 12 | one `client_msg_id`, two `ts` | `slack_events.rs`: `one_gesture_that_arrives_as_two_messages_acts_once` |
//! | 13 | own message, other bot, edit, deletion, join, unfurl | `slack_events.rs`: `only_a_new_message_of_a_person_acts` |
//! | 14 | spaces, quotes, entities, links, marks, emoji, mention | `slack_events.rs`: `a_title_is_what_the_person_typed`, `a_bold_done_is_done_and_a_comment_keeps_its_own_characters` |
//! | 15 | unknown envelope and block, null team, `app_rate_limited`, no JSON, binary | `slack_events.rs`: `frames_that_nobody_expects_break_nothing`, `a_message_is_read_whatever_surrounds_it` |
//! | 16 | a post that fails after it was applied | `slack_events.rs`: `an_answer_whose_posting_is_unclear_is_posted_once`; `p7_honest.rs`: `a_reply_whose_answer_is_lost_is_posted_once` |
//! | 17 | a 429 for a channel keeps its order | `slack_events.rs`: `a_pause_in_one_channel_keeps_its_order_and_delays_no_other` |
//! | 18 | a trigger that is too old | `slack_refuses.rs`: `every_way_to_a_form_tells_when_its_trigger_is_over` |
//! | 19 | `already_reacted` | `receipts.rs`: `a_reaction_that_stands_there_already_is_a_success` |
//! | 20 | first seen at its last retry | `slack_events.rs`: `a_message_that_is_first_seen_at_its_last_retry_acts` |
//! | 21 | a long outage: history, and nothing twice | `what_was_typed_in_a_long_outage_of_the_link_is_read_from_the_history_and_acts_once`; `recovery.rs`: `what_was_typed_while_nobody_listened_is_acted_on_once`, `old_commands_are_listed_once_and_not_acted_on` |
//! | 22 | one TLS connection | `tls.rs`: `every_client_of_the_daemon_speaks_tls` |

use std::collections::BTreeSet;
use std::time::Duration;

use ivan::clock::Clock;
use ivan::commands::{CommandSettings, Commands, SlackHealth};
use ivan::domain::person::AllowedUsers;
use ivan::domain::task::Source;
use ivan::mailbox::{Mailbox, MailboxSettings};
use ivan::sandbox::Seed;
use ivan::sandbox::fault_server::{Fault, FaultKind};
use ivan::sandbox::slack::{SandboxEvent, SandboxSlack};
use ivan::slack::{SlackError, SlackSettings, SlackToken, Timings};
use ivan::store::{Store, StoreSettings, people};
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_tungstenite::connect_async;
use tokio_util::sync::CancellationToken;

use crate::harness::*;

const MILK: &str = "create Buy milk";

/// The answer about a new task of that name.
fn made(title: &str) -> String {
    format!("✓ Task created in ClickUp: {title}")
}

fn is_made_once(ivan: &Ivan, title: &str) {
    assert_eq!(ivan.clickup().tasks_named(title).len(), 1, "{title}");
}

// ---------------------------------------------------------------- acknowledgements

#[tokio::test]
async fn what_is_typed_is_acknowledged_in_time_while_its_source_is_stuck() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.clickup()
            .front()
            .fault(Fault::new(FaultKind::Hang).always());
        let (done, comment) = (ivan.says(ANA, "done"), ivan.says(BO, "comment on 1: x"));
        let stuck = ivan.clickup().front().until(|journal| {
            journal
                .iter()
                .any(|seen| !seen.done && seen.path.contains("/task/"))
        });
        ivan.within("the source is asked", stuck).await;
        let behind = ivan.says(BO, "help");
        ivan.until_all_is_acked().await;
        ivan.all_was_acked_in_time();
        comment
            .settles()
            .await
            .mentions("✗ You haven't seen a list yet");
        behind.settles().await.mentions("comment");
        ivan.clickup().front().clear_faults();
        ivan.clickup().front().cut();
        done.settles()
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
    })
    .await;
}

#[tokio::test]
async fn an_envelope_whose_work_is_stuck_holds_up_nobody_else() {
    ivan_test(two_tasks(), async |ivan| {
        // Slack never says who Ana is.
        let fault = Fault::new(FaultKind::Hang).on("GET", "/api/users.info");
        ivan.slack().front().fault(fault);
        let stuck = ivan.says(ANA, "current");
        let asked = ivan
            .slack()
            .front()
            .until(|journal| journal.iter().any(|seen| seen.is("GET", "/api/users.info")));
        ivan.within("Slack is asked who Ana is", asked).await;
        ivan.dm(BO, "current").await.mentions("Renew cert");
        ivan.until_all_is_acked().await;
        ivan.all_was_acked_in_time();
        let ana = ivan.slack().dm(ANA);
        assert!(ivan.slack().bot_messages(&ana).is_empty());
        ivan.slack().front().cut();
        stuck.settles().await.mentions("Renew cert");
    })
    .await;
}

// ---------------------------------------------------------------- links that end

#[rstest]
#[case("warning")]
#[case("refresh_requested")]
#[tokio::test]
async fn a_refreshed_link_serves_on_beside_the_new_one(#[case] reason: &str) {
    ivan_test(Setup::new(), async |ivan| {
        let slack = ivan.slack();
        slack.disconnect(reason);
        ivan.within(
            "the next link is up",
            slack.until(|slack| slack.links() == 2),
        )
        .await;
        let [old, new] = slack.link_ids()[..] else {
            panic!("{:?}", slack.link_ids())
        };
        for (link, who) in [(old, ANA), (new, BO)] {
            slack.route_to(Some(link));
            let title = format!("Errand {link}");
            let asked = ivan.says(who, &format!("create {title}"));
            asked.settles().await.replies(&made(&title));
        }
        // Each a second time, on the other link.
        ivan.until_all_is_acked().await;
        let typed = |who: &str| {
            let mut sent = slack.envelopes();
            sent.retain(|sent| sent.payload["event"]["user"] == who);
            sent.remove(0)
        };
        for (link, who) in [(new, ANA), (old, BO)] {
            slack.route_to(Some(link));
            slack.redeliver(&typed(who).id);
        }
        ivan.until_all_is_acked().await;
        for who in [ANA, BO] {
            let sent = typed(who);
            let acks = slack.acks();
            let on: Vec<u64> = acks
                .iter()
                .filter(|ack| ack.envelope_id == sent.id)
                .map(|ack| ack.link)
                .collect();
            assert_eq!(
                on, sent.links,
                "each is acknowledged on the link that it came on"
            );
            ivan.dm(who, "status").await;
        }
        ivan.until_nothing_is_queued().await;
        is_made_once(ivan, "Errand 1");
        is_made_once(ivan, "Errand 2");
    })
    .await;
}

#[tokio::test]
async fn a_refreshed_link_serves_until_the_new_one_has_said_hello() {
    ivan_test(Setup::new(), async |ivan| {
        let slack = ivan.slack();
        slack.say_hello(false);
        slack.disconnect("warning");
        ivan.within(
            "the next link is there",
            slack.until(|slack| slack.links() == 2),
        )
        .await;
        slack.route_to(slack.link_ids().first().copied());
        ivan.dm(ANA, "create Errand").await.replies(&made("Errand"));
        let (status, ready) = ivan.http("GET", "/readyz", None).await;
        assert_eq!(status, 200, "{ready}");
    })
    .await;
}

#[rstest]
#[case("warning")]
#[case("refresh_requested")]
#[tokio::test]
async fn what_comes_right_before_a_disconnect_is_acknowledged(#[case] reason: &str) {
    ivan_test(Setup::new(), async |ivan| {
        let slack = ivan.slack();
        let asked: Vec<Asked> = [(ANA, 1), (BO, 2), (ANA, 3), (BO, 4), (ANA, 5), (BO, 6)]
            .into_iter()
            .map(|(who, number)| ivan.says(who, &format!("create Errand {number}")))
            .collect();
        slack.disconnect(reason);
        ivan.until_all_is_acked().await;
        let acks = slack.acks();
        assert!(
            acks.iter().take(6).all(|ack| ack.counts && ack.link == 1),
            "{acks:#?}"
        );
        for (number, asked) in (1..).zip(asked) {
            asked
                .settles()
                .await
                .replies(&made(&format!("Errand {number}")));
            is_made_once(ivan, &format!("Errand {number}"));
        }
    })
    .await;
}

#[rstest]
#[case::cut(|slack: &SandboxSlack| slack.cut())]
#[case::close_frame(|slack: &SandboxSlack| slack.close_frame())]
#[case::close_frame_and_no_more(|slack: &SandboxSlack| {
    slack.leave_tcp_open(true);
    slack.close_frame();
})]
#[tokio::test]
async fn a_link_that_ends_without_a_word_is_replaced_at_once(#[case] ends: fn(&SandboxSlack)) {
    ivan_test(Setup::new(), async |ivan| {
        let slack = ivan.slack();
        // Slack's waits are shortened to a hundredth: unacknowledged events come again soon.
        slack.time_scale(0.01);
        let asked = ivan.says(ANA, "create Errand");
        ends(slack);
        ivan.within(
            "a new link is up",
            slack.until(|slack| slack.link_ids().contains(&2)),
        )
        .await;
        let acked = slack.until(|slack| slack.unacked().is_empty());
        ivan.within("all is acknowledged", acked).await;
        asked.settles().await.replies(&made("Errand"));
        ivan.dm(ANA, "create Another")
            .await
            .replies(&made("Another"));
        is_made_once(ivan, "Errand");
    })
    .await;
}

#[tokio::test]
async fn what_is_typed_while_nobody_is_connected_comes_as_a_retry_and_acts() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.stop().await;
        ivan.slack().time_scale(0.01);
        ivan.slack().lose_next(1);
        let _ = ivan.says(ANA, "create Errand");
        ivan.start().await;
        let acked = ivan.slack().until(|slack| slack.unacked().is_empty());
        ivan.within("it is acknowledged", acked).await;
        ivan.dm(ANA, "create Another")
            .await
            .replies(&made("Another"));
        is_made_once(ivan, "Errand");
    })
    .await;
}

/// The daemon runs on, and Slack is unreachable for longer than it repeats events. Late repetitions follow the history.
#[tokio::test]
async fn what_was_typed_in_a_long_outage_of_the_link_is_read_from_the_history_and_acts_once() {
    let world = two_tasks().config("slack.catch_up_after = \"1s\"");
    ivan_test(world, async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.until_all_is_acked().await;
        let slack = ivan.slack();
        let unavailable =
            Fault::new(FaultKind::answer(503, "")).on("POST", "apps.connections.open");
        slack.front().fault(unavailable.always());
        slack.lose_next(100);
        slack.cut();
        let gone = slack.until(|slack| slack.links() == 0);
        ivan.within("the link is gone", gone).await;
        let went = ivan::sandbox::now();
        let asked = [
            ivan.says(ANA, "comment its way"),
            ivan.says(ANA, "done"),
            ivan.says(ANA, MILK),
        ];
        // A second stands for a longer time here.
        let tried = slack.front().until(|seen| {
            let mut opens = seen.iter().filter(|one| one.is("POST", "connections.open"));
            opens
                .next_back()
                .is_some_and(|last| last.at_ms >= went + 1_100)
        });
        ivan.within("the outage has lasted", tried).await;
        slack.front().clear_faults();
        for (asked, said) in asked.into_iter().zip([
            "✓ Comment added in ClickUp: Renew cert",
            "✓ Task completed in ClickUp: Renew cert. Next: Write the runbook",
            &made("Buy milk"),
        ]) {
            asked.settles().await.replies(said);
        }
        // Now Slack's repetitions arrive as well.
        ivan.until_there_is_a_link().await;
        slack.lose_next(0);
        slack.redeliver_unacked();
        ivan.acknowledges().await;
        ivan.dm(ANA, "status").await;
        ivan.until_nothing_is_queued().await;
        let cert = ivan.clickup().task("Renew cert");
        cert.is("complete").has_comments(["its way"]);
        ivan.clickup().task("Write the runbook").is("to do");
        is_made_once(ivan, "Buy milk");
    })
    .await;
}

// ---------------------------------------------------------------- alarms

#[tokio::test]
async fn an_outage_is_logged_once_and_not_at_each_attempt() {
    let setup = two_tasks().set("log.level", "\"debug\"");
    ivan_test(setup, async |ivan| {
        ivan.slack().front().down();
        ivan.slack().cut();
        ivan.logs_times("still not connected to Slack", 3).await;
        let log = ivan.log();
        let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
        let told: Vec<String> = lines
            .filter(|line: &Value| line["level"] == "WARN")
            .filter(|line| line["fields"]["message"] == "not connected to Slack; retrying")
            .map(|line| line["fields"]["error"].to_string())
            .collect();
        let reasons: BTreeSet<&String> = told.iter().collect();
        assert!(!told.is_empty(), "{log}");
        assert_eq!(
            told.len(),
            reasons.len(),
            "a reason was told twice: {told:#?}"
        );
        ivan.slack().front().up();
        ivan.logs("Slack connected after failures").await;
    })
    .await;
}

#[tokio::test]
async fn a_refused_token_is_an_alarm_that_everybody_can_see() {
    ivan_test(two_tasks(), async |ivan| {
        let (status, ready) = ivan.http("GET", "/readyz", None).await;
        assert_eq!(
            (status, &ready["slack"]),
            (200, &"connected".into()),
            "{ready}"
        );
        ivan.forgive("cannot connect to Slack");
        ivan.slack().refuse_tokens(Some("token_revoked"));
        ivan.slack().cut();
        ivan.logs("cannot connect to Slack").await;
        let (status, ready) = ivan.http("GET", "/readyz", None).await;
        assert_eq!(status, 503, "{ready}");
        assert!(
            ready["detail"]
                .as_str()
                .unwrap()
                .contains("Slack is not connected"),
            "{ready}"
        );
        let status = ivan.cli(&["status"]).await.out;
        assert!(
            status.contains(
                "✗ Slack rejected apps.connections.open: token_revoked; create a new token"
            ),
            "{status}"
        );
        // The other surfaces work.
        assert_eq!(ivan.cli(&["current"]).await.exit, 0);
        let ran = ivan.cli(&["done"]).await;
        assert_eq!(ran.exit, 0, "{ran:?}");
        ivan.clickup().task("Renew cert").is("complete");
    })
    .await;
}

// ---------------------------------------------------------------- the room, with every limit shortened

/// The pause between two attempts.
const SHORT: Duration = Duration::from_millis(200);
/// The time limit of an attempt: one that does not hang takes less on a busy machine.
const LIMIT: Duration = Duration::from_secs(2);
/// Longer than any wait here on a busy machine.
const LONG: Duration = Duration::from_secs(60);

fn short() -> Timings {
    Timings {
        open_limit: LIMIT,
        upgrade_limit: LIMIT,
        hello_limit: LIMIT,
        retry_first: Duration::from_millis(10),
        retry_max: Duration::from_millis(50),
        alarm_retry: SHORT,
        crowded_retry: SHORT,
        settled: Duration::ZERO,
        close_limit: Duration::from_millis(100),
        ..Timings::default()
    }
}

/// Slack's room with a mailbox and a store of its own.
struct Room {
    slack: SandboxSlack,
    commands: Commands,
    stop: CancellationToken,
    running: JoinHandle<Result<(), SlackError>>,
    _folder: TempDir,
}

/// Runs the room against a Slack from the first connection on, and ends it properly.
async fn room_test(slack: SandboxSlack, timings: Timings, story: impl AsyncFnOnce(&Room)) {
    let _took = Took::begin();
    // The client is made for https as well.
    let _ = client();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap();
    store.write(|tx| people::configure(tx, &[])).await.unwrap();
    let settings = CommandSettings {
        slack: true,
        ..CommandSettings::new(Source::ClickUp)
    };
    let commands = Commands::new(store.clone(), settings, Vec::new(), Clock::system());
    let mailbox = Mailbox::new(
        store,
        commands.clone(),
        // Of several messages that are refused, only the first is answered.
        MailboxSettings {
            allowed_users: AllowedUsers::every_member(),
            ..MailboxSettings::default()
        },
        Clock::system(),
    );
    let (stop, settled) = (CancellationToken::new(), CancellationToken::new());
    settled.cancel();
    let settings = SlackSettings {
        app_token: SlackToken::new(slack.app_token()),
        bot_token: SlackToken::new(slack.bot_token()),
        api_url: slack.api_url(),
        choices: Default::default(),
        catch_up_after: Duration::from_secs(300),
        store_dir: None,
        singleton_dir: Some(folder.path().to_owned()),
        timings,
    };
    let running = tokio::spawn(ivan::slack::run(
        settings,
        mailbox,
        Clock::system(),
        stop.clone(),
        (CancellationToken::new(), settled),
    ));
    let room = Room {
        slack,
        commands,
        stop,
        running,
        _folder: folder,
    };
    story(&room).await;
    room.stop.cancel();
    let ended = tokio::time::timeout(LONG, room.running)
        .await
        .expect("it ends")
        .unwrap();
    assert_eq!(ended, Ok(()));
    room.slack.close().await;
}

async fn slack() -> SandboxSlack {
    SandboxSlack::start(&Seed::empty().slack).await.unwrap()
}

impl Room {
    async fn within<T>(&self, what: &str, event: impl Future<Output = T>) -> T {
        match tokio::time::timeout(LONG, event).await {
            Ok(value) => value,
            Err(_) => panic!(
                "not within {LONG:?}: {what}; {:?}",
                self.commands.health().await.slack
            ),
        }
    }

    /// Waits until the known state of the link satisfies `is`.
    async fn becomes(&self, is: impl Fn(&SlackHealth) -> bool) -> SlackHealth {
        let asked = async {
            loop {
                // Each read of the store takes a moment, so this loop is not hot.
                match self.commands.health().await.slack {
                    Some(health) if is(&health) => return health,
                    _ => {}
                }
            }
        };
        self.within("the health", asked).await
    }

    async fn trouble(&self) -> String {
        match self
            .becomes(|health| matches!(health, SlackHealth::Trouble(_)))
            .await
        {
            SlackHealth::Trouble(why) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Requests for a link's address: the time in milliseconds, and the status of the answer.
    fn opens(&self) -> Vec<(i64, Option<u16>)> {
        let journal = self.slack.front().journal();
        let opens = journal
            .iter()
            .filter(|seen| seen.path == "/api/apps.connections.open");
        opens.map(|seen| (seen.at_ms, seen.status)).collect()
    }

    /// Ana sends it, and gets one answer.
    async fn answers(&self, text: &str) {
        let dm = self.slack.dm(ANA);
        let before = self.slack.bot_messages(&dm).len();
        self.slack.says(ANA, &dm, text);
        self.answered(before + 1).await;
    }

    async fn answered(&self, times: usize) {
        let dm = self.slack.dm(ANA);
        let answered = self
            .slack
            .until(|slack| slack.unacked().is_empty() && slack.bot_messages(&dm).len() >= times);
        self.within("an answer", answered).await;
        assert_eq!(self.slack.bot_messages(&dm).len(), times);
    }
}

/// The real values of the limits that the tests below shorten are short enough (docs/contracts/slack.md#pings-and-time-outs).
#[test]
fn nothing_that_hangs_is_waited_for_longer_than_agreed() {
    let limits = Timings::default();
    let jitter = Duration::from_secs(1);
    let next_attempt = limits.retry_first + jitter;
    for hangs in [limits.open_limit, limits.upgrade_limit, limits.hello_limit] {
        assert!(hangs + next_attempt <= Duration::from_secs(15), "{hangs:?}");
    }
    assert!(limits.ping_every * 2 < limits.dead_after);
    assert!(limits.dead_after + next_attempt <= Duration::from_secs(45));
}

#[rstest]
#[case::open_hangs("POST", "/api/apps.connections.open", FaultKind::Hang)]
#[case::open_breaks("POST", "/api/apps.connections.open", FaultKind::Drop)]
#[case::open_fails("POST", "/api/apps.connections.open", FaultKind::answer(500, "oops"))]
#[case::open_says_something_else(
    "POST",
    "/api/apps.connections.open",
    FaultKind::answer(200, r#"{"ok":true,"url":"https://x"}"#)
)]
#[case::upgrade_hangs("GET", "/link/", FaultKind::Hang)]
#[case::upgrade_breaks("GET", "/link/", FaultKind::Drop)]
#[case::upgrade_too_late("GET", "/link/", FaultKind::answer(408, ""))]
#[case::upgrade_in_conflict("GET", "/link/", FaultKind::answer(409, ""))]
#[case::who_am_i_fails("GET", "/api/auth.test", FaultKind::answer(503, "oops"))]
#[tokio::test]
async fn an_attempt_that_comes_to_nothing_is_followed_by_the_next(
    #[case] method: &str,
    #[case] path: &str,
    #[case] what: FaultKind,
) {
    let slack = slack().await;
    slack
        .front()
        .fault(Fault::new(what).on(method, path).times(2));
    room_test(slack, short(), async |room| {
        room.becomes(|health| *health == SlackHealth::Connected)
            .await;
        let asked = room.slack.front().journal();
        let asked = asked.iter().filter(|seen| seen.is(method, path)).count();
        assert_eq!(asked, 3);
        if path == "/link/" {
            assert_eq!(
                room.opens().len(),
                3,
                "each attempt has an address of its own"
            );
        }
        room.answers("help").await;
    })
    .await;
}

#[tokio::test]
async fn a_link_without_a_hello_is_given_up() {
    let slack = slack().await;
    slack.say_hello(false);
    room_test(slack, short(), async |room| {
        let why = room.trouble().await;
        assert!(why.contains("no hello"), "{why}");
        room.slack.say_hello(true);
        room.becomes(|health| *health == SlackHealth::Connected)
            .await;
        room.answers("help").await;
        room.within(
            "the others are closed",
            room.slack.until(|slack| slack.links() == 1),
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_link_that_has_fallen_silent_is_dead_and_what_went_there_comes_again() {
    let slack = slack().await;
    slack.ping_every(Duration::from_millis(50));
    let timings = Timings {
        ping_every: Duration::from_millis(50),
        dead_after: Duration::from_secs(3),
        ..short()
    };
    room_test(slack, timings, async |room| {
        room.becomes(|health| *health == SlackHealth::Connected)
            .await;
        room.answers("help").await;
        let ghost = room.slack.link_ids()[0];
        room.slack.half_open();
        room.slack.says(ANA, &room.slack.dm(ANA), "status");
        let replaced = room.slack.until(|slack| slack.links() == 2);
        room.within("the link is replaced", replaced).await;
        // Slack has noticed too, and sends its unacknowledged events over the live link.
        room.slack.cut_link(ghost);
        let gone = room.slack.until(|slack| !slack.link_ids().contains(&ghost));
        room.within("the ghost is gone", gone).await;
        room.slack.redeliver_unacked();
        room.answered(2).await;
    })
    .await;
}

#[tokio::test]
async fn a_pause_that_slack_asks_for_before_a_link_is_kept() {
    let slack = slack().await;
    slack.limits("apps.connections.open", 1, 1);
    room_test(slack, short(), async |room| {
        let why = room.trouble().await;
        assert!(why.contains("rate limit"), "{why}");
        room.becomes(|health| *health == SlackHealth::Connected)
            .await;
        let opens = room.opens();
        assert_eq!(
            opens.iter().map(|open| open.1).collect::<Vec<_>>(),
            [Some(429), Some(200)]
        );
        assert!(opens[1].0 - opens[0].0 >= 1_000, "{opens:?}");
    })
    .await;
}

#[rstest]
#[case::of_the_app("apps.connections.open", "slack.app_token")]
#[case::of_the_bot("auth.test", "slack.bot_token")]
#[tokio::test]
async fn a_refused_token_is_tried_again_until_it_works(#[case] method: &str, #[case] remedy: &str) {
    let slack = slack().await;
    slack.errors(method, "invalid_auth", 3);
    room_test(slack, short(), async |room| {
        let why = room.trouble().await;
        assert!(
            why.contains("invalid_auth") && why.contains(remedy),
            "{why}"
        );
        room.becomes(|health| *health == SlackHealth::Connected)
            .await;
        let journal = room.slack.front().journal();
        let at: Vec<i64> = journal
            .iter()
            .filter(|seen| seen.path.ends_with(method))
            // The scopes are asked for afterwards, by POST.
            .filter(|seen| !seen.is("POST", "auth.test"))
            .map(|seen| seen.at_ms)
            .collect();
        assert_eq!(at.len(), 4);
        assert!(
            at.windows(2).all(|pair| pair[1] - pair[0] >= 200),
            "slowly: {at:?}"
        );
        room.answers("help").await;
    })
    .await;
}

#[tokio::test]
async fn where_ten_others_are_connected_we_wait_until_there_is_room() {
    let slack = slack().await;
    let mut others = Vec::new();
    for _ in 0..10 {
        let opened = client()
            .post(format!("{}/apps.connections.open", slack.api_url()))
            .bearer_auth(slack.app_token())
            .send()
            .await
            .unwrap();
        let opened: serde_json::Value = opened.json().await.unwrap();
        others.push(
            connect_async(opened["url"].as_str().unwrap())
                .await
                .unwrap(),
        );
    }
    slack.until(|slack| slack.links() == 10).await;
    let before = slack.front().journal().len();
    room_test(slack, short(), async |room| {
        let why = room.trouble().await;
        assert!(
            why.contains("too_many_websockets") && why.contains("other daemons"),
            "{why}"
        );
        let third = room.slack.front().until(|journal| {
            journal
                .iter()
                .skip(before)
                .filter(|seen| seen.path == "/link/")
                .count()
                >= 3
        });
        room.within("a third attempt", third).await;
        let opens: Vec<i64> = room.opens().iter().skip(10).map(|open| open.0).collect();
        assert!(
            opens.windows(2).all(|pair| pair[1] - pair[0] >= 200),
            "no hurry: {opens:?}"
        );
        others.clear();
        room.becomes(|health| *health == SlackHealth::Connected)
            .await;
        room.slack.until(|slack| slack.links() == 1).await;
        room.answers("help").await;
    })
    .await;
}

#[rstest]
#[case("link_disabled", "Socket Mode")]
#[case("too_many_websockets", "other daemons")]
#[tokio::test]
async fn a_link_that_slack_forbids_is_opened_again_after_a_while(
    #[case] reason: &str,
    #[case] words: &str,
) {
    room_test(slack().await, short(), async |room| {
        room.becomes(|health| *health == SlackHealth::Connected)
            .await;
        let mut happenings = room.slack.subscribe();
        let said = ivan::sandbox::now();
        room.slack.disconnect(reason);
        let why = room.trouble().await;
        assert!(why.contains(reason) && why.contains(words), "{why}");
        let again = async {
            while !matches!(
                happenings.recv().await.unwrap(),
                SandboxEvent::Connected { .. }
            ) {}
        };
        room.within("a new link", again).await;
        assert!(room.opens()[1].0 - said >= 200, "{:?}", room.opens());
        room.becomes(|health| *health == SlackHealth::Connected)
            .await;
        room.answers("help").await;
    })
    .await;
}
