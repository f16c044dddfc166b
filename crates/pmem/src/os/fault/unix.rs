//! SIGBUS. What runs in its handler takes no lock, allocates nothing and calls the kernel alone.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::libc::{self, sigaction, siginfo_t};

use super::table::Entry;

/// What was there before this handler: at first, and when it was installed last. Handlers read them without a lock, so
/// they are never freed.
static FIRST: AtomicPtr<sigaction> = AtomicPtr::new(std::ptr::null_mut());
static PREVIOUS: AtomicPtr<sigaction> = AtomicPtr::new(std::ptr::null_mut());

/// Handles SIGBUS from now on. Signals that no watched range causes go where they went before. Whoever installs another
/// handler after this one takes its place until the next call.
pub(super) fn install_handler() {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_signal;
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let previous = current_action();
    if previous.sa_sigaction == handler as usize {
        return;
    }
    let kept: *mut sigaction = Box::leak(Box::new(previous));
    PREVIOUS.store(kept, Ordering::SeqCst);
    let _ = FIRST.compare_exchange(std::ptr::null_mut(), kept, Ordering::SeqCst, Ordering::SeqCst);
    let mut action = previous;
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the handler keeps to what signals allow, and the library that holds it is never unloaded.
    unsafe { sigaction(libc::SIGBUS, &action, std::ptr::null_mut()) };
}

fn current_action() -> sigaction {
    // SAFETY: an action of zeros is valid, and the call fills it.
    unsafe {
        let mut action: sigaction = std::mem::zeroed();
        sigaction(libc::SIGBUS, std::ptr::null(), &mut action);
        action
    }
}

extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = Errno::last();
    // SAFETY: the kernel passes what it knows of the signal.
    let (is_access, address) = unsafe { ((*info).si_code > 0, (*info).si_addr() as usize) };
    if !is_access || !super::handle(address) {
        forward(signal, info, context, is_access);
    }
    errno.set();
}

/// The thread that is handing a signal on; 0 for none.
static FORWARDING: AtomicUsize = AtomicUsize::new(0);

/// Hands a signal to the handler that was there before this one. One that was installed over this may hand it back: then
/// it goes to the handler that was there at first.
fn forward(signal: c_int, info: *mut siginfo_t, context: *mut c_void, is_access: bool) {
    // SAFETY: a query without precondition.
    let thread = unsafe { libc::pthread_self() } as usize;
    let is_back = FORWARDING.swap(thread, Ordering::SeqCst) == thread;
    let previous = if is_back { &FIRST } else { &PREVIOUS };
    // SAFETY: an action that was stored is never freed, and null gives none.
    if let Some(previous) = unsafe { previous.load(Ordering::SeqCst).as_ref() } {
        hand_to(previous, signal, info, context, is_access);
    }
    FORWARDING.store(0, Ordering::SeqCst);
}

fn hand_to(previous: &sigaction, signal: c_int, info: *mut siginfo_t, context: *mut c_void, is_access: bool) {
    match previous.sa_sigaction {
        libc::SIG_IGN if !is_access => {}
        // An access is tried again on return, and then ends the process; any other signal has to be sent again.
        libc::SIG_DFL | libc::SIG_IGN => {
            set_default();
            if !is_access {
                // SAFETY: raising has no precondition.
                unsafe { libc::raise(signal) };
            }
        }
        handler => {
            if previous.sa_flags & libc::SA_RESETHAND != 0 {
                set_default();
            }
            call(handler, previous.sa_flags, signal, info, context);
        }
    }
}

fn set_default() {
    // SAFETY: an action of zeros is the default one.
    unsafe {
        let action: sigaction = std::mem::zeroed();
        sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
    }
}

fn call(handler: usize, flags: c_int, signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: whoever installed the handler said by the flag which of the two kinds it is.
    unsafe {
        if flags & libc::SA_SIGINFO != 0 {
            let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = std::mem::transmute(handler);
            handler(signal, info, context);
        } else {
            let handler: extern "C" fn(c_int) = std::mem::transmute(handler);
            handler(signal);
        }
    }
}

/// Puts memory without a file in the place of the page at `address`, or of the `whole` range. False where the kernel refuses.
pub(super) fn replace(entry: &Entry, address: usize, whole: bool) -> bool {
    if !entry.kept.is_null() {
        return put_copy(entry) && put_zeros(entry.start + entry.kept_len, entry.len - entry.kept_len);
    }
    // So much memory may be more than the system promises.
    let is_let_go = whole && put_zeros(entry.start, entry.len);
    is_let_go || put_zeros(address & !(entry.page - 1), entry.page)
}

fn put_zeros(start: usize, len: usize) -> bool {
    len == 0 || map_anonymous(start, len, libc::MAP_FIXED) == start as *mut c_void
}

/// Puts a copy of what the range keeps at its start, at once: no thread finds the pages without it.
#[cfg(target_os = "linux")]
fn put_copy(entry: &Entry) -> bool {
    let copy = map_anonymous(0, entry.kept_len, 0);
    if copy == libc::MAP_FAILED {
        return false;
    }
    // SAFETY: the pages are new, and take the place of pages that are watched; what is kept lives as long as the watch.
    unsafe {
        entry.kept.copy_to_nonoverlapping(copy.cast(), entry.kept_len);
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        libc::mremap(copy, entry.kept_len, entry.kept_len, flags, entry.start as *mut c_void) != libc::MAP_FAILED
    }
}

/// The NVM Library, whose pools are let go as a whole, is on Linux alone.
#[cfg(not(target_os = "linux"))]
fn put_copy(_: &Entry) -> bool {
    false
}

fn map_anonymous(start: usize, len: usize, flags: c_int) -> *mut c_void {
    let flags = flags | libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
    // SAFETY: what is replaced is pages of a watched range; otherwise the kernel picks unused addresses.
    unsafe { libc::mmap(start as *mut c_void, len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) }
}
