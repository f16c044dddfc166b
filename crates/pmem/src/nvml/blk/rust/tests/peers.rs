//! What a crash leaves, as the NVM Library sees it: `pmempool check` accepts it, and libpmemblk recovers it.

use std::process::Command;

use super::groups::{check, done, group, write};
use super::*;
use crate::{BlockArray, Engine, OpenOptions};

const BLOCK_SIZE: u32 = 512;

/// That `pmempool check` accepts a file, where it is installed.
fn check_by_library(path: &Path) {
    let Ok(output) = Command::new("pmempool").args(["check", "-v"]).arg(path).output() else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_library_accepts_and_recovers_every_crash() {
    let indexes = some_indexes(BLOCK_SIZE);
    let folder = tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" }).unwrap();
    let path = folder.path().join("blocks");
    let used = open(CrashMedium::new(pool(SIZE, BLOCK_SIZE, true)));
    let mut model = Model::default();
    // A lane's first write, torn before its sequence number, is damage to `pmempool check`, though the library recovers it.
    for round in 0..2 {
        let group: Vec<_> = (0..16).map(|index| (index, round * 16 + index + 1)).collect();
        assert!(write(&used, &group, BLOCK_SIZE).iter().all(Result::is_ok));
        done(&mut model, &group);
    }
    let blocks = open(CrashMedium::new(used.medium.image()).recording_crashes().with_seed(11));
    let (mut random, mut images) = (Random::new(11), 0);
    for round in 1..60 {
        let group = group(&mut random, round * 100, &indexes);
        assert!(write(&blocks, &group, BLOCK_SIZE).iter().all(Result::is_ok));
        for image in blocks.medium.take_crashes() {
            if random.below(4) != 0 {
                continue;
            }
            images += 1;
            let file = std::fs::File::create(&path).unwrap();
            image.write_to(&file).unwrap();
            check_by_library(&path);
            let options = OpenOptions { engine: Some(Engine::Pmdk), ..Default::default() };
            let library = Public(BlockArray::open(&path, 0, options).unwrap());
            check(&library, &model, &group, &indexes, BLOCK_SIZE);
            // What the library does next builds on what it recovered.
            let mut recovered = Model::default();
            for index in &indexes {
                recovered.0.insert(*index, content(&library, *index, BLOCK_SIZE));
            }
            apply(&library, (indexes[0], Content::Data(7)), BLOCK_SIZE).unwrap();
            recovered.0.insert(indexes[0], Content::Data(7));
            check(&library, &recovered, &[], &indexes, BLOCK_SIZE);
            drop(library);
            check_by_library(&path);
        }
        done(&mut model, &group);
    }
    assert!(images > 100, "{images}");
}
