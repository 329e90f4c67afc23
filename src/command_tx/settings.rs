//! The settings from `bot.toml` that commands use.

use std::collections::BTreeMap;

use crate::domain::address::GITHUB;
use crate::domain::entity::Entities;
use crate::domain::link::LinkRule;
use crate::domain::profile::ContainerKind;
use crate::domain::receipts::ReceiptMode;
use crate::domain::score::Weights;
use crate::domain::task::{RepoName, Source};

/// The settings from `bot.toml` that commands use.
#[derive(Debug, Clone)]
pub struct CommandSettings {
    /// The source that `create` uses if no other is given.
    pub default_source: Source,
    /// The lists that are mirrored, the one for `create` first; empty without ClickUp.
    pub lists: Vec<String>,
    /// The repositories that are mirrored, the default one first; empty without GitHub.
    pub repos: Vec<RepoName>,
    /// The origin of GitHub's pages: `https://github.com`.
    pub github_url: String,
    /// The points for the order of queues.
    pub weights: Weights,
    /// The actor of an API request that names none: a name of `[[people]]`.
    pub default_person: Option<String>,
    /// Whether Slack is configured.
    pub slack: bool,
    /// The defaults of `create` in a channel, by its Slack id.
    pub channels: BTreeMap<String, ChannelDefaults>,
    /// How outcomes are shown to people without a choice of their own.
    pub receipts: ReceiptMode,
    /// Whether replies in a task's thread are comments on it (`slack.thread_replies`).
    pub replies_comment: bool,
    /// The clients that tasks may be for; empty: any.
    pub entities: Entities,
    /// Whether comments and creations carry their author's name if several people are configured.
    pub signature: bool,
    /// How people link their accounts.
    pub link: LinkRule,
}

/// The defaults of `create` in a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelDefaults {
    /// `None` if the channel has no place of its own.
    pub source: Option<Source>,
    /// A ClickUp list id; `None` for a repository, or for the source's default.
    pub list: Option<String>,
    /// `None` for a list, or for the source's default.
    pub repo: Option<RepoName>,
    /// The client that `create` uses if no other is given; `None`: none.
    pub entity: Option<String>,
}

impl CommandSettings {
    /// The settings of a `bot.toml` that configures no source, no Slack and no people.
    pub fn new(default_source: Source) -> CommandSettings {
        CommandSettings {
            default_source,
            lists: Vec::new(),
            repos: Vec::new(),
            github_url: GITHUB.to_owned(),
            weights: Weights::default(),
            default_person: None,
            slack: false,
            channels: BTreeMap::new(),
            receipts: ReceiptMode::default(),
            replies_comment: false,
            entities: Entities::default(),
            signature: true,
            link: LinkRule::default(),
        }
    }

    /// The sources that are configured.
    pub fn sources(&self) -> impl Iterator<Item = Source> {
        let lists = (!self.lists.is_empty()).then_some(ContainerKind::Lists.source());
        let repos = (!self.repos.is_empty()).then_some(ContainerKind::Repositories.source());
        lists.into_iter().chain(repos)
    }

    /// Whether a source is configured.
    pub fn has(&self, source: Source) -> bool {
        self.sources().any(|configured| configured == source)
    }
}
