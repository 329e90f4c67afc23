//! The table of the activity log: rows are added, read, and removed by age.

use super::db::Db;
use chrono::{DateTime, Utc};
use rusqlite::{Row, params};

use super::columns::{corrupt, millis};
use crate::domain::ids::{EntryId, TaskRow};
use crate::domain::log::{ActivityResult, Entry, LoggedChange, Via};
use crate::domain::overview::EndedCommand;
use crate::domain::person::PersonId;
use crate::domain::stats::LoggedAct;
use crate::domain::task::{Source, Task};

/// A new row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry<'a> {
    /// The time of the request, or of the action by the source's clock; UTC.
    pub at: DateTime<Utc>,
    /// `None` if no person of ours acted.
    pub person: Option<PersonId>,
    /// The name of the acting account at the source; `None` for commands.
    pub account: Option<&'a str>,
    /// The way in which the request came.
    pub via: Via,
    /// The name of the API's token; `None` for the single one, and elsewhere.
    pub token: Option<&'a str>,
    /// The name of a verb, or of an action elsewhere, as `completed`.
    pub verb: &'a str,
    /// The outcome.
    pub came: ActivityResult,
    /// `None` if the activity had none.
    pub source: Option<Source>,
    /// The row of its task.
    pub row: Option<TaskRow>,
    /// The title of a task that is not in the mirror.
    pub title: &'a str,
    /// `None` if the task is not in the mirror.
    pub task: Option<&'a Task>,
    /// The difference that it made; empty for none.
    pub change: LoggedChange,
    /// Why it failed; `None` if it did not.
    pub detail: Option<&'a str>,
}

/// The filter of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Only activity of this person.
    pub person: Option<PersonId>,
    /// Only activity on the task of this row.
    pub task: Option<TaskRow>,
    /// Only entries before the one with this number.
    pub before: Option<EntryId>,
    /// The largest number of entries.
    pub limit: usize,
}

/// Adds a row. `now` counts for its retention.
pub fn keep(tx: &Db, entry: &NewEntry<'_>, now: DateTime<Utc>) -> rusqlite::Result<()> {
    let task = entry.task;
    tx.execute("INSERT INTO log (kept_ms, at_ms, person_id, account, surface, verb, outcome, source, task_id, task, title, url,
             before, after, text, detail, token)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)", params![
        now.timestamp_millis(),
        entry.at.timestamp_millis(),
        entry.person,
        entry.account,
        entry.via.as_str(),
        entry.verb,
        entry.came.as_str(),
        entry.source.map(Source::as_str),
        entry.row,
        task.map(|task| task.id.to_string()),
        task.map_or(entry.title, |task| &task.title),
        task.map_or("", |task| &task.url),
        entry.change.before,
        entry.change.after,
        entry.change.text,
        entry.detail,
        entry.token,
    ])?;
    Ok(())
}

/// Whether the entry with this number has this time. In another store, or an older copy, it has another.
pub fn is_entry(connection: &Db, id: EntryId, at_ms: i64) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM log WHERE id = ?1 AND at_ms = ?2)",
        params![id, at_ms],
        |row| row.get(0),
    )
}

/// The matching entries, newest first.
pub fn listed(connection: &Db, wanted: &LogFilter) -> rusqlite::Result<Vec<Entry>> {
    connection
        .query_map("SELECT log.id, at_ms, people.name, account, surface, verb, outcome, source, task, title, url, before, after,
                 text, detail, log.token
             FROM log LEFT JOIN people ON people.id = log.person_id
             WHERE (?1 IS NULL OR log.person_id = ?1) AND (?2 IS NULL OR log.task_id = ?2) AND (?3 IS NULL OR log.id < ?3)
             ORDER BY log.id DESC LIMIT ?4", params![
                wanted.person,
                wanted.task,
                wanted.before,
                i64::try_from(wanted.limit).unwrap_or(i64::MAX)
            ],
            entry)
}

/// Our commands among the newest entries since that time, newest first; and whether there are more entries.
pub fn ended_since(
    connection: &Db,
    since: DateTime<Utc>,
    at_most: i64,
) -> rusqlite::Result<(Vec<EndedCommand>, bool)> {
    let newest = "SELECT at_ms, kept_ms, outcome, surface FROM log WHERE kept_ms >= ?1 ORDER BY kept_ms DESC LIMIT ?2";
    let limits = params![since.timestamp_millis(), at_most];
    connection.query(newest, limits, |rows| {
        let (mut commands, mut read) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            read += 1;
            let via = Via::parse(row.get_ref(3)?.as_str()?).ok_or_else(|| corrupt(3))?;
            if matches!(via, Via::In(_)) {
                continue;
            }
            let came = ActivityResult::parse(row.get_ref(2)?.as_str()?);
            commands.push(EndedCommand {
                asked_at: millis(row.get(0)?),
                ended_at: millis(row.get(1)?),
                came: came.ok_or_else(|| corrupt(2))?,
            });
        }
        Ok((commands, read == at_most))
    })
}

/// The parts of entries that figures need, newest first.
const ACTS: &str = "SELECT kept_ms, at_ms, surface, verb, outcome, task_id, ifnull(before <> after, 0), text IS NOT NULL FROM log";

/// Hands entries that were written since that time to `each`, newest first: those of a person, or all. At most so many
/// are read. Returns the time since when the log has all of them, and they were handed over.
pub fn acts_since(
    connection: &Db,
    person: Option<PersonId>,
    since: DateTime<Utc>,
    at_most: i64,
    each: &mut dyn FnMut(&LoggedAct<'_>),
) -> rusqlite::Result<DateTime<Utc>> {
    let forgotten: i64 =
        connection.query_row("SELECT before_ms FROM log_horizon", [], |row| row.get(0))?;
    let first: Option<i64> =
        connection.query_row("SELECT min(kept_ms) FROM log", [], |row| row.get(0))?;
    // An empty log has nothing of the time before.
    let complete = first.unwrap_or(i64::MAX).max(forgotten);
    let complete = DateTime::from_timestamp_millis(complete).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let since_ms = since.timestamp_millis();
    let hand_over = |rows: &mut rusqlite::Rows<'_>| -> rusqlite::Result<Option<DateTime<Utc>>> {
        let (mut read, mut oldest) = (0, since_ms);
        while let Some(row) = rows.next()? {
            let kept_ms: i64 = row.get(0)?;
            if kept_ms < since_ms {
                return Ok(None);
            }
            (read, oldest) = (read + 1, kept_ms);
            let via = Via::parse(row.get_ref(2)?.as_str()?).ok_or_else(|| corrupt(2))?;
            let came = ActivityResult::parse(row.get_ref(4)?.as_str()?);
            each(&LoggedAct {
                verb: row.get_ref(3)?.as_str()?,
                at: millis(row.get(1)?),
                recorded_at: millis(kept_ms),
                came: came.ok_or_else(|| corrupt(4))?,
                task: row.get(5)?,
                status_changed: row.get(6)?,
                has_text: row.get(7)?,
                is_command: !matches!(via, Via::In(_)),
            });
        }
        Ok((read == at_most).then(|| millis(oldest)))
    };
    let cut_at = match person {
        Some(person) => connection.query(
            &format!("{ACTS} WHERE person_id = ?1 ORDER BY id DESC LIMIT ?2"),
            params![person, at_most],
            hand_over,
        ),
        None => connection.query(
            &format!("{ACTS} WHERE kept_ms >= ?1 ORDER BY kept_ms DESC LIMIT ?2"),
            params![since_ms, at_most],
            hand_over,
        ),
    }?;
    Ok(cut_at.map_or(complete, |cut_at| complete.max(cut_at)))
}

/// Removes entries from before that time and moves the horizon, the time since when the log is complete.
pub fn forget(tx: &Db, before: DateTime<Utc>, at_most: i64) -> rusqlite::Result<usize> {
    tx.execute(
        "UPDATE log_horizon SET before_ms = ?1 WHERE before_ms < ?1",
        [before.timestamp_millis()],
    )?;
    let rows = tx.execute(
        "DELETE FROM log WHERE id IN (SELECT id FROM log WHERE kept_ms < ?1 ORDER BY kept_ms LIMIT ?2)",
        params![before.timestamp_millis(), at_most],
    )?;
    if rows > 0 {
        metrics::counter!("ivan_rows_forgotten_total", "table" => "log").increment(rows as u64);
    }
    Ok(rows)
}

/// The entry of a row with the columns of [`listed`].
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: row.get(0)?,
        at: millis(row.get(1)?),
        person: row.get(2)?,
        account: row.get(3)?,
        via: Via::parse(&row.get::<_, String>(4)?).ok_or_else(|| corrupt(4))?,
        verb: row.get(5)?,
        came: ActivityResult::parse(&row.get::<_, String>(6)?).ok_or_else(|| corrupt(6))?,
        source: row
            .get::<_, Option<String>>(7)?
            .and_then(|word| Source::parse(&word)),
        task: row.get(8)?,
        title: row.get(9)?,
        url: row.get(10)?,
        change: LoggedChange {
            before: row.get(11)?,
            after: row.get(12)?,
            text: row.get(13)?,
        },
        detail: row.get(14)?,
        token: row.get(15)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn with_entries(seconds: &[i64]) -> Db {
        let connection = Db::in_memory();
        for second in seconds {
            let entry = NewEntry {
                at: at(*second),
                person: None,
                account: Some("bo"),
                via: Via::In(Source::GitHub),
                token: None,
                verb: "completed",
                came: ActivityResult::Done,
                source: Some(Source::GitHub),
                row: None,
                title: "Login fails",
                task: None,
                change: LoggedChange::default(),
                detail: None,
            };
            keep(&connection, &entry, at(*second)).unwrap();
        }
        connection
    }

    fn count(connection: &Db) -> i64 {
        connection
            .query_row("SELECT count(*) FROM log", [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn no_row_is_changed_or_taken_out() {
        let connection = with_entries(&[10, 20]);
        connection.execute_batch("INSERT INTO tasks (id, source, source_key, task_id, container, title, created_ms, seen_ms, read_us) VALUES (7, 'github', '1:1', 'github:a/b#1', '1', 't', 0, 0, 0)").unwrap();
        for sql in [
            "UPDATE log SET verb = 'undo'",
            "UPDATE log SET detail = 'x', task_id = 7",
            "UPDATE log SET at_ms = at_ms + 1 WHERE id = 1",
            "DELETE FROM log",
            "DELETE FROM log WHERE id = 2",
            "DELETE FROM log_horizon",
        ] {
            let refusal = connection.execute(sql, []).unwrap_err().to_string();
            assert!(refusal.contains("the log"), "{sql}: {refusal}");
        }
        assert_eq!(count(&connection), 2);
        let moved = connection.execute("UPDATE log SET task_id = 7", []);
        assert_eq!(moved, Ok(2), "a task's history goes where the task goes");
    }

    #[test]
    fn it_is_forgotten_by_age_in_small_steps_and_says_how_far() {
        let connection = with_entries(&[10, 20, 30, 40]);
        assert_eq!(forget(&connection, at(35), 2).unwrap(), 2);
        assert_eq!(forget(&connection, at(35), 2).unwrap(), 1);
        assert_eq!(forget(&connection, at(35), 2).unwrap(), 0);
        // A longer retention does not bring entries back.
        assert_eq!(forget(&connection, at(5), 2).unwrap(), 0);
        let horizon: i64 = connection
            .query_row("SELECT before_ms FROM log_horizon", [], |row| row.get(0))
            .unwrap();
        assert_eq!((count(&connection), horizon), (1, 35_000));
        let back = connection.execute("UPDATE log_horizon SET before_ms = 0", []);
        assert!(back.is_err());
    }

    #[test]
    fn the_newest_commands_are_counted_and_changes_by_others_are_not() {
        let connection = with_entries(&[10, 40]);
        for (asked, ended, came) in [
            (20, 21, ActivityResult::Done),
            (30, 36, ActivityResult::Refused),
        ] {
            let entry = NewEntry {
                at: at(asked),
                person: None,
                account: None,
                via: Via::Dm,
                token: None,
                verb: "done",
                came,
                source: None,
                row: None,
                title: "",
                task: None,
                change: LoggedChange::default(),
                detail: None,
            };
            keep(&connection, &entry, at(ended)).unwrap();
        }
        let refused = EndedCommand {
            asked_at: at(30),
            ended_at: at(36),
            came: ActivityResult::Refused,
        };
        let (all, cut) = ended_since(&connection, at(5), 10).unwrap();
        assert_eq!((all.len(), all[0], cut), (2, refused, false));
        let (late, _) = ended_since(&connection, at(30), 10).unwrap();
        assert_eq!(late, [refused]);
        // A change by others is the newest entry.
        assert_eq!(ended_since(&connection, at(5), 1).unwrap(), (vec![], true));
    }

    #[test]
    fn acts_are_handed_over_newest_first_as_far_as_they_are_read() {
        let connection = with_entries(&[10, 20, 30, 40]);
        connection
            .execute_batch("INSERT INTO people (id, name) VALUES (101, 'Ana')")
            .unwrap();
        let own = NewEntry {
            at: at(41),
            person: Some(PersonId(101)),
            account: None,
            via: Via::Cli,
            token: None,
            verb: "comment",
            came: ActivityResult::AlreadySo,
            source: None,
            row: None,
            title: "",
            task: None,
            change: LoggedChange {
                before: Some("open".to_owned()),
                after: Some("closed".to_owned()),
                text: Some("shipped".to_owned()),
            },
            detail: None,
        };
        keep(&connection, &own, at(42)).unwrap();
        let acts = |person, since, at_most| {
            let mut seen = Vec::new();
            let complete = acts_since(&connection, person, at(since), at_most, &mut |act| {
                seen.push((act.recorded_at.timestamp(), act.is_command));
            });
            (seen, complete.unwrap().timestamp())
        };
        let newest = vec![(42, true), (40, false), (30, false)];
        assert_eq!(acts(None, 30, 100), (newest.clone(), 10));
        assert_eq!(acts(None, 5, 3), (newest, 30), "two more are not read");
        assert_eq!(acts(Some(PersonId(101)), 5, 100), (vec![(42, true)], 10));
        assert_eq!(acts(Some(PersonId(101)), 43, 100), (vec![], 10));
        let mut parts = None;
        acts_since(&connection, None, at(42), 1, &mut |act| {
            parts = Some((act.at, act.came, act.status_changed, act.has_text));
        })
        .unwrap();
        assert_eq!(parts, Some((at(41), ActivityResult::AlreadySo, true, true)));
        forget(&connection, at(25), 10).unwrap();
        assert_eq!(acts(None, 30, 100).1, 30);
        let empty = acts_since(&Db::in_memory(), None, at(0), 10, &mut |_| ());
        assert_eq!(empty, Ok(DateTime::<Utc>::MAX_UTC));
    }

    #[test]
    fn pages_follow_each_other() {
        let connection = with_entries(&[10, 20, 30]);
        let page = |before| {
            let wanted = LogFilter {
                before,
                limit: 2,
                ..LogFilter::default()
            };
            let ids = listed(&connection, &wanted).unwrap();
            ids.iter().filter_map(|entry| entry.id).collect::<Vec<_>>()
        };
        assert_eq!(page(None), [EntryId(3), EntryId(2)]);
        assert_eq!(page(Some(EntryId(2))), [EntryId(1)]);
    }
}
