//! Accounts that people want to link: at most one a person and source.

use rusqlite::{OptionalExtension, Row, params};

use super::columns::{corrupt, millis};
use super::db::Db;
use crate::domain::link::{CODE_BYTES, LinkRequest};
use crate::domain::person::PersonId;
use crate::domain::task::{Account, Source};

const COLUMNS: &str =
    "person_id, source, account_id, account_name, code, uid, asked_ms, since_ms, tries";

/// A code that cannot be guessed.
pub fn new_code() -> rusqlite::Result<String> {
    let mut random = [0; CODE_BYTES];
    getrandom::fill(&mut random)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.to_string().into()))?;
    Ok(LinkRequest::code_of(&random))
}

/// A person's request at a source, valid or not.
pub fn of(
    connection: &Db,
    person: PersonId,
    source: Source,
) -> rusqlite::Result<Option<LinkRequest>> {
    connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM link_requests WHERE person_id = ?1 AND source = ?2"),
            params![person, source.as_str()],
            request,
        )
        .optional()
}

/// The request with this uid, which the buttons of operators carry.
pub fn by_uid(connection: &Db, uid: &str) -> rusqlite::Result<Option<LinkRequest>> {
    connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM link_requests WHERE uid = ?1"),
            [uid],
            request,
        )
        .optional()
}

/// All requests for an account.
pub fn for_account(
    connection: &Db,
    source: Source,
    account: &str,
) -> rusqlite::Result<Vec<LinkRequest>> {
    connection.query_map(
        &format!("SELECT {COLUMNS} FROM link_requests WHERE source = ?1 AND account_id = ?2"),
        params![source.as_str(), account],
        request,
    )
}

/// Stores a request, in place of the person's earlier one.
pub fn keep(tx: &Db, request: &LinkRequest) -> rusqlite::Result<()> {
    tx.execute(
        &format!(
            "INSERT OR REPLACE INTO link_requests ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        ),
        params![
            request.person,
            request.source.as_str(),
            request.account.id,
            request.account.name,
            request.code,
            request.uid,
            request.asked_at.timestamp_millis(),
            request.since.timestamp_millis(),
            request.tries,
        ],
    )?;
    Ok(())
}

/// Removes a person's request: it is answered.
pub fn remove(tx: &Db, person: PersonId, source: Source) -> rusqlite::Result<()> {
    tx.execute(
        "DELETE FROM link_requests WHERE person_id = ?1 AND source = ?2",
        params![person, source.as_str()],
    )?;
    Ok(())
}

fn request(row: &Row<'_>) -> rusqlite::Result<LinkRequest> {
    let source: String = row.get(1)?;
    Ok(LinkRequest {
        person: row.get(0)?,
        source: Source::parse(&source).ok_or_else(|| corrupt(1))?,
        account: Account {
            id: row.get(2)?,
            name: row.get(3)?,
        },
        code: row.get(4)?,
        uid: row.get(5)?,
        asked_at: millis(row.get(6)?),
        since: millis(row.get(7)?),
        tries: row.get(8)?,
    })
}
