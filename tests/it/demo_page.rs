//! `ivan demo --web`: the page, over HTTP as the browser uses it, with the real binary and its daemon.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::harness::{Took, binary, client, lasting_port};

/// The time limit of any wait here: a browser is slow beside eleven other stories and a load.
pub const PATIENCE: Duration = Duration::from_secs(180);
const ANA: &str = "U0ANN01";
const BO: &str = "U0BOB01";
const GIL: &str = "U0GST01";

/// A running `ivan demo --web`.
pub struct DemoPage {
    child: Child,
    /// With the key and a slash at the end.
    pub url: String,
    http: reqwest::Client,
    /// The folder for temporary files.
    folder: TempDir,
    _took: Took,
}

fn demo_page(arguments: &[&str], folder: &Path) -> Command {
    let mut command = binary();
    command
        .args(["demo", "--web"])
        .args(arguments)
        .env("TMPDIR", folder)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl DemoPage {
    pub async fn start(arguments: &[&str]) -> DemoPage {
        let took = Took::begin();
        let folder = tempfile::tempdir().unwrap();
        let mut child = demo_page(arguments, folder.path()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let url = line.expect("it starts").unwrap().expect("its address");
        // Kept open: the process may print more.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        DemoPage {
            child,
            url,
            http: client(),
            folder,
            _took: took,
        }
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        let url = format!("{}{path}", self.url);
        self.http.get(url).send().await.unwrap()
    }

    async fn state(&self, user: &str) -> Value {
        let answer = self.get(&format!("state?user={user}")).await;
        answer.json().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("{}{path}?act=a%20test%20acts", self.url);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// The same for a request that must succeed.
    async fn act(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, body.clone()).await;
        let is_done = status == StatusCode::OK && answer["ok"] == true;
        assert!(is_done, "{path} {body}: {status} {answer}");
        answer
    }

    async fn says(&self, user: &str, text: &str) {
        self.act("do/slack/say", json!({"user": user, "text": text}))
            .await;
    }

    /// The first state of a person that satisfies `found`, from the stream of events.
    async fn until(&self, what: &str, user: &str, found: impl Fn(&Value) -> bool) -> Value {
        let look = async {
            let mut events = self.get(&format!("events?user={user}")).await;
            let mut received = Vec::new();
            while let Some(chunk) = events.chunk().await.unwrap() {
                received.extend_from_slice(&chunk);
                while let Some(end) = received.windows(2).position(|two| two == b"\n\n") {
                    let event: Vec<u8> = received.drain(..end + 2).collect();
                    let event = String::from_utf8(event).unwrap();
                    let Some(data) = event.strip_prefix("data: ") else {
                        continue;
                    };
                    let state: Value = serde_json::from_str(data).unwrap();
                    if found(&state) {
                        return state;
                    }
                }
            }
            panic!("the stream ended before {what}");
        };
        let looked = tokio::time::timeout(PATIENCE, look).await;
        match looked {
            Ok(state) => state,
            Err(_) => panic!("not in time: {what}\n{:#}", self.state(user).await),
        }
    }

    /// Waits for a message from Ivan in the person's DM with these words in its text.
    async fn hears(&self, user: &str, words: &str) -> Value {
        let state = self.until(words, user, |state| said(state, words).is_some());
        said(&state.await, words).unwrap()
    }

    /// Presses the button of a message in the DM.
    async fn presses(&self, user: &str, message: &Value, label: &str) {
        let action = button(&message["blocks"], label);
        let body = json!({"user": user, "action_id": action, "ts": message["ts"]});
        self.act("do/slack/press", body).await;
    }

    /// Ends the demo by a signal: nothing is left of it.
    pub async fn ends(mut self) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await;
        assert!(sent.unwrap().success());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert_eq!(ended.expect("it ends").unwrap().code(), Some(0));
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).await.unwrap();
        assert_eq!(errors, "");
        let left: Vec<_> = std::fs::read_dir(self.folder.path()).unwrap().collect();
        assert!(left.is_empty(), "it leaves something behind: {left:?}");
    }
}

/// The newest message in the DM with these words in its text.
fn said(state: &Value, words: &str) -> Option<Value> {
    let messages = state["conversations"][0]["messages"].as_array()?;
    let mut from_ivan = messages
        .iter()
        .filter(|message| message["user"] == state["bot"]);
    let fits = |message: &&Value| message["text"].as_str().unwrap().contains(words);
    from_ivan.rfind(fits).cloned()
}

/// The requests of the command that a message answers, in order.
fn requests(state: &Value, message: &Value) -> Vec<String> {
    let shown = json!([{ "uid": message["metadata"]["event_payload"]["uid"] }]);
    let log = state["log"].as_array().unwrap().iter();
    let of_command = log.filter(|one| one["for"]["shown"] == shown);
    let line = |one: &Value| {
        let [to, method] = ["to", "method"].map(|field| one[field].as_str().unwrap());
        format!("{to} {method} {}", one["status"])
    };
    of_command.map(line).collect()
}

/// The `action_id` of a button.
fn button(blocks: &Value, label: &str) -> String {
    let blocks = blocks.as_array().into_iter().flatten();
    let all = blocks.flat_map(|block| {
        let row = block["elements"].as_array().into_iter().flatten();
        row.chain([&block["accessory"]]).collect::<Vec<_>>()
    });
    let mut fitting = all.filter(|element| element["text"]["text"] == label);
    let found = fitting
        .next()
        .unwrap_or_else(|| panic!("no button {label}"));
    found["action_id"].as_str().unwrap().to_owned()
}

/// A task of a source, by its title.
fn task<'s>(state: &'s Value, title: &str) -> &'s Value {
    let sources = state["sources"].as_array().unwrap().iter();
    let mut tasks = sources.flat_map(|source| source["tasks"].as_array().unwrap());
    tasks
        .find(|task| task["title"] == title)
        .expect("the task is in a source")
}

const CERTIFICATE: &str = "Renew the certificate";
const LOGIN: &str = "Login fails on Safari";

#[tokio::test]
async fn the_page_is_for_the_browser_that_has_its_address() {
    let port = lasting_port().to_string();
    let demo = DemoPage::start(&["--port", &port]).await;
    let host = format!("127.0.0.1:{port}");
    assert!(demo.url.starts_with(&format!("http://{host}/")));
    for (path, kind) in [
        ("", "text/html; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("state?user=U0ANN01", "application/json"),
    ] {
        let answer = demo.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), kind);
        assert!(
            header("content-security-policy").starts_with(
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
            ),
            "{path}"
        );
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cache-control"), "no-store");
    }
    // Another key, and none.
    let base = format!("http://{host}");
    for path in ["/", "/style.css", "/0123456789abcdef0123456789abcdef/"] {
        let answer = demo.http.get(format!("{base}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    // Another page of the same browser, which has got hold of the key.
    for (name, value) in [
        ("host", "evil.test".to_owned()),
        ("host", format!("localhost:{port}")),
        ("origin", "http://evil.test".to_owned()),
        ("origin", "null".to_owned()),
        ("sec-fetch-site", "cross-site".to_owned()),
    ] {
        let url = format!("{}do/slack/say", demo.url);
        let body = json!({"user": ANA, "text": "done"});
        let sent = demo.http.post(url).header(name, &value).json(&body).send();
        let answer = sent.await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{name}: {value}");
        let why: Value = answer.json().await.unwrap();
        assert!(why["error"].as_str().unwrap().contains("its own page"));
    }
    // A form of another page could send text, but no JSON.
    let url = format!("{}do/slack/say", demo.url);
    let sent = demo
        .http
        .post(url)
        .body(r#"{"user": "ana", "text": "done"}"#);
    let refused = sent.send().await.unwrap().status();
    assert_eq!(refused, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let own = format!("http://{host}");
    let url = format!("{}do/slack/say", demo.url);
    let body = json!({"user": ANA, "text": "whoami"});
    let sent = demo.http.post(url).header("origin", own).json(&body);
    assert_eq!(sent.send().await.unwrap().status(), StatusCode::OK);
    let (status, answer) = demo
        .post("do/slack/say", json!({"user": "eve", "text": "x"}))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    assert_eq!(
        demo.get("state?user=U0STR01").await.status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let folder = tempfile::tempdir().unwrap();
    let second = demo_page(&["--port", &port], folder.path()).output().await;
    let second = second.unwrap();
    assert_eq!(second.status.code(), Some(1));
    let why = String::from_utf8(second.stderr).unwrap();
    assert!(why.contains("Choose another --port"), "{why}");
    demo.ends().await;
}

#[tokio::test]
async fn a_button_completes_the_task_in_its_source_and_a_fault_heals_in_place() {
    let demo = DemoPage::start(&[]).await;
    demo.says(ANA, "current").await;
    let card = demo.hears(ANA, CERTIFICATE).await;
    demo.presses(ANA, &card, "Done").await;
    demo.hears(ANA, "✓ Task completed in ClickUp").await;
    let state = demo.state(ANA).await;
    assert_eq!(task(&state, CERTIFICATE)["state"], "complete");
    // The requests are below the press in the log, each with the message that shows their outcome.
    let answer = demo.hears(ANA, "✓ Task completed in ClickUp").await;
    let written = |state: &Value| requests(state, &answer).len() == 2;
    let state = demo.until("the requests", ANA, written).await;
    assert_eq!(
        requests(&state, &answer),
        ["ClickUp GET 200", "ClickUp PUT 200"]
    );
    let log = state["log"].as_array().unwrap();
    let press = log.iter().rposition(|one| one["act"].is_string()).unwrap();
    assert_eq!(log[press]["act"], "a test acts");
    assert_eq!(log.len(), press + 3);
    assert_eq!(log[press + 1]["for"]["person"], "Ana");
    assert_eq!(log[press + 1]["for"]["verb"], "done");
    // GitHub is down: the answer waits, and heals in the same message.
    demo.act("do/github/fault", json!({"fault": "down"})).await;
    demo.says(ANA, "done").await;
    let waiting = demo.hears(ANA, "… ").await;
    let state = demo.state(ANA).await;
    assert_eq!(state["sources"][1]["down"], true);
    assert_eq!(task(&state, LOGIN)["state"], "open");
    demo.act("do/github/fault", json!({"fault": "up"})).await;
    let healed = demo.hears(ANA, "✓ Issue closed in GitHub").await;
    assert_eq!(healed["ts"], waiting["ts"]);
    assert!(healed["edited"].is_object());
    let written = |state: &Value| {
        let sent = requests(state, &healed);
        sent.last().is_some_and(|last| last == "GitHub PATCH 200")
    };
    let state = demo.until("the write", ANA, written).await;
    assert_eq!(task(&state, LOGIN)["state"], "closed");
    // Each try is below the answer that waited: those that failed, and the write.
    assert_eq!(requests(&state, &healed)[0], "GitHub GET null");
    // An ephemeral answer has no id: its place is the channel, its reader and the time.
    let create = json!({"user": BO, "command": "/ivan", "text": "create Buy milk"});
    demo.act("do/slack/command", create).await;
    let creation = |state: &Value| {
        let mut log = state["log"].as_array().unwrap().iter();
        log.find(|one| one["for"]["verb"] == "create").cloned()
    };
    let state = demo.until("the request", BO, |state| creation(state).is_some());
    let creation = creation(&state.await).unwrap();
    let place = &creation["for"]["shown"][0];
    assert_eq!(place["reader"], BO);
    assert!(place["since"].is_i64() && place["channel"].is_string());
    demo.ends().await;
}

#[tokio::test]
async fn a_form_says_what_is_wrong_and_each_person_has_their_own_view() {
    let demo = DemoPage::start(&[]).await;
    demo.says(ANA, "current").await;
    let card = demo.hears(ANA, CERTIFICATE).await;
    demo.presses(ANA, &card, "Comment").await;
    let open = |state: &Value| state["modals"].as_array().unwrap().len() == 1;
    let view = demo.until("a form", ANA, open).await["modals"][0].clone();
    assert_eq!(demo.state(BO).await["modals"], json!([]));
    let mut blocks = view["blocks"].as_array().unwrap().iter();
    let block = blocks.find(|block| block["type"] == "input").unwrap();
    let filled = |text: &str| {
        let element = block["element"]["action_id"].as_str().unwrap();
        let value = json!({"type": "plain_text_input", "value": text});
        let values = json!({block["block_id"].as_str().unwrap(): {element: value}});
        json!({"user": ANA, "view_id": view["id"], "values": values})
    };
    let wrong = demo.act("submit", filled("  ")).await;
    assert_eq!(wrong["errors"]["text"], "A comment needs text.");
    let right = demo.act("submit", filled("shipped in 2.1")).await;
    assert_eq!(right["errors"], Value::Null);
    demo.hears(ANA, "✓ Comment added in ClickUp").await;
    let state = demo.state(ANA).await;
    assert_eq!(state["modals"], json!([]));
    let comments = task(&state, CERTIFICATE)["comments"].to_string();
    assert!(comments.contains("shipped in 2.1"), "{comments}");
    // A form that is closed is gone; one of another person cannot be closed.
    let shortcut = json!({"user": BO, "callback_id": "new_task"});
    demo.act("do/slack/shortcut", shortcut).await;
    let view = demo.until("a form", BO, open).await["modals"][0]["id"].clone();
    let close = |user: &str| json!({"user": user, "view_id": view});
    let (status, _) = demo.post("do/slack/close", close(ANA)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    demo.act("do/slack/close", close(BO)).await;
    assert_eq!(demo.state(BO).await["modals"], json!([]));
    // An ephemeral answer is seen by its reader alone.
    let command = json!({"user": BO, "command": "/ivan", "text": "list", "channel": "general"});
    demo.act("do/slack/command", command).await;
    let heard = |state: &Value| !state["ephemeral"].as_array().unwrap().is_empty();
    demo.until("an answer to Bo alone", BO, heard).await;
    assert_eq!(demo.state(ANA).await["ephemeral"], json!([]));
    assert_eq!(demo.state(GIL).await["ephemeral"], json!([]));
    // The Home tab, and a time that is picked there.
    demo.act("do/slack/open", json!({"user": ANA, "tab": "home"}))
        .await;
    let published = |state: &Value| state["home"].is_object();
    let home = demo.until("a Home tab", ANA, published).await["home"].clone();
    let pickers = home["blocks"].as_array().unwrap().iter().flat_map(|block| {
        let row = block["elements"].as_array().into_iter().flatten();
        row.chain([&block["accessory"]])
    });
    let mut pickers = pickers.filter(|element| element["type"] == "timepicker");
    let action = pickers.next().expect("a time to pick")["action_id"].clone();
    let pick =
        |time: Option<&str>| json!({"user": ANA, "home": true, "action_id": action, "pick": time});
    for wrong in [None, Some("25:00"), Some("now")] {
        let (status, answer) = demo.post("do/slack/press", pick(wrong)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    }
    demo.act("do/slack/press", pick(Some("08:15"))).await;
    let picked = |state: &Value| {
        let home = state["home"].to_string();
        home.contains("\"initial_time\":\"08:15\"")
    };
    demo.until("the picked time", ANA, picked).await;
    demo.ends().await;
}

#[tokio::test]
async fn the_daemon_can_be_killed_and_started_again() {
    let demo = DemoPage::start(&[]).await;
    demo.says(ANA, "current").await;
    demo.hears(ANA, CERTIFICATE).await;
    demo.act("daemon", json!({"do": "kill"})).await;
    let is = |wanted: &'static str| move |state: &Value| state["daemon"]["state"] == wanted;
    let state = demo.until("its end", ANA, is("gone")).await;
    assert_eq!(state["daemon"]["start"], 1);
    // Spoken while it does not run: Slack sends the message again.
    demo.says(ANA, "done").await;
    let again = demo.act("daemon", json!({"do": "start"})).await;
    assert_eq!(again["said"], "The daemon starts.");
    let state = demo.until("its start", ANA, is("ready")).await;
    assert_eq!(state["daemon"]["start"], 2);
    let twice = demo.act("daemon", json!({"do": "start"})).await;
    assert_eq!(twice["said"], "The daemon is running.");
    demo.hears(ANA, "✓ Task completed in ClickUp").await;
    let state = demo.state(ANA).await;
    assert_eq!(task(&state, CERTIFICATE)["state"], "complete");
    let log = state["log"].as_array().unwrap().iter();
    assert_eq!(log.filter(|one| one["method"] == "PUT").count(), 1);
    // Webhooks reach the second daemon, too.
    let login = task(&state, LOGIN)["key"].clone();
    let change = |key: &Value, text: Option<&str>, lost: bool| json!({"user": BO, "system": "github", "key": key, "text": text, "lost": lost});
    demo.act("others", change(&login, Some("seen it"), false))
        .await;
    demo.hears(ANA, "bo commented on").await;
    // A lost webhook is found by reading the sources.
    demo.act("others", change(&login, None, true)).await;
    let synced = demo.act("daemon", json!({"do": "sync"})).await;
    let said = synced["said"].as_str().unwrap();
    assert!(said.contains("✓ GitHub: 1 changed"), "{said}");
    assert_eq!(task(&demo.state(ANA).await, LOGIN)["state"], "closed");
    let (status, _) = demo.post("others", change(&login, None, false)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    demo.ends().await;
}

#[rstest]
#[case::port(&["demo", "--port", "8000"])]
#[case::open(&["demo", "--open"])]
#[case::no_port(&["demo", "--web", "--port", "65536"])]
#[tokio::test]
async fn options_of_the_page_need_the_page(#[case] line: &[&str]) {
    let ran = binary().args(line).output().await.unwrap();
    assert_eq!(ran.status.code(), Some(2));
}
