//! SQLite and all SQL. Everything that must survive a `kill -9` goes through this module (P1).
//!
//! [`Store`] is the only store type. There is one file per table, and functions are named after the caller's purpose.
//! Writes that belong together share a [`Tx`], which the single writer thread of `pool.rs` provides.

pub mod access;
pub mod arrivals;
mod backup;
pub mod blocking;
#[cfg(feature = "demo")]
pub mod causes;
pub mod checkup;
mod columns;
pub mod comments;
mod db;
pub mod deliveries;
pub mod effects;
pub mod export;
pub mod forms;
mod gauges;
mod generation;
pub mod homes;
pub mod idle;
mod key;
pub mod link_requests;
pub mod links;
pub mod log;
pub mod messages;
mod migrate;
pub mod open_tasks;
pub mod operations;
pub mod overview;
pub mod pauses;
pub mod people;
pub mod personal_tokens;
mod pool;
mod private;
pub mod prune;
pub mod questions;
pub mod reactions;
pub mod restored;
pub mod schedules;
pub mod search;
pub mod service_levels;
pub mod set_aside;
pub mod slack_events;
pub mod snoozes;
pub mod tasks;
pub mod tombstones;
#[cfg(feature = "otel")]
pub mod traces;
mod unsent;

pub use backup::{RestoredStore, StoreCopy, back_up, restore};
pub use db::{Counts, Db};
pub use key::Rekeyed;
pub use pool::{Signals, Store, StoreError, StoreHealth, StoreSettings, Tx, Wake};
pub use private::{keep_private, mode_for_others, on_a_network};

/// The result of a statement inside a transaction. Outside of one it is [`StoreError`].
pub type DbResult<T> = Result<T, DbError>;
pub use rusqlite::Error as DbError;
