//! What opening a store finds, and looking at all of it.

use super::super::format::{Slot, block_of, reference, seal_block};
use super::super::node::{Cell, Page, PageMut};
use super::*;
use crate::storage::bytes::u64_at;

/// The cells of a node: keys, with what stands beside them.
type Cells = Vec<(Vec<u8>, Vec<u8>)>;

/// What is found in a copy of a store, in which `change` changed the last slot and the cells of the root.
fn found(path: &Path, change: impl FnOnce(&mut Slot, &mut Cells)) -> String {
    let mut bytes = std::fs::read(path).unwrap();
    let salt = u64_at(&bytes, 56);
    let slots = [0, 1].map(|side| Slot::decode(&bytes[Slot::places(side)[0] as usize..], salt));
    let mut slot = slots.into_iter().flatten().max_by_key(|slot| slot.epoch).unwrap();
    let block = block_of(slot.root);
    let root = &mut bytes[block as usize * 512..][..512];
    let page = Page::new(root).unwrap();
    let (level, cells) = (page.level(), page.cells_with(None));
    let mut cells: Cells = cells.iter().map(|cell| (cell.head(), cell.payload.to_vec())).collect();
    change(&mut slot, &mut cells);
    let cell = |(key, payload)| Cell { prefix: &[], suffix: key, rest: None, payload };
    let cells: Vec<_> = cells.iter().map(|(key, payload)| cell((key, payload))).collect();
    assert!(PageMut(root).fill(level, &cells));
    slot.root = reference(block, seal_block(root, salt, block, slot.epoch));
    for at in Slot::places(slot.epoch) {
        bytes[at as usize..][..4096].copy_from_slice(&slot.encode(salt));
    }
    let copy = path.with_extension("copy");
    std::fs::write(&copy, bytes).unwrap();
    Heap::open(&copy, &options()).unwrap().verify().unwrap().damage.join("\n")
}

/// Makes a store of so many entries, and of one checkpoint.
fn build(path: &Path, entries: u32) {
    let heap = Heap::open(path, &options()).unwrap();
    (0..entries).for_each(|number| set(&heap, &number.to_be_bytes(), b"1"));
    heap.close().unwrap();
}

#[test]
fn keys_that_are_out_of_order_are_found() {
    on_each_medium(|folder| {
        let (leaf, tree) = (folder.join("leaf.store"), folder.join("tree.store"));
        build(&leaf, 8);
        build(&tree, 100);
        assert_eq!(found(&leaf, |_, _| {}) + &found(&tree, |_, _| {}), "");
        let out_of_order = "has keys out of order";
        assert!(found(&leaf, |_, cells| cells.swap(0, 1)).contains(out_of_order));
        assert!(found(&leaf, |_, cells| cells[1] = cells[0].clone()).contains(out_of_order));
        // What parts two nodes is above all keys of the first one.
        assert!(found(&tree, |_, cells| cells[1].0[3] -= 1).contains(out_of_order));
    });
}

#[test]
fn blocks_that_are_reached_twice_or_not_at_all_are_found() {
    on_each_medium(|folder| {
        let path = folder.join("tree.store");
        build(&path, 100);
        let twice = found(&path, |_, cells| cells[1].1 = cells[0].1.clone());
        assert!(twice.contains("is reached twice"), "{twice}");
        assert!(twice.contains("is not free, and nothing leads to it"), "{twice}");
        let fewer = found(&path, |slot, _| slot.entries -= 1);
        assert_eq!(fewer, "there are 100 entries, not 99");
    });
}

/// Where opening a file says that there is damage.
fn refused(path: &Path, bytes: &[u8], why: &str) -> u64 {
    std::fs::write(path, bytes).unwrap();
    match Heap::open(path, &options()) {
        Err(Error::Broken { offset, what, .. }) if what.contains(why) => offset,
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn a_first_commit_that_is_lost_is_found_by_what_follows() {
    on_each_medium(|folder| {
        for is_written in [false, true] {
            let path = folder.join(format!("{is_written}.store"));
            let heap = Heap::open(&path, &options()).unwrap();
            set(&heap, b"one", b"1");
            let (start, len) = (heap.inner.store.geometry.log_start(), heap.stats().unwrap().log);
            if is_written {
                heap.checkpoint().unwrap();
            }
            set(&heap, b"two", b"2");
            drop(heap);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[start as usize + 40] ^= 1;
            if is_written {
                Slot::places(2).into_iter().for_each(|at| bytes[at as usize] ^= 1);
                assert_eq!(refused(&path, &bytes, "the log goes on from the checkpoint 2"), start + len);
            } else {
                assert_eq!(refused(&path, &bytes, "the commit 1 is not what was written"), start);
            }
        }
    });
}
