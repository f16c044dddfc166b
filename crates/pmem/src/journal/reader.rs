//! Reading a journal that another process may write.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::chain::Chain;
use super::cursors::Cursors;
use super::format::{State, Uuid};
use super::scan::find_end;
use super::shelf::{Limits, Segments, Shelf};
use super::tail::Tail;
use super::waits::{Source, Waits};
use crate::os::deliberate;
use crate::{Error, Result};

/// A journal that is read.
pub(super) struct Reader {
    view: Arc<View>,
    pub(super) cursors: Cursors,
    pub(super) waits: Arc<Waits>,
    /// The open folder, whose number nothing else gets as long as it is open.
    _opened: File,
}

/// What is known of the journal by now.
pub(super) struct View {
    folder: PathBuf,
    is_remote: bool,
    pub(super) shelf: Shelf,
    pub(super) uuid: Uuid,
    first: AtomicU64,
    /// The sequence behind what is known to be durable. It only grows.
    next: AtomicU64,
    /// What the writer shows on this boot, where there is such a thing.
    tail: Mutex<Option<Arc<Tail>>>,
}

/// How long it takes at most to see what nobody shows.
const POLL: Duration = Duration::from_millis(10);

/// After waits as long as this the tail may be another file.
const LONG: Duration = Duration::from_millis(500);

/// How long a folder that changes may look wrong: segments are not looked at all at once.
const ATTEMPTS: u32 = if cfg!(test) { 4 } else { 20 };

/// The permissions of cursors that readers make, subject to the umask.
const CURSOR_MODE: u32 = 0o666;

impl Reader {
    pub(super) fn open(folder: &Path, opened: File, is_remote: bool) -> Result<Self> {
        let chain = load(folder, is_remote, &Segments::new())?;
        let uuid = chain.uuid();
        let view = Arc::new(View {
            folder: folder.to_path_buf(),
            is_remote,
            shelf: Shelf::new(folder),
            uuid,
            first: AtomicU64::new(0),
            next: AtomicU64::new(0),
            tail: Mutex::new(None),
        });
        view.take(&chain);
        view.look_for_tail();
        view.advance()?;
        let (looking, waiting) = (Arc::clone(&view), Arc::clone(&view));
        let interrupt = move || {
            if let Some(tail) = waiting.tail() {
                tail.interrupt();
            }
        };
        let look = move |seen, most| looking.wait(seen, most);
        let waits = Arc::new(Waits::new(Arc::new(look), Source::Others(Some(Arc::new(interrupt)))));
        Ok(Self { cursors: Cursors::new(folder, uuid, CURSOR_MODE), waits, view, _opened: opened })
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }
}

/// Reads the folder, again where it changed meanwhile.
fn load(folder: &Path, is_remote: bool, known: &Segments) -> Result<Chain> {
    let chain = attempt(|| Chain::load(folder, is_remote, known))?;
    chain.ok_or_else(|| super::opening::absent(folder))
}

/// Looks again at what may have changed while it was looked at.
pub(super) fn attempt<T>(look: impl Fn() -> Result<T>) -> Result<T> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match look() {
            Err(Error::Damaged { .. } | Error::Os { .. }) if attempts < ATTEMPTS => {
                std::thread::sleep(Duration::from_millis(1));
            }
            looked => return looked,
        }
    }
}

impl View {
    fn take(&self, chain: &Chain) {
        self.shelf.take(chain);
        self.first.fetch_max(chain.first, Ordering::AcqRel);
        let last = chain.last();
        // What a slot vouches for is durable.
        self.next.fetch_max(last.slot.next, Ordering::AcqRel);
    }

    /// Looks at the folder again. Returns the first sequence that is kept by now.
    pub(super) fn refresh(&self) -> Result<Option<u64>> {
        let chain = load(&self.folder, self.is_remote, &self.shelf.known())?;
        self.take(&chain);
        Ok(Some(self.first.load(Ordering::Acquire)))
    }

    /// What may be read. Where the writer does not show it, the frames do.
    pub(super) fn limits(&self) -> Result<Limits> {
        let next = self.advance()?;
        Ok(Limits { first: self.first.load(Ordering::Acquire), next })
    }

    /// [`View::limits`], after a look at what the folder says.
    pub(super) fn fresh_limits(&self) -> Result<Limits> {
        self.refresh()?;
        self.look_for_tail();
        self.limits()
    }

    fn tail(&self) -> Option<Arc<Tail>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn look_for_tail(&self) {
        if self.is_remote {
            return;
        }
        let is_current = self.tail().is_some_and(|tail| tail.is_current(&self.folder));
        if !is_current {
            let found = Tail::look(&self.folder, self.uuid).map(Arc::new);
            *self.tail.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
    }

    /// The sequence behind the last durable record.
    fn advance(&self) -> Result<u64> {
        let shown = match self.shown() {
            None => {
                self.look_for_tail();
                self.shown()
            }
            shown => shown,
        };
        let next = shown.map_or_else(|| self.scan(), Ok)?;
        Ok(self.next.fetch_max(next, Ordering::AcqRel).max(next))
    }

    /// What the writer shows.
    fn shown(&self) -> Option<u64> {
        self.tail()?.next()
    }

    /// The sequence behind the last sound record. Whoever wrote it may not have made it durable.
    fn scan(&self) -> Result<u64> {
        self.refresh()?;
        let known = self.next.load(Ordering::Acquire);
        let segments = self.shelf.all();
        let Some(last) = segments.last() else { return Ok(known) };
        let slot = last.slot()?;
        if slot.state != State::Open {
            return Ok(slot.next);
        }
        // What is being written looks damaged for a moment.
        let next = attempt(|| find_end(last, &last.slot()?, None))?.place.sequence;
        if next > known.max(slot.next) && !deliberate::is_on("journal: reader does not flush") {
            last.sync()?;
        }
        Ok(next)
    }

    /// Waits until there is more than was `seen`, or the time is over. Returns what is there.
    fn wait(&self, seen: u64, most: Duration) -> u64 {
        let known = self.advance().unwrap_or(u64::MAX);
        if known != seen || most.is_zero() {
            return known;
        }
        match self.tail() {
            Some(tail) => tail.wait(seen, most),
            None => std::thread::sleep(most.min(POLL)),
        }
        if most >= LONG {
            self.look_for_tail();
        }
        // Whoever reads meets the error.
        self.advance().unwrap_or(u64::MAX)
    }
}
