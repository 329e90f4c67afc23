//! A daemon with `[standby]`: waits for the lease, restores the newest replica, replicates its own store, and ends when its
//! lease does.
//!
//! Each term replicates to a place of its own, so that a former leader that goes on replicating writes to no other's. The
//! file `ivan.db.lease` names the term that the store of this machine belongs to: if no other daemon has served since, it
//! is the newest, and is not replaced.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex as AsyncMutex, watch};

use super::{AppError, restore, systemd, trust};
use crate::clock::Clock;
use crate::config::{Config, StandbyConfig};
use crate::http::{self, LeaderStatus};
use crate::runtime::{CancellationToken, LastingFailure, fence, lock, slept};
use crate::standby::{
    Lease, LeaseRecord, LeaseWatch, Renewal, S3Lease, S3Settings, Standing, Tenant,
};
use crate::store::Store;

/// The exit status of a leader whose lease has ended. A service manager starts it again, as a follower.
pub const EXIT_STOOD_DOWN: u8 = 5;
/// How often the end of the lease is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(100);
/// How long the program that replicates may take to copy the rest at a stop.
const REPLICATED_WITHIN: Duration = Duration::from_secs(5);
/// The wait before it is started again.
const REPLICATE_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How many terms are searched for a replica.
const TERMS_MAX: u64 = 50;
/// The first argument of a process that becomes a program of `[standby]` and ends with Ivan.
const AS_CHILD: &str = "as-child-of";

/// The term that the store of this machine belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoreTerm {
    term: u64,
    process: String,
}

fn with_end(store: &Path, end: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn failed(why: impl std::fmt::Display) -> AppError {
    AppError::Standby(why.to_string())
}

impl StoreTerm {
    fn file(store: &Path) -> PathBuf {
        with_end(store, ".lease")
    }

    fn read(store: &Path) -> Result<Option<StoreTerm>, AppError> {
        let file = StoreTerm::file(store);
        match std::fs::read_to_string(&file) {
            // Damaged by a power cut, perhaps: then the store is replaced by the replica.
            Ok(text) => Ok(serde_json::from_str(&text).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(format!("{}: {error}", file.display()))),
        }
    }

    fn write(&self, store: &Path) -> Result<(), AppError> {
        let file = StoreTerm::file(store);
        let made = with_end(store, ".lease.partial");
        let written = serde_json::to_vec(self)
            .map_err(std::io::Error::other)
            .and_then(|text| std::fs::write(&made, text))
            .and_then(|()| std::fs::File::open(&made)?.sync_all())
            .and_then(|()| std::fs::rename(&made, &file));
        written.map_err(|error| failed(format!("{}: {error}", file.display())))
    }
}

/// A daemon that leads. Its lease is renewed until it ends.
pub struct Leading {
    keeper: Arc<Keeper>,
    renewing: CancellationToken,
    replicating: Option<Replicating>,
}

/// The lease that is held, and who renews it.
struct Keeper {
    tenant: Tenant,
    lease: AsyncMutex<Lease>,
    ttl: Duration,
    holder: String,
    since: DateTime<Utc>,
    term: u64,
    /// The last failure of a renewal.
    trouble: Mutex<Option<String>>,
    replication: watch::Sender<Option<String>>,
}

impl Keeper {
    /// Renews once; `false`: another daemon has the lease, and nothing is sent any more.
    async fn renew(&self, change: impl FnOnce(&mut LeaseRecord)) -> Result<(), bool> {
        let mut lease = self.lease.lock().await;
        match self.tenant.renew(&mut lease, change).await {
            Renewal::Renewed => {
                fence::ends_at(lease.until);
                *lock(&self.trouble) = None;
                Ok(())
            }
            Renewal::Lost { leader } => {
                *lock(&self.trouble) = Some(format!("{leader} leads"));
                fence::ends_at(Duration::ZERO);
                Err(false)
            }
            Renewal::Failed(why) => {
                tracing::warn!(error = why, "the lease was not renewed; trying again");
                *lock(&self.trouble) = Some(why);
                Err(true)
            }
        }
    }

    /// Renews until told to stop, or the lease is lost.
    async fn keep(&self, stopping: CancellationToken) {
        let mut wait = self.ttl / 3;
        while slept(wait, &stopping).await {
            wait = match self.renew(|_| ()).await {
                Ok(()) => self.ttl / 3,
                Err(true) => self.ttl / 15,
                Err(false) => return,
            };
        }
    }

    /// Ends the process when nothing may be sent any more, on a thread that no work holds up.
    fn watch(self: &Arc<Self>) -> Result<(), AppError> {
        let keeper = Arc::clone(self);
        let watch = move || {
            while fence::is_open() {
                std::thread::park_timeout(WATCH_EVERY);
            }
            let why = lock(&keeper.trouble).take();
            let why = why.unwrap_or_else(|| "it was not renewed in time".to_owned());
            tracing::error!(
                holder = keeper.holder,
                term = keeper.term,
                why,
                "stood down: the lease is over; nothing was sent since"
            );
            std::process::exit(i32::from(EXIT_STOOD_DOWN));
        };
        let thread = std::thread::Builder::new().name("lease".into());
        thread.spawn(watch).map(drop).map_err(failed)
    }

    fn status(&self) -> LeaderStatus {
        LeaderStatus {
            holder: self.holder.clone(),
            since: self.since,
            term: self.term,
            replication: self.replication.borrow().clone(),
        }
    }
}

/// The program that replicates the store.
struct Replicating {
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

/// What a daemon with `[standby]` is at its start.
struct Candidate<'a> {
    config: &'a Config,
    standby: &'a StandbyConfig,
    clock: Clock,
    tenant: Tenant,
    own: Option<StoreTerm>,
}

/// Waits until this daemon leads and has the newest store. `None`: there is no `[standby]`.
///
/// # Errors
/// The configuration cannot be used, or the newest store cannot be restored.
pub async fn lead(config: &Config, clock: Clock) -> Result<Option<Leading>, AppError> {
    let Some(standby) = &config.standby else {
        return Ok(None);
    };
    trust(config)?;
    if Store::is_held(&config.store.path) {
        return Err(failed(format!(
            "another daemon has the store {}",
            config.store.path.display()
        )));
    }
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(failed)?;
    let lease = S3Lease::new(S3Settings {
        bucket: standby.bucket.clone(),
        key: standby.key.clone(),
        region: standby.region.clone(),
        endpoint: standby.endpoint.clone(),
        access_key_id: standby.access_key_id.clone(),
        secret_access_key: standby.secret_access_key.expose().to_owned(),
        limit: standby.ttl / 3,
    });
    let lease = lease.map_err(|why| failed(format!("standby.endpoint: {why}")))?;
    let (holder, process) = (standby.holder.clone(), hex::encode(random));
    let candidate = Candidate {
        config,
        standby,
        clock,
        tenant: Tenant::new(Box::new(lease), holder, process, standby.ttl),
        own: StoreTerm::read(&config.store.path)?,
    };
    candidate.leads().await.map(Some)
}

impl Candidate<'_> {
    async fn leads(self) -> Result<Leading, AppError> {
        let lease = self.waits().await?;
        fence::ends_at(lease.until);
        let (config, own) = (self.config, self.own);
        let keeper = Arc::new(Keeper {
            tenant: self.tenant,
            ttl: self.standby.ttl,
            holder: self.standby.holder.clone(),
            since: self.clock.now(),
            term: lease.record.term,
            trouble: Mutex::default(),
            replication: watch::Sender::new(None),
            lease: AsyncMutex::new(lease.clone()),
        });
        keeper.watch()?;
        let leading = Leading {
            keeper,
            renewing: CancellationToken::new(),
            replicating: None,
        };
        tokio::spawn({
            let (keeper, stopping) = (Arc::clone(&leading.keeper), leading.renewing.clone());
            async move { keeper.keep(stopping).await }
        });
        let ready = async {
            let newest = lease.record.replica;
            let is_here = newest == 0 || own.is_some_and(|own| own.term == newest);
            match is_here {
                true => tracing::info!(
                    term = lease.record.term,
                    "leads with the store of this machine"
                ),
                false => restores(config, self.standby, newest, &self.clock).await?,
            }
            let own = StoreTerm {
                term: lease.record.term,
                process: lease.record.process.clone(),
            };
            own.write(&config.store.path)?;
            // A follower must look for this term's replica from now on.
            let serves = |record: &mut LeaseRecord| record.replica = record.term;
            while leading.keeper.renew(serves).await.is_err() {
                tokio::time::sleep(self.standby.ttl / 15).await;
            }
            Ok(())
        };
        match ready.await {
            Ok(()) => Ok(leading),
            Err(error) => {
                leading.ends().await;
                Err(error)
            }
        }
    }

    /// Waits until nobody leads, and takes the lease. Meanwhile the API's listener says who leads.
    async fn waits(&self) -> Result<Lease, AppError> {
        let (standing, told) = watch::channel("reading the lease".to_owned());
        let stop = CancellationToken::new();
        let _stops = stop.clone().drop_guard();
        let mut probes = None;
        let mut watch = LeaseWatch::default();
        let mut trouble = LastingFailure::default();
        loop {
            let found = self.tenant.look().await;
            let own = self.own.as_ref().map(|own| own.process.as_str());
            let own: Vec<&str> = own.into_iter().chain([self.tenant.process()]).collect();
            let stands = match &found {
                Err(why) => Err(why.clone()),
                Ok(found) => match watch.look(found.as_ref(), &own) {
                    Standing::Led(by) => Ok(by),
                    Standing::Free => {
                        let first = self.own.as_ref().map_or(1, |own| own.term + 1);
                        match self.tenant.take(found.as_ref(), first).await {
                            Ok(Some(lease)) => {
                                stop.cancel();
                                if let Some(probes) = probes {
                                    let _: Result<(), tokio::task::JoinError> = probes.await;
                                }
                                return Ok(lease);
                            }
                            Ok(None) => continue,
                            Err(why) => Err(why),
                        }
                    }
                },
            };
            let says = match stands {
                Ok(leader) => {
                    let _ = trouble.went(fence::since_boot(), None);
                    format!("{} stands by: {leader} leads", self.standby.holder)
                }
                Err(why) => {
                    if let Some(lasts) = trouble.went(fence::since_boot(), Some(&why)) {
                        tracing::warn!(
                            error = why,
                            "the lease cannot be read or taken{lasts}; trying again"
                        );
                    }
                    format!(
                        "{} stands by: the lease cannot be read ({why})",
                        self.standby.holder
                    )
                }
            };
            if *standing.borrow() != says {
                tracing::info!("{says}");
                standing.send_replace(says);
            }
            if probes.is_none() {
                probes = Some(self.answers_probes(told.clone(), stop.clone()).await?);
            }
            tokio::time::sleep(self.standby.ttl / 15).await;
        }
    }

    /// Answers `healthz` and `metrics`, and everything else with 503 and the leader's name; tells systemd.
    async fn answers_probes(
        &self,
        told: watch::Receiver<String>,
        stop: CancellationToken,
    ) -> Result<tokio::task::JoinHandle<()>, AppError> {
        let listener: TcpListener =
            super::bind("The API", "api.bind", self.config.api.bind).await?;
        let is_proxy = super::is_proxy(self.config);
        let router =
            http::standby_router(told.clone(), env!("CARGO_PKG_VERSION"), self.clock.clone());
        Ok(tokio::spawn(async move {
            let serves = http::serve(listener, router, is_proxy, stop.clone());
            let (served, ()) = tokio::join!(serves, systemd::stands_by(told, stop.clone()));
            if let Err(error) = served {
                tracing::error!(%error, "the API's listener failed");
            }
        }))
    }
}

impl Leading {
    /// For `status`.
    pub(super) fn status(&self) -> http::Leader {
        let keeper = Arc::clone(&self.keeper);
        Arc::new(move || keeper.status())
    }

    /// Starts the program that replicates the store, which is open now.
    pub fn replicates(&mut self, config: &Config) {
        let Some(standby) = &config.standby else {
            return;
        };
        if standby.replicate.is_empty() {
            return;
        }
        // Litestream's notes about what it has copied are about the place of another term.
        let notes = config.store.path.file_name().map(|name| {
            let name = format!(".{}-litestream", name.to_string_lossy());
            config.store.path.with_file_name(name)
        });
        if let Some(notes) = notes
            && let Err(error) = std::fs::remove_dir_all(&notes)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(path = %notes.display(), %error, "cannot be removed");
        }
        let words = Words {
            store: config.store.path.clone(),
            term: self.keeper.term,
            file: None,
        };
        let (command, stop) = (standby.replicate.clone(), CancellationToken::new());
        let (keeper, stopping) = (Arc::clone(&self.keeper), stop.clone());
        let ended = tokio::spawn(async move {
            while !stopping.is_cancelled() {
                let ended = match words.start(&command, Stdio::inherit()) {
                    Ok(child) => {
                        keeper.replication.send_replace(None);
                        runs(child, &stopping).await
                    }
                    Err(error) => error.to_string(),
                };
                if stopping.is_cancelled() {
                    return;
                }
                tracing::error!(why = ended, "standby.replicate ended; starting it again");
                keeper.replication.send_replace(Some(ended));
                slept(REPLICATE_AGAIN_AFTER, &stopping).await;
            }
        });
        self.replicating = Some(Replicating { stop, ended });
    }

    /// Copies the rest of the store, and gives the lease up, so that another daemon follows at once.
    pub async fn ends(self) {
        if let Some(replicating) = self.replicating {
            replicating.stop.cancel();
            let _: Result<(), tokio::task::JoinError> = replicating.ended.await;
        }
        self.renewing.cancel();
        match self.keeper.renew(|record| record.released = true).await {
            Ok(()) => tracing::info!("the lease is given up"),
            Err(_) => tracing::warn!(
                "the lease was not given up; another daemon leads when it has run out"
            ),
        }
    }
}

/// Waits for the end of a program, or ends it. Returns the reason of an end by itself.
async fn runs(mut child: Child, stopping: &CancellationToken) -> String {
    match stopping.run_until_cancelled(child.wait()).await {
        Some(Ok(status)) => return status.to_string(),
        Some(Err(error)) => return error.to_string(),
        None => {}
    }
    #[cfg(unix)]
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok())
        && let Some(pid) = rustix::process::Pid::from_raw(pid)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        if tokio::time::timeout(REPLICATED_WITHIN, child.wait())
            .await
            .is_ok()
        {
            return String::new();
        }
        tracing::warn!("standby.replicate did not end in time");
    }
    let _ = child.kill().await;
    String::new()
}

/// The words of a program of `[standby]`.
struct Words {
    store: PathBuf,
    term: u64,
    file: Option<PathBuf>,
}

impl Words {
    fn fill(&self, word: &str) -> OsString {
        let path = |path: &Path| path.display().to_string();
        let file = self.file.as_deref().map(path).unwrap_or_default();
        let word = word.replace("{store}", &path(&self.store));
        let word = word.replace("{term}", &self.term.to_string());
        word.replace("{file}", &file).into()
    }

    /// Starts the program, in the way of [`child`]: it ends when Ivan does.
    fn start(&self, command: &[String], out: Stdio) -> std::io::Result<Child> {
        // The file may have been replaced by a newer version.
        let this = match cfg!(target_os = "linux") {
            true => PathBuf::from("/proc/self/exe"),
            false => std::env::current_exe()?,
        };
        Command::new(this)
            .arg(AS_CHILD)
            .arg(std::process::id().to_string())
            .args(command.iter().map(|word| self.fill(word)))
            .env("IVAN_STORE", &self.store)
            .env("IVAN_TERM", self.term.to_string())
            .stdin(Stdio::null())
            .stdout(out)
            .kill_on_drop(true)
            .spawn()
    }
}

/// Becomes a program of `[standby]` if this process was started for it. The kernel ends it when Ivan ends: a program that
/// went on would write beside the next one's. `None`: it was started for something else.
pub fn child() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != AS_CHILD {
        return None;
    }
    let parent: Option<i32> = words.next().and_then(|pid| pid.to_str()?.parse().ok());
    let program = words.next()?;
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, getppid, set_parent_process_death_signal};
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
        if getppid().map(|pid| pid.as_raw_nonzero().get()) != parent {
            return Some(ExitCode::FAILURE);
        }
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        let error = std::process::Command::new(&program).args(words).exec();
        eprintln!("✗ {}: {error}", program.display());
    }
    #[cfg(not(unix))]
    drop((parent, program));
    Some(ExitCode::FAILURE)
}

/// Replaces the store by the newest replica: that of `newest`, or of a term before it that got no further.
async fn restores(
    config: &Config,
    standby: &StandbyConfig,
    newest: u64,
    clock: &Clock,
) -> Result<(), AppError> {
    let store = &config.store.path;
    let file = with_end(store, ".incoming");
    let oldest = newest.saturating_sub(TERMS_MAX).max(1);
    for term in (oldest..=newest).rev() {
        for end in ["", "-wal", "-shm", "-txid"] {
            let _ = std::fs::remove_file(with_end(&file, end));
        }
        let words = Words {
            store: store.clone(),
            term,
            file: Some(file.clone()),
        };
        let begun = tokio::time::Instant::now();
        let child = words.start(&standby.restore, Stdio::inherit());
        let mut child = child.map_err(|error| failed(format!("standby.restore: {error}")))?;
        let status = child.wait().await.map_err(failed)?;
        if !status.success() {
            return Err(failed(format!("standby.restore failed ({status})")));
        }
        if !file.is_file() {
            tracing::warn!(term, "this term has no replica; looking at the one before");
            continue;
        }
        let restored = restore(config, &file, clock)?;
        let _ = std::fs::remove_file(&file);
        // One former store is enough, or each change of the leader would leave another.
        if let Some(kept) = &restored.kept {
            let _ = std::fs::rename(kept, with_end(store, ".stood-down"));
        }
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            term,
            bytes = restored.copy.bytes,
            ms,
            "restored the newest replica"
        );
        return Ok(());
    }
    Err(failed(
        "no term has a replica, so the newest store is on the machine that led last: start Ivan there",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_program_are_filled_in() {
        let words = Words {
            store: "/var/lib/ivan/ivan.db".into(),
            term: 12,
            file: Some("/var/lib/ivan/ivan.db.incoming".into()),
        };
        assert_eq!(words.fill("-o"), "-o");
        assert_eq!(words.fill("{store}"), "/var/lib/ivan/ivan.db");
        assert_eq!(
            words.fill("s3://acme/{term}?to={file}"),
            "s3://acme/12?to=/var/lib/ivan/ivan.db.incoming"
        );
    }

    #[test]
    fn the_term_of_a_store_is_kept_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("ivan.db");
        assert_eq!(StoreTerm::read(&store).unwrap(), None);
        let own = StoreTerm {
            term: 3,
            process: "one".to_owned(),
        };
        own.write(&store).unwrap();
        assert_eq!(StoreTerm::read(&store).unwrap(), Some(own));
        // Cut off by a power loss.
        std::fs::write(StoreTerm::file(&store), "{\"term\": 3").unwrap();
        assert_eq!(StoreTerm::read(&store).unwrap(), None);
    }
}
