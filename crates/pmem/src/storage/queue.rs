//! Work put off to another thread, in the order of the calls that asked for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::Result;

/// Jobs that wait. Whoever needs one done, or all earlier ones, does all that wait: a group.
pub(crate) struct Queue<J> {
    waiting: Mutex<Vec<Arc<Ticket<J>>>>,
    /// Held while jobs are done, so that they are done in the order in which they were added.
    turn: Mutex<()>,
    unfinished: AtomicUsize,
}

/// A job and what came of it.
pub(crate) struct Ticket<J> {
    pub(crate) job: J,
    outcome: OnceLock<Result<()>>,
}

impl<J> Ticket<J> {
    /// Says what came of the job; the first word counts.
    pub(crate) fn finish(&self, outcome: Result<()>) {
        let _ = self.outcome.set(outcome);
    }

    /// What came of the job, once [`Queue::settle`] returned.
    pub(crate) fn outcome(&self) -> Result<()> {
        self.outcome.get().expect("a settled queue has finished every job").clone()
    }
}

impl<J> Queue<J> {
    pub(crate) const fn new() -> Self {
        Self { waiting: Mutex::new(Vec::new()), turn: Mutex::new(()), unfinished: AtomicUsize::new(0) }
    }

    /// Adds a job behind all others.
    pub(crate) fn add(&self, job: J) -> Arc<Ticket<J>> {
        let ticket = Arc::new(Ticket { job, outcome: OnceLock::new() });
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.unfinished.fetch_add(1, Ordering::SeqCst);
        waiting.push(Arc::clone(&ticket));
        ticket
    }

    /// Returns once every job added before this call is finished. `work` does those that wait, and finishes each.
    pub(crate) fn settle(&self, work: impl FnOnce(&[Arc<Ticket<J>>])) {
        if self.unfinished.load(Ordering::SeqCst) == 0 {
            return;
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let jobs = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if !jobs.is_empty() {
            work(&jobs);
        }
        self.unfinished.fetch_sub(jobs.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_done_once_and_in_order() {
        let (queue, done) = (Queue::new(), Mutex::new(Vec::new()));
        let settle = || {
            queue.settle(|jobs: &[Arc<Ticket<(usize, usize)>>]| {
                for ticket in jobs {
                    done.lock().unwrap().push(ticket.job);
                    ticket.finish(Ok(()));
                }
            });
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (queue, settle) = (&queue, &settle);
                scope.spawn(move || {
                    for number in 0..1000 {
                        let ticket = queue.add((thread, number));
                        if number % 3 == 0 {
                            settle();
                            assert_eq!(ticket.outcome(), Ok(()));
                        }
                    }
                });
            }
        });
        settle();
        let done = done.into_inner().unwrap();
        assert_eq!(done.len(), 4000);
        for thread in 0..4 {
            let numbers = done.iter().filter(|job| job.0 == thread).map(|job| job.1);
            assert!(numbers.eq(0..1000));
        }
    }
}
