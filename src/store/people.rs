//! People, the pins that they were shown, and the tasks behind their list numbers.

use std::sync::Arc;

use super::db::Db;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use rusqlite::{OptionalExtension, Row, params};

use super::columns::{json, micros};
use super::links;
use crate::domain::ids::{ListId, MessageId, PinId, TaskRow};
use crate::domain::person::{Person, PersonId};
use crate::domain::queue::Pin;
use crate::domain::receipts::ReceiptMode;
use crate::domain::task::{Account, Source, TaskKey};

/// Pins and lists stored per person: enough for every command that can still be under way.
const KEPT: i64 = 50;
/// The oldest pins and lists that are deleted at a time. A pin that is still referenced stays.
const AT_A_TIME: i64 = 4;

/// A person as configured in `bot.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// The name in the API and the CLI.
    pub name: String,
    /// Slack id; `None`: no commands from Slack.
    pub slack: Option<String>,
    /// GitHub login, as in bot.toml; `None` if unset.
    pub github: Option<String>,
    /// ClickUp member id, as in bot.toml; `None` if unset.
    pub clickup: Option<String>,
}

const COLUMNS: &str =
    "id, name, slack_id, github, clickup_id, zone, alone, github_id, clickup_name";

/// The name of the only person if `bot.toml` has no `[[people]]`.
const ALONE: &str = "me";

/// The longest name that is taken from Slack, in characters.
const NAME_MAX: usize = 80;

/// The people of `bot.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// `[[people]]`.
    pub people: Vec<Configured>,
    /// Slack ids of `slack.operators`, who are people as well.
    pub operators: Vec<String>,
    /// Whether one person stands for every user.
    pub shared: bool,
}

/// Aligns the table with `bot.toml`. Without people there, one person stands for every user.
pub fn configure(tx: &Db, people: &[Configured]) -> rusqlite::Result<()> {
    let roster = Roster {
        people: people.to_vec(),
        operators: Vec::new(),
        shared: people.is_empty(),
    };
    enlist(tx, &roster)
}

/// Aligns the table with the people of `bot.toml`. People whom operators added in Slack stay, unless one person stands for
/// every user. `[[people]]` is the stronger word: an entry with their Slack id takes their row over.
///
/// A person is identified by the Slack id, or by the name if there is none. A new name for an id is a new label. A new
/// id under a name is a new person with no data of the former. A row without an id goes to the first person with its
/// name and an id that is new here.
///
/// People who are already as configured are not written again.
pub fn enlist(tx: &Db, roster: &Roster) -> rusqlite::Result<()> {
    if !are_as_configured(tx, roster)? {
        write_configured(tx, roster)?;
    }
    links::configure(tx)
}

/// Whether the present people are exactly these, and nobody else is known.
fn are_as_configured(tx: &Db, roster: &Roster) -> rusqlite::Result<bool> {
    let mut wanted: Vec<&Configured> = roster.people.iter().collect();
    wanted.sort_by(|one, other| one.name.cmp(&other.name));
    let is_listed = |id: &String| wanted.iter().any(|one| one.slack.as_ref() == Some(id));
    if roster.shared || !roster.operators.iter().all(is_listed) {
        return Ok(false);
    }
    let others: bool = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM people WHERE listed_by <> 'config')",
        [],
        |row| row.get(0),
    )?;
    if others {
        return Ok(false);
    }
    tx.query(
        "SELECT name, slack_id, github, clickup_id, alone FROM people WHERE present = 1
         ORDER BY name COLLATE BINARY",
        [],
        |rows| {
            for person in wanted {
                let Some(row) = rows.next()? else {
                    return Ok(false);
                };
                let found = Configured {
                    name: row.get(0)?,
                    slack: row.get(1)?,
                    github: row.get(2)?,
                    clickup: row.get(3)?,
                };
                if found != *person || row.get::<_, bool>(4)? {
                    return Ok(false);
                }
            }
            // With nobody configured, there is the one person alone.
            Ok(!roster.people.is_empty() && rows.next()?.is_none())
        },
    )
}

fn write_configured(tx: &Db, roster: &Roster) -> rusqlite::Result<()> {
    tx.execute("UPDATE people SET present = 0", [])?;
    let alone = Configured {
        name: ALONE.to_owned(),
        slack: None,
        github: None,
        clickup: None,
    };
    let mut rows = Vec::new();
    if roster.shared {
        let found = row_of(tx, "alone = 1", &[])?;
        rows.push((found, &alone));
    }
    for person in &roster.people {
        let of_name = "name = ?1 AND slack_id IS NULL AND alone = 0";
        let found = match &person.slack {
            Some(slack) => match row_of(tx, "slack_id = ?1", &[slack])? {
                None => row_of(tx, of_name, &[&person.name])?,
                found => found,
            },
            None => row_of(tx, of_name, &[&person.name])?,
        };
        rows.push((found, person));
    }
    // Names may have been swapped: configured people release theirs first. Other rows with the same name get a suffix.
    for (row, _) in &rows {
        tx.execute(
            "UPDATE people SET name = char(1) || id WHERE id = ?1",
            [row],
        )?;
    }
    for (_, person) in &rows {
        tx.execute(
            "UPDATE people SET name = name || ' (' || ifnull(slack_id || ' ', '') || id || ')' WHERE name = ?1",
            [&person.name],
        )?;
    }
    for (row, person) in rows {
        match row {
            Some(row) => tx.execute(
                "UPDATE people SET name = ?2, slack_id = ?3, github = ?4, clickup_id = ?5, alone = ?6, present = 1,
                        listed_by = 'config'
                 WHERE id = ?1",
                params![row, person.name, person.slack, person.github, person.clickup, roster.shared],
            )?,
            None => tx.execute(
                "INSERT INTO people (name, slack_id, github, clickup_id, alone) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![person.name, person.slack, person.github, person.clickup, roster.shared],
            )?,
        };
    }
    if !roster.shared {
        tx.execute(
            "UPDATE people SET present = 1 WHERE listed_by <> 'config' AND listed_by = 'added'",
            [],
        )?;
        let listed = |id: &String| {
            roster
                .people
                .iter()
                .any(|one| one.slack.as_ref() == Some(id))
        };
        for operator in roster.operators.iter().filter(|id| !listed(id)) {
            // Their name is not known before Slack tells it.
            join(tx, operator, operator, "operator")?;
        }
    }
    // Notices to people who are no longer configured are dropped.
    tx.execute(
        "UPDATE messages SET dropped = 'its person is not configured any more'
         WHERE notice = 1 AND ts IS NULL AND begun_us IS NULL AND dropped IS NULL
           AND person_id IN (SELECT id FROM people WHERE present = 0)",
        [],
    )?;
    Ok(())
}

/// Adds a member of the workspace to the people, by an operator's word. Somebody who was a person before keeps their row.
pub fn add(tx: &Db, slack: &str, name: &str) -> rusqlite::Result<()> {
    join(tx, slack, name, "added")?;
    links::configure(tx)
}

/// Removes a person whom an operator has added; `false` if they are people for another reason.
pub fn remove(tx: &Db, slack: &str) -> rusqlite::Result<bool> {
    let removed = tx.execute(
        "UPDATE people SET present = 0, listed_by = 'config' WHERE slack_id = ?1 AND present = 1 AND listed_by = 'added'",
        [slack],
    )?;
    Ok(removed > 0)
}

/// Makes a Slack account a person. One that is present stays as it is.
fn join(tx: &Db, slack: &str, name: &str, listed_by: &str) -> rusqlite::Result<()> {
    match row_of(tx, "slack_id = ?1", &[&slack.to_owned()])? {
        // Accounts that bot.toml named for them once have no proof.
        Some(row) => tx.execute(
            "UPDATE people SET present = 1, listed_by = ?2, github = NULL, clickup_id = NULL
             WHERE id = ?1 AND present = 0",
            params![row, listed_by],
        )?,
        None => tx.execute(
            "INSERT INTO people (name, slack_id, listed_by) VALUES (?1, ?2, ?3)",
            params![free_name(tx, slack, name)?, slack, listed_by],
        )?,
    };
    Ok(())
}

/// The name of a person in the API and for others. A name, login or Slack id of somebody else is not taken: it would name
/// them.
fn free_name(tx: &Db, slack: &str, name: &str) -> rusqlite::Result<String> {
    let name: String = name.trim().chars().take(NAME_MAX).collect();
    let another = |one: &Person| one.slack.as_deref() != Some(slack);
    let is_taken = maybe_called(tx, &name)?.iter().any(another)
        || row_of(tx, "name = ?1", &[&name])?.is_some();
    Ok(match is_taken || name.is_empty() {
        true => format!("{name} ({slack})").trim().to_owned(),
        false => name,
    })
}

/// Gives an operator who is known by the Slack id only the name that Slack shows.
pub fn learn_name(tx: &Db, slack: &str, name: &str) -> rusqlite::Result<()> {
    if slack == name
        || row_of(
            tx,
            "slack_id = ?1 AND name = ?1 AND listed_by = 'operator'",
            &[&slack.to_owned()],
        )?
        .is_none()
    {
        return Ok(());
    }
    tx.execute(
        "UPDATE people SET name = ?2 WHERE slack_id = ?1",
        params![slack, free_name(tx, slack, name)?],
    )?;
    Ok(())
}

fn row_of(tx: &Db, which: &str, of: &[&String]) -> rusqlite::Result<Option<PersonId>> {
    tx.query_row(
        &format!("SELECT id FROM people WHERE {which}"),
        rusqlite::params_from_iter(of),
        |row| row.get(0),
    )
    .optional()
}

/// The people of `bot.toml` in the order of their rows, or the one person without any.
pub fn present(connection: &Db) -> rusqlite::Result<Arc<Vec<Person>>> {
    connection.remembered("present", "", || {
        let present = connection.query_map(
            &format!("SELECT {COLUMNS} FROM linked_people WHERE present = 1 ORDER BY id"),
            [],
            person,
        );
        present.map(Arc::new)
    })
}

/// The names of the people without an account at a source.
pub fn unlinked(connection: &Db, source: Source) -> rusqlite::Result<Vec<String>> {
    let people = present(connection)?;
    let lacks = |person: &&Person| !person.alone && person.account(source).is_none();
    let unlinked = people.iter().filter(lacks);
    Ok(unlinked.map(|person| person.name.clone()).collect())
}

/// Whether there is more than one person.
pub fn are_several(connection: &Db) -> rusqlite::Result<bool> {
    connection.remembered("are_several", "", || {
        connection.query_row(
            "SELECT count(*) > 1 FROM (SELECT 1 FROM people WHERE present = 1 LIMIT 2)",
            [],
            |row| row.get(0),
        )
    })
}

/// The person with this Slack id, or the only person of a `bot.toml` without `[[people]]`.
pub fn of_slack(connection: &Db, slack: &str) -> rusqlite::Result<Option<Person>> {
    connection.remembered("of_slack", slack, || {
        connection
            .query_row(
                &format!(
                    "SELECT {COLUMNS} FROM linked_people WHERE slack_id = ?1 AND present = 1
                     UNION ALL SELECT {COLUMNS} FROM linked_people WHERE alone = 1 AND present = 1
                     LIMIT 1"
                ),
                [slack],
                person,
            )
            .optional()
    })
}

/// The people with these ids or accounts at a source, and the only person of a `bot.toml` without `[[people]]`. An account
/// may be theirs only by an older name: [`Person::has`] decides.
pub fn among(
    connection: &Db,
    ids: &[PersonId],
    source: Source,
    accounts: &[&Account],
) -> rusqlite::Result<Vec<Person>> {
    let ids = json(&ids.iter().map(|id| id.0).collect::<Vec<_>>())?;
    let accounts = json(&accounts)?;
    connection.remembered("among", format!("{source} {ids} {accounts}"), || {
        connection.query_map(
            &format!(
                "SELECT {COLUMNS} FROM linked_people WHERE present = 1 AND id IN (
                 SELECT id FROM people WHERE alone = 1
                 UNION ALL SELECT value FROM json_each(?1)
                 UNION ALL SELECT person_id FROM json_each(?3) AS account
                     CROSS JOIN links ON links.source = ?2 AND account_id = account.value ->> 'id'
                 UNION ALL SELECT person_id FROM json_each(?3) AS account
                     CROSS JOIN links ON links.source = ?2 AND account_id IS NULL
                         AND links.name = account.value ->> 'name' COLLATE NOCASE
                 UNION ALL SELECT people.id FROM json_each(?3) AS account
                     CROSS JOIN people ON clickup_id = account.value ->> 'id'
                 UNION ALL SELECT people.id FROM json_each(?3) AS account
                     CROSS JOIN people ON github = account.value ->> 'name' COLLATE NOCASE)
             ORDER BY id"
            ),
            params![ids, source.as_str(), accounts],
            person,
        )
    })
}

/// People who may go by this Slack id, name or GitHub login of `bot.toml`, and the only person of a `bot.toml` without
/// `[[people]]`. A login may be theirs no longer: [`called`](crate::domain::person::called) decides.
pub fn maybe_called(connection: &Db, named: &str) -> rusqlite::Result<Vec<Person>> {
    connection.query_map(
        &format!(
            "SELECT {COLUMNS} FROM linked_people WHERE present = 1 AND id IN (
                 SELECT id FROM people WHERE alone = 1
                 UNION ALL SELECT id FROM people WHERE slack_id = ?1
                 UNION ALL SELECT id FROM people WHERE name = ?1
                 UNION ALL SELECT id FROM people WHERE github = ?1 COLLATE NOCASE)
             ORDER BY id"
        ),
        [named],
        person,
    )
}

/// The person in a row, present or not. Fails if there is no such row.
pub fn by_id(connection: &Db, id: PersonId) -> rusqlite::Result<Person> {
    connection.remembered("by_id", id.0.to_string(), || {
        connection.query_row(
            &format!("SELECT {COLUMNS} FROM linked_people WHERE id = ?1"),
            [id],
            person,
        )
    })
}

/// Stores the time zone that Slack reports for a person.
pub fn moved_to_zone(tx: &Db, id: PersonId, zone: Tz) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE people SET zone = ?2 WHERE id = ?1",
        params![id, zone.name()],
    )?;
    Ok(())
}

/// People whose time zone is unknown or UTC.
pub fn without_zone(connection: &Db) -> rusqlite::Result<Vec<Person>> {
    let present = present(connection)?;
    let unknown = present.iter().filter(|person| person.zone == Tz::UTC);
    Ok(unknown.cloned().collect())
}

/// The place for notices to a person: their DM, or their Slack id, which opens one. `None` if they want no notices or
/// have no Slack id.
pub fn told_in(connection: &Db, id: PersonId) -> rusqlite::Result<Option<String>> {
    connection.query_row(
        "SELECT CASE WHEN muted THEN NULL ELSE ifnull(dm, slack_id) END FROM people WHERE id = ?1",
        [id],
        |row| row.get(0),
    )
}

/// The place for messages that a person asked for, whether they want notices or not.
pub fn reached_in(connection: &Db, id: PersonId) -> rusqlite::Result<Option<String>> {
    connection.query_row(
        "SELECT ifnull(dm, slack_id) FROM people WHERE id = ?1",
        [id],
        |row| row.get(0),
    )
}

/// Records that a person wrote to us in this DM.
pub fn spoke_in(tx: &Db, id: PersonId, dm: &str) -> rusqlite::Result<()> {
    tx.execute("UPDATE people SET dm = ?2 WHERE id = ?1", params![id, dm])?;
    Ok(())
}

/// Stores the DM in which a message reached its person, unless one is known.
pub fn reached_by(tx: &Db, message: MessageId, dm: &str) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE people SET dm = ?2
         WHERE dm IS NULL AND id = (SELECT person_id FROM messages WHERE id = ?1)",
        params![message, dm],
    )?;
    Ok(())
}

/// Turns a person's notices off or on.
pub fn mute(tx: &Db, id: PersonId, muted: bool) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE people SET muted = ?2 WHERE id = ?1",
        params![id, muted],
    )?;
    Ok(())
}

/// Whether a person wants no notices.
pub fn is_muted(connection: &Db, id: PersonId) -> rusqlite::Result<bool> {
    connection.query_row("SELECT muted FROM people WHERE id = ?1", [id], |row| {
        row.get(0)
    })
}

/// How a person wants to learn of outcomes, if they have chosen.
pub fn receipts(connection: &Db, id: PersonId) -> rusqlite::Result<Option<ReceiptMode>> {
    let chosen: Option<String> =
        connection.query_row("SELECT receipts FROM people WHERE id = ?1", [id], |row| {
            row.get(0)
        })?;
    Ok(chosen.as_deref().and_then(ReceiptMode::of))
}

/// How a person wants to learn of outcomes, if they have chosen, and the DM that they wrote to us in.
pub fn receipts_and_dm(
    connection: &Db,
    id: PersonId,
) -> rusqlite::Result<(Option<ReceiptMode>, Option<String>)> {
    connection.remembered("receipts_and_dm", id.0.to_string(), || {
        connection.query_row(
            "SELECT receipts, dm FROM people WHERE id = ?1",
            [id],
            |row| {
                let chosen: Option<String> = row.get(0)?;
                Ok((chosen.as_deref().and_then(ReceiptMode::of), row.get(1)?))
            },
        )
    })
}

/// Stores how a person learns of outcomes; `None` for the default of bot.toml.
pub fn wants_receipts(tx: &Db, id: PersonId, by: Option<ReceiptMode>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE people SET receipts = ?2 WHERE id = ?1",
        params![id, by.map(ReceiptMode::as_str)],
    )?;
    Ok(())
}

/// Whether any person has chosen to learn of outcomes by reactions.
pub fn somebody_wants_reactions(connection: &Db) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM people WHERE present = 1 AND receipts = ?1)",
        [ReceiptMode::Reactions.as_str()],
        |row| row.get(0),
    )
}

/// The people whose current task this is.
pub fn pinned_by(connection: &Db, task: TaskRow) -> rusqlite::Result<Vec<PersonId>> {
    connection.query_map(
        "SELECT person_id FROM pins AS pin WHERE task_id = ?1
               AND id = (SELECT max(id) FROM pins WHERE person_id = pin.person_id)",
        [task],
        |row| row.get(0),
    )
}

/// The people with this task as their current one, and the person who had it created.
pub fn pinned_and_requested_by(
    connection: &Db,
    task: TaskRow,
    key: &TaskKey,
) -> rusqlite::Result<(Vec<PersonId>, Option<PersonId>)> {
    let found: Vec<(PersonId, bool)> = connection.query_map(
        "SELECT person_id, 0 FROM pins AS pin WHERE task_id = ?1
             AND id = (SELECT max(id) FROM pins WHERE person_id = pin.person_id)
         UNION ALL SELECT c.person_id, 1 FROM operations o JOIN commands c ON c.id = o.command_id
             WHERE o.source = ?2 AND o.kind = 'create' AND o.trace = ?3",
        params![task, key.source().as_str(), key.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (requested, pinned): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, made)| *made);
    let pinned = pinned.into_iter().map(|(person, _)| person).collect();
    Ok((pinned, requested.first().map(|(person, _)| *person)))
}

/// A person's current pin.
pub fn current_pin(connection: &Db, id: PersonId) -> rusqlite::Result<Option<Pin>> {
    connection
        .query_row(
            "SELECT id, task_id, shown_us FROM pins WHERE person_id = ?1 ORDER BY id DESC LIMIT 1",
            [id],
            pin_of,
        )
        .optional()
}

fn pin_of(row: &Row<'_>) -> rusqlite::Result<Pin> {
    Ok(Pin {
        id: row.get(0)?,
        task: row.get(1)?,
        shown_at: row.get::<_, Option<i64>>(2)?.map(micros),
    })
}

/// A person's pins, oldest first; the last one is the current.
pub fn pins(connection: &Db, id: PersonId) -> rusqlite::Result<Vec<Pin>> {
    connection.query_map(
        "SELECT id, task_id, shown_us FROM pins WHERE person_id = ?1 ORDER BY id",
        [id],
        pin_of,
    )
}

/// Sets a person's current task, or none if their queue is empty; `shown_at` if they can already see it.
pub fn pin(
    tx: &Db,
    id: PersonId,
    task: Option<TaskRow>,
    now: DateTime<Utc>,
    shown_at: Option<DateTime<Utc>>,
) -> rusqlite::Result<PinId> {
    tx.execute(
        "INSERT INTO pins (person_id, task_id, pinned_us, shown_us) VALUES (?1, ?2, ?3, ?4)",
        params![
            id,
            task,
            now.timestamp_micros(),
            shown_at.map(|at| at.timestamp_micros()),
        ],
    )?;
    let pin = tx.inserted(PinId);
    tx.execute(
        "DELETE FROM pins WHERE id IN (
                 SELECT id FROM pins WHERE person_id = ?1
                     AND id < (SELECT id FROM pins WHERE person_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2 - 1)
                 ORDER BY id LIMIT ?3)
             AND NOT EXISTS (SELECT 1 FROM commands WHERE next_pin = pins.id)
             AND NOT EXISTS (SELECT 1 FROM messages WHERE pin_id = pins.id)",
        params![id, KEPT, AT_A_TIME],
    )?;
    Ok(pin)
}

/// Records that people can see a pin. The earliest time counts. It may be recorded late: a message posted just before a
/// crash can be found after another has shown the same pin.
pub fn pin_shown(tx: &Db, pin: PinId, shown_at: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE pins SET shown_us = min(ifnull(shown_us, ?2), ?2) WHERE id = ?1",
        params![pin, shown_at.timestamp_micros()],
    )?;
    Ok(())
}

/// Binds the numbers 1, 2, … to tasks. They hold from the time when the list is shown.
pub fn list(
    tx: &Db,
    id: PersonId,
    tasks: &[TaskRow],
    shown_at: Option<DateTime<Utc>>,
) -> rusqlite::Result<ListId> {
    tx.execute(
        "INSERT INTO lists (person_id, shown_us) VALUES (?1, ?2)",
        params![id, shown_at.map(|at| at.timestamp_micros())],
    )?;
    let list = tx.inserted(ListId);
    for (number, task) in (1_i64..).zip(tasks) {
        tx.execute(
            "INSERT INTO list_items (list_id, number, task_id) VALUES (?1, ?2, ?3)",
            params![list, number, task],
        )?;
    }
    tx.execute(
        "DELETE FROM lists WHERE id IN (
             SELECT id FROM lists WHERE person_id = ?1
                 AND id < (SELECT id FROM lists WHERE person_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2 - 1)
             ORDER BY id LIMIT ?3)",
        params![id, KEPT, AT_A_TIME],
    )?;
    Ok(list)
}

/// Stores when a list became visible. A later time changes nothing.
pub fn list_shown(tx: &Db, list: ListId, shown_at: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE lists SET shown_us = ?2 WHERE id = ?1 AND shown_us IS NULL",
        params![list, shown_at.timestamp_micros()],
    )?;
    Ok(())
}

/// The task with this number in the list that was shown last before `typed_at`.
pub fn numbered(
    connection: &Db,
    id: PersonId,
    number: usize,
    typed_at: DateTime<Utc>,
) -> rusqlite::Result<Option<TaskRow>> {
    connection
        .query_row(
            "SELECT task_id FROM list_items WHERE number = ?2 AND list_id =
                 (SELECT id FROM lists WHERE person_id = ?1 AND shown_us < ?3 ORDER BY shown_us DESC, id DESC LIMIT 1)",
            params![
                id,
                i64::try_from(number).unwrap_or(i64::MAX),
                typed_at.timestamp_micros()
            ],
            |row| row.get(0),
        )
        .optional()
}

/// Whether a person had been shown any list before `typed_at`.
pub fn has_seen_a_list(
    connection: &Db,
    id: PersonId,
    typed_at: DateTime<Utc>,
) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM lists WHERE person_id = ?1 AND shown_us < ?2)",
        params![id, typed_at.timestamp_micros()],
        |row| row.get(0),
    )
}

fn person(row: &Row<'_>) -> rusqlite::Result<Person> {
    Ok(Person {
        id: row.get(0)?,
        name: row.get(1)?,
        slack: row.get(2)?,
        github: row.get(3)?,
        clickup: row.get(4)?,
        zone: row.get::<_, String>(5)?.parse().unwrap_or(Tz::UTC),
        alone: row.get(6)?,
        github_id: row.get(7)?,
        clickup_name: row.get(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::person::called;

    #[test]
    fn pins_and_lists_of_long_ago_are_forgotten() {
        let connection = Db::in_memory();
        configure(&connection, &[]).unwrap();
        let me = present(&connection).unwrap()[0].id;
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        for second in 0..KEPT * 3 {
            pin(&connection, me, None, at(second), Some(at(second))).unwrap();
            list(&connection, me, &[], Some(at(second))).unwrap();
        }
        for table in ["pins", "lists"] {
            let count = format!("SELECT count(*) FROM {table}");
            let rows: i64 = connection.query_row(&count, [], |row| row.get(0)).unwrap();
            assert!((1..=KEPT + 1).contains(&rows), "{table}: {rows}");
        }
        let newest = pins(&connection, me).unwrap().last().unwrap().shown_at;
        assert_eq!(newest, Some(at(KEPT * 3 - 1)));
    }

    #[test]
    fn a_pin_is_seen_since_the_earliest_message_that_shows_it() {
        let connection = Db::in_memory();
        configure(&connection, &[]).unwrap();
        let me = present(&connection).unwrap()[0].id;
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let shown = pin(&connection, me, None, at(1), None).unwrap();
        // In the order in which it is recorded.
        for second in [7, 3, 9] {
            pin_shown(&connection, shown, at(second)).unwrap();
        }
        let since = pins(&connection, me).unwrap().last().unwrap().shown_at;
        assert_eq!(since, Some(at(3)));
    }

    /// Among those who may go by a name is the person who would be found among all.
    #[test]
    fn a_person_is_found_by_id_name_or_login_without_reading_all() {
        let connection = store();
        let with_login = |name, slack, github: &str| Configured {
            github: Some(github.into()),
            ..someone(name, slack)
        };
        let configured = [
            with_login("Ana", Some("U0ANA01"), "bo"),
            with_login("Bo", Some("U0BO001"), "ana-dev"),
            with_login("Zoe", None, "zoe-dev"),
            someone("U0BO001", None),
        ];
        configure(&connection, &configured).unwrap();
        let all = present(&connection).unwrap();
        for (named, name) in [
            ("U0ANA01", Some("Ana")),
            ("U0BO001", Some("Bo")),
            ("ana", Some("Ana")),
            ("BO", Some("Bo")),
            ("Ana-Dev", Some("Bo")),
            ("zoe-dev", Some("Zoe")),
            ("nobody", None),
        ] {
            let near = maybe_called(&connection, named).unwrap();
            assert!(near.len() < all.len(), "{named}");
            let found = called(&near, named);
            assert_eq!(found.map(|one| one.name.as_str()), name, "{named}");
            assert_eq!(found, called(&all, named), "{named}");
        }
    }

    /// The configured people by name, with the ids of their rows.
    fn rows(connection: &Db) -> Vec<(String, i64)> {
        let present = present(connection).unwrap();
        let mut rows: Vec<_> = present
            .iter()
            .map(|one| (one.name.clone(), one.id.0))
            .collect();
        rows.sort();
        rows
    }

    fn someone(name: &str, slack: Option<&str>) -> Configured {
        Configured {
            name: name.into(),
            slack: slack.map(Into::into),
            github: None,
            clickup: None,
        }
    }

    fn store() -> Db {
        Db::in_memory()
    }

    fn id_of(connection: &Db, name: &str) -> i64 {
        let rows = rows(connection);
        rows.iter().find(|(of, _)| of == name).unwrap().1
    }

    #[test]
    fn a_slack_id_is_the_person_and_a_name_is_a_label() {
        let store = store();
        configure(
            &store,
            &[someone("Ann", Some("U1")), someone("Bo", Some("U2"))],
        )
        .unwrap();
        let (ann, bo) = (id_of(&store, "Ann"), id_of(&store, "Bo"));
        spoke_in(&store, PersonId(ann), "D1").unwrap();
        // Another name.
        configure(
            &store,
            &[someone("Anna", Some("U1")), someone("Bo", Some("U2"))],
        )
        .unwrap();
        assert_eq!(id_of(&store, "Anna"), ann);
        // Another id is another person, without the former's DM.
        configure(
            &store,
            &[someone("Anna", Some("U3")), someone("Bo", Some("U2"))],
        )
        .unwrap();
        let new = id_of(&store, "Anna");
        assert!(new != ann && new != bo);
        assert_eq!(
            told_in(&store, PersonId(new)).unwrap().as_deref(),
            Some("U3")
        );
        // Swapped names, in any case of letters.
        configure(
            &store,
            &[someone("bo", Some("U3")), someone("ANNA", Some("U2"))],
        )
        .unwrap();
        assert_eq!((id_of(&store, "bo"), id_of(&store, "ANNA")), (new, bo));
        // The first person returns, with all their data.
        configure(&store, &[someone("Ann", Some("U1"))]).unwrap();
        assert_eq!(rows(&store), [("Ann".to_owned(), ann)]);
        assert_eq!(
            told_in(&store, PersonId(ann)).unwrap().as_deref(),
            Some("D1")
        );
    }

    #[test]
    fn people_who_are_as_configured_are_not_written_again() {
        let store = store();
        let with_accounts = Configured {
            github: Some("bo".into()),
            clickup: Some("32".into()),
            ..someone("bo", Some("U2"))
        };
        let people = [
            with_accounts,
            someone("Ann", Some("U1")),
            someone("Zoe", None),
        ];
        configure(&store, &people).unwrap();
        let changes = || -> i64 {
            let all = store.query_row("SELECT total_changes()", [], |row| row.get(0));
            all.unwrap()
        };
        let (before, rows_before) = (changes(), rows(&store));
        configure(&store, &people).unwrap();
        assert_eq!(changes(), before);
        // One less, and one other.
        configure(&store, &people[..2]).unwrap();
        assert_eq!(rows(&store).len(), 2);
        let mut other = people.clone();
        other[0].clickup = None;
        configure(&store, &other).unwrap();
        assert_eq!(rows(&store), rows_before);
        assert_eq!(present(&store).unwrap()[0].clickup, None);
        configure(&store, &[]).unwrap();
        assert_eq!(rows(&store).len(), 1);
        assert!(present(&store).unwrap()[0].alone);
    }

    #[test]
    fn a_name_without_an_id_is_taken_over_once() {
        let store = store();
        configure(&store, &[someone("Ann", None)]).unwrap();
        let ann = id_of(&store, "Ann");
        configure(&store, &[someone("ann", Some("U1"))]).unwrap();
        assert_eq!(id_of(&store, "ann"), ann);
        configure(&store, &[someone("Ann", Some("U2"))]).unwrap();
        let other = id_of(&store, "Ann");
        assert_ne!(other, ann);
        // Without an id, the name identifies a person, and no row has it alone.
        configure(&store, &[someone("Ann", None)]).unwrap();
        let nameless = id_of(&store, "Ann");
        assert!(nameless != ann && nameless != other);
        // A row that belongs to another id is not taken over.
        configure(
            &store,
            &[someone("Ann", Some("U1")), someone("Bo", Some("U2"))],
        )
        .unwrap();
        assert_eq!((id_of(&store, "Ann"), id_of(&store, "Bo")), (ann, other));
    }

    #[test]
    fn everybody_together_is_nobody_in_particular() {
        let store = store();
        configure(&store, &[]).unwrap();
        let all = id_of(&store, ALONE);
        configure(&store, &[someone("me", Some("U1")), someone("Bo", None)]).unwrap();
        let me = id_of(&store, "me");
        assert_ne!(me, all);
        configure(&store, &[]).unwrap();
        assert_eq!(rows(&store), [(ALONE.to_owned(), all)]);
        assert!(present(&store).unwrap()[0].alone);
        configure(&store, &[someone("me", Some("U1"))]).unwrap();
        assert_eq!(id_of(&store, "me"), me);
        assert!(!present(&store).unwrap()[0].alone);
    }
}
