//! Damaged files: right data or an error, never a panic or a wrong value.

use std::collections::BTreeSet;

use super::super::format::{Slot, block_of, reference, seal_block};
use super::model::change;
use super::*;
use crate::os::seam::recorder::Random;
use crate::storage::bytes::u64_at;

/// All that keys ever had since the checkpoint: the last commits of a log may be taken for torn.
type History = BTreeMap<Vec<u8>, BTreeSet<Option<Vec<u8>>>>;

/// Makes a store of some commits behind a checkpoint.
fn build(path: &Path, entries: u64) -> History {
    let (mut random, mut model, mut history) = (Random::new(entries), Model::new(), History::new());
    let heap = Heap::open(path, &options()).unwrap();
    for round in 0..6 {
        let before = model.clone();
        let mut transaction = heap.begin().unwrap();
        for _ in 0..if round == 0 { entries } else { 4 } {
            change(&mut transaction, &mut model, &mut random, 2);
        }
        transaction.commit().unwrap();
        if round == 0 {
            heap.checkpoint().unwrap();
        }
        for key in before.keys().chain(model.keys()) {
            let states = history.entry(key.clone()).or_default();
            if round > 0 {
                states.insert(before.get(key).cloned());
            }
            states.insert(model.get(key).cloned());
        }
    }
    assert!(heap.stats().unwrap().log > 0);
    history
}

/// What a call gave, unless it is damage that it told of.
pub(super) fn sound<T>(result: Result<T>, what: &str) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::Broken { .. } | Error::Newer { .. } | Error::Fault { .. }) => None,
        Err(error) => panic!("{what}: {error}"),
    }
}

fn scan(view: &View, reverse: bool, history: Option<&History>, what: &str) {
    let Some(mut cursor) = sound(view.entries(None, reverse), what) else { return };
    for _ in 0..100_000 {
        let Some(Some((key, value))) = sound(cursor.next(), what) else { return };
        if let Some(history) = history {
            let is_right = history.get(key).is_some_and(|states| states.contains(&Some(value.into_owned())));
            assert!(is_right, "{what}: a wrong entry");
        }
    }
    panic!("{what}: no end");
}

/// Reads and changes all there is. Returns how many keys were read.
fn exercise(path: &Path, history: &History, is_checked: bool, what: &str) -> usize {
    let Some(heap) = sound(Heap::open(path, &options()), what) else { return 0 };
    let view = heap.view().unwrap();
    let mut read = 0;
    for (key, states) in history {
        let Some(value) = sound(view.get(key), what) else { continue };
        read += 1;
        let is_right = !is_checked || states.contains(&value.map(Cow::into_owned));
        assert!(is_right, "{what}: a wrong value");
    }
    for reverse in [false, true] {
        scan(&view, reverse, is_checked.then_some(history), what);
    }
    sound(heap.verify(), what);
    for (number, key) in history.keys().step_by(history.len() / 6 + 1).enumerate() {
        let Some(mut transaction) = sound(heap.begin(), what) else { break };
        let changed = if number % 2 == 0 { transaction.set(key, b"1") } else { transaction.remove(key).map(drop) };
        if sound(changed, what).is_some() {
            sound(transaction.commit(), what);
        }
    }
    sound(heap.checkpoint(), what);
    read
}

fn damage(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let len = bytes.len() as u64;
    let (at, to) = (random.below(len) as usize, random.below(len / 512) as usize * 512);
    let page = at / 512 * 512;
    match random.below(7) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.below(256) as u8,
        2 => bytes[page..page + 512].fill_with(|| random.below(256) as u8),
        3 => bytes[page..page + 512].fill(0),
        4 => (0..512).for_each(|index| bytes.swap(page + index, to + index)),
        5 => bytes.truncate(at),
        _ if page + 512 <= other.len() => bytes[page..page + 512].copy_from_slice(&other[page..page + 512]),
        _ => bytes[page..].fill(0),
    }
}

#[test]
fn a_damaged_file_gives_right_data_or_says_so() {
    on_each_medium(|folder| {
        let (path, other, copy) = (folder.join("a"), folder.join("b"), folder.join("c"));
        let history = build(&path, 700);
        build(&other, 600);
        let (whole, other) = (std::fs::read(&path).unwrap(), std::fs::read(&other).unwrap());
        let mut read = 0;
        for seed in 1..=500 {
            let (mut random, mut bytes) = (Random::new(seed), whole.clone());
            damage(&mut bytes, &other, &mut random);
            std::fs::write(&copy, bytes).unwrap();
            read += exercise(&copy, &history, true, &format!("seed {seed}"));
        }
        assert!(read > history.len() * 250, "{read} reads");
    });
}

/// The newest slot of a file.
pub(super) fn slot_of(bytes: &[u8]) -> (u64, Slot) {
    let salt = u64_at(bytes, 56);
    let slots = [0, 1].map(|side| Slot::decode(&bytes[Slot::places(side)[0] as usize..], salt));
    (salt, slots.into_iter().flatten().max_by_key(|slot| slot.epoch).unwrap())
}

pub(super) fn put_slot(bytes: &mut [u8], salt: u64, slot: &Slot) {
    for at in Slot::places(slot.epoch) {
        bytes[at as usize..][..4096].copy_from_slice(&slot.encode(salt));
    }
}

#[test]
fn damage_with_right_checksums_is_no_panic() {
    on_each_medium(|folder| {
        for entries in [8, 700] {
            let (path, copy) = (folder.join(format!("{entries}")), folder.join("copy"));
            let history = build(&path, entries);
            let whole = std::fs::read(&path).unwrap();
            for seed in 1..=300 {
                let (mut random, mut bytes) = (Random::new(seed), whole.clone());
                let (salt, mut slot) = slot_of(&bytes);
                let block = block_of(slot.root);
                let node = &mut bytes[block as usize * 512..][..512];
                for _ in 0..=random.below(3) {
                    let limit = if random.below(2) == 0 { 64 } else { 496 };
                    node[random.below(limit) as usize] = random.below(256) as u8;
                }
                slot.root = reference(block, seal_block(node, salt, block, slot.epoch));
                put_slot(&mut bytes, salt, &slot);
                std::fs::write(&copy, bytes).unwrap();
                exercise(&copy, &history, false, &format!("{entries} entries, seed {seed}"));
            }
        }
    });
}

#[test]
fn a_slot_with_impossible_numbers_is_refused() {
    on_each_medium(|folder| {
        let (path, copy) = (folder.join("a"), folder.join("copy"));
        let history = build(&path, 100);
        let whole = std::fs::read(&path).unwrap();
        let (salt, slot) = slot_of(&whole);
        for number in [0, 1, 1 << 40, 1 << 55, 1 << 63, u64::MAX] {
            let slots = [
                Slot { root: number, ..slot },
                Slot { blocks: number, ..slot },
                Slot { zones: number, ..slot },
                Slot { position: number, ..slot },
                Slot { sequence: number, ..slot },
                Slot { entries: number, ..slot },
            ];
            for (field, slot) in slots.iter().enumerate() {
                let mut bytes = whole.clone();
                put_slot(&mut bytes, salt, slot);
                std::fs::write(&copy, bytes).unwrap();
                exercise(&copy, &history, false, &format!("field {field}: {number}"));
            }
        }
    });
}

#[test]
fn a_lost_slot_beside_its_log_is_damage_and_one_copy_is_enough() {
    on_each_medium(|folder| {
        let (path, copy) = (folder.join("a"), folder.join("copy"));
        let history = build(&path, 100);
        let whole = std::fs::read(&path).unwrap();
        let places = Slot::places(slot_of(&whole).1.epoch).map(|place| place as usize);
        for lost in 1..4 {
            let mut bytes = whole.clone();
            (0..2).filter(|bit| lost & 1 << bit != 0).for_each(|copy| bytes[places[copy] + 50] ^= 4);
            std::fs::write(&copy, bytes).unwrap();
            match Heap::open(&copy, &options()) {
                Err(Error::Broken { .. }) => assert_eq!(lost, 3),
                opened => {
                    drop(opened.unwrap());
                    assert_ne!(lost, 3);
                    assert_eq!(exercise(&copy, &history, true, "one copy"), history.len());
                }
            }
        }
    });
}

#[test]
fn a_commit_that_is_damaged_before_a_durable_one_is_damage_and_the_last_one_is_torn() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let heap = Heap::open(&path, &options()).unwrap();
        for number in 0..5u8 {
            set(&heap, &[number], &[number; 50]);
        }
        drop(heap);
        let whole = std::fs::read(&path).unwrap();
        let frames: Vec<usize> = whole
            .windows(50)
            .enumerate()
            .filter(|(_, at)| at[0] < 5 && at.iter().all(|byte| *byte == at[0]))
            .map(|(at, _)| at)
            .collect();
        let places: Vec<usize> =
            (1..5u8).map(|number| *frames.iter().find(|at| whole[**at] == number).unwrap()).collect();
        for (index, place) in places.into_iter().enumerate() {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            match Heap::open(&path, &options()) {
                Err(Error::Broken { .. }) => {
                    assert!(index < 3, "the last commit is torn");
                    assert_eq!(std::fs::read(&path).unwrap(), bytes);
                }
                Err(error) => panic!("{error}"),
                Ok(heap) => assert_eq!((index, heap.view().unwrap().len()), (3, 4)),
            }
        }
    });
}

#[test]
#[cfg(unix)]
fn a_lost_page_is_no_damage() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let heap = Heap::open(&path, &options()).unwrap();
        (0..200u32).for_each(|number| set(&heap, &number.to_be_bytes(), &[7; 60]));
        heap.close().unwrap();
        let heap = Heap::open(&path, &options()).unwrap();
        let view = heap.view().unwrap();
        let start = Geometry::SMALL.first_block(0) * Geometry::SMALL.node_size;
        std::fs::File::options().write(true).open(&path).unwrap().set_len(start).unwrap();
        assert_eq!(view.get(&7u32.to_be_bytes()).unwrap_err().code(), "ERR_PMEM_FAULT");
    });
}
