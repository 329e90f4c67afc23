//! Text as Slack shows it → Markdown that GitHub shows alike (docs/contracts/github.md#markdown).
//!
//! In Slack a fence may stand anywhere in a line, a quotation ends with its line, and `<String>` is plain text. This
//! module rewrites such places so that GitHub shows the same words. Verbs do this before an operation is
//! committed, so that the same text is sent, searched for and compared. [`plain`] is the reverse, for showing people in
//! Slack their own text.

use super::controls::first_bytes;

/// Three of them open and close a code block, in Slack and in GitHub.
const FENCE: &str = "```";
/// A line indented this far is code in GitHub, unless it continues a paragraph or an item.
const CODE_INDENT: usize = 4;
/// A length in characters that GitHub certainly takes. A text that would grow longer is left as it is.
const LENGTH_MAX: usize = 65_000;

/// The depth to which nested quotations are followed. Deeper ones become separate lines.
const DEPTH_MAX: usize = 8;

/// Writes a text as Markdown.
pub fn from_slack(text: &str) -> String {
    let markdown = written(text, 0);
    match markdown.chars().count() > LENGTH_MAX {
        true => text.to_owned(),
        false => markdown,
    }
}

/// How many quotations are passed over because a code block ends behind them. After that the rest has none, so that no
/// text is read again for each of its lines.
const PASSED_OVER_MAX: usize = 64;

fn written(text: &str, depth: usize) -> String {
    let mut writer = Writer::default();
    let mut at = 0;
    let mut block = Block::after(text, at);
    let mut passed_over = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        if block.is_some_and(|block| block.begin < at) {
            block = Block::after(text, at);
        }
        let until = block.map_or(text.len(), |block| block.begin) - at;
        if depth < DEPTH_MAX
            && passed_over < PASSED_OVER_MAX
            && let Some((before, inside, after)) = next_quotation(rest, until, &mut passed_over)
        {
            writer.prose(before);
            writer.quotation(&inside, depth);
            at = text.len() - after.len();
            continue;
        }
        let Some(block) = block else {
            writer.prose(rest);
            return writer.out;
        };
        writer.prose(text.get(at..block.begin).unwrap_or_default());
        writer.block(block.code);
        at = block.end;
    }
}

/// A code block, by its place in the text.
#[derive(Debug, Clone, Copy)]
struct Block<'a> {
    begin: usize,
    code: &'a str,
    end: usize,
}

impl Block<'_> {
    /// The first one from there on.
    fn after(text: &str, at: usize) -> Option<Block<'_>> {
        let (before, code, after) = next_block(text.get(at..)?)?;
        Some(Block {
            begin: at + before.len(),
            code,
            end: text.len() - after.len(),
        })
    }
}

/// The first quotation that begins at `until` or before: the text before it, its lines without their marks, and the
/// text after it. It does not count if a code block begins in it and ends elsewhere: then it is `passed_over`.
fn next_quotation<'a>(
    text: &'a str,
    until: usize,
    passed_over: &mut usize,
) -> Option<(&'a str, String, &'a str)> {
    let mut begin = 0;
    while begin <= until {
        let (before, rest) = text.split_at_checked(begin)?;
        if let Some(inside) = rest.trim_start_matches(' ').strip_prefix(">>>") {
            // It quotes all of the rest.
            return Some((before, inside.trim_start_matches(' ').to_owned(), ""));
        }
        let lines = quoted_lines(rest);
        if lines.is_empty() {
            begin += rest.find('\n')? + 1;
            continue;
        }
        let length = lines.iter().map(|line| line.length).sum();
        let fences = lines.iter().map(|line| line.fences).sum::<usize>();
        // The first of its lines from which on no block is open at the end.
        let mut open = fences;
        let mut skipped = 0;
        let mut inside = lines.iter();
        while open % 2 == 1 {
            let line = inside.next()?;
            open -= line.fences;
            skipped += line.length;
        }
        if inside.len() > 0 && begin + skipped <= until {
            let mut quoted: String = inside.map(|line| line.text).collect();
            if quoted.ends_with('\n') {
                quoted.pop();
            }
            let before = text.get(..begin + skipped)?;
            return Some((before, quoted, rest.get(length..)?));
        }
        *passed_over += 1;
        begin += length;
        if length == rest.len() || *passed_over >= PASSED_OVER_MAX {
            return None;
        }
    }
    None
}

/// A line of a quotation.
struct QuotedLine<'a> {
    /// Without its mark, with its line break.
    text: &'a str,
    /// Its length with the mark.
    length: usize,
    /// The number of fences in it.
    fences: usize,
}

/// The lines of the quotation at the start of a text.
fn quoted_lines(text: &str) -> Vec<QuotedLine<'_>> {
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n') {
        let bare = line.trim_start_matches(' ');
        let Some(quoted) = bare.strip_prefix('>').filter(|_| !bare.starts_with(">>>")) else {
            break;
        };
        let quoted = quoted.strip_prefix(' ').unwrap_or(quoted);
        lines.push(QuotedLine {
            text: quoted,
            length: line.len(),
            fences: quoted.matches(FENCE).count(),
        });
    }
    lines
}

/// The first code block that spans lines: the text before, in and after it. An unclosed one extends to the end if it
/// begins a line.
fn next_block(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find(FENCE)?;
        let before = text.get(..at)?;
        let inside = text.get(at + FENCE.len()..)?;
        let Some(end) = inside.find(FENCE) else {
            let begins_a_line = before
                .rsplit('\n')
                .next()
                .is_none_or(|line| line.trim().is_empty());
            return (begins_a_line && inside.contains('\n')).then_some((before, inside, ""));
        };
        // Of more than three marks the last ones close.
        let more = inside.get(end + FENCE.len()..)?;
        let end = end + more.len() - more.trim_start_matches('`').len();
        let code = inside.get(..end)?;
        let after = inside.get(end + FENCE.len()..)?;
        if code.contains('\n') {
            return Some((before, code, after));
        }
        from = text.len() - after.len();
    }
}

/// The kind of a line, as far as the next one depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Line {
    /// An empty line, or a code block.
    #[default]
    Apart,
    Words,
    Quoted,
    Item,
    /// Indented code.
    Indented,
}

#[derive(Default)]
struct Writer {
    out: String,
    last: Line,
    /// A list item may continue: indented lines belong to it.
    in_list: bool,
    /// The last number of each open numbered list: its indent, and the sign after the number.
    numbers: Vec<(usize, char, u32)>,
}

impl Writer {
    fn prose(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        // Text after a quotation with a block in it, or after a block, gets a line of its own.
        if self.last == Line::Quoted && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        let text = match self.out.ends_with(FENCE) && self.last == Line::Apart {
            true => {
                self.out.push('\n');
                let next = text.strip_prefix('\n').unwrap_or(text);
                next.trim_start_matches(' ')
            }
            false => text,
        };
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                self.out.push('\n');
            }
            self.line(line);
        }
    }

    /// Lines of a quotation, without their marks.
    fn quotation(&mut self, text: &str, depth: usize) {
        self.begins_apart();
        let markdown = written(text, depth + 1);
        for (number, line) in markdown.split('\n').enumerate() {
            self.out.push_str(match (number, line.is_empty()) {
                (0, false) => "> ",
                (0, true) => ">",
                (_, false) => "\n> ",
                (_, true) => "\n>",
            });
            self.out.push_str(line);
        }
        self.last = Line::Quoted;
        self.leaves_lists();
    }

    /// Starts a new line for the next text.
    fn begins_apart(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    /// Ends the quotation with an empty line. Without it the next line would be shown as part of the quotation.
    fn ends_quotation(&mut self) {
        if self.last == Line::Quoted {
            self.out.push('\n');
            self.last = Line::Apart;
        }
    }

    fn leaves_lists(&mut self) {
        self.in_list = false;
        self.numbers.clear();
    }

    fn line(&mut self, line: &str) {
        let bare = line.trim_start_matches([' ', '\t']);
        if bare.is_empty() {
            self.out.push_str(line);
            self.last = Line::Apart;
            return;
        }
        // From a quotation in which a code block begins.
        if let Some(rest) = bare.strip_prefix('>') {
            let space = rest.len() - rest.trim_start_matches(' ').len();
            self.out.push('>');
            self.out.push_str(rest.get(..space).unwrap_or_default());
            let was_quoted = self.last == Line::Quoted;
            self.words(rest.get(space..).unwrap_or_default(), was_quoted);
            self.last = Line::Quoted;
            self.leaves_lists();
            return;
        }
        let space = line.get(..line.len() - bare.len()).unwrap_or_default();
        let indent = space.chars().fold(0, |at, c| match c {
            '\t' => at - at % CODE_INDENT + CODE_INDENT,
            _ => at + 1,
        });
        let is_code = indent >= CODE_INDENT && !self.in_list;
        if is_code && matches!(self.last, Line::Apart | Line::Indented | Line::Quoted) {
            self.ends_quotation();
            // A tab behind a quotation mark would be too short.
            self.out.push_str(&" ".repeat(indent));
            self.out.push_str(bare);
            self.last = Line::Indented;
            return;
        }
        let jumps = self.jumps(indent, bare);
        // A dash alone makes a heading of the words above it.
        let is_rule = bare.trim_end() == "-" || is_mark(bare, false);
        let item = is_item(bare) && !jumps && !is_rule;
        self.ends_quotation();
        // Without an empty line it would be shown as part of the item.
        if self.last == Line::Item && !item && indent == 0 {
            self.out.push('\n');
            self.last = Line::Apart;
        }
        self.out.push_str(space);
        if jumps {
            let (number, rest) = bare.split_at(bare.find(['.', ')']).unwrap_or(0));
            self.out.push_str(number);
            self.out.push('\\');
            inline(rest, &mut self.out);
        } else if item {
            // The start of an item may be a mark, too.
            let mark = bare.find([' ', '\t']).unwrap_or(bare.len());
            let inside = bare.get(mark..).unwrap_or_default();
            let begins = bare.len() - inside.trim_start_matches([' ', '\t']).len();
            // So far apart it would be code.
            let far = begins > mark + CODE_INDENT;
            self.out.push_str(
                bare.get(..if far { mark + 1 } else { begins })
                    .unwrap_or_default(),
            );
            self.words(bare.get(begins..).unwrap_or_default(), false);
        } else if bare.trim_end() == "-" {
            self.out.push_str("\\-");
        } else {
            let goes_on = matches!(self.last, Line::Words | Line::Item);
            self.words(bare, goes_on);
        }
        self.last = if item { Line::Item } else { Line::Words };
        self.in_list = item || self.in_list && indent > 0;
    }

    /// Whether a line begins with a number that GitHub would change, since it counts on from the first item.
    fn jumps(&mut self, indent: usize, line: &str) -> bool {
        self.numbers.retain(|(of, _, _)| *of <= indent);
        let same = self.numbers.pop_if(|(of, _, _)| *of == indent);
        let Some((digits, sign)) = number_of(line) else {
            if indent == 0 && !is_item(line) {
                self.numbers.clear();
            }
            return false;
        };
        let Ok(number) = digits.parse::<u32>() else {
            return false;
        };
        let goes_on = same.filter(|(_, of, _)| *of == sign);
        let jumps = goes_on.is_some_and(|(_, _, last)| number != last + 1)
            || digits.len() > 1 && digits.starts_with('0');
        if !jumps {
            self.numbers.push((indent, sign, number));
        }
        jumps
    }

    /// A line without its indent and marks; `goes_on`: the line before belongs to the same paragraph.
    fn words(&mut self, line: &str, goes_on: bool) {
        if is_mark(line, goes_on) {
            self.out.push('\\');
        }
        inline(line, &mut self.out);
    }

    fn block(&mut self, code: &str) {
        // In a line of its own, and apart from a quotation before it.
        self.begins_apart();
        let code = code.strip_prefix('\n').unwrap_or(code);
        let code = code.strip_suffix('\n').unwrap_or(code);
        self.out.push_str(FENCE);
        self.out.push('\n');
        self.out.push_str(code);
        self.out.push('\n');
        self.out.push_str(FENCE);
        self.last = Line::Apart;
        self.leaves_lists();
    }
}

/// The number of a list item, and the sign after it: `12.`, `3)`.
fn number_of(line: &str) -> Option<(&str, char)> {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = line.get(..line.len() - rest.len())?;
    let sign = rest
        .chars()
        .next()
        .filter(|sign| matches!(sign, '.' | ')'))?;
    let is_apart = begins_item(rest.get(1..)?);
    ((1..=9).contains(&digits.len()) && is_apart).then_some((digits, sign))
}

/// A list item in GitHub: `- x`, `1. x`.
fn is_item(line: &str) -> bool {
    let bullet = line.strip_prefix(['-', '*', '+']);
    bullet.is_some_and(begins_item) || number_of(line).is_some()
}

/// Whether a mark followed by this makes an item: by a space, or by nothing.
fn begins_item(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with([' ', '\t'])
}

/// Whether GitHub would take a line for a mark and not show it: a heading, a rule, a quotation, a fence that is none in
/// Slack, the underline of a heading or a table's head, a footnote's head, or a link target.
fn is_mark(line: &str, goes_on: bool) -> bool {
    let is_note = line.starts_with("[!") && line.trim_end().ends_with(']');
    if is_note || line.starts_with("~~~") || line.starts_with('>') {
        return true;
    }
    let heading = line.trim_start_matches('#');
    let signs = line.len() - heading.len();
    if (1..=6).contains(&signs) && (heading.is_empty() || heading.starts_with([' ', '\t'])) {
        return true;
    }
    let only = |signs: &str| {
        !line.trim().is_empty() && line.chars().all(|c| c == ' ' || signs.contains(c))
    };
    let count = |sign| line.chars().filter(|c| *c == sign).count();
    if only("-|:") && count('-') > 0 && (goes_on || count('-') > 2) {
        return true;
    }
    if only("=") && goes_on
        || ["*", "_"].iter().any(|sign| only(sign))
            && line.chars().filter(|c| *c != ' ').count() > 2
    {
        return true;
    }
    let label = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]:"));
    label.is_some_and(|(label, _)| !label.contains(['[', ']']))
}

/// Writes a line's words and escapes those that GitHub would show differently.
fn inline(line: &str, out: &mut String) {
    let is_formula = is_formula(line);
    let counts = ['*', '_', '~'].map(|sign| (sign, line.matches(sign).count()));
    let mut stars = ClosingStars::default();
    let mut rest = line;
    let mut before = ' ';
    // The number of open tags. A closing tag is written as its opening tag was.
    let mut open = 0_usize;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        let next = after.chars().next();
        let taken = match c {
            '`' => code(rest, out),
            'h' | 'w' if !before.is_alphanumeric() => address(rest, out),
            '<' if next
                .is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) =>
            {
                out.push_str("&lt;");
                open += 1;
                1
            }
            '>' if open > 0 => {
                out.push_str("&gt;");
                open -= 1;
                1
            }
            '&' if is_entity(after) => {
                out.push_str("&amp;");
                1
            }
            '\\' => backslashes(rest, out),
            '*' if let Some(bold) = bold(line, rest, before, &mut stars) => {
                out.push('*');
                inline(bold, out);
                out.push('*');
                bold.len() + 2
            }
            '*' | '_' | '~' => {
                let count = counts.iter().find(|(sign, _)| *sign == c);
                signs(rest, c, before, count.map_or(0, |(_, count)| *count), out)
            }
            '$' if is_formula => {
                out.push_str("\\$");
                1
            }
            // An index expression that is called, not a link.
            ']' if is_call(after) => {
                out.push_str("]\\");
                1
            }
            _ => {
                out.push(c);
                c.len_utf8()
            }
        };
        let (done, left) = rest.split_at_checked(taken.max(1)).unwrap_or((rest, ""));
        before = done.chars().next_back().unwrap_or(before);
        rest = left;
    }
}

/// Code within the line stays as it is; unclosed marks are plain marks.
fn code(text: &str, out: &mut String) -> usize {
    let run = |text: &str| text.len() - text.trim_start_matches('`').len();
    let marks = run(text);
    let mut at = marks;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('`')) {
        let closing = run(text.get(at + found..).unwrap_or_default());
        at += found + closing;
        if closing == marks {
            out.push_str(text.get(..at).unwrap_or_default());
            return at;
        }
    }
    out.push_str(&"\\`".repeat(marks));
    marks
}

/// A URL stays as it is: its signs are no marks.
fn address(text: &str, out: &mut String) -> usize {
    let is_address = ["http://", "https://", "www."]
        .iter()
        .any(|begin| text.starts_with(begin));
    let end = match is_address {
        true => text.find([' ', '<', '>', '`', '\t']).unwrap_or(text.len()),
        false => 1,
    };
    out.push_str(text.get(..end).unwrap_or_default());
    end
}

/// Doubles a backslash that GitHub would hide: before a sign, at the end of a line, and one of two.
fn backslashes(text: &str, out: &mut String) -> usize {
    let rest = text.trim_start_matches('\\');
    let run = text.len() - rest.len();
    let next = rest.chars().next();
    let hidden = run > 1 || next.is_none_or(|c| c.is_ascii_punctuation());
    out.push_str(&"\\".repeat(if hidden { 2 * run } else { run }));
    run
}

/// The bold words of Slack at the start of a text, which is the rest of a line: between two stars at the edges of words.
/// They keep their stars, which set them off in GitHub as well.
fn bold<'a>(line: &str, text: &'a str, before: char, stars: &mut ClosingStars) -> Option<&'a str> {
    let inside = text.strip_prefix('*')?;
    if before.is_alphanumeric() || inside.starts_with(|c: char| c.is_whitespace() || c == '*') {
        return None;
    }
    let from = line.len() - inside.len();
    let end = stars.next(line, from)?;
    let next = line.get(end + 1..)?.chars().next().unwrap_or(' ');
    let ends = !next.is_alphanumeric() && next != '*';
    inside.get(..end - from).filter(|_| ends)
}

/// The stars of a line that may close bold words: behind a word, and not in code.
#[derive(Default)]
struct ClosingStars {
    /// The first one from a position on. It is the first of each later position before it, so that no part of the line
    /// is searched twice.
    known: Option<(usize, Option<usize>)>,
}

impl ClosingStars {
    /// The position of the first one after `from`.
    fn next(&mut self, line: &str, from: usize) -> Option<usize> {
        if let Some((since, found)) = self.known
            && since <= from
            && found.is_none_or(|found| found > from)
        {
            return found;
        }
        let found = closing_star(line, from);
        self.known = Some((from, found));
        found
    }
}

fn closing_star(line: &str, from: usize) -> Option<usize> {
    let mut last = '*';
    let mut at = from;
    loop {
        let rest = line.get(at..)?;
        let c = rest.chars().next()?;
        if c == '*' && last != '*' && !last.is_whitespace() {
            return Some(at);
        }
        at += match c {
            // A star in code is code.
            '`' => code(rest, &mut String::new()),
            c => c.len_utf8(),
        };
        last = line.get(..at)?.chars().next_back()?;
    }
}

/// A run of `*`, `_` or `~` that is no pair in Slack. GitHub also pairs double ones, and pairs within a word.
///
/// `count` is the number of these signs in the line.
fn signs(text: &str, sign: char, before: char, count: usize, out: &mut String) -> usize {
    let rest = text.trim_start_matches(sign);
    let run = text.len() - rest.len();
    let next = rest.chars().next().unwrap_or(' ');
    let within = before.is_alphanumeric() && next.is_alphanumeric();
    let touches = before.is_alphanumeric() || next.is_alphanumeric();
    // A single one is only a sign.
    let may_pair = count > run;
    let is_apart = before.is_whitespace() && next.is_whitespace();
    let shown = match sign {
        '*' => within || run == 1 && may_pair && !is_apart,
        '~' => within && may_pair,
        _ => run > 1 && touches,
    };
    let written = match shown {
        true => format!("\\{sign}").repeat(run),
        false => sign.to_string().repeat(run),
    };
    out.push_str(&written);
    run
}

/// Whether GitHub would take the text between two `$` of a line for a formula.
fn is_formula(line: &str) -> bool {
    let mut opened = false;
    let mut before = ' ';
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        if c == '$' {
            if before == '$' || opened && !before.is_whitespace() && !next.is_alphanumeric() {
                return true;
            }
            opened |= !next.is_whitespace();
        }
        before = c;
    }
    false
}

/// The longest name of a character with its semicolon, in bytes.
const ENTITY_MAX: usize = 33;

/// Whether `&` and this is a character in GitHub: `&lt;`, `&#60;`, `&#x3c;`.
fn is_entity(after: &str) -> bool {
    let Some((name, _)) = first_bytes(after, ENTITY_MAX).split_once(';') else {
        return false;
    };
    let is = |digits: &str, fits: fn(&char) -> bool| {
        (1..=7).contains(&digits.len()) && digits.chars().all(|c| fits(&c))
    };
    match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => is(hex, char::is_ascii_hexdigit),
            None => is(number, char::is_ascii_digit),
        },
        None => {
            name.len() <= 32
                && name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric())
        }
    }
}

/// Whether `]` and this would wrongly become a link: `handlers[0](event)`.
fn is_call(after: &str) -> bool {
    let Some(target) = after.strip_prefix('(') else {
        return false;
    };
    let leads = [
        "http://", "https://", "mailto:", "www.", "/", "./", "../", "#", "<",
    ];
    !leads.iter().any(|begin| target.starts_with(begin))
}

/// Turns Markdown into the text as people typed it. This reverses [`from_slack`], as far as single characters go.
pub fn plain(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len());
    let mut in_block = false;
    for (number, line) in markdown.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        if line.starts_with(FENCE) && !line.trim_start_matches('`').contains('`') {
            in_block = !in_block;
            out.push_str(line);
        } else if in_block {
            out.push_str(line);
        } else {
            plain_line(line, &mut out);
        }
    }
    out
}

fn plain_line(line: &str, out: &mut String) {
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        let entity = [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&')];
        let entity = entity.iter().find(|(written, _)| rest.starts_with(written));
        let taken = match (c, entity) {
            ('`', _) => {
                // Escapes in code are code.
                let from = out.len();
                let taken = code(rest, out);
                if out.get(from..) != rest.get(..taken) {
                    out.truncate(from);
                    out.push_str(rest.get(..taken).unwrap_or_default());
                }
                taken
            }
            ('&', Some((written, shown))) => {
                out.push(*shown);
                written.len()
            }
            ('\\', _) if after.starts_with(|c: char| c.is_ascii_punctuation()) => {
                out.extend(after.chars().next());
                2
            }
            _ => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = rest.get(taken.max(1)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn the_time_grows_with_the_text() {
        crate::scan_cost::is_linear(from_slack);
        crate::scan_cost::is_linear(plain);
    }

    #[rstest]
    #[case::first_line(
        "```Traceback:\n  File \"a.py\"\nValueError: x```",
        "```\nTraceback:\n  File \"a.py\"\nValueError: x\n```"
    )]
    #[case::text_after(
        "```\na = 1\nb = 2```\nCan somebody look?",
        "```\na = 1\nb = 2\n```\nCan somebody look?"
    )]
    #[case::text_right_after("```a\nb``` is it", "```\na\nb\n```\nis it")]
    #[case::text_before("see ```a\nb```", "see \n```\na\nb\n```")]
    #[case::two_blocks("```a\nb```\nand\n```c\nd```", "```\na\nb\n```\nand\n```\nc\nd\n```")]
    #[case::right_already("```\na\nb\n```\nend", "```\na\nb\n```\nend")]
    #[case::in_one_line("```a``` and ```<b>```", "```a``` and ```<b>```")]
    #[case::tags_in_a_block("```<b>\n&lt;```", "```\n<b>\n&lt;\n```")]
    #[case::left_open("```a <b>\nc", "```\na <b>\nc\n```")]
    #[case::a_mark_that_opens_nothing("what is ```?", "what is \\`\\`\\`?")]
    #[case::a_mark_at_its_end("```a\n`b````", "```\na\n`b`\n```")]
    #[case::quotation("> we ship on friday\nagreed", "> we ship on friday\n\nagreed")]
    #[case::quotation_of_lines("> a\n> b\n\nok", "> a\n> b\n\nok")]
    #[case::quotations("> a\nno\n> b\nyes", "> a\n\nno\n> b\n\nyes")]
    #[case::all_quoted(">>> a\nb\n\nc", "> a\n> b\n>\n> c")]
    #[case::all_quoted_with_a_block(
        "so\n>>> a\n```b\nc```\nd",
        "so\n> a\n> ```\n> b\n> c\n> ```\n> d"
    )]
    #[case::list_in_a_quotation("> - a\n> b", "> - a\n>\n> b")]
    #[case::quotation_in_a_quotation("> > a <b>\n> c", "> > a &lt;b&gt;\n>\n> c")]
    #[case::marks_in_items("- # a\n- ~~~\n1. ---", "- \\# a\n- \\~~~\n1. \\---")]
    #[case::a_dash_under_words("a\n-\nb", "a\n\\-\nb")]
    #[case::more_of_an_item(
        "- a\n\n    Vec<u8>\n\tVec<u8>",
        "- a\n\n    Vec&lt;u8&gt;\n\tVec&lt;u8&gt;"
    )]
    #[case::quotation_and_block("> a\n```b\nc```", "> a\n```\nb\nc\n```")]
    #[case::list("- a\n- b\nagreed", "- a\n- b\n\nagreed")]
    #[case::slacks_list("• a\n    ◦ b\nagreed", "• a\n    ◦ b\nagreed")]
    #[case::numbers("1. a\n2. b\nagreed", "1. a\n2. b\n\nagreed")]
    #[case::tag("Vec<String> is not Send", "Vec&lt;String&gt; is not Send")]
    #[case::tags_within("Map<K, Vec<V>> -> x", "Map&lt;K, Vec&lt;V&gt;&gt; -> x")]
    #[case::comment("see <!-- this -->", "see &lt;!-- this --&gt;")]
    #[case::end_and_attribute("</div> <a href=\"x\">", "&lt;/div&gt; &lt;a href=\"x\"&gt;")]
    #[case::question_mark("<?php echo 1 ?>", "&lt;?php echo 1 ?&gt;")]
    #[case::less("a < b, 1 <= 2, <3, a -> b", "a < b, 1 <= 2, <3, a -> b")]
    #[case::tag_in_code("`Vec<String>` or Vec<u8>", "`Vec<String>` or Vec&lt;u8&gt;")]
    #[case::address("<https://x.y/a__b>", "&lt;https://x.y/a__b&gt;")]
    #[case::entity(
        "&lt;b&gt; & &#60; &co;mpany; R&D",
        "&amp;lt;b&amp;gt; & &amp;#60; &amp;co;mpany; R&D"
    )]
    #[case::backslashes(r"\\server\share\*.log", r"\\\\server\share\\*.log")]
    #[case::backslash_at_the_end("a \\\nb", "a \\\\\nb")]
    #[case::dunder("__init__.py and a_b_c", r"\_\_init\_\_.py and a_b_c")]
    #[case::stars("a*b*c and 2**8", r"a\*b\*c and 2\*\*8")]
    #[case::bold("*bold* _it_ ~no~", "*bold* _it_ ~no~")]
    #[case::bold_within("(*a b*), *`x*y`* and *_c_*!", "(*a b*), *`x*y`* and *_c_*!")]
    #[case::bold_with_a_tag("*Vec<u8>* is", "*Vec&lt;u8&gt;* is")]
    #[case::bold_address("*see https://x.y/a_b*", "*see https://x.y/a_b*")]
    #[case::bold_of_markdown("**bold** and __init__", "**bold** and \\_\\_init\\_\\_")]
    #[case::no_bold(
        "*a *b*c, 2 * 3 * 4, f(*args, **kw)",
        "\\*a \\*b\\*c, 2 * 3 * 4, f(\\*args, **kw)"
    )]
    #[case::one_star("rm *.log", "rm *.log")]
    #[case::tildes("HEAD~1..HEAD~3, ~/a and ~no~", "HEAD\\~1..HEAD\\~3, ~/a and ~no~")]
    #[case::tildes_fence("~~~\na\n~~~", "\\~~~\na\n\\~~~")]
    #[case::formula("cost $a$ and $$b$$", "cost \\$a\\$ and \\$\\$b\\$\\$")]
    #[case::no_formula("$5 and $6, $HOME/bin:$PATH", "$5 and $6, $HOME/bin:$PATH")]
    #[case::note("> [!NOTE]\n> read", "> \\[!NOTE]\n> read")]
    #[case::numbers_that_stay("3. a\n1. b\n2. c", "3. a\n\n1\\. b\n2. c")]
    #[case::numbers_apart("1. a\n\n1. b", "1. a\n\n1\\. b")]
    #[case::numbers_below("1. a\n   1. b\n   2. c\n2. d", "1. a\n   1. b\n   2. c\n2. d")]
    #[case::number_with_zeros("007. Bond", "007\\. Bond")]
    #[case::quoted_block(
        "> see ```a <b>\n> c``` now\n> d\ne",
        "> see \n> ```\n> a <b>\n> c\n> ```\n> now\n> d\n\ne"
    )]
    #[case::quoted_blocks(
        "x\n> ```\n> *a*\n> ```\n> ```b\n> c```",
        "x\n> ```\n> *a*\n> ```\n> ```\n> b\n> c\n> ```"
    )]
    #[case::a_fence_out_of_a_quotation("> a ```b\nc```", "> a \n```\nb\nc\n```")]
    #[case::in_an_address(
        "see https://x.y/__a__/b*c*d\\. now",
        "see https://x.y/__a__/b*c*d\\. now"
    )]
    #[case::heading("# of users\n#7 is next", "\\# of users\n#7 is next")]
    #[case::under_a_heading("Plan\n---\nb\n===", "Plan\n\\---\nb\n\\===")]
    #[case::rule("***", "\\***")]
    #[case::table("a | b\n--- | ---", "a | b\n\\--- | ---")]
    #[case::target("[note]: see below", "\\[note]: see below")]
    #[case::call("handlers[0](event)", "handlers[0]\\(event)")]
    #[case::link("[docs](https://x.y)", "[docs](https://x.y)")]
    #[case::indented("so:\n\n    Vec<String>\n\nand", "so:\n\n    Vec<String>\n\nand")]
    #[case::a_mere_mark("it`s", "it\\`s")]
    #[case::words("Looks good — «ship» it\n\nthanks", "Looks good — «ship» it\n\nthanks")]
    fn github_shows_what_slack_showed(#[case] typed: &str, #[case] markdown: &str) {
        assert_eq!(from_slack(typed), markdown);
    }

    #[rstest]
    #[case("Vec<String> is not Send")]
    #[case(r"\\server\share and __init__ *bold*")]
    #[case("*a* and `**b**`, f(**kw), HEAD~1..HEAD~3, $a$, 2**8")]
    #[case("1. a\n\n007. b")]
    #[case("`a\\*b` &lt;b> it`s")]
    #[case("```\n<b> \\*\n&lt;\n```\na < b")]
    fn people_read_what_they_typed(#[case] typed: &str) {
        assert_eq!(plain(&from_slack(typed)), typed);
    }

    #[test]
    fn a_text_that_would_be_too_long_stays() {
        let typed = "<a".repeat(30_000);
        assert_eq!(from_slack(&typed), typed);
    }

    proptest! {
        #[test]
        fn any_text_is_written(text in "[<>&;`*_#\\\\~\\[\\](): \n|=-]{0,40}|\\PC{0,40}") {
            let markdown = from_slack(&text);
            let _ = plain(&markdown);
            // Outside code, the text has no tags left.
            if !text.contains(['`', '\t']) && !text.contains("    ") && !text.contains("http") && !text.contains("www") {
                let tag = markdown.split('<').skip(1).any(|after| after.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)));
                prop_assert!(!tag, "{markdown}");
            }
        }
    }
}
