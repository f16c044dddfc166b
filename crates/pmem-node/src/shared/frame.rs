//! The call frame: hot calls cross without arguments. TypeScript (`ts/shared/frame.ts`) writes the handle and the numbers
//! into slots that both sides see, payload bytes into the staging area beside them, and calls a function that takes none.
//! Numbers that a call gives come back in slots of their own. What there is to call is the modules' matter: each has its
//! table of [`hot_calls`].
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::{FromNapiValue, Object, Unknown};
use napi::{Env, check_status, sys};
use napi_derive::napi;
use pmem::Alarm;

use super::errors;
use super::state::{self, PerEnvironment};

/// The slots: the handle, then three numbers of the call's own meaning, then three that the call gives.
const HANDLE: usize = 0;
const OFFSET: usize = 1;
const LENGTH: usize = 2;
const FLAG: usize = 3;
const RESULTS: usize = 4;
/// Not 0 once any region or pool of the process may be broken.
const ALARM: usize = 7;
const SLOTS: usize = 8;

/// The size of the staging area in bytes, and of the one beside it. Longer payloads cross by an ordinary call.
const STAGING: usize = 64 << 10;

/// The memory that both sides see.
pub(crate) struct Frame {
    slots: Memory,
    staging: Memory,
    /// Where TypeScript gathers what a caller's iterator gives, while other calls may cross.
    gathering: Memory,
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

impl PerEnvironment for Frame {
    fn new(env: &Env) -> napi::Result<Self> {
        let slots = Memory::new(env, SLOTS * 8)?;
        let (staging, gathering) = (Memory::new(env, STAGING)?, Memory::new(env, STAGING)?);
        // SAFETY: the slots outlive the frame, whose reference to them is never given back.
        let alarm = unsafe { Alarm::new(slots.start.cast::<f64>().add(ALARM)) };
        Ok(Self { slots, staging, gathering, _alarm: alarm })
    }
}

impl Frame {
    pub(crate) fn handle(&self) -> f64 {
        self.slot(HANDLE)
    }

    /// An offset, or an index.
    pub(crate) fn offset(&self) -> usize {
        self.slot(OFFSET) as usize
    }

    /// The offset as a number that may be negative.
    pub(crate) fn signed_offset(&self) -> f64 {
        self.slot(OFFSET)
    }

    pub(crate) fn length(&self) -> usize {
        self.slot(LENGTH) as usize
    }

    /// A flag, 0 or another number, or the number of a queue.
    pub(crate) fn flag(&self) -> f64 {
        self.slot(FLAG)
    }

    /// Gives JavaScript a number: the call's result `index`, from 0 to 2.
    pub(crate) fn give(&self, index: usize, number: f64) {
        assert!(index < ALARM - RESULTS);
        // SAFETY: as in `slot`.
        unsafe { self.slots.start.cast::<f64>().add(RESULTS + index).write(number) };
    }

    /// Gives JavaScript bytes, in the staging area, as far as they have room there.
    pub(crate) fn give_bytes(&self, bytes: &[u8]) {
        let count = bytes.len().min(STAGING);
        // SAFETY: the memory has STAGING bytes, nothing of Rust refers to them now, and JavaScript does not run meanwhile.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.staging.start, count) };
    }

    /// Gives JavaScript numbers, in the staging area; false where they have no room there.
    pub(crate) fn give_numbers(&self, numbers: &[u64]) -> bool {
        if numbers.len() > STAGING / size_of::<f64>() {
            return false;
        }
        for (index, number) in numbers.iter().enumerate() {
            // SAFETY: as in `give_bytes`; the memory is aligned for numbers.
            unsafe { self.staging.start.cast::<f64>().add(index).write(*number as f64) };
        }
        true
    }

    fn slot(&self, index: usize) -> f64 {
        assert!(index < SLOTS);
        // SAFETY: the memory has SLOTS slots, and JavaScript does not run meanwhile.
        unsafe { self.slots.start.cast::<f64>().add(index).read() }
    }

    /// The first `len` numbers of the staging area.
    pub(crate) fn staged_numbers(&self, len: usize) -> &[f64] {
        // SAFETY: the memory is that long and aligned for numbers, and JavaScript does not run meanwhile.
        unsafe { std::slice::from_raw_parts(self.staging.start.cast(), len.min(STAGING / size_of::<f64>())) }
    }

    /// The first `len` bytes of the staging area.
    pub(crate) fn staged(&self, len: usize) -> &[u8] {
        // SAFETY: the memory has STAGING bytes, and JavaScript does not run meanwhile.
        unsafe { std::slice::from_raw_parts(self.staging.start, len.min(STAGING)) }
    }

    /// The first `len` bytes that were gathered.
    pub(crate) fn gathered(&self, len: usize) -> &[u8] {
        // SAFETY: the memory has STAGING bytes, and JavaScript does not run meanwhile.
        unsafe { std::slice::from_raw_parts(self.gathering.start, len.min(STAGING)) }
    }
}

/// A hot call's way in: its operation, with the value that the function object carries.
///
/// # Safety
/// Only a function that [`function`] made with a `T` calls this, with what the runtime passes to it.
pub(crate) unsafe fn enter<T>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    operation: fn(&T) -> pmem::Result<()>,
) -> sys::napi_value {
    // SAFETY: no argument is asked for, and the caller says the rest.
    let value = unsafe { received(env, info, &mut []) };
    leave(env, || operation(value))
}

/// As [`enter`], for an operation on the bytes of the call's argument.
///
/// # Safety
/// As for [`enter`]; TypeScript passes a Uint8Array.
pub(crate) unsafe fn enter_with<T>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    operation: fn(&T, &mut [u8]) -> pmem::Result<()>,
) -> sys::napi_value {
    let mut argument = [ptr::null_mut()];
    let (mut kind, mut len, mut start) = (-1, 0, ptr::null_mut());
    let (none, nowhere) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the caller says so; the results have room.
    let (value, status) = unsafe {
        let value = received(env, info, &mut argument);
        (value, sys::napi_get_typedarray_info(env, argument[0], &mut kind, &mut len, &mut start, none, nowhere))
    };
    if status != sys::Status::napi_ok || kind != sys::TypedarrayType::uint8_array {
        drop(Env::from_raw(env).throw_type_error("the bytes of a call are a Uint8Array", None));
        return ptr::null_mut();
    }
    let bytes: &mut [u8] = match start.is_null() {
        true => &mut [],
        // SAFETY: the bytes are a live view's, and JavaScript does not run meanwhile.
        false => unsafe { std::slice::from_raw_parts_mut(start.cast(), len) },
    };
    leave(env, || operation(value, bytes))
}

/// The value that a function object carries, and the arguments of its call.
///
/// # Safety
/// As for [`enter`].
unsafe fn received<'env, T>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    arguments: &mut [sys::napi_value],
) -> &'env T {
    let (mut data, mut count): (*mut c_void, _) = (ptr::null_mut(), arguments.len());
    // SAFETY: the results have room; the data is the value, which lives as long as the environment.
    unsafe {
        sys::napi_get_cb_info(env, info, &mut count, arguments.as_mut_ptr(), ptr::null_mut(), &mut data);
        &*data.cast::<T>()
    }
}

/// Does a call's work, and throws what it fails with.
fn leave(env: sys::napi_env, work: impl FnOnce() -> pmem::Result<()>) -> sys::napi_value {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => errors::throw(&Env::from_raw(env), &error),
        Err(_) => drop(Env::from_raw(env).throw_error("a native call panicked", None)),
    }
    ptr::null_mut()
}

/// A module's table of hot calls, as an object of functions: `hot_calls!(env, Value { "name" => operation })`, where each
/// operation takes the environment's value of that type; `operation(bytes)` also the bytes that the call passes.
macro_rules! hot_calls {
    ($env:expr, $value:ty { $($name:literal => $operation:ident $(($bytes:ident))?),* $(,)? }) => {{
        let value = $crate::shared::state::of::<$value>($env)?;
        let mut calls = napi::bindgen_prelude::Object::new($env)?;
        $({
            unsafe extern "C" fn call(
                env: napi::sys::napi_env,
                info: napi::sys::napi_callback_info,
            ) -> napi::sys::napi_value {
                // SAFETY: the runtime passes a live environment and call, of the function that is made here.
                unsafe { $crate::shared::frame::hot_calls!(@enter $value, $($bytes)?)(env, info, $operation) }
            }
            calls.set($name, $crate::shared::frame::function::<$value>($env, $name, call, &value)?)?;
        })*
        Ok(calls)
    }};
    (@enter $value:ty,) => { $crate::shared::frame::enter::<$value> };
    (@enter $value:ty, $bytes:ident) => { $crate::shared::frame::enter_with::<$value> };
}
pub(crate) use hot_calls;

/// The frame's memory, for `ts/shared/frame.ts` alone.
#[napi(catch_unwind, ts_return_type = "Record<'slots' | 'staging' | 'gathering', ArrayBuffer>")]
pub fn call_frame(env: &Env) -> napi::Result<Object<'_>> {
    let frame = state::of::<Frame>(env)?;
    let mut object = Object::new(env)?;
    object.set("slots", frame.slots.value(env)?)?;
    object.set("staging", frame.staging.value(env)?)?;
    object.set("gathering", frame.gathering.value(env)?)?;
    Ok(object)
}

/// A function that carries the environment's value.
pub(crate) fn function<'env, T: PerEnvironment>(
    env: &'env Env,
    name: &'static str,
    call: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
    value: &Rc<T>,
) -> napi::Result<Unknown<'env>> {
    let mut function = ptr::null_mut();
    let data = Rc::as_ptr(value).cast_mut().cast();
    // SAFETY: the name has that length, and the value outlives every function of its environment.
    unsafe {
        check_status!(sys::napi_create_function(
            env.raw(),
            name.as_ptr().cast(),
            name.len() as isize,
            Some(call),
            data,
            &mut function
        ))?;
        Unknown::from_napi_value(env.raw(), function)
    }
}
