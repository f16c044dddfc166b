//! Files that are not what was written: the right records or an error, never a wrong record nor fewer without a word.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::*;
use crate::os::file::read_exact_at;

/// A journal of a few records, none of which has a word of zeros.
fn small(folder: &Path) -> Journal {
    let options = JournalOptions { first_sequence: 1, ..options() };
    let journal = Journal::open(folder, &options).unwrap();
    for number in 1..9 {
        journal.append(&[&record(number)], None, true).unwrap();
    }
    journal
}

/// A copy of a journal's folder as it is now.
fn copy_of(folder: &Path) -> PathBuf {
    let copy = folder.with_extension("copy");
    copy_folder(folder, &copy);
    copy
}

/// A journal of several segments.
fn long(folder: &Path) -> Vec<PathBuf> {
    let journal = open(folder);
    for number in 0..1500 {
        journal.append(&[&record(number)], None, false).unwrap();
    }
    drop(journal);
    chain::segment_paths(folder).unwrap()
}

fn refused(folder: &Path) -> Error {
    Journal::open(folder, &options()).map(|journal| read(&journal)).unwrap_err()
}

/// Whether this is damage that says where it is.
fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Damaged { .. } | Error::Newer { .. })
}

/// Flips a bit of each byte of a journal's segment in turn, and opens it.
fn flip_each(folder: &Path, end: u64) {
    let path = &chain::segment_paths(folder).unwrap()[0];
    let original = fs::read(path).unwrap();
    for at in 0..end as usize {
        let (mut bytes, copy) = (original.clone(), folder.with_extension("flipped"));
        bytes[at] ^= 1 << (at % 8);
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir_all(&copy).unwrap();
        fs::write(copy.join(path.file_name().unwrap()), &bytes).unwrap();
        let report = Journal::check(&copy);
        let is_sound = report.as_ref().is_ok_and(|report| report.damage.is_empty() && report.records == 8);
        match Journal::open(&copy, &options()).and_then(|journal| read_from(&journal, 1, false)) {
            Ok(all) => assert!(all == records(1..9) && is_sound, "byte {at}: {all:?} {report:?}"),
            Err(error) => assert!(is_damage(&error) && !is_sound, "byte {at}: {error} {report:?}"),
        }
    }
}

#[test]
fn a_flipped_bit_of_a_closed_journal_is_harmless_or_an_error() {
    forced::pmem(false);
    let folder = folder();
    let folder = folder.path().join("journal");
    let journal = small(&folder);
    let end = journal.state().unwrap().byte_len + format::DATA_START;
    drop(journal);
    flip_each(&folder, end + 64);
}

#[test]
fn a_flipped_bit_of_an_open_journal_is_harmless_or_an_error() {
    forced::pmem(false);
    let folder = folder();
    let folder = folder.path().join("journal");
    let journal = small(&folder);
    let end = journal.state().unwrap().byte_len + format::DATA_START;
    flip_each(&folder, end + 64);
}

#[test]
fn damage_behind_the_last_slot_is_not_cut() {
    on_each_medium(|folder| {
        let journal = small(folder);
        let copy = copy_of(folder);
        let segment = &chain::segment_paths(&copy).unwrap()[0];
        let (mut bytes, start) = (fs::read(segment).unwrap(), format::DATA_START as usize);
        // A record that was acknowledged, and on whose being there the ones behind it rely.
        bytes[start..start + 200].fill(0);
        fs::write(segment, &bytes).unwrap();
        let error = refused(&copy);
        let Error::Damaged { offset, sequence, .. } = error else { panic!("{error}") };
        assert_eq!((offset, sequence), (start as u64, 1));
        assert_eq!(fs::read(segment).unwrap(), bytes);
        drop(journal);
    });
}

#[test]
fn records_that_readers_saw_are_damage_where_they_are_gone() {
    forced::pmem(false);
    let folder = folder();
    let folder = folder.path().join("journal");
    let journal = open(&folder);
    journal.append(&[&record(0)], None, true).unwrap();
    journal.append(&[&record(1)], None, true).unwrap();
    // The last one's frame, of which the tail of this boot tells.
    let segment = chain::segment_paths(&folder).unwrap().remove(0);
    let end = journal.state().unwrap().byte_len + format::DATA_START;
    let size = frames::size(record(1).len());
    let copy = folder.with_extension("kept");
    fs::create_dir_all(&copy).unwrap();
    let kept = fs::read(&segment).unwrap();
    std::mem::forget(journal.clone());
    let mut file = OpenOptions::new().write(true).open(&segment).unwrap();
    file.seek(SeekFrom::Start(end - size)).unwrap();
    file.write_all(&vec![0; size as usize]).unwrap();
    let (read, slot) = segment::Segment::open(&segment, false).unwrap();
    assert!(scan::find_end(&read, &slot, None).is_ok());
    let error = scan::find_end(&read, &slot, tail::Tail::look(&folder, read.header.uuid).and_then(|tail| tail.next()));
    assert!(error.is_err_and(|error| is_damage(&error)));
    fs::write(&segment, kept).unwrap();
}

#[test]
fn a_missing_segment_is_an_error() {
    on_each_medium(|folder| {
        for index in 0..3 {
            let folder = &folder.join(index.to_string());
            fs::create_dir_all(folder.parent().unwrap()).unwrap();
            let paths = long(folder);
            let path = &paths[[0, 1, paths.len() - 1][index]];
            fs::remove_file(path).unwrap();
            assert!(is_damage(&refused(folder)), "{index}");
            assert!(!Journal::check(folder).unwrap().damage.is_empty());
        }
    });
}

#[test]
fn a_segment_that_was_cut_renamed_or_swapped_is_an_error() {
    on_each_medium(|folder| {
        fs::create_dir_all(folder).unwrap();
        let others = long(&folder.join("other"));
        type Change<'a> = &'a dyn Fn(&[PathBuf]);
        let change: [Change; 4] = [
            &|paths| OpenOptions::new().write(true).open(&paths[1]).unwrap().set_len(50_000).unwrap(),
            &|paths| fs::write(&paths[1], b"").unwrap(),
            &|paths| fs::rename(&paths[1], paths[1].with_file_name(format::file_name(3))).unwrap(),
            &|paths| assert!(fs::copy(&others[1], &paths[1]).unwrap() > 0),
        ];
        for (index, change) in change.iter().enumerate() {
            let folder = &folder.join(index.to_string());
            let paths = long(folder);
            change(&paths);
            let error = refused(folder);
            assert!(is_damage(&error), "{index}: {error}");
            assert!(!Journal::check(folder).unwrap().damage.is_empty());
        }
    });
}

#[test]
fn damaged_records_are_skipped_where_that_is_asked_for() {
    on_each_medium(|folder| {
        let paths = long(folder);
        let mut bytes = fs::read(&paths[1]).unwrap();
        let start = format::DATA_START as usize;
        let first = format::first_of(paths[1].file_name().unwrap().to_str().unwrap()).unwrap();
        bytes[start + 3000] ^= 1;
        fs::write(&paths[1], &bytes).unwrap();
        let journal = open(folder);
        let error = read_from(&journal, 0, false).unwrap_err();
        let Error::Damaged { sequence: damaged, .. } = error else { panic!("{error}") };
        assert!(damaged > first);
        let all = read_from(&journal, 0, true).unwrap();
        let expected: Vec<_> = records(0..1500).into_iter().filter(|(number, _)| *number != damaged).collect();
        assert_eq!(all, expected);
        let report = Journal::check(folder).unwrap();
        assert_eq!((report.damage.len(), report.records), (1, 1499));
        assert_eq!(report.damage[0].sequence, damaged);
    });
}

/// Writes a sound frame of a later version over the first record of a segment; returns what the segment is then.
fn write_newer(path: &Path) -> Vec<u8> {
    let (segment, _) = segment::Segment::open(path, false).unwrap();
    let (mut bytes, start) = (fs::read(path).unwrap(), format::DATA_START as usize);
    let frame = frames::Frame { flags: 8, ..frames::peek(&bytes[start..]) };
    let (mut newer, payload) = (Vec::new(), vec![7; frame.len - frames::HEADER]);
    frames::encode(&mut newer, segment.header.salt, start as u64, &frame, &payload);
    bytes[start..start + newer.len()].copy_from_slice(&newer);
    fs::write(path, &bytes).unwrap();
    bytes
}

#[test]
fn records_of_a_later_version_are_no_damage() {
    on_each_medium(|folder| {
        let path = &long(folder)[1];
        let bytes = write_newer(path);
        let journal = open(folder);
        let error = read_from(&journal, 0, false).unwrap_err();
        assert!(matches!(&error, Error::Newer { file, .. } if file == path), "{error}");
        assert!(matches!(Journal::check(folder), Err(Error::Newer { .. })));
        drop(journal);
        assert_eq!(&fs::read(path).unwrap(), &bytes);
    });
}

#[test]
fn a_record_of_a_later_version_is_not_cut() {
    on_each_medium(|folder| {
        let journal = small(folder);
        let copy = copy_of(folder);
        drop(journal);
        let path = &chain::segment_paths(&copy).unwrap()[0];
        let bytes = write_newer(path);
        let error = refused(&copy);
        assert!(matches!(error, Error::Newer { .. }), "{error}");
        assert_eq!(fs::read(path).unwrap(), bytes);
    });
}

#[test]
fn the_copy_of_a_segment_in_a_record_is_no_segment() {
    on_each_medium(|folder| {
        let journal = small(folder);
        let segment = fs::read(&chain::segment_paths(folder).unwrap()[0]).unwrap();
        journal.append(&[&segment[4096..]], None, true).unwrap();
        let copy = copy_of(folder);
        // The frame that holds the copy is torn: its header did not arrive.
        let path = chain::segment_paths(&copy).unwrap().pop().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let at = if path.ends_with(format::file_name(9)) { 4096 } else { panic!("it has a segment of its own") };
        bytes[at..at + 32].fill(0);
        fs::write(&path, bytes).unwrap();
        let journal = open(&copy);
        assert_eq!(read_from(&journal, 1, false).unwrap(), records(1..9));
        assert!(journal.recovered() > 0);
    });
}

#[test]
fn newer_journals_and_foreign_folders_are_refused() {
    on_each_medium(|folder| {
        drop(small(folder));
        let path = &chain::segment_paths(folder).unwrap()[0];
        let original = fs::read(path).unwrap();
        let with = |at: usize| {
            let mut bytes = original.clone();
            bytes[at] = 1;
            let checksum = crc32c::crc32c(&bytes[..92]);
            bytes[92..96].copy_from_slice(&checksum.to_le_bytes());
            fs::write(path, bytes).unwrap();
        };
        with(16);
        assert_eq!(refused(folder).code(), "ERR_PMEM_VERSION");
        // Features that need not be known for reading.
        with(20);
        assert_eq!(refused(folder).code(), "ERR_PMEM_VERSION");
        assert_eq!(read(&Journal::open(folder, &readonly()).unwrap()), records(1..9));
        let foreign = folder.with_extension("foreign");
        fs::create_dir_all(&foreign).unwrap();
        fs::write(foreign.join("notes.txt"), "mine").unwrap();
        assert_eq!(refused(&foreign).code(), "ENOTEMPTY");
        assert_eq!(refused(&foreign.join("notes.txt")).code(), "ENOTDIR");
        let absent = Journal::open(&folder.with_extension("absent"), &readonly()).map(|_| ());
        assert_eq!(absent.unwrap_err().code(), "ENOENT");
        assert_eq!(Journal::check(&foreign).unwrap_err().code(), "ENOENT");
    });
}

#[test]
fn sequences_end_where_numbers_are_exact() {
    on_each_medium(|folder| {
        let end = format::END_OF_SEQUENCES;
        let journal = Journal::open(folder, &JournalOptions { first_sequence: end - 2, ..options() }).unwrap();
        assert_eq!(journal.append(&[b"one", b"two"], None, true).unwrap(), end - 2);
        assert_eq!(journal.append(&[b"three"], None, true).unwrap_err().code(), "ERR_OUT_OF_RANGE");
        drop(journal);
        let journal = open(folder);
        assert_eq!(read(&journal).len(), 2);
        assert_eq!(journal.append(&[b"three"], None, true).unwrap_err().code(), "ERR_OUT_OF_RANGE");
    });
}

#[test]
fn opening_a_damaged_journal_changes_nothing() {
    forced::pmem(false);
    let folder = folder();
    let folder = &folder.path().join("journal");
    let paths = long(folder);
    fs::remove_file(&paths[1]).unwrap();
    let contents = |path: &PathBuf| {
        let file = fs::File::open(path).unwrap();
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        read_exact_at(&file, &mut bytes, 0).unwrap();
        bytes
    };
    let before: Vec<_> = chain::segment_paths(folder).unwrap().iter().map(contents).collect();
    refused(folder);
    let after: Vec<_> = chain::segment_paths(folder).unwrap().iter().map(contents).collect();
    assert!(before == after);
}

#[test]
fn a_flipped_bit_of_a_journal_that_was_opened_again_is_harmless_or_an_error() {
    forced::pmem(false);
    let folder = folder();
    let folder = folder.path().join("journal");
    drop(small(&folder));
    for number in 9..12 {
        let journal = open(&folder);
        journal.append(&[&record(number)], None, true).unwrap();
        let path = chain::segment_paths(&folder).unwrap().remove(0);
        let original = fs::read(&path).unwrap();
        for at in (0..4096).filter(|at| original[at / 512 * 512..][..512].iter().any(|&byte| byte != 0)) {
            let (mut bytes, copy) = (original.clone(), folder.with_extension("flipped"));
            bytes[at] ^= 1 << (at % 8);
            let _ = fs::remove_dir_all(&copy);
            fs::create_dir_all(&copy).unwrap();
            fs::write(copy.join(path.file_name().unwrap()), &bytes).unwrap();
            let report = Journal::check(&copy);
            match Journal::open(&copy, &options()).and_then(|journal| read_from(&journal, 1, false)) {
                Ok(all) => assert!(all == records(1..number + 1), "byte {at}: {} {report:?}", all.len()),
                Err(error) => assert!(is_damage(&error), "byte {at}: {error} {report:?}"),
            }
            if let Ok(report) = report {
                assert!(report.records == number || !report.damage.is_empty(), "byte {at}: {report:?}");
            }
        }
    }
}

#[test]
#[cfg(unix)]
fn lost_pages_are_no_damage() {
    on_each_medium(|folder| {
        for is_opened_again in [false, true] {
            let folder = &folder.join(is_opened_again.to_string());
            std::fs::create_dir_all(folder).unwrap();
            let mut journal = Some(open(folder));
            for number in 0..600 {
                journal.as_ref().unwrap().append(&[&record(number)], None, false).unwrap();
            }
            if is_opened_again {
                journal = None;
            }
            let journal = journal.unwrap_or_else(|| open(folder));
            journal.flush().unwrap();
            let first = &chain::segment_paths(folder).unwrap()[0];
            std::fs::File::options().write(true).open(first).unwrap().set_len(4096).unwrap();
            assert_eq!(read_from(&journal, 0, true).unwrap_err().code(), "ERR_PMEM_FAULT");
        }
    });
}
