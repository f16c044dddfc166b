//! One segment of a journal: what it says of itself, and its frames.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::OPEN;
use super::format::{DATA_START, Header, Refused, Slot, first_of, may_write};
use crate::os::fault::FaultFlag;
use crate::os::file::{self, descriptor};
use crate::os::mapping::{Access, Mapping};
use crate::os::{deliberate, seam};
use crate::storage::frames::{self, Broken, Frame};
use crate::storage::medium::Medium;
use crate::{Error, Result};

/// A place is noted about every so many bytes, from which others are found.
pub(super) const STRIDE: u64 = 8 << 10;

/// A segment, and where in it records are.
pub(super) struct Segment {
    pub(super) header: Header,
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    bytes: Bytes,
    /// The latest time of a record in it; the greatest number as long as it is written.
    latest: AtomicU64,
    /// Where its frames end; 0 as long as it is written.
    end: AtomicU64,
    /// Some records' places, in ascending order: at least the first one's.
    places: Mutex<Vec<Place>>,
}

/// A record's sequence, and where its frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sequence: u64,
    pub(super) offset: u64,
}

/// Opens a segment's file itself: what a link leads to is no part of the journal, and must not be written with it.
pub(super) fn open_file(path: &Path, readonly: bool) -> Result<File> {
    file::open_itself(path, readonly).map_err(|error| Error::io(&error, OPEN, Some(path)))
}

/// The way to a segment's bytes.
enum Bytes {
    /// Those of the writer, and whether some were lost.
    Medium(Arc<dyn Medium>, Arc<FaultFlag>),
    Mapped(Mapping),
    /// Of a file on a network, which another machine may make shorter.
    Read,
}

impl Segment {
    /// The segment at `path`, for reading. The slot is how it ends by now.
    pub(super) fn open(path: &Path, is_remote: bool) -> Result<(Self, Slot)> {
        let failed = |error: io::Error| Error::io(&error, OPEN, Some(path));
        let file = open_file(path, true)?;
        let size = file::regular_size(descriptor(&file), Some(path), OPEN)?;
        let (header, slot) = read_start(&file, size, path)?;
        let len = usize::try_from(header.size).ok().and_then(NonZeroUsize::new);
        let len = len.ok_or_else(|| failed(io::ErrorKind::FileTooLarge.into()))?;
        let bytes = match is_remote {
            true => Bytes::Read,
            false => Bytes::Mapped(Mapping::new(descriptor(&file), 0, len, Access::Read).map_err(failed)?),
        };
        Ok((Self::with(header, path, Arc::new(file), bytes), slot))
    }

    /// A segment that is being written through `medium`.
    pub(super) fn written(header: Header, path: &Path, file: Arc<File>, medium: Arc<dyn Medium>) -> Self {
        let fault = medium.fault_flag();
        Self::with(header, path, file, Bytes::Medium(medium, fault))
    }

    fn with(header: Header, path: &Path, file: Arc<File>, bytes: Bytes) -> Self {
        let places = Mutex::new(vec![Place { sequence: header.first, offset: DATA_START }]);
        Self {
            header,
            path: path.to_path_buf(),
            file,
            bytes,
            places,
            latest: AtomicU64::new(u64::MAX),
            end: AtomicU64::new(0),
        }
    }

    /// The latest time of a record in it; the greatest number where that is not known.
    pub(super) fn latest(&self) -> u64 {
        self.latest.load(Ordering::Relaxed)
    }

    /// Notes how it ends, once there are no more records.
    pub(super) fn seal(&self, end: u64, latest: u64) {
        self.latest.store(latest, Ordering::Relaxed);
        self.end.store(end, Ordering::Relaxed);
    }

    /// Whether it is still what the file of its name holds. An empty one is replaced by one of its name, where a batch needs more
    /// room than it has; others are not.
    pub(super) fn is_still(&self, path: &Path) -> bool {
        self.end.load(Ordering::Relaxed) > DATA_START || file::leads_to(path, &self.file)
    }

    /// How many bytes its frames have up to the record `next`, which may be the one behind its last.
    pub(super) fn used_before(&self, next: u64) -> Result<u64> {
        let end = match self.end.load(Ordering::Relaxed) {
            0 => self.find(next)?,
            end => end,
        };
        Ok(end - DATA_START)
    }

    /// How it ends by now, as its file says.
    pub(super) fn slot(&self) -> Result<Slot> {
        let mut page = [0; DATA_START as usize];
        self.load(0, &mut page)?;
        Slot::current(&page, &self.header).map_err(|refused| damaged(&self.path, self.header.first, refused))
    }

    /// Copies out. Bytes that are lost are a fault.
    pub(super) fn load(&self, offset: u64, target: &mut [u8]) -> Result<()> {
        match &self.bytes {
            Bytes::Medium(medium, fault) => {
                medium.load(offset, target);
                self.check(fault.is_raised())
            }
            Bytes::Mapped(mapping) => {
                mapping.load(offset, target);
                self.check(mapping.is_faulted())
            }
            Bytes::Read => file::read_exact_at(&self.file, target, offset)
                .map_err(|error| Error::io(&error, "read", Some(&self.path))),
        }
    }

    fn check(&self, is_faulted: bool) -> Result<()> {
        let is_faulted = is_faulted && !deliberate::is_on("journal: lost pages not looked at");
        if is_faulted { Err(Error::Fault { path: Some(self.path.clone()) }) } else { Ok(()) }
    }

    /// Makes what is in the file durable, whoever wrote it.
    pub(super) fn sync(&self) -> Result<()> {
        seam::sync_data(&self.file).map_err(|error| Error::io(&error, "fdatasync", Some(&self.path)))
    }

    /// Notes where a record is, if it lies behind all that are noted, and far enough.
    pub(super) fn note(&self, place: Place) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.last().is_some_and(|last| place.offset >= last.offset + STRIDE) {
            places.push(place);
        }
    }

    /// The nearest place before `sequence` that is noted.
    fn noted(&self, sequence: u64) -> Place {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = places.partition_point(|place| place.sequence <= sequence);
        places[behind.saturating_sub(1)]
    }

    /// Where the record of `sequence` is, which this segment has if it is sound.
    pub(super) fn find(&self, sequence: u64) -> Result<u64> {
        let mut place = self.noted(sequence);
        while place.sequence < sequence {
            let frame = self.header(place)?.map_err(|broken| self.broken(place, broken))?;
            place = Place { sequence: place.sequence + 1, offset: place.offset + frame.size() };
            self.note(place);
        }
        Ok(place.offset)
    }

    /// What the header of the frame at a place says, which lies in the segment as a whole.
    pub(super) fn header(&self, place: Place) -> Result<std::result::Result<Frame, Broken>> {
        let room = self.header.size.saturating_sub(place.offset);
        if room < frames::HEADER as u64 {
            return Ok(Err(Broken::Empty));
        }
        let mut header = [0; frames::HEADER];
        self.load(place.offset, &mut header)?;
        Ok(match frames::header(&header, self.header.salt, place.offset) {
            Ok(frame) if frame.size() > room => Err(Broken::Short(frame.size() as usize)),
            Ok(frame) if frame.sequence != place.sequence => Err(Broken::Sequence),
            header => header,
        })
    }

    /// The frame at a place.
    pub(super) fn frame(&self, place: Place, scratch: &mut Vec<u8>) -> Result<std::result::Result<Frame, Broken>> {
        let frame = match self.header(place)? {
            Ok(frame) => frame,
            Err(broken) => return Ok(Err(broken)),
        };
        scratch.resize(frame.size() as usize, 0);
        self.load(place.offset, scratch)?;
        Ok(frames::decode(scratch, self.header.salt, place.offset))
    }

    /// That there is no sound record at a place, where one has to be; or one that a later version wrote.
    pub(super) fn broken(&self, place: Place, broken: Broken) -> Error {
        let Place { sequence, offset } = place;
        if broken == Broken::Unknown {
            let what =
                format!("the record {sequence}, at byte {offset}, is of a kind or has flags that are not known here");
            return Error::Newer { file: self.path.clone(), what };
        }
        Error::Damaged { file: self.path.clone(), offset, sequence, what: broken.text().to_owned() }
    }
}

/// The header, and how the segment ends, of a file of this size.
fn read_start(file: &File, size: u64, path: &Path) -> Result<(Header, Slot)> {
    let named = first_of(path);
    let first = named.unwrap_or_default();
    let refused = |offset, what: String| Error::Damaged { file: path.to_path_buf(), offset, sequence: first, what };
    if size < DATA_START {
        return Err(refused(0, format!("it has {size} bytes, fewer than its header")));
    }
    let mut page = [0; DATA_START as usize];
    file::read_exact_at(file, &mut page, 0).map_err(|error| Error::io(&error, "read", Some(path)))?;
    let header = Header::decode(&page).map_err(|refused| damaged(path, first, refused))?;
    if size < header.size {
        return Err(refused(size, format!("it was cut: it has {size} of its {} bytes", header.size)));
    }
    if named.is_some_and(|first| first != header.first) {
        return Err(refused(48, format!("it begins with the record {}, which its name does not say", header.first)));
    }
    let slot = Slot::current(&page, &header).map_err(|refused| damaged(path, first, refused))?;
    Ok((header, slot))
}

/// Whether this version may write to the segment.
pub(super) fn is_writable(file: &File, path: &Path) -> Result<bool> {
    let mut page = [0; DATA_START as usize];
    file::read_exact_at(file, &mut page, 0).map_err(|error| Error::io(&error, "read", Some(path)))?;
    Ok(may_write(&page))
}

fn damaged(path: &Path, sequence: u64, refused: Refused) -> Error {
    let (file, Refused { offset, what, is_newer }) = (path.to_path_buf(), refused);
    if is_newer {
        return Error::Newer { file, what };
    }
    Error::Damaged { file, offset, sequence, what }
}
