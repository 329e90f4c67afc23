//! The key of the store: it encrypts the secrets in it, so that a copy of the database gives none away.
//!
//! The key is in a file of its own, 32 bytes in hexadecimal digits: `store.key_file`, or one that the first start makes
//! beside the database. Without a key that fits, a store with secrets is not opened, and nothing is changed.
//!
//! A new key is written beside the old one before the rows are encrypted again, and takes its place after the commit. So
//! one of the two fits at any instant.

#![allow(clippy::disallowed_types)] // it works before there is a `Db`

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rusqlite::{Connection, TransactionBehavior, params};
use zeroize::Zeroizing;

use super::private;

/// The length of a key in bytes.
const KEY_LEN: usize = 32;
/// The largest key file that is read, in bytes.
const FILE_MAX: u64 = 4096;

/// A key. Clones share it; it is never shown.
#[derive(Clone)]
pub(super) struct StoreKey(Arc<LessSafeKey>);

impl StoreKey {
    /// The key of these bytes.
    pub(super) fn of(bytes: &[u8; KEY_LEN]) -> Result<StoreKey, String> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes);
        let key = key.map_err(|_| "the key cannot be used".to_owned())?;
        Ok(StoreKey(Arc::new(LessSafeKey::new(key))))
    }

    /// Encrypts a secret. `place` is where it is stored: elsewhere it cannot be decrypted.
    fn seal(&self, place: &str, secret: &str) -> Result<String, String> {
        let mut nonce = [0_u8; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|e| format!("no random numbers: {e}"))?;
        let mut text = Zeroizing::new(secret.as_bytes().to_vec());
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                &mut text,
            )
            .map_err(|_| "it cannot be encrypted".to_owned())?;
        Ok(hex::encode(
            [nonce.as_slice(), text.as_slice(), tag.as_ref()].concat(),
        ))
    }

    /// Decrypts a secret; `None` if it is of another key or place, or damaged.
    fn unseal(&self, place: &str, sealed: &str) -> Option<String> {
        let bytes = Zeroizing::new(hex::decode(sealed).ok()?);
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let place = Aad::from(place.as_bytes());
        let text = self.0.open_in_place(nonce, place, &mut text).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }

    /// Encrypts the secret of a webhook.
    pub(super) fn seal_hook(
        &self,
        source: &str,
        hook: &str,
        secret: &str,
    ) -> rusqlite::Result<String> {
        self.seal(&of_hook(source, hook), secret)
            .map_err(|why| rusqlite::Error::ToSqlConversionFailure(why.into()))
    }

    /// Decrypts the secret of a webhook.
    pub(super) fn unseal_hook(&self, source: &str, hook: &str, sealed: &str) -> Option<String> {
        self.unseal(&of_hook(source, hook), sealed)
    }
}

fn of_hook(source: &str, hook: &str) -> String {
    format!("hooks/{source}/{hook}")
}

/// The key file beside a database.
pub(super) fn file_beside(store: &Path) -> PathBuf {
    with_end(store, ".key")
}

/// The place of a key that is about to replace the one in `file`.
fn next_to(file: &Path) -> PathBuf {
    with_end(file, ".new")
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// The key that fits this database. Its secrets that are not encrypted yet are encrypted with it. `configured` is
/// `store.key_file`; without it, the key is beside the database, and is made if the database has no secret of another.
pub(super) fn unlock(
    connection: &mut Connection,
    store: &Path,
    configured: Option<&Path>,
) -> Result<Unlocked, String> {
    let beside = file_beside(store);
    let file = configured.unwrap_or(&beside);
    let sealed = secrets(connection, true)?;
    let key = match (read(file), configured) {
        (Ok(Some(key)), _) if opens_all(&key, &sealed) => {
            forget_next(file);
            key
        }
        (found, _) => match read(&next_to(file))? {
            // The process ended between the commit of the new key and its move.
            Some(next) if !sealed.is_empty() && opens_all(&next, &sealed) => {
                move_next(file).map_err(|e| {
                    format!("its new key cannot be moved to {}: {e}", file.display())
                })?;
                next
            }
            _ if found?.is_some() => return Err(wrong(file)),
            _ if configured.is_some() => return Err(missing(file, "store.key_file names it")),
            _ if !sealed.is_empty() => {
                return Err(missing(file, "the secrets of its webhooks need it"));
            }
            _ => made(file)?,
        },
    };
    private::keep_private(file);
    seal_plain(connection, &key)?;
    let beside = configured.is_none().then(|| file.to_owned());
    Ok(Unlocked { key, beside })
}

/// The key that fits this database, without a change to either; any key if no secret needs one.
pub(super) fn fitting(
    connection: &Connection,
    store: &Path,
    configured: Option<&Path>,
) -> Result<StoreKey, String> {
    let beside = file_beside(store);
    let file = configured.unwrap_or(&beside);
    let sealed = secrets(connection, true)?;
    let found = read(file)?;
    let next = read(&next_to(file))?;
    let mut keys = [found, next].into_iter().flatten();
    let is_there = file.exists();
    match keys.find(|key| opens_all(key, &sealed)) {
        Some(key) => Ok(key),
        None if is_there => Err(wrong(file)),
        None if configured.is_some() => Err(missing(file, "store.key_file names it")),
        None if sealed.is_empty() => StoreKey::of(&[0; KEY_LEN]),
        None => Err(missing(file, "the secrets of its webhooks need it")),
    }
}

fn wrong(file: &Path) -> String {
    format!(
        "the key in {} is not the one that its secrets are encrypted with. Put the right key there, or set \
         store.key_file to it. If it is lost, run `ivan store rekey --lost` and register the webhooks again",
        file.display()
    )
}

fn missing(file: &Path, why: &str) -> String {
    format!(
        "its key file {} is missing; {why}. Put it back from a backup. If it is lost, run `ivan store rekey --lost` and \
         register the webhooks again",
        file.display()
    )
}

/// The key of a store, and its file if that is beside the database.
pub(super) struct Unlocked {
    pub(super) key: StoreKey,
    pub(super) beside: Option<PathBuf>,
}

/// A webhook's row: source, id, secret as stored.
type HookSecret = (String, String, String);

fn secrets(connection: &Connection, sealed: bool) -> Result<Vec<HookSecret>, String> {
    let read = || {
        let mut rows =
            connection.prepare("SELECT source, hook_id, secret FROM hooks WHERE sealed = ?1")?;
        let rows = rows.query_map([sealed], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect::<rusqlite::Result<Vec<HookSecret>>>()
    };
    read().map_err(|e| e.to_string())
}

fn opens_all(key: &StoreKey, sealed: &[HookSecret]) -> bool {
    let opens =
        |(source, hook, secret): &HookSecret| key.unseal_hook(source, hook, secret).is_some();
    sealed.iter().all(opens)
}

/// Encrypts secrets of earlier versions, and overwrites their plain text in the file.
fn seal_plain(connection: &mut Connection, key: &StoreKey) -> Result<(), String> {
    if secrets(connection, false)?.is_empty() {
        return Ok(());
    }
    let failed = |e: rusqlite::Error| format!("its secrets cannot be encrypted: {e}");
    // Otherwise freed bytes keep their content.
    connection
        .pragma_update(None, "secure_delete", true)
        .map_err(failed)?;
    let tx = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let plain = secrets(&tx, false)?;
    for (source, hook, secret) in &plain {
        let sealed = key.seal_hook(source, hook, secret).map_err(failed)?;
        store(&tx, (source.as_str(), hook.as_str()), &sealed).map_err(failed)?;
    }
    tx.commit().map_err(failed)?;
    // The log still has the pages from before. A reader beside keeps it until its next checkpoint.
    let _: i64 = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(failed)?;
    tracing::info!(
        secrets = plain.len(),
        "the secrets of webhooks in the store are encrypted now"
    );
    Ok(())
}

fn store(tx: &Connection, (source, hook): (&str, &str), sealed: &str) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE hooks SET secret = ?3, sealed = 1 WHERE source = ?1 AND hook_id = ?2",
        params![source, hook, sealed],
    )?;
    Ok(())
}

/// Reads a key file; `None` if there is none.
fn read(file: &Path) -> Result<Option<StoreKey>, String> {
    use std::io::Read;
    let unreadable = |e: &dyn std::fmt::Display| format!("its key file {}: {e}", file.display());
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(&e)),
    };
    let mut text = Zeroizing::new(String::new());
    opened
        .take(FILE_MAX)
        .read_to_string(&mut text)
        .map_err(|e| unreadable(&e))?;
    let mut bytes = Zeroizing::new([0_u8; KEY_LEN]);
    hex::decode_to_slice(text.trim(), bytes.as_mut_slice()).map_err(|_| {
        unreadable(&"expected 64 hexadecimal digits, as `openssl rand -hex 32` makes them")
    })?;
    StoreKey::of(&bytes).map(Some)
}

/// Makes a key file beside the database.
fn made(file: &Path) -> Result<StoreKey, String> {
    // Another process may be faster.
    let key = write_new(file)?;
    match key {
        Some(key) => Ok(key),
        None => read(file)?.ok_or_else(|| missing(file, "it was just made")),
    }
}

/// Writes a new key to a file that only its owner can read; `None` if there is such a file.
fn write_new(file: &Path) -> Result<Option<StoreKey>, String> {
    let failed =
        |e: &dyn std::fmt::Display| format!("its key file {} cannot be made: {e}", file.display());
    let mut bytes = Zeroizing::new([0_u8; KEY_LEN]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|e| failed(&e))?;
    let text = Zeroizing::new(format!("{}\n", hex::encode(bytes.as_slice())));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut opened = match options.open(file) {
        Ok(opened) => opened,
        Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(None),
        Err(e) => return Err(failed(&e)),
    };
    opened
        .write_all(text.as_bytes())
        .and_then(|()| opened.sync_all())
        .map_err(|e| failed(&e))?;
    private::sync_folder(file);
    StoreKey::of(&bytes).map(Some)
}

fn move_next(file: &Path) -> std::io::Result<()> {
    std::fs::rename(next_to(file), file)?;
    private::sync_folder(file);
    Ok(())
}

/// Removes a new key that was never used.
fn forget_next(file: &Path) {
    let _ = std::fs::remove_file(next_to(file));
}

/// What `ivan store rekey` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekeyed {
    /// The file with the new key.
    pub file: PathBuf,
    /// The number of secrets that are encrypted with it.
    pub secrets: usize,
    /// The number of secrets that were removed, because their key is lost.
    pub lost: usize,
}

/// Encrypts the secrets with a new key. It goes to `to`, which must not exist yet, or replaces the old one.
///
/// `lost`: secrets of another key are removed. Their webhooks have to be registered again.
pub(super) fn rekey(
    connection: &mut Connection,
    store_path: &Path,
    configured: Option<&Path>,
    to: Option<&Path>,
    lost: bool,
) -> Result<Rekeyed, String> {
    let beside = file_beside(store_path);
    let file = configured.unwrap_or(&beside);
    let next = next_to(file);
    let old = match unlock(connection, store_path, configured) {
        Ok(unlocked) => Some(unlocked.key),
        Err(_) if lost => read(file).ok().flatten(),
        Err(why) => return Err(why),
    };
    let target = to.unwrap_or(&next);
    if to.is_none() {
        forget_next(file);
    }
    let Some(new) = write_new(target)? else {
        return Err(format!(
            "{} exists already; name a new file",
            target.display()
        ));
    };
    let failed = |e: rusqlite::Error| format!("its secrets cannot be encrypted again: {e}");
    connection
        .pragma_update(None, "secure_delete", true)
        .map_err(failed)?;
    let tx = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let mut done = Rekeyed {
        file: to.unwrap_or(file).to_owned(),
        secrets: 0,
        lost: 0,
    };
    for (source, hook, stored) in secrets(&tx, true)? {
        let secret = old
            .as_ref()
            .and_then(|old| old.unseal_hook(&source, &hook, &stored));
        match secret.map(Zeroizing::new) {
            Some(secret) => {
                let sealed = new.seal_hook(&source, &hook, &secret).map_err(failed)?;
                store(&tx, (source.as_str(), hook.as_str()), &sealed).map_err(failed)?;
                done.secrets += 1;
            }
            None if lost => {
                tx.execute(
                    "DELETE FROM hooks WHERE source = ?1 AND hook_id = ?2",
                    params![source, hook],
                )
                .map_err(failed)?;
                done.lost += 1;
            }
            None => return Err(wrong(file)),
        }
    }
    tx.commit().map_err(failed)?;
    if to.is_none() {
        move_next(file).map_err(|e| {
            format!(
                "the new key is in {} and could not be moved to {}: {e}. The next start tries again",
                next.display(),
                file.display()
            )
        })?;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::migrate::{MIGRATIONS, migrate};
    use super::*;

    struct Place {
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Place {
            Place {
                folder: tempfile::tempdir().unwrap(),
            }
        }

        fn store(&self) -> PathBuf {
            self.folder.path().join("ivan.db")
        }

        fn key(&self) -> PathBuf {
            self.folder.path().join("ivan.db.key")
        }

        fn open(&self) -> Connection {
            let mut connection = Connection::open(self.store()).unwrap();
            connection
                .pragma_update(None, "journal_mode", "WAL")
                .unwrap();
            migrate(&mut connection, MIGRATIONS).unwrap();
            connection
        }

        fn unlock(&self, connection: &mut Connection) -> Result<StoreKey, String> {
            unlock(connection, &self.store(), None).map(|unlocked| unlocked.key)
        }

        /// All bytes of the folder but the key.
        fn bytes(&self) -> Vec<u8> {
            let files = std::fs::read_dir(self.folder.path()).unwrap();
            let paths = files.map(|file| file.unwrap().path());
            paths
                .filter(|path| !path.to_string_lossy().contains(".key"))
                .flat_map(|path| std::fs::read(path).unwrap())
                .collect()
        }
    }

    const SECRET: &str = "canary-secret-of-a-webhook";

    fn with_plain_secret(connection: &Connection) {
        connection
            .execute(
                "INSERT INTO hooks (source, hook_id, url, secret, made_ms) VALUES ('github', '42', 'u', ?1, 1)",
                [SECRET],
            )
            .unwrap();
    }

    fn secret(connection: &Connection, key: &StoreKey) -> Option<String> {
        let sealed = secrets(connection, true).unwrap();
        let (source, hook, secret) = sealed.first()?;
        key.unseal_hook(source, hook, secret)
    }

    fn has(bytes: &[u8], text: &str) -> bool {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    }

    #[test]
    fn a_secret_is_bound_to_its_key_and_place() {
        let (one, other) = (
            StoreKey::of(&[1; 32]).unwrap(),
            StoreKey::of(&[2; 32]).unwrap(),
        );
        let sealed = one.seal_hook("github", "42", SECRET).unwrap();
        assert_ne!(sealed, one.seal_hook("github", "42", SECRET).unwrap());
        assert!(!sealed.contains("canary"), "{sealed}");
        assert_eq!(
            one.unseal_hook("github", "42", &sealed).as_deref(),
            Some(SECRET)
        );
        assert_eq!(other.unseal_hook("github", "42", &sealed), None);
        assert_eq!(one.unseal_hook("github", "43", &sealed), None);
        assert_eq!(one.unseal_hook("clickup", "42", &sealed), None);
        for damaged in [
            "",
            "00",
            &format!("00{sealed}"),
            &format!("{sealed}00"),
            SECRET,
        ] {
            assert_eq!(one.unseal_hook("github", "42", damaged), None);
        }
    }

    /// The plain text is gone from the database, its log and its free pages.
    #[test]
    fn plain_secrets_are_encrypted_when_the_store_is_opened() {
        let place = Place::new();
        let mut connection = place.open();
        with_plain_secret(&connection);
        assert!(has(&place.bytes(), SECRET), "the search finds a plain one");
        let key = place.unlock(&mut connection).unwrap();
        assert_eq!(secret(&connection, &key).as_deref(), Some(SECRET));
        assert!(!has(&place.bytes(), SECRET));
        // Once more with the key from the file.
        let key = place.unlock(&mut connection).unwrap();
        assert_eq!(secret(&connection, &key).as_deref(), Some(SECRET));
    }

    #[cfg(unix)]
    #[test]
    fn the_key_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let place = Place::new();
        let mut connection = place.open();
        place.unlock(&mut connection).unwrap();
        let mode = || std::fs::metadata(place.key()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(place.key(), std::fs::Permissions::from_mode(0o644)).unwrap();
        place.unlock(&mut connection).unwrap();
        assert_eq!(mode(), 0o600);
    }

    #[rstest]
    #[case::missing(None, "is missing")]
    #[case::another(Some("11"), "is not the one that its secrets are encrypted with")]
    #[case::no_key(Some("xy"), "expected 64 hexadecimal digits")]
    fn a_wrong_or_missing_key_is_refused_and_nothing_is_lost(
        #[case] digits: Option<&str>,
        #[case] why: &str,
    ) {
        let place = Place::new();
        let mut connection = place.open();
        with_plain_secret(&connection);
        place.unlock(&mut connection).unwrap();
        let right = std::fs::read(place.key()).unwrap();
        match digits {
            Some(digits) => std::fs::write(place.key(), digits.repeat(32)).unwrap(),
            None => std::fs::remove_file(place.key()).unwrap(),
        }
        let refusal = place.unlock(&mut connection).err().unwrap();
        assert!(refusal.contains(why), "{refusal}");
        assert_eq!(place.key().exists(), digits.is_some(), "no key was made");
        std::fs::write(place.key(), right).unwrap();
        let key = place.unlock(&mut connection).unwrap();
        assert_eq!(secret(&connection, &key).as_deref(), Some(SECRET));
    }

    #[test]
    fn a_configured_key_is_never_made() {
        let place = Place::new();
        let mut connection = place.open();
        let file = place.folder.path().join("elsewhere");
        let refusal = unlock(&mut connection, &place.store(), Some(&file))
            .err()
            .unwrap();
        assert!(refusal.contains("store.key_file names it"), "{refusal}");
        assert!(!file.exists() && !place.key().exists());
        std::fs::write(&file, "ab".repeat(32)).unwrap();
        unlock(&mut connection, &place.store(), Some(&file)).unwrap();
        assert!(!place.key().exists());
    }

    #[test]
    fn a_new_key_replaces_the_old_one() {
        let place = Place::new();
        let mut connection = place.open();
        with_plain_secret(&connection);
        let old = place.unlock(&mut connection).unwrap();
        let done = rekey(&mut connection, &place.store(), None, None, false).unwrap();
        assert_eq!((done.file, done.secrets, done.lost), (place.key(), 1, 0));
        assert_eq!(secret(&connection, &old), None);
        let new = place.unlock(&mut connection).unwrap();
        assert_eq!(secret(&connection, &new).as_deref(), Some(SECRET));
        // To another file, which bot.toml has to name.
        let file = place.folder.path().join("elsewhere.key");
        let done = rekey(&mut connection, &place.store(), None, Some(&file), false).unwrap();
        assert_eq!(done.file, file);
        assert!(place.unlock(&mut connection).is_err());
        let new = unlock(&mut connection, &place.store(), Some(&file))
            .unwrap()
            .key;
        assert_eq!(secret(&connection, &new).as_deref(), Some(SECRET));
        let again = rekey(
            &mut connection,
            &place.store(),
            Some(&file),
            Some(&file),
            false,
        );
        assert!(again.unwrap_err().contains("exists already"));
    }

    /// The process may end at any instant of `rekey`.
    #[rstest]
    #[case::before_the_commit(false, Some(true))]
    #[case::before_the_move(true, Some(true))]
    #[case::before_the_move_of_a_damaged_key(true, Some(false))]
    #[case::before_the_move_of_a_missing_key(true, None)]
    fn a_rekey_that_was_interrupted_loses_nothing(
        #[case] committed: bool,
        #[case] old_is_whole: Option<bool>,
        #[values(true, false)] lost: bool,
    ) {
        let place = Place::new();
        let mut connection = place.open();
        with_plain_secret(&connection);
        place.unlock(&mut connection).unwrap();
        let old = std::fs::read(place.key()).unwrap();
        if committed {
            rekey(&mut connection, &place.store(), None, None, false).unwrap();
            std::fs::rename(place.key(), next_to(&place.key())).unwrap();
            match old_is_whole {
                Some(true) => std::fs::write(place.key(), old).unwrap(),
                Some(false) => std::fs::write(place.key(), "damaged").unwrap(),
                None => {}
            }
        } else {
            write_new(&next_to(&place.key())).unwrap();
        }
        if lost {
            let done = rekey(&mut connection, &place.store(), None, None, true).unwrap();
            assert_eq!((done.secrets, done.lost), (1, 0));
        }
        let key = place.unlock(&mut connection).unwrap();
        assert_eq!(secret(&connection, &key).as_deref(), Some(SECRET));
        assert!(!next_to(&place.key()).exists());
        let key = place.unlock(&mut connection).unwrap();
        assert_eq!(secret(&connection, &key).as_deref(), Some(SECRET));
    }

    #[test]
    fn without_the_old_key_secrets_are_removed_on_demand() {
        let place = Place::new();
        let mut connection = place.open();
        with_plain_secret(&connection);
        place.unlock(&mut connection).unwrap();
        std::fs::remove_file(place.key()).unwrap();
        let done = rekey(&mut connection, &place.store(), None, None, true).unwrap();
        assert_eq!((done.secrets, done.lost), (0, 1));
        let key = place.unlock(&mut connection).unwrap();
        assert_eq!(secret(&connection, &key), None);
    }
}
