//! Pools of the NVM Library, as JavaScript sees them.

mod blk;
mod log;
mod pools;
