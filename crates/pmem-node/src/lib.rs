//! The glue between the `pmem` crate and JavaScript: it converts arguments and errors, and holds what JavaScript names
//! by handle. It decides nothing.

mod blk;
mod buffers;
mod capabilities;
mod deferred;
mod errors;
mod files;
mod frame;
mod handles;
mod log;
mod region;
mod state;
