//! Tests of the whole: one file for each story or promise, one binary so that it links once.
#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

mod api;
mod architecture;
mod bounds;
mod cards;
mod channels;
mod cli;
mod comment;
mod comments_of_others;
mod create;
#[path = "../../src/clickup/damage.rs"]
mod damage;
mod damaged;
mod deeds;
mod demo;
mod done;
#[cfg(target_os = "linux")]
mod full_disk;
mod gaps;
mod harness;
mod hints;
mod limits;
mod list;
mod markers;
mod p1_durable;
mod p2_exactly_once;
mod p3_order;
mod p4_convergence;
mod p5_conflict;
mod p7_honest;
mod people;
mod pin;
mod queue;
mod serve;
mod situations;
mod slack_events;
mod slack_socket;
mod supervised;
mod threads;
mod tls;
mod webhooks;
