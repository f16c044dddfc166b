//! Regions that grow: more of the file behind what is mapped, which stays where it is.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{DEVICE_STAYS, LOST, MapOptions, Region};
use crate::os::device_dax::DeviceDax;
use crate::os::file::{self, Descriptor, Made, descriptor};
use crate::os::{deliberate, errno};
use crate::{Error, Result};

/// A region's file, of which more may be mapped, or all of it once more.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Kept open where that was asked for.
    pub(super) file: Option<File>,
    /// Where in it the region starts.
    pub(super) offset: u64,
    /// No other file gets it while the region maps this one.
    id: Option<(u64, u64)>,
    max_len: Option<usize>,
    sparse: bool,
}

/// A file is made longer for one region at a time, so that a length which is taken back is not one that another region relies
/// on. Files share these by their numbers.
static TURNS: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];

const IN_PLACE: &str = if cfg!(windows) {
    "no mapping can be longer than its file on Windows, where regions cannot grow: map the file again"
} else {
    "the region cannot grow where it is, and it does not move: map the file with maxLength, which keeps the addresses \
     behind it free"
};
const UNKNOWN: &str = "the region's file is not open any more and not at its path: map it with maxLength, which keeps \
                       it open";
const COVERING: &str = "the region's memory is a WebAssembly memory by now, which does not grow: map the file again, \
                        or let the region grow before its buffer, view or memory is first asked for";

impl Source {
    pub(super) fn new(file: Descriptor<'_>, options: MapOptions) -> io::Result<Self> {
        let MapOptions { offset, max_len, sparse, .. } = options;
        let keeps = options.coverable || max_len.is_some();
        let kept = if keeps { Some(file.try_clone_to_owned()?.into()) } else { None };
        Ok(Self { file: kept, offset, id: file::file_id(file).ok(), max_len, sparse })
    }

    /// The turn to make the file longer.
    fn turn(&self) -> MutexGuard<'static, ()> {
        let number = self.id.map_or(0, |(_, number)| number as usize);
        TURNS[number % TURNS.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, which is opened again where it was not kept.
    fn opened(&self, path: Option<&Path>, readonly: bool) -> Result<File> {
        if let Some(file) = &self.file {
            return file.try_clone().map_err(|error| Error::io(&error, "dup", path));
        }
        let file = path.and_then(|path| file::open(path, readonly, "open").ok());
        let same = file.filter(|file| self.id.is_some() && file::file_id(file).ok() == self.id);
        same.ok_or(Error::Unsupported(UNKNOWN))
    }
}

impl Region {
    /// Makes the region `len` bytes long, and its file as long as that takes, durably. Whatever was mapped stays where it is.
    /// A file that is longer already is mapped as far as `len`, which is all that can be done with a region that is readonly or
    /// copy-on-write.
    ///
    /// The new blocks are allocated, unless the region's file was made `sparse`.
    ///
    /// # Errors
    /// After each nothing has changed. [`Error::OutOfRange`] for less than the region's length, and for more than
    /// [`MapOptions::max_len`]; [`Error::Unsupported`] where other memory lies behind the region, for one that covers memory,
    /// and on Windows; `EACCES` where the file of a readonly or copy-on-write region would have to grow; what the operating
    /// system says of making the file longer, such as `ENOSPC`; as [`Region::flush`].
    ///
    /// ```
    /// # if cfg!(windows) { return Ok(()) }
    /// let folder = tempfile::tempdir()?;
    /// let options = pmem::CreateOptions { len: 4096, max_len: Some(1 << 30), mode: 0o600, ..Default::default() };
    /// let region = pmem::Region::map_file(&folder.path().join("file"), &options)?;
    /// region.grow(1 << 20)?;
    /// region.fill(4096, 10, 7, true)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn grow(&self, len: usize) -> Result<()> {
        self.check_intact()?;
        let inner = &self.inner;
        let source = inner.source.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.len();
        check_growth(before, len, source.max_len)?;
        if len == before {
            return Ok(());
        }
        if inner.cover.get().is_some() {
            return Err(Error::Unsupported(COVERING));
        }
        self.check_synced()?;
        let file = source.opened(inner.path.as_deref(), inner.is_private())?;
        if DeviceDax::of(descriptor(&file)).is_some() {
            return Err(Error::Unsupported(DEVICE_STAYS));
        }
        if inner.is_private() {
            self.check_file_has(&file, source.offset, len)?;
        }
        let reserved = inner.mapping.reserve(descriptor(&file), source.offset, len);
        reserved.map_err(|_| Error::Unsupported(IN_PLACE))?;
        let _turn = source.turn();
        let mut made = if inner.is_private() { Made::existing(file) } else { self.lengthened(file, &source, len)? };
        if deliberate::is_on("region: longer before it is durable") {
            inner.mapping.extend(len);
        }
        inner.prepare(before, len - before)?;
        self.check_pages()?;
        if !inner.is_private() {
            self.keep(&mut made)?;
        }
        inner.mapping.extend(len);
        Ok(())
    }

    /// The file, at least as long as a region of `len` bytes takes.
    fn lengthened(&self, file: File, source: &Source, len: usize) -> Result<Made> {
        let [start, end] = [self.len(), len].map(|len| source.offset.saturating_add(len as u64));
        file::lengthen(file, start, end, source.sparse, self.inner.path.as_deref())
    }

    /// Makes the file's new length durable. A sync that fails says of earlier stores what a failed msync does.
    fn keep(&self, made: &mut Made) -> Result<()> {
        made.keep_longer().map_err(|error| {
            self.inner.unsynced.store(!deliberate::is_on("region: failed growth forgotten"), Ordering::SeqCst);
            Error::io(&error, "fsync", self.inner.path.as_deref()).with_hint(LOST)
        })
    }

    /// That the file need not grow.
    fn check_file_has(&self, file: &File, offset: u64, len: usize) -> Result<()> {
        let path = self.inner.path.as_deref();
        let size = file::size_of(file).map_err(|error| Error::io(&error, "fstat", path))?;
        if size.checked_sub(offset).is_some_and(|rest| rest >= len as u64) {
            return Ok(());
        }
        Err(Error::os(errno::EACCES, "ftruncate", path).with_hint(
            "what is done to a readonly or copy-on-write region never reaches the file, which is too short: it grows \
             through another region",
        ))
    }
}

fn check_growth(before: usize, len: usize, most: Option<usize>) -> Result<()> {
    if len < before {
        return Err(Error::out_of_range("length", format!(">= {before}, the region's length: it never shrinks"), len));
    }
    match most {
        Some(most) if len > most => {
            Err(Error::out_of_range("length", format!("<= {most}, the maxLength that it was mapped with"), len))
        }
        _ => Ok(()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::os::mapping::forced;
    use crate::os::page::page_size;
    use crate::os::seam::recorder::Recorder;
    use crate::{Advice, CreateOptions};

    const MOST: usize = 1 << 30;

    struct Setup {
        region: Region,
        path: PathBuf,
        _folder: tempfile::TempDir,
    }

    fn setup(len: usize, max_len: Option<usize>) -> Setup {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let region = Region::map_file(&path, &options(len, max_len)).unwrap();
        Setup { region, path, _folder: folder }
    }

    fn options(len: usize, max_len: Option<usize>) -> CreateOptions {
        CreateOptions { len, max_len, mode: 0o600, ..Default::default() }
    }

    fn size(path: &Path) -> u64 {
        path.metadata().unwrap().len()
    }

    fn codes(region: &Region, lengths: &[usize]) -> Vec<String> {
        lengths.iter().map(|&len| region.grow(len).unwrap_err().code().into_owned()).collect()
    }

    #[test]
    fn what_was_mapped_stays_where_it_is_and_what_is_new_is_the_file() {
        let Setup { region, path, _folder } = setup(100, Some(MOST));
        let start = region.mapping().start();
        region.fill(0, 100, 1, true).unwrap();
        for len in [101, 4096, 4097, 1 << 20, 1 << 20, MOST / 4] {
            let before = region.len();
            assert_eq!(region.persist(before, 1).unwrap_err().code(), "ERR_OUT_OF_RANGE");
            region.grow(len).unwrap();
            assert_eq!((region.len(), size(&path), region.mapping().start()), (len, len as u64, start));
            region.fill(before, len - before, 2, false).unwrap();
            region.persist_many(&[(0, 1), (len - 1, 1)]).unwrap();
            region.enqueue_persist(before, len - before).unwrap().wait().unwrap();
        }
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(bytes[..100], [1; 100]);
        assert!(bytes[100..].iter().all(|&byte| byte == 2));
    }

    #[test]
    fn other_lengths_are_refused_and_change_nothing() {
        let Setup { region, path, _folder } = setup(8192, Some(10_000));
        assert_eq!(codes(&region, &[0, 1, 8191, 10_001, usize::MAX]), ["ERR_OUT_OF_RANGE"; 5]);
        assert!(region.grow(10_001).unwrap_err().to_string().contains("maxLength"));
        assert_eq!((region.len(), size(&path)), (8192, 8192));
        region.grow(8192).unwrap();
        region.grow(10_000).unwrap();
        assert_eq!((region.len(), size(&path)), (10_000, 10_000));
        for max_len in [0, 1, 4095] {
            let other = path.with_extension("other");
            let refused = Region::map_file(&other, &options(4096, Some(max_len))).unwrap_err();
            assert!(refused.to_string().contains("maxLength"), "{refused}");
            assert!(!other.exists());
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn without_a_reservation_it_grows_where_the_addresses_are_free() {
        let (page, len) = (page_size(), 16 * page_size());
        let Setup { region, path, _folder } = setup(1, None);
        region.grow(page).unwrap();
        assert_eq!((region.len(), size(&path)), (page, page as u64));
        // Each new mapping lies before the last one, once gaps between others are full.
        let mut behind = setup(len, None);
        let mut kept = Vec::new();
        for _ in 0..200 {
            let before = setup(len, None);
            let start = before.region.mapping().start();
            if start.as_ptr().wrapping_add(len) != behind.region.mapping().start().as_ptr() {
                kept.push(std::mem::replace(&mut behind, before));
                continue;
            }
            let refused = before.region.grow(len + 1).unwrap_err();
            assert!(matches!(&refused, Error::Unsupported(why) if why.contains("maxLength")), "{refused}");
            assert_eq!((before.region.len(), size(&before.path)), (len, len as u64));
            before.region.fill(0, len, 1, true).unwrap();
            drop(behind);
            // Another thread may have taken them since.
            if before.region.grow(2 * len - 5).is_ok() {
                before.region.fill(len, len - 5, 2, true).unwrap();
                assert_eq!((before.region.len(), before.region.mapping().start()), (2 * len - 5, start));
                assert_eq!(size(&before.path), (2 * len - 5) as u64);
                return;
            }
            behind = before;
        }
        panic!("no two mappings lie side by side");
    }

    #[test]
    fn a_file_that_is_not_at_its_path_any_more_is_not_made_longer() {
        for max_len in [None, Some(MOST)] {
            let Setup { region, path, _folder } = setup(100, max_len);
            let moved = path.with_extension("moved");
            std::fs::rename(&path, &moved).unwrap();
            std::fs::write(&path, b"another").unwrap();
            assert_eq!(region.grow(200).is_ok(), max_len.is_some());
            assert_eq!(size(&moved), if max_len.is_some() { 200 } else { 100 });
            assert_eq!(std::fs::read(&path).unwrap(), b"another");
        }
        let file = tempfile::tempfile().unwrap();
        file.set_len(100).unwrap();
        let region = Region::map(descriptor(&file), MapOptions::default()).unwrap();
        assert_eq!(codes(&region, &[200]), ["ERR_PMEM_UNSUPPORTED"]);
        let region = Region::map(descriptor(&file), MapOptions { max_len: Some(MOST), ..Default::default() }).unwrap();
        region.grow(200).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 200);
    }

    #[test]
    fn from_an_offset_and_in_a_file_that_is_longer_already() {
        let page = page_size();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![7; 4 * page]).unwrap();
        let region = |offset, readonly| {
            let options = MapOptions { len: Some(page), max_len: Some(MOST), readonly, ..Default::default() };
            Region::open(&path, MapOptions { offset, ..options }).unwrap()
        };
        let (last, first, reader) = (region(3 * page as u64, false), region(0, false), region(0, true));
        first.grow(2 * page).unwrap();
        reader.grow(4 * page).unwrap();
        assert_eq!(size(&path), 4 * page as u64);
        let refused = reader.grow(4 * page + 1).unwrap_err();
        assert_eq!(refused.code(), "EACCES");
        last.grow(page + 1).unwrap();
        assert_eq!(size(&path), 4 * page as u64 + 1);
        last.fill(page, 1, 8, true).unwrap();
        reader.grow(4 * page + 1).unwrap();
        let mut seen = [0; 2];
        // SAFETY: the target is ours.
        #[allow(unsafe_code, reason = "a slice is writable")]
        unsafe { reader.copy_to(4 * page - 1, seen.as_mut_ptr(), 2) }.unwrap();
        assert_eq!(seen, [7, 8]);
    }

    #[test]
    fn all_that_was_asked_of_a_mapping_is_asked_of_what_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let options = CreateOptions { advice: Advice::Random, populate: true, lock: true, ..options(100, Some(MOST)) };
        // Where the process may lock as much.
        let Ok(region) = Region::map_file(&path, &options) else { return };
        region.grow(3 * page_size() + 1).unwrap();
        region.fill(100, 3 * page_size() - 99, 1, true).unwrap();
        let let_go = region.advise(Advice::DontNeed, 2 * page_size(), page_size());
        // With DAX there are no pages to lock: they are the memory itself.
        let expected = if region.mapping().is_synchronous() { Ok(()) } else { Err("EINVAL".into()) };
        assert_eq!(let_go.map_err(|error| error.code().into_owned()), expected);
    }

    #[test]
    fn blocks_are_allocated_unless_the_file_is_sparse() {
        use std::os::unix::fs::MetadataExt;
        for sparse in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            let region = Region::map_file(&path, &CreateOptions { sparse, ..options(4096, Some(MOST)) }).unwrap();
            region.grow(1 << 20).unwrap();
            assert_eq!(path.metadata().unwrap().blocks() * 512 >= 1 << 20, !sparse);
        }
    }

    #[test]
    fn a_sync_that_fails_takes_the_length_back() {
        let recorder = Recorder::new();
        let _attached = recorder.attach();
        let Setup { region, path, _folder } = setup(4096, Some(MOST));
        recorder.fail_sync(recorder.counts().barriers);
        let error = region.grow(8192).unwrap_err();
        assert_eq!((error.code().as_ref(), region.len(), size(&path)), ("ENOSPC", 4096, 4096));
        for later in [region.grow(8192), region.persist(0, 1)] {
            assert_eq!(later.unwrap_err().code(), "EIO");
        }
    }

    #[test]
    fn a_length_that_someone_else_gave_the_file_meanwhile_is_not_taken_back() {
        let Setup { path, _folder, .. } = setup(100, None);
        let open = || File::options().read(true).write(true).open(&path).unwrap();
        let made = file::lengthen(open(), 100, 200, true, None).unwrap();
        open().set_len(300).unwrap();
        drop(made);
        assert_eq!(size(&path), 300);
        drop(file::lengthen(open(), 100, 400, true, None).unwrap());
        assert_eq!(size(&path), 300);
    }

    #[test]
    fn every_crash_after_growing_leaves_the_length_and_what_was_persisted() {
        for is_pmem in [true, false] {
            forced::pmem(is_pmem);
            let recorder = Recorder::new();
            let _attached = recorder.attach();
            let Setup { region, path, _folder } = setup(4096, Some(MOST));
            let mut len = 4096;
            for round in 1..20u8 {
                let before = len;
                len += 3000;
                region.grow(len).unwrap();
                for _ in 0..12 {
                    assert_eq!(recorder.crash()[&path].len(), len as u64);
                }
                region.fill(before, len - before, round, true).unwrap();
                for _ in 0..12 {
                    let mut bytes = vec![0; len - before];
                    recorder.crash()[&path].get(before as u64, &mut bytes);
                    assert!(bytes.iter().all(|&byte| byte == round), "round {round}");
                }
            }
        }
    }

    #[test]
    fn every_crash_while_growing_leaves_what_was_persisted_before() {
        let recorder = Recorder::new();
        let _attached = recorder.attach();
        let Setup { region, path, _folder } = setup(4096, Some(MOST));
        region.fill(0, 4096, 5, true).unwrap();
        recorder.record_crashes();
        for len in (5000..20_000).step_by(1000) {
            region.grow(len).unwrap();
            region.fill(len - 900, 900, 6, true).unwrap();
        }
        let crashes = recorder.take_crashes();
        assert!(crashes.len() >= 30);
        for crash in crashes {
            let mut bytes = [0; 4096];
            crash[&path].get(0, &mut bytes);
            assert_eq!(bytes, [5; 4096]);
        }
    }

    #[test]
    fn threads_persist_while_others_grow_regions_of_the_same_file() {
        let Setup { region, path, _folder } = setup(4096, Some(MOST));
        let other = Region::map_file(&path, &options(4096, Some(MOST))).unwrap();
        std::thread::scope(|scope| {
            for region in [&region, &region, &other] {
                scope.spawn(move || {
                    for len in (4096..1 << 20).step_by(8192) {
                        // Another thread may have been faster.
                        let _ = region.grow(len);
                        assert!(region.len() >= len);
                        region.fill(len - 1, 1, 3, false).unwrap();
                    }
                });
                scope.spawn(move || {
                    for _ in 0..200 {
                        let len = region.len();
                        region.enqueue_persist(len - 4096, 4096).unwrap().wait().unwrap();
                    }
                });
            }
        });
        assert_eq!(region.len(), other.len());
        assert_eq!(size(&path), region.len() as u64);
    }

    #[test]
    fn a_lost_page_of_what_is_new_is_a_fault_and_ends_growing() {
        let Setup { region, path, _folder } = setup(4096, Some(MOST));
        region.grow(1 << 20).unwrap();
        region.fill(0, 1 << 20, 1, true).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(4096).unwrap();
        assert_eq!(region.fill(1 << 19, 1, 2, true).unwrap_err().code(), "ERR_PMEM_FAULT");
        assert_eq!(codes(&region, &[2 << 20]), ["ERR_PMEM_FAULT"]);
        assert_eq!(size(&path), 4096);
    }
}
