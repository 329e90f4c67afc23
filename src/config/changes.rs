//! The keys that differ between two configurations, and which of them need a restart.
//!
//! Secrets are compared by their digests and never shown. The tables of a list are compared as a whole: thousands of people
//! would take megabytes.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::layers::LISTS_OF_TABLES;
use super::{Config, GitHubConfig, Secret};

/// One key whose value is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigChange {
    /// The dotted key, or the name of a list of tables: `queue.score.overdue`, `people`.
    pub key: String,
    /// The former value as TOML; `None` if it was not set, or is not shown.
    pub from: Option<String>,
    /// The new one.
    pub to: Option<String>,
}

/// The values of a configuration, to compare them with later ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigKeys(BTreeMap<String, KeyValue>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct KeyValue {
    digest: [u8; 32],
    /// As TOML; `None` for a list of tables, a secret, and a key without a value.
    shown: Option<String>,
}

impl ConfigKeys {
    /// The values of a configuration.
    pub fn of(config: &Config) -> ConfigKeys {
        let mut values: BTreeMap<String, KeyValue> = BTreeMap::new();
        let mut lists: BTreeMap<&str, Sha256> = BTreeMap::new();
        for shown in &config.shown {
            let (key, value) = shown.key_and_value();
            let is_in = |list: &&&str| {
                let rest = key.strip_prefix(**list);
                rest.is_some_and(|rest| rest.starts_with('.'))
            };
            match LISTS_OF_TABLES.iter().find(is_in) {
                Some(list) => {
                    let list = lists.entry(list).or_default();
                    list.update(key);
                    list.update([0]);
                    list.update(value.unwrap_or_default());
                    list.update([0]);
                }
                None => {
                    let value = KeyValue {
                        digest: Sha256::digest(value.unwrap_or_default()).into(),
                        shown: value.map(str::to_owned),
                    };
                    values.insert(key.to_owned(), value);
                }
            }
        }
        for (list, digest) in lists {
            let value = KeyValue {
                digest: digest.finalize().into(),
                shown: None,
            };
            values.insert(list.to_owned(), value);
        }
        for (key, secret) in secrets(config) {
            let value = KeyValue {
                digest: Sha256::digest(secret.expose()).into(),
                shown: None,
            };
            values.insert(key.to_owned(), value);
        }
        ConfigKeys(values)
    }

    /// The keys whose values are others in `newer`, by name.
    pub fn changes(&self, newer: &ConfigKeys) -> impl Iterator<Item = ConfigChange> + use<> {
        let mut changes = Vec::new();
        let removed = self.0.keys().filter(|key| !newer.0.contains_key(*key));
        let mut keys: Vec<&String> = newer.0.keys().chain(removed).collect();
        keys.sort();
        for key in keys {
            let (from, to) = (self.0.get(key), newer.0.get(key));
            let unset = KeyValue {
                digest: Sha256::digest("").into(),
                shown: None,
            };
            if from.unwrap_or(&unset) == to.unwrap_or(&unset) {
                continue;
            }
            changes.push(ConfigChange {
                key: key.clone(),
                from: from.and_then(|value| value.shown.clone()),
                to: to.and_then(|value| value.shown.clone()),
            });
        }
        changes.into_iter()
    }
}

/// The secrets whose values count, by key.
fn secrets(config: &Config) -> impl Iterator<Item = (&'static str, &Secret)> {
    let slack = config.slack.as_ref();
    let clickup = config.clickup.as_ref();
    let github = config.github.as_ref();
    let all = [
        ("slack.app_token", slack.map(|slack| &slack.app_token)),
        ("slack.bot_token", slack.map(|slack| &slack.bot_token)),
        ("clickup.token", clickup.map(|clickup| &clickup.token)),
        (
            "clickup.webhook_secret",
            clickup.and_then(|clickup| clickup.webhook_secret.as_ref()),
        ),
        ("github.token", github.and_then(GitHubConfig::token)),
        (
            "github.app_key_file",
            github.and_then(GitHubConfig::app_key),
        ),
        (
            "github.webhook_secret",
            github.and_then(|github| github.webhook_secret.as_ref()),
        ),
        ("api.token", config.api.token.as_ref()),
        (
            "standby.secret_access_key",
            config
                .standby
                .as_ref()
                .map(|standby| &standby.secret_access_key),
        ),
    ];
    let set = |(key, secret): (&'static str, Option<_>)| Some((key, secret?));
    all.into_iter().filter_map(set)
}

/// Keys, and sections with a dot at their end, that apply while the daemon runs. All others need a restart.
const LIVE: [&str; 20] = [
    "access.",
    "api.default_person",
    "entities",
    "identity.",
    "log.level",
    "outbox.",
    "people",
    "queue.",
    "slack.allowed_users",
    "slack.briefing",
    "slack.channel_commands",
    "slack.channels",
    "slack.operators",
    "slack.quiet",
    "slack.receipts",
    "slack.thread_replies",
    "store.log_retention",
    "store.retention",
    "sync.full_interval",
    "sync.interval",
];

/// Whether a change of a key, or of a list of tables, needs a restart.
pub fn needs_restart(key: &str) -> bool {
    !LIVE.iter().any(|live| match live.ends_with('.') {
        true => key.starts_with(live),
        false => key == *live,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const BEFORE: &str = r#"
        [clickup]
        token = "pk_1_ABCDEFGHIJKLMNOPQRSTUVWX"
        team_id = "900"
        list_id = "901"
        [queue.score]
        overdue = 5
        [[people]]
        name = "Ann"
        slack = "U0ANN01"
    "#;

    fn keys(text: &str) -> ConfigKeys {
        let file = (Path::new("bot.toml"), text);
        ConfigKeys::of(&Config::read(Some(file), std::iter::empty()).unwrap())
    }

    #[test]
    fn changes_have_their_values_but_no_secrets_and_no_tables() {
        let after = BEFORE
            .replace("pk_1", "pk_2")
            .replace("overdue = 5", "overdue = 7")
            .replace("U0ANN01", "U0ANN02");
        let changes: Vec<_> = keys(BEFORE).changes(&keys(&after)).collect();
        let change = |key: &str, from: Option<&str>, to: Option<&str>| ConfigChange {
            key: key.to_owned(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        };
        assert_eq!(
            changes,
            [
                change("clickup.token", None, None),
                change("people", None, None),
                change("queue.score.overdue", Some("5"), Some("7")),
            ]
        );
        assert_eq!(keys(BEFORE).changes(&keys(BEFORE)).count(), 0);
    }

    #[test]
    fn a_list_that_is_removed_has_changed() {
        let without = BEFORE.split("[[people]]").next().unwrap();
        let changes = keys(BEFORE).changes(&keys(without));
        assert_eq!(
            changes.map(|change| change.key).collect::<Vec<_>>(),
            ["people"]
        );
    }

    #[test]
    fn tokens_and_addresses_need_a_restart() {
        for key in [
            "people",
            "queue.score.overdue",
            "slack.operators",
            "log.level",
        ] {
            assert!(!needs_restart(key), "{key}");
        }
        for key in [
            "clickup.token",
            "github.repos",
            "api.bind",
            "api.tokens",
            "log.format",
        ] {
            assert!(needs_restart(key), "{key}");
        }
    }
}
