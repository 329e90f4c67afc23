//! `ivan demo --web`: the sandbox's Slack, ClickUp and GitHub as a page on loopback.
//!
//! The page acts through the sandbox's control API. The server sends the whole state of one person after each change
//! (server-sent events); the script in `page/` draws it. The address has a key, so that no other page of the browser can
//! use it; requests from another origin, or to another host name, are refused.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::Stream;
use futures_util::future::LocalBoxFuture;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tower_service::Service as _;

use super::daemon::{DaemonProcess, DaemonState};
use super::terminal::Interrupts;
use super::world::{self, ANA, BO, DemoPerson, DemoTask, GIL, REPO};
use super::{DemoError, PATIENCE};
use crate::cli::browse;
use crate::runtime::lock;
use crate::sandbox::fault_server::{FaultServer, RequestRecord};
use crate::sandbox::slack::EphemeralPost;
use crate::sandbox::{Sandbox, Seed, control, now};
use crate::store::causes::{self, CommandWrite};

/// The people whom the reader of the page can be.
const PEOPLE: [DemoPerson; 3] = [ANA, BO, GIL];
/// Changes within this time are sent together.
const TOGETHER: Duration = Duration::from_millis(40);
/// How many of the newest acts and requests the page shows.
const SHOWN: usize = 200;
/// The longest body of a request that is shown, in characters.
const LONGEST_BODY: usize = 600;
/// The longest description of an act, in characters.
const LONGEST_ACT: usize = 200;
/// The largest body of a request from the page, in bytes.
const BODY_LIMIT: usize = 256 * 1024;

/// The page itself. Nothing is loaded from elsewhere, and nothing in it is inline.
const FILES: [(&str, &str, &str); 3] = [
    (
        "",
        "text/html; charset=utf-8",
        include_str!("page/index.html"),
    ),
    (
        "style.css",
        "text/css; charset=utf-8",
        include_str!("page/style.css"),
    ),
    (
        "page.js",
        "text/javascript; charset=utf-8",
        include_str!("page/page.js"),
    ),
];
/// The headers of every answer.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Starts the sandbox, the daemon and the page; runs until Ctrl-C or SIGTERM. Port 0 is any free port. `open` shows the
/// page in the browser.
#[inline(never)]
pub fn run(port: u16, open: bool) -> LocalBoxFuture<'static, Result<(), DemoError>> {
    Box::pin(serve(port, open))
}

async fn serve(port: u16, open: bool) -> Result<(), DemoError> {
    let mut stops = Interrupts::listen()?;
    // First, so that a port in use is reported at once.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|error| DemoError::Port(port, error))?;
    let folder = tempfile::Builder::new().prefix("ivan-demo-").tempdir()?;
    let sandbox = Sandbox::start(Seed::demo()).await?;
    let daemon = Arc::new(DaemonProcess::new(&sandbox, folder.path())?);
    daemon.start()?;
    tokio::select! {
        in_time = tokio::time::timeout(PATIENCE, first_reads(&daemon)) => {
            in_time.map_err(|_| DemoError::NotReady)??;
        }
        _ = stops.next() => return Ok(()),
    }
    let page = Arc::new(DemoPage::new(sandbox.clone(), Arc::clone(&daemon)));
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(std::io::Error::other)?;
    let entrance = Entrance::new(listener.local_addr()?, &hex::encode(key), &page);
    let url = entrance.url();
    let watching = tokio::spawn(watch_changes(Arc::clone(&page)));
    let accepting = tokio::spawn(accept(listener, entrance));
    say(&format!(
        "{url}\nis the demo. The address is its key: only a browser that has it can use the page. Ctrl-C ends the demo.\n"
    ))?;
    if open && let Err(why) = browse::start(&url) {
        eprintln!("! No browser can be started: {why}");
    }
    stops.next().await;
    accepting.abort();
    watching.abort();
    daemon.kill();
    sandbox.close().await;
    Ok(())
}

/// Prints a text at once, also into a pipe.
fn say(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Waits until the daemon is connected and has read both sources.
async fn first_reads(daemon: &DaemonProcess) -> Result<(), DemoError> {
    let mut news = daemon.news();
    loop {
        {
            let now = news.borrow_and_update();
            match now.state {
                DaemonState::Gone => return Err(DemoError::Ended(now.last_error.clone())),
                DaemonState::Ready if now.read.len() > 1 => return Ok(()),
                DaemonState::Ready | DaemonState::Starting => {}
            }
        }
        if news.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// One connection after the other, each on a task of its own.
async fn accept(listener: TcpListener, entrance: Entrance) {
    let router = Router::new().fallback(enter).with_state(Arc::new(entrance));
    loop {
        // The client may have left while it was queued.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            // A browser that leaves is no error.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// The check that every request passes first.
struct Entrance {
    /// `127.0.0.1:port`
    host: String,
    /// `/key/`
    path: String,
    page: Arc<DemoPage>,
    inside: Router,
}

impl Entrance {
    fn new(address: SocketAddr, key: &str, page: &Arc<DemoPage>) -> Entrance {
        Entrance {
            host: address.to_string(),
            path: format!("/{key}/"),
            page: Arc::clone(page),
            inside: routes(Arc::clone(page)),
        }
    }

    fn url(&self) -> String {
        format!("http://{}{}", self.host, self.path)
    }

    /// Whether a request comes from this page, or from no page at all, such as an address that was typed.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let is = |name: HeaderName, fits: &dyn Fn(&str) -> bool| {
            let mut values = headers.get_all(name).iter();
            values.all(|value| value.to_str().is_ok_and(fits))
        };
        headers.contains_key(header::HOST)
            && is(header::HOST, &|host| host == self.host)
            && is(header::ORIGIN, &|origin| {
                origin.strip_prefix("http://") == Some(self.host.as_str())
            })
            && is(HeaderName::from_static("sec-fetch-site"), &|site| {
                ["same-origin", "none"].contains(&site)
            })
    }
}

/// Refuses foreign requests, and notes acts of the page that succeed.
async fn enter(State(entrance): State<Arc<Entrance>>, request: Request) -> Response {
    let mut answer = admitted(&entrance, request).await;
    for (name, value) in HEADERS {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}

async fn admitted(entrance: &Entrance, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if !entrance.admits(&parts.headers) {
        let why =
            "this server answers only its own page, at the address that `ivan demo --web` printed";
        return refused(StatusCode::FORBIDDEN, why);
    }
    let inside = parts.uri.path().strip_prefix(&entrance.path);
    let query = parts.uri.query().map_or(String::new(), |q| format!("?{q}"));
    let inside = inside.and_then(|path| format!("/{path}{query}").parse::<Uri>().ok());
    let Some(inside) = inside else {
        let why = "the address has another key; `ivan demo --web` printed the right one";
        return refused(StatusCode::NOT_FOUND, why);
    };
    let act = Query::<Act>::try_from_uri(&inside).ok();
    let is_act = parts.method == Method::POST;
    parts.uri = inside;
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
    };
    // Noted before it is done: the requests that it causes come after it.
    let noted = act
        .filter(|_| is_act)
        .map(|Query(act)| entrance.page.begins(&act));
    let request = Request::from_parts(parts, Body::from(body));
    // A router is always ready, and its error cannot exist.
    let Ok(answer) = entrance.inside.clone().call(request).await;
    if let (Some(noted), false) = (noted, answer.status().is_success()) {
        entrance.page.takes_back(noted);
    }
    if is_act {
        entrance.page.changes();
    }
    answer
}

fn refused(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({"ok": false, "error": why}))).into_response()
}

fn routes(page: Arc<DemoPage>) -> Router {
    let control = control::routes(page.sandbox.clone());
    let mut router = Router::new()
        .route("/state", get(state))
        .route("/events", get(events))
        .route("/submit", post(submit))
        .route("/daemon", post(daemon))
        .route("/others", post(others))
        .with_state(page);
    for (name, kind, text) in FILES {
        let file = move || async move { ([(header::CONTENT_TYPE, kind)], text) };
        router = router.route(&format!("/{name}"), get(file));
    }
    router.nest("/do", control)
}

/// The description of an act, in the query of its request.
#[derive(Deserialize)]
struct Act {
    act: String,
}

/// An act of a person, or a request that reached a source.
struct Noted {
    number: u64,
    at_ms: i64,
    what: Value,
    /// The same request was sent so many times in a row.
    times: u64,
}

impl Noted {
    /// Whether it is a request of that operation.
    fn is_of(&self, operation: &str) -> bool {
        self.what["for"]["operation"] == operation
    }

    /// Whether it is a write that was answered with a success.
    fn has_written(&self) -> bool {
        let status = self.what["status"].as_u64();
        self.what["method"] != "GET" && status.is_some_and(|status| status < 400)
    }
}

/// The services and the daemon behind the page.
struct DemoPage {
    sandbox: Sandbox,
    daemon: Arc<DaemonProcess>,
    /// The newest acts and writes in their order, and the number of the next.
    noted: Mutex<(Vec<Noted>, u64)>,
    /// Counts changes.
    changed: watch::Sender<u64>,
}

impl DemoPage {
    fn new(sandbox: Sandbox, daemon: Arc<DaemonProcess>) -> DemoPage {
        DemoPage {
            sandbox,
            daemon,
            noted: Mutex::default(),
            changed: watch::Sender::default(),
        }
    }

    fn changes(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn note(&self, what: Value) -> u64 {
        let mut noted = lock(&self.noted);
        let (list, next) = &mut *noted;
        *next += 1;
        let number = *next;
        list.push(Noted {
            number,
            at_ms: now(),
            what,
            times: 1,
        });
        let surplus = list.len().saturating_sub(SHOWN);
        list.drain(..surplus);
        number
    }

    /// Notes an act; returns its number.
    fn begins(&self, act: &Act) -> u64 {
        let text: String = act.act.chars().take(LONGEST_ACT).collect();
        self.note(json!({ "act": text }))
    }

    /// Removes an act that was refused.
    fn takes_back(&self, number: u64) {
        lock(&self.noted).0.retain(|noted| noted.number != number);
    }

    /// Notes a request with the write of a command that it belongs to; returns whether the page shows it.
    async fn hears(&self, system: &str, heard: Result<RequestRecord, RecvError>) -> bool {
        // A missed request is in no list, but its effect is in the next snapshot.
        let Ok(seen) = heard else { return true };
        let (store, source, at_ms) = (self.daemon.store(), system.to_lowercase(), seen.at_ms);
        let looked =
            tokio::task::spawn_blocking(move || causes::under_way(&store, &source, at_ms)).await;
        // Without a store, as in a test, the request is shown alone.
        let writes = looked.ok().and_then(Result::ok).unwrap_or_default();
        self.requested(system, &seen, &writes)
    }

    /// Notes a write that reached a source, or was to reach it, and a read that belongs to a command. Returns whether it
    /// was one of these: polls are not shown.
    fn requested(&self, system: &str, seen: &RequestRecord, writes: &[CommandWrite]) -> bool {
        let cause = cause(writes, seen);
        let mut what = json!({
            "to": system, "method": seen.method, "path": seen.path, "status": seen.status, "fault": seen.fault,
            "applied": seen.applied, "body": seen.body.chars().take(LONGEST_BODY).collect::<String>(),
        });
        if let (Some(cause), Some(fields)) = (cause, what.as_object_mut()) {
            fields.insert("for".to_owned(), json!(cause));
        }
        let of_cause = |noted: &Noted| cause.is_some_and(|cause| noted.is_of(&cause.operation));
        {
            let mut noted = lock(&self.noted);
            let (list, _) = &mut *noted;
            if seen.method == "GET" {
                // Once the write is answered, a read of its task belongs to a webhook.
                let is_over = list.iter().any(|one| of_cause(one) && one.has_written());
                if cause.is_none() || is_over {
                    return false;
                }
            }
            let before = list.iter_mut().rfind(|one| of_cause(one));
            if let Some(before) = before.filter(|before| before.what == what) {
                before.times += 1;
                return true;
            }
        }
        self.note(what);
        true
    }

    /// All that a person sees, and the sources.
    fn snapshot(&self, person: DemoPerson) -> Value {
        // Taken before the reads: a change meanwhile is sent again.
        let version = *self.changed.borrow();
        let slack = &self.sandbox.slack;
        let directory = slack.directory();
        let dm = slack.dm(person.slack);
        let channels = directory["channels"].as_array().into_iter().flatten();
        let theirs = channels.filter(|channel| {
            let members = channel["members"].as_array();
            members.is_some_and(|members| members.iter().any(|user| user == person.slack))
        });
        let mut conversations =
            vec![json!({"id": dm, "name": "Ivan", "dm": true, "messages": slack.history(&dm)})];
        conversations.extend(theirs.filter_map(|channel| {
            let place = channel["id"].as_str()?;
            Some(json!({"id": place, "name": channel["name"], "dm": false, "has_bot": slack.has_bot(place),
                "messages": slack.history(place)}))
        }));
        let whispers = slack.whispers().into_iter();
        let whispers: Vec<Value> = whispers
            .filter(|whisper| whisper.user == person.slack)
            .map(|whisper| ephemeral(&whisper))
            .collect();
        let home = format!("V0HOME{}", person.slack);
        let home = slack.views().into_iter().find(|view| view["id"] == home);
        let newest = |person: DemoPerson| {
            let said = slack.bot_messages(&slack.dm(person.slack)).pop();
            json!({"id": person.slack, "name": person.name, "newest": said.map(|said| said.ts)})
        };
        let news = self.daemon.news().borrow().clone();
        let noted = lock(&self.noted);
        let log: Vec<Value> = noted.0.iter().map(shown).collect();
        json!({
            "version": version,
            "me": person.slack,
            "people": PEOPLE.map(newest),
            "members": directory["people"],
            "bot": slack.bot_user(),
            "conversations": conversations,
            "ephemeral": whispers,
            "home": home,
            "modals": slack.modals_of(person.slack),
            "sources": [clickup(&self.sandbox), github(&self.sandbox)],
            "log": log,
            "daemon": {
                "state": match news.state {
                    DaemonState::Starting => "starting",
                    DaemonState::Ready => "ready",
                    DaemonState::Gone => "gone",
                },
                "start": news.start,
                "connections": slack.links(),
                "slack_down": slack.front().is_down(),
            },
        })
    }
}

fn shown(noted: &Noted) -> Value {
    let mut shown = noted.what.clone();
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("n".to_owned(), json!(noted.number));
        fields.insert("at".to_owned(), json!(noted.at_ms));
        fields.insert("times".to_owned(), json!(noted.times));
    }
    shown
}

fn ephemeral(whisper: &EphemeralPost) -> Value {
    json!({
        "ts": whisper.ts, "channel": whisper.channel, "text": whisper.text, "blocks": whisper.blocks,
        "thread_ts": whisper.thread_ts, "from": whisper.from,
    })
}

fn clickup(sandbox: &Sandbox) -> Value {
    let tasks = sandbox.clickup.tasks().into_iter().filter_map(|task| {
        let key = task["id"].as_str()?;
        let comments = sandbox.clickup.task(key).comments();
        Some(json!({
            "key": key, "label": task["list"]["name"], "title": task["name"], "state": task["status"]["status"],
            "open": !matches!(task["status"]["type"].as_str(), Some("closed" | "done")),
            "tags": texts(&task["tags"], "name"), "assignees": texts(&task["assignees"], "username"),
            "due": task["due_date"], "priority": task["priority"]["priority"], "url": task["url"],
            "description": task["description"], "comments": comments,
        }))
    });
    source(
        "clickup",
        "ClickUp",
        sandbox.clickup.front(),
        tasks.collect(),
    )
}

fn github(sandbox: &Sandbox) -> Value {
    let issues = sandbox.github.issues(REPO).into_iter();
    let issues = issues.filter_map(|issue| {
        let number = issue["number"].as_u64()?;
        let comments = sandbox.github.issue(REPO, number).comments();
        let kind = match issue["pull_request"].is_object() {
            true => "pull request",
            false => "issue",
        };
        Some(json!({
            "key": number.to_string(), "label": format!("{REPO}#{number}"), "kind": kind, "title": issue["title"],
            "state": issue["state"], "open": issue["state"] == "open", "tags": texts(&issue["labels"], "name"),
            "assignees": texts(&issue["assignees"], "login"), "url": issue["html_url"],
            "description": issue["body"], "comments": comments,
        }))
    });
    source("github", "GitHub", sandbox.github.front(), issues.collect())
}

fn source(system: &str, name: &str, front: &FaultServer, tasks: Vec<Value>) -> Value {
    json!({"system": system, "name": name, "down": front.is_down(), "tasks": tasks})
}

/// One text of each object in a list.
fn texts(list: &Value, field: &str) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|one| one[field].as_str().map(str::to_owned))
        .collect()
}

/// The write that a request belongs to: the one that it names, or the only one of its kind that is under way.
fn cause<'w>(writes: &'w [CommandWrite], seen: &RequestRecord) -> Option<&'w CommandWrite> {
    let kind = match seen.path.rsplit('/').next() {
        Some("comment" | "comments") => Some("comment"),
        Some("task" | "issues") => Some("create"),
        _ => None,
    };
    let fits = |write: &&CommandWrite| match (seen.method.as_str(), kind) {
        ("GET", _) => true,
        ("POST", Some(kind)) => write.kind == kind,
        _ => !["comment", "create"].contains(&write.kind.as_str()),
    };
    let body: Value = serde_json::from_str(&seen.body).unwrap_or_default();
    let title = body["name"].as_str().or(body["title"].as_str());
    let is_named = |write: &&CommandWrite| {
        let made = |own: &String| title.is_some_and(|title| title.ends_with(own.as_str()));
        let about = |key: &String| is_about(&seen.path, key);
        seen.body.contains(&write.operation)
            || write.title.as_ref().is_some_and(made)
            || write.task_key.as_ref().is_some_and(about)
    };
    let fitting: Vec<&CommandWrite> = writes.iter().filter(fits).collect();
    let named = fitting.iter().copied().find(is_named);
    match (named, fitting.as_slice()) {
        (Some(named), _) => Some(named),
        (None, [only]) if seen.method != "GET" => Some(*only),
        _ => None,
    }
}

/// Whether a path is below that of a task. GitHub's keys are the repository and the number.
fn is_about(path: &str, key: &str) -> bool {
    let steps: Vec<&str> = path.split('/').collect();
    let (folders, name): (&[&str], &str) = match key.split_once(':') {
        Some((_, number)) => (&["issues", "pulls"], number),
        None => (&["task"], key),
    };
    let mut pairs = steps.windows(2);
    pairs.any(|pair| matches!(pair, [folder, step] if folders.contains(folder) && *step == name))
}

/// Notes requests to the sources, and counts all changes.
async fn watch_changes(page: Arc<DemoPage>) {
    let sandbox = page.sandbox.clone();
    let mut slack = sandbox.slack.subscribe();
    let mut clickup = sandbox.clickup.front().subscribe();
    let mut github = sandbox.github.front().subscribe();
    let mut daemon = page.daemon.news();
    loop {
        // Every sender lives as long as the page.
        let changed = tokio::select! {
            seen = clickup.recv() => page.hears("ClickUp", seen).await,
            seen = github.recv() => page.hears("GitHub", seen).await,
            _ = slack.recv() => true,
            _ = daemon.changed() => true,
        };
        if changed {
            page.changes();
        }
    }
}

/// The person in a query or body: one of the three.
fn person(id: &str) -> Option<DemoPerson> {
    PEOPLE.into_iter().find(|person| person.slack == id)
}

#[derive(Deserialize)]
struct Seen {
    user: String,
}

fn nobody() -> Response {
    refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        "the page has no such person",
    )
}

async fn state(State(page): State<Arc<DemoPage>>, Query(seen): Query<Seen>) -> Response {
    match person(&seen.user) {
        Some(person) => Json(page.snapshot(person)).into_response(),
        None => nobody(),
    }
}

/// The state of a person now, and after each change.
async fn events(State(page): State<Arc<DemoPage>>, Query(seen): Query<Seen>) -> Response {
    match person(&seen.user) {
        Some(person) => Sse::new(states(page, person))
            .keep_alive(KeepAlive::default())
            .into_response(),
        None => nobody(),
    }
}

fn states(
    page: Arc<DemoPage>,
    person: DemoPerson,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    let mut changed = page.changed.subscribe();
    changed.mark_changed();
    futures_util::stream::unfold((page, changed), move |(page, mut changed)| async move {
        // The sender is in the page.
        changed.changed().await.ok()?;
        tokio::time::sleep(TOGETHER).await;
        changed.mark_unchanged();
        let event = Event::default().data(page.snapshot(person).to_string());
        Some((Ok(event), (page, changed)))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filled {
    user: String,
    view_id: String,
    values: Value,
}

/// Submits a form, and answers with the errors at its fields once the daemon has answered.
async fn submit(State(page): State<Arc<DemoPage>>, Json(filled): Json<Filled>) -> Response {
    let slack = &page.sandbox.slack;
    let envelope = slack.try_submits(&filled.user, &filled.view_id, filled.values);
    let envelope = match envelope {
        Ok(envelope) => envelope,
        Err(why) => return refused(StatusCode::UNPROCESSABLE_ENTITY, &why),
    };
    let Some(ack) = slack.answered(&envelope).await else {
        let why = "Ivan did not answer within three seconds. Try again.";
        return refused(StatusCode::GATEWAY_TIMEOUT, why);
    };
    let answer = ack.payload.unwrap_or_default();
    Json(json!({"ok": true, "errors": answer["errors"]})).into_response()
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum DaemonOrder {
    Kill {},
    Start {},
    /// Reads both sources now.
    Sync {},
}

async fn daemon(State(page): State<Arc<DemoPage>>, Json(order): Json<DaemonOrder>) -> Response {
    let process = Arc::clone(&page.daemon);
    // Processes are started and awaited on a thread that may block.
    let done = tokio::task::spawn_blocking(move || match order {
        DaemonOrder::Kill {} => Ok(match process.kill() {
            true => "The daemon was killed.".to_owned(),
            false => "The daemon was not running.".to_owned(),
        }),
        DaemonOrder::Start {} => process.start().map(|started| match started {
            true => "The daemon starts.".to_owned(),
            false => "The daemon is running.".to_owned(),
        }),
        DaemonOrder::Sync {} => process.sync(),
    });
    match done.await {
        Ok(Ok(said)) => Json(json!({"ok": true, "said": said})).into_response(),
        Ok(Err(error)) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// Somebody changes a task there, without Ivan: completes it, or comments on it if there is a text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Elsewhere {
    user: String,
    system: String,
    key: String,
    text: Option<String>,
    /// The webhooks of the change get lost.
    #[serde(default)]
    lost: bool,
}

async fn others(State(page): State<Arc<DemoPage>>, Json(change): Json<Elsewhere>) -> Response {
    let task = match change.system.as_str() {
        "clickup" => Some(DemoTask::ClickUp(change.key)),
        "github" => change.key.parse().ok().map(DemoTask::GitHub),
        _ => None,
    };
    let found = world::tasks(&page.sandbox).into_iter();
    let found = task.and_then(|task| found.into_iter().find(|one| one.task == task));
    let person = person(&change.user).filter(|person| person.accounts.is_some());
    let (Some(found), Some(person)) = (found, person) else {
        let why = "there is no such task, or the person has no account there";
        return refused(StatusCode::UNPROCESSABLE_ENTITY, why);
    };
    let text = change.text.as_deref().map(str::trim);
    if text == Some("") || (text.is_none() && !found.open) {
        let why = "the comment is empty, or the task is complete already";
        return refused(StatusCode::UNPROCESSABLE_ENTITY, why);
    }
    let (clickup, github) = (&page.sandbox.clickup, &page.sandbox.github);
    if change.lost {
        clickup.hold();
        github.hold();
    }
    match text {
        Some(text) => world::comment(&page.sandbox, &found.task, person, text),
        None => world::complete(&page.sandbox, &found.task, person),
    }
    if change.lost {
        clickup.lose_held();
        github.lose_held();
    }
    Json(json!({"ok": true, "title": found.title})).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        of.iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[tokio::test]
    async fn only_the_page_itself_is_admitted() {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::start(Seed::demo()).await.unwrap();
        let daemon = Arc::new(DaemonProcess::new(&sandbox, folder.path()).unwrap());
        let page = Arc::new(DemoPage::new(sandbox, daemon));
        let entrance = Entrance::new(([127, 0, 0, 1], 4000).into(), "k", &page);
        assert_eq!(entrance.url(), "http://127.0.0.1:4000/k/");
        let host = ("host", "127.0.0.1:4000");
        for (of, admitted) in [
            (vec![host], true),
            (vec![], false),
            (vec![("host", "localhost:4000")], false),
            (vec![("host", "evil.test")], false),
            (vec![host, ("origin", "http://127.0.0.1:4000")], true),
            (vec![host, ("origin", "http://127.0.0.1:4001")], false),
            (vec![host, ("origin", "https://evil.test")], false),
            (vec![host, ("origin", "null")], false),
            (vec![host, ("sec-fetch-site", "same-origin")], true),
            (vec![host, ("sec-fetch-site", "none")], true),
            (vec![host, ("sec-fetch-site", "same-site")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], false),
        ] {
            assert_eq!(entrance.admits(&headers(&of)), admitted, "{of:?}");
        }
    }

    fn write(operation: &str, kind: &str, key: Option<&str>) -> CommandWrite {
        CommandWrite {
            operation: operation.to_owned(),
            kind: kind.to_owned(),
            task_key: key.map(str::to_owned),
            title: (kind == "create").then(|| operation.replace('-', " ")),
            person: "Ana".to_owned(),
            verb: kind.to_owned(),
            shown: Vec::new(),
        }
    }

    fn seen(method: &str, path: &str, status: Option<u16>, body: &str) -> RequestRecord {
        RequestRecord {
            at_ms: 0,
            method: method.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            body: body.to_owned(),
            headers: Vec::new(),
            status,
            applied: true,
            turn: None,
            fault: None,
            done: true,
        }
    }

    #[test]
    fn a_request_belongs_to_the_write_that_it_names() {
        let writes = [
            write("op-a", "complete", Some("86tst0001")),
            write("op-b", "comment", Some("86tst0001")),
            write("op-c", "complete", Some("1001:7")),
            write("Buy-milk", "create", None),
            write("Sell-milk", "create", None),
        ];
        for (method, path, body, found) in [
            ("GET", "/api/v2/task/86tst0001", "", Some("op-a")),
            ("PUT", "/api/v2/task/86tst0001", "{}", Some("op-a")),
            ("POST", "/api/v2/task/86tst0001/comment", "{}", Some("op-b")),
            ("PUT", "/api/v2/task/86tst0002", "{}", None),
            ("PATCH", "/repos/acme/widgets/issues/7", "{}", Some("op-c")),
            ("GET", "/repos/acme/widgets/issues/71", "", None),
            ("GET", "/repos/acme/widgets/issues", "", None),
            (
                "POST",
                "/api/v2/list/9/task",
                r#"{"name": "Sell milk"}"#,
                Some("Sell-milk"),
            ),
            (
                "POST",
                "/repos/acme/widgets/issues",
                r#"{"title": "[CLIENT:acme] Buy milk"}"#,
                Some("Buy-milk"),
            ),
            ("POST", "/api/v2/list/9/task", "{}", None),
        ] {
            let seen = seen(method, path, Some(200), body);
            let cause = cause(&writes, &seen).map(|write| write.operation.as_str());
            assert_eq!(cause, found, "{method} {path} {body}");
        }
        // One under way needs no name: the undo of a comment names only the comment.
        let undo = [write("op-d", "undo", None)];
        let deletes = seen("DELETE", "/api/v2/comment/5", Some(200), "");
        assert!(cause(&undo, &deletes).is_some());
        let reads = seen("GET", "/api/v2/list/9", Some(200), "");
        assert!(cause(&undo, &reads).is_none());
    }

    #[tokio::test]
    async fn the_requests_of_a_write_are_noted_and_equal_ones_counted() {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::start(Seed::demo()).await.unwrap();
        let daemon = Arc::new(DaemonProcess::new(&sandbox, folder.path()).unwrap());
        let page = DemoPage::new(sandbox, daemon);
        let writes = [write("op-a", "complete", Some("86tst0001"))];
        let task = "/api/v2/task/86tst0001";
        let requested = |seen: RequestRecord| page.requested("ClickUp", &seen, &writes);
        // Down: the read is repeated. Then the read, a write whose answer is lost, the read again, and the end.
        assert!(requested(seen("GET", task, None, "")));
        assert!(requested(seen("GET", task, None, "")));
        assert!(requested(seen("GET", task, Some(200), "")));
        assert!(requested(seen("PUT", task, None, "{}")));
        assert!(requested(seen("GET", task, Some(200), "")));
        assert!(requested(seen("PUT", task, Some(200), "{}")));
        // A webhook's read, and a poll's.
        assert!(!requested(seen("GET", task, Some(200), "")));
        assert!(!requested(seen(
            "GET",
            "/api/v2/list/9/task",
            Some(200),
            ""
        )));
        let noted = lock(&page.noted);
        let line = |one: &Noted| (one.what["method"].as_str().unwrap().to_owned(), one.times);
        let lines: Vec<(String, u64)> = noted.0.iter().map(line).collect();
        let expected = [("GET", 2), ("GET", 1), ("PUT", 1), ("GET", 1), ("PUT", 1)];
        let expected = expected.map(|(method, times)| (method.to_owned(), times));
        assert_eq!(lines, expected);
        assert!(noted.0.iter().all(|one| one.what["for"]["person"] == "Ana"));
    }

    #[test]
    fn nothing_in_the_page_is_inline_or_from_elsewhere() {
        for (name, _, text) in FILES {
            assert!(!text.contains("innerHTML"), "{name}");
            assert!(!text.contains("document.write"), "{name}");
            assert!(!text.contains("eval("), "{name}");
            let addresses = text.matches("://").count();
            assert_eq!(addresses, 0, "{name} names an address");
        }
        let (_, _, html) = FILES[0];
        for inline in ["style=", "<style", "onclick", "onload", "<script>"] {
            assert!(!html.contains(inline), "{inline}");
        }
    }
}
