//! Work off the main thread, as a promise.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Task};

use super::errors::Crossing;

/// Work that a thread of the runtime's pool does.
pub struct Deferred(Option<Box<dyn FnOnce() -> pmem::Result<()> + Send>>);

/// A promise of `work`. What it owns stays alive until it is done, also when the runtime ends first.
pub(crate) fn deferred(work: impl FnOnce() -> pmem::Result<()> + Send + 'static) -> AsyncTask<Deferred> {
    AsyncTask::new(Deferred(Some(Box::new(work))))
}

impl Task for Deferred {
    type Output = pmem::Result<()>;
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<Self::Output> {
        let Some(work) = self.0.take() else { return Ok(Ok(())) };
        catch_unwind(AssertUnwindSafe(work)).map_err(|_| napi::Error::from_reason("a native call panicked"))
    }

    fn resolve(&mut self, env: Env, output: Self::Output) -> napi::Result<()> {
        output.cross(&env)
    }
}
