//! Reactions: the request that a reaction on a card makes, and the reactions that show an outcome.
//!
//! People react to a message of ours: `slack/gestures.rs` receives that, and the desk finds its task. We react to a
//! message of theirs: `settle.rs` decides, `slack/react.rs` places it. Names are Slack's, without colons.

use super::command::{Command, Ref};
use super::ids::TaskRow;
use super::reply::ReportState;
use super::when::When;

/// On a person's message: the source has it.
pub const DONE: &str = "white_check_mark";
/// On a person's message: it is queued.
pub const QUEUED: &str = "hourglass_flowing_sand";
/// On a person's message: refused or given up.
pub const REFUSED: &str = "x";

/// The commands of a reaction on a card, by the row of its task.
struct Sign {
    names: &'static [&'static str],
    put: fn(TaskRow) -> Command,
    /// The command when it is removed; `None` if there is none.
    taken_away: Option<fn(TaskRow) -> Command>,
}

/// Every reaction with a meaning on a card; all others are ignored.
const SIGNS: &[Sign] = &[
    Sign {
        names: &[DONE, "heavy_check_mark", "ballot_box_with_check"],
        put: |row| Command::Done {
            task: Some(Ref::Row(row)),
            comment: None,
        },
        taken_away: Some(Command::NotDone),
    },
    Sign {
        names: &["zzz"],
        put: |row| Command::Snooze {
            task: Some(Ref::Row(row)),
            until: When::tomorrow(),
        },
        taken_away: None,
    },
    Sign {
        names: &["eyes"],
        put: |row| Command::Start {
            task: Some(Ref::Row(row)),
        },
        taken_away: None,
    },
];

/// Whether a reaction on a card, added (`put`) or removed, is a command, in any skin tone.
pub fn asks(reaction: &str, put: bool) -> bool {
    sign(reaction).is_some_and(|sign| put || sign.taken_away.is_some())
}

fn sign(reaction: &str) -> Option<&'static Sign> {
    let name = reaction.split("::").next().unwrap_or(reaction);
    SIGNS.iter().find(|sign| sign.names.contains(&name))
}

/// The command of a reaction on a task's card, added (`put`) or removed, in any skin tone.
pub fn command(reaction: &str, put: bool, row: TaskRow) -> Option<Command> {
    let sign = sign(reaction)?;
    match put {
        true => Some((sign.put)(row)),
        false => sign.taken_away.map(|command| command(row)),
    }
}

impl ReportState {
    /// The reaction that shows the progress of a command.
    pub fn sign(self) -> &'static str {
        match self {
            ReportState::Done => DONE,
            ReportState::Queued => QUEUED,
            ReportState::Refused(_) | ReportState::GivenUp | ReportState::SetAside => REFUSED,
        }
    }
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
    fn only_signs_ask_for_something(#[case] reaction: &str, #[case] put: bool, #[case] asks: bool) {
        assert_eq!(super::asks(reaction, put), asks);
        assert_eq!(command(reaction, put, TaskRow(17)).is_some(), asks);
    }

    #[test]
    fn a_check_mark_is_about_the_task_of_its_card() {
        let done = Command::Done {
            task: Some(Ref::Row(TaskRow(17))),
            comment: None,
        };
        assert_eq!(command("white_check_mark", true, TaskRow(17)), Some(done));
        let taken_away = command("white_check_mark", false, TaskRow(17));
        assert_eq!(taken_away, Some(Command::NotDone(TaskRow(17))));
    }
}
