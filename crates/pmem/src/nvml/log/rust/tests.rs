//! Power failures and failing syncs at every step.

use std::path::Path;
use std::sync::{Arc, Barrier};

use super::*;
use crate::nvml::format::header::{self, Kind, Machine};
use crate::nvml::format::{self, Identity};
use crate::os::seam::recorder::images;
use crate::storage::medium::crashing::{CrashMedium, Image, Interrupted, Random, on_each_medium};

const SIZE: u64 = 2 << 20;

#[derive(Clone, Debug)]
enum Operation {
    Append(Vec<Vec<u8>>),
    Rewind,
}

fn operation(random: &mut Random) -> Operation {
    if random.below(8) == 0 {
        return Operation::Rewind;
    }
    let parts = (0..=random.below(3)).map(|_| vec![random.next() as u8; 1 + random.below(300) as usize]);
    Operation::Append(parts.collect())
}

fn apply(log: &RustLog<CrashMedium>, operation: &Operation) -> Result<()> {
    match operation {
        Operation::Append(parts) => log.append(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        Operation::Rewind => log.rewind(),
    }
}

/// The log's content after `operation`.
fn expected(mut content: Vec<u8>, operation: &Operation) -> Vec<u8> {
    match operation {
        Operation::Append(parts) => content.extend(parts.concat()),
        Operation::Rewind => content.clear(),
    }
    content
}

fn empty_pool() -> Image {
    let mut image = Image::zeros(SIZE);
    image.put(0, &header::make(Kind::Log, &Identity::random().unwrap(), 1, Machine::HOST));
    image.put(format::PAGE, &format::log::make(SIZE));
    image
}

/// The log on `medium`, validated as when a file is opened.
fn open(medium: CrashMedium) -> RustLog<CrashMedium> {
    let format = format::log::read(&medium.image()).unwrap();
    RustLog::new(medium, format.end, format.write_offset, Path::new("test"))
}

fn content(image: Image) -> Vec<u8> {
    images::opened();
    let log = open(CrashMedium::new(image));
    let mut content = vec![0; log.tell().unwrap() as usize];
    assert_eq!(log.read(0, &mut content).unwrap(), content.len());
    content
}

/// A pool after random operations, and its content.
fn used_pool(random: &mut Random) -> (Image, Vec<u8>) {
    let log = open(CrashMedium::new(empty_pool()));
    let mut after = Vec::new();
    for _ in 0..random.below(5) {
        let operation = operation(random);
        apply(&log, &operation).unwrap();
        after = expected(after, &operation);
    }
    (log.medium.image(), after)
}

#[test]
fn a_stop_at_any_step_leaves_the_log_as_before_or_after() {
    on_each_medium(|| {
        let mut random = Random::new(1);
        for _ in 0..images::programs() * 50 {
            let (pool, before) = used_pool(&mut random);
            let operation = operation(&mut random);
            let after = expected(before.clone(), &operation);
            let whole = open(CrashMedium::new(pool.clone()));
            apply(&whole, &operation).unwrap();
            for step in 0..=whole.medium.steps() {
                let log = open(CrashMedium::new(pool.clone()).stopping_after(step).with_seed(step as u64));
                let acknowledged = apply(&log, &operation).is_ok();
                assert_eq!(acknowledged, step == whole.medium.steps());
                for image in [log.medium.image(), log.medium.crash(), log.medium.crash()] {
                    let found = content(image);
                    assert!(found == after || (!acknowledged && found == before), "{operation:?} stopped at {step}");
                }
            }
        }
    });
}

#[test]
fn a_failed_sync_is_an_error_and_the_last_word() {
    on_each_medium(|| {
        let mut random = Random::new(2);
        for _ in 0..300 {
            let (pool, before) = used_pool(&mut random);
            let operation = operation(&mut random);
            let whole = open(CrashMedium::new(pool.clone()));
            apply(&whole, &operation).unwrap();
            for sync in 0..whole.medium.syncs() {
                let log = open(CrashMedium::new(pool.clone()).failing_sync(sync));
                assert_eq!(apply(&log, &operation).unwrap_err().code(), "ENOSPC");
                assert_eq!(log.tell().unwrap(), before.len() as u64);
                for refused in [Operation::Append(vec![vec![1]]), Operation::Rewind] {
                    assert!(apply(&log, &refused).unwrap_err().to_string().contains("open it again"));
                }
                // Nobody was told that it is there; what was acknowledged before is.
                assert_eq!(content(log.medium.image()), before);
                let found = content(log.medium.crash());
                assert!(found == before || found == expected(before.clone(), &operation));
            }
        }
    });
}

#[test]
fn readers_do_not_wait_for_a_writer_and_see_what_is_durable() {
    on_each_medium(|| {
        let pause = Arc::new(Barrier::new(2));
        let log = open(CrashMedium::new(empty_pool()).pausing_syncs(&pause));
        std::thread::scope(|scope| {
            for (operation, before, syncs) in [
                (Operation::Append(vec![vec![1; 64]]), vec![], 2),
                (Operation::Append(vec![vec![2; 64]]), vec![1; 64], 2),
                (Operation::Rewind, [[1; 64], [2; 64]].concat(), 1),
            ] {
                let writer = scope.spawn({
                    let (log, operation) = (&log, operation.clone());
                    move || apply(log, &operation).unwrap()
                });
                for _ in 0..syncs {
                    pause.wait();
                    let mut target = [0; 200];
                    let count = log.read(0, &mut target).unwrap();
                    assert_eq!(
                        (log.tell().unwrap(), &target[..count]),
                        (before.len() as u64, &before[..]),
                        "{operation:?}"
                    );
                    pause.wait();
                }
                writer.join().unwrap();
            }
        });
        assert_eq!(log.tell().unwrap(), 0);
    });
}

#[test]
fn readers_see_whole_records_beside_appends_and_rewinds() {
    on_each_medium(|| {
        let log = open(CrashMedium::new(empty_pool()));
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..300_u64 {
                    for _ in 0..8 {
                        log.append(&[&[round as u8; 32], &[round as u8; 32]]).unwrap();
                    }
                    log.rewind().unwrap();
                }
                done.store(true, Ordering::Release);
            });
            let mut target = [0; 8 * 64];
            while !done.load(Ordering::Acquire) {
                let count = log.read(0, &mut target).unwrap();
                assert_eq!(count % 64, 0);
                assert!(target[..count].iter().all(|&byte| byte == target[0]), "a read mixed two logs");
            }
        });
    });
}

#[test]
fn a_rewind_between_a_reader_s_look_and_its_copy_is_seen() {
    on_each_medium(|| {
        let medium = CrashMedium::new(empty_pool());
        let format = format::log::read(&medium.image()).unwrap();
        let medium = Interrupted::new(medium, DATA_START);
        let log = Arc::new(RustLog::new(medium, format.end, format.write_offset, Path::new("test")));
        log.append(&[&[1; 64]]).unwrap();
        let writer = Arc::downgrade(&log);
        log.medium.arm(move || {
            let log = writer.upgrade().unwrap();
            log.rewind().unwrap();
            log.append(&[&[2; 32]]).unwrap();
        });
        let mut target = [0; 64];
        let count = log.read(0, &mut target).unwrap();
        assert_eq!(target[..count], [2; 32]);
    });
}
