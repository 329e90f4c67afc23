//! `create TITLE …`: create a task from a text, a form or a person's message.

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::body::{read_ref, read_source, start_of, written};
use super::grammar::{
    Flag, ParseError, before, excerpt, flag, is_mere_punctuation, is_quote, parse_ref, quoted,
    skip_spaces, spaced, split_word, trim,
};
use super::line::{AnswerKind, Call, CommandLine, Line};
use super::texts::{fits, named, signed, signs};
use super::{Http, Info, Names, Verb};
use crate::command_tx::{
    ChannelDefaults, CommandTx, Context, Decided, Handled, Rejection, Reply, Stop, Target,
    not_configured,
};
use crate::domain::command::{Assignee, NOBODY, Ref, TaskDraft};
use crate::domain::entity::{Entities, Entity, split_title};
use crate::domain::form::{FieldError, FormField, SourceMessage, SubmittedForm, is_entity};
use crate::domain::mention::quiet;
use crate::domain::operation::{NewTask, ParentTask, Place, Write};
use crate::domain::person::{Person, called};
use crate::domain::profile::ContainerKind;
use crate::domain::reply::{self, Text};
use crate::domain::shared_file::{SharedFile, linked};
use crate::domain::task::{Account, RepoName, Source, Task, TaskStatus};
use crate::store::forms::{self, CreationState};
use crate::store::{Db, DbResult, access, people, tasks};

/// `create`: a new task for a source. `CreateBody` is its form over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "CreateBody")]
pub struct Create {
    /// The task as given; channel and client may add to it.
    pub draft: TaskDraft,
    /// The task that it is to be a part of.
    pub under: Option<Ref>,
    /// The files to link to below the description.
    pub files: Vec<SharedFile>,
}

/// Creates a task in ClickUp or an issue in GitHub. `list` and `repo` place it elsewhere than in the default list or
/// repository; at most one of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    /// One line
    #[schema(min_length = 1)]
    pub title: String,
    /// Further text, of any number of lines
    pub description: Option<String>,
    /// Default: `queue.default_source`
    #[schema(value_type = Option<Source>)]
    pub source: Option<String>,
    /// The client it is for: ClickUp tag `client:<entity>`, GitHub title prefix `[CLIENT:<entity>] `
    pub entity_id: Option<String>,
    /// A GitHub repository other than the default one: `owner/name`
    #[schema(pattern = "^[^/]+/[^/]+$")]
    pub repo: Option<String>,
    /// A ClickUp list other than the default one, by its id
    pub list: Option<String>,
    /// The assignee: a name of `[[people]]`, a Slack id, a GitHub login, or `nobody`. Default: the person who creates
    /// it, if their account is known. If the source does not set it, `message` says so.
    pub assignee: Option<String>,
    /// The task that it becomes a subtask or sub-issue of, as in `ref`. It is created where that task is, so `source`,
    /// `list` and `repo` may be left out.
    pub under: Option<String>,
}

impl PartialSchema for Create {
    fn schema() -> RefOr<Schema> {
        CreateBody::schema()
    }
}

impl ToSchema for Create {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        CreateBody::schemas(schemas);
    }
}

impl From<TaskDraft> for Create {
    fn from(draft: TaskDraft) -> Create {
        Create {
            draft,
            ..Create::default()
        }
    }
}

const SOURCE: Flag = Flag::new("-s", "--source", "clickup` or `-s github");
const ENTITY: Flag = Flag::new("-e", "--entity", "ENTITY");
const DESCRIPTION: Flag = Flag::new("-d", "--description", "TEXT");
const REPO: Flag = Flag::new("-r", "--repo", "owner/repo");
const LIST: Flag = Flag::new("-l", "--list", "LIST");
const ASSIGNEE: Flag = Flag::new("-a", "--assignee", "PERSON` or `-a nobody");
const UNDER: Flag = Flag::new("-u", "--under", "REF");
const FLAGS: &[Flag] = &[SOURCE, ENTITY, DESCRIPTION, ASSIGNEE, REPO, LIST, UNDER];

impl Verb for Create {
    const INFO: &'static Info = &Info {
        name: "create",
        usage: "create TITLE [-s clickup|github] [-e ENTITY] [-d TEXT] [-a PERSON|nobody] [-r owner/repo | -l LIST] [--under REF]",
        effect: "create a task, assigned to you unless you name someone; further lines are its description",
        examples: &[
            "create Buy milk",
            "create Fix login -r acme/widgets -a bo",
            "create Write the test --under #12",
        ],
        writes: true,
        text: true,
        http: Http::post("tasks"),
        line: Some(CommandLine::of::<CreateWords>(&[
            "ivan create Buy milk",
            "ivan create 'Fix login' -s github -e acme -a bo",
            "ivan create 'Call them' -d 'before noon' --json",
            "ivan create 'Write the test' --under '#12'",
        ])),
        ..Info::SHOWS
    };

    /// The options in any order and place of the first line; an unknown option is part of the title. `-r` implies
    /// GitHub and `-l` ClickUp.
    fn read(rest: &str) -> Result<Create, ParseError> {
        let mut new = TaskDraft::default();
        let mut under = None;
        let mut title = Title::default();
        let mut rest = rest;
        // Once a mark is unclosed on this line, no later one is tried: a line of marks would be searched over and over.
        let mut quotes_close = true;
        let lines_after = loop {
            let here = skip_spaces(rest);
            if here.is_empty() || here.starts_with('\n') {
                break trim(here);
            }
            let Some((flag, after)) = flag(here, FLAGS) else {
                let quotation = if quotes_close {
                    quoted(here, None)
                } else {
                    None
                };
                quotes_close &= quotation.is_some() || !here.starts_with(is_quote);
                let (piece, after) = match quotation {
                    // Options within quotation marks are part of the title.
                    Some((_, after)) => (before(here, after), after),
                    None => split_word(here),
                };
                title.push(before(rest, here), piece);
                rest = after;
                continue;
            };
            title.interrupt();
            let (value, after) = if flag == DESCRIPTION {
                text_value(after)
            } else {
                word_value(after)
            };
            if value.is_empty() {
                return Err(flag.no_value());
            }
            rest = after;
            match flag {
                SOURCE => {
                    let source = Source::parse(value).ok_or_else(|| unknown_source(value))?;
                    set_once(&mut new.source, source, flag)?;
                }
                ENTITY => set_once(&mut new.entity, entity(value)?, flag)?,
                ASSIGNEE => set_once(&mut new.assignee, Assignee::Called(value.to_owned()), flag)?,
                REPO => {
                    let repo = RepoName::parse(value).ok_or_else(|| not_a_repo(value))?;
                    set_once(&mut new.repo, repo, flag)?;
                }
                LIST => set_once(&mut new.list, list_id(value)?, flag)?,
                UNDER => {
                    let parent = parse_ref(value).ok_or_else(|| not_a_parent(value))?;
                    set_once(&mut under, parent, flag)?;
                }
                _ => set_once(&mut new.description, value.to_owned(), flag)?,
            }
        };
        new.title = title.finish();
        if new.title.is_empty() {
            return Err(slip("What is the task called? `create Buy milk`"));
        }
        new.source = match (&new.repo, &new.list, new.source) {
            (Some(_), Some(_), _) => {
                return Err(slip(
                    "`-r` is a GitHub repository and `-l` a ClickUp list. Keep one of them.",
                ));
            }
            (Some(_), _, Some(source)) if source.profile().homes != ContainerKind::Repositories => {
                return Err(slip(
                    "`-r` is a GitHub repository, but `-s` says ClickUp. Keep one of them.",
                ));
            }
            (_, Some(_), Some(source)) if source.profile().homes != ContainerKind::Lists => {
                return Err(slip(
                    "`-l` is a ClickUp list, but `-s` says GitHub. Keep one of them.",
                ));
            }
            (Some(_), ..) => Some(ContainerKind::Repositories.source()),
            (_, Some(_), _) => Some(ContainerKind::Lists.source()),
            (None, None, source) => source,
        };
        new.description = match (new.description, lines_after) {
            (description, "") => description,
            (None, lines) => Some(lines.to_owned()),
            (Some(above), lines) => Some(format!("{above}\n{lines}")),
        };
        Ok(Create {
            under,
            ..Create::from(new)
        })
    }

    fn depends_on_what_was_shown(&self) -> bool {
        matches!(self.under, Some(Ref::Nth(_)))
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let channels = &tx.settings.channels;
        let defaults = context.channel.as_ref().and_then(|id| channels.get(id));
        let (mut create, parent) = match self.under {
            None => (with_defaults(self.draft, defaults), None),
            Some(under) => {
                let parent = tx.target(person, Some(under), context)?.mirrored()?.task;
                let mut create = placed_under(tx, self.draft, &parent)?;
                // The parent decides on the place.
                let entity = defaults.and_then(|defaults| defaults.entity.clone());
                create.entity = create.entity.or(entity);
                (create, Some(parent))
            }
        };
        if let Some(from) = &context.from {
            if let Some(made) = forms::made(tx.db, &from.channel, &from.ts)? {
                let about = match &made {
                    CreationState::Task(stored) => Some(stored.row),
                    CreationState::Asked(_) => None,
                };
                return Ok(Handled::Replied(Reply {
                    words: made_before(tx.db, Some(person), made)?,
                    about,
                    ..Reply::default()
                }));
            }
            create.description = Some(with_origin(create.description.as_deref(), from));
        }
        let for_client = for_client(create, &tx.settings.entities);
        create = for_client.map_err(|(_, words)| Rejection::Unfit(words))?;
        let whose = create.assignee.take();
        let mut new = new_task(tx, create)?;
        let source = new.place.source();
        new.assignee = assignee(tx, person, whose.as_ref(), source)?;
        new.under = parent.map(|parent| ParentTask {
            task: parent.key,
            title: parent.title,
        });
        // A title mentions no one, in any source.
        new.title = named(tx, &new.title)?;
        new.files = linked(&self.files);
        if new.description.is_some() || !new.files.is_empty() || signs(tx, person)? {
            let description = new.description.as_deref().unwrap_or_default();
            fits(description, &self.files)?;
            // A description is plain text.
            let description = signed(
                tx,
                person,
                source,
                description,
                &self.files,
                context.surface,
            )?;
            new.description = Some(description.unmentioned_but(|_| false).to_string());
        }
        let done = tx.accept(person, context, "create", vec![Write::Create(new)])?;
        if let (Some(from), Handled::Accepted { command, .. }) = (&context.from, &done) {
            forms::making(tx.db, from, *command)?;
        }
        Ok(done)
    }

    fn with_names(self, names: &Names<'_>) -> Create {
        let draft = self.draft;
        let draft = TaskDraft {
            title: names.named(&draft.title),
            description: draft.description.map(|text| names.named(&text)),
            assignee: draft.assignee.map(|whose| match whose {
                Assignee::Called(who) => Assignee::Called(names.shown(&who)),
                chosen @ (Assignee::Chosen(_) | Assignee::Person(_)) => chosen,
            }),
            ..draft
        };
        Create {
            draft,
            under: self.under,
            files: self.files,
        }
    }

    fn add(&mut self, pieces: &[String]) -> bool {
        if !pieces.is_empty() {
            let description = self.draft.description.get_or_insert_default();
            super::add_lines(description, "\n\n", pieces);
        }
        true
    }

    fn add_files(&mut self, files: &[SharedFile]) -> bool {
        self.files.extend_from_slice(files);
        true
    }
}

/// The words after `ivan create`.
#[derive(Debug, Args)]
struct CreateWords {
    /// The title; further lines are the description
    #[arg(required = true, value_name = "TITLE")]
    title: Vec<String>,
    /// Where to create it [default: queue.default_source of the configuration]
    #[arg(short, long, value_parser = ["clickup", "github"], ignore_case = true)]
    source: Option<String>,
    /// The client it is for
    #[arg(short, long)]
    entity: Option<String>,
    /// The description
    #[arg(short, long, value_name = "TEXT")]
    description: Option<String>,
    /// A GitHub repository other than the default one
    #[arg(short, long, value_name = "OWNER/REPO", conflicts_with = "list")]
    repo: Option<String>,
    /// A ClickUp list other than the default one, by its id
    #[arg(short, long)]
    list: Option<String>,
    /// The assignee: a name of [[people]], or `nobody` [default: you]
    #[arg(short, long, value_name = "PERSON")]
    assignee: Option<String>,
    /// The task that it becomes a subtask or sub-issue of: a number of the last list, #12, an id or a link
    #[arg(short, long, value_name = "REF")]
    under: Option<String>,
}

impl Line for CreateWords {
    fn call(self, info: &Info) -> Call {
        let text = self.title.join(" ");
        let (title, further) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
        let further = Some(further.trim().to_owned()).filter(|lines| !lines.is_empty());
        let parts: Vec<String> = self.description.into_iter().chain(further).collect();
        let description = (!parts.is_empty()).then(|| parts.join("\n"));
        let body = json!({
            "title": title.trim(),
            "description": description,
            "source": self.source.map(|source| source.to_ascii_lowercase()),
            "entity_id": self.entity,
            "repo": self.repo,
            "list": self.list,
            "assignee": self.assignee,
            "under": self.under,
        });
        Call::effect(info, body).answered(AnswerKind::Created)
    }
}

impl TryFrom<CreateBody> for Create {
    type Error = String;

    fn try_from(body: CreateBody) -> Result<Create, String> {
        // A no-break space in a title is a space.
        let title = written("title", body.title)?.replace('\u{a0}', " ");
        let title = title.trim();
        if title.chars().any(char::is_control) {
            return Err(
                "The title must be one line without control characters; put the rest into `description`"
                    .to_owned(),
            );
        }
        let said = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let short = |text| said(text).map(|text| text.trim().to_owned());
        let read_repo = |text: String| {
            let wrong = || format!("`{}` is not a repository. Give owner/name", start_of(&text));
            RepoName::parse(&text).ok_or_else(wrong)
        };
        let under = short(body.under).as_deref().map(read_ref).transpose()?;
        let draft = TaskDraft {
            title: title.to_owned(),
            description: said(body.description),
            source: short(body.source).as_deref().map(read_source).transpose()?,
            entity: short(body.entity_id),
            repo: short(body.repo).map(read_repo).transpose()?,
            list: short(body.list),
            due: None,
            assignee: short(body.assignee).map(Assignee::Called),
        };
        Ok(Create {
            under,
            ..Create::from(draft)
        })
    }
}

/// Whether the text is only `create`: on a surface with forms, this opens one.
pub fn is_create_alone(text: &str) -> bool {
    super::split_verb(text).is_some_and(|(row, rest)| {
        row.info.name == Create::INFO.name && is_mere_punctuation(trim(rest))
    })
}

/// Whether the text's verb is `create`: the condition for reading a channel message at all.
pub fn is_bare_create(text: &str) -> bool {
    super::split_verb(text).is_some_and(|(row, _)| row.info.name == Create::INFO.name)
}

fn slip(hint: &str) -> ParseError {
    ParseError::Slip(hint.to_owned())
}

fn unknown_source(value: &str) -> ParseError {
    slip(&format!(
        "I don't know the source `{}`. Use `-s clickup` or `-s github`.",
        excerpt(value)
    ))
}

fn not_a_repo(value: &str) -> ParseError {
    slip(&format!(
        "`{}` is not a repository. Try `-r owner/repo`.",
        excerpt(value)
    ))
}

fn not_a_parent(value: &str) -> ParseError {
    slip(&format!(
        "`{}` is not a task. After `--under`, type a number of your list, `#12`, a task's id or its link.",
        excerpt(value)
    ))
}

/// The task that the field of a form names.
pub fn parent(named: &str) -> Result<Ref, ParseError> {
    parse_ref(named).ok_or_else(|| slip(&not_a_parent_in_form(named)))
}

/// The error at the field of a form for the parent.
pub(crate) fn not_a_parent_in_form(named: &str) -> String {
    format!(
        "“{}” is not a task. Type a number of your list, #12, a task's id or its link.",
        excerpt(named)
    )
}

/// The errors of a form with a parent that only the store shows, by its fields. `at`: the time at which it was sent.
pub fn faults_under(
    tx: &CommandTx<'_>,
    person: &Person,
    draft: TaskDraft,
    under: Ref,
    at: DateTime<Utc>,
) -> DbResult<Vec<FieldError>> {
    let fault = |field, stop: Stop| {
        let words = stop.rejection()?.words();
        let why = words.plain();
        DbResult::Ok(FieldError { field, why })
    };
    let placed = tx
        .target(person, Some(under), &Context::over_http(at))
        .and_then(Target::mirrored)
        .and_then(|parent| placed_under(tx, draft, &parent.task));
    let create = match placed {
        Ok(create) => create,
        Err(stop) => return Ok(vec![fault(FormField::Under, stop)?]),
    };
    let assigned = match create.source {
        Some(source) => assignee(tx, person, create.assignee.as_ref(), source).map(drop),
        None => Ok(()),
    };
    // The form itself does not know the source.
    let placed = SubmittedForm::Create {
        create: Box::new(create),
        from: None,
        under: None,
    };
    let mut faults = placed.faults();
    if let Err(stop) = assigned {
        faults.push(fault(FormField::Assignee, stop)?);
    }
    Ok(faults)
}

fn set_once<T>(place: &mut Option<T>, value: T, flag: Flag) -> Result<(), ParseError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(ParseError::Twice(flag.short)),
    }
}

/// An entity becomes part of a tag and of a title's `[CLIENT:…]`, and must be readable from there.
fn entity(value: &str) -> Result<String, ParseError> {
    let fits = |c: char| !c.is_control() && !matches!(c, '[' | ']');
    if value.chars().all(fits) {
        Ok(spaced(value))
    } else {
        Err(slip(&format!(
            "`{}` can't be a client's name: no brackets or line breaks.",
            excerpt(value)
        )))
    }
}

/// List ids go into the path of a request: letters, digits, `-` and `_` only.
fn list_id(value: &str) -> Result<String, ParseError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if value.len() <= 64 && value.chars().all(fits) {
        Ok(value.to_owned())
    } else {
        Err(slip(&format!(
            "`{}` is not the id of a ClickUp list. Use the number in the list's address: `-l 901100000001`.",
            excerpt(value)
        )))
    }
}

/// A title, collected from the pieces between options.
#[derive(Default)]
struct Title {
    text: String,
    interrupted: bool,
}

impl Title {
    /// Adds a piece with the space before it as typed; an option in between counts as one space.
    fn push(&mut self, space: &str, piece: &str) {
        if !self.text.is_empty() {
            let space = if self.interrupted { " " } else { space };
            self.text.push_str(&spaced(space));
        }
        self.interrupted = false;
        self.text.push_str(&spaced(piece));
    }

    fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// The title without quotes around the whole of it.
    fn finish(self) -> String {
        let text = trim(&self.text);
        match quoted(text, None) {
            Some((inside, "")) => trim(inside).to_owned(),
            _ => text.to_owned(),
        }
    }
}

/// The value of an option of one word, or of several in quotes; empty if there is none on this line.
fn word_value(text: &str) -> (&str, &str) {
    let text = skip_spaces(text);
    if let Some((inside, after)) = quoted(text, None) {
        return (trim(inside), after);
    }
    if flag(text, FLAGS).is_some() {
        return ("", text);
    }
    split_word(text)
}

/// The value of `-d`: in quotes (then it may span lines), or the text up to the next option or the line's end.
fn text_value(text: &str) -> (&str, &str) {
    let text = skip_spaces(text);
    if let Some((inside, after)) = quoted(text, Some(FLAGS)) {
        return (trim(inside), after);
    }
    let mut rest = text;
    while !rest.is_empty() && !rest.starts_with('\n') && flag(rest, FLAGS).is_none() {
        rest = skip_spaces(split_word(rest).1);
    }
    (trim(before(text, rest)), rest)
}

/// Applies the channel's defaults to options that were not given. A given place goes before them.
pub fn with_defaults(mut create: TaskDraft, defaults: Option<&ChannelDefaults>) -> TaskDraft {
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

/// Resolves the client of a task, from `-e` or the title, and its default place, unless the person or the channel gives
/// one. If clients are configured, others are refused. The error names the invalid field.
pub fn for_client(mut create: TaskDraft, known: &Entities) -> Result<TaskDraft, (FormField, Text)> {
    let (in_title, title) = split_title(&create.title, known);
    if let Some(in_title) = in_title {
        let same = |named: &String| match (known.resolve(named), known.resolve(&in_title)) {
            (Some(one), Some(other)) => one == other,
            _ => named.eq_ignore_ascii_case(&in_title),
        };
        if create.entity.as_ref().is_some_and(|named| !same(named)) {
            let named = create.entity.unwrap_or_default();
            return Err((FormField::Entity, two_clients(&named, &in_title)));
        }
        if title.is_empty() {
            return Err((FormField::Title, Text::new().text(reply::no_title())));
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
        let words = unknown_client(named, &known.near(named));
        return Err((FormField::Entity, words));
    };
    Ok(placed_for(create, entity))
}

/// A client's own list or repository, if no place was given.
pub fn placed_for(mut create: TaskDraft, entity: &Entity) -> TaskDraft {
    create.entity = Some(entity.id.clone());
    if create.repo.is_none() && create.list.is_none() {
        create.source = create.source.or(entity.source);
        match create.source.map(|source| source.profile().homes) {
            Some(ContainerKind::Lists) => create.list.clone_from(&entity.list),
            Some(ContainerKind::Repositories) => create.repo.clone_from(&entity.repo),
            None => {}
        }
    }
    create
}

/// The answer about a message that was made into a task before.
pub fn made_before(
    connection: &Db,
    person: Option<&Person>,
    made: CreationState,
) -> DbResult<Text> {
    Ok(match (made, person) {
        (CreationState::Task(stored), Some(person))
            if access::may_name(connection, person, &stored)? =>
        {
            reply::made_before(&stored.task)
        }
        (CreationState::Asked(title), Some(_)) if access::is_open(connection) => being_made(&title),
        _ => reply::made_by_another(),
    })
}

fn with_origin(description: Option<&str>, from: &SourceMessage) -> String {
    let origin = made_from(from.author.as_deref(), from.link.as_deref());
    match description.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => format!("{text}\n\n{origin}"),
        None => origin,
    }
}

fn new_task(tx: &CommandTx<'_>, create: TaskDraft) -> Result<NewTask, Stop> {
    let settings = &tx.settings;
    let wanted = create
        .source
        .or(create
            .repo
            .as_ref()
            .map(|_| ContainerKind::Repositories.source()))
        .or(create.list.as_ref().map(|_| ContainerKind::Lists.source()));
    let source = match wanted {
        Some(source) => source,
        None if settings.has(settings.default_source) => settings.default_source,
        None => settings.sources().next().unwrap_or(settings.default_source),
    };
    let place = match source.profile().homes {
        ContainerKind::Lists => place_in_list(tx, create.list.as_deref())?,
        ContainerKind::Repositories => place_in_repository(tx, create.repo.as_ref())?,
    };
    if create.due.is_some() && !source.profile().due_dates {
        return Err(Rejection::Unfit(reply::no_due_date()).into());
    }
    let new = NewTask {
        place,
        title: create.title,
        description: create.description,
        entity: create.entity,
        due: create.due,
        assignee: None,
        under: None,
        files: Vec::new(),
    };
    fit(&new)?;
    Ok(new)
}

/// The draft in the place of its parent. Refused if the parent is finished, or the draft names another place.
fn placed_under(
    tx: &CommandTx<'_>,
    mut draft: TaskDraft,
    parent: &Task,
) -> Result<TaskDraft, Stop> {
    let source = parent.key.source();
    let unfit = |words| Stop::from(Rejection::Unfit(words));
    if parent.status == TaskStatus::Done {
        return Err(unfit(parent_finished(parent)));
    }
    let asked = draft.source.map(|asked| asked == source);
    let named = [
        draft.repo.as_ref().map(|_| ContainerKind::Repositories),
        draft.list.as_ref().map(|_| ContainerKind::Lists),
    ];
    let elsewhere = asked == Some(false)
        || named
            .into_iter()
            .flatten()
            .any(|kind| kind.source() != source);
    let home = parent.home.as_ref().unwrap_or(&parent.container);
    let there = match source.profile().homes {
        ContainerKind::Lists => {
            let name = tasks::container_name(tx.db, source, home)?;
            name.unwrap_or_else(|| home.clone())
        }
        ContainerKind::Repositories => match parent.id.issue() {
            Some((Some(repo), _)) => repo.to_string(),
            _ => home.clone(),
        },
    };
    let is_there = match source.profile().homes {
        _ if elsewhere => false,
        ContainerKind::Lists => match &draft.list {
            Some(list) => place_in_list(tx, Some(list.as_str()))? == Place::List(home.clone()),
            None => true,
        },
        ContainerKind::Repositories => match &draft.repo {
            Some(repo) => is_repository(tx, repo, home)?,
            None => true,
        },
    };
    if !is_there {
        return Err(unfit(parent_elsewhere(parent, &there)));
    }
    draft.source = Some(source);
    match source.profile().homes {
        ContainerKind::Lists => draft.list = Some(home.clone()),
        ContainerKind::Repositories => {
            // As it is configured: it may have been renamed since.
            let mut repo = None;
            for configured in &tx.settings.repos {
                if is_repository(tx, configured, home)? {
                    repo = Some(configured.clone());
                    break;
                }
            }
            draft.repo = repo.or_else(|| RepoName::parse(&there));
        }
    }
    Ok(draft)
}

/// Whether a repository has this id.
fn is_repository(tx: &CommandTx<'_>, repo: &RepoName, id: &str) -> DbResult<bool> {
    let known = tasks::repository(tx.db, repo)?;
    Ok(known.is_some_and(|known| known.to_string() == id))
}

fn place_in_list(tx: &CommandTx<'_>, list: Option<&str>) -> Result<Place, Stop> {
    let (source, lists) = (ContainerKind::Lists.source(), &tx.settings.lists);
    let Some(default) = lists.first() else {
        return Err(not_configured(source).into());
    };
    let asked = list.unwrap_or(default);
    let mut archived = None;
    for list in lists {
        let name = tasks::container_name(tx.db, source, list)?;
        let is_it = |name: &String| name.eq_ignore_ascii_case(asked);
        if list != asked && !name.as_ref().is_some_and(is_it) {
            continue;
        }
        // Another list may have the same name, and not be archived.
        if tasks::is_archived(tx.db, source, list)? {
            archived.get_or_insert(name.unwrap_or_else(|| list.clone()));
            continue;
        }
        return Ok(Place::List(list.clone()));
    }
    Err(Rejection::Unfit(match archived {
        Some(name) => list_archived(&name),
        None => reply::list_not_followed(asked),
    })
    .into())
}

fn place_in_repository(tx: &CommandTx<'_>, repo: Option<&RepoName>) -> Result<Place, Rejection> {
    let repos = &tx.settings.repos;
    let Some(default) = repos.first() else {
        return Err(not_configured(ContainerKind::Repositories.source()));
    };
    let Some(asked) = repo else {
        return Ok(Place::Repo(default.clone()));
    };
    match repos.iter().find(|configured| configured.is(asked)) {
        Some(repo) => Ok(Place::Repo(repo.clone())),
        None => Err(Rejection::Unfit(reply::repo_not_followed(asked))),
    }
}

fn fit(new: &NewTask) -> Result<(), Rejection> {
    if let Some(entity) = &new.entity
        && !is_entity(entity)
    {
        return Err(Rejection::Unfit(reply::odd_entity()));
    }
    let source = new.place.source();
    let length = new.github_title().chars().count();
    if let Some(max) = source.profile().title_max
        && length > max
    {
        return Err(Rejection::Unfit(reply::title_too_long(source, max, length)));
    }
    if let Some(description) = &new.description {
        fits(description, &[])?;
    }
    fits(&new.title, &[])
}

/// The assignee of a new task: the named person, or its creator if they have an account there.
fn assignee(
    tx: &CommandTx<'_>,
    person: &Person,
    whose: Option<&Assignee>,
    source: Source,
) -> Result<Option<Account>, Stop> {
    let unfit = |words| Stop::from(Rejection::Unfit(words));
    let named = match whose {
        None => return Ok(person.account(source)),
        Some(whom @ (Assignee::Chosen(_) | Assignee::Person(_))) => {
            // They may have been removed or unlinked since the form was opened.
            let people = people::present(tx.db)?;
            let chosen = people.iter().find(|other| match whom {
                Assignee::Chosen(handle) => other.handle() == *handle,
                Assignee::Person(id) => other.id == *id,
                Assignee::Called(_) => false,
            });
            let account = chosen.and_then(|one| one.account(source));
            let name = chosen.map(|one| one.name.as_str());
            return account
                .map(Some)
                .ok_or_else(|| unfit(reply::not_assignable(name, source)));
        }
        Some(Assignee::Called(named)) => named.trim().trim_start_matches('@'),
    };
    if named.eq_ignore_ascii_case(NOBODY) {
        return Ok(None);
    }
    if person.alone {
        return Err(unfit(nobody_to_assign()));
    }
    let people = people::present(tx.db)?;
    let Some(other) = called(&people, named) else {
        let names: Vec<&str> = people.iter().map(|other| other.name.as_str()).collect();
        return Err(unfit(nobody_called(named, &names)));
    };
    let account = other.account(source).map(Some);
    account.ok_or_else(|| unfit(not_linked_there(&other.name, source)))
}

/// `--under` with a finished task.
pub(crate) fn parent_finished(parent: &Task) -> Text {
    Text::new()
        .link(&parent.title, &parent.url)
        .text(format!(
            " is {} in {}, so nothing was created under it. ",
            parent.source_status,
            parent.key.source().name()
        ))
        .code("reopen")
        .text(" opens it again.")
}

/// `--under` with a task of another place than the one that is named beside it.
pub(crate) fn parent_elsewhere(parent: &Task, place: &str) -> Text {
    let profile = parent.key.source().profile();
    Text::new()
        .link(&parent.title, &parent.url)
        .text(format!(
            " is in the {} {place} in {}, and a {} is created where its parent is. Leave ",
            profile.home, profile.name, profile.parts.0
        ))
        .code("-s")
        .text(", ")
        .code("-r")
        .text(" and ")
        .code("-l")
        .text(" out.")
}

/// The same message, while the task is still being created.
pub(crate) fn being_made(title: &str) -> Text {
    Text::new()
        .text("… Already creating a task from this message: ")
        .said(title)
}

/// Nothing is created in an archived list, where no one would find it.
pub(crate) fn list_archived(name: &str) -> Text {
    Text::new().text(format!(
        "The list {name} is archived in ClickUp, so nothing was created. Restore it, or choose another list with `-l`."
    ))
}

/// The text below the description of a task that was made from a message.
fn made_from(author: Option<&str>, link: Option<&str>) -> String {
    let by = author
        .map(|name| format!(" by {}", quiet(name)))
        .unwrap_or_default();
    let at = link.map(|link| format!(": {link}")).unwrap_or_default();
    format!("From a message{by} in Slack{at}")
}

/// `-a` with an unknown name.
pub(crate) fn nobody_called(named: &str, people: &[&str]) -> Text {
    let named: String = named.chars().take(80).collect();
    Text::new().text(format!(
        "I don't know `{named}`. After `-a`, type {} or `nobody`.",
        people.join(", ")
    ))
}

/// `-a` if Ivan has one user only.
pub(crate) fn nobody_to_assign() -> Text {
    Text::new()
        .text("Everyone here shares one queue, so there is nobody to assign to. Leave `-a` out.")
}

/// `-a` with a person who has no account at the task's source.
pub(crate) fn not_linked_there(name: &str, source: Source) -> Text {
    Text::new()
        .text(format!(
            "I don't know {name}'s {} account, so the task can't be assigned to them. {name} can type ",
            source.name()
        ))
        .code(source.profile().link)
        .text(".")
}

/// `-e` and the title name two.
pub(crate) fn two_clients(one: &str, other: &str) -> Text {
    Text::new().text(format!(
        "This names two clients, `{one}` and `{other}`, so nothing was created. Keep one of them."
    ))
}

/// `-e`, or the title, names a client that is not listed.
pub(crate) fn unknown_client(named: &str, near: &[&str]) -> Text {
    let named: String = named.chars().take(80).collect();
    let mut words = Text::new().text(format!(
        "I don't know the client `{named}`, so nothing was created. "
    ));
    words = words.text(match near.len() {
        1 => "Did you mean ",
        _ => "Clients here: ",
    });
    for (place, id) in near.iter().enumerate() {
        words = words.text(if place == 0 { "" } else { ", " }).code(*id);
    }
    words
        .text(if near.len() == 1 { "? " } else { ". " })
        .text("To add it, ask ")
        .operators()
        .text(".")
}
