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
