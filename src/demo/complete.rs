//! Tab at the demo's prompt: verbs, gestures, buttons, channels, people and refs.
//!
//! Pure: [`completed`] gets the line up to the cursor and [`Known`].

use crate::verbs::VERBS;

/// The names that exist at the moment.
#[derive(Default)]
pub(super) struct Known {
    /// The names of the buttons that `press` finds.
    pub(super) buttons: Vec<String>,
    /// The fields of the open form.
    pub(super) fields: Vec<String>,
    pub(super) channels: Vec<String>,
    /// Names without `@`.
    pub(super) people: Vec<String>,
    /// Issues as `#7`, tasks by their ids.
    pub(super) refs: Vec<String>,
}

/// The first words that are no verb.
const GESTURES: [&str; 20] = [
    "press", "react", "unreact", "thread", "file", "shortcut", "fill", "submit", "cancel", "home",
    "as", "/ivan", "!close", "!comment", "!lose", "!poll", "!down", "!up", "!help", "!quit",
];
const SOURCES: [&str; 2] = ["clickup", "github"];
const FAULTS: [&str; 4] = ["down", "up", "lost", "slow"];
const REACTIONS: [&str; 3] = ["white_check_mark", "eyes", "zzz"];
const SHORTCUTS: [&str; 2] = ["new_task", "message"];

/// Where the word before the cursor begins, and the words that it may become.
pub(super) fn completed(line: &str, known: &Known) -> (usize, Vec<String>) {
    let indented = line.len() - line.trim_start().len();
    let text = line.trim_start();
    let Some((first, rest)) = text.split_once(' ') else {
        return (indented, beginning(text, first_words(known)));
    };
    let start = line.len() - rest.len();
    let within = |rest: &str| line.len() - rest.len();
    match first {
        // `as bo done`, `#general create`, `/ivan list`: a further line begins.
        "as" => match rest.split_once(' ') {
            None => (
                start,
                beginning(rest, known.people.iter().map(String::as_str)),
            ),
            Some((_, line)) => further(line, within(line), known),
        },
        "/ivan" => further(rest, start, known),
        "file" => match rest.split_once(' ') {
            None => (start, Vec::new()),
            Some((_, line)) => further(line, within(line), known),
        },
        _ if known.channels.iter().any(|name| name == first) => further(rest, start, known),
        "press" => (
            start,
            beginning(rest, known.buttons.iter().map(String::as_str)),
        ),
        "fill" => (
            start,
            beginning(rest, known.fields.iter().map(String::as_str)),
        ),
        "react" | "unreact" => (start, beginning(rest, REACTIONS)),
        "shortcut" => (start, beginning(rest, SHORTCUTS)),
        "!down" | "!up" => (start, beginning(rest, SOURCES)),
        "!clickup" | "!github" => (start, beginning(rest, FAULTS)),
        _ => last_word(rest, start, first, known),
    }
}

fn further(line: &str, start: usize, known: &Known) -> (usize, Vec<String>) {
    let (at, words) = completed(line, known);
    (start + at, words)
}

/// The last word of a verb's arguments: a person behind `@`, a ref behind `#`, or any ref as the first argument.
fn last_word(rest: &str, start: usize, verb: &str, known: &Known) -> (usize, Vec<String>) {
    let word = rest.rsplit_once(' ').map_or(rest, |(_, word)| word);
    let at = start + rest.len() - word.len();
    let refs = known.refs.iter().map(String::as_str);
    if let Some(name) = word.strip_prefix('@') {
        return (
            at + 1,
            beginning(name, known.people.iter().map(String::as_str)),
        );
    }
    let takes_a_text = VERBS
        .iter()
        .any(|row| row.info.name == verb && row.info.text);
    if word.starts_with('#') || (at == start && !takes_a_text) {
        return (at, beginning(word, refs));
    }
    (at, Vec::new())
}

fn first_words(known: &Known) -> impl Iterator<Item = &str> {
    let verbs = VERBS.iter().map(|row| row.info.name);
    let channels = known.channels.iter().map(String::as_str);
    verbs.chain(GESTURES).chain(channels)
}

/// The words that begin so, in either case, each once.
fn beginning<'w>(text: &str, words: impl IntoIterator<Item = &'w str>) -> Vec<String> {
    let text = text.to_lowercase();
    let fits = |word: &&str| word.to_lowercase().starts_with(&text);
    let mut found: Vec<String> = words.into_iter().filter(fits).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_of_a_line_has_its_words() {
        let all = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let known = Known {
            buttons: all(&["Done", "Next", "Briefing at 08:15 ▾"]),
            fields: all(&["title"]),
            channels: all(&["#general", "#random"]),
            people: all(&["ana", "bo", "ivan"]),
            refs: all(&["#5", "#7", "86tst0001"]),
        };
        for (line, start, words) in [
            ("do", 0, "done"),
            ("  cur", 2, "current"),
            ("sta", 0, "start stats status"),
            ("#g", 0, "#general"),
            ("!d", 0, "!down"),
            ("!down ", 6, "clickup github"),
            ("press d", 6, "Done"),
            ("fill ", 5, "title"),
            ("react e", 6, "eyes"),
            ("as b", 3, "bo"),
            ("as bo do", 6, "done"),
            ("as bo press n", 12, "Next"),
            ("#general cre", 9, "create"),
            ("/ivan lis", 6, "list"),
            ("file shot.png", 5, ""),
            ("file shot.png cre", 14, "create"),
            ("done ", 5, "#5 #7 86tst0001"),
            ("done 8", 5, "86tst0001"),
            ("assign @b", 8, "bo"),
            ("comment on #7", 11, "#7"),
            ("comment near", 8, ""),
            ("create a text with a ", 21, ""),
        ] {
            let (at, found) = completed(line, &known);
            assert_eq!((at, found.join(" ").as_str()), (start, words), "{line:?}");
        }
    }
}
