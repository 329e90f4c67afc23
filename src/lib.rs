//! Ivan: `done`, `comment` and `create`, typed in Slack, made true in ClickUp and GitHub.

pub mod app;
pub mod apply;
pub mod cli;
pub mod clickup;
pub mod clock;
pub mod config;
pub mod demo;
pub mod desk;
pub mod domain;
pub mod gaps;
pub mod github;
pub mod http;
pub mod inbox;
pub mod outbox;
pub mod reconcile;
pub mod sandbox;
pub mod settle;
pub mod slack;
pub mod store;
