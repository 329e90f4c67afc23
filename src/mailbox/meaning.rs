//! A message → its command, or a hint at the possible ones.

use super::{Gesture, IncomingMessage, ThreadReplies};
use crate::domain::reply::{self, Text};
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
            let added = command.add(pieces);
            let left = match added {
                true => reply::files_without_address(&attached.lost),
                false => reply::not_taken_over(&attached.files, attached.forwarded),
            };
            (Ok(command), left)
        }
        Err(hint) => (Err(hint), None),
    }
}

/// The same without attachments, and the attachments that are still to be added.
fn read(heard: &IncomingMessage, replies: ThreadReplies) -> (Result<Command, Text>, &[String]) {
    let attached = &heard.attached;
    let said = matches!(heard.gesture, Gesture::Said | Gesture::Replied) && !attached.is_empty();
    let read = verbs::parse(&heard.text);
    let in_words = |hint: ParseError| Text::new().text(hint.to_string());
    match (read, attached.pieces.split_first()) {
        // The attachments are the comment.
        (Err(ParseError::EmptyComment), Some((first, rest))) if said => {
            let whole = format!("{} {first}", heard.text.trim_end());
            (verbs::parse(&whole).map_err(in_words), rest)
        }
        (Err(ParseError::Empty), Some((first, rest)))
            if said && heard.thread.is_some() && replies == ThreadReplies::Comment =>
        {
            (Ok(Comment::in_thread(first).into()), rest)
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
        Gesture::Submitted { filled, .. } => Ok(verbs::gestures::filled(filled)),
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
