//! Posting to a fake Slack that holds messages and fails as a test asks. In every case each message is there once.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::domain::reply::Text;
use crate::mailbox::ReplyUrl;
use crate::slack::SlackToken;
use crate::store::{Store, StoreSettings};

const ANA: &str = "D0DM001";
const BO: &str = "D0DM002";
/// Not in whole seconds, so that our own clock has no part in it.
const EDITED_AT: &str = "1763800900.000100";

/// The fault of the next call of a method.
#[derive(Debug, Clone)]
enum Fault {
    Refuse(&'static str),
    /// 429 with `Retry-After`, in seconds.
    Limit(u64),
    /// A 500 that changes nothing.
    Fail,
    /// A 500 after the change.
    DoAndFail,
    /// No answer after the change.
    DoAndHang,
}

/// A fake Slack: messages, and faults to come.
#[derive(Clone, Default)]
struct Board(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    messages: Vec<Value>,
    /// Methods in the order of their calls, with their channel.
    calls: Vec<(String, String, Instant)>,
    faults: HashMap<String, VecDeque<Fault>>,
}

impl Board {
    fn faulty(self, method: &str, faults: impl IntoIterator<Item = Fault>) -> Board {
        let queue = faults.into_iter().collect();
        self.0
            .lock()
            .unwrap()
            .faults
            .insert(method.to_owned(), queue);
        self
    }

    /// Channel and text of all messages, oldest first.
    fn shows(&self) -> Vec<(String, String)> {
        let held = self.0.lock().unwrap();
        let text = |message: &Value, key: &str| message[key].as_str().unwrap().to_owned();
        let messages = held.messages.iter();
        messages
            .map(|message| (text(message, "channel"), text(message, "text")))
            .collect()
    }

    fn calls(&self) -> Vec<String> {
        let held = self.0.lock().unwrap();
        held.calls
            .iter()
            .map(|(method, ..)| method.clone())
            .collect()
    }

    /// When a method was called for a channel.
    fn called_at(&self, method: &str, channel: &str) -> Vec<Instant> {
        let held = self.0.lock().unwrap();
        let calls = held.calls.iter();
        calls
            .filter(|(called, on, _)| called == method && on == channel)
            .map(|(.., at)| *at)
            .collect()
    }

    /// Starts it and returns its URL.
    async fn listens(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    /// Carries out a method, and answers.
    fn apply(&self, method: &str, request: &Value) -> Value {
        let mut held = self.0.lock().unwrap();
        match method {
            "chat.postMessage" => {
                let ts = format!("1763800000.{:06}", held.messages.len() + 1);
                let mut message = request.clone();
                message["ts"] = json!(ts);
                held.messages.push(message.clone());
                // A person's id stands for their DM.
                let called = match request["channel"].as_str() {
                    Some(person) if person.starts_with('U') => json!(ANA),
                    _ => request["channel"].clone(),
                };
                json!({"ok": true, "channel": called, "ts": ts, "message": message})
            }
            "conversations.open" => json!({"ok": true, "channel": {"id": ANA}}),
            "chat.update" => {
                let found = held
                    .messages
                    .iter_mut()
                    .find(|message| message["ts"] == request["ts"]);
                let Some(message) = found else {
                    return json!({"ok": false, "error": "message_not_found"});
                };
                message["text"] = request["text"].clone();
                message["edited"] = json!({"user": "U0BOT01", "ts": EDITED_AT});
                json!({"ok": true, "ts": request["ts"], "message": message})
            }
            "conversations.history" | "conversations.replies" => {
                let here = held.messages.iter().filter(|message| {
                    message["channel"] == request["channel"]
                        && message["thread_ts"] == request["ts"]
                });
                json!({"ok": true, "messages": here.rev().collect::<Vec<_>>()})
            }
            url if url.starts_with("/resp/") => {
                let mut message = request.clone();
                message["channel"] = request["response_type"].clone();
                message["ts"] = json!("");
                held.messages.push(message);
                json!({"ok": true})
            }
            other => panic!("nobody calls {other}"),
        }
    }
}

async fn answer(
    State(board): State<Board>,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    body: String,
) -> Response {
    let method = uri.path().trim_start_matches("/api/").to_owned();
    let request: Value = serde_json::from_str(&body).unwrap_or_else(|_| json!(query));
    let fault = {
        let mut held = board.0.lock().unwrap();
        let channel = request["channel"].as_str().unwrap_or_default().to_owned();
        held.calls.push((method.clone(), channel, Instant::now()));
        held.faults.get_mut(&method).and_then(VecDeque::pop_front)
    };
    let failed = || (StatusCode::INTERNAL_SERVER_ERROR, "oops").into_response();
    match fault {
        None => axum::Json(board.apply(&method, &request)).into_response(),
        Some(Fault::Refuse(code)) => {
            axum::Json(json!({"ok": false, "error": code})).into_response()
        }
        Some(Fault::Limit(seconds)) => {
            let pause = [(header::RETRY_AFTER, seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, pause, "slow down").into_response()
        }
        Some(Fault::Fail) => failed(),
        Some(Fault::DoAndFail) => {
            board.apply(&method, &request);
            failed()
        }
        Some(Fault::DoAndHang) => {
            board.apply(&method, &request);
            std::future::pending().await
        }
    }
}

/// The mailbox's side: rows, their records, and a wake-up.
#[derive(Default)]
struct Rows {
    held: Mutex<Vec<Row>>,
    changed: Notify,
    wake: Notify,
}

#[derive(Clone)]
struct Row {
    message: Outgoing,
    /// The fate that ended it.
    record: Option<Fate>,
    /// The `ts` under which it was found, and since when it is there.
    found: Option<(String, DateTime<Utc>)>,
}

impl Rows {
    fn row<T>(&self, id: MessageId, change: impl FnOnce(&mut Row) -> T) -> Result<T, StoreError> {
        let mut held = self.held.lock().unwrap();
        let done = change(held.iter_mut().find(|row| row.message.id == id).unwrap());
        drop(held);
        self.changed.notify_waiters();
        Ok(done)
    }

    fn begun(&self, id: MessageId) -> bool {
        self.row(id, |row| row.message.begun_at.is_some()).unwrap()
    }
}

#[async_trait]
impl Outbound for Rows {
    async fn outgoing(&self, at_most: usize) -> Result<OutgoingPage, StoreError> {
        let held = self.held.lock().unwrap();
        let mut seen = HashSet::new();
        let open = held.iter().filter(|row| row.record.is_none());
        let mut page = OutgoingPage::default();
        for row in open {
            let is_first = seen.insert(row.message.conversation.clone());
            match is_first && page.messages.len() < at_most {
                true => page.messages.push(row.message.clone()),
                false => page.more = true,
            }
        }
        Ok(page)
    }
    async fn something_to_post(&self) {
        self.wake.notified().await;
    }
    async fn about_to_send(&self, message: &Outgoing) -> Result<bool, StoreError> {
        self.row(message.id, |row| {
            match &mut row.message.ephemeral {
                Some(ephemeral) => ephemeral.uses += 1,
                None => row.message.begun_at = Some(now()),
            }
            row.message.version == message.version
        })
    }
    async fn record(&self, id: MessageId, fate: Fate) -> Result<(), StoreError> {
        let moves = matches!(fate, Fate::ToDm | Fate::Replaced);
        self.row(id, |row| {
            let message = &mut row.message;
            match fate {
                Fate::Found { ts, at } => row.found = Some((ts, at)),
                Fate::NotPosted => message.begun_at = None,
                Fate::StandsIn { channel } => message.conversation.channel = channel,
                Fate::WithoutThread => message.conversation.thread = None,
                Fate::ToDm => {
                    message.ephemeral = None;
                    message.conversation.channel = ANA.to_owned();
                }
                Fate::Replaced => {
                    message.ts = None;
                    message.begun_at = None;
                    message.uid = format!("uid-{id}-anew");
                }
                Fate::Posted { .. } | Fate::Dropped { .. } | Fate::Stays { .. } => {
                    row.record = Some(fate);
                }
            }
        })?;
        if moves {
            self.wake.notify_one();
            // The poster reads while this attempt is not over yet.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
    async fn stops(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn now() -> DateTime<Utc> {
    instant("1763800000.000000").unwrap()
}

fn message(id: i64, channel: &str, text: &str) -> Outgoing {
    Outgoing {
        id: MessageId(id),
        uid: format!("uid-{id}"),
        conversation: Conversation {
            channel: channel.to_owned(),
            thread: None,
        },
        words: Text::new().text(text),
        version: 1,
        ts: None,
        begun_at: None,
        parts: Vec::new(),
        redraw: false,
        ephemeral: None,
        has_asker: false,
        notice: false,
    }
}

fn timings() -> Timings {
    Timings {
        retry_first: Duration::from_millis(10),
        retry_max: Duration::from_millis(50),
        post_every: Duration::from_millis(10),
        ..Timings::default()
    }
}

/// The running posting half of the daemon.
struct Posting {
    rows: Arc<Rows>,
    stop: CancellationToken,
    daemon: JoinHandle<Result<(), SlackError>>,
    _folder: tempfile::TempDir,
}

impl Posting {
    async fn of(board: &Board, messages: impl IntoIterator<Item = Outgoing>) -> Posting {
        Posting::with(timings(), board, messages).await
    }

    async fn with(
        timings: Timings,
        board: &Board,
        messages: impl IntoIterator<Item = Outgoing>,
    ) -> Posting {
        let url = board.listens().await;
        Posting::at(timings, &url, messages)
    }

    fn at(timings: Timings, url: &str, messages: impl IntoIterator<Item = Outgoing>) -> Posting {
        let rows = Arc::new(Rows::default());
        *rows.held.lock().unwrap() = messages
            .into_iter()
            .map(|message| Row {
                message,
                record: None,
                found: None,
            })
            .collect();
        let stop = CancellationToken::new();
        let (app, bot) = (SlackToken::new("xapp"), SlackToken::new("xoxb"));
        let limit = Duration::from_millis(500);
        let web = Web::new(&format!("{url}/api"), &app, &bot, limit).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap();
        let daemon = tokio::spawn(run(
            rows.clone(),
            Attempts::new(store, Clock::system()),
            web,
            Clock::system(),
            Arc::new(timings),
            stop.clone(),
        ));
        Posting {
            rows,
            stop,
            daemon,
            _folder: folder,
        }
    }

    /// Waits until a row meets the condition.
    async fn until(&self, what: &str, is: impl Fn(&[Row]) -> bool) {
        let becomes = async {
            loop {
                let changed = self.rows.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if is(&self.rows.held.lock().unwrap()) {
                    return;
                }
                changed.await;
            }
        };
        if timeout(Duration::from_secs(60), becomes).await.is_err() {
            panic!("{what} did not happen");
        }
    }

    /// Waits until all rows are recorded; returns the records in order.
    async fn records(&self) -> Vec<Fate> {
        self.until("recording", |rows| {
            rows.iter().all(|row| row.record.is_some())
        })
        .await;
        let held = self.rows.held.lock().unwrap();
        held.iter().map(|row| row.record.clone().unwrap()).collect()
    }

    async fn stops(self) {
        self.stop.cancel();
        let ended = timeout(Duration::from_secs(60), self.daemon).await;
        assert_eq!(ended.expect("it did not end").unwrap(), Ok(()));
    }
}

fn posted(ts: &str) -> Fate {
    Fate::Posted {
        version: 1,
        ts: ts.to_owned(),
        at: instant(ts).unwrap(),
    }
}

fn shown(messages: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |&(channel, text): &(&str, &str)| (channel.to_owned(), text.to_owned());
    messages.iter().map(owned).collect()
}

#[tokio::test]
async fn posts_what_stands_and_what_comes() {
    let board = Board::default();
    let posting = Posting::of(&board, [message(1, ANA, "✓ one")]).await;
    assert_eq!(posting.records().await, [posted("1763800000.000001")]);
    posting.rows.held.lock().unwrap().push(Row {
        message: message(2, ANA, "✓ two"),
        record: None,
        found: None,
    });
    posting.rows.wake.notify_one();
    assert_eq!(posting.records().await.len(), 2);
    assert_eq!(board.shows(), shown(&[(ANA, "✓ one"), (ANA, "✓ two")]));
    posting.stops().await;
}

#[tokio::test]
async fn so_many_conversations_are_posted_to_at_once_and_the_others_wait() {
    let before = Limit::ConversationsAtOnce.times();
    let all = CONVERSATIONS_AT_ONCE + 5;
    let messages = (0..all).map(|n| message(i64::try_from(n).unwrap(), &format!("D{n}"), "✓ one"));
    let board = Board::default();
    let posting = Posting::of(&board, messages).await;
    assert_eq!(posting.records().await.len(), all);
    assert_eq!(board.shows().len(), all);
    assert!(Limit::ConversationsAtOnce.times() > before);
    posting.stops().await;
}

#[tokio::test]
async fn a_conversation_keeps_its_order() {
    let board = Board::default().faulty(
        "chat.postMessage",
        [Fault::Refuse("service_unavailable"), Fault::Fail],
    );
    let messages = (1..=5).map(|id| message(id, ANA, &format!("{id}")));
    let posting = Posting::of(&board, messages).await;
    posting.records().await;
    let all: Vec<_> = (1..=5)
        .map(|id| (ANA.to_owned(), format!("{id}")))
        .collect();
    assert_eq!(board.shows(), all);
    posting.stops().await;
}

#[rstest]
#[case::answered_500(Fault::DoAndFail)]
#[case::hung(Fault::DoAndHang)]
#[tokio::test]
async fn a_post_whose_answer_is_lost_is_found(#[case] fault: Fault) {
    let board = Board::default().faulty("chat.postMessage", [fault]);
    let posting = Posting::of(&board, [message(1, ANA, "✓ one")]).await;
    assert_eq!(posting.records().await, [posted("1763800000.000001")]);
    assert_eq!(board.shows(), shown(&[(ANA, "✓ one")]));
    assert_eq!(board.calls(), ["chat.postMessage", "conversations.history"]);
    posting.stops().await;
}

/// An ephemeral message, through a `response_url` of that board.
fn ephemeral_to(board_url: &str, public: bool) -> Outgoing {
    Outgoing {
        ephemeral: Some(Ephemeral {
            url: Some(ReplyUrl::new(format!("{board_url}/resp/x"))),
            uses: 0,
            public,
            replaces: false,
            since: Clock::system().now(),
        }),
        ..message(1, "C0PROJ1", "✓ one")
    }
}

#[rstest]
#[case::alone(false, "ephemeral")]
#[case::to_all(true, "in_channel")]
#[tokio::test]
async fn a_whisper_is_said_by_its_address(#[case] public: bool, #[case] kind: &str) {
    let board = Board::default();
    let url = board.listens().await;
    let posting = Posting::at(timings(), &url, [ephemeral_to(&url, public)]);
    let records = posting.records().await;
    assert!(
        matches!(records.as_slice(), [Fate::Posted { ts, .. }] if ts == "uid-1"),
        "no id of Slack's: {records:?}"
    );
    assert_eq!(board.shows(), shown(&[(kind, "✓ one")]));
    posting.stops().await;
}

#[rstest]
#[case::lost_answers(vec![Fault::DoAndFail; 5], 5)]
#[case::down(vec![Fault::Fail; 9], 5)]
#[tokio::test]
async fn a_whisper_that_is_never_taken_comes_to_the_dm(
    #[case] faults: Vec<Fault>,
    #[case] times: usize,
) {
    let board = Board::default().faulty("/resp/x", faults);
    let url = board.listens().await;
    let posting = Posting::at(timings(), &url, [ephemeral_to(&url, false)]);
    posting.records().await;
    let calls = board.calls();
    assert_eq!(
        calls.iter().filter(|call| *call == "/resp/x").count(),
        times
    );
    assert_eq!(board.shows().last(), shown(&[(ANA, "✓ one")]).last());
    posting.stops().await;
}

#[tokio::test]
async fn what_is_for_a_person_is_posted_and_changed_in_their_dm() {
    let board = Board::default();
    let posting = Posting::of(&board, [message(1, "U0ANN01", "✓ one")]).await;
    posting.records().await;
    let held = posting.rows.held.lock().unwrap().clone();
    assert_eq!(held[0].message.conversation.channel, ANA);
    assert_eq!(board.calls(), ["conversations.open", "chat.postMessage"]);
    assert_eq!(board.shows(), shown(&[(ANA, "✓ one")]));
    posting.stops().await;
}

#[rstest]
#[case::no_right("missing_scope")]
#[case::not_to_be_seen("user_not_visible")]
#[tokio::test]
async fn a_dm_that_may_not_be_opened_is_reached_by_its_persons_id(#[case] code: &'static str) {
    let board = Board::default().faulty("conversations.open", [Fault::Refuse(code)]);
    let posting = Posting::of(&board, [message(1, "U0ANN01", "✓ one")]).await;
    posting.records().await;
    let held = posting.rows.held.lock().unwrap().clone();
    assert_eq!(held[0].message.conversation.channel, ANA);
    assert_eq!(board.shows(), shown(&[("U0ANN01", "✓ one")]));
    posting.stops().await;
}

#[tokio::test]
async fn a_dm_that_does_not_open_yet_is_waited_for() {
    let faults = [Fault::Fail, Fault::Refuse("invalid_auth")];
    let board = Board::default().faulty("conversations.open", faults);
    let mended = Timings {
        alarm_retry: Duration::from_millis(50),
        ..timings()
    };
    let posting = Posting::with(mended, &board, [message(1, "U0ANN01", "✓ one")]).await;
    posting.records().await;
    assert_eq!(board.shows(), shown(&[(ANA, "✓ one")]));
    posting.stops().await;
}

#[tokio::test]
async fn what_a_killed_daemon_had_posted_to_a_person_is_found_in_their_dm() {
    let board = Board::default();
    let before = json!({"channel": ANA, "text": "✓ one",
        "metadata": {"event_type": "ivan_message", "event_payload": {"uid": "uid-1"}}});
    board.apply("chat.postMessage", &before);
    let begun = Outgoing {
        begun_at: Some(now()),
        ..message(1, "U0ANN01", "✓ one")
    };
    let posting = Posting::of(&board, [begun]).await;
    assert_eq!(posting.records().await, [posted("1763800000.000001")]);
    let calls = ["conversations.open", "conversations.history"];
    assert_eq!(board.calls(), calls);
    posting.stops().await;
}

#[rstest]
#[case::server(Fault::Fail)]
#[case::internal(Fault::Refuse("internal_error"))]
#[case::fatal(Fault::Refuse("fatal_error"))]
#[tokio::test]
async fn a_post_that_did_not_happen_is_looked_for_and_sent_again(#[case] fault: Fault) {
    let board = Board::default().faulty("chat.postMessage", [fault]);
    let posting = Posting::of(&board, [message(1, ANA, "✓ one")]).await;
    posting.records().await;
    assert_eq!(board.shows(), shown(&[(ANA, "✓ one")]));
    assert_eq!(
        board.calls(),
        [
            "chat.postMessage",
            "conversations.history",
            "conversations.history",
            "chat.postMessage"
        ]
    );
    posting.stops().await;
}

#[tokio::test]
async fn a_history_that_fails_is_asked_again_before_anything_is_sent() {
    let board = Board::default()
        .faulty("chat.postMessage", [Fault::DoAndFail])
        .faulty(
            "conversations.history",
            [Fault::Fail, Fault::Refuse("internal_error")],
        );
    let posting = Posting::of(&board, [message(1, ANA, "✓ one")]).await;
    posting.records().await;
    assert_eq!(board.shows(), shown(&[(ANA, "✓ one")]));
    posting.stops().await;
}

#[tokio::test]
async fn what_a_killed_daemon_had_posted_is_found() {
    let board = Board::default();
    let before = json!({"channel": ANA, "text": "✓ one",
        "metadata": {"event_type": "ivan_message", "event_payload": {"uid": "uid-1"}}});
    board.apply("chat.postMessage", &before);
    let begun = Outgoing {
        begun_at: Some(now()),
        ..message(1, ANA, "✓ one")
    };
    let posting = Posting::of(&board, [begun]).await;
    assert_eq!(posting.records().await, [posted("1763800000.000001")]);
    assert_eq!(board.calls(), ["conversations.history"]);
    posting.stops().await;
}

#[tokio::test]
async fn an_older_text_that_is_found_is_brought_up_to_date() {
    let board = Board::default();
    let before = json!({"channel": ANA, "text": "… queued", "thread_ts": "1.2",
        "metadata": {"event_type": "ivan_message", "event_payload": {"uid": "uid-1"}}});
    board.apply("chat.postMessage", &before);
    let begun = Outgoing {
        begun_at: Some(now()),
        conversation: Conversation {
            channel: ANA.into(),
            thread: Some("1.2".into()),
        },
        version: 2,
        ..message(1, ANA, "✓ one")
    };
    let posting = Posting::of(&board, [begun]).await;
    assert_eq!(
        posting.records().await,
        [Fate::Posted {
            version: 2,
            ts: "1763800000.000001".into(),
            at: instant(EDITED_AT).unwrap(),
        }]
    );
    // The content of the older text counts since it was posted.
    let found = posting.rows.held.lock().unwrap()[0].found.clone();
    let ts = "1763800000.000001";
    assert_eq!(found, Some((ts.to_owned(), instant(ts).unwrap())));
    assert_eq!(board.calls(), ["conversations.replies", "chat.update"]);
    assert_eq!(board.shows(), shown(&[(ANA, "✓ one")]));
    posting.stops().await;
}

#[rstest]
#[case("missing_scope")]
#[case("not_in_channel")]
#[tokio::test]
async fn without_the_right_to_look_the_message_matters_more(#[case] code: &'static str) {
    let board = Board::default()
        .faulty("chat.postMessage", [Fault::Fail])
        .faulty("conversations.history", [Fault::Refuse(code)]);
    let posting = Posting::of(&board, [message(1, ANA, "✓ one")]).await;
    posting.records().await;
    assert_eq!(board.shows(), shown(&[(ANA, "✓ one")]));
    posting.stops().await;
}

#[tokio::test]
async fn a_token_that_fails_while_looking_does_not_make_a_second_copy() {
    let board = Board::default()
        .faulty("chat.postMessage", [Fault::DoAndFail])
        .faulty("conversations.history", [Fault::Refuse("invalid_auth")]);
    let mended = Timings {
        alarm_retry: Duration::from_millis(50),
        ..timings()
    };
    let posting = Posting::with(mended, &board, [message(1, ANA, "✓ one")]).await;
    posting.records().await;
    assert_eq!(board.shows(), shown(&[(ANA, "✓ one")]));
    posting.stops().await;
}

#[tokio::test]
async fn a_pause_holds_its_channel_and_no_other() {
    let board = Board::default().faulty("chat.postMessage", [Fault::Limit(1)]);
    let posting = Posting::of(&board, [message(1, ANA, "one"), message(2, ANA, "two")]).await;
    posting
        .until("the refusal", |rows| {
            rows.iter().all(|row| row.message.begun_at.is_none())
        })
        .await;
    posting.rows.held.lock().unwrap().push(Row {
        message: message(3, BO, "three"),
        record: None,
        found: None,
    });
    posting.rows.wake.notify_one();
    posting.records().await;
    let texts: Vec<String> = board.shows().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["three", "one", "two"]);
    let calls = board.called_at("chat.postMessage", ANA);
    assert!(calls[1] - calls[0] >= Duration::from_secs(1), "{calls:?}");
    // Certainly not posted: no search.
    assert!(!board.calls().contains(&"conversations.history".to_owned()));
    posting.stops().await;
}

#[rstest]
#[case("channel_not_found")]
#[case("is_archived")]
#[tokio::test]
async fn what_slack_refuses_is_dropped_and_the_next_goes_out(#[case] code: &'static str) {
    let board = Board::default().faulty("chat.postMessage", [Fault::Refuse(code)]);
    let posting = Posting::of(&board, [message(1, ANA, "one"), message(2, ANA, "two")]).await;
    let records = posting.records().await;
    assert!(
        matches!(&records[0], Fate::Dropped { why, .. } if why.contains(code)),
        "{records:?}"
    );
    assert_eq!(board.shows(), shown(&[(ANA, "two")]));
    posting.stops().await;
}

#[tokio::test]
async fn updates_in_place() {
    let board = Board::default().faulty("chat.update", [Fault::Fail, Fault::DoAndHang]);
    board.apply(
        "chat.postMessage",
        &json!({"channel": ANA, "text": "… queued"}),
    );
    let update = Outgoing {
        ts: Some("1763800000.000001".into()),
        version: 7,
        ..message(1, ANA, "✓ done")
    };
    let posting = Posting::of(&board, [update]).await;
    assert_eq!(
        posting.records().await,
        [Fate::Posted {
            version: 7,
            ts: "1763800000.000001".into(),
            at: instant(EDITED_AT).unwrap(),
        }]
    );
    assert_eq!(board.shows(), shown(&[(ANA, "✓ done")]));
    assert_eq!(board.calls(), ["chat.update"; 3]);
    posting.stops().await;
}

/// A fake Slack with a message that it no longer changes.
fn unchangeable(code: &'static str) -> Board {
    let board = Board::default();
    board.apply(
        "chat.postMessage",
        &json!({"channel": ANA, "text": "… queued"}),
    );
    board.faulty("chat.update", [Fault::Refuse(code)])
}

#[rstest]
#[case::deleted("message_not_found")]
#[case::not_ours_any_more("cant_update_message")]
#[case::too_old("edit_window_closed")]
#[tokio::test]
async fn words_that_cannot_be_changed_are_said_anew(#[case] code: &'static str) {
    let board = unchangeable(code);
    let update = Outgoing {
        ts: Some("1763800000.000001".into()),
        ..message(1, ANA, "✓ done")
    };
    let posting = Posting::of(&board, [update]).await;
    assert_eq!(posting.records().await, [posted("1763800000.000002")]);
    assert_eq!(board.shows(), shown(&[(ANA, "… queued"), (ANA, "✓ done")]));
    // The old copy is not found under the new uid.
    assert_eq!(board.calls(), ["chat.update", "chat.postMessage"]);
    posting.stops().await;
}

#[rstest]
#[case::deleted("message_not_found")]
#[case::not_ours_any_more("cant_update_message")]
#[case::too_old("edit_window_closed")]
#[tokio::test]
async fn a_card_that_cannot_be_made_again_stays(#[case] code: &'static str) {
    let board = unchangeable(code);
    let update = Outgoing {
        ts: Some("1763800000.000001".into()),
        redraw: true,
        ..message(1, ANA, "✓ done")
    };
    let posting = Posting::of(&board, [update]).await;
    let records = posting.records().await;
    assert!(
        matches!(&records[0], Fate::Stays { why, .. } if why.contains(code)),
        "{records:?}"
    );
    assert_eq!(board.shows(), shown(&[(ANA, "… queued")]));
    posting.stops().await;
}

#[tokio::test]
async fn a_refused_token_keeps_the_message() {
    let board = Board::default().faulty("chat.postMessage", [Fault::Refuse("invalid_auth")]);
    let mended = Timings {
        alarm_retry: Duration::from_millis(50),
        ..timings()
    };
    let posting = Posting::with(mended, &board, [message(1, ANA, "✓ one")]).await;
    posting.records().await;
    assert_eq!(board.calls(), ["chat.postMessage", "chat.postMessage"]);
    posting.stops().await;
}

#[tokio::test]
async fn a_burst_goes_at_once_and_then_one_after_the_other() {
    let every = Duration::from_millis(150);
    let spaced = Timings {
        post_every: every,
        post_burst: 2,
        ..timings()
    };
    let board = Board::default();
    let messages = (1..=4).map(|id| message(id, ANA, "x"));
    let start = Instant::now();
    let posting = Posting::with(spaced, &board, messages).await;
    posting.records().await;
    let calls = board.called_at("chat.postMessage", ANA);
    assert!(calls[3] - start >= 2 * every, "{calls:?}");
    posting.stops().await;
}

#[tokio::test]
async fn a_stop_still_sends_what_stands_and_tries_nothing_twice() {
    let board = Board::default();
    let messages = (1..=3).map(|id| message(id, ANA, &format!("{id}")));
    let posting = Posting::of(&board, messages).await;
    posting.stop.cancel();
    let rows = Arc::clone(&posting.rows);
    posting.stops().await;
    assert_eq!(board.shows().len(), 3);
    assert!(
        rows.held
            .lock()
            .unwrap()
            .iter()
            .all(|row| row.record.is_some())
    );
}

#[tokio::test]
async fn a_stop_leaves_what_is_not_clear_to_the_next_start() {
    let board = Board::default().faulty("chat.postMessage", [Fault::DoAndHang]);
    let posting = Posting::of(&board, [message(1, ANA, "one"), message(2, ANA, "two")]).await;
    let rows = Arc::clone(&posting.rows);
    posting.stops().await;
    assert!(rows.begun(MessageId(1)), "it will be looked for");
    assert_eq!(board.shows(), shown(&[(ANA, "one")]));
}

#[rstest]
#[case::within_the_second("10.000000", "10.250000", "10.250000")]
#[case::our_clock_is_behind("10.000000", "7.250000", "10.000000")]
#[case::our_clock_is_ahead("10.000000", "99.000000", "10.999999")]
#[case::slack_says_it_exactly("10.000100", "10.250000", "10.000100")]
fn an_edit_is_placed_within_its_second(
    #[case] edited: &str,
    #[case] sent_at: &str,
    #[case] shown_at: &str,
) {
    let at = |ts| instant(ts).unwrap();
    assert_eq!(edited_at(at(edited), at(sent_at)), at(shown_at));
}
