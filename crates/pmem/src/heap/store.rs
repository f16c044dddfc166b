//! The way to what lies in the file: nodes and runs, each looked at once before it is believed in.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::format::{Geometry, block_of, is_sound};
use super::node::{Page, Place, TRAILER, is_of_file, validate};
use crate::os::deliberate;
use crate::storage::bytes::u64_at;
use crate::storage::growing::Growing;
use crate::{Error, Result};

/// A run of more blocks is several, with one that tells where they are.
pub(super) const MOST_RUN: u64 = 64;

/// A store's file.
pub(super) struct Store {
    pub(super) file: Growing,
    pub(super) path: PathBuf,
    pub(super) geometry: Geometry,
    pub(super) salt: u64,
    seen: Seen,
}

impl Store {
    pub(super) fn new(file: Growing, path: PathBuf, geometry: Geometry, salt: u64) -> Self {
        Self { file, path, geometry, salt, seen: Seen::default() }
    }

    /// The node that a reference leads to.
    #[inline]
    pub(super) fn node(&self, reference: u64) -> Result<Page<'_>> {
        let block = block_of(reference);
        let bytes = self.bytes(block)?;
        if !self.seen.has(block) {
            self.look(bytes, reference)?;
        }
        Page::new(bytes).ok_or_else(|| self.damaged(block, "a node is not one"))
    }

    /// A copy of the node that a reference leads to, which is sound whatever happens to the file.
    pub(super) fn node_copy(&self, reference: u64) -> Result<Box<[u8]>> {
        let bytes: Box<[u8]> = self.bytes(block_of(reference))?.into();
        self.look(&bytes, reference)?;
        Ok(bytes)
    }

    #[inline]
    fn bytes(&self, block: u64) -> Result<&[u8]> {
        let (offset, len) = (block * self.geometry.node_size, self.geometry.node_size as usize);
        self.file.bytes(offset, len).ok_or_else(|| self.damaged(block, "a node lies outside the file"))
    }

    #[cold]
    fn look(&self, bytes: &[u8], reference: u64) -> Result<()> {
        let block = block_of(reference);
        let sound = is_sound(bytes, self.salt, reference) || deliberate::is_on("heap: checksum not checked");
        self.check()?;
        if !sound {
            return Err(self.damaged(block, "a node is not what was written"));
        }
        // What has the checksum of a node that was looked at is one.
        if !(self.seen.has(block) || validate(bytes) && is_of_file(bytes)) {
            return Err(self.damaged(block, "a node is not one"));
        }
        self.seen.set(block);
        Ok(())
    }

    /// What a run holds. Long ones lie in several pieces, and are put together.
    pub(super) fn run(&self, place: Place) -> Result<Cow<'_, [u8]>> {
        if place.len <= self.geometry.run_len(MOST_RUN) {
            return self.piece(place).map(Cow::Borrowed);
        }
        let mut whole = Vec::new();
        for piece in self.pieces(place)? {
            whole.extend_from_slice(self.piece(piece)?);
        }
        Ok(Cow::Owned(whole))
    }

    /// The pieces of a long run, in their order.
    fn pieces(&self, place: Place) -> Result<Vec<Place>> {
        let most = self.geometry.run_len(MOST_RUN);
        let index = self.piece(self.index(place)?)?;
        let count = index.len() as u64 / 8;
        let piece = |number: u64| Place {
            reference: u64_at(index, 8 * number as usize),
            len: most.min(place.len - number * most),
        };
        Ok((0..count).map(piece).collect())
    }

    /// Where the references to a long run's pieces are.
    fn index(&self, place: Place) -> Result<Place> {
        let len = place.len.div_ceil(self.geometry.run_len(MOST_RUN)) * 8;
        if len > self.geometry.run_len(MOST_RUN) {
            return Err(self.damaged(block_of(place.reference), "a run is longer than any"));
        }
        Ok(Place { reference: place.reference, len })
    }

    fn piece(&self, Place { reference, len }: Place) -> Result<&[u8]> {
        let (block, blocks) = (block_of(reference), self.geometry.run_blocks(len));
        let bytes = self.file.bytes(block * self.geometry.node_size, (blocks * self.geometry.node_size) as usize);
        let Some(bytes) = bytes else { return Err(self.damaged(block, "a run lies outside the file")) };
        if !self.seen.has(block) {
            let sound = is_sound(bytes, self.salt, reference) || deliberate::is_on("heap: checksum not checked");
            self.check()?;
            if !sound {
                return Err(self.damaged(block, "a run is not what was written"));
            }
            self.seen.set(block);
        }
        bytes
            .get(..len as usize)
            .filter(|_| len as usize <= bytes.len() - TRAILER)
            .ok_or_else(|| self.damaged(block, "a run is short"))
    }

    /// The blocks of a run: the first one of each part, and how many.
    pub(super) fn run_blocks(&self, place: Place) -> Result<Vec<(u64, u64)>> {
        let blocks = |place: Place| (block_of(place.reference), self.geometry.run_blocks(place.len));
        if place.len <= self.geometry.run_len(MOST_RUN) {
            return Ok(vec![blocks(place)]);
        }
        let mut parts: Vec<_> = self.pieces(place)?.into_iter().map(blocks).collect();
        parts.push(blocks(self.index(place)?));
        Ok(parts)
    }

    /// Writes to blocks that nobody reads, for a later sync.
    pub(super) fn write(&self, block: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.seen.clear(block);
        self.file.write(block * self.geometry.node_size, bytes)
    }

    /// That no page was lost of what was read.
    #[inline]
    pub(super) fn check(&self) -> Result<()> {
        if self.file.is_faulted() { Err(self.fault()) } else { Ok(()) }
    }

    #[cold]
    fn fault(&self) -> Error {
        Error::Fault { path: Some(self.path.clone()) }
    }

    /// That something is of a later version.
    #[cold]
    pub(super) fn newer(&self, what: &str) -> Error {
        Error::Newer { file: self.path.clone(), what: what.to_owned() }
    }

    /// That something is not what it should be.
    #[cold]
    pub(super) fn damaged(&self, block: u64, what: &str) -> Error {
        let offset = block * self.geometry.node_size;
        Error::Broken { file: self.path.clone(), offset, what: what.to_owned() }
    }
}

/// The blocks whose checksums were found right since the store was opened, and since they were written. They are in pieces that
/// double, so that there are more of them as the file grows.
struct Seen([OnceLock<Box<[AtomicU64]>>; 34]);

impl Default for Seen {
    fn default() -> Self {
        Self([const { OnceLock::new() }; 34])
    }
}

/// The words of the first piece.
const FIRST: u64 = 64;

impl Seen {
    #[inline]
    fn place(block: u64) -> (usize, usize) {
        let word = block / 64;
        let piece = (word / FIRST + 1).ilog2();
        (piece as usize, (word - ((1 << piece) - 1) * FIRST) as usize)
    }

    #[inline]
    fn has(&self, block: u64) -> bool {
        let (piece, word) = Self::place(block);
        let Some(words) = self.0.get(piece).and_then(OnceLock::get) else { return false };
        words[word].load(Ordering::Relaxed) & 1 << (block % 64) != 0
    }

    fn set(&self, block: u64) {
        let (piece, word) = Self::place(block);
        let words = self.0[piece].get_or_init(|| (0..FIRST << piece).map(|_| AtomicU64::new(0)).collect());
        words[word].fetch_or(1 << (block % 64), Ordering::Relaxed);
    }

    fn clear(&self, block: u64) {
        let (piece, word) = Self::place(block);
        if let Some(words) = self.0[piece].get() {
            words[word].fetch_and(!(1 << (block % 64)), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_known_until_it_is_written_again() {
        let seen = Seen::default();
        for block in [0, 63, 64, 4095, 4096, 12287, 12288, 1 << 20] {
            assert!(!seen.has(block));
            seen.set(block);
            assert!(seen.has(block) && [1, 64, 4096].iter().all(|other| !seen.has(block ^ other)));
            seen.clear(block);
            assert!(!seen.has(block));
        }
    }
}
