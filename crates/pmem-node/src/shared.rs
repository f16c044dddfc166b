//! What every module crosses with.

pub(crate) mod buffers;
mod capabilities;
pub(crate) mod errors;
pub(crate) mod files;
pub(crate) mod frame;
pub(crate) mod handles;
pub(crate) mod opened;
pub(crate) mod pending;
pub(crate) mod state;
