//! The times of briefings and quiet hours, and the notices that wait for the end of quiet hours.

use super::db::Db;
use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use rusqlite::{Row, params};

use super::columns::{from_json, json, millis};
use crate::domain::ids::TaskRow;
use crate::domain::person::PersonId;
use crate::domain::reply::Text;
use crate::domain::schedule::{Defaults, QuietHours};

/// The least time between two digests of a person.
const DIGEST_EVERY: Duration = Duration::hours(1);
/// The stored format of a time of day.
const TIME: &str = "%H:%M";

/// The schedule in force for a person: their own choice, or else that of bot.toml.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The local time of their briefing on working days.
    pub briefing: Option<NaiveTime>,
    /// Whether they have chosen that themselves, even to have none.
    pub own_briefing: bool,
    /// The last local day whose briefing is sent or skipped.
    pub briefed_on: Option<NaiveDate>,
    /// Their quiet hours, in local time; `None` for none.
    pub quiet: Option<QuietHours>,
    /// Whether they have chosen those themselves, even to have none.
    pub own_quiet: bool,
}

/// Stores the defaults of bot.toml.
pub fn set_defaults(tx: &Db, defaults: &Defaults) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE rhythm_defaults SET briefing = ?1, quiet = ?2",
        params![
            defaults.briefing.map(|time| time.format(TIME).to_string()),
            defaults.quiet.map(|quiet| quiet.to_string()),
        ],
    )?;
    Ok(())
}

/// The defaults of bot.toml.
pub fn defaults(connection: &Db) -> rusqlite::Result<Defaults> {
    let nobody = PersonId(0);
    let usual = of(connection, nobody)?;
    Ok(Defaults {
        briefing: usual.briefing,
        quiet: usual.quiet,
    })
}

/// The schedule in force for a person; that of bot.toml if they chose none.
pub fn of(connection: &Db, person: PersonId) -> rusqlite::Result<Schedule> {
    connection
        .query_row("SELECT own.briefing, own.no_briefing, own.briefed_on, own.quiet, own.no_quiet, usual.briefing, usual.quiet
             FROM rhythm_defaults usual LEFT JOIN rhythms own ON own.person_id = ?1", [person], rhythm)
}

fn rhythm(row: &Row<'_>) -> rusqlite::Result<Schedule> {
    let text = |column| row.get::<_, Option<String>>(column);
    let time = |column| {
        let time = text(column)?;
        Ok::<_, rusqlite::Error>(time.and_then(|time| NaiveTime::parse_from_str(&time, TIME).ok()))
    };
    let quiet = |column| {
        Ok::<_, rusqlite::Error>(text(column)?.and_then(|hours| QuietHours::parse(&hours)))
    };
    let wants_none = |column| row.get::<_, Option<bool>>(column);
    let (briefing, own_quiet) = (time(0)?, quiet(3)?);
    let own_briefing = briefing.is_some() || wants_none(1)? == Some(true);
    let has_own_quiet = own_quiet.is_some() || wants_none(4)? == Some(true);
    Ok(Schedule {
        briefing: if own_briefing { briefing } else { time(5)? },
        own_briefing,
        briefed_on: text(2)?.and_then(|day| day.parse().ok()),
        quiet: if has_own_quiet { own_quiet } else { quiet(6)? },
        own_quiet: has_own_quiet,
    })
}

/// Stores a person's own choices. Those that come from bot.toml are not stored as theirs.
pub fn set(tx: &Db, person: PersonId, rhythm: &Schedule) -> rusqlite::Result<()> {
    let briefing = rhythm.briefing.filter(|_| rhythm.own_briefing);
    let quiet = rhythm.quiet.filter(|_| rhythm.own_quiet);
    tx.execute(
        "INSERT INTO rhythms (person_id, briefing, no_briefing, briefed_on, quiet, no_quiet) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET briefing = excluded.briefing, no_briefing = excluded.no_briefing,
             briefed_on = excluded.briefed_on, quiet = excluded.quiet, no_quiet = excluded.no_quiet",
        params![
            person,
            briefing.map(|time| time.format(TIME).to_string()),
            rhythm.own_briefing && briefing.is_none(),
            rhythm.briefed_on.map(|day| day.to_string()),
            quiet.map(|quiet| quiet.to_string()),
            rhythm.own_quiet && quiet.is_none(),
        ],
    )?;
    Ok(())
}

/// People whose briefing comes from bot.toml alone and who never had one. Theirs begin with the next one.
pub fn beginners(connection: &Db) -> rusqlite::Result<Vec<PersonId>> {
    if !briefs_everybody(connection)? {
        return Ok(Vec::new());
    }
    connection
        .query_map("SELECT people.id FROM people LEFT JOIN rhythms own ON own.person_id = people.id
             WHERE present = 1 AND ifnull(dm, slack_id) IS NOT NULL AND own.briefed_on IS NULL AND own.briefing IS NULL
               AND ifnull(own.no_briefing, 0) = 0
             ORDER BY people.id", [], |row| row.get(0))
}

/// Whether bot.toml has a briefing for all people.
fn briefs_everybody(connection: &Db) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT briefing IS NOT NULL FROM rhythm_defaults",
        [],
        |row| row.get(0),
    )
}

/// Marks this day's briefing as sent or skipped; `false` if it already was.
pub fn claim(tx: &Db, person: PersonId, day: NaiveDate) -> rusqlite::Result<bool> {
    let claimed = tx.execute(
        "UPDATE rhythms SET briefed_on = ?2 WHERE person_id = ?1 AND (briefed_on IS NULL OR briefed_on < ?2)",
        params![person, day.to_string()],
    )?;
    Ok(claimed > 0)
}

/// A person who gets a briefing or has held notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// The row of the person.
    pub person: PersonId,
    /// Their Slack id, if they have one of their own.
    pub slack: Option<String>,
    /// Their time zone.
    pub zone: Tz,
    /// The schedule in force.
    pub schedule: Schedule,
    /// The time from which on a notice that is held for them may be sent; `None` if none is held.
    pub held_until: Option<DateTime<Utc>>,
}

/// People who get a briefing or have held notices. Their number counts, not that of all people, unless bot.toml has a
/// briefing for all.
pub fn concerned(connection: &Db) -> rusqlite::Result<Vec<Scheduled>> {
    let some = match briefs_everybody(connection)? {
        true => CONCERNED_OF_ALL,
        false => {
            "people.id IN (SELECT person_id FROM rhythms WHERE briefing IS NOT NULL UNION SELECT person_id FROM held)"
        }
    };
    connection.query_map(
        &format!(
            "SELECT own.briefing, own.no_briefing, own.briefed_on, own.quiet, own.no_quiet, usual.briefing, usual.quiet,
                 people.id, people.slack_id, people.zone, (SELECT min(until_ms) FROM held WHERE person_id = people.id)
             FROM people CROSS JOIN rhythm_defaults usual LEFT JOIN rhythms own ON own.person_id = people.id
             WHERE present = 1 AND {some} ORDER BY people.id"
        ),
        [],
        |row| {
            Ok(Scheduled {
                person: row.get(7)?,
                slack: row.get(8)?,
                zone: row.get::<_, String>(9)?.parse().unwrap_or(Tz::UTC),
                schedule: rhythm(row)?,
                held_until: row.get::<_, Option<i64>>(10)?.map(millis),
            })
        },
    )
}

/// Those of [`concerned`], if bot.toml has a briefing for all.
const CONCERNED_OF_ALL: &str = "(own.briefing IS NOT NULL OR own.no_briefing = 0
     OR people.id IN (SELECT person_id FROM held))";

/// Holds a notice until the quiet hours end, and at least until then.
pub fn hold(
    tx: &Db,
    person: PersonId,
    task: Option<TaskRow>,
    words: &Text,
    now: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO held (person_id, task_id, words, held_ms, until_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            person,
            task,
            json(words)?,
            now.timestamp_millis(),
            until.map_or(0, |until| until.timestamp_millis()),
        ],
    )?;
    Ok(())
}

/// The number of notices held for a person.
pub fn count_held(connection: &Db, person: PersonId) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT count(*) FROM held WHERE person_id = ?1",
        [person],
        |row| row.get(0),
    )
}

/// The time of a person's next digest: that of the notices which wait for one, or a while from now.
pub fn digest_at(
    connection: &Db,
    person: PersonId,
    now: DateTime<Utc>,
) -> rusqlite::Result<DateTime<Utc>> {
    let ms: Option<i64> = connection.query_row(
        "SELECT min(until_ms) FROM held WHERE person_id = ?1 AND until_ms > ?2",
        params![person, now.timestamp_millis()],
        |row| row.get(0),
    )?;
    Ok(ms.map_or(now + DIGEST_EVERY, millis))
}

/// Takes a person's held notices that may be sent now, oldest first, each with whether it has waited for a digest. The
/// caller sends them in the same transaction.
pub fn take_held(
    tx: &Db,
    person: PersonId,
    now: DateTime<Utc>,
) -> rusqlite::Result<Vec<(Text, bool)>> {
    let due = params![person, now.timestamp_millis()];
    let held = tx.query_map(
        "SELECT words, until_ms > 0 FROM held WHERE person_id = ?1 AND until_ms <= ?2 ORDER BY id",
        due,
        |row| Ok((from_json(row, 0)?, row.get(1)?)),
    )?;
    tx.execute(
        "DELETE FROM held WHERE person_id = ?1 AND until_ms <= ?2",
        due,
    )?;
    Ok(held)
}

/// Removes the held notices of people who are no longer configured.
pub fn forget(tx: &Db, old_ms: i64, at_most: i64) -> rusqlite::Result<usize> {
    tx.execute(
        "DELETE FROM held WHERE id IN (SELECT id FROM held WHERE held_ms < ?1 ORDER BY held_ms LIMIT ?2)",
        params![old_ms, at_most],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const EIGHT: Option<NaiveTime> = NaiveTime::from_hms_opt(8, 0, 0);
    const NINE: Option<NaiveTime> = NaiveTime::from_hms_opt(9, 0, 0);

    fn store() -> Db {
        let connection = Db::in_memory();
        let somebody = "INSERT INTO people (id, name, dm) VALUES (7, 'Ana', 'D1')";
        connection.execute_batch(somebody).unwrap();
        connection
    }

    const ANA: PersonId = PersonId(7);

    #[rstest]
    #[case::nobody_chose(None, None, None)]
    #[case::bot_toml_chose(None, EIGHT, EIGHT)]
    #[case::they_chose(Some(NINE), EIGHT, NINE)]
    #[case::they_want_none(Some(None), EIGHT, None)]
    fn an_own_choice_goes_first(
        #[case] own: Option<Option<NaiveTime>>,
        #[case] usual: Option<NaiveTime>,
        #[case] in_force: Option<NaiveTime>,
    ) {
        let store = store();
        let usual = Defaults {
            briefing: usual,
            quiet: usual.map(|_| QuietHours::NIGHT),
        };
        set_defaults(&store, &usual).unwrap();
        let mut rhythm = of(&store, ANA).unwrap();
        if let Some(briefing) = own {
            (rhythm.briefing, rhythm.own_briefing) = (briefing, true);
            set(&store, ANA, &rhythm).unwrap();
        }
        let found = of(&store, ANA).unwrap();
        assert_eq!(
            (found.briefing, found.own_briefing),
            (in_force, own.is_some())
        );
        // The other setting is still the default: it follows bot.toml.
        assert_eq!((found.quiet, found.own_quiet), (usual.quiet, false));
        set_defaults(&store, &Defaults::default()).unwrap();
        let found = of(&store, ANA).unwrap();
        assert_eq!((found.briefing, found.quiet), (own.flatten(), None));
    }

    #[test]
    fn whoever_never_had_a_briefing_begins_once() {
        let store = store();
        assert_eq!(beginners(&store).unwrap(), []);
        let usual = Defaults {
            briefing: EIGHT,
            quiet: None,
        };
        set_defaults(&store, &usual).unwrap();
        assert_eq!(beginners(&store).unwrap(), [ANA]);
        let are_concerned = || {
            let all = concerned(&store).unwrap().into_iter();
            all.map(|one| one.person).collect::<Vec<_>>()
        };
        assert_eq!(are_concerned(), []);
        let mut rhythm = of(&store, ANA).unwrap();
        rhythm.briefed_on = NaiveDate::from_ymd_opt(2026, 11, 23);
        set(&store, ANA, &rhythm).unwrap();
        assert_eq!(beginners(&store).unwrap(), []);
        assert_eq!(are_concerned(), [ANA]);
        assert!(!of(&store, ANA).unwrap().own_briefing);
    }
}
