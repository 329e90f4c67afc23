//! The words of `log`.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::{Words, acts};
use crate::domain::log::{Came, Entry, Via};
use crate::domain::task::Source;

/// The longest quote in a line, in characters.
const QUOTED: usize = 80;

/// The text above the lines. Without it, the mark of the first line would look like the outcome of `log`.
///
/// `deleted` is the source of a deleted task.
pub fn log_lead(empty: bool, of_task: bool, deleted: Option<Source>) -> Words {
    let words = match deleted {
        Some(source) => Words::new().text(format!("This task was deleted in {}. ", source.name())),
        None => Words::new(),
    };
    words.text(match (empty, of_task) {
        (true, true) => "Nothing was done to this task since I know it.",
        (true, false) => "You have done nothing through me yet, that I still know of.",
        (false, true) => "What was done to this task, newest first:",
        (false, false) => "What you did, newest first:",
    })
}

/// The lines, newest first; and how to see more.
pub fn log(lines: &[Words], more: bool) -> Words {
    let mut words = Words::new();
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            words = words.text("\n");
        }
        words = words.then(line.clone());
    }
    match more {
        true => words.text("\nThere is more: ").code("log 50"),
        false => words,
    }
}

/// `✓ 22 Nov 10:00 · done: Renew cert (to do → complete), in the DM`; in a task's history with its actor.
pub fn log_line(entry: &Entry, of_task: bool, zone: Tz) -> Words {
    let mark = match entry.came {
        Came::Done | Came::AlreadySo => "✓",
        Came::Pending => "…",
        Came::Refused | Came::GivenUp | Came::TakenBack => "✗",
    };
    let mut words = Words::new()
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
        ("assign" | "claim" | "due" | "prio", _, Some(now)) if entry.came == Came::Done => {
            match now.parse::<DateTime<Utc>>() {
                Ok(at) => words.text(" (now ").then(acts::due_at(at, zone)).text(")"),
                Err(_) => words.text(format!(" (now {now})")),
            }
        }
        ("assigned", _, Some(to)) => words.text(format!(" to {to}")),
        ("unassigned", Some(from), _) => words.text(format!(" from {from}")),
        (_, Some(before), Some(after)) if before != after && !before.is_empty() => {
            words.text(format!(" ({before} → {after})"))
        }
        (_, None, Some(after)) if entry.came == Came::AlreadySo => {
            words.text(format!(" (it was {after} already)"))
        }
        _ => words,
    };
    words = words.text(match entry.came {
        Came::Done | Came::AlreadySo => "",
        Came::Pending => ", has no outcome yet",
        Came::Refused => ", refused",
        Came::GivenUp => ", given up",
        Came::TakenBack => ", taken back before it was sent",
    });
    words.text(format!(", {}", from_where(entry.via)))
}

/// A time from the log, in the reader's zone.
fn time(kept: Option<&str>, zone: Tz) -> Words {
    let Some(kept) = kept else {
        return Words::new().text("none");
    };
    match kept.parse::<DateTime<Utc>>() {
        Ok(at) => Words::new().moment(at, zone),
        Err(_) => Words::new().text(match kept.parse::<NaiveDate>() {
            Ok(day) => day.format("%-d %b").to_string(),
            Err(_) => kept.to_owned(),
        }),
    }
}

fn who(entry: &Entry) -> String {
    entry
        .person
        .clone()
        .or_else(|| entry.account.clone())
        .unwrap_or_else(|| "somebody".to_owned())
}

fn from_where(via: Via) -> Cow<'static, str> {
    Cow::Borrowed(match via {
        Via::Dm => "in the DM",
        Via::Channel => "in a channel",
        Via::Button => "by a button",
        Via::Reaction => "by a reaction",
        Via::Slash => "by /ivan",
        Via::Form => "by a form",
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

/// The history of a task that the person may not see: not even its title is shown.
pub fn not_your_history() -> Words {
    Words::new().text(
        "That is not a task of yours, so its history is not for you. It is shown to those whom the task is assigned to, and \
         to who had it made.",
    )
}

/// A list number without a person to whom the list belongs.
pub fn whose_list() -> Words {
    Words::new().text(
        "A number is one of somebody's list, and nobody is named: name the task by its id, or who asks by X-Ivan-Actor \
         (--as).",
    )
}
