//! What all sessions of a process share of a store: ids, pins, how old views are, and what was changed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::ids::{IdMap, IdSet};
use super::keys::MOST_ID;
use super::watching::{Place, Watcher};
use crate::Result;
use crate::heap::{Heap, View};
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
    pins: Mutex<Pins>,
    told: Mutex<Told>,
    /// Where in the free queue it is looked next. Who changes the store goes through it, some of it at each commit; 0 where the next look
    /// begins anew.
    next_in_queue: AtomicU64,
    /// Something happened since that began, so that what was passed by may be freed by now.
    is_due: AtomicBool,
    /// What was passed by may be freed once all have views of this commit at least.
    not_before: AtomicU64,
    /// The queue is damaged.
    is_stuck: AtomicBool,
    /// References that went and left others, since circles were looked for.
    suspects: AtomicU64,
    /// How many it were that the next look waits for.
    patience: AtomicU64,
    /// Held by who looks for circles.
    pub(super) collecting: Mutex<()>,
    /// The thread that looks for them by itself.
    pub(super) collector: Mutex<Option<JoinHandle<()>>>,
    pub(super) snapshots: AtomicU64,
    /// How many containers are watched, by any session.
    watched: AtomicUsize,
    /// What commits have changed that nobody else sees yet: told once they do.
    untold: Mutex<Vec<(u64, News)>>,
}

/// What a commit has changed in containers.
type News = Vec<(u64, Place)>;

/// A session, as others see it.
pub(super) struct Presence {
    pub(super) number: u64,
    /// The number of the last commit in its view.
    pub(super) view: AtomicU64,
    pub(super) watcher: Watcher,
    /// The store after its own last commit, where others see that only once it is durable.
    ahead: Mutex<Option<View>>,
}

impl Presence {
    pub(super) fn new(number: u64) -> Self {
        Self { number, view: AtomicU64::new(NO_VIEW), watcher: Watcher::default(), ahead: Mutex::default() }
    }

    /// What the session sees: what all see, or its own last commit, which a failed flush takes back.
    pub(super) fn look(&self, heap: &Heap) -> Result<View> {
        let seen = heap.view()?;
        let own = locked(&self.ahead).clone();
        Ok(own.filter(|own| own.sequence() > seen.sequence() && !heap.is_latched()).unwrap_or(seen))
    }

    /// The session has committed.
    pub(super) fn commit(&self, ahead: Option<View>) {
        *locked(&self.ahead) = ahead;
    }

    /// All see what is durable, and after a failed flush no more than that.
    pub(super) fn settle(&self, heap: &Heap) {
        locked(&self.ahead).take_if(|own| own.is_durable() || heap.is_latched());
    }
}

/// What sessions hold.
#[derive(Default)]
struct Pins {
    counts: IdMap<u32>,
    /// All that was held at some time since circles are looked for.
    meanwhile: Option<IdSet>,
}

/// What commits changed.
#[derive(Default)]
struct Told {
    /// The last commit, or the one that is on its way.
    last: u64,
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

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
            next_in_queue: AtomicU64::new(0),
            is_due: AtomicBool::new(true),
            not_before: AtomicU64::new(NO_VIEW),
            is_stuck: AtomicBool::new(false),
            suspects: AtomicU64::new(0),
            patience: AtomicU64::new(PATIENCE),
            collecting: Mutex::default(),
            collector: Mutex::default(),
            snapshots: AtomicU64::new(0),
            watched: AtomicUsize::new(0),
            untold: Mutex::default(),
        }
    }

    /// A session comes, after a commit of this number at least.
    pub(super) fn join(&self, sequence: u64) -> Arc<Presence> {
        let number = self.next_session.fetch_add(1, Ordering::Relaxed);
        let presence = Arc::new(Presence::new(number));
        locked(&self.sessions).push(Arc::clone(&presence));
        // A session that was alone till now told nobody of its commits, also not of the one that is on its way.
        let mut told = locked(&self.told);
        let last = told.last.max(sequence);
        if !deliberate::is_on("objects: commits before joining not forgotten") {
            told.forget(last);
        }
        drop(told);
        presence
    }

    /// A session goes. Returns whether it was the last one.
    pub(super) fn leave(&self, presence: &Presence) -> bool {
        self.watched.fetch_sub(presence.watcher.watched(), Ordering::Relaxed);
        let mut sessions = locked(&self.sessions);
        sessions.retain(|other| other.number != presence.number);
        sessions.is_empty()
    }

    /// The number of the last commit in the oldest view of any session; the greatest number where there is none.
    pub(super) fn oldest_view(&self) -> u64 {
        if deliberate::is_on("objects: freed under an older view") {
            return NO_VIEW;
        }
        locked(&self.sessions).iter().map(|session| session.view.load(Ordering::SeqCst)).min().unwrap_or(NO_VIEW)
    }

    /// Says that a session takes a view now: `take` takes it, and says how old it is.
    pub(super) fn look<R>(&self, presence: &Presence, take: impl FnOnce() -> Result<(R, u64)>) -> Result<R> {
        // Whoever asks meanwhile takes it for as old as can be.
        let announced = if deliberate::is_on("objects: view taken unannounced") { NO_VIEW } else { 0 };
        let before = presence.view.swap(announced, Ordering::SeqCst);
        match take() {
            Ok((view, sequence)) => {
                presence.view.store(sequence, Ordering::SeqCst);
                Ok(view)
            }
            Err(error) => {
                presence.view.store(before, Ordering::SeqCst);
                Err(error)
            }
        }
    }

    /// The first of so many ids that nobody was given. None where so many are not left.
    pub(super) fn reserve_ids(&self, count: u64) -> Option<u64> {
        let more = |next: u64| next.checked_add(count).filter(|next| *next <= MOST_ID + 1);
        self.next_id.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()
    }

    pub(super) fn pin(&self, id: u64) {
        let mut pins = locked(&self.pins);
        *pins.counts.entry(id).or_insert(0) += 1;
        if let Some(meanwhile) = &mut pins.meanwhile {
            meanwhile.insert(id);
        }
    }

    pub(super) fn unpin(&self, id: u64, count: u32) {
        let mut pins = locked(&self.pins);
        let Some(left) = pins.counts.get_mut(&id) else { return };
        *left = left.saturating_sub(count);
        if *left > 0 {
            return;
        }
        pins.counts.remove(&id);
        drop(pins);
        // Whoever has passed it by looks again.
        if !deliberate::is_on("objects: unpinned container not looked at again") {
            self.look_again();
        }
    }

    pub(super) fn is_pinned(&self, id: u64) -> bool {
        locked(&self.pins).counts.contains_key(&id) && !deliberate::is_on("objects: pinned container freed")
    }

    /// Begins to remember all that is held, also for a moment alone. Returns what is held now.
    pub(super) fn remember_pins(&self) -> Vec<u64> {
        let mut pins = locked(&self.pins);
        let now: Vec<u64> = pins.counts.keys().copied().collect();
        pins.meanwhile = Some(IdSet::default());
        now
    }

    #[cfg(test)]
    pub(super) fn is_remembering(&self) -> bool {
        locked(&self.pins).meanwhile.is_some()
    }

    /// What was held since `remember_pins`, and was not before.
    pub(super) fn pinned_meanwhile(&self) -> Vec<u64> {
        let pins = locked(&self.pins);
        if deliberate::is_on("objects: short pins forgotten") {
            return pins.counts.keys().copied().collect();
        }
        pins.meanwhile.iter().flatten().copied().collect()
    }

    /// Ends what `remember_pins` began.
    pub(super) fn forget_pins(&self) {
        locked(&self.pins).meanwhile = None;
    }

    /// Whether something in the free queue may be freed after the commit of this number.
    pub(super) fn may_drain(&self, sequence: u64) -> bool {
        let is_due = self.next_in_queue.load(Ordering::Relaxed) > 0 || self.is_due.load(Ordering::Relaxed) || {
            let not_before = self.not_before.load(Ordering::Relaxed);
            not_before <= sequence && not_before <= self.oldest_view()
        };
        is_due && !self.is_stuck.load(Ordering::Relaxed)
    }

    /// Where in the free queue it is looked now.
    pub(super) fn next_in_queue(&self) -> u64 {
        let next = self.next_in_queue.load(Ordering::Relaxed);
        if next == 0 {
            // Before it is looked who has pinned what: who unpins something later says so again.
            self.is_due.store(false, Ordering::SeqCst);
            self.not_before.store(NO_VIEW, Ordering::Relaxed);
        }
        next
    }

    pub(super) fn set_next_in_queue(&self, id: u64) {
        self.next_in_queue.store(id, Ordering::Relaxed);
    }

    /// Something in the queue may be freed, whoever passed it by.
    pub(super) fn look_again(&self) {
        self.is_due.store(true, Ordering::SeqCst);
    }

    /// Something in the queue may be freed once all have views of this commit.
    pub(super) fn not_before(&self, sequence: u64) {
        self.not_before.fetch_min(sequence, Ordering::Relaxed);
    }

    /// Nothing of the queue is freed any more, since it is damaged.
    pub(super) fn stop_draining(&self) {
        self.is_stuck.store(true, Ordering::Relaxed);
    }

    /// Whether all sessions are gone.
    pub(super) fn is_left(&self) -> bool {
        locked(&self.sessions).is_empty()
    }

    /// Tells others of what a commit changes, before they can see it.
    pub(super) fn tell(&self, sequence: u64, session: u64, ids: &IdSet) {
        let mut told = locked(&self.told);
        // Before it is looked who is there: who comes later finds it.
        told.last = sequence;
        if ids.is_empty() || locked(&self.sessions).len() < 2 {
            return;
        }
        if ids.len() > MOST_TOLD {
            return told.forget(sequence);
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

    /// Tells those who watch of what a commit has changed, once all see it: now, with all before it, or when `spread_seen` is called.
    pub(super) fn spread(&self, sequence: u64, news: News, is_seen: bool) {
        if !news.is_empty() {
            locked(&self.untold).push((sequence, news));
        }
        if self.is_watched() && (is_seen || deliberate::is_on("objects: told before it is seen")) {
            self.spread_seen(sequence);
        }
    }

    /// Tells those who watch of what commits up to this one have changed, which all see.
    pub(super) fn spread_seen(&self, sequence: u64) {
        let mut untold = locked(&self.untold);
        let news: Vec<News> = untold.extract_if(.., |(of, _)| *of <= sequence).map(|(_, news)| news).collect();
        if news.is_empty() {
            return;
        }
        let sessions = locked(&self.sessions).clone();
        for session in &sessions {
            news.iter().for_each(|news| session.watcher.tell(news));
        }
    }

    /// Forgets what a failed flush has taken back.
    pub(super) fn forget_untold(&self) {
        locked(&self.untold).clear();
    }

    /// Counts references that went and left others.
    pub(super) fn suspect(&self, count: u64) {
        self.suspects.fetch_add(count, Ordering::Relaxed);
    }

    /// Whether there may be so many circles that nobody can reach that it is worth looking for them.
    pub(super) fn is_suspicious(&self) -> bool {
        self.suspects.load(Ordering::Relaxed) > self.patience.load(Ordering::Relaxed)
    }

    /// Circles are looked for.
    pub(super) fn begin_look(&self) {
        self.suspects.store(0, Ordering::Relaxed);
    }

    /// They were, among so many containers.
    pub(super) fn looked(&self, containers: u64) {
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
