//! Running a command: within its person's limits, and once for each `Idempotency-Key`.

use super::{CommandAnswer, CommandRequest, OUTBOX_MAX};
use crate::command_tx::{
    CommandTx, Context, Handled, IdempotencyKey, Rejection, Reply, Stop, Target, local, report_of,
};
use crate::domain::ids::CommandId;
use crate::domain::operation::Refusal;
use crate::domain::person::Person;
use crate::domain::queue::EmptyQueue;
use crate::domain::reply::{self, Report, ReportState, TaskBrief};
use crate::limits::Limit;
use crate::store::{DbResult, operations, people, questions, tasks};
use crate::verbs::Command;

pub(super) fn answer_request(
    tx: &CommandTx<'_>,
    asked: CommandRequest,
) -> Result<CommandAnswer, Stop> {
    let person = &asked.person;
    if let Some(once) = &asked.once
        && let Some((command, fingerprint)) = operations::once(tx.db, person.id, &once.key)?
    {
        if fingerprint != once.fingerprint {
            return Err(Rejection::KeyReused.into());
        }
        return answered_before(tx, person, command);
    }
    let context = Context {
        via: asked.via,
        token: asked.token,
        once: asked.once,
        ..Context::over_http(tx.now)
    };
    let moving = matches!(asked.command, Command::Next(_));
    let before = people::current_pin(tx.db, person.id)?.and_then(|pin| pin.task);
    let done = run(tx, person, asked.command, &context);
    if let Err(Stop::Rejected(Rejection::NoCurrent(words))) = &done {
        shown_by_the_answer(tx, person)?;
        if let Some(once) = &context.once {
            tx.remember_refusal(person, once.clone(), Refusal::Other, words)?;
        }
    }
    Ok(match done? {
        Handled::Accepted {
            command,
            operation_id,
        } => CommandAnswer::Accepted {
            command,
            operation_id,
        },
        Handled::Settled { report, .. } => CommandAnswer::Settled(report),
        Handled::Replied(Reply {
            asks: Some(id),
            words: message,
            ..
        }) => CommandAnswer::Asked { message, id },
        Handled::Replied(mut said) => {
            shown_by_the_answer(tx, person)?;
            let mut current = match said.about {
                Some(row) => tasks::by_row(tx.db, row)?
                    .map(|stored| tx.scored(stored, person))
                    .transpose()?,
                None => None,
            };
            said.words = match &current {
                Some(same) if said.about == before => reply::still(&same.task.title),
                Some(_) => reply::moved(),
                None => {
                    let why = tx.why_empty(person)?;
                    let words = reply::nowhere_to_move(&why);
                    match why {
                        EmptyQueue::NotRead(_) => {
                            return Err(Rejection::NoAnswer(words).into());
                        }
                        EmptyQueue::NotLinked(_) => return Err(Rejection::Unfit(words).into()),
                        _ => words,
                    }
                }
            };
            if said.about == before {
                // There is no next task: the current one stays.
                current = None;
                said.about = None;
            }
            if moving && let Some(once) = context.once {
                remember_move(tx, person, once, &said)?;
            }
            CommandAnswer::Moved {
                message: said.words,
                current: current.map(Box::new),
            }
        }
    })
}

/// An answer over HTTP counts as having shown the person their current task.
fn shown_by_the_answer(tx: &CommandTx<'_>, person: &Person) -> DbResult<()> {
    match people::current_pin(tx.db, person.id)? {
        Some(pin) => people::pin_shown(tx.db, pin.id, tx.now),
        None => Ok(()),
    }
}

/// Stores a `next`, because its repetition under the same key must not skip twice.
fn remember_move(
    tx: &CommandTx<'_>,
    person: &Person,
    once: IdempotencyKey,
    said: &Reply,
) -> DbResult<()> {
    let next = match said.about {
        Some(row) => tasks::by_row(tx.db, row)?.map(|stored| TaskBrief::from(&stored.task)),
        None => None,
    };
    let report = Report {
        emptied: next.is_none(),
        next,
        ..local(said.words.clone(), None)
    };
    tx.remember(person, once, "next", &report)
}

fn answered_before(
    tx: &CommandTx<'_>,
    person: &Person,
    command: CommandId,
) -> Result<CommandAnswer, Stop> {
    let first = operations::of_command(tx.db, command)?.into_iter().next();
    if let Some(first) = first {
        return Ok(CommandAnswer::Accepted {
            command,
            operation_id: first.operation.id,
        });
    }
    let row = operations::command(tx.db, command)?;
    if let Some(whole) = row.as_ref().filter(|row| row.has_parts) {
        return Ok(match report_of(whole).filter(|_| whole.settled) {
            Some(report) => CommandAnswer::Settled(Box::new(report)),
            None => CommandAnswer::Accepted {
                command,
                operation_id: operations::first_of_parts(tx.db, command)?.unwrap_or_default(),
            },
        });
    }
    let Some(report) = row.as_ref().and_then(report_of) else {
        return Err(Rejection::KeyReused.into());
    };
    if questions::of(tx.db, command)?.is_some() {
        return Ok(CommandAnswer::Asked {
            message: report.message,
            id: operations::uid(tx.db, command)?,
        });
    }
    if report.state == ReportState::Refused(Refusal::Other) {
        return Err(Rejection::NoCurrent(report.message).into());
    }
    if report.state == ReportState::Refused(Refusal::Changed) {
        return Err(Rejection::NothingToUndo(report.message).into());
    }
    if report.task.is_some() {
        return Ok(CommandAnswer::Settled(Box::new(report)));
    }
    let next = report
        .next
        .as_ref()
        .map(|next| tx.by_id(Some(person), &next.task_id));
    let current = match next {
        Some(Ok(Target {
            stored: Some(stored),
            ..
        })) => Some(Box::new(tx.scored(stored, person)?)),
        Some(Err(Stop::Db(error))) => return Err(error.into()),
        _ => None,
    };
    Ok(CommandAnswer::Moved {
        message: report.message,
        current,
    })
}

/// Decides a command. One that writes to a source is rejected while too many writes of its person wait.
pub(crate) fn run(
    tx: &CommandTx<'_>,
    person: &Person,
    command: Command,
    context: &Context,
) -> Result<Handled, Stop> {
    if command.info().writes {
        let waiting = operations::count_pending_of(tx.db, person.id, OUTBOX_MAX)?;
        if waiting >= OUTBOX_MAX {
            Limit::Outbox.reached(format_args!(
                "one person has {waiting} waiting writes; further ones are rejected"
            ));
            return Err(Rejection::Full(reply::too_many_writes(waiting)).into());
        }
    }
    command.decide(tx, person, context)
}
