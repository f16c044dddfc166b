//! Locks on single bytes of a file, held by an open file: Linux's open file description locks.
//!
//! They keep nobody from reading or writing. On Linux's own file systems they know nothing of `flock`; where a file system
//! has one kind stand for the other, as NFS does, they conflict with it, and whoever asks for one is refused. A byte need
//! not exist. Elsewhere there are none: nobody has one, and whoever asks for one is refused.

use std::fs::File;
use std::io;

#[cfg(target_os = "linux")]
use super::errno;

/// How a byte is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// With others that hold it so. The file has to be open for reading.
    Shared,
    /// Against all others. The file has to be open for writing.
    Exclusive,
}

/// Whether there are such locks.
pub(crate) const AVAILABLE: bool = cfg!(target_os = "linux");

/// Locks a byte for all duplicates of this open file. False where someone else's lock is in the way, or there are none here.
#[cfg(target_os = "linux")]
pub(crate) fn lock(file: &File, byte: u64, hold: Hold) -> io::Result<bool> {
    match linux::set(file, byte, linux::kind(hold)) {
        Err(error) if matches!(errno::of(&error), errno::EAGAIN | errno::EACCES) => Ok(false),
        locked => locked.map(|()| true),
    }
}

/// Gives a byte up. Closing the file does too, but a child process that is just being started still has it open.
#[cfg(target_os = "linux")]
pub(crate) fn unlock(file: &File, byte: u64) {
    let _ = linux::set(file, byte, nix::libc::F_UNLCK);
}

/// How someone else holds this byte and no other with it.
#[cfg(target_os = "linux")]
pub(crate) fn holder(file: &File, byte: u64) -> io::Result<Option<Hold>> {
    let mut found = linux::request(byte, nix::libc::F_WRLCK);
    errno::uninterrupted(|| nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_OFD_GETLK(&mut found)))?;
    if (found.l_start, found.l_len) != (byte as i64, 1) {
        return Ok(None);
    }
    Ok(match i32::from(found.l_type) {
        nix::libc::F_RDLCK => Some(Hold::Shared),
        nix::libc::F_WRLCK => Some(Hold::Exclusive),
        _ => None,
    })
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io;

    use super::Hold;
    use crate::os::errno;
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc::{F_RDLCK, F_WRLCK, SEEK_SET, flock};

    pub(super) fn kind(hold: Hold) -> i32 {
        match hold {
            Hold::Shared => F_RDLCK,
            Hold::Exclusive => F_WRLCK,
        }
    }

    pub(super) fn set(file: &File, byte: u64, kind: i32) -> io::Result<()> {
        let request = request(byte, kind);
        errno::uninterrupted(|| fcntl(file, FcntlArg::F_OFD_SETLK(&request)).map(drop))
    }

    /// What the system is asked; it wants no process named.
    pub(super) fn request(byte: u64, kind: i32) -> flock {
        flock { l_type: kind as i16, l_whence: SEEK_SET as i16, l_start: byte as i64, l_len: 1, l_pid: 0 }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn lock(_: &File, _: u64, _: Hold) -> io::Result<bool> {
    Ok(false)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn unlock(_: &File, _: u64) {}

#[cfg(not(target_os = "linux"))]
pub(crate) fn holder(_: &File, _: u64) -> io::Result<Option<Hold>> {
    Ok(None)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const BYTE: u64 = 1 << 62;

    #[test]
    fn open_files_hold_bytes_against_each_other() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let [one, other] = [(); 2].map(|()| File::options().read(true).write(true).open(file.path()).unwrap());
        let reader = File::open(file.path()).unwrap();
        assert!(lock(&one, BYTE, Hold::Exclusive).unwrap());
        assert!(!lock(&reader, BYTE, Hold::Shared).unwrap());
        assert!(lock(&reader, BYTE + 1, Hold::Shared).unwrap());
        assert_eq!(holder(&reader, BYTE).unwrap(), Some(Hold::Exclusive));
        assert_eq!((holder(&one, BYTE).unwrap(), holder(&one, BYTE + 1).unwrap()), (None, Some(Hold::Shared)));
        assert!(!lock(&other, BYTE + 1, Hold::Exclusive).unwrap());
        unlock(&one, BYTE);
        assert_eq!(holder(&reader, BYTE).unwrap(), None);
        drop(reader);
        assert!(lock(&other, BYTE + 1, Hold::Exclusive).unwrap());
    }

    #[test]
    fn a_lock_on_more_than_the_byte_is_someone_else_s() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let [one, other] = [(); 2].map(|()| File::options().read(true).write(true).open(file.path()).unwrap());
        let all = nix::libc::flock { l_start: 0, l_len: 0, ..linux::request(0, nix::libc::F_WRLCK) };
        nix::fcntl::fcntl(&one, nix::fcntl::FcntlArg::F_OFD_SETLK(&all)).unwrap();
        assert_eq!(holder(&other, BYTE).unwrap(), None);
        assert!(!lock(&other, BYTE, Hold::Shared).unwrap());
    }
}
