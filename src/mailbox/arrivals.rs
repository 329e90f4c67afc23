//! Members who come to Ivan: the welcome, the operators' card about a member who is no person yet, and its buttons.

use super::{MailTx, Mailbox, WaitingMessage};
use crate::command_tx::{Decided, Handled, Rejection, Reply};
use crate::commands::person_of;
use crate::domain::card::{ArrivalAnswer, Button, ButtonAction, CardPart, link_buttons};
use crate::domain::person::{NotAllowed, Person, SlackMember};
use crate::domain::reply::{self, Missing};
use crate::domain::task::Source;
use crate::limits::Limit;
use crate::store::arrivals::{self, Arrival};
use crate::store::messages::MessageDraft;
use crate::store::slack_events::dm_of;
use crate::store::{DbResult, StoreError, Wake, people, slack_events};

/// The most members about whom operators are asked at a time (P8): a workspace may have ten thousand.
const ASKED_MAX: i64 = 100;
/// The longest name on a button, in characters: Slack allows 75.
const LABEL_MAX: usize = 40;

impl Mailbox {
    /// A member opened their DM with Ivan. A person is welcomed once; for a member who is no person, operators are asked
    /// once.
    pub(super) async fn opened_dm(
        &self,
        waiting: &WaitingMessage,
        member: &SlackMember,
        refusal: Option<NotAllowed>,
    ) -> Result<(), StoreError> {
        let (id, member) = (waiting.id, member.clone());
        let channel = waiting.heard.channel.clone();
        self.write(move |mail| {
            if !slack_events::handle(mail.db, id, mail.now)? {
                return Ok(());
            }
            mail.db.wake(Wake::Heard);
            if refusal.is_some() {
                return Ok(());
            }
            match person_of(mail.db, &member)? {
                Some(person) => mail.welcome(&member, &person, channel),
                None => {
                    let asked = mail.tell_of_a_stranger(&member)?;
                    mail.post(&MessageDraft {
                        channel,
                        words: Some(reply::refusal(NotAllowed::Unknown.words(asked))),
                        ..MessageDraft::default()
                    })
                }
            }
        })
        .await
    }

    /// Records when this store was first connected to Slack, and introduces Ivan to its operators.
    pub(super) async fn begin_in_slack(
        &self,
        at: chrono::DateTime<chrono::Utc>,
    ) -> Result<(), StoreError> {
        self.write(move |mail| {
            if slack_events::since(mail.db)?.is_some() {
                return Ok(());
            }
            slack_events::begins(mail.db, at)?;
            let words = reply::introduction(&mail.missing()?);
            mail.tell_operators(&words, &[], None)
        })
        .await
    }
}

impl MailTx<'_> {
    /// Welcomes a person in their DM, once.
    fn welcome(&self, member: &SlackMember, person: &Person, dm: String) -> DbResult<()> {
        if !arrivals::welcome(self.db, &member.id, &member.name, self.now)? {
            return Ok(());
        }
        if let Some(zone) = member.zone {
            people::moved_to_zone(self.db, person.id, zone)?;
        }
        if !person.alone {
            people::learn_name(self.db, &member.id, &member.name)?;
            people::spoke_in(self.db, person.id, &dm)?;
        }
        self.db.wake(Wake::Rhythms);
        let person = people::by_id(self.db, person.id)?;
        let name = (!person.alone).then_some(person.name.as_str());
        self.greet_newcomer(&person, name, None, dm)
    }

    /// Posts the four lines and the three buttons of the welcome.
    fn greet_newcomer(
        &self,
        person: &Person,
        name: Option<&str>,
        by: Option<&str>,
        channel: String,
    ) -> DbResult<()> {
        let settings = self.inner.commands.settings();
        let sources = settings.sources();
        let lacks = |source: &Source| !person.alone && person.account(*source).is_none();
        let unlinked: Vec<Source> = sources.filter(lacks).collect();
        let words = reply::welcome(name, by, &unlinked);
        let mut buttons = link_buttons(&unlinked);
        if buttons.len() < 2 {
            buttons.push(Button::new("Show my task", ButtonAction::Current));
        }
        if buttons.len() < 2 {
            buttons.push(Button::new("New task", ButtonAction::New));
        }
        buttons.push(Button::new("Help", ButtonAction::Help));
        self.post(&MessageDraft {
            channel,
            person: Some(person.id),
            parts: vec![CardPart::Text(words.clone()), CardPart::Buttons(buttons)],
            words: Some(words),
            ..MessageDraft::default()
        })
    }

    /// Asks the operators, once a member, whether to add them. `false`: they are not asked, or have refused.
    pub(super) fn ask_to_add(&self, member: &SlackMember) -> DbResult<bool> {
        match arrivals::of(self.db, &member.id)? {
            Some(arrival) if arrival.asked => return Ok(arrival.added != Some(false)),
            _ if !self.tells_operators(member) => return Ok(false),
            _ => {}
        }
        if arrivals::count_open(self.db)? >= ASKED_MAX {
            Limit::Arrivals.reached(format_args!(
                "operators have not answered about {ASKED_MAX} members; they are not asked about further ones"
            ));
            return Ok(false);
        }
        arrivals::ask(self.db, &member.id, &member.name, self.now)?;
        let words = reply::arrival_asked(&member.name, &member.id);
        let button = |label: &str, answer| {
            let slack = member.id.clone();
            Button::new(label, ButtonAction::Arrival { slack, answer })
        };
        let add = Button {
            main: true,
            ..button(&label("Add", &member.name), ArrivalAnswer::Add)
        };
        let not_now = button("Not now", ArrivalAnswer::NotNow);
        let parts = [
            CardPart::Text(words.clone()),
            CardPart::Buttons(vec![add, not_now]),
        ];
        self.tell_operators(&words, &parts, Some(&member.id))?;
        Ok(true)
    }

    /// An operator's press about a member.
    pub(super) fn answer_about(
        &self,
        presser: &SlackMember,
        person: Option<&Person>,
        slack: &str,
        answer: ArrivalAnswer,
    ) -> Decided {
        if !self.inner.settings.get().operators.contains(&presser.id) {
            return Err(Rejection::Unfit(reply::only_operators_link()).into());
        }
        let Some(arrival) = arrivals::of(self.db, slack)? else {
            return Err(Rejection::Unfit(reply::no_such_request()).into());
        };
        let by = person.map_or(presser.name.as_str(), |person| person.name.as_str());
        let about = people::of_slack(self.db, slack)?;
        Ok(Handled::Replied(match (answer, &about) {
            (ArrivalAnswer::Remove, Some(_)) => self.remove(by, &arrival)?,
            (_, Some(_)) => Reply::from(reply::arrival_before(
                &arrival.name,
                arrival.answered_by.as_deref(),
            )),
            (ArrivalAnswer::Add, None) => self.add(by, &arrival)?,
            (ArrivalAnswer::NotNow | ArrivalAnswer::Remove, None) => {
                arrivals::answer(self.db, slack, false, by)?;
                tracing::info!(person = slack, by, "person not added");
                Reply::from(reply::arrival_refused(&arrival.name))
            }
        }))
    }

    fn add(&self, by: &str, arrival: &Arrival) -> DbResult<Reply> {
        people::add(self.db, &arrival.slack, &arrival.name)?;
        arrivals::answer(self.db, &arrival.slack, true, by)?;
        tracing::info!(person = arrival.slack, by, "person added");
        self.db.wake(Wake::Rhythms);
        self.db.wake(Wake::Homes);
        self.db.wake(Wake::Newcomers);
        if let Some(person) = people::of_slack(self.db, &arrival.slack)? {
            let dm = dm_of(self.db, &arrival.slack)?;
            arrivals::welcome(self.db, &arrival.slack, &arrival.name, self.now)?;
            self.greet_newcomer(&person, Some(&arrival.name), Some(by), dm)?;
        }
        let words = reply::arrival_added(&arrival.name);
        let remove = Button::new(
            &label("Remove", &arrival.name),
            ButtonAction::Arrival {
                slack: arrival.slack.clone(),
                answer: ArrivalAnswer::Remove,
            },
        );
        Ok(Reply {
            parts: vec![
                CardPart::Text(words.clone()),
                CardPart::Buttons(vec![remove]),
            ],
            ..Reply::from(words)
        })
    }

    fn remove(&self, by: &str, arrival: &Arrival) -> DbResult<Reply> {
        if !people::remove(self.db, &arrival.slack)? {
            return Ok(Reply {
                refused: true,
                ..Reply::from(reply::refusal(reply::arrival_by_config(&arrival.name)))
            });
        }
        arrivals::answer(self.db, &arrival.slack, false, by)?;
        tracing::info!(person = arrival.slack, by, "person removed");
        self.db.wake(Wake::Rhythms);
        self.db.wake(Wake::Homes);
        Ok(Reply::from(reply::arrival_removed(&arrival.name)))
    }

    /// The things that a new installation still lacks.
    fn missing(&self) -> DbResult<Missing> {
        let settings = self.inner.commands.settings();
        let present = people::present(self.db)?;
        let shared = present.iter().any(|person| person.alone);
        let lacks = |source: Source| {
            let count = present.iter().filter(|one| one.account(source).is_none());
            (source, if shared { 0 } else { count.count() })
        };
        Ok(Missing {
            shared,
            not_connected: Source::ALL
                .into_iter()
                .filter(|source| !settings.has(*source))
                .collect(),
            unlinked: settings
                .sources()
                .map(lacks)
                .filter(|(_, count)| *count > 0)
                .collect(),
        })
    }
}

fn label(verb: &str, name: &str) -> String {
    let name: String = name.chars().take(LABEL_MAX).collect();
    format!("{verb} {name}")
}
