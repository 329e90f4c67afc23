//! The facts of the operator's page: the health that `status` shows, and those that only the page shows.

use super::{Commands, HealthView, StoreError};
use crate::store::overview::{self, StoreOverview};

/// The facts of the operator's page.
#[derive(Debug, Clone)]
pub struct OverviewView {
    /// As `status` and `/readyz` have it.
    pub health: HealthView,
    /// Those that only the page shows; the reason if the store cannot be read.
    pub store: Result<StoreOverview, StoreError>,
}

impl Commands {
    /// The facts of the operator's page.
    pub async fn overview(&self) -> OverviewView {
        let health = self.health().await;
        let sources: Vec<_> = self.settings().sources().collect();
        let now = self.inner.clock.now();
        let read = move |db: &crate::store::Db| overview::read(db, &sources, now);
        OverviewView {
            health,
            store: self.inner.store.read(read).await,
        }
    }
}
