//! `Blocks #12` and `Blocked by acme/api#3` in the body of an issue → links.
//!
//! Text that is code, struck through, quoted or in a hidden comment does not count. One or more issues follow the
//! words: `#12`, `owner/repo#12`, a URL, or a link with such a URL; between them commas, `and` or nothing, and on the
//! following lines as a list.

use std::collections::BTreeSet;

use crate::domain::address;
use crate::domain::controls::first_bytes;
use crate::domain::task::{Direction, LINKS_MAX, RelatedTask, Relation, RepoName, TaskId, TaskKey};

/// The links in the body of an issue of this repository. A link to another GitHub than that with these pages is none.
pub(super) fn links(body: &str, repository: u64, pages: &str) -> Vec<Relation> {
    let text = said(body);
    let mut links = BTreeSet::new();
    let mut rest = text.as_str();
    while let Some((way, after)) = keyword(rest) {
        rest = after;
        // Issues on the line of the words are all; without any there, a list may follow.
        let mut in_list = true;
        while let Some((issue, after)) = next_issue(rest, &mut in_list, pages) {
            rest = after;
            let to = match issue {
                (None, number) => RelatedTask::Task(TaskKey::github(repository, number)),
                (Some(repo), number) => RelatedTask::Issue { repo, number },
            };
            links.insert(Relation { way, to });
            if links.len() >= LINKS_MAX {
                return links.into_iter().collect();
            }
        }
    }
    links.into_iter().collect()
}

/// The text without the parts that do not count.
fn said(body: &str) -> String {
    let body = without(&body.replace("\r\n", "\n"), "<!--", "-->");
    let mut text = String::with_capacity(body.len());
    let mut fence: Option<&str> = None;
    for line in body.lines() {
        let bare = line.trim_start();
        let opens = ["```", "~~~"].into_iter().find(|f| bare.starts_with(f));
        match (fence, opens) {
            (Some(open), _) => {
                if bare.starts_with(open) {
                    fence = None;
                }
            }
            (None, Some(open)) => fence = Some(open),
            (None, None) if bare.starts_with('>') => {}
            (None, None) => text.push_str(line),
        }
        text.push('\n');
    }
    without(&without(&text, "`", "`"), "~~", "~~")
}

/// Removes text between two marks, with the marks. An unclosed mark is text, except for a comment's.
fn without(text: &str, opens: &str, closes: &str) -> String {
    let mut rest = text;
    let mut left = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once(opens) {
        left.push_str(before);
        left.push(' ');
        rest = match after.split_once(closes) {
            Some((_, after)) => after,
            None if opens == "<!--" => "",
            None => after,
        };
    }
    left.push_str(rest);
    left
}

/// The next `blocks` or `blocked by`, and the text after it.
fn keyword(text: &str) -> Option<(Direction, &str)> {
    let mut before = None;
    for (at, c) in text.char_indices() {
        let begins_a_word = before.is_none_or(|before: char| !is_of_a_word(before));
        before = Some(c);
        if !begins_a_word || !matches!(c, 'b' | 'B') {
            continue;
        }
        let Some(here) = text.get(at..) else { continue };
        if let Some(after) = word(here, "blocks") {
            return Some((Direction::Blocks, after));
        }
        let by = word(here, "blocked").and_then(|after| word(after.trim_start(), "by"));
        if let Some(after) = by {
            return Some((Direction::BlockedBy, after));
        }
    }
    None
}

/// The text after a word, in any case, if the text begins with it.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (begin, after) = text.split_at_checked(word.len())?;
    let ends = after.chars().next().is_none_or(|c| !is_of_a_word(c));
    (begin.eq_ignore_ascii_case(word) && ends).then_some(after)
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}

/// The longest name or link of an issue, in bytes. A longer one is none: otherwise each of many openings would have the
/// rest of the body searched for its end.
const ISSUE_MAX: usize = 1_000;

/// The next issue, if only separators come before it; and the text after it.
fn next_issue<'a>(
    text: &'a str,
    in_list: &mut bool,
    pages: &str,
) -> Option<((Option<RepoName>, u64), &'a str)> {
    let (text, is_item) = after_separators(text, *in_list);
    *in_list = is_item;
    let near = first_bytes(text, ISSUE_MAX);
    if let Some(link) = near.strip_prefix('[') {
        let (shown, after) = link.split_once("](")?;
        let (url, after) = after.split_once(')')?;
        let is_one_line = !shown.contains('\n') && !url.contains('\n');
        let after = text.get(near.len() - after.len()..)?;
        return is_one_line.then_some((issue(url, pages)?, after));
    }
    let is_end =
        |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')' | '*' | '<' | '>');
    let end = match near.find(is_end) {
        Some(end) => end,
        None if near.len() == text.len() => text.len(),
        None => return None,
    };
    let (named, after) = text.split_at_checked(end)?;
    let named = named.trim_end_matches(['.', ':', '!', '?']);
    Some((issue(named, pages)?, after))
}

/// Skips the separators between two issues. A line break counts only if a list follows.
fn after_separators(mut text: &str, may_be_list: bool) -> (&str, bool) {
    let mut is_item = false;
    loop {
        let trimmed = text.trim_start_matches(|c: char| {
            (c.is_whitespace() && c != '\n')
                || matches!(c, ',' | ';' | ':' | '&' | '*' | '_' | '<' | '>' | '(')
        });
        let trimmed = word(trimmed, "and").unwrap_or(trimmed);
        let trimmed = match trimmed.strip_prefix('\n') {
            Some(line) if may_be_list && !is_item => match item(line) {
                Some(text) => {
                    is_item = true;
                    text
                }
                None => trimmed,
            },
            _ => trimmed,
        };
        if trimmed.len() == text.len() {
            return (text, is_item);
        }
        text = trimmed;
    }
}

/// The text of a list item, checked off or not; an empty line before the list is accepted.
fn item(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix(['-', '*', '+'])?;
    let text = text.strip_prefix(' ')?.trim_start_matches(' ');
    let text = ["[ ]", "[x]", "[X]"]
        .into_iter()
        .find_map(|tick| text.strip_prefix(tick))
        .unwrap_or(text);
    Some(text.trim_start_matches(' '))
}

fn issue(named: &str, pages: &str) -> Option<(Option<RepoName>, u64)> {
    if let Some(id) = TaskId::from_url(named) {
        if !address::has_pages(address::host_of(named), pages) {
            return None;
        }
        let (repo, number) = id.issue()?;
        return Some((repo.cloned(), number));
    }
    let (repo, number) = named.split_once('#')?;
    let repo = match repo {
        "" => None,
        repo => Some(RepoName::parse(repo)?),
    };
    let id = TaskId::github(repo, number.parse().ok()?)?;
    let (repo, number) = id.issue()?;
    Some((repo.cloned(), number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::GITHUB;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn the_time_grows_with_the_body() {
        crate::scan_cost::is_linear(|body| links(body, 1001, GITHUB));
        let begun = std::time::Instant::now();
        assert!(links(&"blocks [".repeat(8_192), 1001, GITHUB).is_empty());
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    }

    #[rstest]
    #[case::link(&format!("[{}](https://github.com/acme/api/issues/3)", "x".repeat(900)), true)]
    #[case::long_link(&format!("[{}](https://github.com/acme/api/issues/3)", "x".repeat(1_000)), false)]
    #[case::long_name(&format!("{}#3", "x/".repeat(600)), false)]
    fn a_name_of_an_issue_has_an_end(#[case] named: &str, #[case] counts: bool) {
        let links = links(&format!("Blocks {named}"), 1001, GITHUB);
        assert_eq!(!links.is_empty(), counts);
    }

    /// As people would write it: `blocks #7`, `by acme/api#3`.
    fn told(body: &str) -> Vec<String> {
        links(body, 1001, GITHUB)
            .into_iter()
            .map(|link| {
                let way = match link.way {
                    Direction::Blocks => "blocks",
                    Direction::BlockedBy => "by",
                };
                match link.to {
                    RelatedTask::Task(key) => {
                        let (repository, number) = key.github_parts().unwrap();
                        assert_eq!(repository, 1001);
                        format!("{way} #{number}")
                    }
                    RelatedTask::Issue { repo, number } => format!("{way} {repo}#{number}"),
                }
            })
            .collect()
    }

    #[rstest]
    #[case::blocks("Blocks #7", &["blocks #7"])]
    #[case::blocked("This is blocked by #7.", &["by #7"])]
    #[case::shouted("BLOCKED BY #7!", &["by #7"])]
    #[case::colon_and_bold("**Blocked by:** #7", &["by #7"])]
    #[case::another_repo("blocked by acme/api#3", &["by acme/api#3"])]
    #[case::address("Blocks https://github.com/acme/api/issues/3#issuecomment-9, sorry", &["blocks acme/api#3"])]
    #[case::address_in_angles("Blocks <https://github.com/acme/api/issues/3>", &["blocks acme/api#3"])]
    #[case::link("Blocked by [the API](https://github.com/acme/api/issues/3)", &["by acme/api#3"])]
    #[case::several("Blocked by #7, #8 and acme/api#3; see #9", &["by #7", "by #8", "by acme/api#3"])]
    #[case::both_ways("Blocks #7\nBlocked by #8", &["blocks #7", "by #8"])]
    #[case::a_list("Blocked by:\n- #7\n- [ ] #8\n* [x] acme/api#3\n\n- later: #9", &["by #7", "by #8", "by acme/api#3"])]
    #[case::a_list_of_something_else("Blocked by #7\n- #8 is related", &["by #7"])]
    #[case::twice("Blocks #7. Blocks #7.", &["blocks #7"])]
    #[case::windows("Blocked by\r\n- #7\r\n", &["by #7"])]
    #[case::umlauts("Größe blocks #7", &["blocks #7"])]
    #[case::next_paragraph("Blocked by nothing.\n\n#7 is related", &[])]
    #[case::next_line("It blocks\n#7", &[])]
    #[case::words_between("Blocks the release, see #7", &[])]
    #[case::unblocks("Unblocks #7, non-blocks #8", &[])]
    #[case::blocked_alone("Blocked #7", &[])]
    #[case::roadblocks("roadblocks #7, blocksize #8", &[])]
    #[case::zero("Blocks #0", &[])]
    #[case::pull_request("Blocks https://github.com/acme/api/pull/3", &[])]
    #[case::another_github("Blocks https://git.acme.test/acme/api/issues/3", &[])]
    #[case::no_number("Blocks #seven and #8x", &[])]
    #[case::code("Write `Blocks #7`", &[])]
    #[case::fence("```\nBlocks #7\n```\nBlocked by #8", &["by #8"])]
    #[case::quote("> Blocks #7\n\nNo.", &[])]
    #[case::struck("~~Blocked by #7~~ Blocked by #8", &["by #8"])]
    #[case::template("<!-- Blocked by #7 -->\nBlocks #8\n<!-- ivan:op=01J -->", &["blocks #8"])]
    #[case::comment_left_open("Blocks #8 <!-- Blocked by #7", &["blocks #8"])]
    #[case::one_tick("It`s so. Blocks #8", &["blocks #8"])]
    #[case::huge_number("Blocks #99999999999999999999999", &[])]
    #[case::nothing("", &[])]
    fn reads(#[case] body: &str, #[case] links: &[&str]) {
        assert_eq!(told(body), links);
    }

    #[test]
    fn there_is_an_end_to_it() {
        let body: String = (1..500).map(|number| format!(" #{number}")).collect();
        assert_eq!(links(&format!("Blocks{body}"), 1, GITHUB).len(), LINKS_MAX);
    }

    proptest! {
        #[test]
        fn any_body_is_read(body in "(?i)([-*>`~<!\\[\\](), \n#0-9ü]|block|s|ed by |acme/api#3){0,60}") {
            let _links = links(&body, 1001, GITHUB);
        }
    }
}
