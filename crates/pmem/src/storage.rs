//! What every kind of file needs, whatever its format: the way to the disk, and the table of what is open.

pub(crate) mod beside;
pub(crate) mod bytes;
pub(crate) mod committer;
pub(crate) mod frames;
pub(crate) mod growing;
pub(crate) mod lock;
pub(crate) mod medium;
pub(crate) mod registry;
