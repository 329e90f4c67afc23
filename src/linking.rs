//! Links accounts to people once it is proved that they are theirs, and tells the operators.
//!
//! A proof is an e-mail address that both sides have confirmed, a code that the account has written, or an operator's
//! press. The code is looked for in comments of exactly that account, by its id: [`ingest`](crate::ingest) brings them from
//! webhooks and polls.

use chrono::{DateTime, Utc};

use crate::domain::card::{Button, ButtonAction, CardPart};
use crate::domain::event::{Activity, ActivityKind};
use crate::domain::ids::PinId;
use crate::domain::link::{LinkOrigin, LinkProof, LinkRequest};
use crate::domain::person::{Person, PersonId};
use crate::domain::reply::{self, Text};
use crate::domain::task::{Account, Source};
use crate::store::messages::MessageDraft;
use crate::store::{DbResult, Tx, Wake, link_requests, links, messages, people, tasks};

/// Who links which account, and why it is theirs.
pub struct NewLink<'a> {
    /// The person.
    pub person: &'a Person,
    /// The source of the account.
    pub source: Source,
    /// The account, as its source has confirmed it.
    pub account: &'a Account,
    /// The person who asked for it or approved it.
    pub by: PersonId,
    /// Why it is theirs.
    pub proof: LinkProof,
}

/// Links an account. Returns the person with it, and the pin for "no task" if their current task is no longer theirs.
/// `shown`: whether they see the answer at once.
pub fn link(
    tx: &Tx<'_>,
    new: &NewLink<'_>,
    shown: bool,
    now: DateTime<Utc>,
) -> DbResult<(Person, Option<PinId>)> {
    let (person, source) = (new.person, new.source);
    links::set(
        tx,
        person.id,
        source,
        LinkOrigin::Typed,
        new.account,
        Some(new.by),
        now,
    )?;
    links::proved(tx, person.id, source, new.proof)?;
    link_requests::remove(tx, person.id, source)?;
    tell_operators(
        tx,
        &reply::linked_news(&person.name, source, new.account, new.proof),
        &[],
        now,
    )?;
    as_linked_now(tx, person, shown, now)
}

/// The person after a change of their accounts. A pinned task that was theirs only by an account they no longer have is
/// not their current task from when they see the answer; the pin for "no task" is returned with the person.
pub fn as_linked_now(
    tx: &Tx<'_>,
    before: &Person,
    shown: bool,
    now: DateTime<Utc>,
) -> DbResult<(Person, Option<PinId>)> {
    let person = Person {
        zone: before.zone,
        ..people::by_id(tx, before.id)?
    };
    let mut pin = None;
    let pinned = people::current_pin(tx, person.id)?.and_then(|pin| pin.task);
    if let Some(row) = pinned
        && let Some(stored) = tasks::by_row(tx, row)?
        && before.is_concerned(&stored.task)
        && !person.is_concerned(&stored.task)
    {
        pin = Some(people::pin(tx, person.id, None, now, shown.then_some(now))?);
    }
    tx.wake(Wake::Homes);
    Ok((person, pin))
}

/// Asks the operators whether an account is the person's.
pub fn ask_operators(
    tx: &Tx<'_>,
    name: &str,
    request: &LinkRequest,
    now: DateTime<Utc>,
) -> DbResult<()> {
    let words = reply::link_asked(name, request.source, &request.account);
    let button = |label, approve| {
        let uid = request.uid.clone();
        Button::new(label, ButtonAction::Link { uid, approve })
    };
    let parts = [
        CardPart::Text(words.clone()),
        CardPart::Buttons(vec![button("Approve", true), button("Refuse", false)]),
    ];
    tell_operators(tx, &words, &parts, now)
}

/// Links the account of a comment's author to the person whose code it has. Comments by Ivan's own account count for
/// nobody: everybody can write them.
pub fn commented(tx: &Tx<'_>, source: Source, act: &Activity, now: DateTime<Utc>) -> DbResult<()> {
    let (ActivityKind::Commented { text, .. }, Some(actor)) = (&act.what, &act.by) else {
        return Ok(());
    };
    if actor.us || actor.account.id.is_empty() {
        return Ok(());
    }
    let text = text.to_string();
    for request in link_requests::for_account(tx, source, &actor.account.id)? {
        if request.is_valid(now) && request.is_in(&text) {
            complete(tx, &request, &actor.account, now)?;
        }
    }
    Ok(())
}

/// Links the account of a request whose code it has written, and tells the person.
fn complete(
    tx: &Tx<'_>,
    request: &LinkRequest,
    account: &Account,
    now: DateTime<Utc>,
) -> DbResult<()> {
    let (id, source) = (request.person, request.source);
    let present = people::present(tx)?;
    let Some(person) = present.iter().find(|person| person.id == id) else {
        return link_requests::remove(tx, id, source);
    };
    let configured =
        links::of(tx, id, source)?.is_some_and(|link| link.origin == LinkOrigin::Config);
    if configured {
        return link_requests::remove(tx, id, source);
    }
    if let Some(owner) = links::owner_besides(tx, id, source, account)? {
        link_requests::remove(tx, id, source)?;
        return tell(
            tx,
            person,
            &reply::linked_to_another(source, account, &owner),
            now,
        );
    }
    let new = NewLink {
        person,
        source,
        account,
        by: id,
        proof: LinkProof::Comment,
    };
    link(tx, &new, false, now)?;
    tell(
        tx,
        person,
        &reply::link_proved(source, account, LinkProof::Comment),
        now,
    )
}

/// Tells the operators of an account that was linked by its e-mail address.
pub fn tell_of_email(
    tx: &Tx<'_>,
    person: PersonId,
    source: Source,
    account: &Account,
    now: DateTime<Utc>,
) -> DbResult<()> {
    let name = people::by_id(tx, person)?.name;
    let words = reply::linked_news(&name, source, account, LinkProof::Email);
    tell_operators(tx, &words, &[], now)
}

/// Tells a person how their request ended.
pub fn tell(tx: &Tx<'_>, person: &Person, words: &Text, now: DateTime<Utc>) -> DbResult<()> {
    let Some(channel) = people::reached_in(tx, person.id)? else {
        return Ok(());
    };
    let draft = MessageDraft {
        channel,
        person: Some(person.id),
        words: Some(words.clone()),
        ..MessageDraft::default()
    };
    messages::tell(tx, &draft, now)
}

/// Tells the operators, and the log.
fn tell_operators(
    tx: &Tx<'_>,
    words: &Text,
    parts: &[CardPart],
    now: DateTime<Utc>,
) -> DbResult<()> {
    tracing::info!("{}", words.plain());
    messages::tell_operators(tx, words, parts, None, now)
}
