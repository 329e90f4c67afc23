//! The words of the briefing and of quiet hours.

use chrono::NaiveTime;
use chrono_tz::Tz;

use super::{Text, as_set};
use crate::domain::morning::{BriefingContent, NAMED_MAX};
use crate::domain::schedule::QuietHours;
use crate::domain::task::Task;

/// The text above held notices.
const HELD: &str = "While you were in quiet hours:";
/// The text above mentions that waited for a digest.
const DIGEST: &str = "People from outside mentioned you:";
/// How many held notices share one block of a message.
pub const HELD_BLOCK: usize = 5;

/// `Mon 23 Nov: 5 open`; with an empty queue, why.
pub fn morning_lead(morning: &BriefingContent) -> Text {
    let day = morning.now.with_timezone(&morning.zone).format("%a %-d %b");
    let words = Text::new().text(format!("{day}: "));
    match morning.open {
        0 => words.then(morning.empty.clone()),
        open => words.text(format!("{open} open")),
    }
}

/// The lines below the first tasks; empty kinds have none.
pub fn morning_rest(morning: &BriefingContent) -> Vec<Text> {
    let mut lines = Vec::new();
    if let Some(current) = &morning.current {
        let words = Text::new().text("Current: ");
        lines.push(words.link(&current.title, &current.url));
    }
    lines.extend(titles("Overdue", &morning.overdue));
    lines.extend(titles("Due today", &morning.due_today));
    for waits in morning.waits.iter().take(NAMED_MAX) {
        let words = Text::new().text(format!("{} is waiting for ", waits.who));
        lines.push(words.link(&waits.task.title, &waits.task.url));
    }
    lines.extend(and_more(morning.waits.len(), NAMED_MAX, "waiting"));
    lines.extend(morning.queued.iter().cloned());
    lines.extend(and_more(
        morning.queued_count,
        morning.queued.len(),
        "queued",
    ));
    lines.extend(morning.troubles.iter().cloned());
    lines
}

fn titles(what: &str, tasks: &[Task]) -> Option<Text> {
    let mut words = Text::new().text(format!("{what}: "));
    for (number, task) in tasks.iter().take(NAMED_MAX).enumerate() {
        if number > 0 {
            words = words.text(", ");
        }
        words = words.link(&task.title, &task.url);
    }
    let words = match tasks.len().saturating_sub(NAMED_MAX) {
        0 => words,
        more => words.text(format!(" and {more} more")),
    };
    (!tasks.is_empty()).then_some(words)
}

fn and_more(all: usize, named: usize, what: &str) -> Option<Text> {
    let more = all.saturating_sub(named);
    (more > 0).then(|| Text::new().text(format!("{more} more {what}")))
}

/// Below a briefing that comes from bot.toml.
pub fn briefing_by_config() -> Text {
    Text::new()
        .text("This is the team default. ")
        .code("briefing off")
        .text(" stops it for you; ")
        .code("briefing 9:30")
        .text(" moves it.")
}

/// When a person gets their briefing.
pub fn home_briefing(at: Option<NaiveTime>, own: bool, zone: Tz) -> Text {
    let whose = as_set(own);
    Text::new().text(match at {
        Some(at) => format!(
            "Briefing: {} on working days ({}){whose}",
            at.format("%-H:%M"),
            zone.name()
        ),
        None => format!("Briefing: off{whose}"),
    })
}

/// When no notices are sent.
pub fn home_quiet(quiet: Option<QuietHours>, own: bool, zone: Tz) -> Text {
    let whose = as_set(own);
    Text::new().text(match quiet {
        Some(quiet) => format!("Quiet hours: {quiet} ({}){whose}", zone.name()),
        None => format!("Quiet hours: none{whose}"),
    })
}

/// All held notices as one message: its words, and its pieces.
pub fn held(notices: &[Text]) -> (Text, Vec<Text>) {
    below(HELD, notices)
}

/// All mentions by people from outside as one message: its words, and its pieces.
pub fn digest(notices: &[Text]) -> (Text, Vec<Text>) {
    below(DIGEST, notices)
}

fn below(lead: &str, notices: &[Text]) -> (Text, Vec<Text>) {
    let line = |notice: &Text| Text::new().text("\n• ").then(notice.clone());
    let lead = Text::new().text(lead);
    let words = notices
        .iter()
        .fold(lead.clone(), |words, notice| words.then(line(notice)));
    let blocks = notices.chunks(HELD_BLOCK).map(|notices| {
        let mut words = Text::new();
        for (number, notice) in notices.iter().enumerate() {
            let mark = if number == 0 { "• " } else { "\n• " };
            words = words.text(mark).then(notice.clone());
        }
        words
    });
    (words, [lead].into_iter().chain(blocks).collect())
}
