//! The pages as text: what they show, and that no text from outside becomes markup.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use chrono::{DateTime, Duration, Utc};
use rstest::rstest;

use super::html::Html;
use super::*;
use crate::commands::{ServiceLevels, SlackHealth, StoreOverview};
use crate::domain::log::{ActivityResult, Entry, LoggedChange, Via};
use crate::domain::overview::{
    DayFigures, EndedCommand, SourceWebhooks, WaitingWrite, WebhookState,
};
use crate::domain::task::Source;
use crate::http::answers::tests::health;

const HOSTILE: &str = "</td><script>alert('1')</script>\u{202e}\u{1b}[31m \"&";

fn now() -> DateTime<Utc> {
    "2026-03-03T12:30:00Z".parse().unwrap()
}

fn entry(title: &str, came: ActivityResult, detail: Option<&str>) -> Entry {
    Entry {
        id: None,
        at: now() - Duration::minutes(20),
        person: Some("Ana".into()),
        account: None,
        via: Via::Dm,
        token: None,
        verb: "done".into(),
        came,
        source: Some(Source::GitHub),
        task: Some("github:acme/widgets#7".into()),
        title: title.into(),
        url: "https://github.com/acme/widgets/issues/7".into(),
        change: LoggedChange::default(),
        detail: detail.map(str::to_owned),
    }
}

fn waiting(title: &str) -> WaitingWrite {
    WaitingWrite {
        id: "01JOP".into(),
        kind: "comment",
        source: Source::GitHub,
        person: "Bo".into(),
        title: title.into(),
        url: "https://github.com/acme/widgets/issues/8".into(),
        since: now() - Duration::minutes(7),
        attempts: 3,
        why: Some("GitHub is not responding\nCheck the network".into()),
        next_attempt_at: Some(now() + Duration::seconds(40)),
        set_aside: false,
        paused_until: None,
    }
}

/// Something of everything; the given text wherever others choose the text.
fn busy(text: &str) -> StoreOverview {
    let ended = |minutes: i64, took: i64, came| EndedCommand {
        asked_at: now() - Duration::minutes(minutes) - Duration::milliseconds(took),
        ended_at: now() - Duration::minutes(minutes),
        came,
    };
    let hook = |broken_since| WebhookState {
        hook: "12".into(),
        url: format!("https://ivan.example.com/webhooks/github?{text}"),
        made_at: now() - Duration::days(3),
        broken_since,
    };
    let refused = entry(text, ActivityResult::Refused, Some("The issue is locked"));
    StoreOverview {
        waiting: vec![WaitingWrite {
            person: text.into(),
            why: Some(format!("GitHub answered {text}")),
            ..waiting(text)
        }],
        webhooks: vec![
            SourceWebhooks {
                source: Source::ClickUp,
                hooks: vec![],
                last_delivery: None,
            },
            SourceWebhooks {
                source: Source::GitHub,
                hooks: vec![hook(None), hook(Some(now() - Duration::hours(2)))],
                last_delivery: Some(now() - Duration::minutes(4)),
            },
        ],
        unlinked: BTreeMap::from([
            (Source::ClickUp, vec![]),
            (Source::GitHub, vec!["Cem".into(), text.into()]),
        ]),
        alarms: vec![(format!("webhook {text}"), now() - Duration::hours(2))],
        day: DayFigures::of(
            &[
                ended(5, 400, ActivityResult::Done),
                ended(6, 600, ActivityResult::AlreadySo),
                ended(90, 3_100, ActivityResult::Refused),
                ended(600, 70_000, ActivityResult::GivenUp),
            ],
            now(),
        ),
        cut: true,
        entries: vec![
            entry("Login fails", ActivityResult::Done, None),
            Entry {
                url: format!("javascript:{text}"),
                person: None,
                account: Some(text.into()),
                token: Some(text.into()),
                via: Via::Http,
                verb: text.into(),
                ..refused
            },
        ],
    }
}

fn idle() -> StoreOverview {
    StoreOverview {
        waiting: vec![],
        webhooks: vec![],
        unlinked: BTreeMap::new(),
        alarms: vec![],
        day: DayFigures::of(&[], now()),
        cut: false,
        entries: vec![],
    }
}

fn answer(slack: Option<SlackHealth>) -> StatusAnswer {
    let levels = ServiceLevels {
        since: now() - Duration::days(7),
        commands: 1_204,
        soon: 1_203,
        late: 0,
        given_up: 1,
    };
    StatusAnswer::of(&health(true, slack), Some(&levels), "0.1.0", now())
}

fn shown(answer: &StatusAnswer, store: Result<&StoreOverview, &str>) -> String {
    status::page(answer, store).into_string()
}

/// The text of a page as a browser without styles shows it.
fn text(html: &str) -> String {
    let pieces = html.split('<').map(|piece| match piece.split_once('>') {
        Some((_, text)) => text,
        None => piece,
    });
    let text = pieces.collect::<Vec<_>>().join(" ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// Every element ends, in order, and none is of a kind that the page may not have.
#[track_caller]
pub(super) fn is_well_formed(html: &str) {
    const EMPTY: [&str; 3] = ["meta", "link", "!doctype"];
    let mut open = Vec::new();
    for tag in html
        .split('<')
        .skip(1)
        .map(|piece| piece.split_once('>').unwrap().0)
    {
        let name = tag.split([' ', '\n']).next().unwrap();
        assert!(
            !["script", "style", "iframe", "img", "form"].contains(&name),
            "{tag}"
        );
        for attribute in [" style=", " on", "javascript:"] {
            assert!(!tag.contains(attribute), "{tag}");
        }
        match name.strip_prefix('/') {
            Some(ended) => assert_eq!(open.pop(), Some(ended), "{html}"),
            None if EMPTY.contains(&name) || tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn a_busy_page_has_every_section() {
    let answer = answer(Some(SlackHealth::Connected));
    let html = shown(&answer, Ok(&busy("Fix & ship")));
    is_well_formed(&html);
    let text = text(&html);
    for words in [
        "Version 0.1.0 · up ",
        "✗ 2 things need attention",
        "Needs attention ✗ GitHub refuses github.token",
        "✗ Operators were told of: webhook Fix & ship , since 3 Mar 10:30",
        "Connections Part State Since Store ✓ writable – Slack ✓ connected 1 h 30 min ( 3 Mar 11:00 )",
        "Last reads Source Last read State Open tasks GitHub never ✗ failing 0",
        "Queue 3 writes wait. The oldest are:",
        "comment: Fix & ship in GitHub Fix & ship 7 min ( 3 Mar 12:23 ) GitHub answered Fix & ship (attempts: 3) in 40 s",
        "ClickUp – none registered; polls find changes none lately",
        "✓ well 4 min ( 3 Mar 12:26 )",
        "✗ broken since 3 Mar 10:30",
        "People without an account Source People Names GitHub 2 Cem , Fix & ship",
        "Commands: 4, at most 2 in an hour, from 12:00",
        "Outcomes: done 2, refused 1, given up or taken back 1",
        "Time to the outcome: p50 600 ms, p99 1 min (logarithmic)",
        "Since 24 Feb 12:30 : 1203 of 1204 commands that write had their outcome within 2 s, 0 took over 10 minutes",
        "Only the newest 20,000 entries of the log are counted.",
        "3 Mar 12:00 2 2 0 0 400 ms 600 ms",
        "3 Mar 12:10 Ana done Login fails ✓ done in the DM",
        "✗ refused : The issue is locked over HTTP (token Fix & ship )",
    ] {
        let squeezed = |text: &str| text.replace(' ', "");
        assert!(
            squeezed(&text).contains(&squeezed(words)),
            "{words}\n{text}"
        );
    }
    assert_eq!(html.matches("<svg ").count(), 3);
    assert_eq!(
        html.matches("<table>").count(),
        html.matches("<thead>").count()
    );
}

#[test]
fn an_idle_page_says_that_all_is_well() {
    let mut answer = answer(Some(SlackHealth::Connected));
    answer.sources.clear();
    answer.queued_operations = 0;
    let html = shown(&answer, Ok(&idle()));
    is_well_formed(&html);
    let text = text(&html);
    for words in [
        "✓ All is well",
        "Nothing waits.",
        "Everybody is linked.",
        "No command had an outcome.",
        "No entries yet.",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert!(!text.contains('✗') && !html.contains("<svg"), "{text}");
}

#[rstest]
#[case(Some(SlackHealth::Connecting), "Slack is not connected")]
#[case(Some(SlackHealth::Trouble("Slack refuses the token".into())), "Slack: Slack refuses the token")]
fn a_lost_connection_needs_attention(#[case] slack: Option<SlackHealth>, #[case] words: &str) {
    let html = shown(&answer(slack), Ok(&idle()));
    assert!(text(&html).contains(words), "{html}");
}

#[test]
fn without_the_store_the_rest_is_shown() {
    let html = shown(&answer(None), Err("the store at ivan.db: disk I/O error"));
    is_well_formed(&html);
    let text = text(&html);
    assert!(text.contains("The store cannot be read: the store at ivan.db: disk I/O error"));
    assert!(
        text.contains("Slack not configured") && !text.contains("Queue"),
        "{text}"
    );
}

#[test]
fn no_text_of_others_is_markup() {
    let trouble = SlackHealth::Trouble(HOSTILE.to_owned());
    let html = shown(&answer(Some(trouble)), Ok(&busy(HOSTILE)));
    is_well_formed(&html);
    assert!(html.matches("&lt;script&gt;").count() > 8, "{html}");
    assert!(!html.contains(['\u{202e}', '\u{1b}']));
}

#[test]
fn long_texts_are_cut() {
    let html = shown(&answer(None), Ok(&busy(&"ü".repeat(5000))));
    assert!(html.len() < 30_000, "{}", html.len());
    let mut many = idle();
    let names = (0..60).map(|number| format!("Person {number}"));
    many.unlinked.insert(Source::GitHub, names.collect());
    let text = text(&shown(&answer(None), Ok(&many)));
    assert!(
        text.contains("60 Person 0") && text.contains("Person 49 and 10 more"),
        "{text}"
    );
}

#[rstest]
#[case("", &[])]
#[case("ivan_ops=abc", &["abc"])]
#[case("a=1; ivan_ops=abc; b=2", &["abc"])]
#[case("ivan_ops=a;ivan_ops=b", &["a", "b"])]
#[case("ivan_ops_x=a; xivan_ops=b; ivan_ops", &[])]
fn the_cookie_is_found(#[case] sent: &str, #[case] found: &[&str]) {
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, HeaderValue::from_str(sent).unwrap());
    assert_eq!(cookies(&headers).collect::<Vec<_>>(), found);
}

#[test]
fn a_whole_page_refers_to_nothing_but_its_style_sheet() {
    for (base, style) in [("", "\"style.css\""), ("../", "\"../style.css\"")] {
        let response = page(StatusCode::OK, "Ivan", base, Html::new("<main></main>"));
        for (name, value) in HEADERS {
            assert_eq!(response.headers()[&name], value);
        }
        let bytes = futures_util::FutureExt::now_or_never(axum::body::to_bytes(
            response.into_body(),
            10_000,
        ));
        let html = String::from_utf8(bytes.unwrap().unwrap().to_vec()).unwrap();
        is_well_formed(&html);
        assert!(html.contains(style), "{html}");
        assert_eq!(html.matches("href").count(), 1);
    }
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
}
