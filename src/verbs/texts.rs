//! A person's texts for a source: with the mentions in its form, and signed.

use std::sync::Arc;

use crate::command_tx::{CommandTx, Rejection};
use crate::domain::mention_text::{self, Addressee, MENTIONS_MAX, MentionText, Piece};
use crate::domain::operation::TEXT_MAX;
use crate::domain::person::Person;
use crate::domain::pings::{self, Origin};
use crate::domain::profile::HandleKind;
use crate::domain::shared_file::{self, SharedFile};
use crate::domain::signature::{self, Rendering};
use crate::domain::task::{Account, Source};
use crate::domain::{markdown, reply};
use crate::limits::Limit;
use crate::store::operations::Surface;
use crate::store::{DbResult, people};

/// Refuses a text that is too long for every source, with the links to files below it.
pub fn fits(text: &str, files: &[SharedFile]) -> Result<(), Rejection> {
    let links = shared_file::links(files, true);
    match text.chars().count() + links.chars().count() {
        length if length > TEXT_MAX => Err(Rejection::Unfit(reply::text_too_long(length))),
        _ => Ok(()),
    }
}

/// Whether a person's texts are signed: if several people share one account, unless bot.toml turns it off.
pub fn signs(tx: &CommandTx<'_>, person: &Person) -> DbResult<bool> {
    let asked = tx.settings.signature && !person.alone;
    Ok(asked && people::are_several(tx.db)?)
}

/// A person's text for a source, with its mentions in the source's form, and below it the links to files and the person's
/// own name. Slack's text becomes Markdown for GitHub.
pub fn signed(
    tx: &CommandTx<'_>,
    person: &Person,
    source: Source,
    text: &str,
    files: &[SharedFile],
    typed_in: Surface,
) -> DbResult<MentionText> {
    let text = addressed(tx, text, |one| mention(one, source))?;
    let text = match (source.profile().markdown, typed_in) {
        // Mentions are plain text there.
        (true, Surface::Slack) => markdown::from_slack(&text.to_string()).into(),
        _ => text,
    };
    let text = match source.profile().handles {
        HandleKind::Logins => without_pings(tx, source, &text.to_string(), typed_in)?.into(),
        HandleKind::Ids => text,
    };
    let text = shared_file::with_links(text, files, source.profile().markdown);
    if !signs(tx, person)? {
        return Ok(text);
    }
    let rendering = match source.profile().markdown {
        true => Rendering::Markdown,
        false => Rendering::Plain,
    };
    let names = match signature::may_name(&text.to_string()) {
        true => names(tx)?,
        false => Vec::new(),
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(signature::signed(text, &person.name, rendering, &names))
}

/// The names of all people and of their accounts.
fn names(tx: &CommandTx<'_>) -> DbResult<Vec<String>> {
    let people = people::present(tx.db)?;
    let names = people.iter().flat_map(|person| {
        let accounts = Source::ALL.map(|source| person.account(source).map(|account| account.name));
        accounts.into_iter().flatten().chain([person.name.clone()])
    });
    Ok(names.collect())
}

/// A text in which nobody is mentioned but people who are linked here.
fn without_pings(
    tx: &CommandTx<'_>,
    source: Source,
    text: &str,
    typed_in: Surface,
) -> DbResult<String> {
    let people = match text.contains('@') {
        true => people::present(tx.db)?,
        false => Arc::default(),
    };
    let accounts = people.iter().filter_map(|one| one.account(source));
    let logins: Vec<String> = accounts.map(|account| account.name).collect();
    let is_linked = |login: &str| {
        let mut logins = logins.iter();
        logins.any(|linked| linked.eq_ignore_ascii_case(login))
    };
    let origin = match typed_in {
        Surface::Slack => Origin::Ours,
        _ => Origin::Typed,
    };
    Ok(pings::without_pings(text, origin, is_linked))
}

/// A text with people's names, for a field without mentions.
pub fn named(tx: &CommandTx<'_>, text: &str) -> DbResult<String> {
    let named = addressed(tx, text, |one| Piece::Text(one.name.clone()))?;
    Ok(named.to_string())
}

fn addressed(
    tx: &CommandTx<'_>,
    text: &str,
    written: impl Fn(&Person) -> Piece,
) -> DbResult<MentionText> {
    if !text.contains('@') {
        return Ok(text.into());
    }
    let addressees: Vec<Addressee> = people::present(tx.db)?
        .iter()
        .filter(|one| !one.alone)
        .map(|one| Addressee {
            called: one.slack.iter().chain([&one.name]).cloned().collect(),
            written: written(one),
            name: one.name.clone(),
        })
        .collect();
    let addressed = mention_text::addressed(text, &addressees);
    if addressed.only_named > 0 {
        Limit::Mentions.reached(format_args!(
            "one text has more than {MENTIONS_MAX} mentions; {} are sent as names",
            addressed.only_named
        ));
    }
    Ok(addressed.prose)
}

/// The mention of a person in a source; their plain name if they have no account there, because an `@` would notify a
/// stranger.
fn mention(person: &Person, source: Source) -> Piece {
    match (source.profile().handles, person.account(source)) {
        (HandleKind::Logins, Some(account)) => Piece::Text(format!("@{}", account.name)),
        (HandleKind::Ids, Some(account)) if !account.id.is_empty() => Piece::Mention {
            name: called(person, Some(&account)),
            account: account.id,
        },
        _ => Piece::Text(person.name.clone()),
    }
}

/// A readable name for this account: a member id is none.
fn called(person: &Person, account: Option<&Account>) -> String {
    let named = account.filter(|account| account.name != account.id);
    named.map_or_else(|| person.name.clone(), |account| account.name.clone())
}
