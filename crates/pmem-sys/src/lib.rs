//! Raw declarations of the NVM Library (PMDK): [libpmem](https://pmem.io/pmdk/libpmem/), libpmemlog and libpmemblk.
//!
//! Every public function and constant of the three C headers is here under its C name, as Linux has it. The static
//! archives are linked in, so a program that uses this crate needs no PMDK at run time. It does not need libndctl and
//! libdaxctl either: they are looked up when the library first asks about non-volatile DIMMs, and where they are
//! missing it sees none.
//!
//! A function that fails sets `errno` and the message that its library's `errormsg` function returns, both per thread.
//! Pointers must be valid for what the C function does with them; a pool must not be used after it was closed.

#![no_std]
#![allow(unsafe_code, reason = "declaring foreign functions is this crate's purpose")]

mod environment;
mod pmem;
mod pmemblk;
mod pmemlog;
mod syncs;

pub use environment::*;
pub use pmem::*;
pub use pmemblk::*;
pub use pmemlog::*;
pub use syncs::*;

/// The version of PMDK that is linked, such as `1.12.1`, or `unknown` where the build could not tell.
pub const PMDK_VERSION: &str = env!("PMDK_VERSION");
