//! The line of a key in `bot.toml`, for messages. The parser does not keep it.

use std::collections::BTreeMap;
use std::path::Path;

use zeroize::Zeroizing;

/// The number of the line in the file where a key is set: `slack.bot_token`, `people.0.name`. `None` if it is not found.
pub fn line_in(file: &Path, key: &str) -> Option<usize> {
    // The text has secrets.
    let text = Zeroizing::new(std::fs::read_to_string(file).ok()?);
    line_of(&text, key)
}

/// The number of the line, from 1.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let mut section = String::new();
    let mut tables: BTreeMap<String, usize> = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        if let Some(list) = line.strip_prefix("[[") {
            let name = plain(list.split(']').next()?);
            let at = tables
                .entry(name.clone())
                .and_modify(|at| *at += 1)
                .or_insert(0);
            section = format!("{name}.{at}");
        } else if let Some(table) = line.strip_prefix('[') {
            section = plain(table.split(']').next()?);
        } else if let Some((name, _)) = line.split_once('=')
            && !line.starts_with('#')
        {
            let name = plain(name);
            let whole = match section.is_empty() {
                true => name,
                false => format!("{section}.{name}"),
            };
            if whole == key {
                return Some(number);
            }
        }
    }
    None
}

/// A key without white space and quotation marks.
fn plain(key: &str) -> String {
    let parts = key
        .split('.')
        .map(|part| part.trim().trim_matches(['"', '\'']));
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const FILE: &str = "log.level = 'info'\n\n[slack]\n# bot_token = 'no'\n  bot_token = 'x'\n[github.priority_labels]\n\
        urgent = ['P0']\n[[people]]\nname = 'Ana'\n[[people]]\n\"name\"='Bo'\n";

    #[rstest]
    #[case::dotted("log.level", Some(1))]
    #[case::in_a_section("slack.bot_token", Some(5))]
    #[case::in_a_section_of_a_section("github.priority_labels.urgent", Some(7))]
    #[case::first_of_a_list("people.0.name", Some(9))]
    #[case::second_of_a_list("people.1.name", Some(11))]
    #[case::missing("slack.app_token", None)]
    fn a_key_has_its_line(#[case] key: &str, #[case] line: Option<usize>) {
        assert_eq!(line_of(FILE, key), line);
    }
}
