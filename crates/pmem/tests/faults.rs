//! Files that are cut under their mappings: the process lives, nothing is acknowledged, nothing else is touched.
#![cfg(unix)]
#![allow(unsafe_code)]

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{SigHandler, Signal, raise, signal};
use pmem::{Alarm, BlockArray, Engine, Error, Log, MapOptions, NewPool, Region};

const ENGINES: &[Engine] = if cfg!(feature = "pmdk") { &[Engine::Pmdk, Engine::Rust] } else { &[Engine::Rust] };

fn cut(path: &Path, size: u64) {
    File::options().write(true).open(path).unwrap().set_len(size).unwrap();
}

fn new(size: u64, engine: Engine) -> NewPool {
    NewPool { size, mode: 0o600, sparse: false, engine: Some(engine) }
}

fn region(path: &Path, len: u64) -> Region {
    File::create(path).unwrap().set_len(len).unwrap();
    Region::open(path, MapOptions::default()).unwrap()
}

fn store(region: &Region, offset: usize, byte: u8) -> pmem::Result<()> {
    // SAFETY: a reference is readable.
    unsafe { region.copy_from(offset, &byte, 1, true) }
}

fn fault(path: &Path) -> Error {
    Error::Fault { path: Some(path.to_path_buf()) }
}

#[test]
fn a_region_whose_file_was_cut_refuses_everything() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("cut"), folder.path().join("other"));
    let (region, untouched) = (region(&path, 1 << 20), region(&other, 1 << 20));
    store(&region, 0, 1).unwrap();
    cut(&path, 4096);
    region.check_intact().unwrap();
    store(&region, 1, 2).unwrap();
    assert_eq!(store(&region, 8192, 3).unwrap_err(), fault(&path));
    for refused in [store(&region, 0, 9), region.persist(0, 1), region.flush(0, 1), region.msync(0, 1)] {
        assert_eq!(refused.unwrap_err(), fault(&path));
    }
    assert_eq!(region.fill(0, 1, 9, false).unwrap_err(), fault(&path));
    assert_eq!(region.persist_many(&[(0, 1)]).unwrap_err(), fault(&path));
    assert_eq!(std::fs::read(&path).unwrap()[..2], [1, 2]);
    store(&untouched, 8192, 4).unwrap();
}

#[test]
fn a_store_that_was_lost_with_its_page_is_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    let region = region(&path, 1 << 20);
    // SAFETY: the byte lies in the mapping.
    unsafe { region.mapping().start().as_ptr().add(70_000).write_volatile(1) };
    cut(&path, 0);
    assert_eq!(region.persist(70_000, 1).unwrap_err(), fault(&path));
}

#[test]
fn a_readonly_region_whose_file_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    File::create(&path).unwrap().set_len(1 << 20).unwrap();
    let region = Region::open(&path, MapOptions { readonly: true, ..Default::default() }).unwrap();
    cut(&path, 0);
    let mut byte = 1;
    // SAFETY: a reference is writable.
    assert_eq!(unsafe { region.copy_to(5000, &mut byte, 1) }.unwrap_err(), fault(&path));
    assert_eq!(byte, 0);
}

/// How a pool's file is cut: to nothing, or within its data.
const SIZES: [u64; 3] = [0, 4096, 64 << 10];

#[test]
fn a_log_whose_file_was_cut_refuses_everything() {
    for (&engine, size) in ENGINES.iter().flat_map(|engine| SIZES.map(|size| (engine, size))) {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("cut"), folder.path().join("other"));
        let log = Log::create(&path, &new(Log::MIN_POOL, engine)).unwrap();
        let untouched = Log::create(&other, &new(Log::MIN_POOL, engine)).unwrap();
        log.append(&[&[1; 100_000]]).unwrap();
        cut(&path, size);
        let ticket = log.enqueue(vec![2; 10]).unwrap();
        assert_eq!(log.append(&[&[2; 100]]).unwrap_err(), fault(&path), "{engine:?} {size}");
        assert_eq!(ticket.wait().unwrap_err(), fault(&path));
        assert_eq!(log.append(&[&[2; 100]]).unwrap_err(), fault(&path));
        assert_eq!(log.read(0, &mut [0; 10]).unwrap_err(), fault(&path));
        assert_eq!(log.rewind().unwrap_err(), fault(&path));
        untouched.append(&[b"fine"]).unwrap();
        drop(log);
        assert!(!matches!(Log::check(&path), Ok(true)));
        drop(untouched);
        assert_eq!(Log::check(&other), Ok(true));
    }
}

/// Where the first page is gone, the library's idea of the log's length goes with it.
#[test]
fn the_length_of_a_log_whose_file_was_cut() {
    for (&engine, size) in ENGINES.iter().flat_map(|engine| [0, 4096].map(|size| (engine, size))) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut");
        let log = Log::create(&path, &new(Log::MIN_POOL, engine)).unwrap();
        log.append(&[&[1; 100_000]]).unwrap();
        cut(&path, size);
        // This crate's engine remembers it.
        assert!(matches!(log.tell(), Ok(100_000) | Err(Error::Fault { .. })), "{engine:?} {size}");
        assert_eq!(log.read(0, &mut [0; 100_000]).unwrap_err(), fault(&path));
        assert_eq!(log.tell().unwrap_err(), fault(&path));
    }
}

#[test]
fn a_read_of_a_log_whose_file_was_cut() {
    for &engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut");
        let log = Log::create(&path, &new(Log::MIN_POOL, engine)).unwrap();
        log.append(&[&[1; 100_000]]).unwrap();
        cut(&path, 8192);
        assert_eq!(log.read(50_000, &mut [0; 10]).unwrap_err(), fault(&path));
        assert_eq!(log.check_intact().unwrap_err(), fault(&path));
    }
}

#[test]
fn an_array_whose_file_was_cut_refuses_everything() {
    for (&engine, size) in ENGINES.iter().flat_map(|engine| SIZES.map(|size| (engine, size))) {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("cut"), folder.path().join("other"));
        let blocks = BlockArray::create(&path, 4096, &new(BlockArray::MIN_POOL, engine)).unwrap();
        let untouched = BlockArray::create(&other, 4096, &new(BlockArray::MIN_POOL, engine)).unwrap();
        for index in 0..5 {
            blocks.write(index, &[index as u8; 4096]).unwrap();
        }
        cut(&path, size);
        let ticket = blocks.enqueue(3, vec![2; 4096]).unwrap();
        assert_eq!(blocks.write(4, &[2; 4096]).unwrap_err(), fault(&path), "{engine:?} {size}");
        assert_eq!(ticket.wait().unwrap_err(), fault(&path));
        assert_eq!(blocks.write(6, &[2; 4096]).unwrap_err(), fault(&path));
        assert_eq!(blocks.read(7, &mut [0; 4096]).unwrap_err(), fault(&path));
        assert_eq!(blocks.set_zero(8).unwrap_err(), fault(&path));
        assert_eq!(blocks.set_error(8).unwrap_err(), fault(&path));
        untouched.write(5, &[2; 4096]).unwrap();
        drop(blocks);
        drop(untouched);
        assert_eq!(BlockArray::check(&other, 0), Ok(true));
    }
}

#[test]
fn alarms_ring() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    let region = region(&path, 8192);
    let (mut before, mut after) = (0.0, 0.0);
    // SAFETY: the number outlives the alarm.
    let early = unsafe { Alarm::new(&raw mut before) };
    cut(&path, 0);
    store(&region, 0, 1).unwrap_err();
    // SAFETY: as above.
    let late = unsafe { Alarm::new(&raw mut after) };
    drop((early, late));
    assert!(before > 0.0 && after > 0.0);
}

#[test]
fn alarms_come_and_go_while_they_ring() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for name in ["one", "two"] {
            let path = folder.path().join(name);
            scope.spawn(move || {
                for _ in 0..500 {
                    let region = region(&path, 8192);
                    cut(&path, 0);
                    store(&region, 0, 1).unwrap_err();
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..50_000 {
                    let mut number = 0.0;
                    // SAFETY: the number outlives the alarm.
                    drop(unsafe { Alarm::new(&raw mut number) });
                }
            });
        }
    });
}

#[test]
fn data_of_lost_pages_is_refused_and_other_data_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    let region = region(&path, 1 << 20);
    cut(&path, 4096);
    // SAFETY: the bytes lie in the mapping, and are not stored to meanwhile.
    let data = |start: usize| unsafe { std::slice::from_raw_parts(region.mapping().start().as_ptr().add(start), 9000) };
    pmem::check_source(&data(0)[..4096]).unwrap();
    for _ in 0..2 {
        assert_eq!(pmem::check_source(data(5000)), Err(Error::Fault { path: None }));
    }
    pmem::check_source(&[1; 9000]).unwrap();
    pmem::check_source(&[]).unwrap();
}

#[test]
fn many_lost_pages_of_many_threads() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..4).map(|number| folder.path().join(number.to_string())).collect();
    std::thread::scope(|scope| {
        for path in &paths {
            scope.spawn(|| {
                for _ in 0..50 {
                    let region = region(path, 4 << 20);
                    cut(path, 0);
                    for page in 0..1024 {
                        // SAFETY: the byte lies in the mapping.
                        unsafe { region.mapping().start().as_ptr().add(page * 4096).write_volatile(1) };
                    }
                    assert_eq!(region.check_intact().unwrap_err(), fault(path));
                }
            });
        }
    });
}

/// Runs a test once more, in a process of its own; gives how that ended, and in that process nothing.
fn in_a_process_of_its_own(test: &str) -> Option<ExitStatus> {
    const NAME: &str = "PMEM_TEST_CHILD";
    if std::env::var_os(NAME).is_some() {
        return None;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    Some(child.args(["--exact", test]).env(NAME, "1").output().unwrap().status)
}

/// More pages than a process may have mappings: every second one.
#[test]
#[cfg(target_os = "linux")]
fn more_lost_pages_than_mappings_are_possible() {
    if let Some(status) = in_a_process_of_its_own("more_lost_pages_than_mappings_are_possible") {
        assert!(status.success(), "{status}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    let region = region(&path, 1 << 30);
    cut(&path, 0);
    for page in (0..(1 << 30) / 4096).step_by(2) {
        // SAFETY: the byte lies in the mapping.
        unsafe { region.mapping().start().as_ptr().add(page * 4096).write_volatile(1) };
    }
    assert_eq!(region.check_intact().unwrap_err(), fault(&path));
}

#[test]
fn other_signals_reach_the_handler_that_was_there() {
    static CALLS: AtomicI32 = AtomicI32::new(0);
    extern "C" fn count(_: i32) {
        CALLS.fetch_add(1, Ordering::SeqCst);
    }
    if let Some(status) = in_a_process_of_its_own("other_signals_reach_the_handler_that_was_there") {
        assert!(status.success(), "{status}");
        return;
    }
    // SAFETY: the handler does nothing that signals forbid.
    unsafe { signal(Signal::SIGBUS, SigHandler::Handler(count)) }.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    let region = region(&path, 8192);
    raise(Signal::SIGBUS).unwrap();
    assert_eq!(CALLS.load(Ordering::SeqCst), 1);
    cut(&path, 0);
    store(&region, 0, 1).unwrap_err();
    assert_eq!(CALLS.load(Ordering::SeqCst), 1);
}

/// As libuv does for a listener: it takes the handler's place, and gives it to nobody.
#[test]
fn a_handler_that_is_installed_later_is_handed_on_to_from_the_next_mapping_on() {
    static CALLS: AtomicI32 = AtomicI32::new(0);
    extern "C" fn count(_: i32) {
        CALLS.fetch_add(1, Ordering::SeqCst);
    }
    let name = "a_handler_that_is_installed_later_is_handed_on_to_from_the_next_mapping_on";
    if let Some(status) = in_a_process_of_its_own(name) {
        assert!(status.success(), "{status}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("cut"), folder.path().join("other"));
    let first = region(&path, 8192);
    for handler in [SigHandler::Handler(count), SigHandler::SigDfl] {
        // SAFETY: the handler does nothing that signals forbid.
        unsafe { signal(Signal::SIGBUS, handler) }.unwrap();
        drop(region(&other, 8192));
        if matches!(handler, SigHandler::Handler(_)) {
            raise(Signal::SIGBUS).unwrap();
        }
    }
    assert_eq!(CALLS.load(Ordering::SeqCst), 1);
    cut(&path, 0);
    store(&first, 0, 1).unwrap_err();
}

/// A handler that hands on what it does not know to the one before it, which hands it on to this one.
#[test]
fn handlers_that_hand_on_to_each_other_do_not_do_it_for_ever() {
    use nix::sys::signal::{SaFlags, SigAction, SigSet, sigaction};
    static BEFORE: std::sync::Mutex<Option<SigAction>> = std::sync::Mutex::new(None);
    static CALLS: AtomicI32 = AtomicI32::new(0);
    extern "C" fn first(_: i32) {
        CALLS.fetch_add(1, Ordering::SeqCst);
    }
    extern "C" fn chaining(signal: i32, info: *mut nix::libc::siginfo_t, context: *mut std::ffi::c_void) {
        CALLS.fetch_add(10, Ordering::SeqCst);
        let before = BEFORE.lock().unwrap().unwrap().handler();
        if let SigHandler::SigAction(handler) = before {
            handler(signal, info, context);
        }
    }
    if let Some(status) = in_a_process_of_its_own("handlers_that_hand_on_to_each_other_do_not_do_it_for_ever") {
        assert!(status.success(), "{status}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // SAFETY: the handlers do what a test needs.
    unsafe { signal(Signal::SIGBUS, SigHandler::Handler(first)) }.unwrap();
    let _one = region(&folder.path().join("one"), 8192);
    let action = SigAction::new(SigHandler::SigAction(chaining), SaFlags::SA_SIGINFO, SigSet::empty());
    // SAFETY: as above.
    *BEFORE.lock().unwrap() = Some(unsafe { sigaction(Signal::SIGBUS, &action) }.unwrap());
    let _two = region(&folder.path().join("two"), 8192);
    raise(Signal::SIGBUS).unwrap();
    assert_eq!(CALLS.load(Ordering::SeqCst), 11);
}

#[test]
fn other_signals_end_the_process_where_no_handler_was_there() {
    if let Some(status) = in_a_process_of_its_own("other_signals_end_the_process_where_no_handler_was_there") {
        assert_eq!(status.signal(), Some(Signal::SIGBUS as i32), "{status}");
        return;
    }
    // SAFETY: the default action has no precondition. Rust has a handler of its own, which is not what is tested.
    unsafe { signal(Signal::SIGBUS, SigHandler::SigDfl) }.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let _region = region(&folder.path().join("file"), 8192);
    raise(Signal::SIGBUS).unwrap();
    unreachable!("the signal ends the process");
}
