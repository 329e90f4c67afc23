//! The inbox: webhook requests, stored before they are answered, and the secrets that sign them.

use super::db::Db;
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::columns::corrupt;
use super::slack_events::Inserted;
use crate::domain::ids::DeliveryId;
use crate::domain::overview::WebhookState;
use crate::domain::source::Delivery;
use crate::domain::task::Source;

/// A stored delivery that is not processed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingDelivery {
    /// The row; ids rise in the order of arrival.
    pub id: DeliveryId,
    /// Failed attempts to process it.
    pub attempts: u32,
    /// The payload as received, with its source and kind of event.
    pub delivery: Delivery,
}

/// Stores a delivery under its key. A duplicate changes nothing: the stored one is, or will be, processed.
pub fn keep(tx: &Db, delivery: &Delivery, now: DateTime<Utc>) -> rusqlite::Result<Inserted> {
    let (whole, parts) = match delivery.payload.len() > PART {
        true => (&[][..], delivery.payload.chunks(PART)),
        false => (delivery.payload.as_slice(), [].chunks(PART)),
    };
    let kept = tx.execute(
        "INSERT INTO deliveries (source, dedupe_key, event, payload, kept_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (source, dedupe_key) DO NOTHING",
        params![
            delivery.source.as_str(),
            delivery.dedupe_key,
            delivery.event,
            whole,
            now.timestamp_millis(),
        ],
    )?;
    if kept == 0 {
        return Ok(Inserted::Duplicate);
    }
    let id = tx.inserted(DeliveryId);
    for (number, part) in (0_i64..).zip(parts) {
        tx.execute(
            "INSERT INTO delivery_parts (delivery, part, bytes) VALUES (?1, ?2, ?3)",
            params![id, number, part],
        )?;
    }
    Ok(Inserted::New)
}

/// Longer payloads are stored in parts of this length, in bytes, and the row's own payload is empty.
const PART: usize = 256 * 1024;

/// The payload of a delivery that is stored in parts.
fn joined(connection: &Db, id: DeliveryId, length: usize) -> rusqlite::Result<Vec<u8>> {
    let parts = "SELECT bytes FROM delivery_parts WHERE delivery = ?1 ORDER BY part";
    connection.query(parts, [id], |rows| {
        let mut payload = Vec::with_capacity(length);
        while let Some(row) = rows.next()? {
            payload.extend_from_slice(row.get_ref(0)?.as_blob()?);
        }
        Ok(payload)
    })
}

/// The limits of one read of waiting deliveries.
#[derive(Debug, Clone, Copy)]
pub struct PageLimits {
    /// The largest number of deliveries.
    pub deliveries: usize,
    /// Bytes of payload. The first delivery is read however long it is.
    pub bytes: usize,
}

/// Without the index by name, SQLite searches by source, and so reads all deliveries of the source that are kept.
const WAITING: &str = "SELECT id, attempts, dedupe_key, event, payload, length(payload),
         (SELECT sum(length(bytes)) FROM delivery_parts WHERE delivery = deliveries.id AND payload = x'')
     FROM deliveries INDEXED BY deliveries_waiting
     WHERE handled_ms IS NULL AND id > ifnull(?1, 0) AND source = ?2 ORDER BY id LIMIT ?3";

/// The oldest waiting deliveries of a source, after the one with id `after`.
pub fn waiting(
    connection: &Db,
    source: Source,
    after: Option<DeliveryId>,
    page: PageLimits,
) -> rusqlite::Result<Vec<WaitingDelivery>> {
    let limit = i64::try_from(page.deliveries).unwrap_or(i64::MAX);
    connection.query(WAITING, params![after, source.as_str(), limit], |rows| {
        let (mut waiting, mut bytes) = (Vec::new(), 0_usize);
        while let Some(row) = rows.next()? {
            let (whole, in_parts): (i64, Option<i64>) = (row.get(5)?, row.get(6)?);
            let length = usize::try_from(in_parts.unwrap_or(whole)).unwrap_or(usize::MAX);
            bytes = bytes.saturating_add(length);
            if bytes > page.bytes && !waiting.is_empty() {
                break;
            }
            let id: DeliveryId = row.get(0)?;
            let payload = match in_parts {
                Some(_) => joined(connection, id, length)?,
                None => row.get(4)?,
            };
            waiting.push(WaitingDelivery {
                id,
                attempts: row.get(1)?,
                delivery: Delivery {
                    source,
                    dedupe_key: row.get(2)?,
                    event: row.get(3)?,
                    payload,
                },
            });
        }
        Ok(waiting)
    })
}

/// A waiting delivery of a source.
pub fn waiting_one(
    connection: &Db,
    source: Source,
    id: DeliveryId,
) -> rusqlite::Result<Option<WaitingDelivery>> {
    let alone = PageLimits {
        deliveries: 1,
        bytes: 0,
    };
    let next = waiting(connection, source, Some(DeliveryId(id.0 - 1)), alone)?;
    Ok(next.into_iter().find(|waiting| waiting.id == id))
}

/// Marks a delivery as processed; `false` if it already was.
pub fn handle(tx: &Db, id: DeliveryId, result: &str, now: DateTime<Utc>) -> rusqlite::Result<bool> {
    let handled = tx.execute(
        "UPDATE deliveries SET handled_ms = ?2, result = ?3 WHERE id = ?1 AND handled_ms IS NULL",
        params![id, now.timestamp_millis(), result],
    )?;
    Ok(handled > 0)
}

/// Records that a delivery could not be processed this time.
pub fn failed(tx: &Db, id: DeliveryId, why: &str) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE deliveries SET attempts = attempts + 1, result = ?2 WHERE id = ?1",
        params![id, why],
    )?;
    Ok(())
}

/// The number of waiting deliveries.
pub fn count_waiting(connection: &Db) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT count(*) FROM deliveries WHERE handled_ms IS NULL",
        [],
        |row| row.get(0),
    )
}

/// The time when the newest delivery of a source was stored.
pub fn newest(connection: &Db, source: Source) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let ms: Option<i64> = connection.query_row(
        "SELECT max(kept_ms) FROM deliveries WHERE source = ?1",
        [source.as_str()],
        |row| row.get(0),
    )?;
    Ok(ms.map(super::columns::millis))
}

/// The same among the last deliveries of all sources, which are found without reading those before.
pub fn newest_of_late(connection: &Db, source: Source) -> rusqlite::Result<Option<DateTime<Utc>>> {
    connection
        .query_row(
            "SELECT kept_ms FROM deliveries
             WHERE id > (SELECT max(id) FROM deliveries) - ?2 AND source = ?1 ORDER BY id DESC LIMIT 1",
            params![source.as_str(), LATE_DELIVERIES],
            |row| Ok(super::columns::millis(row.get(0)?)),
        )
        .optional()
}

/// How many of the last deliveries are looked through.
const LATE_DELIVERIES: i64 = 1000;

/// The webhooks of a source that were registered from here, newest first, without their secrets.
pub fn webhooks(connection: &Db, source: Source) -> rusqlite::Result<Vec<WebhookState>> {
    connection.query_map(
        "SELECT hook_id, url, made_ms, since_ms FROM hooks LEFT JOIN alarms ON about = 'webhook ' || hook_id
         WHERE source = ?1 ORDER BY made_ms DESC, hook_id DESC",
        [source.as_str()],
        |row| {
            Ok(WebhookState {
                hook: row.get(0)?,
                url: row.get(1)?,
                made_at: super::columns::millis(row.get(2)?),
                broken_since: row.get::<_, Option<i64>>(3)?.map(super::columns::millis),
            })
        },
    )
}

/// Stores the secret that a webhook signs with, encrypted.
pub fn keep_hook(
    tx: &Db,
    source: Source,
    hook: &str,
    url: &str,
    secret: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let sealed = tx.key().seal_hook(source.as_str(), hook, secret)?;
    tx.execute(
        "INSERT INTO hooks (source, hook_id, url, secret, made_ms, sealed) VALUES (?1, ?2, ?3, ?4, ?5, 1)
         ON CONFLICT (source, hook_id) DO UPDATE SET url = excluded.url, secret = excluded.secret, sealed = 1",
        params![source.as_str(), hook, url, sealed, now.timestamp_millis()],
    )?;
    Ok(())
}

/// The secrets of a source's webhooks: of the given one, or of all.
pub fn secrets(
    connection: &Db,
    source: Source,
    hook: Option<&str>,
) -> rusqlite::Result<Vec<String>> {
    let all = secrets_by_hook(connection, source)?.into_iter();
    Ok(all
        .filter(|(id, _)| hook.is_none_or(|hook| hook == id))
        .map(|(_, secret)| secret)
        .collect())
}

/// The secrets of a source's webhooks, each with its webhook's id, newest first.
pub fn secrets_by_hook(connection: &Db, source: Source) -> rusqlite::Result<Vec<(String, String)>> {
    let hooks = hooks(connection, source)?.into_iter();
    Ok(hooks.map(|(hook, _, secret)| (hook, secret)).collect())
}

/// The URLs that webhooks were registered for.
pub fn hook_urls(connection: &Db, source: Source) -> rusqlite::Result<Vec<(String, String)>> {
    let hooks = hooks(connection, source)?.into_iter();
    let mut urls: Vec<(String, String)> = hooks.map(|(_, url, secret)| (url, secret)).collect();
    urls.sort();
    urls.dedup();
    Ok(urls)
}

/// The webhooks of a source that were registered from here: their ids, URLs and secrets.
pub fn registered(
    connection: &Db,
    source: Source,
) -> rusqlite::Result<Vec<(String, String, String)>> {
    hooks(connection, source)
}

/// The webhooks of a source: their ids, URLs and secrets.
fn hooks(connection: &Db, source: Source) -> rusqlite::Result<Vec<(String, String, String)>> {
    connection.query_map(
        "SELECT hook_id, url, secret FROM hooks WHERE source = ?1 ORDER BY made_ms DESC, hook_id DESC",
        [source.as_str()],
        |row| {
            let (hook, sealed): (String, String) = (row.get(0)?, row.get(2)?);
            let secret = connection
                .key()
                .unseal_hook(source.as_str(), &hook, &sealed);
            Ok((hook, row.get(1)?, secret.ok_or_else(|| corrupt(2))?))
        },
    )
}

/// Raises an alarm; `true` if it was not raised before.
pub fn alarm(tx: &Db, about: &str, now: DateTime<Utc>) -> rusqlite::Result<bool> {
    Ok(tx.execute(
        "INSERT INTO alarms (about, since_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        params![about, now.timestamp_millis()],
    )? > 0)
}

/// Whether this alarm is raised.
pub fn is_alarm(connection: &Db, about: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM alarms WHERE about = ?1)",
        [about],
        |row| row.get(0),
    )
}

/// Whether any alarm with this name prefix is raised.
pub fn is_alarm_of(connection: &Db, about: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM alarms WHERE substr(about, 1, length(?1)) = ?1)",
        [about],
        |row| row.get(0),
    )
}

/// The prefix of an alarm about a reply that Slack refused; Slack's error code follows.
const GIVEN_UP: &str = "answer given up ";
/// How long such an alarm is shown, and not raised again.
const GIVEN_UP_FOR: chrono::Duration = chrono::Duration::days(1);

/// Records that a reply was given up for this error code of Slack; `true` if that is the first within a day.
pub fn given_up(tx: &Db, code: &str, now: DateTime<Utc>) -> rusqlite::Result<bool> {
    Ok(tx.execute(
        "INSERT INTO alarms (about, since_ms) VALUES (?1 || ?2, ?3)
         ON CONFLICT (about) DO UPDATE SET since_ms = excluded.since_ms WHERE since_ms <= ?3 - ?4",
        params![
            GIVEN_UP,
            code,
            now.timestamp_millis(),
            GIVEN_UP_FOR.num_milliseconds()
        ],
    )? > 0)
}

/// Slack's error codes for which replies were given up within a day, each with its first time.
pub fn lately_given_up(
    connection: &Db,
    now: DateTime<Utc>,
) -> rusqlite::Result<Vec<(String, DateTime<Utc>)>> {
    connection.query_map(
        "SELECT substr(about, length(?1) + 1), since_ms FROM alarms
             WHERE substr(about, 1, length(?1)) = ?1 AND since_ms > ?2 ORDER BY since_ms, about",
        params![GIVEN_UP, (now - GIVEN_UP_FOR).timestamp_millis()],
        |row| Ok((row.get(0)?, super::columns::millis(row.get(1)?))),
    )
}

/// The raised alarms by name, oldest first. Those of replies that were given up are not among them.
pub fn alarms(connection: &Db) -> rusqlite::Result<Vec<(String, DateTime<Utc>)>> {
    connection.query_map(
        "SELECT about, since_ms FROM alarms WHERE substr(about, 1, length(?1)) <> ?1 ORDER BY since_ms, about",
        [GIVEN_UP],
        |row| Ok((row.get(0)?, super::columns::millis(row.get(1)?))),
    )
}

/// Ends an alarm and returns the time when it was raised, if it was.
pub fn all_well(tx: &Db, about: &str) -> rusqlite::Result<Option<DateTime<Utc>>> {
    tx.query_row(
        "DELETE FROM alarms WHERE about = ?1 RETURNING since_ms",
        [about],
        |row| row.get(0),
    )
    .optional()
    .map(|ms| ms.map(super::columns::millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With months of deliveries in the store, a new one is found at once.
    #[test]
    fn waiting_deliveries_are_found_without_those_that_were_processed() {
        let connection = Db::in_memory();
        let plan: Vec<String> = connection
            .query_map(
                &format!("EXPLAIN QUERY PLAN {WAITING}"),
                params![None::<DeliveryId>, "github", 10],
                |row| row.get(3),
            )
            .unwrap();
        let by_index = "SEARCH deliveries USING INDEX deliveries_waiting (id>?)";
        assert_eq!(plan.first().map(String::as_str), Some(by_index));
        assert!(
            plan.iter().all(|step| !step.starts_with("SCAN")),
            "{plan:?}"
        );
    }

    /// A large payload is stored in parts, none of which is left when its delivery goes.
    #[test]
    fn a_large_payload_comes_back_as_it_was() {
        let connection = Db::in_memory();
        let now = DateTime::UNIX_EPOCH;
        for (length, parts) in [(PART, 0), (PART + 1, 2), (3 * PART, 3)] {
            let delivery = Delivery {
                source: Source::GitHub,
                dedupe_key: length.to_string(),
                event: "issues".into(),
                payload: (0..=250).cycle().take(length).collect(),
            };
            for kept in [Inserted::New, Inserted::Duplicate] {
                assert_eq!(keep(&connection, &delivery, now).unwrap(), kept);
            }
            let count = "SELECT count(*) FROM delivery_parts";
            let count = || connection.query_row(count, [], |row| row.get::<_, i64>(0));
            assert_eq!(count().unwrap(), parts);
            let page = PageLimits {
                deliveries: 5,
                bytes: 1,
            };
            let read = waiting(&connection, Source::GitHub, None, page).unwrap();
            assert_eq!(read.len(), 1);
            assert!(read.iter().all(|one| one.delivery == delivery));
            connection.execute("DELETE FROM deliveries", []).unwrap();
            assert_eq!(count().unwrap(), 0);
        }
    }

    #[test]
    fn a_page_of_deliveries_is_bounded_in_number_and_in_bytes() {
        let connection = Db::in_memory();
        let now = DateTime::UNIX_EPOCH;
        for (n, (source, bytes)) in [
            (Source::GitHub, 10),
            (Source::ClickUp, 10),
            (Source::GitHub, 500),
            (Source::GitHub, 40),
            (Source::GitHub, 50),
            (Source::GitHub, 20),
            (Source::GitHub, 10),
        ]
        .into_iter()
        .enumerate()
        {
            let delivery = Delivery {
                source,
                dedupe_key: n.to_string(),
                event: "issues".into(),
                payload: vec![0; bytes],
            };
            assert_eq!(keep(&connection, &delivery, now).unwrap(), Inserted::New);
        }
        let page = PageLimits {
            deliveries: 2,
            bytes: 100,
        };
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let read = waiting(&connection, Source::GitHub, after, page).unwrap();
            let Some(last) = read.last() else {
                break;
            };
            after = Some(last.id);
            let sizes = read.iter().map(|one| one.delivery.payload.len());
            pages.push(sizes.collect::<Vec<_>>());
        }
        assert_eq!(pages, [vec![10], vec![500], vec![40, 50], vec![20, 10]]);
    }
}
