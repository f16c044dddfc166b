//! A file in the page cache: written by `pwrite`, read through a mapping that nothing can be stored to.
//!
//! A store through a mapping would make the whole folio dirty that holds its page, up to megabytes of it, and on a full disk
//! it would be a signal. A write is a few bytes, and an error.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::words::Words;
use super::{Failed, Locked, Medium, Range, lost};
use crate::os::fault::FaultFlag;
use crate::os::file::{descriptor, write_zeros};
use crate::os::mapping::{Access, Mapping};
use crate::os::{deliberate, errno, seam};

/// Words within so many bytes are written together.
const PAGE: u64 = 4096;

/// A file, with the lock on it where it has one of its own. Writers take turns: the operating system tells of a write-back that failed once, to whoever
/// syncs next, and so of two syncs at a time one may succeed wrongly.
#[derive(Debug)]
pub(crate) struct FileMedium<F = Locked> {
    mapping: Mapping,
    file: F,
    words: Words,
}

impl<F: Deref<Target = File>> FileMedium<F> {
    /// The first `len` bytes of the file.
    pub(crate) fn new(file: F, len: u64) -> io::Result<Self> {
        let len = usize::try_from(len).ok().and_then(NonZeroUsize::new).ok_or(io::ErrorKind::FileTooLarge)?;
        let mapping = Mapping::new(descriptor(&file), 0, len, Access::Read)?;
        Ok(Self { mapping, file, words: Words::default() })
    }

    fn check_range(&self, offset: u64, len: u64) {
        self.mapping.address(offset, len);
    }

    /// A file that someone else cut would be made longer again by writing to it, with zeros for what was lost. No access
    /// meets the end of a file within a page.
    ///
    /// The end is sought, since asking for the file's metadata would have Linux give each later write a time of its own, and
    /// each sync a commit of the file system's journal.
    fn check_size(&self) -> io::Result<()> {
        let mut file: &File = &self.file;
        if file.seek(SeekFrom::End(0))? < self.mapping.len() as u64 && !deliberate::is_on("file: size not checked") {
            self.mapping.raise_fault();
        }
        if self.mapping.is_faulted() { Err(lost()) } else { Ok(()) }
    }

    fn mapped_word(&self, offset: u64) -> u32 {
        u32::from_le(self.mapping.word(offset).load(Ordering::Relaxed))
    }

    /// Writes that lie in a row are one, and so are words of eight bytes in one page, with what lies between them: writing
    /// what is there already changes nothing, however it is torn.
    fn write_all(&self, writes: &[(u64, &[u8])]) -> io::Result<()> {
        let is_word = |(offset, data): &&(u64, &[u8])| data.len() == 8 && offset.is_multiple_of(8);
        let (mut words, others): (Vec<_>, Vec<_>) = writes.iter().partition(is_word);
        for run in others.chunk_by(|(offset, data), (next, _)| offset + data.len() as u64 == *next) {
            match run {
                [(offset, data)] => self.write_one(*offset, data)?,
                run => self.write_one(run[0].0, &run.iter().map(|(_, data)| *data).collect::<Vec<_>>().concat())?,
            }
        }
        words.sort_unstable_by_key(|(offset, _)| *offset);
        for page in words.chunk_by(|(one, _), (other, _)| one / PAGE == other / PAGE) {
            let (first, last) = (page[0].0, page[page.len() - 1].0);
            let mut bytes = vec![0; (last + 8 - first) as usize];
            if page.len() > 1 && !deliberate::is_on("file: words between others lost") {
                self.mapping.load(first, &mut bytes);
            }
            for (offset, word) in page {
                bytes[(offset - first) as usize..][..8].copy_from_slice(word);
            }
            self.write_one(first, &bytes)?;
        }
        Ok(())
    }

    fn write_one(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_range(offset, data.len() as u64);
        seam::pwrite(&self.file, data, offset)
    }
}

impl<F: Deref<Target = File> + Send + Sync> Medium for FileMedium<F> {
    fn len(&self) -> u64 {
        self.mapping.len() as u64
    }

    fn is_concurrent(&self) -> bool {
        false
    }

    fn load(&self, offset: u64, target: &mut [u8]) {
        self.mapping.load(offset, target);
    }

    fn load_long(&self, offset: u64) -> u64 {
        u64::from_le(self.mapping.double_word(offset).load(Ordering::Acquire))
    }

    /// A file system that only reads refuses to sync.
    fn sync_loaded(&self, _offset: u64, _len: u64) -> io::Result<()> {
        match seam::sync_data(&self.file) {
            Err(error) if matches!(errno::of(&error), errno::EINVAL | errno::EROFS) => Ok(()),
            synced => synced,
        }
    }

    fn load_word(&self, offset: u64) -> u32 {
        self.words.load(offset, || self.mapped_word(offset))
    }

    fn write_word(&self, offset: u64, value: u32) -> io::Result<()> {
        self.write_words(&[(offset, value)])
    }

    fn write_words(&self, words: &[(u64, u32)]) -> io::Result<()> {
        self.words.store(words, |at| self.mapped_word(at), |at, bytes| self.write_one(at, bytes))
    }

    /// The first word of a page that is written gives the page its place on the disk.
    fn reserve_word(&self, offset: u64) -> io::Result<()> {
        if self.words.has_page(offset) { Ok(()) } else { self.write_word(offset, self.load_word(offset)) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_size()?;
        self.write_one(offset, data)
    }

    /// The commit that makes it durable sees to the file's size.
    fn put(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_one(offset, data)
    }

    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()> {
        self.check_range(offset, len);
        self.check_size()?;
        write_zeros(&self.file, offset, len)
    }

    /// A sync makes all of the file durable that was written so far, and so the `earlier` ranges too. Writes that are durable
    /// on return (`RWF_DSYNC`) cost as much, and do not tell which of the two failed.
    fn commit(&self, writes: &[(u64, &[u8])], _earlier: &[Range]) -> Result<(), Failed> {
        self.check_size().map_err(Failed::Write)?;
        self.write_all(writes).map_err(Failed::Write)?;
        if !deliberate::is_on("file: no sync") {
            seam::sync_data(&self.file).map_err(Failed::Sync)?;
        }
        self.check_size().map_err(Failed::Sync)
    }

    fn fault_flag(&self) -> Arc<FaultFlag> {
        self.mapping.fault_flag()
    }
}
