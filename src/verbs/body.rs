//! Parsing the JSON bodies of verbs. The error messages are for the API's users; serde names missing and unknown
//! fields.

use serde::de::{Deserialize, Deserializer, Error};

use super::grammar::parse_ref;
use crate::domain::command::Ref;
use crate::domain::task::Source;

/// `ref`: any task. The field may be absent.
pub fn task<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Ref>, D::Error> {
    let Some(text) = Option::<String>::deserialize(json)? else {
        return Ok(None);
    };
    read_ref(&text).map(Some).map_err(D::Error::custom)
}

/// Parses a REF. The error is a message for the API's users.
pub fn read_ref(text: &str) -> Result<Ref, String> {
    parse_ref(text).ok_or_else(|| {
        format!(
            "`{}` is not a task. Give a number of the last list, #12 for an issue of the default repository, a task id \
             (clickup:<id>, github:<owner>/<repo>#<number>) or a task's link",
            start_of(text)
        )
    })
}

/// `source`: `clickup` or `github`, in any case. The field is required.
pub fn source<'de, D: Deserializer<'de>>(json: D) -> Result<Source, D::Error> {
    read_source(&String::deserialize(json)?).map_err(D::Error::custom)
}

/// Parses the word for a source. The error is a message for the API's users.
pub fn read_source(text: &str) -> Result<Source, String> {
    let wrong = || {
        format!(
            "`{}` is not a source. Give clickup or github",
            start_of(text)
        )
    };
    Source::parse(text.trim()).ok_or_else(wrong)
}

/// A text that must not be empty; it is stored unchanged.
pub fn written(field: &str, text: String) -> Result<String, String> {
    match text.trim().is_empty() {
        true => Err(format!("The {field} is empty")),
        false => Ok(text),
    }
}

/// The beginning of an unknown value, for an error message.
pub fn start_of(text: &str) -> String {
    text.chars().take(80).collect()
}
