//! The flog: for each lane, which map entry its last write changed, and how.
//!
//! A lane has two entries that it writes in turn, so that one is always whole. A write first stores the block and its
//! old map entry, then the new map entry and the sequence number, then the map itself, each made durable before the
//! next. The entry with the later sequence number is the current one.

use super::geometry::{FLOG_LEN, FLOG_STRIDE, Geometry, LANES};
use super::map::{MapEntry, State};
use crate::nvml::format::Damage;
use crate::nvml::format::bytes::{array, is_torn_write, is_zero, put, u32_at};
use crate::os::deliberate;

/// The number of bytes of an entry.
const ENTRY: usize = 16;

/// The number of bytes of a pair; those from here to the next pair have no meaning.
const PAIR: usize = 2 * ENTRY;

const STRIDE: usize = FLOG_STRIDE as usize;
const OLD: usize = 4;
const NEW: usize = 8;
const SEQUENCE: usize = 12;
const LAST_SEQUENCE: u32 = 3;

/// One entry of the flog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The block that was written.
    pub block: u32,
    /// Its map entry before; the slot in it is free once the write is done.
    pub old: MapEntry,
    /// Its map entry afterwards. In a lane that never wrote, it is the old one.
    pub new: MapEntry,
    /// 1, 2, 3 and 1 again.
    pub sequence: u32,
}

impl Entry {
    /// The bytes of the entry: the two halves of eight bytes are each stored as one, in this order.
    pub(crate) fn encode(&self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        put(&mut bytes, 0, self.block.to_le_bytes());
        put(&mut bytes, OLD, self.old.encode().to_le_bytes());
        put(&mut bytes, NEW, self.new.encode().to_le_bytes());
        put(&mut bytes, SEQUENCE, self.sequence.to_le_bytes());
        bytes
    }

    /// The first entry of `lane`, which owns the slot of this number after those of all blocks.
    fn initial(lane: u32, geometry: &Geometry) -> Self {
        let own = MapEntry { state: State::Zero, slot: geometry.blocks + lane };
        Self { block: lane, old: own, new: own, sequence: 1 }
    }
}

/// A lane's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    current: Entry,
    /// The current entry is the second of the pair.
    second: bool,
}

impl Lane {
    /// The entry of the lane's last write.
    pub(crate) fn current(&self) -> &Entry {
        &self.current
    }

    /// Whether the lane was ever written through.
    pub(crate) fn has_written(&self) -> bool {
        self.current.old != self.current.new
    }

    /// The slot that the next write of this lane goes to.
    pub(crate) fn free_slot(&self) -> u32 {
        self.current.old.slot
    }

    /// The entry for a write to `block`, whose map entry is `old`: the free slot becomes the block's.
    pub(crate) fn next(&self, block: u32, old: MapEntry) -> Entry {
        let new = MapEntry { state: State::Normal, slot: self.free_slot() };
        Entry { block, old, new, sequence: self.current.sequence % LAST_SEQUENCE + 1 }
    }

    /// Where the next entry goes, in bytes from the start of the pair.
    pub(crate) fn next_at(&self) -> u64 {
        if self.second { 0 } else { ENTRY as u64 }
    }

    /// Makes `next`, which was written at [`Lane::next_at`], the current entry.
    pub(crate) fn advance(&mut self, next: Entry) {
        *self = Self { current: next, second: !self.second };
    }

    /// Whether the lane never wrote.
    pub(super) fn is_initial(&self, lane: u32, geometry: &Geometry) -> bool {
        !self.second && self.current == Entry::initial(lane, geometry)
    }

    /// Completes the last write, if it did not reach the map: what to store in the map entry of its block, which is
    /// `found` now.
    pub(crate) fn recover(&self, found: MapEntry) -> Option<MapEntry> {
        let Entry { old, new, .. } = self.current;
        (old != new && found.encode() == old.encode()).then_some(new)
    }
}

/// Makes the flog of a new arena.
pub(crate) fn make(geometry: &Geometry) -> Vec<u8> {
    let mut bytes = vec![0; FLOG_LEN as usize];
    for (lane, pair) in (0..LANES).zip(bytes.chunks_mut(STRIDE)) {
        put(pair, 0, Entry::initial(lane, geometry).encode());
    }
    bytes
}

/// Validates the flog in `bytes`, which lies at byte `offset` of the file.
pub(super) fn check(bytes: &[u8], offset: u64, geometry: &Geometry) -> Result<Vec<Lane>, Damage> {
    let pairs = bytes.chunks(STRIDE).zip((offset..).step_by(STRIDE));
    let lanes = pairs.map(|(pair, at)| parse_pair(&array(pair, 0), at, geometry)).collect::<Result<Vec<_>, _>>()?;
    if !deliberate::is_on("btt: free slot of two lanes") {
        check_distinct(&lanes, offset)?;
    }
    Ok(lanes)
}

/// Whether `bytes` are the flog of an arena in which nothing was ever written.
pub(super) fn is_initial(bytes: &[u8], geometry: &Geometry) -> bool {
    let initial = make(geometry);
    bytes.chunks(STRIDE).zip(initial.chunks(STRIDE)).all(|(pair, initial)| pair[..PAIR] == initial[..PAIR])
}

/// Whether `bytes` can be left behind when writing the flog of a new arena over zeros was interrupted.
pub(super) fn is_interrupted(bytes: &[u8], geometry: &Geometry) -> bool {
    is_torn_write(bytes, &make(geometry), &[])
}

/// No two lanes own the same slot: one of two writes would overwrite the other's.
fn check_distinct(lanes: &[Lane], offset: u64) -> Result<(), Damage> {
    let mut slots: Vec<_> = lanes.iter().map(Lane::free_slot).zip((offset..).step_by(STRIDE)).collect();
    slots.sort_unstable();
    let Some(same) = slots.windows(2).find(|pair| pair[0].0 == pair[1].0) else { return Ok(()) };
    Err(Damage::new("BTT flog free block", same[1].1, format!("slot {} is free in another lane too", same[0].0)))
}

/// Validates the pair of entries in `pair`, at byte `offset` of the file.
fn parse_pair(pair: &[u8; PAIR], offset: u64, geometry: &Geometry) -> Result<Lane, Damage> {
    let sequences = [u32_at(pair, SEQUENCE), u32_at(pair, ENTRY + SEQUENCE)];
    let Some(second) = is_second_current(sequences) else {
        let detail =
            format!("sequence numbers {} and {} do not tell which entry is current", sequences[0], sequences[1]);
        return Err(Damage::new("BTT flog sequence", offset + SEQUENCE as u64, detail));
    };
    let (current, other) = if second { (ENTRY, 0) } else { (0, ENTRY) };
    check_other(&array(pair, other), offset + other as u64, geometry)?;
    let current = parse_entry(&array(pair, current), offset + current as u64, geometry)?;
    Ok(Lane { current, second })
}

/// Which of two entries is current. A sequence number of 0 means that the entry was never written.
fn is_second_current(sequences: [u32; 2]) -> Option<bool> {
    match sequences {
        [1..=LAST_SEQUENCE, 0] | [2, 1] | [3, 2] | [1, 3] => Some(false),
        [0, 1..=LAST_SEQUENCE] | [1, 2] | [2, 3] | [3, 1] => Some(true),
        _ => None,
    }
}

/// Validates the current entry of a lane.
fn parse_entry(bytes: &[u8; ENTRY], offset: u64, geometry: &Geometry) -> Result<Entry, Damage> {
    let (block, old) = parse_first_half(bytes, offset, geometry)?;
    let new = parse_new(bytes, offset, geometry)?;
    if old != new && (old.slot == new.slot || new.state != State::Normal) {
        let detail = "it does not follow from the old one";
        return Err(Damage::new("BTT flog new map entry", offset + NEW as u64, detail));
    }
    Ok(Entry { block, old, new, sequence: u32_at(bytes, SEQUENCE) })
}

/// Validates the entry of a lane that is not current: zeros, or two halves of which the first may belong to a write
/// that was interrupted and the second to one before. They need not fit each other.
fn check_other(bytes: &[u8; ENTRY], offset: u64, geometry: &Geometry) -> Result<(), Damage> {
    if is_zero(bytes) {
        return Ok(());
    }
    parse_first_half(bytes, offset, geometry)?;
    if is_zero(&bytes[NEW..]) {
        return Ok(());
    }
    if u32_at(bytes, SEQUENCE) == 0 {
        return Err(Damage::new("BTT flog sequence", offset + SEQUENCE as u64, "it is 0 in an entry that was written"));
    }
    parse_new(bytes, offset, geometry).map(drop)
}

fn parse_first_half(bytes: &[u8; ENTRY], offset: u64, geometry: &Geometry) -> Result<(u32, MapEntry), Damage> {
    let block = u32_at(bytes, 0);
    if block >= geometry.blocks {
        let detail = format!("it is {block}; the arena has {} blocks", geometry.blocks);
        return Err(Damage::new("BTT flog block", offset, detail));
    }
    Ok((block, parse_recorded(bytes, OLD, "BTT flog old map entry", offset, geometry)?))
}

fn parse_new(bytes: &[u8; ENTRY], offset: u64, geometry: &Geometry) -> Result<MapEntry, Damage> {
    parse_recorded(bytes, NEW, "BTT flog new map entry", offset, geometry)
}

fn parse_recorded(
    bytes: &[u8; ENTRY],
    at: usize,
    field: &'static str,
    offset: u64,
    geometry: &Geometry,
) -> Result<MapEntry, Damage> {
    let raw = u32_at(bytes, at);
    MapEntry::recorded(raw, geometry).ok_or_else(|| {
        let detail = format!("it is {raw:#x}; the arena has {} slots", geometry.slots);
        Damage::new(field, offset + at as u64, detail)
    })
}
