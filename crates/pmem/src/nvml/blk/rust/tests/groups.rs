//! Writes that share their barriers, and blocks that several lanes wrote.

use super::*;

const BLOCK_SIZE: u32 = 512;

/// Writes to a few blocks, some of them twice.
pub(super) fn group(random: &mut Random, first: u64, indexes: &[u64]) -> Vec<(u64, u64)> {
    let count = 1 + random.below(12);
    (first..first + count).map(|number| (indexes[random.below(indexes.len() as u64) as usize], number)).collect()
}

/// Writes a group of numbers to blocks.
pub(super) fn write(blocks: &impl BlockEngine, group: &[(u64, u64)], block_size: u32) -> Vec<crate::Result<()>> {
    let data: Vec<_> = group.iter().map(|(index, number)| (*index, data(*number, block_size))).collect();
    let writes: Vec<(u64, &[u8])> = data.iter().map(|(index, data)| (*index, &data[..])).collect();
    blocks.write_many(&writes)
}

/// That each block holds what it did, or what the group writes to it.
pub(super) fn check(blocks: &impl BlockEngine, model: &Model, group: &[(u64, u64)], indexes: &[u64], block_size: u32) {
    for index in indexes {
        let found = content(blocks, *index, block_size);
        let is_new = group.iter().any(|(block, number)| block == index && found == Content::Data(*number));
        assert!(found == model.get(*index) || is_new, "block {index} is {found:?}, not {:?}", model.get(*index));
    }
}

pub(super) fn done(model: &mut Model, group: &[(u64, u64)]) {
    model.0.extend(group.iter().map(|(index, number)| (*index, Content::Data(*number))));
}

#[test]
fn every_crash_leaves_old_blocks_or_new_ones_of_a_group() {
    on_each_medium(|| {
        let indexes = some_indexes(BLOCK_SIZE);
        let blocks = open(CrashMedium::new(pool(SIZE, BLOCK_SIZE, true)).recording_crashes().with_seed(5));
        let (mut model, mut random, mut count) = (Model::default(), Random::new(5), 0);
        for round in 1..100 {
            let group = group(&mut random, round * 100, &indexes);
            assert!(write(&blocks, &group, BLOCK_SIZE).iter().all(Result::is_ok));
            for image in blocks.medium.take_crashes() {
                btt::check(&image).unwrap_or_else(|invalid| panic!("{invalid:?}"));
                check(&open(CrashMedium::new(image)), &model, &group, &indexes, BLOCK_SIZE);
                images::opened();
                count += 1;
            }
            done(&mut model, &group);
            // What was acknowledged is there without more ado.
            check(&open(CrashMedium::new(blocks.medium.crash())), &model, &[], &indexes, BLOCK_SIZE);
        }
        assert!(count > 500, "{count}");
    });
}

/// One write after another through whichever lane, each acknowledged before the next: no order of lanes at recovery loses
/// one.
#[test]
fn a_block_that_many_lanes_wrote_is_what_was_written_last() {
    on_each_medium(|| {
        let blocks = open(CrashMedium::new(pool(SIZE, BLOCK_SIZE, true)));
        let mut random = Random::new(9);
        for number in 1..400 {
            // Others take the first lanes, so that block 1 goes through one behind them.
            let mut group: Vec<(u64, u64)> =
                (0..random.below(5)).map(|other| (20 + other, number * 10 + other)).collect();
            group.push((1, number));
            assert!(write(&blocks, &group, BLOCK_SIZE).iter().all(Result::is_ok));
            let crashed = open(CrashMedium::new(blocks.medium.crash()));
            assert_eq!(content(&crashed, 1, BLOCK_SIZE), Content::Data(number));
        }
    });
}

#[test]
fn a_group_takes_two_barriers_in_all() {
    let blocks = open(CrashMedium::new(pool(SIZE, BLOCK_SIZE, true)));
    let group: Vec<_> = (0..64).map(|index| (index, index + 1)).collect();
    write(&blocks, &group, BLOCK_SIZE);
    let before = blocks.medium.syncs();
    assert!(write(&blocks, &group, BLOCK_SIZE).iter().all(Result::is_ok));
    assert_eq!(blocks.medium.syncs() - before, 2);
    // As many as there are lanes share them, also where there is but one arena.
    let group: Vec<_> = (0..257).map(|index| (index, index + 1)).collect();
    let before = blocks.medium.syncs();
    assert!(write(&blocks, &group, BLOCK_SIZE).iter().all(Result::is_ok));
    assert_eq!(blocks.medium.syncs() - before, 4);
}

#[test]
fn a_damaged_block_fails_alone() {
    let blocks = open(CrashMedium::new(pool(SIZE, BLOCK_SIZE, true)));
    write(&blocks, &[(1, 1), (2, 2)], BLOCK_SIZE);
    let mut image = blocks.medium.image();
    image.put(extent(BLOCK_SIZE).map_entry(2), &[0xff; 4]);
    let blocks = open(CrashMedium::new(image));
    let outcomes = write(&blocks, &[(1, 3), (2, 4), (2, 5), (3, 6)], BLOCK_SIZE);
    let codes: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().map_err(|error| error.code())).collect();
    assert!(matches!(&codes[..], [Ok(()), Err(one), Err(other), Ok(())] if one == other && one == "ERR_PMEM_CORRUPT"));
    assert_eq!(
        (content(&blocks, 1, BLOCK_SIZE), content(&blocks, 3, BLOCK_SIZE)),
        (Content::Data(3), Content::Data(6))
    );
}

#[test]
fn a_full_disk_fails_a_write_and_leaves_the_array_usable() {
    let mut failures = 0;
    loop {
        let blocks = open(CrashMedium::new(pool(SIZE, BLOCK_SIZE, true)).failing_write(failures));
        let (mut model, mut failed, mut open_to) = (Model::default(), false, Vec::new());
        for number in 1..20 {
            let change = (number % 3, number);
            let outcome = write(&blocks, &[change], BLOCK_SIZE).remove(0);
            if let Err(error) = outcome {
                assert_eq!(error.code(), if failed { "EIO" } else { "ENOSPC" }, "{error}");
                // Where the map could not be told, nothing more is accepted: the write may be there after a reopening.
                failed = true;
                open_to.push(change);
                check(&blocks, &model, &open_to, &[0, 1, 2], BLOCK_SIZE);
                check(&open(CrashMedium::new(blocks.medium.crash())), &model, &open_to, &[0, 1, 2], BLOCK_SIZE);
            } else {
                done(&mut model, &[change]);
            }
        }
        check(&open(CrashMedium::new(blocks.medium.crash())), &model, &open_to, &[0, 1, 2], BLOCK_SIZE);
        if !failed {
            break;
        }
        failures += 1;
    }
    assert!(failures > 50, "{failures}");
}
