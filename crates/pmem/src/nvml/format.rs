//! The formats of the NVM Library's pools on disk: read, validated and made, never changed.
//!
//! Everything here is arithmetic over bytes that a [`Source`] hands out; nothing maps, locks or writes a file. All
//! integers are little-endian. Opening a pool costs the same few reads whatever its size: only [`btt::check`] reads the
//! map of a block pool.

pub(crate) mod btt;
mod bytes;
pub(crate) mod header;
pub(crate) mod log;
mod source;
#[cfg(test)]
mod tests;
mod uuid;

pub(crate) use source::Source;
pub(crate) use uuid::{Identity, Uuid};

use std::io;
use std::path::Path;

use crate::Error;

/// The unit in which pools are laid out; of a file's size the rest is unused.
pub(crate) const PAGE: u64 = 4096;

/// A place in a pool that holds what no intact pool holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// What lies there.
    pub field: &'static str,
    /// The place, in bytes from the start of the file.
    pub offset: u64,
    /// What is wrong with it.
    pub detail: String,
}

impl Damage {
    /// `field` at `offset` is wrong in the way that `detail` says.
    pub(crate) fn new(field: &'static str, offset: u64, detail: impl Into<String>) -> Self {
        Self { field, offset, detail: detail.into() }
    }
}

/// Why a pool was not accepted.
#[derive(Debug)]
pub(crate) enum Invalid {
    /// It is damaged, or no pool of this kind.
    Damage(Damage),
    /// It could not be read.
    Io(io::Error),
}

impl From<Damage> for Invalid {
    fn from(damage: Damage) -> Self {
        Invalid::Damage(damage)
    }
}

impl Invalid {
    /// The failure of `syscall` on the pool at `path`.
    pub(crate) fn into_error(self, syscall: &'static str, path: Option<&Path>) -> Error {
        match self {
            Invalid::Io(error) => Error::io(&error, syscall, path),
            Invalid::Damage(Damage { field, offset, detail }) => {
                Error::Corrupt { path: path.map(Path::to_path_buf), field, offset, detail }
            }
        }
    }
}

/// The part of a pool file of `len` bytes that its format uses.
pub(crate) fn used_size(len: u64) -> u64 {
    len & !(PAGE - 1)
}
