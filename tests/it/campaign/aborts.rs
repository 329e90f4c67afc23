//! The process ends twice by SIGABRT during one piece of work and starts a third time. All work that was set aside, by
//! this or by a history's kills, is tried again before the history ends.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use ivan::sandbox::fault_server::{Fault, FaultKind};
use serde_json::Value;

use super::driver::{Drive, seen_soon};
use super::history::{Command, System};

/// The work under way at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// Processing of a message: Slack is asked about its sender.
    Message,
    /// A write.
    Write,
    /// The post of an answer.
    Post,
    /// A read from a source: a poll, the task named by a delivery, the task before a write, a search after it.
    Read(System),
}

impl Abort {
    pub fn of(rng: &mut Rng, source: System) -> Abort {
        match rng.u8(..4) {
            0 => Abort::Message,
            1 => Abort::Write,
            2 => Abort::Post,
            _ => Abort::Read(source),
        }
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Abort::Message => f.write_str("a message is acted on"),
            Abort::Write => f.write_str("a write is carried out"),
            Abort::Post => f.write_str("an answer is posted"),
            Abort::Read(system) => write!(f, "{system:?} is read"),
        }
    }
}

impl Drive<'_> {
    /// Types a command and ends the daemon twice during that work.
    pub(super) async fn aborts_twice(&mut self, command: &Command, abort: Abort) {
        self.connected().await;
        let write = self.write_of(command);
        let (system, method, path) = match abort {
            Abort::Message => (System::Slack, "GET", "users.info".to_owned()),
            Abort::Post => (System::Slack, "POST", "chat.postMessage".to_owned()),
            Abort::Read(system) => (system, "GET", "/".to_owned()),
            Abort::Write => match write {
                Some(write) => write,
                None => (System::Slack, "POST", "chat.postMessage".to_owned()),
            },
        };
        let front = self.front(system);
        // Applied or not, it is never answered.
        let hold = match self.coin() {
            true => FaultKind::Hang,
            false => FaultKind::ApplyThenHang,
        };
        for life in 0..2 {
            let before = front.journal().len();
            front.fault(Fault::new(hold.clone()).on(method, &path).always());
            if life == 0 {
                self.types(command, Some(Duration::from_millis(300))).await;
            }
            let reached = seen_soon(&front, before, method, &path, |seen| !seen.done).await;
            self.aborts(match reached {
                true => "twice at one piece of work",
                false => "at a random instant",
            })
            .await;
            front.clear_faults();
            self.starts_at_once().await;
        }
    }

    /// Tries everything again that `status` lists as set aside.
    pub(super) async fn tries_again(&mut self) {
        let within = Duration::from_millis(1500);
        let Some((200, status)) = self.request("GET", "/status", None, &[], within).await else {
            return;
        };
        for one in status["set_aside"].as_array().into_iter().flatten() {
            let id = one["id"].as_str().unwrap_or_default();
            self.was_set_aside(id);
            let path = format!("/operations/{id}/retry");
            let answer = self.request("POST", &path, None, &[], within).await;
            if let Some((200, _)) = answer {
                let kind = one["kind"].as_str().unwrap_or_default();
                self.tally(format!("set aside and tried again: {kind}"));
            } else if let Some((status, answer)) = answer {
                // Its rest may have ended by itself meanwhile.
                assert_eq!(status, 404, "{id}: {answer}");
                assert_ne!(one["next_attempt_at"], Value::Null, "{id}: {answer}");
            }
        }
    }

    /// Later commands may have gone first.
    fn was_set_aside(&mut self, id: &str) {
        let store = self.ivan.store();
        let ts: Option<String> = match id.split_once('-') {
            Some(("message", row)) => store
                .query_row(
                    "SELECT json_extract(heard, '$.ts') FROM slack_events WHERE id = ?1",
                    [row],
                    |row| row.get(0),
                )
                .ok(),
            None => store
                .query_row(
                    "SELECT printf('%d.%06d', typed_us / 1000000, typed_us % 1000000) FROM commands
                     WHERE id = (SELECT command_id FROM operations WHERE id = ?1)",
                    [id],
                    |row| row.get(0),
                )
                .ok(),
            Some(_) => None,
        };
        // An answer over HTTP names its command's first operation; the comment of a `done` is another one.
        let of_command: Vec<String> = store
            .prepare(
                "SELECT id FROM operations WHERE command_id = (SELECT command_id FROM operations WHERE id = ?1)",
            )
            .and_then(|mut ids| ids.query_map([id], |row| row.get(0))?.collect())
            .unwrap();
        let typed = self.typed.iter().position(|typed| {
            let named = typed.operation.as_ref();
            named.is_some_and(|named| of_command.contains(named)) || ts.as_ref() == Some(&typed.ts)
        });
        self.set_aside.extend(typed);
    }
}
