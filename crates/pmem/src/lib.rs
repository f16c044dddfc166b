//! Safe persistent memory.
//!
//! [`Region`] maps a file as memory and makes ranges of it durable: by flushing processor caches where the file lies
//! on persistent memory, by synchronising pages elsewhere. The interface follows libpmem of the NVM Library, which does
//! the flushing where the cargo feature `pmdk` links it; the crate's own flush does it elsewhere.
//!
//! Every failure is an [`Error`]; dropping the last owner of a mapping is what unmaps it.

mod blk;
pub mod capabilities;
mod cover;
mod cpu;
mod errno;
mod error;
mod fault;
mod file;
mod flush;
mod format;
mod log;
mod mapping;
mod medium;
mod pool;
mod region;

pub use blk::{BlockArray, BlockTicket};
pub use error::{Error, Result};
pub use fault::{Alarm, check_source};
pub use file::{CreateOptions, Descriptor};
pub use log::{Log, LogTicket};
pub use mapping::Mapping;
pub use pool::{Engine, NewPool, OpenOptions};
pub use region::{MapOptions, Region};

/// `pmem_drain`: waits for the flushes of every region on persistent memory.
pub fn drain() {
    flush::drain();
}
