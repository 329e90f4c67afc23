//! Slack's escapes, both ways (docs/contracts/slack.md#text): wire text → the text that a person typed, and our text → wire text.
//!
//! `gate` reads with it, `blocks` writes with it. The person's own characters stay as they are: the parser
//! (`domain::command`) turns `*Done*` or a no-break space into a verb.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::Value;

/// Replaces emoji names in wire text by their characters: `:rocket:` is a name of Slack's, which ClickUp shows
/// unchanged. `blocks` is the same text as rich text, whose emoji have their code points. The workspace's own emoji
/// have none, and stay names. Text in code is left alone.
pub fn with_emoji<'w>(wire: &'w str, blocks: &Value) -> Cow<'w, str> {
    let mut named = Vec::new();
    emoji_of(blocks, &mut named);
    if named.is_empty() {
        return Cow::Borrowed(wire);
    }
    let mut drawn = String::with_capacity(wire.len());
    let mut rest = wire;
    let mut missing = 0;
    for (name, characters) in &named {
        let Some((before, after)) = next_emoji(rest, &format!(":{name}:")) else {
            // The whole text was searched for it.
            missing += 1;
            if missing >= MISSING_MAX {
                break;
            }
            continue;
        };
        drawn.push_str(before);
        drawn.push_str(characters);
        rest = match after.strip_prefix(":skin-tone-") {
            // The characters include the skin tone.
            Some(tone) => tone.split_once(':').map_or(after, |(_, behind)| behind),
            None => after,
        };
    }
    drawn.push_str(rest);
    Cow::Owned(drawn)
}

/// How many emoji of the rich text may be missing in the text.
const MISSING_MAX: usize = 100;

/// The emoji of rich text in their order: each name with its characters.
fn emoji_of(value: &Value, named: &mut Vec<(String, String)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| emoji_of(item, named)),
        Value::Object(item) => {
            let text = |key: &str| item.get(key).and_then(Value::as_str);
            if text("type") == Some("emoji") {
                if let (Some(name), Some(characters)) =
                    (text("name"), text("unicode").and_then(characters))
                {
                    named.push((name.to_owned(), characters));
                }
            } else if let Some(elements) = item.get("elements") {
                emoji_of(elements, named);
            }
        }
        _ => {}
    }
}

/// `1f44d-1f3fb` → the characters.
pub(super) fn characters(unicode: &str) -> Option<String> {
    let character = |code: &str| u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
    let characters: String = unicode.split('-').map(character).collect::<Option<_>>()?;
    let drawn = !characters
        .chars()
        .any(|c| c.is_control() || matches!(c, '<' | '>' | '&'));
    drawn.then_some(characters)
}

/// The text before and after the next `name` that is not in code. Each part of the text is read once.
fn next_emoji<'t>(text: &'t str, name: &str) -> Option<(&'t str, &'t str)> {
    let mut from = 0;
    let mut at = text.find(name)?;
    loop {
        if at < from {
            at = from + text.get(from..)?.find(name)?;
        }
        // Code that begins before it: three marks span lines.
        let Some(code) = text.get(from..at)?.find('`') else {
            let (before, found) = text.split_at_checked(at)?;
            return Some((before, found.strip_prefix(name)?));
        };
        from += code;
        let (marks, closes) = match text.get(from..)?.strip_prefix("```") {
            Some(inside) => (3, inside.find("```")),
            None => {
                let inside = text.get(from + 1..)?;
                let ends = inside.find(['`', '\n']);
                (
                    1,
                    ends.filter(|&at| inside.as_bytes().get(at) == Some(&b'`')),
                )
            }
        };
        // An unclosed mark is plain text.
        from += marks + closes.map_or(0, |at| at + marks);
    }
}

use crate::domain::card::time_of_ts;
use crate::domain::controls::without_controls;
use crate::domain::mention::QUIET_AT;

/// The text of a message to us: without one leading mention of us, and unescaped. Mentioned people stay ids, because a
/// name never decides who a person is.
pub fn heard(wire: &str, own_id: &str) -> String {
    unescape(after_mention(wire, own_id).unwrap_or(wire), |_| None)
}

/// The text after a leading mention of `own_id`, and after the `:` or `,` that follows it.
fn after_mention<'a>(wire: &'a str, own_id: &str) -> Option<&'a str> {
    let (id, rest) = trim_start(wire)
        .strip_prefix("<@")?
        .split_once('>')
        .map(|(mention, rest)| (mention.split('|').next().unwrap_or_default(), rest))?;
    if id != own_id {
        return None;
    }
    let rest = trim_start(rest);
    Some(trim_start(rest.strip_prefix([':', ',']).unwrap_or(rest)))
}

/// Whether the text mentions `own_id` anywhere.
pub fn mentions(wire: &str, own_id: &str) -> bool {
    wire.split("<@").skip(1).any(|after| {
        after
            .strip_prefix(own_id)
            .is_some_and(|rest| rest.starts_with(['>', '|']))
    })
}

/// Spaces of all kinds, and invisible ones.
fn trim_start(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// Zero-width characters, which phones and pasted text leave behind.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
}

/// Slack's wire text → the text that the person typed. Total: any text gives a text.
pub fn unescape(wire: &str, name_of: impl Fn(&str) -> Option<String>) -> String {
    let mut plain = String::with_capacity(wire.len());
    let mut rest = wire;
    // A person's own `<` arrives as `&lt;`: every bare one opens an element of Slack's.
    while let Some((before, after)) = rest.split_once('<') {
        plain.push_str(&decode(before));
        // An element has no `<` of its own, so that no part of the text is searched twice.
        let inside = after.find(['<', '>']).and_then(|end| after.get(..end));
        let behind = inside.and_then(|inside| after.get(inside.len()..)?.strip_prefix('>'));
        match (inside, behind) {
            (Some(inside), Some(behind)) => {
                plain.push_str(&decode(&readable(inside, &name_of)));
                rest = behind;
            }
            _ => {
                plain.push('<');
                rest = after;
            }
        }
    }
    plain.push_str(&decode(rest));
    without_controls(&plain).into_owned()
}

/// The content between `<` and `>`, as a person would write it.
fn readable(inside: &str, name_of: &impl Fn(&str) -> Option<String>) -> String {
    let (target, label) = match inside.split_once('|') {
        Some((target, label)) => (target, Some(label).filter(|label| !label.is_empty())),
        None => (inside, None),
    };
    if let Some(user) = target.strip_prefix('@') {
        // A looked-up name is plain text; decoding must not change it.
        return match name_of(user) {
            Some(name) => format!("@{}", escape(&name)),
            // The label is the display name, or a former one.
            None => format!("@{user}"),
        };
    }
    if let Some(channel) = target.strip_prefix('#') {
        return format!("#{}", calls_nobody(label.unwrap_or(channel)));
    }
    if let Some(special) = target.strip_prefix('!') {
        return readable_special(special, label);
    }
    // Slack adds these prefixes to numbers and addresses; they were not typed.
    let shown = UNTYPED
        .iter()
        .find_map(|scheme| strip_prefix_ignoring_case(target, scheme))
        .unwrap_or(target);
    match label {
        None => shown.to_owned(),
        Some(label)
            if label == target
                || is_same_address(label, target)
                || shown != target && is_same_number(label, shown) =>
        {
            label.to_owned()
        }
        Some(label) => format!("{label} ({shown})"),
    }
}

/// The prefixes of a link that Slack made from a number or an address.
const UNTYPED: [&str; 4] = ["tel:", "sms:", "callto:", "mailto:"];

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (begin, rest) = text.split_at_checked(prefix.len())?;
    begin.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Whether the label is a telephone number as Slack writes it, perhaps without the country.
fn is_same_number(label: &str, number: &str) -> bool {
    let digits = |text: &str| -> String {
        // The rest is an extension or the like.
        let main = text.split([';', ',']).next().unwrap_or_default();
        main.chars().filter(char::is_ascii_digit).collect()
    };
    let typed = digits(label);
    let spelled = label
        .chars()
        .all(|c| !c.is_alphabetic() && !matches!(c, '@' | ':'));
    // The zero before an area's number is left out of international numbers.
    let national = typed.trim_start_matches('0');
    spelled && national.len() >= 3 && digits(number).ends_with(national)
}

/// `<!here>`, `<!subteam^S…|@group>`, `<!date^…|fallback>`. None of them is a person, whatever its label says.
fn readable_special(special: &str, label: Option<&str>) -> String {
    let mut parts = special.split('^');
    let kind = parts.next().unwrap_or_default();
    match kind {
        "here" | "channel" | "everyone" => format!("@{kind}"),
        "subteam" => {
            let group = label.unwrap_or_else(|| parts.next().unwrap_or_default());
            let group = group.trim_start_matches('@');
            format!("{QUIET_AT}{}", calls_nobody(group))
        }
        _ => calls_nobody(label.unwrap_or(special)),
    }
}

/// A label in which each `@` is a quiet one.
fn calls_nobody(label: &str) -> String {
    label.replace('@', QUIET_AT)
}

/// Whether Slack made a link from a bare domain or mail address: the label is the typed text.
fn is_same_address(label: &str, url: &str) -> bool {
    let Some((_scheme, address)) = url.split_once(':') else {
        return false;
    };
    let address = address.strip_prefix("//").unwrap_or(address);
    let same = |address: &str| label.eq_ignore_ascii_case(address);
    same(address) || address.strip_suffix('/').is_some_and(same)
}

/// The three entities, once, `&amp;` last.
fn decode(wire: &str) -> String {
    if !wire.contains('&') {
        return wire.to_owned();
    }
    wire.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// Our text → Slack's wire text. The result contains no mention and no link.
pub fn escape(plain: &str) -> String {
    without_controls(plain)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The time of a message's `ts`: seconds, a dot, microseconds. As an id the `ts` stays a string.
pub fn instant(ts: &str) -> Option<DateTime<Utc>> {
    time_of_ts(ts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn the_time_grows_with_the_text() {
        crate::scan_cost::is_linear(|text| unescape(text, |_| None));
        crate::scan_cost::is_linear(|text| heard(text, "U0IVAN"));
        let emoji =
            |name: &str| serde_json::json!({"type": "emoji", "name": name, "unicode": "1f44d"});
        let blocks = serde_json::json!([{"elements": vec![emoji("x"); 500]}, {"elements": vec![emoji("y"); 500]}]);
        crate::scan_cost::is_linear(|text| with_emoji(text, &blocks).into_owned());
    }

    fn nobody(_: &str) -> Option<String> {
        None
    }

    fn ann(id: &str) -> Option<String> {
        (id == "U0ANN01").then(|| "Ann <&>".to_owned())
    }

    fn section(elements: Value) -> Value {
        json!([{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}])
    }

    fn emoji(name: &str, unicode: &str) -> Value {
        json!({"type": "emoji", "name": name, "unicode": unicode})
    }

    #[rstest]
    #[case::rocket(":rocket: Launch page", json!([emoji("rocket", "1f680")]), "\u{1f680} Launch page")]
    #[case::toned("ok :+1::skin-tone-2: go", json!([emoji("+1", "1f44d-1f3fb")]), "ok \u{1f44d}\u{1f3fb} go")]
    #[case::flag(":flag-us:", json!([emoji("flag-us", "1f1fa-1f1f8")]), "\u{1f1fa}\u{1f1f8}")]
    #[case::two(":a: :b::a:", json!([emoji("a", "1f170"), emoji("b", "1f171"), emoji("a", "1f170")]), "\u{1f170} \u{1f171}\u{1f170}")]
    #[case::own(":shipit: now", json!([{"type": "emoji", "name": "shipit"}]), ":shipit: now")]
    #[case::in_code("`:rocket:` is :rocket:", json!([emoji("rocket", "1f680")]), "`:rocket:` is \u{1f680}")]
    #[case::in_a_block("```\n:rocket:\n```\n:rocket:", json!([emoji("rocket", "1f680")]), "```\n:rocket:\n```\n\u{1f680}")]
    #[case::an_open_mark("a ` b :rocket:", json!([emoji("rocket", "1f680")]), "a ` b \u{1f680}")]
    #[case::only_in_code("`:rocket:`", json!([emoji("rocket", "1f680")]), "`:rocket:`")]
    #[case::a_time("at 9:30: go", json!([emoji("rocket", "1f680")]), "at 9:30: go")]
    #[case::no_code_point(":rocket:", json!([emoji("rocket", "zz")]), ":rocket:")]
    #[case::a_code_point_of_slacks(":rocket:", json!([emoji("rocket", "3c-40-55")]), ":rocket:")]
    #[case::no_emoji("a &amp; b", json!([{"type": "text", "text": "a & b"}]), "a &amp; b")]
    fn emoji_get_their_characters(
        #[case] wire: &str,
        #[case] elements: Value,
        #[case] drawn: &str,
    ) {
        assert_eq!(with_emoji(wire, &section(elements)), drawn);
    }

    #[rstest]
    #[case(Value::Null)]
    #[case(json!("rich_text"))]
    #[case(json!([{"type": "rich_text", "elements": 3}, {"type": "never_seen"}]))]
    fn odd_blocks_change_nothing(#[case] blocks: Value) {
        assert_eq!(with_emoji(":rocket: x", &blocks), ":rocket: x");
    }

    #[rstest]
    #[case::plain("done", "done")]
    #[case::entities("ship it &amp; close &lt;b&gt;", "ship it & close <b>")]
    #[case::once("&amp;lt;", "&lt;")]
    #[case::once_more("&amp;amp;amp;", "&amp;amp;")]
    #[case::no_entity("a &copy; b & c", "a &copy; b & c")]
    #[case::known("ask <@U0ANN01>", "ask @Ann <&>")]
    #[case::unknown("ask <@U0BOB01>", "ask @U0BOB01")]
    #[case::old_style("ask <@U0BOB01|bob>", "ask @U0BOB01")]
    #[case::label_of_another("ask <@U0BOB01|U0ANN01>", "ask @U0BOB01")]
    #[case::enterprise("ask <@W0BOB01>", "ask @W0BOB01")]
    #[case::channel("in <#C0PROJ1|proj>", "in #proj")]
    #[case::bare_channel("in <#C0PROJ1>", "in #C0PROJ1")]
    #[case::empty_label("in <#C0PROJ1|>", "in #C0PROJ1")]
    #[case::here("<!here> <!channel|channel> <!everyone>", "@here @channel @everyone")]
    #[case::group(
        "<!subteam^S012> <!subteam^S012|@ops> <!subteam^S012|ops>",
        "@\u{2060}S012 @\u{2060}ops @\u{2060}ops"
    )]
    #[case::group_with_a_name_in_it("<!subteam^S012|ops @Ann>", "@\u{2060}ops @\u{2060}Ann")]
    #[case::date_with_a_name("by <!date^0^{date}|@Ann>", "by @\u{2060}Ann")]
    #[case::channel_with_a_name("in <#C0PROJ1|@Ann>", "in #@\u{2060}Ann")]
    #[case::special_with_a_name("<!@Ann>", "@\u{2060}Ann")]
    #[case::date("by <!date^1392734382^{date}|18 Feb>", "by 18 Feb")]
    #[case::link("<https://x.y/z?a=1&amp;b=2>", "https://x.y/z?a=1&b=2")]
    #[case::bare_domain("see <http://foo.rs|foo.rs>", "see foo.rs")]
    #[case::bare_domain_with_slash("see <http://foo.rs/|foo.rs>", "see foo.rs")]
    #[case::same_label("<https://x.y|https://x.y>", "https://x.y")]
    #[case::mail("<mailto:a@b.c|a@b.c>", "a@b.c")]
    #[case::phone("Call <tel:+15551234567|555-123-4567> back", "Call 555-123-4567 back")]
    #[case::phone_abroad("<tel:+4930123456|030 / 12 34 56>", "030 / 12 34 56")]
    #[case::phone_as_it_is("<tel:+15551234567|+1 (555) 123-4567>", "+1 (555) 123-4567")]
    #[case::phone_alone("<tel:+15551234567>", "+15551234567")]
    #[case::phone_with_a_name("<tel:+15551234567|the desk>", "the desk (+15551234567)")]
    #[case::another_number("<tel:+15551234567|555-123-9999>", "555-123-9999 (+15551234567)")]
    #[case::mail_with_a_name("<mailto:bo@acme.test|Bo>", "Bo (bo@acme.test)")]
    #[case::mail_alone("<mailto:bo@acme.test>", "bo@acme.test")]
    #[case::domain_in_capitals("see <http://foo.rs/|Foo.rs>", "see Foo.rs")]
    #[case::labelled("<https://x.y/z|the page>", "the page (https://x.y/z)")]
    #[case::markup_is_parsed_before_entities("&lt;https://x.y&gt;", "<https://x.y>")]
    #[case::unterminated("a < b <https://x.y", "a < b <https://x.y")]
    #[case::nested("<a<https://x.y>", "<ahttps://x.y")]
    #[case::emoji("done :tada:", "done :tada:")]
    #[case::own_characters(" \u{a0}“Done” *now*\n ", " \u{a0}“Done” *now*\n ")]
    fn unescapes(#[case] wire: &str, #[case] typed: &str) {
        assert_eq!(unescape(wire, ann), typed);
    }

    #[rstest]
    #[case::mention("<@U0BOT01> done", "done")]
    #[case::old_mention("<@U0BOT01|ivan> done", "done")]
    #[case::colon("<@U0BOT01>: done", "done")]
    #[case::comma(" <@U0BOT01>\u{a0}, done", "done")]
    #[case::invisible("\u{200b}<@U0BOT01> done", "done")]
    #[case::once("<@U0BOT01> <@U0BOT01> done", "@U0BOT01 done")]
    #[case::somebody_else("<@U0ANN01> done", "@U0ANN01 done")]
    #[case::longer_id("<@U0BOT012> done", "@U0BOT012 done")]
    #[case::in_the_middle("thanks <@U0BOT01>", "thanks @U0BOT01")]
    #[case::none(" done", " done")]
    #[case::only("<@U0BOT01>", "")]
    fn strips_one_leading_mention(#[case] wire: &str, #[case] typed: &str) {
        assert_eq!(heard(wire, "U0BOT01"), typed);
    }

    #[rstest]
    #[case("<@U0BOT01> done", true)]
    #[case("hey <@U0BOT01|ivan>", true)]
    #[case("<@U0BOT012> done", false)]
    #[case("&lt;@U0BOT01&gt; done", false)]
    #[case("@U0BOT01 done", false)]
    fn finds_a_mention(#[case] wire: &str, #[case] found: bool) {
        assert_eq!(mentions(wire, "U0BOT01"), found);
    }

    #[rstest]
    #[case("1763800000.123459", Some(1_763_800_000_123_459))]
    #[case("1763800000.1", Some(1_763_800_000_100_000))]
    #[case("1763800000", Some(1_763_800_000_000_000))]
    #[case("-1.2", None)]
    #[case("1.2345678", None)]
    #[case("99999999999999999999.1", None)]
    #[case("", None)]
    #[case("now", None)]
    fn reads_a_ts_to_the_microsecond(#[case] ts: &str, #[case] micros: Option<i64>) {
        assert_eq!(instant(ts).map(|at| at.timestamp_micros()), micros);
    }

    proptest! {
        #[test]
        fn any_text_is_read(wire in "\\PC*", id in "[A-Z0-9]{0,9}") {
            let _ = heard(&wire, &id);
            let _ = mentions(&wire, &id);
            let _ = instant(&wire);
        }

        #[test]
        fn any_markup_is_read(wire in "[<>@#!|&;:,^ampltgU0x/. ]*") {
            let _ = heard(&wire, "U0");
            let _ = unescape(&wire, ann);
        }

        #[test]
        fn what_is_escaped_reads_as_it_was(plain in any::<String>()) {
            let read = unescape(&escape(&plain), nobody);
            prop_assert_eq!(read, without_controls(&plain).into_owned());
        }
    }
}
