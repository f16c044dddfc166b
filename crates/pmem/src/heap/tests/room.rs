//! How much room a store takes.

use super::super::tree::Value;
use super::super::writer::Writer;
use super::model::change;
use super::*;
use crate::os::seam::recorder::Random;
use crate::storage::medium::Failed;

/// The keys of so many entries, in an order by chance.
fn shuffled(count: u64) -> Vec<[u8; 8]> {
    let mut random = Random::new(count);
    let mut keys: Vec<_> = (0..count).map(|number| (random.below(u64::MAX), number.to_be_bytes())).collect();
    keys.sort_unstable();
    keys.into_iter().map(|(_, key)| key).collect()
}

fn set_all(heap: &Heap, keys: &[[u8; 8]], value: &[u8]) {
    for part in keys.chunks(100) {
        let mut transaction = heap.begin().unwrap();
        part.iter().for_each(|key| transaction.set(key, value).unwrap());
        transaction.commit().unwrap();
    }
}

#[test]
fn a_file_gets_shorter_by_zones_that_are_empty_and_longer_again() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let heap = Heap::open(&path, &options()).unwrap();
        let (keys, len) = (shuffled(3000), || std::fs::metadata(&path).unwrap().len());
        let mut shortest = None;
        for _ in 0..3 {
            set_all(&heap, &keys, &[7; 100]);
            heap.checkpoint().unwrap();
            let longest = len();
            assert!(check(&heap).entries == 3000 && longest > 2 * 512 * 512, "{longest}");
            let mut transaction = heap.begin().unwrap();
            keys.iter().for_each(|key| assert!(transaction.remove(key).unwrap()));
            transaction.commit().unwrap();
            // What one checkpoint frees, the next one can cut off.
            (0..2).for_each(|_| heap.checkpoint().unwrap());
            let (report, stats) = (check(&heap), heap.stats().unwrap());
            assert_eq!((report.entries, stats.size, stats.free + stats.pinned), (0, len(), report.free * 512));
            assert_eq!(*shortest.get_or_insert(len()), len());
            assert!(len() <= 512 * 512, "{} of {longest}", len());
        }
    });
}

#[test]
fn nodes_are_full_in_the_order_of_the_keys_and_two_thirds_full_in_any() {
    on_each_medium(|folder| {
        let shuffled = shuffled(3000);
        let mut ascending = shuffled.clone();
        ascending.sort_unstable();
        let descending: Vec<_> = ascending.iter().rev().copied().collect();
        // A slot, a key, a length and a value, in nodes of 512 bytes with a header and a trailer.
        let full = 3000 * (8 + 8 + 2 + 20) / (512 - 16 - 16);
        for (keys, most) in [(ascending, full), (descending, full), (shuffled, full * 3 / 2)] {
            let heap = Heap::open(&folder.join(format!("{most}{:?}", keys[0])), &options()).unwrap();
            set_all(&heap, &keys, &[7; 20]);
            heap.checkpoint().unwrap();
            let Report { nodes, entries, .. } = check(&heap);
            assert!(entries == 3000 && nodes <= most, "{nodes} of {most} nodes");
        }
    });
}

/// How many nodes the next checkpoint writes, of which the tree has the count.
fn changed(writer: &Writer) -> u64 {
    let count = writer.tree.dirty().iter().filter(|dirty| dirty.is_node()).count() as u64;
    assert_eq!(writer.tree.changes.dirty, count);
    count
}

#[test]
fn the_nodes_that_a_checkpoint_writes_are_counted() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &options()).unwrap();
        let (mut random, mut model, mut most) = (Random::new(3), Model::new(), 0);
        let mut snapshot = None;
        for step in 0..300 {
            let before = model.clone();
            let mut transaction = heap.begin().unwrap();
            for _ in 0..random.below(40) {
                change(&mut transaction, &mut model, &mut random, if step / 50 % 2 == 0 { 2 } else { 9 });
            }
            if step % 4 == 0 {
                drop(transaction);
                model = before;
            } else {
                transaction.commit().unwrap();
            }
            let writer = heap.inner.take().unwrap();
            most = most.max(changed(&writer));
            heap.inner.put_back(writer);
            if step % 20 == 0 {
                snapshot = heap.view().ok();
            }
        }
        drop(snapshot);
        assert!(most > 30, "{most}");
    });
}

#[test]
fn nodes_that_change_beside_a_checkpoint_are_for_the_next_one() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &options()).unwrap();
        let keys = shuffled(400);
        set_all(&heap, &keys, &[7; 100]);
        let (mut writer, store) = (heap.inner.take().unwrap(), &heap.inner.store);
        let set = |writer: &mut Writer, key: &[u8]| {
            let before = writer.tree.set(store, key, Value::Inline(vec![1; 100])).unwrap();
            before.iter().for_each(|value| writer.tree.discard(store, value));
        };
        keys[..50].iter().for_each(|key| set(&mut writer, key));
        let checkpoint = writer.begin_checkpoint(store, None).unwrap();
        assert_eq!(changed(&writer), 0);
        keys[25..75].iter().for_each(|key| set(&mut writer, key));
        let count = changed(&writer);
        let slot = checkpoint.run(store).map_err(Failed::into_error).unwrap();
        writer.finish_checkpoint(slot, store);
        assert!(count > 20 && changed(&writer) == count, "{count}");
        assert_eq!(writer.tree.nodes_in_memory(), count, "what is written is in the file alone");
        heap.inner.put_back(writer);
        heap.checkpoint().unwrap();
        let writer = heap.inner.take().unwrap();
        assert_eq!(writer.tree.nodes_in_memory(), 0);
        heap.inner.put_back(writer);
        assert_eq!(check(&heap).entries, 400);
    });
}

#[test]
fn what_a_checkpoint_gives_up_is_free_once_it_is_durable() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &options()).unwrap();
        let keys = shuffled(400);
        set_all(&heap, &keys, &[7; 100]);
        heap.checkpoint().unwrap();
        let (mut writer, store) = (heap.inner.take().unwrap(), &heap.inner.store);
        // Nobody sees what was there before.
        assert!(heap.inner.hide());
        for key in &keys[..50] {
            let before = writer.tree.set(store, key, Value::Inline(vec![1; 100])).unwrap();
            before.iter().for_each(|value| writer.tree.discard(store, value));
        }
        let checkpoint = writer.begin_checkpoint(store, None).unwrap();
        let (free, waiting) = (writer.space.free(), writer.space.waiting());
        let slot = checkpoint.run(store).map_err(Failed::into_error).unwrap();
        writer.finish_checkpoint(slot, store);
        assert!(waiting > 0);
        assert_eq!((writer.space.free(), writer.space.waiting()), (free + waiting, 0));
        heap.inner.put_back(writer);
    });
}

#[test]
fn two_leaves_with_little_in_them_become_one_and_the_root_above_them_goes() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &options()).unwrap();
        let keys: Vec<_> = (0..24_u64).map(u64::to_be_bytes).collect();
        set_all(&heap, &keys, &[7; 16]);
        heap.checkpoint().unwrap();
        assert_eq!(check(&heap).depth, 2);
        let remove = |keys: &[[u8; 8]]| {
            let mut transaction = heap.begin().unwrap();
            keys.iter().for_each(|key| assert!(transaction.remove(key).unwrap()));
            transaction.commit().unwrap();
            heap.checkpoint().unwrap();
        };
        remove(&keys[..9]);
        assert_eq!(check(&heap).depth, 2);
        // The last one has no neighbour behind it.
        remove(&keys[18..]);
        assert_eq!(check(&heap).depth, 1);
        assert_eq!(heap.view().unwrap().get(&keys[17]).unwrap().as_deref(), Some(&[7; 16][..]));
    });
}

#[test]
fn long_values_take_the_blocks_that_they_need() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &options()).unwrap();
        let piece = options().geometry.unwrap().run_len(64) as usize;
        // The references to 62 pieces are a block.
        for len in [129, 496, 497, piece, piece + 1, 2 * piece - 1, 2 * piece, 62 * piece, 62 * piece + 1] {
            let (value, key) = (vec![len as u8; len], vec![7; len]);
            for _ in 0..2 {
                set(&heap, b"value", &value);
                set(&heap, &key, b"key");
                heap.checkpoint().unwrap();
                assert_eq!(check(&heap).entries, 2, "{len} bytes");
                let view = heap.view().unwrap();
                assert_eq!(view.get(b"value").unwrap().as_deref(), Some(&value[..]));
                assert_eq!(view.get(&key).unwrap().as_deref(), Some(&b"key"[..]));
            }
            let mut transaction = heap.begin().unwrap();
            assert!(transaction.remove(b"value").unwrap() && transaction.remove(&key).unwrap());
            transaction.commit().unwrap();
            (0..2).for_each(|_| heap.checkpoint().unwrap());
            assert_eq!((check(&heap).entries, heap.stats().unwrap().pinned), (0, 0), "{len} bytes");
        }
    });
}

#[test]
fn what_was_removed_makes_room_for_the_next() {
    on_each_medium(|folder| {
        let limited = HeapOptions { max_len: Some(512 << 10), ..options() };
        let heap = Heap::open(&folder.join("a.store"), &limited).unwrap();
        for round in 0..4u8 {
            // One has room, and few blocks are left beside it.
            set(&heap, b"large", &[round; 360_000]);
            let mut transaction = heap.begin().unwrap();
            assert!(transaction.remove(b"large").unwrap());
            transaction.commit().unwrap();
        }
        heap.checkpoint().unwrap();
        assert_eq!(check(&heap).entries, 0);
    });
}

#[test]
fn a_file_gets_longer_by_a_sixteenth_of_it() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &options()).unwrap();
        let (mut sizes, mut number) = (vec![heap.stats().unwrap().size], 0u32);
        while sizes.last() < Some(&(4 << 20)) {
            set(&heap, &number.to_be_bytes(), &[7; 10_000]);
            number += 1;
            sizes.push(heap.stats().unwrap().size);
        }
        sizes.dedup();
        for pair in sizes.windows(2) {
            assert!(pair[1] - pair[0] >= (pair[0] / 16).max(256 * 512) / 512 * 512, "{sizes:?}");
        }
    });
}
