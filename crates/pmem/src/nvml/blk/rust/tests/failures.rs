//! Syncs that fail.

use super::*;

const BLOCK_SIZE: u32 = 4096;
const CHANGES: u64 = 60;

/// The same changes for each run.
fn changes(indexes: &[u64]) -> Vec<Change> {
    let mut random = Random::new(3);
    (1..=CHANGES).map(|number| change(&mut random, number, indexes)).collect()
}

/// On memory only the loss of a page fails, which is for good.
#[test]
fn a_failed_sync_fails_its_call_and_all_changes_after_it() {
    let indexes = some_indexes(BLOCK_SIZE);
    let changes = changes(&indexes);
    let mut failures = 0;
    loop {
        let seed = failures as u64 + 1;
        let blocks = open(CrashMedium::new(pool(SIZE, BLOCK_SIZE, false)).failing_sync(failures).with_seed(seed));
        let mut model = Model::default();
        let Some(failed) = fail(&blocks, &changes, &mut model) else { break };
        failures += 1;
        for refused in [(1, Content::Data(7)), (1, Content::Error), (1, Content::Zeros)] {
            let error = apply(&blocks, refused, BLOCK_SIZE).unwrap_err();
            assert_eq!(error.code(), "EIO");
            assert!(error.to_string().contains("open it again"), "{error}");
        }
        model.check_blocks(&blocks, failed, &indexes, BLOCK_SIZE);
        model.check(&blocks.medium.crash(), failed, &indexes, BLOCK_SIZE);
        goes_on(&blocks.medium, &mut model, failed, &indexes, seed);
    }
    assert!(failures > 100, "{failures}");
}

/// Makes changes until one fails, which is returned.
fn fail(blocks: &impl BlockEngine, changes: &[Change], model: &mut Model) -> Option<Change> {
    for change in changes {
        match apply(blocks, *change, BLOCK_SIZE) {
            Ok(()) => model.0.insert(change.0, change.1),
            Err(error) => {
                assert_eq!(error.code(), "ENOSPC", "{error}");
                return Some(*change);
            }
        };
    }
    None
}

/// Opens the pool again over a page cache that has what the disk lacks, makes changes, and crashes.
fn goes_on(medium: &CrashMedium, model: &mut Model, failed: Change, indexes: &[u64], seed: u64) {
    let blocks = open(medium.reopened().recording_crashes());
    let found = model.check_blocks(&blocks, failed, indexes, BLOCK_SIZE);
    let mut random = Random::new(seed);
    for number in 1001..1005 {
        let change = change(&mut random, number, indexes);
        // Until the first change is durable, a crash leaves the failed one in either way.
        let either = [found, failed.1, model.get(failed.0)];
        apply(&blocks, change, BLOCK_SIZE).unwrap();
        for image in blocks.medium.take_crashes() {
            btt::check(&image).unwrap_or_else(|invalid| panic!("{invalid:?}"));
            if number > 1001 {
                model.check(&image, change, indexes, BLOCK_SIZE);
                continue;
            }
            let crashed = open(CrashMedium::new(image));
            for index in indexes.iter().filter(|index| **index != change.0) {
                let found = content(&crashed, *index, BLOCK_SIZE);
                assert!(
                    found == model.get(*index) || *index == failed.0 && either.contains(&found),
                    "{index}: {found:?}"
                );
            }
        }
        if number == 1001 {
            model.0.insert(failed.0, found);
        }
        model.0.insert(change.0, change.1);
    }
}
