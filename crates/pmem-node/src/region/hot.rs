//! The calls by the frame.
#![allow(unsafe_code)]

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;
use pmem::Region;

use crate::shared::frame::hot_calls;
use crate::shared::opened::Opened;

/// The calls of `ts/region/calls.ts`.
#[napi(
    catch_unwind,
    ts_return_type = "Record<'persist' | 'flush' | 'drain' | 'copyFrom' | 'persistMany' | 'enqueuePersist', () => void>"
)]
pub fn region_calls(env: &Env) -> napi::Result<Object<'_>> {
    hot_calls!(env, Opened<Region> {
        "persist" => persist,
        "flush" => flush,
        "drain" => drain,
        "copyFrom" => copy_from,
        "persistMany" => persist_many,
        "enqueuePersist" => enqueue_persist,
    })
}

fn persist(regions: &Opened<Region>) -> pmem::Result<()> {
    let frame = &regions.frame;
    regions.named(|region| region.persist(frame.offset(), frame.length()))
}

fn flush(regions: &Opened<Region>) -> pmem::Result<()> {
    let frame = &regions.frame;
    regions.named(|region| region.flush(frame.offset(), frame.length()))
}

fn drain(regions: &Opened<Region>) -> pmem::Result<()> {
    regions.named(|region| {
        region.drain();
        Ok(())
    })
}

/// Copies what is staged; the flag says whether durably.
fn copy_from(regions: &Opened<Region>) -> pmem::Result<()> {
    let frame = &regions.frame;
    let bytes = frame.staged(frame.length());
    // SAFETY: the bytes are staged, and JavaScript does not run meanwhile.
    regions
        .named(|region| unsafe { region.copy_from(frame.offset(), bytes.as_ptr(), bytes.len(), frame.flag() != 0.0) })
}

/// Persists ranges that are staged as pairs of offset and length; the length is how many numbers these are.
fn persist_many(regions: &Opened<Region>) -> pmem::Result<()> {
    let frame = &regions.frame;
    let ranges = frame.staged_numbers(frame.length()).chunks_exact(2);
    let ranges: Vec<_> = ranges.map(|range| (range[0] as usize, range[1] as usize)).collect();
    regions.named(|region| region.persist_many(&ranges))
}

/// Puts persisting a range off. The flag is the queue that waits for it.
fn enqueue_persist(regions: &Opened<Region>) -> pmem::Result<()> {
    let frame = &regions.frame;
    let ticket = regions.named(|region| region.enqueue_persist(frame.offset(), frame.length()))?;
    regions.pending.add(frame.flag(), ticket);
    Ok(())
}
