//! What a journal promises, on both kinds of media.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::os::mapping::forced;
use crate::os::seam::recorder::images;
use crate::storage::bytes::{u32_at, u64_at};
use crate::storage::frames;

/// Small segments, so that a test comes to many.
fn options() -> JournalOptions {
    JournalOptions { segment_size: 64 << 10, mode: 0o600, ..Default::default() }
}

fn readonly() -> JournalOptions {
    JournalOptions { readonly: true, ..options() }
}

fn open(folder: &Path) -> Journal {
    Journal::open(folder, &options()).unwrap()
}

/// As another process opens it.
fn open_reader(folder: &Path) -> Reader {
    Reader::open(folder, open_folder(folder).unwrap(), false).unwrap()
}

/// A folder in memory.
fn folder() -> TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap()
}

/// Runs a test as on persistent memory, and as on a file in the page cache.
fn on_each_medium(test: impl Fn(&Path)) {
    for is_pmem in [false, true] {
        println!("persistent memory: {is_pmem}");
        forced::pmem(is_pmem);
        let folder = folder();
        test(&folder.path().join("journal"));
        images::tell(is_pmem);
    }
}

/// All records from a sequence on.
fn read_from(journal: &Journal, sequence: u64, skip_damaged: bool) -> Result<Vec<(u64, Vec<u8>)>> {
    let (mut records, mut target) = (Vec::new(), vec![0; 4096]);
    let mut position = JournalPosition { sequence, ..Default::default() };
    loop {
        match journal.read(&mut position, skip_damaged, &mut target)? {
            JournalRead::Frames(0) => return Ok(records),
            JournalRead::Needs(len) => target.resize(len, 0),
            JournalRead::Frames(len) => {
                let mut at = 0;
                while at < len {
                    let size = u32_at(&target, at) as usize;
                    records.push((u64_at(&target, at + 8), target[at + frames::HEADER..at + size].to_vec()));
                    at += size.next_multiple_of(8);
                }
            }
        }
    }
}

fn read(journal: &Journal) -> Vec<(u64, Vec<u8>)> {
    read_from(journal, journal.limits().unwrap().0, false).unwrap()
}

/// Reads all that there is, from record 0 on, each time some of it.
fn read_through(view: &reader::View, limits: Limits) -> Result<()> {
    let (mut position, mut target) = (JournalPosition::default(), vec![0; 4096]);
    while position.sequence < limits.next {
        let read = view.shelf.read(&mut position, limits, false, &mut target, || view.refresh())?;
        assert!(matches!(read, JournalRead::Frames(len) if len > 0), "{read:?} at {position:?}");
    }
    Ok(())
}

/// A record that says its number, of a length that varies.
fn record(number: u64) -> Vec<u8> {
    let mut record = number.to_le_bytes().to_vec();
    record.resize(8 + (number * 37 % 300) as usize, number as u8 | 1);
    record
}

fn records(range: std::ops::Range<u64>) -> Vec<(u64, Vec<u8>)> {
    range.map(|number| (number, record(number))).collect()
}

fn segments(folder: &Path) -> usize {
    super::chain::segment_paths(folder).unwrap().len()
}

#[test]
fn records_come_back_in_order() {
    on_each_medium(|folder| {
        let journal = open(folder);
        for number in 0..2000 {
            assert_eq!(journal.append(&[&record(number)], None, number % 3 == 0).unwrap(), number);
        }
        journal.flush().unwrap();
        assert_eq!(read(&journal), records(0..2000));
        assert!(segments(folder) > 3);
        drop(journal);
        let journal = open(folder);
        assert_eq!(journal.recovered(), 0);
        assert_eq!(read(&journal), records(0..2000));
        assert_eq!(journal.append(&[&record(2000)], None, true).unwrap(), 2000);
        assert_eq!(read_from(&journal, 1990, false).unwrap(), records(1990..2001));
        assert_eq!(Journal::check(folder).unwrap().records, 2001);
        assert_eq!(Journal::check(folder).unwrap().damage, []);
    });
}

#[test]
fn batches_and_what_is_put_off_are_in_the_order_of_the_calls() {
    on_each_medium(|folder| {
        let journal = open(folder);
        let mut next = 0;
        let mut tickets = Vec::new();
        for round in 0..200 {
            let count = round % 5 + 1;
            let batch: Vec<_> = (next..next + count).map(record).collect();
            if round % 7 == 3 {
                let batch: Vec<&[u8]> = batch.iter().map(|record| &record[..]).collect();
                assert_eq!(journal.append(&batch, Some(next), true).unwrap(), next);
            } else {
                let (sequence, ticket) = journal.enqueue(batch, Some(next), round % 2 == 0).unwrap();
                assert_eq!(sequence, next);
                tickets.push(ticket);
            }
            next += count;
        }
        assert_eq!(journal.append(&[b"x"], Some(3), true).unwrap_err().code(), "ERR_PMEM_CONFLICT");
        for ticket in tickets {
            ticket.wait().unwrap();
        }
        journal.flush().unwrap();
        assert_eq!(read(&journal), records(0..next));
    });
}

#[test]
fn a_batch_that_is_longer_than_a_segment_gets_one_of_its_own() {
    on_each_medium(|folder| {
        let journal = open(folder);
        journal.append(&[b"one"], None, true).unwrap();
        let large = vec![7; 300_000];
        journal.append(&[&large, b"after"], None, true).unwrap();
        journal.append(&[b"four"], None, true).unwrap();
        drop(journal);
        let journal = open(folder);
        let all = read(&journal);
        assert_eq!(all.len(), 4);
        assert_eq!(all[1].1, large);
        assert_eq!(all[3].1, b"four");
    });
}

#[test]
fn readers_elsewhere_see_what_is_durable() {
    on_each_medium(|folder| {
        let journal = open(folder);
        journal.append(&[&record(0)], None, true).unwrap();
        let reader = open_reader(folder);
        let limits = || reader.view().limits().unwrap();
        assert_eq!((limits().first, limits().next), (0, 1));
        for number in 1..1500 {
            journal.append(&[&record(number)], None, true).unwrap();
        }
        assert_eq!(limits().next, 1500);
        read_through(reader.view(), limits()).unwrap();
    });
}

#[test]
fn a_reader_sees_the_first_segment_replaced_by_a_larger_one() {
    on_each_medium(|folder| {
        let journal = open(folder);
        let reader = open_reader(folder);
        let large = vec![7; 300_000];
        journal.append(&[&large], None, true).unwrap();
        let (view, mut position, mut target) = (reader.view(), JournalPosition::default(), vec![0; 400_000]);
        let limits = view.limits().unwrap();
        let read = view.shelf.read(&mut position, limits, false, &mut target, || view.refresh()).unwrap();
        assert_eq!((read, position.sequence), (JournalRead::Frames(frames::size(large.len()) as usize), 1));
        assert_eq!(view.fresh_limits().unwrap().next, 1);
    });
}

#[test]
fn a_reader_elsewhere_that_is_overtaken_is_told() {
    on_each_medium(|folder| {
        let journal = open(folder);
        journal.append(&[&record(0)], None, true).unwrap();
        let reader = open_reader(folder);
        let limits = reader.view().limits().unwrap();
        for number in 1..1500 {
            journal.append(&[&record(number)], None, true).unwrap();
        }
        // The reader knows the first segment alone, and nothing of this.
        journal.truncate_before(1400).unwrap();
        let view = reader.view();
        let limits = Limits { next: view.limits().unwrap().next, ..limits };
        let error = read_through(view, limits).unwrap_err();
        assert!(matches!(error, Error::Gap { first: 1400, sequence: 1..1000, .. }), "{error}");
    });
}

#[test]
fn segments_that_come_and_go_while_a_folder_is_read_are_no_damage() {
    on_each_medium(|folder| {
        let journal = open(folder);
        let empty = chain::segment_paths(folder).unwrap();
        journal.append(&[&vec![7; 300_000]], None, true).unwrap();
        let write = |range| {
            for number in range {
                journal.append(&[&record(number)], None, false).unwrap();
            }
        };
        write(1..1000);
        let before = chain::segment_paths(folder).unwrap();
        write(1000..2000);
        let of = |paths: &[PathBuf]| chain::Chain::of(paths, folder, false, &BTreeMap::new()).unwrap();
        let all = chain::segment_paths(folder).unwrap();
        for paths in [&empty, &before, &all] {
            assert!(of(paths).unwrap().links.values().map(|link| &link.segment.path).eq(&all));
        }
        journal.truncate_before(1900).unwrap();
        let kept = chain::segment_paths(folder).unwrap();
        assert!(kept.len() < all.len());
        assert!(of(&all).unwrap().links.values().map(|link| &link.segment.path).eq(&kept));
        assert!(of(&before).is_none());
    });
}

#[test]
fn truncation_gives_segments_back_and_is_remembered() {
    on_each_medium(|folder| {
        let journal = open(folder);
        for number in 0..2000 {
            journal.append(&[&record(number)], None, false).unwrap();
        }
        let before = segments(folder);
        journal.truncate_before(1000).unwrap();
        assert!(segments(folder) < before);
        assert_eq!(read_from(&journal, 999, false).unwrap_err().code(), "ERR_PMEM_GAP");
        assert_eq!(journal.truncate_before(2001).unwrap_err().code(), "ERR_OUT_OF_RANGE");
        drop(journal);
        let journal = open(folder);
        assert_eq!(read(&journal), records(1000..2000));
        journal.truncate_before(2000).unwrap();
        drop(journal);
        let journal = open(folder);
        assert_eq!(journal.limits().unwrap(), (2000, 2000));
        assert_eq!(segments(folder), 1);
    });
}

#[test]
fn size_and_age_give_records_up() {
    on_each_medium(|folder| {
        let options = JournalOptions { max_bytes: Some(512 << 10), ..options() };
        let journal = Journal::open(folder, &options).unwrap();
        for number in 0..5000 {
            journal.append(&[&record(number)], None, false).unwrap();
        }
        journal.flush().unwrap();
        let (first, next) = journal.limits().unwrap();
        assert!(first > 0 && next == 5000, "{first}");
        assert_eq!(read(&journal), records(first..5000));
        let total: u64 =
            super::chain::segment_paths(folder).unwrap().iter().map(|path| path.metadata().unwrap().len()).sum();
        assert!(total <= 512 << 10);
    });
}

#[test]
fn a_cursor_keeps_what_it_has_not_come_to() {
    on_each_medium(|folder| {
        let bounded = JournalOptions { max_bytes: Some(512 << 10), ..options() };
        let journal = Journal::open(folder, &bounded).unwrap();
        journal.append(&[&record(0)], None, true).unwrap();
        journal.commit_cursor("reader", 1, false).unwrap();
        let full = (1..5000).find_map(|number| journal.append(&[&record(number)], None, true).err()).unwrap();
        assert_eq!(full.code(), "ENOSPC");
        assert!(full.to_string().contains("'reader'"), "{full}");
        let (first, next) = journal.limits().unwrap();
        assert_eq!(first, 0);
        assert_eq!(read(&journal), records(0..next));
        journal.commit_cursor("reader", next, false).unwrap();
        journal.append(&[&record(next)], None, true).unwrap();
        assert!(journal.limits().unwrap().0 > 0);
    });
}

#[test]
fn where_segments_overlap_the_later_epoch_holds() {
    on_each_medium(|folder| {
        // One went on in the first segment; the other one was recovered, and began a second one earlier.
        let (one, other) = (&folder.with_extension("one"), &folder.with_extension("other"));
        let journal = open(one);
        for number in 0..150 {
            journal.append(&[&record(number)], None, true).unwrap();
        }
        copy_folder(one, other);
        for number in 150..250 {
            journal.append(&[&record(number)], None, true).unwrap();
        }
        copy_folder(one, folder);
        let journal = open(other);
        let large = vec![1; 60_000];
        journal.append(&[&large], None, true).unwrap();
        drop(journal);
        let second = chain::segment_paths(other).unwrap().pop().unwrap();
        std::fs::copy(&second, folder.join(second.file_name().unwrap())).unwrap();
        let all = read(&open(folder));
        assert_eq!(all[..150], records(0..150));
        assert_eq!(all[150..], [(150, large)]);
    });
}

#[test]
fn a_time_finds_its_record() {
    on_each_medium(|folder| {
        let journal = open(folder);
        for number in 0..1000 {
            journal.append(&[&record(number)], None, false).unwrap();
        }
        journal.flush().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let now = writer::now();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert_eq!(journal.locate(now).unwrap(), 1000);
        journal.append(&[b"later"], None, true).unwrap();
        assert_eq!(journal.locate(now).unwrap(), 1000);
        assert_eq!(journal.locate(0).unwrap(), 0);
    });
}

#[test]
fn a_killed_writer_leaves_all_it_wrote() {
    on_each_medium(|folder| {
        let journal = open(folder);
        for number in 0..700 {
            journal.append(&[&record(number)], None, number % 2 == 0).unwrap();
        }
        journal.flush().unwrap();
        for number in 700..720 {
            journal.append(&[&record(number)], None, false).unwrap();
        }
        // What a kill leaves: the files as they are.
        let copy = folder.with_extension("copy");
        copy_folder(folder, &copy);
        let journal = open(&copy);
        assert_eq!(journal.recovered(), 0);
        assert_eq!(read(&journal), records(0..720));
    });
}

#[test]
fn readers_on_other_machines_go_by_what_is_in_the_files() {
    on_each_medium(|folder| {
        let journal = open(folder);
        journal.append(&[&record(0)], None, true).unwrap();
        let reader = Reader::open(folder, open_folder(folder).unwrap(), true).unwrap();
        let view = reader.view();
        for next in 1..1200 {
            journal.append(&[&record(next)], None, true).unwrap();
            if next % 100 == 0 {
                assert_eq!(view.limits().unwrap().next, next + 1);
            }
        }
        let limits = view.limits().unwrap();
        assert_eq!(limits.next, 1200);
        read_through(view, limits).unwrap();
        drop(journal);
        assert_eq!(view.limits().unwrap().next, 1200);
    });
}

#[test]
fn a_kill_far_behind_the_last_slot_loses_nothing() {
    on_each_medium(|folder| {
        let journal = open(folder);
        for number in 0..250 {
            journal.append(&[&record(number)], None, true).unwrap();
        }
        assert_eq!(segments(folder), 1);
        let copy = folder.with_extension("copy");
        copy_folder(folder, &copy);
        assert_eq!(read(&open(&copy)), records(0..250));
    });
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

mod crashes;
mod damage;
mod failures;
mod hostile;
mod keeping;
mod races;
