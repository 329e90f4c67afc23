//! Forms: their content before they are filled in, and their errors after.
//!
//! All of it comes from the mirror and the configuration: nothing here waits for a source.

use super::{Gesture, IncomingMessage, MailTx, Mailbox, ReplyUrl};
use crate::command_tx::{ChannelDefaults, CommandError, CommandSettings, Rejection};
use crate::commands::person_of;
use crate::domain::command::TaskDraft;
use crate::domain::form::{Assignable, FieldError, FormField, SubmittedForm};
use crate::domain::operation::Place;
use crate::domain::person::{NotAllowed, SlackMember};
use crate::domain::profile::ContainerKind;
use crate::domain::reply::{self, Text};
use crate::domain::task::TaskKey;
use crate::store::forms;
use crate::store::messages::MessageDraft;
use crate::store::slack_events::{self, dm_of};
use crate::store::tasks::{self, StoredTask};
use crate::store::{Db, DbResult, StoreError, access, people};
use crate::verbs::create::{
    faults_under, for_client, made_before, parent, placed_for, with_defaults,
};

/// The choices in a form for a new task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateForm {
    /// The possible places, in the order of the configuration.
    pub places: Vec<PlaceChoice>,
    /// The preselected place.
    pub chosen: Option<Place>,
    /// The preset client, the default of the channel; `None` leaves the field empty.
    pub entity: Option<String>,
    /// The possible assignees; empty if Ivan has one user only.
    pub people: Vec<PersonChoice>,
    /// Whether any of the places has due dates.
    pub due: bool,
}

/// A person to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonChoice {
    /// The handle of the person, and the sources of their accounts.
    pub who: Assignable,
    /// The name that people read.
    pub name: String,
}

/// A list or a repository to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceChoice {
    /// The list by id, or the repository by name.
    pub place: Place,
    /// `Inbox`, `acme/widgets`.
    pub name: String,
}

impl Mailbox {
    /// Whether a person may open a form at all.
    pub async fn may_open(&self, member: &SlackMember, team: &str) -> Result<(), CommandError> {
        let refused = |why: NotAllowed, asked| Rejection::Unfit(why.words(asked));
        if let Err(why) = self.may_act(member, team) {
            self.note_stranger(member, &why);
            return Err(refused(why, false).into());
        }
        let (asking, store) = (member.clone(), &self.inner.store);
        if store
            .read(move |db| person_of(db, &asking))
            .await?
            .is_some()
        {
            return Ok(());
        }
        let asking = member.clone();
        let asked = self.write(move |mail| mail.tell_of_a_stranger(&asking));
        Err(refused(NotAllowed::Unknown, asked.await?).into())
    }

    /// The title of the task that a comment is for, if the Slack user may name the task.
    pub async fn comment_form(&self, key: &TaskKey, user: &str) -> Result<Text, CommandError> {
        let (key, user) = (key.clone(), user.to_owned());
        let stored = self
            .inner
            .store
            .read(move |connection| {
                let stored = tasks::by_key(connection, &key)?;
                shown_to(connection, &user, stored)
            })
            .await?;
        match stored {
            None => Err(Rejection::UnknownTask(reply::not_a_button()).into()),
            Some(StoredTask {
                gone: true,
                row,
                task,
                ..
            }) => Err(Rejection::Deleted {
                row,
                words: reply::deleted(&task),
            }
            .into()),
            Some(StoredTask { task, .. }) => Ok(Text::new()
                .link(&task.title, &task.url)
                .text(format!(" · {}", reply::place(&task)))),
        }
    }

    /// The choices for a new task to a person in this channel.
    pub async fn create_form(&self, channel: Option<&str>) -> Result<CreateForm, StoreError> {
        let settings = self.inner.commands.settings();
        let defaults = channel.and_then(|channel| settings.channels.get(channel).cloned());
        self.inner
            .store
            .read(move |connection| create_form(connection, &settings, defaults.as_ref()))
            .await
    }

    /// Checks a submitted form against the configuration. It waits for nothing, so that errors show while the form is
    /// open.
    pub fn faults(&self, filled: &SubmittedForm) -> Vec<FieldError> {
        let SubmittedForm::Create { create, under, .. } = filled else {
            return Vec::new();
        };
        let settings = self.inner.commands.settings();
        let mut faults = Vec::new();
        let mut fault = |field, words: Text| {
            faults.push(FieldError {
                field,
                why: words.plain(),
            });
        };
        if let Err((field, words)) = for_client(create.as_ref().clone(), &settings.entities) {
            fault(field, words);
        }
        if let Some(named) = under
            && let Err(hint) = parent(named)
        {
            fault(FormField::Under, Text::new().text(hint.to_string()));
        }
        // It was offered before bot.toml was changed.
        if let Some(list) = &create.list
            && !settings.lists.contains(list)
        {
            fault(FormField::Place, reply::list_not_followed(list));
        }
        if let Some(repo) = &create.repo
            && !settings.repos.iter().any(|followed| followed.is(repo))
        {
            fault(FormField::Place, reply::repo_not_followed(repo));
        }
        faults
    }

    /// The task made of this message already, if there is one.
    pub async fn made_of(
        &self,
        channel: &str,
        ts: &str,
        user: &str,
    ) -> Result<Option<Text>, StoreError> {
        let (channel, ts, user) = (channel.to_owned(), ts.to_owned(), user.to_owned());
        self.inner
            .store
            .read(move |connection| {
                let Some(made) = forms::made(connection, &channel, &ts)? else {
                    return Ok(None);
                };
                let person = people::of_slack(connection, &user)?;
                made_before(connection, person.as_ref(), made).map(Some)
            })
            .await
    }

    /// The text of a person's own message; `None` if it is not stored, or not any more.
    pub async fn said_at(
        &self,
        team: &str,
        channel: &str,
        ts: &str,
        user: &str,
    ) -> Result<Option<String>, StoreError> {
        let key = format!("message:{team}:{channel}:{ts}");
        let user = user.to_owned();
        let store = &self.inner.store;
        store
            .read(move |db| slack_events::said_at(db, &key, &user))
            .await
    }

    /// Stores, under `id`, the `response_url` for a form's answer.
    pub async fn keep_reply_url(
        &self,
        id: &str,
        user: &str,
        url: &ReplyUrl,
    ) -> Result<(), StoreError> {
        let (id, user, url) = (id.to_owned(), user.to_owned(), url.clone());
        self.write(move |mail| forms::keep_url(mail.db, &id, &user, &url, mail.now))
            .await
    }

    /// Sends an ephemeral message through that URL, or else a DM.
    pub async fn tell_alone(
        &self,
        user: &str,
        channel: Option<&str>,
        reply_url: Option<ReplyUrl>,
        words: Text,
    ) -> Result<(), StoreError> {
        let (user, channel) = (user.to_owned(), channel.map(str::to_owned));
        self.write(move |mail| {
            let (channel, whisper_to) = match (channel, &reply_url) {
                (Some(channel), Some(_)) => (channel, Some(user)),
                _ => (dm_of(mail.db, &user)?, None),
            };
            mail.post(&MessageDraft {
                channel,
                reply_url: reply_url.filter(|_| whisper_to.is_some()),
                whisper_to,
                words: Some(words),
                ..MessageDraft::default()
            })
        })
        .await
    }
}

impl MailTx<'_> {
    /// The errors of a form that only the store shows: those of the task that a new one is to be a part of. Empty for a
    /// form that was stored before. They name tasks, so its author has to be one who may give commands.
    pub(super) fn faults(&self, heard: &IncomingMessage) -> DbResult<Vec<FieldError>> {
        let Gesture::Submitted {
            filled:
                SubmittedForm::Create {
                    create,
                    under: Some(named),
                    ..
                },
            ..
        } = &heard.gesture
        else {
            return Ok(Vec::new());
        };
        if slack_events::known(self.db, &heard.keys)?.is_some() {
            return Ok(Vec::new());
        }
        match (people::of_slack(self.db, &heard.user)?, parent(named)) {
            (Some(person), Ok(under)) => {
                let (tx, draft) = (self.command_tx(), create.as_ref().clone());
                faults_under(&tx, &person, draft, under, heard.said_at)
            }
            _ => Ok(Vec::new()),
        }
    }
}

/// The task, if the person with this Slack id may name it.
fn shown_to(
    connection: &Db,
    user: &str,
    stored: Option<StoredTask>,
) -> DbResult<Option<StoredTask>> {
    match people::of_slack(connection, user)? {
        Some(person) => access::shown(connection, &person, stored),
        None => Ok(None),
    }
}

fn create_form(
    connection: &Db,
    settings: &CommandSettings,
    defaults: Option<&ChannelDefaults>,
) -> DbResult<CreateForm> {
    let mut places = Vec::new();
    let source = ContainerKind::Lists.source();
    for list in &settings.lists {
        if tasks::is_archived(connection, source, list)? {
            continue;
        }
        let name = tasks::container_name(connection, source, list)?;
        places.push(PlaceChoice {
            place: Place::List(list.clone()),
            name: name.unwrap_or_else(|| format!("List {list}")),
        });
    }
    // Lists may share a name; their ids differ.
    let names: Vec<String> = places.iter().map(|choice| choice.name.clone()).collect();
    for choice in &mut places {
        let alike = names.iter().filter(|name| **name == choice.name).count();
        if alike > 1
            && let Place::List(id) = &choice.place
        {
            choice.name = format!("{} ({id})", choice.name);
        }
    }
    places.extend(settings.repos.iter().map(|repo| PlaceChoice {
        place: Place::Repo(repo.clone()),
        name: repo.to_string(),
    }));
    let mut who = Vec::new();
    for person in people::present(connection)?.iter() {
        let mut has = Vec::new();
        for source in settings.sources() {
            if person.account(source).is_some() {
                has.push(source);
            }
        }
        if !person.alone && !has.is_empty() {
            who.push(PersonChoice {
                who: Assignable {
                    person: person.handle(),
                    sources: has,
                },
                name: person.name.clone(),
            });
        }
    }
    let usual = with_defaults(TaskDraft::default(), defaults);
    let client = usual.entity.as_deref();
    let usual = match client.and_then(|named| settings.entities.resolve(named)) {
        Some(entity) => placed_for(usual, entity),
        None => usual,
    };
    let source = usual.source.unwrap_or(settings.default_source);
    let wanted = match (usual.list, usual.repo) {
        (Some(list), _) => Some(Place::List(list)),
        (None, Some(repo)) => Some(Place::Repo(repo)),
        (None, None) => None,
    };
    let chosen = wanted
        .or_else(|| {
            let of_source = places
                .iter()
                .find(|choice| choice.place.source() == source)
                .or(places.first());
            of_source.map(|choice| choice.place.clone())
        })
        .filter(|place| places.iter().any(|choice| is_same(&choice.place, place)));
    Ok(CreateForm {
        places,
        chosen,
        entity: usual.entity,
        people: who,
        due: settings.sources().any(|source| source.profile().due_dates),
    })
}

fn is_same(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::List(one), Place::List(other)) => one == other,
        (Place::Repo(one), Place::Repo(other)) => one.is(other),
        _ => false,
    }
}
