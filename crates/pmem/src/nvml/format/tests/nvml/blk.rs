//! Block pools in both directions.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{CBlk, Random, file_of, folder, pmempool};
use crate::nvml::format::btt::{self, Infos, Layout, State};
use crate::nvml::format::header::{self, Kind, Machine};
use crate::nvml::format::tests::identity;
use crate::nvml::format::tests::model::{self, Model, STEPS, parts};

const MIN: usize = model::SIZE as usize;

fn checked(path: &Path) -> btt::Pool {
    btt::check(&File::open(path).unwrap()).unwrap()
}

#[test]
fn pools_made_by_the_library_are_valid_and_have_its_geometry() {
    let folder = folder();
    let mut random = Random(1);
    let sizes =
        [(8, MIN), (512, MIN), (512, 32 << 20), (513, MIN + 5000), (4096, MIN), (30_000, MIN), (1 << 20, 600 << 20)];
    for (block_size, size) in sizes {
        let path = folder.path().join(format!("{block_size}-{size}"));
        let pool = CBlk::create(&path, block_size, size).unwrap();
        let expected = (pool.block_size(), pool.blocks());
        let found = checked(&path);
        assert!(!found.is_laid_out() && found.is_zeroed);
        for _ in 0..100 {
            let block = random.below(pool.blocks());
            match random.below(8) {
                0 => pool.set_error(block),
                1 => pool.set_zero(block),
                _ => pool.write(block, random.below(256) as u8),
            }
        }
        drop(pool);
        let found = checked(&path);
        assert_eq!((found.block_size, found.layout.blocks()), expected, "{size}");
        assert_eq!((found.arenas.len(), &found.arenas[0].infos), (1, &Infos::Intact));
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_large_pool_made_by_the_library_is_valid() {
    let folder = folder();
    let path = folder.path().join("blk");
    let pool = CBlk::create(&path, 256, 1 << 30).unwrap();
    assert_eq!(pool.blocks(), 2_080_567);
    pool.write(20, 1);
    pool.write(2_080_566, 2);
    drop(pool);
    assert_eq!(checked(&path).layout.blocks(), 2_080_567);
}

#[test]
fn a_pool_over_a_file_that_held_something_is_valid() {
    let folder = folder();
    let path = folder.path().join("blk");
    let mut bytes = vec![0xaa; MIN];
    bytes[..4096].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let pool = CBlk::create(&path, 512, 0).unwrap();
    let found = checked(&path);
    assert!(!found.is_laid_out() && !found.is_zeroed);
    pool.write(5, 1);
    drop(pool);
    assert!(checked(&path).is_laid_out());
    // Once more over it: its arena is now another pool's.
    OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&[0; 4096], 0).unwrap();
    let pool = CBlk::create(&path, 512, 0).unwrap();
    assert!(!checked(&path).is_laid_out());
    assert_eq!(pool.read(5), Some(0));
}

#[test]
fn the_limits_of_a_pool_are_the_librarys() {
    let folder = folder();
    let path = folder.path().join("blk");
    // The largest blocks, and so the fewest, that an arena takes are near these.
    for (size, block_size) in
        [(MIN as u64, 32_256), (MIN as u64 + 4096, 32_512), (20 << 20, 40_704), (1 << 30, 2_096_640)]
    {
        let mut outcomes = [false; 2];
        for block_size in (block_size - 1024..block_size + 1024).step_by(128) {
            let header = header::make(Kind::Blk, &identity(), 1, Machine::HOST);
            file_of(path.clone(), size, &[(0, &header), (4096, &btt::make_descriptor(block_size, true))]);
            let expected = CBlk::open(&path).map(|pool| pool.blocks()).ok();
            let found = btt::read(&File::open(&path).unwrap()).map(|pool| pool.layout.blocks()).ok();
            assert_eq!(found, expected, "{size} {block_size}");
            outcomes[usize::from(found.is_some())] = true;
        }
        assert_eq!(outcomes, [true, true], "{size}");
    }
}

#[test]
fn pools_of_many_sizes_have_as_many_blocks_as_the_library_says() {
    let folder = folder();
    let path = folder.path().join("blk");
    let mut random = Random(2);
    for _ in 0..300 {
        let size = match random.below(3) {
            0 => MIN as u64 + random.below(1 << 25),
            1 => random.below(1 << 34).max(MIN as u64),
            _ => (1 << 39) + random.below(1 << 41),
        };
        let bits = 3 + random.below(13);
        let block_size = 1 + random.below(1 << bits) as u32;
        let header = header::make(Kind::Blk, &identity(), 1, Machine::HOST);
        file_of(path.clone(), size, &[(0, &header), (4096, &btt::make_descriptor(block_size, true))]);
        let expected = CBlk::open(&path).map(|pool| pool.blocks()).ok();
        let found = btt::read(&File::open(&path).unwrap()).map(|pool| pool.layout.blocks()).ok();
        assert_eq!(found, expected, "{size} {block_size}");
    }
}

#[test]
fn a_pool_of_two_arenas_is_read_in_both_directions() {
    let folder = folder();
    let size = (512 << 30) + (48 << 20) + 8192;
    let header = header::make(Kind::Blk, &identity(), 1, Machine::HOST);
    let head: [(u64, &[u8]); 2] = [(0, &header), (4096, &btt::make_descriptor(65_536, true))];
    let path = file_of(folder.path().join("theirs"), size, &head);
    let pool = CBlk::open(&path).unwrap();
    let last = pool.blocks() - 1;
    pool.write(last, 7);
    drop(pool);
    let found = checked(&path);
    assert_eq!((found.arenas.len(), found.layout.blocks()), (2, last + 1));
    assert_eq!(found.arenas[0].uuid, found.arenas[1].uuid);
    let path = file_of(folder.path().join("ours"), size, &head);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    for extent in Layout::new(size, 65_536).unwrap().iter() {
        for (offset, bytes) in &parts(&extent)[1..] {
            file.write_all_at(bytes, *offset).unwrap();
        }
    }
    let pool = CBlk::open(&path).unwrap();
    assert_eq!((pool.blocks(), pool.read(last)), (last + 1, Some(0)));
    pool.write(last, 8);
    drop(pool);
    let found = checked(&path);
    assert_eq!(found.arenas[1].uuid, crate::nvml::format::Uuid([0x33; 16]), "it was not laid out anew");
}

#[test]
fn pools_made_here_are_accepted_by_the_library() {
    let folder = folder();
    for block_size in [8, 512, 513, 4096, 30_000] {
        for (background, stores) in [(0, 0), (0, 2), (0, 3), (0, 4), (0xaa, 0), (0xaa, 4)] {
            let path = folder.path().join("blk");
            std::fs::write(&path, Model::laid_out(block_size, background, stores).bytes).unwrap();
            assert!(CBlk::check(&path));
            // It expects zeros or an arena, although the library lets there be anything; and a copy, always.
            let knows = (background == 0 || stores == 4) && stores != 3;
            assert!(!knows || pmempool(&path) != Some(false), "{block_size} {background} {stores}");
            let pool = CBlk::open(&path).unwrap();
            assert_eq!((pool.block_size(), pool.blocks()), (block_size, checked(&path).layout.blocks()));
            pool.write(1, 7);
            pool.write(pool.blocks() - 1, 8);
            assert_eq!((pool.read(0), pool.read(1), pool.read(pool.blocks() - 1)), (Some(0), Some(7), Some(8)));
            drop(pool);
            assert!(checked(&path).is_laid_out());
            assert!(CBlk::check(&path));
            assert!(stores == 3 || pmempool(&path) != Some(false));
        }
    }
}

#[test]
fn the_library_reads_writes_that_stopped_anywhere_as_they_are_read_here() {
    let folder = folder();
    let path = folder.path().join("blk");
    let mut model = Model::new(512);
    let mut random = Random(3);
    for round in 1..=25_u8 {
        for value in 1..=20 {
            let (lane, block) = (random.below(5) as usize, random.below(30) as u32);
            let before = model.clone();
            model.write(lane, block, round.wrapping_mul(20).wrapping_add(value), STEPS);
            if value == 20 {
                model = before;
                model.write(lane, block, round, random.below(STEPS as u64 + 1) as usize);
            }
        }
        let ours = btt::check(&model.bytes[..]).unwrap();
        std::fs::write(&path, &model.bytes).unwrap();
        assert!(CBlk::check(&path));
        let pool = CBlk::open(&path).unwrap();
        for block in 0..30 {
            assert_eq!(pool.read(block), Some(model.read_in(&ours, block as u32)), "block {block} in round {round}");
        }
        drop(pool);
        // The library has recovered the map: nothing differs from what is expected here.
        let bytes = std::fs::read(&path).unwrap();
        let recovered = Model { bytes };
        let theirs = recovered.pool();
        for block in 0..30 {
            let raw = crate::nvml::format::bytes::u32_at(&recovered.bytes, model.extent().map_entry(block) as usize);
            let expected = model.entry(&ours, block).unwrap();
            assert!(raw == expected.encode() || raw == 0 && expected.state == State::Initial);
            assert_eq!(recovered.entry(&theirs, block), Some(expected));
        }
        model = recovered;
    }
}

#[test]
fn states_of_blocks_are_the_librarys() {
    let folder = folder();
    let path = folder.path().join("blk");
    let pool = CBlk::create(&path, 512, MIN).unwrap();
    pool.write(1, 1);
    pool.write(2, 1);
    pool.set_zero(2);
    pool.write(3, 1);
    pool.set_error(3);
    pool.set_error(4);
    pool.set_zero(5);
    pool.set_error(6);
    pool.write(6, 1);
    let model = Model { bytes: std::fs::read(&path).unwrap() };
    let found = model.pool();
    let states: Vec<_> = (0..7).map(|block| model.entry(&found, block).unwrap().state).collect();
    use State::*;
    assert_eq!(states, [Initial, Normal, Zero, Error, Error, Zero, Normal]);
    assert_eq!(pool.read(4), None);
}
