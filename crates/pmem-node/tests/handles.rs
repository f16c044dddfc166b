//! The tests of modules that need no JavaScript: the library itself is one of a runtime, and has no tests.
#![allow(dead_code, missing_docs)]

#[path = "../src/shared/handles.rs"]
mod handles;
