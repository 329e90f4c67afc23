//! What a person asked for: text → [`Command`]. Pure and total; the same for Slack, the CLI and HTTP.
//!
//! Slack's escapes are undone before (`slack/text.rs`); what `2` or `#12` refers to is looked up after (the desk).
//! Every verb is a row of [`VERBS`], which holds its parser too: what `help` lists is what is understood.

use std::fmt;

use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::filter::Filter;
use super::ids::TaskRow;
use super::mention;
use super::person::PersonId;
use super::receipts::Receipts;
use super::rhythm::{DEFAULT, HOURS_HELP, Quiet, Setting, TIME_HELP, time_of_day};
use super::task::{Account, Priority, RepoName, Source, TaskId, TaskKey};
use super::when::{DueWhen, WHEN_HELP, When};

/// A command, parsed (design 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Done {
        task: Option<Ref>,
        comment: Option<String>,
    },
    Comment {
        task: Option<Ref>,
        text: String,
    },
    /// Something said in the thread under a task's message, which is to be a comment on it. Nobody types it.
    Reply(String),
    Create(Create),
    Current,
    Next,
    /// On from this row of the mirror, if it still is the current task: a button's `next`.
    NextFrom(Ref),
    List {
        limit: Option<usize>,
        filter: Filter,
    },
    /// `start [REF]`: make it current, and in progress in its source.
    Start {
        task: Option<Ref>,
    },
    /// `snooze [REF] WHEN`: hide it from the person's queue until then.
    Snooze {
        task: Option<Ref>,
        until: When,
    },
    /// `reopen REF`; under a message about a task REF may be left out.
    Reopen {
        task: Option<Ref>,
    },
    /// `assign [REF] @PERSON`
    Assign {
        task: Option<Ref>,
        /// As typed, without the `@`.
        to: String,
    },
    /// `claim [REF]`: assign it to whoever asks.
    Claim {
        task: Option<Ref>,
    },
    /// `due [REF] WHEN`; without a time: never.
    Due {
        task: Option<Ref>,
        at: Option<DueWhen>,
    },
    /// `prio [REF] urgent|high|normal|low|none`
    Prioritise {
        task: Option<Ref>,
        priority: Option<Priority>,
    },
    /// `undo`: take back the person's last effect; or what their command of this number did, which nobody types.
    Undo {
        of: Option<CommandRef>,
    },
    /// Take back the person's completion of the task in this row, where it still can be: a check mark taken off its card.
    NotDone(TaskRow),
    /// `why [REF]`: why the task is where it is in the queue.
    Why {
        task: Option<Ref>,
    },
    /// `log [N] [REF]`: what the person did last; or what was done to a task.
    Log {
        task: Option<Ref>,
        limit: Option<usize>,
    },
    /// `morning`: what to know before one begins.
    Morning,
    /// `briefing 8:30`, `briefing off`: the same on working days at that time.
    Briefing(Option<NaiveTime>),
    /// `quiet`: how it is.
    QuietHours,
    /// `quiet 20:00-8:00`, `quiet off`: when notices are held.
    Quiet(Option<Quiet>),
    Status,
    /// `whoami`: who the person is in each system.
    Whoami,
    /// `link SOURCE ACCOUNT`: that account is theirs, if the source confirms it.
    Link {
        source: Source,
        account: String,
    },
    /// The same, confirmed. Nobody types it.
    Linked {
        source: Source,
        account: Account,
    },
    /// `unlink SOURCE`
    Unlink {
        source: Source,
    },
    /// `mute` and `unmute`: whether the person wants notices.
    Mute(bool),
    /// Another beginning of quiet hours, or another end. In the Home tab only: whoever types gives both.
    QuietFrom(NaiveTime),
    QuietUntil(NaiveTime),
    /// `receipts`: how it is.
    ReceiptsAre,
    /// `receipts reactions`, `receipts messages`: how outcomes are told.
    Receipts(Receipts),
    /// `briefing default`, `quiet default`, `receipts default`: as bot.toml has it for everybody, from now on.
    Usual(Setting),
    Help,
}

/// `create TITLE [-s clickup|github] [-e ENTITY] [-d TEXT] [-a PERSON|nobody] [-r owner/repo | -l LIST]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Create {
    pub title: String,
    pub description: Option<String>,
    pub source: Option<Source>,
    pub entity: Option<String>,
    pub repo: Option<RepoName>,
    /// A ClickUp list id.
    pub list: Option<String>,
    /// The day it is due. Only a form says it.
    #[serde(default)]
    pub due: Option<NaiveDate>,
    /// Without it the task is its creator's.
    #[serde(default)]
    pub assignee: Option<Assignee>,
}

/// Whose task a new one is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Assignee {
    /// As it was typed: somebody's name, or [`NOBODY`].
    Called(String),
    /// Chosen in a form: who it is in every store ([`Person::handle`](super::person::Person::handle)).
    Chosen(String),
    /// Chosen in a form, stored by an older version. It is read from the store only.
    Person(PersonId),
}

/// What is typed for `-a` where a task is to be assigned to no one.
pub const NOBODY: &str = "nobody";

/// The command that a button is to undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CommandRef {
    Uid(String),
    /// Stored by an older version. It is read from the store only, never from a surface.
    Row(i64),
}

impl fmt::Display for CommandRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandRef::Uid(uid) => uid.fmt(f),
            CommandRef::Row(row) => row.fmt(f),
        }
    }
}

/// How a person names a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ref {
    /// A number of the list that was last shown.
    Nth(usize),
    /// `#12`: an issue of the default repo.
    Issue(u64),
    /// A task id, or a pasted address.
    Id(TaskId),
    /// A stored key: the task of a button or a form. Nobody types it.
    Key(TaskKey),
    /// A row of the mirror: the task of a message of ours. Nobody types it.
    Row(TaskRow),
}

impl Command {
    /// The same with those whom it mentions and who are no `person` here by what they call themselves, as far as that is
    /// known: in texts without an `@`, and where somebody is to be assigned beside their id, which alone decides.
    pub fn with_names(
        self,
        is_person: impl Fn(&str) -> bool,
        name_of: impl Fn(&str) -> Option<String>,
    ) -> Command {
        let named = |text: String| mention::named(&text, &is_person, &name_of);
        let shown = |who: String| mention::shown(&who, &is_person, &name_of);
        match self {
            Command::Done { task, comment } => Command::Done {
                task,
                comment: comment.map(named),
            },
            Command::Comment { task, text } => Command::Comment {
                task,
                text: named(text),
            },
            Command::Reply(text) => Command::Reply(named(text)),
            Command::Create(create) => Command::Create(Create {
                title: named(create.title),
                description: create.description.map(named),
                assignee: create.assignee.map(|whose| match whose {
                    Assignee::Called(who) => Assignee::Called(shown(who)),
                    chosen @ (Assignee::Chosen(_) | Assignee::Person(_)) => chosen,
                }),
                ..create
            }),
            Command::Assign { task, to } => Command::Assign {
                task,
                to: shown(to),
            },
            other => other,
        }
    }
}

impl Ref {
    /// Reads one REF, and nothing but it; see [`parse_ref`].
    pub fn parse(text: &str) -> Option<Ref> {
        parse_ref(text)
    }
}

/// One verb of design 4: how `help` shows it, and how the rest of its line is read.
#[derive(Debug)]
pub struct Verb {
    pub name: &'static str,
    /// Other ways to say it. Those of several words are read only where they are the whole message.
    pub aliases: &'static [&'static str],
    pub usage: &'static str,
    /// What it does, in one line.
    pub effect: &'static str,
    /// Reads what follows the verb; it begins with the space or newline after it, if there is anything.
    read: fn(&str) -> Result<Command, ParseError>,
}

/// The verbs, in the order that `help` shows them.
pub const VERBS: &[Verb] = &[
    Verb {
        name: "done",
        aliases: &["finished", "completed"],
        usage: "done [REF] [-c TEXT]",
        effect: "complete the current task, or REF, with a comment if you like",
        read: done,
    },
    Verb {
        name: "comment",
        aliases: &[],
        usage: "comment TEXT · comment on REF: TEXT",
        effect: "comment on the current task, or on REF",
        read: comment,
    },
    Verb {
        name: "create",
        aliases: &[],
        usage: "create TITLE [-s clickup|github] [-e ENTITY] [-d TEXT] [-a PERSON|nobody] [-r owner/repo | -l LIST]",
        effect: "create a task, yours unless you say whose; the lines after the first are its description",
        read: create,
    },
    Verb {
        name: "current",
        aliases: &["what should I work on?"],
        usage: "current",
        effect: "show the current task",
        read: |rest| nothing_after("current", rest, Command::Current),
    },
    Verb {
        name: "next",
        aliases: &["skip", "later", "not now"],
        usage: "next",
        effect: "move on to the next task without completing this one",
        read: |rest| nothing_after("next", rest, Command::Next),
    },
    Verb {
        name: "start",
        aliases: &[],
        usage: "start [REF]",
        effect: "make REF current and, where the source has such a status, in progress",
        read: |rest| optional_ref("start", rest).map(|task| Command::Start { task }),
    },
    Verb {
        name: "snooze",
        aliases: &[],
        usage: "snooze [REF] WHEN",
        effect: "hide the current task, or REF, from your queue until then",
        read: snooze,
    },
    Verb {
        name: "reopen",
        aliases: &[],
        usage: "reopen [REF]",
        effect: "open REF again, as it was before it was completed",
        read: |rest| optional_ref("reopen", rest).map(|task| Command::Reopen { task }),
    },
    Verb {
        name: "assign",
        aliases: &[],
        usage: "assign [REF] @PERSON",
        effect: "give the current task, or REF, to somebody else",
        read: assign,
    },
    Verb {
        name: "claim",
        aliases: &[],
        usage: "claim [REF]",
        effect: "assign the current task, or REF, to yourself",
        read: |rest| optional_ref("claim", rest).map(|task| Command::Claim { task }),
    },
    Verb {
        name: "due",
        aliases: &[],
        usage: "due [REF] WHEN|none",
        effect: "set when the current task, or REF, is due in ClickUp",
        read: due,
    },
    Verb {
        name: "prio",
        aliases: &["priority"],
        usage: "prio [REF] urgent|high|normal|low|none",
        effect: "set the priority of the current task, or of REF",
        read: prioritise,
    },
    Verb {
        name: "undo",
        aliases: &[],
        usage: "undo",
        effect: "take back what you did last, within 15 minutes",
        read: |rest| nothing_after("undo", rest, Command::Undo { of: None }),
    },
    Verb {
        name: "why",
        aliases: &["why?"],
        usage: "why [REF]",
        effect: "show why the current task, or REF, is where it is in your queue",
        read: |rest| optional_ref("why", rest).map(|task| Command::Why { task }),
    },
    Verb {
        name: "list",
        aliases: &["tasks", "show my tasks"],
        usage: "list [N] [FILTER]",
        effect: "show your tasks in order; their numbers work as REF until the next list",
        read: list,
    },
    Verb {
        name: "morning",
        aliases: &["brief me"],
        usage: "morning",
        effect: "show your first three tasks, what is due, who waits for you and what is stuck",
        read: |rest| nothing_after("morning", rest, Command::Morning),
    },
    Verb {
        name: "briefing",
        aliases: &[],
        usage: "briefing 8:30 · briefing off · briefing default",
        effect: "have `morning` sent to you on working days at that time, or no more, or as everybody has it",
        read: briefing,
    },
    Verb {
        name: "quiet",
        aliases: &[],
        usage: "quiet 20:00-8:00 · quiet off · quiet default",
        effect: "hold notices in those hours and tell them in one message when they end",
        read: quiet,
    },
    Verb {
        name: "receipts",
        aliases: &[],
        usage: "receipts reactions · receipts messages · receipts default",
        effect: "have outcomes stand on your own messages as reactions too, or in words alone, or as everybody has it",
        read: receipts,
    },
    Verb {
        name: "log",
        aliases: &[],
        usage: "log [N] [REF]",
        effect: "show what you did last, or what was done to REF",
        read: log,
    },
    Verb {
        name: "status",
        aliases: &[],
        usage: "status",
        effect: "show connections, the last sync and what is queued",
        read: |rest| nothing_after("status", rest, Command::Status),
    },
    Verb {
        name: "whoami",
        aliases: &["who am i?"],
        usage: "whoami",
        effect: "show which accounts are yours, and what is missing",
        read: |rest| nothing_after("whoami", rest, Command::Whoami),
    },
    Verb {
        name: "link",
        aliases: &[],
        usage: "link github LOGIN · link clickup NAME-OR-EMAIL",
        effect: "make that account yours, so that what is assigned to it is in your queue",
        read: link,
    },
    Verb {
        name: "unlink",
        aliases: &[],
        usage: "unlink github · unlink clickup",
        effect: "make the account you linked there nobody's again",
        read: unlink,
    },
    Verb {
        name: "mute",
        aliases: &[],
        usage: "mute",
        effect: "tell me nothing unasked",
        read: |rest| nothing_after("mute", rest, Command::Mute(true)),
    },
    Verb {
        name: "unmute",
        aliases: &[],
        usage: "unmute",
        effect: "tell me again what others do to my tasks",
        read: |rest| nothing_after("unmute", rest, Command::Mute(false)),
    },
    Verb {
        name: "help",
        aliases: &["?", "commands"],
        usage: "help",
        effect: "show this",
        // Whoever asks for help gets it, whatever follows.
        read: |_| Ok(Command::Help),
    },
];

/// What a REF may be, for help and hints.
pub const REF_HELP: &str = "a number of the last list, a task id, `#12` or the link of a task";

/// Why a text is no command. `Display` is the one-line hint that the person gets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("Type a command: `done`, `comment TEXT` or `create TITLE`. `help` lists them all.")]
    Empty,
    #[error(
        "I do not know `{}`. Try `done`, `comment TEXT` or `create TITLE`. `help` lists them all.",
        excerpt(.0)
    )]
    UnknownVerb(String),
    #[error("`{verb}` takes nothing after it, but I read `{}`. Type only `{verb}`.", excerpt(.found))]
    NothingAfter { verb: &'static str, found: String },
    #[error(
        "`{}` does not name a task. After `done` comes {REF_HELP}; a comment goes after `-c`: `done -c TEXT`.",
        excerpt(.0)
    )]
    NotARef(String),
    #[error(
        "I read `{0}` as the task, and do not know what `{1}` after it means. A comment goes after `-c`: `done {0} -c TEXT`.",
        excerpt(.task), excerpt(.found)
    )]
    AfterRef { task: String, found: String },
    #[error("`{}` does not name a task. After `{verb}` comes {REF_HELP}.", excerpt(.found))]
    NotARefOf { verb: &'static str, found: String },
    #[error("Until when? Type `snooze [REF] WHEN`. WHEN is {WHEN_HELP}.")]
    NoWhen,
    #[error("`{}` is no time that I understand. WHEN is {WHEN_HELP}.", excerpt(.0))]
    NotAWhen(String),
    #[error("`{}` is no time of day. Type `briefing` with {TIME_HELP} after it, `briefing off` or `briefing default`.", excerpt(.0))]
    NotATime(String),
    #[error("`{}` are no hours. Type `quiet` with {HOURS_HELP} after it, `quiet off` or `quiet default`.", excerpt(.0))]
    NotHours(String),
    #[error("`{}` is no way to answer you. Type `receipts reactions`, `receipts messages` or `receipts default`.", excerpt(.0))]
    NotReceipts(String),
    #[error("Who is to have it? Type `assign [REF] @PERSON`.")]
    NoPerson,
    #[error("When is it due? Type `due [REF] WHEN`, or `due [REF] none`. WHEN is {WHEN_HELP}.")]
    NoDue,
    #[error("`{}` is no time that I understand. WHEN is {WHEN_HELP}, or `none`.", excerpt(.0))]
    NotADue(String),
    #[error(
        "Which priority? Type `prio high`, or `prio 2 high` for number 2 of your list. It is urgent, high, normal, low or none."
    )]
    NoPriority,
    #[error("`{}` is no priority. Type `prio [REF]` and urgent, high, normal, low or none.", excerpt(.0))]
    NotAPriority(String),
    #[error("A comment needs text: `comment TEXT`, or `comment on REF: TEXT`.")]
    EmptyComment,
    #[error(
        "Is that a comment on `{0}`? Then it takes a colon: `comment on {0}: {1}`. For one on the current task that begins so, put \
         quotation marks around the text.",
        excerpt(.task), said_so(.text)
    )]
    NoColon { task: String, text: String },
    #[error(
        "A task needs a title on the first line: `create TITLE`. `help` lists what may follow it."
    )]
    EmptyTitle,
    #[error(
        "`link` needs a source and your account there: `link github LOGIN`, or `link clickup NAME-OR-EMAIL`."
    )]
    NotALink,
    #[error("`unlink` needs a source and nothing else: `unlink github` or `unlink clickup`.")]
    NotAnUnlink,
    #[error(
        "I do not understand `{}` after `list`. Type `list`, `list 5` for the first five, or what to narrow it to: {}, \
         or a client.",
        excerpt(.0), Filter::WORDS.join(", ")
    )]
    NotAFilter(String),
    #[error("`{0}` needs a value after it: `{0} {1}`.")]
    NoValue(&'static str, &'static str),
    #[error("`{0}` was given twice; once is enough.")]
    Twice(&'static str),
    #[error("I have no source `{}`. It is `-s clickup` or `-s github`.", excerpt(.0))]
    UnknownSource(String),
    #[error("`{}` is not a repository. Type it as `-r owner/repo`.", excerpt(.0))]
    NotARepo(String),
    #[error(
        "`{}` is not the id of a ClickUp list. It is the number in the list's address: `-l 901100000001`.",
        excerpt(.0)
    )]
    NotAList(String),
    #[error("`{}` cannot be an entity: brackets and line breaks do not fit into `[CLIENT:…]`.", excerpt(.0))]
    NotAnEntity(String),
    #[error(
        "A task is made in one place: `-r` is a GitHub repository and `-l` a ClickUp list. Leave one of them out."
    )]
    RepoAndList,
    #[error(
        "`-r` is a GitHub repository and does not go with `-s clickup`. Leave one of them out."
    )]
    RepoInClickUp,
    #[error("`-l` is a ClickUp list and does not go with `-s github`. Leave one of them out.")]
    ListInGitHub,
}

impl ParseError {
    /// Whether the text reads as something that is simply said, though it may begin like a command: "done with the
    /// first half". What uses a flag, or a verb that wants a text and has none, is a command with a slip in it.
    pub fn is_prose(&self) -> bool {
        match self {
            ParseError::UnknownVerb(_)
            | ParseError::NothingAfter { .. }
            | ParseError::NotARef(_)
            | ParseError::AfterRef { .. }
            | ParseError::NotAFilter(_)
            | ParseError::NotARefOf { .. }
            | ParseError::NotATime(_)
            | ParseError::NotHours(_)
            | ParseError::NotReceipts(_)
            | ParseError::NotADue(_)
            | ParseError::NotAPriority(_)
            | ParseError::NotAWhen(_)
            | ParseError::NotALink
            | ParseError::NotAnUnlink => true,
            ParseError::Empty
            | ParseError::EmptyComment
            | ParseError::NoColon { .. }
            | ParseError::NoPriority
            | ParseError::NoWhen
            | ParseError::NoPerson
            | ParseError::NoDue
            | ParseError::EmptyTitle
            | ParseError::NoValue(..)
            | ParseError::Twice(_)
            | ParseError::UnknownSource(_)
            | ParseError::NotARepo(_)
            | ParseError::NotAList(_)
            | ParseError::NotAnEntity(_)
            | ParseError::RepoAndList
            | ParseError::RepoInClickUp
            | ParseError::ListInGitHub => false,
        }
    }
}

/// Reads a command as typed: in a DM, after a mention, or (`create`) in a channel (design 4, 10).
///
/// Slack's wire form is undone already. Fails with the hint to answer, for any text that is not a command.
pub fn parse(text: &str) -> Result<Command, ParseError> {
    let bare = without_smiles(text);
    // A smile at the end is no part of a command. In a text of somebody's own it stays.
    let split = split_verb(text).or_else(|| split_verb(bare));
    match split {
        Some((verb, rest)) => match (verb.read)(rest) {
            Ok(command) if has_text(verb) || !takes_any_word(&command) => Ok(command),
            read if has_text(verb) || without_smiles(rest) == trim(rest) => read,
            _ => (verb.read)(without_smiles(rest)),
        },
        None => Err(match split_word(trim(text)) {
            ("", _) => ParseError::Empty,
            (word, _) => ParseError::UnknownVerb(word.to_owned()),
        }),
    }
}

/// Whether a command takes words that only the desk knows, a smile among them.
fn takes_any_word(command: &Command) -> bool {
    match command {
        Command::List { filter, .. } => !filter.entities.is_empty(),
        Command::Assign { .. } | Command::Link { .. } => true,
        _ => false,
    }
}

/// Whether a text of somebody's own follows the verb.
fn has_text(verb: &Verb) -> bool {
    matches!(verb.name, "comment" | "create")
}

/// The text without the emoji at its end: `:tada:` as Slack writes it, the character itself, or `:)`.
fn without_smiles(text: &str) -> &str {
    const TYPED: [&str; 15] = [
        ":)", ":-)", ";)", ";-)", ":D", ":-D", ":(", ":-(", ":P", ":p", ":-P", ":'(", "=)", "<3",
        "^^",
    ];
    let mut rest = trim(text);
    loop {
        let bare = trim(rest.trim_end_matches(['.', '!']));
        let shorter = TYPED
            .iter()
            .find_map(|smile| bare.strip_suffix(smile))
            .or_else(|| without_named_emoji(bare))
            .or_else(|| without_drawn_emoji(bare));
        match shorter {
            Some(shorter) => rest = trim(shorter),
            None => return rest,
        }
    }
}

/// Emoji that are numbers: `done :two:` may mean number 2 of the list, and must not complete the current task.
const NUMBERS: [&str; 11] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "keycap_ten",
];

/// Without `:tada:` at the end.
fn without_named_emoji(text: &str) -> Option<&str> {
    let (before, name) = text.strip_suffix(':')?.rsplit_once(':')?;
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '\'');
    if NUMBERS.contains(&name) {
        return None;
    }
    let named = name.chars().all(fits) && name.chars().any(|c| c.is_alphabetic() || c == '+');
    (named || matches!(name, "-1" | "100" | "1234")).then_some(before)
}

/// Without the characters at the end that are drawn as emoji.
fn without_drawn_emoji(text: &str) -> Option<&str> {
    // U+1F51F is a ten in a box, a number as those of one character and U+20E3 are.
    let drawn = |c: char| {
        matches!(u32::from(c), 0x1F000..=0x1F51E | 0x1F520..=0x1FAFF | 0x2600..=0x27BF | 0x2B00..=0x2BFF | 0x23E9..=0x23FA
            | 0x231A..=0x231B | 0x2194..=0x2199 | 0x21A9..=0x21AA | 0x25AA..=0x25FE | 0x2934..=0x2935 | 0x203C | 0x2049
            | 0x2122 | 0x2139 | 0x2328 | 0x23CF | 0x3030 | 0x303D | 0x3297 | 0x3299)
    };
    // What joins and colours them.
    let joins = |c: char| matches!(u32::from(c), 0x200D | 0xFE0E..=0xFE0F | 0xE0020..=0xE007F);
    let shorter = text.trim_end_matches(|c: char| drawn(c) || joins(c));
    text.chars()
        .rev()
        .find(|c| !joins(*c))
        .filter(|c| drawn(*c))?;
    Some(shorter)
}

impl Command {
    /// Adds to the text that it writes, a line or more each; `false` if there is something and it writes no text.
    pub fn add(&mut self, pieces: &[String]) -> bool {
        let (text, between) = match self {
            Command::Comment { text, .. } | Command::Reply(text) => (text, "\n"),
            Command::Done {
                comment: Some(text),
                ..
            } => (text, "\n"),
            Command::Create(create) if !pieces.is_empty() => {
                (create.description.get_or_insert_default(), "\n\n")
            }
            _ => return pieces.is_empty(),
        };
        for piece in pieces {
            text.truncate(text.trim_end().len());
            if !text.is_empty() {
                text.push_str(between);
            }
            text.push_str(piece);
        }
        true
    }
}

/// Whether the text is `create` and nothing else: where there are forms, it asks for one.
pub fn is_create_alone(text: &str) -> bool {
    split_verb(text)
        .is_some_and(|(verb, rest)| verb.name == "create" && is_mere_punctuation(trim(rest)))
}

/// Whether the text's verb is `create`: what a channel's message needs in order to be read at all (design 4).
pub fn is_bare_create(text: &str) -> bool {
    split_verb(text).is_some_and(|(verb, _)| verb.name == "create")
}

/// Reads a REF: a list number, `#12`, a task id, `owner/repo#12` as replies show it, or a pasted address.
pub fn parse_ref(text: &str) -> Option<Ref> {
    let text = trim(text).trim_matches('`');
    if let Some(number) = text.strip_prefix('#') {
        return digits(number).map(Ref::Issue);
    }
    if let Some(number) = digits(text) {
        return Some(Ref::Nth(usize::try_from(number).ok()?));
    }
    TaskId::parse(text)
        .ok()
        .or_else(|| TaskId::from_url(text))
        // Slack gives an address that was typed without its scheme back without it.
        .or_else(|| TaskId::from_url(&format!("https://{text}")))
        .or_else(|| {
            let (repo, number) = text.split_once('#')?;
            TaskId::github(Some(RepoName::parse(repo)?), digits(number)?)
        })
        .map(Ref::Id)
        .or_else(|| labelled(text).and_then(|(named, rest)| rest.is_empty().then_some(named)))
}

/// A link with a text of its own, as it is copied out of our replies: `Renew cert (https://app.clickup.com/t/86…)`.
/// Also returns what follows it.
fn labelled(text: &str) -> Option<(Ref, &str)> {
    /// A title may have brackets too.
    const BRACKETS_MAX: usize = 8;
    text.match_indices(')')
        .take(BRACKETS_MAX)
        .find_map(|(at, _)| {
            let (before, bracket) = text.split_at_checked(at)?;
            let after = bracket.strip_prefix(')')?;
            let (_, url) = before.rsplit_once(" (")?;
            let task = TaskId::from_url(url).filter(|_| at_boundary(after))?;
            Some((Ref::Id(task), after))
        })
}

/// The verb that a text begins with, and what follows it.
fn split_verb(text: &str) -> Option<(&'static Verb, &str)> {
    let text = unmarked(trim(text));
    if let Some(verb) = verb_called(&spoken(text), true) {
        return Some((verb, ""));
    }
    let (word, rest) = split_word(text);
    verb_called(&unmarked(word).to_lowercase(), false).map(|verb| (verb, rest))
}

/// The verb of that name or alias, in lower case; an alias of several words counts only as a whole message.
fn verb_called(said: &str, whole: bool) -> Option<&'static Verb> {
    let is = |alias: &str| {
        let alias = alias.to_lowercase();
        if alias.contains(' ') {
            whole && alias.trim_end_matches('?') == said.trim_end_matches('?')
        } else {
            alias == said
        }
    };
    VERBS
        .iter()
        .find(|verb| is(verb.name) || verb.aliases.iter().any(|alias| is(alias)))
}

/// A message as it would be said: lower case, single spaces, no full stop or exclamation mark at its end.
fn spoken(text: &str) -> String {
    let bare = unmarked(text.trim_end_matches(['.', '!'])).trim_end_matches(['.', '!']);
    // A mark that stands alone may be the text of a comment.
    let text = if bare.ends_with(char::is_whitespace) {
        text
    } else {
        bare
    };
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

/// `done [REF] [-c TEXT]`; with the text in quotes, as in a shell, REF may follow it.
fn done(rest: &str) -> Result<Command, ParseError> {
    const COMMENT: Flag = Flag::new("-c", "--comment", "TEXT");
    let rest = trim(rest);
    let (mut task, mut comment, mut after) = (None, None, rest);
    if !is_mere_punctuation(rest) && flag(rest, &[COMMENT]).is_none() {
        let (word, then) = split_word(rest);
        let (named, then) = match parse_ref(word) {
            Some(named) => (named, then),
            None => labelled(rest).ok_or_else(|| ParseError::NotARef(word.to_owned()))?,
        };
        task = Some(named);
        after = trim(then);
    }
    if let Some((_, text)) = flag(after, &[COMMENT]) {
        let mut text = trim(text);
        if let Some((quoted, then)) = quoted(text, true) {
            let then = trim(then);
            if then.is_empty() {
                text = trim(quoted);
            } else if task.is_none()
                && let Some(named) = parse_ref(then)
            {
                task = Some(named);
                text = trim(quoted);
            }
        }
        if text.is_empty() {
            return Err(COMMENT.no_value());
        }
        comment = Some(text.to_owned());
    } else if !is_mere_punctuation(after) {
        return Err(ParseError::AfterRef {
            task: split_word(rest).0.to_owned(),
            found: after.to_owned(),
        });
    }
    Ok(Command::Done { task, comment })
}

/// `comment TEXT`, or `comment on REF: TEXT`, split at the first colon before a space after a REF that parses.
fn comment(rest: &str) -> Result<Command, ParseError> {
    let rest = trim(rest);
    let (task, text) = match on_ref(rest) {
        Some((task, text)) => (Some(task), trim(text)),
        None => (None, rest),
    };
    if text.is_empty() {
        return Err(ParseError::EmptyComment);
    }
    if let Some((named, after)) = without_colon(rest).filter(|_| task.is_none()) {
        return Err(ParseError::NoColon {
            task: named.to_owned(),
            text: after.to_owned(),
        });
    }
    let text = match (task.is_none(), quoted(text, false)) {
        // What would be asked about otherwise is said so.
        (true, Some((inside, ""))) if without_colon(trim(inside)).is_some() => trim(inside),
        _ => text,
    };
    Ok(Command::Comment {
        task,
        text: text.to_owned(),
    })
}

/// `on REF TEXT`, whose colon was forgotten, and `on REF` alone. A number with words after it may be anything: `on 7 August`.
fn without_colon(text: &str) -> Option<(&str, &str)> {
    let (on, rest) = split_word(text);
    if !on.eq_ignore_ascii_case("on") {
        return None;
    }
    let rest = trim(rest);
    let bare = rest.trim_end_matches(['.', '!', '?', ',', ';', '-']);
    if parse_ref(bare).is_some() {
        return Some((trim(bare), ""));
    }
    let (word, _) = split_word(rest);
    let named = match word.split_once(':') {
        // The space after the colon was forgotten.
        Some((named, _)) if parse_ref(named).is_some() => named,
        _ => word.trim_end_matches(['.', '!', '?', ',', ';', '-']),
    };
    let task = parse_ref(named)?;
    let after = rest.strip_prefix(named)?;
    if matches!(task, Ref::Nth(_)) && !skip_spaces(after).starts_with('\n') {
        return None;
    }
    let is_mark =
        |c: char| c.is_whitespace() || matches!(c, ':' | '.' | '!' | '?' | ',' | ';' | '-');
    Some((named, after.trim_start_matches(is_mark)))
}

/// The text of a comment as a hint repeats it.
fn said_so(text: &str) -> String {
    match text {
        "" => "TEXT".to_owned(),
        text => excerpt(text),
    }
}

fn on_ref(text: &str) -> Option<(Ref, &str)> {
    let (task, after) = split_on(text)?;
    Some((parse_ref(task)?, after))
}

/// Splits `on REF: TEXT` at the first colon that a space or a line break follows, if what is before it is a REF
/// (design 10). A colon at the very end counts, so that a forgotten text does not become a comment.
pub fn split_on(text: &str) -> Option<(&str, &str)> {
    let (on, rest) = split_word(text);
    if !on.eq_ignore_ascii_case("on") {
        return None;
    }
    let (task, after) = rest
        .char_indices()
        .filter(|&(_, c)| c == ':')
        .find_map(|(at, _)| {
            let (before, colon) = rest.split_at_checked(at)?;
            let after = colon.strip_prefix(':')?;
            at_boundary(after).then_some((before, after))
        })?;
    parse_ref(task).map(|_| (task, after))
}

/// `start [REF]` and its like: a REF and nothing else, or nothing.
fn optional_ref(verb: &'static str, rest: &str) -> Result<Option<Ref>, ParseError> {
    let rest = trim(rest);
    if is_mere_punctuation(rest) {
        return Ok(None);
    }
    parse_ref(rest.trim_end_matches(['.', '!']))
        .map(Some)
        .ok_or_else(|| ParseError::NotARefOf {
            verb,
            found: rest.to_owned(),
        })
}

/// `snooze [REF] WHEN`
fn snooze(rest: &str) -> Result<Command, ParseError> {
    let (task, when) = split_snooze(rest);
    if is_mere_punctuation(when) {
        return Err(ParseError::NoWhen);
    }
    Ok(Command::Snooze {
        task: task.and_then(parse_ref),
        until: When::parse(when).ok_or_else(|| ParseError::NotAWhen(when.to_owned()))?,
    })
}

/// `assign [REF] @PERSON`; a single word is the person.
fn assign(rest: &str) -> Result<Command, ParseError> {
    let rest = trim(rest).trim_end_matches(['.', '!']);
    let (task, to) = match rest.split_once('@') {
        Some((task, to)) => (trim(task), to),
        None => match split_word(rest) {
            (to, after) if trim(after).is_empty() => ("", to),
            (task, to) => (task, to),
        },
    };
    let task = trim(task.strip_suffix(" to").unwrap_or(task));
    let to = trim(to.trim_start().strip_prefix("to ").unwrap_or(to));
    if to.is_empty() {
        return Err(ParseError::NoPerson);
    }
    let task = match task {
        "" | "to" => None,
        named => Some(parse_ref(named).ok_or_else(|| ParseError::NotARefOf {
            verb: "assign",
            found: named.to_owned(),
        })?),
    };
    Ok(Command::Assign {
        task,
        to: to.to_owned(),
    })
}

/// `due [REF] WHEN|none`
fn due(rest: &str) -> Result<Command, ParseError> {
    let (task, when) = split_due(rest);
    if is_mere_punctuation(when) {
        return Err(ParseError::NoDue);
    }
    let at = match is_none(when) {
        true => None,
        false => Some(When::parse_due(when).ok_or_else(|| ParseError::NotADue(when.to_owned()))?),
    };
    Ok(Command::Due {
        task: task.and_then(parse_ref),
        at,
    })
}

/// Splits `[REF] WHEN|none`.
pub fn split_due(text: &str) -> (Option<&str>, &str) {
    split_snooze(text)
}

/// Whether the word takes away what another would set.
pub fn is_none(word: &str) -> bool {
    let word = trim(word).trim_end_matches(['.', '!']);
    word.eq_ignore_ascii_case("none") || word.eq_ignore_ascii_case("never")
}

/// `prio [REF] LEVEL`
fn prioritise(rest: &str) -> Result<Command, ParseError> {
    let rest = trim(rest).trim_end_matches(['.', '!']);
    let (before, level) = match rest.rsplit_once(char::is_whitespace) {
        Some((before, level)) => (trim(before), level),
        None => ("", rest),
    };
    if before.is_empty() && (level.is_empty() || parse_ref(level).is_some()) {
        return Err(ParseError::NoPriority);
    }
    let priority = match level {
        none if is_none(none) => None,
        level => Some(
            Priority::parse(&level.to_lowercase())
                .ok_or_else(|| ParseError::NotAPriority(level.to_owned()))?,
        ),
    };
    let task = match before {
        "" => None,
        named => Some(parse_ref(named).ok_or_else(|| ParseError::NotARefOf {
            verb: "prio",
            found: named.to_owned(),
        })?),
    };
    Ok(Command::Prioritise { task, priority })
}

/// Splits `[REF] WHEN`. What is a time as a whole is one: `2 dec` is a day, and no task.
pub fn split_snooze(text: &str) -> (Option<&str>, &str) {
    let text = trim(text);
    if When::parse(text).is_some() {
        return (None, text);
    }
    let (word, after) = split_word(text);
    if parse_ref(word).is_some() {
        return (Some(word), trim(after));
    }
    match labelled(text) {
        Some((_, after)) => (Some(before(text, after)), trim(after)),
        None => (None, text),
    }
}

/// `link SOURCE ACCOUNT`; a ClickUp name may have spaces.
fn link(rest: &str) -> Result<Command, ParseError> {
    let (source, account) = split_word(trim(rest));
    let account = trim(account).trim_matches('`');
    let account = match quoted(account, false) {
        Some((inside, "")) => trim(inside),
        _ => account,
    };
    match Source::parse(&source.to_lowercase()) {
        Some(source) if !account.is_empty() => Ok(Command::Link {
            source,
            account: account.to_owned(),
        }),
        _ => Err(ParseError::NotALink),
    }
}

/// `unlink SOURCE`
fn unlink(rest: &str) -> Result<Command, ParseError> {
    let source = trim(rest).trim_end_matches(['.', '!']).to_lowercase();
    Source::parse(&source)
        .map(|source| Command::Unlink { source })
        .ok_or(ParseError::NotAnUnlink)
}

/// `list [N] [FILTER…]`, in any order. Which words are clients, the desk knows.
fn list(rest: &str) -> Result<Command, ParseError> {
    let rest = trim(rest);
    let unclear = || ParseError::NotAFilter(rest.to_owned());
    let (mut limit, mut words) = (None, String::new());
    if !is_mere_punctuation(rest) {
        for word in rest.trim_end_matches(['.', '!']).split_whitespace() {
            match digits(word) {
                Some(number) if limit.is_none() => {
                    limit = Some(usize::try_from(number).map_err(|_| unclear())?);
                }
                Some(_) => return Err(unclear()),
                None if word.bytes().all(|b| b.is_ascii_digit()) => return Err(unclear()),
                None => {
                    words.push_str(word);
                    words.push(' ');
                }
            }
        }
    }
    let filter = Filter::read(&words);
    Ok(Command::List { limit, filter })
}

/// `briefing 8:30`, `briefing off`, `briefing default`; alone it is `morning`.
fn briefing(rest: &str) -> Result<Command, ParseError> {
    let rest = trim(rest).trim_end_matches(['.', '!']);
    match rest.to_lowercase().as_str() {
        "" => Ok(Command::Morning),
        "off" | "never" => Ok(Command::Briefing(None)),
        DEFAULT => Ok(Command::Usual(Setting::Briefing)),
        _ => time_of_day(rest)
            .map(|at| Command::Briefing(Some(at)))
            .ok_or_else(|| ParseError::NotATime(rest.to_owned())),
    }
}

/// `quiet 20:00-8:00`, `quiet off`, `quiet default`; alone it shows how it is.
fn quiet(rest: &str) -> Result<Command, ParseError> {
    let rest = trim(rest).trim_end_matches(['.', '!']);
    match rest.to_lowercase().as_str() {
        "" => Ok(Command::QuietHours),
        "off" | "never" => Ok(Command::Quiet(None)),
        DEFAULT => Ok(Command::Usual(Setting::Quiet)),
        _ => Quiet::parse(rest)
            .map(|hours| Command::Quiet(Some(hours)))
            .ok_or_else(|| ParseError::NotHours(rest.to_owned())),
    }
}

/// `receipts reactions`, `receipts messages`, `receipts default`; alone it shows how it is.
fn receipts(rest: &str) -> Result<Command, ParseError> {
    let rest = trim(rest).trim_end_matches(['.', '!']);
    match rest.to_lowercase().as_str() {
        "" => Ok(Command::ReceiptsAre),
        DEFAULT => Ok(Command::Usual(Setting::Receipts)),
        _ => Receipts::typed(rest)
            .map(Command::Receipts)
            .ok_or_else(|| ParseError::NotReceipts(rest.to_owned())),
    }
}

/// `log [N] [REF]`. A bare number is how many; an issue of the default repo is `#12`.
fn log(rest: &str) -> Result<Command, ParseError> {
    let (limit, task) = split_log(rest);
    if is_mere_punctuation(task) {
        return Ok(Command::Log { task: None, limit });
    }
    Ok(Command::Log {
        task: optional_ref("log", task)?,
        limit,
    })
}

/// Splits `[N] [REF]`.
pub fn split_log(text: &str) -> (Option<usize>, &str) {
    let text = trim(text);
    let (word, after) = split_word(text);
    match digits(word.trim_end_matches(['.', '!'])).and_then(|number| usize::try_from(number).ok())
    {
        Some(number) => (Some(number), trim(after)),
        None => (None, text),
    }
}

fn nothing_after(verb: &'static str, rest: &str, command: Command) -> Result<Command, ParseError> {
    let rest = trim(rest);
    if is_mere_punctuation(rest) {
        Ok(command)
    } else {
        Err(ParseError::NothingAfter {
            verb,
            found: rest.to_owned(),
        })
    }
}

const SOURCE: Flag = Flag::new("-s", "--source", "clickup` or `-s github");
const ENTITY: Flag = Flag::new("-e", "--entity", "ENTITY");
const DESCRIPTION: Flag = Flag::new("-d", "--description", "TEXT");
const REPO: Flag = Flag::new("-r", "--repo", "owner/repo");
const LIST: Flag = Flag::new("-l", "--list", "LIST");
const ASSIGNEE: Flag = Flag::new("-a", "--assignee", "PERSON` or `-a nobody");
const OF_CREATE: &[Flag] = &[SOURCE, ENTITY, DESCRIPTION, ASSIGNEE, REPO, LIST];

/// `create TITLE [-s clickup|github] [-e ENTITY] [-d TEXT] [-a PERSON] [-r owner/repo | -l LIST]`, the options in any order and
/// place of the first line; what is no known option is title. `-r` implies GitHub and `-l` ClickUp.
fn create(rest: &str) -> Result<Command, ParseError> {
    let mut new = Create::default();
    let mut title = Title::default();
    let mut rest = rest;
    // Once a mark stays open on this line, no later one is tried: a line of marks would be searched over and over.
    let mut quotes_close = true;
    let lines_after = loop {
        let here = skip_spaces(rest);
        if here.is_empty() || here.starts_with('\n') {
            break trim(here);
        }
        let Some((flag, after)) = flag(here, OF_CREATE) else {
            let quotation = if quotes_close {
                quoted(here, false)
            } else {
                None
            };
            quotes_close &= quotation.is_some() || !here.starts_with(is_quote);
            let (piece, after) = match quotation {
                // Options within quotation marks are title.
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
                let source = Source::parse(value)
                    .ok_or_else(|| ParseError::UnknownSource(value.to_owned()))?;
                set_once(&mut new.source, source, flag)?;
            }
            ENTITY => set_once(&mut new.entity, entity(value)?, flag)?,
            ASSIGNEE => set_once(&mut new.assignee, Assignee::Called(value.to_owned()), flag)?,
            REPO => {
                let repo =
                    RepoName::parse(value).ok_or_else(|| ParseError::NotARepo(value.to_owned()))?;
                set_once(&mut new.repo, repo, flag)?;
            }
            LIST => set_once(&mut new.list, list_id(value)?, flag)?,
            _ => set_once(&mut new.description, value.to_owned(), flag)?,
        }
    };
    new.title = title.finish();
    if new.title.is_empty() {
        return Err(ParseError::EmptyTitle);
    }
    new.source = match (&new.repo, &new.list, new.source) {
        (Some(_), Some(_), _) => return Err(ParseError::RepoAndList),
        (Some(_), _, Some(Source::ClickUp)) => return Err(ParseError::RepoInClickUp),
        (_, Some(_), Some(Source::GitHub)) => return Err(ParseError::ListInGitHub),
        (Some(_), ..) => Some(Source::GitHub),
        (_, Some(_), _) => Some(Source::ClickUp),
        (None, None, source) => source,
    };
    new.description = match (new.description, lines_after) {
        (description, "") => description,
        (None, lines) => Some(lines.to_owned()),
        (Some(above), lines) => Some(format!("{above}\n{lines}")),
    };
    Ok(Command::Create(new))
}

fn set_once<T>(place: &mut Option<T>, value: T, flag: Flag) -> Result<(), ParseError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(ParseError::Twice(flag.short)),
    }
}

/// An entity stands in a tag and in a title's `[CLIENT:…]`, and has to be read back from there.
fn entity(value: &str) -> Result<String, ParseError> {
    let fits = |c: char| !c.is_control() && !matches!(c, '[' | ']');
    if value.chars().all(fits) {
        Ok(spaced(value))
    } else {
        Err(ParseError::NotAnEntity(value.to_owned()))
    }
}

/// List ids go into the path of a request: letters, digits, `-` and `_` only.
fn list_id(value: &str) -> Result<String, ParseError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if value.len() <= 64 && value.chars().all(fits) {
        Ok(value.to_owned())
    } else {
        Err(ParseError::NotAList(value.to_owned()))
    }
}

/// A title as its pieces are found between options.
#[derive(Default)]
struct Title {
    text: String,
    interrupted: bool,
}

impl Title {
    /// Adds a piece with the space that was typed before it; where an option stood between, that is one space.
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
        match quoted(text, false) {
            Some((inside, "")) => trim(inside).to_owned(),
            _ => text.to_owned(),
        }
    }
}

/// An option with its two spellings, and what its value looks like in a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flag {
    short: &'static str,
    long: &'static str,
    value: &'static str,
}

impl Flag {
    const fn new(short: &'static str, long: &'static str, value: &'static str) -> Flag {
        Flag { short, long, value }
    }

    fn no_value(self) -> ParseError {
        ParseError::NoValue(self.short, self.value)
    }

    /// Whether a word is this option. Phones make one dash of two, so a long dash stands for either.
    fn is(self, word: &str) -> bool {
        word == self.short
            || word == self.long
            || word.strip_prefix(['–', '—', '−']).is_some_and(|name| {
                name == self.short.trim_start_matches('-')
                    || name == self.long.trim_start_matches('-')
            })
    }
}

/// The known option that a text begins with, and what follows it. `--source=github` is understood too.
fn flag<'a>(text: &'a str, known: &[Flag]) -> Option<(Flag, &'a str)> {
    let find = |word: &str| known.iter().copied().find(|flag| flag.is(word));
    let (word, rest) = split_word(text);
    if let Some(flag) = find(word) {
        return Some((flag, rest));
    }
    let (name, _) = word.split_once('=')?;
    let flag = find(name).filter(|_| name.chars().count() > 2)?;
    Some((flag, text.strip_prefix(name)?.strip_prefix('=')?))
}

/// The value of an option that takes one word, or several in quotes; empty if there is none on this line.
fn word_value(text: &str) -> (&str, &str) {
    let text = skip_spaces(text);
    if let Some((inside, after)) = quoted(text, false) {
        return (trim(inside), after);
    }
    if flag(text, OF_CREATE).is_some() {
        return ("", text);
    }
    split_word(text)
}

/// The value of `-d`: in quotes (then it may go over several lines), or all up to the next option or the line's end.
fn text_value(text: &str) -> (&str, &str) {
    let text = skip_spaces(text);
    if let Some((inside, after)) = quoted(text, true) {
        return (trim(inside), after);
    }
    let mut rest = text;
    while !rest.is_empty() && !rest.starts_with('\n') && flag(rest, OF_CREATE).is_none() {
        rest = skip_spaces(split_word(rest).1);
    }
    (trim(before(text, rest)), rest)
}

/// Splits a text that begins with a quotation mark into what is inside and what follows. The closing mark is the
/// first before a space or the end of the line; with `lines`, failing that, the first of a later line that ends the line
/// or comes before an option.
fn quoted(text: &str, lines: bool) -> Option<(&str, &str)> {
    let open = text.chars().next()?;
    let family = QUOTES.iter().find(|marks| marks.contains(open))?;
    let inside = text.strip_prefix(open)?;
    let mut later_line = false;
    for (at, c) in inside.char_indices() {
        if c == '\n' {
            if !lines {
                return None;
            }
            later_line = true;
        } else if family.contains(c) {
            let (quoted, close) = inside.split_at_checked(at)?;
            let after = close.strip_prefix(c)?;
            let closes = if later_line {
                let then = skip_spaces(after);
                then.is_empty() || then.starts_with('\n') || flag(then, OF_CREATE).is_some()
            } else {
                at_boundary(after)
            };
            if closes {
                return Some((quoted, after));
            }
        }
    }
    None
}

/// Marks that open and close each other: keyboards differ in which of a family they take for which end.
const QUOTES: [&str; 3] = ["\"“”„", "'‘’‚", "«»"];

fn is_quote(c: char) -> bool {
    QUOTES.iter().any(|marks| marks.contains(c))
}

/// `*done*`, `_done_` and `` `done` `` without the marks, where they are around the whole text and nowhere within.
fn unmarked(text: &str) -> &str {
    let mut text = text;
    while let Some(mark @ ('*' | '_' | '`')) = text.chars().next() {
        let inside = text.trim_matches(mark);
        let before = text.len() - text.trim_start_matches(mark).len();
        let after = text.len() - text.trim_end_matches(mark).len();
        if inside.is_empty() || inside.contains(mark) || before != after {
            break;
        }
        text = trim(inside);
    }
    text
}

/// Without white space of any kind, and characters of no width, at its ends.
fn trim(text: &str) -> &str {
    let is_zero_width = |c: char| matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}');
    text.trim_matches(|c: char| c.is_whitespace() || is_zero_width(c))
}

/// The text from the next thing that is no space, or from the end of the line.
fn skip_spaces(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() && c != '\n')
}

/// Splits before the first white space.
fn split_word(text: &str) -> (&str, &str) {
    text.find(char::is_whitespace)
        .and_then(|at| text.split_at_checked(at))
        .unwrap_or((text, ""))
}

/// What stands in `text` before `rest`, its end.
fn before<'a>(text: &'a str, rest: &str) -> &'a str {
    text.len()
        .checked_sub(rest.len())
        .and_then(|at| text.get(..at))
        .unwrap_or(text)
}

fn at_boundary(text: &str) -> bool {
    text.chars().next().is_none_or(char::is_whitespace)
}

/// With plain spaces for white space of any kind.
fn spaced(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect()
}

/// A number from 1, in digits and nothing else.
fn digits(text: &str) -> Option<u64> {
    let only_digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|&number| only_digits && number > 0)
}

/// `done !`, as the French set it, is `done`.
fn is_mere_punctuation(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_whitespace() || matches!(c, '.' | '!'))
}

/// A person's text as a hint quotes it: short, on one line, and closing no quotation.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = text
        .chars()
        .take(LONGEST)
        .map(|c| match c {
            '`' => '\'',
            c if c.is_whitespace() || c.is_control() => ' ',
            c => c,
        })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn done(task: Option<Ref>, comment: Option<&str>) -> Command {
        Command::Done {
            task,
            comment: comment.map(str::to_owned),
        }
    }

    fn comment(task: Option<Ref>, text: &str) -> Command {
        let text = text.to_owned();
        Command::Comment { task, text }
    }

    fn titled(title: &str) -> Create {
        Create {
            title: title.to_owned(),
            ..Create::default()
        }
    }

    fn on_github(title: &str) -> Create {
        Create {
            source: Some(Source::GitHub),
            ..titled(title)
        }
    }

    fn described(title: &str, description: &str) -> Create {
        Create {
            description: Some(description.to_owned()),
            ..titled(title)
        }
    }

    fn id(text: &str) -> Option<Ref> {
        Some(Ref::Id(TaskId::parse(text).unwrap()))
    }

    fn snoozed(task: Option<Ref>, until: &str) -> Command {
        let until = When::parse(until).unwrap();
        Command::Snooze { task, until }
    }

    const NTH_2: Option<Ref> = Some(Ref::Nth(2));

    #[rstest]
    #[case::plain("done", done(None, None))]
    #[case::shouted("  DONE! ", done(None, None))]
    #[case::full_stop("Done.", done(None, None))]
    #[case::spaced_mark("done !", done(None, None))]
    #[case::bold("*done*", done(None, None))]
    #[case::italic("_done_", done(None, None))]
    #[case::code("`done`", done(None, None))]
    #[case::code_block("```done```", done(None, None))]
    #[case::bold_italic("*_Done_*", done(None, None))]
    #[case::bold_and_a_mark("*done*!", done(None, None))]
    #[case::bold_verb("*done* 2", done(NTH_2, None))]
    #[case::copied_from_help("`done 2 -c shipped`", done(NTH_2, Some("shipped")))]
    #[case::no_break_spaces("\u{a0}done\u{a0}2\u{202f}-c\u{3000}x", done(NTH_2, Some("x")))]
    #[case::zero_width("\u{200b}done\u{feff}", done(None, None))]
    #[case::finished("finished", done(None, None))]
    #[case::completed("Completed 2", done(NTH_2, None))]
    #[case::issue("done #12", done(Some(Ref::Issue(12)), None))]
    #[case::copied_from_a_reply(
        "done Renew (the) cert (https://app.clickup.com/t/86tst0001) -c x",
        done(id("clickup:86tst0001"), Some("x"))
    )]
    #[case::clickup("done clickup:86tst0001", done(id("clickup:86tst0001"), None))]
    #[case::github("done github:acme/widgets#7", done(id("github:acme/widgets#7"), None))]
    #[case::default_repo("done github:7", done(id("github:7"), None))]
    #[case::as_replies_show_it("done acme/widgets#7", done(id("github:acme/widgets#7"), None))]
    #[case::address(
        "done https://app.clickup.com/t/86tst0001",
        done(id("clickup:86tst0001"), None)
    )]
    #[case::address_without_scheme(
        "done github.com/acme/widgets/issues/7",
        done(id("github:acme/widgets#7"), None)
    )]
    #[case::commented("done -c shipped in 2.1", done(None, Some("shipped in 2.1")))]
    #[case::long_form("done 2 --comment shipped", done(NTH_2, Some("shipped")))]
    #[case::em_dash("done —comment shipped", done(None, Some("shipped")))]
    #[case::en_dash("done –c shipped", done(None, Some("shipped")))]
    #[case::equals("done --comment=shipped", done(None, Some("shipped")))]
    #[case::quoted("done -c \"shipped\"", done(None, Some("shipped")))]
    #[case::smart_quotes("done -c “it’s shipped”", done(None, Some("it’s shipped")))]
    #[case::quoted_then_ref("done -c \"shipped\" 2", done(NTH_2, Some("shipped")))]
    #[case::quotes_within("done -c \"a\" and \"b\"", done(None, Some("\"a\" and \"b\"")))]
    #[case::dash_in_the_comment("done -c use -c here", done(None, Some("use -c here")))]
    #[case::lines("done 2 -c one\n\n  two", done(NTH_2, Some("one\n\n  two")))]
    fn reads_done(#[case] typed: &str, #[case] command: Command) {
        assert_eq!(parse(typed), Ok(command));
    }

    #[rstest]
    #[case::plain("comment shipped", comment(None, "shipped"))]
    #[case::shouted("COMMENT Shipped!", comment(None, "Shipped!"))]
    #[case::only_a_mark("comment !", comment(None, "!"))]
    #[case::lines("comment one\n  two\n", comment(None, "one\n  two"))]
    #[case::from_the_next_line("comment\none\ntwo", comment(None, "one\ntwo"))]
    #[case::own_characters("comment  “don’t” — a\u{a0}b ", comment(None, "“don’t” — a\u{a0}b"))]
    #[case::quotes_stay("comment \"shipped\"", comment(None, "\"shipped\""))]
    #[case::no_option("comment done -c x", comment(None, "done -c x"))]
    #[case::on_ref("comment on 2: shipped", comment(NTH_2, "shipped"))]
    #[case::on_issue("comment ON #12:\nshipped", comment(Some(Ref::Issue(12)), "shipped"))]
    #[case::on_id(
        "comment on github:acme/widgets#7: a: b",
        comment(id("github:acme/widgets#7"), "a: b")
    )]
    #[case::on_address(
        "comment on https://app.clickup.com/t/86tst0001: shipped",
        comment(id("clickup:86tst0001"), "shipped")
    )]
    #[case::on_with_no_break_space("comment on\u{a0}2:\u{a0}shipped", comment(NTH_2, "shipped"))]
    #[case::not_a_ref("comment on hold: see 2: x", comment(None, "on hold: see 2: x"))]
    #[case::no_colon("comment on 2 we agree", comment(None, "on 2 we agree"))]
    #[case::no_space("comment on 2:shipped", comment(None, "on 2:shipped"))]
    #[case::not_on("comment once 2: x", comment(None, "once 2: x"))]
    fn reads_comment(#[case] typed: &str, #[case] command: Command) {
        assert_eq!(parse(typed), Ok(command));
    }

    #[rstest]
    #[case::plain("create Buy milk", titled("Buy milk"))]
    #[case::shouted("CREATE Buy milk", titled("Buy milk"))]
    #[case::bold("*create* Buy *milk*", titled("Buy *milk*"))]
    #[case::own_spelling("create Don’t panic — ever!", titled("Don’t panic — ever!"))]
    #[case::no_break_space("create\u{a0}Buy\u{a0}milk", titled("Buy milk"))]
    #[case::quoted("create \"Buy milk\"", titled("Buy milk"))]
    #[case::smart_quotes("create “Buy milk” -s github", on_github("Buy milk"))]
    #[case::single_quotes("create 'Don't panic'", titled("Don't panic"))]
    #[case::quoted_words("create \"Buy\" and \"milk\"", titled("\"Buy\" and \"milk\""))]
    #[case::open_quote("create \"Buy milk", titled("\"Buy milk"))]
    #[case::option_in_quotes("create \"Handle -s flag\" -s github", on_github("Handle -s flag"))]
    #[case::source("create Fix login -s github", on_github("Fix login"))]
    #[case::source_first("create -s GitHub Fix login", on_github("Fix login"))]
    #[case::source_within("create Fix  -s github  login", on_github("Fix login"))]
    #[case::long_form("create Fix login --source github", on_github("Fix login"))]
    #[case::equals("create Fix login --source=github", on_github("Fix login"))]
    #[case::em_dash("create Fix login —source github", on_github("Fix login"))]
    #[case::en_dash("create Fix login –s “github”", on_github("Fix login"))]
    #[case::unknown_option("create Support -x and --force", titled("Support -x and --force"))]
    #[case::no_option("create Top-down e-mail -", titled("Top-down e-mail -"))]
    #[case::entity(
        "create Fix login -e acme",
        Create { entity: Some("acme".into()), ..titled("Fix login") }
    )]
    #[case::entity_of_words(
        "create -e ‘Acme Corp’ Fix login",
        Create { entity: Some("Acme Corp".into()), ..titled("Fix login") }
    )]
    #[case::repo_implies_github(
        "create Fix login -r acme/widgets",
        Create { repo: RepoName::parse("acme/widgets"), ..on_github("Fix login") }
    )]
    #[case::list_implies_clickup(
        "create Buy milk --list 901100000002",
        Create {
            source: Some(Source::ClickUp),
            list: Some("901100000002".into()),
            ..titled("Buy milk")
        }
    )]
    #[case::described("create Buy milk -d two litres", described("Buy milk", "two litres"))]
    #[case::described_first("create -d “two litres” Buy milk", described("Buy milk", "two litres"))]
    #[case::described_in_quotes(
        "create Buy -d \"two -s litres\" milk",
        described("Buy milk", "two -s litres")
    )]
    #[case::described_over_lines(
        "create Buy milk -d \"two\nlitres\" -s github",
        Create { source: Some(Source::GitHub), ..described("Buy milk", "two\nlitres") }
    )]
    #[case::described_up_to_an_option(
        "create Buy milk -d two litres -s github",
        Create { source: Some(Source::GitHub), ..described("Buy milk", "two litres") }
    )]
    #[case::described_with_an_unknown_option(
        "create Buy milk -d two -x litres",
        described("Buy milk", "two -x litres")
    )]
    #[case::described_with_an_open_quote(
        "create Buy milk -d \"two\nlitres",
        described("Buy milk", "\"two\nlitres")
    )]
    #[case::lines(
        "create Buy milk\n\n- two\n- litres -s github\n",
        described("Buy milk", "- two\n- litres -s github")
    )]
    #[case::both("create Buy milk -d two\nlitres", described("Buy milk", "two\nlitres"))]
    #[case::everything(
        "create -e acme Fix login -d it fails -r acme/widgets -s github\non Safari",
        Create {
            entity: Some("acme".into()),
            repo: RepoName::parse("acme/widgets"),
            source: Some(Source::GitHub),
            ..described("Fix login", "it fails\non Safari")
        }
    )]
    fn reads_create(#[case] typed: &str, #[case] create: Create) {
        assert_eq!(parse(typed), Ok(Command::Create(create)));
        assert!(is_bare_create(typed));
    }

    fn assigned(task: Option<Ref>, to: &str) -> Command {
        Command::Assign {
            task,
            to: to.to_owned(),
        }
    }

    fn listed(limit: Option<usize>, filter: &str) -> Command {
        Command::List {
            limit,
            filter: Filter::read(filter),
        }
    }

    #[rstest]
    #[case("current", Command::Current)]
    #[case("What should I work on?", Command::Current)]
    #[case("what  should i work on", Command::Current)]
    #[case("next", Command::Next)]
    #[case("Skip!", Command::Next)]
    #[case("later.", Command::Next)]
    #[case("Not\u{a0}now!", Command::Next)]
    #[case("list", listed(None, ""))]
    #[case("list.", listed(None, ""))]
    #[case("tasks 5", listed(Some(5), ""))]
    #[case("Show my tasks", listed(None, ""))]
    #[case("list overdue", listed(None, "overdue"))]
    #[case("List GitHub, overdue 3.", listed(Some(3), "overdue github"))]
    #[case("list 3 snoozed clickup Acme", listed(Some(3), "snoozed clickup acme"))]
    #[case("list blocked!", listed(None, "blocked"))]
    #[case("list acme bolt", listed(None, "acme bolt"))]
    #[case(
        "tasks Acme, bolt 5 overdue globex",
        listed(Some(5), "overdue acme bolt globex")
    )]
    #[case("start", Command::Start { task: None })]
    #[case("Start 2", Command::Start { task: NTH_2 })]
    #[case("reopen #12.", Command::Reopen { task: Some(Ref::Issue(12)) })]
    #[case("reopen", Command::Reopen { task: None })]
    #[case("assign @bo", assigned(None, "bo"))]
    #[case("assign Bo", assigned(None, "Bo"))]
    #[case("Assign 2 @Ana Lima.", assigned(NTH_2, "Ana Lima"))]
    #[case("assign 2 to @U0BOB01", assigned(NTH_2, "U0BOB01"))]
    #[case("assign 2 to bo", assigned(NTH_2, "bo"))]
    #[case("assign 2 me", assigned(NTH_2, "me"))]
    #[case("claim #12", Command::Claim { task: Some(Ref::Issue(12)) })]
    #[case("claim", Command::Claim { task: None })]
    #[case("due fri", Command::Due { task: None, at: When::parse("fri").map(DueWhen::Day) })]
    #[case("due 2 1 dec 17:00", Command::Due { task: NTH_2, at: When::parse("1 dec 17:00").map(DueWhen::Time) })]
    #[case("due 2 None.", Command::Due { task: NTH_2, at: None })]
    #[case("prio high", Command::Prioritise { task: None, priority: Some(Priority::High) })]
    #[case("Priority 2 URGENT!", Command::Prioritise { task: NTH_2, priority: Some(Priority::Urgent) })]
    #[case("prio acme/widgets#7 none", Command::Prioritise { task: id("github:acme/widgets#7"), priority: None })]
    #[case("undo!", Command::Undo { of: None })]
    #[case("who am I", Command::Whoami)]
    #[case("link GitHub ana-lee", Command::Link { source: Source::GitHub, account: "ana-lee".into() })]
    #[case("link clickup Ana Lee", Command::Link { source: Source::ClickUp, account: "Ana Lee".into() })]
    #[case("link clickup “Ana Lee”", Command::Link { source: Source::ClickUp, account: "Ana Lee".into() })]
    #[case("unlink GitHub.", Command::Unlink { source: Source::GitHub })]
    #[case("why", Command::Why { task: None })]
    #[case("Why?", Command::Why { task: None })]
    #[case("why clickup:86tst0001", Command::Why { task: id("clickup:86tst0001") })]
    #[case("snooze 2h", snoozed(None, "2h"))]
    #[case("snooze 2 2h", snoozed(NTH_2, "2h"))]
    #[case("snooze 2 hours", snoozed(None, "2 hours"))]
    #[case("snooze 2 dec", snoozed(None, "2 dec"))]
    #[case("snooze 2 mon 9:00", snoozed(NTH_2, "mon 9:00"))]
    #[case(
        "snooze #12 until tomorrow.",
        snoozed(Some(Ref::Issue(12)), "tomorrow")
    )]
    #[case(
        "snooze Login (https://github.com/acme/widgets/issues/7) 3d",
        snoozed(id("github:acme/widgets#7"), "3d")
    )]
    #[case("log", Command::Log { task: None, limit: None })]
    #[case("log 3.", Command::Log { task: None, limit: Some(3) })]
    #[case("Log #12", Command::Log { task: Some(Ref::Issue(12)), limit: None })]
    #[case("log 5 clickup:86tst0001", Command::Log { task: id("clickup:86tst0001"), limit: Some(5) })]
    #[case("morning", Command::Morning)]
    #[case("Brief me!", Command::Morning)]
    #[case("briefing", Command::Morning)]
    #[case("briefing 8:30", Command::Briefing(NaiveTime::from_hms_opt(8, 30, 0)))]
    #[case(
        "Briefing at 9 am.",
        Command::Briefing(NaiveTime::from_hms_opt(9, 0, 0))
    )]
    #[case("briefing OFF", Command::Briefing(None))]
    #[case("quiet", Command::QuietHours)]
    #[case("quiet 20:00 – 8:00", Command::Quiet(Some(Quiet::NIGHT)))]
    #[case("quiet off!", Command::Quiet(None))]
    #[case("briefing Default", Command::Usual(Setting::Briefing))]
    #[case("quiet default.", Command::Usual(Setting::Quiet))]
    #[case("receipts default", Command::Usual(Setting::Receipts))]
    #[case("receipts", Command::ReceiptsAre)]
    #[case("Receipts reactions!", Command::Receipts(Receipts::Reactions))]
    #[case("receipts messages", Command::Receipts(Receipts::Message))]
    #[case("receipts message", Command::Receipts(Receipts::Message))]
    #[case("status", Command::Status)]
    #[case("help", Command::Help)]
    #[case("help me please", Command::Help)]
    #[case("?", Command::Help)]
    #[case("`commands`", Command::Help)]
    fn reads_the_rest(#[case] typed: &str, #[case] command: Command) {
        assert_eq!(parse(typed), Ok(command));
        assert!(!is_bare_create(typed));
    }

    #[rstest]
    #[case(
        "",
        "Type a command: `done`, `comment TEXT` or `create TITLE`. `help` lists them all."
    )]
    #[case(
        " \u{200b}\n",
        "Type a command: `done`, `comment TEXT` or `create TITLE`. `help` lists them all."
    )]
    #[case(
        "hello there",
        "I do not know `hello`. Try `done`, `comment TEXT` or `create TITLE`. `help` lists them all."
    )]
    #[case(
        "done?",
        "I do not know `done?`. Try `done`, `comment TEXT` or `create TITLE`. `help` lists them all."
    )]
    #[case(
        "ab`defghij0123456789abcdefghij0123456789too-long",
        "I do not know `ab'defghij0123456789abcdefghij0123456789…`. Try `done`, `comment TEXT` or `create TITLE`. `help` lists them all."
    )]
    #[case(
        "done some words",
        "`some` does not name a task. After `done` comes a number of the last list, a task id, `#12` or the link of a task; a comment goes after `-c`: `done -c TEXT`."
    )]
    #[case(
        "done 0",
        "`0` does not name a task. After `done` comes a number of the last list, a task id, `#12` or the link of a task; a comment goes after `-c`: `done -c TEXT`."
    )]
    #[case(
        "done 2\nshipped it",
        "I read `2` as the task, and do not know what `shipped it` after it means. A comment goes after `-c`: `done 2 -c TEXT`."
    )]
    #[case("done 2 -c", "`-c` needs a value after it: `-c TEXT`.")]
    #[case("done -c \"\"", "`-c` needs a value after it: `-c TEXT`.")]
    #[case(
        "comment",
        "A comment needs text: `comment TEXT`, or `comment on REF: TEXT`."
    )]
    #[case(
        "comment.",
        "A comment needs text: `comment TEXT`, or `comment on REF: TEXT`."
    )]
    #[case(
        "comment on 2: ",
        "A comment needs text: `comment TEXT`, or `comment on REF: TEXT`."
    )]
    #[case(
        "create",
        "A task needs a title on the first line: `create TITLE`. `help` lists what may follow it."
    )]
    #[case(
        "create “ ”",
        "A task needs a title on the first line: `create TITLE`. `help` lists what may follow it."
    )]
    #[case(
        "create -s github",
        "A task needs a title on the first line: `create TITLE`. `help` lists what may follow it."
    )]
    #[case(
        "create\nBuy milk",
        "A task needs a title on the first line: `create TITLE`. `help` lists what may follow it."
    )]
    #[case(
        "create T -s jira",
        "I have no source `jira`. It is `-s clickup` or `-s github`."
    )]
    #[case(
        "create T -s",
        "`-s` needs a value after it: `-s clickup` or `-s github`."
    )]
    #[case(
        "create T -s\ngithub",
        "`-s` needs a value after it: `-s clickup` or `-s github`."
    )]
    #[case("create T -e -s github", "`-e` needs a value after it: `-e ENTITY`.")]
    #[case("create T -d -s github", "`-d` needs a value after it: `-d TEXT`.")]
    #[case("create T -r", "`-r` needs a value after it: `-r owner/repo`.")]
    #[case("create T --list", "`-l` needs a value after it: `-l LIST`.")]
    #[case(
        "create T -s github -s clickup",
        "`-s` was given twice; once is enough."
    )]
    #[case(
        "create T -r widgets",
        "`widgets` is not a repository. Type it as `-r owner/repo`."
    )]
    #[case(
        "create T -l ../team",
        "`../team` is not the id of a ClickUp list. It is the number in the list's address: `-l 901100000001`."
    )]
    #[case(
        "create T -e a]b",
        "`a]b` cannot be an entity: brackets and line breaks do not fit into `[CLIENT:…]`."
    )]
    #[case(
        "create T -r acme/widgets -l 9",
        "A task is made in one place: `-r` is a GitHub repository and `-l` a ClickUp list. Leave one of them out."
    )]
    #[case(
        "create T -r acme/widgets -s clickup",
        "`-r` is a GitHub repository and does not go with `-s clickup`. Leave one of them out."
    )]
    #[case(
        "create T -l 9 -s github",
        "`-l` is a ClickUp list and does not go with `-s github`. Leave one of them out."
    )]
    #[case(
        "list 0",
        "I do not understand `0` after `list`. Type `list`, `list 5` for the first five, or what to narrow it to: overdue, blocked, snoozed, clickup, github, or a client."
    )]
    #[case(
        "start the engine",
        "`the engine` does not name a task. After `start` comes a number of the last list, a task id, `#12` or the link of a task."
    )]
    #[case(
        "snooze 2",
        "Until when? Type `snooze [REF] WHEN`. WHEN is `2h`, `3d`, `1w`, `15:30`, `tomorrow`, `tomorrow 14:00`, `mon 9:00`, `1 dec` or `2026-12-01`."
    )]
    #[case(
        "snooze for a bit",
        "`for a bit` is no time that I understand. WHEN is `2h`, `3d`, `1w`, `15:30`, `tomorrow`, `tomorrow 14:00`, `mon 9:00`, `1 dec` or `2026-12-01`."
    )]
    #[case("assign 2 @", "Who is to have it? Type `assign [REF] @PERSON`.")]
    #[case(
        "assign the rest @bo",
        "`the rest` does not name a task. After `assign` comes a number of the last list, a task id, `#12` or the link of a task."
    )]
    #[case(
        "due 2",
        "When is it due? Type `due [REF] WHEN`, or `due [REF] none`. WHEN is `2h`, `3d`, `1w`, `15:30`, `tomorrow`, `tomorrow 14:00`, `mon 9:00`, `1 dec` or `2026-12-01`."
    )]
    #[case(
        "due soon",
        "`soon` is no time that I understand. WHEN is `2h`, `3d`, `1w`, `15:30`, `tomorrow`, `tomorrow 14:00`, `mon 9:00`, `1 dec` or `2026-12-01`, or `none`."
    )]
    #[case(
        "prio 2 higher",
        "`higher` is no priority. Type `prio [REF]` and urgent, high, normal, low or none."
    )]
    #[case(
        "log of yesterday",
        "`of yesterday` does not name a task. After `log` comes a number of the last list, a task id, `#12` or the link of a task."
    )]
    #[case(
        "briefing tomorrow",
        "`tomorrow` is no time of day. Type `briefing` with `8:30` or `9am` after it, `briefing off` or `briefing default`."
    )]
    #[case(
        "quiet please",
        "`please` are no hours. Type `quiet` with `20:00-8:00` or `8pm-8am` after it, `quiet off` or `quiet default`."
    )]
    #[case(
        "receipts loud",
        "`loud` is no way to answer you. Type `receipts reactions`, `receipts messages` or `receipts default`."
    )]
    #[case(
        "undo that",
        "`undo` takes nothing after it, but I read `that`. Type only `undo`."
    )]
    #[case(
        "next week\nwe ship",
        "`next` takes nothing after it, but I read `week we ship`. Type only `next`."
    )]
    fn hints(#[case] typed: &str, #[case] hint: &str) {
        assert_eq!(parse(typed).unwrap_err().to_string(), hint);
    }

    /// A smile at the end of a command is no part of it, however it is written.
    #[rstest]
    #[case("done :white_check_mark:", done(None, None))]
    #[case("done :+1::skin-tone-3:", done(None, None))]
    #[case("done \u{1f44d}\u{1f3fd}", done(None, None))]
    #[case("done ✅", done(None, None))]
    #[case("done ✔️!", done(None, None))]
    #[case("done \u{1f469}\u{200d}\u{1f4bb}", done(None, None))]
    #[case("done:tada:", done(None, None))]
    #[case("done\u{1f389}", done(None, None))]
    #[case("Done! :tada: :tada:", done(None, None))]
    #[case("done :tada:!", done(None, None))]
    #[case("done :)", done(None, None))]
    #[case("done <3", done(None, None))]
    #[case("done \u{2764}\u{fe0f} :P", done(None, None))]
    #[case("done \u{25b6}\u{fe0f}", done(None, None))]
    #[case("next :'(", Command::Next)]
    #[case("done 2 :100:", done(NTH_2, None))]
    #[case("done #12 :-1:", done(Some(Ref::Issue(12)), None))]
    #[case("next :eyes:", Command::Next)]
    #[case("help :pray:", Command::Help)]
    #[case("start #12 :rocket:", Command::Start { task: Some(Ref::Issue(12)) })]
    #[case("prio high :fire:", Command::Prioritise { task: None, priority: Some(Priority::High) })]
    #[case("snooze 2h :zzz:", snoozed(None, "2h"))]
    #[case("list 5 :eyes:", Command::List { limit: Some(5), filter: Filter::default() })]
    #[case("link github ana \u{1f600}", Command::Link { source: Source::GitHub, account: "ana".into() })]
    fn a_smile_at_the_end_is_no_part_of_a_command(#[case] typed: &str, #[case] command: Command) {
        assert_eq!(parse(typed), Ok(command));
    }

    /// Where people write a text of their own, theirs stays.
    #[rstest]
    #[case("comment shipped :tada:", comment(None, "shipped :tada:"))]
    #[case("comment :tada:", comment(None, ":tada:"))]
    #[case("comment on 2: \u{1f389}", comment(NTH_2, "\u{1f389}"))]
    #[case("done -c shipped :tada:", done(None, Some("shipped :tada:")))]
    #[case("done 2 -c \u{1f389}", done(NTH_2, Some("\u{1f389}")))]
    #[case(
        "create Launch page :rocket:",
        Command::Create(titled("Launch page :rocket:"))
    )]
    #[case(
        "create :rocket: Launch page",
        Command::Create(titled(":rocket: Launch page"))
    )]
    fn a_smile_in_a_text_stays(#[case] typed: &str, #[case] command: Command) {
        assert_eq!(parse(typed), Ok(command));
    }

    #[rstest]
    #[case("done the first half :tada:")]
    #[case("thanks :tada:")]
    #[case(":tada:")]
    #[case("prio 9:30:")]
    #[case("done ::")]
    #[case("done :two:")]
    #[case("done 2\u{fe0f}\u{20e3}")]
    #[case("done \u{1f51f}")]
    fn with_a_smile_what_is_no_command_is_none(#[case] typed: &str) {
        assert!(parse(typed).is_err());
    }

    /// No hint quotes nothing.
    #[rstest]
    #[case("prio")]
    #[case("prio !")]
    #[case("priority 2")]
    #[case("prio #12")]
    #[case("due")]
    #[case("snooze")]
    #[case("assign")]
    #[case("link")]
    #[case("unlink")]
    #[case("reopen :tada:")]
    #[case("create T -s \"\"")]
    #[case("create T -r ''")]
    fn no_hint_has_empty_backticks(#[case] typed: &str) {
        if let Err(hint) = parse(typed) {
            assert!(
                !hint.to_string().replace("```", "").contains("``"),
                "{hint}"
            );
        }
    }

    #[rstest]
    #[case("prio")]
    #[case("Priority!")]
    #[case("prio 2")]
    #[case("prio acme/widgets#7")]
    #[case("prio :fire:")]
    fn a_priority_that_is_not_given_is_asked_for(#[case] typed: &str) {
        assert_eq!(parse(typed), Err(ParseError::NoPriority));
    }

    #[rstest]
    #[case("comment on 1", "1", "")]
    #[case("comment on #7.", "#7", "")]
    #[case("Comment On #7 looks good", "#7", "looks good")]
    #[case(
        "comment on acme/widgets#7 - looks good",
        "acme/widgets#7",
        "looks good"
    )]
    #[case("comment on #7:looks good", "#7", "looks good")]
    #[case(
        "comment on clickup:86tst0001 ships today",
        "clickup:86tst0001",
        "ships today"
    )]
    #[case(
        "comment on https://github.com/acme/widgets/issues/7 ships today",
        "https://github.com/acme/widgets/issues/7",
        "ships today"
    )]
    #[case("comment on 2\nlooks good", "2", "looks good")]
    fn a_forgotten_colon_is_asked_about(
        #[case] typed: &str,
        #[case] task: &str,
        #[case] text: &str,
    ) {
        let (task, text) = (task.to_owned(), text.to_owned());
        assert_eq!(parse(typed), Err(ParseError::NoColon { task, text }));
    }

    #[rstest]
    #[case("comment on 7 August we ship", comment(None, "on 7 August we ship"))]
    #[case("comment on it", comment(None, "on it"))]
    #[case("comment on 2:30 we meet", comment(None, "on 2:30 we meet"))]
    #[case("comment on hold until monday", comment(None, "on hold until monday"))]
    #[case("comment \"on #7 we are late\"", comment(None, "on #7 we are late"))]
    #[case("comment \"on 1\"", comment(None, "on 1"))]
    #[case("comment \"on it\"", comment(None, "\"on it\""))]
    #[case("comment on #7: \"on 1\"", comment(Some(Ref::Issue(7)), "\"on 1\""))]
    fn what_merely_begins_with_on_is_a_comment(#[case] typed: &str, #[case] command: Command) {
        assert_eq!(parse(typed), Ok(command));
    }

    #[rstest]
    #[case("2", NTH_2)]
    #[case(" #12 ", Some(Ref::Issue(12)))]
    #[case("`clickup:OPS-12`", id("clickup:OPS-12"))]
    #[case(
        "https://github.com/acme/widgets/issues/7",
        id("github:acme/widgets#7")
    )]
    #[case("0", None)]
    #[case("#0", None)]
    #[case("+2", None)]
    #[case("#", None)]
    #[case("", None)]
    #[case("2 3", None)]
    #[case(
        "Login (https://github.com/acme/widgets/issues/7)",
        id("github:acme/widgets#7")
    )]
    #[case("Login (https://github.com/acme/widgets/issues/7) now", None)]
    #[case("Login (https://example.test)", None)]
    #[case("99999999999999999999999", None)]
    #[case("acme#7", None)]
    #[case("shipped", None)]
    fn a_ref_is_read(#[case] typed: &str, #[case] named: Option<Ref>) {
        assert_eq!(parse_ref(typed), named);
    }

    #[rstest]
    #[case("create", true)]
    #[case("*Create* Buy milk", true)]
    #[case("`create Buy milk`", true)]
    #[case("created a task", false)]
    #[case("\"create Buy milk\"", false)]
    #[case("please create", false)]
    #[case("done", false)]
    fn a_channel_hears_only_create(#[case] said: &str, #[case] heard: bool) {
        assert_eq!(is_bare_create(said), heard);
    }

    #[test]
    fn every_verb_and_alias_is_read_as_itself() {
        for verb in VERBS {
            for name in std::iter::once(&verb.name).chain(verb.aliases) {
                let (read, rest) = split_verb(name).expect(name);
                assert_eq!((read.name, rest), (verb.name, ""), "{name}");
            }
            let usage = verb
                .usage
                .replace("[REF] WHEN|none", "none")
                .replace("[REF] WHEN", "tomorrow")
                .replace("[REF] @PERSON", "@bo")
                .replace("[REF] urgent|high|normal|low|none", "high");
            let usage = usage.split(" · ").next().unwrap();
            let example = usage.split(" [").next().unwrap();
            assert!(parse(example).is_ok(), "{example}");
        }
    }

    #[test]
    fn a_line_of_quotation_marks_is_read_in_a_moment() {
        let title = "\"a ".repeat(20_000);
        assert!(parse(&format!("create {title}")).is_ok());
    }

    /// Text made of what means something to the parser, with anything in between.
    fn typed() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            proptest::sample::select(vec![
                "create",
                "done",
                "comment",
                "on",
                "list",
                "not now",
                "*",
                "_",
                "`",
                "\"",
                "“",
                "’",
                "'",
                "-c",
                "-d",
                "-s",
                "—source",
                "--list=",
                "-r",
                "github",
                "acme/widgets",
                "#7",
                "2",
                ":",
                ".",
                "!",
                "?",
                " ",
                "\n",
                "\u{a0}",
                "\u{200b}",
                "«",
                "ß",
                "İ",
            ])
            .prop_map(str::to_owned),
            "(?s).{0,6}",
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_text_is_a_command_or_a_hint_of_one_line(text in typed()) {
            match parse(&text) {
                Ok(Command::Create(create)) => {
                    prop_assert!(is_bare_create(&text));
                    prop_assert_eq!(create.title.trim(), &create.title);
                    prop_assert!(!create.title.is_empty() && !create.title.contains('\n'));
                }
                Ok(Command::Comment { text: said, .. }) => {
                    prop_assert!(text.contains(&said) && !said.is_empty());
                }
                Ok(_) => prop_assert!(!is_bare_create(&text)),
                Err(hint) => {
                    prop_assert!(!hint.to_string().contains('\n'));
                    if let ParseError::UnknownVerb(_) | ParseError::Empty = hint {
                        prop_assert!(!is_bare_create(&text));
                    }
                }
            }
        }

        #[test]
        fn what_begins_with_create_is_heard_in_a_channel(rest in "(?s)[ \n\u{a0}].{0,30}") {
            let text = format!("Create{rest}");
            prop_assert!(is_bare_create(&text));
        }
    }
}
