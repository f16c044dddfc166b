//! The one crossing for errors: a JavaScript error with `code`, with `path` where a file is to blame, with `errno` and
//! `syscall` where the operating system failed, and with the numbers that a program goes on by.
#![allow(unsafe_code)]

use std::path::Path;
use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, Object, ToNapiValue, Unknown};
use napi::{Env, check_status, sys};
use pmem::Error;

/// The way of a core result into JavaScript.
pub(crate) trait Crossing<T> {
    /// The value, or the error as an exception.
    fn cross(self, env: &Env) -> napi::Result<T>;
}

impl<T> Crossing<T> for pmem::Result<T> {
    fn cross(self, env: &Env) -> napi::Result<T> {
        self.map_err(|error| match error_value(env, &error) {
            Ok(value) => napi::Error::from_unknown_without_coercion(value),
            Err(failure) => failure,
        })
    }
}

/// Leaves `error` as the pending exception of a raw callback.
pub(crate) fn throw(env: &Env, error: &Error) {
    if let Ok(value) = error_value(env, error) {
        // SAFETY: the value was just made in this environment.
        unsafe { sys::napi_throw(env.raw(), napi::JsValue::raw(&value)) };
    }
}

/// A JavaScript error.
pub(crate) fn error_value<'env>(env: &'env Env, error: &Error) -> napi::Result<Unknown<'env>> {
    let make = match error {
        Error::OutOfRange { .. } => sys::napi_create_range_error,
        Error::InvalidValue { .. } => sys::napi_create_type_error,
        _ => sys::napi_create_error,
    };
    let mut value = ptr::null_mut();
    // SAFETY: each value belongs to this live environment and is used at once.
    let mut object = unsafe {
        let code = ToNapiValue::to_napi_value(env.raw(), error.code().as_ref())?;
        let message = ToNapiValue::to_napi_value(env.raw(), error.to_string())?;
        check_status!(make(env.raw(), code, message, &mut value))?;
        Object::from_napi_value(env.raw(), value)?
    };
    if let Error::Os { errno, syscall, .. } | Error::Uncertain { errno, syscall, .. } = error {
        object.set("errno", -errno)?;
        object.set("syscall", *syscall)?;
    }
    if let Some(path) = path_of(error) {
        object.set("path", path.to_string_lossy().as_ref())?;
    }
    match error {
        Error::Corrupt { offset, .. } => object.set("offset", *offset as f64)?,
        Error::Damaged { offset, sequence, .. } => {
            object.set("offset", *offset as f64)?;
            object.set("sequence", *sequence as f64)?;
        }
        Error::Conflict { next, .. } => object.set("next", *next as f64)?,
        Error::Gap { first, .. } => object.set("first", *first as f64)?,
        Error::Uncertain { .. } => object.set("uncertain", true)?,
        _ => {}
    }
    object.into_unknown(env)
}

/// The file or the folder that is to blame, where it is known by a path.
fn path_of(error: &Error) -> Option<&Path> {
    match error {
        Error::Os { path, .. } | Error::Corrupt { path, .. } | Error::Fault { path } => path.as_deref(),
        Error::Conflict { path, .. } | Error::Gap { path, .. } | Error::Uncertain { path, .. } => Some(path),
        Error::Damaged { file, .. } | Error::Newer { file, .. } => Some(file),
        _ => None,
    }
}
