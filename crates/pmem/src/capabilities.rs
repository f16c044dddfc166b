//! What this build can do on this machine.

use crate::os::{cpu, flush, page};
use crate::{Engine, Error, Result};

/// The engines that this build has for log and block pools.
pub fn engines() -> Vec<&'static str> {
    Engine::all().iter().map(|engine| engine.name()).collect()
}

/// The version of the NVM Library linked into this build.
pub fn pmdk_version() -> Option<&'static str> {
    #[cfg(feature = "pmdk")]
    return Some(pmem_sys::PMDK_VERSION);
    #[cfg(not(feature = "pmdk"))]
    None
}

/// The instruction that writes a cache line back: `clwb`, `clflushopt`, `clflush`, `dc cvap`, `dc cvac`, or `none`
/// where the platform needs no flush.
pub fn flush_instruction() -> &'static str {
    cpu::flush_instruction().name()
}

/// `pmem_has_hw_drain`: whether draining is an instruction of its own; it is not on any processor known today.
pub fn has_hw_drain() -> bool {
    flush::has_hw_drain()
}

/// `pmem_has_auto_flush`: whether the processor's caches survive a power failure.
pub fn has_auto_flush() -> bool {
    flush::has_auto_flush()
}

/// The unit, in bytes, of a mapping's offset in its file.
pub fn page_size() -> usize {
    page::page_size()
}

/// `pmem_check_version`: that this build provides version `major.minor` of libpmem's interface.
///
/// # Errors
/// [`Error::Version`] where the major version differs, or the minor one is newer than this build.
///
/// ```
/// pmem::capabilities::check_version(1, 0)?;
/// assert_eq!(pmem::capabilities::check_version(2, 0).unwrap_err().code(), "ERR_PMEM_VERSION");
/// # Ok::<(), pmem::Error>(())
/// ```
pub fn check_version(major: u32, minor: u32) -> Result<()> {
    provide("libpmem", flush::check_version(major, minor), major, minor)
}

/// That a library whose interface is 1.1 provides version `major.minor`.
pub(crate) fn provide(library: &'static str, provided: bool, major: u32, minor: u32) -> Result<()> {
    if provided { Ok(()) } else { Err(Error::Version { library, have: "1.1", major, minor }) }
}
