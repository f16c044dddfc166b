//! Work put off, as its callers see it.

use std::sync::Arc;

use crate::Result;

/// Work that was put off: an append, a write, a persist. Work of one pool or region is done in the order of the calls, many
/// of them together, whoever waits for one.
#[derive(Clone)]
pub struct Ticket(Arc<dyn Pending>);

/// What a ticket is for.
pub(crate) trait Pending: Send + Sync {
    /// Does the work, with what was put off before it, unless someone else did.
    fn wait(&self);

    /// What came of it, once it is done.
    fn outcome(&self) -> Option<&Result<()>>;
}

impl Ticket {
    pub(crate) fn new(pending: impl Pending + 'static) -> Self {
        Self(Arc::new(pending))
    }

    /// Returns once the work is durable, or has failed.
    ///
    /// # Errors
    /// What the call that was put off would have met.
    pub fn wait(&self) -> Result<()> {
        self.0.wait();
        self.0.outcome().expect("what was waited for, or closed, is done").clone()
    }

    /// What came of the work; `None` where it is not done yet.
    pub fn outcome(&self) -> Option<&Result<()>> {
        self.0.outcome()
    }
}
