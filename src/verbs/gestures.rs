//! The commands of buttons, forms and reactions: verbs with their arguments filled in.

use super::briefing::BriefingAt;
use super::create::parent;
use super::quiet::QuietChange;
use super::receipts::ReceiptsBy;
use super::undo::Undone;
use super::{
    Briefing, Command, Comment, Confirm, Create, Current, Done, Help, Link, Mute, Next, ParseError,
    Pause, Quiet, Receipts, Snooze, Start, Undo, Unmute, parse,
};
use crate::domain::card::ButtonAction;
use crate::domain::command::{CommandRef, Ref};
use crate::domain::form::SubmittedForm;
use crate::domain::ids::TaskRow;
use crate::domain::reaction;
use crate::domain::schedule::ScheduleSetting;
use crate::domain::when::When;

/// The command of a button; `None` if it has none, or a form comes first.
pub fn pressed(press: &ButtonAction) -> Option<Command> {
    let quiet = |change| {
        Command::from(Quiet {
            change: Some(change),
        })
    };
    let briefing = |at| Command::from(Briefing { at: Some(at) });
    let receipts = |by| Command::from(Receipts { by: Some(by) });
    Some(match press {
        ButtonAction::Done(task) => Done {
            task: Some(task.named()),
            ..Done::default()
        }
        .into(),
        ButtonAction::Next(task) => Next {
            from: Some(task.named()),
        }
        .into(),
        ButtonAction::Snooze(task) => until_tomorrow(task.named()),
        ButtonAction::Undo(command) => Undo {
            of: Some(Undone::Command(command.clone())),
            instead: None,
        }
        .into(),
        ButtonAction::Instead { uid, other } => Undo {
            of: Some(Undone::Command(CommandRef::Uid(uid.clone()))),
            instead: Some(other.clone()),
        }
        .into(),
        ButtonAction::Mute(true) => Mute {}.into(),
        ButtonAction::Mute(false) => Unmute {}.into(),
        ButtonAction::Briefing(Some(at)) => briefing(BriefingAt::Time(*at)),
        ButtonAction::Briefing(None) => briefing(BriefingAt::Off),
        ButtonAction::Quiet(Some(hours)) => quiet(QuietChange::Hours(*hours)),
        ButtonAction::Quiet(None) => quiet(QuietChange::Off),
        ButtonAction::QuietFrom(at) => quiet(QuietChange::From(*at)),
        ButtonAction::QuietUntil(at) => quiet(QuietChange::Until(*at)),
        ButtonAction::Receipts(by) => receipts(ReceiptsBy::Own(*by)),
        ButtonAction::Usual(ScheduleSetting::Briefing) => briefing(BriefingAt::Default),
        ButtonAction::Usual(ScheduleSetting::Quiet) => quiet(QuietChange::Default),
        ButtonAction::Usual(ScheduleSetting::Receipts) => receipts(ReceiptsBy::Default),
        ButtonAction::Link { uid, approve } => Link::answer(uid, *approve).into(),
        ButtonAction::Answer { uid, yes } => Confirm {
            id: uid.clone(),
            yes: *yes,
        }
        .into(),
        ButtonAction::Current => Current {}.into(),
        ButtonAction::Help => Help::default().into(),
        ButtonAction::Pause(task) => Pause {
            task: Some(task.named()),
        }
        .into(),
        ButtonAction::Say(text) => return parse(text).ok(),
        ButtonAction::Comment(_)
        | ButtonAction::New
        | ButtonAction::Draft(_)
        | ButtonAction::Account(_)
        | ButtonAction::Arrival { .. }
        | ButtonAction::Open(_)
        | ButtonAction::Unknown => return None,
    })
}

/// The command of a form.
///
/// # Errors
/// The task that a new one is to be a part of cannot be read. The form was checked, perhaps by another version.
pub fn filled(filled: &SubmittedForm) -> Result<Command, ParseError> {
    Ok(match filled {
        SubmittedForm::Comment { task, text } => Comment {
            task: Some(task.named()),
            text: text.clone(),
            ..Comment::default()
        }
        .into(),
        SubmittedForm::Create { create, under, .. } => Create {
            under: under.as_deref().map(parent).transpose()?,
            ..Create::from(create.as_ref().clone())
        }
        .into(),
        SubmittedForm::Link { source, account } => Link::of(*source, account).into(),
    })
}

/// A reaction that has a command on a card. All others are ignored.
struct Reaction {
    names: &'static [&'static str],
    put: fn(Ref) -> Command,
    /// The command of its removal, if that has one.
    taken_away: Option<fn(TaskRow) -> Command>,
}

const REACTIONS: &[Reaction] = &[
    Reaction {
        names: &[reaction::DONE, "heavy_check_mark", "ballot_box_with_check"],
        put: |task| {
            Command::from(Done {
                task: Some(task),
                ..Done::default()
            })
        },
        taken_away: Some(|row| {
            Command::from(Undo {
                of: Some(Undone::Completion(row)),
                instead: None,
            })
        }),
    },
    Reaction {
        names: &["zzz"],
        put: until_tomorrow,
        taken_away: None,
    },
    Reaction {
        names: &["eyes"],
        put: |task| Start { task: Some(task) }.into(),
        taken_away: None,
    },
];

/// Whether a reaction on a card has a command.
pub fn asks(name: &str, put: bool) -> bool {
    called(name).is_some_and(|one| put || one.taken_away.is_some())
}

fn called(name: &str) -> Option<&'static Reaction> {
    let name = name.split("::").next().unwrap_or(name);
    REACTIONS.iter().find(|one| one.names.contains(&name))
}

/// The command of a reaction on the card of this row, added or removed. In any skin tone.
pub fn reaction(name: &str, put: bool, row: TaskRow) -> Option<Command> {
    let reaction = called(name)?;
    match put {
        true => Some((reaction.put)(Ref::Row(row))),
        false => reaction.taken_away.map(|command| command(row)),
    }
}

fn until_tomorrow(task: Ref) -> Command {
    let until = When::tomorrow();
    Snooze {
        task: Some(task),
        until,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::mark("white_check_mark", true, true)]
    #[case::heavy("heavy_check_mark", true, true)]
    #[case::box_with_check("ballot_box_with_check", true, true)]
    #[case::skin_tone("white_check_mark::skin-tone-4", true, true)]
    #[case::another("tada", true, false)]
    #[case::our_own_sign("hourglass_flowing_sand", true, false)]
    #[case::nothing("", true, false)]
    #[case::another_taken_away("tada", false, false)]
    #[case::mark_taken_away("white_check_mark::skin-tone-2", false, true)]
    #[case::snooze_taken_away("zzz", false, false)]
    #[case::start_taken_away("eyes", false, false)]
    fn only_some_have_a_command(#[case] name: &str, #[case] put: bool, #[case] asks: bool) {
        assert_eq!(super::asks(name, put), asks);
        assert_eq!(reaction(name, put, TaskRow(17)).is_some(), asks);
    }

    #[test]
    fn a_check_mark_is_about_the_task_of_its_card() {
        let done = Done {
            task: Some(Ref::Row(TaskRow(17))),
            ..Done::default()
        };
        assert_eq!(
            reaction("white_check_mark", true, TaskRow(17)),
            Some(done.into())
        );
        let undo = Undo {
            of: Some(Undone::Completion(TaskRow(17))),
            instead: None,
        };
        assert_eq!(
            reaction("white_check_mark", false, TaskRow(17)),
            Some(undo.into())
        );
    }
}
