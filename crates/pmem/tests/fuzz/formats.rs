//! Where the formats have their numbers and checksums. `docs/` says what they are.

use crate::image::Bytes;
use crate::mutation::{Field, Format};

const PAGE: u64 = 4096;

/// Numbers of eight bytes, one behind the other.
fn row(from: u64, to: u64) -> impl Iterator<Item = Field> {
    (from..to).step_by(8).map(|place| (place, 8))
}

/// The checksum of pools, over a page: its own place, and what comes from `end` on, count as zeros.
fn fletcher(bytes: &Bytes, start: u64, at: usize, end: usize) -> u64 {
    let (mut low, mut high) = (0_u32, 0_u32);
    for (offset, word) in (0..).step_by(4).zip(bytes.get(start, PAGE as usize).chunks_exact(4)) {
        if offset < end && !(at..at + 8).contains(&offset) {
            low = low.wrapping_add(u32::from_le_bytes(word.try_into().unwrap()));
        }
        high = high.wrapping_add(low);
    }
    u64::from(high) << 32 | u64::from(low)
}

fn seal_pool(bytes: &mut Bytes) {
    let end = if bytes.u32(16) & 2 == 0 { PAGE as usize } else { 2048 };
    let sum = fletcher(bytes, 0, 4088, end);
    bytes.put(4088, &sum.to_le_bytes());
}

fn pool_fields() -> Vec<Field> {
    let numbers = [(8, 4), (12, 4), (16, 4), (20, 4), (136, 1), (137, 1), (142, 2), (4040, 1)];
    numbers.into_iter().chain(row(24, 136)).chain(row(4024, 4048)).collect()
}

pub const LOG: Format = Format {
    fields: |_| pool_fields().into_iter().chain(row(4096, 4120)).chain(row(4096, 4120)).collect(),
    seal: seal_pool,
};

/// Where the pages lie that begin as info blocks.
fn infos(bytes: &Bytes) -> Vec<u64> {
    bytes.pages().into_iter().filter(|page| bytes.get(*page, 14) == b"BTT_ARENA_INFO").collect()
}

fn block_fields(bytes: &Bytes) -> Vec<Field> {
    let mut fields = pool_fields();
    fields.extend([(4096, 4), (4100, 4)]);
    for info in infos(bytes) {
        fields.extend([(info + 48, 4), (info + 52, 2), (info + 54, 2)]);
        fields.extend((56..80).step_by(4).map(|at| (info + at, 4)));
        fields.extend(row(info + 80, info + 120));
        let (flog, map) = (bytes.u64(info + 104), bytes.u64(info + 96));
        let (flog, map) = (flog.saturating_add(8192), map.saturating_add(8192));
        // Some lanes, and some entries of the map.
        fields.extend((0..64).step_by(4).map(|at| (flog.saturating_add(at), 4)));
        fields.extend((0..32).step_by(4).map(|at| (map.saturating_add(at), 4)));
    }
    fields
}

pub const BLOCKS: Format = Format {
    fields: block_fields,
    seal: |bytes| {
        seal_pool(bytes);
        for info in infos(bytes) {
            let sum = fletcher(bytes, info, 4088, PAGE as usize);
            bytes.put(info + 4088, &sum.to_le_bytes());
        }
    },
};

const SLOTS: [u64; 2] = [1024, 2048];
const FRAME: u64 = 32;

/// Where frames begin: as far as they follow each other.
fn frames(bytes: &Bytes) -> Vec<u64> {
    let (mut found, mut place) = (Vec::new(), PAGE);
    while place + FRAME <= bytes.len && found.len() < 100 {
        let len = u64::from(bytes.u32(place));
        if len < FRAME {
            break;
        }
        found.push(place);
        place += len.next_multiple_of(8);
    }
    found
}

fn seal_segment(bytes: &mut Bytes) {
    let header = crc32c::crc32c(&bytes.get(0, 92));
    bytes.put(92, &header.to_le_bytes());
    let salt = bytes.u64(80).to_le_bytes();
    let written = SLOTS.map(|slot| bytes.u64(slot) != 0);
    for (slot, _) in SLOTS.into_iter().zip(written).filter(|(_, is_written)| *is_written) {
        let sum = crc32c::crc32c_append(crc32c::crc32c(&salt), &bytes.get(slot, 92));
        bytes.put(slot + 92, &sum.to_le_bytes());
    }
    for frame in frames(bytes) {
        let head = bytes.get(frame, FRAME as usize);
        let seed = [&salt[..], &frame.to_le_bytes(), &head[..4], &head[8..28]].concat();
        let check = crc32c::crc32c(&seed);
        bytes.put(frame + 28, &check.to_le_bytes());
        let end = (frame + u64::from(bytes.u32(frame))).next_multiple_of(8);
        if end <= bytes.len.min(frame + (1 << 20)) {
            let rest = bytes.get(frame + 28, (end - frame - 28) as usize);
            bytes.put(frame + 4, &crc32c::crc32c_append(check, &rest).to_le_bytes());
        }
    }
}

pub const SEGMENT: Format = Format {
    fields: |bytes| {
        let mut fields: Vec<Field> = [(8, 4), (12, 4), (16, 4), (20, 4)].into_iter().chain(row(24, 88)).collect();
        for slot in SLOTS {
            fields.extend(row(slot, slot + 72));
        }
        for frame in frames(bytes) {
            fields.extend([(frame, 4), (frame + 8, 8), (frame + 16, 8), (frame + 24, 2), (frame + 26, 2)]);
        }
        fields
    },
    seal: seal_segment,
};

pub const CURSOR: Format = Format {
    fields: |_| row(8, 48).chain(row(2056, 2096)).collect(),
    seal: |bytes| {
        for slot in [0, 2048] {
            let sum = crc32c::crc32c(&bytes.get(slot, 60));
            bytes.put(slot + 60, &sum.to_le_bytes());
        }
    },
};

/// A file of which nothing is known.
pub const ANY: Format = Format { fields: |bytes| row(0, bytes.len.min(256) & !7).collect(), seal: |_| {} };

const HEAP_SLOTS: [u64; 4] = [4096, 8192, 12_288, 16_384];

/// The size of a node, where the header says a possible one.
fn node_size(bytes: &Bytes) -> u64 {
    match bytes.u64(72) {
        size @ 512..=16_384 => size,
        _ => PAGE,
    }
}

/// Where nodes lie.
fn nodes(bytes: &Bytes) -> Vec<u64> {
    let size = node_size(bytes);
    let starts = bytes.pages().into_iter().filter(|page| page % size.max(PAGE) == 0 && *page >= 65_536);
    starts.filter(|page| bytes.get(*page, 1) == b"N" && bytes.get(page + 2, 2) != [0, 0]).collect()
}

/// The slot that holds.
fn newest(bytes: &Bytes) -> u64 {
    HEAP_SLOTS
        .into_iter()
        .filter(|slot| bytes.u64(slot + 8) == bytes.u64(56))
        .max_by_key(|slot| bytes.u64(slot + 16))
        .unwrap_or(PAGE)
}

fn log_start(bytes: &Bytes) -> u64 {
    73_728_u64.wrapping_add(bytes.u64(88).wrapping_mul(2))
}

/// Where frames lie in the log, and their positions, from the slot's on.
fn commits(bytes: &Bytes) -> Vec<(u64, u64)> {
    let (start, len, mut position) = (log_start(bytes), bytes.u64(96), bytes.u64(newest(bytes) + 40));
    let mut found = Vec::new();
    while len > 0 && found.len() < 50 {
        let place = start.wrapping_add(position % len);
        if place >= bytes.len || bytes.u32(place) < 32 {
            break;
        }
        found.push((place, position));
        position = position.wrapping_add(u64::from(bytes.u32(place)).next_multiple_of(8));
    }
    found
}

fn seal_node(bytes: &mut Bytes, node: u64, salt: &[u8]) -> u32 {
    let size = node_size(bytes) as usize;
    let content = bytes.get(node, size);
    let number = (node / size as u64).to_le_bytes();
    let sum = crc32c::crc32c(&[salt, &number, &content[..size - 16], &content[size - 12..]].concat());
    bytes.put(node + size as u64 - 16, &sum.to_le_bytes());
    sum
}

fn seal_commit(bytes: &mut Bytes, place: u64, position: u64, salt: &[u8]) {
    let head = bytes.get(place, FRAME as usize);
    let check = crc32c::crc32c(&[salt, &position.to_le_bytes(), &head[..4], &head[8..28]].concat());
    bytes.put(place + 28, &check.to_le_bytes());
    let len = u64::from(bytes.u32(place)).next_multiple_of(8);
    if place + len <= bytes.len && len < 1 << 20 {
        let rest = bytes.get(place + 28, len as usize - 28);
        bytes.put(place + 4, &crc32c::crc32c_append(check, &rest).to_le_bytes());
    }
}

/// A tree of one node is sealed up to the slot; in a larger one nodes keep the references that they had.
fn seal_store(bytes: &mut Bytes) {
    let salt = bytes.get(56, 8);
    let root = newest(bytes) + 48;
    for node in nodes(bytes) {
        let sum = seal_node(bytes, node, &salt);
        let number = node / node_size(bytes);
        if bytes.u64(root) & ((1 << 39) - 1) == number {
            bytes.put(root, &(number | u64::from(sum & 0xff_ffff) << 39).to_le_bytes());
        }
    }
    for (place, position) in commits(bytes) {
        seal_commit(bytes, place, position, &salt);
    }
    let written: Vec<u64> = HEAP_SLOTS.into_iter().filter(|slot| bytes.u64(*slot) != 0).collect();
    for page in written.into_iter().chain([0]) {
        let sum = crc32c::crc32c(&bytes.get(page, 4092));
        bytes.put(page + 4092, &sum.to_le_bytes());
    }
}

pub const STORE: Format = Format {
    fields: |bytes| {
        let mut fields: Vec<Field> = [(8, 4), (104, 4), (108, 4)].into_iter().chain(row(16, 128)).collect();
        for slot in HEAP_SLOTS {
            fields.extend(row(slot + 8, slot + 112));
        }
        for node in nodes(bytes) {
            fields.extend([(node + 1, 1), (node + 2, 2), (node + 4, 2), (node + 6, 2)]);
            fields.extend((0..8).flat_map(|slot| [(node + 20 + slot * 8, 2), (node + 22 + slot * 8, 2)]));
        }
        for (place, _) in commits(bytes) {
            fields.extend([
                (place, 4),
                (place + 8, 8),
                (place + 16, 8),
                (place + 26, 2),
                (place + 32, 8),
                (place + 41, 4),
            ]);
        }
        fields
    },
    seal: seal_store,
};
