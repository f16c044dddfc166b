//! Who waits for a log to change.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Mutex, PoisonError};

type Call = Box<dyn FnOnce() + Send>;

/// Calls to be made once, at the next change that this process makes. They may come from any thread.
#[derive(Default)]
pub(super) struct Waiting {
    /// Whether there are any, so that a change for which nobody waits costs nothing.
    any: AtomicBool,
    calls: Mutex<Vec<Call>>,
}

impl Waiting {
    pub(super) fn add(&self, call: Call) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        self.any.store(true, Ordering::Relaxed);
        // Either this finds what a change did, or the change finds this.
        fence(Ordering::SeqCst);
    }

    /// Calls whoever waits, after a change.
    #[inline]
    pub(super) fn call(&self) {
        fence(Ordering::SeqCst);
        if self.any.load(Ordering::Relaxed) {
            self.call_all();
        }
    }

    #[cold]
    fn call_all(&self) {
        let calls = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            self.any.store(false, Ordering::Relaxed);
            std::mem::take(&mut *calls)
        };
        calls.into_iter().for_each(|call| call());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn each_is_called_once() {
        let (waiting, calls) = (Waiting::default(), Arc::new(AtomicUsize::new(0)));
        for expected in [2, 4] {
            for _ in 0..2 {
                let calls = Arc::clone(&calls);
                waiting.add(Box::new(move || _ = calls.fetch_add(1, Ordering::SeqCst)));
            }
            waiting.call();
            waiting.call();
            assert_eq!(calls.load(Ordering::SeqCst), expected);
        }
    }
}
