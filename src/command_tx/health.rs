//! The state of the connections, which is only in memory.

use std::collections::BTreeMap;

use crate::domain::reply::{self, ReadingProgress, SlackHealth, SourceHealth, Text};
use crate::domain::scope::UnmetScope;
use crate::domain::task::Source;

/// Set by Slack and the polls; empty after a start.
#[derive(Debug, Default)]
pub struct LiveHealth {
    /// The state of the connection to Slack; `None` if Slack is not configured.
    pub slack: Option<SlackHealth>,
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
