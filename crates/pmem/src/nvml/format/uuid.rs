//! The random names that tie the parts of a pool together.

use std::io;

/// A random name. The format keeps its first three fields as little-endian numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uuid(pub [u8; 16]);

impl Uuid {
    /// A new random name, of version 4.
    ///
    /// # Errors
    /// What the operating system says of its source of random bytes.
    pub(crate) fn random() -> io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        bytes[7] = bytes[7] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Ok(Self(bytes))
    }
}

/// The names of a pool that is one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The pool's name.
    pub poolset: Uuid,
    /// The name of its only part, which is its own neighbour in every direction.
    pub part: Uuid,
}

impl Identity {
    /// New random names.
    ///
    /// # Errors
    /// As [`Uuid::random`].
    pub(crate) fn random() -> io::Result<Self> {
        Ok(Self { poolset: Uuid::random()?, part: Uuid::random()? })
    }
}
