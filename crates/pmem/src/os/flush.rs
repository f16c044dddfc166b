//! Writing processor caches back to persistent memory, and copying past them.
//!
//! Everything here acts on caches alone: what it does is durable on persistent memory, and not on page-cache files.
//! libpmem does it where it is linked, the `native` module elsewhere.

#[cfg(feature = "pmdk")]
mod libpmem;
pub(crate) mod native;

#[cfg(feature = "pmdk")]
pub(crate) use libpmem::{check_version, copy, drain, fill, flush, has_auto_flush, has_hw_drain};
#[cfg(not(feature = "pmdk"))]
pub(crate) use native::{check_version, copy, drain, fill, flush, has_auto_flush, has_hw_drain};
