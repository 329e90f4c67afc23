//! [`CardPart`]s of a message → Block Kit (docs/contracts/slack.md#limits).
//!
//! `post` sends the result, beside the text with the same content. The result is always within Slack's limits, for any
//! title or description.

use slack_morphism::prelude::{
    SlackActionBlockElement, SlackActionsBlock, SlackBlock, SlackBlockButtonElement,
    SlackBlockButtonStyle, SlackBlockMarkDownText, SlackBlockPlainText, SlackBlockText,
    SlackBlockTimePickerElement, SlackContextBlock, SlackContextBlockElement, SlackFileIdOrUrl,
    SlackHeaderBlock, SlackImageBlock, SlackImageUrlOrFile, SlackSectionBlock,
    SlackSectionBlockElement,
};

use super::blocks::mrkdwn_within;
use crate::domain::card::{BarChart, Button, ButtonAction, Card, CardPart, Control, Picker};
use crate::domain::controls::without_controls;
use crate::domain::reply::Text;

/// Blocks of one message.
const BLOCKS_MAX: usize = 50;
/// Characters of a section's text, and of a context's element.
const SECTION_MAX: usize = 3_000;
/// Buttons of one row.
const BUTTONS_MAX: usize = 25;
/// Characters of the description of a picture.
const ALT_MAX: usize = 2_000;
/// The words above a picture of bars, which name its colours.
const PICTURE_TITLE: &str = "Per day: done (blue) and created (orange)";
/// Characters of a heading.
const HEADING_MAX: usize = 150;
/// Characters of the text on a button.
const LABEL_MAX: usize = 75;
/// Characters of the placeholder in an empty field.
const PLACEHOLDER_MAX: usize = 150;
/// Characters of a button's `action_id`.
const ACTION_ID_MAX: usize = 255;
/// Characters of the URL that a button opens.
const URL_MAX: usize = 3_000;

/// The blocks of a message; empty if it is only text. Parts without room are left out from the end; the text still has
/// them.
pub fn layout(parts: &[CardPart]) -> Vec<SlackBlock> {
    layout_within(parts, BLOCKS_MAX)
}

/// The same with the files of its pictures, in their order. A picture without a file is laid out as text.
pub fn layout_with(parts: &[CardPart], files: &[String]) -> Vec<SlackBlock> {
    laid_out(parts, files, BLOCKS_MAX)
}

/// The same without pictures, within a limit other than that of a message.
pub fn layout_within(parts: &[CardPart], most: usize) -> Vec<SlackBlock> {
    laid_out(parts, &[], most)
}

fn laid_out(parts: &[CardPart], files: &[String], most: usize) -> Vec<SlackBlock> {
    let mut blocks = Vec::new();
    let mut files = files.iter();
    for part in parts {
        let more: Vec<SlackBlock> = match part {
            CardPart::Heading(text) => vec![heading(text)],
            CardPart::Text(words) => vec![section(words).into()],
            CardPart::Card(card) if card.number.is_some() => vec![item(card)],
            CardPart::Card(card) => whole(card),
            CardPart::Picture(chart) => match files.next() {
                Some(file) => vec![picture(chart, file)],
                None if chart.text.is_empty() => Vec::new(),
                None => vec![section(&chart.text).into()],
            },
            CardPart::Buttons(buttons) => row(buttons).into_iter().collect(),
            CardPart::Controls(controls) => side_by_side(controls).into_iter().collect(),
        };
        if blocks.len() + more.len() > most {
            break;
        }
        blocks.extend(more);
    }
    blocks
}

fn heading(text: &str) -> SlackBlock {
    let text: String = without_controls(text).chars().take(HEADING_MAX).collect();
    SlackHeaderBlock::new(SlackBlockPlainText::new(text).into()).into()
}

/// The picture of bars, in the file with this id.
fn picture(chart: &BarChart, file: &str) -> SlackBlock {
    let alt: String = chart.alt.chars().take(ALT_MAX).collect();
    let slack_file = SlackFileIdOrUrl::Id { id: file.into() };
    let title = SlackBlockPlainText::new(PICTURE_TITLE.to_owned());
    SlackImageBlock::new(SlackImageUrlOrFile::SlackFile { slack_file }, alt)
        .with_title(title.into())
        .into()
}

fn section(words: &Text) -> SlackSectionBlock {
    let text = mrkdwn_within(words, SECTION_MAX);
    SlackSectionBlock::new().with_text(markdown(match text.trim().is_empty() {
        true => "…".to_owned(),
        false => text,
    }))
}

/// Disables Slack's own search for links and mentions in people's text, since we write ours out.
fn markdown(text: String) -> SlackBlockText {
    SlackBlockText::MarkDown(verbatim(text))
}

fn verbatim(text: String) -> SlackBlockMarkDownText {
    SlackBlockMarkDownText::new(text).with_verbatim(true)
}

fn whole(card: &Card) -> Vec<SlackBlock> {
    let words = title(card).text("\n").said(&card.facts);
    let mut blocks = vec![section(&words).into()];
    let notes: Vec<SlackContextBlockElement> = card
        .line
        .iter()
        .cloned()
        .chain(card.why.iter().map(|why| format!("why: {why}")))
        .map(|note| verbatim(mrkdwn_within(&Text::new().said(note), SECTION_MAX)).into())
        .collect();
    if !notes.is_empty() {
        blocks.push(SlackContextBlock::new(notes).into());
    }
    blocks.extend(row(&card.buttons));
    blocks
}

/// `1. <title> · facts`, with a button beside it.
fn item(card: &Card) -> SlackBlock {
    let number = card.number.unwrap_or_default();
    let words = Text::new()
        .text(format!("{number}. "))
        .then(title(card))
        .text(" · ")
        .said(&card.facts);
    let words = match &card.note {
        Some(note) => words.text(" · ").then(note.clone()),
        None => words,
    };
    let section = section(&words);
    let fits = |one: &&Button| one.press.to_string().len() <= ACTION_ID_MAX;
    match card.buttons.first().filter(fits) {
        Some(first) => section
            .with_accessory(SlackSectionBlockElement::Button(button(first)))
            .into(),
        None => section.into(),
    }
}

fn title(card: &Card) -> Text {
    match card.struck {
        true => Text::new().struck(&card.title, &card.url),
        false => Text::new().link(&card.title, &card.url),
    }
}

fn row(buttons: &[Button]) -> Option<SlackBlock> {
    let buttons: Vec<SlackActionBlockElement> = buttons
        .iter()
        .filter(|button| match &button.press {
            ButtonAction::Open(url) => address(url).is_some(),
            press => press.to_string().len() <= ACTION_ID_MAX,
        })
        .take(BUTTONS_MAX)
        .map(|one| button(one).into())
        .collect();
    (!buttons.is_empty()).then(|| SlackActionsBlock::new(buttons).into())
}

fn side_by_side(controls: &[Control]) -> Option<SlackBlock> {
    let elements: Vec<SlackActionBlockElement> = controls
        .iter()
        .take(BUTTONS_MAX)
        .map(|control| match control {
            Control::Button(one) => button(one).into(),
            Control::Time(one) => picker(one).into(),
        })
        .collect();
    (!elements.is_empty()).then(|| SlackActionsBlock::new(elements).into())
}

fn picker(picker: &Picker) -> SlackBlockTimePickerElement {
    let label: String = picker.label.chars().take(PLACEHOLDER_MAX).collect();
    let chosen = picker.chosen.map(|at| at.format("%H:%M").to_string());
    SlackBlockTimePickerElement::new()
        .with_action_id(picker.picks.to_string().into())
        .with_placeholder(label.as_str().into())
        .opt_initial_time(chosen)
}

fn button(button: &Button) -> SlackBlockButtonElement {
    let press = button.press.to_string();
    let label: String = button.label.chars().take(LABEL_MAX).collect();
    let element = SlackBlockButtonElement::new(SlackBlockPlainText::new(label).into())
        .with_action_id(press.clone().into())
        .with_value(press);
    let element = match &button.press {
        ButtonAction::Open(url) => element.opt_url(address(url)),
        _ => element,
    };
    match button.main {
        true => element.with_style(SlackBlockButtonStyle::Primary),
        false => element,
    }
}

/// A URL that a button may open; only web schemes are valid.
fn address(url: &str) -> Option<url::Url> {
    let url = url::Url::parse(url).ok()?;
    let fits = matches!(url.scheme(), "http" | "https") && url.as_str().len() <= URL_MAX;
    fits.then_some(url)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::ids::TaskRow;
    use crate::domain::task::TaskKey;

    fn a_card() -> Card {
        Card {
            task: TaskRow(17),
            number: None,
            title: "Renew <cert>".into(),
            url: "https://app.clickup.com/t/86a".into(),
            facts: "ClickUp · to do".into(),
            note: None,
            why: Some("client 1000".into()),
            line: Some("By <!channel> & co".into()),
            struck: false,
            buttons: vec![
                Button::new(
                    "Done",
                    ButtonAction::Done((&TaskKey::clickup("86a")).into()),
                ),
                Button::new(
                    "Open",
                    ButtonAction::Open("https://app.clickup.com/t/86a".into()),
                ),
            ],
        }
    }

    fn json_of(parts: &[CardPart]) -> Value {
        serde_json::to_value(layout(parts)).unwrap()
    }

    #[test]
    fn a_card_is_a_title_its_facts_and_its_buttons() {
        let blocks = json_of(&[CardPart::Card(a_card())]);
        assert_eq!(
            blocks,
            json!([
                {"type": "section", "text": {"type": "mrkdwn", "verbatim": true,
                    "text": "<https://app.clickup.com/t/86a|Renew &lt;cert&gt;>\nClickUp · to do"}},
                {"type": "context", "elements": [
                    {"type": "mrkdwn", "verbatim": true, "text": "By &lt;!channel&gt; &amp; co"},
                    {"type": "mrkdwn", "verbatim": true, "text": "why: client 1000"}]},
                {"type": "actions", "elements": [
                    {"type": "button", "action_id": "done:clickup:86a", "value": "done:clickup:86a",
                        "text": {"type": "plain_text", "text": "Done"}},
                    {"type": "button", "action_id": "open:", "value": "open:", "url": "https://app.clickup.com/t/86a",
                        "text": {"type": "plain_text", "text": "Open"}}]},
            ])
        );
    }

    #[test]
    fn what_is_done_is_struck() {
        let mut card = a_card();
        (card.struck, card.number) = (true, Some(2));
        card.buttons.clear();
        let blocks = json_of(&[CardPart::Card(card)]);
        assert_eq!(
            blocks[0]["text"]["text"],
            "2. ~<https://app.clickup.com/t/86a|Renew &lt;cert&gt;>~ · ClickUp · to do"
        );
        assert_eq!(blocks[0].get("accessory"), None);
    }

    #[test]
    fn an_odd_address_is_no_button() {
        let mut card = a_card();
        card.buttons = vec![Button::new(
            "Open",
            ButtonAction::Open("javascript:1".into()),
        )];
        assert_eq!(
            json_of(&[CardPart::Card(card)]).as_array().unwrap().len(),
            2
        );
    }

    #[test]
    fn what_has_no_room_is_left_out() {
        let mut card = a_card();
        card.number = Some(1);
        let parts = vec![CardPart::Card(card); 80];
        assert_eq!(layout(&parts).len(), 50);
    }
}
