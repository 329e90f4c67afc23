//! The author's name under a text for a source, if several people share one account.
//!
//! The name is the last paragraph. The text before it can neither hide nor imitate it: an open code block is closed, HTML
//! is shown as text, and a line that looks like a signature becomes a quotation.

use std::borrow::Cow;

use super::mention_text::{MentionText, Piece, one_line};

/// Follows a `<` that must not begin HTML. It is invisible, also in code.
const JOINER: char = '\u{2060}';
/// A line with more visible characters is prose.
const SIGNATURE_MAX: usize = 80;

/// How a source shows a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    /// Markdown with HTML.
    Markdown,
    /// As it is, perhaps with code blocks.
    Plain,
}

/// A text with its author's name below it. `names` are the names of people, which no line but the last may sign with.
pub fn signed(text: MentionText, name: &str, rendering: Rendering, names: &[&str]) -> MentionText {
    let name = one_line(name);
    let text = contained(text, rendering, names).trim_end();
    let before = text.to_string();
    let signature = if before.is_empty() {
        format!("— {name}")
    } else if let Some(fence) = open_fence(&before) {
        // The name would be code within an unclosed code block.
        format!("\n{fence}\n\n— {name}")
    } else {
        format!("\n\n— {name}")
    };
    let pieces = text.pieces().iter().cloned();
    pieces
        .chain(std::iter::once(Piece::Text(signature)))
        .collect()
}

/// A text without the name that [`signed`] added.
pub fn unsigned(text: MentionText, name: &str) -> MentionText {
    let signature = format!("— {}", one_line(name));
    let mut pieces = text.pieces().to_vec();
    let is_alone = pieces.len() == 1;
    if let Some(Piece::Text(last)) = pieces.last_mut()
        && let Some(before) = last.strip_suffix(&signature)
        && (before.ends_with("\n\n") || is_alone && before.is_empty())
    {
        last.truncate(before.len());
    }
    pieces.into_iter().collect::<MentionText>().trim_end()
}

/// The fence that closes the code block which a text leaves open. Both kinds count: ```` ``` ```` and `~~~`. One that is
/// indented below a list item ends with the item.
pub fn open_fence(text: &str) -> Option<&str> {
    let mut open: Option<Fence<'_>> = None;
    let mut in_list = false;
    let mut after_blank = true;
    for line in lines(text) {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let blank = line.trim().is_empty();
        match (open, Fence::of(line)) {
            (Some(opened), Some(fence)) if fence.closes(opened) => open = None,
            (Some(_), _) => {}
            (None, Some(fence)) if fence.opens() => {
                if indent == 0 || !in_list {
                    open = Some(fence);
                }
            }
            (None, _) if begins_item(line) => in_list = true,
            (None, _) if after_blank && indent == 0 && !blank => in_list = false,
            (None, _) => {}
        }
        after_blank = blank;
    }
    open.map(|fence| fence.marks)
}

/// A line that begins with at least three marks of a code block.
#[derive(Debug, Clone, Copy)]
struct Fence<'a> {
    marks: &'a str,
    /// The text after the marks.
    rest: &'a str,
}

impl<'a> Fence<'a> {
    fn of(line: &'a str) -> Option<Fence<'a>> {
        let bare = line.trim_start_matches(' ');
        let mark = bare.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let length = bare.len() - bare.trim_start_matches(mark).len();
        let is_code = line.len() - bare.len() > 3;
        let (marks, rest) = bare.split_at_checked(length)?;
        (length >= 3 && !is_code).then_some(Fence { marks, rest })
    }

    fn opens(self) -> bool {
        self.marks.starts_with('~') || !self.rest.contains('`')
    }

    fn closes(self, open: Fence<'_>) -> bool {
        self.marks.starts_with(open.marks) && self.is_bare()
    }

    fn is_bare(self) -> bool {
        self.rest.trim_matches([' ', '\t']).is_empty()
    }
}

/// A line without the white space after a bare fence. With a tab there, not every reader of Markdown ends the block.
fn without_tab(line: &str) -> &str {
    match Fence::of(line) {
        Some(fence) if fence.is_bare() => line.trim_end_matches([' ', '\t']),
        _ => line,
    }
}

/// Whether a line begins a list item. Fences in quotations are no matter: a blank line ends those.
fn begins_item(line: &str) -> bool {
    let bare = line.trim_start();
    let number = bare.trim_start_matches(|c: char| c.is_ascii_digit());
    let after = match number.len() < bare.len() {
        true => number.strip_prefix(['.', ')']),
        false => bare.strip_prefix(['-', '*', '+']),
    };
    after.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// A text without anything that reaches beyond it or imitates a signature.
fn contained(text: MentionText, rendering: Rendering, names: &[&str]) -> MentionText {
    let mut begins_line = true;
    let count = text.pieces().len();
    let pieces = (1..).zip(text.pieces());
    let contained = pieces.map(|(number, piece)| {
        let piece = match piece {
            Piece::Text(text) => {
                let shape = Shape {
                    rendering,
                    names,
                    begins_line,
                    is_last: number == count,
                };
                Piece::Text(contained_text(&one_kind_of_lines(text), shape))
            }
            mention @ Piece::Mention { .. } => mention.clone(),
        };
        begins_line = false;
        piece
    });
    contained.collect()
}

/// The place of a part in its text.
#[derive(Clone, Copy)]
struct Shape<'a> {
    rendering: Rendering,
    names: &'a [&'a str],
    /// Whether it begins with a line of its own.
    begins_line: bool,
    is_last: bool,
}

fn contained_text(text: &str, shape: Shape<'_>) -> String {
    let markdown = shape.rendering == Rendering::Markdown;
    // In code HTML is text. Where a code block might begin or end elsewhere, nothing counts as code.
    let blocks = markdown && blocks_are_clear(text);
    let spans = markdown && spans_are_clear(text, blocks);
    let last = lines(text).filter(|line| !line.trim().is_empty()).count();
    let mut out = String::with_capacity(text.len() + 16);
    let mut open: Option<Fence<'_>> = None;
    let mut seen = 0;
    let mut after_item = false;
    for (number, line) in lines(text).enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let line = if markdown { without_tab(line) } else { line };
        seen += usize::from(!line.trim().is_empty());
        if blocks {
            match (open, Fence::of(line)) {
                (Some(opened), Some(fence)) if fence.closes(opened) => {
                    open = None;
                    out.push_str(line);
                    continue;
                }
                (Some(_), _) => {
                    out.push_str(line);
                    continue;
                }
                (None, Some(fence)) if fence.opens() => open = Some(fence),
                (None, _) => {}
            }
        }
        let begins = number > 0 || shape.begins_line;
        let ends = shape.is_last && seen == last && !after_item;
        if begins && looks_signed(line, ends, shape.names) {
            out.push_str("> ");
        }
        after_item = begins_item(line) || after_item && !line.trim().is_empty();
        match markdown {
            true => out.push_str(&without_html(line, spans)),
            false => out.push_str(line),
        }
    }
    out
}

/// Whether every fence stands at the very beginning of its line, where it belongs to no list item or quotation. Then the
/// fences alone tell which lines are code.
fn blocks_are_clear(text: &str) -> bool {
    let mut open: Option<Fence<'_>> = None;
    for line in lines(text) {
        match (open, Fence::of(line)) {
            (Some(opened), Some(fence)) if fence.closes(opened) => open = None,
            (Some(_), _) => {}
            (None, Some(fence)) if fence.opens() => {
                if line.starts_with([' ', '\t']) {
                    return false;
                }
                open = Some(fence);
            }
            // A fence after a tab or in a list item or quotation.
            (None, _) => {
                let bare = line.trim_start_matches(|c: char| !matches!(c, '`' | '~'));
                let before = line.len() - bare.len();
                let begins = line.get(..before).is_some_and(|before| {
                    before.contains(['>', '-', '*', '+', '.', ')', '\t', ':'])
                });
                if begins && Fence::of(bare).is_some() {
                    return false;
                }
            }
        }
    }
    true
}

/// Whether each line outside code blocks has complete code spans only, and none with a `|`, which could end a table's
/// cell. Then a span neither begins nor ends in another line. A `$` before another one is not clear: it may begin a
/// formula, in which backticks are text.
fn spans_are_clear(text: &str, blocks: bool) -> bool {
    let mut open: Option<Fence<'_>> = None;
    let formulas = text.matches('$').count() > 1;
    lines(text).all(|line| {
        if blocks {
            match (open, Fence::of(line)) {
                (Some(opened), Some(fence)) if fence.closes(opened) => {
                    open = None;
                    return true;
                }
                (Some(_), _) => return true,
                (None, Some(fence)) if fence.opens() => {
                    open = Some(fence);
                    return true;
                }
                (None, _) => {}
            }
        }
        let mut clear = true;
        inlines(line, |part| match part {
            Inline::Span(span) => clear &= !span.contains('|'),
            Inline::LoneMarks(_) => clear = false,
            Inline::Text(text) => clear &= !(formulas && text.contains('$')),
            Inline::Open(_) => {}
        });
        clear
    })
}

/// A part of a line.
enum Inline<'a> {
    Text(&'a str),
    /// A complete code span with its marks.
    Span(&'a str),
    /// Backticks without a partner in the line.
    LoneMarks(&'a str),
    /// A `<` that could begin HTML.
    Open(&'a str),
}

/// Goes through a line as Markdown reads it: escapes, code spans, and the beginnings of HTML.
fn inlines<'a>(line: &'a str, mut each: impl FnMut(Inline<'a>)) {
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        let next = after.chars().next();
        let (length, kind): (usize, fn(&'a str) -> Inline<'a>) = match c {
            '\\' if next.is_some_and(|c| c.is_ascii_punctuation()) => (2, Inline::Text),
            '`' => match span(rest) {
                Some(length) => (length, Inline::Span),
                None => (
                    rest.len() - rest.trim_start_matches('`').len(),
                    Inline::LoneMarks,
                ),
            },
            '<' => match address(rest) {
                Some(length) => (length, Inline::Text),
                None if opens_html(after) => (1, Inline::Open),
                None => (1, Inline::Text),
            },
            c => (c.len_utf8(), Inline::Text),
        };
        let Some((part, after)) = rest.split_at_checked(length) else {
            return each(Inline::Text(rest));
        };
        each(kind(part));
        rest = after;
    }
}

/// The length of the code span at the start of a text, with its marks: it ends at as many backticks.
fn span(text: &str) -> Option<usize> {
    let marks = text.len() - text.trim_start_matches('`').len();
    let mut at = marks;
    while let Some(rest) = text.get(at..) {
        at += rest.find('`')?;
        let run = text.get(at..)?;
        let length = run.len() - run.trim_start_matches('`').len();
        at += length;
        if length == marks {
            return Some(at);
        }
    }
    None
}

/// Whether this could be HTML after a `<`.
fn opens_html(after: &str) -> bool {
    after.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'))
}

/// The length of the address in angle brackets at the start of a text. It is no HTML, since no tag has a colon in its
/// name, and it hides no backtick.
fn address(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('<')?;
    let schemes = ["https://", "http://", "mailto:"];
    let end = inside.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '`' | '|'))?;
    let is_one = schemes.iter().any(|scheme| inside.starts_with(scheme));
    (is_one && inside.get(end..)?.starts_with('>')).then_some(end + 2)
}

/// A line whose HTML is shown as text. `spans`: code spans stay as they are.
fn without_html(line: &str, spans: bool) -> Cow<'_, str> {
    if !line.contains('<') {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len() + 8);
    if spans {
        inlines(line, |part| match part {
            Inline::Text(text) | Inline::Span(text) | Inline::LoneMarks(text) => out.push_str(text),
            Inline::Open(open) => {
                out.push_str(open);
                out.push(JOINER);
            }
        });
        return Cow::Owned(out);
    }
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let from = before.len();
        rest = match rest.get(from..).and_then(address) {
            Some(length) => {
                out.push_str(rest.get(from..from + length).unwrap_or_default());
                rest.get(from + length..).unwrap_or_default()
            }
            None => {
                out.push('<');
                if opens_html(after) {
                    out.push(JOINER);
                }
                after
            }
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Whether people could take a line for a signature. `ends`: it is the last one, and no list item.
fn looks_signed(line: &str, ends: bool, names: &[&str]) -> bool {
    let is_decoration = |c: char| {
        c.is_whitespace()
            || is_invisible(c)
            || matches!(c, '*' | '_' | '#' | '\\' | '|' | '"' | '“' | '<')
    };
    let bare = line.trim_start_matches(is_decoration);
    if bare.starts_with('>') {
        return false;
    }
    let Some(first) = bare.chars().next() else {
        return false;
    };
    let shown = bare
        .chars()
        .filter(|c| !c.is_whitespace() && !is_invisible(*c));
    if shown.count() > SIGNATURE_MAX {
        return false;
    }
    // It may be written as `&mdash;`.
    let entity = bare.strip_prefix('&').is_some_and(|rest| {
        let name = rest.split(';').next().unwrap_or_default();
        name.len() <= 10 && name.len() < rest.len()
    });
    let second = bare.chars().nth(1).unwrap_or(' ');
    if entity || is_dash(first) || is_like_a_dash(first) && second.is_whitespace() {
        return true;
    }
    let after = bare.trim_start_matches(['-', '~']);
    if after.len() == bare.len() || bare.starts_with("~~~") {
        return false;
    }
    let name = after.trim_matches(|c: char| is_decoration(c) || matches!(c, '~' | '.' | '”'));
    let is_name = || {
        names
            .iter()
            .any(|known| known.to_lowercase() == name.to_lowercase())
    };
    match bare.starts_with("--") {
        true if after.starts_with(char::is_whitespace) => name.contains(char::is_alphanumeric),
        true => is_name(),
        false => ends && is_name(),
    }
}

/// Whether [`signed`] has to know people's names for this text.
pub fn may_name(text: &str) -> bool {
    text.contains(['-', '~'])
}

/// Dashes beyond ASCII.
fn is_dash(c: char) -> bool {
    matches!(
        c,
        '\u{2010}'
            ..='\u{2015}'
                | '\u{2212}'
                | '\u{2500}'
                | '\u{2501}'
                | '\u{2796}'
                | '\u{23af}'
                | '\u{2e3a}'
                | '\u{2e3b}'
                | '\u{fe31}'
                | '\u{fe32}'
                | '\u{fe58}'
                | '\u{fe63}'
                | '\u{ff0d}'
    )
}

/// Characters that look like a dash, and begin words.
fn is_like_a_dash(c: char) -> bool {
    matches!(
        c,
        '\u{2043}'
            | '\u{02d7}'
            | '\u{30fc}'
            | '\u{ff70}'
            | '\u{4e00}'
            | '\u{3161}'
            | '\u{1173}'
            | '\u{301c}'
            | '\u{3030}'
            | '\u{2e17}'
            | '\u{2e40}'
            | '\u{1806}'
            | '\u{1400}'
    )
}

/// Characters without a width, behind which a line could begin.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{34f}'
        | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}' | '\u{3164}'
        | '\u{ffa0}' | '\u{fe00}'..='\u{fe0f}' | '\u{2800}' | '\u{e0000}'..='\u{e0fff}')
}

/// A text whose lines all end in `\n`.
fn one_kind_of_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.replace(
        ['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'],
        "\n",
    )
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
}

#[cfg(test)]
mod tests;
