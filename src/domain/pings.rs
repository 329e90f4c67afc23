//! Markdown in which nobody is mentioned but people who are linked here.
//!
//! GitHub notifies everybody, and each member of a team, whose `@name` or `@org/team` a text has outside of code. Ivan's
//! account writes the texts of many people, so it would ping strangers for them. Behind the `@` of others comes an
//! invisible character, with which GitHub sees no mention.
//!
//! Only what GitHub certainly takes for code is left alone: in doubt the character is written, also in code.

/// Joins words invisibly. GitHub sees no name behind it.
const JOINER: char = '\u{2060}';

/// The origin of a text, as far as its Markdown is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Written by `markdown::from_slack`: no HTML, no tables, and code in one line or in a block.
    Ours,
    /// Typed as Markdown, of any form.
    Typed,
}

/// The text with its mentions made harmless, except those of accounts that `is_linked` knows by their login.
pub fn without_pings(text: &str, origin: Origin, is_linked: impl Fn(&str) -> bool) -> String {
    if !text.contains(['@', '&']) {
        return text.to_owned();
    }
    let is_typed = origin == Origin::Typed;
    let trusts = Trusts {
        blocks: !is_typed || !has_markup(text),
        lines: !is_typed || !has_markup(text) && has_simple_code(text),
        entities: is_typed,
    };
    let mut out = String::with_capacity(text.len() + 16);
    let mut fence: Option<Fence> = None;
    for line in text.split_inclusive('\n') {
        let marks = Fence::at(line);
        match (fence, marks) {
            (Some(open), _) if open.ends_before(line) => fence = marks.map(|(mark, _)| mark),
            (Some(open), Some((mark, true))) if open.is_closed_by(mark) => {
                fence = None;
                out.push_str(line);
                continue;
            }
            (Some(_), _) => {}
            (None, marks) => fence = marks.map(|(mark, _)| mark),
        }
        match fence {
            Some(_) if trusts.blocks => out.push_str(line),
            _ => quiet_line(line, trusts, &is_linked, &mut out),
        }
    }
    out
}

/// What of a text is certainly taken as written.
#[derive(Debug, Clone, Copy)]
struct Trusts {
    /// Blocks of code.
    blocks: bool,
    /// Code in a line.
    lines: bool,
    /// Whether `&#64;` becomes an `@`.
    entities: bool,
}

/// Whether a text may have HTML or formulas, in which fences and backticks are no code.
fn has_markup(text: &str) -> bool {
    let mut tags = text.split('<').skip(1);
    let is_tag = |after: &str| {
        after.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'))
    };
    tags.any(is_tag) || text.contains("$$")
}

/// Whether every code in a line begins and ends in its line, and no line is of a table.
fn has_simple_code(text: &str) -> bool {
    text.lines().filter(|line| line.contains('`')).all(|line| {
        let is_fence = Fence::at(line).is_some();
        let mut rest = line;
        while let Some(at) = rest.find('`').filter(|_| !is_fence) {
            let Some(length) = rest.get(at..).and_then(code_length) else {
                return false;
            };
            rest = rest.get(at + length..).unwrap_or_default();
        }
        !line.contains('|') && !line.contains("\\`")
    })
}

/// The fence of a block.
#[derive(Debug, Clone, Copy)]
struct Fence {
    sign: char,
    length: usize,
    /// The depth of the quotation that it is in.
    depth: usize,
}

impl Fence {
    /// The fence that a line is, and whether nothing follows it, so that it may close a block.
    fn at(line: &str) -> Option<(Fence, bool)> {
        let (depth, inside) = unquoted(line);
        let bare = inside.trim_start_matches(' ');
        if inside.len() - bare.len() > 3 {
            return None;
        }
        let sign = bare
            .chars()
            .next()
            .filter(|sign| matches!(sign, '`' | '~'))?;
        let after = bare.trim_start_matches(sign);
        let length = bare.len() - after.len();
        let is_fence = length >= 3 && !(sign == '`' && after.contains('`'));
        let fence = Fence {
            sign,
            length,
            depth,
        };
        is_fence.then_some((fence, after.trim().is_empty()))
    }

    fn is_closed_by(self, other: Fence) -> bool {
        self.sign == other.sign && self.length <= other.length
    }

    /// Whether the quotation with the block has ended before this line.
    fn ends_before(self, line: &str) -> bool {
        unquoted(line).0 != self.depth
    }
}

/// The depth of a line's quotation, and the line without its marks.
fn unquoted(line: &str) -> (usize, &str) {
    let (mut depth, mut rest) = (0, line);
    loop {
        let bare = rest.trim_start_matches(' ');
        let inside = bare
            .strip_prefix('>')
            .filter(|_| rest.len() - bare.len() <= 3);
        let Some(inside) = inside else {
            return (depth, rest);
        };
        depth += 1;
        rest = inside.strip_prefix(' ').unwrap_or(inside);
    }
}

/// The length of the code at the start of a text, with its marks, if it ends in the same line.
fn code_length(text: &str) -> Option<usize> {
    let run = |text: &str| text.len() - text.trim_start_matches('`').len();
    let line = text.split('\n').next()?;
    let marks = run(line);
    let mut at = marks;
    loop {
        let rest = line.get(at..)?;
        at += rest.find('`')?;
        let closing = run(line.get(at..)?);
        at += closing;
        if closing == marks {
            return Some(at);
        }
    }
}

fn quiet_line(line: &str, trusts: Trusts, is_linked: &impl Fn(&str) -> bool, out: &mut String) {
    let mut before = ' ';
    let mut rest = line;
    // The marks without an end in this line: they are looked for only once.
    let mut unclosed = Vec::new();
    while let Some(c) = rest.chars().next() {
        let marks = rest.len() - rest.trim_start_matches('`').len();
        let mut taken = c.len_utf8();
        match c {
            '`' if trusts.lines && before != '\\' && !unclosed.contains(&marks) => {
                match code_length(rest) {
                    Some(length) => taken = length,
                    None => {
                        unclosed.push(marks);
                        taken = marks;
                    }
                }
            }
            '`' => taken = marks,
            'h' if !before.is_ascii_alphanumeric() => taken = address_length(rest),
            '&' if trusts.entities => {
                if let Some(length) = at_entity(rest) {
                    out.push('@');
                    out.push(JOINER);
                    rest = rest.get(length..).unwrap_or_default();
                    before = '@';
                    continue;
                }
            }
            '@' if !before.is_ascii_alphanumeric() => {
                let after = rest.get(1..).unwrap_or_default();
                let login = login_at(after);
                out.push('@');
                let is_apart = after.is_empty() || after.starts_with([JOINER, '\u{200b}']);
                if !is_linked(login) && !is_apart && !after.starts_with(char::is_whitespace) {
                    out.push(JOINER);
                }
                rest = after;
                before = '@';
                continue;
            }
            _ => {}
        }
        let (done, left) = rest.split_at_checked(taken).unwrap_or((rest, ""));
        out.push_str(done);
        before = done.chars().next_back().unwrap_or(before);
        rest = left;
    }
}

/// The login at the start of a text; empty if a team follows.
fn login_at(text: &str) -> &str {
    let after =
        text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    match after.starts_with(['/', '@']) {
        true => "",
        false => text.get(..text.len() - after.len()).unwrap_or_default(),
    }
}

/// The length of the address at the start of a text, with its path; 1 if there is none. GitHub makes a link of it, in
/// which nobody is mentioned.
fn address_length(text: &str) -> usize {
    let schemes = ["https://", "http://"];
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    let path = rest.and_then(|rest| {
        let is_of_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let path = rest.trim_start_matches(is_of_host);
        let begins = rest.starts_with(|c: char| c.is_ascii_alphanumeric());
        path.strip_prefix('/').filter(|_| begins)
    });
    let Some(path) = path else {
        return 1;
    };
    let ends = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '`');
    let end = path.find(ends).unwrap_or(path.len());
    text.len() - path.len() + end
}

/// The length of an `@` that is written as a character of HTML.
fn at_entity(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('&')?;
    let digits =
        |number: &str, is: fn(&char) -> bool| number.chars().take(8).take_while(is).count();
    let (begin, length, value) = match inside.strip_prefix('#') {
        None => return inside.starts_with("commat;").then_some("&commat;".len()),
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => {
                let length = digits(hex, char::is_ascii_hexdigit);
                (3, length, u32::from_str_radix(hex.get(..length)?, 16))
            }
            None => {
                let length = digits(number, char::is_ascii_digit);
                (2, length, number.get(..length)?.parse())
            }
        },
    };
    let ends = text.get(begin + length..)?.starts_with(';');
    (ends && value == Ok(u32::from('@'))).then_some(begin + length + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn quiet(text: &str, origin: Origin) -> String {
        let quiet = without_pings(text, origin, |login| login.eq_ignore_ascii_case("bo-lind"));
        quiet.replace(JOINER, "·")
    }

    #[rstest]
    #[case::stranger("ask @octocat", "ask @·octocat")]
    #[case::team("cc @acme/all, please", "cc @·acme/all, please")]
    #[case::linked("ask @bo-lind, @Bo-Lind's idea", "ask @bo-lind, @Bo-Lind's idea")]
    #[case::longer(
        "@bo-lind2 @bo-lind-x @bo-lind/team",
        "@·bo-lind2 @·bo-lind-x @·bo-lind/team"
    )]
    #[case::address("mail bo@acme.test", "mail bo@acme.test")]
    #[case::other_letters(
        "é@octocat (@octocat) .@octocat /@octocat",
        "é@·octocat (@·octocat) .@·octocat /@·octocat"
    )]
    #[case::twice("@@octocat", "@·@·octocat")]
    #[case::alone("a @ b @", "a @ b @")]
    #[case::apart("ask @\u{2060}octocat", "ask @·octocat")]
    #[case::code(
        "run `npm i @angular/core` @octocat",
        "run `npm i @angular/core` @·octocat"
    )]
    #[case::two_marks("``a`@b`` @octocat", "``a`@b`` @·octocat")]
    #[case::unclosed("it`s @octocat", "it`s @·octocat")]
    #[case::block("```\n@Override\n```\n@octocat", "```\n@Override\n```\n@·octocat")]
    #[case::open_block("```java\n@Override", "```java\n@Override")]
    #[case::quoted_block("> ```\n> @Override\n@octocat", "> ```\n> @Override\n@·octocat")]
    #[case::url(
        "see https://medium.test/@octocat/post @octocat",
        "see https://medium.test/@octocat/post @·octocat"
    )]
    #[case::no_url(
        "https://@octocat xhttps://a.test/@octocat https://a_b/@octocat",
        "https://@·octocat xhttps://a.test/@·octocat https://a_b/@·octocat"
    )]
    fn strangers_are_not_mentioned(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(quiet(text, Origin::Ours), expected);
        assert_eq!(quiet(text, Origin::Typed), expected);
    }

    #[rstest]
    #[case::escaped("\\@octocat", "\\@·octocat")]
    #[case::entities(
        "&#64;octocat &#x40;octocat &commat;octocat &#064;o &#65;",
        "@·octocat @·octocat @·octocat @·o &#65;"
    )]
    #[case::name_as_entity("@&#111;ctocat", "@·&#111;ctocat")]
    #[case::comment("@<!-- -->octocat", "@·<!-- -->octocat")]
    #[case::code_over_lines("a ` b\nc ` @octocat ` d", "a ` b\nc ` @·octocat ` d")]
    #[case::escaped_mark("\\`@octocat`", "\\`@·octocat`")]
    #[case::mark_in_a_tag(
        "<a title=\"`\"> @octocat <b title=\"`\">",
        "<a title=\"`\"> @·octocat <b title=\"`\">"
    )]
    #[case::fence_in_html(
        "<div>\n```\n@octocat\n```\n</div>",
        "<div>\n```\n@·octocat\n```\n</div>"
    )]
    #[case::table("| ` | @octocat | ` |\n|-|-|-|", "| ` | @·octocat | ` |\n|-|-|-|")]
    #[case::formula("$$\n```\n@octocat\n```\n$$", "$$\n```\n@·octocat\n```\n$$")]
    #[case::tildes("~~~\n```\n@a\n~~~\n@octocat", "~~~\n```\n@a\n~~~\n@·octocat")]
    fn what_only_looks_like_code_is_none(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(quiet(text, Origin::Typed), expected);
    }

    #[test]
    fn the_time_grows_with_the_text() {
        for origin in [Origin::Ours, Origin::Typed] {
            crate::scan_cost::is_linear(|text| {
                without_pings(&format!("@a {text}"), origin, |_| false)
            });
        }
    }

    proptest! {
        #[test]
        fn nothing_else_changes(text in "[@a/`~> \n&#64;x<\\\\|h:ps.-]{0,60}") {
            for origin in [Origin::Ours, Origin::Typed] {
                let quiet = without_pings(&text, origin, |_| false).replace(JOINER, "");
                let plain = ["&#64;", "&#064;", "&#x40;"].iter().fold(text.clone(), |text, entity| text.replace(entity, "@"));
                let quiet = ["&#64;", "&#064;", "&#x40;"].iter().fold(quiet, |text, entity| text.replace(entity, "@"));
                prop_assert_eq!(quiet, plain);
            }
        }
    }
}
