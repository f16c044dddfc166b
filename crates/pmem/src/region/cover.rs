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
use crate::os::mapping::{Access, Advice, Mapped, Mapping, advise, cover, lock, populate, uncover};

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

    /// [`Mapping::advise`] for this.
    pub(crate) fn advise(&self, advice: Advice, offset: usize, len: usize) -> io::Result<()> {
        let range = NonNull::new(self.at(offset)).zip(NonZeroUsize::new(len));
        // SAFETY: the pages are mapped until they are lifted, which puts others there.
        range.map_or(Ok(()), |(start, len)| unsafe { advise(start, len, advice) })
    }

    /// [`Mapping::populate`] for this.
    pub(crate) fn populate(&self) {
        // SAFETY: as above.
        unsafe { populate(self.start, self.len) };
    }

    /// [`Mapping::lock`] for this.
    pub(crate) fn lock(&self, access: Access) -> io::Result<()> {
        // SAFETY: as above.
        unsafe { lock(self.start, self.len, access == Access::Private) }
    }

    /// The address of a byte.
    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        self.start.as_ptr().wrapping_add(offset)
    }

    /// The same over memory that may go without notice.
    pub(crate) fn into_abandoned(self) -> Self {
        Self { watch: self.watch.into_stale(), ..self }
    }

    /// What the system says is mapped here; none where it does not tell, and where it is no file.
    pub(crate) fn mapped(&self) -> Option<Mapped> {
        Mapped::at(self.start)
    }

    /// A mapping of the same pages.
    ///
    /// # Safety
    /// The memory is still allocated and shows the file.
    pub(crate) unsafe fn duplicate(&self, synchronous: bool) -> io::Result<Mapping> {
        // SAFETY: the caller's promise.
        unsafe { Mapping::duplicate(self.start, self.len, synchronous, self.watch.flag()) }
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

/// What lies over memory, by the address of the memory, for other threads that are given it: the owners, and of those that are
/// gone what they left.
pub(crate) struct Covers<T, Left>(LazyLock<Mutex<HashMap<usize, Entry<T, Left>>>>);

enum Entry<T, Left> {
    Owned(Weak<T>),
    /// Nobody tells when the memory goes: what is left of the owner stays until the address has another entry.
    Abandoned(Left),
}

impl<T, Left> Covers<T, Left> {
    pub(crate) const fn new() -> Self {
        Self(LazyLock::new(Mutex::default))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Entry<T, Left>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters `owner`. What was entered for the address before had memory that is gone.
    pub(crate) fn enter(&self, cover: &Cover, owner: Weak<T>) {
        self.lock().insert(cover.start.as_ptr() as usize, Entry::Owned(owner));
    }

    /// The owner of what lies over the memory at `start`; where it is gone, the one that `revive` makes of what it left.
    pub(crate) fn find(
        &self,
        start: NonNull<u8>,
        revive: impl FnOnce(Left) -> std::result::Result<Arc<T>, Left>,
    ) -> Option<Arc<T>> {
        let key = start.as_ptr() as usize;
        loop {
            let mut covers = self.lock();
            if let Entry::Owned(owner) = covers.get(&key)? {
                if let Some(owner) = owner.upgrade() {
                    return Some(owner);
                }
                // It is about to leave.
                drop(covers);
                std::thread::yield_now();
                continue;
            }
            let Entry::Abandoned(left) = covers.remove(&key)? else { return None };
            let (entry, owner) = match revive(left) {
                Ok(owner) => (Entry::Owned(Arc::downgrade(&owner)), Some(owner)),
                Err(left) => (Entry::Abandoned(left), None),
            };
            covers.insert(key, entry);
            return owner;
        }
    }

    /// Takes the cover of an owner that is gone out. Where others may still use the memory, what the owner `leaves` comes in
    /// its place.
    pub(crate) fn leave(&self, owner: *const T, cover: Cover, leaves: impl FnOnce(Cover) -> Option<Left>) {
        let key = cover.start.as_ptr() as usize;
        let mut covers = self.lock();
        if !matches!(covers.get(&key), Some(Entry::Owned(entered)) if std::ptr::eq(entered.as_ptr(), owner)) {
            return;
        }
        covers.remove(&key);
        if let Some(left) = leaves(cover.into_abandoned()) {
            covers.insert(key, Entry::Abandoned(left));
        }
    }
}
