//! Messages that Slack drops while the link is up: never sent, but present in the DM's history.

use fastrand::Rng;
use ivan::sandbox::slack::SandboxSlack;
use rusqlite::Connection;

use super::driver::Tally;
use super::history::{Asks, Command, Step, Surface, Who};

/// DMs are often compared with their history, so that a history does not take minutes.
pub const CONFIG: &str = "slack.compare_every = \"300ms\"";

/// Adds drops to every fourth history; returns whether it did. It has its own random numbers, so that a seed's other
/// steps stay the same. Each person writes something first: a DM without any message is read after an outage only.
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

/// Drops the next messages.
pub fn next(slack: &SandboxSlack, n: u32, tally: &Tally) {
    slack.drop_next(n);
    tally.fault("Slack: message dropped while the link is up", n.into());
}

/// Whether all dropped messages have been found.
pub fn are_heard(slack: &SandboxSlack, store: &Connection) -> bool {
    let heard = "SELECT count(*) FROM slack_events WHERE json_extract(heard, '$.ts') = ?1";
    slack.dropped().iter().all(|ts| {
        let found: i64 = store.query_row(heard, [ts], |row| row.get(0)).unwrap();
        found > 0
    })
}
