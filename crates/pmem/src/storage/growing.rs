//! A file that grows and shrinks, mapped in pieces that stay where they are.
//!
//! The first piece is a unit long, and each other one as long as all before it. So a file has few pieces, however long
//! it becomes, and where an offset lies is told by its highest bit.
//!
//! It is read through the mappings. In the page cache it is written by `pwrite`, on persistent memory by stores, as
//! [`FileMedium`](super::medium::FileMedium) and [`MemoryMedium`](super::medium::MemoryMedium) write theirs.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use super::lock::Locked;
use super::medium::{Failed, Range, lost};
use crate::os::fault::FaultFlag;
use crate::os::file::{descriptor, size_of, write_zeros};
use crate::os::flush::native as cache;
use crate::os::mapping::{Access, Mapping, is_on_pmem};
use crate::os::page::page_size;
use crate::os::{deliberate, seam};

/// The longest file in units of the smallest page has so many pieces.
const MOST_PIECES: usize = 52;

/// How much is written at once by growing, and how long others have the disk then.
const STEP: u64 = 1 << 20;
const PAUSE: Duration = Duration::from_millis(4);

/// Whether mappings may reach past the end of their file, where nobody looks before the file does. Such a file can be
/// cut too. Windows has neither.
const REACHES_PAST: bool = cfg!(unix);

/// A file, with the lock on it where it has one of its own. A range that leaves it is a bug, and so is writing to one
/// that is readonly: both panic.
///
/// Writers of the same bytes take turns, and nobody reads what is being written. One thread may make the file longer
/// while others read, write and sync; what a failed sync was told is told again by each later one, of whichever thread.
#[derive(Debug)]
pub(crate) struct Growing<F = Locked> {
    /// Each is mapped before the length reaches into it, and stays.
    pieces: [OnceLock<Mapping>; MOST_PIECES],
    /// As much as the file had of its last piece when it was opened, where mappings end with their file. It is read
    /// until all of that piece is mapped, and may be after.
    rest: Option<Mapping>,
    /// How many bytes are used. The file has no fewer, unless someone else cut it.
    len: AtomicU64,
    /// The binary logarithm of the first piece's length.
    shift: u32,
    access: Access,
    readonly: bool,
    is_pmem: bool,
    reaches_past: bool,
    /// All pieces have it in common.
    flag: Arc<FaultFlag>,
    /// Held by who changes the length.
    turn: Mutex<()>,
    /// Whoever looks whether the file has its length keeps it from being cut meanwhile.
    cut: RwLock<()>,
    /// What a sync failed with. The system tells of such a failure once, so that syncs take turns: not to each of two
    /// at a time.
    failed: Mutex<Option<i32>>,
    file: F,
}

impl<F: Deref<Target = File> + Send + Sync> Growing<F> {
    /// All of a file that is not empty. Its first piece is `unit` bytes long, a power of two and no less than a page;
    /// what lies from `unit << (k - 1)` to `unit << k` is piece `k`. Nothing may be written to a `readonly` one.
    pub(crate) fn new(file: F, unit: u64, readonly: bool) -> io::Result<Self> {
        Self::with(file, unit, readonly, REACHES_PAST)
    }

    fn with(file: F, unit: u64, readonly: bool, reaches_past: bool) -> io::Result<Self> {
        assert!(unit.is_power_of_two() && unit >= page_size() as u64, "{unit} bytes are no unit");
        let len = size_of(&file)?;
        if len == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is empty"));
        }
        let is_pmem = is_on_pmem(&file);
        let mut growing = Self {
            pieces: [const { OnceLock::new() }; MOST_PIECES],
            rest: None,
            len: AtomicU64::new(len),
            shift: unit.trailing_zeros(),
            access: if is_pmem && !readonly { Access::Shared } else { Access::Read },
            readonly,
            is_pmem,
            reaches_past,
            flag: Arc::default(),
            turn: Mutex::default(),
            cut: RwLock::default(),
            failed: Mutex::default(),
            file,
        };
        let whole = if reaches_past { len } else { growing.wholly_mapped(len) };
        growing.map_up_to(whole)?;
        if whole < len {
            growing.rest = Some(growing.map(whole, len)?);
        }
        Ok(growing)
    }

    /// The number of bytes.
    #[inline]
    pub(crate) fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    /// Whether bytes were lost: a page of the file cannot be had. Then any that were read may be zeros, and nothing is
    /// written.
    #[inline]
    pub(crate) fn is_faulted(&self) -> bool {
        self.flag.is_raised()
    }

    /// The bytes of a range. None where it leaves the file, or lies in more than one piece. The caller sees to it that
    /// nothing is written there as long as they are borrowed, nor cut.
    #[inline]
    pub(crate) fn bytes(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let end = offset.checked_add(len as u64)?;
        if end > self.len() {
            return None;
        }
        let (number, piece) = self.piece_at(offset);
        if end > piece.end {
            return None;
        }
        let start = self.mapping(number)?.start();
        // SAFETY: the range lies in the mapping, whose file has it; callers read only what nothing in this process
        // writes or cuts meanwhile, another process is kept out by the lock, and a page that is lost reads as zeros and
        // raises the flag.
        Some(unsafe { std::slice::from_raw_parts(start.as_ptr().add((offset - piece.start) as usize), len) })
    }

    /// Writes, for the next [`Growing::sync`] of this thread to make durable. Eight aligned bytes are written as one: a
    /// power failure leaves what was there, or what is written.
    ///
    /// # Errors
    /// What the operating system says, as of a full disk: the range then holds any mixture. That bytes were lost.
    pub(crate) fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_writable(offset, data.len() as u64);
        self.check_size()?;
        if !self.is_pmem {
            return seam::pwrite(&self.file, data, offset);
        }
        self.for_each_part(offset, data.len(), |target, part| store(target, &data[part]));
        self.check_flag()
    }

    /// Writes, for a later [`Growing::sync`] to make durable that has the range among its `earlier` ones, which also
    /// sees to the file's size.
    ///
    /// # Errors
    /// As [`Growing::write`].
    pub(crate) fn put(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_writable(offset, data.len() as u64);
        if !self.is_pmem {
            return seam::pwrite(&self.file, data, offset);
        }
        self.for_each_part(offset, data.len(), |target, part| {
            let data = &data[part];
            // SAFETY: the range was checked, and the file is mapped for writing; `copy` allows overlap.
            seam::store(target, data.len(), || unsafe { std::ptr::copy(data.as_ptr(), target, data.len()) });
        });
        self.check_flag()
    }

    /// Makes durable what this thread wrote before, and all that whoever put into the `earlier` ranges: one barrier. In
    /// the page cache that is all of the file, and its length.
    ///
    /// # Errors
    /// [`Failed::Sync`], from then on for good where it was the operating system that failed: it is unknown what is
    /// durable.
    pub(crate) fn sync(&self, earlier: &[Range]) -> Result<(), Failed> {
        earlier.iter().for_each(|&(offset, len)| self.check_range(offset, len));
        if self.is_pmem {
            self.drain(earlier);
        } else if !deliberate::is_on("growing: no sync") {
            self.sync_file().map_err(Failed::Sync)?;
        }
        // As late as can be: a file that is cut after this was cut after the sync.
        self.check_size().map_err(Failed::Sync)
    }

    /// [`Growing::write`] and [`Growing::sync`]: one write and one barrier. In which order its parts become durable is
    /// open.
    ///
    /// # Errors
    /// [`Failed::Write`] where it was not written as a whole, and none of it made durable; as [`Growing::sync`].
    pub(crate) fn commit(&self, offset: u64, data: &[u8], earlier: &[Range]) -> Result<(), Failed> {
        self.write(offset, data).map_err(Failed::Write)?;
        self.sync(earlier)
    }

    /// Makes the file `len` bytes long where it is shorter; on Windows as long as the piece that ends there or later.
    /// The new bytes are zeros that have their places, so that syncs of what is written there write nothing else. It
    /// takes its time, so that others have the disk meanwhile.
    ///
    /// On persistent memory the new length is durable on return, in the page cache by the next sync.
    ///
    /// # Errors
    /// What the operating system says, as of a full disk: the file is as long as it was. Where it says it of a sync,
    /// each later sync fails.
    pub(crate) fn grow(&self, len: u64) -> io::Result<()> {
        assert!(!self.readonly, "the file is readonly");
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.len();
        if len <= before {
            return Ok(());
        }
        let len = if self.reaches_past { len } else { self.piece_at(len - 1).1.end };
        self.check_size()?;
        if deliberate::is_on("growing: longer before the file is") {
            self.len.store(len, Ordering::Release);
        }
        if let Err(error) = self.lengthen(before, len) {
            // A failure here leaves bytes that nobody uses.
            if !deliberate::is_on("growing: failed growth left there") {
                let _ = seam::resize(&self.file, before);
            }
            return Err(error);
        }
        self.len.store(len, Ordering::Release);
        Ok(())
    }

    /// Cuts the file to `len` bytes, not durably, where it is longer. False where a file that is mapped cannot be cut,
    /// as on Windows: it stays. The caller sees to it that nobody reads or writes behind any more.
    ///
    /// # Errors
    /// What the operating system says: the file is as long as it was.
    pub(crate) fn shrink(&self, len: u64) -> io::Result<bool> {
        assert!(!self.readonly && len > 0, "the file is readonly, or would be empty");
        if !self.reaches_past {
            return Ok(false);
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.len();
        if len >= before {
            return Ok(true);
        }
        self.check_size()?;
        let _cut = self.cut.write().unwrap_or_else(PoisonError::into_inner);
        self.len.store(len, Ordering::Release);
        let cut = seam::resize(&self.file, len);
        cut.inspect_err(|_| self.len.store(before, Ordering::Release)).map(|()| true)
    }

    /// Gives the file its bytes, and maps the pieces that hold them.
    fn lengthen(&self, before: u64, len: u64) -> io::Result<()> {
        seam::resize(&self.file, len)?;
        for offset in (before..len).step_by(STEP as usize) {
            if offset > before && !self.is_pmem {
                self.sync_file()?;
                std::thread::sleep(PAUSE);
            }
            if !deliberate::is_on("growing: new bytes not written") {
                write_zeros(&self.file, offset, STEP.min(len - offset))?;
            }
        }
        // No barrier for stores would do this.
        if self.is_pmem && !deliberate::is_on("growing: length not synced") {
            self.sync_file()?;
        }
        self.map_up_to(len)
    }

    /// The number of the piece that holds a byte, and its range.
    #[inline]
    fn piece_at(&self, offset: u64) -> (usize, std::ops::Range<u64>) {
        let number = u64::BITS - (offset >> self.shift).leading_zeros();
        let end = 1 << number;
        (number as usize, (end >> 1) << self.shift..end << self.shift)
    }

    /// What is mapped of a piece.
    #[inline]
    fn mapping(&self, number: usize) -> Option<&Mapping> {
        self.pieces[number].get().or(self.rest.as_ref())
    }

    /// Up to where a file of so many bytes has whole pieces.
    fn wholly_mapped(&self, len: u64) -> u64 {
        let (_, piece) = self.piece_at(len);
        piece.start
    }

    /// Maps what is not mapped of the pieces that hold the first `len` bytes.
    fn map_up_to(&self, len: u64) -> io::Result<()> {
        let mut start = 0;
        while start < len {
            let (number, piece) = self.piece_at(start);
            if self.pieces[number].get().is_none() {
                let mapping = self.map(start, piece.end)?;
                let is_new = self.pieces[number].set(mapping).is_ok();
                debug_assert!(is_new, "one thread at a time maps");
            }
            start = piece.end;
        }
        Ok(())
    }

    fn map(&self, start: u64, end: u64) -> io::Result<Mapping> {
        let len = usize::try_from(end - start).ok().and_then(NonZeroUsize::new).ok_or(io::ErrorKind::FileTooLarge)?;
        Mapping::sharing(descriptor(&self.file), start, len, self.access, Arc::clone(&self.flag))
    }

    fn check_range(&self, offset: u64, len: u64) {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.len());
        assert!(inside, "bytes {offset} to {offset} + {len} are outside the file");
    }

    fn check_writable(&self, offset: u64, len: u64) {
        assert!(!self.readonly, "the file is readonly");
        self.check_range(offset, len);
    }

    /// Does something with each part of a range that lies in one piece: with its address, and where in the range it is.
    fn for_each_part(&self, offset: u64, len: usize, mut act: impl FnMut(*mut u8, std::ops::Range<usize>)) {
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let (number, piece) = self.piece_at(at);
            let count = usize::try_from(piece.end - at).unwrap_or(usize::MAX).min(len - done);
            let mapping = self.mapping(number).expect("what the file has is mapped");
            act(mapping.address(at - piece.start, count as u64), done..done + count);
            done += count;
        }
    }

    /// Waits for this thread's stores, and for those to ranges.
    fn drain(&self, earlier: &[Range]) {
        if !deliberate::is_on("growing: earlier ranges not flushed") {
            for &(offset, len) in earlier {
                self.for_each_part(offset, len as usize, |start, part| cache::flush(start, part.len()));
            }
        }
        if !deliberate::is_on("growing: no sync") {
            cache::drain();
        }
    }

    fn sync_file(&self) -> io::Result<()> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(code) = failed.filter(|_| !deliberate::is_on("growing: failures of others ignored")) {
            return Err(io::Error::from_raw_os_error(code));
        }
        seam::sync_data(&self.file).inspect_err(|error| *failed = error.raw_os_error())
    }

    /// That the file was not cut by someone else. On persistent memory its last page tells: what follows a cut cannot
    /// be had. In the page cache the end is sought, as [`FileMedium`](super::medium::FileMedium) does it, since writing
    /// would make the file longer again.
    fn check_size(&self) -> io::Result<()> {
        if !deliberate::is_on("growing: size not checked") {
            let is_apart = !deliberate::is_on("growing: cut while it is looked at");
            let _uncut = is_apart.then(|| self.cut.read().unwrap_or_else(PoisonError::into_inner));
            let len = self.len();
            if self.is_pmem {
                self.touch(len - 1);
            } else if (&*self.file).seek(SeekFrom::End(0))? < len {
                self.raise_fault();
            }
        }
        self.check_flag()
    }

    fn check_flag(&self) -> io::Result<()> {
        if self.is_faulted() { Err(lost()) } else { Ok(()) }
    }

    /// Reads a byte of the page that holds this one.
    fn touch(&self, offset: u64) {
        let (number, piece) = self.piece_at(offset);
        if let Some(mapping) = self.mapping(number) {
            mapping.touch((offset - piece.start) as usize, 1);
        }
    }

    fn raise_fault(&self) {
        if let Some(mapping) = self.mapping(0) {
            mapping.raise_fault();
        }
    }
}

/// Stores to mapped memory, and starts writing caches back.
fn store(target: *mut u8, data: &[u8]) {
    match <[u8; 8]>::try_from(data) {
        Ok(bytes) if (target as usize).is_multiple_of(8) => {
            // SAFETY: the range was checked, the file is mapped for writing, and the address is aligned.
            let number = unsafe { AtomicU64::from_ptr(target.cast()) };
            seam::store(target, 8, || number.store(u64::from_ne_bytes(bytes), Ordering::Release));
            cache::flush(target, 8);
        }
        // SAFETY: the range was checked, and the file is mapped for writing; the copy allows overlap.
        _ => unsafe { cache::copy(target, data.as_ptr(), data.len()) },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::os::errno;
    use crate::os::mapping::forced;
    use crate::os::seam::recorder::{Attached, Image, Recorder};
    use crate::storage::medium::crashing::{Kind, kind, on_each_medium};

    const NAME: &str = "heap";

    fn unit() -> u64 {
        (page_size() as u64).max(4096 * 4)
    }

    /// A file of zeros with a recorder behind it.
    struct Setup {
        growing: Growing<Arc<File>>,
        file: Arc<File>,
        recorder: Arc<Recorder>,
        _attached: Attached,
    }

    impl Setup {
        fn new(len: u64) -> Self {
            Self::with(len, REACHES_PAST)
        }

        fn with(len: u64, reaches_past: bool) -> Self {
            let file = new_file(len);
            let recorder = Recorder::new();
            recorder.adopt_as_it_is(Path::new(NAME), &file);
            let attached = recorder.attach();
            let growing = Growing::with(Arc::clone(&file), unit(), false, reaches_past).unwrap();
            assert_eq!((growing.len(), growing.is_pmem), (len, kind() == Kind::Memory));
            Self { growing, file, recorder, _attached: attached }
        }

        /// What crashes may leave now.
        fn crashes(&self) -> Vec<Image> {
            (0..200).map(|_| self.recorder.crash_of(&self.file)).collect()
        }

        fn size(&self) -> u64 {
            size_of(&self.file).unwrap()
        }

        /// How many writes and barriers there are in it.
        fn count(&self, act: impl FnOnce()) -> (usize, usize) {
            let before = self.recorder.counts();
            act();
            let after = self.recorder.counts();
            (after.writes - before.writes, after.barriers - before.barriers)
        }
    }

    fn new_file(len: u64) -> Arc<File> {
        forced::pmem(kind() == Kind::Memory);
        let shm = Path::new("/dev/shm");
        let file = if shm.is_dir() { tempfile::tempfile_in(shm) } else { tempfile::tempfile() }.unwrap();
        file.set_len(len).unwrap();
        Arc::new(file)
    }

    fn has(image: &Image, offset: u64, data: &[u8]) -> bool {
        let mut found = vec![0; data.len()];
        let inside = image.len() >= offset + data.len() as u64;
        if inside {
            image.get(offset, &mut found);
        }
        inside && found == data
    }

    /// Bytes that tell where they are.
    fn pattern(offset: u64, len: usize) -> Vec<u8> {
        (offset..).take(len).map(|at| (at % 251) as u8 + 1).collect()
    }

    #[test]
    fn what_is_written_is_read_in_every_piece_and_none_crosses_two() {
        on_each_medium(|| {
            let unit = unit();
            let setup = Setup::new(8 * unit);
            let growing = &setup.growing;
            for start in [0, unit, 2 * unit, 4 * unit] {
                let end = if start == 0 { unit } else { 2 * start };
                for (offset, len) in [(start, 8), (start + 3, 100), (start + 64, 1000), (end - 5, 5)] {
                    growing.write(offset, &pattern(offset, len)).unwrap();
                    assert_eq!(growing.bytes(offset, len), Some(&*pattern(offset, len)));
                    growing.put(offset, &vec![7; len]).unwrap();
                    assert_eq!(growing.bytes(offset, len), Some(&*vec![7; len]));
                }
                assert_eq!(growing.bytes(start, (end - start) as usize).unwrap().len() as u64, end - start);
                assert!(growing.bytes(end - 1, 2).is_none());
            }
            // One write may lie in all of them.
            let all = pattern(10, 7 * unit as usize);
            growing.put(10, &vec![0; all.len()]).unwrap();
            growing.write(10, &all).unwrap();
            for start in [unit, 2 * unit, 4 * unit] {
                assert_eq!(growing.bytes(start - 9, 9), Some(&*pattern(start - 9, 9)));
                assert_eq!(growing.bytes(start, 9), Some(&*pattern(start, 9)));
            }
        });
    }

    #[test]
    fn nothing_is_read_or_written_past_the_end() {
        on_each_medium(|| {
            let len = unit() + 100;
            let setup = Setup::new(len);
            let growing = &setup.growing;
            assert!(growing.bytes(len - 1, 1).is_some());
            for (offset, len) in
                [(len - 1, 2), (len, 1), (2 * unit(), 1), (u64::MAX, 1), (u64::MAX - 1, 1), (1 << 62, 8)]
            {
                assert!(growing.bytes(offset, len).is_none());
                for act in [Growing::write, Growing::put] {
                    let panics = std::panic::AssertUnwindSafe(|| act(growing, offset, &vec![1; len]));
                    assert!(std::panic::catch_unwind(panics).is_err());
                }
                let panics = std::panic::AssertUnwindSafe(|| growing.sync(&[(offset, len as u64)]));
                assert!(std::panic::catch_unwind(panics).is_err());
            }
            assert!(growing.bytes(len, usize::MAX).is_none());
            assert_eq!(setup.size(), len);
        });
    }

    #[test]
    fn a_file_that_is_empty_or_readonly_is_not_written_to() {
        on_each_medium(|| {
            let error = Growing::new(new_file(0), unit(), false).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            let file = new_file(3 * unit());
            crate::os::file::write_all_at(&file, b"there", 2 * unit()).unwrap();
            let growing = Growing::new(file, unit(), true).unwrap();
            assert_eq!(growing.bytes(2 * unit(), 5), Some(&b"there"[..]));
            let writes: [&dyn Fn(&Growing<_>); 4] = [
                &|growing| growing.write(0, &[1]).unwrap(),
                &|growing| growing.put(0, &[1]).unwrap(),
                &|growing| growing.grow(4 * unit()).unwrap(),
                &|growing| assert!(growing.shrink(unit()).unwrap()),
            ];
            for write in writes {
                let panics = std::panic::AssertUnwindSafe(|| write(&growing));
                assert!(std::panic::catch_unwind(panics).is_err());
            }
            assert_eq!((growing.len(), size_of(&growing.file).unwrap()), (3 * unit(), 3 * unit()));
        });
    }

    #[test]
    fn a_file_grows_through_pieces_that_stay_where_they_are() {
        on_each_medium(|| {
            for reaches_past in [REACHES_PAST, false] {
                let (unit, old) = (unit(), unit() / 2);
                let setup = Setup::with(old, reaches_past);
                let growing = &setup.growing;
                growing.write(0, &pattern(0, old as usize)).unwrap();
                let first = growing.bytes(0, old as usize).unwrap();
                let mut ends = vec![old];
                for len in [old + 1, unit, unit + 1, 2 * unit, 5 * unit, 70 * unit, 20 * unit] {
                    growing.grow(len).unwrap();
                    let end = growing.len();
                    let rounded = if reaches_past { len } else { len.next_power_of_two().max(unit) };
                    assert_eq!(end, rounded.max(*ends.last().unwrap()));
                    assert_eq!(setup.size(), end);
                    let is_new = end > *ends.last().unwrap();
                    assert_eq!(growing.bytes(end - 1, 1), Some(if is_new { &[0][..] } else { &[9] }));
                    growing.write(end - 1, &[9]).unwrap();
                    ends.push(end);
                }
                assert_eq!(first, pattern(0, old as usize));
                assert_eq!(growing.bytes(0, first.len()).unwrap(), first);
                assert!(ends[1..].iter().all(|end| growing.bytes(end - 1, 1) == Some(&[9][..])));
                if reaches_past {
                    assert_eq!(growing.bytes(0, 1).unwrap().as_ptr(), first.as_ptr());
                }
            }
        });
    }

    #[test]
    fn a_grown_file_has_places_for_its_bytes_and_is_written_in_steps() {
        on_each_medium(|| {
            let setup = Setup::new(unit());
            let steps = setup.count(|| setup.growing.grow(unit() + 2 * STEP + 1).unwrap());
            let writes = 2 * STEP as usize / (1 << 18) + 1;
            assert_eq!(steps, (writes, if setup.growing.is_pmem { 1 } else { 2 }));
            #[cfg(unix)]
            assert!(std::os::unix::fs::MetadataExt::blocks(&setup.file.metadata().unwrap()) * 512 >= 2 * STEP);
        });
    }

    #[test]
    fn a_full_disk_leaves_the_file_as_long_as_it_was() {
        on_each_medium(|| {
            let len = unit() + 10;
            for number in 0.. {
                let setup = Setup::new(len);
                setup.recorder.fail_write(number);
                let Err(error) = setup.growing.grow(len + (1 << 20)) else {
                    assert_eq!(number, 4);
                    break;
                };
                assert_eq!(errno::of(&error), errno::ENOSPC);
                assert_eq!((setup.growing.len(), setup.size()), (len, len));
                assert!(setup.growing.bytes(len, 1).is_none());
                setup.growing.commit(0, b"goes on", &[]).unwrap();
                setup.growing.grow(2 * len).unwrap();
                assert_eq!(setup.growing.bytes(len, 1), Some(&[0][..]));
            }
            let setup = Setup::new(len);
            setup.recorder.fail_write(0);
            assert!(setup.growing.is_pmem || matches!(setup.growing.commit(0, b"x", &[]), Err(Failed::Write(_))));
        });
    }

    #[test]
    fn what_was_cut_off_is_zeros_when_the_file_grows_again() {
        on_each_medium(|| {
            let (unit, setup) = (unit(), Setup::new(8 * unit()));
            let growing = &setup.growing;
            if !REACHES_PAST {
                assert!(!growing.shrink(unit).unwrap());
                assert_eq!((growing.len(), setup.size()), (8 * unit, 8 * unit));
                return;
            }
            growing.commit(0, &pattern(0, 8 * unit as usize), &[]).unwrap();
            for len in [5 * unit, 3 * unit / 2 + 7] {
                assert!(growing.shrink(len).unwrap());
                assert_eq!((growing.len(), setup.size()), (len, len));
                assert!(growing.bytes(len, 1).is_none());
                assert_eq!(growing.bytes(len - 1, 1), Some(&*pattern(len - 1, 1)));
                growing.commit(0, &pattern(0, 9), &[]).unwrap();
            }
            assert!(growing.shrink(6 * unit).unwrap());
            growing.grow(6 * unit).unwrap();
            growing.sync(&[]).unwrap();
            let len = 3 * unit / 2 + 7;
            assert_eq!(growing.bytes(len, 99).unwrap(), [0; 99]);
            assert!(growing.bytes(4 * unit, 2 * unit as usize).unwrap().iter().all(|&byte| byte == 0));
            let zeros = vec![0; (6 * unit - len) as usize];
            assert!(setup.crashes().iter().all(|image| image.len() == 6 * unit && has(image, len, &zeros)));
            assert!(!growing.is_faulted());
        });
    }

    #[test]
    fn where_nothing_is_mapped_past_the_end_no_file_is_cut() {
        on_each_medium(|| {
            let setup = Setup::with(2 * unit(), false);
            assert!(!setup.growing.shrink(unit()).unwrap());
            assert_eq!((setup.growing.len(), setup.size()), (2 * unit(), 2 * unit()));
        });
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_someone_else_cut_is_a_fault() {
        on_each_medium(|| {
            let unit = unit();
            type Act<'a> = &'a dyn Fn(&Growing<Arc<File>>) -> bool;
            let acts: [Act; 4] = [
                &|growing| matches!(growing.commit(0, b"data", &[]), Err(Failed::Write(_))),
                &|growing| matches!(growing.sync(&[]), Err(Failed::Sync(_))),
                &|growing| growing.grow(4 * unit).is_err(),
                &|growing| growing.shrink(unit).is_err(),
            ];
            for act in acts {
                let setup = Setup::new(3 * unit);
                setup.growing.commit(0, b"before", &[]).unwrap();
                setup.file.set_len(2 * unit).unwrap();
                assert!(act(&setup.growing));
                assert!(setup.growing.is_faulted());
                assert_eq!(setup.size(), 2 * unit);
                assert!(setup.growing.write(0, b"data").is_err());
                assert_eq!(setup.growing.bytes(2 * unit, 9).unwrap(), [0; 9]);
                assert_eq!(setup.growing.bytes(0, 6).unwrap(), b"before");
            }
            // Whoever reads meets the loss too, in whichever piece.
            let setup = Setup::new(3 * unit);
            setup.file.set_len(unit).unwrap();
            assert_eq!(setup.growing.bytes(2 * unit, 9).unwrap(), [0; 9]);
            assert!(setup.growing.is_faulted());
        });
    }

    #[test]
    fn what_was_synced_survives_crashes() {
        on_each_medium(|| {
            let setup = Setup::new(2 * unit());
            let growing = &setup.growing;
            // One write of a kind: a word, less than a line, more than is copied through caches, and one in two pieces.
            let writes = [(8, 8), (100, 30), (1000, 2000), (unit() - 300, 600)].map(|(at, len)| (at, pattern(at, len)));
            let lasts = |data: &[(u64, Vec<u8>)]| {
                setup.crashes().iter().all(|image| data.iter().all(|(at, data)| has(image, *at, data)))
            };
            for (at, data) in &writes {
                growing.write(*at, data).unwrap();
            }
            assert!(!lasts(&writes), "nothing makes it durable yet");
            growing.sync(&[]).unwrap();
            assert!(lasts(&writes));
            let puts = writes.each_ref().map(|(at, data)| (at + 4096, data.clone()));
            for (at, data) in &puts {
                growing.put(*at, data).unwrap();
            }
            assert!(!lasts(&puts), "nothing makes it durable yet");
            growing.commit(0, &[5; 4], &puts.each_ref().map(|(at, data)| (*at, data.len() as u64))).unwrap();
            assert!(lasts(&puts) && lasts(&writes) && lasts(&[(0, vec![5; 4])]));
        });
    }

    #[test]
    fn what_another_thread_put_is_made_durable_by_its_range() {
        on_each_medium(|| {
            let setup = Setup::new(2 * unit());
            let (growing, kind) = (&setup.growing, kind());
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let _attached = setup.recorder.attach();
                    forced::pmem(kind == Kind::Memory);
                    growing.put(unit() - 100, &pattern(0, 200)).unwrap();
                });
            });
            growing.sync(&[(unit() - 100, 200)]).unwrap();
            assert!(setup.crashes().iter().all(|image| has(image, unit() - 100, &pattern(0, 200))));
        });
    }

    #[test]
    fn a_new_length_lasts_from_the_next_sync_on() {
        on_each_medium(|| {
            let setup = Setup::new(unit());
            setup.growing.grow(unit() + STEP / 2).unwrap();
            let end = setup.growing.len();
            setup.growing.commit(end - 8, &[1; 8], &[]).unwrap();
            assert!(setup.crashes().iter().all(|image| image.len() == end && has(image, end - 8, &[1; 8])));
        });
    }

    /// What each crash leaves while numbers are committed that say how many bytes of each piece were written before.
    #[test]
    fn no_crash_leaves_a_commit_without_what_was_before_it() {
        on_each_medium(|| {
            let setup = Setup::new(unit());
            let growing = &setup.growing;
            setup.recorder.record_crashes();
            let mut acknowledged = 0u64;
            for number in 1..40u64 {
                growing.grow(number * 3000).unwrap();
                let at = number * 3000 - 1000;
                if number.is_multiple_of(2) {
                    growing.write(at, &pattern(at, 700)).unwrap();
                    growing.sync(&[]).unwrap();
                    growing.commit(0, &number.to_le_bytes(), &[]).unwrap();
                } else {
                    growing.put(at, &pattern(at, 700)).unwrap();
                    growing.sync(&[(at, 700)]).unwrap();
                    growing.commit(0, &number.to_le_bytes(), &[]).unwrap();
                }
                for mut crash in setup.recorder.take_crashes() {
                    let image = crash.remove(Path::new(NAME)).unwrap();
                    let mut found = [0; 8];
                    image.get(0, &mut found);
                    let found = u64::from_le_bytes(found);
                    assert!((acknowledged..=number).contains(&found), "{found} of {number}");
                    let mut earlier = (1..=found).map(|number| number * 3000 - 1000);
                    assert!(earlier.all(|at| has(&image, at, &pattern(at, 700))), "{found} came first");
                }
                acknowledged = number;
            }
        });
    }

    #[test]
    fn a_commit_is_one_write_and_one_barrier() {
        on_each_medium(|| {
            let setup = Setup::new(2 * unit());
            let growing = &setup.growing;
            growing.put(4096, &[1; 100]).unwrap();
            growing.put(8192, &[1; 100]).unwrap();
            let earlier = [(4096, 100), (8192, 100)];
            assert_eq!(setup.count(|| growing.commit(64, &[2; 128], &earlier).unwrap()), (1, 1));
            assert_eq!(setup.count(|| growing.write(64, &[3; 8]).unwrap()), (1, 0));
            assert_eq!(setup.count(|| growing.sync(&earlier).unwrap()), (0, 1));
        });
    }

    #[test]
    fn a_sync_that_failed_has_failed_for_good() {
        on_each_medium(|| {
            let setup = Setup::new(unit());
            let growing = &setup.growing;
            setup.recorder.fail_sync(0);
            // A growing one may be told of what others wrote.
            let error = growing.grow(3 * STEP).unwrap_err();
            assert_eq!(errno::of(&error), errno::ENOSPC);
            assert_eq!((growing.len(), setup.size()), (unit(), unit()));
            assert!(growing.grow(3 * STEP).is_err());
            if !growing.is_pmem {
                for _ in 0..2 {
                    let failed = growing.commit(0, b"data", &[]);
                    assert!(matches!(failed, Err(Failed::Sync(error)) if errno::of(&error) == errno::ENOSPC));
                }
            }
        });
    }

    #[test]
    fn others_write_and_sync_while_a_file_grows_and_shrinks() {
        on_each_medium(|| {
            let unit = unit();
            let growing = Growing::new(new_file(unit), unit, false).unwrap();
            std::thread::scope(|scope| {
                let resizing = scope.spawn(|| {
                    for number in 1..200 {
                        growing.grow(number % 9 * unit + 1).unwrap();
                        growing.shrink(unit).unwrap();
                    }
                });
                let mut number = 0u64;
                while !resizing.is_finished() {
                    number += 1;
                    growing.commit(8, &number.to_le_bytes(), &[]).unwrap();
                    assert_eq!(growing.bytes(8, 8).unwrap(), number.to_le_bytes());
                }
            });
            assert!(!growing.is_faulted());
        });
    }

    #[test]
    #[cfg(unix)]
    fn the_size_of_a_file_that_is_being_cut_is_looked_at_afterwards() {
        on_each_medium(|| {
            let unit = unit();
            let growing = Growing::new(new_file(2 * unit), unit, false).unwrap();
            std::thread::scope(|scope| {
                let cut = growing.cut.write().unwrap();
                growing.file.set_len(unit).unwrap();
                let writing = scope.spawn(|| growing.commit(8, &[1; 8], &[]));
                std::thread::sleep(Duration::from_millis(20));
                growing.len.store(unit, Ordering::Release);
                drop(cut);
                assert!(writing.join().unwrap().is_ok());
            });
            assert!(!growing.is_faulted());
        });
    }
}
