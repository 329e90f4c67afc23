//! Sets work aside at a start: work that was under way at two unclean ends. Its person and the operators get a message.
//!
//! An end is unclean if the daemon was killed, aborted, lost power or failed, instead of being stopped. The next start
//! counts it for all work that was under way (`store::set_aside`). Work that is set aside keeps all its data. The
//! messages are committed in the same transaction. `ivan retry ID` starts the work again, as after any restart.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::clock::Clock;
use crate::completion::{CompletionTrigger, settle};
use crate::domain::operation::Write;
use crate::domain::reply::{Text, quote};
use crate::domain::score::Weights;
use crate::domain::set_aside::{SetAside, Work, rest, to_its_person, to_operators, why};
use crate::runtime::Reloadable;
use crate::store::operations::{self, OperationEnd, OperationState};
use crate::store::slack_events::{Gesture, IncomingMessage};
use crate::store::{DbResult, Store, StoreError, Tx, Wake, messages, people, set_aside};

/// The dependencies for setting work aside.
#[derive(Clone)]
pub struct SetAsideContext {
    /// The store with the marks of work under way.
    pub store: Store,
    /// The app's clock.
    pub clock: Clock,
    /// Slack ids.
    pub operators: Vec<String>,
    /// The weights of the queue, for commands that end with the work.
    pub weights: Reloadable<Weights>,
}

impl SetAsideContext {
    /// Runs first when the daemon starts.
    pub async fn starts(&self) -> Result<(), StoreError> {
        let (setting, clock) = (self.clone(), self.clock.clone());
        let ended_uncleanly = self
            .store
            .write(move |tx| {
                let now = clock.now();
                if !set_aside::starts(tx, now)? {
                    set_aside::forget_done(tx)?;
                    return Ok(None);
                }
                tracing::info!("the previous run did not stop cleanly");
                for (work, ends) in set_aside::ended(tx, now)? {
                    setting.put_aside(tx, work, ends, now)?;
                }
                Ok(Some((operations::last_one(tx)?, now)))
            })
            .await?;
        if let Some((last, now)) = ended_uncleanly {
            operations::looks_before_it_sends(&self.store, last, now);
        }
        self.store.tell_operators(self.operators.clone());
        self.store.know_suspects().await
    }

    /// Runs last when the daemon stops cleanly.
    pub async fn stops(&self) -> Result<(), StoreError> {
        self.store.write(|tx| set_aside::stops(tx)).await
    }

    fn put_aside(&self, tx: &Tx<'_>, work: Work, ends: i64, now: DateTime<Utc>) -> DbResult<()> {
        let until = work.comes_again().then(|| now + rest(ends));
        let aside = SetAside {
            about: about(tx, &work)?,
            ends,
            since: now,
            until,
            work,
        };
        tracing::warn!(work = %aside.work, ends, "set aside: the daemon crashed while this was in progress");
        set_aside::put_aside(tx, &aside)?;
        let known = !self.operators.is_empty();
        let id = aside.work.to_string();
        if let Work::Operation(operation) = &aside.work {
            self.operation(tx, operation, &why(known, &id), now)?;
        } else {
            let told = recipient(tx, &aside.work)?;
            if told.is_about_that {
                return Ok(());
            }
            if let Some((channel, thread)) = told.place {
                let words = to_its_person(told.what, known, &id);
                set_aside::say_in(tx, channel, thread, &words, now)?;
            }
        }
        let words = to_operators(&aside, Tz::UTC);
        set_aside::say_to(tx, &self.operators, &words, now)
    }

    /// Reports an operation in the place of its outcome: the message of its command, else its person's DM.
    fn operation(&self, tx: &Tx<'_>, id: &str, why: &str, now: DateTime<Utc>) -> DbResult<()> {
        let Some(command) = set_aside::put_operation_aside(tx, id, why)? else {
            return Ok(());
        };
        settle(
            tx,
            command,
            CompletionTrigger::Waits,
            now,
            &self.weights.get(),
        )?;
        tx.wake(Wake::Released);
        let Some(command) = operations::command(tx, command)? else {
            return Ok(());
        };
        if messages::tells(tx, command.part_of.unwrap_or(command.id))? {
            return Ok(());
        }
        let person = people::by_id(tx, command.person)?;
        let (Some(slack), Some(report)) = (person.slack, command.report) else {
            return Ok(());
        };
        let Ok(report) = serde_json::from_str::<crate::domain::reply::Report>(&report) else {
            return Ok(());
        };
        set_aside::say_to(tx, &[slack], &report.words(), now)
    }

    /// Gives up operations that were not retried within the retention time of rows, and notifies their people.
    pub async fn give_up_old(&self, kept_for: chrono::Duration) -> Result<(), StoreError> {
        let (clock, weights) = (self.clock.clone(), *self.weights.get());
        self.store
            .write(move |tx| {
                let now = clock.now();
                set_aside::forget_done(tx)?;
                for (seq, command) in set_aside::operations_since_before(tx, now - kept_for)? {
                    let Some(row) = operations::of_command(tx, command)?
                        .into_iter()
                        .find(|row| row.seq == seq && row.state == OperationState::Pending)
                    else {
                        continue;
                    };
                    let ended = OperationEnd {
                        state: OperationState::GivenUp,
                        outcome: None,
                        why: Some(NOBODY_TRIED.to_owned()),
                        refusal: None,
                    };
                    tracing::warn!(operation = %row.operation.id, error = NOBODY_TRIED, "operation given up");
                    operations::end(tx, seq, &ended, now)?;
                    operations::perhaps_applied(tx, seq, row.operation.interrupted)?;
                    operations::cancel_rest(tx, command, now)?;
                    settle(tx, command, CompletionTrigger::Ended, now, &weights)?;
                }
                set_aside::forget_done(tx)
            })
            .await
    }
}

/// The reason for giving up an operation that was set aside.
const NOBODY_TRIED: &str =
    "It crashed me twice and was set aside, and nobody retried it within store.retention";

/// The recipient and place of a message about work set aside, and the text after "Not finished: ".
#[derive(Default)]
struct Recipient {
    place: Option<(String, Option<String>)>,
    what: Text,
    /// The work was itself such a message: no further message is sent.
    is_about_that: bool,
}

fn recipient(tx: &Tx<'_>, work: &Work) -> DbResult<Recipient> {
    let in_dm = |user: Option<String>, what: &str| -> DbResult<Recipient> {
        let dm = user.map(|user| crate::store::slack_events::dm_of(tx, &user));
        Ok(Recipient {
            place: dm.transpose()?.map(|dm| (dm, None)),
            what: Text::new().text(what),
            is_about_that: false,
        })
    };
    match work {
        Work::Message(id) => match set_aside::heard(tx, *id)? {
            Some(heard) => {
                let dm = crate::store::slack_events::dm_of(tx, &heard.user)?;
                Ok(Recipient {
                    place: Some(place(&heard, dm)),
                    what: gesture(&heard),
                    is_about_that: false,
                })
            }
            None => Ok(Recipient::default()),
        },
        Work::Post(id) => {
            let to = set_aside::recipient_of_post(tx, *id)?;
            Ok(Recipient {
                is_about_that: to.tells_set_aside,
                ..in_dm(reader(to), "posting a message to you")?
            })
        }
        Work::Reaction(id) => {
            let to = set_aside::recipient_of_reaction(tx, *id)?;
            in_dm(reader(to), "putting a reaction on your message")
        }
        Work::Home(user) => in_dm(Some(user.clone()), "showing your Home tab"),
        Work::Briefing(person) => {
            let person = people::by_id(tx, *person)?;
            in_dm(person.slack, "sending your briefing or notices")
        }
        Work::History(channel) => Ok(Recipient {
            place: Some((channel.clone(), None)),
            what: Text::new().text("reading what you wrote while I was offline"),
            is_about_that: false,
        }),
        Work::Delivery(_)
        | Work::Operation(_)
        | Work::Poll(_)
        | Work::Comments(_)
        | Work::Webhooks(_)
        | Work::Payloads(_) => Ok(Recipient::default()),
    }
}

/// The reader of a message of ours: its person, or the person of the DM, who may be known by Slack id only.
fn reader(of: set_aside::Recipient) -> Option<String> {
    let dm = of.channel.starts_with('D').then_some(of.channel);
    of.slack.or(dm)
}

/// The place of a message about a person's message: its conversation, in a thread in channels. Other work uses the DM.
fn place(heard: &IncomingMessage, dm: String) -> (String, Option<String>) {
    match (&heard.gesture, heard.direct) {
        (Gesture::Said, true) => (heard.channel.clone(), heard.thread.clone()),
        (Gesture::Said, false) => {
            let root = heard.thread.clone().unwrap_or_else(|| heard.ts.clone());
            (heard.channel.clone(), Some(root))
        }
        _ => (dm, None),
    }
}

fn gesture(heard: &IncomingMessage) -> Text {
    let words = Text::new();
    match &heard.gesture {
        Gesture::Said | Gesture::Slash { .. } => {
            words.text("your command ").code(quote(&heard.text))
        }
        Gesture::Replied | Gesture::InUnknownThread => words.text("your message in a thread"),
        Gesture::Pressed(_) | Gesture::PressedAlone { .. } => words.text("the button you pressed"),
        Gesture::Submitted { .. } => words.text("the form you submitted"),
        Gesture::Signed { .. } | Gesture::SignedOutcome => words.text("your reaction"),
        Gesture::OpenedHome => words.text("opening my Home tab"),
        Gesture::OpenedDm => words.text("opening my messages"),
    }
}

/// The noun for the result of a write.
fn noun(write: &Write) -> &'static str {
    match write {
        Write::Complete { .. } => "a completion",
        Write::Comment { .. } => "a comment",
        Write::Create(_) => "a creation",
        Write::Start { .. } => "a start",
        Write::Reopen { .. } => "a reopening",
        Write::Change { .. } => "a change",
        Write::Upload { .. } => "the copy of a file",
        Write::Undo(_) => "an undo",
    }
}

/// Describes a piece of work without any person's text.
fn about(tx: &Tx<'_>, work: &Work) -> DbResult<String> {
    let name_of = |slack: &str| -> DbResult<String> {
        let people = people::present(tx)?;
        let found = people
            .iter()
            .find(|person| person.slack.as_deref() == Some(slack));
        Ok(found.map_or(slack, |person| &person.name).to_owned())
    };
    let to = |what: &str, recipient: set_aside::Recipient| match recipient.name {
        Some(name) => format!("{what} {name}"),
        None => match recipient.slack {
            Some(slack) => format!("{what} {slack}"),
            None => format!("{what} {}", recipient.channel),
        },
    };
    Ok(match work {
        Work::Message(id) => match set_aside::heard(tx, *id)? {
            Some(heard) => format!("a message of {}", name_of(&heard.user)?),
            None => "a message".to_owned(),
        },
        Work::Delivery(id) => match set_aside::source_of_delivery(tx, *id)? {
            Some(source) => format!("a webhook delivery of {}", source.name()),
            None => "a webhook delivery".to_owned(),
        },
        Work::Operation(id) => match operations::by_id(tx, id)? {
            Some(row) => {
                let write = &row.operation.write;
                let by = operations::command(tx, row.command)?;
                let by = by.map(|command| people::by_id(tx, command.person));
                let by = by.transpose()?.filter(|person| !person.alone);
                let by = by.map_or_else(String::new, |person| {
                    format!(", asked for by {}", person.name)
                });
                format!("{} in {}{by}", noun(write), write.source().name())
            }
            None => "an operation".to_owned(),
        },
        Work::Post(id) => to("a message to", set_aside::recipient_of_post(tx, *id)?),
        Work::Reaction(id) => to("a reaction for", set_aside::recipient_of_reaction(tx, *id)?),
        Work::Home(user) => format!("the Home tab of {}", name_of(user)?),
        Work::History(channel) => format!("reading the history of the DM {channel}"),
        Work::Briefing(id) => {
            let person = people::by_id(tx, *id)?;
            format!("the briefing or the held notices of {}", person.name)
        }
        Work::Poll(source) => format!("reading {}", source.name()),
        Work::Comments(source) => format!("reading comments in {}", source.name()),
        Work::Webhooks(source) => format!("checking the webhooks of {}", source.name()),
        Work::Payloads(source) => {
            format!("preparing to read payloads of {}", source.name())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::EventId;
    use crate::domain::task::Source;
    use crate::store::StoreSettings;

    fn setting(folder: &tempfile::TempDir) -> SetAsideContext {
        SetAsideContext {
            store: Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap(),
            clock: Clock::system(),
            operators: vec!["U1".to_owned()],
            weights: Reloadable::default(),
        }
    }

    async fn all(setting: &SetAsideContext) -> Vec<SetAside> {
        setting.store.read(set_aside::all).await.unwrap()
    }

    async fn begins(setting: &SetAsideContext, work: &Work) {
        // The process ends during it, so its end is not recorded.
        drop(setting.store.begin(work).await.unwrap());
    }

    #[tokio::test]
    async fn work_that_comes_again_rests_longer_each_time_and_counts_anew_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let setting = setting(&folder);
        let poll = Work::Poll(Source::GitHub);
        setting.starts().await.unwrap();
        begins(&setting, &poll).await;
        setting.starts().await.unwrap();
        assert_eq!(all(&setting).await, [], "one end");
        for (ends, minutes) in [(2, 1), (3, 2), (4, 4)] {
            begins(&setting, &poll).await;
            setting.starts().await.unwrap();
            let aside = all(&setting).await.remove(0);
            assert_eq!((aside.ends, &aside.work), (ends, &poll));
            let rests = (aside.until.unwrap() - aside.since).num_minutes();
            assert_eq!(rests, minutes);
            let now = setting.clock.now();
            assert_eq!(setting.store.rests(&poll, now), aside.until);
            setting.clock.shift(chrono::Duration::minutes(minutes + 1));
            let now = setting.clock.now();
            assert_eq!(setting.store.rests(&poll, now), None);
        }
        setting.clock.shift(chrono::Duration::hours(25));
        begins(&setting, &poll).await;
        setting.starts().await.unwrap();
        let now = setting.clock.now();
        assert_eq!(setting.store.rests(&poll, now), None, "one end of late");
    }

    #[tokio::test]
    async fn a_clean_stop_and_an_attempt_that_is_over_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let setting = setting(&folder);
        let poll = Work::Poll(Source::GitHub);
        setting.starts().await.unwrap();
        begins(&setting, &poll).await;
        setting.starts().await.unwrap();
        begins(&setting, &poll).await;
        setting.stops().await.unwrap();
        setting.starts().await.unwrap();
        assert_eq!(all(&setting).await, []);
        for done in [false, true] {
            let begun = setting.store.begin(&poll).await.unwrap();
            let now = setting.clock.now();
            setting.store.is_over(begun, done, now).await;
            setting.starts().await.unwrap();
            assert_eq!(all(&setting).await, []);
        }
        assert!(setting.store.is_suspect(&poll));
    }

    #[tokio::test]
    async fn an_operation_that_nobody_tries_again_is_given_up_in_time() {
        use crate::domain::task::TaskKey;
        use crate::store::operations::{NewCommand, Surface};
        let folder = tempfile::tempdir().unwrap();
        let setting = setting(&folder);
        let now = setting.clock.now();
        let add = move |tx: &Tx<'_>| {
            people::configure(tx, &[])?;
            let command = NewCommand {
                person: people::present(tx)?[0].id,
                surface: Surface::Api,
                verb: "done",
                via: None,
                token: None,
                typed_at: now,
                once: None,
            };
            let command = operations::add_command(tx, &command, now)?;
            let task = TaskKey::clickup("86a1".to_owned());
            operations::add(tx, command, "01A", "lane", &Write::Complete { task }, now)
        };
        setting.store.write(add).await.unwrap();
        let work = Work::Operation("01A".to_owned());
        // The first run needs no mark: anything in the store may have been begun.
        setting.starts().await.unwrap();
        setting.starts().await.unwrap();
        begins(&setting, &work).await;
        setting.starts().await.unwrap();
        let month = chrono::Duration::days(30);
        let state = async || {
            setting.give_up_old(month).await.unwrap();
            let row = |db: &crate::store::Db| operations::by_id(db, "01A");
            setting.store.read(row).await.unwrap().unwrap()
        };
        assert_eq!(all(&setting).await.len(), 1);
        assert_eq!(state().await.state, OperationState::Pending);
        setting.clock.shift(month + chrono::Duration::minutes(1));
        let given_up = state().await;
        assert_eq!(given_up.state, OperationState::GivenUp);
        let why = given_up.why.unwrap();
        assert!(why.contains("nobody retried it"), "{why}");
        assert_eq!(all(&setting).await, []);
    }

    /// Suspect work begins one at a time, and no other work waits for long.
    #[tokio::test]
    async fn suspect_work_begins_alone_for_a_moment() {
        let folder = tempfile::tempdir().unwrap();
        let setting = setting(&folder);
        let (poll, hooks) = (Work::Poll(Source::GitHub), Work::Webhooks(Source::GitHub));
        setting.starts().await.unwrap();
        begins(&setting, &poll).await;
        begins(&setting, &hooks).await;
        setting.starts().await.unwrap();
        let first = setting.store.begin(&poll).await.unwrap();
        let began = tokio::time::Instant::now();
        let _second = setting.store.begin(&hooks).await.unwrap();
        assert!(began.elapsed() >= std::time::Duration::from_millis(80));
        drop(first);
        let innocent = setting
            .store
            .begin(&Work::Message(EventId(1)))
            .await
            .unwrap();
        drop(innocent);
    }
}
