//! `ivan manifest`: the manifest of the Slack app, and the address of Slack's page for a new app with it filled in.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The manifest, as in `deploy/slack-manifest.yaml`.
pub const MANIFEST: &str = include_str!("../../deploy/slack-manifest.yaml");

/// Slack's page for a new app (docs/contracts/slack.md#scopes-and-manifest).
const NEW_APP: &str = "https://api.slack.com/apps?new_app=1&manifest_yaml=";

/// All characters but those that no address escapes.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The address of Slack's page for a new app, with the manifest filled in.
pub fn link() -> String {
    let manifest = without_comments(MANIFEST);
    format!("{NEW_APP}{}", utf8_percent_encode(&manifest, ESCAPED))
}

/// The manifest without comments and with half of its indentation, so that the address stays short.
fn without_comments(manifest: &str) -> String {
    let mut short = String::new();
    for line in manifest.lines() {
        let content = match line.trim_start().starts_with('#') {
            true => "",
            false => line.split(" #").next().unwrap_or_default().trim_end(),
        };
        if content.is_empty() {
            continue;
        }
        let text = content.trim_start();
        let depth = content.len() - text.len();
        short.extend(std::iter::repeat_n(' ', depth / 2));
        short.push_str(text);
        short.push('\n');
    }
    short
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;

    use super::*;

    /// The keys, values and list items of a manifest, with their depth.
    fn entries(manifest: &str, indent: usize) -> Vec<(usize, String)> {
        let lines = manifest.lines().filter(|line| {
            let text = line.trim_start();
            !text.is_empty() && !text.starts_with('#')
        });
        lines
            .map(|line| {
                let text = line.trim_start();
                let depth = line.len() - text.len();
                assert_eq!(depth % indent, 0, "{line}");
                let value = text.split(" #").next().unwrap().trim_end();
                (depth / indent, value.to_owned())
            })
            .collect()
    }

    #[test]
    fn the_link_carries_the_whole_manifest() {
        let link = link();
        let manifest = link.strip_prefix(NEW_APP).unwrap();
        let manifest = percent_decode_str(manifest).decode_utf8().unwrap();
        assert_eq!(entries(&manifest, 1), entries(MANIFEST, 2));
        assert!(manifest.contains("\n   - im:history\n"), "{manifest}");
        assert!(manifest.contains("background_color: \"#1f2937\"\n"));
    }

    #[test]
    fn the_link_is_one_word_that_browsers_and_terminals_take() {
        let link = link();
        assert!(link.len() < 4_000, "{}", link.len());
        assert!(link.chars().all(|one| one.is_ascii_graphic()), "{link}");
    }
}
