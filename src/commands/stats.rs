//! `stats` over HTTP: figures of a person, and of everybody.

use super::{CommandError, Commands};
use crate::domain::person::Person;
use crate::domain::stats::StatsPeriod;
use crate::verbs::Stats;
use crate::verbs::stats::{StatsReader, StatsView, activity, view};

impl Commands {
    /// The figures of a person, if there is one; and everybody's, if the person is an operator or the request is theirs.
    pub async fn stats(
        &self,
        person: Option<Person>,
        is_operators: bool,
        period: StatsPeriod,
    ) -> Result<StatsView, CommandError> {
        let now = self.inner.clock.now();
        let who = person.clone();
        let read = self.inner.store.read(move |db| {
            let reader = match who {
                Some(person) => {
                    let reader = StatsReader::of(db, person, period);
                    let everybody = reader.everybody || is_operators;
                    StatsReader {
                        everybody,
                        ..reader
                    }
                }
                None => StatsReader {
                    person: None,
                    everybody: is_operators,
                    period,
                },
            };
            activity(db, &reader, now)
        });
        let activity = read.await?;
        self.decide(move |turn| Ok(view(turn, person.as_ref(), period, activity)?))
            .await
    }

    /// The figures for a command in Slack, read before its transaction.
    pub(super) async fn with_figures(
        &self,
        person: &Person,
        stats: Stats,
    ) -> Result<Stats, CommandError> {
        let (now, period, person) = (self.inner.clock.now(), stats.period, person.clone());
        let read = self.inner.store.read(move |db| {
            let reader = StatsReader::of(db, person, period);
            activity(db, &reader, now)
        });
        Ok(Stats {
            read: Some(Box::new(read.await?)),
            ..stats
        })
    }
}
