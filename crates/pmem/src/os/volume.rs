//! What kind of file system a file lies on.

use std::fs::File;
use std::path::Path;

use crate::{Error, Result};

/// Why nothing is written on a file system of this kind.
#[cfg(any(target_os = "linux", target_os = "macos", test))]
macro_rules! reason {
    ($kind:literal) => {
        concat!(
            "a journal is not written on ",
            $kind,
            ", where locks and shared pages do not reach all who use it: keep it on a local disk; reading it there works"
        )
    };
}

/// The file systems on which nothing is written, by their numbers for `statfs`.
#[cfg(any(target_os = "linux", test))]
const REASONS: &[(u32, &str)] = &[
    (0x6969, reason!("NFS")),
    (0x517b, reason!("SMB")),
    (0xff53_4d42, reason!("SMB (CIFS)")),
    (0xfe53_4d42, reason!("SMB (CIFS)")),
    (0x0102_1997, reason!("9p, as Windows' disks are in WSL")),
];

/// btrfs, ZFS and bcachefs, by their numbers for `statfs`.
#[cfg(any(target_os = "linux", test))]
const COPY_ON_WRITE: &[u32] = &[0x9123_683e, 0x2fc1_2fc1, 0xca45_1a4e];

/// That a folder does not lie on a network's file system, where its files may not be written.
///
/// # Errors
/// [`Error::Unsupported`]; what the operating system says of the folder.
pub(crate) fn refuse_network(folder: &Path) -> Result<()> {
    reason(folder)?.map_or(Ok(()), |reason| Err(Error::Unsupported(reason)))
}

#[cfg(target_os = "linux")]
fn reason(folder: &Path) -> Result<Option<&'static str>> {
    let status = crate::os::errno::uninterrupted(|| nix::sys::statfs::statfs(folder));
    let status = status.map_err(|error| absent(&error, folder))?;
    Ok(reason_of(status.filesystem_type().0 as u32))
}

/// That the folder of what is to be made or opened is no folder, or that nothing can be said of it.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn absent(error: &std::io::Error, folder: &Path) -> Error {
    Error::io(error, "statfs", Some(folder)).with_hint_on(crate::os::errno::ENOENT, "make the folder first")
}

#[cfg(any(target_os = "linux", test))]
fn reason_of(magic: u32) -> Option<&'static str> {
    REASONS.iter().find(|(number, _)| *number == magic).map(|(_, reason)| *reason)
}

#[cfg(target_os = "macos")]
fn reason(folder: &Path) -> Result<Option<&'static str>> {
    use nix::mount::MntFlags;
    let status = crate::os::errno::uninterrupted(|| nix::sys::statfs::statfs(folder));
    let status = status.map_err(|error| absent(&error, folder))?;
    let is_local = status.flags().contains(MntFlags::MNT_LOCAL);
    Ok((!is_local).then_some(reason!("a network's file system")))
}

/// Nothing tells of it here.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn reason(_: &Path) -> Result<Option<&'static str>> {
    Ok(None)
}

/// Whether a write to the file takes new blocks, so that nothing is gained by writing it out with zeros before.
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the writer will ask it")]
pub(crate) fn is_copy_on_write(file: &File) -> bool {
    let status = crate::os::errno::uninterrupted(|| nix::sys::statfs::fstatfs(file));
    status.is_ok_and(|status| COPY_ON_WRITE.contains(&(status.filesystem_type().0 as u32)))
}

/// Nothing tells of it here.
#[cfg(not(target_os = "linux"))]
#[allow(dead_code, reason = "the writer will ask it")]
pub(crate) fn is_copy_on_write(_: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_folder_may_be_written_and_a_networks_is_named() {
        let folder = tempfile::tempdir().unwrap();
        refuse_network(folder.path()).unwrap();
        for (magic, name) in
            [(0x6969, "NFS"), (0x517b, "SMB"), (0xff53_4d42, "CIFS"), (0xfe53_4d42, "CIFS"), (0x0102_1997, "9p")]
        {
            assert!(reason_of(magic).unwrap().contains(name));
        }
        assert_eq!(COPY_ON_WRITE.iter().find(|magic| reason_of(**magic).is_some()), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_numbers_are_those_of_the_kernel() {
        use nix::libc::{BTRFS_SUPER_MAGIC, NFS_SUPER_MAGIC, SMB_SUPER_MAGIC};
        assert_eq!((REASONS[0].0, REASONS[1].0), (NFS_SUPER_MAGIC as u32, SMB_SUPER_MAGIC as u32));
        assert_eq!(COPY_ON_WRITE[0], BTRFS_SUPER_MAGIC as u32);
        assert!(!is_copy_on_write(&File::open("/proc/self/stat").unwrap()));
    }

    #[test]
    #[cfg(unix)]
    fn a_missing_folder_is_an_error() {
        assert_eq!(refuse_network(Path::new("/no/such/folder")).unwrap_err().code(), "ENOENT");
    }
}
