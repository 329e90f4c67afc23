//! `--json` and `--jq`: JSON for scripts, with indents at a terminal.

use std::iter::Peekable;
use std::str::Chars;

use anstyle::AnsiColor;

use super::Options;
use super::jq::{JqFilter, JqOutput};
use super::look::StreamLook;

/// The form of what is printed.
#[derive(Debug)]
pub enum OutputForm {
    /// Words for people.
    Words,
    /// JSON, filtered if there is an expression.
    Json(Option<JqFilter>),
}

impl OutputForm {
    /// The form that the options ask for; the reason if the expression is wrong.
    pub fn of(options: &Options) -> Result<OutputForm, String> {
        Ok(match &options.jq {
            Some(code) => OutputForm::Json(Some(JqFilter::read(code)?)),
            None if options.json => OutputForm::Json(None),
            None => OutputForm::Words,
        })
    }

    /// Whether JSON is printed.
    pub fn is_json(&self) -> bool {
        matches!(self, OutputForm::Json(_))
    }
}

/// A JSON text as a stream shows it: with indents and colours at a terminal, else in one line. With a filter each of its
/// outputs; of those, strings are text. The error is a sentence.
pub fn shown(text: &str, filter: Option<&JqFilter>, look: StreamLook) -> Result<String, String> {
    let Some(filter) = filter else {
        return Ok(laid_out(text, look));
    };
    let mut out = String::new();
    for output in filter.run(text)? {
        match output {
            JqOutput::Text(text) => out.push_str(&raw(&text, look)),
            JqOutput::Json(text) => out.push_str(&laid_out(&text, look)),
        }
    }
    Ok(out)
}

/// A string as text. On a terminal, strangers' text controls nothing.
fn raw(text: &str, look: StreamLook) -> String {
    let shows = |c: &char| !look.terminal || !c.is_control() || matches!(c, '\n' | '\t');
    let mut shown: String = text.chars().filter(shows).collect();
    shown.push('\n');
    shown
}

/// The same JSON with the spaces and colours of a stream. Numbers and the order of members stay as they are.
fn laid_out(text: &str, look: StreamLook) -> String {
    let indents = look.terminal;
    let mut out = String::with_capacity(text.len());
    let mut depth = 0_usize;
    let line = |out: &mut String, depth: usize| {
        if indents {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        }
    };
    let mut tokens = Tokens(text.chars().peekable()).peekable();
    while let Some(token) = tokens.next() {
        let next = tokens.peek().map(String::as_str);
        match token.as_str() {
            "{" | "[" => {
                out.push_str(&token);
                if !matches!(next, Some("}" | "]")) {
                    depth += 1;
                    line(&mut out, depth);
                } else {
                    out.extend(tokens.next());
                }
            }
            "}" | "]" => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push_str(&token);
            }
            "," => {
                out.push(',');
                line(&mut out, depth);
            }
            ":" => out.push_str(if indents { ": " } else { ":" }),
            string if string.starts_with('"') => {
                let colour = match next {
                    Some(":") => AnsiColor::Blue,
                    _ => AnsiColor::Green,
                };
                out.push_str(&look.styled(colour.on_default(), string));
            }
            other => out.push_str(other),
        }
    }
    out.push('\n');
    out
}

/// The parts of a JSON text, without the spaces between them.
struct Tokens<'a>(Peekable<Chars<'a>>);

impl Iterator for Tokens<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let chars = &mut self.0;
        while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let first = chars.next()?;
        let mut token = String::from(first);
        match first {
            '"' => {
                let mut escapes = false;
                for c in chars.by_ref() {
                    push_escaped(&mut token, c);
                    match c {
                        '"' if !escapes => break,
                        '\\' => escapes = !escapes,
                        _ => escapes = false,
                    }
                }
            }
            '{' | '}' | '[' | ']' | ',' | ':' => {}
            _ => {
                let goes_on = |c: &char| !c.is_ascii_whitespace() && !"{}[],:".contains(*c);
                while let Some(c) = chars.next_if(goes_on) {
                    token.push(c);
                }
            }
        }
        Some(token)
    }
}

/// Escapes C1 controls, which JSON allows and terminals obey: the value is the same.
fn push_escaped(out: &mut String, c: char) {
    match c {
        '\u{7f}'..='\u{9f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMINAL: StreamLook = StreamLook {
        terminal: true,
        colours: false,
    };

    #[test]
    fn a_pipe_gets_one_line_and_a_terminal_indents() {
        let text = "{\"b\": [1, 2.50, {\"x\":null}], \n \"a\": {}, \"c\": [ ]}";
        let piped = shown(text, None, StreamLook::default()).unwrap();
        assert_eq!(piped, "{\"b\":[1,2.50,{\"x\":null}],\"a\":{},\"c\":[]}\n");
        assert_eq!(
            shown(text, None, TERMINAL).unwrap(),
            "{\n  \"b\": [\n    1,\n    2.50,\n    {\n      \"x\": null\n    }\n  ],\n  \"a\": {},\n  \"c\": []\n}\n"
        );
    }

    #[test]
    fn members_and_strings_have_colours() {
        let look = StreamLook {
            colours: true,
            ..StreamLook::default()
        };
        assert_eq!(
            shown("{\"a\":\"b\"}", None, look).unwrap(),
            "{\u{1b}[34m\"a\"\u{1b}[0m:\u{1b}[32m\"b\"\u{1b}[0m}\n"
        );
    }

    #[test]
    fn strings_stay_as_they_are_and_control_nothing() {
        let text = r#"{"a":"x: {\"y\": [1, 2]} \\","b":"\u001b[31m"}"#;
        assert_eq!(
            shown(text, None, StreamLook::default()).unwrap(),
            format!("{text}\n")
        );
        let c1 = shown("\"a\u{9b}2J\"", None, StreamLook::default()).unwrap();
        assert_eq!(c1, "\"a\\u009b2J\"\n");
        assert_eq!(raw("Log\u{7}in\u{9b}", TERMINAL), "Login\n");
        assert_eq!(raw("Log\u{7}in", StreamLook::default()), "Log\u{7}in\n");
    }
}
