//! Applies a source's report of a task to the mirror and sends notices about it, in one transaction.
//!
//! Webhooks and polls meet here. The source's own clock decides which report is newer (P4). At the same time a
//! requested report beats a payload, because payloads arrive in any order.

use chrono::{DateTime, Duration, Utc};

use crate::cards;
use crate::domain::change::{TaskChange, is_one_of};
use crate::domain::event::{Activity, ActivityKind, MissingParts, TaskField, acts};
use crate::domain::log::{ActivityResult, Via, done_elsewhere};
use crate::domain::person::PersonId;
use crate::domain::task::{Task, TaskKey};
use crate::notices;
use crate::store::tasks::{self, StoredTask};
use crate::store::{
    DbResult, Tx, comments, effects, log, operations, people, restored, search, tombstones,
};

/// The largest difference between the two times that a task and its history give to the same activity.
const ONE_ACT_WITHIN: Duration = Duration::seconds(2);

/// The origin of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportOrigin {
    /// Requested at this time by our clock: a read, or a page of a listing.
    Asked(DateTime<Utc>),
    /// A webhook's payload, of any age, with the fields that it lacks.
    Payload(MissingParts),
}

/// The result of applying a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The mirror has changed.
    Changed,
    /// The mirror is unchanged: it has this state, or a newer one.
    Same,
    /// A payload that differs from the stored report of the same time, or lacks a stored field. The source has to be
    /// asked; nothing was changed and no notice sent.
    Ask,
}

/// Stores a source's report of a task, and notifies the people concerned about activities of others.
pub fn seen(
    tx: &Tx<'_>,
    task: &Task,
    account: ReportOrigin,
    told: Vec<Activity>,
    now: DateTime<Utc>,
) -> DbResult<Applied> {
    let before = tasks::by_key(tx, &task.key)?;
    let mut task = task.clone();
    if let Some(kept) = &before {
        task.remember(&kept.task);
    }
    if matches!(account, ReportOrigin::Payload(_)) {
        // As it is stored, for the comparison.
        task.children = tasks::children(tx, &task, before.as_ref())?;
    }
    closed_by(&mut task, &told);
    let task = &task;
    let read_at = match (account, &before) {
        (ReportOrigin::Asked(at), _) => at,
        // The payload may be older than the deletion of the task.
        (ReportOrigin::Payload(_), None) if tombstones::is_buried(tx, &task.key)? => {
            return Ok(Applied::Ask);
        }
        (ReportOrigin::Payload(_), None) => now,
        // A late payload may be older than the report that the task is gone or away.
        (ReportOrigin::Payload(_), Some(kept)) if kept.gone || kept.away => {
            return Ok(Applied::Ask);
        }
        (ReportOrigin::Payload(lacks), Some(kept))
            if task.updated_at >= kept.task.updated_at && lacks.hides(&kept.task, task) =>
        {
            return Ok(Applied::Ask);
        }
        (ReportOrigin::Payload(_), Some(kept)) if task.updated_at > kept.task.updated_at => now,
        (ReportOrigin::Payload(_), Some(kept)) => {
            if task.updated_at == kept.task.updated_at && kept.task != *task {
                return Ok(Applied::Ask);
            }
            // An old report changes nothing, but its comments are still news.
            let comments = told
                .into_iter()
                .filter(|act| matches!(act.what, ActivityKind::Commented { .. }))
                .collect();
            tell(tx, Some(kept), kept, comments, None, now)?;
            return Ok(Applied::Same);
        }
    };
    let (after, changed) = tasks::keep(tx, task, read_at, before.as_ref())?;
    if after.gone || after.away {
        return Ok(Applied::Same);
    }
    let news = acts(before.as_ref().map(|kept| &kept.task), &after.task, told);
    if changed {
        cards::refresh(tx, &after, now)?;
        recount(tx, before.as_ref(), &after, now)?;
    }
    tell(tx, before.as_ref(), &after, news, None, now)?;
    Ok(match changed {
        true => Applied::Changed,
        false => Applied::Same,
    })
}

/// Reports a comment found by a poll, if the task is mirrored and the comment is new.
pub fn commented(tx: &Tx<'_>, key: &TaskKey, act: Activity, now: DateTime<Utc>) -> DbResult<()> {
    match tasks::by_key(tx, key)? {
        Some(kept) if !kept.gone && !kept.away => {
            tell(tx, Some(&kept), &kept, vec![act], None, now)
        }
        _ => Ok(()),
    }
}

/// Sets who completed a task. ClickUp's tasks do not say it, but the webhook of the completion does.
fn closed_by(task: &mut Task, told: &[Activity]) {
    let Some(closed) = task.closed.as_mut().filter(|closed| closed.by.is_none()) else {
        return;
    };
    // Another person may have reopened and completed it again since.
    let is_this = |act: &&Activity| {
        matches!(act.what, ActivityKind::Completed)
            && closed
                .at
                .is_none_or(|at| (act.at - at).abs() <= ONE_ACT_WITHIN)
    };
    if let Some(actor) = told
        .iter()
        .rev()
        .find(is_this)
        .and_then(|act| act.by.clone())
    {
        closed.by_us = Some(actor.us);
        closed.by = Some(actor.account);
    }
}

/// Applies a source's answer to our request: its task as of `known_at`. Reports earlier changes by others now, because
/// no webhook or poll will show them as news later. Skips the person who made the request and has the answer. `before`
/// is the stored task; returns it as it is stored now.
pub fn answered(
    tx: &Tx<'_>,
    before: Option<&StoredTask>,
    task: &Task,
    known_at: DateTime<Utc>,
    asked_by: PersonId,
    now: DateTime<Utc>,
) -> DbResult<StoredTask> {
    let (after, changed) = tasks::keep(tx, task, known_at, before)?;
    if changed {
        recount(tx, before, &after, now)?;
    }
    let news = acts(before.map(|kept| &kept.task), &after.task, Vec::new());
    tell(tx, before, &after, news, Some(asked_by), now)?;
    Ok(after)
}

/// Applies a source's report that a task was deleted.
pub fn gone(
    tx: &Tx<'_>,
    key: &TaskKey,
    told: Vec<Activity>,
    known_at: DateTime<Utc>,
) -> DbResult<Applied> {
    match tasks::by_key(tx, key)? {
        Some(kept) if !kept.gone => {
            tasks::mark_gone(tx, key, known_at)?;
            let told = told
                .into_iter()
                .find(|act| act.what == ActivityKind::Deleted);
            let deleted = told.unwrap_or(Activity {
                by: None,
                at: known_at,
                what: ActivityKind::Deleted,
            });
            tell(tx, Some(&kept), &kept, vec![deleted], None, known_at)?;
            redrawn(tx, key, known_at)
        }
        // An earlier request may still be answered, and a task that is not mirrored may never have been read.
        _ => tasks::mark_gone(tx, key, known_at).map(|()| Applied::Same),
    }
}

/// Applies our own deletion of a task.
pub fn removed(tx: &Tx<'_>, key: &TaskKey, now: DateTime<Utc>) -> DbResult<()> {
    tasks::mark_gone(tx, key, now)?;
    match tasks::by_key(tx, key)? {
        Some(stored) => recount(tx, None, &stored, now),
        None => Ok(()),
    }
}

/// Marks a task as moved to a place that is not mirrored.
pub fn away(tx: &Tx<'_>, key: &TaskKey, known_at: DateTime<Utc>) -> DbResult<Applied> {
    let is_mirrored = tasks::by_key(tx, key)?.is_some();
    tasks::mark_away(tx, key, known_at)?;
    match is_mirrored {
        true => redrawn(tx, key, known_at),
        false => Ok(Applied::Same),
    }
}

/// Applies the move of a task to another key, as read at `asked_at`. References to the old task keep working.
pub fn moved(
    tx: &Tx<'_>,
    from: &TaskKey,
    task: &Task,
    asked_at: DateTime<Utc>,
    told: Vec<Activity>,
    now: DateTime<Utc>,
) -> DbResult<Applied> {
    let applied = seen(tx, task, ReportOrigin::Asked(asked_at), told, now)?;
    if let (Some(old), Some(new)) = (tasks::by_key(tx, from)?, tasks::by_key(tx, &task.key)?) {
        tasks::succeed(tx, old.row, new.row)?;
        cards::succeed(tx, old.row, &new, now)?;
    }
    tasks::mark_away(tx, from, asked_at)?;
    if let Some(old) = tasks::by_key(tx, from)? {
        recount(tx, None, &old, now)?;
    }
    Ok(applied)
}

fn redrawn(tx: &Tx<'_>, key: &TaskKey, now: DateTime<Utc>) -> DbResult<Applied> {
    if let Some(stored) = tasks::by_key(tx, key)? {
        cards::refresh(tx, &stored, now)?;
        recount(tx, None, &stored, now)?;
    }
    Ok(Applied::Changed)
}

/// Counts the parts of a task's parent again, and of its parent until now. Their cards show the number.
///
/// A task that was moved to another place stays a part of its parent.
fn recount(
    tx: &Tx<'_>,
    before: Option<&StoredTask>,
    after: &StoredTask,
    now: DateTime<Utc>,
) -> DbResult<()> {
    let was = before.and_then(|kept| kept.task.parent.as_ref());
    let is = after.task.parent.as_ref();
    for key in was.into_iter().chain(is.filter(|is| was != Some(*is))) {
        let left = after.gone || is != Some(key);
        if let Some(parent) = tasks::recount(tx, key, left)? {
            cards::refresh(tx, &parent, now)?;
        }
    }
    Ok(())
}

/// Logs activities of others and notifies the people concerned, except `except`, who is informed otherwise.
fn tell(
    tx: &Tx<'_>,
    before: Option<&StoredTask>,
    after: &StoredTask,
    acts: Vec<Activity>,
    except: Option<PersonId>,
    now: DateTime<Utc>,
) -> DbResult<()> {
    let mut news = Vec::new();
    for act in acts {
        if is_news(tx, after, &act, now)? && !is_ours(tx, after, &act)? {
            news.push(act);
        }
    }
    if news.is_empty() {
        return Ok(());
    }
    write_down(tx, before, after, &news, now)?;
    notices::tell(tx, before, after, &news, except, now)?;
    notices::tell_threads(tx, after, &news, &[], now)
}

/// Adds an activity to the task's history under its author's name in the source, or as one of our people if the account
/// is theirs.
fn write_down(
    tx: &Tx<'_>,
    before: Option<&StoredTask>,
    after: &StoredTask,
    news: &[Activity],
    now: DateTime<Utc>,
) -> DbResult<()> {
    let source = after.task.key.source();
    let actors = news.iter().filter_map(|act| act.by.as_ref());
    let accounts: Vec<_> = actors.map(|actor| &actor.account).collect();
    let people = match accounts.is_empty() {
        true => Vec::new(),
        false => people::among(tx, &[], source, &accounts)?,
    };
    for act in news {
        let account = act.by.as_ref().map(|actor| &actor.account);
        let person = account.and_then(|account| {
            let ours = people.iter().find(|one| one.has(source, account));
            ours.map(|person| person.id)
        });
        let before = before.map(|kept| &kept.task);
        let (verb, change) = done_elsewhere(&act.what, before, &after.task);
        let entry = log::NewEntry {
            at: act.at,
            person,
            account: account.map(|account| account.name.as_str()),
            via: Via::In(source),
            token: None,
            verb,
            came: ActivityResult::Done,
            source: Some(source),
            row: Some(after.row),
            title: &after.task.title,
            task: Some(&after.task),
            change,
            detail: None,
        };
        log::keep(tx, &entry, now)?;
    }
    Ok(())
}

/// Whether a comment is new. Webhook and poll may both bring it; the first counts. Both count as activity of the task.
fn is_news(tx: &Tx<'_>, task: &StoredTask, act: &Activity, now: DateTime<Utc>) -> DbResult<bool> {
    let ActivityKind::Commented { id, text, .. } = &act.what else {
        return Ok(true);
    };
    let key = &task.task.key;
    comments::commented_on(tx, key, act.at)?;
    let is_new = comments::hear(tx, key.source(), id, now)?;
    if is_new {
        search::heard(tx, task.row, &text.to_string())?;
    }
    Ok(is_new)
}

/// Whether an activity is our own write coming back. It causes no notice: `settle` sent the notices.
fn is_ours(tx: &Tx<'_>, task: &StoredTask, act: &Activity) -> DbResult<bool> {
    let by_us = act.by.as_ref().map(|actor| actor.us);
    if by_us == Some(false) {
        return Ok(false);
    }
    if is_recorded(tx, task, act)? {
        return Ok(true);
    }
    // A store that was put back lacks what Ivan did since.
    let has_marker = matches!(
        &act.what,
        ActivityKind::Commented {
            operation: Some(_),
            ..
        }
    );
    Ok((by_us == Some(true) || has_marker) && restored::is_lost(tx, act.at)?)
}

/// Whether the store has the write behind an activity.
fn is_recorded(tx: &Tx<'_>, task: &StoredTask, act: &Activity) -> DbResult<bool> {
    let (key, source) = (&task.task.key, task.task.key.source());
    let has = |handles: &[String], account| is_one_of(source, account, handles);
    let made = |is_it: &dyn Fn(&TaskChange) -> bool| effects::changes(tx, key, act.at, is_it);
    match &act.what {
        ActivityKind::Completed => operations::completes(tx, key, act.at),
        ActivityKind::Reopened => effects::reopens(tx, key, act.at),
        ActivityKind::Assigned { to } => {
            made(&|change| matches!(change, TaskChange::Assign { add, .. } if has(add, to)))
        }
        ActivityKind::Unassigned { from } => {
            made(&|change| matches!(change, TaskChange::Assign { remove, .. } if has(remove, from)))
        }
        ActivityKind::Changed { field } => match field {
            TaskField::Title => Ok(false),
            TaskField::Due => made(&|change| {
                matches!(change, TaskChange::Due(_) | TaskChange::DueOn(_))
                    && change.holds_in(&task.task)
            }),
            TaskField::Priority => made(&|change| {
                // A label may be a priority.
                matches!(
                    change,
                    TaskChange::Priority(_) | TaskChange::PriorityLabels(_) | TaskChange::Labels(_)
                ) && change.holds_in(&task.task)
            }),
        },
        ActivityKind::Deleted => effects::deletes(tx, key, act.at),
        ActivityKind::Commented {
            id,
            text,
            operation,
        } => operations::commented(tx, key, id, operation.as_deref(), text),
    }
}
