//! Canary secrets. The tokens of each story are unique, and its other secrets recognisable. The harness looks for them at
//! the end of each story and of each history of the campaign: in the log, in the answers of the API and of the command
//! line, in what was sent to Slack, and in all files of the daemon's folder. None may be there.

use std::path::Path;

use ivan::sandbox::Sandbox;
use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use rusqlite::types::ValueRef;
use serde_json::json;

use crate::harness::*;

/// The secrets of webhooks are encrypted in the store.
const HOOK_SECRETS: &[(&str, &str)] = &[];
/// The columns of the store that need an address, whose parts are secrets. The file's mode protects them.
/// They have it until the answer was sent or half an hour has passed.
const ADDRESSES: &[(&str, &str)] = &[
    ("messages", "reply_url"),
    ("reply_urls", "url"),
    ("slack_events", "heard"),
];
/// The parts of Slack's addresses that are secrets: of ephemeral answers, and of the socket.
const PARTS_OF_ADDRESSES: [&str; 2] = ["/resp/", "?ticket="];
/// The files that have secrets by their purpose: what the person wrote, the key of a GitHub App, and the token that people
/// give to clients.
const FILES_WITH_SECRETS: [&str; 4] = ["bot.toml", "another.toml", "api-token", APP_KEY];

/// The secrets of a story.
#[derive(Debug, Default)]
pub struct Canaries(Vec<Canary>);

#[derive(Debug)]
struct Canary {
    text: String,
    /// The columns that may have it.
    kept_in: &'static [(&'static str, &'static str)],
}

impl Canary {
    /// Stories search megabytes: a search that is built with optimization takes a tenth of what they spend otherwise.
    fn is_in(&self, bytes: &[u8]) -> bool {
        memchr::memmem::find(bytes, self.text.as_bytes()).is_some()
    }
}

impl Canaries {
    /// `made`: the API's token, if the daemon made it.
    pub fn of(sandbox: &Sandbox, made: Option<&str>) -> Canaries {
        let mut all = Canaries::default();
        let (slack, clickup, github) = (&sandbox.slack, &sandbox.clickup, &sandbox.github);
        let tokens = [
            slack.app_token(),
            slack.bot_token(),
            clickup.token(),
            github.token(),
            TOKEN,
        ];
        tokens
            .into_iter()
            .chain(made)
            .for_each(|token| all.add(token, &[]));
        let granted = github.app_tokens();
        granted.iter().for_each(|token| all.add(token, &[]));
        let lines = github.app_key().lines();
        let line = lines.skip(1).find(|line| !line.starts_with('-'));
        all.add(line.unwrap(), &[]);
        let hooks = clickup.hooks();
        let secrets = hooks.iter().filter_map(|hook| hook["secret"].as_str());
        secrets.for_each(|secret| all.add(secret, HOOK_SECRETS));
        let secrets = github.hook_secrets();
        secrets
            .iter()
            .for_each(|secret| all.add(secret, HOOK_SECRETS));
        all.add(HOOK_SECRET, HOOK_SECRETS);
        PARTS_OF_ADDRESSES
            .iter()
            .for_each(|part| all.add(part, ADDRESSES));
        all
    }

    fn add(&mut self, text: &str, kept_in: &'static [(&'static str, &'static str)]) {
        let known = self.0.iter().any(|one| one.text == text);
        // A story may give a token that is a part of words.
        if text.len() >= 6 && !known {
            let text = text.to_owned();
            self.0.push(Canary { text, kept_in });
        }
    }

    /// The leaks in a text that may have no secret.
    pub fn leaks(&self, place: &str, text: &str) -> Vec<String> {
        let leaked = self.0.iter().filter(|one| one.is_in(text.as_bytes()));
        leaked
            .map(|one| {
                format!(
                    "{place} has the secret `{}`: {}",
                    one.text,
                    around(text, &one.text)
                )
            })
            .collect()
    }

    /// The leaks in a folder of a daemon.
    pub fn leaks_of_folder(&self, folder: &Path) -> Vec<String> {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files
            .filter(|file| file.file_type().is_ok_and(|kind| kind.is_file()))
            .flat_map(|file| {
                let name = file.file_name().to_string_lossy().into_owned();
                match name.as_str() {
                    name if FILES_WITH_SECRETS.contains(&name) => Vec::new(),
                    name if name.contains(".db") && !name.ends_with("-shm") => {
                        self.leaks_of_store(&file.path())
                    }
                    name => {
                        let bytes = std::fs::read(file.path()).unwrap_or_default();
                        self.leaks(name, &String::from_utf8_lossy(&bytes))
                    }
                }
            })
            .collect()
    }

    /// The leaks in a file of a store. Secrets with a place in it are looked for row by row, if they are there at all.
    fn leaks_of_store(&self, path: &Path) -> Vec<String> {
        let bytes = std::fs::read(path).unwrap_or_default();
        let there = |one: &&Canary| one.is_in(&bytes);
        let (kept, others): (Vec<&Canary>, Vec<&Canary>) = self
            .0
            .iter()
            .filter(there)
            .partition(|one| !one.kept_in.is_empty());
        if kept.is_empty() && others.is_empty() {
            return Vec::new();
        }
        let text = String::from_utf8_lossy(&bytes);
        let name = path.file_name().unwrap().to_string_lossy();
        let mut leaks: Vec<String> = others
            .iter()
            .map(|one| {
                format!(
                    "{name} has the secret `{}`: {}",
                    one.text,
                    around(&text, &one.text)
                )
            })
            .collect();
        if !kept.is_empty() {
            let store = path.with_file_name(name.trim_end_matches("-wal"));
            leaks.extend(misplaced(&store, &kept).unwrap_or_default());
        }
        leaks
    }
}

/// The rows with one of these secrets in a column that may not have it. A store that another story has broken has none.
fn misplaced(store: &Path, kept: &[&Canary]) -> rusqlite::Result<Vec<String>> {
    let store = rusqlite::Connection::open(store)?;
    store.busy_timeout(std::time::Duration::from_secs(10))?;
    let mut tables = store.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables: Vec<String> = tables
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut leaks = Vec::new();
    for table in tables {
        let mut all = store.prepare(&format!("SELECT * FROM \"{table}\""))?;
        let columns: Vec<String> = all.column_names().map(str::to_owned).collect();
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            for (at, column) in columns.iter().enumerate() {
                let (ValueRef::Text(value) | ValueRef::Blob(value)) = row.get_ref(at)? else {
                    continue;
                };
                let value = String::from_utf8_lossy(value);
                let wrong = kept.iter().filter(|one| {
                    value.contains(&one.text) && !one.kept_in.contains(&(&table, column))
                });
                leaks.extend(
                    wrong.map(|one| format!("{table}.{column} has the secret `{}`", one.text)),
                );
            }
        }
    }
    Ok(leaks)
}

/// A piece of a text around a secret.
fn around(text: &str, secret: &str) -> String {
    let (before, after) = text.split_once(secret).unwrap_or_default();
    let from = before.char_indices().rev().nth(120).map_or(0, |(at, _)| at);
    let before = before.get(from..).unwrap_or_default();
    let after: String = after.chars().take(40).collect();
    format!("{before}{secret}{after}")
}

// ---------------------------------------------------------------- it finds a leak

#[tokio::test]
async fn a_secret_in_a_log_line_an_answer_or_a_file_is_found() {
    let sandbox = Sandbox::start(seed_of_its_own()).await.unwrap();
    sandbox
        .github
        .add_hook("http://127.0.0.1:1/x", "a-secret-of-github's");
    let all = Canaries::of(&sandbox, Some("made-by-the-daemon"));
    let folder = tempfile::tempdir().unwrap();
    for secret in [
        sandbox.slack.app_token(),
        sandbox.slack.bot_token(),
        sandbox.clickup.token(),
        sandbox.github.token(),
        TOKEN,
        HOOK_SECRET,
        "made-by-the-daemon",
        "a-secret-of-github's",
        "http://127.0.0.1:1/resp/abc",
        "/link/?ticket=abc",
    ] {
        let line = format!("{{\"message\":\"sent with {secret}\"}}");
        assert_eq!(all.leaks("the log", &line).len(), 1, "{secret}");
        // In the middle of bytes that are no text.
        let mut bytes = vec![0xff, 0xfe, 0x00];
        bytes.extend(line.as_bytes());
        std::fs::write(folder.path().join("core"), bytes).unwrap();
        assert_eq!(all.leaks_of_folder(folder.path()).len(), 1, "{secret}");
    }
    std::fs::write(folder.path().join("core"), "no secret").unwrap();
    std::fs::write(folder.path().join("bot.toml"), TOKEN).unwrap();
    assert_eq!(all.leaks_of_folder(folder.path()), [""; 0]);
    sandbox.close().await;
}

#[rstest]
#[case::where_it_belongs("INSERT INTO reply_urls VALUES ('http://x/resp/1')", None)]
#[case::elsewhere("INSERT INTO log VALUES ('http://x/resp/1')", Some("log.text"))]
#[case::a_webhook(
    "INSERT INTO reply_urls VALUES ('a-webhook-secret-of-the-tests')",
    Some("ivan.db")
)]
#[case::a_token(
    "INSERT INTO reply_urls VALUES ('a-token-of-the-tests')",
    Some("ivan.db")
)]
#[tokio::test]
async fn a_secret_in_the_wrong_column_is_found(#[case] row: &str, #[case] leak: Option<&str>) {
    let sandbox = Sandbox::start(seed_of_its_own()).await.unwrap();
    let all = Canaries::of(&sandbox, None);
    let folder = tempfile::tempdir().unwrap();
    let store = rusqlite::Connection::open(folder.path().join("ivan.db")).unwrap();
    store
        .execute_batch("CREATE TABLE reply_urls (url TEXT); CREATE TABLE log (text TEXT);")
        .unwrap();
    store.execute(row, []).unwrap();
    let leaks = all.leaks_of_folder(folder.path());
    assert_eq!(leaks.len(), usize::from(leak.is_some()), "{leaks:?}");
    assert!(
        leaks.iter().all(|found| found.contains(leak.unwrap())),
        "{leaks:?}"
    );
    sandbox.close().await;
}

// ---------------------------------------------------------------- and the daemon has none

/// Every secret that Ivan can have, the most detailed log, and everything that is said about a failure.
#[tokio::test]
async fn the_most_detailed_log_has_no_secret() {
    let setup = two_tasks()
        .github_issues([json!({"title": "Login fails", "labels": ["client"]})])
        .webhooks()
        .people()
        .set("log.level", "\"trace\"");
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "list").await;
        ivan.slash(ANA, "C0GEN01", "status").await;
        ivan.clickup()
            .comment_by("Renew cert", BO_CLICKUP, "a comment");
        ivan.until_deliveries_are_applied().await;
        for (path, header) in [
            ("clickup", "x-signature"),
            ("github", "x-hub-signature-256"),
        ] {
            let forged = client()
                .post(ivan.hook_url(path))
                .header(header, "00".repeat(32))
                .body("{}");
            assert!(!forged.send().await.unwrap().status().is_success());
        }
        let wrong = client().get(format!("{}/tasks", ivan.api_url()));
        assert_eq!(
            wrong.bearer_auth("wrong").send().await.unwrap().status(),
            401
        );
        for path in [
            "/status",
            "/",
            "/openapi.json",
            "/readyz",
            "/log",
            "/no/such/path",
        ] {
            ivan.http("GET", path, None).await;
        }
        ivan.metrics().await;
        ivan.cli(&["status"]).await;
        let backup = ivan.folder().join("backup.db");
        ivan.store()
            .execute("VACUUM INTO ?1", [backup.to_str()])
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_source_that_repeats_the_token_does_not_make_it_known() {
    ivan_test(two_tasks(), async |ivan| {
        let echo =
            json!({"err": format!("Unknown token {}", ivan.clickup().token()), "ECODE": "X"});
        let refused = Fault::new(FaultKind::answer(400, echo.to_string()));
        ivan.clickup().front().fault(refused.on("PUT", "/task/"));
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done").await.mentions("Unknown token …");
    })
    .await;
}

/// A process list shows neither the daemon's tokens nor those of its environment.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_process_list_has_no_secret() {
    ivan_test(two_tasks(), async |ivan| {
        let line = std::fs::read(format!("/proc/{}/cmdline", ivan.pid())).unwrap();
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(line.contains("serve"), "{line}");
        assert_eq!(ivan.canaries().leaks("the process list", &line), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn the_configuration_is_shown_without_its_secrets() {
    ivan_test(two_tasks().webhooks(), async |ivan| {
        for args in [["config", "show"], ["config", "check"]] {
            let ran = ivan.cli_at_home(&args).await;
            assert_eq!(ran.exit, 0, "{ran:?}");
            assert!(
                args[1] == "check" || ran.out.contains("bot_token"),
                "{ran:?}"
            );
        }
    })
    .await;
}
