//! Messages that Slack drops while the link is up: neither sent nor sent again, and in the history of the DM.

use fastrand::Rng;
use ivan::sandbox::slack::Slack;
use rusqlite::Connection;

use super::driver::Tally;
use super::history::{Asks, Command, Step, Surface, Who};

/// DMs are compared with their history often, so that a history does not take minutes.
pub const CONFIG: &str = "slack.compare_every = \"300ms\"";

/// Puts drops among the steps of every fourth history; whether it did. It draws from a number of its own, so that the
/// other steps of a seed stay as they are. Before, everybody says something: a DM in which nobody
/// was ever heard is read after an outage only.
pub fn strewn(seed: u64, bare: bool, steps: &mut Vec<Step>) -> bool {
    let mut rng = Rng::with_seed(seed ^ 0x000d_20b5);
    if rng.u32(..4) != 0 {
        return false;
    }
    if !bare {
        let current = |who| Command {
            who,
            by: Surface::Dm,
            what: Asks::Current,
        };
        steps.splice(0..0, Who::ALL.map(|who| Step::Types(current(who))));
    }
    let is_current =
        |step: &Step| matches!(step, Step::Types(command) if command.what == Asks::Current);
    let mut current = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| is_current(step));
    let after = current.nth(1).map_or(0, |(place, _)| place + 1);
    for _ in 0..rng.usize(1..=3) {
        let place = rng.usize(after..=steps.len());
        steps.insert(place, Step::DropsMessages(rng.u32(1..=2)));
    }
    true
}

/// The next messages are dropped.
pub fn next(slack: &Slack, n: u32, tally: &Tally) {
    slack.drop_next(n);
    tally.fault("Slack: message dropped while the link is up", n.into());
}

/// Whether everything that was dropped has been found.
pub fn are_heard(slack: &Slack, store: &Connection) -> bool {
    let heard = "SELECT count(*) FROM slack_events WHERE json_extract(heard, '$.ts') = ?1";
    slack.dropped().iter().all(|ts| {
        let found: i64 = store.query_row(heard, [ts], |row| row.get(0)).unwrap();
        found > 0
    })
}
