//! Commits that do not wait until they are durable, in a store whose others do.

use super::group::{check_crashes, is_uncertain, seen};
use super::model::change;
use super::*;
use crate::os::seam::recorder::{Random, Recorder};

/// Sets a key, in a commit that does not wait. What is there then.
fn set_ahead(heap: &Heap, key: &[u8], value: &[u8]) -> View {
    let mut transaction = heap.try_begin().unwrap().unwrap();
    transaction.set(key, value).unwrap();
    transaction.commit_ahead().unwrap().unwrap()
}

#[test]
fn what_did_not_wait_is_seen_once_it_is_durable() {
    on_each_medium(|folder| {
        let path = &folder.join("a.store");
        let heap = Heap::open(path, &options()).unwrap();
        set(&heap, b"a", b"1");
        let recorder = Recorder::new();
        recorder.adopt_as_it_is(path, &std::fs::File::open(path).unwrap());
        let attached = recorder.attach();
        let (other, before) = (heap.clone(), seen(&heap));
        let ahead = set_ahead(&heap, b"a", b"2");
        assert_eq!(recorder.counts().barriers, 0);
        assert!(!ahead.is_durable());
        assert_eq!(ahead.get(b"a").unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(seen(&other), before);
        // Transactions go on from there. One that is taken back shows nothing either.
        drop(other);
        let mut transaction = heap.begin().unwrap();
        assert_eq!(transaction.get(b"a").unwrap().as_deref(), Some(&b"2"[..]));
        transaction.set(b"a", b"no").unwrap();
        assert_eq!(seen(&heap), before, "it is changed in place");
        drop(transaction);
        assert_eq!(seen(&heap), before);
        heap.flush().unwrap();
        assert!(ahead.is_durable());
        assert_eq!(seen(&heap), contents(&ahead));
        // A commit that waits makes all before it durable.
        set_ahead(&heap, b"b", b"1");
        set(&heap, b"c", b"1");
        assert_eq!(seen(&heap).len(), 3);
        // So does one that has read alone.
        let ahead = set_ahead(&heap, b"b", b"2");
        heap.begin().unwrap().commit().unwrap();
        assert!(ahead.is_durable());
        assert_eq!(seen(&heap), contents(&ahead));
        drop((heap, attached));
    });
}

#[test]
fn a_flush_shows_nothing_that_is_older_than_what_is_seen() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &options()).unwrap();
        let older = set_ahead(&heap, b"a", b"1");
        set(&heap, b"b", b"1");
        let latest = set_ahead(&heap, b"c", b"1");
        // As if the flush of the first one had gone on till now.
        heap.inner.note_durable(Arc::clone(&older.version));
        assert_eq!(seen(&heap).len(), 2);
        heap.flush().unwrap();
        assert_eq!(seen(&heap), contents(&latest));
    });
}

#[test]
fn after_a_failed_flush_what_did_not_wait_is_not_seen() {
    on_each_medium(|folder| {
        // Barriers for stores do not fail.
        if forced::get() == Some(true) {
            return;
        }
        let recorder = Recorder::new();
        let attached = recorder.attach();
        let heap = Heap::open(&folder.join("a.store"), &options()).unwrap();
        set(&heap, b"a", b"1");
        let before = seen(&heap);
        set_ahead(&heap, b"a", b"2");
        recorder.fail_sync(recorder.counts().barriers);
        assert!(is_uncertain(heap.flush()));
        assert!(heap.is_latched());
        assert_eq!(seen(&heap), before);
        assert!(is_uncertain(heap.begin()));
        assert!(is_uncertain(heap.flush()));
        assert_eq!(seen(&heap), before);
        drop((heap, attached));
    });
}

#[test]
fn crashes_leave_a_prefix_of_the_commits_with_all_that_are_durable() {
    on_each_medium(|folder| {
        let commit = |heap: &Heap, random: &mut Random, model: &mut Model, most: u64| {
            let waits = random.below(4) == 0;
            let begun = if waits { heap.begin().map(Some) } else { heap.try_begin() };
            let mut transaction = begun.unwrap().unwrap();
            for _ in 0..random.below(most) {
                change(&mut transaction, model, random, 3);
            }
            let ahead = transaction.commit_ahead().unwrap();
            assert!(ahead.is_none_or(|ahead| contents(&ahead) == *model));
            waits
        };
        let flush = |heap: &Heap| {
            heap.flush().unwrap();
            heap.tidy();
        };
        check_crashes(folder, &options(), commit, flush);
    });
}
