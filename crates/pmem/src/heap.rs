//! A store: keys and values in one file, in the order of the keys, changed by transactions.
//!
//! A commit is one frame in a log, written and made durable by one barrier. What it changed of the tree is in memory until a
//! checkpoint writes each changed node once, where nothing is that anyone needs. `docs/heap-format.md` has the file's layout.
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! use pmem::heap::{Heap, HeapOptions};
//!
//! let heap = Heap::open(&folder.path().join("app.store"), &HeapOptions::default())?;
//! let mut transaction = heap.begin()?;
//! transaction.set(b"ada", b"1815")?;
//! transaction.commit()?;
//! assert_eq!(heap.view()?.get(b"ada")?.as_deref(), Some(&b"1815"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod format;
mod log;
mod node;
mod opening;
mod space;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod transaction;
mod tree;
mod verify;
mod writer;

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use crate::os::deliberate;
use crate::storage::medium::Failed;
use crate::storage::registry::{Registry, Shared};
use crate::{Error, Result};
use format::Slot;
use space::Generation;
use store::Store;
pub use transaction::{Savepoint, Transaction};
use tree::Root;
pub use verify::Report;
use writer::{Checkpoint, Writer};

/// The longest key, in bytes.
pub const MOST_KEY: usize = 16 << 20;

/// The longest value, in bytes.
pub const MOST_VALUE: usize = 1 << 30;

/// How many changed nodes there may be before a checkpoint.
const MOST_DIRTY: u64 = 16 << 10;

static HEAPS: Registry<Inner> = Registry::new();

/// When commits are durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// On return, and seen by others from then on.
    #[default]
    Commit,
    /// By the next [`Heap::flush`], which makes all before it durable, in their order. Others see them at once.
    Group,
}

/// How [`Heap::open`] opens a store.
#[derive(Clone, Debug)]
pub struct HeapOptions {
    /// A store that is missing is made.
    pub create: bool,
    /// Nothing is changed.
    pub readonly: bool,
    /// A new file's permissions, subject to the umask.
    pub mode: u32,
    /// When commits are durable.
    pub durability: Durability,
    /// How long [`Heap::begin`] of this handle waits for others.
    pub busy_timeout: Duration,
    /// How long the file may get, in bytes. None is no limit, or where the store is open already that of the others.
    pub max_len: Option<u64>,
    /// Checkpoints are written by a thread of their own.
    pub background: bool,
    #[cfg(test)]
    geometry: Option<format::Geometry>,
}

impl Default for HeapOptions {
    fn default() -> Self {
        Self {
            create: true,
            readonly: false,
            mode: 0o666,
            durability: Durability::Commit,
            busy_timeout: Duration::from_secs(5),
            max_len: None,
            background: true,
            #[cfg(test)]
            geometry: None,
        }
    }
}

/// What a store is and has done, in bytes and counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapStats {
    /// The file's length.
    pub size: u64,
    /// What the tree, and trees that others still see, need of it.
    pub used: u64,
    /// What can be used at once, or once a checkpoint is durable.
    pub free: u64,
    /// What only those need who see an older tree.
    pub pinned: u64,
    /// How many bytes of the log have commits since the last checkpoint.
    pub log: u64,
    /// How many entries there are.
    pub entries: u64,
    /// The number of the last commit.
    pub commits: u64,
    /// How many checkpoints there were.
    pub checkpoints: u64,
    /// How often a commit waited for a checkpoint, since the log was full.
    pub waits: u64,
}

/// An open store. Each thread that reads while another one changes it has a clone of its own: then neither waits.
///
/// Handles of one file share it. The last one closes it.
pub struct Heap {
    inner: Share,
    busy_timeout: Duration,
}

/// A share of a store. Views and transactions of one handle have the same one: taking another would look the file up.
type Share = Arc<Shared<Inner>>;

pub(crate) struct Inner {
    store: Store,
    options: HeapOptions,
    /// Whether this version knows all that writers must keep up, in this store or in a copy of it.
    may_write: bool,
    desk: Mutex<Desk>,
    free: Condvar,
    /// What others see. None while the only handle's transaction changes it in place.
    published: ArcSwapOption<Version>,
    /// The last version that is written and not durable, where others see it only once it is.
    written: Mutex<Option<Arc<Version>>>,
    /// The last version that is durable, where others see later ones.
    durable_version: Mutex<Option<Arc<Version>>>,
    /// How far the log is durable.
    durable: AtomicU64,
    /// Held by who makes more of it durable.
    flushing: Mutex<()>,
    handles: AtomicUsize,
    /// Why nothing can be changed any more.
    latch: OnceLock<Error>,
    checkpoint: Mutex<Progress>,
    finished: Condvar,
    /// The thread of the last checkpoint, which may keep the file open for a moment longer.
    worker: Mutex<Option<JoinHandle<()>>>,
    waits: AtomicU64,
    /// What a layer above shares of it.
    layer: OnceLock<Arc<dyn Any + Send + Sync>>,
}

/// Who changes the store.
struct Desk {
    /// None while someone does.
    writer: Option<Box<Writer>>,
    holder: Option<Holder>,
    /// How many wait for it, who are to be woken.
    waiting: usize,
}

impl Desk {
    /// Whether it is the calling thread that changes the store.
    fn is_own(&self) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.thread.id() == std::thread::current().id())
    }
}

/// A thread that changes the store.
struct Holder {
    thread: std::thread::Thread,
    name: Option<String>,
    since: Instant,
}

thread_local! {
    /// What messages call this thread, where that is not its own name.
    static NAME: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
}

/// Says what messages call the calling thread, in which others wait for its transaction: `"the worker 3"`.
pub fn name_thread(name: &str) {
    NAME.set(Some(name.to_owned()));
}

impl Holder {
    /// The calling thread, from now on.
    fn new() -> Self {
        let thread = std::thread::current();
        let own = || thread.name().map(|name| format!("the thread '{name}'"));
        Self { name: NAME.with_borrow(Clone::clone).or_else(own), since: Instant::now(), thread }
    }
}

/// How far a checkpoint is.
enum Progress {
    Idle,
    Running,
    Done(Slot),
}

/// A tree as it was after a commit.
pub(crate) struct Version {
    root: Root,
    sequence: u64,
    /// Where the log ends with it.
    position: u64,
    entries: u64,
    /// Its blocks stay as they are as long as it has this.
    #[allow(dead_code, reason = "it is counted")]
    generation: Arc<Generation>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Heap").field("path", &self.store.path).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
thread_local! {
    /// Whether no thread can be started.
    static NO_THREADS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Starts a thread that writes a checkpoint.
fn spawn(work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    #[cfg(test)]
    if NO_THREADS.get() {
        return Err(std::io::ErrorKind::WouldBlock.into());
    }
    std::thread::Builder::new().name("pmem checkpoint".to_owned()).spawn(work)
}

impl Heap {
    /// Opens a store, which is made where it is missing. Commits that a killed process or a power cut left in the log are found,
    /// and made durable before anyone sees them.
    ///
    /// # Errors
    /// `EAGAIN` where another process has it open; [`Error::Broken`] for a damaged or another file, which stays as it is;
    /// [`Error::Newer`]; what the operating system says.
    pub fn open(path: &Path, options: &HeapOptions) -> Result<Self> {
        opening::open(path, options).map(|inner| Self::with(Arc::new(inner), options.busy_timeout))
    }

    fn with(inner: Share, busy_timeout: Duration) -> Self {
        // A transaction of the only handle changes in place what a second one would read.
        let turn = locked(&inner.desk);
        inner.handles.fetch_add(1, Ordering::SeqCst);
        drop(turn);
        Self { inner, busy_timeout }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.store.path
    }

    /// The store as it is after the last commit, which stays as it is for whoever holds it.
    ///
    /// # Errors
    /// [`Error::Held`] within this thread's own transaction, through which it can read, and where the transaction of another
    /// thread, which uses this same handle, takes longer than the time to wait.
    pub fn view(&self) -> Result<View> {
        self.inner.visible().map(|version| View { inner: self.inner.clone(), version })
    }

    /// Begins a transaction. One at a time changes a store.
    ///
    /// # Errors
    /// [`Error::Held`] where someone else's takes longer than the time to wait; `EROFS` for a readonly store;
    /// [`Error::Uncertain`] after a flush failed.
    pub fn begin(&self) -> Result<Transaction> {
        Transaction::begin(self.inner.clone(), self.busy_timeout, false)
    }

    /// Begins a transaction that waits for nothing: there is none where another one is open, and its commit is durable by the next
    /// [`Heap::flush`], whatever the store's durability. Unless that is [`Durability::Group`], others see it from then on.
    ///
    /// # Errors
    /// As [`Heap::begin`].
    pub fn try_begin(&self) -> Result<Option<Transaction>> {
        match Transaction::begin(self.inner.clone(), Duration::ZERO, true) {
            Err(Error::Held { .. }) => Ok(None),
            begun => begun.map(Some),
        }
    }

    /// Waits until nobody changes the store, for so long at most. Another may be faster then.
    ///
    /// # Errors
    /// [`Error::Held`].
    pub fn wait_free(&self, most: Duration) -> Result<()> {
        let (started, mut desk) = (Instant::now(), locked(&self.inner.desk));
        while desk.writer.is_none() {
            desk = self.inner.wait(desk, started, most)?;
        }
        Ok(())
    }

    /// How long [`Heap::begin`] waits for others.
    pub fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    /// What hashes of this store begin with, so that nobody chooses keys whose hashes are equal.
    pub(crate) fn salt(&self) -> u64 {
        self.inner.store.salt
    }

    /// What the layer above shares among all handles of the store.
    pub(crate) fn layer<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let layer = self.inner.layer.get_or_init(|| Arc::new(make()));
        Arc::clone(layer).downcast().expect("one layer is above")
    }

    /// Makes all that was committed durable. Calls of several threads share a flush.
    ///
    /// # Errors
    /// [`Error::Uncertain`]: it is unknown which of the commits that were not durable are. Nothing is changed any more, and what
    /// is seen is what was durable before.
    pub fn flush(&self) -> Result<()> {
        self.inner.flush()
    }

    /// Begins a checkpoint where one is due, unless a transaction is open, which does so when it commits.
    pub(crate) fn tidy(&self) {
        let Ok(mut writer) = self.inner.take_within(Duration::ZERO) else { return };
        // One that fails says so at the next commit.
        let _ = Inner::checkpoint_if_due(&self.inner, &mut writer);
        self.inner.put_back(writer);
    }

    /// The number of the last commit that all see.
    pub(crate) fn seen(&self) -> u64 {
        self.inner.seen()
    }

    /// Whether nothing is changed any more, since it is unknown what is durable.
    pub(crate) fn is_latched(&self) -> bool {
        self.inner.latch.get().is_some()
    }

    /// Writes all that was committed to its place in the file, so that the log is empty.
    ///
    /// # Errors
    /// As [`Heap::begin`] and [`Heap::flush`].
    pub fn checkpoint(&self) -> Result<()> {
        let mut writer = self.inner.take()?;
        let done = self.inner.checkpoint_now(&mut writer);
        self.inner.put_back(writer);
        done
    }

    /// What the store is and has done.
    ///
    /// # Errors
    /// As [`Heap::begin`], but for readonly stores.
    pub fn stats(&self) -> Result<HeapStats> {
        let writer = self.inner.take_to_look()?;
        let stats = self.inner.stats(&writer);
        self.inner.put_back(writer);
        Ok(stats)
    }

    /// Copies the store as it is now to a new file, dense and durable, while others go on changing it.
    ///
    /// # Errors
    /// `EEXIST`; as [`Heap::open`] of the new file, and what reading says: then there is no new file, nor where the process ends before.
    pub fn backup(&self, path: &Path) -> Result<()> {
        self.view()?.copy(path)
    }

    /// That all of the last checkpoint is sound: each node and run, in its order, reached once, and all other blocks free. It
    /// changes nothing.
    ///
    /// # Errors
    /// As [`Heap::begin`], but for readonly stores; what reading says.
    pub fn verify(&self) -> Result<Report> {
        let writer = self.inner.take_to_look()?;
        let report = verify::verify(&self.inner.store, &writer.slot, &writer.tree.root);
        self.inner.put_back(writer);
        report
    }

    /// Closes this handle. The last one of a store writes a checkpoint, so that opening it again finds an empty log, unless a
    /// transaction of the calling thread is open.
    ///
    /// # Errors
    /// As [`Heap::checkpoint`]: the store is closed all the same, and what was durable is there.
    pub fn close(self) -> Result<()> {
        if self.inner.handles.load(Ordering::SeqCst) > 1 || self.inner.options.readonly {
            return Ok(());
        }
        // An open transaction of this thread would never end meanwhile.
        if locked(&self.inner.desk).is_own() && !deliberate::is_on("heap: close waits for its own thread") {
            return Ok(());
        }
        match self.checkpoint() {
            // An aborted transaction, or a commit, is what this handle would wait for.
            Err(Error::Held { .. }) => Ok(()),
            done => done,
        }
    }
}

impl std::fmt::Debug for Heap {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(formatter)
    }
}

impl Clone for Heap {
    fn clone(&self) -> Self {
        Self::with(self.inner.clone(), self.busy_timeout)
    }
}

impl Drop for Heap {
    /// The last one waits for a checkpoint that is being written: then nothing of this process has the file open.
    fn drop(&mut self) {
        if self.inner.handles.fetch_sub(1, Ordering::SeqCst) > 1 {
            return;
        }
        let worker = locked(&self.inner.worker).take();
        if let Some(worker) = worker.filter(|_| !deliberate::is_on("heap: checkpoint not waited for")) {
            let _ = worker.join();
        }
    }
}

impl Drop for Inner {
    /// What waits in the log is found at the next opening, so that nothing is lost if this fails.
    fn drop(&mut self) {
        if !self.options.readonly && self.latch.get().is_none() {
            let _ = self.flush();
        }
    }
}

impl Inner {
    /// What others see.
    fn visible(&self) -> Result<Arc<Version>> {
        if let Some(version) = self.published.load_full() {
            return Ok(version);
        }
        let (started, mut desk) = (Instant::now(), locked(&self.desk));
        loop {
            if let Some(version) = self.published.load_full() {
                return Ok(version);
            }
            if desk.is_own() {
                let holder = "this thread, whose transaction reads for it".to_owned();
                return Err(Error::Held { path: self.store.path.clone(), holder, waited: 0 });
            }
            // After a transaction that could not be taken back there is nothing to see.
            if desk.writer.is_some() {
                self.check_latch()?;
            }
            desk = self.wait(desk, started, self.options.busy_timeout)?;
        }
    }

    /// Waits until whoever changes the store may be done with it.
    ///
    /// # Errors
    /// [`Error::Held`] once that takes too long.
    fn wait<'d>(
        &self,
        mut desk: MutexGuard<'d, Desk>,
        started: Instant,
        most: Duration,
    ) -> Result<MutexGuard<'d, Desk>> {
        let left = most.saturating_sub(started.elapsed());
        if left.is_zero() {
            let since = desk.holder.as_ref().map_or(started, |holder| holder.since);
            let name = desk.holder.as_ref().and_then(|holder| holder.name.clone());
            let holder = name.unwrap_or_else(|| "another thread".to_owned());
            let waited = since.elapsed().as_millis() as u64;
            return Err(Error::Held { path: self.store.path.clone(), holder, waited });
        }
        desk.waiting += 1;
        let mut desk = self.free.wait_timeout(desk, left).unwrap_or_else(PoisonError::into_inner).0;
        desk.waiting -= 1;
        Ok(desk)
    }

    /// Takes what is needed to change the store.
    fn take(&self) -> Result<Box<Writer>> {
        self.take_within(self.options.busy_timeout)
    }

    /// As `take`, waiting for so long at most.
    fn take_within(&self, most: Duration) -> Result<Box<Writer>> {
        if self.options.readonly {
            let error = Error::os(crate::os::errno::EROFS, "begin", Some(&self.store.path));
            return Err(error.with_hint("the store was opened readonly"));
        }
        self.take_desk(most)
    }

    /// As `take`, also of a readonly store, to look at what nobody changes meanwhile.
    fn take_to_look(&self) -> Result<Box<Writer>> {
        self.take_desk(self.options.busy_timeout)
    }

    fn take_desk(&self, most: Duration) -> Result<Box<Writer>> {
        let (mut started, mut desk) = (None, locked(&self.desk));
        loop {
            if let Some(writer) = desk.writer.take() {
                desk.holder = Some(Holder::new());
                drop(desk);
                if let Err(error) = self.check_latch() {
                    self.put_back(writer);
                    return Err(error);
                }
                return Ok(writer);
            }
            let started = *started.get_or_insert_with(Instant::now);
            desk = self.wait(desk, started, most)?;
        }
    }

    fn stats(&self, writer: &Writer) -> HeapStats {
        let (space, size) = (&writer.space, self.store.geometry.node_size);
        HeapStats {
            size: self.store.file.len(),
            used: (space.blocks() - space.free()) * size,
            free: space.free() * size,
            pinned: space.waiting() * size,
            log: writer.log_used(),
            entries: writer.tree.entries,
            commits: writer.sequence,
            checkpoints: writer.slot.epoch,
            waits: self.waits.load(Ordering::Relaxed),
        }
    }

    fn put_back(&self, writer: Box<Writer>) {
        let mut desk = locked(&self.desk);
        desk.writer = Some(writer);
        desk.holder = None;
        let is_awaited = desk.waiting > 0;
        drop(desk);
        // Waking nobody costs as much as waking someone.
        if is_awaited {
            self.free.notify_all();
        }
    }

    /// Shows others nothing while the only handle's transaction changes in place what they would see. Returns whether it may: what is
    /// written shall be seen as it is.
    fn hide(&self) -> bool {
        let written = locked(&self.written);
        let may_hide = written.is_none() || deliberate::is_on("heap: written version changed in place");
        if may_hide {
            self.published.store(None);
        }
        may_hide
    }

    /// Shows others a version, once it is durable where they see nothing else.
    ///
    /// # Errors
    /// That nothing is changed any more: then what was durable is what is seen.
    fn publish(&self, version: Arc<Version>) -> Result<()> {
        if self.options.durability == Durability::Commit {
            let mut written = locked(&self.written);
            if self.is_durable(&version) || deliberate::is_on("heap: written version seen") {
                *written = None;
                self.published.store(Some(version));
            } else {
                *written = Some(version);
            }
            return Ok(());
        }
        // Whoever latches the store has this too, so that nothing is shown after that.
        let mut durable = locked(&self.durable_version);
        self.check_latch()?;
        if version.position <= self.durable.load(Ordering::Acquire) {
            *durable = Some(Arc::clone(&version));
        }
        self.published.store(Some(version));
        Ok(())
    }

    /// A version is durable, with all before it.
    fn note_durable(&self, version: Arc<Version>) {
        let mut durable = locked(&self.durable_version);
        self.durable.fetch_max(version.position, Ordering::AcqRel);
        if durable.as_ref().is_some_and(|durable| durable.sequence < version.sequence) {
            *durable = Some(Arc::clone(&version));
        }
        drop(durable);
        let mut written = locked(&self.written);
        let Some(latest) = written.as_ref().map(|latest| latest.sequence) else { return };
        // A later one may be seen by now.
        if self.published.load().as_ref().is_some_and(|seen| seen.sequence < version.sequence) {
            self.published.store(Some(Arc::clone(&version)));
        }
        if latest <= version.sequence {
            *written = None;
        }
    }

    /// The number of the last commit that all see, which is any while a transaction that nobody else sees is open.
    fn seen(&self) -> u64 {
        self.published.load().as_ref().map_or(u64::MAX, |seen| seen.sequence)
    }

    /// What is there after the last commit, also where others do not see it yet.
    fn latest(&self) -> Option<Arc<Version>> {
        let written = locked(&self.written).clone();
        written.or_else(|| self.published.load_full())
    }

    /// Nothing is changed any more, for this reason. What is seen is what was durable.
    fn set_latch(&self, error: &Error) {
        let durable = locked(&self.durable_version);
        // First the reason: whoever sees what is older by then finds it.
        let _ = self.latch.set(error.clone());
        if let Some(version) = durable.as_ref().filter(|_| !deliberate::is_on("heap: failed flush still seen")) {
            self.published.store(Some(Arc::clone(version)));
        }
    }

    /// Begins a checkpoint where one is due.
    fn checkpoint_if_due(this: &Share, writer: &mut Writer) -> Result<()> {
        this.collect_checkpoint(writer, false)?;
        let is_due = writer.log_used() >= this.store.geometry.log_len / 2 || writer.tree.changes.dirty >= MOST_DIRTY;
        if !is_due || matches!(*locked(&this.checkpoint), Progress::Running) {
            return Ok(());
        }
        if !this.options.background {
            return this.checkpoint_now(writer);
        }
        this.flush()?;
        let checkpoint = writer.begin_checkpoint(&this.store, this.options.max_len)?;
        this.publish(writer.version())?;
        *locked(&this.checkpoint) = Progress::Running;
        let inner = this.clone();
        let ours = Arc::new(Mutex::new(Some(checkpoint)));
        let theirs = Arc::clone(&ours);
        #[cfg(test)]
        let recorder = crate::os::seam::recorder::attached();
        let work = move || {
            #[cfg(test)]
            let _attached = recorder.as_ref().map(|recorder| recorder.attach());
            if let Some(checkpoint) = locked(&theirs).take() {
                inner.run_checkpoint(checkpoint);
            }
        };
        let Ok(worker) = spawn(work) else {
            // Without a thread it is done here.
            let left = locked(&ours).take();
            if deliberate::is_on("heap: checkpoint without a thread left out") {
                *locked(&this.checkpoint) = Progress::Idle;
                return Ok(());
            }
            left.into_iter().for_each(|checkpoint| this.run_checkpoint(checkpoint));
            return this.collect_checkpoint(writer, false);
        };
        // The one before has done its work, and may still have the file for a moment.
        let before = locked(&this.worker).replace(worker);
        let _ = before.map(JoinHandle::join);
        Ok(())
    }

    fn run_checkpoint(&self, checkpoint: Checkpoint) {
        // Whoever waits for it must learn that it is over.
        let outcome = catch_unwind(AssertUnwindSafe(|| checkpoint.run(&self.store)));
        let outcome = outcome.unwrap_or_else(|_| Err(Failed::Write(std::io::Error::other("a checkpoint panicked"))));
        let mut progress = locked(&self.checkpoint);
        match outcome {
            Ok(slot) => *progress = Progress::Done(slot),
            Err(failed) => {
                self.latch(failed);
                *progress = Progress::Idle;
            }
        }
        drop(progress);
        self.finished.notify_all();
    }

    /// Takes over what a checkpoint has done, and waits for it if that is asked for.
    fn collect_checkpoint(&self, writer: &mut Writer, wait: bool) -> Result<()> {
        let mut progress = locked(&self.checkpoint);
        while wait && matches!(*progress, Progress::Running) {
            progress = self.finished.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        if let Progress::Done(slot) = *progress {
            *progress = Progress::Idle;
            writer.finish_checkpoint(slot, &self.store);
        }
        writer.space.release(writer.slot.epoch);
        drop(progress);
        self.check_latch()
    }

    /// Writes a checkpoint, and returns once it is durable.
    fn checkpoint_now(&self, writer: &mut Writer) -> Result<()> {
        self.collect_checkpoint(writer, true)?;
        self.flush()?;
        let checkpoint = writer.begin_checkpoint(&self.store, self.options.max_len)?;
        if self.published.load().is_some() {
            self.publish(writer.version())?;
        }
        let slot = checkpoint.run(&self.store).map_err(|failed| self.latch(failed))?;
        writer.finish_checkpoint(slot, &self.store);
        Ok(())
    }
}

/// A store as it was after a commit.
#[derive(Clone)]
pub struct View {
    inner: Share,
    version: Arc<Version>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("View").field("commit", &self.version.sequence).finish_non_exhaustive()
    }
}

impl View {
    /// The value of a key.
    ///
    /// # Errors
    /// [`Error::Broken`] where what leads there is damaged; [`Error::Fault`] where bytes are lost.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>> {
        tree::get(&self.inner.store, &self.version.root, key)
    }

    /// The entries from `from` on, or from the first one; with `reverse` from it, or from the last one, to the first one.
    ///
    /// # Errors
    /// As [`View::get`].
    pub fn entries(&self, from: Option<&[u8]>, reverse: bool) -> Result<Cursor<'_>> {
        let cursor = tree::Cursor::new(&self.inner.store, &self.version.root, from, reverse)?;
        Ok(Cursor(cursor))
    }

    /// As [`Heap::backup`], of what this sees.
    ///
    /// # Errors
    /// As [`Heap::backup`].
    pub(crate) fn copy(&self, path: &Path) -> Result<()> {
        opening::copy(self, path, &self.inner.options)
    }

    /// Whether all that it sees is durable.
    pub(crate) fn is_durable(&self) -> bool {
        self.inner.is_durable(&self.version)
    }

    /// How many entries there are.
    pub fn len(&self) -> u64 {
        self.version.entries
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the last commit in it.
    pub fn sequence(&self) -> u64 {
        self.version.sequence
    }
}

/// A key, which is lent, and its value.
pub type Entry<'k, 'a> = (&'k [u8], Cow<'a, [u8]>);

/// Goes through entries.
pub struct Cursor<'a>(tree::Cursor<'a>);

impl<'a> Cursor<'a> {
    /// The next entry: its key, and its value.
    ///
    /// # Errors
    /// As [`View::get`].
    #[allow(clippy::should_implement_trait, reason = "the key is lent")]
    pub fn next(&mut self) -> Result<Option<Entry<'_, 'a>>> {
        self.0.next()
    }
}
