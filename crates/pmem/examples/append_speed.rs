//! Times appends of 64 bytes by each engine, round after round: `cargo run --release --features pmdk --example append_speed
//! [folder]`, with `PMEM_IS_PMEM_FORCE=1` for what persistent memory would do.

use std::path::PathBuf;
use std::time::Instant;

use pmem::{Engine, Log, NewPool};

const APPENDS: u32 = 200_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "/dev/shm".into());
    for round in 0..7 {
        for name in ["pmdk", "rust"] {
            let path = PathBuf::from(&folder).join(format!("append-speed-{}.log", std::process::id()));
            let log = Log::create(
                &path,
                &NewPool { size: 64 << 20, mode: 0o600, sparse: false, engine: Engine::named(name)? },
            )?;
            let start = Instant::now();
            for _ in 0..APPENDS {
                log.append(&[&[7; 64]])?;
            }
            let nanoseconds = start.elapsed().as_nanos() / u128::from(APPENDS);
            println!("round {round}: {name} {nanoseconds} ns an append");
            drop(log);
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}
