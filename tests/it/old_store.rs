//! A store of an earlier version stays usable: `fixtures/stores` has one of each since 0.1.0, as its daemon wrote it.
//! Today's daemon opens it, migrates it, and goes on with it.
//!
//! The same is asked of a store of today. With `IVAN_STORE=write` that one becomes the fixture of this version, which is
//! not changed any more once the version is released.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use ivan::sandbox::fault_server::{Fault, FaultKind};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::*;
use crate::recovery::registers;

/// The fixture of this version.
fn kept() -> PathBuf {
    let version = env!("CARGO_PKG_VERSION");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/stores/{version}.sql"))
}

/// The tasks of both stories, in the order of their ids.
const TASKS: [(&str, i64); 4] = [
    ("Renew the certificate", ANA_CLICKUP),
    ("Write the runbook", ANA_CLICKUP),
    ("Order new laptops", BO_CLICKUP),
    ("Book the venue", ANA_CLICKUP),
];

/// The sources, with these properties of the tasks in ClickUp.
fn world(tasks: [Value; TASKS.len()]) -> Setup {
    let mut setup = Setup::new()
        .webhooks_without_secrets()
        .people()
        .github_issues([
            json!({"title": "Login fails on Safari", "assignees": ["ana"]}),
            json!({"title": "Update the docs", "assignees": ["ana"]}),
            json!({"title": "Flaky test in CI", "assignees": ["bo"]}),
        ]);
    for ((title, assignee), mut task) in TASKS.into_iter().zip(tasks) {
        task["name"] = json!(title);
        task["assignees"] = json!([assignee]);
        setup = setup.clickup_tasks([task]);
    }
    setup
}

// ---------------------------------------------------------------- a life

/// Rows that the life below leaves no trace of, because they exist for a moment only, or after something rare.
const RARE: &str = "
    INSERT INTO alarms (about, since_ms) SELECT 'github failing', max(created_ms) FROM commands;
    INSERT INTO pauses (source, until_ms) SELECT 'github', max(created_ms) FROM commands;
    INSERT INTO tombstones (source, source_key, known_us, gone) SELECT 'clickup', '86gone001', max(typed_us), 1 FROM commands;
    INSERT INTO left_posts (uid, left_ms) SELECT '01KAQ000000000000000000EFT', max(created_ms) FROM commands;
    INSERT INTO reply_urls (id, user_id, url, kept_ms)
        SELECT '01KAQ000000000000000000RLS', 'U0ANN01', 'https://hooks.slack.test/answer/1', max(created_ms) FROM commands;
    INSERT INTO shown_elsewhere (person_id, until_us) SELECT min(id), 1 FROM people;
    INSERT INTO link_requests (person_id, source, account_id, account_name, code, uid, asked_ms, since_ms, tries)
        SELECT max(id), 'github', '77', 'bo-of-old', 'ivan-link-00112233445566778899', '01KAQ000000000000000000LNK',
            (SELECT max(created_ms) FROM commands), (SELECT max(created_ms) FROM commands), 1 FROM people;
    INSERT INTO arrivals (slack_id, name, came_ms, asked_ms) SELECT 'U0CLEO1', 'Cleo', max(created_ms), max(created_ms) FROM commands;
    INSERT INTO made_from (channel, ts, command_id, task_id)
        SELECT 'C0GEN01', '1700000000.000100', min(commands.id), min(tasks.id) FROM commands, tasks;
    INSERT INTO deliveries (id, source, dedupe_key, event, payload, kept_ms, handled_ms, result)
        SELECT 9001, 'github', 'in-parts', 'issues', x'', max(created_ms), max(created_ms), 'ignored' FROM commands;
    INSERT INTO delivery_parts (delivery, part, bytes) VALUES (9001, 0, x'7b'), (9001, 1, x'7d');
    INSERT INTO begun_work (kind, item, ends, under_way, ended_ms, about)
        SELECT 'poll', 'github', 1, 0, max(created_ms), 'reading GitHub' FROM commands;
    INSERT OR IGNORE INTO talk (task_id, text) SELECT min(id), 'the staging host is down' FROM tasks;
    INSERT OR IGNORE INTO mentions (task_id, person_id) SELECT min(tasks.id), min(people.id) FROM tasks, people;
    INSERT OR IGNORE INTO compared (channel, up_to_us)
        SELECT dm, (SELECT max(typed_us) FROM commands) FROM people WHERE dm IS NOT NULL;
    INSERT OR IGNORE INTO dms (user_id, channel) VALUES ('U0OPS01', 'D0OPS01');
";

/// A request of Ana or Bo.
async fn as_person(
    ivan: &Ivan,
    name: &str,
    path: &str,
    body: Option<Value>,
    key: Option<&str>,
) -> (u16, Value) {
    let mut headers = vec![("X-Ivan-Actor", name)];
    headers.extend(key.map(|key| ("Idempotency-Key", key)));
    ivan.http_with("POST", path, body, &headers).await
}

/// Bo's script comments on the third issue, with a key that makes a repetition the same request.
async fn from_a_script(ivan: &Ivan) {
    let path = format!("/tasks/github%3A{}%233/comment", REPO.replace('/', "%2F"));
    let body = json!({"text": "from a script"});
    let (status, answer) = as_person(ivan, "Bo", &path, Some(body), Some("nightly-1")).await;
    assert_eq!(status, 200, "{answer}");
}

/// Two people work for a while. Ana's last effect is a priority; Bo's waits when the process is killed.
async fn lives(ivan: &mut Ivan) {
    registers(ivan).await;
    let id = |ivan: &Ivan, title: &str| format!("clickup:{}", ivan.clickup().task(title).id());
    let [certificate, runbook, laptops, venue] = TASKS.map(|(title, _)| id(ivan, title));
    ivan.dm(ANA, "list").await.mentions("Renew the certificate");
    // Over HTTP, most of them: answers in a DM go out once a second.
    for (path, body) in [
        ("/start", json!({"ref": runbook})),
        ("/due", json!({"ref": runbook, "due": "tomorrow"})),
        (
            "/priority",
            json!({"refs": [runbook, venue], "priority": "high"}),
        ),
        ("/snooze", json!({"ref": venue, "until": "3d"})),
        (
            "/tasks",
            json!({"title": "Order new chairs", "source": "clickup"}),
        ),
        ("/briefing", json!({"at": "8:30"})),
        ("/quiet", json!({"hours": "00:00-23:59"})),
    ] {
        let (status, answer) = as_person(ivan, "Ana", path, Some(body), None).await;
        assert_eq!(status, 200, "{path}: {answer}");
    }
    for text in [
        "comment on #1: seen on 17.4, too",
        "token new notebook",
        "done github",
    ] {
        let told = ivan.dm(ANA, text).await;
        assert!(!told.text().starts_with('✗'), "{text}: {}", told.text());
    }
    ivan.opens_home(ANA).await;
    ivan.dm(BO, "receipts reactions").await;
    let channel = ivan.slack().dm(BO);
    let ts = ivan.slack().says(BO, &channel, "comment on #3: seen it");
    ivan.carries(&channel, &ts, &["white_check_mark"]).await;
    from_a_script(ivan).await;
    // A mention of Ana waits for the end of her quiet hours.
    ivan.github()
        .comment_as(REPO, 1, "bo", "@ana can you have a look?");
    ivan.until_deliveries_are_applied().await;
    ivan.dm(ANA, &format!("done {certificate}"))
        .await
        .begins("✓ Task completed in ClickUp: Renew the certificate");
    let body = json!({"ref": runbook, "priority": "urgent"});
    let (status, answer) = as_person(ivan, "Ana", "/priority", Some(body), None).await;
    assert_eq!(status, 200, "{answer}");
    let key = laptops.trim_start_matches("clickup:").to_owned();
    ivan.clickup().front().fault(
        Fault::new(FaultKind::answer(503, ""))
            .on("PUT", &format!("/task/{key}"))
            .always(),
    );
    let asked = ivan.slack().says(BO, &channel, &format!("done {laptops}"));
    ivan.carries(&channel, &asked, &["hourglass_flowing_sand"])
        .await;
    ivan.until_messages_are_recorded().await;
    ivan.until_reactions_are_placed().await;
    ivan.kill().await;
    ivan.store().execute_batch(RARE).unwrap();
}

// ---------------------------------------------------------------- the text of a store

/// The whole store as SQL, with the time and the key of its secrets first.
fn dump(ivan: &Ivan) -> String {
    let store = ivan.store();
    let all = |sql: &str| -> Vec<String> {
        let mut rows = store.prepare(sql).unwrap();
        let rows = rows.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let number = |sql: &str| -> i64 { store.query_row(sql, [], |row| row.get(0)).unwrap() };
    let key = std::fs::read_to_string(ivan.folder().join("ivan.db.key")).unwrap();
    let marks = std::fs::read(ivan.folder().join("ivan.db.generation")).unwrap();
    let mut text = format!(
        "-- A store of Ivan {}, as its daemon wrote it; people and tasks are invented.\n-- written_ms {}\n-- key {}\n-- marks {}\n",
        env!("CARGO_PKG_VERSION"),
        number("SELECT max(created_ms) FROM commands"),
        key.trim(),
        hex::encode(marks)
    );
    let (application, version) = (
        number("PRAGMA application_id"),
        number("PRAGMA user_version"),
    );
    let _ = writeln!(
        text,
        "PRAGMA foreign_keys = OFF;\nPRAGMA application_id = {application};\nPRAGMA user_version = {version};\nBEGIN;"
    );
    // The tables behind the full text come with it; its rows follow from those of the tasks.
    let schema = "SELECT sql FROM sqlite_master
        WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT GLOB 'task_words_[cdi]*'
        ORDER BY instr('table view index trigger', type), rowid";
    for sql in all(schema).into_iter().chain(all(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name GLOB 'task_words_[cdi]*'",
    )) {
        let _ = writeln!(text, "{sql};");
    }
    for table in tables(&store) {
        let columns = all(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let quoted: Vec<String> = columns
            .iter()
            .map(|name| format!("quote(\"{name}\")"))
            .collect();
        let rows = format!("SELECT {} FROM {table}", quoted.join(" || ', ' || "));
        for row in all(&rows) {
            let _ = writeln!(
                text,
                "INSERT INTO {table} ({}) VALUES ({row});",
                columns.join(", ")
            );
        }
    }
    text.push_str("DELETE FROM sqlite_sequence;\n");
    for row in all("SELECT quote(name) || ', ' || seq FROM sqlite_sequence") {
        let _ = writeln!(
            text,
            "INSERT INTO sqlite_sequence (name, seq) VALUES ({row});"
        );
    }
    text.push_str("COMMIT;\n");
    text
}

/// The tables with rows of their own.
fn tables(store: &Connection) -> Vec<String> {
    let mut names = store
        .prepare(
            "SELECT name FROM sqlite_master
             WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT GLOB 'task_words*' ORDER BY name",
        )
        .unwrap();
    let names = names.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

/// The value of a line `-- NAME VALUE`.
fn header<'a>(sql: &'a str, name: &str) -> &'a str {
    let begin = format!("-- {name} ");
    let mut lines = sql.lines().take_while(|line| line.starts_with("--"));
    lines
        .find_map(|line| line.strip_prefix(&begin))
        .expect(name)
}

/// The text with all its times this much later: those in milliseconds, in microseconds, of Slack's messages, and in JSON.
fn later(sql: &str, by_ms: i64) -> String {
    let (mut moved, mut rest) = (String::with_capacity(sql.len()), sql);
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(begin);
        moved.push_str(before);
        let in_a_word = before.ends_with(|c: char| c.is_alphanumeric());
        let (taken, time) = match in_a_word {
            true => (digits(from), None),
            false => time_at(from, by_ms),
        };
        let (text, after) = from.split_at(taken);
        moved.push_str(time.as_deref().unwrap_or(text));
        rest = after;
    }
    moved.push_str(rest);
    moved
}

fn digits(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len())
}

/// The length of the number or time at the begin of a text, and its later form if it is a time since 2025.
fn time_at(text: &str, by_ms: i64) -> (usize, Option<String>) {
    const SINCE_S: i64 = 1_735_689_600;
    let end = text.bytes().take(35).position(|byte| byte == b'Z');
    let in_json = end.and_then(|end| text.get(..=end));
    if let Some(iso) = in_json
        && let Ok(at) = iso.parse::<DateTime<Utc>>()
    {
        let at = at + chrono::Duration::milliseconds(by_ms);
        return (
            iso.len(),
            Some(at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
        );
    }
    let whole = digits(text);
    let fraction = text.get(whole + 1..).map_or(0, digits);
    let of_slack = whole == 10 && text.get(whole..=whole) == Some(".") && fraction == 6;
    let number: i64 = text
        .get(..whole)
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    let (unit, taken) = match whole {
        13 => (1_000, whole),
        16 => (1_000_000, whole),
        10 if of_slack => (1, whole + 7),
        _ => return (whole, None),
    };
    if !(SINCE_S..SINCE_S * 2).contains(&(number / unit)) {
        return (whole, None);
    }
    let moved = match of_slack {
        true => {
            let us: i64 = text
                .get(whole + 1..taken)
                .and_then(|us| us.parse().ok())
                .unwrap_or(0);
            let us = number * 1_000_000 + us + by_ms * 1_000;
            format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
        }
        false => (number + by_ms * (unit / 1_000)).to_string(),
    };
    (taken, Some(moved))
}

#[test]
fn all_kinds_of_times_are_moved_and_nothing_else() {
    let text = "('D0ANN01', 1767229402200, 1767229402000123, '1767229402.000100', '{\"at\":\"2026-01-01T01:03:22Z\"}', 42, \
                '01KDVZBG003YBZ0GX3ZV3RB6R9', 901100000001, '2026-12-01', 0)";
    let expected = "('D0ANN01', 1767229462200, 1767229462000123, '1767229462.000100', '{\"at\":\"2026-01-01T01:04:22Z\"}', 42, \
                    '01KDVZBG003YBZ0GX3ZV3RB6R9', 901100000001, '2026-12-01', 0)";
    assert_eq!(later(text, 60_000), expected);
    assert_eq!(later(text, 0), text);
}

// ---------------------------------------------------------------- it is served

/// Today's daemon goes on with this store, which was written a minute ago.
async fn is_served(sql: &str) {
    let tasks = [
        json!({"status": "complete"}),
        json!({"status": "in review", "priority": 1}),
        json!({}),
        json!({"priority": 2}),
    ];
    let chairs = json!({"name": "Order new chairs", "assignees": [ANA_CLICKUP]});
    let world = world(tasks).clickup_tasks([chairs]);
    let mut ivan = world.without_a_store().start().await;
    let written: i64 = header(sql, "written_ms").parse().unwrap();
    let a_minute_ago = ivan::clock::Clock::system().now().timestamp_millis() - 60_000;
    let store = ivan.store();
    store
        .execute_batch(&later(sql, a_minute_ago - written))
        .unwrap();
    let version: i64 = store
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    // At some times of the day the briefing would come between a question and its answer.
    store
        .execute("UPDATE rhythms SET briefed_on = '9999-12-31'", [])
        .unwrap();
    let empty: Vec<String> = tables(&store)
        .into_iter()
        .filter(|table| {
            let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {table})");
            store.query_row(&sql, [], |row| row.get(0)).unwrap()
        })
        .collect();
    assert_eq!(empty, Vec::<String>::new(), "tables without a row");
    drop(store);
    let marks = hex::decode(header(sql, "marks")).unwrap();
    std::fs::write(ivan.folder().join("ivan.db.generation"), marks).unwrap();
    let key = ivan.folder().join("ivan.db.key");
    let mut key = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(key)
        .unwrap();
    std::io::Write::write_all(&mut key, header(sql, "key").as_bytes()).unwrap();

    // In this workspace Bo's message is gone, on which his outcomes stand as reactions: he is told in words.
    let _dm_of_ana = ivan.slack().dm(ANA);
    let told = ivan.slack().dm(BO);
    ivan.launch().await;
    ivan.until_there_is_a_link().await;
    let newest: i64 = ivan.sql("PRAGMA user_version");
    let migrated = format!("migrating the store from={version} to={newest}");
    assert_eq!(
        ivan.has_logged(&migrated),
        version < newest,
        "{}",
        ivan.log()
    );
    // The write that waited is carried out, and its person is told.
    ivan.until_nothing_is_queued().await;
    let words = ivan.settles_in(&told, 0).await;
    assert!(
        words.starts_with("✓ Task completed in ClickUp: Order new laptops"),
        "{words}"
    );
    drop(ivan.is_told(BO));
    ivan.clickup().task("Order new laptops").is("complete");
    ivan.sync().await;
    assert_eq!(
        ivan.sql::<String>("SELECT * FROM pragma_integrity_check"),
        "ok"
    );
    assert_eq!(
        ivan.sql::<i64>("SELECT count(*) FROM pragma_foreign_key_check"),
        0
    );

    // People, tasks, and the answers about them.
    let (_, people) = ivan.http("GET", "/people", None).await;
    let names: BTreeSet<&str> = people["people"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, BTreeSet::from(["Ana", "Bo"]), "{people}");
    let list = ivan.dm(ANA, "list").await;
    for title in [
        "Write the runbook",
        "Login fails on Safari",
        "Order new chairs",
    ] {
        list.mentions(title);
    }
    for title in [
        "Renew the certificate",
        "Order new laptops",
        "Book the venue",
    ] {
        assert!(!list.text().contains(title), "{title}: {}", list.text());
    }
    ivan.dm(ANA, "find runbook")
        .await
        .mentions("Write the runbook");
    ivan.dm(ANA, "whoami").await.mentions("8:30");
    ivan.dm(BO, "whoami").await.mentions("reaction");
    // A request with the key of one that was answered then is that one.
    from_a_script(&ivan).await;
    assert_eq!(ivan.github().issue(REPO, 3).comments().len(), 0);

    // An old command is undone, and a new one is done.
    let (status, undone) = as_person(&ivan, "Ana", "/undo", None, None).await;
    assert_eq!(status, 200, "{undone}");
    assert!(undone.to_string().contains("Write the runbook"), "{undone}");
    let runbook = ivan.clickup().task("Write the runbook");
    assert_eq!(runbook.json()["priority"]["priority"], "high");
    let runbook = runbook.id().to_owned();
    ivan.dm(ANA, &format!("done clickup:{runbook}"))
        .await
        .begins("✓ Task completed in ClickUp: Write the runbook");
    let (_, log) = ivan.http("GET", "/log?limit=100", None).await;
    let log = log.to_string();
    for title in [
        "Renew the certificate",
        "Write the runbook",
        "Order new chairs",
    ] {
        assert!(log.contains(title), "{title}: {log}");
    }
    let status = ivan.stop().await;
    assert!(status.success(), "{status}");
    assert_eq!(ivan.errors(), Vec::<String>::new());
    ivan.sandbox.close().await;
}

#[tokio::test]
async fn a_store_of_this_version_is_served_by_its_next_daemon() {
    let mut ivan = world(std::array::from_fn(|_| json!({}))).start().await;
    ivan.start().await;
    lives(&mut ivan).await;
    let sql = dump(&ivan);
    ivan.sandbox.close().await;
    drop(ivan);
    if std::env::var_os("IVAN_STORE").is_some_and(|value| value == "write") {
        std::fs::create_dir_all(kept().parent().unwrap()).unwrap();
        std::fs::write(kept(), &sql).unwrap();
    }
    is_served(&sql).await;
}

#[tokio::test]
async fn the_stores_of_all_released_versions_are_served() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(kept().parent().unwrap())
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(files.iter().any(|file| file.ends_with("0.1.0.sql")));
    for file in files {
        eprintln!("{}", file.display());
        is_served(&std::fs::read_to_string(&file).unwrap()).await;
    }
}
