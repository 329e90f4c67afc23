//! The text grammar of verbs: words, quotes, options and REFs. Pure and total; the same for Slack, the CLI and HTTP.
//!
//! Slack's escapes are undone before (`slack/text.rs`); the task that `2` or `#12` names is looked up after.

use super::VERBS;
use crate::domain::address;
use crate::domain::command::Ref;
use crate::domain::controls::first_bytes;
use crate::domain::spelling::nearest;
use crate::domain::task::{RepoName, TaskId};
use crate::domain::when::When;

/// The accepted forms of a REF, for help and hints.
pub const REF_HELP: &str = "a number of your last list, `#12`, a task id or a task's link";

/// The reason why a text is no command. `Display` is the one-line hint for the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text is empty or only white space.
    #[error(
        "Type a command, such as `done`, `comment TEXT` or `create TITLE`. `help` lists them all."
    )]
    Empty,
    /// The first word, which is no verb.
    #[error("I don't know `{}`. {}", excerpt(.0), instead(.0))]
    UnknownVerb(String),
    /// A verb without arguments has some.
    #[error("Type `{verb}` alone, without `{}`.", excerpt(.found))]
    NothingAfter {
        /// The verb's name.
        verb: &'static str,
        /// The text after it, trimmed.
        found: String,
    },
    /// The text after the verb is no REF.
    #[error("`{}` is not a task. After `{verb}`, type {REF_HELP}.", excerpt(.found))]
    NotARefOf {
        /// The verb's name.
        verb: &'static str,
        /// The text in place of a REF.
        found: String,
    },
    /// `comment` lacks its text.
    #[error("What is the comment? `comment TEXT`, or `comment on REF: TEXT`.")]
    EmptyComment,
    /// An option without its value: its short spelling, and a sample of the value.
    #[error("`{0}` needs a value after it: `{0} {1}`.")]
    NoValue(&'static str, &'static str),
    /// The short spelling of an option that was given twice.
    #[error("`{0}` is there twice. Keep one.")]
    Twice(&'static str),
    /// A verb's own hint, for a text that can only be meant as a command.
    #[error("{0}")]
    Slip(String),
    /// A verb's own hint, for a text that may be prose.
    #[error("{0}")]
    Prose(String),
}

/// The advice after an unknown verb: the one that was probably meant.
fn instead(word: &str) -> String {
    let names = VERBS.iter().map(|row| row.info.name);
    match nearest(&word.to_lowercase(), names) {
        Some(name) => format!("Did you mean `{name}`?"),
        None => "Try `done`, `comment TEXT` or `create TITLE`. `help` lists them all.".to_owned(),
    }
}

impl ParseError {
    /// Whether the text reads as prose, though it may begin like a command: "done with the first half". A text with an
    /// option, or a verb that lacks its text, is a command with an error.
    pub fn is_prose(&self) -> bool {
        match self {
            ParseError::UnknownVerb(_)
            | ParseError::NothingAfter { .. }
            | ParseError::NotARefOf { .. }
            | ParseError::Prose(_) => true,
            ParseError::Empty
            | ParseError::EmptyComment
            | ParseError::NoValue(..)
            | ParseError::Twice(_)
            | ParseError::Slip(_) => false,
        }
    }
}

/// Parses a REF: a list number, `#12`, a task id, `owner/repo#12` as replies show it, or a pasted URL.
pub fn parse_ref(text: &str) -> Option<Ref> {
    let text = trim(text).trim_matches('`');
    if let Some(number) = text.strip_prefix('#') {
        return digits(number).map(Ref::Issue);
    }
    if let Some(number) = digits(text) {
        return Some(Ref::Nth(usize::try_from(number).ok()?));
    }
    let id = || {
        let (repo, number) = text.split_once('#')?;
        TaskId::github(Some(RepoName::parse(repo)?), digits(number)?)
    };
    TaskId::parse(text)
        .ok()
        .map(Ref::Id)
        .or_else(|| page(text))
        // Slack returns a URL that was typed without its scheme as it was typed.
        .or_else(|| page(&format!("https://{text}")))
        .or_else(|| id().map(Ref::Id))
        .or_else(|| labelled(text).and_then(|(named, rest)| rest.is_empty().then_some(named)))
}

/// The task of a link. An issue keeps the host: another GitHub has other issues.
fn page(url: &str) -> Option<Ref> {
    let id = TaskId::from_url(url)?;
    Some(match id.issue() {
        Some(_) => Ref::Page(address::host_of(url).to_owned(), id),
        None => Ref::Id(id),
    })
}

/// A link with a label, as copied from our replies: `Renew cert (https://app.clickup.com/t/86…)`; and the rest after
/// it.
pub fn labelled(text: &str) -> Option<(Ref, &str)> {
    /// A title may have brackets too.
    const BRACKETS_MAX: usize = 8;
    text.match_indices(')')
        .take(BRACKETS_MAX)
        .find_map(|(at, _)| {
            let (before, bracket) = text.split_at_checked(at)?;
            let after = bracket.strip_prefix(')')?;
            let (_, url) = before.rsplit_once(" (")?;
            let task = page(url).filter(|_| at_boundary(after))?;
            Some((task, after))
        })
}

/// `start [REF]` and similar: a single REF, or nothing.
pub fn optional_ref(verb: &'static str, rest: &str) -> Result<Option<Ref>, ParseError> {
    let rest = trim(rest);
    if is_mere_punctuation(rest) {
        return Ok(None);
    }
    parse_ref(rest.trim_end_matches(['.', '!']))
        .map(Some)
        .ok_or_else(|| ParseError::NotARefOf {
            verb,
            found: rest.to_owned(),
        })
}

/// A verb that takes no arguments.
pub fn nothing_after<T>(verb: &'static str, rest: &str, read: T) -> Result<T, ParseError> {
    let rest = trim(rest);
    match is_mere_punctuation(rest) {
        true => Ok(read),
        false => Err(ParseError::NothingAfter {
            verb,
            found: rest.to_owned(),
        }),
    }
}

/// Splits `[REF] WHEN`. A text that is a time as a whole has no REF: `2 dec` is a day.
pub fn split_when(text: &str) -> (Option<&str>, &str) {
    let text = trim(text);
    if When::parse(text).is_some() {
        return (None, text);
    }
    let (word, after) = split_word(text);
    if parse_ref(word).is_some() {
        return (Some(word), trim(after));
    }
    match labelled(text) {
        Some((_, after)) => (Some(before(text, after)), trim(after)),
        None => (None, text),
    }
}

/// Whether the word clears the value that another would set.
pub fn is_none(word: &str) -> bool {
    let word = trim(word).trim_end_matches(['.', '!']);
    word.eq_ignore_ascii_case("none") || word.eq_ignore_ascii_case("never")
}

/// An option with its two spellings, and a sample of its value for a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// One dash and a letter, as `-s`.
    pub short: &'static str,
    long: &'static str,
    value: &'static str,
}

impl Flag {
    /// An option by its short and long spelling, with dashes, and a sample of its value.
    pub const fn new(short: &'static str, long: &'static str, value: &'static str) -> Flag {
        Flag { short, long, value }
    }

    /// The error for this option without a value.
    pub fn no_value(self) -> ParseError {
        ParseError::NoValue(self.short, self.value)
    }

    /// Whether a word is this option. Phones turn two dashes into one, so a long dash stands for either.
    fn is(self, word: &str) -> bool {
        word == self.short
            || word == self.long
            || word.strip_prefix(['–', '—', '−']).is_some_and(|name| {
                name == self.short.trim_start_matches('-')
                    || name == self.long.trim_start_matches('-')
            })
    }
}

/// More bytes than any option's name has.
const OPTION_MAX: usize = 64;

/// The known option that a text begins with, and the rest after it. `--source=github` is accepted too.
pub fn flag<'a>(text: &'a str, known: &[Flag]) -> Option<(Flag, &'a str)> {
    let find = |word: &str| known.iter().copied().find(|flag| flag.is(word));
    // A longer word is no option, and may be the whole text.
    let (word, _) = split_word(first_bytes(text, OPTION_MAX));
    if let Some(flag) = find(word) {
        return Some((flag, split_word(text).1));
    }
    let (name, _) = word.split_once('=')?;
    let flag = find(name).filter(|_| name.chars().count() > 2)?;
    Some((flag, text.strip_prefix(name)?.strip_prefix('=')?))
}

/// Splits a text that begins with a quotation mark into the text inside and the rest. The closing mark is the first
/// before a space or the end of the line; with `lines`, failing that, the first of a later line that ends the line or
/// comes before one of these options.
pub fn quoted<'a>(text: &'a str, lines: Option<&[Flag]>) -> Option<(&'a str, &'a str)> {
    let open = text.chars().next()?;
    let family = QUOTES.iter().find(|marks| marks.contains(open))?;
    let inside = text.strip_prefix(open)?;
    let mut later_line = false;
    for (at, c) in inside.char_indices() {
        if c == '\n' {
            lines?;
            later_line = true;
        } else if family.contains(c) {
            let (quoted, close) = inside.split_at_checked(at)?;
            let after = close.strip_prefix(c)?;
            let closes = if later_line {
                let then = skip_spaces(after);
                then.is_empty()
                    || then.starts_with('\n')
                    || flag(then, lines.unwrap_or_default()).is_some()
            } else {
                at_boundary(after)
            };
            if closes {
                return Some((quoted, after));
            }
        }
    }
    None
}

/// Marks that open and close each other: keyboards differ in which of a family they use for which end.
const QUOTES: [&str; 3] = ["\"“”„", "'‘’‚", "«»"];

/// Whether a character is a quotation mark of any kind.
pub fn is_quote(c: char) -> bool {
    QUOTES.iter().any(|marks| marks.contains(c))
}

/// `*done*`, `_done_` and `` `done` `` without the marks, if they are around the whole text and nowhere within.
pub fn unmarked(text: &str) -> &str {
    let mut text = text;
    while let Some(mark @ ('*' | '_' | '`')) = text.chars().next() {
        let inside = text.trim_matches(mark);
        let before = text.len() - text.trim_start_matches(mark).len();
        let after = text.len() - text.trim_end_matches(mark).len();
        if inside.is_empty() || inside.contains(mark) || before != after {
            break;
        }
        text = trim(inside);
    }
    text
}

/// Without white space of any kind, and zero-width characters, at its ends.
pub fn trim(text: &str) -> &str {
    let is_zero_width = |c: char| matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}');
    text.trim_matches(|c: char| c.is_whitespace() || is_zero_width(c))
}

/// The text from the next character that is no space, or from the end of the line.
pub fn skip_spaces(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() && c != '\n')
}

/// Splits before the first white space.
pub fn split_word(text: &str) -> (&str, &str) {
    text.find(char::is_whitespace)
        .and_then(|at| text.split_at_checked(at))
        .unwrap_or((text, ""))
}

/// The part of `text` before `rest`, its end.
pub fn before<'a>(text: &'a str, rest: &str) -> &'a str {
    text.len()
        .checked_sub(rest.len())
        .and_then(|at| text.get(..at))
        .unwrap_or(text)
}

/// Whether a text is empty or begins with white space.
pub fn at_boundary(text: &str) -> bool {
    text.chars().next().is_none_or(char::is_whitespace)
}

/// With plain spaces for white space of any kind.
pub fn spaced(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect()
}

/// A number from 1, in digits only.
pub fn digits(text: &str) -> Option<u64> {
    let only_digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|&number| only_digits && number > 0)
}

/// `done !`, in French typography, is `done`.
pub fn is_mere_punctuation(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_whitespace() || matches!(c, '.' | '!'))
}

/// A person's text as a hint quotes it: short, on one line, and without closing a quotation.
pub fn excerpt(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = text
        .chars()
        .take(LONGEST)
        .map(|c| match c {
            '`' => '\'',
            c if c.is_whitespace() || c.is_control() => ' ',
            c => c,
        })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

/// A message in its plain form: lower case, single spaces, no full stop or exclamation mark at its end.
pub fn spoken(text: &str) -> String {
    let bare = unmarked(text.trim_end_matches(['.', '!'])).trim_end_matches(['.', '!']);
    // A mark that stands alone may be the text of a comment.
    let text = if bare.ends_with(char::is_whitespace) {
        text
    } else {
        bare
    };
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    // Phones curl the apostrophe of "what's".
    words.join(" ").replace('\u{2019}', "'")
}

/// The text without the emoji at its end: `:tada:` as Slack writes it, the character itself, or `:)`.
pub fn without_smiles(text: &str) -> &str {
    const TYPED: [&str; 15] = [
        ":)", ":-)", ";)", ";-)", ":D", ":-D", ":(", ":-(", ":P", ":p", ":-P", ":'(", "=)", "<3",
        "^^",
    ];
    let mut rest = trim(text);
    loop {
        let bare = trim(rest.trim_end_matches(['.', '!']));
        let shorter = TYPED
            .iter()
            .find_map(|smile| bare.strip_suffix(smile))
            .or_else(|| without_named_emoji(bare))
            .or_else(|| without_drawn_emoji(bare));
        match shorter {
            Some(shorter) => rest = trim(shorter),
            None => return rest,
        }
    }
}

/// Emoji that are numbers: `done :two:` may mean number 2 of the list, and must not complete the current task.
const NUMBERS: [&str; 11] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "keycap_ten",
];

/// Without `:tada:` at the end.
fn without_named_emoji(text: &str) -> Option<&str> {
    let (before, name) = text.strip_suffix(':')?.rsplit_once(':')?;
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '\'');
    if NUMBERS.contains(&name) {
        return None;
    }
    let named = name.chars().all(fits) && name.chars().any(|c| c.is_alphabetic() || c == '+');
    (named || matches!(name, "-1" | "100" | "1234")).then_some(before)
}

/// Without the characters at the end that are drawn as emoji.
fn without_drawn_emoji(text: &str) -> Option<&str> {
    // U+1F51F is a ten in a box, a number as those of one character and U+20E3 are.
    let drawn = |c: char| {
        matches!(u32::from(c), 0x1F000..=0x1F51E | 0x1F520..=0x1FAFF | 0x2600..=0x27BF | 0x2B00..=0x2BFF | 0x23E9..=0x23FA
            | 0x231A..=0x231B | 0x2194..=0x2199 | 0x21A9..=0x21AA | 0x25AA..=0x25FE | 0x2934..=0x2935 | 0x203C | 0x2049
            | 0x2122 | 0x2139 | 0x2328 | 0x23CF | 0x3030 | 0x303D | 0x3297 | 0x3299)
    };
    // Characters that join and colour them.
    let joins = |c: char| matches!(u32::from(c), 0x200D | 0xFE0E..=0xFE0F | 0xE0020..=0xE007F);
    let shorter = text.trim_end_matches(|c: char| drawn(c) || joins(c));
    text.chars()
        .rev()
        .find(|c| !joins(*c))
        .filter(|c| drawn(*c))?;
    Some(shorter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn id(text: &str) -> Option<Ref> {
        Some(Ref::Id(TaskId::parse(text).unwrap()))
    }

    fn on_github(text: &str) -> Option<Ref> {
        Some(Ref::Page(
            "github.com".to_owned(),
            TaskId::parse(text).unwrap(),
        ))
    }

    const NTH_2: Option<Ref> = Some(Ref::Nth(2));

    #[rstest]
    #[case("2", NTH_2)]
    #[case(" #12 ", Some(Ref::Issue(12)))]
    #[case("`clickup:OPS-12`", id("clickup:OPS-12"))]
    #[case(
        "https://github.com/acme/widgets/issues/7",
        on_github("github:acme/widgets#7")
    )]
    #[case("0", None)]
    #[case("#0", None)]
    #[case("+2", None)]
    #[case("#", None)]
    #[case("", None)]
    #[case("2 3", None)]
    #[case(
        "Login (https://github.com/acme/widgets/issues/7)",
        on_github("github:acme/widgets#7")
    )]
    #[case("github.com/acme/widgets/issues/7", on_github("github:acme/widgets#7"))]
    #[case("acme/widgets#7", id("github:acme/widgets#7"))]
    #[case("https://app.clickup.com/t/86c1", id("clickup:86c1"))]
    #[case("Login (https://github.com/acme/widgets/issues/7) now", None)]
    #[case("Login (https://example.test)", None)]
    #[case("99999999999999999999999", None)]
    #[case("acme#7", None)]
    #[case("shipped", None)]
    fn a_ref_is_read(#[case] typed: &str, #[case] named: Option<Ref>) {
        assert_eq!(parse_ref(typed), named);
    }
}
