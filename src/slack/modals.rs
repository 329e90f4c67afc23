//! Forms in Slack's layout, and the way from a trigger to an open form (docs/contracts/slack.md#buttons-shortcuts-and-forms, docs/contracts/slack.md#methods, docs/contracts/slack.md#limits).
//!
//! A trigger works for 3 s and once. So a form is opened concurrently with all other work, from the data in the store.
//! If that fails, the person is told to ask again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use slack_morphism::blocks::{
    SlackBlock, SlackBlockChoiceItem, SlackBlockDatePickerElement, SlackBlockMarkDownText,
    SlackBlockOptionGroup, SlackBlockPlainTextInputElement, SlackBlockPlainTextOnly,
    SlackBlockStaticSelectElement, SlackBlockText, SlackInputBlock, SlackInputBlockElement,
    SlackModalView, SlackSectionBlock, SlackView,
};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::blocks::mrkdwn_within;
use super::dispatch::{Members, member_of};
use super::forms::{
    COMMENT_FORM, CREATE_FORM, FormKind, FormPurpose, FormRequest, LINK_FORM, block, value_of,
};
use super::web::{Web, WebError, count_refusal};
use crate::clock::Clock;
use crate::domain::controls::without_controls;
use crate::domain::form::{FormField, prefill};
use crate::domain::operation::Place;
use crate::domain::reply::{self, Text};
use crate::domain::task::Source;
use crate::limits::{Limit, LogThrottle, ReasonThrottle};
use crate::mailbox::{CommandError, CreateForm, Mailbox, PlaceChoice, ReplyUrl, StoreError};
use crate::runtime::lock;
use crate::verbs::offers::titled;

/// How long Slack may take to return a person's account that is not cached; the trigger ages meanwhile.
const WHO_WITHIN: Duration = Duration::from_millis(1_500);
/// How many triggers are remembered, to detect one that Slack delivers twice.
const TRIGGERS_MAX: usize = 256;
/// The hint below the field for the task that a new one is to be a part of.
const UNDER_HINT: &str = "The task that this becomes a part of: a number of your list, #12, an id or a link. It is created \
     where that task is";
/// Characters of a text field, as Slack counts them.
const INPUT_MAX: usize = 3_000;
/// Characters of a section.
const SECTION_MAX: usize = 3_000;
/// Choices of one group.
const OPTIONS_MAX: usize = 100;
/// All choices together: a view is at most 250 kB.
const CHOICES_MAX: usize = 500;
/// Characters of a choice, and of its value.
const CHOICE_MAX: usize = 75;
const VALUE_MAX: usize = 150;

/// A store that fails would otherwise fill the log with every press.
static NOT_FILLED: LogThrottle = LogThrottle::new();
/// The same, for people who cannot be told.
static NOT_TOLD: LogThrottle = LogThrottle::new();
/// The same, for forms that Slack refuses.
static REFUSED: ReasonThrottle = ReasonThrottle::new();

/// Opens forms.
pub struct Opener {
    pub mailbox: Mailbox,
    pub web: Web,
    pub members: Arc<Members>,
    pub team: String,
    pub clock: Clock,
    /// The newest triggers.
    pub seen: Mutex<VecDeque<String>>,
    /// Forms that are being opened.
    pub opening: Semaphore,
}

/// How many forms are opened at once.
pub const AT_ONCE: usize = 32;

/// The reason why a person gets no form.
enum NoForm {
    /// They are told this.
    Told(Text),
    Store(StoreError),
}

impl From<CommandError> for NoForm {
    fn from(error: CommandError) -> NoForm {
        match error {
            CommandError::Rejected(rejection) => NoForm::Told(reply::refusal(rejection.words())),
            CommandError::Store(trouble) => NoForm::Store(trouble),
        }
    }
}

impl From<StoreError> for NoForm {
    fn from(trouble: StoreError) -> NoForm {
        NoForm::Store(trouble)
    }
}

impl Opener {
    /// Opens a form, or tells the person why not.
    pub async fn open(self: Arc<Self>, opening: FormRequest) {
        if !self.is_new(&opening.trigger) {
            tracing::debug!("duplicate request for a form");
            return;
        }
        let tried = match self.opening.try_acquire() {
            Ok(_turn) => self.try_to_open(&opening).await,
            // Waiting would only age its trigger.
            Err(_) => {
                Limit::Forms.reached(format_args!(
                    "{AT_ONCE} forms are being opened; further people are asked to try again"
                ));
                Err(NoForm::Told(reply::press_again()))
            }
        };
        let words = match tried {
            Ok(()) => return,
            Err(NoForm::Told(words)) => words,
            Err(NoForm::Store(trouble)) => {
                match NOT_FILLED.pass(Instant::now()) {
                    Some(suppressed) => {
                        tracing::error!(suppressed, error = %trouble, "cannot fill a form");
                    }
                    None => tracing::debug!(error = %trouble, "cannot fill a form"),
                }
                reply::form_refused("I can't read my data right now")
            }
        };
        let (channel, url) = (opening.channel.as_deref(), opening.reply_url.clone());
        let told = self.mailbox.tell_alone(&opening.user, channel, url, words);
        if let Err(trouble) = told.await {
            match NOT_TOLD.pass(Instant::now()) {
                Some(suppressed) => {
                    tracing::error!(person = opening.user, suppressed, error = %trouble, "cannot tell a person why no form opened");
                }
                None => {
                    tracing::debug!(person = opening.user, error = %trouble, "cannot tell a person why no form opened");
                }
            }
        }
    }

    fn is_new(&self, trigger: &str) -> bool {
        let mut seen = lock(&self.seen);
        if seen.iter().any(|one| one == trigger) {
            return false;
        }
        if seen.len() >= TRIGGERS_MAX {
            seen.pop_front();
        }
        seen.push_back(trigger.to_owned());
        true
    }

    async fn try_to_open(&self, opening: &FormRequest) -> Result<(), NoForm> {
        self.may_open(&opening.user).await?;
        let channel = opening.channel.as_deref();
        // The URL stays here: the person's client can see the content of a view.
        let key = opening.reply_url.as_ref().map(|_| self.key());
        let (view, reply) = match &opening.what {
            FormKind::Comment {
                task,
                thread,
                direct,
                alone,
            } => {
                let about = self.mailbox.comment_form(task, &opening.user).await?;
                let reply = key.filter(|_| *alone);
                let note = FormPurpose::Comment {
                    task: task.clone(),
                    // The Home tab has no channel: the answer goes to the person.
                    channel: channel.unwrap_or(&opening.user).to_owned(),
                    thread: thread.clone(),
                    direct: *direct && !alone,
                    reply: reply.clone(),
                };
                (comment_view(&about, &note), reply)
            }
            FormKind::Link {
                source,
                direct,
                alone,
            } => {
                let reply = key.filter(|_| *alone);
                let note = FormPurpose::Link {
                    source: *source,
                    // The Home tab has no channel: the answer goes to the person.
                    channel: channel.unwrap_or(&opening.user).to_owned(),
                    direct: *direct && !alone,
                    reply: reply.clone(),
                };
                (link_view(*source, &note), reply)
            }
            FormKind::Create { public } => {
                let form = self.mailbox.create_form(channel).await?;
                let note = FormPurpose::Create {
                    channel: channel.map(str::to_owned),
                    public: *public,
                    reply: key.clone(),
                    from: None,
                };
                (create_view(&form, "", "", &note), key)
            }
            FormKind::Draft { ts } => {
                let channel_of = channel.unwrap_or_default();
                let said = self
                    .mailbox
                    .said_at(&self.team, channel_of, ts, &opening.user);
                let Some(text) = said.await? else {
                    return Err(NoForm::Told(reply::refusal(reply::not_a_button())));
                };
                let form = self.mailbox.create_form(channel).await?;
                let (title, description) = prefill(titled(&text));
                let note = FormPurpose::Create {
                    channel: channel.map(str::to_owned),
                    public: false,
                    reply: key.clone(),
                    from: None,
                };
                (create_view(&form, &title, &description, &note), key)
            }
            FormKind::CreateFrom { origin, text } => {
                let (channel_of, ts) = (&origin.channel, &origin.ts);
                let made = self.mailbox.made_of(channel_of, ts, &opening.user);
                if let Some(made) = made.await? {
                    return Err(NoForm::Told(made));
                }
                let form = self.mailbox.create_form(channel).await?;
                let (title, description) = prefill(text);
                let note = FormPurpose::Create {
                    channel: channel.map(str::to_owned),
                    public: false,
                    reply: key.clone(),
                    from: Some(origin.clone()),
                };
                (create_view(&form, &title, &description, &note), key)
            }
        };
        let (opened, ()) = tokio::join!(
            self.web.open_view(&opening.trigger, view),
            self.keep(reply, &opening.user, opening.reply_url.as_ref())
        );
        opened.map_err(|error| NoForm::Told(in_words(&error)))
    }

    /// Whether the person may act. Others get no form, because it shows names of lists and repositories.
    async fn may_open(&self, user: &str) -> Result<(), NoForm> {
        let asked = member_of(&self.web, &self.members, user);
        let member = match tokio::time::timeout(WHO_WITHIN, asked).await {
            Ok(Ok(member)) => member,
            Ok(Err(error)) => return Err(NoForm::Told(in_words(&error))),
            Err(_) => return Err(NoForm::Told(reply::press_again())),
        };
        Ok(self.mailbox.may_open(&member, &self.team).await?)
    }

    /// Stores the `response_url` for the form's answer. If that fails, the answer goes to the DM.
    async fn keep(&self, key: Option<String>, user: &str, url: Option<&ReplyUrl>) {
        if let (Some(key), Some(url)) = (key, url)
            && let Err(trouble) = self.mailbox.keep_reply_url(&key, user, url).await
        {
            tracing::warn!(error = %trouble, "a form will be answered in the DM");
        }
    }

    fn key(&self) -> String {
        let now: DateTime<Utc> = self.clock.now();
        ulid::Ulid::from_datetime(now.into()).to_string()
    }
}

/// The reason why Slack opens no form, for the person.
fn in_words(error: &WebError) -> Text {
    match error {
        WebError::Refused { code, .. }
            if matches!(
                code.as_str(),
                "expired_trigger_id" | "exchanged_trigger_id" | "invalid_trigger_id"
            ) =>
        {
            tracing::info!(code, "a form came too late");
            reply::press_again()
        }
        WebError::Refused { .. } | WebError::Credentials { .. } => {
            match REFUSED.pass(error.code(), Instant::now()) {
                Some(suppressed) => tracing::error!(suppressed, %error, "cannot open a form"),
                None => tracing::debug!(%error, "cannot open a form"),
            }
            count_refusal(error.code(), "given_up");
            reply::form_refused(&error.to_string())
        }
        WebError::Limited { .. } | WebError::NotTaken { .. } | WebError::Unknown { .. } => {
            tracing::warn!(%error, "cannot open a form");
            reply::press_again()
        }
    }
}

// ---------------------------------------------------------------- layout

/// The form for a comment on the task that `about` names.
pub fn comment_view(about: &Text, note: &FormPurpose) -> SlackView {
    let text = SlackBlockMarkDownText::new(mrkdwn_within(about, SECTION_MAX)).with_verbatim(true);
    let title = SlackSectionBlock::new().with_text(SlackBlockText::MarkDown(text));
    let input = SlackBlockPlainTextInputElement::new()
        .with_action_id(block(FormField::Text).into())
        .with_multiline(true)
        .with_max_length(INPUT_MAX as u64)
        .with_focus_on_load(true);
    let blocks = vec![
        title.into(),
        field(FormField::Text, "Comment", input.into(), false),
    ];
    modal("Comment", "Comment", COMMENT_FORM, blocks, note)
}

/// The form for an account to link.
pub fn link_view(source: Source, note: &FormPurpose) -> SlackView {
    let input = SlackBlockPlainTextInputElement::new()
        .with_action_id(block(FormField::Account).into())
        .with_max_length(INPUT_MAX as u64)
        .with_focus_on_load(true);
    let profile = source.profile();
    let field = SlackInputBlock::new(
        format!("Your {} account", source.name()).into(),
        input.into(),
    )
    .with_block_id(block(FormField::Account).into())
    .with_hint(format!("Type {}", profile.account_hint).into());
    let title = format!("Link {}", source.name());
    modal(&title, "Link", LINK_FORM, vec![field.into()], note)
}

/// The form for a new task.
pub fn create_view(
    form: &CreateForm,
    title: &str,
    description: &str,
    note: &FormPurpose,
) -> SlackView {
    let input = |of: FormField, value: &str| {
        let value = cut(value, INPUT_MAX);
        SlackBlockPlainTextInputElement::new()
            .with_action_id(block(of).into())
            .with_max_length(INPUT_MAX as u64)
            .opt_initial_value(Some(value).filter(|value| !value.is_empty()))
    };
    let title = input(FormField::Title, title).with_focus_on_load(true);
    let description = input(FormField::Description, description).with_multiline(true);
    let entity = input(
        FormField::Entity,
        form.entity.as_deref().unwrap_or_default(),
    );
    let mut blocks = vec![
        field(FormField::Title, "Title", title.into(), false),
        field(
            FormField::Description,
            "Description",
            description.into(),
            true,
        ),
    ];
    blocks.extend(
        places(form)
            .map(|select| field(FormField::Place, "List or repository", select.into(), false)),
    );
    blocks.extend(
        assignees(form).map(|select| field(FormField::Assignee, "Assignee", select.into(), true)),
    );
    if form.due {
        let date = SlackBlockDatePickerElement::new().with_action_id(block(FormField::Due).into());
        let hint = "Tasks in ClickUp only";
        blocks.push(hinted(FormField::Due, "Due", date.into(), hint));
    }
    blocks.push(field(FormField::Entity, "Client", entity.into(), true));
    let under = input(FormField::Under, "").into();
    blocks.push(hinted(FormField::Under, "Under", under, UNDER_HINT));
    modal("New task", "Create", CREATE_FORM, blocks, note)
}

/// The lists and repositories in groups, as many as a choice allows; the selected one is always among them.
fn places(form: &CreateForm) -> Option<SlackBlockStaticSelectElement> {
    let chosen = form.places.iter().find(|choice| {
        form.chosen.as_ref() == Some(&choice.place)
            || matches!((&form.chosen, &choice.place),
                (Some(Place::Repo(one)), Place::Repo(other)) if one.is(other))
    });
    let mut shown: Vec<&PlaceChoice> = form
        .places
        .iter()
        .filter(|choice| value_of(&choice.place).len() <= VALUE_MAX)
        .take(CHOICES_MAX)
        .collect();
    if let Some(chosen) = chosen
        && !shown.contains(&chosen)
        && value_of(&chosen.place).len() <= VALUE_MAX
    {
        shown.pop();
        shown.push(chosen);
    }
    if shown.len() < form.places.len() {
        tracing::warn!(
            places = form.places.len(),
            shown = shown.len(),
            "a form cannot show every list and repository; people can type `create TITLE -l LIST`"
        );
    }
    let mut groups = Vec::new();
    for source in Source::ALL {
        let of_source: Vec<&PlaceChoice> = shown
            .iter()
            .copied()
            .filter(|choice| choice.place.source() == source)
            .collect();
        let several = of_source.len() > OPTIONS_MAX;
        for (number, part) in (1..).zip(of_source.chunks(OPTIONS_MAX)) {
            let label = match several {
                true => format!("{} ({number})", source.name()),
                false => source.name().to_owned(),
            };
            let options = part.iter().copied().map(choice).collect();
            groups.push(SlackBlockOptionGroup::new(label.into(), options));
        }
    }
    (!groups.is_empty()).then(|| {
        SlackBlockStaticSelectElement::new()
            .with_action_id(block(FormField::Place).into())
            .with_option_groups(groups)
            .opt_initial_option(chosen.filter(|chosen| shown.contains(chosen)).map(choice))
    })
}

/// The possible assignees, as many as a choice allows.
fn assignees(form: &CreateForm) -> Option<SlackBlockStaticSelectElement> {
    let options: Vec<_> = form
        .people
        .iter()
        .filter(|one| !one.name.trim().is_empty() && one.who.value().len() <= VALUE_MAX)
        .take(OPTIONS_MAX)
        .map(|one| {
            let name = cut(one.name.trim(), CHOICE_MAX);
            SlackBlockChoiceItem::new(name.into(), one.who.value())
        })
        .collect();
    if options.len() < form.people.len() {
        tracing::warn!(
            people = form.people.len(),
            shown = options.len(),
            "a form cannot show all people"
        );
    }
    (!options.is_empty()).then(|| {
        SlackBlockStaticSelectElement::new()
            .with_action_id(block(FormField::Assignee).into())
            .with_placeholder("You".into())
            .with_options(options)
    })
}

fn choice(choice: &PlaceChoice) -> SlackBlockChoiceItem<SlackBlockPlainTextOnly> {
    let name = cut(choice.name.trim(), CHOICE_MAX);
    let name = if name.is_empty() {
        "…".to_owned()
    } else {
        name
    };
    SlackBlockChoiceItem::new(name.into(), value_of(&choice.place))
}

fn field(
    of: FormField,
    label: &str,
    element: SlackInputBlockElement,
    optional: bool,
) -> SlackBlock {
    SlackInputBlock::new(label.into(), element)
        .with_block_id(block(of).into())
        .with_optional(optional)
        .into()
}

/// An optional field with a hint below it.
fn hinted(of: FormField, label: &str, element: SlackInputBlockElement, hint: &str) -> SlackBlock {
    SlackInputBlock::new(label.into(), element)
        .with_block_id(block(of).into())
        .with_hint(hint.into())
        .with_optional(true)
        .into()
}

fn modal(
    title: &str,
    submit: &str,
    name: &str,
    blocks: Vec<SlackBlock>,
    note: &FormPurpose,
) -> SlackView {
    SlackView::Modal(
        SlackModalView::new(title.into(), blocks)
            .with_submit(submit.into())
            .with_close("Cancel".into())
            .with_callback_id(name.into())
            .with_private_metadata(note.written()),
    )
}

/// Cuts a text to `most` characters in UTF-16 units, the strictest way to count.
fn cut(text: &str, most: usize) -> String {
    let text = without_controls(text);
    if text.encode_utf16().count() <= most {
        return text.into_owned();
    }
    let mut left = most.saturating_sub(1);
    let fits = |c: &char| {
        let fits = c.len_utf16() <= left;
        left = left.saturating_sub(c.len_utf16());
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::form::Assignable;
    use crate::domain::task::RepoName;
    use crate::mailbox::PersonChoice;
    use crate::sandbox::{Sandbox, Seed};
    use crate::slack::SlackToken;

    fn note() -> FormPurpose {
        FormPurpose::Create {
            channel: Some("C".repeat(64)),
            public: true,
            reply: Some("0".repeat(64)),
            from: None,
        }
    }

    fn repo(number: usize) -> PlaceChoice {
        let name = format!("{}/r{number}", "o".repeat(39));
        PlaceChoice {
            place: Place::Repo(RepoName::parse(&name).unwrap()),
            name,
        }
    }

    fn list(number: usize, name: &str) -> PlaceChoice {
        PlaceChoice {
            place: Place::List(format!("90{number}")),
            name: name.to_owned(),
        }
    }

    /// Sends every form through a fake Slack that enforces Slack's limits.
    async fn opens(views: impl IntoIterator<Item = SlackView>) {
        let sandbox = Sandbox::start(Seed::empty()).await.unwrap();
        let slack = &sandbox.slack;
        let (app, bot) = (
            SlackToken::new(slack.app_token()),
            SlackToken::new(slack.bot_token()),
        );
        let web = Web::new(&slack.api_url(), &app, &bot, Duration::from_secs(10)).unwrap();
        for view in views {
            let shown = json!(view).to_string();
            let opened = web.open_view(&slack.trigger(), view).await;
            assert_eq!(opened, Ok(()), "{shown}");
        }
        sandbox.close().await;
    }

    #[tokio::test]
    async fn forms_keep_to_slacks_limits() {
        let odd = "🦀 שלום <!channel> & `x` ".repeat(400);
        let no_break = "é".repeat(5_000);
        let people: Vec<PersonChoice> = (0..150)
            .map(|n| PersonChoice {
                who: Assignable {
                    person: format!("slack:U{n:0>10}"),
                    sources: Source::ALL.to_vec(),
                },
                name: odd.clone(),
            })
            .collect();
        let form = |places: Vec<PlaceChoice>| CreateForm {
            chosen: places.last().map(|last| last.place.clone()),
            places,
            entity: Some("👩‍👩‍👧".repeat(20)),
            people: people.clone(),
            due: true,
        };
        let many: Vec<PlaceChoice> = (0..300)
            .map(|n| list(n, &odd))
            .chain((0..300).map(repo))
            .collect();
        let places = [
            vec![],
            vec![list(1, "Inbox")],
            vec![list(1, " ")],
            (0..100).map(|n| list(n, "Inbox")).collect(),
            (0..101).map(repo).collect(),
            many,
        ];
        let creates = places
            .into_iter()
            .flat_map(|places| {
                let form = form(places);
                [("", ""), ("x", "y"), (odd.as_str(), no_break.as_str())]
                    .map(|(title, description)| create_view(&form, title, description, &note()))
            })
            .collect::<Vec<_>>();
        let comments = [String::new(), odd.clone(), no_break.clone()].map(|title| {
            let about = Text::new()
                .link(title, "https://app.clickup.com/t/86a")
                .text(" · ClickUp · to do");
            comment_view(&about, &note())
        });
        opens(creates.into_iter().chain(comments)).await;
    }

    #[test]
    fn what_is_chosen_is_shown_among_however_many() {
        let places: Vec<PlaceChoice> = (0..1_000).map(|n| list(n, &format!("List {n}"))).collect();
        let form = CreateForm {
            chosen: Some(Place::List("90999".into())),
            places,
            ..CreateForm::default()
        };
        let select = json!(places_of(&form));
        assert_eq!(select["initial_option"]["value"], "list:90999");
        let groups = select["option_groups"].as_array().unwrap();
        assert_eq!(groups.len(), CHOICES_MAX / OPTIONS_MAX);
        assert_eq!(groups[0]["label"]["text"], "ClickUp (1)");
    }

    fn places_of(form: &CreateForm) -> SlackBlockStaticSelectElement {
        places(form).unwrap()
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        // The crab takes two of Slack's characters.
        assert_eq!(cut("a🦀b", 3), "a…");
    }
}
