//! Orders of calls beside plain vectors and maps.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use pmem::{
    BlockArray, Engine, Error, Journal, JournalOptions, JournalPosition, JournalRead, Log, NewPool, OpenOptions, Ticket,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use crate::run::{folder, run};

/// Runs programs of steps, a program a seed. One that fails is printed, as short as it can be.
fn programs<S: std::fmt::Debug>(
    target: &str,
    few: u64,
    step: impl Fn() -> BoxedStrategy<S>,
    program: impl Fn(&Path, &[S]),
) {
    run(target, few, |seed| {
        let config = ProptestConfig {
            cases: 1,
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: None,
            max_shrink_iters: 1000,
            ..ProptestConfig::default()
        };
        let outcome = TestRunner::new(config).run(&vec(step(), 1..60), |steps| {
            program(folder().path(), &steps);
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
    });
}

/// The engines take turns where there are both.
fn other(engine: Engine) -> Engine {
    if cfg!(feature = "pmdk") && engine == Engine::Rust { Engine::Pmdk } else { Engine::Rust }
}

fn code(error: &Error) -> String {
    error.code().into_owned()
}

#[derive(Clone, Debug)]
enum LogStep {
    Append(Vec<Vec<u8>>),
    PutOff(Vec<Vec<u8>>),
    /// But for so many bytes.
    Fill(u64),
    Read(u64, usize),
    Rewind,
    Reopen,
    Readonly,
}

fn log_step() -> BoxedStrategy<LogStep> {
    let len = || prop_oneof![6 => 0..200usize, 1 => 0..300_000usize];
    let part = || (len(), any::<u8>()).prop_map(|(len, byte)| vec![byte; len]);
    prop_oneof![
        6 => vec(part(), 0..4).prop_map(LogStep::Append),
        3 => vec(part(), 0..8).prop_map(LogStep::PutOff),
        1 => (0..300u64).prop_map(LogStep::Fill),
        4 => (0..3_000_000u64, 0..5000usize).prop_map(|(offset, len)| LogStep::Read(offset, len)),
        1 => Just(LogStep::Rewind),
        2 => Just(LogStep::Reopen),
        1 => Just(LogStep::Readonly),
    ]
    .boxed()
}

struct LogProgram {
    path: PathBuf,
    engine: Engine,
    log: Option<Log>,
    model: Vec<u8>,
}

impl LogProgram {
    fn log(&self) -> &Log {
        self.log.as_ref().unwrap()
    }

    fn room(&self) -> usize {
        self.log().nbyte() as usize - self.model.len()
    }

    fn step(&mut self, step: &LogStep) {
        match step {
            LogStep::Append(parts) => {
                let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                let outcome = self.log().append(&parts);
                self.appended(&parts.concat(), outcome);
            }
            LogStep::PutOff(parts) => {
                let tickets: Vec<Ticket> = parts.iter().map(|part| self.log().enqueue(part.clone()).unwrap()).collect();
                tickets.iter().zip(parts).for_each(|(ticket, part)| self.appended(part, ticket.wait()));
            }
            LogStep::Fill(left) => {
                let data = vec![9; self.room().saturating_sub(*left as usize)];
                let outcome = self.log().append(&[&data]);
                self.appended(&data, outcome);
            }
            LogStep::Read(offset, len) => {
                let mut target = vec![0; *len];
                let count = self.log().read(*offset, &mut target).unwrap();
                let start = self.model.len().min(*offset as usize);
                assert!(target[..count] == self.model[start..self.model.len().min(start + len)]);
            }
            LogStep::Rewind => {
                self.log().rewind().unwrap();
                self.model.clear();
            }
            LogStep::Reopen => {
                self.log = None;
                self.engine = other(self.engine);
                let options = OpenOptions { engine: Some(self.engine), readonly: false };
                self.log = Some(Log::open(&self.path, options).unwrap());
            }
            LogStep::Readonly => {
                self.log = None;
                let log = Log::open(&self.path, OpenOptions { engine: None, readonly: true }).unwrap();
                assert_eq!(code(&log.append(&[b"x"]).unwrap_err()), "EROFS");
                assert_eq!(code(&log.rewind().unwrap_err()), "EROFS");
                self.look(&log);
                drop(log);
                assert_eq!(Log::check(&self.path), Ok(true));
                self.step(&LogStep::Reopen);
            }
        }
        assert_eq!(self.log().tell(), Ok(self.model.len() as u64));
    }

    fn appended(&mut self, data: &[u8], outcome: pmem::Result<()>) {
        // Nothing does not fit into a full log, or does: both engines say so.
        let fits = data.len() < self.room() || data.len() == self.room() && !data.is_empty();
        match outcome {
            Ok(()) if fits || data.is_empty() => self.model.extend_from_slice(data),
            Err(error) => assert!(!fits && code(&error) == "ENOSPC", "{error}"),
            Ok(()) => panic!("more than there is room for"),
        }
    }

    fn look(&self, log: &Log) {
        let mut content = vec![0; self.model.len() + 10];
        assert_eq!(log.read(0, &mut content), Ok(self.model.len()));
        assert!(content[..self.model.len()] == self.model);
    }
}

pub fn log_calls() {
    programs("log-calls", 40, log_step, |folder, steps| {
        let (path, engine) = (folder.join("log"), Engine::Rust);
        let new = NewPool { size: Log::MIN_POOL, mode: 0o600, sparse: true, engine: Some(engine) };
        let log = Some(Log::create(&path, &new).unwrap());
        let mut program = LogProgram { path, engine, log, model: Vec::new() };
        steps.iter().for_each(|step| program.step(step));
        program.look(program.log());
        program.step(&LogStep::Readonly);
    });
}

#[derive(Clone, Debug)]
enum BlockStep {
    Write(u64, u64, u8),
    PutOff(Vec<(u64, u8)>),
    Zero(u64),
    Error(u64),
    Read(u64, u64),
    Reopen,
    Readonly,
}

/// Few blocks, so that they are changed again and again; the last of these does not exist.
fn block_step() -> BoxedStrategy<BlockStep> {
    let index = || 0..8u64;
    prop_oneof![
        6 => (index(), 1..4u64, any::<u8>()).prop_map(|(index, count, byte)| BlockStep::Write(index, count, byte)),
        3 => vec((index(), any::<u8>()), 0..8).prop_map(BlockStep::PutOff),
        2 => index().prop_map(BlockStep::Zero),
        2 => index().prop_map(BlockStep::Error),
        4 => (index(), 0..4u64).prop_map(|(index, count)| BlockStep::Read(index, count)),
        2 => Just(BlockStep::Reopen),
        1 => Just(BlockStep::Readonly),
    ]
    .boxed()
}

const BLOCK: usize = 512;

fn do_exist(blocks: &BlockArray, first: u64, count: u64) -> bool {
    first < blocks.block_count() && first + count <= blocks.block_count()
}

struct BlockProgram {
    path: PathBuf,
    engine: Engine,
    blocks: Option<BlockArray>,
    /// What blocks read as; none where they fail.
    model: BTreeMap<u64, Option<u8>>,
}

impl BlockProgram {
    fn blocks(&self) -> &BlockArray {
        self.blocks.as_ref().unwrap()
    }

    /// The last steps' indexes are the array's last.
    fn index(&self, index: u64) -> u64 {
        if index < 4 { index } else { self.blocks().block_count() - 7 + index }
    }

    fn step(&mut self, step: &BlockStep) {
        match step {
            BlockStep::Write(index, count, byte) => {
                let (first, data) = (self.index(*index), vec![*byte; *count as usize * BLOCK]);
                let outcome = self.blocks().write(first, &data);
                self.changed(first, *count, Some(*byte), outcome);
            }
            BlockStep::PutOff(writes) => {
                let enqueue = |(index, byte): &(u64, u8)| self.blocks().enqueue(self.index(*index), vec![*byte; BLOCK]);
                let tickets: Vec<_> = writes.iter().map(enqueue).collect();
                for ((index, byte), ticket) in writes.iter().zip(tickets) {
                    let outcome = ticket.and_then(|ticket| ticket.wait());
                    self.changed(self.index(*index), 1, Some(*byte), outcome);
                }
            }
            BlockStep::Zero(index) => {
                let index = self.index(*index);
                let outcome = self.blocks().set_zero(index);
                self.changed(index, 1, Some(0), outcome);
            }
            BlockStep::Error(index) => {
                let index = self.index(*index);
                let outcome = self.blocks().set_error(index);
                self.changed(index, 1, None, outcome);
            }
            BlockStep::Read(index, count) => self.read(self.blocks(), self.index(*index), *count),
            BlockStep::Reopen => {
                self.blocks = None;
                self.engine = other(self.engine);
                let options = OpenOptions { engine: Some(self.engine), readonly: false };
                self.blocks = Some(BlockArray::open(&self.path, BLOCK as u32, options).unwrap());
            }
            BlockStep::Readonly => {
                let indexes: Vec<u64> = (0..7).map(|index| self.index(index)).collect();
                self.blocks = None;
                let blocks = BlockArray::open(&self.path, 0, OpenOptions { engine: None, readonly: true }).unwrap();
                assert_eq!(code(&blocks.write(0, &[1; BLOCK]).unwrap_err()), "EROFS");
                indexes.into_iter().for_each(|index| self.read(&blocks, index, 1));
                drop(blocks);
                assert_eq!(BlockArray::check(&self.path, 0), Ok(true));
                self.step(&BlockStep::Reopen);
            }
        }
    }

    fn exist(&self, first: u64, count: u64) -> bool {
        do_exist(self.blocks(), first, count)
    }

    fn changed(&mut self, first: u64, count: u64, byte: Option<u8>, outcome: pmem::Result<()>) {
        match outcome {
            Ok(()) if self.exist(first, count) => self.model.extend((first..first + count).map(|index| (index, byte))),
            Ok(()) => panic!("there are no such blocks"),
            Err(error) => assert!(!self.exist(first, count) && code(&error) == "ERR_OUT_OF_RANGE", "{error}"),
        }
    }

    fn read(&self, blocks: &BlockArray, first: u64, count: u64) {
        let mut target = vec![0xee; count as usize * BLOCK];
        let outcome = blocks.read(first, &mut target).map_err(|error| code(&error));
        if !do_exist(blocks, first, count) {
            assert_eq!(outcome, Err("ERR_OUT_OF_RANGE".to_owned()));
            return;
        }
        let held: Option<Vec<u8>> =
            (first..first + count).map(|index| *self.model.get(&index).unwrap_or(&Some(0))).collect();
        match held {
            Some(bytes) => {
                assert_eq!(outcome, Ok(()));
                assert!(target.chunks(BLOCK).zip(bytes).all(|(block, byte)| block.iter().all(|found| *found == byte)));
            }
            None => assert_eq!(outcome, Err("EIO".to_owned())),
        }
    }
}

pub fn block_calls() {
    programs("block-calls", 40, block_step, |folder, steps| {
        let (path, engine) = (folder.join("blocks"), Engine::Rust);
        let new = NewPool { size: BlockArray::MIN_POOL, mode: 0o600, sparse: true, engine: Some(engine) };
        let blocks = Some(BlockArray::create(&path, BLOCK as u32, &new).unwrap());
        let mut program = BlockProgram { path, engine, blocks, model: BTreeMap::new() };
        steps.iter().for_each(|step| program.step(step));
        program.step(&BlockStep::Readonly);
    });
}

#[derive(Clone, Debug)]
enum JournalStep {
    /// Records by their lengths, and whether they are durable.
    Append(Vec<usize>, bool),
    PutOff(Vec<usize>),
    /// An append that expects another sequence.
    Expect(u64),
    Truncate(u64),
    Read(u64),
    Commit(u8, u64, bool),
    Delete(u8),
    Flush,
    Reopen,
    Readonly,
}

fn journal_step() -> BoxedStrategy<JournalStep> {
    let batch = || vec(prop_oneof![8 => 0..300usize, 2 => 0..9000usize, 1 => 0..80_000usize], 0..6);
    prop_oneof![
        8 => (batch(), any::<bool>()).prop_map(|(batch, durable)| JournalStep::Append(batch, durable)),
        3 => batch().prop_map(JournalStep::PutOff),
        1 => (1..9u64).prop_map(JournalStep::Expect),
        2 => (0..80u64).prop_map(JournalStep::Truncate),
        3 => (0..80u64).prop_map(JournalStep::Read),
        3 => (0..3u8, 0..80u64, any::<bool>()).prop_map(|(name, position, force)| JournalStep::Commit(name, position, force)),
        1 => (0..3u8).prop_map(JournalStep::Delete),
        1 => Just(JournalStep::Flush),
        2 => Just(JournalStep::Reopen),
        2 => Just(JournalStep::Readonly),
    ]
    .boxed()
}

struct JournalProgram {
    folder: PathBuf,
    journal: Option<Journal>,
    /// The sequence of the first record, and the records from it on.
    first: u64,
    records: VecDeque<Vec<u8>>,
    /// The sequence behind what is durable for certain.
    durable: u64,
    cursors: BTreeMap<String, u64>,
}

impl JournalProgram {
    fn open(folder: &Path, readonly: bool) -> Journal {
        let options = JournalOptions { readonly, segment_size: 64 << 10, mode: 0o600, ..JournalOptions::default() };
        Journal::open(folder, &options).unwrap()
    }

    fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    fn next(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    /// Records that say their sequences.
    fn batch(&self, lens: &[usize]) -> Vec<Vec<u8>> {
        (self.next()..).zip(lens).map(|(sequence, len)| vec![sequence as u8 | 1; *len]).collect()
    }

    fn step(&mut self, step: &JournalStep) {
        match step {
            JournalStep::Append(lens, durable) => {
                let batch = self.batch(lens);
                let parts: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
                assert_eq!(self.journal().append(&parts, None, *durable), Ok(self.next()));
                self.records.extend(batch);
                if *durable {
                    self.durable = self.next();
                }
            }
            JournalStep::PutOff(lens) => {
                let mut tickets = Vec::new();
                for len in lens {
                    let batch = self.batch(&[*len, 5]);
                    let (sequence, ticket) = self.journal().enqueue(batch.clone(), Some(self.next()), true).unwrap();
                    assert_eq!(sequence, self.next());
                    self.records.extend(batch);
                    tickets.push(ticket);
                }
                assert!(tickets.iter().all(|ticket| ticket.wait().is_ok()));
                if !tickets.is_empty() {
                    self.durable = self.next();
                }
            }
            JournalStep::Expect(ahead) => {
                let refused = self.journal().append(&[b"x"], Some(self.next() + ahead), true).unwrap_err();
                assert_eq!(code(&refused), "ERR_PMEM_CONFLICT");
            }
            JournalStep::Truncate(sequence) => {
                self.flush();
                let outcome = self.journal().truncate_before(*sequence);
                if *sequence > self.next() {
                    assert_eq!(code(&outcome.unwrap_err()), "ERR_OUT_OF_RANGE");
                    return;
                }
                outcome.unwrap();
                let gone = sequence.saturating_sub(self.first);
                self.records.drain(..gone as usize);
                self.first += gone;
            }
            JournalStep::Read(sequence) => {
                self.flush();
                self.read(self.journal(), *sequence);
            }
            JournalStep::Commit(name, position, force) => self.commit(&name.to_string(), *position, *force),
            JournalStep::Delete(name) => {
                self.journal().delete_cursor(&name.to_string()).unwrap();
                self.cursors.remove(&name.to_string());
            }
            JournalStep::Flush => self.flush(),
            JournalStep::Reopen => {
                self.journal = None;
                self.journal = Some(Self::open(&self.folder, false));
            }
            JournalStep::Readonly => {
                self.journal = None;
                let journal = Self::open(&self.folder, true);
                assert_eq!(code(&journal.append(&[b"x"], None, true).unwrap_err()), "EROFS");
                self.look(&journal);
                drop(journal);
                let report = Journal::check(&self.folder).unwrap();
                assert!(report.damage.is_empty() && report.torn == 0, "{report:?}");
                self.journal = Some(Self::open(&self.folder, false));
            }
        }
        if matches!(step, JournalStep::Reopen | JournalStep::Readonly) {
            self.durable = self.next();
        }
        let (first, next) = self.journal().limits().unwrap();
        assert!(first == self.first && (self.durable..=self.next()).contains(&next), "{first} {next}");
    }

    fn flush(&mut self) {
        self.journal().flush().unwrap();
        self.durable = self.next();
    }

    fn commit(&mut self, name: &str, position: u64, force: bool) {
        self.flush();
        let outcome = self.journal().commit_cursor(name, position, force);
        if position > self.next() {
            assert_eq!(code(&outcome.unwrap_err()), "ERR_OUT_OF_RANGE");
            return;
        }
        let before = self.cursors.get(name).copied().filter(|before| !force && *before > position);
        let position = before.unwrap_or(position);
        assert_eq!(outcome, Ok(position));
        self.cursors.insert(name.to_owned(), position);
    }

    /// All from a sequence on.
    fn read(&self, journal: &Journal, sequence: u64) {
        let (mut position, mut target) = (JournalPosition { sequence, ..JournalPosition::default() }, vec![0; 4096]);
        let mut expected = (self.first..).zip(&self.records).skip(sequence.saturating_sub(self.first) as usize);
        loop {
            match journal.read(&mut position, false, &mut target) {
                Ok(JournalRead::Frames(0)) => break,
                Ok(JournalRead::Needs(len)) => target.resize(len, 0),
                Ok(JournalRead::Frames(len)) => compare(&target[..len], &mut expected),
                Err(error) => {
                    assert!(sequence < self.first && code(&error) == "ERR_PMEM_GAP", "{error}");
                    return;
                }
            }
        }
        assert!(sequence >= self.first && expected.next().is_none());
    }

    fn look(&self, journal: &Journal) {
        self.read(journal, self.first);
        assert_eq!(journal.cursors(), Ok(self.cursors.keys().cloned().collect()));
        for (name, position) in &self.cursors {
            assert_eq!(journal.cursor(name), Ok(Some(*position)));
        }
    }
}

/// That frames are the records that come next.
fn compare<'a>(mut frames: &[u8], expected: &mut impl Iterator<Item = (u64, &'a Vec<u8>)>) {
    while !frames.is_empty() {
        let len = u32::from_le_bytes(frames[..4].try_into().unwrap()) as usize;
        let sequence = u64::from_le_bytes(frames[8..16].try_into().unwrap());
        let (wanted, record) = expected.next().expect("a record");
        assert!(sequence == wanted && frames[32..len] == record[..], "record {wanted}");
        frames = &frames[len.next_multiple_of(8)..];
    }
}

pub fn journal_calls() {
    programs("journal-calls", 40, journal_step, |folder, steps| {
        let folder = folder.join("journal");
        let journal = Some(JournalProgram::open(&folder, false));
        let (records, cursors) = (VecDeque::new(), BTreeMap::new());
        let mut program = JournalProgram { folder, journal, first: 0, records, durable: 0, cursors };
        steps.iter().for_each(|step| program.step(step));
        program.step(&JournalStep::Readonly);
    });
}
