//! The words of `whoami`, `link` and `unlink`.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Text, sentence};
use crate::domain::link::{AccountLink, LinkOrigin};
use crate::domain::person::Person;
use crate::domain::task::{Account, Source};

/// An account that its source confirmed longer ago than this is shown with that time.
const FRESH: TimeDelta = TimeDelta::minutes(1);

/// The key of `[[people]]`.
pub fn key_of_people(source: Source) -> &'static str {
    source.as_str()
}

/// A person's identity in each system, its origin, the missing parts and the remedy. `email`: whether Slack shows their
/// address, if it was requested.
pub fn whoami(
    person: &Person,
    accounts: &[(Source, Option<AccountLink>)],
    email: Option<bool>,
    now: DateTime<Utc>,
) -> Text {
    if person.alone {
        let words = Text::new().text(
            "I am one person's here: bot.toml has no [[people]], so that everyone who may command shares one queue of \
             all open tasks, and there is nothing to link.",
        );
        return accounts.iter().fold(words, |words, (source, _)| {
            words.text(format!("\n{}: connected", source.name()))
        });
    }
    let mut words = Text::new()
        .text(format!("You are {}.", person.name))
        .text(match &person.slack {
        Some(id) => format!("\nSlack: {id}, from bot.toml"),
        None => {
            "\nSlack: ✗ not linked. Whoever runs me can add `slack` to your [[people]] in bot.toml."
                .to_owned()
        }
    });
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
        LinkOrigin::Config => words.text(", from bot.toml"),
        LinkOrigin::Email => words.text(", found by the e-mail address of your Slack profile"),
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
            ". ✗ {name} shows me no such account any more, so that nothing there is yours. "
        ));
        return match link.origin {
            LinkOrigin::Config => words.text(format!(
                "Whoever runs me can correct `{}` in your [[people]] in bot.toml.",
                key_of_people(link.source)
            )),
            _ => words
                .text("Type ")
                .code(link.source.profile().link)
                .text("."),
        };
    }
    match link.seen_at {
        Some(at) if now - at > FRESH => words
            .text(format!(". {name} does not answer; it was so on "))
            .moment(at, person.zone)
            .text("."),
        Some(_) => words,
        None => words.text(format!(
            ". {name} has not confirmed it yet: it does not answer."
        )),
    }
}

fn missing(
    source: Source,
    link: Option<&AccountLink>,
    email: Option<bool>,
    person: &Person,
) -> Text {
    let words = Text::new().text("✗ not linked, so that nothing there is yours");
    if let Some(AccountLink { at: Some(at), .. }) = link {
        return words
            .text("; you unlinked it on ")
            .moment(*at, person.zone)
            .text(".");
    }
    let email = email.filter(|_| source.profile().finds_by_email);
    words.text(match email {
        Some(true) => {
            "; no member there, or more than one, has the e-mail address of your Slack profile."
        }
        Some(false) => {
            "; Slack does not show me your e-mail address to find you by, for which its app needs the scope \
             users:read.email."
        }
        None => ".",
    })
}

/// The source refuses.
pub fn not_linked(why: &str) -> Text {
    Text::new().text(format!("Not linked. {}", sentence(why)))
}

/// The source does not answer.
pub fn not_confirmed(source: Source, why: &str) -> Text {
    let why = match why {
        "" => String::new(),
        why => format!(" ({})", why.trim_end_matches('.')),
    };
    Text::new().text(format!(
        "Not linked: {} has to confirm the account, and does not answer{why}. Nothing was changed; type it again when \
         `status` shows that it does.",
        source.name()
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
        .text(format!(
            "{}: ✗ not linked, so that nothing there is yours. Type ",
            source.name()
        ))
        .code(source.profile().link)
        .text(" here in Messages.")
}
