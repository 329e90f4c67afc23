//! `token`, `ivan login` and `ivan logout`: tokens that people make for themselves.

use std::path::Path;
use std::process::Stdio;

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::harness::*;

/// Makes a token by a command in the DM, and reads it there.
pub async fn makes_token(ivan: &Ivan, who: &str, name: &str, read_only: bool) -> String {
    let rights = if read_only { " read-only" } else { "" };
    let typed = format!("token new {name}{rights}");
    token_in(&ivan.dm(who, &typed).await.text())
}

fn token_in(text: &str) -> String {
    let mut words = text.split_whitespace().map(|word| word.trim_matches('`'));
    let token = words.find(|word| word.len() == 64);
    token
        .unwrap_or_else(|| panic!("no token in {text}"))
        .to_owned()
}

async fn asked(ivan: &Ivan, token: &str, method: &str, path: &str) -> (u16, Value) {
    asked_as(ivan, token, method, path, None).await
}

async fn asked_as(
    ivan: &Ivan,
    token: &str,
    method: &str,
    path: &str,
    actor: Option<&str>,
) -> (u16, Value) {
    let url = format!("{}{path}", ivan.api_url());
    let mut request = client()
        .request(method.parse().unwrap(), url)
        .bearer_auth(token);
    if method == "POST" {
        request = request.json(&json!({}));
    }
    if let Some(actor) = actor {
        request = request.header("x-ivan-actor", actor);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn setup() -> Setup {
    Setup::new()
        .github_issues([
            json!({"title": "Login fails", "assignees": ["ana"]}),
            json!({"title": "Update the docs", "assignees": ["bo"]}),
        ])
        .people()
}

#[tokio::test]
async fn a_token_is_its_person_until_it_is_revoked() {
    ivan_test(setup(), async |ivan| {
        ivan.dm(ANA, "token")
            .await
            .begins("You have no API tokens.");
        let reads = makes_token(ivan, ANA, "dash", true).await;
        let made = ivan.dm(ANA, "token new scripts").await;
        made.begins("✓ Token `scripts` made. It acts as you.");
        let token = token_in(&made.text());
        let (status, me) = asked(ivan, &token, "GET", "/whoami").await;
        assert_eq!((status, &me["name"]), (200, &json!("Ana")));
        // The first use takes it out of the message.
        let hidden = "✓ Token `scripts` is in use, so I removed it from this message. To end it: `token revoke scripts`.";
        made.becomes(hidden).await;
        let (status, answer) = asked_as(ivan, &token, "GET", "/current", Some("Bo")).await;
        assert_eq!(status, 403, "{answer}");
        let (status, _) = asked_as(ivan, &token, "GET", "/current", Some("ana")).await;
        assert_eq!(status, 200);
        for (token, expected) in [(&reads, 403), (&token, 200)] {
            let path = "/tasks/github:acme%2Fwidgets%231/complete";
            let (status, answer) = asked(ivan, token, "POST", path).await;
            assert_eq!(status, expected, "{answer}");
        }
        let (_, log) = asked(ivan, &ivan.token(), "GET", "/log").await;
        assert_eq!(log["entries"][0]["token"], "scripts", "{log}");
        assert_eq!(log["entries"][0]["person"], "Ana", "{log}");
        let listed = ivan.dm(ANA, "token").await.text();
        assert!(listed.contains("`dash` (read-only), made"), "{listed}");
        ivan.dm(BO, "token").await.begins("You have no API tokens.");
        ivan.dm(BO, "token revoke scripts")
            .await
            .replies("✗ You have no token `scripts`.");
        ivan.dm(ANA, "token new Scripts")
            .await
            .begins("✗ You already have a token `Scripts`.");
        ivan.dm(ANA, "token revoke scripts")
            .await
            .replies("✓ Token `scripts` is revoked. It no longer works.");
        assert_eq!(asked(ivan, &token, "GET", "/whoami").await.0, 401);
        assert_eq!(asked(ivan, &reads, "GET", "/whoami").await.0, 200);
        for text in [&token, &reads] {
            assert!(!ivan.log().contains(text.as_str()));
        }
    })
    .await;
}

#[tokio::test]
async fn tokens_are_for_the_dm_alone() {
    ivan_test(setup(), async |ivan| {
        let general = ivan.slack().channel("general");
        let refused = "✗ Tokens are between you and me. Type `token` in our direct messages.";
        let told = ivan.slash(ANA, &general, "token new scripts").await;
        assert_eq!(told, refused);
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM personal_tokens"), 0);
        let told = ivan
            .slash(ANA, &ivan.slack().dm(ANA), "token new scripts")
            .await;
        assert!(told.starts_with("✓ Token `scripts` made."), "{told}");
    })
    .await;
}

#[tokio::test]
async fn a_deactivated_persons_token_is_refused_at_once() {
    ivan_test(setup(), async |ivan| {
        let token = makes_token(ivan, BO, "scripts", false).await;
        assert_eq!(asked(ivan, &token, "GET", "/current").await.0, 200);
        ivan.slack().changes(BO, json!({"deleted": true}));
        ivan.until_all_is_acked().await;
        let (status, answer) = asked(ivan, &token, "GET", "/current").await;
        assert_eq!(status, 401, "{answer}");
        ivan.slack().changes(BO, json!({"deleted": false}));
        ivan.until_all_is_acked().await;
        assert_eq!(asked(ivan, &token, "GET", "/current").await.0, 200);
    })
    .await;
}

/// An unclear answer of Slack's is a refusal here as in Slack. So is none, about somebody who has changed since.
#[rstest]
#[case::empty(json!({"user": {}}))]
#[case::restricted_by_a_word(json!({"user": {"id": BO, "team_id": "T0TEAM1", "deleted": false, "is_bot": false,
    "is_restricted": "true"}}))]
#[tokio::test]
async fn a_token_is_refused_while_slack_is_not_certain_of_its_person(#[case] answer: Value) {
    ivan_test(setup(), async |ivan| {
        let token = makes_token(ivan, BO, "scripts", false).await;
        assert_eq!(asked(ivan, &token, "GET", "/current").await.0, 200);
        ivan.slack().answers_about(BO, Some(answer));
        ivan.slack().changes(BO, json!({}));
        ivan.until_all_is_acked().await;
        let (status, refused) = asked(ivan, &token, "POST", "/done").await;
        assert_eq!(status, 503, "{refused}");
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM operations"), 0);
        ivan.slack().answers_about(BO, None);
        assert_eq!(asked(ivan, &token, "GET", "/current").await.0, 200);
        let slack = ivan.slack().front();
        slack.fault(
            Fault::new(FaultKind::answer(502, ""))
                .on("GET", "users.info")
                .always(),
        );
        ivan.slack().changes(BO, json!({}));
        ivan.until_all_is_acked().await;
        assert_eq!(asked(ivan, &token, "GET", "/current").await.0, 503);
        slack.clear_faults();
        assert_eq!(asked(ivan, &token, "GET", "/current").await.0, 200);
    })
    .await;
}

/// A new token is shown and works, or it is revoked and its message says so. Its text is in no file.
#[rstest]
#[case::it_was_not_posted(FaultKind::Hang)]
#[case::it_was_posted(FaultKind::ApplyThenHang)]
#[tokio::test]
async fn a_token_that_was_not_shown_is_revoked(#[case] what: FaultKind) {
    ivan_test(setup(), async |ivan| {
        let slack = ivan.slack().front();
        slack.fault(Fault::new(what).on("POST", "chat.postMessage"));
        drop(ivan.says(ANA, "token new scripts"));
        ivan.asks(slack, "POST", "chat.postMessage", 1).await;
        let posted = slack.journal();
        let posted = posted.iter().rfind(|one| one.is("POST", "chat.postMessage"));
        let token = token_in(&posted.unwrap().body.replace('`', " "));
        for file in std::fs::read_dir(ivan.folder()).unwrap() {
            let file = file.unwrap().path();
            if let Ok(bytes) = std::fs::read(&file) {
                let found = bytes.windows(64).any(|one| one == token.as_bytes());
                assert!(!found, "{}", file.display());
            }
        }
        ivan.kill_and_restart().await;
        let lost = "✗ I restarted before I could show token `scripts`, so I revoked it. Type `token new scripts` again.";
        ivan.answer(ANA, 0)
            .until(|posted| shown(&posted.text) == lost)
            .await;
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM personal_tokens"), 0);
        assert_eq!(asked(ivan, &token, "GET", "/whoami").await.0, 401);
    })
    .await;
}

/// `ivan login`, which waits, and the code that it shows.
async fn begins_login(ivan: &Ivan, home: &Path, options: &[&str]) -> (Child, String) {
    let mut child = at_home(ivan, home)
        .args(["login", &ivan.api_url()])
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let code = line.split_whitespace().last().unwrap().to_owned();
    (child, code)
}

fn at_home(ivan: &Ivan, home: &Path) -> Command {
    let mut command = binary();
    command
        .current_dir(ivan.folder())
        .env("HOME", home)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("IVAN_CONFIG")
        .env_remove("IVAN_API_URL")
        .env_remove("IVAN_API_TOKEN")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn a_login_is_allowed_in_slack() {
    ivan_test(setup(), async |ivan| {
        let home = tempfile::tempdir().unwrap();
        let (child, code) = begins_login(ivan, home.path(), &["--name", "notebook"]).await;
        let allow = format!("token allow {}", code.to_lowercase());
        let allowed = ivan.dm(ANA, &allow).await;
        allowed.begins("✓ `notebook` now acts as you. Its login came from 127.0.0.1.");
        let output = child.wait_with_output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}");
        assert!(
            said.starts_with("✓ You are Ana at http://127.0.0.1:"),
            "{said}"
        );
        let file = home.path().join(".config/ivan/hosts.toml");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        // Later commands need neither an address nor a token.
        let current = ran(at_home(ivan, home.path()).arg("current")).await;
        assert!(current.out.starts_with("Login fails"), "{current:?}");
        let others = ran(at_home(ivan, home.path()).args(["--as", "Bo", "current"])).await;
        assert_eq!(others.exit, 1, "{others:?}");
        let done = ran(at_home(ivan, home.path()).arg("done")).await;
        assert_eq!(done.exit, 0, "{done:?}");
        let (_, log) = asked(ivan, &ivan.token(), "GET", "/log").await;
        assert_eq!(log["entries"][0]["surface"], "cli", "{log}");
        assert_eq!(log["entries"][0]["token"], "notebook", "{log}");
        // The button of the answer ends it.
        let revoked = ivan.presses(ANA, &allowed, "Revoke").answers().await;
        revoked.replies("✓ Token `notebook` is revoked. It no longer works.");
        let refused = ran(at_home(ivan, home.path()).arg("current")).await;
        assert_eq!(refused.exit, 4, "{refused:?}");
        let out = ran(at_home(ivan, home.path()).arg("logout")).await;
        assert_eq!(out.exit, 0, "{out:?}");
        assert!(!file.exists());
    })
    .await;
}

#[tokio::test]
async fn logout_revokes_and_with_token_takes_one_from_slack() {
    ivan_test(setup(), async |ivan| {
        let home = tempfile::tempdir().unwrap();
        let token = makes_token(ivan, ANA, "scripts", true).await;
        let login = async |text: &str| {
            let file = home.path().join("token");
            std::fs::write(&file, text).unwrap();
            let output = at_home(ivan, home.path())
                .args(["login", &ivan.api_url(), "--with-token"])
                .stdin(std::fs::File::open(file).unwrap())
                .output()
                .await
                .unwrap();
            (
                output.status.code(),
                String::from_utf8(output.stdout).unwrap(),
            )
        };
        let (exit, said) = login("a-token-that-is-nobodys").await;
        assert_eq!((exit, said.as_str()), (Some(4), ""));
        let (exit, said) = login(&format!("{token}\n")).await;
        assert_eq!(exit, Some(0), "{said}");
        assert!(
            said.starts_with("✓ You are Ana at") && said.contains("change nothing"),
            "{said}"
        );
        let out = ran(at_home(ivan, home.path()).args(["logout", "--json"])).await;
        assert!(out.out.contains("\"revoked\":true"), "{out:?}");
        assert_eq!(asked(ivan, &token, "GET", "/current").await.0, 401);
    })
    .await;
}

#[tokio::test]
async fn codes_cannot_be_guessed_or_used_twice() {
    ivan_test(setup(), async |ivan| {
        let begin = async |number: u8| {
            let hash = format!("sha256:{}", format!("{number:02x}").repeat(32));
            let body = json!({ "hash": hash, "name": "notebook" });
            let url = format!("{}/login", ivan.api_url());
            let answer = client().post(url).json(&body).send().await.unwrap();
            let status = answer.status().as_u16();
            let answer: Value = answer.json().await.unwrap();
            (
                status,
                answer["code"].as_str().unwrap_or_default().to_owned(),
            )
        };
        let (status, code) = begin(1).await;
        assert_eq!(status, 200);
        let allow = format!("token allow {code}");
        ivan.dm(ANA, &allow)
            .await
            .begins("✓ `notebook` now acts as you.");
        let again = format!("✗ No login waits with the code `{code}`.");
        ivan.dm(BO, &allow).await.begins(&again);
        // Ten tries, then even the right one has to wait.
        let (_, code) = begin(2).await;
        for _ in 0..9 {
            ivan.dm(BO, "token allow BBBB-BBBB")
                .await
                .begins("✗ No login waits");
        }
        let allow = format!("token allow {code}");
        ivan.dm(BO, &allow)
            .await
            .begins("✗ Those were too many wrong codes.");
        ivan.dm(ANA, &allow)
            .await
            .begins("✓ `notebook-2` now acts as you.");
        for number in 3..11 {
            assert_eq!(begin(number).await.0, 200, "{number}");
        }
        assert_eq!(begin(11).await.0, 429);
    })
    .await;
}

#[tokio::test]
async fn twenty_tokens_are_enough() {
    ivan_test(setup(), async |ivan| {
        for number in 1..=20 {
            makes_token(ivan, ANA, &format!("number-{number}"), true).await;
        }
        ivan.dm(ANA, "token new another").await.replies(
            "✗ You have 20 tokens, and more are not possible. End one first: `token revoke NAME`.",
        );
    })
    .await;
}

#[tokio::test]
async fn the_operators_list_of_tasks_needs_no_actor() {
    ivan_test(setup(), async |ivan| {
        let (status, page) = asked(ivan, &ivan.token(), "GET", "/tasks").await;
        assert_eq!(status, 200, "{page}");
        assert_eq!(page["tasks"].as_array().unwrap().len(), 2);
        let token = ivan.token();
        assert_eq!(
            asked(ivan, &token, "GET", "/tasks?filter=snoozed").await.0,
            422
        );
        let listed = ivan.cli(&["list"]).await;
        assert_eq!(listed.exit, 0, "{listed:?}");
        let line = "github:acme/widgets#1  Login fails · GitHub acme/widgets#1";
        assert!(listed.out.contains(line), "{listed:?}");
        let one = ivan.cli(&["list", "1"]).await.out;
        assert!(
            one.ends_with("There are more: add a number, up to 200\n"),
            "{one}"
        );
        assert_eq!(
            asked_as(ivan, &token, "GET", "/tasks", Some("Zoe")).await.0,
            422
        );
    })
    .await;
}
