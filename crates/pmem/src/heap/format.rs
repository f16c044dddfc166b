//! A store's file: its header, the two slots that say where its tree is, and where everything lies. `docs/heap-format.md` is the
//! description that others go by.

use super::node::TRAILER;
use crate::os::deliberate;
use crate::storage::bytes::{array, put, u32_at, u64_at};

/// Bytes of the header, of a slot, and of what else stands by itself.
pub(super) const PAGE: u64 = 4096;

const MAGIC: [u8; 8] = *b"PMEMHEAP";
const VERSION: u32 = 1;
const SLOT_MAGIC: [u8; 8] = *b"HEAPSLOT";

/// Where the bits of the first zone's blocks are, twice.
const FIRST_BITS: u64 = 16 * PAGE;

/// Set in a reference that is an index in memory.
pub(super) const IN_MEMORY: u64 = 1 << 63;

const BLOCK_BITS: u32 = 39;

/// A reference to a block, with 24 bits of its checksum: who follows it knows an old one that was written there before.
pub(super) fn reference(block: u64, checksum: u32) -> u64 {
    block | u64::from(checksum & 0xff_ffff) << BLOCK_BITS
}

/// The block that a reference leads to.
#[inline]
pub(super) fn block_of(reference: u64) -> u64 {
    reference & ((1 << BLOCK_BITS) - 1)
}

/// The part of the checksum in a reference.
pub(super) fn check_of(reference: u64) -> u32 {
    (reference >> BLOCK_BITS) as u32
}

/// Where things are in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    /// In bytes: a power of two.
    pub(super) node_size: u64,
    /// How many blocks share a bitmap: a power of two.
    pub(super) zone_blocks: u64,
    /// The length of each of the two tables of zones, in bytes.
    pub(super) table_len: u64,
    pub(super) log_len: u64,
}

impl Geometry {
    /// A new file's. Nodes of a page measured best also on persistent memory, where smaller ones would be written with less:
    /// they make a tree of more levels.
    pub(super) const DEFAULT: Self =
        Self { node_size: 4096, zone_blocks: 32768, table_len: 128 << 10, log_len: 16 << 20 };

    /// Few entries make several levels and zones, and the log goes round often.
    #[cfg(any(test, feature = "recorder"))]
    pub(super) const SMALL: Self = Self { node_size: 512, zone_blocks: 512, table_len: 4096, log_len: 16 << 10 };

    fn is_possible(&self) -> bool {
        let Self { node_size, zone_blocks, table_len, log_len } = *self;
        node_size.is_power_of_two()
            && (512..=16384).contains(&node_size)
            && zone_blocks.is_power_of_two()
            && (64..=32768).contains(&zone_blocks)
            && table_len.is_multiple_of(PAGE)
            && (PAGE..=1 << 30).contains(&table_len)
            && log_len.is_multiple_of(PAGE)
            && (PAGE..=1 << 30).contains(&log_len)
            && self.zone_len() >= PAGE
            && self.data_start() + node_size <= self.zone_len()
    }

    /// The length of a zone, in bytes.
    pub(super) fn zone_len(&self) -> u64 {
        self.node_size * self.zone_blocks
    }

    /// Where one of the two tables of zones is.
    pub(super) fn table(&self, side: u64) -> u64 {
        FIRST_BITS + 2 * PAGE + side * self.table_len
    }

    pub(super) fn log_start(&self) -> u64 {
        self.table(2)
    }

    /// Where the first zone's blocks begin.
    fn data_start(&self) -> u64 {
        self.log_start() + self.log_len
    }

    /// How many blocks of a zone's start are no nodes.
    pub(super) fn first_block(&self, zone: u64) -> u64 {
        let bytes = if zone == 0 { self.data_start() } else { 2 * PAGE };
        bytes.div_ceil(self.node_size)
    }

    /// Whether so many blocks in a row are nodes' or runs', in one zone of a file of `blocks` blocks.
    pub(super) fn has_blocks(&self, block: u64, count: u64, blocks: u64) -> bool {
        let (zone, first) = (block / self.zone_blocks, block % self.zone_blocks);
        first >= self.first_block(zone) && first + count <= self.zone_blocks && block + count <= blocks
    }

    /// Where one of the two bitmaps of a zone is.
    pub(super) fn bits(&self, zone: u64, side: u64) -> u64 {
        side * PAGE + if zone == 0 { FIRST_BITS } else { zone * self.zone_len() }
    }

    /// How many zones a table has room for.
    pub(super) fn most_zones(&self) -> u64 {
        self.table_len / 8
    }

    /// How many bytes of contents a run of so many blocks has.
    pub(super) fn run_len(&self, blocks: u64) -> u64 {
        blocks * self.node_size - TRAILER as u64
    }

    /// How many blocks so many bytes of contents take in one run.
    pub(super) fn run_blocks(&self, len: u64) -> u64 {
        (len + TRAILER as u64).div_ceil(self.node_size)
    }
}

/// What a store says of itself for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) geometry: Geometry,
    pub(super) salt: u64,
    pub(super) uuid: [u8; 16],
    /// In microseconds since 1970.
    pub(super) created: u64,
    /// Whether this version knows all that who writes must know.
    pub(super) may_write: bool,
}

/// Why a page is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) what: String,
    pub(super) is_newer: bool,
}

fn refused<T>(what: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { what: what.into(), is_newer: false })
}

impl Header {
    /// The header's page.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut page = vec![0; PAGE as usize];
        put(&mut page, 0, MAGIC);
        put(&mut page, 8, VERSION.to_le_bytes());
        // 16: compatible, incompatible and read-compatible features, none of which there are.
        put(&mut page, 40, self.uuid);
        put(&mut page, 56, self.salt.to_le_bytes());
        put(&mut page, 64, self.created.to_le_bytes());
        let Geometry { node_size, zone_blocks, table_len, log_len } = self.geometry;
        for (at, value) in [(72, node_size), (80, zone_blocks), (88, table_len), (96, log_len)] {
            put(&mut page, at, value.to_le_bytes());
        }
        // 104: checksums are CRC32C; 108: nothing is encrypted.
        put(&mut page, 104, 1u32.to_le_bytes());
        seal(&mut page);
        page
    }

    /// What the header's page says.
    pub(super) fn decode(page: &[u8]) -> Result<Self, Refused> {
        if page.len() < PAGE as usize || page[..8] != MAGIC {
            return refused("it is no store of this package: it does not begin with its mark");
        }
        if !is_sealed(page) {
            return refused("its header's checksum is not that of what it says");
        }
        let is_newer =
            u32_at(page, 8) != VERSION || u64_at(page, 24) != 0 || u32_at(page, 104) != 1 || u32_at(page, 108) != 0;
        if is_newer {
            return Err(Refused { what: "it needs something that this version does not know".to_owned(), is_newer });
        }
        let geometry = Geometry {
            node_size: u64_at(page, 72),
            zone_blocks: u64_at(page, 80),
            table_len: u64_at(page, 88),
            log_len: u64_at(page, 96),
        };
        if !geometry.is_possible() {
            return refused("its header's sizes are not possible");
        }
        let (salt, created, may_write) = (u64_at(page, 56), u64_at(page, 64), u64_at(page, 32) == 0);
        Ok(Self { geometry, salt, uuid: array(page, 40), created, may_write })
    }
}

/// A checkpoint: a whole tree, and where the log goes on from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// The number of the checkpoint, from 1 on.
    pub(super) epoch: u64,
    /// How often the store was opened after its log was left with something in it.
    pub(super) incarnation: u64,
    /// The number of the last commit that the tree has.
    pub(super) sequence: u64,
    /// Where in the log the next one is.
    pub(super) position: u64,
    /// The tree's root; 0 where it has none.
    pub(super) root: u64,
    /// How many blocks the file has, with those that are no nodes.
    pub(super) blocks: u64,
    /// How many zones they make, and the checksum of their table.
    pub(super) zones: u64,
    pub(super) table: u32,
    /// How many entries the tree has.
    pub(super) entries: u64,
    /// What came into use since the file was made: features that who reads, and who writes, must know.
    pub(super) incompatible: u64,
    pub(super) read_compatible: u64,
}

impl Slot {
    /// Where the two copies of an epoch's slot are.
    pub(super) fn places(epoch: u64) -> [u64; 2] {
        let side = if deliberate::is_on("heap: one slot") { 0 } else { epoch % 2 };
        let first = PAGE + side * 2 * PAGE;
        [first, first + PAGE]
    }

    /// Whether nothing overflows that is reckoned with its numbers, and its root is one of a file.
    pub(super) fn is_possible(&self) -> bool {
        let Self { epoch, incarnation, sequence, position, root, blocks, entries, .. } = *self;
        let is_small = [epoch, incarnation, sequence, position, entries].into_iter().all(|number| number < 1 << 62);
        is_small && position.is_multiple_of(8) && root & IN_MEMORY == 0 && blocks < 1 << BLOCK_BITS
    }

    /// The slot's page.
    pub(super) fn encode(&self, salt: u64) -> Vec<u8> {
        let mut page = vec![0; PAGE as usize];
        put(&mut page, 0, SLOT_MAGIC);
        put(&mut page, 8, salt.to_le_bytes());
        let Self { epoch, incarnation, sequence, position, root, blocks, zones, table, entries, .. } = *self;
        // 88: compatible features, none of which there are.
        let features = [0, self.incompatible, self.read_compatible];
        let numbers = [epoch, incarnation, sequence, position, root, blocks, zones, table.into(), entries];
        let numbers = numbers.into_iter().chain(features);
        for (index, number) in numbers.enumerate() {
            put(&mut page, 16 + 8 * index, number.to_le_bytes());
        }
        seal(&mut page);
        page
    }

    /// What a slot's page says, if it is whole.
    pub(super) fn decode(page: &[u8], salt: u64) -> Option<Self> {
        if page.len() < PAGE as usize || page[..8] != SLOT_MAGIC || u64_at(page, 8) != salt || !is_sealed(page) {
            return None;
        }
        let number = |index: usize| u64_at(page, 16 + 8 * index);
        Some(Self {
            epoch: number(0),
            incarnation: number(1),
            sequence: number(2),
            position: number(3),
            root: number(4),
            blocks: number(5),
            zones: number(6),
            table: number(7) as u32,
            entries: number(8),
            incompatible: number(10),
            read_compatible: number(11),
        })
    }
}

const CHECKSUM: usize = PAGE as usize - 4;

fn seal(page: &mut [u8]) {
    let checksum = crc32c::crc32c(&page[..CHECKSUM]);
    put(page, CHECKSUM, checksum.to_le_bytes());
}

fn is_sealed(page: &[u8]) -> bool {
    u32_at(page, CHECKSUM) == crc32c::crc32c(&page[..CHECKSUM])
}

/// A checksum of bytes that are known in their place alone, a block's number or an offset.
pub(super) fn checksum(bytes: &[u8], salt: u64, place: u64) -> u32 {
    let mut seed = [0; 16];
    put(&mut seed, 0, salt.to_le_bytes());
    put(&mut seed, 8, place.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&seed), bytes)
}

/// Writes the trailer of a node or a run that goes to `block`. Returns its checksum.
pub(super) fn seal_block(bytes: &mut [u8], salt: u64, block: u64, epoch: u64) -> u32 {
    let trailer = bytes.len() - TRAILER;
    bytes[trailer..].fill(0);
    put(bytes, trailer + 8, epoch.to_le_bytes());
    let checksum = block_checksum(bytes, salt, block);
    put(bytes, trailer, checksum.to_le_bytes());
    checksum
}

fn block_checksum(bytes: &[u8], salt: u64, block: u64) -> u32 {
    let trailer = bytes.len() - TRAILER;
    let checksum = checksum(&bytes[..trailer], salt, block);
    crc32c::crc32c_append(checksum, &bytes[trailer + 4..])
}

/// Whether a node or a run is what was written to where `reference` leads.
pub(super) fn is_sound(bytes: &[u8], salt: u64, reference: u64) -> bool {
    let checksum = u32_at(bytes, bytes.len() - TRAILER);
    checksum & 0xff_ffff == check_of(reference) && checksum == block_checksum(bytes, salt, block_of(reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { geometry: Geometry::DEFAULT, salt: 5, uuid: [7; 16], created: 9, may_write: true }
    }

    #[test]
    fn a_header_and_a_slot_come_back_and_each_changed_bit_shows() {
        let slot = Slot { epoch: 3, root: reference(77, 0x1234_5678), blocks: 9, table: 4, ..Slot::default() };
        let (mut page, mut slot_page) = (header().encode(), slot.encode(5));
        assert_eq!((Header::decode(&page), Slot::decode(&slot_page, 5)), (Ok(header()), Some(slot)));
        assert_eq!(Slot::decode(&slot_page, 6), None);
        for bit in (0..page.len() * 8).step_by(3) {
            page[bit / 8] ^= 1 << (bit % 8);
            slot_page[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&page).is_err() && Slot::decode(&slot_page, 5).is_none(), "bit {bit}");
            page[bit / 8] ^= 1 << (bit % 8);
            slot_page[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn what_is_not_known_is_newer_and_impossible_sizes_are_refused() {
        for at in [8, 24, 104, 108] {
            let mut page = header().encode();
            page[at] ^= 6;
            seal(&mut page);
            assert!(Header::decode(&page).unwrap_err().is_newer, "{at}");
        }
        for (at, value) in
            [(72, 0u64), (72, 3000), (72, 1 << 20), (80, 0), (80, 1 << 40), (88, 1), (96, 0), (96, u64::MAX)]
        {
            let mut page = header().encode();
            put(&mut page, at, value.to_le_bytes());
            seal(&mut page);
            assert!(!Header::decode(&page).unwrap_err().is_newer);
        }
    }

    #[test]
    fn a_block_is_known_in_its_place_alone() {
        let mut bytes = vec![3; 1024];
        let checksum = seal_block(&mut bytes, 5, 70, 2);
        assert!(is_sound(&bytes, 5, reference(70, checksum)));
        assert!(!is_sound(&bytes, 5, reference(71, checksum)) && !is_sound(&bytes, 6, reference(70, checksum)));
        assert!(!is_sound(&bytes, 5, reference(70, checksum ^ 1)));
        assert_eq!((block_of(reference(70, checksum)), check_of(reference(70, checksum))), (70, checksum & 0xff_ffff));
    }
}
