//! The first change, which lays a pool out.

use super::*;

/// In a pool of one arena.
fn survives_interruption(is_zeroed: bool, first: Change) {
    let block_size = 512;
    for seed in 0..8 {
        let medium = CrashMedium::new(pool(SIZE, block_size, is_zeroed)).recording_crashes().with_seed(seed);
        let blocks = open(medium);
        apply(&blocks, first, block_size).unwrap();
        for (step, image) in blocks.medium.take_crashes().into_iter().enumerate() {
            Model::default().check(&image, first, &[0, 1, 100], block_size);
            let again = open(CrashMedium::new(image).recording_crashes().with_seed(seed + step as u64));
            apply(&again, first, block_size).unwrap();
            let model = Model([first].into());
            model.check_blocks(&again, first, &[0, 1, 100], block_size);
            for image in again.medium.take_crashes() {
                Model::default().check(&image, first, &[0, 1, 100], block_size);
            }
            model.check(&again.medium.crash(), first, &[0, 1, 100], block_size);
        }
    }
}

#[test]
fn an_interrupted_first_write_leaves_zeros_or_the_block() {
    on_each_medium(|| {
        survives_interruption(true, (1, Content::Data(5)));
        survives_interruption(false, (1, Content::Data(5)));
    });
}

#[test]
fn an_interrupted_first_error_leaves_zeros_or_the_error() {
    on_each_medium(|| {
        survives_interruption(true, (1, Content::Error));
        survives_interruption(false, (1, Content::Error));
    });
}

#[test]
fn zeroing_a_block_of_a_pool_that_is_not_laid_out_does_nothing() {
    on_each_medium(|| {
        let blocks = open(CrashMedium::new(pool(SIZE, 512, false)));
        assert_eq!(content(&blocks, 9, 512), Content::Zeros);
        blocks.set_zero(9).unwrap();
        assert!(blocks.medium.steps() == 0);
    });
}

#[test]
fn a_pool_in_a_used_file_reads_as_zeros() {
    on_each_medium(|| {
        let blocks = open(CrashMedium::new(pool(SIZE, 4096, false)));
        apply(&blocks, (7, Content::Data(1)), 4096).unwrap();
        let model = Model([(7, Content::Data(1))].into());
        let all: Vec<u64> = (0..layout(SIZE, 4096).blocks()).collect();
        model.check(&blocks.medium.crash(), (7, Content::Data(1)), &all, 4096);
    });
}

#[test]
fn an_interrupted_layout_of_several_arenas_is_none_or_complete() {
    on_each_medium(|| {
        let (size, block_size) = ((512 << 30) + (20 << 20), 4096);
        let layout = layout(size, block_size);
        assert_eq!(layout.arenas(), 2);
        let last = layout.blocks() - 1;
        let first = (last, Content::Data(5));
        for seed in 0..10 {
            let blocks = open(CrashMedium::new(pool(size, block_size, true)).recording_crashes().with_seed(seed));
            apply(&blocks, first, block_size).unwrap();
            for image in blocks.medium.take_crashes() {
                let again = open(CrashMedium::new(image).recording_crashes().with_seed(seed));
                Model::default().check_blocks(&again, first, &[0, last], block_size);
                apply(&again, (0, Content::Data(6)), block_size).unwrap();
                for image in again.medium.take_crashes() {
                    let crashed = open(CrashMedium::new(image));
                    assert_ne!(content(&crashed, last, block_size), Content::Error);
                    assert!([Content::Zeros, Content::Data(6)].contains(&content(&crashed, 0, block_size)));
                }
            }
        }
    });
}
