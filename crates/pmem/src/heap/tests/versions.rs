//! Files of later versions: refused as such, and left as they were.

use super::super::format::{PAGE, Slot};
use super::*;
use crate::storage::bytes::{put, u32_at, u64_at};
use crate::storage::frames;

/// A store of three commits that are in the log alone.
fn build(path: &Path) -> Vec<u8> {
    let heap = Heap::open(path, &options()).unwrap();
    for number in 0..3u8 {
        set(&heap, &[number], &[number; 50]);
    }
    drop(heap);
    std::fs::read(path).unwrap()
}

fn seal(page: &mut [u8]) {
    let at = PAGE as usize - 4;
    let checksum = crc32c::crc32c(&page[..at]);
    put(page, at, checksum.to_le_bytes());
}

/// Turns a bit of the header, or of both copies of the slot that holds.
fn turn(bytes: &mut [u8], is_slot: bool, at: usize, bit: usize) {
    let salt = u64_at(bytes, 56);
    let newest = [0, 1]
        .into_iter()
        .filter_map(|side| Slot::decode(&bytes[Slot::places(side)[0] as usize..], salt))
        .max_by_key(|slot| slot.epoch)
        .unwrap();
    let pages = if is_slot { Slot::places(newest.epoch).to_vec() } else { vec![0] };
    for page in pages {
        let page = &mut bytes[page as usize..][..PAGE as usize];
        page[at + bit / 8] ^= 1 << (bit % 8);
        seal(page);
    }
}

fn opened(path: &Path, readonly: bool) -> Result<u64> {
    let heap = Heap::open(path, &HeapOptions { readonly, ..options() })?;
    let entries = contents(&heap.view()?).len() as u64;
    heap.close()?;
    Ok(entries)
}

/// What a version must not write it must not copy either: a copy has the entries and no feature.
fn not_copied(path: &Path) {
    let heap = Heap::open(path, &HeapOptions { readonly: true, ..options() }).unwrap();
    let copy = path.with_extension("copy");
    let refused = heap.backup(&copy);
    assert!(matches!(refused, Err(Error::Newer { .. })), "{refused:?}");
    assert!(!copy.exists());
}

fn refused(path: &Path, readonly: bool, bytes: &[u8], what: &str) {
    let result = opened(path, readonly);
    assert!(matches!(result, Err(Error::Newer { .. })), "{what}: {result:?}");
    assert!(std::fs::read(path).unwrap() == bytes, "{what}: the file was changed");
}

#[test]
fn each_feature_bit_is_refused_or_ignored_as_its_field_says() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let whole = build(&path);
        for (is_slot, [compatible, incompatible, read_compatible]) in [(false, [16, 24, 32]), (true, [88, 96, 104])] {
            for bit in 0..64 {
                let changed = |at| {
                    let mut bytes = whole.clone();
                    turn(&mut bytes, is_slot, at, bit);
                    std::fs::write(&path, &bytes).unwrap();
                    bytes
                };
                let what = |field| format!("{field}, slot: {is_slot}, bit {bit}");
                let bytes = changed(incompatible);
                refused(&path, true, &bytes, &what("incompatible"));
                refused(&path, false, &bytes, &what("incompatible"));
                let bytes = changed(read_compatible);
                assert_eq!(opened(&path, true).unwrap(), 3);
                not_copied(&path);
                refused(&path, false, &bytes, &what("read-compatible"));
                changed(compatible);
                assert_eq!(opened(&path, true).unwrap(), 3);
                assert_eq!(opened(&path, false).unwrap(), 3);
            }
        }
    });
}

#[test]
fn each_bit_of_version_checksum_and_cipher_is_refused() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let whole = build(&path);
        for at in [8, 104, 108] {
            for bit in 0..32 {
                let mut bytes = whole.clone();
                turn(&mut bytes, false, at, bit);
                std::fs::write(&path, &bytes).unwrap();
                refused(&path, true, &bytes, &format!("{at}, bit {bit}"));
                refused(&path, false, &bytes, &format!("{at}, bit {bit}"));
            }
        }
    });
}

#[test]
fn a_commit_of_another_kind_is_refused_and_not_taken_for_the_end() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let whole = build(&path);
        let (salt, len) = (u64_at(&whole, 56), u64_at(&whole, 96));
        let start = options().geometry.unwrap().log_start();
        let mut position = 0;
        for number in 0..3 {
            let at = (start + position % len) as usize;
            let frame = frames::decode(&whole[at..], salt, position).unwrap();
            let kinds = (0..16).map(|bit| (24, bit));
            let flags = (1..16).map(|bit| (26, bit));
            for (field, bit) in kinds.chain(flags) {
                let mut bytes = whole.clone();
                let target = &mut bytes[at..at + frame.size() as usize];
                target[field + bit / 8] ^= 1 << (bit % 8);
                reseal(target, salt, position);
                std::fs::write(&path, &bytes).unwrap();
                refused(&path, true, &bytes, &format!("commit {number}, {field}, bit {bit}"));
                refused(&path, false, &bytes, &format!("commit {number}, {field}, bit {bit}"));
            }
            position += frame.size();
        }
    });
}

/// Gives a frame the checksums of what it says, as `docs/journal-format.md` has them.
fn reseal(frame: &mut [u8], salt: u64, position: u64) {
    let seed = [salt.to_le_bytes(), position.to_le_bytes()].concat();
    let header = crc32c::crc32c(&[&seed, &frame[..4], &frame[8..28]].concat());
    put(frame, 28, header.to_le_bytes());
    let checksum = crc32c::crc32c_append(u32_at(frame, 28), &frame[28..]);
    put(frame, 4, checksum.to_le_bytes());
}
