//! Values and decisions: tasks, people, commands and operations, and the rules about them.
//!
//! This module does no IO, reads no clock, and has no Slack, HTTP or SQL in it. It uses no other module.

pub mod access;
pub mod blocking;
pub mod card;
pub mod carry_out;
pub mod change;
pub mod checkup;
pub mod command;
pub mod controls;
pub mod directory;
pub mod entity;
pub mod event;
pub mod filter;
pub mod finding;
pub mod form;
pub mod home;
pub mod ids;
pub mod labels;
pub mod link;
pub mod log;
pub mod markdown;
pub mod mention;
pub mod mention_text;
pub mod morning;
pub mod operation;
pub mod person;
pub mod pings;
pub mod profile;
pub mod queue;
pub mod reaction;
pub mod reason;
pub mod receipts;
pub mod reply;
pub mod schedule;
pub mod scope;
pub mod score;
pub mod service_levels;
pub mod set_aside;
pub mod signature;
pub mod source;
pub mod spelling;
pub mod task;
pub mod undo;
pub mod when;
pub mod writes;
