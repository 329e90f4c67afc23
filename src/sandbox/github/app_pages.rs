//! The making of a GitHub App: the pages of GitHub that a person sees, and the exchange of the code
//! (docs/contracts/github.md#app-manifests). The person is always signed in.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::Url;

use super::api::{ApiReply, not_found};
use super::app::{self, ManifestCode, SandboxApp};
use super::world::{GitHubWorld, iso};
use crate::sandbox::webhook_sender::is_loopback;
use crate::sandbox::wire::{ReadRequest, digest, random};

/// How long a code is valid, in milliseconds.
const CODE_LIFE: i64 = 3_600_000;
const NAME_MAX: usize = 34;
/// The events and permissions that an App can have here.
const EVENTS: [&str; 5] = [
    "issues",
    "issue_comment",
    "issue_dependencies",
    "repository",
    "push",
];
/// The one that this version of a server lacks.
const NOT_ON_A_SERVER: &str = "issue_dependencies";
const PERMISSIONS: [&str; 4] = ["issues", "metadata", "contents", "administration"];

/// A manifest that GitHub accepts.
struct ReadManifest {
    name: Option<String>,
    url: String,
    redirect: String,
    hook: Option<(String, bool)>,
    permissions: BTreeMap<String, String>,
    events: Vec<String>,
}

impl GitHubWorld {
    /// The answer to a request outside of the API: a page.
    pub(super) fn page_of(&mut self, call: &ReadRequest) -> ApiReply {
        let steps = call.steps();
        match (call.method.as_str(), steps.as_slice()) {
            ("POST", ["settings", "apps", "new"]) => self.ask_for_app(call, None),
            ("POST", ["organizations", owner, "settings", "apps", "new"]) => {
                self.ask_for_app(call, Some(owner))
            }
            ("POST", ["settings", "apps"]) => self.make_app(call, None),
            ("POST", ["organizations", owner, "settings", "apps"]) => {
                self.make_app(call, Some(owner))
            }
            ("GET", ["apps", slug, "installations", "new"]) if self.is_app(slug) => {
                let owner = self.app().owner.clone();
                let form = "<form method=\"post\"><button>Install</button></form>";
                page(
                    200,
                    &format!(
                        "<h1>Install {}</h1><p>On {}</p>{form}",
                        escaped(slug),
                        escaped(&owner)
                    ),
                )
            }
            ("POST", ["apps", slug, "installations", "new"]) if self.is_app(slug) => {
                let owner = self.app().owner.clone();
                let there = self
                    .app()
                    .installations
                    .values()
                    .any(|one| one.account == owner);
                if !there {
                    self.install_app(&owner);
                }
                page(200, "<h1>Installed</h1>")
            }
            _ => page(404, "<h1>Not found</h1>"),
        }
    }

    fn is_app(&self, slug: &str) -> bool {
        self.app.is_some() && slug == app::slug()
    }

    fn owner_is_known(&self, owner: &str) -> bool {
        let mut owners = self.repos.values().map(|repo| repo.owner());
        owners.any(|known| known.eq_ignore_ascii_case(owner))
    }

    /// The page with the name of the App, and Create.
    fn ask_for_app(&mut self, call: &ReadRequest, owner: Option<&str>) -> ApiReply {
        if owner.is_some_and(|owner| !self.owner_is_known(owner)) {
            return page(404, "<h1>Not found</h1>");
        }
        let form = call.form();
        let given = form.get("manifest").map(String::as_str).unwrap_or_default();
        let read = match self.read_manifest(given) {
            Ok(read) => read,
            Err(why) => return invalid(&why),
        };
        let action = match owner {
            Some(owner) => format!("/organizations/{}/settings/apps", escaped(owner)),
            None => "/settings/apps".to_owned(),
        };
        let state = call.one("state").unwrap_or_default();
        let name = read.name.unwrap_or_default();
        page(
            200,
            &format!(
                "<h1>Create GitHub App</h1><form method=\"post\" action=\"{action}\">\
             <input type=\"hidden\" name=\"manifest\" value=\"{}\"><input type=\"hidden\" name=\"state\" value=\"{}\">\
             <label>GitHub App name <input name=\"name\" value=\"{}\"></label>\
             <button>Create GitHub App</button></form>",
                escaped(given),
                escaped(state),
                escaped(&name),
            ),
        )
    }

    /// Create was pressed: the App is there, and the person is sent back with a code.
    fn make_app(&mut self, call: &ReadRequest, owner: Option<&str>) -> ApiReply {
        let form = call.form();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let name = field("name").trim().to_owned();
        if owner.is_some_and(|owner| !self.owner_is_known(owner)) {
            return page(404, "<h1>Not found</h1>");
        }
        let read = match self.read_manifest(field("manifest")) {
            Ok(read) => read,
            Err(why) => return invalid(&why),
        };
        if name.is_empty() || name.chars().count() > NAME_MAX {
            return page(422, "<p>Name is invalid</p>");
        }
        if self.app.is_some() {
            return page(422, "<p>Name has already been taken</p>");
        }
        let owner = owner.map_or_else(|| self.me.clone(), str::to_owned);
        let now = self.time();
        let mut app = SandboxApp::new(iso(now));
        (app.name, app.owner, app.url) = (name, owner, read.url);
        (app.permissions, app.events) = (read.permissions, read.events);
        self.users.insert(app::bot(), app::bot_json());
        self.app = Some(app);
        if let Some((url, active)) = read.hook {
            let secret = digest(&random());
            self.hook_app_at(&url, &secret, active);
        }
        let code: String = digest(&random()).chars().take(40).collect();
        let Ok(mut back) = Url::parse(&read.redirect) else {
            return invalid("Redirect url is invalid");
        };
        back.query_pairs_mut().append_pair("code", &code);
        let state = field("state");
        if !state.is_empty() {
            back.query_pairs_mut().append_pair("state", state);
        }
        self.codes.push(ManifestCode {
            code,
            at: now,
            used: false,
        });
        page(302, "").with("location", back.to_string())
    }

    /// `POST /app-manifests/{code}/conversions`, which needs no other proof than the code.
    pub(super) fn convert(&mut self, code: &str) -> Result<ApiReply, ApiReply> {
        let now = self.time();
        let mut codes = self.codes.iter_mut();
        let known = codes.find(|one| one.code == code && !one.used && now - one.at < CODE_LIFE);
        known.ok_or_else(not_found)?.used = true;
        let hook = self.app_hook.as_ref();
        let secret = hook.and_then(|hook| hook.secret.clone());
        let app = self.app.as_ref().ok_or_else(not_found)?;
        let mut body = app.json(self.user(&app.owner), &self.pages);
        body["pem"] = json!(app::KEY);
        body["webhook_secret"] = json!(secret);
        body["client_secret"] = json!(digest(&random()));
        Ok(ApiReply::new(201, body))
    }

    fn read_manifest(&self, text: &str) -> Result<ReadManifest, String> {
        let json: Value = serde_json::from_str(text).map_err(|_| "the manifest is no JSON")?;
        let text = |value: &Value, name: &str| value[name].as_str().map(str::to_owned);
        let missing = |name: &str| format!("Error: \"{name}\" wasn't supplied.");
        let known = [
            "name",
            "url",
            "hook_attributes",
            "redirect_url",
            "callback_urls",
            "setup_url",
            "description",
            "public",
            "default_events",
            "default_permissions",
            "request_oauth_on_install",
            "setup_on_update",
        ];
        let fields = json.as_object().ok_or("the manifest is no object")?;
        if let Some(other) = fields.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("Error: \"{other}\" is not a permitted key."));
        }
        let url = text(&json, "url").ok_or_else(|| missing("url"))?;
        if !json["public"].is_null() && !json["public"].is_boolean() {
            return Err("Public is invalid".to_owned());
        }
        let redirect = text(&json, "redirect_url").ok_or_else(|| missing("redirect_url"))?;
        let hook = match &json["hook_attributes"] {
            Value::Null => None,
            hook => {
                // Needed even if the webhook is not active.
                let url = text(hook, "url").ok_or_else(|| missing("url"))?;
                let parsed = Url::parse(&url).map_err(|_| "Hook url is not valid")?;
                if is_loopback(&parsed) && !self.allow_loopback {
                    return Err(
                        "Hook url is not supported because it isn't reachable over the public Internet (localhost)".to_owned(),
                    );
                }
                Some((url, hook["active"].as_bool().unwrap_or(true)))
            }
        };
        let mut permissions = BTreeMap::new();
        for (name, level) in json["default_permissions"]
            .as_object()
            .into_iter()
            .flatten()
        {
            let level = level
                .as_str()
                .filter(|level| ["read", "write"].contains(level));
            let level = level.filter(|_| PERMISSIONS.contains(&name.as_str()));
            let level = level.ok_or_else(|| format!("Default permission {name} is invalid"))?;
            permissions.insert(name.clone(), level.to_owned());
        }
        let mut events = Vec::new();
        for event in json["default_events"].as_array().into_iter().flatten() {
            let name = event.as_str().unwrap_or_default();
            let is_there =
                EVENTS.contains(&name) && (self.server.is_none() || name != NOT_ON_A_SERVER);
            // An event needs the permission that shows its subject.
            let needed = match name {
                "push" => "contents",
                "repository" => "metadata",
                _ => "issues",
            };
            if !is_there || !permissions.contains_key(needed) {
                return Err(format!("Default events unsupported: {name}"));
            }
            events.push(name.to_owned());
        }
        Ok(ReadManifest {
            name: text(&json, "name"),
            url,
            redirect,
            hook,
            permissions,
            events,
        })
    }
}

fn invalid(why: &str) -> ApiReply {
    page(
        422,
        &format!(
            "<h1>Invalid GitHub App configuration</h1><p>The configuration does not appear to be a valid GitHub App manifest. {}</p>",
            escaped(why)
        ),
    )
}

fn page(status: u16, body: &str) -> ApiReply {
    ApiReply {
        status,
        headers: Vec::new(),
        body: None,
        page: Some(format!("<!doctype html><title>GitHub</title>{body}")),
    }
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
