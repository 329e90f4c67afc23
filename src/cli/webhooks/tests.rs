use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::domain::operation::Refusal;
use crate::domain::source::{Delivery, SignedDelivery, WebhookFacts};
use chrono::{DateTime, Utc};
use rstest::rstest;

/// A minimal source: one place, and its webhooks.
struct Kept {
    source: Source,
    hooks: Mutex<Vec<Webhook>>,
    /// The secrets that it was given.
    given: Mutex<Vec<String>>,
    fails: Option<WriteError>,
}

impl Kept {
    fn new(source: Source) -> Arc<Kept> {
        Kept::with(source, Vec::new(), None)
    }

    fn with(source: Source, hooks: Vec<Webhook>, fails: Option<WriteError>) -> Arc<Kept> {
        Arc::new(Kept {
            source,
            hooks: Mutex::new(hooks),
            given: Mutex::default(),
            fails,
        })
    }

    fn failing(&self) -> Result<(), WriteError> {
        self.fails.clone().map_or(Ok(()), Err)
    }

    /// Adds a place that refuses, if there is one.
    fn beside(&self, found: Vec<Webhook>) -> Places<Webhook> {
        let refused = self.fails.clone().into_iter();
        Places {
            found,
            refused: refused
                .map(|error| ("acme/closed".to_owned(), error))
                .collect(),
        }
    }
}

#[async_trait]
impl WebhookKeeper for Kept {
    fn source(&self) -> Source {
        self.source
    }

    fn facts(&self) -> WebhookFacts {
        match self.source {
            Source::ClickUp => crate::clickup::HOOK_FACTS,
            Source::GitHub => crate::github::HOOK_FACTS,
        }
    }

    async fn list(&self) -> Places<Webhook> {
        let mut hooks = self.hooks.lock().unwrap().clone();
        hooks.iter_mut().for_each(|hook| hook.secret = None);
        self.beside(hooks)
    }

    async fn register(&self, url: &str, secret: &str) -> Places<Webhook> {
        self.given.lock().unwrap().push(secret.to_owned());
        let mut hooks = self.hooks.lock().unwrap();
        if let Some(hook) = hooks.iter_mut().find(|hook| hook.url == url) {
            hook.active = true;
            hook.health = "active".into();
            return self.beside(vec![Webhook {
                secret: None,
                ..hook.clone()
            }]);
        }
        let mut made = hook(self.source, "w1", url);
        made.secret = (self.source == Source::ClickUp).then(|| "chosen by ClickUp".to_owned());
        hooks.push(made.clone());
        self.beside(vec![made])
    }

    async fn reactivate(&self, _: &Webhook) -> Result<(), WriteError> {
        self.failing()
    }

    async fn remove(&self, _: &Webhook) -> Result<(), WriteError> {
        self.failing()
    }

    fn test_delivery(&self, _: &Webhook, _: &str) -> SignedDelivery {
        SignedDelivery {
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    async fn missed(&self, _: &Webhook, _: DateTime<Utc>) -> Result<Vec<Delivery>, WriteError> {
        Ok(Vec::new())
    }
}

fn hook(source: Source, id: &str, url: &str) -> Webhook {
    Webhook {
        source,
        id: id.into(),
        place: match source {
            Source::ClickUp => "9001".into(),
            Source::GitHub => "acme/widgets".into(),
        },
        url: url.into(),
        events: vec!["issues".into()],
        active: true,
        health: "active".into(),
        secret: None,
    }
}

/// The stored URLs and secrets, by source and webhook.
#[derive(Default)]
struct Memory {
    kept: Mutex<BTreeMap<(Source, String), (String, String)>>,
    configured: Option<String>,
    full: bool,
}

impl Memory {
    fn of(&self, source: Source, hook: &str) -> Option<String> {
        let kept = self.kept.lock().unwrap();
        let row = kept.get(&(source, hook.to_owned()));
        row.map(|(_, secret)| secret.clone())
    }
}

#[async_trait]
impl WebhookRecords for Memory {
    fn configured(&self, _: Source) -> Option<Secret> {
        self.configured.as_ref().map(Secret::new)
    }

    async fn secrets(&self, source: Source, hook: &str) -> Result<Vec<Secret>, String> {
        Ok(self.of(source, hook).into_iter().map(Secret::new).collect())
    }

    async fn registered(&self, source: Source) -> Result<Vec<(String, Secret)>, String> {
        let kept = self.kept.lock().unwrap();
        let rows = kept.iter().filter(|((of, _), _)| *of == source);
        let rows = rows.map(|(_, (url, secret))| (url.clone(), Secret::new(secret)));
        Ok(rows.collect())
    }

    async fn remember(
        &self,
        source: Source,
        hook: &str,
        url: &str,
        secret: &Secret,
    ) -> Result<(), String> {
        if self.full {
            return Err("the store at ivan.db: disk full".to_owned());
        }
        let row = (url.to_owned(), secret.expose().to_owned());
        self.kept
            .lock()
            .unwrap()
            .insert((source, hook.to_owned()), row);
        Ok(())
    }
}

const GITHUB_URL: &str = "https://bot.example/webhooks/github";
const CLICKUP_URL: &str = "https://bot.example/webhooks/clickup";

fn register() -> WebhooksCommand {
    WebhooksCommand::Register {
        url: "https://bot.example".parse().unwrap(),
    }
}

async fn does(command: WebhooksCommand, keeper: &Arc<Kept>, memory: &Memory) -> Report {
    at_source(&command, keeper.as_ref(), memory).await
}

fn done(report: &Report) -> Vec<Option<Done>> {
    assert_eq!(report.error, None);
    report.webhooks.iter().map(|line| line.done).collect()
}

#[rstest]
#[case("https://bot.example", "https://bot.example/webhooks/github")]
#[case("https://bot.example/", "https://bot.example/webhooks/github")]
#[case(
    "https://Bot.Example:8443/ivan/",
    "https://bot.example:8443/ivan/webhooks/github"
)]
#[case("http://127.0.0.1:8788", "http://127.0.0.1:8788/webhooks/github")]
#[case("http://localhost:8788", "http://localhost:8788/webhooks/github")]
#[case("http://[::1]:8788", "http://[::1]:8788/webhooks/github")]
fn the_path_is_appended_to_the_base(#[case] base: &str, #[case] url: &str) {
    let base: BaseUrl = base.parse().unwrap();
    assert_eq!(base.of(Source::GitHub), url);
}

#[rstest]
#[case::no_scheme("bot.example", "is not an address")]
#[case::not_encrypted("http://bot.example", "must begin with https://")]
#[case::looks_local("http://127.0.0.1.bot.example", "must begin with https://")]
#[case::other_scheme("ftp://bot.example", "must begin with https://")]
#[case::password(
    "https://ana:sesame@bot.example",
    "must not contain a name or password"
)]
#[case::query("https://bot.example/?a=b", "must not contain `?`")]
#[case::fragment("https://bot.example/#a", "must not contain `?` or `#`")]
#[case::whole(
    "https://bot.example/webhooks/github/",
    "give the base address: https://bot.example"
)]
fn an_address_that_cannot_be_meant_is_refused(#[case] base: &str, #[case] why: &str) {
    let refused = base.parse::<BaseUrl>().unwrap_err();
    assert!(refused.contains(why), "{refused}");
    assert!(!refused.contains("sesame"), "{refused}");
}

#[tokio::test]
async fn a_second_registration_changes_nothing() {
    let (github, memory) = (Kept::new(Source::GitHub), Memory::default());
    let first = does(register(), &github, &memory).await;
    assert_eq!(done(&first), [Some(Done::Made)]);
    let second = does(register(), &github, &memory).await;
    assert_eq!(done(&second), [Some(Done::Adopted)]);
    assert_eq!(github.hooks.lock().unwrap().len(), 1);
    let given = github.given.lock().unwrap().clone();
    assert_eq!(given[0], given[1]);
    assert_eq!(given[0].len(), 64);
    assert_eq!(memory.of(Source::GitHub, "w1").as_ref(), Some(&given[0]));
    assert_eq!(
        memory.of(Source::GitHub, ANY_HOOK).as_ref(),
        Some(&given[0])
    );
}

#[tokio::test]
async fn a_place_that_refuses_keeps_nothing_from_the_others() {
    let refused = WriteError::Refused {
        what: Refusal::Other,
        why: "GitHub refuses the webhooks of acme/closed".into(),
    };
    let github = Kept::with(Source::GitHub, Vec::new(), Some(refused));
    let memory = Memory::default();
    let report = does(register(), &github, &memory).await;
    let lines = |report: &Report| {
        let lines = report.webhooks.iter();
        lines
            .map(|line| (line.place.clone(), line.done))
            .collect::<Vec<_>>()
    };
    let widgets = "acme/widgets".to_owned();
    assert_eq!(lines(&report), [(widgets.clone(), Some(Done::Made))]);
    assert!(
        memory.of(Source::GitHub, "w1").is_some(),
        "its secret is kept"
    );
    let error = report.error.as_deref().unwrap();
    assert_eq!(error, "GitHub refuses the webhooks of acme/closed");
    assert_eq!(exit(&[report]), EXIT_FAILED);
    let listed = does(WebhooksCommand::List, &github, &memory).await;
    assert_eq!(lines(&listed), [(widgets, None)]);
    assert!(listed.error.is_some());
    // A webhook is missing only if a place says so.
    github.hooks.lock().unwrap().clear();
    let listed = does(WebhooksCommand::List, &github, &memory).await;
    assert_eq!(listed.missing, Vec::<String>::new());
}

#[tokio::test]
async fn two_generated_secrets_are_two() {
    let (github, memory) = (Kept::new(Source::GitHub), Memory::default());
    does(register(), &github, &memory).await;
    does(register(), &github, &Memory::default()).await;
    let given = github.given.lock().unwrap();
    assert_ne!(given[0], given[1]);
}

#[tokio::test]
async fn a_configured_secret_replaces_the_generated_one_everywhere() {
    let (github, memory) = (Kept::new(Source::GitHub), Memory::default());
    does(register(), &github, &memory).await;
    let memory = Memory {
        configured: Some("of bot.toml".into()),
        ..memory
    };
    does(register(), &github, &memory).await;
    assert_eq!(github.given.lock().unwrap()[1], "of bot.toml");
    for hook in ["w1", ANY_HOOK] {
        let kept = memory.of(Source::GitHub, hook);
        assert_eq!(kept.as_deref(), Some("of bot.toml"), "{hook}");
    }
}

/// From the request on GitHub may sign with the secret, even if this process dies.
#[tokio::test]
async fn the_secret_is_kept_before_github_knows_it() {
    let github = Kept::new(Source::GitHub);
    let full = Memory {
        full: true,
        ..Memory::default()
    };
    let report = does(register(), &github, &full).await;
    assert!(report.error.unwrap().contains("disk full"));
    assert!(github.hooks.lock().unwrap().is_empty());
}

#[tokio::test]
async fn clickups_own_secret_is_kept_and_not_guessed_over() {
    let clickup = Kept::new(Source::ClickUp);
    let memory = Memory {
        configured: Some("by hand".into()),
        ..Memory::default()
    };
    let kept = || memory.of(Source::ClickUp, "w1");
    assert_eq!(
        done(&does(register(), &clickup, &memory).await),
        [Some(Done::Made)]
    );
    assert_eq!(kept().as_deref(), Some("chosen by ClickUp"));
    assert_eq!(
        done(&does(register(), &clickup, &memory).await),
        [Some(Done::Adopted)]
    );
    assert_eq!(kept().as_deref(), Some("chosen by ClickUp"));
}

#[tokio::test]
async fn a_webhook_whose_secret_nobody_knows_is_a_failure_with_a_way_out() {
    let there = hook(Source::ClickUp, "w9", CLICKUP_URL);
    let clickup = Kept::with(Source::ClickUp, vec![there], None);
    let report = does(register(), &clickup, &Memory::default()).await;
    let printed = in_words(&[report]);
    assert_eq!(printed.exit, EXIT_FAILED);
    assert!(
        printed.out.contains("clickup.webhook_secret"),
        "{}",
        printed.out
    );
    // The one that was created by hand, with its secret in bot.toml.
    let memory = Memory {
        configured: Some("by hand".into()),
        ..Memory::default()
    };
    let report = does(register(), &clickup, &memory).await;
    assert_eq!(report.webhooks[0].problem, None);
    assert_eq!(memory.of(Source::ClickUp, "w9").as_deref(), Some("by hand"));
}

#[tokio::test]
async fn repair_puts_back_and_makes_again_what_was_registered_and_touches_no_other() {
    let suspended = |id: &str, url: &str| Webhook {
        active: false,
        health: "suspended, 100 failures".into(),
        ..hook(Source::ClickUp, id, url)
    };
    let others = suspended("w5", "https://staging.example/webhooks/clickup");
    let clickup = Kept::with(
        Source::ClickUp,
        vec![suspended("w9", CLICKUP_URL), others.clone()],
        None,
    );
    let memory = Memory::default();
    let secret = Secret::new("kept");
    let remembered = memory.remember(Source::ClickUp, "w9", CLICKUP_URL, &secret);
    remembered.await.unwrap();
    let report = does(WebhooksCommand::Repair, &clickup, &memory).await;
    assert_eq!(done(&report), [Some(Done::Reactivated)]);
    assert_eq!(memory.of(Source::ClickUp, "w9").as_deref(), Some("kept"));
    assert_eq!(clickup.hooks.lock().unwrap()[1], others);

    clickup.hooks.lock().unwrap().retain(|hook| hook.id == "w5");
    let listed = does(WebhooksCommand::List, &clickup, &memory).await;
    assert_eq!(listed.missing, [CLICKUP_URL]);
    let report = does(WebhooksCommand::Repair, &clickup, &memory).await;
    assert_eq!(done(&report), [Some(Done::Made)]);
    assert_eq!(
        memory.of(Source::ClickUp, "w1").as_deref(),
        Some("chosen by ClickUp")
    );
}

#[tokio::test]
async fn the_list_is_for_people_and_tells_no_other_programs_address() {
    let memory = Memory::default();
    let mut quiet = hook(Source::GitHub, "43", "https://old.example/webhooks/github");
    quiet.active = false;
    quiet.health = "switched off".into();
    let github = Kept::with(
        Source::GitHub,
        vec![
            hook(Source::GitHub, "42", GITHUB_URL),
            quiet,
            hook(Source::GitHub, "44", "https://ci.example/?token=sesame"),
        ],
        None,
    );
    let secret = Secret::new("open sesame");
    let remembered = memory.remember(Source::GitHub, "42", GITHUB_URL, &secret);
    remembered.await.unwrap();
    let refused = WriteError::Refused {
        what: Refusal::Other,
        why: "ClickUp refuses the webhooks of the workspace 9001: no access".into(),
    };
    let clickup = Kept::with(Source::ClickUp, Vec::new(), Some(refused));
    let reports = [
        does(WebhooksCommand::List, &clickup, &memory).await,
        does(WebhooksCommand::List, &github, &memory).await,
    ];
    let printed = in_words(&reports);
    insta::assert_snapshot!(printed.out, @r"
    ClickUp
    GitHub
      ✓ acme/widgets · https://bot.example/webhooks/github · active
      ✗ acme/widgets · https://old.example/webhooks/github · switched off
        It is inactive, so nothing is sent. If it belongs to this daemon, `ivan webhooks register --url https://old.example` reactivates it
      1 webhook of another program
    ");
    insta::assert_snapshot!(printed.err, @r"
    ✗ ClickUp: ClickUp refuses the webhooks of the workspace 9001: no access
      The user of clickup.token must be a member of the workspace clickup.team_id, not a guest.
    ");
    assert_eq!(printed.exit, EXIT_FAILED);
    let json = as_json(&reports);
    assert!(!json.out.contains("sesame"), "{}", json.out);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let sources = &value["sources"];
    assert_eq!(sources[1]["source"], "github");
    assert_eq!(sources[1]["webhooks"][0]["health"], "active");
    assert_eq!(sources[1]["others"], 1);
}

#[tokio::test]
async fn without_any_webhook_the_next_step_is_told() {
    let github = Kept::new(Source::GitHub);
    let report = does(WebhooksCommand::List, &github, &Memory::default()).await;
    let printed = in_words(&[report]);
    assert_eq!(printed.exit, EXIT_OK);
    assert!(printed.out.contains("ivan webhooks register --url"));
    assert_eq!(in_words(&[]).exit, EXIT_FAILED);
}
