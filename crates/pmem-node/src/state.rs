//! What one JavaScript environment (the main thread, or a worker) has open. It goes when the environment ends.

use std::cell::RefCell;
use std::rc::Rc;

use napi::Env;
use pmem::{BlockArray, Log, Region};

use crate::buffers::{self, Owners};
use crate::frame::Frame;
use crate::handles::Handles;

pub(crate) struct State {
    pub(crate) regions: RefCell<Handles<Region>>,
    pub(crate) logs: RefCell<Handles<Log>>,
    pub(crate) arrays: RefCell<Handles<BlockArray>>,
    pub(crate) buffers: Owners,
    pub(crate) frame: Frame,
    pub(crate) external_buffers: bool,
}

impl State {
    /// The state of the calling environment, made at the first call.
    pub(crate) fn of(env: &Env) -> napi::Result<Rc<Self>> {
        if let Some(state) = env.get_instance_data::<Rc<Self>>()? {
            return Ok(Rc::clone(state));
        }
        let state = Rc::new(Self {
            regions: RefCell::default(),
            logs: RefCell::default(),
            arrays: RefCell::default(),
            buffers: Owners::default(),
            frame: Frame::new(env)?,
            external_buffers: buffers::allowed(env)?,
        });
        env.set_instance_data(Rc::clone(&state), (), |_| {})?;
        Ok(state)
    }
}
