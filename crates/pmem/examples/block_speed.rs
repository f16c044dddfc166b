//! Compares the engines of block arrays: `PMEM_IS_PMEM_FORCE=1 cargo run --release --features pmdk --example block_speed --
//! /dev/shm`. The numbers are nanoseconds for each block, all threads together; the best of several rounds, which the
//! engines take turns at. Further arguments: how many blocks a round has, and among how many they are scattered.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pmem::{BlockArray, Engine, NewPool, OpenOptions};

const SIZE: u64 = 64 << 20;
const ENGINES: [Engine; 2] = [Engine::Pmdk, Engine::Rust];

#[derive(Clone, Copy)]
enum Work {
    Write,
    Read,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "/dev/shm".into()));
    let blocks: u64 = arguments.next().map_or(Ok(10_000), |count| count.parse())?;
    let among: u64 = arguments.next().map_or(Ok(20_000), |count| count.parse())?;
    // Few blocks are for slow files.
    let rounds = if blocks < 1000 { 5 } else { 60 };
    let engines = || ENGINES.into_iter().filter(|engine| Engine::named(engine.name()).is_ok());
    for (name, work, size) in [("write", Work::Write, 512), ("write", Work::Write, 4096), ("read", Work::Read, 512)] {
        for threads in [1, 2] {
            let mut line = format!("{name:5} {size:4} bytes, {threads} threads:");
            let arrays =
                engines().map(|engine| array(&folder, size, among, engine)).collect::<pmem::Result<Vec<_>>>()?;
            let mut best = vec![Duration::MAX; arrays.len()];
            for _ in 0..rounds {
                for (array, best) in arrays.iter().zip(&mut best) {
                    *best = time(array, work, threads, blocks, among)?.min(*best);
                }
            }
            for (engine, best) in engines().zip(best) {
                line += &format!("  {} {:7.1}", engine.name(), best.as_nanos() as f64 / (blocks * threads) as f64);
            }
            println!("{line}");
        }
    }
    for size in [SIZE, 1 << 30, 64 << 30] {
        let mut line = format!("open {:6} MiB:", size >> 20);
        for engine in engines() {
            line += &format!("  {} {:.1} us", engine.name(), opening(&folder, size, engine)?.as_nanos() as f64 / 1e3);
        }
        println!("{line}");
    }
    Ok(())
}

/// A new array without a name, whose blocks were all written.
fn array(folder: &Path, block_size: u32, among: u64, engine: Engine) -> pmem::Result<BlockArray> {
    let path = folder.join(format!("block_speed.{}", std::process::id()));
    let array = BlockArray::create(&path, block_size, &NewPool { size: SIZE, engine: Some(engine), ..new() })?;
    let _ = std::fs::remove_file(&path);
    let data = vec![1; block_size as usize];
    (0..array.block_count().min(among)).try_for_each(|index| array.write(index, &data))?;
    Ok(array)
}

fn new() -> NewPool {
    NewPool { mode: 0o600, ..NewPool::default() }
}

/// The time that `threads` take for `blocks` blocks each, at scattered indexes.
fn time(array: &BlockArray, work: Work, threads: u64, blocks: u64, among: u64) -> pmem::Result<Duration> {
    let start = Instant::now();
    std::thread::scope(|scope| {
        let running: Vec<_> =
            (0..threads).map(|seed| scope.spawn(move || run(array, work, seed + 1, blocks, among))).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    Ok(start.elapsed())
}

fn run(array: &BlockArray, work: Work, seed: u64, blocks: u64, among: u64) -> pmem::Result<()> {
    let mut data = vec![seed as u8; array.block_size()];
    let count = array.block_count().min(among);
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for _ in 0..blocks {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        match work {
            Work::Write => array.write(random % count, &data)?,
            Work::Read => array.read(random % count, &mut data)?,
        }
    }
    Ok(())
}

/// How long opening takes; the best of several rounds.
fn opening(folder: &Path, size: u64, engine: Engine) -> pmem::Result<Duration> {
    let path = folder.join(format!("block_speed.{}", std::process::id()));
    let array = BlockArray::create(&path, 512, &NewPool { size, sparse: true, engine: Some(Engine::Rust), ..new() })?;
    let data = [1; 512];
    let step = array.block_count() / 20;
    (0..20).try_for_each(|index| array.write(index * step, &data))?;
    drop(array);
    let mut best = Duration::MAX;
    for _ in 0..50 {
        let start = Instant::now();
        let array = BlockArray::open(&path, 0, OpenOptions { engine: Some(engine), readonly: false })?;
        best = best.min(start.elapsed());
        drop(array);
    }
    let _ = std::fs::remove_file(&path);
    Ok(best)
}
