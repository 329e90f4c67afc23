//! SQLite and all SQL: what must survive a `kill -9` goes through here (P1).
//!
//! [`Store`] is the one concrete type; its methods sit in one file a table and are named for what the caller wants.
//! Those that must happen together take a [`Tx`], which the single writer of `pool.rs` gives out.

pub mod blocking;
mod columns;
pub mod comments;
pub mod deliveries;
pub mod effects;
pub mod forms;
pub mod homes;
pub mod idle;
pub mod links;
pub mod log;
pub mod messages;
mod migrate;
pub mod operations;
pub mod pauses;
pub mod people;
mod pool;
mod private;
pub mod prune;
pub mod reactions;
pub mod restored;
pub mod rhythms;
pub mod set_aside;
pub mod slack_events;
pub mod snoozes;
pub mod tasks;
pub mod tombstones;

pub use pool::{Health, Signals, Store, StoreTrouble, Tx, Wake};
pub use private::{keep_private, on_a_network};

/// A connection to read from, for those that decide within a transaction.
pub use rusqlite::Connection as Db;
/// What a statement came to, inside of a transaction; outside of it there is [`StoreTrouble`].
pub type DbResult<T> = Result<T, DbError>;
pub use rusqlite::Error as DbError;
