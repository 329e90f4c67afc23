//! `ivan doctor`: checks everything that Ivan needs, and mends what is safe to mend.
//!
//! Each system checks itself (`slack/checkup.rs`, `clickup/checkup.rs`, `github/checkup.rs`, `store/checkup.rs`). The
//! chapters in `doctor/` ask them and add the checks between systems. It works beside a running daemon and without one, and
//! writes nothing but what `--fix` mends.

mod configuration;
mod database;
mod mending;
mod people;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use reqwest::Method;
use url::Url;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::checkup::{SourceCheckup, SourceFindings};
use crate::domain::finding::{CheckupReport, Finding, FindingArea};
use crate::domain::link::Accounts;
use crate::domain::scope::ScopeInputs;
use crate::domain::source::WebhookKeeper;
use crate::domain::task::Source;
use crate::http_client;
use crate::slack::SlackToken;
use crate::slack::checkup::{self, SlackCheck, SlackFindings};
use crate::store::StoreSettings;
use crate::store::checkup::{StoreFacts, StoreRows, look};

pub use configuration::{configuration_findings, without_configuration};
pub use mending::{Mended, WebhookRepair, mend};

/// A clock that differs by more is reported, and by more than the second value it is broken.
const CLOCK_OFF: TimeDelta = TimeDelta::seconds(30);
const CLOCK_WRONG: TimeDelta = TimeDelta::minutes(5);
/// A write that waits for longer is reported.
const WAITS_LONG: TimeDelta = TimeDelta::minutes(15);

/// A source in the roles that are checked.
#[derive(Clone)]
pub struct CheckedSource {
    /// Its token, lists and repositories.
    pub checkup: Arc<dyn SourceCheckup>,
    /// Its webhooks.
    pub keeper: Arc<dyn WebhookKeeper>,
    /// Its accounts.
    pub accounts: Arc<dyn Accounts>,
    /// The names of the places that have webhooks of their own: repositories, or the workspace.
    pub places: Vec<String>,
}

/// The valid configuration, and the systems that it names.
pub struct Patient<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// As the daemon opens the store.
    pub store: StoreSettings,
    /// The configured sources.
    pub sources: Vec<CheckedSource>,
    /// The address of the daemon's API.
    pub api_url: String,
    /// The secrets in the configuration for webhooks that were made by hand.
    pub webhook_secrets: BTreeMap<Source, String>,
    /// Whether checks that send something are made.
    pub live: bool,
    /// The clock of this machine.
    pub clock: Clock,
}

/// Checks all systems of a valid configuration.
pub async fn check_up(patient: &Patient<'_>) -> CheckupReport {
    let config = patient.config;
    let mut findings = configuration_findings(config);
    let sources: Vec<Source> = patient
        .sources
        .iter()
        .map(|one| one.checkup.source())
        .collect();
    let (path, settings) = (config.store.path.clone(), patient.store.clone());
    let looked = tokio::task::spawn_blocking(move || look(&path, &settings, &sources)).await;
    let store = match looked {
        Ok(store) => store,
        Err(error) => {
            findings.push(Finding::broken(
                FindingArea::Store,
                "store.readable",
                "The store cannot be looked at",
                error.to_string(),
                "This is a bug in Ivan; please report it",
            ));
            return CheckupReport {
                findings,
                ..CheckupReport::default()
            };
        }
    };
    findings.extend(database::findings(&config.store.path, &store));
    let rows = rows(&store);
    let (daemon, slack, checked, hooks) = tokio::join!(
        daemon(&patient.api_url),
        check_slack(patient, rows),
        join_all(
            patient
                .sources
                .iter()
                .map(|one| one.checkup.check_up(patient.live))
        ),
        webhooks::findings(patient, rows),
    );
    findings.extend(daemon);
    findings.extend(clock_findings(&slack, &patient.sources, &checked));
    let people = people::findings(patient, rows, &slack).await;
    if config.slack.is_some() {
        findings.extend(slack.findings);
    }
    findings.extend(checked.into_iter().flat_map(|one| one.findings));
    findings.extend(hooks);
    findings.extend(people);
    findings.extend(work_findings(rows, patient.clock.now()));
    findings.sort_by_key(|finding| finding.area);
    CheckupReport {
        findings,
        ..CheckupReport::default()
    }
}

fn rows(store: &StoreFacts) -> Option<&StoreRows> {
    let content = store.content.as_ref()?.as_ref().ok()?;
    content.rows.as_ref()?.as_ref().ok()
}

/// Asks the running daemon whether it is ready. That it does not run is no fault.
async fn daemon(api_url: &str) -> Vec<Finding> {
    let (area, check) = (FindingArea::Daemon, "daemon.ready");
    let url = format!("{}/readyz", api_url.trim_end_matches('/'));
    let asked = match Url::parse(&url) {
        Ok(url) => http_client::exchange_once(Method::GET, &url, &[], Vec::new()).await,
        Err(error) => Err(error.to_string()),
    };
    vec![match asked {
        Ok((200, _)) => Finding::well(area, check, format!("The daemon at {api_url} is ready")),
        Ok((503, text)) => Finding::broken(
            area,
            check,
            format!("The daemon at {api_url} is not ready"),
            detail(&text).unwrap_or(text),
            "`ivan status` shows more; the other findings here may say why",
        ),
        Ok((status, _)) => Finding::warning(
            area,
            check,
            format!("Another program answers at {api_url} (HTTP {status})"),
            "The command line and the API do not reach Ivan",
            "Stop the other program, or set another api.bind",
        ),
        Err(why) => Finding::unknown(
            area,
            check,
            format!("No daemon answers at {api_url} ({why})"),
            "`ivan serve` starts it",
        ),
    }]
}

/// The `detail` of a problem of the API.
fn detail(text: &str) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_str(text).ok()?;
    problem.get("detail")?.as_str().map(str::to_owned)
}

async fn check_slack(patient: &Patient<'_>, rows: Option<&StoreRows>) -> SlackFindings {
    let config = patient.config;
    let Some(slack) = &config.slack else {
        return SlackFindings::default();
    };
    let listens = slack.channel_commands;
    let somebody = rows.is_some_and(|rows| rows.wants_reactions);
    let mut people: Vec<String> = slack.operators.clone();
    people.extend(people::slack_ids(config, rows));
    people.dedup();
    let check = SlackCheck {
        app_token: SlackToken::new(slack.app_token.expose()),
        bot_token: SlackToken::new(slack.bot_token.expose()),
        api_url: slack.api_url.clone(),
        uses: ScopeInputs {
            mentions: listens != crate::config::ChannelCommandsConfig::Off,
            bare: listens == crate::config::ChannelCommandsConfig::Bare,
            reacts: somebody
                || slack.receipts == crate::config::ReceiptsConfig::Reactions
                || slack.thread_replies == crate::config::ThreadRepliesConfig::Comment,
            emails: config.finds_by_email(),
        },
        channels: slack
            .channels
            .iter()
            .map(|channel| channel.id.clone())
            .collect(),
        people,
    };
    checkup::check_up(&check, &patient.clock).await
}

/// Compares this machine's clock with that of each service that answered.
fn clock_findings(
    slack: &SlackFindings,
    sources: &[CheckedSource],
    checked: &[SourceFindings],
) -> Vec<Finding> {
    let of_slack = slack.token.as_ref().and_then(|facts| facts.ahead);
    let mut clocks: Vec<(&str, TimeDelta)> =
        of_slack.map(|ahead| ("Slack", ahead)).into_iter().collect();
    for (source, checked) in sources.iter().zip(checked) {
        let ahead = checked.token.as_ref().and_then(|facts| facts.ahead);
        clocks.extend(ahead.map(|ahead| (source.checkup.source().name(), ahead)));
    }
    clock_finding(&clocks).into_iter().collect()
}

/// The finding about how far this machine's clock is ahead of each service's.
fn clock_finding(clocks: &[(&str, TimeDelta)]) -> Option<Finding> {
    let (area, check) = (FindingArea::Clock, "clock.skew");
    let (worst, ahead) = clocks.iter().max_by_key(|(_, ahead)| ahead.abs())?;
    if ahead.abs() <= CLOCK_OFF {
        let names: Vec<&str> = clocks.iter().map(|(name, _)| *name).collect();
        let text = format!("The clock agrees with that of {}", names.join(", "));
        return Some(Finding::well(area, check, text));
    }
    let direction = match *ahead > TimeDelta::zero() {
        true => "ahead of",
        false => "behind",
    };
    let text = format!(
        "This machine's clock is {} {direction} {worst}'s",
        in_words(ahead.abs())
    );
    let why = "Due times, briefings, quiet hours and `snooze` are off by that much, and lost writes are searched for at the \
               wrong time";
    let remedy = "timedatectl set-ntp true (or start chronyd or ntpd)";
    Some(match ahead.abs() > CLOCK_WRONG {
        true => Finding::broken(area, check, text, why, remedy),
        false => Finding::warning(area, check, text, why, remedy),
    })
}

/// A time in its two largest units that matter here: `2 min 5 s`, `3 h 20 min`, `2 days`.
fn in_words(time: TimeDelta) -> String {
    let (days, hours) = (time.num_days(), time.num_hours() % 24);
    let (minutes, seconds) = (time.num_minutes() % 60, time.num_seconds() % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {seconds} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (1, _, _) => "1 day".to_owned(),
        (days, _, _) => format!("{days} days"),
    }
}

/// Writes that wait, and work that was set aside.
fn work_findings(rows: Option<&StoreRows>, now: DateTime<Utc>) -> Vec<Finding> {
    let area = FindingArea::Work;
    let Some(rows) = rows else {
        return Vec::new();
    };
    let (count, oldest) = rows.waiting;
    let age = oldest.map_or(TimeDelta::zero(), |oldest| now - oldest);
    let text = match count {
        0 => "No write waits".to_owned(),
        1 => format!("1 write waits, for {}", in_words(age)),
        many => format!("{many} writes wait, the oldest for {}", in_words(age)),
    };
    let mut findings = vec![match age > WAITS_LONG {
        false => Finding::well(area, "work.waiting", text),
        true => Finding::warning(
            area,
            "work.waiting",
            text,
            "Something keeps them back: the daemon does not run, a source does not answer, or it rejects the token. After \
             outbox.give_up_after people are told that it failed",
            "Start `ivan serve` if it does not run, and mend the findings about the source; `ivan status` shows the reason",
        ),
    }];
    findings.extend(rows.set_aside.iter().map(|work| {
        Finding::broken(
            area,
            "work.set_aside",
            format!("{} was set aside: {}", work.work, work.about),
            format!(
                "The daemon ended {} times while it did this, so it does it no more",
                work.ends
            ),
            format!("ivan retry {}", work.work),
        )
    }));
    findings
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::finding::FindingLevel;

    #[rstest]
    #[case::same(&[("Slack", 1), ("GitHub", -2)], FindingLevel::Well, "The clock agrees with that of Slack, GitHub")]
    #[case::behind(&[("Slack", 1), ("GitHub", -125)], FindingLevel::Warning, "This machine's clock is 2 min 5 s behind GitHub's")]
    #[case::ahead(&[("Slack", 12_000)], FindingLevel::Broken, "This machine's clock is 3 h 20 min ahead of Slack's")]
    fn a_clock_is_compared(
        #[case] clocks: &[(&str, i64)],
        #[case] level: FindingLevel,
        #[case] text: &str,
    ) {
        let clocks = clocks
            .iter()
            .map(|(name, s)| (*name, TimeDelta::seconds(*s)));
        let found = clock_finding(&clocks.collect::<Vec<_>>()).unwrap();
        assert_eq!((found.level, found.text.as_str()), (level, text));
    }

    #[test]
    fn without_an_answer_there_is_no_clock() {
        assert_eq!(clock_finding(&[]), None);
    }
}
