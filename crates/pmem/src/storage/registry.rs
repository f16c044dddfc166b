//! What is open in this process. A file that is opened again is shared, and closed by its last handle.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::os::{deliberate, errno, file};
use crate::{Error, Result};

/// The open ones of a kind, by file. Each has a lock of its own, so that what is done to one file keeps no other waiting.
pub(crate) struct Registry<T> {
    slots: LazyLock<Mutex<HashMap<FileId, Arc<Slot<T>>>>>,
}

/// The device and the number of a file, which stay with it while it is open.
type FileId = (u64, u64);

/// What is open of a file. Held while it is opened, closed, or kept from being open.
struct Slot<T> {
    open: Mutex<Weak<T>>,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Weak<T>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A share. Dropping the last one closes what is shared under its file's lock, so that opening it again never meets one that
/// is half closed.
pub(crate) struct Shared<T: 'static> {
    value: Option<Arc<T>>,
    entry: Entry<T>,
}

/// A file's slot in its registry, which goes with the last entry.
struct Entry<T: 'static> {
    registry: &'static Registry<T>,
    id: FileId,
    slot: Option<Arc<Slot<T>>>,
}

impl<T> Registry<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: LazyLock::new(Mutex::default) }
    }

    fn entry(&'static self, id: FileId) -> Entry<T> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(id).or_insert_with(|| Arc::new(Slot { open: Mutex::new(Weak::new()) }));
        Entry { registry: self, id, slot: Some(Arc::clone(slot)) }
    }

    /// What is open of `file`, if `may_share` does not refuse it; otherwise what `open` makes of it.
    pub(crate) fn open(
        &'static self,
        file: File,
        path: &Path,
        syscall: &'static str,
        may_share: impl FnOnce(&T) -> Result<()>,
        open: impl FnOnce(File) -> Result<T>,
    ) -> Result<Shared<T>> {
        let entry = self.entry(identify(&file, path, syscall)?);
        let mut held = entry.slot().lock();
        if let Some(value) = held.upgrade() {
            // A share's drop takes the lock, so it comes after the lock's release, also on refusal.
            drop(held);
            let shared = Shared { value: Some(value), entry };
            return may_share(&shared).map(|()| shared);
        }
        let value = Arc::new(open(file)?);
        *held = Arc::downgrade(&value);
        drop(held);
        Ok(Shared { value: Some(value), entry })
    }

    /// What is open of `file`, if anything is.
    pub(crate) fn find(&'static self, file: &File, path: &Path, syscall: &'static str) -> Result<Option<Shared<T>>> {
        let entry = self.entry(identify(file, path, syscall)?);
        let value = entry.slot().lock().upgrade();
        Ok(value.map(|value| Shared { value: Some(value), entry }))
    }

    /// What `make` makes of `file`, of which nothing is open.
    pub(crate) fn create(
        &'static self,
        file: &File,
        path: &Path,
        syscall: &'static str,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Shared<T>> {
        let entry = self.entry(identify(file, path, syscall)?);
        let mut held = entry.lock_closed(path, syscall)?;
        let value = Arc::new(make()?);
        *held = Arc::downgrade(&value);
        drop(held);
        Ok(Shared { value: Some(value), entry })
    }

    /// Calls `work` while nothing is open of `file` in this process, and nothing is opened.
    pub(crate) fn apart<R>(
        &'static self,
        file: &File,
        path: &Path,
        syscall: &'static str,
        work: impl FnOnce() -> Result<R>,
    ) -> Result<R> {
        let entry = self.entry(identify(file, path, syscall)?);
        let _held = entry.lock_closed(path, syscall)?;
        work()
    }
}

impl<T> Entry<T> {
    fn slot(&self) -> &Slot<T> {
        self.slot.as_deref().expect("only drop takes the slot out")
    }

    /// The file's lock, while nothing of it is open. What has no handle any more may be held for a moment by a thread that
    /// has just finished what was put off.
    fn lock_closed(&self, path: &Path, syscall: &'static str) -> Result<MutexGuard<'_, Weak<T>>> {
        for _ in 0..50 {
            let held = self.slot().lock();
            if held.strong_count() == 0 {
                return Ok(held);
            }
            drop(held);
            std::thread::sleep(Duration::from_millis(1));
        }
        let in_use = Error::os(errno::EAGAIN, syscall, Some(path));
        Err(in_use.with_hint("the pool is open in this process: close it first"))
    }
}

impl<T> Drop for Entry<T> {
    fn drop(&mut self) {
        let mut slots = self.registry.slots.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.slot.take());
        // Entries get their slot under this lock, so that none is left where the registry alone has it.
        if slots.get(&self.id).is_some_and(|slot| Arc::strong_count(slot) == 1) {
            slots.remove(&self.id);
        }
    }
}

/// A way back to a share that does not keep it open.
pub(crate) struct Reference<T: 'static> {
    value: Weak<T>,
    registry: &'static Registry<T>,
    id: FileId,
}

impl<T> Reference<T> {
    /// A share, unless the last one was dropped.
    pub(crate) fn share(&self) -> Option<Shared<T>> {
        let value = self.value.upgrade()?;
        Some(Shared { value: Some(value), entry: self.registry.entry(self.id) })
    }
}

impl<T> Shared<T> {
    pub(crate) fn reference(&self) -> Reference<T> {
        let value = self.value.as_ref().map_or_else(Weak::new, Arc::downgrade);
        Reference { value, registry: self.entry.registry, id: self.entry.id }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), entry: self.entry.registry.entry(self.entry.id) }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value.as_deref().expect("only drop takes the value out")
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let _held = (!deliberate::is_on("registry: closed without its lock")).then(|| self.entry.slot().lock());
        drop(self.value.take());
    }
}

fn identify(file: &File, path: &Path, syscall: &'static str) -> Result<FileId> {
    file::file_id(file).map_err(|error| Error::io(&error, syscall, Some(path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Sender, channel};

    static REGISTRY: Registry<u32> = Registry::new();

    fn open(file: &File, value: u32) -> Shared<u32> {
        REGISTRY.open(file.try_clone().unwrap(), Path::new("x"), "open", |_| Ok(()), |_| Ok(value)).unwrap()
    }

    #[test]
    fn a_file_is_shared_until_its_last_share_goes() {
        let file = tempfile::tempfile().unwrap();
        let first = open(&file, 1);
        let (second, clone, reference) = (open(&file, 2), first.clone(), first.reference());
        assert_eq!((*second, *clone, *reference.share().unwrap()), (1, 1, 1));
        let refused = REGISTRY.apart(&file, Path::new("x"), "check", || Ok(()));
        assert_eq!(refused.unwrap_err().code(), "EAGAIN");
        drop((first, second, clone));
        assert!(reference.share().is_none());
        REGISTRY.apart(&file, Path::new("x"), "check", || Ok(())).unwrap();
        assert_eq!(*open(&file, 3), 3);
    }

    /// Takes a while to close, and says when it begins to and when it is over.
    struct Slow(Sender<()>, Arc<AtomicBool>);

    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(50));
            self.1.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn what_is_being_closed_is_not_opened_before_it_is() {
        static SLOW: Registry<Slow> = Registry::new();
        let (file, is_closed) = (tempfile::tempfile().unwrap(), Arc::new(AtomicBool::new(false)));
        let ((closing, closes), was_closed) = (channel(), AtomicBool::new(false));
        let open = || {
            let slow = |_| {
                was_closed.store(is_closed.load(Ordering::SeqCst), Ordering::SeqCst);
                Ok(Slow(closing.clone(), Arc::clone(&is_closed)))
            };
            SLOW.open(file.try_clone().unwrap(), Path::new("x"), "open", |_| Ok(()), slow).unwrap()
        };
        let share = open();
        std::thread::scope(|scope| {
            scope.spawn(move || drop(share));
            closes.recv().unwrap();
            drop(open());
        });
        assert!(was_closed.into_inner());
    }

    #[test]
    fn work_on_one_file_keeps_no_other_waiting() {
        let (one, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let ((started, start), (end, ended)) = (channel(), channel());
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let work = || {
                    started.send(()).unwrap();
                    ended.recv().unwrap();
                    Ok(())
                };
                REGISTRY.apart(&one, Path::new("one"), "check", work).unwrap();
            });
            start.recv().unwrap();
            drop(open(&other, 1));
            end.send(()).unwrap();
        });
    }
}
