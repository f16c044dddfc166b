//! The locks on files that keep other processes away.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::os::lock::Byte;
use crate::os::{self, deliberate, errno, file};
use crate::{Error, Result};

/// A file with the lock that keeps other users of the NVM Library's formats away from it.
///
/// On Windows the lock binds also who does not ask for it: other handles cannot write, nor read unless it is a shared one.
/// So whoever reads or writes a locked pool does it through this file or a duplicate of it. Mappings are not affected.
#[derive(Debug)]
pub(crate) struct Locked(File);

impl Locked {
    /// Locks `file` against all others, or for a readonly pool against all that are not.
    pub(crate) fn new(file: File, readonly: bool, path: &Path, syscall: &'static str) -> Result<Self> {
        if deliberate::is_on("lock: none taken") {
            return Ok(Self(file));
        }
        let locked = errno::uninterrupted(|| if readonly { file.try_lock_shared() } else { file.try_lock() });
        match locked {
            Ok(()) => Ok(Self(file)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(Self::busy(path, syscall)),
            Err(error) => Err(Self::without_locks(&error, path, syscall)),
        }
    }

    /// A reader's file, whose lock its [`Place`](super::beside::Place) takes and gives up.
    pub(super) fn by_reader(file: File) -> Self {
        Self(file)
    }

    /// That others have the file.
    pub(super) fn busy(path: &Path, syscall: &'static str) -> Error {
        Error::os(errno::EAGAIN, syscall, Some(path))
            .with_hint("the pool is open elsewhere: in another process, or by another copy of this package")
    }

    /// That the file's system locks none.
    pub(super) fn without_locks(error: &io::Error, path: &Path, syscall: &'static str) -> Error {
        Error::io(error, syscall, Some(path))
            .with_hint("the file cannot be locked, as a pool must be: keep it on a file system that has locks")
    }

    /// The file without its lock, for who takes it next.
    #[cfg(feature = "pmdk")]
    pub(crate) fn release(self, path: &Path, syscall: &'static str) -> Result<File> {
        self.0.try_clone().map_err(|error| Error::io(&error, syscall, Some(path)))
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    /// Unlocks, rather than leave it to closing: a child process that is just being started still has the file open.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// A file with a name, whose owner's byte is locked.
///
/// A lock on a file that has lost its name would keep nobody away who opens the name. So the name is looked at after
/// locking, and whoever removes such a file locks it before.
#[derive(Debug)]
pub(crate) struct NamedLock {
    file: File,
    path: PathBuf,
}

impl NamedLock {
    /// Locks what `open` opens under the name. None where someone else has.
    pub(crate) fn take(path: &Path, open: impl Fn() -> Result<File>) -> Result<Option<Self>> {
        for _ in 0..MOST_TRIES {
            let file = open()?;
            if !lock(&file, Byte::Owner, path)? {
                return Ok(None);
            }
            let held = Self { file, path: path.to_path_buf() };
            if held.still_holds() || deliberate::is_on("lock: name not checked") {
                return Ok(Some(held));
            }
        }
        Ok(None)
    }

    /// Whether the name still leads to the file, so that nobody else can have its lock.
    pub(crate) fn still_holds(&self) -> bool {
        file::leads_to(&self.path, &self.file)
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for NamedLock {
    fn drop(&mut self) {
        os::lock::unlock(&self.file, Byte::Owner);
    }
}

/// How often a file may be replaced while it is being locked.
const MOST_TRIES: usize = 100;

/// Locks a byte of the file. False where someone else has.
pub(crate) fn lock(file: &File, byte: Byte, path: &Path) -> Result<bool> {
    os::lock::try_lock(file, byte).map_err(|error| {
        Error::io(&error, "lock", Some(path))
            .with_hint("the file cannot be locked, as it must be: keep it on a file system that has locks")
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_file_that_loses_its_name_while_it_is_locked_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let opened = Cell::new(0);
        let open = || {
            let file = file::open_or_make_itself(&path, 0o600).unwrap();
            opened.set(opened.get() + 1);
            if opened.get() == 1 {
                std::fs::rename(&path, folder.path().join("old")).unwrap();
            }
            Ok(file)
        };
        let held = NamedLock::take(&path, open).unwrap().unwrap();
        assert!(held.still_holds() && path.exists());
        assert!(NamedLock::take(&path, open).unwrap().is_none());
        assert!(lock(&file::open_itself(&path, false).unwrap(), Byte::Change, &path).unwrap());
        std::fs::rename(&path, folder.path().join("older")).unwrap();
        assert!(!held.still_holds());
        drop(held);
        assert!(NamedLock::take(&path, open).unwrap().is_some());
    }
}
