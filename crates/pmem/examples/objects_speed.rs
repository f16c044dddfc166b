//! Times containers of 50,000 entries with values of 64 bytes: `PMEM_IS_PMEM_FORCE=1 cargo run --release --example objects_speed
//! [folder]`. Nanoseconds an operation, the best of several rounds; of the time that the thread had, where that is known.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use pmem::objects::{ObjectsOptions, Session};

const ENTRIES: u32 = 50_000;
const ROUNDS: usize = 5;
/// How many operations one transaction has where it has many.
const MANY: u32 = 1000;

const MAP: u8 = 1;
const SORTED: u8 = 3;
const ARRAY: u8 = 4;

type Error = Box<dyn std::error::Error>;

struct Bench {
    session: Session,
    batch: Vec<u8>,
    value: Vec<u8>,
    out: Vec<u8>,
}

fn text(text: &str, into: &mut Vec<u8>) {
    into.extend_from_slice(&[16, text.len() as u8]);
    into.extend_from_slice(text.as_bytes());
}

fn key(number: u32) -> [u8; 13] {
    let mut key = *b"\x10\x0bkey 0000000";
    let digits = format!("{:07}", number.wrapping_mul(7919) % 10_000_000);
    key[6..].copy_from_slice(digits.as_bytes());
    key
}

/// The time that this thread has had, or that has passed.
fn now() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let known = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let spent = known.and_then(|text| text.split(' ').next()?.parse().ok());
    spent.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

impl Bench {
    fn command(&mut self, code: u8, id: u64, parts: &[&[u8]]) {
        self.batch.push(code);
        self.batch.extend_from_slice(&id.to_le_bytes()[..7]);
        parts.iter().for_each(|part| self.batch.extend_from_slice(part));
    }

    fn apply(&mut self) -> Result<(), Error> {
        self.session.apply(&self.batch)?;
        self.batch.clear();
        Ok(())
    }

    fn make(&mut self, kind: u8, root: Option<u64>) -> Result<u64, Error> {
        let id = self.session.reserve_ids(1)?;
        let mut value = vec![7, kind];
        value.extend_from_slice(&id.to_le_bytes()[..7]);
        self.command(1, id, &[&[kind]]);
        match root {
            None => self.command(11, 0, &[&value]),
            Some(root) => self.command(3, root, &[&[4, id as u8, 0, 0, 0], &value]),
        }
        self.apply()?;
        Ok(id)
    }

    fn set(&mut self, id: u64, number: u32) -> Result<(), Error> {
        let value = std::mem::take(&mut self.value);
        self.command(3, id, &[&key(number), &value]);
        self.value = value;
        self.apply()
    }

    fn sorted(&mut self, id: u64, number: u32) -> Result<(), Error> {
        let value = std::mem::take(&mut self.value);
        self.command(7, id, &[&13u32.to_le_bytes(), &key(number), &value]);
        self.value = value;
        self.apply()
    }

    fn push(&mut self, id: u64, number: u32) -> Result<(), Error> {
        let value = std::mem::take(&mut self.value);
        self.command(10, id, &[&number.to_le_bytes(), &[0; 4], &1u32.to_le_bytes(), &value]);
        self.value = value;
        self.apply()
    }

    /// Does something for each number, in transactions of so many where it is more than one.
    fn each(&mut self, many: u32, work: impl Fn(&mut Self, u32) -> Result<(), Error>) -> Result<f64, Error> {
        let start = now();
        for number in 0..ENTRIES {
            if many > 1 && number % many == 0 {
                self.session.begin()?;
            }
            work(self, number)?;
            if many > 1 && number % many == many - 1 {
                self.session.commit()?;
            }
        }
        self.session.end_turn();
        Ok((now() - start).as_nanos() as f64 / f64::from(ENTRIES))
    }

    fn read(&mut self, read: impl Fn(&Session, u32, &mut Vec<u8>) -> pmem::Result<bool>) -> Result<f64, Error> {
        self.each(1, |bench, number| {
            bench.out.clear();
            let number = number.wrapping_mul(40_503) % ENTRIES;
            if read(&bench.session, number, &mut bench.out)? { Ok(()) } else { Err("it is missing".into()) }
        })
    }
}

fn round(path: &Path) -> Result<Vec<(&'static str, f64)>, Error> {
    let session = Session::open(path, &ObjectsOptions::default())?;
    let mut value = Vec::new();
    text(&"v".repeat(62), &mut value);
    let mut bench = Bench { session, batch: Vec::new(), value, out: Vec::new() };
    let root = bench.make(MAP, None)?;
    let [map, other, sorted, second, array, third] =
        [MAP, MAP, SORTED, SORTED, ARRAY, ARRAY].map(|kind| bench.make(kind, Some(root)));
    let (map, other, sorted, second, array, third) = (map?, other?, sorted?, second?, array?, third?);
    Ok(vec![
        ("map insert", bench.each(1, |bench, number| bench.set(map, number))?),
        ("map overwrite", bench.each(1, |bench, number| bench.set(map, number))?),
        ("map insert, many", bench.each(MANY, |bench, number| bench.set(other, number))?),
        ("map overwrite, many", bench.each(MANY, |bench, number| bench.set(other, number))?),
        ("map get", bench.read(|session, number, out| session.get(map, &key(number), out))?),
        ("sorted insert", bench.each(1, |bench, number| bench.sorted(sorted, number))?),
        ("sorted insert, many", bench.each(MANY, |bench, number| bench.sorted(second, number))?),
        ("sorted get", bench.read(|session, number, out| session.sorted_get(sorted, &key(number), out))?),
        ("array push", bench.each(1, |bench, number| bench.push(array, number))?),
        ("array push, many", bench.each(MANY, |bench, number| bench.push(third, number))?),
        ("array get", bench.read(|session, number, out| Ok(session.items(array, number.into(), 1, out)? == 1))?),
    ])
}

fn main() -> Result<(), Error> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "/dev/shm".into());
    let path = PathBuf::from(&folder).join(format!("objects-speed-{}.store", std::process::id()));
    let mut best: Vec<(&str, f64)> = Vec::new();
    for _ in 0..ROUNDS {
        let times = round(&path);
        std::fs::remove_file(&path)?;
        for (index, (name, time)) in times?.into_iter().enumerate() {
            match best.get_mut(index) {
                Some(known) => known.1 = known.1.min(time),
                None => best.push((name, time)),
            }
        }
    }
    best.iter().for_each(|(name, time)| println!("{name}: {time:.0} ns"));
    Ok(())
}
