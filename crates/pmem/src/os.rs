//! What a platform does its own way: mappings, files, error numbers, lost pages, cache lines.

pub(crate) mod boot;
pub(crate) mod byte_locks;
pub(crate) mod cpu;
pub(crate) mod deliberate;
pub(crate) mod device_dax;
pub(crate) mod errno;
pub(crate) mod fault;
pub(crate) mod file;
pub(crate) mod flush;
pub(crate) mod futex;
pub(crate) mod lock;
pub(crate) mod mapping;
pub(crate) mod page;
pub(crate) mod seam;
#[cfg(test)]
mod unsound;
pub(crate) mod volume;
