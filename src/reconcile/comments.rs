//! Finds comments without a webhook: polls them and applies those that are new.
//!
//! GitHub lists a repository's comments by their last change; they are read after each walk from where the last poll
//! stopped. ClickUp lists comments per task, and a comment may not change the task (docs/contracts/clickup.md#polling). So Ivan
//! requests them for tasks with people to notify, a few at a time, to leave most of the rate limit to people. Edits and
//! comments from before Ivan's start cause no notice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::event::ActivityKind;
use crate::domain::operation::WriteError;
use crate::domain::reason::for_operators;
use crate::domain::source::{CommentsOf, Container, Listing, SourceComment};
use crate::domain::task::{Task, TaskKey};
use crate::ingest::{self, ReportOrigin};
use crate::limits::Limit;
use crate::linking;
use crate::store::comments::{self, CommentProgress, CommentedTask};
use crate::store::tasks;

use super::{ASKED_FOR, Inner, Mirrored, OVERLAP, in_words};

/// Pages of a container's comments per poll: five thousand comments. The next poll continues there.
const PAGES: usize = 50;
/// Pages of one task's comments: a thousand since the last time.
const TASK_PAGES: usize = 40;
/// Tasks whose comments are requested together: a fifth of the smallest rate limit (docs/contracts/clickup.md#polling).
const AT_ONCE: usize = 20;
/// The delay before the next of them.
const GO_ON_AFTER: Duration = Duration::from_secs(60);
/// Tasks whose comments are requested per poll.
const ROUND: usize = 100;
/// The age from which comments cause no notice, even after a long outage. Known comments are stored for longer
/// (`store::prune`).
const OLD_NEWS: chrono::Duration = chrono::Duration::days(14);

/// Tasks of one poll whose comments are still to be requested.
#[derive(Debug, Default)]
pub(super) struct CommentRound {
    begun: DateTime<Utc>,
    left: usize,
}

impl CommentRound {
    pub(super) fn begin(&mut self, now: DateTime<Utc>) {
        *self = CommentRound {
            begun: now,
            left: ROUND,
        };
    }
}

impl Mirrored {
    /// Resolves when an unfinished round continues.
    pub(super) async fn goes_on(&self) {
        self.unasked.notified().await;
        tokio::time::sleep(GO_ON_AFTER).await;
    }
}

impl Inner {
    /// Runs after a walk through a container that began at `begun`. Reads its new comments if they can be listed
    /// together; otherwise adds its new tasks to those whose comments are requested.
    pub(super) async fn comments(
        &self,
        mirrored: &Mirrored,
        container: &Container,
        begun: DateTime<Utc>,
    ) -> Result<(), String> {
        let here = container.clone();
        match mirrored.mirror.reader.comments_are_listed() {
            Listing::ByTask => self
                .store
                .write(move |tx| comments::follow(tx, &here, begun, OVERLAP))
                .await
                .map_err(in_words),
            Listing::ByContainer => {
                let place = self
                    .store
                    .read(move |connection| comments::place(connection, &here))
                    .await
                    .map_err(in_words)?;
                match place {
                    Some(place) => self.changed_comments(mirrored, container, place).await,
                    None => self.first_comments(mirrored, container).await,
                }
            }
        }
    }

    /// Finds the starting point: existing comments cause no notice.
    async fn first_comments(
        &self,
        mirrored: &Mirrored,
        container: &Container,
    ) -> Result<(), String> {
        self.turn(mirrored, false).await?;
        let reader = &mirrored.mirror.reader;
        let listed = reader
            .comments(CommentsOf::Container(container), None, None)
            .await;
        let listed = listed.map_err(|error| error.why().to_owned())?;
        let newest = listed.newest.unwrap_or_default();
        let (here, now) = (container.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                // Other comments of the same second may follow.
                for comment in listed.comments {
                    if let ActivityKind::Commented { id, .. } = &comment.act.what
                        && comment.act.at >= newest
                    {
                        comments::hear(tx, here.source, id, now)?;
                    }
                }
                let place = CommentProgress {
                    read: newest,
                    news: newest,
                };
                comments::move_place(tx, &here, place)
            })
            .await
            .map_err(in_words)
    }

    async fn changed_comments(
        &self,
        mirrored: &Mirrored,
        container: &Container,
        place: CommentProgress,
    ) -> Result<(), String> {
        let reader = &mirrored.mirror.reader;
        // A repository without comments has no newest one.
        let since = (place.read - OVERLAP).max(DateTime::UNIX_EPOCH);
        let mut read = place.read;
        let mut page: Option<String> = None;
        for _ in 0..PAGES {
            self.turn(mirrored, false).await?;
            let listed = reader
                .comments(
                    CommentsOf::Container(container),
                    Some(since),
                    page.as_deref(),
                )
                .await
                .map_err(|error| error.why().to_owned())?;
            self.hear(mirrored, listed.comments, place.news).await?;
            read = listed.newest.map_or(read, |newest| newest.max(read));
            page = listed.next;
            let is_all = page.is_none();
            let (here, to) = (
                container.clone(),
                CommentProgress {
                    read,
                    // A comment that was written earlier and edited since may be on a later page.
                    news: match is_all {
                        true => read - OVERLAP,
                        false => place.news,
                    },
                },
            );
            self.store
                .write(move |tx| comments::move_place(tx, &here, to))
                .await
                .map_err(in_words)?;
            if is_all {
                reader.listened(container);
                return Ok(());
            }
        }
        Limit::Pages.reached(format_args!(
            "{} has more than {PAGES} pages of new comments; the next poll goes on",
            container.name
        ));
        Ok(())
    }

    /// Requests the comments of the next tasks of a round, if comments are listed per task. [`Mirrored::goes_on`]
    /// continues the rest.
    pub(super) async fn conversations(
        &self,
        mirrored: &Mirrored,
        round: &mut CommentRound,
    ) -> Result<(), String> {
        let reader = &mirrored.mirror.reader;
        if reader.comments_are_listed() != Listing::ByTask {
            return Ok(());
        }
        let (source, begun, lately) = (reader.source(), round.begun, self.clock.now() - OLD_NEWS);
        let due = self
            .store
            .read(move |connection| comments::due(connection, source, begun, lately, AT_ONCE + 1))
            .await
            .map_err(in_words)?;
        let mut is_more = due.len() > AT_ONCE;
        for conversation in due.iter().take(AT_ONCE.min(round.left)) {
            if let Err(rests) = self.turn(mirrored, false).await {
                tracing::debug!(%source, error = for_operators(&rests), "comments are waiting");
                is_more = true;
                break;
            }
            round.left -= 1;
            self.conversation(mirrored, conversation).await?;
        }
        if is_more && round.left > 0 {
            mirrored.unasked.notify_one();
        }
        Ok(())
    }

    async fn conversation(
        &self,
        mirrored: &Mirrored,
        conversation: &CommentedTask,
    ) -> Result<(), String> {
        let mut found = Vec::new();
        let mut newest: Option<DateTime<Utc>> = None;
        let mut page: Option<String> = None;
        for number in 0..TASK_PAGES {
            if number > 0 {
                self.turn(mirrored, false).await?;
            }
            let reader = &mirrored.mirror.reader;
            let (of, since) = (CommentsOf::Task(&conversation.key), Some(conversation.news));
            match reader.comments(of, since, page.as_deref()).await {
                Ok(listed) => {
                    newest = newest.max(listed.newest);
                    found.extend(listed.comments);
                    page = listed.next;
                }
                // Gone or hidden: walks find out which.
                Err(WriteError::Refused { why, .. }) => {
                    tracing::debug!(
                        task = conversation.key.as_str(),
                        error = for_operators(&why),
                        "comments not read"
                    );
                    page = None;
                }
                Err(error) => return Err(error.why().to_owned()),
            }
            if page.is_none() {
                break;
            }
        }
        if page.is_some() {
            Limit::Pages.reached(format_args!("task {} has more than {TASK_PAGES} pages of new comments; no notices for the oldest", conversation.key.as_str()));
        }
        found.reverse();
        self.hear(mirrored, found, conversation.news).await?;
        let (conversation, now) = (conversation.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                let news = newest.map_or(conversation.news, |newest| newest - OVERLAP);
                comments::asked(tx, &conversation, news, now)
            })
            .await
            .map_err(in_words)
    }

    /// Applies comments, oldest first; those from `news` on cause notices. A missing task is read before.
    async fn hear(
        &self,
        mirrored: &Mirrored,
        found: Vec<SourceComment>,
        news: DateTime<Utc>,
    ) -> Result<(), String> {
        let now = self.clock.now();
        let news = news.max(now - OLD_NEWS);
        let (fresh, old): (Vec<SourceComment>, Vec<SourceComment>) = found
            .into_iter()
            .partition(|comment| comment.act.at >= news);
        let keys: BTreeSet<TaskKey> = fresh.iter().map(|comment| comment.task.clone()).collect();
        let unknown = self
            .store
            .read(move |connection| {
                let mut unknown = Vec::new();
                for key in keys {
                    if tasks::by_key(connection, &key)?.is_none() {
                        unknown.push(key);
                    }
                }
                Ok(unknown)
            })
            .await
            .map_err(in_words)?;
        let mut read: BTreeMap<TaskKey, (DateTime<Utc>, Task)> = BTreeMap::new();
        for key in unknown.into_iter().take(ASKED_FOR) {
            self.turn(mirrored, false).await?;
            let asked_at = self.clock.now();
            match mirrored.mirror.writer.read(&key).await {
                Ok(task) => drop(read.insert(key, (asked_at, task))),
                // Its comments cause no notices here.
                Err(WriteError::Refused { .. }) => {}
                Err(error) => return Err(error.why().to_owned()),
            }
        }
        self.store
            .write(move |tx| {
                for comment in old {
                    comments::commented_on(tx, &comment.task, comment.act.at)?;
                }
                for SourceComment {
                    task: key,
                    act,
                    edited,
                } in fresh
                {
                    if !edited {
                        linking::commented(tx, key.source(), &act, now)?;
                    }
                    match read.remove(&key) {
                        Some((asked_at, task)) => {
                            ingest::seen(tx, &task, ReportOrigin::Asked(asked_at), vec![act], now)?;
                        }
                        None => ingest::commented(tx, &key, act, now)?,
                    }
                }
                Ok(())
            })
            .await
            .map_err(in_words)
    }
}
