//! Files that are damaged at random, or made to do harm: records, or an error; no panic, no end of memory, no loop.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::*;
use crate::os::seam::recorder::Random;

/// A journal's segments, as bytes by their names.
type Files = Vec<(PathBuf, Vec<u8>)>;

fn files(folder: &Path) -> Files {
    let paths = chain::segment_paths(folder).unwrap();
    paths.into_iter().map(|path| (path.file_name().unwrap().into(), fs::read(path).unwrap())).collect()
}

fn put_files(folder: &Path, files: &Files) {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(folder.join(name), bytes).unwrap());
}

/// A number that means trouble.
fn number(random: &mut Random, near: u64) -> u64 {
    let numbers =
        [0, 1, 7, 32, 4095, 4096, 4104, 65_528, 65_536, 1 << 30, (1 << 32) - 1, 1 << 53, u64::MAX / 2, u64::MAX];
    match random.below(3) {
        0 => numbers[random.below(numbers.len() as u64) as usize],
        1 => near.wrapping_add(random.below(9)).wrapping_sub(4),
        _ => near ^ 1 << random.below(64),
    }
}

/// Changes a number of eight bytes.
fn change(random: &mut Random, bytes: &mut [u8], at: usize) {
    let value = number(random, u64_at(bytes, at));
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn change_header(random: &mut Random, bytes: &mut [u8]) {
    let at = 40 + 8 * random.below(6) as usize;
    change(random, bytes, at);
    let checksum = crc32c::crc32c(&bytes[..92]);
    bytes[92..96].copy_from_slice(&checksum.to_le_bytes());
}

fn change_slot(random: &mut Random, bytes: &mut [u8]) {
    let start = [1024, 2048][random.below(2) as usize];
    for _ in 0..=random.below(2) {
        let at = start + 8 * random.below(9) as usize;
        change(random, bytes, at);
    }
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes[80..88]), &bytes[start..start + 92]);
    bytes[start + 92..start + 96].copy_from_slice(&checksum.to_le_bytes());
}

/// Writes a frame over another one, with the checksums that it has to have.
fn change_frame(random: &mut Random, bytes: &mut [u8]) {
    let (salt, mut at, mut steps) = (u64_at(bytes, 80), 4096, random.below(12));
    while steps > 0 && at + 64 < bytes.len() && u32_at(bytes, at) >= 32 {
        at += u32_at(bytes, at).next_multiple_of(8) as usize;
        steps -= 1;
    }
    if at + 64 >= bytes.len() {
        return;
    }
    let field = at + 8 * random.below(4) as usize;
    change(random, bytes, field);
    let mut head = [0; 40];
    head[..8].copy_from_slice(&salt.to_le_bytes());
    head[8..16].copy_from_slice(&(at as u64).to_le_bytes());
    head[16..20].copy_from_slice(&bytes[at..at + 4]);
    head[20..].copy_from_slice(&bytes[at + 8..at + 28]);
    let check = crc32c::crc32c(&head);
    bytes[at + 28..at + 32].copy_from_slice(&check.to_le_bytes());
    let end = (at + u32_at(bytes, at) as usize).next_multiple_of(8);
    if end <= bytes.len() && end >= at + 32 {
        let checksum = crc32c::crc32c_append(check, &bytes[at + 28..end]);
        bytes[at + 4..at + 8].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Cuts a file or makes it longer, with a header that knows.
fn change_size(random: &mut Random, bytes: &mut Vec<u8>) {
    let size = [4096, 4097, 4100, 4104, 4128, 5000, 65_535, 65_540, 70_001][random.below(9) as usize];
    bytes.resize(size, 0);
    bytes[64..72].copy_from_slice(&(size as u64).to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..92]);
    bytes[92..96].copy_from_slice(&checksum.to_le_bytes());
    change_slot(random, bytes);
}

/// What disks and accidents do.
fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    let used = (bytes.len() as u64).min([96, 2200, 6000, 65_536][random.below(4) as usize]);
    let (at, len) = (random.below(used) as usize, 1 << random.below(11));
    let end = (at + len).min(bytes.len());
    match random.below(4) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at..end].fill(0),
        2 => bytes[at..end].iter_mut().for_each(|byte| *byte = random.next() as u8),
        _ => bytes.truncate(at.max(1)),
    }
}

/// All records there are, within bounds.
fn read_some(journal: &Journal, skip_damaged: bool) -> Result<Vec<(u64, Vec<u8>)>> {
    let (first, next) = journal.limits()?;
    assert!(first <= next && next <= format::END_OF_SEQUENCES, "{first} {next}");
    let (mut position, mut target) = (JournalPosition { sequence: first, ..Default::default() }, vec![0; 4096]);
    let mut found = Vec::new();
    for _ in 0..100_000 {
        match journal.read(&mut position, skip_damaged, &mut target)? {
            JournalRead::Frames(0) => return Ok(found),
            JournalRead::Needs(len) => {
                assert!(len > target.len() && len <= 400_000, "{len} bytes are asked for");
                target.resize(len, 0);
            }
            JournalRead::Frames(len) => {
                let mut at = 0;
                while at < len {
                    let size = u32_at(&target, at) as usize;
                    found.push((u64_at(&target, at + 8), target[at + frames::HEADER..at + size].to_vec()));
                    at += size.next_multiple_of(8);
                }
            }
        }
    }
    panic!("reading does not end");
}

/// Does to a journal all that can be done. Returns what was read of it each time.
fn use_all(folder: &Path, max_bytes: Option<u64>) -> Vec<Vec<(u64, Vec<u8>)>> {
    let mut all = Vec::new();
    let _ = Journal::check(folder).map(|report| format!("{report:?}"));
    if let Ok(reader) = Journal::open(folder, &readonly()) {
        all.extend(read_some(&reader, false));
        all.extend(read_some(&reader, true));
        let _ = (reader.state(), reader.locate(5), reader.locate(u64::MAX));
    }
    for _ in 0..2 {
        let Ok(journal) = Journal::open(folder, &JournalOptions { max_bytes, ..options() }) else { continue };
        all.extend(read_some(&journal, false));
        let _ = (journal.state(), journal.locate(u64::MAX));
        let next = journal.limits().unwrap().1;
        for len in [10, 70_000] {
            if let Ok(sequence) = journal.append(&[&vec![1; len]], None, true) {
                assert!(sequence >= next);
            }
        }
        let _ = journal.truncate_before(journal.limits().unwrap().1.saturating_sub(1));
    }
    all
}

fn originals(folder: &Path) -> Vec<Files> {
    let open_one = open(&folder.join("open"));
    (0..40).for_each(|number| assert_eq!(open_one.append(&[&record(number)], None, number % 3 > 0).unwrap(), number));
    let closed = open(&folder.join("closed"));
    (0..700).for_each(|number| assert_eq!(closed.append(&[&record(number)], None, false).unwrap(), number));
    drop(closed);
    let again = files(&folder.join("closed"));
    drop(open(&folder.join("closed")).append(&[&record(700)], None, true));
    vec![files(&folder.join("open")), again, files(&folder.join("closed"))]
}

fn with_changes(rounds: u64, seed: u64, change: impl Fn(&mut Random, &mut Vec<u8>), check: impl Fn(&[(u64, Vec<u8>)])) {
    let folder = folder();
    let originals = originals(folder.path());
    let copy = folder.path().join("copy");
    for round in 0..rounds {
        let mut random = Random::new(seed + round);
        (0..4).for_each(|_| _ = random.next());
        let mut files = originals[random.below(3) as usize].clone();
        for _ in 0..=random.below(3) {
            let index = random.below(files.len() as u64) as usize;
            change(&mut random, &mut files[index].1);
        }
        put_files(&copy, &files);
        let start = Instant::now();
        let max_bytes = (random.below(4) == 0).then_some(300_000);
        println!("round {round}");
        for all in use_all(&copy, max_bytes) {
            check(&all);
        }
        assert!(start.elapsed() < Duration::from_secs(20), "round {round}");
    }
}

#[test]
fn damage_at_random_gives_no_wrong_record() {
    on_each_medium(|_| {
        with_changes(700, 1, damage, |all| {
            for (sequence, data) in all {
                let is_ours = *data == record(*sequence) || data.iter().all(|&byte| byte == 1);
                assert!(is_ours, "the record {sequence} is wrong");
            }
            assert!(all.is_sorted_by(|one, other| one.0 < other.0));
        });
    });
}

#[test]
fn numbers_that_mean_harm_do_none() {
    on_each_medium(|_| {
        let change = |random: &mut Random, bytes: &mut Vec<u8>| match random.below(8) {
            0..=1 if bytes.len() >= 4096 => change_header(random, bytes),
            2..=4 if bytes.len() >= 4096 => change_slot(random, bytes),
            5..=6 if bytes.len() >= 4200 => change_frame(random, bytes),
            _ if bytes.len() >= 4096 => change_size(random, bytes),
            _ => {}
        };
        with_changes(1200, 100_000, change, |all| assert!(all.is_sorted_by(|one, other| one.0 < other.0)));
    });
}

#[test]
fn a_segment_that_says_to_be_huge_is_not_read_as_a_whole() {
    forced::pmem(false);
    let folder = folder();
    let folder = &folder.path().join("journal");
    drop(open(folder));
    let path = chain::segment_paths(folder).unwrap().remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[64..72].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..92]);
    bytes[92..96].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    assert!(Journal::open(folder, &options()).is_err());
    OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    let start = Instant::now();
    drop(Journal::open(folder, &options()).map(|journal| journal.append(&[b"x"], None, true)));
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[cfg(unix)]
#[test]
fn what_links_lead_to_is_no_part_of_a_journal() {
    use std::os::unix::fs::symlink;
    on_each_medium(|folder| {
        let (other, elsewhere) = (folder.with_file_name("other"), folder.with_file_name("elsewhere"));
        assert_eq!(open(&other).append(&[b"theirs"], None, true), Ok(0));
        let segment = chain::segment_paths(&other).unwrap().remove(0);
        let before = fs::read(&segment).unwrap();
        fs::create_dir(folder).unwrap();
        symlink(&segment, folder.join(segment.file_name().unwrap())).unwrap();
        for options in [options(), readonly()] {
            let refused = Journal::open(folder, &options).err().unwrap();
            assert_eq!(refused.code(), "ELOOP", "{refused}");
        }
        assert!(Journal::check(folder).is_err());
        assert_eq!(fs::read(&segment).unwrap(), before);
        fs::remove_dir_all(folder).unwrap();
        let journal = open(folder);
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("theirs"), [0; 4096]).unwrap();
        symlink(&elsewhere, folder.join("cursors")).unwrap();
        let refusals = [
            journal.commit_cursor("ours", 0, false).err(),
            journal.cursor("theirs").err(),
            journal.delete_cursor("theirs").err(),
            journal.lock_cursor("ours").err(),
            journal.cursors().err(),
        ];
        for refused in refusals {
            assert_eq!(refused.unwrap().code(), "ENOTDIR");
        }
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
    });
}
