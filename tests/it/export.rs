//! `ivan export`: rows of the store as JSON and CSV, beside the daemon and without it.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::harness::*;

/// A title that a spreadsheet would take for a formula, and that needs quotation marks.
const FORMULA: &str = "=HYPERLINK(\"https://evil.example\",\"Renew\")";

/// Runs `ivan export ARGS` in the folder of bot.toml.
async fn exports(ivan: &Ivan, args: &[&str]) -> Ran {
    let mut command = binary();
    command.arg("export").args(args).current_dir(ivan.folder());
    let ran = ran(&mut command).await;
    ivan.shows("an export", &ran.out);
    ran
}

/// The printed rows.
fn rows(ran: &Ran) -> Vec<Value> {
    assert_eq!((ran.exit, ran.err.as_str()), (0, ""), "{ran:?}");
    let lines = ran.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The cells of CSV without line breaks in them.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => {
                cells.last_mut().unwrap().push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}

/// The names of the files beside the store.
fn files(ivan: &Ivan) -> Vec<String> {
    let names = std::fs::read_dir(ivan.folder()).unwrap();
    let mut names: Vec<String> = names
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn rows_are_those_of_the_store() {
    let setup = Setup::new()
        .people()
        .clickup_tasks([json!({"name": FORMULA, "assignees": [ANA_CLICKUP]})])
        .github_issues([
            json!({"title": "Login fails", "assignees": ["ana"], "labels": ["bug", "ui"]}),
        ]);
    let mut ivan = setup.start().await;
    ivan.start().await;
    ivan.dm(ANA, "current").await;
    ivan.dm(ANA, "comment a secret word")
        .await
        .begins("✓ Comment added");
    ivan.dm(ANA, "done #1").await.begins("✓ Issue closed");
    ivan.dm(ANA, "create Buy milk")
        .await
        .begins("✓ Task created");
    ivan.until_nothing_is_queued().await;

    let all = rows(&exports(&ivan, &["--json"]).await);
    let of =
        |table: &str| -> Vec<&Value> { all.iter().filter(|row| row["table"] == table).collect() };
    let count = |table: &str| -> i64 { ivan.sql(&format!("SELECT count(*) FROM {table}")) };
    let (tasks, operations, log) = (of("tasks"), of("operations"), of("log"));
    assert_eq!(
        [tasks.len(), operations.len(), log.len()],
        ["tasks", "operations", "log"].map(|table| usize::try_from(count(table)).unwrap())
    );
    assert_eq!((tasks.len(), operations.len()), (3, 3), "{all:#?}");

    let issue = tasks.iter().find(|row| row["source"] == "github").unwrap();
    assert_eq!(issue["task_id"], format!("github:{REPO}#1"));
    assert_eq!(issue["place"], REPO);
    assert_eq!(
        (&issue["status"], &issue["source_status"]),
        (&json!("done"), &json!("closed"))
    );
    assert_eq!(issue["labels"], json!(["bug", "ui"]));
    assert_eq!(issue["assignees"], json!(["ana"]));
    let title: String =
        ivan.sql("SELECT title FROM tasks WHERE source = 'clickup' ORDER BY id LIMIT 1");
    assert_eq!(title, FORMULA);
    let titled = |title: &str| tasks.iter().find(|row| row["title"] == title).unwrap();
    assert_eq!(
        titled(FORMULA)["source"],
        "clickup",
        "JSON has the text as it is"
    );
    let created = operations
        .iter()
        .find(|row| row["verb"] == "create")
        .unwrap();
    assert_eq!(created["title"], "Buy milk");
    assert_eq!(created["task_id"], titled("Buy milk")["task_id"]);

    let done = operations.iter().find(|row| row["verb"] == "done").unwrap();
    let id: String = ivan.sql("SELECT id FROM operations WHERE kind = 'complete'");
    assert_eq!(done["operation_id"], id);
    assert_eq!(
        (&done["person"], &done["surface"]),
        (&json!("Ana"), &json!("dm"))
    );
    assert_eq!(
        (&done["state"], &done["title"]),
        (&json!("applied"), &json!("Login fails"))
    );
    let typed: i64 = ivan.sql("SELECT typed_us FROM commands WHERE verb = 'done'");
    let asked = chrono::DateTime::parse_from_rfc3339(done["asked_at"].as_str().unwrap()).unwrap();
    assert_eq!(asked.timestamp_millis(), typed / 1000);
    assert!(done["asked_at"].as_str().unwrap().ends_with('Z'));
    assert!(done["ended_at"].is_string() && done["detail"].is_null());
    let of_operations = operations.iter().map(|row| row.to_string());
    let of_operations: String = of_operations.collect();
    assert!(!of_operations.contains("secret word"), "{of_operations}");

    let verbs: Vec<&str> = log.iter().filter_map(|row| row["verb"].as_str()).collect();
    assert!(
        verbs.contains(&"comment") && verbs.contains(&"done"),
        "{verbs:?}"
    );
    let (status, page) = ivan.http("GET", "/log?limit=200", None).await;
    assert_eq!(status, 200);
    let mut entries = page["entries"].as_array().unwrap().clone();
    entries.reverse();
    for (row, entry) in log.iter().zip(&entries) {
        for same in [
            "id", "person", "verb", "outcome", "task_id", "title", "text",
        ] {
            assert_eq!(row[same], entry[same], "{same} of {row}");
        }
    }

    // Each table as CSV has the same rows, and a formula is none there.
    for table in ["tasks", "operations", "log"] {
        let csv = exports(&ivan, &["--csv", "--what", table]).await;
        assert_eq!(csv.exit, 0, "{csv:?}");
        let mut lines = csv.out.split_terminator("\r\n").map(cells);
        let header = lines.next().unwrap();
        let rows = of(table);
        let members: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
        assert_eq!(header.len() + 1, members.len(), "{header:?}");
        let lines: Vec<Vec<String>> = lines.collect();
        assert_eq!(lines.len(), rows.len());
        for (line, row) in lines.iter().zip(rows) {
            for (name, cell) in header.iter().zip(line) {
                match &row[name] {
                    Value::String(text) if text == FORMULA => assert_eq!(*cell, format!("'{text}")),
                    Value::String(text) => assert_eq!(cell, text),
                    Value::Null => assert_eq!(cell, ""),
                    Value::Array(texts) => {
                        let texts: Vec<&str> =
                            texts.iter().map(|one| one.as_str().unwrap()).collect();
                        assert_eq!(*cell, texts.join("; "));
                    }
                    other => assert_eq!(*cell, other.to_string()),
                }
            }
        }
    }
    let none = exports(&ivan, &["--json", "--since", "2099-01-01"]).await;
    assert_eq!((none.exit, none.out.as_str()), (0, ""), "{none:?}");
    let today = exports(&ivan, &["--json", "--what", "log", "--since", "2001-01-01"]).await;
    assert_eq!(rows(&today).len(), log.len());

    // The same without the daemon, which leaves no log for it; and nothing is left behind.
    ivan.stop().await;
    let before = files(&ivan);
    let again = rows(&exports(&ivan, &["--json"]).await);
    assert_eq!(again, all);
    assert_eq!(files(&ivan), before);
    ivan.launch().await;
    ivan.finish().await;
}

#[tokio::test]
async fn a_file_is_private_and_replaced_on_request() {
    let mut ivan = two_tasks().start().await;
    ivan.start().await;
    let line = ["--csv", "--what", "tasks", "-o", "tasks.csv"];
    let made = exports(&ivan, &line).await;
    assert_eq!(
        (made.exit, made.out.as_str()),
        (0, "✓ 2 rows in tasks.csv\n"),
        "{made:?}"
    );
    let file = ivan.folder().join("tasks.csv");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("task_id,source,place,title,") && text.contains("Renew cert"),
        "{text}"
    );
    let refused = exports(&ivan, &line).await;
    assert_eq!(refused.exit, 1);
    assert!(
        refused.err.contains("tasks.csv: it exists already"),
        "{refused:?}"
    );
    let forced = exports(
        &ivan,
        &["--json", "--what", "tasks", "-o", "tasks.csv", "--force"],
    )
    .await;
    assert_eq!(forced.exit, 0, "{forced:?}");
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .starts_with("{\"table\":\"tasks\",")
    );
    let own = exports(&ivan, &["--json", "-o", "ivan.db", "--force"]).await;
    assert!(
        own.exit == 1 && own.err.contains("belongs to the store itself"),
        "{own:?}"
    );
    for line in [
        ["--what", "log"].as_slice(),
        &["--csv"],
        &["--json", "--since", "soon"],
    ] {
        let refused = exports(&ivan, line).await;
        assert_eq!(refused.exit, 2, "{refused:?}");
    }
    assert!(!files(&ivan).iter().any(|name| name.ends_with(".partial")));
    ivan.finish().await;
}

/// A reader that pauses in the middle holds no transaction: the daemon's log can be shortened meanwhile.
#[tokio::test]
async fn a_reader_that_pauses_holds_nothing() {
    let mut ivan = two_tasks().start().await;
    ivan.start().await;
    let many = "INSERT INTO log (kept_ms, at_ms, surface, verb, outcome, title)
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
        SELECT 4000000000000 + n, 4000000000000 + n, 'cli', 'done', 'done', 'entry ' || n FROM n";
    ivan.store().execute(many, []).unwrap();
    let mut command = binary();
    command
        .args(["export", "--json", "--what", "log"])
        .current_dir(ivan.folder())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut export = command.spawn().unwrap();
    let mut out = export.stdout.take().unwrap();
    let mut begin = [0; 64];
    out.read_exact(&mut begin).await.unwrap();
    ivan.dm(ANA, "current").await.begins("Renew cert");
    ivan.dm(ANA, "done").await.begins("✓ Task completed");
    let busy: i64 = ivan.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    assert_eq!(busy, 0, "somebody reads an older state");
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).await.unwrap();
    assert!(export.wait().await.unwrap().success());
    let lines = rest.iter().filter(|&&byte| byte == b'\n').count();
    let stored: i64 = ivan.sql("SELECT count(*) FROM log");
    assert_eq!(i64::try_from(lines).unwrap(), stored);
    ivan.finish().await;
}
