//! The command line beside a running daemon: its output and its exit status.

use std::process::Stdio;

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

fn said(out: &str) -> Ran {
    Ran {
        exit: 0,
        out: out.to_owned(),
        err: String::new(),
    }
}

fn failed(exit: i32, err: &str) -> Ran {
    Ran {
        exit,
        out: String::new(),
        err: err.to_owned(),
    }
}

// ---------------------------------------------------------------- the verbs

#[tokio::test]
async fn done_says_what_was_done_and_what_is_next() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.cli(&["current"]).await;
        assert_eq!(
            ivan.cli(&["done"]).await,
            said("✓ Task completed in ClickUp: Renew cert\nNext: Write the runbook\n")
        );
        ivan.clickup().task("Renew cert").is("complete");
        assert_eq!(
            ivan.cli(&["done"]).await,
            said("✓ Task completed in ClickUp: Write the runbook\n")
        );
        let nothing = ivan.cli(&["done"]).await;
        assert_eq!((nothing.exit, nothing.out.as_str()), (1, ""));
        assert!(nothing.err.starts_with("✗ No current task"), "{nothing:?}");
    })
    .await;
}

/// A person who has seen no task yet completes none by accident.
#[tokio::test]
async fn the_first_done_shows_what_the_second_completes() {
    ivan_test(two_issues(), async |ivan| {
        let first = ivan.cli(&["done"]).await;
        assert_eq!(first.exit, 1);
        assert!(first.err.contains("Current now: Login fails"), "{first:?}");
        ivan.github().issue(REPO, 1).is("open");
        let second = ivan.cli(&["done"]).await;
        assert_eq!(
            second,
            said("✓ Issue closed in GitHub: Login fails\nNext: Update the docs\n")
        );
    })
    .await;
}

#[tokio::test]
async fn done_can_comment_and_name_another_task() {
    ivan_test(two_tasks(), async |ivan| {
        let listed = ivan.cli(&["list"]).await;
        assert_eq!(
            listed,
            said("1. Renew cert · ClickUp · to do\n2. Write the runbook · ClickUp · to do\n")
        );
        let done = ivan.cli(&["done", "2", "-c", "written, see wiki"]).await;
        assert_eq!(
            done,
            said(
                "✓ Task completed in ClickUp: Write the runbook, with your comment\nNext: Renew cert\n"
            )
        );
        ivan.clickup()
            .task("Write the runbook")
            .is("complete")
            .has_comments(["written, see wiki"]);
        let done = ivan.cli(&["done", "-c", "text"]).await;
        assert_eq!(
            done,
            said("✓ Task completed in ClickUp: Renew cert, with your comment\n")
        );
        ivan.clickup().task("Renew cert").has_comments(["text"]);
    })
    .await;
}

#[tokio::test]
async fn a_ref_may_be_an_id_a_number_or_an_address() {
    ivan_test(two_issues(), async |ivan| {
        let url = ivan.github().issue(REPO, 2).json()["html_url"].clone();
        for task in [
            "#2",
            "github:2",
            "github:acme/widgets#2",
            url.as_str().unwrap(),
        ] {
            let commented = ivan.cli(&["comment", &format!("on {task}: seen")]).await;
            assert_eq!(
                commented,
                said("✓ Comment added in GitHub: Update the docs\n")
            );
        }
        let issue = ivan.github().issue(REPO, 2);
        issue.has_comments(["seen", "seen", "seen", "seen"]);
        assert_eq!(ivan.cli(&["done", "#2"]).await.exit, 0);
        issue.is("closed");
    })
    .await;
}

#[tokio::test]
async fn comment_comments_on_what_is_current() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.cli(&["current"]).await;
        for args in [
            ["comment", "notes of today"].as_slice(),
            &["comment", "two", "words"],
        ] {
            assert_eq!(
                ivan.cli(args).await,
                said("✓ Comment added in ClickUp: Renew cert\n")
            );
        }
        let task = ivan.clickup().task("Renew cert");
        task.has_comments(["notes of today", "two words"])
            .is("to do");
    })
    .await;
}

#[tokio::test]
async fn create_creates_where_it_is_told() {
    ivan_test(Setup::new(), async |ivan| {
        assert_eq!(
            ivan.cli(&["create", "Buy milk"]).await.err,
            "✓ Task created in ClickUp: Buy milk\n"
        );
        ivan.clickup().task("Buy milk").is("to do");
        let created = ivan
            .cli(&[
                "create",
                "Fix login",
                "-s",
                "github",
                "-e",
                "acme",
                "-d",
                "since Monday",
            ])
            .await;
        assert_eq!(
            created.err,
            "✓ Issue created in GitHub: [CLIENT:acme] Fix login (acme/widgets#1)\n"
        );
        let issue = ivan.github().issue(REPO, 1).json();
        assert_eq!(issue["title"], "[CLIENT:acme] Fix login");
        assert!(issue["body"].as_str().unwrap().starts_with("since Monday"));
        let created = ivan.cli(&["create", "Call them", "-e", "acme"]).await;
        assert_eq!(created.exit, 0);
        assert_eq!(ivan.clickup().task("Call them").tags(), ["client:acme"]);
    })
    .await;
}

#[tokio::test]
async fn current_next_and_list_show_the_queue() {
    let setup = Setup::new()
        .clickup_tasks([json!({
            "name": "Renew cert", "tags": ["client:acme"], "status": "in review", "priority": 1,
        })])
        .github_issues([json!({"title": "Login fails"})]);
    ivan_test(setup, async |ivan| {
        let task = ivan.clickup().task("Renew cert");
        let url = task.json()["url"].as_str().unwrap().to_owned();
        let current = ivan.cli(&["current"]).await;
        assert_eq!(
            current,
            said(&format!(
                "Renew cert · ClickUp · in review\nwhy: client 1000, urgent 200, active today 1, due later or never 100\n\
                 clickup:{}  {url}\n",
                task.id()
            ))
        );
        assert_eq!(
            ivan.cli(&["next"]).await,
            said("✓ Moved on\nNext: Login fails\n")
        );
        assert_eq!(
            ivan.cli(&["list"]).await,
            said("1. Renew cert · ClickUp · in review\n2. Login fails · GitHub acme/widgets#1 · open\n")
        );
        assert_eq!(
            ivan.cli(&["list", "1"]).await,
            said("1. Renew cert · ClickUp · in review\n1 more: `ivan list 2` shows all\n")
        );
    })
    .await;
}

#[tokio::test]
async fn an_empty_queue_is_said_to_be_so() {
    ivan_test(Setup::new(), async |ivan| {
        for verb in ["current", "list"] {
            let empty = said("Your queue is empty.\n");
            assert_eq!(ivan.cli(&[verb]).await, empty, "{verb}");
        }
        let next = ivan.cli(&["next"]).await;
        assert_eq!(next, said("✓ Nothing is left in your queue\n"));
    })
    .await;
}

#[tokio::test]
async fn sync_and_status_tell_of_each_source() {
    ivan_test(two_tasks(), async |ivan| {
        assert_eq!(
            ivan.cli(&["sync"]).await,
            said("✓ ClickUp: 0 changed\n✓ GitHub: 0 changed\n")
        );
        let status = ivan.cli(&["status"]).await;
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            status,
            said(&format!(
                "ivan     {version}\nstore    writable\nSlack    connected\n\
                 ClickUp  2 tasks, synced just now\nGitHub   0 tasks, synced just now\nqueued   0 operations\n\
                 service  no commands that write in the last 7 days\n"
            ))
        );
        ivan.clickup().add_task(json!({"name": "New"}));
        ivan.github().front().down();
        let synced = ivan.cli(&["sync", "--full"]).await;
        assert_eq!((synced.exit, synced.out.as_str()), (1, "✓ ClickUp: 1 changed\n"));
        assert!(synced.err.starts_with("✗ GitHub: "), "{synced:?}");
        let status = ivan.cli(&["status"]).await;
        assert_eq!(status.exit, 0);
        let github = status.out.lines().find(|line| line.starts_with("GitHub")).unwrap();
        assert!(github.contains("; ✗ "), "{github}");
    })
    .await;
}

// ---------------------------------------------------------------- exit statuses

#[tokio::test]
async fn a_conflict_is_a_success() {
    ivan_test(two_issues(), async |ivan| {
        ivan.cli(&["current"]).await;
        ivan.github().close_as(REPO, 1, "bo");
        let done = ivan.cli(&["done"]).await;
        assert_eq!((done.exit, done.err.as_str()), (0, ""));
        assert!(
            done.out
                .starts_with("✓ Note: Login fails was already closed in GitHub, by bo")
        );
        assert!(
            done.out
                .ends_with("(completed externally)\nNext: Update the docs\n")
        );
    })
    .await;
}

#[tokio::test]
async fn what_the_source_refuses_fails_with_its_reason() {
    ivan_test(two_issues(), async |ivan| {
        ivan.github().lock_issue(REPO, 1, true);
        let commented = ivan.cli(&["comment", "on #1: hello"]).await;
        assert_eq!((commented.exit, commented.out.as_str()), (1, ""));
        let why = "✗ Comment not added: Login fails. ";
        assert!(commented.err.starts_with(why), "{commented:?}");
        assert!(commented.err.contains("locked"), "{commented:?}");
        assert_eq!(commented.err.lines().count(), 1);
    })
    .await;
}

#[rstest]
#[case::unknown_number(&["done", "7"], "✗ You haven't seen a list yet")]
#[case::no_ref(&["done", "somewhere"], "✗ `somewhere` is not a task")]
#[case::not_followed(&["done", "github:torvalds/linux#1"], "✗ I don't follow the repository torvalds/linux")]
#[case::blank(&["comment", " "], "✗ The text is empty")]
#[case::blank_title(&["create", ""], "✗ The title is empty")]
#[tokio::test]
async fn what_cannot_be_meant_is_refused(#[case] args: &[&str], #[case] why: &str) {
    ivan_test(two_tasks(), async |ivan| {
        let ran = ivan.cli(args).await;
        assert_eq!((ran.exit, ran.out.as_str()), (1, ""), "{ran:?}");
        assert!(ran.err.starts_with(why), "{ran:?}");
        assert_eq!(ivan.clickup().tasks().len(), 2);
    })
    .await;
}

#[rstest]
#[case(&["dnoe"])]
#[case(&["comment"])]
#[case(&["create"])]
#[case(&["create", "a", "-s", "jira"])]
#[case(&["list", "0"])]
#[case(&[])]
#[tokio::test]
async fn a_command_line_that_cannot_be_read_is_a_usage_error(#[case] args: &[&str]) {
    let ran = ran(binary().args(args)).await;
    assert_eq!(ran.exit, 2, "{ran:?}");
    assert!(
        ran.err.contains("Usage: ivan") || ran.err.contains("--help"),
        "{ran:?}"
    );
}

/// The source is down when the daemon is stopped: a waiting client reads that its command is queued. At the next start
/// it is done, once.
#[tokio::test]
async fn a_command_that_is_still_queued_exits_with_75() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.cli(&["current"]).await;
        ivan.clickup()
            .front()
            .fault(Fault::new(FaultKind::answer(503, "")).always());
        let typed = ivan.command(&["done", "-c", "late but done"]);
        let typed = tokio::spawn(async move {
            let mut typed = typed;
            ran(&mut typed).await
        });
        ivan.logs("operation not accepted").await;
        assert!(ivan.stop().await.success());
        let queued = typed.await.unwrap();
        assert_eq!((queued.exit, queued.err.as_str()), (75, ""));
        assert!(
            queued
                .out
                .starts_with("… Completion of Renew cert is waiting: "),
            "{queued:?}"
        );
        assert!(!queued.out.contains("here"), "{queued:?}");
        ivan.clickup().front().clear_faults();
        ivan.start().await;
        ivan.until_nothing_is_queued().await;
        ivan.clickup()
            .task("Renew cert")
            .is("complete")
            .has_comments(["late but done"]);
    })
    .await;
}

#[tokio::test]
async fn without_a_daemon_it_is_said_what_to_do() {
    ivan_test(two_tasks(), async |ivan| {
        let url = ivan.api_url();
        let asked = ivan.command(&["done"]);
        assert!(ivan.stop().await.success());
        let mut asked = asked;
        assert_eq!(
            ran(&mut asked).await,
            failed(
                3,
                &format!(
                    "✗ The Ivan daemon is not reachable at {url}: Connection refused (os error 111). Start it with \
                     `ivan serve`.\n"
                )
            )
        );
        ivan.start().await;
    })
    .await;
}

#[tokio::test]
async fn another_server_is_not_taken_for_a_daemon() {
    ivan_test(two_tasks(), async |ivan| {
        let url = ivan.clickup().api_url();
        let ran = ran(binary().args(["--api-url", &url, "--api-token", "secret", "current"])).await;
        assert_eq!((ran.exit, ran.out.as_str()), (4, ""));
        assert!(ran.err.starts_with("✗ "), "{ran:?}");
        assert!(!ran.err.contains("secret"), "{ran:?}");
    })
    .await;
}

// ---------------------------------------------------------------- JSON, and the actor

#[tokio::test]
async fn json_is_the_answer_of_the_api() {
    ivan_test(two_tasks(), async |ivan| {
        let current = ivan.cli(&["--json", "current"]).await;
        assert_eq!((current.exit, current.err.as_str()), (0, ""));
        let shown: Value = serde_json::from_str(&current.out).unwrap();
        assert_eq!((200, shown), ivan.http("GET", "/current", None).await);
        let done = ivan.cli(&["done", "--json"]).await;
        let answer: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(answer["success"], true);
        assert_eq!(answer["next_task"]["title"], "Write the runbook");
        let refused = ivan.cli(&["done", "9", "--json"]).await;
        let problem: Value = serde_json::from_str(&refused.out).unwrap();
        assert_eq!((refused.exit, &problem["status"]), (1, &json!(404)));
    })
    .await;
}

#[tokio::test]
async fn of_several_people_as_says_who_acts() {
    let setup = Setup::new()
        .clickup_tasks([
            json!({"name": "Ana's", "assignees": [ANA_CLICKUP]}),
            json!({"name": "Bo's", "assignees": [BO_CLICKUP]}),
        ])
        .people();
    ivan_test(setup, async |ivan| {
        let nobody = ivan.cli(&["current"]).await;
        assert_eq!(nobody.exit, 1);
        assert!(nobody.err.contains("--as"), "{nobody:?}");
        for (name, line) in [
            ("Bo", "Bo's · ClickUp · to do\n"),
            ("ana", "Ana's · ClickUp"),
        ] {
            let current = ivan.cli(&["current", "--as", name]).await;
            assert!(current.out.starts_with(line), "{current:?}");
        }
        let by_variable = ivan.command(&["current"]).env("IVAN_AS", "Bo").output();
        let current = String::from_utf8(by_variable.await.unwrap().stdout).unwrap();
        assert!(current.starts_with("Bo's"), "{current}");
        let done = ivan.cli(&["--as", "bo", "done"]).await;
        assert_eq!(done, said("✓ Task completed in ClickUp: Bo's\n"));
        let stranger = ivan.cli(&["--as", "Zoe", "done"]).await;
        assert_eq!(stranger.exit, 1);
        assert!(stranger.err.contains("`Zoe`"), "{stranger:?}");
        ivan.clickup().task("Ana's").is("to do");
    })
    .await;
}

// ---------------------------------------------------------------- finding the daemon

#[tokio::test]
async fn the_daemon_and_its_token_are_found_through_bot_toml() {
    ivan_test(two_tasks(), async |ivan| {
        let current = ivan.cli_at_home(&["current"]).await;
        assert_eq!(current.exit, 0, "{current:?}");
        assert!(current.out.starts_with("Renew cert"), "{current:?}");
        let done = ivan.cli_at_home(&["done"]).await;
        assert_eq!(
            done,
            said("✓ Task completed in ClickUp: Renew cert\nNext: Write the runbook\n")
        );
    })
    .await;
}

#[tokio::test]
async fn a_token_that_nobody_gave_is_made_once_and_found() {
    use std::os::unix::fs::PermissionsExt;
    let nothing_yet = two_tasks().without_token().without_a_store();
    ivan_test(nothing_yet, async |ivan| {
        for made in ["api-token", "ivan.db"] {
            let made = std::fs::metadata(ivan.folder().join(made)).unwrap();
            assert_eq!(made.permissions().mode() & 0o777, 0o600);
        }
        let path = ivan.folder().join("api-token");
        let token = ivan.token();
        assert!(token.len() >= 32, "{}", token.len());
        let current = ivan.cli_at_home(&["current"]).await;
        assert!(current.out.starts_with("Renew cert"), "{current:?}");
        assert!(!ivan.log().contains(&token), "the token is in the log");
        ivan.kill_and_restart().await;
        assert_eq!(ivan.token(), token);
        assert_eq!(ivan.cli_at_home(&["status"]).await.exit, 0);
        // Another user who cannot read it gets an error with its meaning and path.
        std::fs::remove_file(&path).unwrap();
        let without = ivan.cli_at_home(&["current"]).await;
        assert_eq!((without.exit, without.out.as_str()), (3, ""));
        assert!(
            without.err.starts_with("✗ Cannot read the API token "),
            "{without:?}"
        );
        std::fs::write(&path, "another").unwrap();
        let wrong = ivan.cli_at_home(&["current"]).await;
        assert_eq!((wrong.exit, wrong.out.as_str()), (4, ""));
        assert!(wrong.err.contains("api-token"), "{wrong:?}");
        std::fs::write(&path, token).unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_environment_names_the_daemon_too() {
    ivan_test(two_tasks(), async |ivan| {
        let output = binary()
            .arg("current")
            .current_dir("/")
            .env("IVAN_API_URL", ivan.api_url())
            .env("IVAN_API_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(
            String::from_utf8(output.stdout)
                .unwrap()
                .starts_with("Renew cert")
        );
    })
    .await;
}

#[tokio::test]
async fn without_a_configuration_it_is_said_how_to_name_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let ran = ran(binary()
        .arg("current")
        .env("XDG_CONFIG_HOME", folder.path())
        .env_remove("IVAN_CONFIG")
        .current_dir(folder.path()))
    .await;
    assert_eq!((ran.exit, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("`ivan init` makes one"), "{ran:?}");
    assert!(ran.err.contains("--api-url"), "{ran:?}");
}

#[tokio::test]
async fn a_long_list_says_how_much_of_it_is_shown() {
    let tasks: [Value; 62] = std::array::from_fn(|at| {
        let number = at + 1;
        json!({"name": format!("Task {number}"), "due_in_days": number})
    });
    let setup = Setup::new().clickup_tasks(tasks);
    ivan_test(setup, async |ivan| {
        let listed = ivan.cli(&["list"]).await.out;
        assert_eq!(listed.lines().count(), 21, "{listed}");
        let last = "42 more: `ivan list 62` shows all\n";
        assert!(listed.ends_with(last), "{listed}");
        let first = listed.lines().next().unwrap();
        assert!(
            first.starts_with(" 1. Task 1 · ClickUp · to do · due "),
            "{first}"
        );
        let all = ivan.cli(&["list", "62"]).await.out;
        assert_eq!(all.lines().count(), 62, "{all}");
        assert!(!all.contains(" more: "), "{all}");
    })
    .await;
}
