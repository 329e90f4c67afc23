//! The daemon's answer → text for a person. Pure: JSON in, text and exit status out.
//!
//! Titles and messages are strangers' text: control characters are removed before they reach the terminal.

use std::fmt::{Display, Write};

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use serde_json::Value;

use super::client::ApiAnswer;
use super::{EXIT_FAILED, EXIT_OK, EXIT_QUEUED};
use crate::domain::controls::one_line;
use crate::domain::task::Source;
use crate::verbs::line::AnswerKind;

/// The longest list of the API, the limit of `GET /queue`.
const LIST_MOST: u64 = 200;

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
    what: AnswerKind,
    reply: &ApiAnswer,
    zone: &Z,
) -> Printed {
    let json = &reply.json;
    let printed = match (what, reply.status) {
        (AnswerKind::Write, 200) => done(json),
        (AnswerKind::Write, 202) => queued(json),
        (AnswerKind::Current, 200) => current(json, zone),
        (AnswerKind::List, 200) => list(json, zone),
        (AnswerKind::Log, 200) => log(json, zone),
        (AnswerKind::Words, 200) => message(json),
        (AnswerKind::Why | AnswerKind::Whoami, 200) => why(json),
        (AnswerKind::Sync, 200) => synced(json),
        (AnswerKind::Sync, 202) => Some(Printed {
            exit: EXIT_QUEUED,
            ..Printed::ok("… Still syncing; `ivan status` shows the result.\n".into())
        }),
        (AnswerKind::Status, 200) => status(json),
        _ => json
            .get("detail")
            .and_then(Value::as_str)
            .map(|why| Printed::failed(why, EXIT_FAILED)),
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

/// The answer as it came, instead of the text. C1 controls, which JSON allows and terminals obey, are escaped: the
/// value is the same.
pub fn as_json(words: Printed, reply: &ApiAnswer) -> Printed {
    let mut out = String::with_capacity(reply.text.len() + 1);
    for c in reply.text.trim_end().chars() {
        match c {
            '\u{7f}'..='\u{9f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('\n');
    Printed {
        out,
        err: String::new(),
        exit: words.exit,
    }
}

/// `✓ message`, and the next task.
fn done(json: &Value) -> Option<Printed> {
    let mut out = format!("✓ {}\n", text(json, "message")?);
    if let Some(title) = json.get("next_task").and_then(|next| text(next, "title")) {
        let _ = writeln!(out, "Next: {title}");
    }
    Some(Printed::ok(out))
}

fn queued(json: &Value) -> Option<Printed> {
    Some(Printed {
        out: format!("… {}\n", text(json, "message")?),
        err: String::new(),
        exit: EXIT_QUEUED,
    })
}

fn current<Z: TimeZone<Offset: Display>>(json: &Value, zone: &Z) -> Option<Printed> {
    if json.get("task_id")?.is_null() {
        return Some(empty(json));
    }
    let mut out = format!("{}\n", line(json, zone)?);
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

fn list<Z: TimeZone<Offset: Display>>(json: &Value, zone: &Z) -> Option<Printed> {
    let tasks = json.get("tasks")?.as_array()?;
    if tasks.is_empty() {
        return Some(empty(json));
    }
    let width = tasks.len().to_string().len();
    let mut out = String::new();
    for task in tasks {
        // Tasks of all people have no numbers.
        let _ = match task.get("number").and_then(Value::as_u64) {
            Some(number) => writeln!(out, "{number:>width$}. {}", line(task, zone)?),
            None => writeln!(out, "{}  {}", text(task, "task_id")?, line(task, zone)?),
        };
    }
    if json.get("next_cursor").is_some_and(|next| !next.is_null()) {
        let _ = writeln!(out, "There are more: add a number, up to {LIST_MOST}");
    }
    let total = json.get("total").and_then(Value::as_u64).unwrap_or(0);
    let listed = u64::try_from(tasks.len()).unwrap_or(u64::MAX);
    let more = total.saturating_sub(listed);
    if more > 0 {
        let most = total.min(LIST_MOST);
        let (n, sees) = match total > LIST_MOST {
            true => (most, format!("{most} of them")),
            false => (most, "all".to_owned()),
        };
        let _ = writeln!(out, "{more} more: add `{n}` to see {sees}");
    }
    Some(Printed::ok(out))
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
fn line<Z: TimeZone<Offset: Display>>(task: &Value, zone: &Z) -> Option<String> {
    let source = source_name(task.get("source")?.as_str()?);
    // People recognize an issue by its number, and a ClickUp task by its title.
    let issue = text(task, "task_id").and_then(|id| Some(id.strip_prefix("github:")?.to_owned()));
    let place = match issue {
        Some(issue) => format!("{source} {issue}"),
        None => source,
    };
    let mut parts = vec![text(task, "title")?, place];
    parts.extend(text(task, "source_status"));
    // A day is the same everywhere; a time is converted to the local day.
    let day = text(task, "due_day").and_then(|day| day.parse::<NaiveDate>().ok());
    let day = day.or_else(|| time(task, "due").map(|due| due.with_timezone(zone).date_naive()));
    if let Some(day) = day {
        parts.push(format!("due {}", day.format("%-d %b %Y")));
    }
    parts.extend(text(task, "hidden"));
    Some(parts.join(" · "))
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

fn status(json: &Value) -> Option<Printed> {
    let now = time(json, "now")?;
    let mut rows = vec![("ivan".to_owned(), text(json, "version")?)];
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
    let mut out = String::new();
    for (name, row) in rows {
        let _ = writeln!(out, "{name:<8} {row}");
    }
    Some(Printed::ok(out))
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
    json.get(member)?.as_str()?.parse().ok()
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

    fn reply(status: u16, json: Value) -> ApiAnswer {
        ApiAnswer {
            status,
            text: json.to_string(),
            json,
        }
    }

    fn print(what: AnswerKind, status: u16, json: Value) -> Printed {
        words(what, &reply(status, json), &Utc)
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
        let printed = words(AnswerKind::Current, &reply(200, certificate()), &tokyo);
        assert!(printed.out.contains("due 4 Mar 2026"), "{}", printed.out);
    }

    #[test]
    fn an_empty_queue_is_said_to_be_so() {
        let nothing = json!({ "task_id": null, "title": null });
        let said = Printed::ok("Your queue is empty.\n".into());
        assert_eq!(print(AnswerKind::Current, 200, nothing), said);
        assert_eq!(print(AnswerKind::List, 200, json!({ "tasks": [] })), said);
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
        assert_eq!(print(AnswerKind::List, 200, answer.clone()), said);
        answer["task_id"] = Value::Null;
        assert_eq!(print(AnswerKind::Current, 200, answer), said);
    }

    #[rstest]
    #[case(62, "60 more: add `62` to see all\n")]
    #[case(3, "1 more: add `3` to see all\n")]
    #[case(200, "198 more: add `200` to see all\n")]
    #[case(500, "498 more: add `200` to see 200 of them\n")]
    #[case(2, "2. Login fails on Safari · GitHub acme/widgets#7 · open\n")]
    fn a_list_says_how_many_it_leaves_out(#[case] total: u64, #[case] ends: &str) {
        let answer = json!({ "tasks": [certificate(), login()], "total": total });
        let printed = print(AnswerKind::List, 200, answer);
        assert!(printed.out.ends_with(ends), "{}", printed.out);
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
        let printed = print(AnswerKind::List, 200, json!({ "tasks": [task] }));
        let line = format!("2. Login fails on Safari · GitHub acme/widgets#7 · open · {told}\n");
        assert_eq!(printed.out, line);
    }

    #[test]
    fn a_list_is_numbered() {
        let printed = print(
            AnswerKind::List,
            200,
            json!({ "tasks": [certificate(), login()] }),
        );
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
        ");
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
    fn json_is_printed_as_it_came_and_controls_nothing() {
        let answer = json!({ "message": "a\u{9b}2J\u{1b}[31m ü" });
        let reply = reply(200, answer.clone());
        let printed = as_json(words(AnswerKind::Write, &reply, &Utc), &reply);
        assert!(
            !printed.out.trim_end().contains(char::is_control),
            "{:?}",
            printed.out
        );
        assert_eq!(serde_json::from_str::<Value>(&printed.out).unwrap(), answer);
    }

    #[rstest]
    #[case(AnswerKind::Write, 200)]
    #[case(AnswerKind::Current, 200)]
    #[case(AnswerKind::List, 200)]
    #[case(AnswerKind::Sync, 200)]
    #[case(AnswerKind::Status, 200)]
    #[case(AnswerKind::Write, 500)]
    fn an_answer_that_is_not_ours_is_no_success(#[case] what: AnswerKind, #[case] status: u16) {
        let printed = print(what, status, json!({ "hello": "world" }));
        assert_eq!(printed.exit, EXIT_FAILED);
        assert_eq!(printed.out, "");
    }
}
