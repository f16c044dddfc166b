//! Safe persistent memory.
//!
//! [`Region`] maps a file as memory and makes ranges of it durable: by flushing processor caches where the file lies
//! on persistent memory, by synchronising pages elsewhere. The interface follows libpmem of the NVM Library, which does
//! the flushing where the cargo feature `pmdk` links it; the crate's own flush does it elsewhere.
//!
//! Every failure is an [`Error`]; dropping the last owner of a mapping is what unmaps it.

pub mod capabilities;
mod error;
pub mod heap;
mod journal;
mod nvml;
pub mod objects;
mod os;
#[cfg(feature = "recorder")]
pub mod recorder;
mod region;
mod storage;
mod ticket;

pub use error::{Error, Result};
pub use journal::{
    Journal, JournalCursorLock, JournalDamage, JournalOptions, JournalPosition, JournalRead, JournalReport,
    JournalState, JournalWait,
};
pub use nvml::blk::BlockArray;
pub use nvml::log::Log;
pub use nvml::pool::{Engine, NewPool, OpenOptions};
pub use os::fault::{Alarm, check_source};
pub use os::file::{CreateOptions, Descriptor};
pub use os::mapping::{Advice, Mapping};
pub use region::{MapOptions, Region};
pub use ticket::Ticket;

/// `pmem_drain`: waits for the flushes of every region on persistent memory.
pub fn drain() {
    os::flush::drain();
}
