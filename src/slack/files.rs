//! The content of files that people shared (docs/contracts/slack.md#files).
//!
//! The address of a file comes from Slack, and the bot's token goes along. So it is sent to Slack's own hosts only, and no
//! redirect is followed.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use hyper::Request;
use hyper::body::Body as _;
use hyper::header::CONTENT_TYPE;
use tokio::time::timeout;
use url::Url;

use super::web::{Web, WebError};
use super::{SlackError, SlackToken};
use crate::domain::shared_file::{FileReader, FileUnread};

/// How long `files.info` may take, and the download.
const LIMIT: Duration = Duration::from_secs(15);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(30);
/// The reason for a page that asks to sign in.
const NO_RIGHT: &str =
    "The Slack app may not read it. It needs the scope files:read, and to be installed again";

/// Reads files with the bot's token.
pub struct SlackFiles {
    web: Web,
}

impl SlackFiles {
    /// `api_url` has no slash at its end. Nothing is sent yet.
    pub fn new(api_url: &str, bot_token: &SlackToken) -> Result<SlackFiles, SlackError> {
        let web = Web::new(api_url, &SlackToken::new(""), bot_token, LIMIT)?;
        Ok(SlackFiles { web })
    }
}

#[async_trait]
impl FileReader for SlackFiles {
    async fn content(&self, id: &str, most: usize) -> Result<Vec<u8>, FileUnread> {
        let file = self.web.file(id).await.map_err(|error| unread(&error))?;
        let is_too_large = |size: u64| usize::try_from(size).is_ok_and(|size| size > most);
        if file.size.is_some_and(is_too_large) {
            return Err(FileUnread::TooLarge);
        }
        let url = file.url_private.unwrap_or_default();
        let kind = file.mimetype.unwrap_or_default();
        let downloads = download(&self.web, &url, is_html(&kind), most);
        match timeout(DOWNLOAD_LIMIT, downloads).await {
            Ok(content) => content,
            Err(_) => Err(FileUnread::NotNow("Slack sends it too slowly".to_owned())),
        }
    }
}

/// The reason for a person.
fn unread(error: &WebError) -> FileUnread {
    match error {
        error if error.lacks_scope() => FileUnread::Never(NO_RIGHT.to_owned()),
        WebError::Credentials { code, .. } | WebError::Refused { code, .. } => {
            FileUnread::Never(format!("Slack doesn't give it to me ({code})"))
        }
        WebError::Limited { .. } | WebError::NotTaken { .. } | WebError::Unknown { .. } => {
            FileUnread::NotNow("Slack doesn't give it to me now".to_owned())
        }
    }
}

async fn download(
    web: &Web,
    url: &str,
    expects_page: bool,
    most: usize,
) -> Result<Vec<u8>, FileUnread> {
    let never = |why: &str| FileUnread::Never(why.to_owned());
    let not_now = |why: &str| FileUnread::NotNow(why.to_owned());
    let url = Url::parse(url).ok().filter(|url| is_of_slack(url, web));
    let url = url.ok_or_else(|| never("Slack gives no address of its own for it"))?;
    let request = Request::get(url.as_str())
        .header("authorization", web.bearer())
        .body(String::new());
    let request = request.map_err(|_| never("Slack gives no address for it"))?;
    let answer = web.heads.request(request).await;
    let answer = answer.map_err(|_| not_now("Slack doesn't send it"))?;
    match answer.status().as_u16() {
        200 => {}
        300..=399 | 401 | 403 => return Err(never(NO_RIGHT)),
        status @ (408 | 429 | 500..) => {
            return Err(not_now(&format!("Slack doesn't send it (HTTP {status})")));
        }
        status => return Err(never(&format!("Slack doesn't send it (HTTP {status})"))),
    }
    let kind = answer.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    if !expects_page && kind.is_some_and(is_html) {
        return Err(never(NO_RIGHT));
    }
    let mut body = answer.into_body();
    let mut content = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| not_now("Slack broke the download off"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if content.len() + data.len() > most {
            return Err(FileUnread::TooLarge);
        }
        content.extend_from_slice(&data);
    }
    Ok(content)
}

/// Whether the token, or a file of ours, may be sent there: to Slack, or to the server of the API.
pub(super) fn is_of_slack(url: &Url, web: &Web) -> bool {
    let is_api = Url::parse(&web.api_url).is_ok_and(|api| api.origin() == url.origin());
    let host = url.host_str().unwrap_or_default();
    is_api || url.scheme() == "https" && (host == "slack.com" || host.ends_with(".slack.com"))
}

fn is_html(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("text/html")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://files.slack.com/files-pri/T1-F1/a.png", true)]
    #[case("https://slack.com/a", true)]
    #[case("https://api.example/files-pri/a", true)]
    #[case("http://files.slack.com/a", false)]
    #[case("https://files.slack.com.example/a", false)]
    #[case("https://notslack.com/a", false)]
    #[case("https://api.example:8443/a", false)]
    #[case("http://api.example/a", false)]
    fn the_token_goes_to_slack_only(#[case] url: &str, #[case] fits: bool) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let token = SlackToken::new("xoxb-1");
        let files = SlackFiles::new("https://api.example/api", &token).unwrap();
        assert_eq!(is_of_slack(&Url::parse(url).unwrap(), &files.web), fits);
    }

    #[rstest]
    #[case("text/html; charset=utf-8", true)]
    #[case("Text/HTML", true)]
    #[case("text/plain", false)]
    #[case("", false)]
    fn a_page_is_known_by_its_type(#[case] kind: &str, #[case] is_page: bool) {
        assert_eq!(is_html(kind), is_page);
    }
}
