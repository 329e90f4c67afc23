//! Lenient reading of JSON from others, with memory limited to a small multiple of its text.
//!
//! A field of an unexpected type must not make its neighbours unreadable. So each field is first skipped, which builds
//! nothing, and then parsed on its own from the skipped text. A tree of [`Value`]s for the whole could take eighty
//! times the text: `{},` is three bytes there, but an object and its slot in memory.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use serde::de::{self, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::domain::controls::json_without_controls;
use crate::domain::when::plausible;
use crate::limits::Limit;

/// The number of items read of one list. All lists that we request or receive are shorter.
const ITEMS_MAX: usize = 20_000;

/// The longest text of one field, in bytes: GitHub's longest body has 65,536 characters, of at most twelve bytes each.
const TEXT_MAX: usize = 2 * 1024 * 1024;

/// A value of its own; `None` if it is of an unexpected type, or a text that is too long.
fn parsed<'de, T: Deserialize<'de>>(raw: &'de RawValue) -> Option<T> {
    let json = raw.get();
    // If the type is unexpected, the error would repeat the text.
    if json.len() > TEXT_MAX && json.starts_with('"') {
        Limit::Text.reached(format_args!(
            "a text of more than {TEXT_MAX} bytes in the JSON of a source is left out"
        ));
        return None;
    }
    serde_json::from_str(json).ok()
}

/// Reads a field; the default if it is missing, null or of an unexpected type.
pub(crate) fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    let field = <&RawValue>::deserialize(deserializer)?;
    Ok(parsed(field).unwrap_or_default())
}

/// Reads a time; `None` if it is missing, null, of an unexpected type, or not from 1970 to 9999.
pub(crate) fn lenient_time<'de, D>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error>
where
    D: Deserializer<'de>,
{
    let at: Option<DateTime<Utc>> = lenient(deserializer)?;
    Ok(at.and_then(plausible))
}

/// Reads a time or null; other values, and times that are not from 1970 to 9999, are an error.
pub(crate) fn time_or_null<'de, D>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error>
where
    D: Deserializer<'de>,
{
    let at = Option::<DateTime<Utc>>::deserialize(deserializer)?;
    match at.map(plausible) {
        Some(None) => Err(D::Error::custom("it is not a time from 1970 to 9999")),
        at => Ok(at.flatten()),
    }
}

/// As [`time_or_null`], but null is an error.
pub(crate) fn time<'de, D>(deserializer: D) -> Result<DateTime<Utc>, D::Error>
where
    D: Deserializer<'de>,
{
    let at = time_or_null(deserializer)?;
    at.ok_or_else(|| D::Error::custom("it is not a time"))
}

/// Reads a list; other values give an empty one, and unreadable items are skipped.
pub(crate) fn each<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    first::<D, T, ITEMS_MAX>(deserializer)
}

/// As [`each`], but reads at most `MAX` items and counts the others.
pub(crate) fn first<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(Items::<T, MAX> {
        strict: false,
        items: PhantomData,
    })
}

/// As [`each`], but a value that is not a list is an error.
pub(crate) fn items<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(Items::<T, ITEMS_MAX> {
        strict: true,
        items: PhantomData,
    })
}

struct Items<T, const MAX: usize> {
    strict: bool,
    items: PhantomData<T>,
}

impl<T, const MAX: usize> Items<T, MAX> {
    fn none<E: Error>(self, found: de::Unexpected<'_>) -> Result<Vec<T>, E> {
        match self.strict {
            true => Err(E::invalid_type(found, &"a list")),
            false => Ok(Vec::new()),
        }
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while items.len() < MAX {
            let Some(item) = seq.next_element::<&RawValue>()? else {
                return Ok(items);
            };
            items.extend(parsed::<T>(item));
        }
        let mut more = 0_usize;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            more += 1;
        }
        if more > 0 {
            Limit::Items.reached(format_args!(
                "a JSON list is cut to {MAX} items, leaving out {more}"
            ));
        }
        Ok(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.none(de::Unexpected::Map)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Vec<T>, E> {
        self.none(de::Unexpected::Other("a text"))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Vec<T>, E> {
        self.none(de::Unexpected::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Vec<T>, E> {
        self.none(de::Unexpected::Signed(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Vec<T>, E> {
        self.none(de::Unexpected::Float(number))
    }

    fn visit_bool<E: Error>(self, bool: bool) -> Result<Vec<T>, E> {
        self.none(de::Unexpected::Bool(bool))
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<T>, E> {
        self.none(de::Unexpected::Unit)
    }
}

/// An id or another short text: a string, or a whole number as text. Other values are skipped.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) Option<String>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_any(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Name, E> {
        Ok(Name(Some(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Name, E> {
        Ok(Name(Some(number.to_string())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Name, E> {
        Ok(Name(Some(number.to_string())))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Name, E> {
        Ok(Name(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Name, E> {
        Ok(Name(None))
    }

    fn visit_unit<E>(self) -> Result<Name, E> {
        Ok(Name(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Name, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Name(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Name, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Name(None))
    }
}

/// Checks that a value is a string without storing it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IsText;

impl<'de> Deserialize<'de> for IsText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<IsText, D::Error> {
        struct Texts;
        impl Visitor<'_> for Texts {
            type Value = IsText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E>(self, _: &str) -> Result<IsText, E> {
                Ok(IsText)
            }
        }
        deserializer.deserialize_str(Texts)
    }
}

/// The JSON of a payload that was stored in its original form.
pub(crate) fn payload(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => json_without_controls(text),
        Cow::Owned(text) => json_without_controls(&text).into_owned().into(),
    }
}

/// Parses a frame of Slack: a JSON object with at most `values_max` values.
pub(crate) fn frame(text: &str, values_max: usize) -> Option<Value> {
    let mut left = values_max;
    let text = json_without_controls(text);
    let mut reader = serde_json::Deserializer::from_str(&text);
    let read = Tree { left: &mut left }.deserialize(&mut reader);
    if read.is_err() && left == 0 {
        Limit::FrameValues.reached(format_args!(
            "a frame from Slack has more than {values_max} values and is dropped"
        ));
    }
    let value = read.ok()?;
    reader.end().ok()?;
    value.is_object().then_some(value)
}

/// Builds the tree of a part of an answer from Slack; `None` if it has more than `left` values. They are subtracted.
pub(crate) fn tree(json: &str, left: &mut usize) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let read = Tree { left: &mut *left }.deserialize(&mut reader);
    if read.is_err() && *left == 0 {
        Limit::FrameValues.reached(
            "a message, file or user in an answer from Slack has too many values and is left out",
        );
    }
    read.ok()
}

/// A tree with a limit on further values.
struct Tree<'a> {
    left: &'a mut usize,
}

impl Tree<'_> {
    fn again(&mut self) -> Tree<'_> {
        Tree { left: self.left }
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        *self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| D::Error::custom("it has too many values"))?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Value, E> {
        Ok(bool.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self.again())? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(self.again())?;
            fields.insert(name, value);
        }
        Ok(fields.into())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Thing {
        #[serde(deserialize_with = "lenient")]
        word: String,
        #[serde(deserialize_with = "each")]
        numbers: Vec<u64>,
        #[serde(deserialize_with = "first::<_, _, 2>")]
        two: Vec<u64>,
    }

    fn read(text: &str) -> Thing {
        serde_json::from_str(text).unwrap()
    }

    #[rstest]
    #[case::all(r#"{"word": "a", "numbers": [1, 2], "two": [3]}"#, "a", &[1, 2], &[3])]
    #[case::missing("{}", "", &[], &[])]
    #[case::null(r#"{"word": null, "numbers": null, "two": null}"#, "", &[], &[])]
    #[case::other_types(r#"{"word": {"a": [1]}, "numbers": {"a": [1]}, "two": "no"}"#, "", &[], &[])]
    #[case::odd_items(r#"{"word": 7, "numbers": [1, "2", [], -3, 4], "two": 1.5}"#, "", &[1, 4], &[])]
    #[case::too_many(r#"{"two": [1, null, 2, 3, {"a": {}}]}"#, "", &[], &[1, 2])]
    #[case::escapes(r#"{"word": "caf\u00e9 \"✓\""}"#, "café \"✓\"", &[], &[])]
    fn odd_fields_are_missing_fields(
        #[case] text: &str,
        #[case] word: &str,
        #[case] numbers: &[u64],
        #[case] two: &[u64],
    ) {
        let thing = Thing {
            word: word.into(),
            numbers: numbers.into(),
            two: two.into(),
        };
        assert_eq!(read(text), thing);
    }

    #[test]
    fn a_text_without_end_is_left_out() {
        let before = Limit::Text.times();
        let of = |length: usize| format!("{{\"word\": \"{}\", \"two\": [7]}}", "x".repeat(length));
        assert_eq!(read(&of(TEXT_MAX - 2)).word.len(), TEXT_MAX - 2);
        let thing = read(&of(TEXT_MAX));
        assert_eq!((thing.word.as_str(), thing.two.as_slice()), ("", &[7][..]));
        assert!(Limit::Text.times() > before);
    }

    #[test]
    fn of_a_list_without_end_the_first_items_are_read_and_that_is_said() {
        let before = Limit::Items.times();
        let long = |items: usize| format!("{{\"numbers\": [{}0]}}", "0,".repeat(items - 1));
        assert_eq!(read(&long(ITEMS_MAX)).numbers.len(), ITEMS_MAX);
        assert_eq!(read(&long(ITEMS_MAX + 1)).numbers.len(), ITEMS_MAX);
        assert!(Limit::Items.times() > before);
    }

    #[rstest]
    #[case::list("[1, \"x\", 2]", Some(2))]
    #[case::empty("[]", Some(0))]
    #[case::object("{}", None)]
    #[case::null("null", None)]
    #[case::text("\"no\"", None)]
    fn a_listing_has_to_be_a_list(#[case] text: &str, #[case] found: Option<usize>) {
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = items::<_, u64>(&mut reader);
        assert_eq!(read.ok().map(|items| items.len()), found);
    }

    #[test]
    fn a_tree_is_what_serde_makes_of_it_or_too_large() {
        let text = r#"{"a": [1, -2, 2.5, true, null, {"b": "c\n"}]}"#;
        assert_eq!(
            frame(text, 9),
            Some(serde_json::from_str::<Value>(text).unwrap())
        );
        let before = Limit::FrameValues.times();
        assert_eq!(frame(text, 7), None);
        assert!(Limit::FrameValues.times() > before);
        for odd in ["[1]", "", "{} x", "{", "7"] {
            assert_eq!(frame(odd, 9), None, "{odd}");
        }
    }

    /// On a stack that one call per level would overflow.
    #[test]
    fn nesting_without_end_is_skipped_or_refused() {
        let deep = |open: &str, close: &str| open.repeat(100_000) + "0" + &close.repeat(100_000);
        let texts = [deep("[", "]"), deep("{\"word\":", "}")];
        let read = move || {
            for deep in texts {
                let text =
                    format!("{{\"word\": {deep}, \"numbers\": {deep}, \"two\": [{deep}, 3]}}");
                assert!(
                    serde_json::from_str::<Thing>(&text).map_or(true, |thing| thing.two == [3])
                );
                let text = format!("{{\"new\": {deep}, \"numbers\": [1]}}");
                assert_eq!(serde_json::from_str::<Thing>(&text).unwrap().numbers, [1]);
                assert_eq!(frame(&text, 1_000_000), None);
            }
        };
        let thread = std::thread::Builder::new().stack_size(256 * 1024);
        thread.spawn(read).unwrap().join().unwrap();
    }
}
