//! An array of atomically written blocks in a file: libpmemblk's pools, over either engine.

mod rust;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::capabilities::provide;
use crate::nvml::format;
use crate::nvml::format::btt::Layout;
use crate::nvml::format::header::Kind;
use crate::nvml::pool::{self, Engine, Locked, NewPool, OpenOptions};
use crate::os::errno;
use crate::os::file::{Made, descriptor, write_all_at, write_zeros};
use crate::storage::medium::MappedMedium;
use crate::storage::queue::{Queue, Ticket};
use crate::storage::registry::{Pool, Reference, Registry, Shared};
use crate::{Error, Result};
use rust::RustBlocks;

pub(super) const CREATE: &str = "pmemblk_create";
pub(super) const OPEN: &str = "pmemblk_open";
const CHECK: &str = "pmemblk_check";

/// What an engine does for an open array. Indexes are below the block count, data is one block long.
pub(crate) trait BlockEngine: Send + Sync {
    /// Fills `target` with a block. `EIO` for one in the error state.
    fn read(&self, index: u64, target: &mut [u8]) -> Result<()>;

    /// Writes a block: all or nothing, durable on return.
    fn write(&self, index: u64, data: &[u8]) -> Result<()>;

    /// Makes a block read as zeros, durably.
    fn set_zero(&self, index: u64) -> Result<()>;

    /// Makes reads of a block fail until it is written or zeroed, durably.
    fn set_error(&self, index: u64) -> Result<()>;

    /// Whether bytes were lost: a page of the file cannot be had.
    fn is_faulted(&self) -> bool;
}

/// A handle on an open block array. Clones, and handles from opening the same file again in this process, share it; the
/// last one's drop closes it.
#[derive(Clone)]
pub struct BlockArray {
    pool: Shared<BlockPool>,
}

/// A write that was put off; see [`BlockArray::enqueue`].
pub struct BlockTicket {
    pool: Reference<BlockPool>,
    ticket: Arc<Ticket<Write>>,
}

/// Blocks to write, in a row from the first.
struct Write {
    first: u64,
    data: Vec<u8>,
}

struct BlockPool {
    engine: Box<dyn BlockEngine>,
    kind: Engine,
    readonly: bool,
    path: PathBuf,
    block_size: usize,
    block_count: u64,
    queue: Queue<Write>,
}

impl BlockArray {
    /// The smallest pool, in bytes: `PMEMBLK_MIN_POOL`.
    pub const MIN_POOL: u64 = (16 << 20) + (8 << 10);

    /// What the smallest block takes up, in bytes: `PMEMBLK_MIN_BLK`. Smaller blocks are possible and save no room.
    pub const MIN_BLOCK: u32 = 512;

    /// Makes an array of blocks of `block_size` bytes and opens it: `pmemblk_create`. The file and its directory entry
    /// are durable on return.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a size below [`BlockArray::MIN_POOL`], or blocks too large for the pool; `EEXIST`;
    /// `EAGAIN` for a pool that is open; what the operating system says of making the file. A new file is removed again,
    /// an existing one keeps its size.
    ///
    /// ```
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("blocks");
    /// let new = pmem::NewPool { size: pmem::BlockArray::MIN_POOL, ..Default::default() };
    /// let blocks = pmem::BlockArray::create(&path, 512, &new)?;
    /// blocks.write(7, &[1; 512])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(path: &Path, block_size: u32, new: &NewPool) -> Result<Self> {
        let make = || {
            let mut made = pool::make_file(path, new, Self::MIN_POOL, CREATE)?;
            let size = made.file().metadata().map_err(|error| Error::io(&error, CREATE, Some(path)))?.len();
            let layout = Layout::new(size, block_size).ok_or_else(|| {
                Error::out_of_range("blockSize", "> 0 and small enough for the pool to hold blocks".into(), block_size)
            })?;
            let kind = Engine::for_new(made.file(), new.engine);
            let engine: Box<dyn BlockEngine> = match kind {
                #[cfg(feature = "pmdk")]
                Engine::Pmdk if new.sparse => {
                    let file = write_pool(&made, new, path, block_size, &layout)?;
                    let format = read(&file, path, CREATE)?;
                    Box::new(super::pmdk::blk::PmdkBlocks::open(file, path, &format, CREATE)?)
                }
                #[cfg(feature = "pmdk")]
                Engine::Pmdk => Box::new(super::pmdk::blk::PmdkBlocks::create(&made, path, block_size)?),
                _ => Box::new(create_rust(&made, new, path, block_size, &layout)?),
            };
            let file = made.keep(path, CREATE)?;
            Ok((file, BlockPool::new(engine, kind, false, path, block_size as usize, layout.blocks())))
        };
        Ok(Self { pool: BlockPool::registry().create(path, CREATE, make)? })
    }

    /// Opens an array: `pmemblk_open`. A `block_size` of 0 takes the pool's. Opening changes nothing in an array that is
    /// damaged.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a file that is no sound array; `EINVAL` for another block size; `EAGAIN` for one that is open
    /// in another process, or in this one in another way; [`Error::Unsupported`] for an engine that cannot do it.
    pub fn open(path: &Path, block_size: u32, options: OpenOptions) -> Result<Self> {
        let open = |file: File| {
            let file = Locked::new(file, options.readonly, path, OPEN)?;
            let format = read(&file, path, OPEN)?;
            check_block_size(format.block_size as usize, block_size, path)?;
            let (block_size, block_count) = (format.block_size as usize, format.layout.blocks());
            let kind = Engine::for_existing(&file, options, &format.header)?;
            let engine: Box<dyn BlockEngine> = match kind {
                #[cfg(feature = "pmdk")]
                Engine::Pmdk => Box::new(super::pmdk::blk::PmdkBlocks::open(file, path, &format, OPEN)?),
                _ => Box::new(open_rust(file, format, options.readonly, path, OPEN)?),
            };
            Ok(BlockPool::new(engine, kind, options.readonly, path, block_size, block_count))
        };
        let pool = BlockPool::registry().open(path, options, open)?;
        check_block_size(pool.block_size, block_size, path)?;
        Ok(Self { pool })
    }

    /// Whether the file is a sound array, of `block_size` where that is not 0: `pmemblk_check`. It reads the whole map.
    ///
    /// # Errors
    /// A missing file, `EAGAIN` for an open one.
    pub fn check(path: &Path, block_size: u32) -> Result<bool> {
        BlockPool::registry().apart(path, CHECK, || {
            let file = Locked::new(crate::os::file::open(path, true, CHECK)?, false, path, CHECK)?;
            crate::os::file::regular_size(descriptor(&file), Some(path), CHECK)?;
            match format::btt::check(&*file).map_err(|invalid| invalid.into_error(CHECK, Some(path))) {
                Ok(format) => Ok(block_size == 0 || format.block_size == block_size),
                Err(Error::Corrupt { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    /// `pmemblk_check_version`: that this build provides version `major.minor` of libpmemblk's interface, which is 1.1.
    ///
    /// # Errors
    /// [`Error::Version`] where the major version differs, or the minor one is newer.
    pub fn check_version(major: u32, minor: u32) -> Result<()> {
        provide("libpmemblk", major == 1 && minor <= 1, major, minor)
    }

    /// The engine in use.
    pub fn engine(&self) -> Engine {
        self.pool.kind
    }

    /// The size of a block in bytes: `pmemblk_bsize`.
    pub fn block_size(&self) -> usize {
        self.pool.block_size
    }

    /// How many blocks there are: `pmemblk_nblock`.
    pub fn block_count(&self) -> u64 {
        self.pool.block_count
    }

    /// Fills `target` with blocks in a row from `first`: `pmemblk_read` of each.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for blocks that do not exist, or a target that is not whole blocks; `EIO` for a block in the
    /// error state, with the blocks before it read; [`Error::Fault`] where a page of the file was lost, now or before.
    pub fn read(&self, first: u64, target: &mut [u8]) -> Result<()> {
        self.pool.check_blocks(first, target.len())?;
        self.pool.settle();
        let blocks = target.chunks_exact_mut(self.pool.block_size);
        self.pool.guarded(|| (first..).zip(blocks).try_for_each(|(index, block)| self.pool.engine.read(index, block)))
    }

    /// That no page of the file was lost.
    ///
    /// # Errors
    /// [`Error::Fault`].
    pub fn check_intact(&self) -> Result<()> {
        self.pool.check_intact()
    }

    /// Writes blocks in a row from `first`: `pmemblk_write` of each, which is atomic and durable by itself.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for blocks that do not exist, or data that is not whole blocks; `EROFS` for a readonly array;
    /// what the engine meets, with the blocks before it written; [`Error::Fault`].
    pub fn write(&self, first: u64, data: &[u8]) -> Result<()> {
        self.pool.check_writable("pmemblk_write")?;
        self.pool.check_blocks(first, data.len())?;
        self.pool.settle();
        self.pool.write(first, data)
    }

    /// Puts a write off. Later calls come after it.
    ///
    /// # Errors
    /// As [`BlockArray::write`], for the arguments.
    pub fn enqueue(&self, first: u64, data: Vec<u8>) -> Result<BlockTicket> {
        self.pool.check_writable("pmemblk_write")?;
        self.pool.check_blocks(first, data.len())?;
        Ok(BlockTicket { pool: self.pool.reference(), ticket: self.pool.queue.add(Write { first, data }) })
    }

    /// Does all that was put off.
    pub fn settle(&self) {
        self.pool.settle();
    }

    /// Makes a block read as zeros, durably, without writing them: `pmemblk_set_zero`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a block that does not exist; `EROFS` for a readonly array.
    pub fn set_zero(&self, index: u64) -> Result<()> {
        self.pool.check_writable("pmemblk_set_zero")?;
        self.pool.check_blocks(index, self.pool.block_size)?;
        self.pool.settle();
        self.pool.guarded(|| self.pool.engine.set_zero(index))
    }

    /// Makes reads of a block fail with `EIO` until it is written or zeroed, durably: `pmemblk_set_error`.
    ///
    /// # Errors
    /// As [`BlockArray::set_zero`].
    pub fn set_error(&self, index: u64) -> Result<()> {
        self.pool.check_writable("pmemblk_set_error")?;
        self.pool.check_blocks(index, self.pool.block_size)?;
        self.pool.settle();
        self.pool.guarded(|| self.pool.engine.set_error(index))
    }
}

impl BlockTicket {
    /// Returns once the blocks are durable, or writing has failed.
    ///
    /// # Errors
    /// As [`BlockArray::write`].
    pub fn wait(&self) -> Result<()> {
        // A pool that is closed meanwhile has settled its queue.
        if let Some(pool) = self.pool.share() {
            pool.settle();
        }
        self.ticket.outcome()
    }
}

impl BlockPool {
    fn new(
        engine: Box<dyn BlockEngine>,
        kind: Engine,
        readonly: bool,
        path: &Path,
        block_size: usize,
        block_count: u64,
    ) -> Self {
        Self { engine, kind, readonly, path: path.to_path_buf(), block_size, block_count, queue: Queue::new() }
    }

    fn check_writable(&self, syscall: &'static str) -> Result<()> {
        if !self.readonly {
            return Ok(());
        }
        Err(Error::os(errno::EROFS, syscall, Some(&self.path)).with_hint("the array is open readonly"))
    }

    /// Checks that `len` bytes are whole blocks that exist from `first` on.
    fn check_blocks(&self, first: u64, len: usize) -> Result<()> {
        if first >= self.block_count {
            return Err(Error::out_of_range("index", format!(">= 0 and < {}", self.block_count), first));
        }
        let most = (self.block_count - first).saturating_mul(self.block_size as u64);
        if len as u64 > most || !len.is_multiple_of(self.block_size) {
            let expected = format!("a multiple of {} and <= {most}", self.block_size);
            return Err(Error::out_of_range("data.byteLength", expected, len));
        }
        Ok(())
    }

    fn write(&self, first: u64, data: &[u8]) -> Result<()> {
        let blocks = data.chunks_exact(self.block_size);
        self.guarded(|| (first..).zip(blocks).try_for_each(|(index, block)| self.engine.write(index, block)))
    }

    fn settle(&self) {
        self.queue.settle(|tickets| {
            for ticket in tickets {
                ticket.finish(self.write(ticket.job.first, &ticket.job.data));
            }
        });
    }
}

impl Pool for BlockPool {
    const OPEN: &'static str = OPEN;

    fn registry() -> &'static Registry<Self> {
        static OPEN_ARRAYS: Registry<BlockPool> = Registry::new();
        &OPEN_ARRAYS
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

impl Drop for BlockPool {
    fn drop(&mut self) {
        self.settle();
    }
}

fn check_block_size(have: usize, wanted: u32, path: &Path) -> Result<()> {
    if wanted == 0 || wanted as usize == have {
        return Ok(());
    }
    Err(Error::os(errno::EINVAL, OPEN, Some(path)).with_hint("the pool has another block size"))
}

pub(super) fn read(file: &File, path: &Path, syscall: &'static str) -> Result<format::btt::Pool> {
    crate::os::file::regular_size(descriptor(file), Some(path), syscall)?;
    format::btt::read(file).map_err(|invalid| invalid.into_error(syscall, Some(path)))
}

/// Writes an array that is not laid out, without the blocks that libpmemblk would give to all of it.
fn write_pool(made: &Made, new: &NewPool, path: &Path, block_size: u32, layout: &Layout) -> Result<Locked> {
    let failed = |error: io::Error| Error::io(&error, CREATE, Some(path));
    let file = Locked::new(made.file().try_clone().map_err(failed)?, false, path, CREATE)?;
    let write = || {
        if !made.is_new() {
            clear_metadata(&file, layout)?;
        }
        pool::write_pages(made, new.sparse)?;
        write_all_at(&file, &format::btt::make_descriptor(block_size, made.is_new()), format::PAGE)?;
        pool::write_header(&file, Kind::Blk)
    };
    write().map_err(failed)?;
    Ok(file)
}

fn create_rust(
    made: &Made,
    new: &NewPool,
    path: &Path,
    block_size: u32,
    layout: &Layout,
) -> Result<RustBlocks<MappedMedium>> {
    let file = write_pool(made, new, path, block_size, layout)?;
    let format = read(&file, path, CREATE)?;
    open_rust(file, format, false, path, CREATE)
}

/// Clears what could be taken for the damaged metadata of a pool that is laid out. The maps are cleared when it is.
fn clear_metadata(file: &File, layout: &Layout) -> io::Result<()> {
    layout.iter().try_for_each(|extent| {
        write_zeros(file, extent.start, format::PAGE)?;
        write_zeros(file, extent.flog(), extent.info_copy() + format::PAGE - extent.flog())
    })
}

/// Maps the array in `file`.
fn open_rust(
    file: Locked,
    format: format::btt::Pool,
    readonly: bool,
    path: &Path,
    syscall: &'static str,
) -> Result<RustBlocks<MappedMedium>> {
    let failed = |error: io::Error| Error::io(&error, syscall, Some(path));
    let size = file.metadata().map_err(failed)?.len();
    let medium = MappedMedium::locked(file, size, readonly).map_err(failed)?;
    Ok(RustBlocks::new(medium, format, path))
}
