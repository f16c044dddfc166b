//! What one JavaScript environment (the main thread, or a worker) has: one value of each type that asks for it. They go
//! when the environment ends, in the order in which they came.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use napi::Env;

/// A value that each environment has one of.
pub(crate) trait PerEnvironment: Sized + 'static {
    /// The environment's. It may ask for values of other types, which then go after it.
    fn new(env: &Env) -> napi::Result<Self>;
}

#[derive(Default)]
struct State {
    values: RefCell<Vec<Rc<dyn Any>>>,
}

/// The calling environment's value, made when it is first asked for.
pub(crate) fn of<T: PerEnvironment>(env: &Env) -> napi::Result<Rc<T>> {
    let state = State::of(env)?;
    if let Some(found) = state.find() {
        return Ok(found);
    }
    let made = Rc::new(T::new(env)?);
    state.values.borrow_mut().push(Rc::clone(&made) as Rc<dyn Any>);
    Ok(made)
}

impl State {
    fn of(env: &Env) -> napi::Result<Rc<Self>> {
        if let Some(state) = env.get_instance_data::<Rc<Self>>()? {
            return Ok(Rc::clone(state));
        }
        let state = Rc::new(Self::default());
        env.set_instance_data(Rc::clone(&state), (), |_| {})?;
        Ok(state)
    }

    fn find<T: 'static>(&self) -> Option<Rc<T>> {
        let values = self.values.borrow();
        let found = values.iter().find(|value| value.is::<T>())?;
        Rc::clone(found).downcast().ok()
    }
}
