//! What POSIX, and Linux beyond it, offer for files.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::os::device_dax::DeviceDax;
use crate::os::errno;
use crate::{Error, Result};

/// An open file of someone else.
pub type Descriptor<'file> = BorrowedFd<'file>;

pub(crate) fn descriptor(file: &File) -> Descriptor<'_> {
    file.as_fd()
}

/// Opening a FIFO does not wait for its other end.
pub(super) fn never_wait(how: &mut OpenOptions) -> &mut OpenOptions {
    how.custom_flags(nix::libc::O_NONBLOCK)
}

/// Opening does not wait, and fails where the name is a link's.
pub(super) fn never_follow(how: &mut OpenOptions) -> &mut OpenOptions {
    how.custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW)
}

/// A file that is made gets these permissions.
pub(super) fn permit(how: &mut OpenOptions, mode: u32) -> &mut OpenOptions {
    how.mode(mode)
}

/// Opens a folder, to know it again. What it turns out to be is the caller's matter.
pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    let mut how = OpenOptions::new();
    open(never_wait(how.read(true)), path)
}

/// A folder that is made gets these permissions.
pub(super) fn permit_folder(how: &mut DirBuilder, mode: u32) {
    how.mode(mode);
}

pub(super) fn open(how: &OpenOptions, path: &Path) -> io::Result<File> {
    how.open(path)
}

const TAKEN_WHOLE: &str = "a device of persistent memory takes regions, which are mapped without `create`, a log or an array of blocks of \
                           size 0; all else is a file, on a file system that is mounted with DAX";

/// The size of `file`, which must be a regular one.
pub(crate) fn regular_size(file: Descriptor<'_>, path: Option<&Path>, syscall: &'static str) -> Result<u64> {
    let stat = errno::uninterrupted(|| nix::sys::stat::fstat(file));
    let stat = stat.map_err(|error| Error::io(&error, syscall, path))?;
    match stat.st_mode & nix::libc::S_IFMT {
        nix::libc::S_IFREG => Ok(stat.st_size as u64),
        nix::libc::S_IFDIR => Err(Error::os(errno::EISDIR, syscall, path)),
        _ => {
            let hint = if DeviceDax::of(file).is_some() { TAKEN_WHOLE } else { "only regular files can be mapped" };
            Err(Error::os(errno::ENODEV, syscall, path).with_hint(hint))
        }
    }
}

/// The device and the number of a file, which stay with it while it is open.
pub(crate) fn file_id(file: impl AsFd) -> io::Result<(u64, u64)> {
    let stat = errno::uninterrupted(|| nix::sys::stat::fstat(&file))?;
    Ok((stat.st_dev as u64, stat.st_ino))
}

#[cfg(target_os = "linux")]
pub(super) fn open_unnamed(folder: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(nix::libc::O_TMPFILE).mode(mode).open(folder)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open_unnamed(_: &Path, _: u32) -> io::Result<File> {
    Err(io::Error::from_raw_os_error(nix::libc::ENOTSUP))
}

/// Whether [`name`] can give an unnamed file its name.
pub(super) fn can_be_named(file: &File) -> bool {
    through_proc(file).exists()
}

/// Gives an unnamed file its name, unless that is taken.
pub(super) fn name(file: &File, path: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, AtFlags};
    let mut interrupted = false;
    errno::uninterrupted(|| {
        let named = nix::unistd::linkat(AT_FDCWD, &through_proc(file), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW);
        match named {
            // What was interrupted may have been done.
            Err(Errno::EEXIST) if interrupted && is_at(file, path) => Ok(()),
            Err(Errno::EINTR) => {
                interrupted = true;
                named
            }
            _ => named,
        }
    })
}

/// The name that every open file has on Linux, whatever its path leads to by now.
pub(crate) fn through_proc(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Gives the bytes of the file from `start` to `end` their blocks, so that no store to them can run out of space.
#[cfg(target_os = "linux")]
pub(super) fn allocate(file: &File, start: u64, end: u64) -> io::Result<()> {
    /// An interrupted call may have done nothing: after each it is tried with half as much, but with so much at least.
    const LEAST: u64 = 64 << 10;
    let (mut done, mut piece) = (start, end - start);
    while done < end {
        let len = piece.min(end - done);
        match nix::fcntl::posix_fallocate(file, done as i64, len as i64) {
            Ok(()) => done += len,
            Err(Errno::EINTR) => piece = (piece / 2).next_multiple_of(LEAST),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn allocate(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

/// Drops the file's clean pages from the page cache. Pages that were written by many at once are written back by many at
/// once, so that each msync of one would pay for its neighbours; those that a mapping brings in again are single ones.
#[cfg(target_os = "linux")]
pub(crate) fn forget_pages(file: &File) {
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn forget_pages(_: &File) {}

/// Drops the pages of someone else's file from the page cache, those that were changed after they are written.
pub(crate) fn forget_cached(file: Descriptor<'_>, readonly: bool) -> io::Result<()> {
    let file = File::from(file.try_clone_to_owned()?);
    if !readonly {
        file.sync_data()?;
    }
    forget_pages(&file);
    Ok(())
}

/// Whether [`name`] failed since the file system, or what watches over this process, lets no file that is open have a name.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    use nix::libc::{EACCES, EINVAL, ELOOP, EMLINK, ENOENT, ENOSYS, ENOTSUP, EOPNOTSUPP, EPERM, EXDEV};
    // Also what its name in /proc may be refused with.
    #[allow(unreachable_patterns, reason = "two of them are one number on Linux")]
    let refused = |errno| {
        matches!(errno, EACCES | EINVAL | ELOOP | EMLINK | ENOENT | ENOSYS | ENOTSUP | EOPNOTSUPP | EPERM | EXDEV)
    };
    error.raw_os_error().is_some_and(refused)
}

/// Whether `path` is a name of the file.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let there = errno::uninterrupted(|| path.symlink_metadata()).map(|metadata| (metadata.dev(), metadata.ino()));
    there.is_ok_and(|there| file_id(file).is_ok_and(|id| id == there))
}

/// Whether `path` is still a name of the file, which others may remove and rename.
pub(crate) fn leads_to(path: &Path, file: &File) -> bool {
    is_at(file, path)
}

/// A folder, to make its entries durable; none where it may not be read, which syncing takes.
pub(super) struct Folder(Option<File>);

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(folder) => Ok(Self(Some(folder))),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Self(None)),
            Err(error) => Err(error),
        }
    }

    /// Makes the folder's entries durable. False where that cannot be done here.
    pub(super) fn sync(&self) -> io::Result<bool> {
        use nix::libc::{EBADF, EINVAL, ENOSYS, ENOTSUP, EOPNOTSUPP};
        let Some(folder) = &self.0 else { return Ok(false) };
        #[allow(unreachable_patterns, reason = "two of them are one number on Linux")]
        match folder.sync_all().map_err(|error| (error.raw_os_error(), error)) {
            Ok(()) => Ok(true),
            Err((Some(EBADF | EINVAL | ENOSYS | ENOTSUP | EOPNOTSUPP), _)) => Ok(false),
            Err((_, error)) => Err(error),
        }
    }
}

/// Fills `target` from `offset`; [`io::ErrorKind::UnexpectedEof`] where the file ends before that.
pub(super) fn read_exact_at(file: &File, target: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(target, offset)
}

/// Writes all of `data` at `offset`.
pub(super) fn write_all_at(file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(data, offset)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(unsafe_code)]

    use std::sync::atomic::{AtomicBool, Ordering};

    use nix::sys::pthread::{pthread_kill, pthread_self};
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    use super::*;

    extern "C" fn nothing(_: nix::libc::c_int) {}

    #[test]
    fn signals_do_not_keep_a_file_from_its_blocks() {
        const SIZE: u64 = 256 << 20;
        let folder = Path::new("/dev/shm");
        let file = if folder.is_dir() { tempfile::tempfile_in(folder) } else { tempfile::tempfile() }.unwrap();
        let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing.
        unsafe { sigaction(Signal::SIGUSR2, &action) }.unwrap();
        let (thread, done) = (pthread_self(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    pthread_kill(thread, Signal::SIGUSR2).unwrap();
                    std::thread::sleep(std::time::Duration::from_micros(500));
                }
            });
            let allocated = allocate(&file, 0, SIZE);
            done.store(true, Ordering::SeqCst);
            allocated.unwrap();
        });
        assert_eq!(file.metadata().unwrap().blocks() * 512, SIZE);
    }
}
