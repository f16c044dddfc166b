//! Waiting for another process to change a number in memory that both have mapped.
#![cfg_attr(target_os = "linux", allow(unsafe_code))]

use std::time::{Duration, Instant};

/// Whether [`wake_all`] ends what waits in [`wait`]. Elsewhere one has to look now and then, by [`poll`].
pub(crate) const WAKES: bool = cfg!(target_os = "linux");

/// How long [`poll`] sleeps at first, and at most.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(50);

/// Waits until someone wakes what waits for `word`, unless it is another than `expected` already. It also returns after the
/// timeout, or for no reason.
#[cfg(target_os = "linux")]
pub(crate) fn wait(word: &std::sync::atomic::AtomicU32, expected: u32, timeout: Duration) {
    use nix::libc;
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    // SAFETY: the word and the time are readable during the call, which changes neither.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, &raw const timeout) };
}

/// Ends all that waits for `word`, in any process.
#[cfg(target_os = "linux")]
pub(crate) fn wake_all(word: &std::sync::atomic::AtomicU32) {
    use nix::libc;
    // SAFETY: the call takes the word for an address, which it neither reads nor changes.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, libc::c_int::MAX) };
}

/// Nobody wakes anyone here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn wait(_: &std::sync::atomic::AtomicU32, _: u32, timeout: Duration) {
    std::thread::sleep(timeout.min(SHORTEST));
}

/// Nobody waits to be woken here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn wake_all(_: &std::sync::atomic::AtomicU32) {}

/// Looks after 1 ms, then less and less often, up to each 50 ms, until it is over or the time is.
pub(crate) fn poll(timeout: Duration, is_over: impl Fn() -> bool) {
    let (start, mut pause) = (Instant::now(), SHORTEST);
    while !is_over() {
        let Some(left) = timeout.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else { return };
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(LONGEST);
    }
}
