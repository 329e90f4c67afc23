//! People and places that a service lists for `ivan init`: to choose from, and to match by e-mail address.

use super::task::{Account, RepoName};

/// An account with the e-mail address that the service shows for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAccount {
    /// The id, and the name or login.
    pub account: Account,
    /// `None` if the service hides it.
    pub email: Option<String>,
}

/// A list of ClickUp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedList {
    /// The id, as in `clickup.list_id`.
    pub id: String,
    /// Its name, as people see it.
    pub name: String,
    /// Its space, and its folder if it has one: `Ops / Product`.
    pub path: String,
}

/// A repository of GitHub that has issues and is not archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRepo {
    /// `owner/name`.
    pub name: RepoName,
    /// Whether the account may close the issues of others.
    pub may_triage: bool,
}
