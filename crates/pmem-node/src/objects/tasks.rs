//! What threads of the runtime's pool do for a store.

use std::path::PathBuf;
use std::time::Duration;

use napi::{Env, Task};
use pmem::objects::{Helper, Session};

use crate::shared::errors::Crossing;

/// Work with a store, of which JavaScript is told what came of it.
macro_rules! task {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* }, $output:ty => $value:ty, $work:expr) => {
        $(#[$doc])*
        pub struct $name {
            helper: Helper,
            $($field: $type,)*
        }

        impl $name {
            pub(super) fn new(session: &Session, $($field: $type),*) -> Self {
                Self { helper: session.helper(), $($field),* }
            }
        }

        impl Task for $name {
            type Output = pmem::Result<$output>;
            type JsValue = $value;

            fn compute(&mut self) -> napi::Result<Self::Output> {
                let work: fn(&mut Self) -> pmem::Result<$output> = $work;
                Ok(work(self))
            }

            fn resolve(&mut self, env: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
                output.map(|output| output as $value).cross(&env)
            }
        }
    };
}

task! {
    /// Makes all that was committed durable.
    Flush {}, () => (), |task| task.helper.flush()
}

task! {
    /// Waits until nobody changes the store.
    Wait { elapsed: Duration }, () => (), |task| task.helper.wait_free(task.elapsed)
}

task! {
    /// Frees what nobody can reach; how many containers it were.
    Collect {}, u64 => f64, |task| task.helper.collect()
}

task! {
    /// Copies the store to a new file.
    Backup { path: PathBuf }, () => (), |task| task.helper.backup(&task.path)
}
