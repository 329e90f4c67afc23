//! `ivan sandbox`: the three services without a daemon, and a control API over HTTP on loopback (docs/sandbox.md).
//!
//! The control API acts as the people of the workspace, reads posted messages, and injects faults. It takes and returns
//! JSON. It refuses bad input with a 4xx status and a sentence.

use std::io;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::fault_server::{Fault, FaultKind, FaultServer};
use super::slack::EphemeralPost;
use super::webhook_sender::is_loopback;
use super::{Ports, Sandbox, Seed, cannot_listen};

/// The longest time that a read waits for a change, in seconds.
const LONGEST_WAIT_S: u64 = 60;
/// The longest delay of a request or duration of a rate limit, in seconds.
const LONGEST_TROUBLE_S: u64 = 3_600;
/// The default delay of a slow request in seconds.
const SLOW_S: u64 = 6;
/// The default duration of a rate limit in seconds.
const LIMITED_S: u64 = 30;
/// The repository in the demo's state.
const REPOSITORY: &str = "acme/widgets";

/// The sandbox with its control API.
pub struct ControlledSandbox {
    /// The services that the control API acts on.
    pub sandbox: Sandbox,
    control: FaultServer,
}

impl ControlledSandbox {
    /// Starts the services in the demo's state, and the control API.
    ///
    /// # Errors
    /// When a port cannot be bound; the error names the service and its option.
    #[inline(never)]
    pub fn start(ports: Ports) -> BoxFuture<'static, io::Result<ControlledSandbox>> {
        Box::pin(ControlledSandbox::started(ports))
    }

    async fn started(ports: Ports) -> io::Result<ControlledSandbox> {
        let sandbox = Sandbox::start_at(Seed::demo(), ports).await?;
        let control = FaultServer::open_at(routes(sandbox.clone()), ports.control).await;
        let control = control.map_err(|error| cannot_listen("Control", ports.control, error))?;
        Ok(ControlledSandbox { sandbox, control })
    }

    /// Stops listening and drops every connection.
    #[inline(never)]
    pub fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.end())
    }

    async fn end(&self) {
        self.control.close().await;
        self.sandbox.close().await;
    }

    /// Makes GitHub a GitHub Enterprise Server. Returns the comment lines that say how to use it.
    pub fn serve_github_server(&self) -> String {
        let github = &self.sandbox.github;
        github.become_server();
        let url = github.url();
        format!(
            "# GitHub is a GitHub Enterprise Server without an App. `ivan init --github-app --github-url {url}` makes one.\n"
        )
    }

    /// Makes GitHub a GitHub Enterprise Server with an App that is installed for the repository, and writes the App's
    /// private key to a new file. Returns the lines for `bot.toml` as comments.
    ///
    /// # Errors
    /// The file exists with another text, or cannot be written.
    pub fn serve_github_app(&self, key_file: &std::path::Path) -> io::Result<String> {
        let github = &self.sandbox.github;
        github.become_server();
        write_key(key_file, github.app_key())?;
        let owner = REPOSITORY.split('/').next().unwrap_or_default();
        github.install_app(owner);
        let file = std::path::absolute(key_file)?;
        Ok(format!(
            "# The GitHub App, for bot.toml in place of github.token. A webhook: POST /github/webhook of the control API.\n\
             # [github]\n# url = \"{}\"\n# app_id = \"{}\"\n# app_key_file = \"{}\"\n# repo = \"{REPOSITORY}\"\n",
            github.url(),
            github.app_id(),
            file.display(),
        ))
    }

    /// The addresses and tokens as shell lines.
    pub fn exports(&self) -> String {
        let control = format!("http://{}", self.control.address());
        let mut lines =
            "# Slack, GitHub and ClickUp on this machine. SANDBOX_URL is the control API (docs/sandbox.md).\n".to_owned();
        // Only a server has pages of its own.
        let pages = self.sandbox.github.url();
        if pages.starts_with("http://") {
            lines.push_str(&format!("export GITHUB_URL={}\n", quoted(&pages)));
        }
        let control = [("SANDBOX_URL", control)];
        for (name, value) in variables(&self.sandbox).into_iter().chain(control) {
            lines.push_str(&format!("export {name}={}\n", quoted(&value)));
        }
        lines
    }
}

/// Writes the key to a file that only its owner can read. A file with this key stays.
fn write_key(path: &std::path::Path, key: &str) -> io::Result<()> {
    use std::io::Write as _;
    if std::fs::read_to_string(path).is_ok_and(|text| text == key) {
        return Ok(());
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut file = options.open(path).map_err(named)?;
    file.write_all(key.as_bytes()).map_err(named)
}

/// The addresses and tokens, by the names of their variables.
fn variables(sandbox: &Sandbox) -> Vec<(&'static str, String)> {
    let Sandbox {
        slack,
        clickup,
        github,
    } = sandbox;
    vec![
        ("SLACK_API_URL", slack.api_url()),
        ("SLACK_APP_TOKEN", slack.app_token().to_owned()),
        ("SLACK_BOT_TOKEN", slack.bot_token().to_owned()),
        ("GITHUB_API_URL", github.api_url()),
        ("GITHUB_TOKEN", github.token().to_owned()),
        ("GITHUB_REPOSITORY", REPOSITORY.to_owned()),
        ("CLICKUP_API_URL", clickup.api_url()),
        ("CLICKUP_TOKEN", clickup.token().to_owned()),
        ("CLICKUP_TEAM_ID", clickup.team_id().to_owned()),
        ("CLICKUP_LIST_ID", clickup.list_id().to_owned()),
    ]
}

/// Quotes a text as one shell word.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The routes of the control API; the page of `ivan demo --web` acts through them, too.
pub(crate) fn routes(sandbox: Sandbox) -> Router {
    Router::new()
        .route("/", get(overview))
        .route("/slack", get(read))
        .route("/slack/say", post(say))
        .route("/slack/press", post(press))
        .route("/slack/react", post(react))
        .route("/slack/command", post(command))
        .route("/slack/shortcut", post(shortcut))
        .route("/slack/submit", post(submit))
        .route("/slack/close", post(close))
        .route("/slack/open", post(open))
        .route("/slack/fault", post(slack_fault))
        .route("/{source}/fault", post(source_fault))
        .route("/{source}/webhook", post(add_webhook))
        .fallback(async || no_route())
        .method_not_allowed_fallback(async || {
            let why = "the route takes another method; docs/sandbox.md lists them";
            Refusal(StatusCode::METHOD_NOT_ALLOWED, why.to_owned())
        })
        .with_state(sandbox)
}

/// The reason for refusing a request: `{"ok": false, "error": "…"}`.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal(status, why) = self;
        (status, Json(json!({"ok": false, "error": why}))).into_response()
    }
}

fn no_route() -> Refusal {
    let why = "there is no such route; docs/sandbox.md lists them";
    Refusal(StatusCode::NOT_FOUND, why.to_owned())
}

/// The refusal of an action that is impossible.
fn impossible(why: impl Into<String>) -> Refusal {
    Refusal(StatusCode::UNPROCESSABLE_ENTITY, why.into())
}

type Reply = Result<Json<Value>, Refusal>;

fn ok(mut fields: Value) -> Reply {
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("ok".to_owned(), json!(true));
    }
    Ok(Json(fields))
}

/// A JSON body.
struct Body<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let why = "the body has to be JSON, with `Content-Type: application/json`";
            return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, why.to_owned()));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|why| Refusal(why.status(), why.body_text()))?;
        let read = serde_json::from_slice(&body);
        read.map(Body).map_err(|why| {
            let why = format!("the body cannot be read: {why}");
            Refusal(StatusCode::BAD_REQUEST, why)
        })
    }
}

/// `GET /`: addresses and tokens, people and channels.
async fn overview(State(sandbox): State<Sandbox>) -> Reply {
    let variables = variables(&sandbox).into_iter();
    let variables: serde_json::Map<String, Value> = variables
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    ok(json!({"env": variables, "slack": sandbox.slack.directory()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    user: Option<String>,
    channel: Option<String>,
    after: Option<u64>,
    wait: Option<u64>,
}

/// `GET /slack`: the messages of a conversation, a person's ephemeral messages, the views, the connections.
async fn read(State(sandbox): State<Sandbox>, asked: Result<Query<Read>, QueryRejection>) -> Reply {
    let asked = asked.map_err(|why| Refusal(StatusCode::BAD_REQUEST, why.body_text()))?;
    let Query(Read {
        user,
        channel,
        after,
        wait,
    }) = asked;
    let slack = &sandbox.slack;
    let wait = seconds(wait, 0, LONGEST_WAIT_S)?;
    let user = user.map(|user| slack.person(&user)).transpose();
    let user = user.map_err(impossible)?;
    let channel = match (&user, &channel) {
        (None, None) => None,
        (Some(user), named) => Some(slack.conversation(user, named.as_deref())),
        (None, Some(_)) => {
            let why = "name the `user` who reads the channel".to_owned();
            return Err(Refusal(StatusCode::BAD_REQUEST, why));
        }
    };
    let channel = channel.transpose().map_err(impossible)?;
    if let (Some(after), false) = (after, wait.is_zero()) {
        // After a time-out without a change, the current state is the answer.
        let _ = tokio::time::timeout(wait, slack.more_than(after)).await;
    }
    // Taken before the reads: a change meanwhile is read again.
    let happened = slack.happened();
    let mut whispers = slack.whispers();
    whispers.retain(|whisper| user.as_ref().is_none_or(|user| whisper.user == *user));
    let messages = channel.as_ref().map(|channel| slack.history(channel));
    ok(json!({
        "happened": happened,
        "connections": slack.link_ids(),
        "unacknowledged": slack.unacked().len(),
        "channel": channel,
        "messages": messages.unwrap_or_default(),
        "ephemeral": whispers.iter().map(shown).collect::<Vec<Value>>(),
        "views": slack.views(),
    }))
}

fn shown(whisper: &EphemeralPost) -> Value {
    json!({
        "ts": whisper.ts, "channel": whisper.channel, "user": whisper.user, "text": whisper.text,
        "blocks": whisper.blocks, "thread_ts": whisper.thread_ts, "from": whisper.from,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Say {
    user: String,
    channel: Option<String>,
    text: String,
    thread_ts: Option<String>,
    /// The names of files that the message shares.
    #[serde(default)]
    files: Vec<String>,
}

async fn say(State(sandbox): State<Sandbox>, Body(asked): Body<Say>) -> Reply {
    if asked.text.trim().is_empty() && asked.files.is_empty() {
        return Err(impossible("`text` is empty: Slack sends no empty message"));
    }
    let (user, channel) = place(&sandbox, &asked.user, asked.channel.as_deref())?;
    let (slack, text, thread) = (&sandbox.slack, &asked.text, asked.thread_ts.as_deref());
    let files: Vec<&str> = asked.files.iter().map(String::as_str).collect();
    let said = match files.is_empty() {
        true => slack.try_says(&user, &channel, text, thread),
        false => slack.try_shares(&user, &channel, &files, text, thread),
    };
    ok(json!({"channel": channel, "ts": said.map_err(impossible)?}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Press {
    user: String,
    action_id: String,
    channel: Option<String>,
    ts: Option<String>,
    #[serde(default)]
    home: bool,
    /// The value of an option, a day or a time; empty to clear a picker.
    pick: Option<String>,
}

/// `POST /slack/press`: a button, a menu or a picker of a given or the newest fitting message, of an ephemeral message, or of the Home tab.
async fn press(State(sandbox): State<Sandbox>, Body(asked): Body<Press>) -> Reply {
    let (user, channel) = place(&sandbox, &asked.user, asked.channel.as_deref())?;
    let (slack, action) = (&sandbox.slack, &asked.action_id);
    let pick = asked.pick.as_deref();
    if asked.home {
        let pressed = slack.try_picks_at_home(&user, action, pick);
        return ok(json!({"envelope_id": pressed.map_err(impossible)?}));
    }
    let mine = |whisper: &EphemeralPost| whisper.user == user && whisper.channel == channel;
    let whispers = slack.whispers();
    let of = |ts: &str| {
        let mut here = whispers.iter().filter(|whisper| mine(whisper));
        here.any(|whisper| whisper.ts == ts)
    };
    let ts = match asked.ts {
        Some(ts) => ts,
        None => slack
            .newest_with(&user, &channel, action)
            .ok_or_else(|| impossible(format!("no message in {channel} has a button {action}")))?,
    };
    let pressed = match of(&ts) {
        true => slack.try_picks_whisper(&ts, action, pick),
        false => slack.try_picks(&user, &channel, &ts, action, pick),
    };
    ok(json!({"envelope_id": pressed.map_err(impossible)?, "ts": ts}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct React {
    user: String,
    channel: Option<String>,
    ts: String,
    name: String,
    #[serde(default)]
    remove: bool,
}

async fn react(State(sandbox): State<Sandbox>, Body(asked): Body<React>) -> Reply {
    let (user, channel) = place(&sandbox, &asked.user, asked.channel.as_deref())?;
    let name = asked.name.trim_matches(':');
    if name.is_empty() {
        return Err(impossible(
            "`name` is empty: it is an emoji's, such as `eyes`",
        ));
    }
    let reacted = sandbox
        .slack
        .try_reacts(&user, &channel, &asked.ts, name, !asked.remove);
    reacted.map_err(impossible)?;
    ok(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SlashCommand {
    user: String,
    channel: Option<String>,
    command: String,
    #[serde(default)]
    text: String,
}

/// `POST /slack/command`: any command is accepted and added to the app.
async fn command(State(sandbox): State<Sandbox>, Body(asked): Body<SlashCommand>) -> Reply {
    let (user, channel) = place(&sandbox, &asked.user, asked.channel.as_deref())?;
    let name = asked.command.strip_prefix('/').unwrap_or_default();
    let fits = |c: char| c.is_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    if name.is_empty() || name.len() > 31 || !name.chars().all(fits) {
        let why = "`command` is a slash and up to 31 lower-case letters, digits, `_` or `-`";
        return Err(impossible(why));
    }
    sandbox.slack.add_command(&asked.command);
    let sent = sandbox
        .slack
        .commands(&user, &channel, &asked.command, &asked.text);
    ok(json!({"envelope_id": sent}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shortcut {
    user: String,
    callback_id: String,
    channel: Option<String>,
    ts: Option<String>,
}

/// `POST /slack/shortcut`: a message shortcut if `ts` names a message, else a global one.
async fn shortcut(State(sandbox): State<Sandbox>, Body(asked): Body<Shortcut>) -> Reply {
    let (user, channel) = place(&sandbox, &asked.user, asked.channel.as_deref())?;
    let slack = &sandbox.slack;
    let used = match &asked.ts {
        Some(ts) => slack.try_message_action(&user, &channel, ts, &asked.callback_id),
        None => Ok(slack.shortcut(&user, &asked.callback_id)),
    };
    ok(json!({"envelope_id": used.map_err(impossible)?}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Submit {
    user: String,
    view_id: String,
    values: serde_json::Map<String, Value>,
}

async fn submit(State(sandbox): State<Sandbox>, Body(asked): Body<Submit>) -> Reply {
    let user = sandbox.slack.person(&asked.user).map_err(impossible)?;
    let values = Value::Object(asked.values);
    let sent = sandbox.slack.try_submits(&user, &asked.view_id, values);
    ok(json!({"envelope_id": sent.map_err(impossible)?}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Close {
    user: String,
    view_id: String,
}

/// `POST /slack/close`: the app gets no event.
async fn close(State(sandbox): State<Sandbox>, Body(asked): Body<Close>) -> Reply {
    let user = sandbox.slack.person(&asked.user).map_err(impossible)?;
    let modals = sandbox.slack.modals_of(&user);
    let is_it = |view: &Value| {
        view.get("id")
            .is_some_and(|id| *id == asked.view_id.as_str())
    };
    if !modals.iter().any(is_it) {
        let why = format!("{} has no open form {}", asked.user, asked.view_id);
        return Err(impossible(why));
    }
    sandbox.slack.closes(&asked.view_id);
    ok(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    user: String,
    tab: Tab,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tab {
    Home,
    Messages,
}

async fn open(State(sandbox): State<Sandbox>, Body(asked): Body<Open>) -> Reply {
    let (user, _) = place(&sandbox, &asked.user, None)?;
    let tab = match asked.tab {
        Tab::Home => "home",
        Tab::Messages => "messages",
    };
    ok(json!({"envelope_id": sandbox.slack.opens_tab(&user, tab)}))
}

/// A person and their conversation.
fn place(
    sandbox: &Sandbox,
    user: &str,
    channel: Option<&str>,
) -> Result<(String, String), Refusal> {
    let user = sandbox.slack.person(user).map_err(impossible)?;
    let channel = sandbox.slack.conversation(&user, channel);
    Ok((user, channel.map_err(impossible)?))
}

/// A fault of Slack. `method` is a Web API method, by default `chat.postMessage`.
#[derive(Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
enum SlackFault {
    /// Every connection breaks and no request is answered until `up`.
    Down {},
    /// Ends all faults.
    Up {},
    Slow {
        method: Option<String>,
        seconds: Option<u64>,
    },
    /// The next call is applied, but its answer is lost.
    Lost {
        method: Option<String>,
    },
    RateLimit {
        method: Option<String>,
        seconds: Option<u64>,
    },
    Error {
        method: Option<String>,
        error: String,
    },
    /// The next envelopes get lost; events are sent again.
    LoseEvents {
        count: Option<u32>,
    },
    /// The events of people's next messages are never sent.
    DropEvents {
        count: Option<u32>,
    },
    Disconnect {
        reason: Option<Reason>,
    },
    /// Every socket breaks without a Close frame.
    Cut {},
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    Warning,
    RefreshRequested,
    LinkDisabled,
    TooManyWebsockets,
}

async fn slack_fault(State(sandbox): State<Sandbox>, Body(asked): Body<SlackFault>) -> Reply {
    let slack = &sandbox.slack;
    let next = |method: Option<String>, what: FaultKind| -> Result<(), Refusal> {
        let path = format!("/api/{}", called(method)?);
        slack.front().fault(Fault {
            path: Some(path),
            ..Fault::new(what)
        });
        Ok(())
    };
    match asked {
        SlackFault::Down {} => slack.front().down(),
        SlackFault::Up {} => recover(slack.front()),
        SlackFault::Slow {
            method,
            seconds: held,
        } => next(
            method,
            FaultKind::Delay(seconds(held, SLOW_S, LONGEST_TROUBLE_S)?),
        )?,
        SlackFault::Lost { method } => next(method, FaultKind::ApplyThenDrop)?,
        SlackFault::RateLimit {
            method,
            seconds: held,
        } => {
            let held = seconds(held, LIMITED_S, LONGEST_TROUBLE_S)?.as_secs();
            let held = u32::try_from(held).unwrap_or(u32::MAX);
            slack.limits(&called(method)?, held, 1);
        }
        SlackFault::Error { method, error } => slack.errors(&called(method)?, &error, 1),
        SlackFault::LoseEvents { count } => slack.lose_next(at_least_one(count)?),
        SlackFault::DropEvents { count } => slack.drop_next(at_least_one(count)?),
        SlackFault::Disconnect { reason } => slack.disconnect(match reason {
            None | Some(Reason::Warning) => "warning",
            Some(Reason::RefreshRequested) => "refresh_requested",
            Some(Reason::LinkDisabled) => "link_disabled",
            Some(Reason::TooManyWebsockets) => "too_many_websockets",
        }),
        SlackFault::Cut {} => slack.cut(),
    }
    ok(json!({}))
}

/// A fault of GitHub or ClickUp.
#[derive(Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
enum SourceFault {
    /// Every connection breaks and no request is answered until `up`.
    Down {},
    /// Ends all faults.
    Up {},
    /// The next write is delayed.
    Slow { seconds: Option<u64> },
    /// The next write is applied, but its answer is lost.
    Lost {},
    /// The rate limit is used up for that long.
    RateLimit { seconds: Option<u64> },
    /// The next webhook deliveries get lost.
    LoseWebhooks { count: Option<u32> },
    /// The next webhooks are delivered twice.
    RepeatWebhooks { count: Option<u32> },
}

async fn source_fault(
    State(sandbox): State<Sandbox>,
    source: Result<Path<Source>, PathRejection>,
    Body(asked): Body<SourceFault>,
) -> Reply {
    let Path(source) = source.map_err(|_| no_route())?;
    let (clickup, github) = (&sandbox.clickup, &sandbox.github);
    let front = match source {
        Source::Clickup => clickup.front(),
        Source::Github => github.front(),
    };
    match asked {
        SourceFault::Down {} => front.down(),
        SourceFault::Up {} => {
            recover(front);
            // The window is over: the limit is full again.
            match source {
                Source::Clickup => clickup.rate_limit_for(0, Duration::ZERO),
                Source::Github => github.rate_limit_for(0, Duration::ZERO),
            }
        }
        SourceFault::Slow { seconds: held } => {
            let held = seconds(held, SLOW_S, LONGEST_TROUBLE_S)?;
            front.spoil_next_write(FaultKind::Delay(held));
        }
        SourceFault::Lost {} => front.spoil_next_write(FaultKind::ApplyThenDrop),
        SourceFault::RateLimit { seconds: held } => {
            let held = seconds(held, LIMITED_S, LONGEST_TROUBLE_S)?;
            match source {
                Source::Clickup => clickup.rate_limit_for(0, held),
                Source::Github => github.rate_limit_for(0, held),
            }
        }
        SourceFault::LoseWebhooks { count } => {
            let count = at_least_one(count)?;
            match source {
                Source::Clickup => clickup.lose_next(count),
                Source::Github => github.lose_next(count),
            }
        }
        SourceFault::RepeatWebhooks { count } => {
            let count = at_least_one(count)?;
            match source {
                Source::Clickup => clickup.repeat_next(count),
                Source::Github => github.repeat_next(count),
            }
        }
    }
    ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    Clickup,
    Github,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhook {
    url: String,
    secret: String,
}

/// `POST /{source}/webhook`: adds a webhook for all events, with an address on this machine.
async fn add_webhook(
    State(sandbox): State<Sandbox>,
    source: Result<Path<Source>, PathRejection>,
    Body(asked): Body<Webhook>,
) -> Reply {
    let Path(source) = source.map_err(|_| no_route())?;
    if !is_here(&asked.url) {
        let why = "`url` has to be http:// and an address of this machine, such as http://127.0.0.1:8080/webhooks/github";
        return Err(impossible(why));
    }
    if asked.secret.is_empty() {
        return Err(impossible(
            "`secret` is empty: deliveries are signed with it",
        ));
    }
    let id = match source {
        Source::Clickup => sandbox.clickup.add_hook(&asked.url, &asked.secret),
        Source::Github => sandbox
            .github
            .add_hook(&asked.url, &asked.secret)
            .to_string(),
    };
    ok(json!({ "id": id }))
}

fn is_here(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.scheme() == "http" && is_loopback(&url))
}

/// Ends the faults of a service.
fn recover(front: &FaultServer) {
    front.clear_faults();
    front.up();
}

/// The name of a Web API method.
fn called(method: Option<String>) -> Result<String, Refusal> {
    let method = method.unwrap_or_else(|| "chat.postMessage".to_owned());
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '.';
    match !method.is_empty() && method.chars().all(fits) {
        true => Ok(method),
        false => Err(impossible(
            "`method` is the name of a Web API method, such as chat.postMessage",
        )),
    }
}

fn seconds(asked: Option<u64>, unless_said: u64, most: u64) -> Result<Duration, Refusal> {
    let asked = asked.unwrap_or(unless_said);
    match asked <= most {
        true => Ok(Duration::from_secs(asked)),
        false => Err(impossible(format!(
            "{asked} s is too long; at most {most} s"
        ))),
    }
}

fn at_least_one(count: Option<u32>) -> Result<u32, Refusal> {
    match count.unwrap_or(1) {
        0 => Err(impossible("`count` is at least 1")),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("http://127.0.0.1:1/api", "'http://127.0.0.1:1/api'")]
    #[case::quote("it's", r"'it'\''s'")]
    #[case::dollar("$HOME `id`", "'$HOME `id`'")]
    fn a_value_is_one_word_of_a_shell(#[case] text: &str, #[case] word: &str) {
        assert_eq!(quoted(text), word);
    }

    #[rstest]
    #[case("http://127.0.0.1:8080/x", true)]
    #[case("http://localhost:8080/x", true)]
    #[case("http://[::1]:8080/x", true)]
    #[case("https://127.0.0.1:8080/x", false)]
    #[case("http://192.168.1.1/x", false)]
    #[case("http://localhost.example/x", false)]
    #[case("127.0.0.1:8080", false)]
    fn webhooks_stay_on_this_machine(#[case] url: &str, #[case] here: bool) {
        assert_eq!(is_here(url), here);
    }
}
