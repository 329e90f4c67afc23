//! The chapter about the store.

use std::path::Path;

use crate::domain::finding::{Finding, FindingArea, SafeMend};
use crate::store::checkup::{StoreContent, StoreFacts};

const AREA: FindingArea = FindingArea::Store;
/// Less free space is reported; with less than the second value, writes fail soon.
const SPACE_SMALL: u64 = 500 * MB;
const SPACE_NONE: u64 = 50 * MB;
const MB: u64 = 1024 * 1024;
/// A larger store is reported: it holds the tasks and a month of messages, which is seldom a tenth of that.
const LARGE: u64 = 4 * 1024 * MB;
const RESTORE: &str = "Stop Ivan, put a backup in its place (docs/operations.md), or move the file away: tasks are read again, \
     and links, snoozes, settings, the log and queued writes are lost";

/// The findings about the store at `path`.
pub(super) fn findings(path: &Path, store: &StoreFacts) -> Vec<Finding> {
    let shown = path.display();
    let mut findings = Vec::new();
    if let Some(why) = &store.not_writable {
        let folder = store.folder.display();
        findings.push(Finding::broken(
            AREA,
            "store.writable",
            why.clone(),
            "The daemon cannot store anything, and does not start",
            match store.folder.exists() {
                true => format!("As its owner: chmod u+w {folder}; or set store.path to a file in another folder"),
                false => format!("mkdir -p {folder}; or set store.path to a file in another folder"),
            },
        ));
    }
    for (file, mode) in &store.open_files {
        let file_shown = file.display();
        findings.push(
            Finding::warning(
                AREA,
                "store.mode",
                format!("{file_shown} has mode {mode:04o}"),
                "Other users of this machine can read what it holds",
                format!("chmod 600 {file_shown}"),
            )
            .mended_by(SafeMend::KeepPrivate(file.clone())),
        );
    }
    if let Some(why) = &store.network {
        findings.push(Finding::warning(
            AREA,
            "store.network",
            format!("{shown} is on a network file system"),
            why.clone(),
            "Set store.path to a local disk",
        ));
    }
    findings.extend(store.free.map(space));
    if store.bytes > LARGE {
        findings.push(Finding::warning(
            AREA,
            "store.size",
            format!("The store has {}", bytes(store.bytes)),
            "A backup and a start take longer",
            "Set store.retention and store.log_retention to shorter times",
        ));
    }
    findings.push(match &store.content {
        None => Finding::well(
            AREA,
            "store.readable",
            format!("{shown} does not exist yet; the first start makes it"),
        ),
        Some(Err(why)) => Finding::broken(
            AREA,
            "store.readable",
            format!("{shown} cannot be opened"),
            why.clone(),
            RESTORE,
        ),
        Some(Ok(content)) => content_finding(path, store.bytes, content),
    });
    findings
}

fn content_finding(path: &Path, size: u64, content: &StoreContent) -> Finding {
    let shown = path.display();
    if !content.damage.is_empty() {
        return Finding::broken(
            AREA,
            "store.integrity",
            format!("{shown} is damaged"),
            content.damage.join("; "),
            RESTORE,
        );
    }
    let (version, newest) = (content.version, content.newest);
    if version > newest {
        return Finding::broken(
            AREA,
            "store.schema",
            format!("{shown} is of a newer Ivan (schema {version}, this binary has {newest})"),
            "This Ivan does not open it",
            "Install the newer Ivan again, or put the backup from before the update in its place",
        );
    }
    if let Some(why) = &content.locked {
        return Finding::broken(
            AREA,
            "store.key",
            format!("The secrets in {shown} cannot be decrypted"),
            why.clone(),
            "Put the right key file back. If it is lost: `ivan store rekey --lost`, then `ivan webhooks register --url URL`",
        );
    }
    match &content.rows {
        Some(Err(why)) => Finding::broken(
            AREA,
            "store.readable",
            format!("{shown} cannot be read"),
            why.clone(),
            RESTORE,
        ),
        Some(Ok(_)) => Finding::well(
            AREA,
            "store.integrity",
            format!("{shown} is sound ({}, schema {version})", bytes(size)),
        ),
        None => Finding::well(
            AREA,
            "store.schema",
            format!("{shown} is sound; the next start brings it from schema {version} to {newest}"),
        ),
    }
}

/// The finding about the free bytes of the store's disk.
fn space(free: u64) -> Finding {
    let text = format!("{} are free on the store's disk", bytes(free));
    let why = "On a full disk nothing is stored: Ivan refuses commands and webhooks until there is space again";
    let remedy = "Free space on that disk, or set store.path to another; `df -h` shows the disks";
    match free {
        0..SPACE_NONE => Finding::broken(AREA, "store.space", text, why, remedy),
        SPACE_NONE..SPACE_SMALL => Finding::warning(AREA, "store.space", text, why, remedy),
        _ => Finding::well(AREA, "store.space", text),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..MB => format!("{} KB", bytes.div_ceil(1024)),
        _ if bytes < 1024 * MB => format!("{} MB", bytes / MB),
        _ => format!("{} GB", bytes / (1024 * MB)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::finding::FindingLevel;

    #[rstest]
    #[case::full(0, FindingLevel::Broken, "0 KB are free on the store's disk")]
    #[case::nearly_full(49 * MB, FindingLevel::Broken, "49 MB are free on the store's disk")]
    #[case::small(50 * MB, FindingLevel::Warning, "50 MB are free on the store's disk")]
    #[case::enough(500 * MB, FindingLevel::Well, "500 MB are free on the store's disk")]
    #[case::much(80 * 1024 * MB, FindingLevel::Well, "80 GB are free on the store's disk")]
    fn free_space_is_judged(#[case] free: u64, #[case] level: FindingLevel, #[case] text: &str) {
        let found = space(free);
        assert_eq!((found.level, found.text.as_str()), (level, text));
    }
}
