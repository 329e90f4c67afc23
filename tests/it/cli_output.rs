//! The command line's output for people, scripts, prompts and shells: JSON, expressions, addresses, colours, completions.

use serde_json::{Value, json};

use crate::harness::*;

fn with_a_client() -> Setup {
    Setup::new()
        .clickup_tasks([
            json!({"name": "Renew cert", "tags": ["client:acme"], "status": "in review"}),
        ])
        .github_issues([json!({"title": "Login fails"})])
}

#[tokio::test]
async fn json_in_a_pipe_is_one_line() {
    ivan_test(with_a_client(), async |ivan| {
        let list = ivan.cli(&["list", "--json"]).await;
        assert_eq!((list.exit, list.out.lines().count()), (0, 1), "{list:?}");
        let answer: Value = serde_json::from_str(&list.out).unwrap();
        assert_eq!((200, answer), ivan.http("GET", "/queue", None).await);
    })
    .await;
}

#[tokio::test]
async fn an_expression_selects_from_the_json() {
    ivan_test(with_a_client(), async |ivan| {
        let titles = ivan.cli(&["list", "--jq", ".tasks[].title"]).await;
        assert_eq!(titles.out, "Renew cert\nLogin fails\n");
        let count = ivan.cli(&["list", "--jq", "{n: .total}"]).await;
        assert_eq!(count.out, "{\"n\":2}\n");
        let wrong = ivan.cli(&["done", "--jq", ".tasks["]).await;
        assert_eq!((wrong.exit, wrong.out.as_str()), (2, ""));
        assert!(
            wrong.err.starts_with("✗ The expression after --jq"),
            "{wrong:?}"
        );
        ivan.clickup().task("Renew cert").is("in review");
        let refused = ivan.cli(&["done", "9", "--jq", ".title"]).await;
        assert_eq!((refused.exit, refused.out.as_str()), (1, ""));
        assert!(
            refused.err.starts_with("✗ Your last list has no number 9"),
            "{refused:?}"
        );
        let failing = ivan.cli(&["list", "--jq", ".total[0]"]).await;
        assert_eq!(failing.exit, 1);
        assert!(failing.err.starts_with("✗ --jq: "), "{failing:?}");
    })
    .await;
}

#[tokio::test]
async fn a_command_without_json_refuses_the_option() {
    for option in [["--json"].as_slice(), &["--jq", "."]] {
        let refused = ran(binary().args(["manifest"]).args(option)).await;
        assert_eq!((refused.exit, refused.out.as_str()), (2, ""));
        assert!(
            refused.err.contains("`ivan manifest` prints no JSON"),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn the_address_of_a_new_task_is_alone_in_a_pipe() {
    ivan_test(Setup::new(), async |ivan| {
        let made = ivan.cli(&["create", "Buy milk"]).await;
        let url = ivan.clickup().task("Buy milk").json()["url"].clone();
        assert_eq!(made.out, format!("{}\n", url.as_str().unwrap()));
        assert_eq!(
            (made.exit, made.err.as_str()),
            (0, "✓ Task created in ClickUp: Buy milk\n")
        );
        let url_again = ivan.cli(&["create", "Buy oats", "--jq", ".url"]).await;
        let url = ivan.clickup().task("Buy oats").json()["url"].clone();
        assert_eq!(url_again.out, format!("{}\n", url.as_str().unwrap()));
    })
    .await;
}

#[tokio::test]
async fn the_page_of_a_task_is_printed_where_nobody_sits() {
    ivan_test(with_a_client(), async |ivan| {
        let url = ivan.clickup().task("Renew cert").json()["url"].clone();
        let current = ivan.cli(&["open"]).await;
        assert_eq!(
            (current.exit, current.out),
            (0, format!("{}\n", url.as_str().unwrap()))
        );
        let issue = ivan.github().issue(REPO, 1).json()["html_url"].clone();
        let other = ivan.cli(&["open", "#1"]).await;
        assert_eq!(other.out, format!("{}\n", issue.as_str().unwrap()));
        let unknown = ivan.cli(&["open", "7"]).await;
        assert_eq!((unknown.exit, unknown.out.as_str()), (1, ""));
        ivan.cli(&["done"]).await;
        ivan.cli(&["done"]).await;
        let none = ivan.cli(&["open"]).await;
        assert_eq!((none.exit, none.out.as_str()), (1, ""));
        assert_eq!(none.err, "✗ Your queue is empty.\n");
    })
    .await;
}

#[tokio::test]
async fn a_prompt_shows_the_current_task_and_pins_nothing() {
    ivan_test(with_a_client(), async |ivan| {
        let format = "{title} · {place} · {status} · {client} {due}";
        let shown = ivan.cli(&["current", "--format", format]).await;
        assert_eq!(
            (shown.exit, shown.out.as_str()),
            (0, "Renew cert · ClickUp · in review · acme\n")
        );
        // Nobody has seen the task, so `done` shows it first.
        let first = ivan.cli(&["done"]).await;
        assert!(first.err.contains("Current now: Renew cert"), "{first:?}");
        let wrong = ivan.cli(&["current", "--format", "{titel}"]).await;
        assert_eq!(wrong.exit, 2);
        assert!(wrong.err.contains("{title}, {id}, {place}"), "{wrong:?}");
        ivan.cli(&["done"]).await;
        ivan.cli(&["done"]).await;
        let empty = ivan.cli(&["current", "--format", "{title}"]).await;
        assert_eq!(
            (empty.exit, empty.out.as_str(), empty.err.as_str()),
            (0, "", "")
        );
    })
    .await;
}

#[tokio::test]
async fn a_peek_leaves_the_numbers_of_the_last_list() {
    ivan_test(with_a_client(), async |ivan| {
        ivan.cli(&["list", "github"]).await;
        let (status, queue) = ivan.http("GET", "/queue?peek=true", None).await;
        assert_eq!((status, &queue["total"]), (200, &json!(2)));
        let why = ivan.cli(&["why", "1"]).await;
        assert!(why.out.starts_with("Login fails"), "{why:?}");
    })
    .await;
}

#[tokio::test]
async fn the_names_of_people_are_listed() {
    ivan_test(Setup::new().people(), async |ivan| {
        let (status, answer) = ivan.http("GET", "/people", None).await;
        assert_eq!(status, 200);
        let names = answer["people"].as_array().unwrap();
        assert!(names.contains(&json!({ "name": "Ana" })), "{answer}");
    })
    .await;
}

// ---------------------------------------------------------------- completion, and manual pages

/// The completions that fish gets for a line, whose last word is being typed.
async fn completions(ivan: &Ivan, line: &[&str]) -> Ran {
    ran(binary()
        .arg("--")
        .arg("ivan")
        .args(line)
        .current_dir(ivan.folder())
        .env("_IVAN_COMPLETE", "fish"))
    .await
}

#[tokio::test]
async fn a_shell_completes_tasks_and_people_of_the_daemon() {
    let setup = Setup::new()
        .github_issues([json!({"title": "Login fails"})])
        .people();
    ivan_test(setup, async |ivan| {
        let address = [
            "--api-url".to_owned(),
            ivan.api_url(),
            "--api-token".to_owned(),
            ivan.token(),
            "--as".to_owned(),
            "Ana".to_owned(),
        ];
        let line = |words: &[&str]| {
            let address = address.iter().map(String::as_str);
            address
                .chain(words.iter().copied())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let completed = async |words: &[&str]| {
            let line = line(words);
            let line: Vec<&str> = line.iter().map(String::as_str).collect();
            let completed = completions(ivan, &line).await;
            assert_eq!(
                (completed.exit, completed.err.as_str()),
                (0, ""),
                "{completed:?}"
            );
            completed.out
        };
        assert_eq!(completed(&["who"]).await.split('\t').next(), Some("whoami"));
        assert_eq!(completed(&["assign", "An"]).await, "Ana\n");
        assert_eq!(completed(&["list", "over"]).await, "overdue\n");
        let json = completed(&["done", "--js"]).await;
        assert!(json.starts_with("--json"), "{json}");
    })
    .await;
    ivan_test(with_a_client(), async |ivan| {
        let (url, token) = (ivan.api_url(), ivan.token());
        let line = ["--api-url", &url, "--api-token", &token, "done", "git"];
        let tasks = completions(ivan, &line).await;
        assert_eq!(tasks.out, "github:acme/widgets#1\tLogin fails\n");
        let rest = completions(
            ivan,
            &["--api-url", &url, "--api-token", &token, "done", "acme"],
        )
        .await;
        assert_eq!(rest.out, "acme/widgets#1\tLogin fails\n");
        // The numbers of the last list still hold.
        let numbered = ivan.cli(&["why", "1"]).await;
        assert!(numbered.err.contains("haven't seen a list"), "{numbered:?}");
    })
    .await;
}

/// Bash splits `clickup:86a` into three words, and replaces only the last.
#[tokio::test]
async fn bash_completes_an_id_after_its_colon() {
    ivan_test(with_a_client(), async |ivan| {
        let id = ivan.clickup().task("Renew cert").id().to_owned();
        let script = "source <(ivan completions bash)
            COMP_TYPE=9 COMP_CWORD=4
            COMP_WORDS=(ivan done clickup : 8)
            _ivan_complete ivan 8 :
            printf '%s\\n' \"${COMPREPLY[@]}\"";
        let folder = std::path::Path::new(env!("CARGO_BIN_EXE_ivan"))
            .parent()
            .unwrap();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let output = program("bash")
            .args(["-c", script])
            .current_dir(ivan.folder())
            .env("PATH", path)
            .env("IVAN_API_URL", ivan.api_url())
            .env("IVAN_API_TOKEN", ivan.token())
            .output();
        let output = output.await.unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            told,
            format!("{id}\n"),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    })
    .await;
}

#[tokio::test]
async fn without_a_daemon_a_completion_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let without = async |variables: &[(&str, &str)]| {
        ran(binary()
            .args(["--", "ivan", "done", ""])
            .current_dir(folder.path())
            .env("XDG_CONFIG_HOME", folder.path())
            .env_remove("IVAN_CONFIG")
            .env("_IVAN_COMPLETE", "fish")
            .envs(variables.iter().copied()))
        .await
    };
    assert_eq!(without(&[]).await.exit, 0);
    // Takes connections and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let words = [
        "--",
        "ivan",
        "--api-url",
        &url,
        "--api-token",
        "secret-secret",
        "done",
        "",
    ];
    let began = std::time::Instant::now();
    let silent = ran(binary().args(words).env("_IVAN_COMPLETE", "fish")).await;
    assert_eq!((silent.exit, silent.err.as_str()), (0, ""), "{silent:?}");
    assert!(began.elapsed() < std::time::Duration::from_secs(10));
}

#[tokio::test]
async fn every_shell_gets_a_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = ran(binary().args(["completions", shell])).await;
        assert_eq!((script.exit, script.err.as_str()), (0, ""));
        assert!(script.out.contains("_IVAN_COMPLETE"), "{script:?}");
    }
}

#[tokio::test]
async fn manual_pages_are_written_for_all_commands() {
    let folder = tempfile::tempdir().unwrap();
    let written = ran(binary().arg("man").arg(folder.path())).await;
    assert_eq!((written.exit, written.err.as_str()), (0, ""), "{written:?}");
    let pages = std::fs::read_dir(folder.path()).unwrap().count();
    let told = format!("✓ {pages} pages in {}\n", folder.path().display());
    assert_eq!(written.out, told);
    let done = std::fs::read_to_string(folder.path().join("ivan-done.1")).unwrap();
    assert!(done.contains("Tasks other than the current one"), "{done}");
    let main = ran(binary().arg("man")).await;
    assert!(main.out.starts_with(".ie"), "{main:?}");
}

// ---------------------------------------------------------------- at a terminal

#[cfg(target_os = "linux")]
mod at_a_terminal {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::demo_terminal::Terminal;

    /// The bytes that `ivan WORDS` writes to a terminal, with further variables.
    async fn shown(ivan: &Ivan, words: &[&str], variables: &[(&str, &str)]) -> String {
        let mut all = vec![
            ("IVAN_API_URL", ivan.api_url()),
            ("IVAN_API_TOKEN", ivan.token()),
        ];
        all.extend(
            variables
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let (exit, bytes) = Terminal::running(words, Some(ivan.folder()), &all)
            .ends_with_bytes()
            .await;
        assert!(exit.success(), "{bytes}");
        bytes.replace("\r\n", "\n")
    }

    const COLOURS: (&str, &str) = ("NO_COLOR", "");

    #[tokio::test]
    async fn colours_and_links_are_for_terminals() {
        ivan_test(with_a_client(), async |ivan| {
            let url = ivan.clickup().task("Renew cert").json()["url"].clone();
            let url = url.as_str().unwrap();
            let link =
                format!("\u{1b}]8;;{url}\u{1b}\\\u{1b}[1mRenew cert\u{1b}[0m\u{1b}]8;;\u{1b}\\");
            let list = shown(ivan, &["list"], &[COLOURS]).await;
            assert!(
                list.starts_with(&format!("1. {link} · ClickUp")),
                "{list:?}"
            );
            for plain in [
                [COLOURS, ("TERM", "dumb")],
                [("NO_COLOR", "1"), ("TERM", "xterm")],
            ] {
                let list = shown(ivan, &["list"], &plain).await;
                assert!(list.starts_with("1. Renew cert · ClickUp"), "{list:?}");
            }
            let piped = ivan.command(&["list"]).env("CLICOLOR_FORCE", "1").output();
            let piped = String::from_utf8(piped.await.unwrap().stdout).unwrap();
            assert!(
                piped.starts_with("1. \u{1b}[1mRenew cert\u{1b}[0m · "),
                "{piped:?}"
            );
            let done = shown(ivan, &["done", "#1"], &[COLOURS]).await;
            assert!(
                done.starts_with("\u{1b}[32m✓\u{1b}[0m Issue closed"),
                "{done:?}"
            );
        })
        .await;
    }

    #[tokio::test]
    async fn json_at_a_terminal_is_indented() {
        ivan_test(with_a_client(), async |ivan| {
            let plain = shown(ivan, &["list", "--json"], &[]).await;
            assert!(
                plain.starts_with("{\n  \"tasks\": [\n    {\n      \"number\": 1,"),
                "{plain}"
            );
            let coloured = shown(ivan, &["list", "--json"], &[COLOURS]).await;
            assert!(coloured.contains("\u{1b}["), "{coloured:?}");
        })
        .await;
    }

    #[tokio::test]
    async fn a_new_task_is_told_with_its_address_last() {
        ivan_test(Setup::new(), async |ivan| {
            let made = shown(ivan, &["create", "Buy milk"], &[]).await;
            let url = ivan.clickup().task("Buy milk").json()["url"].clone();
            let lines = format!(
                "✓ Task created in ClickUp: Buy milk\n{}\n",
                url.as_str().unwrap()
            );
            assert_eq!(made, lines);
        })
        .await;
    }

    #[tokio::test]
    async fn a_page_opens_in_the_browser() {
        ivan_test(with_a_client(), async |ivan| {
            let url = ivan.clickup().task("Renew cert").json()["url"].clone();
            let url = url.as_str().unwrap();
            let browser = ivan.folder().join("browser");
            let opened = ivan.folder().join("opened");
            let mut mkfifo = tokio::process::Command::new("mkfifo");
            let pipe = mkfifo.arg(&opened).status().await;
            assert!(pipe.unwrap().success());
            let script = format!("#!/bin/sh\necho \"$1\" > {}\n", opened.display());
            std::fs::write(&browser, script).unwrap();
            std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
            let browser = browser.to_str().unwrap();
            let line = format!("{} open; cat opened", env!("CARGO_BIN_EXE_ivan"));
            let variables = [
                ("IVAN_API_URL", ivan.api_url()),
                ("IVAN_API_TOKEN", ivan.token()),
                ("BROWSER", browser.to_owned()),
            ];
            let shell = Terminal::running_in_a_shell(&line, Some(ivan.folder()), &variables);
            let (exit, told) = shell.ends_with_bytes().await;
            assert!(exit.success(), "{told}");
            let told = told.replace("\r\n", "\n");
            assert_eq!(told, format!("Opening {url} in your browser.\n{url}\n"));
            let printed = shown(ivan, &["open", "-n"], &[("BROWSER", browser)]).await;
            assert_eq!(printed, format!("{url}\n"));
        })
        .await;
    }
}
