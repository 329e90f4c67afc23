//! The state of the connections, which is only in memory.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::reply::{self, ReadingProgress, SlackHealth, SourceHealth, Text};
use crate::domain::scope::UnmetScope;
use crate::domain::task::Source;

/// Set by Slack and the polls; empty after a start.
#[derive(Debug, Default)]
pub struct LiveHealth {
    /// The state of the connection to Slack; `None` if Slack is not configured.
    pub slack: Option<SlackHealth>,
    /// Since when that is its state; `None` if Slack is not configured.
    pub slack_since: Option<DateTime<Utc>>,
    /// The error of a source's last sync.
    pub sources: BTreeMap<Source, String>,
    /// Full reads that are under way.
    pub reading: BTreeMap<Source, ReadingProgress>,
    /// Why reactions cannot be placed.
    pub reactions: Option<String>,
    /// Scopes that the Slack app lacks.
    pub missing_scopes: Vec<UnmetScope>,
    /// Links of the Slack app that are not held here.
    pub other_links: u32,
}

impl LiveHealth {
    /// Sets the state of the connection to Slack.
    pub fn slack_is(&mut self, state: SlackHealth, now: DateTime<Utc>) {
        // Another reason is no other state.
        let is_same =
            |before: &SlackHealth| std::mem::discriminant(before) == std::mem::discriminant(&state);
        if !self.slack.as_ref().is_some_and(is_same) {
            self.slack_since = Some(now);
        }
        self.slack = Some(state);
    }

    /// Sets the error of the last sync, and a read under way, in the health of each listed source.
    pub fn add_errors(&self, sources: &mut BTreeMap<Source, SourceHealth>) {
        for (source, error) in &self.sources {
            if let Some(of_source) = sources.get_mut(source) {
                of_source.error = Some(error.clone());
            }
        }
        for (source, reading) in &self.reading {
            if let Some(of_source) = sources.get_mut(source) {
                of_source.reading = Some(*reading);
            }
        }
    }

    /// Sources that cannot be read, and why.
    pub fn troubles(&self) -> Vec<Text> {
        let sources = self.sources.iter();
        sources
            .map(|(source, why)| reply::home_trouble(*source, why))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_slack_has_its_beginning() {
        let mut health = LiveHealth::default();
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let trouble = |why: &str| SlackHealth::Trouble(why.to_owned());
        for (state, second, since) in [
            (SlackHealth::Connecting, 1, 1),
            (SlackHealth::Connected, 2, 2),
            (SlackHealth::Connected, 3, 2),
            (trouble("no answer"), 4, 4),
            (trouble("a bad answer"), 5, 4),
            (SlackHealth::Connected, 6, 6),
        ] {
            health.slack_is(state.clone(), at(second));
            assert_eq!(health.slack, Some(state));
            assert_eq!(health.slack_since, Some(at(since)));
        }
    }
}
