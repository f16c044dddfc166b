//! Mappings by `mmap`.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::mman::{MapFlags, MmapAdvise, MsFlags, ProtFlags, madvise, mmap, mmap_anonymous, msync, munmap};

use super::{Access, Advice};
use crate::os::device_dax::DeviceDax;
use crate::os::page::page_size;
use crate::os::{errno, flush};

/// The pages that a mapping owns.
#[derive(Debug)]
pub(super) struct View {
    pub(super) start: NonNull<u8>,
    /// How many bytes the view has addresses for, whole pages. Those past the end of the file are of no use yet.
    reserved: AtomicUsize,
    /// The size of the file's pages, in bytes, which nothing less than a whole one of is unmapped or replaced.
    page: usize,
    synchronous: bool,
    access: Access,
    /// It is of a device, which has no `msync`.
    device: bool,
    /// What makes the device write its cache, which msync leaves to the device here.
    #[cfg(target_os = "macos")]
    file: File,
}

impl View {
    pub(super) fn new(file: impl AsFd, offset: u64, len: NonZeroUsize, access: Access) -> io::Result<Self> {
        if access == Access::Private {
            let synchronous = map_synchronously(&file, offset, len, Access::Read).is_ok();
            return Self::with(&file, offset, len, access, synchronous);
        }
        if let Ok(view) = map_synchronously(&file, offset, len, access) {
            return Ok(view);
        }
        Self::with(&file, offset, len, access, false)
    }

    fn with(file: impl AsFd, offset: u64, len: NonZeroUsize, access: Access, synchronous: bool) -> io::Result<Self> {
        let start = map(None, &file, offset, len, protection(access), flags(access, synchronous))?;
        let device = DeviceDax::of(file.as_fd());
        let page = device.map_or_else(|| file_page(&file), |device| device.align);
        Ok(Self {
            start,
            reserved: AtomicUsize::new(whole(len.get(), page)),
            page,
            synchronous,
            access,
            device: device.is_some(),
            #[cfg(target_os = "macos")]
            file: file.as_fd().try_clone_to_owned()?.into(),
        })
    }

    /// Maps the same of a file that is mapped shared at `start`.
    ///
    /// # Safety
    /// The pages stay mapped during the call.
    #[cfg(target_os = "linux")]
    pub(super) unsafe fn duplicate(start: NonNull<u8>, len: NonZeroUsize, synchronous: bool) -> io::Result<Self> {
        use nix::sys::mman::{MRemapFlags, mremap};
        // SAFETY: a length of 0 leaves the pages where they are, and the kernel picks unused addresses for the new ones.
        let start = unsafe { mremap(start.cast(), 0, len.get(), MRemapFlags::MREMAP_MAYMOVE, None) }?;
        // Memory that others allocated is of small pages.
        Ok(Self::of_small_pages(start.cast(), len, Access::Shared, synchronous))
    }

    #[cfg(target_os = "linux")]
    fn of_small_pages(start: NonNull<u8>, len: NonZeroUsize, access: Access, synchronous: bool) -> Self {
        let reserved = AtomicUsize::new(whole(len.get(), page_size()));
        Self { start, reserved, page: page_size(), synchronous, access, device: false }
    }

    /// # Safety
    /// None is needed.
    #[cfg(not(target_os = "linux"))]
    pub(super) unsafe fn duplicate(_: NonNull<u8>, _: NonZeroUsize, _: bool) -> io::Result<Self> {
        Err(nix::errno::Errno::EOPNOTSUPP.into())
    }

    /// The size of the file's pages, in bytes.
    pub(super) fn page(&self) -> usize {
        self.page
    }

    /// Maps what follows in the file behind the view, if that is shorter than `len`: then it is true. One thread at a time does
    /// this.
    pub(super) fn reserve(&self, file: impl AsFd, offset: u64, len: usize) -> io::Result<bool> {
        let reserved = self.reserved.load(Ordering::Relaxed);
        let Some(more) = whole(len, self.page).checked_sub(reserved).and_then(NonZeroUsize::new) else {
            return Ok(false);
        };
        if !has_small_pages(&file) {
            return Err(nix::errno::Errno::EOPNOTSUPP.into());
        }
        let behind = self.start.as_ptr().wrapping_add(reserved);
        let (protection, flags) = (protection(self.access), flags(self.access, self.synchronous));
        let mapped = map(NonZeroUsize::new(behind as usize), file, offset + reserved as u64, more, protection, flags)?;
        if mapped.as_ptr() != behind {
            // SAFETY: the pages were just mapped, and nobody knows of them.
            let _ = unsafe { munmap(mapped.cast(), more.get()) };
            return Err(nix::errno::Errno::ENOMEM.into());
        }
        self.reserved.store(reserved + more.get(), Ordering::Relaxed);
        Ok(true)
    }

    /// Whether the file takes `MAP_SYNC`.
    pub(super) fn is_synchronous(&self) -> bool {
        self.synchronous
    }

    pub(super) fn sync(&self, offset: usize, len: usize) -> io::Result<()> {
        if self.device {
            flush::flush(self.start.as_ptr().wrapping_add(offset), len);
            flush::drain();
            return Ok(());
        }
        let first = offset & !(page_size() - 1);
        let page = self.start.as_ptr().wrapping_add(first).cast::<c_void>();
        let Some(page) = NonNull::new(page) else { return Ok(()) };
        // SAFETY: the pages lie in this mapping, which lives as long as `self`.
        errno::uninterrupted(|| unsafe { msync(page, offset + len - first, MsFlags::MS_SYNC) })?;
        self.sync_device()
    }

    #[cfg(target_os = "macos")]
    fn sync_device(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    #[cfg(not(target_os = "macos"))]
    fn sync_device(&self) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn disconnect(&self) {
        let pages = NonZeroUsize::new(self.reserved.load(Ordering::Relaxed));
        // SAFETY: only this mapping's own pages are replaced.
        let _ = pages.map(|pages| unsafe { uncover(self.start, pages) });
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the range was mapped for this view, nothing else unmaps it, and its last owner is gone.
        let _ = unsafe { munmap(self.start.cast(), *self.reserved.get_mut()) };
    }
}

/// Advises the system about the pages of a range.
///
/// # Safety
/// The pages are mapped, and nothing but [`Advice::DontNeed`] changes what private ones show.
pub(crate) unsafe fn advise(start: NonNull<u8>, len: NonZeroUsize, advice: Advice) -> io::Result<()> {
    let advice = match advice {
        Advice::Normal => MmapAdvise::MADV_NORMAL,
        Advice::Random => MmapAdvise::MADV_RANDOM,
        Advice::Sequential => MmapAdvise::MADV_SEQUENTIAL,
        Advice::WillNeed => MmapAdvise::MADV_WILLNEED,
        Advice::DontNeed => MmapAdvise::MADV_DONTNEED,
    };
    let into_page = start.as_ptr() as usize & (page_size() - 1);
    let Some(first) = NonNull::new(start.as_ptr().wrapping_sub(into_page)) else { return Ok(()) };
    // SAFETY: the caller's promise; a page is mapped as a whole.
    errno::uninterrupted(|| unsafe { madvise(first.cast(), len.get() + into_page, advice) })
}

/// Brings pages into memory, for reading.
///
/// # Safety
/// The pages are mapped.
#[cfg(target_os = "linux")]
pub(super) unsafe fn populate(start: NonNull<u8>, len: NonZeroUsize) -> io::Result<()> {
    // SAFETY: the caller's promise; the advice changes no data.
    errno::uninterrupted(|| unsafe { madvise(start.cast(), len.get(), MmapAdvise::MADV_POPULATE_READ) })
}

/// The pages have to be touched.
///
/// # Safety
/// None is needed.
#[cfg(not(target_os = "linux"))]
pub(super) unsafe fn populate(_: NonNull<u8>, _: NonZeroUsize) -> io::Result<()> {
    Err(nix::errno::Errno::EOPNOTSUPP.into())
}

/// Keeps pages in memory. Those of a `private` mapping are once they are used, since all at once would be copied.
///
/// # Safety
/// The pages are mapped.
pub(crate) unsafe fn lock(start: NonNull<u8>, len: NonZeroUsize, private: bool) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if private {
        let (start, len) = (start.as_ptr().cast(), len.get());
        let flag = nix::libc::MLOCK_ONFAULT as nix::libc::c_uint;
        return errno::uninterrupted(|| {
            // SAFETY: the caller's promise; locking changes no data.
            nix::errno::Errno::result(unsafe { nix::libc::mlock2(start, len, flag) }).map(drop)
        });
    }
    let _ = private;
    // SAFETY: as above.
    errno::uninterrupted(|| unsafe { nix::sys::mman::mlock(start.cast(), len.get()) })
}

/// Whether [`cover`] can be done here.
pub(crate) const CAN_COVER: bool = true;

/// Maps `len` bytes of `file` from `offset` in the place of what is at `start`, which is a page's, with `MAP_SYNC` where
/// `synchronous` says so.
///
/// # Safety
/// The pages are readable and writable memory that may be replaced.
pub(crate) unsafe fn cover(
    start: NonNull<u8>,
    len: NonZeroUsize,
    file: &File,
    offset: u64,
    access: Access,
    synchronous: bool,
) -> io::Result<()> {
    if access == Access::Read {
        return Err(nix::errno::Errno::EACCES.into());
    }
    let offset = i64::try_from(offset).map_err(|_| nix::errno::Errno::EOVERFLOW)?;
    let address = NonZeroUsize::new(start.as_ptr() as usize);
    let (protection, flags) = (protection(access), flags(access, synchronous) | MapFlags::MAP_FIXED);
    // SAFETY: the caller says that the pages may be replaced.
    errno::uninterrupted(|| unsafe { mmap(address, len, protection, flags, file, offset) })?;
    Ok(())
}

/// Puts anonymous zero pages in the place of what is at `start`.
///
/// # Safety
/// As [`cover`].
pub(crate) unsafe fn uncover(start: NonNull<u8>, len: NonZeroUsize) -> io::Result<()> {
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED | MapFlags::MAP_NORESERVE;
    // SAFETY: the caller says that the pages may be replaced; the new ones are as readable and writable.
    unsafe { mmap_anonymous(NonZeroUsize::new(start.as_ptr() as usize), len, protection, flags) }?;
    Ok(())
}

/// What is mapped at an address: a file, by its device and number, from some offset on.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nothing tells of it there"))]
pub(crate) struct Mapped {
    file: String,
    offset: u64,
}

impl Mapped {
    /// None where the system does not tell, and where it is no file.
    #[cfg(target_os = "linux")]
    pub(crate) fn at(address: NonNull<u8>) -> Option<Self> {
        let maps = std::fs::read("/proc/self/maps").ok()?;
        let address = address.as_ptr() as usize;
        String::from_utf8_lossy(&maps).lines().find_map(|line| Self::parse(line, address))
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn at(_: NonNull<u8>) -> Option<Self> {
        None
    }

    /// Reads `start-end permissions offset device number path`, where that holds the address.
    #[cfg(target_os = "linux")]
    fn parse(line: &str, address: usize) -> Option<Self> {
        let mut parts = line.split_ascii_whitespace();
        let (start, end) = parts.next()?.split_once('-')?;
        let hexadecimal = |text| usize::from_str_radix(text, 16).ok();
        let within =
            address.checked_sub(hexadecimal(start)?).filter(|_| hexadecimal(end).is_some_and(|end| address < end))?;
        let (offset, device, number) = (parts.nth(1)?, parts.next()?, parts.next()?);
        let offset = u64::from_str_radix(offset, 16).ok()? + within as u64;
        (number != "0").then(|| Self { file: format!("{device} {number}"), offset })
    }
}

/// The size of a file's pages, in bytes: that of hugetlbfs's own, and the processor's elsewhere, also where the kernel takes
/// several together.
#[cfg(target_os = "linux")]
fn file_page(file: impl AsFd) -> usize {
    use nix::sys::statfs::{HUGETLBFS_MAGIC, fstatfs};
    let status = errno::uninterrupted(|| fstatfs(&file)).ok();
    let huge = status.filter(|status| status.filesystem_type() == HUGETLBFS_MAGIC);
    huge.and_then(|status| usize::try_from(status.block_size()).ok())
        .filter(|size| size.is_power_of_two())
        .unwrap_or_else(page_size)
}

#[cfg(not(target_os = "linux"))]
fn file_page(_: impl AsFd) -> usize {
    page_size()
}

/// Whether a mapping of the file may be longer than the file: of hugetlbfs's pages as many are taken as are mapped, and a file
/// there becomes as long as its mapping.
pub(crate) fn has_small_pages(file: impl AsFd) -> bool {
    file_page(file) == page_size()
}

/// What `len` bytes take up, in whole pages.
fn whole(len: usize, page: usize) -> usize {
    len.checked_next_multiple_of(page).unwrap_or(len)
}

fn protection(access: Access) -> ProtFlags {
    match access {
        Access::Read => ProtFlags::PROT_READ,
        Access::Shared | Access::Private => ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
    }
}

/// A private mapping asks the system for no room to hold copies of all its pages: it may be larger than memory and swap, and
/// few of them are stored to.
fn flags(access: Access, synchronous: bool) -> MapFlags {
    match access {
        Access::Private => MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE,
        Access::Shared | Access::Read if synchronous => synchronous_flags(),
        Access::Shared | Access::Read => MapFlags::MAP_SHARED,
    }
}

/// What may keep this process from mapping so much memory.
#[cfg(target_os = "linux")]
pub(crate) fn limits(access: Access) -> &'static str {
    use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
    let is_limited = |resource| getrlimit(resource).is_ok_and(|(soft, _)| soft != RLIM_INFINITY);
    if access == Access::Private && is_limited(Resource::RLIMIT_DATA) {
        return "this process may have no more private memory: raise its limit RLIMIT_DATA (ulimit -d), which holds for \
                readonly mappings and not for those that are written";
    }
    if is_limited(Resource::RLIMIT_AS) {
        return "this process may map no more: raise its limit RLIMIT_AS (ulimit -v)";
    }
    "this process has as many mappings as it may (vm.max_map_count), or the system promises no more memory \
     (vm.overcommit_memory)"
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn limits(_: Access) -> &'static str {
    "there is no room for it among this process's addresses, or in memory"
}

/// Maps at `address`, if there is one and it is free, or elsewhere.
fn map(
    address: Option<NonZeroUsize>,
    file: impl AsFd,
    offset: u64,
    len: NonZeroUsize,
    protection: ProtFlags,
    flags: MapFlags,
) -> io::Result<NonNull<u8>> {
    let offset = i64::try_from(offset).map_err(|_| nix::errno::Errno::EOVERFLOW)?;
    // SAFETY: without MAP_FIXED the kernel picks unused addresses, so no existing memory changes.
    let mapped = errno::uninterrupted(|| unsafe { mmap(address, len, protection, flags, &file, offset) });
    Ok(mapped?.cast())
}

#[cfg(target_os = "linux")]
fn map_synchronously(file: impl AsFd, offset: u64, len: NonZeroUsize, access: Access) -> io::Result<View> {
    // Such a file's pages may be huge ones, of which single small ones can be replaced.
    let start = map(None, &file, offset, len, protection(access), synchronous_flags())?;
    let mut view = View::of_small_pages(start, len, access, true);
    if let Some(device) = DeviceDax::of(file.as_fd()) {
        (view.page, view.device) = (device.align, true);
    }
    if crate::os::deliberate::is_on("mapping: no MAP_SYNC") {
        let mut plain = View::with(&file, offset, len, access, false)?;
        plain.synchronous = true;
        return Ok(plain);
    }
    Ok(view)
}

#[cfg(target_os = "linux")]
fn synchronous_flags() -> MapFlags {
    MapFlags::MAP_SHARED_VALIDATE | MapFlags::MAP_SYNC
}

/// No mapping is synchronous here.
#[cfg(not(target_os = "linux"))]
fn synchronous_flags() -> MapFlags {
    MapFlags::MAP_SHARED
}

#[cfg(not(target_os = "linux"))]
fn map_synchronously(_: impl AsFd, _: u64, _: NonZeroUsize, _: Access) -> io::Result<View> {
    Err(nix::errno::Errno::EOPNOTSUPP.into())
}

/// Whether `file`, which is not empty, takes `MAP_SYNC`.
pub(super) fn is_synchronous(file: &File) -> bool {
    let least = DeviceDax::of(file.as_fd()).and_then(|device| NonZeroUsize::new(device.align));
    map_synchronously(file, 0, least.unwrap_or(NonZeroUsize::MIN), Access::Read).is_ok()
}
