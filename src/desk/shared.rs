//! Another daemon that seems to use the same Slack app: said in `status`, and to operators.

use super::{Desk, StoreTrouble};
use crate::domain::reply;
use crate::store::deliveries;

/// The name under which it is kept that operators know.
const ABOUT: &str = "slack app shared";

impl Desk {
    /// Slack counts so many links of the app that are not held here. Operators hear of it once it is sure, and of its end.
    pub async fn app_is_shared(&self, others: u32, sure: bool) -> Result<(), StoreTrouble> {
        self.lock_health().other_links = others;
        let known = self
            .inner
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
        self.turn(move |turn| {
            match others {
                0 => drop(deliveries::all_well(turn.db, ABOUT)?),
                _ => drop(deliveries::alarm(turn.db, ABOUT, turn.now)?),
            }
            tracing::warn!("operators are told: {}", words.plain());
            turn.tell_operators(&words, None)
        })
        .await
    }
}
