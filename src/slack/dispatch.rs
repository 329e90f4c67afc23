//! Processes received messages: each stored message → its author → the mailbox.
//!
//! Each person's messages are processed one at a time, in order; people do not wait for each other. A message stays
//! stored until the mailbox has processed it, so any failure is retried, after a restart too.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::attached::shared_file;
use super::filter::BotIdentity;
use super::membership::{hidden, member};
use super::restored::{ReadDms, was_answered};
use super::web::{Web, WebError};
use super::{SlackError, Timings, millis, panicked, thread, wait_after};
use crate::domain::form::SubmittedForm;
use crate::domain::mention::{self, QUIET_AT};
use crate::domain::person::{Membership, NotAllowed, SlackMember};
use crate::domain::reply::Text;
use crate::domain::set_aside::Work;
use crate::limits::{Limit, ReasonThrottle};
use crate::mailbox::{
    Admission, Admitted, Attachments, Gesture, Inbound, Mailbox, StoreError, WaitingMessage,
    WorkAttempt,
};
use crate::runtime::{Backoff, CancellationToken, lock, slept};

/// How many people's messages are processed at once; the others wait.
const PEOPLE_AT_ONCE: usize = 32;
/// How many further messages are read at once, so that a crowd of them is not read again for each.
const READ_AHEAD: usize = 64;
/// How many people are looked up for the text of one message, and for all that is forwarded with it.
const MENTIONS_MAX: usize = 10;
/// How long a command waits for the names of people in the thread that it takes over, or in what is forwarded with it.
const NAMES_WITHIN: Duration = Duration::from_secs(5);
/// How long a message waits for the links to its files.
const FILES_WITHIN: Duration = Duration::from_secs(5);
/// How many people are looked up at once before their messages are processed.
const LOOKS_AHEAD: usize = 8;
/// How many people are cached.
const MEMBERS_MAX: usize = 10_000;
/// The minimum time between two log lines about one person's uncertain account.
const SAY_DOUBTS_EVERY: Duration = Duration::from_secs(3_600);

/// While Slack identifies nobody, each attempt for each person would be a log line.
static NOT_IDENTIFIED: ReasonThrottle = ReasonThrottle::new();

/// A cache of people's accounts from `users.info`. Entries older than `keep_for` are never used.
pub struct Members {
    keep_for: Duration,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    members: HashMap<String, (SlackMember, Instant)>,
    /// When the log last reported a person's account as uncertain.
    doubts: HashMap<String, Instant>,
    /// Counts changes of people: an earlier look-up may return data from before the change.
    changes: u64,
    /// The people who are looked up ahead now. Each channel closes when that ends.
    ahead: HashMap<String, watch::Receiver<()>>,
}

impl Members {
    pub fn new(keep_for: Duration) -> Members {
        Members {
            keep_for,
            known: Mutex::default(),
        }
    }

    /// The name of a person who was looked up lately.
    pub fn name_of(&self, id: &str) -> Option<String> {
        self.fresh(id).map(|member| member.name)
    }

    /// A person's account, if it was looked up lately.
    pub fn fresh(&self, id: &str) -> Option<SlackMember> {
        self.get(id, Instant::now())
    }

    /// Removes a person who changed in Slack, so that they are looked up again. Without an id, removes all.
    pub fn forget(&self, id: Option<&str>) {
        let mut known = self.known();
        known.changes += 1;
        match id {
            Some(id) => drop(known.members.remove(id)),
            None => known.members.clear(),
        }
    }

    /// Looks up the author of a message that is about to be stored: Slack answers while the store commits.
    pub fn look_ahead(self: &Arc<Self>, web: &Web, id: &str) {
        if self.fresh(id).is_some() {
            return;
        }
        let (looking, ends) = watch::channel(());
        let mut known = self.known();
        if known.ahead.len() >= LOOKS_AHEAD || known.ahead.contains_key(id) {
            return;
        }
        known.ahead.insert(id.to_owned(), ends);
        drop(known);
        let (members, web, id) = (Arc::clone(self), web.clone(), id.to_owned());
        tokio::spawn(async move {
            if let Err(error) = member_now(&web, &members, &id).await {
                tracing::debug!(person = id, %error, "cannot look up the sender ahead");
            }
            members.known().ahead.remove(&id);
            drop(looking);
        });
    }

    /// Waits for the look-up ahead of a person, if there is one.
    async fn looked_ahead(&self, id: &str) {
        let ahead = self.known().ahead.get(id).cloned();
        if let Some(mut ends) = ahead {
            // It sends nothing, and closes.
            let _ = ends.changed().await;
        }
    }

    fn get(&self, id: &str, now: Instant) -> Option<SlackMember> {
        let known = self.known();
        let (member, since) = known.members.get(id)?;
        (now.duration_since(*since) < self.keep_for).then(|| member.clone())
    }

    fn changes(&self) -> u64 {
        self.known().changes
    }

    /// Caches the answer to a look-up that began after this many `changes`, unless a person has changed since.
    fn learn(&self, member: SlackMember, changes: u64, now: Instant) {
        let mut known = self.known();
        if known.changes != changes {
            return;
        }
        if known.members.len() >= MEMBERS_MAX {
            Limit::Members.reached(format_args!(
                "{MEMBERS_MAX} people are cached; those seen least recently are dropped"
            ));
            let fresh = |since: &Instant| now.duration_since(*since) < self.keep_for;
            known.members.retain(|_, (_, since)| fresh(since));
        }
        if known.members.len() >= MEMBERS_MAX {
            known.members.clear();
        }
        known.members.insert(member.id.clone(), (member, now));
    }

    /// Whether the log should report again that a person's account is uncertain.
    fn doubts(&self, id: &str, now: Instant) -> bool {
        let mut known = self.known();
        let is_recent = |said: &Instant| now.duration_since(*said) < SAY_DOUBTS_EVERY;
        if known.doubts.get(id).is_some_and(is_recent) {
            return false;
        }
        if known.doubts.len() >= MEMBERS_MAX {
            known.doubts.retain(|_, said| is_recent(said));
        }
        if known.doubts.len() < MEMBERS_MAX {
            known.doubts.insert(id.to_owned(), now);
        }
        true
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

/// Processes stored messages until told to stop; then finishes those under way.
///
/// # Errors
/// A panic while a message was processed.
pub async fn run(
    inbound: Arc<dyn Inbound>,
    mailbox: Mailbox,
    web: Web,
    members: Arc<Members>,
    own: BotIdentity,
    timings: Arc<Timings>,
    shutdown: CancellationToken,
) -> Result<(), SlackError> {
    let dispatcher = Arc::new(Dispatcher {
        inbound,
        mailbox,
        web,
        members,
        own,
        timings,
        looks: ReadDms::default(),
    });
    let mut backoff = Backoff::new(dispatcher.timings.retry_first, dispatcher.timings.retry_max);
    let mut busy: HashSet<String> = HashSet::new();
    let mut acting: JoinSet<String> = JoinSet::new();
    // The first message of each person, in order, that was read and not begun yet.
    let mut ready: VecDeque<WaitingMessage> = VecDeque::new();
    // Whether the store may have messages that were not read.
    let mut is_stale = true;
    // People under way of whom further messages wait.
    let mut again: HashSet<String> = HashSet::new();
    loop {
        let room = PEOPLE_AT_ONCE - acting.len();
        // Messages from before the start are among them. People under way may come first.
        let at_most = acting.len() + room + READ_AHEAD;
        let read = match room > 0 && ready.is_empty() && is_stale {
            true => dispatcher.inbound.waiting(at_most).await.map(Some),
            false => Ok(None),
        };
        match read {
            Ok(read) => {
                backoff.reset();
                if let Some(read) = read {
                    is_stale = read.len() >= at_most;
                    // The next message of a person is read when their last one has ended.
                    let (later, now): (Vec<_>, Vec<_>) = read
                        .into_iter()
                        .partition(|next| busy.contains(&next.heard.user));
                    again.extend(later.into_iter().map(|next| next.heard.user));
                    ready.extend(now);
                }
                while let Some(next) = ready.pop_front() {
                    if acting.len() >= PEOPLE_AT_ONCE {
                        Limit::PeopleAtOnce.reached(format_args!(
                            "messages of {PEOPLE_AT_ONCE} people are being processed; the next wait"
                        ));
                        ready.push_front(next);
                        break;
                    }
                    busy.insert(next.heard.user.clone());
                    if next.more {
                        again.insert(next.heard.user.clone());
                    }
                    acting.spawn(Arc::clone(&dispatcher).act(next, shutdown.clone()));
                }
            }
            Err(trouble) => {
                let wait = backoff.next();
                tracing::error!(wait_ms = millis(wait), error = %trouble, "cannot read incoming messages");
                if !slept(wait, &shutdown).await {
                    break;
                }
                continue;
            }
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(acted) = acting.join_next() => {
                let user = acted.map_err(|error| panicked("listen", error))?;
                busy.remove(&user);
                is_stale |= again.remove(&user);
            }
            () = dispatcher.inbound.something_heard() => is_stale = true,
        }
    }
    while let Some(acted) = acting.join_next().await {
        acted.map_err(|error| panicked("listen", error))?;
    }
    Ok(())
}

/// The reason why an attempt at a message failed.
enum NotActedOn {
    Store(StoreError),
    /// Slack does not return its sender.
    Unknown(WebError),
}

struct Dispatcher {
    inbound: Arc<dyn Inbound>,
    mailbox: Mailbox,
    web: Web,
    members: Arc<Members>,
    own: BotIdentity,
    timings: Arc<Timings>,
    looks: ReadDms,
}

impl Dispatcher {
    /// Has the mailbox process one message, with as many attempts as it takes; returns its author's id.
    async fn act(self: Arc<Self>, mut next: WaitingMessage, shutdown: CancellationToken) -> String {
        let mut backoff = Backoff::new(self.timings.retry_first, self.timings.retry_max);
        loop {
            let work = Work::Message(next.id);
            let tried = tokio::select! {
                biased;
                () = shutdown.cancelled() => return next.heard.user,
                begun = self.mailbox.attempts().begin(&work) => match begun {
                    Ok(begun) => self.try_once(&mut next, begun, &shutdown).await,
                    Err(trouble) => Some(Err(NotActedOn::Store(trouble))),
                },
            };
            let Some(tried) = tried else {
                return next.heard.user;
            };
            let wait = match tried {
                Ok(()) => return next.heard.user,
                Err(NotActedOn::Store(trouble)) => {
                    let wait = backoff.next();
                    tracing::error!(wait_ms = millis(wait), error = %trouble, "cannot process a message yet");
                    // The store itself signals when it accepts writes again.
                    if self
                        .mailbox
                        .attempts()
                        .until_the_store_is_well()
                        .now_or_never()
                        .is_none()
                    {
                        backoff.reset();
                        let well = self.mailbox.attempts().until_the_store_is_well();
                        if shutdown.run_until_cancelled(well).await.is_none() {
                            return next.heard.user;
                        }
                        continue;
                    }
                    wait
                }
                Err(NotActedOn::Unknown(error)) => {
                    let wait = wait_after(&error, &mut backoff, &self.timings);
                    match NOT_IDENTIFIED.pass(&error.to_string(), Instant::now()) {
                        Some(suppressed) => {
                            tracing::warn!(wait_ms = millis(wait), person = next.heard.user, suppressed, %error, "message waits until Slack identifies its sender");
                        }
                        None => {
                            tracing::debug!(wait_ms = millis(wait), person = next.heard.user, %error, "message waits until Slack identifies its sender");
                        }
                    }
                    wait
                }
            };
            if !slept(wait, &shutdown).await {
                return next.heard.user;
            }
        }
    }

    /// One attempt, and the mark that it is over; `None` if the daemon was told to stop first.
    async fn try_once(
        &self,
        next: &mut WaitingMessage,
        begun: WorkAttempt,
        shutdown: &CancellationToken,
    ) -> Option<Result<(), NotActedOn>> {
        let asked = self.member(&next.heard.user);
        let acted = match shutdown.run_until_cancelled(asked).await? {
            Ok(member) => {
                next.names = self.names(&next.heard.text).await;
                self.complete(&mut next.heard.gesture).await;
                if self.mailbox.may_act(&member, &self.own.team).is_ok() {
                    let names = self.name_in_pieces(&mut next.heard.attached.pieces);
                    shutdown.run_until_cancelled(names).await?;
                    let finds = self.find_files(&mut next.heard.attached);
                    shutdown.run_until_cancelled(finds).await?;
                }
                let looks = (self.looks).look(&self.web, &self.mailbox, &self.timings, next);
                shutdown.run_until_cancelled(looks).await?;
                let answered = was_answered(&self.web, &self.mailbox, &self.timings, next);
                let acted = match shutdown.run_until_cancelled(answered).await? {
                    true => self.mailbox.was_answered(next).await,
                    false => {
                        let reads = self.thread_of(next, &member);
                        next.thread = shutdown.run_until_cancelled(reads).await?;
                        self.inbound.act(next, &member, &self.own.team).await
                    }
                };
                acted.map_err(NotActedOn::Store)
            }
            Err(error) => Err(NotActedOn::Unknown(error)),
        };
        self.mailbox.attempts().is_over(begun, acted.is_ok()).await;
        Some(acted)
    }

    /// The text of the thread in which a person creates a task, or why it is missing; `None` if it is not wanted.
    async fn thread_of(
        &self,
        next: &WaitingMessage,
        member: &SlackMember,
    ) -> Option<Result<String, Text>> {
        let root = thread::wanted(&next.heard)?;
        if next.doubted || self.mailbox.may_act(member, &self.own.team).is_err() {
            return None;
        }
        let text = match thread::read(&self.web, &self.own, &next.heard, root).await? {
            Ok(text) => text,
            Err(why) => return Some(Err(why)),
        };
        let until = Instant::now() + NAMES_WITHIN;
        let mut names = BTreeMap::new();
        for id in text.people() {
            if let Ok(Ok(member)) = timeout_at(until, self.member(&id)).await {
                names.insert(id, member.name);
            }
        }
        Some(Ok(text.written(&names)))
    }

    /// The display names of mentioned people whom the mailbox does not have. A name that is not available now is left out:
    /// nothing waits for it.
    async fn names(&self, text: &str) -> Vec<(String, String)> {
        let ids = mention::mentioned(text);
        if ids.is_empty() {
            return Vec::new();
        }
        let known = self.mailbox.known_in_slack().await.unwrap_or_default();
        let strangers = ids
            .into_iter()
            .filter(|id| !known.iter().any(|one| one == id));
        let mut names = Vec::new();
        for id in strangers.take(MENTIONS_MAX) {
            if let Ok(member) = self.member(id).await
                && member.name != id
            {
                names.push((id.to_owned(), member.name));
            }
        }
        names
    }

    /// Puts in the names of people mentioned in another person's words, which notify no one.
    async fn name_quietly(&self, text: &mut String) {
        let loud = text.replace(QUIET_AT, "@");
        let mut ids = mention::mentioned(&loud);
        ids.truncate(MENTIONS_MAX);
        // A longer id may begin like a shorter one.
        ids.sort_by_key(|id| std::cmp::Reverse(id.len()));
        for id in ids {
            if let Ok(member) = self.member(id).await {
                *text = text.replace(
                    &format!("{QUIET_AT}{id}"),
                    &format!("{QUIET_AT}{}", mention::plain(&member.name, id)),
                );
            }
        }
    }

    /// Puts in the names of people mentioned in forwarded messages: of some people in all of them together, within a
    /// limited time, and until Slack limits the rate. The others stay ids.
    async fn name_in_pieces(&self, pieces: &mut [String]) {
        let loud: Vec<String> = pieces
            .iter()
            .map(|piece| piece.replace(QUIET_AT, "@"))
            .collect();
        let mut ids: Vec<&str> = Vec::new();
        for id in loud.iter().flat_map(|piece| mention::mentioned(piece)) {
            if ids.len() < MENTIONS_MAX && !ids.contains(&id) {
                ids.push(id);
            }
        }
        let until = Instant::now() + NAMES_WITHIN;
        let mut names: Vec<(&str, String)> = Vec::new();
        for id in ids {
            match timeout_at(until, self.member(id)).await {
                Ok(Ok(member)) => names.push((id, mention::plain(&member.name, id))),
                Err(_) | Ok(Err(WebError::Limited { .. })) => break,
                Ok(Err(error)) => {
                    tracing::debug!(person = id, %error, "cannot look up a mentioned person");
                }
            }
        }
        // A longer id may begin like a shorter one.
        names.sort_by_key(|(id, _)| std::cmp::Reverse(id.len()));
        for piece in pieces {
            for (id, name) in &names {
                *piece = piece.replace(&format!("{QUIET_AT}{id}"), &format!("{QUIET_AT}{name}"));
            }
        }
    }

    /// Asks Slack for the links that a message does not have: to files of another workspace, and to all files if the app
    /// lacks the scope. A link that is not available soon is left out.
    async fn find_files(&self, attached: &mut Attachments) {
        let until = Instant::now() + FILES_WITHIN;
        let unknown = attached.shared.iter_mut().filter(|file| file.url.is_none());
        for file in unknown {
            let found = match timeout_at(until, self.web.file(&file.id)).await {
                Ok(Ok(found)) => shared_file(&found),
                Ok(Err(error)) => {
                    tracing::info!(file = file.id, %error, "Slack does not describe a file; its link is left out");
                    attached.lacks_scope |= error.lacks_scope();
                    None
                }
                Err(_) => return,
            };
            if let Some(found) = found {
                for name in &mut attached.files {
                    if *name == file.name {
                        name.clone_from(&found.name);
                    }
                }
                *file = found;
            }
            if attached.lacks_scope {
                return;
            }
        }
    }

    /// A person's account; an error is a temporary one.
    async fn member(&self, id: &str) -> Result<SlackMember, WebError> {
        member_of(&self.web, &self.members, id).await
    }

    /// Adds the author, the names and the permalink of the message that a task is made from, as far as Slack returns
    /// them now: nothing waits for them.
    async fn complete(&self, gesture: &mut Gesture) {
        let Gesture::Submitted {
            filled:
                SubmittedForm::Create {
                    create,
                    from: Some(origin),
                    ..
                },
            ..
        } = gesture
        else {
            return;
        };
        let texts = [Some(&mut create.title), create.description.as_mut()];
        for text in texts.into_iter().flatten() {
            self.name_quietly(text).await;
        }
        if let Some(user) = &origin.user
            && let Ok(member) = self.member(user).await
        {
            origin.author = Some(member.name);
        }
        match self.web.permalink(&origin.channel, &origin.ts).await {
            Ok(link) => origin.link = Some(link),
            Err(error) => {
                tracing::info!(%error, "Slack does not give a message's link; using the usual form");
            }
        }
    }
}

/// Whether members may act now, for their own tokens of the API.
pub struct MemberLookup {
    pub web: Web,
    pub members: Arc<Members>,
    pub team: String,
    pub mailbox: Mailbox,
}

#[async_trait::async_trait]
impl Admission for MemberLookup {
    async fn may_act(&self, slack: &str) -> Admitted {
        match member_of(&self.web, &self.members, slack).await {
            Ok(member) => match self.mailbox.may_act(&member, &self.team) {
                Ok(()) => Admitted::Yes,
                Err(NotAllowed::NotCertain) => Admitted::Uncertain,
                Err(_) => Admitted::No,
            },
            Err(error) => {
                tracing::debug!(person = slack, %error, "cannot look up the holder of an API token");
                Admitted::NoAnswer
            }
        }
    }
}

/// A person's account, from the cache or from Slack; an error is a temporary one.
pub async fn member_of(web: &Web, members: &Members, id: &str) -> Result<SlackMember, WebError> {
    members.looked_ahead(id).await;
    match members.fresh(id) {
        Some(member) => Ok(member),
        None => member_now(web, members, id).await,
    }
}

/// A person's account from Slack; an error is a temporary one. An uncertain account is not cached, so that the next
/// message looks it up again.
pub async fn member_now(web: &Web, members: &Members, id: &str) -> Result<SlackMember, WebError> {
    let changes = members.changes();
    let member = match web.user(id).await {
        Ok(user) => member(id, &user),
        // An account that Slack does not show may not act, and its owner is told so.
        Err(error @ WebError::Refused { .. }) => {
            tracing::warn!(person = id, %error, "Slack does not know the sender");
            hidden(id)
        }
        Err(error) => return Err(error),
    };
    match &member.standing {
        Membership::Uncertain(why) if members.doubts(id, Instant::now()) => {
            tracing::warn!(
                person = id,
                error = why,
                "users.info is incomplete, so this person may not give commands"
            );
        }
        Membership::Uncertain(_) => {}
        _ => members.learn(member.clone(), changes, Instant::now()),
    }
    Ok(member)
}

#[cfg(test)]
mod tests;
