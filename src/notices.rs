//! Sends notices about activities on a task to the people concerned.
//!
//! [`ingest`](crate::ingest) reports activities in a source, [`completion`](crate::completion) those of colleagues through Ivan.
//! The latter come back from the source as our own write and would cause no notice. Their actor already has a reply.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;

use crate::domain::event::{Activity, ActivityKind, TaskField};
use crate::domain::mention_text::{self, MentionText};
use crate::domain::person::{Person, PersonId};
use crate::domain::profile::HandleKind;
use crate::domain::reply;
use crate::domain::task::{Account, Source};
use crate::store::messages::{Conversation, MessageDraft};
use crate::store::tasks::StoredTask;
use crate::store::{DbResult, Tx, Wake, access, messages, people, schedules};

/// Notices about one task within this time share one message.
const ONE_MESSAGE_WITHIN: Duration = Duration::minutes(5);

/// All notices within this time share one message, after the first few.
const TOGETHER_WITHIN: Duration = Duration::minutes(1);

/// Notifies the people concerned: assignees, people with it as their current task, its requester, and people mentioned
/// in a comment. Skips `except`, who is informed otherwise.
pub fn tell(
    tx: &Tx<'_>,
    before: Option<&StoredTask>,
    after: &StoredTask,
    news: &[Activity],
    except: Option<PersonId>,
    now: DateTime<Utc>,
) -> DbResult<()> {
    if news.is_empty() {
        return Ok(());
    }
    let source = after.task.key.source();
    let (pinned, creator) = people::pinned_and_requested_by(tx, after.row, &after.task.key)?;
    let followers = followers(tx, after, news)?;
    let ids: Vec<PersonId> = pinned
        .iter()
        .chain(&followers)
        .copied()
        .chain(creator)
        .collect();
    let concerned = perhaps_concerned(tx, before, after, news, &ids)?;
    for person in concerned.iter() {
        let is_current = pinned.contains(&person.id);
        let concerned = is_current
            || creator == Some(person.id)
            || person.is_concerned(&after.task)
            || before.is_some_and(|before| person.is_concerned(&before.task));
        for act in news {
            if let ActivityKind::Commented { text, .. } = &act.what
                && is_mentioned(person, source, text)
            {
                access::mentioned(tx, after.row, person.id)?;
            }
        }
        if except == Some(person.id) {
            continue;
        }
        // A person who was unassigned just now learns that.
        let may = access::may_name(tx, person, after)?
            || before.is_some_and(|before| person.is_concerned(&before.task));
        if !may {
            continue;
        }
        let follows = followers.contains(&person.id);
        let theirs: Vec<&Activity> = news
            .iter()
            .filter(|act| concerned || is_about(person, source, act) || follows && is_comment(act))
            .filter(|act| is_news_to(person, source, act))
            .collect();
        if theirs.is_empty() {
            continue;
        }
        let Some(channel) = people::told_in(tx, person.id)? else {
            continue;
        };
        let chosen = schedules::of(tx, person.id)?;
        let is_quiet = chosen.quiet.and_then(|quiet| quiet.ends(now, person.zone));
        for act in theirs {
            let words = reply::notice(&after.task, act, is_current, person.zone);
            // Anyone may mention people in a public repository, in as many issues as they like.
            let waits = !concerned && !follows && act.by.as_ref().is_some_and(|by| by.outside);
            if is_quiet.is_some() || waits {
                let until = waits.then(|| schedules::digest_at(tx, person.id, now));
                let until = until.transpose()?;
                schedules::hold(tx, person.id, Some(after.row), &words, now, until)?;
                tx.wake(Wake::Rhythms);
                continue;
            }
            let thread = match act.what {
                // A notice about a comment continues in the thread about the task.
                ActivityKind::Commented { .. } => messages::thread_about(tx, &channel, after.row)?,
                _ => None,
            };
            let draft = MessageDraft {
                channel: channel.clone(),
                thread,
                person: Some(person.id),
                about: Some(after.row),
                words: Some(words),
                ..MessageDraft::default()
            };
            let uid = ulid::Ulid::from_datetime(now.into()).to_string();
            let within = (ONE_MESSAGE_WITHIN, TOGETHER_WITHIN);
            messages::notify(tx, &draft, &uid, now, within)?;
            tx.wake(Wake::Messages);
        }
    }
    Ok(())
}

/// Posts comments in the channel threads that people attached to their task, but not in the threads that they were
/// written in. Those who attached a thread in their DM get them as notices.
pub fn tell_threads(
    tx: &Tx<'_>,
    task: &StoredTask,
    news: &[Activity],
    written_in: &[Conversation],
    now: DateTime<Utc>,
) -> DbResult<()> {
    let by_a_person = |act: &&Activity| {
        let is_bot = act.by.as_ref().is_some_and(|by| by.bot && !by.us);
        is_comment(act) && !is_bot
    };
    let comments: Vec<&Activity> = news.iter().filter(by_a_person).collect();
    if comments.is_empty() {
        return Ok(());
    }
    for thread in messages::attached_to(tx, task.row)? {
        if thread.is_direct() || written_in.contains(&thread.place) {
            continue;
        }
        // The channel sees as much as the person who attached it may see.
        let person = people::by_id(tx, thread.person)?;
        if !access::may_name(tx, &person, task)? {
            continue;
        }
        for act in &comments {
            let draft = MessageDraft {
                channel: thread.place.channel.clone(),
                thread: thread.place.thread.clone(),
                about: Some(task.row),
                words: Some(reply::notice(&task.task, act, false, Tz::UTC)),
                ..MessageDraft::default()
            };
            let uid = ulid::Ulid::from_datetime(now.into()).to_string();
            let within = (ONE_MESSAGE_WITHIN, TOGETHER_WITHIN);
            messages::notify(tx, &draft, &uid, now, within)?;
            tx.wake(Wake::Messages);
        }
    }
    Ok(())
}

fn is_comment(act: &Activity) -> bool {
    matches!(act.what, ActivityKind::Commented { .. })
}

/// The people who attached a thread of their DM to the task, if there is a comment to tell them of.
fn followers(tx: &Tx<'_>, task: &StoredTask, news: &[Activity]) -> DbResult<Vec<PersonId>> {
    if !news.iter().any(is_comment) {
        return Ok(Vec::new());
    }
    let attached = messages::attached_to(tx, task.row)?;
    let direct = attached.iter().filter(|thread| thread.is_direct());
    Ok(direct.map(|thread| thread.person).collect())
}

/// The people who may be concerned, `ids` among them: all of them only if a comment may mention someone.
fn perhaps_concerned(
    tx: &Tx<'_>,
    before: Option<&StoredTask>,
    after: &StoredTask,
    news: &[Activity],
    ids: &[PersonId],
) -> DbResult<Arc<Vec<Person>>> {
    let mentions = news.iter().any(|act| match &act.what {
        ActivityKind::Commented { text, .. } => {
            text.mentions().next().is_some() || text.to_string().contains('@')
        }
        _ => false,
    });
    if mentions {
        return people::present(tx);
    }
    let assigned = news.iter().filter_map(|act| match &act.what {
        ActivityKind::Assigned { to: account } | ActivityKind::Unassigned { from: account } => {
            Some(account)
        }
        _ => None,
    });
    let assignees = [Some(after), before].into_iter().flatten();
    let accounts = assignees.flat_map(|stored| &stored.task.assignees);
    let accounts: Vec<&Account> = accounts.chain(assigned).collect();
    people::among(tx, ids, after.task.key.source(), &accounts).map(Arc::new)
}

/// Whether the person is or was assigned to the task, or is mentioned by the source's own mention.
fn is_about(person: &Person, source: Source, act: &Activity) -> bool {
    match &act.what {
        ActivityKind::Assigned { to: account } | ActivityKind::Unassigned { from: account } => {
            person.has(source, account)
        }
        ActivityKind::Commented { text, .. } => is_mentioned(person, source, text),
        _ => false,
    }
}

fn is_mentioned(person: &Person, source: Source, text: &MentionText) -> bool {
    let Some(account) = person.account(source) else {
        return false;
    };
    match source.profile().handles {
        HandleKind::Ids => text.mentions().any(|mentioned| mentioned == account.id),
        HandleKind::Logins => {
            mention_text::addresses(&text.to_string(), [account.name.as_str()].into_iter())
        }
    }
}

/// Whether the person needs a notice. Skips their own activity, comments of bots that do not address them, and
/// assignments of others.
/// Other activities of bots count like those of people: a poll finds the same change without its actor.
fn is_news_to(person: &Person, source: Source, act: &Activity) -> bool {
    if let Some(actor) = &act.by {
        let themselves = person.has(source, &actor.account) || (person.alone && actor.us);
        let unheard = match &act.what {
            ActivityKind::Commented { text, .. } => {
                actor.bot && !actor.us && !addresses(text, person, source)
            }
            _ => false,
        };
        if themselves || unheard {
            return false;
        }
    }
    match &act.what {
        ActivityKind::Assigned { .. } | ActivityKind::Unassigned { .. } => {
            !person.alone && is_about(person, source, act)
        }
        ActivityKind::Completed | ActivityKind::Reopened | ActivityKind::Commented { .. } => true,
        // A changed due date is reported only if another person is known to have changed it. The cards show the rest.
        ActivityKind::Changed {
            field: TaskField::Due,
        } => act.by.is_some(),
        ActivityKind::Changed { .. } | ActivityKind::Deleted => false,
    }
}

/// Whether it mentions the person, or has an `@` and their name.
fn addresses(text: &MentionText, person: &Person, source: Source) -> bool {
    let names = [&person.github, &person.clickup_name];
    let names = names.into_iter().flatten().chain([&person.name]);
    is_mentioned(person, source, text)
        || mention_text::addresses(&text.to_string(), names.map(String::as_str))
}
