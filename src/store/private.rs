//! The place of the store's files, and their protection from other users.

use std::fs::File;
use std::path::Path;

/// Removes other users' access to a file: a copy or an earlier umask may have left some. Missing files are fine.
pub fn keep_private(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let Ok(found) = std::fs::metadata(path) else {
            return;
        };
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 == 0 {
            return;
        }
        let shown = path.display();
        match std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
            Ok(()) => {
                tracing::warn!(path = %shown, "the file had mode {mode:04o}, so others could read it; set to 0600")
            }
            Err(why) => {
                tracing::warn!(path = %shown, error = %why, "others can read the file (mode {mode:04o}), and its mode cannot be changed; run chmod 600")
            }
        }
    }
}

/// The mode of a file that other users can read or write; `None` if they cannot, or if there is no such file.
pub fn mode_for_others(path: &Path) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then_some(mode)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// The folder of a file.
pub(super) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes a new or moved file's name durable. Not every system can, and then the name is as durable as the system makes it.
pub(super) fn sync_folder(file: &Path) {
    if let Ok(folder) = File::open(folder_of(file)) {
        let _ = folder.sync_all();
    }
}

/// Why no file can be made in a folder; `None` if one can. Nothing is written to find out.
pub(super) fn not_writable(folder: &Path) -> Option<String> {
    let found = match std::fs::metadata(folder) {
        Ok(found) => found,
        Err(e) => {
            return Some(format!(
                "the folder {} cannot be used: {e}",
                folder.display()
            ));
        }
    };
    if !found.is_dir() {
        return Some(format!("{} is not a folder", folder.display()));
    }
    refused_writes(folder, &found).map(|why| format!("the folder {} {why}", folder.display()))
}

#[cfg(target_os = "linux")]
fn refused_writes(folder: &Path, found: &std::fs::Metadata) -> Option<String> {
    use rustix::fs::Access;
    use std::os::unix::fs::PermissionsExt;
    // Root may write anyway, and the daemon seldom runs as root.
    if found.permissions().mode() & 0o222 == 0 {
        let mode = found.permissions().mode() & 0o777;
        return Some(format!("has mode {mode:04o}, so nobody may write in it"));
    }
    let refused = rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).err()?;
    Some(format!("cannot be written by this user: {refused}"))
}

#[cfg(not(target_os = "linux"))]
fn refused_writes(_: &Path, found: &std::fs::Metadata) -> Option<String> {
    let only_read = found.permissions().readonly();
    only_read.then(|| "is read-only".to_owned())
}

/// The bytes that are left for this user on the disk of a folder; `None` if the system does not tell.
#[cfg(target_os = "linux")]
pub(super) fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// A warning if the store is on a network file system.
pub fn on_a_network(path: &Path) -> Option<String> {
    let kind = network_kind(kind_of(path)?)?;
    Some(format!(
        "the store at {} is on {kind}. SQLite's locks don't work over a network: the store can be damaged, and a \
             second daemon is not detected. Set store.path to a local disk",
        path.display()
    ))
}

/// The type number of the file system; `None` if the system reports none.
#[cfg(target_os = "linux")]
fn kind_of(path: &Path) -> Option<u64> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let stat = rustix::fs::statfs(path)
        .or_else(|_| rustix::fs::statfs(folder.unwrap_or(Path::new("."))))
        .ok()?;
    // Some of these numbers are above i32::MAX, and some systems use 32 bits.
    u64::try_from(i128::from(stat.f_type) & 0xFFFF_FFFF).ok()
}

#[cfg(not(target_os = "linux"))]
fn kind_of(_path: &Path) -> Option<u64> {
    None
}

/// The network file systems among the types that statfs(2) lists.
fn network_kind(kind: u64) -> Option<&'static str> {
    Some(match kind {
        0x6969 => "NFS",
        0x517B | 0xFE53_4D42 => "SMB",
        0xFF53_4D42 => "CIFS",
        0x00C3_6400 => "Ceph",
        0x0BD0_0BD0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x0116_1970 => "GFS2",
        0x7461_636F => "OCFS2",
        0x564C => "NCP",
        0x1983_0326 => "BeeGFS",
        0x2003_0528 => "OrangeFS",
        0xAAD7_AAEA => "PanFS",
        0x0102_1997 => "9P, which shares a folder of another machine",
        0x786F_4256 => "vboxsf, which shares a folder of another machine",
        0xBACB_ACBC => "vmhgfs, which shares a folder of another machine",
        0x7C7C_6673 => "prl_fs, which shares a folder of another machine",
        0x6573_5546 => "FUSE, which may lead to another machine",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::nfs(0x6969, Some("NFS"))]
    #[case::cifs(0xFF53_4D42, Some("CIFS"))]
    #[case::smb2(0xFE53_4D42, Some("SMB"))]
    #[case::sshfs(0x6573_5546, Some("FUSE, which may lead to another machine"))]
    #[case::beegfs(0x1983_0326, Some("BeeGFS"))]
    #[case::ceph(0x00C3_6400, Some("Ceph"))]
    #[case::ext4(0xEF53, None)]
    #[case::xfs(0x5846_5342, None)]
    #[case::zfs(0x2FC1_2FC1, None)]
    #[case::btrfs(0x9123_683E, None)]
    #[case::tmpfs(0x0102_1994, None)]
    #[case::overlay(0x794C_7630, None)]
    fn network_file_systems_are_known(#[case] kind: u64, #[case] name: Option<&str>) {
        assert_eq!(network_kind(kind), name);
    }

    /// The system's own answer, for an existing file and for one that is still to be created.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_is_asked() {
        const PROC: u64 = 0x9FA0;
        assert_eq!(kind_of(Path::new("/proc/version")), Some(PROC));
        assert_eq!(kind_of(Path::new("/proc/no-such-file")), Some(PROC));
        assert!(kind_of(Path::new("no-such-file")).is_some());
        assert_eq!(kind_of(Path::new("/no/such/folder/ivan.db")), None);
        assert_eq!(on_a_network(Path::new("/proc/ivan.db")), None);
    }

    #[cfg(unix)]
    #[rstest]
    #[case(0o644, 0o600)]
    #[case(0o660, 0o600)]
    #[case(0o604, 0o600)]
    #[case(0o600, 0o600)]
    #[case(0o400, 0o400)]
    fn rights_of_others_are_taken(#[case] before: u32, #[case] after: u32) {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ivan.db");
        keep_private(&path);
        assert!(!path.exists());
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(before)).unwrap();
        keep_private(&path);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, after);
    }
}
