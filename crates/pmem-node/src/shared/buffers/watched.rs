//! What becomes of buffers whose environment ends.
//!
//! Node.js and Bun then run the finalizers of all buffers that the environment made, also of those whose memory was moved to a
//! buffer of another thread, which goes on using it. So before they do, a share of each such mapping is given up for good: its
//! memory stays until the process ends.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use napi::bindgen_prelude::{JsObjectValue, Unknown};
use napi::{Env, JsValue, check_status, sys};
use pmem::Mapping;

use super::shown_by;

/// An environment's buffers, each by what it shows.
pub(super) struct Watched {
    env: sys::napi_env,
    teller: Teller,
    buffers: RefCell<Buffers>,
    /// The number of the last buffer of [`Teller::Buffer`], and the reference that keeps it alive.
    last: Cell<(u64, sys::napi_ref)>,
    is_hooked: Cell<bool>,
}

/// What tells of the environment's end before the finalizers run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Teller {
    /// Node.js empties buffers before it calls hooks, the last one first: one that is made after all others, and is kept
    /// alive, has its finalizer called then and before theirs.
    Buffer,
    /// Bun calls hooks first.
    Hook,
    /// Deno ends no memory that was moved away, and lets no reference be asked that late.
    Nothing,
}

#[derive(Default)]
struct Buffers {
    /// By address and length.
    shown: HashMap<(usize, usize), Shown>,
    /// From how many on those whose mapping is gone are looked for.
    enough: usize,
}

struct Shown {
    mapping: Weak<Mapping>,
    /// Weak: it keeps no buffer alive.
    buffer: sys::napi_ref,
}

impl Watched {
    pub(super) fn new(env: &Env) -> napi::Result<Rc<Self>> {
        let global = env.get_global()?;
        let teller = if global.has_named_property("Deno")? {
            Teller::Nothing
        } else if global.has_named_property("Bun")? {
            Teller::Hook
        } else {
            Teller::Buffer
        };
        Ok(Rc::new(Self {
            env: env.raw(),
            teller,
            buffers: RefCell::default(),
            last: Cell::new((0, ptr::null_mut())),
            is_hooked: Cell::new(false),
        }))
    }

    /// Notes a buffer that shows so much of `mapping`.
    pub(super) fn add(self: &Rc<Self>, buffer: &Unknown, mapping: &Arc<Mapping>, len: usize) -> napi::Result<()> {
        if self.teller == Teller::Nothing {
            return Ok(());
        }
        let shown = Shown { mapping: Arc::downgrade(mapping), buffer: self.refer(buffer.raw(), 0)? };
        let mut buffers = self.buffers.borrow_mut();
        if buffers.shown.len() >= buffers.enough {
            buffers.shown.retain(|_, shown| shown.mapping.strong_count() > 0 || self.forget(shown.buffer));
            buffers.enough = (2 * buffers.shown.len()).max(64);
        }
        if let Some(gone) = buffers.shown.insert((mapping.start().as_ptr() as usize, len), shown) {
            self.forget(gone.buffer);
        }
        if self.teller == Teller::Buffer { self.make_last() } else { self.hook() }
    }

    /// Forgets a buffer that was emptied.
    pub(super) fn remove(&self, start: usize, len: usize) {
        if let Some(shown) = self.buffers.borrow_mut().shown.remove(&(start, len)) {
            self.forget(shown.buffer);
        }
    }

    /// A reference to an object of this environment, which keeps it alive unless `count` is 0.
    fn refer(&self, object: sys::napi_value, count: u32) -> napi::Result<sys::napi_ref> {
        let mut reference = ptr::null_mut();
        // SAFETY: the object is a live one of this environment.
        check_status!(unsafe { sys::napi_create_reference(self.env, object, count, &mut reference) })?;
        Ok(reference)
    }

    /// Deletes a reference; false, for `retain`.
    fn forget(&self, reference: sys::napi_ref) -> bool {
        // SAFETY: the reference was made in this environment, and is deleted once.
        unsafe { sys::napi_delete_reference(self.env, reference) };
        false
    }

    /// Makes the buffer that tells of the environment's end, in the place of the one before.
    fn make_last(self: &Rc<Self>) -> napi::Result<()> {
        let (number, before) = self.last.get();
        let mut last = Box::new(Last { number: number + 1, watched: Rc::clone(self), memory: [0; 8] });
        let memory = last.memory.as_mut_ptr().cast();
        let (hint, mut value) = (Box::into_raw(last).cast(), ptr::null_mut());
        // SAFETY: the memory lives as long as the hint, which the finalizer drops.
        let status =
            unsafe { sys::napi_create_external_arraybuffer(self.env, memory, 8, Some(end_last), hint, &mut value) };
        check_status!(status)?;
        self.last.set((number + 1, self.refer(value, 1)?));
        if !before.is_null() {
            self.forget(before);
        }
        Ok(())
    }

    /// Has the environment's end call [`end`], once.
    fn hook(self: &Rc<Self>) -> napi::Result<()> {
        if self.is_hooked.replace(true) {
            return Ok(());
        }
        let data = Rc::into_raw(Rc::clone(self)).cast_mut().cast();
        // SAFETY: the environment is live, and the hook takes over the share that it is given.
        check_status!(unsafe { sys::napi_add_env_cleanup_hook(self.env, Some(end), data) })
    }

    /// Gives up a share of each mapping whose buffer no longer shows it, or is gone while its memory is not.
    fn give_up_moved(&self) {
        for (&(start, len), shown) in &self.buffers.borrow().shown {
            let Some(mapping) = shown.mapping.upgrade() else { continue };
            let mut buffer = ptr::null_mut();
            // SAFETY: the reference is one of this environment's, which is about to end.
            let status = unsafe { sys::napi_get_reference_value(self.env, shown.buffer, &mut buffer) };
            let is_there = status == sys::Status::napi_ok && !buffer.is_null();
            if !is_there || shown_by(self.env, buffer) != (start as *mut c_void, len) {
                std::mem::forget(mapping);
            }
        }
    }
}

/// What a buffer of [`Teller::Buffer`] lies over, and whom it tells.
struct Last {
    number: u64,
    watched: Rc<Watched>,
    memory: [u8; 8],
}

/// The finalizer of such a buffer. One that another has followed is just garbage.
unsafe extern "C" fn end_last(_: sys::napi_env, _: *mut c_void, hint: *mut c_void) {
    // SAFETY: the hint is the box that `make_last` made. Node.js runs each finalizer once, on this thread.
    let last = unsafe { Box::from_raw(hint.cast::<Last>()) };
    if last.watched.last.get().0 == last.number {
        last.watched.give_up_moved();
    }
}

/// What the hook calls.
unsafe extern "C" fn end(data: *mut c_void) {
    // SAFETY: the data is the share that `hook` gave, and this is called once.
    let watched = unsafe { Rc::from_raw(data.cast::<Watched>().cast_const()) };
    let mut scope = ptr::null_mut();
    // SAFETY: the environment is live until its hooks have run.
    let opened = unsafe { sys::napi_open_handle_scope(watched.env, &mut scope) };
    if opened == sys::Status::napi_ok {
        watched.give_up_moved();
        // SAFETY: the scope was just opened.
        unsafe { sys::napi_close_handle_scope(watched.env, scope) };
    }
}
