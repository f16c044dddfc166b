//! Crashes between any two steps.

use std::sync::Arc;

use super::*;
use crate::storage::medium::crashing::SharedMedium;

/// Makes changes, and for each crash on the way checks what is left, completes it and crashes on that way too.
fn survives_crashes(block_size: u32, is_zeroed: bool) {
    let indexes = some_indexes(block_size);
    let medium =
        CrashMedium::new(pool(SIZE, block_size, is_zeroed)).recording_crashes().with_seed(u64::from(block_size));
    let blocks = open(medium);
    let (mut model, mut random) = (Model::default(), Random::new(u64::from(block_size)));
    for number in 1..=images::programs() * 33 {
        let change = change(&mut random, number, &indexes);
        apply(&blocks, change, block_size).unwrap();
        for image in blocks.medium.take_crashes() {
            let found = model.check(&image, change, &indexes, block_size);
            if random.below(16) == 0 {
                let mut model = model.clone();
                model.0.insert(change.0, found);
                survives_another(image, &model, &mut random, number, &indexes, block_size);
            }
        }
        model.0.insert(change.0, change.1);
        model.check_blocks(&blocks, change, &indexes, block_size);
    }
    model.check(&blocks.medium.crash(), (0, model.get(0)), &indexes, block_size);
}

/// Makes changes to what a crash left, and crashes again on the way.
fn survives_another(image: Image, model: &Model, random: &mut Random, number: u64, indexes: &[u64], block_size: u32) {
    let mut model = model.clone();
    let blocks = open(CrashMedium::new(image).recording_crashes().with_seed(random.next()));
    for number in number + 1000..number + 1003 {
        let change = change(random, number, indexes);
        apply(&blocks, change, block_size).unwrap();
        for image in blocks.medium.take_crashes() {
            model.check(&image, change, indexes, block_size);
        }
        model.0.insert(change.0, change.1);
    }
}

#[test]
fn every_crash_leaves_the_old_block_or_the_new_512() {
    on_each_medium(|| {
        survives_crashes(512, true);
    });
}

#[test]
fn every_crash_leaves_the_old_block_or_the_new_8() {
    on_each_medium(|| {
        survives_crashes(8, false);
    });
}

#[test]
fn every_crash_leaves_the_old_block_or_the_new_1000() {
    on_each_medium(|| {
        survives_crashes(1000, false);
    });
}

#[test]
fn every_crash_leaves_the_old_block_or_the_new_4096() {
    on_each_medium(|| {
        survives_crashes(4096, true);
    });
}

#[test]
fn a_write_takes_two_barriers() {
    on_each_medium(|| {
        let blocks = open(CrashMedium::new(pool(SIZE, 512, true)));
        apply(&blocks, (3, Content::Data(1)), 512).unwrap();
        let before = blocks.medium.syncs();
        apply(&blocks, (3, Content::Data(2)), 512).unwrap();
        assert_eq!(blocks.medium.syncs() - before, 2);
    });
}

#[test]
fn what_is_opened_and_closed_is_the_same() {
    on_each_medium(|| {
        let blocks = open(CrashMedium::new(pool(SIZE, 512, true)).recording_crashes());
        for number in 1..20 {
            apply(&blocks, (number % 3, Content::Data(number)), 512).unwrap();
        }
        for image in blocks.medium.take_crashes() {
            let blocks = match btt::read(&image) {
                Ok(_) => open(CrashMedium::new(image.clone())),
                Err(invalid) => panic!("{invalid:?}"),
            };
            for index in 0..3 {
                content(&blocks, index, 512);
            }
            assert!(blocks.medium.steps() == 0);
            assert!(blocks.medium.image() == image);
        }
    });
}

/// Whoever opens the pool next may be the C library, which replaces flog entries without looking at what they say of the map.
#[test]
fn closing_makes_the_map_durable() {
    on_each_medium(|| {
        let mut image = None;
        let medium = Arc::new(CrashMedium::new(pool(SIZE, 512, true)));
        let format = btt::read(&medium.image()).unwrap();
        let blocks = RustBlocks::new(SharedMedium(Arc::clone(&medium)), format, Path::new("pool"));
        for number in 1..20 {
            apply(&blocks, (number % 3, Content::Data(number)), 512).unwrap();
        }
        drop(blocks);
        for _ in 0..20 {
            let crash = medium.crash();
            assert!(crash == *image.get_or_insert_with(|| medium.image()));
        }
    });
}
