//! The pools open in this process. A pool that is opened again is shared, and closed by its last handle.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::nvml::pool::{Engine, OpenOptions};
use crate::os::{errno, file};
use crate::{Error, Result};

/// What a registry holds.
pub(crate) trait Pool: Sized + Send + Sync + 'static {
    /// The function whose failure a failed opening is.
    const OPEN: &'static str;

    /// The registry of all pools of this kind.
    fn registry() -> &'static Registry<Self>;

    fn engine(&self) -> Engine;

    fn is_readonly(&self) -> bool;

    fn path(&self) -> &Path;

    /// Whether bytes of the pool were lost.
    fn is_faulted(&self) -> bool;

    /// [`Error::Fault`] where bytes of the pool were lost.
    #[inline]
    fn check_intact(&self) -> Result<()> {
        if self.is_faulted() { Err(Error::Fault { path: Some(self.path().to_path_buf()) }) } else { Ok(()) }
    }

    /// Does `work` on a pool that was intact before, and is after.
    fn guarded<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<R> {
        self.check_intact()?;
        let result = work();
        self.check_intact()?;
        result
    }
}

/// The open pools of one kind, by file.
pub(crate) struct Registry<T> {
    pools: LazyLock<Mutex<Pools<T>>>,
}

type Pools<T> = HashMap<FileId, Weak<T>>;

/// The device and the number of a file, which stay with it while it is open.
type FileId = (u64, u64);

/// A share of an open pool. Dropping the last one closes the pool under the registry's lock, so that opening it again
/// never meets one that is half closed.
pub(crate) struct Shared<T: Pool>(Option<Arc<T>>);

impl<T: Pool> Registry<T> {
    pub(crate) const fn new() -> Self {
        Self { pools: LazyLock::new(Mutex::default) }
    }

    fn lock(&self) -> MutexGuard<'_, Pools<T>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The registry, locked, without a pool at `path`. One whose handles are closed may be held for a moment by a thread
    /// that has just finished what was put off.
    fn lock_without(&self, path: &Path, syscall: &'static str) -> Result<MutexGuard<'_, Pools<T>>> {
        for _ in 0..50 {
            let pools = self.lock();
            if refuse_open(&pools, path, syscall).is_ok() {
                return Ok(pools);
            }
            drop(pools);
            std::thread::sleep(Duration::from_millis(1));
        }
        let pools = self.lock();
        refuse_open(&pools, path, syscall).map(|()| pools)
    }

    /// The pool at `path`: shared where it is open, otherwise what `open` makes of its file.
    pub(crate) fn open(
        &self,
        path: &Path,
        options: OpenOptions,
        open: impl FnOnce(File) -> Result<T>,
    ) -> Result<Shared<T>> {
        let file = file::open(path, options.readonly, T::OPEN)?;
        let id = identify(&file, path, T::OPEN)?;
        let mut pools = self.lock();
        if let Some(pool) = pools.get(&id).and_then(Weak::upgrade) {
            // A share's drop takes the lock, so it comes after the lock's release, also on refusal.
            let shared = Shared(Some(pool));
            drop(pools);
            return check_share(&*shared, options, path).map(|()| shared);
        }
        let pool = Arc::new(open(file)?);
        pools.insert(id, Arc::downgrade(&pool));
        Ok(Shared(Some(pool)))
    }

    /// Registers the pool that `make` makes at `path`, where none is open, with its file.
    pub(crate) fn create(
        &self,
        path: &Path,
        syscall: &'static str,
        make: impl FnOnce() -> Result<(File, T)>,
    ) -> Result<Shared<T>> {
        let mut pools = self.lock_without(path, syscall)?;
        let (file, pool) = make()?;
        let pool = Arc::new(pool);
        pools.insert(identify(&file, path, syscall)?, Arc::downgrade(&pool));
        Ok(Shared(Some(pool)))
    }

    /// Calls `work` for a pool that is not open in this process, and is not opened meanwhile.
    pub(crate) fn apart<R>(&self, path: &Path, syscall: &'static str, work: impl FnOnce() -> Result<R>) -> Result<R> {
        let _pools = self.lock_without(path, syscall)?;
        work()
    }
}

/// A way back to a pool that does not keep it open.
pub(crate) struct Reference<T: Pool>(Weak<T>);

impl<T: Pool> Reference<T> {
    /// A share of the pool, unless it is closed.
    pub(crate) fn share(&self) -> Option<Shared<T>> {
        self.0.upgrade().map(|pool| Shared(Some(pool)))
    }
}

impl<T: Pool> Shared<T> {
    pub(crate) fn reference(&self) -> Reference<T> {
        Reference(self.0.as_ref().map_or_else(Weak::new, Arc::downgrade))
    }
}

impl<T: Pool> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Pool> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().expect("only drop takes the pool out")
    }
}

impl<T: Pool> Drop for Shared<T> {
    fn drop(&mut self) {
        let mut pools = T::registry().lock();
        drop(self.0.take());
        pools.retain(|_, pool| pool.strong_count() > 0);
    }
}

fn refuse_open<T>(pools: &Pools<T>, path: &Path, syscall: &'static str) -> Result<()> {
    let Ok(file) = file::open(path, true, syscall) else { return Ok(()) };
    let id = identify(&file, path, syscall)?;
    if pools.get(&id).is_none_or(|pool| pool.strong_count() == 0) {
        return Ok(());
    }
    Err(in_use(path, syscall, "the pool is open in this process: close it first"))
}

fn check_share<T: Pool>(pool: &T, options: OpenOptions, path: &Path) -> Result<()> {
    if options.readonly != pool.is_readonly() {
        let hint = "the pool is open in this process, one of the two readonly and the other not";
        return Err(in_use(path, T::OPEN, hint));
    }
    if options.engine.is_some_and(|engine| engine != pool.engine()) {
        return Err(in_use(path, T::OPEN, "the pool is open in this process with another engine"));
    }
    Ok(())
}

fn in_use(path: &Path, syscall: &'static str, hint: &'static str) -> Error {
    Error::os(errno::EAGAIN, syscall, Some(path)).with_hint(hint)
}

fn identify(file: &File, path: &Path, syscall: &'static str) -> Result<FileId> {
    file::file_id(file).map_err(|error| Error::io(&error, syscall, Some(path)))
}
