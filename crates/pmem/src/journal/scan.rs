//! Finding where a segment's records end, and telling an unfinished write from damage.

use super::format::Slot;
use super::segment::{Place, Segment};
use crate::Result;
use crate::os::deliberate;
use crate::storage::bytes::u64_at;
use crate::storage::frames::{self, Broken, Frame};

/// How much is looked at once, in bytes.
const WINDOW: usize = 256 << 10;

/// Frames one behind the other, as long as they are sound.
pub(super) struct Walk<'a> {
    segment: &'a Segment,
    place: Place,
    /// Where the last frame ends at the latest.
    limit: u64,
    window: Vec<u8>,
    start: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(segment: &'a Segment, place: Place, limit: u64) -> Self {
        Self { segment, place, limit, window: Vec::new(), start: place.offset }
    }

    /// Where the next frame is, or would be.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The next frame, which this passes; or why there is none.
    pub(super) fn advance(&mut self) -> Result<std::result::Result<Frame, Broken>> {
        let Place { sequence, offset } = self.place;
        let mut frame = self.look(frames::HEADER)?;
        if let Err(Broken::Short(size)) = frame
            && size as u64 <= self.limit.saturating_sub(offset)
        {
            frame = self.look(size)?;
        }
        let frame = match frame {
            Ok(frame) if frame.sequence == sequence => frame,
            Ok(_) => return Ok(Err(Broken::Sequence)),
            Err(broken) => return Ok(Err(broken)),
        };
        self.place = Place { sequence: sequence + 1, offset: offset + frame.size() };
        Ok(Ok(frame))
    }

    /// The bytes from the place on that are at hand.
    fn bytes(&self) -> &[u8] {
        &self.window[(self.place.offset - self.start) as usize..]
    }

    /// The frame at the place, of which so many bytes at least are brought to hand.
    fn look(&mut self, least: usize) -> Result<std::result::Result<Frame, Broken>> {
        let Place { offset, .. } = self.place;
        if self.start + (self.window.len() as u64) < offset + least as u64 {
            let len = self.limit.saturating_sub(offset).min(least.max(WINDOW) as u64);
            self.window.resize(len as usize, 0);
            self.start = offset;
            self.segment.load(offset, &mut self.window)?;
        }
        Ok(frames::decode(self.bytes(), self.segment.header.salt, offset))
    }
}

/// Where a segment's records end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Behind the last whole batch.
    pub(super) place: Place,
    /// The last anchored frame before the end, or where looking began: all before it is durable.
    pub(super) anchor: Place,
    /// The latest time of a record before the end.
    pub(super) latest: u64,
    /// How many bytes behind the end an unfinished write left.
    pub(super) torn: u64,
    /// Until where there may be some.
    pub(super) reach: u64,
}

/// Looks for the end of the records behind what the slot vouches for. Those before `published` were seen by readers of this
/// boot.
///
/// # Errors
/// [`crate::Error::Damaged`] where what stands there is no write that was cut short.
pub(super) fn find_end(segment: &Segment, slot: &Slot, published: Option<u64>) -> Result<End> {
    let start = Place { sequence: slot.next, offset: slot.end };
    let mut walk = Walk::new(segment, start, slot.reach);
    let (mut end, mut anchor, mut latest, mut batch_latest) = (start, start, slot.latest, 0);
    let mut batch_anchor = None;
    let broken = loop {
        let place = walk.place();
        let frame = match walk.advance()? {
            Ok(frame) => frame,
            Err(broken) => break broken,
        };
        batch_latest = frame.time.max(batch_latest);
        if frame.is_anchored() {
            batch_anchor = Some(place);
        }
        if !frame.has_more() || deliberate::is_on("journal: part of a batch taken") {
            end = walk.place();
            segment.note(place);
            latest = latest.max(batch_latest);
            anchor = batch_anchor.take().unwrap_or(anchor);
        }
    };
    let place = walk.place();
    if published.is_some_and(|published| published > end.sequence) && !deliberate::is_on("journal: tail not asked") {
        return Err(segment.broken(place, broken));
    }
    let is_anchored = |frame: &Frame, offset: u64| {
        let most = place.sequence + (offset - place.offset) / frames::HEADER as u64 + 1;
        frame.is_anchored() && (place.sequence + 1..=most).contains(&frame.sequence)
    };
    let has_anchored = sound_behind(segment, place, slot.reach, is_anchored)?.is_some();
    let is_damage = has_anchored || !is_cut_short(walk.bytes(), place, broken);
    if is_damage && !deliberate::is_on("journal: damage taken for torn") {
        return Err(segment.broken(place, broken));
    }
    let torn = last_byte(segment, place.offset, slot.reach)?.max(place.offset).saturating_sub(end.offset);
    Ok(End { place: end, anchor, latest, torn, reach: slot.reach })
}

/// Whether a broken frame, which these bytes begin with, is one that was not written as a whole: where space is zero before,
/// some aligned word of it still is that was not to be.
fn is_cut_short(bytes: &[u8], place: Place, broken: Broken) -> bool {
    let len = match broken {
        Broken::Empty => return true,
        Broken::Short(_) | Broken::Unknown | Broken::Sequence => return false,
        Broken::Header => frames::HEADER,
        Broken::Payload => frames::peek(bytes).size() as usize,
    };
    // The sequence of a journal's first record is zero.
    let is_missing = |(index, word): (usize, &[u8])| word == [0; 8] && (index > 1 || place.sequence > 0);
    bytes.get(..len).is_some_and(|frame| frame.chunks_exact(8).enumerate().any(is_missing))
}

/// The first sound frame behind a place that is wanted, by what it says and where it is. Its header ends before the limit.
pub(super) fn sound_behind(
    segment: &Segment,
    place: Place,
    limit: u64,
    is_wanted: impl Fn(&Frame, u64) -> bool,
) -> Result<Option<Place>> {
    let (mut window, mut scratch) = (vec![0; WINDOW], Vec::new());
    let mut start = place.offset + frames::ALIGNMENT;
    while start + frames::HEADER as u64 <= limit {
        let len = (limit - start).min(WINDOW as u64) as usize;
        segment.load(start, &mut window[..len])?;
        for at in (0..=len - frames::HEADER).step_by(frames::ALIGNMENT as usize) {
            if u64_at(&window, at) == 0 {
                continue;
            }
            let (frame, offset) = (frames::peek(&window[at..]), start + at as u64);
            let place = Place { sequence: frame.sequence, offset };
            if is_wanted(&frame, offset) && segment.frame(place, &mut scratch)?.is_ok() {
                return Ok(Some(place));
            }
        }
        // Headers that cross the window's end are looked at with the next one.
        start += (len - frames::HEADER) as u64 + frames::ALIGNMENT;
    }
    Ok(None)
}

/// Where the last word ends that is not zero; 0 where there is none.
fn last_byte(segment: &Segment, from: u64, limit: u64) -> Result<u64> {
    let (mut window, mut last_byte) = (vec![0; WINDOW], 0);
    for start in (from..limit).step_by(WINDOW) {
        let bytes = &mut window[..(limit - start).min(WINDOW as u64) as usize];
        segment.load(start, bytes)?;
        if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
            last_byte = start + last as u64 + 1;
        }
    }
    Ok(last_byte.next_multiple_of(frames::ALIGNMENT))
}
