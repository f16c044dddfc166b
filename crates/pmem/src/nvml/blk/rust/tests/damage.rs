//! Damaged pools.

use super::*;
use crate::storage::medium::Medium;

/// A pool with some blocks written.
fn written(block_size: u32) -> (Image, Model, Vec<u64>) {
    let blocks = open(CrashMedium::new(pool(SIZE, block_size, true)));
    let indexes = some_indexes(block_size);
    let (mut random, mut model) = (Random::new(5), Model::default());
    for number in 1..100 {
        let change = change(&mut random, number, &indexes);
        apply(&blocks, change, block_size).unwrap();
        model.0.insert(change.0, change.1);
    }
    (blocks.medium.image(), model, indexes)
}

fn with_u32(image: &Image, offset: u64, value: u32) -> Image {
    let mut image = image.clone();
    image.put(offset, &value.to_le_bytes());
    image
}

fn corrupt<T>(result: crate::Result<T>) -> (&'static str, u64) {
    match result.err() {
        Some(crate::Error::Corrupt { field, offset, .. }) => (field, offset),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wild_flog_entry_is_refused() {
    on_each_medium(|| {
        let (image, ..) = written(512);
        for lane in [0, 1, 255] {
            let pair = extent(512).flog_pair(lane);
            for at in [pair, pair + 4, pair + 8, pair + 12] {
                let damaged = with_u32(&with_u32(&image, at, 0xffff_ffff), at + 16, 0xffff_ffff);
                let (_, offset) = corrupt(try_open(CrashMedium::new(damaged)));
                assert!((pair..pair + 32).contains(&offset));
            }
        }
    });
}

#[test]
fn a_damaged_map_entry_costs_its_block_alone() {
    on_each_medium(|| {
        for wild in [0x3fff_ffff, 0xffff_ffff, 0x7fff_ffff, 0xbfff_ffff] {
            let (image, model, indexes) = written(512);
            let at = extent(512).map_entry(2);
            let damaged = with_u32(&image, at, wild);
            let blocks = open(CrashMedium::new(damaged.clone()));
            let others: Vec<u64> = indexes.into_iter().filter(|index| *index != 2).collect();
            for change in [(2, Content::Zeros), (2, Content::Error), (2, Content::Data(7))] {
                assert_eq!(corrupt(blocks.read(2, &mut [0; 512])), ("BTT map entry", at));
                // The first change completes what a crash left, and nothing more.
                assert_eq!(corrupt(apply(&blocks, change, 512)), ("BTT map entry", at));
                assert!(blocks.medium.image() == damaged);
                model.check_blocks(&blocks, (0, model.get(0)), &others, 512);
            }
            apply(&blocks, (1, Content::Data(8)), 512).unwrap();
            assert_eq!(content(&blocks, 1, 512), Content::Data(8));
            assert_eq!(blocks.medium.load_word(at), wild);
        }
    });
}

#[test]
fn an_entry_that_claims_the_lanes_own_slot_is_damaged() {
    on_each_medium(|| {
        let (image, ..) = written(512);
        let pool = btt::read(&image).unwrap();
        let at = extent(512).map_entry(40);
        for lane in &pool.arenas[0].lanes[..8] {
            let blocks = open(CrashMedium::new(with_u32(&image, at, 0xc000_0000 | lane.free_slot())));
            let Err(error) = blocks.write(40, &[1; 512]) else { continue };
            assert_eq!(corrupt::<()>(Err(error)), ("BTT map entry", at));
            return;
        }
        panic!("the thread has one of the first lanes");
    });
}

#[test]
fn one_damaged_info_block_is_restored_by_the_first_change() {
    on_each_medium(|| {
        let (image, model, indexes) = written(512);
        let extent = extent(512);
        for at in [extent.start, extent.info_copy()] {
            let mut model = model.clone();
            let damaged = with_u32(&image, at + 60, 1);
            let blocks = open(CrashMedium::new(damaged.clone()));
            model.check_blocks(&blocks, (0, model.get(0)), &indexes, 512);
            assert!(blocks.medium.image() == damaged);
            apply(&blocks, (1, Content::Data(900)), 512).unwrap();
            model.0.insert(1, Content::Data(900));
            let crash = blocks.medium.crash();
            model.check(&crash, (1, Content::Data(900)), &indexes, 512);
            let (mut first, mut copy) = ([0; 4096], [0; 4096]);
            crash.get(extent.start, &mut first);
            crash.get(extent.info_copy(), &mut copy);
            assert!(first == copy);
        }
    });
}

#[test]
fn restoring_an_info_block_can_stop_anywhere() {
    on_each_medium(|| {
        let (image, model, indexes) = written(512);
        let extent = extent(512);
        for (seed, at) in (0..30).flat_map(|seed| [(seed, extent.start), (seed, extent.info_copy())]) {
            let mut damaged = image.clone();
            damaged.put(at, &[0xaa; 4096]);
            let blocks = open(CrashMedium::new(damaged).recording_crashes().with_seed(seed));
            let change = (1, Content::Data(900));
            apply(&blocks, change, 512).unwrap();
            for image in blocks.medium.take_crashes() {
                let crashed = open(CrashMedium::new(image));
                model.check_blocks(&crashed, change, &indexes, 512);
            }
        }
    });
}

#[test]
fn two_damaged_info_blocks_are_refused() {
    on_each_medium(|| {
        let (image, ..) = written(512);
        let extent = extent(512);
        let damaged = with_u32(&with_u32(&image, extent.start + 60, 1), extent.info_copy() + 60, 1);
        assert_eq!(corrupt(try_open(CrashMedium::new(damaged))).0, "BTT info checksum");
    });
}
