//! The loop against a minimal fake Slack: each test accepts links and sends Slack's frames on them.

use std::collections::VecDeque;
use std::sync::Mutex;

use rstest::rstest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_tungstenite::accept_async;

use super::*;
use crate::domain::form::SubmittedForm;
use crate::mailbox::Gesture;
use crate::slack::filter::BotIdentity;
use crate::slack::forms;
use crate::slack::text::instant;

/// Nothing in these tests takes long: an event that is not soon will not come.
const SOON: Duration = Duration::from_secs(60);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(SOON, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what} did not happen"),
    }
}

/// Generous limits, quick retries; most peers here do not read on until the Close.
fn timings() -> Timings {
    Timings {
        retry_first: Duration::from_millis(10),
        retry_max: Duration::from_millis(50),
        settled: Duration::ZERO,
        close_limit: Duration::from_millis(100),
        ..Timings::default()
    }
}

/// Slack's side: a listener, the responses of `apps.connections.open`, and the daemon's reactions.
struct Slack {
    listener: TcpListener,
    opens: mpsc::UnboundedReceiver<Instant>,
    answers: Arc<Mutex<VecDeque<WebError>>>,
    ear: Arc<Ear>,
    health: watch::Receiver<SlackHealth>,
    stop: CancellationToken,
    daemon: JoinHandle<Result<(), SlackError>>,
}

/// Answers with the listener's URL, after the errors that a test set up.
struct Front {
    url: String,
    opens: mpsc::UnboundedSender<Instant>,
    answers: Arc<Mutex<VecDeque<WebError>>>,
}

#[async_trait]
impl Connector for Front {
    async fn open(&self, _limit: Duration) -> Result<String, WebError> {
        let _ = self.opens.send(Instant::now());
        match self.answers.lock().unwrap().pop_front() {
            Some(error) => Err(error),
            None => Ok(self.url.clone()),
        }
    }

    async fn dial(&self, to: &hyper::Uri) -> std::io::Result<FencedStream> {
        let stream = TcpStream::connect(to.authority().unwrap().as_str()).await;
        stream.map(FencedStream)
    }
}

/// Stores every text but `ignored`; `stuck` waits for a permit, `broken` fails, `panic` panics.
struct Ear {
    kept: Mutex<Vec<String>>,
    missed: Mutex<Vec<String>>,
    opened: Mutex<Vec<String>>,
    /// The reported counts of links elsewhere.
    others: watch::Sender<Vec<(u32, bool)>>,
    permits: Semaphore,
    health: watch::Sender<SlackHealth>,
}

#[async_trait]
impl EventHandler for Ear {
    fn judge(&self, callback: &Callback) -> Result<IncomingMessage, Ignored> {
        let text = callback.event.text.clone().ok_or(Ignored::OtherEvent)?;
        if text == "ignored" {
            return Err(Ignored::NotForUs);
        }
        Ok(IncomingMessage {
            keys: vec![],
            user: "U0ANN01".into(),
            channel: "D0DM001".into(),
            direct: true,
            text,
            ts: "1763800000.000100".into(),
            said_at: instant("1763800000.000100").unwrap(),
            thread: None,
            gesture: crate::mailbox::Gesture::Said,
            attached: crate::mailbox::Attachments::default(),
        })
    }

    async fn keep(&self, heard: IncomingMessage, raw: String) -> Result<Acceptance, StoreError> {
        let text = match heard.gesture {
            Gesture::Submitted {
                filled: SubmittedForm::Comment { text, .. },
                ..
            } => text,
            _ => heard.text,
        };
        assert!(raw.contains(&text), "the envelope is kept as it came");
        assert!(
            !raw.contains("secret"),
            "addresses are not kept with it: {raw}"
        );
        match text.as_str() {
            "stuck" => self.permits.acquire().await.unwrap().forget(),
            "broken" => {
                return Err(StoreError {
                    path: "ivan.db".into(),
                    why: "disk full".into(),
                });
            }
            "panic" => panic!("kept badly"),
            _ => {}
        }
        self.kept.lock().unwrap().push(text);
        Ok(Acceptance::Taken(Inserted::New))
    }

    fn understand(&self, kind: &str, payload: Value) -> Result<GestureRequest, Ignored> {
        let own = BotIdentity {
            team: "T0TEAM1".into(),
            user: "U0BOT01".into(),
            name: None,
        };
        let now = instant("1763800000.000100").unwrap();
        forms::understand(kind, payload, &own, |_| None, |_| Vec::new(), true, now)
    }

    async fn others_are(&self, others: u32, sure: bool) {
        self.others.send_modify(|heard| heard.push((others, sure)));
    }

    fn missed(&self, heard: &IncomingMessage) {
        self.missed.lock().unwrap().push(heard.text.clone());
    }

    fn events_are_left_out(&self) {
        self.missed.lock().unwrap().push("some events".to_owned());
    }

    fn open(&self, opening: FormRequest) {
        self.opened.lock().unwrap().push(opening.trigger);
    }

    fn slack_is(&self, health: SlackHealth) {
        self.health.send_replace(health);
    }
}

impl Slack {
    async fn start(timings: Timings) -> Slack {
        Slack::answering(timings, []).await
    }

    /// `errors` are the results of the first calls of `apps.connections.open`.
    async fn answering(timings: Timings, errors: impl IntoIterator<Item = WebError>) -> Slack {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/link/?ticket=x", listener.local_addr().unwrap());
        let (opened, opens) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(errors.into_iter().collect()));
        let (health_is, health) = watch::channel(SlackHealth::Connecting);
        let ear = Arc::new(Ear {
            kept: Mutex::default(),
            missed: Mutex::default(),
            opened: Mutex::default(),
            others: watch::Sender::default(),
            permits: Semaphore::new(0),
            health: health_is,
        });
        let stop = CancellationToken::new();
        let front = Front {
            url,
            opens: opened,
            answers: Arc::clone(&answers),
        };
        let intake: Arc<dyn EventHandler> = ear.clone();
        let daemon = tokio::spawn(run(front, intake, Arc::new(timings), stop.clone()));
        Slack {
            listener,
            opens,
            answers,
            ear,
            health,
            stop,
            daemon,
        }
    }

    /// The next link, without a hello.
    async fn accepts(&mut self) -> Peer {
        let (tcp, _) = soon("a connection", self.listener.accept()).await.unwrap();
        Peer(soon("an upgrade", accept_async(tcp)).await.unwrap())
    }

    async fn accepts_and_greets(&mut self) -> Peer {
        let mut peer = self.accepts().await;
        peer.says(json!({"type": "hello", "num_connections": 1}))
            .await;
        self.becomes(|health| *health == SlackHealth::Connected)
            .await;
        peer
    }

    async fn opened(&mut self) -> Instant {
        soon("apps.connections.open", self.opens.recv())
            .await
            .unwrap()
    }

    async fn becomes(&mut self, is: impl Fn(&SlackHealth) -> bool) -> SlackHealth {
        soon("the health", self.health.wait_for(is))
            .await
            .unwrap()
            .clone()
    }

    async fn trouble(&mut self) -> String {
        let is_trouble = |health: &SlackHealth| matches!(health, SlackHealth::Trouble(_));
        match self.becomes(is_trouble).await {
            SlackHealth::Trouble(why) => why,
            other => panic!("{other:?}"),
        }
    }

    fn kept(&self) -> Vec<String> {
        self.ear.kept.lock().unwrap().clone()
    }

    /// Stops the daemon, and waits until it has ended.
    async fn stops(self) {
        self.stop.cancel();
        let ended = soon("the end", self.daemon).await.unwrap();
        assert_eq!(ended, Ok(()));
    }
}

/// Slack's end of a link.
struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    async fn says(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn delivers(&mut self, envelope: &str, text: &str) {
        self.says(message(envelope, text)).await;
    }

    /// All in one burst, so that the other end finds the last as soon as the first.
    async fn delivers_at_once(&mut self, envelopes: impl Iterator<Item = (String, &str)>) {
        for (envelope, text) in envelopes {
            let frame = Message::text(message(&envelope, text).to_string());
            self.0.feed(frame).await.unwrap();
        }
        self.0.flush().await.unwrap();
    }

    /// The next frame that is neither ping nor pong; `None` at the end of the link.
    async fn frame(&mut self) -> Option<Message> {
        soon("a frame", async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(frame)) => return Some(frame),
                    Some(Err(_)) | None => return None,
                }
            }
        })
        .await
    }

    async fn acked(&mut self) -> Value {
        match self.frame().await {
            Some(Message::Text(ack)) => serde_json::from_str(ack.as_str()).unwrap(),
            other => panic!("no acknowledgement but {other:?}"),
        }
    }

    async fn acks(&mut self, envelope: &str) {
        assert_eq!(self.acked().await, json!({"envelope_id": envelope}));
    }

    async fn is_closed(&mut self) {
        let frame = self.frame().await;
        assert!(matches!(frame, Some(Message::Close(_))), "{frame:?}");
    }
}

/// An envelope with a message of a person.
fn message(envelope: &str, text: &str) -> Value {
    json!({"envelope_id": envelope, "type": "events_api", "payload":
        {"type": "event_callback", "event": {"type": "message", "text": text}}})
}

fn refused(code: &str) -> WebError {
    WebError::Credentials {
        method: "apps.connections.open",
        code: code.into(),
    }
}

#[tokio::test]
async fn acknowledges_what_is_kept() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.delivers("e1", "done").await;
    link.acks("e1").await;
    assert_eq!(slack.kept(), ["done"]);
    slack.stops().await;
}

#[tokio::test]
async fn envelopes_over_the_bound_are_left_to_slack_and_the_others_are_kept() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let counted = recorder.handle();
    let _here = metrics::set_default_local_recorder(&recorder);
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    // A megabyte each, so that a few fill the room of all links.
    let padded = |n: usize| {
        let mut envelope = message(&format!("e{n:03}"), "stuck");
        envelope["payload"]["pad"] = json!("x".repeat(1 << 20));
        envelope.to_string()
    };
    let bytes = JOB_BYTES + padded(0).len() + "stuck".len();
    let (taken, over) = ((ENVELOPES_MAX - GESTURES_RESERVE) / bytes, 7);
    for n in 0..taken + over {
        link.0.feed(Message::text(padded(n))).await.unwrap();
    }
    link.0.flush().await.unwrap();
    let dropped =
        format!("ivan_slack_envelopes_total{{type=\"events_api\",result=\"dropped\"}} {over}");
    soon("the rest is dropped", async {
        while !counted.render().contains(&dropped) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // The count of this test alone: others reach the same limit concurrently.
    let reached = format!("ivan_bounds_reached_total{{bound=\"envelopes\"}} {over}\n");
    assert!(counted.render().contains(&reached), "{}", counted.render());
    // Commands have room of their own.
    link.says(slash("done")).await;
    link.acks("e1").await;
    slack.ear.permits.add_permits(taken);
    let mut acked = std::collections::BTreeSet::new();
    for _ in 0..taken {
        let envelope = link.acked().await["envelope_id"]
            .as_str()
            .unwrap()
            .to_owned();
        acked.insert(envelope);
    }
    assert_eq!(acked.len(), taken);
    assert_eq!(slack.kept().len(), taken + 1);
    // The link goes on: an event that Slack repeats is stored.
    link.delivers("again", "done").await;
    link.acks("again").await;
    slack.stops().await;
}

#[tokio::test]
async fn thousands_of_envelopes_wait_and_each_is_acknowledged_once_it_is_kept() {
    const MANY: usize = 5_000;
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.delivers_at_once((0..MANY).map(|n| (format!("e{n}"), "stuck")))
        .await;
    // This command comes after them and does not wait for them.
    link.says(slash("done")).await;
    link.acks("e1").await;
    assert_eq!(slack.kept(), ["done"]);
    slack.ear.permits.add_permits(MANY);
    let mut acked = std::collections::BTreeSet::new();
    for _ in 0..MANY {
        acked.insert(link.acked().await["envelope_id"].to_string());
    }
    assert_eq!(acked.len(), MANY);
    assert_eq!(slack.kept().len(), MANY + 1);
    slack.stops().await;
}

#[tokio::test]
async fn a_command_that_finds_no_room_is_told_so_at_once() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    // The waiting events leave less than a megabyte of the room for all, and of the room for commands alone.
    let pad = json!("x".repeat(1 << 20));
    for n in 0..(ENVELOPES_MAX - GESTURES_RESERVE) >> 20 {
        let mut event = message(&format!("m{n}"), "stuck");
        event["payload"]["pad"] = pad.clone();
        link.0.feed(Message::text(event.to_string())).await.unwrap();
    }
    for n in 0..GESTURES_RESERVE >> 20 {
        let mut form = submission("stuck");
        form["envelope_id"] = json!(format!("s{n}"));
        form["payload"]["pad"] = pad.clone();
        link.0.feed(Message::text(form.to_string())).await.unwrap();
    }
    let mut command = slash("done");
    command["payload"]["pad"] = pad;
    link.says(command).await;
    let told = loop {
        let ack = link.acked().await;
        if ack["envelope_id"] == "e1" {
            break ack;
        }
    };
    // Another text than that of a commit that took too long.
    let said = told["payload"]["text"].as_str().unwrap();
    assert!(said.starts_with("✗ I couldn't save that"), "{said}");
    assert!(slack.kept().is_empty());
    slack.stops().await;
}

#[tokio::test]
async fn a_frame_that_is_too_large_ends_its_link_and_no_more() {
    let before = Limit::Frame.times();
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    let frame = Message::text("x".repeat(FRAME_MAX + 1));
    // The link may be cut off while it is sent.
    let _ = link.0.send(frame).await;
    let mut next = slack.accepts_and_greets().await;
    assert!(Limit::Frame.times() > before);
    next.delivers("e1", "done").await;
    next.acks("e1").await;
    slack.stops().await;
}

#[tokio::test]
async fn a_slow_commit_holds_back_its_own_acknowledgement_only() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.delivers("e1", "stuck").await;
    link.delivers("e2", "done").await;
    link.acks("e2").await;
    assert_eq!(slack.kept(), ["done"]);
    slack.ear.permits.add_permits(1);
    link.acks("e1").await;
    assert_eq!(slack.kept(), ["done", "stuck"]);
    slack.stops().await;
}

#[tokio::test]
async fn keeps_what_arrives_in_the_order_of_its_arrival() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    let texts: Vec<String> = (0..200).map(|number| format!("done {number}")).collect();
    for text in &texts {
        link.delivers(text, text).await;
    }
    for _ in &texts {
        link.acked().await;
    }
    assert_eq!(slack.kept(), texts);
    slack.stops().await;
}

#[tokio::test]
async fn what_is_not_kept_is_not_acknowledged() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.delivers("e1", "broken").await;
    link.delivers("e2", "done").await;
    link.acks("e2").await;
    slack.stop.cancel();
    link.is_closed().await;
    slack.stops().await;
}

#[tokio::test]
async fn what_is_not_for_us_is_acknowledged_and_not_kept() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.delivers("e1", "ignored").await;
    link.acks("e1").await;
    assert!(slack.kept().is_empty());
    slack.stops().await;
}

#[tokio::test]
async fn a_retry_is_as_good_as_the_first_delivery() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.says(json!({"envelope_id": "e1", "type": "events_api", "retry_attempt": 3, "retry_reason": "timeout",
        "payload": {"type": "event_callback", "event": {"text": "done"}}}))
        .await;
    link.acks("e1").await;
    assert_eq!(slack.kept(), ["done"]);
    assert_eq!(
        *slack.ear.missed.lock().unwrap(),
        ["done"],
        "a sign of a gap"
    );
    slack.stops().await;
}

#[tokio::test]
async fn that_slack_leaves_out_events_is_a_sign_of_a_gap() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.says(json!({"envelope_id": "e1", "type": "events_api",
        "payload": {"type": "app_rate_limited", "team_id": "T0TEAM1", "minute_rate_limited": 1}}))
        .await;
    link.acks("e1").await;
    assert_eq!(*slack.ear.missed.lock().unwrap(), ["some events"]);
    slack.stops().await;
}

#[rstest]
#[case::interactive(json!({"envelope_id": "e1", "type": "interactive", "accepts_response_payload": true}))]
#[case::unknown(json!({"envelope_id": "e1", "type": "hologram", "payload": []}))]
#[case::no_type(json!({"envelope_id": "e1"}))]
#[case::rate_limited(json!({"envelope_id": "e1", "type": "events_api",
    "payload": {"type": "app_rate_limited", "team_id": "T0TEAM1", "minute_rate_limited": 1}}))]
#[case::no_payload(json!({"envelope_id": "e1", "type": "events_api"}))]
#[case::slash_without_answer(json!({"envelope_id": "e1", "type": "slash_commands", "payload": {}}))]
#[tokio::test]
async fn acknowledges_what_it_has_no_use_for(#[case] envelope: Value) {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.says(envelope).await;
    link.acks("e1").await;
    slack.stops().await;
}

fn slash(text: &str) -> Value {
    json!({"envelope_id": "e1", "type": "slash_commands", "accepts_response_payload": true,
        "payload": {"command": "/ivan", "text": text, "user_id": "U0ANN01", "channel_id": "C0PROJ1",
            "trigger_id": "1.2.abc", "response_url": "https://hooks.slack.com/commands/secret"}})
}

fn submission(text: &str) -> Value {
    let note = json!({"comment": {"task": {"source": "clickup", "key": "86a"}, "channel": "D0DM001", "thread": null, "direct": true, "reply": null}});
    json!({"envelope_id": "e1", "type": "interactive", "accepts_response_payload": true, "payload": {
        "type": "view_submission", "user": {"id": "U0ANN01"}, "view": {"id": "V0MODAL1", "hash": "1.ab",
            "callback_id": "ivan_comment", "private_metadata": note.to_string(),
            "state": {"values": {"text": {"text": {"type": "plain_text_input", "value": text}}}}}}})
}

#[tokio::test]
async fn a_slash_command_is_kept_before_it_is_acknowledged() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.says(slash("done")).await;
    assert_eq!(link.acked().await, json!({"envelope_id": "e1"}));
    assert_eq!(slack.kept(), ["done"]);
    slack.stops().await;
}

#[tokio::test]
async fn a_slash_command_that_cannot_be_kept_is_answered_with_that() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.says(slash("broken")).await;
    let ack = link.acked().await;
    assert_eq!(ack["payload"]["response_type"], "ephemeral");
    let said = ack["payload"]["text"].as_str().unwrap();
    assert!(said.starts_with("✗ I couldn't save that"), "{said}");
    slack.stops().await;
}

#[tokio::test]
async fn a_slow_store_is_told_before_slack_gives_up() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    const { assert!(KEEP_WITHIN.as_millis() < 2_500, "Slack waits 3 s") };
    link.says(slash("stuck")).await;
    let ack = link.acked().await;
    let said = ack["payload"]["text"].as_str().unwrap();
    assert!(said.starts_with("… I'm not sure that was saved"), "{said}");
    slack.stops().await;
}

#[tokio::test]
async fn a_form_is_kept_before_it_is_closed() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.says(submission("shipped")).await;
    assert_eq!(link.acked().await, json!({"envelope_id": "e1"}));
    assert_eq!(slack.kept(), ["shipped"]);
    slack.stops().await;
}

#[rstest]
#[case::failed("broken", "✗ I couldn't save that")]
#[case::slow("stuck", "I'm not sure that was saved")]
#[tokio::test]
async fn a_form_that_cannot_be_kept_stays_open(#[case] text: &str, #[case] told: &str) {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.says(submission(text)).await;
    let ack = link.acked().await;
    assert_eq!(ack["payload"]["response_action"], "errors");
    let why = ack["payload"]["errors"]["text"].as_str().unwrap();
    assert!(why.starts_with(told), "{why}");
    slack.stops().await;
}

#[tokio::test]
async fn a_form_with_a_fault_stays_open_and_is_not_kept() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.says(submission(" ")).await;
    assert_eq!(
        link.acked().await["payload"],
        json!({"response_action": "errors", "errors": {"text": "A comment needs text."}})
    );
    assert!(slack.kept().is_empty());
    slack.stops().await;
}

#[tokio::test]
async fn create_with_nothing_after_it_asks_for_a_form() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.says(slash(" create ")).await;
    assert_eq!(link.acked().await, json!({"envelope_id": "e1"}));
    assert_eq!(*slack.ear.opened.lock().unwrap(), ["1.2.abc"]);
    assert!(slack.kept().is_empty());
    slack.stops().await;
}

#[tokio::test]
async fn odd_frames_do_not_break_the_link() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.0.send(Message::text("not json")).await.unwrap();
    link.0.send(Message::text("[]")).await.unwrap();
    link.0
        .send(Message::Binary(vec![0, 255].into()))
        .await
        .unwrap();
    link.says(json!({"type": "hologram"})).await;
    link.says(json!(null)).await;
    link.delivers("e1", "done").await;
    link.acks("e1").await;
    slack.stops().await;
}

#[rstest]
#[case::warning("warning")]
#[case::refresh("refresh_requested")]
#[case::new_reason("moon_phase")]
#[tokio::test]
async fn the_new_link_is_up_before_the_old_one_is_dropped(#[case] reason: &str) {
    let mut slack = Slack::start(Timings {
        overlap: Duration::from_millis(300),
        ..timings()
    })
    .await;
    let mut old = slack.accepts_and_greets().await;
    // Right after an event, and without its debug_info.
    old.delivers("e1", "stuck").await;
    old.says(json!({"type": "disconnect", "reason": reason}))
        .await;
    let mut new = slack.accepts().await;
    old.delivers("e2", "while the new one opens").await;
    old.acks("e2").await;
    assert_eq!(*slack.health.borrow(), SlackHealth::Connected);
    new.says(json!({"type": "hello", "num_connections": 2}))
        .await;
    new.delivers("e3", "on the new one").await;
    new.acks("e3").await;
    old.delivers("e4", "on the old one").await;
    old.acks("e4").await;
    slack.ear.permits.add_permits(1);
    old.acks("e1").await;
    old.is_closed().await;
    new.delivers("e5", "afterwards").await;
    new.acks("e5").await;
    slack.stops().await;
}

#[tokio::test]
async fn a_link_that_is_refreshed_at_once_serves_until_the_next() {
    let mut slack = Slack::start(timings()).await;
    let mut old = slack.accepts().await;
    old.says(json!({"type": "hello"})).await;
    old.says(json!({"type": "disconnect", "reason": "refresh_requested"}))
        .await;
    let mut new = slack.accepts().await;
    old.delivers("e1", "done").await;
    old.acks("e1").await;
    new.says(json!({"type": "hello"})).await;
    new.delivers("e2", "list").await;
    new.acks("e2").await;
    slack.stops().await;
}

#[tokio::test]
async fn commits_of_a_closing_link_are_still_acknowledged_on_it() {
    let mut slack = Slack::start(timings()).await;
    let mut old = slack.accepts_and_greets().await;
    old.delivers("e1", "stuck").await;
    old.delivers("e2", "done").await;
    old.acks("e2").await;
    slack.stop.cancel();
    slack.ear.permits.add_permits(1);
    old.acks("e1").await;
    old.is_closed().await;
    slack.stops().await;
}

#[tokio::test]
async fn a_cut_link_is_replaced() {
    let mut slack = Slack::start(timings()).await;
    let link = slack.accepts_and_greets().await;
    drop(link);
    slack
        .becomes(|health| *health != SlackHealth::Connected)
        .await;
    let mut link = slack.accepts_and_greets().await;
    link.0.close(None).await.unwrap();
    let mut link = slack.accepts_and_greets().await;
    link.delivers("e1", "done").await;
    link.acks("e1").await;
    slack.stops().await;
}

#[tokio::test]
async fn links_that_do_not_hold_are_not_reopened_in_a_hurry() {
    let retry = Duration::from_millis(200);
    let mut slack = Slack::start(Timings {
        retry_first: retry,
        retry_max: retry,
        settled: Duration::from_secs(60),
        ..timings()
    })
    .await;
    let mut opened = Vec::new();
    for _ in 0..4 {
        let mut link = slack.accepts().await;
        opened.push(slack.opened().await);
        link.says(json!({"type": "hello"})).await;
        link.0.close(None).await.unwrap();
    }
    // The first is replaced at once, the others wait.
    for pair in opened[1..].windows(2) {
        assert!(pair[1] - pair[0] >= retry / 2, "{opened:?}");
    }
    slack.stops().await;
}

#[tokio::test]
async fn a_link_without_any_frame_is_dead() {
    let mut slack = Slack::start(Timings {
        dead_after: Duration::from_millis(200),
        ..timings()
    })
    .await;
    // This end is never read, so no ping of the daemon is answered.
    let _silent = slack.accepts_and_greets().await;
    slack
        .becomes(|health| *health == SlackHealth::Connecting)
        .await;
    slack.accepts_and_greets().await;
    slack.stops().await;
}

#[tokio::test]
async fn pongs_keep_an_idle_link_alive() {
    let mut slack = Slack::start(Timings {
        ping_every: Duration::from_millis(50),
        dead_after: Duration::from_secs(2),
        ..timings()
    })
    .await;
    let mut link = slack.accepts_and_greets().await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(3) {
        let frame = soon("a ping", link.0.next()).await;
        assert!(matches!(frame, Some(Ok(Message::Ping(_)))), "{frame:?}");
    }
    assert_eq!(*slack.health.borrow(), SlackHealth::Connected);
    slack.stops().await;
}

#[tokio::test]
async fn a_ping_of_slack_is_echoed() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    let words = "Ping from applink-1";
    link.0.send(Message::Ping(words.into())).await.unwrap();
    let pong = soon("a pong", link.0.next()).await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong(words.into()));
    slack.stops().await;
}

#[tokio::test]
async fn an_upgrade_without_an_answer_is_given_up() {
    let mut slack = Slack::start(Timings {
        upgrade_limit: Duration::from_millis(200),
        ..timings()
    })
    .await;
    let (hanging, _) = slack.listener.accept().await.unwrap();
    let why = slack.trouble().await;
    assert!(why.contains("did not open within"), "{why}");
    // Further attempts may have been given up before this one is answered.
    drop(hanging);
    slack.stops().await;
}

#[rstest]
#[case("408 Request Timeout")]
#[case("409 Conflict")]
#[tokio::test]
async fn a_refused_upgrade_asks_for_a_new_address(#[case] status: &str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut slack = Slack::start(timings()).await;
    let (mut tcp, _) = slack.listener.accept().await.unwrap();
    let mut head = [0; 16];
    tcp.read_exact(&mut head).await.unwrap();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    tcp.write_all(answer.as_bytes()).await.unwrap();
    let why = slack.trouble().await;
    assert!(
        why.contains(status.split(' ').next().unwrap()) && !why.contains("ticket"),
        "{why}"
    );
    slack.opened().await;
    slack.opened().await;
    slack.accepts_and_greets().await;
    slack.stops().await;
}

/// Slack sends the count to new links only: one is opened to get another count.
#[tokio::test]
async fn links_that_are_not_held_here_are_counted_again_before_they_are_sure() {
    let mut slack = Slack::start(Timings {
        recount: Duration::from_millis(20),
        recount_again: Duration::from_millis(20),
        ..timings()
    })
    .await;
    let mut heard = slack.ear.others.subscribe();
    let mut links = Vec::new();
    // As Slack counts them; replaced links are read for a while, and are held here.
    for all in [2, 3, 4, 3] {
        let mut link = slack.accepts().await;
        link.says(json!({"type": "hello", "num_connections": all}))
            .await;
        links.push(link);
    }
    let all = soon("four counts", heard.wait_for(|all| all.len() == 4)).await;
    assert_eq!(
        *all.unwrap(),
        [(1, false), (1, true), (1, true), (0, false)]
    );
    slack.stops().await;
}

#[tokio::test]
async fn links_that_are_all_held_here_are_not_counted_again() {
    let mut slack = Slack::start(Timings {
        recount: Duration::ZERO,
        ..timings()
    })
    .await;
    let mut link = slack.accepts_and_greets().await;
    link.delivers("e1", "done").await;
    link.acks("e1").await;
    assert_eq!(*slack.ear.others.borrow(), [(0, false)]);
    slack.stops().await;
}

#[tokio::test]
async fn a_link_without_hello_is_given_up() {
    let mut slack = Slack::start(Timings {
        hello_limit: Duration::from_millis(200),
        ..timings()
    })
    .await;
    let mut mute = slack.accepts().await;
    let why = slack.trouble().await;
    assert!(why.contains("no hello"), "{why}");
    mute.is_closed().await;
    slack.stops().await;
}

#[tokio::test]
async fn an_attempt_that_fails_is_repeated() {
    let passing = |why: &str| WebError::Unknown {
        method: "apps.connections.open",
        why: why.into(),
    };
    let mut slack = Slack::answering(
        timings(),
        [
            passing("HTTP 500"),
            passing("no answer for 10 s"),
            passing("HTTP 502"),
        ],
    )
    .await;
    let why = slack.trouble().await;
    assert!(why.contains("apps.connections.open"), "{why}");
    slack.accepts_and_greets().await;
    slack.stops().await;
}

#[tokio::test]
async fn a_pause_that_slack_asks_for_is_kept() {
    let pause = Duration::from_millis(400);
    let limited = WebError::Limited {
        method: "apps.connections.open",
        after: Some(pause),
    };
    let mut slack = Slack::answering(timings(), [limited]).await;
    let first = slack.opened().await;
    let second = slack.opened().await;
    assert!(second - first >= pause);
    slack.stops().await;
}

#[rstest]
#[case("invalid_auth", "slack.app_token")]
#[case("token_revoked", "slack.app_token")]
#[case("not_allowed_token_type", "xapp-")]
#[case("missing_scope", "connections:write")]
#[tokio::test]
async fn a_refused_token_is_an_alarm_and_slowly_retried(#[case] code: &str, #[case] remedy: &str) {
    let alarm_retry = Duration::from_millis(400);
    let timings = Timings {
        alarm_retry,
        ..timings()
    };
    let mut slack = Slack::answering(timings, [refused(code)]).await;
    let why = slack.trouble().await;
    assert!(why.contains(code) && why.contains(remedy), "{why}");
    let first = slack.opened().await;
    let second = slack.opened().await;
    assert!(second - first >= alarm_retry);
    slack.accepts_and_greets().await;
    slack.stops().await;
}

#[rstest]
#[case("link_disabled", "Socket Mode")]
#[case("too_many_websockets", "other daemons")]
#[tokio::test]
async fn slack_wants_no_link_and_gets_none_for_a_while(#[case] reason: &str, #[case] words: &str) {
    let patience = Duration::from_millis(400);
    let mut slack = Slack::start(Timings {
        alarm_retry: patience,
        crowded_retry: patience,
        ..timings()
    })
    .await;
    let mut link = slack.accepts_and_greets().await;
    slack.opened().await;
    let said = Instant::now();
    link.says(json!({"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-7"}}))
        .await;
    // Slack's close right after it changes nothing.
    link.0.close(None).await.unwrap();
    let why = slack.trouble().await;
    assert!(why.contains(reason) && why.contains(words), "{why}");
    assert!(slack.opened().await - said >= patience);
    slack.stops().await;
}

#[tokio::test]
async fn the_old_link_serves_on_while_no_new_one_opens() {
    let mut slack = Slack::start(timings()).await;
    let mut old = slack.accepts_and_greets().await;
    slack.opened().await;
    slack
        .answers
        .lock()
        .unwrap()
        .extend(vec![refused("invalid_auth"); 3]);
    old.says(json!({"type": "disconnect", "reason": "warning"}))
        .await;
    slack.opened().await;
    old.delivers("e1", "done").await;
    old.acks("e1").await;
    assert_eq!(*slack.health.borrow(), SlackHealth::Connected);
    slack.stops().await;
}

#[tokio::test]
async fn a_stop_says_close_and_ends() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    slack.stop.cancel();
    link.is_closed().await;
    slack.stops().await;
}

#[tokio::test]
async fn a_stop_ends_the_wait_of_an_alarm() {
    let mut slack = Slack::answering(timings(), [refused("invalid_auth")]).await;
    slack.trouble().await;
    slack.stops().await;
}

#[tokio::test]
async fn a_panic_is_not_a_deaf_daemon() {
    let mut slack = Slack::start(timings()).await;
    let mut link = slack.accepts_and_greets().await;
    link.delivers("e1", "panic").await;
    let ended = soon("the end", slack.daemon).await.unwrap();
    assert_eq!(
        ended,
        Err(SlackError::Panicked {
            task: "socket link",
            why: "kept badly".into()
        })
    );
}
