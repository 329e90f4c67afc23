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
use crate::domain::link::{
    self, CODE_VALID, LinkOrigin, LinkProof, LinkRequest, LinkRule, TRIES_MAX,
};
use crate::domain::person::Person;
use crate::domain::reply::{self, Text};
use crate::domain::task::{Account, Source};
use crate::limits::Limit;
use crate::linking::{self, NewLink};
use crate::store::operations::Surface;
use crate::store::{link_requests, links, people};

/// The source confirms it first: the login exists and can be assigned in a mirrored repository; the member is one of
/// the workspace. Then it is to be proved: 422 with a code that the account has to write in a comment. Tasks assigned to
/// a linked account are in the person's queue at once. 503 if the source does not answer.
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
    /// Why it is the person's, if that is known.
    #[serde(skip)]
    pub proof: Option<LinkProof>,
    /// An operator's answer to a request; then the other fields mean nothing.
    #[serde(skip)]
    pub answer: Option<RequestAnswer>,
}

/// An operator's answer to a request to link an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestAnswer {
    /// The uid of the request.
    uid: String,
    approve: bool,
}

impl Link {
    /// The request of a form: an account, as typed into it.
    pub fn of(source: Source, account: &str) -> Link {
        Link {
            source,
            account: account.trim().to_owned(),
            confirmed: None,
            proof: None,
            answer: None,
        }
    }

    /// The answer of an operator's button.
    pub fn answer(uid: &str, approve: bool) -> Link {
        Link {
            // Names a source: any, because the request has its own.
            source: Source::GitHub,
            account: String::new(),
            confirmed: None,
            proof: None,
            answer: Some(RequestAnswer {
                uid: uid.to_owned(),
                approve,
            }),
        }
    }
}

impl Verb for Link {
    const INFO: &'static Info = &Info {
        name: "link",
        usage: "link github LOGIN · link clickup NAME-OR-EMAIL",
        effect: "link your account, so its tasks are in your queue",
        examples: &["link github ana-lee", "link clickup Ana Lee"],
        http: Http::post("link"),
        line: Some(CommandLine::of::<LinkWords>(&[
            "ivan link github octocat",
            "ivan link clickup ana@acme.test",
        ])),
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
                proof: None,
                answer: None,
            }),
            _ => Err(ParseError::Prose(
                "Link which account? `link github LOGIN`, or `link clickup you@example.com`."
                    .to_owned(),
            )),
        }
    }

    /// From now on tasks assigned to the account are in the person's queue, if it is proved to be theirs.
    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        if let Some(answer) = &self.answer {
            return answered(tx, person, answer, context);
        }
        let source = self.source;
        let before = own_link(tx, person, source)?;
        let Some(account) = self.confirmed else {
            // The link was not confirmed, because its source is unavailable.
            return Err(Rejection::NoAnswer(reply::not_confirmed(source, "")).into());
        };
        if let Some(owner) = links::owner_besides(tx.db, person.id, source, &account)? {
            let words = reply::linked_to_another(source, &account, &owner);
            return Err(Rejection::Unfit(words).into());
        }
        let is_linked = before.is_some_and(|link| {
            link.origin != LinkOrigin::Unlinked && link.id.as_ref() == Some(&account.id)
        });
        let (person, pin) = match self.proof {
            _ if is_linked => (person.clone(), None),
            Some(proof) => {
                let new = NewLink {
                    person,
                    source,
                    account: &account,
                    by: person.id,
                    proof,
                };
                linking::link(tx.db, &new, context.surface == Surface::Api, tx.now)?
            }
            None => return Err(to_be_proved(tx, person, source, account)?.into()),
        };
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

/// Keeps the request, and asks for a proof. The code stays the same while it is valid.
fn to_be_proved(
    tx: &CommandTx<'_>,
    person: &Person,
    source: Source,
    account: Account,
) -> Result<Rejection, Stop> {
    let earlier = link_requests::of(tx.db, person.id, source)?;
    let counted = earlier
        .as_ref()
        .filter(|one| tx.now < one.since + CODE_VALID);
    let (since, tries) = counted.map_or((tx.now, 0), |one| (one.since, one.tries));
    if tries >= TRIES_MAX {
        Limit::LinkTries.reached(format_args!(
            "{} asked {TRIES_MAX} times to link an account; they have to wait",
            person.name
        ));
        let until = since + CODE_VALID;
        return Ok(Rejection::Unfit(reply::too_many_tries(until, person.zone)));
    }
    let same = earlier.filter(|one| one.account.id == account.id && one.is_valid(tx.now));
    let is_new = same.is_none();
    let request = LinkRequest {
        since,
        tries: tries + 1,
        ..match same {
            Some(same) => same,
            None => new_request(tx, person, source, account)?,
        }
    };
    link_requests::keep(tx.db, &request)?;
    if is_new {
        linking::ask_operators(tx.db, &person.name, &request, tx.now)?;
    }
    Ok(Rejection::Unfit(match tx.settings.link {
        LinkRule::Proof => reply::prove_it(&request, person.zone),
        LinkRule::Operators => reply::link_waits(&request, person.zone),
    }))
}

fn new_request(
    tx: &CommandTx<'_>,
    person: &Person,
    source: Source,
    account: Account,
) -> Result<LinkRequest, Stop> {
    let code = link_requests::new_code()?;
    Ok(LinkRequest {
        person: person.id,
        source,
        account,
        code,
        uid: ulid::Ulid::from_datetime(tx.now.into()).to_string(),
        asked_at: tx.now,
        since: tx.now,
        tries: 0,
    })
}

/// An operator approves or refuses a request.
fn answered(
    tx: &CommandTx<'_>,
    operator: &Person,
    answer: &RequestAnswer,
    context: &Context,
) -> Decided {
    let is_operator = |slack: &String| tx.db.operators().contains(slack);
    if !operator.slack.as_ref().is_some_and(is_operator) {
        return Err(Rejection::Unfit(reply::only_operators_link()).into());
    }
    let request = link_requests::by_uid(tx.db, &answer.uid)?;
    let request = request.filter(|request| request.is_valid(tx.now));
    let people = people::present(tx.db)?;
    let asked = request.and_then(|request| {
        let person = people.iter().find(|person| person.id == request.person)?;
        Some((request, person))
    });
    let Some((request, person)) = asked else {
        return Err(Rejection::Unfit(reply::no_such_request()).into());
    };
    let (source, account) = (request.source, &request.account);
    own_link(tx, person, source)?;
    let told = if answer.approve {
        if let Some(owner) = links::owner_besides(tx.db, person.id, source, account)? {
            let words = reply::linked_to_another(source, account, &owner);
            return Err(Rejection::Unfit(words).into());
        }
        let new = NewLink {
            person,
            source,
            account,
            by: operator.id,
            proof: LinkProof::Operator,
        };
        linking::link(tx.db, &new, false, tx.now)?;
        reply::link_proved(source, account, LinkProof::Operator)
    } else {
        link_requests::remove(tx.db, person.id, source)?;
        reply::link_refused(source, account)
    };
    linking::tell(tx.db, person, &told, tx.now)?;
    let words = reply::link_answered(&person.name, source, account, answer.approve);
    let command = tx.command(operator, context, "link")?;
    tx.settled(operator, command, local(words, None), None, None)
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

/// Without `[[people]]`.
pub(crate) fn nobody_to_link() -> Text {
    Text::new()
        .text("Everyone here shares one queue of all open tasks, so there is nothing to link.")
}
