//! Journals as JavaScript sees them: by handle.

mod cursors;
mod hot;
mod packed;
mod waits;

use napi::Env;
use napi::bindgen_prelude::Uint8ArraySlice;
use napi_derive::napi;
use pmem::{Journal, JournalOptions, Ticket, check_source};

use crate::shared::errors::Crossing;
use crate::shared::files::path_of;
use crate::shared::opened::{self, Kind, keep, with};
use crate::shared::pending::Pending;
use crate::shared::state;

impl Kind for Journal {
    const NAME: &'static str = "journal";
}

/// How a journal is opened.
#[napi(object)]
pub struct JournalFlags {
    /// Whether it is made where it is missing.
    pub create: bool,
    /// Whether changes are refused.
    pub readonly: bool,
    /// The size of large segments, in bytes.
    pub segment_size: f64,
    /// How many bytes all segments may have.
    pub max_bytes: Option<f64>,
    /// How old a segment's last record may become, in microseconds.
    pub max_age: Option<f64>,
    /// Whether records go where a cursor has not come to them.
    pub drop_unread: bool,
    /// The sequence of a new journal's first record.
    pub first_sequence: f64,
    /// The permissions of new files.
    pub mode: u32,
}

impl JournalFlags {
    /// The core's form of the flags.
    fn options(&self) -> JournalOptions {
        JournalOptions {
            create: self.create,
            readonly: self.readonly,
            segment_size: self.segment_size as u64,
            max_bytes: self.max_bytes.map(|bytes| bytes as u64),
            max_age: self.max_age.map(|age| age as u64),
            drop_unread: self.drop_unread,
            first_sequence: self.first_sequence as u64,
            mode: self.mode,
        }
    }
}

/// What TypeScript keeps of a journal.
#[napi(object)]
pub struct JournalInfo {
    /// Names the journal in every later call.
    pub handle: f64,
    /// How many bytes opening has cut.
    pub torn: f64,
    /// What names the journal.
    pub uuid: String,
}

/// What a check finds.
#[napi(object)]
pub struct JournalFindings {
    /// How many records are sound.
    pub records: f64,
    /// The bytes of their frames.
    pub bytes: f64,
    /// How many segments there are.
    pub segments: f64,
    /// How many bytes an unfinished write left behind.
    pub torn: f64,
    /// What is damaged.
    pub damage: Vec<JournalFinding>,
}

/// A damaged place.
#[napi(object)]
pub struct JournalFinding {
    /// The file.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: f64,
    /// The sequence that was expected there.
    pub sequence: f64,
    /// What is wrong.
    pub what: String,
}

/// Opens a journal, or makes one.
#[napi(catch_unwind)]
pub fn journal_open(env: &Env, folder: Uint8ArraySlice<'_>, flags: JournalFlags) -> napi::Result<JournalInfo> {
    let journal = Journal::open(&path_of(&folder), &flags.options());
    keep(env, journal, |journal, handle| JournalInfo {
        handle,
        torn: journal.recovered() as f64,
        uuid: uuid_text(journal.uuid()),
    })
}

/// A uuid as it is written: `01234567-89ab-cdef-0123-456789abcdef`.
fn uuid_text(uuid: [u8; 16]) -> String {
    let mut text = format!("{:032x}", u128::from_be_bytes(uuid));
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

/// What is sound in a folder, and what is not.
#[napi(catch_unwind)]
pub fn journal_check(env: &Env, folder: Uint8ArraySlice<'_>) -> napi::Result<JournalFindings> {
    let report = Journal::check(&path_of(&folder)).cross(env)?;
    let damage = report.damage.into_iter().map(|place| JournalFinding {
        file: place.file.to_string_lossy().into_owned(),
        offset: place.offset as f64,
        sequence: place.sequence as f64,
        what: place.what,
    });
    Ok(JournalFindings {
        records: report.records as f64,
        bytes: report.bytes as f64,
        segments: report.segments as f64,
        torn: report.torn as f64,
        damage: damage.collect(),
    })
}

/// The number of segments.
#[napi(catch_unwind)]
pub fn journal_segments(env: &Env, handle: f64) -> napi::Result<f64> {
    with(env, handle, |journal: &Journal| Ok(journal.state()?.segments as f64))
}

/// How many bytes wait to be written, of all handles on the journal.
#[napi(catch_unwind)]
pub fn journal_pending(env: &Env, handle: f64) -> napi::Result<f64> {
    with(env, handle, |journal: &Journal| Ok(journal.pending() as f64))
}

/// How many bytes may wait to be written, from now on and for all handles on the journal.
#[napi(catch_unwind)]
pub fn journal_limit_pending(env: &Env, handle: f64, most: f64) -> napi::Result<()> {
    with(env, handle, |journal: &Journal| {
        journal.limit_pending(most as u64);
        Ok(())
    })
}

/// Appends a record that is too long for the call frame; an `expected` of -1 is none.
#[napi(catch_unwind)]
pub fn journal_append(
    env: &Env,
    handle: f64,
    data: Uint8ArraySlice<'_>,
    expected: f64,
    durable: bool,
) -> napi::Result<f64> {
    with(env, handle, |journal: &Journal| {
        check_source(&data)?;
        Ok(journal.append(&[&data], expectation(expected), durable)? as f64)
    })
}

/// Appends records that TypeScript packed, as one batch.
#[napi(catch_unwind)]
pub fn journal_append_many(
    env: &Env,
    handle: f64,
    pieces: Vec<Uint8ArraySlice<'_>>,
    expected: f64,
    durable: bool,
) -> napi::Result<f64> {
    let records: Vec<&[u8]> = pieces.iter().flat_map(|piece| packed::records(piece)).collect();
    with(env, handle, |journal: &Journal| Ok(journal.append(&records, expectation(expected), durable)? as f64))
}

/// Puts an append of one record off: of a copy made now.
#[napi(catch_unwind)]
pub fn journal_enqueue(
    env: &Env,
    handle: f64,
    queue: f64,
    data: Uint8ArraySlice<'_>,
    expected: f64,
    durable: bool,
) -> napi::Result<f64> {
    put_off(env, handle, queue, |journal| {
        check_source(&data)?;
        journal.enqueue(vec![data.to_vec()], expectation(expected), durable)
    })
}

/// Puts an append of records that TypeScript packed off, as one batch.
#[napi(catch_unwind)]
pub fn journal_enqueue_many(
    env: &Env,
    handle: f64,
    queue: f64,
    pieces: Vec<Uint8ArraySlice<'_>>,
    expected: f64,
    durable: bool,
) -> napi::Result<f64> {
    let records = pieces.iter().flat_map(|piece| packed::records(piece)).map(<[u8]>::to_vec).collect();
    put_off(env, handle, queue, |journal| journal.enqueue(records, expectation(expected), durable))
}

/// Makes all that was appended durable.
#[napi(catch_unwind)]
pub fn journal_flush(env: &Env, handle: f64) -> napi::Result<()> {
    with(env, handle, Journal::flush)
}

/// Puts a flush off.
#[napi(catch_unwind)]
pub fn journal_enqueue_flush(env: &Env, handle: f64, queue: f64) -> napi::Result<()> {
    put_off(env, handle, queue, |journal| Ok((0, journal.enqueue_flush()?)))?;
    Ok(())
}

/// The sequence of the first record of a time, in microseconds, or later.
#[napi(catch_unwind)]
pub fn journal_locate(env: &Env, handle: f64, time: f64) -> napi::Result<f64> {
    with(env, handle, |journal: &Journal| Ok(journal.locate(time as u64)? as f64))
}

/// Forgets the records before a sequence.
#[napi(catch_unwind)]
pub fn journal_truncate_before(env: &Env, handle: f64, sequence: f64) -> napi::Result<()> {
    with(env, handle, |journal: &Journal| journal.truncate_before(sequence as u64))
}

/// Finishes what was put off and drops the handle. An unknown one is closed already.
#[napi(catch_unwind)]
pub fn journal_close(env: &Env, handle: f64) -> napi::Result<()> {
    if let Some(journal) = opened::take::<Journal>(env, handle)? {
        journal.settle();
    }
    Ok(())
}

/// Keeps the ticket of what was put off, for whoever waits for the queue; gives the sequence.
fn put_off(
    env: &Env,
    handle: f64,
    queue: f64,
    enqueue: impl FnOnce(&Journal) -> pmem::Result<(u64, Ticket)>,
) -> napi::Result<f64> {
    let (sequence, ticket) = with(env, handle, enqueue)?;
    state::of::<Pending>(env)?.add(queue, ticket);
    Ok(sequence as f64)
}

/// The sequence that an append expects; a negative number is none.
fn expectation(expected: f64) -> Option<u64> {
    (expected >= 0.0).then_some(expected as u64)
}
