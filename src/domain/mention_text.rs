//! A person's text for a source: its mentions in the source's form.
//!
//! The verb makes it before the operation is committed. The same text is then sent, searched for after a lost response,
//! recognized when it comes back, and compared before it is undone.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::controls::first_bytes;

/// The limit of mentions in one text. GitHub notifies no more people of one text either.
pub const MENTIONS_MAX: usize = 50;

/// A text with mentions of people, for a source whose mentions are more than text (docs/contracts/clickup.md#writing).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Inserted", into = "Inserted")]
pub struct MentionText(Vec<Piece>);

/// A part of a [`MentionText`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// Text without a mention.
    Text(String),
    /// A mention of one account at the source.
    Mention {
        /// The stable id.
        account: String,
        /// The name that people read after the `@`.
        name: String,
    },
}

/// The stored form: a text without mentions is a plain string.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Inserted {
    Text(String),
    Pieces(Vec<Piece>),
}

impl From<Inserted> for MentionText {
    fn from(kept: Inserted) -> MentionText {
        match kept {
            Inserted::Text(text) => MentionText::from(text),
            Inserted::Pieces(pieces) => pieces.into_iter().collect(),
        }
    }
}

impl From<MentionText> for Inserted {
    fn from(prose: MentionText) -> Inserted {
        let mentions = prose.mentions().next().is_some();
        match mentions {
            true => Inserted::Pieces(prose.0),
            false => Inserted::Text(prose.to_string()),
        }
    }
}

impl From<&str> for MentionText {
    fn from(text: &str) -> MentionText {
        MentionText::from(text.to_owned())
    }
}

impl From<String> for MentionText {
    fn from(text: String) -> MentionText {
        std::iter::once(Piece::Text(text)).collect()
    }
}

impl FromIterator<Piece> for MentionText {
    fn from_iter<I: IntoIterator<Item = Piece>>(pieces: I) -> MentionText {
        let mut prose = MentionText::default();
        pieces.into_iter().for_each(|piece| prose.add(piece));
        prose
    }
}

/// The form that people read.
impl fmt::Display for MentionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Mention { name, .. } => write!(f, "@{name}"),
        })
    }
}

impl MentionText {
    /// The parts in order. No two texts follow each other, and none is empty.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The accounts that it mentions.
    pub fn mentions(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Mention { account, .. } => Some(account.as_str()),
        })
    }

    /// Replaces mentions by names, except those of the accounts that `stays` keeps.
    pub fn unmentioned_but(&self, stays: impl Fn(&str) -> bool) -> MentionText {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Mention { account, name } if !stays(account) => Piece::Text(name.clone()),
            other => other.clone(),
        });
        pieces.collect()
    }

    fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text) => self.push(&text),
            mention @ Piece::Mention { .. } => self.0.push(mention),
        }
    }

    fn push(&mut self, more: &str) {
        match self.0.last_mut() {
            _ if more.is_empty() => {}
            Some(Piece::Text(text)) => text.push_str(more),
            _ => self.0.push(Piece::Text(more.to_owned())),
        }
    }

    /// Without white space at its end.
    pub fn trim_end(mut self) -> MentionText {
        if let Some(Piece::Text(text)) = self.0.last_mut() {
            text.truncate(text.trim_end().len());
            if text.is_empty() {
                self.0.pop();
            }
        }
        self
    }

    /// Whether a source shows this text. A source may show it formatted, and then lists it without Markdown's signs,
    /// with other white space and other line ends. So only the words are compared. A mention may be shown as the
    /// person's name, but never as another person.
    pub fn is_shown_as(&self, shown: &MentionText) -> bool {
        let (wanted, shown) = (self.encoded(), shown.encoded());
        readings(&wanted, &shown).any(|(wanted, shown)| is_spelled(&wanted, &shown))
    }

    /// One string, in which a mention is delimited, and its account and name divided, by a character that no text has.
    fn encoded(&self) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.replace(MARK, ""),
            Piece::Mention { account, name } => {
                let [account, name] = [account, name].map(|text| one_line(text).replace(MARK, ""));
                format!("{MARK}{account}{MARK}{name}{MARK}")
            }
        });
        pieces.collect()
    }
}

const MARK: char = '\u{1}';

/// The lines of a text, without invisible differences.
fn plain_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.trim().split('\n').map(str::trim_end).collect();
    lines.join("\n")
}

/// Whether one encoded text is another, or the same with names for mentions.
///
/// The text after a name may begin like the name goes on, so a mention can match in several ways. All of them are
/// followed at once, by the position in `shown` where they end.
fn is_spelled(wanted: &str, shown: &str) -> bool {
    let mut ends = BTreeSet::from([shown.len()]);
    let mut rest = wanted;
    while let Some((text, mention)) = rest.split_once(MARK) {
        let mut parts = mention.splitn(3, MARK);
        let (Some(account), Some(name), Some(after)) = (parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        let mentioned = format!("{MARK}{account}{MARK}");
        let named = format!("@{name}");
        let mut next = BTreeSet::new();
        for left in left_at(shown, &ends) {
            let Some(left) = left.strip_prefix(text) else {
                continue;
            };
            let by_account = left.strip_prefix(mentioned.as_str());
            let by_account = by_account.and_then(|left| left.split_once(MARK));
            next.extend(by_account.map(|(_, left)| left.len()));
            next.extend(left.strip_prefix(named.as_str()).map(str::len));
            next.extend(left.strip_prefix(name).map(str::len));
        }
        if next.is_empty() {
            return false;
        }
        (ends, rest) = (next, after);
    }
    left_at(shown, &ends).any(|left| left == rest)
}

/// The rest of a text, for each possible number of remaining bytes.
fn left_at<'a>(text: &'a str, left: &BTreeSet<usize>) -> impl Iterator<Item = &'a str> {
    left.iter()
        .filter_map(|left| text.get(text.len().checked_sub(*left)?..))
}

/// Whether two texts have the same words, apart from Markdown's signs, white space and line ends.
pub fn same_words(one: &str, other: &str) -> bool {
    readings(one, other).any(|(one, other)| one == other)
}

/// The forms of two texts to compare, without their signs. The word after an opening fence may be the block's language,
/// which is not shown, or its first line: so there are two readings. Texts that are only signs are compared as is.
fn readings<'a>(one: &'a str, other: &'a str) -> impl Iterator<Item = (String, String)> + 'a {
    [true, false].into_iter().map(move |language| {
        let bare = bare(one, language);
        match bare.is_empty() {
            true => (plain_lines(one), plain_lines(other)),
            false => (bare, self::bare(other, language)),
        }
    })
}

/// The words of a text: without Markdown's signs, white space and zero-width characters. The word after an opening
/// fence is left out as well if it is a `language`.
fn bare(text: &str, language: bool) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut words = String::with_capacity(text.len());
    let mut in_fence = false;
    for line in text.split('\n') {
        let line = without_quote(line);
        if let Some(after) = after_fence(line) {
            let opens = !in_fence;
            in_fence = opens && goes_on_behind(after);
            let is_language = opens && !after.trim().contains(char::is_whitespace);
            if !(language && is_language && in_fence) {
                push_words(after, &mut words);
            }
            continue;
        }
        in_fence = in_fence && goes_on_behind(line);
        // Shown without its fence, a line of code looks like any other.
        push_words(&without_links(without_marker(line)), &mut words);
    }
    words
}

/// Whether a code block continues after this line of it.
fn goes_on_behind(line: &str) -> bool {
    !line.contains("```")
}

/// The rest of a line that begins with a fence.
fn after_fence(line: &str) -> Option<&str> {
    ["```", "~~~"]
        .into_iter()
        .find_map(|fence| line.strip_prefix(fence))
        .map(|after| after.trim_start_matches(['`', '~']))
}

/// A line without the signs of a quotation.
fn without_quote(line: &str) -> &str {
    line.trim_start_matches(|c: char| c == '>' || c.is_whitespace())
}

/// A line without the sign of a heading or a list item, its number or box; empty for a rule.
fn without_marker(line: &str) -> &str {
    let only = |signs: &str| line.chars().all(|c| signs.contains(c) || c.is_whitespace());
    if ["-", "=", "|-:"].into_iter().any(only) {
        return "";
    }
    let begins = |rest: &str| rest.is_empty() || rest.starts_with(char::is_whitespace);
    let heading = line.trim_start_matches('#');
    if heading.len() < line.len() && begins(heading) {
        return heading;
    }
    let bullet = line.strip_prefix(['-', '*', '+', '•']);
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = match number.len() < line.len() {
        true => number.strip_prefix(['.', ')']),
        false => None,
    };
    let Some(item) = bullet.or(number).filter(|rest| begins(rest)) else {
        return line;
    };
    let item = item.trim_start();
    let boxed = ["[ ]", "[x]", "[X]"]
        .into_iter()
        .find_map(|sign| item.strip_prefix(sign));
    boxed.unwrap_or(item)
}

/// A line with the labels of its links, and bare URLs without brackets.
fn without_links(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['[', '<']) {
        let (before, link) = split_at(rest, at);
        shown.push_str(before);
        match labelled(link).or_else(|| bracketed(link)) {
            Some((label, after)) => {
                // The sign of an image.
                if shown.ends_with('!') && link.starts_with('[') {
                    shown.pop();
                }
                shown.push_str(label);
                rest = after;
            }
            None => {
                let (sign, after) = split_at(link, 1);
                shown.push_str(sign);
                rest = after;
            }
        }
    }
    shown.push_str(rest);
    shown
}

/// The longest address of a link, in bytes. Otherwise each of many openings would have the rest of the line searched for
/// its end.
const ADDRESS_MAX: usize = 2_048;

/// The label of `[label](address)`, and the rest.
fn labelled(link: &str) -> Option<(&str, &str)> {
    let inside = link.strip_prefix('[')?;
    // A label has no bracket of its own, so that no part of the line is searched twice.
    let end = inside.find('[').unwrap_or(inside.len());
    let (label, _) = inside.get(..end)?.split_once("](")?;
    let rest = inside.get(label.len() + "](".len()..)?;
    let (address, after) = address_until(rest, ')')?;
    (!address.contains(char::is_whitespace)).then_some((label, after))
}

/// The URL of `<https://…>`, and the rest.
fn bracketed(link: &str) -> Option<(&str, &str)> {
    let inside = link.strip_prefix('<')?;
    let is_address = ["https://", "http://", "mailto:"]
        .into_iter()
        .any(|scheme| inside.starts_with(scheme));
    match is_address {
        true => address_until(inside, '>'),
        false => None,
    }
}

/// An address up to this sign, and the text after the sign.
fn address_until(text: &str, sign: char) -> Option<(&str, &str)> {
    let end = first_bytes(text, ADDRESS_MAX).find(sign)?;
    Some((text.get(..end)?, text.get(end + sign.len_utf8()..)?))
}

fn push_words(text: &str, words: &mut String) {
    let is_sign = |c: char| {
        c.is_whitespace()
            || matches!(c, '*' | '_' | '~' | '`' | '\\' | '|')
            || matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
    };
    words.extend(text.chars().filter(|c| !is_sign(*c)));
}

/// A person that a text may address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// The names that may stand after the `@`, in any case: a name, a Slack id.
    pub called: Vec<String>,
    /// The replacement, which includes the `@`.
    pub written: Piece,
    /// The replacement once a text has its maximum of mentions.
    pub name: String,
}

impl Addressee {
    /// Whether the replacement mentions no one.
    fn is_only_named(&self) -> bool {
        matches!(&self.written, Piece::Text(text) if *text == self.name)
    }
}

/// A text in which people are addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressed {
    /// The text, with mentions in the form of its source.
    pub prose: MentionText,
    /// The number of people who are only named, because the text exceeds [`MENTIONS_MAX`].
    pub only_named: usize,
}

/// Replaces each `@` followed by one of these people. Code is left alone, and so is an `@` within an address.
pub fn addressed(text: &str, people: &[Addressee]) -> Addressed {
    let mut prose = MentionText::default();
    let (mut mentions, mut only_named) = (0, 0);
    let mut before = ' ';
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (written, after) = match c {
            '`' => code(rest),
            '@' if !before.is_alphanumeric() => match addressee(rest, people) {
                Some((one, after)) => {
                    if one.is_only_named() {
                        prose.push(&one.name);
                    } else if mentions < MENTIONS_MAX {
                        mentions += 1;
                        prose.add(one.written.clone());
                    } else {
                        only_named += 1;
                        prose.push(&one.name);
                    }
                    rest = after;
                    continue;
                }
                None => split_at(rest, 1),
            },
            c => split_at(rest, c.len_utf8()),
        };
        prose.push(written);
        before = written.chars().next_back().unwrap_or(before);
        rest = after;
    }
    Addressed { prose, only_named }
}

/// Whether a text addresses a person by one of these names.
pub fn addresses<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> bool {
    let one = Addressee {
        called: names.map(str::to_owned).collect(),
        written: Piece::Mention {
            account: String::new(),
            name: String::new(),
        },
        name: String::new(),
    };
    addressed(text, &[one]).prose.mentions().next().is_some()
}

fn split_at(text: &str, at: usize) -> (&str, &str) {
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// The code at the start of a text, up to its closing marks. An unclosed block is all code; other unclosed marks are
/// plain marks.
fn code(text: &str) -> (&str, &str) {
    let marks = text.len() - text.trim_start_matches('`').len();
    let (_, mut rest) = split_at(text, marks);
    while let Some(at) = rest.find('`') {
        let (_, found) = split_at(rest, at);
        let closing = found.len() - found.trim_start_matches('`').len();
        rest = split_at(found, closing).1;
        if closing == marks {
            return split_at(text, text.len() - rest.len());
        }
    }
    match marks {
        3.. => (text, ""),
        _ => split_at(text, marks),
    }
}

/// The person with the longest name that follows the `@`.
fn addressee<'a>(text: &'a str, people: &'a [Addressee]) -> Option<(&'a Addressee, &'a str)> {
    let after_at = text.strip_prefix('@')?;
    let found = people.iter().flat_map(|one| {
        let named = one
            .called
            .iter()
            .filter_map(|name| after_name(after_at, name));
        named.map(move |after| (one, after))
    });
    found.min_by_key(|(_, after)| after.len())
}

/// The rest of the text after this name, if it begins with it and the name ends there.
fn after_name<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text.chars();
    for wanted in name.chars() {
        if !rest.next()?.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    let after = rest.as_str();
    let mut next = after.chars();
    let goes_on = match next.next() {
        Some('.') => next.next().is_some_and(char::is_alphanumeric),
        Some(c) => c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '@'),
        None => false,
    };
    (!goes_on && !name.is_empty()).then_some(after)
}

/// Makes a name from elsewhere one line without markup.
pub(super) fn one_line(name: &str) -> String {
    let plain = name
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|c| !matches!(c, '<' | '>' | '`' | '[' | ']' | '*'));
    plain.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::signature::{self, Rendering, unsigned};
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_time_grows_with_the_text() {
        crate::scan_cost::is_linear(|text| same_words(text, "shipped"));
        crate::scan_cost::is_linear(|text| addresses(text, ["ana"].into_iter()));
        crate::scan_cost::is_linear(|text| signed(text.into(), "Ana"));
        let wanted: MentionText = [
            Piece::Text("ask ".into()),
            Piece::Mention {
                account: "4242".into(),
                name: "Ana".into(),
            },
        ]
        .into_iter()
        .collect();
        crate::scan_cost::is_linear(|text| wanted.is_shown_as(&text.into()));
    }

    fn signed(text: MentionText, name: &str) -> MentionText {
        signature::signed(text, name, Rendering::Plain, &[])
    }

    #[rstest]
    #[case::name("ask @Bo, please", "ask @bo-lind, please")]
    #[case::any_case("@BO.", "@bo-lind.")]
    #[case::slack_id("@U0BOB01's idea", "@bo-lind's idea")]
    #[case::longest("@Bo Derek knows", "Bo Derek knows")]
    #[case::twice("@Bo @Bo", "@bo-lind @bo-lind")]
    #[case::longer_word("@Bob @bo-x @bo.x @bo/team @bo@x", "@Bob @bo-x @bo.x @bo/team @bo@x")]
    #[case::address("mail bo@bo.test", "mail bo@bo.test")]
    #[case::code("see `@Bo` and @Bo", "see `@Bo` and @bo-lind")]
    #[case::code_with_a_mark_in_it("``a`@Bo`` @Bo", "``a`@Bo`` @bo-lind")]
    #[case::block("```\n@Bo\n``` @Bo", "```\n@Bo\n``` @bo-lind")]
    #[case::open_block("```\n@Bo", "```\n@Bo")]
    #[case::a_mere_mark("it`s @Bo", "it`s @bo-lind")]
    #[case::nobody("@zoe é@", "@zoe é@")]
    fn people_are_addressed_as_the_source_has_them(#[case] text: &str, #[case] written: &str) {
        let someone = |called: &[&str], written: &str| Addressee {
            called: called.iter().map(|&name| name.into()).collect(),
            written: Piece::Text(written.into()),
            name: "Bo".into(),
        };
        let people = [
            someone(&["Bo", "U0BOB01"], "@bo-lind"),
            someone(&["Bo Derek"], "Bo Derek"),
        ];
        assert_eq!(addressed(text, &people).prose, written.into());
    }

    fn bo() -> Piece {
        Piece::Mention {
            account: "4243".into(),
            name: "Bo Lind".into(),
        }
    }

    fn prose(pieces: &[Result<&str, Piece>]) -> MentionText {
        let pieces = pieces.iter().cloned();
        pieces
            .map(|piece| piece.map_or_else(|mention| mention, |text| Piece::Text(text.into())))
            .collect()
    }

    #[test]
    fn a_mention_stands_between_texts() {
        let people = [Addressee {
            called: vec!["Bo".into()],
            written: bo(),
            name: "Bo".into(),
        }];
        let asked = signed(addressed("ask @Bo, `@Bo`\n", &people).prose, "Ana");
        assert_eq!(
            asked,
            prose(&[Ok("ask "), Err(bo()), Ok(", `@Bo`\n\n— Ana")])
        );
        assert_eq!(asked.to_string(), "ask @Bo Lind, `@Bo`\n\n— Ana");
        assert_eq!(asked.mentions().collect::<Vec<_>>(), ["4243"]);
        assert_eq!(
            asked.unmentioned_but(|_| false),
            "ask Bo Lind, `@Bo`\n\n— Ana".into()
        );
        assert_eq!(asked.unmentioned_but(|account| account == "4243"), asked);
        let ends = signed(addressed("@Bo", &people).prose, "Ana");
        assert_eq!(ends, prose(&[Err(bo()), Ok("\n\n— Ana")]));
        assert_eq!(unsigned(ends, "Ana"), prose(&[Err(bo())]));
        // It is part of the text.
        assert_eq!(
            unsigned("so says — Ana".into(), "Ana"),
            "so says — Ana".into()
        );
    }

    #[rstest]
    #[case::text("two\n\"lines\"".into())]
    #[case::mention(prose(&[Ok("ask "), Err(bo()), Ok("")]))]
    #[case::mention_alone(prose(&[Err(bo())]))]
    fn it_is_kept_as_it_is(#[case] text: MentionText) {
        let kept = serde_json::to_string(&text).unwrap();
        assert_eq!(serde_json::from_str::<MentionText>(&kept).unwrap(), text);
    }

    /// Texts stored before mentions existed are read as before.
    #[test]
    fn a_mere_text_is_kept_as_one() {
        assert_eq!(
            serde_json::to_string(&MentionText::from("hi")).unwrap(),
            "\"hi\""
        );
    }

    fn zoe() -> Piece {
        Piece::Mention {
            account: "4244".into(),
            name: "Bo Lind".into(),
        }
    }

    #[rstest]
    #[case::mention(prose(&[Ok("ask "), Err(bo()), Ok(" now\n")]), true)]
    #[case::of_a_changed_name(prose(&[Ok("ask "), Err(Piece::Mention { account: "4243".into(), name: "Bob".into() }), Ok(" now")]), true)]
    #[case::named("ask @Bo Lind now".into(), true)]
    #[case::name_alone("ask Bo Lind now\r\n".into(), true)]
    #[case::somebody_else(prose(&[Ok("ask "), Err(zoe()), Ok(" now")]), false)]
    #[case::another_name("ask @Bo now".into(), false)]
    #[case::nobody("ask  now".into(), false)]
    #[case::another_text(prose(&[Ok("tell "), Err(bo()), Ok(" now")]), false)]
    #[case::more(prose(&[Ok("ask "), Err(bo()), Ok(" now or never")]), false)]
    #[case::twice(prose(&[Ok("ask "), Err(bo()), Err(bo()), Ok(" now")]), false)]
    fn a_shown_mention_is_the_one_that_was_written(#[case] shown: MentionText, #[case] same: bool) {
        let written = prose(&[Ok("ask "), Err(bo()), Ok(" now")]);
        assert_eq!(written.is_shown_as(&shown), same);
    }

    #[rstest]
    #[case::code("run `make test`", "run make test\n")]
    #[case::code_and_emphasis("**Done** with `a_b`, _really_ ~~not~~", "Done with ab, really not")]
    #[case::a_name_with_underscores("see snake_case_name", "see snake_case_name\n")]
    #[case::bullets("Left:\n- one\n* two\n+ three", "Left:\none\ntwo\nthree\n")]
    #[case::drawn_bullets("- one\n- two", "• one\r\n• two")]
    #[case::numbers("1. one\n2) two", "one\ntwo\n")]
    #[case::boxes("- [ ] one\n- [x] two", "one\ntwo")]
    #[case::heading("## Plan\nship", "Plan\nship\n")]
    #[case::quotation("> we ship\n> > friday\n\nagreed", "we ship\nfriday\nagreed")]
    #[case::link("see [the docs](https://a.test/b_c) now", "see the docs now")]
    #[case::picture("![shot](https://a.test/x.png)", "shot")]
    #[case::address("<https://a.test/x>", "https://a.test/x")]
    #[case::block("```\na = 1\n```\nwhy?", "a = 1\nwhy?\n")]
    #[case::block_of_a_language("```rust\nlet a = 1;\n```", "let a = 1;")]
    #[case::block_whose_first_line_is_a_word("```panic\nat 3```", "panic\nat 3")]
    #[case::block_of_one_line("```a = 1```", "a = 1")]
    #[case::code_that_looks_like_a_list("```\n- a: 1\n```", "- a: 1")]
    #[case::escaped("2 \\* 3", "2 * 3")]
    #[case::rule("a\n\n---\n\nb", "a\nb")]
    #[case::table("| a | b |\n|---|---|\n| 1 | 2 |", "a\tb\n1\t2")]
    #[case::other_white_space("one\u{a0}two\t three\u{200b}", "one two three")]
    #[case::signs_alone("***", "***\n")]
    #[case::as_it_is("run `make test`", "run `make test`\n")]
    fn a_text_is_known_without_its_signs(#[case] written: &str, #[case] shown: &str) {
        assert!(MentionText::from(written).is_shown_as(&shown.into()));
        assert!(same_words(written, shown));
    }

    #[rstest]
    #[case::another_word("run `make test`", "run make tests")]
    #[case::a_word_less("run `make test`", "run make")]
    #[case::another_sign("shipped", "shipped!")]
    #[case::another_label("see [the docs](https://a.test)", "see the code")]
    #[case::another_issue("#7 is done", "#8 is done")]
    #[case::a_dash_within("a-b", "ab")]
    #[case::other_signs("***", "---")]
    #[case::nothing("***", "")]
    #[case::the_other_way_round("one two", "two one")]
    fn another_text_is_another_without_its_signs(#[case] written: &str, #[case] shown: &str) {
        assert!(!MentionText::from(written).is_shown_as(&shown.into()));
        assert!(!same_words(written, shown));
    }

    #[test]
    fn a_mention_among_signs_is_known() {
        let written = prose(&[Ok("- **ask** "), Err(bo()), Ok(" `now`")]);
        assert!(written.is_shown_as(&prose(&[Ok("ask "), Err(bo()), Ok(" now\n")])));
        assert!(written.is_shown_as(&"ask Bo Lind now".into()));
        assert!(!written.is_shown_as(&prose(&[Ok("ask "), Err(zoe()), Ok(" now\n")])));
    }

    #[test]
    fn several_mentions_are_shown_each_in_its_own_way() {
        let written = prose(&[Err(bo()), Ok(" "), Err(zoe()), Ok("  \n— Ana")]);
        assert!(written.is_shown_as(&prose(&[Ok("Bo Lind "), Err(zoe()), Ok("\n— Ana\n")])));
        assert!(!written.is_shown_as(&prose(&[Err(zoe()), Ok(" "), Err(bo()), Ok("\n— Ana")])));
    }

    /// The name of a person who is not mentioned is text.
    #[test]
    fn a_text_is_not_shown_as_a_mention() {
        let shown = prose(&[Ok("ask "), Err(bo())]);
        assert!(!MentionText::from("ask @Bo Lind").is_shown_as(&shown));
        assert!(MentionText::from("ask @Bo Lind").is_shown_as(&"ask @Bo Lind ".into()));
    }

    #[test]
    fn a_name_is_one_plain_line() {
        assert_eq!(
            signed("x".into(), "A\nna <!-- `*"),
            "x\n\n— A na !--".into()
        );
    }

    /// Runs on a thread whose stack is too small for a nested call per mention.
    fn on_a_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = std::thread::Builder::new().stack_size(256 * 1024);
        thread.spawn(work).unwrap().join().unwrap()
    }

    fn many(piece: Piece, between: &str, times: usize) -> MentionText {
        let pieces = (0..times).flat_map(|_| [piece.clone(), Piece::Text(between.into())]);
        pieces.collect()
    }

    #[test]
    fn a_hundred_thousand_mentions_are_compared_without_a_call_for_each() {
        let (as_left, as_named, of_another) = on_a_small_stack(|| {
            let written = many(bo(), " ", 100_000);
            let named = written.unmentioned_but(|_| false);
            let mut other = written.0.clone();
            other.push(zoe());
            (
                written.is_shown_as(&written),
                written.is_shown_as(&named),
                written.is_shown_as(&other.into_iter().collect()),
            )
        });
        assert!(as_left && as_named && !of_another);
    }

    /// Each mention may be shown with its `@` or without, and here both match nearly everywhere.
    #[test]
    fn names_that_can_be_read_in_two_ways_do_not_double_the_work() {
        let at = Piece::Mention {
            account: "4245".into(),
            name: "@".into(),
        };
        let written = many(at, "", MENTIONS_MAX);
        let ats = |count: usize| MentionText::from("@".repeat(count));
        assert!(written.is_shown_as(&ats(MENTIONS_MAX)));
        assert!(written.is_shown_as(&ats(MENTIONS_MAX + 7)));
        assert!(written.is_shown_as(&ats(2 * MENTIONS_MAX)));
        assert!(!written.is_shown_as(&ats(2 * MENTIONS_MAX + 1)));
        assert!(!written.is_shown_as(&ats(MENTIONS_MAX - 1)));
        let last_differs = MentionText::from("@".repeat(75) + "x");
        assert!(!written.is_shown_as(&last_differs));
    }

    #[test]
    fn so_many_mentions_are_mentions_and_the_others_are_names() {
        let people = [Addressee {
            called: vec!["Bo".into()],
            written: bo(),
            name: "Bo".into(),
        }];
        let over = MENTIONS_MAX + 3;
        let all = on_a_small_stack(move || addressed(&"@Bo ".repeat(over), &people));
        assert_eq!(all.only_named, 3);
        assert_eq!(all.prose.mentions().count(), MENTIONS_MAX);
        let text = "@Bo Lind ".repeat(MENTIONS_MAX) + "Bo Bo Bo ";
        assert_eq!(all.prose.to_string(), text);
        let login = [Addressee {
            called: vec!["Bo".into()],
            written: Piece::Text("@bo-lind".into()),
            name: "Bo".into(),
        }];
        let all = addressed(&"@Bo ".repeat(over), &login);
        let text = "@bo-lind ".repeat(MENTIONS_MAX) + "Bo Bo Bo ";
        assert_eq!((all.prose, all.only_named), (text.into(), 3));
    }
}
