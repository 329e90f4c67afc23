//! `log [N] [REF]`: a person's last activity, and the history of a task that they may see.
//!
//! People see their own activity, and everyone's activity on tasks that are assigned to them or that they created. On
//! other tasks they see only their own.
//! The API without an actor belongs to the operator, who sees everything.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use clap::Args;
use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, digits, is_mere_punctuation, optional_ref, split_word, trim};
use super::line::{AnswerKind, Call, CommandLine, Line, encoded};
use super::{Info, ShownContext, Verb, body};
use crate::command_tx::{CommandTx, Context, Decided, Handled, Rejection, Reply, Stop, Target};
use crate::completion::called;
use crate::domain::card::CardPart;
use crate::domain::command::Ref;
use crate::domain::log::{ActivityResult, Entry, LoggedChange, Via};
use crate::domain::operation::Write;
use crate::domain::person::Person;
use crate::domain::reply::{self, LIST_MAX, Text};
use crate::domain::task::Source;
use crate::store::log::{LogFilter, listed};
use crate::store::tasks::{self, StoredTask};
use crate::store::{DbResult, access, operations, people};

/// The default number of entries of `log`.
const LOG: usize = 10;
/// The longest quote in a line, in characters.
const QUOTED: usize = 80;
/// Entries that share one block of a message, so that none is cut off.
const BLOCK: usize = 10;

/// The newest activity: the person's own, or that of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A task; without one, the person's own activity
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
    /// The number of entries: 10 if not given, at most as many as the longest list
    pub limit: Option<usize>,
}

impl Verb for Log {
    const INFO: &'static Info = &Info {
        name: "log",
        usage: "log [N] [REF]",
        effect: "show your last actions, or the history of REF",
        examples: &["log", "log 5", "log #12"],
        shown: ShownContext::WithoutRef,
        line: Some(
            CommandLine::of::<LogWords>(&[
                "ivan log",
                "ivan log 50 --as bo",
                "ivan log '#12' --all --json",
            ])
            .about(
                "show the activity log, newest first: of everyone, of one person (--as), or of REF",
            ),
        ),
        ..Info::SHOWS
    };

    /// A bare number is a count; an issue of the default repo is `#12`.
    fn read(rest: &str) -> Result<Log, ParseError> {
        let (limit, task) = split_log(rest);
        let task = match is_mere_punctuation(task) {
            true => None,
            false => optional_ref("log", task)?,
        };
        Ok(Log { task, limit })
    }

    /// In the thread of a task's message it is that task's log.
    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let limit = self.limit.unwrap_or(LOG).min(LIST_MAX);
        let task = self.task.or(context.under.map(Ref::Row));
        let of_task = task.is_some();
        let mut wanted = LogFilter {
            limit: limit + 1,
            ..LogFilter::default()
        };
        let deleted = narrow(tx, person, task, context, &mut wanted)?;
        let mut entries = match of_task {
            // Pending entries are in their person's own log.
            true => Vec::new(),
            false => without_outcome(tx, person, limit)?,
        };
        entries.extend(listed(tx.db, &wanted)?);
        let more = entries.len() > limit;
        entries.truncate(limit);
        let lines: Vec<Text> = entries
            .iter()
            .map(|entry| log_line(entry, of_task, person.zone))
            .collect();
        let lead = log_lead(lines.is_empty(), of_task, deleted);
        if lines.is_empty() {
            return Ok(Handled::Replied(Reply {
                words: lead,
                about: wanted.task,
                ..Reply::default()
            }));
        }
        let blocks = lines.chunks(BLOCK).enumerate().map(|(number, lines)| {
            let last = (number + 1) * BLOCK >= entries.len();
            CardPart::Text(log(lines, more && last))
        });
        let words = lead.clone().text("\n").then(log(&lines, more));
        Ok(Handled::Replied(Reply {
            words,
            parts: [CardPart::Text(lead)].into_iter().chain(blocks).collect(),
            about: wanted.task,
            ..Reply::default()
        }))
    }

    takes_ref!();

    fn changes_what_was_shown(&self) -> bool {
        false
    }
}

/// The default number of entries on the command line.
const LINES: usize = 50;
/// Entries per request if all are wanted: the most that the daemon returns.
const PAGE: usize = 200;

const LOG_HELP: &str = "N is the number of entries, 50 by default. REF is as for `ivan done`, but not a bare number. To export: `ivan \
     log --all --json`.";

/// The words after `ivan log`.
#[derive(Debug, Args)]
#[command(after_help = LOG_HELP, override_usage = "ivan log [OPTIONS] [N] [REF]")]
struct LogWords {
    /// The number of entries, and the task
    #[arg(value_name = "[N] [REF]")]
    words: Vec<String>,
    /// All entries, not only the newest
    #[arg(long)]
    all: bool,
}

impl Line for LogWords {
    fn call(self, _info: &Info) -> Call {
        let words = self.words.join(" ");
        let (limit, task) = split_log(&words);
        let limit = if self.all {
            PAGE
        } else {
            limit.unwrap_or(LINES)
        };
        let of = match task.is_empty() {
            true => String::new(),
            false => format!("&task={}", encoded(task)),
        };
        Call {
            all_pages: self.all,
            ..Call::get(format!("/log?limit={limit}{of}"), AnswerKind::Log)
        }
    }
}

/// Splits `[N] [REF]`.
pub fn split_log(text: &str) -> (Option<usize>, &str) {
    let text = trim(text);
    let (word, after) = split_word(text);
    match digits(word.trim_end_matches(['.', '!'])).and_then(|number| usize::try_from(number).ok())
    {
        Some(number) => (Some(number), trim(after)),
        None => (None, text),
    }
}

/// Narrows the filter to entries that this person may see; returns the source of a deleted task.
pub fn narrow(
    tx: &CommandTx<'_>,
    person: &Person,
    task: Option<Ref>,
    context: &Context,
    wanted: &mut LogFilter,
) -> Result<Option<Source>, Stop> {
    let Some(task) = task else {
        wanted.person = Some(person.id);
        return Ok(None);
    };
    let stored = remembered(tx.known(person, Some(task), context), tx)?;
    wanted.task = Some(stored.row);
    let deleted = stored.gone.then(|| stored.task.key.source());
    if access::is_theirs(tx.db, person, &stored)? {
        return Ok(deleted);
    }
    wanted.person = Some(person.id);
    let own = LogFilter {
        limit: 1,
        ..wanted.clone()
    };
    match listed(tx.db, &own)?.is_empty() {
        true => Err(Rejection::UnknownTask(not_your_history()).into()),
        false => Ok(deleted),
    }
}

/// A task that the mirror has, deleted or not: its history stays.
fn remembered(known: Result<StoredTask, Stop>, tx: &CommandTx<'_>) -> Result<StoredTask, Stop> {
    match known {
        Err(Stop::Rejected(Rejection::Deleted { row, words })) => {
            Ok(tasks::by_row(tx.db, row)?.ok_or(Rejection::UnknownTask(words))?)
        }
        known => known,
    }
}

/// The task of a REF without a person: a list number needs one.
pub fn whose(tx: &CommandTx<'_>, task: Ref) -> Result<StoredTask, Stop> {
    let known = match (&task, people::present(tx.db)?.as_slice()) {
        (Ref::Nth(_), [only]) => tx.known(only, Some(task), &Context::over_http(tx.now)),
        (Ref::Nth(_), _) => Err(Rejection::Unfit(whose_list()).into()),
        _ => tx.named(None, &task).and_then(Target::mirrored),
    };
    remembered(known, tx)
}

/// A person's commands without an outcome, newest first.
fn without_outcome(tx: &CommandTx<'_>, person: &Person, limit: usize) -> DbResult<Vec<Entry>> {
    let (rows, _) = operations::pending_of(tx.db, person.id, limit)?;
    let mut entries = Vec::new();
    for row in rows.iter().rev() {
        let Some(command) = operations::command(tx.db, row.command)? else {
            continue;
        };
        let write = &row.operation.write;
        let known = match write.task() {
            Some(key) => access::shown(tx.db, person, tasks::by_key(tx.db, key)?)?,
            None => None,
        };
        let title = match (&known, write) {
            (Some(stored), _) => stored.task.title.clone(),
            (None, Write::Create(new)) => new.title.clone(),
            (None, _) => called(tx.db, row)?,
        };
        entries.push(Entry {
            id: None,
            at: command.typed_at,
            person: Some(person.name.clone()),
            account: None,
            via: command.via,
            token: command.token,
            verb: match write {
                // The comment of a `done -c`, which waits by itself.
                Write::Comment { .. } => "comment".to_owned(),
                _ => command.verb,
            },
            came: ActivityResult::Pending,
            source: Some(write.source()),
            task: known.as_ref().map(|stored| stored.task.id.to_string()),
            title,
            url: known.map(|stored| stored.task.url).unwrap_or_default(),
            change: LoggedChange::default(),
            detail: row.why.clone(),
        });
    }
    Ok(entries)
}

/// The lines, newest first; and how to see more.
pub(crate) fn log(lines: &[Text], more: bool) -> Text {
    let mut words = Text::new();
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            words = words.text("\n");
        }
        words = words.then(line.clone());
    }
    match more {
        true => words.text("\nMore: ").code("log 50"),
        false => words,
    }
}

/// The text above the lines. Without it, the mark of the first line would look like the outcome of `log`.
///
/// `deleted` is the source of a deleted task.
pub(crate) fn log_lead(empty: bool, of_task: bool, deleted: Option<Source>) -> Text {
    let words = match deleted {
        Some(source) => Text::new().text(format!("This task was deleted in {}. ", source.name())),
        None => Text::new(),
    };
    words.text(match (empty, of_task) {
        (true, _) => "No entries yet.",
        (false, true) => "History of this task, newest first:",
        (false, false) => "Your last actions, newest first:",
    })
}

/// `✓ 22 Nov 10:00 · done: Renew cert (to do → complete), in the DM`; in a task's history with its actor.
pub(crate) fn log_line(entry: &Entry, of_task: bool, zone: Tz) -> Text {
    let mark = match entry.came {
        ActivityResult::Done | ActivityResult::AlreadySo => "✓",
        ActivityResult::Pending => "…",
        ActivityResult::Refused | ActivityResult::GivenUp | ActivityResult::TakenBack => "✗",
    };
    let mut words = Text::new()
        .text(format!("{mark} "))
        .moment(entry.at, zone)
        .text(" · ");
    if of_task {
        words = words.text(format!("{} ", who(entry)));
    }
    words = words.text(entry.verb.clone());
    if !of_task && !entry.title.is_empty() {
        words = words.text(": ").link(&entry.title, &entry.url);
    }
    let change = &entry.change;
    if let Some(text) = &change.text {
        words = words.text(" “").said(short(text)).text("”");
    }
    words = match (entry.verb.as_str(), &change.before, &change.after) {
        ("snooze", _, Some(until)) => match until.parse::<DateTime<Utc>>() {
            Ok(until) => words.text(" until ").moment(until, zone),
            Err(_) => words,
        },
        ("rescheduled", before, after) => words
            .text(" (")
            .then(time(before.as_deref(), zone))
            .text(" → ")
            .then(time(after.as_deref(), zone))
            .text(")"),
        ("prioritized", before, after) => {
            let level = |level: &Option<String>| level.clone().unwrap_or_else(|| "none".to_owned());
            words.text(format!(" ({} → {})", level(before), level(after)))
        }
        ("assign" | "claim" | "due" | "prio" | "label" | "milestone" | "type", _, Some(now))
            if entry.came == ActivityResult::Done =>
        {
            match now.parse::<DateTime<Utc>>() {
                Ok(at) => words.text(" (now ").then(reply::due_at(at, zone)).text(")"),
                Err(_) => words.text(format!(" (now {now})")),
            }
        }
        ("assigned", _, Some(to)) => words.text(format!(" to {to}")),
        ("unassigned", Some(from), _) => words.text(format!(" from {from}")),
        (_, Some(before), Some(after)) if before != after && !before.is_empty() => {
            words.text(format!(" ({before} → {after})"))
        }
        (_, None, Some(after)) if entry.came == ActivityResult::AlreadySo => {
            words.text(format!(" (already {after})"))
        }
        _ => words,
    };
    words = words.text(match entry.came {
        ActivityResult::Done | ActivityResult::AlreadySo => "",
        ActivityResult::Pending => ", pending",
        ActivityResult::Refused => ", refused",
        ActivityResult::GivenUp => ", given up",
        ActivityResult::TakenBack => ", cancelled before sending",
    });
    let token = entry.token.as_ref().map(|name| format!(" (token {name})"));
    words.text(format!(
        ", {}{}",
        from_where(entry.via),
        token.unwrap_or_default()
    ))
}

/// The history of a task that the person may not see: not even its title is shown.
pub(crate) fn not_your_history() -> Text {
    Text::new()
        .text("That task isn't yours. Its history is shown to its assignees and its creator.")
}

/// A list number without a person to whom the list belongs.
pub(crate) fn whose_list() -> Text {
    Text::new().text(
        "A number belongs to someone's list. Give a task id, or name the person with X-Ivan-Actor (--as).",
    )
}

/// A time from the log, in the reader's zone.
fn time(kept: Option<&str>, zone: Tz) -> Text {
    let Some(kept) = kept else {
        return Text::new().text("none");
    };
    match kept.parse::<DateTime<Utc>>() {
        Ok(at) => Text::new().moment(at, zone),
        Err(_) => Text::new().text(match kept.parse::<NaiveDate>() {
            Ok(day) => day.format("%-d %b").to_string(),
            Err(_) => kept.to_owned(),
        }),
    }
}

/// The person or the account that acted.
pub(crate) fn who(entry: &Entry) -> String {
    entry
        .person
        .clone()
        .or_else(|| entry.account.clone())
        .unwrap_or_else(|| "someone".to_owned())
}

/// The way of a command, as the end of a sentence.
pub(crate) fn from_where(via: Via) -> Cow<'static, str> {
    Cow::Borrowed(match via {
        Via::Dm => "in the DM",
        Via::Channel => "in a channel",
        Via::Button => "with a button",
        Via::Reaction => "with a reaction",
        Via::Slash => "with /ivan",
        Via::Form => "with a form",
        Via::Http => "over HTTP",
        Via::Cli => "from the command line",
        Via::Slack => "in Slack",
        Via::In(source) => return Cow::Owned(format!("in {}", source.name())),
    })
}

fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(&line).trim_end()),
        None => line,
    }
}
