//! The commands of a person: one file for each verb, and the table of verbs.
//!
//! A verb's file holds the struct of its arguments, its text grammar, its decision and its words. A row in the table
//! below makes it known: [`Command`], [`parse`], `help`, the HTTP API and the command line follow from that. The order of
//! the rows is the order in which `help` shows them.

/// The methods of a verb whose field `task` is its REF.
macro_rules! takes_ref {
    () => {
        fn task(&self) -> Option<&Ref> {
            self.task.as_ref()
        }

        fn about(mut self, task: Ref) -> Self {
            self.task = Some(task);
            self
        }
    };
}

pub mod assign;
pub mod attach;
pub mod body;
pub mod briefing;
pub mod claim;
pub mod comment;
pub mod confirm;
pub mod create;
pub mod current;
pub mod done;
pub mod due;
pub mod find;
pub mod gestures;
pub mod grammar;
pub mod help;
pub mod label;
pub mod line;
pub mod line_format;
pub mod link;
pub mod list;
pub mod log;
pub mod many;
pub mod milestone;
pub mod morning;
pub mod mute;
pub mod named;
pub mod next;
pub mod offers;
pub mod pause;
pub mod prio;
pub mod quiet;
pub mod receipts;
pub mod reopen;
pub mod retype;
pub mod schedule;
pub mod schema;
pub mod snooze;
pub mod start;
pub mod stats;
pub mod status;
pub mod texts;
pub mod token;
pub mod undo;
pub mod unlink;
pub mod unmute;
pub mod whoami;
pub mod why;

use serde::de::DeserializeOwned;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::command_tx::{CommandTx, Context, Decided};
use crate::domain::command::Ref;
use crate::domain::mention;
use crate::domain::person::Person;
use crate::domain::shared_file::SharedFile;
use grammar::{split_word, spoken, trim, unmarked, without_smiles};

pub use create::{is_bare_create, is_create_alone};
use line::CommandLine;
pub use many::Many;

pub use grammar::{ParseError, parse_ref};

/// One verb with its arguments. [`Verb::INFO`] has its names and its routes.
pub trait Verb: DeserializeOwned + ToSchema {
    /// The name, the help and the routes of the verb.
    const INFO: &'static Info;

    /// The name, the help and the routes of the verb.
    fn info(&self) -> &'static Info {
        Self::INFO
    }

    /// Parses the text after the verb, which begins with the space or newline after it, if it is not empty.
    fn read(rest: &str) -> Result<Self, ParseError>;

    /// Decides the command in its transaction. `Stop::Rejected` if it is not possible as requested.
    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided;

    /// The named task.
    fn task(&self) -> Option<&Ref> {
        None
    }

    /// The same about this task, if the verb has a REF.
    fn about(self, _task: Ref) -> Self {
        self
    }

    /// Whether its meaning depends on the task or list that its author had been shown.
    fn depends_on_what_was_shown(&self) -> bool {
        match Self::INFO.shown {
            ShownContext::Never => false,
            ShownContext::WithoutRef => names_no_task(self.task()),
            ShownContext::Always => true,
        }
    }

    /// Whether it changes the task that its author was shown last, without naming it.
    fn changes_what_was_shown(&self) -> bool {
        Self::INFO.shown == ShownContext::WithoutRef && names_no_task(self.task())
    }

    /// Whether it accepts words that only the store can resolve, an emoji among them.
    fn takes_any_word(&self) -> bool {
        false
    }

    /// The same with people's names, see [`Command::with_names`].
    fn with_names(self, _names: &Names<'_>) -> Self {
        self
    }

    /// Appends pieces to its text, a line or more each; `false` if there are pieces and the command has no text.
    fn add(&mut self, pieces: &[String]) -> bool {
        pieces.is_empty()
    }

    /// Adds links to files below its text; `false` if there are files and the command has no text.
    fn add_files(&mut self, files: &[SharedFile]) -> bool {
        files.is_empty()
    }
}

/// The name, help and routes of a verb.
#[derive(Debug)]
pub struct Info {
    /// The word to type, in lower case.
    pub name: &'static str,
    /// Other ways to type it. Those of several words count only as a whole message.
    pub aliases: &'static [&'static str],
    /// The forms to type, separated by ` · `. Optional parts are in brackets.
    pub usage: &'static str,
    /// Its effect, in one line.
    pub effect: &'static str,
    /// Whole messages, for the API's description; each one parses.
    pub examples: &'static [&'static str],
    /// Whether it creates operations for a source. Their number is limited.
    pub writes: bool,
    /// Whether free text follows it, in which an emoji at the end stays.
    pub text: bool,
    /// Whether it takes several REFs at once (`many.rs`).
    pub many: bool,
    /// When it depends on the task or list that its author had been shown.
    pub shown: ShownContext,
    /// The routes with an effect; `Http::NONE` for a verb that only shows.
    pub http: Http,
    /// `ivan <verb>`; `None`: it is a matter of Slack alone.
    pub line: Option<CommandLine>,
}

impl Info {
    /// Defaults for a verb that only shows something.
    const SHOWS: Info = Info {
        name: "",
        aliases: &[],
        usage: "",
        effect: "",
        examples: &[],
        writes: false,
        text: false,
        many: false,
        shown: ShownContext::Never,
        http: Http::NONE,
        line: None,
    };
}

/// When a verb depends on the task or list that its author had been shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownContext {
    /// It names all that it is about, or depends on nothing shown.
    Never,
    /// If no task is named, or only by its number in a list.
    WithoutRef,
    /// Its meaning always depends on it.
    Always,
}

/// The HTTP routes of a verb that has an effect: `POST /{path}`, and `POST /tasks/{task_id}/{task_path}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http {
    /// The path without a slash: `done`; `None` without such a route.
    pub path: Option<&'static str>,
    /// The path below a task: `complete`; `None` without such a route.
    pub task_path: Option<&'static str>,
    /// Whether it is refused if its source is not as it was left.
    pub conflicts: bool,
}

impl Http {
    /// It is read with a GET, or has no HTTP route at all.
    pub const NONE: Http = Http {
        path: None,
        task_path: None,
        conflicts: false,
    };

    const fn post(path: &'static str) -> Http {
        Http {
            path: Some(path),
            ..Http::NONE
        }
    }

    const fn both(path: &'static str, task_path: &'static str) -> Http {
        Http {
            path: Some(path),
            task_path: Some(task_path),
            ..Http::NONE
        }
    }

    const fn may_conflict(self) -> Http {
        Http {
            conflicts: true,
            ..self
        }
    }
}

/// The display names of people who are mentioned by id.
pub struct Names<'a> {
    is_person: &'a dyn Fn(&str) -> bool,
    name_of: &'a dyn Fn(&str) -> Option<String>,
}

impl Names<'_> {
    /// A text with the names of people who are not known here, without an `@`.
    fn named(&self, text: &str) -> String {
        mention::named(text, self.is_person, self.name_of)
    }

    /// An assignee with their name beside their id, which alone decides.
    fn shown(&self, who: &str) -> String {
        mention::shown(who, self.is_person, self.name_of)
    }
}

/// Schemas by their names in the API's description.
pub type Schemas = Vec<(String, RefOr<Schema>)>;

/// One row of the table.
pub struct Row {
    /// The name, the help and the routes of the verb.
    pub info: &'static Info,
    read: fn(&str) -> Result<Command, ParseError>,
    /// Reads the body of a request, which is a JSON object.
    pub body: fn(&str) -> serde_json::Result<Command>,
    /// Describes the body, and adds the schemas that it refers to.
    pub schema: fn(&mut Schemas) -> RefOr<Schema>,
}

macro_rules! verbs {
    ($($file:ident: $Verb:ident),* $(,)?) => {
        $(
            pub use $file::$Verb;

            impl From<$Verb> for Command {
                fn from(verb: $Verb) -> Command {
                    Command::$Verb(verb)
                }
            }
        )*

        /// A verb with its arguments.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Command {
            $(
                /// The verb of this name, with its arguments.
                $Verb($Verb),
            )*
            /// One of these verbs for several tasks.
            Many(Many),
        }

        /// The verbs, in the order that `help` shows them.
        pub const VERBS: &[Row] = &[
            $(Row {
                info: $Verb::INFO,
                read: many::read::<$Verb>,
                body: many::body::<$Verb>,
                schema: |others| {
                    $Verb::schemas(others);
                    $Verb::schema()
                },
            },)*
        ];

        /// Evaluates an expression with the verb of a command.
        macro_rules! each {
            ($command:expr, $verb:ident => $does:expr) => {
                match $command {
                    $(Command::$Verb($verb) => $does,)*
                    Command::Many($verb) => $does,
                }
            };
        }
    };
}

verbs! {
    done: Done,
    comment: Comment,
    create: Create,
    current: Current,
    next: Next,
    start: Start,
    pause: Pause,
    snooze: Snooze,
    reopen: Reopen,
    assign: Assign,
    claim: Claim,
    due: Due,
    prio: Prio,
    label: Relabel,
    milestone: Milestone,
    retype: Retype,
    attach: Attach,
    undo: Undo,
    confirm: Confirm,
    why: Why,
    list: List,
    find: Find,
    morning: Morning,
    briefing: Briefing,
    quiet: Quiet,
    receipts: Receipts,
    log: Log,
    stats: Stats,
    status: Status,
    whoami: Whoami,
    link: Link,
    unlink: Unlink,
    token: Token,
    mute: Mute,
    unmute: Unmute,
    help: Help,
}

impl Command {
    /// The name, the help and the routes of its verb.
    pub fn info(&self) -> &'static Info {
        each!(self, verb => verb.info())
    }

    /// Decides it. Writes for a source are durable when the transaction is committed.
    pub fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        each!(self, verb => verb.decide(tx, person, context))
    }

    /// The named task; `None` for several.
    pub fn task(&self) -> Option<&Ref> {
        each!(self, verb => verb.task())
    }

    /// The same about this task, if the verb has a REF.
    #[must_use]
    pub fn about(self, task: Ref) -> Command {
        each!(self, verb => verb.about(task).into())
    }

    /// Whether its meaning depends on the task or list that its author had been shown.
    pub fn depends_on_what_was_shown(&self) -> bool {
        each!(self, verb => verb.depends_on_what_was_shown())
    }

    /// Whether it changes the task that its author was shown last, without naming it.
    pub fn changes_what_was_shown(&self) -> bool {
        each!(self, verb => verb.changes_what_was_shown())
    }

    fn takes_any_word(&self) -> bool {
        each!(self, verb => verb.takes_any_word())
    }

    /// The same with display names for mentioned people who are no `person` here, as far as the names are known: in
    /// texts without an `@`, and for an assignee beside the id, which alone decides.
    #[must_use]
    pub fn with_names(
        self,
        is_person: &dyn Fn(&str) -> bool,
        name_of: &dyn Fn(&str) -> Option<String>,
    ) -> Command {
        let names = Names { is_person, name_of };
        each!(self, verb => verb.with_names(&names).into())
    }

    /// Appends pieces to its text, a line or more each; `false` if there are pieces and the command has no text.
    pub fn add(&mut self, pieces: &[String]) -> bool {
        each!(self, verb => verb.add(pieces))
    }

    /// Adds links to files below its text; `false` if there are files and the command has no text.
    pub fn add_files(&mut self, files: &[SharedFile]) -> bool {
        each!(self, verb => verb.add_files(files))
    }
}

/// Appends lines to a text, with `between` between two of them.
fn add_lines(text: &mut String, between: &str, lines: &[String]) -> bool {
    for line in lines {
        text.truncate(text.trim_end().len());
        if !text.is_empty() {
            text.push_str(between);
        }
        text.push_str(line);
    }
    true
}

fn names_no_task(task: Option<&Ref>) -> bool {
    matches!(task, None | Some(Ref::Nth(_)))
}

/// Parses a command as typed: in a DM, after a mention, or (`create`) in a channel.
///
/// Slack's wire form is undone already. For a text that is not a command, the error is the hint to answer.
pub fn parse(text: &str) -> Result<Command, ParseError> {
    let bare = without_smiles(text);
    // An emoji at the end is no part of a command. In a person's free text it stays.
    let Some((row, rest)) = split_verb(text).or_else(|| split_verb(bare)) else {
        return Err(match split_word(trim(text)) {
            ("", _) => ParseError::Empty,
            (word, _) => ParseError::UnknownVerb(word.to_owned()),
        });
    };
    if is_help_flag(rest) {
        return Ok(Help::about(row.info).into());
    }
    match (row.read)(rest) {
        Ok(command) if row.info.text || !command.takes_any_word() => Ok(command),
        read if row.info.text || without_smiles(rest) == trim(rest) => read,
        _ => (row.read)(without_smiles(rest)),
    }
}

/// Whether the text after a verb asks for help on it. Phones make one dash of two.
fn is_help_flag(rest: &str) -> bool {
    matches!(trim(rest), "--help" | "—help" | "–help")
}

/// Whether a text is thanks or assent, and nothing else.
pub fn is_thanks(text: &str) -> bool {
    const THANKS: [&str; 12] = [
        "thanks",
        "thank you",
        "thx",
        "ty",
        "great",
        "cool",
        "nice",
        "ok",
        "okay",
        "got it",
        "perfect",
        "awesome",
    ];
    THANKS.contains(&said_to_ivan(text).as_str())
}

/// The text in lower case, without Ivan's name or mention at its end.
fn said_to_ivan(text: &str) -> String {
    let said = spoken(unmarked(without_smiles(text)));
    match said.rsplit_once(' ') {
        Some((before, name)) if name == "ivan" || name.starts_with('@') => {
            before.trim_end_matches(',').to_owned()
        }
        _ => said,
    }
}

/// Whether a text is a greeting and nothing else.
pub fn is_greeting(text: &str) -> bool {
    const GREETINGS: [&str; 15] = [
        "yo",
        "hiya",
        "howdy",
        "hola",
        "moin",
        "test",
        "ping",
        "hi",
        "hello",
        "hey",
        "hi there",
        "hello there",
        "good morning",
        "good afternoon",
        "good evening",
    ];
    GREETINGS.contains(&said_to_ivan(text).as_str())
}

/// The verb that a text begins with, and the rest after it.
fn split_verb(text: &str) -> Option<(&'static Row, &str)> {
    let text = unmarked(trim(text));
    if let Some(row) = called(&spoken(text), true) {
        return Some((row, ""));
    }
    let (word, rest) = split_word(text);
    called(&unmarked(word).to_lowercase(), false).map(|row| (row, rest))
}

/// The verb with that name or alias, in lower case; an alias of several words counts only as a whole message.
fn called(said: &str, whole: bool) -> Option<&'static Row> {
    let is = |alias: &str| {
        let alias = alias.to_lowercase();
        match alias.contains(' ') {
            true => whole && alias.trim_end_matches('?') == said.trim_end_matches('?'),
            false => alias == said,
        }
    };
    VERBS
        .iter()
        .find(|row| is(row.info.name) || row.info.aliases.iter().any(|alias| is(alias)))
}

#[cfg(test)]
mod tests;
