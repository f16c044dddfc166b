//! Arrays in files, through the public interface.

use std::path::PathBuf;

use super::*;
use crate::{BlockArray, Engine, NewPool, OpenOptions};

const BLOCK_SIZE: u32 = 4096;

/// A file with the bytes of `image`.
fn file(folder: &Path, image: &Image) -> PathBuf {
    let path = folder.join("blocks");
    let mut bytes = vec![0; image.len() as usize];
    image.get(0, &mut bytes);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn opening_and_reading_leave_the_file_as_it_is() {
    on_each_medium(|| {
        let blocks = open(CrashMedium::new(pool(SIZE, BLOCK_SIZE, true)).recording_crashes().with_seed(3));
        let mut images = vec![pool(SIZE, BLOCK_SIZE, false)];
        for number in 1..12 {
            apply(&blocks, (number % 2, Content::Data(number)), BLOCK_SIZE).unwrap();
            images.extend(blocks.medium.take_crashes().into_iter().skip(3).step_by(3));
        }
        let folder = tempfile::tempdir().unwrap();
        for (image, readonly) in images.iter().zip([true, false].into_iter().cycle()) {
            let path = file(folder.path(), image);
            let before = std::fs::read(&path).unwrap();
            let options = OpenOptions { engine: Some(Engine::Rust), readonly };
            let array = BlockArray::open(&path, 0, options).unwrap();
            let mut target = vec![0; 4 * BLOCK_SIZE as usize];
            array.read(0, &mut target).unwrap();
            drop(array);
            assert!(std::fs::read(&path).unwrap() == before);
        }
    });
}

#[test]
fn an_array_over_the_remains_of_a_damaged_one_is_sound() {
    on_each_medium(|| {
        let blocks = open(CrashMedium::new(pool(SIZE, BLOCK_SIZE, true)));
        apply(&blocks, (1, Content::Data(1)), BLOCK_SIZE).unwrap();
        let mut image = blocks.medium.image();
        image.put(0, &[0; 4096]);
        for at in [extent(BLOCK_SIZE).start, extent(BLOCK_SIZE).info_copy(), extent(BLOCK_SIZE).flog_pair(3)] {
            image.put(at + 60, &[0x55; 16]);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), &image);
        let new = NewPool { size: 0, engine: Some(Engine::Rust), ..NewPool::default() };
        drop(BlockArray::create(&path, BLOCK_SIZE, &new).unwrap());
        assert_eq!(BlockArray::check(&path, BLOCK_SIZE), Ok(true));
        let array = BlockArray::open(&path, 0, OpenOptions::default()).unwrap();
        let mut target = vec![1; BLOCK_SIZE as usize];
        for index in [0, 1, array.block_count() - 1] {
            array.read(index, &mut target).unwrap();
            assert!(target.iter().all(|&byte| byte == 0));
        }
        array.write(2, &target).unwrap();
        drop(array);
        assert_eq!(BlockArray::check(&path, BLOCK_SIZE), Ok(true));
    });
}
