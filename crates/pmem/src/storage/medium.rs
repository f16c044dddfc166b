//! What engines write to, and make durable: persistent memory, or a file in the page cache. Both are read through a
//! mapping.

#[cfg(test)]
pub(crate) mod crashing;
mod file;
mod memory;
mod words;

use std::io;
use std::sync::Arc;

pub(crate) use file::FileMedium;
pub(crate) use memory::{MemoryMedium, lost};

use super::lock::Locked;
use crate::os::fault::FaultFlag;

/// An offset and a number of bytes.
pub(crate) type Range = (u64, u64);

/// A file's bytes. Offsets are in bytes from its start; a range that leaves it is a bug and panics.
///
/// Writes are fallible: a full disk, or a file that someone else cut. A write of four or eight aligned bytes is one: a power
/// failure leaves the old value or the new one.
pub(crate) trait Medium: Send + Sync {
    /// The number of bytes.
    fn len(&self) -> u64;

    /// Whether writers need not take turns: what one makes durable does not depend on what another one does meanwhile.
    fn is_concurrent(&self) -> bool;

    /// Copies out. Of bytes that are written meanwhile it may have any mixture.
    fn load(&self, offset: u64, target: &mut [u8]);

    /// Loads eight aligned bytes at once, which another process may write: what it wrote before is loaded after.
    fn load_long(&self, offset: u64) -> u64;

    /// Makes durable what was loaded, in aligned words of eight bytes, and may have been written by another process. A file
    /// that its system makes nothing of durable is as durable as it gets.
    ///
    /// # Errors
    /// What the operating system says: it is unknown what is durable, for good.
    fn sync_loaded(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Loads four aligned bytes at once, also while [`Medium::write_word`] writes them, in one order with all sequentially
    /// consistent operations.
    fn load_word(&self, offset: u64) -> u32;

    /// Writes four aligned bytes that [`Medium::load_word`] reads. Whoever writes words of the same 64 bytes takes turns.
    ///
    /// # Errors
    /// As [`Medium::write`].
    fn write_word(&self, offset: u64, value: u32) -> io::Result<()>;

    /// Writes words as [`Medium::write_word`] writes each. They are in ascending order.
    ///
    /// # Errors
    /// As [`Medium::write`]. Some may be written then.
    fn write_words(&self, words: &[(u64, u32)]) -> io::Result<()> {
        words.iter().try_for_each(|(offset, value)| self.write_word(*offset, *value))
    }

    /// Makes room for a word that is going to be written, so that writing it cannot run out of any.
    ///
    /// # Errors
    /// As [`Medium::write`].
    fn reserve_word(&self, offset: u64) -> io::Result<()>;

    /// Writes, for a later [`Medium::commit`] to make durable.
    ///
    /// # Errors
    /// What the operating system says; the range then holds any mixture.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Writes, for a later [`Medium::commit`] to make durable that has the range among its `earlier` ones.
    ///
    /// # Errors
    /// As [`Medium::write`].
    fn put(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write(offset, data)
    }

    /// Writes zeros.
    ///
    /// # Errors
    /// As [`Medium::write`].
    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Writes, in this order, and makes it durable, with what this thread wrote before and all that whoever wrote to the
    /// `earlier` ranges. It is one barrier: in which order its parts become durable is open.
    ///
    /// # Errors
    /// [`Failed::Write`] where nothing of it is known to be durable, and later commits may be; [`Failed::Sync`] where it is
    /// unknown what is durable, for good.
    fn commit(&self, writes: &[(u64, &[u8])], earlier: &[Range]) -> Result<(), Failed>;

    /// What tells whether bytes were lost: a page of the file cannot be had. Commits fail then.
    fn fault_flag(&self) -> Arc<FaultFlag>;
}

/// Why a commit failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Writing failed, as on a full disk.
    Write(io::Error),
    /// Making durable failed. The operating system takes such pages for written, and tells of each failure once.
    Sync(io::Error),
}

impl Failed {
    /// What the operating system said.
    pub(crate) fn into_error(self) -> io::Error {
        match self {
            Failed::Write(error) | Failed::Sync(error) => error,
        }
    }
}
