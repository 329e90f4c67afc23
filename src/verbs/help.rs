//! `help [VERB]`: the verbs by their use, all of them in short, or one in detail, from the table that parses them.

use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, REF_HELP, spoken, trim};
use super::{Info, VERBS, Verb, called};
use crate::command_tx::{CommandTx, Context, Decided, Handled, Reply};
use crate::domain::card::{Button, ButtonAction, CardPart};
use crate::domain::filter::Filter;
use crate::domain::person::Person;
use crate::domain::reply::Text;
use crate::domain::when::WHEN_HELP;

/// `help`, about everything or one verb.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Help {
    /// A verb, or `all`
    #[serde(default)]
    pub about: Option<String>,
}

/// The uses of verbs, each with its verbs.
const USES: [(&str, &[&str]); 8] = [
    ("Your next task", &["current", "next", "why"]),
    ("Your day", &["list", "find", "morning", "log", "stats"]),
    ("Finish", &["done", "reopen", "undo", "confirm"]),
    ("Write", &["comment", "create", "attach"]),
    (
        "Plan",
        &[
            "start",
            "pause",
            "snooze",
            "due",
            "prio",
            "label",
            "milestone",
            "type",
        ],
    ),
    ("Share", &["assign", "claim"]),
    (
        "Notices",
        &["mute", "unmute", "briefing", "quiet", "receipts"],
    ),
    (
        "You and Ivan",
        &["whoami", "link", "unlink", "token", "status", "help"],
    ),
];

impl Help {
    /// About this verb.
    pub fn about(verb: &Info) -> Help {
        Help {
            about: Some(verb.name.to_owned()),
        }
    }
}

impl Verb for Help {
    const INFO: &'static Info = &Info {
        name: "help",
        aliases: &[
            "?",
            "commands",
            "help me",
            "what can you do?",
            "how does this work?",
            "who are you?",
        ],
        usage: "help [VERB]",
        effect: "show the verbs, or one with examples; `help all` shows every form",
        examples: &["help", "help done"],
        ..Info::SHOWS
    };

    /// Text after `help` that is no verb is ignored.
    fn read(rest: &str) -> Result<Help, ParseError> {
        let about = match spoken(trim(rest)).as_str() {
            "all" | "more" => Some("all".to_owned()),
            word => called(word, true).map(|row| row.info.name.to_owned()),
        };
        Ok(Help { about })
    }

    fn decide(self, _tx: &CommandTx<'_>, _person: &Person, _context: &Context) -> Decided {
        let info = self.about.as_deref().and_then(|about| called(about, false));
        let words = match (self.about.as_deref(), info) {
            (_, Some(row)) => help_on(row.info),
            (Some("all"), None) => help_all(),
            _ => {
                let words = help();
                let say =
                    |label, text: &str| Button::new(label, ButtonAction::Say(text.to_owned()));
                let buttons = vec![say("More", "help all"), say("Link accounts", "whoami")];
                return Ok(Handled::Replied(Reply {
                    parts: vec![CardPart::Text(words.clone()), CardPart::Buttons(buttons)],
                    ..Reply::from(words)
                }));
            }
        };
        Ok(Handled::Replied(words.into()))
    }
}

/// At most twelve lines: the verbs by their use.
pub(crate) fn help() -> Text {
    let mut words = Text::new().text("Commands:");
    for (of, verbs) in USES {
        words = words.text(format!("\n• {of}: "));
        for (place, verb) in verbs.iter().enumerate() {
            words = words.text(if place == 0 { "" } else { ", " }).code(*verb);
        }
    }
    words
        .text("\n")
        .code("help done")
        .text(" shows one with examples. React to a card with ✅ for `done`, 💤 for `snooze` or 👀 for `start`.")
}

/// One verb: its forms, its other names and two examples.
pub(crate) fn help_on(info: &Info) -> Text {
    let mut words = usage(Text::new(), info).text(format!(": {}.", info.effect));
    if !info.aliases.is_empty() {
        words = words.text("\nAlso: ");
        for (place, alias) in info.aliases.iter().enumerate() {
            words = words.text(if place == 0 { "" } else { ", " }).code(*alias);
        }
        words = words.text(".");
    }
    for (place, example) in info.examples.iter().take(2).enumerate() {
        let lead = if place == 0 {
            "\nFor example: "
        } else {
            " · "
        };
        let first = example.lines().next().unwrap_or_default();
        words = words.text(lead).code(first);
    }
    if info.usage.contains("REF") {
        words = words.text(format!("\nREF is {REF_HELP}."));
    }
    if info.usage.contains("WHEN") {
        words = words.text(format!("\nWHEN is {WHEN_HELP}."));
    }
    words
}

/// Every verb in short.
pub(crate) fn help_all() -> Text {
    let mut words = Text::new().text("Commands:");
    for row in VERBS {
        words = usage(words.text("\n• "), row.info).text(format!(": {}", row.info.effect));
    }
    words.text(format!(
        "\nREF is {REF_HELP}. In a thread about a task you can leave it out.\n\
         WHEN is {WHEN_HELP}.\n\
         FILTER is {} or a client; combine them as you like.\n\
         React to a card with ✅ for `done`, 💤 for `snooze` or 👀 for `start`.",
        Filter::FORMS.join(", ")
    ))
}

fn usage(mut words: Text, info: &Info) -> Text {
    for (place, usage) in info.usage.split(" · ").enumerate() {
        words = words.text(if place == 0 { "" } else { " or " }).code(usage);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_help_has_every_verb_in_twelve_lines() {
        let text = help().plain();
        assert!(text.lines().count() <= 12, "{text}");
        let mut listed: Vec<&str> = USES.iter().flat_map(|(_, verbs)| *verbs).copied().collect();
        listed.sort_unstable();
        let mut verbs: Vec<&str> = VERBS.iter().map(|row| row.info.name).collect();
        verbs.sort_unstable();
        assert_eq!(listed, verbs);
    }
}
