//! Locks of whole files.

use std::fs::File;
use std::io::{self, ErrorKind};

use super::Byte;
use crate::os::errno;

pub(super) fn try_lock(file: &File, byte: Byte) -> io::Result<bool> {
    if byte == Byte::Change {
        return Ok(true);
    }
    match errno::uninterrupted(|| file.try_lock()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn unlock(file: &File, byte: Byte) {
    if byte == Byte::Owner {
        let _ = errno::uninterrupted(|| file.unlock());
    }
}
