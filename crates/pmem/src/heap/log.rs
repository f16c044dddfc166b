//! The log: what was committed since the last checkpoint, frame by frame, in a ring.
//!
//! A position counts all bytes that ever went through the ring, so that no frame is taken for one of an earlier round.

use super::format::Slot;
use super::store::Store;
use crate::os::deliberate;
use crate::storage::bytes::{u32_at, u64_at};
use crate::storage::frames::{self, Broken, Frame, HEADER};
use crate::{Error, Result};

/// What a frame's payload begins with: the incarnation of who wrote it.
pub(super) const INCARNATION: usize = 8;

/// Where the log ends, and what it goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) position: u64,
    /// The number of the last commit.
    pub(super) sequence: u64,
    /// The incarnation of its last frame, or of the checkpoint.
    pub(super) incarnation: u64,
    /// The latest incarnation of any frame, also of those behind the end that are no commits since one before them was lost. What
    /// is written from now on is of a later one, so that it never makes them commits.
    pub(super) latest: u64,
    /// From here on the frames may not be durable.
    anchor: u64,
}

/// Where a frame of this size goes that would begin at `position`: none is cut by the end of the ring.
pub(super) fn place(len: u64, position: u64, size: u64) -> u64 {
    if position % len + size > len { position.next_multiple_of(len) } else { position }
}

/// Where a position is in the file.
pub(super) fn offset(store: &Store, position: u64) -> u64 {
    store.geometry.log_start() + position % store.geometry.log_len
}

/// The frame of a commit for `position`, in place of what is in `target`.
pub(super) fn encode(
    target: &mut Vec<u8>,
    salt: u64,
    position: u64,
    slot: &Slot,
    sequence: u64,
    is_anchored: bool,
    payload: &[u8],
) {
    let flags = if is_anchored { frames::ANCHORED } else { 0 };
    let frame = Frame { len: HEADER + payload.len(), sequence, time: slot.epoch, flags };
    target.clear();
    frames::encode(target, salt, position, &frame, payload);
}

/// A sound frame, whose payload is what follows its header.
struct Found<'a> {
    frame: Frame,
    payload: &'a [u8],
    /// Whether it is a commit as this version writes them.
    is_known: bool,
}

/// The frame at a position.
fn frame(store: &Store, position: u64) -> std::result::Result<Found<'_>, Broken> {
    let len = store.geometry.log_len;
    let room = (len - position % len) as usize;
    let bytes = store.file.bytes(offset(store, position), room).ok_or(Broken::Empty)?;
    let (frame, is_known) = match frames::decode(bytes, store.salt, position) {
        Err(Broken::Unknown) => (frames::peek(bytes), false),
        decoded => decoded.map(|frame| (frame, !frame.has_more()))?,
    };
    if frame.len < HEADER + INCARNATION {
        return Err(Broken::Payload);
    }
    Ok(Found { frame, payload: &bytes[HEADER..frame.len], is_known })
}

/// Gives what was committed since the checkpoint of `slot` to `apply`, commit by commit.
///
/// # Errors
/// What `apply` says; damage.
pub(super) fn replay(store: &Store, slot: &Slot, mut apply: impl FnMut(&[u8]) -> Result<()>) -> Result<End> {
    let (position, incarnation) = (slot.position, slot.incarnation);
    let mut end = End { position, sequence: slot.sequence, incarnation, latest: incarnation, anchor: position };
    while let Some((position, frame, payload)) = next(store, slot, &end)? {
        if frame.is_anchored() {
            end.anchor = position;
        }
        apply(&payload[INCARNATION..])?;
        let incarnation = u64_at(payload, 0);
        let latest = end.latest.max(incarnation);
        let (position, sequence) = (position + frame.size(), frame.sequence);
        end = End { position, sequence, incarnation, latest, anchor: end.anchor };
        store.check()?;
    }
    end.latest = look_behind(store, slot, &end)?;
    store.check()?;
    Ok(end)
}

/// The frame behind those that were found: there, or at the start of the ring where it did not fit.
fn next<'a>(store: &'a Store, slot: &Slot, end: &End) -> Result<Option<(u64, Frame, &'a [u8])>> {
    let len = store.geometry.log_len;
    for position in [end.position, end.position.next_multiple_of(len)] {
        let Ok(Found { frame, payload, is_known }) = frame(store, position) else { continue };
        let is_next = frame.sequence == end.sequence + 1
            && (u64_at(payload, 0) >= end.incarnation || deliberate::is_on("heap: frames of an earlier opening taken"))
            && position + frame.size() <= slot.position + len;
        if !is_next {
            continue;
        }
        if frame.time > slot.epoch && !deliberate::is_on("heap: older slot trusted") {
            return Err(outdated(store, slot, position, &frame));
        }
        if !is_known {
            return Err(store.newer("a commit in its log is of a kind that this version does not know"));
        }
        return Ok(Some((position, frame, payload)));
    }
    Ok(None)
}

/// That nothing shows that there was more: neither a commit that followed one which is durable, nor a later checkpoint. Returns
/// the latest incarnation of any frame.
fn look_behind(store: &Store, slot: &Slot, end: &End) -> Result<u64> {
    let (len, mut latest) = (store.geometry.log_len, end.latest);
    let (mut position, mut looked) = (end.position, 0);
    while position < slot.position + len {
        let room = (len - position % len).min(slot.position + len - position);
        let Some(bytes) = store.file.bytes(offset(store, position), room as usize) else { return Ok(latest) };
        for at in (0..room.saturating_sub(HEADER as u64)).step_by(8) {
            let header = &bytes[at as usize..];
            let (size, sequence) = (u64::from(u32_at(header, 0)), u64_at(header, 8));
            let is_possible = (HEADER + INCARNATION) as u64 <= size && size <= len && sequence > end.sequence;
            if !is_possible || sequence > end.sequence + len {
                continue;
            }
            // Frames that are none may lie within each other, and each is looked at as a whole.
            if frames::header(header, store.salt, position + at).is_ok() {
                looked += size;
            }
            if looked > 4 * len && !deliberate::is_on("heap: log looked at without end") {
                let what = "more frames begin in the log than have room in it".to_owned();
                return Err(damaged(store, position + at, what));
            }
            let Ok(Found { frame, payload, .. }) = frame(store, position + at) else { continue };
            if frame.time > slot.epoch && !deliberate::is_on("heap: older slot trusted") {
                return Err(outdated(store, slot, position + at, &frame));
            }
            latest = latest.max(u64_at(payload, 0));
            let is_later = frame.is_anchored() && u64_at(payload, 0) >= end.incarnation;
            if is_later && frame.sequence > end.sequence + 1 && !deliberate::is_on("heap: damage taken for torn") {
                let what =
                    format!("the commit {} is not what was written, and a later one is durable", end.sequence + 1);
                return Err(damaged(store, end.position, what));
            }
        }
        position += room;
    }
    Ok(latest)
}

fn outdated(store: &Store, slot: &Slot, position: u64, frame: &Frame) -> Error {
    let what =
        format!("the log goes on from the checkpoint {}, of which there is no more than {}", frame.time, slot.epoch);
    damaged(store, position, what)
}

fn damaged(store: &Store, position: u64, what: String) -> Error {
    Error::Broken { file: store.path.clone(), offset: offset(store, position), what }
}

/// Makes the frames durable that were found, from the last one on that says all before it is. Who wrote them may have been killed
/// before that, or have failed in it, after which a sync by itself writes nothing.
pub(super) fn rewrite(store: &Store, end: &End) -> std::result::Result<(), crate::storage::medium::Failed> {
    use crate::storage::medium::Failed;
    let len = store.geometry.log_len;
    let mut position = end.anchor;
    if position == end.position || deliberate::is_on("heap: tail not rewritten") {
        return Ok(());
    }
    while position < end.position {
        let room = (len - position % len).min(end.position - position);
        let at = offset(store, position);
        let bytes = store.file.bytes(at, room as usize).expect("the frames were read").to_vec();
        store.file.write(at, &bytes).map_err(Failed::Write)?;
        position += room;
    }
    if deliberate::is_on("heap: tail not synced") {
        return Ok(());
    }
    store.file.sync(&[])
}
