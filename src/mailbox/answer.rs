//! Answers: a received message goes to the commands, and their reply becomes an outgoing message or a reaction.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::gestures::is_overheard;
use super::lost::{has_effect, message_of};
use super::{Conversation, Gesture, IncomingMessage, MailTx, ReceiptMode, ReplyUrl};
use crate::command_tx::{Context, Handled, Rejection, Reply, Stop, Target, with_link_buttons};
use crate::commands::{person_of, run};
use crate::domain::card::{
    ArrivalAnswer, Button, ButtonAction, CardPart, are_undo_buttons, is_card_alone, time_of_ts,
};
use crate::domain::command::CommandRef;
use crate::domain::form::with_what_was_filled_in;
use crate::domain::ids::{CommandId, MessageId, TaskRow};
use crate::domain::log::Via;
use crate::domain::person::{NotAllowed, Person, SlackMember};
use crate::domain::reaction;
use crate::domain::reply::{self, Text};
use crate::domain::task::{Task, TaskStatus};
use crate::store::messages::{self, MessageDraft};
use crate::store::operations::Surface;
use crate::store::reactions::{self, NewReaction};
use crate::store::slack_events::dm_of;
use crate::store::{Db, DbResult, Wake, access, forms, people, tasks};
use crate::verbs::offers::{Offer, meant_issue, meant_list, offer};
use crate::verbs::{Command, ParseError, is_greeting, is_thanks, parse};

/// The place for the answer to a command.
struct AnswerTo {
    channel: String,
    thread: Option<String>,
    reply_url: Option<ReplyUrl>,
    /// Whether the whole channel may see a created task.
    public: bool,
}

/// A pressed button that gives a command as text.
struct PressedOffer {
    /// The message with the button.
    message: MessageId,
    press: ButtonAction,
    /// The time of the message: its reader had seen everything before.
    at: DateTime<Utc>,
    /// Whether the command has an effect: the button is then removed.
    once: bool,
}

impl MailTx<'_> {
    /// Answers a stored message; returns the id of the command if it made one. `may`: its author may give commands.
    /// `doubted`: it may have been carried out in a lost time.
    pub(super) fn answer(
        &self,
        heard: &IncomingMessage,
        member: &SlackMember,
        asked: Result<Command, Rejection>,
        (may, doubted): (bool, bool),
    ) -> DbResult<Option<CommandId>> {
        let mut person = person_of(self.db, member)?;
        let mut creates = false;
        if is_overheard(heard) && (person.is_none() || asked.is_err()) {
            tracing::debug!(
                person = member.id,
                "ignored: this person may not act in the channel"
            );
            return Ok(None);
        }
        if person.is_none() && may && matches!(heard.gesture, Gesture::Said | Gesture::Replied) {
            let strangers = &self.inner.strangers;
            if !strangers.is_answered(&member.id, &NotAllowed::Unknown, self.now) {
                self.tell_of_a_stranger(member)?;
                return Ok(None);
            }
        }
        if let Some(person) = &mut person
            && person.name == member.id
        {
            people::learn_name(self.db, &member.id, &member.name)?;
            person.name = people::by_id(self.db, person.id)?.name;
        }
        let (receipts, dm) = match &person {
            Some(person) => people::receipts_and_dm(self.db, person.id)?,
            None => (None, None),
        };
        let reactions_too =
            receipts.unwrap_or(self.inner.commands.settings().receipts) == ReceiptMode::Reactions;
        let asked = match asked {
            Ok(command) if doubted && has_effect(&command) => {
                Err(Rejection::Unfit(reply::perhaps_done_before()))
            }
            asked => asked,
        };
        let (asked, offer) = match asked {
            Ok(command) => match self.pressed_offer(heard, &command) {
                Ok(offer) => (Ok(command), offer),
                Err(stop) => (Err(stop.rejection()?), None),
            },
            Err(rejection) => (Err(rejection), None),
        };
        let (is_own, alone) = told_by_reaction(heard, &asked, reactions_too);
        let done = match (&mut person, asked) {
            (Some(person), Err(_)) if heard.direct && is_greeting(&heard.text) => {
                Ok(Handled::Replied(self.greet(person)?))
            }
            (Some(person), Err(_)) if heard.direct && is_thanks(&heard.text) => {
                let current = self.known_current(person)?;
                Ok(Handled::Replied(reply::thanked(current.as_ref()).into()))
            }
            (person, asked) if arrival(heard).is_some() => match (arrival(heard), asked) {
                (Some((slack, answer)), _) if may => {
                    self.answer_about(member, person.as_ref(), slack, answer)
                }
                (_, Err(rejection)) => Err(rejection.into()),
                (_, Ok(_)) => Err(Rejection::Unfit(reply::not_a_button()).into()),
            },
            (None, _) if may => {
                let asked = self.tell_of_a_stranger(member)?;
                let words = NotAllowed::Unknown.words(asked);
                Err(Rejection::Unfit(words).into())
            }
            (Some(person), Err(rejection)) => match offered(heard) {
                Some(offer) => Ok(Handled::Replied(
                    self.offer(person, heard, offer, rejection)?,
                )),
                None => Err(rejection.into()),
            },
            (None, Err(rejection)) => Err(rejection.into()),
            (None, Ok(_)) => Err(Rejection::Unfit(NotAllowed::Unknown.words(false)).into()),
            (Some(person), Ok(command)) => {
                creates = matches!(command, Command::Create(_));
                if let Some(zone) = member.zone
                    && zone != person.zone
                {
                    people::moved_to_zone(self.db, person.id, zone)?;
                    self.db.wake(Wake::Rhythms);
                    person.zone = zone;
                }
                if heard.direct && dm.as_deref() != Some(&heard.channel) {
                    people::spoke_in(self.db, person.id, &heard.channel)?;
                    // A person who can be reached has a briefing, if bot.toml gives one to all.
                    self.db.wake(Wake::Rhythms);
                }
                let under = under(self.db, heard)?;
                let context = Context {
                    surface: Surface::Slack,
                    via: via(heard),
                    token: None,
                    at: heard.said_at,
                    offered_at: offer.as_ref().map(|offer| offer.at),
                    under,
                    thread: thread_of(heard),
                    message: message_of(heard),
                    once: None,
                    // A form is complete: the channel's defaults were applied when it was laid out.
                    channel: match &heard.gesture {
                        Gesture::Submitted { .. } => None,
                        _ => Some(heard.channel.clone()),
                    },
                    from: match &heard.gesture {
                        Gesture::Submitted { filled, .. } => filled.origin().cloned(),
                        _ => None,
                    },
                    email: Some(member.email.is_some()),
                    alone_with: is_alone(heard).then(|| heard.user.clone()),
                    part_of: None,
                };
                match under.is_none() && self.lacks_its_task(heard, &command)? {
                    true => Err(Rejection::Unfit(reply::unknown_thread()).into()),
                    false => run(&self.command_tx(), person, command, &context),
                }
            }
        };
        if let (Ok(_), Some(offer)) = (&done, offer.filter(|offer| offer.once)) {
            messages::loses_button(self.db, offer.message, &offer.press)?;
            self.db.wake(Wake::Messages);
        }
        let (command, said) = match done {
            Ok(Handled::Accepted { command, .. }) => (Some(command), None),
            Ok(Handled::Replied(said) | Handled::Settled { reply: said, .. }) => (None, Some(said)),
            Err(stop) => {
                let rejection = stop.rejection()?;
                let meant = self.meant_issue(person.as_ref(), heard, &rejection)?;
                let mut said = self.turn_down(person.as_ref(), rejection)?;
                if let Some((meant, title)) = meant {
                    let words = std::mem::take(&mut said.words);
                    said.words = reply::did_you_mean_issue(words, &meant, &title);
                    said.parts = vec![CardPart::Text(said.words.clone()), say_button(meant)];
                }
                said.words = with_what_was_filled_in(said.words, heard.gesture.filled());
                if said.parts.is_empty()
                    && is_said_alone(heard)
                    && let Some(meant) = meant_list(&heard.text)
                {
                    said.words = said.words.text(" Did you mean ").code(&meant).text("?");
                    said.parts = vec![CardPart::Text(said.words.clone()), say_button(meant)];
                }
                (None, Some(said))
            }
        };
        let refused = command.is_none() && said.as_ref().is_some_and(|said| said.refused);
        let pressed = self.pressed_alone(heard)?;
        let replaces = !refused && self.replaces_what_was_pressed(heard, pressed.as_ref())?;
        if let Some(pressed) = pressed.as_ref().filter(|one| one.stays && !replaces) {
            self.bring_up_to_date(heard, pressed, person.as_ref(), refused)?;
        }
        let said = said.unwrap_or_default();
        let place = self.place(heard)?;
        self.db.wake(Wake::Homes);
        if is_own && (command.is_some() && (alone || reactions_too) || refused && reactions_too) {
            let new = NewReaction {
                channel: heard.channel.clone(),
                ts: heard.ts.clone(),
                thread: place.thread.clone(),
                person: person.as_ref().map(|person| person.id),
                command,
                alone,
                refusals: reactions_too,
                wanted: refused.then_some(reaction::REFUSED),
            };
            reactions::add(self.db, &new, self.now)?;
            self.db.wake(Wake::Reactions);
        }
        if alone && command.is_some() {
            return Ok(command);
        }
        let draft = MessageDraft {
            channel: place.channel,
            thread: place.thread,
            in_channel: place.public && creates,
            asked_by: Some(heard.user.clone()),
            replaces,
            instead_of: pressed.filter(|_| replaces).map(|one| one.uid),
            whisper_to: place.reply_url.is_some().then(|| heard.user.clone()),
            reply_url: place.reply_url,
            person: person.map(|person| person.id),
            command: command.or(said.command),
            pin: said.pin,
            list: said.list,
            about: said.about,
            words: command.is_none().then_some(said.words),
            parts: said.parts,
        };
        let message = self.post_answer(&draft, heard, doubted)?;
        if let Some(token) = said.token {
            self.shows_token(token, message)?;
        }
        Ok(command)
    }

    /// The offer whose button was pressed, if its command has an effect or depends on what was shown. Rejected if this
    /// store does not know the message, or the button was used.
    fn pressed_offer(
        &self,
        heard: &IncomingMessage,
        command: &Command,
    ) -> Result<Option<PressedOffer>, Stop> {
        let once = has_effect(command);
        let Gesture::Pressed(press @ ButtonAction::Say(_)) = &heard.gesture else {
            return Ok(None);
        };
        if !once && !command.changes_what_was_shown() {
            return Ok(None);
        }
        let place = (&*heard.channel, &*heard.user, &*heard.ts);
        let message = messages::with_button(self.db, place, press)?;
        match (message, time_of_ts(&heard.ts)) {
            (Some(message), Some(at)) => Ok(Some(PressedOffer {
                message,
                press: press.clone(),
                at,
                once,
            })),
            _ => Err(Rejection::Unfit(reply::not_a_button()).into()),
        }
    }

    /// Whether a command leaves out its task in the thread of a message about several tasks.
    fn lacks_its_task(&self, heard: &IncomingMessage, command: &Command) -> DbResult<bool> {
        let names_no_task = match command {
            Command::Undo(_) | Command::Many(_) => false,
            command => command.task().is_none() && command.changes_what_was_shown(),
        };
        Ok(names_no_task && is_under_several(self.db, heard)?)
    }

    /// The pressed ephemeral message, if the store has it.
    fn pressed_alone(&self, heard: &IncomingMessage) -> DbResult<Option<messages::PressedMessage>> {
        match &heard.gesture {
            Gesture::PressedAlone { of: Some(uid), .. } => {
                messages::whispered(self.db, uid, &heard.user)
            }
            _ => Ok(None),
        }
    }

    /// Whether a successful answer replaces the pressed message. An ephemeral or unchangeable Undo goes with the
    /// command that it undid, and a message of one card goes with its action. In a list, or below an outcome that can
    /// be undone, the rest is still needed.
    fn replaces_what_was_pressed(
        &self,
        heard: &IncomingMessage,
        pressed: Option<&messages::PressedMessage>,
    ) -> DbResult<bool> {
        let Gesture::PressedAlone { press, .. } = &heard.gesture else {
            return Ok(false);
        };
        Ok(match press {
            ButtonAction::Undo(_) | ButtonAction::Instead { .. } | ButtonAction::Answer { .. } => {
                true
            }
            ButtonAction::Done(task) | ButtonAction::Next(task) | ButtonAction::Snooze(task) => {
                match (pressed, self.command_tx().pressed_task(&task.named())?) {
                    (Some(one), Some(stored)) => one.stays && is_card_alone(&one.parts, stored.row),
                    _ => false,
                }
            }
            _ => false,
        })
    }

    /// The place for the answer: the same conversation, for all or ephemeral, as the command was given.
    fn place(&self, heard: &IncomingMessage) -> DbResult<AnswerTo> {
        let alone = |reply_url: &ReplyUrl, public| AnswerTo {
            channel: heard.channel.clone(),
            thread: None,
            reply_url: Some(reply_url.clone()),
            public,
        };
        let in_the_dm = || -> DbResult<AnswerTo> {
            Ok(AnswerTo {
                channel: dm_of(self.db, &heard.user)?,
                thread: None,
                reply_url: None,
                public: false,
            })
        };
        match &heard.gesture {
            Gesture::Slash { reply_url, public } => Ok(alone(reply_url, *public)),
            Gesture::PressedAlone { reply_url, .. } => Ok(alone(reply_url, false)),
            Gesture::Submitted {
                reply: Some(key),
                public,
                ..
            } => match forms::take_url(self.db, key, &heard.user, self.now)? {
                Some(url) => Ok(alone(&url, *public)),
                None => in_the_dm(),
            },
            // No conversation: from the shortcut, or the Home tab.
            _ if heard.channel == heard.user => in_the_dm(),
            Gesture::Submitted { .. }
            | Gesture::Said
            | Gesture::Pressed(_)
            | Gesture::Replied
            | Gesture::Signed { .. }
            | Gesture::SignedOutcome
            | Gesture::InUnknownThread
            | Gesture::OpenedHome
            | Gesture::OpenedDm => Ok(AnswerTo {
                channel: heard.channel.clone(),
                thread: match heard.direct {
                    true => heard.thread.clone(),
                    false => Some(heard.thread.clone().unwrap_or_else(|| heard.ts.clone())),
                },
                reply_url: None,
                public: false,
            }),
        }
    }

    /// Updates a pressed message that stays, through the `response_url` of the press: its cards show the current state
    /// and follow later changes. An Undo that can undo nothing is removed.
    fn bring_up_to_date(
        &self,
        heard: &IncomingMessage,
        pressed: &messages::PressedMessage,
        person: Option<&Person>,
        refused: bool,
    ) -> DbResult<()> {
        let Gesture::PressedAlone {
            press, reply_url, ..
        } = &heard.gesture
        else {
            return Ok(());
        };
        messages::addressed(self.db, pressed.id, reply_url, self.now)?;
        let zone = person.map_or(Tz::UTC, |person| person.zone);
        let mut parts = pressed.parts.clone();
        for part in &mut parts {
            if let CardPart::Card(card) = part
                && let Some(person) = person
                && let Some(stored) =
                    access::shown(self.db, person, tasks::by_row(self.db, card.task)?)?
            {
                let gone = stored.gone || stored.away;
                *card = card.again(&stored.task, gone, self.now, zone);
            }
        }
        if let (
            ButtonAction::Undo(CommandRef::Uid(command))
            | ButtonAction::Instead { uid: command, .. },
            true,
        ) = (press, refused)
        {
            parts.retain(|part| !are_undo_buttons(part, command));
        }
        if parts != pressed.parts {
            messages::redraw(self.db, pressed.id, &parts)?;
            self.db.wake(Wake::Messages);
        }
        Ok(())
    }

    /// Answers that a message is not processed, if it would have got an answer. Activity among people in a channel, and
    /// the opening of the Home tab, get none.
    pub(super) fn turn_away(&self, heard: &IncomingMessage, why: Text) -> DbResult<()> {
        if is_overheard(heard) || matches!(heard.gesture, Gesture::OpenedHome | Gesture::OpenedDm) {
            return Ok(());
        }
        let place = self.place(heard)?;
        let draft = MessageDraft {
            channel: place.channel,
            thread: place.thread,
            whisper_to: place.reply_url.is_some().then(|| heard.user.clone()),
            reply_url: place.reply_url,
            words: Some(with_what_was_filled_in(
                reply::refusal(why),
                heard.gesture.filled(),
            )),
            ..MessageDraft::default()
        };
        self.post(&draft)
    }

    /// Posts words beside the answer, in the same place. If there was no answer, because people talked among themselves
    /// in a channel, nothing is posted.
    pub(super) fn say_besides(
        &self,
        heard: &IncomingMessage,
        words: Text,
        answered: bool,
    ) -> DbResult<()> {
        if is_overheard(heard) && !answered {
            return Ok(());
        }
        let place = self.place(heard)?;
        let draft = MessageDraft {
            channel: place.channel,
            thread: place.thread,
            asked_by: Some(heard.user.clone()),
            words: Some(words),
            ..MessageDraft::default()
        };
        self.post(&draft)
    }

    /// The person's current task, as they were shown it.
    fn known_current(&self, person: &Person) -> DbResult<Option<Task>> {
        let pinned = people::current_pin(self.db, person.id)?.and_then(|pin| pin.task);
        let stored = match pinned {
            Some(row) => access::shown(self.db, person, tasks::by_row(self.db, row)?)?,
            None => None,
        };
        let current = stored.filter(|one| one.task.status != TaskStatus::Done && !one.gone);
        Ok(current.map(|one| one.task))
    }

    /// The answer to a greeting: the current task. One that was not shown before is shown as `current` shows it.
    fn greet(&self, person: &Person) -> DbResult<Reply> {
        let name = (!person.alone).then_some(person.name.as_str());
        if let Some(task) = self.known_current(person)? {
            return Ok(reply::greeting(name, &task).into());
        }
        let mut said = self.command_tx().show(person)?;
        if said.about.is_some() {
            said.words = reply::greeting_with_card(name, said.words);
            let lead = CardPart::Text(reply::greeting_with_card(name, Text::new()));
            said.parts.insert(0, lead);
        } else {
            said.words = reply::hello(name).then(said.words);
            if let Some(CardPart::Text(words)) = said.parts.first_mut() {
                *words = said.words.clone();
            }
        }
        Ok(said)
    }

    /// The answer to a text that is no command: buttons for the things that it may have meant.
    fn offer(
        &self,
        person: &Person,
        heard: &IncomingMessage,
        offer: Offer,
        why: Rejection,
    ) -> DbResult<Reply> {
        let draft = || Button::new("New task", ButtonAction::Draft(heard.ts.clone()));
        let help = || Button::new("Help", ButtonAction::Help);
        let mut refused = false;
        let (words, buttons) = match offer {
            Offer::Stop => {
                let current = self.known_current(person)?;
                let mut buttons = vec![Button::new("Mute notices", ButtonAction::Mute(true))];
                buttons.extend(current.iter().map(|task| {
                    Button::new("Pause this task", ButtonAction::Pause((&task.key).into()))
                }));
                (reply::stop_what(current.as_ref()), buttons)
            }
            Offer::Meant(meant) => {
                let word = heard.text.split_whitespace().next().unwrap_or_default();
                let words = reply::did_you_mean(word, &meant);
                return Ok(Reply {
                    parts: vec![CardPart::Text(words.clone()), say_button(meant)],
                    ..Reply::from(words)
                });
            }
            Offer::Task if unknown_verb(&heard.text) => {
                (reply::no_command(), vec![draft(), help()])
            }
            Offer::Task => {
                refused = true;
                let words = reply::refusal(why.words()).text(" Or make this a task?");
                (words, vec![draft(), help()])
            }
            Offer::Title => {
                let new = Button::new("New task", ButtonAction::New);
                (reply::which_title(), vec![new])
            }
            Offer::Commands => {
                let current = Button::new("Show my task", ButtonAction::Current);
                (reply::which_command(), vec![current, help()])
            }
        };
        Ok(Reply {
            refused,
            parts: vec![CardPart::Text(words.clone()), CardPart::Buttons(buttons)],
            ..Reply::from(words)
        })
    }

    /// The command that a number meant which no list has: an open issue of the default repository has it. With its title.
    fn meant_issue(
        &self,
        person: Option<&Person>,
        heard: &IncomingMessage,
        why: &Rejection,
    ) -> DbResult<Option<(String, String)>> {
        if !is_said_alone(heard) || !matches!(why, Rejection::UnknownTask(_)) || person.is_none() {
            return Ok(None);
        }
        let Some((meant, issue)) = meant_issue(&heard.text) else {
            return Ok(None);
        };
        match self.command_tx().named(person, &issue) {
            Ok(Target {
                stored: Some(stored),
                ..
            }) if stored.task.status != TaskStatus::Done => Ok(Some((meant, stored.task.title))),
            Ok(_) | Err(Stop::Rejected(_)) => Ok(None),
            Err(Stop::Db(error)) => Err(error),
        }
    }

    /// The words of a refusal. Without a current task the first of the queue becomes it, and is shown.
    fn turn_down(&self, person: Option<&Person>, why: Rejection) -> DbResult<Reply> {
        let shows_current = matches!(why, Rejection::NoCurrent(_));
        let mut said = Reply {
            words: reply::refusal(why.words()),
            refused: true,
            ..Reply::default()
        };
        if let Some(person) = person.filter(|_| shows_current)
            && let Some(pin) = people::current_pin(self.db, person.id)?
        {
            said.pin = Some(pin.id);
            said.about = pin.task;
            if let Some(row) = pin.task
                && let Some(stored) = tasks::by_row(self.db, row)?
            {
                let lead = reply::refusal(reply::no_current(Text::new()));
                said.parts = vec![
                    CardPart::Text(lead),
                    self.command_tx().whole_card(&stored, person)?,
                ];
            } else {
                let why = self.command_tx().why_empty(person)?;
                said.parts = with_link_buttons(&said.words, why.unlinked());
            }
        }
        Ok(said)
    }
}

/// Whether nobody else reads the conversation. The answer to `/ivan` in another DM is for its author alone.
fn is_alone(heard: &IncomingMessage) -> bool {
    let is_slash = matches!(heard.gesture, Gesture::Slash { .. });
    heard.direct || is_slash && heard.channel.starts_with('D')
}

/// Whether it was typed in the DM, outside of threads: only there Ivan makes offers.
fn is_said_alone(heard: &IncomingMessage) -> bool {
    heard.gesture == Gesture::Said && heard.direct && heard.thread.is_none()
}

/// The things that a text in a DM may have meant. A file or a forwarded message has its own hint.
fn offered(heard: &IncomingMessage) -> Option<Offer> {
    match is_said_alone(heard) && heard.attached.is_empty() {
        true => offer(&heard.text),
        false => None,
    }
}

fn unknown_verb(text: &str) -> bool {
    matches!(parse(text), Err(ParseError::UnknownVerb(_)))
}

/// The button that gives a command as it should have been typed.
fn say_button(meant: String) -> CardPart {
    CardPart::Buttons(vec![Button::new(&meant.clone(), ButtonAction::Say(meant))])
}

/// The member whom an operator's button is about, and its answer.
fn arrival(heard: &IncomingMessage) -> Option<(&str, ArrivalAnswer)> {
    match &heard.gesture {
        Gesture::Pressed(ButtonAction::Arrival { slack, answer })
        | Gesture::PressedAlone {
            press: ButtonAction::Arrival { slack, answer },
            ..
        } => Some((slack, *answer)),
        _ => None,
    }
}

/// The task of the message in whose thread a command was typed.
pub(super) fn under(connection: &Db, heard: &IncomingMessage) -> DbResult<Option<TaskRow>> {
    let Some(root) = &heard.thread else {
        return Ok(None);
    };
    let answered = messages::first_about(connection, &heard.channel, root)?;
    // In a channel the thread's root is a person's; our answers below it are about the task.
    if !heard.direct {
        return Ok(answered);
    }
    let stood = messages::standing_at(connection, &heard.channel, &heard.user, root)?;
    if stood.as_ref().is_some_and(|stood| stood.several) {
        // Answers and comments below it are about one of its tasks, which need not be the one meant.
        let place = Conversation {
            channel: heard.channel.clone(),
            thread: heard.thread.clone(),
        };
        let own = messages::task_of_thread(connection, &place)?;
        return Ok(own.map(|own| own.task));
    }
    Ok(stood.and_then(|stood| stood.task).or(answered))
}

/// Whether a command was given in the thread of a message about several tasks.
fn is_under_several(connection: &Db, heard: &IncomingMessage) -> DbResult<bool> {
    let Some(root) = heard.thread.as_ref().filter(|_| heard.direct) else {
        return Ok(false);
    };
    let stood = messages::standing_at(connection, &heard.channel, &heard.user, root)?;
    Ok(stood.is_some_and(|stood| stood.several))
}

/// The thread that a command was typed in.
fn thread_of(heard: &IncomingMessage) -> Option<Conversation> {
    let is_typed = heard.gesture == Gesture::Said;
    heard.thread.as_ref().filter(|_| is_typed)?;
    Some(Conversation {
        channel: heard.channel.clone(),
        thread: heard.thread.clone(),
    })
}

/// Whether it is a message of its author's own, which can carry a reaction; and whether a reaction is the whole answer
/// after a success.
fn told_by_reaction(
    heard: &IncomingMessage,
    asked: &Result<Command, Rejection>,
    reactions_too: bool,
) -> (bool, bool) {
    let is_own = matches!(heard.gesture, Gesture::Said | Gesture::Replied);
    let needs_no_words = match asked {
        Ok(Command::Comment(comment)) => comment.in_thread || reactions_too,
        _ => false,
    };
    (is_own, is_own && needs_no_words)
}

/// The way in which a command was given in Slack.
fn via(heard: &IncomingMessage) -> Via {
    match &heard.gesture {
        Gesture::Said
        | Gesture::Replied
        | Gesture::InUnknownThread
        | Gesture::OpenedHome
        | Gesture::OpenedDm => match heard.direct {
            true => Via::Dm,
            false => Via::Channel,
        },
        Gesture::Slash { .. } => Via::Slash,
        Gesture::Pressed(_) | Gesture::PressedAlone { .. } => Via::Button,
        Gesture::Submitted { .. } => Via::Form,
        Gesture::Signed { .. } | Gesture::SignedOutcome => Via::Reaction,
    }
}
