//! The reason of a failure, in up to three lines: the reason itself, the remedy of operators, and technical details.
//!
//! People read the first line: which system failed, and what they can do. Operators also read the remedy, which names
//! configuration keys and tokens; so does the only person where nobody else runs Ivan. The details are for operators and
//! the log. The lines are stored together as one text.

use std::fmt::Display;

/// A reason with the remedy that only operators can apply.
pub fn with_remedy(why: impl Display, remedy: impl Display) -> String {
    format!("{why}\n{remedy}")
}

/// A reason with technical details.
pub fn with_details(why: impl Display, details: impl Display) -> String {
    format!("{why}\n\n{details}")
}

/// The part for everybody.
pub fn for_people(why: &str) -> &str {
    why.trim().lines().next().unwrap_or_default()
}

/// The reason and the remedy, as one line without a stop at its end.
pub fn for_owner(why: &str) -> String {
    joined(why.trim().lines().take(2))
}

/// All of it, as one line without a stop at its end.
pub fn for_operators(why: &str) -> String {
    joined(why.trim().lines())
}

fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines = lines.map(|line| line.trim_end_matches('.'));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(". ")
}

/// Several reasons as one, each part once.
pub fn together<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let mut parts: [Vec<&str>; 3] = Default::default();
    for why in all {
        for (part, line) in parts.iter_mut().zip(why.trim().splitn(3, '\n')) {
            if !line.is_empty() && !part.contains(&line) {
                part.push(line);
            }
        }
    }
    let lines = parts.map(|part| part.join("; "));
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_operators_and_an_owner_read_different_parts() {
        let why = with_details("GitHub is not responding", "No answer (reset)");
        assert_eq!(for_people(&why), "GitHub is not responding");
        assert_eq!(for_owner(&why), "GitHub is not responding");
        let whole = "GitHub is not responding. No answer (reset)";
        assert_eq!(for_operators(&why), whole);
        let why = with_remedy("GitHub rejects the token", "Set a new github.token");
        assert_eq!(for_people(&why), "GitHub rejects the token");
        let whole = "GitHub rejects the token. Set a new github.token";
        assert_eq!(for_owner(&why), whole);
        assert_eq!(for_operators(&why), whole);
        assert_eq!(for_operators("It broke."), "It broke");
        assert_eq!(for_people(""), "");
    }

    #[test]
    fn several_are_one_with_each_part_once() {
        let one = with_details("GitHub is not responding", "No answer about acme/a");
        let other = with_details("GitHub is not responding", "No answer about acme/b");
        let third = with_remedy("acme/c is gone", "Remove acme/c");
        assert_eq!(
            together([one.as_str(), &other, &third].into_iter()),
            "GitHub is not responding; acme/c is gone\nRemove acme/c\nNo answer about acme/a; No answer about acme/b"
        );
        assert_eq!(together(["a", "b"].into_iter()), "a; b");
        assert_eq!(together([one.as_str()].into_iter()), one);
    }
}
