//! Small fakes of Slack, ClickUp and GitHub for the loader: they answer at once, and count.
//!
//! Slack sends an envelope again if it is not acknowledged within 3 s, then after a minute and after five
//! (docs/contracts/slack.md#redelivery). The fakes keep no rate limits, so that the servers set the pace.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// The list that is followed.
pub const LIST: &str = "901100000001";
/// The repository that is followed.
pub const REPO: &str = "acme/widgets";
const TEAM: &str = "T0LOAD";
/// The times after which an unacknowledged envelope is sent again.
const AGAIN_AFTER: [Duration; 3] = [
    Duration::from_secs(3),
    Duration::from_secs(63),
    Duration::from_secs(363),
];

/// The Slack id of a person.
pub fn user(number: usize) -> String {
    format!("U0LOAD{number:04}")
}

fn dm(user: &str) -> String {
    format!("D{}", user.trim_start_matches('U'))
}

/// Clones share the fakes.
#[derive(Clone)]
pub struct Fake {
    inner: Arc<Inner>,
}

struct Inner {
    /// The address of the HTTP services.
    base: String,
    /// The address of the sockets.
    socket: String,
    slack: Mutex<Slack>,
    issues: Mutex<BTreeMap<u64, Value>>,
    /// The number of issues that are made when they are asked for.
    many: AtomicU64,
    made: AtomicU64,
    answered: watch::Sender<usize>,
    /// When the last link got its hello.
    connected: watch::Sender<Option<Instant>>,
}

#[derive(Default)]
struct Slack {
    link: Option<mpsc::UnboundedSender<Message>>,
    /// The unacknowledged envelopes.
    open: HashMap<String, Envelope>,
    /// The messages in each DM that have no answer.
    asked: HashMap<String, VecDeque<Instant>>,
    /// The times from a message to its answer, in milliseconds.
    took: Vec<f64>,
    sent: u64,
    again: u64,
    next_ts: u64,
}

struct Envelope {
    frame: String,
    sent: Instant,
    times: usize,
}

impl Fake {
    pub async fn start() -> Fake {
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sockets = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Fake {
            inner: Arc::new(Inner {
                base: format!("http://{}", http.local_addr().unwrap()),
                socket: format!("ws://{}/link", sockets.local_addr().unwrap()),
                slack: Mutex::default(),
                issues: Mutex::default(),
                many: AtomicU64::new(0),
                made: AtomicU64::new(1),
                answered: watch::Sender::default(),
                connected: watch::Sender::default(),
            }),
        };
        let router = Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(http, router).await.unwrap() });
        tokio::spawn(fake.clone().take_links(sockets));
        tokio::spawn(fake.clone().send_again());
        fake
    }

    /// The address of the services; Slack is under `/api`, ClickUp under `/clickup`, GitHub under `/github`.
    pub fn base(&self) -> &str {
        &self.inner.base
    }

    fn slack(&self) -> MutexGuard<'_, Slack> {
        self.inner.slack.lock().unwrap()
    }

    /// Forgets what was counted.
    pub fn begins(&self) {
        let mut slack = self.slack();
        slack.open.clear();
        slack.asked.clear();
        slack.took.clear();
        slack.again = 0;
        drop(slack);
        self.inner.answered.send_replace(0);
    }

    /// Waits until a server is connected; returns when it was. To be called after [`Fake::expects_a_link`].
    pub async fn is_connected(&self) -> Instant {
        let mut connected = self.inner.connected.subscribe();
        let at = connected.wait_for(Option::is_some);
        let at = tokio::time::timeout(Duration::from_secs(60), at).await;
        at.unwrap().unwrap().unwrap()
    }

    pub fn expects_a_link(&self) {
        self.inner.connected.send_replace(None);
    }

    /// A person types a message to the bot.
    pub fn says(&self, user: &str, text: &str) {
        let mut slack = self.slack();
        slack.sent += 1;
        slack.next_ts += 1;
        let number = slack.sent;
        let id = format!("envelope-{number}");
        let channel = dm(user);
        let seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let ts = format!("{seconds}.{:06}", slack.next_ts % 1_000_000);
        let frame = json!({
            "envelope_id": id, "type": "events_api", "accepts_response_payload": false,
            "retry_attempt": 0, "retry_reason": "",
            "payload": {
                "token": "load", "team_id": TEAM, "api_app_id": "A0LOAD", "type": "event_callback",
                "event_id": format!("Ev0LOAD{number}"), "event_time": seconds,
                "is_ext_shared_channel": false,
                "authorizations": [{"enterprise_id": null, "team_id": TEAM, "user_id": "U0BOT", "is_bot": true,
                    "is_enterprise_install": false}],
                "event": {
                    "type": "message", "channel_type": "im", "channel": channel, "user": user, "text": text, "ts": ts,
                    "event_ts": ts, "team": TEAM, "client_msg_id": format!("00000000-0000-4000-8000-{number:012}"),
                },
            },
        })
        .to_string();
        let now = Instant::now();
        slack.asked.entry(channel).or_default().push_back(now);
        if let Some(link) = &slack.link {
            let _ = link.send(Message::text(frame.as_str()));
        }
        let (sent, times) = (now, 1);
        slack.open.insert(id, Envelope { frame, sent, times });
    }

    /// Waits until this many messages are answered, at most so long; returns how many are.
    pub async fn are_answered(&self, messages: usize, within: Duration) -> usize {
        let mut answered = self.inner.answered.subscribe();
        let all = answered.wait_for(|answered| *answered >= messages);
        let _ = tokio::time::timeout(within, all).await;
        *self.inner.answered.borrow()
    }

    /// The times from a message to its answer, in milliseconds; and the number of envelopes that were sent again.
    pub fn outcome(&self) -> (Vec<f64>, u64) {
        let slack = self.slack();
        (slack.took.clone(), slack.again)
    }

    fn is_answered(&self, channel: &str) {
        let mut slack = self.slack();
        let asked = slack.asked.get_mut(channel).and_then(VecDeque::pop_front);
        let Some(asked) = asked else { return };
        slack.took.push(asked.elapsed().as_secs_f64() * 1_000.0);
        drop(slack);
        self.inner.answered.send_modify(|answered| *answered += 1);
    }

    async fn take_links(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(self.clone().serve(stream));
        }
    }

    async fn serve(self, stream: tokio::net::TcpStream) {
        let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
            return;
        };
        let hello =
            json!({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A0LOAD"}});
        socket.send(Message::text(hello.to_string())).await.unwrap();
        let (link, mut frames) = mpsc::unbounded_channel();
        self.slack().link = Some(link);
        self.inner.connected.send_replace(Some(Instant::now()));
        let mut together = Vec::new();
        loop {
            tokio::select! {
                frame = frames.recv_many(&mut together, 64) => {
                    if frame == 0 {
                        return;
                    }
                    for frame in together.drain(..) {
                        if socket.feed(frame).await.is_err() {
                            return;
                        }
                    }
                    if socket.flush().await.is_err() {
                        return;
                    }
                }
                frame = socket.next() => match frame {
                    Some(Ok(Message::Text(text))) => {
                        let ack: Value = serde_json::from_str(&text).unwrap();
                        let id = ack.get("envelope_id").and_then(Value::as_str).unwrap_or_default();
                        self.slack().open.remove(id);
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => {}
                },
            }
        }
    }

    /// Sends envelopes again that are not acknowledged in time.
    async fn send_again(self) {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            let slack = &mut *self.slack();
            for envelope in slack.open.values_mut() {
                let after = AGAIN_AFTER.get(envelope.times - 1);
                if after.is_some_and(|after| envelope.sent.elapsed() >= *after) {
                    envelope.times += 1;
                    slack.again += 1;
                    let first = "\"retry_attempt\":0,\"retry_reason\":\"\"";
                    let retry = format!(
                        "\"retry_attempt\":{},\"retry_reason\":\"timeout\"",
                        envelope.times - 1
                    );
                    if let Some(link) = &slack.link {
                        let _ = link.send(Message::text(envelope.frame.replace(first, &retry)));
                    }
                }
            }
        }
    }

    fn next_ts(&self) -> String {
        let mut slack = self.slack();
        slack.next_ts += 1;
        let seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        format!("{seconds}.{:06}", slack.next_ts % 1_000_000)
    }

    fn of_slack(&self, method: &str, query: &str, body: &Value) -> Value {
        let said = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let asked = |name: &str| {
            let pairs = url::form_urlencoded::parse(query.as_bytes());
            let found = pairs.into_iter().find(|(key, _)| key == name);
            found
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default()
        };
        match method {
            "apps.connections.open" => json!({"ok": true, "url": self.inner.socket}),
            "auth.test" => {
                json!({"ok": true, "team_id": TEAM, "user_id": "U0BOT", "user": "ivan", "bot_id": "B0BOT"})
            }
            "users.info" => {
                let id = asked("user");
                json!({"ok": true, "user": {"id": id, "team_id": TEAM, "name": id.to_lowercase(), "deleted": false,
                    "is_bot": false, "is_restricted": false, "tz": "Europe/Berlin", "profile": {"real_name": id}}})
            }
            "conversations.open" => json!({"ok": true, "channel": {"id": dm(said("users"))}}),
            "chat.postMessage" | "chat.update" => {
                let channel = said("channel");
                let ts = match said("ts") {
                    "" => self.next_ts(),
                    ts => ts.to_owned(),
                };
                if !said("text").starts_with('…') {
                    self.is_answered(channel);
                }
                json!({"ok": true, "channel": channel, "ts": ts, "message": {"text": said("text"), "ts": ts}})
            }
            _ => json!({"ok": true, "messages": [], "channels": [], "has_more": false}),
        }
    }

    fn of_clickup(&self, method: &Method, path: &str, body: &Value) -> Option<Value> {
        let fixture = |text: &str| serde_json::from_str::<Value>(text).ok();
        match (method.as_str(), path) {
            ("GET", "user") => fixture(include_str!("../../fixtures/clickup/get_user.json")),
            ("GET", "team") => fixture(include_str!("../../fixtures/clickup/get_team.json")),
            ("POST", path) if path.ends_with("/task") => {
                let mut task = fixture(include_str!("../../fixtures/clickup/post_task.json"))?;
                let number = self.inner.made.fetch_add(1, Ordering::Relaxed);
                let (id, now) = (
                    format!("86load{number}"),
                    std::time::UNIX_EPOCH.elapsed().ok()?.as_millis(),
                );
                let people = body.get("assignees").and_then(Value::as_array);
                let people = people.into_iter().flatten();
                let people: Vec<Value> = people
                    .map(|id| json!({"id": id, "username": id.to_string()}))
                    .collect();
                for (name, value) in [
                    ("url", json!(format!("https://app.clickup.com/t/{id}"))),
                    ("id", json!(id)),
                    ("name", body.get("name").cloned()?),
                    ("date_created", json!(now.to_string())),
                    ("date_updated", json!(now.to_string())),
                    ("assignees", json!(people)),
                ] {
                    task.as_object_mut()?.insert(name.to_owned(), value);
                }
                Some(task)
            }
            ("GET", path) if path.ends_with("/task") => {
                Some(json!({"tasks": [], "last_page": true}))
            }
            ("GET", path) if path.starts_with("list/") => {
                fixture(include_str!("../../fixtures/clickup/get_list.json"))
            }
            ("GET", path) if path.ends_with("/webhook") => Some(json!({"webhooks": []})),
            _ => None,
        }
    }

    /// GitHub has open issues with these numbers.
    pub fn has_issues(&self, numbers: std::ops::RangeInclusive<u64>) {
        self.inner.many.store(0, Ordering::Relaxed);
        let mut issues = self.inner.issues.lock().unwrap();
        *issues = numbers.map(|number| (number, issue(number))).collect();
    }

    /// GitHub has the issues from 1 to this number, as [`one_of_many`] makes them, in pages.
    pub fn has_many_issues(&self, count: u64) {
        self.inner.issues.lock().unwrap().clear();
        self.inner.many.store(count, Ordering::Relaxed);
    }

    /// A page of many issues, and the link to the next one.
    fn page_of_many(
        &self,
        method: &Method,
        path: &str,
        query: &str,
    ) -> Option<(Value, Option<String>)> {
        let many = self.inner.many.load(Ordering::Relaxed);
        let is_listing = path.ends_with("1001/issues") || path.ends_with("widgets/issues");
        if many == 0 || method != Method::GET || !is_listing {
            return None;
        }
        let asked: HashMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
        if asked.contains_key("since") {
            return Some((json!([]), None));
        }
        let number = |name: &str| asked.get(name).and_then(|value| value.parse::<u64>().ok());
        let (size, page) = (
            number("per_page").unwrap_or(30),
            number("page").unwrap_or(1),
        );
        let from = (page - 1) * size + 1;
        let to = (from + size - 1).min(many);
        let changed = self.inner.issues.lock().unwrap();
        let listed = (from..=to).map(|number| match changed.get(&number) {
            Some(issue) => issue.clone(),
            None => one_of_many(number),
        });
        let base = self.base();
        let next = page + 1;
        let link = format!(
            "<{base}/github/repositories/1001/issues?per_page={size}&page={next}>; rel=\"next\""
        );
        Some((listed.collect(), (to < many).then_some(link)))
    }

    fn of_github(&self, method: &Method, path: &str, query: &str, body: &Value) -> Option<Value> {
        let repository = include_str!("../../fixtures/github/get_repo.json");
        let of_repo = path
            .strip_prefix("repos/")
            .and_then(|path| path.strip_prefix(REPO));
        match (method.as_str(), path, of_repo) {
            ("GET", "user", _) => {
                serde_json::from_str(include_str!("../../fixtures/github/get_user.json")).ok()
            }
            ("GET", "repositories/1001", _) | ("GET", _, Some("")) => {
                serde_json::from_str(repository).ok()
            }
            ("GET", _, Some("/issues")) => {
                let issues = self.inner.issues.lock().unwrap();
                let first = query
                    .split('&')
                    .all(|pair| pair == "page=1" || !pair.starts_with("page="));
                let since = query.contains("since=");
                // One page holds them all, and nothing has changed since.
                Some(match first && !since {
                    true => issues.values().cloned().collect(),
                    false => json!([]),
                })
            }
            (method, _, Some(path)) => {
                let number = path
                    .strip_prefix("/issues/")
                    .and_then(|number| number.parse().ok());
                let Some(number) = number else {
                    return Some(json!([]));
                };
                let mut issues = self.inner.issues.lock().unwrap();
                let is_one_of_many = number <= self.inner.many.load(Ordering::Relaxed);
                let issue = issues
                    .entry(number)
                    .or_insert_with(|| match is_one_of_many {
                        true => one_of_many(number),
                        false => issue(number),
                    });
                if method == "PATCH" {
                    let changes = body.as_object().into_iter().flatten();
                    let of_issue = issue.as_object_mut()?;
                    of_issue.extend(changes.map(|(name, value)| (name.clone(), value.clone())));
                    if body.get("state").is_some_and(|state| state == "closed") {
                        of_issue.insert("closed_at".to_owned(), json!("2026-02-01T00:00:00Z"));
                        of_issue.insert("updated_at".to_owned(), json!("2026-02-01T00:00:00Z"));
                    }
                }
                Some(issue.clone())
            }
            _ => None,
        }
    }
}

/// An open issue.
pub fn issue(number: u64) -> Value {
    let opened = include_str!("../../fixtures/github/issues__opened.json");
    let opened: Value = serde_json::from_str(opened).unwrap();
    let mut issue = opened.get("issue").cloned().unwrap();
    let fields = issue.as_object_mut().unwrap();
    for (name, value) in [
        ("id", json!(3_000_000_000 + number)),
        ("number", json!(number)),
        ("title", json!(format!("Issue {number}"))),
        ("body", json!("Since the update of last week.")),
        (
            "html_url",
            json!(format!("https://github.com/{REPO}/issues/{number}")),
        ),
        (
            "url",
            json!(format!(
                "https://api.github.com/repos/{REPO}/issues/{number}"
            )),
        ),
    ] {
        fields.insert(name.to_owned(), value);
    }
    issue
}

/// The number of people who have issues among many.
pub const OWNERS: u64 = 10_000;

/// The person who has one of many issues. The first person has a tenth of those with odd numbers.
pub fn owner(number: u64) -> u64 {
    match number % 20 {
        1 => 0,
        _ => number / 2 % OWNERS,
    }
}

/// A person's GitHub login.
pub fn login(owner: u64) -> String {
    format!("person{owner:05}")
}

/// An issue that somebody has: open if its number is odd.
pub fn one_of_many(number: u64) -> Value {
    let mut issue = issue(number);
    let owner = owner(number);
    let assignee = json!({"login": login(owner), "id": 600_000 + owner, "type": "User"});
    let fields = issue.as_object_mut().unwrap();
    fields.insert("assignees".to_owned(), json!([assignee]));
    if number.is_multiple_of(2) {
        fields.insert("state".to_owned(), json!("closed"));
        fields.insert("state_reason".to_owned(), json!("completed"));
        fields.insert("closed_at".to_owned(), json!("2026-01-02T03:04:05Z"));
    }
    issue
}

async fn answer(State(fake): State<Fake>, method: Method, uri: Uri, body: Bytes) -> Response {
    let query = uri.query().unwrap_or_default();
    let body_is: Value = serde_json::from_slice(&body).unwrap_or_default();
    let path = uri.path().trim_start_matches('/');
    let page = path
        .strip_prefix("github/")
        .and_then(|path| fake.page_of_many(&method, path, query));
    if let Some((page, link)) = page {
        let link = link.map(|link| [(header::LINK, link)]);
        return (link, axum::Json(page)).into_response();
    }
    let said = match path.split_once('/') {
        Some(("api", method)) => Some(fake.of_slack(method, query, &body_is)),
        Some(("clickup", path)) => fake.of_clickup(&method, path, &body_is),
        Some(("github", path)) => fake.of_github(&method, path, query, &body_is),
        _ => None,
    };
    match said {
        Some(said) => axum::Json(said).into_response(),
        None => (
            StatusCode::NOT_FOUND,
            axum::Json(json!({"message": "Not Found"})),
        )
            .into_response(),
    }
}
