//! Full disks and failed flushes.

use std::sync::Arc;

use super::crashes::materialise;
use super::*;
use crate::os::seam::recorder::Recorder;

fn recorded(folder: &Path) -> Arc<Recorder> {
    std::fs::create_dir_all(folder.join("cursors")).unwrap();
    Recorder::new()
}

/// Runs a test on a file in the page cache, with its recorder attached.
fn on_recorded_file(test: impl Fn(&Path, &Arc<Recorder>)) {
    forced::pmem(false);
    let folder = folder();
    let folder = &folder.path().join("journal");
    let recorder = recorded(folder);
    let _attached = recorder.attach();
    test(folder, &recorder);
}

/// Fails the next write, as on a full disk.
fn fail_write(recorder: &Recorder) {
    recorder.fail_write(recorder.counts().writes);
}

#[test]
fn a_failed_write_appends_nothing_and_the_next_one_goes_on() {
    on_recorded_file(|folder, recorder| {
        let journal = open(folder);
        journal.append(&[&record(0)], None, true).unwrap();
        fail_write(recorder);
        assert_eq!(journal.append(&[&record(1), &record(2)], None, true).unwrap_err().code(), "ENOSPC");
        assert_eq!(journal.limits().unwrap(), (0, 1));
        assert_eq!(journal.append(&[&record(1)], Some(1), true).unwrap(), 1);
        assert_eq!(read(&journal), records(0..2));
    });
}

#[test]
fn what_a_failed_write_left_behind_does_not_come_back() {
    forced::pmem(false);
    let folder = folder();
    let folder = &folder.path().join("journal");
    let recorder = recorded(folder);
    let crashes: Vec<_> = {
        let _attached = recorder.attach();
        // The write fails once all of it is there, as one may that is short.
        let journal = with_rest_of_failed_write(folder, &recorder);
        journal.append(&[&[1; 96]], None, true).unwrap();
        let crashes = (0..30).map(|_| recorder.crash()).collect();
        recorder.stop_after(0);
        crashes
    };
    for (number, crash) in crashes.iter().enumerate() {
        assert_eq!(read(&open(&materialise(crash, folder, number))).len(), 2);
    }
}

#[test]
fn a_failure_takes_with_it_what_waits_behind_it() {
    on_recorded_file(|folder, recorder| {
        let journal = open(folder);
        let mut tickets = Vec::new();
        // More than a batch of jobs, so that some wait behind the one that fails.
        for number in 0..3000 {
            let (sequence, ticket) = journal.enqueue(vec![vec![number as u8; 4]], None, true).unwrap();
            assert_eq!(sequence, number);
            tickets.push(ticket);
        }
        fail_write(recorder);
        let failures = tickets.iter().filter(|ticket| ticket.wait().is_err()).count();
        assert_eq!(failures, 3000);
        assert_eq!(journal.append(&[b"next"], None, true).unwrap(), 0);
        let (sequence, ticket) = journal.enqueue(vec![b"more".to_vec()], Some(1), true).unwrap();
        ticket.wait().unwrap();
        assert_eq!((sequence, read(&journal).len()), (1, 2));
    });
}

#[test]
fn a_failed_flush_is_the_last_of_a_journal() {
    on_each_medium(|folder| {
        let recorder = recorded(folder);
        let _attached = recorder.attach();
        let journal = open(folder);
        journal.append(&[&record(0)], None, true).unwrap();
        if forced::get() == Some(true) {
            // Nothing tells of a fence that fails.
            return;
        }
        recorder.fail_sync(recorder.counts().barriers);
        let (_, ticket) = journal.enqueue(vec![record(1)], None, true).unwrap();
        let error = ticket.wait().unwrap_err();
        assert!(matches!(&error, Error::Uncertain { .. }), "{error}");
        for outcome in
            [journal.append(&[&record(2)], None, true).map(|_| ()), journal.flush(), journal.truncate_before(0)]
        {
            assert!(matches!(outcome, Err(Error::Uncertain { .. })));
        }
        assert!(journal.enqueue(vec![record(2)], None, true).is_err());
        assert_eq!(read(&journal), records(0..1));
        drop(journal);
        let journal = open(folder);
        let next = journal.limits().unwrap().1;
        assert_eq!(read(&journal), records(0..next));
        journal.append(&[&record(next)], None, true).unwrap();
    });
}

#[test]
fn a_full_disk_in_a_roll_appends_nothing() {
    on_each_medium(|folder| {
        let recorder = recorded(folder);
        let _attached = recorder.attach();
        let journal = open(folder);
        let mut next = 0;
        while journal.state().unwrap().byte_len < 59_000 {
            journal.append(&[&record(next)], None, true).unwrap();
            next += 1;
        }
        let large = vec![3; 8000];
        for write in 0..3 {
            recorder.fail_write(recorder.counts().writes + write);
            match journal.append(&[&large], None, true) {
                Ok(_) => break,
                Err(error) => {
                    assert_eq!(error.code(), "ENOSPC");
                    assert!(error.to_string().contains("make room"), "{error}");
                }
            }
            assert_eq!(segments(folder), 1);
        }
        recorder.fail_write(usize::MAX);
        let sequence = journal.append(&[&large], None, true).unwrap();
        assert!(sequence >= next);
        drop(journal);
        assert_eq!(read(&open(folder)).pop().unwrap(), (sequence, large));
    });
}

/// An empty segment and the larger one that a batch needs have the same name.
#[test]
fn a_roll_of_an_empty_segment_that_fails_loses_no_later_record() {
    let large = vec![3; 200_000];
    let mut failures = 0;
    for (is_pmem, number) in [false, true].iter().flat_map(|is_pmem| (0..8).map(move |number| (*is_pmem, number))) {
        forced::pmem(is_pmem);
        let folder = folder();
        let folder = &folder.path().join("journal");
        let recorder = recorded(folder);
        let _attached = recorder.attach();
        let journal = open(folder);
        let counts = recorder.counts();
        match number % 2 {
            0 => recorder.fail_write(counts.writes + number / 2),
            _ => recorder.fail_sync(counts.barriers + number / 2),
        }
        failures += usize::from(journal.append(&[&large], None, true).is_err());
        recorder.fail_write(usize::MAX);
        recorder.fail_sync(usize::MAX);
        let acknowledged = journal.append(&[b"later"], None, true).is_ok();
        drop(journal);
        let journal = open(folder);
        let is_there = read(&journal).pop().is_some_and(|(_, last)| last == b"later");
        assert!(is_there || !acknowledged, "{number}");
        journal.append(&[b"and on"], None, true).unwrap();
        assert_eq!(Journal::check(folder).unwrap().damage, []);
    }
    assert!(failures > 4);
}

/// A journal with a record, and behind it what a failed write of two more left there, all of it.
fn with_rest_of_failed_write(folder: &Path, recorder: &Arc<Recorder>) -> Journal {
    let journal = open(folder);
    let data = vec![1; 96];
    journal.append(&[&data], None, true).unwrap();
    let path = chain::segment_paths(folder).unwrap().remove(0);
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let (segment, _) = segment::Segment::open(&path, false).unwrap();
    let (mut bytes, offset) = (Vec::new(), format::DATA_START + 128);
    for sequence in 1..3 {
        let frame = frames::Frame { len: 128, sequence, time: 5, flags: frames::ANCHORED * (sequence == 1) as u16 };
        frames::encode(&mut bytes, segment.header.salt, offset + 128 * (sequence - 1), &frame, &data);
    }
    fail_write(recorder);
    journal.append(&[&data, &data], None, true).unwrap_err();
    crate::os::seam::pwrite(&file, &bytes, offset).unwrap();
    journal
}

#[test]
fn closing_leaves_nothing_of_a_failed_write() {
    on_recorded_file(|folder, recorder| {
        drop(with_rest_of_failed_write(folder, recorder));
        let journal = open(folder);
        journal.append(&[&[2; 96]], None, true).unwrap();
        let copy = folder.with_extension("copy");
        copy_folder(folder, &copy);
        assert_eq!(read(&open(&copy)).len(), 2);
    });
}

#[test]
fn a_roll_leaves_nothing_of_a_failed_write() {
    forced::pmem(false);
    let root = folder();
    for steps in 0..20 {
        let folder = &root.path().join(steps.to_string());
        let recorder = recorded(folder);
        let _attached = recorder.attach();
        let journal = with_rest_of_failed_write(folder, &recorder);
        recorder.stop_after(recorder.steps() + steps);
        let is_there = journal.append(&[&[3; 70_000]], None, true).is_ok();
        // What a kill leaves.
        let copy = folder.with_extension("copy");
        copy_folder(folder, &copy);
        drop(_attached);
        let _ = std::fs::remove_file(copy.join("tail"));
        let all = read(&open(&copy));
        assert!(all.len() < 4 && (!is_there || all.len() == 2), "{steps}: {}", all.len());
        recorder.stop_after(0);
    }
}

#[test]
fn a_new_journal_s_folder_that_may_not_last_is_an_error() {
    on_each_medium(|folder| {
        let recorder = Recorder::new();
        let _attached = recorder.attach();
        recorder.fail_sync(0);
        let error = Journal::open(folder, &options()).err().unwrap();
        assert!(matches!(error, Error::Os { syscall: "mkdir", .. }), "{error}");
        drop(open(folder));
    });
}
