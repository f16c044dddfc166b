//! The heap's keys: a container's id, what of it the entry has, and which one that is.

/// What an entry has of its container.
pub(super) const HEADER: u8 = 0;
pub(super) const ENTRY: u8 = 1;
pub(super) const HASH: u8 = 2;
pub(super) const SORTED: u8 = 3;
pub(super) const ITEM: u8 = 4;

/// What an entry has of the store itself, whose id is 0.
pub(super) const ROOT: u8 = 0x10;
pub(super) const NEXT_ID: u8 = 0x11;
pub(super) const VERSION: u8 = 0x12;
pub(super) const SHAPE: u8 = 0x13;
pub(super) const SHAPE_HASH: u8 = 0x14;
pub(super) const QUEUE: u8 = 0x15;
pub(super) const FORMAT: u8 = 0x16;

/// How many bytes a key has before what it is the key of.
pub(super) const PREFIX: usize = 8;

/// The longest id.
pub(super) const MOST_ID: u64 = (1 << 53) - 1;

/// A key of a known length.
#[derive(Clone, Copy)]
pub(super) struct Key {
    bytes: [u8; PREFIX + 8],
    len: usize,
}

impl Key {
    fn new(id: u64, what: u8) -> Self {
        let mut bytes = [0; PREFIX + 8];
        bytes[..7].copy_from_slice(&id.to_be_bytes()[1..]);
        bytes[7] = what;
        Self { bytes, len: PREFIX }
    }

    fn with(mut self, more: &[u8]) -> Self {
        self.bytes[self.len..self.len + more.len()].copy_from_slice(more);
        self.len += more.len();
        self
    }

    pub(super) fn header(id: u64) -> Self {
        Self::new(id, HEADER)
    }

    pub(super) fn entry(id: u64, number: u64) -> Self {
        Self::new(id, ENTRY).with(&number.to_be_bytes()[1..])
    }

    pub(super) fn hash(id: u64, hash: u64) -> Self {
        Self::new(id, HASH).with(&hash.to_be_bytes())
    }

    pub(super) fn item(id: u64, index: i64) -> Self {
        Self::new(id, ITEM).with(&(index ^ i64::MIN).to_be_bytes())
    }

    /// The store's own entry of this kind.
    pub(super) fn own(what: u8) -> Self {
        Self::new(0, what)
    }

    pub(super) fn shape(id: u32) -> Self {
        Self::own(SHAPE).with(&id.to_be_bytes())
    }

    pub(super) fn shape_hash(hash: u64) -> Self {
        Self::own(SHAPE_HASH).with(&hash.to_be_bytes())
    }

    pub(super) fn queue(id: u64) -> Self {
        Self::own(QUEUE).with(&id.to_be_bytes()[1..])
    }

    /// What all entries of this kind begin with.
    pub(super) fn all(id: u64, what: u8) -> Self {
        Self::new(id, what)
    }
}

impl std::ops::Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The key of a sorted map's entry.
pub(super) fn sorted(id: u64, key: &[u8], into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&Key::new(id, SORTED));
    into.extend_from_slice(key);
}

/// The id and the kind of a heap's key, and what follows.
pub(super) fn parse(key: &[u8]) -> Option<(u64, u8, &[u8])> {
    let (prefix, rest) = key.split_at_checked(PREFIX)?;
    Some((number(&prefix[..7]), prefix[7], rest))
}

/// A number of up to 8 bytes, big-endian.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The index of an array's item, by what follows the prefix.
pub(super) fn index(bytes: &[u8]) -> i64 {
    number(bytes) as i64 ^ i64::MIN
}
