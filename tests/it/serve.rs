//! `ivan serve` for its operator: a configuration with mistakes, obstacles at the start, signals, and the content of
//! its log.

use std::time::{Duration, Instant};

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

// ---------------------------------------------------------------- the configuration

const FIVE_MISTAKES: &str = r#"
[slack]
app_token = "xoxb-the-wrong-one"
bot_token = "xoxb-1-2-secret"
allowed_users = ["*"]

[clickup]
token = "pk_secret"
team_id = "9001"

[github]
token = "github_pat_secret"
repo = "widgets"

[outbox]
retry_max = "a while"

[sotre]
path = "ivan.db"
"#;

/// `ivan ARGS` in a folder with this bot.toml and no other configuration.
async fn with_bot_toml(bot_toml: &str, args: &[&str], env: &[(&str, &str)]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bot.toml");
    std::fs::write(&path, bot_toml).unwrap();
    has_mode(&path, 0o600);
    ran(binary()
        .args(args)
        .envs(env.iter().copied())
        .env_remove("IVAN_CONFIG")
        .current_dir(folder.path()))
    .await
}

#[rstest]
#[case(&["serve"])]
#[case(&["config", "check"])]
#[case(&["config", "show"])]
#[tokio::test]
async fn all_mistakes_are_told_at_once(#[case] args: &[&str]) {
    let told = with_bot_toml(FIVE_MISTAKES, args, &[]).await;
    assert_eq!((told.exit, told.out.as_str()), (1, ""));
    insta::allow_duplicates! {
        insta::assert_snapshot!(told.err, @r"
        ✗ 5 errors in the configuration:
          slack.app_token: expected an app-level token (xapp-…), found a bot token (xoxb-…) (./bot.toml:3)
          clickup.list_id: missing: the list for new tasks, as its address or id (set it in ./bot.toml or IVAN__CLICKUP__LIST_ID)
          github.repo: expected a repository as owner/name, found `widgets` (./bot.toml:13)
          outbox.retry_max: expected a whole number with a unit, such as 500ms, 1s, 5m, 24h or 30d, found `a while` (./bot.toml:16)
          sotre.path: unknown key; did you mean store.path? (./bot.toml:19)
        ");
    }
    assert!(!told.err.contains("secret"), "{}", told.err);
}

#[tokio::test]
async fn a_mistake_in_a_variable_or_a_file_names_it() {
    let bot_toml = "[clickup]\nteam_id = \"9001\"\nlist_id = \"1\"\ntoken_file = \"no-such-file\"";
    let env = [("IVAN__API__BIND", "localhost"), ("IVAN__API__TOKNE", "x")];
    let told = with_bot_toml(bot_toml, &["config", "check"], &env).await;
    assert_eq!(told.exit, 1);
    insta::assert_snapshot!(told.err, @r"
    ✗ 3 errors in the configuration:
      clickup.token_file: cannot read no-such-file: No such file or directory (os error 2) (./bot.toml:4)
      api.bind: expected an IP address with a port, such as 127.0.0.1:8787, found `localhost` (environment variable IVAN__API__BIND)
      api.tokne: unknown key; did you mean api.token? (environment variable IVAN__API__TOKNE)
    ");
}

/// Without `[[people]]` all who may command share one queue, so an operator names them first.
#[rstest]
#[case::left_out("", "set it in ./bot.toml or IVAN__SLACK__ALLOWED_USERS")]
#[case::empty("slack.allowed_users = []", "./bot.toml")]
#[tokio::test]
async fn the_daemon_does_not_start_while_nobody_may_command(
    #[case] line: &str,
    #[case] place: &str,
) {
    let ivan = Setup::new().start().await;
    let all = "slack.allowed_users = [\"*\"]";
    assert!(ivan.bot_toml().contains(all));
    let bot_toml = ivan.bot_toml().replace(all, line);
    let key = |text: &str| text.starts_with("slack.allowed_users");
    let place = match bot_toml.lines().position(key) {
        Some(before) => format!("{place}:{}", before + 1),
        None => place.to_owned(),
    };
    for args in [&["serve"][..], &["config", "check"]] {
        let told = with_bot_toml(&bot_toml, args, &[]).await;
        assert_eq!((told.exit, told.out.as_str()), (1, ""));
        assert_eq!(
            told.err,
            format!(
                "✗ 1 error in the configuration:\n  slack.allowed_users: nobody may command yet; name yourself in \
                 slack.operators and add the others in Slack, or add [[people]], or list Slack ids here, or write [\"*\"] to \
                 allow every full member of the workspace. Those listed here share one queue without [[people]] ({place})\n"
            )
        );
    }
    let env = [("IVAN__SLACK__ALLOWED_USERS", "*")];
    let checked = with_bot_toml(&bot_toml, &["config", "check"], &env).await;
    assert_eq!((checked.exit, checked.err.as_str()), (0, ""));
}

#[tokio::test]
async fn a_good_configuration_is_said_to_be_so_and_shown_without_its_secrets() {
    let ivan = Setup::new().start().await;
    let checked = with_bot_toml(ivan.bot_toml(), &["config", "check"], &[]).await;
    assert_eq!((checked.exit, checked.err.as_str()), (0, ""));
    assert_eq!(
        checked.out,
        "✓ ./bot.toml is valid. Configured: Slack, ClickUp, GitHub\n"
    );
    let shown = with_bot_toml(ivan.bot_toml(), &["config", "show"], &[]).await;
    assert_eq!((shown.exit, shown.err.as_str()), (0, ""));
    assert!(shown.out.contains(REPO), "{}", shown.out);
    for secret in secrets(&ivan) {
        assert!(!shown.out.contains(&secret), "{secret}:\n{}", shown.out);
    }
}

fn has_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode_of(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_untouched_example_is_not_well_formed() {
    let example = include_str!("../../bot.toml.example");
    let checked = with_bot_toml(example, &["config", "check"], &[]).await;
    assert_eq!((checked.exit, checked.out.as_str()), (1, ""));
    insta::assert_snapshot!(checked.err, @r"
    ✗ 10 values are still from bot.toml.example; fill in your own:
      clickup.list_id
      clickup.team_id
      clickup.token
      github.repo
      github.token
      people.0.clickup
      people.0.github
      people.0.slack
      slack.app_token
      slack.bot_token
    ");
    // All but one are filled in.
    let ivan = Setup::new().start().await;
    let env = [("IVAN__CLICKUP__LIST_ID", "123456789012")];
    let checked = with_bot_toml(ivan.bot_toml(), &["config", "check"], &env).await;
    assert_eq!((checked.exit, checked.out.as_str()), (1, ""));
    assert_eq!(
        checked.err,
        "✗ 1 value is still from bot.toml.example; fill in your own:\n  clickup.list_id\n"
    );
}

/// Left open by a copy, or by an earlier umask.
#[tokio::test]
async fn its_own_files_are_made_private_and_others_are_warned_of() {
    let mut ivan = two_tasks().without_token().start().await;
    ivan.start().await;
    ivan.dm(ANA, "current").await.mentions("Renew cert");
    // A post that is under way at both ends would be set aside, with a notice.
    ivan.until_messages_are_recorded().await;
    ivan.kill().await;
    let own = [
        "ivan.db",
        "ivan.db-wal",
        "ivan.db-shm",
        "ivan.db.lock",
        "ivan.db.key",
        "api-token",
    ];
    for name in own {
        has_mode(&ivan.folder().join(name), 0o644);
    }
    let bot_toml = ivan.folder().join("bot.toml");
    has_mode(&bot_toml, 0o644);
    ivan.launch().await;
    ivan.logs("bot.toml has mode 0644, so every user of this machine can read ")
        .await;
    for name in own {
        assert_eq!(mode_of(&ivan.folder().join(name)), 0o600, "{name}");
        let told = "the file had mode 0644, so others could read it; set to 0600";
        assert_eq!(lines_with(&ivan, "WARN", told, name), 1, "{name}");
    }
    assert_eq!(mode_of(&bot_toml), 0o644, "it is not ours");
    let checked = ivan.cli_at_home(&["config", "check"]).await;
    assert_eq!(checked.exit, 0, "{checked:?}");
    assert!(checked.err.starts_with("! "), "{checked:?}");
    assert!(checked.err.contains("has mode 0644"), "{checked:?}");
    for secret in secrets(&ivan) {
        assert!(!ivan.log().contains(&secret) && !checked.err.contains(&secret));
    }
    // Private already: no warning.
    ivan.kill().await;
    has_mode(&bot_toml, 0o640);
    ivan.start().await;
    assert_eq!(
        lines_with(&ivan, "WARN", " mode 0", ""),
        0,
        "{}",
        ivan.log()
    );
    ivan.finish().await;
}

/// The number of lines of that level whose message contains these words.
fn lines_with(ivan: &Ivan, level: &str, words: &str, path: &str) -> usize {
    let log = ivan.log();
    let lines = log.lines().filter(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let message = line["fields"]["message"].as_str().unwrap();
        let is_of = path.is_empty() || line["fields"]["path"] == path;
        line["level"] == level && message.contains(words) && is_of
    });
    lines.count()
}

/// A missing list or a source that is down: one line with the reason, however often it is polled.
#[rstest]
#[case::no_such_list("clickup", "ClickUp")]
#[case::no_such_repo("github", "GitHub")]
#[case::away("away", "ClickUp")]
#[tokio::test]
async fn a_poll_that_fails_is_one_warning_with_the_reason(
    #[case] trouble: &str,
    #[case] names: &str,
) {
    let setup = two_tasks().without_waiting_for_the_first_read();
    let setup = match trouble {
        "clickup" => setup.set("clickup.list_id", "\"6-77-1\""),
        "github" => setup.set("github.repo", "\"acme/nowhere\""),
        _ => setup,
    };
    let source = if trouble == "github" {
        "github"
    } else {
        "clickup"
    };
    let mut ivan = setup.start().await;
    if trouble == "away" {
        ivan.clickup().front().down();
    }
    ivan.start().await;
    let said = format!("poll failed … failing=for less than a minute … source={source}");
    ivan.logs(&said).await;
    for _ in 0..3 {
        let (status, synced) = ivan.http("POST", "/sync", None).await;
        assert_eq!(status, 200, "{synced}");
        assert!(synced["sources"][source]["error"].is_string(), "{synced}");
    }
    let log = ivan.log();
    let told: Vec<&str> = log
        .lines()
        .filter(|line| {
            line.contains("poll failed")
                && line.contains(&format!("\"source\":\"{source}\""))
                && line.contains("WARN")
        })
        .collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    let line: Value = serde_json::from_str(told[0]).unwrap();
    assert_eq!(line["level"], "WARN");
    let error = line["fields"]["error"].as_str().unwrap();
    assert!(error.contains(names), "{error}");
    if trouble == "away" {
        ivan.clickup().front().up();
        ivan.logs("poll done after failures").await;
    }
    ivan.finish().await;
}

/// One outage: a poll meets it at the comments of a current task, the next one at the list.
#[tokio::test]
async fn an_outage_is_one_warning_wherever_polls_meet_it() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let clickup = ivan.clickup().front().clone();
        for place in ["/comment", "/list/"] {
            let met = || {
                let journal = clickup.journal();
                journal.iter().filter(|one| one.is("GET", place)).count()
            };
            let before = met();
            clickup.fault(Fault::new(FaultKind::Drop).on("GET", place).always());
            let (_, synced) = ivan.http("POST", "/sync", None).await;
            assert!(
                synced["sources"]["clickup"]["error"].is_string(),
                "{place}: {synced}"
            );
            assert!(met() > before, "{place}");
            assert_eq!(lines_with(ivan, "WARN", "poll failed", ""), 1, "{place}");
        }
        clickup.clear_faults();
        ivan.http("POST", "/sync", None).await;
        assert_eq!(lines_with(ivan, "INFO", "poll done after failures", ""), 1);
    })
    .await;
}

/// Every secret of the setup.
fn secrets(ivan: &Ivan) -> Vec<String> {
    vec![
        ivan.slack().app_token().to_owned(),
        ivan.slack().bot_token().to_owned(),
        ivan.clickup().token().to_owned(),
        ivan.github().token().to_owned(),
        TOKEN.to_owned(),
    ]
}

// ---------------------------------------------------------------- obstacles at the start

#[tokio::test]
async fn a_second_daemon_on_one_store_is_refused() {
    ivan_test(two_tasks(), async |ivan| {
        let second = ivan.another_serve(ivan.bot_toml()).await;
        assert_eq!((second.exit, second.out.as_str()), (1, ""));
        assert_eq!(
            second.err,
            "✗ the store at ivan.db: another `ivan serve` is using it; stop that one, or give this one another \
             store.path\n"
        );
        ivan.dm(ANA, "current").await.mentions("Renew cert");
    })
    .await;
}

#[tokio::test]
async fn a_second_daemon_with_the_same_slack_app_is_refused() {
    ivan_test(two_tasks(), async |ivan| {
        let bot_toml = ivan.bot_toml().replace("\"ivan.db\"", "\"second.db\"");
        let second = ivan.another_serve(&bot_toml).await;
        assert_eq!((second.exit, second.out.as_str()), (1, ""));
        let last = second.err.lines().last().unwrap();
        assert_eq!(second.err.matches("another daemon uses").count(), 1);
        assert!(
            last.contains("another daemon uses this Slack app token"),
            "{}",
            second.err
        );
        assert_eq!(
            ivan.slack().links(),
            1,
            "the first one's link is left alone"
        );
        ivan.dm(ANA, "current").await.mentions("Renew cert");
    })
    .await;
}

#[tokio::test]
async fn a_port_that_is_in_use_is_named() {
    ivan_test(Setup::new(), async |ivan| {
        let taken = ivan.api_url().replace("http://", "");
        let bot_toml = ivan
            .bot_toml()
            .replace(
                "api.bind = \"127.0.0.1:0\"",
                &format!("api.bind = \"{taken}\""),
            )
            .replace("\"ivan.db\"", "\"second.db\"");
        let second = ivan.another_serve(&bot_toml).await;
        assert_eq!((second.exit, second.out.as_str()), (1, ""));
        let why = format!("✗ The API cannot listen on {taken} (api.bind): Address already in use");
        assert!(second.err.starts_with(&why), "{}", second.err);
    })
    .await;
}

#[rstest]
#[case::no_folder("missing/ivan.db")]
#[case::a_file_for_a_folder("bot.toml/ivan.db")]
#[case::a_folder(".")]
#[tokio::test]
async fn a_store_that_cannot_be_written_is_named(#[case] path: &str) {
    let ivan = Setup::new().start().await;
    let bot_toml = ivan
        .bot_toml()
        .replace("\"ivan.db\"", &format!("\"{path}\""));
    let refused = ivan.another_serve(&bot_toml).await;
    assert_eq!((refused.exit, refused.out.as_str()), (1, ""));
    let why = format!("✗ the store at {path}: ");
    assert!(refused.err.starts_with(&why), "{}", refused.err);
    assert_eq!(refused.err.lines().count(), 1, "{}", refused.err);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let ivan = Setup::new().start().await;
    let path = ivan.folder().join("ivan.db");
    let text = "not a database at all, but somebody's notes. ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let refused = ivan.another_serve(ivan.bot_toml()).await;
    assert_eq!(refused.exit, 1);
    assert!(
        refused.err.contains("file is not a database"),
        "{}",
        refused.err
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let mut ivan = Setup::new().start().await;
    ivan.start().await;
    assert!(ivan.stop().await.success());
    let store = rusqlite::Connection::open(ivan.folder().join("ivan.db")).unwrap();
    store.pragma_update(None, "user_version", 4000).unwrap();
    let refused = ivan.another_serve(ivan.bot_toml()).await;
    assert_eq!((refused.exit, refused.out.as_str()), (1, ""));
    assert!(refused.err.contains("newer Ivan"), "{}", refused.err);
    assert!(refused.err.contains("4000"), "{}", refused.err);
    let version: i64 = store
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 4000);
}

#[tokio::test]
async fn a_database_from_before_the_first_release_is_refused_and_left_alone() {
    let mut ivan = Setup::new().start().await;
    ivan.start().await;
    assert!(ivan.stop().await.success());
    let store = rusqlite::Connection::open(ivan.folder().join("ivan.db")).unwrap();
    // Its schema had 31 steps, and no mark of its owner.
    store.pragma_update(None, "user_version", 31).unwrap();
    store.pragma_update(None, "application_id", 0).unwrap();
    let refused = ivan.another_serve(ivan.bot_toml()).await;
    assert_eq!((refused.exit, refused.out.as_str()), (1, ""));
    for words in [
        "ivan.db",
        "before the first release",
        "set another store.path",
    ] {
        assert!(refused.err.contains(words), "{}", refused.err);
    }
    let version: i64 = store
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 31);
}

// ---------------------------------------------------------------- signals

/// Work under way at the signal is finished, with its answer.
#[rstest]
#[case("-TERM")]
#[case("-INT")]
#[case("-QUIT")]
#[tokio::test]
async fn a_signal_ends_it_with_0_after_what_is_under_way(#[case] signal: &str) {
    let mut ivan = two_tasks().start().await;
    ivan.start().await;
    ivan.dm(ANA, "current").await.mentions("Renew cert");
    let front = ivan.clickup().front().clone();
    front.fault(Fault::new(FaultKind::Delay(Duration::from_millis(400))).on("PUT", "/task/"));
    let asked = ivan.says(ANA, "done");
    let under_way = front.until(|journal| journal.iter().any(|seen| seen.is("PUT", "/task/")));
    ivan.within("the write is under way", under_way).await;
    ivan.signal(signal).await;
    let answer = asked.settles().await;
    answer.replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
    let status = ivan.ends().await;
    assert!(status.success(), "{status}");
    ivan.clickup().task("Renew cert").is("complete");
    let writes = front.journal();
    assert_eq!(writes.iter().filter(|seen| seen.method == "PUT").count(), 1);
    ivan.start().await;
    ivan.finish().await;
}

/// All of these would end a process by default. The daemon logs them, and goes on.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_signal_without_a_meaning_ends_it() {
    ivan_test(two_tasks(), async |ivan| {
        for name in [
            "USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "STKFLT", "XCPU", "XFSZ",
            "TRAP", "SYS",
        ] {
            let signal = format!("-{name}");
            ivan.signal(&signal).await;
            // The second is ignored, too.
            ivan.signal(&signal).await;
            ivan.logs(&format!("signal ignored signal=SIG{name}")).await;
        }
        for number in [34, 50, 64] {
            ivan.signal(&format!("-{number}")).await;
            ivan.logs(&format!("signal ignored signal=signal {number}"))
                .await;
        }
        ivan.dm(ANA, "current").await.mentions("Renew cert");
    })
    .await;
}

/// A source that never answers does not delay the end; the write's outcome is found out at the next start.
#[tokio::test]
async fn a_source_that_hangs_does_not_hold_the_end_up() {
    let mut ivan = two_tasks().start().await;
    ivan.start().await;
    ivan.dm(ANA, "current").await.mentions("Renew cert");
    let front = ivan.clickup().front().clone();
    front.fault(Fault::new(FaultKind::ApplyThenHang).on("POST", "/comment"));
    ivan.says(ANA, "comment shipped");
    let under_way = front.until(|journal| journal.iter().any(|seen| seen.is("POST", "/comment")));
    ivan.within("the write is under way", under_way).await;
    let begun = Instant::now();
    assert!(ivan.stop().await.success());
    let took = begun.elapsed();
    // 10 s for work under way, and the delays of a busy machine.
    assert!(took < Duration::from_secs(20), "it took {took:?}");
    ivan.start().await;
    let channel = ivan.slack().dm(ANA);
    let answered = ivan.slack().until(|slack| {
        let said = slack.bot_messages(&channel);
        said.last().is_some_and(|last| last.text.starts_with('✓'))
    });
    ivan.within("the outcome is told", answered).await;
    ivan.clickup().task("Renew cert").has_comments(["shipped"]);
    ivan.finish().await;
}

/// A store of the version before is brought up to date, and the log says so.
#[tokio::test]
async fn a_store_of_an_earlier_version_is_migrated_and_the_log_says_so() {
    let mut ivan = two_tasks().without_a_store().start().await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let newest = files.len();
    files.pop();
    let store = ivan.store();
    for file in &files {
        let sql = std::fs::read_to_string(file).unwrap();
        store.execute_batch(&sql).unwrap();
    }
    let application = 0x4976_616e;
    store
        .execute_batch(&format!(
            "PRAGMA application_id = {application}; PRAGMA user_version = {}",
            files.len()
        ))
        .unwrap();
    drop(store);
    ivan.start().await;
    let from = files.len();
    ivan.logs(&format!("migrating the store from={from} to={newest}"))
        .await;
    ivan.logs("store migrated").await;
    ivan.dm(ANA, "current").await.mentions("Renew cert");
    ivan.finish().await;
}

/// What systemd reads of a service of `Type=notify`.
#[tokio::test]
async fn systemd_is_told_what_it_needs() {
    let mut ivan = two_tasks().start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let mut told = Vec::new();
    let mut until = async |ivan: &Ivan, line: &str| {
        let comes = async {
            let mut message = [0; 1024];
            while !told.iter().any(|one| one == line) {
                let read = socket.recv(&mut message).await.unwrap();
                let text = std::str::from_utf8(&message[..read]).unwrap();
                told.extend(text.lines().map(str::to_owned));
            }
            told.clear();
        };
        ivan.within(line, comes).await;
    };
    ivan.env("NOTIFY_SOCKET", path.as_path());
    ivan.env("WATCHDOG_USEC", "300000");
    ivan.start().await;
    until(&ivan, "READY=1").await;
    until(&ivan, "STATUS=ready; connected to Slack").await;
    until(&ivan, "WATCHDOG=1").await;
    until(&ivan, "WATCHDOG=1").await;
    ivan.forgive("cannot connect to Slack");
    ivan.slack().front().down();
    for link in ivan.slack().link_ids() {
        ivan.slack().cut_link(link);
    }
    let mut news = String::new();
    let comes = async {
        let mut message = [0; 1024];
        while !news.contains("STATUS=Slack: ") {
            let read = socket.recv(&mut message).await.unwrap();
            news = String::from_utf8(message[..read].to_vec()).unwrap();
        }
    };
    ivan.within("Slack is away", comes).await;
    ivan.slack().front().up();
    until(&ivan, "STATUS=ready; connected to Slack").await;
    assert!(ivan.stop().await.success());
    until(&ivan, "STOPPING=1").await;
    ivan.start().await;
    ivan.finish().await;
}

/// As a container or a monitor asks: by the exit status, and without a token.
#[tokio::test]
async fn a_health_check_tells_running_from_ready_and_from_gone() {
    let mut ivan = two_tasks().start().await;
    ivan.start().await;
    let url = ivan.api_url();
    let ask = |words: &'static [&'static str]| {
        let mut command = binary();
        command.args(words).args(["--api-url", &url]);
        async move { ran(&mut command).await }
    };
    let well = ask(&["healthcheck"]).await;
    assert_eq!((well.exit, well.out.as_str()), (0, "running\n"), "{well:?}");
    let ready = ask(&["healthcheck", "--ready"]).await;
    assert_eq!(
        (ready.exit, ready.out.as_str()),
        (0, "ready\n"),
        "{ready:?}"
    );

    ivan.slack().front().down();
    let noticed = async {
        // The daemon notices its closed socket only when the kernel reports it.
        while ivan.http("GET", "/readyz", None).await.0 == 200 {
            tokio::task::yield_now().await;
        }
    };
    ivan.within("it is not ready", noticed).await;
    let unready = ask(&["healthcheck", "--ready"]).await;
    assert_eq!((unready.exit, unready.out.as_str()), (1, ""), "{unready:?}");
    let why = "is not ready: Slack is not connected; see `ivan status`";
    assert!(unready.err.contains(why), "{unready:?}");
    assert_eq!(ask(&["healthcheck"]).await.exit, 0, "it runs without Slack");

    ivan.slack().front().up();
    ivan.kill().await;
    let gone = ask(&["healthcheck"]).await;
    assert_eq!(gone.exit, 3, "{gone:?}");
    let why = "The Ivan daemon is not reachable at http://127.0.0.1:";
    assert!(gone.err.contains(why), "{gone:?}");
}

// ---------------------------------------------------------------- with less configured

#[tokio::test]
async fn without_slack_the_api_and_the_command_line_do_all() {
    ivan_test(two_tasks().without_slack(), async |ivan| {
        let (status, ready) = ivan.http("GET", "/readyz", None).await;
        assert_eq!((status, &ready["slack"]), (200, &Value::Null));
        ivan.http("GET", "/current", None).await;
        let (status, answer) = ivan.http("POST", "/done", None).await;
        assert_eq!((status, &answer["success"]), (200, &json!(true)));
        assert_eq!(ivan.slack().front().journal(), []);
        let status = ivan.cli(&["status"]).await;
        assert!(
            status.out.contains("Slack    not configured\n"),
            "{status:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn without_github_there_is_clickup() {
    ivan_test(two_tasks().without_github(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let answer = ivan.dm(ANA, "create Fix login -s github").await;
        answer.mentions("✗ GitHub is not connected");
        let (status, problem) = ivan.http("POST", "/tasks/github:1/complete", None).await;
        assert_eq!(status, 422, "{problem}");
        let (_, ready) = ivan.http("GET", "/readyz", None).await;
        assert_eq!(
            ready["sources"],
            json!({ "clickup": { "synced": true, "ok": true } })
        );
        assert_eq!(ivan.github().front().journal(), []);
    })
    .await;
}

#[tokio::test]
async fn without_clickup_what_is_created_goes_to_github() {
    ivan_test(two_issues().without_clickup(), async |ivan| {
        ivan.dm(ANA, "create Fix login")
            .await
            .replies("✓ Issue created in GitHub: Fix login (acme/widgets#3)");
        let (status, problem) = ivan.http("POST", "/tasks/clickup:86a/complete", None).await;
        assert_eq!(status, 422, "{problem}");
        assert_eq!(ivan.clickup().front().journal(), []);
    })
    .await;
}

// ---------------------------------------------------------------- the log

#[tokio::test]
async fn json_logs_are_one_object_a_line() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done").await;
        for line in ivan.log().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["fields"]["message"].is_string(), "{line}");
            assert!(line["timestamp"].is_string(), "{line}");
            assert!(line["level"].is_string(), "{line}");
        }
    })
    .await;
}

/// A log in a file has no colours. This daemon ends by itself after it has logged something: another one has its Slack
/// app.
#[tokio::test]
async fn pretty_logs_are_plain_lines() {
    ivan_test(Setup::new(), async |ivan| {
        let bot_toml = ivan
            .bot_toml()
            .replace("\"json\"", "\"pretty\"")
            .replace("\"ivan.db\"", "\"second.db\"");
        let log = ivan.another_serve(&bot_toml).await.err;
        let first = log.lines().next().unwrap();
        assert!(first.contains("  INFO started version="), "{log}");
        assert!(!log.contains('\u{1b}'), "{log}");
    })
    .await;
}

const COMMENT: &str = "the-words-of-a-comment";
const TITLE: &str = "the-words-of-a-title";
const DESCRIPTION: &str = "the-words-of-a-description";

/// Commands that work, are refused, fail and are unreadable, from each surface.
async fn a_busy_session(ivan: &mut Ivan) {
    ivan.dm(ANA, "current").await;
    ivan.dm(ANA, &format!("comment {COMMENT}")).await;
    ivan.dm(ANA, &format!("create {TITLE}\n{DESCRIPTION}"))
        .await;
    ivan.dm(ANA, &format!("{COMMENT} nobody understands")).await;
    ivan.says_in("general", BO, &format!("create {TITLE} -s github -e acme"))
        .settles()
        .await;
    let asked = ivan.says(ANA, "help");
    let ts = asked.ts.clone();
    asked.settles().await;
    ivan.is_silent_after(ANA, |slack, channel| {
        slack.edits(ANA, channel, &ts, COMMENT)
    })
    .await;
    ivan.clickup()
        .front()
        .fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/comment"));
    ivan.dm(ANA, &format!("comment {COMMENT}-again")).await;
    ivan.clickup().front().fault(
        Fault::new(FaultKind::answer(400, r#"{"err": "Task name invalid"}"#)).on("POST", "/task"),
    );
    ivan.dm(ANA, &format!("create {TITLE}-refused")).await;
    let body = json!({ "title": TITLE, "description": DESCRIPTION });
    ivan.http("POST", "/tasks", Some(body)).await;
    ivan.http("POST", "/tasks", Some(json!({ "titel": TITLE })))
        .await;
    ivan.http("GET", &format!("/tasks/{COMMENT}"), None).await;
    client()
        .get(format!("{}/current", ivan.api_url()))
        .bearer_auth("a-wrong-token-somebody-tried")
        .send()
        .await
        .unwrap();
    ivan.cli(&["comment", COMMENT]).await;
    ivan.dm(ANA, "done").await;
    ivan.slack().disconnect("refresh_requested");
    ivan.dm(ANA, "list").await;
}

#[rstest]
#[case("debug")]
#[case("trace")]
#[tokio::test]
async fn no_secret_is_ever_logged(#[case] level: &str) {
    let setup = two_tasks().set("log.level", &format!("\"{level}\""));
    ivan_test(setup, async |ivan| {
        a_busy_session(ivan).await;
        let log = ivan.log();
        assert!(log.contains("\"DEBUG\""), "nothing is logged at {level}");
        for secret in secrets(ivan) {
            assert!(!log.contains(&secret), "{secret} is in the log:\n{log}");
        }
        for hint in ["ticket=", "a-wrong-token-somebody-tried", "Bearer "] {
            let line = log.lines().find(|line| line.contains(hint));
            assert!(line.is_none(), "{hint} is in the log: {line:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_that_a_person_wrote_is_logged_at_info_but_titles_of_tasks() {
    ivan_test(two_tasks(), async |ivan| {
        a_busy_session(ivan).await;
        let log = ivan.log();
        for words in [COMMENT, TITLE, DESCRIPTION] {
            let is_told = |line: &&str| line.contains(words) && !line.contains("created \\\"");
            let line = log.lines().find(is_told);
            assert!(line.is_none(), "{words} is in the log: {line:?}");
        }
        assert!(
            log.contains(&format!("created \\\"{TITLE}\\\" in clickup")),
            "{log}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_slack_that_does_not_answer_at_the_start_is_waited_for_without_alarm() {
    let mut ivan = two_tasks().start().await;
    let front = ivan.slack().front();
    front.fault(Fault::new(FaultKind::Drop).on("GET", "auth.test"));
    ivan.start().await;
    ivan.logs("cannot reach Slack (auth.test); retrying").await;
    // An `error!` in the log would end this story.
    ivan.dm(ANA, "status").await;
    ivan.finish().await;
}
