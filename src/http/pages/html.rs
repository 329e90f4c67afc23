//! HTML made of our own literals and of escaped text. Text from outside cannot become markup: only literals are written
//! as they are.

use std::fmt::{Display, Write as _};

use crate::domain::controls::one_line;

/// A piece of a page.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Html(String);

impl Html {
    /// A piece that begins with this markup.
    pub fn new(markup: &'static str) -> Html {
        Html(markup.to_owned())
    }

    /// Adds markup of ours.
    pub fn raw(mut self, markup: &'static str) -> Html {
        self.0.push_str(markup);
        self
    }

    /// Adds a text as one line, escaped, without control characters.
    pub fn text(mut self, text: impl Display) -> Html {
        escape(&mut self.0, &one_line(&text.to_string()));
        self
    }

    /// Adds a text with its line breaks, escaped.
    pub fn lines(mut self, text: &str) -> Html {
        for (number, line) in text.lines().enumerate() {
            if number > 0 {
                self.0.push('\n');
            }
            escape(&mut self.0, &one_line(line));
        }
        self
    }

    /// Adds a text of others, shortened. Its direction of writing changes nothing around it.
    pub fn said(self, text: &str) -> Html {
        self.raw("<bdi>").text(short(text)).raw("</bdi>")
    }

    /// Adds a text as code.
    pub fn code(self, text: impl Display) -> Html {
        self.raw("<code>").text(text).raw("</code>")
    }

    /// Adds a text of others with a link to its page, if that is one of the web.
    pub fn link(self, text: &str, url: &str) -> Html {
        match url.starts_with("https://") || url.starts_with("http://") {
            true => {
                let begun = self.raw("<a href=\"").text(url);
                begun.raw("\" rel=\"noreferrer\">").said(text).raw("</a>")
            }
            false => self.said(text),
        }
    }

    /// Adds another piece.
    pub fn then(mut self, piece: Html) -> Html {
        self.0.push_str(&piece.0);
        self
    }

    /// Adds a number to a drawing, with one digit behind the point.
    pub fn number(mut self, number: f64) -> Html {
        // A String takes everything.
        let _ = write!(self.0, "{number:.1}");
        self
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

/// The longest title, name or reason that is shown, in characters.
const SHOWN_MAX: usize = 200;

/// The beginning of a text.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text).trim_end()),
        None => text.to_owned(),
    }
}

/// Writes a text so that it means itself between tags and within quoted attributes.
fn escape(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_never_markup() {
        let text = "<script>alert(\"1\")</script> & 'x' \u{202e}\u{1b}[31m\nnext";
        let html = Html::new("<p>").text(text).raw("</p>").into_string();
        assert_eq!(
            html,
            "<p>&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39; [31m next</p>"
        );
        assert_eq!(Html::new("").lines("a\n<b>").into_string(), "a\n&lt;b&gt;");
    }

    #[test]
    fn only_pages_of_the_web_are_links() {
        let linked = |url: &str| Html::default().link("Title", url).into_string();
        assert_eq!(
            linked("https://example.com/?a=1&b=\"2\""),
            "<a href=\"https://example.com/?a=1&amp;b=&quot;2&quot;\" rel=\"noreferrer\"><bdi>Title</bdi></a>"
        );
        for url in [
            "javascript:alert(1)",
            "data:text/html,x",
            "",
            "//example.com",
        ] {
            assert_eq!(linked(url), "<bdi>Title</bdi>", "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_text_ends_an_element_or_an_attribute(text in "\\PC{0,40}") {
            let html = Html::default().text(&text).into_string();
            prop_assert!(!html.contains(['<', '>', '"', '\'']));
            let entity = |rest: &str| ["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|name| rest.starts_with(name));
            prop_assert!(html.split('&').skip(1).all(entity));
        }
    }
}
