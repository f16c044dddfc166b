//! Transactions: what is changed, how it is taken back, and how it is committed.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::tree::{self, Value};
use super::writer::{RESERVE, ROOMY, Writer, full, log_ranges};
use super::{Cursor, Durability, Inner, MOST_KEY, MOST_VALUE, Share, Version, View};
use crate::os::{deliberate, errno};
use crate::storage::bytes::u32_at;
use crate::{Error, Result};

const SET: u8 = 1;
const REMOVE: u8 = 2;

/// How many nodes one change changes at most, or nearly so: those down to a leaf, those beside them, and new ones.
const MOST_CHANGED: u64 = 16;

/// Changes that come about together or not at all. Dropping it takes them back.
pub struct Transaction {
    inner: Share,
    /// None once it is over.
    writer: Option<Box<Writer>>,
    undo: Vec<Undo>,
    /// The changes as a frame has them.
    ops: Vec<u8>,
    only_removes: bool,
    /// What others saw before, where they see nothing meanwhile.
    is_in_place: bool,
    /// Its commit does not wait until it is durable.
    is_deferred: bool,
}

/// How one change is taken back.
struct Undo {
    key: Box<[u8]>,
    before: Option<Value>,
    /// How long the ops were.
    ops: usize,
}

/// A point in a transaction to which it can be taken back.
#[derive(Clone, Copy, Debug)]
pub struct Savepoint(usize);

impl std::fmt::Debug for Transaction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Transaction").field("changes", &self.undo.len()).finish_non_exhaustive()
    }
}

impl Transaction {
    pub(super) fn begin(inner: Share, most: Duration, is_deferred: bool) -> Result<Self> {
        let mut writer = inner.take_within(most)?;
        if let Err(error) = make_room(&inner, &mut writer) {
            inner.put_back(writer);
            return Err(error);
        }
        let is_alone = inner.handles.load(Ordering::SeqCst) == 1;
        let is_in_place = is_alone && !is_deferred && inner.options.durability == Durability::Commit && inner.hide();
        let (undo, ops) = (Vec::new(), Vec::new());
        Ok(Self { inner, writer: Some(writer), undo, ops, only_removes: true, is_in_place, is_deferred })
    }

    fn writer(&self) -> &Writer {
        self.writer.as_deref().expect("the transaction is not over")
    }

    /// The value of a key, as this transaction sees it.
    ///
    /// # Errors
    /// As [`View::get`](super::View::get).
    pub fn get(&self, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>> {
        tree::get(&self.inner.store, &self.writer().tree.root, key)
    }

    /// The number of the last commit before it.
    pub fn sequence(&self) -> u64 {
        self.writer().sequence
    }

    /// The entries, as [`View::entries`](super::View::entries) gives them.
    ///
    /// # Errors
    /// As [`View::get`](super::View::get).
    pub fn entries(&self, from: Option<&[u8]>, reverse: bool) -> Result<Cursor<'_>> {
        tree::Cursor::new(&self.inner.store, &self.writer().tree.root, from, reverse).map(Cursor)
    }

    /// As [`Heap::stats`](super::Heap::stats), which this keeps waiting.
    pub(crate) fn stats(&self) -> super::HeapStats {
        self.inner.stats(self.writer())
    }

    /// How many entries there are.
    #[allow(clippy::len_without_is_empty, reason = "a transaction is no collection")]
    pub fn len(&self) -> u64 {
        self.writer().tree.entries
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for keys and values that are too long; `ENOSPC`; as [`View::get`](super::View::get). Nothing was
    /// changed.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        check_len("key", key.len(), MOST_KEY)?;
        check_len("value", value.len(), MOST_VALUE)?;
        let before = self.apply(key, Some(value))?;
        self.only_removes = false;
        self.note(key, before, Some(value));
        Ok(())
    }

    /// Removes a key. Returns whether it was there.
    ///
    /// # Errors
    /// As [`View::get`](super::View::get). Nothing was changed.
    pub fn remove(&mut self, key: &[u8]) -> Result<bool> {
        let before = self.apply(key, None)?;
        let was_there = before.is_some();
        if was_there {
            self.note(key, before, None);
        }
        Ok(was_there)
    }

    fn apply(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<Option<Value>> {
        let (store, most) = (&self.inner.store, self.inner.options.max_len);
        let writer = self.writer.as_deref_mut().expect("the transaction is not over");
        if !deliberate::is_on("heap: changed without room") {
            writer.make_room_for(MOST_CHANGED, store, most)?;
        }
        let changed = match value {
            Some(value) => writer.tree.set(&self.inner.store, key, Value::Inline(value.to_vec())),
            None => writer.tree.remove(&self.inner.store, key),
        };
        if let (true, Err(error)) = (writer.tree.changes.is_torn, &changed) {
            self.inner.set_latch(error);
        }
        changed
    }

    fn note(&mut self, key: &[u8], before: Option<Value>, value: Option<&[u8]>) {
        self.undo.push(Undo { key: key.into(), before, ops: self.ops.len() });
        self.ops.push(if value.is_some() { SET } else { REMOVE });
        self.ops.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.ops.extend_from_slice(key);
        if let Some(value) = value {
            self.ops.extend_from_slice(&(value.len() as u32).to_le_bytes());
            self.ops.extend_from_slice(value);
        }
    }

    /// What it sets so far serves to remove something: it may use the room that is kept for that.
    pub(crate) fn removes_on_balance(&mut self) {
        self.only_removes = true;
    }

    /// A point to which this transaction can be taken back.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint(self.undo.len())
    }

    /// Takes back what was changed since a savepoint of this transaction. One that was taken back itself changes nothing.
    ///
    /// # Errors
    /// As [`View::get`](super::View::get): then the transaction can only be dropped.
    pub fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        let writer = self.writer.as_deref_mut().expect("the transaction is not over");
        while self.undo.len() > savepoint.0 {
            let Some(Undo { key, before, ops }) = self.undo.pop() else { break };
            let store = &self.inner.store;
            let replaced = match before {
                Some(value) => writer.tree.set(store, &key, value),
                None => writer.tree.remove(store, &key),
            };
            match replaced {
                Ok(replaced) => replaced.iter().for_each(|value| writer.tree.discard(store, value)),
                Err(error) => {
                    writer.tree.changes.is_torn = true;
                    self.inner.set_latch(&error);
                    return Err(error);
                }
            }
            self.ops.truncate(ops);
        }
        Ok(())
    }

    /// The number of the last commit before it that others see.
    pub(crate) fn seen(&self) -> u64 {
        self.inner.seen().min(self.sequence())
    }

    /// Makes the changes, durably unless the store's commits are durable in groups. It is one write and one barrier.
    ///
    /// # Errors
    /// `ENOSPC`, and what else writing says: nothing was changed. [`Error::Uncertain`] where making it durable failed: it is
    /// unknown whether it came about, which opening the store again tells; until then it is seen as it was before.
    pub fn commit(self) -> Result<()> {
        self.commit_ahead().map(|_| ())
    }

    /// As `commit`. Returns what is there then, where others see it only once it is durable.
    ///
    /// # Errors
    /// As `commit`.
    pub(crate) fn commit_ahead(mut self) -> Result<Option<View>> {
        if self.undo.is_empty() {
            // What it has read is acknowledged too.
            let waits = !self.is_deferred && self.inner.options.durability == Durability::Commit;
            let is_durable = !waits || deliberate::is_on("heap: reads acknowledged early");
            return if is_durable { Ok(None) } else { self.inner.flush().map(|()| None) };
        }
        self.inner.check_latch()?;
        self.write()?;
        self.undo.clear();
        let mut writer = self.writer.take().expect("the transaction is not over");
        let version = writer.version();
        let is_ahead = self.is_deferred && self.inner.options.durability == Durability::Commit;
        let ahead = is_ahead.then(|| View { inner: self.inner.clone(), version: Arc::clone(&version) });
        let shown = self.inner.publish(version);
        if shown.is_ok() && !self.is_deferred {
            // What is committed is: a checkpoint that fails says so at the next commit.
            let _ = Inner::checkpoint_if_due(&self.inner, &mut writer);
        }
        self.inner.put_back(writer);
        shown.map(|()| ahead)
    }

    /// Gives up the blocks of what the values were before. Only a store that is latched can go back from there, in memory.
    fn discard(&mut self) {
        let writer = self.writer.as_deref_mut().expect("the transaction is not over");
        for Undo { before, .. } in &self.undo {
            before.iter().for_each(|value| writer.tree.discard(&self.inner.store, value));
        }
    }

    /// Writes the changes to the log, or with all others to their places where they are too many for it.
    fn write(&mut self) -> Result<()> {
        match self.reserve() {
            Err(Error::Os { errno: errno::ENOSPC, .. }) if !deliberate::is_on("heap: removed blocks make no room") => {
                self.reserve_anew()?;
            }
            reserved => reserved?,
        }
        let inner = &self.inner;
        let writer = self.writer.as_deref_mut().expect("the transaction is not over");
        if self.ops.len() as u64 > inner.store.geometry.log_len / 4 {
            return self.write_apart();
        }
        let mut place = writer.place(&inner.store, self.ops.len());
        if place.is_none() {
            inner.waits.fetch_add(1, Ordering::Relaxed);
            inner.collect_checkpoint(writer, true)?;
            place = writer.place(&inner.store, self.ops.len());
        }
        let Some(place) = place else { return self.write_apart() };
        append(inner, writer, place, &self.ops, self.is_deferred)?;
        self.discard();
        Ok(())
    }

    /// Sees to it that the changes can be written.
    fn reserve(&mut self) -> Result<()> {
        let (inner, more) = (&self.inner, if self.only_removes { 0 } else { RESERVE });
        let writer = self.writer.as_deref_mut().expect("the transaction is not over");
        inner.collect_checkpoint(writer, false)?;
        writer.reserve(&inner.store, inner.options.max_len, more)
    }

    /// As `reserve`, where there was no room: what earlier transactions removed makes some once a checkpoint without this one's
    /// changes is durable, so they are taken back for it and made again.
    fn reserve_anew(&mut self) -> Result<()> {
        let (ops, only_removes) = (self.ops.clone(), self.only_removes);
        self.rollback_to(Savepoint(0))?;
        let inner = &self.inner;
        let writer = self.writer.as_deref_mut().expect("the transaction is not over");
        if writer.tree.changes.freed.is_empty() {
            return Err(full(&inner.store));
        }
        inner.checkpoint_now(writer)?;
        decode(&ops, |key, value| match value {
            Some(value) => self.set(key, value),
            None => self.remove(key).map(drop),
        })?;
        self.only_removes = only_removes;
        self.reserve()
    }

    /// Commits by a checkpoint. An empty frame behind it tells of it, so that nobody takes the one before for the last.
    fn write_apart(&mut self) -> Result<()> {
        let writer = self.writer.as_deref_mut().expect("the transaction is not over");
        let sequence = writer.sequence;
        self.inner.collect_checkpoint(writer, true)?;
        self.inner.flush()?;
        // The blocks of what was there before are free in this checkpoint.
        self.discard();
        if deliberate::is_on("heap: large commit not taken back") {
            self.undo.clear();
        }
        let written = self.write_all();
        // What was there before is seen again, at its own number.
        match (&written, self.writer.as_deref_mut()) {
            (Err(_), Some(writer)) => writer.sequence = sequence,
            _ => self.undo.clear(),
        }
        written
    }

    /// Writes a checkpoint of the changes, and the frame behind it.
    fn write_all(&mut self) -> Result<()> {
        let (inner, writer) = (&self.inner, self.writer.as_deref_mut().expect("the transaction is not over"));
        let latched = |error: Error| {
            inner.set_latch(&error);
            error
        };
        writer.sequence += 1;
        let checkpoint = writer.begin_checkpoint(&inner.store, inner.options.max_len).map_err(latched)?;
        let slot = checkpoint.run(&inner.store).map_err(|failed| inner.latch(failed))?;
        writer.finish_checkpoint(slot, &inner.store);
        let Some((start, end)) = writer.place(&inner.store, 0) else { return Ok(()) };
        let frame = writer.frame(&inner.store, start, &[], true);
        let offset = super::log::offset(&inner.store, start);
        inner.store.file.commit(offset, frame, &[]).map_err(|failed| inner.latch(failed))?;
        writer.position = end;
        writer.sequence += 1;
        inner.durable.store(end, Ordering::Release);
        Ok(())
    }
}

/// Writes a frame, and makes it durable where that is asked for.
fn append(inner: &Inner, writer: &mut Writer, (start, end): (u64, u64), ops: &[u8], is_deferred: bool) -> Result<()> {
    use crate::storage::medium::Failed;
    let store = &inner.store;
    let durable = inner.durable.load(Ordering::Acquire);
    let is_anchored = durable == writer.position || deliberate::is_on("heap: all frames anchored");
    let (offset, earlier) = (super::log::offset(store, start), log_ranges(store, durable, writer.position));
    let frame = writer.frame(store, start, ops, is_anchored);
    let durability = if is_deferred { Durability::Group } else { inner.options.durability };
    let written = match durability {
        Durability::Group => store.file.put(offset, frame).map_err(Failed::Write),
        Durability::Commit if deliberate::is_on("heap: log not synced") => {
            store.file.put(offset, frame).map_err(Failed::Write)
        }
        Durability::Commit => store.file.commit(offset, frame, &earlier),
    };
    match written {
        Ok(()) => {}
        Err(Failed::Write(error)) => {
            // Whatever is there of it must not be found.
            if store.file.commit(offset, &[0; 32], &[]).is_err() {
                return Err(inner.latch(Failed::Write(error)));
            }
            store.check()?;
            return Err(Error::io(&error, "commit", Some(&store.path)));
        }
        Err(failed) => return Err(inner.latch(failed)),
    }
    writer.position = end;
    writer.sequence += 1;
    if durability == Durability::Commit {
        inner.durable.store(end, Ordering::Release);
    }
    Ok(())
}

/// Sees to it that blocks which nobody needs any more can be used, where there are few others.
fn make_room(inner: &Inner, writer: &mut Writer) -> Result<()> {
    inner.collect_checkpoint(writer, false)?;
    // A longer file costs less than a checkpoint for each commit.
    if !writer.is_tight() || writer.reserve(&inner.store, inner.options.max_len, ROOMY).is_ok() {
        return Ok(());
    }
    match inner.checkpoint_now(writer) {
        Err(Error::Os { errno: errno::ENOSPC, .. }) => Ok(()),
        done => done,
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.writer.is_none() {
            return;
        }
        // A failure latches the store, and says so to whoever changes it next.
        let _ = self.rollback_to(Savepoint(0));
        let Some(writer) = self.writer.take() else { return };
        // What could not be taken back is seen by nobody.
        let is_back = !writer.tree.changes.is_torn || deliberate::is_on("heap: torn tree seen");
        if self.is_in_place && is_back {
            let version: Arc<Version> = writer.version();
            let _ = self.inner.publish(version);
        }
        self.inner.put_back(writer);
    }
}

fn check_len(name: &'static str, len: usize, most: usize) -> Result<()> {
    if len <= most { Ok(()) } else { Err(Error::out_of_range(name, format!("<= {most} bytes"), len)) }
}

/// What the changes in a frame do, in their order: a key, and its value or that it goes. None where they are none.
pub(super) fn decode(mut ops: &[u8], mut apply: impl FnMut(&[u8], Option<&[u8]>) -> Result<()>) -> Result<bool> {
    fn bytes<'a>(ops: &mut &'a [u8]) -> Option<&'a [u8]> {
        let len = u32_at(ops.get(..4)?, 0) as usize;
        let bytes = ops.get(4..4 + len)?;
        *ops = &ops[4 + len..];
        Some(bytes)
    }
    while let Some((&kind, rest)) = ops.split_first() {
        ops = rest;
        let Some(key) = bytes(&mut ops) else { return Ok(false) };
        match kind {
            SET => {
                let Some(value) = bytes(&mut ops) else { return Ok(false) };
                apply(key, Some(value))?;
            }
            REMOVE => apply(key, None)?,
            _ => return Ok(false),
        }
    }
    Ok(true)
}
