//! `ivan sandbox`: the services alone, used by a Slack bot of other authors and by the control API.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use ivan::sandbox::fault_server::{FaultServer, RequestRecord};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::harness::{Took, binary, client, lasting_port};

/// The time limit of any wait here.
const PATIENCE: Duration = Duration::from_secs(60);

/// With an App: the printed lines are a bot.toml that works.
#[tokio::test]
async fn it_serves_a_github_app_for_bot_toml() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("app.pem");
    let sandbox = Alone::start(&["--github-app", key.to_str().unwrap()]).await;
    let lines = sandbox
        .printed
        .iter()
        .filter_map(|line| line.strip_prefix("# "));
    let lines = lines.skip_while(|line| *line != "[github]");
    let lines = lines.take_while(|line| *line == "[github]" || line.contains(" = "));
    let toml = lines.collect::<Vec<_>>().join("\n");
    let server = &sandbox.env["GITHUB_URL"];
    assert!(toml.contains(&format!("url = \"{server}\"")), "{toml}");
    assert_eq!(sandbox.env["GITHUB_API_URL"], format!("{server}/api/v3"));
    std::fs::write(folder.path().join("bot.toml"), toml).unwrap();
    let doctor = binary()
        .arg("doctor")
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(doctor.stdout).unwrap();
    for words in ["Ivan acts as ivan-app[bot]", "is GitHub Enterprise Server"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // A file with something else is not overwritten.
    std::fs::write(&key, "mine").unwrap();
    let refused = ivan_sandbox(&["--github-app", key.to_str().unwrap()])
        .stderr(Stdio::piped())
        .output()
        .await
        .unwrap();
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(
        why.contains("cannot write the key of the GitHub App"),
        "{why}"
    );
    assert_eq!(std::fs::read_to_string(&key).unwrap(), "mine");
}

/// A running `ivan sandbox`.
struct Alone {
    child: Child,
    /// Every line that it printed.
    printed: Vec<String>,
    env: BTreeMap<String, String>,
    http: reqwest::Client,
    _took: Took,
}

impl Alone {
    async fn start(arguments: &[&str]) -> Alone {
        let took = Took::begin();
        let mut child = ivan_sandbox(arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut printed = Vec::new();
        let mut env = BTreeMap::new();
        while !env.contains_key("SANDBOX_URL") {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
            let line = line.expect("it starts").unwrap().expect("a line");
            if let Some((name, value)) = line
                .strip_prefix("export ")
                .and_then(|line| line.split_once('='))
            {
                let value = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\''));
                env.insert(name.to_owned(), value.expect("quotes").to_owned());
            }
            printed.push(line);
        }
        Alone {
            child,
            printed,
            env,
            http: client(),
            _took: took,
        }
    }

    /// Sends a request to the control API; returns its status and body.
    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}{path}", self.env["SANDBOX_URL"]);
        let answer = self.http.post(url).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The same for a request that must succeed.
    async fn act(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, &body).await;
        assert_eq!(
            (status, &answer["ok"]),
            (200, &json!(true)),
            "{path} {body}: {answer}"
        );
        answer
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let url = format!("{}{path}", self.env["SANDBOX_URL"]);
        let answer = self.http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Ana's view of her DM, once it satisfies `found`.
    async fn until(&self, found: impl Fn(&Value) -> bool) -> Value {
        let look = async {
            let mut now = self.get("/slack?user=ana").await.1;
            while !found(&now) {
                let seen = &now["happened"];
                now = self
                    .get(&format!("/slack?user=ana&after={seen}&wait=20"))
                    .await
                    .1;
            }
            now
        };
        tokio::time::timeout(PATIENCE, look)
            .await
            .expect("it comes")
    }

    /// A call of the Web API.
    async fn slack(
        &self,
        method: &str,
        token: &str,
        body: Value,
    ) -> reqwest::Result<reqwest::Response> {
        let url = format!("{}/{method}", self.env["SLACK_API_URL"]);
        let call = self
            .http
            .post(url)
            .bearer_auth(&self.env[token])
            .body(body.to_string());
        call.header("content-type", "application/json; charset=utf-8")
            .send()
            .await
    }

    async fn bot(&self, method: &str, body: Value) -> Value {
        let answer = self.slack(method, "SLACK_BOT_TOKEN", body).await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["ok"], true, "{method}: {answer}");
        answer
    }

    /// A link to Slack that has got `hello`.
    async fn connect(&self) -> Link {
        let opened = self
            .slack("apps.connections.open", "SLACK_APP_TOKEN", json!({}))
            .await;
        let opened: Value = opened.unwrap().json().await.unwrap();
        let (socket, _) = connect_async(opened["url"].as_str().unwrap())
            .await
            .unwrap();
        let mut link = Link(socket);
        assert_eq!(link.frame().await["type"], "hello");
        link
    }

    /// Sends a signal and waits for the end.
    async fn ends_on(mut self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().await;
        assert!(sent.unwrap().success());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert_eq!(ended.expect("it ends").unwrap().code(), Some(0));
        for (name, url) in &self.env {
            if name.ends_with("_URL") {
                let address = url.strip_prefix("http://").unwrap();
                let address = address.split('/').next().unwrap();
                assert!(TcpStream::connect(address).await.is_err(), "{name} goes on");
            }
        }
    }
}

fn ivan_sandbox(arguments: &[&str]) -> Command {
    let mut command = binary();
    command
        .arg("sandbox")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A socket of a bot.
struct Link(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Link {
    async fn frame(&mut self) -> Value {
        let next = async {
            loop {
                if let Message::Text(text) = self.0.next().await.unwrap().unwrap() {
                    return serde_json::from_str(&text).unwrap();
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("a frame")
    }

    /// The payload of the next envelope of that kind, acknowledged.
    async fn payload(&mut self, kind: &str) -> Value {
        let mut frame = self.frame().await;
        assert_eq!(frame["type"], kind, "{frame}");
        let ack = json!({"envelope_id": frame["envelope_id"]});
        self.0.send(Message::text(ack.to_string())).await.unwrap();
        frame["payload"].take()
    }
}

#[tokio::test]
async fn a_bot_hears_a_person_and_its_button_is_pressed() {
    let sandbox = Alone::start(&[]).await;
    let me = sandbox.bot("auth.test", json!({})).await;
    assert_eq!(
        (&me["user_id"], &me["bot_id"]),
        (&json!("U0BOT01"), &json!("B0BOT01"))
    );
    let mut link = sandbox.connect().await;

    let said = sandbox
        .act("/slack/say", json!({"user": "ana", "text": "hello"}))
        .await;
    let heard = link.payload("events_api").await;
    assert_eq!(heard["event"]["text"], "hello");
    assert_eq!(
        (&heard["event"]["user"], &heard["event"]["ts"]),
        (&json!("U0ANN01"), &said["ts"])
    );

    let button = json!({"type": "button", "action_id": "go", "value": "7", "text": {"type": "plain_text", "text": "Go"}});
    let blocks = json!([{"type": "actions", "block_id": "row", "elements": [button]}]);
    let posted = json!({"channel": said["channel"], "text": "Hello, Ana", "blocks": blocks});
    let posted = sandbox.bot("chat.postMessage", posted).await;
    let now = sandbox
        .until(|now| now["messages"].as_array().unwrap().len() == 2)
        .await;
    assert_eq!(now["messages"][1]["text"], "Hello, Ana");
    assert_eq!(
        (&now["connections"], &now["channel"]),
        (&json!([1]), &said["channel"])
    );
    // The bot gets its own message as well.
    assert_eq!(
        link.payload("events_api").await["event"]["bot_id"],
        "B0BOT01"
    );

    let pressed = sandbox
        .act(
            "/slack/press",
            json!({"user": "U0ANN01", "action_id": "go"}),
        )
        .await;
    assert_eq!(pressed["ts"], posted["ts"]);
    let press = link.payload("interactive").await;
    assert_eq!(
        (&press["actions"][0]["value"], &press["user"]["id"]),
        (&json!("7"), &json!("U0ANN01"))
    );
    let respond = |body: Value| {
        let url = press["response_url"].as_str().unwrap();
        sandbox.http.post(url).json(&body).send()
    };
    respond(json!({"text": "Gone", "replace_original": true}))
        .await
        .unwrap();
    respond(json!({"text": "For you alone"})).await.unwrap();
    let now = sandbox.until(|now| now["ephemeral"] != json!([])).await;
    assert_eq!(now["messages"][1]["text"], "Gone");
    assert_eq!(now["ephemeral"][0]["text"], "For you alone");
    sandbox.ends_on("-TERM").await;
}

#[tokio::test]
async fn commands_forms_shortcuts_reactions_and_tabs_reach_the_bot() {
    let sandbox = Alone::start(&[]).await;
    let mut link = sandbox.connect().await;
    sandbox
        .act(
            "/slack/command",
            json!({"user": "ana", "command": "/greet", "text": "Bo"}),
        )
        .await;
    let command = link.payload("slash_commands").await;
    assert_eq!(
        (&command["command"], &command["text"]),
        (&json!("/greet"), &json!("Bo"))
    );

    let input = json!({"type": "plain_text_input", "action_id": "v"});
    let label = json!({"type": "plain_text", "text": "Name"});
    let view = json!({"type": "modal", "callback_id": "form", "title": label, "submit": label,
        "blocks": [{"type": "input", "block_id": "n", "label": label, "element": input}]});
    let form = json!({"trigger_id": command["trigger_id"], "view": view});
    let opened = sandbox.bot("views.open", form).await;
    let id = &opened["view"]["id"];
    let now = sandbox.until(|now| now["views"] != json!([])).await;
    assert_eq!(&now["views"][0]["id"], id);
    let values = json!({"n": {"v": {"type": "plain_text_input", "value": "Bo"}}});
    sandbox
        .act(
            "/slack/submit",
            json!({"user": "ana", "view_id": id, "values": values}),
        )
        .await;
    let submitted = link.payload("interactive").await;
    assert_eq!(submitted["view"]["state"]["values"], values);
    sandbox.until(|now| now["views"] == json!([])).await;

    let said = sandbox
        .act(
            "/slack/say",
            json!({"user": "ana", "channel": "#general", "text": "<@U0BOT01> hi"}),
        )
        .await;
    let mut kinds = [
        link.payload("events_api").await,
        link.payload("events_api").await,
    ];
    kinds.sort_by_key(|payload| payload["event"]["type"].to_string());
    assert_eq!(kinds[0]["event"]["type"], "app_mention");
    let reaction = json!({"user": "bo", "channel": "general", "ts": said["ts"], "name": "eyes"});
    sandbox.act("/slack/react", reaction).await;
    assert_eq!(
        link.payload("events_api").await["event"]["reaction"],
        "eyes"
    );
    let (_, general) = sandbox.get("/slack?user=ana&channel=general").await;
    let eyes = json!([{"name": "eyes", "users": ["U0BOB01"], "count": 1}]);
    assert_eq!(general["messages"][0]["reactions"], eyes);
    let shortcut =
        json!({"user": "bo", "channel": "general", "ts": said["ts"], "callback_id": "file_it"});
    sandbox.act("/slack/shortcut", shortcut).await;
    assert_eq!(link.payload("interactive").await["type"], "message_action");
    sandbox
        .act(
            "/slack/shortcut",
            json!({"user": "bo", "callback_id": "anywhere"}),
        )
        .await;
    assert_eq!(link.payload("interactive").await["type"], "shortcut");
    sandbox
        .act("/slack/open", json!({"user": "bo", "tab": "home"}))
        .await;
    assert_eq!(
        link.payload("events_api").await["event"]["type"],
        "app_home_opened"
    );
    let home = json!({"type": "home", "blocks": [{"type": "actions", "block_id": "b", "elements": [
        {"type": "button", "action_id": "at_home", "text": {"type": "plain_text", "text": "Go"}}]}]});
    sandbox
        .bot("views.publish", json!({"user_id": "U0BOB01", "view": home}))
        .await;
    sandbox
        .act(
            "/slack/press",
            json!({"user": "bo", "action_id": "at_home", "home": true}),
        )
        .await;
    assert_eq!(
        link.payload("interactive").await["container"]["type"],
        "view"
    );
    sandbox.ends_on("-INT").await;
}

#[tokio::test]
async fn trouble_is_made_and_ends() {
    let sandbox = Alone::start(&[]).await;
    let mut link = sandbox.connect().await;
    let fault = async |service: &str, fault: Value| {
        sandbox.act(&format!("/{service}/fault"), fault).await;
    };
    let post = || {
        sandbox.slack(
            "chat.postMessage",
            "SLACK_BOT_TOKEN",
            json!({"channel": "U0ANN01", "text": "hi"}),
        )
    };

    fault("slack", json!({"fault": "rate_limit", "seconds": 7})).await;
    let limited = post().await.unwrap();
    assert_eq!(
        (limited.status().as_u16(), &limited.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    fault(
        "slack",
        json!({"fault": "error", "method": "auth.test", "error": "token_revoked"}),
    )
    .await;
    let revoked = sandbox
        .slack("auth.test", "SLACK_BOT_TOKEN", json!({}))
        .await
        .unwrap();
    assert_eq!(
        revoked.json::<Value>().await.unwrap()["error"],
        "token_revoked"
    );
    sandbox.bot("auth.test", json!({})).await;
    fault("slack", json!({"fault": "lost"})).await;
    assert!(post().await.is_err());
    let now = sandbox.until(|now| now["messages"] != json!([])).await;
    assert_eq!(now["messages"][0]["text"], "hi");
    link.payload("events_api").await;

    fault("slack", json!({"fault": "drop_events"})).await;
    sandbox
        .act("/slack/say", json!({"user": "ana", "text": "never heard"}))
        .await;
    sandbox
        .act("/slack/say", json!({"user": "ana", "text": "heard"}))
        .await;
    assert_eq!(link.payload("events_api").await["event"]["text"], "heard");
    fault("slack", json!({"fault": "lose_events"})).await;
    sandbox
        .act("/slack/say", json!({"user": "ana", "text": "sent again"}))
        .await;
    assert_eq!(link.frame().await["retry_attempt"], 1);
    fault(
        "slack",
        json!({"fault": "disconnect", "reason": "refresh_requested"}),
    )
    .await;
    let goodbye = link.frame().await;
    assert_eq!(
        (&goodbye["type"], &goodbye["reason"]),
        (&json!("disconnect"), &json!("refresh_requested"))
    );
    fault("slack", json!({"fault": "cut"})).await;
    sandbox.until(|now| now["connections"] == json!([])).await;

    let router = axum::Router::new().fallback(async || "ok");
    let end = FaultServer::open(router).await.unwrap();
    for (source, path, body) in [
        (
            "github",
            "/repos/acme/widgets/issues",
            json!({"title": "New"}),
        ),
        (
            "clickup",
            &*format!("/list/{}/task", sandbox.env["CLICKUP_LIST_ID"]),
            json!({"name": "New"}),
        ),
    ] {
        let upper = source.to_uppercase();
        let token = &sandbox.env[&format!("{upper}_TOKEN")];
        let token = if source == "github" {
            format!("Bearer {token}")
        } else {
            token.clone()
        };
        let api = &sandbox.env[&format!("{upper}_API_URL")];
        let write = || {
            let call = sandbox.http.post(format!("{api}{path}")).json(&body);
            let call = call
                .header("authorization", &token)
                .header("user-agent", "a-test");
            call.send()
        };
        let url = format!("http://{}/webhooks/{source}", end.address());
        let hook = json!({"url": url, "secret": "a-secret"});
        sandbox.act(&format!("/{source}/webhook"), hook).await;
        fault(source, json!({"fault": "lose_webhooks", "count": 1})).await;
        assert!(write().await.unwrap().status().is_success());
        assert!(write().await.unwrap().status().is_success());
        let told = |seen: &[RequestRecord]| seen.iter().any(|one| one.path.ends_with(source));
        tokio::time::timeout(PATIENCE, end.until(told))
            .await
            .expect("a webhook");
        fault(source, json!({"fault": "lost"})).await;
        assert!(write().await.is_err());
        fault(source, json!({"fault": "rate_limit"})).await;
        assert!([403, 429].contains(&write().await.unwrap().status().as_u16()));
        fault(source, json!({"fault": "down"})).await;
        assert!(write().await.is_err());
        fault(source, json!({"fault": "up"})).await;
        assert!(write().await.unwrap().status().is_success());
    }
    sandbox.ends_on("-TERM").await;
}

/// A wrong request is refused with a sentence, and the sandbox goes on.
#[tokio::test]
async fn bad_input_is_refused() {
    let sandbox = Alone::start(&[]).await;
    let cases = [
        (
            "/slack/say",
            json!({"user": "nobody", "text": "x"}),
            422,
            "nobody in this workspace is called nobody",
        ),
        (
            "/slack/say",
            json!({"user": "ci", "text": "x"}),
            422,
            "ci is a bot",
        ),
        (
            "/slack/say",
            json!({"user": "ana", "text": " "}),
            422,
            "`text` is empty",
        ),
        (
            "/slack/say",
            json!({"user": "ana", "text": "x", "channel": "nowhere"}),
            422,
            "there is no channel nowhere",
        ),
        (
            "/slack/say",
            json!({"user": "gil", "text": "x", "channel": "random"}),
            422,
            "U0GST01 is not in random",
        ),
        (
            "/slack/say",
            json!({"user": "ana", "text": "x", "thread_ts": "1.000001"}),
            422,
            "cannot_reply_to_message",
        ),
        (
            "/slack/say",
            json!({"user": "ana"}),
            400,
            "missing field `text`",
        ),
        (
            "/slack/say",
            json!({"user": "ana", "text": "x", "txt": 1}),
            400,
            "unknown field `txt`",
        ),
        ("/slack/say", json!([]), 400, "the body cannot be read"),
        (
            "/slack/press",
            json!({"user": "ana", "action_id": "go"}),
            422,
            "has a button go",
        ),
        (
            "/slack/press",
            json!({"user": "ana", "action_id": "go", "ts": "1.000001"}),
            422,
            "there is no message 1.000001",
        ),
        (
            "/slack/press",
            json!({"user": "ana", "action_id": "go", "home": true}),
            422,
            "U0ANN01 has no Home tab",
        ),
        (
            "/slack/react",
            json!({"user": "ana", "ts": "1.000001", "name": "eyes"}),
            422,
            "message_not_found",
        ),
        (
            "/slack/react",
            json!({"user": "ana", "ts": "1.000001", "name": "::"}),
            422,
            "`name` is empty",
        ),
        (
            "/slack/command",
            json!({"user": "ana", "command": "greet"}),
            422,
            "`command` is a slash",
        ),
        (
            "/slack/shortcut",
            json!({"user": "ana", "callback_id": "x", "ts": "1.000001"}),
            422,
            "there is no message",
        ),
        (
            "/slack/submit",
            json!({"user": "ana", "view_id": "V0", "values": {}}),
            422,
            "no modal V0 is open",
        ),
        (
            "/slack/submit",
            json!({"user": "ana", "view_id": "V0", "values": 1}),
            400,
            "the body cannot be read",
        ),
        (
            "/slack/open",
            json!({"user": "ana", "tab": "about"}),
            400,
            "unknown variant `about`",
        ),
        (
            "/slack/fault",
            json!({"fault": "rain"}),
            400,
            "unknown variant `rain`",
        ),
        (
            "/slack/fault",
            json!({"fault": "down", "count": 1}),
            400,
            "unknown field `count`",
        ),
        (
            "/slack/fault",
            json!({"fault": "slow", "seconds": 4000}),
            422,
            "4000 s is too long",
        ),
        (
            "/slack/fault",
            json!({"fault": "slow", "seconds": -1}),
            400,
            "the body cannot be read",
        ),
        (
            "/slack/fault",
            json!({"fault": "slow", "method": "/api"}),
            422,
            "`method` is the name",
        ),
        (
            "/slack/fault",
            json!({"fault": "lose_events", "count": 0}),
            422,
            "`count` is at least 1",
        ),
        (
            "/github/fault",
            json!({"fault": "cut"}),
            400,
            "unknown variant `cut`",
        ),
        (
            "/github/webhook",
            json!({"url": "http://example.com/x", "secret": "s"}),
            422,
            "an address of this machine",
        ),
        (
            "/github/webhook",
            json!({"url": "http://127.0.0.1:1/x", "secret": ""}),
            422,
            "`secret` is empty",
        ),
        (
            "/jira/fault",
            json!({"fault": "down"}),
            404,
            "there is no such route",
        ),
        ("/slack/shout", json!({}), 404, "there is no such route"),
        ("/", json!({}), 405, "another method"),
    ];
    for (path, body, status, why) in cases {
        let (refused, answer) = sandbox.post(path, &body).await;
        let said = answer["error"].as_str().unwrap_or_default();
        assert!(
            refused == status && answer["ok"] == false && said.contains(why),
            "{path} {body}: {refused} {answer}"
        );
    }
    for (path, status, why) in [
        ("/slack?channel=general", 400, "name the `user`"),
        ("/slack?user=nobody", 422, "nobody in this workspace"),
        ("/slack?user=ana&after=x", 400, "after"),
        ("/slack?user=ana&wait=61", 422, "61 s is too long"),
        ("/slack?usr=ana", 400, "unknown field `usr`"),
        ("/slack/say", 405, "another method"),
    ] {
        let (refused, answer) = sandbox.get(path).await;
        let said = answer["error"].as_str().unwrap_or_default();
        assert!(
            refused == status && answer["ok"] == false && said.contains(why),
            "{path}: {refused} {answer}"
        );
    }
    let url = format!("{}/slack/say", sandbox.env["SANDBOX_URL"]);
    let call = sandbox
        .http
        .post(&url)
        .body(json!({"user": "ana", "text": "x"}).to_string());
    assert_eq!(call.send().await.unwrap().status(), 415);
    let call = sandbox
        .http
        .post(&url)
        .header("content-type", "application/json")
        .body("x".repeat(3 << 20));
    assert_eq!(call.send().await.unwrap().status(), 413);
    let (status, all) = sandbox.get("/").await;
    assert_eq!(
        (status, &all["env"]["SLACK_API_URL"]),
        (200, &json!(sandbox.env["SLACK_API_URL"]))
    );
    let people = all["slack"]["people"].as_array().unwrap();
    assert!(people.iter().any(|person| person["name"] == "ana"), "{all}");
    assert!(!people.iter().any(|person| person["name"] == "ci"), "{all}");
    sandbox.ends_on("-TERM").await;
}

/// A shell can read the output, which is documented.
#[tokio::test]
async fn what_it_prints_is_for_a_shell_and_documented() {
    let sandbox = Alone::start(&[]).await;
    let script = format!("{}\nenv", sandbox.printed.join("\n"));
    let shell = Command::new("sh")
        .arg("-c")
        .arg(script)
        .env_clear()
        .output()
        .await
        .unwrap();
    assert!(shell.status.success(), "{shell:?}");
    let shell = String::from_utf8(shell.stdout).unwrap();
    let docs = include_str!("../../docs/sandbox.md");
    for (name, value) in &sandbox.env {
        assert!(
            shell.contains(&format!("{name}={value}\n")),
            "{name}: {shell}"
        );
        assert!(
            docs.contains(&format!("`{name}`")),
            "docs/sandbox.md lacks {name}"
        );
    }
    sandbox.ends_on("-TERM").await;
}

#[rstest]
#[case::slack("--slack-port", "SLACK_API_URL", "Slack")]
#[case::github("--github-port", "GITHUB_API_URL", "GitHub")]
#[case::clickup("--clickup-port", "CLICKUP_API_URL", "ClickUp")]
#[case::control("--control-port", "SANDBOX_URL", "Control")]
#[tokio::test]
async fn a_port_is_as_asked_or_it_does_not_start(
    #[case] option: &str,
    #[case] variable: &str,
    #[case] service: &str,
) {
    // Another process holds the port: a socket that this one closes stays open until the processes that it is just
    // starting have closed their copy.
    let port = lasting_port().to_string();
    let sandbox = Alone::start(&[option, &port]).await;
    assert!(
        sandbox.env[variable].contains(&format!("127.0.0.1:{port}")),
        "{:?}",
        sandbox.env
    );
    let ran = ivan_sandbox(&[option, &port]).output();
    let ran = tokio::time::timeout(PATIENCE, ran)
        .await
        .expect("it ends")
        .unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(
        (ran.status.code(), ran.stdout.as_slice()),
        (Some(1), &b""[..])
    );
    let why = format!("✗ cannot start the sandbox: {service} cannot listen on 127.0.0.1:{port}: ");
    assert!(
        said.starts_with(&why) && said.trim_end().ends_with(option),
        "{said}"
    );
}
