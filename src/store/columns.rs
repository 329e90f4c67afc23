//! Conversions between column values and Rust values.

use chrono::{DateTime, Utc};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::domain::ids::{
    CommandId, DeliveryId, EntryId, EventId, ListId, MessageId, OperationSeq, PersonId, PinId,
    ReactionId, TaskRow, TokenId,
};

/// Reads a time stored in milliseconds.
pub(super) fn millis(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// Reads a time stored in microseconds.
pub(super) fn micros(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us).unwrap_or_default()
}

/// Encodes a value as the JSON of a column.
pub fn json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    serde_json::from_str(&row.get::<_, String>(column)?).map_err(|_| corrupt(column))
}

pub(super) fn corrupt(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(
        column,
        rusqlite::types::Type::Text,
        "a value that this version of Ivan cannot read".into(),
    )
}

/// Ids stand as numbers.
macro_rules! ids {
    ($($Id:ident),*) => {$(
        impl ToSql for $Id {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.0.into())
            }
        }

        impl FromSql for $Id {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<$Id> {
                value.as_i64().map($Id)
            }
        }
    )*};
}

ids!(
    CommandId,
    DeliveryId,
    EntryId,
    EventId,
    ListId,
    MessageId,
    OperationSeq,
    PersonId,
    PinId,
    ReactionId,
    TaskRow,
    TokenId
);
