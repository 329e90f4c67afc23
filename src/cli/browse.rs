//! `ivan open`: the page of a task, in the browser.

use super::EXIT_FAILED;
use super::look::{StreamLook, is_web_address};
use super::print::Printed;

/// Variables of a desktop, or of a chosen browser. Elsewhere than on such systems a browser is always there.
const DESKTOP: [&str; 3] = ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY"];

/// Whether a browser can show a page to the person: they sit at a terminal, and there is a desktop or $BROWSER.
pub fn has_browser(look: StreamLook, is_set: impl Fn(&str) -> bool) -> bool {
    let everywhere = cfg!(any(target_os = "macos", windows));
    look.terminal && (everywhere || DESKTOP.into_iter().any(is_set))
}

/// Opens an address; prints it if no browser can be started.
pub fn open(url: &str, start: impl Fn(&str) -> Result<(), String>) -> Printed {
    if !is_web_address(url) {
        let why = format!("`{url}` is no address of a web page, so it is not opened.");
        return Printed::failed(&why, EXIT_FAILED);
    }
    match start(url) {
        Ok(()) => Printed::ok(format!("Opening {url} in your browser.\n")),
        Err(why) => Printed {
            out: format!("{url}\n"),
            err: format!("! No browser can be started: {why}\n"),
            exit: super::EXIT_OK,
        },
    }
}

/// Starts the browser of $BROWSER or of the desktop; its output is not shown.
pub fn start(url: &str) -> Result<(), String> {
    let mut options = webbrowser::BrowserOptions::new();
    options.with_suppress_output(true);
    webbrowser::open_browser_with_options(webbrowser::Browser::Default, url, &options)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "https://app.clickup.com/t/86a";

    #[test]
    fn a_page_opens_where_somebody_sees_it() {
        let terminal = StreamLook {
            terminal: true,
            colours: false,
        };
        assert!(has_browser(terminal, |name| name == "WAYLAND_DISPLAY"));
        assert!(!has_browser(StreamLook::default(), |_| true));
        assert_eq!(
            has_browser(terminal, |_| false),
            cfg!(any(target_os = "macos", windows))
        );
    }

    #[test]
    fn only_web_pages_are_opened() {
        let never = |_: &str| -> Result<(), String> { panic!("it is opened") };
        assert_eq!(open("file:///etc/passwd", never).exit, EXIT_FAILED);
        let opened = open(PAGE, |url| {
            assert_eq!(url, PAGE);
            Ok(())
        });
        assert_eq!(opened.out, format!("Opening {PAGE} in your browser.\n"));
    }

    #[test]
    fn without_a_browser_the_address_is_printed() {
        let printed = open(PAGE, |_| Err("none is installed".to_owned()));
        assert_eq!(printed.out, format!("{PAGE}\n"));
        assert_eq!(printed.exit, super::super::EXIT_OK);
    }
}
