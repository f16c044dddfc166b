//! Locks of the open file description.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::Byte;
use crate::os::errno;

pub(super) fn try_lock(file: &File, byte: Byte) -> io::Result<bool> {
    match errno::uninterrupted(|| set(file, byte, libc::F_WRLCK)) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn unlock(file: &File, byte: Byte) {
    let _ = errno::uninterrupted(|| set(file, byte, libc::F_UNLCK));
}

fn set(file: &File, byte: Byte, kind: libc::c_int) -> Result<(), Errno> {
    let lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte as libc::off_t,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&lock)).map(drop)
}
