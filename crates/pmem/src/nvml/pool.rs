//! What log and block pools have in common: how they are named, locked, shared, made, opened and changed.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::nvml::format::header::{self, Header, Machine};
use crate::nvml::format::{Identity, Invalid, PAGE};
use crate::os::fault::FaultFlag;
use crate::os::file::{self, Made, NewFile, descriptor};
use crate::os::mapping::is_on_pmem;
use crate::os::{deliberate, errno, seam};
use crate::storage::committer::{self, Batch, Committer};
use crate::storage::registry::{Reference, Registry, Shared};
use crate::{Error, Result, Ticket};

/// What implements a pool's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The NVM Library's libpmemlog and libpmemblk.
    Pmdk,
    /// This crate.
    Rust,
}

impl Engine {
    /// The name that JavaScript knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Pmdk => "pmdk",
            Engine::Rust => "rust",
        }
    }

    /// The engine of that name; `None` for `auto`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an engine that this build lacks; [`Error::InvalidValue`] for another name.
    pub fn named(name: &str) -> Result<Option<Engine>> {
        let engine = match name {
            "auto" => return Ok(None),
            "pmdk" => Engine::Pmdk,
            "rust" => Engine::Rust,
            _ => return Err(Error::InvalidValue { name: "engine", reason: "it must be 'auto', 'pmdk' or 'rust'" }),
        };
        if Engine::all().contains(&engine) {
            return Ok(Some(engine));
        }
        Err(Error::Unsupported("this build of the package lacks the engine asked for"))
    }

    /// The engines of this build.
    pub(crate) fn all() -> &'static [Engine] {
        if cfg!(feature = "pmdk") { &[Engine::Pmdk, Engine::Rust] } else { &[Engine::Rust] }
    }

    /// The engine for a new pool in `file`: the one asked for, or the one that suits the file. The NVM Library's suits
    /// persistent memory.
    pub(crate) fn for_new(file: &File, asked: Option<Engine>) -> Engine {
        asked.unwrap_or(if cfg!(feature = "pmdk") && is_on_pmem(file) { Engine::Pmdk } else { Engine::Rust })
    }

    /// The engine for the pool in `file` that has this header. The NVM Library opens nothing readonly, and only pools
    /// that its own kind of processor made; it alone can ask memory modules whether they lost data.
    pub(crate) fn for_existing(file: &File, options: OpenOptions, header: &Header) -> Result<Engine> {
        let library_can = cfg!(feature = "pmdk") && !options.readonly && header.machine == Machine::HOST;
        if header.shutdown.is_some_and(|state| state.depends_on_modules()) {
            let library = library_can && options.engine != Some(Engine::Rust);
            return if library { Ok(Engine::Pmdk) } else { Err(Error::Unsupported(UNSAFE_SHUTDOWN)) };
        }
        match options.engine {
            Some(Engine::Pmdk) if options.readonly => {
                Err(Error::Unsupported("the engine 'pmdk' opens no pool readonly: use 'auto' or 'rust'"))
            }
            Some(Engine::Pmdk) if !library_can => {
                Err(Error::Unsupported("the engine 'pmdk' opens only pools made on its own kind of processor"))
            }
            Some(engine) => Ok(engine),
            None if library_can => Ok(Self::for_new(file, None)),
            None => Ok(Engine::Rust),
        }
    }
}

const UNSAFE_SHUTDOWN: &str = "the pool was not closed, and only the engine 'pmdk', opening it for writing, can ask its \
                               memory modules whether they lost data";

/// How a pool is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// The engine; where it is not given, the one that suits the file.
    pub engine: Option<Engine>,
    /// Changes are refused, and other readonly handles may be open elsewhere.
    pub readonly: bool,
}

/// How a pool is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewPool {
    /// The file's size in bytes; 0 takes an existing file whose first 4 KiB are zero.
    pub size: u64,
    /// The new file's permissions, subject to the umask; Windows has none of the kind.
    pub mode: u32,
    /// Blocks are allocated when first written, not now.
    pub sparse: bool,
    /// The engine; where it is not given, the one that suits the file.
    pub engine: Option<Engine>,
}

/// One of the kinds of pools: what an open one has, and how it is read and changed.
pub(crate) trait Kind: Sized + Send + Sync + 'static {
    /// What the file was found to be.
    type Format;

    /// The file with what keeps others away from it.
    type Lock: Deref<Target = File>;

    /// A change that can be put off.
    type Job: Send + Sync;

    /// What is said of a change of one that is open readonly.
    const READONLY: &'static str;

    /// What failures call the functions.
    const CREATE: &'static str;
    const OPEN: &'static str;
    const CHECK: &'static str;
    const CHANGE: &'static str;

    /// The smallest pool, in bytes.
    const MIN_POOL: u64;

    fn registry() -> &'static Registry<Pool<Self>>;

    /// Keeps others away from a file, as long as it is open.
    fn lock(file: File, readonly: bool, path: &Path, syscall: &'static str) -> Result<Self::Lock>;

    /// Reads and validates a file.
    fn read(file: &File) -> std::result::Result<Self::Format, Invalid>;

    /// [`Kind::read`], of a file that others are kept from.
    fn read_locked(file: &Self::Lock, path: &Path, syscall: &'static str) -> Result<Self::Format> {
        read::<Self>(file, path, syscall)
    }

    /// Whether a readonly handle may share a pool that is open for writing in this process.
    const SHARES_READONLY: bool = false;

    fn header(format: &Self::Format) -> &Header;

    /// Opens a pool that was found valid, with an engine.
    fn open(engine: Engine, file: Self::Lock, format: Self::Format, readonly: bool, path: &Path) -> Result<Self>;

    /// Whether changes must not be under way at the same time.
    fn takes_turns(&self) -> bool;

    /// What tells whether bytes of the pool were lost.
    fn fault_flag(&self) -> Arc<FaultFlag>;

    /// Does changes that were put off, and finishes each.
    fn commit(pool: &Pool<Self>, batch: &Batch<Self::Job>);
}

/// An open pool.
pub(crate) struct Pool<K: Kind> {
    pub(super) kind: K,
    engine: Engine,
    readonly: bool,
    path: PathBuf,
    committer: Committer<K::Job>,
    fault: Arc<FaultFlag>,
}

impl<K: Kind> Pool<K> {
    fn new(kind: K, engine: Engine, readonly: bool, path: &Path) -> Self {
        let (path, committer, fault) = (path.to_path_buf(), Committer::new(), kind.fault_flag());
        Self { kind, engine, readonly, path, committer, fault }
    }

    /// Makes a file for a pool, `make`s the pool in it, and gives the file its name. A new file is gone again where that
    /// fails, an existing one keeps its size.
    pub(super) fn create(
        path: &Path,
        new: &NewPool,
        make: impl Fn(&Made, Engine) -> Result<K>,
    ) -> Result<Shared<Self>> {
        if let Ok(existing) = file::open(path, true, K::CREATE) {
            K::registry().apart(&existing, path, K::CREATE, || Ok(()))?;
        }
        let create = |mut made: Made| {
            let file = made.file().try_clone().map_err(|error| Error::io(&error, K::CREATE, Some(path)))?;
            let created = K::registry().create(&file, path, K::CREATE, || {
                let engine = Engine::for_new(made.file(), new.engine);
                let kind = make(&made, engine)?;
                made.keep(path, K::CREATE)?;
                Ok(Self::new(kind, engine, false, path))
            });
            Ok(created.map_err(|error| (error, made.is_refused_a_name())))
        };
        match create(make_file(path, new, false, K::MIN_POOL, K::CREATE)?)? {
            Err((_, true)) => create(make_file(path, new, true, K::MIN_POOL, K::CREATE)?)?,
            created => created,
        }
        .map_err(|(error, _)| error)
    }

    /// Opens the pool at `path`, or shares it where it is open.
    pub(super) fn open(path: &Path, options: OpenOptions) -> Result<Shared<Self>> {
        let file = file::open(path, options.readonly, K::OPEN)?;
        let may_share = |pool: &Self| pool.check_share(options);
        K::registry().open(file, path, K::OPEN, may_share, |file| {
            let file = K::lock(file, options.readonly, path, K::OPEN)?;
            let format = K::read_locked(&file, path, K::OPEN)?;
            let engine = Engine::for_existing(&file, options, K::header(&format))?;
            Ok(Self::new(K::open(engine, file, format, options.readonly, path)?, engine, options.readonly, path))
        })
    }

    /// Whether the file at `path`, which is not open in this process, is what `verify` wants, which locks it.
    pub(super) fn check(path: &Path, verify: impl FnOnce(File) -> Result<bool>) -> Result<bool> {
        let file = file::open(path, true, K::CHECK)?;
        let other = file.try_clone().map_err(|error| Error::io(&error, K::CHECK, Some(path)))?;
        K::registry().apart(&other, path, K::CHECK, || match verify(file) {
            Err(Error::Corrupt { .. }) => Ok(false),
            other => other,
        })
    }

    fn check_share(&self, options: OpenOptions) -> Result<()> {
        let in_use = |hint| Err(Error::os(errno::EAGAIN, K::OPEN, Some(&self.path)).with_hint(hint));
        let is_shared = options.readonly && K::SHARES_READONLY;
        if options.readonly != self.readonly && !is_shared {
            return in_use("the pool is open in this process, one of the two readonly and the other not");
        }
        if options.engine.is_some_and(|engine| engine != self.engine) {
            return in_use("the pool is open in this process with another engine");
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_readonly(&self) -> bool {
        self.readonly
    }

    pub(super) fn engine(&self) -> Engine {
        self.engine
    }

    /// [`Error::Fault`] where bytes of the pool were lost.
    #[inline]
    pub(super) fn check_intact(&self) -> Result<()> {
        if self.fault.is_raised() { Err(self.lost()) } else { Ok(()) }
    }

    #[cold]
    fn lost(&self) -> Error {
        Error::Fault { path: Some(self.path.clone()) }
    }

    /// Does `work` on a pool that was intact before, and is after.
    #[inline]
    pub(super) fn guarded<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<R> {
        self.check_intact()?;
        let result = work();
        if !deliberate::is_on("pool: lost pages acknowledged") {
            self.check_intact()?;
        }
        result
    }

    /// `EROFS` for a pool that is open readonly, from the function `syscall`.
    #[inline]
    pub(super) fn check_writable(&self, syscall: &'static str) -> Result<()> {
        if self.readonly { Err(self.refused(syscall)) } else { Ok(()) }
    }

    #[cold]
    pub(super) fn refused(&self, syscall: &'static str) -> Error {
        Error::os(errno::EROFS, syscall, Some(&self.path)).with_hint(K::READONLY)
    }

    /// Does `work` after all that was put off before.
    pub(super) fn change<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<R> {
        if self.kind.takes_turns() {
            return self.committer.in_turn(|batch| K::commit(self, batch), || self.guarded(work));
        }
        self.settle();
        self.guarded(work)
    }

    /// Does all that was put off before.
    pub(super) fn settle(&self) {
        self.settle_wanted(|_| true);
    }

    /// Does what was put off before and is `wanted`, and what was put off before that.
    #[inline]
    pub(super) fn settle_wanted(&self, wanted: impl Fn(&K::Job) -> bool) {
        self.committer.settle(wanted, |batch| K::commit(self, batch));
    }

    /// How many bytes were put off and are not done.
    pub(super) fn pending(&self) -> u64 {
        self.committer.pending()
    }

    /// How many bytes may be put off.
    pub(super) fn limit_pending(&self, most: u64) {
        self.committer.limit(most);
    }
}

impl<K: Kind> Shared<Pool<K>> {
    /// Puts a change of so many bytes off. Later calls come after it, whichever way they change the pool.
    pub(super) fn enqueue(&self, job: K::Job, bytes: u64) -> Result<Ticket> {
        self.check_writable(K::CHANGE)?;
        let ticket = self.committer.add(job, bytes).map_err(|full| Error::Busy {
            path: self.path.clone(),
            pending: full.pending,
            most: full.most,
        })?;
        Ok(Ticket::new(PoolTicket { pool: self.reference(), ticket }))
    }
}

impl<K: Kind> Drop for Pool<K> {
    fn drop(&mut self) {
        if !deliberate::is_on("pool: closing forgets what waits") {
            self.settle();
        }
    }
}

/// A change that was put off. It does not keep its pool open, whose closing does it.
struct PoolTicket<K: Kind> {
    pool: Reference<Pool<K>>,
    ticket: Arc<committer::Ticket<K::Job>>,
}

impl<K: Kind> crate::ticket::Pending for PoolTicket<K> {
    fn wait(&self) {
        // A pool that is closed meanwhile has settled all.
        if let Some(pool) = self.pool.share() {
            pool.committer.commit_until(&self.ticket, |batch| K::commit(&pool, batch));
        }
    }

    fn outcome(&self) -> Option<&Result<()>> {
        self.ticket.outcome()
    }
}

/// Reads and validates a pool's file.
pub(super) fn read<K: Kind>(file: &File, path: &Path, syscall: &'static str) -> Result<K::Format> {
    file::mappable_size(descriptor(file), Some(path), syscall)?;
    K::read(file).map_err(|invalid| invalid.into_error(syscall, Some(path)))
}

/// The file of a new pool: made exclusively with its size, and where it has to be with its name, or an existing one whose
/// first page is zero.
fn make_file(path: &Path, new: &NewPool, named: bool, min_size: u64, syscall: &'static str) -> Result<Made> {
    if new.size == 0 {
        return take_file(path, min_size, syscall);
    }
    if new.size < min_size {
        return Err(Error::out_of_range("poolSize", format!("0 or >= {min_size}"), new.size));
    }
    file::make(path, NewFile { size: new.size, mode: new.mode, sparse: new.sparse, named }, syscall)
}

fn take_file(path: &Path, min_size: u64, syscall: &'static str) -> Result<Made> {
    let file = file::open(path, false, syscall)?;
    let size = file::mappable_size(descriptor(&file), Some(path), syscall)?;
    if size < min_size {
        return Err(Error::out_of_range("poolSize", format!("the size of a file of at least {min_size} bytes"), size));
    }
    let mut page = [0; PAGE as usize];
    file::read_exact_at(&file, &mut page, 0).map_err(|error| Error::io(&error, syscall, Some(path)))?;
    if page.iter().any(|&byte| byte != 0) {
        let taken = Error::os(errno::EEXIST, syscall, Some(path));
        return Err(taken.with_hint("the file's first 4096 bytes are not zero"));
    }
    Ok(Made::existing(file))
}

/// The largest pool, in bytes, whose pages are written when it is made.
const WRITTEN: u64 = 64 << 20;

/// Writes the pages of a new pool that is not too large, so that later writes find their extents in place and pay for no
/// entry in the file system's journal. The page cache is not to keep them as they were written.
pub(super) fn write_pages(made: &Made, sparse: bool) -> io::Result<()> {
    let size = file::size_of(made.file())?;
    if !made.is_new() || sparse || size > WRITTEN || is_on_pmem(made.file()) {
        return Ok(());
    }
    file::write_zeros(made.file(), 0, size)?;
    seam::sync_all(made.file())?;
    file::forget_pages(made.file());
    Ok(())
}

/// Writes the header, which makes a pool of a file that has everything else, once all of that is durable.
pub(super) fn write_header(file: &File, kind: header::Kind) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    if !deliberate::is_on("header: contents not synced before") {
        seam::sync_all(file)?;
    }
    seam::pwrite(file, &header::make(kind, &Identity::random()?, now, Machine::HOST), 0)
}

/// A name of `file` for the NVM Library, which opens by name: the file itself, whatever its path leads to by now.
#[cfg(feature = "pmdk")]
pub(crate) fn library_path(file: &File, path: &Path, syscall: &'static str) -> Result<std::ffi::CString> {
    use std::os::unix::ffi::OsStrExt;
    let through_proc = file::through_proc(file);
    let name = if through_proc.exists() { through_proc.as_path() } else { path };
    let name = name.as_os_str().as_bytes();
    std::ffi::CString::new(name).map_err(|_| Error::os(errno::EINVAL, syscall, Some(path)))
}

#[cfg(test)]
mod tests;
