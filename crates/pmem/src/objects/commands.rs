//! Commands as bytes.

use super::values;
use crate::{Error, Result};

/// What a command does to a container.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Create { kind: u8 },
    Record { record: &'a [u8] },
    Set { key: &'a [u8], value: &'a [u8] },
    Delete { key: &'a [u8] },
    Clear,
    SortedSet { key: &'a [u8], value: &'a [u8] },
    SortedDelete { key: &'a [u8] },
    ArraySet { index: u64, value: &'a [u8] },
    Splice { start: u64, removed: u64, values: Vec<&'a [u8]> },
    Root { value: &'a [u8] },
    Version { version: u32 },
    Dictionary,
    Field { shape: u32, index: usize, value: &'a [u8] },
    Extend { before: u32, after: u32, value: &'a [u8] },
    Shrink { before: u32, after: u32, index: usize },
}

impl Command<'_> {
    /// Whether nothing is larger afterwards, but for what says that something is to be freed.
    pub(super) fn only_removes(&self) -> bool {
        match self {
            Self::Delete { .. } | Self::Clear | Self::SortedDelete { .. } | Self::Shrink { .. } => true,
            Self::Splice { values, .. } => values.is_empty(),
            Self::Root { value } => values::reference(value).is_none() && value.len() <= SMALL,
            _ => false,
        }
    }
}

/// How long a value is that takes no more room than the one before.
const SMALL: usize = 9;

/// Reads commands one after the other.
pub(super) struct Commands<'a>(pub(super) &'a [u8]);

impl<'a> Commands<'a> {
    /// The next command, and its container.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Command<'a>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        self.command()
            .map(Some)
            .ok_or(Error::InvalidValue { name: "commands", reason: "they are no commands of this version" })
    }

    fn command(&mut self) -> Option<(u64, Command<'a>)> {
        let code = self.byte()?;
        let id = values::id_at(self.take(7)?, 0);
        let command = match code {
            1 => Command::Create { kind: self.byte()? },
            2 => {
                let len = self.uint32()? as usize;
                Command::Record { record: self.take(len)? }
            }
            3 => Command::Set { key: self.value()?, value: self.value()? },
            4 => Command::Delete { key: self.value()? },
            5 => Command::Clear,
            6 => Command::Set { key: self.value()?, value: &[] },
            7 => Command::SortedSet { key: self.ordered()?, value: self.value()? },
            8 => Command::SortedDelete { key: self.ordered()? },
            9 => Command::ArraySet { index: u64::from(self.uint32()?), value: self.value()? },
            10 => {
                let (start, removed, count) = (self.uint32()?, self.uint32()?, self.uint32()?);
                let values = (0..count).map(|_| self.value()).collect::<Option<_>>()?;
                Command::Splice { start: u64::from(start), removed: u64::from(removed), values }
            }
            11 => Command::Root { value: self.value()? },
            12 => Command::Version { version: self.uint32()? },
            13 => Command::Dictionary,
            14 => Command::Field { shape: self.uint32()?, index: self.uint16()?, value: self.value()? },
            15 => Command::Extend { before: self.uint32()?, after: self.uint32()?, value: self.value()? },
            16 => Command::Shrink { before: self.uint32()?, after: self.uint32()?, index: self.uint16()? },
            _ => return None,
        };
        Some((id, command))
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn uint16(&mut self) -> Option<usize> {
        self.take(2).map(|bytes| usize::from(u16::from_le_bytes([bytes[0], bytes[1]])))
    }

    fn uint32(&mut self) -> Option<u32> {
        self.take(4).map(|bytes| crate::storage::bytes::u32_at(bytes, 0))
    }

    fn value(&mut self) -> Option<&'a [u8]> {
        let len = values::len(self.0)?;
        self.take(len)
    }

    fn ordered(&mut self) -> Option<&'a [u8]> {
        let len = self.uint32()? as usize;
        self.take(len)
    }
}
