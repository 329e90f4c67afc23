//! The words for people who come to Ivan, and for the operators about them.

use super::{Text, names};
use crate::domain::task::Source;

/// The things that a new installation still lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// Whether everybody shares one queue.
    pub shared: bool,
    /// Sources that are not configured.
    pub not_connected: Vec<Source>,
    /// How many people have no account at a source.
    pub unlinked: Vec<(Source, usize)>,
}

/// The welcome: four lines, once a person. `by`: the operator who has just added them.
pub fn welcome(name: Option<&str>, by: Option<&str>, unlinked: &[Source]) -> Text {
    let hi = match name {
        Some(name) => Text::new().text("Hi ").said(name).text(", I'm Ivan"),
        None => Text::new().text("Hi, I'm Ivan"),
    };
    let hi = match by {
        Some(by) => hi.text(", and ").said(by).text(" has added you. "),
        None => hi.text(". "),
    };
    let last = match unlinked {
        [] => "Your tasks are here already.".to_owned(),
        unlinked => format!(
            "I don't know your {} account yet. Link it below, and its tasks are here.",
            names(unlinked, " or ")
        ),
    };
    hi.text("I keep your ClickUp tasks and GitHub issues in one queue.\n")
        .code("current")
        .text(" shows your next task, ")
        .code("done")
        .text(" completes it, ")
        .code("comment TEXT")
        .text(" comments on it.\n")
        .code("create TITLE")
        .text(" makes a new one, ")
        .code("list")
        .text(" shows them all, ")
        .code("help")
        .text(format!(" has the rest.\n{last}"))
}

/// To operators, once a member: a member of the workspace who is no person yet.
pub fn arrival_asked(name: &str, id: &str) -> Text {
    Text::new().said(name).text(format!(
        " ({id}) came to me and is not set up. If you add them, they get a queue of their own once they have linked \
         their accounts. I ask this once."
    ))
}

/// To the operator who added a member.
pub fn arrival_added(name: &str) -> Text {
    Text::new()
        .text("✓ Added: ")
        .said(name)
        .text(". I've told them how to begin.")
}

/// To the operator who did not add a member.
pub fn arrival_refused(name: &str) -> Text {
    Text::new()
        .text("✓ Not added: ")
        .said(name)
        .text(". The button above still adds them.")
}

/// To the operator who removed a person whom an operator had added.
pub fn arrival_removed(name: &str) -> Text {
    Text::new()
        .text("✓ Removed: ")
        .said(name)
        .text(". They can no longer give commands.")
}

/// To an operator who answers about a person who is set up already.
pub fn arrival_before(name: &str, by: Option<&str>) -> Text {
    let words = Text::new().text("✓ Already set up: ").said(name);
    match by {
        Some(by) => words.text(", answered by ").said(by).text("."),
        None => words.text("."),
    }
}

/// To an operator who removes a person of the configuration.
pub fn arrival_by_config(name: &str) -> Text {
    Text::new()
        .said(name)
        .text(" is set up in bot.toml. Remove them there.")
}

/// To operators, when Slack is connected for the first time: how to introduce Ivan, and the things that are missing.
pub fn introduction(missing: &Missing) -> Text {
    let words = Text::new()
        .text(
            "✓ I'm connected to Slack. You get this once, because you are an operator.\n\
             To introduce me to your team, copy this into a channel:\n",
        )
        .code(
            "Ivan keeps our ClickUp tasks and GitHub issues in one queue. Open Ivan under Apps in Slack and say hello: it \
             shows your next task, and done completes it.",
        )
        .text(match missing.shared {
            true => "\nEveryone in slack.allowed_users shares one queue.",
            false => "\nWhen a member of this workspace comes to me, I ask you here whether to add them.",
        });
    let mut still = Vec::new();
    for (source, count) in &missing.unlinked {
        let people = match count {
            1 => "1 person has".to_owned(),
            many => format!("{many} people have"),
        };
        still.push(format!("{people} no {} account linked", source.name()));
    }
    for source in &missing.not_connected {
        still.push(format!("{} is not connected", source.name()));
    }
    match still.is_empty() {
        true => words.text("\nNothing is missing; `status` shows the connections."),
        false => words.text(format!(
            "\nStill missing: {}. `status` shows the connections.",
            still.join("; ")
        )),
    }
}
