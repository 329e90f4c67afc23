//! The lease by which one of several daemons leads: an object in the object store that Litestream copies the store to.
//!
//! ```text
//!            nobody has it, or it stood still for ttl + grace
//! stands by ──────────────────────────────────────────────────▶ takes it: If-Match, a higher term
//!     ▲                                                              │ restores the newest replica
//!     │ starts again                                                 ▼
//! ends (exit status 5) ◀── not renewed within ttl, or another's ── leads: renews it every ttl / 3
//! ```
//!
//! No clocks are compared. The leader counts its ttl from before it sent a renewal; a follower counts ttl and a grace of a
//! third of it from after it read a new one. Both count with a clock that goes on while the process is stopped and the
//! machine suspended (`runtime/fence.rs`).

mod lease;
mod s3;

pub use lease::{
    Lease, LeaseRecord, LeaseStore, LeaseWatch, NotWritten, Renewal, Standing, Tenant, grace,
};
pub use s3::{S3Lease, S3Settings};
