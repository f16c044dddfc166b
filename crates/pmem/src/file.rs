//! Files before they are mapped: opened, made, sized, and made durable.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// How [`Region::map_file`](crate::Region::map_file) makes its file: the flags of `pmem_map_file`.
#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    /// The number of bytes to map; the file is made `offset + len` long.
    pub len: usize,
    /// The first byte to map, a multiple of the page size.
    pub offset: u64,
    /// `PMEM_FILE_EXCL`: an existing file is refused with `EEXIST`.
    pub exclusive: bool,
    /// `PMEM_FILE_SPARSE`: blocks are allocated when first written, not now.
    pub sparse: bool,
    /// `PMEM_FILE_TMPFILE`: the path is a folder, the file has no name and goes with its last mapping.
    pub tmpfile: bool,
    /// An existing longer file is cut; without it, it is refused.
    pub truncate: bool,
    /// The new file's permissions, subject to the umask.
    pub mode: u32,
}

/// Opens an existing file for mapping.
pub(crate) fn open(path: &Path, readonly: bool, syscall: &'static str) -> Result<File> {
    let opened = OpenOptions::new().read(true).write(!readonly).custom_flags(nix::libc::O_NONBLOCK).open(path);
    opened.map_err(|error| Error::io(&error, syscall, Some(path)))
}

/// The size of `file`, which must be a regular one.
pub(crate) fn regular_size(file: BorrowedFd<'_>, path: Option<&Path>, syscall: &'static str) -> Result<u64> {
    let stat = nix::sys::stat::fstat(file).map_err(|errno| Error::os(errno as i32, syscall, path))?;
    match stat.st_mode & nix::libc::S_IFMT {
        nix::libc::S_IFREG => Ok(stat.st_size as u64),
        nix::libc::S_IFDIR => Err(Error::os(nix::libc::EISDIR, syscall, path)),
        _ => Err(Error::os(nix::libc::ENODEV, syscall, path).with_hint("only regular files can be mapped")),
    }
}

/// A file that [`create`] made or resized. Dropping it takes that back, until [`Made::keep`].
pub(crate) struct Made {
    file: File,
    undo: Undo,
}

enum Undo {
    Nothing,
    Resize(u64),
    Remove(PathBuf),
}

impl Made {
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Whether the file has a name only since now.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self.undo, Undo::Remove(_))
    }

    pub(crate) fn keep(&mut self) {
        self.undo = Undo::Nothing;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // A failure here has no one to go to: the caller already gets the failure that led to it.
        let _ = match &self.undo {
            Undo::Nothing => Ok(()),
            Undo::Resize(size) => self.file.set_len(*size),
            Undo::Remove(path) => std::fs::remove_file(path),
        };
    }
}

/// Makes the file at `path`, or opens it, with the length that `options` say. Length and name are durable on return.
pub(crate) fn create(path: &Path, options: &CreateOptions, syscall: &'static str) -> Result<Made> {
    let failed = |error: io::Error| Error::io(&error, syscall, Some(path));
    let size = options.offset.checked_add(options.len as u64).filter(|size| i64::try_from(*size).is_ok());
    let size = size.ok_or_else(|| Error::os(nix::libc::EFBIG, syscall, Some(path)))?;
    let mut made = if options.tmpfile { open_unnamed(path) } else { open_or_make(path, options) }.map_err(failed)?;
    let before = regular_size(std::os::fd::AsFd::as_fd(&made.file), Some(path), syscall)?;
    if before > size && !options.truncate {
        let expected = format!(">= {before}, the existing file's size, unless truncate is set");
        return Err(Error::out_of_range("length", expected, size));
    }
    // What is cut off cannot be put back, so cutting comes last and is not undone.
    if matches!(made.undo, Undo::Nothing) && before < size && !options.tmpfile {
        made.undo = Undo::Resize(before);
    }
    if before < size {
        made.file.set_len(size).map_err(failed)?;
    }
    if !options.sparse {
        allocate(&made.file, size).map_err(failed)?;
    }
    if before > size {
        made.file.set_len(size).map_err(failed)?;
    }
    made.file.sync_all().map_err(failed)?;
    if made.is_new() {
        sync_folder_of(path).map_err(failed)?;
    }
    Ok(made)
}

fn open_unnamed(folder: &Path) -> io::Result<Made> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(nix::libc::O_TMPFILE).mode(0o600);
    Ok(Made { file: options.open(folder)?, undo: Undo::Nothing })
}

/// Opens the file, or makes it where it is missing, knowing which of the two it was.
fn open_or_make(path: &Path, options: &CreateOptions) -> io::Result<Made> {
    let mut how = OpenOptions::new();
    how.read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).mode(options.mode);
    loop {
        match how.clone().create_new(true).open(path) {
            Ok(file) => return Ok(Made { file, undo: Undo::Remove(path.to_path_buf()) }),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists || options.exclusive => return Err(error),
            Err(_) => {}
        }
        match how.open(path) {
            Ok(file) => return Ok(Made { file, undo: Undo::Nothing }),
            // A dangling link exists for the first call and not for this one.
            Err(error) if error.kind() != io::ErrorKind::NotFound || path.is_symlink() => return Err(error),
            Err(_) => {}
        }
    }
}

/// Gives the first `size` bytes of the file their blocks, so that no store to them can run out of space.
#[cfg(target_os = "linux")]
fn allocate(file: &File, size: u64) -> io::Result<()> {
    Ok(nix::fcntl::posix_fallocate(file, 0, size as i64)?)
}

#[cfg(not(target_os = "linux"))]
fn allocate(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}

/// Makes the directory entry of `path` durable.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(len: usize) -> CreateOptions {
        CreateOptions { len, mode: 0o666, ..Default::default() }
    }

    #[test]
    fn a_new_file_that_is_not_kept_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        drop(create(&path, &options(8192), "open").unwrap());
        assert!(!path.exists());
        create(&path, &options(8192), "open").unwrap().keep();
        assert_eq!(path.metadata().unwrap().len(), 8192);
    }

    #[test]
    fn a_grown_file_that_is_not_kept_shrinks_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old");
        std::fs::write(&path, b"data").unwrap();
        drop(create(&path, &options(8192), "open").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"data");
    }

    #[test]
    fn a_longer_file_is_cut_only_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        std::fs::write(&path, vec![1; 10_000]).unwrap();
        assert_eq!(create(&path, &options(4096), "open").err().unwrap().code(), "ERR_OUT_OF_RANGE");
        assert_eq!(path.metadata().unwrap().len(), 10_000);
        create(&path, &CreateOptions { truncate: true, ..options(4096) }, "open").unwrap().keep();
        assert_eq!(std::fs::read(&path).unwrap(), vec![1; 4096]);
    }

    #[test]
    fn a_dangling_link_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("nothing/there"), &path).unwrap();
        assert_eq!(create(&path, &options(4096), "open").err().unwrap().code(), "ENOENT");
    }
}
