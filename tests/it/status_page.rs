//! The status page for operators: its link, its session, its headers and its sections, as a browser gets them.

use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use serde_json::json;

use crate::demo_browser::Browser;
use crate::harness::*;
use crate::own_tokens::makes_token;

/// The requests of the table in `docs/security.md`.
const PAGES: [(&str, &str); 4] = [
    ("GET", "/"),
    ("GET", "/docs"),
    ("POST", "/ops"),
    ("GET", "/status"),
];
const HOSTILE: &str = "<script>alert(1)</script> & \"co\"";
const ESCAPED: &str = "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;co&quot;";

/// An answer: the status, the headers, the body.
struct Got {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Every answer of a page forbids scripts, frames, copies and referrers.
    #[track_caller]
    fn is_guarded(&self) {
        let policy = self.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(self.header("x-frame-options"), "DENY");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("referrer-policy"), "no-referrer");
        assert_eq!(self.header("cache-control"), "no-store");
    }

    /// A page that says how to get a link, and shows no data.
    #[track_caller]
    fn is_refused(&self, status: u16) {
        self.is_guarded();
        assert_eq!(self.status, status, "{}", self.body);
        assert!(self.header("content-type").starts_with("text/html"));
        assert!(self.body.contains("ivan open --ops"), "{}", self.body);
        for word in ["Version", "Slack", "Queue", "Renew cert", "<table"] {
            assert!(!self.body.contains(word), "{word}: {}", self.body);
        }
        assert!(self.headers.get(SET_COOKIE).is_none());
    }
}

async fn got(ivan: &Ivan, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
    let url = format!("{}{path}", ivan.api_url());
    let mut request = client().request(method.parse().unwrap(), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.text().await.unwrap();
    ivan.shows(&format!("the answer to {method} {path}"), &body);
    Got {
        status,
        headers,
        body,
    }
}

/// The path of a new link.
async fn link(ivan: &Ivan) -> String {
    let (status, answer) = ivan.http("POST", "/ops", None).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["expires_in"], 120);
    answer["path"].as_str().unwrap().to_owned()
}

/// The cookie of a new session, as a browser sends it back.
async fn session(ivan: &Ivan) -> String {
    let begun = got(ivan, "GET", &link(ivan).await, &[]).await;
    let cookie = begun.header("set-cookie");
    cookie.split(';').next().unwrap().to_owned()
}

/// The page with the operator's token.
async fn page(ivan: &Ivan) -> String {
    let bearer = format!("Bearer {}", ivan.token());
    let page = got(ivan, "GET", "/", &[("authorization", &bearer)]).await;
    assert_eq!(page.status, 200, "{}", page.body);
    page.is_guarded();
    page.body
}

#[tokio::test]
async fn a_link_begins_one_session_which_shows_the_page() {
    let mut ivan = two_tasks().start().await;
    ivan.start().await;
    let path = link(&ivan).await;
    // Looks ahead do not use it up.
    got(&ivan, "HEAD", &path, &[]).await;
    got(
        &ivan,
        "GET",
        &path,
        &[("sec-purpose", "prefetch;prerender")],
    )
    .await
    .is_refused(401);
    let begun = got(&ivan, "GET", &path, &[]).await;
    begun.is_guarded();
    assert_eq!(
        (begun.status, &begun.headers[LOCATION]),
        (303, &"../".parse().unwrap())
    );
    let cookie = begun.header("set-cookie");
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(
        attributes,
        "Path=/; Max-Age=28800; HttpOnly; SameSite=Strict"
    );
    assert_eq!(begun.headers.get_all(SET_COOKIE).iter().count(), 1);
    let shown = got(&ivan, "GET", "/", &[(COOKIE.as_str(), pair)]).await;
    assert_eq!(shown.status, 200);
    shown.is_guarded();
    assert!(shown.body.contains("Slack"), "{}", shown.body);
    assert!(shown.headers.get(SET_COOKIE).is_none());
    // Its browser may open it again; nobody else may.
    let again = got(&ivan, "GET", &path, &[(COOKIE.as_str(), pair)]).await;
    assert_eq!((again.status, again.headers.get(SET_COOKIE)), (303, None));
    got(&ivan, "GET", &path, &[]).await.is_refused(401);
    // The session is for pages only.
    let status = got(&ivan, "GET", "/status", &[(COOKIE.as_str(), pair)]).await;
    assert_eq!(status.status, 401);
    let secret = pair.split('=').nth(1).unwrap();
    let bearer = format!("Bearer {secret}");
    let status = got(&ivan, "GET", "/status", &[("authorization", &bearer)]).await;
    assert_eq!(status.status, 401);
    assert!(!ivan.log().contains(secret) && !ivan.log().contains(path.trim_start_matches("/ops/")));
    // It ends with the process.
    ivan.kill_and_restart().await;
    got(&ivan, "GET", "/", &[(COOKIE.as_str(), pair)])
        .await
        .is_refused(401);
    ivan.finish().await;
}

#[tokio::test]
async fn without_a_session_or_token_there_is_no_data() {
    ivan_test(two_tasks(), async |ivan| {
        let ivan = &*ivan;
        let session = session(ivan).await;
        let longer = format!("{session}0");
        let shorter = session.strip_suffix(|_: char| true).unwrap();
        for cookie in ["", "ivan_ops=", "ivan_ops=another", &longer, shorter] {
            got(ivan, "GET", "/", &[(COOKIE.as_str(), cookie)])
                .await
                .is_refused(401);
        }
        for bearer in [
            "Bearer ",
            "Bearer another-token",
            "Basic a-token-of-the-tests",
        ] {
            got(ivan, "GET", "/", &[("authorization", bearer)])
                .await
                .is_refused(401);
        }
        for path in ["/ops/", "/ops/x", "/ops/x/y", "/ops/%00"] {
            let refused = got(ivan, "GET", path, &[]).await;
            assert!(
                matches!(refused.status, 401 | 404),
                "{path}: {}",
                refused.status
            );
            assert!(refused.headers.get(SET_COOKIE).is_none(), "{path}");
        }
        // The style sheet shows nothing of Ivan.
        let style = got(ivan, "GET", "/style.css", &[]).await;
        style.is_guarded();
        assert_eq!(
            (style.status, style.header("content-type")),
            (200, "text/css; charset=utf-8")
        );
        // Behind https the cookie is for https.
        let path = link(ivan).await;
        let begun = got(ivan, "GET", &path, &[("x-forwarded-proto", "https")]).await;
        assert!(begun.header("set-cookie").ends_with("; Secure"));
        // Only GET, and no body is read for it.
        let posted = got(ivan, "POST", "/", &[(COOKIE.as_str(), &session)]).await;
        assert_eq!(posted.status, 405);
    })
    .await;
}

/// Who may see which page: `docs/security.md` has the same table.
#[tokio::test]
async fn the_pages_are_for_the_callers_of_the_table() {
    let token = |name: &str, person: &str, read_only: bool| {
        let hash = ivan::config::TokenHash::of(&format!("the-token-of-{name}")).unwrap();
        format!(
            "[[api.tokens]]\nname = \"{name}\"\nperson = \"{person}\"\nread_only = {read_only}\nhash = \"{hash}\"\n"
        )
    };
    let setup = two_tasks()
        .people()
        .config(&token("scripts", "any", false))
        .config(&token("dashboard", "any", true))
        .config(&token("bos", "Bo", false));
    ivan_test(setup, async |ivan| {
        let ivan = &*ivan;
        let own = makes_token(ivan, BO, "own", false).await;
        let bearer = |token: &str| Some(("authorization", format!("Bearer {token}")));
        let callers = [
            ("API with its token", bearer(&ivan.token())),
            ("named token", bearer("the-token-of-scripts")),
            ("read-only token", bearer("the-token-of-dashboard")),
            ("token of a person", bearer("the-token-of-bos")),
            ("own token", bearer(&own)),
            ("session", Some((COOKIE.as_str(), session(ivan).await))),
            ("without", None),
        ];
        let names = callers.each_ref().map(|(name, _)| *name);
        let mut table = format!("| request | {} |\n|---|", names.join(" | "));
        table.push_str(&"---|".repeat(callers.len()));
        for (method, path) in PAGES {
            table.push_str(&format!("\n| `{method} {path}` |"));
            for (name, header) in &callers {
                let headers = header
                    .iter()
                    .map(|(header, value)| (*header, value.as_str()));
                let answer = got(ivan, method, path, &headers.collect::<Vec<_>>()).await;
                match answer.status {
                    200 => table.push_str(" yes |"),
                    status @ (401 | 403) => {
                        table.push_str(" no |");
                        if method == "GET" && path != "/status" {
                            answer.is_refused(status);
                        }
                    }
                    other => panic!("{method} {path} for {name}: {other} {}", answer.body),
                }
            }
        }
        let page = include_str!("../../docs/security.md");
        assert!(
            page.contains(&table),
            "docs/security.md lacks this table:\n{table}"
        );
    })
    .await;
}

#[tokio::test]
async fn the_command_line_prints_a_link() {
    ivan_test(two_tasks(), async |ivan| {
        let ran = ivan.cli(&["open", "--ops"]).await;
        let address = ran.out.trim_end();
        let path = address
            .strip_prefix(&ivan.api_url())
            .unwrap_or_else(|| panic!("{ran:?}"));
        assert_eq!(got(ivan, "GET", path, &[]).await.status, 303);
        let ran = ivan
            .cli(&["open", "--ops", "--jq", ".url, .expires_in"])
            .await;
        assert!(
            ran.out.starts_with(&ivan.api_url()) && ran.out.ends_with("\n120\n"),
            "{ran:?}"
        );
    })
    .await;
}

/// Everything that the page shows comes from what happened here.
#[tokio::test]
async fn the_page_shows_what_happens() {
    let setup = two_tasks()
        .people()
        .config("[[people]]\nname = \"Cem\"\nslack = \"U0CEM01\"");
    ivan_test(setup, async |ivan| {
        ivan.http_with(
            "POST",
            "/tasks",
            Some(json!({ "title": HOSTILE })),
            &[("x-ivan-actor", "Ana")],
        )
        .await;
        let well = page(ivan).await;
        for words in [
            "✓ All is well",
            "<th scope=\"row\">Slack</th><td data-head=\"State\"><span class=\"good\">✓ connected</span>",
            "Nothing waits.",
            "Commands: 1, at most 1 in an hour",
            ESCAPED,
            "<bdi>Cem</bdi>",
            "none registered",
            "over HTTP",
        ] {
            assert!(well.contains(words), "{words}: {well}");
        }
        assert!(!well.contains("<script"), "{well}");
        // A write that waits is named with its reason.
        ivan.clickup().front().down();
        let body = Some(json!({ "text": "seen", "ref": format!("clickup:{}", ivan.clickup().task(HOSTILE).id()) }));
        let (status, answer) = ivan
            .http_with("POST", "/comment?wait=0", body, &[("x-ivan-actor", "Ana")])
            .await;
        assert_eq!(status, 202, "{answer}");
        ivan.within("it was tried", async {
            while !page(ivan).await.contains("attempts: ") {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let waits = page(ivan).await;
        for words in [
            "1 write waits.",
            "data-head=\"Why it waits\">ClickUp ",
            "attention</p>",
        ] {
            assert!(waits.contains(words), "{words}: {waits}");
        }
        assert!(!waits.contains("<script"), "{waits}");
        ivan.clickup().front().up();
        ivan.until_nothing_is_queued().await;
        let healed = page(ivan).await;
        assert!(healed.contains("Nothing waits."), "{healed}");
        assert!(healed.contains("Commands: 2,"), "{healed}");
    })
    .await;
}

/// A view of the page reads; it commits nothing but the trial of the store that `GET /status` makes, too.
#[tokio::test]
async fn a_view_of_the_page_writes_nothing() {
    ivan_test(two_tasks().config("sync.interval = \"24h\""), async |ivan| {
        let rows = "SELECT (SELECT count(*) FROM commands) || ' ' || (SELECT count(*) FROM log) || ' ' ||
             (SELECT count(*) FROM operations) || ' ' || (SELECT count(*) FROM pins)";
        let before: String = ivan.sql(rows);
        for _ in 0..3 {
            page(ivan).await;
        }
        assert_eq!(ivan.sql::<String>(rows), before);
    })
    .await;
}

/// With axe-core in Chromium, where both are installed.
#[tokio::test]
async fn the_page_has_no_fault_of_accessibility() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    ivan_test(two_tasks().people(), async |ivan| {
        let url = format!("{}{}", ivan.api_url(), link(ivan).await);
        browser.call("Page.navigate", json!({ "url": url })).await;
        browser.until("document.querySelector('table')").await;
        browser.is_accessible("the status page").await;
    })
    .await;
}

/// `IVAN_PICTURES=write cargo test --test it status_page::the_picture` draws `docs/status-page.png` with Chromium: the page
/// after a day of commands, while a source does not answer.
#[tokio::test]
async fn the_picture_of_the_page_is_there_and_small() {
    let picture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/status-page.png");
    if std::env::var_os("IVAN_PICTURES").is_some_and(|what| what == "write") {
        let setup = two_tasks()
            .people()
            .config("[[people]]\nname = \"Cem\"\nslack = \"U0CEM01\"");
        ivan_test(setup, async |ivan| {
            a_day_of_commands(ivan);
            ivan.clickup().front().down();
            let id = ivan.clickup().task("Renew cert").id().to_owned();
            let body = json!({ "text": "shipped", "ref": format!("clickup:{id}") });
            let ana: &[(&str, &str)] = &[("x-ivan-actor", "Ana")];
            ivan.http_with("POST", "/comment?wait=1", Some(body), ana)
                .await;
            let url = format!("{}{}", ivan.api_url(), link(ivan).await);
            let folder = tempfile::tempdir().unwrap();
            let ran = ran(program("chromium")
                .args(["--headless", "--no-sandbox", "--hide-scrollbars"])
                .arg("--blink-settings=preferredColorScheme=1")
                .arg(format!("--user-data-dir={}", folder.path().display()))
                .arg(format!("--screenshot={}", picture.display()))
                .args(["--window-size=1100,1440", url.as_str()])
                .env("HOME", folder.path()))
            .await;
            assert_eq!(ran.exit, 0, "{ran:?}");
            ivan.clickup().front().up();
            ivan.until_nothing_is_queued().await;
        })
        .await;
    }
    let page = include_str!("../../docs/operations.md");
    assert!(page.contains("](status-page.png)"));
    let bytes = std::fs::read(&picture).unwrap();
    assert!(bytes.starts_with(b"\x89PNG"));
    assert!(bytes.len() < 200_000, "{}", bytes.len());
}

/// Entries of the log as a day leaves them: many by day, few by night, some slow and some refused.
fn a_day_of_commands(ivan: &Ivan) {
    const BY_HOUR: [i64; 24] = [
        2, 1, 0, 0, 0, 1, 3, 8, 18, 26, 31, 22, 14, 24, 29, 33, 27, 19, 9, 5, 3, 4, 2, 2,
    ];
    const DEEDS: [(&str, &str, &str); 4] = [
        ("done", "Renew the certificate", "dm"),
        ("comment", "Login fails on Safari", "button"),
        ("create", "Send the quarterly invoice", "slash"),
        ("start", "Update the docs", "cli"),
    ];
    let now: i64 = ivan.sql("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)");
    let store = ivan.store();
    let mut number = 0_i64;
    for (hour, count) in (0..).zip(BY_HOUR) {
        for one in 0..count {
            number += 1;
            let kept = now - (24 - hour) * 3_600_000 + one * (3_400_000 / count.max(1));
            let took = match number % 37 {
                36 => 90_000,
                rest => 180 + rest * rest,
            };
            let outcome = match number % 23 {
                7 => "refused",
                11 => "already_so",
                22 => "given_up",
                _ => "done",
            };
            let (verb, title, surface) = DEEDS[usize::try_from(number % 4).unwrap()];
            let entry =
                "INSERT INTO log (kept_ms, at_ms, person_id, surface, verb, outcome, source, title)
                 SELECT ?1, ?2, id, ?3, ?4, ?5, 'github', ?6 FROM people WHERE name = ?7";
            let who = ["Ana", "Bo"][usize::try_from(number % 2).unwrap()];
            store
                .execute(
                    entry,
                    (kept, kept - took, surface, verb, outcome, title, who),
                )
                .unwrap();
        }
    }
}
