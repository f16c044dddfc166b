//! An append-only log in a file: libpmemlog's pools, over either engine.

mod reader;
mod rust;
mod waiting;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::capabilities::provide;
use crate::nvml::format::header::{self, Header};
use crate::nvml::format::{self, Invalid};
use crate::nvml::pool::{self, Engine, Kind, NewPool, OpenOptions, Pool};
use crate::os::fault::FaultFlag;
use crate::os::file::{self, Made};
use crate::os::mapping::{Access, is_on_pmem};
use crate::os::{deliberate, errno, seam};
use crate::storage::beside::{Mark, Place, Seat, WithoutReaders};
use crate::storage::committer::Batch;
use crate::storage::lock::Locked;
use crate::storage::medium::{FileMedium, MemoryMedium};
use crate::storage::registry::{Registry, Shared};
use crate::{Error, Result, Ticket};
use reader::LogOfOthers;
use rust::RustLog;
use waiting::Waiting;

pub(super) const CREATE: &str = "pmemlog_create";
const OPEN: &str = "pmemlog_open";

/// What is said of an append that does not fit, since `ENOSPC` alone reads as if the disk was full.
pub(super) const FULL: &str = "the log has no room for it: rewind it, or make a larger one";

/// What an engine does for an open log. Appends exclude each other; reading goes on meanwhile.
pub(crate) trait LogEngine: Send + Sync {
    /// How many bytes the log can hold.
    fn capacity(&self) -> u64;

    /// How many bytes it holds, all of them durable.
    fn tell(&self) -> Result<u64>;

    /// [`LogEngine::tell`] for who asks again soon: at least each 50 ms. It may give an earlier answer where another process
    /// is about to go on with the log.
    fn look(&self) -> Result<u64> {
        self.tell()
    }

    /// Appends the parts as one: all or nothing, durable on return. They are not all empty.
    fn append(&self, parts: &[&[u8]]) -> Result<()>;

    /// Fills `target` from `offset`; as far as the log goes. Returns the number of bytes.
    fn read(&self, offset: u64, target: &mut [u8]) -> Result<usize>;

    /// Empties the log, durably.
    fn rewind(&self) -> Result<()>;

    /// Whether appends must not be under way at the same time as others.
    fn takes_turns(&self) -> bool;

    /// What tells whether bytes were lost: a page of the file cannot be had.
    fn fault_flag(&self) -> Arc<FaultFlag>;
}

/// A handle on an open log. Clones, and handles from opening the same file again in this process, share it; the last
/// one's drop closes it.
#[derive(Clone)]
pub struct Log {
    pool: Shared<Pool<LogKind>>,
    /// Whether changes by this handle are refused, also where others may change the log.
    readonly: bool,
}

/// What an open log has beside what all pools have.
struct LogKind {
    /// Lets readers of other processes in. It goes before the engine, whose lock is what it stands for.
    mark: Option<Mark>,
    engine: Box<dyn LogEngine>,
    waiting: Waiting,
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
        let make = |made: &Made, engine| {
            let engine: Box<dyn LogEngine> = match engine {
                #[cfg(feature = "pmdk")]
                Engine::Pmdk if new.sparse => {
                    Box::new(super::pmdk::log::PmdkLog::open(write_pool(made, new, path)?, path, CREATE)?)
                }
                #[cfg(feature = "pmdk")]
                Engine::Pmdk => Box::new(super::pmdk::log::PmdkLog::create(made, path)?),
                _ => create_rust(made, new, path)?,
            };
            Ok(LogKind::new(engine, Mark::set(made.file())))
        };
        Ok(Self { pool: Pool::create(path, new, make)?, readonly: false })
    }

    /// Opens a log: `pmemlog_open`. Opening changes nothing in a log that is damaged.
    ///
    /// One that this process has open for writing is shared, also by readonly handles. One that another process has open
    /// for writing by this crate is opened readonly on Linux.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a file that is no sound log; `EAGAIN` for one that is open in another process, or in this
    /// one in another way; [`Error::Unsupported`] for an engine that cannot do it.
    pub fn open(path: &Path, options: OpenOptions) -> Result<Self> {
        Ok(Self { pool: Pool::open(path, options)?, readonly: options.readonly })
    }

    /// Whether the file is a sound log: `pmemlog_check`. Others may have it open where they may beside a readonly handle.
    ///
    /// # Errors
    /// A missing file, `EAGAIN` for an open one.
    pub fn check(path: &Path) -> Result<bool> {
        Pool::<LogKind>::check(path, |file| {
            let seat = Seat::take(file, true, path, LogKind::CHECK)?;
            LogKind::read_locked(&seat, path, LogKind::CHECK).map(|_| true)
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
        self.pool.engine()
    }

    /// How many bytes the log can hold: `pmemlog_nbyte`.
    pub fn nbyte(&self) -> u64 {
        self.pool.kind.engine.capacity()
    }

    /// How many bytes it holds: `pmemlog_tell`.
    ///
    /// # Errors
    /// [`Error::Fault`]. Beside a writer in another process also: a failed sync; `EAGAIN` once another program has the log.
    pub fn tell(&self) -> Result<u64> {
        self.pool.guarded(|| self.pool.kind.engine.tell())
    }

    /// [`Log::tell`] for who asks again soon, at least each 50 ms: beside it a process can open the log for writing that
    /// waits for readers to make room.
    ///
    /// # Errors
    /// As [`Log::tell`].
    pub fn look(&self) -> Result<u64> {
        self.pool.guarded(|| self.pool.kind.engine.look())
    }

    /// Calls back once, when this process changes the log so that it holds other than `held` bytes; at once where it does.
    /// The call may come from any thread. It is forgotten where this process cannot change the log.
    pub fn when_changed(&self, held: u64, call: impl FnOnce() + Send + 'static) {
        if self.pool.is_readonly() {
            return;
        }
        let kind = &self.pool.kind;
        kind.waiting.add(Box::new(call));
        // Whoever changed it before this found nobody waiting.
        if kind.engine.tell() != Ok(held) && !deliberate::is_on("log: change before the wait missed") {
            kind.waiting.call();
        }
    }

    /// Changes with each rewind through this process: what was read before is another log's content since. It waits for
    /// a rewind that is under way.
    pub fn rewinds(&self) -> u64 {
        let rewinds = self.pool.kind.rewinds.load(Ordering::Acquire);
        if rewinds.is_multiple_of(2) {
            return rewinds;
        }
        let _turn = self.pool.kind.rewinding.lock().unwrap_or_else(PoisonError::into_inner);
        self.pool.kind.rewinds.load(Ordering::Acquire)
    }

    /// Appends the parts as one: `pmemlog_appendv`. They are in the log whole, after all that was put off before, and
    /// durable on return.
    ///
    /// # Errors
    /// `ENOSPC` where they do not fit, and the log is as it was; `EROFS` for a readonly log; a failed sync;
    /// [`Error::Fault`] where a page of the file was lost, now or before.
    pub fn append(&self, parts: &[&[u8]]) -> Result<()> {
        self.check_writable(LogKind::CHANGE)?;
        if is_empty(parts) {
            return Ok(());
        }
        let appended = self.pool.change(|| self.pool.kind.engine.append(parts));
        self.pool.kind.waiting.call();
        appended
    }

    #[inline]
    fn check_writable(&self, syscall: &'static str) -> Result<()> {
        if self.readonly { Err(self.pool.refused(syscall)) } else { Ok(()) }
    }

    /// Puts an append off. Later calls come after it, whichever way they append.
    ///
    /// # Errors
    /// `EROFS` for a readonly log; [`Error::Busy`] where too much waits already.
    pub fn enqueue(&self, data: Vec<u8>) -> Result<Ticket> {
        self.check_writable(LogKind::CHANGE)?;
        let bytes = data.len() as u64;
        self.pool.enqueue(data, bytes)
    }

    /// How many bytes were put off and are not in the log yet.
    pub fn pending(&self) -> u64 {
        self.pool.pending()
    }

    /// How many bytes may be put off, from now on and for all handles on this log.
    pub fn limit_pending(&self, most: u64) {
        self.pool.limit_pending(most);
    }

    /// Does all that was put off.
    pub fn settle(&self) {
        self.pool.settle();
    }

    /// Copies from `offset` to `target`, as far as the log goes, and returns the number of bytes.
    ///
    /// # Errors
    /// As [`Log::tell`].
    pub fn read(&self, offset: u64, target: &mut [u8]) -> Result<usize> {
        self.pool.guarded(|| self.pool.kind.engine.read(offset, target))
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
    /// `EROFS` for a readonly log; `EAGAIN` where readers in other processes have it open; a failed sync; [`Error::Fault`].
    pub fn rewind(&self) -> Result<()> {
        const SYSCALL: &str = "pmemlog_rewind";
        self.check_writable(SYSCALL)?;
        let rewound = self.pool.change(|| {
            // Odd while it is under way: whoever starts to scan waits for its end, whoever scans finds it raised.
            let _turn = self.pool.kind.rewinding.lock().unwrap_or_else(PoisonError::into_inner);
            // One at a time, since whoever ends first lets readers in.
            let _alone = self.without_readers(SYSCALL)?;
            self.pool.kind.rewinds.fetch_add(1, Ordering::AcqRel);
            let rewound = self.pool.kind.engine.rewind();
            self.pool.kind.rewinds.fetch_add(1, Ordering::AcqRel);
            rewound
        });
        self.pool.kind.waiting.call();
        rewound
    }

    /// Keeps readers of other processes away, which could not tell the contents after a rewind from those before.
    fn without_readers(&self, syscall: &'static str) -> Result<Option<WithoutReaders<'_>>> {
        let Some(mark) = &self.pool.kind.mark else { return Ok(None) };
        if let Some(alone) = mark.without_readers() {
            return Ok(Some(alone));
        }
        Err(Error::os(errno::EAGAIN, syscall, Some(self.pool.path())).with_hint(
            "other processes have the log open readonly, and what they read would not stay as it is: have them close it first",
        ))
    }
}

impl LogKind {
    fn new(engine: Box<dyn LogEngine>, mark: Option<Mark>) -> Self {
        Self { mark, engine, waiting: Waiting::default(), rewinds: AtomicU64::new(0), rewinding: Mutex::new(()) }
    }

    /// Which of these appends fit, in order: one that does not leaves its room to those behind it.
    fn fit(&self, batch: &Batch<Vec<u8>>) -> Vec<bool> {
        let mut room = self.engine.capacity() - self.engine.tell().unwrap_or(0);
        let fits = |len: u64| {
            let fits = len <= room;
            room -= if fits { len } else { 0 };
            fits
        };
        batch.iter().map(|ticket| ticket.job.len() as u64).map(fits).collect()
    }
}

impl Kind for LogKind {
    type Format = format::log::Log;
    type Job = Vec<u8>;
    type Lock = Seat;

    const READONLY: &'static str = "the log is open readonly";
    const CREATE: &'static str = CREATE;
    const OPEN: &'static str = OPEN;
    const CHECK: &'static str = "pmemlog_check";
    const CHANGE: &'static str = "pmemlog_append";
    const MIN_POOL: u64 = Log::MIN_POOL;

    fn registry() -> &'static Registry<Pool<Self>> {
        static OPEN_LOGS: Registry<Pool<LogKind>> = Registry::new();
        &OPEN_LOGS
    }

    fn lock(file: File, readonly: bool, path: &Path, syscall: &'static str) -> Result<Seat> {
        Seat::take(file, readonly, path, syscall)
    }

    fn read(file: &File) -> std::result::Result<Self::Format, Invalid> {
        format::log::read(file)
    }

    fn read_locked(file: &Seat, path: &Path, syscall: &'static str) -> Result<Self::Format> {
        let Seat::Reader(file, place) = file else { return pool::read::<Self>(file, path, syscall) };
        place.read(syscall, |cover| {
            let mut format = pool::read::<Self>(file, path, syscall)?;
            if !cover.is_quiet() {
                // It says that the pool was not closed, which is so since its writer has it open.
                format.header.shutdown = None;
            }
            Ok(format)
        })?
    }

    const SHARES_READONLY: bool = true;

    fn header(format: &Self::Format) -> &Header {
        &format.header
    }

    fn open(engine: Engine, seat: Seat, format: Self::Format, _readonly: bool, path: &Path) -> Result<Self> {
        let (file, _turn) = match seat {
            Seat::Reader(file, place) => return Ok(Self::new(open_of_others(file, place, &format, path)?, None)),
            Seat::Writer(file, turn) => (file, turn),
        };
        // The same open file: so the system gives the mark up before the lock.
        let marked = file.try_clone().map_err(|error| Error::io(&error, OPEN, Some(path)))?;
        let engine = match engine {
            #[cfg(feature = "pmdk")]
            Engine::Pmdk => Box::new(super::pmdk::log::PmdkLog::open(file, path, OPEN)?),
            _ => open_rust(file, &format, path, OPEN)?,
        };
        Ok(Self::new(engine, Mark::set(&marked)))
    }

    fn takes_turns(&self) -> bool {
        self.engine.takes_turns()
    }

    fn fault_flag(&self) -> Arc<FaultFlag> {
        self.engine.fault_flag()
    }

    /// One append for all that fit. Where another thread took the room meanwhile, one for each.
    fn commit(pool: &Pool<Self>, batch: &Batch<Vec<u8>>) {
        let append = |parts: &[&[u8]]| {
            if is_empty(parts) { Ok(()) } else { pool.guarded(|| pool.kind.engine.append(parts)) }
        };
        let fit = pool.kind.fit(batch);
        let parts: Vec<&[u8]> =
            batch.iter().zip(&fit).filter(|(_, fits)| **fits).map(|(ticket, _)| &ticket.job[..]).collect();
        let together = append(&parts);
        let is_full = matches!(together, Err(Error::Os { errno: errno::ENOSPC, .. }));
        for (ticket, fits) in batch.iter().zip(fit) {
            ticket.finish(if is_full || !fits { append(&[&ticket.job]) } else { together.clone() });
        }
        pool.kind.waiting.call();
    }
}

fn is_empty(parts: &[&[u8]]) -> bool {
    parts.iter().all(|part| part.is_empty())
}

/// Writes an empty log, without the blocks that libpmemlog would give to all of it.
fn write_pool(made: &Made, new: &NewPool, path: &Path) -> Result<Locked> {
    let failed = |error: io::Error| Error::io(&error, CREATE, Some(path));
    let file = Locked::new(made.file().try_clone().map_err(failed)?, false, path, CREATE)?;
    let write = || {
        pool::write_pages(made, new.sparse)?;
        seam::pwrite(&file, &format::log::make(file::size_of(&file)?), format::PAGE)?;
        pool::write_header(&file, header::Kind::Log)
    };
    write().map_err(failed)?;
    Ok(file)
}

fn create_rust(made: &Made, new: &NewPool, path: &Path) -> Result<Box<dyn LogEngine>> {
    let file = write_pool(made, new, path)?;
    let format = pool::read::<LogKind>(&file, path, CREATE)?;
    open_rust(file, &format, path, CREATE)
}

/// The log in `file`, on the medium that suits it.
fn open_rust(
    file: Locked,
    format: &format::log::Log,
    path: &Path,
    syscall: &'static str,
) -> Result<Box<dyn LogEngine>> {
    let failed = |error: io::Error| Error::io(&error, syscall, Some(path));
    let (end, tail) = (format.end, format.write_offset);
    if is_on_pmem(&file) {
        let medium = MemoryMedium::new(file, end, Access::Shared).map_err(failed)?;
        return Ok(Box::new(RustLog::new(medium, end, tail, path)));
    }
    let medium = FileMedium::new(file, end).map_err(failed)?;
    Ok(Box::new(RustLog::new(medium, end, tail, path)))
}

/// The log in `file`, to be read.
fn open_of_others(file: Locked, place: Place, format: &format::log::Log, path: &Path) -> Result<Box<dyn LogEngine>> {
    let failed = |error: io::Error| Error::io(&error, OPEN, Some(path));
    if is_on_pmem(&file) {
        let medium = MemoryMedium::new(file, format.end, Access::Read).map_err(failed)?;
        return Ok(Box::new(LogOfOthers::new(medium, place, format.end, path)));
    }
    let medium = FileMedium::new(file, format.end).map_err(failed)?;
    Ok(Box::new(LogOfOthers::new(medium, place, format.end, path)))
}
