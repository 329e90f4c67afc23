//! Files that people share: how a message shows them, `files.info`, and the address of a file's content
//! (docs/contracts/slack.md#files).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::blocks::BlockRefusal;
use super::world::{BegunUpload, ErrorCode, SlackWorld, StoredFile};
use super::{Inner, blocks, ids, merge};

/// The most files of one message.
pub(super) const FILES_MAX: usize = 10;
/// The scope for reading files.
pub(super) const SCOPE: &str = "files:read";
/// The scope for uploading files.
pub(super) const UPLOAD_SCOPE: &str = "files:write";
/// The largest upload. Slack's own limit is not in the contract.
const UPLOAD_MAX: usize = 1 << 20;
/// The page for signing in, as a browser gets it instead of a file.
const SIGN_IN: &str = "<!DOCTYPE html><html><title>Slack</title><body>Sign in</body></html>";

impl SlackWorld {
    /// Stores files of a person; returns them as the message shows them: by their ids alone if they are of another
    /// workspace, or if the app may not read them.
    pub(super) fn share(
        &mut self,
        user: &str,
        channel: &str,
        names: &[&str],
        base: &str,
    ) -> Vec<Value> {
        let is_shown = !self.files_are_foreign && self.app.scopes.contains(SCOPE);
        let mut shown = Vec::new();
        for name in names {
            let id = ids::slack("F0");
            let content = format!("The content of {name}.\n").into_bytes();
            let (kind, mime) = match name.rsplit_once('.') {
                Some((_, "png")) => ("png", "image/png"),
                _ => ("binary", "application/octet-stream"),
            };
            let size = self.file_size.unwrap_or(content.len() as u64);
            let slug: String = name.chars().map(slugged).collect();
            let place = format!("{}-{id}/{slug}", self.team.id);
            let object = json!({
                "id": id, "name": name, "mimetype": mime, "filetype": kind, "mode": "hosted", "size": size,
                "user": user, "url_private": format!("{base}/files-pri/{place}"),
                "permalink": format!("https://{}.slack.com/files/{user}/{id}/{slug}", self.team.domain),
            });
            shown.push(match is_shown {
                true => object.clone(),
                false => json!({
                    "id": id, "mode": "file_access", "file_access": "check_file_info", "created": 0, "timestamp": 0,
                    "user": "",
                }),
            });
            let file = StoredFile {
                object,
                channel: channel.to_owned(),
                content,
            };
            self.files.insert(id, file);
        }
        shown
    }

    /// A file of a conversation that the bot is in.
    fn file(&self, id: &str) -> Result<&StoredFile, ErrorCode> {
        let file = self.files.get(id).ok_or("file_not_found")?;
        if file.channel.is_empty() {
            return Ok(file);
        }
        match self.bot_in(&file.channel) {
            Ok(()) => Ok(file),
            Err(_) => Err("file_not_found"),
        }
    }

    /// `files.info`, without its `ok`.
    pub(super) fn file_info(&self, id: &str) -> Result<Value, ErrorCode> {
        let file = self.file(id)?;
        let kind = match self.channel_kind(&file.channel) {
            Some("im") => "ims",
            Some("group" | "mpim") => "groups",
            _ => "channels",
        };
        let mut shown = file.object.clone();
        merge(&mut shown, json!({"channels": [], "groups": [], "ims": []}));
        if !file.channel.is_empty() {
            merge(&mut shown, json!({ kind: [file.channel] }));
        }
        Ok(json!({"file": shown, "comments": [], "response_metadata": {"next_cursor": ""}}))
    }
}

impl SlackWorld {
    /// `files.getUploadURLExternal`, without its `ok`.
    pub(super) fn begin_upload(
        &mut self,
        name: String,
        length: usize,
        alt: Option<String>,
        base: &str,
    ) -> Result<Value, ErrorCode> {
        if length == 0 || length > UPLOAD_MAX {
            return Err("invalid_arguments");
        }
        let id = ids::slack("F0");
        let begun = BegunUpload {
            name,
            alt,
            length,
            content: None,
        };
        self.uploads.insert(id.clone(), begun);
        Ok(json!({"upload_url": format!("{base}/upload/v1/{id}"), "file_id": id}))
    }

    /// `files.completeUploadExternal` for one file, which nobody but the app sees then.
    pub(super) fn complete_upload(
        &mut self,
        id: &str,
        title: Option<&str>,
        base: &str,
    ) -> Result<Value, ErrorCode> {
        let is_sent = self
            .uploads
            .get(id)
            .is_some_and(|one| one.content.is_some());
        if !is_sent {
            return Err("file_not_found");
        }
        let begun = self.uploads.remove(id).ok_or("file_not_found")?;
        let content = begun.content.unwrap_or_default();
        let is_png = content.starts_with(b"\x89PNG\r\n\x1a\n");
        let (kind, mime) = match is_png {
            true => ("png", "image/png"),
            false => ("binary", "application/octet-stream"),
        };
        let place = format!("{}-{id}/{}", self.team.id, begun.name);
        let object = json!({
            "id": id, "name": begun.name, "title": title.unwrap_or(&begun.name), "mimetype": mime, "filetype": kind,
            "mode": "hosted", "size": content.len(), "user": self.bot.user, "alt_txt": begun.alt,
            "url_private": format!("{base}/files-pri/{place}"),
        });
        let file = StoredFile {
            object,
            channel: String::new(),
            content,
        };
        self.files.insert(id.to_owned(), file);
        // Slack fills in the rest later (docs/contracts/slack.md#uploads).
        Ok(json!({"id": id, "title": title.unwrap_or_default()}))
    }

    /// Whether a message of the app may show the files in these blocks: pictures that the app can see, once Slack has
    /// looked at them.
    pub(super) fn may_show(&mut self, list: &[Value]) -> Result<(), BlockRefusal> {
        for (number, block) in list.iter().enumerate() {
            let Some(shown) = block.get("slack_file") else {
                continue;
            };
            let id = shown.get("id").and_then(Value::as_str);
            let file = id.and_then(|id| self.file(id).ok());
            let kind = file.and_then(|file| file.object.get("filetype")?.as_str());
            let is_picture = matches!(kind, Some("png" | "jpg" | "jpeg" | "gif"));
            if !is_picture {
                return Err(blocks::invalid_file(number));
            }
            if self.pictures_refused > 0 {
                self.pictures_refused -= 1;
                return Err(blocks::invalid_file(number));
            }
        }
        Ok(())
    }
}

/// `/upload/v1/<file>`, the address of an upload. It is a secret of its own and takes no token.
pub(super) async fn upload(
    State(inner): State<Arc<Inner>>,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if method != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    // The token must not go there.
    if headers.contains_key(header::AUTHORIZATION) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let mut world = inner.world();
    match world.uploads.get_mut(&id) {
        Some(begun) if begun.length == body.len() && begun.content.is_none() => {
            begun.content = Some(body.to_vec());
            format!("OK - {}", body.len()).into_response()
        }
        Some(_) => StatusCode::BAD_REQUEST.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `/files-pri/<team>-<file>/<name>`, the `url_private` of a file. Without the right to read it, it leads to the page for
/// signing in.
pub(super) async fn content(
    State(inner): State<Arc<Inner>>,
    Path((place, _name)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    if method != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let world = inner.world();
    let token = headers.get(header::AUTHORIZATION);
    let token = token.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let may_read = token == Some(world.app.bot_token.as_str())
        && world.app.refusing.is_none()
        && world.app.scopes.contains(SCOPE);
    if !may_read {
        return (StatusCode::FOUND, [(header::LOCATION, "/signin")]).into_response();
    }
    let id = place.rsplit_once('-').map_or("", |(_, id)| id);
    let Ok(file) = world.file(id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mime = file.object.get("mimetype").and_then(Value::as_str);
    let mime = mime.unwrap_or_default();
    let kind = [(header::CONTENT_TYPE, mime.to_owned())];
    (kind, file.content.clone()).into_response()
}

/// The page for signing in.
pub(super) async fn sign_in() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (kind, SIGN_IN).into_response()
}

/// A character of a name in an address.
fn slugged(c: char) -> char {
    match c {
        '.' | '-' | '_' => c,
        c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
        _ => '_',
    }
}
