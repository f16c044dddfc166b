//! Full stores.

use super::*;

fn limited() -> HeapOptions {
    HeapOptions { max_len: Some(512 << 10), ..options() }
}

fn try_set(heap: &Heap, key: &[u8], value: &[u8]) -> Result<()> {
    let mut transaction = heap.begin()?;
    transaction.set(key, value)?;
    transaction.commit()
}

/// Sets keys until there is no room. Returns how many there are.
fn fill(heap: &Heap, len: usize) -> u32 {
    for number in 0u32.. {
        match try_set(heap, &number.to_be_bytes(), &vec![number as u8; len]) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.code(), "ENOSPC");
                return number;
            }
        }
    }
    unreachable!()
}

#[test]
fn a_full_store_can_be_emptied_and_filled_again() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let mut filled = Vec::new();
        for round in 0..20 {
            let heap = Heap::open(&path, &limited()).unwrap();
            let count = fill(&heap, if round % 2 == 0 { 100 } else { 1500 });
            assert_eq!(contents(&heap.view().unwrap()).len(), count as usize);
            filled.push(count);
            drop(heap);
            let heap = Heap::open(&path, &limited()).unwrap();
            assert!(heap.stats().unwrap().size <= 512 << 10);
            for number in 0..count {
                let mut transaction = heap.begin().unwrap();
                assert!(transaction.remove(&number.to_be_bytes()).unwrap());
                transaction.commit().unwrap_or_else(|error| panic!("round {round}, {number} of {count}: {error}"));
            }
            heap.checkpoint().unwrap();
            assert_eq!(check(&heap).entries, 0);
        }
        for pair in filled.chunks(2).skip(1) {
            for (now, first) in pair.iter().zip(&filled) {
                assert!(now * 10 >= first * 9, "{filled:?}");
            }
        }
    });
}

#[test]
fn what_was_removed_makes_room_at_once() {
    on_each_medium(|folder| {
        for len in (100_000..=350_000).step_by(50_000) {
            let path = folder.join(format!("{len}.store"));
            let heap = Heap::open(&path, &limited()).unwrap();
            try_set(&heap, b"small", b"there").unwrap();
            for round in 0..6 {
                let value = vec![round; len + usize::from(round) * 1000];
                try_set(&heap, b"large", &value).unwrap_or_else(|error| panic!("{len}, round {round}: {error}"));
                assert_eq!(heap.view().unwrap().get(b"large").unwrap().as_deref(), Some(&value[..]));
                let mut transaction = heap.begin().unwrap();
                assert!(transaction.remove(b"large").unwrap());
                transaction.commit().unwrap();
            }
            check(&heap);
            drop(heap);
            assert_eq!(contents(&Heap::open(&path, &limited()).unwrap().view().unwrap()).len(), 1);
        }
    });
}

#[test]
fn a_file_may_end_anywhere() {
    on_each_medium(|folder| {
        for blocks in 508..=532 {
            let path = folder.join(format!("{blocks}.store"));
            let limited = HeapOptions { max_len: Some(blocks * 512), ..options() };
            let heap = Heap::open(&path, &limited).unwrap();
            let count = fill(&heap, 100);
            heap.checkpoint().unwrap();
            check(&heap);
            drop(heap);
            let heap = Heap::open(&path, &limited).unwrap();
            assert_eq!(contents(&heap.view().unwrap()).len(), count as usize);
            check(&heap);
        }
    });
}

#[test]
fn a_large_transaction_that_is_taken_back_leaves_a_full_store_usable() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &limited()).unwrap();
        let count = fill(&heap, 100);
        for is_removal in [true, false] {
            let mut transaction = heap.begin().unwrap();
            let mut refused = None;
            // Some of each node's, so that many nodes change.
            for number in (0..count).step_by(3) {
                let key = number.to_be_bytes();
                let done =
                    if is_removal { transaction.remove(&key).map(drop) } else { transaction.set(&key, &[1; 100]) };
                if let Err(error) = done {
                    refused = Some(error.code().into_owned());
                    break;
                }
            }
            assert_eq!(refused.as_deref(), Some("ENOSPC"));
            drop(transaction);
            heap.checkpoint().unwrap();
            assert_eq!(check(&heap).entries, u64::from(count));
        }
        for number in 0..count {
            let mut transaction = heap.begin().unwrap();
            assert!(transaction.remove(&number.to_be_bytes()).unwrap());
            transaction.commit().unwrap();
        }
        heap.checkpoint().unwrap();
        assert_eq!(check(&heap).entries, 0);
    });
}

#[test]
fn replacements_leave_the_size_flat() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &options()).unwrap();
        let mut first = None;
        for round in 0u32..50_000 {
            set(&heap, &(round % 500).to_be_bytes(), &[round as u8; 60]);
            if round % 10_000 == 9_999 {
                heap.checkpoint().unwrap();
                let stats = heap.stats().unwrap();
                let (used, size) = *first.get_or_insert((stats.used, stats.size));
                assert!(stats.used <= used + used / 10 && stats.size <= size * 2, "{stats:?}, first {used} of {size}");
            }
        }
        check(&heap);
    });
}

#[test]
fn nodes_that_are_split_and_joined_again_and_again_keep_few_links() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &options()).unwrap();
        for number in 0..60u32 {
            set(&heap, &number.to_be_bytes(), &[7; 2000]);
        }
        for _ in 0..24 {
            let mut transaction = heap.begin().unwrap();
            // Those that are left are what is joined, and split again.
            for number in (0..60u32).filter(|number| number % 10 > 0) {
                transaction.remove(&number.to_be_bytes()).unwrap();
            }
            drop(transaction);
            let writer = heap.inner.take().unwrap();
            let most = writer.tree.most_links();
            heap.inner.put_back(writer);
            assert!((1..=60).contains(&most), "{most} links");
        }
    });
}

#[test]
fn long_values_that_found_no_room_take_none() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &HeapOptions { max_len: Some(1 << 20), ..options() }).unwrap();
        set(&heap, b"keep", b"1");
        for _ in 0..3 {
            let mut transaction = heap.begin().unwrap();
            let outcome = (0..500u32).try_for_each(|number| transaction.set(&number.to_be_bytes(), &[7; 10_000]));
            assert_eq!(outcome.and_then(|()| transaction.commit()).unwrap_err().code(), "ENOSPC");
            let stats = heap.stats().unwrap();
            assert!(stats.free > stats.size / 2, "{stats:?}");
            set(&heap, b"after", &[7; 10_000]);
        }
        check(&heap);
        heap.close().unwrap();
    });
}

#[test]
fn a_store_with_few_free_blocks_gets_longer_rather_than_write_a_checkpoint_for_each_commit() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &options()).unwrap();
        let before = heap.stats().unwrap().checkpoints;
        for number in 0..3000u32 {
            set(&heap, &number.to_be_bytes(), &[7; 100]);
        }
        let stats = heap.stats().unwrap();
        // Each commit has less than 200 bytes, and a checkpoint is due when the log is half full.
        let due = 3000 * 200 / (options().geometry.unwrap().log_len / 2);
        assert!(stats.checkpoints - before <= 2 * due, "{stats:?}");
    });
}
