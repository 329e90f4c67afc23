//! A GitHub App made from a manifest (docs/contracts/github.md#app-manifests).
//!
//! The manifest goes with a form to a page of GitHub, where a person presses Create. GitHub returns a code, which is
//! exchanged for the App's id, its key and the secret of its webhook: once, within an hour.

use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::domain::address;
use crate::domain::operation::WriteError;
use crate::http_client::{HttpClient, SourceError};

use super::client::{GitHubVerdict, Request, SYSTEM, Said, classify, segment};
use super::hook::{EVENTS, OLDER_EVENTS};
use super::wire::lenient;

/// The repository permissions that Ivan uses, and their levels (docs/getting-started.md#github-app).
pub(super) const PERMISSIONS: [(&str, &str); 2] = [("issues", "write"), ("metadata", "read")];

/// The longest name of an App.
const NAME_MAX: usize = 34;
/// The address of a webhook that is not active. A manifest needs one.
const NO_HOOK: &str = "https://example.com/webhooks/github";

/// A GitHub App that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPlan<'a> {
    /// The origin of GitHub's pages.
    pub pages: &'a str,
    /// The organization that owns it; `None`: the person's own account.
    pub organization: Option<&'a str>,
    /// The address of its webhook; `None`: the webhook is not active.
    pub hook: Option<&'a str>,
    /// The page that GitHub sends the person back to, with the code.
    pub back: &'a str,
}

impl AppPlan<'_> {
    /// The address that takes the form.
    pub fn form_address(&self) -> String {
        let pages = self.pages;
        match self.organization {
            Some(organization) => format!(
                "{pages}/organizations/{}/settings/apps/new",
                segment(organization)
            ),
            None => format!("{pages}/settings/apps/new"),
        }
    }

    /// The events of its webhook. A manifest with an event that a server does not know is refused.
    fn events(&self) -> &'static [&'static str] {
        match address::is_server(self.pages) {
            true => &OLDER_EVENTS,
            false => &EVENTS,
        }
    }

    /// The manifest as JSON.
    pub fn manifest(&self) -> String {
        let permissions = PERMISSIONS.map(|(name, level)| (name.to_owned(), json!(level)));
        let permissions: serde_json::Map<_, _> = permissions.into_iter().collect();
        let mut manifest = json!({
            "url": self.pages, "public": false, "redirect_url": self.back,
            "hook_attributes": {"url": self.hook.unwrap_or(NO_HOOK), "active": self.hook.is_some()},
            "default_permissions": permissions, "default_events": self.events(),
        });
        // GitHub lets the person change it.
        let name = self.organization.map(|one| format!("Ivan for {one}"));
        let name = name.filter(|name| name.len() <= NAME_MAX);
        if let (Some(name), Some(manifest)) = (name, manifest.as_object_mut()) {
            manifest.insert("name".to_owned(), json!(name));
        }
        manifest.to_string()
    }

    /// The permissions in words: `issues: write, metadata: read`.
    pub fn permissions(&self) -> String {
        let words = PERMISSIONS.map(|(name, level)| format!("{name}: {level}"));
        words.join(", ")
    }
}

/// A GitHub App that was made.
pub struct ConvertedApp {
    /// The App ID.
    pub id: u64,
    /// Its name in addresses.
    pub slug: String,
    /// Its page.
    pub html_url: String,
    /// The private key as PEM. Never printed.
    pub pem: Zeroizing<String>,
    /// The secret of its webhook, unless it has none. Never printed.
    pub webhook_secret: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
struct WireConvertedApp {
    id: u64,
    slug: String,
    html_url: String,
    pem: String,
    #[serde(default, deserialize_with = "lenient")]
    webhook_secret: Option<String>,
}

/// Exchanges the code for the App. The error is a sentence.
pub async fn convert(
    api_url: &str,
    pages: &str,
    code: &str,
    clock: Clock,
) -> Result<ConvertedApp, String> {
    // The code alone proves who asks.
    let http = HttpClient::new(SYSTEM, api_url, "", clock).map_err(|error| error.to_string())?;
    let path = format!("/app-manifests/{}/conversions", segment(code));
    let request = Request::post(path, "the new GitHub App", json!({}));
    let url = http.address(&request);
    let there = format!(
        "Look at {pages}/settings/apps (an organization's: its settings → GitHub Apps): if the App is there, \
                         delete it, and run `ivan init` again"
    );
    let failed = |error: &WriteError| match error {
        WriteError::NotTaken { .. } => {
            format!("GitHub could not be asked for the new App: {error}. {there}")
        }
        WriteError::Refused { .. } | WriteError::Unknown { .. } => {
            format!("GitHub did not hand the new App over: {error}. {there}")
        }
    };
    let answer = http.exchange(&request, url).await;
    let answer = answer.map_err(|error| failed(&error))?;
    let now = http.answered_at(&answer);
    let said = Said::read(&answer.body);
    let verdict = classify(&request, answer.status, &answer.headers, &answer.body, now);
    match verdict {
        GitHubVerdict::Taken => {}
        GitHubVerdict::Failed(WriteError::Refused { .. }) if matches!(answer.status, 404 | 410) => {
            return Err(format!(
                "GitHub does not accept the code of the new App ({said}): it was used already, or is older than an hour. {there}"
            ));
        }
        GitHubVerdict::Failed(WriteError::Refused { .. }) => {
            return Err(format!(
                "GitHub refuses to hand the new App over ({said}). {there}"
            ));
        }
        verdict => {
            return Err(match verdict.taken() {
                Err(SourceError::Failed(error)) => failed(&error),
                _ => format!("GitHub redirects me. Check github.url. {there}"),
            });
        }
    }
    let made: Result<WireConvertedApp, _> = http.parse(&request, &answer.body);
    let made = made.map_err(|error| failed(&error))?;
    let made = ConvertedApp {
        id: made.id,
        slug: made.slug,
        html_url: made.html_url,
        pem: Zeroizing::new(made.pem),
        webhook_secret: made.webhook_secret.map(Zeroizing::new),
    };
    match made.pem.contains("PRIVATE KEY") {
        true => Ok(made),
        false => Err(format!(
            "GitHub's answer has no key of the new App. {there}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_client::fake::{Fake, FakeResponse, json as says, provider};
    use rstest::rstest;
    use serde_json::Value;

    const PLAN: AppPlan<'static> = AppPlan {
        pages: "https://github.com",
        organization: Some("acme"),
        hook: Some("https://bot.example/webhooks/github"),
        back: "http://127.0.0.1:4711/made",
    };

    fn read(plan: &AppPlan<'_>) -> Value {
        serde_json::from_str(&plan.manifest()).unwrap()
    }

    /// The manifest asks for the permissions and events of the tables in the docs, and for nothing else.
    #[test]
    fn the_docs_have_its_permissions_and_events() {
        let guide = include_str!("../../docs/getting-started.md");
        let (_, guide) = guide.split_once("\n### GitHub App\n").unwrap();
        let rows = guide
            .lines()
            .map(str::trim)
            .skip_while(|line| !line.starts_with("| permission"));
        let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
        let permissions: Vec<(String, &str)> = rows
            .map(|row| {
                let cells: Vec<&str> = row.split('|').map(str::trim).collect();
                let level = if cells[2].contains("write") {
                    "write"
                } else {
                    "read"
                };
                (cells[1].to_lowercase(), level)
            })
            .collect();
        let ours: Vec<(String, &str)> = PERMISSIONS
            .map(|(name, level)| (name.to_owned(), level))
            .into();
        assert_eq!(permissions, ours);
        let webhooks = include_str!("../../docs/webhooks.md");
        let (_, webhooks) = webhooks.split_once("\n### GitHub App\n").unwrap();
        let row = webhooks
            .lines()
            .find(|line| line.contains("Subscribe to events"))
            .unwrap();
        let row = row.to_lowercase().replace([' ', '-'], "_");
        for event in EVENTS {
            assert!(row.contains(event), "{event}");
        }
        let made = read(&PLAN);
        assert_eq!(
            made["default_permissions"],
            json!({"issues": "write", "metadata": "read"})
        );
        assert_eq!(made["default_events"], json!(EVENTS));
    }

    #[test]
    fn a_manifest_fits_its_plan() {
        let made = read(&PLAN);
        assert_eq!(made["name"], "Ivan for acme");
        assert_eq!(
            made["hook_attributes"],
            json!({"url": PLAN.hook, "active": true})
        );
        assert_eq!(made["redirect_url"], PLAN.back);
        assert_eq!(
            PLAN.form_address(),
            "https://github.com/organizations/acme/settings/apps/new"
        );
        let own = AppPlan {
            pages: "https://git.acme.test",
            organization: None,
            hook: None,
            ..PLAN
        };
        let made = read(&own);
        assert_eq!(made["hook_attributes"]["active"], false);
        assert!(made["hook_attributes"]["url"].is_string());
        assert_eq!(made["default_events"], json!(OLDER_EVENTS));
        assert_eq!(made["name"], Value::Null);
        assert_eq!(
            own.form_address(),
            "https://git.acme.test/settings/apps/new"
        );
    }

    fn made(pem: &str) -> Value {
        json!({"id": 7, "slug": "ivan-app", "html_url": "https://github.com/apps/ivan-app", "pem": pem,
               "webhook_secret": "s"})
    }

    #[rstest]
    #[case::made(201, made("-----BEGIN RSA PRIVATE KEY-----"), None)]
    #[case::used_or_old(404, json!({"message": "Not Found"}), Some("it was used already, or is older than an hour"))]
    #[case::refused(422, json!({"message": "Validation Failed"}), Some("refuses to hand the new App over"))]
    #[case::no_answer(502, json!({"message": "Server Error"}), Some("did not hand the new App over"))]
    #[case::without_a_key(201, made(""), Some("has no key"))]
    #[case::unreadable(201, json!({"pem": "-----BEGIN RSA PRIVATE KEY-----sesame"}), Some("did not hand the new App over"))]
    #[tokio::test]
    async fn a_code_is_exchanged(
        #[case] status: u16,
        #[case] body: Value,
        #[case] trouble: Option<&'static str>,
    ) {
        provider();
        let fake = Fake::start(move |seen| {
            assert_eq!(seen.line(), "POST /app-manifests/c1/conversions");
            assert_eq!(seen.header("authorization"), None);
            says(status, body.clone())
        })
        .await;
        let got = convert(&fake.url, "https://github.com", "c1", Clock::system()).await;
        match (got, trouble) {
            (Ok(made), None) => {
                assert_eq!((made.id, made.slug.as_str()), (7, "ivan-app"));
                assert_eq!(made.webhook_secret.unwrap().as_str(), "s");
            }
            (Err(why), Some(words)) => {
                assert!(why.contains(words) && !why.contains("sesame"), "{why}");
                assert!(why.contains("https://github.com/settings/apps"), "{why}");
            }
            (got, _) => panic!("{:?}", got.err()),
        }
    }

    #[tokio::test]
    async fn without_an_answer_it_says_where_to_look() {
        provider();
        let fake = Fake::start(|_| FakeResponse::Drop).await;
        let got = convert(&fake.url, "https://github.com", "c1", Clock::system()).await;
        let why = got.err().unwrap();
        assert!(why.contains("if the App is there, delete it"), "{why}");
    }
}
