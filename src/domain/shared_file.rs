//! Files of Slack messages, and the links to them below a text for a source.
//!
//! Slack gives a file only to people who can see it there, so a link opens for them and for nobody else. A source that
//! takes files gets a copy beside the link ([`FileReader`]).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::controls::one_line;
use super::mention::quiet;
use super::mention_text::{MentionText, Piece};

/// How many files of one message are linked. Slack itself takes ten in a message.
pub const FILES_MAX: usize = 10;
/// The largest file that is copied to a source, in bytes.
pub const COPY_MAX: usize = 20 * 1024 * 1024;
/// The longest name, in characters. A longer one is cut.
const NAME_MAX: usize = 100;
/// The longest address, in bytes.
const URL_MAX: usize = 500;
/// The characters of a name that mean something in Markdown.
const MARKS: &str = "\\`*_[]<>&~|$#!";

/// A file that a person shared in Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedFile {
    /// Slack's id.
    pub id: String,
    /// The name, in one line; the id if it has none.
    pub name: String,
    /// The page of the file in Slack; `None` if Slack did not give it.
    pub url: Option<String>,
    /// The size in bytes; `None` if Slack did not give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// Reads files from the surface that they were shared in.
#[async_trait]
pub trait FileReader: Send + Sync {
    /// The whole content of the file with this id, of at most so many bytes.
    async fn content(&self, id: &str, most: usize) -> Result<Vec<u8>, FileUnread>;
}

/// Why a file was not read. The reasons are for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileUnread {
    /// It is larger than was asked for.
    TooLarge,
    /// It may work later.
    NotNow(String),
    /// It would fail again.
    Never(String),
}

impl SharedFile {
    /// A file as Slack names it. An address that is none of a web page, or is too long for a link, does not count.
    pub fn new(id: &str, name: &str, url: Option<&str>) -> SharedFile {
        let name: String = one_line(name).trim().chars().take(NAME_MAX).collect();
        SharedFile {
            id: id.to_owned(),
            name: match name.is_empty() {
                true => id.to_owned(),
                false => name,
            },
            url: url.filter(|url| is_linkable(url)).map(str::to_owned),
            size: None,
        }
    }

    /// The same with its size.
    #[must_use]
    pub fn sized(self, size: Option<u64>) -> SharedFile {
        SharedFile { size, ..self }
    }

    /// The name of a copy, without the characters that a form writes in another way.
    pub fn copy_name(&self) -> String {
        let is_odd = |c: char| matches!(c, '"' | '\\' | '%' | '/');
        let name = self.name.chars().map(|c| if is_odd(c) { '_' } else { c });
        name.collect()
    }

    /// The link as a line of a text; `None` without an address.
    fn line(&self, markdown: bool) -> Option<String> {
        let url = self.url.as_deref()?;
        // Another person chose the name: it mentions nobody.
        let name = quiet(&self.name);
        Some(match markdown {
            true => format!("[{}]({})", escaped(&name), target(url)),
            false => format!("{name}: {url}"),
        })
    }
}

/// The links to files, a line each. In Markdown each is a paragraph of its own, so that it ends a quotation or a list
/// above it.
pub fn links(files: &[SharedFile], markdown: bool) -> String {
    let lines: Vec<String> = files
        .iter()
        .filter_map(|file| file.line(markdown))
        .collect();
    lines.join(between(markdown))
}

/// A text with the links to files below it.
pub fn with_links(text: MentionText, files: &[SharedFile], markdown: bool) -> MentionText {
    let links = links(files, markdown);
    if links.is_empty() {
        return text;
    }
    let text = text.trim_end();
    let below = match text.pieces().is_empty() {
        true => links,
        false => format!("{}{links}", between(markdown)),
    };
    let pieces = text.pieces().iter().cloned();
    pieces.chain(std::iter::once(Piece::Text(below))).collect()
}

/// The files that have a link.
pub fn linked(files: &[SharedFile]) -> Vec<SharedFile> {
    let linked = files.iter().filter(|file| file.url.is_some());
    linked.cloned().collect()
}

fn between(markdown: bool) -> &'static str {
    match markdown {
        true => "\n\n",
        false => "\n",
    }
}

/// A name as the text of a link in Markdown.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if MARKS.contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// An address as the target of a link in Markdown: without the characters that could end it.
fn target(url: &str) -> String {
    let mut target = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '(' => target.push_str("%28"),
            ')' => target.push_str("%29"),
            '<' => target.push_str("%3C"),
            '>' => target.push_str("%3E"),
            '\\' => target.push_str("%5C"),
            other => target.push(other),
        }
    }
    target
}

/// Whether it is the address of a web page, in one word.
fn is_linkable(url: &str) -> bool {
    let is_page = url.starts_with("https://") || url.starts_with("http://");
    is_page && url.len() <= URL_MAX && !url.chars().any(|c| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const URL: &str = "https://acme.slack.com/files/U0ANN01/F1/a.png";

    fn file(name: &str, url: Option<&str>) -> SharedFile {
        SharedFile::new("F1", name, url)
    }

    #[rstest]
    #[case::plain("shot.png", "[shot.png](URL)", "shot.png: URL")]
    #[case::marks("a_[b](c)*.png", r"[a\_\[b\](c)\*.png](URL)", "a_[b](c)*.png: URL")]
    #[case::html("<b>&amp;`x`\\", r"[\<b\>\&amp;\`x\`\\](URL)", "<b>&amp;`x`\\: URL")]
    #[case::mention("@bo #12", "[@\u{2060}bo \\#12](URL)", "@\u{2060}bo #12: URL")]
    #[case::lines("a\nb\u{202e}c", "[a bc](URL)", "a bc: URL")]
    #[case::no_name(" ", "[F1](URL)", "F1: URL")]
    fn a_name_is_only_a_name(#[case] name: &str, #[case] markdown: &str, #[case] plain: &str) {
        let files = [file(name, Some(URL))];
        assert_eq!(links(&files, true), markdown.replace("URL", URL));
        assert_eq!(links(&files, false), plain.replace("URL", URL));
    }

    #[rstest]
    #[case::script("javascript:alert(1)", None)]
    #[case::two_words("https://a.b/c d", None)]
    #[case::breaks("https://a.b/\n(x", None)]
    #[case::ends("https://a.b/)[x](y\\>", Some("[a](https://a.b/%29[x]%28y%5C%3E)"))]
    fn an_address_is_only_an_address(#[case] url: &str, #[case] link: Option<&str>) {
        assert_eq!(file("a", Some(url)).line(true).as_deref(), link);
    }

    #[test]
    fn links_stand_below_the_text_and_below_each_other() {
        let files = [file("a", Some(URL)), file("b", None), file("c", Some(URL))];
        let text = |markdown| with_links("> see\n".into(), &files, markdown).to_string();
        assert_eq!(text(true), format!("> see\n\n[a]({URL})\n\n[c]({URL})"));
        assert_eq!(text(false), format!("> see\na: {URL}\nc: {URL}"));
        let alone = with_links("".into(), &files, true).to_string();
        assert_eq!(alone, format!("[a]({URL})\n\n[c]({URL})"));
        let linked = linked(&files);
        let names: Vec<&str> = linked.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(
            with_links("x ".into(), &[file("b", None)], true).to_string(),
            "x "
        );
    }

    #[test]
    fn names_and_addresses_are_bounded() {
        let file = file(
            &"x".repeat(500),
            Some(&format!("https://a.b/{}", "y".repeat(600))),
        );
        assert_eq!((file.name.len(), file.url), (NAME_MAX, None));
    }
}
