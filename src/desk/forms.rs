//! Forms: what stands in them before they are filled in, and what is made of them after.
//!
//! Whatever a form shows comes from the mirror and the configuration: nothing here waits for a source.

use super::{ChannelDefaults, CommandSettings, Desk, Gesture, Heard};
use crate::command_tx::{CommandError, Rejection, Stop};
use crate::command_tx::{CommandTx, Context, Handled, Reply};
use crate::domain::command::Create;
use crate::domain::entity::{Entities, Entity, split_title};
use crate::domain::form::{Assignable, Fault, Field, Filled, Origin};
use crate::domain::operation::{Place, Write};
use crate::domain::person::{Member, NotAllowed, Person, may_act};
use crate::domain::reply::{self, Words};
use crate::domain::task::{Source, TaskKey};
use crate::store::forms::{self, Made};
use crate::store::messages::{self, Draft};
use crate::store::slack_events::{ReplyUrl, dm_of};
use crate::store::tasks::{self, Stored};
use crate::store::{Db, DbResult, StoreTrouble, Wake, people};

/// What a form for a new task offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateForm {
    /// Where it may go, in the order of the configuration.
    pub places: Vec<PlaceChoice>,
    /// Where it goes if nobody chooses.
    pub chosen: Option<Place>,
    pub entity: Option<String>,
    /// Who may be assigned; nobody where Ivan is one person's.
    pub people: Vec<PersonChoice>,
    /// Whether any of the places has due dates.
    pub due: bool,
}

/// Somebody to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonChoice {
    pub who: Assignable,
    pub name: String,
}

/// A list or a repository to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceChoice {
    pub place: Place,
    /// `Inbox`, `acme/widgets`.
    pub name: String,
}

/// What forms ask.
impl Desk {
    /// Whether somebody may open a form at all.
    pub async fn may_open(&self, member: &Member, team: &str) -> Result<(), CommandError> {
        let refused = |why: NotAllowed| Rejection::Unfit(Words::new().text(why.to_string()));
        if let Err(why) = may_act(member, team, &self.inner.settings.allowed_users) {
            let now = self.inner.clock.now();
            self.inner.strangers.refused(&member.id, &why, now);
            return Err(refused(why).into());
        }
        let asking = member.clone();
        let person = self
            .inner
            .store
            .read(move |connection| super::person_of(connection, &asking))
            .await?;
        if person.is_some() {
            return Ok(());
        }
        let (desk, asking) = (self.clone(), member.clone());
        self.decide(move |turn| {
            desk.inner.strangers.tell_of(turn, &asking)?;
            Err(refused(NotAllowed::Unknown).into())
        })
        .await
    }

    /// The title of the task that a comment is for.
    pub async fn comment_form(&self, key: &TaskKey) -> Result<Words, CommandError> {
        let key = key.clone();
        let stored = self
            .inner
            .store
            .read(move |connection| tasks::by_key(connection, &key))
            .await?;
        match stored {
            None => Err(Rejection::UnknownTask(reply::not_a_button()).into()),
            Some(Stored {
                gone: true,
                row,
                task,
                ..
            }) => Err(Rejection::Deleted {
                row,
                words: reply::deleted(&task),
            }
            .into()),
            Some(Stored { task, .. }) => Ok(Words::new()
                .link(&task.title, &task.url)
                .text(format!(" · {}", reply::place(&task)))),
        }
    }

    /// What a new task's form offers to somebody who is in this channel.
    pub async fn create_form(&self, channel: Option<&str>) -> Result<CreateForm, StoreTrouble> {
        let settings = self.inner.settings.clone();
        let defaults = channel.and_then(|channel| settings.channels.get(channel).cloned());
        self.inner
            .store
            .read(move |connection| create_form(connection, &settings, defaults.as_ref()))
            .await
    }

    /// What the configuration says is wrong with a form that came back. Asks nobody, so that the answer is there while
    /// the form is still open.
    pub fn faults(&self, filled: &Filled) -> Vec<Fault> {
        let Filled::Create { create, .. } = filled else {
            return Vec::new();
        };
        let settings = &self.inner.settings;
        let mut faults = Vec::new();
        let mut fault = |field, words: Words| {
            faults.push(Fault {
                field,
                why: words.plain(),
            });
        };
        if let Err((field, words)) = for_client(create.as_ref().clone(), &settings.entities) {
            fault(field, words);
        }
        // It was offered before bot.toml was changed.
        if let Some(list) = &create.list
            && !settings.lists.contains(list)
        {
            fault(Field::Place, reply::list_not_followed(list));
        }
        if let Some(repo) = &create.repo
            && !settings.repos.iter().any(|followed| followed.is(repo))
        {
            fault(Field::Place, reply::repo_not_followed(repo));
        }
        faults
    }

    /// What was made of this message already, if anything was.
    pub async fn made_of(&self, channel: &str, ts: &str) -> Result<Option<Words>, StoreTrouble> {
        let (channel, ts) = (channel.to_owned(), ts.to_owned());
        self.inner
            .store
            .read(move |connection| Ok(forms::made(connection, &channel, &ts)?.map(in_words)))
            .await
    }

    /// Remembers, under `id`, where a form of somebody's is to be answered.
    pub async fn keep_reply_url(
        &self,
        id: &str,
        user: &str,
        url: &ReplyUrl,
    ) -> Result<(), StoreTrouble> {
        let (id, user, url) = (id.to_owned(), user.to_owned(), url.clone());
        let now = self.inner.clock.now();
        self.inner
            .store
            .write(move |tx| forms::keep_url(tx, &id, &user, &url, now))
            .await
    }

    /// Says something to one person alone: by that address, else in their DM.
    pub async fn tell_alone(
        &self,
        user: &str,
        channel: Option<&str>,
        reply_url: Option<ReplyUrl>,
        words: Words,
    ) -> Result<(), StoreTrouble> {
        let (user, channel) = (user.to_owned(), channel.map(str::to_owned));
        self.turn(move |turn| {
            let (channel, whisper_to) = match (channel, &reply_url) {
                (Some(channel), Some(_)) => (channel, Some(user)),
                _ => (dm_of(turn.db, &user)?, None),
            };
            turn.post(&Draft {
                channel,
                reply_url: reply_url.filter(|_| whisper_to.is_some()),
                whisper_to,
                words: Some(words),
                ..Draft::default()
            })
        })
        .await
    }

    /// Makes durable that the address of a whisper is about to be used.
    pub async fn whispering(&self, id: i64) -> Result<(), StoreTrouble> {
        self.inner
            .store
            .write(move |tx| messages::whispering(tx, id))
            .await
    }

    /// A whisper cannot be said: it is said in the DM instead.
    pub async fn say_in_dm(&self, id: i64) -> Result<(), StoreTrouble> {
        self.inner
            .store
            .write(move |tx| {
                tx.wake(Wake::Messages);
                messages::say_in_dm(tx, id)
            })
            .await
    }
}

fn create_form(
    connection: &Db,
    settings: &CommandSettings,
    defaults: Option<&ChannelDefaults>,
) -> DbResult<CreateForm> {
    let mut places = Vec::new();
    for list in &settings.lists {
        if tasks::is_archived(connection, Source::ClickUp, list)? {
            continue;
        }
        let name = tasks::container_name(connection, Source::ClickUp, list)?;
        places.push(PlaceChoice {
            place: Place::List(list.clone()),
            name: name.unwrap_or_else(|| format!("List {list}")),
        });
    }
    // Lists may be called alike; their ids are not.
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
    for person in people::present(connection)? {
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
                name: person.name,
            });
        }
    }
    let usual = with_defaults(Create::default(), defaults);
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
        due: settings.has(Source::ClickUp),
    })
}

fn is_same(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::List(one), Place::List(other)) => one == other,
        (Place::Repo(one), Place::Repo(other)) => one.is(other),
        _ => false,
    }
}

/// What is not said in a channel is as its defaults say; a place that was named counts before them.
fn with_defaults(mut create: Create, defaults: Option<&ChannelDefaults>) -> Create {
    let Some(defaults) = defaults else {
        return create;
    };
    create.entity = create.entity.or_else(|| defaults.entity.clone());
    let placed = create.repo.is_some() || create.list.is_some();
    if !placed && (create.source.is_none() || create.source == defaults.source) {
        create.source = defaults.source;
        create.repo.clone_from(&defaults.repo);
        create.list.clone_from(&defaults.list);
    }
    create
}

/// The client that a task is for, by its id, from `-e` or from the title; and where tasks for it go, where neither the
/// person nor the channel has said. Where clients are listed, others are refused. An error names the field that is wrong.
fn for_client(mut create: Create, known: &Entities) -> Result<Create, (Field, Words)> {
    let (in_title, title) = split_title(&create.title, known);
    if let Some(in_title) = in_title {
        let same = |named: &String| match (known.resolve(named), known.resolve(&in_title)) {
            (Some(one), Some(other)) => one == other,
            _ => named.eq_ignore_ascii_case(&in_title),
        };
        if create.entity.as_ref().is_some_and(|named| !same(named)) {
            let named = create.entity.unwrap_or_default();
            return Err((Field::Entity, reply::two_clients(&named, &in_title)));
        }
        if title.is_empty() {
            return Err((Field::Title, Words::new().text(reply::no_title())));
        }
        create.entity.get_or_insert(in_title);
        create.title = title;
    }
    if known.is_empty() {
        return Ok(create);
    }
    let Some(named) = &create.entity else {
        return Ok(create);
    };
    let Some(entity) = known.resolve(named) else {
        let words = reply::unknown_client(named, &known.near(named));
        return Err((Field::Entity, words));
    };
    Ok(placed_for(create, entity))
}

/// A client's own list or repository, where no other was said.
fn placed_for(mut create: Create, entity: &Entity) -> Create {
    create.entity = Some(entity.id.clone());
    if create.repo.is_none() && create.list.is_none() {
        create.source = create.source.or(entity.source);
        match create.source {
            Some(Source::ClickUp) => create.list.clone_from(&entity.list),
            Some(Source::GitHub) => create.repo.clone_from(&entity.repo),
            None => {}
        }
    }
    create
}

fn in_words(made: Made) -> Words {
    match made {
        Made::Task(stored) => reply::made_before(&stored.task),
        Made::Asked(title) => reply::being_made(&title),
    }
}

/// Where a command is answered.
pub(super) struct AnswerTo {
    pub(super) channel: String,
    pub(super) thread: Option<String>,
    pub(super) reply_url: Option<ReplyUrl>,
    /// What it made may be seen by the whole channel.
    pub(super) public: bool,
}

impl CommandTx<'_> {
    /// Where to answer: there where it was asked, to everybody or to one person, as it was asked.
    pub(super) fn place(&self, heard: &Heard) -> DbResult<AnswerTo> {
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
            // Nowhere in particular: from the shortcut, or the Home tab.
            _ if heard.channel == heard.user => in_the_dm(),
            Gesture::Submitted { .. }
            | Gesture::Said
            | Gesture::Pressed(_)
            | Gesture::Replied
            | Gesture::Signed { .. }
            | Gesture::SignedOutcome
            | Gesture::InUnknownThread
            | Gesture::OpenedHome => Ok(AnswerTo {
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

    /// `create`, with what its channel says, and from a message only once.
    pub(super) fn create(
        &self,
        person: &Person,
        create: Create,
        context: &Context,
    ) -> Result<Handled, Stop> {
        let channels = &self.settings.channels;
        let defaults = context.channel.as_ref().and_then(|id| channels.get(id));
        let mut create = with_defaults(create, defaults);
        if let Some(from) = &context.from {
            if let Some(made) = forms::made(self.db, &from.channel, &from.ts)? {
                let about = match &made {
                    Made::Task(stored) => Some(stored.row),
                    Made::Asked(_) => None,
                };
                return Ok(Handled::Replied(Reply {
                    words: in_words(made),
                    about,
                    ..Reply::default()
                }));
            }
            create.description = Some(with_origin(create.description.as_deref(), from));
        }
        let for_client = for_client(create, &self.settings.entities);
        create = for_client.map_err(|(_, words)| Rejection::Unfit(words))?;
        let whose = create.assignee.take();
        let mut new = self.new_task(create)?;
        let source = new.place.source();
        new.assignee = self.assignee(person, whose.as_ref(), source)?;
        // A title mentions nobody, wherever it stands.
        new.title = self.named(&new.title)?;
        if new.description.is_some() || self.signs(person)? {
            let description = new.description.as_deref().unwrap_or_default();
            // A description is mere text (contract clickup 6.2).
            let description = self.signed(person, source, description, context.surface)?;
            new.description = Some(description.unmentioned_but(|_| false).to_string());
        }
        let done = self.accept(person, context, "create", vec![Write::Create(new)])?;
        if let (Some(from), Handled::Accepted { command, .. }) = (&context.from, &done) {
            forms::making(self.db, from, *command)?;
        }
        Ok(done)
    }
}

fn with_origin(description: Option<&str>, from: &Origin) -> String {
    let origin = reply::made_from(from.author.as_deref(), from.link.as_deref());
    match description.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => format!("{text}\n\n{origin}"),
        None => origin,
    }
}
