//! Work that was put off, until JavaScript was told what came of it.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use napi::bindgen_prelude::{AsyncTask, Object, Unknown};
use napi::{Env, Task};
use napi_derive::napi;
use pmem::Ticket;

use super::errors::error_value;
use super::frame::{Frame, hot_calls};
use super::state::{self, PerEnvironment};

/// How much JavaScript is told of at once: to settle that many promises takes it half a millisecond.
const MOST: usize = 1024;

/// What an environment waits for, in queues of TypeScript's numbering (`ts/shared/committer.ts`). The work of a queue is
/// done in its order.
pub(crate) struct Pending {
    queues: RefCell<HashMap<u64, VecDeque<Ticket>>>,
    frame: Rc<Frame>,
}

impl PerEnvironment for Pending {
    fn new(env: &Env) -> napi::Result<Self> {
        Ok(Self { queues: RefCell::default(), frame: state::of(env)? })
    }
}

impl Pending {
    /// Adds work behind all other of its queue.
    pub(crate) fn add(&self, queue: f64, ticket: Ticket) {
        self.queues.borrow_mut().entry(queue as u64).or_default().push_back(ticket);
    }

    fn first(&self, queue: f64) -> Option<Ticket> {
        self.queues.borrow().get(&(queue as u64))?.front().cloned()
    }

    /// Takes out what is done at the head of a queue and was done well, and counts it.
    fn take_well_done(&self, queue: f64) -> usize {
        let mut queues = self.queues.borrow_mut();
        let Some(tickets) = queues.get_mut(&(queue as u64)) else { return 0 };
        let count = tickets.iter().take(MOST).take_while(|ticket| matches!(ticket.outcome(), Some(Ok(())))).count();
        tickets.drain(..count);
        count
    }

    /// Takes out what is done at the head of a queue.
    fn take_done(&self, queue: f64) -> Vec<pmem::Result<()>> {
        let mut queues = self.queues.borrow_mut();
        let Some(tickets) = queues.get_mut(&(queue as u64)) else { return Vec::new() };
        let done: Vec<_> = tickets.iter().take(MOST).map_while(|ticket| ticket.outcome().cloned()).collect();
        tickets.drain(..done.len());
        done
    }
}

/// An environment's end loses nothing that was put off.
impl Drop for Pending {
    fn drop(&mut self) {
        for last in self.queues.get_mut().values().filter_map(VecDeque::back) {
            let _ = last.wait();
        }
    }
}

/// The calls of `ts/shared/committer.ts`.
#[napi(catch_unwind, ts_return_type = "Record<'settledWell', () => void>")]
pub fn pending_calls(env: &Env) -> napi::Result<Object<'_>> {
    hot_calls!(env, Pending { "settledWell" => settled_well })
}

/// Takes out what is done of a queue's work without a failure; gives how much it was.
fn settled_well(pending: &Pending) -> pmem::Result<()> {
    pending.frame.give(0, pending.take_well_done(pending.frame.handle()) as f64);
    Ok(())
}

/// What came of the work at the head of a queue.
#[napi(object)]
pub struct Settled<'env> {
    /// How much of it is done.
    pub done: u32,
    /// Where in it something failed, in ascending order.
    pub failed: Vec<u32>,
    /// The errors of what failed.
    #[napi(ts_type = "Error[]")]
    pub errors: Vec<Unknown<'env>>,
}

/// Takes out what is done of a queue's work, at most 1,024 pieces of it.
#[napi(catch_unwind)]
pub fn pending_settled(env: &Env, queue: f64) -> napi::Result<Settled<'_>> {
    let outcomes = state::of::<Pending>(env)?.take_done(queue);
    let (mut failed, mut errors) = (Vec::new(), Vec::new());
    for (index, outcome) in (0..).zip(&outcomes) {
        if let Err(error) = outcome {
            failed.push(index);
            errors.push(error_value(env, error)?);
        }
    }
    Ok(Settled { done: outcomes.len() as u32, failed, errors })
}

/// One commit off the main thread, of the first work of a queue and what waits with it.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn pending_commit(env: &Env, queue: f64) -> napi::Result<AsyncTask<Commit>> {
    Ok(AsyncTask::new(Commit(state::of::<Pending>(env)?.first(queue))))
}

/// What a thread of the runtime's pool does. It holds one of them, however much waits.
pub struct Commit(Option<Ticket>);

impl Task for Commit {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<()> {
        let Some(ticket) = self.0.take() else { return Ok(()) };
        // What came of it is its outcome; that of a panic too.
        let _ = catch_unwind(AssertUnwindSafe(|| ticket.wait()));
        Ok(())
    }

    fn resolve(&mut self, _: Env, (): ()) -> napi::Result<()> {
        Ok(())
    }
}
