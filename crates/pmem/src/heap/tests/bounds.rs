//! Limits: what is just within is taken, what is just beyond is refused.

use super::super::format::{Header, IN_MEMORY, Slot};
use super::super::log;
use super::super::node::*;
use super::super::writer::log_ranges;
use super::*;
use crate::storage::bytes::{put, u16_at};

const SIZE: usize = 512;

/// Where a node says how many bytes its prefix has, and where its cells begin.
const PREFIX: usize = 4;
const CONTENT: usize = 6;

/// Where a node without a prefix says where its first cell is.
const OFFSET: usize = HEADER + 4;

fn cell<'a>(key: &'a [u8], payload: &'a [u8]) -> Cell<'a> {
    Cell { prefix: &[], suffix: key, rest: None, payload }
}

fn node(level: u8, cells: &[Cell<'_>]) -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    assert!(PageMut(&mut bytes).fill(level, cells));
    bytes
}

/// Whether a node would be taken in which a number was changed.
fn takes(node: &[u8], at: usize, change: impl Fn(u16) -> u16) -> bool {
    let (mut bytes, number) = (node.to_vec(), change(u16_at(node, at)));
    put(&mut bytes, at, number.to_le_bytes());
    validate(&bytes)
}

#[test]
fn cells_lie_between_the_slots_and_the_trailer() {
    let empty = node(0, &[]);
    assert!(validate(&empty) && !takes(&empty, CONTENT, |content| content + 1));
    assert!(!takes(&empty, 0, |kind| kind | 1 << 8), "a node above leaves has a child");
    let two = node(1, &[cell(b"", &[7; 8]), cell(b"a key", &[7; 8])]);
    assert!(validate(&two));
    assert!(!takes(&two, OFFSET, |offset| offset + 1), "a cell ends in the trailer");
    assert!(!takes(&two, CONTENT, |content| content + 1), "a cell is before all others");
    assert!(!takes(&two, HEADER + 8, |head| head ^ 1), "a slot has another key's head");
    assert_eq!(two[HEADER + 8..HEADER + 12], u32::from_be_bytes(*b"a ke").to_le_bytes());
    let slots_end = HEADER as u16 + 16;
    assert!(takes(&two, CONTENT, |_| slots_end) && !takes(&two, CONTENT, |_| slots_end - 1));
}

#[test]
fn cells_share_no_bytes() {
    let payload = value_payload(Stored::Inline(&[7; 8]));
    let mut bytes = node(0, &[cell(b"one", &payload), cell(b"two", &payload)]);
    assert!(validate(&bytes));
    bytes.copy_within(HEADER..HEADER + 8, HEADER + 8);
    assert!(!validate(&bytes), "both slots lead to one cell");
}

#[test]
fn keys_prefixes_and_values_are_as_long_as_they_may_be() {
    let run = Some(Place { reference: 5, len: 1 });
    let is_taken = |level: u8, key: usize, rest: Option<Place>, payload: &[u8]| {
        let key = vec![7; key];
        let cells = [cell(b"", payload), Cell { rest, ..cell(&key, payload) }];
        validate(&node(level, &cells[usize::from(level == 0)..]))
    };
    let (longest, child) = (most_key(SIZE), [7; 8]);
    for level in [0, 1] {
        let payload = if level == 0 { value_payload(Stored::Inline(b"")) } else { child.to_vec() };
        assert!(is_taken(level, longest, None, &payload) && !is_taken(level, longest + 1, None, &payload));
        assert!(is_taken(level, longest, run, &payload) && !is_taken(level, longest - 1, run, &payload));
    }
    for (more, expected) in [(0, true), (1, false)] {
        let value = vec![7; most_value(SIZE) + more];
        assert_eq!(is_taken(0, 1, None, &value_payload(Stored::Inline(&value))), expected);
        assert_eq!(takes(&node(0, &[]), PREFIX, |_| (longest - 4 + more) as u16), expected);
    }
}

#[test]
fn no_reference_of_a_file_is_one_in_memory() {
    for (reference, expected) in [(5, true), (5 | IN_MEMORY, false)] {
        let (place, key) = (Place { reference, len: 1 }, vec![7; most_key(SIZE)]);
        let (inline, run) = (value_payload(Stored::Inline(b"1")), value_payload(Stored::Run(place)));
        assert_eq!(is_of_file(&node(1, &[cell(b"", &reference.to_le_bytes())])), expected);
        assert_eq!(is_of_file(&node(0, &[cell(b"1", &inline), cell(b"2", &run)])), expected);
        assert_eq!(is_of_file(&node(0, &[Cell { rest: Some(place), ..cell(&key, &inline) }])), expected);
    }
}

#[test]
fn a_header_has_sizes_that_fit_each_other() {
    let is_taken = |node_size, zone_blocks, table_len, log_len| {
        let geometry = Geometry { node_size, zone_blocks, table_len, log_len };
        Header::decode(&Header { geometry, salt: 5, uuid: [7; 16], created: 9, may_write: true }.encode()).is_ok()
    };
    const PAGE: u64 = 4096;
    for (within, beyond) in [(512, 256), (16384, 32768)] {
        assert!(is_taken(within, 32768, PAGE, PAGE) && !is_taken(beyond, 32768, PAGE, PAGE));
    }
    for (within, beyond) in [(64, 32), (32768, 65536)] {
        assert!(is_taken(16384, within, PAGE, PAGE) && !is_taken(16384, beyond, PAGE, PAGE));
    }
    for (within, beyond) in [(PAGE, 0), (PAGE, PAGE + 512)] {
        assert!(!is_taken(4096, 32768, beyond, within) && !is_taken(4096, 32768, within, beyond));
    }
    // A zone of 64 pages: header and slots, bitmaps, two tables, the log, and one node.
    assert!(is_taken(PAGE, 64, PAGE, (64 - 16 - 2 - 2 - 1) * PAGE));
    assert!(!is_taken(PAGE, 64, PAGE, (64 - 16 - 2 - 2) * PAGE));
    assert!(!is_taken(PAGE, 64, 2 * PAGE, (64 - 16 - 2 - 3 - 1) * PAGE));
}

#[test]
fn a_slot_has_numbers_that_can_be_reckoned_with() {
    let slot = Slot { position: 8, root: 1, blocks: 1, ..Slot::default() };
    assert!(slot.is_possible());
    for (number, expected) in [((1 << 62) - 8, true), (1 << 62, false)] {
        assert_eq!(Slot { sequence: number, ..slot }.is_possible(), expected);
        assert_eq!(Slot { position: number, ..slot }.is_possible(), expected);
        assert_eq!(Slot { entries: number, ..slot }.is_possible(), expected);
    }
    for (blocks, expected) in [((1 << 39) - 1, true), (1 << 39, false)] {
        assert_eq!(Slot { blocks, ..slot }.is_possible(), expected);
    }
    assert!(!Slot { position: 12, ..slot }.is_possible());
    assert!(!Slot { root: 1 | IN_MEMORY, ..slot }.is_possible());
}

#[test]
fn a_frame_goes_where_the_ring_does_not_cut_it() {
    assert_eq!(log::place(4096, 4096 + 4000, 96), 4096 + 4000);
    assert_eq!(log::place(4096, 4096 + 4000, 104), 2 * 4096);
    assert_eq!(log::place(4096, 4096, 4096), 4096);
}

#[test]
fn a_file_without_room_for_a_header_is_no_store() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        for len in [1, 4095] {
            std::fs::write(&path, vec![0; len]).unwrap();
            let refused = Heap::open(&path, &options()).unwrap_err();
            assert!(matches!(refused, Error::Broken { offset: 0, .. }), "{refused}");
        }
    });
}

#[test]
fn a_file_that_was_cut_is_refused() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let heap = Heap::open(&path, &options()).unwrap();
        set(&heap, b"one", &[1; 3000]);
        heap.close().unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        let refused = Heap::open(&path, &options()).unwrap_err();
        assert!(matches!(refused, Error::Broken { .. }) && refused.to_string().contains("it was cut"), "{refused}");
    });
}

#[test]
fn a_zone_begins_with_its_bitmaps_and_the_first_one_with_all_else() {
    assert_eq!([2, 3].map(Slot::places), [[4096, 2 * 4096], [3 * 4096, 4 * 4096]]);
    let geometry = Geometry { node_size: 512, zone_blocks: 512, table_len: 4096, log_len: 16 << 10 };
    assert_eq!([0, 1, 2].map(|zone| geometry.first_block(zone)), [(16 + 2 + 2 + 4) * 8, 16, 16]);
    assert_eq!([0, 1].map(|side| geometry.bits(0, side)), [16 * 4096, 17 * 4096]);
    assert_eq!([0, 1].map(|side| geometry.bits(2, side)), [2 * 512 * 512, 2 * 512 * 512 + 4096]);
    assert_eq!([0, 1].map(|side| geometry.table(side)), [18 * 4096, 19 * 4096]);
}

#[test]
fn what_lies_between_two_positions_may_go_round_the_ring() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &options()).unwrap();
        let (store, len) = (&heap.inner.store, options().geometry.unwrap().log_len);
        let start = store.geometry.log_start();
        assert_eq!(log_ranges(store, 2 * len, 2 * len), []);
        assert_eq!(log_ranges(store, len + 8, len + 24), [(start + 8, 16)]);
        assert_eq!(log_ranges(store, 2 * len - 8, 2 * len + 16), [(start + len - 8, 8), (start, 16)]);
    });
}

#[test]
fn a_log_may_be_longer_than_all_that_follows_it() {
    on_each_medium(|folder| {
        let (path, geometry) = (folder.join("a.store"), options().geometry.unwrap());
        let geometry = Geometry { zone_blocks: 8192, log_len: 1 << 20, ..geometry };
        let options = HeapOptions { geometry: Some(geometry), ..options() };
        let heap = Heap::open(&path, &options).unwrap();
        for number in 0..40u8 {
            set(&heap, b"one", &[number; 10_000]);
        }
        assert!(heap.stats().unwrap().log > 400_000);
        drop(heap);
        let heap = Heap::open(&path, &options).unwrap();
        assert_eq!(heap.view().unwrap().get(b"one").unwrap().as_deref(), Some(&[39; 10_000][..]));
    });
}
