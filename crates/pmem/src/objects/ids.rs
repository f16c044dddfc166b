//! Maps by ids. Ids are given one after the other, by this process: nobody chooses them so that they lie badly.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

pub(super) type IdMap<V> = HashMap<u64, V, BuildHasherDefault<Ids>>;
pub(super) type IdSet = HashSet<u64, BuildHasherDefault<Ids>>;

/// Spreads ids over the bits of a hash.
#[derive(Default)]
pub(super) struct Ids(u64);

impl Hasher for Ids {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 << 8 | u64::from(*byte)));
    }

    fn write_u64(&mut self, id: u64) {
        let spread = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ spread >> 32;
    }
}
