//! The receipt of a command for several tasks. Each part is a command of its own, with its own operation, log entry,
//! undo and pin; the whole has the message.

use chrono::{DateTime, Utc};

use super::{CompletionTrigger, by_reaction, left_out, settle_alone, shown_next};
use crate::domain::card::{CardPart, undo_buttons};
use crate::domain::ids::{CommandId, PinId};
use crate::domain::person::Person;
use crate::domain::reply::{self, Report, ReportState, TaskBrief, Text};
use crate::domain::score::Weights;
use crate::domain::task::TaskStatus;
use crate::store::operations::{self, CommandRow};
use crate::store::{DbError, DbResult, Tx, Wake, access, effects, messages, people, tasks};

/// The lines of a receipt in one block of a message.
const LINES_A_BLOCK: usize = 8;
/// The verb of an `undo`, as stored.
const UNDO: &str = "undo";

/// The receipt of a command for several tasks.
pub struct Receipt {
    /// The report, with those of the parts.
    pub report: Report,
    /// The same for Slack, with the next task and the button that undoes all of it.
    pub parts: Vec<CardPart>,
    /// The pin that it shows.
    pub pin: Option<PinId>,
}

/// Updates the receipt of the command that a part belongs to.
pub(super) fn settle_whole_of(
    tx: &Tx<'_>,
    whole: CommandId,
    trigger: CompletionTrigger,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<()> {
    match operations::command(tx, whole)? {
        Some(whole) => settle(tx, &whole, false, trigger, now, weights),
        None => Ok(()),
    }
}

/// Updates the receipt of a command for several tasks: when all parts have ended, and before that with each change once
/// its person knows that it waits. With `asks_all` the reasons of the waiting parts are looked up, too.
pub(super) fn settle(
    tx: &Tx<'_>,
    whole: &CommandRow,
    asks_all: bool,
    trigger: CompletionTrigger,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<()> {
    if whole.settled {
        return Ok(());
    }
    let mut parts = operations::parts(tx, whole.id)?;
    let ended = parts.iter().all(|part| part.settled);
    if !ended && trigger == CompletionTrigger::Ended && !whole.queued {
        return Ok(());
    }
    if !ended {
        for part in parts {
            if !part.settled && (asks_all || part.report.is_none()) {
                settle_alone(tx, part, None, CompletionTrigger::Waits, now, weights)?;
            }
        }
        parts = operations::parts(tx, whole.id)?;
    }
    let person = people::by_id(tx, whole.person)?;
    let receipt = receipt(tx, whole, &parts, &person, ended, now, weights)?;
    let json = tasks::json(&receipt.report)?;
    if !ended && whole.report.as_ref() == Some(&json) {
        return Ok(());
    }
    operations::report(tx, whole.id, &json, ended, now)?;
    if ended {
        give_back(tx, whole, &receipt.report)?;
    }
    if whole.has_reaction {
        by_reaction(tx, whole.id, &receipt.report, now)?;
    }
    let words = receipt.report.words();
    let shown = (receipt.pin, None);
    messages::say(tx, whole.id, &words, &receipt.parts, shown, now)?;
    tx.wake(Wake::Messages);
    tx.wake(Wake::Settled);
    tx.wake(Wake::Homes);
    Ok(())
}

/// Settles a command for several tasks whose parts have all ended, and which has no message yet.
pub fn conclude(
    tx: &Tx<'_>,
    person: &Person,
    whole: CommandId,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<Receipt> {
    let row = operations::command(tx, whole)?.ok_or(DbError::QueryReturnedNoRows)?;
    let parts = operations::parts(tx, whole)?;
    let receipt = receipt(tx, &row, &parts, person, true, now, weights)?;
    let json = tasks::json(&receipt.report)?;
    operations::report(tx, whole, &json, true, now)?;
    give_back(tx, &row, &receipt.report)?;
    Ok(receipt)
}

/// If a part of an `undo` was refused, the rest can be undone again.
fn give_back(tx: &Tx<'_>, whole: &CommandRow, report: &Report) -> DbResult<()> {
    let failed = report
        .parts
        .iter()
        .any(|part| matches!(part.state, ReportState::Refused(_) | ReportState::GivenUp));
    if failed && let Some(stands) = effects::give_back(tx, whole.id)? {
        let buttons = undo_buttons(&operations::uid(tx, stands)?, None);
        messages::offers_undo(tx, stands, Some(buttons))?;
    }
    Ok(())
}

fn receipt(
    tx: &Tx<'_>,
    whole: &CommandRow,
    parts: &[CommandRow],
    person: &Person,
    ended: bool,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<Receipt> {
    let read = |part: &CommandRow| serde_json::from_str::<Report>(part.report.as_deref()?).ok();
    let mut reports: Vec<Report> = parts.iter().filter_map(read).collect();
    if whole.verb == UNDO {
        // The last part was undone first.
        reports.reverse();
    }
    let mut report = reply::several(reports);
    let announces = report
        .parts
        .iter()
        .any(|part| part.next.is_some() || part.emptied);
    let mut pin = None;
    if announces || parts.iter().any(|part| part.moved) {
        let current = people::current_pin(tx, person.id)?;
        pin = current.map(|pin| pin.id);
        let task = current.and_then(|pin| pin.task);
        let stored = match task.filter(|_| announces) {
            Some(row) => access::shown(tx, person, tasks::by_row(tx, row)?)?,
            None => None,
        };
        let open = stored.filter(|one| one.task.status != TaskStatus::Done && !one.gone);
        report.next = open.map(|one| TaskBrief::from(&one.task));
        report.emptied = announces && task.is_none();
        if report.emptied {
            report.held_back = left_out(tx, person, None, now, weights)?;
        }
    }
    let can_undo =
        ended && whole.verb != UNDO && !whole.undone && effects::parts_changed(tx, whole.id)?;
    let next = shown_next(tx, &report, person, now, weights)?;
    let mut shown: Vec<CardPart> = blocks(&report, next.is_some());
    shown.extend(next.map(CardPart::Card));
    shown.extend(can_undo.then(|| undo_buttons(&whole.uid, None)));
    Ok(Receipt {
        report,
        parts: shown,
        pin,
    })
}

/// The lines of a receipt in pieces, of which each fits into a block of Slack.
fn blocks(report: &Report, has_next: bool) -> Vec<CardPart> {
    let mut lines = reply::receipt_lines(report);
    if has_next {
        lines.push(Text::new().text("Next:"));
    }
    let block = |lines: &[Text]| CardPart::Text(reply::joined(lines.iter().cloned(), "\n"));
    lines.chunks(LINES_A_BLOCK).map(block).collect()
}
