//! The glue between the `pmem` crate and JavaScript: it converts arguments and errors, and holds what JavaScript names
//! by handle. It decides nothing.

mod buffers;
mod capabilities;
mod errors;
mod frame;
mod handles;
mod region;
mod state;
