//! A region's file range mapped once more, over memory that belongs to someone else, such as a WebAssembly memory: whoever
//! uses that memory then uses the file.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use crate::os::fault::Watch;
use crate::os::mapping::{Access, Mapping, advise_random, cover, uncover};

/// The pages of the file over someone else's memory. Dropping it leaves them there: they go with the memory.
#[derive(Debug)]
pub(crate) struct Cover {
    start: NonNull<u8>,
    len: NonZeroUsize,
    memory_len: usize,
    watch: Watch,
}

// SAFETY: the pages belong to the process, not to a thread, and are not accessed through this.
unsafe impl Send for Cover {}
// SAFETY: as for Send.
unsafe impl Sync for Cover {}

impl Cover {
    /// Maps what `mapping` shows, which lies at `offset` in `file`, over the pages from `start` on, in the same way.
    ///
    /// # Safety
    /// The `memory_len` bytes from `start`, which is a page's, hold `mapping`'s length in whole pages, are readable and
    /// writable memory that nothing else has mapped a file over, and stay allocated while this lives.
    pub(crate) unsafe fn new(
        start: NonNull<u8>,
        memory_len: usize,
        mapping: &Mapping,
        file: &File,
        offset: u64,
        access: Access,
    ) -> io::Result<Self> {
        let len = NonZeroUsize::new(mapping.len()).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: the caller's promise.
        unsafe { cover(start, len, file, offset, access, mapping.is_synchronous()) }.inspect_err(|_| {
            // SAFETY: as above. The kernel may have taken the old pages away already.
            let _ = unsafe { uncover(start, len) };
        })?;
        let watch = Watch::over(start.as_ptr(), len.get(), mapping.fault_flag());
        Ok(Self { start, len, memory_len, watch })
    }

    /// The bytes of this cover from `source` on by another address, that of `mapping`, if they are of this cover.
    pub(crate) fn translate(&self, source: *const u8, mapping: &Mapping) -> *const u8 {
        let offset = (source as usize).wrapping_sub(self.start.as_ptr() as usize);
        if offset < self.len.get() { mapping.start().as_ptr().wrapping_add(offset) } else { source }
    }

    /// [`Mapping::advise_random`] for this.
    pub(crate) fn advise_random(&self) {
        // SAFETY: the pages are mapped until they are lifted, which puts others there.
        unsafe { advise_random(self.start, self.len) };
    }

    /// Whether this lies over memory of `len` bytes.
    pub(crate) fn is_over(&self, len: usize) -> bool {
        self.memory_len == len
    }

    /// Puts zeros in the file's place.
    ///
    /// # Safety
    /// The memory is still allocated.
    pub(crate) unsafe fn lift(&self) -> io::Result<()> {
        // SAFETY: the caller's promise; the pages are those that `new` put there.
        unsafe { uncover(self.start, self.len) }
    }
}

/// What lies over memory, by the address of the memory, for other threads that are given it.
pub(crate) struct Covers<T>(LazyLock<Mutex<HashMap<usize, Entry<T>>>>);

enum Entry<T> {
    Owned(Weak<T>),
    /// Nobody tells when the memory goes: pages of it that are lost are caught until the address has another entry.
    Abandoned {
        _watch: Watch,
    },
}

impl<T> Covers<T> {
    pub(crate) const fn new() -> Self {
        Self(LazyLock::new(Mutex::default))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Entry<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters `owner`. What was entered for the address before had memory that is gone.
    pub(crate) fn enter(&self, cover: &Cover, owner: Weak<T>) {
        self.lock().insert(cover.start.as_ptr() as usize, Entry::Owned(owner));
    }

    /// The owner of what lies over the memory at `start`.
    pub(crate) fn find(&self, start: NonNull<u8>) -> Option<Arc<T>> {
        match self.lock().get(&(start.as_ptr() as usize))? {
            Entry::Owned(owner) => owner.upgrade(),
            Entry::Abandoned { .. } => None,
        }
    }

    /// Takes the cover of an owner that is gone out, or where it is `shared` over: other threads may still use the memory.
    pub(crate) fn leave(&self, cover: Cover, shared: bool) {
        let mut covers = self.lock();
        let key = cover.start.as_ptr() as usize;
        if !matches!(covers.get(&key), Some(Entry::Owned(owner)) if owner.strong_count() == 0) {
            return;
        }
        if shared {
            covers.insert(key, Entry::Abandoned { _watch: cover.watch.into_stale() });
        } else {
            covers.remove(&key);
        }
    }
}
