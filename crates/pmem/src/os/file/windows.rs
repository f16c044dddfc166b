//! What Windows offers for files.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::windows::fs::FileExt;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::path::Path;

use windows_sys::Win32::Foundation::ERROR_INVALID_FUNCTION;

use crate::os::errno;
use crate::{Error, Result};

pub(crate) use crate::os::mapping::file_id;

/// An open file of someone else.
pub type Descriptor<'file> = BorrowedHandle<'file>;

pub(crate) fn descriptor(file: &File) -> Descriptor<'_> {
    file.as_handle()
}

/// Opening never waits here.
pub(super) fn never_wait(how: &mut OpenOptions) -> &mut OpenOptions {
    how
}

/// A file's permissions come from its folder here.
pub(super) fn permit(how: &mut OpenOptions, _: u32) -> &mut OpenOptions {
    how
}

/// Opens a folder, to know it again. What it turns out to be is the caller's matter.
pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_BACKUP_SEMANTICS;
    OpenOptions::new().read(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)
}

/// Links take a privilege here.
pub(super) fn never_follow(how: &mut OpenOptions) -> &mut OpenOptions {
    how
}

/// A folder's permissions come from the one that it is in.
pub(super) fn permit_folder(_: &mut DirBuilder, _: u32) {}

pub(super) fn open(how: &OpenOptions, path: &Path) -> io::Result<File> {
    how.open(path).map_err(|error| {
        // To Windows that is a lack of permission.
        let is_folder = error.kind() == ErrorKind::PermissionDenied && path.is_dir();
        if is_folder { ErrorKind::IsADirectory.into() } else { error }
    })
}

/// The size of `file`, which must be a regular one.
pub(crate) fn regular_size(file: Descriptor<'_>, path: Option<&Path>, syscall: &'static str) -> Result<u64> {
    let irregular = || Error::os(errno::ENODEV, syscall, path).with_hint("only regular files can be mapped");
    match file.try_clone_to_owned().and_then(|file| File::from(file).metadata()) {
        Ok(metadata) if metadata.is_dir() => Err(Error::os(errno::EISDIR, syscall, path)),
        Ok(metadata) if metadata.is_file() => Ok(metadata.len()),
        Ok(_) => Err(irregular()),
        // What devices and pipes say.
        Err(error) if error.raw_os_error() == Some(ERROR_INVALID_FUNCTION as i32) => Err(irregular()),
        Err(error) => Err(Error::io(&error, syscall, path)),
    }
}

/// Every file has a name here.
pub(super) fn open_unnamed(_: &Path, _: u32) -> io::Result<File> {
    Err(ErrorKind::Unsupported.into())
}

pub(super) fn can_be_named(_: &File) -> bool {
    false
}

pub(super) fn name(_: &File, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Nothing is left to do: setting a file's length gives it its clusters, on NTFS unless it is sparse or compressed.
pub(super) fn allocate(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

/// Nothing is gained by it here.
pub(crate) fn forget_pages(_: &File) {}

/// Nothing is gained by it here.
pub(crate) fn forget_cached(_: Descriptor<'_>, _readonly: bool) -> io::Result<()> {
    Ok(())
}

/// Every file has its name from the start.
pub(super) fn is_refusal(_: &io::Error) -> bool {
    false
}

/// The path is taken for the file's name: nobody else can rename it while it is open here.
pub(super) fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// Whether `path` is still a name of the file, which others may remove and rename where they let others do so.
pub(crate) fn leads_to(path: &Path, file: &File) -> bool {
    let there = File::open(path).and_then(|there| file_id(&there));
    there.is_ok_and(|there| file_id(file).is_ok_and(|id| id == there))
}

/// Nothing can be done: a folder cannot be flushed. NTFS keeps a journal of names.
pub(super) struct Folder;

impl Folder {
    pub(super) fn open(_: &Path) -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) fn sync(&self) -> io::Result<bool> {
        Ok(true)
    }
}

/// Fills `target` from `offset`; [`io::ErrorKind::UnexpectedEof`] where the file ends before that.
pub(super) fn read_exact_at(file: &File, mut target: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !target.is_empty() {
        match file.seek_read(target, offset) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                target = &mut target[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all of `data` at `offset`.
pub(super) fn write_all_at(file: &File, mut data: &[u8], mut offset: u64) -> io::Result<()> {
    while !data.is_empty() {
        match file.seek_write(data, offset) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                data = &data[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
