//! Entries that a signal's handler reads without a lock.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::FaultFlag;
use crate::os::deliberate;

/// A range of addresses and what belongs to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) start: usize,
    pub(super) len: usize,
    /// How many bytes can be replaced at once, a power of two: those of a page of the file that is mapped there.
    pub(super) page: usize,
    pub(super) flag: *const FaultFlag,
    /// What the start of the range keeps where all of it is let go; null where only pages are.
    pub(super) kept: *const u8,
    pub(super) kept_len: usize,
}

impl Entry {
    pub(super) const EMPTY: Self =
        Self { start: 0, len: 0, page: 1, flag: std::ptr::null(), kept: std::ptr::null(), kept_len: 0 };

    pub(super) fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.start) < self.len
    }

    pub(super) fn overlaps(&self, start: usize, len: usize) -> bool {
        len > 0 && (self.contains(start) || self.start.wrapping_sub(start) < len)
    }
}

/// Room for an entry. Its start is written last and cleared first: what is not 0 has everything else in place.
#[derive(Debug)]
pub(super) struct Slot {
    start: AtomicUsize,
    len: AtomicUsize,
    page: AtomicUsize,
    flag: AtomicPtr<FaultFlag>,
    kept: AtomicPtr<u8>,
    kept_len: AtomicUsize,
    losses: AtomicUsize,
    /// Whether what is mapped in the range may be something else by now.
    stale: AtomicBool,
}

impl Slot {
    const fn free() -> Self {
        Self {
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            page: AtomicUsize::new(1),
            flag: AtomicPtr::new(std::ptr::null_mut()),
            kept: AtomicPtr::new(std::ptr::null_mut()),
            kept_len: AtomicUsize::new(0),
            losses: AtomicUsize::new(0),
            stale: AtomicBool::new(false),
        }
    }

    pub(super) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }

    /// From now on the range may be given to something else.
    pub(super) fn make_stale(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    /// Makes the range so many bytes long, in whole pages. Handlers see it that run after an access to what is new.
    pub(super) fn extend(&self, len: usize) {
        self.len.store(len.next_multiple_of(self.page.load(Ordering::Relaxed)), Ordering::SeqCst);
    }

    /// Counts a page that is lost, and gives how many were before.
    pub(super) fn count_loss(&self) -> usize {
        self.losses.fetch_add(1, Ordering::Relaxed)
    }

    fn entry(&self) -> Entry {
        Entry {
            start: self.start.load(Ordering::SeqCst),
            len: self.len.load(Ordering::Relaxed),
            page: self.page.load(Ordering::Relaxed),
            flag: self.flag.load(Ordering::Relaxed),
            kept: self.kept.load(Ordering::Relaxed),
            kept_len: self.kept_len.load(Ordering::Relaxed),
        }
    }

    fn fill(&self, entry: &Entry) {
        self.len.store(entry.len, Ordering::Relaxed);
        self.page.store(entry.page, Ordering::Relaxed);
        self.flag.store(entry.flag.cast_mut(), Ordering::Relaxed);
        self.kept.store(entry.kept.cast_mut(), Ordering::Relaxed);
        self.kept_len.store(entry.kept_len, Ordering::Relaxed);
        self.losses.store(0, Ordering::Relaxed);
        self.stale.store(false, Ordering::Relaxed);
        self.start.store(entry.start, Ordering::SeqCst);
    }
}

const BLOCK: usize = 128;

/// Slots, which are never given back, in blocks that lead from one to the next.
struct Block {
    slots: [Slot; BLOCK],
    next: AtomicPtr<Block>,
}

impl Block {
    const fn free() -> Self {
        Self { slots: [const { Slot::free() }; BLOCK], next: AtomicPtr::new(std::ptr::null_mut()) }
    }

    fn next(&self) -> Option<&'static Block> {
        // SAFETY: a block is linked once it is whole, and never freed.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }
}

/// Entries that come and go by any thread, and are read by any signal's handler at the same time.
pub(super) struct Table {
    first: Block,
    free: Mutex<Free>,
}

struct Free {
    slots: Vec<&'static Slot>,
    last: Option<&'static Block>,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self { first: Block::free(), free: Mutex::new(Free { slots: Vec::new(), last: None }) }
    }

    pub(super) fn add(&'static self, entry: &Entry) -> &'static Slot {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = free.slots.pop().unwrap_or_else(|| {
            let block = self.append_block(free.last);
            free.last = Some(block);
            free.slots.extend(&block.slots[1..]);
            &block.slots[0]
        });
        slot.fill(entry);
        slot
    }

    /// The block behind `last`: the first of all where there is none.
    fn append_block(&'static self, last: Option<&'static Block>) -> &'static Block {
        let Some(last) = last else { return &self.first };
        let block: &'static Block = Box::leak(Box::new(Block::free()));
        last.next.store(std::ptr::from_ref(block).cast_mut(), Ordering::Release);
        block
    }

    /// Takes an entry out, and waits for handlers that may have read it.
    pub(super) fn remove(&self, slot: &'static Slot) {
        slot.start.store(0, Ordering::SeqCst);
        while SCANS.load(Ordering::SeqCst) > 0 && !deliberate::is_on("fault: scans not waited for") {
            std::thread::yield_now();
        }
        self.free.lock().unwrap_or_else(PoisonError::into_inner).slots.push(slot);
    }

    /// The slots in use with their entries, each read once: it may be taken out meanwhile. What an entry points to stays in
    /// place during a [`scan`].
    pub(super) fn used(&'static self) -> impl Iterator<Item = (&'static Slot, Entry)> {
        let blocks = std::iter::successors(Some(&self.first), |block| block.next());
        let slots = blocks.flat_map(|block| &block.slots).map(|slot| (slot, slot.entry()));
        slots.filter(|(_, entry)| entry.start != 0)
    }
}

/// How many handlers are reading tables.
static SCANS: AtomicUsize = AtomicUsize::new(0);

/// A handler's reading of tables, which ends with the value's life.
pub(super) struct Scan(());

pub(super) fn scan() -> Scan {
    SCANS.fetch_add(1, Ordering::SeqCst);
    Scan(())
}

impl Drop for Scan {
    fn drop(&mut self) {
        SCANS.fetch_sub(1, Ordering::SeqCst);
    }
}
