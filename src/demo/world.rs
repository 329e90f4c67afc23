//! The world of the demo: its people, the configuration that points at the sandbox, and what colleagues do in ClickUp and
//! GitHub without Ivan. Used by the terminal and by the page.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sandbox::Sandbox;

/// The secret that both sources sign their webhooks with.
pub(super) const SECRET: &str = "a-secret-of-the-demo";
/// The repository of all issues.
pub(super) const REPO: &str = "acme/widgets";

/// A person of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DemoPerson {
    /// The Slack id.
    pub(super) slack: &'static str,
    pub(super) name: &'static str,
    /// The accounts in GitHub and ClickUp; a guest has none.
    pub(super) accounts: Option<(&'static str, i64)>,
}

pub(super) const ANA: DemoPerson = DemoPerson {
    slack: "U0ANN01",
    name: "Ana",
    accounts: Some(("ana", 4242)),
};
pub(super) const BO: DemoPerson = DemoPerson {
    slack: "U0BOB01",
    name: "Bo",
    accounts: Some(("bo", 4243)),
};
/// A guest of the workspace.
pub(super) const GIL: DemoPerson = DemoPerson {
    slack: "U0GST01",
    name: "Gil",
    accounts: None,
};

/// The file of the store in that folder.
pub(super) fn store(folder: &Path) -> PathBuf {
    folder.join("ivan.db")
}

/// The configuration that points at the sandbox, with the store in that folder.
pub(super) fn bot_toml(sandbox: &Sandbox, folder: &Path) -> String {
    let mut text = format!(
        "[slack]\napp_token = \"{}\"\nbot_token = \"{}\"\napi_url = \"{}\"\nallowed_users = [\"*\"]\n\
         [clickup]\ntoken = \"{}\"\nteam_id = \"{}\"\nlist_id = \"{}\"\napi_url = \"{}\"\nwebhook_secret = \"{SECRET}\"\n\
         [github]\ntoken = \"{}\"\nrepo = \"{REPO}\"\napi_url = \"{}\"\nwebhook_secret = \"{SECRET}\"\n\
         [outbox]\nretry_max = \"2s\"\n[store]\npath = '{}'\n[api]\nbind = \"127.0.0.1:0\"\n\
         [webhooks]\nbind = \"127.0.0.1:0\"\n",
        sandbox.slack.app_token(),
        sandbox.slack.bot_token(),
        sandbox.slack.api_url(),
        sandbox.clickup.token(),
        sandbox.clickup.team_id(),
        sandbox.clickup.list_id(),
        sandbox.clickup.api_url(),
        sandbox.github.token(),
        sandbox.github.api_url(),
        store(folder).display(),
    );
    for person in [ANA, BO] {
        let (github, clickup) = person.accounts.unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "[[people]]\nname = \"{}\"\nslack = \"{}\"\ngithub = \"{github}\"\nclickup = \"{clickup}\"\n",
            person.name, person.slack
        );
    }
    text
}

/// A task in ClickUp or an issue in GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DemoTask {
    /// The task's id.
    ClickUp(String),
    /// The issue's number in [`REPO`].
    GitHub(u64),
}

/// A task with its title, and whether it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TitledTask {
    pub(super) task: DemoTask,
    pub(super) title: String,
    pub(super) open: bool,
}

/// All tasks and issues: ClickUp first.
pub(super) fn tasks(sandbox: &Sandbox) -> Vec<TitledTask> {
    let title = |title: &Value| title.as_str().unwrap_or_default().to_owned();
    let in_clickup = sandbox.clickup.tasks().into_iter().filter_map(|task| {
        Some(TitledTask {
            task: DemoTask::ClickUp(task["id"].as_str()?.to_owned()),
            title: title(&task["name"]),
            open: !matches!(task["status"]["type"].as_str(), Some("closed" | "done")),
        })
    });
    let in_github = sandbox.github.issues(REPO).into_iter();
    let in_github = in_github.filter_map(|issue| {
        Some(TitledTask {
            task: DemoTask::GitHub(issue["number"].as_u64()?),
            title: title(&issue["title"]),
            open: issue["state"] == "open",
        })
    });
    in_clickup.chain(in_github).collect()
}

/// The first task that fits and has these words in its title, in either case.
pub(super) fn with_words(
    sandbox: &Sandbox,
    words: &str,
    fits: impl Fn(&TitledTask) -> bool,
) -> Option<TitledTask> {
    let words = words.to_lowercase();
    let named = |task: &TitledTask| task.title.to_lowercase().contains(&words);
    tasks(sandbox)
        .into_iter()
        .find(|task| fits(task) && named(task))
}

/// A person completes a task there, without Ivan. A guest without accounts changes nothing.
pub(super) fn complete(sandbox: &Sandbox, task: &DemoTask, person: DemoPerson) {
    let Some((login, account)) = person.accounts else {
        return;
    };
    match task {
        DemoTask::ClickUp(id) => sandbox.clickup.set_status(id, "complete", account),
        DemoTask::GitHub(number) => sandbox.github.close_as(REPO, *number, login),
    }
}

/// A person comments on a task there, without Ivan. A guest without accounts changes nothing.
pub(super) fn comment(sandbox: &Sandbox, task: &DemoTask, person: DemoPerson, text: &str) {
    let Some((login, account)) = person.accounts else {
        return;
    };
    match task {
        DemoTask::ClickUp(id) => {
            sandbox.clickup.comment_by(id, account, text);
        }
        DemoTask::GitHub(number) => {
            sandbox.github.comment_as(REPO, *number, login, text);
        }
    }
}
