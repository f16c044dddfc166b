//! What several do at once to a journal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use super::*;
use crate::os::seam::recorder::Recorder;

#[test]
fn a_flush_that_ends_late_takes_nothing_back() {
    forced::pmem(true);
    let folder = folder();
    let journal = open(&folder.path().join("journal"));
    journal.append(&[&record(0)], None, false).unwrap();
    let (recorder, pause) = (Recorder::new(), Arc::new(Barrier::new(2)));
    recorder.pause_syncs(&pause);
    std::thread::scope(|scope| {
        let flushed = scope.spawn(|| {
            let _attached = recorder.attach();
            journal.flush()
        });
        pause.wait();
        journal.append(&[&record(1)], None, true).unwrap();
        assert_eq!(journal.limits().unwrap().1, 2);
        recorder.stop_pausing();
        pause.wait();
        flushed.join().unwrap().unwrap();
    });
    assert_eq!(journal.limits().unwrap().1, 2);
    assert_eq!(read(&journal), records(0..2));
}

#[test]
fn a_folder_is_not_taken_for_one_that_is_gone() {
    // Where numbers of files are used again at once.
    let root = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let folder = root.path().join("journal");
    let journal = open(&folder);
    journal.append(&[b"old"], None, true).unwrap();
    let reader = Journal::open(&folder, &readonly()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    for number in 0..50 {
        let other = open(&root.path().join(number.to_string()));
        assert_eq!(read(&other), []);
    }
    drop((journal, reader));
}

#[test]
fn a_check_beside_a_writer_finds_no_damage() {
    on_each_medium(|folder| {
        let journal = open(folder);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let checked = scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    assert_eq!(Journal::check(folder).unwrap().damage, []);
                }
            });
            for number in 0..6000 {
                journal.append(&[&record(number)], None, true).unwrap();
                if number % 500 == 499 {
                    journal.truncate_before(number - 100).unwrap();
                }
                if checked.is_finished() {
                    break;
                }
            }
            is_over.store(true, Ordering::SeqCst);
            checked.join().unwrap();
        });
    });
}

/// Appends from several threads, each in its own way, with rolls and truncations between.
#[test]
fn appends_of_all_kinds_at_once_get_one_sequence_each() {
    on_each_medium(|folder| {
        let journal = open(folder);
        let all = std::thread::scope(|scope| {
            let kinds = [0, 1, 2, 3].map(|kind: u64| {
                let journal = &journal;
                scope.spawn(move || {
                    let mut own = Vec::new();
                    let mut shown = 0;
                    for number in 0..400 {
                        let data = (kind << 32 | number).to_le_bytes().to_vec();
                        let sequence = match kind {
                            0 => journal.append(&[&data], None, true).unwrap(),
                            1 => journal.append(&[&data], None, false).unwrap(),
                            2 => {
                                let (sequence, ticket) = journal.enqueue(vec![data.clone()], None, true).unwrap();
                                ticket.wait().unwrap();
                                sequence
                            }
                            _ => {
                                journal.flush().unwrap();
                                journal.enqueue(vec![data.clone()], None, false).unwrap().0
                            }
                        };
                        let next = journal.limits().unwrap().1;
                        assert!(kind % 2 == 1 || next > sequence, "{sequence} is acknowledged, and {next} is next");
                        assert!(next >= shown, "{next} after {shown}");
                        shown = next;
                        own.push((sequence, data));
                    }
                    own
                })
            });
            kinds.map(|kind| kind.join().unwrap()).concat()
        });
        journal.flush().unwrap();
        let mut expected = all;
        expected.sort();
        assert_eq!(read(&journal), expected);
    });
}
