//! The lists and members of a workspace, for `ivan init`.

use crate::clock::Clock;
use crate::domain::controls::one_line;
use crate::domain::directory::{ListedAccount, ListedList};
use crate::domain::operation::WriteError;
use crate::domain::task::Account;

use super::client::{ClickUpClient, Request, segment};
use super::wire::{Folders, ListedNode, NamedLists, Spaces, Teams};

/// How many spaces are read: each is two requests, of 100 that a minute has.
const SPACES_MAX: usize = 40;

/// What a token shows of one workspace.
pub struct ClickUpDirectory {
    client: ClickUpClient,
}

impl ClickUpDirectory {
    /// `api_url` has no slash at its end. The error names an invalid setting.
    pub fn new(api_url: &str, token: &str, clock: Clock) -> Result<ClickUpDirectory, String> {
        let client = ClickUpClient::new(api_url, token, clock);
        let client = client.map_err(|error| error.to_string())?;
        Ok(ClickUpDirectory { client })
    }

    /// The lists of a workspace that are not archived, by space and folder.
    pub async fn lists(&self, workspace: &str) -> Result<Vec<ListedList>, WriteError> {
        let path = format!("/team/{}/space", segment(workspace));
        let thing = format!("the spaces of the workspace {workspace}");
        let request = Request::get(path, thing).with("archived", false);
        let answer: Spaces = self.client.send(&request).await?;
        let mut lists = Vec::new();
        for space in answer.spaces.iter().take(SPACES_MAX) {
            let (id, name) = (space.id.to_string(), space.shown());
            let request = |what: &str| {
                let path = format!("/space/{}/{what}", segment(&id));
                let thing = format!("the {what}s of the space {name}");
                Request::get(path, thing).with("archived", false)
            };
            let loose: NamedLists = self.client.send(&request("list")).await?;
            lists.extend(loose.lists.iter().map(|list| listed(list, name.clone())));
            let folders: Folders = self.client.send(&request("folder")).await?;
            for folder in &folders.folders {
                let path = format!("{name} / {}", folder.shown());
                let of_folder = folder.lists.iter();
                lists.extend(of_folder.map(|list| listed(list, path.clone())));
            }
        }
        Ok(lists)
    }

    /// The members of a workspace who accepted their invitation.
    pub async fn members(&self, workspace: &str) -> Result<Vec<ListedAccount>, WriteError> {
        let request = Request::get("/team", format!("the workspace {workspace}"));
        let answer: Teams = self.client.send(&request).await?;
        let mut teams = answer.teams.into_iter();
        let team = teams.find(|team| team.id.to_string() == workspace);
        let members = team.into_iter().flat_map(|team| team.members);
        let accepted = members.filter_map(|member| {
            let user = member.user;
            Some(ListedAccount {
                account: Account {
                    id: user.id.to_string(),
                    name: one_line(&user.username?),
                },
                email: user.email,
            })
        });
        Ok(accepted.collect())
    }
}

fn listed(list: &ListedNode, path: String) -> ListedList {
    ListedList {
        id: list.id.to_string(),
        name: list.shown(),
        path,
    }
}
