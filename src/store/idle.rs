//! Whether the daemon still has work to do or a message to send.

use super::db::Db;

use super::{messages, operations};
use crate::domain::task::Source;

/// Whether no stored row will lead to a message by itself: every Slack event and delivery is handled, every command is
/// answered or reported as queued, every message is posted, and every Home tab is published.
///
/// Queued operations do not count, nor do deliveries whose source has failed to answer or is in `without`.
pub fn is_idle(connection: &Db, without: &[Source]) -> rusqlite::Result<bool> {
    let to_act_on: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM slack_events WHERE handled_ms IS NULL)
                 OR EXISTS (SELECT 1 FROM homes WHERE wanted > published)",
        [],
        |row| row.get(0),
    )?;
    if to_act_on || deliveries_wait(connection, without)? {
        return Ok(false);
    }
    Ok(operations::untold(connection)?.is_empty()
        && messages::outgoing(connection, 1)?.messages.is_empty())
}

fn deliveries_wait(connection: &Db, without: &[Source]) -> rusqlite::Result<bool> {
    for source in Source::ALL {
        if without.contains(&source) {
            continue;
        }
        let waits: bool = connection
            .query_row("SELECT EXISTS (SELECT 1 FROM deliveries WHERE handled_ms IS NULL AND attempts = 0 AND source = ?1)", [source.as_str()], |row| row.get(0))?;
        if waits {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::ids::DeliveryId;
    use crate::domain::reply::Text;
    use crate::domain::source::Delivery;
    use crate::store::{deliveries, homes, slack_events};

    /// Adds each kind of unfinished work, and ends it.
    #[test]
    fn it_is_idle_when_all_is_done_and_said() {
        let connection = Db::in_memory();
        let (tx, now) = (&connection, DateTime::UNIX_EPOCH);
        let idle = |without: &[Source]| is_idle(tx, without).unwrap();
        assert!(idle(&[]));

        let heard = slack_events::IncomingMessage {
            keys: vec!["event:Ev1".into()],
            user: "U0ANN01".into(),
            channel: "D0DM001".into(),
            direct: true,
            text: "current".into(),
            ts: "1763800000.000100".into(),
            said_at: now,
            thread: None,
            gesture: slack_events::Gesture::Said,
            attached: Default::default(),
        };
        slack_events::keep(tx, &heard, "{}", now).unwrap();
        assert!(!idle(&[]), "a message to act on");
        let event = slack_events::known(tx, &heard.keys).unwrap().unwrap();
        slack_events::handle(tx, event, now).unwrap();
        assert!(idle(&[]));

        homes::opened(tx, "U0ANN01", "D0DM001", None, now).unwrap();
        assert!(!idle(&[]), "a Home tab to publish");
        let version = homes::since(tx, now).unwrap()[0].version;
        homes::published(tx, "U0ANN01", version, None, None).unwrap();
        assert!(idle(&[]));

        let draft = messages::MessageDraft {
            channel: "D0DM001".into(),
            words: Some(Text::new().text("Hello")),
            ..messages::MessageDraft::default()
        };
        let message = messages::add(tx, &draft, "01", now).unwrap();
        assert!(!idle(&[]), "a message to post");
        messages::posted(tx, message, 1, "1763800000.000200", now).unwrap();
        assert!(idle(&[]));

        let delivery = Delivery {
            source: Source::ClickUp,
            dedupe_key: "1".into(),
            event: "taskUpdated".into(),
            payload: Vec::new(),
        };
        deliveries::keep(tx, &delivery, now).unwrap();
        assert!(!idle(&[]), "a delivery to apply");
        assert!(!idle(&[Source::GitHub]));
        assert!(
            idle(&[Source::ClickUp]),
            "a source that is known to be down"
        );
        deliveries::failed(tx, DeliveryId(1), "no answer").unwrap();
        assert!(idle(&[]), "a source that failed to answer");
    }
}
