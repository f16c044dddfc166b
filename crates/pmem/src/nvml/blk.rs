//! An array of atomically written blocks in a file: libpmemblk's pools, over either engine.

mod rust;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::capabilities::provide;
use crate::nvml::format::btt::Layout;
use crate::nvml::format::header::{self, Header};
use crate::nvml::format::{self, Invalid};
use crate::nvml::pool::{self, Engine, Kind, NewPool, OpenOptions, Pool};
use crate::os::errno;
use crate::os::fault::FaultFlag;
use crate::os::file::{self, Made, write_zeros};
use crate::os::mapping::{Access, is_on_pmem};
use crate::os::seam;
use crate::storage::committer::Batch;
use crate::storage::lock::Locked;
use crate::storage::medium::{FileMedium, MemoryMedium};
use crate::storage::registry::{Registry, Shared};
use crate::{Error, Result, Ticket};
use rust::RustBlocks;

pub(super) const CREATE: &str = "pmemblk_create";
pub(super) const OPEN: &str = "pmemblk_open";

/// What an engine does for an open array. Indexes are below the block count, data is one block long.
pub(crate) trait BlockEngine: Send + Sync {
    /// Fills `target` with a block. `EIO` for one in the error state.
    fn read(&self, index: u64, target: &mut [u8]) -> Result<()>;

    /// Writes a block: all or nothing, durable on return.
    fn write(&self, index: u64, data: &[u8]) -> Result<()>;

    /// Writes blocks as [`BlockEngine::write`] writes each, at the price of one where that is possible.
    fn write_many(&self, writes: &[(u64, &[u8])]) -> Vec<Result<()>> {
        writes.iter().map(|(index, data)| self.write(*index, data)).collect()
    }

    /// Whether changes must not be under way at the same time as others.
    fn takes_turns(&self) -> bool;

    /// Makes a block read as zeros, durably.
    fn set_zero(&self, index: u64) -> Result<()>;

    /// Makes reads of a block fail until it is written or zeroed, durably.
    fn set_error(&self, index: u64) -> Result<()>;

    /// What tells whether bytes were lost: a page of the file cannot be had.
    fn fault_flag(&self) -> Arc<FaultFlag>;
}

/// A handle on an open block array. Clones, and handles from opening the same file again in this process, share it; the
/// last one's drop closes it.
#[derive(Clone)]
pub struct BlockArray {
    pool: Shared<Pool<BlockKind>>,
}

/// Blocks to write, in a row from the first.
struct Write {
    first: u64,
    data: Vec<u8>,
}

/// What an open array has beside what all pools have.
struct BlockKind {
    engine: Box<dyn BlockEngine>,
    block_size: usize,
    block_count: u64,
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
        let make = |made: &Made, engine| {
            let size = file::size_of(made.file()).map_err(|error| Error::io(&error, CREATE, Some(path)))?;
            let layout = Layout::new(size, block_size).ok_or_else(|| {
                Error::out_of_range("blockSize", "> 0 and small enough for the pool to hold blocks".into(), block_size)
            })?;
            let engine: Box<dyn BlockEngine> = match engine {
                #[cfg(feature = "pmdk")]
                Engine::Pmdk if new.sparse => {
                    let file = write_pool(made, new, path, block_size, &layout)?;
                    let format = pool::read::<BlockKind>(&file, path, CREATE)?;
                    Box::new(super::pmdk::blk::PmdkBlocks::open(file, path, &format, CREATE)?)
                }
                #[cfg(feature = "pmdk")]
                Engine::Pmdk => {
                    let read = |file: &File| pool::read::<BlockKind>(file, path, CREATE);
                    Box::new(super::pmdk::blk::PmdkBlocks::create(made, path, block_size, read)?)
                }
                _ => {
                    let file = write_pool(made, new, path, block_size, &layout)?;
                    let format = pool::read::<BlockKind>(&file, path, CREATE)?;
                    open_rust(file, format, false, path, CREATE)?
                }
            };
            Ok(BlockKind { engine, block_size: block_size as usize, block_count: layout.blocks() })
        };
        Ok(Self { pool: Pool::create(path, new, make)? })
    }

    /// Opens an array: `pmemblk_open`. A `block_size` of 0 takes the pool's. Opening changes nothing in an array that is
    /// damaged.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a file that is no sound array; `EINVAL` for another block size; `EAGAIN` for one that is open
    /// in another process, or in this one in another way; [`Error::Unsupported`] for an engine that cannot do it.
    pub fn open(path: &Path, block_size: u32, options: OpenOptions) -> Result<Self> {
        let pool = Pool::<BlockKind>::open(path, options)?;
        check_block_size(pool.kind.block_size, block_size, path)?;
        Ok(Self { pool })
    }

    /// Whether the file is a sound array, of `block_size` where that is not 0: `pmemblk_check`. It reads the whole map.
    ///
    /// # Errors
    /// A missing file, `EAGAIN` for an open one.
    pub fn check(path: &Path, block_size: u32) -> Result<bool> {
        Pool::<BlockKind>::check(path, |file| {
            let file = Locked::new(file, false, path, BlockKind::CHECK)?;
            pool::read::<BlockKind>(&file, path, BlockKind::CHECK)?;
            let format =
                format::btt::check(&*file).map_err(|invalid| invalid.into_error(BlockKind::CHECK, Some(path)))?;
            Ok(block_size == 0 || format.block_size == block_size)
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
        self.pool.engine()
    }

    /// The size of a block in bytes: `pmemblk_bsize`.
    pub fn block_size(&self) -> usize {
        self.pool.kind.block_size
    }

    /// How many blocks there are: `pmemblk_nblock`.
    pub fn block_count(&self) -> u64 {
        self.pool.kind.block_count
    }

    /// Fills `target` with blocks in a row from `first`: `pmemblk_read` of each.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for blocks that do not exist, or a target that is not whole blocks; `EIO` for a block in the
    /// error state, with the blocks before it read; [`Error::Fault`] where a page of the file was lost, now or before.
    pub fn read(&self, first: u64, target: &mut [u8]) -> Result<()> {
        self.pool.kind.check_blocks(first, target.len())?;
        let (kind, len) = (&self.pool.kind, target.len());
        self.pool.settle_wanted(|write| write.overlaps(first, len, kind.block_size));
        if len == kind.block_size {
            return self.pool.guarded(|| kind.engine.read(first, target));
        }
        let blocks = target.chunks_exact_mut(kind.block_size);
        self.pool.guarded(|| (first..).zip(blocks).try_for_each(|(index, block)| kind.engine.read(index, block)))
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
        self.pool.check_writable(BlockKind::CHANGE)?;
        self.pool.kind.check_blocks(first, data.len())?;
        self.pool.change(|| self.pool.kind.write(first, data))
    }

    /// Puts a write off. Later calls come after it.
    ///
    /// # Errors
    /// As [`BlockArray::write`], for the arguments; [`Error::Busy`] where too much waits already.
    pub fn enqueue(&self, first: u64, data: Vec<u8>) -> Result<Ticket> {
        self.pool.check_writable(BlockKind::CHANGE)?;
        self.pool.kind.check_blocks(first, data.len())?;
        let bytes = data.len() as u64;
        self.pool.enqueue(Write { first, data }, bytes)
    }

    /// How many bytes were put off and are not written yet.
    pub fn pending(&self) -> u64 {
        self.pool.pending()
    }

    /// How many bytes may be put off, from now on and for all handles on this array.
    pub fn limit_pending(&self, most: u64) {
        self.pool.limit_pending(most);
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
        self.pool.kind.check_blocks(index, self.pool.kind.block_size)?;
        self.pool.change(|| self.pool.kind.engine.set_zero(index))
    }

    /// Makes reads of a block fail with `EIO` until it is written or zeroed, durably: `pmemblk_set_error`.
    ///
    /// # Errors
    /// As [`BlockArray::set_zero`].
    pub fn set_error(&self, index: u64) -> Result<()> {
        self.pool.check_writable("pmemblk_set_error")?;
        self.pool.kind.check_blocks(index, self.pool.kind.block_size)?;
        self.pool.change(|| self.pool.kind.engine.set_error(index))
    }
}

impl Write {
    /// Whether it changes any of the blocks in `len` bytes from block `first` on.
    fn overlaps(&self, first: u64, len: usize, block_size: usize) -> bool {
        let blocks = |len: usize| (len / block_size) as u64;
        self.first < first + blocks(len) && first < self.first + blocks(self.data.len())
    }
}

impl BlockKind {
    /// Checks that `len` bytes are whole blocks that exist from `first` on.
    fn check_blocks(&self, first: u64, len: usize) -> Result<()> {
        if first >= self.block_count {
            return Err(self.no_block(first));
        }
        if len == self.block_size {
            return Ok(());
        }
        let most = (self.block_count - first).saturating_mul(self.block_size as u64);
        if len as u64 > most || !len.is_multiple_of(self.block_size) {
            let expected = format!("a multiple of {} and <= {most}", self.block_size);
            return Err(Error::out_of_range("data.byteLength", expected, len));
        }
        Ok(())
    }

    #[cold]
    fn no_block(&self, index: u64) -> Error {
        Error::out_of_range("index", format!(">= 0 and < {}", self.block_count), index)
    }

    /// Writes blocks in a row; where one fails, with those before it written.
    fn write(&self, first: u64, data: &[u8]) -> Result<()> {
        if data.len() == self.block_size {
            return self.engine.write(first, data);
        }
        self.engine.write_many(&self.rows(first, data).collect::<Vec<_>>()).into_iter().collect()
    }

    fn rows<'a>(&self, first: u64, data: &'a [u8]) -> impl Iterator<Item = (u64, &'a [u8])> + use<'a> {
        (first..).zip(data.chunks_exact(self.block_size))
    }
}

impl Kind for BlockKind {
    type Format = format::btt::Pool;
    type Job = Write;
    type Lock = Locked;

    const READONLY: &'static str = "the array is open readonly";
    const CREATE: &'static str = CREATE;
    const OPEN: &'static str = OPEN;
    const CHECK: &'static str = "pmemblk_check";
    const CHANGE: &'static str = "pmemblk_write";
    const MIN_POOL: u64 = BlockArray::MIN_POOL;

    fn registry() -> &'static Registry<Pool<Self>> {
        static OPEN_ARRAYS: Registry<Pool<BlockKind>> = Registry::new();
        &OPEN_ARRAYS
    }

    fn lock(file: File, readonly: bool, path: &Path, syscall: &'static str) -> Result<Locked> {
        Locked::new(file, readonly, path, syscall)
    }

    fn read(file: &File) -> std::result::Result<Self::Format, Invalid> {
        format::btt::read(file)
    }

    fn header(format: &Self::Format) -> &Header {
        &format.header
    }

    fn open(engine: Engine, file: Locked, format: Self::Format, readonly: bool, path: &Path) -> Result<Self> {
        let (block_size, block_count) = (format.block_size as usize, format.layout.blocks());
        let engine: Box<dyn BlockEngine> = match engine {
            #[cfg(feature = "pmdk")]
            Engine::Pmdk => Box::new(super::pmdk::blk::PmdkBlocks::open(file, path, &format, OPEN)?),
            _ => open_rust(file, format, readonly, path, OPEN)?,
        };
        Ok(Self { engine, block_size, block_count })
    }

    fn takes_turns(&self) -> bool {
        self.engine.takes_turns()
    }

    fn fault_flag(&self) -> Arc<FaultFlag> {
        self.engine.fault_flag()
    }

    fn commit(pool: &Pool<Self>, batch: &Batch<Write>) {
        let rows: Vec<_> = batch.iter().flat_map(|ticket| pool.kind.rows(ticket.job.first, &ticket.job.data)).collect();
        let written = pool.guarded(|| Ok(pool.kind.engine.write_many(&rows)));
        let mut outcomes = match written {
            Ok(outcomes) => outcomes.into_iter(),
            Err(error) => vec![Err(error); rows.len()].into_iter(),
        };
        for ticket in batch {
            let count = ticket.job.data.len() / pool.kind.block_size;
            ticket.finish(outcomes.by_ref().take(count).fold(Ok(()), Result::and));
        }
    }
}

fn check_block_size(have: usize, wanted: u32, path: &Path) -> Result<()> {
    if wanted == 0 || wanted as usize == have {
        return Ok(());
    }
    let sizes = format!("the pool has blocks of {have} bytes, not of {wanted}");
    Err(Error::os(errno::EINVAL, OPEN, Some(path)).with_hint(sizes))
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
        seam::pwrite(&file, &format::btt::make_descriptor(block_size, made.is_new()), format::PAGE)?;
        pool::write_header(&file, header::Kind::Blk)
    };
    write().map_err(failed)?;
    Ok(file)
}

/// Clears what could be taken for the damaged metadata of a pool that is laid out. The maps are cleared when it is.
fn clear_metadata(file: &File, layout: &Layout) -> io::Result<()> {
    layout.iter().try_for_each(|extent| {
        write_zeros(file, extent.start, format::PAGE)?;
        write_zeros(file, extent.flog(), extent.info_copy() + format::PAGE - extent.flog())
    })
}

/// The array in `file`, on the medium that suits it.
fn open_rust(
    file: Locked,
    format: format::btt::Pool,
    readonly: bool,
    path: &Path,
    syscall: &'static str,
) -> Result<Box<dyn BlockEngine>> {
    let failed = |error: io::Error| Error::io(&error, syscall, Some(path));
    let size = file::size_of(&file).map_err(failed)?;
    if is_on_pmem(&file) {
        let access = if readonly { Access::Read } else { Access::Shared };
        return Ok(Box::new(RustBlocks::new(MemoryMedium::new(file, size, access).map_err(failed)?, format, path)));
    }
    Ok(Box::new(RustBlocks::new(FileMedium::new(file, size).map_err(failed)?, format, path)))
}
