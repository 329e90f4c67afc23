//! Who may do what: every verb by every kind of caller, as the table in `docs/security.md` has it.
//!
//! The table here has a line and a request for each verb. The story sends them as every kind of caller to the real daemon,
//! and compares what happened with the page.

use std::fmt::Write as _;

use futures_util::future::join_all;
use ivan::config::TokenHash;
use ivan::sandbox::Sandbox;
use ivan::verbs::VERBS;
use serde_json::{Value, json};

use crate::harness::*;
use crate::own_tokens::makes_token;

const UNLINKED: &str = "U0CEM01";
const NO_PERSON: &str = "U0EVA01";
const SINGLE_CHANNEL: &str = "U0GIA01";
const OTHER_WORKSPACE: &str = "U0OTH01";
const DEACTIVATED: &str = "U0OLD01";
const BOT: &str = "U0CIB01";

/// The callers in Slack, in the order of the columns, with an issue of GitHub for each.
const CALLERS: [(&str, &str); 9] = [
    ("person", ANA),
    ("person without accounts", UNLINKED),
    ("member, no person", NO_PERSON),
    ("guest", GUEST),
    ("single-channel guest", SINGLE_CHANNEL),
    ("stranger of a shared channel", STRANGER),
    ("deactivated", DEACTIVATED),
    ("bot", BOT),
    ("other workspace", OTHER_WORKSPACE),
];

/// A token of the API.
struct ApiToken {
    called: &'static str,
    /// The name in `[[api.tokens]]`; `None` for the single token.
    name: Option<&'static str>,
    is_bos: bool,
    read_only: bool,
    /// Whether Bo made it himself, in Slack.
    is_own: bool,
}

const fn token(
    called: &'static str,
    name: Option<&'static str>,
    is_bos: bool,
    read_only: bool,
    is_own: bool,
) -> ApiToken {
    ApiToken {
        called,
        name,
        is_bos,
        read_only,
        is_own,
    }
}

const TOKENS: [ApiToken; 7] = [
    token("API with its token", None, false, false, false),
    token("named token", Some("scripts"), false, false, false),
    token("token of a person", Some("bos"), true, false, false),
    token("read-only token", Some("dashboard"), false, true, false),
    token(
        "read-only token of a person",
        Some("bos-dashboard"),
        true,
        true,
        false,
    ),
    token("own token", Some("own"), true, false, true),
    token(
        "own read-only token",
        Some("own-dashboard"),
        true,
        true,
        true,
    ),
];

impl ApiToken {
    /// Its text. Bo makes his own ones now.
    async fn text(&self, ivan: &Ivan) -> String {
        match self.name {
            None => ivan.token(),
            Some(name) if self.is_own => makes_token(ivan, BO, name, self.read_only).await,
            Some(name) => format!("the-token-of-{name}"),
        }
    }

    fn configured(&self) -> Option<String> {
        let name = self.name.filter(|_| !self.is_own)?;
        let hash = TokenHash::of(&format!("the-token-of-{name}")).unwrap();
        let person = if self.is_bos { "Bo" } else { "any" };
        Some(format!(
            "[[api.tokens]]\nname = \"{name}\"\nperson = \"{person}\"\nread_only = {}\nhash = \"{hash}\"\n",
            self.read_only
        ))
    }
}

/// A verb: its line after `/ivan`, and its request with the API's token. `ISSUE` is an issue's number, `TASK` a task's
/// id in ClickUp, `QUESTION` the id of a question.
struct Deed {
    verb: &'static str,
    line: &'static str,
    request: Option<(&'static str, &'static str, &'static str)>,
}

const fn deed(
    verb: &'static str,
    line: &'static str,
    request: Option<(&'static str, &'static str, &'static str)>,
) -> Deed {
    Deed {
        verb,
        line,
        request,
    }
}

const DEEDS: [Deed; 36] = [
    deed(
        "done",
        "done #ISSUE",
        Some(("POST", "/done", r##"{"ref": "#ISSUE"}"##)),
    ),
    deed(
        "comment",
        "comment on #ISSUE: seen",
        Some(("POST", "/comment", r##"{"ref": "#ISSUE", "text": "seen"}"##)),
    ),
    deed(
        "create",
        "create Buy milk",
        Some(("POST", "/tasks", r#"{"title": "Buy milk"}"#)),
    ),
    deed("current", "current", Some(("GET", "/current", ""))),
    deed("next", "next", Some(("POST", "/next", "{}"))),
    deed(
        "start",
        "start clickup:TASK",
        Some(("POST", "/start", r#"{"ref": "clickup:TASK"}"#)),
    ),
    deed(
        "pause",
        "pause clickup:TASK",
        Some(("POST", "/pause", r#"{"ref": "clickup:TASK"}"#)),
    ),
    deed(
        "snooze",
        "snooze clickup:TASK 2h",
        Some((
            "POST",
            "/snooze",
            r#"{"ref": "clickup:TASK", "until": "2h"}"#,
        )),
    ),
    deed(
        "reopen",
        "reopen #ISSUE",
        Some(("POST", "/reopen", r##"{"ref": "#ISSUE"}"##)),
    ),
    deed(
        "assign",
        "assign clickup:TASK Bo",
        Some((
            "POST",
            "/assign",
            r#"{"ref": "clickup:TASK", "person": "Bo"}"#,
        )),
    ),
    deed(
        "claim",
        "claim clickup:TASK",
        Some(("POST", "/claim", r#"{"ref": "clickup:TASK"}"#)),
    ),
    deed(
        "due",
        "due clickup:TASK tomorrow",
        Some((
            "POST",
            "/due",
            r#"{"ref": "clickup:TASK", "due": "tomorrow"}"#,
        )),
    ),
    deed(
        "prio",
        "prio clickup:TASK high",
        Some((
            "POST",
            "/priority",
            r#"{"ref": "clickup:TASK", "priority": "high"}"#,
        )),
    ),
    deed(
        "label",
        "label #ISSUE +triaged",
        Some((
            "POST",
            "/label",
            r##"{"ref": "#ISSUE", "labels": "+triaged"}"##,
        )),
    ),
    deed(
        "milestone",
        "milestone #ISSUE none",
        Some((
            "POST",
            "/milestone",
            r##"{"ref": "#ISSUE", "milestone": "none"}"##,
        )),
    ),
    deed(
        "type",
        "type #ISSUE none",
        Some(("POST", "/type", r##"{"ref": "#ISSUE", "type": "none"}"##)),
    ),
    deed(
        "attach",
        "attach #ISSUE",
        Some(("POST", "/attach", r##"{"ref": "#ISSUE"}"##)),
    ),
    deed("undo", "undo", Some(("POST", "/undo", "{}"))),
    deed(
        "confirm",
        "confirm QUESTION",
        Some(("POST", "/confirm", r#"{"id": "QUESTION"}"#)),
    ),
    deed("why", "why #ISSUE", Some(("GET", "/why?ref=%23ISSUE", ""))),
    deed("list", "list", Some(("GET", "/queue", ""))),
    deed("find", "find task", Some(("GET", "/find?words=task", ""))),
    deed("morning", "morning", Some(("GET", "/morning", ""))),
    deed(
        "briefing",
        "briefing off",
        Some(("POST", "/briefing", r#"{"at": "off"}"#)),
    ),
    deed(
        "quiet",
        "quiet off",
        Some(("POST", "/quiet", r#"{"hours": "off"}"#)),
    ),
    deed(
        "receipts",
        "receipts messages",
        Some(("POST", "/receipts", r#"{"by": "message"}"#)),
    ),
    deed("log", "log", Some(("GET", "/log", ""))),
    deed("stats", "stats", Some(("GET", "/stats", ""))),
    deed("status", "status", Some(("GET", "/status", ""))),
    deed("whoami", "whoami", Some(("GET", "/whoami", ""))),
    deed(
        "link",
        "link github ana",
        Some(("POST", "/link", r#"{"source": "github", "account": "ana"}"#)),
    ),
    deed(
        "unlink",
        "unlink github",
        Some(("POST", "/unlink", r#"{"source": "github"}"#)),
    ),
    deed("token", "token", None),
    deed("mute", "mute", None),
    deed("unmute", "unmute", None),
    deed("help", "help", None),
];

fn filled(text: &str, number: usize, ivan: &Ivan) -> String {
    let task = format!("Task {number}");
    text.replace("ISSUE", &number.to_string())
        .replace("TASK", ivan.clickup().task(&task).id())
        .replace("QUESTION", &question(ivan))
}

/// A command that asks first, about issues that have no priority anyway.
const ASKS: &str = "prio #1 #2 #3 #4 #5 #6 #7 #8 #9 #10 #11 none";

/// The id of the newest question that waits, which somebody else may have been asked.
fn question(ivan: &Ivan) -> String {
    ivan.sql(
        "SELECT ifnull((SELECT uid FROM commands WHERE asks IS NOT NULL ORDER BY id DESC LIMIT 1),
             '01JTESTTESTTESTTESTTESTTG9')",
    )
}

/// An answer as a cell of the table.
fn cell(told: &str) -> String {
    let refusals = [
        "✗ You're not set up yet.",
        "✗ I only take commands from full members of this workspace.",
    ];
    if refusals.iter().any(|refusal| told.starts_with(refusal)) {
        return "no".to_owned();
    }
    if told.starts_with(['✓', '…']) {
        return "yes".to_owned();
    }
    if told.starts_with("✗ `attach` links a thread") {
        return "thread".to_owned();
    }
    match told.contains("I don't know your") {
        true => "account".to_owned(),
        // An outcome that no cell has.
        false if told.starts_with('✗') => told.to_owned(),
        false => "yes".to_owned(),
    }
}

fn setup() -> Setup {
    let person = |name: &str, slack: &str, clickup: &str| {
        format!("[[people]]\nname = \"{name}\"\nslack = \"{slack}\"\n{clickup}")
    };
    let people = [
        person("Ana", ANA, "clickup = \"4242\"\n"),
        person("Bo", BO, "clickup = \"4243\"\n"),
        person("Cem", UNLINKED, ""),
        // Being named in bot.toml is not enough for these.
        person("Gil", GUEST, ""),
        person("Gia", SINGLE_CHANNEL, ""),
        person("Sol", STRANGER, ""),
        person("Dee", DEACTIVATED, ""),
        person("CI", BOT, ""),
        person("Oth", OTHER_WORKSPACE, ""),
    ];
    let tokens: Vec<String> = TOKENS.iter().filter_map(ApiToken::configured).collect();
    Setup::new()
        .config(&people.concat())
        .config(&tokens.concat())
        .before(|sandbox: &Sandbox| {
            let slack = &sandbox.slack;
            for id in [UNLINKED, NO_PERSON, SINGLE_CHANNEL, OTHER_WORKSPACE] {
                slack.add_person(id, &id.to_lowercase());
            }
            let single = json!({"is_restricted": true, "is_ultra_restricted": true});
            slack.changes_silently(SINGLE_CHANNEL, single);
            slack.changes_silently(OTHER_WORKSPACE, json!({"team_id": "T0TEAM9"}));
            sandbox.github.add_label(REPO, "triaged");
            for number in 1..=CALLERS.len() + TOKENS.len() {
                sandbox
                    .clickup
                    .add_task(json!({"name": format!("Task {number}")}));
                sandbox
                    .github
                    .add_issue(REPO, json!({"title": format!("Issue {number}")}));
            }
        })
}

/// The writes that a source got from Ivan.
fn writes(ivan: &Ivan) -> Vec<String> {
    let seen = [
        ivan.clickup().front().journal(),
        ivan.github().front().journal(),
    ];
    let all = seen.into_iter().flatten();
    all.filter(|seen| seen.method != "GET")
        .map(|seen| format!("{} {}", seen.method, seen.path))
        .collect()
}

#[tokio::test]
async fn every_verb_is_for_the_callers_of_the_table() {
    ivan_test(setup(), async |ivan| {
        let ivan = &*ivan;
        let general = ivan.slack().channel("general");
        // Tasks are assigned to him below.
        ivan.dm(BO, "mute").await;
        let verbs: Vec<&str> = VERBS.iter().map(|row| row.info.name).collect();
        assert_eq!(
            DEEDS.map(|deed| deed.verb),
            *verbs,
            "every verb is in the table"
        );
        let tried = async |number: usize, who: &str, channel: &str| {
            let mut cells = Vec::new();
            for deed in &DEEDS {
                if deed.verb == "confirm" {
                    ivan.slash(who, channel, ASKS).await;
                }
                let line = filled(deed.line, number, ivan);
                let mut told = ivan.slash(who, channel, &line).await;
                if told.starts_with("✗ Not linked yet.") {
                    ivan.github().write_bio("ana", &code_in(&told));
                    told = ivan.slash(who, channel, &line).await;
                }
                cells.push(cell(&told));
            }
            cells
        };
        // Those who may do nothing come first: no source gets a write for them, and nothing is stored.
        let refused = (3..).zip(&CALLERS[2..]);
        let refused =
            join_all(refused.map(|(number, (_, who))| tried(number, who, &general))).await;
        assert_eq!(writes(ivan), [""; 0]);
        let commands = "SELECT count(*) FROM commands WHERE verb <> 'mute'";
        assert_eq!(ivan.sql::<i64>(commands), 0);
        let mut columns = Vec::new();
        for (number, (_, who)) in (1..).zip(&CALLERS[..2]) {
            // In a channel the new task would be announced to all.
            columns.push(tried(number, who, &ivan.slack().dm(who)).await);
        }
        columns.extend(refused);
        for (number, token) in (CALLERS.len() + 1..).zip(&TOKENS) {
            let text = token.text(ivan).await;
            columns.push(over_http(ivan, number, token, &text).await);
        }
        columns.push(without_a_token(ivan).await);
        let mut table = String::from("| verb |");
        let tokens = TOKENS.map(|token| token.called);
        for name in CALLERS.map(|(name, _)| name).iter().chain(&tokens) {
            let _ = write!(table, " {name} |");
        }
        table.push_str(" without |\n|---|");
        table.push_str(&"---|".repeat(columns.len()));
        for (row, deed) in DEEDS.iter().enumerate() {
            let _ = write!(table, "\n| `{}` |", deed.verb);
            for column in &columns {
                let _ = write!(table, " {} |", column[row]);
            }
        }
        let page = include_str!("../../docs/security.md");
        assert!(
            page.contains(&table),
            "docs/security.md lacks this table:\n{table}"
        );
    })
    .await;
}

/// What the API does for Bo with this token.
async fn over_http(ivan: &Ivan, number: usize, token: &ApiToken, text: &str) -> Vec<String> {
    let mut cells = Vec::new();
    for deed in &DEEDS {
        if deed.verb == "confirm" {
            let refs: Vec<&str> = ASKS
                .split(' ')
                .filter(|word| word.starts_with('#'))
                .collect();
            let body = json!({"refs": refs, "priority": "none"});
            let actor = (!token.is_bos).then_some("Bo");
            asked(
                ivan,
                "POST",
                "/priority",
                Some(&body),
                text.to_owned(),
                actor,
            )
            .await;
        }
        let Some((method, path, body)) = request(deed, number, ivan) else {
            cells.push("–".to_owned());
            continue;
        };
        let actor = (!token.is_bos).then_some("Bo");
        // The daemon's state is nobody's.
        if token.is_bos && path != "/status" {
            let (status, _) = asked(
                ivan,
                method,
                &path,
                body.as_ref(),
                text.to_owned(),
                Some("Ana"),
            )
            .await;
            assert_eq!(status, 403, "{method} {path}");
        }
        let ask = async || asked(ivan, method, &path, body.as_ref(), text.to_owned(), actor).await;
        let (mut status, mut answer) = ask().await;
        if answer.contains("Not linked yet.") {
            assert_eq!(status, 422);
            ivan.github().write_bio("ana", &code_in(&answer));
            (status, answer) = ask().await;
        }
        cells.push(match status {
            200..=299 => "yes".to_owned(),
            403 => "no".to_owned(),
            422 if answer.contains("it works in Slack only") => "no".to_owned(),
            _ => format!("{status} {answer}"),
        });
    }
    cells
}

/// Without a token, and with an unknown one, the API does nothing.
async fn without_a_token(ivan: &Ivan) -> Vec<String> {
    let mut cells = Vec::new();
    for deed in &DEEDS {
        let Some((method, path, body)) = request(deed, 1, ivan) else {
            cells.push("–".to_owned());
            continue;
        };
        for token in ["", "another-token"] {
            let (status, _) = asked(
                ivan,
                method,
                &path,
                body.as_ref(),
                token.to_owned(),
                Some("Bo"),
            )
            .await;
            assert_eq!(status, 401, "{method} {path}");
        }
        cells.push("no".to_owned());
    }
    cells
}

fn request(
    deed: &Deed,
    number: usize,
    ivan: &Ivan,
) -> Option<(&'static str, String, Option<Value>)> {
    let (method, path, body) = deed.request?;
    let body = match body {
        "" => None,
        body => Some(serde_json::from_str(&filled(body, number, ivan)).unwrap()),
    };
    Some((method, filled(path, number, ivan), body))
}

async fn asked(
    ivan: &Ivan,
    method: &str,
    path: &str,
    body: Option<&Value>,
    token: String,
    actor: Option<&str>,
) -> (u16, String) {
    let url = format!("{}{path}", ivan.api_url());
    let method = method.parse().unwrap();
    let mut request = client().request(method, url).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(body);
    }
    if let Some(actor) = actor {
        request = request.header("x-ivan-actor", actor);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}
