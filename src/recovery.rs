//! Recovers events that webhooks missed: failed deliveries, suspended webhooks, sources that do not answer.
//!
//! GitHub lists failed deliveries, which then go through the inbox like any other. ClickUp keeps none, so the health of
//! its webhooks is checked; a suspended one is reactivated and a poll follows. Checks run at the start, every ten
//! minutes, and on a reason: an outage is over, a poll found a change without a webhook, or the first delivery came
//! after a reactivation. The `slack.operators` get one message about a lasting problem, and one when it is over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::domain::reply::{self, Text};
use crate::domain::set_aside::Work;
use crate::domain::source::{Container, SourceStanding, TokenStanding};
use crate::domain::source::{Webhook, WebhookKeeper};
use crate::domain::task::Source;
use crate::inbox::{Inbox, Inserted, NotKept};
use crate::limits::Limit;
use crate::reconcile::{Reconciler, SyncResult};
use crate::runtime::{CancellationToken, Reloadable, lock};
use crate::store::messages::MessageDraft;
use crate::store::slack_events::dm_of;
use crate::store::{Db, Store, StoreError, Wake, deliveries, messages, pauses};

/// The period of checks (docs/contracts/clickup.md#delivery: every 5 to 15 minutes).
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// Reactivations of webhooks per hour: the webhook of a broken receiver stays suspended.
const REACTIVATIONS: usize = 6;
/// The age limit of failed deliveries (docs/contracts/github.md#delivery: kept for 3 days).
const DELIVERIES_KEPT: chrono::Duration = chrono::Duration::days(3);
/// How long a source may fail before operators get a message.
const FAILING_FOR: chrono::Duration = chrono::Duration::minutes(15);

/// A part of a place that the token cannot see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Blind {
    Webhooks,
    Deliveries,
}

/// See the module.
#[derive(Clone)]
pub struct Recovery {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    inbox: Inbox,
    reconciler: Reconciler,
    keepers: Vec<Arc<dyn WebhookKeeper>>,
    alarms: Alerts,
    /// The places whose webhooks or failed deliveries the token cannot see. Each is logged once.
    blind: Mutex<BTreeSet<(Source, String, Blind)>>,
    /// The sources to check early.
    wanted: Mutex<BTreeSet<Source>>,
    look: Notify,
    /// Sources with a reactivated webhook. The next delivery shows whether it works again.
    put_back: Mutex<BTreeSet<Source>>,
    reactivated: Mutex<VecDeque<DateTime<Utc>>>,
}

impl Recovery {
    /// A recovery for the sources with a keeper. Nothing is checked before `run`.
    pub fn new(
        store: Store,
        clock: Clock,
        inbox: Inbox,
        reconciler: Reconciler,
        keepers: Vec<Arc<dyn WebhookKeeper>>,
        alarms: Alerts,
    ) -> Recovery {
        Recovery {
            inner: Arc::new(Inner {
                store,
                clock,
                inbox,
                reconciler,
                keepers,
                alarms,
                blind: Mutex::default(),
                wanted: Mutex::default(),
                look: Notify::new(),
                put_back: Mutex::default(),
                reactivated: Mutex::default(),
            }),
        }
    }

    /// Requests an early check of a source's webhooks, because an event bypassed them.
    pub fn look_at(&self, source: Source) {
        lock(&self.inner.wanted).insert(source);
        self.inner.look.notify_one();
    }

    /// Checks the webhooks of every source regularly and on request, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let inner = &self.inner;
        let mut arrivals = inner.inbox.arrivals();
        let mut due = Instant::now();
        let mut retried = inner.store.retried();
        while !shutdown.is_cancelled() {
            let wanted = std::mem::take(&mut *lock(&inner.wanted));
            let all = Instant::now() >= due;
            if all {
                due = Instant::now() + LOOK_EVERY;
            }
            let to_look =
                |keeper: &&Arc<dyn WebhookKeeper>| all || wanted.contains(&keeper.source());
            for keeper in inner.keepers.iter().filter(to_look) {
                if let Err(trouble) = inner.look(keeper.as_ref(), all).await {
                    tracing::error!(error = %trouble, "cannot check webhooks");
                }
            }
            let arrived = async {
                loop {
                    // Without an inbox no further delivery arrives.
                    if arrivals.changed().await.is_err() {
                        return std::future::pending().await;
                    }
                    let from = *arrivals.borrow_and_update();
                    if let Some(source) = from
                        && lock(&inner.put_back).remove(&source)
                    {
                        return source;
                    }
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = inner.look.notified() => {}
                Ok(()) = retried.changed() => due = Instant::now(),
                source = arrived => {
                    lock(&inner.wanted).insert(source);
                }
                () = shutdown.cancelled() => {}
            }
        }
    }
}

impl Inner {
    /// Checks the webhooks of one source, at the regular time (`regular`) or on request.
    async fn look(&self, keeper: &dyn WebhookKeeper, regular: bool) -> Result<(), StoreError> {
        let work = Work::Webhooks(keeper.source());
        if self.store.rests(&work, self.clock.now()).is_some() {
            return Ok(());
        }
        let begun = self.store.begin(&work).await?;
        let looked = self.look_now(keeper, regular).await;
        self.store
            .is_over(begun, looked.is_ok(), self.clock.now())
            .await;
        looked
    }

    async fn look_now(&self, keeper: &dyn WebhookKeeper, regular: bool) -> Result<(), StoreError> {
        let source = keeper.source();
        let urls: BTreeSet<String> = self
            .store
            .read(move |connection| deliveries::hook_urls(connection, source))
            .await?
            .into_iter()
            .map(|(url, _)| url)
            .collect();
        if urls.is_empty() {
            return Ok(());
        }
        let hooks = keeper.list().await;
        let is_refused = |place: &str| hooks.refused.iter().any(|(refused, _)| refused == place);
        lock(&self.blind).retain(|(of, place, what)| {
            *of != source || *what != Blind::Webhooks || is_refused(place)
        });
        for (place, why) in &hooks.refused {
            if lock(&self.blind).insert((source, place.clone(), Blind::Webhooks)) {
                tracing::warn!(%source, place, error = %why, "cannot check webhooks");
            }
        }
        for hook in hooks.found.iter().filter(|hook| urls.contains(&hook.url)) {
            self.health(keeper, hook, regular).await?;
            self.missed(keeper, hook).await?;
        }
        Ok(())
    }

    /// Reactivates a suspended webhook, and polls for the events that it missed.
    async fn health(
        &self,
        keeper: &dyn WebhookKeeper,
        hook: &Webhook,
        regular: bool,
    ) -> Result<(), StoreError> {
        let about = format!("webhook {}", hook.id);
        if hook.active {
            // Being active again does not prove that it delivers.
            if !regular && lock(&self.put_back).contains(&hook.source) {
                return Ok(());
            }
            return self
                .alarms
                .over(&about, reply::hook_well(hook.source, &hook.url))
                .await;
        }
        // Set before it can deliver.
        lock(&self.put_back).insert(hook.source);
        let back = self.may_reactivate()
            && match keeper.reactivate(hook).await {
                Ok(()) => true,
                Err(why) => {
                    tracing::warn!(source = %hook.source, webhook = hook.id, error = %why, "cannot reactivate the webhook");
                    false
                }
            };
        tracing::warn!(source = %hook.source, url = hook.url, health = hook.health, reactivated = back, "the source had stopped sending to the webhook");
        if !back {
            lock(&self.put_back).remove(&hook.source);
        }
        self.reconciler.want(hook.source);
        let words = reply::hook_suspended(hook.source, &hook.url, &hook.health, back);
        self.alarms.raise(&about, words).await
    }

    fn may_reactivate(&self) -> bool {
        let now = self.clock.now();
        let mut lately = lock(&self.reactivated);
        while lately
            .front()
            .is_some_and(|&at| now - at > chrono::Duration::hours(1))
        {
            lately.pop_front();
        }
        let may = lately.len() < REACTIVATIONS;
        match may {
            true => lately.push_back(now),
            false => Limit::Reactivations.reached(format_args!("reactivated webhooks {REACTIVATIONS} times within an hour; this one waits for `ivan webhooks repair`")),
        }
        may
    }

    /// Fetches failed deliveries into the inbox, which drops those that it already has.
    async fn missed(&self, keeper: &dyn WebhookKeeper, hook: &Webhook) -> Result<(), StoreError> {
        let source = hook.source;
        match keeper
            .missed(hook, self.clock.now() - DELIVERIES_KEPT)
            .await
        {
            Ok(missed) => {
                lock(&self.blind).remove(&(source, hook.place.clone(), Blind::Deliveries));
                for delivery in missed {
                    match self.inbox.keep(delivery).await {
                        Ok(Inserted::New) => {
                            tracing::info!(%source, "fetched a failed delivery");
                        }
                        Ok(Inserted::Duplicate | Inserted::NotForUs) => {}
                        // The rest is fetched at the next check.
                        Err(NotKept::Full { .. }) => return Ok(()),
                        Err(NotKept::Store(trouble)) => return Err(trouble),
                    }
                }
            }
            Err(why) => {
                let place = &hook.place;
                if lock(&self.blind).insert((source, place.clone(), Blind::Deliveries)) {
                    tracing::warn!(%source, place, error = %why, "cannot fetch failed deliveries");
                }
            }
        }
        Ok(())
    }
}

/// Alerts to operators: one for each problem, and one for its end.
#[derive(Clone)]
pub struct Alerts {
    store: Store,
    clock: Clock,
    operators: Reloadable<Vec<String>>,
    failing: Arc<Mutex<BTreeMap<Source, DateTime<Utc>>>>,
}

impl Alerts {
    /// `operators` are Slack ids.
    pub fn new(store: Store, clock: Clock, operators: Vec<String>) -> Alerts {
        Alerts {
            store,
            clock,
            operators: Reloadable::new(operators),
            failing: Arc::default(),
        }
    }

    /// Alerts other operators from now on.
    pub fn follow(&self, operators: Vec<String>) {
        self.operators.set(operators);
    }

    /// Handles the result of a poll: alerts operators if the source has failed for long.
    pub async fn polled(&self, source: Source, synced: &SyncResult) -> Result<(), StoreError> {
        let about = format!("{source} failing");
        let now = self.clock.now();
        let since = {
            let mut failing = lock(&self.failing);
            match &synced.error {
                Some(_) => Some(*failing.entry(source).or_insert(now)),
                None => {
                    failing.remove(&source);
                    None
                }
            }
        };
        let (token, rule) = (about_token(source), about_rule(source, ""));
        let known = self
            .store
            .read(move |connection| {
                Ok(deliveries::is_alarm(connection, &token)?
                    || deliveries::is_alarm_of(connection, &rule)?)
            })
            .await?;
        match (since, &synced.error) {
            // The alert about the token or the rule was already sent and explains the failure.
            (Some(_), Some(_)) if known => Ok(()),
            (Some(since), Some(why)) if now - since >= FAILING_FOR => {
                self.raise(&about, reply::source_failing(source, since, why, Tz::UTC))
                    .await
            }
            (Some(_), _) => Ok(()),
            (None, _) => self.over(&about, reply::source_well(source)).await,
        }
    }

    /// Handles the lists and repositories found at a source: alerts operators if one is archived, or restored.
    pub async fn found(&self, containers: &[Container]) -> Result<(), StoreError> {
        for container in containers {
            let about = format!("{} {} archived", container.source, container.id);
            if container.archived {
                self.raise(&about, reply::archived(container)).await?;
            } else {
                let key = about.clone();
                let raised = move |connection: &Db| deliveries::is_alarm(connection, &key);
                if self.store.read(raised).await? {
                    self.over(&about, reply::unarchived(container)).await?;
                }
            }
        }
        Ok(())
    }

    /// Handles the standing of a source. A refused token is reported at once, because only an operator can fix it. A
    /// pause is stored for the next start.
    pub async fn stands(
        &self,
        source: Source,
        standing: &SourceStanding,
    ) -> Result<(), StoreError> {
        let until = standing.paused_until;
        self.store
            .write(move |tx| pauses::keep(tx, source, until))
            .await?;
        for (account, rule) in &standing.rules {
            let about = about_rule(source, account);
            match rule {
                Some(why) => self.raise(&about, reply::token_refused(why)).await?,
                None => {
                    self.over(&about, reply::rule_well(source, account)).await?;
                }
            }
        }
        match (standing.token_ends, &standing.token) {
            (Some(ends), TokenStanding::Taken) => {
                let words = reply::token_ends(source, ends, Tz::UTC);
                self.raise(&about_its_end(source), words).await?;
            }
            (None, TokenStanding::Taken) => {
                self.over(&about_its_end(source), reply::token_stays(source))
                    .await?;
            }
            _ => {}
        }
        match &standing.token {
            TokenStanding::Unknown => Ok(()),
            TokenStanding::Taken => {
                self.over(&about_token(source), reply::token_well(source))
                    .await
            }
            TokenStanding::Refused { why, .. } => {
                self.raise(&about_token(source), reply::token_refused(why))
                    .await
            }
        }
    }

    /// Alerts every operator, unless the alert was already sent.
    pub async fn raise(&self, about: &str, words: Text) -> Result<(), StoreError> {
        let (about, operators, now) = (about.to_owned(), self.operators.get(), self.clock.now());
        self.store
            .write(move |tx| {
                if deliveries::alarm(tx, &about, now)? {
                    tracing::info!(about, "told operators: {}", words.plain());
                    say(tx, &operators, &words, now)?;
                }
                Ok(())
            })
            .await
    }

    /// Sends the end of an alert that was sent.
    pub async fn over(&self, about: &str, words: Text) -> Result<(), StoreError> {
        let (about, operators, now) = (about.to_owned(), self.operators.get(), self.clock.now());
        self.store
            .write(move |tx| {
                if deliveries::all_well(tx, &about)?.is_some() {
                    tracing::info!(about, "told operators: {}", words.plain());
                    say(tx, &operators, &words, now)?;
                }
                Ok(())
            })
            .await
    }
}

fn about_token(source: Source) -> String {
    format!("{source} token")
}

/// The alert about a rule of an account (an organization) that refuses Ivan.
fn about_rule(source: Source, account: &str) -> String {
    format!("{source} rule {account}")
}

fn about_its_end(source: Source) -> String {
    format!("{source} token ends")
}

fn say(
    tx: &crate::store::Tx<'_>,
    operators: &[String],
    words: &Text,
    now: DateTime<Utc>,
) -> crate::store::DbResult<()> {
    for operator in operators {
        let draft = MessageDraft {
            channel: dm_of(tx, operator)?,
            words: Some(words.clone()),
            ..MessageDraft::default()
        };
        messages::add(
            tx,
            &draft,
            &ulid::Ulid::from_datetime(now.into()).to_string(),
            now,
        )?;
        tx.wake(Wake::Messages);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::domain::operation::WriteError;
    use crate::domain::source::{Delivery, Places, SignedDelivery, WebhookFacts};
    use crate::reconcile::SyncSettings;
    use crate::store::StoreSettings;

    #[tokio::test]
    async fn a_webhook_that_does_not_stay_at_work_is_put_back_a_few_times_an_hour() {
        // A webhook that never becomes active, and the number of its reactivations.
        #[derive(Default)]
        struct Broken(AtomicUsize);

        #[async_trait]
        impl WebhookKeeper for Broken {
            fn source(&self) -> Source {
                Source::ClickUp
            }
            fn facts(&self) -> WebhookFacts {
                crate::clickup::HOOK_FACTS
            }
            async fn list(&self) -> Places<Webhook> {
                let hook = Webhook {
                    source: Source::ClickUp,
                    id: "w1".into(),
                    place: "9001".into(),
                    url: "https://bot.example/webhooks/clickup".into(),
                    events: vec![],
                    active: false,
                    health: "suspended".into(),
                    secret: None,
                };
                Places {
                    found: vec![hook],
                    ..Places::default()
                }
            }
            async fn register(&self, _: &str, _: &str) -> Places<Webhook> {
                Places::default()
            }
            async fn reactivate(&self, _: &Webhook) -> Result<(), WriteError> {
                self.0.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
            async fn remove(&self, _: &Webhook) -> Result<(), WriteError> {
                Ok(())
            }
            fn test_delivery(&self, _: &Webhook, _: &str) -> SignedDelivery {
                SignedDelivery {
                    headers: Vec::new(),
                    body: Vec::new(),
                }
            }
            async fn missed(
                &self,
                _: &Webhook,
                _: DateTime<Utc>,
            ) -> Result<Vec<Delivery>, WriteError> {
                Ok(Vec::new())
            }
        }

        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap();
        let (clock, broken) = (Clock::system(), Arc::new(Broken::default()));
        let now = clock.now();
        store
            .write(move |tx| {
                let url = "https://bot.example/webhooks/clickup";
                deliveries::keep_hook(tx, Source::ClickUp, "w1", url, "s", now)
            })
            .await
            .unwrap();
        let inbox = Inbox::new(
            store.clone(),
            clock.clone(),
            vec![],
            vec![],
            BTreeMap::new(),
        );
        let settings = SyncSettings {
            interval: Duration::from_secs(60),
            full_interval: Duration::from_secs(60),
        };
        let yields = Arc::new(|_| false);
        let reconciler = Reconciler::new(store.clone(), clock.clone(), settings, vec![], yields);
        let alarms = Alerts::new(store.clone(), clock.clone(), vec!["U1".to_owned()]);
        let keepers: Vec<Arc<dyn WebhookKeeper>> = vec![broken.clone()];
        let gaps = Recovery::new(
            store.clone(),
            clock.clone(),
            inbox,
            reconciler,
            keepers,
            alarms,
        );
        let before = Limit::Reactivations.times();
        for (minutes, put_back) in [(0, 8), (50, 1), (20, 8)] {
            clock.shift(chrono::Duration::minutes(minutes));
            for _ in 0..put_back {
                gaps.inner.look(broken.as_ref(), true).await.unwrap();
            }
        }
        assert_eq!(broken.0.load(Ordering::SeqCst), 2 * REACTIVATIONS);
        assert!(Limit::Reactivations.times() >= before + 5);
    }

    async fn messages(store: &Store) -> i64 {
        let count = |connection: &crate::store::Db| {
            connection.query_row("SELECT count(*) FROM messages", [], |row| row.get(0))
        };
        store.read(count).await.unwrap()
    }

    #[tokio::test]
    async fn operators_hear_at_once_of_a_token_that_is_not_taken_and_not_that_its_source_fails() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap();
        let clock = Clock::system();
        let alarms = Alerts::new(store.clone(), clock.clone(), vec!["U1".to_owned()]);
        let standing = |token| SourceStanding {
            token,
            ..SourceStanding::default()
        };
        let refused = standing(TokenStanding::Refused {
            why: "GitHub refuses the token (Bad credentials)".to_owned(),
            until: clock.now(),
        });
        let taken = standing(TokenStanding::Taken);
        let fails = SyncResult {
            changed: 0,
            error: Some("GitHub refuses the token".to_owned()),
            ..SyncResult::default()
        };
        let github = Source::GitHub;
        alarms.stands(github, &taken).await.unwrap();
        assert_eq!(messages(&store).await, 0, "it was well before");
        for _ in 0..2 {
            alarms.stands(github, &refused).await.unwrap();
            assert_eq!(messages(&store).await, 1);
        }
        // After a restart the standing is unknown, which is no news.
        let unknown = standing(TokenStanding::Unknown);
        alarms.stands(github, &unknown).await.unwrap();
        alarms.polled(github, &fails).await.unwrap();
        clock.shift(FAILING_FOR);
        alarms.polled(github, &fails).await.unwrap();
        assert_eq!(messages(&store).await, 1);
        for _ in 0..2 {
            alarms.stands(github, &taken).await.unwrap();
            assert_eq!(messages(&store).await, 2);
        }
    }

    #[tokio::test]
    async fn a_pause_is_kept_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap();
        let alarms = Alerts::new(store.clone(), Clock::system(), Vec::new());
        let until = DateTime::from_timestamp(1_767_229_500, 0);
        let paused = SourceStanding {
            paused_until: until,
            token: TokenStanding::Taken,
            ..SourceStanding::default()
        };
        alarms.stands(Source::ClickUp, &paused).await.unwrap();
        let kept = store.read(pauses::all).await.unwrap();
        assert_eq!(kept, [(Source::ClickUp, until.unwrap())]);
        let open = SourceStanding::default();
        alarms.stands(Source::ClickUp, &open).await.unwrap();
        assert_eq!(store.read(pauses::all).await.unwrap(), []);
    }

    #[tokio::test]
    async fn operators_hear_of_a_source_that_fails_for_long_once_and_once_when_it_is_well() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap();
        let clock = Clock::system();
        let operators = vec!["U1".to_owned(), "U2".to_owned()];
        let alarms = Alerts::new(store.clone(), clock.clone(), operators);
        let fails = SyncResult {
            changed: 0,
            error: Some("no route".to_owned()),
            ..SyncResult::default()
        };
        let well = SyncResult {
            changed: 0,
            error: None,
            ..SyncResult::default()
        };
        // Minutes to wait, the result of the poll, and the total number of messages to both operators.
        for (minutes, synced, messages) in [
            (0, &fails, 0),
            (14, &fails, 0),
            (0, &well, 0),
            (14, &fails, 0),
            (14, &fails, 0),
            (1, &fails, 2),
            (60, &fails, 2),
            (1, &well, 4),
            (1, &well, 4),
            (1, &fails, 4),
        ] {
            clock.shift(chrono::Duration::minutes(minutes));
            alarms.polled(Source::GitHub, synced).await.unwrap();
            let said: (i64, i64) = store
                .read(|connection| {
                    connection.query_row(
                        "SELECT count(*), count(DISTINCT channel) FROM messages",
                        [],
                        |row| Ok((row.get(0)?, row.get(1)?)),
                    )
                })
                .await
                .unwrap();
            assert_eq!(said, (messages, messages.min(2)));
        }
    }
}
