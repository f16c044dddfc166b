//! An append-only log in a file: libpmemlog's pools, over either engine.

mod rust;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::capabilities::provide;
use crate::nvml::format;
use crate::nvml::format::header::Kind;
use crate::nvml::pool::{self, Engine, Locked, NewPool, OpenOptions};
use crate::os::errno;
use crate::os::file::{Made, descriptor, write_all_at};
use crate::storage::medium::MappedMedium;
use crate::storage::queue::{Queue, Ticket};
use crate::storage::registry::{Pool, Reference, Registry, Shared};
use crate::{Error, Result};
use rust::RustLog;

pub(super) const CREATE: &str = "pmemlog_create";
const OPEN: &str = "pmemlog_open";
const CHECK: &str = "pmemlog_check";

/// What is said of an append that does not fit, since `ENOSPC` alone reads as if the disk was full.
pub(super) const FULL: &str = "the log has no room for it: rewind it, or make a larger one";

/// What an engine does for an open log. Appends exclude each other; reading goes on meanwhile.
pub(crate) trait LogEngine: Send + Sync {
    /// How many bytes the log can hold.
    fn capacity(&self) -> u64;

    /// How many bytes it holds.
    fn tell(&self) -> u64;

    /// Appends the parts as one: all or nothing, durable on return. They are not all empty.
    fn append(&self, parts: &[&[u8]]) -> Result<()>;

    /// Fills `target` from `offset`; as far as the log goes. Returns the number of bytes.
    fn read(&self, offset: u64, target: &mut [u8]) -> usize;

    /// Empties the log, durably.
    fn rewind(&self) -> Result<()>;

    /// Whether bytes were lost: a page of the file cannot be had.
    fn is_faulted(&self) -> bool;
}

/// A handle on an open log. Clones, and handles from opening the same file again in this process, share it; the last
/// one's drop closes it.
#[derive(Clone)]
pub struct Log {
    pool: Shared<LogPool>,
}

/// An append that was put off; see [`Log::enqueue`].
pub struct LogTicket {
    pool: Reference<LogPool>,
    ticket: Arc<Ticket<Vec<u8>>>,
}

struct LogPool {
    engine: Box<dyn LogEngine>,
    kind: Engine,
    readonly: bool,
    path: PathBuf,
    queue: Queue<Vec<u8>>,
    rewinds: AtomicU64,
    rewinding: Mutex<()>,
}

impl Log {
    /// The smallest pool, in bytes: `PMEMLOG_MIN_POOL`.
    pub const MIN_POOL: u64 = 2 << 20;

    /// Makes a log and opens it: `pmemlog_create`. The file and its directory entry are durable on return.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a size below [`Log::MIN_POOL`]; `EEXIST`; `EAGAIN` for a pool that is open; what the
    /// operating system says of making the file. A new file is removed again, an existing one keeps its size.
    ///
    /// ```
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("log");
    /// let log = pmem::Log::create(&path, &pmem::NewPool { size: pmem::Log::MIN_POOL, ..Default::default() })?;
    /// log.append(&[b"one", b"two"])?;
    /// assert_eq!(log.tell()?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(path: &Path, new: &NewPool) -> Result<Self> {
        let make = || {
            let mut made = pool::make_file(path, new, Self::MIN_POOL, CREATE)?;
            let kind = Engine::for_new(made.file(), new.engine);
            let engine: Box<dyn LogEngine> = match kind {
                #[cfg(feature = "pmdk")]
                Engine::Pmdk if new.sparse => {
                    Box::new(super::pmdk::log::PmdkLog::open(write_pool(&made, new, path)?, path, CREATE)?)
                }
                #[cfg(feature = "pmdk")]
                Engine::Pmdk => Box::new(super::pmdk::log::PmdkLog::create(&made, path)?),
                _ => Box::new(create_rust(&made, new, path)?),
            };
            let file = made.keep(path, CREATE)?;
            Ok((file, LogPool::new(engine, kind, false, path)))
        };
        Ok(Self { pool: LogPool::registry().create(path, CREATE, make)? })
    }

    /// Opens a log: `pmemlog_open`. Opening changes nothing in a log that is damaged.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a file that is no sound log; `EAGAIN` for one that is open in another process, or in this
    /// one in another way; [`Error::Unsupported`] for an engine that cannot do it.
    pub fn open(path: &Path, options: OpenOptions) -> Result<Self> {
        let open = |file: File| {
            let file = Locked::new(file, options.readonly, path, OPEN)?;
            let format = read(&file, path, OPEN)?;
            let kind = Engine::for_existing(&file, options, &format.header)?;
            let engine: Box<dyn LogEngine> = match kind {
                #[cfg(feature = "pmdk")]
                Engine::Pmdk => Box::new(super::pmdk::log::PmdkLog::open(file, path, OPEN)?),
                _ => Box::new(open_rust(file, &format, options.readonly, path, OPEN)?),
            };
            Ok(LogPool::new(engine, kind, options.readonly, path))
        };
        Ok(Self { pool: LogPool::registry().open(path, options, open)? })
    }

    /// Whether the file is a sound log: `pmemlog_check`.
    ///
    /// # Errors
    /// A missing file, `EAGAIN` for an open one.
    pub fn check(path: &Path) -> Result<bool> {
        LogPool::registry().apart(path, CHECK, || {
            let file = Locked::new(crate::os::file::open(path, true, CHECK)?, false, path, CHECK)?;
            match read(&file, path, CHECK) {
                Err(Error::Corrupt { .. }) => Ok(false),
                other => other.map(|_| true),
            }
        })
    }

    /// `pmemlog_check_version`: that this build provides version `major.minor` of libpmemlog's interface, which is 1.1.
    ///
    /// # Errors
    /// [`Error::Version`] where the major version differs, or the minor one is newer.
    pub fn check_version(major: u32, minor: u32) -> Result<()> {
        provide("libpmemlog", major == 1 && minor <= 1, major, minor)
    }

    /// The engine in use.
    pub fn engine(&self) -> Engine {
        self.pool.kind
    }

    /// How many bytes the log can hold: `pmemlog_nbyte`.
    pub fn nbyte(&self) -> u64 {
        self.pool.engine.capacity()
    }

    /// How many bytes it holds: `pmemlog_tell`.
    ///
    /// # Errors
    /// [`Error::Fault`].
    pub fn tell(&self) -> Result<u64> {
        self.pool.guarded(|| Ok(self.pool.engine.tell()))
    }

    /// Changes with each rewind through this process: what was read before is another log's content since. It waits for
    /// a rewind that is under way.
    pub fn rewinds(&self) -> u64 {
        let rewinds = self.pool.rewinds.load(Ordering::Acquire);
        if rewinds.is_multiple_of(2) {
            return rewinds;
        }
        let _turn = self.pool.rewinding.lock().unwrap_or_else(PoisonError::into_inner);
        self.pool.rewinds.load(Ordering::Acquire)
    }

    /// Appends the parts as one: `pmemlog_appendv`. They are in the log whole, after all that was put off before, and
    /// durable on return.
    ///
    /// # Errors
    /// `ENOSPC` where they do not fit, and the log is as it was; `EROFS` for a readonly log; a failed msync;
    /// [`Error::Fault`] where a page of the file was lost, now or before.
    pub fn append(&self, parts: &[&[u8]]) -> Result<()> {
        self.pool.check_writable("pmemlog_append")?;
        self.pool.settle();
        self.pool.append(parts)
    }

    /// Puts an append off. Later calls come after it, whichever way they append.
    ///
    /// # Errors
    /// `EROFS` for a readonly log.
    pub fn enqueue(&self, data: Vec<u8>) -> Result<LogTicket> {
        self.pool.check_writable("pmemlog_append")?;
        Ok(LogTicket { pool: self.pool.reference(), ticket: self.pool.queue.add(data) })
    }

    /// Does all that was put off.
    pub fn settle(&self) {
        self.pool.settle();
    }

    /// Copies from `offset` to `target`, as far as the log goes, and returns the number of bytes.
    ///
    /// # Errors
    /// [`Error::Fault`].
    pub fn read(&self, offset: u64, target: &mut [u8]) -> Result<usize> {
        self.pool.guarded(|| Ok(self.pool.engine.read(offset, target)))
    }

    /// That no page of the file was lost.
    ///
    /// # Errors
    /// [`Error::Fault`].
    pub fn check_intact(&self) -> Result<()> {
        self.pool.check_intact()
    }

    /// Empties the log, durably, after all that was put off before: `pmemlog_rewind`.
    ///
    /// # Errors
    /// `EROFS` for a readonly log; a failed msync; [`Error::Fault`].
    pub fn rewind(&self) -> Result<()> {
        self.pool.check_writable("pmemlog_rewind")?;
        self.pool.settle();
        // Odd while it is under way: whoever starts to scan waits for its end, whoever scans finds it raised.
        let _turn = self.pool.rewinding.lock().unwrap_or_else(PoisonError::into_inner);
        self.pool.rewinds.fetch_add(1, Ordering::AcqRel);
        let rewound = self.pool.guarded(|| self.pool.engine.rewind());
        self.pool.rewinds.fetch_add(1, Ordering::AcqRel);
        rewound
    }
}

impl LogTicket {
    /// Returns once the append is durable, or has failed. Appends that wait are done together.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn wait(&self) -> Result<()> {
        // A pool that is closed meanwhile has settled its queue.
        if let Some(pool) = self.pool.share() {
            pool.settle();
        }
        self.ticket.outcome()
    }
}

impl LogPool {
    fn new(engine: Box<dyn LogEngine>, kind: Engine, readonly: bool, path: &Path) -> Self {
        let (queue, rewinds) = (Queue::new(), AtomicU64::new(0));
        Self { engine, kind, readonly, path: path.to_path_buf(), queue, rewinds, rewinding: Mutex::new(()) }
    }

    fn check_writable(&self, syscall: &'static str) -> Result<()> {
        if !self.readonly {
            return Ok(());
        }
        Err(Error::os(errno::EROFS, syscall, Some(&self.path)).with_hint("the log is open readonly"))
    }

    fn append(&self, parts: &[&[u8]]) -> Result<()> {
        if parts.iter().all(|part| part.is_empty()) {
            return Ok(());
        }
        self.guarded(|| self.engine.append(parts))
    }

    /// One append for all that waits; where that does not fit, one for each.
    fn settle(&self) {
        self.queue.settle(|tickets| {
            let parts: Vec<&[u8]> = tickets.iter().map(|ticket| ticket.job.as_slice()).collect();
            let together = self.append(&parts);
            let is_too_long = matches!(together, Err(Error::Os { errno: errno::ENOSPC, .. }));
            for (ticket, part) in tickets.iter().zip(parts) {
                ticket.finish(if is_too_long { self.append(&[part]) } else { together.clone() });
            }
        });
    }
}

impl Pool for LogPool {
    const OPEN: &'static str = OPEN;

    fn registry() -> &'static Registry<Self> {
        static OPEN_LOGS: Registry<LogPool> = Registry::new();
        &OPEN_LOGS
    }

    fn engine(&self) -> Engine {
        self.kind
    }

    fn is_readonly(&self) -> bool {
        self.readonly
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn is_faulted(&self) -> bool {
        self.engine.is_faulted()
    }
}

impl Drop for LogPool {
    fn drop(&mut self) {
        self.settle();
    }
}

fn read(file: &File, path: &Path, syscall: &'static str) -> Result<format::log::Log> {
    crate::os::file::regular_size(descriptor(file), Some(path), syscall)?;
    format::log::read(file).map_err(|invalid| invalid.into_error(syscall, Some(path)))
}

/// Writes an empty log, without the blocks that libpmemlog would give to all of it.
fn write_pool(made: &Made, new: &NewPool, path: &Path) -> Result<Locked> {
    let failed = |error: io::Error| Error::io(&error, CREATE, Some(path));
    let file = Locked::new(made.file().try_clone().map_err(failed)?, false, path, CREATE)?;
    let write = || {
        pool::write_pages(made, new.sparse)?;
        write_all_at(&file, &format::log::make(file.metadata()?.len()), format::PAGE)?;
        pool::write_header(&file, Kind::Log)
    };
    write().map_err(failed)?;
    Ok(file)
}

fn create_rust(made: &Made, new: &NewPool, path: &Path) -> Result<RustLog<MappedMedium>> {
    let file = write_pool(made, new, path)?;
    let format = read(&file, path, CREATE)?;
    open_rust(file, &format, false, path, CREATE)
}

/// Maps the log in `file`.
fn open_rust(
    file: Locked,
    format: &format::log::Log,
    readonly: bool,
    path: &Path,
    syscall: &'static str,
) -> Result<RustLog<MappedMedium>> {
    let medium = MappedMedium::locked(file, format.end, readonly);
    let medium = medium.map_err(|error| Error::io(&error, syscall, Some(path)))?;
    Ok(RustLog::new(medium, format.end, format.write_offset, path))
}
