//! Locks on single bytes of files, which the open file holds: another handle in this process is kept away as another process
//! is. They bind who asks for them; reading and writing go on.

#[cfg_attr(target_os = "linux", path = "lock/linux.rs")]
#[cfg_attr(windows, path = "lock/windows.rs")]
#[cfg_attr(not(any(target_os = "linux", windows)), path = "lock/whole.rs")]
mod platform;

use std::fs::File;
use std::io;

/// What of a file is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Byte {
    /// The first byte: the file belongs to who has locked it.
    Owner = 0,
    /// The second one, for the time of a change. Where files are locked as a whole alone, it keeps nobody away.
    Change = 1,
}

/// Locks a byte against all others. False where someone else has.
pub(crate) fn try_lock(file: &File, byte: Byte) -> io::Result<bool> {
    platform::try_lock(file, byte)
}

/// Unlocks a byte, rather than leave it to closing: a child process that is just being started still has the file open.
pub(crate) fn unlock(file: &File, byte: Byte) {
    platform::unlock(file, byte);
}
