//! Tests of the engine on a medium that crashes and fails.

mod crashes;
mod damage;
mod failures;
mod files;
mod groups;
mod layout;
#[cfg(feature = "pmdk")]
mod peers;
mod threads;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::RustBlocks;
use crate::nvml::blk::BlockEngine;
use crate::nvml::format::btt::{self, ARENAS_START, Extent, Layout, make_descriptor};
use crate::nvml::format::header::{self, Kind, Machine};
use crate::nvml::format::{Identity, PAGE, Uuid};
use crate::os::fault::FaultFlag;
use crate::os::seam::recorder::images;
use crate::storage::medium::crashing::{CrashMedium, Image, Random, on_each_medium};

/// The size of most pools here: the smallest.
const SIZE: u64 = (16 << 20) + 2 * PAGE;

/// A pool that is not laid out, in a file of zeros or of anything.
fn pool(size: u64, block_size: u32, is_zeroed: bool) -> Image {
    let mut image = Image::zeros(size);
    if !is_zeroed {
        scribble(&mut image, block_size);
    }
    let identity = Identity { poolset: Uuid([0x11; 16]), part: Uuid([0x22; 16]) };
    let header = header::make(Kind::Blk, &identity, 1, Machine::HOST);
    image.put(0, &header);
    image.put(PAGE, &make_descriptor(block_size, is_zeroed));
    image
}

/// Puts something where the maps and the flogs will be.
fn scribble(image: &mut Image, block_size: u32) {
    let mut random = Random::new(7);
    let size = image.len();
    for extent in layout(size, block_size).iter() {
        let bytes: Vec<u8> = (extent.map().start..extent.info_copy()).map(|_| random.next() as u8).collect();
        image.put(extent.map().start, &bytes);
    }
}

fn layout(size: u64, block_size: u32) -> Layout {
    Layout::new(size, block_size).unwrap()
}

/// The first arena of a pool of [`SIZE`] bytes.
fn extent(block_size: u32) -> Extent {
    let extent = layout(SIZE, block_size).arena(0);
    assert_eq!(extent.start, ARENAS_START);
    extent
}

fn open(medium: CrashMedium) -> RustBlocks<CrashMedium> {
    try_open(medium).unwrap()
}

fn try_open(medium: CrashMedium) -> Result<RustBlocks<CrashMedium>, crate::Error> {
    let path = Path::new("pool");
    let pool = btt::read(&medium.image()).map_err(|invalid| invalid.into_error("pmemblk_open", Some(path)))?;
    Ok(RustBlocks::new(medium, pool, path))
}

/// An array that is open by whichever engine.
struct Public(crate::BlockArray);

impl BlockEngine for Public {
    fn read(&self, index: u64, target: &mut [u8]) -> crate::Result<()> {
        self.0.read(index, target)
    }
    fn write(&self, index: u64, data: &[u8]) -> crate::Result<()> {
        self.0.write(index, data)
    }
    fn set_zero(&self, index: u64) -> crate::Result<()> {
        self.0.set_zero(index)
    }
    fn set_error(&self, index: u64) -> crate::Result<()> {
        self.0.set_error(index)
    }
    fn takes_turns(&self) -> bool {
        false
    }
    fn fault_flag(&self) -> Arc<FaultFlag> {
        Arc::default()
    }
}

/// What a block holds: the number that its bytes were made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Zeros,
    Error,
    Data(u64),
}

/// A change to a block.
type Change = (u64, Content);

/// Bytes that tell from which number they were made, and are like no others.
fn data(number: u64, block_size: u32) -> Vec<u8> {
    let words = (0..u64::from(block_size).div_ceil(8)).flat_map(|at| (number << 20 | at).to_le_bytes());
    words.take(block_size as usize).collect()
}

/// Reads a block, and insists that it is a whole one.
fn content(blocks: &impl BlockEngine, index: u64, block_size: u32) -> Content {
    let mut bytes = vec![0xee; block_size as usize];
    match blocks.read(index, &mut bytes) {
        Err(error) => {
            assert_eq!(error.code(), "EIO", "{error}");
            Content::Error
        }
        Ok(()) if bytes.iter().all(|&byte| byte == 0) => Content::Zeros,
        Ok(()) => {
            let mut first = [0; 8];
            first.copy_from_slice(&bytes[..8]);
            let number = u64::from_le_bytes(first) >> 20;
            assert!(bytes == data(number, block_size), "block {index} is torn");
            Content::Data(number)
        }
    }
}

fn apply(blocks: &impl BlockEngine, change: Change, block_size: u32) -> crate::Result<()> {
    match change {
        (index, Content::Zeros) => blocks.set_zero(index),
        (index, Content::Error) => blocks.set_error(index),
        (index, Content::Data(number)) => blocks.write(index, &data(number, block_size)),
    }
}

/// A random change to one of a few blocks.
fn change(random: &mut Random, number: u64, indexes: &[u64]) -> Change {
    let index = indexes[random.below(indexes.len() as u64) as usize];
    let content = match random.below(10) {
        0 => Content::Zeros,
        1 => Content::Error,
        _ => Content::Data(number),
    };
    (index, content)
}

/// What blocks hold; zeros where nothing is said.
#[derive(Clone, Default)]
struct Model(BTreeMap<u64, Content>);

impl Model {
    fn get(&self, index: u64) -> Content {
        self.0.get(&index).copied().unwrap_or(Content::Zeros)
    }

    /// Checks that the pool in `image` is valid, and that all blocks hold what they should: the one of `change` may hold
    /// that too. Returns the content of that one.
    fn check(&self, image: &Image, change: Change, indexes: &[u64], block_size: u32) -> Content {
        btt::check(image).unwrap_or_else(|invalid| panic!("{invalid:?}"));
        let blocks = open(CrashMedium::new(image.clone()));
        images::opened();
        self.check_blocks(&blocks, change, indexes, block_size)
    }

    fn check_blocks(&self, blocks: &impl BlockEngine, change: Change, indexes: &[u64], block_size: u32) -> Content {
        for index in indexes {
            let found = content(blocks, *index, block_size);
            let expected = self.get(*index);
            let may_be_new = *index == change.0 && found == change.1;
            assert!(
                found == expected || may_be_new,
                "block {index} is {found:?}, not {expected:?}; under way: {change:?}"
            );
        }
        content(blocks, change.0, block_size)
    }
}

/// Some blocks of an array: neighbours in the map, and far ones.
fn some_indexes(block_size: u32) -> Vec<u64> {
    let count = layout(SIZE, block_size).blocks();
    vec![0, 1, 2, 15, 16, 17, count / 2, count - 2, count - 1]
}
