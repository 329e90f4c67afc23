//! Another daemon that seems to use the same Slack app: said in `status`, and to operators.

use super::{Desk, StoreTrouble};
use crate::domain::reply::{self, Words};
use crate::store::messages::{self, Draft};
use crate::store::slack_events::dm_of;
use crate::store::{DbResult, Tx, Wake, deliveries};

/// The name under which it is kept that operators know.
const ABOUT: &str = "slack app shared";

impl Desk {
    /// Slack counts so many links of the app that are not held here. Operators hear of it once it is sure, and of its end.
    pub async fn app_is_shared(&self, others: u32, sure: bool) -> Result<(), StoreTrouble> {
        self.lock_health().other_links = others;
        let inner = &self.inner;
        let known = inner
            .store
            .read(|connection| deliveries::is_alarm(connection, ABOUT))
            .await?;
        let (news, words) = match others {
            0 => (known, reply::app_is_ours()),
            others => (sure && !known, reply::app_is_shared(others)),
        };
        if !news {
            return Ok(());
        }
        let (operators, now) = (inner.settings.operators.clone(), inner.clock.now());
        inner
            .store
            .write(move |tx| {
                match others {
                    0 => drop(deliveries::all_well(tx, ABOUT)?),
                    _ => drop(deliveries::alarm(tx, ABOUT, now)?),
                }
                tracing::warn!("operators are told: {}", words.plain());
                tell(tx, &operators, &words, now)
            })
            .await
    }
}

fn tell(
    tx: &Tx<'_>,
    operators: &[String],
    words: &Words,
    now: chrono::DateTime<chrono::Utc>,
) -> DbResult<()> {
    for operator in operators {
        let draft = Draft {
            channel: dm_of(tx, operator)?,
            words: Some(words.clone()),
            ..Draft::default()
        };
        let uid = ulid::Ulid::from_datetime(now.into()).to_string();
        messages::add(tx, &draft, &uid, now)?;
        tx.wake(Wake::Messages);
    }
    Ok(())
}
