//! The block engine of this crate: a BTT (block translation table) on a medium.
//!
//! A block's bytes never change in place. A write goes to a slot that its lane owns, and the block's map entry is then
//! moved to that slot; the slot it came from is the lane's next one. What was under way at a crash is told by the flog.
//!
//! A write is durable after two barriers. The first one makes durable what it relies on: the data, the first half of its
//! flog entry, and the map entries that may not be durable yet, of its lane's last write and of its block's. The second one
//! makes the flog entry current. The map entry itself comes to the disk with a later barrier, since recovery makes it again
//! from the flog: so when a lane's next write takes the flog entry's place, the map entry is durable, and of two lanes that
//! wrote the same block at most one has an entry that the map still lags behind.
//!
//! Reading takes no lock: a reader announces the slot it copies from, and a writer waits before it overwrites one that
//! is announced. On a medium where writers do not take turns, writes exclude each other only in the same lane, and around
//! one cache line of the map; elsewhere many writes share their barriers.

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

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::BlockEngine;
use crate::Error;
use crate::nvml::format::btt::{Entry, LANES, Layout, MapEntry, Pool, State};
use crate::nvml::format::{Damage, Invalid};
use crate::os::fault::FaultFlag;
use crate::os::{deliberate, errno};
use crate::storage::medium::{Failed, Medium, Range};
use arena::Arena;
use lanes::LaneGuard;
use padded::thread_number;
use readers::Readers;
use stripes::Unfenced;

/// An array of blocks on a medium.
pub(crate) struct RustBlocks<M: Medium> {
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
#[derive(Clone)]
enum Failure {
    /// What the operating system said.
    Io(Arc<io::Error>),
    /// A damaged map entry.
    Damage(Damage),
    /// A sync failed before.
    Refused,
}

/// A write that has its lane. Until the map tells of it, nothing of it is seen.
struct Planned<'a> {
    lane: LaneGuard<'a>,
    /// Held where writers do not take turns.
    line: Option<MutexGuard<'a, Option<Unfenced>>>,
    next: Entry,
    slot_at: u64,
    flog_at: u64,
    map_at: u64,
    /// The first half of the flog entry, which beside an old sequence number says nothing: it may be durable before the data,
    /// or after.
    recorded: [u8; 8],
    /// The half that makes the entry current. The other one has to be durable before: a write-back of the page by someone
    /// else may take one half as it was before and the other as it is after.
    activating: [u8; 8],
}

impl Planned<'_> {
    /// The map entry that tells of the write, and where it lies.
    fn word(&self) -> (u64, u32) {
        (self.map_at, self.next.new.encode())
    }

    /// Ends a write of which the map tells: the lane moves on.
    fn finish(mut self) {
        let unfenced = Unfenced::by_this_thread(self.map_at);
        self.lane.advance(self.next, unfenced);
        if let Some(line) = &mut self.line {
            **line = Some(unfenced);
        }
    }

    /// The map entries that the write relies on, and that other threads wrote: of the lane's last write, and of whoever wrote
    /// last under the stripe, perhaps to the same block. Where writers take turns a barrier makes all of them durable.
    fn relied_on(&self) -> impl Iterator<Item = Range> {
        let last = self.lane.unfenced().filter(|_| !deliberate::is_on("blk: lane's last map entry forgotten"));
        let target = self.line.as_deref().copied().flatten();
        let target = target.filter(|_| !deliberate::is_on("blk: block's map entry forgotten"));
        last.into_iter().chain(target).filter_map(Unfenced::of_another_thread)
    }
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
    #[inline]
    fn locate<'a>(&self, arenas: &'a [Arena], index: u64) -> (&'a Arena, u32) {
        // Most pools have one, whose blocks are numbered as the pool's. To divide would take longer than to copy a block.
        if let [arena] = arenas {
            return (arena, index as u32);
        }
        let (arena, block) = self.layout.locate(index).expect("callers check the index");
        (&arenas[arena as usize], block)
    }

    /// A block's map entry, as if recovery was done.
    fn entry(&self, arena: &Arena, block: u32) -> Result<MapEntry, Damage> {
        if self.is_unrecovered.load(Ordering::SeqCst)
            && !deliberate::is_on("blk: unfinished write not seen")
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
                recovery::recover(&self.medium, pool, arenas).map_err(|error| self.fail(Failed::Sync(error)))?;
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

    /// What a failed commit comes to. After a failed sync nothing more may be acknowledged.
    fn fail(&self, failed: Failed) -> Failure {
        if matches!(failed, Failed::Sync(_)) && !deliberate::is_on("blk: failed sync forgotten") {
            self.has_failed.store(true, Ordering::Release);
        }
        Failure::Io(Arc::new(failed.into_error()))
    }

    fn spoil(&self, invalid: Invalid) -> Failure {
        match invalid {
            Invalid::Io(error) => self.fail(Failed::Sync(error)),
            Invalid::Damage(damage) => Failure::Damage(damage),
        }
    }

    fn commit(&self, writes: &[(u64, &[u8])], earlier: &[Range]) -> Result<(), Failure> {
        self.medium.commit(writes, earlier).map_err(|failed| self.fail(failed))
    }

    /// Takes a lane for a write of a block, and says what is to be written. `own` is the lane to begin to look at.
    fn plan(&self, index: u64, own: usize) -> Result<Planned<'_>, Failure> {
        let (arena, block) = self.locate(self.prepare()?, index);
        // A damaged entry is refused before anything is written.
        self.entry(arena, block)?;
        let map_at = arena.extent.map_entry(block);
        self.medium.reserve_word(map_at).map_err(|error| self.fail(Failed::Write(error)))?;
        let lane = arena.lanes.take(own).ok_or(Failure::Refused)?;
        let slot = lane.free_slot();
        if !deliberate::is_on("blk: readers not waited for") {
            self.readers.wait_until_left(arena.tag(slot));
        }
        let is_locked = self.medium.is_concurrent() && !deliberate::is_on("blk: no stripe lock");
        let line = is_locked.then(|| arena.stripes.lock(block));
        let old = self.entry(arena, block)?;
        if !deliberate::is_on("blk: slot of two owners written") {
            arena.check_owner(block, old, slot)?;
        }
        let next = lane.next(block, old);
        let flog_at = arena.extent.flog_pair(lane.number()) + lane.next_at();
        let [recorded, activating] = halves(&next.encode());
        let slot_at = arena.extent.slot(slot);
        Ok(Planned { lane, line, next, slot_at, flog_at, map_at, recorded, activating })
    }

    /// Has the map tell of writes that are durable, in words of ascending offsets. If it cannot be told, the lanes' flog
    /// entries must not be replaced.
    fn tell_map(&self, words: &[(u64, u32)]) -> Result<(), Failure> {
        self.medium.write_words(words).map_err(|error| self.fail(Failed::Sync(error)))
    }

    /// Writes a block. Whatever happens midway, it has its old content or the new.
    fn write_block(&self, index: u64, data: &[u8]) -> Result<(), Failure> {
        let planned = self.plan(index, if self.medium.is_concurrent() { thread_number() } else { 0 })?;
        let mut earlier = [(0, 0); 2];
        let count = planned.relied_on().zip(&mut earlier).map(|(range, place)| *place = range).count();
        let activating: (u64, &[u8]) = (planned.flog_at + 8, &planned.activating);
        let first = [(planned.slot_at, data), (planned.flog_at, &planned.recorded[..]), activating];
        let split = if deliberate::is_on("blk: one barrier") { 3 } else { 2 };
        self.commit(&first[..split], &earlier[..count])?;
        if deliberate::is_on("blk: map before the flog") {
            self.tell_map(&[planned.word()])?;
        }
        self.commit(&[activating], &[])?;
        self.tell_map(&[planned.word()])?;
        planned.finish();
        Ok(())
    }

    /// Writes blocks that are not written twice, each through a lane of its own, with two barriers for all.
    fn write_blocks(&self, writes: &[(u64, &[u8])]) -> Vec<Result<(), Failure>> {
        let mut outcomes: Vec<_> = writes.iter().map(|(index, _)| self.plan(*index, 0)).collect();
        let planned = || outcomes.iter().zip(writes).filter_map(|(plan, (_, data))| Some((plan.as_ref().ok()?, *data)));
        let recorded = planned().map(|(plan, _)| (plan.flog_at, &plan.recorded[..]));
        let first: Vec<(u64, &[u8])> = planned().map(|(plan, data)| (plan.slot_at, data)).chain(recorded).collect();
        let second: Vec<(u64, &[u8])> = planned().map(|(plan, _)| (plan.flog_at + 8, &plan.activating[..])).collect();
        let earlier: Vec<Range> = planned().flat_map(|(plan, _)| plan.relied_on()).collect();
        let mut words: Vec<_> = planned().map(|(plan, _)| plan.word()).collect();
        words.sort_unstable();
        let written = || {
            self.commit(&first, &earlier)?;
            self.commit(&second, &[])?;
            self.tell_map(&words)
        };
        let written = if first.is_empty() { Ok(()) } else { written() };
        let finish = |plan: Result<Planned<'_>, Failure>| {
            let plan = plan?;
            written.clone()?;
            plan.finish();
            Ok(())
        };
        outcomes.drain(..).map(finish).collect()
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
            if self.entry(arena, block)? == entry || deliberate::is_on("blk: map not looked at again") {
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
        let _line = (!deliberate::is_on("blk: state set without the lock")).then(|| arena.stripes.lock(block));
        let old = self.entry(arena, block)?;
        if old.state == state || (old.state, state) == (State::Initial, State::Zero) {
            return Ok(());
        }
        let at = arena.extent.map_entry(block);
        let before = self.medium.load_word(at);
        let new = MapEntry { state, slot: old.slot }.encode();
        self.medium.write_word(at, new).map_err(|error| self.fail(Failed::Write(error)))?;
        // After a failure the disk may have either. The old one is written again, so that reopening makes it durable and does
        // not build on an entry that only the page cache has.
        self.commit(&[], &[(at, 4)]).inspect_err(|_| {
            if !deliberate::is_on("blk: failed state left there") {
                drop(self.medium.write_word(at, before));
            }
        })
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
        self.write_block(index, data).map_err(|failure| self.error(failure, WRITE))
    }

    /// Writes of one group that are to the same block are one: the last of them.
    fn write_many(&self, writes: &[(u64, &[u8])]) -> Vec<crate::Result<()>> {
        let outcome = |written: Result<(), Failure>| written.map_err(|failure| self.error(failure, WRITE));
        if self.medium.is_concurrent() {
            return writes.iter().map(|(index, data)| outcome(self.write_block(*index, data))).collect();
        }
        let group = |writes: &[(u64, &[u8])]| {
            let last: BTreeMap<u64, &[u8]> = writes.iter().copied().collect();
            let outcomes = self.write_blocks(&last.iter().map(|(index, data)| (*index, *data)).collect::<Vec<_>>());
            let outcomes: BTreeMap<u64, _> = last.into_keys().zip(outcomes.into_iter().map(outcome)).collect();
            writes.iter().map(|(index, _)| outcomes[index].clone()).collect::<Vec<_>>()
        };
        writes.chunks(LANES as usize).flat_map(group).collect()
    }

    fn takes_turns(&self) -> bool {
        !self.medium.is_concurrent()
    }

    fn set_zero(&self, index: u64) -> crate::Result<()> {
        self.set(index, State::Zero).map_err(|failure| self.error(failure, "pmemblk_set_zero"))
    }

    fn set_error(&self, index: u64) -> crate::Result<()> {
        self.set(index, State::Error).map_err(|failure| self.error(failure, "pmemblk_set_error"))
    }

    fn fault_flag(&self) -> Arc<FaultFlag> {
        self.medium.fault_flag()
    }
}

const WRITE: &str = "pmemblk_write";

impl<M: Medium> RustBlocks<M> {
    /// The map entries of the lanes' last writes, which may not be durable yet: where they lie.
    fn unsettled(&self) -> Vec<Range> {
        let arenas = self.arenas.get().map_or(&[][..], Vec::as_slice);
        arenas.iter().flat_map(|arena| arena.lanes.unfenced()).map(Unfenced::range).collect()
    }
}

/// Closing makes all of the map durable: whoever opens the pool next may replace flog entries without looking at what they
/// say of the map.
impl<M: Medium> Drop for RustBlocks<M> {
    fn drop(&mut self) {
        let unsettled = self.unsettled();
        if unsettled.is_empty() || *self.has_failed.get_mut() || deliberate::is_on("blk: map not settled by closing") {
            return;
        }
        // Nobody is left to be told of a failure; nothing was acknowledged by it.
        let _ = self.medium.commit(&[], &unsettled);
    }
}

fn arenas_of<M: Medium>(medium: &M, pool: &Pool) -> Vec<Arena> {
    (0..).zip(&pool.arenas).map(|(index, arena)| Arena::new(medium, index, arena)).collect()
}

/// [`Medium::commit`] of what laying out and recovery write, which must not fail in part.
fn commit<M: Medium>(medium: &M, writes: &[(u64, &[u8])]) -> io::Result<()> {
    medium.commit(writes, &[]).map_err(Failed::into_error)
}

/// The two halves of a flog entry, each written as one.
fn halves(entry: &[u8; 16]) -> [[u8; 8]; 2] {
    let [mut recorded, mut activating] = [[0; 8]; 2];
    recorded.copy_from_slice(&entry[..8]);
    activating.copy_from_slice(&entry[8..]);
    [recorded, activating]
}
