//! `ivan doctor` finds planted faults, and each remedy that it names works: afterwards all is well.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::*;
use crate::recovery::is_suspended;
use crate::set_aside::{a_comment_ends_it_twice, retries};

const PUBLIC: &str = "https://bot.example";

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// What `ivan doctor --json` said.
struct Checkup {
    exit: i32,
    report: Value,
}

impl Checkup {
    /// The finding that has to be mended.
    fn finding(&self, check: &str) -> Option<&Value> {
        let findings = self.report["findings"].as_array().unwrap();
        findings.iter().find(|finding| {
            finding["check"] == check
                && ["warning", "broken"].contains(&finding["level"].as_str().unwrap())
        })
    }

    /// Checks that a fault was found, with its reason and its remedy.
    #[track_caller]
    fn finds(&self, check: &str, words: &str) -> &Checkup {
        let found = self.finding(check);
        let found = found.unwrap_or_else(|| panic!("no {check} in {:#}", self.report));
        assert!(found["text"].as_str().unwrap().contains(words), "{found:#}");
        assert!(
            found["why"].is_string() && found["remedy"].is_string(),
            "{found:#}"
        );
        assert_eq!((self.exit, &self.report["well"]), (1, &json!(false)));
        self
    }

    #[track_caller]
    fn is_well(&self) {
        assert_eq!(
            (self.exit, &self.report["well"]),
            (0, &json!(true)),
            "{:#}",
            self.report
        );
    }
}

/// A configuration with which all is well, beside a sandbox. No daemon runs.
struct Bench {
    ivan: Ivan,
    toml: String,
}

impl Bench {
    async fn new() -> Bench {
        Bench::of(Setup::new().people()).await
    }

    async fn of(setup: Setup) -> Bench {
        let ivan = setup.start().await;
        ivan.github().add_label(REPO, "in progress");
        // The address of no daemon.
        let toml = ivan
            .bot_toml()
            .replace("api.bind = \"127.0.0.1:0\"", "api.bind = \"127.0.0.1:1\"");
        let bench = Bench { ivan, toml };
        bench.writes(&bench.toml.clone());
        set_mode(&bench.file("ivan.db"), 0o600);
        bench
    }

    fn file(&self, name: &str) -> PathBuf {
        self.ivan.folder().join(name)
    }

    fn writes(&self, toml: &str) {
        std::fs::write(self.file("bot.toml"), toml).unwrap();
        set_mode(&self.file("bot.toml"), 0o600);
    }

    /// The configuration with another value of a key that it sets.
    fn with(&self, key: &str, value: &str) -> String {
        let lines = self
            .toml
            .lines()
            .map(|line| match line.starts_with(&format!("{key} =")) {
                true => format!("{key} = {value}"),
                false => line.to_owned(),
            });
        let changed = lines.collect::<Vec<_>>().join("\n");
        assert_ne!(changed, self.toml, "the configuration sets {key}");
        changed
    }

    /// The configuration with a line of its own. It goes first: later lines belong to a section.
    fn and(&self, line: &str) -> String {
        format!("{line}\n{}", self.toml)
    }

    async fn doctor(&self, args: &[&str]) -> Checkup {
        let mut command = binary();
        command.args(["doctor", "--json"]).args(args);
        command.current_dir(self.ivan.folder());
        let found = checkup(&mut command).await;
        self.ivan.shows("ivan doctor", &found.report.to_string());
        found
    }

    /// Plants a fault by another configuration; the right one is the remedy.
    async fn finds_in(&self, toml: &str, check: &str, words: &str) {
        self.doctor(&[]).await.is_well();
        self.writes(toml);
        self.doctor(&[]).await.finds(check, words);
        self.writes(&self.toml);
        self.doctor(&[]).await.is_well();
    }

    /// Plants a fault outside, and then its remedy.
    async fn finds_after(
        &self,
        fault: impl Fn(&Ivan),
        check: &str,
        words: &str,
        remedy: impl Fn(&Ivan),
    ) {
        self.doctor(&[]).await.is_well();
        fault(&self.ivan);
        self.doctor(&[]).await.finds(check, words);
        remedy(&self.ivan);
        self.doctor(&[]).await.is_well();
    }
}

async fn checkup(command: &mut Command) -> Checkup {
    let ran = ran(command).await;
    let report = serde_json::from_str(&ran.out);
    let report = report.unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    Checkup {
        exit: ran.exit,
        report,
    }
}

// ---------------------------------------------------------------- the configuration

#[rstest]
#[case::the_example(
    "github.token",
    "\"github_pat_0123456789abcdef\"",
    "config.example",
    "github.token still has the value of bot.toml.example (./bot.toml:"
)]
#[case::quotes(
    "slack.bot_token",
    "\"'xoxb-1-1-abc'\"",
    "config.mistake",
    "(./bot.toml:"
)]
#[case::rotated(
    "slack.bot_token",
    "\"xoxe.xoxb-1-abc\"",
    "config.mistake",
    "token rotation"
)]
#[case::other_kind(
    "slack.app_token",
    "\"xoxb-1-1-abc\"",
    "config.mistake",
    "expected an app-level token"
)]
#[case::view_of_a_list(
    "clickup.list_id",
    "\"8cdu22c-913\"",
    "config.mistake",
    "is the id of a view"
)]
#[case::workspace_as_list(
    "clickup.list_id",
    "\"9001\"",
    "config.list_id",
    "9001 is the workspace's id"
)]
#[case::unknown_list("clickup.list_id", "\"6\"", "clickup.list", "does not see the list 6")]
#[case::other_workspace(
    "clickup.team_id",
    "\"9002\"",
    "clickup.workspace",
    "does not see the workspace 9002"
)]
#[case::wrong_slack_token(
    "slack.bot_token",
    "\"xoxb-1-1-of-nobody\"",
    "slack.bot_token",
    "Slack does not accept the token"
)]
#[case::wrong_app_token(
    "slack.app_token",
    "\"xapp-1-A0APP1-1-of-nobody\"",
    "slack.app_token",
    "Slack does not accept the token"
)]
#[case::wrong_clickup_token(
    "clickup.token",
    "\"pk_1_OFNOBODY\"",
    "clickup.token",
    "ClickUp does not accept the token"
)]
#[case::wrong_github_token(
    "github.token",
    "\"github_pat_of_nobody\"",
    "github.token",
    "GitHub does not accept the token"
)]
#[case::unreachable(
    "github.api_url",
    "\"http://127.0.0.1:1\"",
    "github.token",
    "GitHub cannot be asked"
)]
#[case::unknown_repository(
    "github.repo",
    "\"acme/gone\"",
    "github.repository",
    "does not see the repository acme/gone"
)]
#[tokio::test]
async fn a_wrong_value_is_found(
    #[case] key: &str,
    #[case] value: &str,
    #[case] check: &str,
    #[case] words: &str,
) {
    let bench = Bench::new().await;
    bench.finds_in(&bench.with(key, value), check, words).await;
}

#[rstest]
#[case::absent_status(
    "clickup.complete_status = \"sold\"",
    "clickup.complete_status",
    "has no status `sold`"
)]
#[case::absent_status_of_start(
    "clickup.in_progress_status = \"cooking\"",
    "clickup.in_progress_status",
    "has no status `cooking`"
)]
#[case::absent_label(
    "github.in_progress_label = \"cooking\"",
    "github.label",
    "has no label `cooking`"
)]
#[case::every_network("webhooks.bind = \"0.0.0.0:18788\"", "config.risk", "every network")]
#[tokio::test]
async fn a_wrong_line_is_found(#[case] line: &str, #[case] check: &str, #[case] words: &str) {
    let bench = Bench::new().await;
    let toml = match line.split_once(" =").unwrap().0 {
        "webhooks.bind" => bench.with("webhooks.bind", "\"0.0.0.0:18788\""),
        _ => bench.and(line),
    };
    bench.finds_in(&toml, check, words).await;
}

#[tokio::test]
async fn a_channel_without_ivan_is_found() {
    let bench = Bench::new().await;
    let channel = bench.ivan.slack().channel("random");
    let toml = format!(
        "{}\n[[slack.channels]]\nid = \"{channel}\"\nsource = \"github\"\n",
        bench.toml
    );
    bench.finds_in(&toml, "slack.channel", &channel).await;
}

#[tokio::test]
async fn a_file_that_others_can_read_is_found_and_fixed() {
    let bench = Bench::new().await;
    for (file, check) in [("bot.toml", "config.mode"), ("ivan.db", "store.mode")] {
        bench.doctor(&[]).await.is_well();
        set_mode(&bench.file(file), 0o644);
        bench.doctor(&[]).await.finds(check, "has mode 0644");
        let fixed = bench.doctor(&["--fix"]).await;
        fixed.is_well();
        assert!(
            fixed.report["mended"][0]
                .as_str()
                .unwrap()
                .ends_with("has mode 0600")
        );
        let mode = std::fs::metadata(bench.file(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn without_a_configuration_its_absence_is_the_report() {
    let bench = Bench::new().await;
    std::fs::remove_file(bench.file("bot.toml")).unwrap();
    bench
        .doctor(&[])
        .await
        .finds("config.mistake", "no bot.toml found");
}

// ---------------------------------------------------------------- the services

#[tokio::test]
async fn a_scope_too_few_and_a_scope_too_many_are_found() {
    let bench = Bench::new().await;
    bench
        .finds_after(
            |ivan| ivan.slack().revoke_scope("chat:write"),
            "slack.scope_missing",
            "lacks the scope chat:write",
            |ivan| ivan.slack().grant_scope("chat:write"),
        )
        .await;
    bench
        .finds_after(
            |ivan| ivan.slack().grant_scope("pins:write"),
            "slack.scope_surplus",
            "pins:write",
            |ivan| ivan.slack().revoke_scope("pins:write"),
        )
        .await;
}

#[tokio::test]
async fn a_token_that_was_revoked_or_ends_soon_is_found() {
    let bench = Bench::new().await;
    bench
        .finds_after(
            |ivan| ivan.clickup().revoke_token(),
            "clickup.token",
            "does not accept the token",
            |ivan| ivan.clickup().accept_token(),
        )
        .await;
    bench
        .finds_after(
            |ivan| {
                ivan.github()
                    .token_expires_in(Some(std::time::Duration::from_secs(86_400)))
            },
            "github.token_end",
            "The token ends on",
            |ivan| ivan.github().token_expires_in(None),
        )
        .await;
}

#[tokio::test]
async fn an_archived_list_is_found() {
    let bench = Bench::new().await;
    bench
        .finds_after(
            |ivan| ivan.clickup().archive_list(ivan.clickup().list_id(), true),
            "clickup.list_archived",
            "The list Inbox",
            |ivan| ivan.clickup().archive_list(ivan.clickup().list_id(), false),
        )
        .await;
}

#[tokio::test]
async fn a_repository_without_the_rights_or_archived_is_found() {
    let bench = Bench::new().await;
    bench
        .finds_after(
            |ivan| ivan.github().permit(REPO, false, false),
            "github.repository_rights",
            "may not change issues in acme/widgets",
            |ivan| ivan.github().permit(REPO, true, true),
        )
        .await;
    bench
        .finds_after(
            |ivan| ivan.github().archive_repo(REPO, true),
            "github.repository_archived",
            "acme/widgets is archived",
            |ivan| ivan.github().archive_repo(REPO, false),
        )
        .await;
    bench
        .finds_after(
            |ivan| ivan.github().enable_issues(REPO, false),
            "github.issues_off",
            "Issues are turned off",
            |ivan| ivan.github().enable_issues(REPO, true),
        )
        .await;
}

/// A fine-grained token may read issues and not write them: only a refused write tells that, with `--live`.
#[tokio::test]
async fn a_token_that_only_reads_is_found_by_a_live_check() {
    let bench = Bench::new().await;
    let before = bench.ivan.github().issues(REPO).len();
    bench.doctor(&["--live"]).await.is_well();
    assert_eq!(bench.ivan.github().issues(REPO).len(), before);
    let body = r#"{"message":"Resource not accessible by personal access token"}"#;
    let front = bench.ivan.github().front();
    front.fault(
        Fault::new(FaultKind::answer(403, body))
            .on("POST", "/issues")
            .always(),
    );
    bench.doctor(&[]).await.is_well();
    let found = bench.doctor(&["--live"]).await;
    found.finds(
        "github.issues_write",
        "Issues of acme/widgets cannot be written",
    );
    front.clear_faults();
    bench.doctor(&["--live"]).await.is_well();
}

#[tokio::test]
async fn a_rate_limit_that_is_nearly_used_up_is_found() {
    let bench = Bench::new().await;
    bench
        .finds_after(
            |ivan| ivan.github().rate_limit(100),
            "github.rate_limit",
            "of 5000 requests are left",
            |ivan| ivan.github().rate_limit(5_000),
        )
        .await;
}

#[tokio::test]
async fn a_clock_that_is_off_is_found() {
    let bench = Bench::new().await;
    for (by_ms, words) in [
        (600_000, "behind GitHub's"),
        (-120_000, "ahead of GitHub's"),
    ] {
        bench.doctor(&[]).await.is_well();
        bench.ivan.github().clock_is_ahead(by_ms);
        bench.doctor(&[]).await.finds("clock.skew", words);
        bench.ivan.github().clock_is_ahead(0);
        bench.doctor(&[]).await.is_well();
    }
}

// ---------------------------------------------------------------- the store

#[tokio::test]
async fn a_damaged_store_is_found() {
    let bench = Bench::new().await;
    bench.doctor(&[]).await.is_well();
    let path = bench.file("ivan.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // The pages behind the header.
    for byte in bytes.iter_mut().skip(4_096).take(16_384) {
        *byte = 0x5a;
    }
    std::fs::write(&path, &bytes).unwrap();
    bench
        .doctor(&[])
        .await
        .finds("store.integrity", "is damaged");
    std::fs::rename(&path, bench.file("damaged.db")).unwrap();
    bench.doctor(&[]).await.is_well();
}

#[tokio::test]
async fn a_file_that_is_no_store_is_found() {
    let bench = Bench::new().await;
    std::fs::write(bench.file("ivan.db"), "tasks of all people, in words").unwrap();
    bench
        .doctor(&[])
        .await
        .finds("store.readable", "cannot be opened");
    std::fs::remove_file(bench.file("ivan.db")).unwrap();
    bench.doctor(&[]).await.is_well();
}

#[tokio::test]
async fn a_store_of_a_newer_ivan_is_found() {
    let bench = Bench::new().await;
    let backup = std::fs::read(bench.file("ivan.db")).unwrap();
    let store = rusqlite::Connection::open(bench.file("ivan.db")).unwrap();
    store.pragma_update(None, "user_version", 999).unwrap();
    store.close().unwrap();
    bench
        .doctor(&[])
        .await
        .finds("store.schema", "is of a newer Ivan");
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(bench.file(&format!("ivan.db{end}")));
    }
    std::fs::write(bench.file("ivan.db"), backup).unwrap();
    bench.doctor(&[]).await.is_well();
}

#[tokio::test]
async fn a_folder_that_is_read_only_or_missing_is_found() {
    let bench = Bench::new().await;
    bench.writes(&bench.with("store.path", "\"data/ivan.db\""));
    let folder = bench.file("data");
    bench
        .doctor(&[])
        .await
        .finds("store.writable", "the folder data cannot be used");
    std::fs::create_dir(&folder).unwrap();
    bench.doctor(&[]).await.is_well();
    set_mode(&folder, 0o555);
    bench
        .doctor(&[])
        .await
        .finds("store.writable", "has mode 0555");
    set_mode(&folder, 0o755);
    bench.doctor(&[]).await.is_well();
}

/// `ivan ARGS` on a machine where this folder is on NFS, as far as the system tells: strace changes its answer about the
/// folder and the store in it. `None` if strace cannot do so here.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
async fn with_nfs(bench: &Bench, folder: &str, args: &[&str]) -> Option<Command> {
    // The type comes first in the answer: eight bytes, the lowest first.
    let nfs = "inject=statfs:poke_exit=@arg2=6969000000000000";
    let traced = |store: &str| {
        let mut command = program("strace");
        command.args([
            "-qq",
            "-f",
            "-o",
            "/dev/null",
            "-e",
            "trace=statfs",
            "-e",
            nfs,
        ]);
        command.args(["-P", folder, "-P", store]);
        command.current_dir(bench.ivan.folder());
        command
    };
    let store = format!("{folder}/ivan.db");
    let mut trial = traced(&store);
    trial.args(["stat", "-f", "-c", "%t", folder]);
    let kind = trial.output().await.map(|ran| ran.stdout);
    if !kind.as_ref().is_ok_and(|kind| kind == b"6969\n") {
        eprintln!("SKIPPED: strace 5.11 or later is not installed, or may not trace: {kind:?}");
        return None;
    }
    let mut command = traced(&store);
    command.arg(env!("CARGO_BIN_EXE_ivan")).args(args);
    Some(command)
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[tokio::test]
async fn a_store_on_a_network_file_system_is_found() {
    let bench = Bench::new().await;
    let local = bench.toml.clone();
    std::fs::create_dir(bench.file("shared")).unwrap();
    let checks = async || {
        let mut command = with_nfs(&bench, "shared", &["doctor", "--json"]).await?;
        let found = checkup(&mut command).await;
        bench.ivan.shows("ivan doctor", &found.report.to_string());
        Some(found)
    };
    let Some(before) = checks().await else {
        return;
    };
    before.is_well();
    std::fs::rename(bench.file("ivan.db"), bench.file("shared/ivan.db")).unwrap();
    bench.writes(&bench.with("store.path", "\"shared/ivan.db\""));
    let found = checks().await.unwrap();
    found.finds(
        "store.network",
        "shared/ivan.db is on a network file system",
    );
    let finding = found.finding("store.network").unwrap();
    assert!(finding["why"].as_str().unwrap().contains("is on NFS"));
    assert_eq!(finding["remedy"], "Set store.path to a local disk");
    // A start warns, too.
    let mut command = with_nfs(&bench, "shared", &["config", "check"])
        .await
        .unwrap();
    let checked = ran(&mut command).await;
    assert!(checked.err.contains("is on NFS"), "{checked:?}");
    std::fs::rename(bench.file("shared/ivan.db"), bench.file("ivan.db")).unwrap();
    bench.writes(&local);
    checks().await.unwrap().is_well();
}

#[tokio::test]
async fn looking_at_the_store_makes_no_file() {
    let bench = Bench::new().await;
    let files = || {
        let found = std::fs::read_dir(bench.ivan.folder()).unwrap();
        let mut names: Vec<_> = found.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    bench.doctor(&["--live"]).await.is_well();
    assert_eq!(files(), before);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_found_beside_the_daemon() {
    let mut ivan = two_tasks().disk_can_fill().start().await;
    ivan.start().await;
    let of_daemon = async |ivan: &Ivan| {
        let found = checkup(&mut ivan.command(&["doctor", "--json"])).await;
        found.finding("daemon.ready").cloned()
    };
    assert_eq!(of_daemon(&ivan).await, None);
    ivan.fills_the_disk(1);
    let found = of_daemon(&ivan).await.unwrap();
    let why = found["why"].as_str().unwrap();
    assert!(why.contains("the store is not writable"), "{found:#}");
    ivan.frees_the_disk();
    ivan.counts("ivan_store_writable 1").await;
    assert_eq!(of_daemon(&ivan).await, None);
    ivan.finish().await;
}

// ---------------------------------------------------------------- people

#[rstest]
#[case::unlinked("name = \"Cy\"", "people.unlinked", "Cy has no account in")]
#[case::deactivated(
    "name = \"Dee\"\nslack = \"U0OLD01\"",
    "people.deactivated",
    "The Slack account of Dee is deactivated"
)]
#[case::guest(
    "name = \"Gil\"\nslack = \"U0GST01\"",
    "people.not_a_member",
    "Gil is no full member"
)]
#[case::unknown_to_slack(
    "name = \"Cy\"\nslack = \"U0NOBODY\"",
    "people.slack_unknown",
    "Slack has no account U0NOBODY"
)]
#[case::gone_in_github(
    "name = \"Cy\"\ngithub = \"cy-of-nowhere\"",
    "people.account_gone",
    "GitHub has no account cy-of-nowhere"
)]
#[case::gone_in_clickup(
    "name = \"Cy\"\nclickup = \"777\"",
    "people.account_gone",
    "ClickUp has no account 777"
)]
#[tokio::test]
async fn a_person_who_cannot_work_is_found(
    #[case] person: &str,
    #[case] check: &str,
    #[case] words: &str,
) {
    let bench = Bench::new().await;
    let toml = format!("{}\n[[people]]\n{person}\n", bench.toml);
    bench.finds_in(&toml, check, words).await;
}

/// The remedy shows before the restart that it needs.
#[tokio::test]
async fn a_person_of_the_changed_configuration_is_checked_beside_the_daemon() {
    let setup = Setup::new().config("[[people]]\nname = \"Bo\"\nslack = \"U0BOB01\"");
    let mut ivan = setup.start().await;
    ivan.github().add_label(REPO, "in progress");
    set_mode(&ivan.folder().join("bot.toml"), 0o600);
    ivan.start().await;
    let found = beside(&ivan, &[]).await;
    found.finds("people.unlinked", "Bo has no account in GitHub");
    let toml = format!("{}\ngithub = \"bo\"\n", ivan.bot_toml().trim_end());
    std::fs::write(ivan.folder().join("bot.toml"), toml).unwrap();
    beside(&ivan, &[]).await.is_well();
    ivan.finish().await;
}

/// Nothing is called well that could not be asked about.
#[tokio::test]
async fn services_that_do_not_answer_are_found() {
    let bench = Bench::new().await;
    bench.doctor(&[]).await.is_well();
    let ivan = &bench.ivan;
    let fronts = [
        ivan.slack().front(),
        ivan.clickup().front(),
        ivan.github().front(),
    ];
    fronts.iter().for_each(|front| front.down());
    let found = bench.doctor(&[]).await;
    found.finds("slack.app_token", "Slack cannot be asked");
    found.finds("clickup.token", "ClickUp cannot be asked");
    found.finds("github.token", "GitHub cannot be asked");
    let findings = found.report["findings"].as_array().unwrap();
    let about = |area: &str| findings.iter().filter(|one| one["area"] == area).count();
    assert_eq!(
        (about("webhooks"), about("clock"), about("people")),
        (0, 0, 1),
        "{findings:#?}"
    );
    assert!(
        findings
            .iter()
            .any(|one| one["check"] == "people.not_asked")
    );
    fronts.iter().for_each(|front| front.up());
    bench.doctor(&[]).await.is_well();
}

#[tokio::test]
async fn a_shared_address_is_found() {
    let bench = Bench::of(
        Setup::new().config("[[people]]\nname = \"Bo\"\nslack = \"U0BOB01\"\ngithub = \"bo\""),
    )
    .await;
    bench.doctor(&[]).await.is_well();
    let member = |id: i64| json!({"user": {"id": id, "username": format!("Bo {id}"), "email": "bo@acme.test"}});
    let teams =
        json!({"teams": [{"id": "9001", "name": "Acme", "members": [member(1), member(2)]}]});
    let front = bench.ivan.clickup().front();
    front.fault(
        Fault::new(FaultKind::answer(200, teams.to_string()))
            .on("GET", "/team")
            .always(),
    );
    let found = bench.doctor(&[]).await;
    found.finds(
        "people.ambiguous",
        "Several accounts of ClickUp have the e-mail address of Bo",
    );
    front.clear_faults();
    bench.doctor(&[]).await.is_well();
}

// ---------------------------------------------------------------- webhooks and work

/// Beside a running daemon with webhooks for a public address, which leads to it.
async fn with_webhooks() -> Ivan {
    let task = json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]});
    let mut ivan = Setup::new()
        .clickup_tasks([task])
        .webhooks_without_secrets()
        .people()
        .start()
        .await;
    ivan.github().add_label(REPO, "in progress");
    ivan.start().await;
    let here = ivan.hook_url("").trim_end_matches("/webhooks/").to_owned();
    ivan.github().tunnel(PUBLIC, &here);
    ivan.clickup().tunnel(PUBLIC, &here);
    let ran = ivan
        .cli_at_home(&["webhooks", "register", "--url", PUBLIC])
        .await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    set_mode(&ivan.folder().join("bot.toml"), 0o600);
    ivan
}

async fn beside(ivan: &Ivan, args: &[&str]) -> Checkup {
    let mut command = ivan.command(&["doctor", "--json"]);
    let found = checkup(command.args(args)).await;
    ivan.shows("ivan doctor", &found.report.to_string());
    found
}

#[tokio::test]
async fn a_second_webhook_is_found_and_removed() {
    let ivan = with_webhooks().await;
    beside(&ivan, &[]).await.is_well();
    let twin = ivan
        .clickup()
        .add_hook(&format!("{PUBLIC}/webhooks/clickup"), HOOK_SECRET);
    beside(&ivan, &[])
        .await
        .finds("webhooks.duplicate", "more than one webhook");
    let fixed = beside(&ivan, &["--fix"]).await;
    fixed.is_well();
    let hooks = ivan.clickup().hooks();
    assert_eq!(hooks.len(), 1);
    assert_ne!(hooks[0]["id"], twin.as_str());
    ivan.finish().await;
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_found_and_made_again() {
    let ivan = with_webhooks().await;
    beside(&ivan, &[]).await.is_well();
    ivan.clickup().remove_hooks();
    beside(&ivan, &[]).await.finds(
        "webhooks.missing",
        "ClickUp has no webhook for https://bot.example",
    );
    let fixed = beside(&ivan, &["--fix"]).await;
    fixed.is_well();
    assert!(
        fixed.report["mended"][0]
            .as_str()
            .unwrap()
            .ends_with("made"),
        "{:#}",
        fixed.report
    );
    assert_eq!(ivan.clickup().hooks().len(), 1);
    ivan.finish().await;
}

/// The public address leads nowhere here: the live check says so, and a right one is accepted.
#[tokio::test]
async fn a_public_address_is_tried_with_a_signed_delivery() {
    let mut ivan = two_tasks()
        .webhooks_without_secrets()
        .people()
        .start()
        .await;
    ivan.github().add_label(REPO, "in progress");
    ivan.github().allow_loopback_hooks(true);
    ivan.start().await;
    let here = ivan.hook_url("").trim_end_matches("/webhooks/").to_owned();
    let ran = ivan
        .cli_at_home(&["webhooks", "register", "--url", &here])
        .await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    set_mode(&ivan.folder().join("bot.toml"), 0o600);
    let live = beside(&ivan, &["--live"]).await;
    live.is_well();
    let accepted = live.report["findings"].as_array().unwrap();
    let accepted = accepted
        .iter()
        .filter(|one| one["check"] == "webhooks.delivery");
    assert_eq!(accepted.count(), 2);
    let api_url = ivan.api_url();
    ivan.stop().await;
    let mut command = binary();
    command
        .args(["--api-url", &api_url, "doctor", "--json", "--live"])
        .current_dir(ivan.folder());
    checkup(&mut command)
        .await
        .finds("webhooks.delivery", "cannot be reached");
    ivan.start().await;
    beside(&ivan, &["--live"]).await.is_well();
    ivan.finish().await;
}

#[tokio::test]
async fn a_write_that_waits_for_long_is_found() {
    let ivan = with_webhooks().await;
    ivan.dm(ANA, "current").await.mentions("Renew cert");
    ivan.clickup().front().fault(
        Fault::new(FaultKind::answer(503, ""))
            .on("PUT", "/task")
            .always(),
    );
    let asked = ivan.says(ANA, "done");
    asked.answers().await.begins("…");
    let hour_ago = "UPDATE operations SET created_ms = created_ms - 3600000";
    let store = rusqlite::Connection::open(ivan.folder().join("ivan.db")).unwrap();
    store
        .busy_timeout(std::time::Duration::from_secs(60))
        .unwrap();
    store.execute(hour_ago, []).unwrap();
    beside(&ivan, &[])
        .await
        .finds("work.waiting", "1 write waits, for 1 h 0 min");
    ivan.clickup().front().clear_faults();
    ivan.until_nothing_is_queued().await;
    beside(&ivan, &[]).await.is_well();
    ivan.finish().await;
}

/// ClickUp suspends the webhook while no daemon runs that could reactivate it.
#[tokio::test]
async fn a_suspended_webhook_is_found_and_the_remedy_reactivates_it() {
    let mut ivan = with_webhooks().await;
    // Nobody is told of a change of a task of nobody.
    ivan.clickup()
        .add_task(json!({"name": "Write the runbook"}));
    ivan.until_deliveries_are_applied().await;
    beside(&ivan, &[]).await.is_well();
    ivan.stop().await;
    is_suspended(&ivan, "Write the runbook").await;
    let alone = |args: &[&str]| {
        let mut command = binary();
        command.args(args).current_dir(ivan.folder());
        command
    };
    let found = checkup(&mut alone(&["doctor", "--json"])).await;
    found.finds(
        "webhooks.suspended",
        "for https://bot.example/webhooks/clickup is switched off (suspended",
    );
    let finding = found.finding("webhooks.suspended").unwrap();
    let remedy = finding["remedy"].as_str().unwrap();
    let words: Vec<&str> = remedy.split(' ').collect();
    let (Some((&"ivan", args)), true) = (words.split_first(), finding["fixable"] == true) else {
        panic!("{finding:#}");
    };
    let mended = ran(&mut alone(args)).await;
    assert_eq!(mended.exit, 0, "{mended:?}");
    assert_eq!(ivan.clickup().hooks()[0]["health"]["status"], "active");
    checkup(&mut alone(&["doctor", "--json"])).await.is_well();
    ivan.start().await;
    beside(&ivan, &[]).await.is_well();
    ivan.finish().await;
}

/// A comment ends the process twice.
#[tokio::test]
async fn work_that_was_set_aside_is_found_and_tried_again() {
    let mut ivan = two_issues().people().start().await;
    ivan.github().add_label(REPO, "in progress");
    set_mode(&ivan.folder().join("bot.toml"), 0o600);
    ivan.start().await;
    beside(&ivan, &[]).await.is_well();
    let id = a_comment_ends_it_twice(&mut ivan, FaultKind::Hang).await;
    let told = ivan.answer(ANA, 0).settles().await;
    told.begins("✗ Comment not added: Login fails.");
    let found = beside(&ivan, &[]).await;
    found.finds("work.set_aside", &format!("{id} was set aside"));
    let finding = found.finding("work.set_aside").unwrap();
    assert_eq!(finding["remedy"], format!("ivan retry {id}"), "{finding:#}");
    retries(&ivan, &id).await;
    told.becomes("✓ Comment added in GitHub: Login fails").await;
    ivan.until_nothing_is_queued().await;
    beside(&ivan, &[]).await.is_well();
    assert_eq!(ivan.github().issue(REPO, 1).comments().len(), 1);
    ivan.finish().await;
}

// ---------------------------------------------------------------- the text

#[tokio::test]
async fn the_report_reads_as_text() {
    let bench = Bench::new().await;
    let doctor = || {
        let mut command = binary();
        command.arg("doctor").current_dir(bench.ivan.folder());
        command
    };
    let well = ran(&mut doctor()).await;
    assert_eq!((well.exit, well.err.as_str()), (0, ""), "{well:?}");
    assert!(well.out.ends_with("\nYour Ivan is well.\n"), "{}", well.out);
    bench.ivan.slack().revoke_scope("im:history");
    let ill = ran(&mut doctor()).await;
    assert_eq!(ill.exit, 1);
    for words in [
        "Slack\n",
        "  ✗ The app lacks the scope im:history\n      Why: Without it, direct messages don't reach me",
        "      Mend: Add it to the Bot Token Scopes at https://api.slack.com/apps/A0APP1/oauth",
        "\n1 thing to mend.\n",
    ] {
        assert!(ill.out.contains(words), "{words}\n{}", ill.out);
    }
}
