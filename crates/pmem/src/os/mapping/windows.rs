//! Mappings by `MapViewOfFile`, and what else only unsafe functions tell.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr::{self, NonNull};
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_LOCK_VIOLATION;
use windows_sys::Win32::Storage::FileSystem::{BY_HANDLE_FILE_INFORMATION, GetFileInformationByHandle};
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_COPY, FILE_MAP_READ, FILE_MAP_WRITE, FlushViewOfFile, MEMORY_MAPPED_VIEW_ADDRESS,
    MapViewOfFile, PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOPY, UnmapViewOfFile,
};

use super::{Access, Advice};

/// What is mapped at an address: nothing covers memory here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mapped {}

impl Mapped {
    pub(crate) fn at(_: NonNull<u8>) -> Option<Self> {
        None
    }
}

/// What may keep this process from mapping so much memory.
pub(crate) fn limits(_: Access) -> &'static str {
    "there is no room for it among this process's addresses, or in memory"
}

/// A mapping is never longer than its file here.
pub(crate) fn has_small_pages(_: BorrowedHandle<'_>) -> bool {
    false
}

/// The pages that a mapping owns.
#[derive(Debug)]
pub(super) struct View {
    pub(super) start: NonNull<u8>,
    len: NonZeroUsize,
    /// What makes the device write its cache, which flushing the view does not wait for; none for a private view.
    file: Option<File>,
}

impl View {
    /// # Safety
    /// None is needed.
    pub(super) unsafe fn duplicate(_: NonNull<u8>, _: NonZeroUsize, _: bool) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The unit of its pages, in bytes.
    pub(super) fn page(&self) -> usize {
        crate::os::page::page_size()
    }

    pub(super) fn new(file: BorrowedHandle<'_>, offset: u64, len: NonZeroUsize, access: Access) -> io::Result<Self> {
        let (protection, view_access) = match access {
            Access::Shared => (PAGE_READWRITE, FILE_MAP_WRITE),
            Access::Private => (PAGE_WRITECOPY, FILE_MAP_COPY),
            Access::Read => (PAGE_READONLY, FILE_MAP_READ),
        };
        let duplicate = match access {
            Access::Shared => Some(file.try_clone_to_owned()?.into()),
            Access::Private | Access::Read => None,
        };
        // SAFETY: the handle is borrowed for the call, and null stands for no attributes and no name. The size 0 is the
        // file's, which a larger one would change.
        let section = unsafe { CreateFileMappingW(file.as_raw_handle(), ptr::null(), protection, 0, 0, ptr::null()) };
        if section.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new, and no one else closes it; a view keeps its section without it.
        let section = unsafe { OwnedHandle::from_raw_handle(section) };
        let (high, low) = ((offset >> 32) as u32, offset as u32);
        // SAFETY: the system picks unused addresses, so no existing memory changes.
        let view = unsafe { MapViewOfFile(section.as_raw_handle(), view_access, high, low, len.get()) };
        let start = NonNull::new(view.Value.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { start, len, file: duplicate })
    }

    /// Nothing can be mapped here that the file does not have.
    pub(super) fn reserve(&self, _: BorrowedHandle<'_>, _: u64, len: usize) -> io::Result<bool> {
        if len > self.len.get() { Err(io::ErrorKind::Unsupported.into()) } else { Ok(false) }
    }

    /// Persistent memory is not looked for here.
    pub(super) fn is_synchronous(&self) -> bool {
        false
    }

    pub(super) fn sync(&self, offset: usize, len: usize) -> io::Result<()> {
        // No bytes would mean all that follow.
        if len == 0 {
            return Ok(());
        }
        self.flush_pages(self.start.as_ptr().wrapping_add(offset).cast(), len)?;
        self.file.as_ref().map_or(Ok(()), File::sync_all)
    }

    /// Hands pages to the device. While the system's own writer holds some of them it refuses, which passes.
    fn flush_pages(&self, start: *const c_void, len: usize) -> io::Result<()> {
        const TRIES: usize = 5000;
        for _ in 1..TRIES {
            match flush_view(start, len) {
                Err(error) if error.raw_os_error() == Some(ERROR_LOCK_VIOLATION as i32) => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                other => return other,
            }
        }
        flush_view(start, len)
    }

    /// Does nothing: between unmapping a view and putting other pages in its place, another thread may get the addresses.
    pub(super) fn disconnect(&self) {}
}

/// There is no such advice here.
///
/// # Safety
/// None is needed.
pub(crate) unsafe fn advise(_: NonNull<u8>, _: NonZeroUsize, _: Advice) -> io::Result<()> {
    Ok(())
}

/// The pages have to be touched.
///
/// # Safety
/// None is needed.
pub(super) unsafe fn populate(_: NonNull<u8>, _: NonZeroUsize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Only the pages of a process's working set can be locked here, which is small.
///
/// # Safety
/// None is needed.
pub(crate) unsafe fn lock(_: NonNull<u8>, _: NonZeroUsize, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Between giving pages back and mapping a file in their place, another thread could get the addresses.
pub(crate) const CAN_COVER: bool = false;

pub(crate) unsafe fn cover(_: NonNull<u8>, _: NonZeroUsize, _: &File, _: u64, _: Access, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) unsafe fn uncover(_: NonNull<u8>, _: NonZeroUsize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `FlushViewOfFile`, which reads no memory itself and fails where none is mapped.
fn flush_view(start: *const c_void, len: usize) -> io::Result<()> {
    // SAFETY: the function changes no memory, and checks the addresses.
    checked(unsafe { FlushViewOfFile(start, len) })
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the view was mapped by `new`, nothing else unmaps it, and its last owner is gone.
        unsafe { UnmapViewOfFile(MEMORY_MAPPED_VIEW_ADDRESS { Value: self.start.as_ptr().cast() }) };
    }
}

fn checked(succeeded: windows_sys::core::BOOL) -> io::Result<()> {
    if succeeded == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Persistent memory is not looked for here.
pub(super) fn is_synchronous(_: &File) -> bool {
    false
}

/// The serial number of the volume of `file`, and the file's number on it.
pub(crate) fn file_id(file: impl AsHandle) -> io::Result<(u64, u64)> {
    let mut info = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open during the call, which fills a structure that is writable.
    checked(unsafe { GetFileInformationByHandle(file.as_handle().as_raw_handle(), &mut info) })?;
    let index = u64::from(info.nFileIndexHigh) << 32 | u64::from(info.nFileIndexLow);
    Ok((u64::from(info.dwVolumeSerialNumber), index))
}
