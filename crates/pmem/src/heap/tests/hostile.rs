//! Files that were changed by someone who puts the checksums right: right data or an error, never a panic, nor reading or
//! allocating without end, and what is sound stays so however the store is changed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::super::format::{PAGE, Slot, block_of, checksum, reference, seal_block};
use super::super::node::{Cell, Page, PageMut, Place, Stored, value_payload};
use super::damage::{put_slot, slot_of, sound};
use super::model::{change, value};
use super::*;
use crate::os::seam::recorder::Random;
use crate::storage::bytes::{put, u32_at, u64_at};
use crate::storage::frames::{self, Frame, HEADER};

const SIZE: usize = 512;

/// How many damaged files are looked at on each medium.
fn damages() -> u64 {
    number("PMEM_TEST_DAMAGES").unwrap_or(500)
}

/// Each seed damages a file in another way.
fn first_seed() -> u64 {
    number("PMEM_FUZZ_SEED").unwrap_or(1)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A store of several levels, with long keys and values, of which a part is in the log.
fn build(path: &Path) -> Model {
    let (mut random, mut model) = (Random::new(3), Model::new());
    let heap = Heap::open(path, &options()).unwrap();
    let mut transaction = heap.begin().unwrap();
    for _ in 0..500 {
        change(&mut transaction, &mut model, &mut random, 1);
    }
    // Longer than a run.
    for (key, len) in [(b"long 1", 40_000), (b"long 2", 70_000)] {
        transaction.set(key, &vec![key[5]; len]).unwrap();
        model.insert(key.to_vec(), vec![key[5]; len]);
    }
    transaction.commit().unwrap();
    heap.checkpoint().unwrap();
    assert!(check(&heap).depth >= 3);
    for _ in 0..6 {
        let mut transaction = heap.begin().unwrap();
        for _ in 0..5 {
            change(&mut transaction, &mut model, &mut random, 3);
        }
        transaction.commit().unwrap();
    }
    assert!(heap.stats().unwrap().log > 0);
    model
}

/// A store, and its file as it is to be damaged.
fn built(folder: &Path) -> (PathBuf, Model, Image) {
    let path = folder.join("a");
    let model = build(&path);
    let image = Image::new(std::fs::read(&path).unwrap());
    (path, model, image)
}

/// What a reference leads to.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) block: u64,
    blocks: u64,
    pub(super) is_node: bool,
    /// The part that has the reference, by its number, and where in it; none of the root.
    pub(super) held: Option<(usize, usize)>,
}

/// A file that is changed, with all that its tree has.
pub(super) struct Image {
    pub(super) bytes: Vec<u8>,
    salt: u64,
    slot: Slot,
    /// Each behind the one that leads to it.
    pub(super) parts: Vec<Part>,
}

impl Image {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let (salt, slot) = slot_of(&bytes);
        let mut image = Self { bytes, salt, slot, parts: Vec::new() };
        image.add_node(slot.root, None);
        image
    }

    pub(super) fn at(&self, part: &Part) -> std::ops::Range<usize> {
        let start = part.block as usize * SIZE;
        start..start + part.blocks as usize * SIZE
    }

    fn add_node(&mut self, reference: u64, held: Option<(usize, usize)>) {
        let part = Part { block: block_of(reference), blocks: 1, is_node: true, held };
        let (number, bytes) = (self.parts.len(), self.bytes[self.at(&part)].to_vec());
        self.parts.push(part);
        let page = Page::new(&bytes).unwrap();
        for index in 0..page.count() {
            let cell = page.cell(index).unwrap();
            let payload = cell.payload.as_ptr() as usize - bytes.as_ptr() as usize;
            if let Some(rest) = cell.rest {
                self.add_run(rest, (number, payload - 16));
            }
            match cell.stored() {
                _ if page.level() > 0 => self.add_node(cell.child().unwrap(), Some((number, payload))),
                Some(Stored::Run(place)) => self.add_run(place, (number, payload + 2)),
                _ => {}
            }
        }
    }

    fn add_run(&mut self, place: Place, held: (usize, usize)) {
        let most = 64 * SIZE as u64 - 16;
        let (pieces, len) =
            if place.len <= most { (0, place.len) } else { (place.len.div_ceil(most), place.len.div_ceil(most) * 8) };
        let blocks = (len + 16).div_ceil(SIZE as u64);
        let part = Part { block: block_of(place.reference), blocks, is_node: false, held: Some(held) };
        let (number, bytes) = (self.parts.len(), self.bytes[self.at(&part)].to_vec());
        self.parts.push(part);
        for piece in 0..pieces {
            let len = most.min(place.len - piece * most);
            self.add_run(Place { reference: u64_at(&bytes, piece as usize * 8), len }, (number, piece as usize * 8));
        }
    }

    /// Puts the checksum of a part right, and those of all that leads to it.
    fn seal(&mut self, number: usize) {
        let part = self.parts[number].clone();
        let range = self.at(&part);
        let checksum = seal_block(&mut self.bytes[range], self.salt, part.block, self.slot.epoch);
        let reference = reference(part.block, checksum);
        match part.held {
            None => self.slot.root = reference,
            Some((holder, at)) => {
                let start = self.parts[holder].block as usize * SIZE;
                put(&mut self.bytes, start + at, reference.to_le_bytes());
                self.seal(holder);
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        put_slot(&mut self.bytes, self.salt, &self.slot);
        self.bytes
    }

    /// Changes bytes of a node or a run, mostly where a node says what it has.
    fn spoil_bytes(&mut self, random: &mut Random) {
        let number = random.below(self.parts.len() as u64) as usize;
        let range = self.at(&self.parts[number]);
        for _ in 0..=random.below(4) {
            let len = (range.len() - 16) as u64;
            let limit = if self.parts[number].is_node && random.below(2) == 0 { 64 } else { len };
            self.bytes[range.start + random.below(limit) as usize] = random.below(256) as u8;
        }
        self.seal(number);
    }

    /// Leads a reference elsewhere: up, to what another one leads to, to what is of another kind, or to where nothing is.
    fn spoil_reference(&mut self, random: &mut Random) {
        let parts = self.parts.len() as u64;
        let (number, to) = (1 + random.below(parts - 1) as usize, random.below(parts) as usize);
        let Some((holder, at)) = self.parts[number].held else { return };
        let to = self.parts[to].clone();
        let checksum = u32_at(&self.bytes, self.at(&to).end - 16);
        let block = match random.below(6) {
            0 => random.below(self.slot.blocks + 300),
            1 => random.below(220),
            _ => to.block,
        };
        let at = self.parts[holder].block as usize * SIZE + at;
        put(&mut self.bytes, at, reference(block, checksum).to_le_bytes());
        self.seal(holder);
    }

    /// Says that a key's rest or a value is of another length.
    fn spoil_len(&mut self, random: &mut Random) {
        let runs: Vec<_> = self.parts.iter().filter(|part| !part.is_node).collect();
        let run = runs[random.below(runs.len() as u64) as usize].clone();
        let Some((holder, at)) = run.held.filter(|(holder, _)| self.parts[*holder].is_node) else { return };
        let at = self.parts[holder].block as usize * SIZE + at + 8;
        let len = u64_at(&self.bytes, at);
        let lens = [
            0,
            len.wrapping_add(random.below(9)).wrapping_sub(4),
            len + 512,
            32_752,
            32_753,
            1 << 24,
            1 << 30,
            1 << 40,
            u64::MAX,
        ];
        put(&mut self.bytes, at, lens[random.below(9) as usize].to_le_bytes());
        self.seal(holder);
    }

    /// Has other blocks free in a bitmap, or in the table.
    fn spoil_bitmap(&mut self, random: &mut Random) {
        let geometry = options().geometry.unwrap();
        let (zone, table) = (random.below(self.slot.zones), geometry.table(self.slot.epoch % 2));
        let entry = table as usize + zone as usize * 8;
        let counted = u32_at(&self.bytes, entry + 4);
        let (side, mut free) = (counted >> 31, counted & !(1 << 31));
        let offset = geometry.bits(zone, u64::from(side));
        for _ in 0..=random.below(6) {
            let bit = random.below(512);
            let byte = &mut self.bytes[offset as usize + bit as usize / 8];
            *byte ^= 1 << (bit % 8);
            free = if *byte & 1 << (bit % 8) == 0 { free + 1 } else { free - 1 };
        }
        if random.below(4) == 0 {
            free = [0, 1, 512, u32::MAX >> 1][random.below(4) as usize];
        }
        let bits = checksum(&self.bytes[offset as usize..][..64], self.salt, offset);
        put(&mut self.bytes, entry, bits.to_le_bytes());
        put(&mut self.bytes, entry + 4, (free | side << 31).to_le_bytes());
        self.slot.table = checksum(&self.bytes[table as usize..][..self.slot.zones as usize * 8], self.salt, table);
    }

    /// Changes a commit in the log, its number, or who wrote it.
    fn spoil_log(&mut self, random: &mut Random) {
        let geometry = options().geometry.unwrap();
        let start = geometry.log_start() as usize;
        let (mut position, mut found) = (self.slot.position, Vec::new());
        while let Ok(frame) = frames::decode(&self.bytes[start + position as usize..], self.salt, position) {
            found.push((position, frame));
            position += frame.size();
        }
        let (position, mut frame) = found[random.below(found.len() as u64) as usize];
        let at = start + position as usize;
        let mut payload = self.bytes[at + HEADER..at + frame.len].to_vec();
        let borders = [0, 1, 5, u32::MAX.into(), 1 << 62, u64::MAX];
        let border = borders[random.below(6) as usize];
        match random.below(6) {
            0 => frame.sequence = border,
            1 => frame.time = border,
            2 => put(&mut payload, 0, border.to_le_bytes()),
            3 => {
                let len = 8 + random.below(payload.len() as u64 - 8) as usize;
                payload.truncate(len);
                frame = Frame { len: HEADER + len, ..frame };
            }
            _ => {
                let place = 8 + random.below(payload.len() as u64 - 8) as usize;
                payload[place] = random.below(256) as u8;
            }
        }
        let mut bytes = Vec::new();
        frames::encode(&mut bytes, self.salt, position, &frame, &payload);
        self.bytes[at..at + bytes.len()].copy_from_slice(&bytes);
    }

    /// Changes a number of the slot, or of the other one so that it is the later one.
    fn spoil_slot(&mut self, random: &mut Random) {
        let borders = [0, 1, 8, 200, 1 << 38, 1 << 39, (1 << 62) - 8, 1 << 62, u64::MAX];
        let border = borders[random.below(9) as usize];
        let slot = &mut self.slot;
        let fields = [
            &mut slot.incarnation,
            &mut slot.sequence,
            &mut slot.position,
            &mut slot.root,
            &mut slot.blocks,
            &mut slot.zones,
            &mut slot.entries,
        ];
        let chosen = random.below(8);
        match fields.into_iter().nth(chosen as usize) {
            Some(field) => {
                *field = if random.below(2) == 0 { border } else { field.wrapping_add(random.below(3)).wrapping_sub(1) }
            }
            // Its table of zones is the other one then.
            None => slot.epoch = if random.below(2) == 0 { slot.epoch + 1 } else { border },
        }
    }

    /// Changes a number of the header.
    fn spoil_header(&mut self, random: &mut Random) {
        let at = [56, 72, 80, 88, 96][random.below(5) as usize];
        let now = u64_at(&self.bytes, at);
        let other = [now / 2, now.wrapping_mul(2), now.wrapping_add(8), 1 << 30, u64::MAX][random.below(5) as usize];
        put(&mut self.bytes, at, other.to_le_bytes());
        let sum = crc32c::crc32c(&self.bytes[..PAGE as usize - 4]);
        put(&mut self.bytes, PAGE as usize - 4, sum.to_le_bytes());
    }

    /// Damages something. Returns what.
    fn spoil(&mut self, random: &mut Random) -> &'static str {
        let (what, spoil): (_, fn(&mut Self, &mut Random)) = match random.below(16) {
            0..=4 => ("bytes", Self::spoil_bytes),
            5..=8 => ("a reference", Self::spoil_reference),
            9 => ("a length", Self::spoil_len),
            10..=12 => ("a bitmap", Self::spoil_bitmap),
            13 => ("the log", Self::spoil_log),
            14 => ("a slot", Self::spoil_slot),
            _ => ("the header", Self::spoil_header),
        };
        spoil(self, random);
        what
    }
}

/// What a key's value is: none where it cannot be read.
type Seen = BTreeMap<Vec<u8>, Option<Option<Vec<u8>>>>;

/// What reading allocates is no more than the file.
fn read(view: &View, keys: &BTreeSet<Vec<u8>>, len: usize, what: &str) -> Seen {
    let value = |key: &Vec<u8>| {
        let value = sound(view.get(key), what)?.map(Cow::into_owned);
        assert!(value.as_ref().is_none_or(|value| value.len() <= len), "{what}: a value longer than the file");
        Some(value)
    };
    keys.iter().map(|key| (key.clone(), value(key))).collect()
}

/// Entries both ways, which come to an end.
fn scan(view: &View, len: usize, what: &str) {
    for reverse in [false, true] {
        let Some(mut cursor) = sound(view.entries(None, reverse), what) else { continue };
        let mut count = 0;
        while let Some(Some((key, value))) = sound(cursor.next(), what) {
            assert!(key.len() <= len && value.len() <= len, "{what}: more than the file has");
            count += 1;
            // A cell takes no less than ten bytes, and each node comes once.
            assert!(count <= len / 10 + 1000, "{what}: no end");
        }
    }
}

/// Changes the store at random, some of it in large transactions. Returns what keys may be by now.
fn write(heap: &Heap, keys: &BTreeSet<Vec<u8>>, random: &mut Random, what: &str) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    let mut written = BTreeMap::new();
    for round in 0..4 {
        let Some(mut transaction) = sound(heap.begin(), what) else { return written };
        let mut changed = Vec::new();
        for key in keys.iter().skip(random.below(9) as usize).step_by([90, 7, 40, 3][round]) {
            let value = (random.below(3) > 0).then(|| value(random));
            let done = match &value {
                Some(value) => transaction.set(key, value),
                None => transaction.remove(key).map(drop),
            };
            if sound(done, what).is_some() {
                changed.push((key.clone(), value));
            }
        }
        if random.below(4) == 0 {
            drop(transaction);
        } else if sound(transaction.commit(), what).is_some() {
            written.extend(changed);
        }
        sound(heap.checkpoint(), what);
    }
    written
}

/// Whether all is where references lead, and only bitmaps may lie.
fn has_sound_tree(heap: &Heap, what: &str) -> bool {
    let of_bitmap =
        |damage: &String| ["is free, and in use", "nothing leads to it"].iter().any(|end| damage.ends_with(end));
    sound(heap.verify(), what).is_some_and(|report| report.damage.iter().all(of_bitmap))
}

/// What was damaged of a store gives no other data after it was changed than before. Returns how many keys could be read.
fn exercise(path: &Path, model: &Model, random: &mut Random, what: &str) -> usize {
    let before = std::fs::read(path).unwrap();
    let keys: BTreeSet<Vec<u8>> = model.keys().cloned().collect();
    let Some(heap) = sound(Heap::open(path, &options()), what) else {
        assert_eq!(std::fs::read(path).unwrap(), before, "{what}: it was refused, and changed");
        return 0;
    };
    let view = heap.view().unwrap();
    let seen = read(&view, &keys, before.len(), what);
    scan(&view, before.len(), what);
    drop(view);
    let is_sound = has_sound_tree(&heap, what);
    let written = write(&heap, &keys, random, what);
    drop(heap);
    let after = std::fs::read(path).unwrap();
    let kept = |bytes: &[u8]| [bytes[..4096].to_vec(), bytes[20480..65536].to_vec()];
    assert_eq!(kept(&after), kept(&before), "{what}: what is never written was");
    if let Some(heap) = sound(Heap::open(path, &options()), what) {
        let view = heap.view().unwrap();
        scan(&view, after.len(), what);
        for (key, value) in read(&view, &keys, after.len(), what).into_iter().filter(|_| is_sound) {
            let Some(value) = value else { continue };
            let expected = written.get(&key).or(seen[&key].as_ref());
            assert!(expected.is_none_or(|expected| *expected == value), "{what}: another value than was there");
        }
    }
    seen.values().filter(|value| value.is_some()).count()
}

#[test]
fn damage_with_right_checksums_gives_an_error_or_what_is_there() {
    on_each_medium(|folder| {
        let (path, copy) = (folder.join("a"), folder.join("copy"));
        let model = build(&path);
        let whole = std::fs::read(&path).unwrap();
        let mut read = 0;
        for seed in first_seed()..first_seed() + damages() {
            let (mut random, mut image) = (Random::new(seed), Image::new(whole.clone()));
            let what = format!("seed {seed}, {}", image.spoil(&mut random));
            std::fs::write(&copy, image.finish()).unwrap();
            read += exercise(&copy, &model, &mut random, &what);
        }
        println!("{read} reads");
        assert!(read > model.len() * damages() as usize / 3, "{read} reads");
    });
}

#[test]
fn a_bitmap_that_has_what_is_no_nodes_as_free_is_damage() {
    on_each_medium(|folder| {
        let (path, copy) = (folder.join("a"), folder.join("copy"));
        let model = build(&path);
        let whole = std::fs::read(&path).unwrap();
        let geometry = options().geometry.unwrap();
        // The header, a slot, the log, a bitmap of the second zone, and what the file does not have.
        for (zone, bit) in [(0, 0), (0, 8), (0, 160), (1, 3), (1, 511)] {
            let mut image = Image::new(whole.clone());
            assert!(image.slot.zones == 2 && image.slot.blocks < 1023, "{:?}", image.slot);
            let table = geometry.table(image.slot.epoch % 2);
            let entry = table as usize + zone as usize * 8;
            let counted = u32_at(&image.bytes, entry + 4);
            let offset = geometry.bits(zone, u64::from(counted >> 31));
            image.bytes[offset as usize + bit / 8] ^= 1 << (bit % 8);
            let bits = checksum(&image.bytes[offset as usize..][..64], image.salt, offset);
            put(&mut image.bytes, entry, bits.to_le_bytes());
            put(&mut image.bytes, entry + 4, (counted + 1).to_le_bytes());
            image.slot.table = checksum(&image.bytes[table as usize..][..16], image.salt, table);
            std::fs::write(&copy, image.finish()).unwrap();
            let heap = Heap::open(&copy, &options()).unwrap();
            assert!(matches!(heap.verify(), Err(Error::Broken { .. })), "zone {zone}, bit {bit}");
            let changed = heap.begin().and_then(|mut transaction| {
                transaction.set(b"more", b"1")?;
                transaction.commit()
            });
            let more = usize::from(sound(changed, "a commit").is_some());
            assert_eq!(contents(&heap.view().unwrap()).len(), model.len() + more);
            drop(heap);
            let kept = std::fs::read(&copy).unwrap();
            assert!(kept[..4096] == whole[..4096], "the header is as it was");
        }
    });
}

#[test]
fn other_free_blocks_than_were_written_are_damage() {
    on_each_medium(|folder| {
        let (path, copy) = (folder.join("a"), folder.join("copy"));
        build(&path);
        let image = Image::new(std::fs::read(&path).unwrap());
        let geometry = options().geometry.unwrap();
        let table = geometry.table(image.slot.epoch % 2) as usize;
        let mut other = image.bytes.clone();
        other[table + 8] ^= 1;
        std::fs::write(&copy, &other).unwrap();
        assert!(matches!(Heap::open(&copy, &options()), Err(Error::Broken { .. })));
        let bits = geometry.bits(0, u64::from(u32_at(&image.bytes, table + 4) >> 31)) as usize;
        let mut other = image.bytes.clone();
        // As many are free as there were.
        for is_used in [true, false] {
            let has = |block: &usize| image.bytes[bits + block / 8] & 1 << (block % 8) != 0;
            let block = (geometry.first_block(0) as usize..512).find(|block| has(block) == is_used).unwrap();
            other[bits + block / 8] ^= 1 << (block % 8);
        }
        std::fs::write(&copy, &other).unwrap();
        let heap = Heap::open(&copy, &options()).unwrap();
        assert!(matches!(heap.verify(), Err(Error::Broken { .. })));
    });
}

#[test]
fn a_zone_whose_bitmap_is_damaged_loses_nothing() {
    on_each_medium(|folder| {
        let path = folder.join("a");
        build(&path);
        let heap = Heap::open(&path, &options()).unwrap();
        let keys: Vec<Vec<u8>> = contents(&heap.view().unwrap()).into_keys().collect();
        let mut transaction = heap.begin().unwrap();
        // So that there is room in the first zone, and what is given up is in the second one.
        keys.iter().step_by(2).for_each(|key| assert!(transaction.remove(key).unwrap()));
        transaction.commit().unwrap();
        heap.checkpoint().unwrap();
        let mut model = contents(&heap.view().unwrap());
        drop(heap);
        let mut bytes = std::fs::read(&path).unwrap();
        let zone = options().geometry.unwrap().bits(1, 0) as usize;
        (0..2).for_each(|side| bytes[zone + side * 4096 + 20] ^= 1);
        std::fs::write(&path, bytes).unwrap();
        let heap = Heap::open(&path, &options()).unwrap();
        let mut failed = 0;
        for (number, key) in model.clone().keys().enumerate() {
            let value = number.to_le_bytes();
            let changed = heap.begin().and_then(|mut transaction| {
                transaction.set(key, &value)?;
                transaction.commit()
            });
            if sound(changed, "a commit").is_some() {
                model.insert(key.clone(), value.to_vec());
            }
            failed += usize::from(number % 10 == 0 && sound(heap.checkpoint(), "a checkpoint").is_none());
        }
        assert!(failed > 3, "{failed} checkpoints failed");
        assert_eq!(contents(&heap.view().unwrap()), model);
        drop(heap);
        assert_eq!(contents(&Heap::open(&path, &options()).unwrap().view().unwrap()), model);
    });
}

#[test]
fn frames_within_each_other_are_not_looked_at_again_and_again() {
    on_each_medium(|folder| {
        let (path, _, mut image) = built(folder);
        let geometry = options().geometry.unwrap();
        let (start, len) = (geometry.log_start(), geometry.log_len);
        let first = image.slot.position;
        let positions = (first..first + len).step_by(HEADER).filter(|position| position % len + 64 <= len);
        for position in positions {
            let at = position % len;
            let frame =
                Frame { len: (len - at) as usize, sequence: image.slot.sequence + 9, time: image.slot.epoch, flags: 0 };
            let mut bytes = Vec::new();
            frames::encode(&mut bytes, image.salt, position, &frame, &vec![1; frame.len - HEADER]);
            put(&mut image.bytes, (start + at) as usize, <[u8; HEADER]>::try_from(&bytes[..HEADER]).unwrap());
        }
        std::fs::write(&path, image.finish()).unwrap();
        let refused = Heap::open(&path, &options()).unwrap_err().to_string();
        assert!(refused.contains("more frames"), "{refused}");
    });
}

#[test]
fn a_run_that_was_read_is_not_taken_for_a_node() {
    on_each_medium(|folder| {
        let (path, model, mut image) = built(folder);
        let is_run = |part: &&Part| !part.is_node && part.blocks == 1;
        let run = image.parts.iter().position(|part| is_run(&part)).unwrap();
        let leaf = image.parts.iter().rposition(|part| part.is_node).unwrap();
        // It has the looks of a node whose cells lie anywhere.
        let range = image.at(&image.parts[run]);
        image.bytes[range.clone()].fill(0xee);
        put(&mut image.bytes, range.start, [0x4e, 0, 20, 0, 0, 0, 0xb0, 0]);
        image.seal(run);
        let reference = reference(image.parts[run].block, u32_at(&image.bytes, range.end - 16));
        let (holder, at) = image.parts[leaf].held.unwrap();
        let at = image.parts[holder].block as usize * SIZE + at;
        put(&mut image.bytes, at, reference.to_le_bytes());
        image.seal(holder);
        std::fs::write(&path, image.finish()).unwrap();
        let heap = Heap::open(&path, &options()).unwrap();
        model.keys().for_each(|key| drop(sound(heap.view().unwrap().get(key), "reading")));
        let mut refused = 0;
        for key in model.keys() {
            let mut transaction = heap.begin().unwrap();
            let changed =
                sound(transaction.set(key, b"1"), "setting").and_then(|()| sound(transaction.remove(key), "removing"));
            refused += usize::from(changed.is_none());
        }
        assert!((1..model.len() / 2).contains(&refused), "{refused} refused");
    });
}

/// How many keys of a damaged store can be read.
fn readable(path: &Path, model: &Model) -> usize {
    let heap = Heap::open(path, &options()).unwrap();
    let view = heap.view().unwrap();
    model.keys().filter(|key| sound(view.get(key), "reading").is_some()).count()
}

/// The number of a leaf without runs, of several cells.
fn leaf_of(image: &Image) -> usize {
    let is_leaf = |number: &usize| {
        let part = &image.parts[*number];
        let holds = image.parts.iter().any(|other| other.held.is_some_and(|(holder, _)| holder == *number));
        part.is_node && !holds && Page::new(&image.bytes[image.at(part)]).unwrap().count() > 2
    };
    (0..image.parts.len()).find(is_leaf).unwrap()
}

#[test]
fn a_node_where_no_nodes_are_is_damage() {
    on_each_medium(|folder| {
        let path = folder.join("a");
        let model = build(&path);
        let whole = std::fs::read(&path).unwrap();
        // Where a table of readers would be, in the log, and in a bitmap.
        for block in [40, 190, 514] {
            let mut image = Image::new(whole.clone());
            let leaf = leaf_of(&image);
            let mut bytes = image.bytes[image.at(&image.parts[leaf])].to_vec();
            let checksum = seal_block(&mut bytes, image.salt, block, image.slot.epoch);
            image.bytes[block as usize * SIZE..][..SIZE].copy_from_slice(&bytes);
            let (holder, at) = image.parts[leaf].held.unwrap();
            let at = image.parts[holder].block as usize * SIZE + at;
            put(&mut image.bytes, at, reference(block, checksum).to_le_bytes());
            image.seal(holder);
            std::fs::write(&path, image.finish()).unwrap();
            let read = readable(&path, &model);
            assert!((model.len() / 2..model.len()).contains(&read), "block {block}: {read} of {}", model.len());
        }
    });
}

#[test]
fn cells_in_the_same_bytes_are_damage() {
    on_each_medium(|folder| {
        let (path, model, mut image) = built(folder);
        let leaf = leaf_of(&image);
        let start = image.at(&image.parts[leaf]).start;
        let slots = start + 16 + Page::new(&image.bytes[start..][..SIZE]).unwrap().prefix_len();
        image.bytes.copy_within(slots..slots + 8, slots + 8);
        image.seal(leaf);
        std::fs::write(&path, image.finish()).unwrap();
        let read = readable(&path, &model);
        assert!((model.len() / 2..model.len()).contains(&read), "{read} of {}", model.len());
    });
}

#[test]
fn references_that_meet_again_and_again_come_to_an_end() {
    on_each_medium(|folder| {
        let (path, _, mut image) = built(folder);
        let blocks: Vec<u64> = image.parts.iter().filter(|part| part.is_node).map(|part| part.block).collect();
        let mut child = Vec::new();
        // Each node leads to the one below four times: it would be four to the power of twelve leaves.
        for (level, block) in blocks.into_iter().take(13).enumerate() {
            let payload = if level == 0 { value_payload(Stored::Inline(b"1")) } else { child };
            let keys = [b"a", b"b", b"c", b"d"];
            let cells = keys.map(|key| Cell { prefix: &[], suffix: key, rest: None, payload: &payload });
            let node = &mut image.bytes[block as usize * SIZE..][..SIZE];
            assert!(PageMut(node).fill(level as u8, &cells));
            let checksum = seal_block(node, image.salt, block, image.slot.epoch);
            image.slot.root = reference(block, checksum);
            child = image.slot.root.to_le_bytes().to_vec();
        }
        let bytes = image.finish();
        std::fs::write(&path, &bytes).unwrap();
        let heap = Heap::open(&path, &HeapOptions { readonly: true, ..options() }).unwrap();
        scan(&heap.view().unwrap(), bytes.len(), "a tree of one path");
        assert!(!heap.verify().unwrap().damage.is_empty());
    });
}

#[test]
fn pieces_that_are_all_the_same_are_not_put_together() {
    on_each_medium(|folder| {
        let (path, _, mut image) = built(folder);
        let is_long = |part: &Part| part.held.is_some_and(|(holder, _)| !image.parts[holder].is_node);
        let piece = image.parts.iter().position(is_long).unwrap();
        let (number, _) = image.parts[piece].held.unwrap();
        let (holder, at) = image.parts[number].held.unwrap();
        // A piece, and as many references to it as there can be, behind all that the store has.
        let (first, most) = (1024 + 16, 64 * SIZE);
        image.bytes.resize((first + 128) * SIZE, 0);
        let (salt, epoch) = (image.salt, image.slot.epoch);
        let place = |image: &mut Image, block: usize| {
            let checksum = seal_block(&mut image.bytes[block * SIZE..][..most], salt, block as u64, epoch);
            reference(block as u64, checksum).to_le_bytes()
        };
        let to_piece = place(&mut image, first);
        let count = (most - 16) / 8;
        (0..count).for_each(|index| put(&mut image.bytes, (first + 64) * SIZE + index * 8, to_piece));
        let to_index = place(&mut image, first + 64);
        let at = image.parts[holder].block as usize * SIZE + at;
        put(&mut image.bytes, at, to_index);
        put(&mut image.bytes, at + 8, ((count * (most - 16)) as u64).to_le_bytes());
        image.seal(holder);
        std::fs::write(&path, image.finish()).unwrap();
        let heap = Heap::open(&path, &options()).unwrap();
        let view = heap.view().unwrap();
        let refused = [b"long 1", b"long 2"].map(|key| view.get(key).is_err());
        assert_eq!(refused.iter().filter(|is_refused| **is_refused).count(), 1);
    });
}

#[test]
fn verify_finds_keys_before_those_of_their_node() {
    on_each_medium(|folder| {
        let (path, _, mut image) = built(folder);
        let node = |image: &Image, number: usize| image.bytes[image.at(&image.parts[number])].to_vec();
        let is_above = |number: &usize| {
            let bytes = node(&image, *number);
            image.parts[*number].is_node && Page::new(&bytes).is_some_and(|page| page.level() == 1 && page.count() > 2)
        };
        let number = (0..image.parts.len()).find(is_above).unwrap();
        let (bytes, leaves) = (node(&image, number), (0..image.parts.len()));
        let mut leaves = leaves
            .filter(|leaf| image.parts[*leaf].is_node && image.parts[*leaf].held.is_some_and(|held| held.0 == number));
        let leaf = node(&image, leaves.nth(1).unwrap());
        let leaf = Page::new(&leaf).unwrap();
        // The second child is for keys from its own last one on.
        let last = leaf.cell(leaf.count() - 1).unwrap();
        let mut cells = Page::new(&bytes).unwrap().cells_with(None);
        cells[1] = Cell { payload: cells[1].payload, rest: None, ..last };
        let range = image.at(&image.parts[number]);
        assert!(PageMut(&mut image.bytes[range]).fill(1, &cells));
        image.seal(number);
        std::fs::write(&path, image.finish()).unwrap();
        let heap = Heap::open(&path, &HeapOptions { readonly: true, ..options() }).unwrap();
        let damage = heap.verify().unwrap().damage;
        assert!(damage.iter().any(|damage| damage.contains("out of order")), "{damage:?}");
    });
}
