//! The way to what lies in the file: nodes and runs, each looked at once before it is believed in.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::format::{Geometry, block_of, check_of, is_sound};
use super::node::{Page, Place, is_of_file, validate};
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
        if !self.seen.has(reference, NODE) {
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
        self.check_place(block, 1)?;
        let sound = is_sound(bytes, self.salt, reference) || deliberate::is_on("heap: checksum not checked");
        self.check()?;
        if !sound {
            return Err(self.damaged(block, "a node is not what was written"));
        }
        // What has the checksum of a node that was looked at is one.
        let is_known = self.seen.has(reference, NODE)
            || deliberate::is_on("heap: runs taken for nodes") && self.seen.has(reference, RUN);
        if !(is_known || validate(bytes) && is_of_file(bytes)) {
            return Err(self.damaged(block, "a node is not one"));
        }
        self.seen.set(reference, NODE);
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
        // Pieces that are all the same one would be put together to more than there is.
        if len > self.geometry.run_len(MOST_RUN) || place.len > self.file.len() {
            return Err(self.damaged(block_of(place.reference), "a run is longer than any"));
        }
        Ok(Place { reference: place.reference, len })
    }

    fn piece(&self, Place { reference, len }: Place) -> Result<&[u8]> {
        let (block, blocks) = (block_of(reference), self.geometry.run_blocks(len));
        self.check_place(block, blocks)?;
        let bytes = self.file.bytes(block * self.geometry.node_size, (blocks * self.geometry.node_size) as usize);
        let Some(bytes) = bytes else { return Err(self.damaged(block, "a run lies outside the file")) };
        if !self.seen.has(reference, RUN) {
            let sound = is_sound(bytes, self.salt, reference) || deliberate::is_on("heap: checksum not checked");
            self.check()?;
            if !sound {
                return Err(self.damaged(block, "a run is not what was written"));
            }
            self.seen.set(reference, RUN);
        }
        // So many blocks have room for so many bytes.
        bytes.get(..len as usize).ok_or_else(|| self.damaged(block, "a run is short"))
    }

    /// The blocks of a run: the first one of each part, and how many.
    pub(super) fn run_blocks(&self, place: Place) -> Result<Vec<(u64, u64)>> {
        let blocks = |place: Place| {
            let (block, count) = (block_of(place.reference), self.geometry.run_blocks(place.len));
            self.check_place(block, count).map(|()| (block, count))
        };
        if place.len <= self.geometry.run_len(MOST_RUN) {
            return Ok(vec![blocks(place)?]);
        }
        let pieces = self.pieces(place)?.into_iter();
        pieces.chain([self.index(place)?]).map(blocks).collect()
    }

    /// That blocks are where nodes and runs are.
    fn check_place(&self, block: u64, count: u64) -> Result<()> {
        let blocks = self.file.len() / self.geometry.node_size;
        let is_place = self.geometry.has_blocks(block, count, blocks) || deliberate::is_on("heap: blocks anywhere");
        if is_place { Ok(()) } else { Err(self.damaged(block, "a reference leads to where no nodes are")) }
    }

    /// Writes to blocks that nobody reads, for a later sync.
    pub(super) fn write(&self, block: u64, bytes: &[u8]) -> std::io::Result<()> {
        let blocks = bytes.len() as u64 / self.geometry.node_size;
        debug_assert!(self.check_place(block, blocks).is_ok(), "the block {block} is no node's");
        (block..block + blocks).for_each(|block| self.seen.clear(block));
        self.file.write(block * self.geometry.node_size, bytes)
    }

    /// That no page was lost of what was read.
    #[inline]
    pub(super) fn check(&self) -> Result<()> {
        let is_faulted = self.file.is_faulted() && !deliberate::is_on("heap: lost pages not looked at");
        if is_faulted { Err(self.fault()) } else { Ok(()) }
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

/// What nodes and runs that begin at a block are known as in [`Seen`], behind the part of their checksum that references have.
const NODE: u32 = 1 << 24;
const RUN: u32 = 1 << 25;
const CHECK: u32 = NODE - 1;

/// The checksums that were found right of blocks since the store was opened, and since they were written: a reference with another
/// one leads to what was there before. They are in pieces that double, so that there are more of them as the file grows.
struct Seen([OnceLock<Box<[AtomicU32]>>; 34]);

impl Default for Seen {
    fn default() -> Self {
        Self([const { OnceLock::new() }; 34])
    }
}

/// The blocks of the first piece.
const FIRST: u64 = 1024;

impl Seen {
    #[inline]
    fn place(block: u64) -> (usize, usize) {
        let piece = (block / FIRST + 1).ilog2();
        (piece as usize, (block - ((1 << piece) - 1) * FIRST) as usize)
    }

    /// Whether what a reference leads to was found to be a node, or a run.
    #[inline]
    fn has(&self, reference: u64, kind: u32) -> bool {
        let (piece, index) = Self::place(block_of(reference));
        let Some(seen) = self.0.get(piece).and_then(OnceLock::get) else { return false };
        let seen = seen[index].load(Ordering::Relaxed);
        let is_same =
            seen & CHECK == check_of(reference) || deliberate::is_on("heap: what was seen is any reference's");
        seen & kind != 0 && is_same
    }

    fn set(&self, reference: u64, kind: u32) {
        let ((piece, index), check) = (Self::place(block_of(reference)), check_of(reference));
        let words = self.0[piece].get_or_init(|| (0..FIRST << piece).map(|_| AtomicU32::new(0)).collect());
        let before = words[index].load(Ordering::Relaxed);
        let others = if before & CHECK == check { before } else { 0 };
        words[index].store(others | check | kind, Ordering::Relaxed);
    }

    fn clear(&self, block: u64) {
        let (piece, index) = Self::place(block);
        if let Some(words) = self.0[piece].get() {
            words[index].store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::reference;
    use super::*;

    #[test]
    fn what_was_seen_is_known_until_it_is_written_again() {
        let seen = Seen::default();
        for block in [0, 63, 1023, 1024, 3071, 3072, 1 << 20] {
            let [one, other] = [5, 9].map(|check| reference(block, check));
            assert!(!seen.has(one, NODE));
            seen.set(one, NODE);
            assert!(seen.has(one, NODE) && [1, 64, 4096].iter().all(|bit| !seen.has(reference(block ^ bit, 5), NODE)));
            assert!(!seen.has(one, RUN) && !seen.has(other, NODE), "of another kind, or of before");
            seen.set(one, RUN);
            assert!(seen.has(one, RUN) && seen.has(one, NODE));
            seen.set(other, RUN);
            assert!(seen.has(other, RUN) && !seen.has(other, NODE) && !seen.has(one, NODE));
            seen.clear(block);
            assert!(!seen.has(one, NODE) && !seen.has(other, RUN));
        }
    }
}
