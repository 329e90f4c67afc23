//! Reactions: the request that a reaction on a card makes, and the reactions that show an outcome.
//!
//! People react to a message of ours: `slack/gestures.rs` receives that, and the mailbox finds its task. We react to a
//! message of theirs: `completion.rs` decides, `slack/react.rs` places it. Names are Slack's, without colons.

use super::reply::ReportState;

/// On a person's message: the source has it.
pub const DONE: &str = "white_check_mark";
/// On a person's message: it is queued.
pub const QUEUED: &str = "hourglass_flowing_sand";
/// On a person's message: refused or given up.
pub const REFUSED: &str = "x";

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
