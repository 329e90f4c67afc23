//! Power loss: with any rest of the write-ahead log, the store opens to a prefix of the acknowledged work, and to all
//! work whose commit lies in the synced part (P1).
//!
//! After power loss a machine keeps the synced part, and any part of later writes: nothing, a torn end, or sectors in
//! any order. So the log of a killed daemon is cut at many bytes and damaged at its end, and each time the store is
//! opened with the product's own code. `docs/reliability.md` has the argument from SQLite's documentation.

use std::path::Path;

use fastrand::Rng;
use ivan::store::{Store, StoreSettings};
use serde_json::json;

use crate::harness::*;

/// Sizes in the log: its own header, and each frame with a page in it.
const HEADER: usize = 32;
const FRAME: usize = 24 + 4096;

/// One piece of acknowledged work.
#[derive(Debug)]
struct Item {
    /// A query that counts its rows in the store.
    count: String,
    /// The length of the log when the acknowledgement had come.
    log: usize,
}

fn log_of(folder: &Path) -> std::path::PathBuf {
    folder.join("ivan.db-wal")
}

fn length(ivan: &Ivan) -> usize {
    let log = std::fs::metadata(log_of(ivan.folder())).unwrap();
    usize::try_from(log.len()).unwrap()
}

/// Work of all three kinds is acknowledged, one after the other; returns the items.
async fn items(ivan: &Ivan) -> Vec<Item> {
    let mut items = Vec::new();
    for number in 0..4 {
        let asked = ivan.says(ANA, &format!("comment on #1: heard {number}"));
        ivan.acknowledges().await;
        items.push(Item {
            count: format!(
                "SELECT count(*) FROM slack_events WHERE json_extract(heard, '$.ts') = '{}'",
                asked.ts
            ),
            log: length(ivan),
        });
        let key = format!("key-{number}");
        let path = "/tasks/github%3Aacme%2Fwidgets%232/comment?wait=0";
        let body = Some(json!({"text": format!("asked {number}")}));
        let (status, answer) = ivan
            .http_with("POST", path, body, &[("Idempotency-Key", &key)])
            .await;
        assert!(matches!(status, 200 | 202), "{answer}");
        items.push(Item {
            // The command with its operation: one without the other would be half an item.
            count: format!(
                "SELECT count(*) FROM commands JOIN operations ON operations.command_id = commands.id
                 WHERE once_key = '{key}'"
            ),
            log: length(ivan),
        });
        ivan.github()
            .comment_as(REPO, 2, "bo", &format!("delivered {number}"));
        ivan.github().settled().await;
        items.push(Item {
            count: format!(
                "SELECT count(*) FROM deliveries WHERE payload LIKE '%delivered {number}%'"
            ),
            log: length(ivan),
        });
    }
    items
}

/// The rest of the log on the disk after power was lost.
#[derive(Debug)]
enum Left {
    /// It ends here.
    Cut(usize),
    /// It has its length, but zeros after this offset.
    Zeros(usize),
    /// From this offset on, these sectors have other content.
    Damage(usize, Vec<usize>),
}

impl Left {
    const SECTOR: usize = 512;

    /// The length of the intact part.
    fn whole(&self) -> usize {
        match self {
            Left::Cut(end) | Left::Zeros(end) | Left::Damage(end, _) => *end,
        }
    }

    fn of(&self, log: &[u8]) -> Vec<u8> {
        let mut left = log.to_vec();
        match self {
            Left::Cut(end) => left.truncate(*end),
            Left::Zeros(end) => left[*end..].fill(0),
            Left::Damage(from, sectors) => {
                for sector in sectors {
                    let begin = from + sector * Left::SECTOR;
                    let end = (begin + Left::SECTOR).min(left.len());
                    if begin < end {
                        left[begin..end].fill(0x5a);
                    }
                }
            }
        }
        left
    }
}

/// Places to cut: around every acknowledgement, at and in frames, in the header, and at random.
fn cuts(items: &[Item], whole: usize) -> Vec<Left> {
    let mut rng = Rng::with_seed(1);
    let first = items[0].log;
    let mut cuts: Vec<usize> = vec![0, 1, HEADER - 1, HEADER, HEADER + 1, whole - 1, whole];
    for item in items {
        for by in [0, 1, 24, FRAME / 2, FRAME] {
            cuts.extend([item.log.saturating_sub(by), item.log + by]);
        }
    }
    cuts.extend((0..15).map(|_| rng.usize(..whole)));
    cuts.extend((0..30).map(|_| rng.usize(first..whole)));
    cuts.sort_unstable();
    cuts.dedup();
    let mut left: Vec<Left> = cuts
        .into_iter()
        .filter(|cut| *cut <= whole)
        .map(Left::Cut)
        .collect();
    for item in items {
        left.push(Left::Zeros(item.log.min(whole)));
        let sectors = (0..4).map(|_| rng.usize(..24)).collect();
        left.push(Left::Damage(item.log.min(whole), sectors));
    }
    for _ in 0..8 {
        left.push(Left::Zeros(rng.usize(first..whole)));
        let sectors = (0..4).map(|_| rng.usize(..24)).collect();
        left.push(Left::Damage(rng.usize(first..whole), sectors));
    }
    left
}

/// Opens the rest as the daemon does; returns which items are there.
async fn opened(database: &[u8], log: &[u8], items: &[Item], left: &Left) -> Vec<bool> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ivan.db");
    std::fs::write(&path, database).unwrap();
    std::fs::write(log_of(folder.path()), left.of(log)).unwrap();
    let store = Store::open(&path, StoreSettings::default())
        .unwrap_or_else(|trouble| panic!("{left:?}: {trouble}"));
    let counts: Vec<String> = items.iter().map(|item| item.count.clone()).collect();
    let (integrity, there) = store
        .read(move |connection| {
            let integrity: String =
                connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
            let there = counts
                .iter()
                .map(|count| connection.query_row(count, [], |row| row.get::<_, i64>(0)))
                .collect::<Result<Vec<i64>, _>>()?;
            Ok((integrity, there))
        })
        .await
        .unwrap_or_else(|trouble| panic!("{left:?}: {trouble}"));
    assert_eq!(integrity, "ok", "{left:?}");
    assert!(there.iter().all(|count| *count <= 1), "{left:?}: {there:?}");
    there.into_iter().map(|count| count == 1).collect()
}

#[tokio::test]
async fn what_is_left_of_the_log_holds_everything_acknowledged_up_to_its_end() {
    let mut ivan = two_issues().webhooks().start().await;
    ivan.start().await;
    // The initial rows are then in the database file itself, and the log is short.
    assert!(ivan.stop().await.success());
    ivan.start().await;
    ivan.hook_up();
    let items = items(&ivan).await;
    ivan.kill().await;
    let database = std::fs::read(ivan.folder().join("ivan.db")).unwrap();
    let log = std::fs::read(log_of(ivan.folder())).unwrap();
    ivan.sandbox.close().await;
    // Otherwise the lengths mean nothing: the log began again in between.
    assert!(
        items.is_sorted_by(|one, next| one.log < next.log),
        "{items:#?}"
    );
    assert!(items.iter().all(|item| item.log <= log.len()));

    let (mut all, mut none) = (0, 0);
    for left in cuts(&items, log.len()) {
        let there = opened(&database, &log, &items, &left).await;
        let some = there.iter().take_while(|there| **there).count();
        assert!(
            there.iter().skip(some).all(|there| !there),
            "{left:?}: not a prefix of what was acknowledged: {there:?}"
        );
        let synced = items.iter().filter(|item| item.log <= left.whole()).count();
        assert!(
            some >= synced,
            "{left:?}: {synced} were acknowledged by then, and {some} are there"
        );
        all += usize::from(some == items.len());
        none += usize::from(some == 0);
    }
    // The cuts reach from before the first to behind the last.
    assert!(all > 0 && none > 0, "{all} {none}");
}
