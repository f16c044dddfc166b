//! What JavaScript has open, by handle.

use std::cell::RefCell;
use std::rc::Rc;

use napi::Env;

use super::errors::Crossing;
use super::frame::Frame;
use super::handles::Handles;
use super::pending::Pending;
use super::state::{self, PerEnvironment};

/// What JavaScript names by handle.
pub(crate) trait Kind: 'static {
    /// What errors call it.
    const NAME: &'static str;
}

/// What an environment has open of one kind, with the frame by which hot calls reach it.
pub(crate) struct Opened<T> {
    pub(crate) frame: Rc<Frame>,
    pub(crate) pending: Rc<Pending>,
    handles: RefCell<Handles<T>>,
}

impl<T: Kind> PerEnvironment for Opened<T> {
    fn new(env: &Env) -> napi::Result<Self> {
        Ok(Self { frame: state::of(env)?, pending: state::of(env)?, handles: RefCell::default() })
    }
}

impl<T: Kind> Opened<T> {
    /// Calls `work` with what the frame's handle names.
    pub(crate) fn named<R>(&self, work: impl FnOnce(&T) -> pmem::Result<R>) -> pmem::Result<R> {
        self.with(self.frame.handle(), work)
    }

    fn with<R>(&self, handle: f64, work: impl FnOnce(&T) -> pmem::Result<R>) -> pmem::Result<R> {
        work(self.handles.borrow().get(handle).ok_or(pmem::Error::Closed(T::NAME))?)
    }
}

/// Calls `work` with what an open handle names.
pub(crate) fn with<T: Kind, R>(env: &Env, handle: f64, work: impl FnOnce(&T) -> pmem::Result<R>) -> napi::Result<R> {
    state::of::<Opened<T>>(env)?.with(handle, work).cross(env)
}

/// Keeps what was opened, and makes what TypeScript keeps of it: from the value and its handle.
pub(crate) fn keep<T: Kind, Info>(
    env: &Env,
    opened: pmem::Result<T>,
    info: impl FnOnce(&T, f64) -> Info,
) -> napi::Result<Info> {
    let value = opened.cross(env)?;
    let opened = state::of::<Opened<T>>(env)?;
    let mut handles = opened.handles.borrow_mut();
    let handle = handles.insert(value);
    handles.get(handle).map(|value| info(value, handle)).ok_or(pmem::Error::Closed(T::NAME)).cross(env)
}

/// Takes out what a handle names; `None` for a handle that is closed already.
pub(crate) fn take<T: Kind>(env: &Env, handle: f64) -> napi::Result<Option<T>> {
    Ok(state::of::<Opened<T>>(env)?.handles.borrow_mut().take(handle))
}
