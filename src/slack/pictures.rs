//! Pictures of messages (docs/contracts/slack.md#uploads). A picture is uploaded before its message is posted, and the
//! message shows it.
//!
//! Nobody sees an uploaded file until a message shows it. So an interruption never makes a second picture: the message is
//! looked up as any other, and a file that no message came to show stays unseen. Without a picture, for any reason, the
//! message has its bars as text.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::json;
use slack_morphism::errors::SlackClientError;
use tokio::time::{Instant, timeout};
use url::Url;

use super::chart;
use super::exchange;
use super::files::is_of_slack;
use super::web::{Web, WebError, meaning, unclear};
use super::wire::{UploadDone, UploadPlace};
use crate::domain::card::{BarChart, CardPart};
use crate::domain::ids::MessageId;
use crate::mailbox::Outgoing;
use crate::runtime::lock;

/// How long a message waits for its pictures.
const UPLOAD_WITHIN: Duration = Duration::from_secs(8);
/// The waits before a message is posted again that Slack refused because of a new picture: it looks at each file first.
pub const SHOWN_AFTER: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// How many messages are remembered that are not posted yet.
const MESSAGES_MAX: usize = 100;
/// The name of a picture.
const NAME: &str = "stats.png";

/// Uploads the pictures of messages.
pub struct Pictures {
    web: Web,
    /// The files of messages that are not posted yet. None, if their upload failed: it is not tried again.
    uploaded: Mutex<HashMap<MessageId, Vec<String>>>,
    /// The app lacked the scope; until then it is not asked for again.
    without_until: Mutex<Option<Instant>>,
    ask_again: Duration,
}

impl Pictures {
    /// `ask_again`: how long a missing scope is taken for missing.
    pub fn new(web: Web, ask_again: Duration) -> Pictures {
        Pictures {
            web,
            uploaded: Mutex::default(),
            without_until: Mutex::default(),
            ask_again,
        }
    }

    /// The files for the pictures of a message, in their order; none if it has none, or if they cannot be uploaded.
    pub async fn of(&self, message: &Outgoing) -> Vec<String> {
        let charts = message.parts.iter().filter_map(|part| match part {
            CardPart::Picture(chart) => Some(chart),
            _ => None,
        });
        let charts: Vec<&BarChart> = charts.collect();
        if charts.is_empty() || self.lacks_scope() {
            return Vec::new();
        }
        if let Some(uploaded) = lock(&self.uploaded).get(&message.id) {
            return uploaded.clone();
        }
        let uploads = async {
            let mut files = Vec::new();
            for chart in charts {
                let Some(picture) = chart::png(&chart.days) else {
                    return Ok(Vec::new());
                };
                files.push(self.web.upload(NAME, &chart.alt, &picture).await?);
            }
            Ok::<_, WebError>(files)
        };
        let files = match timeout(UPLOAD_WITHIN, uploads).await {
            Ok(Ok(files)) => files,
            Ok(Err(error)) => {
                if error.lacks_scope() {
                    *lock(&self.without_until) = Some(Instant::now() + self.ask_again);
                    tracing::debug!("the Slack app may not upload pictures; text stands for them");
                } else {
                    tracing::info!(message_id = message.id.0, %error, "picture not uploaded; text stands for it");
                }
                Vec::new()
            }
            Err(_) => {
                tracing::info!(
                    message_id = message.id.0,
                    "Slack takes a picture too slowly; text stands for it"
                );
                Vec::new()
            }
        };
        let mut uploaded = lock(&self.uploaded);
        if uploaded.len() >= MESSAGES_MAX {
            uploaded.clear();
        }
        uploaded.insert(message.id, files.clone());
        files
    }

    /// Forgets the files of a message: it is posted.
    pub fn forget(&self, message: MessageId) {
        lock(&self.uploaded).remove(&message);
    }

    fn lacks_scope(&self) -> bool {
        lock(&self.without_until).is_some_and(|until| Instant::now() < until)
    }
}

impl Web {
    /// Uploads a picture that nobody sees until a message shows it; returns the id of its file.
    async fn upload(&self, name: &str, alt: &str, content: &[u8]) -> Result<String, WebError> {
        let method = "files.getUploadURLExternal";
        let length = content.len().to_string();
        let query = [("filename", name), ("length", &length), ("alt_txt", alt)];
        let place: UploadPlace = self.get(method, &query).await?;
        let url = place
            .upload_url
            .as_deref()
            .and_then(|url| Url::parse(url).ok());
        let url = url.filter(|url| is_of_slack(url, self));
        let (Some(url), Some(id)) = (url, place.file_id) else {
            return Err(unclear(method));
        };
        self.send_picture(url, content).await?;
        let method = "files.completeUploadExternal";
        let files = json!({"files": [{"id": id, "title": name}]});
        let done: UploadDone = self.send(method, &files).await?;
        match done.ok {
            true => Ok(id),
            false => Err(unclear(method)),
        }
    }

    /// Sends the content to the address of an upload, which is a secret, without the token.
    async fn send_picture(&self, url: Url, content: &[u8]) -> Result<(), WebError> {
        const METHOD: &str = "upload";
        let body = content.to_vec();
        let call =
            exchange::post::<IgnoredAny>(&self.client, url.as_str(), None, "image/png", body);
        match timeout(self.limit, call).await {
            // The answer is no JSON.
            Ok(Ok(_) | Err(SlackClientError::ProtocolError(_))) => Ok(()),
            Ok(Err(error)) => Err(meaning(METHOD, error)),
            Err(_) => Err(WebError::Unknown {
                method: METHOD,
                why: format!("no answer for {} s", self.limit.as_secs_f32()),
            }),
        }
    }
}
