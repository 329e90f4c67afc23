//! Cards that stand in Slack are brought up to date, in the transaction in which their task changes.
//!
//! Whoever changes a task in the mirror calls [`refresh`]: a card says what is true, wherever it stands.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::card::Part;
use crate::store::tasks::Stored;
use crate::store::{DbResult, Tx, Wake, messages, people};

/// Makes the cards of a task again where they would look otherwise now.
pub fn refresh(tx: &Tx<'_>, stored: &Stored, now: DateTime<Utc>) -> DbResult<()> {
    tx.wake(Wake::Homes);
    for standing in messages::with_card_of(tx, stored.row)? {
        let zone = match standing.person {
            Some(person) => people::by_id(tx, person)?.zone,
            None => Tz::UTC,
        };
        let gone = stored.gone || stored.away;
        let parts: Vec<Part> = standing
            .parts
            .iter()
            .map(|part| match part {
                Part::Card(card) if card.task == stored.row => {
                    Part::Card(card.again(&stored.task, gone, now, zone))
                }
                other => other.clone(),
            })
            .collect();
        if parts != standing.parts {
            messages::redraw(tx, standing.id, &parts)?;
            tx.wake(Wake::Messages);
        }
    }
    Ok(())
}
