//! `receipts reactions`, `receipts messages`, `receipts default`: how outcomes are shown; alone it shows the setting.

use clap::Args;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::json;
use utoipa::ToSchema;

use super::body::start_of;
use super::grammar::{ParseError, excerpt, trim};
use super::line::{AnswerKind, Call, CommandLine, Line};
use super::{Info, Verb};
use crate::command_tx::{CommandTx, Context, Decided, Handled};
use crate::domain::person::{Person, PersonId};
use crate::domain::receipts;
use crate::domain::reply::Text;
use crate::domain::schedule::DEFAULT;
use crate::store::{DbResult, Wake, people};

/// Chooses how outcomes are shown. As a typed verb without a choice it shows the setting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipts {
    /// `message`, `reactions`, or `default`: that of `slack.receipts`
    #[serde(deserialize_with = "by")]
    #[schema(value_type = String, examples("reactions", "message", "default"))]
    pub by: Option<ReceiptsBy>,
}

/// How a person wants to learn of outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptsBy {
    /// The person's own choice.
    Own(receipts::ReceiptMode),
    /// Follow bot.toml from now on.
    Default,
}

impl Verb for Receipts {
    const INFO: &'static Info = &Info {
        name: "receipts",
        usage: "receipts reactions · receipts messages · receipts default",
        effect: "choose how I confirm: reactions, messages, or the team default",
        examples: &["receipts", "receipts reactions", "receipts default"],
        line: Some(CommandLine::of::<ReceiptsWords>(&["ivan receipts", "ivan receipts reactions"]).about("choose confirmations in Slack: reactions, messages or the team default; without arguments: show the setting")),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Receipts, ParseError> {
        let rest = trim(rest).trim_end_matches(['.', '!']);
        let by = match rest.to_lowercase().as_str() {
            "" => None,
            DEFAULT => Some(ReceiptsBy::Default),
            _ => Some(receipts::ReceiptMode::typed(rest).map(ReceiptsBy::Own).ok_or_else(|| {
                ParseError::Prose(format!(
                    "I can't confirm with `{}`. Try `receipts reactions`, `receipts messages` or `receipts default`.",
                    excerpt(rest)
                ))
            })?),
        };
        Ok(Receipts { by })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, _context: &Context) -> Decided {
        let words = match self.by {
            None => receipts_are(tx, person.id)?,
            Some(by) => change(tx, person.id, by)?,
        };
        Ok(Handled::Replied(words.into()))
    }
}

/// The words after `ivan receipts`.
#[derive(Debug, Args)]
struct ReceiptsWords {
    /// reactions, messages, or default: the team default
    #[arg(value_name = "HOW")]
    by: Option<String>,
}

impl Line for ReceiptsWords {
    fn call(self, info: &Info) -> Call {
        match self.by {
            None => Call::get("/receipts", AnswerKind::Words),
            by => Call::effect(info, json!({ "by": by })).answered(AnswerKind::Words),
        }
    }
}

/// The current setting.
pub fn receipts_are(tx: &CommandTx<'_>, person: PersonId) -> DbResult<Text> {
    let chosen = people::receipts(tx.db, person)?;
    let by = chosen.unwrap_or(tx.settings.receipts);
    Ok(told_by(by, chosen.is_some()))
}

/// Sets the person's own way, or the team default.
pub fn change(tx: &CommandTx<'_>, person: PersonId, by: ReceiptsBy) -> DbResult<Text> {
    let own = match by {
        ReceiptsBy::Own(by) => Some(by),
        ReceiptsBy::Default => None,
    };
    people::wants_receipts(tx.db, person, own)?;
    tx.db.wake(Wake::Homes);
    Ok(match own {
        Some(by) => receipts_set(by),
        None => receipts_usual(tx.settings.receipts),
    })
}

fn by<'de, D: Deserializer<'de>>(json: D) -> Result<Option<ReceiptsBy>, D::Error> {
    let text = String::deserialize(json)?;
    match text.trim() {
        DEFAULT => Ok(Some(ReceiptsBy::Default)),
        by => match receipts::ReceiptMode::typed(by) {
            Some(by) => Ok(Some(ReceiptsBy::Own(by))),
            None => Err(D::Error::custom(format_args!(
                "`{}` is not a kind of receipt. Give reactions, message or default",
                start_of(by)
            ))),
        },
    }
}

/// The answer to `receipts` alone; `own`: whether it is the person's own choice.
pub(crate) fn told_by(by: receipts::ReceiptMode, own: bool) -> Text {
    let whose = match own {
        true => "",
        false => " (team default)",
    };
    let (how, other, does) = match by {
        receipts::ReceiptMode::Message => (
            "I confirm with messages",
            "receipts reactions",
            " adds reactions.",
        ),
        receipts::ReceiptMode::Reactions => (
            "I confirm with reactions and messages",
            "receipts messages",
            " turns reactions off.",
        ),
    };
    Text::new()
        .text(format!("{how}{whose}. "))
        .code(other)
        .text(does)
}

/// After that was chosen.
pub(crate) fn receipts_set(by: receipts::ReceiptMode) -> Text {
    Text::new().text(match by {
        receipts::ReceiptMode::Message => "✓ I'll confirm with messages.",
        receipts::ReceiptMode::Reactions => {
            "✓ I'll confirm with reactions too: ⏳ queued, ✅ done, ❌ refused. A comment gets only the reaction."
        }
    })
}

/// After `receipts default`.
pub(crate) fn receipts_usual(by: receipts::ReceiptMode) -> Text {
    Text::new().text(match by {
        receipts::ReceiptMode::Message => "✓ Team default: I'll confirm with messages.",
        receipts::ReceiptMode::Reactions => {
            "✓ Team default: I'll confirm with reactions and messages."
        }
    })
}
