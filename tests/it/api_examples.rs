//! The examples of the API's description: each is sent to the real daemon, and its answer is the one in
//! `src/http/examples.json`. `IVAN_EXAMPLES=write` writes the file; the daemon has it from its next build on.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::*;

/// The part of an answer that the example keeps.
#[derive(Clone, Copy)]
enum Keeps {
    All,
    /// These members, of the many.
    Members(&'static [&'static str]),
    /// The first line of a text.
    FirstLine,
    /// The lines of a text about this metric.
    Metric(&'static str),
}

/// The token of a request.
#[derive(Clone, Copy, PartialEq)]
enum Sends {
    Operators,
    /// The one that `ivan login` would have made.
    Own,
    None,
}

/// A request of an example.
struct Try {
    operation: &'static str,
    method: &'static str,
    path: &'static str,
    body: Value,
    status: u16,
    sends: Sends,
    actor: &'static str,
    keeps: Keeps,
}

/// The SHA-256 of the token of the login is in the example, so that token is fixed.
const OWN_TOKEN: &str = "an-example-of-a-token-with-thirty-two-bytes";

fn get(operation: &'static str, path: &'static str) -> Try {
    Try {
        operation,
        method: "GET",
        path,
        body: Value::Null,
        status: 200,
        sends: Sends::Operators,
        actor: "Ana",
        keeps: Keeps::All,
    }
}

fn post(operation: &'static str, path: &'static str, body: Value) -> Try {
    Try {
        method: "POST",
        body,
        ..get(operation, path)
    }
}

impl Try {
    fn keeps(self, keeps: Keeps) -> Try {
        Try { keeps, ..self }
    }

    fn answers(self, status: u16) -> Try {
        Try { status, ..self }
    }

    fn by(self, actor: &'static str) -> Try {
        Try { actor, ..self }
    }

    fn sends(self, sends: Sends) -> Try {
        Try { sends, ..self }
    }
}

/// All examples, in the order in which they are sent. `TASK` is the id of the task in ClickUp, `ISSUE` that of the issue,
/// `OPERATION` the operation of a comment, `CODE` that of the last link, `QUESTION` the id of the last question.
fn tries() -> Vec<Try> {
    let mut tries = vec![
        get("healthz", "/healthz").sends(Sends::None),
        get("readyz", "/readyz").sends(Sends::None),
        get("current", "/current"),
        get("queue", "/queue?limit=2"),
        get("why", "/why?ref=2"),
        get("find", "/find?words=login"),
        get("morning", "/morning").keeps(Keeps::Members(&["top"])),
        get("listTasks", "/tasks?source=clickup&limit=1"),
        get("getTask", "/tasks/ISSUE"),
        get("people", "/people"),
        get("whoami", "/whoami"),
        get("rhythm", "/rhythm").keeps(Keeps::Members(&["briefing", "quiet"])),
        get("receipts", "/receipts"),
        post("setBriefing", "/briefing", json!({ "at": "8:30" }))
            .keeps(Keeps::Members(&["briefing", "quiet"])),
        post("setQuietHours", "/quiet", json!({ "hours": "20:00-8:00" }))
            .keeps(Keeps::Members(&["briefing", "quiet"])),
        post("setReceipts", "/receipts", json!({ "by": "reactions" })),
    ];
    tries.extend(verbs());
    tries.extend(daemon());
    tries.extend(logins_and_pages());
    tries
}

fn verbs() -> Vec<Try> {
    vec![
        post(
            "link",
            "/link",
            json!({ "source": "github", "account": "bo" }),
        )
        .by("Bo"),
        post(
            "comment",
            "/comment",
            json!({ "ref": "2", "text": "Seen on Safari only" }),
        ),
        post(
            "commentOnTask",
            "/tasks/ISSUE/comment",
            json!({ "text": "Reproduced" }),
        ),
        post("start", "/start", json!({ "ref": "#1" })),
        post("startTask", "/tasks/TASK/start", json!({})),
        post("pause", "/pause", json!({ "ref": "#1" })),
        post("pauseTask", "/tasks/TASK/pause", json!({})),
        post("due", "/due", json!({ "ref": "TASK", "due": "tomorrow" })).keeps(Keeps::Members(&[
            "success",
            "current_state",
            "operation_id",
            "task_id",
        ])),
        post("dueTask", "/tasks/TASK/due", json!({ "due": "none" })),
        post(
            "priority",
            "/priority",
            json!({ "ref": "TASK", "priority": "urgent" }),
        ),
        post(
            "priorityTask",
            "/tasks/TASK/priority",
            json!({ "priority": "high" }),
        ),
        post("label", "/label", json!({ "ref": "#1", "labels": "+bug" })),
        post(
            "labelTask",
            "/tasks/ISSUE/label",
            json!({ "labels": "-bug" }),
        ),
        post(
            "milestone",
            "/milestone",
            json!({ "ref": "#1", "milestone": "2.1" }),
        ),
        post(
            "milestoneTask",
            "/tasks/ISSUE/milestone",
            json!({ "milestone": "none" }),
        ),
        post("type", "/type", json!({ "ref": "#1", "type": "bug" })),
        post("typeTask", "/tasks/ISSUE/type", json!({ "type": "none" })),
        post("attach", "/attach", json!({ "ref": "#1" })).answers(422),
        post("assign", "/assign", json!({ "ref": "#1", "person": "Bo" })),
        post(
            "assignTask",
            "/tasks/ISSUE/assign",
            json!({ "person": "Ana" }),
        ),
        post("claim", "/claim", json!({ "ref": "TASK" })),
        post("claimTask", "/tasks/ISSUE/claim", json!({})),
        post("snooze", "/snooze", json!({ "ref": "TASK", "until": "2h" }))
            .keeps(Keeps::Members(&["success", "task_id"])),
        post(
            "snoozeTask",
            "/tasks/ISSUE/snooze",
            json!({ "until": "tomorrow" }),
        )
        .keeps(Keeps::Members(&["success", "task_id"])),
        post("undo", "/undo", json!({})),
        post("next", "/next", json!({})),
        post(
            "done",
            "/done",
            json!({ "ref": "#1", "comment": "Fixed in 2.1" }),
        ),
        post("reopen", "/reopen", json!({ "ref": "#1" })),
        post(
            "completeTask",
            "/tasks/ISSUE/complete",
            json!({ "comment": "Shipped" }),
        ),
        post("reopenTask", "/tasks/ISSUE/reopen", json!({})),
        post(
            "createTask",
            "/tasks",
            json!({ "title": "Buy milk", "source": "clickup" }),
        ),
        post("unlink", "/unlink", json!({ "source": "github" })).by("Bo"),
        post("confirm", "/confirm", json!({ "id": "QUESTION" })),
    ]
}

fn daemon() -> Vec<Try> {
    vec![
        get("log", "/log?limit=1"),
        get("stats", "/stats").keeps(Keeps::Members(&["period", "own", "everybody"])),
        get("getOperation", "/operations/OPERATION"),
        post("retry", "/operations/OPERATION/retry", json!({})),
        post("sync", "/sync", json!({ "full": false })),
        post("reloadConfig", "/config/reload", json!({})),
        get("status", "/status").keeps(Keeps::Members(&[
            "store",
            "slack",
            "queued_operations",
            "set_aside",
        ])),
        get("metrics", "/metrics").keeps(Keeps::Metric("ivan_slack_connected")),
        get("openapi", "/openapi.json").keeps(Keeps::Members(&["openapi"])),
    ]
}

fn logins_and_pages() -> Vec<Try> {
    let hash = ivan::config::TokenHash::of(OWN_TOKEN).unwrap().to_string();
    vec![
        post(
            "login",
            "/login",
            json!({ "hash": hash, "name": "notebook" }),
        )
        .sends(Sends::None),
        get("loginState", "/login").sends(Sends::Own),
        post("logout", "/logout", json!({})).sends(Sends::Own),
        post("pageLink", "/ops", json!({})),
        get("beginPageSession", "/ops/CODE")
            .answers(303)
            .sends(Sends::None)
            .keeps(Keeps::FirstLine),
        get("statusPage", "/").keeps(Keeps::FirstLine),
        get("docs", "/docs").keeps(Keeps::FirstLine),
        get("style", "/style.css")
            .sends(Sends::None)
            .keeps(Keeps::FirstLine),
    ]
}

fn setup() -> Setup {
    Setup::new()
        .config(
            "[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\ngithub = \"ana\"\nclickup = \"4242\"\n\
             [[people]]\nname = \"Bo\"\nslack = \"U0BOB01\"\nclickup = \"4243\"",
        )
        .clickup_tasks([
            json!({"name": "Renew the certificate", "assignees": [ANA_CLICKUP], "priority": 2}),
        ])
        .github_issues([
            json!({"title": "Login fails on Safari", "assignees": ["ana"], "labels": ["safari"]}),
            json!({"title": "Update the docs", "assignees": ["bo"]}),
        ])
        .before(|sandbox| {
            sandbox.github.add_label(REPO, "bug");
            sandbox.github.add_milestone(REPO, "2.1", true);
            sandbox.github.add_type(REPO, "Bug", true);
        })
}

/// The values of the placeholders, as far as they are known.
#[derive(Default)]
struct Known {
    operation: String,
    code: String,
    question: String,
}

impl Known {
    fn filled(&self, text: &str, ivan: &Ivan, in_path: bool) -> String {
        let task = format!(
            "clickup:{}",
            ivan.clickup().task("Renew the certificate").id()
        );
        let issue = match in_path {
            true => format!("github:{}%231", REPO.replace('/', "%2F")),
            false => format!("github:{REPO}#1"),
        };
        text.replace("TASK", &task)
            .replace("ISSUE", &issue)
            .replace("OPERATION", &self.operation)
            .replace("CODE", &self.code)
            .replace("QUESTION", &self.question)
    }
}

/// A text with fixed values in place of those that differ from run to run.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    let is_word = |c: char| c.is_ascii_alphanumeric();
    let mut rest = text;
    while let Some(begin) = rest.find(is_word) {
        let (before, from) = rest.split_at(begin);
        steady.push_str(before);
        let end = from.find(|c| !is_word(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        let is_ulid = word.len() == 26
            && word.starts_with("01")
            && word.chars().all(|c| !c.is_ascii_lowercase());
        let is_secret = word.len() == 64 && word.chars().all(|c| c.is_ascii_hexdigit());
        steady.push_str(match word {
            _ if is_ulid => "01KAZXR7Q3M8V5T2N9C4D6F0GH",
            _ if is_secret => "4d0f9c…",
            word => word,
        });
        rest = after;
    }
    steady.push_str(rest);
    steady
}

/// Times, addresses of the sandbox and the like become fixed values, everywhere in a JSON.
fn steadied(value: &Value, ivan: &Ivan) -> Value {
    match value {
        Value::String(text) => {
            let is_time = chrono::DateTime::parse_from_rfc3339(text).is_ok();
            let home = ivan.folder().display().to_string();
            match is_time {
                true => json!("2026-12-01T09:30:00Z"),
                false => json!(steady(text).replace(&home, "/etc/ivan")),
            }
        }
        Value::Array(items) => items.iter().map(|item| steadied(item, ivan)).collect(),
        Value::Object(members) => {
            let steady = members.iter().map(|(name, member)| {
                let member = match (name.as_str(), member) {
                    ("ms", Value::Number(_)) => json!(12),
                    ("changed", Value::Number(_)) => json!(0),
                    ("day", Value::String(_)) => json!("2026-12-01"),
                    ("median_ms", Value::Number(_)) => json!(412),
                    ("code", Value::String(_)) => json!("BCDF-GHJK"),
                    // The log's has a time.
                    ("next_cursor", Value::String(_)) => json!("29~1796117400000"),
                    ("hash", _) => member.clone(),
                    _ => steadied(member, ivan),
                };
                (name.clone(), member)
            });
            Value::Object(steady.collect())
        }
        other => other.clone(),
    }
}

/// The kept part of an answer.
fn kept(keeps: Keeps, text: &str, ivan: &Ivan) -> Value {
    let json = serde_json::from_str::<Value>(text);
    let first_line = text.lines().next().unwrap_or_default();
    match (keeps, json) {
        (Keeps::All, Ok(json)) => steadied(&json, ivan),
        (Keeps::Members(names), Ok(json)) => {
            let kept = names
                .iter()
                .map(|name| ((*name).to_owned(), steadied(&json[*name], ivan)));
            Value::Object(kept.collect())
        }
        (Keeps::Metric(name), _) => {
            let about = text.lines().filter(|line| line.contains(name));
            json!(about.collect::<Vec<_>>().join("\n"))
        }
        (Keeps::FirstLine, _) => json!(first_line),
        (_, Err(error)) => panic!("{error}: {text}"),
    }
}

#[tokio::test]
async fn each_operation_has_an_example_that_was_tried() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/examples.json");
    ivan_test(setup(), async |ivan| {
        let ivan = &*ivan;
        let (_, document) = ivan.http("GET", "/openapi.json", None).await;
        let mut known = Known::default();
        let mut examples = Vec::new();
        let mut wrong = Vec::new();
        for one in tries() {
            prepare(one.operation, &mut known, ivan).await;
            match tried(&one, &mut known, &document, ivan).await {
                Ok(example) => examples.push(example),
                Err(why) => wrong.push(why),
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        let written = format!("{:#}\n", Value::Array(examples));
        if std::env::var_os("IVAN_EXAMPLES").is_some_and(|what| what == "write") {
            std::fs::write(&file, &written).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap();
        assert_eq!(
            kept, written,
            "IVAN_EXAMPLES=write cargo test --test it api_examples:: writes it"
        );
        // The daemon has the file of its build.
        let ids = |value: &Value| value["operationId"].as_str().map(str::to_owned);
        let paths = document["paths"].as_object().unwrap().values();
        let described: BTreeSet<String> = paths
            .flat_map(|item| item.as_object().unwrap().values().filter_map(ids))
            .collect();
        let tried: BTreeSet<String> = tries().iter().map(|one| one.operation.to_owned()).collect();
        assert_eq!(tried, described);
        let url = format!("{}/docs", ivan.api_url());
        let page = client()
            .get(url)
            .bearer_auth(ivan.token())
            .send()
            .await
            .unwrap();
        let page = page.text().await.unwrap();
        for id in described {
            let (_, section) = page
                .split_once(&format!("<section id=\"{id}\">"))
                .unwrap_or_else(|| panic!("the page lacks {id}"));
            let (section, _) = section.split_once("</section>").unwrap();
            assert!(section.contains("curl -s"), "{id} has no example");
        }
    })
    .await;
}

/// The state that an example needs, and that no earlier one has made.
async fn prepare(operation: &str, known: &mut Known, ivan: &Ivan) {
    let ana: &[(&str, &str)] = &[("x-ivan-actor", "Ana")];
    match operation {
        // The first answer is a code, which the account has to write.
        "link" => {
            let body = json!({ "source": "github", "account": "bo" });
            let bo: &[(&str, &str)] = &[("x-ivan-actor", "Bo")];
            let (_, answer) = ivan.http_with("POST", "/link", Some(body), bo).await;
            let detail = answer["detail"].as_str();
            let code = code_in(detail.unwrap_or_else(|| panic!("{answer}")));
            ivan.github().write_bio("bo", &code);
        }
        "confirm" => {
            let body = json!({ "filter": "github", "priority": "none" });
            let (_, answer) = ivan.http_with("POST", "/priority", Some(body), ana).await;
            let question = answer["confirm"].as_str();
            known.question = question.unwrap_or_else(|| panic!("{answer}")).to_owned();
        }
        // As if the operation had ended the process twice.
        "retry" => {
            let aside = "INSERT INTO begun_work (kind, item, ends, set_aside_ms, about) VALUES ('operation', ?1, 2, 1, 'a comment in GitHub')";
            ivan.store().execute(aside, [&known.operation]).unwrap();
        }
        "loginState" => {
            ivan.dm(ANA, &format!("token allow {}", known.code))
                .await
                .begins("✓ ");
        }
        _ => {}
    }
}

async fn tried(
    one: &Try,
    known: &mut Known,
    document: &Value,
    ivan: &Ivan,
) -> Result<Value, String> {
    let path = known.filled(one.path, ivan, true);
    let body: Option<Value> = match one.body.as_object().is_some_and(|body| !body.is_empty()) {
        true => {
            Some(serde_json::from_str(&known.filled(&one.body.to_string(), ivan, false)).unwrap())
        }
        false => None,
    };
    let token = match one.sends {
        Sends::Operators => Some(ivan.token()),
        Sends::Own => Some(OWN_TOKEN.to_owned()),
        Sends::None => None,
    };
    let mut request = client().request(
        one.method.parse().unwrap(),
        format!("{}{path}", ivan.api_url()),
    );
    if let Some(token) = &token {
        request = request.bearer_auth(token);
    }
    let actor = has_actor(document, one.operation);
    if actor {
        request = request.header("x-ivan-actor", one.actor);
    }
    if let Some(body) = &body {
        request = request.json(body);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    if status != one.status {
        return Err(format!("{}: {status} {text}", one.operation));
    }
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    if one.operation == "comment" {
        known.operation = answer["operation_id"].as_str().unwrap().to_owned();
    }
    if let Some(code) = answer["code"].as_str() {
        known.code = code.to_owned();
    }
    if let Some(path) = answer["path"].as_str() {
        known.code = path.trim_start_matches("/ops/").to_owned();
    }
    Ok(json!({
        "operation": one.operation,
        "method": one.method,
        "path": steady(&path),
        "token": token.map(|_| "$TOKEN"),
        "actor": actor.then_some(one.actor),
        "body": body.map(|body| steadied(&body, ivan)),
        "status": status,
        "answer": kept(one.keeps, &text, ivan),
    }))
}

/// Whether an operation has an actor.
fn has_actor(document: &Value, id: &str) -> bool {
    let paths = document["paths"].as_object().unwrap().values();
    let mut operations = paths.flat_map(|item| item.as_object().unwrap().values());
    let operation = operations.find(|one| one["operationId"] == id);
    let operation = operation.unwrap_or_else(|| panic!("no operation is called {id}"));
    let mut parameters = operation["parameters"].as_array().into_iter().flatten();
    parameters.any(|one| one["$ref"] == "#/components/parameters/actor")
}
