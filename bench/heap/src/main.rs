//! Compares the crate's heap with other stores of byte keys and byte values: redb, LMDB and libpmemobj.
//!
//! ```sh
//! cargo run --release --manifest-path bench/heap/Cargo.toml -- --dir /dev/shm
//! cargo run --release --manifest-path bench/heap/Cargo.toml -- --dir /tmp --entries 1000000 --rounds 3
//! ```
//!
//! `node scripts/bench-heap.mjs --dir /dev/shm` does the same, and unpacks libpmemobj's development files first.
//!
//! | option | |
//! |---|---|
//! | `--dir DIR` | the folder for the stores' files: they get a folder in it, which is removed at the end. On tmpfs the process runs itself again with `PMEM_IS_PMEM_FORCE=1`, unless that is set |
//! | `--entries N` | entries that are loaded, 50,000 |
//! | `--rounds N` | rounds, 5 |
//! | `--seconds S` | how long a case may take a store in all rounds together, 3. Loading, scanning and opening take as long as they do |
//! | `--stores A,B` | only these stores |
//!
//! A key has 16 bytes, decimal digits in no order. A value has 64. Everything that is written is ready before the clock
//! starts, and all stores get the same, so that they have the same entries after each case; a scan of each checks that.
//!
//! A round makes all stores anew and takes them through all cases. Within a case the stores take turns, each round
//! beginning with another one, so that what disturbs the machine disturbs all of them. A figure of a round is the time of
//! all its operations divided by their number, so that what a store puts off and then does counts. A cell of the table has
//! the median of the rounds, and their minimum in parentheses, in nanoseconds.
//!
//! What each store does, and which settings it has, stands in its file: `redb.rs`, `lmdb.rs`, `pmemobj.rs`, `heap.rs`.
//! All run in one thread. Every write is durable when its call returns, by the store's own default: on tmpfs a sync
//! costs next to nothing, and the stores with cache-line flushing do that.
//!
//! libpmemobj is made for persistent memory: on a disk it syncs several times for each entry of a transaction, half a
//! millisecond each, so that 50,000 entries take it a minute a round. `--stores` leaves it out. Its pool, and so what it
//! opens and closes, is as large as the most that any store here needs.

mod heap;
mod lmdb;
#[cfg(pmemobj)]
mod pmemobj;
mod redb;
mod stores;

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, mem, process};

use stores::{Entry, Kind, Room, Store, kinds};

const KEY: usize = 16;
const VALUE: usize = 64;
const BATCH: usize = 1000;
/// The most that a round does of each.
const GETS: usize = 200_000;
const SETS: usize = 20_000;
const BATCHES: usize = 50;

const FORCE: &str = "PMEM_IS_PMEM_FORCE";
const TMPFS: i64 = 0x0102_1994;
const EXT4: i64 = 0xef53;

type Key = [u8; KEY];
type Pair = (Key, [u8; VALUE]);

#[derive(Clone, Copy)]
enum Case {
    Load,
    Disk,
    Get,
    GetMany,
    Overwrite,
    Insert,
    Batch,
    Scan,
    Close,
    Open,
    FirstGet,
    FirstSet,
}

impl Case {
    const ALL: [(Case, &str); 12] = [
        (Case::Load, "load, 1,000 in a transaction, per entry"),
        (Case::Get, "get, each in its own read transaction"),
        (Case::GetMany, "get, 1,000 in a read transaction"),
        (Case::Overwrite, "overwrite, own transaction"),
        (Case::Insert, "insert, own transaction"),
        (Case::Batch, "overwrite, 1,000 in a transaction, per entry"),
        (Case::Scan, "scan, per entry"),
        (Case::Close, "close"),
        (Case::Open, "open again"),
        (Case::FirstGet, "first get after that"),
        (Case::FirstSet, "first overwrite after that"),
        (Case::Disk, "*bytes of file after the load, per entry*"),
    ];
}

/// What the rounds gave: for each case, for each store.
struct Results(Vec<Vec<Vec<f64>>>);

impl Results {
    fn add(&mut self, case: Case, store: usize, value: f64) {
        self.0[case as usize][store].push(value);
    }
}

fn main() {
    let options = Options::parse();
    let kind_of_files = file_system(&options.dir);
    if kind_of_files == TMPFS && env::var_os(FORCE).is_none() {
        // libpmem looks before `main` starts.
        let this = env::current_exe().expect("the program has a path");
        panic!("{}", Command::new(this).args(env::args_os().skip(1)).env(FORCE, "1").exec());
    }
    let kinds = wanted(&options);
    let room = Room { entries: options.entries + SETS.min(options.entries) + BATCH, entry_bytes: KEY + VALUE };
    let folder = Folder::in_dir(&options.dir);
    let mut results = Results(vec![vec![Vec::new(); kinds.len()]; Case::ALL.len()]);
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        Round { options: &options, kinds: &kinds, room: &room, folder: &folder.0, round }.run(&mut results);
    }
    describe(&options, kind_of_files);
    print(&kinds, &results);
}

struct Options {
    dir: PathBuf,
    entries: usize,
    rounds: usize,
    seconds: f64,
    stores: Option<Vec<String>>,
}

impl Options {
    fn parse() -> Self {
        let mut options = Options { dir: PathBuf::new(), entries: 50_000, rounds: 5, seconds: 3.0, stores: None };
        let mut arguments = env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().unwrap_or_else(|| usage(&format!("{name} has no value")));
            let count = || value.replace(['_', ','], "").parse().ok().filter(|count| *count > 0);
            let wrong = || -> ! { usage(&format!("{name} {value} is not understood")) };
            match name.as_str() {
                "--dir" => options.dir = value.into(),
                "--entries" => options.entries = count().unwrap_or_else(|| wrong()),
                "--rounds" => options.rounds = count().unwrap_or_else(|| wrong()),
                "--seconds" => options.seconds = value.parse().unwrap_or_else(|_| wrong()),
                "--stores" => options.stores = Some(value.split(',').map(str::to_lowercase).collect()),
                _ => wrong(),
            }
        }
        if !options.dir.is_dir() {
            usage("--dir is not a folder");
        }
        options
    }

    /// How long a case may take a store in one round.
    fn budget(&self) -> Duration {
        Duration::from_secs_f64(self.seconds / self.rounds as f64)
    }
}

fn usage(problem: &str) -> ! {
    eprintln!("{problem}\nheap-bench --dir DIR [--entries N] [--rounds N] [--seconds S] [--stores NAME,...]");
    process::exit(2);
}

fn wanted(options: &Options) -> Vec<Kind> {
    if !cfg!(pmemobj) {
        eprintln!("libpmemobj is left out: its development files were not there at the build (scripts/bench-heap.mjs)");
    }
    let mut kinds = kinds();
    if let Some(names) = &options.stores {
        for name in names {
            if !kinds.iter().any(|kind| kind.name.eq_ignore_ascii_case(name)) {
                usage(&format!("There is no store {name} in this build"));
            }
        }
        kinds.retain(|kind| names.contains(&kind.name.to_lowercase()));
    }
    kinds
}

/// A folder for the stores' files, which goes with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn in_dir(dir: &Path) -> Self {
        let path = dir.join(format!("heap-bench-{}", process::id()));
        fs::create_dir(&path).expect("a folder for the stores can be made");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}

struct Round<'a> {
    options: &'a Options,
    kinds: &'a [Kind],
    room: &'a Room,
    folder: &'a Path,
    round: usize,
}

impl Round<'_> {
    fn run(&self, results: &mut Results) {
        let folders: Vec<PathBuf> = self.kinds.iter().map(|kind| self.folder.join(kind.name)).collect();
        let mut stores: Vec<Box<dyn Store>> = Vec::new();
        for (kind, folder) in self.kinds.iter().zip(&folders) {
            fs::create_dir(folder).expect("a store's folder can be made");
            stores.push((kind.create)(folder, self.room));
            assert_eq!(stores[stores.len() - 1].name(), kind.name);
        }
        let entries = self.options.entries;
        let budget = self.options.budget();
        let mut random = Random(self.round as u64);

        for i in self.turns() {
            results.add(Case::Load, i, load(&mut *stores[i], entries));
            results.add(Case::Disk, i, bytes_in(&folders[i]) as f64 / entries as f64);
        }
        let keys: Vec<Key> = (0..GETS).map(|_| key(random.below(entries))).collect();
        for i in self.turns() {
            results.add(Case::Get, i, gets(&*stores[i], &keys, budget));
        }
        for i in self.turns() {
            results.add(Case::GetMany, i, many_gets(&*stores[i], &keys, budget));
        }
        let overwrites: Vec<Pair> =
            (0..SETS.min(entries)).map(|_| pair(random.below(entries), random.next())).collect();
        for i in self.turns() {
            results.add(Case::Overwrite, i, sets(&mut *stores[i], &overwrites, budget));
        }
        let inserts: Vec<Pair> = (entries..).take(SETS.min(entries)).map(|i| pair(i, random.next())).collect();
        for i in self.turns() {
            results.add(Case::Insert, i, sets(&mut *stores[i], &inserts, budget));
        }
        let many: Vec<Pair> = (0..BATCHES * BATCH).map(|_| pair(random.below(entries), random.next())).collect();
        for i in self.turns() {
            results.add(Case::Batch, i, batches(&mut *stores[i], &many, budget));
        }
        let count = entries + inserts.len();
        let mut sums = Vec::new();
        for i in self.turns() {
            let (time, sum) = scan(&*stores[i], count);
            results.add(Case::Scan, i, time);
            sums.push(sum);
        }
        all_same(&sums);

        let mut closed: Vec<Option<Box<dyn Store>>> = stores.into_iter().map(Some).collect();
        let probe = key(random.below(entries));
        let last = pair(random.below(entries), random.next());
        sums.clear();
        for i in self.turns() {
            let store = closed[i].take().expect("each store has one turn");
            results.add(Case::Close, i, nanoseconds(|| store.close()).0);
            let (time, mut store) = nanoseconds(|| (self.kinds[i].open)(&folders[i], self.room));
            results.add(Case::Open, i, time);
            let (time, value) = nanoseconds(|| store.get(&probe));
            results.add(Case::FirstGet, i, time);
            assert_eq!(value, Some(VALUE), "{} has what was put in", store.name());
            results.add(Case::FirstSet, i, nanoseconds(|| store.set(&last.0, &last.1)).0);
            sums.push(scan(&*store, count).1);
            store.close();
        }
        all_same(&sums);
        for folder in folders {
            fs::remove_dir_all(folder).expect("a closed store's files can be removed");
        }
    }

    /// The stores, beginning with another one in each round.
    fn turns(&self) -> impl Iterator<Item = usize> + use<> {
        let (round, count) = (self.round, self.kinds.len());
        (0..count).map(move |i| (round + i) % count)
    }
}

fn load(store: &mut dyn Store, entries: usize) -> f64 {
    let mut total = 0.0;
    for start in (0..entries).step_by(BATCH) {
        let end = entries.min(start + BATCH);
        let batch: Vec<Pair> = (start..end).map(|i| pair(i, i as u64)).collect();
        total += nanoseconds(|| store.batch(&mut batch.iter().map(entry))).0;
    }
    total / entries as f64
}

fn gets(store: &dyn Store, keys: &[Key], budget: Duration) -> f64 {
    within(budget, keys, BATCH, |keys| {
        let found = keys.iter().filter(|key| store.get(*key) == Some(VALUE)).count();
        assert_eq!(found, keys.len(), "{} has all keys", store.name());
    })
    .0
}

fn many_gets(store: &dyn Store, keys: &[Key], budget: Duration) -> f64 {
    within(budget, keys, BATCH, |keys| {
        let found = store.get_many(&mut keys.iter().map(|key| key.as_slice()));
        assert_eq!(found, keys.len(), "{} has all keys", store.name());
    })
    .0
}

/// Each in its own transaction, as many as there is time for; then the others, so that all stores have the same.
fn sets(store: &mut dyn Store, pairs: &[Pair], budget: Duration) -> f64 {
    let (time, done) = within(budget, pairs, 8, |pairs| {
        for (key, value) in pairs {
            store.set(key, value);
        }
    });
    for rest in pairs[done..].chunks(BATCH) {
        store.batch(&mut rest.iter().map(entry));
    }
    time
}

fn batches(store: &mut dyn Store, pairs: &[Pair], budget: Duration) -> f64 {
    let (time, done) = within(budget, pairs, BATCH, |pairs| store.batch(&mut pairs.iter().map(entry)));
    for rest in pairs[done..].chunks(BATCH) {
        store.batch(&mut rest.iter().map(entry));
    }
    time
}

/// Several scans of a small store, one of a large one; the time of an entry, and the sum.
fn scan(store: &dyn Store, entries: usize) -> (f64, u64) {
    let (mut scanned, mut sum) = (0, 0);
    let start = Instant::now();
    while scanned == 0 || (start.elapsed() < Duration::from_millis(50) && scanned < 20 * entries) {
        let (count, this) = store.scan();
        assert_eq!(count, entries, "{} has all entries", store.name());
        scanned += count;
        sum = this;
    }
    (start.elapsed().as_nanos() as f64 / scanned as f64, sum)
}

fn all_same(sums: &[u64]) {
    assert!(sums.windows(2).all(|pair| pair[0] == pair[1]), "all stores have the same entries");
}

/// Gives `work` the items, `step` at a time, for as long as there is time; that of an item, and how many there were.
fn within<T>(budget: Duration, items: &[T], step: usize, mut work: impl FnMut(&[T])) -> (f64, usize) {
    let start = Instant::now();
    let mut done = 0;
    let mut elapsed = Duration::ZERO;
    for some in items.chunks(step) {
        work(some);
        done += some.len();
        elapsed = start.elapsed();
        if elapsed > budget {
            break;
        }
    }
    (elapsed.as_nanos() as f64 / done as f64, done)
}

fn nanoseconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_nanos() as f64, result)
}

fn entry(pair: &Pair) -> Entry<'_> {
    (&pair.0, &pair.1)
}

fn pair(index: usize, seed: u64) -> Pair {
    let mut random = Random(seed);
    let mut value = [0; VALUE];
    for word in value.chunks_exact_mut(mem::size_of::<u64>()) {
        word.copy_from_slice(&random.next().to_le_bytes());
    }
    (key(index), value)
}

/// Digits that tell nothing of the index, and are no other index's: each step can be undone among numbers of 53 bits,
/// which have at most 16 digits.
fn key(index: usize) -> Key {
    const MASK: u64 = (1 << 53) - 1;
    let mut number = index as u64 & MASK;
    for (shift, factor) in [(27, 0x9e37_79b9_7f4a_7c15), (29, 0xbf58_476d_1ce4_e5b9), (26, 0x94d0_49bb_1331_11eb)] {
        number = (number.wrapping_mul(factor) & MASK) ^ ((number.wrapping_mul(factor) & MASK) >> shift);
    }
    let mut digits = [b'0'; KEY];
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    digits
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).expect("a store's folder can be read");
    files.map(|file| file.and_then(|file| file.metadata()).map_or(0, |metadata| metadata.blocks() * 512)).sum()
}

fn file_system(dir: &Path) -> i64 {
    let path = CString::new(dir.as_os_str().as_bytes()).expect("the path has no zero");
    // SAFETY: all zeros are a value of this C structure.
    let mut found: libc::statfs = unsafe { mem::zeroed() };
    // SAFETY: the path ends in a zero, and the structure is there to be written.
    let result = unsafe { libc::statfs(path.as_ptr(), &raw mut found) };
    assert_eq!(result, 0, "the file system of {} is known", dir.display());
    found.f_type
}

fn describe(options: &Options, file_system: i64) {
    let name = match file_system {
        TMPFS => "tmpfs".to_owned(),
        EXT4 => "ext4".to_owned(),
        other => format!("file system {other:#x}"),
    };
    let forced = env::var(FORCE).map_or("unset".to_owned(), |value| value);
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = information.lines().find(|line| line.starts_with("model name"));
    let processor = line.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown processor");
    println!("{processor}; {} ({name}), {FORCE} {forced}", options.dir.display());
    println!(
        "{} entries, keys of {KEY} bytes, values of {VALUE}; nanoseconds, median of {} rounds (minimum)\n",
        grouped(options.entries as f64),
        options.rounds
    );
}

fn print(kinds: &[Kind], results: &Results) {
    let names: Vec<String> =
        kinds.iter().map(|kind| kind.name.to_owned() + if kind.ordered { "" } else { "¹" }).collect();
    println!("| | {} |\n|---|{}", names.join(" | "), "---:|".repeat(kinds.len()));
    for (case, name) in Case::ALL {
        let cells: Vec<String> = results.0[case as usize].iter().map(|values| cell(values)).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    if kinds.iter().any(|kind| !kind.ordered) {
        println!("\n¹ A hash map of fixed size: no order, no isolation, a pool that is allocated at once.");
    }
}

fn cell(values: &[f64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
    format!("{} ({})", grouped(median), grouped(sorted[0]))
}

/// A whole number with commas.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
