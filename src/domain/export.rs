//! Rows of `ivan export`: the tables, their columns and the values in them.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

/// A table that can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportTable {
    /// The followed tasks of the mirror, finished ones too.
    Tasks,
    /// The writes that commands asked of the sources.
    Operations,
    /// The activity log.
    Log,
}

impl ExportTable {
    /// Every table, in the order in which they are exported.
    pub const ALL: [ExportTable; 3] = [
        ExportTable::Tasks,
        ExportTable::Operations,
        ExportTable::Log,
    ];

    /// The name on the command line, and of the table in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            ExportTable::Tasks => "tasks",
            ExportTable::Operations => "operations",
            ExportTable::Log => "log",
        }
    }

    /// The table with this name, as of `as_str`; `None` for another word.
    pub fn parse(word: &str) -> Option<ExportTable> {
        let mut all = ExportTable::ALL.into_iter();
        all.find(|table| table.as_str() == word)
    }

    /// The names of its columns, in their order. The API has the same names for the same values.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            ExportTable::Tasks => &[
                "task_id",
                "source",
                "place",
                "title",
                "status",
                "source_status",
                "assignees",
                "labels",
                "entity",
                "milestone",
                "type",
                "priority",
                "due",
                "creator",
                "created_at",
                "updated_at",
                "last_activity",
                "closed_at",
                "closed_by",
                "url",
            ],
            ExportTable::Operations => &[
                "operation_id",
                "asked_at",
                "created_at",
                "person",
                "surface",
                "token",
                "verb",
                "kind",
                "source",
                "task_id",
                "title",
                "state",
                "attempts",
                "ended_at",
                "detail",
            ],
            ExportTable::Log => &[
                "id",
                "at",
                "recorded_at",
                "person",
                "account",
                "surface",
                "token",
                "verb",
                "outcome",
                "source",
                "task_id",
                "title",
                "before",
                "after",
                "text",
                "detail",
                "url",
            ],
        }
    }
}

/// A value in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportValue {
    /// There is none.
    Nothing,
    /// A word of ours, or a text of people.
    Text(String),
    /// Several names.
    Texts(Vec<String>),
    /// A whole number.
    Number(u64),
    /// A time.
    Time(DateTime<Utc>),
}

impl ExportValue {
    /// A text; none if it is empty.
    pub fn text(text: impl Into<String>) -> ExportValue {
        match text.into() {
            text if text.is_empty() => ExportValue::Nothing,
            text => ExportValue::Text(text),
        }
    }
}

impl From<Option<String>> for ExportValue {
    fn from(text: Option<String>) -> ExportValue {
        text.map_or(ExportValue::Nothing, ExportValue::text)
    }
}

impl From<Option<&str>> for ExportValue {
    fn from(text: Option<&str>) -> ExportValue {
        text.map_or(ExportValue::Nothing, ExportValue::text)
    }
}

impl From<Option<DateTime<Utc>>> for ExportValue {
    fn from(at: Option<DateTime<Utc>>) -> ExportValue {
        at.map_or(ExportValue::Nothing, ExportValue::Time)
    }
}

/// The begin of an export as people type it: a day, which begins in UTC, or an RFC 3339 time. The error is a sentence.
pub fn read_since(word: &str) -> Result<DateTime<Utc>, String> {
    let word = word.trim();
    if let Ok(day) = word.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    let time = DateTime::parse_from_rfc3339(word).map_err(|_| {
        format!("I can't read `{word}` as a date. Try 2026-11-01 or 2026-11-01T08:00:00Z.")
    })?;
    Ok(time.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_table_is_read_by_its_name_and_names_each_column_once() {
        for table in ExportTable::ALL {
            assert_eq!(ExportTable::parse(table.as_str()), Some(table));
            let names: BTreeSet<&str> = table.columns().iter().copied().collect();
            assert_eq!(names.len(), table.columns().len(), "{table:?}");
        }
        assert_eq!(ExportTable::parse("people"), None);
    }

    #[test]
    fn a_begin_is_a_day_or_a_time() {
        let read = |word| read_since(word).map(|at| at.to_rfc3339());
        assert_eq!(read("2026-11-01"), Ok("2026-11-01T00:00:00+00:00".into()));
        assert_eq!(
            read("2026-11-01T09:30:00+02:00"),
            Ok("2026-11-01T07:30:00+00:00".into())
        );
        for wrong in ["", "yesterday", "2026-13-01", "2026-11-01 09:30"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
