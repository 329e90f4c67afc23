//! Colours and hyperlinks, where the standard output shows them.

use std::io::IsTerminal;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// How a stream shows text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamLook {
    /// Whether it is a terminal.
    pub terminal: bool,
    /// Whether it shows colours: NO_COLOR, CLICOLOR, CLICOLOR_FORCE, CI and TERM decide.
    pub colours: bool,
}

impl StreamLook {
    /// The look of the standard output.
    pub fn of_output() -> StreamLook {
        StreamLook::of(&std::io::stdout())
    }

    /// The look of the standard error.
    pub fn of_errors() -> StreamLook {
        StreamLook::of(&std::io::stderr())
    }

    fn of<S: IsTerminal + RawStream>(stream: &S) -> StreamLook {
        StreamLook {
            terminal: IsTerminal::is_terminal(stream),
            colours: AutoStream::choice(stream) != ColorChoice::Never,
        }
    }

    /// The text in a style.
    pub fn styled(self, style: Style, text: &str) -> String {
        match self.colours {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }

    /// A title, which leads to its page (OSC 8). The text must have no control characters.
    pub fn title(self, title: &str, url: Option<&str>) -> String {
        let title = self.styled(Style::new().bold(), title);
        let url = url.filter(|url| is_web_address(url));
        match url {
            Some(url) if self.terminal && self.colours => {
                format!("\u{1b}]8;;{url}\u{1b}\\{title}\u{1b}]8;;\u{1b}\\")
            }
            _ => title,
        }
    }

    /// The text with the marks at the beginning of its lines in colour.
    pub fn marked(self, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            let content = line.trim_start();
            let (indent, _) = line.split_at(line.len() - content.len());
            let marked = ["✓", "✗", "!", "…", "?"].into_iter().find_map(|mark| {
                let rest = content.strip_prefix(mark)?;
                rest.starts_with(' ').then_some((mark, rest))
            });
            out.push_str(indent);
            match marked {
                Some((mark, rest)) => {
                    let colour = match mark {
                        "✓" => AnsiColor::Green,
                        "✗" => AnsiColor::Red,
                        _ => AnsiColor::Yellow,
                    };
                    out.push_str(&self.styled(colour.on_default(), mark));
                    out.push_str(rest);
                }
                None => out.push_str(content),
            }
        }
        out
    }
}

/// Whether a browser may be sent there: http or https, and nothing that ends or controls a terminal's link.
pub fn is_web_address(url: &str) -> bool {
    let visible = url.chars().all(|c| !c.is_control() && !c.is_whitespace());
    visible && url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SHOWN: StreamLook = StreamLook {
        terminal: true,
        colours: true,
    };

    #[test]
    fn marks_have_colours() {
        assert_eq!(
            SHOWN.marked("✓ Done\n  ✗ No\nplain ✓\n?x\n"),
            "\u{1b}[32m✓\u{1b}[0m Done\n  \u{1b}[31m✗\u{1b}[0m No\nplain ✓\n?x\n"
        );
        assert_eq!(StreamLook::default().marked("✓ Done\n"), "✓ Done\n");
    }

    #[test]
    fn a_title_leads_to_its_page_at_a_terminal_only() {
        let url = Some("https://github.com/acme/widgets/issues/7");
        assert_eq!(
            SHOWN.title("Login", url),
            "\u{1b}]8;;https://github.com/acme/widgets/issues/7\u{1b}\\\u{1b}[1mLogin\u{1b}[0m\u{1b}]8;;\u{1b}\\"
        );
        let piped = StreamLook {
            terminal: false,
            ..SHOWN
        };
        assert_eq!(piped.title("Login", url), "\u{1b}[1mLogin\u{1b}[0m");
        assert_eq!(StreamLook::default().title("Login", url), "Login");
        assert_eq!(
            SHOWN.title("Login", Some("file:///etc/passwd")),
            "\u{1b}[1mLogin\u{1b}[0m"
        );
    }

    #[rstest]
    #[case("https://app.clickup.com/t/86a", true)]
    #[case("http://localhost:8080/x", true)]
    #[case("file:///etc/passwd", false)]
    #[case("javascript:alert(1)", false)]
    #[case("-x", false)]
    #[case("", false)]
    #[case("https://a.example/\u{1b}\\evil", false)]
    #[case("https://a.example/a b", false)]
    fn a_browser_opens_web_addresses(#[case] url: &str, #[case] opens: bool) {
        assert_eq!(is_web_address(url), opens);
    }
}
