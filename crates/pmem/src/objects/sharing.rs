//! What all sessions of a process share of a store: ids, pins, how old views are, and what was changed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::watching::{Place, Watcher};
use crate::os::deliberate;

/// What an idle session's view is as old as.
pub(super) const NO_VIEW: u64 = u64::MAX;

/// How many ids of changed containers are kept for those who have not looked yet.
const MOST_TOLD: usize = 16 << 10;

/// What the sessions of a store share.
pub(super) struct Common {
    /// The next id that nobody was given.
    next_id: AtomicU64,
    sessions: Mutex<Vec<Arc<Presence>>>,
    next_session: AtomicU64,
    pins: Mutex<HashMap<u64, u32>>,
    told: Mutex<Told>,
    /// Whether something in the free queue may be freed.
    may_drain: AtomicBool,
    /// Where in the queue it is looked next.
    drained_to: AtomicU64,
    /// References that went and left others, since circles were looked for.
    suspects: AtomicU64,
    /// How many it were that the next look waits for.
    patience: AtomicU64,
    pub(super) is_collecting: AtomicBool,
    pub(super) snapshots: AtomicU64,
    /// How many containers are watched, by any session.
    watched: AtomicUsize,
}

/// A session, as others see it.
pub(super) struct Presence {
    pub(super) number: u64,
    /// The number of the last commit in its view.
    pub(super) view: AtomicU64,
    pub(super) watcher: Watcher,
}

/// What commits changed.
#[derive(Default)]
struct Told {
    commits: VecDeque<Commit>,
    ids: usize,
    /// The last commit that is not told of any more.
    forgotten: u64,
}

struct Commit {
    sequence: u64,
    session: u64,
    ids: Box<[u64]>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many suspects there are at least before circles are looked for.
const PATIENCE: u64 = 10_000;

impl Common {
    /// @param next_id the first id that the file says nobody has had
    pub(super) fn new(next_id: u64) -> Self {
        Self {
            next_id: AtomicU64::new(next_id.max(1)),
            sessions: Mutex::default(),
            next_session: AtomicU64::new(1),
            pins: Mutex::default(),
            told: Mutex::default(),
            may_drain: AtomicBool::new(true),
            drained_to: AtomicU64::new(0),
            suspects: AtomicU64::new(0),
            patience: AtomicU64::new(PATIENCE),
            is_collecting: AtomicBool::new(false),
            snapshots: AtomicU64::new(0),
            watched: AtomicUsize::new(0),
        }
    }

    /// A session comes, after a commit of this number at least.
    pub(super) fn join(&self, sequence: u64) -> Arc<Presence> {
        let number = self.next_session.fetch_add(1, Ordering::Relaxed);
        let presence = Arc::new(Presence { number, view: AtomicU64::new(NO_VIEW), watcher: Watcher::default() });
        locked(&self.sessions).push(Arc::clone(&presence));
        // The commit that is on its way, if there is one, told nobody where its session was alone.
        locked(&self.told).forget(sequence + 1);
        presence
    }

    pub(super) fn leave(&self, presence: &Presence) {
        locked(&self.sessions).retain(|other| other.number != presence.number);
        self.watched.fetch_sub(presence.watcher.watched(), Ordering::Relaxed);
    }

    /// The number of the last commit in the oldest view of any session; the greatest number where there is none.
    pub(super) fn oldest_view(&self) -> u64 {
        locked(&self.sessions).iter().map(|session| session.view.load(Ordering::Acquire)).min().unwrap_or(NO_VIEW)
    }

    /// Says that a session takes a view now: `take` takes it, and says how old it is.
    pub(super) fn look<R>(
        &self,
        presence: &Presence,
        take: impl FnOnce() -> crate::Result<(R, u64)>,
    ) -> crate::Result<R> {
        // Whoever asks meanwhile takes it for as old as can be.
        presence.view.store(0, Ordering::SeqCst);
        match take() {
            Ok((view, sequence)) => {
                presence.view.store(sequence, Ordering::Release);
                Ok(view)
            }
            Err(error) => {
                presence.view.store(NO_VIEW, Ordering::Release);
                Err(error)
            }
        }
    }

    pub(super) fn reserve_ids(&self, count: u64) -> u64 {
        self.next_id.fetch_add(count, Ordering::Relaxed)
    }

    pub(super) fn pin(&self, id: u64) {
        *locked(&self.pins).entry(id).or_insert(0) += 1;
    }

    pub(super) fn unpin(&self, id: u64, count: u32) {
        let mut pins = locked(&self.pins);
        let Some(left) = pins.get_mut(&id) else { return };
        *left = left.saturating_sub(count);
        if *left == 0 {
            pins.remove(&id);
            self.set_may_drain(true);
        }
    }

    pub(super) fn is_pinned(&self, id: u64) -> bool {
        locked(&self.pins).contains_key(&id) && !deliberate::is_on("objects: pinned container freed")
    }

    pub(super) fn pinned(&self) -> Vec<u64> {
        locked(&self.pins).keys().copied().collect()
    }

    pub(super) fn may_drain(&self) -> bool {
        self.may_drain.load(Ordering::Relaxed)
    }

    pub(super) fn set_may_drain(&self, may: bool) {
        self.may_drain.store(may, Ordering::Relaxed);
    }

    pub(super) fn drained_to(&self) -> u64 {
        self.drained_to.load(Ordering::Relaxed)
    }

    pub(super) fn set_drained_to(&self, id: u64) {
        self.drained_to.store(id, Ordering::Relaxed);
    }

    /// Tells others of what a commit changes, before they can see it.
    pub(super) fn tell(&self, sequence: u64, session: u64, ids: &HashSet<u64>) {
        let is_alone = locked(&self.sessions).len() < 2;
        let mut told = locked(&self.told);
        if ids.len() > MOST_TOLD {
            return told.forget(sequence);
        }
        if is_alone {
            return;
        }
        told.ids += ids.len();
        told.commits.push_back(Commit { sequence, session, ids: ids.iter().copied().collect() });
        while told.ids > MOST_TOLD {
            let Some(oldest) = told.commits.pop_front() else { break };
            told.ids -= oldest.ids.len();
            told.forgotten = oldest.sequence;
        }
    }

    /// The containers that commits of other sessions changed, from behind `seen` up to `sequence`. False where that is not known.
    pub(super) fn changes(&self, session: u64, seen: u64, sequence: u64, changed: &mut Vec<u64>) -> bool {
        let told = locked(&self.told);
        if seen < told.forgotten {
            return false;
        }
        let commits = told.commits.iter().rev().take_while(|commit| commit.sequence > seen);
        let others = commits.filter(|commit| commit.sequence <= sequence && commit.session != session);
        changed.extend(others.flat_map(|commit| commit.ids.iter()));
        true
    }

    pub(super) fn watch(&self, presence: &Presence, id: u64) {
        if presence.watcher.watch(id) {
            self.watched.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn unwatch(&self, presence: &Presence, id: u64) {
        if presence.watcher.unwatch(id) {
            self.watched.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether anybody watches anything.
    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed) > 0
    }

    /// Tells those who watch of what a commit has changed.
    pub(super) fn spread(&self, news: &[(u64, Place)]) {
        let sessions = locked(&self.sessions).clone();
        sessions.iter().for_each(|session| session.watcher.tell(news));
    }

    /// Counts references that went and left others.
    pub(super) fn suspect(&self, count: u64) {
        self.suspects.fetch_add(count, Ordering::Relaxed);
    }

    /// Whether there may be so many circles that nobody can reach that it is worth looking for them.
    pub(super) fn is_suspicious(&self) -> bool {
        self.suspects.load(Ordering::Relaxed) > self.patience.load(Ordering::Relaxed)
    }

    /// Circles were looked for, among so many containers.
    pub(super) fn looked(&self, containers: u64) {
        self.suspects.store(0, Ordering::Relaxed);
        self.patience.store(PATIENCE.max(containers / 2), Ordering::Relaxed);
    }
}

impl Told {
    /// Nobody is told of any commit up to this one.
    fn forget(&mut self, sequence: u64) {
        self.commits.clear();
        self.ids = 0;
        self.forgotten = sequence;
    }
}
