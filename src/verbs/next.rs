//! `next`: move on to the task after the current one, without completing it.

use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, nothing_after};
use super::line::{CommandLine, NoWords};
use super::{Http, Info, ShownContext, Verb};
use crate::command_tx::{CommandTx, Context, Decided, Handled, Rejection, Reply, Stop};
use crate::completion::{first_of_queue, next_in_queue};
use crate::domain::card::{CardPart, card};
use crate::domain::command::Ref;
use crate::domain::person::Person;
use crate::domain::reply::{self, Text};
use crate::store::{DbResult, people};

/// Makes the next task of the queue current; it is `next_task` of the answer. Without another task, `next_task` is null
/// and the current one stays. 503 if the sources were not read yet; 422 if no account of the person is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Next {
    /// A button's `next`: skips this task, if it still is the current one.
    #[serde(skip)]
    pub from: Option<Ref>,
}

impl Verb for Next {
    const INFO: &'static Info = &Info {
        name: "next",
        aliases: &["skip", "later", "not now"],
        usage: "next",
        effect: "skip to the next task without completing this one",
        examples: &["next"],
        shown: ShownContext::Always,
        http: Http::post("next"),
        line: Some(CommandLine::of::<NoWords>(&["ivan next"])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Next, ParseError> {
        nothing_after("next", rest, Next::default())
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let from = match (self.from, context.offered_at) {
            // An offered `next` skips the task that was current then.
            (None, Some(at)) => tx.current_at(person, at)?.map(Ref::Row),
            (from, _) => from,
        };
        Ok(Handled::Replied(match &from {
            Some(task) => next_from(tx, person, task)?,
            None => next(tx, person)?,
        }))
    }
}

/// `next` from a card: it skips that task only while it is the current one.
fn next_from(tx: &CommandTx<'_>, person: &Person, task: &Ref) -> Result<Reply, Stop> {
    let Some(stored) = tx.pressed_task(task)? else {
        return Err(Rejection::UnknownTask(reply::not_a_button()).into());
    };
    let current = people::current_pin(tx.db, person.id)?.and_then(|pin| pin.task);
    if current == Some(stored.row) {
        return Ok(next(tx, person)?);
    }
    let mut said = tx.show(person)?;
    if said.about.is_some() {
        said.words = not_current_any_more(said.words);
        said.parts
            .insert(0, CardPart::Text(not_current_any_more(Text::new())));
    }
    Ok(said)
}

/// `next`: on to the task after the current one, without completing it.
fn next(tx: &CommandTx<'_>, person: &Person) -> DbResult<Reply> {
    let (now, weights) = (tx.now, &tx.settings.weights);
    let current = people::current_pin(tx.db, person.id)?.and_then(|pin| pin.task);
    let next = next_in_queue(tx.db, person, (current, None), now, weights)?;
    let Some((next, task, score)) = next else {
        if current.is_some() && first_of_queue(tx.db, person, None, now, weights)?.is_none() {
            // The pinned task is no longer in the queue, and neither is another: unpin it.
            people::pin(tx.db, person.id, None, tx.now, None)?;
        }
        let mut said = tx.show(person)?;
        if said.about.is_some() {
            said.words = no_other(said.words);
            said.parts.insert(0, CardPart::Text(no_other(Text::new())));
        }
        return Ok(said);
    };
    let pin = people::pin(tx.db, person.id, Some(next), tx.now, None)?;
    let words = reply::card(&task, &score, tx.now, person.zone);
    let card = card(next, &task, &score, tx.now, person.zone);
    let lead = CardPart::Text(moved_on(Text::new()));
    Ok(Reply {
        words: moved_on(words),
        parts: vec![lead, CardPart::Card(card)],
        pin: Some(pin),
        about: Some(next),
        ..Reply::default()
    })
}

/// After `next`: the card of the new current task.
pub(crate) fn moved_on(card: Text) -> Text {
    Text::new().text("Next: ").then(card)
}

/// After a `next` without another task.
pub(crate) fn no_other(card: Text) -> Text {
    Text::new()
        .text("No other task in your queue. Still: ")
        .then(card)
}

/// `next` was pressed on a card that is no longer the current task.
pub(crate) fn not_current_any_more(card: Text) -> Text {
    Text::new()
        .text("That is no longer your current task. Current: ")
        .then(card)
}
