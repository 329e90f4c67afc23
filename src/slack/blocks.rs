//! [`Text`] → the text of a Slack message (mrkdwn; docs/contracts/slack.md#text, docs/contracts/slack.md#limits).
//!
//! `post` sends the result. Titles come from strangers: they must not mention people, open a link, or close ours.

use std::borrow::Cow;

use super::text::escape;
use crate::domain::reply::{AN_OPERATOR, HIDDEN, Span, Text};

/// The longest text that `chat.update` accepts, so that every message can be updated (docs/contracts/slack.md#limits).
const TEXT_MAX: usize = 4_000;
/// The longest title that is shown whole. A longer one can be read by opening the task.
const TITLE_MAX: usize = 200;

/// The wire text of a message: at most 4,000 characters.
pub fn mrkdwn(words: &Text) -> String {
    mrkdwn_within(words, TEXT_MAX)
}

/// The wire text of some words, cut after at most `most` characters, never inside a link or an entity.
pub fn mrkdwn_within(words: &Text, most: usize) -> String {
    let whole: String = words.spans().iter().map(rendered).collect();
    if length(&whole) <= most {
        return whole;
    }
    let mut cut = Cut {
        text: String::new(),
        left: most.saturating_sub(1),
    };
    for span in words.spans() {
        let fits = match span {
            Span::Text(text) => cut.push_chars(text),
            Span::Said(text) => cut.push_chars(&unmarked(text)),
            Span::Link { text, url } => match address(url) {
                Some(url) => cut.push_link(text, &url),
                None => cut.push_chars(&unmarked(text)),
            },
            Span::Code(_)
            | Span::Struck { .. }
            | Span::Time { .. }
            | Span::Operators(_)
            | Span::Token(_) => cut.push(&rendered(span)),
        };
        if !fits {
            break;
        }
    }
    cut.text + "…"
}

fn rendered(span: &Span) -> String {
    match span {
        Span::Text(text) => escape(text),
        Span::Said(text) => escape(&unmarked(text)),
        Span::Link { text, url } => match address(url) {
            Some(url) => format!("<{url}|{}>", escape(&label(text))),
            None => escape(&unmarked(text)),
        },
        Span::Struck { text, url } => {
            // Slack strikes through text between two tildes of one line.
            let text = one_line(text).replace('~', "∼");
            let link = Span::Link {
                text,
                url: url.clone(),
            };
            format!("~{}~", rendered(&link))
        }
        // Slack shows it in the reader's own time zone and format.
        Span::Time { at, text, day } => {
            let text = escape(&label(text));
            let shown = match day {
                true => "{date_short} {time}",
                false => "{time_secs}",
            };
            format!("<!date^{}^{shown}|{text}>", at.timestamp())
        }
        Span::Operators(ids) if ids.is_empty() => escape(AN_OPERATOR),
        Span::Operators(ids) => {
            let mentions: Vec<String> = ids.iter().map(|id| format!("<@{}>", escape(id))).collect();
            mentions.join(" or ")
        }
        Span::Token(_) => escape(HIDDEN),
        Span::Code(text) if text.trim().is_empty() => escape(text),
        // A code span ends at the first backtick or line end, and Slack has no escape for either.
        Span::Code(text) => format!("`{}`", escape(&one_line(text).replace('`', "'"))),
    }
}

/// A person's text without Slack's markup: ``` in one title would turn all later text into code. Slack has no escape
/// for its signs, so those that would mark something are replaced by similar characters. Inside a word and between
/// spaces they mark nothing.
fn unmarked(text: &str) -> String {
    let mut before = ' ';
    let mut shown = String::with_capacity(text.len());
    // Bidirectional controls would reverse the text after them.
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut rest = text.chars().filter(|&c| !turns(c)).peekable();
    while let Some(c) = rest.next() {
        let after = rest.peek().copied().unwrap_or(' ');
        let inside = before.is_alphanumeric() && after.is_alphanumeric();
        let alone = before.is_whitespace() && after.is_whitespace();
        shown.push(match c {
            '`' => 'ˋ',
            '*' if !inside && !alone => '∗',
            '_' if !inside && !alone => 'ˍ',
            '~' if !inside && !alone => '∼',
            c => c,
        });
        before = c;
    }
    shown
}

/// A link's text: the first `|` ends the URL, and a line end would break the link.
fn label(text: &str) -> String {
    let text = unmarked(&one_line(text)).replace('|', "¦");
    if text.trim().is_empty() {
        return "link".to_owned();
    }
    match text.char_indices().nth(TITLE_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(&text).trim_end()),
        None => text,
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n', '\u{2028}', '\u{2029}'], " ")
}

/// A URL that is valid in `<…|…>`; `None` if it is no web address, such as `!channel`, which would ping.
fn address(url: &str) -> Option<String> {
    let url = url.trim();
    let web = ["https://", "http://"].into_iter().any(|scheme| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    web.then(|| {
        url.chars()
            .filter(|c| !c.is_control())
            .map(|c| match c {
                '|' => Cow::Borrowed("%7C"),
                '<' => "%3C".into(),
                '>' => "%3E".into(),
                ' ' => "%20".into(),
                '&' => "&amp;".into(),
                c => String::from(c).into(),
            })
            .collect()
    })
}

/// The length in UTF-16 units, in case Slack's servers count those. It is never less than the characters.
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// A message that grows until it is full.
struct Cut {
    text: String,
    left: usize,
}

impl Cut {
    /// Adds all of it or nothing.
    fn push(&mut self, piece: &str) -> bool {
        let fits = length(piece) <= self.left;
        if fits {
            self.left -= length(piece);
            self.text.push_str(piece);
        }
        fits
    }

    /// Adds as many characters as there is room for.
    fn push_chars(&mut self, text: &str) -> bool {
        text.chars()
            .all(|c| self.push(&escape(c.encode_utf8(&mut [0; 4]))))
    }

    /// Adds a link with as much of its text as there is room for.
    fn push_link(&mut self, text: &str, url: &str) -> bool {
        let frame = length(url) + length("<|…>");
        let Some(room) = self.left.checked_sub(frame).filter(|room| *room > 0) else {
            return self.push(&format!("<{url}|{}>", escape(&label(text))));
        };
        let text = label(text);
        let mut inner = Cut {
            text: String::new(),
            left: room,
        };
        let whole = inner.push_chars(&text);
        let ellipsis = if whole { "" } else { "…" };
        self.push(&format!("<{url}|{}{ellipsis}>", inner.text)) && whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slack::text::unescape;
    use proptest::prelude::*;

    #[test]
    fn text_links_and_code() {
        let words = Text::new()
            .text("✓ complete: ")
            .link("Renew cert", "https://app.clickup.com/t/86a?x=1&y=2")
            .text(". Type ")
            .code("help");
        assert_eq!(
            mrkdwn(&words),
            "✓ complete: <https://app.clickup.com/t/86a?x=1&amp;y=2|Renew cert>. Type `help`"
        );
    }

    #[test]
    fn a_moment_is_a_date_of_slacks() {
        let at = chrono::DateTime::from_timestamp(1_767_225_620, 0).unwrap();
        let words = Text::new().text("at ").time(at, chrono_tz::Europe::Madrid);
        assert_eq!(
            mrkdwn(&words),
            "at <!date^1767225620^{time_secs}|01:00:20 CET>"
        );
        assert_eq!(words.plain(), "at 01:00:20 CET");
    }

    #[test]
    fn a_title_cannot_ping() {
        let title = "<!channel> <@U0ANN01> & <https://evil.example|click>";
        let words = Text::new().text(title).link(title, "https://x.y/1");
        let wire = mrkdwn(&words);
        assert!(!wire.contains("<!") && !wire.contains("<@"), "{wire}");
        assert_eq!(wire.matches('<').count(), 1, "only our own link: {wire}");
    }

    #[test]
    fn a_title_cannot_break_its_link() {
        let words = Text::new().link("one|two\nthree>", "https://x.y/a|b>c d");
        assert_eq!(
            mrkdwn(&words),
            "<https://x.y/a%7Cb%3Ec%20d|one¦two three&gt;>"
        );
    }

    #[test]
    fn marks_in_a_title_mark_nothing() {
        let title = "Fix `foo_bar` *now* _please_ ~or~ ``` 2 * 3";
        let shown = "Fix ˋfoo_barˋ ∗now∗ ˍpleaseˍ ∼or∼ ˋˋˋ 2 * 3";
        let words = Text::new()
            .said(title)
            .text(" `done` ")
            .link(title, "https://x.y/1")
            .link(title, "");
        assert_eq!(
            mrkdwn(&words),
            format!("{shown} `done` <https://x.y/1|{shown}>{shown}")
        );
        // The API and the command line show them unchanged.
        assert_eq!(words.plain(), format!("{title} `done` {title}{title}"));
    }

    #[test]
    fn a_title_turns_nothing_around() {
        let words = Text::new().link("a \u{202e}b\u{2067}c", "https://x.y/1");
        assert_eq!(mrkdwn(&words), "<https://x.y/1|a bc>");
    }

    #[test]
    fn a_long_text_of_others_is_cut_without_marks() {
        let wire = mrkdwn(&Text::new().said("`".repeat(5_000)));
        assert!(!wire.contains('`') && length(&wire) == TEXT_MAX);
    }

    #[test]
    fn an_address_that_is_none_is_text() {
        let words = Text::new()
            .link("all", "!channel")
            .link("ann", "@U0ANN01")
            .link("x", "javascript:alert(1)");
        assert_eq!(mrkdwn(&words), "allannx");
    }

    #[test]
    fn code_stays_code() {
        assert_eq!(mrkdwn(&Text::new().code("a`b\nc<d")), "`a'b c&lt;d`");
        assert_eq!(mrkdwn(&Text::new().code("")), "");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let wire = mrkdwn(&Text::new().text("&".repeat(3_000)));
        assert!(wire.ends_with("&amp;…"), "{wire}");
        assert!(length(&wire) <= TEXT_MAX);
        assert!(length(&wire) > TEXT_MAX - 6);
    }

    #[test]
    fn a_long_title_is_cut_inside_its_link() {
        let title = |length| Text::new().link("t".repeat(length), "https://x.y/1");
        let whole = "t".repeat(200);
        assert_eq!(mrkdwn(&title(200)), format!("<https://x.y/1|{whole}>"));
        let words = title(5_000).text(". Next: nothing");
        assert_eq!(
            mrkdwn(&words),
            format!("<https://x.y/1|{whole}…>. Next: nothing")
        );
        let struck = Text::new().struck("t".repeat(201), "https://x.y/1");
        assert_eq!(mrkdwn(&struck), format!("~<https://x.y/1|{whole}…>~"));
    }

    #[test]
    fn a_title_that_has_little_room_left_is_cut_inside_its_link() {
        let words = Text::new()
            .text("a".repeat(3_900))
            .link("t".repeat(150), "https://x.y/1")
            .text(". Next: nothing");
        let wire = mrkdwn(&words);
        assert!(wire.ends_with("t…>…"), "{wire}");
        assert_eq!(length(&wire), TEXT_MAX);
    }

    #[test]
    fn exactly_the_limit_is_not_cut() {
        assert_eq!(mrkdwn(&Text::new().text("a".repeat(4_000))).len(), 4_000);
        assert!(mrkdwn(&Text::new().text("a".repeat(4_001))).ends_with("a…"));
    }

    proptest! {
        #[test]
        fn never_over_the_limit(text in "[a-z<>&|`🎉\n]{0,3000}", title in "[a-z<>&|`🎉\n]{0,3000}", url in "(https://)?[a-z|>]{0,900}") {
            let wire = mrkdwn(&Text::new().text(text).link(title.clone(), url).code(title));
            prop_assert!(length(&wire) <= TEXT_MAX);
        }

        #[test]
        fn text_reads_as_it_was_written(text in any::<String>()) {
            prop_assume!(length(&escape(&text)) <= TEXT_MAX);
            prop_assert_eq!(unescape(&mrkdwn(&Text::new().text(text.clone())), |_| None), text);
        }
    }
}
