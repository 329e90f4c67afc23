//! `ivan backup` and `ivan restore`: copies of the store beside a running daemon, put back whole or not at all.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rstest::rstest;
use rusqlite::Connection;
use serde_json::json;
use tokio::process::Command;

use ivan::sandbox::fault_server::{Fault, FaultKind};

use crate::harness::*;

/// `ivan ARGS` in the folder of bot.toml.
fn at_home(ivan: &Ivan, args: &[&str]) -> Command {
    let mut command = binary();
    command.args(args).current_dir(ivan.folder());
    command
}

async fn runs(ivan: &Ivan, args: &[&str]) -> Ran {
    ran(&mut at_home(ivan, args)).await
}

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

/// The names in the folder of the store that begin with these letters.
fn files(ivan: &Ivan, begin: &str) -> Vec<String> {
    let names = std::fs::read_dir(ivan.folder()).unwrap();
    let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(begin)).collect();
    names.sort();
    names
}

/// Whether a database is whole.
fn is_sound(file: &Path) -> bool {
    let open = Connection::open(file).unwrap();
    let check = open.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    check.is_ok_and(|found| found == "ok")
}

fn comments(file: &Path) -> i64 {
    let open = Connection::open(file).unwrap();
    let sql = "SELECT count(*) FROM operations WHERE kind = 'comment'";
    open.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Makes the store larger, so that copying it takes a while.
fn fattens(ivan: &Ivan) {
    let rows = "INSERT INTO left_posts (uid, left_ms)
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 150000)
        SELECT 'fat-' || n, 9999999999999 FROM n";
    ivan.store().execute(rows, []).unwrap();
}

#[tokio::test]
async fn a_backup_taken_under_load_restores_to_a_store_that_passes_the_doctor() {
    let mut ivan = two_tasks().start().await;
    ivan.start().await;
    ivan.dm(ANA, "current").await.begins("Renew cert");
    let task = ivan.clickup().task("Renew cert").id().to_owned();
    let path = format!("/tasks/clickup%3A{task}/comment");
    let comment = async |n: usize| {
        let body = json!({"text": format!("note {n}")});
        let (status, answer) = ivan.http("POST", &path, Some(body)).await;
        assert_eq!(status, 200, "{answer}");
    };
    for n in 0..5 {
        comment(n).await;
    }
    let backup = async {
        let copy = runs(&ivan, &["backup", "copy.db"]).await;
        assert_eq!(copy.exit, 0, "{copy:?}");
        copy
    };
    let load = async {
        for n in 5..15 {
            comment(n).await;
        }
    };
    let (made, ()) = tokio::join!(backup, load);
    assert!(
        made.out.starts_with("✓ Copied ivan.db to copy.db: "),
        "{made:?}"
    );
    let copy = ivan.folder().join("copy.db");
    assert_eq!(mode(&copy), 0o600);
    assert!(
        is_sound(&copy) && comments(&copy) >= 5,
        "{}",
        comments(&copy)
    );
    assert_eq!(files(&ivan, "copy.db"), ["copy.db"], "nothing else is left");
    // The daemon has it.
    let refused = runs(&ivan, &["restore", "copy.db"]).await;
    assert_eq!(refused.exit, 1);
    assert!(
        refused.err.contains("another `ivan serve` is using it"),
        "{refused:?}"
    );
    ivan.kill().await;
    let restored = runs(&ivan, &["restore", "copy.db"]).await;
    assert_eq!(restored.exit, 0, "{restored:?}");
    assert!(
        restored
            .out
            .starts_with("✓ Restored ivan.db from copy.db: "),
        "{restored:?}"
    );
    let kept = files(&ivan, "ivan.db.replaced-");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(restored.out.contains(&kept[0]), "{restored:?}");
    let kept = ivan.folder().join(&kept[0]);
    assert_eq!(
        (mode(&kept), mode(&ivan.folder().join("ivan.db"))),
        (0o600, 0o600)
    );
    assert_eq!(
        comments(&kept),
        15,
        "the log was merged into the former store"
    );
    assert!(
        files(&ivan, "ivan.db-").is_empty(),
        "{:?}",
        files(&ivan, "ivan.db-")
    );
    ivan.start().await;
    assert!(comments(&ivan.folder().join("ivan.db")) >= 5);
    let doctor = ivan.cli_at_home(&["doctor", "--json"]).await;
    let report: serde_json::Value = serde_json::from_str(&doctor.out).unwrap();
    let of_the_store = report["findings"].as_array().unwrap().iter();
    let of_the_store: Vec<_> = of_the_store
        .filter(|one| one["check"].as_str().unwrap().starts_with("store"))
        .filter(|one| one["level"] == "broken" || one["level"] == "warning")
        .collect();
    assert!(of_the_store.is_empty(), "{of_the_store:#?}");
    let notes: [String; 15] = std::array::from_fn(|n| format!("note {n}"));
    let notes = notes.each_ref().map(String::as_str);
    ivan.clickup().task("Renew cert").has_comments(notes);
    ivan.finish().await;
}

/// A comment waits in the copy and is written a moment later, over HTTP: nothing in Slack shows it.
#[rstest]
#[case::clickup(true)]
#[case::github(false)]
#[tokio::test]
async fn a_copy_of_a_moment_ago_is_noticed_by_its_mark_alone(#[case] in_clickup: bool) {
    let setup = two_tasks().github_issues([json!({"title": "Login fails"})]);
    let mut ivan = setup.start().await;
    ivan.start().await;
    let (front, id) = match in_clickup {
        true => {
            let task = ivan.clickup().task("Renew cert").id().to_owned();
            (ivan.clickup().front(), format!("clickup%3A{task}"))
        }
        false => (
            ivan.github().front(),
            format!("github%3A{}%231", REPO.replace('/', "%2F")),
        ),
    };
    // The task cannot be read, so nothing of the write is begun.
    let unwell = FaultKind::Answer {
        status: 503,
        headers: Vec::new(),
        body: "{}".to_owned(),
    };
    front.fault(Fault::new(unwell).always());
    let body = json!({"text": "Renewed"});
    let path = format!("/tasks/{id}/comment?wait=0");
    let (status, answer) = ivan.http("POST", &path, Some(body)).await;
    assert_eq!(status, 202, "{answer}");
    let copy = ivan.folder().join("copy.db");
    let into = copy.to_str().unwrap();
    ivan.store().execute("VACUUM INTO ?1", [into]).unwrap();
    front.clear_faults();
    ivan.until_nothing_is_queued().await;
    ivan.kill().await;
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(ivan.folder().join(format!("ivan.db{end}")));
    }
    std::fs::rename(&copy, ivan.folder().join("ivan.db")).unwrap();
    ivan.start().await;
    ivan.until_nothing_is_queued().await;
    let comments = match in_clickup {
        true => ivan.clickup().task("Renew cert").comments(),
        false => ivan.github().issue(REPO, 1).comments(),
    };
    assert_eq!(comments.len(), 1, "{comments:?}");
    ivan.finish().await;
}

#[tokio::test]
async fn a_backup_replaces_only_on_request_and_says_where_the_key_is() {
    let mut ivan = two_tasks().start().await;
    ivan.launch().await;
    ivan.stop().await;
    let first = runs(&ivan, &["backup", "copy.db"]).await;
    assert_eq!(
        (first.exit, first.out.contains("key")),
        (0, false),
        "{first:?}"
    );
    let hook = "INSERT INTO hooks (source, hook_id, url, secret, made_ms) \
                VALUES ('github', '42', 'https://bot.example/webhooks/github', 'canary-of-a-webhook', 1)";
    ivan.store().execute(hook, []).unwrap();
    ivan.launch().await;
    let again = runs(&ivan, &["backup", "copy.db"]).await;
    assert_eq!(again.exit, 1);
    assert!(
        again.err.contains("copy.db: it exists already"),
        "{again:?}"
    );
    let forced = runs(&ivan, &["backup", "copy.db", "--force", "--json"]).await;
    let said: serde_json::Value = serde_json::from_str(&forced.out).unwrap();
    assert_eq!(said["key_file"], "ivan.db.key", "{said:#}");
    let bytes = std::fs::read(ivan.folder().join("copy.db")).unwrap();
    assert_eq!(said["bytes"], bytes.len());
    ivan.stop().await;
    // Without the key the copy is put in place, and what the next start needs is named.
    let key = ivan.folder().join("ivan.db.key");
    let right = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let locked = runs(&ivan, &["restore", "copy.db"]).await;
    assert_eq!(locked.exit, 0, "{locked:?}");
    assert!(
        locked
            .out
            .contains("! Before the next start: its key file ivan.db.key is missing"),
        "{locked:?}"
    );
    std::fs::write(&key, right).unwrap();
    ivan.launch().await;
    ivan.finish().await;
}

#[rstest]
#[case::a_missing_folder("none/copy.db", "the folder none does not exist")]
#[case::the_store("ivan.db", "it belongs to the store itself")]
#[case::its_log("ivan.db-wal", "it belongs to the store itself")]
#[case::its_key("ivan.db.key", "it belongs to the store itself")]
#[case::a_folder("folder", "it is no regular file")]
#[tokio::test]
async fn a_backup_is_refused(#[case] file: &str, #[case] why: &str) {
    let mut ivan = two_tasks().start().await;
    ivan.launch().await;
    std::fs::create_dir(ivan.folder().join("folder")).unwrap();
    let refused = runs(&ivan, &["backup", file, "--force"]).await;
    assert_eq!((refused.exit, refused.out.as_str()), (1, ""), "{refused:?}");
    assert!(refused.err.contains(why), "{refused:?}");
    ivan.finish().await;
}

#[tokio::test]
async fn what_is_no_copy_of_a_store_is_refused_and_the_store_stays() {
    let mut ivan = two_tasks().start().await;
    ivan.start().await;
    ivan.dm(ANA, "comment hello").await;
    fattens(&ivan);
    ivan.stop().await;
    let made = runs(&ivan, &["backup", "copy.db"]).await;
    assert_eq!(made.exit, 0, "{made:?}");
    let whole = std::fs::read(ivan.folder().join("copy.db")).unwrap();
    let before = std::fs::read(ivan.folder().join("ivan.db")).unwrap();
    let changed = |name: &str, sql: &str| {
        std::fs::write(ivan.folder().join(name), &whole).unwrap();
        let copy = Connection::open(ivan.folder().join(name)).unwrap();
        copy.execute_batch(sql).unwrap();
    };
    changed("newer.db", "PRAGMA user_version = 900");
    changed("other.db", "PRAGMA application_id = 7");
    changed("less.db", "DROP TABLE left_posts");
    std::fs::write(
        ivan.folder().join("text.db"),
        "no database at all, but long enough to be one",
    )
    .unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 40_000].fill(0x5a);
    std::fs::write(ivan.folder().join("damaged.db"), damaged).unwrap();
    std::fs::write(ivan.folder().join("half.db"), &whole[..whole.len() / 2]).unwrap();
    for (name, why) in [
        (
            "newer.db",
            "it was written by a newer Ivan (schema version 900",
        ),
        ("other.db", "it belongs to another program"),
        ("less.db", "it lacks "),
        ("text.db", "it is no SQLite database"),
        ("damaged.db", "it is damaged"),
        ("half.db", "it is damaged"),
        ("missing.db", "there is no such file"),
        ("ivan.db", "it is the store itself"),
    ] {
        let refused = runs(&ivan, &["restore", name]).await;
        assert_eq!(
            (refused.exit, refused.out.as_str()),
            (1, ""),
            "{name}: {refused:?}"
        );
        let named = format!("the store at {name}: ");
        assert!(
            refused.err.contains(why) && refused.err.contains(&named),
            "{name}: {refused:?}"
        );
        assert!(
            std::fs::read(ivan.folder().join("ivan.db")).unwrap() == before,
            "{name}"
        );
    }
    let left: Vec<String> = files(&ivan, "ivan.db.");
    let left: Vec<&String> = left
        .iter()
        .filter(|name| name.contains("partial") || name.contains("replaced"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    // The same for a store that is damaged itself: no backup replaces a sound one.
    std::fs::copy(
        ivan.folder().join("damaged.db"),
        ivan.folder().join("ivan.db"),
    )
    .unwrap();
    let refused = runs(&ivan, &["backup", "copy.db", "--force"]).await;
    assert!(
        refused.err.contains("ivan.db: it is damaged"),
        "{refused:?}"
    );
    assert!(std::fs::read(ivan.folder().join("copy.db")).unwrap() == whole);
    let mended = runs(&ivan, &["restore", "copy.db"]).await;
    assert_eq!(mended.exit, 0, "{mended:?}");
    ivan.start().await;
    ivan.finish().await;
}

#[tokio::test]
async fn a_killed_backup_or_restore_leaves_the_old_file_or_the_new_one() {
    let mut ivan = two_tasks().start().await;
    ivan.start().await;
    ivan.dm(ANA, "current").await;
    ivan.dm(ANA, "comment one").await;
    fattens(&ivan);
    ivan.stop().await;
    assert_eq!(runs(&ivan, &["backup", "old.db"]).await.exit, 0);
    ivan.start().await;
    ivan.dm(ANA, "comment two").await;
    ivan.stop().await;
    assert_eq!(runs(&ivan, &["backup", "new.db"]).await.exit, 0);
    let (old, new) = (ivan.folder().join("old.db"), ivan.folder().join("new.db"));
    let (store, copy) = (ivan.folder().join("ivan.db"), ivan.folder().join("copy.db"));
    assert_eq!((comments(&old), comments(&new)), (1, 2));
    std::fs::copy(&old, &copy).unwrap();
    for args in [
        ["backup", "copy.db", "--force"].as_slice(),
        &["restore", "old.db"],
    ] {
        for killed_after in [0, 3, 10, 20, 40, 60, 80, 120, 200, 300] {
            let mut running = at_home(&ivan, args);
            running
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null());
            let mut running = running.spawn().unwrap();
            let _ = tokio::time::timeout(Duration::from_millis(killed_after), running.wait()).await;
            let _ = running.kill().await;
            for file in [&store, &copy] {
                assert!(
                    is_sound(file),
                    "{} after {killed_after} ms of {args:?}",
                    file.display()
                );
                assert!([1, 2].contains(&comments(file)));
            }
        }
    }
    ivan.start().await;
    ivan.finish().await;
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_copy() {
    let mut ivan = two_tasks().start().await;
    ivan.start().await;
    ivan.stop().await;
    assert_eq!(runs(&ivan, &["backup", "copy.db"]).await.exit, 0);
    let before = std::fs::read(ivan.folder().join("copy.db")).unwrap();
    fattens(&ivan);
    for line in ["backup copy.db --force", "restore fat.db"] {
        if line.starts_with("restore") {
            assert_eq!(runs(&ivan, &["backup", "fat.db"]).await.exit, 0);
            assert_eq!(runs(&ivan, &["restore", "copy.db"]).await.exit, 0);
        }
        let binary = env!("CARGO_BIN_EXE_ivan");
        // No file may grow past 1 MB.
        let script = format!("trap '' XFSZ; ulimit -f 1024; exec {binary} {line}");
        let mut shell = program("bash");
        shell.args(["-c", &script]).current_dir(ivan.folder());
        let refused = ran(&mut shell).await;
        assert_eq!(refused.exit, 1, "{line}: {refused:?}");
        let why = ["disk is full", "disk I/O error", "File too large"];
        assert!(
            why.iter().any(|why| refused.err.contains(why)),
            "{line}: {refused:?}"
        );
        assert!(
            std::fs::read(ivan.folder().join("copy.db")).unwrap() == before,
            "{line}"
        );
        assert!(is_sound(&ivan.folder().join("ivan.db")), "{line}");
        let all = files(&ivan, "");
        assert!(all.iter().all(|name| !name.contains("partial")), "{all:?}");
    }
    ivan.start().await;
    ivan.finish().await;
}
