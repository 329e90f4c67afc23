//! `docs/conversation.svg`: the conversation of the README as a picture, drawn from the output of the demo.
//!
//! `IVAN_PICTURES=write cargo test --test it picture::` draws it again.

use std::fmt::Write;
use std::path::Path;

use crate::demo::from_the_readme;

const WIDTH: usize = 760;
/// Between two baselines of text.
const LINE: usize = 22;
/// Where text begins, right of the avatars.
const LEFT: usize = 76;

/// One line of a message, as the demo prints it.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// The first line of a message, with its author.
    Said(&'static str, String),
    More(String),
    Buttons(Vec<String>),
    /// The request that a source got.
    Request(String),
}

/// The lines of the first `commands` commands.
fn lines(transcript: &str, commands: usize) -> Vec<Line> {
    let mut read = Vec::new();
    let mut asked = 0;
    for line in transcript
        .lines()
        .skip_while(|line| !line.starts_with("Ana"))
    {
        if let Some(text) = line.strip_prefix("Ana  › ") {
            asked += 1;
            if asked > commands {
                break;
            }
            read.push(Line::Said("Ana", text.to_owned()));
        } else if let Some(text) = line.strip_prefix("Ivan › ") {
            read.push(Line::Said("Ivan", text.to_owned()));
        } else if let Some(text) = line.strip_prefix("         ") {
            read.push(Line::Request(text.to_owned()));
        } else if let Some(buttons) = line.trim().strip_prefix('[') {
            let labels = buttons.trim_end_matches(']').split("] [");
            let without_number = |label: &str| {
                label
                    .trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')
                    .to_owned()
            };
            read.push(Line::Buttons(labels.map(without_number).collect()));
        } else {
            read.push(Line::More(line.trim().to_owned()));
        }
    }
    read
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn text(out: &mut String, class: &str, x: usize, y: usize, text: &str) {
    let text = escaped(text);
    writeln!(
        out,
        r#"<text class="{class}" x="{x}" y="{y}">{text}</text>"#
    )
    .unwrap();
}

/// Draws the lines as Slack shows messages.
fn svg(lines: &[Line]) -> String {
    let mut body = String::new();
    let mut y = 20;
    for line in lines {
        match line {
            Line::Said(author, said) => {
                y += LINE + 10;
                let class = author.to_lowercase();
                let top = y - 16;
                writeln!(
                    body,
                    r#"<rect class="{class}" x="24" y="{top}" width="36" height="36" rx="8"/>"#
                )
                .unwrap();
                text(
                    &mut body,
                    "initial",
                    42,
                    y + 8,
                    author.get(..1).unwrap_or_default(),
                );
                text(&mut body, "name", LEFT, y, author);
                y += LINE;
                text(&mut body, "said", LEFT, y, said);
            }
            Line::More(said) => {
                y += LINE;
                text(&mut body, "said", LEFT, y, said);
            }
            Line::Buttons(labels) => {
                y += LINE + 10;
                let mut x = LEFT;
                for label in labels {
                    let width = 24 + 8 * label.chars().count();
                    let top = y - 19;
                    writeln!(body, r#"<rect class="button" x="{x}" y="{top}" width="{width}" height="28" rx="4"/>"#).unwrap();
                    text(&mut body, "label", x + width / 2, y, label);
                    x += width + 8;
                }
                y += 8;
            }
            Line::Request(request) => {
                y += LINE;
                text(&mut body, "request", LEFT, y, request);
            }
        }
    }
    let height = y + 28;
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="A conversation with Ivan in Slack">
<style>
text {{ font: 15px system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: #1d1c1d }}
.page {{ fill: #fff; stroke: #ddd }} .ana {{ fill: #4a6fa5 }} .ivan {{ fill: #2e7d57 }}
.initial {{ fill: #fff; font-weight: 700; text-anchor: middle }} .name {{ font-weight: 700 }}
.button {{ fill: #fff; stroke: #bbb }} .label {{ font-size: 13px; font-weight: 600; text-anchor: middle }}
.request {{ font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #6a6a6a }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6e6e6 }} .page {{ fill: #1a1d21; stroke: #444 }} .initial {{ fill: #fff }}
.button {{ fill: #222529; stroke: #777 }} .request {{ fill: #a5a5a5 }}
}}
</style>
<rect class="page" x="0.5" y="0.5" width="{}" height="{}" rx="10"/>
{body}</svg>
"#,
        WIDTH - 1,
        height - 1
    )
}

/// Both drawings of the README can be read on a light and on a dark page, and their words can be selected and searched.
#[test]
fn the_drawings_are_light_and_dark_and_their_text_is_text() {
    for name in ["docs/flow.svg", "docs/conversation.svg"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let drawn = std::fs::read_to_string(path).unwrap();
        assert!(drawn.len() < 200_000, "{name}: {}", drawn.len());
        assert!(drawn.contains("prefers-color-scheme: dark"), "{name}");
        assert!(drawn.contains("aria-label="), "{name}");
        assert!(drawn.matches("<text").count() > 10, "{name}");
        for foreign in ["<image", "<script", "href", "@import", "url(http"] {
            assert!(!drawn.contains(foreign), "{name}: {foreign}");
        }
        assert!(include_str!("../../README.md").contains(&format!("]({name})")));
    }
}

#[test]
fn the_picture_shows_what_the_demo_prints() {
    let drawn = svg(&lines(&from_the_readme(), 3));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conversation.svg");
    if std::env::var("IVAN_PICTURES").as_deref() == Ok("write") {
        std::fs::write(&path, &drawn).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(
        kept == drawn,
        "docs/conversation.svg is not what the demo prints; draw it again with IVAN_PICTURES=write"
    );
}
