//! The content of a Slack message besides its text: forwarded messages, alerts, files, blocks (docs/contracts/slack.md#messages).
//! Pure.
//!
//! `gate` reads the additions to a command here, `forms` the visible text of a message that becomes a task.

use std::borrow::Cow;

use serde_json::Value;

use super::text::{characters, unescape, with_emoji};
use super::wire::{Attachment, Event, File};
use crate::domain::controls::without_controls;
use crate::domain::mention::quiet;
use crate::domain::shared_file::{FILES_MAX, SharedFile};
use crate::mailbox::Attachments;

/// The fallback of a message that has none.
const NO_FALLBACK: &str = "[no preview available]";
/// The most texts of forwarded messages beside one command.
const PIECES_MAX: usize = 20;
/// The mode of a file that Slack made of a long text, and those of files that no longer exist.
const SNIPPET: &str = "snippet";
const NOT_THERE: [&str; 2] = ["tombstone", "hidden_by_limit"];

/// The additions to a command. Pasted links that Slack unfurled do not count. Mentioned people stay ids, as in the
/// command itself.
pub fn along_with(event: &Event) -> Attachments {
    let mut attached = Attachments::default();
    let shared = event.attachments.iter().filter(|one| is_shared(one));
    for one in shared {
        let words = quiet(&seen_in(one, &|_| None).join("\n"));
        let quoted: Vec<String> = words.lines().map(|line| format!("> {line}")).collect();
        let author = one.author_name.as_deref().map(quiet);
        let from = [author.as_deref(), one.from_url.as_deref()];
        let from = from.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let mut piece = quoted.join("\n");
        if !from.is_empty() {
            piece.push_str(&format!("\n— {from}"));
        }
        let piece = piece.trim().to_owned();
        if !piece.is_empty() {
            add_piece(&mut attached.pieces, piece);
            attached.forwarded = true;
        }
        add_files(&mut attached, &one.files);
    }
    add_files(&mut attached, &event.files);
    attached
}

/// Adds the text of a forwarded message. After so many the further ones join the last.
fn add_piece(pieces: &mut Vec<String>, piece: String) {
    let is_full = pieces.len() >= PIECES_MAX;
    match pieces.last_mut().filter(|_| is_full) {
        Some(last) => {
            last.push_str("\n\n");
            last.push_str(&piece);
        }
        None => pieces.push(piece),
    }
}

fn add_files(attached: &mut Attachments, files: &[File]) {
    for file in files {
        let Some(shared) = shared_file(file) else {
            continue;
        };
        if file.mode.as_deref() == Some(SNIPPET) {
            attached.snippet = Some(shared.name.clone());
        }
        attached.files.push(shared.name.clone());
        match attached.shared.len() < FILES_MAX {
            true => attached.shared.push(shared),
            false => attached.left_out += 1,
        }
    }
}

/// A file with its link; `None` for one that no longer exists.
pub fn shared_file(file: &File) -> Option<SharedFile> {
    let id = file.id.as_deref().filter(|_| is_there(file))?;
    let names = [&file.name, &file.title];
    let name = names.into_iter().flatten().find(|name| !name.is_empty());
    let name = name.map_or(id, String::as_str);
    let shared = SharedFile::new(id, name, file.permalink.as_deref());
    Some(shared.sized(file.size))
}

/// The visible text of a message, as plain text, with the URLs of its attachments.
pub fn seen(message: &Event, name_of: &impl Fn(&str) -> Option<String>) -> String {
    let wire = with_emoji(message.text.as_deref().unwrap_or_default(), &message.blocks);
    let drawn = block_lines(&message.blocks, name_of);
    let text = match replaces_text(&message.blocks, &wire) && !drawn.is_empty() {
        true => drawn.join("\n"),
        false => unescape(&wire, name_of),
    };
    let mut lines = vec![text];
    for one in &message.attachments {
        // The preview of a URL that is in the text already.
        let is_unfolded = !is_shared(one)
            && (one.original_url.is_some()
                || one.from_url.is_some()
                || one.app_unfurl_url.is_some());
        if is_unfolded {
            continue;
        }
        lines.extend(seen_in(one, name_of));
        if is_shared(one) {
            lines.extend(one.from_url.clone());
        }
        lines.extend(one.files.iter().filter_map(file_line));
    }
    lines.extend(message.files.iter().filter_map(file_line));
    lines.retain(|line| !line.trim().is_empty());
    lines.join("\n")
}

/// A file as a line of a text: its name and its page. The page alone if it has no name; `None` without a page.
fn file_line(file: &File) -> Option<String> {
    let shared = shared_file(file)?;
    let url = shared.url?;
    Some(match shared.name == shared.id {
        true => url,
        false => format!("{}: {url}", shared.name),
    })
}

/// Whether people see the blocks of a message instead of its text: blocks of an app replace it, those of a person repeat
/// it.
fn replaces_text(blocks: &Value, text: &str) -> bool {
    text.trim().is_empty() || each(Some(blocks)).any(|block| kind(block) != "rich_text")
}

/// The visible text of an attachment.
fn seen_in(one: &Attachment, name_of: &impl Fn(&str) -> Option<String>) -> Vec<String> {
    let plain = |wire: &Option<String>| wire.as_deref().map(|wire| unescape(wire, name_of));
    let text = one.text.as_deref().unwrap_or_default();
    let forwarded = one.message_blocks.iter().map(|part| &part.message.blocks);
    let drawn: Vec<String> = forwarded
        .filter(|blocks| replaces_text(blocks, text))
        .flat_map(|blocks| block_lines(blocks, name_of))
        .collect();
    let text = match drawn.is_empty() {
        true => &one.text,
        false => &None,
    };
    let mut lines: Vec<String> = [&one.pretext, &one.title, &one.title_link, text]
        .into_iter()
        .filter_map(plain)
        .collect();
    lines.extend(drawn);
    lines.extend(block_lines(&one.blocks, name_of));
    for field in &one.fields {
        let field = [plain(&field.title), plain(&field.value)];
        lines.push(field.into_iter().flatten().collect::<Vec<_>>().join(": "));
    }
    lines.retain(|line| !line.trim().is_empty());
    if lines.is_empty() {
        let fallback = plain(&one.fallback);
        lines.extend(fallback.filter(|text| !text.trim().is_empty() && text != NO_FALLBACK));
    }
    lines.extend(one.image_url.clone());
    lines
}

/// The words in blocks, a line each.
fn block_lines(blocks: &Value, name_of: &impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut lines = Vec::new();
    for block in each(Some(blocks)) {
        match kind(block) {
            "header" | "section" => {
                lines.extend(words(block.get("text"), name_of));
                let fields = each(block.get("fields"));
                lines.extend(fields.filter_map(|field| words(Some(field), name_of)));
            }
            "context" => {
                let elements = each(block.get("elements"));
                let line: Vec<String> = elements
                    .filter_map(|element| words(Some(element), name_of))
                    .collect();
                lines.push(line.join(" "));
            }
            "markdown" => lines.extend(string(block.get("text")).map(str::to_owned)),
            "image" => {
                let title = block
                    .get("title")
                    .and_then(|title| words(Some(title), name_of));
                lines.extend(title.or_else(|| string(block.get("alt_text")).map(str::to_owned)));
                lines.extend(string(block.get("image_url")).map(str::to_owned));
            }
            "table" => {
                for row in each(block.get("rows")) {
                    let cells = row.as_array().into_iter().flatten();
                    let cells: Vec<String> = cells.map(|cell| cell_words(cell, name_of)).collect();
                    lines.push(cells.join(" | "));
                }
            }
            "rich_text" => rich_lines(block, name_of, &mut lines),
            _ => {}
        }
    }
    for line in &mut lines {
        if let Cow::Owned(plain) = without_controls(line) {
            *line = plain;
        }
    }
    lines.retain(|line| !line.trim().is_empty());
    lines
}

/// The words of a cell of a table: plain, or rich text.
fn cell_words(cell: &Value, name_of: &impl Fn(&str) -> Option<String>) -> String {
    match kind(cell) {
        "rich_text" => {
            let mut lines = Vec::new();
            rich_lines(cell, name_of, &mut lines);
            lines.join(" ")
        }
        _ => string(cell.get("text")).unwrap_or_default().to_owned(),
    }
}

/// The words of rich text: a list has sections, anything else has words.
fn rich_lines(block: &Value, name_of: &impl Fn(&str) -> Option<String>, lines: &mut Vec<String>) {
    for part in each(block.get("elements")) {
        match kind(part) {
            "rich_text_list" => {
                let indent = part
                    .get("indent")
                    .and_then(Value::as_u64)
                    .unwrap_or(0)
                    .min(8);
                let indent = "    ".repeat(usize::try_from(indent).unwrap_or_default());
                let is_numbered = string(part.get("style")) == Some("ordered");
                let first = part.get("offset").and_then(Value::as_u64).unwrap_or(0);
                for (number, item) in each(part.get("elements")).enumerate() {
                    let mark = match is_numbered {
                        true => format!("{}.", first.saturating_add(number as u64 + 1)),
                        false => "•".to_owned(),
                    };
                    lines.push(format!("{indent}{mark} {}", rich(item, name_of)));
                }
            }
            "rich_text_preformatted" => {
                lines.push(format!("```\n{}\n```", rich(part, name_of)));
            }
            "rich_text_quote" => {
                let words = rich(part, name_of);
                lines.extend(words.lines().map(|line| format!("> {line}")));
            }
            _ => lines.push(rich(part, name_of)),
        }
    }
}

/// A text object: Slack's markup, or plain text.
fn words(object: Option<&Value>, name_of: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let object = object?;
    let text = string(object.get("text"))?;
    Some(match kind(object) {
        "mrkdwn" => unescape(text, name_of),
        _ => text.to_owned(),
    })
}

/// The words of a section of rich text.
fn rich(section: &Value, name_of: &impl Fn(&str) -> Option<String>) -> String {
    let pieces = each(section.get("elements")).map(|piece| match kind(piece) {
        "user" => {
            let id = string(piece.get("user_id")).unwrap_or_default();
            format!("@{}", name_of(id).unwrap_or_else(|| id.to_owned()))
        }
        "emoji" => {
            let drawn = string(piece.get("unicode")).and_then(characters);
            drawn.unwrap_or_else(|| format!(":{}:", string(piece.get("name")).unwrap_or_default()))
        }
        "link" => {
            let url = string(piece.get("url")).unwrap_or_default();
            match string(piece.get("text")).filter(|text| *text != url && !text.is_empty()) {
                Some(text) => format!("{text} ({url})"),
                None => url.to_owned(),
            }
        }
        "channel" => format!("#{}", string(piece.get("channel_id")).unwrap_or_default()),
        "usergroup" => format!("@{}", string(piece.get("usergroup_id")).unwrap_or_default()),
        "date" => string(piece.get("fallback")).unwrap_or_default().to_owned(),
        "broadcast" => format!("@{}", string(piece.get("range")).unwrap_or_default()),
        _ => string(piece.get("text")).unwrap_or_default().to_owned(),
    });
    pieces.collect::<String>().trim_end().to_owned()
}

fn is_shared(one: &Attachment) -> bool {
    one.is_share == Some(true)
}

/// Whether a file exists: it has an id, and no mode of a deleted file or one that the plan hides.
fn is_there(file: &File) -> bool {
    let mode = file.mode.as_deref();
    file.id.is_some() && mode.is_none_or(|mode| !NOT_THERE.contains(&mode))
}

fn kind(value: &Value) -> &str {
    string(value.get("type")).unwrap_or_default()
}

fn string(value: Option<&Value>) -> Option<&str> {
    value?.as_str()
}

fn each(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn event(event: Value) -> Event {
        serde_json::from_value(event).unwrap()
    }

    fn bo(id: &str) -> Option<String> {
        (id == "U0BOB01").then(|| "Bo".to_owned())
    }

    fn shot() -> Value {
        json!({"id": "F1", "name": "shot.png", "mode": "hosted", "permalink": LINK})
    }

    const LINK: &str = "https://acme.slack.com/files/F1";

    #[rstest]
    #[case::alert(json!({"text": "", "attachments": [{"title": "[FIRING] disk full", "title_link": "https://alerts.example/1",
        "text": "db-1 at 97 %", "fallback": "disk"}]}), "[FIRING] disk full\nhttps://alerts.example/1\ndb-1 at 97 %")]
    #[case::fields(json!({"text": "Alert &amp; more", "attachments": [{"pretext": "now", "fields": [{"title": "host", "value": "db-1"}]}]}),
        "Alert & more\nnow\nhost: db-1")]
    #[case::fallback(json!({"attachments": [{"fallback": "disk full"}, {"fallback": "[no preview available]"}]}), "disk full")]
    #[case::drawn(json!({"text": "Alert", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "[FIRING] disk"}},
        {"type": "divider"}, {"type": "section", "text": {"type": "mrkdwn", "text": "ask <@U0BOB01>"},
        "fields": [{"type": "mrkdwn", "text": "db-1"}]}, {"type": "context", "elements": [{"type": "mrkdwn", "text": "a"}, {"type": "image"}]}]}),
        "[FIRING] disk\nask @Bo\ndb-1\na")]
    #[case::blocks_of_an_attachment(json!({"text": "", "attachments": [{"color": "#f00", "fallback": "[no preview available]",
        "blocks": [{"type": "section", "text": {"type": "plain_text", "text": "<full>"}}]}]}), "<full>")]
    #[case::typed(json!({"text": "Login is *broken*", "blocks": [{"type": "rich_text", "elements": []}]}), "Login is *broken*")]
    #[case::rich_alone(json!({"blocks": [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [
        {"type": "text", "text": "see "}, {"type": "link", "url": "https://x.y"}, {"type": "emoji", "name": "eyes"}]},
        {"type": "rich_text_list", "elements": [{"type": "rich_text_section", "elements": [{"type": "user", "user_id": "U0BOB01"}]}]}]}]}),
        "see https://x.y:eyes:\n• @Bo")]
    #[case::controls(json!({"blocks": [{"type": "section", "text": {"type": "plain_text", "text": "a\u{1b}[31mb\u{7}"}}]}), "a[31mb")]
    #[case::rich_parts(json!({"blocks": [{"type": "rich_text", "elements": [
        {"type": "rich_text_list", "style": "ordered", "indent": 1, "offset": 2, "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "look"}]}]},
        {"type": "rich_text_quote", "elements": [{"type": "text", "text": "a\nb"}]},
        {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "x = 1"}]},
        {"type": "rich_text_section", "elements": [{"type": "date", "timestamp": 1, "fallback": "1 Dec"}, {"type": "text", "text": " in "}, {"type": "channel", "channel_id": "C0GEN01"},
            {"type": "emoji", "name": "rocket", "unicode": "1f680"}, {"type": "emoji", "name": "ours"}]}]}]}),
        "    3. look\n> a\n> b\n```\nx = 1\n```\n1 Dec in #C0GEN01🚀:ours:")]
    #[case::picture(json!({"text": "", "blocks": [{"type": "image", "alt_text": "a graph", "image_url": "https://g.example/1.png"}],
        "attachments": [{"title": "CPU", "image_url": "https://g.example/2.png"}]}), "a graph\nhttps://g.example/1.png\nCPU\nhttps://g.example/2.png")]
    #[case::table(json!({"blocks": [{"type": "table", "rows": [[{"type": "raw_text", "text": "host"}, {"type": "raw_text", "text": "use"}],
        [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "db-1"}]}]}, {"type": "raw_text", "text": "97 %"}]]}]}),
        "host | use\ndb-1 | 97 %")]
    #[case::unfolded(json!({"text": "see https://x.y", "attachments": [{"from_url": "https://x.y", "title": "X"}]}), "see https://x.y")]
    #[case::forwarded(json!({"text": "look", "attachments": [{"is_share": true, "from_url": "https://acme.slack.com/p1", "text": "broken"}]}),
        "look\nbroken\nhttps://acme.slack.com/p1")]
    #[case::forwarded_alert(json!({"text": "", "attachments": [{"is_share": true, "from_url": "https://acme.slack.com/p1", "text": "Alert",
        "message_blocks": [{"team": "T0TEAM1", "channel": "C0GEN01", "ts": "1.2", "message": {"blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "[FIRING] disk"}},
            {"type": "section", "text": {"type": "mrkdwn", "text": "db-1 at 97 %"}}]}}]}]}),
        "[FIRING] disk\ndb-1 at 97 %\nhttps://acme.slack.com/p1")]
    #[case::forwarded_person(json!({"attachments": [{"is_share": true, "text": "It is *broken*", "message_blocks": [
        {"message": {"blocks": [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "It is broken"}]}]}]}}]}]}),
        "It is *broken*")]
    #[case::forwarded_without_text(json!({"attachments": [{"is_share": true, "fallback": "[no preview available]", "message_blocks": [3,
        {"message": {"blocks": [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "It is broken"}]}]}]}}]}]}),
        "It is broken")]
    #[case::file(json!({"text": "", "files": [shot()]}), "shot.png: https://acme.slack.com/files/F1")]
    #[case::file_without_a_name(json!({"text": "", "files": [{"id": "F1", "permalink": LINK}]}), LINK)]
    #[case::file_with_an_odd_name(json!({"files": [{"id": "F1", "name": "a\nb:\u{202e}c", "permalink": LINK}]}),
        "a b:c: https://acme.slack.com/files/F1")]
    #[case::no_file_any_more(json!({"text": "gone", "files": [{"id": "F1", "name": "a", "mode": "tombstone", "permalink": LINK}]}), "gone")]
    #[case::forwarded_file(json!({"attachments": [{"is_share": true, "text": "see", "files": [shot()]}]}),
        "see\nshot.png: https://acme.slack.com/files/F1")]
    #[case::odd(json!({"text": 7, "attachments": [3, {"fields": "no", "title": []}], "files": {}, "blocks": "x"}), "")]
    fn people_see_more_than_the_text(#[case] message: Value, #[case] shown: &str) {
        assert_eq!(seen(&event(message), &bo), shown);
    }

    #[test]
    fn forwarded_words_go_along_with_their_author_and_address() {
        let message = json!({"text": "create Fix this", "attachments": [
            {"is_share": true, "author_name": "Bo", "from_url": "https://acme.slack.com/p1", "text": "Login is broken\nask <@U0BOB01>",
                "files": [shot()]},
            {"from_url": "https://x.y", "title": "a page"}]});
        let attached = along_with(&event(message));
        assert_eq!(
            attached.pieces,
            ["> Login is broken\n> ask @\u{2060}U0BOB01\n— Bo, https://acme.slack.com/p1"]
        );
        assert_eq!(
            attached.shared,
            [SharedFile::new("F1", "shot.png", Some(LINK))]
        );
        assert!(attached.forwarded);
    }

    #[test]
    fn after_twenty_forwarded_messages_the_others_join_the_last() {
        let shared = |n: usize| json!({"is_share": true, "text": format!("text {n}")});
        let attachments: Vec<Value> = (0..25).map(shared).collect();
        let attached = along_with(&event(json!({"attachments": attachments})));
        assert_eq!(attached.pieces.len(), PIECES_MAX);
        let last = attached.pieces.last().unwrap();
        assert!(last.starts_with("> text 19\n\n> text 20"), "{last}");
        assert!(last.ends_with("> text 24"), "{last}");
    }

    #[test]
    fn a_file_goes_along_by_its_address() {
        let message = json!({"files": [shot(), {"id": "F2", "file_access": "check_file_info"}, {"id": "F3", "mode": "tombstone"},
            {"id": "F4", "title": "log.txt", "mode": "snippet", "permalink": "https://acme.slack.com/files/F4"}]});
        let attached = along_with(&event(message));
        assert_eq!(attached.files, ["shot.png", "F2", "log.txt"]);
        let urls: Vec<Option<&str>> = attached
            .shared
            .iter()
            .map(|file| file.url.as_deref())
            .collect();
        assert_eq!(
            urls,
            [Some(LINK), None, Some("https://acme.slack.com/files/F4")]
        );
        assert_eq!(attached.snippet.as_deref(), Some("log.txt"));
        assert!(attached.pieces.is_empty() && !attached.forwarded);
    }

    #[test]
    fn ten_files_go_along_and_the_others_are_counted() {
        let files: Vec<Value> = (0..13)
            .map(|n| json!({"id": format!("F{n}"), "permalink": LINK}))
            .collect();
        let attached = along_with(&event(json!({"files": files})));
        assert_eq!((attached.shared.len(), attached.left_out), (FILES_MAX, 3));
        assert_eq!(attached.files.len(), 13);
    }

    #[test]
    fn a_mere_message_has_nothing_besides() {
        let message = json!({"text": "done", "blocks": [{"type": "rich_text"}]});
        assert_eq!(along_with(&event(message)), Attachments::default());
    }
}
