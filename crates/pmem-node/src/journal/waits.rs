//! Waiting for the next record without a thread of the runtime's: the core's thread wakes the environment.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;
use pmem::{Journal, JournalWait};

use crate::shared::errors::Crossing;
use crate::shared::handles::Handles;
use crate::shared::opened::with;
use crate::shared::state::{self, PerEnvironment};

/// Calls JavaScript with a wait's number, from any thread, and keeps no event loop alive. Once the environment has ended, its calls do nothing.
type Waker = ThreadsafeFunction<f64, (), f64, Status, false, true>;

/// What an environment waits for.
#[derive(Default)]
struct Waits {
    /// One for each copy of the package's JavaScript that has this environment.
    wakers: RefCell<Handles<Arc<Waker>>>,
    waits: RefCell<HashMap<u64, JournalWait>>,
    last: Cell<u64>,
}

impl PerEnvironment for Waits {
    fn new(_: &Env) -> napi::Result<Self> {
        Ok(Self::default())
    }
}

/// Nobody is left to be woken.
impl Drop for Waits {
    fn drop(&mut self) {
        for (_, wait) in self.waits.get_mut().drain() {
            wait.cancel();
        }
    }
}

/// Keeps the function that is called with the number of each wait that is over; gives its own number.
#[napi(catch_unwind, ts_args_type = "callback: (wait: number) => void")]
pub fn journal_on_wake(env: &Env, callback: Waker) -> napi::Result<f64> {
    Ok(state::of::<Waits>(env)?.wakers.borrow_mut().insert(Arc::new(callback)))
}

/// Waits for the record of a sequence, about a second at most; gives the wait's number.
#[napi(catch_unwind)]
pub fn journal_wait(env: &Env, waker: f64, handle: f64, sequence: f64) -> napi::Result<f64> {
    let waits = state::of::<Waits>(env)?;
    let waker = waits.wakers.borrow().get(waker).cloned().ok_or(pmem::Error::Closed("waker")).cross(env)?;
    let number = waits.last.get() + 1;
    waits.last.set(number);
    let wake = Box::new(move || {
        waker.call(number as f64, ThreadsafeFunctionCallMode::NonBlocking);
    });
    let wait = with(env, handle, |journal: &Journal| Ok(journal.wait(sequence as u64, wake)))?;
    waits.waits.borrow_mut().insert(number, wait);
    Ok(number as f64)
}

/// Forgets a wait, over or not.
#[napi(catch_unwind)]
pub fn journal_unwait(env: &Env, wait: f64) -> napi::Result<()> {
    let found = state::of::<Waits>(env)?.waits.borrow_mut().remove(&(wait as u64));
    if let Some(wait) = found {
        wait.cancel();
    }
    Ok(())
}
