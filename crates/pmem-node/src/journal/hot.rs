//! The calls by the frame.
#![allow(unsafe_code)]

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;
use pmem::{Journal, JournalPosition, JournalRead};

use super::{expectation, packed};
use crate::shared::frame::hot_calls;
use crate::shared::opened::Opened;

/// The calls of `ts/journal/calls.ts`.
#[napi(
    catch_unwind,
    ts_return_type = "Record<'append' | 'appendMany' | 'enqueue' | 'first' | 'next' | 'size', () => void> & Record<'read' | 'readSkipping', (target: Uint8Array) => void>"
)]
pub fn journal_calls(env: &Env) -> napi::Result<Object<'_>> {
    hot_calls!(env, Opened<Journal> {
        "append" => append,
        "appendMany" => append_many,
        "enqueue" => enqueue,
        "first" => first,
        "next" => next,
        "size" => size,
        "read" => read(target),
        "readSkipping" => read_skipping(target),
    })
}

/// Appends what is staged as one record. The offset says whether durably, the flag is the sequence that is expected, or -1;
/// gives its sequence.
fn append(journals: &Opened<Journal>) -> pmem::Result<()> {
    let frame = &journals.frame;
    append_all(journals, &[frame.staged(frame.length())])
}

/// Appends the records that were gathered as one batch; otherwise as [`append`].
fn append_many(journals: &Opened<Journal>) -> pmem::Result<()> {
    let frame = &journals.frame;
    let records: Vec<_> = packed::records(frame.gathered(frame.length())).collect();
    append_all(journals, &records)
}

fn append_all(journals: &Opened<Journal>, records: &[&[u8]]) -> pmem::Result<()> {
    let frame = &journals.frame;
    let durable = frame.offset() != 0;
    let first = journals.named(|journal| journal.append(records, expectation(frame.flag()), durable))?;
    frame.give(0, first as f64);
    Ok(())
}

/// Puts a durable append of what is staged off. The flag is the queue that waits for it, the offset the sequence that is
/// expected, or -1; gives its sequence.
fn enqueue(journals: &Opened<Journal>) -> pmem::Result<()> {
    let frame = &journals.frame;
    let record = frame.staged(frame.length()).to_vec();
    let expected = expectation(frame.signed_offset());
    let (sequence, ticket) = journals.named(|journal| journal.enqueue(vec![record], expected, true))?;
    journals.pending.add(frame.flag(), ticket);
    frame.give(0, sequence as f64);
    Ok(())
}

/// Gives the oldest sequence.
fn first(journals: &Opened<Journal>) -> pmem::Result<()> {
    journals.frame.give(0, journals.named(Journal::first)? as f64);
    Ok(())
}

/// Gives the sequence behind the last durable record.
fn next(journals: &Opened<Journal>) -> pmem::Result<()> {
    journals.frame.give(0, journals.named(Journal::next)? as f64);
    Ok(())
}

/// Gives the bytes of all frames.
fn size(journals: &Opened<Journal>) -> pmem::Result<()> {
    journals.frame.give(0, journals.named(Journal::state)?.byte_len as f64);
    Ok(())
}

fn read(journals: &Opened<Journal>, target: &mut [u8]) -> pmem::Result<()> {
    read_frames(journals, target, false)
}

fn read_skipping(journals: &Opened<Journal>, target: &mut [u8]) -> pmem::Result<()> {
    read_frames(journals, target, true)
}

/// Copies whole frames from a position on: its sequence is the length, its segment the flag, its offset there the offset.
/// Gives how many bytes they are, or, below 0, how many the first of them needs; then offset and segment of what follows.
fn read_frames(journals: &Opened<Journal>, target: &mut [u8], skip_damaged: bool) -> pmem::Result<()> {
    let frame = &journals.frame;
    let mut position = JournalPosition {
        sequence: frame.length() as u64,
        segment: frame.flag() as u64,
        offset: frame.offset() as u64,
    };
    let given = match journals.named(|journal| journal.read(&mut position, skip_damaged, target))? {
        JournalRead::Frames(bytes) => bytes as f64,
        JournalRead::Needs(bytes) => -(bytes as f64),
    };
    frame.give(0, given);
    frame.give(1, position.offset as f64);
    frame.give(2, position.segment as f64);
    Ok(())
}
