//! The lock on a file that keeps other processes away.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::Path;

use crate::os::errno;
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
        let locked = errno::uninterrupted(|| if readonly { file.try_lock_shared() } else { file.try_lock() });
        match locked {
            Ok(()) => Ok(Self(file)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(Error::os(errno::EAGAIN, syscall, Some(path))
                .with_hint("the pool is open elsewhere: in another process, or by another copy of this package")),
            Err(error) => Err(Error::io(&error, syscall, Some(path))
                .with_hint("the file cannot be locked, as a pool must be: keep it on a file system that has locks")),
        }
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
