//! The descriptor of a block pool.

use crate::nvml::format::bytes::{put, u32_at};
use crate::nvml::format::source::{self, Source};
use crate::nvml::format::{Damage, Invalid, PAGE};

const OFFSET: u64 = PAGE;
const IS_ZEROED: u64 = OFFSET + 4;

/// The bytes of the descriptor that have a meaning; what follows is left over from the C library's running state.
const LEN: usize = 8;

/// What the descriptor says.
pub(super) struct Descriptor {
    /// The size in bytes of a block.
    pub block_size: u32,
    /// The file held zeros when the pool was made.
    pub is_zeroed: bool,
}

/// Reads and validates the descriptor, as far as that goes without the size of the file.
pub(super) fn read<S: Source + ?Sized>(source: &S) -> Result<Descriptor, Invalid> {
    let bytes = source::read(source, "block pool descriptor", OFFSET, LEN)?;
    let block_size = u32_at(&bytes, 0);
    if block_size == 0 {
        return Err(Damage::new("block size", OFFSET, "it is 0").into());
    }
    match u32_at(&bytes, 4) {
        zeroed @ 0..=1 => Ok(Descriptor { block_size, is_zeroed: zeroed == 1 }),
        other => Err(Damage::new("is_zeroed", IS_ZEROED, format!("it is {other:#x}, neither 0 nor 1")).into()),
    }
}

/// What is wrong where an arena would have too few blocks.
pub(super) fn too_large(block_size: u32) -> Damage {
    Damage::new("block size", OFFSET, format!("blocks of {block_size} bytes are too large for a file of this size"))
}

/// Makes the page at 4096 of a block pool that is not laid out. `is_zeroed` promises that the file holds zeros from
/// [`ARENAS_START`](super::ARENAS_START) on.
pub(crate) fn make(block_size: u32, is_zeroed: bool) -> [u8; PAGE as usize] {
    let mut bytes = [0; PAGE as usize];
    put(&mut bytes, 0, block_size.to_le_bytes());
    put(&mut bytes, 4, u32::from(is_zeroed).to_le_bytes());
    bytes
}
