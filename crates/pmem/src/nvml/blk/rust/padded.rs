//! Keeping threads out of each other's cache lines.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A value in cache lines of its own, also where the processor fetches them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Padded<T>(pub(super) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A number of the calling thread, from 0 on, by which threads choose among lanes and seats.
pub(super) fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.get().unwrap_or_else(|| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    })
}

/// How many lanes and seats there are: twice the processors, as in the C library.
pub(super) fn width() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    (2 * processors).min(crate::nvml::format::btt::LANES as usize)
}
