//! The pools of the NVM Library: their formats, and logs and block arrays over either engine.

pub(crate) mod blk;
pub(crate) mod format;
pub(crate) mod log;
#[cfg(feature = "pmdk")]
mod pmdk;
pub(crate) mod pool;
