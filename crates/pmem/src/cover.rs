//! A region's file range mapped once more, over memory that belongs to someone else, such as a WebAssembly memory: whoever
//! uses that memory then uses the file.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use crate::fault::Watch;
use crate::mapping::{Access, Mapping, cover, uncover};

/// The pages of the file over someone else's memory. Dropping it leaves them there: they go with the memory.
#[derive(Debug)]
pub(crate) struct Cover {
    start: NonNull<u8>,
    len: NonZeroUsize,
    _watch: Watch,
}

// SAFETY: the pages belong to the process, not to a thread, and are not accessed through this.
unsafe impl Send for Cover {}
// SAFETY: as for Send.
unsafe impl Sync for Cover {}

impl Cover {
    /// Maps what `mapping` shows, which lies at `offset` in `file`, over the pages from `start` on, in the same way.
    ///
    /// # Safety
    /// From `start`, which is a page's, `mapping`'s length in whole pages is readable and writable memory that nothing else
    /// has mapped a file over, and that stays allocated while this lives.
    pub(crate) unsafe fn new(
        start: NonNull<u8>,
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
        Ok(Self { start, len, _watch: watch })
    }

    /// The first byte's address.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
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
pub(crate) struct Covers<T>(LazyLock<Mutex<HashMap<usize, Weak<T>>>>);

impl<T> Covers<T> {
    pub(crate) const fn new() -> Self {
        Self(LazyLock::new(Mutex::default))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Weak<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters `owner`. What was entered for the address before had memory that is gone.
    pub(crate) fn enter(&self, start: NonNull<u8>, owner: Weak<T>) {
        self.lock().insert(start.as_ptr() as usize, owner);
    }

    /// The owner of what lies over the memory at `start`.
    pub(crate) fn find(&self, start: NonNull<u8>) -> Option<std::sync::Arc<T>> {
        self.lock().get(&(start.as_ptr() as usize))?.upgrade()
    }

    /// Forgets an owner that is gone.
    pub(crate) fn forget(&self, start: NonNull<u8>) {
        let mut covers = self.lock();
        let key = start.as_ptr() as usize;
        if covers.get(&key).is_some_and(|owner| owner.strong_count() == 0) {
            covers.remove(&key);
        }
    }
}
