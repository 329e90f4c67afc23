//! Control characters, which are removed from all text: they are invisible, and can command terminals or show a text in
//! another order than its own.
//!
//! Text from others loses them when its JSON is read (`lenient`, `http/request.rs`, `slack/text.rs`). Shown text loses them
//! again, because an earlier version may have stored them and `bot.toml` may contain them.

use std::borrow::Cow;

/// Whether a character is removed from text: all of C0, DEL and C1 except tabs and line breaks, and the embeddings,
/// overrides and isolates that reorder a text. The marks of right-to-left scripts stay.
pub fn is_control(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || reorders(c)
}

/// Whether a character changes the order in which the text after it is shown.
fn reorders(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text of others as one line: without control characters, and with spaces for its line breaks and tabs.
pub fn one_line(text: &str) -> String {
    let line = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        other => other,
    };
    text.chars().map(line).filter(|&c| !is_control(c)).collect()
}

/// The text without control characters.
pub fn without_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return text.into();
    }
    text.chars().filter(|&c| !is_control(c)).collect()
}

/// The longest code of another system that is repeated.
const CODE_MAX: usize = 64;

/// An error code of another system as the log, the metrics and the store show it. Codes are words; anything else is not
/// repeated.
pub fn code(code: &str) -> &str {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    match !code.is_empty() && code.len() <= CODE_MAX && code.chars().all(fits) {
        true => code,
        false => "unreadable_code",
    }
}

/// The first so many bytes of a text, up to the end of a character.
pub fn first_bytes(text: &str, most: usize) -> &str {
    let mut ends = (0..=most.min(text.len())).rev();
    let end = ends.find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// The JSON without control characters in its strings, raw or as escapes.
pub fn json_without_controls(json: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(rest) = json.as_bytes().get(at..)
        && let Some(found) = rest.iter().position(|&byte| may_begin_one(byte))
    {
        let begin = at + found;
        let (length, is_dropped) = control_at(json.get(begin..).unwrap_or_default());
        at = begin + length.max(1);
        if is_dropped {
            kept.push_str(json.get(copied..begin).unwrap_or_default());
            copied = at;
        }
    }
    if copied == 0 {
        return json.into();
    }
    kept.push_str(json.get(copied..).unwrap_or_default());
    kept.into()
}

/// Whether a control character or an escape may begin with this byte. C1 begins with 0xC2 in UTF-8, a character that
/// reorders with 0xE2, and so do others.
fn may_begin_one(byte: u8) -> bool {
    matches!(byte, b'\\' | 0x7f | 0xc2 | 0xe2 | 0..=8 | 0xb | 0xc | 0xe..=0x1f)
}

/// The length of the escape or control character at the start of the text, and whether it is a control character.
fn control_at(text: &str) -> (usize, bool) {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), Some('b' | 'f')) => (2, true),
        (Some('\\'), Some('u')) => {
            let code = text
                .get(2..6)
                .and_then(|digits| u32::from_str_radix(digits, 16).ok());
            match code {
                Some(code) => (6, char::from_u32(code).is_some_and(is_control)),
                None => (2, false),
            }
        }
        // The characters after it must not join it to a new escape.
        (Some('\\'), Some(other)) => (1 + other.len_utf8(), is_control(other)),
        (Some(c), _) => (c.len_utf8(), is_control(c)),
        (None, _) => (0, false),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::Value;

    use super::*;

    #[rstest]
    #[case("Red \u{1b}[31m", "Red [31m")]
    #[case("a\u{0}b\u{7}c\u{7f}d\u{9b}2Je\u{85}f", "abcd2Jef")]
    #[case("two\r\nlines\tand é 👩‍👧 \u{200b}", "two\r\nlines\tand é 👩‍👧 \u{200b}")]
    #[case(
        "\u{202e}gnp.\u{202c}exe \u{2066}x\u{2069} שלום\u{200f}!",
        "gnp.exe x שלום\u{200f}!"
    )]
    #[case("", "")]
    fn a_text_loses_what_commands(#[case] text: &str, #[case] plain: &str) {
        assert_eq!(without_controls(text), plain);
    }

    #[rstest]
    #[case(r#"{"a": "Red \u001b[31m \u001B"}"#, r#"{"a": "Red [31m "}"#)]
    #[case(r#"["\u0000\u0007\b\f\u007f\u009b\u0085x"]"#, r#"["x"]"#)]
    #[case(
        r#"["\n\r\t\u000a\u0009\u00e9\ud83d\ude00"]"#,
        r#"["\n\r\t\u000a\u0009\u00e9\ud83d\ude00"]"#
    )]
    #[case(r#"["\\u001b \\\u001b \\b \" \/"]"#, r#"["\\u001b \\ \\b \" \/"]"#)]
    #[case("[\"\u{9b}2J\u{7f}\u{1b}é\"]", "[\"2Jé\"]")]
    #[case(r#"["\u202eevil\u2069 – “é” \u2014"]"#, r#"["evil – “é” \u2014"]"#)]
    #[case("[\"\u{202e}evil\u{2066} – …\"]", "[\"evil – …\"]")]
    #[case(r#"["\u00"#, r#"["\u00"#)]
    #[case("\\", "\\")]
    #[case("\\é\u{7}", "\\é")]
    #[case("[\"\\\u{7f}u001b\"]", "[\"u001b\"]")]
    fn json_loses_it_as_it_is_and_escaped(#[case] json: &str, #[case] plain: &str) {
        assert_eq!(json_without_controls(json), plain);
    }

    #[rstest]
    #[case(0, "")]
    #[case(1, "a")]
    #[case(2, "a")]
    #[case(3, "aé")]
    #[case(9, "aéb")]
    fn a_text_is_cut_between_characters(#[case] most: usize, #[case] first: &str) {
        assert_eq!(first_bytes("aéb", most), first);
    }

    #[test]
    fn a_text_of_others_is_one_line() {
        let text = "Renew\r\ncert\u{2028}✓ done\u{202e}\u{1b}[2J";
        assert_eq!(one_line(text), "Renew  cert ✓ done[2J");
    }

    proptest! {
        #[test]
        fn json_stays_what_it_was_but_for_them(texts in proptest::collection::vec(any::<String>(), 0..4)) {
            let json = Value::from(texts.clone()).to_string();
            let plain: Vec<String> = texts.iter().map(|text| without_controls(text).into_owned()).collect();
            let read: Value = serde_json::from_str(&json_without_controls(&json)).unwrap();
            prop_assert_eq!(read, Value::from(plain));
        }

        #[test]
        fn whatever_is_no_json_is_survived(text in "[\\\\u0129bfeé\"\u{1b}\u{202e}]*") {
            let plain = json_without_controls(&text);
            prop_assert!(!plain.contains(is_control));
        }
    }
}
