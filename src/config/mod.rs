//! Reads `bot.toml`, the environment and secret files into a [`Config`]; reports all mistakes at once.
//!
//! `layers.rs` collects the given values and their origins; `reader.rs` parses values and collects mistakes. This file
//! has the list of keys with their defaults, and the rules among keys. An existing `Config` is valid.

mod changes;
mod layers;
mod lines;
mod network;
mod reader;
mod remarks;
mod secret;
mod token;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveTime;
use zeroize::Zeroizing;

use crate::domain::access::{Access, TaskAccess};
use crate::domain::address;
use crate::domain::entity::Entity;
use crate::domain::form::is_entity;
use crate::domain::link::LinkRule;
use crate::domain::operation::Place;
use crate::domain::person::AllowedUsers;
use crate::domain::reply::ENTITY_MAX;
use crate::domain::schedule::{Defaults, QuietHours, time_of_day};
use crate::domain::score::Weights;
use crate::domain::task::{RepoName, Source};

pub use changes::{ConfigChange, ConfigKeys, needs_restart};
pub use layers::ValueOrigin;
pub use lines::line_in;
pub use network::Network;
pub use reader::ConfigError;
pub use remarks::ConfigWarnings;
pub use secret::Secret;
pub use token::{TOKEN_MIN, TokenHash};

use layers::Layers;
use reader::{Reader, Shown, ValueFormat, boolean, integer, quote, quote_all, text, texts};

/// The whole configuration. Sources and surfaces that are not configured are `None`.
#[derive(Debug, Clone)]
pub struct Config {
    /// `None` if no key of `[slack]` is set.
    pub slack: Option<SlackConfig>,
    /// `None` if no key of `[clickup]` is set.
    pub clickup: Option<ClickUpConfig>,
    /// `None` if no key of `[github]` is set.
    pub github: Option<GitHubConfig>,
    /// The database file, and how long data is kept.
    pub store: StoreConfig,
    /// The default source, and the points for the order.
    pub queue: QueueConfig,
    /// The HTTP API: its address, token and default actor.
    pub api: ApiConfig,
    /// The listener for webhooks.
    pub webhooks: WebhooksConfig,
    /// What both listeners share.
    pub http: HttpConfig,
    /// `tls.ca_file`: certificates of authorities that are trusted besides the system's, as PEM.
    pub ca_file: Option<PathBuf>,
    /// How often the sources are polled.
    pub sync: SyncConfig,
    /// Retries of writes to the sources, and signatures.
    pub outbox: OutboxConfig,
    /// Empty if Ivan serves one person only.
    pub people: Vec<PersonConfig>,
    /// The tasks that people may name.
    pub access: TaskAccess,
    /// How people link their accounts.
    pub link: LinkRule,
    /// The known clients of tasks. Empty: any client.
    pub entities: Vec<Entity>,
    /// `None` if no key of `[standby]` is set.
    pub standby: Option<StandbyConfig>,
    /// `telemetry.otlp_url`: the OpenTelemetry collector that traces go to. `None`: no traces; always so in a build without
    /// the feature `otel`.
    pub otlp_url: Option<String>,
    /// The format and level of log lines.
    pub log: LogConfig,
    file: Option<PathBuf>,
    shown: Vec<Shown>,
    remarks: ConfigWarnings,
}

/// `[slack]`
#[derive(Debug, Clone)]
pub struct SlackConfig {
    /// `xapp-…`
    pub app_token: Secret,
    /// `xoxb-…`
    pub bot_token: Secret,
    /// The base address, without a slash at its end, like all addresses here.
    pub api_url: String,
    /// Default: `Bare`.
    pub channel_commands: ChannelCommandsConfig,
    /// Default: `Hint`.
    pub thread_replies: ThreadRepliesConfig,
    /// For people without a choice of their own. Default: `Message`.
    pub receipts: ReceiptsConfig,
    /// The accounts that may command. With `[[people]]` and without ids: every full member of the workspace.
    pub allowed_users: AllowedUsers,
    /// The Slack ids of people to alert about trouble with a source, a webhook or the daemon.
    pub operators: Vec<String>,
    /// Whether operators are people and add the others in Slack: with `[[people]]`, or without `allowed_users`.
    pub operators_add: bool,
    /// After an outage longer than this, the histories of the DMs are read.
    pub catch_up_after: Duration,
    /// The period of comparing an active DM with its history.
    pub compare_every: Duration,
    /// The default times of briefings and quiet hours.
    pub rhythm: Defaults,
    /// The defaults for `create` in a channel. Each channel has at most one.
    pub channels: Vec<ChannelConfig>,
}

/// One of `[[slack.channels]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelConfig {
    /// Its Slack id.
    pub id: String,
    /// As given, or the source of its list or repository.
    pub source: Option<Source>,
    /// One of the mirrored lists.
    pub list: Option<String>,
    /// One of the mirrored repositories.
    pub repo: Option<RepoName>,
    /// The client of its tasks, by id, name or alias; `None`: none.
    pub entity: Option<String>,
}

/// Which messages in channels are commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelCommandsConfig {
    /// Mentions, and a message that begins with `create`.
    Bare,
    /// Only mentions.
    Mention,
    /// Nothing.
    Off,
}

/// The effect of a text that is not a command in a thread under a message about a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadRepliesConfig {
    /// A hint that lists the commands.
    Hint,
    /// A comment on the task.
    Comment,
}

/// How people learn the outcome of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptsConfig {
    /// By a message.
    Message,
    /// By a reaction on their own message, in addition.
    Reactions,
}

/// `[clickup]`
#[derive(Debug, Clone)]
pub struct ClickUpConfig {
    /// An API token, `pk_…`.
    pub token: Secret,
    /// The id of the workspace.
    pub team_id: String,
    /// The list that `create` uses.
    pub list_id: String,
    /// Further mirrored lists.
    pub lists: Vec<String>,
    /// The name of the status that `done` sets, if the list has it.
    pub complete_status: String,
    /// `None`: the first `custom` status of the list.
    pub in_progress_status: Option<String>,
    /// The secret of a webhook created by hand. Webhooks of `webhooks register` have their own in the store.
    pub webhook_secret: Option<Secret>,
    /// The base address, without a slash at its end.
    pub api_url: String,
}

impl ClickUpConfig {
    /// Every mirrored list once; the one for `create` first.
    pub fn all_lists(&self) -> Vec<&str> {
        let mut all = vec![self.list_id.as_str()];
        for list in &self.lists {
            if !all.contains(&list.as_str()) {
                all.push(list);
            }
        }
        all
    }
}

/// `[github]`
#[derive(Debug, Clone)]
pub struct GitHubConfig {
    /// The token, or the App whose installation's tokens are used.
    pub access: GitHubAccessConfig,
    /// The default repository.
    pub repo: RepoName,
    /// Further mirrored repositories.
    pub repos: Vec<RepoName>,
    /// `None`: the secret of the webhook from `webhooks register`, in the store.
    pub webhook_secret: Option<Secret>,
    /// The origin of the pages: `https://github.com`, or that of a GitHub Enterprise Server.
    pub url: String,
    /// The base of the API, by default the one that belongs to these pages.
    pub api_url: String,
    /// The label that `start` adds, if the repository has it.
    pub in_progress_label: String,
    /// Labels that mean urgent or high.
    pub priority_labels: PriorityLabelsConfig,
    /// 0 means unlimited.
    pub writes_per_second: u32,
}

impl GitHubConfig {
    /// `github.token`, unless an App is used.
    pub fn token(&self) -> Option<&Secret> {
        match &self.access {
            GitHubAccessConfig::Token(token) => Some(token),
            GitHubAccessConfig::App(_) => None,
        }
    }

    /// The App's private key, unless a token is used.
    pub fn app_key(&self) -> Option<&Secret> {
        match &self.access {
            GitHubAccessConfig::Token(_) => None,
            GitHubAccessConfig::App(app) => Some(&app.key),
        }
    }

    /// Every mirrored repository once; the default one first.
    pub fn all_repos(&self) -> Vec<&RepoName> {
        let mut all = vec![&self.repo];
        for repo in &self.repos {
            if !all.iter().any(|known| known.is(repo)) {
                all.push(repo);
            }
        }
        all
    }
}

/// How Ivan proves itself to GitHub.
#[derive(Debug, Clone)]
pub enum GitHubAccessConfig {
    /// `github.token`: a personal access token with the permission to write issues.
    Token(Secret),
    /// `github.app_id` and `github.app_key_file`.
    App(GitHubAppConfig),
}

/// A GitHub App of one's own.
#[derive(Debug, Clone)]
pub struct GitHubAppConfig {
    /// The App ID, or the client ID, which GitHub takes as well.
    pub app_id: String,
    /// The private key in the file of `github.app_key_file`, as PEM.
    pub key: Secret,
    /// `None`: the only installation of the App.
    pub installation_id: Option<u64>,
}

/// Labels that stand for a priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriorityLabelsConfig {
    /// Compared without case. Default: `P0`.
    pub urgent: Vec<String>,
    /// Compared without case. Default: `P1`.
    pub high: Vec<String>,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The SQLite file; a relative path starts at the working directory.
    pub path: PathBuf,
    /// The retention time of raw payloads.
    pub retention: Duration,
    /// The retention time of the log of activities.
    pub log_retention: Duration,
    /// The file with the key of the secrets; `None`: beside the database.
    pub key_file: Option<PathBuf>,
}

/// `[queue]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// The source that `create` uses; always a configured one.
    pub default_source: Source,
    /// The points of `[queue.score]`, each from -1,000,000 to 1,000,000.
    pub score: Weights,
}

/// `[api]`
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The address of the API. Default: `127.0.0.1:8787`.
    pub bind: SocketAddr,
    /// `None`: the token in the file `api-token` beside the store, created at the first start.
    pub token: Option<Secret>,
    /// The name, Slack id or GitHub login of a person.
    pub default_person: Option<String>,
    /// Further tokens. No two share a name or a token.
    pub tokens: Vec<ApiTokenConfig>,
}

/// One of `[[api.tokens]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenConfig {
    /// Its name in the log.
    pub name: String,
    /// The person whom it acts as: the name, Slack id or GitHub login; `None` for any.
    pub person: Option<String>,
    /// Whether it may only read.
    pub read_only: bool,
    /// The hash of the token.
    pub hash: TokenHash,
}

/// `[webhooks]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhooksConfig {
    /// The address of a separate listener, so that only the webhook endpoint is exposed. Never the API's address.
    pub bind: SocketAddr,
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// The addresses of proxies, to which the bound of connections per address does not apply. Default: loopback.
    pub trusted_proxies: Vec<Network>,
}

/// `[sync]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncConfig {
    /// The period of asking a source for changes.
    pub interval: Duration,
    /// The period of reading a source completely; at least `interval`.
    pub full_interval: Duration,
}

/// `[outbox]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxConfig {
    /// The wait after the first failed attempt; it doubles each time.
    pub retry_initial: Duration,
    /// The longest wait between attempts; at least `retry_initial`.
    pub retry_max: Duration,
    /// The age at which a failed operation is given up.
    pub give_up_after: Duration,
    /// Whether comments and new tasks name their author, if `[[people]]` has several entries.
    pub signature: bool,
}

/// `[standby]`
#[derive(Debug, Clone)]
pub struct StandbyConfig {
    /// The bucket with the lease.
    pub bucket: String,
    /// The key of the lease's object.
    pub key: String,
    /// The name of this daemon; each has another.
    pub holder: String,
    /// How long the lease lasts without a renewal.
    pub ttl: Duration,
    /// The region of the bucket.
    pub region: String,
    /// `None`: Amazon S3.
    pub endpoint: Option<String>,
    /// The id of the access key.
    pub access_key_id: String,
    /// The secret of the access key.
    pub secret_access_key: Secret,
    /// The program that restores the replica of a term to a file, and its arguments.
    pub restore: Vec<String>,
    /// The program that replicates the store while this daemon leads. Empty: another one does.
    pub replicate: Vec<String>,
}

/// One of `[[people]]`. No two share a name or an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonConfig {
    /// The configured name, else the GitHub login, the Slack id or the ClickUp id.
    pub name: String,
    /// Slack id; `None`: no commands from Slack.
    pub slack: Option<String>,
    /// GitHub login.
    pub github: Option<String>,
    /// ClickUp member id.
    pub clickup: Option<String>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Default: `Pretty`.
    pub format: LogFormat,
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people, coloured on a terminal.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// All mistakes in a configuration. `Display` prints one line per mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Each mistake, in the order of detection.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }

    /// The same text as `Display`, with the line of each key in its file.
    pub fn located(&self) -> String {
        let mut text = self.to_string();
        for error in &self.0 {
            if let ValueOrigin::File(path) = &error.origin
                && let Some(line) = line_in(path, &error.key)
            {
                let (plain, located) = (
                    error.to_string(),
                    format!("{}: {} ({}:{line})", error.key, error.why, path.display()),
                );
                text = text.replace(&plain, &located);
            }
        }
        text
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "1 error in the configuration:")?,
            many => write!(f, "{many} errors in the configuration:")?,
        }
        for error in &self.0 {
            write!(f, "\n  {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl Config {
    /// Operators who are people without a section in `[[people]]`.
    pub fn operators_without_section(&self) -> impl Iterator<Item = &String> {
        let slack = self.slack.iter().filter(|slack| slack.operators_add);
        let has_section =
            |id: &String| self.people.iter().any(|one| one.slack.as_ref() == Some(id));
        slack
            .flat_map(|slack| &slack.operators)
            .filter(move |id| !has_section(id))
    }

    /// Whether one person stands for everybody who may command.
    pub fn is_shared(&self) -> bool {
        let add = self.slack.as_ref().is_some_and(|slack| slack.operators_add);
        self.people.is_empty() && !add
    }

    /// Whether the ClickUp account of any person can be found by e-mail address only. Operators may add such a person.
    pub fn finds_by_email(&self) -> bool {
        let slack = self.slack.as_ref();
        let add = slack.is_some_and(|slack| slack.operators_add && !slack.operators.is_empty());
        self.clickup.is_some() && (add || self.people.iter().any(|person| person.clickup.is_none()))
    }

    /// Finds `bot.toml` (`path`, `$IVAN_CONFIG`, `./`, `$XDG_CONFIG_HOME/ivan/`, `/etc/ivan/`), overrides it with the
    /// environment and reads both. The file is optional if the environment has all required keys.
    ///
    /// `env` are the variables of the process. [`std::env::vars`] panics on values that are not UTF-8, so pass the
    /// others from [`std::env::vars_os`].
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigErrors> {
        Config::load_with(path, env.collect())
    }

    #[inline(never)]
    fn load_with(path: Option<&Path>, env: Vec<(String, String)>) -> Result<Config, ConfigErrors> {
        let looked_at = layers::looked_at(path, &env);
        let file = layers::find(path, &env).map_err(whole)?;
        // The text has secrets.
        let file = file.map(|(path, text)| (path, Zeroizing::new(text)));
        let file = file
            .as_ref()
            .map(|(path, text)| (path.as_path(), text.as_str()));
        Config::read_known(file, env.into_iter(), &looked_at).0
    }

    /// Reads the text of a file, variables, and the secret files that they name, but nothing else. For the demo and for
    /// tests, which must not find a stray `bot.toml`.
    pub fn read(
        file: Option<(&Path, &str)>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigErrors> {
        Config::read_known(file, env, &[]).0
    }

    /// The file that `ivan init` writes, with its text if it exists: the one that [`Config::load`] reads, else the named
    /// one, else `bot.toml` in the working directory.
    pub fn file_to_write(
        path: Option<&Path>,
        env: &[(String, String)],
    ) -> Result<(PathBuf, Option<Zeroizing<String>>), ConfigErrors> {
        layers::to_write(path, env)
            .map(|(path, text)| (path, text.map(Zeroizing::new)))
            .map_err(whole)
    }

    /// The file that was read, if any.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The file of the API's token if `api.token` is not set: `api-token` beside the store.
    pub fn api_token_path(&self) -> PathBuf {
        self.store.path.with_file_name("api-token")
    }

    /// The configuration in force as TOML with the origin of each value; secrets are masked.
    pub fn show(&self) -> String {
        reader::show(&self.shown)
    }

    /// Suspicious values that are valid, and secret files that others can read.
    pub fn remarks(&self) -> &ConfigWarnings {
        &self.remarks
    }

    /// Reads the configuration; also returns the known keys. `looked_at`: the places without a file, for the error.
    fn read_known(
        file: Option<(&Path, &str)>,
        env: impl Iterator<Item = (String, String)>,
        looked_at: &[String],
    ) -> (Result<Config, ConfigErrors>, BTreeSet<String>) {
        let layers = match Layers::read(file, env) {
            Ok(layers) => layers,
            Err(error) => return (Err(whole(error)), BTreeSet::new()),
        };
        let path = layers.file.clone();
        let untouched = remarks::like_the_example(&layers);
        let mut reader = Reader::new(layers);
        let configured: Vec<Source> = Source::ALL
            .into_iter()
            .filter(|source| reader.has(source.as_str()))
            .collect();
        if configured.is_empty() {
            reader.error(
                "",
                &match &path {
                    None if !looked_at.is_empty() => format!(
                        "no bot.toml found (looked at {}); `ivan init` makes one. `ivan demo` needs none",
                        looked_at.join(", ")
                    ),
                    _ => "no source is configured; fill in [clickup], [github] or both".to_owned(),
                },
            );
        }
        let has_slack = reader.has("slack");
        let mut slack = slack(&mut reader);
        let clickup = clickup(&mut reader);
        let github = github(&mut reader);
        let channels = channels(&mut reader, clickup.as_ref(), github.as_ref());
        if let Some(slack) = &mut slack {
            slack.channels = channels;
        }
        let store = store(&mut reader);
        let queue = queue(&mut reader, &configured);
        let people = people(&mut reader);
        if has_slack {
            somebody_is_allowed(&mut reader, &people, slack.as_mut());
        }
        let shared = people.is_empty() && !slack.as_ref().is_some_and(|slack| slack.operators_add);
        let access = access(&mut reader, shared, clickup.as_ref(), github.as_ref());
        let link = link_rule(&mut reader, slack.as_ref());
        let entities = entities(&mut reader, clickup.as_ref(), github.as_ref());
        let channels = slack.iter().flat_map(|slack| &slack.channels);
        known_to_channels(&mut reader, &entities, channels);
        let api = api(&mut reader, &people);
        let webhooks = webhooks(&mut reader, api.bind);
        let http = http(&mut reader);
        let ca_file = ca_file(&mut reader);
        let sync = sync(&mut reader);
        let outbox = outbox(&mut reader);
        let standby = standby(&mut reader);
        let otlp_url = otlp_url(&mut reader);
        let log = log(&mut reader);
        let addresses = [
            slack
                .as_ref()
                .map(|slack| ("slack.api_url", &slack.api_url)),
            clickup
                .as_ref()
                .map(|clickup| ("clickup.api_url", &clickup.api_url)),
            github
                .as_ref()
                .filter(|_| reader.was_given("github.api_url"))
                .map(|github| ("github.api_url", &github.api_url)),
            standby
                .as_ref()
                .and_then(|standby| Some(("standby.endpoint", standby.endpoint.as_ref()?))),
            github
                .as_ref()
                .filter(|_| reader.was_given("github.url"))
                .map(|github| ("github.url", &github.url)),
        ];
        for (key, address) in addresses.into_iter().flatten() {
            encrypted(&mut reader, key, address);
        }

        let mut risks = short_secrets(&reader);
        risks.extend(exposed(&mut reader, "api", api.bind));
        risks.extend(exposed(&mut reader, "webhooks", webhooks.bind));
        let remarks = ConfigWarnings::new(untouched, reader.secrets_by_file(), risks);
        let (errors, shown, known) = reader.finish();
        let config = if errors.is_empty() {
            Ok(Config {
                slack,
                clickup,
                github,
                store,
                queue,
                api,
                webhooks,
                http,
                ca_file,
                sync,
                outbox,
                people,
                access,
                link,
                entities,
                standby,
                otlp_url,
                log,
                file: path,
                shown,
                remarks,
            })
        } else {
            Err(ConfigErrors(errors))
        };
        (config, known)
    }
}

/// The shortest secret that cannot be guessed, in characters.
const SECRET_MIN: usize = TOKEN_MIN;

/// Refuses an address that tokens would be sent to without encryption. On this machine nobody is between.
fn encrypted(reader: &mut Reader, key: &str, address: &str) {
    let Some(rest) = address.strip_prefix("http://") else {
        return;
    };
    let host = rest.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let here = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !here {
        reader.error(
            key,
            format!("`{address}` would get the token unencrypted; use https:// (http:// is for this machine only)"),
        );
    }
}

fn short_secrets(reader: &Reader) -> Vec<String> {
    let told = |key: &String| {
        format!("{key} has fewer than {SECRET_MIN} characters and can be guessed; use a longer one")
    };
    reader.short_secrets().iter().map(told).collect()
}

/// A warning if a listener is reachable from all networks. With a secret that can be guessed, it is refused there and on
/// every address but loopback.
fn exposed(reader: &mut Reader, section: &str, bind: SocketAddr) -> Option<String> {
    let key = format!("{section}.bind");
    if bind.ip().is_loopback() {
        return None;
    }
    let guards = |secret: &&String| match section {
        "api" => *secret == "api.token",
        _ => secret.ends_with(".webhook_secret"),
    };
    let short = reader.short_secrets().iter().find(guards).cloned();
    if let Some(secret) = short {
        reader.error(
            &key,
            format!(
                "`{bind}` is reachable by others, and {secret} has fewer than {SECRET_MIN} characters; use a longer \
                 one, or bind to 127.0.0.1"
            ),
        );
    }
    bind.ip().is_unspecified().then(|| {
        format!(
            "{key} is {bind}: every network of this machine reaches it, and it does not encrypt. Bind it to 127.0.0.1, \
             or let a firewall admit the TLS proxy only"
        )
    })
}

fn whole((origin, why): (ValueOrigin, String)) -> ConfigErrors {
    ConfigErrors(vec![ConfigError {
        key: String::new(),
        why,
        origin,
    }])
}

fn slack(reader: &mut Reader) -> Option<SlackConfig> {
    let here = reader.has("slack");
    let app_token = reader.required_secret(
        "slack.app_token",
        "xapp-",
        here,
        "the app-level token, from Basic Information → App-Level Tokens of the Slack app",
    );
    let bot_token = reader.required_secret(
        "slack.bot_token",
        "xoxb-",
        here,
        "the bot token, from OAuth & Permissions of the Slack app",
    );
    let api_url = reader.or("slack.api_url", &ADDRESS, "https://slack.com/api".into());
    let channel_commands = reader.or(
        "slack.channel_commands",
        &CHANNEL_COMMANDS,
        ChannelCommandsConfig::Bare,
    );
    let thread_replies = reader.or(
        "slack.thread_replies",
        &THREAD_REPLIES,
        ThreadRepliesConfig::Hint,
    );
    let receipts = reader.or("slack.receipts", &RECEIPTS, ReceiptsConfig::Message);
    let allowed_users = reader.or(ALLOWED_USERS, &ALLOWED, AllowedUsers::default());
    let operators = reader.or("slack.operators", &SLACK_IDS, Vec::new());
    let catch_up_after = reader.or(
        "slack.catch_up_after",
        &DURATION,
        Duration::from_secs(5 * 60),
    );
    let compare_every = reader.or(
        "slack.compare_every",
        &DURATION,
        Duration::from_secs(3 * 60),
    );
    let rhythm = Defaults {
        briefing: reader.or("slack.briefing", &BRIEFING, None),
        quiet: reader.or("slack.quiet", &QUIET, None),
    };
    if !here {
        reader.hide("slack");
    }
    Some(SlackConfig {
        app_token: app_token?,
        bot_token: bot_token?,
        api_url,
        channel_commands,
        thread_replies,
        receipts,
        allowed_users,
        operators,
        operators_add: false,
        catch_up_after,
        compare_every,
        rhythm,
        channels: Vec::new(),
    })
}

const ALLOWED_USERS: &str = "slack.allowed_users";
const OPERATORS: &str = "slack.operators";

/// Without `[[people]]`, everybody in `allowed_users` shares one queue, and acts as Ivan's accounts. So an operator has to
/// allow them: no value is chosen for them. With `[[people]]`, or with `operators` alone, each person has a queue: an
/// empty list allows every full member, of whom only people have one, and operators add the others.
fn somebody_is_allowed(
    reader: &mut Reader,
    people: &[PersonConfig],
    slack: Option<&mut SlackConfig>,
) {
    // Without tokens `[slack]` is not read to its end.
    let (is_empty, operators) = match &slack {
        Some(slack) => {
            let allowed = &slack.allowed_users;
            let is_empty = !allowed.members && allowed.named.is_empty();
            (is_empty, !slack.operators.is_empty())
        }
        None => (
            !reader.was_given(ALLOWED_USERS),
            reader.was_given(OPERATORS),
        ),
    };
    let unclear = reader.has_errors_in("people")
        || reader.has_error(ALLOWED_USERS)
        || reader.has_error(OPERATORS);
    if unclear {
        return;
    }
    let nobody = people.is_empty() && !operators && is_empty;
    if nobody {
        reader.unset(
            ALLOWED_USERS,
            "nobody may command yet; name yourself in slack.operators and add the others in Slack, or add [[people]], \
             or list Slack ids here, or write [\"*\"] to allow every full member of the workspace. Those listed here \
             share one queue without [[people]]",
        );
    }
    if let Some(slack) = slack {
        slack.operators_add = !people.is_empty() || (operators && is_empty);
        if is_empty && !nobody {
            slack.allowed_users = AllowedUsers::every_member();
        }
    }
}

/// The place for new tasks, as given in a table.
struct PlaceKeys {
    given: Option<Source>,
    list: Option<String>,
    repo: Option<RepoName>,
}

/// Reads `source`, `list` and `repo` of a table; the list and repository must be mirrored.
fn place(
    reader: &mut Reader,
    key: impl Fn(&str) -> String,
    clickup: Option<&ClickUpConfig>,
    github: Option<&GitHubConfig>,
) -> PlaceKeys {
    let given = reader.optional(&key("source"), &SOURCE, "that of the list or repository");
    let list = reader.optional(&key("list"), &LIST, "clickup.list_id");
    let repo = reader.optional(&key("repo"), &REPO, "github.repo");
    followed(reader, key, (&list, clickup), (&repo, github));
    PlaceKeys { given, list, repo }
}

/// The list and repository of a table must be mirrored.
fn followed(
    reader: &mut Reader,
    key: impl Fn(&str) -> String,
    (list, clickup): (&Option<String>, Option<&ClickUpConfig>),
    (repo, github): (&Option<RepoName>, Option<&GitHubConfig>),
) {
    if let Some(list) = list
        && let Some(clickup) = clickup
        && !clickup.all_lists().contains(&list.as_str())
    {
        reader.error(
            &key("list"),
            format!("`{list}` is not a configured list; add it to clickup.lists"),
        );
    }
    if let Some(repo) = repo
        && let Some(github) = github
        && !github.all_repos().iter().any(|known| known.is(repo))
    {
        reader.error(
            &key("repo"),
            format!("`{repo}` is not a configured repository; add it to github.repos"),
        );
    }
}

/// `[access]`: the tasks that people may name. Without `[[people]]` there is nobody to tell apart.
/// With `operators` only they link accounts, so there has to be one.
fn link_rule(reader: &mut Reader, slack: Option<&SlackConfig>) -> LinkRule {
    const LINK: &str = "identity.link";
    let rule = reader.or(LINK, &LINK_RULE, LinkRule::Proof);
    let none = slack.is_none_or(|slack| slack.operators.is_empty());
    if rule == LinkRule::Operators && none && !reader.has_error(OPERATORS) {
        reader.error(
            LINK,
            "`operators` needs slack.operators: nobody could approve a link",
        );
    }
    rule
}

fn access(
    reader: &mut Reader,
    shared: bool,
    clickup: Option<&ClickUpConfig>,
    github: Option<&GitHubConfig>,
) -> TaskAccess {
    const ALL: &str = "access.tasks";
    let tasks = reader.or(ALL, &ACCESS, Access::All);
    let mut restricted = (tasks == Access::Own).then(|| ALL.to_owned());
    let mut positions = reader.positions("access.places");
    let none = positions.is_empty();
    if none {
        // Makes the keys known, so that suggestions for misspelled ones work.
        positions.insert(0);
    }
    let mut places: Vec<(Place, Access)> = Vec::new();
    for at in positions {
        let key = |name: &str| format!("access.places.{at}.{name}");
        let list = reader.optional(&key("list"), &LIST, "the place is a repository");
        let repo = reader.optional(&key("repo"), &REPO, "the place is a list");
        let tasks = reader.required(&key("tasks"), &ACCESS, !none, "`all` or `own`");
        followed(reader, key, (&list, clickup), (&repo, github));
        if tasks == Some(Access::Own) {
            restricted.get_or_insert_with(|| key("tasks"));
        }
        for (name, given, of, there) in [
            ("list", list.is_some(), "clickup", clickup.is_some()),
            ("repo", repo.is_some(), "github", github.is_some()),
        ] {
            if given && !there && !reader.has_errors_in(of) {
                reader.error(
                    &key(name),
                    format!("needs {of}, but [{of}] is not configured"),
                );
            }
        }
        let unclear = reader.has_errors_in(&format!("access.places.{at}"));
        let place = match (list, repo) {
            (Some(_), Some(_)) => {
                reader.error(&key("repo"), "conflicts with the list; keep one of them");
                continue;
            }
            (Some(list), None) => Place::List(list),
            (None, Some(repo)) => Place::Repo(repo),
            (None, None) => {
                if !none && !unclear {
                    reader.error(
                        &key("tasks"),
                        "has no place; add the list or the repo that it is about",
                    );
                }
                continue;
            }
        };
        let is_same = |other: &Place| match (&place, other) {
            (Place::List(one), Place::List(other)) => one == other,
            (Place::Repo(one), Place::Repo(other)) => one.is(other),
            _ => false,
        };
        if places.iter().any(|(other, _)| is_same(other)) {
            let name = match place {
                Place::List(_) => "list",
                Place::Repo(_) => "repo",
            };
            reader.error(
                &key(name),
                "is used by another of [[access.places]]; keep one",
            );
        }
        places.extend(tasks.map(|tasks| (place, tasks)));
    }
    if none {
        reader.forget("access.places.0");
    }
    if shared
        && !reader.has_errors_in("people")
        && let Some(key) = restricted
    {
        reader.error(
            &key,
            "`own` needs [[people]] or slack.operators: without them everybody shares one queue",
        );
    }
    TaskAccess { tasks, places }
}

/// `[[slack.channels]]`: their sources, lists and repositories must be configured.
fn channels(
    reader: &mut Reader,
    clickup: Option<&ClickUpConfig>,
    github: Option<&GitHubConfig>,
) -> Vec<ChannelConfig> {
    let mut positions = reader.positions("slack.channels");
    let none = positions.is_empty();
    if none {
        // Makes the keys known, so that suggestions for misspelled ones work.
        positions.insert(0);
    }
    let mut channels: Vec<ChannelConfig> = Vec::new();
    for at in positions {
        let key = |name: &str| format!("slack.channels.{at}.{name}");
        let id = reader.required(
            &key("id"),
            &CHANNEL_ID,
            !none,
            "the channel's id, at the end of its details (click its name)",
        );
        let PlaceKeys { given, list, repo } = place(reader, key, clickup, github);
        let entity = reader.optional(&key("entity"), &ENTITY, "no client");
        if list.is_some() && repo.is_some() {
            reader.error(&key("repo"), "conflicts with the list; keep one of them");
        }
        let of_place = match (&list, &repo) {
            (Some(_), _) => Some((Source::ClickUp, "list")),
            (None, Some(_)) => Some((Source::GitHub, "repo")),
            (None, None) => None,
        };
        if let (Some(source), Some((other, place))) = (given, of_place)
            && source != other
        {
            reader.error(
                &key("source"),
                format!("`{source}` does not match: {place} belongs to {other}"),
            );
        }
        let source = given.or(of_place.map(|(source, _)| source));
        let missing = match source {
            Some(Source::ClickUp) => clickup.is_none() && !reader.has_errors_in("clickup"),
            Some(Source::GitHub) => github.is_none() && !reader.has_errors_in("github"),
            None => false,
        };
        if let Some(source) = source.filter(|_| missing) {
            let name = match (given, of_place) {
                (None, Some((_, place))) => place,
                _ => "source",
            };
            reader.error(
                &key(name),
                format!("needs {source}, but [{source}] is not configured"),
            );
        }
        let Some(id) = id else { continue };
        if channels.iter().any(|other| other.id == id) {
            reader.error(
                &key("id"),
                format!("`{id}` is used by another of [[slack.channels]]; keep one"),
            );
        }
        channels.push(ChannelConfig {
            id,
            source,
            list,
            repo,
            entity,
        });
    }
    if none {
        reader.forget("slack.channels.0");
    }
    channels
}

/// `[[entities]]`: names are unique, and their places must be mirrored.
fn entities(
    reader: &mut Reader,
    clickup: Option<&ClickUpConfig>,
    github: Option<&GitHubConfig>,
) -> Vec<Entity> {
    let mut positions = reader.positions("entities");
    let none = positions.is_empty();
    if none {
        // Makes the keys known, so that suggestions for misspelled ones work.
        positions.insert(0);
    }
    let mut entities: Vec<Entity> = Vec::new();
    for at in positions {
        let key = |name: &str| format!("entities.{at}.{name}");
        let id = reader.required(
            &key("id"),
            &ENTITY,
            !none,
            "the id in the tag client:<id> and in [CLIENT:<id>]",
        );
        let name = reader.optional(&key("name"), &TEXT, "the id");
        let aliases = reader.or(&key("aliases"), &TEXTS, Vec::new());
        let PlaceKeys { given, list, repo } = place(reader, key, clickup, github);
        if list.is_some() && repo.is_some() && given.is_none() {
            reader.error(
                &key("source"),
                "missing; with a list and a repo, it says which one gets new tasks",
            );
        }
        let source = match (given, &list, &repo) {
            (Some(given), ..) => Some(given),
            (None, Some(_), _) => Some(Source::ClickUp),
            (None, None, Some(_)) => Some(Source::GitHub),
            (None, None, None) => None,
        };
        for (part, wanted, there) in [
            (
                "clickup",
                list.is_some() || source == Some(Source::ClickUp),
                clickup.is_some(),
            ),
            (
                "github",
                repo.is_some() || source == Some(Source::GitHub),
                github.is_some(),
            ),
        ] {
            if wanted && !there && !reader.has_errors_in(part) {
                let name = match (part, &list, &repo) {
                    ("clickup", Some(_), _) => "list",
                    ("github", _, Some(_)) => "repo",
                    _ => "source",
                };
                reader.error(
                    &key(name),
                    format!("needs {part}, but [{part}] is not configured"),
                );
            }
        }
        let Some(id) = id else { continue };
        let entity = Entity {
            id,
            name,
            aliases,
            source,
            list,
            repo,
        };
        let names = std::iter::once(("id", &entity.id))
            .chain(entity.name.iter().map(|name| ("name", name)))
            .chain(entity.aliases.iter().map(|alias| ("aliases", alias)));
        for (name, text) in names {
            if entities.iter().any(|other| other.is_called(text)) {
                reader.error(
                    &key(name),
                    format!("`{text}` is used by another of [[entities]]; names must be unique"),
                );
            }
        }
        entities.push(entity);
    }
    if none {
        reader.hide("entities.0");
    }
    entities
}

/// A channel's client must be one of the known clients, if any are known.
fn known_to_channels<'a>(
    reader: &mut Reader,
    entities: &[Entity],
    channels: impl Iterator<Item = &'a ChannelConfig>,
) {
    for (at, channel) in channels.enumerate() {
        if let Some(named) = &channel.entity
            && !entities.is_empty()
            && !entities.iter().any(|entity| entity.is_called(named))
        {
            reader.error(
                &format!("slack.channels.{at}.entity"),
                format!("`{named}` is not one of [[entities]]"),
            );
        }
    }
}

fn clickup(reader: &mut Reader) -> Option<ClickUpConfig> {
    let here = reader.has("clickup");
    let token = reader.required_secret(
        "clickup.token",
        "",
        here,
        "your API token, from ClickUp's Settings → Apps",
    );
    let team_id = reader.required(
        "clickup.team_id",
        &TEAM,
        here,
        "the workspace's id, the first number in its address",
    );
    let list_id = reader.required(
        "clickup.list_id",
        &LIST,
        here,
        "the list for new tasks, as its address or id",
    );
    let lists = reader.or("clickup.lists", &LISTS, Vec::new());
    let complete_status = reader.or("clickup.complete_status", &TEXT, "complete".into());
    let in_progress_status = reader.optional(
        "clickup.in_progress_status",
        &TEXT,
        "the first custom status of the list",
    );
    let webhook_secret = reader.phrase(
        "clickup.webhook_secret",
        "webhooks from `ivan webhooks register` have their own secrets, in the store",
    );
    let api_url = reader.or(
        "clickup.api_url",
        &ADDRESS,
        "https://api.clickup.com/api/v2".into(),
    );
    if !here {
        reader.hide("clickup");
    }
    Some(ClickUpConfig {
        token: token?,
        team_id: team_id?,
        list_id: list_id?,
        lists,
        complete_status,
        in_progress_status,
        webhook_secret,
        api_url,
    })
}

/// `github.token`, or the keys of an App.
fn github_access(reader: &mut Reader, here: bool) -> Option<GitHubAccessConfig> {
    const KEY_FILE: &str = "github.app_key_file";
    let app_id = reader.optional("github.app_id", &APP_ID, "github.token is used");
    let key = reader.secret_file(KEY_FILE, "github.token is used");
    let installation_id = reader.optional(
        "github.installation_id",
        &NUMBER,
        "the only installation of the App",
    );
    let of_an_app = ["github.app_id", KEY_FILE, "github.installation_id"];
    let named = of_an_app.into_iter().find(|key| reader.was_given(key));
    let token = reader.required_secret(
        "github.token",
        "",
        here && named.is_none(),
        "a fine-grained token with Issues: read and write, from GitHub's Settings → Developer settings; or the keys of a \
         GitHub App, github.app_id and github.app_key_file",
    );
    let Some(named) = named else {
        return token.map(GitHubAccessConfig::Token);
    };
    if token.is_some() {
        let why = format!(
            "{named} is set as well: Ivan works with a token or as a GitHub App, not with both; remove one of the two"
        );
        reader.error("github.token", why);
        return None;
    }
    if !reader.was_given("github.app_id") {
        let why = format!("missing: the App ID, from the App's settings, since {named} is set");
        reader.unset("github.app_id", &why);
    }
    if !reader.was_given(KEY_FILE) {
        let why = format!(
            "missing: the file with the App's private key (the App's settings → Private keys), since {named} is set"
        );
        reader.unset(KEY_FILE, &why);
    }
    let key = key?;
    if let Err(why) = private_key(key.expose()) {
        reader.error(KEY_FILE, why);
        return None;
    }
    Some(GitHubAccessConfig::App(GitHubAppConfig {
        app_id: app_id?,
        key,
        installation_id,
    }))
}

/// Whether a file looks like a private key in one of the two forms that are read. Nothing of it is repeated.
fn private_key(pem: &str) -> Result<(), &'static str> {
    const FORMS: [&str; 2] = [
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
    ];
    match pem {
        _ if pem.contains("ENCRYPTED") => {
            Err("holds a key with a passphrase; use the file as GitHub generated it")
        }
        _ if FORMS.iter().any(|form| pem.contains(form)) => Ok(()),
        _ if pem.contains("-----BEGIN OPENSSH PRIVATE KEY-----") => {
            Err("holds an SSH key; use the file that the App's settings → Private keys generate")
        }
        _ if pem.contains("-----BEGIN PUBLIC KEY-----") => {
            Err("holds a public key; the private one is needed")
        }
        _ => Err(
            "holds no private key in PEM form; use the file that the App's settings → Private keys generate",
        ),
    }
}

fn github(reader: &mut Reader) -> Option<GitHubConfig> {
    let here = reader.has("github");
    let access = github_access(reader, here);
    let repo = reader.required(
        "github.repo",
        &REPO,
        here,
        "the default repository as owner/name",
    );
    let repos = reader.or("github.repos", &REPOS, Vec::new());
    let webhook_secret = reader.phrase(
        "github.webhook_secret",
        match &access {
            Some(GitHubAccessConfig::App(_)) => "deliveries of the App's webhook are refused",
            _ => "`ivan webhooks register` creates one in the store",
        },
    );
    let (url, api_url) = github_addresses(reader);
    let in_progress_label = reader.or("github.in_progress_label", &TEXT, "in progress".into());
    let writes_per_second = reader.or("github.writes_per_second", &RATE, 1);
    let priority_labels = PriorityLabelsConfig {
        urgent: reader.or("github.priority_labels.urgent", &TEXTS, vec!["P0".into()]),
        high: reader.or("github.priority_labels.high", &TEXTS, vec!["P1".into()]),
    };
    if !here {
        reader.hide("github");
    }
    Some(GitHubConfig {
        access: access?,
        repo: repo?,
        repos,
        webhook_secret,
        url,
        api_url,
        in_progress_label,
        priority_labels,
        writes_per_second,
    })
}

/// The origin of the pages and the base of the API. Each follows from the other; `github.url` is enough.
fn github_addresses(reader: &mut Reader) -> (String, String) {
    const URL: &str = "github.url";
    const API: &str = "github.api_url";
    if reader.is_there(API) && !reader.is_there(URL) {
        let api_url = reader.or(API, &ADDRESS, address::api_of(address::GITHUB));
        return (
            reader.or(URL, &ORIGIN, address::pages_of(&api_url)),
            api_url,
        );
    }
    let url = reader.or(URL, &ORIGIN, address::GITHUB.to_owned());
    let api_url = reader.or(API, &ADDRESS, address::api_of(&url));
    (url, api_url)
}

fn store(reader: &mut Reader) -> StoreConfig {
    StoreConfig {
        path: reader.or("store.path", &PATH, "ivan.db".into()),
        retention: reader.or("store.retention", &DURATION, days(30)),
        log_retention: reader.or("store.log_retention", &DURATION, days(365)),
        key_file: reader.optional(
            "store.key_file",
            &PATH,
            "a key beside the database, made at first start",
        ),
    }
}

fn queue(reader: &mut Reader, configured: &[Source]) -> QueueConfig {
    // The default is GitHub only if GitHub alone is configured.
    let usual = match configured {
        [only] => *only,
        _ => Source::ClickUp,
    };
    const KEY: &str = "queue.default_source";
    let default_source = reader.or(KEY, &SOURCE, usual);
    if reader.was_given(KEY) && !configured.is_empty() && !configured.contains(&default_source) {
        reader.error(
            KEY,
            format!("`{default_source}` is not configured; fill in [{default_source}]"),
        );
    }
    let usual = Weights::default();
    let mut points = |name: &str, usual: i64| {
        let key = format!("queue.score.{name}");
        reader.or(&key, &POINTS, usual)
    };
    let score = Weights {
        revenue: points("revenue", usual.revenue),
        blocking: points("blocking", usual.blocking),
        overdue: points("overdue", usual.overdue),
        due_today: points("due_today", usual.due_today),
        due_week: points("due_week", usual.due_week),
        due_later: points("due_later", usual.due_later),
        urgent: points("urgent", usual.urgent),
        high: points("high", usual.high),
        recent: points("recent", usual.recent),
    };
    QueueConfig {
        default_source,
        score,
    }
}

fn people(reader: &mut Reader) -> Vec<PersonConfig> {
    let mut positions = reader.positions("people");
    let nobody = positions.is_empty();
    if nobody {
        // Makes the keys known, so that suggestions for misspelled ones work.
        positions.insert(0);
    }
    let (mut people, mut taken) = (Vec::new(), Taken::default());
    for at in positions {
        let section = format!("people.{at}");
        let name = reader.optional(
            &format!("{section}.name"),
            &TEXT,
            "the GitHub login, or the Slack or ClickUp id",
        );
        let slack = reader.optional(
            &format!("{section}.slack"),
            &SLACK_ID,
            "this person can't use Slack",
        );
        let github = reader.optional(
            &format!("{section}.github"),
            &LOGIN,
            "none, unless they link one",
        );
        let clickup = reader.optional(
            &format!("{section}.clickup"),
            &CLICKUP_ID,
            "found by e-mail, or linked by the person",
        );
        let usual = github.as_ref().or(slack.as_ref()).or(clickup.as_ref());
        if let Some(name) = name.or(usual.cloned()) {
            let person = PersonConfig {
                name,
                slack,
                github,
                clickup,
            };
            if let Some((key, what)) = taken.by(&person) {
                reader.error(
                    &format!("{section}.{key}"),
                    format!(
                        "`{what}` is used by another of [[people]]; names and ids must be unique"
                    ),
                );
            }
            taken.add(&person);
            people.push(person);
        }
    }
    if nobody {
        reader.hide("people.0");
    }
    people
}

/// The names and accounts of the people read so far.
#[derive(Default)]
struct Taken {
    /// Names, Slack ids and GitHub logins, in lower case: a name may be another person's login.
    called: HashSet<String>,
    clickup: HashSet<String>,
}

impl Taken {
    /// The key and value by which another person is already known, which would make the acting person unclear.
    fn by<'a>(&self, person: &'a PersonConfig) -> Option<(&'static str, &'a str)> {
        [
            ("slack", person.slack.as_deref()),
            ("github", person.github.as_deref()),
            ("clickup", person.clickup.as_deref()),
            ("name", Some(person.name.as_str())),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .find(|&(key, value)| match key {
            "clickup" => self.clickup.contains(value),
            _ => self.called.contains(&value.to_ascii_lowercase()),
        })
    }

    fn add(&mut self, person: &PersonConfig) {
        let called = [
            Some(&person.name),
            person.slack.as_ref(),
            person.github.as_ref(),
        ];
        let called = called.into_iter().flatten();
        self.called
            .extend(called.map(|name| name.to_ascii_lowercase()));
        self.clickup.extend(person.clickup.clone());
    }
}

fn api(reader: &mut Reader, people: &[PersonConfig]) -> ApiConfig {
    const PERSON: &str = "api.default_person";
    let api = ApiConfig {
        bind: reader.or(
            "api.bind",
            &SOCKET,
            SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)),
        ),
        token: reader.secret(
            "api.token",
            "",
            "created at first start, in the file api-token beside the store",
        ),
        default_person: reader.optional(
            PERSON,
            &TEXT,
            "the only person; with several, requests must name one",
        ),
        tokens: Vec::new(),
    };
    if let Some(named) = &api.default_person
        && !people.iter().any(|person| person.is_called(named))
    {
        reader.error(
            PERSON,
            format!("`{named}` is not the name, slack or github of any of [[people]]"),
        );
    }
    let tokens = api_tokens(reader, people);
    ApiConfig { tokens, ..api }
}

/// `[[api.tokens]]`: each for one person or for any.
fn api_tokens(reader: &mut Reader, people: &[PersonConfig]) -> Vec<ApiTokenConfig> {
    let mut positions = reader.positions("api.tokens");
    let none = positions.is_empty();
    if none {
        // Makes the keys known, so that suggestions for misspelled ones work.
        positions.insert(0);
    }
    let mut tokens: Vec<ApiTokenConfig> = Vec::new();
    for at in positions {
        let key = |name: &str| format!("api.tokens.{at}.{name}");
        let name = reader.required(&key("name"), &TOKEN_NAME, !none, "its name in the log");
        let person = reader.required(&key("person"), &TEXT, !none, "one of [[people]], or `any`");
        let read_only = reader.or(&key("read_only"), &SWITCH, false);
        let hash = reader.optional(&key("hash"), &HASH, "the token is in token_file");
        let file = reader.secret_file(&key("token_file"), "the hash stands here");
        if none {
            continue;
        }
        let unclear = reader.has_errors_in(&format!("api.tokens.{at}"));
        let hash = match (hash, &file) {
            (Some(_), Some(_)) => {
                reader.error(
                    &key("token_file"),
                    "conflicts with the hash; keep one of them",
                );
                continue;
            }
            (Some(hash), None) => Some(hash),
            (None, Some(file)) => match TokenHash::of(file.expose()) {
                Some(hash) => Some(hash),
                None => {
                    let short = format!("the token has fewer than {TOKEN_MIN} characters");
                    reader.error(&key("token_file"), short);
                    None
                }
            },
            (None, None) => {
                if !unclear {
                    let why = "missing: the hash that `ivan token new` prints, or a token_file";
                    reader.unset(&key("hash"), why);
                }
                None
            }
        };
        let person = person.filter(|person| person != "any");
        if let Some(named) = &person
            && !reader.has_errors_in("people")
            && !people.iter().any(|person| person.is_called(named))
        {
            reader.error(
                &key("person"),
                format!(
                    "`{named}` is not `any`, and not the name, slack or github of any of [[people]]"
                ),
            );
        }
        let (Some(name), Some(hash)) = (name, hash) else {
            continue;
        };
        if tokens.iter().any(|other| other.name == name) {
            let why = "is used by another of [[api.tokens]]; names must differ";
            reader.error(&key("name"), why);
        }
        if tokens.iter().any(|other| other.hash == hash) {
            let why = "is the token of another of [[api.tokens]]; each needs its own";
            reader.error(
                &key(if file.is_some() { "token_file" } else { "hash" }),
                why,
            );
        }
        tokens.push(ApiTokenConfig {
            name,
            person,
            read_only,
            hash,
        });
    }
    if none {
        reader.hide("api.tokens.0");
    }
    tokens
}

impl PersonConfig {
    /// The accounts that are given: the source, with the id or the name in it.
    pub fn accounts(&self) -> [(Source, Option<String>, Option<String>); 2] {
        [
            (Source::ClickUp, self.clickup.clone(), None),
            (Source::GitHub, None, self.github.clone()),
        ]
    }

    /// Whether this is the person's name, Slack id or GitHub login, ignoring case.
    pub fn is_called(&self, name: &str) -> bool {
        [Some(&self.name), self.slack.as_ref(), self.github.as_ref()]
            .into_iter()
            .flatten()
            .any(|known| known.eq_ignore_ascii_case(name))
    }
}

fn webhooks(reader: &mut Reader, api: SocketAddr) -> WebhooksConfig {
    const BIND: &str = "webhooks.bind";
    let bind = reader.or(BIND, &SOCKET, SocketAddr::from((Ipv4Addr::LOCALHOST, 8788)));
    // With port 0 the system assigns two different ports.
    if bind == api && bind.port() != 0 {
        reader.error(
            BIND,
            format!(
                "`{bind}` is the address of the API (api.bind); webhooks need their own, since it is exposed"
            ),
        );
    }
    WebhooksConfig { bind }
}

fn http(reader: &mut Reader) -> HttpConfig {
    let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    HttpConfig {
        trusted_proxies: reader.or(
            "http.trusted_proxies",
            &NETWORKS,
            loopback.map(Network::from).to_vec(),
        ),
    }
}

/// Only whether it can be a file of certificates; `tls` reads them.
fn ca_file(reader: &mut Reader) -> Option<PathBuf> {
    const KEY: &str = "tls.ca_file";
    let file = reader.optional(KEY, &PATH, "the authorities that this system trusts")?;
    let wrong = match std::fs::read_to_string(&file) {
        Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => return Some(file),
        Ok(_) => format!(
            "{} has no certificate; expected PEM with `-----BEGIN CERTIFICATE-----`",
            file.display()
        ),
        Err(error) => format!("cannot read {}: {error}", file.display()),
    };
    reader.error(KEY, wrong);
    None
}

fn sync(reader: &mut Reader) -> SyncConfig {
    let sync = SyncConfig {
        interval: reader.or("sync.interval", &DURATION, Duration::from_secs(3600)),
        full_interval: reader.or("sync.full_interval", &DURATION, days(1)),
    };
    if sync.full_interval < sync.interval {
        let interval = show_duration(&sync.interval);
        reader.error(
            "sync.full_interval",
            format!("must not be shorter than sync.interval ({interval})"),
        );
    }
    sync
}

fn standby(reader: &mut Reader) -> Option<StandbyConfig> {
    let here = reader.has("standby");
    let lease = reader.required(
        "standby.lease",
        &LEASE,
        here,
        "the lease's object, `s3://BUCKET/PATH`, the same for all daemons",
    );
    let holder = reader.required(
        "standby.holder",
        &TEXT,
        here,
        "a name of this daemon, another one on each machine",
    );
    let ttl = reader.or("standby.ttl", &LEASE_TTL, Duration::from_secs(15));
    let region = reader.or("standby.region", &TEXT, "us-east-1".to_owned());
    let endpoint = reader.optional("standby.endpoint", &ADDRESS, "Amazon S3");
    let access_key_id = reader.required(
        "standby.access_key_id",
        &TEXT,
        here,
        "the id of an access key that may read and write the lease",
    );
    let secret_access_key =
        reader.required_secret("standby.secret_access_key", "", here, "its secret");
    let restore = reader.required(
        "standby.restore",
        &COMMAND,
        here,
        "the program that restores the replica of a term, as in bot.toml.example",
    );
    let replicate = reader.or("standby.replicate", &COMMAND, Vec::new());
    if !here {
        reader.forget("standby");
    }
    let (bucket, key) = lease?;
    Some(StandbyConfig {
        bucket,
        key,
        holder: holder?,
        ttl,
        region,
        endpoint,
        access_key_id: access_key_id?,
        secret_access_key: secret_access_key?,
        restore: restore?,
        replicate,
    })
}

/// The bucket and the key of an object.
const LEASE: ValueFormat<(String, String)> = ValueFormat {
    parse: |value| {
        let address = text(value)?;
        let parts = address
            .strip_prefix("s3://")
            .and_then(|rest| rest.split_once('/'))
            .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty() && !key.ends_with('/'));
        match parts {
            Some((bucket, key)) => Ok((bucket.to_owned(), key.to_owned())),
            None => Err(format!("expected s3://BUCKET/PATH, found `{address}`")),
        }
    },
    show: |(bucket, key)| quote(&format!("s3://{bucket}/{key}")),
};

/// Shorter, and a slow answer would end the leader; longer, and nobody leads for minutes.
const LEASE_TTL: ValueFormat<Duration> = ValueFormat {
    parse: |value| {
        let ttl = (DURATION.parse)(value)?;
        match (Duration::from_secs(1)..=Duration::from_secs(300)).contains(&ttl) {
            true => Ok(ttl),
            false => Err(format!("expected 1s to 5m, found {}", show_duration(&ttl))),
        }
    },
    show: DURATION.show,
};

/// A program and its arguments.
const COMMAND: ValueFormat<Vec<String>> = ValueFormat {
    parse: |value| match texts(value)? {
        words if words.is_empty() => Err("empty; name a program, or remove the key".to_owned()),
        words => Ok(words),
    },
    show: |words| quote_all(words),
};

fn outbox(reader: &mut Reader) -> OutboxConfig {
    let outbox = OutboxConfig {
        retry_initial: reader.or("outbox.retry_initial", &DURATION, Duration::from_secs(1)),
        retry_max: reader.or("outbox.retry_max", &DURATION, Duration::from_secs(60)),
        give_up_after: reader.or("outbox.give_up_after", &DURATION, days(1)),
        signature: reader.or("outbox.signature", &SWITCH, true),
    };
    if outbox.retry_max < outbox.retry_initial {
        let initial = show_duration(&outbox.retry_initial);
        reader.error(
            "outbox.retry_max",
            format!("must not be shorter than outbox.retry_initial ({initial})"),
        );
    }
    outbox
}

/// The key is refused where it would have no effect.
fn otlp_url(reader: &mut Reader) -> Option<String> {
    const KEY: &str = "telemetry.otlp_url";
    let url = reader.optional(KEY, &ADDRESS, "no traces")?;
    if cfg!(feature = "otel") {
        return Some(url);
    }
    reader.error(
        KEY,
        "this build exports no traces; build Ivan with `--features otel`, or remove the key"
            .to_owned(),
    );
    None
}

fn log(reader: &mut Reader) -> LogConfig {
    LogConfig {
        format: reader.or("log.format", &LOG_FORMAT, LogFormat::Pretty),
        level: reader.or("log.level", &LOG_LEVEL, "info".into()),
    }
}

const SWITCH: ValueFormat<bool> = ValueFormat {
    parse: boolean,
    show: bool::to_string,
};

const TEXT: ValueFormat<String> = ValueFormat {
    parse: text,
    show: |text| quote(text),
};

/// The name of a token, which stands in the log.
const TOKEN_NAME: ValueFormat<String> = ValueFormat {
    parse: |value| {
        let name = text(value)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match name.len() <= 64 && name.chars().all(fits) {
            true => Ok(name),
            false => Err(format!(
                "expected up to 64 letters, digits, `-`, `_` and `.`, found `{name}`"
            )),
        }
    },
    show: |name| quote(name),
};

const HASH: ValueFormat<TokenHash> = ValueFormat {
    parse: |value| {
        TokenHash::parse(&text(value)?).ok_or_else(|| {
            // The value may be the token itself.
            "expected sha256: and 64 digits, as `ivan token new` or `ivan token hash` prints it"
                .to_owned()
        })
    },
    show: |hash| quote(&hash.to_string()),
};

const TEXTS: ValueFormat<Vec<String>> = ValueFormat {
    parse: texts,
    show: |texts| quote_all(texts),
};

const PATH: ValueFormat<PathBuf> = ValueFormat {
    parse: |value| text(value).map(PathBuf::from),
    show: |path| quote(&path.display().to_string()),
};

/// An id that becomes part of a request path: it must not lead to another path.
const CLICKUP_ID: ValueFormat<String> = ValueFormat {
    parse: |value| clickup_id(text(value)?),
    show: |id| quote(id),
};

/// A list's id, or a full or partial address that contains it.
const LIST: ValueFormat<String> = ValueFormat {
    parse: |value| clickup_list(&text(value)?),
    show: |id| quote(id),
};

const LISTS: ValueFormat<Vec<String>> = ValueFormat {
    parse: |value| {
        texts(value)?
            .iter()
            .map(|list| clickup_list(list))
            .collect()
    },
    show: |ids| quote_all(ids),
};

/// A workspace's id, or an address that begins with it.
const TEAM: ValueFormat<String> = ValueFormat {
    parse: |value| {
        let text = text(value)?;
        match clickup_address(&text)
            .and_then(|parts| parts.into_iter().find(|part| is_number(part)))
        {
            Some(id) => Ok(id.to_owned()),
            None => clickup_id(text),
        }
    },
    show: |id| quote(id),
};

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The parts of an address's path; `None` if the text is not an address.
fn clickup_address(text: &str) -> Option<Vec<&str>> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text);
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let path = rest.split_at_checked(end)?.0;
    let (_, path) = path.split_once('/')?;
    Some(path.split('/').filter(|part| !part.is_empty()).collect())
}

/// Extracts the list's id from `…/v/li/<id>`, or from `…/v/l/6-<id>-<n>` for a view of the list. Other view ids do not
/// name their list (docs/contracts/clickup.md#lists-and-statuses).
fn clickup_list(text: &str) -> Result<String, String> {
    const WRITE: &str =
        "write the id of a list, the long number in `/v/l/6-<id>-1` or `/v/li/<id>`";
    let parts = clickup_address(text).unwrap_or_else(|| vec![text]);
    if let Some(id) = parts.iter().find_map(|part| list_of_view(part)) {
        return Ok(id.to_owned());
    }
    let old = parts.windows(2).find_map(|pair| match pair {
        ["li", id] if is_number(id) => Some(*id),
        _ => None,
    });
    if let Some(id) = old {
        return Ok(id.to_owned());
    }
    let level = |part: &&str| match part.split('-').collect::<Vec<_>>().as_slice() {
        [level, id, view] if is_number(id) && is_number(view) => match *level {
            "4" => Some("a space"),
            "5" => Some("a folder"),
            "7" => Some("a whole workspace"),
            _ => None,
        },
        _ => None,
    };
    match (parts.iter().find_map(level), parts.as_slice()) {
        (Some(level), _) => Err(format!("`{text}` is {level}; {WRITE}")),
        (None, [id]) if !id.contains('-') => clickup_id((*id).to_owned()),
        (None, [_]) => Err(format!("`{text}` is the id of a view; {WRITE}")),
        (None, _) => Err(format!("`{text}` does not name a list; {WRITE}")),
    }
}

/// `<id>` of `6-<id>-<n>`.
fn list_of_view(part: &str) -> Option<&str> {
    let (id, view) = part.strip_prefix("6-")?.split_once('-')?;
    (is_number(id) && is_number(view)).then_some(id)
}

fn clickup_id(text: String) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if text.len() <= 64 && text.chars().all(fits) {
        Ok(text)
    } else {
        Err(format!(
            "`{text}` is not a ClickUp id; use the number from its address"
        ))
    }
}

const SLACK_ID: ValueFormat<String> = ValueFormat {
    parse: |value| slack_id(text(value)?),
    show: |id| quote(id),
};

const ALLOWED: ValueFormat<AllowedUsers> = ValueFormat {
    parse: |value| {
        let (all, named): (Vec<String>, Vec<String>) =
            texts(value)?.into_iter().partition(|id| id == EVERY_MEMBER);
        Ok(AllowedUsers {
            members: !all.is_empty(),
            named: named.into_iter().map(slack_id).collect::<Result<_, _>>()?,
        })
    },
    show: |allowed| {
        let all = allowed.members.then(|| EVERY_MEMBER.to_owned());
        let ids: Vec<String> = all.into_iter().chain(allowed.named.clone()).collect();
        quote_all(&ids)
    },
};

/// The item of `slack.allowed_users` for every full member of the workspace.
const EVERY_MEMBER: &str = "*";

const SLACK_IDS: ValueFormat<Vec<String>> = ValueFormat {
    parse: |value| texts(value)?.into_iter().map(slack_id).collect(),
    show: |ids| quote_all(ids),
};

fn slack_id(text: String) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    if text.starts_with(['U', 'W']) && text.len() > 1 && text.chars().all(fits) {
        Ok(text)
    } else {
        Err(format!(
            "expected a Slack id such as U0ANN01 (in the profile: ⋮ → Copy member ID), found `{text}`"
        ))
    }
}

const CHANNEL_ID: ValueFormat<String> = ValueFormat {
    parse: |value| {
        let id = text(value)?;
        let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
        if id.starts_with(['C', 'G']) && id.len() > 1 && id.chars().all(fits) {
            Ok(id)
        } else {
            Err(format!(
                "expected a channel's id such as C0GENERAL (click the channel's name; it is at the end), found `{id}`"
            ))
        }
    },
    show: |id| quote(id),
};

const ENTITY: ValueFormat<String> = ValueFormat {
    parse: |value| {
        let entity = text(value)?;
        if is_entity(&entity) {
            Ok(entity)
        } else {
            Err(format!(
                "expected a client's name (up to {ENTITY_MAX} characters, no brackets or commas), found `{entity}`"
            ))
        }
    },
    show: |entity| quote(entity),
};

const LOGIN: ValueFormat<String> = ValueFormat {
    parse: |value| {
        let login = text(value)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if login.chars().all(fits) {
            Ok(login)
        } else {
            Err(format!(
                "expected a GitHub login without @, found `{login}`"
            ))
        }
    },
    show: |login| quote(login),
};

const REPO: ValueFormat<RepoName> = ValueFormat {
    parse: |value| repo(&text(value)?),
    show: |repo| quote(&repo.to_string()),
};

const REPOS: ValueFormat<Vec<RepoName>> = ValueFormat {
    parse: |value| texts(value)?.iter().map(|name| repo(name)).collect(),
    show: |repos| {
        let names: Vec<String> = repos.iter().map(RepoName::to_string).collect();
        quote_all(&names)
    },
};

fn repo(text: &str) -> Result<RepoName, String> {
    // GitHub allows no repository name that ends in `.git`: it is the end of an address.
    let named = RepoName::parse(text).filter(|_| !text.ends_with(".git"));
    named.ok_or_else(|| {
        let told = format!("expected a repository as owner/name, found `{text}`");
        match repo_of_address(text) {
            Some(name) => format!("{told}; write `{name}`"),
            None => told,
        }
    })
}

/// The repository of an address such as `https://github.com/owner/name.git` or `git@github.com:owner/name`.
fn repo_of_address(text: &str) -> Option<RepoName> {
    let path = match text.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => text.split_once(':').map_or(text, |(_, path)| path),
    };
    let mut parts = path.split(['/', '?', '#']);
    let (owner, name) = (parts.next()?, parts.next()?);
    let name = name.strip_suffix(".git").unwrap_or(name);
    RepoName::parse(&format!("{owner}/{name}"))
}

const ADDRESS: ValueFormat<String> = ValueFormat {
    parse: |value| {
        let address = text(value)?;
        let rest = address
            .strip_prefix("https://")
            .or_else(|| address.strip_prefix("http://"))
            .ok_or_else(|| {
                format!("expected an address with https:// or http://, found `{address}`")
            })?;
        if rest.contains('@') {
            return Err("contains an @; an address must not have a name or password".to_owned());
        }
        if let Some(without) = address.strip_suffix('/') {
            return Err(format!("remove the slash at the end: `{without}`"));
        }
        let fits =
            |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '\\' | '"' | '<' | '>');
        if rest.is_empty() || rest.starts_with(['/', ':']) || !rest.chars().all(fits) {
            return Err(format!(
                "expected the address of an API, such as https://host/path, found `{address}`"
            ));
        }
        Ok(address)
    },
    show: |address| quote(address),
};

/// The origin of pages: a scheme and a host, without a path.
const ORIGIN: ValueFormat<String> = ValueFormat {
    parse: |value| origin(&text(value)?),
    show: |origin| quote(origin),
};

/// Checks `github.url`. The error is the end of a sentence that begins with the key.
pub fn origin(given: &str) -> Result<String, String> {
    let is_web = given.starts_with("https://") || given.starts_with("http://");
    if !is_web {
        return Err(format!(
            "expected the address of GitHub's pages, such as https://github.example.com, found `{given}`"
        ));
    }
    if given.contains('@') {
        return Err("contains an @; an address must not have a name or password".to_owned());
    }
    let host = address::host_of(given);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    if host.is_empty() || host.starts_with(':') || !host.chars().all(fits) {
        return Err(format!(
            "expected the address of GitHub's pages, such as https://github.example.com, found `{given}`"
        ));
    }
    match address::origin_of(given) {
        Some(origin) => Err(format!(
            "expected the address of GitHub's pages without a path, found `{given}`; write `{origin}`. The API's address \
             follows from it"
        )),
        None => Ok(given.to_owned()),
    }
}

const SOCKET: ValueFormat<SocketAddr> = ValueFormat {
    parse: |value| {
        let socket = text(value)?;
        socket.parse().map_err(|_| {
            format!("expected an IP address with a port, such as 127.0.0.1:8787, found `{socket}`")
        })
    },
    show: |socket| quote(&socket.to_string()),
};

const NETWORKS: ValueFormat<Vec<Network>> = ValueFormat {
    parse: |value| {
        let networks = texts(value)?.into_iter().map(|text| {
            text.parse().map_err(|()| {
                format!("expected an IP address or a network such as 10.0.0.0/8, found `{text}`")
            })
        });
        networks.collect()
    },
    show: |networks| {
        let networks: Vec<String> = networks.iter().map(Network::to_string).collect();
        quote_all(&networks)
    },
};

const SOURCE: ValueFormat<Source> = ValueFormat {
    parse: |value| {
        let name = text(value)?;
        Source::parse(&name).ok_or_else(|| format!("expected clickup or github, found `{name}`"))
    },
    show: |source| quote(source.as_str()),
};

const CHANNEL_COMMANDS: ValueFormat<ChannelCommandsConfig> = ValueFormat {
    parse: |value| match text(value)?.as_str() {
        "bare" => Ok(ChannelCommandsConfig::Bare),
        "mention" => Ok(ChannelCommandsConfig::Mention),
        "off" => Ok(ChannelCommandsConfig::Off),
        other => Err(format!("expected bare, mention or off, found `{other}`")),
    },
    show: |commands| {
        quote(match commands {
            ChannelCommandsConfig::Bare => "bare",
            ChannelCommandsConfig::Mention => "mention",
            ChannelCommandsConfig::Off => "off",
        })
    },
};

const THREAD_REPLIES: ValueFormat<ThreadRepliesConfig> = ValueFormat {
    parse: |value| match text(value)?.as_str() {
        "hint" => Ok(ThreadRepliesConfig::Hint),
        "comment" => Ok(ThreadRepliesConfig::Comment),
        other => Err(format!("expected hint or comment, found `{other}`")),
    },
    show: |replies| {
        quote(match replies {
            ThreadRepliesConfig::Hint => "hint",
            ThreadRepliesConfig::Comment => "comment",
        })
    },
};

const LINK_RULE: ValueFormat<LinkRule> = ValueFormat {
    parse: |value| match text(value)?.as_str() {
        "proof" => Ok(LinkRule::Proof),
        "operators" => Ok(LinkRule::Operators),
        other => Err(format!("expected proof or operators, found `{other}`")),
    },
    show: |rule| {
        quote(match rule {
            LinkRule::Proof => "proof",
            LinkRule::Operators => "operators",
        })
    },
};

const RECEIPTS: ValueFormat<ReceiptsConfig> = ValueFormat {
    parse: |value| match text(value)?.as_str() {
        "message" => Ok(ReceiptsConfig::Message),
        "reactions" => Ok(ReceiptsConfig::Reactions),
        other => Err(format!("expected message or reactions, found `{other}`")),
    },
    show: |receipts| {
        quote(match receipts {
            ReceiptsConfig::Message => "message",
            ReceiptsConfig::Reactions => "reactions",
        })
    },
};

const ACCESS: ValueFormat<Access> = ValueFormat {
    parse: |value| match text(value)?.as_str() {
        "all" => Ok(Access::All),
        "own" => Ok(Access::Own),
        other => Err(format!("expected all or own, found `{other}`")),
    },
    show: |access| {
        quote(match access {
            Access::All => "all",
            Access::Own => "own",
        })
    },
};

const BRIEFING: ValueFormat<Option<NaiveTime>> = ValueFormat {
    parse: |value| {
        let typed = text(value)?;
        match typed.as_str() {
            "off" => Ok(None),
            time => time_of_day(time).map(Some).ok_or_else(|| {
                format!("expected a time such as 8:30 or 9am, or off, found `{time}`")
            }),
        }
    },
    show: |at| match at {
        Some(at) => quote(&at.format("%H:%M").to_string()),
        None => quote("off"),
    },
};

const QUIET: ValueFormat<Option<QuietHours>> = ValueFormat {
    parse: |value| {
        let typed = text(value)?;
        match typed.as_str() {
            "off" => Ok(None),
            hours => QuietHours::parse(hours).map(Some).ok_or_else(|| {
                format!("expected hours such as 20:00-8:00 or 8pm-8am, or off, found `{hours}`")
            }),
        }
    },
    show: |quiet| match quiet {
        Some(quiet) => quote(&quiet.to_string()),
        None => quote("off"),
    },
};

const LOG_FORMAT: ValueFormat<LogFormat> = ValueFormat {
    parse: |value| match text(value)?.as_str() {
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("expected pretty or json, found `{other}`")),
    },
    show: |format| {
        quote(match format {
            LogFormat::Pretty => "pretty",
            LogFormat::Json => "json",
        })
    },
};

const LOG_LEVEL: ValueFormat<String> = ValueFormat {
    parse: |value| {
        let level = text(value)?;
        match level.as_str() {
            "off" | "error" | "warn" | "info" | "debug" | "trace" => Ok(level),
            _ => Err(format!(
                "expected off, error, warn, info, debug or trace, found `{level}`"
            )),
        }
    },
    show: |level| quote(level),
};

/// The ID of a GitHub App: digits, or its client ID (`Iv23li…`).
const APP_ID: ValueFormat<String> = ValueFormat {
    parse: |value| {
        let id = text(value)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '.';
        match id.len() <= 64 && id.chars().all(fits) {
            true => Ok(id),
            false => Err(format!(
                "expected the App ID (digits) or the client ID of a GitHub App, found `{id}`"
            )),
        }
    },
    show: |id| quote(id),
};

/// An id of GitHub: a whole number above 0.
const NUMBER: ValueFormat<u64> = ValueFormat {
    parse: |value| {
        let text = text(value)?;
        let number = text.parse().ok().filter(|&number| number > 0);
        number.ok_or_else(|| format!("expected a whole number, found `{text}`"))
    },
    show: u64::to_string,
};

const RATE: ValueFormat<u32> = ValueFormat {
    parse: |value| {
        let rate = integer(value)?;
        u32::try_from(rate)
            .ok()
            .filter(|&rate| rate <= 1000)
            .ok_or_else(|| {
                format!("expected a whole number up to 1000, or 0 for no limit, found {rate}")
            })
    },
    show: u32::to_string,
};

const POINTS: ValueFormat<i64> = ValueFormat {
    parse: |value| {
        const MOST: i64 = 1_000_000;
        let points = integer(value)?;
        if (-MOST..=MOST).contains(&points) {
            Ok(points)
        } else {
            Err(format!("expected points up to {MOST}, found {points}"))
        }
    },
    show: i64::to_string,
};

const DURATION: ValueFormat<Duration> = ValueFormat {
    parse: |value| {
        let typed = text(value)?;
        parse_duration(&typed).ok_or_else(|| {
            format!("expected a whole number with a unit, such as 500ms, 1s, 5m, 24h or 30d, found `{typed}`")
        })
    },
    show: |duration| quote(&show_duration(duration)),
};

/// The units of durations, in milliseconds, longest first.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// The longest allowed duration: ten years.
const LONGEST: Duration = days(3650);

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    let duration = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(*unit_ms)?);
    (duration > Duration::ZERO && duration <= LONGEST).then_some(duration)
}

fn show_duration(duration: &Duration) -> String {
    let ms = duration.as_millis();
    UNITS
        .iter()
        // At least two of a unit, so that a day stays `24h` and a minute `60s`; an hour is `1h`.
        .find(|(name, unit)| {
            let unit = u128::from(*unit);
            ms.is_multiple_of(unit) && (ms >= 2 * unit || matches!(*name, "h" | "s"))
        })
        .map(|(name, unit)| format!("{}{name}", ms / u128::from(*unit)))
        .unwrap_or_else(|| format!("{ms}ms"))
}

#[cfg(test)]
mod tests;
