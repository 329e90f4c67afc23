//! Values and decisions: what a task, a person, a command and an operation are, and what follows from them.
//!
//! Nothing in here does IO, reads a clock, or knows Slack, HTTP or SQL. Everything else uses it; it uses nobody.

pub mod blocking;
pub mod card;
pub mod carry_out;
pub mod change;
pub mod command;
pub mod controls;
pub mod entity;
pub mod event;
pub mod filter;
pub mod form;
pub mod home;
pub mod link;
pub mod log;
pub mod markdown;
pub mod mention;
pub mod morning;
pub mod operation;
pub mod person;
pub mod prose;
pub mod queue;
pub mod receipts;
pub mod reply;
pub mod rhythm;
pub mod scope;
pub mod score;
pub mod set_aside;
pub mod sign;
pub mod source;
pub mod task;
pub mod undo;
pub mod when;
