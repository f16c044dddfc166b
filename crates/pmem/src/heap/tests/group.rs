//! Commits that are durable in groups.

use std::sync::Barrier;

use super::crashes::{check_all, unattached};
use super::model::change;
use super::*;
use crate::os::seam::recorder::{Random, Recorder};

fn grouped() -> HeapOptions {
    HeapOptions { durability: Durability::Group, ..options() }
}

pub(super) fn seen(heap: &Heap) -> Model {
    contents(&heap.view().unwrap())
}

pub(super) fn is_uncertain<T>(done: Result<T>) -> bool {
    matches!(done, Err(Error::Uncertain { .. }))
}

/// Makes commits to a store at each step of which the power may go: what that leaves is a state since the last one that is
/// durable. `commit` makes changes, and returns whether they are durable; `flush` makes all so.
pub(super) fn check_crashes(
    folder: &Path,
    options: &HeapOptions,
    commit: impl Fn(&Heap, &mut Random, &mut Model, u64) -> bool,
    flush: impl Fn(&Heap),
) {
    for (seed, background) in [(1, false), (2, false), (3, true), (4, true)] {
        let path = &folder.join(format!("{seed}.store"));
        let recorder = Recorder::new();
        recorder.seed(seed);
        recorder.record_crashes();
        let attached = recorder.attach();
        let heap = Heap::open(path, &HeapOptions { background, ..options.clone() }).unwrap();
        let (mut random, mut states) = (Random::new(seed), vec![Model::new()]);
        recorder.take_crashes();
        for step in 0..60 {
            let mut model = states[states.len() - 1].clone();
            let is_durable = commit(&heap, &mut random, &mut model, if step % 20 == 19 { 300 } else { 8 });
            states.push(model);
            let crashes = recorder.take_crashes();
            unattached(|| check_all(crashes, path, &states, step % 20 == 0));
            if is_durable || random.below(4) == 0 {
                flush(&heap);
                recorder.take_crashes();
                states.drain(..states.len() - 1);
            }
            let now = recorder.crash();
            unattached(|| check_all(vec![now], path, &states, false));
            assert!(states.contains(&seen(&heap)));
        }
        let checkpoints = heap.stats().unwrap().checkpoints;
        assert!(checkpoints > 2, "{checkpoints} checkpoints");
        drop((heap, attached));
    }
}

#[test]
fn crashes_leave_a_prefix_of_the_commits_with_all_that_were_flushed() {
    on_each_medium(|folder| {
        let commit = |heap: &Heap, random: &mut Random, model: &mut Model, most: u64| {
            let mut transaction = heap.begin().unwrap();
            for _ in 0..random.below(most) {
                change(&mut transaction, model, random, 3);
            }
            transaction.commit().unwrap();
            assert_eq!(seen(heap), *model, "it is seen at once");
            false
        };
        check_crashes(folder, &grouped(), commit, |heap| heap.flush().unwrap());
    });
}

#[test]
fn after_a_failed_flush_what_was_durable_is_seen() {
    on_each_medium(|folder| {
        // Barriers for stores do not fail.
        if forced::get() == Some(true) {
            return;
        }
        for is_large in [false, true] {
            let path = &folder.join(format!("{is_large}.store"));
            let recorder = Recorder::new();
            let attached = recorder.attach();
            let heap = Heap::open(path, &grouped()).unwrap();
            set(&heap, b"a", b"1");
            heap.flush().unwrap();
            // Such a one is durable by itself.
            let last = if is_large { 2500 } else { 10 };
            set(&heap, b"b", &vec![2; last * 2]);
            if !is_large {
                heap.flush().unwrap();
            }
            let durable = seen(&heap);
            set(&heap, b"a", b"2");
            let (other, between) = (heap.clone(), seen(&heap));
            let open = heap.begin();
            recorder.fail_sync(recorder.counts().barriers);
            assert!(is_uncertain(other.flush()));
            let mut open = open.unwrap();
            open.set(b"c", b"3").unwrap();
            assert!(is_uncertain(open.commit()));
            for heap in [&heap, &other] {
                assert_eq!(seen(heap), durable);
                assert!(is_uncertain(heap.flush()));
                assert!(is_uncertain(heap.begin()));
            }
            let crash = recorder.crash();
            drop((heap, other, attached));
            unattached(|| check_all(vec![crash], path, &[durable, between], true));
        }
    });
}

#[test]
fn flushes_of_several_threads_share_a_sync() {
    on_each_medium(|folder| {
        let recorder = Recorder::new();
        let attached = recorder.attach();
        let heap = Heap::open(&folder.join("a.store"), &grouped()).unwrap();
        set(&heap, b"first", b"1");
        let (pause, before) = (Arc::new(Barrier::new(2)), recorder.counts().barriers);
        recorder.pause_syncs(&pause);
        std::thread::scope(|scope| {
            let flush = |heap: Heap| {
                let recorder = &recorder;
                move || {
                    let _attached = recorder.attach();
                    heap.flush().unwrap();
                }
            };
            scope.spawn(flush(heap.clone()));
            pause.wait();
            // It syncs what was before. These come too late for it, and need one more.
            (0..8u8).for_each(|number| set(&heap, &[number], b"1"));
            (0..8).for_each(|_| drop(scope.spawn(flush(heap.clone()))));
            recorder.stop_pausing();
            pause.wait();
        });
        assert_eq!(recorder.counts().barriers - before, 2);
        drop((heap, attached));
    });
}

#[test]
fn what_was_lost_before_makes_no_later_frame_a_commit() {
    on_each_medium(|folder| {
        let path = &folder.join("a.store");
        drop(Heap::open(path, &grouped()).unwrap());
        for round in 0..3u8 {
            let heap = Heap::open(path, &grouped()).unwrap();
            let expected = seen(&heap);
            let (log, before) = (heap.stats().unwrap().log, std::fs::read(path).unwrap());
            set(&heap, b"lost", &[round]);
            let size = (heap.stats().unwrap().log - log) as usize;
            set(&heap, b"late", &[round]);
            drop(heap);
            let mut image = std::fs::read(path).unwrap();
            let at = image.iter().zip(&before).position(|(now, before)| now != before).unwrap() / 8 * 8;
            image[at..at + size].copy_from_slice(&before[at..at + size]);
            std::fs::write(path, image).unwrap();
            let heap = Heap::open(path, &grouped()).unwrap();
            assert_eq!(seen(&heap), expected);
            set(&heap, b"next", &[round]);
            let expected = seen(&heap);
            drop(heap);
            let heap = Heap::open(path, &grouped()).unwrap();
            assert_eq!(seen(&heap), expected, "round {round}");
            drop(heap);
            // As if that one was lost too.
            std::fs::write(path, before).unwrap();
        }
    });
}
