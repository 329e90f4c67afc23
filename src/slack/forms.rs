//! The requests of slash commands, shortcuts, buttons and forms (docs/contracts/slack.md#slash-commands, docs/contracts/slack.md#buttons-shortcuts-and-forms). Pure.
//!
//! The socket calls this module before anything is stored. Submitted forms are checked here too, so that errors go into
//! the acknowledgement. The purpose of a form is in its `private_metadata`, which is accepted only in the form in which
//! we write it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::attached;
use super::ephemeral;
use super::filter::{self, BotIdentity, Ignored};
use super::text::{self, instant};
use super::wire::{Interaction, Slash};
use crate::domain::card::{ButtonAction, TaskRef};
use crate::domain::command::{Assignee, TaskDraft};
use crate::domain::form::{Assignable, FieldError, FormField, SourceMessage, SubmittedForm};
use crate::domain::operation::Place;
use crate::domain::reply;
use crate::domain::task::{RepoName, Source, TaskKey};
use crate::mailbox::{Attachments, Gesture, IncomingMessage, ReplyUrl};
use crate::verbs::is_create_alone;

/// The names of the shortcuts in `deploy/slack-manifest.yaml`.
const NEW_TASK: &str = "new_task";
const CREATE_TASK: &str = "create_task";
/// The names of our forms.
pub const COMMENT_FORM: &str = "ivan_comment";
pub const CREATE_FORM: &str = "ivan_create";
pub const LINK_FORM: &str = "ivan_link";

/// The request of a gesture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GestureRequest {
    /// Store it, then acknowledge. Slack does not deliver it again.
    Keep {
        heard: Box<IncomingMessage>,
        /// The acknowledgement if it cannot be stored, and if that takes too long.
        failed: Value,
        slow: Value,
    },
    /// Open a form at once.
    Open(Box<FormRequest>),
    /// Answer with this in the acknowledgement; nothing is stored.
    Say(Value),
}

impl GestureRequest {
    /// The DM with us that it comes from. `None` for ephemeral messages and slash commands: they may be in a DM of two
    /// people, whose id looks the same.
    pub fn dm(&self) -> Option<&str> {
        let (channel, is_ours) = match self {
            GestureRequest::Keep { heard, .. } => (Some(heard.channel.as_str()), heard.direct),
            GestureRequest::Open(form) => {
                let is_ours = match &form.what {
                    FormKind::Comment { direct, alone, .. }
                    | FormKind::Link { direct, alone, .. } => *direct && !*alone,
                    // Its button is in the DM if its answer goes there.
                    FormKind::Create { .. } | FormKind::Draft { .. } => form.reply_url.is_none(),
                    FormKind::CreateFrom { .. } => false,
                };
                (form.channel.as_deref(), is_ours)
            }
            GestureRequest::Say(_) => (None, false),
        };
        channel.filter(|channel| is_ours && channel.starts_with('D'))
    }
}

/// A request for a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormRequest {
    pub trigger: String,
    pub user: String,
    /// The conversation, if the request came from one.
    pub channel: Option<String>,
    pub reply_url: Option<ReplyUrl>,
    pub what: FormKind,
}

/// The kind of form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormKind {
    /// A comment on the task of a card.
    Comment {
        task: TaskKey,
        thread: Option<String>,
        direct: bool,
        /// Whether the card is ephemeral.
        alone: bool,
    },
    /// A new task; `public` if its channel is to see the result.
    Create { public: bool },
    /// An account to link.
    Link {
        source: Source,
        direct: bool,
        /// Whether its message is ephemeral.
        alone: bool,
    },
    /// A new task, with the text of the person's own message in the same conversation.
    Draft { ts: String },
    /// A new task from a message.
    CreateFrom {
        origin: MessageFacts,
        /// Unescaped.
        text: String,
    },
}

/// The facts about a message that the form for its task must carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageFacts {
    pub channel: String,
    pub ts: String,
    pub user: Option<String>,
    /// The workspace's domain, for the message's URL if Slack does not return one.
    pub domain: Option<String>,
}

/// The purpose of a form, as in its `private_metadata`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FormPurpose {
    Comment {
        task: TaskKey,
        channel: String,
        thread: Option<String>,
        direct: bool,
        reply: Option<String>,
    },
    Create {
        channel: Option<String>,
        public: bool,
        /// The key of the stored `response_url` for the answer.
        reply: Option<String>,
        from: Option<MessageFacts>,
    },
    Link {
        source: Source,
        channel: String,
        direct: bool,
        reply: Option<String>,
    },
}

/// Reads the request in an envelope that is no event. `name_of` returns a person's name by id, if known. `faults`
/// checks a form against the configuration. `speaks`: answers may be posted to a whole channel.
pub fn understand(
    kind: &str,
    payload: Value,
    own: &BotIdentity,
    name_of: impl Fn(&str) -> Option<String>,
    faults: impl Fn(&SubmittedForm) -> Vec<FieldError>,
    speaks: bool,
    now: DateTime<Utc>,
) -> Result<GestureRequest, Ignored> {
    if kind == "slash_commands" {
        return slash(Slash::read(payload), own, speaks, now);
    }
    let interaction = Interaction::read(payload);
    match interaction.kind.as_deref() {
        Some("block_actions") => pressed(&interaction),
        Some("shortcut") if interaction.callback_id.as_deref() == Some(NEW_TASK) => {
            opening(&interaction, FormKind::Create { public: false })
        }
        Some("message_action") if interaction.callback_id.as_deref() == Some(CREATE_TASK) => {
            from_message(&interaction, own, name_of)
        }
        Some("view_submission") => submitted(&interaction, faults, now),
        _ => Err(Ignored::OtherEvent),
    }
}

/// `/ivan …`: the text is read as typed. Names are global and the app has one command, so its name is not checked.
fn slash(
    slash: Slash,
    own: &BotIdentity,
    speaks: bool,
    now: DateTime<Utc>,
) -> Result<GestureRequest, Ignored> {
    let (Some(user), Some(channel), Some(trigger), Some(reply_url)) = (
        slash.user_id,
        slash.channel_id,
        slash.trigger_id,
        slash.response_url,
    ) else {
        return Err(Ignored::Incomplete);
    };
    let wire = slash.text.unwrap_or_default();
    let typed = text::heard(&wire, &own.user);
    let with_somebody =
        channel.starts_with('D') || slash.channel_name.as_deref() == Some("directmessage");
    let public = speaks && !with_somebody;
    if is_create_alone(&typed) {
        return Ok(GestureRequest::Open(Box::new(FormRequest {
            trigger,
            user,
            channel: Some(channel),
            reply_url: Some(reply_url),
            what: FormKind::Create { public },
        })));
    }
    let typed = match typed.trim() {
        "" => "help".to_owned(),
        _ => typed,
    };
    let heard = IncomingMessage {
        keys: vec![format!("trigger:{trigger}")],
        user,
        channel,
        // It may be a DM with another person.
        direct: false,
        text: typed,
        ts: trigger,
        said_at: now,
        thread: None,
        gesture: Gesture::Slash { reply_url, public },
        attached: Attachments::default(),
    };
    let says = |text: String| json!({"response_type": "ephemeral", "text": text});
    Ok(GestureRequest::Keep {
        heard: Box::new(heard),
        failed: says(reply::not_kept()),
        slow: says(reply::command_is_slow()),
    })
}

/// A button: one that needs a form opens it, any other is stored.
fn pressed(interaction: &Interaction) -> Result<GestureRequest, Ignored> {
    let action = interaction.actions.first().ok_or(Ignored::Incomplete)?;
    let alone = interaction.container.is_ephemeral == Some(true);
    let press: Result<ButtonAction, _> = action.action_id.as_deref().unwrap_or_default().parse();
    if let Ok(ButtonAction::Comment(TaskRef::Key(task))) = press {
        let container = &interaction.container;
        let ts = container
            .message_ts
            .as_ref()
            .or(interaction.message.ts.as_ref());
        let root = interaction.message.thread_ts.as_ref();
        let thread = root
            .or(container.thread_ts.as_ref())
            .filter(|root| Some(*root) != ts);
        let direct = is_direct(interaction);
        // In a channel the answer goes below the card, as for any other button.
        let under = thread.or(ts.filter(|_| !direct));
        let what = FormKind::Comment {
            task,
            thread: under.cloned(),
            direct,
            alone,
        };
        return opening(interaction, what);
    }
    match press {
        Ok(ButtonAction::Account(source)) => {
            let direct = is_direct(interaction);
            let what = FormKind::Link {
                source,
                direct,
                alone,
            };
            return opening(interaction, what);
        }
        Ok(ButtonAction::New) => {
            let what = FormKind::Create { public: false };
            return opening(interaction, what).map(|request| in_the_dm(request, alone));
        }
        Ok(ButtonAction::Draft(ts)) => {
            let request = opening(interaction, FormKind::Draft { ts });
            return request.map(|request| in_the_dm(request, alone));
        }
        _ => {}
    }
    let mut heard = filter::pressed(interaction)?;
    // The channel may be one that we are not in; only the store can tell whether we can answer there.
    let by_its_address = alone || !heard.direct;
    if let (true, Gesture::Pressed(press), Some(reply_url)) =
        (by_its_address, &heard.gesture, &interaction.response_url)
    {
        heard.gesture = Gesture::PressedAlone {
            press: press.clone(),
            reply_url: reply_url.clone(),
            of: ephemeral::uid(action),
        };
        heard.direct = false;
    }
    Ok(GestureRequest::Keep {
        heard: Box::new(heard),
        failed: Value::Null,
        slow: Value::Null,
    })
}

/// A form that a message opens, whose answer is a message as well, unless the message is ephemeral.
fn in_the_dm(mut request: GestureRequest, alone: bool) -> GestureRequest {
    if let GestureRequest::Open(form) = &mut request
        && !alone
    {
        form.reply_url = None;
    }
    request
}

fn is_direct(interaction: &Interaction) -> bool {
    let channel = channel_of(interaction).unwrap_or_default();
    channel.starts_with('D') || interaction.channel.name.as_deref() == Some("directmessage")
}

fn channel_of(interaction: &Interaction) -> Option<&str> {
    let channel = interaction.channel.id.as_deref();
    channel.or(interaction.container.channel_id.as_deref())
}

fn opening(interaction: &Interaction, what: FormKind) -> Result<GestureRequest, Ignored> {
    let (Some(user), Some(trigger)) = (&interaction.user.id, &interaction.trigger_id) else {
        return Err(Ignored::Incomplete);
    };
    Ok(GestureRequest::Open(Box::new(FormRequest {
        trigger: trigger.clone(),
        user: user.clone(),
        channel: channel_of(interaction).map(str::to_owned),
        reply_url: interaction.response_url.clone(),
        what,
    })))
}

fn from_message(
    interaction: &Interaction,
    own: &BotIdentity,
    name_of: impl Fn(&str) -> Option<String>,
) -> Result<GestureRequest, Ignored> {
    let message = &interaction.message;
    let (Some(channel), Some(ts)) = (channel_of(interaction), &message.ts) else {
        return Err(Ignored::Incomplete);
    };
    let text = attached::seen(message, &|id: &str| {
        if id == own.user {
            own.name.clone()
        } else {
            name_of(id)
        }
    });
    let origin = MessageFacts {
        channel: channel.to_owned(),
        ts: ts.clone(),
        user: message.user.clone(),
        domain: interaction.team.domain.clone(),
    };
    opening(interaction, FormKind::CreateFrom { origin, text })
}

// ---------------------------------------------------------------- submitted forms

/// A submitted form: stored if it is valid, otherwise returned with its errors.
fn submitted(
    interaction: &Interaction,
    faults_of: impl Fn(&SubmittedForm) -> Vec<FieldError>,
    now: DateTime<Utc>,
) -> Result<GestureRequest, Ignored> {
    let view = &interaction.view;
    let first = match view.callback_id.as_deref() {
        Some(COMMENT_FORM) => FormField::Text,
        Some(CREATE_FORM) => FormField::Title,
        Some(LINK_FORM) => FormField::Account,
        _ => return Err(Ignored::OtherEvent),
    };
    let (Some(user), Some(id), Some(hash)) = (&interaction.user.id, &view.id, &view.hash) else {
        return Err(Ignored::Incomplete);
    };
    let back = |why: String| errors(&[FieldError { field: first, why }]);
    let Some(note) = view.private_metadata.as_deref().and_then(FormPurpose::read) else {
        return Ok(GestureRequest::Say(back(reply::not_a_form())));
    };
    let text = |id| view.field(id).unwrap_or_default().trim().to_owned();
    let some = |id| Some(text(id)).filter(|text| !text.is_empty());
    let mut not_there = None;
    let (filled, channel, thread, direct, reply, public) = match (first, note) {
        (
            FormField::Text,
            FormPurpose::Comment {
                task,
                channel,
                thread,
                direct,
                reply,
            },
        ) => {
            // A comment keeps its author's own characters.
            let text = view
                .field(block(FormField::Text))
                .unwrap_or_default()
                .to_owned();
            let task = TaskRef::Key(task);
            let filled = SubmittedForm::Comment { task, text };
            (filled, Some(channel), thread, direct, reply, false)
        }
        (
            FormField::Title,
            FormPurpose::Create {
                channel,
                public,
                reply,
                from,
            },
        ) => {
            let under = some(block(FormField::Under)).map(|under| one_line(&under));
            // There is always one chosen. The task that this becomes a part of decides instead.
            let place = view.field(block(FormField::Place));
            let place = place.filter(|_| under.is_none()).and_then(place_of);
            let source = place.as_ref().map(Place::source);
            let (list, repo) = match place {
                Some(Place::List(list)) => (Some(list), None),
                Some(Place::Repo(repo)) => (None, Some(repo)),
                None => (None, None),
            };
            let chosen = view.field(block(FormField::Assignee)).map(Assignable::read);
            // A value that we did not offer is invalid.
            let Some(chosen) = chosen.map_or(Some(None), |one| one.map(Some)) else {
                return Ok(GestureRequest::Say(back(reply::not_a_form())));
            };
            let due = view.field(block(FormField::Due)).map(str::parse);
            let Ok(due) = due.transpose() else {
                return Ok(GestureRequest::Say(back(reply::not_a_form())));
            };
            let create = TaskDraft {
                due,
                title: one_line(&text(block(FormField::Title))),
                description: some(block(FormField::Description)),
                source,
                entity: some(block(FormField::Entity)),
                repo,
                list,
                assignee: chosen
                    .as_ref()
                    .map(|one| Assignee::Chosen(one.person.clone())),
            };
            let from = from.map(|spoken| SourceMessage {
                link: spoken.address(),
                channel: spoken.channel,
                ts: spoken.ts,
                user: spoken.user,
                author: None,
            });
            not_there = chosen.and_then(|one| one.fault(create.source));
            let filled = SubmittedForm::Create {
                create: Box::new(create),
                from,
                under,
            };
            (filled, channel, None, false, reply, public)
        }
        (
            FormField::Account,
            FormPurpose::Link {
                source,
                channel,
                direct,
                reply,
            },
        ) => {
            let account = one_line(&text(block(FormField::Account)));
            let filled = SubmittedForm::Link { source, account };
            (filled, Some(channel), None, direct, reply, false)
        }
        _ => return Ok(GestureRequest::Say(back(reply::not_a_form()))),
    };
    let mut faults = filled.faults();
    faults.extend(not_there);
    faults.extend(faults_of(&filled));
    if !faults.is_empty() {
        return Ok(GestureRequest::Say(errors(&faults)));
    }
    // Without a `response_url` the answer to a new task goes to its author's DM, from anywhere.
    let channel =
        channel.filter(|_| reply.is_some() || !matches!(filled, SubmittedForm::Create { .. }));
    let heard = IncomingMessage {
        keys: vec![format!("view:{id}:{hash}")],
        user: user.clone(),
        channel: channel.unwrap_or_else(|| user.clone()),
        direct,
        text: String::new(),
        ts: format!("{id}:{hash}"),
        said_at: now,
        thread,
        gesture: Gesture::Submitted {
            filled,
            reply,
            public,
        },
        attached: Attachments::default(),
    };
    Ok(GestureRequest::Keep {
        heard: Box::new(heard),
        failed: back(reply::not_kept()),
        slow: back(reply::form_is_slow()),
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The acknowledgement that keeps a form open, with the errors at their fields (docs/contracts/slack.md#acknowledging).
pub fn errors(faults: &[FieldError]) -> Value {
    let mut errors = Map::new();
    for fault in faults {
        errors
            .entry(block(fault.field))
            .or_insert_with(|| json!(fault.why));
    }
    json!({"response_action": "errors", "errors": errors})
}

/// The id of a field's block, and of its element.
pub fn block(field: FormField) -> &'static str {
    match field {
        FormField::Text => "text",
        FormField::Title => "title",
        FormField::Place => "place",
        FormField::Entity => "entity",
        FormField::Description => "description",
        FormField::Due => "due",
        FormField::Assignee => "assignee",
        FormField::Account => "account",
        FormField::Under => "under",
    }
}

/// A list or a repository as the value of a choice.
pub fn value_of(place: &Place) -> String {
    match place {
        Place::List(list) => format!("list:{list}"),
        Place::Repo(repo) => format!("repo:{repo}"),
    }
}

fn place_of(value: &str) -> Option<Place> {
    match value.split_once(':')? {
        ("list", list) if !list.is_empty() => Some(Place::List(list.to_owned())),
        ("repo", repo) => RepoName::parse(repo).map(Place::Repo),
        _ => None,
    }
}

impl FormPurpose {
    /// The encoding for a view.
    pub fn written(&self) -> String {
        json!(self).to_string()
    }

    /// Decodes it; `None` if we would not have written it.
    fn read(text: &str) -> Option<FormPurpose> {
        let note: FormPurpose = serde_json::from_str(text).ok()?;
        let (channel, thread, reply, from) = match &note {
            FormPurpose::Comment {
                channel,
                thread,
                reply,
                ..
            } => (Some(channel), thread.as_ref(), reply.as_ref(), None),
            FormPurpose::Create {
                channel,
                reply,
                from,
                ..
            } => (channel.as_ref(), None, reply.as_ref(), from.as_ref()),
            FormPurpose::Link { channel, reply, .. } => (Some(channel), None, reply.as_ref(), None),
        };
        let fits = channel.is_none_or(|id| is_id(id))
            && thread.is_none_or(|ts| instant(ts).is_some())
            && reply.is_none_or(|key| is_id(key))
            && from.is_none_or(MessageFacts::fits);
        fits.then_some(note)
    }
}

/// Capital letters and digits, as in all ids of Slack and our own.
fn is_id(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    !text.is_empty() && text.len() <= 64 && text.chars().all(fits)
}

impl MessageFacts {
    fn fits(&self) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
        is_id(&self.channel)
            && instant(&self.ts).is_some()
            && self.user.as_deref().is_none_or(is_id)
            && self
                .domain
                .as_deref()
                .is_none_or(|domain| !domain.is_empty() && domain.chars().all(fits))
    }

    /// The message's URL in Slack's form, if Slack does not return one.
    fn address(&self) -> Option<String> {
        let domain = self.domain.as_ref()?;
        let ts: String = self.ts.chars().filter(char::is_ascii_digit).collect();
        Some(format!(
            "https://{domain}.slack.com/archives/{}/p{ts}",
            self.channel
        ))
    }
}

/// The envelope to store for audit, without its URLs and tokens, which are secrets.
pub fn without_secrets(raw: &str) -> String {
    const SECRETS: [&str; 4] = ["response_url", "response_urls", "token", "trigger_id"];
    let Ok(mut envelope) = serde_json::from_str::<Value>(raw) else {
        return String::new();
    };
    if let Some(payload) = envelope.get_mut("payload").and_then(Value::as_object_mut) {
        payload.retain(|name, _| !SECRETS.contains(&name.as_str()));
    }
    envelope.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(channel: Option<&str>, is_ephemeral: bool, what: FormKind) -> GestureRequest {
        GestureRequest::Open(Box::new(FormRequest {
            trigger: "1.2".into(),
            user: "U0ANN01".into(),
            channel: channel.map(str::to_owned),
            reply_url: is_ephemeral.then(|| ReplyUrl::new("https://hooks.slack.com/app/1")),
            what,
        }))
    }

    #[test]
    fn a_form_that_is_opened_in_our_dm_names_it() {
        let create = || FormKind::Create { public: false };
        let link = |direct, alone| FormKind::Link {
            source: Source::GitHub,
            direct,
            alone,
        };
        let dm = Some("D0ANN01");
        assert_eq!(opened(dm, false, create()).dm(), dm);
        assert_eq!(opened(dm, false, link(true, false)).dm(), dm);
        // A slash command and its ephemeral answer, perhaps in a DM of two people; a shortcut; a channel.
        assert_eq!(opened(dm, true, create()).dm(), None);
        assert_eq!(opened(dm, true, link(true, true)).dm(), None);
        assert_eq!(opened(None, false, create()).dm(), None);
        assert_eq!(opened(Some("C0GEN01"), true, link(false, false)).dm(), None);
        assert_eq!(GestureRequest::Say(Value::Null).dm(), None);
    }
}
