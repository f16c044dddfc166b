//! Random programs beside a map of Rust's.

use std::cell::Cell;
use std::fs::File;
use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use super::crashes::materialise;
use super::*;
use crate::os::seam::recorder::{Random, Recorder};

/// Keys of few prefixes, so that they are found again, some of them long.
pub(super) fn key(random: &mut Random) -> Vec<u8> {
    let number = random.below(400);
    match random.below(20) {
        0 => [&[b'k'; 300][..], &(number % 20).to_be_bytes()].concat(),
        1 => vec![b'k'; (number % 70) as usize],
        2..=5 => format!("{number}").into_bytes(),
        6..=10 => [b"common prefix of some length ".as_slice(), &number.to_be_bytes()].concat(),
        _ => number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec(),
    }
}

pub(super) fn value(random: &mut Random) -> Vec<u8> {
    let len = match random.below(40) {
        0 => 700 + random.below(3000),
        1..=4 => random.below(200),
        _ => random.below(40),
    };
    (0..len).map(|_| random.below(256) as u8).collect()
}

/// Changes at random, in both.
pub(super) fn change(transaction: &mut Transaction, model: &mut Model, random: &mut Random, removes: u64) {
    try_change(transaction, model, random, removes).unwrap();
}

/// As `change`, where that may fail: then nothing is changed.
pub(super) fn try_change(
    transaction: &mut Transaction,
    model: &mut Model,
    random: &mut Random,
    removes: u64,
) -> Result<()> {
    let key = key(random);
    if random.below(10) < removes {
        assert_eq!(transaction.remove(&key)?, model.remove(&key).is_some());
    } else {
        let value = value(random);
        transaction.set(&key, &value)?;
        model.insert(key, value);
    }
    Ok(())
}

/// A key, by its number: those of near numbers are of several kinds, some long.
fn numbered(number: u16) -> Vec<u8> {
    match number % 8 {
        0 => [&[b'k'; 300][..], &number.to_be_bytes()].concat(),
        1 => vec![b'k'; usize::from(number % 70)],
        2 | 3 => format!("{number}").into_bytes(),
        4 | 5 => [b"common prefix of some length ".as_slice(), &number.to_be_bytes()].concat(),
        _ => u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec(),
    }
}

/// A step of a transaction.
#[derive(Clone, Debug)]
enum Change {
    /// A key's number, and its value's length and bytes.
    Set(u16, usize, u8),
    Remove(u16),
    /// So many keys from a number on get a value of this length.
    Fill(u16, u16, usize),
    /// So many keys from a number on go.
    Clear(u16, u16),
    /// Entries from a key on, or from the first or the last one.
    Range(Option<u16>, bool),
    /// These are taken back, or not.
    Nested(Vec<Change>, bool),
}

#[derive(Clone, Copy, Debug)]
enum End {
    Commit,
    Drop,
    /// Something fails, and it is dropped for that.
    Error,
}

#[derive(Clone, Debug)]
enum Step {
    Transaction(Vec<Change>, End),
    Range(Option<u16>, bool),
    Snapshot,
    /// A snapshot, by its number, is as it was, and goes.
    Release(usize),
    Checkpoint,
    Reopen,
    /// The power fails.
    Cut,
    /// There is a second handle, or none any more: transactions change the tree in place, or copies of its nodes.
    Handle(bool),
}

fn change_strategy() -> impl Strategy<Value = Change> {
    let number = || 0..600u16;
    let len = || prop_oneof![20 => 0..40usize, 4 => 40..200usize, 2 => 700..4000usize];
    let single = prop_oneof![
        12 => (number(), len(), any::<u8>()).prop_map(|(key, len, byte)| Change::Set(key, len, byte)),
        1 => (number(), 30_000..70_000usize, any::<u8>()).prop_map(|(key, len, byte)| Change::Set(key, len, byte)),
        6 => number().prop_map(Change::Remove),
        4 => (number(), 0..24u16, 0..150usize).prop_map(|(from, count, len)| Change::Fill(from, count, len)),
        2 => (number(), 0..400u16, 0..80usize).prop_map(|(from, count, len)| Change::Fill(from, count, len)),
        2 => (number(), 0..500u16).prop_map(|(from, count)| Change::Clear(from, count)),
        2 => (proptest::option::of(number()), any::<bool>()).prop_map(|(from, reverse)| Change::Range(from, reverse)),
    ];
    single.prop_recursive(3, 12, 6, |inner| {
        (vec(inner, 0..6), any::<bool>()).prop_map(|(changes, is_back)| Change::Nested(changes, is_back))
    })
}

fn step_strategy() -> impl Strategy<Value = Step> {
    let end = prop_oneof![6 => Just(End::Commit), 1 => Just(End::Drop), 1 => Just(End::Error)];
    prop_oneof![
        12 => (vec(change_strategy(), 0..8), end).prop_map(|(changes, end)| Step::Transaction(changes, end)),
        2 => (proptest::option::of(0..600u16), any::<bool>()).prop_map(|(from, reverse)| Step::Range(from, reverse)),
        2 => Just(Step::Snapshot),
        2 => (0..3usize).prop_map(Step::Release),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        1 => Just(Step::Cut),
        1 => any::<bool>().prop_map(Step::Handle),
    ]
}

/// What all programs together came to.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    depth: u64,
    /// How often nodes became fewer while entries stayed.
    joined: u64,
    /// Values and keys in runs, and in runs of several pieces.
    runs: u64,
    long_runs: u64,
    /// How often the log's ring came to its end.
    laps: u64,
    /// Transactions too large for the log.
    large: u64,
    rollbacks: u64,
    cuts: u64,
    snapshots: u64,
}

/// A program that runs.
struct Program<'c> {
    path: PathBuf,
    recorder: Arc<Recorder>,
    /// None for a moment, while it is opened again.
    heap: Option<Heap>,
    second: Option<Heap>,
    model: Model,
    snapshots: Vec<(View, Model)>,
    nodes: u64,
    counters: &'c Cell<Counters>,
}

impl Program<'_> {
    fn heap(&self) -> &Heap {
        self.heap.as_ref().expect("it is open")
    }

    fn note(&self, note: impl FnOnce(&mut Counters)) {
        let mut counters = self.counters.get();
        note(&mut counters);
        self.counters.set(counters);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Transaction(changes, end) => self.transaction(changes, *end),
            Step::Range(from, reverse) => {
                let from = from.map(numbered);
                let view = self.heap().view().unwrap();
                compare(view.entries(from.as_deref(), *reverse).unwrap(), &self.model, from.as_deref(), *reverse);
            }
            Step::Snapshot => self.snapshots.push((self.heap().view().unwrap(), self.model.clone())),
            Step::Release(number) if *number < self.snapshots.len() => self.release(*number),
            Step::Release(_) => {}
            Step::Checkpoint => self.heap().checkpoint().unwrap(),
            Step::Reopen => self.reopen(self.path.clone()),
            Step::Cut => self.cut(),
            Step::Handle(true) => self.second.clone_from(&self.heap),
            Step::Handle(false) => self.second = None,
        }
        self.look();
    }

    fn release(&mut self, number: usize) {
        let (view, model) = self.snapshots.swap_remove(number);
        assert_eq!(contents(&view), model, "a snapshot");
        self.note(|counters| counters.snapshots += 1);
    }

    fn transaction(&mut self, changes: &[Change], end: End) {
        let (before, position) = (self.model.clone(), self.position());
        let mut transaction = self.heap().begin().unwrap();
        for change in changes {
            apply(&mut transaction, &mut self.model, change, self.counters);
        }
        assert_eq!(transaction.len(), self.model.len() as u64);
        match end {
            End::Commit => transaction.commit().unwrap(),
            End::Drop => drop(transaction),
            End::Error => {
                let key = vec![0; MOST_KEY + 1];
                assert!(matches!(transaction.set(&key, b""), Err(Error::OutOfRange { .. })));
                drop(transaction);
            }
        }
        if !matches!(end, End::Commit) {
            self.model = before;
            return;
        }
        let (now, len) = (self.position(), options().geometry.unwrap().log_len);
        let bytes: usize = changes.iter().map(size_of_change).sum();
        self.note(|counters| {
            counters.laps += now / len - position / len;
            counters.large += u64::from(bytes as u64 > len / 4 && now - position < len / 4);
        });
    }

    /// The log's end.
    fn position(&self) -> u64 {
        let writer = self.heap().inner.take().unwrap();
        let position = writer.position;
        self.heap().inner.put_back(writer);
        position
    }

    fn reopen(&mut self, path: PathBuf) {
        while !self.snapshots.is_empty() {
            self.release(0);
        }
        (self.heap, self.second) = (None, None);
        self.heap = Some(Heap::open(&path, &options()).unwrap());
        self.path = path;
    }

    /// Goes on with what a power cut leaves.
    fn cut(&mut self) {
        let copy = materialise(&self.recorder.crash(), &self.path, 0).unwrap();
        self.recorder.adopt_as_it_is(&copy, &File::open(&copy).unwrap());
        self.reopen(copy);
        self.note(|counters| counters.cuts += 1);
    }

    fn look(&mut self) {
        assert_eq!(contents(&self.heap().view().unwrap()), self.model);
        let report = check(self.heap());
        let (most, is_joined) = (64 * 512, report.nodes < self.nodes && report.entries > 100);
        let long = self.model.values().filter(|value| value.len() > most).count() as u64;
        self.nodes = report.nodes;
        self.note(|counters| {
            counters.depth = counters.depth.max(report.depth);
            counters.joined += u64::from(is_joined);
            counters.runs = counters.runs.max(report.runs);
            counters.long_runs = counters.long_runs.max(long);
        });
    }
}

/// How many bytes of the log a change takes, or somewhat less.
fn size_of_change(change: &Change) -> usize {
    match change {
        Change::Set(key, len, _) => numbered(*key).len() + len,
        Change::Fill(_, count, len) => usize::from(*count) * (len + 8),
        _ => 0,
    }
}

fn apply(transaction: &mut Transaction, model: &mut Model, change: &Change, counters: &Cell<Counters>) {
    match change {
        Change::Set(key, len, byte) => set_both(transaction, model, *key, *len, *byte),
        Change::Remove(key) => remove_both(transaction, model, *key),
        Change::Fill(from, count, len) => {
            (*from..from + count).for_each(|key| set_both(transaction, model, key, *len, key as u8));
        }
        Change::Clear(from, count) => (*from..from + count).for_each(|key| remove_both(transaction, model, key)),
        Change::Range(from, reverse) => {
            let from = from.map(numbered);
            compare(transaction.entries(from.as_deref(), *reverse).unwrap(), model, from.as_deref(), *reverse);
        }
        Change::Nested(changes, is_back) => {
            let (savepoint, saved) = (transaction.savepoint(), model.clone());
            changes.iter().for_each(|change| apply(transaction, model, change, counters));
            if *is_back {
                transaction.rollback_to(savepoint).unwrap();
                *model = saved;
                counters.set(Counters { rollbacks: counters.get().rollbacks + 1, ..counters.get() });
            }
        }
    }
}

fn set_both(transaction: &mut Transaction, model: &mut Model, key: u16, len: usize, byte: u8) {
    let (key, value) = (numbered(key), vec![byte; len]);
    transaction.set(&key, &value).unwrap();
    assert_eq!(transaction.get(&key).unwrap().as_deref(), Some(&value[..]));
    model.insert(key, value);
}

fn remove_both(transaction: &mut Transaction, model: &mut Model, key: u16) {
    let key = numbered(key);
    assert_eq!(transaction.remove(&key).unwrap(), model.remove(&key).is_some());
    assert_eq!(transaction.get(&key).unwrap(), None);
}

/// That a cursor gives what a map has, from a key on.
fn compare(mut cursor: Cursor<'_>, model: &Model, from: Option<&[u8]>, reverse: bool) {
    let from = from.map(<[u8]>::to_vec);
    let expected: Vec<_> = match (from, reverse) {
        (None, false) => model.iter().collect(),
        (None, true) => model.iter().rev().collect(),
        (Some(from), false) => model.range(from..).collect(),
        (Some(from), true) => model.range(..=from).rev().collect(),
    };
    for (key, value) in expected {
        let (found, has) = cursor.next().unwrap().expect("an entry");
        assert_eq!((found, &*has), (&key[..], &value[..]));
    }
    assert!(cursor.next().unwrap().is_none());
}

fn run(path: &Path, steps: &[Step], counters: &Cell<Counters>) {
    let recorder = Recorder::new();
    let _attached = recorder.attach();
    let heap = Some(Heap::open(path, &options()).unwrap());
    let (second, snapshots) = (None, Vec::new());
    let (path, model, recorder) = (path.to_path_buf(), Model::new(), Arc::clone(&recorder));
    let mut program = Program { path, recorder, heap, second, model, snapshots, nodes: 0, counters };
    steps.iter().for_each(|step| program.step(step));
    program.step(&Step::Reopen);
}

/// The same programs each time, unless `PROPTEST_RNG_SEED` says otherwise; `PROPTEST_CASES` is how many. One that fails is printed,
/// as short as it can be, to be made a test of its own: no file keeps it.
fn config() -> ProptestConfig {
    let chosen = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { chosen.cases } else { 20 };
    let rng_seed = if chosen.rng_seed == RngSeed::Random { RngSeed::Fixed(1) } else { chosen.rng_seed };
    ProptestConfig { cases, rng_seed, failure_persistence: None, max_shrink_iters: 2000, ..chosen }
}

// A second store as another oracle would tell nothing: what one promises here is what a map does, in the order of bytes.
#[test]
fn a_store_is_what_a_map_is() {
    on_each_medium(|folder| {
        let (counters, number) = (Cell::new(Counters::default()), Cell::new(0));
        let programs = vec(step_strategy(), 1..150);
        let outcome = TestRunner::new(config()).run(&programs, |steps| {
            number.set(number.get() + 1);
            let folder = tempfile::tempdir_in(folder).unwrap();
            run(&folder.path().join(format!("{}.store", number.get())), &steps, &counters);
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
        let counters = counters.get();
        println!("{counters:?}");
        let Counters { depth, joined, runs, long_runs, laps, large, rollbacks, cuts, snapshots } = counters;
        assert!(depth >= 3 && runs > 10 && long_runs > 0 && laps > 3, "{counters:?}");
        let often = [joined, large, rollbacks, cuts, snapshots];
        assert!(often.into_iter().all(|count| count > 10), "{counters:?}");
    });
}
