//! `link SOURCE ACCOUNT`: link that account to the person, if its source confirms it.

use clap::Args;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::json;
use utoipa::ToSchema;

use super::grammar::{ParseError, quoted, split_word, trim};
use super::line::{Call, CommandLine, Line};
use super::{Http, Info, Verb, body};
use crate::command_tx::{CommandTx, Context, Decided, Rejection, Stop, local};
use crate::completion::queue;
use crate::domain::ids::PinId;
use crate::domain::link::{self, LinkOrigin};
use crate::domain::person::Person;
use crate::domain::reply::{self, Text};
use crate::domain::task::{Account, Source};
use crate::store::operations::Surface;
use crate::store::{DbResult, Wake, links, people, tasks};

/// The source confirms it first: the login exists and can be assigned in a mirrored repository; the member is one of
/// the workspace. Tasks assigned to it are in the person's queue at once. 503 if the source does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The source of the account
    #[serde(deserialize_with = "body::source")]
    pub source: Source,
    /// A GitHub login; a ClickUp name, e-mail address or member id
    #[serde(deserialize_with = "account")]
    #[schema(min_length = 1)]
    pub account: String,
    /// The account, as the source has confirmed it.
    #[serde(skip)]
    pub confirmed: Option<Account>,
}

impl Verb for Link {
    const INFO: &'static Info = &Info {
        name: "link",
        usage: "link github LOGIN · link clickup NAME-OR-EMAIL",
        effect: "link your account, so its tasks are in your queue",
        examples: &["link github ana-lee", "link clickup Ana Lee"],
        http: Http::post("link"),
        line: Some(CommandLine::of::<LinkWords>()),
        ..Info::SHOWS
    };

    /// A ClickUp name may have spaces.
    fn read(rest: &str) -> Result<Link, ParseError> {
        let (source, account) = split_word(trim(rest));
        let account = trim(account).trim_matches('`');
        let account = match quoted(account, None) {
            Some((inside, "")) => trim(inside),
            _ => account,
        };
        match Source::parse(&source.to_lowercase()) {
            Some(source) if !account.is_empty() => Ok(Link {
                source,
                account: account.to_owned(),
                confirmed: None,
            }),
            _ => Err(ParseError::Prose(
                "Link which account? `link github LOGIN`, or `link clickup you@example.com`."
                    .to_owned(),
            )),
        }
    }

    /// From now on tasks assigned to the account are in the person's queue.
    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let source = self.source;
        own_link(tx, person, source)?;
        let Some(account) = self.confirmed else {
            // The link was not confirmed, because its source is unavailable.
            return Err(Rejection::NoAnswer(reply::not_confirmed(source, "")).into());
        };
        if let Some(owner) = links::owner_besides(tx.db, person.id, source, &account)? {
            let words = linked_to_another(source, &account, &owner);
            return Err(Rejection::Unfit(words).into());
        }
        let by = Some(person.id);
        links::set(
            tx.db,
            person.id,
            source,
            LinkOrigin::Typed,
            &account,
            by,
            tx.now,
        )?;
        let (person, pin) = as_linked_now(tx, person, context)?;
        let ranked = queue(tx.db, &person, tx.now, &tx.settings.weights)?;
        let theirs = ranked
            .iter()
            .filter(|(_, task, _)| task.key.source() == source);
        let report = local(linked(source, &account, theirs.count()), None);
        let command = tx.command(&person, context, "link")?;
        tx.settled(&person, command, report, pin, None)
    }

    fn takes_any_word(&self) -> bool {
        true
    }
}

/// The words after `ivan link`.
#[derive(Debug, Args)]
struct LinkWords {
    /// The system of the account
    #[arg(value_parser = ["clickup", "github"], ignore_case = true)]
    source: String,
    /// A GitHub login; a ClickUp name, e-mail address or member id
    #[arg(required = true, value_name = "ACCOUNT")]
    account: Vec<String>,
}

impl Line for LinkWords {
    fn call(self, info: &Info) -> Call {
        let body = json!({ "source": self.source, "account": self.account.join(" ") });
        Call::effect(info, body)
    }
}

fn account<'de, D: Deserializer<'de>>(json: D) -> Result<String, D::Error> {
    body::written("account", String::deserialize(json)?).map_err(D::Error::custom)
}

/// The person's link, if it may be changed.
pub fn own_link(
    tx: &CommandTx<'_>,
    person: &Person,
    source: Source,
) -> Result<Option<link::AccountLink>, Stop> {
    let words = if !tx.settings.has(source) {
        reply::not_connected(source)
    } else if person.alone {
        nobody_to_link()
    } else {
        match links::of(tx.db, person.id, source)? {
            Some(link) if link.origin == LinkOrigin::Config => linked_by_config(&link),
            link => return Ok(link),
        }
    };
    Err(Rejection::Unfit(words).into())
}

/// The person after a change of their accounts. A pinned task that was theirs only by an account they no longer have is
/// not their current task from when they see the answer; the pin for "no task" is returned with the person.
pub fn as_linked_now(
    tx: &CommandTx<'_>,
    before: &Person,
    context: &Context,
) -> DbResult<(Person, Option<PinId>)> {
    let person = Person {
        zone: before.zone,
        ..people::by_id(tx.db, before.id)?
    };
    let mut pin = None;
    let pinned = people::current_pin(tx.db, person.id)?.and_then(|pin| pin.task);
    if let Some(row) = pinned
        && let Some(stored) = tasks::by_row(tx.db, row)?
        && before.is_concerned(&stored.task)
        && !person.is_concerned(&stored.task)
    {
        let shown_at = (context.surface == Surface::Api).then_some(tx.now);
        pin = Some(people::pin(tx.db, person.id, None, tx.now, shown_at)?);
    }
    tx.db.wake(Wake::Homes);
    Ok((person, pin))
}

/// After `link`.
pub(crate) fn linked(source: Source, account: &Account, tasks: usize) -> Text {
    let noun = source.noun();
    let of_it = match tasks {
        0 => format!("No open {noun}s are assigned to it"),
        1 => format!("1 open {noun} is now in your queue"),
        many => format!("{many} open {noun}s are now in your queue"),
    };
    Text::new().text(format!(
        "Linked {} account {}. {of_it}.",
        source.name(),
        account.name
    ))
}

/// bot.toml decides.
pub(crate) fn linked_by_config(link: &link::AccountLink) -> Text {
    Text::new()
        .text(format!(
            "Your {} account ({}) is set in the configuration. Ask ",
            link.source.name(),
            link.shown()
        ))
        .operators()
        .text(" to change it.")
}

/// The account is another person's.
pub(crate) fn linked_to_another(source: Source, account: &Account, owner: &str) -> Text {
    Text::new()
        .text(format!(
            "Not linked: {owner} has already linked the {} account {}. If it is yours, {owner} can `unlink {source}` first, or \
             ask ",
            source.name(),
            account.name
        ))
        .operators()
        .text(".")
}

/// Without `[[people]]`.
pub(crate) fn nobody_to_link() -> Text {
    Text::new()
        .text("Everyone here shares one queue of all open tasks, so there is nothing to link.")
}
