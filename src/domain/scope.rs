//! Scopes: the permissions of the Slack app, and the features that need each.
//!
//! The Slack surface reads the granted scopes (`slack/scopes.rs`). Which of the others are missed depends on the
//! configuration and is decided here. `deploy/slack-manifest.yaml` has all of them, `docs/slack.md` explains them.

use std::collections::BTreeSet;

/// The parts of the configuration that decide which scopes are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeInputs {
    /// Mentions in channels are read.
    pub mentions: bool,
    /// Channel messages are read without a mention.
    pub bare: bool,
    /// Our own reactions are placed on people's messages.
    pub reacts: bool,
    /// People's accounts are found by their e-mail address.
    pub emails: bool,
}

impl ScopeInputs {
    /// Every feature is used.
    pub const ALL: ScopeInputs = ScopeInputs {
        mentions: true,
        bare: true,
        reacts: true,
        emails: true,
    };
}

/// A scope.
struct Scope {
    name: &'static str,
    /// An administrator may refuse it: it stands under `bot_optional` of the manifest.
    optional: bool,
    is_used: fn(ScopeInputs) -> bool,
    without: &'static str,
}

/// Every scope of the bot.
const SCOPES: &[Scope] = &[
    Scope {
        name: "im:history",
        optional: false,
        is_used: |_| true,
        without: "direct messages don't reach me; `/ivan` still works",
    },
    Scope {
        name: "im:read",
        optional: true,
        is_used: |_| true,
        without: "I miss a person's first message if they write it while I am offline",
    },
    Scope {
        name: "im:write",
        optional: true,
        is_used: |_| true,
        without: "after an interruption, people who never wrote to me may get a message twice",
    },
    Scope {
        name: "app_mentions:read",
        optional: true,
        is_used: |uses| uses.mentions,
        without: "mentions in channels don't reach me",
    },
    Scope {
        name: "chat:write",
        optional: false,
        is_used: |_| true,
        without: "I can't answer or send notices",
    },
    Scope {
        name: "commands",
        optional: false,
        is_used: |_| true,
        without: "`/ivan` and the shortcuts don't work",
    },
    Scope {
        name: "reactions:read",
        optional: true,
        is_used: |_| true,
        without: "✅, 💤 and 👀 on a card do nothing",
    },
    Scope {
        name: REACT,
        optional: true,
        is_used: |uses| uses.reacts,
        without: "I can't put ⏳, ✅ and ❌ on your messages, so I send messages instead",
    },
    Scope {
        name: FILES,
        optional: true,
        is_used: |_| true,
        without: "I can't copy files to ClickUp, nor link to those that Slack doesn't describe in the message itself",
    },
    Scope {
        name: "files:write",
        optional: true,
        is_used: |_| true,
        without: "`stats` shows bars of text instead of a picture",
    },
    Scope {
        name: "users:read",
        optional: false,
        is_used: |_| true,
        without: "I recognise nobody, so nobody can give commands",
    },
    Scope {
        name: "users:read.email",
        optional: true,
        is_used: |uses| uses.emails,
        without: "I can't find ClickUp accounts by e-mail; people type `link clickup NAME-OR-EMAIL`",
    },
    Scope {
        name: "channels:history",
        optional: true,
        is_used: |uses| uses.bare,
        without: "in public channels I see only mentions, so no bare `create` and no replies in threads",
    },
    Scope {
        name: "groups:history",
        optional: true,
        is_used: |uses| uses.bare,
        without: "in private channels I see only mentions, so no bare `create` and no replies in threads",
    },
];

/// The scope for asking about files.
const FILES: &str = "files:read";
/// The scope for placing reactions.
pub const REACT: &str = "reactions:write";

/// A scope that the app lacks, and the feature that does not work without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnmetScope {
    /// The name of the scope in Slack: `reactions:write`.
    pub scope: &'static str,
    /// The feature that is missing, as part of a sentence.
    pub without: &'static str,
    /// Whether an administrator may refuse it: then the feature is off, which is no fault.
    pub optional: bool,
}

impl Scope {
    fn unmet(&self) -> UnmetScope {
        UnmetScope {
            scope: self.name,
            without: self.without,
            optional: self.optional,
        }
    }
}

/// The missing scopes that the configuration needs, in the order of the table.
pub fn missing(granted: impl Fn(&str) -> bool, uses: ScopeInputs) -> Vec<UnmetScope> {
    SCOPES
        .iter()
        .filter(|scope| (scope.is_used)(uses) && !granted(scope.name))
        .map(Scope::unmet)
        .collect()
}

/// The granted scopes that Ivan never uses.
pub fn surplus(granted: &BTreeSet<String>) -> Vec<&str> {
    let is_known = |name: &str| SCOPES.iter().any(|scope| scope.name == name);
    let granted = granted.iter().map(String::as_str);
    granted.filter(|name| !is_known(name)).collect()
}

/// One scope as missing, with all its features.
pub fn only(name: &str) -> Option<UnmetScope> {
    let scope = SCOPES.iter().find(|scope| scope.name == name)?;
    Some(scope.unmet())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ALL: ScopeInputs = ScopeInputs::ALL;

    fn missed(granted: &[&str], uses: ScopeInputs) -> Vec<&'static str> {
        let missing = missing(|scope| granted.contains(&scope), uses);
        missing.iter().map(|one| one.scope).collect()
    }

    #[rstest]
    #[case::all(ALL, &[])]
    #[case::mentions_only(ScopeInputs { bare: false, ..ALL }, &["channels:history", "groups:history"])]
    #[case::no_channels(ScopeInputs { bare: false, mentions: false, ..ALL }, &["app_mentions:read", "channels:history", "groups:history"])]
    #[case::no_emails(ScopeInputs { emails: false, ..ALL }, &["users:read.email"])]
    #[case::no_receipts(ScopeInputs { reacts: false, ..ALL }, &["reactions:write"])]
    fn what_nothing_needs_is_not_missed(#[case] uses: ScopeInputs, #[case] not_missed: &[&str]) {
        let all = missed(&[], ALL);
        assert_eq!(all.len(), SCOPES.len());
        let expected: Vec<&str> = all
            .into_iter()
            .filter(|scope| !not_missed.contains(scope))
            .collect();
        assert_eq!(missed(&[], uses), expected);
    }

    #[test]
    fn what_is_granted_is_not_missed() {
        assert_eq!(missed(&["im:history"], ALL).len(), SCOPES.len() - 1);
        let every: Vec<&str> = SCOPES.iter().map(|scope| scope.name).collect();
        assert!(missed(&every, ALL).is_empty());
    }

    #[test]
    fn what_nothing_uses_is_surplus() {
        let granted = ["chat:write.public", "im:history", "mpim:history"].map(str::to_owned);
        let granted = BTreeSet::from(granted);
        assert_eq!(surplus(&granted), ["chat:write.public", "mpim:history"]);
    }

    /// The manifest, the table above and the guide name the same scopes.
    #[test]
    fn the_manifest_and_the_guide_have_every_scope_and_no_other() {
        let manifest = include_str!("../../deploy/slack-manifest.yaml");
        let (_, scopes) = manifest.split_once("    bot:\n").unwrap();
        let (scopes, _) = scopes.split_once("\nsettings:").unwrap();
        let (all, optional) = scopes.split_once("    bot_optional:\n").unwrap();
        let listed = |lines: &'static str| {
            let items = lines.lines();
            let items =
                items.filter_map(|line| line.trim().strip_prefix("- ")?.split_whitespace().next());
            let mut items: Vec<&str> = items.collect();
            items.sort_unstable();
            items
        };
        let (in_manifest, in_optional) = (listed(all), listed(optional));
        let optional = missing(|_| false, ALL).into_iter();
        let optional = optional.filter(|scope| scope.optional);
        let mut optional: Vec<&str> = optional.map(|scope| scope.scope).collect();
        optional.sort_unstable();
        assert_eq!(in_optional, optional, "bot_optional");
        let mut here = missed(&[], ALL);
        here.sort_unstable();
        assert_eq!(in_manifest, here);
        let guide = include_str!("../../docs/slack.md");
        let mut in_guide: Vec<&str> = guide
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .filter(|name| name.contains(':') || *name == "commands")
            .collect();
        in_guide.sort_unstable();
        assert_eq!(in_guide, here, "docs/slack.md");
        let optional_in_guide = guide.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("| `")?.split_once('`')?;
            rest.starts_with(" (optional) |").then_some(name)
        });
        let mut optional_in_guide: Vec<&str> = optional_in_guide.collect();
        optional_in_guide.sort_unstable();
        assert_eq!(optional_in_guide, optional, "docs/slack.md, optional");
    }

    /// Every event that is handled, and the scope that Slack requires for it.
    const EVENTS: [(&str, &str); 9] = [
        ("app_home_opened", ""),
        ("app_mention", "app_mentions:read"),
        ("message.channels", "channels:history"),
        ("message.groups", "groups:history"),
        ("message.im", "im:history"),
        ("reaction_added", "reactions:read"),
        ("reaction_removed", "reactions:read"),
        ("team_join", "users:read"),
        ("user_change", "users:read"),
    ];

    /// The manifest subscribes to these events and no other, with their scopes; the guide names each.
    #[test]
    fn the_manifest_and_the_guide_have_every_event_and_no_other() {
        let manifest = include_str!("../../deploy/slack-manifest.yaml");
        let (_, events) = manifest.split_once("    bot_events:\n").unwrap();
        let (events, _) = events.split_once("\n  # Buttons").unwrap();
        let mut in_manifest: Vec<&str> = events
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- "))
            .collect();
        in_manifest.sort_unstable();
        assert_eq!(in_manifest, EVENTS.map(|(event, _)| event));
        let guide = include_str!("../../docs/slack.md");
        let names: Vec<&str> = SCOPES.iter().map(|scope| scope.name).collect();
        for (event, scope) in EVENTS {
            assert!(scope.is_empty() || names.contains(&scope), "{event}");
            assert!(
                guide.contains(&format!("`{event}`")),
                "docs/slack.md: {event}"
            );
        }
    }
}
