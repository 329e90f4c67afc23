//! Hundreds of people write at once: each message is acknowledged in time, answered once, and takes effect once.
//!
//! `cargo test` sends 500 messages of 300 people, and repeats that with kills at random instants. `IVAN_FLOOD=2000`
//! sets the number of people, who send a message each, `IVAN_FLOOD_SEED=n` the seed of the kills, and
//! `IVAN_FLOOD_KILLS=50` runs that many floods with kills, without `IVAN_FLOOD` of 500 messages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ivan::sandbox::slack::{Envelope, PostedMessage, SandboxSlack};

use crate::harness::*;

/// Slack's limit for an acknowledgement.
const ACK_WITHIN_MS: f64 = 3_000.0;
/// The factor on Slack's limit in the suite, where sixteen stories share two cores. With `IVAN_FLOOD` the flood has the
/// machine to itself, and Slack's own limit holds.
const PATIENCE_IN_THE_SUITE: f64 = 10.0;
/// The time limit for all answers, on a slow machine too.
const ANSWERED_WITHIN: Duration = Duration::from_secs(240);

fn given(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

/// A number of messages of a number of people; every tenth message makes a task.
struct Flood {
    people: usize,
    messages: usize,
}

impl Flood {
    fn user(&self, message: usize) -> String {
        format!("U0FLOOD{:04}", message % self.people)
    }

    fn text(message: usize) -> String {
        match Flood::creates(message) {
            true => format!("create {}", Flood::title(message)),
            false => ["help", "current", "status"][message % 3].to_owned(),
        }
    }

    fn creates(message: usize) -> bool {
        message.is_multiple_of(10)
    }

    fn title(message: usize) -> String {
        format!("Errand {message}")
    }

    /// Starts the daemon and the sandbox for it.
    async fn start(&self) -> Ivan {
        let setup = two_tasks().before(|sandbox| sandbox.clickup.rate_limit(1_000_000));
        let mut ivan = setup.start().await;
        for number in 0..self.people.min(self.messages) {
            let user = self.user(number);
            ivan.slack().add_person(&user, &user.to_lowercase());
        }
        ivan.start().await;
        ivan
    }

    /// These messages are sent.
    fn comes(&self, slack: &SandboxSlack, messages: std::ops::Range<usize>) {
        for message in messages {
            let user = self.user(message);
            let channel = slack.dm(&user);
            slack.says(&user, &channel, &Flood::text(message));
        }
    }

    async fn is_answered(&self, ivan: &Ivan) {
        let slack = ivan.slack();
        let answered = slack.until(|_| self.answers(ivan) >= self.messages);
        let answered = tokio::time::timeout(ANSWERED_WITHIN, answered).await;
        let (said, wanted) = (self.answers(ivan), self.messages);
        assert!(answered.is_ok(), "{said} of {wanted} were answered");
        ivan.acknowledges().await;
        ivan.until_nothing_is_queued().await;
        for message in (0..self.messages).filter(|message| Flood::creates(*message)) {
            let channel = slack.dm(&self.user(message));
            let said = format!("✓ Task created in ClickUp: {}", Flood::title(message));
            let told = slack.until(|slack| {
                let posted = slack.bot_messages(&channel);
                posted.iter().any(|posted| shown(&posted.text) == said)
            });
            ivan.within("its person is told", told).await;
        }
    }

    /// The posts in a person's DM, without notices of work that was set aside.
    fn told(&self, slack: &SandboxSlack, user: &str) -> Vec<PostedMessage> {
        let mut posted = slack.bot_messages(&slack.dm(user));
        posted.retain(|one| !one.text.starts_with("✗ Not finished: "));
        posted
    }

    fn answers(&self, ivan: &Ivan) -> usize {
        let people = 0..self.people.min(self.messages);
        let told = people.map(|number| self.told(ivan.slack(), &self.user(number)).len());
        told.sum()
    }

    /// Each message has one answer, and each task exists once.
    fn came_out(&self, ivan: &Ivan) {
        let mut asked: BTreeMap<String, usize> = BTreeMap::new();
        for message in 0..self.messages {
            *asked.entry(self.user(message)).or_default() += 1;
        }
        let slack = ivan.slack();
        for (user, asked) in asked {
            let posted = self.told(slack, &user);
            assert_eq!(posted.len(), asked, "{user}: {posted:#?}");
            let texts: BTreeSet<&str> = posted.iter().map(|one| one.text.as_str()).collect();
            assert!(!texts.iter().any(|text| text.starts_with('…')), "{texts:?}");
        }
        for message in 0..self.messages {
            let made = ivan.clickup().tasks_named(&Flood::title(message)).len();
            assert_eq!(made, usize::from(Flood::creates(message)), "{message}");
        }
    }

    /// The envelopes of people's messages.
    fn envelopes(&self, slack: &SandboxSlack) -> Vec<Envelope> {
        let mut envelopes = slack.envelopes();
        envelopes.retain(|envelope| {
            let user = envelope.payload["event"]["user"].as_str();
            user.is_some_and(|user| user.starts_with("U0FLOOD"))
        });
        envelopes
    }
}

/// Lines of a level in the log.
fn lines(ivan: &Ivan, level: &str) -> Vec<String> {
    let log = ivan.log();
    let of_level = log.lines().filter(|line| line.contains(level));
    of_level.map(ToOwned::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_in_a_flood_is_heard_once_and_answered() {
    let flood = match given("IVAN_FLOOD") {
        Some(people) => Flood {
            people,
            messages: people,
        },
        None => Flood {
            people: 300,
            messages: 500,
        },
    };
    let ivan = flood.start().await;
    let slack = ivan.slack().clone();
    let patience = match given("IVAN_FLOOD") {
        Some(_) => 1.0,
        None => PATIENCE_IN_THE_SUITE,
    };
    slack.time_scale(patience);
    let half = flood.messages / 2;
    flood.comes(&slack, 0..half);
    // The author of a slash command waits at the screen.
    let slash = slack.commands(ANA, &slack.dm(ANA), "/ivan", "create Milk for the flood");
    flood.comes(&slack, half..flood.messages);
    flood.is_answered(&ivan).await;
    flood.came_out(&ivan);

    let sent = flood.envelopes(&slack);
    assert_eq!(sent.len(), flood.messages);
    let again: Vec<_> = sent.iter().filter(|one| one.links.len() != 1).collect();
    assert!(again.is_empty(), "sent again: {}", again.len());
    let acks = slack.acks();
    let late: Vec<_> = acks
        .iter()
        .filter(|ack| ack.after_ms as f64 >= ACK_WITHIN_MS * patience)
        .collect();
    let slowest = acks.iter().map(|ack| ack.after_ms).max();
    println!(
        "{} people: acknowledged within {slowest:?} ms",
        flood.people
    );
    assert!(late.is_empty(), "late: {late:#?}");
    let slash = acks.iter().find(|ack| ack.envelope_id == slash).unwrap();
    assert!(slash.counts, "{slash:?}");
    let told = slack.until(|slack| {
        let mut whispers = slack.whispers().into_iter();
        whispers.any(|whisper| whisper.text.contains("Milk for the flood"))
    });
    ivan.within("the command is answered", told).await;
    assert_eq!(ivan.clickup().tasks_named("Milk for the flood").len(), 1);
    let warned = lines(&ivan, "\"WARN\"");
    assert!(warned.len() < 10, "{warned:#?}");
    ivan.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_survives_kills_at_random_instants() {
    let first = u64::try_from(given("IVAN_FLOOD_SEED").unwrap_or(0)).unwrap();
    let floods = given("IVAN_FLOOD_KILLS");
    let (people, messages) = match (given("IVAN_FLOOD"), floods) {
        (Some(people), _) => (people, people),
        (None, Some(_)) => (300, 500),
        (None, None) => (120, 200),
    };
    let floods = u64::try_from(floods.unwrap_or(1)).unwrap();
    for seed in first..first + floods {
        let flood = Flood { people, messages };
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut ivan = flood.start().await;
        let slack = ivan.slack().clone();
        // Slack soon repeats unacknowledged events, as often as it does.
        slack.time_scale(0.3);
        let mut from = 0;
        for _ in 0..2 {
            let to = rng.usize(from..=flood.messages);
            flood.comes(&slack, from..to);
            from = to;
            tokio::time::sleep(Duration::from_millis(rng.u64(..1_500))).await;
            ivan.kill_and_restart().await;
        }
        flood.comes(&slack, from..flood.messages);
        // Work under way at both ends is set aside, for any kind of end: an operator retries it.
        for id in ivan.set_aside().await {
            let ran = ivan.cli(&["retry", &id]).await;
            assert_eq!(ran.exit, 0, "seed {seed}: {ran:?}");
        }
        flood.is_answered(&ivan).await;
        flood.came_out(&ivan);
        let errors = ivan.errors();
        assert!(errors.is_empty(), "seed {seed}: {errors:#?}");
        ivan.finish().await;
    }
}
