//! Two daemons with one lease: one leads, and the other takes over with the newest replica. A leader that was paused sends
//! nothing any more.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use ivan::standby::{LeaseRecord, LeaseStore, NotWritten, S3Lease, S3Settings};
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::alerts::{firing, only, scrape, series};
use crate::harness::*;
use crate::object_store::{BUCKET, KEY_ID, ObjectStore, S3Fault, SECRET};

const LEASE: &str = "ivan/lease";
/// Long enough for a busy machine to renew it.
const TTL: Duration = Duration::from_secs(6);
const PATIENCE: Duration = Duration::from_secs(60);
/// The replica of a term is a copy that is made again and again, as Litestream would.
const REPLICATE: &str = r#"trap 'last=1' TERM
while :; do
    this=$last
    "$1" --config bot.toml backup "$2" --force >/dev/null
    [ -z "$this" ] || exit 0
    sleep 0.1 &
    wait $!
done"#;
const RESTORE: &str = r#"[ ! -f "$1" ] || cp "$1" "$2""#;

/// The sandbox, and the place of the lease and the replicas.
struct Site {
    ivan: Ivan,
    objects: ObjectStore,
    replicas: TempDir,
}

impl Site {
    async fn new(setup: Setup) -> Site {
        Site {
            ivan: setup.start().await,
            objects: ObjectStore::start().await,
            replicas: tempfile::tempdir().unwrap(),
        }
    }

    /// A machine with a folder of its own; no daemon runs on it yet.
    fn machine(&self, holder: &'static str) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        let port = lasting_port();
        let replica = self.replicas.path().join("term-{term}.db");
        let (binary, replica) = (env!("CARGO_BIN_EXE_ivan"), replica.display().to_string());
        let words = |words: &[&str]| json!(words).to_string();
        let config = self.ivan.bot_toml().replace(
            "api.bind = \"127.0.0.1:0\"",
            &format!("api.bind = \"127.0.0.1:{port}\""),
        );
        let config = format!(
            "{config}\nstandby.lease = \"s3://{BUCKET}/{LEASE}\"\nstandby.holder = \"{holder}\"\n\
             standby.ttl = \"{}s\"\nstandby.region = \"eu-west-1\"\nstandby.endpoint = \"{}\"\n\
             standby.access_key_id = \"{KEY_ID}\"\nstandby.secret_access_key = \"{SECRET}\"\n\
             standby.restore = {}\nstandby.replicate = {}\n",
            TTL.as_secs(),
            self.objects.url,
            words(&["sh", "-c", RESTORE, "sh", &replica, "{file}"]),
            words(&["sh", "-c", REPLICATE, "sh", binary, &replica]),
        );
        let bot_toml = folder.path().join("bot.toml");
        std::fs::write(&bot_toml, config).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(bot_toml, mode).unwrap();
        Machine {
            holder,
            folder,
            port,
            daemon: None,
        }
    }

    /// How often a text is among the comments of the first issue.
    fn comments(&self, text: &str) -> usize {
        let comments = self.ivan.github().issue(REPO, 1).comments();
        comments
            .iter()
            .filter(|comment| comment.contains(text))
            .count()
    }

    /// Waits until the first issue has a comment.
    async fn until_commented(&self, text: &str) {
        let there = async {
            while self.comments(text) == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        self.ivan.within(text, there).await;
    }

    /// Waits until the replica of the present term has a comment's command.
    async fn until_replicated(&self, leader: &Machine, term: u64, text: &str) {
        let replica = self.replicas.path().join(format!("term-{term}.db"));
        let has = async {
            loop {
                let sql =
                    "SELECT count(*) FROM messages WHERE posted_version = version AND version > 0";
                let known = rusqlite::Connection::open_with_flags(
                    &replica,
                    rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
                )
                .and_then(|copy| copy.query_row(sql, [], |row| row.get::<_, i64>(0)));
                if known.is_ok_and(|known| known > 0) && self.comments(text) > 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let replicated = tokio::time::timeout(PATIENCE, has).await;
        replicated.unwrap_or_else(|_| panic!("not replicated:\n{}", leader.log()));
    }
}

struct Machine {
    holder: &'static str,
    folder: TempDir,
    port: u16,
    daemon: Option<Child>,
}

impl Machine {
    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn starts(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path());
        let daemon = binary()
            .args(["--config", "bot.toml", "serve"])
            .current_dir(self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.unwrap())
            .kill_on_drop(true)
            .spawn();
        self.daemon = Some(daemon.unwrap());
    }

    async fn probe(&self, path: &str) -> Option<(u16, Value)> {
        let request = client().get(format!("http://127.0.0.1:{}{path}", self.port));
        let answer = request.bearer_auth(TOKEN).send().await.ok()?;
        Some((answer.status().as_u16(), answer.json().await.ok()?))
    }

    /// Waits until a probe satisfies `what`.
    async fn until(&self, path: &str, what: impl Fn(u16, &Value) -> bool) -> Value {
        let asks = async {
            loop {
                if let Some((status, answer)) = self.probe(path).await
                    && what(status, &answer)
                {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let asked = tokio::time::timeout(PATIENCE, asks).await;
        asked.unwrap_or_else(|_| panic!("{} has not come so far:\n{}", self.holder, self.log()))
    }

    /// The alerts that fire by its metrics alone; `None` where promtool is not installed.
    async fn raises(&self, site: &Site) -> Option<BTreeSet<String>> {
        let shown = scrape(&format!("http://127.0.0.1:{}", self.port), TOKEN).await;
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let input = series(shown.as_deref(), shown.as_deref(), now.as_secs() as i64);
        firing(&site.ivan, &input).await
    }

    /// Waits until it leads and has read its sources: before that it refuses REFs.
    async fn leads(&self) {
        self.until("/readyz", |status, answer| {
            let mut sources = answer["sources"].as_object().into_iter().flatten();
            status == 200 && sources.all(|(_, source)| source["synced"] == true)
        })
        .await;
    }

    async fn stands_by(&self, leader: &str) {
        let says = format!("{} stands by: {leader} leads", self.holder);
        self.until("/readyz", |status, answer| {
            status == 503 && answer["detail"] == says.as_str()
        })
        .await;
    }

    async fn gets(&self, signal: &str) {
        let pid = self.daemon.as_ref().unwrap().id().unwrap().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().await;
        assert!(sent.unwrap().success());
    }

    async fn ends(&mut self) -> ExitStatus {
        let mut daemon = self.daemon.take().unwrap();
        let ended = tokio::time::timeout(PATIENCE, daemon.wait()).await;
        ended
            .unwrap_or_else(|_| panic!("it does not end:\n{}", self.log()))
            .unwrap()
    }

    async fn is_killed(&mut self) {
        self.gets("-KILL").await;
        self.ends().await;
    }
}

/// How many commands Ivan asked about, because the former leader may have carried them out.
fn asked_about(site: &Site) -> usize {
    let dm = site.ivan.slack().dm(ANA);
    let said = site.ivan.slack().bot_messages(&dm);
    let asks = |message: &&ivan::sandbox::slack::PostedMessage| {
        message.text.contains("may have done this already")
    };
    said.iter().filter(asks).count()
}

/// Waits until a command is carried out, or asked about and typed again.
async fn carried_out(site: &Site, text: &str) {
    let ends = async {
        loop {
            if site.comments(text) > 0 {
                return;
            }
            if asked_about(site) > 0 {
                says(site, text);
                return site.until_commented(text).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    site.ivan.within(text, ends).await;
}

fn says(site: &Site, text: &str) {
    let dm = site.ivan.slack().dm(ANA);
    site.ivan
        .slack()
        .says(ANA, &dm, &format!("comment on #1: {text}"));
}

/// Both of them stop, and no command was doubled.
async fn both_end(site: &Site, machines: &mut [&mut Machine], texts: &[&str]) {
    for text in texts {
        assert_eq!(site.comments(text), 1, "{text}");
    }
    for machine in machines {
        machine.gets("-TERM").await;
        let status = machine.ends().await;
        assert!(status.success(), "{status}\n{}", machine.log());
    }
}

#[tokio::test]
async fn a_follower_takes_over_from_a_lost_leader() {
    let site = Site::new(two_issues()).await;
    let (mut a, mut b) = (site.machine("ivan-a"), site.machine("ivan-b"));
    a.starts();
    a.leads().await;
    b.starts();
    b.stands_by("ivan-a").await;
    let (status, health) = b.probe("/healthz").await.unwrap();
    assert_eq!((status, &health["status"]), (200, &json!("ok")));
    let status = a.until("/status", |status, _| status == 200).await;
    assert_eq!(status["leader"]["holder"], "ivan-a");
    assert_eq!(status["leader"]["term"], 1);
    let ran = ran(binary()
        .args(["--config", "bot.toml", "status"])
        .current_dir(b.folder.path()))
    .await;
    assert!(
        ran.err.contains("ivan-b stands by: ivan-a leads"),
        "{ran:?}"
    );

    if let Some(raised) = b.raises(&site).await {
        assert_eq!(Some(raised), only("IvanNoLeader"), "it is alone here");
    }

    says(&site, "before the change");
    site.until_replicated(&a, 1, "before the change").await;
    let begun = tokio::time::Instant::now();
    a.is_killed().await;
    says(&site, "while nobody led");
    b.leads().await;
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
    if let Some(raised) = b.raises(&site).await {
        assert_eq!(raised, BTreeSet::new());
    }
    carried_out(&site, "while nobody led").await;
    says(&site, "after the change");
    site.until_commented("after the change").await;
    assert!(
        b.log().contains("the store is an older copy"),
        "{}",
        b.log()
    );
    a.starts();
    a.stands_by("ivan-b").await;
    let texts = ["before the change", "while nobody led", "after the change"];
    both_end(&site, &mut [&mut a, &mut b], &texts).await;
}

#[tokio::test]
async fn a_paused_leader_sends_nothing_when_it_comes_back() {
    let site = Site::new(two_issues()).await;
    let (mut a, mut b) = (site.machine("ivan-a"), site.machine("ivan-b"));
    a.starts();
    a.leads().await;
    b.starts();
    b.stands_by("ivan-a").await;
    says(&site, "known to both");
    site.until_replicated(&a, 1, "known to both").await;
    // It is stopped anywhere on the way of this one.
    says(&site, "under way");
    a.gets("-STOP").await;
    b.leads().await;
    carried_out(&site, "under way").await;
    // Nobody can tell it that another one leads: its own clock has to.
    site.objects.is_down(true);
    a.gets("-CONT").await;
    let status = a.ends().await;
    site.objects.is_down(false);
    assert_eq!(status.code(), Some(5), "{}", a.log());
    assert!(
        a.log().contains("stood down: the lease is over"),
        "{}",
        a.log()
    );
    a.starts();
    a.stands_by("ivan-b").await;
    both_end(
        &site,
        &mut [&mut b, &mut a],
        &["known to both", "under way"],
    )
    .await;
}

#[tokio::test]
async fn a_leader_that_is_stopped_is_followed_at_once_and_nothing_is_missing() {
    let site = Site::new(two_issues()).await;
    let (mut a, mut b) = (site.machine("ivan-a"), site.machine("ivan-b"));
    a.starts();
    a.leads().await;
    b.starts();
    b.stands_by("ivan-a").await;
    says(&site, "the last one");
    site.until_commented("the last one").await;
    a.gets("-TERM").await;
    assert!(a.ends().await.success(), "{}", a.log());
    let lease = site.objects.object(LEASE).unwrap();
    assert!(
        lease["released"] == true || lease["holder"] == "ivan-b",
        "{lease}"
    );
    b.leads().await;
    let messages = rusqlite::Connection::open(b.folder.path().join("ivan.db")).unwrap();
    let known: i64 = messages
        .query_row("SELECT count(*) FROM operations", [], |row| row.get(0))
        .unwrap();
    assert_eq!(known, 1);
    both_end(&site, &mut [&mut b], &["the last one"]).await;
}

#[tokio::test]
async fn a_leader_that_starts_again_has_the_newest_store_itself() {
    let site = Site::new(two_issues()).await;
    let mut a = site.machine("ivan-a");
    a.starts();
    a.leads().await;
    says(&site, "once");
    site.until_commented("once").await;
    a.is_killed().await;
    a.starts();
    a.leads().await;
    assert!(!a.log().contains("stands by"), "{}", a.log());
    assert!(
        !a.log().contains("restored the newest replica"),
        "{}",
        a.log()
    );
    assert_eq!(site.objects.object(LEASE).unwrap()["term"], 2);
    both_end(&site, &mut [&mut a], &["once"]).await;
}

#[tokio::test]
async fn a_leader_without_its_object_store_stands_down() {
    let site = Site::new(two_issues()).await;
    let mut a = site.machine("ivan-a");
    a.starts();
    a.leads().await;
    // A short time is none of its business.
    site.objects
        .faults(&[S3Fault::AnswerLost, S3Fault::SlowDown, S3Fault::Conflict]);
    let renewals = |site: &Site| {
        site.objects.object(LEASE).unwrap()["renewal"]
            .as_u64()
            .unwrap()
    };
    let seen = renewals(&site);
    let goes_on = async {
        while renewals(&site) < seen + 4 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    site.ivan.within("it renews its lease", goes_on).await;
    site.objects.is_down(true);
    let status = a.ends().await;
    assert_eq!(status.code(), Some(5), "{}", a.log());
    assert!(a.log().contains("SlowDown"), "{}", a.log());
    site.objects.is_down(false);
    a.starts();
    a.leads().await;
    both_end(&site, &mut [&mut a], &[]).await;
}

#[tokio::test]
async fn a_term_without_a_replica_is_left_out_and_none_at_all_is_no_store() {
    let site = Site::new(two_issues()).await;
    let (mut a, mut b) = (site.machine("ivan-a"), site.machine("ivan-b"));
    a.starts();
    a.leads().await;
    a.is_killed().await;
    // As if the first copy had never been made.
    let bot_toml = b.folder.path().join("bot.toml");
    let config = std::fs::read_to_string(&bot_toml).unwrap();
    std::fs::write(bot_toml, config.replace("term-{term}", "none-{term}")).unwrap();
    b.starts();
    let status = b.ends().await;
    assert_eq!(status.code(), Some(1), "{}", b.log());
    assert!(b.log().contains("no term has a replica"), "{}", b.log());
    // The machine that has the store goes on with it.
    a.starts();
    a.leads().await;
    both_end(&site, &mut [&mut a], &[]).await;
}

fn lease(objects: &ObjectStore, secret: &str) -> S3Lease {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let lease = S3Lease::new(S3Settings {
        bucket: BUCKET.to_owned(),
        key: "a b/lease+1".to_owned(),
        region: "eu-west-1".to_owned(),
        endpoint: Some(objects.url.clone()),
        access_key_id: KEY_ID.to_owned(),
        secret_access_key: secret.to_owned(),
        limit: Duration::from_secs(5),
    });
    lease.unwrap()
}

fn record(renewal: u64) -> LeaseRecord {
    LeaseRecord {
        holder: "ivan-a".to_owned(),
        process: "one".to_owned(),
        term: 1,
        replica: 0,
        renewal,
        ttl_ms: 15_000,
        released: false,
    }
}

#[tokio::test]
async fn the_lease_is_written_on_conditions_alone() {
    let objects = ObjectStore::start().await;
    let lease = lease(&objects, SECRET);
    assert_eq!(lease.read().await, Ok(None));
    assert_eq!(
        lease.write(&record(1), Some("\"none\"")).await,
        Err(NotWritten::Changed)
    );
    let first = lease.write(&record(1), None).await.unwrap();
    assert_eq!(lease.read().await, Ok(Some((record(1), first.clone()))));
    assert_eq!(
        lease.write(&record(2), None).await,
        Err(NotWritten::Changed)
    );
    let second = lease.write(&record(2), Some(&first)).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(
        lease.write(&record(3), Some(&first)).await,
        Err(NotWritten::Changed)
    );
    assert_eq!(lease.read().await, Ok(Some((record(2), second.clone()))));
    objects.removes("a%20b/lease%2B1");
    assert_eq!(
        lease.write(&record(3), Some(&second)).await,
        Err(NotWritten::Changed)
    );
}

#[rstest]
#[case::answer_lost(S3Fault::AnswerLost, None)]
#[case::slow_down(S3Fault::SlowDown, Some("HTTP 503, SlowDown"))]
#[case::conflict(S3Fault::Conflict, Some("HTTP 409, ConditionalRequestConflict"))]
#[tokio::test]
async fn an_unclear_answer_is_not_taken_for_one(
    #[case] fault: S3Fault,
    #[case] said: Option<&str>,
) {
    let objects = ObjectStore::start().await;
    let lease = lease(&objects, SECRET);
    objects.faults(&[fault]);
    let Err(NotWritten::Unclear(why)) = lease.write(&record(1), None).await else {
        panic!("it is unclear");
    };
    if let Some(said) = said {
        assert_eq!(why, said);
    }
    let was_written = lease.read().await.unwrap().is_some();
    assert_eq!(was_written, fault == S3Fault::AnswerLost);
}

#[tokio::test]
async fn a_wrong_secret_is_named_and_not_shown() {
    let objects = ObjectStore::start().await;
    let lease = lease(&objects, "another-secret-key");
    let why = lease.read().await.unwrap_err();
    assert_eq!(why, "HTTP 403, SignatureDoesNotMatch");
}
