//! Several lanes at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::nvml::blk::rust::padded::width;
use crate::storage::medium::Medium;
use crate::storage::medium::crashing::Interrupted;

const BLOCK_SIZE: u32 = 512;
const THREADS: u64 = 4;
const SHARED: u64 = 100;

/// Writes the thread's own blocks, which lie among those of other threads, and one that all of them write, until the
/// medium stops. Returns what is there, and what was under way.
fn write_until_stopped(blocks: &impl BlockEngine, turn: &Mutex<()>, thread: u64, seed: u64) -> (Model, Change) {
    let (mut model, mut random) = (Model::default(), Random::new(seed * 31 + thread));
    let own: Vec<u64> = (0..4).map(|number| number * THREADS + thread).collect();
    for number in 1.. {
        let number = number * THREADS + thread;
        let change =
            if random.below(4) == 0 { (SHARED, Content::Data(number)) } else { change(&mut random, number, &own) };
        let turn = blocks.takes_turns().then(|| turn.lock().unwrap());
        let applied = apply(blocks, change, BLOCK_SIZE);
        drop(turn);
        if applied.is_err() {
            return (model, change);
        }
        if change.0 != SHARED {
            model.0.insert(change.0, change.1);
        }
    }
    unreachable!()
}

#[test]
fn a_crash_with_several_lanes_in_flight_leaves_old_blocks_or_new_ones() {
    on_each_medium(|| {
        assert!(width() >= 2);
        for seed in 0..300 {
            let steps = 20 + Random::new(seed + 1).below(400) as usize;
            let blocks = open(CrashMedium::new(pool(SIZE, BLOCK_SIZE, true)).stopping_after(steps).with_seed(seed));
            let (outcomes, turn) = (Mutex::new(Vec::new()), Mutex::new(()));
            std::thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (blocks, outcomes, turn) = (&blocks, &outcomes, &turn);
                    scope.spawn(move || {
                        let outcome = write_until_stopped(blocks, turn, thread, seed);
                        outcomes.lock().unwrap().push(outcome);
                    });
                }
            });
            for image in [blocks.medium.crash(), blocks.medium.crash(), blocks.medium.image()] {
                btt::check(&image).unwrap_or_else(|invalid| panic!("{invalid:?}"));
                let crashed = open(CrashMedium::new(image));
                content(&crashed, SHARED, BLOCK_SIZE);
                for (model, change) in outcomes.lock().unwrap().iter() {
                    let own: Vec<u64> = model.0.keys().copied().collect();
                    model.check_blocks(&crashed, *change, &own, BLOCK_SIZE);
                }
                apply(&crashed, (SHARED, Content::Data(7)), BLOCK_SIZE).unwrap();
                btt::check(&crashed.medium.crash()).unwrap_or_else(|invalid| panic!("{invalid:?}"));
            }
        }
    });
}

/// Each thread ends without a fence for the map entry that it wrote last.
fn write_by_threads(index: impl Fn(u64) -> u64) {
    on_each_medium(|| {
        let blocks = open(CrashMedium::new(pool(SIZE, BLOCK_SIZE, true)));
        let mut model = Model::default();
        for number in 0..8 * width() as u64 {
            let change = (index(number), Content::Data(number + 1));
            std::thread::scope(|scope| drop(scope.spawn(|| apply(&blocks, change, BLOCK_SIZE).unwrap()).join()));
            model.0.insert(change.0, change.1);
            let indexes: Vec<u64> = model.0.keys().copied().collect();
            for _ in 0..4 {
                model.check(&blocks.medium.crash(), change, &indexes, BLOCK_SIZE);
            }
        }
    });
}

#[test]
fn a_lane_that_goes_to_another_thread_takes_its_map_entry_along() {
    write_by_threads(|number| number % 50 * 16);
}

#[test]
fn a_block_that_goes_to_another_lane_takes_its_map_entry_along() {
    write_by_threads(|_| 0);
}

#[test]
fn a_write_of_a_block_whose_state_is_being_set_waits() {
    on_each_medium(|| {
        let medium = CrashMedium::new(pool(SIZE, BLOCK_SIZE, true));
        if !medium.is_concurrent() {
            return;
        }
        let format = btt::read(&medium.image()).unwrap();
        let medium = Interrupted::new(medium, extent(BLOCK_SIZE).map_entry(1));
        let blocks = Arc::new(RustBlocks::new(medium, format, Path::new("pool")));
        apply(&*blocks, (1, Content::Data(1)), BLOCK_SIZE).unwrap();
        let writing = Arc::new(Mutex::new(None));
        let (writer, started) = (Arc::downgrade(&blocks), Arc::clone(&writing));
        blocks.medium.arm(move || {
            let (blocks, (done, is_done)) = (writer.upgrade().unwrap(), std::sync::mpsc::channel());
            let write = move || {
                apply(&*blocks, (1, Content::Data(2)), BLOCK_SIZE).unwrap();
                let _ = done.send(());
            };
            *started.lock().unwrap() = Some(std::thread::spawn(write));
            let _ = is_done.recv_timeout(std::time::Duration::from_millis(20));
        });
        blocks.set_error(1).unwrap();
        writing.lock().unwrap().take().unwrap().join().unwrap();
        assert_eq!(content(&*blocks, 1, BLOCK_SIZE), Content::Data(2));
        apply(&*blocks, (1, Content::Data(3)), BLOCK_SIZE).unwrap();
    });
}

/// Reads blocks that are being written, each of which has to be whole.
fn read_whole_blocks(blocks: &crate::BlockArray, indexes: u64, block_size: u32, is_done: &AtomicBool) -> u64 {
    let mut reads = 0;
    let blocks = Public(blocks.clone());
    while !is_done.load(Ordering::Relaxed) || reads < 1000 {
        content(&blocks, reads % indexes, block_size);
        reads += 1;
    }
    reads
}

/// Writers in different lanes over few blocks, and readers of them, on a mapped file.
fn readers_see_whole_blocks(block_size: u32, writes: u64) {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let path = folder.path().join("blocks");
    let engine = Some(crate::Engine::Rust);
    let new = crate::NewPool { size: 64 << 20, engine, sparse: true, mode: 0o600 };
    let blocks = crate::BlockArray::create(&path, block_size, &new).unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| read_whole_blocks(&blocks, 5, block_size, &is_done));
        }
        let writers: Vec<_> = (1..=3)
            .map(|writer| {
                let blocks = &blocks;
                scope.spawn(move || {
                    for number in 0..writes {
                        blocks.write((number + writer) % 5, &data(number * 3 + writer, block_size)).unwrap();
                    }
                })
            })
            .collect();
        let written: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        is_done.store(true, Ordering::Relaxed);
        assert!(written.iter().all(Result::is_ok));
    });
    drop(blocks);
    assert_eq!(crate::BlockArray::check(&path, block_size), Ok(true));
}

#[test]
fn readers_see_whole_blocks_of_512_bytes() {
    readers_see_whole_blocks(512, 40_000);
}

#[test]
fn readers_see_whole_blocks_of_64_kib() {
    readers_see_whole_blocks(64 << 10, 3_000);
}

#[test]
fn a_slot_that_is_reused_before_it_was_announced_is_not_read() {
    on_each_medium(|| {
        let medium = CrashMedium::new(pool(SIZE, BLOCK_SIZE, true));
        let format = btt::read(&medium.image()).unwrap();
        let medium = Interrupted::new(medium, extent(BLOCK_SIZE).map_entry(1));
        let blocks = Arc::new(RustBlocks::new(medium, format, Path::new("pool")));
        apply(&*blocks, (1, Content::Data(1)), BLOCK_SIZE).unwrap();
        let writer = Arc::downgrade(&blocks);
        blocks.medium.arm(move || {
            let blocks = writer.upgrade().unwrap();
            // The second write goes to the slot that the first one frees: the one that the reader is about to read.
            apply(&*blocks, (1, Content::Data(2)), BLOCK_SIZE).unwrap();
            apply(&*blocks, (3, Content::Data(3)), BLOCK_SIZE).unwrap();
        });
        assert_eq!(content(&*blocks, 1, BLOCK_SIZE), Content::Data(2));
        assert!(!blocks.medium.is_armed());
    });
}
