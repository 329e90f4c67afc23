//! The sources by name, and their differences.
//!
//! Code outside the sources' folders asks for a difference and never for the source: `source.profile().due_dates`.
//! Behaviour is a method of the traits in `source.rs` instead.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A system of record for tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// ClickUp: tasks in lists.
    ClickUp,
    /// GitHub: issues in repositories.
    GitHub,
}

/// The traits of a source.
#[derive(Debug)]
pub struct Profile {
    /// The word in ids, configuration, JSON and metrics.
    pub word: &'static str,
    /// The name in sentences.
    pub name: &'static str,
    /// One of its units of work.
    pub noun: &'static str,
    /// The same, at the beginning of a sentence.
    pub noun_first: &'static str,
    /// Its word for a finished task.
    pub finished: &'static str,
    /// The place where its tasks live, as it is called there.
    pub home: &'static str,
    /// The kind of these places.
    pub homes: ContainerKind,
    /// The keys of bot.toml that name these places.
    pub home_keys: &'static str,
    /// The form of its task ids.
    pub ids: TaskIdForm,
    /// The form of its handles, for assigning and mentioning.
    pub handles: HandleKind,
    /// The command that links an account there.
    pub link: &'static str,
    /// The text that names an account there, for a form.
    pub account_hint: &'static str,
    /// It finds an account by the e-mail address of its owner.
    pub finds_by_email: bool,
    /// Accounts have a text about themselves, which only they can write.
    pub has_profile_text: bool,
    /// The reason why it cannot assign a task to a person, as a sentence.
    pub unassignable: &'static str,
    /// Its words on tasks, as it calls them.
    pub labels: &'static str,
    /// One of them.
    pub label: &'static str,
    /// A part of a task, and several, as they are called there.
    pub parts: (&'static str, &'static str),
    /// A task comes with the number of its parts. Elsewhere those in the mirror are counted.
    pub reports_children: bool,
    /// The start of `… is waiting` for a change of labels, and the words for one that failed.
    pub label_change: (&'static str, &'static str),
    /// The thing that marks work in progress.
    pub progress_mark: &'static str,
    /// Its statuses have names that their people chose. Elsewhere a task is open or closed.
    pub named_statuses: bool,
    /// A task has a due date.
    pub due_dates: bool,
    /// A task can be in a milestone.
    pub milestones: bool,
    /// A type of its tasks, and several, as they are called there.
    pub types: (&'static str, &'static str),
    /// The name of the type of a task that has none of these.
    pub plain_type: Option<&'static str>,
    /// Priorities are labels that bot.toml names, and only the high ones are there.
    pub priority_labels: bool,
    /// The longest title, in characters.
    pub title_max: Option<usize>,
    /// Its texts are Markdown.
    pub markdown: bool,
    /// A task can be deleted. Elsewhere it is closed instead.
    pub deletes_tasks: bool,
    /// A task can have files.
    pub takes_files: bool,
}

/// Where the tasks of a source live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerKind {
    /// In lists, which have ids.
    Lists,
    /// In repositories, which have an owner and a name.
    Repositories,
}

impl ContainerKind {
    /// The source whose tasks live there.
    pub fn source(self) -> Source {
        match self {
            // Names a source: each kind of home is one's own.
            ContainerKind::Lists => Source::ClickUp,
            ContainerKind::Repositories => Source::GitHub,
        }
    }
}

/// How a source names its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskIdForm {
    /// By ids of its own, which people do not read.
    Own,
    /// By a number in a repository, which people know.
    Numbers,
}

/// How a source names its accounts where they are assigned or mentioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandleKind {
    /// By ids. A mention is more than text.
    Ids,
    /// By logins, in any case. A mention is text: `@login`.
    Logins,
}

impl Source {
    // Names a source: this is the list of them.
    /// All sources, ClickUp first.
    pub const ALL: [Source; 2] = [Source::ClickUp, Source::GitHub];

    /// The differences between this source and the others.
    pub fn profile(self) -> &'static Profile {
        match self {
            // Names a source: these are its traits.
            Source::ClickUp => &Profile {
                word: "clickup",
                name: "ClickUp",
                noun: "task",
                noun_first: "Task",
                finished: "completed",
                home: "list",
                homes: ContainerKind::Lists,
                home_keys: "clickup.list_id or clickup.lists",
                ids: TaskIdForm::Own,
                handles: HandleKind::Ids,
                link: "link clickup you@example.com",
                account_hint: "your e-mail address or name in ClickUp",
                finds_by_email: true,
                has_profile_text: false,
                unassignable: "they have no access to the list.",
                labels: "tags",
                label: "tag",
                parts: ("subtask", "subtasks"),
                reports_children: false,
                label_change: ("Change of tags of ", "Tags not changed"),
                progress_mark: "status",
                named_statuses: true,
                due_dates: true,
                milestones: false,
                types: ("task type", "task types"),
                plain_type: Some("task"),
                priority_labels: false,
                title_max: None,
                markdown: false,
                deletes_tasks: true,
                takes_files: true,
            },
            // Names a source: these are its traits.
            Source::GitHub => &Profile {
                word: "github",
                name: "GitHub",
                noun: "issue",
                noun_first: "Issue",
                finished: "closed",
                home: "repository",
                homes: ContainerKind::Repositories,
                home_keys: "github.repo or github.repos",
                ids: TaskIdForm::Numbers,
                handles: HandleKind::Logins,
                link: "link github LOGIN",
                account_hint: "your GitHub login",
                finds_by_email: false,
                has_profile_text: true,
                unassignable: "they have no access to the repository, or I may not assign there.",
                labels: "labels",
                label: "label",
                parts: ("sub-issue", "sub-issues"),
                reports_children: true,
                label_change: ("Change of labels of ", "Labels not changed"),
                progress_mark: "label",
                named_statuses: false,
                due_dates: false,
                milestones: true,
                types: ("issue type", "issue types"),
                plain_type: None,
                priority_labels: true,
                title_max: Some(256),
                markdown: true,
                deletes_tasks: false,
                takes_files: false,
            },
        }
    }

    /// The word in ids, configuration, JSON and metrics.
    pub fn as_str(self) -> &'static str {
        self.profile().word
    }

    /// The name in sentences.
    pub fn name(self) -> &'static str {
        self.profile().name
    }

    /// The place where its tasks live, as it is called there.
    pub fn container(self) -> &'static str {
        self.profile().home
    }

    /// One of its units of work.
    pub fn noun(self) -> &'static str {
        self.profile().noun
    }

    /// Reads `clickup` or `github`, in any case.
    pub fn parse(text: &str) -> Option<Source> {
        Source::ALL
            .into_iter()
            .find(|source| source.as_str().eq_ignore_ascii_case(text))
    }
}

impl Profile {
    /// The beginning of a report: `Issue closed in GitHub: `.
    pub fn reported(&self, done: &str) -> String {
        format!("{} {done} in {}: ", self.noun_first, self.name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
