//! `ivan webhooks list | register --url URL | repair`: checks and repairs the sources' webhooks.
//!
//! It calls the sources and the store directly, not the daemon. So it works without a running daemon, and beside one,
//! which uses a new secret from the next delivery on. Existing webhooks are adopted, and none is created twice.

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Subcommand;
use serde::Serialize;
use url::{Host, Url};

use super::print::{Printed, clean};
use super::{EXIT_FAILED, EXIT_OK};
use crate::config::Secret;
use crate::domain::operation::WriteError;
use crate::domain::source::{Places, Webhook, WebhookKeeper};
use crate::domain::task::Source;

/// The name under which a source's secret is stored before its webhooks have an id: they may deliver at once.
pub const ANY_HOOK: &str = "*";

/// The subcommands of `ivan webhooks`.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum WebhooksCommand {
    /// List the webhooks of ClickUp and GitHub, and their health
    List,
    /// Register webhooks for URL at ClickUp and GitHub; existing ones are adopted
    Register {
        /// The public URL of this daemon's webhook listener, without /webhooks/…
        #[arg(long, value_name = "URL")]
        url: BaseUrl,
    },
    /// Reactivate suspended webhooks, and create missing ones
    Repair,
}

/// The URL before `/webhooks/<source>`: https, or http on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// The URL to register at `source`.
    pub fn of(&self, source: Source) -> String {
        format!("{}{}", self.0, path_of(source))
    }
}

impl FromStr for BaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<BaseUrl, String> {
        let url = Url::parse(text).map_err(|error| {
            format!("is not an address ({error}). Example: https://bot.example")
        })?;
        let on_this_machine = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match url.scheme() {
            "https" => {}
            "http" if on_this_machine => {}
            _ => {
                return Err(
                    "must begin with https://, so that nobody can read it on the way".to_owned(),
                );
            }
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "must not contain a name or password: the sources show addresses".to_owned(),
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must not contain `?` or `#`: give only the base address".to_owned());
        }
        let base = url.as_str().trim_end_matches('/');
        if let Some(source) = Source::ALL
            .into_iter()
            .find(|source| base.ends_with(&path_of(*source)))
        {
            let base = base.trim_end_matches(&path_of(source));
            return Err(format!(
                "is the address of {}'s webhook; give the base address: {base}",
                source.name()
            ));
        }
        Ok(BaseUrl(base.to_owned()))
    }
}

/// Whether an address is that of an Ivan's listener for a source.
pub fn leads_to(url: &str, source: Source) -> bool {
    url.trim_end_matches('/').ends_with(&path_of(source))
}

fn path_of(source: Source) -> String {
    format!("/webhooks/{source}")
}

/// The data about webhooks here: bot.toml and the store. Errors are text.
#[async_trait]
pub trait WebhookRecords: Send + Sync {
    /// `github.webhook_secret`, `clickup.webhook_secret`.
    fn configured(&self, source: Source) -> Option<Secret>;
    /// The secrets in the store for the webhook `hook` of the source, or under the name [`ANY_HOOK`].
    async fn secrets(&self, source: Source, hook: &str) -> Result<Vec<Secret>, String>;
    /// The URLs that webhooks of the source were registered for, each with its secret.
    async fn registered(&self, source: Source) -> Result<Vec<(String, Secret)>, String>;
    /// Replaces the stored secret of a webhook; the listener uses it from then on.
    async fn remember(
        &self,
        source: Source,
        hook: &str,
        url: &str,
        secret: &Secret,
    ) -> Result<(), String>;
}

/// Runs the command at every source, and returns the results.
///
/// A failing source does not affect the others; then the status is 1. `keepers` are those of the configured sources.
pub async fn webhooks(
    command: WebhooksCommand,
    keepers: Vec<Arc<dyn WebhookKeeper>>,
    remember: &dyn WebhookRecords,
    json: bool,
) -> Printed {
    let mut reports = Vec::new();
    for keeper in &keepers {
        reports.push(at_source(&command, keeper.as_ref(), remember).await);
    }
    match json {
        true => as_json(&reports),
        false => in_words(&reports),
    }
}

/// Repairs the webhooks of a source, for `ivan doctor --fix`. Returns the changes, as sentences without a full stop.
pub async fn repaired(
    keeper: &dyn WebhookKeeper,
    remember: &dyn WebhookRecords,
) -> Result<Vec<String>, String> {
    let report = at_source(&WebhooksCommand::Repair, keeper, remember).await;
    let changed = report.webhooks.iter().filter_map(|line| {
        let done = line.done.filter(|done| *done != Done::Adopted)?;
        Some(format!(
            "webhook of {} for {}: {}",
            line.place,
            line.url,
            done.in_words()
        ))
    });
    match &report.error {
        None => Ok(changed.collect()),
        Some(why) => Err(format!("the webhooks of {}: {why}", report.source.name())),
    }
}

/// The result at one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Report {
    source: Source,
    webhooks: Vec<Line>,
    /// Webhooks of other programs; their URLs are often secrets.
    others: usize,
    /// Registered URLs that no longer have a webhook.
    missing: Vec<String>,
    /// The reason why it is incomplete.
    error: Option<String>,
    /// The remedy.
    hint: Option<String>,
}

/// One webhook of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    id: String,
    place: String,
    url: String,
    active: bool,
    /// The source's own words.
    health: String,
    done: Option<Done>,
    /// The remaining problem, and the remedy.
    problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Done {
    Made,
    /// It existed and was correct.
    Adopted,
    /// It existed, with other events.
    Changed,
    /// It was suspended.
    Reactivated,
}

impl Done {
    fn in_words(self) -> &'static str {
        match self {
            Done::Made => "made",
            Done::Adopted => "already registered",
            Done::Changed => "already registered; events updated",
            Done::Reactivated => "reactivated",
        }
    }
}

/// The reason why something was not done.
enum Trouble {
    Source(WriteError),
    /// The store, or the system's randomness.
    Here(String),
}

impl From<WriteError> for Trouble {
    fn from(error: WriteError) -> Trouble {
        Trouble::Source(error)
    }
}

impl From<String> for Trouble {
    fn from(why: String) -> Trouble {
        Trouble::Here(why)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Source(error) => error.fmt(f),
            Trouble::Here(why) => f.write_str(why),
        }
    }
}

async fn at_source(
    command: &WebhooksCommand,
    keeper: &dyn WebhookKeeper,
    remember: &dyn WebhookRecords,
) -> Report {
    let source = keeper.source();
    let mut report = Report {
        source,
        webhooks: Vec::new(),
        others: 0,
        missing: Vec::new(),
        error: None,
        hint: None,
    };
    let at = At {
        source,
        keeper,
        remember,
    };
    let done = match command {
        WebhooksCommand::List => at.list(&mut report).await,
        WebhooksCommand::Register { url } => at.register(&url.of(source), &mut report).await,
        WebhooksCommand::Repair => at.repair(&mut report).await,
    };
    if let Err(trouble) = done {
        report.error = Some(trouble.to_string());
        report.hint = Some(hint(keeper, &trouble).to_owned());
    }
    report
}

/// One source, with the data about it here.
struct At<'a> {
    source: Source,
    keeper: &'a dyn WebhookKeeper,
    remember: &'a dyn WebhookRecords,
}

impl At<'_> {
    async fn list(&self, report: &mut Report) -> Result<(), Trouble> {
        let registered = self.addresses().await?;
        let Places { found, refused } = self.keeper.list().await;
        // A place that does not answer may have it.
        if refused.is_empty() {
            let is_missing = |address: &String| !found.iter().any(|hook| hook.url == *address);
            report.missing = registered.into_iter().filter(is_missing).collect();
        }
        for hook in found {
            if self.is_ours(&hook) {
                let line = self.line(&hook, None).await?;
                report.webhooks.push(line);
            } else {
                report.others += 1;
            }
        }
        all_well(refused)
    }

    /// Ensures a webhook for `url` in every place.
    async fn register(&self, url: &str, report: &mut Report) -> Result<(), Trouble> {
        // Before a secret is stored that the source never gets.
        if let Some(refusal) = self.keeper.registered_elsewhere(url).await {
            return Err(refusal.into());
        }
        // A place that refuses to list also refuses to change: the error follows then.
        let before = self.keeper.list().await.found;
        let secret = self.secret_to_give(url).await?;
        let given = secret.as_ref().map_or("", Secret::expose);
        let Places { found, refused } = self.keeper.register(url, given).await;
        for hook in found {
            if let Some(secret) = self.secret_of(&hook, secret.as_ref()).await? {
                self.remember
                    .remember(self.source, &hook.id, url, &secret)
                    .await?;
            }
            let done = match before.iter().find(|known| known.id == hook.id) {
                None => Done::Made,
                Some(known) if !known.active => Done::Reactivated,
                Some(known) if !is_same(&known.events, &hook.events) => Done::Changed,
                Some(_) => Done::Adopted,
            };
            let line = self.line(&hook, Some(done)).await?;
            report.webhooks.push(line);
        }
        all_well(refused)
    }

    /// Registers the registered URLs again: reactivates suspended webhooks and creates missing ones. A webhook with
    /// another URL may be another daemon's and is left alone.
    async fn repair(&self, report: &mut Report) -> Result<(), Trouble> {
        for address in self.addresses().await? {
            self.register(&address, report).await?;
        }
        Ok(())
    }

    /// The secret that the source is told. Where the source chooses one itself, the one of bot.toml serves a webhook made by
    /// hand.
    ///
    /// It is stored before the source gets it: from then on the source may sign with it, even if this process dies.
    async fn secret_to_give(&self, url: &str) -> Result<Option<Secret>, Trouble> {
        let configured = self.remember.configured(self.source);
        if self.keeper.facts().chooses_secret {
            return Ok(configured);
        }
        let secret = match configured {
            Some(secret) => secret,
            None => {
                let known = self.remember.registered(self.source).await?;
                let here = known.iter().find(|(known, _)| known == url);
                match here.or(known.first()) {
                    Some((_, secret)) => secret.clone(),
                    None => generated()?,
                }
            }
        };
        self.remember
            .remember(self.source, ANY_HOOK, url, &secret)
            .await?;
        Ok(Some(secret))
    }

    /// The secret to store for a webhook, unless it is stored already.
    async fn secret_of(
        &self,
        hook: &Webhook,
        given: Option<&Secret>,
    ) -> Result<Option<Secret>, Trouble> {
        if let Some(own) = &hook.secret {
            return Ok(Some(Secret::new(own)));
        }
        // A source that chooses was given none: the one of bot.toml is a guess, and what the source once said is not.
        let is_kept = self.keeper.facts().chooses_secret
            && !self
                .remember
                .secrets(self.source, &hook.id)
                .await?
                .is_empty();
        Ok(given.filter(|_| !is_kept).cloned())
    }

    /// The registered URLs, each once.
    async fn addresses(&self) -> Result<BTreeSet<String>, Trouble> {
        let registered = self.remember.registered(self.source).await?;
        Ok(registered.into_iter().map(|(url, _)| url).collect())
    }

    fn is_ours(&self, hook: &Webhook) -> bool {
        leads_to(&hook.url, self.source)
    }

    async fn line(&self, hook: &Webhook, done: Option<Done>) -> Result<Line, Trouble> {
        Ok(Line {
            id: hook.id.clone(),
            place: hook.place.clone(),
            url: hook.url.clone(),
            active: hook.active,
            health: hook.health.clone(),
            done,
            problem: self.problem(hook).await?,
        })
    }

    async fn problem(&self, hook: &Webhook) -> Result<Option<String>, Trouble> {
        if !hook.active {
            let mend = if self.addresses().await?.contains(&hook.url) {
                "`ivan webhooks repair` reactivates it".to_owned()
            } else {
                let base = hook.url.trim_end_matches('/');
                let base = base.trim_end_matches(&path_of(self.source));
                format!(
                    "If it belongs to this daemon, `ivan webhooks register --url {base}` reactivates it"
                )
            };
            return Ok(Some(format!("It is inactive, so nothing is sent. {mend}")));
        }
        let kept = async |hook: &str| -> Result<bool, Trouble> {
            Ok(!self.remember.secrets(self.source, hook).await?.is_empty())
        };
        let is_known = self.remember.configured(self.source).is_some()
            || kept(&hook.id).await?
            || kept(ANY_HOOK).await?;
        Ok((!is_known).then(|| {
            format!(
                "Its secret is not known here, so its deliveries are rejected. {}",
                self.keeper.facts().on_unknown_secret
            )
        }))
    }
}

/// An error with all places that failed, if any.
fn all_well(refused: Vec<(String, WriteError)>) -> Result<(), Trouble> {
    let errors = refused.into_iter().map(|(_, error)| error);
    WriteError::together(errors.collect()).map_or(Ok(()), |error| Err(error.into()))
}

fn is_same(one: &[String], other: &[String]) -> bool {
    one.iter().collect::<BTreeSet<_>>() == other.iter().collect::<BTreeSet<_>>()
}

/// 32 random bytes of the system.
fn generated() -> Result<Secret, String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| format!("no random numbers from the system: {error}"))?;
    Ok(Secret::new(hex::encode(bytes)))
}

/// The next step after a failure.
fn hint(keeper: &dyn WebhookKeeper, trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Here(_) => "Run this as the daemon's user, with the same bot.toml",
        Trouble::Source(WriteError::NotTaken { .. } | WriteError::Unknown { .. }) => {
            "Run this again when the source responds; existing webhooks are kept"
        }
        Trouble::Source(WriteError::Refused { .. }) => keeper.facts().on_refusal,
    }
}

// ---------------------------------------------------------------- output

fn exit(reports: &[Report]) -> u8 {
    let well = reports.iter().all(|report| {
        let lines = report.webhooks.iter();
        let mut changed = lines.filter(|line| line.done.is_some());
        report.error.is_none() && changed.all(|line| line.problem.is_none())
    });
    if well { EXIT_OK } else { EXIT_FAILED }
}

fn as_json(reports: &[Report]) -> Printed {
    let sources = serde_json::json!({ "sources": reports });
    Printed {
        out: format!("{sources}\n"),
        err: String::new(),
        exit: exit(reports),
    }
}

fn in_words(reports: &[Report]) -> Printed {
    if reports.is_empty() {
        return Printed::failed(
            "No source is configured: fill in [clickup] or [github] in bot.toml",
            EXIT_FAILED,
        );
    }
    let (mut out, mut err) = (String::new(), String::new());
    for report in reports {
        let name = report.source.name();
        let _ = writeln!(out, "{name}");
        for line in &report.webhooks {
            let mark = if line.problem.is_some() { "✗" } else { "✓" };
            let mut said = format!("{mark} {} · {} · {}", line.place, line.url, line.health);
            if let Some(done) = line.done {
                let _ = write!(said, " · {}", done.in_words());
            }
            let _ = writeln!(out, "  {}", clean(&said));
            if let Some(problem) = &line.problem {
                let _ = writeln!(out, "    {}", clean(problem));
            }
        }
        for address in &report.missing {
            let _ = writeln!(
                out,
                "  ✗ {} was registered and is gone. `ivan webhooks repair` creates it again",
                clean(address)
            );
        }
        if report.webhooks.is_empty() && report.missing.is_empty() && report.error.is_none() {
            let _ = writeln!(
                out,
                "  No webhook: changes are found by polling. `ivan webhooks register --url https://…` creates one"
            );
        }
        match report.others {
            0 => {}
            1 => out.push_str("  1 webhook of another program\n"),
            others => {
                let _ = writeln!(out, "  {others} webhooks of other programs");
            }
        }
        if let Some(error) = &report.error {
            let _ = writeln!(err, "✗ {name}: {}", clean(error));
        }
        if let Some(hint) = &report.hint {
            let _ = writeln!(err, "  {hint}.");
        }
    }
    let exit = exit(reports);
    Printed { out, err, exit }
}

#[cfg(test)]
mod tests;
