//! `unlink SOURCE`: remove the link to the person's account.

use clap::Args;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::grammar::{ParseError, trim};
use super::line::{Call, CommandLine, Line};
use super::link::own_link;
use super::{Http, Info, Verb, body};
use crate::command_tx::{CommandTx, Context, Decided, Rejection, local};
use crate::domain::link::{AccountLink, LinkOrigin};
use crate::domain::person::Person;
use crate::domain::reply::Text;
use crate::domain::task::Source;
use crate::linking;
use crate::store::operations::Surface;
use crate::store::{link_requests, links};

/// Tasks assigned to it are no longer in the person's queue. An account from bot.toml stays.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Unlink {
    /// The source of the linked account
    #[serde(deserialize_with = "body::source")]
    pub source: Source,
}

impl Verb for Unlink {
    const INFO: &'static Info = &Info {
        name: "unlink",
        usage: "unlink github · unlink clickup",
        effect: "unlink your account",
        examples: &["unlink github", "unlink clickup"],
        http: Http::post("unlink"),
        line: Some(CommandLine::of::<UnlinkWords>(&["ivan unlink github"])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Unlink, ParseError> {
        let source = trim(rest).trim_end_matches(['.', '!']).to_lowercase();
        Source::parse(&source)
            .map(|source| Unlink { source })
            .ok_or_else(|| {
                ParseError::Prose(
                    "Unlink which account? `unlink github` or `unlink clickup`.".to_owned(),
                )
            })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let link = own_link(tx, person, self.source)?;
        let Some(link) = link.filter(|link| link.origin != LinkOrigin::Unlinked) else {
            return Err(Rejection::Unfit(nothing_linked(self.source)).into());
        };
        links::unlink(tx.db, person.id, self.source, tx.now)?;
        link_requests::remove(tx.db, person.id, self.source)?;
        let shown = context.surface == Surface::Api;
        let (person, pin) = linking::as_linked_now(tx.db, person, shown, tx.now)?;
        let report = local(unlinked(&link), None);
        let command = tx.command(&person, context, "unlink")?;
        tx.settled(&person, command, report, pin, None)
    }
}

/// The words after `ivan unlink`.
#[derive(Debug, Args)]
struct UnlinkWords {
    /// The system of the account
    #[arg(value_parser = ["clickup", "github"], ignore_case = true)]
    source: String,
}

impl Line for UnlinkWords {
    fn call(self, info: &Info) -> Call {
        Call::effect(info, json!({ "source": self.source }))
    }
}

pub(crate) fn nothing_linked(source: Source) -> Text {
    Text::new()
        .text(format!(
            "You have no linked {} account. Type ",
            source.name()
        ))
        .code(source.profile().link)
        .text(" to link one.")
}

/// After `unlink`.
pub(crate) fn unlinked(link: &AccountLink) -> Text {
    Text::new()
        .text(format!(
            "Unlinked {} account {}. Its tasks are no longer in your queue. ",
            link.source.name(),
            link.shown()
        ))
        .code(link.source.profile().link)
        .text(" links another.")
}
