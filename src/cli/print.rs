//! The daemon's answer → text for a person. Pure: JSON in, text and exit status out.
//!
//! Titles and messages are strangers' text: control characters are removed before they reach the terminal.

use std::fmt::{Display, Write};

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use serde_json::Value;

use super::client::ApiAnswer;
use super::look::StreamLook;
use super::{EXIT_FAILED, EXIT_OK, EXIT_QUEUED};
use crate::domain::controls::one_line;
use crate::domain::task::{Children, Source};
use crate::domain::when::plausible;
use crate::verbs::line::AnswerKind;
use crate::verbs::line_format::{LineField, LineFormat, LinePiece};

/// The longest list of the API, the limit of `GET /queue`.
const LIST_MOST: u64 = 200;
/// The largest number of `ivan find`.
const FOUND_MOST: u64 = 50;

/// The text for each stream, and the exit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// For standard output: complete lines, or empty.
    pub out: String,
    /// For standard error: complete lines, or empty.
    pub err: String,
    /// The exit status, one of the `EXIT_…` constants.
    pub exit: u8,
}

impl Printed {
    pub(super) fn ok(out: String) -> Printed {
        Printed {
            out,
            err: String::new(),
            exit: EXIT_OK,
        }
    }

    /// `✗` and the reason, on the error stream.
    pub fn failed(why: &str, exit: u8) -> Printed {
        Printed {
            out: String::new(),
            err: format!("✗ {}\n", clean(why)),
            exit,
        }
    }
}

/// The answer as text; times in the person's zone.
pub fn words<Z: TimeZone<Offset: Display>>(
    what: &AnswerKind,
    reply: &ApiAnswer,
    zone: &Z,
    look: StreamLook,
) -> Printed {
    let json = &reply.json;
    let printed = match (what, reply.status) {
        (AnswerKind::Write, 200) => done(json),
        (AnswerKind::Write, 202) => queued(json),
        (AnswerKind::Created, 200) => done(json).map(|printed| created(printed, json, look)),
        (AnswerKind::Created, 202) => queued(json).map(|printed| created(printed, json, look)),
        (AnswerKind::Current, 200) => current(json, zone, look),
        (AnswerKind::Line(format), 200) => formatted(json, format, zone),
        (AnswerKind::Address | AnswerKind::Page, 200) => address(json),
        (AnswerKind::List { filter }, 200) => list(json, filter, zone, look),
        (AnswerKind::Found { words }, 200) => found(json, words, zone, look),
        (AnswerKind::Log, 200) => log(json, zone),
        (AnswerKind::Words, 200) => message(json),
        (AnswerKind::Why | AnswerKind::Whoami, 200) => why(json),
        (AnswerKind::Sync, 200) => synced(json),
        (AnswerKind::Sync, 202) => Some(Printed {
            exit: EXIT_QUEUED,
            ..Printed::ok("… Still syncing; `ivan status` shows the result.\n".into())
        }),
        (AnswerKind::Reload, 200) => reloaded(json),
        (AnswerKind::Reload, 422) => text_lines(json, "detail").map(|lines| Printed {
            err: format!("✗ {}\nNothing was reloaded.\n", lines.join("\n")),
            ..Printed::failed("", EXIT_FAILED)
        }),
        (AnswerKind::Status, 200) => status(json),
        (AnswerKind::Check, 200) => status(json).map(|printed| Printed {
            exit: match printed.out.contains('✗') {
                true => EXIT_FAILED,
                false => EXIT_OK,
            },
            ..printed
        }),
        _ => json
            .get("detail")
            .and_then(Value::as_str)
            .map(|why| Printed::failed(&in_words_of_a_line(why), EXIT_FAILED)),
    };
    printed.unwrap_or_else(|| {
        let status = reply.status;
        let why = format!(
            "Unexpected answer ({status}). Check --api-url, IVAN_API_URL or api.bind, and that the daemon has \
                 this version."
        );
        Printed::failed(&why, EXIT_FAILED)
    })
}

/// The answer as it came, instead of the text; `json.rs` prints it.
pub fn as_json(words: Printed, reply: &ApiAnswer) -> Printed {
    Printed {
        out: reply.text.clone(),
        err: String::new(),
        exit: words.exit,
    }
}

/// What the daemon asks before it acts on many tasks.
pub struct ConfirmQuestion {
    /// The id for `confirm`.
    pub id: String,
    /// What would be done: complete lines.
    pub words: String,
}

/// The question in an answer.
pub fn question(reply: &ApiAnswer) -> Option<ConfirmQuestion> {
    asks(&reply.json)
}

fn asks(json: &Value) -> Option<ConfirmQuestion> {
    let id = text(json, "confirm")?;
    let words: Vec<String> = json.get("message")?.as_str()?.lines().map(clean).collect();
    Some(ConfirmQuestion {
        id: id.to_owned(),
        words: words.join("\n") + "\n",
    })
}

/// `✓ message`, and the next task. Of several tasks some may have failed.
fn done(json: &Value) -> Option<Printed> {
    if let Some(ConfirmQuestion { id, words }) = asks(json) {
        let out = format!("{words}`ivan confirm {id}` does it.\n");
        return Some(Printed {
            exit: EXIT_FAILED,
            ..Printed::ok(out)
        });
    }
    let failed = json.get("results").is_some() && json.get("success") == Some(&false.into());
    let (mark, exit) = if failed {
        ("✗", EXIT_FAILED)
    } else {
        ("✓", EXIT_OK)
    };
    let mut out = format!("{mark} {}\n", lines(json)?);
    if let Some(title) = json.get("next_task").and_then(|next| text(next, "title")) {
        let _ = writeln!(out, "Next: {title}");
    }
    Some(Printed {
        exit,
        ..Printed::ok(out)
    })
}

fn queued(json: &Value) -> Option<Printed> {
    Some(Printed {
        out: format!("… {}\n", lines(json)?),
        err: String::new(),
        exit: EXIT_QUEUED,
    })
}

/// The message. Several tasks have a line each, unless one reason is the same for all; no title makes a line of its own.
fn lines(json: &Value) -> Option<String> {
    let message = json.get("message")?.as_str()?;
    let results = json.get("results").and_then(Value::as_array);
    let (Some(results), Some((heading, _))) = (results, message.split_once('\n')) else {
        return Some(clean(message));
    };
    let is = |result: &Value, member: &str| result.get(member) == Some(&true.into());
    let mut lines = vec![clean(heading)];
    for result in results {
        let mark = match (is(result, "success"), is(result, "queued")) {
            (true, _) => "✓",
            (false, true) => "…",
            (false, false) => "✗",
        };
        lines.push(format!("{mark} {}", text(result, "message")?));
    }
    Some(lines.join("\n"))
}

/// The address of a new task is the last line, and alone on an output that is no terminal: the words are for people.
fn created(printed: Printed, json: &Value, look: StreamLook) -> Printed {
    let address = text(json, "url").map(|url| format!("{url}\n"));
    let address = address.unwrap_or_default();
    match look.terminal {
        true => Printed {
            out: printed.out + &address,
            ..printed
        },
        false => Printed {
            out: address,
            err: printed.out,
            exit: printed.exit,
        },
    }
}

/// The messages of the API name members of JSON, and headers; a line has options.
fn in_words_of_a_line(why: &str) -> String {
    const NAMES: [(&str, &str); 4] = [
        ("`description`", "-d"),
        ("`limit`", "N"),
        ("X-Ivan-Actor (--as)", "--as"),
        (" (X-Ivan-Actor over HTTP)", ""),
    ];
    let names = NAMES.iter();
    names.fold(why.to_owned(), |why, (name, option)| {
        why.replace(name, option)
    })
}

/// One line, or nothing without a task.
fn formatted<Z: TimeZone<Offset: Display>>(
    json: &Value,
    format: &LineFormat,
    zone: &Z,
) -> Option<Printed> {
    if json.get("task_id")?.is_null() {
        return Some(Printed::ok(String::new()));
    }
    let mut out = String::new();
    for piece in format.pieces() {
        let shown = match piece {
            LinePiece::Text(text) => Some(text.clone()),
            LinePiece::Field(field) => match field {
                LineField::Title => text(json, "title"),
                LineField::Id => text(json, "task_id"),
                LineField::Place => place(json),
                LineField::Source => text(json, "source").map(|source| source_name(&source)),
                LineField::Status => text(json, "source_status"),
                LineField::Due => due(json, zone),
                LineField::Priority => text(json, "priority"),
                LineField::Client => text(json, "entity"),
                LineField::Url => text(json, "url"),
            },
        };
        out.push_str(&shown.unwrap_or_default());
    }
    Some(Printed::ok(format!("{}\n", out.trim_end())))
}

/// The address of the task, alone.
fn address(json: &Value) -> Option<Printed> {
    let task = json.get("task").unwrap_or(json);
    if let Some(url) = text(task, "url") {
        return Some(Printed::ok(format!("{url}\n")));
    }
    let empty = empty(json);
    let exit = match empty.exit {
        EXIT_OK => EXIT_FAILED,
        exit => exit,
    };
    Some(Printed::failed(empty.out.trim_end(), exit))
}

fn current<Z: TimeZone<Offset: Display>>(
    json: &Value,
    zone: &Z,
    look: StreamLook,
) -> Option<Printed> {
    if json.get("task_id")?.is_null() {
        return Some(empty(json));
    }
    let mut out = format!("{}\n", line(json, zone, look)?);
    let reason = |reason: &Value| {
        let points = reason.get("points")?.as_i64()?;
        Some(format!("{} {points}", text(reason, "reason")?))
    };
    let reasons = json.get("reasons").and_then(Value::as_array);
    let reasons: Vec<String> = reasons.into_iter().flatten().filter_map(reason).collect();
    if !reasons.is_empty() {
        let _ = writeln!(out, "why: {}", reasons.join(", "));
    }
    let _ = writeln!(out, "{}  {}", text(json, "task_id")?, text(json, "url")?);
    Some(Printed::ok(out))
}

/// Why there is no task. A script must not take "not known yet" for "nothing to do", so the exit status differs.
fn empty(json: &Value) -> Printed {
    let why = match text(json, "message") {
        Some(why) => clean(&why),
        None => "Your queue is empty.".to_owned(),
    };
    Printed {
        exit: match json.get("reason").and_then(Value::as_str) {
            Some("not_read") => EXIT_QUEUED,
            Some("not_linked") => EXIT_FAILED,
            _ => EXIT_OK,
        },
        ..Printed::ok(format!("{why}\n"))
    }
}

fn list<Z: TimeZone<Offset: Display>>(
    json: &Value,
    filter: &str,
    zone: &Z,
    look: StreamLook,
) -> Option<Printed> {
    let tasks = json.get("tasks")?.as_array()?;
    if tasks.is_empty() {
        return Some(empty(json));
    }
    let width = tasks.len().to_string().len();
    let mut out = String::new();
    for task in tasks {
        // Tasks of all people have no numbers.
        let _ = match task.get("number").and_then(Value::as_u64) {
            Some(number) => writeln!(out, "{number:>width$}. {}", line(task, zone, look)?),
            None => writeln!(
                out,
                "{}  {}",
                text(task, "task_id")?,
                line(task, zone, look)?
            ),
        };
    }
    if json.get("next_cursor").is_some_and(|next| !next.is_null()) {
        let _ = writeln!(out, "There are more: add a number, up to {LIST_MOST}");
    }
    let total = json.get("total").and_then(Value::as_u64).unwrap_or(0);
    let listed = u64::try_from(tasks.len()).unwrap_or(u64::MAX);
    let more = total.saturating_sub(listed);
    if more > 0 {
        let hint = how_to_see_more(total, listed, filter);
        let _ = writeln!(out, "{more} more: {hint}");
    }
    Some(Printed::ok(out))
}

/// The tasks with finished ones marked, the number of further ones, and what was searched.
fn found<Z: TimeZone<Offset: Display>>(
    json: &Value,
    words: &str,
    zone: &Z,
    look: StreamLook,
) -> Option<Printed> {
    let tasks = json.get("tasks")?.as_array()?;
    let width = tasks.len().to_string().len();
    let mut out = String::new();
    for task in tasks {
        let number = task.get("number").and_then(Value::as_u64)?;
        let is_done = text(task, "status").as_deref() == Some("done");
        let mark = if is_done { " · ✓ done" } else { "" };
        let _ = writeln!(out, "{number:>width$}. {}{mark}", line(task, zone, look)?);
    }
    let total = json.get("total").and_then(Value::as_u64)?;
    let listed = u64::try_from(tasks.len()).unwrap_or(u64::MAX);
    let more = total.saturating_sub(listed);
    if more > 0 && listed < FOUND_MOST {
        let number = total.min(FOUND_MOST);
        let all = if total <= FOUND_MOST {
            "all".to_owned()
        } else {
            format!("the first {FOUND_MOST}")
        };
        let words = clean(words);
        let _ = writeln!(
            out,
            "{more} more: `ivan find {words} -n {number}` shows {all}"
        );
    } else if more > 0 {
        let _ = writeln!(out, "{more} more: another word or a filter shows fewer");
    }
    let _ = writeln!(out, "{}", clean(&text(json, "message")?));
    Some(Printed::ok(out))
}

fn how_to_see_more(total: u64, listed: u64, filter: &str) -> String {
    let filter = clean(filter);
    if listed >= LIST_MOST {
        return match filter.is_empty() {
            true => "a filter shows fewer, such as `ivan list overdue`".to_owned(),
            false => "another filter shows fewer".to_owned(),
        };
    }
    let longer = format!("ivan list {} {filter}", total.min(LIST_MOST));
    let longer = longer.trim_end();
    match total > LIST_MOST {
        true => format!("`{longer}` shows the first {LIST_MOST}"),
        false => format!("`{longer}` shows all"),
    }
}

/// The daemon's message, line by line.
fn message(json: &Value) -> Option<Printed> {
    let message = json.get("message")?.as_str()?;
    let mut out = String::new();
    for line in message.lines() {
        let _ = writeln!(out, "{}", clean(line));
    }
    Some(Printed::ok(out))
}

/// The daemon's message, and the URL.
fn why(json: &Value) -> Option<Printed> {
    let mut out = message(json)?.out;
    if let Some(task) = json.get("task").filter(|task| !task.is_null()) {
        let _ = writeln!(out, "{}  {}", text(task, "task_id")?, text(task, "url")?);
    }
    Some(Printed::ok(out))
}

/// `✓ 2026-03-03 10:00  Ana  done  Renew the certificate  in review → complete  (dm)`
fn log<Z: TimeZone<Offset: Display>>(json: &Value, zone: &Z) -> Option<Printed> {
    let entries = json.get("entries")?.as_array()?;
    if entries.is_empty() {
        return Some(Printed::ok("No entries yet.\n".into()));
    }
    let mut out = String::new();
    for entry in entries {
        let outcome = text(entry, "outcome")?;
        let mark = match outcome.as_str() {
            "done" | "already_so" => "✓",
            _ => "✗",
        };
        let at = time(entry, "at")?.with_timezone(zone);
        let who = text(entry, "person")
            .or_else(|| text(entry, "account"))
            .unwrap_or_else(|| "someone".to_owned());
        let mut line = vec![
            format!("{mark} {}", at.format("%Y-%m-%d %H:%M")),
            who,
            text(entry, "verb")?,
            text(entry, "title")?,
        ];
        match (text(entry, "before"), text(entry, "after")) {
            (Some(before), Some(after)) => line.push(format!("{before} → {after}")),
            (None, Some(after)) => line.push(format!("→ {after}")),
            (Some(before), None) => line.push(format!("{before} →")),
            (None, None) => {}
        }
        line.extend(text(entry, "text").map(|said| format!("“{said}”")));
        if outcome != "done" {
            line.push(outcome.replace('_', " "));
        }
        line.extend(text(entry, "detail"));
        let surface = text(entry, "surface")?;
        line.push(match text(entry, "token") {
            Some(token) => format!("({surface}, token {token})"),
            None => format!("({surface})"),
        });
        let _ = writeln!(out, "{}", line.join("  "));
    }
    Some(Printed::ok(out))
}

/// `Login fails · GitHub acme/widgets#7 · open · due 3 Mar 2026`
fn line<Z: TimeZone<Offset: Display>>(task: &Value, zone: &Z, look: StreamLook) -> Option<String> {
    let title = look.title(&text(task, "title")?, text(task, "url").as_deref());
    let mut parts = vec![title, place(task)?];
    parts.extend(text(task, "source_status"));
    parts.extend(due(task, zone).map(|day| format!("due {day}")));
    parts.extend(children(task));
    parts.extend(text(task, "hidden"));
    Some(parts.join(" · "))
}

/// `2 of 3 sub-issues open`
fn children(task: &Value) -> Option<String> {
    let children: Children = serde_json::from_value(task.get("children")?.clone()).ok()?;
    let source = Source::parse(task.get("source")?.as_str()?)?;
    Some(children.words(source))
}

/// The source, with the number of an issue: people recognize an issue by its number, and a ClickUp task by its title.
fn place(task: &Value) -> Option<String> {
    let source = source_name(task.get("source")?.as_str()?);
    let issue = text(task, "task_id").and_then(|id| Some(id.strip_prefix("github:")?.to_owned()));
    Some(match issue {
        Some(issue) => format!("{source} {issue}"),
        None => source,
    })
}

/// The day on which a task is due. A day is the same everywhere; a time is converted to the local day.
fn due<Z: TimeZone<Offset: Display>>(task: &Value, zone: &Z) -> Option<String> {
    let day = text(task, "due_day").and_then(|day| day.parse::<NaiveDate>().ok());
    let day = day.or_else(|| time(task, "due").map(|due| due.with_timezone(zone).date_naive()));
    day.map(|day| day.format("%-d %b %Y").to_string())
}

/// One line per source; those with an error go to the error stream.
fn synced(json: &Value) -> Option<Printed> {
    let mut printed = Printed::ok(String::new());
    for (source, result) in json.get("sources")?.as_object()? {
        let name = source_name(source);
        let changed = result.get("changed")?.as_u64()?;
        match text(result, "error") {
            Some(error) => {
                let _ = writeln!(printed.err, "✗ {name}: {error}");
                printed.exit = EXIT_FAILED;
            }
            None => {
                let _ = writeln!(printed.out, "✓ {name}: {changed} changed");
            }
        }
    }
    Some(printed)
}

/// The lines of a text, each without controls.
fn text_lines(json: &Value, key: &str) -> Option<Vec<String>> {
    let lines = json.get(key)?.as_str()?.lines();
    Some(lines.map(clean).collect())
}

/// The changes of a reload: a line each, then those that wait for a restart.
fn reloaded(json: &Value) -> Option<Printed> {
    let mut out = match text(json, "file") {
        Some(file) => format!("✓ {file} is in force.\n"),
        None => "✓ The configuration is in force.\n".to_owned(),
    };
    let names = |key: &str| {
        let names = json.get(key)?.as_array()?.iter();
        let names: Vec<String> = names
            .filter_map(|name| Some(clean(name.as_str()?)))
            .collect();
        Some(names)
    };
    let applied = json.get("applied")?.as_array()?;
    for change in applied {
        let key = text(change, "key")?;
        let values = match (text(change, "from"), text(change, "to")) {
            (None, None) => "changed".to_owned(),
            (from, to) => {
                let shown = |value: Option<String>| value.unwrap_or_else(|| "not set".to_owned());
                format!("{} → {}", shown(from), shown(to))
            }
        };
        let _ = writeln!(out, "  {key}: {values}");
        if key == "people" {
            for (word, key) in [("added", "people_added"), ("removed", "people_removed")] {
                let names = names(key)?;
                if !names.is_empty() {
                    let _ = writeln!(out, "    {word}: {}", some_of(&names));
                }
            }
        }
    }
    if applied.is_empty() {
        out.push_str("  Nothing changed.\n");
    }
    let restart = json.get("restart")?.as_array()?.iter();
    let restart: Vec<String> = restart.filter_map(|change| text(change, "key")).collect();
    if !restart.is_empty() {
        let _ = writeln!(out, "! Restart Ivan to apply: {}", restart.join(", "));
    }
    Some(Printed::ok(out))
}

/// The first ten names, and the number of the others.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let first: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn status(json: &Value) -> Option<Printed> {
    let now = time(json, "now")?;
    let mut rows = vec![("ivan".to_owned(), text(json, "version")?)];
    if let Some(leader) = json.get("leader").filter(|leader| leader.is_object()) {
        let (holder, since) = (text(leader, "holder")?, ago(now, time(leader, "since")?));
        let term = leader.get("term")?.as_u64()?;
        let mut row = format!("{holder}, since {since} (term {term})");
        if let Some(why) = text(leader, "replication") {
            let _ = write!(row, "; ✗ the store is not replicated: {why}");
        }
        rows.push(("leads".to_owned(), row));
    }
    let writable = json.get("store")?.get("writable")?.as_bool()?;
    let store = if writable {
        "writable"
    } else {
        "✗ not writable"
    };
    rows.push(("store".to_owned(), store.to_owned()));
    let slack_json = json.get("slack")?;
    let slack = slack_json;
    let slack = match (text(slack, "state"), text(slack, "detail")) {
        (None, _) => "not configured".to_owned(),
        (Some(_), Some(detail)) => format!("✗ {detail}"),
        (Some(state), None) => state,
    };
    rows.push(("Slack".to_owned(), slack));
    let missing = json.get("slack")?.get("missing_scopes");
    for one in missing.and_then(Value::as_array).into_iter().flatten() {
        let (scope, without) = (text(one, "scope")?, text(one, "without")?);
        let optional = one.get("optional").and_then(Value::as_bool) == Some(true);
        let row = match optional {
            false => format!("✗ missing scope {scope}: {without}"),
            true => format!("off without the scope {scope}: {without}"),
        };
        rows.push((String::new(), row));
    }
    let others = slack_json.get("other_links").and_then(Value::as_u64);
    if let Some(others) = others.filter(|&others| others > 0) {
        let others = count(others, "connection");
        rows.push((
            String::new(),
            format!(
                "✗ {others} of this app elsewhere: is another daemon using the same app token?"
            ),
        ));
    }
    for (source, health) in json.get("sources")?.as_object()? {
        let tasks = count(health.get("tasks")?.as_u64()?, "task");
        let synced = match time(health, "last_sync") {
            Some(at) => format!("synced {}", ago(now, at)),
            None => "never synced".to_owned(),
        };
        let mut row = format!("{tasks}, {synced}");
        if let Some(reading) = health.get("reading").and_then(reading_of) {
            let _ = write!(row, "; reading {reading}");
        }
        if let Some(error) = text(health, "error") {
            let _ = write!(row, "; ✗ {error}");
        }
        let archived = health.get("archived").and_then(Value::as_array);
        for name in archived.into_iter().flatten().filter_map(Value::as_str) {
            let _ = write!(row, "; ✗ {} is archived", clean(name));
        }
        rows.push((source_name(source), row));
    }
    let queued = count(json.get("queued_operations")?.as_u64()?, "operation");
    rows.push(("queued".to_owned(), queued));
    let set_aside = json.get("set_aside").and_then(Value::as_array);
    for (nth, one) in set_aside.into_iter().flatten().enumerate() {
        let name = if nth == 0 { "aside" } else { "" };
        let (id, about) = (text(one, "id")?, text(one, "about")?);
        let since = ago(now, time(one, "since")?);
        rows.push((
            name.to_owned(),
            format!("✗ {about}, set aside {since}: `ivan retry {id}` retries it"),
        ));
    }
    let levels = json.get("service_levels");
    rows.extend(levels.and_then(|levels| Some(("service".to_owned(), service(levels, now)?))));
    let mut out = String::new();
    for (name, row) in rows {
        let _ = writeln!(out, "{name:<8} {row}");
    }
    Some(Printed::ok(out))
}

/// How soon commands had their outcome: `99.9 % of 1204 commands within 2 s`. A share is never rounded up.
fn service(levels: &Value, now: DateTime<Utc>) -> Option<String> {
    let number = |member| levels.get(member).and_then(Value::as_u64);
    let (commands, soon) = (number("commands")?, number("within_2s")?);
    let minutes = (now - time(levels, "since")?).num_minutes();
    let window = match minutes {
        ..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    };
    let Some(tenths) = soon.saturating_mul(1000).checked_div(commands) else {
        return Some(format!("no commands that write in the last {window}"));
    };
    let share = match (tenths / 10, tenths % 10) {
        (whole, 0) => whole.to_string(),
        (whole, tenth) => format!("{whole}.{tenth}"),
    };
    let commands = count(commands, "command");
    let mut row = format!("{share} % of {commands} had their outcome within 2 s");
    row.push_str(&match (number("late")?, number("given_up")?) {
        (0, 0) => ", all within 10 minutes of the source being back".to_owned(),
        (0, given_up) => format!(", {given_up} given up"),
        (late, 0) => format!(", {late} took over 10 minutes with the source there"),
        (late, given_up) => {
            format!(", {late} took over 10 minutes with the source there, {given_up} given up")
        }
    });
    let _ = write!(row, " (last {window})");
    Some(row)
}

/// The tasks of a read under way: `1200 of about 3000 tasks`.
fn reading_of(reading: &Value) -> Option<String> {
    let read = reading.get("tasks")?.as_u64()?;
    Some(match reading.get("expected").and_then(Value::as_u64) {
        Some(all) if all > read => format!("{read} of about {all} tasks"),
        _ => format!("{} so far", count(read, "task")),
    })
}

/// A line that shows how far the reads of `GET /status` are, with a bar for each whose end is known; `None` if none is
/// under way.
pub(super) fn progress_line(status: &Value) -> Option<String> {
    const WIDTH: u64 = 20;
    let mut parts = Vec::new();
    for (source, health) in status.get("sources")?.as_object()? {
        let Some(reading) = health.get("reading").filter(|reading| reading.is_object()) else {
            continue;
        };
        let (read, all) = (
            reading.get("tasks")?.as_u64()?,
            reading.get("expected").and_then(Value::as_u64),
        );
        let bar = all.filter(|all| *all > 0).map(|all| {
            let full = (read.min(all) * WIDTH / all) as usize;
            format!("{}{} ", "█".repeat(full), "░".repeat(WIDTH as usize - full))
        });
        parts.push(format!(
            "{} {}{}",
            source_name(source),
            bar.unwrap_or_default(),
            reading_of(reading)?
        ));
    }
    (!parts.is_empty()).then(|| parts.join("   "))
}

fn source_name(source: &str) -> String {
    match Source::parse(source) {
        Some(source) => source.name().to_owned(),
        None => clean(source),
    }
}

fn count(n: u64, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{s}")
}

/// The age in its largest whole unit.
fn ago(now: DateTime<Utc>, then: DateTime<Utc>) -> String {
    let minutes = (now - then).num_minutes();
    match minutes {
        ..1 => "just now".to_owned(),
        1..60 => format!("{minutes} min ago"),
        60..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}

/// A member's text, safe for a terminal.
fn text(json: &Value, member: &str) -> Option<String> {
    json.get(member).and_then(Value::as_str).map(clean)
}

fn time(json: &Value, member: &str) -> Option<DateTime<Utc>> {
    plausible(json.get(member)?.as_str()?.parse().ok()?)
}

/// Removes C0 and C1 controls, so that no title can move the cursor, change colours or ring; line breaks and tabs
/// become spaces.
pub(super) fn clean(text: &str) -> String {
    one_line(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::FixedOffset;
    use insta::assert_snapshot;
    use rstest::rstest;
    use serde_json::json;

    const LIST: AnswerKind = AnswerKind::List {
        filter: String::new(),
    };

    fn reply(status: u16, json: Value) -> ApiAnswer {
        ApiAnswer {
            status,
            text: json.to_string(),
            json,
        }
    }

    fn print(what: AnswerKind, status: u16, json: Value) -> Printed {
        words(&what, &reply(status, json), &Utc, StreamLook::default())
    }

    fn certificate() -> Value {
        json!({
            "number": 1,
            "task_id": "clickup:86tst0001",
            "title": "Renew the certificate",
            "source": "clickup",
            "url": "https://app.clickup.com/t/86tst0001",
            "source_status": "in review",
            "due": "2026-03-03T23:30:00Z",
            "reasons": [
                { "reason": "client", "points": 1000 },
                { "reason": "due today", "points": 400 },
            ],
        })
    }

    fn login() -> Value {
        json!({
            "number": 2,
            "task_id": "github:acme/widgets#7",
            "title": "Login fails on Safari",
            "source": "github",
            "url": "https://github.com/acme/widgets/issues/7",
            "source_status": "open",
            "due": null,
            "reasons": [],
        })
    }

    #[test]
    fn a_conflict_is_a_success() {
        let answer = json!({
            "success": true, "conflict": true, "message": "Was already complete", "next_task": null,
        });
        let printed = print(AnswerKind::Write, 200, answer);
        assert_eq!(printed, Printed::ok("✓ Was already complete\n".into()));
    }

    #[test]
    fn several_tasks_have_a_line_each_and_a_failure_fails_the_command() {
        let mut answer = json!({
            "success": true,
            "message": "2 of 2 tasks:\n✓ Closed: A\n✓ Closed: B",
            "next_task": {"title": "C"},
            "results": [
                {"success": true, "queued": false, "message": "Closed: A"},
                {"success": true, "queued": false, "message": "Closed: B\n✓ Closed: D"},
            ],
        });
        let printed = print(AnswerKind::Write, 200, answer.clone());
        assert_eq!(
            printed.out,
            "✓ 2 of 2 tasks:\n✓ Closed: A\n✓ Closed: B ✓ Closed: D\nNext: C\n"
        );
        assert_eq!(printed.exit, EXIT_OK);
        answer["success"] = json!(false);
        answer["results"][0] = json!({"success": false, "queued": true, "message": "Waits: A"});
        let printed = print(AnswerKind::Write, 202, answer.clone());
        assert!(printed.out.contains("\n… Waits: A\n"), "{}", printed.out);
        answer["results"][0] = json!({"success": false, "queued": false, "message": "No: A"});
        let printed = print(AnswerKind::Write, 200, answer);
        assert!(
            printed.out.starts_with("✗ 2 of 2 tasks:\n✗ No: A\n"),
            "{}",
            printed.out
        );
        assert_eq!(printed.exit, EXIT_FAILED);
    }

    #[test]
    fn a_queued_write_is_said_to_be_so() {
        let answer = json!({ "success": false, "queued": true, "message": "ClickUp is down" });
        let printed = print(AnswerKind::Write, 202, answer);
        assert_eq!(
            (printed.out.as_str(), printed.exit),
            ("… ClickUp is down\n", EXIT_QUEUED)
        );
    }

    #[rstest]
    #[case(AnswerKind::Write, 502)]
    #[case(AnswerKind::Write, 404)]
    #[case(AnswerKind::Current, 422)]
    #[case(AnswerKind::Status, 401)]
    fn a_problem_is_its_detail_on_the_error_stream(#[case] what: AnswerKind, #[case] status: u16) {
        let printed = print(
            what,
            status,
            json!({ "title": "No", "detail": "ClickUp says no." }),
        );
        assert_eq!(printed, Printed::failed("ClickUp says no.", EXIT_FAILED));
        assert_eq!(printed.err, "✗ ClickUp says no.\n");
    }

    #[test]
    fn the_current_task_says_why() {
        let printed = print(AnswerKind::Current, 200, certificate());
        assert_snapshot!(printed.out, @r"
        Renew the certificate · ClickUp · in review · due 3 Mar 2026
        why: client 1000, due today 400
        clickup:86tst0001  https://app.clickup.com/t/86tst0001
        ");
    }

    #[test]
    fn a_day_is_one_of_the_persons_zone() {
        let tokyo = FixedOffset::east_opt(9 * 3600).unwrap();
        let printed = words(
            &AnswerKind::Current,
            &reply(200, certificate()),
            &tokyo,
            StreamLook::default(),
        );
        assert!(printed.out.contains("due 4 Mar 2026"), "{}", printed.out);
    }

    #[test]
    fn an_empty_queue_is_said_to_be_so() {
        let nothing = json!({ "task_id": null, "title": null });
        let said = Printed::ok("Your queue is empty.\n".into());
        assert_eq!(print(AnswerKind::Current, 200, nothing), said);
        assert_eq!(print(LIST, 200, json!({ "tasks": [] })), said);
    }

    #[rstest]
    #[case::not_read("not_read", 75)]
    #[case::not_linked("not_linked", 1)]
    #[case::all_wait("all_wait", 0)]
    #[case::all_snoozed("all_snoozed", 0)]
    #[case::both("all_held_back", 0)]
    #[case::no_match("no_match", 0)]
    #[case::a_word_of_a_newer_daemon("on_holiday", 0)]
    fn why_there_is_no_task_is_told(#[case] reason: &str, #[case] exit: u8) {
        let said = Printed {
            out: "Because.\n".into(),
            err: String::new(),
            exit,
        };
        let mut answer = json!({ "reason": reason, "message": "Because." });
        answer["tasks"] = json!([]);
        assert_eq!(print(LIST, 200, answer.clone()), said);
        answer["task_id"] = Value::Null;
        assert_eq!(print(AnswerKind::Current, 200, answer), said);
    }

    #[rstest]
    #[case(62, "60 more: `ivan list 62` shows all\n")]
    #[case(3, "1 more: `ivan list 3` shows all\n")]
    #[case(200, "198 more: `ivan list 200` shows all\n")]
    #[case(500, "498 more: `ivan list 200` shows the first 200\n")]
    #[case(2, "2. Login fails on Safari · GitHub acme/widgets#7 · open\n")]
    fn a_list_says_how_many_it_leaves_out(#[case] total: u64, #[case] ends: &str) {
        let answer = json!({ "tasks": [certificate(), login()], "total": total });
        let printed = print(LIST, 200, answer);
        assert!(printed.out.ends_with(ends), "{}", printed.out);
    }

    #[test]
    fn a_filter_stays_in_the_hint() {
        assert_eq!(
            how_to_see_more(8, 3, "overdue acme"),
            "`ivan list 8 overdue acme` shows all"
        );
        assert_eq!(
            how_to_see_more(500, 200, "acme"),
            "another filter shows fewer"
        );
        let narrower = "a filter shows fewer, such as `ivan list overdue`";
        assert_eq!(how_to_see_more(500, 200, ""), narrower);
    }

    /// A day is the same everywhere; a time is converted to the local day.
    #[rstest]
    #[case(json!({"due": "2026-03-03T03:00:00Z", "due_day": "2026-03-02"}), "due 2 Mar 2026")]
    #[case(json!({"due": "2026-03-03T03:00:00Z", "due_day": null}), "due 3 Mar 2026")]
    #[case(json!({"due": null, "due_day": "2026-03-02"}), "due 2 Mar 2026")]
    fn a_list_has_the_day_on_which_a_task_is_due(#[case] due: Value, #[case] told: &str) {
        let mut task = login();
        for (key, value) in due.as_object().unwrap() {
            task[key] = value.clone();
        }
        let printed = print(LIST, 200, json!({ "tasks": [task] }));
        let line = format!("2. Login fails on Safari · GitHub acme/widgets#7 · open · {told}\n");
        assert_eq!(printed.out, line);
    }

    #[test]
    fn a_list_is_numbered() {
        let printed = print(LIST, 200, json!({ "tasks": [certificate(), login()] }));
        assert_snapshot!(printed.out, @r"
        1. Renew the certificate · ClickUp · in review · due 3 Mar 2026
        2. Login fails on Safari · GitHub acme/widgets#7 · open
        ");
    }

    #[test]
    fn a_log_is_a_line_each() {
        let done = json!({
            "id": 2, "at": "2026-03-03T10:00:00Z", "person": "Ana", "account": null, "surface": "dm", "verb": "done",
            "outcome": "done", "title": "Renew the certificate", "before": "in review", "after": "complete",
            "text": "shipped", "detail": null,
        });
        let refused = json!({
            "id": 1, "at": "2026-03-03T09:00:00Z", "person": null, "account": "bo", "surface": "github",
            "verb": "comment", "outcome": "refused", "title": "Login\u{1b}[31m fails", "before": null, "after": null,
            "text": null, "detail": "It is locked.",
        });
        let printed = print(AnswerKind::Log, 200, json!({ "entries": [done, refused] }));
        assert_snapshot!(printed.out, @r"
        ✓ 2026-03-03 10:00  Ana  done  Renew the certificate  in review → complete  “shipped”  (dm)
        ✗ 2026-03-03 09:00  bo  comment  Login[31m fails  refused  It is locked.  (github)
        ");
    }

    #[test]
    fn a_source_that_cannot_be_synchronised_fails_the_command_and_hides_no_other() {
        let answer = json!({ "sources": {
            "clickup": { "changed": 3, "error": null },
            "github": { "changed": 0, "error": "GitHub refuses the token" },
        } });
        let printed = print(AnswerKind::Sync, 200, answer);
        assert_eq!(printed.out, "✓ ClickUp: 3 changed\n");
        assert_eq!(printed.err, "✗ GitHub: GitHub refuses the token\n");
        assert_eq!(printed.exit, EXIT_FAILED);
        let going_on = print(
            AnswerKind::Sync,
            202,
            json!({ "sources": {}, "queued": true }),
        );
        assert_eq!(going_on.exit, EXIT_QUEUED);
    }

    #[test]
    fn status_is_a_table() {
        let answer = json!({
            "version": "0.1.0",
            "now": "2026-03-03T12:00:00Z",
            "store": { "writable": true },
            "slack": {
                "state": "trouble",
                "detail": "Slack refuses slack.app_token",
                "missing_scopes": [
                    { "scope": "chat:write", "without": "I can't answer or send notices", "optional": false },
                    { "scope": "reactions:read", "without": "✅, 💤 and 👀 on a card do nothing", "optional": true },
                ],
            },
            "sources": {
                "clickup": { "last_sync": "2026-03-03T11:57:30Z", "error": null, "tasks": 6 },
                "github": { "last_sync": null, "error": "no answer", "tasks": 1 },
            },
            "queued_operations": 2,
            "set_aside": [
                { "id": "message-12", "about": "a message of Ana", "since": "2026-03-03T09:00:00Z" },
                { "id": "poll-github", "about": "reading GitHub", "since": "2026-03-03T11:59:30Z" },
            ],
            "service_levels": { "since": "2026-02-24T12:00:00Z", "commands": 1204, "within_2s": 1203, "late": 0, "given_up": 0 },
        });
        let printed = print(AnswerKind::Status, 200, answer);
        assert_eq!(printed.exit, EXIT_OK);
        assert_snapshot!(printed.out, @r"
        ivan     0.1.0
        store    writable
        Slack    ✗ Slack refuses slack.app_token
                 ✗ missing scope chat:write: I can't answer or send notices
                 off without the scope reactions:read: ✅, 💤 and 👀 on a card do nothing
        ClickUp  6 tasks, synced 2 min ago
        GitHub   1 task, never synced; ✗ no answer
        queued   2 operations
        aside    ✗ a message of Ana, set aside 3 h ago: `ivan retry message-12` retries it
                 ✗ reading GitHub, set aside just now: `ivan retry poll-github` retries it
        service  99.9 % of 1204 commands had their outcome within 2 s, all within 10 minutes of the source being back (last 7 days)
        ");
    }

    #[rstest]
    #[case::well(json!(null), "leads    ivan-a, since 5 min ago (term 3)\n")]
    #[case::alone(json!("exit status: 1"), "leads    ivan-a, since 5 min ago (term 3); ✗ the store is not replicated: exit status: 1\n")]
    fn the_leader_is_named(#[case] replication: Value, #[case] row: &str) {
        let answer = json!({
            "version": "0.1.0",
            "now": "2026-03-03T12:00:00Z",
            "leader": { "holder": "ivan-a", "since": "2026-03-03T11:55:00Z", "term": 3, "replication": replication },
            "store": { "writable": true },
            "slack": null,
            "sources": {},
            "queued_operations": 0,
        });
        let printed = print(AnswerKind::Status, 200, answer);
        assert!(printed.out.contains(row), "{}", printed.out);
    }

    #[rstest]
    #[case::none([0, 0, 0, 0], "no commands that write in the last 7 days")]
    #[case::one([1, 1, 0, 0], "100 % of 1 command had their outcome within 2 s, all within 10 minutes of the source being back (last 7 days)")]
    #[case::never_rounded_up([2_001, 2_000, 0, 0], "99.9 % of 2001 commands had their outcome within 2 s, all within 10 minutes of the source being back (last 7 days)")]
    #[case::late([8, 6, 1, 0], "75 % of 8 commands had their outcome within 2 s, 1 took over 10 minutes with the source there (last 7 days)")]
    #[case::given_up([8, 7, 0, 1], "87.5 % of 8 commands had their outcome within 2 s, 1 given up (last 7 days)")]
    #[case::both([8, 5, 2, 1], "62.5 % of 8 commands had their outcome within 2 s, 2 took over 10 minutes with the source there, 1 given up (last 7 days)")]
    fn service_levels_are_told(#[case] counts: [u64; 4], #[case] said: &str) {
        let [commands, soon, late, given_up] = counts;
        let levels = json!({ "since": "2026-02-24T12:00:00Z", "commands": commands, "within_2s": soon, "late": late, "given_up": given_up });
        let now = "2026-03-03T12:00:00Z".parse().unwrap();
        assert_eq!(service(&levels, now).as_deref(), Some(said));
    }

    #[rstest]
    #[case("2026-03-03T12:00:30Z", "just now")]
    #[case("2026-03-03T11:59:30Z", "just now")]
    #[case("2026-03-03T11:01:00Z", "59 min ago")]
    #[case("2026-03-02T10:00:00Z", "26 h ago")]
    #[case("2026-02-28T12:00:00Z", "3 days ago")]
    fn time_is_told_in_its_largest_unit(#[case] then: &str, #[case] said: &str) {
        let now = "2026-03-03T12:00:00Z".parse().unwrap();
        assert_eq!(ago(now, then.parse().unwrap()), said);
    }

    #[test]
    fn no_title_controls_the_terminal() {
        let title = "Red \u{1b}[31m\u{9b}2J\u{7}\u{7f}\r\nNext: evil\tdone";
        let answer = json!({ "message": title, "next_task": { "title": title } });
        let printed = print(AnswerKind::Write, 200, answer);
        assert_eq!(
            printed.out,
            "✓ Red [31m2J  Next: evil done\nNext: Red [31m2J  Next: evil done\n"
        );
        let failed = print(AnswerKind::Write, 502, json!({ "detail": title }));
        assert_eq!(failed.err, "✗ Red [31m2J  Next: evil done\n");
    }

    #[test]
    fn the_address_of_a_new_task_is_alone_in_a_pipe() {
        let made = json!({ "message": "Task created", "url": "https://app.clickup.com/t/86a" });
        let piped = print(AnswerKind::Created, 200, made.clone());
        assert_eq!(piped.out, "https://app.clickup.com/t/86a\n");
        assert_eq!(piped.err, "✓ Task created\n");
        let terminal = StreamLook {
            terminal: true,
            colours: false,
        };
        let shown = words(&AnswerKind::Created, &reply(200, made), &Utc, terminal);
        let lines = "✓ Task created\nhttps://app.clickup.com/t/86a\n";
        assert_eq!((shown.out.as_str(), shown.err.as_str()), (lines, ""));
        let queued = print(AnswerKind::Created, 202, json!({ "message": "Waiting" }));
        assert_eq!(
            (queued.out.as_str(), queued.err.as_str()),
            ("", "… Waiting\n")
        );
        assert_eq!(queued.exit, EXIT_QUEUED);
    }

    #[rstest]
    #[case("{title} {due}", "Renew the certificate 3 Mar 2026\n")]
    #[case(
        "{place}: {id}, {source} {status}{client}",
        "ClickUp: clickup:86tst0001, ClickUp in review\n"
    )]
    #[case("{priority}", "\n")]
    #[case("{url}", "https://app.clickup.com/t/86tst0001\n")]
    fn the_current_task_is_a_line_of_the_given_form(#[case] format: &str, #[case] out: &str) {
        let kind = AnswerKind::Line(format.parse().unwrap());
        assert_eq!(print(kind, 200, certificate()), Printed::ok(out.to_owned()));
    }

    #[test]
    fn without_a_task_a_line_is_empty() {
        let kind = AnswerKind::Line("{title}".parse().unwrap());
        let nothing = json!({ "task_id": null, "reason": "not_read", "message": "Not read yet." });
        assert_eq!(print(kind, 200, nothing), Printed::ok(String::new()));
    }

    #[test]
    fn an_address_is_the_task_s() {
        let url = Printed::ok("https://app.clickup.com/t/86tst0001\n".to_owned());
        assert_eq!(print(AnswerKind::Address, 200, certificate()), url);
        assert_eq!(
            print(AnswerKind::Address, 200, json!({ "task": certificate() })),
            url
        );
        let nothing = print(
            AnswerKind::Address,
            200,
            json!({ "task_id": null, "url": null }),
        );
        assert_eq!(
            nothing,
            Printed::failed("Your queue is empty.", EXIT_FAILED)
        );
    }

    #[test]
    fn a_reason_names_options() {
        let detail = "put the rest into `description`; Use --as Ana (X-Ivan-Actor over HTTP).";
        let printed = print(AnswerKind::Write, 422, json!({ "detail": detail }));
        assert_eq!(printed.err, "✗ put the rest into -d; Use --as Ana.\n");
    }

    #[test]
    fn a_read_under_way_has_a_bar_once_its_end_is_known() {
        let reading = |tasks: u64, expected: Option<u64>| json!({ "reading": { "tasks": tasks, "expected": expected } });
        let status = json!({ "sources": { "clickup": reading(1200, None), "github": reading(50, Some(200)) } });
        assert_eq!(
            progress_line(&status).unwrap(),
            "ClickUp 1200 tasks so far   GitHub █████░░░░░░░░░░░░░░░ 50 of about 200 tasks"
        );
        assert_eq!(
            progress_line(&json!({ "sources": { "github": { "reading": null } } })),
            None
        );
    }

    #[test]
    fn a_reload_says_what_is_in_force_and_what_waits() {
        let change =
            |key: &str, from: Value, to: Value| json!({ "key": key, "from": from, "to": to });
        let mut answer = json!({
            "file": "/etc/ivan/bot.toml",
            "applied": [
                change("people", Value::Null, Value::Null),
                change("queue.score.overdue", "5".into(), "7".into()),
                change("slack.quiet", Value::Null, "\"20:00-8:00\"".into()),
            ],
            "restart": [change("clickup.token", Value::Null, Value::Null)],
            "people_added": ["Cleo"],
            "people_removed": [],
            "ms": 12,
        });
        let printed = print(AnswerKind::Reload, 200, answer.clone());
        assert_eq!(
            printed.out,
            "✓ /etc/ivan/bot.toml is in force.\n  people: changed\n    added: Cleo\n  queue.score.overdue: 5 → 7\n  \
             slack.quiet: not set → \"20:00-8:00\"\n! Restart Ivan to apply: clickup.token\n"
        );
        assert_eq!(printed.exit, EXIT_OK);
        answer["applied"] = json!([]);
        answer["restart"] = json!([]);
        let printed = print(AnswerKind::Reload, 200, answer);
        assert_eq!(
            printed.out,
            "✓ /etc/ivan/bot.toml is in force.\n  Nothing changed.\n"
        );
    }

    #[rstest]
    #[case(AnswerKind::Write, 200)]
    #[case(AnswerKind::Current, 200)]
    #[case(LIST, 200)]
    #[case(AnswerKind::Sync, 200)]
    #[case(AnswerKind::Status, 200)]
    #[case(AnswerKind::Reload, 200)]
    #[case(AnswerKind::Check, 200)]
    #[case(AnswerKind::Write, 500)]
    fn an_answer_that_is_not_ours_is_no_success(#[case] what: AnswerKind, #[case] status: u16) {
        let printed = print(what, status, json!({ "hello": "world" }));
        assert_eq!(printed.exit, EXIT_FAILED);
        assert_eq!(printed.out, "");
    }
}
