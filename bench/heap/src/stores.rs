//! What a store does in the benchmark.

use std::hint::black_box;
use std::path::{Path, PathBuf};

/// An entry, as the benchmark has it ready before its clock starts.
pub type Entry<'a> = (&'a [u8], &'a [u8]);

/// An open store of byte keys to byte values.
pub trait Store {
    /// How tables call it.
    fn name(&self) -> &'static str;

    /// Looks a key up in a read transaction of its own, where the store has such, and reads the value's bytes with
    /// [`touch`]; its length, or `None` where the key is absent.
    fn get(&self, key: &[u8]) -> Option<usize>;

    /// The same for many keys in one read transaction, as a user does who has many to look up; how many were there.
    /// A store without read transactions has nothing to save.
    fn get_many(&self, keys: &mut dyn Iterator<Item = &[u8]>) -> usize {
        keys.filter(|key| self.get(key).is_some()).count()
    }

    /// Sets one key in a transaction of its own, durable at return.
    fn set(&mut self, key: &[u8], value: &[u8]);

    /// Sets all of these in one transaction, durable at return.
    fn batch(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>);

    /// Walks all entries, by ascending key where the store has an order; how many there are, and the sum of what
    /// [`digest`] says of each.
    fn scan(&self) -> (usize, u64);

    /// Closes it, so that the files can be opened again in this process.
    fn close(self: Box<Self>);
}

/// A kind of store.
pub struct Kind {
    pub name: &'static str,
    /// Whether a scan is in the order of the keys.
    pub ordered: bool,
    /// Makes the store in an empty folder.
    pub create: fn(&Path, &Room) -> Box<dyn Store>,
    /// Opens what `create` made there, and was closed.
    pub open: fn(&Path, &Room) -> Box<dyn Store>,
}

/// For what a store has to have room.
pub struct Room {
    /// The most entries that it will ever have.
    pub entries: usize,
    /// Bytes of an entry's key and value.
    pub entry_bytes: usize,
}

impl Room {
    /// Bytes that suffice for every store here, with what overwriting leaves behind.
    pub fn bytes(&self) -> usize {
        let entry = 4 * self.entry_bytes + 256;
        (self.entries * entry + (256 << 20)).next_multiple_of(1 << 20)
    }
}

/// The kinds that this build has.
pub fn kinds() -> Vec<Kind> {
    vec![
        crate::heap::kind(),
        crate::redb::kind(),
        crate::lmdb::kind(),
        #[cfg(pmemobj)]
        crate::pmemobj::kind(),
    ]
}

/// The file of a store that has one.
pub fn file_in(folder: &Path) -> PathBuf {
    folder.join("store")
}

/// Reads a byte of each cache line of a value, as a user of it would at least; its length.
#[inline]
pub fn touch(value: &[u8]) -> usize {
    let lines = value.iter().step_by(64).chain(value.last());
    black_box(lines.fold(0u8, |sum, byte| sum ^ byte));
    value.len()
}

/// A number for an entry that depends on the last bytes of its key and on the first of its value.
#[inline]
pub fn digest(key: &[u8], value: &[u8]) -> u64 {
    let key = key.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let value = value.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    (key ^ value.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
