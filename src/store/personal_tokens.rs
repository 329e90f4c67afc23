//! Tokens of the API that people made for themselves. A token's text is never stored, only its hash.

use std::fmt;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, params};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::columns::millis;
use super::db::Db;
use crate::domain::ids::{MessageId, TokenId};
use crate::domain::person::PersonId;

/// The letters of a login's code: no vowels, which would make words, and no digits, which look like letters.
const CODE_LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// The letters of a code: 20⁸ is more than 34 bits.
const CODE_LENGTH: usize = 8;

/// The text of a token, which is never printed.
pub struct PlainToken(Zeroizing<String>);

impl PlainToken {
    /// A new token of 32 random bytes.
    pub fn random() -> rusqlite::Result<PlainToken> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        fill(&mut *bytes)?;
        Ok(PlainToken(Zeroizing::new(hex::encode(*bytes))))
    }

    /// The text, only for the message that shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The SHA-256, by which the store knows it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainToken(***)")
    }
}

/// A code of a login that cannot be guessed: `BCDF-GHJK`.
pub fn new_code() -> rusqlite::Result<String> {
    let mut code = String::with_capacity(CODE_LENGTH + 1);
    while code.len() < CODE_LENGTH + 1 {
        let mut byte = [0_u8; 1];
        fill(&mut byte)?;
        // A remainder of all bytes would prefer some letters.
        let [byte] = byte;
        let fair = usize::from(byte) < 240;
        if let Some(letter) = CODE_LETTERS.get(usize::from(byte) % CODE_LETTERS.len())
            && fair
        {
            if code.len() == CODE_LENGTH / 2 {
                code.push('-');
            }
            code.push(char::from(*letter));
        }
    }
    Ok(code)
}

fn fill(bytes: &mut [u8]) -> rusqlite::Result<()> {
    getrandom::fill(bytes)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.to_string().into()))
}

/// A token to be stored.
pub struct NewPersonalToken<'a> {
    /// The person that it is.
    pub person: PersonId,
    /// The Slack id of the member who made it.
    pub slack: &'a str,
    /// Its name, which differs from those of the member's other tokens.
    pub name: &'a str,
    /// The SHA-256 of the token.
    pub digest: [u8; 32],
    /// Whether it changes nothing.
    pub read_only: bool,
    /// Whether its user has it already. Otherwise a message shows it.
    pub is_known: bool,
}

/// A stored token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalToken {
    /// The row.
    pub id: TokenId,
    /// The person that it is.
    pub person: PersonId,
    /// The Slack id of the member who made it.
    pub slack: String,
    /// Its name.
    pub name: String,
    /// Whether it changes nothing.
    pub read_only: bool,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// When it was used last, to a few minutes.
    pub used_at: Option<DateTime<Utc>>,
    /// The message that shows it, or showed it.
    pub message: Option<MessageId>,
}

const COLUMNS: &str = "id, person_id, slack_id, name, read_only, made_ms, used_ms, message_id";

/// Stores a token.
pub fn add(tx: &Db, new: &NewPersonalToken<'_>, now: DateTime<Utc>) -> rusqlite::Result<TokenId> {
    let now = now.timestamp_millis();
    tx.execute(
        "INSERT INTO personal_tokens (person_id, slack_id, name, digest, read_only, made_ms, shown_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            new.person,
            new.slack,
            new.name,
            new.digest.as_slice(),
            new.read_only,
            now,
            new.is_known.then_some(now),
        ],
    )?;
    Ok(tx.inserted(TokenId))
}

/// A member's tokens, by name.
pub fn of(connection: &Db, slack: &str) -> rusqlite::Result<Vec<PersonalToken>> {
    connection.query_map(
        &format!("SELECT {COLUMNS} FROM personal_tokens WHERE slack_id = ?1 ORDER BY name"),
        [slack],
        token,
    )
}

/// The token with this SHA-256.
pub fn by_digest(connection: &Db, digest: &[u8; 32]) -> rusqlite::Result<Option<PersonalToken>> {
    connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM personal_tokens WHERE digest = ?1"),
            [digest.as_slice()],
            token,
        )
        .optional()
}

/// The tokens that no message has shown yet. The texts of those of an earlier process are lost.
pub fn unshown(connection: &Db) -> rusqlite::Result<Vec<PersonalToken>> {
    connection.query_map(
        &format!("SELECT {COLUMNS} FROM personal_tokens WHERE shown_ms IS NULL"),
        [],
        token,
    )
}

/// Records the message that shows a token.
pub fn shows(tx: &Db, id: TokenId, message: MessageId) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE personal_tokens SET message_id = ?2 WHERE id = ?1",
        params![id, message],
    )?;
    Ok(())
}

/// Records that its message was posted.
pub fn shown(tx: &Db, id: TokenId, now: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE personal_tokens SET shown_ms = ?2 WHERE id = ?1",
        params![id, now.timestamp_millis()],
    )?;
    Ok(())
}

/// Records a use.
pub fn used(tx: &Db, id: TokenId, now: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE personal_tokens SET used_ms = ?2 WHERE id = ?1",
        params![id, now.timestamp_millis()],
    )?;
    Ok(())
}

/// Revokes a token: it is no longer known.
pub fn remove(tx: &Db, id: TokenId) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM personal_tokens WHERE id = ?1", [id])?;
    Ok(())
}

fn token(row: &Row<'_>) -> rusqlite::Result<PersonalToken> {
    Ok(PersonalToken {
        id: row.get(0)?,
        person: row.get(1)?,
        slack: row.get(2)?,
        name: row.get(3)?,
        read_only: row.get(4)?,
        made_at: millis(row.get(5)?),
        used_at: row.get::<_, Option<i64>>(6)?.map(millis),
        message: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_eight_letters_and_a_token_does_not_print() {
        for _ in 0..50 {
            let code = new_code().unwrap();
            let (one, two) = code.split_once('-').unwrap();
            let fits = |part: &str| {
                part.len() == 4 && part.bytes().all(|letter| CODE_LETTERS.contains(&letter))
            };
            assert!(fits(one) && fits(two), "{code}");
        }
        let token = PlainToken::random().unwrap();
        assert_eq!(token.expose().len(), 64);
        assert_eq!(format!("{token:?}"), "PlainToken(***)");
        assert_ne!(token.digest(), PlainToken::random().unwrap().digest());
    }
}
