//! The words of `whoami`, `link` and `unlink`.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{Text, for_people, sentence};
use crate::domain::link::{AccountLink, CODE_VALID, LinkOrigin, LinkProof, LinkRequest};
use crate::domain::person::Person;
use crate::domain::task::{Account, Source};

/// An account that its source confirmed longer ago than this is shown with that time.
const FRESH: TimeDelta = TimeDelta::minutes(1);

/// A person's identity in each system, its origin, the missing parts and the remedy. `email`: whether Slack shows their
/// address, if it was requested.
pub fn whoami(
    person: &Person,
    accounts: &[(Source, Option<AccountLink>)],
    email: Option<bool>,
    now: DateTime<Utc>,
) -> Text {
    if person.alone {
        let words = Text::new()
            .text("Everyone here shares one queue of all open tasks, so there is nothing to link.");
        return accounts.iter().fold(words, |words, (source, _)| {
            words.text(format!("\n{}: connected", source.name()))
        });
    }
    let mut words = Text::new().text(format!("You are {}.", person.name));
    words = match &person.slack {
        Some(id) => words.text(format!("\nSlack: {id} (configured)")),
        None => words
            .text("\nSlack: not linked. Ask ")
            .operators()
            .text(" to add your Slack id."),
    };
    for (source, link) in accounts {
        words = words.text(format!("\n{}: ", source.name()));
        words = match link {
            Some(link) if link.origin != LinkOrigin::Unlinked => {
                words.then(account(link, person, now))
            }
            other => words
                .then(missing(*source, other.as_ref(), email, person))
                .text(" Type ")
                .code(source.profile().link)
                .text("."),
        };
    }
    words
}

fn account(link: &AccountLink, person: &Person, now: DateTime<Utc>) -> Text {
    let name = link.source.name();
    let mut words = Text::new().text(link.shown());
    words = match link.origin {
        LinkOrigin::Config => words.text(" (configured)"),
        LinkOrigin::Email => words.text(", found by your Slack e-mail"),
        LinkOrigin::Typed | LinkOrigin::Unlinked => words.text(match &link.by {
            Some(by) => format!(", linked by {by}"),
            None => ", linked".to_owned(),
        }),
    };
    if let Some(at) = link.at {
        words = words.text(" on ").moment(at, person.zone);
    }
    if link.gone {
        words = words.text(format!(
            ". ✗ I can't find this account in {name} any more. "
        ));
        return match link.origin {
            LinkOrigin::Config => words
                .text("Ask ")
                .operators()
                .text(" to correct it in the configuration."),
            _ => words
                .text("Type ")
                .code(link.source.profile().link)
                .text("."),
        };
    }
    match link.seen_at {
        Some(at) if now - at > FRESH => words
            .text(format!(". {name} is not responding; last confirmed "))
            .moment(at, person.zone)
            .text("."),
        Some(_) => words,
        None => words.text(format!(". Not confirmed yet: {name} is not responding.")),
    }
}

fn missing(
    source: Source,
    link: Option<&AccountLink>,
    email: Option<bool>,
    person: &Person,
) -> Text {
    let words = Text::new().text("not linked");
    if let Some(AccountLink { at: Some(at), .. }) = link {
        return words
            .text(", you unlinked it on ")
            .moment(*at, person.zone)
            .text(".");
    }
    let email = email.filter(|_| source.profile().finds_by_email);
    words.text(match email {
        Some(true) => ". No single member has your Slack e-mail.",
        Some(false) => ". Slack does not show me your e-mail.",
        None => ".",
    })
}

/// The source refuses.
pub fn not_linked(why: &str) -> Text {
    Text::new().text(format!("Not linked: {}", sentence(why)))
}

/// The source does not answer.
pub fn not_confirmed(source: Source, why: &str) -> Text {
    let why = match why {
        "" => String::new(),
        why => format!(" ({})", for_people(why).trim_end_matches('.')),
    };
    Text::new().text(format!(
        "Not linked: {} can't confirm the account right now{why}. Nothing changed. Try again when `status` shows that it \
         works.",
        source.name()
    ))
}

/// The account is to be proved first.
pub fn prove_it(request: &LinkRequest, zone: Tz) -> Text {
    let (source, name) = (request.source, &request.account.name);
    let again = match source.profile().has_profile_text {
        true => " Or put it into your bio, and type the same again.",
        false => "",
    };
    Text::new()
        .text(format!(
            "Not linked yet. To show that {} account {name} is yours, write this code with it in a comment on any {} that \
             I follow: ",
            source.name(),
            source.noun()
        ))
        .code(&request.code)
        .text(format!(".{again} It is valid until "))
        .moment(request.asked_at + CODE_VALID, zone)
        .text("; you can delete it afterwards. Or ask ")
        .operators()
        .text(" to approve it.")
}

/// Only operators link accounts, and they were asked.
pub fn link_waits(request: &LinkRequest, zone: Tz) -> Text {
    let (source, name) = (request.source, &request.account.name);
    Text::new()
        .text("Not linked yet. I've asked ")
        .operators()
        .text(format!(
            " whether {} account {name} is yours. They have time until ",
            source.name()
        ))
        .moment(request.asked_at + CODE_VALID, zone)
        .text(".")
}

/// A person asked too often.
pub fn too_many_tries(until: DateTime<Utc>, zone: Tz) -> Text {
    Text::new()
        .text("Not linked: you tried too often. Ask ")
        .operators()
        .text(", or try again after ")
        .moment(until, zone)
        .text(".")
}

/// The account's code was found, or an operator approved it: to the person.
pub fn link_proved(source: Source, account: &Account, proof: LinkProof) -> Text {
    Text::new().text(format!(
        "✓ Linked {} account {}: {}. Its open {}s are in your queue now.",
        source.name(),
        account.name,
        match proof {
            LinkProof::Email => "it has your Slack e-mail",
            LinkProof::Profile => "its profile has your code",
            LinkProof::Comment => "it wrote your code",
            LinkProof::Operator => "an operator approved it",
        },
        source.noun()
    ))
}

/// An operator refused: to the person.
pub fn link_refused(source: Source, account: &Account) -> Text {
    Text::new().text(format!(
        "✗ Not linked: an operator refused {} account {}.",
        source.name(),
        account.name
    ))
}

/// The account is another person's.
pub fn linked_to_another(source: Source, account: &Account, owner: &str) -> Text {
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

/// To operators: a person linked an account.
pub fn linked_news(person: &str, source: Source, account: &Account, proof: LinkProof) -> Text {
    Text::new().text(format!(
        "{person} linked {} account {} ({}).",
        source.name(),
        account.name,
        match proof {
            LinkProof::Email => "same e-mail address in Slack",
            LinkProof::Profile => "its profile had their code",
            LinkProof::Comment => "it wrote their code",
            LinkProof::Operator => "approved by an operator",
        }
    ))
}

/// To operators: a person wants to link an account.
pub fn link_asked(person: &str, source: Source, account: &Account) -> Text {
    Text::new().text(format!(
        "{person} wants to link {} account {}. Approve only if you know that it is theirs: its tasks will be in their \
         queue, and they can act on them.",
        source.name(),
        account.name
    ))
}

/// An operator pressed a button of a request that is no more.
pub fn no_such_request() -> Text {
    Text::new().text("This request was answered, or has expired.")
}

/// Somebody else pressed a button for operators.
pub fn only_operators_link() -> Text {
    Text::new()
        .text("Not for you: ask ")
        .operators()
        .text(" to decide.")
}

/// An operator approved or refused: to the operator.
pub fn link_answered(person: &str, source: Source, account: &Account, approved: bool) -> Text {
    let (done, name) = (if approved { "Linked" } else { "Refused" }, source.name());
    Text::new().text(format!(
        "{done}: {name} account {} of {person}.",
        account.name
    ))
}

/// After a creation whose source did not set the assignee.
pub fn not_assigned(source: Source, wanted: &Account) -> Text {
    Text::new().text(format!(
        ". {} did not assign it to {}: {}",
        source.name(),
        wanted.name,
        source.profile().unassignable
    ))
}

/// The line of the Home tab for a missing account.
pub fn home_unlinked(source: Source) -> Text {
    Text::new()
        .text(format!("{}: not linked. Type ", source.name()))
        .code(source.profile().link)
        .text(" in Messages.")
}
