//! The settings from `bot.toml` that commands use.

use std::collections::BTreeMap;

use crate::domain::entity::Entities;
use crate::domain::profile::ContainerKind;
use crate::domain::receipts::ReceiptMode;
use crate::domain::score::Weights;
use crate::domain::task::{RepoName, Source};

/// The settings from `bot.toml` that commands use.
#[derive(Debug, Clone)]
pub struct CommandSettings {
    pub default_source: Source,
    /// The lists that are mirrored, the one for `create` first; empty without ClickUp.
    pub lists: Vec<String>,
    /// The repositories that are mirrored, the default one first; empty without GitHub.
    pub repos: Vec<RepoName>,
    pub weights: Weights,
    /// The actor of an API request that names none: a name of `[[people]]`.
    pub default_person: Option<String>,
    pub slack: bool,
    /// The defaults of `create` in a channel, by its Slack id.
    pub channels: BTreeMap<String, ChannelDefaults>,
    pub receipts: ReceiptMode,
    /// The clients that tasks may be for; empty: any.
    pub entities: Entities,
    /// Whether comments and creations carry their author's name if several people are configured.
    pub signature: bool,
}

/// The defaults of `create` in a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelDefaults {
    pub source: Option<Source>,
    pub list: Option<String>,
    pub repo: Option<RepoName>,
    pub entity: Option<String>,
}

impl CommandSettings {
    /// The settings of a `bot.toml` that configures no source, no Slack and no people.
    pub fn new(default_source: Source) -> CommandSettings {
        CommandSettings {
            default_source,
            lists: Vec::new(),
            repos: Vec::new(),
            weights: Weights::default(),
            default_person: None,
            slack: false,
            channels: BTreeMap::new(),
            receipts: ReceiptMode::default(),
            entities: Entities::default(),
            signature: true,
        }
    }

    /// The sources that are configured.
    pub fn sources(&self) -> impl Iterator<Item = Source> {
        let lists = (!self.lists.is_empty()).then_some(ContainerKind::Lists.source());
        let repos = (!self.repos.is_empty()).then_some(ContainerKind::Repositories.source());
        lists.into_iter().chain(repos)
    }

    pub fn has(&self, source: Source) -> bool {
        self.sources().any(|configured| configured == source)
    }
}
