//! Mentions of people in a text that was typed in Slack: an `@` and their Slack id.
//!
//! A mention stays an id until the person is resolved. Labels and display names never decide. They are shown
//! for people who are not known here, without an `@`, which could notify a stranger at a source.

use std::collections::BTreeSet;

/// Ids are shorter than this.
const ID_MAX: usize = 32;

/// Whether a text is the Slack id of a person, and no word in capitals: `U0BOB01`, `W0BOB01`.
pub fn is_id(text: &str) -> bool {
    has_form_of_id(text) && text.len() >= 7 && text.bytes().any(|b| b.is_ascii_digit())
}

/// Whether a text has the form of a person's id in Slack. Words in capitals have it too, so a text that people typed
/// needs [`is_id`].
pub fn has_form_of_id(text: &str) -> bool {
    let is_of_an_id = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    (2..=ID_MAX).contains(&text.len())
        && text.starts_with(['U', 'W'])
        && text.bytes().all(is_of_an_id)
}

/// The id that a text begins with, up to the end of the word, and the rest.
fn id_at(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let (id, after) = text.split_at_checked(end.unwrap_or(text.len()))?;
    is_id(id).then_some((id, after))
}

/// The people mentioned in a text, each once, in the order of the text.
pub fn mentioned(text: &str) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let ids = text.split('@').skip(1).filter_map(id_at);
    let ids = ids.map(|(id, _)| id).filter(|id| seen.insert(*id));
    ids.collect()
}

/// Replaces mentions of people who are no `person` here by their names, as far as they are known, without an `@`.
pub fn named(
    text: &str,
    is_person: impl Fn(&str) -> bool,
    name_of: impl Fn(&str) -> Option<String>,
) -> String {
    let mut parts = text.split('@');
    let mut named = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match id_at(part).filter(|(id, _)| !is_person(id)) {
            Some((id, after)) => {
                // An `@` before it must not join the name.
                if named.ends_with('@') {
                    named.push(' ');
                }
                named.push_str(&name_of(id).map_or_else(|| id.to_owned(), |name| plain(&name, id)));
                named.push_str(after);
            }
            None => {
                named.push('@');
                named.push_str(part);
            }
        }
    }
    named
}

/// A display name for our texts, safe from becoming a mention, link, reference or markup.
pub fn plain(name: &str, id: &str) -> String {
    let kept = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
            && !"@#<>[](){}*_~`|!\\".contains(*c)
    };
    let words: String = name.chars().filter(kept).collect();
    let words: Vec<&str> = words.split_whitespace().collect();
    match words.is_empty() {
        true => id.to_owned(),
        false => words.join(" "),
    }
}

/// A person as named in a command, for a refusal. Strangers are shown by name and id, so that no namesake is meant.
pub fn shown(
    named: &str,
    is_person: impl Fn(&str) -> bool,
    name_of: impl Fn(&str) -> Option<String>,
) -> String {
    let id = named.trim().trim_start_matches('@');
    match name_of(id) {
        Some(name) if is_id(id) && !is_person(id) => format!("{id} ({})", plain(&name, id)),
        _ => named.to_owned(),
    }
}

/// An `@` that notifies no one: an invisible character separates it from the name.
pub const QUIET_AT: &str = "@\u{2060}";

/// Another person's words for a task, in which an `@` before a name notifies no one.
pub fn quiet(text: &str) -> String {
    let mut quiet = String::with_capacity(text.len());
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_quiet = chars.peek() == Some(&'\u{2060}');
        // Within an address such as a@b.c it is no mention.
        if c == '@' && !before.is_alphanumeric() && !is_quiet {
            quiet.push_str(QUIET_AT);
        } else {
            quiet.push(c);
        }
        before = c;
    }
    quiet
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn name_of(id: &str) -> Option<String> {
        let name = match id {
            "U0000008" => "Bob",
            "U0000009" => "@bob",
            "U0000010" => "*bo*\u{200b}b <!--#12",
            "U0000011" => "team/x @ops",
            "U0000012" => "\u{200b}@",
            _ => return None,
        };
        Some(name.to_owned())
    }

    #[rstest]
    #[case::person("ask @U0BOB01, please", "ask @U0BOB01, please")]
    #[case::nobody("ask @U0000008, please", "ask Bob, please")]
    #[case::with_an_at("@U0000009: look", "bob: look")]
    #[case::with_markup("see @U0000010.", "see bob --12.")]
    #[case::team("@U0000011 and @U0BOB01", "team/x ops and @U0BOB01")]
    #[case::of_nothing("@U0000012", "U0000012")]
    #[case::unknown("@U0000013 @U0000014", "U0000013 U0000014")]
    #[case::after_an_at("@@U0000008", "@ Bob")]
    #[case::twice("@U0000008@U0000008", "BobBob")]
    #[case::typed_by_hand(
        "@bob, @URGENTLY, @U0000008x, @U12, a@b.c, @",
        "@bob, @URGENTLY, @U0000008x, @U12, a@b.c, @"
    )]
    fn who_is_nobody_here_stands_by_their_name(#[case] text: &str, #[case] wanted: &str) {
        assert_eq!(named(text, |id| id == "U0BOB01", name_of), wanted);
    }

    #[rstest]
    #[case("U0BOB01", true, true)]
    #[case("UHWJBQDPS", true, false)]
    #[case("W1", true, false)]
    #[case("U", false, false)]
    #[case("T0TEAM1", false, false)]
    #[case("U0BOb01", false, false)]
    #[case("U0BOB01U0BOB01U0BOB01U0BOB01U0BOB", false, false)]
    fn an_id_without_a_digit_may_be_a_word(
        #[case] text: &str,
        #[case] has_form: bool,
        #[case] is: bool,
    ) {
        assert_eq!((has_form_of_id(text), is_id(text)), (has_form, is));
    }

    #[test]
    fn finds_who_is_mentioned() {
        let text = "ask @U0BOB01, not @U0BOB012 or @U0BOB01; mail a@b.c, @Bo, @U12, @URGENTLY";
        assert_eq!(mentioned(text), ["U0BOB01", "U0BOB012"]);
    }

    #[rstest]
    #[case::person("@U0BOB01", "@U0BOB01")]
    #[case::nobody("@U0000008", "U0000008 (Bob)")]
    #[case::odd("U0000011", "U0000011 (team/x ops)")]
    #[case::unknown("@U0000013", "@U0000013")]
    #[case::name("Bob", "Bob")]
    fn a_refusal_names_whom_it_is_about(#[case] named: &str, #[case] wanted: &str) {
        assert_eq!(shown(named, |id| id == "U0BOB01", name_of), wanted);
    }

    #[test]
    fn a_name_with_an_at_notifies_nobody() {
        assert_eq!(
            quiet("ask @bo, bo@acme.test"),
            "ask @\u{2060}bo, bo@acme.test"
        );
        assert_eq!(quiet("@\u{2060}bo @"), "@\u{2060}bo @\u{2060}");
    }
}
