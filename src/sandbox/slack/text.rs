//! Conversion of text to Slack's wire form (docs/contracts/slack.md#text): text typed by a person, and text posted by a bot.

use serde_json::{Value, json};

/// Domain endings that make a bare word a link in Slack. A sample of the real list.
const DOMAINS: [&str; 8] = ["com", "org", "net", "io", "dev", "app", "rs", "test"];
/// Emoji characters that Slack turns into names. A sample of the real list.
const EMOJI: [(char, &str); 6] = [
    ('🎉', ":tada:"),
    ('🚀', ":rocket:"),
    ('👍', ":+1:"),
    ('✅', ":white_check_mark:"),
    ('🔥', ":fire:"),
    ('🙂', ":slightly_smiling_face:"),
];

/// Converts typed text: entities, links, addresses, emoji names, and `@name` of the bot as its mention. Text in wire
/// form (`<@U…>`, `<#C…>`, `<!here>`, `<https://…>`) stays, because Slack's client composes it that way.
pub(super) fn typed(text: &str, bot_name: &str, bot_user: &str) -> String {
    let mut wire = String::with_capacity(text.len());
    let mut rest = text;
    let mut at_word = true;
    while let Some(next) = rest.chars().next() {
        if let Some((control, after)) = control(rest) {
            wire.push_str(control);
            rest = after;
            at_word = false;
            continue;
        }
        if at_word && let Some((word, after)) = special_word(rest, bot_name, bot_user) {
            wire.push_str(&word);
            rest = after;
            at_word = false;
            continue;
        }
        push(&mut wire, next);
        at_word = next.is_whitespace() || next == '(';
        rest = rest.split_at(next.len_utf8()).1;
    }
    wire
}

/// Converts typed text to rich text elements: its emoji, typed as characters or by name, with their code points. Code
/// has no emoji.
pub(super) fn elements(text: &str) -> Vec<Value> {
    let mut elements = Vec::new();
    let mut plain = String::new();
    let mut in_code = false;
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        in_code ^= next == '`';
        let emoji = EMOJI.iter().find_map(|&(c, name)| {
            let behind = rest.strip_prefix(name).or_else(|| rest.strip_prefix(c))?;
            Some((c, name, behind))
        });
        match emoji.filter(|_| !in_code) {
            Some((c, name, behind)) => {
                if !plain.is_empty() {
                    elements.push(json!({"type": "text", "text": std::mem::take(&mut plain)}));
                }
                let name = name.trim_matches(':');
                elements.push(json!({"type": "emoji", "name": name, "unicode": format!("{:x}", u32::from(c))}));
                rest = behind;
            }
            None => {
                plain.push(next);
                rest = rest.split_at(next.len_utf8()).1;
            }
        }
    }
    if !plain.is_empty() {
        elements.push(json!({"type": "text", "text": plain}));
    }
    elements
}

/// Converts posted text as Slack does: a bare `&`, `<` or `>` becomes an entity; mentions, links and entities stay.
pub(super) fn posted(text: &str) -> String {
    let mut wire = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let kept = ["&amp;", "&lt;", "&gt;"]
            .into_iter()
            .find(|entity| rest.starts_with(entity));
        let (kept, after) = match (kept, control(rest)) {
            (Some(entity), _) => rest.split_at(entity.len()),
            (None, Some(control)) => control,
            (None, None) => {
                escape(&mut wire, next);
                rest = rest.split_at(next.len_utf8()).1;
                continue;
            }
        };
        wire.push_str(kept);
        rest = after;
    }
    wire
}

/// Whether the wire text mentions that user: `<@U…>` or the older `<@U…|name>`.
pub(super) fn mentions(wire: &str, user: &str) -> bool {
    wire.contains(&format!("<@{user}>")) || wire.contains(&format!("<@{user}|"))
}

/// A `<…>` of Slack's at the start of the text, and the rest.
fn control(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('<')?.split_once('>')?.0;
    // `<!here>`, not `<!-- a comment of HTML -->`.
    let special = |inner: &str| {
        let named = inner.strip_prefix('!');
        named.is_some_and(|name| name.starts_with(|next: char| next.is_ascii_alphabetic()))
    };
    let ours = inner.starts_with(['@', '#'])
        || special(inner)
        || ["http://", "https://", "mailto:"]
            .into_iter()
            .any(|scheme| inner.starts_with(scheme));
    (ours && inner.len() > 1 && !inner.contains(['<', '\n']))
        .then(|| text.split_at(inner.len() + 2))
}

/// The rewritten form of a bot mention, link, domain or address at the start of the text, and the rest.
fn special_word<'t>(text: &'t str, bot_name: &str, bot_user: &str) -> Option<(String, &'t str)> {
    if let Some(after) = text
        .strip_prefix('@')
        .and_then(|text| text.strip_prefix(bot_name))
        && !after.starts_with(|next: char| next.is_alphanumeric() || next == '-' || next == '_')
    {
        return Some((format!("<@{bot_user}>"), after));
    }
    let end = text
        .find(|next: char| next.is_whitespace() || next == '<' || next == '>')
        .unwrap_or(text.len());
    let word = text
        .split_at(end)
        .0
        .trim_end_matches(['.', ',', '!', '?', ';', ':', ')']);
    let after = text.split_at(word.len()).1;
    let shown = escaped(word);
    if word.starts_with("http://") || word.starts_with("https://") {
        return Some((format!("<{shown}>"), after));
    }
    let (host, _) = word.split_once('/').unwrap_or((word, ""));
    match host.split_once('@') {
        Some((name, domain)) if !name.is_empty() && word == host && is_domain(domain) => {
            Some((format!("<mailto:{shown}|{shown}>"), after))
        }
        None if is_domain(host) => Some((format!("<http://{shown}|{shown}>"), after)),
        _ => None,
    }
}

fn is_domain(host: &str) -> bool {
    host.rsplit_once('.').is_some_and(|(labels, ending)| {
        DOMAINS.contains(&ending)
            && labels.split('.').all(|label| {
                !label.is_empty()
                    && label
                        .chars()
                        .all(|next| next.is_ascii_alphanumeric() || next == '-')
            })
    })
}

fn escaped(text: &str) -> String {
    let mut wire = String::with_capacity(text.len());
    text.chars().for_each(|next| escape(&mut wire, next));
    wire
}

fn push(wire: &mut String, next: char) {
    match EMOJI.iter().find(|(emoji, _)| *emoji == next) {
        Some((_, name)) => wire.push_str(name),
        None => escape(wire, next),
    }
}

fn escape(wire: &mut String, next: char) {
    match next {
        '&' => wire.push_str("&amp;"),
        '<' => wire.push_str("&lt;"),
        '>' => wire.push_str("&gt;"),
        other => wire.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("done", "done")]
    #[case::entities("ship it & close <now>", "ship it &amp; close &lt;now&gt;")]
    #[case::an_entity_typed_as_such("&lt;", "&amp;lt;")]
    #[case::link("see https://x.test/a?b=1&c=2.", "see <https://x.test/a?b=1&amp;c=2>.")]
    #[case::domain("look at foo.rs, please", "look at <http://foo.rs|foo.rs>, please")]
    #[case::address("ask a@b.com", "ask <mailto:a@b.com|a@b.com>")]
    #[case::bot_by_name("@ivan create x", "<@U0BOT01> create x")]
    #[case::somebody_else("@ivana create x", "@ivana create x")]
    #[case::wire_mention("<@U0BOT01> create x", "<@U0BOT01> create x")]
    #[case::emoji("done 🎉", "done :tada:")]
    #[case::number("1.5 and v2.0", "1.5 and v2.0")]
    fn people(#[case] text: &str, #[case] wire: &str) {
        assert_eq!(typed(text, "ivan", "U0BOT01"), wire);
    }

    #[rstest]
    #[case::bare("a & b < c > d", "a &amp; b &lt; c &gt; d")]
    #[case::encoded_already("a &amp; b &lt; c", "a &amp; b &lt; c")]
    #[case::link(
        "✓ <https://x.test/1|Fix &amp; go>",
        "✓ <https://x.test/1|Fix &amp; go>"
    )]
    #[case::mention("<@U0ANN01>: <b>", "<@U0ANN01>: &lt;b&gt;")]
    fn bots(#[case] text: &str, #[case] wire: &str) {
        assert_eq!(posted(text), wire);
    }
}
