//! Writing a journal: appends in the order of their sequences, commits that share a flush, and new segments.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::JournalOptions;
use super::active::Active;
use super::cursors::Cursors;
use super::format::{DATA_START, END_OF_SEQUENCES, Header, LEAST_SEGMENT, State, Uuid};
use super::lock::WriterLock;
use super::making::{Preparation, Prepared, give_name};
use super::opening::Start;
use super::segment::Place;
use super::shelf::Shelf;
use super::tail::Tail;
use super::waits::{Source, Waits};
use crate::os::{deliberate, errno};
use crate::storage::committer::{self, Batch, Committer};
use crate::storage::frames;
use crate::storage::medium::Failed;
use crate::{Error, Result};

/// What failures call the function.
pub(super) const APPEND: &str = "append";

/// The size of a new journal's first segment, in bytes. Each has twice as much as the one before, up to what was asked for.
const FIRST_SEGMENT: u64 = 1 << 20;

/// A journal that this process writes.
pub(super) struct Writer {
    pub(super) folder: PathBuf,
    pub(super) shelf: Shelf,
    pub(super) cursors: Cursors,
    pub(super) waits: Arc<Waits>,
    pub(super) options: JournalOptions,
    pub(super) torn: u64,
    pub(super) uuid: Uuid,
    /// Sequences, in the order in which callers got them. Taken before the active segment.
    order: Mutex<Order>,
    active: Mutex<Active>,
    committer: Committer<Job>,
    /// The first sequence that is kept, and the one behind the last durable record.
    first: AtomicU64,
    next: Arc<AtomicU64>,
    tail: Option<Tail>,
    /// The number of the failure after which nothing is acknowledged any more.
    latch: OnceLock<i32>,
    lock: WriterLock,
    /// The open folder, whose number nothing else gets as long as it is open.
    _opened: File,
}

struct Order {
    /// The sequence that the next append gets.
    assigned: u64,
    /// How often appends that had sequences failed: those behind them fail too.
    failures: u64,
    /// The last of these failures.
    failure: Option<Error>,
}

/// What was put off.
pub(super) enum Job {
    Append { records: Vec<Vec<u8>>, sequence: u64, failures: u64, durable: bool },
    Flush,
}

pub(super) type Ticket = Arc<committer::Ticket<Job>>;

impl Writer {
    /// Writes the journal in a folder, whose lock and whose number this process has, from its start on. Readers see from now on
    /// what is in it.
    pub(super) fn new(
        folder: &Path,
        opened: File,
        options: &JournalOptions,
        lock: WriterLock,
        shelf: Shelf,
        start: Start,
    ) -> Result<Self> {
        let Start { active, uuid, first, torn } = start;
        let assigned = active.durable.sequence;
        let tail = Tail::publish_to(folder, uuid, assigned, options.mode)?;
        let next = Arc::new(AtomicU64::new(assigned));
        let shown = Arc::clone(&next);
        let look = move |_, _| shown.load(Ordering::SeqCst);
        Ok(Self {
            folder: folder.to_path_buf(),
            shelf,
            cursors: Cursors::new(folder, uuid, options.mode),
            waits: Arc::new(Waits::new(Arc::new(look), Source::Writer)),
            options: options.clone(),
            torn,
            uuid,
            order: Mutex::new(Order { assigned, failures: 0, failure: None }),
            active: Mutex::new(active),
            committer: Committer::new(),
            first: AtomicU64::new(first),
            next,
            tail,
            latch: OnceLock::new(),
            lock,
            _opened: opened,
        })
    }

    pub(super) fn first(&self) -> u64 {
        self.first.load(Ordering::Acquire)
    }

    pub(super) fn next(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    pub(super) fn pending(&self) -> u64 {
        self.committer.pending()
    }

    pub(super) fn limit_pending(&self, most: u64) {
        self.committer.limit(most);
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn active(&self) -> MutexGuard<'_, Active> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a batch after all that was put off.
    pub(super) fn append(&self, records: &[&[u8]], expected: Option<u64>, durable: bool) -> Result<u64> {
        let size = check(records)?;
        if let Some(first) = self.append_at_once(records, size, expected, durable)? {
            if durable {
                self.flush_until(first + records.len() as u64)?;
            }
            return Ok(first);
        }
        loop {
            let turn = || self.append_in_turn(records, size, expected, durable).transpose();
            if let Some(appended) = self.committer.in_turn(|batch| self.commit(batch), turn) {
                return appended;
            }
        }
    }

    /// Appends where nothing is to be waited for.
    fn append_at_once(
        &self,
        records: &[&[u8]],
        size: u64,
        expected: Option<u64>,
        durable: bool,
    ) -> Result<Option<u64>> {
        let mut order = self.order();
        let mut active = self.active();
        if order.assigned != active.end.sequence || !self.has_room(&active, size) {
            return Ok(None);
        }
        self.check_latch()?;
        self.check_expected(&order, expected, records.len())?;
        let first = active.encode(records, now());
        let is_settled = durable && active.medium.is_concurrent();
        let written = if is_settled { active.write_durably() } else { active.write() };
        written.map_err(|failed| self.failed(&active, failed))?;
        order.assigned = active.end.sequence;
        if is_settled {
            self.publish(active.durable.sequence);
        }
        self.prepare(&mut active);
        Ok(Some(first))
    }

    /// Appends in the committer's turn. None where something was put off meanwhile, which comes first.
    fn append_in_turn(
        &self,
        records: &[&[u8]],
        size: u64,
        expected: Option<u64>,
        durable: bool,
    ) -> Result<Option<u64>> {
        let mut order = self.order();
        let mut active = self.active();
        if order.assigned != active.end.sequence {
            return Ok(None);
        }
        self.check_latch()?;
        self.check_expected(&order, expected, records.len())?;
        self.make_room(&mut active, size)?;
        let first = active.encode(records, now());
        let written = active.write();
        written.map_err(|failed| self.failed(&active, failed))?;
        order.assigned = active.end.sequence;
        drop(order);
        self.prepare(&mut active);
        drop(active);
        if durable {
            self.flush_in_turn()?;
        }
        Ok(Some(first))
    }

    /// Puts a batch off.
    pub(super) fn enqueue(&self, records: Vec<Vec<u8>>, expected: Option<u64>, durable: bool) -> Result<(u64, Ticket)> {
        let size = check(&records)?;
        let mut order = self.order();
        self.check_latch()?;
        self.check_expected(&order, expected, records.len())?;
        let (sequence, count) = (order.assigned, records.len() as u64);
        let job = Job::Append { records, sequence, failures: order.failures, durable };
        let ticket = self.add(job, size)?;
        order.assigned += count;
        Ok((sequence, ticket))
    }

    pub(super) fn enqueue_flush(&self) -> Result<Ticket> {
        self.check_latch()?;
        self.add(Job::Flush, 0)
    }

    fn add(&self, job: Job, bytes: u64) -> Result<Ticket> {
        self.committer.add(job, bytes).map_err(|full| Error::Busy {
            path: self.folder.clone(),
            pending: full.pending,
            most: full.most,
        })
    }

    pub(super) fn commit_until(&self, ticket: &Ticket) {
        self.committer.commit_until(ticket, |batch| self.commit(batch));
    }

    pub(super) fn settle(&self) {
        self.committer.settle(|_| true, |batch| self.commit(batch));
    }

    /// Makes all durable that was appended before.
    pub(super) fn flush(&self) -> Result<()> {
        self.committer.in_turn(|batch| self.commit(batch), || self.flush_in_turn())
    }

    /// Makes the records before `next` durable, if nobody has.
    fn flush_until(&self, next: u64) -> Result<()> {
        if self.next() >= next {
            return Ok(());
        }
        let work = || if self.next() >= next { Ok(()) } else { self.flush_in_turn() };
        self.committer.in_turn(|batch| self.commit(batch), work)
    }

    /// Makes all durable that was written, and shows it. Others may write meanwhile.
    fn flush_in_turn(&self) -> Result<()> {
        self.check_latch()?;
        let active = self.active();
        let (medium, from, to) = (Arc::clone(&active.medium), active.durable, active.end);
        drop(active);
        if from == to {
            return Ok(());
        }
        if deliberate::is_on("journal: shown before the flush") {
            self.publish(to.sequence);
        }
        let flushed = medium.commit(&[], &[(from.offset, to.offset - from.offset)]);
        self.flushed(&mut self.active(), to, flushed)
    }

    /// [`Writer::flush_in_turn`] for whoever has the active segment too.
    fn flush_active(&self, active: &mut Active) -> Result<()> {
        if active.durable == active.end {
            return Ok(());
        }
        let (from, to) = (active.durable, active.end);
        let flushed = active.medium.commit(&[], &[(from.offset, to.offset - from.offset)]);
        self.flushed(active, to, flushed)
    }

    /// Shows what a flush has made durable, if it has. Who appended meanwhile may have made more durable, where that takes no turn.
    fn flushed(&self, active: &mut Active, to: Place, flushed: std::result::Result<(), Failed>) -> Result<()> {
        flushed.map_err(|failed| self.failed(active, failed))?;
        if to.sequence > active.durable.sequence {
            active.durable = to;
            self.publish(to.sequence);
        }
        Ok(())
    }

    /// Shows readers, here and elsewhere, what is durable.
    fn publish(&self, next: u64) {
        let is_early = deliberate::is_on("journal: woken before there is more");
        if is_early {
            self.waits.wake(next);
        }
        self.next.store(next, Ordering::SeqCst);
        if let Some(tail) = &self.tail {
            tail.publish(next);
        }
        if !is_early {
            self.waits.wake(next);
        }
    }

    /// Does what was put off, with one flush where it fits into the segment. What fails takes with it what is behind it.
    fn commit(&self, batch: &Batch<Job>) {
        let failures = self.order().failures;
        let mut active = self.active();
        let mut failed = self.check_latch().err();
        for ticket in batch {
            match &ticket.job {
                Job::Append { records, failures: then, .. } if *then == failures && failed.is_none() => {
                    failed = self.put(&mut active, records).err();
                }
                _ => {}
            }
        }
        let written = active.write().map_err(|failure| self.failed(&active, failure));
        failed = failed.or(written.err());
        active.discard();
        let written = active.end.sequence;
        self.prepare(&mut active);
        drop(active);
        if let Some(error) = &failed {
            self.take_back(error);
        }
        let wants_flush = batch.iter().any(|ticket| !matches!(ticket.job, Job::Append { durable: false, .. }));
        let flushed = if wants_flush { self.flush_in_turn() } else { Ok(()) };
        for ticket in batch {
            ticket.finish(match &ticket.job {
                Job::Append { failures: then, .. } if *then != failures => Err(self.order().failure()),
                Job::Append { records, sequence, durable, .. } => match sequence + records.len() as u64 {
                    end if end > written => failed.clone().map_or(Ok(()), Err),
                    end if *durable
                        && end > self.next()
                        && !deliberate::is_on("journal: shared flush's failure ignored") =>
                    {
                        flushed.clone()
                    }
                    _ => Ok(()),
                },
                Job::Flush => flushed.clone(),
            });
        }
    }

    /// Puts one batch of records into the buffer, which is written first where something has to come before.
    fn put(&self, active: &mut Active, records: &[Vec<u8>]) -> Result<()> {
        let size = check(records)?;
        if !self.has_room(active, size) {
            active.write().map_err(|failed| self.failed(active, failed))?;
            self.make_room(active, size)?;
        }
        active.encode(records, now());
        Ok(())
    }

    /// Takes the sequences back that were given to what was not written. Whoever has one fails with this.
    fn take_back(&self, error: &Error) {
        let mut order = self.order();
        order.assigned = self.active().end.sequence;
        if !deliberate::is_on("journal: failures not passed on") {
            order.failures += 1;
        }
        order.failure = Some(error.clone());
    }

    /// Whether so many bytes of frames can be put behind those in the buffer without anything before.
    fn has_room(&self, active: &Active, size: u64) -> bool {
        active.fits(size) && active.is_ready_for(size) && !self.is_due(active)
    }

    /// Makes ready for so many bytes of frames, in the committer's turn: in a new segment where this one has no room.
    fn make_room(&self, active: &mut Active, size: u64) -> Result<()> {
        if self.has_room(active, size) {
            return Ok(());
        }
        self.check_lock()?;
        if !active.fits(size) || self.is_due(active) {
            self.roll(active, size)?;
        }
        active.make_ready(size).map_err(|failed| self.failed(active, failed))
    }

    /// Goes on in a new segment. Where that fails nothing has changed, or, once the new one may have its name, nothing is
    /// acknowledged any more.
    fn roll(&self, active: &mut Active, size: u64) -> Result<()> {
        if !deliberate::is_on("journal: roll without a flush") {
            self.flush_active(active)?;
        }
        if !deliberate::is_on("journal: failed write left in a full segment") {
            active.clear_spoiled().map_err(|failed| self.failed(active, failed))?;
        }
        let size = self.next_size(active).max((DATA_START + size).next_multiple_of(DATA_START));
        let kept = self.make_space(active, size)?;
        let prepared = active.preparation.take().and_then(|preparation| preparation.finish(size));
        let prepared = prepared.map_or_else(|| Prepared::now(&self.folder, size, self.options.mode), Ok)?;
        let header = Header {
            uuid: self.uuid,
            epoch: active.epoch(),
            first: active.end.sequence,
            kept,
            size: prepared.size(),
            created: now(),
            salt: random()?,
        };
        let slot = Active::first_slot(&header);
        if deliberate::is_on("journal: old segment sealed first") {
            active.finish(State::Sealed(header.salt)).map_err(|failed| self.failed(active, failed))?;
        }
        let (segment, medium) = prepared.finish(&self.folder, &header, &slot)?;
        let segment = Arc::new(segment);
        give_name(&self.folder, &segment).map_err(|failed| self.failed(active, failed))?;
        if !deliberate::is_on("journal: old segment not sealed") {
            let sealed = active.finish(State::Sealed(header.salt));
            sealed.map_err(|failed| self.failed(active, Failed::Sync(failed.into_error())))?;
        }
        active.segment.seal(active.end.offset, active.latest());
        self.shelf.add(&segment);
        self.first.store(kept, Ordering::Release);
        *active = Active::new(segment, medium, slot);
        self.shelf.remove_before(kept);
        Ok(())
    }

    /// The size of the segment behind this one.
    fn next_size(&self, active: &Active) -> u64 {
        (active.segment.header.size * 2).min(segment_limit(&self.options))
    }

    /// Whether a new segment has to be begun since this one is old.
    fn is_due(&self, active: &Active) -> bool {
        let Some(age) = self.options.max_age else { return false };
        !active.is_empty() && now().saturating_sub(active.segment.header.created) > age / 4
    }

    /// Has the next segment made, where it is going to be needed.
    fn prepare(&self, active: &mut Active) {
        if active.preparation.is_none() && active.is_half_full() {
            active.preparation = Preparation::start(&self.folder, self.next_size(active), self.options.mode);
        }
    }

    /// Forgets the records before `sequence`.
    pub(super) fn truncate_before(&self, sequence: u64) -> Result<()> {
        let work = || {
            self.check_latch()?;
            let mut active = self.active();
            if !deliberate::is_on("journal: truncation without a flush") {
                self.flush_active(&mut active)?;
            }
            let next = active.durable.sequence;
            if sequence > next {
                return Err(Error::out_of_range(
                    "sequence",
                    format!(">= 0 and <= {next}, the journal's next one"),
                    sequence,
                ));
            }
            if sequence <= self.first() {
                return Ok(());
            }
            self.check_lock()?;
            if deliberate::is_on("journal: segments removed before it is written") {
                self.shelf.remove_before(sequence);
            }
            if !deliberate::is_on("journal: truncation not written") {
                active.keep(sequence).map_err(|failed| self.failed(&active, failed))?;
            }
            self.first.store(sequence, Ordering::Release);
            self.shelf.remove_before(sequence);
            Ok(())
        };
        self.committer.in_turn(|batch| self.commit(batch), work)
    }

    fn check_latch(&self) -> Result<()> {
        match self.latch.get() {
            None => Ok(()),
            Some(&errno) => Err(self.uncertain(errno)),
        }
    }

    /// That no other process can have taken the journal over. Slots are not written after that: they would go over the other
    /// one's.
    fn check_lock(&self) -> Result<()> {
        if self.lock.still_holds() || deliberate::is_on("journal: lost lock not noticed") {
            return Ok(());
        }
        let lost = Error::os(errno::EAGAIN, APPEND, Some(&self.folder));
        Err(lost.with_hint("its file 'lock' was removed, so another process may write too: close the journal"))
    }

    #[cold]
    fn uncertain(&self, errno: i32) -> Error {
        Error::Uncertain { errno, syscall: "fdatasync", path: self.folder.clone() }
    }

    fn check_expected(&self, order: &Order, expected: Option<u64>, count: usize) -> Result<()> {
        let next = order.assigned;
        if let Some(expected) = expected.filter(|expected| *expected != next) {
            return Err(Error::Conflict { path: self.folder.clone(), next, expected });
        }
        if next + count as u64 > END_OF_SEQUENCES {
            let most = format!("<= {END_OF_SEQUENCES} for all records: the journal is at its end");
            return Err(Error::out_of_range("sequence", most, next + count as u64));
        }
        Ok(())
    }

    /// What a failure means. One to make something durable is the last of this journal, until it is opened again.
    fn failed(&self, active: &Active, failed: Failed) -> Error {
        let (is_sync, is_fault) = (matches!(failed, Failed::Sync(_)), active.medium.fault_flag().is_raised());
        let error = failed.into_error();
        if is_sync && !deliberate::is_on("journal: failed flush forgotten") {
            let _ = self.latch.set(errno::of(&error));
        }
        match (is_fault, is_sync) {
            (true, _) => Error::Fault { path: Some(active.segment.path.clone()) },
            (false, true) => self.uncertain(errno::of(&error)),
            (false, false) => Error::io(&error, APPEND, Some(&active.segment.path)),
        }
    }

    /// Says durably that the journal was closed behind its last record.
    fn close(&self) -> Result<()> {
        self.check_latch()?;
        self.check_lock()?;
        let mut active = self.active();
        if !deliberate::is_on("journal: closed without a flush") {
            self.flush_active(&mut active)?;
        }
        active.clear_spoiled().map_err(|failed| self.failed(&active, failed))?;
        active.finish(State::Closed).map_err(|failed| self.failed(&active, failed))
    }
}

impl Order {
    fn failure(&self) -> Error {
        self.failure.clone().unwrap_or_else(|| Error::os(errno::EIO, APPEND, None))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.settle();
        if let Some(preparation) = self.active().preparation.take() {
            preparation.cancel(&self.folder);
        }
        // Whoever opens it next finds out what is there.
        let _ = self.close();
    }
}

/// The size of large segments, in bytes: four of them have to fit into what all may have.
pub(super) fn segment_limit(options: &JournalOptions) -> u64 {
    let most = options.max_bytes.map_or(u64::MAX, |most| most / 4 / DATA_START * DATA_START);
    options.segment_size.min(most).max(LEAST_SEGMENT).next_multiple_of(DATA_START)
}

/// The size of a new journal's first segment, in bytes.
pub(super) fn first_size(options: &JournalOptions) -> u64 {
    FIRST_SEGMENT.min(segment_limit(options))
}

/// How many bytes the frames of a batch take.
fn check(records: &[impl AsRef<[u8]>]) -> Result<u64> {
    let mut size = 0;
    for record in records {
        let len = record.as_ref().len();
        if len > frames::MOST_PAYLOAD {
            return Err(Error::out_of_range("data", format!("<= {} bytes", frames::MOST_PAYLOAD), len));
        }
        size += frames::size(len);
    }
    Ok(size)
}

/// Microseconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_micros() as u64)
}

/// A number that is not 0.
pub(super) fn random() -> Result<u64> {
    let number = getrandom::u64().map_err(|error| Error::io(&error.into(), "getrandom", None))?;
    Ok(number.max(1))
}
