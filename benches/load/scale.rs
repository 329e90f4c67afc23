//! Large stores: commands, a webhook, a poll, the start, memory and file by the number of tasks; and the first read of
//! many issues.
//!
//! Ivan makes the store and reads the first 1,000 issues. The other rows come through SQL: copies of what Ivan stored,
//! with other numbers and people, and old work that has ended. The store grows from one size to the next.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rusqlite::{Connection as Sqlite, params};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::fake::{Fake, OWNERS, REPO, login, one_of_many, user};
use super::machine::{Server, processor, write_private};
use super::report::{median, shown};
use super::webhooks::{self, Connection, address_in, signed};
use super::{folder, ivan};

/// The numbers of tasks. Half of the tasks are open; a twentieth are open and of the person who commands.
const SIZES: [u64; 3] = [1_000, 10_000, 100_000];
const MILLION: u64 = 1_000_000;
/// The issues that Ivan reads itself before the store is filled.
const READ: u64 = 1_000;
/// Old rows of deliveries, commands, operations, messages and the log: so many of each.
const OLD: u64 = 1_000_000;
/// The bytes of an old delivery.
const OLD_BODY: usize = 1_000;
/// The numbers of issues of the first reads.
const FIRST_READS: [u64; 3] = [2_000, 20_000, 100_000];
const STARTS: usize = 3;
const COMMANDS: usize = 20;
const DELIVERIES: u64 = 20;
/// The time limit for a large store to be read, and for a poll.
const PATIENCE: Duration = Duration::from_secs(290);

/// The rows of the table, with a value for each size.
#[derive(Default)]
struct Rows(Vec<(&'static str, Vec<String>)>);

impl Rows {
    fn add(&mut self, name: &'static str, value: String) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => self.0.push((name, vec![value])),
        }
        if let Some((_, values)) = self.0.iter().find(|(known, _)| *known == name) {
            eprintln!("{name}: {}", values.last().unwrap());
        }
    }

    fn markdown(&self, first: &str, sizes: &[u64]) -> String {
        let mut text = format!("| {first} |");
        for size in sizes {
            let _ = write!(text, " {} |", thousands(*size));
        }
        let _ = writeln!(text, "\n|---|{}", "---|".repeat(sizes.len()));
        for (name, values) in &self.0 {
            let _ = writeln!(text, "| {name} | {} |", values.join(" | "));
        }
        text
    }
}

/// The table of stores, and the table of first reads, as Markdown.
pub async fn measure(fake: &Fake, million: bool) -> String {
    let mut sizes = SIZES.to_vec();
    if million {
        sizes.push(MILLION);
    }
    let reads = first_reads(fake).await;
    let stores = stores(fake, &sizes).await;
    format!(
        "{}; medians of {STARTS} starts, {COMMANDS} commands and {DELIVERIES} webhooks. {} people; {} old rows each of \
         deliveries, commands, operations, messages and the log.\n\n{}\n{}",
        processor(),
        thousands(OWNERS),
        thousands(OLD),
        stores.markdown("tasks in the store", &sizes),
        reads.markdown("issues of the first read", &FIRST_READS),
    )
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups = groups.map(|group| std::str::from_utf8(group).unwrap());
    groups.collect::<Vec<_>>().join(",")
}

/// The first read of a repository by a daemon with an empty store.
async fn first_reads(fake: &Fake) -> Rows {
    let mut rows = Rows::default();
    for issues in FIRST_READS {
        eprintln!("first read of {issues} issues");
        fake.has_many_issues(issues);
        let folder = folder();
        let config = folder.path().join("bot.toml");
        write_private(&config, &webhooks::bot_toml(fake));
        let begun = Instant::now();
        let (server, api, _) = start(&config, folder.path()).await;
        until(async || {
            let ready = Api::open(&api).await.get("/readyz").await;
            ready.pointer("/sources/github/synced") == Some(&json!(true))
        })
        .await;
        let took = begun.elapsed().as_secs_f64();
        let used = server.processor_time();
        rows.add("from the start to its end", format!("{} s", shown(took)));
        rows.add(
            "processor time per issue",
            format!("{} ms", shown(used * 1e3 / issues as f64)),
        );
        rows.add(
            "memory, highest",
            format!("{} MiB", shown(server.memory().highest)),
        );
        server.stop().await;
    }
    rows
}

async fn stores(fake: &Fake, sizes: &[u64]) -> Rows {
    let mut rows = Rows::default();
    let folder = folder();
    let (config, store) = (
        folder.path().join("bot.toml"),
        folder.path().join("ivan.db"),
    );
    write_private(&config, &bot_toml(fake));
    fake.has_many_issues(READ);
    make(&config, folder.path(), fake).await;
    eprintln!("filling the store");
    fill_with_old_work(&store);
    let mut from = READ;
    for &size in sizes {
        eprintln!("{size} tasks");
        fill_with_tasks(&store, from + 1, size);
        fake.has_many_issues(size);
        from = size;
        of_size(&mut rows, fake, &config, folder.path(), size).await;
    }
    rows
}

/// Has Ivan make the store, with all people and the first issues.
async fn make(config: &Path, folder: &Path, fake: &Fake) {
    fake.expects_a_link();
    let (server, api, _) = start(config, folder).await;
    fake.is_connected().await;
    until(async || {
        let tasks = Api::open(&api).await.get("/tasks?status=all&limit=1").await;
        let ready = Api::open(&api).await.get("/readyz").await;
        tasks.pointer("/tasks/0").is_some()
            && ready.pointer("/sources/github/synced") == Some(&json!(true))
    })
    .await;
    server.stop().await;
}

async fn of_size(rows: &mut Rows, fake: &Fake, config: &Path, folder: &Path, size: u64) {
    let mut took = Vec::new();
    let mut running = None;
    for _ in 0..STARTS {
        if let Some((server, _, _)) = running.take() {
            Server::stop(server).await;
        }
        fake.expects_a_link();
        let begun = Instant::now();
        let started = start(config, folder).await;
        let connected = fake.is_connected().await;
        took.push((connected - begun).as_secs_f64() * 1e3);
        started.0.is_still(PATIENCE).await;
        running = Some(started);
    }
    let (server, api_address, hooks) = running.unwrap();
    rows.add("start → connected", ms(&took));
    rows.add(
        "memory, idle",
        format!("{} MiB", shown(server.memory().all)),
    );

    let mut api = Api::open(&api_address).await;
    let (_, first) = api.timed("GET", "/current", None).await;
    rows.add("first `current` after a start", ms(&[first]));
    for (name, method, path, body) in [
        ("`current`", "GET", "/current", None),
        ("`list`", "GET", "/queue", None),
        (
            "`done`, with the answers of the source",
            "POST",
            "/done",
            Some("{}"),
        ),
    ] {
        let mut took = Vec::new();
        for _ in 0..COMMANDS {
            let (answer, ms) = api.timed(method, path, body).await;
            let failed = [("success", false), ("queued", true)];
            let mut failed = failed.iter();
            let failed = failed.any(|(field, value)| answer.get(field) == Some(&json!(value)));
            assert!(!failed, "{path}: {answer}");
            took.push(ms);
        }
        if path == "/queue" {
            // It makes the order of the person's queue.
            rows.add(
                "first `list` after a start",
                ms(took.get(..1).unwrap_or_default()),
            );
        }
        rows.add(name, ms(&took));
    }

    let mut took = Vec::new();
    let mut sender = Connection::open(&hooks).await;
    for delivery in 0..DELIVERIES {
        // Open issues of other people.
        took.push(applied(&mut sender, &mut api, size, 3 + 20 * delivery).await);
    }
    rows.add("webhook, sent → applied and readable", ms(&took));

    // A million takes longer than a request may wait.
    let unchanged = match size < MILLION {
        true => Some(poll(&server, &api_address, size).await),
        false => None,
    };
    rows.add(
        "unchanged task of a poll, processor time",
        unchanged.map_or_else(
            || "not measured".to_owned(),
            |each| format!("{} ms", shown(each)),
        ),
    );
    rows.add(
        "memory after all of this",
        format!("{} MiB", shown(server.memory().all)),
    );
    server.stop().await;
    let bytes = std::fs::metadata(folder.join("ivan.db")).unwrap().len();
    rows.add("file", format!("{} MB", shown(bytes as f64 / 1e6)));
}

fn ms(values: &[f64]) -> String {
    format!("{} ms", shown(median(values).unwrap()))
}

/// The milliseconds from a delivery that renames an issue until the API shows the new title.
async fn applied(sender: &mut Connection, api: &mut Api, size: u64, number: u64) -> f64 {
    let title = format!("Issue {number} of {}", thousands(size));
    let mut issue = one_of_many(number);
    let seconds = UNIX_EPOCH.elapsed().unwrap().as_secs();
    let now = chrono::DateTime::from_timestamp(seconds.cast_signed(), 0).unwrap();
    let fields = issue.as_object_mut().unwrap();
    let before = fields.insert("title".to_owned(), json!(title));
    fields.insert(
        "updated_at".to_owned(),
        json!(now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
    );
    let opened = include_str!("../../fixtures/github/issues__opened.json");
    let mut payload: Value = serde_json::from_str(opened).unwrap();
    let fields = payload.as_object_mut().unwrap();
    fields.insert("action".to_owned(), json!("edited"));
    fields.insert("changes".to_owned(), json!({"title": {"from": before}}));
    fields.insert("issue".to_owned(), issue);
    let request = signed(10 * size + number, &payload);
    let path = format!("/tasks/github:{}%23{number}", REPO.replace('/', "%2F"));
    let begun = Instant::now();
    assert!(sender.send(&request).await, "the delivery was refused");
    loop {
        let task = api.get(&path).await;
        if task.get("title") == Some(&json!(title)) {
            return begun.elapsed().as_secs_f64() * 1e3;
        }
        assert!(begun.elapsed() < PATIENCE, "{task}");
    }
}

/// The processor time per task of a poll that reads everything, in milliseconds.
async fn poll(server: &Server, api: &str, size: u64) -> f64 {
    server.is_still(PATIENCE).await;
    let mut api = Api::open(api).await;
    // The listing has the titles of before, at an older time.
    let before = server.processor_time();
    let answer = api.post("/sync?wait=300", "{\"full\":true}").await;
    let used = server.processor_time() - before;
    let changed = answer.pointer("/sources/github/changed");
    assert_eq!(changed, Some(&json!(0)), "{answer}");
    used * 1e3 / size as f64
}

/// Waits until something holds.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "it takes too long");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Starts the daemon; returns the addresses of its API and its webhook listener.
async fn start(config: &Path, folder: &Path) -> (Server, String, String) {
    let arguments = ["--config", config.to_str().unwrap(), "serve"];
    let mut server = Server::start(&ivan(), &arguments, folder);
    let started = server.says("\"started\"").await;
    let (api, hooks) = (
        address_in(&started, "api"),
        address_in(&started, "webhooks"),
    );
    (server, api, hooks)
}

/// Slack and GitHub, and people with accounts in both.
fn bot_toml(fake: &Fake) -> String {
    let base = fake.base();
    let mut text = webhooks::bot_toml(fake);
    let _ = write!(
        text,
        "slack.app_token = \"xapp-1-A0LOAD-1-load\"\nslack.bot_token = \"xoxb-1-1-load\"\nslack.api_url = \"{base}/api\"\n"
    );
    for number in 0..OWNERS {
        let (slack, github) = (user(number as usize), login(number));
        let _ = write!(
            text,
            "\n[[people]]\nname = \"{}\"\nslack = \"{slack}\"\ngithub = \"{github}\"\n",
            name(number)
        );
    }
    text
}

fn name(person: u64) -> String {
    format!("Person {person:04}")
}

/// Opens the store while no daemon runs.
fn sqlite(store: &Path) -> Sqlite {
    let connection = Sqlite::open(store).unwrap();
    connection
        .pragma_update(None, "synchronous", "OFF")
        .unwrap();
    connection
}

/// Old work that has ended, and the facts about people that Ivan would learn one by one.
fn fill_with_old_work(store: &Path) {
    let connection = sqlite(store);
    let since = UNIX_EPOCH.elapsed().unwrap() - Duration::from_secs(10 * 24 * 3600);
    let at = i64::try_from(since.as_millis()).unwrap();
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)";
    let person = format!("(SELECT min(id) FROM people WHERE slack_id IS NOT NULL) + i % {OWNERS}");
    let command = "(SELECT ifnull(min(id), 1) - 1 FROM commands WHERE uid LIKE 'old%') + i";
    connection
        .execute_batch(
            "BEGIN;
             UPDATE people SET zone = 'Europe/Berlin';
             UPDATE links SET account_id = 600000 + CAST(substr(configured, 7) AS INTEGER)
             WHERE source = 'github' AND account_id IS NULL;",
        )
        .unwrap();
    for sql in [
        format!(
            "INSERT INTO deliveries (source, dedupe_key, event, payload, kept_ms, handled_ms, result)
             SELECT 'github', 'old-' || i, 'issues', CAST(printf('%.*c', {OLD_BODY}, 'x') AS BLOB), ?2, ?2, 'applied' FROM n"
        ),
        format!(
            "INSERT INTO commands (person_id, surface, verb, typed_us, created_ms, settled_ms, via, uid)
             SELECT {person}, 'slack', 'done', ?2 * 1000, ?2, ?2, 'dm', 'old' || i FROM n"
        ),
        format!(
            "INSERT INTO operations (id, command_id, lane, source, kind, task_key, write, state, created_ms, ended_ms)
             SELECT 'OLD' || i, {command}, 'x', 'github', 'complete', '1001:' || (10000000 + i), '{{}}', 'applied', ?2, ?2
             FROM n"
        ),
        format!(
            "INSERT INTO messages (uid, channel, person_id, command_id, words, version, posted_version, ts, created_ms)
             SELECT 'old' || i, 'D' || i % {OWNERS}, {person}, {command}, '[]', 1, 1, '1700000000.' || i, ?2 FROM n"
        ),
        format!(
            "INSERT INTO log (kept_ms, at_ms, person_id, surface, verb, outcome, source, task, title)
             SELECT ?2, ?2, {person}, 'dm', 'done', 'done', 'github', 'github:{REPO}#' || (10000000 + i), 'An old issue'
             FROM n"
        ),
    ] {
        let rows = connection
            .execute(&format!("{numbers} {sql}"), params![OLD.cast_signed(), at])
            .unwrap();
        assert_eq!(rows as u64, OLD);
    }
    connection.execute_batch("COMMIT").unwrap();
}

/// Copies of two issues that Ivan has read, an open and a closed one, with the numbers from `from` to `to`. They are as
/// [`one_of_many`] has them.
fn fill_with_tasks(store: &Path, from: u64, to: u64) {
    if from > to {
        return;
    }
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
         INSERT INTO tasks (source, source_key, task_id, container, title, description, url, status, source_status,
                            assignees, labels, entity, priority, due_ms, created_ms, seen_ms, read_us, closed, reopened,
                            walk_us, creator, links, due_day, home)
         SELECT source, '1001:' || i, 'github:{REPO}#' || i, container, 'Issue ' || i, description,
                'https://github.com/{REPO}/issues/' || i, status, source_status,
                json_array(json_object(
                    'id', CAST(600000 + CASE i % 20 WHEN 1 THEN 0 ELSE i / 2 % {OWNERS} END AS TEXT),
                    'name', printf('person%05d', CASE i % 20 WHEN 1 THEN 0 ELSE i / 2 % {OWNERS} END))),
                labels, entity, priority, due_ms, created_ms, seen_ms, read_us, closed, reopened, walk_us, creator, links,
                due_day, home
         FROM n JOIN tasks ON source = 'github' AND source_key = CASE i % 2 WHEN 1 THEN '1001:5' ELSE '1001:2' END"
    );
    let rows = sqlite(store)
        .execute(&sql, params![from.cast_signed(), to.cast_signed()])
        .unwrap();
    assert_eq!(rows as u64, to - from + 1);
}

/// A connection to the API, as the first person.
struct Api {
    connection: Connection,
}

impl Api {
    async fn open(address: &str) -> Api {
        Api {
            connection: Connection::open(address).await,
        }
    }

    async fn get(&mut self, path: &str) -> Value {
        self.timed("GET", path, None).await.0
    }

    async fn post(&mut self, path: &str, body: &str) -> Value {
        self.timed("POST", path, Some(body)).await.0
    }

    /// The answer to a request, and the milliseconds that it took.
    async fn timed(&mut self, method: &str, path: &str, body: Option<&str>) -> (Value, f64) {
        let body = body.unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer load\r\nx-ivan-actor: {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            name(0),
            body.len()
        );
        let begun = Instant::now();
        let (accepted, answer) = self.connection.exchange(request.as_bytes()).await;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        assert!(accepted || path == "/readyz", "{path}: {answer}");
        (serde_json::from_str(&answer).unwrap(), took)
    }
}
