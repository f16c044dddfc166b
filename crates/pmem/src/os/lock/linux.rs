//! Locks of the open file description.

use std::fs::File;
use std::io;

use super::Byte;
use crate::os::byte_locks::{self, Hold};

pub(super) fn try_lock(file: &File, byte: Byte) -> io::Result<bool> {
    byte_locks::lock(file, byte as u64, Hold::Exclusive)
}

pub(super) fn unlock(file: &File, byte: Byte) {
    byte_locks::unlock(file, byte as u64);
}
