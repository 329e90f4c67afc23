//! Pages of `conversations.history` and `conversations.replies` (docs/contracts/slack.md#methods, docs/contracts/slack.md#no-idempotency-key).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::ids;
use super::world::{ErrorCode, SlackWorld, StoredMessage};

/// The requested part of a channel or thread.
pub(super) struct HistoryPage {
    pub(super) oldest: Option<i64>,
    pub(super) latest: Option<i64>,
    pub(super) inclusive: bool,
    pub(super) limit: usize,
    /// The end of the page before.
    pub(super) cursor: Option<i64>,
    pub(super) metadata: bool,
}

impl HistoryPage {
    fn holds(&self, ts: i64) -> bool {
        let from = |oldest: i64| {
            if self.inclusive {
                ts >= oldest
            } else {
                ts > oldest
            }
        };
        let to = |latest: i64| {
            if self.inclusive {
                ts <= latest
            } else {
                ts < latest
            }
        };
        self.oldest.is_none_or(from) && self.latest.is_none_or(to)
    }
}

impl SlackWorld {
    /// A page of a channel without replies of threads, newest first, and the start of the next page.
    pub(super) fn history(&self, channel: &str, page: &HistoryPage) -> (Vec<Value>, Option<i64>) {
        let held = self.channels.get(channel);
        let messages = held.into_iter().flat_map(|held| held.messages.iter().rev());
        let shown = messages.filter(|message| {
            message.root().is_none() || message.text("subtype") == "thread_broadcast"
        });
        let wanted = shown.filter(|message| {
            let ts = ids::micros(message.ts()).unwrap_or_default();
            page.holds(ts) && page.cursor.is_none_or(|cursor| ts < cursor)
        });
        self.paged(channel, wanted, page)
    }

    /// Every message of a channel as history shows it, oldest first, replies of threads included.
    pub(super) fn whole(&self, channel: &str) -> Vec<Value> {
        let held = self.channels.get(channel);
        let messages = held.into_iter().flat_map(|held| &held.messages);
        messages
            .map(|message| self.shown(channel, message, true))
            .collect()
    }

    /// A page of a thread: its root first, then the replies, oldest first.
    ///
    /// # Errors
    /// `thread_not_found`.
    pub(super) fn replies(
        &self,
        channel: &str,
        ts: &str,
        page: &HistoryPage,
    ) -> Result<(Vec<Value>, Option<i64>), ErrorCode> {
        let asked = self.message(channel, ts).ok_or("thread_not_found")?;
        let root_ts = asked.root().unwrap_or(ts);
        let root = self.message(channel, root_ts).ok_or("thread_not_found")?;
        let held = self.channels.get(channel);
        let replies = held
            .into_iter()
            .flat_map(|held| &held.messages)
            .filter(|message| {
                let ts = ids::micros(message.ts()).unwrap_or_default();
                message.root() == Some(root_ts)
                    && page.holds(ts)
                    && page.cursor.is_none_or(|cursor| ts > cursor)
            });
        let (mut messages, next) = self.paged(channel, replies, page);
        messages.insert(0, self.shown(channel, root, page.metadata));
        Ok((messages, next))
    }

    fn paged<'m>(
        &self,
        channel: &str,
        mut messages: impl Iterator<Item = &'m StoredMessage>,
        page: &HistoryPage,
    ) -> (Vec<Value>, Option<i64>) {
        let taken: Vec<&StoredMessage> = messages.by_ref().take(page.limit).collect();
        let more = messages.next().is_some();
        let next = taken
            .last()
            .filter(|_| more)
            .and_then(|last| ids::micros(last.ts()));
        (
            taken
                .into_iter()
                .map(|message| self.shown(channel, message, page.metadata))
                .collect(),
            next,
        )
    }

    /// A message as history shows it: metadata reduced to its type unless requested in full (docs/contracts/slack.md#no-idempotency-key), the
    /// reactions, and for a root the number of replies.
    fn shown(&self, channel: &str, message: &StoredMessage, metadata: bool) -> Value {
        let mut body = message.body.clone();
        if !metadata
            && let Some(kind) = body
                .get("metadata")
                .and_then(|kept| kept.get("event_type"))
                .cloned()
        {
            body.insert("metadata".to_owned(), json!({ "event_type": kind }));
        }
        let held = self.channels.get(channel);
        let replies: Vec<&StoredMessage> = held
            .into_iter()
            .flat_map(|held| &held.messages)
            .filter(|reply| reply.root() == Some(message.ts()))
            .collect();
        if let Some(last) = replies.last() {
            let users: BTreeSet<&str> = replies.iter().map(|reply| reply.text("user")).collect();
            body.insert("thread_ts".to_owned(), json!(message.ts()));
            body.insert("reply_count".to_owned(), json!(replies.len()));
            body.insert("reply_users_count".to_owned(), json!(users.len()));
            body.insert("reply_users".to_owned(), json!(users));
            body.insert("latest_reply".to_owned(), json!(last.ts()));
        }
        let mut reactions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (user, name) in &message.reactions {
            reactions.entry(name).or_default().push(user);
        }
        if !reactions.is_empty() {
            let list: Vec<Value> = reactions
                .iter()
                .map(|(name, users)| json!({"name": name, "users": users, "count": users.len()}))
                .collect();
            body.insert("reactions".to_owned(), Value::Array(list));
        }
        Value::Object(body)
    }
}
