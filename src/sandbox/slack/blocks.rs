//! Checks Block Kit as Slack does (docs/contracts/slack.md#limits): number, kinds and lengths of blocks.

use serde_json::{Map, Value, json};

use super::ids;

/// Blocks of one message.
pub(super) const IN_MESSAGE: usize = 50;
/// Blocks of one modal or Home tab.
pub(super) const IN_VIEW: usize = 100;
/// Characters of all `markdown` blocks of a message together.
const MARKDOWN: usize = 12_000;

/// Options of one menu or one of its groups, and groups of one menu. From Slack's documentation, not in the contract.
const OPTIONS: usize = 100;
/// Characters of a text field.
const INPUT: usize = 3_000;

/// Elements that the app sends in a row of actions, beside a section, or in an input. From Slack's documentation, not
/// in the contract.
const IN_ROW: &[&str] = &["button", "static_select", "datepicker", "timepicker"];
const IN_INPUT: &[&str] = &[
    "plain_text_input",
    "static_select",
    "datepicker",
    "timepicker",
];

/// A refusal of blocks: Slack's code, and the message for `response_metadata`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BlockRefusal {
    pub(super) code: &'static str,
    pub(super) message: String,
}

type Checked = Result<(), BlockRefusal>;

fn bad(message: &str, pointer: &str) -> BlockRefusal {
    BlockRefusal {
        code: "invalid_blocks",
        message: format!("[ERROR] {message} [json-pointer:{pointer}]"),
    }
}

/// The blocks as Slack stores them, each with a `block_id`.
///
/// # Errors
/// `invalid_blocks_format` unless it is a list of objects, else `invalid_blocks` with the place.
pub(super) fn check(blocks: &Value, most: usize) -> Result<Vec<Value>, BlockRefusal> {
    let format = || BlockRefusal {
        code: "invalid_blocks_format",
        message: "[ERROR] must be a list of blocks".to_owned(),
    };
    let list = blocks.as_array().ok_or_else(format)?;
    if list.len() > most {
        return Err(bad(
            &format!("no more than {most} items allowed"),
            "/blocks",
        ));
    }
    let mut kept = Vec::with_capacity(list.len());
    let mut block_ids = Vec::new();
    let mut markdown = 0;
    for (number, block) in list.iter().enumerate() {
        let at = format!("/blocks/{number}");
        let mut block = block.as_object().ok_or_else(format)?.clone();
        markdown += self::block(&block, &at)?;
        if markdown > MARKDOWN {
            return Err(bad("markdown blocks hold too much text", &at));
        }
        let id = match optional(&block, "block_id", 255, &at)? {
            Some(id) => id.to_owned(),
            None => ids::short(5),
        };
        if block_ids.contains(&id) {
            return Err(bad("block_id already exists", &format!("{at}/block_id")));
        }
        block.insert("block_id".to_owned(), json!(id));
        block_ids.push(id);
        kept.push(Value::Object(block));
    }
    Ok(kept)
}

/// A view for `views.open` (`modal`) or `views.publish` (`home`), with its blocks as Slack stores them.
///
/// # Errors
/// `view_too_large`, or `invalid_arguments` with the place.
pub(super) fn check_view(view: &Value, kind: &str) -> Result<Map<String, Value>, BlockRefusal> {
    let wrong = |message: &str| BlockRefusal {
        code: "invalid_arguments",
        message: format!("[ERROR] {message}"),
    };
    if view.to_string().len() > 250_000 {
        return Err(BlockRefusal {
            code: "view_too_large",
            message: "[ERROR] more than 250 kB".to_owned(),
        });
    }
    let mut view = view
        .as_object()
        .ok_or_else(|| wrong("view must be an object"))?
        .clone();
    if view.get("type").and_then(Value::as_str) != Some(kind) {
        return Err(wrong(&format!(
            "view must be of type {kind} [json-pointer:/view/type]"
        )));
    }
    let blocks =
        check(view.get("blocks").unwrap_or(&Value::Null), IN_VIEW).map_err(|bad| BlockRefusal {
            code: "invalid_arguments",
            ..bad
        })?;
    let has_input = blocks
        .iter()
        .any(|block| block.get("type").is_some_and(|kind| kind == "input"));
    if kind == "modal" {
        plain(&view, "title", 24, "/view")?;
        for name in ["submit", "close"] {
            if view.contains_key(name) {
                plain(&view, name, 24, "/view")?;
            }
        }
        if has_input && !view.contains_key("submit") {
            return Err(wrong(
                "submit is required when an input block is within blocks",
            ));
        }
    }
    optional(&view, "private_metadata", 3_000, "/view")?;
    optional(&view, "callback_id", 255, "/view")?;
    view.insert("blocks".to_owned(), Value::Array(blocks));
    Ok(view)
}

/// The button with that `action_id`, and its block's id.
pub(super) fn button<'b>(blocks: &'b Value, action_id: &str) -> Option<(&'b str, &'b Value)> {
    blocks.as_array()?.iter().find_map(|block| {
        let elements = block
            .get("elements")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        elements
            .chain(block.get("accessory"))
            .find(|element| element.get("action_id").is_some_and(|id| id == action_id))
            .and_then(|element| Some((block.get("block_id")?.as_str()?, element)))
    })
}

/// Checks one block and returns its number of markdown characters.
fn block(block: &Map<String, Value>, at: &str) -> Result<usize, BlockRefusal> {
    let kind = block
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match kind {
        "section" => {
            if block.contains_key("text") {
                text(block, "text", 3_000, at)?;
            } else if !block.contains_key("fields") {
                return Err(bad("missing required field: text or fields", at));
            }
            if let Some(fields) = block.get("fields") {
                for field in list(fields, 10, &format!("{at}/fields"))? {
                    text_object(field, 2_000, &format!("{at}/fields"))?;
                }
            }
            if let Some(accessory) = block.get("accessory") {
                element(accessory, IN_ROW, &format!("{at}/accessory"))?;
            }
        }
        "header" => plain(block, "text", 150, at)?,
        "divider" => {}
        "actions" => {
            let mut ids = Vec::new();
            for one in list(
                block.get("elements").unwrap_or(&Value::Null),
                25,
                &format!("{at}/elements"),
            )? {
                element(one, IN_ROW, &format!("{at}/elements"))?;
                let id = one.get("action_id").and_then(Value::as_str);
                if id.is_some_and(|id| ids.contains(&id)) {
                    return Err(bad("action_id already exists", &format!("{at}/elements")));
                }
                ids.extend(id);
            }
        }
        "context" => {
            for one in list(
                block.get("elements").unwrap_or(&Value::Null),
                10,
                &format!("{at}/elements"),
            )? {
                if one.get("type").is_none_or(|kind| kind != "image") {
                    text_object(one, 3_000, &format!("{at}/elements"))?;
                }
            }
        }
        "markdown" => return Ok(required(block, "text", MARKDOWN, at)?.chars().count()),
        "image" => image(block, at)?,
        "input" => {
            plain(block, "label", 2_000, at)?;
            if block.contains_key("hint") {
                plain(block, "hint", 2_000, at)?;
            }
            element(
                block.get("element").unwrap_or(&Value::Null),
                IN_INPUT,
                &format!("{at}/element"),
            )?;
        }
        "rich_text" => {
            list(
                block.get("elements").unwrap_or(&Value::Null),
                usize::MAX,
                &format!("{at}/elements"),
            )?;
        }
        other => {
            return Err(bad(
                &format!("unsupported type: {other}"),
                &format!("{at}/type"),
            ));
        }
    }
    Ok(0)
}

/// An image has an address or a file, which has an id or an address.
fn image(block: &Map<String, Value>, at: &str) -> Checked {
    required(block, "alt_text", 2_000, at)?;
    if block.contains_key("title") {
        plain(block, "title", 2_000, at)?;
    }
    match (block.get("image_url"), block.get("slack_file")) {
        (Some(_), None) => required(block, "image_url", 3_000, at).map(|_| ()),
        (None, Some(file)) => {
            let at = format!("{at}/slack_file");
            let file = file
                .as_object()
                .ok_or_else(|| bad("must be an object", &at))?;
            if file.contains_key("id") == file.contains_key("url") {
                return Err(bad("must have either id or url", &at));
            }
            let id = optional(file, "id", 255, &at)?;
            if id.is_some_and(|id| !is_file_id(id)) {
                let message = "input must match regex pattern: ^[F][A-Z0-9]{8,}$";
                return Err(bad(message, &format!("{at}/id")));
            }
            Ok(())
        }
        _ => Err(bad("must have either image_url or slack_file", at)),
    }
}

fn is_file_id(id: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    id.len() >= 9 && id.starts_with('F') && id.chars().all(is_fit)
}

/// The refusal of the file in the block with this number.
pub(super) fn invalid_file(number: usize) -> BlockRefusal {
    bad(
        "invalid slack file",
        &format!("/blocks/{number}/slack_file"),
    )
}

fn element(element: &Value, known: &[&str], at: &str) -> Checked {
    let element = element
        .as_object()
        .ok_or_else(|| bad("must be an object", at))?;
    let kind = required(element, "type", 255, at)?;
    if !known.contains(&kind) {
        return Err(bad(
            &format!("unsupported type: {kind}"),
            &format!("{at}/type"),
        ));
    }
    optional(element, "action_id", 255, at)?;
    if element.contains_key("placeholder") {
        plain(element, "placeholder", 150, at)?;
    }
    match kind {
        "static_select" => select(element, at)?,
        "datepicker" => {
            // From Slack's documentation, not in the contract.
            if let Some(date) = optional(element, "initial_date", 10, at)?
                && !is_day(date)
            {
                return Err(bad(
                    "must be a date YYYY-MM-DD",
                    &format!("{at}/initial_date"),
                ));
            }
        }
        "timepicker" => {
            // From Slack's documentation, not in the contract.
            if let Some(time) = optional(element, "initial_time", 5, at)?
                && !is_time(time)
            {
                return Err(bad("must be a time HH:mm", &format!("{at}/initial_time")));
            }
        }
        "plain_text_input" => {
            optional(element, "initial_value", INPUT, at)?;
            if let Some(most) = element.get("max_length")
                && most
                    .as_u64()
                    .is_none_or(|most| most == 0 || most > INPUT as u64)
            {
                return Err(bad(
                    "must be between 1 and 3000",
                    &format!("{at}/max_length"),
                ));
            }
        }
        _ => {}
    }
    if kind == "button" {
        plain(element, "text", 75, at)?;
        optional(element, "value", 2_000, at)?;
        optional(element, "url", 3_000, at)?;
        if let Some(style) = element.get("style")
            && style != "primary"
            && style != "danger"
        {
            return Err(bad(
                "must be one of primary, danger",
                &format!("{at}/style"),
            ));
        }
    }
    Ok(())
}

/// `08:30`
pub(super) fn is_time(text: &str) -> bool {
    text.len() == 5 && chrono::NaiveTime::parse_from_str(text, "%H:%M").is_ok()
}

/// `2026-11-30`
pub(super) fn is_day(text: &str) -> bool {
    text.parse::<chrono::NaiveDate>().is_ok()
}

/// The option of a menu with that value, alone or in a group.
pub(super) fn option<'m>(menu: &'m Value, value: &str) -> Option<&'m Value> {
    let listed = |holder: &'m Value| {
        let options = holder.get("options").and_then(Value::as_array);
        options.into_iter().flatten()
    };
    let groups = menu.get("option_groups").and_then(Value::as_array);
    let grouped = groups.into_iter().flatten().flat_map(listed);
    let mut options = listed(menu).chain(grouped);
    options.find(|option| option.get("value").is_some_and(|own| own == value))
}

/// Checks a menu: its options, alone or in groups, and the initial option, which must be one of them.
fn select(element: &Map<String, Value>, at: &str) -> Checked {
    let mut options = Vec::new();
    match (element.get("options"), element.get("option_groups")) {
        (Some(flat), None) => options.extend(list(flat, OPTIONS, &format!("{at}/options"))?),
        (None, Some(groups)) => {
            let at = format!("{at}/option_groups");
            for group in list(groups, OPTIONS, &at)? {
                let group = group
                    .as_object()
                    .ok_or_else(|| bad("must be an object", &at))?;
                plain(group, "label", 75, &at)?;
                let of_group = group.get("options").unwrap_or(&Value::Null);
                options.extend(list(of_group, OPTIONS, &format!("{at}/options"))?);
            }
        }
        _ => return Err(bad("options or option_groups, and not both", at)),
    }
    for option in &options {
        let option = option
            .as_object()
            .ok_or_else(|| bad("must be an object", at))?;
        plain(option, "text", 75, &format!("{at}/options"))?;
        required(option, "value", 150, &format!("{at}/options"))?;
    }
    match element.get("initial_option") {
        Some(chosen) if !options.contains(&chosen) => Err(bad(
            "must be one of the options",
            &format!("{at}/initial_option"),
        )),
        _ => Ok(()),
    }
}

fn text(holder: &Map<String, Value>, name: &str, most: usize, at: &str) -> Checked {
    let at = format!("{at}/{name}");
    text_object(
        holder
            .get(name)
            .ok_or_else(|| bad("missing required field", &at))?,
        most,
        &at,
    )
}

fn plain(holder: &Map<String, Value>, name: &str, most: usize, at: &str) -> Checked {
    text(holder, name, most, at)?;
    match holder
        .get(name)
        .and_then(|text| text.get("type"))
        .and_then(Value::as_str)
    {
        Some("plain_text") => Ok(()),
        _ => Err(bad("must be plain_text", &format!("{at}/{name}/type"))),
    }
}

fn text_object(text: &Value, most: usize, at: &str) -> Checked {
    let text = text
        .as_object()
        .ok_or_else(|| bad("must be an object", at))?;
    match text.get("type").and_then(Value::as_str) {
        Some("plain_text" | "mrkdwn") => {}
        _ => {
            return Err(bad(
                "must be one of plain_text, mrkdwn",
                &format!("{at}/type"),
            ));
        }
    }
    required(text, "text", most, at).map(|_| ())
}

fn list<'l>(value: &'l Value, most: usize, at: &str) -> Result<&'l Vec<Value>, BlockRefusal> {
    let list = value.as_array().ok_or_else(|| bad("must be a list", at))?;
    if list.is_empty() {
        return Err(bad("no fewer than 1 items allowed", at));
    }
    if list.len() > most {
        return Err(bad(&format!("no more than {most} items allowed"), at));
    }
    Ok(list)
}

fn required<'h>(
    holder: &'h Map<String, Value>,
    name: &str,
    most: usize,
    at: &str,
) -> Result<&'h str, BlockRefusal> {
    match optional(holder, name, most, at)? {
        Some("") => Err(bad(
            "must be more than 0 characters",
            &format!("{at}/{name}"),
        )),
        Some(text) => Ok(text),
        None => Err(bad("missing required field", &format!("{at}/{name}"))),
    }
}

fn optional<'h>(
    holder: &'h Map<String, Value>,
    name: &str,
    most: usize,
    at: &str,
) -> Result<Option<&'h str>, BlockRefusal> {
    let at = format!("{at}/{name}");
    match holder.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.chars().count() > most => Err(bad(
            &format!("must be less than {} characters", most + 1),
            &at,
        )),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(bad("must be a string", &at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn section(characters: usize) -> Value {
        json!({"type": "section", "text": {"type": "mrkdwn", "text": "é".repeat(characters)}})
    }

    fn button_of(characters: usize) -> Value {
        let text = json!({"type": "plain_text", "text": "x".repeat(characters)});
        json!({"type": "actions", "elements": [{"type": "button", "action_id": "undo", "text": text}]})
    }

    #[rstest]
    #[case::longest_section(json!([section(3_000)]), None)]
    #[case::section_over(json!([section(3_001)]), Some("invalid_blocks"))]
    #[case::longest_button(json!([button_of(75)]), None)]
    #[case::button_over(json!([button_of(76)]), Some("invalid_blocks"))]
    #[case::fifty(Value::Array(vec![json!({"type": "divider"}); 50]), None)]
    #[case::fifty_one(Value::Array(vec![json!({"type": "divider"}); 51]), Some("invalid_blocks"))]
    #[case::unknown_type(json!([{"type": "carousel"}]), Some("invalid_blocks"))]
    #[case::same_id(json!([{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}]), Some("invalid_blocks"))]
    #[case::no_list(json!({"type": "divider"}), Some("invalid_blocks_format"))]
    fn holds_to_the_limits(#[case] blocks: Value, #[case] error: Option<&str>) {
        assert_eq!(check(&blocks, IN_MESSAGE).err().map(|bad| bad.code), error);
    }

    #[rstest]
    #[case::empty(json!({}), true)]
    #[case::chosen(json!({"initial_time": "08:30"}), true)]
    #[case::one_digit(json!({"initial_time": "8:30"}), false)]
    #[case::no_time(json!({"initial_time": "24:00"}), false)]
    #[case::long_placeholder(json!({"placeholder": {"type": "plain_text", "text": "x".repeat(151)}}), false)]
    fn a_time_is_hours_and_minutes(#[case] of: Value, #[case] fine: bool) {
        let mut element = json!({"type": "timepicker", "action_id": "a"});
        element
            .as_object_mut()
            .unwrap()
            .extend(of.as_object().unwrap().clone());
        let block = json!([{"type": "actions", "elements": [element]}]);
        assert_eq!(check(&block, IN_VIEW).is_ok(), fine);
    }

    #[rstest]
    #[case::no_such_element(json!([{"type": "knob", "action_id": "a"}]))]
    #[case::no_element_of_a_row(json!([{"type": "plain_text_input", "action_id": "a"}]))]
    #[case::twice(json!([{"type": "timepicker", "action_id": "a"}, {"type": "timepicker", "action_id": "a"}]))]
    fn a_row_holds_different_elements_that_there_are(#[case] elements: Value) {
        let block = json!([{"type": "actions", "elements": elements}]);
        assert!(check(&block, IN_VIEW).is_err());
    }

    #[test]
    fn names_the_place() {
        let error = check(
            &json!([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]),
            IN_MESSAGE,
        )
        .unwrap_err();
        assert_eq!(
            error.message,
            "[ERROR] must be plain_text [json-pointer:/blocks/0/text/type]"
        );
    }

    #[test]
    fn a_button_is_found_by_its_action() {
        let kept = Value::Array(check(&json!([section(1), button_of(4)]), IN_MESSAGE).unwrap());
        let (block, found) = button(&kept, "undo").unwrap();
        assert_eq!(found["action_id"], "undo");
        assert_eq!(kept[1]["block_id"], block);
        assert!(button(&kept, "redo").is_none());
    }

    #[rstest]
    #[case::one_hundred(json!({"options": options(100, 75)}), true)]
    #[case::one_more(json!({"options": options(101, 1)}), false)]
    #[case::long_name(json!({"options": options(1, 76)}), false)]
    #[case::groups(json!({"option_groups": [{"label": {"type": "plain_text", "text": "a"}, "options": options(100, 1)},
        {"label": {"type": "plain_text", "text": "b"}, "options": options(100, 1)}]}), true)]
    #[case::empty_group(json!({"option_groups": [{"label": {"type": "plain_text", "text": "a"}, "options": []}]}), false)]
    #[case::nothing(json!({}), false)]
    #[case::chosen(json!({"options": options(3, 1), "initial_option": options(3, 1)[2]}), true)]
    #[case::chosen_elsewhere(json!({"options": options(3, 1), "initial_option": options(4, 1)[3]}), false)]
    fn a_menu_holds_to_its_limits(#[case] of: Value, #[case] fine: bool) {
        let mut element = json!({"type": "static_select", "action_id": "a"});
        element
            .as_object_mut()
            .unwrap()
            .extend(of.as_object().unwrap().clone());
        let block = json!([{"type": "input", "label": {"type": "plain_text", "text": "x"}, "element": element}]);
        assert_eq!(check(&block, IN_VIEW).is_ok(), fine);
    }

    fn options(many: usize, characters: usize) -> Value {
        (0..many)
            .map(|n| json!({"text": {"type": "plain_text", "text": "é".repeat(characters)}, "value": n.to_string()}))
            .collect()
    }

    #[test]
    fn a_modal_needs_a_short_title() {
        let view = |title: &str| json!({"type": "modal", "title": {"type": "plain_text", "text": title}, "blocks": [{"type": "divider"}]});
        assert!(check_view(&view("Create a task"), "modal").is_ok());
        assert_eq!(
            check_view(&view(&"x".repeat(25)), "modal")
                .unwrap_err()
                .code,
            "invalid_blocks"
        );
        assert_eq!(
            check_view(&view("x"), "home").unwrap_err().code,
            "invalid_arguments"
        );
    }
}
