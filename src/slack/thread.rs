//! The text of a thread, for the description of a task that is created in it (docs/contracts/slack.md#methods).
//!
//! It is read before the transaction that stores the task's operation, and is part of what that transaction stores. So a
//! crash or a lost answer never makes a second text. If Slack does not return it, the task is created without it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::attached::seen;
use super::filter::{BotIdentity, is_command};
use super::web::{Web, WebError};
use super::wire::Event;
use crate::domain::mention::{self, QUIET_AT, quiet};
use crate::domain::operation::TEXT_MAX;
use crate::domain::reply::{self, Text, ThreadUnread};
use crate::domain::shared_file;
use crate::mailbox::{Gesture, IncomingMessage};
use crate::verbs::{self, Command};

/// How many messages of a thread go into a task.
const MESSAGES_MAX: usize = 50;
/// Characters of all of them, and of one.
const CHARACTERS_MAX: usize = 16_000;
const MESSAGE_MAX: usize = 4_000;
/// Less than this is not worth reading a thread for.
const CHARACTERS_MIN: usize = 400;
/// How many authors and mentioned people are looked up.
const PEOPLE_MAX: usize = 30;
/// How long a command waits for the thread.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// A message of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Quote {
    /// The Slack id of a person, or the name of an app.
    author: Result<String, String>,
    /// The words that people see, in which nobody is mentioned.
    words: String,
}

/// The part of a thread that goes into a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Excerpt {
    /// Oldest first.
    quotes: Vec<Quote>,
    /// How many messages are left out behind the first one.
    left_out: usize,
    /// Whether there may be more that were not read.
    is_part: bool,
}

/// The text of a thread, before people have names in it.
#[derive(Debug)]
pub struct ThreadText {
    excerpt: Excerpt,
    link: Option<String>,
    /// The characters that the description has left.
    room: usize,
}

/// The root of the thread whose text a message asks for: it creates a task in a thread.
pub fn wanted(heard: &IncomingMessage) -> Option<&str> {
    let root = heard.thread.as_deref()?;
    let creates = heard.gesture == Gesture::Said
        && matches!(verbs::parse(&heard.text), Ok(Command::Create(_)));
    creates.then_some(root)
}

/// Reads the thread of a message for the description of its task. `None` if there is nothing to quote; an error says why
/// the text is missing.
pub async fn read(
    web: &Web,
    own: &BotIdentity,
    heard: &IncomingMessage,
    root: &str,
) -> Option<Result<ThreadText, Text>> {
    let room = room(heard);
    if room < CHARACTERS_MIN {
        return Some(Err(reply::thread_not_read(&ThreadUnread::NoRoom)));
    }
    let read = async {
        tokio::join!(
            web.thread(&heard.channel, root, &heard.ts),
            web.permalink(&heard.channel, root)
        )
    };
    let (read, link) = match timeout(READ_WITHIN, read).await {
        Ok(both) => both,
        Err(_) => {
            tracing::warn!(
                channel = heard.channel,
                "Slack does not return a thread; its text is left out of a task"
            );
            return Some(Err(reply::thread_not_read(&ThreadUnread::NoAnswer)));
        }
    };
    let (messages, whole) = match read {
        Ok(read) => read,
        Err(error) => {
            tracing::warn!(channel = heard.channel, %error, "cannot read a thread; its text is left out of a task");
            return Some(Err(reply::thread_not_read(&unread(&error))));
        }
    };
    let quotes = quotes(messages, own, heard.direct);
    let mut excerpt = excerpt(quotes, room.min(CHARACTERS_MAX));
    excerpt.is_part = !whole;
    if excerpt.quotes.is_empty() {
        return None;
    }
    let link = match link {
        Ok(link) => Some(link),
        Err(error) => {
            tracing::info!(%error, "Slack does not give a thread's link; a task has its text without it");
            None
        }
    };
    Some(Ok(ThreadText {
        excerpt,
        link,
        room,
    }))
}

/// The reason for a person.
fn unread(error: &WebError) -> ThreadUnread<'_> {
    match error {
        WebError::Limited { .. } => ThreadUnread::Limited,
        WebError::NotTaken { .. } | WebError::Unknown { .. } => ThreadUnread::NoAnswer,
        WebError::Credentials { code, .. } | WebError::Refused { code, .. } => {
            match code.as_str() {
                "missing_scope" | "not_allowed_token_type" | "no_permission" => {
                    ThreadUnread::NoScope
                }
                "not_in_channel" | "channel_not_found" => ThreadUnread::NotMember,
                code => ThreadUnread::Refused(code),
            }
        }
    }
}

/// The characters that a description has left for a thread.
fn room(heard: &IncomingMessage) -> usize {
    /// For the signature, and for the heading above the thread.
    const BESIDES: usize = 1_000;
    let pieces = heard.attached.pieces.iter();
    let given: usize = pieces.map(|piece| piece.chars().count() + 2).sum();
    let links = shared_file::links(&heard.attached.shared, true);
    let given = given + links.chars().count();
    TEXT_MAX.saturating_sub(heard.text.chars().count() + given + BESIDES)
}

/// The messages of people and apps, without ours and the commands to us.
fn quotes(messages: Vec<Value>, own: &BotIdentity, direct: bool) -> Vec<Quote> {
    let messages = messages
        .into_iter()
        .filter_map(|message| serde_json::from_value::<Event>(message).ok());
    messages
        .filter(|message| is_said(message, own) && !is_command(message, own, direct))
        .filter_map(|message| {
            let name_of = |id: &str| own.name.clone().filter(|_| id == own.user);
            let words = seen(&message, &name_of);
            let words = quiet(words.trim());
            let author = author(message)?;
            (!words.is_empty()).then_some(Quote { author, words })
        })
        .collect()
}

/// Whether somebody else said it: no join, no deleted message, no message of ours.
fn is_said(message: &Event, own: &BotIdentity) -> bool {
    let said = matches!(
        message.subtype.as_deref(),
        None | Some("file_share" | "thread_broadcast" | "bot_message" | "me_message")
    );
    said && message.hidden != Some(true) && message.user.as_deref() != Some(&own.user)
}

fn author(message: Event) -> Option<Result<String, String>> {
    let app = message.username.or(message.bot_profile.name);
    match (message.bot_id.is_some(), message.user) {
        (false, Some(user)) => Some(Ok(user)),
        (true, _) => Some(Err(app
            .filter(|name| !name.trim().is_empty())
            .unwrap_or_else(|| "An app".to_owned()))),
        (false, None) => None,
    }
}

/// The first message, and as many of the newest as there is room for.
fn excerpt(quotes: Vec<Quote>, room: usize) -> Excerpt {
    let all = quotes.len();
    // With its marks, a message is three times as long at most.
    let most = MESSAGE_MAX.min(room / 3);
    let mut quotes = quotes.into_iter().map(|quote| shortened(quote, most));
    let Some(first) = quotes.next() else {
        return Excerpt::default();
    };
    let mut room = room.saturating_sub(length(&first));
    let mut newest: Vec<Quote> = quotes
        .rev()
        .take(MESSAGES_MAX - 1)
        .take_while(|quote| {
            let fits = length(quote) <= room;
            room = room.saturating_sub(length(quote));
            fits
        })
        .collect();
    newest.reverse();
    let left_out = all - 1 - newest.len();
    Excerpt {
        quotes: std::iter::once(first).chain(newest).collect(),
        left_out,
        is_part: false,
    }
}

fn shortened(quote: Quote, most: usize) -> Quote {
    if quote.words.chars().count() <= most {
        return quote;
    }
    let words: String = quote.words.chars().take(most).collect();
    Quote {
        words: format!("{} … (shortened)", words.trim_end()),
        ..quote
    }
}

/// The characters of a quotation, with its marks and its author.
fn length(quote: &Quote) -> usize {
    /// An author's name.
    const NAME: usize = 40;
    quote.words.chars().count() + 2 * quote.words.lines().count() + NAME
}

impl ThreadText {
    /// The Slack ids of the authors and of mentioned people.
    pub fn people(&self) -> Vec<String> {
        let quotes = &self.excerpt.quotes;
        let authors = quotes.iter().filter_map(|quote| quote.author.as_ref().ok());
        let loud: Vec<String> = quotes
            .iter()
            .map(|quote| quote.words.replace(QUIET_AT, "@"))
            .collect();
        let mentioned = loud.iter().flat_map(|words| mention::mentioned(words));
        let mut seen = BTreeSet::new();
        let ids = authors.map(String::as_str).chain(mentioned);
        let ids = ids.filter(|id| seen.insert(*id)).take(PEOPLE_MAX);
        ids.map(str::to_owned).collect()
    }

    /// The text for the task, with these people's names by id, unless it grows too long by them.
    pub fn written(&self, names: &BTreeMap<String, String>) -> String {
        let link = self.link.as_deref();
        let text = written(&self.excerpt, link, names);
        match text.chars().count() <= self.room.min(2 * CHARACTERS_MAX) {
            true => text,
            false => written(&self.excerpt, link, &BTreeMap::new()),
        }
    }
}

/// The text for the task.
fn written(excerpt: &Excerpt, link: Option<&str>, names: &BTreeMap<String, String>) -> String {
    let heading = match link {
        Some(link) => format!("From a thread in Slack: {link}"),
        None => "From a thread in Slack".to_owned(),
    };
    let mut parts = vec![heading];
    for (place, quote) in excerpt.quotes.iter().enumerate() {
        let author = match &quote.author {
            Ok(id) => names.get(id).unwrap_or(id),
            Err(app) => app,
        };
        let lines = quote
            .words
            .lines()
            .map(|line| format!("> {}", named(line, names)));
        let lines: Vec<String> = lines.collect();
        parts.push(format!("{}:\n{}", in_a_line(author), lines.join("\n")));
        if place == 0 {
            parts.extend(left_out(excerpt));
        }
    }
    parts.join("\n\n")
}

/// A name, which may be anything, on one line.
fn in_a_line(name: &str) -> String {
    /// Characters.
    const NAME_MAX: usize = 80;
    let words: Vec<&str> = name.split_whitespace().collect();
    quiet(&words.join(" ")).chars().take(NAME_MAX).collect()
}

/// The text of a thread of these messages, for fuzzing.
#[cfg(any(test, feature = "fuzzing"))]
pub fn of(messages: Vec<Value>, own: &BotIdentity) -> String {
    let excerpt = excerpt(quotes(messages, own, false), CHARACTERS_MAX);
    written(&excerpt, None, &BTreeMap::new())
}

/// The note about the messages that are left out.
fn left_out(excerpt: &Excerpt) -> Option<String> {
    match (excerpt.left_out, excerpt.is_part) {
        (0, false) => None,
        (0, true) => Some("… later messages are left out …".to_owned()),
        (1, false) => Some("… 1 message is left out …".to_owned()),
        (count, false) => Some(format!("… {count} messages are left out …")),
        (count, true) => Some(format!("… {count} messages and later ones are left out …")),
    }
}

/// A line with the names of mentioned people, which notify no one.
fn named(line: &str, names: &BTreeMap<String, String>) -> String {
    let mut line = line.to_owned();
    // A longer id may begin like a shorter one.
    let mut ids: Vec<&String> = names.keys().collect();
    ids.sort_by_key(|id| std::cmp::Reverse(id.len()));
    for id in ids {
        let at = format!("{QUIET_AT}{id}");
        if line.contains(&at)
            && let Some(name) = names.get(id)
        {
            line = line.replace(&at, &format!("{QUIET_AT}{}", in_a_line(name)));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn own() -> BotIdentity {
        BotIdentity {
            team: "T0TEAM1".into(),
            user: "U0BOT01".into(),
            name: Some("ivan".into()),
        }
    }

    fn quote(words: &str) -> Quote {
        Quote {
            author: Ok("U0ANN01".into()),
            words: words.to_owned(),
        }
    }

    fn names() -> BTreeMap<String, String> {
        let names = [("U0ANN01", "Ann"), ("U0BOB01", "Bo")];
        names
            .map(|(id, name)| (id.to_owned(), name.to_owned()))
            .into()
    }

    #[rstest]
    #[case::person(json!({"user": "U0ANN01", "text": "Login is *broken*"}), false, Some("Login is *broken*"))]
    #[case::mention(json!({"user": "U0ANN01", "text": "ask <@U0BOB01>"}), false, Some("ask @\u{2060}U0BOB01"))]
    #[case::alert(json!({"bot_id": "B1", "subtype": "bot_message", "username": "Grafana", "text": "",
        "attachments": [{"title": "[FIRING] disk"}]}), false, Some("[FIRING] disk"))]
    #[case::file(json!({"user": "U0ANN01", "subtype": "file_share", "text": "", "files": [{"id": "F1", "permalink": "https://a.b/f"}]}),
        false, Some("https://a.b/f"))]
    #[case::about_us(json!({"user": "U0ANN01", "text": "I asked <@U0BOT01> already"}), false, Some("I asked @\u{2060}ivan already"))]
    #[case::ours(json!({"user": "U0BOT01", "bot_id": "B0", "text": "✓ Done"}), false, None)]
    #[case::command(json!({"user": "U0ANN01", "text": "<@U0BOT01> why #12"}), false, None)]
    #[case::bare_create(json!({"user": "U0ANN01", "text": "create Fix login"}), false, None)]
    #[case::bare_verb(json!({"user": "U0ANN01", "text": "done"}), false, Some("done"))]
    #[case::direct_command(json!({"user": "U0ANN01", "text": "done"}), true, None)]
    #[case::direct_words(json!({"user": "U0ANN01", "text": "the login page hangs"}), true, Some("the login page hangs"))]
    #[case::join(json!({"user": "U0ANN01", "subtype": "channel_join", "text": "joined"}), false, None)]
    #[case::deleted(json!({"user": "USLACKBOT", "subtype": "tombstone", "text": "This message was deleted."}), false, None)]
    #[case::empty(json!({"user": "U0ANN01", "text": " "}), false, None)]
    #[case::odd(json!(7), false, None)]
    fn people_and_alerts_are_quoted_and_not_what_ivan_was_told(
        #[case] message: Value,
        #[case] direct: bool,
        #[case] words: Option<&str>,
    ) {
        let quotes = quotes(vec![message], &own(), direct);
        let said = quotes.first().map(|quote| quote.words.as_str());
        assert_eq!(said, words);
    }

    #[test]
    fn a_thread_is_written_with_its_authors_and_its_address() {
        let app = Quote {
            author: Err("Grafana @all".into()),
            words: "[FIRING] disk".into(),
        };
        assert_eq!(in_a_line("Bo:\n> fake"), "Bo: > fake");
        let excerpt = Excerpt {
            quotes: vec![app, quote("ask @\u{2060}U0BOB01\n\nor me")],
            ..Excerpt::default()
        };
        assert_eq!(
            written(&excerpt, Some("https://acme.slack.com/p1"), &names()),
            "From a thread in Slack: https://acme.slack.com/p1\n\nGrafana @\u{2060}all:\n> [FIRING] disk\n\n\
             Ann:\n> ask @\u{2060}Bo\n> \n> or me"
        );
    }

    #[test]
    fn a_long_thread_keeps_its_first_and_its_newest_messages_and_says_so() {
        let many: Vec<Quote> = (0..70).map(|n| quote(&format!("message {n}"))).collect();
        let excerpt = excerpt(many, CHARACTERS_MAX);
        assert_eq!((excerpt.quotes.len(), excerpt.left_out), (MESSAGES_MAX, 20));
        let text = written(&excerpt, None, &names());
        assert!(text.starts_with(
            "From a thread in Slack\n\nAnn:\n> message 0\n\n… 20 messages are left out …\n\nAnn:\n> message 21\n"
        ));
        assert!(text.ends_with("> message 69"));
    }

    #[test]
    fn long_messages_are_shortened_and_the_whole_is_bounded() {
        let long = "word ".repeat(2_000);
        let many: Vec<Quote> = (0..20).map(|_| quote(&long)).collect();
        let excerpt = excerpt(many, CHARACTERS_MAX);
        assert_eq!(excerpt.quotes.len(), 3);
        assert_eq!(excerpt.left_out, 17);
        let text = written(&excerpt, None, &names());
        assert!(text.chars().count() < CHARACTERS_MAX + 500);
        let lines = super::excerpt(vec![quote(&"\n".repeat(9_000)), quote("x")], 600);
        assert!(written(&lines, None, &names()).chars().count() < 700);
        assert!(text.contains("word … (shortened)"), "{text}");
    }

    #[rstest]
    #[case(0, false, None)]
    #[case(1, false, Some("… 1 message is left out …"))]
    #[case(0, true, Some("… later messages are left out …"))]
    #[case(951, true, Some("… 951 messages and later ones are left out …"))]
    fn what_is_left_out_is_said(
        #[case] left: usize,
        #[case] is_part: bool,
        #[case] note: Option<&str>,
    ) {
        let excerpt = Excerpt {
            left_out: left,
            is_part,
            ..Excerpt::default()
        };
        assert_eq!(left_out(&excerpt).as_deref(), note);
    }
}
