//! The segments that are open, and reading from them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::chain::{Chain, Link};
use super::format::{DATA_START, State};
use super::scan::{Walk, sound_behind};
use super::segment::{Place, Segment};
use super::{JournalPosition, JournalRead};
use crate::os::seam;
use crate::storage::frames::{self, Broken, Frame};
use crate::{Error, Result};

/// By the sequences of their first records.
pub(super) type Segments = BTreeMap<u64, Arc<Segment>>;

/// A journal's segments.
pub(super) struct Shelf {
    folder: PathBuf,
    segments: RwLock<Segments>,
    /// Files that could not be removed yet.
    doomed: Mutex<Vec<PathBuf>>,
}

/// What a reader may see.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) first: u64,
    pub(super) next: u64,
}

impl Shelf {
    pub(super) fn new(folder: &Path) -> Self {
        let (segments, doomed) = (RwLock::default(), Mutex::default());
        Self { folder: folder.to_path_buf(), segments, doomed }
    }

    /// The journal's.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn segments(&self) -> RwLockReadGuard<'_, Segments> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn segments_mut(&self) -> RwLockWriteGuard<'_, Segments> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// All, the oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Segment>> {
        self.segments().values().cloned().collect()
    }

    /// All, by the sequences of their first records.
    pub(super) fn known(&self) -> Segments {
        self.segments().clone()
    }

    pub(super) fn add(&self, segment: &Arc<Segment>) {
        self.segments_mut().insert(segment.header.first, Arc::clone(segment));
    }

    /// Takes a chain's segments in place of those there were.
    pub(super) fn take(&self, chain: &Chain) {
        *self.segments_mut() = chain.links.iter().map(|(first, link)| (*first, Arc::clone(&link.segment))).collect();
        for Link { segment, slot } in chain.links.values() {
            if matches!(slot.state, State::Sealed(_)) {
                segment.seal(slot.end, slot.latest);
            }
        }
    }

    /// Removes the segments all of whose records come before `kept`, the oldest first, but never the last one.
    pub(super) fn remove_before(&self, kept: u64) {
        let mut segments = self.segments_mut();
        let Some((&least, _)) = segments.range(..=kept).next_back() else { return };
        let rest = segments.split_off(&least);
        let gone = std::mem::replace(&mut *segments, rest);
        drop(segments);
        self.remove(gone.into_values().map(|segment| segment.path.clone()).collect());
    }

    /// Removes files. What cannot be removed now, since it is mapped somewhere on Windows, is tried again later.
    pub(super) fn remove(&self, paths: Vec<PathBuf>) {
        let mut doomed = self.doomed.lock().unwrap_or_else(PoisonError::into_inner);
        doomed.extend(paths);
        let is_first_left = doomed.iter().position(|path| seam::remove(path).is_err() && path.exists());
        let removed = is_first_left.unwrap_or(doomed.len());
        doomed.drain(..removed);
    }

    /// How many bytes the frames of all segments have, and how many segments there are.
    pub(super) fn used(&self, next: u64) -> Result<(u64, u64)> {
        let segments = self.all();
        let ends = segments.iter().skip(1).map(|next| next.header.first).chain([next]);
        let used = segments.iter().zip(ends).map(|(segment, end)| segment.used_before(end));
        Ok((used.sum::<Result<u64>>()?, segments.len() as u64))
    }

    /// The segment that has `sequence`, and the first sequence of the one behind it.
    fn holding(&self, sequence: u64) -> Option<(Arc<Segment>, u64)> {
        let segments = self.segments();
        let (_, segment) = segments.range(..=sequence).next_back()?;
        let next = segments.range(sequence + 1..).next().map_or(u64::MAX, |(first, _)| *first);
        Some((Arc::clone(segment), next))
    }

    /// Copies frames out: as many as fit into `target`, from the position on, which moves behind them.
    ///
    /// `refresh` looks at what has become of the segments, and says what the first sequence is by now; none where that is known.
    pub(super) fn read(
        &self,
        position: &mut JournalPosition,
        mut limits: Limits,
        skip_damaged: bool,
        target: &mut [u8],
        refresh: impl Fn() -> Result<Option<u64>>,
    ) -> Result<JournalRead> {
        let mut is_fresh = false;
        loop {
            if position.sequence >= limits.next {
                return Ok(JournalRead::Frames(0));
            }
            if position.sequence < limits.first {
                return Err(self.gap(position.sequence, limits.first));
            }
            let Some((segment, end)) = self.holding(position.sequence) else {
                return Err(self.gap(position.sequence, limits.first));
            };
            let read = place_of(&segment, position).and_then(|place| {
                let most = end.min(limits.next);
                read_frames(&segment, place, most, target)
            });
            match read {
                Ok(Read::Frames { len, place }) => {
                    *position = JournalPosition {
                        sequence: place.sequence,
                        segment: segment.header.first,
                        offset: place.offset,
                    };
                    return Ok(JournalRead::Frames(len));
                }
                Ok(Read::Needs(len)) => return Ok(JournalRead::Needs(len)),
                Ok(Read::Broken(..)) | Err(Error::Damaged { .. }) if !is_fresh => {
                    is_fresh = true;
                    limits.first = refresh()?.map_or(limits.first, |first| limits.first.max(first));
                }
                Ok(Read::Broken(place, broken)) if !skip_damaged => return Err(segment.broken(place, broken)),
                Err(error) if !skip_damaged || !matches!(error, Error::Damaged { .. }) => return Err(error),
                Ok(Read::Broken(..)) | Err(_) => {
                    *position = skip(&segment, position, end.min(limits.next))?;
                }
            }
        }
    }

    fn gap(&self, sequence: u64, first: u64) -> Error {
        let first = self.segments().first_key_value().map_or(first, |(least, _)| first.max(*least));
        Error::Gap { path: self.folder.clone(), sequence, first }
    }

    /// The sequence of the first record, by sequence, at `time` or later.
    pub(super) fn locate(&self, limits: Limits, time: u64) -> Result<u64> {
        let segments = self.all();
        let ends = segments.iter().skip(1).map(|next| next.header.first).chain([u64::MAX]);
        for (segment, end) in segments.iter().zip(ends) {
            if segment.latest() < time {
                continue;
            }
            let (from, end) = (limits.first.max(segment.header.first), end.min(limits.next));
            if from >= end {
                continue;
            }
            let place = Place { sequence: from, offset: segment.find(from)? };
            let mut walk = Walk::new(segment, place, segment.header.size);
            while walk.place().sequence < end {
                let place = walk.place();
                let frame = walk.advance()?.map_err(|broken| segment.broken(place, broken))?;
                if frame.time >= time {
                    return Ok(frame.sequence);
                }
            }
        }
        Ok(limits.next)
    }
}

/// What was read of one segment.
enum Read {
    Frames { len: usize, place: Place },
    Needs(usize),
    Broken(Place, Broken),
}

/// Where a position is in its segment. The hint in it is a caller's, and only believed where it can be.
fn place_of(segment: &Segment, position: &JournalPosition) -> Result<Place> {
    let JournalPosition { sequence, segment: first, offset } = *position;
    let is_hint = first == segment.header.first
        && offset.is_multiple_of(frames::ALIGNMENT)
        && (DATA_START..segment.header.size).contains(&offset);
    let offset = if is_hint { offset } else { segment.find(sequence)? };
    Ok(Place { sequence, offset })
}

fn read_frames(segment: &Segment, mut place: Place, end: u64, target: &mut [u8]) -> Result<Read> {
    let room = segment.header.size.saturating_sub(place.offset);
    let available = (target.len() as u64).min(room) as usize / 8 * 8;
    segment.load(place.offset, &mut target[..available])?;
    let mut len = 0;
    while place.sequence < end {
        match frames::decode(&target[len..available], segment.header.salt, place.offset) {
            Ok(frame) if frame.sequence == place.sequence => {
                len += frame.size() as usize;
                place = Place { sequence: place.sequence + 1, offset: place.offset + frame.size() };
            }
            _ if len > 0 => break,
            Ok(_) => return Ok(Read::Broken(place, Broken::Sequence)),
            Err(Broken::Short(size)) if size as u64 <= room => return Ok(Read::Needs(size)),
            // The target has no room for a header.
            Err(Broken::Empty | Broken::Header) if available < frames::HEADER && room >= frames::HEADER as u64 => {
                return Ok(Read::Needs(frames::HEADER));
            }
            Err(broken) => return Ok(Read::Broken(place, broken)),
        }
    }
    Ok(Read::Frames { len, place })
}

/// Where the first sound record behind a damaged one is, in the segment; its end where there is none.
fn skip(segment: &Segment, position: &JournalPosition, end: u64) -> Result<JournalPosition> {
    let damaged = match place_of(segment, position) {
        Ok(place) => place,
        Err(Error::Damaged { offset, .. }) => Place { sequence: position.sequence, offset },
        Err(error) => return Err(error),
    };
    let is_later = |frame: &Frame, _| (damaged.sequence + 1..end).contains(&frame.sequence);
    Ok(match sound_behind(segment, damaged, segment.header.size, is_later)? {
        Some(Place { sequence, offset }) => JournalPosition { sequence, segment: segment.header.first, offset },
        None => JournalPosition { sequence: end, segment: 0, offset: 0 },
    })
}
