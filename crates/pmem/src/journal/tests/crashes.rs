//! What crashes leave of a journal, at every step of what it does.

use std::fs::{File, OpenOptions};
use std::sync::Arc;

use super::*;
use crate::os::file::write_all_at;
use crate::os::seam::recorder::{Crash, Image, Random, Recorder, images};

/// What may be in a journal after a crash.
#[derive(Clone, Debug)]
struct Allowed {
    /// The first sequence that is kept is one of these.
    first: std::ops::RangeInclusive<u64>,
    /// So many records are durable.
    least: u64,
    /// Where batches end.
    ends: Vec<u64>,
}

impl Allowed {
    fn check(&self, journal: &Journal, image: &str) {
        let (first, next) = journal.limits().unwrap();
        assert!(self.first.contains(&first), "{image}: {first} of {self:?}");
        assert!(next >= self.least, "{image}: acknowledged records are gone: {next} of {self:?}");
        assert!(self.ends.contains(&next), "{image}: half of a batch is there: {next} of {self:?}");
        assert_eq!(read(journal), records(first..next), "{image}");
    }
}

/// Writes what a crash left to a folder of its own.
pub(super) fn materialise(crash: &Crash, original: &Path, number: usize) -> std::path::PathBuf {
    let folder = Path::new(&format!("{}-{number}", original.display())).to_path_buf();
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("cursors")).unwrap();
    for (path, image) in crash {
        let path = folder.join(path.strip_prefix(original).unwrap());
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).unwrap();
        image.write_to(&file).unwrap();
    }
    folder
}

/// That each crash leaves what is allowed; that readers who look before a recovery see nothing that is not there after it; that
/// a recovery that is cut short gives what the whole one gives, and so does a second one.
fn check_all(crashes: Vec<Crash>, original: &Path, allowed: &Allowed, is_deep: bool) {
    for (number, crash) in crashes.iter().enumerate() {
        let folder = materialise(crash, original, number);
        images::opened();
        let has_journal = segments(&folder) > 0;
        let seen = has_journal.then(|| open_reader(&folder).view().limits().unwrap().next);
        let (recorder, recovered);
        {
            recorder = Recorder::new();
            for path in files(&folder) {
                recorder.adopt_as_it_is(&path, &File::open(&path).unwrap());
            }
            recorder.seed(number as u64);
            recorder.record_crashes();
            let _attached = is_deep.then(|| recorder.attach());
            let journal = open(&folder);
            recovered = journal.limits().unwrap();
            if has_journal || allowed.least > 0 {
                allowed.check(&journal, &format!("image {number}"));
            }
            check_rest(&journal);
            assert!(seen.is_none_or(|seen| seen <= recovered.1), "{seen:?} were seen, and {recovered:?} are left");
            if is_deep {
                let inner = Allowed { least: recovered.1, ends: vec![recovered.1], ..allowed.clone() };
                let inner = if has_journal { inner } else { allowed.clone() };
                let inside = recorder.take_crashes();
                drop(_attached);
                check_all(inside, &folder, &inner, false);
            }
            recorder.stop_after(0);
        }
        assert_eq!(open(&folder).limits().unwrap(), recovered);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

/// That nothing is left behind the last record, which a later one could end before.
fn check_rest(journal: &Journal) {
    let segment = journal.shelf().all().pop().unwrap();
    let end = segment.find(journal.limits().unwrap().1).unwrap();
    let mut rest = vec![0; (segment.header.size - end) as usize];
    segment.load(end, &mut rest).unwrap();
    assert!(rest.iter().all(|&byte| byte == 0), "a torn write is left behind");
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

/// A journal that does things at random, and what of it has to last.
struct Program {
    journal: Option<Journal>,
    random: Random,
    /// Sequences of records that were tried to be appended end here.
    next: u64,
    durable: u64,
    kept: u64,
    ends: Vec<u64>,
}

impl Program {
    fn new(folder: &Path, seed: u64) -> Self {
        let journal = Some(open(folder));
        Self { journal, random: Random::new(seed), next: 0, durable: 0, kept: 0, ends: vec![0] }
    }

    fn allowed(&self, before: (u64, u64)) -> Allowed {
        Allowed { first: before.0..=self.kept, least: before.1, ends: self.ends.clone() }
    }

    /// Does something. Returns what was kept and what was durable before.
    fn step(&mut self, folder: &Path) -> (u64, u64) {
        let before = (self.kept, self.durable);
        let journal = self.journal.clone().unwrap();
        match self.random.below(10) {
            0..=3 => self.append(&journal, true),
            4..=5 => self.append(&journal, false),
            6 => {
                let mut last = None;
                for _ in 0..self.random.below(4) + 1 {
                    let batch = self.batch();
                    last = Some(journal.enqueue(batch, None, true).unwrap().1);
                }
                last.unwrap().wait().unwrap();
                self.durable = self.next;
            }
            7 => {
                journal.flush().unwrap();
                self.durable = self.next;
            }
            8 => {
                let span = self.next - self.kept;
                self.kept += self.random.below(span + 1);
                journal.truncate_before(self.kept).unwrap();
                self.durable = self.next;
            }
            _ => {
                drop(journal);
                self.journal = None;
                self.journal = Some(open(folder));
                self.durable = self.next;
            }
        }
        before
    }

    /// Up to three records; most are large, so that segments are short.
    fn batch(&mut self) -> Vec<Vec<u8>> {
        let count = self.random.below(3) + 1;
        let batch = (self.next..self.next + count).map(record).collect();
        self.next += count;
        self.ends.push(self.next);
        batch
    }

    fn append(&mut self, journal: &Journal, durable: bool) {
        let batch = self.batch();
        let batch: Vec<&[u8]> = batch.iter().map(|record| &record[..]).collect();
        journal.append(&batch, None, durable).unwrap();
        if durable {
            self.durable = self.next;
        }
    }
}

fn recorded(folder: &Path, seed: u64) -> Arc<Recorder> {
    std::fs::create_dir_all(folder.join("cursors")).unwrap();
    let recorder = Recorder::new();
    recorder.seed(seed);
    recorder.record_crashes();
    recorder
}

#[test]
fn a_crash_at_any_step_leaves_what_was_acknowledged() {
    on_each_medium(|folder| {
        for seed in 1..=images::programs() {
            let folder = &folder.join(seed.to_string());
            let recorder = recorded(folder, seed);
            let _attached = recorder.attach();
            let mut program = Program::new(folder, seed);
            let creation = recorder.take_crashes();
            unattached(|| check_all(creation, folder, &program.allowed((0, 0)), true));
            for _ in 0..60 {
                let before = program.step(folder);
                let crashes = recorder.take_crashes();
                unattached(|| check_all(crashes, folder, &program.allowed(before), false));
            }
        }
    });
}

/// Does work whose files are not the recorder's.
fn unattached(work: impl FnOnce() + Send) {
    let is_pmem = forced::get();
    std::thread::scope(|scope| {
        let done = scope.spawn(|| {
            if let Some(is_pmem) = is_pmem {
                forced::pmem(is_pmem);
            }
            work();
        });
        if let Err(panic) = done.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn a_crash_within_recovery_changes_nothing() {
    on_each_medium(|folder| {
        for seed in 1..=images::programs() {
            let folder = &folder.join(seed.to_string());
            let recorder = recorded(folder, seed);
            let _attached = recorder.attach();
            let mut program = Program::new(folder, seed + 100);
            for round in 0..30 {
                let before = program.step(folder);
                let crashes = recorder.take_crashes();
                if round % 5 == 4 {
                    unattached(|| check_all(crashes, folder, &program.allowed(before), true));
                }
            }
        }
    });
}

#[test]
fn what_recovery_shows_after_a_kill_survives_a_power_cut() {
    on_each_medium(|folder| {
        for seed in 1..=images::programs() * 4 {
            let folder = &folder.join(seed.to_string());
            let recorder = recorded(folder, seed);
            let _attached = recorder.attach();
            let mut program = Program::new(folder, seed + 200);
            for _ in 0..seed % 12 + 3 {
                program.step(folder);
            }
            // Who was killed publishes nothing any more, either.
            let shown = std::fs::read(folder.join("tail")).unwrap();
            recorder.stop_after(recorder.steps() + (seed % 5) as usize);
            let journal = program.journal.clone().unwrap();
            let batch = program.batch();
            let batch: Vec<&[u8]> = batch.iter().map(|record| &record[..]).collect();
            let _ = journal.append(&batch, None, false);
            drop(journal);
            program.journal = None;
            let tail = OpenOptions::new().write(true).open(folder.join("tail")).unwrap();
            write_all_at(&tail, &shown, 0).unwrap();
            recorder.stop_after(usize::MAX);
            recorder.take_crashes();
            let journal = open(folder);
            let (first, next) = journal.limits().unwrap();
            assert_eq!(read(&journal), records(first..next));
            let within = recorder.take_crashes();
            unattached(|| check_all(within, folder, &program.allowed((0, program.durable)), false));
            program.kept = program.kept.max(first);
            let crashes = (0..20).map(|_| recorder.crash()).collect();
            let allowed = Allowed { first: first..=first, least: next, ends: vec![next] };
            unattached(|| check_all(crashes, folder, &allowed, false));
        }
    });
}

#[test]
fn what_recovery_shows_after_a_failed_flush_survives_a_power_cut() {
    on_each_medium(|folder| {
        for seed in 1..=images::programs() * 4 {
            let folder = &folder.join(seed.to_string());
            let recorder = recorded(folder, seed);
            let _attached = recorder.attach();
            let mut program = Program::new(folder, seed + 300);
            for _ in 0..seed % 12 + 3 {
                program.step(folder);
            }
            recorder.fail_sync(recorder.counts().barriers);
            let journal = program.journal.take().unwrap();
            let batch = program.batch();
            let batch: Vec<&[u8]> = batch.iter().map(|record| &record[..]).collect();
            match journal.append(&batch, None, true) {
                Ok(_) => continue,
                Err(error) => assert!(matches!(error, Error::Uncertain { .. } | Error::Os { .. }), "{error}"),
            }
            if journal.append(&[b"x"], None, true).is_ok() {
                continue;
            }
            assert!(matches!(journal.flush(), Err(Error::Uncertain { .. })));
            drop(journal);
            recorder.take_crashes();
            let journal = open(folder);
            let (first, next) = journal.limits().unwrap();
            assert!(next >= program.durable);
            assert_eq!(read(&journal), records(first..next));
            let within = recorder.take_crashes();
            unattached(|| check_all(within, folder, &program.allowed((0, program.durable)), false));
            let crashes = (0..20).map(|_| recorder.crash()).collect();
            let allowed = Allowed { first: first..=first, least: next, ends: vec![next] };
            unattached(|| check_all(crashes, folder, &allowed, false));
        }
    });
}

#[test]
fn what_a_reader_without_a_tail_saw_survives_a_power_cut() {
    forced::pmem(false);
    let folder = folder();
    let folder = &folder.path().join("journal");
    let recorder = recorded(folder, 1);
    let _attached = recorder.attach();
    let journal = open(folder);
    for number in 0..5 {
        journal.append(&[&record(number)], None, false).unwrap();
    }
    std::fs::remove_file(folder.join("tail")).unwrap();
    let seen = open_reader(folder).view().limits().unwrap().next;
    assert_eq!(seen, 5);
    let crashes = (0..30).map(|_| recorder.crash()).collect();
    let allowed = Allowed { first: 0..=0, least: 5, ends: vec![5] };
    unattached(|| check_all(crashes, folder, &allowed, false));
}

#[test]
fn a_roll_that_a_crash_cut_short_is_finished() {
    on_each_medium(|folder| {
        let mut halves = 0;
        for steps in 0..60 {
            let folder = &folder.join(steps.to_string());
            let recorder = recorded(folder, steps);
            let _attached = recorder.attach();
            let journal = open(folder);
            for number in 0..200 {
                journal.append(&[&record(number)], None, true).unwrap();
            }
            assert_eq!(segments(folder), 1);
            let shown = std::fs::read(folder.join("tail")).unwrap();
            recorder.stop_after(recorder.steps() + steps as usize);
            let large = vec![9; 30_000];
            let _ = journal.append(&[&large], None, true);
            drop(journal);
            recorder.stop_after(usize::MAX);
            let tail = OpenOptions::new().write(true).open(folder.join("tail")).unwrap();
            write_all_at(&tail, &shown, 0).unwrap();
            drop(open(folder));
            if segments(folder) == 1 {
                continue;
            }
            halves += 1;
            // A successor that was named, and is missing.
            std::fs::remove_file(chain::segment_paths(folder).unwrap().pop().unwrap()).unwrap();
            assert!(matches!(Journal::open(folder, &options()).map(|_| ()), Err(Error::Damaged { .. })), "{steps}");
        }
        assert!(halves > 0);
    });
}

#[test]
fn a_slot_that_was_not_made_durable_is_not_relied_on() {
    forced::pmem(false);
    let root = folder();
    for seed in 0..20 {
        let folder = &root.path().join(seed.to_string());
        let recorder = recorded(folder, seed);
        let _attached = recorder.attach();
        let journal = open(folder);
        for number in 0..5 {
            journal.append(&[&record(number)], None, true).unwrap();
        }
        // The slot that says that it was closed.
        recorder.fail_sync(recorder.counts().barriers);
        drop(journal);
        recorder.take_crashes();
        let journal = open(folder);
        journal.append(&[&record(5)], None, true).unwrap();
        let crashes = recorder.take_crashes();
        let allowed = Allowed { first: 0..=0, least: 5, ends: vec![5, 6] };
        unattached(|| check_all(crashes, folder, &allowed, false));
    }
}

#[test]
fn a_crash_while_a_torn_slot_is_passed_over_leaves_the_other_one() {
    on_each_medium(|folder| {
        let journal = open(folder);
        for number in 0..3 {
            journal.append(&[&record(number)], None, true).unwrap();
        }
        drop(journal);
        let path = chain::segment_paths(folder).unwrap().pop().unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        // Of the slot that says that it was closed, the checksum is not there.
        write_all_at(&file, &[0; 8], 2048 + 88).unwrap();
        let crash = Crash::from([(path, Image::of(&file))]);
        let allowed = Allowed { first: 0..=0, least: 3, ends: vec![3] };
        check_all(vec![crash; 40], folder, &allowed, true);
    });
}

/// What was acknowledged is there in each crash, and nothing that was rejected.
fn check_records(crashes: &[Crash], original: &Path, acknowledged: &[Vec<u8>], most: usize) {
    for (number, crash) in crashes.iter().enumerate() {
        let folder = materialise(crash, original, number);
        images::opened();
        let all: Vec<_> = read(&open(&folder)).into_iter().map(|(_, data)| data).collect();
        assert!(all.starts_with(acknowledged), "{} of {} records are left", all.len(), acknowledged.len());
        assert!(all.len() <= most, "a rejected record is there");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

/// A write or a sync of a roll that fails, and what is appended after it.
fn fail_in_roll(folder: &Path, filled: u64, number: usize, is_sync: bool) {
    let recorder = recorded(folder, number as u64);
    let _attached = recorder.attach();
    let mut journal = open(folder);
    let mut acknowledged: Vec<Vec<u8>> = (0..filled).map(record).collect();
    for record in &acknowledged {
        journal.append(&[record], None, true).unwrap();
    }
    let counts = recorder.counts();
    match is_sync {
        true => recorder.fail_sync(counts.barriers + number),
        false => recorder.fail_write(counts.writes + number),
    }
    // Longer than a segment, shorter than what is left of one, and longer than that.
    let mut uncertain = 0;
    for len in [300_000, 100, 8000, 64] {
        let data = vec![len as u8; len];
        match journal.append(&[&data], None, true) {
            Ok(sequence) => {
                assert_eq!(sequence, acknowledged.len() as u64);
                acknowledged.push(data);
            }
            Err(Error::Uncertain { .. }) => {
                uncertain = 1;
                break;
            }
            Err(error) => assert_eq!(error.code(), "ENOSPC"),
        }
    }
    recorder.fail_sync(usize::MAX);
    recorder.fail_write(usize::MAX);
    let check = |acknowledged: &[Vec<u8>], most| {
        let crashes: Vec<_> = (0..3).map(|_| recorder.crash()).collect();
        unattached(|| check_records(&crashes, folder, acknowledged, most));
    };
    check(&acknowledged, acknowledged.len() + uncertain);
    drop(journal);
    journal = open(folder);
    let all: Vec<_> = read(&journal).into_iter().map(|(_, data)| data).collect();
    assert!(all.starts_with(&acknowledged) && all.len() <= acknowledged.len() + uncertain);
    acknowledged = all;
    for number in 0..50 {
        journal.append(&[&record(number)], None, true).unwrap();
        acknowledged.push(record(number));
    }
    check(&acknowledged, acknowledged.len());
}

#[test]
fn whatever_fails_in_a_roll_loses_nothing() {
    on_each_medium(|folder| {
        // On persistent memory nothing tells of a fence that fails.
        let kinds: &[bool] = if forced::get() == Some(true) { &[false] } else { &[false, true] };
        for &is_sync in kinds {
            for filled in [0, 280] {
                for number in 0..14 {
                    println!("{filled} records, number {number}, a sync: {is_sync}");
                    let folder = folder.join(format!("{filled}-{number}-{is_sync}"));
                    fail_in_roll(&folder, filled, number, is_sync);
                }
            }
        }
    });
}

#[test]
fn a_journal_that_was_just_made_by_who_was_killed_survives_a_power_cut() {
    on_each_medium(|folder| {
        for steps in 0..20 {
            let folder = &folder.join(steps.to_string());
            let recorder = recorded(folder, steps);
            let _attached = recorder.attach();
            recorder.stop_after(steps as usize);
            drop(Journal::open(folder, &options()));
            recorder.stop_after(usize::MAX);
            let journal = open(folder);
            journal.append(&[&record(0)], None, true).unwrap();
            let crashes: Vec<_> = (0..10).map(|_| recorder.crash()).collect();
            unattached(|| check_records(&crashes, folder, &[record(0)], 1));
        }
    });
}

/// How many units of what is not durable are looked at in every combination.
const MOST_UNITS: usize = 8;

/// A journal of a few records, whose files and names are durable.
fn settled(folder: &Path, count: u64) -> (Arc<Recorder>, crate::os::seam::recorder::Attached, Journal) {
    let recorder = recorded(folder, 1);
    let attached = recorder.attach();
    let journal = open(folder);
    for number in 0..count {
        journal.append(&[&record(number)], None, true).unwrap();
    }
    crate::os::file::sync_folder(folder).unwrap();
    recorder.record_every_crash(MOST_UNITS);
    (recorder, attached, journal)
}

/// Each combination of what is not durable, at each step of `work`, leaves what is allowed.
fn check_every(folder: &Path, count: u64, allowed: &Allowed, work: impl FnOnce(Journal)) {
    let (recorder, _attached, journal) = settled(folder, count);
    work(journal);
    let crashes = recorder.take_crashes();
    assert!(!crashes.is_empty());
    unattached(|| check_all(crashes, folder, allowed, false));
}

#[test]
fn every_crash_of_a_few_steps_leaves_what_was_acknowledged() {
    on_each_medium(|folder| {
        let allowed = |ends: &[u64]| Allowed { first: 0..=0, least: 3, ends: ends.to_vec() };
        check_every(&folder.join("commit"), 3, &allowed(&[3, 4, 6]), |journal| {
            journal.append(&[&record(3)], None, true).unwrap();
            journal.append(&[&record(4), &record(5)], None, true).unwrap();
            std::mem::forget(journal.clone());
        });
        check_every(&folder.join("late"), 3, &allowed(&[3, 4, 6]), |journal| {
            journal.append(&[&record(3)], None, false).unwrap();
            journal.append(&[&record(4), &record(5)], None, false).unwrap();
            journal.flush().unwrap();
            std::mem::forget(journal.clone());
        });
        check_every(&folder.join("close"), 3, &allowed(&[3, 4]), |journal| {
            drop(journal);
            let journal = open(&folder.join("close"));
            journal.append(&[&record(3)], None, true).unwrap();
        });
        let truncated = Allowed { first: 0..=3, least: 3, ends: vec![3] };
        check_every(&folder.join("truncation"), 3, &truncated, |journal| {
            journal.truncate_before(2).unwrap();
            journal.truncate_before(3).unwrap();
        });
    });
}

/// So many records fill a segment, up to a few.
fn almost_full(folder: &Path) -> u64 {
    let journal = open(folder);
    let mut next = 0;
    while segments(folder) == 1 {
        journal.append(&[&record(next)], None, false).unwrap();
        next += 1;
    }
    next - 1
}

#[test]
fn every_crash_of_a_roll_leaves_what_was_acknowledged() {
    on_each_medium(|folder| {
        let count = almost_full(&folder.with_extension("trial"));
        let allowed = Allowed { first: 0..=0, least: count - 1, ends: vec![count - 1, count, count + 1] };
        check_every(&folder.join("roll"), count - 1, &allowed, |journal| {
            journal.append(&[&record(count - 1)], None, true).unwrap();
            journal.append(&[&record(count)], None, true).unwrap();
            std::mem::forget(journal.clone());
        });
        let allowed = Allowed { first: 0..=count + 1, least: count - 1, ends: vec![count - 1, count, count + 1] };
        check_every(&folder.join("truncation"), count - 1, &allowed, |journal| {
            journal.append(&[&record(count - 1)], None, false).unwrap();
            journal.append(&[&record(count)], None, false).unwrap();
            journal.truncate_before(count + 1).unwrap();
            std::mem::forget(journal.clone());
        });
    });
}

#[test]
fn every_crash_of_a_recovery_leaves_what_it_shows() {
    on_each_medium(|folder| {
        for steps in 0..4 {
            let folder = &folder.join(steps.to_string());
            let (recorder, _attached, journal) = settled(folder, 3);
            let shown = std::fs::read(folder.join("tail")).unwrap();
            recorder.stop_after(recorder.steps() + steps);
            let _ = journal.append(&[&record(3)], None, true);
            let _ = journal.append(&[&record(4), &record(5)], None, false);
            drop(journal);
            let tail = OpenOptions::new().write(true).open(folder.join("tail")).unwrap();
            write_all_at(&tail, &shown, 0).unwrap();
            recorder.stop_after(usize::MAX);
            recorder.take_crashes();
            let next = open_and_forget(folder);
            let allowed = Allowed { first: 0..=0, least: 3, ends: vec![3, 4, 6] };
            let crashes = recorder.take_crashes();
            assert!(crashes.len() > 10 && allowed.ends.contains(&next));
            unattached(|| check_all(crashes, folder, &allowed, false));
            // Once it has shown them, they last.
            let crashes = (0..20).map(|_| recorder.crash()).collect();
            let allowed = Allowed { first: 0..=0, least: next, ends: vec![next] };
            unattached(|| check_all(crashes, folder, &allowed, false));
        }
    });
}

/// What a recovery shows, of a process that is killed then.
fn open_and_forget(folder: &Path) -> u64 {
    let journal = open(folder);
    let next = journal.limits().unwrap().1;
    std::mem::forget(journal);
    next
}
