//! How long operations on containers take: `cargo run --release -p pmem --example objects_speed -- FILE [OPERATION]`. With
//! `PMEM_IS_PMEM_FORCE=1` for a file that counts as persistent memory.

use std::time::Instant;

use pmem::objects::{ObjectsOptions, Session};

const ENTRIES: u64 = 50_000;
const VALUE: [u8; 64] = [b'x'; 64];

fn text(bytes: &[u8]) -> Vec<u8> {
    [&[16, bytes.len() as u8], bytes].concat()
}

fn key(number: u64) -> Vec<u8> {
    format!("key {number:08}").into_bytes()
}

fn command(code: u8, id: u64, operands: &[&[u8]]) -> Vec<u8> {
    [&[&[code], &id.to_le_bytes()[..7]].concat()[..], &operands.concat()].concat()
}

fn named(kind: u8, id: u64) -> Vec<u8> {
    [&[7, kind], &id.to_le_bytes()[..7]].concat()
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes(), bytes].concat()
}

/// In no order, and each once.
fn shuffled(index: u64) -> u64 {
    index * 7919 % ENTRIES
}

fn measure(
    name: &str,
    wanted: Option<&str>,
    count: u64,
    mut work: impl FnMut(u64) -> pmem::Result<()>,
) -> pmem::Result<()> {
    if wanted.is_some_and(|wanted| wanted != name) {
        return Ok(());
    }
    for _ in 0..3 {
        let start = Instant::now();
        for index in 0..count {
            work(index)?;
        }
        println!("{name}: {} ns", start.elapsed().as_nanos() as u64 / count);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = std::path::Path::new(arguments.first().ok_or("which file?")?);
    let wanted = arguments.get(1).map(String::as_str);
    let _ = std::fs::remove_file(path);
    let session = Session::open(path, &ObjectsOptions::default())?;
    let (map, sorted, array) = (1, 2, 3);
    session.reserve_ids(4)?;
    session.begin()?;
    session.apply(&command(1, 4, &[&[4]]))?;
    session.apply(&command(11, 0, &[&named(4, 4)]))?;
    for (id, kind) in [(map, 1), (sorted, 3), (array, 4)] {
        session.apply(&command(1, id, &[&[kind]]))?;
        session.apply(&command(10, 4, &[&[0; 8], &1u32.to_le_bytes(), &named(kind, id)]))?;
    }
    session.commit()?;
    let value = text(&VALUE);
    let set = |number: u64| command(3, map, &[&text(&key(number)), &value]);
    let set_sorted = |number: u64| command(7, sorted, &[&counted(&key(number)), &value]);
    let push = |index: u64| {
        let operands = [index as u32, 0, 1].map(u32::to_le_bytes).concat();
        command(10, array, &[&operands, &value])
    };
    session.begin()?;
    for index in 0..ENTRIES {
        session.apply(&set(shuffled(index)))?;
        session.apply(&set_sorted(shuffled(index)))?;
        session.apply(&push(index))?;
    }
    session.commit()?;
    let mut out = Vec::new();
    let mut fresh = ENTRIES;
    measure("map get", wanted, ENTRIES, |index| {
        out.clear();
        session.get(map, &text(&key(shuffled(index))), &mut out).map(drop)
    })?;
    measure("sorted get", wanted, ENTRIES, |index| {
        out.clear();
        session.sorted_get(sorted, &key(shuffled(index)), &mut out).map(drop)
    })?;
    measure("array get", wanted, ENTRIES, |index| {
        out.clear();
        session.items(array, shuffled(index), 1, &mut out).map(drop)
    })?;
    measure("map overwrite", wanted, ENTRIES, |index| session.apply(&set(shuffled(index))).map(drop))?;
    measure("sorted overwrite", wanted, ENTRIES, |index| session.apply(&set_sorted(shuffled(index))).map(drop))?;
    measure("map insert", wanted, ENTRIES, |_| {
        fresh += 1;
        session.apply(&set(ENTRIES + (fresh * 7919) % 1_000_003)).map(drop)
    })?;
    measure("sorted insert", wanted, ENTRIES, |_| {
        fresh += 1;
        session.apply(&set_sorted(ENTRIES + (fresh * 7919) % 1_000_003)).map(drop)
    })?;
    let mut length = ENTRIES;
    measure("array push", wanted, ENTRIES, |_| {
        length += 1;
        session.apply(&push(length - 1)).map(drop)
    })?;
    session.begin()?;
    measure("map insert in a transaction", wanted, ENTRIES, |_| {
        fresh += 1;
        session.apply(&set(ENTRIES + (fresh * 7919) % 1_000_003)).map(drop)
    })?;
    session.commit()?;
    Ok(())
}
