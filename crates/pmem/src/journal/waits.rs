//! Who waits in this process for a journal's next record.
//!
//! A wait ends when its record may be there, when it is cancelled, or after a second, whichever is first. Its `wake` is
//! called once, never while a lock is held, on the thread that found it over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::os::deliberate;

/// The longest wait, and how long a thread stays that nobody waits for.
const LONGEST: Duration = Duration::from_secs(1);

/// How long a look lasts that cannot be interrupted.
const SHORT: Duration = Duration::from_millis(50);

/// What a wait calls when it is over.
pub(crate) type Wake = Box<dyn FnOnce() + Send>;

/// Gives the sequence behind the journal's last durable record: at once where that is not the one given, otherwise once
/// it changes, or after the time, or for no reason.
///
/// It must see what was published before [`Waits::wake`] was called, by a sequentially consistent store that comes before
/// the call, and loads of the same kind.
pub(crate) type Look = Arc<dyn Fn(u64, Duration) -> u64 + Send + Sync>;

/// Who tells of new records.
pub(crate) enum Source {
    /// The writer, in this process: it calls [`Waits::wake`].
    Writer,
    /// A thread that looks. What is given lets a look return that has begun, and may be called at any time; without it,
    /// looks last 50 ms at most.
    Others(Option<Arc<dyn Fn() + Send + Sync>>),
}

/// One wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WaitId(u64);

/// The waits of a journal. Dropping it ends them all.
pub(crate) struct Waits(Arc<Shared>);

struct Shared {
    look: Look,
    source: Source,
    /// How many waits there are.
    count: AtomicUsize,
    state: Mutex<State>,
    /// Tells the thread of a new wait and of the end, and who drops this of the thread's end.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waits: Vec<Wait>,
    last_id: u64,
    /// The thread, if it runs or has just ended.
    thread: Option<JoinHandle<()>>,
    is_running: bool,
    is_closing: bool,
}

struct Wait {
    id: WaitId,
    sequence: u64,
    end: Instant,
    wake: Wake,
}

impl Waits {
    pub(crate) fn new(look: Look, source: Source) -> Self {
        let (count, state, changed) = Default::default();
        Self(Arc::new(Shared { look, source, count, state, changed }))
    }

    /// Calls `wake` once there may be a record of this sequence, which may be before this returns, and after a second in any
    /// case.
    pub(crate) fn add(&self, sequence: u64, wake: Wake) -> WaitId {
        let id = self.0.enter(sequence, wake);
        if !Shared::ensure_thread(&self.0) {
            // Who asked looks again, and waits again.
            self.cancel(id);
        }
        // The writer may have looked for waits before this one was there.
        if !deliberate::is_on("waits: not looked at") {
            self.wake((self.0.look)(u64::MAX, Duration::ZERO));
        }
        id
    }

    /// Ends a wait, if it is not over.
    pub(crate) fn cancel(&self, id: WaitId) {
        self.0.end(|wait| wait.id == id);
    }

    /// Ends the waits for all sequences before `next`.
    #[inline]
    pub(crate) fn wake(&self, next: u64) {
        self.0.wake(next);
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.state().is_closing = true;
        self.0.changed.notify_all();
        self.0.end(|_| true);
        let thread = self.0.join();
        // The last handle may go in a wait's own `wake`, on the thread itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, sequence: u64, wake: Wake) -> WaitId {
        let mut state = self.state();
        state.last_id += 1;
        let id = WaitId(state.last_id);
        state.waits.push(Wait { id, sequence, end: Instant::now() + LONGEST, wake });
        self.count.store(state.waits.len(), Ordering::SeqCst);
        id
    }

    #[inline]
    fn wake(&self, next: u64) {
        if self.count.load(Ordering::SeqCst) > 0 {
            self.end(|wait| wait.sequence < next);
        }
    }

    /// Ends the waits that are over.
    fn end(&self, is_over: impl Fn(&Wait) -> bool) {
        let mut state = self.state();
        let over: Vec<Wait> = state.waits.extract_if(.., |wait| is_over(wait)).collect();
        self.count.store(state.waits.len(), Ordering::SeqCst);
        drop(state);
        for wait in over {
            // One that panics keeps none of the others from being called.
            let _ = catch_unwind(AssertUnwindSafe(wait.wake));
        }
    }

    /// Starts the thread, if it does not run. False where none can be started.
    fn ensure_thread(shared: &Arc<Self>) -> bool {
        let mut state = shared.state();
        if state.is_running {
            // For the writer's waits it wakes up early enough by itself.
            if matches!(shared.source, Source::Others(_)) {
                shared.changed.notify_all();
            }
            return true;
        }
        let of_thread = Arc::clone(shared);
        let thread = std::thread::Builder::new().name("pmem-journal".to_owned()).spawn(move || of_thread.run());
        state.is_running = thread.is_ok();
        // One that ended before needs no one to join it.
        state.thread = thread.ok();
        state.is_running
    }

    /// What the thread does until nobody has waited for a second.
    fn run(&self) {
        let _ended = EndedByPanic(self);
        let mut seen = (self.look)(u64::MAX, Duration::ZERO);
        // Since when nobody waits, and after which wait.
        let mut idle = (Instant::now(), 0);
        loop {
            self.wake(seen);
            let now = Instant::now();
            self.end(|wait| wait.end <= now);
            let state = self.state();
            let first = state.waits.iter().map(|wait| wait.end).min();
            if first.is_some() || idle.1 != state.last_id {
                idle = (now, if first.is_some() { 0 } else { state.last_id });
            }
            let left = first.unwrap_or(idle.0 + LONGEST).saturating_duration_since(now);
            if state.is_closing || (first.is_none() && left.is_zero()) {
                return self.ended(state);
            }
            match &self.source {
                Source::Others(interrupt) if first.is_some() => {
                    drop(state);
                    let longest = if interrupt.is_some() { LONGEST } else { SHORT };
                    seen = (self.look)(seen, left.min(longest));
                }
                _ => drop(self.changed.wait_timeout(state, left)),
            }
        }
    }

    fn ended(&self, mut state: MutexGuard<'_, State>) {
        state.is_running = false;
        self.changed.notify_all();
    }

    /// The thread, once it runs no more or this is it.
    fn join(&self) -> Option<JoinHandle<()>> {
        let mut state = self.state();
        let is_this = |thread: &JoinHandle<()>| thread.thread().id() == std::thread::current().id();
        while state.is_running && !state.thread.as_ref().is_some_and(is_this) {
            drop(state);
            if let Source::Others(Some(interrupt)) = &self.source {
                interrupt();
            }
            // It may have been about to look, and not have been interrupted.
            let waited = self.changed.wait_timeout(self.state(), Duration::from_millis(1));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.thread.take()
    }
}

/// Ends all waits where the thread panicked: nobody else would.
struct EndedByPanic<'a>(&'a Shared);

impl Drop for EndedByPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.ended(self.0.state());
            self.0.end(|_| true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// A journal of someone else, whose changes are looked for.
    #[derive(Default)]
    struct Journal {
        next: Mutex<u64>,
        changed: Condvar,
        looking: AtomicUsize,
    }

    impl Journal {
        fn look(&self, seen: u64, timeout: Duration) -> u64 {
            self.looking.fetch_add(1, Ordering::SeqCst);
            let next = self.next.lock().unwrap();
            let next = if *next == seen { self.changed.wait_timeout(next, timeout).unwrap().0 } else { next };
            self.looking.fetch_sub(1, Ordering::SeqCst);
            *next
        }

        fn publish(&self, next: u64) {
            *self.next.lock().unwrap() = next;
            self.changed.notify_all();
        }
    }

    fn others(interruptible: bool) -> (Arc<Journal>, Waits) {
        let journal = Arc::new(Journal::default());
        let (looked, interrupted) = (Arc::clone(&journal), Arc::clone(&journal));
        let interrupt: Arc<dyn Fn() + Send + Sync> = Arc::new(move || interrupted.changed.notify_all());
        let look = Arc::new(move |seen, timeout| looked.look(seen, timeout));
        (journal, Waits::new(look, Source::Others(interruptible.then_some(interrupt))))
    }

    fn writer() -> (Arc<AtomicU64>, Waits) {
        let next = Arc::new(AtomicU64::new(0));
        let of_look = Arc::clone(&next);
        (next, Waits::new(Arc::new(move |_, _| of_look.load(Ordering::SeqCst)), Source::Writer))
    }

    fn add(waits: &Waits, sequence: u64) -> (WaitId, Receiver<()>) {
        let (sender, receiver) = channel();
        (waits.add(sequence, Box::new(move || sender.send(()).unwrap())), receiver)
    }

    /// Within less time than waits take by themselves.
    fn is_over(receiver: &Receiver<()>) -> bool {
        receiver.recv_timeout(Duration::from_millis(500)).is_ok()
    }

    #[test]
    fn the_writer_ends_the_waits_that_it_can() {
        let (next, waits) = writer();
        let (first, second) = (add(&waits, 0).1, add(&waits, 1).1);
        next.store(1, Ordering::SeqCst);
        waits.wake(1);
        assert!(first.try_recv().is_ok() && second.try_recv().is_err());
        // Its channel is closed: it is not called again.
        waits.wake(1);
        assert_eq!(first.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
        waits.wake(2);
        assert!(second.try_recv().is_ok());
    }

    #[test]
    fn a_record_that_is_there_already_ends_a_wait_at_once() {
        let (next, waits) = writer();
        next.store(5, Ordering::SeqCst);
        assert!(add(&waits, 4).1.try_recv().is_ok());
        assert!(add(&waits, 5).1.try_recv().is_err());
        let (journal, waits) = others(true);
        journal.publish(5);
        assert!(add(&waits, 4).1.try_recv().is_ok());
    }

    #[test]
    fn a_thread_looks_for_what_others_write() {
        for interruptible in [true, false] {
            let (journal, waits) = others(interruptible);
            for next in 1..100 {
                let (_, receiver) = add(&waits, next - 1);
                if next % 10 == 0 {
                    std::thread::sleep(Duration::from_millis(3));
                }
                journal.publish(next);
                assert!(is_over(&receiver));
            }
        }
    }

    #[test]
    fn a_wait_is_cancelled_once() {
        let (_, waits) = writer();
        let (id, receiver) = add(&waits, 0);
        waits.cancel(id);
        assert!(receiver.try_recv().is_ok());
        waits.cancel(id);
        waits.wake(10);
        assert!(receiver.try_recv().is_err());
    }

    #[test]
    fn every_wait_ends_after_a_second_and_the_thread_after_another() {
        std::thread::scope(|scope| {
            for waits in [writer().1, others(true).1, others(false).1] {
                scope.spawn(move || end_by_time(&waits));
            }
        });
    }

    fn end_by_time(waits: &Waits) {
        let start = Instant::now();
        let receivers = [0, 1].map(|sequence| add(waits, sequence).1);
        for receiver in receivers {
            receiver.recv_timeout(Duration::from_secs(30)).unwrap();
            assert!(start.elapsed() >= LONGEST);
        }
        assert!(waits.0.state().is_running);
        while waits.0.state().is_running {
            assert!(start.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(start.elapsed() >= 2 * LONGEST);
        // It starts again.
        let (_, receiver) = add(waits, 0);
        receiver.recv_timeout(Duration::from_secs(30)).unwrap();
    }

    #[test]
    fn dropping_ends_all_waits_and_the_thread() {
        let (_, of_writer) = writer();
        let ((journal, interruptible), (other, short)) = (others(true), others(false));
        for waits in [of_writer, interruptible, short] {
            let (_, receiver) = add(&waits, 7);
            std::thread::sleep(Duration::from_millis(20));
            let start = Instant::now();
            drop(waits);
            assert!(receiver.try_recv().is_ok() && start.elapsed() < Duration::from_millis(500));
        }
        // Only what the thread held would still look.
        assert_eq!((Arc::strong_count(&journal), Arc::strong_count(&other)), (1, 1));
        assert_eq!(journal.looking.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_wake_may_wait_again_or_drop_all_or_panic() {
        let (journal, waits) = others(true);
        let waits = Arc::new(Mutex::new(Some(waits)));
        let ended = Arc::new(AtomicBool::new(false));
        let (again, last) = (Arc::clone(&waits), Arc::clone(&ended));
        let (sender, receiver) = channel();
        {
            let held = waits.lock().unwrap();
            let all = held.as_ref().unwrap();
            all.add(0, Box::new(|| panic!("deliberate")));
            all.add(
                0,
                Box::new(move || {
                    let all = again.lock().unwrap().take().unwrap();
                    all.add(1, Box::new(move || last.store(true, Ordering::SeqCst)));
                    drop(all);
                    sender.send(()).unwrap();
                }),
            );
        }
        journal.publish(1);
        assert!(is_over(&receiver) && ended.load(Ordering::SeqCst));
        assert!(waits.lock().unwrap().is_none());
    }

    #[test]
    fn a_look_that_panics_ends_all_waits() {
        let look = |seen, _| if seen == u64::MAX { 0 } else { panic!("deliberate") };
        let waits = Waits::new(Arc::new(look), Source::Others(None));
        for _ in 0..2 {
            // Nobody else would end them. The panic may take long to be told of.
            add(&waits, 0).1.recv_timeout(Duration::from_secs(60)).unwrap();
        }
    }

    #[test]
    fn no_wait_is_called_twice_or_never() {
        let (next, waits) = writer();
        let called = Arc::new(AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let (waits, called, next) = (&waits, &called, &next);
                scope.spawn(move || {
                    for round in 0..5000 {
                        let called = Arc::clone(called);
                        let sequence = next.load(Ordering::SeqCst) + round % 2;
                        let wake = Box::new(move || {
                            called.fetch_add(1, Ordering::SeqCst);
                        });
                        let id = waits.add(sequence, wake);
                        if round % 7 == 0 {
                            waits.cancel(id);
                        }
                    }
                });
            }
            for _ in 0..20_000 {
                waits.wake(next.fetch_add(1, Ordering::SeqCst) + 1);
            }
        });
        drop(waits);
        assert_eq!(called.load(Ordering::SeqCst), 10_000);
    }
}
