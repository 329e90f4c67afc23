//! Forms that people fill in instead of typing: checked while the form is open, then turned into a command.
//!
//! A surface lays forms out and returns them (`slack/forms.rs`). They are checked here from the form alone, so that
//! errors show at once.

use serde::{Deserialize, Serialize};

use super::card::TaskRef;
use super::command::TaskDraft;
use super::mention::quiet;
use super::operation::{NewTask, Place};
use super::reply::{self, ENTITY_MAX, Text};
use super::task::Source;

/// A form that was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubmittedForm {
    /// A comment on a task.
    Comment {
        /// The task that the form was opened for.
        task: TaskRef,
        /// The comment as filled in, unchanged.
        text: String,
    },
    /// A task to create.
    Create {
        /// The fields of the form.
        create: Box<TaskDraft>,
        /// The message that it was made from.
        from: Option<SourceMessage>,
        /// The task that it is to be a part of, as typed; it decides on the place.
        #[serde(default)]
        under: Option<String>,
    },
    /// An account to link.
    Link {
        /// The source of the account.
        source: Source,
        /// A login, name, e-mail address or member id, as typed.
        account: String,
    },
}

/// The message that a task is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMessage {
    /// Slack's id of its conversation.
    pub channel: String,
    /// Slack's `ts`, which identifies it within the conversation.
    pub ts: String,
    /// The author's id; `None` if an app posted it.
    pub user: Option<String>,
    /// The author's name.
    pub author: Option<String>,
    /// The permalink of the message.
    pub link: Option<String>,
}

/// A field of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormField {
    /// The text of a comment.
    Text,
    /// The title of a new task, one line.
    Title,
    /// The list or repository of a new task.
    Place,
    /// The client of a new task.
    Entity,
    /// The description of a new task.
    Description,
    /// The due day of a new task.
    Due,
    /// The assignee of a new task.
    Assignee,
    /// The task that a new task is to be a part of.
    Under,
    /// The account to link.
    Account,
}

/// A person that a form offers as assignee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignable {
    /// Their handle, valid in every store ([`Person::handle`](super::person::Person::handle)).
    pub person: String,
    /// The sources where they have an account.
    pub sources: Vec<Source>,
}

impl Assignable {
    /// `clickup,github:slack:U0ANN01`, as it goes into a form and comes back.
    pub fn value(&self) -> String {
        let sources: Vec<&str> = self.sources.iter().map(|source| source.as_str()).collect();
        format!("{}:{}", sources.join(","), self.person)
    }

    /// Parses the value; `None` if we would not have written it.
    pub fn read(value: &str) -> Option<Assignable> {
        let (sources, person) = value.split_once(':')?;
        let sources = sources.split(',').filter(|name| !name.is_empty());
        let (kind, id) = person.split_once(':')?;
        if !matches!(kind, "slack" | "name") || id.is_empty() {
            return None;
        }
        Some(Assignable {
            person: person.to_owned(),
            sources: sources.map(Source::parse).collect::<Option<_>>()?,
        })
    }

    /// The error in assigning them a task of this source. The verb checks again: the value is untrusted.
    pub fn fault(&self, source: Option<Source>) -> Option<FieldError> {
        let source = source?;
        (!self.sources.contains(&source)).then(|| FieldError {
            field: FormField::Assignee,
            why: reply::not_assignable(None, source).plain(),
        })
    }
}

/// An error message for a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field that shows the error.
    pub field: FormField,
    /// The error as a sentence, in plain text.
    pub why: String,
}

impl SubmittedForm {
    /// The message that the task is made from; `None` for a comment, or a form without a message.
    pub fn origin(&self) -> Option<&SourceMessage> {
        match self {
            SubmittedForm::Comment { .. } | SubmittedForm::Link { .. } => None,
            SubmittedForm::Create { from, .. } => from.as_ref(),
        }
    }

    /// The errors in it; empty if it is valid.
    pub fn faults(&self) -> Vec<FieldError> {
        let fault = |field, why| FieldError { field, why };
        match self {
            SubmittedForm::Comment { text, .. } if text.trim().is_empty() => {
                vec![fault(FormField::Text, reply::no_comment())]
            }
            SubmittedForm::Comment { text, .. } => over_long(text)
                .map(|why| fault(FormField::Text, why))
                .into_iter()
                .collect(),
            SubmittedForm::Link { source, account } => match account.trim() {
                "" => vec![fault(FormField::Account, reply::no_account_named(*source))],
                _ => over_long(account)
                    .map(|why| fault(FormField::Account, why))
                    .into_iter()
                    .collect(),
            },
            SubmittedForm::Create { create, under, .. } => {
                let title = title_fault(create).map(|why| fault(FormField::Title, why));
                let is_nowhere = create.source.is_none() && under.is_none();
                let place = is_nowhere.then(|| fault(FormField::Place, reply::no_place()));
                let entity = create
                    .entity
                    .as_deref()
                    .is_some_and(|entity| !is_entity(entity))
                    .then(|| fault(FormField::Entity, reply::odd_entity().plain()));
                let description = create
                    .description
                    .as_deref()
                    .and_then(over_long)
                    .map(|why| fault(FormField::Description, why));
                let lacks_due = |source: Source| !source.profile().due_dates;
                let due = (create.due.is_some() && create.source.is_some_and(lacks_due))
                    .then(|| fault(FormField::Due, reply::no_due_date().plain()));
                [title, place, entity, description, due]
                    .into_iter()
                    .flatten()
                    .collect()
            }
        }
    }
}

/// A refusal of a form that is already closed. It quotes the input, so that the person can copy it.
pub fn with_what_was_filled_in(refused: Text, filled: Option<&SubmittedForm>) -> Text {
    let texts: Vec<&str> = match filled {
        None => return refused,
        // The answer names the account.
        Some(SubmittedForm::Link { .. }) => return refused,
        Some(SubmittedForm::Comment { text, .. }) => vec![text],
        Some(SubmittedForm::Create { create, .. }) => std::iter::once(&create.title)
            .chain(&create.description)
            .map(String::as_str)
            .collect(),
    };
    refused.text("\nYou wrote:\n").said(texts.join("\n"))
}

fn title_fault(create: &TaskDraft) -> Option<String> {
    let title = create.title.trim();
    if title.is_empty() {
        return Some(reply::no_title());
    }
    if let Some(source) = create.source
        && let Some(max) = source.profile().title_max
    {
        let new = NewTask {
            place: Place::List(String::new()),
            title: title.to_owned(),
            description: None,
            entity: create.entity.clone(),
            due: None,
            assignee: None,
            under: None,
            files: Vec::new(),
        };
        let length = new.github_title().chars().count();
        if length > max {
            return Some(reply::title_too_long(source, max, length).plain());
        }
    }
    over_long(title)
}

fn over_long(text: &str) -> Option<String> {
    let length = text.chars().count();
    (length > super::operation::TEXT_MAX).then(|| reply::text_too_long(length).plain())
}

/// Whether a client name is valid in a tag and in `[CLIENT:…]`.
pub fn is_entity(entity: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '[' | ']' | ',');
    !entity.is_empty() && entity.chars().count() <= ENTITY_MAX && !entity.contains(odd)
}

/// The longest title taken from a message, in characters. A longer message is also the whole description.
const TITLE_FROM_MESSAGE_MAX: usize = 200;

/// The title and description that a message prefills.
pub fn prefill(said: &str) -> (String, String) {
    let said = quiet(said.trim());
    let first = said.lines().next().unwrap_or_default().trim();
    if let Some((name, _)) = first
        .rsplit_once(": http")
        .filter(|_| ends_with_address(first))
        && name.chars().count() <= TITLE_FROM_MESSAGE_MAX
        && !name.trim().is_empty()
    {
        // A file by its name, or a page.
        return (name.trim().to_owned(), said.clone());
    }
    let (title, whole) = match first.char_indices().nth(TITLE_FROM_MESSAGE_MAX) {
        Some((end, _)) => (
            format!("{}…", first.get(..end).unwrap_or(first).trim_end()),
            false,
        ),
        None => (first.to_owned(), said.lines().count() <= 1),
    };
    let description = if whole { String::new() } else { said };
    (title, description)
}

/// Whether the last word of a line is the address of a web page, after a colon.
fn ends_with_address(line: &str) -> bool {
    line.rsplit_once(": ").is_some_and(|(_, last)| {
        let is_page = last.starts_with("https://") || last.starts_with("http://");
        is_page && !last.contains(char::is_whitespace)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::TaskKey;
    use chrono::NaiveDate;
    use rstest::rstest;

    fn create(title: &str) -> TaskDraft {
        TaskDraft {
            title: title.to_owned(),
            source: Some(Source::GitHub),
            ..TaskDraft::default()
        }
    }

    fn faults(create: TaskDraft) -> Vec<FormField> {
        let filled = SubmittedForm::Create {
            create: Box::new(create),
            from: None,
            under: None,
        };
        filled
            .faults()
            .into_iter()
            .map(|fault| fault.field)
            .collect()
    }

    #[rstest]
    #[case::fine(create("Fix login"), &[])]
    #[case::no_title(create(" \n"), &[FormField::Title])]
    #[case::longest_title(create(&"é".repeat(256)), &[])]
    #[case::title_over(create(&"é".repeat(257)), &[FormField::Title])]
    #[case::title_over_with_its_client(TaskDraft { entity: Some("acme".into()), ..create(&"é".repeat(250)) }, &[FormField::Title])]
    #[case::clickup_takes_it(TaskDraft { source: Some(Source::ClickUp), ..create(&"é".repeat(257)) }, &[])]
    #[case::odd_client(TaskDraft { entity: Some("a]b".into()), ..create("x") }, &[FormField::Entity])]
    #[case::nowhere(TaskDraft { source: None, ..create("x") }, &[FormField::Place])]
    #[case::due_in_github(TaskDraft { due: NaiveDate::from_ymd_opt(2026, 12, 1), ..create("x") }, &[FormField::Due])]
    #[case::due_in_clickup(TaskDraft { source: Some(Source::ClickUp), due: NaiveDate::from_ymd_opt(2026, 12, 1), ..create("x") }, &[])]
    #[case::text_over(TaskDraft { description: Some("x".repeat(60_001)), ..create("") }, &[FormField::Title, FormField::Description])]
    fn names_the_fields_that_are_wrong(#[case] create: TaskDraft, #[case] wrong: &[FormField]) {
        assert_eq!(faults(create), wrong);
    }

    #[rstest]
    #[case::blank(" \n ", 1)]
    #[case::over(&"x".repeat(60_001), 1)]
    #[case::fine("shipped", 0)]
    fn a_comment_has_text(#[case] text: &str, #[case] wrong: usize) {
        let filled = SubmittedForm::Comment {
            task: TaskRef::Key(TaskKey::clickup("86a")),
            text: text.to_owned(),
        };
        assert_eq!(filled.faults().len(), wrong);
    }

    #[rstest]
    #[case::both("clickup,github:slack:U0ANN01", Some(Source::GitHub), false)]
    #[case::one("clickup:name:Ann: the first", Some(Source::GitHub), true)]
    #[case::none(":slack:U0ANN01", Some(Source::ClickUp), true)]
    #[case::nowhere_yet(":slack:U0ANN01", None, false)]
    fn who_has_no_account_there_is_not_assigned(
        #[case] value: &str,
        #[case] source: Option<Source>,
        #[case] wrong: bool,
    ) {
        let one = Assignable::read(value).unwrap();
        assert_eq!(one.value(), value);
        assert_eq!(one.fault(source).is_some(), wrong);
    }

    #[rstest]
    #[case("")]
    #[case("17")]
    #[case("17:clickup,github")]
    #[case("clickup:17")]
    #[case("clickup:slack:")]
    #[case("jira:slack:U0ANN01")]
    fn what_we_would_not_have_written_is_nobody(#[case] value: &str) {
        assert_eq!(Assignable::read(value), None);
    }

    #[test]
    fn a_message_is_a_title_and_what_is_more() {
        assert_eq!(
            prefill(" Login is broken "),
            ("Login is broken".into(), String::new())
        );
        let (title, description) = prefill("Login is broken\nsince noon");
        assert_eq!(
            (title.as_str(), description.as_str()),
            ("Login is broken", "Login is broken\nsince noon")
        );
        let long = "שלום ".repeat(100);
        let (title, description) = prefill(&long);
        assert!(title.ends_with('…') && title.chars().count() <= 201);
        assert_eq!(description, long.trim());
        assert_eq!(prefill(""), (String::new(), String::new()));
        for said in ["shot.png: https://a.b/F1", "a: b: http://a.b/F1\nmore"] {
            let (title, description) = prefill(said);
            assert_eq!(
                (title.as_str(), description.as_str()),
                (said.split(": http").next().unwrap(), said)
            );
        }
        for said in [
            "https://a.b/F1",
            ": https://a.b/F1",
            "see a: https:",
            "a: https://a.b c",
        ] {
            assert_eq!(prefill(said), (said.trim().to_owned(), String::new()));
        }
    }
}
