//! Accounts at the sources and the people they belong to. The view `linked_people` joins them to the people.

use super::db::Db;
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, params};

use super::columns::millis;
use crate::domain::link::{AccountLink, LinkOrigin, LinkProof};
use crate::domain::person::PersonId;
use crate::domain::task::{Account, Source};

/// Aligns the table with the accounts of `people` from `bot.toml`. These win over accounts that were typed, and over
/// another person's claim to them. Learned ids and names stay where the configured account is the same.
pub fn configure(tx: &Db) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM links WHERE origin = 'bot.toml' AND configured IS NOT
             (SELECT CASE links.source WHEN 'github' THEN github ELSE clickup_id END
              FROM people WHERE people.id = links.person_id AND present = 1 AND alone = 0)",
        "DELETE FROM links WHERE origin <> 'bot.toml' AND EXISTS
             (SELECT 1 FROM people WHERE people.id = links.person_id AND present = 1
              AND CASE links.source WHEN 'github' THEN github ELSE clickup_id END IS NOT NULL)",
        "DELETE FROM links WHERE origin <> 'bot.toml' AND EXISTS
             (SELECT 1 FROM people WHERE present = 1
              AND CASE links.source WHEN 'github' THEN github = links.name COLLATE NOCASE
                                    ELSE clickup_id = links.account_id END)",
        "INSERT OR IGNORE INTO links (person_id, source, origin, configured, account_id)
             SELECT id, 'clickup', 'bot.toml', clickup_id, clickup_id FROM people
             WHERE present = 1 AND alone = 0 AND clickup_id IS NOT NULL",
        "INSERT OR IGNORE INTO links (person_id, source, origin, configured, name)
             SELECT id, 'github', 'bot.toml', github, github FROM people
             WHERE present = 1 AND alone = 0 AND github IS NOT NULL",
    ] {
        tx.execute(sql, [])?;
    }
    Ok(())
}

/// A person's account at a source; `None` if nothing about it was ever recorded.
pub fn of(
    connection: &Db,
    person: PersonId,
    source: Source,
) -> rusqlite::Result<Option<AccountLink>> {
    connection
        .query_row("SELECT links.source, origin, account_id, links.name, people.name, linked_ms, seen_ms, gone
             FROM links LEFT JOIN people ON people.id = linked_by WHERE person_id = ?1 AND source = ?2", params![person, source.as_str()], |row| link(source, row))
        .optional()
}

fn link(source: Source, row: &Row<'_>) -> rusqlite::Result<AccountLink> {
    Ok(AccountLink {
        source,
        origin: LinkOrigin::parse(&row.get::<_, String>(1)?).unwrap_or(LinkOrigin::Unlinked),
        id: row.get(2)?,
        name: row.get(3)?,
        by: row.get(4)?,
        at: row.get::<_, Option<i64>>(5)?.map(millis),
        seen_at: row.get::<_, Option<i64>>(6)?.map(millis),
        gone: row.get(7)?,
    })
}

/// The name of another person who has this account.
pub fn owner_besides(
    connection: &Db,
    person: PersonId,
    source: Source,
    account: &Account,
) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "SELECT people.name FROM links JOIN people ON people.id = person_id AND present = 1
             WHERE source = ?1 AND person_id <> ?2 AND origin <> 'unlinked'
               AND (account_id = ?3 OR (account_id IS NULL AND links.name = ?4 COLLATE NOCASE))",
            params![source.as_str(), person, account.id, account.name],
            |row| row.get(0),
        )
        .optional()
}

/// Gives an account to a person. A former owner who is no longer in `bot.toml` loses it.
pub fn set(
    tx: &Db,
    person: PersonId,
    source: Source,
    origin: LinkOrigin,
    account: &Account,
    by: Option<PersonId>,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "DELETE FROM links WHERE source = ?1 AND account_id = ?2 AND person_id <> ?3",
        params![source.as_str(), account.id, person],
    )?;
    tx.execute(
        "INSERT OR REPLACE INTO links
             (person_id, source, origin, account_id, name, linked_by, linked_ms, seen_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
        params![
            person,
            source.as_str(),
            origin.as_str(),
            account.id,
            account.name,
            by,
            now.timestamp_millis()
        ],
    )?;
    Ok(())
}

/// Records why a person's account is theirs.
pub fn proved(tx: &Db, person: PersonId, source: Source, proof: LinkProof) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE links SET proof = ?3 WHERE person_id = ?1 AND source = ?2",
        params![person, source.as_str(), proof.as_str()],
    )?;
    Ok(())
}

/// Records that a person wants no account there.
pub fn unlink(
    tx: &Db,
    person: PersonId,
    source: Source,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO links (person_id, source, origin, linked_by, linked_ms)
         VALUES (?1, ?2, 'unlinked', ?1, ?3)",
        params![person, source.as_str(), now.timestamp_millis()],
    )?;
    Ok(())
}

/// Records the source's response about a person's account.
pub fn told(
    tx: &Db,
    person: PersonId,
    source: Source,
    found: Option<&Account>,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE OR IGNORE links SET seen_ms = ?3, gone = ?4, account_id = ifnull(account_id, ?5), name = ifnull(?6, name)
         WHERE person_id = ?1 AND source = ?2 AND origin <> 'unlinked'",
        params![
            person,
            source.as_str(),
            now.timestamp_millis(),
            found.is_none(),
            found.map(|account| &account.id),
            found.map(|account| &account.name)
        ],
    )?;
    Ok(())
}

/// Updates an account that its source reported: its current name, and the id of a login from `bot.toml`.
pub fn seen(tx: &Db, source: Source, account: &Account) -> rusqlite::Result<()> {
    let of = format!("{source} {} {}", account.id, account.name);
    tx.remembered("links::seen", of, || {
        // Two statements, because SQLite would read the whole table for an OR of the two.
        tx.execute(
            "UPDATE links SET name = ?3 WHERE source = ?1 AND account_id = ?2 AND name IS NOT ?3",
            params![source.as_str(), account.id, account.name],
        )?;
        tx.execute(
            "UPDATE OR IGNORE links SET account_id = ?2
             WHERE source = ?1 AND account_id IS NULL AND origin = 'bot.toml' AND name = ?3 COLLATE NOCASE",
            params![source.as_str(), account.id, account.name],
        )?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::people::{self, Configured};
    use super::*;
    use crate::domain::person::Person;

    fn store() -> Db {
        Db::in_memory()
    }

    fn someone(name: &str, github: Option<&str>, clickup: Option<&str>) -> Configured {
        Configured {
            name: name.into(),
            slack: None,
            github: github.map(Into::into),
            clickup: clickup.map(Into::into),
        }
    }

    fn account(id: &str, name: &str) -> Account {
        Account {
            id: id.into(),
            name: name.into(),
        }
    }

    fn called(connection: &Db, name: &str) -> Person {
        let people = people::present(connection).unwrap();
        people.iter().find(|one| one.name == name).unwrap().clone()
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600, 0).unwrap()
    }

    #[test]
    fn bot_toml_wins_over_what_was_typed_and_over_what_another_typed() {
        let tx = store();
        people::configure(
            &tx,
            &[someone("Ana", None, None), someone("Bo", None, None)],
        )
        .unwrap();
        let (ana, bo) = (called(&tx, "Ana").id, called(&tx, "Bo").id);
        let typed = LinkOrigin::Typed;
        set(
            &tx,
            ana,
            Source::GitHub,
            typed,
            &account("31", "ana"),
            Some(ana),
            now(),
        )
        .unwrap();
        set(
            &tx,
            bo,
            Source::ClickUp,
            typed,
            &account("4242", "Ana"),
            Some(bo),
            now(),
        )
        .unwrap();
        assert_eq!(called(&tx, "Ana").github.as_deref(), Some("ana"));
        assert_eq!(called(&tx, "Bo").clickup.as_deref(), Some("4242"));
        let configured = [
            someone("Ana", Some("ana-work"), Some("4242")),
            someone("Bo", None, None),
        ];
        people::configure(&tx, &configured).unwrap();
        let (ana, bo) = (called(&tx, "Ana"), called(&tx, "Bo"));
        assert_eq!(ana.github.as_deref(), Some("ana-work"));
        assert_eq!(ana.github_id, None);
        assert_eq!(ana.clickup.as_deref(), Some("4242"));
        assert_eq!(bo.clickup, None);
        let link = of(&tx, ana.id, Source::ClickUp).unwrap().unwrap();
        assert_eq!(link.origin, LinkOrigin::Config);
    }

    #[test]
    fn what_was_learned_stays_until_bot_toml_says_otherwise() {
        let tx = store();
        let ana = [someone("Ana", Some("ana"), None)];
        people::configure(&tx, &ana).unwrap();
        seen(&tx, Source::GitHub, &account("31", "Ana")).unwrap();
        // Ana is renamed, and another person takes the old login.
        seen(&tx, Source::GitHub, &account("31", "ana-lee")).unwrap();
        seen(&tx, Source::GitHub, &account("99", "ana")).unwrap();
        people::configure(&tx, &ana).unwrap();
        let known = called(&tx, "Ana");
        assert_eq!(known.github_id.as_deref(), Some("31"));
        assert_eq!(known.github.as_deref(), Some("ana-lee"));
        people::configure(&tx, &[someone("Ana", Some("other"), None)]).unwrap();
        assert_eq!(called(&tx, "Ana").github_id, None);
        people::configure(&tx, &[someone("Ana", None, None)]).unwrap();
        assert_eq!(called(&tx, "Ana").github, None);
        // Without [[people]] no person has an account of their own.
        people::configure(&tx, &[]).unwrap();
        assert!(
            people::present(&tx)
                .unwrap()
                .iter()
                .all(|one| one.github.is_none())
        );
    }

    #[test]
    fn an_account_belongs_to_one_person() {
        let tx = store();
        let both = [someone("Ana", Some("Ana"), None), someone("Bo", None, None)];
        people::configure(&tx, &both).unwrap();
        let (ana, bo) = (called(&tx, "Ana").id, called(&tx, "Bo").id);
        let owner = |who, id: &str, name: &str| {
            owner_besides(&tx, who, Source::GitHub, &account(id, name)).unwrap()
        };
        assert_eq!(owner(bo, "31", "ana").as_deref(), Some("Ana"));
        assert_eq!(owner(ana, "31", "ana"), None);
        assert_eq!(owner(bo, "32", "bo"), None);
        set(
            &tx,
            bo,
            Source::GitHub,
            LinkOrigin::Typed,
            &account("32", "bo"),
            Some(bo),
            now(),
        )
        .unwrap();
        assert_eq!(owner(ana, "32", "renamed").as_deref(), Some("Bo"));
        unlink(&tx, bo, Source::GitHub, now()).unwrap();
        assert_eq!(owner(ana, "32", "bo"), None);
        assert_eq!(called(&tx, "Bo").github, None);
        let link = of(&tx, bo, Source::GitHub).unwrap().unwrap();
        assert_eq!(
            (link.origin, link.by.as_deref()),
            (LinkOrigin::Unlinked, Some("Bo"))
        );
        // A person removed from bot.toml keeps no account of those who are in it.
        set(
            &tx,
            bo,
            Source::GitHub,
            LinkOrigin::Typed,
            &account("32", "bo"),
            Some(bo),
            now(),
        )
        .unwrap();
        people::configure(&tx, &[someone("Ana", None, None)]).unwrap();
        assert_eq!(owner(ana, "32", "bo"), None);
        set(
            &tx,
            ana,
            Source::GitHub,
            LinkOrigin::Typed,
            &account("32", "bo"),
            Some(ana),
            now(),
        )
        .unwrap();
        assert_eq!(called(&tx, "Ana").github_id.as_deref(), Some("32"));
    }

    #[test]
    fn an_account_that_is_gone_is_known_as_such_until_it_is_there_again() {
        let tx = store();
        people::configure(&tx, &[someone("Ana", None, Some("4242"))]).unwrap();
        let ana = called(&tx, "Ana").id;
        let of_ana = || of(&tx, ana, Source::ClickUp).unwrap().unwrap();
        told(
            &tx,
            ana,
            Source::ClickUp,
            Some(&account("4242", "Ana Lee")),
            now(),
        )
        .unwrap();
        assert_eq!(
            (of_ana().shown().to_owned(), of_ana().gone),
            ("Ana Lee".to_owned(), false)
        );
        told(&tx, ana, Source::ClickUp, None, now()).unwrap();
        assert_eq!(
            (of_ana().shown().to_owned(), of_ana().gone),
            ("Ana Lee".to_owned(), true)
        );
        told(
            &tx,
            ana,
            Source::ClickUp,
            Some(&account("4242", "Ana")),
            now(),
        )
        .unwrap();
        assert!(!of_ana().gone);
    }
}
