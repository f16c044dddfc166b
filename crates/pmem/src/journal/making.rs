//! Making a segment: its file is written out under another name, and gets its own once it is whole.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::format::{DATA_START, Header, LEAST_SEGMENT, Slot, file_name};
use super::segment::Segment;
use crate::os::mapping::{Access, is_on_pmem};
use crate::os::volume::is_copy_on_write;
use crate::os::{deliberate, errno, file, seam};
use crate::storage::medium::{Failed, FileMedium, Medium, MemoryMedium};
use crate::{Error, Result};

/// The name of a segment that is being made.
const UNFINISHED: &str = "next.tmp";

/// How much is written at once, and how long others have the disk then. A segment that is written in one go keeps a commit
/// beside it waiting for milliseconds.
const PIECE: u64 = 256 << 10;
const PAUSE: Duration = Duration::from_millis(4);

/// Segments up to this size are made when they are needed.
const AT_ONCE: u64 = 4 * LEAST_SEGMENT;

const FULL_DISK: &str =
    "the disk has no room for the journal's next file: make room, or give up old records by truncateBefore";

/// A file of zeros that has no segment's name.
pub(super) struct Prepared {
    file: File,
    size: u64,
}

/// A segment being prepared by a thread of its own.
pub(super) struct Preparation {
    size: u64,
    /// Someone waits for it, or it is not wanted any more.
    hurry: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Prepared>>,
}

impl Preparation {
    /// Starts, if the size is worth it.
    pub(super) fn start(folder: &Path, size: u64, mode: u32) -> Option<Self> {
        if size <= AT_ONCE {
            return None;
        }
        let (hurry, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let work = {
            let (path, hurry, stop) = (folder.join(UNFINISHED), Arc::clone(&hurry), Arc::clone(&stop));
            move || Prepared::make(&path, size, mode, &hurry, &stop)
        };
        let thread = std::thread::Builder::new().name("pmem journal".to_owned()).spawn(work).ok()?;
        Some(Self { size, hurry, stop, thread })
    }

    /// Waits for it. None where it failed, or is too small.
    pub(super) fn finish(self, size: u64) -> Option<Prepared> {
        self.hurry.store(true, Ordering::Relaxed);
        self.stop.store(self.size < size, Ordering::Relaxed);
        let prepared = self.thread.join().ok()?.ok()?;
        (prepared.size >= size).then_some(prepared)
    }

    /// Ends it, and removes what it made.
    pub(super) fn cancel(self, folder: &Path) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
        remove_unfinished(folder);
    }
}

/// Removes what was being made. It has no meaning to anyone.
pub(super) fn remove_unfinished(folder: &Path) {
    let path = folder.join(UNFINISHED);
    if path.symlink_metadata().is_ok() {
        let _ = seam::remove(&path);
    }
}

impl Prepared {
    /// A file of this size, at once.
    pub(super) fn now(folder: &Path, size: u64, mode: u32) -> Result<Self> {
        let path = folder.join(UNFINISHED);
        let never = AtomicBool::new(false);
        Self::make(&path, size, mode, &AtomicBool::new(true), &never).map_err(|error| refused(&error, "open", &path))
    }

    fn make(path: &Path, size: u64, mode: u32, hurry: &AtomicBool, stop: &AtomicBool) -> io::Result<Self> {
        let made = Self::write(path, size, mode, hurry, stop);
        if made.is_err() {
            let _ = seam::remove(path);
        }
        made
    }

    /// Zeros give the file's blocks their places, so that writing a record is writing a record only. Where each write finds
    /// new places, they would be in vain.
    fn write(path: &Path, size: u64, mode: u32, hurry: &AtomicBool, stop: &AtomicBool) -> io::Result<Self> {
        if path.symlink_metadata().is_ok() {
            seam::remove(path)?;
        }
        let file = file::make_itself(path, mode)?;
        seam::resize(&file, size)?;
        // Whoever writes to persistent memory waits for nobody.
        let has_others = !is_on_pmem(&file);
        let written = if is_copy_on_write(&file) { DATA_START } else { size };
        for offset in (0..written).step_by(PIECE as usize) {
            if stop.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            file::write_zeros(&file, offset, PIECE.min(written - offset))?;
            if has_others && !hurry.load(Ordering::Relaxed) {
                seam::sync_data(&file)?;
                std::thread::sleep(PAUSE);
            }
        }
        seam::sync_all(&file)?;
        file::forget_pages(&file);
        Ok(Self { file, size })
    }

    /// Its size, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Makes a segment of it, durably, which [`give_name`] has to follow. The header says its size. Where that fails there is
    /// nothing.
    pub(super) fn finish(self, folder: &Path, header: &Header, slot: &Slot) -> Result<(Segment, Arc<dyn Medium>)> {
        self.write_start(folder, header, slot).inspect_err(|_| remove_unfinished(folder))
    }

    fn write_start(self, folder: &Path, header: &Header, slot: &Slot) -> Result<(Segment, Arc<dyn Medium>)> {
        let path = folder.join(file_name(header.first));
        let failed = |syscall| {
            let path = path.clone();
            move |error: io::Error| refused(&error, syscall, &path)
        };
        seam::pwrite(&self.file, &header.encode(), 0).map_err(failed("pwrite"))?;
        seam::pwrite(&self.file, &slot.encode(header.salt), slot.place()).map_err(failed("pwrite"))?;
        if !deliberate::is_on("journal: new segment not synced") {
            seam::sync_all(&self.file).map_err(failed("fsync"))?;
        }
        let file = Arc::new(self.file);
        let medium = medium(&file, header.size).map_err(failed("mmap"))?;
        Ok((Segment::written(*header, &path, file, Arc::clone(&medium)), medium))
    }
}

/// Why a segment could not be made.
fn refused(error: &io::Error, syscall: &'static str, path: &Path) -> Error {
    Error::io(error, syscall, Some(path)).with_hint_on(errno::ENOSPC, FULL_DISK)
}

/// Gives a segment its name, durably.
///
/// # Errors
/// [`Failed::Write`] where it has none, and what was made is gone; [`Failed::Sync`] where that is not known, for good: also
/// taking the name away again might not last, and then the segment would come back beside what was appended to the one before.
pub(super) fn give_name(folder: &Path, segment: &Segment) -> std::result::Result<(), Failed> {
    let named = seam::rename(&folder.join(UNFINISHED), &segment.path, &segment.file);
    named.inspect_err(|_| remove_unfinished(folder)).map_err(Failed::Write)?;
    if deliberate::is_on("journal: new segment's name not synced") {
        return Ok(());
    }
    file::sync_folder(folder).map(drop).map_err(Failed::Sync)
}

/// The way to write to a segment's file.
pub(super) fn medium(file: &Arc<File>, len: u64) -> io::Result<Arc<dyn Medium>> {
    if is_on_pmem(file) {
        return Ok(Arc::new(MemoryMedium::new(Arc::clone(file), len, Access::Shared)?));
    }
    Ok(Arc::new(FileMedium::new(Arc::clone(file), len)?))
}

/// Makes the folder of a new journal where it is missing. It is durable on return, also where somebody else made it who was
/// killed then.
pub(super) fn make_folder(path: &Path, mode: u32) -> Result<()> {
    let failed = |error: io::Error| Error::io(&error, "mkdir", Some(path));
    match errno::uninterrupted(|| path.metadata()) {
        Ok(there) if there.is_dir() => {}
        Ok(_) => return Err(Error::os(errno::ENOTDIR, "mkdir", Some(path)).with_hint("a journal is a folder")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => file::make_folder(path, mode).map_err(failed)?,
        Err(error) => return Err(failed(error)),
    }
    if deliberate::is_on("journal: folder's name not synced") {
        return Ok(());
    }
    file::sync_folder(file::folder_of(path)).map(drop).map_err(failed)
}
