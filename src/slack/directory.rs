//! The members of the workspace, for `ivan init`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::SlackToken;
use super::membership::member;
use super::web::{Web, WebError};
use super::wire::Cursor;
use crate::domain::person::{Membership, SlackMember};
use crate::limits::Limit;

/// How long each call may take.
const LIMIT: Duration = Duration::from_secs(15);
/// How many accounts a page has: Slack advises no more.
const PAGE: &str = "200";
/// How many pages are read. Slack allows 20 a minute (Tier 2).
const PAGES_MAX: usize = 15;
const METHOD: &str = "users.list";

/// `users.list`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listed {
    ok: bool,
    members: Vec<Value>,
    response_metadata: Cursor,
}

/// The full members of the bot's workspace by name, each with the address that the app may see.
///
/// `api_url` has no slash at its end; `workspace` is the id of the bot's workspace. The error is a sentence.
pub async fn members(
    api_url: &str,
    bot_token: &SlackToken,
    workspace: &str,
) -> Result<Vec<SlackMember>, String> {
    let web = Web::new(api_url, &SlackToken::new(""), bot_token, LIMIT);
    let web = web.map_err(|error| error.to_string())?;
    let read = read(&web).await.map_err(|error| error.to_string())?;
    let mut members: Vec<SlackMember> = read
        .iter()
        .filter_map(|user| {
            let id = user.get("id")?.as_str()?;
            let member = member(id, user);
            let full = match &member.standing {
                Membership::Full { teams } => teams.iter().any(|team| team == workspace),
                _ => false,
            };
            (full && id != "USLACKBOT").then_some(member)
        })
        .collect();
    members.sort_by_key(|member| (member.name.to_lowercase(), member.id.clone()));
    Ok(members)
}

async fn read(web: &Web) -> Result<Vec<Value>, WebError> {
    let mut members = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let mut query = vec![("limit", PAGE)];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page: Listed = web.get(METHOD, &query).await?;
        if !page.ok {
            return Err(WebError::Unknown {
                method: METHOD,
                why: "Slack's answer is not understood".to_owned(),
            });
        }
        members.extend(page.members);
        let next = page.response_metadata.next_cursor;
        cursor = next.filter(|cursor| !cursor.is_empty());
        if cursor.is_none() {
            return Ok(members);
        }
    }
    Limit::Pages.reached(format_args!(
        "the workspace has more accounts than {PAGES_MAX} pages of {METHOD}; the others are not listed"
    ));
    Ok(members)
}
