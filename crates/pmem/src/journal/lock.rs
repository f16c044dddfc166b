//! The lock of who writes a journal.

use std::path::Path;

use crate::os::{errno, file, volume};
use crate::storage::lock::NamedLock;
use crate::{Error, Result};

/// What keeps others from writing the journal, until it is dropped.
#[derive(Debug)]
pub(crate) struct WriterLock(NamedLock);

impl WriterLock {
    /// Locks the file `lock` of the journal's folder, which is made where it is missing, with these permissions.
    ///
    /// # Errors
    /// `EAGAIN` where someone else writes the journal; [`Error::Unsupported`] on a network's file system; what the operating
    /// system says of the file.
    pub(crate) fn take(folder: &Path, mode: u32) -> Result<Self> {
        volume::refuse_network(folder)?;
        let path = folder.join("lock");
        let open =
            || file::open_or_make_itself(&path, mode).map_err(|error| Error::io(&error, "open", Some(path.as_path())));
        let held = NamedLock::take(&path, open)?;
        held.map(Self).ok_or_else(|| {
            Error::os(errno::EAGAIN, "lock", Some(folder)).with_hint(
                "another process writes the journal, or another copy of this package: close it there, or open it readonly",
            )
        })
    }

    /// Whether nobody else can have the lock: its name still leads to the file.
    pub(crate) fn still_holds(&self) -> bool {
        self.0.still_holds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writes_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let held = WriterLock::take(folder.path(), 0o600).unwrap();
        assert!(held.still_holds());
        let refused = WriterLock::take(folder.path(), 0o600).unwrap_err();
        assert_eq!(refused.code(), "EAGAIN");
        assert!(refused.to_string().contains("another process writes the journal"), "{refused}");
        drop(held);
        let held = WriterLock::take(folder.path(), 0o600).unwrap();
        std::fs::rename(folder.path().join("lock"), folder.path().join("other")).unwrap();
        assert!(!held.still_holds());
    }

    #[test]
    #[cfg(unix)]
    fn a_lock_that_is_no_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert_eq!(WriterLock::take(folder.path(), 0o600).unwrap_err().code(), "ELOOP");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(WriterLock::take(folder.path(), 0o600).unwrap_err().code(), "EISDIR");
        assert_eq!(WriterLock::take(&folder.path().join("none"), 0o600).unwrap_err().code(), "ENOENT");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_child_process_keeps_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let held = WriterLock::take(folder.path(), 0o600).unwrap();
        let mut child = std::process::Command::new("sleep").arg("5").spawn().unwrap();
        drop(held);
        drop(WriterLock::take(folder.path(), 0o600).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
