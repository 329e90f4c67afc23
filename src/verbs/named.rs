//! `[REF] NAME|none`: the grammar of verbs that give a task one name out of those that its source knows.

use serde::Deserialize as _;
use serde::de::{Deserializer, Error};
use serde_json::json;

use super::grammar::{ParseError, is_none, parse_ref, quoted, split_word, trim};
use super::line::Call;
use super::many::Refs;
use super::{Info, Verb, body, many};
use crate::domain::command::Ref;
use crate::domain::filter::Filter;

/// The task, and the name; `None` for `none`. Without a name it is the hint.
pub fn read(
    verb: &'static str,
    rest: &str,
    hint: &str,
) -> Result<(Option<Ref>, Option<String>), ParseError> {
    let (task, name) = split(rest);
    if name.is_empty() {
        return Err(ParseError::Slip(hint.to_owned()));
    }
    let (word, more) = split_word(name);
    let is_list = Refs::parse(word.trim_end_matches(',')).is_some() || Filter::is_word(word);
    if is_list && !trim(more).is_empty() {
        // `milestone 1 3 2.1`: no milestone is called `3 2.1`, unless it is quoted.
        return Err(ParseError::NotARefOf {
            verb,
            found: trim(rest).to_owned(),
        });
    }
    Ok((task.and_then(parse_ref), named(name)))
}

/// The name in the member `member` of a body; `None` for `none`.
pub fn member<'de, D: Deserializer<'de>>(
    json: D,
    member: &'static str,
) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(json)?;
    let text = body::written(member, text).map_err(D::Error::custom)?;
    Ok(named(trim(&text)))
}

/// The call of a command line; the name goes in the member `member`.
pub fn call<V: Verb>(words: &[String], info: &Info, member: &str) -> Call {
    let words = words.join(" ");
    if let Some(body) = many::of_line::<V>(&words, member) {
        return Call::effect(info, body);
    }
    let (task, name) = split(&words);
    let (task, name) = match name {
        // The daemon refuses it with a reason.
        "" => (None, task.unwrap_or_default()),
        name => (task, name),
    };
    Call::effect(info, json!({ "ref": task, member: name }))
}

/// Splits `[REF] NAME`. A REF alone has no name.
fn split(text: &str) -> (Option<&str>, &str) {
    let text = trim(text).trim_end_matches('!');
    let (word, after) = split_word(text);
    match parse_ref(word) {
        Some(_) => (Some(word), trim(after)),
        None => (None, text),
    }
}

/// The name without quotation marks; `None` for `none`.
fn named(name: &str) -> Option<String> {
    let name = match quoted(name, None) {
        Some((inside, after)) if trim(after).is_empty() => trim(inside),
        _ => match is_none(name) {
            true => return None,
            false => name,
        },
    };
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}
