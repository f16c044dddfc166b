//! The glue between the `pmem` crate and JavaScript: it converts arguments and errors, and holds what JavaScript names
//! by handle. It decides nothing.

mod journal;
mod nvml;
mod objects;
#[cfg(feature = "recorder")]
mod recorder;
mod region;
mod shared;
