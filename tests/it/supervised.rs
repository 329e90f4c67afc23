//! A part that dies ends the process with a status other than 0, and the last log line names the part and the reason.
//! Accepted work is on the disk, and goes on with the next start.

use rstest::rstest;

use crate::harness::*;

/// The file is gone: later writes would be lost at the next start.
fn removes(ivan: &Ivan) {
    std::fs::remove_file(ivan.folder().join("ivan.db")).unwrap();
}

/// A person restores a backup while the daemon runs.
fn replaces(ivan: &Ivan) {
    let path = ivan.folder().join("ivan.db");
    std::fs::copy(&path, ivan.folder().join("backup.db")).unwrap();
    std::fs::rename(ivan.folder().join("backup.db"), path).unwrap();
}

/// The pages are damaged on the disk.
fn damages(ivan: &Ivan) {
    use std::io::{Seek, SeekFrom, Write};
    let store = ivan.store();
    // So that the pages are read from the file, and not from the log or the daemon's cache.
    store
        .execute("UPDATE people SET present = 1 - present", [])
        .unwrap();
    store
        .execute("UPDATE people SET present = 1 - present", [])
        .unwrap();
    let emptied: i64 = store
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .unwrap();
    assert_eq!(emptied, 0, "the log is in the file");
    let path = ivan.folder().join("ivan.db");
    let pages = std::fs::metadata(&path).unwrap().len() / 4096;
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(4096)).unwrap();
    let page = [0xA5; 4096];
    (1..pages).for_each(|_| file.write_all(&page).unwrap());
}

#[rstest]
#[case::removed(removes, "the file was removed while in use")]
#[case::replaced(replaces, "the file was replaced while in use")]
#[case::damaged(damages, "the file is damaged")]
#[tokio::test]
async fn a_store_that_is_lost_ends_it(#[case] happens: fn(&Ivan), #[case] why: &str) {
    let mut ivan = two_tasks().start().await;
    ivan.start().await;
    ivan.dm(ANA, "current").await.mentions("Renew cert");
    happens(&ivan);
    ivan.says(ANA, "create Buy milk");
    let (status, last) = ivan.ends_by_itself().await;
    assert_eq!(status.code(), Some(1));
    let said = format!("stopped: the store stopped unexpectedly: the store at ivan.db: {why}");
    assert!(last.starts_with(&said), "{last}");
    // Messages that were not stored were not acknowledged: Slack still has them.
    assert!(!ivan.slack().unacked().is_empty());
    assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 0);
}
