//! Texts of a person's as they are written to a source: with the people whom they address, and signed.

use crate::bounds::Bound;
use crate::command_tx::{CommandTx, Rejection};
use crate::domain::markdown;
use crate::domain::operation::TEXT_MAX;
use crate::domain::person::Person;
use crate::domain::prose::{self, Addressee, MENTIONS_MAX, Piece, Prose};
use crate::domain::reply;
use crate::domain::task::{Account, Source};
use crate::store::operations::Surface;
use crate::store::{DbResult, people};

/// A text may be too long for any source.
pub fn fits(text: &str) -> Result<(), Rejection> {
    match text.chars().count() {
        length if length > TEXT_MAX => Err(Rejection::Unfit(reply::text_too_long(length))),
        _ => Ok(()),
    }
}

/// Whether what somebody writes is signed: where several people write by one account, and bot.toml does not say no.
pub fn signs(tx: &CommandTx<'_>, person: &Person) -> DbResult<bool> {
    let asked = tx.settings.signature && !person.alone;
    Ok(asked && people::present(tx.db)?.len() > 1)
}

/// A text of theirs as it is written to a source: with those whom it addresses as they are mentioned there, and with
/// their own name under it. GitHub shows Markdown, which text of Slack's is not.
pub fn signed(
    tx: &CommandTx<'_>,
    person: &Person,
    source: Source,
    text: &str,
    typed_in: Surface,
) -> DbResult<Prose> {
    let text = addressed(tx, text, |one| mention(one, source))?;
    let text = match (source, typed_in) {
        // Nobody is more than text there.
        (Source::GitHub, Surface::Slack) => markdown::from_slack(&text.to_string()).into(),
        _ => text,
    };
    Ok(match signs(tx, person)? {
        true => prose::signed(text, &called(person, person.account(source).as_ref())),
        false => text,
    })
}

/// A text with people by their names, where nobody can be mentioned.
pub fn named(tx: &CommandTx<'_>, text: &str) -> DbResult<String> {
    let named = addressed(tx, text, |one| Piece::Text(one.name.clone()))?;
    Ok(named.to_string())
}

fn addressed(
    tx: &CommandTx<'_>,
    text: &str,
    written: impl Fn(&Person) -> Piece,
) -> DbResult<Prose> {
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
    let addressed = prose::addressed(text, &addressees);
    if addressed.only_named > 0 {
        Bound::Mentions.reached(format_args!(
            "of one text {MENTIONS_MAX} mentions are sent as mentions and {} as names",
            addressed.only_named
        ));
    }
    Ok(addressed.prose)
}

/// How somebody is mentioned in a source; their mere name where they have no account there, for an `@` before it would
/// call a stranger.
fn mention(person: &Person, source: Source) -> Piece {
    match (source, person.account(source)) {
        (Source::GitHub, Some(account)) => Piece::Text(format!("@{}", account.name)),
        (Source::ClickUp, Some(account)) if !account.id.is_empty() => Piece::Mention {
            name: called(person, Some(&account)),
            account: account.id,
        },
        _ => Piece::Text(person.name.clone()),
    }
}

/// What people call somebody who has this account: a member id is no name.
fn called(person: &Person, account: Option<&Account>) -> String {
    let named = account.filter(|account| account.name != account.id);
    named.map_or_else(|| person.name.clone(), |account| account.name.clone())
}
