//! `GET /morning`: the briefing now.

use super::{Commands, Scored};
use crate::command_tx::Shows;
use crate::domain::morning::BriefingContent;
use crate::domain::person::Person;
use crate::domain::reply::Text;
use crate::store::{StoreError, people};
use crate::verbs::morning::gather;

/// The answer to `GET /morning`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MorningView {
    /// The same as text.
    pub message: Text,
    /// The content that `message` has in words.
    pub morning: BriefingContent,
    /// The first of the queue, numbered from 1; the numbers work as REF until the next list.
    pub top: Vec<Scored>,
}

impl Commands {
    /// The briefing now. Without a pin the first task of the queue is pinned, as for every display.
    pub async fn morning(&self, person: &Person, shows: Shows) -> Result<MorningView, StoreError> {
        let person = person.clone();
        self.turn(move |turn| {
            let turn = &turn.that_shows(shows);
            let (morning, said) = gather(turn, &person)?;
            turn.pin_shown(said.pin)?;
            if let Some(list) = said.list {
                people::list_shown(turn.db, list, turn.now)?;
            }
            let top = morning.top.iter().cloned();
            Ok(MorningView {
                message: said.words,
                top: top
                    .map(|(_, task, score)| Scored::from((task, score)))
                    .collect(),
                morning,
            })
        })
        .await
    }
}
