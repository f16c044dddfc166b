//! The call frame: hot calls cross without arguments. TypeScript (`ts/frame.ts`) writes the handle and the numbers into
//! slots that both sides see, payload bytes into the staging area beside them, and calls a function that takes none.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::{FromNapiValue, Object, Unknown};
use napi::{Env, check_status, sys};
use napi_derive::napi;
use pmem::Alarm;

use crate::errors;
use crate::state::State;

/// The slots: the handle, then the numbers. A pool's call takes its index or nothing for the offset.
const HANDLE: usize = 0;
const OFFSET: usize = 1;
const LENGTH: usize = 2;
const DURABLE: usize = 3;
/// Not 0 once any region or pool of the process may be broken.
const ALARM: usize = 7;
const SLOTS: usize = 8;

/// The size of the staging area in bytes. Longer payloads cross by an ordinary call.
const STAGING: usize = 64 << 10;

/// The memory that both sides see.
pub(crate) struct Frame {
    slots: Memory,
    staging: Memory,
    /// Writes to the slots as long as they live, which is as long as the environment.
    _alarm: Alarm,
}

/// An ArrayBuffer of the runtime's own that nobody detaches, kept alive by a reference.
struct Memory {
    start: *mut u8,
    buffer: sys::napi_ref,
}

impl Memory {
    fn new(env: &Env, len: usize) -> napi::Result<Self> {
        let (mut start, mut value, mut buffer) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: the results have room. The reference is never given back: it goes with the environment.
        unsafe {
            check_status!(sys::napi_create_arraybuffer(env.raw(), len, &mut start, &mut value))?;
            check_status!(sys::napi_create_reference(env.raw(), value, 1, &mut buffer))?;
        }
        Ok(Self { start: start.cast(), buffer })
    }

    fn value<'env>(&self, env: &'env Env) -> napi::Result<Unknown<'env>> {
        let mut value = ptr::null_mut();
        // SAFETY: the reference lives as long as the environment.
        unsafe {
            check_status!(sys::napi_get_reference_value(env.raw(), self.buffer, &mut value))?;
            Unknown::from_napi_value(env.raw(), value)
        }
    }
}

impl Frame {
    pub(crate) fn new(env: &Env) -> napi::Result<Self> {
        let (slots, staging) = (Memory::new(env, SLOTS * 8)?, Memory::new(env, STAGING)?);
        // SAFETY: the slots outlive the frame, whose reference to them is never given back.
        let alarm = unsafe { Alarm::new(slots.start.cast::<f64>().add(ALARM)) };
        Ok(Self { slots, staging, _alarm: alarm })
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
        // SAFETY: the memory has SLOTS slots, and JavaScript does not run meanwhile.
        unsafe { self.slots.start.cast::<f64>().add(index).read() }
    }

    /// The first `len` numbers of the staging area.
    fn staged_numbers(&self, len: usize) -> &[f64] {
        // SAFETY: the memory is that long and aligned for numbers, and JavaScript does not run meanwhile.
        unsafe { std::slice::from_raw_parts(self.staging.start.cast(), len.min(STAGING / size_of::<f64>())) }
    }

    /// The first `len` bytes of the staging area.
    fn staged(&self, len: usize) -> &[u8] {
        // SAFETY: the memory has STAGING bytes, and JavaScript does not run meanwhile.
        unsafe { std::slice::from_raw_parts(self.staging.start, len.min(STAGING)) }
    }

    /// The first `len` bytes of the staging area, for a call's result.
    #[allow(clippy::mut_from_ref, reason = "one call at a time fills the staging area")]
    fn staging(&self, len: usize) -> &mut [u8] {
        // SAFETY: as above, and no other slice of it is in use: each call takes one.
        unsafe { std::slice::from_raw_parts_mut(self.staging.start, len.min(STAGING)) }
    }
}

fn persist(state: &State) -> pmem::Result<()> {
    let frame = &state.frame;
    state.regions.borrow().open(frame.handle(), "region")?.persist(frame.offset(), frame.length())
}

fn flush(state: &State) -> pmem::Result<()> {
    let frame = &state.frame;
    state.regions.borrow().open(frame.handle(), "region")?.flush(frame.offset(), frame.length())
}

fn drain(state: &State) -> pmem::Result<()> {
    state.regions.borrow().open(state.frame.handle(), "region")?.drain();
    Ok(())
}

fn copy_from(state: &State) -> pmem::Result<()> {
    let frame = &state.frame;
    let (regions, bytes) = (state.regions.borrow(), frame.staged(frame.length()));
    let region = regions.open(frame.handle(), "region")?;
    // SAFETY: the bytes are staged, and JavaScript does not run meanwhile.
    unsafe { region.copy_from(frame.offset(), bytes.as_ptr(), bytes.len(), frame.slot(DURABLE) != 0.0) }
}

fn persist_many(state: &State) -> pmem::Result<()> {
    let ranges = state.frame.staged_numbers(state.frame.length()).chunks_exact(2);
    let ranges: Vec<_> = ranges.map(|range| (range[0] as usize, range[1] as usize)).collect();
    state.regions.borrow().open(state.frame.handle(), "region")?.persist_many(&ranges)
}

fn append(state: &State) -> pmem::Result<()> {
    let frame = &state.frame;
    state.logs.borrow().open(frame.handle(), "log")?.append(&[frame.staged(frame.length())])
}

fn read_block(state: &State) -> pmem::Result<()> {
    let frame = &state.frame;
    let arrays = state.arrays.borrow();
    arrays.open(frame.handle(), "block array")?.read(frame.offset() as u64, frame.staging(frame.length()))
}

fn write_block(state: &State) -> pmem::Result<()> {
    let frame = &state.frame;
    let arrays = state.arrays.borrow();
    arrays.open(frame.handle(), "block array")?.write(frame.offset() as u64, frame.staged(frame.length()))
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
    ($($name:literal => $operation:ident),*) => {
        [$({
            unsafe extern "C" fn call(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
                // SAFETY: the runtime passes a live environment and call.
                unsafe { enter(env, info, $operation) }
            }
            ($name, call as unsafe extern "C" fn(_, _) -> _)
        }),*]
    };
}

/// The frame's memory and functions, for `ts/frame.ts` alone.
#[napi(
    catch_unwind,
    ts_return_type = "Record<'slots' | 'staging', ArrayBuffer> & Record<'persist' | 'flush' | 'drain' | 'copyFrom' | 'persistMany' | 'append' | 'readBlock' | 'writeBlock', () => void>"
)]
pub fn call_frame(env: &Env) -> napi::Result<Object<'_>> {
    let state = State::of(env)?;
    let mut object = Object::new(env)?;
    object.set("slots", state.frame.slots.value(env)?)?;
    object.set("staging", state.frame.staging.value(env)?)?;
    for (name, call) in hot_calls!(
        "persist" => persist, "flush" => flush, "drain" => drain, "copyFrom" => copy_from, "persistMany" => persist_many,
        "append" => append, "readBlock" => read_block, "writeBlock" => write_block
    ) {
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
