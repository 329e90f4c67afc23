//! `why`: the place of a task in its person's queue, and the points for it.

use super::Commands;
use crate::command_tx::{CommandError, Context, Shows};
use crate::domain::command::Ref;
use crate::domain::person::Person;
use crate::verbs::why::{Explained, explain};

impl Commands {
    /// Explains the rank of the current task, or of the named one. Without a pin the first task of the queue is pinned,
    /// as for every display.
    pub async fn why(
        &self,
        person: &Person,
        task: Option<Ref>,
        shows: Shows,
    ) -> Result<Explained, CommandError> {
        let person = person.clone();
        self.decide(move |turn| {
            let turn = &turn.that_shows(shows);
            let (explained, _) = explain(turn, &person, task, &Context::over_http(turn.now))?;
            Ok(explained)
        })
        .await
    }
}
