//! How many images of crashes tests open. `npm run test:crash` adds them up, and runs one test at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

static OPENED: AtomicUsize = AtomicUsize::new(0);

/// How many random programs tests run on each medium: `PMEM_TEST_CRASHES`, or 6.
pub(crate) fn programs() -> u64 {
    std::env::var("PMEM_TEST_CRASHES").ok().and_then(|programs| programs.parse().ok()).unwrap_or(6)
}

/// An image was opened, or read where nothing more is done to open it.
pub(crate) fn opened() {
    OPENED.fetch_add(1, Ordering::Relaxed);
}

/// Prints how many were opened since the last time.
pub(crate) fn tell(is_pmem: bool) {
    let medium = if is_pmem { "persistent memory" } else { "the page cache" };
    println!("{} images on {medium}", OPENED.swap(0, Ordering::Relaxed));
}
