//! What this build can do on this machine, as JavaScript sees it.

use napi::Env;
use napi_derive::napi;
use pmem::{Region, capabilities};

use super::buffers::Buffers;
use super::errors::Crossing;
use super::state;

/// See `ts/shared/capabilities.ts`.
#[napi(object)]
pub struct NativeCapabilities {
    /// The pool engines of this build.
    pub engines: Vec<String>,
    /// The version of the NVM Library linked in.
    pub pmdk: Option<String>,
    /// Whether ArrayBuffers may lie over mapped memory here.
    pub external_buffers: bool,
    /// Whether WebAssembly memories can be covered with a file on this platform.
    pub wasm_memory: bool,
    /// The instruction that writes a cache line back.
    pub flush_instruction: String,
    /// `pmem_has_hw_drain`.
    pub hw_drain: bool,
    /// `pmem_has_auto_flush`.
    pub auto_flush: bool,
    /// In bytes.
    pub page_size: u32,
}

/// What this build can do on this machine.
#[napi(catch_unwind)]
pub fn capabilities(env: &Env) -> napi::Result<NativeCapabilities> {
    Ok(NativeCapabilities {
        engines: capabilities::engines().iter().map(ToString::to_string).collect(),
        pmdk: capabilities::pmdk_version().map(String::from),
        external_buffers: state::of::<Buffers>(env)?.allowed,
        wasm_memory: Region::CAN_COVER,
        flush_instruction: capabilities::flush_instruction().to_owned(),
        hw_drain: capabilities::has_hw_drain(),
        auto_flush: capabilities::has_auto_flush(),
        page_size: capabilities::page_size() as u32,
    })
}

/// The version of this module, which must be that of the package.
#[napi(catch_unwind)]
pub fn native_version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// `pmem_check_version`.
#[napi(catch_unwind)]
pub fn check_version(env: &Env, major: u32, minor: u32) -> napi::Result<()> {
    capabilities::check_version(major, minor).cross(env)
}
