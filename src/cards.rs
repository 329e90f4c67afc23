//! Updates posted cards in Slack, in the transaction that changes their task.
//!
//! Code that changes a task in the mirror calls [`refresh`], so that all of its cards stay correct.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::card::{Card, CardPart};
use crate::domain::ids::TaskRow;
use crate::store::tasks::{self, StoredTask};
use crate::store::{DbResult, Tx, Wake, access, messages, people};

/// Renders the cards of a task again if their content would change.
pub fn refresh(tx: &Tx<'_>, stored: &StoredTask, now: DateTime<Utc>) -> DbResult<()> {
    tx.wake(Wake::Homes);
    for standing in messages::with_card_of(tx, stored.row)? {
        let zone = match standing.person {
            Some(person) => {
                let person = people::by_id(tx, person)?;
                // A card that its person was shown earlier stays as it was.
                if !access::may_name(tx, &person, stored)? {
                    continue;
                }
                person.zone
            }
            None => Tz::UTC,
        };
        let gone = stored.gone || stored.away;
        let mut parts = standing.parts.clone();
        for part in &mut parts {
            if let CardPart::Card(card) = part {
                if card.task == stored.row {
                    *card = card.again(&stored.task, gone, now, zone);
                } else if card.is_of_an_older_version()
                    && let Some(other) = tasks::by_row(tx, card.task)?
                {
                    *card = card.again(&other.task, other.gone || other.away, now, zone);
                }
            }
        }
        if parts != standing.parts {
            messages::redraw(tx, standing.id, &parts)?;
            tx.wake(Wake::Messages);
        }
    }
    Ok(())
}

/// A task continues in another row: moves its cards there.
pub fn succeed(tx: &Tx<'_>, old: TaskRow, new: &StoredTask, now: DateTime<Utc>) -> DbResult<()> {
    for mut standing in messages::with_card_of(tx, old)? {
        for part in &mut standing.parts {
            if let CardPart::Card(card) = part
                && card.task == old
            {
                *part = CardPart::Card(Card {
                    task: new.row,
                    ..card.clone()
                });
            }
        }
        messages::redraw(tx, standing.id, &standing.parts)?;
        tx.wake(Wake::Messages);
    }
    messages::cards_succeed(tx, old, new.row)?;
    refresh(tx, new, now)
}
