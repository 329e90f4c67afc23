//! Breaks output at the terminal's width: between words, never inside a numbered button.
//!
//! Pure: [`folded`] gets the text and the width.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

/// The indentation below a name such as `Ivan › `.
const UNDER_A_NAME: usize = 7;
/// A button is kept whole up to this number of characters.
const BUTTON: usize = 40;

/// A word, the spaces before it, and its width without display attributes.
#[derive(Default)]
struct Word {
    spaces: usize,
    text: String,
    width: usize,
}

/// Breaks each line that is wider than `width`. A continuation is indented like the line, or like what stands below a
/// name.
pub(super) fn folded(text: &str, width: usize) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| fold(line, width)).collect();
    lines.join("\n")
}

fn fold(line: &str, width: usize) -> String {
    let words = words(line);
    let indent = match words.first() {
        Some(first) if first.spaces > 0 => first.spaces,
        _ if line.contains(" › ") => UNDER_A_NAME,
        _ => 0,
    };
    let indent = indent.min(width / 2);
    let mut folded = String::new();
    let mut column = 0;
    for word in words {
        let fits = column + word.spaces + word.width <= width;
        if column > indent && !fits {
            let _ = write!(folded, "\n{:indent$}", "");
            column = indent;
        } else {
            let _ = write!(folded, "{:1$}", "", word.spaces);
            column += word.spaces;
        }
        if column + word.width <= width {
            folded.push_str(&word.text);
            column += word.width;
            continue;
        }
        // Wider than a whole line: an address, say.
        for (piece, wide) in pieces(&word.text) {
            if column + wide > width {
                let _ = write!(folded, "\n{:indent$}", "");
                column = indent;
            }
            folded.push_str(&piece);
            column += wide;
        }
    }
    folded
}

/// The words of a line. A numbered button, `[1 Done]`, counts as one.
fn words(line: &str) -> Vec<Word> {
    let all = pieces(line);
    let mut words = Vec::new();
    let mut word = Word::default();
    let mut inside = false;
    for (at, (piece, wide)) in all.iter().enumerate() {
        if piece == " " && !inside {
            if !word.text.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            word.spaces += 1;
            continue;
        }
        inside = match piece.as_str() {
            "[" => is_button(all.iter().skip(at + 1).map(|(piece, _)| piece.as_str())),
            "]" => false,
            _ => inside,
        };
        word.text.push_str(piece);
        word.width += wide;
    }
    if !word.text.is_empty() || word.spaces > 0 {
        words.push(word);
    }
    words
}

/// Whether these characters, behind a bracket, are a number and a name up to the closing bracket.
fn is_button<'p>(mut behind: impl Iterator<Item = &'p str>) -> bool {
    let is_number = |piece: &str| piece.chars().all(|c| c.is_ascii_digit());
    behind.next().is_some_and(is_number) && behind.take(BUTTON).any(|piece| piece == "]")
}

/// The characters of a text with their widths. A display attribute is a piece without width.
fn pieces(text: &str) -> Vec<(String, usize)> {
    let mut pieces = Vec::new();
    let mut attribute = String::new();
    for c in text.chars() {
        if c == '\u{1b}' || !attribute.is_empty() {
            attribute.push(c);
            if c.is_ascii_alphabetic() {
                pieces.push((std::mem::take(&mut attribute), 0));
            }
            continue;
        }
        pieces.push((c.to_string(), c.width().unwrap_or(0)));
    }
    if !attribute.is_empty() {
        pieces.push((attribute, 0));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_buttons_and_keep_their_indentation() {
        let text = "Ivan › ✓ Task completed in ClickUp: Renew the certificate of the team\n       \
                    [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Briefing at … ▾] [6 Turn off]\nshort\n\n";
        insta::assert_snapshot!(folded(text, 40), @r"
        Ivan › ✓ Task completed in ClickUp:
               Renew the certificate of the team
               [1 Done] [2 Next] [3 Comment]
               [4 Snooze] [5 Briefing at … ▾]
               [6 Turn off]
        short
        ");
        assert_eq!(folded(text, 200), text);
    }

    #[test]
    fn attributes_have_no_width_and_wide_characters_have_two() {
        assert_eq!(
            folded("\u{1b}[1mab\u{1b}[0m cd \u{1b}[2mef\u{1b}[0m", 5),
            "\u{1b}[1mab\u{1b}[0m cd\n\u{1b}[2mef\u{1b}[0m"
        );
        assert_eq!(folded("日本 語", 5), "日本\n語");
        assert_eq!(folded("  abcdefgh", 6), "  abcd\n  efgh");
        assert_eq!(folded("[1 a] [b c]", 6), "[1 a]\n[b c]");
        assert_eq!(folded("[b cd ef", 6), "[b cd\nef");
    }
}
