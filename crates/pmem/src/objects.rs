//! Containers in a store: maps, sets, sorted maps, arrays and objects, which refer to each other, and go once nothing refers to them.
//!
//! Values are bytes that the caller makes and reads (`docs/objects-format.md`); of them only references matter here. Changes are
//! commands: all of a batch, or none.

mod array;
mod changing;
mod collecting;
mod commands;
mod header;
mod ids;
mod keyed;
mod keys;
mod reading;
mod record;
mod sharing;
mod sorted;
#[cfg(test)]
mod tests;
mod values;
mod verify;
mod watching;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::heap::{Heap, HeapOptions, Transaction, View};
use crate::os::{deliberate, errno};
use crate::{Error, Result};
use changing::{Changing, Outcome};
use commands::{Command, Commands};
use header::Header;
use keys::Key;
pub use reading::Range;
use reading::Source;
use sharing::{Common, NO_VIEW, Presence, locked};
pub use verify::Report;

/// The version of the containers' format.
const FORMAT: u32 = 1;

/// How a store of containers is opened.
#[derive(Clone, Debug, Default)]
pub struct ObjectsOptions {
    /// How the file is.
    pub heap: HeapOptions,
}

/// What a store is and has done, in bytes and counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObjectsStats {
    /// The file's length.
    pub size: u64,
    /// What is needed of it.
    pub used: u64,
    /// What can be used.
    pub free: u64,
    /// How many snapshots are open in this process.
    pub snapshots: u64,
    /// What only older views and snapshots need.
    pub pinned: u64,
    /// What the log has that is not at its place yet.
    pub log: u64,
    /// How many commits there were.
    pub commits: u64,
    /// How often a commit waited for the log.
    pub waits: u64,
}

/// What [`Session::refresh`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// The number of the last commit in the view.
    pub sequence: u64,
    /// Whether more was changed than is told.
    pub all: bool,
}

/// What one thread has open of a store: a view, or a transaction, and the containers that it holds.
pub struct Session {
    heap: Heap,
    common: Arc<Common>,
    presence: Arc<Presence>,
    state: RefCell<State>,
    /// The last commit whose changes were told.
    seen: Cell<u64>,
    pins: RefCell<HashMap<u64, u32>>,
    is_snapshot: bool,
}

/// What is read from.
enum State {
    Idle,
    Viewing(View),
    Changing(Box<Changing>),
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Session").field("path", &self.path()).finish_non_exhaustive()
    }
}

/// Calls a function with whatever the state reads from.
macro_rules! read {
    ($state:expr, |$source:ident| $work:expr) => {
        match &*$state {
            State::Changing(changing) => {
                let $source = &changing.transaction;
                $work
            }
            State::Viewing($source) => $work,
            State::Idle => unreachable!("a view was taken"),
        }
    };
}

impl Session {
    /// Opens a store, which is made where it is missing.
    ///
    /// # Errors
    /// As [`Heap::open`]; [`Error::Newer`] for containers of a later version, and [`Error::Broken`] for a store of something else.
    pub fn open(path: &Path, options: &ObjectsOptions) -> Result<Self> {
        let heap = Heap::open(path, &options.heap)?;
        if !options.heap.readonly {
            begin_format(&heap)?;
        }
        Self::of(heap)
    }

    fn of(heap: Heap) -> Result<Self> {
        let view = heap.view()?;
        let next_id = check_format(&heap, &view)?;
        let common = heap.layer(|| Common::new(next_id));
        let presence = common.join(view.sequence());
        let seen = Cell::new(view.sequence());
        Ok(Self {
            heap,
            common,
            presence,
            state: RefCell::new(State::Idle),
            seen,
            pins: RefCell::default(),
            is_snapshot: false,
        })
    }

    /// The store as it is now, which stays so in what this returns. It cannot be changed.
    ///
    /// # Errors
    /// As [`Heap::view`].
    pub fn snapshot(&self) -> Result<Self> {
        if self.depth() > 0 {
            return Err(Error::InvalidValue {
                name: "snapshot",
                reason: "a transaction is open, of which a snapshot would see nothing",
            });
        }
        let view = match &*self.state.borrow() {
            State::Viewing(view) if self.is_snapshot => view.clone(),
            _ => self.presence.look(&self.heap)?,
        };
        let presence = Arc::new(Presence::new(0));
        let seen = Cell::new(view.sequence());
        let state = RefCell::new(State::Viewing(view));
        self.common.snapshots.fetch_add(1, Ordering::Relaxed);
        let (heap, common) = (self.heap.clone(), Arc::clone(&self.common));
        Ok(Self { heap, common, presence, state, seen, pins: RefCell::default(), is_snapshot: true })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.heap.path()
    }

    /// The version that the program gave what is stored.
    ///
    /// # Errors
    /// As [`Heap::view`] and [`View::get`].
    pub fn version(&self) -> Result<u32> {
        self.look()?;
        let state = self.state.borrow();
        let version =
            read!(state, |source| Source::get(source, &Key::own(keys::VERSION))?.map(|bytes| bytes.into_owned()));
        match version.as_deref() {
            None => Ok(0),
            Some(bytes) if bytes.len() == 4 => Ok(crate::storage::bytes::u32_at(bytes, 0)),
            Some(_) => Err(self.broken("its version is none".to_owned())),
        }
    }

    /// Puts the root's value into `out`. Returns whether there is one.
    ///
    /// # Errors
    /// As [`Heap::view`] and [`View::get`].
    pub fn root(&self, out: &mut Vec<u8>) -> Result<bool> {
        let before = out.len();
        let found = self.put(&Key::own(keys::ROOT), out)?;
        if found && !values::is_one(&out[before..]) {
            return Err(self.broken("its root is no value".to_owned()));
        }
        Ok(found)
    }

    fn put(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        self.look()?;
        let state = self.state.borrow();
        read!(state, |source| {
            let found = Source::get(source, key)?;
            found.iter().for_each(|bytes| out.extend_from_slice(bytes));
            Ok(found.is_some())
        })
    }

    /// The first of so many ids that nobody else is given, also not after the store is opened again.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] where so many are not left.
    pub fn reserve_ids(&self, count: u64) -> Result<u64> {
        let first = self.common.reserve_ids(count);
        first.ok_or_else(|| Error::out_of_range("count", "at most as many ids as are left".to_owned(), count))
    }

    /// Sees to it that there is something to read from.
    fn look(&self) -> Result<()> {
        if matches!(*self.state.borrow(), State::Idle) {
            self.take_view()?;
        }
        Ok(())
    }

    fn take_view(&self) -> Result<()> {
        let view = self.common.look(&self.presence, || {
            let view = self.presence.look(&self.heap)?;
            let sequence = view.sequence();
            Ok((view, sequence))
        })?;
        *self.state.borrow_mut() = State::Viewing(view);
        Ok(())
    }

    /// Takes a new view, unless a transaction is open, and puts the containers that others have changed since the last call into `changed`.
    ///
    /// # Errors
    /// As [`Heap::view`].
    pub fn refresh(&self, changed: &mut Vec<u64>) -> Result<Refreshed> {
        let is_changing = matches!(*self.state.borrow(), State::Changing(_));
        if !is_changing && !self.is_snapshot {
            self.take_view()?;
        }
        let sequence = match &*self.state.borrow() {
            State::Changing(changing) => changing.sequence - 1,
            State::Viewing(view) => view.sequence(),
            State::Idle => self.seen.get(),
        };
        if self.is_snapshot {
            return Ok(Refreshed { sequence, all: false });
        }
        // After a failed flush what is seen is what was durable: then all that was seen since may be different.
        let is_older = sequence < self.seen.get();
        let is_told = self.common.changes(self.presence.number, self.seen.get(), sequence, changed);
        self.seen.set(sequence);
        Ok(Refreshed { sequence, all: is_older || !is_told })
    }

    /// Gives the view back, so that others need not keep what it sees.
    pub fn end_turn(&self) {
        let is_viewing = matches!(*self.state.borrow(), State::Viewing(_));
        if is_viewing && !self.is_snapshot {
            *self.state.borrow_mut() = State::Idle;
            self.presence.view.store(NO_VIEW, Ordering::Release);
        }
    }

    /// Begins a transaction, or a part of the open one that can be taken back by itself.
    ///
    /// # Errors
    /// As [`Heap::begin`]; `EROFS` for a snapshot.
    pub fn begin(&self) -> Result<()> {
        self.begin_with(|| self.heap.begin().map(Some)).map(|_| ())
    }

    /// As `begin`, but waits for nothing: not while another session's transaction is open, and its commit is durable by the next flush of a
    /// [`Helper`], from which on other sessions see it. Returns whether it began.
    ///
    /// # Errors
    /// As `begin`.
    pub fn try_begin(&self) -> Result<bool> {
        self.begin_with(|| self.heap.try_begin())
    }

    fn begin_with(&self, begin: impl FnOnce() -> Result<Option<Transaction>>) -> Result<bool> {
        if self.is_snapshot {
            let error = Error::os(errno::EROFS, "begin", Some(self.path()));
            return Err(error.with_hint("a snapshot stays as it is"));
        }
        if let State::Changing(changing) = &mut *self.state.borrow_mut() {
            changing.save()?;
            return Ok(true);
        }
        // Where it does not begin, what was seen is still seen.
        let Some(transaction) = begin()? else { return Ok(false) };
        self.end_turn();
        *self.state.borrow_mut() = State::Changing(Box::new(Changing::new(&self.heap, transaction)));
        Ok(true)
    }

    /// How many transactions are open, one in the other.
    pub fn depth(&self) -> usize {
        match &*self.state.borrow() {
            State::Changing(changing) => 1 + changing.parts(),
            _ => 0,
        }
    }

    /// Ends the innermost transaction: what it changed stays, durably where it is the only one, unless the store's commits are durable in
    /// groups.
    ///
    /// # Errors
    /// As [`Transaction::commit`]: nothing was changed.
    pub fn commit(&self) -> Result<()> {
        if self.depth() > 1 {
            self.part(Changing::keep);
            return Ok(());
        }
        let State::Changing(changing) = self.state.replace(State::Idle) else { return Err(none_open()) };
        let committed = changing.commit(&self.common, self.presence.number);
        if matches!(&committed, Err(Error::Os { errno: errno::ENOSPC, .. })) {
            self.make_room();
        }
        self.collect_if_due();
        self.presence.commit(committed?);
        Ok(())
    }

    /// Does something to the open transaction.
    fn part<R>(&self, work: impl FnOnce(&mut Changing) -> R) -> Option<R> {
        match &mut *self.state.borrow_mut() {
            State::Changing(changing) => Some(work(changing)),
            _ => None,
        }
    }

    /// Ends the innermost transaction: what it changed is taken back.
    ///
    /// # Errors
    /// What reading says; then all of the transaction is taken back.
    pub fn rollback(&self) -> Result<()> {
        if self.depth() > 1 {
            return self.part(Changing::take_back).unwrap_or(Ok(()));
        }
        match self.state.replace(State::Idle) {
            State::Changing(_) => Ok(()),
            other => {
                self.state.replace(other);
                Err(none_open())
            }
        }
    }

    /// Carries commands out, all or none: in the open transaction, or in one of their own. Returns the last one's results; -1 where what it
    /// goes by is not so any more, and nothing was done.
    ///
    /// # Errors
    /// As `begin` and `commit`; [`Error::InvalidValue`] for what are no commands, or none that can be carried out.
    pub fn apply(&self, commands: &[u8]) -> Result<[f64; 2]> {
        let is_own = self.depth() == 0;
        match self.apply_once(commands, is_own) {
            Err(Error::Os { errno: errno::ENOSPC, .. }) if is_own => self.apply_once(commands, true),
            applied => applied,
        }
    }

    fn apply_once(&self, commands: &[u8], is_own: bool) -> Result<[f64; 2]> {
        if is_own {
            self.begin()?;
        }
        let outcome = self.carry_out(commands, is_own);
        match (&outcome, is_own) {
            (Ok(Outcome::Done(_)), true) => self.commit()?,
            (_, true) => self.rollback()?,
            _ => {}
        }
        Ok(match outcome? {
            Outcome::Done(results) => results,
            Outcome::Outdated => [-1.0, 0.0],
        })
    }

    fn carry_out(&self, commands: &[u8], is_own: bool) -> Result<Outcome> {
        let mut state = self.state.borrow_mut();
        let State::Changing(changing) = &mut *state else { return Err(none_open()) };
        let is_watched = self.common.is_watched();
        if is_own {
            return carry_out(changing, commands, is_watched);
        }
        // Those that fail take nothing of the transaction with them.
        changing.attempt(|changing| carry_out(changing, commands, is_watched))
    }

    /// The id of a shape; 0 where the store takes no more.
    ///
    /// # Errors
    /// As `apply`.
    pub fn intern(&self, shape: &[u8]) -> Result<u32> {
        let is_own = self.depth() == 0;
        if is_own {
            self.begin()?;
        }
        let interned = match &mut *self.state.borrow_mut() {
            State::Changing(changing) => changing.intern(shape),
            _ => Err(none_open()),
        };
        match (&interned, is_own) {
            (Ok(_), true) => self.commit()?,
            (Err(_), true) => self.rollback()?,
            _ => {}
        }
        interned
    }

    /// Puts a shape into `out`. Returns whether there is one of this id.
    ///
    /// # Errors
    /// As [`Heap::view`] and [`View::get`].
    pub fn shape(&self, id: u32, out: &mut Vec<u8>) -> Result<bool> {
        self.put(&Key::shape(id), out)
    }

    /// Puts a container's header into `out`, and a record behind it. Returns whether there is one of this id.
    ///
    /// # Errors
    /// As [`Heap::view`] and [`View::get`]; [`Error::Broken`] for what is no header.
    pub fn load(&self, id: u64, out: &mut Vec<u8>) -> Result<bool> {
        self.look()?;
        if let State::Changing(changing) = &*self.state.borrow() {
            match changing.cached(id) {
                Some(Some(header)) => {
                    header.encode(out);
                    return Ok(true);
                }
                Some(None) => return Ok(false),
                None => {}
            }
        }
        let before = out.len();
        let found = self.put(&Key::header(id), out)?;
        if found && Header::decode(&out[before..]).is_none() {
            return Err(self.no_header(id));
        }
        Ok(found)
    }

    fn broken(&self, what: String) -> Error {
        Error::Broken { file: self.path().to_path_buf(), offset: 0, what }
    }

    fn no_entry(&self, id: u64) -> Error {
        self.broken(format!("an entry of the container {id} is none"))
    }

    /// Reads something of a container's header. None where there is no container.
    fn with_header<R>(&self, id: u64, read: impl FnOnce(&Header) -> R) -> Result<Option<R>> {
        self.look()?;
        let state = self.state.borrow();
        if let State::Changing(changing) = &*state
            && let Some(known) = changing.cached(id)
        {
            return Ok(known.map(read));
        }
        let found = read!(state, |source| Source::get(source, &Key::header(id))?.map(|bytes| Header::decode(&bytes)));
        match found {
            None => Ok(None),
            Some(Some(header)) => Ok(Some(read(&header))),
            Some(None) => Err(self.no_header(id)),
        }
    }

    fn no_header(&self, id: u64) -> Error {
        self.broken(format!("the header of the container {id} is none"))
    }

    /// Puts the value of a key of a map or a dictionary into `out`. Returns whether there is one; also of a set, whose keys have no values.
    ///
    /// # Errors
    /// As `load`.
    pub fn get(&self, id: u64, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        self.look()?;
        let state = self.state.borrow();
        let found = read!(state, |source| reading::get(source, self.heap.salt(), id, key, out))?;
        found.ok_or_else(|| self.no_entry(id))
    }

    /// Puts up to so many entries behind the one of a number into `out`, or the first ones: number, key, value. Returns how many.
    ///
    /// # Errors
    /// As `load`.
    pub fn entries(&self, id: u64, after: Option<u64>, most: usize, out: &mut Vec<u8>) -> Result<usize> {
        let Some(is_set) = self.with_header(id, |header| header.kind == header::SET)? else { return Ok(0) };
        let state = self.state.borrow();
        let count = read!(state, |source| reading::entries(source, id, is_set, after, most, out))?;
        count.ok_or_else(|| self.no_entry(id))
    }

    /// Puts the value of a sorted map's key into `out`. Returns whether there is one.
    ///
    /// # Errors
    /// As `load`.
    pub fn sorted_get(&self, id: u64, key: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        self.look()?;
        let state = self.state.borrow();
        let found = read!(state, |source| reading::sorted_get(source, id, key, out))?;
        found.ok_or_else(|| self.no_entry(id))
    }

    /// Puts up to so many entries of a range of a sorted map into `out`: the length of the key as a u32, the key, the value. Returns how
    /// many.
    ///
    /// # Errors
    /// As `load`.
    pub fn range(&self, id: u64, range: &Range<'_>, most: usize, out: &mut Vec<u8>) -> Result<usize> {
        self.look()?;
        let state = self.state.borrow();
        let count = read!(state, |source| reading::range(source, id, range, most, out))?;
        count.ok_or_else(|| self.no_entry(id))
    }

    /// Puts up to so many items of an array into `out`, from one on. Returns how many.
    ///
    /// # Errors
    /// As `load`.
    pub fn items(&self, id: u64, from: u64, most: usize, out: &mut Vec<u8>) -> Result<usize> {
        let array = self.with_header(id, Header::array)?.flatten();
        let array = array.ok_or_else(|| self.broken(format!("the array {id} is missing, or is none")))?;
        let state = self.state.borrow();
        let count = read!(state, |source| reading::items(source, id, array, from, most, out))?;
        count.ok_or_else(|| self.no_entry(id))
    }

    /// A container stays as long as the session, or until it is unpinned as often.
    pub fn pin(&self, id: u64) {
        if self.is_snapshot {
            return;
        }
        *self.pins.borrow_mut().entry(id).or_insert(0) += 1;
        self.common.pin(id);
    }

    /// Takes one `pin` back.
    pub fn unpin(&self, id: u64) {
        let mut pins = self.pins.borrow_mut();
        let Some(count) = pins.get_mut(&id) else { return };
        *count -= 1;
        if *count == 0 {
            pins.remove(&id);
        }
        self.common.unpin(id, 1);
    }

    /// Has `wake` called, from any thread, when there is news of a watched container and was none.
    pub fn on_news(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.presence.watcher.on_news(wake);
    }

    /// What commits of any session change in a container from now on is news.
    pub fn watch(&self, id: u64) {
        self.common.watch(&self.presence, id);
    }

    /// Takes `watch` back.
    pub fn unwatch(&self, id: u64) {
        self.common.unwatch(&self.presence, id);
    }

    /// Puts what was changed in watched containers since the last call into `out`: an id of 7 bytes, what follows, and where it was: 0 a key
    /// as a value, 1 a u32 and so many bytes of an ordered key, 2 an index as a u32, 3 a shape as a u32 and which field of it as a u16, 4 a
    /// shape, of which it is the last field, 5 nothing, where it may have been anywhere.
    pub fn news(&self, out: &mut Vec<u8>) {
        watching::encode(&self.presence.watcher.take(), out);
    }

    /// What the store is and has done.
    ///
    /// # Errors
    /// As [`Heap::stats`].
    pub fn stats(&self) -> Result<ObjectsStats> {
        let stats = match &*self.state.borrow() {
            State::Changing(changing) => changing.transaction.stats(),
            _ => self.heap.stats()?,
        };
        Ok(ObjectsStats {
            size: stats.size,
            used: stats.used,
            free: stats.free,
            snapshots: self.common.snapshots.load(Ordering::Relaxed),
            pinned: stats.pinned,
            log: stats.log,
            commits: stats.commits,
            waits: stats.waits,
        })
    }

    /// What of a store is sound and what is not. It changes nothing.
    ///
    /// # Errors
    /// As [`Heap::open`]; `EAGAIN` also where this process has it open.
    pub fn check_file(path: &Path) -> Result<Report> {
        let mut options = HeapOptions::default();
        (options.create, options.readonly) = (false, true);
        let heap = Heap::open(path, &options).map_err(|error| match error {
            Error::InvalidValue { .. } => {
                let error = Error::os(errno::EAGAIN, "open", Some(path));
                error.with_hint(
                    "this process has the store open for writing: close it and its snapshots first, or check a copy that backup makes",
                )
            }
            other => other,
        })?;
        let view = heap.view()?;
        check_format(&heap, &view)?;
        let nodes = heap.verify()?.damage;
        if !nodes.is_empty() {
            return Ok(Report { damage: nodes, ..Report::default() });
        }
        match verify::verify(&view, heap.salt()) {
            // Where the way to what follows is damaged, nothing of that is known.
            Err(error @ Error::Broken { .. }) => Ok(Report { damage: vec![error.to_string()], ..Report::default() }),
            checked => checked,
        }
    }

    /// That all containers are sound, as the last commit has them.
    ///
    /// # Errors
    /// What reading says.
    pub fn verify(&self) -> Result<Report> {
        verify::verify(&self.heap.view()?, self.heap.salt())
    }

    /// What can do long work for this session in another thread.
    pub fn helper(&self) -> Helper {
        let (common, presence) = (Arc::clone(&self.common), Arc::clone(&self.presence));
        Helper { heap: self.heap.clone(), common, presence }
    }

    /// Frees what a full store has no place for otherwise.
    fn make_room(&self) {
        let helper = self.helper();
        // What could not be freed is free later.
        let _ = helper.drain_all();
    }

    fn collect_if_due(&self) {
        if !self.common.is_suspicious() {
            return;
        }
        let mut collector = locked(&self.common.collector);
        if collector.as_ref().is_some_and(|collector| !collector.is_finished()) {
            return;
        }
        // Also where it fails the next one waits for as many more.
        self.common.begin_look();
        let helper = self.helper();
        // What it cannot free is free later.
        let work = move || drop(helper.free_unreachable());
        let spawned = std::thread::Builder::new().name("pmem collector".to_owned()).spawn(work);
        *collector = spawned.ok();
    }

    /// Takes an open transaction back, and closes.
    ///
    /// # Errors
    /// As [`Heap::close`].
    pub fn close(self) -> Result<()> {
        self.state.replace(State::Idle);
        let heap = self.heap.clone();
        drop(self);
        heap.close()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.state.replace(State::Idle);
        if self.is_snapshot {
            self.common.snapshots.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        for (id, count) in self.pins.take() {
            self.common.unpin(id, count);
        }
        let is_last = self.common.leave(&self.presence);
        let is_awaited = is_last && !deliberate::is_on("objects: collector not waited for");
        let collector = is_awaited.then(|| locked(&self.common.collector).take()).flatten();
        // It ends soon, and then nothing of this process has the file open.
        let _ = collector.map(std::thread::JoinHandle::join);
    }
}

/// Does long work with a store, in whatever thread.
pub struct Helper {
    heap: Heap,
    common: Arc<Common>,
    presence: Arc<Presence>,
}

impl std::fmt::Debug for Helper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Helper").field("path", &self.heap.path()).finish_non_exhaustive()
    }
}

impl Helper {
    /// As [`Heap::flush`]. Other sessions see from then on what did not wait for it.
    ///
    /// # Errors
    /// As [`Heap::flush`].
    pub fn flush(&self) -> Result<()> {
        let flushed = self.heap.flush();
        self.presence.settle(&self.heap);
        if flushed.is_err() {
            self.common.forget_untold();
            return flushed;
        }
        self.common.spread_seen(self.heap.seen());
        self.heap.tidy();
        Ok(())
    }

    /// Waits until nobody changes the store, for what is left of the time to wait for others after `elapsed`.
    ///
    /// # Errors
    /// [`Error::Held`].
    pub fn wait_free(&self, elapsed: Duration) -> Result<()> {
        self.heap.wait_free(self.heap.busy_timeout().saturating_sub(elapsed))
    }

    /// As [`Heap::backup`].
    ///
    /// # Errors
    /// As [`Heap::backup`].
    pub fn backup(&self, path: &Path) -> Result<()> {
        self.presence.look(&self.heap)?.copy(path)
    }
}

/// Carries commands out in a transaction.
fn carry_out(changing: &mut Changing, commands: &[u8], is_watched: bool) -> Result<Outcome> {
    let mut commands = Commands(commands);
    let mut outcome = Outcome::Done([0.0; 2]);
    while let Some((id, command)) = commands.next()? {
        let place = if is_watched { watching::place(&command) } else { None };
        changing.is_growing |= !command.only_removes();
        outcome = carry_out_one(changing, id, command)?;
        changing.news.extend(place.map(|place| (id, place)));
        if matches!(outcome, Outcome::Outdated) {
            break;
        }
    }
    Ok(outcome)
}

fn carry_out_one(changing: &mut Changing, id: u64, command: Command<'_>) -> Result<Outcome> {
    let done = |changed: Result<()>| changed.map(|()| Outcome::Done([0.0; 2]));
    match command {
        Command::Create { kind } => done(changing.create(id, kind)),
        Command::Record { record } => changing.set_record(id, record),
        Command::Set { key, value } => changing.set_keyed(id, key, value),
        Command::Delete { key } => changing.delete_keyed(id, key),
        Command::Clear => changing.clear(id),
        Command::SortedSet { key, value } => changing.set_sorted(id, key, value),
        Command::SortedDelete { key } => changing.delete_sorted(id, key),
        Command::ArraySet { index, value } => changing.set_item(id, index, value),
        Command::Splice { start, removed, values } => changing.splice(id, start, removed, &values),
        Command::Root { value } => done(changing.set_root(value)),
        Command::Version { version } => done(changing.set_version(version)),
        Command::Dictionary => changing.make_dictionary(id),
        Command::Field { shape, index, value } => changing.set_field(id, shape, index, value),
        Command::Extend { before, after, value } => changing.extend(id, before, after, value),
        Command::Shrink { before, after, index } => changing.shrink(id, before, after, index),
    }
}

fn none_open() -> Error {
    Error::InvalidValue { name: "transaction", reason: "none is open" }
}

/// Says in a new store what it is one of.
fn begin_format(heap: &Heap) -> Result<()> {
    if !heap.view()?.is_empty() {
        return Ok(());
    }
    let mut transaction = heap.begin()?;
    if transaction.len() == 0 {
        transaction.set(&Key::own(keys::FORMAT), &FORMAT.to_le_bytes())?;
    }
    transaction.commit()
}

/// Checks what a store is one of. Returns the first id that nobody has had.
fn check_format(heap: &Heap, view: &View) -> Result<u64> {
    let file = || heap.path().to_path_buf();
    if view.is_empty() {
        // It was made, and no more.
        return Ok(1);
    }
    let format = view.get(&Key::own(keys::FORMAT))?;
    match format.as_deref() {
        Some(bytes) if *bytes == FORMAT.to_le_bytes() => {}
        Some(bytes) if bytes.len() == 4 => {
            return Err(Error::Newer { file: file(), what: "its containers are of a later format".to_owned() });
        }
        _ => return Err(Error::Broken { file: file(), offset: 0, what: "it is no store of objects".to_owned() }),
    }
    let next = view.get(&Key::own(keys::NEXT_ID))?.map(|bytes| (bytes.len(), changing::number_of(&bytes)));
    match next {
        None => Ok(1),
        Some((8, next)) if (1..=keys::MOST_ID + 1).contains(&next) => Ok(next),
        Some(_) => Err(Error::Broken { file: file(), offset: 0, what: "its next id is none".to_owned() }),
    }
}
