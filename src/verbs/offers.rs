//! Texts in a DM that are no command, and the things that their authors may have meant. A text is offered, never done.

use super::grammar::{ParseError, split_word, spoken, trim, unmarked, without_smiles};
use super::{Command, VERBS, is_create_alone, parse};
use crate::domain::command::Ref;
use crate::domain::filter::Filter;
use crate::domain::spelling::nearest;

/// The longest command on a button, in bytes.
pub const MEANT_MAX: usize = 200;

/// Words before a title: they say that it is a task.
const TASK_WORDS: [&str; 3] = ["add", "new", "todo"];

/// Something that a text may have meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// An end of something: of notices, or of work on the current task.
    Stop,
    /// A command with a typo, as it should have been typed.
    Meant(String),
    /// A new task with the text as its title.
    Task,
    /// A new task without a title.
    Title,
    /// Nothing that can be told.
    Commands,
}

/// The offer for a text; `None`: it is a command, or one whose error explains itself.
pub fn offer(text: &str) -> Option<Offer> {
    const STOPS: [&str; 6] = [
        "stop",
        "stop it",
        "unsubscribe",
        "unsubscribe me",
        "quit",
        "leave me alone",
    ];
    if STOPS.contains(&spoken(unmarked(without_smiles(text))).as_str()) {
        return Some(Offer::Stop);
    }
    let error = match parse(text) {
        Ok(_) => return None,
        Err(error) => error,
    };
    match error {
        ParseError::Empty => Some(Offer::Commands),
        _ if trim(without_smiles(text)).is_empty() => Some(Offer::Commands),
        _ if is_create_alone(text) => Some(Offer::Title),
        ParseError::UnknownVerb(_) => Some(match (corrected(text), titled(text)) {
            (_, "") => Offer::Title,
            (Some(meant), _) => Offer::Meant(meant),
            (None, _) => Offer::Task,
        }),
        error if error.is_prose() => Some(Offer::Task),
        _ => None,
    }
}

/// The command that a text with a typo in its verb means. A text that could be prose has none.
fn corrected(text: &str) -> Option<String> {
    let (word, rest) = split_word(trim(text));
    let names = VERBS.iter().map(|row| row.info.name);
    let name = nearest(&unmarked(word).to_lowercase(), names)?;
    let meant = format!("{name}{}", rest.trim_end());
    let command = parse(&meant).ok()?;
    let is_certain = rest.trim().is_empty() || !command.takes_any_word() && !command.info().text;
    (is_certain && fits(&meant)).then_some(meant)
}

/// The list that a text with a typo in a filter means: `list overdu`.
pub fn meant_list(text: &str) -> Option<String> {
    let Ok(Command::List(list)) = parse(text) else {
        return None;
    };
    let word = list.filter.entities.iter().next()?;
    let known = nearest(word, Filter::WORDS).filter(|_| list.filter.entities.len() == 1)?;
    let words = trim(text).split_whitespace();
    let fixed = words.map(|one| match one.eq_ignore_ascii_case(word) {
        true => known,
        false => one,
    });
    let meant = fixed.collect::<Vec<_>>().join(" ");
    fits(&meant).then_some(meant)
}

/// The command with an issue in place of a number of a list: `done 81` → `done #81`. The issue may not exist.
pub fn meant_issue(text: &str) -> Option<(String, Ref)> {
    let command = parse(text).ok().filter(|_| !trim(text).contains('\n'))?;
    let Some(Ref::Nth(number)) = command.task() else {
        return None;
    };
    let number = number.to_string();
    let mut words: Vec<&str> = trim(text).split_whitespace().collect();
    let position = words
        .iter()
        .position(|word| word.trim_end_matches([':', '.', '!']) == number)?;
    let issue = words.get(position)?.replace(&number, &format!("#{number}"));
    *words.get_mut(position)? = &issue;
    let meant = words.join(" ");
    let task = match parse(&meant).ok()?.task()? {
        Ref::Issue(issue) => Ref::Issue(*issue),
        _ => return None,
    };
    fits(&meant).then_some((meant, task))
}

/// The text without a word before it that only says that it is a task: `todo`, `new task:`.
pub fn titled(text: &str) -> &str {
    let text = trim(text);
    let (word, rest) = split_word(text);
    let is_word = |word: &str, one: &str| word.trim_end_matches(':').eq_ignore_ascii_case(one);
    if !TASK_WORDS.iter().any(|one| is_word(word, one)) {
        return text;
    }
    let (next, after) = split_word(trim(rest));
    let next_is_task = is_word(next, "task") || is_word(next, "todo");
    trim(if next_is_task { after } else { rest })
}

fn fits(meant: &str) -> bool {
    meant.len() <= MEANT_MAX && !meant.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn meant(text: &str) -> Option<Offer> {
        Some(Offer::Meant(text.to_owned()))
    }

    #[rstest]
    #[case("dnoe", meant("done"))]
    #[case("dnoe 2", meant("done 2"))]
    #[case("Lst", meant("list"))]
    #[case::prose("lost my keys", Some(Offer::Task))]
    #[case::prose_after_a_verb("done with the cert", Some(Offer::Task))]
    #[case("please fix the printer", Some(Offer::Task))]
    #[case("todo buy milk", Some(Offer::Task))]
    #[case("todo", Some(Offer::Title))]
    #[case("new task", Some(Offer::Title))]
    #[case("create", Some(Offer::Title))]
    #[case("STOP!", Some(Offer::Stop))]
    #[case("unsubscribe", Some(Offer::Stop))]
    #[case(":tada:", Some(Offer::Commands))]
    #[case("", Some(Offer::Commands))]
    #[case("done 2", None)]
    #[case::the_error_explains_itself("done -c", None)]
    fn a_text_is_offered(#[case] text: &str, #[case] offered: Option<Offer>) {
        assert_eq!(offer(text), offered);
    }

    #[rstest]
    #[case("buy milk", "buy milk")]
    #[case("todo buy milk", "buy milk")]
    #[case("New task: buy milk", "buy milk")]
    #[case("add", "")]
    fn words_before_a_title_are_left_out(#[case] text: &str, #[case] title: &str) {
        assert_eq!(titled(text), title);
    }

    #[rstest]
    #[case("list overdu", Some("list overdue"))]
    #[case("ls overdu", Some("ls overdue"))]
    #[case("list acme", None)]
    #[case("list overdue", None)]
    #[case("list my overdu things", None)]
    fn a_filter_with_a_typo_is_recognised(#[case] text: &str, #[case] meant: Option<&str>) {
        assert_eq!(meant_list(text).as_deref(), meant);
    }

    #[rstest]
    #[case("done 81", Some("done #81"))]
    #[case("Snooze 7 2h", Some("Snooze #7 2h"))]
    #[case("comment on 7: seen", Some("comment on #7: seen"))]
    #[case::no_number("done #81", None)]
    #[case::no_ref("list 7", None)]
    #[case::long(&format!("comment on 7: {}", "a".repeat(500)), None)]
    fn a_number_may_mean_an_issue(#[case] text: &str, #[case] meant: Option<&str>) {
        let found = meant_issue(text);
        assert_eq!(found.as_ref().map(|(text, _)| text.as_str()), meant);
    }

    /// First messages of thirty newcomers: each is a command, a greeting, or is offered something.
    #[test]
    fn no_first_message_ends_in_a_plain_refusal() {
        for text in [
            "hi",
            "hello there",
            "Hey Ivan!",
            "good morning",
            "thanks",
            "ok",
            "test",
            "what's next?",
            "What\u{2019}s next",
            "what should I do",
            "what now?",
            "what can you do?",
            "who are you?",
            "help",
            "help me",
            "how does this work?",
            "ls",
            "my tasks",
            "show my tasks",
            "add buy milk",
            "new task: call the bank",
            "todo write the report",
            "finish",
            "complete",
            "close",
            "dnoe",
            "stop",
            "unsubscribe",
            "the login page is broken on Safari",
            "can you remind me to call Ann tomorrow?",
            "done with the first half",
            "\u{1f44d}",
            "",
            "list overdu",
        ] {
            let understood = parse(text).is_ok() || super::super::is_greeting(text);
            assert!(understood || offer(text).is_some(), "{text}");
        }
    }
}
