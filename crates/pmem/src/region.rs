//! A mapped file and its durability: what libpmem's functions do, on ranges that are checked.
#![allow(unsafe_code)]

mod cover;
#[cfg(test)]
mod crashes;
mod grow;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::os::device_dax::DeviceDax;
use crate::os::file::{self, CreateOptions, Descriptor, descriptor};
use crate::os::mapping::{Access, Advice, CAN_COVER, Mapped, Mapping, has_small_pages, limits};
use crate::os::page::page_size;
use crate::os::{deliberate, errno, fault, flush};
use crate::storage::committer::{self, Committer};
use crate::{Error, Result, Ticket};
use cover::{Cover, Covers};
use grow::Source;

/// Which part of a file to map, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct MapOptions {
    /// The first byte, a multiple of the page size.
    pub offset: u64,
    /// The number of bytes; the rest of the file where it is not given.
    pub len: Option<usize>,
    /// How long [`Region::grow`] can make the region for certain. So many addresses are taken, and the file stays open. Where
    /// it is not given, a region grows if the addresses behind it happen to be free.
    pub max_len: Option<usize>,
    /// Blocks of what the file grows by are allocated when first written, not at once.
    pub sparse: bool,
    /// Nothing is written to the region, and what is stored by its address stays private to it and never reaches the file.
    pub readonly: bool,
    /// What is written to the region stays private to it and never reaches the file.
    pub copy_on_write: bool,
    /// The file stays open, so that [`Region::cover`] can map it again.
    pub coverable: bool,
    /// How the region is used. With [`Advice::Random`] it is by small ranges all over it: nothing around them is read or
    /// written with them. Where pages of the file are cached they are let go before, which makes the first use of each slow.
    pub advice: Advice,
    /// All of it is read into memory now.
    pub populate: bool,
    /// All of it stays in memory; what is private, once it was used.
    pub lock: bool,
}

/// A file mapped as memory.
///
/// Clones share the mapping; dropping the last one unmaps it, unless a [`Region::mapping`] is still held.
#[derive(Clone, Debug)]
pub struct Region {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    mapping: Arc<Mapping>,
    path: Option<PathBuf>,
    is_pmem: bool,
    readonly: bool,
    copy_on_write: bool,
    advice: Advice,
    populate: bool,
    lock: bool,
    disconnect: AtomicBool,
    source: Mutex<Source>,
    cover: OnceLock<Cover>,
    /// Other threads may use the memory below, and longer than this region.
    shared: AtomicBool,
    /// Another thread found the region by the memory that it covers.
    found: AtomicBool,
    /// The cover was lifted: what is stored in the memory below goes nowhere.
    lifted: AtomicBool,
    /// A sync failed. The operating system takes such pages for written and tells of it once, so that no later sync says
    /// anything of what was stored before.
    unsynced: AtomicBool,
    /// Ranges to persist, each of an offset and a length.
    committer: Committer<(usize, usize)>,
}

/// The regions that cover memory.
static COVERS: Covers<Inner, Left> = Covers::new();

impl Region {
    /// Maps an open file. Its own mode must allow reading, and writing unless `readonly`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an offset that is no multiple of the page size or a range past the file's end, and for a range
    /// of a DAX device that is not of whole multiples of its alignment; `EINVAL` for an empty range; `ENODEV` for what is
    /// neither a regular file nor a DAX device; [`Error::Unsupported`] for what such a device cannot do; what the operating
    /// system says of `mmap`.
    pub fn map(file: Descriptor<'_>, options: MapOptions) -> Result<Self> {
        Self::map_named(file, None, options, "mmap")
    }

    /// Opens the file at `path` and maps it.
    ///
    /// # Errors
    /// As [`Region::map`], and what the operating system says of opening the file.
    pub fn open(path: &Path, options: MapOptions) -> Result<Self> {
        let file = file::open(path, options.is_private(), "open")?;
        Self::map_named(descriptor(&file), Some(path), options, "mmap")
    }

    /// Creates or opens the file at `path` as `create` says and maps it: `pmem_map_file`.
    ///
    /// A file that is made or made longer is durable with its directory entry on return. Failure leaves a file
    /// as long as it was, and no new one.
    ///
    /// # Errors
    /// As [`Region::map`]; [`Error::OutOfRange`] for a length below the existing file's without `truncate`; what the
    /// operating system says of creating the file.
    ///
    /// ```
    /// let folder = tempfile::tempdir()?;
    /// let options = pmem::CreateOptions { len: 4096, mode: 0o600, ..Default::default() };
    /// let region = pmem::Region::map_file(&folder.path().join("file"), &options)?;
    /// region.fill(0, 10, 7, true)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_file(path: &Path, create: &CreateOptions) -> Result<Self> {
        let len =
            NonZeroUsize::new(create.len).ok_or_else(|| Error::out_of_range("length", "greater than 0".into(), 0))?;
        check_alignment(create.offset)?;
        let mut made = file::create(path, create, "pmem_map_file")?;
        let (offset, len) = (create.offset, Some(len.get()));
        let CreateOptions { max_len, sparse, coverable, advice, populate, lock, .. } = *create;
        let ways = MapOptions { coverable, advice, populate, lock, ..MapOptions::default() };
        let options = MapOptions { offset, len, max_len, sparse, ..ways };
        let region = Self::map_named(descriptor(made.file()), Some(path), options, "pmem_map_file")?;
        made.keep(path, "pmem_map_file")?;
        Ok(region)
    }

    /// Opens the whole existing file at `path` for `pmem_map_file` without its create flag.
    ///
    /// # Errors
    /// As [`Region::open`].
    pub fn map_existing(path: &Path, options: MapOptions) -> Result<Self> {
        let file = file::open(path, options.is_private(), "pmem_map_file").map_err(|error| {
            error.with_hint_on(errno::ENOENT, "create: true and a length make it, where its folder is there")
        })?;
        Self::map_named(descriptor(&file), Some(path), options, "pmem_map_file")
    }

    fn map_named(
        file: Descriptor<'_>,
        path: Option<&Path>,
        options: MapOptions,
        syscall: &'static str,
    ) -> Result<Self> {
        let device = DeviceDax::of(file);
        let size = file::mappable_size(file, path, syscall)?;
        let len = mapped_len(size, options, path, syscall)?;
        device.map_or(Ok(()), |device| check_device(device, len, options, syscall))?;
        let most = reserved_len(file, len, options)?;
        let access = if options.is_private() { Access::Private } else { Access::Shared };
        if options.advice == Advice::Random && device.is_none() {
            let forgotten = file::forget_cached(file, options.is_private());
            forgotten.map_err(|error| Error::io(&error, syscall, path))?;
        }
        let mapping = Mapping::reserving(file, options.offset, len, most, access).map_err(|error| {
            let error = Error::io(&error, syscall, path);
            match error {
                Error::Os { errno: errno::EACCES, .. } => {
                    error.with_hint("open the file for reading and writing, or map it readonly")
                }
                _ if most > len => error.with_hint(format!("a smaller maxLength may do; {}", limits(access))),
                Error::Os { errno: errno::ENOMEM, .. } => error.with_hint(limits(access)),
                other => other,
            }
        })?;
        let source = Source::new(file, options).map_err(|error| Error::io(&error, syscall, path))?;
        let is_pmem = mapping.is_pmem();
        let inner = Inner {
            mapping: Arc::new(mapping),
            path: path.map(Path::to_path_buf),
            is_pmem,
            readonly: options.readonly,
            copy_on_write: options.copy_on_write,
            advice: options.advice,
            populate: options.populate,
            lock: options.lock,
            disconnect: AtomicBool::new(false),
            source: Mutex::new(source),
            cover: OnceLock::new(),
            shared: AtomicBool::new(false),
            found: AtomicBool::new(false),
            lifted: AtomicBool::new(false),
            unsynced: AtomicBool::new(false),
            committer: Committer::new(),
        };
        inner.prepare(0, len.get())?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The number of bytes mapped; never 0, and never less than before.
    #[allow(clippy::len_without_is_empty, reason = "a region is never empty")]
    #[inline]
    pub fn len(&self) -> usize {
        self.inner.mapping.len()
    }

    /// Whether flushing caches is enough to make stores durable: the file takes `MAP_SYNC`, or `PMEM_IS_PMEM_FORCE=1`
    /// says so.
    #[inline]
    pub fn is_pmem(&self) -> bool {
        self.inner.is_pmem
    }

    /// Whether nothing is written to the region.
    pub fn is_readonly(&self) -> bool {
        self.inner.readonly
    }

    /// Whether what is written stays private to the region.
    pub fn is_copy_on_write(&self) -> bool {
        self.inner.copy_on_write
    }

    /// Tells the system how a range is going to be used. It is about whole pages: all that hold some of the range, and with
    /// [`Advice::DontNeed`] those that hold nothing else. Where the region is readonly or copy-on-write, that advice also drops
    /// what was stored there: the pages show the file again.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a range that leaves the region; what the operating system says of it, such as `EINVAL` for
    /// pages that are locked.
    pub fn advise(&self, advice: Advice, offset: usize, len: usize) -> Result<()> {
        self.checked(offset, len)?;
        let (mut start, mut end) = (offset, offset + len);
        if advice == Advice::DontNeed {
            start = start.next_multiple_of(page_size());
            // The last page has nothing but the region's end.
            end = if end == self.len() { end } else { end - end % page_size() };
        }
        let Some(len) = end.checked_sub(start) else { return Ok(()) };
        let mut advised = self.inner.mapping.advise(advice, start, len);
        if let Some(cover) = self.inner.cover.get() {
            advised = advised.and(cover.advise(advice, start, len));
        }
        advised.map_err(|error| Error::io(&error, "madvise", self.inner.path.as_deref()))
    }

    /// A share of the mapping, which keeps its addresses valid after the region itself is gone.
    pub fn mapping(&self) -> Arc<Mapping> {
        Arc::clone(&self.inner.mapping)
    }

    /// Lets the file go once the last clone is dropped, even while a [`Region::mapping`] is held: its addresses then
    /// show zeros. On Windows the file stays until the mapping goes too.
    pub fn disconnect_on_drop(&self) {
        self.inner.disconnect.store(true, Ordering::Relaxed);
    }

    /// Whether regions can [`Region::cover`] memory on this platform.
    pub const CAN_COVER: bool = CAN_COVER;

    /// Maps the region's file range once more, over the `len` bytes of someone else's memory at `start`: stores there are
    /// stores to the file, which [`Region::persist`] and its kin make durable. It happens once a region. Dropping the
    /// region leaves the file there; it goes with the memory, which where it is `shared` others may use longer.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for memory that does not start at a page or is too short, for a region that was not mapped
    /// as coverable or covers memory already, and on Windows; what the operating system says of `mmap`.
    ///
    /// # Safety
    /// The memory is readable and writable, was just allocated, and stays allocated as long as any clone of the region.
    pub unsafe fn cover(&self, start: NonNull<u8>, len: usize, shared: bool) -> Result<()> {
        let inner = &self.inner;
        let needed = self.len().checked_next_multiple_of(page_size());
        if !(start.as_ptr() as usize).is_multiple_of(page_size()) || needed.is_none_or(|needed| needed > len) {
            return Err(Error::Unsupported("the memory does not consist of whole pages that hold the region"));
        }
        let mut source = inner.source.lock().unwrap_or_else(PoisonError::into_inner);
        let made_for_it = Error::Unsupported("the region covers memory already, or was not made for it");
        let file = source.file.as_ref().filter(|_| inner.cover.get().is_none()).ok_or(made_for_it)?;
        let access = inner.access();
        // SAFETY: the caller's promise; the memory was checked to hold the mapping.
        let cover = unsafe { Cover::new(start, len, &inner.mapping, file, source.offset, access) };
        let cover = cover.map_err(|error| Error::io(&error, "mmap", inner.path.as_deref()))?;
        if inner.advice != Advice::Normal {
            let _ = cover.advise(inner.advice, 0, self.len());
        }
        if inner.populate {
            cover.populate();
        }
        // Pages of the file are in memory once one mapping keeps them there.
        if inner.lock && inner.is_private() {
            let locked = cover.lock(access).inspect_err(|_| {
                // SAFETY: the caller's promise.
                let _ = unsafe { cover.lift() };
            });
            locked.map_err(|error| Error::io(&error, "mlock", inner.path.as_deref()).with_hint(UNLOCKED))?;
        }
        source.file = None;
        inner.shared.store(shared, Ordering::Relaxed);
        COVERS.enter(inner.cover.get_or_init(|| cover), Arc::downgrade(inner));
        Ok(())
    }

    /// The region that covers the memory of `len` bytes at `start`.
    pub fn covering(start: NonNull<u8>, len: usize) -> Option<Self> {
        let inner = COVERS
            .find(start, Left::revive)
            .filter(|inner| inner.cover.get().is_some_and(|cover| cover.is_over(len)))?;
        // Either this sees that the cover is lifted, or who lifts it sees that it was found.
        inner.found.store(true, Ordering::SeqCst);
        let is_lifted = inner.lifted.load(Ordering::SeqCst);
        (!is_lifted).then_some(Self { inner })
    }

    /// Whether the memory below was uncovered: the region is closed for everyone.
    pub fn is_uncovered(&self) -> bool {
        self.inner.lifted.load(Ordering::SeqCst)
    }

    /// Puts zeros over the memory that the region covers. From then on every use of the region, through whichever clone,
    /// is [`Error::Closed`].
    ///
    /// # Errors
    /// What the operating system says of `mmap`; the memory then shows the file still.
    ///
    /// # Safety
    /// The memory is still allocated.
    pub unsafe fn uncover(&self) -> Result<()> {
        let Some(cover) = self.inner.cover.get() else { return Ok(()) };
        // First, so that nobody is told that what went into the zeros is durable.
        self.inner.lifted.store(true, Ordering::SeqCst);
        if self.inner.found.load(Ordering::SeqCst) {
            fault::raise_alarm();
        }
        // SAFETY: the caller's promise.
        unsafe { cover.lift() }.map_err(|error| Error::io(&error, "mmap", self.inner.path.as_deref()))
    }

    /// That no page was lost and the memory below was not uncovered: what this thread stored before is in the file, if
    /// perhaps not durable.
    ///
    /// # Errors
    /// [`Error::Fault`], [`Error::Closed`].
    #[inline]
    pub fn check_intact(&self) -> Result<()> {
        if self.inner.lifted.load(Ordering::Relaxed) && !deliberate::is_on("region: uncovered memory persisted") {
            return Err(Error::Closed("region"));
        }
        self.check_pages()
    }

    /// That no page was lost.
    #[inline]
    fn check_pages(&self) -> Result<()> {
        if self.inner.mapping.is_faulted() { Err(self.fault()) } else { Ok(()) }
    }

    #[cold]
    fn fault(&self) -> Error {
        Error::Fault { path: self.inner.path.clone() }
    }

    /// `pmem_flush`: starts making `[offset, offset + len)` durable; [`Region::drain`] waits for it. On page-cache
    /// files it is [`Region::msync`], since nothing less works there.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a range that leaves the region, `EACCES` for a readonly region, a failed msync, and `EIO`
    /// from then on; [`Error::Fault`] where a page of the region was lost, now or before.
    #[inline]
    pub fn flush(&self, offset: usize, len: usize) -> Result<()> {
        let start = self.writable(offset, len)?;
        self.check_synced()?;
        self.write_back(start, offset, len)
    }

    /// [`Region::flush`] of a range that was checked, which starts at the address `start`.
    #[inline]
    fn write_back(&self, start: *mut u8, offset: usize, len: usize) -> Result<()> {
        if !self.is_pmem() {
            return self.sync(offset, len);
        }
        if !deliberate::is_on("region: no touch") {
            self.inner.mapping.touch(offset, len);
        }
        flush::flush(start, len);
        if deliberate::is_on("region: lost pages not looked at") {
            return Ok(());
        }
        self.check_pages()
    }

    /// `pmem_drain`: waits for flushes. Promises nothing on page-cache files.
    #[inline]
    pub fn drain(&self) {
        if self.is_pmem() {
            flush::drain();
        }
    }

    /// `pmem_persist`: `[offset, offset + len)` is durable on return.
    ///
    /// # Errors
    /// As [`Region::flush`].
    #[inline]
    pub fn persist(&self, offset: usize, len: usize) -> Result<()> {
        self.flush(offset, len)?;
        if !deliberate::is_on("region: persist without drain") {
            self.drain();
        }
        Ok(())
    }

    /// [`Region::persist`] for later: what was stored before this call is durable once the ticket says so, also where the
    /// region is uncovered meanwhile. What waits shares its drain, or the syncs of pages that lie near each other.
    ///
    /// # Errors
    /// As [`Region::flush`], of the arguments now, of the rest then.
    pub fn enqueue_persist(&self, offset: usize, len: usize) -> Result<Ticket> {
        self.writable(offset, len)?;
        // A range takes no memory while it waits.
        let ticket = self.inner.committer.add((offset, len), 0);
        let ticket = ticket.map_err(|_| Error::os(errno::EAGAIN, "pmem_msync", self.inner.path.as_deref()))?;
        Ok(Ticket::new(PersistTicket { region: self.clone(), ticket }))
    }

    /// [`Region::persist`] of several `(offset, len)` ranges: one drain for all, or on page-cache files one msync for those
    /// that lie near each other.
    ///
    /// # Errors
    /// As [`Region::flush`]; every range is checked before the first is flushed.
    pub fn persist_many(&self, ranges: &[(usize, usize)]) -> Result<()> {
        for &(offset, len) in ranges {
            self.writable(offset, len)?;
        }
        self.write_back_many(ranges)
    }

    /// [`Region::persist_many`] of ranges that were checked.
    fn write_back_many(&self, ranges: &[(usize, usize)]) -> Result<()> {
        self.check_synced()?;
        if !self.is_pmem() {
            return joined(ranges).into_iter().try_for_each(|(offset, len)| self.sync(offset, len));
        }
        ranges.iter().try_for_each(|&(offset, len)| self.write_back(self.at(offset), offset, len))?;
        if !deliberate::is_on("region: ranges persisted without drain") {
            self.drain();
        }
        Ok(())
    }

    /// `pmem_msync`: the pages that hold `[offset, offset + len)` are durable on return, on any file.
    ///
    /// # Errors
    /// As [`Region::flush`].
    pub fn msync(&self, offset: usize, len: usize) -> Result<()> {
        self.writable(offset, len)?;
        self.sync(offset, len)
    }

    /// [`Region::msync`] of a range that was checked.
    fn sync(&self, offset: usize, len: usize) -> Result<()> {
        self.check_synced()?;
        if len == 0 {
            return Ok(());
        }
        let synced = self.inner.mapping.sync(offset, len);
        if synced.is_err() && !deliberate::is_on("region: failed sync forgotten") {
            self.inner.unsynced.store(true, Ordering::SeqCst);
        }
        self.check_pages()?;
        synced.map_err(|error| Error::io(&error, "pmem_msync", self.inner.path.as_deref()).with_hint(LOST))
    }

    /// That no sync of the region failed.
    #[inline]
    fn check_synced(&self) -> Result<()> {
        if self.inner.unsynced.load(Ordering::Relaxed) { Err(self.unsynced()) } else { Ok(()) }
    }

    #[cold]
    fn unsynced(&self) -> Error {
        Error::os(errno::EIO, "pmem_msync", self.inner.path.as_deref()).with_hint(UNSYNCED)
    }

    /// `pmem_memmove`: copies `len` bytes from `source` to `offset`, and makes them durable where `durable` says so.
    ///
    /// # Errors
    /// As [`Region::flush`]; nothing is written where the range is refused, or an earlier sync failed.
    ///
    /// # Safety
    /// `source` is readable for `len` bytes. It may lie in the region.
    pub unsafe fn copy_from(&self, offset: usize, source: *const u8, len: usize, durable: bool) -> Result<()> {
        let target = self.target(offset, len, durable)?;
        // What overlaps is seen by addresses of the same mapping alone.
        let cover = self.inner.cover.get().filter(|_| !self.inner.is_private());
        let source = cover.map_or(source, |cover| cover.translate(source, &self.inner.mapping));
        if self.is_pmem() {
            // SAFETY: the target was checked, the source is the caller's promise.
            unsafe { flush::copy(target, source, len) };
        } else {
            // SAFETY: as above.
            unsafe { std::ptr::copy(source, target, len) };
        }
        self.settle(offset, len, durable)
    }

    /// `pmem_memset`: fills `[offset, offset + len)` with `value`, and makes it durable where `durable` says so.
    ///
    /// # Errors
    /// As [`Region::copy_from`].
    pub fn fill(&self, offset: usize, len: usize, value: u8, durable: bool) -> Result<()> {
        let target = self.target(offset, len, durable)?;
        if self.is_pmem() {
            // SAFETY: the target was checked.
            unsafe { flush::fill(target, value, len) };
        } else {
            // SAFETY: as above.
            unsafe { std::ptr::write_bytes(target, value, len) };
        }
        self.settle(offset, len, durable)
    }

    /// Copies `len` bytes at `offset` to `target`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a range that leaves the region; [`Error::Fault`].
    ///
    /// # Safety
    /// `target` is writable for `len` bytes. It may lie in the region.
    pub unsafe fn copy_to(&self, offset: usize, target: *mut u8, len: usize) -> Result<()> {
        let source = self.checked(offset, len)?;
        // SAFETY: the source was checked, the target is the caller's promise.
        unsafe { std::ptr::copy(source, target, len) };
        self.check_pages()
    }

    /// Ends a copy or fill that has written caches back already on persistent memory.
    fn settle(&self, offset: usize, len: usize, durable: bool) -> Result<()> {
        if durable && !self.is_pmem() {
            return self.msync(offset, len);
        }
        if durable && !deliberate::is_on("region: copied without drain") {
            flush::drain();
        }
        self.check_pages()
    }

    /// Where a copy or fill goes, which is made durable where `durable` says so.
    fn target(&self, offset: usize, len: usize, durable: bool) -> Result<*mut u8> {
        if self.inner.copy_on_write && !durable {
            return self.checked(offset, len);
        }
        let target = self.writable(offset, len)?;
        if durable {
            self.check_synced()?;
        }
        Ok(target)
    }

    #[inline]
    fn writable(&self, offset: usize, len: usize) -> Result<*mut u8> {
        if self.inner.is_private() {
            return Err(self.refused());
        }
        self.checked(offset, len)
    }

    #[cold]
    fn refused(&self) -> Error {
        let refused = Error::os(errno::EACCES, "pmem_map_file", self.inner.path.as_deref());
        refused.with_hint(if self.inner.readonly {
            "the region is readonly: stores to it never reach the file"
        } else {
            "the region is copy-on-write: what is stored in it never reaches the file"
        })
    }

    #[inline]
    fn checked(&self, offset: usize, len: usize) -> Result<*mut u8> {
        self.check_intact()?;
        let size = self.len();
        if offset > size || len > size - offset {
            return Err(outside(size, offset, len));
        }
        Ok(self.at(offset))
    }

    /// The address of a byte. A private mapping shares no stores with the memory that the region covers, which is the one that
    /// others see.
    fn at(&self, offset: usize) -> *mut u8 {
        if self.inner.is_private()
            && let Some(cover) = self.inner.cover.get()
        {
            return cover.at(offset);
        }
        self.inner.mapping.start().as_ptr().wrapping_add(offset)
    }
}

const UNLOCKED: &str = "map less with lock, or raise this process's limit of locked memory, RLIMIT_MEMLOCK (ulimit -l)";
const LOST: &str = "what was stored and not persisted before may be lost: close the region and map the file again";
const UNSYNCED: &str =
    "making earlier stores durable failed, and they may be lost: close the region and map the file again";

/// A range that is to be persisted, and its region.
struct PersistTicket {
    region: Region,
    ticket: Arc<committer::Ticket<(usize, usize)>>,
}

impl crate::ticket::Pending for PersistTicket {
    fn wait(&self) {
        self.region.inner.committer.commit_until(&self.ticket, |batch| {
            let ranges: Vec<_> = batch.iter().map(|ticket| ticket.job).collect();
            let persisted = self.region.write_back_many(&ranges);
            batch.iter().for_each(|ticket| ticket.finish(persisted.clone()));
        });
    }

    fn outcome(&self) -> Option<&Result<()>> {
        self.ticket.outcome()
    }
}

/// How many bytes between two ranges are synchronised with them rather than apart.
const NEAR: usize = 64 << 10;

/// The ranges in ascending order, those that lie near each other as one, without empty ones.
fn joined(ranges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut sorted: Vec<_> = ranges.iter().copied().filter(|(_, len)| *len > 0).collect();
    sorted.sort_unstable();
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for (offset, len) in sorted {
        match joined.last_mut() {
            Some((start, before)) if offset <= *start + *before + NEAR => {
                let least = if deliberate::is_on("region: joined ranges end with the last") { 0 } else { *before };
                *before = least.max(offset + len - *start);
            }
            _ => joined.push((offset, len)),
        }
    }
    joined
}

/// Cold functions keep what is rare out of the way that every persist takes.
#[cold]
fn outside(size: usize, offset: usize, len: usize) -> Error {
    if offset > size {
        return Error::out_of_range("byteOffset", format!(">= 0 and <= {size}"), offset);
    }
    Error::out_of_range("byteLength", format!(">= 0 and <= {}", size - offset), len)
}

/// What is left of a region that is gone, for threads that use the memory that it covers.
struct Left {
    cover: Cover,
    /// What was mapped there when the region went.
    mapped: Mapped,
    path: Option<PathBuf>,
    is_pmem: bool,
    synchronous: bool,
    advice: Advice,
    unsynced: bool,
}

impl Left {
    /// The region once more, if the memory still shows the file.
    fn revive(self) -> std::result::Result<Arc<Inner>, Self> {
        if self.cover.mapped().as_ref() != Some(&self.mapped) {
            return Err(self);
        }
        // SAFETY: who asks for the memory has it, and it was just seen to show the file.
        let Ok(mapping) = (unsafe { self.cover.duplicate(self.synchronous) }) else { return Err(self) };
        Ok(Arc::new(Inner {
            mapping: Arc::new(mapping),
            path: self.path,
            is_pmem: self.is_pmem,
            readonly: false,
            copy_on_write: false,
            advice: self.advice,
            populate: false,
            lock: false,
            disconnect: AtomicBool::new(false),
            source: Mutex::default(),
            cover: OnceLock::from(self.cover),
            shared: AtomicBool::new(true),
            found: AtomicBool::new(false),
            lifted: AtomicBool::new(false),
            unsynced: AtomicBool::new(self.unsynced),
            committer: Committer::new(),
        }))
    }
}

impl MapOptions {
    /// Whether what is stored never reaches the file.
    fn is_private(&self) -> bool {
        self.readonly || self.copy_on_write
    }
}

impl Inner {
    /// Whether what is stored never reaches the file.
    fn is_private(&self) -> bool {
        self.readonly || self.copy_on_write
    }

    fn access(&self) -> Access {
        if self.is_private() { Access::Private } else { Access::Shared }
    }

    /// Does with a part of the mapping that is new what is asked of all of it.
    fn prepare(&self, offset: usize, len: usize) -> Result<()> {
        if self.advice != Advice::Normal {
            // What the system makes of it is its own affair.
            let _ = self.mapping.advise(self.advice, offset, len);
        }
        if self.populate {
            self.mapping.populate(offset, len);
        }
        if !self.lock {
            return Ok(());
        }
        let locked = self.mapping.lock(offset, len, self.access());
        locked.map_err(|error| Error::io(&error, "mlock", self.path.as_deref()).with_hint(UNLOCKED))
    }

    /// What others may make the region of again, that use the memory it covers.
    fn leave(&mut self, cover: Cover) -> Option<Left> {
        // A private mapping has nothing to make durable, and cannot be duplicated.
        let is_used = *self.shared.get_mut() && !*self.lifted.get_mut() && !self.is_private();
        if !is_used {
            return None;
        }
        Some(Left {
            mapped: cover.mapped()?,
            cover,
            path: self.path.take(),
            is_pmem: self.is_pmem,
            synchronous: self.mapping.is_synchronous(),
            advice: self.advice,
            unsynced: *self.unsynced.get_mut() && !deliberate::is_on("region: failed sync forgotten with its owner"),
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(cover) = self.cover.take() {
            let owner = std::ptr::from_ref(self);
            COVERS.leave(owner, cover, |cover| self.leave(cover));
        }
        if self.disconnect.load(Ordering::Relaxed) && Arc::strong_count(&self.mapping) > 1 {
            self.mapping.disconnect();
        }
    }
}

fn check_alignment(offset: u64) -> Result<()> {
    if offset.is_multiple_of(page_size() as u64) {
        return Ok(());
    }
    Err(Error::out_of_range("offset", format!("a multiple of the page size, {}", page_size()), offset))
}

/// The length to map of a file of `size` bytes.
fn mapped_len(size: u64, options: MapOptions, path: Option<&Path>, syscall: &'static str) -> Result<NonZeroUsize> {
    check_alignment(options.offset)?;
    let Some(rest) = size.checked_sub(options.offset) else {
        return Err(Error::out_of_range("offset", format!("<= the file's size, {size}"), options.offset));
    };
    let len = options.len.map_or(rest, |len| len as u64);
    if len > rest {
        let expected = format!("<= {rest}, the bytes that the file holds from offset {}", options.offset);
        return Err(Error::out_of_range(length_name(syscall), expected, len));
    }
    let len = usize::try_from(len).ok().and_then(NonZeroUsize::new);
    len.ok_or_else(|| Error::os(errno::EINVAL, syscall, path).with_hint("there are no bytes to map"))
}

/// What a caller of `syscall` knows the length as.
fn length_name(syscall: &'static str) -> &'static str {
    if syscall == "pmem_map_file" { "length" } else { "byteLength" }
}

/// That so much of a device can be mapped, and in this way.
fn check_device(device: DeviceDax, len: NonZeroUsize, options: MapOptions, syscall: &'static str) -> Result<()> {
    if options.is_private() {
        return Err(Error::Unsupported(
            "a device of persistent memory takes no private mapping: leave readonly and copyOnWrite out",
        ));
    }
    if options.max_len.is_some() {
        return Err(Error::Unsupported(DEVICE_STAYS));
    }
    if options.coverable {
        return Err(Error::Unsupported(
            "a device of persistent memory is mapped at multiples of its alignment alone, where a WebAssembly memory does \
             not lie: leave memory and shared out",
        ));
    }
    let expected = || format!("a multiple of {}, the device's alignment", device.align);
    if !options.offset.is_multiple_of(device.align as u64) {
        return Err(Error::out_of_range("offset", expected(), options.offset));
    }
    if !len.get().is_multiple_of(device.align) {
        return Err(Error::out_of_range(length_name(syscall), expected(), len));
    }
    Ok(())
}

const DEVICE_STAYS: &str = "a device of persistent memory does not grow: map as much of it as is needed";

/// How many bytes a region of `len` takes addresses for.
fn reserved_len(file: Descriptor<'_>, len: NonZeroUsize, options: MapOptions) -> Result<NonZeroUsize> {
    let Some(most) = options.max_len else { return Ok(len) };
    if most < len.get() {
        return Err(Error::out_of_range("maxLength", format!(">= {len}, the region's length"), most));
    }
    if !has_small_pages(file) {
        return Err(Error::Unsupported(if cfg!(windows) {
            "no mapping can be longer than its file on Windows, where regions cannot grow: leave maxLength out"
        } else {
            "a file of huge pages becomes as long as its mapping, so that its region cannot grow: leave maxLength out"
        }));
    }
    Ok(NonZeroUsize::new(most).unwrap_or(len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::mapping::forced;
    use crate::os::seam::recorder::Recorder;

    fn region(len: usize) -> (tempfile::NamedTempFile, Region) {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(len as u64).unwrap();
        let region = Region::map(descriptor(file.as_file()), MapOptions::default()).unwrap();
        (file, region)
    }

    fn write(region: &Region, offset: usize, data: &[u8]) -> Result<()> {
        // SAFETY: a slice is readable.
        unsafe { region.copy_from(offset, data.as_ptr(), data.len(), true) }
    }

    #[test]
    fn stores_reach_the_file() {
        let (file, region) = region(10_000);
        write(&region, 4090, b"over a page").unwrap();
        region.fill(9_990, 10, 7, true).unwrap();
        region.persist_many(&[(0, 1), (9_000, 1000), (5, 0)]).unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        assert_eq!(&bytes[4090..4101], b"over a page");
        assert_eq!(bytes[9_990..], [7; 10]);
    }

    #[test]
    fn a_device_is_mapped_by_its_alignment_shared_and_as_long_as_it_stays() {
        const ALIGN: usize = 2 << 20;
        let device = DeviceDax { size: 8 << 20, align: ALIGN };
        let refusal = |len: usize, options: MapOptions| {
            let checked = check_device(device, NonZeroUsize::new(len).unwrap(), options, "mmap");
            checked.map_err(|error| (error.code().into_owned(), error.to_string()))
        };
        let at = |offset| MapOptions { offset, ..MapOptions::default() };
        assert_eq!(refusal(ALIGN, at(0)), Ok(()));
        assert_eq!(refusal(2 * ALIGN, at(2 * ALIGN as u64)), Ok(()));
        for (len, offset, name) in
            [(ALIGN, 4096, "\"offset\""), (4096, 0, "\"byteLength\""), (ALIGN + 1, 0, "\"byteLength\"")]
        {
            let (code, message) = refusal(len, at(offset)).unwrap_err();
            assert_eq!(code, "ERR_OUT_OF_RANGE");
            assert!(message.contains(name) && message.contains("a multiple of 2097152"), "{message}");
        }
        for options in [
            MapOptions { readonly: true, ..MapOptions::default() },
            MapOptions { copy_on_write: true, ..MapOptions::default() },
            MapOptions { max_len: Some(2 * ALIGN), ..MapOptions::default() },
            MapOptions { coverable: true, ..MapOptions::default() },
        ] {
            assert_eq!(refusal(ALIGN, options).unwrap_err().0, "ERR_PMEM_UNSUPPORTED");
        }
    }

    #[test]
    fn ranges_outside_are_refused_and_change_nothing() {
        let (file, region) = region(4096);
        assert_eq!(write(&region, 4090, b"too long").unwrap_err().code(), "ERR_OUT_OF_RANGE");
        for (offset, len) in [(4097, 0), (0, 4097), (usize::MAX, 1), (1, usize::MAX)] {
            assert_eq!(region.persist(offset, len).unwrap_err().code(), "ERR_OUT_OF_RANGE");
            assert!(region.persist_many(&[(0, 1), (offset, len)]).is_err());
        }
        region.persist(4096, 0).unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), vec![0; 4096]);
    }

    #[test]
    fn ranges_that_lie_near_each_other_are_one() {
        assert_eq!(joined(&[(9000, 10), (100, 0), (0, 8), (8, 8), (4, 40)]), [(0, 9010)]);
        assert_eq!(joined(&[(0, 100), (4, 8)]), [(0, 100)]);
        assert_eq!(joined(&[(1 << 20, 1), (0, 1)]), [(0, 1), (1 << 20, 1)]);
        assert_eq!(joined(&[(5, 0)]), []);
    }

    #[test]
    fn what_is_put_off_is_done_once_it_is_waited_for() {
        let (file, region) = region(8192);
        assert_eq!(region.enqueue_persist(8193, 0).err().unwrap().code(), "ERR_OUT_OF_RANGE");
        region.fill(0, 10, 3, false).unwrap();
        let tickets = [(0, 10), (4096, 1)].map(|(offset, len)| region.enqueue_persist(offset, len).unwrap());
        assert_eq!(tickets[0].outcome(), None);
        tickets[1].wait().unwrap();
        assert_eq!(tickets[0].outcome(), Some(&Ok(())));
        assert_eq!(std::fs::read(file.path()).unwrap()[..10], [3; 10]);
    }

    #[test]
    fn after_a_failed_sync_nothing_is_made_durable_until_the_file_is_mapped_anew() {
        type Way = fn(&Region) -> Result<()>;
        let ways: [Way; 7] = [
            |region| region.persist(0, 8),
            |region| region.flush(0, 8),
            |region| region.msync(0, 8),
            |region| region.persist_many(&[(0, 8), (4096, 8)]),
            |region| region.enqueue_persist(0, 8)?.wait().clone(),
            |region| region.fill(0, 8, 2, true),
            |region| write(region, 0, b"new"),
        ];
        for fails in ways {
            let recorder = Recorder::new();
            let _attached = recorder.attach();
            let (file, region) = region(8192);
            if region.is_pmem() {
                return;
            }
            region.fill(0, 8, 1, true).unwrap();
            recorder.fail_sync(recorder.counts().barriers);
            let error = fails(&region).unwrap_err();
            assert_eq!(error.code(), "ENOSPC");
            assert!(error.to_string().contains("map the file again"), "{error}");
            for later in ways {
                for region in [&region, &region.clone()] {
                    let error = later(region).unwrap_err();
                    assert_eq!(error.code(), "EIO");
                    assert!(error.to_string().contains("map the file again"), "{error}");
                }
            }
            region.fill(0, 8, 3, false).unwrap();
            let again = Region::open(file.path(), MapOptions::default()).unwrap();
            again.persist(0, 8).unwrap();
        }
    }

    #[test]
    fn a_held_mapping_outlives_its_region() {
        let (file, region) = region(4096);
        let mapping = region.mapping();
        drop(region);
        // SAFETY: the mapping is held.
        unsafe { mapping.start().as_ptr().write(5) };
        assert_eq!(std::fs::read(file.path()).unwrap()[0], 5);
    }

    #[test]
    #[cfg(unix)]
    fn a_disconnected_mapping_shows_zeros_after_the_last_clone() {
        let (file, region) = region(4096);
        region.fill(0, 1, 9, true).unwrap();
        let (mapping, clone) = (region.mapping(), region.clone());
        region.disconnect_on_drop();
        drop(region);
        clone.fill(1, 1, 8, true).unwrap();
        drop(clone);
        // SAFETY: the mapping is held.
        assert_eq!(unsafe { mapping.start().as_ptr().read() }, 0);
        assert_eq!(std::fs::read(file.path()).unwrap()[..2], [9, 8]);
    }

    #[test]
    fn a_copy_on_write_region_is_written_and_keeps_that_to_itself() {
        let (file, _) = region(3 * page_size());
        for readonly_file in [false, true] {
            let mut permissions = file.as_file().metadata().unwrap().permissions();
            permissions.set_readonly(readonly_file);
            file.as_file().set_permissions(permissions).unwrap();
            let options = MapOptions { copy_on_write: true, populate: true, ..Default::default() };
            let region = Region::open(file.path(), options).unwrap();
            assert!(region.is_copy_on_write() && !region.is_readonly());
            region.fill(0, 3 * page_size(), 1, false).unwrap();
            let durably: [fn(&Region) -> Result<()>; 5] = [
                |region| region.fill(0, 1, 2, true),
                |region| region.persist(0, 1),
                |region| region.msync(0, 1),
                |region| region.persist_many(&[(0, 1)]),
                |region| region.enqueue_persist(0, 1).map(drop),
            ];
            for refused in durably {
                let error = refused(&region).unwrap_err();
                assert_eq!(error.code(), "EACCES");
                assert!(error.to_string().contains("copy-on-write"), "{error}");
            }
            let mut seen = [0; 2];
            // SAFETY: the target is ours.
            unsafe { region.copy_to(page_size() - 1, seen.as_mut_ptr(), 2) }.unwrap();
            assert_eq!(seen, [1, 1]);
            if cfg!(target_os = "linux") {
                // Whole pages alone are dropped.
                region.advise(Advice::DontNeed, 1, 2 * page_size()).unwrap();
                // SAFETY: as above.
                unsafe { region.copy_to(page_size() - 1, seen.as_mut_ptr(), 2) }.unwrap();
                assert_eq!(seen, [1, 0]);
            }
            assert_eq!(std::fs::read(file.path()).unwrap(), vec![0; 3 * page_size()]);
        }
    }

    #[test]
    fn advice_changes_nothing_in_a_shared_region() {
        let (_file, region) = region(2 * page_size());
        region.fill(0, 2 * page_size(), 7, false).unwrap();
        for advice in [Advice::Normal, Advice::Random, Advice::Sequential, Advice::WillNeed, Advice::DontNeed] {
            region.advise(advice, 0, 2 * page_size()).unwrap();
            region.advise(advice, 5, 3).unwrap();
            region.advise(advice, 2 * page_size(), 0).unwrap();
            assert_eq!(region.advise(advice, 1, 2 * page_size()).unwrap_err().code(), "ERR_OUT_OF_RANGE");
        }
        let mut seen = [0; 2];
        // SAFETY: the target is ours.
        unsafe { region.copy_to(page_size() - 1, seen.as_mut_ptr(), 2) }.unwrap();
        assert_eq!(seen, [7, 7]);
    }

    /// Memory that a test unmaps, or leaves.
    #[cfg(target_os = "linux")]
    fn anonymous(address: Option<NonZeroUsize>, len: usize) -> NonNull<u8> {
        use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
        let (len, protection) = (NonZeroUsize::new(len).unwrap(), ProtFlags::PROT_READ | ProtFlags::PROT_WRITE);
        let fixed = if address.is_some() { MapFlags::MAP_FIXED } else { MapFlags::empty() };
        // SAFETY: the addresses are unused, or the test's own.
        unsafe { mmap_anonymous(address, len, protection, MapFlags::MAP_PRIVATE | fixed) }.unwrap().cast()
    }

    /// A region that covers memory.
    #[cfg(target_os = "linux")]
    fn covering(len: usize) -> (tempfile::NamedTempFile, Region, NonNull<u8>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(len as u64).unwrap();
        let region = Region::open(file.path(), MapOptions { coverable: true, ..Default::default() }).unwrap();
        let memory = anonymous(None, len);
        // SAFETY: the memory is as long, and stays.
        unsafe { region.cover(memory, len, true) }.unwrap();
        (file, region, memory)
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_went_into_memory_that_is_uncovered_is_not_acknowledged() {
        let (_file, region, memory) = covering(1 << 16);
        let other = Region::covering(memory, 1 << 16).unwrap();
        region.persist(0, 8).unwrap();
        // SAFETY: nothing else uses the memory.
        unsafe { region.uncover() }.unwrap();
        for region in [&region, &other] {
            assert!(region.is_uncovered());
            assert_eq!(region.persist(0, 8).unwrap_err().code(), "ERR_PMEM_CLOSED");
            assert_eq!(region.fill(0, 8, 1, true).unwrap_err().code(), "ERR_PMEM_CLOSED");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_failed_sync_is_remembered_with_the_memory_that_a_dropped_region_covers() {
        let recorder = Recorder::new();
        let _attached = recorder.attach();
        forced::pmem(false);
        let (_file, region, memory) = covering(1 << 16);
        recorder.fail_sync(recorder.counts().barriers);
        assert_eq!(region.persist(0, 8).unwrap_err().code(), "ENOSPC");
        drop(region);
        let again = Region::covering(memory, 1 << 16).unwrap();
        assert_eq!(again.persist(0, 8).unwrap_err().code(), "EIO");
    }

    #[test]
    #[cfg(unix)]
    fn the_call_that_meets_a_lost_page_says_so() {
        let ways: [fn(&Region, usize) -> Result<()>; 3] = [
            |region, at| region.persist(at, 8),
            |region, at| region.flush(at, 8),
            |region, at| region.persist_many(&[(0, 8), (at, 8)]),
        ];
        for is_pmem in [true, false] {
            forced::pmem(is_pmem);
            for persist in ways {
                let (file, region) = region(2 * page_size());
                persist(&region, page_size()).unwrap();
                file.as_file().set_len(page_size() as u64).unwrap();
                assert_eq!(persist(&region, page_size()).unwrap_err().code(), "ERR_PMEM_FAULT");
            }
        }
        // Where caches outlive a power cut no instruction meets the page.
        if std::env::var_os("PMEM_NO_FLUSH").is_none() {
            let mut again = std::process::Command::new(std::env::current_exe().unwrap());
            again.args(["--exact", "region::tests::the_call_that_meets_a_lost_page_says_so"]).env("PMEM_NO_FLUSH", "1");
            assert!(again.output().unwrap().status.success());
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn shared_memory_that_a_dropped_region_covers_has_its_region_until_it_goes() {
        const LEN: usize = 1 << 16;
        let (file, region, memory) = covering(LEN);
        drop(region);
        for value in 1..4 {
            // SAFETY: the memory is still there.
            unsafe { memory.as_ptr().write(value) };
            assert!(Region::covering(memory, LEN / 2).is_none());
            let again = Region::covering(memory, LEN).unwrap();
            again.persist(0, 1).unwrap();
            let mut seen = 0;
            // SAFETY: the target is ours.
            unsafe { again.copy_to(0, &mut seen, 1) }.unwrap();
            assert_eq!((seen, std::fs::read(file.path()).unwrap()[0]), (value, value));
            again.disconnect_on_drop();
        }
        anonymous(NonZeroUsize::new(memory.as_ptr() as usize), LEN);
        assert!(Region::covering(memory, LEN).is_none());
        // SAFETY: nothing uses the memory any more.
        unsafe { nix::sys::mman::munmap(memory.cast(), LEN) }.unwrap();
    }

    #[test]
    fn a_readonly_region_may_be_larger_than_memory_and_swap() {
        let file = tempfile::NamedTempFile::new().unwrap();
        if cfg!(windows) || file.as_file().set_len(1 << 40).is_err() {
            return;
        }
        for readonly in [true, false] {
            let region = Region::open(file.path(), MapOptions { readonly, ..Default::default() }).unwrap();
            let mut last = [1; 8];
            // SAFETY: the target is ours.
            unsafe { region.copy_to((1 << 40) - 8, last.as_mut_ptr(), 8) }.unwrap();
            assert_eq!(last, [0; 8]);
        }
    }

    #[test]
    fn a_readonly_region_keeps_stores_to_itself() {
        let (file, _) = region(4096);
        let options = MapOptions { readonly: true, ..Default::default() };
        let region = Region::open(file.path(), options).unwrap();
        // SAFETY: private pages are writable.
        unsafe { region.mapping().start().as_ptr().write(1) };
        assert_eq!(region.persist(0, 1).unwrap_err().code(), "EACCES");
        assert_eq!(std::fs::read(file.path()).unwrap()[0], 0);
    }
}
