//! Our reactions on people's messages, and their results.

use std::collections::BTreeSet;

use super::{MailTx, Mailbox};
use crate::command_tx::report_of;
use crate::domain::ids::ReactionId;
use crate::domain::reply::Report;
use crate::store::messages::{self, MessageDraft};
use crate::store::reactions::{self, DueReaction};
use crate::store::{DbResult, StoreError, operations};

/// Messages that are returned at once.
const DUE_MAX: usize = 64;

/// The result of a reaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReactionFate {
    /// These may be there from now on: a call is about to be sent.
    MayStand(BTreeSet<String>),
    /// The reaction wanted by `version` is there, and no other of ours.
    Placed {
        /// The version of the `DueReaction`.
        version: i64,
        /// Names of our reactions on the message; empty if none is wanted.
        stands: BTreeSet<String>,
    },
    /// It cannot be placed. If it was to be the whole answer, a message replaces it if `in_words`; otherwise the person
    /// may have deleted theirs, and waits for nothing.
    Dropped {
        /// The error, for inspection.
        why: String,
        /// Whether a message replaces a reaction that was the whole answer.
        in_words: bool,
    },
}

impl Mailbox {
    /// The messages whose reaction is to be changed.
    pub async fn reactions_due(&self) -> Result<Vec<DueReaction>, StoreError> {
        let store = &self.inner.store;
        store.read(|db| reactions::due(db, DUE_MAX)).await
    }

    /// Records the result of a reaction.
    pub async fn record_reaction(
        &self,
        id: ReactionId,
        fate: ReactionFate,
    ) -> Result<(), StoreError> {
        self.write(move |mail| match fate {
            ReactionFate::MayStand(may_stand) => reactions::placing(mail.db, id, &may_stand),
            ReactionFate::Placed { version, stands } => {
                reactions::placed(mail.db, id, version, &stands)
            }
            ReactionFate::Dropped { why, in_words } => {
                reactions::dropped(mail.db, id, &why)?;
                match in_words {
                    true => mail.tell_in_words(id),
                    false => Ok(()),
                }
            }
        })
        .await
    }
}

impl MailTx<'_> {
    /// Adds the message that reports an outcome instead of a reaction, unless there is one.
    fn tell_in_words(&self, id: ReactionId) -> DbResult<()> {
        let Some(telling) = reactions::by_id(self.db, id)?.filter(|one| one.alone) else {
            return Ok(());
        };
        let Some(command) = telling.command else {
            return Ok(());
        };
        if messages::tells(self.db, command)? {
            return Ok(());
        }
        let report = operations::command(self.db, command)?
            .as_ref()
            .and_then(report_of);
        self.post(&MessageDraft {
            channel: telling.channel,
            thread: telling.thread,
            person: telling.person,
            command: Some(command),
            words: report.map(|report: Report| report.words()),
            ..MessageDraft::default()
        })
    }
}
