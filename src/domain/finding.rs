//! The findings of `ivan doctor`: the state of one thing, why it matters, and the remedy.

use std::path::PathBuf;

use super::source::{Source, Webhook};

/// How a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingLevel {
    /// As it should be.
    Well,
    /// It could not be checked. This alone is nothing to mend.
    Unknown,
    /// It works, and costs something: speed, safety, or a part of Ivan.
    Warning,
    /// It does not work.
    Broken,
}

impl FindingLevel {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingLevel::Well => "well",
            FindingLevel::Unknown => "unknown",
            FindingLevel::Warning => "warning",
            FindingLevel::Broken => "broken",
        }
    }

    /// The mark before a line.
    pub fn mark(self) -> char {
        match self {
            FindingLevel::Well => '✓',
            FindingLevel::Unknown => '?',
            FindingLevel::Warning => '!',
            FindingLevel::Broken => '✗',
        }
    }
}

/// The part of Ivan that a finding is about, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingArea {
    /// `bot.toml`, the environment and the secret files.
    Configuration,
    /// The database, its folder and its key.
    Store,
    /// The process that serves.
    Daemon,
    /// The Slack app.
    Slack,
    /// A source: its token, and its lists or repositories.
    Source(Source),
    /// The webhooks of all sources.
    Webhooks,
    /// The clock of this machine.
    Clock,
    /// The people and their accounts.
    People,
    /// Writes that wait, and work that was set aside.
    Work,
}

impl FindingArea {
    /// The headline.
    pub fn title(self) -> &'static str {
        match self {
            FindingArea::Configuration => "Configuration",
            FindingArea::Store => "Store",
            FindingArea::Daemon => "Daemon",
            FindingArea::Slack => "Slack",
            FindingArea::Source(source) => source.name(),
            FindingArea::Webhooks => "Webhooks",
            FindingArea::Clock => "Clock",
            FindingArea::People => "People",
            FindingArea::Work => "Work",
        }
    }

    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingArea::Configuration => "configuration",
            FindingArea::Store => "store",
            FindingArea::Daemon => "daemon",
            FindingArea::Slack => "slack",
            FindingArea::Source(source) => source.as_str(),
            FindingArea::Webhooks => "webhooks",
            FindingArea::Clock => "clock",
            FindingArea::People => "people",
            FindingArea::Work => "work",
        }
    }
}

/// A remedy that `--fix` applies by itself, because it loses nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SafeMend {
    /// Takes other users' access to a file: mode 0600.
    KeepPrivate(PathBuf),
    /// Registers the missing webhooks of a source again, and reactivates suspended ones.
    RepairWebhooks(Source),
    /// Removes a webhook of ours that delivers to the same address as another one.
    RemoveWebhook(Webhook),
}

/// The state of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The part of Ivan.
    pub area: FindingArea,
    /// The name of the check, which stays the same over versions: `slack.scope`.
    pub check: &'static str,
    /// How it is.
    pub level: FindingLevel,
    /// The state, as a sentence without a full stop.
    pub text: String,
    /// Why it matters. Empty if all is well.
    pub why: String,
    /// The command or the steps that mend it. Empty if all is well.
    pub remedy: String,
    /// The remedy of `--fix`, if there is a safe one.
    pub mend: Option<SafeMend>,
}

impl Finding {
    /// Something that is as it should be.
    pub fn well(area: FindingArea, check: &'static str, text: impl Into<String>) -> Finding {
        Finding {
            area,
            check,
            level: FindingLevel::Well,
            text: text.into(),
            why: String::new(),
            remedy: String::new(),
            mend: None,
        }
    }

    /// Something that could not be checked, and how a person can.
    pub fn unknown(
        area: FindingArea,
        check: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding {
            level: FindingLevel::Unknown,
            remedy: remedy.into(),
            ..Finding::well(area, check, text)
        }
    }

    /// Something that works and should be mended.
    pub fn warning(
        area: FindingArea,
        check: &'static str,
        text: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding {
            level: FindingLevel::Warning,
            why: why.into(),
            remedy: remedy.into(),
            ..Finding::well(area, check, text)
        }
    }

    /// Something that does not work.
    pub fn broken(
        area: FindingArea,
        check: &'static str,
        text: impl Into<String>,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding {
            level: FindingLevel::Broken,
            ..Finding::warning(area, check, text, why, remedy)
        }
    }

    /// Adds the remedy of `--fix`.
    pub fn mended_by(mut self, mend: SafeMend) -> Finding {
        self.mend = Some(mend);
        self
    }

    /// Whether a person, or `--fix`, has to do something.
    pub fn is_to_mend(&self) -> bool {
        self.level >= FindingLevel::Warning
    }
}

/// The result of `ivan doctor`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckupReport {
    /// In the order of their areas.
    pub findings: Vec<Finding>,
    /// What `--fix` did before the check, as sentences.
    pub mended: Vec<String>,
    /// What `--fix` tried and could not do, as sentences.
    pub not_mended: Vec<String>,
}

impl CheckupReport {
    /// The number of findings to mend.
    pub fn to_mend(&self) -> usize {
        let findings = self.findings.iter();
        findings.filter(|finding| finding.is_to_mend()).count()
    }

    /// The number of those that `--fix` mends.
    pub fn fixable(&self) -> usize {
        let to_mend = self.findings.iter().filter(|finding| finding.is_to_mend());
        to_mend.filter(|finding| finding.mend.is_some()).count()
    }
}
