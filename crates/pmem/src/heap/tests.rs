//! Tests of stores.

mod bounds;
pub(crate) mod crashes;
mod damage;
mod deferred;
mod failures;
mod full;
mod group;
mod hostile;
mod kills;
mod model;
mod reading;
mod room;
mod threads;
mod verify;
mod versions;

use std::collections::BTreeMap;
use std::path::Path;

use super::format::Geometry;
use super::*;
use crate::os::mapping::forced;
use crate::os::seam::recorder::images;

/// Small, without a thread of its own.
pub(crate) fn options() -> HeapOptions {
    HeapOptions { background: false, geometry: Some(Geometry::SMALL), ..HeapOptions::default() }
}

/// Runs a test on page-cache files, and on what is taken for persistent memory.
pub(crate) fn on_each_medium(test: impl Fn(&Path)) {
    for is_pmem in [false, true] {
        println!("on persistent memory: {is_pmem}");
        forced::pmem(is_pmem);
        let parent = std::env::var("PMEM_TEST_DIR").unwrap_or_else(|_| "/dev/shm".to_owned());
        let is_there = Path::new(&parent).is_dir();
        let folder = if is_there { tempfile::tempdir_in(parent) } else { tempfile::tempdir() }.unwrap();
        test(folder.path());
        images::tell(is_pmem);
    }
}

pub(super) type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// All that a view has.
pub(super) fn contents(view: &View) -> Model {
    let (mut all, mut cursor) = (Model::new(), view.entries(None, false).unwrap());
    let mut last = None;
    while let Some((key, value)) = cursor.next().unwrap() {
        assert!(last.as_deref() < Some(key), "keys are out of order");
        last = Some(key.to_vec());
        all.insert(key.to_vec(), value.into_owned());
    }
    assert_eq!(all.len() as u64, view.len());
    all
}

pub(super) fn check(heap: &Heap) -> Report {
    let report = heap.verify().unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
    report
}

fn set(heap: &Heap, key: &[u8], value: &[u8]) {
    let mut transaction = heap.begin().unwrap();
    transaction.set(key, value).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn what_is_committed_is_there_after_opening_again() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let heap = Heap::open(&path, &options()).unwrap();
        assert!(heap.view().unwrap().is_empty());
        set(&heap, b"one", b"1");
        set(&heap, b"two", &[7; 3000]);
        set(&heap, &[9; 2000], b"3");
        let mut transaction = heap.begin().unwrap();
        transaction.set(b"one", b"no").unwrap();
        drop(transaction);
        let model = contents(&heap.view().unwrap());
        assert_eq!(model.len(), 3);
        assert_eq!(model[&b"one"[..]], b"1");
        drop(heap);
        let heap = Heap::open(&path, &options()).unwrap();
        assert_eq!(contents(&heap.view().unwrap()), model);
        heap.checkpoint().unwrap();
        assert_eq!(contents(&heap.view().unwrap()), model);
        check(&heap);
        heap.close().unwrap();
        let heap = Heap::open(&path, &options()).unwrap();
        assert_eq!(contents(&heap.view().unwrap()), model);
        assert_eq!(heap.stats().unwrap().log, 0);
    });
}

#[test]
fn a_commit_is_one_write_and_one_barrier() {
    on_each_medium(|folder| {
        let recorder = crate::os::seam::recorder::Recorder::new();
        let _attached = recorder.attach();
        let heap = Heap::open(&folder.join("a.store"), &options()).unwrap();
        // The first one makes the file longer.
        set(&heap, b"first", b"");
        for number in 0..40u8 {
            let (before, checkpoints) = (recorder.counts(), heap.stats().unwrap().checkpoints);
            set(&heap, &[number % 7], &[number; 30]);
            let after = recorder.counts();
            if heap.stats().unwrap().checkpoints == checkpoints {
                assert_eq!(after.barriers - before.barriers, 1);
                assert!(forced::get() == Some(true) || after.writes - before.writes == 1);
            }
        }
    });
}
