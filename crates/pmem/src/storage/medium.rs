//! What the Rust engines keep their pools on. Every load, store, flush and sync of theirs that matters goes through
//! [`Medium`], so that tests can stop, fail or record each step.
#![allow(unsafe_code)]

#[cfg(test)]
pub(crate) mod crashing;

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::num::NonZeroUsize;
#[cfg(feature = "pmdk")]
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::nvml::pool::Locked;
#[cfg(feature = "pmdk")]
use crate::os::fault::FaultFlag;
use crate::os::file::descriptor;
use crate::os::flush::native as cache;
use crate::os::mapping::{Access, Mapping};

/// A pool's bytes. Offsets are in bytes from the pool's start; a range that leaves the pool is a bug and panics.
pub(crate) trait Medium: Send + Sync {
    /// The number of bytes.
    fn len(&self) -> u64;

    /// Copies out.
    fn load(&self, offset: u64, target: &mut [u8]);

    /// Copies in. It is durable, like every store, after [`Medium::sync`] of the range.
    fn store(&self, offset: u64, data: &[u8]);

    /// Fills with zeros.
    fn store_zeros(&self, offset: u64, len: u64);

    /// Loads four aligned bytes at once, in one order with all sequentially consistent operations.
    fn load_u32(&self, offset: u64) -> u32;

    /// Stores four aligned bytes at once: a power failure leaves the old value or the new one. It takes part in the one
    /// order of all sequentially consistent operations.
    fn store_u32(&self, offset: u64, value: u32);

    /// Stores eight aligned bytes at once: a power failure leaves the old value or the new one.
    fn store_u64(&self, offset: u64, value: u64);

    /// Makes all stores to a range durable: waits for caches on persistent memory, an msync elsewhere.
    ///
    /// # Errors
    /// A failed msync. What of the range is durable is unknown then.
    fn sync(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Whether bytes were lost: a page of the file cannot be had. Syncs fail then.
    fn is_faulted(&self) -> bool {
        false
    }

    /// Makes all stores to two ranges durable, of `(offset, length)` each, at the cost of one sync where that is possible.
    ///
    /// # Errors
    /// As [`Medium::sync`].
    fn sync_two(&self, one: (u64, u64), other: (u64, u64)) -> io::Result<()> {
        self.sync(one.0, one.1)?;
        self.sync(other.0, other.1)
    }
}

/// A mapped file, and the lock on it where it is held here.
#[derive(Debug)]
pub(crate) struct MappedMedium {
    mapping: Mapping,
    is_pmem: bool,
    lock: Option<Locked>,
}

impl MappedMedium {
    /// Maps the first `len` bytes of `file`. Stores to a readonly one go nowhere.
    pub(crate) fn new(file: &File, len: u64, readonly: bool) -> io::Result<Self> {
        let len = usize::try_from(len).ok().and_then(NonZeroUsize::new).ok_or(io::ErrorKind::FileTooLarge)?;
        let access = if readonly { Access::Private } else { Access::Shared };
        let mapping = Mapping::new(descriptor(file), 0, len, access)?;
        let is_pmem = mapping.is_pmem();
        Ok(Self { mapping, is_pmem, lock: None })
    }

    /// Maps a locked file, and keeps the lock as long as the mapping.
    pub(crate) fn locked(file: Locked, len: u64, readonly: bool) -> io::Result<Self> {
        let medium = Self::new(&file, len, readonly)?;
        Ok(Self { lock: Some(file), ..medium })
    }

    /// What tells of lost pages, for other mappings of the same file.
    #[cfg(feature = "pmdk")]
    pub(crate) fn fault_flag(&self) -> Arc<FaultFlag> {
        self.mapping.fault_flag()
    }

    fn at(&self, offset: u64, len: u64) -> *mut u8 {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.len());
        assert!(inside, "bytes {offset} to {offset} + {len} are outside the pool");
        self.mapping.start().as_ptr().wrapping_add(offset as usize)
    }

    /// A file that was cut within a page loses what is stored behind its end, which no access meets.
    ///
    /// The end is sought, since asking for the file's metadata would have Linux give each later store a time of its own, and
    /// each sync a commit of the file system's journal.
    fn check_size(&self) -> io::Result<()> {
        if let Some(file) = &self.lock
            && (&**file).seek(SeekFrom::End(0))? < self.len()
        {
            self.mapping.raise_fault();
        }
        Ok(())
    }

    fn write_back(&self, offset: u64, len: u64) {
        if self.is_pmem {
            cache::flush(self.at(offset, len), len as usize);
        }
    }

    fn atomic_u32(&self, offset: u64) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4));
        // SAFETY: the range was checked, mappings start at a page, and the integer is only reached atomically.
        unsafe { AtomicU32::from_ptr(self.at(offset, 4).cast()) }
    }

    fn atomic_u64(&self, offset: u64) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8));
        // SAFETY: as above.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8).cast()) }
    }
}

impl Medium for MappedMedium {
    fn len(&self) -> u64 {
        self.mapping.len() as u64
    }

    fn load(&self, offset: u64, target: &mut [u8]) {
        let source = self.at(offset, target.len() as u64);
        // SAFETY: the range was checked, and a mapping never overlaps memory of Rust's.
        unsafe { std::ptr::copy_nonoverlapping(source, target.as_mut_ptr(), target.len()) };
    }

    fn store(&self, offset: u64, data: &[u8]) {
        let target = self.at(offset, data.len() as u64);
        if self.is_pmem {
            // SAFETY: as for load.
            unsafe { cache::copy(target, data.as_ptr(), data.len()) };
        } else {
            // SAFETY: as for load.
            unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), target, data.len()) };
        }
    }

    fn store_zeros(&self, offset: u64, len: u64) {
        let target = self.at(offset, len);
        if self.is_pmem {
            // SAFETY: the range was checked.
            unsafe { cache::fill(target, 0, len as usize) };
        } else {
            // SAFETY: as above.
            unsafe { std::ptr::write_bytes(target, 0, len as usize) };
        }
    }

    fn load_u32(&self, offset: u64) -> u32 {
        u32::from_le(self.atomic_u32(offset).load(Ordering::SeqCst))
    }

    fn store_u32(&self, offset: u64, value: u32) {
        self.atomic_u32(offset).store(value.to_le(), Ordering::SeqCst);
        self.write_back(offset, 4);
    }

    fn store_u64(&self, offset: u64, value: u64) {
        self.atomic_u64(offset).store(value.to_le(), Ordering::Release);
        self.write_back(offset, 8);
    }

    fn is_faulted(&self) -> bool {
        self.mapping.is_faulted()
    }

    fn sync(&self, offset: u64, len: u64) -> io::Result<()> {
        self.at(offset, len);
        if self.is_pmem {
            self.mapping.touch(offset as usize, len as usize);
            cache::drain();
        } else {
            self.mapping.sync(offset as usize, len as usize)?;
            self.check_size()?;
        }
        if self.is_faulted() { Err(io::Error::other("a page is lost")) } else { Ok(()) }
    }

    /// One fence, or on Linux one msync of all that lies between: it writes dirty pages alone, so that the distance costs
    /// nothing, where two msyncs would be two commits of the file system's journal.
    fn sync_two(&self, one: (u64, u64), other: (u64, u64)) -> io::Result<()> {
        if !self.is_pmem && !cfg!(target_os = "linux") {
            self.sync(one.0, one.1)?;
            return self.sync(other.0, other.1);
        }
        let (start, end) = (one.0.min(other.0), (one.0 + one.1).max(other.0 + other.1));
        self.sync(start, end - start)
    }
}
