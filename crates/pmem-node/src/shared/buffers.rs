//! The one place that shows mapped memory to JavaScript as an ArrayBuffer, without ever copying it.
#![allow(unsafe_code)]

mod watched;

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use napi::bindgen_prelude::{FromNapiValue, Unknown};
use napi::{Env, JsValue, check_status, sys};
use pmem::Mapping;

use super::handles::Handles;
use super::state::{self, PerEnvironment};
use watched::Watched;

/// An owner that a buffer's finalizer drops.
type Owner = Arc<dyn Send + Sync>;

type Owners = Rc<RefCell<Handles<Arc<Mapping>>>>;

/// An environment's ArrayBuffers over mapped memory.
pub(crate) struct Buffers {
    /// Whether the runtime lets ArrayBuffers lie over memory that is not its own.
    pub(crate) allowed: bool,
    /// The owners that end with the environment at the latest: some runtimes forget finalizers of objects when a worker ends.
    owners: Owners,
    /// The buffers themselves, which may be moved away.
    watched: Rc<Watched>,
}

impl PerEnvironment for Buffers {
    fn new(env: &Env) -> napi::Result<Self> {
        Ok(Self { allowed: allowed(env)?, owners: Owners::default(), watched: Watched::new(env)? })
    }
}

/// `PMEM_NO_EXTERNAL_BUFFERS=1` is the tests' switch for a runtime that forbids such buffers.
fn allowed(env: &Env) -> napi::Result<bool> {
    if std::env::var_os("PMEM_NO_EXTERNAL_BUFFERS").is_some_and(|value| value == "1") {
        return Ok(false);
    }
    let mut probe = Arc::new([0u8; 8]);
    let start = Arc::make_mut(&mut probe).as_mut_ptr();
    Ok(make(env, start, 8, probe)?.is_some())
}

/// An ArrayBuffer that is the mapping's memory and keeps it alive; `None` where the runtime forbids that.
pub(crate) fn over<'env>(env: &'env Env, mapping: &Arc<Mapping>) -> napi::Result<Option<Unknown<'env>>> {
    let Buffers { allowed, owners, watched } = &*state::of::<Buffers>(env)?;
    if !allowed {
        return Ok(None);
    }
    let len = mapping.len();
    let Some(buffer) = make(env, mapping.start().as_ptr(), len, Arc::clone(mapping) as Owner)? else {
        return Ok(None);
    };
    // Detaching may end the first owner while a native job of the runtime still reads through a view, which keeps this
    // object alive, and with it the second.
    let second = owners.borrow_mut().insert(Arc::clone(mapping));
    let hint = Box::into_raw(Box::new((Rc::downgrade(owners), second))).cast();
    // SAFETY: the finalizer takes over the hint, and runs once, on this thread.
    let status = unsafe {
        let start = mapping.start().as_ptr().cast();
        sys::napi_add_finalizer(env.raw(), buffer.raw(), start, Some(release_second), hint, ptr::null_mut())
    };
    check_status!(status)?;
    watched.add(&buffer, mapping, len)?;
    Ok(Some(buffer))
}

/// Whether anything has a share of a region's mapping but the region, the caller, and so many buffers of two shares each: the
/// memory of a buffer that is gone itself.
pub(crate) fn has_other_owners(mapping: &Arc<Mapping>, buffers: usize) -> bool {
    Arc::strong_count(mapping) > 2 + 2 * buffers
}

/// Empties `buffer` and every view over it, which shows `mapping` as long as it was when [`over`] made the buffer. False where
/// it no longer does: it was transferred, and whoever received the memory still uses it.
pub(crate) fn detach(env: &Env, buffer: &Unknown, mapping: &Mapping) -> bool {
    let (start, len) = shown(env, buffer);
    if start != mapping.start().as_ptr().cast() || len == 0 {
        return false;
    }
    // SAFETY: the buffer is a live ArrayBuffer of this environment, or the call says otherwise.
    let status = unsafe { sys::napi_detach_arraybuffer(env.raw(), buffer.raw()) };
    let is_empty = status == sys::Status::napi_ok && shown(env, buffer).1 == 0;
    if is_empty && let Ok(buffers) = state::of::<Buffers>(env) {
        buffers.watched.remove(start as usize, len);
    }
    is_empty
}

fn shown(env: &Env, buffer: &Unknown) -> (*mut c_void, usize) {
    shown_by(env.raw(), buffer.raw())
}

/// The memory of an ArrayBuffer.
fn shown_by(env: sys::napi_env, buffer: sys::napi_value) -> (*mut c_void, usize) {
    let (mut start, mut len) = (ptr::null_mut(), 0);
    // SAFETY: the results have room; anything but an ArrayBuffer is refused and leaves them empty.
    unsafe { sys::napi_get_arraybuffer_info(env, buffer, &mut start, &mut len) };
    (start, len)
}

fn make<'env>(env: &'env Env, start: *mut u8, len: usize, owner: Owner) -> napi::Result<Option<Unknown<'env>>> {
    let hint = into_hint(owner);
    let mut value = ptr::null_mut();
    // SAFETY: the memory lives as long as the owner, which the finalizer drops.
    let status =
        unsafe { sys::napi_create_external_arraybuffer(env.raw(), start.cast(), len, Some(release), hint, &mut value) };
    // A generic failure comes after the hint was handed over: Node.js 20 runs the finalizer of a buffer that is too long.
    if status != sys::Status::napi_ok && status != sys::Status::napi_generic_failure {
        // SAFETY: the call was refused, so no finalizer has the hint.
        drop(unsafe { Box::from_raw(hint.cast::<Owner>()) });
    }
    if status == sys::Status::napi_no_external_buffers_allowed {
        return Ok(None);
    }
    check_status!(status)?;
    // SAFETY: the value was just made in this environment.
    unsafe { Unknown::from_napi_value(env.raw(), value) }.map(Some)
}

fn into_hint(owner: Owner) -> *mut c_void {
    Box::into_raw(Box::new(owner)).cast()
}

/// A buffer's finalizer; it may run on any thread.
unsafe extern "C" fn release(_: sys::napi_env, _: *mut c_void, hint: *mut c_void) {
    // SAFETY: the hint is the box that `into_hint` made, and each finalizer runs once.
    drop(unsafe { Box::from_raw(hint.cast::<Owner>()) });
}

/// The finalizer of a buffer's object.
unsafe extern "C" fn release_second(_: sys::napi_env, _: *mut c_void, hint: *mut c_void) {
    // SAFETY: the hint is the box that `over` made, and each finalizer runs once.
    let (owners, second) = *unsafe { Box::from_raw(hint.cast::<(Weak<RefCell<Handles<Arc<Mapping>>>>, f64)>()) };
    let released = owners.upgrade().and_then(|owners| owners.borrow_mut().take(second));
    drop(released);
}
