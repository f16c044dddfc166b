//! Cutting an open pool of the NVM Library off from its file where a page is lost.
#![allow(unsafe_code)]

use std::sync::Arc;

use crate::nvml::format::PAGE;
use crate::os::fault::{FaultFlag, Watch};
use crate::os::page::page_size;

/// Watches an open pool in a file of `size` bytes. The library goes on after a fault, and must not reach the file any
/// more: where a page is lost all others are let go too. The pool's first pages, which hold pointers of the library,
/// become what they are now; the rest zeros.
///
/// # Safety
/// The pool is mapped from `start`, and stays mapped longer than the watch lives, or until nothing is mapped there.
pub(super) unsafe fn watch_pool(start: *const u8, size: u64, flag: Arc<FaultFlag>) -> Watch {
    let page = page_size();
    let len = size as usize & !(page - 1);
    let kept = (2 * PAGE as usize).next_multiple_of(page);
    // The first look at the pages may already find one missing.
    let look = Watch::over(start, len, Arc::clone(&flag));
    // SAFETY: every pool is longer than its first pages, and the caller says that it is mapped.
    let kept = unsafe { std::slice::from_raw_parts(start, kept) }.into();
    drop(look);
    Watch::with(start, len, flag, Some(kept))
}
