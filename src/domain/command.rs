//! The values in commands: references to a task, a person or another command; and a task to be created.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::ids::{CommandId, TaskRow};
use super::person::PersonId;
use super::shared_file::SharedFile;
use super::task::{RepoName, Source, TaskId, TaskKey};

/// A new task as requested: typed, filled in, or sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TaskDraft {
    /// The title, one line. It may name the client: `[CLIENT:acme] Fix login`.
    pub title: String,
    /// The description as given, of any number of lines.
    pub description: Option<String>,
    /// `None`: the place, the channel, the client or `queue.default_source` decides.
    pub source: Option<Source>,
    /// The client as given: its id, name or alias.
    pub entity: Option<String>,
    /// `owner/name`; `None` for the default repository.
    pub repo: Option<RepoName>,
    /// A ClickUp list id.
    pub list: Option<String>,
    /// The due day. Only a form has it.
    #[serde(default)]
    pub due: Option<NaiveDate>,
    /// Without it the task is its creator's.
    #[serde(default)]
    pub assignee: Option<Assignee>,
}

/// The assignee of a new task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Assignee {
    /// As typed: a person's name, or [`NOBODY`].
    Called(String),
    /// Chosen in a form: the handle, valid in every store ([`Person::handle`](super::person::Person::handle)).
    Chosen(String),
    /// Chosen in a form, stored by an older version. It is read from the store only.
    Person(PersonId),
}

/// The value of `-a` for a task without an assignee.
pub const NOBODY: &str = "nobody";

/// A command that asks before it acts on many tasks, and the tasks that its question names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedCommand {
    /// The verb's name: `done`.
    pub verb: String,
    /// Its comment, its person, or the text after it; `None` if it has none.
    pub text: Option<String>,
    /// The tasks, in the order shown.
    pub tasks: Vec<TaskKey>,
    /// The files to link to below its comment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SharedFile>,
}

/// The command that a button is to undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CommandRef {
    /// Its uid: 26 capital letters and digits.
    Uid(String),
    /// Stored by an older version. It is read from the store only, never from a surface.
    Row(CommandId),
}

impl fmt::Display for CommandRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandRef::Uid(uid) => uid.fmt(f),
            CommandRef::Row(row) => row.fmt(f),
        }
    }
}

/// A person's reference to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ref {
    /// A number of the list that was last shown.
    Nth(usize),
    /// `#12`: an issue of the default repo.
    Issue(u64),
    /// A task id, or the link to a ClickUp task.
    Id(TaskId),
    /// The link to an issue: the host of its page, and the issue.
    Page(String, TaskId),
    /// A stored key: the task of a button or a form. It has no typed form.
    Key(TaskKey),
    /// A row of the mirror: the task of a message of ours. It has no typed form.
    Row(TaskRow),
}
