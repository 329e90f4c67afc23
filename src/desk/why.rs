//! `why`: where a task is in its person's queue, and the points that put it there.

use super::Desk;
use crate::command_tx::{CommandError, Context};
use crate::domain::command::Ref;
use crate::domain::person::Person;
use crate::verbs::why::{Explained, explain};

impl Desk {
    /// Why the current task, or the one that is named, is where it is. With nothing pinned the first of the queue is
    /// pinned, as showing does.
    pub async fn why(&self, person: &Person, task: Option<Ref>) -> Result<Explained, CommandError> {
        let person = person.clone();
        self.decide(move |turn| {
            let (explained, _) = explain(turn, &person, task, &Context::over_http(turn.now))?;
            Ok(explained)
        })
        .await
    }
}
