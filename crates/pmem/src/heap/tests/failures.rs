//! Writes and syncs that fail, and what cannot be taken back.

use super::hostile::Image;
use super::model::try_change;
use super::*;
use crate::heap::node::Page;
use crate::os::seam::recorder::{Random, Recorder};

/// What a store is like in which something fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    New,
    /// A thread of its own writes checkpoints.
    Background,
    /// Nothing more can be set.
    Full,
    /// Free blocks lie apart, between those of long values.
    Fragmented,
}

impl Setup {
    fn options(self) -> HeapOptions {
        let max_len = (self == Setup::Full).then_some(300 << 10);
        HeapOptions { background: self == Setup::Background, max_len, ..options() }
    }

    /// Makes a store of what there is before.
    fn prepare(self, path: &Path) {
        let heap = Heap::open(path, &self.options()).unwrap();
        let len = if self == Setup::Full { 150 } else { 900 };
        let count = match self {
            Setup::New | Setup::Background => 0,
            Setup::Full => u32::MAX,
            Setup::Fragmented => 200,
        };
        for number in 0..count {
            if let Err(error) = try_set(&heap, &number.to_be_bytes(), &vec![number as u8; len]) {
                assert!(self == Setup::Full && error.code() == "ENOSPC", "{error}");
                break;
            }
        }
        for number in (0..200u32).step_by(2).filter(|_| self == Setup::Fragmented) {
            let mut transaction = heap.begin().unwrap();
            transaction.remove(&number.to_be_bytes()).unwrap();
            transaction.commit().unwrap();
        }
        heap.checkpoint().unwrap();
    }
}

fn try_set(heap: &Heap, key: &[u8], value: &[u8]) -> Result<()> {
    let mut transaction = heap.begin()?;
    transaction.set(key, value)?;
    transaction.commit()
}

/// Runs a program in which the sync or write of this number fails. Returns whether it came to that.
fn run(path: &Path, number: usize, is_sync: bool, setup: Setup) -> bool {
    let (recorder, mut random) = (Recorder::new(), Random::new(7));
    let attached = recorder.attach();
    let heap = Heap::open(path, &setup.options()).unwrap();
    let mut model = contents(&heap.view().unwrap());
    let before = recorder.counts();
    if is_sync {
        recorder.fail_sync(before.barriers + number);
    } else {
        recorder.fail_write(before.writes + number);
    }
    let (mut allowed, what) = (Vec::new(), format!("{setup:?} {number}"));
    for step in 0..60 {
        let before = model.clone();
        let outcome = heap.begin().and_then(|mut transaction| {
            for _ in 0..random.below(if step % 20 == 19 { 300 } else { 12 }) {
                try_change(&mut transaction, &mut model, &mut random, 3)?;
            }
            transaction.commit()
        });
        let Err(error) = outcome else { continue };
        assert!(matches!(error, Error::Uncertain { .. }) || error.code() == "ENOSPC", "{what}: {error}");
        assert_eq!(contents(&heap.view().unwrap()), before, "{what}: what is seen");
        let after = std::mem::replace(&mut model, before);
        if heap.begin().is_err() {
            allowed.push(after);
            break;
        }
    }
    if allowed.is_empty() {
        let _ = heap.checkpoint();
    }
    // After a failure that leaves the store as it was all goes on, and nothing was lost of the file.
    if heap.begin().is_ok() {
        check(&heap);
        assert_eq!(contents(&heap.view().unwrap()), model, "{what}");
    }
    let counts = recorder.counts();
    drop((heap, attached));
    let heap = Heap::open(path, &setup.options()).unwrap();
    check(&heap);
    let found = contents(&heap.view().unwrap());
    assert!(found == model || allowed.contains(&found), "{what}: {} entries", found.len());
    if is_sync { counts.barriers > before.barriers + number } else { counts.writes > before.writes + number }
}

#[test]
fn a_failed_sync_or_write_leaves_before_or_after() {
    on_each_medium(|folder| {
        // A barrier for stores cannot fail, and nothing but growth is written to the file there.
        let is_pmem = forced::get() == Some(true);
        for setup in [Setup::New, Setup::Background, Setup::Full, Setup::Fragmented] {
            let prepared = folder.join(format!("{setup:?}"));
            setup.prepare(&prepared);
            for is_sync in if is_pmem { vec![false] } else { vec![true, false] } {
                let is_reached = |number: &usize| {
                    let path = folder.join(format!("{setup:?}{is_sync}{number}"));
                    std::fs::copy(&prepared, &path).unwrap();
                    run(&path, *number, is_sync, setup)
                };
                let happened = (0..60).step_by(if setup == Setup::New { 1 } else { 4 }).filter(is_reached).count();
                let least = if is_pmem { 1 } else { 8 };
                assert!(happened >= least || is_pmem && setup == Setup::Full, "{setup:?}, sync: {is_sync}: {happened}");
            }
        }
    });
}

#[test]
fn a_disk_without_room_leaves_a_store_that_can_be_emptied() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let recorder = Recorder::new();
        let attached = recorder.attach();
        let heap = Heap::open(&path, &options()).unwrap();
        for number in 0..400u32 {
            set(&heap, &number.to_be_bytes(), &[7; 100]);
        }
        heap.checkpoint().unwrap();
        let model = contents(&heap.view().unwrap());
        recorder.limit_room(heap.stats().unwrap().size);
        for _ in 0..3 {
            let mut transaction = heap.begin().unwrap();
            // As many nodes change as there are, and many come to them.
            let outcome = (0..4000u32).try_for_each(|number| transaction.set(&(number * 7).to_be_bytes(), &[1; 110]));
            assert_eq!(outcome.unwrap_err().code(), "ENOSPC");
            drop(transaction);
            assert_eq!(contents(&heap.view().unwrap()), model);
            // What was taken back is in nobody's way.
            heap.checkpoint().unwrap();
            check(&heap);
        }
        for number in 0..400u32 {
            let mut transaction = heap.begin().unwrap();
            assert!(transaction.remove(&number.to_be_bytes()).unwrap());
            transaction.commit().unwrap();
        }
        heap.checkpoint().unwrap();
        assert_eq!(check(&heap).entries, 0);
        recorder.limit_room(u64::MAX);
        for number in 0..800u32 {
            set(&heap, &number.to_be_bytes(), &[8; 100]);
        }
        drop((heap, attached));
        let heap = Heap::open(&path, &options()).unwrap();
        check(&heap);
        assert_eq!(contents(&heap.view().unwrap()).len(), 800);
    });
}

/// Damages a leaf, and returns the keys of the one behind it, which is the last one of its parent.
fn damage_neighbour(path: &Path) -> Vec<Vec<u8>> {
    let mut image = Image::new(std::fs::read(path).unwrap());
    let page = |image: &Image, number: usize| {
        Page::new(&image.bytes[image.at(&image.parts[number])]).unwrap().bytes().to_vec()
    };
    let leaves: Vec<usize> = (0..image.parts.len())
        .filter(|&number| image.parts[number].is_node && Page::new(&page(&image, number)).unwrap().level() == 0)
        .collect();
    let is_last = |pair: &&[usize]| {
        let [holder, other] = [pair[1], pair[0]].map(|leaf| image.parts[leaf].held.unwrap().0);
        let behind = leaves.iter().any(|&leaf| leaf > pair[1] && image.parts[leaf].held.unwrap().0 == holder);
        holder == other && !behind
    };
    let pair = leaves.windows(2).find(is_last).unwrap();
    let node = page(&image, pair[1]);
    let node = Page::new(&node).unwrap();
    let keys = (0..node.count()).map(|index| node.cell(index).unwrap().head()).collect();
    let middle = image.at(&image.parts[pair[0]]).start + 400;
    image.bytes[middle] ^= 1;
    std::fs::write(path, &image.bytes).unwrap();
    keys
}

#[test]
fn what_cannot_be_taken_back_is_seen_by_nobody() {
    on_each_medium(|folder| {
        for (case, is_alone) in [(0, true), (1, false), (2, true), (3, true)] {
            let path = folder.join(format!("{case}.store"));
            let heap = Heap::open(&path, &options()).unwrap();
            for number in 0..400u32 {
                set(&heap, &number.to_be_bytes(), &[7; 60]);
            }
            heap.close().unwrap();
            let keys = damage_neighbour(&path);
            let heap = Heap::open(&path, &options()).unwrap();
            let second = (!is_alone).then(|| heap.clone());
            let mut transaction = heap.begin().unwrap();
            let savepoint = transaction.savepoint();
            keys.iter().for_each(|key| assert!(transaction.remove(key).unwrap()));
            // To set the last one again, the leaf before is read.
            if case > 0 {
                assert!(matches!(transaction.rollback_to(savepoint), Err(Error::Broken { .. })));
            }
            // Nor is it committed.
            if case == 3 {
                assert!(matches!(transaction.commit(), Err(Error::Broken { .. })));
            } else {
                drop(transaction);
            }
            assert!(matches!(heap.begin(), Err(Error::Broken { .. })));
            match (is_alone, heap.view()) {
                (true, view) => assert!(matches!(view, Err(Error::Broken { .. })), "{case}"),
                (false, view) => assert_eq!(view.unwrap().get(&keys[0]).unwrap().as_deref(), Some(&[7; 60][..])),
            }
            drop((heap, second));
            let view = Heap::open(&path, &options()).unwrap().view().unwrap();
            keys.iter().for_each(|key| assert_eq!(view.get(key).unwrap().as_deref(), Some(&[7; 60][..])));
        }
    });
}
