//! Files before they are mapped: opened, made, sized, and made durable.

#[cfg_attr(unix, path = "file/unix.rs")]
#[cfg_attr(windows, path = "file/windows.rs")]
mod platform;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::os::device_dax::DeviceDax;
use crate::os::mapping::Advice;
use crate::os::{deliberate, errno, seam};
use crate::{Error, Result};
pub use platform::Descriptor;
pub(crate) use platform::forget_cached;
#[cfg(feature = "pmdk")]
pub(crate) use platform::through_proc;
use platform::{Folder, allocate, can_be_named, is_at, is_refusal, open_unnamed};
pub(crate) use platform::{descriptor, file_id, forget_pages, leads_to, open_folder, regular_size};

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
    /// The new file's permissions, subject to the umask; Windows has none of the kind.
    pub mode: u32,
    /// As in [`MapOptions`](crate::MapOptions).
    pub max_len: Option<usize>,
    /// As in [`MapOptions`](crate::MapOptions).
    pub coverable: bool,
    /// As in [`MapOptions`](crate::MapOptions).
    pub advice: Advice,
    /// As in [`MapOptions`](crate::MapOptions).
    pub populate: bool,
    /// As in [`MapOptions`](crate::MapOptions).
    pub lock: bool,
}

/// Opens an existing file for mapping.
pub(crate) fn open(path: &Path, readonly: bool, syscall: &'static str) -> Result<File> {
    let mut how = OpenOptions::new();
    platform::never_wait(how.read(true).write(!readonly));
    platform::open(&how, path).map_err(|error| Error::io(&error, syscall, Some(path)))
}

/// Opens what has this name itself, never what a link of the name leads to.
pub(crate) fn open_itself(path: &Path, readonly: bool) -> io::Result<File> {
    let mut how = OpenOptions::new();
    platform::never_follow(how.read(true).write(!readonly));
    platform::open(&how, path)
}

/// Makes a file with this name, where nothing has it. It is not durable.
pub(crate) fn make_itself(path: &Path, mode: u32) -> io::Result<File> {
    let mut how = OpenOptions::new();
    platform::permit(how.read(true).write(true).create_new(true), mode);
    let file = seam::name(|| how.open(path))?;
    seam::named(path, &file);
    Ok(file)
}

/// [`open_itself`] for writing, or [`make_itself`] where nothing has the name.
pub(crate) fn open_or_make_itself(path: &Path, mode: u32) -> io::Result<File> {
    loop {
        match open_itself(path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        match make_itself(path, mode) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other,
        }
    }
}

/// Makes a folder, unless it is there. Whoever may read what is in it may also search it. It is not durable.
pub(crate) fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    platform::permit_folder(&mut builder, mode | (mode & 0o444) >> 2);
    match seam::name(|| errno::uninterrupted(|| builder.create(path))) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

/// Makes the names in a folder durable. False where that cannot be done: syncing a file is all that can be done for its name
/// then.
pub(crate) fn sync_folder(path: &Path) -> io::Result<bool> {
    let folder = Folder::open(path)?;
    seam::sync_folder(path, || folder.sync())
}

/// A file that [`create`] made or resized. Dropping it takes that back, until [`Made::keep`].
pub(crate) struct Made {
    file: File,
    undo: Undo,
    /// The file has no name, and cannot be given one.
    nameless: bool,
}

enum Undo {
    Nothing,
    /// The file has no name yet, and goes by itself.
    Unnamed,
    /// The size that the file had, and the one that it was given since: if it has another one by now, that is someone else's.
    Resize {
        before: u64,
        since: u64,
    },
    Remove(PathBuf),
}

impl Made {
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    fn with(file: File, undo: Undo) -> Self {
        Self { file, undo, nameless: false }
    }

    /// A file that is as it was.
    pub(crate) fn existing(file: File) -> Self {
        Self::with(file, Undo::Nothing)
    }

    /// Whether [`Made::keep`] failed since files are not given names here after they are made: one that is made with its
    /// name may do.
    pub(crate) fn is_refused_a_name(&self) -> bool {
        self.nameless
    }

    /// Whether the file was made now.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self.undo, Undo::Remove(_) | Undo::Unnamed)
    }

    /// Keeps the file as it is, under `path`, durably: contents, size and name. Where that fails, what maps the file has to
    /// be dropped first: Windows neither cuts nor removes a file that is mapped.
    ///
    /// A folder that cannot be opened for reading, and one of a file system that syncs none, stays as it is: then all that
    /// can be done for the name is to sync the file that has it.
    pub(crate) fn keep(&mut self, path: &Path, syscall: &'static str) -> Result<()> {
        self.make_durable(path).map_err(|error| Error::io(&error, syscall, Some(path)))?;
        self.undo = Undo::Nothing;
        Ok(())
    }

    /// [`Made::keep`] of a file that was there already: its size is durable, and what it holds.
    pub(crate) fn keep_longer(&mut self) -> io::Result<()> {
        if !deliberate::is_on("grow: file not synced") {
            seam::sync_all(&self.file)?;
        }
        self.undo = Undo::Nothing;
        Ok(())
    }

    fn make_durable(&mut self, path: &Path) -> io::Result<()> {
        if !deliberate::is_on("keep: file not synced") {
            seam::sync_all(&self.file)?;
        }
        if !self.is_new() {
            return Ok(());
        }
        // Before there is a name, which whoever sees it may use at once.
        let folder = Folder::open(folder_of(path))?;
        if matches!(self.undo, Undo::Unnamed) {
            seam::link(|| platform::name(&self.file, path)).inspect_err(|error| self.nameless = is_refusal(error))?;
            self.undo = Undo::Remove(path.to_path_buf());
            seam::named(path, &self.file);
        }
        if !deliberate::is_on("keep: folder not synced") && !seam::sync_folder(folder_of(path), || folder.sync())? {
            seam::sync_all(&self.file)?;
        }
        Ok(())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // A failure here has no one to go to: the caller already gets the failure that led to it.
        let _ = match &self.undo {
            Undo::Nothing | Undo::Unnamed => Ok(()),
            Undo::Resize { before, since }
                if size_of(&self.file).ok() == Some(*since)
                    || deliberate::is_on("grow: another's length taken back") =>
            {
                seam::resize(&self.file, *before)
            }
            Undo::Remove(path) if is_at(&self.file, path) || deliberate::is_on("keep: another's file removed") => {
                seam::remove(path)
            }
            Undo::Resize { .. } | Undo::Remove(_) => Ok(()),
        };
    }
}

/// Makes the file at `path`, or opens it, with the length that `options` say.
pub(crate) fn create(path: &Path, options: &CreateOptions, syscall: &'static str) -> Result<Made> {
    let failed = |error: io::Error| Error::io(&error, syscall, Some(path));
    let size = options.offset.checked_add(options.len as u64).filter(|size| i64::try_from(*size).is_ok());
    let size = size.ok_or_else(|| Error::os(errno::EFBIG, syscall, Some(path)))?;
    let mut made =
        if options.tmpfile { open_unnamed(path, 0o600).map(Made::existing) } else { open_or_make(path, options) }
            .map_err(failed)?;
    let before = regular_size(descriptor(&made.file), Some(path), syscall)?;
    if before > size && !options.truncate {
        let expected = format!(">= {before}, the existing file's size, unless truncate is set");
        return Err(Error::out_of_range("length", expected, size));
    }
    // What is cut off cannot be put back, so cutting comes last and is not undone.
    if matches!(made.undo, Undo::Nothing) && before < size && !options.tmpfile {
        made.undo = Undo::Resize { before, since: size };
    }
    if before < size {
        seam::resize(&made.file, size).map_err(failed)?;
    }
    if !options.sparse {
        allocate(&made.file, 0, size).map_err(failed)?;
    }
    if before > size {
        seam::resize(&made.file, size).map_err(failed)?;
    }
    Ok(made)
}

/// Makes an open file at least `end` bytes long. What lies behind `start` gets its blocks, unless it is to be `sparse`.
pub(crate) fn lengthen(file: File, start: u64, end: u64, sparse: bool, path: Option<&Path>) -> Result<Made> {
    let failed = |syscall| move |error: io::Error| Error::io(&error, syscall, path);
    let before = size_of(&file).map_err(failed("fstat"))?;
    let mut made = Made::existing(file);
    if before < end {
        made.undo = Undo::Resize { before, since: end };
        seam::resize(&made.file, end).map_err(failed("ftruncate"))?;
    }
    if !sparse {
        allocate(&made.file, start, end).map_err(failed("posix_fallocate"))?;
    }
    Ok(made)
}

/// A file's size, in bytes; that of a device of persistent memory.
pub(crate) fn size_of(file: &File) -> io::Result<u64> {
    match errno::uninterrupted(|| file.metadata())?.len() {
        0 => Ok(DeviceDax::of(descriptor(file)).map_or(0, |device| device.size)),
        size => Ok(size),
    }
}

/// The size of what can be mapped: a regular file, or a device of persistent memory.
pub(crate) fn mappable_size(file: Descriptor<'_>, path: Option<&Path>, syscall: &'static str) -> Result<u64> {
    DeviceDax::of(file).map_or_else(|| regular_size(file, path, syscall), |device| Ok(device.size))
}

/// Fills `target` from `offset`; [`io::ErrorKind::UnexpectedEof`] where the file ends before that.
pub(crate) fn read_exact_at(file: &File, target: &mut [u8], offset: u64) -> io::Result<()> {
    let read = platform::read_exact_at(file, target, offset);
    refused_by_device(file, &read).map_or(read, |device| device.read_at(file, target, offset))
}

/// Writes all of `data` at `offset`.
pub(crate) fn write_all_at(file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    let written = platform::write_all_at(file, data, offset);
    refused_by_device(file, &written).map_or(written, |device| device.write_at(file, data, offset))
}

/// What is left to do after a file was `synced`: nothing for a device, of which [`write_all_at`] leaves nothing to sync.
pub(crate) fn synced(file: &File, synced: io::Result<()>) -> io::Result<()> {
    refused_by_device(file, &synced).map_or(synced, |_| Ok(()))
}

/// The device of persistent memory that refused what files alone can do.
fn refused_by_device<T>(file: &File, result: &io::Result<T>) -> Option<DeviceDax> {
    let refused = result.as_ref().is_err_and(|error| errno::of(error) == errno::EINVAL);
    refused.then(|| DeviceDax::of(descriptor(file))).flatten()
}

/// How [`make`] makes a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewFile {
    /// In bytes.
    pub(crate) size: u64,
    /// The permissions, as in [`CreateOptions`].
    pub(crate) mode: u32,
    /// Blocks are allocated when first written, not now.
    pub(crate) sparse: bool,
    /// The file has its name from the start.
    pub(crate) named: bool,
}

/// Makes a file for `path`, where nothing may be yet. It gets its name when it is kept, so that whoever is killed before
/// leaves nothing behind, except where it is asked to be `named`, and on file systems where every file has a name.
pub(crate) fn make(path: &Path, new: NewFile, syscall: &'static str) -> Result<Made> {
    let failed = |error: io::Error| Error::io(&error, syscall, Some(path));
    if errno::uninterrupted(|| path.symlink_metadata()).is_ok() {
        return Err(Error::os(errno::EEXIST, syscall, Some(path)));
    }
    let unnamed = if new.named { None } else { open_unnamed(folder_of(path), new.mode).ok() };
    let made = match unnamed.filter(can_be_named) {
        Some(file) => Ok(Made::with(file, Undo::Unnamed)),
        None => make_named(path, new.mode),
    };
    let made = made.map_err(failed)?;
    seam::resize(&made.file, new.size).map_err(failed)?;
    if !new.sparse {
        allocate(&made.file, 0, new.size).map_err(failed)?;
    }
    Ok(made)
}

fn make_named(path: &Path, mode: u32) -> io::Result<Made> {
    let file = make_itself(path, mode)?;
    Ok(Made::with(file, Undo::Remove(path.to_path_buf())))
}

/// Opens the file, or makes it where it is missing, knowing which of the two it was.
fn open_or_make(path: &Path, options: &CreateOptions) -> io::Result<Made> {
    let mut how = OpenOptions::new();
    platform::permit(platform::never_wait(how.read(true).write(true)), options.mode);
    loop {
        match seam::name(|| how.clone().create_new(true).open(path)) {
            Ok(file) => {
                seam::named(path, &file);
                return Ok(Made::with(file, Undo::Remove(path.to_path_buf())));
            }
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists || options.exclusive => return Err(error),
            Err(_) => {}
        }
        match platform::open(&how, path) {
            Ok(file) => return Ok(Made::existing(file)),
            // A dangling link exists for the first call and not for this one.
            Err(error) if error.kind() != io::ErrorKind::NotFound || path.is_symlink() => return Err(error),
            Err(_) => {}
        }
    }
}

/// Writes zeros, which gives a file's blocks contents of their own, not only room.
pub(crate) fn write_zeros(file: &File, offset: u64, len: u64) -> io::Result<()> {
    const ZEROS: &[u8] = &[0; 1 << 18];
    let mut done = 0;
    while done < len {
        let count = usize::try_from(len - done).unwrap_or(usize::MAX).min(ZEROS.len());
        seam::pwrite(file, &ZEROS[..count], offset + done)?;
        done += count as u64;
    }
    Ok(())
}

/// The folder that holds a name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::seam::recorder::Recorder;

    const NEW: NewFile = NewFile { size: 8192, mode: 0o600, sparse: false, named: false };

    fn options(len: usize) -> CreateOptions {
        CreateOptions { len, mode: 0o666, ..Default::default() }
    }

    #[test]
    fn a_new_file_that_is_not_kept_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        drop(create(&path, &options(8192), "open").unwrap());
        assert!(!path.exists());
        create(&path, &options(8192), "open").unwrap().keep(&path, "open").unwrap();
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
        create(&path, &CreateOptions { truncate: true, ..options(4096) }, "open").unwrap().keep(&path, "open").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), vec![1; 4096]);
    }

    #[test]
    fn a_file_that_is_made_has_no_name_before_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pool");
        drop(make(&path, NEW, "open").unwrap());
        let mut made = make(&path, NEW, "open").unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), usize::from(!matches!(made.undo, Undo::Unnamed)));
        made.keep(&path, "open").unwrap();
        assert_eq!(path.metadata().unwrap().len(), 8192);
        assert_eq!(make(&path, NEW, "open").err().unwrap().code(), "EEXIST");
    }

    /// What makes a file in each way, and keeps it.
    const WAYS: [fn(&Path) -> Result<()>; 3] = [
        |path| make(path, NEW, "open")?.keep(path, "open"),
        |path| make(path, NewFile { named: true, ..NEW }, "open")?.keep(path, "open"),
        |path| create(path, &options(8192), "open")?.keep(path, "open"),
    ];

    #[test]
    fn whatever_fails_in_keeping_a_new_file_its_name_is_gone_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        for way in WAYS {
            for number in 0.. {
                let recorder = Recorder::new();
                let _attached = recorder.attach();
                recorder.fail_sync(number);
                if way(&path).is_ok() {
                    assert!(number >= 2, "neither the file nor its folder was synced");
                    std::fs::remove_file(&path).unwrap();
                    break;
                }
                assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "sync {number} failed");
            }
        }
    }

    #[test]
    fn a_file_that_took_the_name_of_one_that_is_not_kept_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("new"), folder.path().join("other"));
        let made = create(&path, &options(8192), "open").unwrap();
        std::fs::write(&other, b"another").unwrap();
        if std::fs::rename(&other, &path).is_ok() {
            drop(made);
            assert_eq!(std::fs::read(&path).unwrap(), b"another");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_dangling_link_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("nothing/there"), &path).unwrap();
        assert_eq!(create(&path, &options(4096), "open").err().unwrap().code(), "ENOENT");
    }
}
