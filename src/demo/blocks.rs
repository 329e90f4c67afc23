//! Renders Block Kit for a terminal: the text as Slack shows it, with the buttons numbered from the top.
//!
//! Pure: `demo` and `forms` pass in the blocks and a function that formats text, and print the lines.

use serde_json::Value;

use crate::domain::controls::is_control;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Link,
    /// Done or removed.
    Struck,
    Heading,
    /// Secondary text: notes and buttons.
    Aside,
}

/// Formats a piece of text for this terminal.
pub(super) type Paint<'p> = &'p dyn Fn(Look, &str) -> String;

/// A button or a choice in a message.
#[derive(Debug, Clone)]
pub(super) struct DemoButton {
    pub(super) label: String,
    pub(super) action: String,
    pub(super) url: Option<String>,
    /// It takes a time of day.
    pub(super) is_time: bool,
}

/// Renders the blocks of a message or a view as lines; its buttons are numbered from `first` on.
pub(super) fn shown(blocks: &Value, first: usize, paint: Paint<'_>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut number = first;
    for block in blocks.as_array().into_iter().flatten() {
        let here = buttons_of(block);
        let row = row_of(number, &here).map(|row| paint(Look::Aside, &row));
        number += here.len();
        let text = block["text"]["text"].as_str().unwrap_or_default();
        match block["type"].as_str() {
            Some("image") => {
                let alt = block["alt_text"].as_str().unwrap_or_default();
                lines.push(paint(Look::Aside, &tame(alt)));
            }
            Some("header") => lines.push(paint(Look::Heading, &tame(text))),
            Some("context") => {
                let notes = block["elements"].as_array().into_iter().flatten();
                let notes = notes.filter_map(|note| note["text"].as_str());
                lines.extend(notes.map(|note| paint(Look::Aside, &unwired(note, &plain))));
                lines.extend(row);
            }
            _ => {
                lines.extend(wrapped(text, paint));
                match (lines.last_mut(), row) {
                    // The button of a section is printed beside its text.
                    (Some(last), Some(row)) if !text.is_empty() => {
                        last.push_str("  ");
                        last.push_str(&row);
                    }
                    (_, row) => lines.extend(row),
                }
            }
        }
    }
    lines
}

/// Renders one Slack text as lines.
pub(super) fn wrapped(text: &str, paint: Paint<'_>) -> Vec<String> {
    let text = unwired(text, paint);
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// Converts Slack's wire form to display text: links by their titles, strikethrough applied, entities decoded.
pub(super) fn unwired(text: &str, paint: Paint<'_>) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('<') {
        let Some((link, after)) = link.split_once('>') else {
            break;
        };
        let (_, label) = link.split_once('|').unwrap_or(("", link));
        let label = entities(label);
        match (before.strip_suffix('~'), after.strip_prefix('~')) {
            (Some(before), Some(after)) => {
                shown.push_str(&entities(before));
                shown.push_str(&paint(Look::Struck, &label));
                rest = after;
            }
            _ => {
                shown.push_str(&entities(before));
                shown.push_str(&paint(Look::Link, &label));
                rest = after;
            }
        }
    }
    shown.push_str(&entities(rest));
    shown
}

/// Formats text for a terminal without colours.
pub(super) fn plain(look: Look, text: &str) -> String {
    match look {
        Look::Struck => format!("~{text}~"),
        Look::Link | Look::Heading | Look::Aside => text.to_owned(),
    }
}

/// All buttons of a message or a view, from top to bottom.
pub(super) fn buttons_in(blocks: &Value) -> Vec<DemoButton> {
    let blocks = blocks.as_array().into_iter().flatten();
    blocks.flat_map(buttons_of).collect()
}

fn buttons_of(block: &Value) -> Vec<DemoButton> {
    let row = block["elements"].as_array().into_iter().flatten();
    let all = row.chain([&block["accessory"]]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.filter_map(|element| {
        let label = match element["type"].as_str() {
            Some("button") => text(&element["text"]["text"]),
            Some("timepicker") => {
                let chosen = element["initial_time"].as_str().unwrap_or("…");
                format!("{} {chosen} ▾", text(&element["placeholder"]["text"]))
            }
            _ => return None,
        };
        Some(DemoButton {
            label,
            action: text(&element["action_id"]),
            url: element["url"].as_str().map(str::to_owned),
            is_time: element["type"] == "timepicker",
        })
    })
    .collect()
}

/// Finds a button by its number from 1, its name, or the start of its name.
pub(super) fn button_called<'b>(buttons: &'b [DemoButton], which: &str) -> Option<&'b DemoButton> {
    let all: Vec<&DemoButton> = buttons.iter().collect();
    buttons.get(called(&all, which)?)
}

/// Finds a button among several places in the same way; returns its position.
pub(super) fn called(buttons: &[&DemoButton], which: &str) -> Option<usize> {
    let which = which.to_lowercase();
    if let Ok(number) = which.parse::<usize>() {
        return number.checked_sub(1).filter(|at| *at < buttons.len());
    }
    let named = |is: &dyn Fn(&str) -> bool| {
        let mut buttons = buttons.iter();
        buttons.position(|button| is(&button.label.to_lowercase()))
    };
    named(&|label| label == which)
        .or_else(|| named(&|label| !which.is_empty() && label.starts_with(&which)))
}

/// `[1 Done] [2 Next]`: a row of buttons, numbered from `from` on.
fn row_of(from: usize, buttons: &[DemoButton]) -> Option<String> {
    let numbered: Vec<String> = (from..)
        .zip(buttons)
        .map(|(number, button)| format!("[{number} {}]", tame(&button.label)))
        .collect();
    (!numbered.is_empty()).then(|| numbered.join(" "))
}

fn entities(text: &str) -> String {
    tame(text)
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// Removes control characters: typed text must not control the terminal.
pub(super) fn tame(text: &str) -> String {
    text.chars()
        .filter(|&c| c == '\n' || !(c.is_control() || is_control(c)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn section(text: &str) -> Value {
        json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    }

    fn button(label: &str) -> Value {
        json!({"type": "button", "action_id": label, "text": {"type": "plain_text", "text": label}})
    }

    fn plainly(blocks: &[Value]) -> String {
        shown(&json!(blocks), 1, &plain).join("\n")
    }

    #[test]
    fn a_card_is_its_title_its_facts_its_notes_and_its_numbered_buttons() {
        let blocks = [
            section("✓ Task completed in ClickUp: Renew &lt;cert&gt;"),
            section("<https://acme.test/7|Login fails &amp; burns>\nGitHub acme/widgets#7 · open"),
            json!({"type": "context", "elements": [
                {"type": "mrkdwn", "text": "Since &lt;!channel&gt; 2.1"},
                {"type": "mrkdwn", "text": "why: client 1000"}]}),
            json!({"type": "actions", "elements": [button("Done"), button("Next")]}),
            json!({"type": "actions", "elements": [button("Undo")]}),
        ];
        insta::assert_snapshot!(plainly(&blocks), @r"
        ✓ Task completed in ClickUp: Renew <cert>
        Login fails & burns
        GitHub acme/widgets#7 · open
        Since <!channel> 2.1
        why: client 1000
        [1 Done] [2 Next]
        [3 Undo]
        ");
        let found = buttons_in(&json!(blocks));
        let labels: Vec<&str> = found.iter().map(|one| one.label.as_str()).collect();
        assert_eq!(labels, ["Done", "Next", "Undo"]);
    }

    #[test]
    fn each_row_of_a_list_has_its_button_beside_it_and_what_is_done_is_struck() {
        let mut first = section("1. <https://acme.test/1|Renew ~ cert> · ClickUp · to do");
        first["accessory"] = button("Done");
        let done = section("2. ~<https://acme.test/2|Buy milk>~ · ClickUp · complete");
        let mut third = section("3. <https://acme.test/3|Fix login> · GitHub · open");
        third["accessory"] = button("Done");
        let heading = json!({"type": "header", "text": {"type": "plain_text", "text": "Queue"}});
        insta::assert_snapshot!(plainly(&[heading, first, done, third]), @r"
        Queue
        1. Renew ~ cert · ClickUp · to do  [1 Done]
        2. ~Buy milk~ · ClickUp · complete
        3. Fix login · GitHub · open  [2 Done]
        ");
    }

    #[test]
    fn a_time_to_choose_shows_what_is_chosen() {
        let time = |initial: Value| {
            json!({"type": "timepicker", "action_id": "pick:briefing", "initial_time": initial,
                "placeholder": {"type": "plain_text", "text": "Briefing at"}})
        };
        let row = |initial| json!({"type": "actions", "elements": [time(initial), button("Off")]});
        let rows = [row(json!("08:15")), row(json!(null))];
        insta::assert_snapshot!(plainly(&rows), @r"
        [1 Briefing at 08:15 ▾] [2 Off]
        [3 Briefing at … ▾] [4 Off]
        ");
    }

    #[test]
    fn nothing_commands_the_terminal_and_each_kind_of_text_has_its_look() {
        let mut odd = section("~<https://a|Gone\u{1b}[2J>~ \u{7}<https://b|Here>");
        odd["accessory"] = button("Do\u{1b}ne");
        let note = json!({"type": "context", "elements": [{"type": "mrkdwn", "text": "<https://c|See>\u{8}"}]});
        let named = |look: Look, text: &str| format!("{look:?}({text})");
        assert_eq!(
            shown(&json!([odd, note]), 1, &named),
            ["Struck(Gone[2J) Link(Here)  Aside([1 Done])", "Aside(See)"]
        );
        assert!(shown(&Value::Null, 1, &named).is_empty());
    }
}
