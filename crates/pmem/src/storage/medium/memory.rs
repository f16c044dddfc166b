//! Persistent memory: a mapping that is stored to, whose cache lines are written back.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Failed, Locked, Medium, Range};
use crate::os::fault::FaultFlag;
use crate::os::file::descriptor;
use crate::os::flush::native as cache;
use crate::os::mapping::{Access, Mapping};
use crate::os::{deliberate, seam};

/// A mapped file on persistent memory, with the lock on it where it has one of its own.
#[derive(Debug)]
pub(crate) struct MemoryMedium<F = Locked> {
    mapping: Mapping,
    _file: F,
}

impl<F: Deref<Target = File>> MemoryMedium<F> {
    /// The first `len` bytes of the file, mapped.
    pub(crate) fn new(file: F, len: u64, access: Access) -> io::Result<Self> {
        let len = usize::try_from(len).ok().and_then(NonZeroUsize::new).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(Self { mapping: Mapping::new(descriptor(&file), 0, len, access)?, _file: file })
    }

    fn at(&self, offset: u64, len: u64) -> *mut u8 {
        self.mapping.address(offset, len)
    }

    /// Stores, and starts writing caches back.
    fn store(&self, offset: u64, data: &[u8]) {
        let target = self.at(offset, data.len() as u64);
        match *data {
            [a, b, c, d] if offset.is_multiple_of(4) => self.store_word(offset, u32::from_ne_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] if offset.is_multiple_of(8) => {
                let value = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
                // SAFETY: the range was checked, mappings start at a page, and the integer is only reached atomically.
                let number = unsafe { AtomicU64::from_ptr(target.cast()) };
                seam::store(target, 8, || number.store(value, Ordering::Release));
                if !deliberate::is_on("memory: long words not flushed") {
                    cache::flush(target, 8);
                }
            }
            // SAFETY: the range was checked, and a mapping never overlaps memory of Rust's.
            _ => unsafe { cache::copy(target, data.as_ptr(), data.len()) },
        }
    }

    fn store_word(&self, offset: u64, value: u32) {
        let target = self.at(offset, 4);
        seam::store(target, 4, || self.mapping.word(offset).store(value, Ordering::SeqCst));
        if !deliberate::is_on("memory: words not flushed") {
            cache::flush(target, 4);
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.mapping.is_faulted() { Err(lost()) } else { Ok(()) }
    }
}

impl<F: Deref<Target = File> + Send + Sync> Medium for MemoryMedium<F> {
    fn len(&self) -> u64 {
        self.mapping.len() as u64
    }

    fn is_concurrent(&self) -> bool {
        true
    }

    fn load(&self, offset: u64, target: &mut [u8]) {
        self.mapping.load(offset, target);
    }

    fn load_long(&self, offset: u64) -> u64 {
        u64::from_le(self.mapping.double_word(offset).load(Ordering::Acquire))
    }

    /// A cache line is written back by whichever process asks for it, wherever it is cached.
    fn sync_loaded(&self, offset: u64, len: u64) -> io::Result<()> {
        if !deliberate::is_on("memory: what was loaded not flushed") {
            cache::flush(self.at(offset, len), len as usize);
        }
        cache::drain();
        self.check()
    }

    fn load_word(&self, offset: u64) -> u32 {
        u32::from_le(self.mapping.word(offset).load(Ordering::SeqCst))
    }

    fn write_word(&self, offset: u64, value: u32) -> io::Result<()> {
        self.store_word(offset, value.to_le());
        Ok(())
    }

    fn reserve_word(&self, _offset: u64) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.store(offset, data);
        Ok(())
    }

    fn put(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let target = self.at(offset, data.len() as u64);
        // SAFETY: the range was checked, and a mapping never overlaps memory of Rust's.
        let copy = || unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), target, data.len()) };
        seam::store(target, data.len(), copy);
        self.check()
    }

    fn write_zeros(&self, offset: u64, len: u64) -> io::Result<()> {
        // SAFETY: the range was checked.
        unsafe { cache::fill(self.at(offset, len), 0, len as usize) };
        Ok(())
    }

    fn commit(&self, writes: &[(u64, &[u8])], earlier: &[Range]) -> Result<(), Failed> {
        writes.iter().for_each(|(offset, data)| self.store(*offset, data));
        if !deliberate::is_on("memory: earlier ranges not flushed") {
            earlier.iter().for_each(|&(offset, len)| cache::flush(self.at(offset, len), len as usize));
        }
        cache::drain();
        // As late as can be: a file that is cut after this was cut after the commit.
        if !deliberate::is_on("memory: no touch") {
            // A file that is cut loses what lies behind: so the last byte tells of all.
            let ends = writes.iter().map(|(offset, data)| offset + data.len() as u64);
            let end = ends.chain(earlier.iter().map(|(offset, len)| offset + len)).max().unwrap_or(0);
            self.mapping.touch(0, end as usize);
        }
        self.check().map_err(Failed::Sync)
    }

    fn fault_flag(&self) -> Arc<FaultFlag> {
        self.mapping.fault_flag()
    }
}

/// That a page is lost, as an error that callers replace by [`crate::Error::Fault`].
pub(crate) fn lost() -> io::Error {
    io::Error::other("a page is lost")
}
