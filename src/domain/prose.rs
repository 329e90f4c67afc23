//! What a person wrote, as it goes into a source: those whom it addresses by what they are called there, and, where several
//! people write by one account, signed with its author's name.
//!
//! The desk makes it before the operation is committed, so that one and the same text is sent, looked for after a lost
//! answer, recognised when it comes back, and compared before it is taken back.

/// Somebody whom a text may address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// What may stand after the `@`, in any case: a name, a Slack id.
    pub called: Vec<String>,
    /// What is written instead, the `@` too.
    pub written: String,
}

/// A text in which each `@` with one of these people after it is what is written for them. Code is left alone, and so is
/// an `@` within an address.
pub fn addressed(text: &str, people: &[Addressee]) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (written, after) = match c {
            '`' => code(rest),
            '@' if !before.is_alphanumeric() => match addressee(rest, people) {
                Some((written, after)) => (written, after),
                None => split_at(rest, 1),
            },
            c => split_at(rest, c.len_utf8()),
        };
        whole.push_str(written);
        before = written.chars().next_back().unwrap_or(before);
        rest = after;
    }
    whole
}

fn split_at(text: &str, at: usize) -> (&str, &str) {
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// The code that a text begins with, up to as many marks as it begins with; a block that is left open is all code, and
/// other marks that nothing closes are only marks.
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

/// The longest name after the `@` counts.
fn addressee<'a>(text: &'a str, people: &'a [Addressee]) -> Option<(&'a str, &'a str)> {
    let after_at = text.strip_prefix('@')?;
    let found = people.iter().flat_map(|one| {
        let named = one
            .called
            .iter()
            .filter_map(|name| after_name(after_at, name));
        named.map(|after| (one.written.as_str(), after))
    });
    found.min_by_key(|(_, after)| after.len())
}

/// What follows a name, if the text begins with it and it ends there.
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

/// A text with the name of whoever wrote it under it.
pub fn signed(text: &str, name: &str) -> String {
    let text = text.trim_end();
    let name = one_line(name);
    if text.is_empty() {
        return format!("— {name}");
    }
    // Within a block of code that was left open the name would be code.
    let closed = if has_open_fence(text) { "\n```" } else { "" };
    format!("{text}{closed}\n\n— {name}")
}

/// Names come from elsewhere: theirs is one line, and no markup.
fn one_line(name: &str) -> String {
    let plain = name
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|c| !matches!(c, '<' | '>' | '`' | '[' | ']' | '*'));
    plain.collect::<String>().trim().to_owned()
}

fn has_open_fence(text: &str) -> bool {
    let is_fence = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("```") && !line.trim_start_matches('`').contains('`')
    };
    text.lines().filter(is_fence).count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::text("shipped\n", "shipped\n\n— Ana")]
    #[case::nothing(" \n", "— Ana")]
    #[case::closed_block("```\ncode\n```", "```\ncode\n```\n\n— Ana")]
    #[case::open_block("see\n```\ncode", "see\n```\ncode\n```\n\n— Ana")]
    #[case::code_in_a_line("```one``` two", "```one``` two\n\n— Ana")]
    fn a_name_stands_under_a_text(#[case] text: &str, #[case] whole: &str) {
        assert_eq!(signed(text, "Ana"), whole);
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
            written: written.into(),
        };
        let people = [
            someone(&["Bo", "U0BOB01"], "@bo-lind"),
            someone(&["Bo Derek"], "Bo Derek"),
        ];
        assert_eq!(addressed(text, &people), written);
    }

    #[test]
    fn a_name_is_one_plain_line() {
        assert_eq!(signed("x", "A\nna <!-- `*"), "x\n\n— A na !--");
    }
}
