//! The segment that is being written.

use std::sync::Arc;

use super::format::{DATA_START, Header, SLOT_LEN, Slot, State};
use super::making::Preparation;
use super::scan::End;
use super::segment::{Place, STRIDE as NOTED, Segment};
use crate::os::deliberate;
use crate::storage::frames::{self, Frame};
use crate::storage::medium::{Failed, Medium, Range};

/// How much further frames may reach than what is known to be durable: what recovery has to look at, and to zero.
const STRIDE: u64 = if cfg!(test) { 12 << 10 } else { 1 << 20 };

/// What is kept of the buffer between appends, in bytes.
const BUFFER: usize = 1 << 20;

/// The last segment, while it is open for writing. Who has it may write frames behind its end; whoever makes them durable has
/// the committer's turn too.
pub(super) struct Active {
    pub(super) segment: Arc<Segment>,
    pub(super) medium: Arc<dyn Medium>,
    slot: Slot,
    /// Behind the last frame that was written.
    pub(super) end: Place,
    /// Behind the last one that is durable.
    pub(super) durable: Place,
    latest: u64,
    /// Frames that are about to be written at the end, and the sequence behind them.
    buffer: Vec<u8>,
    buffered: u64,
    /// Where the last record is that readers find others from.
    noted: u64,
    /// What a failed write may have left behind the end, until where.
    spoiled: Option<u64>,
    pub(super) preparation: Option<Preparation>,
}

impl Active {
    /// A segment whose frames end as its slot says.
    pub(super) fn new(segment: Arc<Segment>, medium: Arc<dyn Medium>, slot: Slot) -> Self {
        let end = Place { sequence: slot.next, offset: slot.end };
        Self {
            segment,
            medium,
            slot,
            end,
            durable: end,
            latest: slot.latest,
            buffer: Vec::new(),
            buffered: slot.next,
            noted: 0,
            spoiled: None,
            preparation: None,
        }
    }

    fn header(&self) -> &Header {
        &self.segment.header
    }

    /// Where the frames in the buffer will end.
    fn buffer_end(&self) -> u64 {
        self.end.offset + self.buffer.len() as u64
    }

    /// Whether so many bytes of frames fit behind those in the buffer.
    pub(super) fn fits(&self, size: u64) -> bool {
        self.buffer_end() + size <= self.header().size
    }

    /// Whether they can be written without anything before.
    pub(super) fn is_ready_for(&self, size: u64) -> bool {
        self.spoiled.is_none() && self.buffer_end() + size <= self.slot.reach
    }

    /// Whether there are no records in it, nor about to be.
    pub(super) fn is_empty(&self) -> bool {
        self.buffered == self.header().first
    }

    /// Whether more than half of it is used.
    pub(super) fn is_half_full(&self) -> bool {
        self.end.offset > self.header().size / 2
    }

    /// Puts a batch into the buffer. Returns the sequence of its first record.
    pub(super) fn encode(&mut self, records: &[impl AsRef<[u8]>], time: u64) -> u64 {
        let first = self.buffered;
        self.buffer.reserve(records.iter().map(|record| frames::size(record.as_ref().len()) as usize).sum());
        for (index, record) in records.iter().enumerate() {
            let payload = record.as_ref();
            let is_anchored = self.buffer.is_empty()
                && (self.durable == self.end || deliberate::is_on("journal: all frames anchored"));
            let more = index + 1 < records.len() && !deliberate::is_on("journal: batches not joined");
            let flags = if is_anchored { frames::ANCHORED } else { 0 } | if more { frames::MORE } else { 0 };
            let frame = Frame { len: frames::HEADER + payload.len(), sequence: self.buffered, time, flags };
            let offset = self.buffer_end();
            frames::encode(&mut self.buffer, self.segment.header.salt, offset, &frame, payload);
            self.buffered += 1;
        }
        self.latest = self.latest.max(time);
        first
    }

    /// Forgets what is in the buffer.
    pub(super) fn discard(&mut self) {
        self.buffer.clear();
        self.buffered = self.end.sequence;
    }

    /// Writes what is in the buffer, not durably. Where that fails, the journal is as it was.
    pub(super) fn write(&mut self) -> Result<(), Failed> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        debug_assert!(self.spoiled.is_none());
        if let Err(error) = self.medium.put(self.end.offset, &self.buffer) {
            return Err(Failed::Write(self.spoil(error)));
        }
        self.pass_buffer();
        Ok(())
    }

    /// Writes what is in the buffer, durably, with all that was written before: for media that make what one writer wrote
    /// durable while others write.
    pub(super) fn write_durably(&mut self) -> Result<(), Failed> {
        let earlier = (self.durable.offset, self.end.offset - self.durable.offset);
        match self.medium.commit(&[(self.end.offset, &self.buffer)], &[earlier]) {
            Err(Failed::Write(error)) => return Err(Failed::Write(self.spoil(error))),
            committed => committed?,
        }
        self.pass_buffer();
        self.durable = self.end;
        Ok(())
    }

    fn spoil(&mut self, error: std::io::Error) -> std::io::Error {
        self.spoiled = Some(self.buffer_end());
        self.discard();
        error
    }

    fn pass_buffer(&mut self) {
        if self.end.offset >= self.noted + NOTED {
            self.segment.note(self.end);
            self.noted = self.end.offset;
        }
        self.end = Place { sequence: self.buffered, offset: self.buffer_end() };
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER);
    }

    /// Makes ready for so many bytes of frames behind those in the buffer, which fit: zeros in place of what a failed write
    /// left, and a slot that says how far frames may reach.
    pub(super) fn make_ready(&mut self, size: u64) -> Result<(), Failed> {
        self.clear_spoiled()?;
        let needed = self.buffer_end() + size;
        if needed <= self.slot.reach || deliberate::is_on("journal: reach not written") {
            return Ok(());
        }
        self.write_slot(Slot { reach: reach_behind(needed, self.header()), ..self.slot })
    }

    /// Zeros in place of what a failed write left. Nothing may end the segment before.
    pub(super) fn clear_spoiled(&mut self) -> Result<(), Failed> {
        let Some(spoiled) = self.spoiled else { return Ok(()) };
        let (from, len) = (self.end.offset, spoiled - self.end.offset);
        if !deliberate::is_on("journal: failed write left there") {
            self.medium.write_zeros(from, len).map_err(Failed::Write)?;
        }
        self.medium.commit(&[], &[(from, len)])?;
        self.spoiled = None;
        Ok(())
    }

    /// Writes how the segment ends: behind what is durable by now.
    fn write_slot(&mut self, slot: Slot) -> Result<(), Failed> {
        let slot = Slot {
            count: self.slot.count + 1,
            end: self.durable.offset,
            next: self.durable.sequence,
            latest: self.latest,
            ..slot
        };
        self.medium.commit(&[(slot.place(), &slot.encode(self.segment.header.salt))], &[])?;
        self.slot = slot;
        Ok(())
    }

    /// Writes how the segment ends for good. All is durable.
    pub(super) fn finish(&mut self, state: State) -> Result<(), Failed> {
        debug_assert!(self.durable == self.end && self.buffer.is_empty());
        self.write_slot(Slot { state, ..self.slot })
    }

    /// Makes a range durable, and the slot that was found, which is written again for that: whoever wrote it may have been killed before
    /// it was durable, or have failed to make it so. The next one goes over the one before it, so that there might be none. It
    /// keeps its bytes, also where it is taken to say more: while the other one is torn, a crash may not tear it.
    fn commit_found(&self, range: Range) -> Result<(), Failed> {
        if !deliberate::is_on("journal: found slot trusted") {
            let mut slot = [0; SLOT_LEN];
            self.medium.load(self.slot.place(), &mut slot);
            if deliberate::is_on("journal: found slot changed") {
                slot = self.slot.encode(self.segment.header.salt);
            }
            self.medium.write(self.slot.place(), &slot).map_err(Failed::Write)?;
        }
        if deliberate::is_on("journal: recovery not synced") {
            return Ok(());
        }
        self.medium.commit(&[], &[(self.slot.place(), SLOT_LEN as u64), range])
    }

    /// Goes to the end that was found, all before which is durable.
    fn go_to(&mut self, end: &End) {
        (self.end, self.durable, self.buffered) = (end.place, end.place, end.place.sequence);
        self.latest = end.latest;
    }

    /// Writes that frames may follow a segment that was closed.
    pub(super) fn reopen(&mut self) -> Result<(), Failed> {
        self.commit_found((self.end.offset, 0))?;
        let reach = reach_behind(self.end.offset, self.header());
        self.write_slot(Slot { state: State::Open, reach, ..self.slot })
    }

    /// Writes the first sequence that the journal keeps.
    pub(super) fn keep(&mut self, kept: u64) -> Result<(), Failed> {
        self.write_slot(Slot { kept, ..self.slot })
    }

    /// The slot of a segment that is new.
    pub(super) fn first_slot(header: &Header) -> Slot {
        let Header { first, kept, epoch, .. } = *header;
        let reach = reach_behind(DATA_START, header);
        Slot { count: 1, end: DATA_START, next: first, reach, kept, epoch, latest: 0, state: State::Open }
    }

    /// The latest time of a record in it.
    pub(super) fn latest(&self) -> u64 {
        self.latest
    }

    /// How often the journal was recovered.
    pub(super) fn epoch(&self) -> u64 {
        self.slot.epoch
    }

    /// Goes to an end that was found. All before it is durable once this returns.
    pub(super) fn pass(&mut self, end: &End) -> Result<(), Failed> {
        self.commit_found((end.anchor.offset, end.place.offset - end.anchor.offset))?;
        self.go_to(end);
        Ok(())
    }

    /// Makes a journal of what was left of one. The page cache may hold frames that the disk does not have, and the disk some
    /// that the cache does not: so what is kept is written again, and all that may stand behind it is zeroed.
    pub(super) fn recover(&mut self, end: &End, epoch: u64) -> Result<(), Failed> {
        let mut piece = vec![0; 256 << 10];
        let mut at = end.anchor.offset;
        while at < end.place.offset && !deliberate::is_on("journal: tail not rewritten") {
            let len = (end.place.offset - at).min(piece.len() as u64) as usize;
            self.medium.load(at, &mut piece[..len]);
            self.medium.write(at, &piece[..len]).map_err(Failed::Write)?;
            at += len as u64;
        }
        if !deliberate::is_on("journal: torn write left there") {
            self.medium.write_zeros(end.place.offset, end.reach - end.place.offset).map_err(Failed::Write)?;
        }
        self.commit_found((end.anchor.offset, end.reach - end.anchor.offset))?;
        self.go_to(end);
        let reach = reach_behind(end.place.offset, self.header());
        self.write_slot(Slot { epoch, reach, state: State::Open, ..self.slot })
    }
}

/// How far frames may reach once they reach so far.
fn reach_behind(offset: u64, header: &Header) -> u64 {
    (offset + STRIDE).min(header.size)
}
