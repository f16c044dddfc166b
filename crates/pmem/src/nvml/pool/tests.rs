//! Pools as a crash leaves them while they are made, and work that is put off, on real files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::os::errno;
use crate::os::mapping::forced;
use crate::os::seam::recorder::{Crash, Recorder, images};
use crate::{BlockArray, Engine, Error, Log, NewPool, OpenOptions, Result};

const MIB: u64 = 1 << 20;

fn new(size: u64) -> NewPool {
    NewPool { size, mode: 0o600, sparse: true, engine: Some(Engine::Rust) }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" }).unwrap()
}

/// Calls `make` with a path, over a file where there was one `before`. What each crash on the way leaves is a pool that
/// `is_empty`, or nobody takes it for one; without a file before, there is none. What every crash leaves that comes after
/// the return is the pool.
fn crash_creation(make: impl Fn(&Path), before: Option<fn(&Path)>, is_empty: impl Fn(&Path) -> Result<bool>) {
    for (is_pmem, seed) in [false, true].into_iter().flat_map(|is_pmem| (1..30).map(move |seed| (is_pmem, seed))) {
        forced::pmem(is_pmem);
        let (folder, recorder) = (folder(), Recorder::new());
        let (path, copy) = (folder.path().join("pool"), folder.path().join("copy"));
        if let Some(before) = before {
            before(&path);
            recorder.adopt_as_it_is(&path, &std::fs::File::open(&path).unwrap());
        }
        recorder.seed(seed);
        recorder.record_crashes();
        let attached = recorder.attach();
        make(&path);
        drop(attached);
        let left = |crash: &Crash| {
            let image = crash.get(&path)?;
            image.write_to(&std::fs::File::create(&copy).unwrap()).unwrap();
            images::opened();
            Some(is_empty(&copy))
        };
        for crash in recorder.take_crashes() {
            match left(&crash) {
                None | Some(Ok(true)) => {}
                Some(Err(error)) => assert!(before.is_some() && error.code() == "ERR_PMEM_CORRUPT", "{error}"),
                Some(Ok(false)) => panic!("a pool that holds something"),
            }
        }
        for _ in 0..5 {
            assert_eq!(left(&recorder.crash()), Some(Ok(true)));
        }
        images::tell(is_pmem);
    }
}

fn forget_header(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    crate::os::file::write_all_at(&file, &[0; 4096], 0).unwrap();
}

#[test]
fn a_log_that_is_made_is_there_or_not() {
    let is_empty = |path: &Path| Ok(Log::open(path, OpenOptions::default())?.tell()? == 0);
    // A log whose header alone is gone.
    let remains = |path: &Path| {
        let log = Log::create(path, &new(2 * MIB)).unwrap();
        log.append(&[&[7; 5000]]).unwrap();
        drop(log);
        forget_header(path);
    };
    crash_creation(|path| drop(Log::create(path, &new(2 * MIB)).unwrap()), None, is_empty);
    crash_creation(|path| drop(Log::create(path, &new(0)).unwrap()), Some(remains), is_empty);
}

#[test]
fn an_array_that_is_made_is_there_or_not() {
    let is_empty = |path: &Path| {
        let array = BlockArray::open(path, 512, OpenOptions::default())?;
        let mut blocks = [1; 10 * 512];
        array.read(0, &mut blocks)?;
        Ok(blocks == [0; 10 * 512])
    };
    // An array whose header alone is gone.
    let remains = |path: &Path| {
        let array = BlockArray::create(path, 512, &new(BlockArray::MIN_POOL)).unwrap();
        (0..10).for_each(|index| array.write(index, &[7; 512]).unwrap());
        drop(array);
        forget_header(path);
    };
    crash_creation(|path| drop(BlockArray::create(path, 512, &new(BlockArray::MIN_POOL)).unwrap()), None, is_empty);
    crash_creation(|path| drop(BlockArray::create(path, 512, &new(0)).unwrap()), Some(remains), is_empty);
}

/// A log on a file in the page cache, and its path.
fn log() -> (tempfile::TempDir, PathBuf, Log) {
    forced::pmem(false);
    let folder = folder();
    let path = folder.path().join("log");
    let log = Log::create(&path, &new(2 * MIB)).unwrap();
    (folder, path, log)
}

fn contents(log: &Log) -> Vec<u8> {
    let mut bytes = vec![0; log.tell().unwrap() as usize];
    log.read(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn the_order_of_calls_is_the_order_in_the_log() {
    let (_folder, _, log) = log();
    let first = [1, 2].map(|byte| log.enqueue(vec![byte]).unwrap());
    log.append(&[&[3]]).unwrap();
    assert!(first.iter().all(|ticket| ticket.outcome() == Some(&Ok(()))));
    let later = [4, 5].map(|byte| log.enqueue(vec![byte]).unwrap());
    assert_eq!((log.pending(), contents(&log)), (2, vec![1, 2, 3]));
    later[1].wait().unwrap();
    assert_eq!((log.pending(), contents(&log)), (0, vec![1, 2, 3, 4, 5]));
    log.enqueue(vec![6]).unwrap();
    log.rewind().unwrap();
    assert_eq!(contents(&log), []);
}

#[test]
fn who_waits_for_a_change_is_told_of_one_that_was_before() {
    let (_folder, _, log) = log();
    let told = Arc::new(AtomicUsize::new(0));
    let wait = |held| {
        let tell = Arc::clone(&told);
        log.when_changed(held, move || {
            tell.fetch_add(1, Ordering::Relaxed);
        });
        told.load(Ordering::Relaxed)
    };
    assert_eq!(wait(0), 0);
    log.append(&[&[1]]).unwrap();
    assert_eq!((wait(0), wait(1)), (2, 2));
    log.rewind().unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 3);
}

#[test]
fn exactly_what_does_not_fit_in_a_full_log_is_refused() {
    let (_folder, _, log) = log();
    log.append(&[&vec![0; log.nbyte() as usize - 10]]).unwrap();
    let tickets: Vec<_> =
        [4, 7, 6, 1, 0, 1].into_iter().map(|len| log.enqueue(vec![len as u8; len]).unwrap()).collect();
    let outcomes: Vec<bool> = tickets.iter().map(|ticket| ticket.wait().is_ok()).collect();
    assert_eq!(outcomes, [true, false, true, false, true, false]);
    assert_eq!(tickets[1].outcome().unwrap().as_ref().unwrap_err().code(), "ENOSPC");
    assert_eq!(contents(&log)[log.nbyte() as usize - 10..], [4, 4, 4, 4, 6, 6, 6, 6, 6, 6]);
}

#[test]
fn closing_does_what_waits() {
    let (_folder, path, log) = log();
    let ticket = log.enqueue(b"late".to_vec()).unwrap();
    drop(log);
    assert_eq!(ticket.wait(), Ok(()));
    assert_eq!(contents(&Log::open(&path, OpenOptions::default()).unwrap()), b"late");
}

#[test]
fn a_queue_has_a_limit() {
    let (_folder, path, log) = log();
    log.limit_pending(100);
    log.enqueue(vec![1; 99]).unwrap();
    let refused = log.enqueue(vec![2; 2]).err().unwrap();
    assert_eq!(refused, Error::Busy { path, pending: 99, most: 100 });
    log.append(&[&[3]]).unwrap();
    log.enqueue(vec![2; 2]).unwrap().wait().unwrap();
    assert_eq!(contents(&log).len(), 102);
}

#[test]
fn many_appends_take_two_barriers_and_so_do_many_writes() {
    let (_folder, _, log) = log();
    let recorder = Recorder::new();
    let _attached = recorder.attach();
    let tickets: Vec<_> = (0..64).map(|byte| log.enqueue(vec![byte; 64]).unwrap()).collect();
    tickets[63].wait().unwrap();
    assert_eq!(recorder.counts().barriers, 2);
    let folder = folder();
    let array = BlockArray::create(&folder.path().join("array"), 4096, &new(32 * MIB)).unwrap();
    array.write(0, &[1; 4096]).unwrap();
    let before = recorder.counts().barriers;
    array.write(0, &vec![2; 64 * 4096]).unwrap();
    assert_eq!(recorder.counts().barriers - before, 2);
    let tickets: Vec<_> = (0..64).map(|index| array.enqueue(index, vec![3; 4096]).unwrap()).collect();
    tickets[63].wait().unwrap();
    assert_eq!(recorder.counts().barriers - before, 4);
}

#[test]
fn a_failed_sync_fails_all_that_wait_and_nothing_acknowledged_is_lost() {
    for failing in 0..4 {
        let (_folder, path, log) = log();
        let recorder = Recorder::new();
        let attached = recorder.attach();
        recorder.adopt_as_it_is(&path, &std::fs::File::open(&path).unwrap());
        recorder.fail_sync(failing);
        let outcomes: Vec<Vec<Result<()>>> = (0..3u8)
            .map(|round| {
                let tickets: Vec<_> = (0..5).map(|_| log.enqueue(vec![round; 10]).unwrap()).collect();
                tickets.iter().map(|ticket| ticket.wait()).collect()
            })
            .collect();
        let done = outcomes.iter().take_while(|group| group.iter().all(Result::is_ok)).count();
        assert_eq!(done, failing / 2);
        assert!(outcomes[done..].iter().flatten().all(Result::is_err));
        for _ in 0..10 {
            let copy = folder();
            let copy = copy.path().join("copy");
            recorder.crash()[&path].write_to(&std::fs::File::create(&copy).unwrap()).unwrap();
            let found = contents(&Log::open(&copy, OpenOptions::default()).unwrap());
            assert!(found.len() >= done * 50 && found.len().is_multiple_of(50), "{}", found.len());
        }
        drop(attached);
    }
}

#[test]
fn a_read_waits_for_writes_that_overlap_it_alone() {
    forced::pmem(false);
    let folder = folder();
    let array = BlockArray::create(&folder.path().join("array"), 512, &new(17 * MIB)).unwrap();
    let tickets: Vec<_> = (0..6u64).map(|index| array.enqueue(index, vec![index as u8; 512]).unwrap()).collect();
    let mut block = [9; 512];
    array.read(10, &mut block).unwrap();
    assert!(tickets.iter().all(|ticket| ticket.outcome().is_none()));
    array.read(2, &mut block).unwrap();
    assert_eq!(block, [2; 512]);
    assert_eq!(tickets[2].outcome(), Some(&Ok(())));
    array.enqueue(7, vec![7; 1024]).unwrap();
    array.read(8, &mut block).unwrap();
    assert_eq!(block, [7; 512]);
}

#[test]
fn several_threads_append_and_lose_nothing() {
    let (_folder, path, log) = log();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let log = log.clone();
            scope.spawn(move || {
                for round in 0..100u8 {
                    let tickets = [0, 1].map(|_| log.enqueue(vec![thread, round]).unwrap());
                    if round % 3 == 0 {
                        log.append(&[&[thread, round]]).unwrap();
                    }
                    if round % 2 == 0 {
                        tickets[1].wait().unwrap();
                    }
                }
            });
        }
    });
    drop(log);
    let bytes = contents(&Log::open(&path, OpenOptions::default()).unwrap());
    for thread in 0..4 {
        let rounds: Vec<u8> = bytes.chunks(2).filter(|record| record[0] == thread).map(|record| record[1]).collect();
        let expected = (0..100).flat_map(|round| vec![round; if round % 3 == 0 { 3 } else { 2 }]);
        assert!(rounds.into_iter().eq(expected));
    }
}

#[test]
fn a_file_that_was_cut_is_not_written_and_made_longer() {
    let (_folder, path, log) = log();
    log.append(&[b"kept"]).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(MIB).unwrap();
    assert_eq!(log.append(&[b"lost"]).unwrap_err().code(), "ERR_PMEM_FAULT");
    assert_eq!(path.metadata().unwrap().len(), MIB);
}

/// A log behind its handles is read while it is rewound and filled again.
#[test]
fn readers_of_a_file_never_mix_two_logs() {
    let (_folder, _, log) = log();
    let is_done = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (writer, done) = (log.clone(), Arc::clone(&is_done));
        scope.spawn(move || {
            for round in 0..500u32 {
                let record = vec![round as u8; 20_000];
                writer.append(&[&record, &record]).unwrap();
                writer.rewind().unwrap();
            }
            done.store(true, Ordering::Release);
        });
        let mut bytes = vec![0; 40_000];
        while !is_done.load(Ordering::Acquire) {
            let count = log.read(0, &mut bytes).unwrap();
            assert!(bytes[..count].iter().all(|&byte| byte == bytes[0]), "a read mixed two logs");
        }
    });
}

/// The file is cut while an append makes itself durable: the append has stored to pages that are gone.
#[test]
#[cfg(unix)]
fn a_cut_during_an_append_to_memory_is_seen() {
    forced::pmem(true);
    let (folder, recorder, pause) = (folder(), Recorder::new(), Arc::new(std::sync::Barrier::new(2)));
    let path = folder.path().join("log");
    let log = Log::create(&path, &new(2 * MIB)).unwrap();
    log.append(&[&vec![1; 1 << 20]]).unwrap();
    recorder.pause_syncs(&pause);
    std::thread::scope(|scope| {
        let append = scope.spawn(|| {
            let _attached = recorder.attach();
            log.append(&[b"lost"])
        });
        pause.wait();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(MIB).unwrap();
        recorder.stop_pausing();
        pause.wait();
        assert_eq!(append.join().unwrap().unwrap_err().code(), "ERR_PMEM_FAULT");
    });
}

/// The operating system tells of a failed write-back once: of two syncs beside each other one could take the other's failure
/// for its own success.
#[test]
fn an_acknowledged_block_survives_another_thread_s_failed_sync() {
    const BLOCK: usize = 512;
    forced::pmem(false);
    for failing in 0..30 {
        let folder = folder();
        let (path, copy) = (folder.path().join("array"), folder.path().join("copy"));
        let array = BlockArray::create(&path, BLOCK as u32, &new(BlockArray::MIN_POOL)).unwrap();
        array.write(0, &[9; BLOCK]).unwrap();
        let recorder = Recorder::new();
        recorder.adopt_as_it_is(&path, &std::fs::File::open(&path).unwrap());
        recorder.seed(failing + 1);
        recorder.fail_sync(failing as usize);
        let acknowledged: Vec<Vec<(u64, u8)>> = std::thread::scope(|scope| {
            let write_until_failed = |thread: u64| {
                let _attached = recorder.attach();
                let writes = (1..50u8).map(|round| (1 + thread * 8 + u64::from(round) % 5, round));
                writes.take_while(|(index, round)| array.write(*index, &[*round; BLOCK]).is_ok()).collect()
            };
            let threads = [0, 1, 2].map(|thread| scope.spawn(move || write_until_failed(thread)));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for _ in 0..4 {
            recorder.crash()[&path].write_to(&std::fs::File::create(&copy).unwrap()).unwrap();
            let crashed = BlockArray::open(&copy, 0, OpenOptions::default()).unwrap();
            for (index, round) in acknowledged.iter().flatten().rev() {
                let mut block = [0; BLOCK];
                crashed.read(*index, &mut block).unwrap();
                // What was written last, or is under way behind it.
                assert!(block[0] >= *round && block == [block[0]; BLOCK], "block {index}: {} for {round}", block[0]);
            }
        }
    }
}

/// Makes a pool of each kind by each engine, where giving an unnamed file its name is refused.
fn create_each(folder: &Path, errno: i32) -> Vec<Result<()>> {
    let recorder = Recorder::new();
    let _attached = recorder.attach();
    recorder.refuse_links(errno);
    let engines =
        Engine::all().iter().map(|engine| NewPool { engine: Some(*engine), mode: 0o600, sparse: true, size: 0 });
    let created = engines.flat_map(|new| {
        let name = |kind| folder.join(format!("{kind} {}", new.engine.map_or("", Engine::name)));
        [
            Log::create(&name("log"), &NewPool { size: Log::MIN_POOL, ..new }).map(drop),
            BlockArray::create(&name("blk"), 512, &NewPool { size: BlockArray::MIN_POOL, ..new }).map(drop),
        ]
    });
    created.collect()
}

#[test]
fn where_files_are_refused_names_pools_are_made_with_theirs() {
    let folder = tempfile::tempdir().unwrap();
    for created in create_each(folder.path(), errno::EACCES) {
        created.unwrap();
    }
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let is_log = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log"));
        assert!(if is_log { Log::check(&path) } else { BlockArray::check(&path, 0) }.unwrap());
    }
    for again in create_each(folder.path(), errno::EACCES) {
        assert_eq!(again.unwrap_err().code(), "EEXIST");
    }
}

#[test]
fn a_name_that_fails_otherwise_is_an_error_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for created in create_each(folder.path(), errno::ENOSPC) {
        // Where every file has a name from the start, none is given later.
        let count = std::fs::read_dir(folder.path()).unwrap().count();
        assert!(created.is_ok() || count == 0);
    }
}
