//! Who reads which slot.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::yield_now;

use super::padded::{Padded, thread_number, width};

/// The slots that are being read: a seat for each reader. A seat that holds 0 is free.
pub(super) struct Readers(Vec<Padded<AtomicU64>>);

/// A reader's seat.
pub(super) struct Seat<'a>(&'a AtomicU64);

/// How often a loop spins before it lets other threads run.
const SPINS: u32 = 100;

impl Readers {
    pub(super) fn new() -> Self {
        Self((0..width()).map(|_| Padded::default()).collect())
    }

    /// Announces a reader of the slot with this tag, which is not 0. It waits only where there are more readers at once
    /// than seats.
    pub(super) fn sit(&self, tag: u64) -> Seat<'_> {
        let seats = self.0.len();
        let own = thread_number() % seats;
        loop {
            for number in (own..seats).chain(0..own) {
                let seat = &self.0[number];
                if seat.compare_exchange(0, tag, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
                    return Seat(seat);
                }
            }
            yield_now();
        }
    }

    /// Returns once no one reads the slot with this tag. Who announces it later finds that no block owns it.
    pub(super) fn wait_until_left(&self, tag: u64) {
        for seat in &self.0 {
            let mut spins = 0;
            while seat.load(Ordering::SeqCst) == tag {
                spins += 1;
                if spins % SPINS == 0 { yield_now() } else { spin_loop() }
            }
        }
    }
}

impl Seat<'_> {
    /// Announces another slot in place of the one before.
    pub(super) fn move_to(&mut self, tag: u64) {
        self.0.store(tag, Ordering::SeqCst);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}
