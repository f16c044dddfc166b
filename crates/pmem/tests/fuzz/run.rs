//! Cases by their seeds: some that are always the same and some of the day, or as many as time allows.
//!
//! `PMEM_FUZZ_SEED` is the first seed, `PMEM_FUZZ_SECONDS` how long cases are tried, or `PMEM_FUZZ_COUNT` how many.
//! `PMEM_FUZZ_CASE` names a file that has the seed of the case under way, for when the process does not live to tell it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::abort;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, setrlimit};

/// What a process may allocate, in bytes: no case has a file of the size.
const MEMORY: u64 = 1 << 30;

/// A case that takes so long does not end.
const SECONDS: u64 = 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap_or_else(|_| panic!("{name} is no number: {number}")))
}

/// Each day has seeds of its own.
fn of_today() -> u64 {
    let days = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 86_400;
    days << 20
}

/// Tries a target's cases, of which `few` are enough among other tests.
pub fn run(target: &str, few: u64, case: impl Fn(u64)) {
    static LIMITED: Once = Once::new();
    LIMITED.call_once(|| setrlimit(Resource::RLIMIT_DATA, MEMORY, MEMORY).unwrap());
    let cases = Cases::new(target);
    if let Some(seed) = number("PMEM_FUZZ_SEED") {
        let end = Instant::now() + Duration::from_secs(number("PMEM_FUZZ_SECONDS").unwrap_or(u64::MAX >> 32));
        let most = number("PMEM_FUZZ_COUNT").unwrap_or(u64::MAX - seed);
        let tried = (0..most).take_while(|_| Instant::now() < end).map(|index| cases.run(seed + index, &case));
        println!("{target}: {} cases from seed {seed} on", tried.count());
        return;
    }
    kept_seeds(target).into_iter().for_each(|seed| cases.run(seed, &case));
    let today = of_today();
    println!("{target}: {few} cases from seed 0 on, and as many from seed {today} on");
    (0..few).chain(today..today + few).for_each(|seed| cases.run(seed, &case));
}

/// Seeds that found something before.
fn kept_seeds(target: &str) -> Vec<u64> {
    let kept = std::fs::read_to_string(corpus(target).join("seeds")).unwrap_or_default();
    kept.lines().map(|seed| seed.parse().unwrap()).collect()
}

struct Cases {
    target: String,
    /// Where the seed of the case under way is written.
    note: Option<File>,
    /// How many cases have begun and ended.
    progress: Arc<AtomicU64>,
}

impl Cases {
    fn new(target: &str) -> Self {
        let note = std::env::var_os("PMEM_FUZZ_CASE").map(|path| File::create(path).unwrap());
        let progress = Arc::new(AtomicU64::new(0));
        let (watched, name) = (Arc::downgrade(&progress), target.to_owned());
        std::thread::spawn(move || {
            let mut last = (u64::MAX, 0);
            while let Some(progress) = watched.upgrade() {
                let now = progress.load(Ordering::Relaxed);
                last = if now == last.0 { (now, last.1 + 1) } else { (now, 0) };
                if last.1 > SECONDS {
                    eprintln!("{name}: a case does not end");
                    abort();
                }
                drop(progress);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        Self { target: target.to_owned(), note, progress }
    }

    fn run(&self, seed: u64, case: impl Fn(u64)) {
        self.progress.fetch_add(1, Ordering::Relaxed);
        if let Some(note) = &self.note {
            note.write_all_at(format!("{seed:<20}").as_bytes(), 0).unwrap();
        }
        if catch_unwind(AssertUnwindSafe(|| case(seed))).is_err() {
            let target = &self.target;
            panic!(
                "{target}: seed {seed} failed; `npm run fuzz -- --target {target} --seed {seed} --count 1` has it again"
            );
        }
    }
}

/// Where a target's inputs are kept.
pub fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target)
}

/// A folder in memory.
pub fn folder() -> tempfile::TempDir {
    let parent = std::env::var("PMEM_TEST_DIR").unwrap_or_else(|_| "/dev/shm".to_owned());
    if Path::new(&parent).is_dir() { tempfile::tempdir_in(parent) } else { tempfile::tempdir() }.unwrap()
}
