//! What log and block pools have in common: how they are named, locked, shared, made and opened.

use std::fs::{File, TryLockError};
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::nvml::format::header::{self, Header, Kind, Machine};
use crate::nvml::format::{Identity, PAGE};
use crate::os::errno;
use crate::os::file::{self, Made};
use crate::os::mapping::is_on_pmem;
use crate::{Error, Result};

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

/// A file with the lock that keeps other users of the NVM Library's formats away from it.
///
/// On Windows the lock binds also who does not ask for it: other handles cannot write, nor read unless it is a shared one.
/// So whoever reads a locked pool does it through this file or a duplicate of it. Mappings are not affected.
#[derive(Debug)]
pub(crate) struct Locked(File);

impl Locked {
    /// Locks `file` against all others, or for a readonly pool against all that are not.
    pub(crate) fn new(file: File, readonly: bool, path: &Path, syscall: &'static str) -> Result<Self> {
        let locked = if readonly { file.try_lock_shared() } else { file.try_lock() };
        match locked {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Error::os(errno::EAGAIN, syscall, Some(path))
                .with_hint("the pool is open elsewhere: in another process, or by another copy of this package")),
            Err(TryLockError::Error(error)) => Err(Error::io(&error, syscall, Some(path))),
        }
    }

    /// The file without its lock, for who takes it next.
    #[cfg(feature = "pmdk")]
    pub(crate) fn release(self, path: &Path, syscall: &'static str) -> Result<File> {
        self.0.try_clone().map_err(|error| Error::io(&error, syscall, Some(path)))
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    /// Unlocks, rather than leave it to closing: a child process that is just being started still has the file open.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// The file of a new pool: made exclusively with its size, or an existing one whose first page is zero.
pub(crate) fn make_file(path: &Path, new: &NewPool, min_size: u64, syscall: &'static str) -> Result<Made> {
    if new.size == 0 {
        return take_file(path, min_size, syscall);
    }
    if new.size < min_size {
        return Err(Error::out_of_range("poolSize", format!("0 or >= {min_size}"), new.size));
    }
    file::make(path, new.size, new.mode, new.sparse, syscall)
}

fn take_file(path: &Path, min_size: u64, syscall: &'static str) -> Result<Made> {
    let file = file::open(path, false, syscall)?;
    let size = file::regular_size(file::descriptor(&file), Some(path), syscall)?;
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
pub(crate) fn write_pages(made: &Made, sparse: bool) -> io::Result<()> {
    let size = made.file().metadata()?.len();
    if !made.is_new() || sparse || size > WRITTEN || is_on_pmem(made.file()) {
        return Ok(());
    }
    file::write_zeros(made.file(), 0, size)?;
    made.file().sync_all()?;
    file::forget_pages(made.file());
    Ok(())
}

/// Writes the header, which makes a pool of a file that has everything else, and makes all of it durable in that order.
pub(crate) fn write_header(file: &File, kind: Kind) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    file.sync_all()?;
    file::write_all_at(file, &header::make(kind, &Identity::random()?, now, Machine::HOST), 0)?;
    file.sync_all()
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
