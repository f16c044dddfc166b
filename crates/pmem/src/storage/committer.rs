//! Group commit: work put off to another thread, in the order of the calls that asked for it.
//!
//! At most one commit of a pool is under way; what waits meanwhile is the next one. So the syncs are shared, and no sync
//! takes the failure of another one that runs beside it for its own success.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::os::{deliberate, errno};
use crate::{Error, Result};

/// The most jobs of a batch: whoever waits for them is told of all at once, which takes a thread some time.
const MOST_JOBS: usize = 1024;

/// The most bytes of a batch, unless one job has more.
const MOST_BYTES: u64 = 1 << 20;

/// How many bytes may wait where nothing else is said.
pub(crate) const MOST_PENDING: u64 = 64 << 20;

/// Jobs in their order, until they are done.
pub(crate) struct Committer<J> {
    state: Mutex<State<J>>,
    /// Held by whoever does jobs, or changes things between them.
    turn: Mutex<()>,
    unfinished: AtomicUsize,
    /// How many bytes may wait.
    most: AtomicU64,
}

struct State<J> {
    /// The first ones may be under way.
    pending: VecDeque<Arc<Ticket<J>>>,
    bytes: u64,
}

/// A job and what came of it.
pub(crate) struct Ticket<J> {
    pub(crate) job: J,
    bytes: u64,
    outcome: OnceLock<Result<()>>,
}

/// Jobs that are done together.
pub(crate) type Batch<J> = [Arc<Ticket<J>>];

/// The jobs that wait are too many, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) pending: u64,
    pub(crate) most: u64,
}

impl<J> Ticket<J> {
    /// Says what came of the job; the first word counts.
    pub(crate) fn finish(&self, outcome: Result<()>) {
        let _ = self.outcome.set(outcome);
    }

    /// What came of the job, once it is done.
    pub(crate) fn outcome(&self) -> Option<&Result<()>> {
        self.outcome.get()
    }
}

impl<J> std::fmt::Debug for Committer<J> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Committer").field("unfinished", &self.unfinished).finish_non_exhaustive()
    }
}

impl<J> Committer<J> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State { pending: VecDeque::new(), bytes: 0 }),
            turn: Mutex::new(()),
            unfinished: AtomicUsize::new(0),
            most: AtomicU64::new(MOST_PENDING),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes wait.
    pub(crate) fn pending(&self) -> u64 {
        self.state().bytes
    }

    /// How many bytes may wait from now on.
    pub(crate) fn limit(&self, most: u64) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Adds a job behind all others. One always may wait, of whatever size.
    pub(crate) fn add(&self, job: J, bytes: u64) -> std::result::Result<Arc<Ticket<J>>, Full> {
        let ticket = Arc::new(Ticket { job, bytes, outcome: OnceLock::new() });
        let (mut state, most) = (self.state(), self.most.load(Ordering::Relaxed));
        let is_full = state.bytes + bytes > most && !state.pending.is_empty();
        if is_full && !deliberate::is_on("committer: any amount waits") {
            return Err(Full { pending: state.bytes, most });
        }
        state.bytes += bytes;
        state.pending.push_back(Arc::clone(&ticket));
        self.unfinished.fetch_add(1, Ordering::SeqCst);
        Ok(ticket)
    }

    /// Whether nothing waits and nothing is under way.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.unfinished.load(Ordering::SeqCst) == 0
    }

    /// Returns once the job of `ticket` is done, with those before it. `commit` does a batch and finishes each of it.
    pub(crate) fn commit_until(&self, ticket: &Ticket<J>, commit: impl Fn(&Batch<J>)) {
        while ticket.outcome().is_none() {
            let _turn = self.turn();
            // Whoever had the turn before may have done it.
            if ticket.outcome().is_none() {
                self.commit_next(&commit);
            }
        }
    }

    /// Returns once all jobs added before this call are done that are `wanted`, with those before them.
    pub(crate) fn settle(&self, wanted: impl Fn(&J) -> bool, commit: impl Fn(&Batch<J>)) {
        if self.is_idle() {
            return;
        }
        let last = self.state().pending.iter().rfind(|ticket| wanted(&ticket.job)).cloned();
        if let Some(last) = last {
            self.commit_until(&last, commit);
        }
    }

    /// Does `work` after all jobs added before this call, and while no other is under way.
    pub(crate) fn in_turn<R>(&self, commit: impl Fn(&Batch<J>), work: impl FnOnce() -> R) -> R {
        let turn = (!deliberate::is_on("committer: no turns")).then(|| self.turn());
        let mut left = if self.is_idle() { 0 } else { self.state().pending.len() };
        while left > 0 && !deliberate::is_on("committer: sync calls overtake") {
            left -= self.commit_next(&commit).min(left);
        }
        let result = work();
        drop(turn);
        result
    }

    /// Does the next batch, in the caller's turn. Returns how many jobs it had.
    fn commit_next(&self, commit: impl Fn(&Batch<J>)) -> usize {
        let batch = self.next_batch();
        let _done = Done { committer: self, batch: &batch };
        if !batch.is_empty() {
            commit(&batch);
        }
        batch.len()
    }

    fn next_batch(&self) -> Vec<Arc<Ticket<J>>> {
        let mut bytes = 0;
        let fits = |ticket: &&Arc<Ticket<J>>| {
            bytes += ticket.bytes;
            bytes <= MOST_BYTES || bytes == ticket.bytes
        };
        self.state().pending.iter().take(MOST_JOBS).take_while(fits).cloned().collect()
    }
}

/// The end of a batch. Also where `commit` panicked every job of it has an outcome.
struct Done<'a, J> {
    committer: &'a Committer<J>,
    batch: &'a Batch<J>,
}

impl<J> Drop for Done<'_, J> {
    fn drop(&mut self) {
        for ticket in self.batch {
            ticket.finish(Err(
                Error::os(errno::EIO, "commit", None).with_hint("the commit panicked: see the first error")
            ));
        }
        let mut state = self.committer.state();
        state.pending.drain(..self.batch.len());
        state.bytes -= self.batch.iter().map(|ticket| ticket.bytes).sum::<u64>();
        self.committer.unfinished.fetch_sub(self.batch.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish_all<J>(batch: &Batch<J>) {
        batch.iter().for_each(|ticket| ticket.finish(Ok(())));
    }

    #[test]
    fn jobs_are_done_once_and_in_order_one_batch_at_a_time() {
        let (committer, done, busy) = (Committer::new(), Mutex::new(Vec::new()), Mutex::new(()));
        let commit = |batch: &Batch<(usize, usize)>| {
            let _busy = busy.try_lock().expect("two batches are under way");
            for ticket in batch {
                done.lock().unwrap().push(ticket.job);
                ticket.finish(Ok(()));
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (committer, commit) = (&committer, &commit);
                scope.spawn(move || {
                    for number in 0..1000 {
                        let ticket = committer.add((thread, number), 1).unwrap();
                        match number % 5 {
                            0 => committer.commit_until(&ticket, commit),
                            1 => committer.in_turn(commit, || assert_eq!(ticket.outcome(), Some(&Ok(())))),
                            2 => committer.settle(|job| *job == (thread, number), commit),
                            _ => continue,
                        }
                        assert_eq!(ticket.outcome(), Some(&Ok(())));
                    }
                });
            }
        });
        committer.settle(|_| true, commit);
        assert!(committer.is_idle() && committer.pending() == 0);
        let done = done.into_inner().unwrap();
        assert_eq!(done.len(), 4000);
        for thread in 0..4 {
            let numbers = done.iter().filter(|job| job.0 == thread).map(|job| job.1);
            assert!(numbers.eq(0..1000));
        }
    }

    #[test]
    fn batches_have_a_limit_in_jobs_and_in_bytes() {
        let committer = Committer::new();
        let sizes = Mutex::new(Vec::new());
        let commit = |batch: &Batch<u64>| {
            sizes.lock().unwrap().push(batch.len());
            finish_all(batch);
        };
        for _ in 0..3000 {
            committer.add(0, 1).unwrap();
        }
        for bytes in [3 << 20, 1 << 19, 1 << 19, 1, 2 << 20] {
            committer.add(0, bytes).unwrap();
        }
        committer.settle(|_| true, commit);
        assert_eq!(*sizes.lock().unwrap(), [1024, 1024, 952, 1, 2, 1, 1]);
    }

    #[test]
    fn what_is_too_much_is_refused_at_once() {
        let committer = Committer::new();
        committer.limit(100);
        committer.add(0, 1000).unwrap();
        assert_eq!(committer.add(0, 1).err(), Some(Full { pending: 1000, most: 100 }));
        committer.settle(|_| true, finish_all);
        committer.add(0, 60).unwrap();
        committer.add(0, 40).unwrap();
        assert_eq!(committer.add(0, 1).err(), Some(Full { pending: 100, most: 100 }));
    }

    #[test]
    fn a_panic_leaves_an_error_and_a_committer_that_goes_on() {
        let committer = Committer::new();
        let ticket = committer.add(0, 1).unwrap();
        let settle = || committer.settle(|_| true, |_: &Batch<i32>| panic!("deliberate"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(settle)).is_err());
        assert_eq!(ticket.outcome().unwrap().as_ref().unwrap_err().code(), "EIO");
        let ticket = committer.add(0, 1).unwrap();
        committer.settle(|_| true, finish_all);
        assert_eq!(ticket.outcome(), Some(&Ok(())));
    }

    #[test]
    fn one_has_the_turn_at_a_time() {
        let (committer, is_over) = (Committer::<u32>::new(), std::sync::atomic::AtomicBool::new(false));
        let (begins, begun) = std::sync::mpsc::channel();
        let work = || {
            begins.send(()).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(50));
            is_over.store(true, Ordering::SeqCst);
        };
        std::thread::scope(|scope| {
            scope.spawn(|| committer.in_turn(|_| (), work));
            begun.recv().unwrap();
            assert!(committer.in_turn(|_| (), || is_over.load(Ordering::SeqCst)));
        });
    }
}
