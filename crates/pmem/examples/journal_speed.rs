//! Times appends of 64 bytes to a journal in a folder given, or in `/dev/shm`: durable ones, and ones that are not.

use std::time::Instant;

use pmem::{Journal, JournalOptions};

const COUNT: u32 = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| "/dev/shm".to_owned());
    let folder = tempfile::tempdir_in(parent)?;
    let options = JournalOptions { max_bytes: Some(512 << 20), ..Default::default() };
    let journal = Journal::open(&folder.path().join("journal"), &options)?;
    let record = [2; 64];
    for round in 0..4 {
        for durable in [true, false] {
            let start = Instant::now();
            for _ in 0..COUNT {
                journal.append(&[&record], None, durable)?;
            }
            println!("round {round}, durable {durable}: {:?}", start.elapsed() / COUNT);
        }
    }
    Ok(())
}
