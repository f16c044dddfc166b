//! The call frame: hot calls cross without arguments. TypeScript (`ts/frame.ts`) writes the handle and the numbers into
//! slots that both sides see, and calls a function that takes none.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::{FromNapiValue, Object, Unknown};
use napi::{Env, check_status, sys};
use napi_derive::napi;

use crate::errors;
use crate::state::State;

/// The slots: the handle, then the numbers.
const HANDLE: usize = 0;
const OFFSET: usize = 1;
const LENGTH: usize = 2;
const SLOTS: usize = 8;

/// The memory that both sides see: the runtime's own, kept alive by a reference.
pub(crate) struct Frame {
    slots: *mut f64,
    buffer: sys::napi_ref,
}

impl Frame {
    pub(crate) fn new(env: &Env) -> napi::Result<Self> {
        let (mut start, mut value, mut buffer) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: the results have room. The reference is never given back: it goes with the environment.
        unsafe {
            check_status!(sys::napi_create_arraybuffer(env.raw(), SLOTS * 8, &mut start, &mut value))?;
            check_status!(sys::napi_create_reference(env.raw(), value, 1, &mut buffer))?;
        }
        Ok(Self { slots: start.cast(), buffer })
    }

    fn handle(&self) -> f64 {
        self.slot(HANDLE)
    }

    fn offset(&self) -> usize {
        self.slot(OFFSET) as usize
    }

    fn length(&self) -> usize {
        self.slot(LENGTH) as usize
    }

    fn slot(&self, index: usize) -> f64 {
        assert!(index < SLOTS);
        // SAFETY: the buffer has SLOTS slots, is never detached, and JavaScript does not run meanwhile.
        unsafe { self.slots.add(index).read() }
    }
}

fn persist(state: &State) -> pmem::Result<()> {
    let frame = &state.frame;
    state.regions.borrow().open(frame.handle())?.persist(frame.offset(), frame.length())
}

fn flush(state: &State) -> pmem::Result<()> {
    let frame = &state.frame;
    state.regions.borrow().open(frame.handle())?.flush(frame.offset(), frame.length())
}

fn drain(state: &State) -> pmem::Result<()> {
    state.regions.borrow().open(state.frame.handle())?.drain();
    Ok(())
}

/// A hot call's way in: its operation, with the state that the function object carries.
unsafe fn enter(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    operation: fn(&State) -> pmem::Result<()>,
) -> sys::napi_value {
    let mut data: *mut c_void = ptr::null_mut();
    // SAFETY: no argument is asked for; the data is the state, which lives as long as the environment.
    let state = unsafe {
        sys::napi_get_cb_info(env, info, ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), &mut data);
        &*data.cast::<State>()
    };
    match catch_unwind(AssertUnwindSafe(|| operation(state))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => errors::throw(&Env::from_raw(env), &error),
        Err(_) => drop(Env::from_raw(env).throw_error("a native call panicked", None)),
    }
    ptr::null_mut()
}

macro_rules! hot_calls {
    ($($name:ident),*) => {
        [$({
            unsafe extern "C" fn call(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
                // SAFETY: the runtime passes a live environment and call.
                unsafe { enter(env, info, $name) }
            }
            (stringify!($name), call as unsafe extern "C" fn(_, _) -> _)
        }),*]
    };
}

/// The frame's buffer (`slots`) and its functions, for `ts/frame.ts` alone.
#[napi(catch_unwind, ts_return_type = "{ slots: ArrayBuffer, persist(): void, flush(): void, drain(): void }")]
pub fn call_frame(env: &Env) -> napi::Result<Object<'_>> {
    let state = State::of(env)?;
    let mut object = Object::new(env)?;
    let mut buffer = ptr::null_mut();
    // SAFETY: the reference is live as long as the environment.
    let buffer = unsafe {
        check_status!(sys::napi_get_reference_value(env.raw(), state.frame.buffer, &mut buffer))?;
        Unknown::from_napi_value(env.raw(), buffer)?
    };
    object.set("slots", buffer)?;
    for (name, call) in hot_calls!(persist, flush, drain) {
        object.set(name, function(env, name, call, &state)?)?;
    }
    Ok(object)
}

fn function<'env>(
    env: &'env Env,
    name: &'static str,
    call: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
    state: &Rc<State>,
) -> napi::Result<Unknown<'env>> {
    let mut value = ptr::null_mut();
    let data = Rc::as_ptr(state).cast_mut().cast();
    // SAFETY: the name has that length, and the state outlives every function of its environment.
    unsafe {
        check_status!(sys::napi_create_function(
            env.raw(),
            name.as_ptr().cast(),
            name.len() as isize,
            Some(call),
            data,
            &mut value
        ))?;
        Unknown::from_napi_value(env.raw(), value)
    }
}
