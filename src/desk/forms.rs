//! `create`: what its channel says, and from a message only once.

use super::ChannelDefaults;
use crate::command_tx::{CommandTx, Context, Handled, Rejection, Reply, Stop};
use crate::domain::command::Create;
use crate::domain::entity::{Entities, Entity, split_title};
use crate::domain::form::{Field, Origin};
use crate::domain::operation::Write;
use crate::domain::person::Person;
use crate::domain::reply::{self, Words};
use crate::domain::task::Source;
use crate::store::forms::{self, Made};

/// What is not said in a channel is as its defaults say; a place that was named counts before them.
pub(crate) fn with_defaults(mut create: Create, defaults: Option<&ChannelDefaults>) -> Create {
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
pub(crate) fn for_client(mut create: Create, known: &Entities) -> Result<Create, (Field, Words)> {
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
pub(crate) fn placed_for(mut create: Create, entity: &Entity) -> Create {
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

pub(crate) fn made_before(made: Made) -> Words {
    match made {
        Made::Task(stored) => reply::made_before(&stored.task),
        Made::Asked(title) => reply::being_made(&title),
    }
}

impl CommandTx<'_> {
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
                    words: made_before(made),
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
