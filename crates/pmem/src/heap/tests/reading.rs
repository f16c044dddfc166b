//! A reader that knows no more than `docs/heap-format.md`.

use super::model::change;
use super::*;
use crate::os::seam::recorder::Random;

struct Reader {
    file: Vec<u8>,
    salt: u64,
    node: usize,
    log: (usize, usize),
    slot: usize,
}

fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn checksum(parts: &[&[u8]]) -> u64 {
    parts.iter().fold(0, |sum, part| crc32c::crc32c_append(sum, part)).into()
}

impl Reader {
    fn new(file: Vec<u8>) -> Self {
        assert_eq!((&file[..8], number(&file, 8, 4)), (&b"PMEMHEAP"[..], 1));
        assert_eq!(number(&file, 4092, 4), checksum(&[&file[..4092]]));
        let (salt, tables, log) = (number(&file, 56, 8), number(&file, 88, 8) as usize, number(&file, 96, 8) as usize);
        let is_sound = |at: &usize| {
            file[*at..at + 8] == *b"HEAPSLOT" && number(&file, at + 4092, 4) == checksum(&[&file[*at..at + 4092]])
        };
        let slots = [4096, 8192, 12288, 16384].into_iter().filter(is_sound);
        let slot = slots.max_by_key(|at| number(&file, at + 16, 8)).unwrap();
        let node = number(&file, 72, 8) as usize;
        Self { salt, node, log: (73728 + 2 * tables, log), slot, file }
    }

    /// What a reference leads to, in so many blocks.
    fn blocks(&self, reference: u64, blocks: usize) -> &[u8] {
        let block = reference & ((1 << 39) - 1);
        let bytes = &self.file[block as usize * self.node..][..blocks * self.node];
        let (contents, trailer) = bytes.split_at(bytes.len() - 16);
        let sum = checksum(&[&self.salt.to_le_bytes(), &block.to_le_bytes(), contents, &trailer[4..]]);
        assert_eq!((sum, sum & 0xff_ffff), (number(trailer, 0, 4), reference >> 39));
        contents
    }

    fn run(&self, place: &[u8]) -> Vec<u8> {
        let (reference, len) = (number(place, 0, 8), number(place, 8, 8) as usize);
        let blocks = |len: usize| (len + 16).div_ceil(self.node);
        let most = 64 * self.node - 16;
        if len <= most {
            return self.blocks(reference, blocks(len))[..len].to_vec();
        }
        let pieces = len.div_ceil(most);
        let index = self.blocks(reference, blocks(8 * pieces));
        let piece = |piece: usize| {
            let len = most.min(len - piece * most);
            self.blocks(number(index, 8 * piece, 8), blocks(len))[..len].to_vec()
        };
        (0..pieces).flat_map(piece).collect()
    }

    fn tree(&self, reference: u64, level: Option<u8>, model: &mut Model) {
        let node = self.blocks(reference, 1);
        assert!(node[0] == 0x4e && level.is_none_or(|level| node[1] == level));
        let (cells, prefix) = (number(node, 2, 2) as usize, number(node, 4, 2) as usize);
        for slot in (0..cells).map(|cell| 16 + prefix + 8 * cell) {
            let (mut at, len) = (number(node, slot + 4, 2) as usize, number(node, slot + 6, 2) as usize);
            let mut key = [&node[16..16 + prefix], &node[at..at + (len & 0x7fff)]].concat();
            at += len & 0x7fff;
            if len & 0x8000 != 0 {
                key.extend(self.run(&node[at..at + 16]));
                at += 16;
            }
            if node[1] > 0 {
                self.tree(number(node, at, 8), Some(node[1] - 1), model);
                continue;
            }
            let len = number(node, at, 2) as usize;
            let value = match len & 0x8000 {
                0 => node[at + 2..at + 2 + len].to_vec(),
                _ => self.run(&node[at + 2..at + 18]),
            };
            model.insert(key, value);
        }
    }

    /// A sound frame at a position: its payload, and how long it is.
    fn frame(&self, position: usize, sequence: u64) -> Option<(&[u8], usize)> {
        let at = self.log.0 + position % self.log.1;
        let (header, len) = (&self.file[at..at + 32], number(&self.file, at, 4) as usize);
        let size = len.next_multiple_of(8);
        if len < 40 || position % self.log.1 + size > self.log.1 || number(header, 8, 8) != sequence {
            return None;
        }
        let seeds = [&self.salt.to_le_bytes()[..], &(position as u64).to_le_bytes()];
        let head = checksum(&[seeds[0], seeds[1], &header[..4], &header[8..28]]);
        let whole = crc32c::crc32c_append(head as u32, &self.file[at + 28..at + size]);
        let sound = number(header, 28, 4) == head && number(header, 4, 4) == u64::from(whole);
        sound.then(|| (&self.file[at + 32..at + len], size))
    }

    fn log(&self, model: &mut Model) -> usize {
        let mut position = number(&self.file, self.slot + 40, 8) as usize;
        let (mut sequence, mut count) = (number(&self.file, self.slot + 32, 8), 0);
        loop {
            let places = [position, position.next_multiple_of(self.log.1)];
            let found = places.into_iter().find_map(|at| Some((at, self.frame(at, sequence + 1)?)));
            let Some((at, (payload, size))) = found else { return count };
            let mut changes = &payload[8..];
            while let Some((kind, rest)) = changes.split_first() {
                let (key, rest) = rest[4..].split_at(number(rest, 0, 4) as usize);
                changes = rest;
                match kind {
                    1 => {
                        let (value, rest) = rest[4..].split_at(number(rest, 0, 4) as usize);
                        model.insert(key.to_vec(), value.to_vec());
                        changes = rest;
                    }
                    kind => {
                        assert_eq!(*kind, 2);
                        model.remove(key);
                    }
                }
            }
            (position, sequence, count) = (at + size, sequence + 1, count + 1);
        }
    }
}

#[test]
fn a_reader_by_the_page_alone_sees_the_same() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let (heap, mut random, mut model) = (Heap::open(&path, &options()).unwrap(), Random::new(3), Model::new());
        set(&heap, b"long", &vec![7; 100_000]);
        model.insert(b"long".to_vec(), vec![7; 100_000]);
        let mut logged = 0;
        for _ in 0..60 {
            let mut transaction = heap.begin().unwrap();
            for _ in 0..20 {
                change(&mut transaction, &mut model, &mut random, 2);
            }
            transaction.commit().unwrap();
            let (reader, mut found) = (Reader::new(std::fs::read(&path).unwrap()), Model::new());
            let root = number(&reader.file, reader.slot + 48, 8);
            if root != 0 {
                reader.tree(root, None, &mut found);
            }
            assert_eq!(found.len() as u64, number(&reader.file, reader.slot + 80, 8));
            logged += reader.log(&mut found);
            assert!(found == model, "{} entries, not {}", found.len(), model.len());
        }
        assert!(logged > 20 && check(&heap).depth > 2);
    });
}
