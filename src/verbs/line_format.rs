//! The form of one line about a task, for prompts and status bars: `{title} {due}`.

use std::str::FromStr;

/// A line about a task: text with fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFormat(Vec<LinePiece>);

/// A piece of a [`LineFormat`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinePiece {
    /// Text as it is.
    Text(String),
    /// A field of the task.
    Field(LineField),
}

/// A field of a task that a line can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineField {
    /// The title.
    Title,
    /// The task id: `clickup:86tst0001`.
    Id,
    /// The source, with the number of an issue.
    Place,
    /// The name of the source.
    Source,
    /// The source's word for the status.
    Status,
    /// The day on which it is due.
    Due,
    /// The priority.
    Priority,
    /// The client.
    Client,
    /// The address of its page.
    Url,
}

impl LineField {
    /// The fields by their placeholders.
    pub const ALL: [(&str, LineField); 9] = [
        ("title", LineField::Title),
        ("id", LineField::Id),
        ("place", LineField::Place),
        ("source", LineField::Source),
        ("status", LineField::Status),
        ("due", LineField::Due),
        ("priority", LineField::Priority),
        ("client", LineField::Client),
        ("url", LineField::Url),
    ];
}

impl LineFormat {
    /// The pieces in their order.
    pub fn pieces(&self) -> &[LinePiece] {
        &self.0
    }
}

impl FromStr for LineFormat {
    type Err = String;

    fn from_str(format: &str) -> Result<LineFormat, String> {
        let known = || {
            let names = LineField::ALL.map(|(name, _)| format!("{{{name}}}"));
            format!("known are {}", names.join(", "))
        };
        let (mut pieces, mut text) = (Vec::new(), String::new());
        let mut chars = format.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' | '}' if chars.peek() == Some(&c) => {
                    chars.next();
                    text.push(c);
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some('}') => break,
                            Some(c) => name.push(c),
                            None => return Err(format!("`{{{name}` has no end; {}", known())),
                        }
                    }
                    let field = LineField::ALL.iter().find(|(field, _)| *field == name);
                    let Some((_, field)) = field else {
                        return Err(format!("unknown placeholder {{{name}}}; {}", known()));
                    };
                    if !text.is_empty() {
                        pieces.push(LinePiece::Text(std::mem::take(&mut text)));
                    }
                    pieces.push(LinePiece::Field(*field));
                }
                '}' => return Err(format!("a `}}` without `{{`; {}", known())),
                c => text.push(c),
            }
        }
        if !text.is_empty() {
            pieces.push(LinePiece::Text(text));
        }
        Ok(LineFormat(pieces))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_format_is_text_with_fields() {
        let format: LineFormat = "▶ {title} {{{due}}}".parse().unwrap();
        let text = |text: &str| LinePiece::Text(text.to_owned());
        let (title, due) = (LineField::Title, LineField::Due);
        assert_eq!(
            format.pieces(),
            [
                text("▶ "),
                LinePiece::Field(title),
                text(" {"),
                LinePiece::Field(due),
                text("}")
            ]
        );
    }

    #[rstest]
    #[case("{titel}", "unknown placeholder {titel}; known are {title}, {id},")]
    #[case("{}", "unknown placeholder {}")]
    #[case("{title", "`{title` has no end")]
    #[case("title}", "a `}` without `{`")]
    fn a_wrong_format_is_refused(#[case] format: &str, #[case] why: &str) {
        let told = format.parse::<LineFormat>().unwrap_err();
        assert!(told.starts_with(why), "{told}");
    }
}
