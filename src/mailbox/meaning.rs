//! A message → its command, or a hint at the possible ones.

use super::{Attachments, Gesture, IncomingMessage, ThreadReplies};
use crate::domain::reply::{self, Text};
use crate::domain::shared_file::{FILES_MAX, SharedFile};
use crate::limits::Limit;
use crate::verbs::{self, Command, Comment, ParseError};

/// The command of a message, or a hint; and words about attachments that the command does not use.
pub(super) fn meaning(
    heard: &IncomingMessage,
    replies: ThreadReplies,
) -> (Result<Command, Text>, Option<Text>) {
    let attached = &heard.attached;
    let (read, pieces) = read(heard, replies);
    match read {
        Ok(mut command) => {
            let (linked, unlinked): (Vec<SharedFile>, Vec<SharedFile>) =
                (attached.shared.iter().cloned()).partition(|file| file.url.is_some());
            let added = command.add(pieces) && command.add_files(&linked);
            let left = match added {
                true => not_linked(&unlinked, attached),
                false => reply::not_taken_over(&attached.files, attached.forwarded),
            };
            (Ok(command), left)
        }
        Err(hint) => (Err(hint), None),
    }
}

/// The text by which a message that was not acted on is listed. `None`: it is neither a command, be it a faulty one, nor
/// a comment on the task of its thread.
pub(super) fn listed_as(heard: &IncomingMessage, replies: ThreadReplies) -> Option<String> {
    let is_command = match verbs::parse(&heard.text) {
        Ok(_) => true,
        Err(ParseError::Empty) => false,
        Err(hint) => !hint.is_prose(),
    };
    if !is_command && read(heard, replies).0.is_err() {
        return None;
    }
    let (typed, files) = (heard.text.trim(), &heard.attached.files);
    Some(match (typed, files.is_empty()) {
        ("", true) => "a forwarded message".to_owned(),
        ("", false) => files.join(", "),
        (typed, _) => typed.to_owned(),
    })
}

/// The files of a message that its command does not link to, and why.
fn not_linked(unlinked: &[SharedFile], attached: &Attachments) -> Option<Text> {
    let names: Vec<String> = unlinked.iter().map(|file| file.name.clone()).collect();
    let unknown = match attached.lacks_scope {
        true => reply::files_need_scope(&names),
        false => reply::files_without_address(&names),
    };
    if attached.left_out > 0 {
        Limit::Files.reached(format_args!(
            "a message has more than {FILES_MAX} files; the others are not linked"
        ));
    }
    let left_out = reply::files_left_out(attached.left_out, FILES_MAX);
    let words: Vec<Text> = unknown.into_iter().chain(left_out).collect();
    (!words.is_empty()).then(|| reply::joined(words, " "))
}

/// The same without attachments, and the attachments that are still to be added.
fn read(heard: &IncomingMessage, replies: ThreadReplies) -> (Result<Command, Text>, &[String]) {
    let attached = &heard.attached;
    let said = matches!(heard.gesture, Gesture::Said | Gesture::Replied) && !attached.is_empty();
    let has_link = attached.shared.iter().any(|file| file.url.is_some());
    let in_thread = heard.thread.is_some() && replies == ThreadReplies::Comment;
    match (verbs::parse(&heard.text), attached.pieces.split_first()) {
        // The attachments are the comment.
        (Err(ParseError::EmptyComment), Some((first, rest))) if said => {
            (comment_with(&heard.text, first), rest)
        }
        (Err(ParseError::EmptyComment), None) if said && has_link => {
            (comment_of_files(&heard.text), &[])
        }
        (Err(ParseError::EmptyComment), None) if said && !attached.shared.is_empty() => {
            let hint = Text::new().text(ParseError::EmptyComment.to_string());
            let why = not_linked(&attached.shared, attached);
            let words = std::iter::once(hint).chain(why);
            (Err(reply::joined(words, " ")), &[])
        }
        (Err(ParseError::Empty), Some((first, rest))) if said && in_thread => {
            (Ok(Comment::in_thread(first).into()), rest)
        }
        (Err(ParseError::Empty), None) if said && has_link && in_thread => {
            (Ok(Comment::in_thread("").into()), &[])
        }
        (Err(ParseError::Empty), _) if said => (
            Err(reply::no_command_with(
                attached.snippet.as_deref(),
                &attached.files,
                attached.forwarded,
            )),
            &[],
        ),
        _ => (asked_for(heard, replies), &attached.pieces),
    }
}

/// The comment for a `comment` without words, with this text.
fn comment_with(typed: &str, text: &str) -> Result<Command, Text> {
    let whole = format!("{} {text}", typed.trim_end());
    verbs::parse(&whole).map_err(|hint| Text::new().text(hint.to_string()))
}

/// The comment for a `comment` without words that comes with files: the links to them are all of it.
fn comment_of_files(typed: &str) -> Result<Command, Text> {
    // The grammar wants a text to tell the REF by.
    Ok(match comment_with(typed, "file")? {
        Command::Comment(comment) => Comment {
            text: String::new(),
            ..comment
        }
        .into(),
        command => command,
    })
}

/// The command of a message, or a hint at the possible ones.
fn asked_for(heard: &IncomingMessage, replies: ThreadReplies) -> Result<Command, Text> {
    let in_thread = heard.thread.is_some() && replies == ThreadReplies::Comment;
    match &heard.gesture {
        Gesture::Said | Gesture::Slash { .. } => match verbs::parse(&heard.text) {
            Err(hint) if in_thread && hint.is_prose() => Ok(Comment::in_thread(&heard.text).into()),
            // Possible client names may be prose as well: in the thread of a task's message they count as prose.
            Ok(Command::List(list)) if in_thread && list.filter.entities.len() > 1 => {
                Ok(Comment::in_thread(&heard.text).into())
            }
            read => read.map_err(|hint| Text::new().text(hint.to_string())),
        },
        Gesture::Replied => Ok(Comment::in_thread(match verbs::parse(&heard.text) {
            Ok(Command::Comment(Comment {
                task: None, text, ..
            })) => text,
            _ => heard.text.clone(),
        })
        .into()),
        Gesture::Pressed(press) | Gesture::PressedAlone { press, .. } => {
            verbs::gestures::pressed(press).ok_or_else(reply::not_a_button)
        }
        Gesture::Submitted { filled, .. } => {
            let read = verbs::gestures::filled(filled);
            read.map_err(|hint| Text::new().text(hint.to_string()))
        }
        Gesture::Signed {
            reaction,
            put,
            task,
        } => task
            .and_then(|row| verbs::gestures::reaction(reaction, *put, row))
            .ok_or_else(reply::not_a_button),
        Gesture::SignedOutcome => Err(reply::reaction_on_outcome()),
        Gesture::InUnknownThread => Err(reply::unknown_thread()),
        // They have no command, and never get here.
        Gesture::OpenedHome | Gesture::OpenedDm => Err(reply::not_a_button()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const URL: &str = "https://acme.slack.com/files/F1";

    fn file(number: usize, url: Option<&str>) -> SharedFile {
        SharedFile::new(&format!("F{number}"), &format!("{number}.png"), url)
    }

    fn message(text: &str, shared: Vec<SharedFile>) -> IncomingMessage {
        let files = shared.iter().map(|file| file.name.clone()).collect();
        IncomingMessage {
            keys: Vec::new(),
            user: "U0ANN01".into(),
            channel: "D0ANN01".into(),
            direct: true,
            text: text.into(),
            ts: "1763800000.123459".into(),
            said_at: chrono::DateTime::UNIX_EPOCH,
            thread: None,
            gesture: Gesture::Said,
            attached: Attachments {
                files,
                shared,
                ..Attachments::default()
            },
        }
    }

    /// The command of a message with a file, and the words about the file.
    fn read_as(heard: &IncomingMessage) -> (Command, Option<String>) {
        let (read, left) = meaning(heard, ThreadReplies::Hint);
        (read.unwrap(), left.map(|words| words.plain()))
    }

    #[test]
    fn files_are_all_of_a_comment_without_words() {
        let heard = message("comment on #1:", vec![file(1, Some(URL))]);
        let (command, left) = read_as(&heard);
        let Command::Comment(comment) = command else {
            panic!("{command:?}");
        };
        assert_eq!((comment.text.as_str(), comment.files.len()), ("", 1));
        assert!(comment.task.is_some());
        assert_eq!(left, None);
        // The colon is missing.
        let heard = message("comment on #1", vec![file(1, Some(URL))]);
        assert!(meaning(&heard, ThreadReplies::Hint).0.is_err());
        // Without a link there is nothing to say.
        let heard = message("comment on #1:", vec![file(1, None)]);
        let hint = meaning(&heard, ThreadReplies::Hint).0.unwrap_err();
        assert!(hint.plain().contains("1.png"), "{}", hint.plain());
    }

    #[rstest]
    #[case::command("done", "done")]
    #[case::with_an_error("label 2 +bug --json", "label 2 +bug --json")]
    #[case::without_its_text("comment on #1:", "comment on #1:")]
    #[case::prose("the vendor calls back", "")]
    #[case::empty("", "")]
    fn a_message_is_listed_if_it_has_a_command(#[case] text: &str, #[case] listed: &str) {
        let heard = message(text, vec![]);
        let as_listed = listed_as(&heard, ThreadReplies::Comment);
        assert_eq!(as_listed.unwrap_or_default(), listed);
    }

    #[test]
    fn comments_in_a_thread_are_listed_by_their_words_or_files() {
        let in_thread = |text: &str, shared: Vec<SharedFile>| IncomingMessage {
            thread: Some("1763799000.000100".into()),
            ..message(text, shared)
        };
        let prose = in_thread("the vendor calls back\n", vec![]);
        let listed = |heard: &IncomingMessage| listed_as(heard, ThreadReplies::Comment);
        assert_eq!(listed(&prose).as_deref(), Some("the vendor calls back"));
        assert_eq!(listed_as(&prose, ThreadReplies::Hint), None);
        let files = in_thread("", vec![file(1, Some(URL)), file(2, Some(URL))]);
        assert_eq!(listed(&files).as_deref(), Some("1.png, 2.png"));
        assert_eq!(listed_as(&files, ThreadReplies::Hint), None);
        let mut forwarded = in_thread("", vec![]);
        forwarded.attached.pieces = vec!["> see here".into()];
        assert_eq!(listed(&forwarded).as_deref(), Some("a forwarded message"));
        // Outside a thread it has no task.
        forwarded.thread = None;
        assert_eq!(listed(&forwarded), None);
    }

    #[test]
    fn no_more_than_ten_files_are_linked() {
        let before = Limit::Files.times();
        let mut heard = message("create Fix login", vec![file(1, Some(URL)), file(2, None)]);
        heard.attached.left_out = 3;
        let (command, left) = read_as(&heard);
        let Command::Create(create) = command else {
            panic!("{command:?}");
        };
        assert_eq!(create.files, [file(1, Some(URL))]);
        let left = left.unwrap();
        assert!(
            left.contains("2.png") && left.contains("3 more files"),
            "{left}"
        );
        assert!(Limit::Files.times() > before);
        heard.attached.lacks_scope = true;
        let left = read_as(&heard).1.unwrap();
        assert!(left.contains("files:read"), "{left}");
    }
}
