//! The block engine of this crate: a BTT (block translation table) on a medium.
//!
//! A block's bytes never change in place. A write goes to a slot that its lane owns, and the block's map entry is then
//! moved to that slot; the slot it came from is the lane's next one. What was under way at a crash is told by the flog.
//!
//! Reading takes no lock: a reader announces the slot it copies from, and a writer waits before it overwrites one that
//! is announced. Writes exclude each other only in the same lane, and around one cache line of the map.

mod arena;
mod lanes;
mod layout;
mod padded;
mod readers;
mod recovered;
mod recovery;
mod stripes;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::BlockEngine;
use crate::Error;
use crate::nvml::format::btt::{Layout, MapEntry, Pool, State};
use crate::nvml::format::{Damage, Invalid};
use crate::os::errno;
use crate::storage::medium::Medium;
use arena::Arena;
use readers::Readers;

/// An array of blocks on a medium.
pub(crate) struct RustBlocks<M> {
    medium: M,
    path: PathBuf,
    layout: Layout,
    /// The arenas; set as soon as the pool is laid out.
    arenas: OnceLock<Vec<Arena>>,
    readers: Readers,
    /// What the first change has to do before; held while that is done.
    first: Mutex<First>,
    /// The first change was prepared: the pool is laid out, recovered and repaired, and all of it is durable.
    is_ready: AtomicBool,
    /// Map entries in the medium may be older than what the arenas know of them.
    is_unrecovered: AtomicBool,
    /// A sync failed, and what is durable is unknown since: nothing more may be acknowledged.
    has_failed: AtomicBool,
}

/// What opening a pool found, which is not written before the first change.
enum First {
    /// The pool is to be laid out.
    Layout(Pool),
    /// What a crash or damage left behind is to be set right.
    Recovery(Pool),
    /// The first change was prepared.
    Done,
}

/// A failure without the call and the file that it belongs to.
enum Failure {
    /// A failed sync.
    Io(io::Error),
    /// A damaged map entry.
    Damage(Damage),
    /// A sync failed before.
    Refused,
}

impl From<Damage> for Failure {
    fn from(damage: Damage) -> Self {
        Failure::Damage(damage)
    }
}

impl<M: Medium> RustBlocks<M> {
    /// The array on `medium`, which `pool` describes. Nothing is written before the first change.
    pub(crate) fn new(medium: M, pool: Pool, path: &Path) -> Self {
        let arenas = arenas_of(&medium, &pool);
        let is_unrecovered = AtomicBool::new(arenas.iter().any(Arena::is_unrecovered));
        let layout = pool.layout;
        let (first, arenas) = match pool.is_laid_out() {
            true => (First::Recovery(pool), OnceLock::from(arenas)),
            false => (First::Layout(pool), OnceLock::new()),
        };
        Self {
            medium,
            path: path.to_path_buf(),
            layout,
            arenas,
            readers: Readers::new(),
            first: Mutex::new(first),
            is_ready: AtomicBool::new(false),
            is_unrecovered,
            has_failed: AtomicBool::new(false),
        }
    }

    /// What holds the pool's block `index`, and the block's number in it.
    fn locate<'a>(&self, arenas: &'a [Arena], index: u64) -> (&'a Arena, u32) {
        let (arena, block) = self.layout.locate(index).expect("callers check the index");
        (&arenas[arena as usize], block)
    }

    /// A block's map entry, as if recovery was done.
    fn entry(&self, arena: &Arena, block: u32) -> Result<MapEntry, Damage> {
        if self.is_unrecovered.load(Ordering::SeqCst)
            && let Some(entry) = arena.recovered(block)
        {
            return Ok(entry);
        }
        arena.stored_entry(&self.medium, block)
    }

    /// The arenas, ready for a change.
    fn prepare(&self) -> Result<&[Arena], Failure> {
        if !self.is_ready.load(Ordering::Acquire) {
            self.prepare_first()?;
        }
        self.check_not_failed()?;
        Ok(self.arenas.get().expect("what is ready is laid out"))
    }

    #[cold]
    fn prepare_first(&self) -> Result<(), Failure> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_not_failed()?;
        match &*first {
            First::Layout(pool) => {
                let pool = layout::lay_out(&self.medium, pool).map_err(|invalid| self.spoil(invalid))?;
                let _ = self.arenas.set(arenas_of(&self.medium, &pool));
            }
            First::Recovery(pool) => {
                let arenas = self.arenas.get().expect("only a pool that is laid out is recovered");
                recovery::recover(&self.medium, pool, arenas).map_err(|error| self.fail(error))?;
                self.is_unrecovered.store(false, Ordering::SeqCst);
            }
            First::Done => {}
        }
        *first = First::Done;
        self.is_ready.store(true, Ordering::Release);
        Ok(())
    }

    fn check_not_failed(&self) -> Result<(), Failure> {
        if self.has_failed.load(Ordering::Acquire) { Err(Failure::Refused) } else { Ok(()) }
    }

    fn fail(&self, error: io::Error) -> Failure {
        self.has_failed.store(true, Ordering::Release);
        Failure::Io(error)
    }

    fn spoil(&self, invalid: Invalid) -> Failure {
        match invalid {
            Invalid::Io(error) => self.fail(error),
            Invalid::Damage(damage) => Failure::Damage(damage),
        }
    }

    /// Completes a sync. The operating system tells of a failed write-back once, to whichever thread asks next, so another
    /// thread's failure may be this one's.
    fn settled(&self, synced: io::Result<()>) -> Result<(), Failure> {
        synced.map_err(|error| self.fail(error))?;
        self.check_not_failed()
    }

    /// Writes a block through a lane of its arena. Whatever happens midway, the block has its old content or the new.
    fn write_block(&self, index: u64, data: &[u8]) -> Result<(), Failure> {
        let (arena, block) = self.locate(self.prepare()?, index);
        // A damaged entry is refused before anything is written.
        self.entry(arena, block)?;
        let mut lane = arena.lanes.take().ok_or(Failure::Refused)?;
        let slot = lane.free_slot();
        self.readers.wait_until_left(arena.tag(slot));
        let slot_at = arena.extent.slot(slot);
        self.medium.store(slot_at, data);

        let _line = arena.stripes.lock(block);
        let old = self.entry(arena, block)?;
        arena.check_owner(block, old, slot)?;
        let next = lane.next(block, old);
        let next_at = lane.next_at();
        let flog_at = arena.extent.flog_pair(lane.number()) + next_at;
        let [recorded, activating] = halves(&next.encode());
        // Half of an entry beside an old sequence number says nothing, so it may be durable before the data, or after.
        self.medium.store_u64(flog_at, recorded);
        self.settled(self.medium.sync_two((slot_at, data.len() as u64), (flog_at, 8)))?;
        // This half makes the entry current. The other one has to be durable by now, on page-cache files too: a write-back
        // of the page by someone else may take one half as it was before and the other as it is after.
        self.medium.store_u64(flog_at + 8, activating);
        self.settled(self.medium.sync(flog_at + 8, 8))?;
        // From here on the write is durable: opening completes it. The lane moves on once the map says so too.
        let entry_at = arena.extent.map_entry(block);
        self.medium.store_u32(entry_at, next.new.encode());
        self.settled(self.medium.sync(entry_at, 4))?;
        lane.advance(next);
        Ok(())
    }

    /// Reads a block. `false` for one in the error state.
    fn read_block(&self, index: u64, target: &mut [u8]) -> Result<bool, Failure> {
        let Some(arenas) = self.arenas.get() else {
            target.fill(0);
            return Ok(true);
        };
        let (arena, block) = self.locate(arenas, index);
        let mut seat = None;
        loop {
            let entry = self.entry(arena, block)?;
            match entry.state {
                State::Initial | State::Zero => {
                    target.fill(0);
                    return Ok(true);
                }
                State::Error => return Ok(false),
                State::Normal => {}
            }
            let tag = arena.tag(entry.slot);
            match &mut seat {
                None => seat = Some(self.readers.sit(tag)),
                Some(seat) => seat.move_to(tag),
            }
            // A writer that reuses the slot changed the map before it looks for readers. So either it sees this one, or
            // this one sees the change.
            if self.entry(arena, block)? == entry {
                self.medium.load(arena.extent.slot(entry.slot), target);
                return Ok(true);
            }
        }
    }

    /// Puts a block in the state zero or error. It keeps its slot.
    fn set(&self, index: u64, state: State) -> Result<(), Failure> {
        self.check_not_failed()?;
        if state == State::Zero && self.arenas.get().is_none() {
            return Ok(());
        }
        let (arena, block) = self.locate(self.prepare()?, index);
        let _line = arena.stripes.lock(block);
        let old = self.entry(arena, block)?;
        if old.state == state || (old.state, state) == (State::Initial, State::Zero) {
            return Ok(());
        }
        let at = arena.extent.map_entry(block);
        let before = self.medium.load_u32(at);
        self.medium.store_u32(at, MapEntry { state, slot: old.slot }.encode());
        // After a failure the disk may have either. The old one is stored again, so that reopening makes it durable and does
        // not build on an entry that only the page cache has.
        self.settled(self.medium.sync(at, 4)).inspect_err(|_| self.medium.store_u32(at, before))
    }

    fn error(&self, failure: Failure, syscall: &'static str) -> Error {
        match failure {
            Failure::Io(error) => Error::io(&error, syscall, Some(&self.path)),
            Failure::Damage(damage) => Invalid::Damage(damage).into_error(syscall, Some(&self.path)),
            Failure::Refused => Error::os(errno::EIO, syscall, Some(&self.path))
                .with_hint("making an earlier change durable failed: close the array and open it again"),
        }
    }
}

impl<M: Medium> BlockEngine for RustBlocks<M> {
    fn read(&self, index: u64, target: &mut [u8]) -> crate::Result<()> {
        const SYSCALL: &str = "pmemblk_read";
        match self.read_block(index, target) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let error = Error::os(errno::EIO, SYSCALL, Some(&self.path));
                Err(error.with_hint("the block is in the error state: write it or set it to zero"))
            }
            Err(failure) => Err(self.error(failure, SYSCALL)),
        }
    }

    fn write(&self, index: u64, data: &[u8]) -> crate::Result<()> {
        self.write_block(index, data).map_err(|failure| self.error(failure, "pmemblk_write"))
    }

    fn set_zero(&self, index: u64) -> crate::Result<()> {
        self.set(index, State::Zero).map_err(|failure| self.error(failure, "pmemblk_set_zero"))
    }

    fn set_error(&self, index: u64) -> crate::Result<()> {
        self.set(index, State::Error).map_err(|failure| self.error(failure, "pmemblk_set_error"))
    }

    fn is_faulted(&self) -> bool {
        self.medium.is_faulted()
    }
}

fn arenas_of<M: Medium>(medium: &M, pool: &Pool) -> Vec<Arena> {
    (0..).zip(&pool.arenas).map(|(index, arena)| Arena::new(medium, index, arena)).collect()
}

/// The two halves of a flog entry, each stored as one.
fn halves(entry: &[u8; 16]) -> [u64; 2] {
    let whole = u128::from_le_bytes(*entry);
    [whole as u64, (whole >> 64) as u64]
}
