//! The engine of the NVM Library: libpmemlog and libpmemblk, and what they alone need. Nothing else is built on it.

pub(super) mod blk;
mod environment;
pub(super) mod log;
mod syncs;
mod watch;
