//! `assign`, `claim`, `due` and `prio`: what is asked of a source for them.
//!
//! People are named as everywhere: by their name in `[[people]]`, their Slack id or their GitHub login. Who is to be
//! assigned in a source has an account there that is known here.

use chrono::NaiveTime;

use crate::command_tx::{CommandTx, Context, Handled};
use crate::command_tx::{Rejection, Stop};
use crate::domain::change::Change;
use crate::domain::command::Ref;
use crate::domain::operation::Write;
use crate::domain::person::{Person, called};
use crate::domain::reply;
use crate::domain::task::{Due, Priority, Source};
use crate::domain::when::{DueThen, DueWhen};
use crate::store::people;

impl CommandTx<'_> {
    /// `assign [REF] @person`: theirs from now on, and not any more that of whoever gives it away. Others keep it.
    pub(super) fn assign(
        &self,
        person: &Person,
        task: Option<Ref>,
        to: &str,
        context: &Context,
    ) -> Result<Handled, Stop> {
        if to.eq_ignore_ascii_case("me") {
            return self.claim(person, task, context);
        }
        let present = people::present(self.db)?;
        let Some(other) = called(&present, to) else {
            let known: Vec<String> = present
                .iter()
                .filter(|one| !one.alone)
                .map(|one| one.name.clone())
                .collect();
            return Err(Rejection::Unfit(reply::no_such_person(to, &known)).into());
        };
        if other.id == person.id {
            return self.claim(person, task, context);
        }
        self.change(person, task, context, "assign", |source| {
            let Some(add) = handle(other, source) else {
                let words = reply::no_account(Some(&other.name), source);
                return Err(Rejection::Unfit(words));
            };
            let change = Change::Assign {
                add: vec![add],
                remove: handle(person, source).into_iter().collect(),
            };
            Ok((change, reply::assigned_to(&other.name)))
        })
    }

    /// `claim [REF]`: theirs too, who ask for it.
    pub(super) fn claim(
        &self,
        person: &Person,
        task: Option<Ref>,
        context: &Context,
    ) -> Result<Handled, Stop> {
        self.change(person, task, context, "claim", |source| {
            let Some(add) = handle(person, source) else {
                return Err(Rejection::Unfit(reply::no_account(None, source)));
            };
            let change = Change::Assign {
                add: vec![add],
                remove: Vec::new(),
            };
            Ok((change, reply::assigned_to("you")))
        })
    }

    /// `due [REF] WHEN`; `None`: never.
    pub(super) fn due(
        &self,
        person: &Person,
        task: Option<Ref>,
        at: Option<&DueWhen>,
        context: &Context,
    ) -> Result<Handled, Stop> {
        let due = match at.map(|at| at.after(context.at, person.zone)).transpose() {
            Ok(due) => due,
            Err(why) => return Err(Rejection::Unfit(reply::not_due_then(&why)).into()),
        };
        let (change, due) = match due {
            None => (Change::Due(None), None),
            Some(DueThen::At(at)) => (Change::Due(Some(at)), Some(Due::at(at))),
            Some(DueThen::Day(day)) => (
                Change::DueOn(day),
                Some(Due {
                    at: day.and_time(NaiveTime::MIN).and_utc(),
                    day: Some(day),
                }),
            ),
        };
        self.change(person, task, context, "due", |source| match source {
            Source::ClickUp => Ok((change, reply::due_on(due, person.zone))),
            Source::GitHub => Err(Rejection::Unfit(reply::no_due_in_github())),
        })
    }

    /// `prio [REF] LEVEL`; `None`: none. GitHub knows no more than labels tell.
    pub(super) fn prioritise(
        &self,
        person: &Person,
        task: Option<Ref>,
        priority: Option<Priority>,
        context: &Context,
    ) -> Result<Handled, Stop> {
        self.change(person, task, context, "prio", |source| {
            let wanted = match (source, priority) {
                (Source::GitHub, Some(Priority::Normal)) => None,
                (Source::GitHub, Some(low @ Priority::Low)) => {
                    let words = reply::no_such_priority_in_github(low);
                    return Err(Rejection::Unfit(words));
                }
                (_, priority) => priority,
            };
            Ok((Change::Priority(wanted), reply::of_priority(wanted)))
        })
    }

    /// Makes a change durable, with what is said of the task when it is made.
    fn change(
        &self,
        person: &Person,
        task: Option<Ref>,
        context: &Context,
        verb: &'static str,
        what: impl FnOnce(Source) -> Result<(Change, String), Rejection>,
    ) -> Result<Handled, Stop> {
        let target = self.target(person, task, context)?;
        let (change, said) = what(target.key.source())?;
        let write = Write::Change {
            task: target.key,
            change,
            said,
        };
        self.accept(person, context, verb, vec![write])
    }
}

/// What a source knows somebody by.
fn handle(person: &Person, source: Source) -> Option<String> {
    match source {
        Source::ClickUp => person.clickup.clone(),
        Source::GitHub => person.github.clone(),
    }
}
