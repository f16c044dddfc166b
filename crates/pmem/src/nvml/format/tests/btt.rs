//! Block pools that are made here, damaged here, and interrupted here.

use std::fs::File;

use proptest::prelude::*;

use super::model::{Model, SIZE, STEPS, parts};
use super::{damage, identity};
use crate::nvml::format::btt::{self, ARENAS_START, Infos, LANES, Layout};
use crate::nvml::format::bytes::u32_at;
use crate::nvml::format::header::{self, Kind, Machine};
use crate::os::file::write_all_at;

fn refused(model: &Model) -> (&'static str, u64) {
    let damage = damage(btt::read(&model.bytes[..]));
    (damage.field, damage.offset)
}

fn checked(model: &Model) -> (&'static str, u64) {
    let damage = damage(btt::check(&model.bytes[..]));
    (damage.field, damage.offset)
}

#[test]
fn the_figures_of_the_nvm_library_are_met() {
    for (size, block_size, blocks) in [
        (1 << 30, 256, 2_080_567),
        (32 << 20, 512, 64_700),
        (SIZE, 512, 32_202),
        (1 << 30, 1 << 20, 767),
        (32 << 20, 32_000, 791),
        (1 << 30, 1, 2_080_567),
        (1 << 30, 768, 1_390_553),
        (1 << 30, 769, 1_044_204),
        ((512 << 30) + (32 << 20) + 8192, 4096, 134_094_441),
        ((512 << 30) + (600 << 20), 1 << 20, 524_372),
        ((512 << 30) + (15 << 20) + 8192, 1 << 20, 524_029),
    ] {
        assert_eq!(Layout::new(size, block_size).unwrap().blocks(), blocks, "{size} {block_size}");
    }
    for (size, block_size) in [(SIZE, 1 << 20), (SIZE, 32_768), (1 << 40, u32::MAX), (SIZE - 1, 512), (SIZE, 0), (0, 1)]
    {
        assert_eq!(Layout::new(size, block_size), None, "{size} {block_size}");
    }
    assert_eq!(Layout::new((512 << 30) + (16 << 20) + 8192, 1 << 20), None);
}

proptest! {
    #[test]
    fn geometry_never_overflows_and_its_parts_never_overlap(
        size in prop_oneof![0..=1_u64 << 63, 0..1_u64 << 42, 0..1_u64 << 26],
        block_size in prop_oneof![any::<u32>(), 0..1_u32 << 21, 0..2048_u32],
    ) {
        let Some(layout) = Layout::new(size, block_size) else { return Ok(()) };
        let last = layout.arenas() - 1;
        for index in [0, last / 2, last] {
            let extent = layout.arena(index);
            let geometry = extent.geometry;
            prop_assert!(extent.start + geometry.len <= size);
            prop_assert!(geometry.slot_size >= block_size.max(512) && geometry.slot_size % 256 == 0);
            prop_assert!((2 * LANES..1 << 30).contains(&geometry.slots));
            prop_assert_eq!(geometry.blocks, geometry.slots - LANES);
            prop_assert!(extent.slot(geometry.slots) <= extent.map_entry(0));
            prop_assert!(extent.map_entry(geometry.blocks) <= extent.flog());
            prop_assert_eq!(extent.flog_pair(LANES), extent.info_copy());
            prop_assert_eq!(geometry.info_copy + 4096, geometry.len);
            prop_assert_eq!(extent.next, if index == last { 0 } else { geometry.len });
            prop_assert!(geometry.map % 4096 == 0 && geometry.flog % 4096 == 0);
        }
        let rest = size - layout.arena(last).start - layout.arena(last).geometry.len;
        prop_assert!(rest < (16 << 20) + 4096);
    }

    #[test]
    fn every_block_is_in_one_arena(size in SIZE..1 << 45, block_size in 0..100_000_u32, part in 0.0..1.0) {
        let Some(layout) = Layout::new(size, block_size) else { return Ok(()) };
        let block = (layout.blocks() as f64 * part) as u64;
        let (arena, inner) = layout.locate(block).unwrap();
        prop_assert!(inner < layout.arena(arena).geometry.blocks);
        let before: u64 = (0..arena).map(|index| u64::from(layout.arena(index).geometry.blocks)).sum();
        prop_assert_eq!(before + u64::from(inner), block);
        let last = layout.arenas() - 1;
        prop_assert_eq!(layout.locate(layout.blocks() - 1), Some((last, layout.arena(last).geometry.blocks - 1)));
        prop_assert_eq!(layout.locate(layout.blocks()), None);
    }
}

#[test]
fn what_is_made_is_read() {
    let pool = Model::blank(512, 0).pool();
    assert!(!pool.is_laid_out() && pool.is_zeroed);
    let model = Model::new(512);
    let pool = btt::check(&model.bytes[..]).unwrap();
    assert_eq!(pool.arenas[0].infos, Infos::Intact);
    pool.check_first_infos().unwrap();
    let free: Vec<_> = pool.arenas[0].lanes.iter().map(|lane| lane.free_slot()).collect();
    assert_eq!(free, (32_202..32_458).collect::<Vec<_>>());
    assert_eq!(model.read(7), 0);
}

#[test]
fn a_write_that_stops_anywhere_leaves_the_old_or_the_new_block() {
    let mut model = Model::new(512);
    let mut values = [0; 20];
    for round in 1..=200_u8 {
        let (lane, block, steps) =
            (usize::from(round) % 3, u32::from(round) * 7 % 20, usize::from(round) % (STEPS + 1));
        model.write(lane, block, round, steps);
        if steps >= 3 {
            values[block as usize] = round;
        }
        btt::check(&model.bytes[..]).unwrap();
        for (block, value) in (0..).zip(values) {
            assert_eq!(model.read(block), value, "block {block} after round {round}");
        }
        // As opening does.
        let entry = model.entry(&model.pool(), block).unwrap();
        if values[block as usize] != 0 {
            model.put_u32(model.extent().map_entry(block), entry.encode());
        }
    }
}

#[test]
fn a_layout_that_stops_anywhere_is_none_or_whole() {
    for background in [0, 0xaa] {
        for stores in 0..=2 {
            let pool = btt::check(&Model::laid_out(512, background, stores).bytes[..]).unwrap();
            assert!(!pool.is_laid_out(), "{stores}");
        }
    }
    assert_eq!(Model::laid_out(512, 0, 3).pool().arenas[0].infos, Infos::CopyMissing);
    assert!(matches!(Model::laid_out(512, 0xaa, 3).pool().arenas[0].infos, Infos::CopyDamaged(_)));
    let extent = Model::blank(512, 0).extent();
    let [_, flog, first, _] = parts(&extent);
    for words in [1, 2, 5, 500] {
        let mut torn = Model::blank(512, 0);
        torn.put(flog.0, &flog.1[..words * 8]);
        assert!(!torn.pool().is_laid_out(), "flog {words}");
        let mut torn = Model::laid_out(512, 0, 2);
        torn.put(first.0 + 8, &first.1[8..][..words * 8]);
        assert!(!torn.pool().is_laid_out(), "info {words}");
    }
}

#[test]
fn garbage_in_place_of_a_layout_is_damage_in_a_file_of_zeros() {
    let extent = Model::blank(512, 0).extent();
    for (offset, field) in [
        (extent.start, "BTT info signature"),
        (extent.info_copy(), "BTT info signature"),
        (extent.flog(), "BTT info signature"),
    ] {
        let mut model = Model::blank(512, 0);
        model.put(offset, b"garbage");
        assert_eq!(refused(&model), (field, extent.start), "{offset}");
        let mut model = Model::blank(512, 0xaa);
        model.put(offset, b"garbage");
        assert!(!model.pool().is_laid_out());
    }
}

#[test]
fn traces_of_a_layout_are_damage_also_in_a_file_that_held_anything() {
    let whole = |value| {
        let mut model = Model::laid_out(512, 0xaa, 4);
        model.write(0, 1, value, STEPS);
        model
    };
    let extent = whole(1).extent();
    let mut both = whole(1);
    both.bytes[extent.start as usize + 200] ^= 1;
    assert!(matches!(both.pool().arenas[0].infos, Infos::FirstDamaged(_)));
    both.bytes[extent.info_copy() as usize + 200] ^= 1;
    assert_eq!(refused(&both), ("BTT info checksum", extent.start + 4088));
    both.put(extent.start, &[0; 4096]);
    assert_eq!(refused(&both), ("BTT info signature", extent.start));
    both.put(extent.info_copy(), &[0; 4096]);
    assert_eq!(refused(&both), ("BTT info signature", extent.start), "the flog is in use");
    // Another pool's arena lies here whole: this pool was made over it and not yet laid out.
    let mut foreign = whole(1);
    let mut identity = identity();
    identity.poolset.0[0] ^= 1;
    foreign.put(0, &header::make(Kind::Blk, &identity, 1, Machine::HOST));
    assert!(!foreign.pool().is_laid_out());
    foreign.put(4096, &btt::make_descriptor(512, true));
    assert_eq!(refused(&foreign), ("BTT info parent uuid", extent.start + 32));
}

#[test]
fn the_descriptor_is_checked() {
    let mut model = Model::new(512);
    model.put_u32(4100, 2);
    assert_eq!(refused(&model), ("is_zeroed", 4100));
    for (block_size, field, offset) in
        [(0, "block size", 4096), (1 << 20, "block size", 4096), (513, "BTT info block size", ARENAS_START + 56)]
    {
        let mut model = Model::new(512);
        model.put_u32(4096, block_size);
        // The map of other blocks has another size, so that the copy and the flog are where they were.
        assert_eq!(refused(&model), (field, offset));
    }
}

#[test]
fn every_field_of_an_info_block_is_checked() {
    let good = Model::new(512);
    let extent = good.extent();
    for at in (0..16).chain(32..120).chain(4088..4096) {
        let mut model = good.clone();
        for start in [extent.start, extent.info_copy()] {
            model.bytes[start as usize + at] ^= 0x10;
            if at < 4088 {
                let block = model.bytes[start as usize..][..4096].to_vec();
                let sum = crate::nvml::format::bytes::checksum(&block, 4088, 4096);
                model.put(start + 4088, &sum.to_le_bytes());
            }
        }
        if (54..56).contains(&at) {
            model.pool();
            continue;
        }
        let (field, offset) = refused(&model);
        let inner = offset - extent.start;
        assert!(
            field.starts_with("BTT info ") && inner <= at as u64 && at as u64 - inner < 16,
            "{at}: {field} {inner}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn garbage_under_right_checksums_never_panics(
        block_size in prop_oneof![any::<u32>(), 0..3000_u32],
        changes in prop::collection::vec((0_usize..4096, any::<[u8; 8]>()), 0..6),
        flog in prop::collection::vec((0_u64..256 * 16, prop_oneof![any::<u32>(), 0..4_u32, 3 << 30..(3 << 30) + 40_000_u32]), 0..3),
        is_copy in any::<bool>(),
    ) {
        let mut model = Model::new(512);
        let extent = model.extent();
        let mut info = model.bytes[extent.start as usize..][..4096].to_vec();
        for (at, bytes) in changes {
            let at = 48 + at % (4080 - 48);
            info[at..at + 8].copy_from_slice(&bytes);
        }
        let sum = crate::nvml::format::bytes::checksum(&info, 4088, 4096);
        info[4088..].copy_from_slice(&sum.to_le_bytes());
        model.put(if is_copy { extent.info_copy() } else { extent.start }, &info);
        for (word, value) in flog {
            model.put_u32(extent.flog() + 4 * word, value);
        }
        let _ = btt::check(&model.bytes[..]);
        model.put_u32(4096, block_size);
        let _ = btt::check(&model.bytes[..]);
    }
}

#[test]
fn a_resized_pool_says_so() {
    let mut model = Model::new(512);
    model.bytes.resize(SIZE as usize + 8192, 0);
    assert!(damage(btt::read(&model.bytes[..])).detail.contains("resized"));
    model.bytes.truncate(SIZE as usize + 4095);
    model.pool();
}

#[test]
fn wild_flog_entries_are_damage() {
    let mut good = Model::new(512);
    good.write(3, 9, 1, STEPS);
    good.write(3, 10, 2, STEPS);
    good.write(3, 9, 3, STEPS);
    let pair = good.extent().flog_pair(3);
    let normal = 3 << 30;
    for (at, value, field) in [
        (0, 32_202, "BTT flog block"),
        (4, 5, "BTT flog old map entry"),
        (4, normal | 32_458, "BTT flog old map entry"),
        (8, normal | 32_458, "BTT flog new map entry"),
        (8, 0, "BTT flog new map entry"),
        (16, 32_202, "BTT flog block"),
        (20, 0, "BTT flog old map entry"),
        (20, normal | 32_204, "BTT flog free block"),
        (24, 0, "BTT flog new map entry"),
        (24, 2 << 30 | 9, "BTT flog new map entry"),
        (12, 0, "BTT flog sequence"),
        (12, 4, "BTT flog sequence"),
        (28, 3, "BTT flog sequence"),
        (28, u32::MAX, "BTT flog sequence"),
    ] {
        let mut model = good.clone();
        model.put_u32(pair + at, value);
        let (found, offset) = refused(&model);
        assert_eq!(found, field, "{value:#x} at {at}");
        assert!((model.extent().flog()..model.extent().info_copy()).contains(&offset));
    }
    let mut empty = good;
    empty.put(pair, &[0; 32]);
    assert_eq!(refused(&empty), ("BTT flog sequence", pair + 12));
}

#[test]
fn a_lane_that_pmempool_repaired_is_accepted() {
    let mut model = Model::new(512);
    model.put(
        model.extent().flog_pair(2),
        &[[2_u8, 0, 0, 0], [0xcc, 0x7d, 0, 0x40], [0xcc, 0x7d, 0, 0x40], [1, 0, 0, 0]].concat(),
    );
    btt::check(&model.bytes[..]).unwrap();
    model.write(2, 5, 7, STEPS);
    btt::check(&model.bytes[..]).unwrap();
    assert_eq!(model.read(5), 7);
}

#[test]
fn the_full_check_finds_slots_with_two_owners_and_wild_map_entries() {
    let mut good = Model::new(512);
    good.write(0, 5, 1, STEPS);
    let free = good.pool().arenas[0].lanes[0].free_slot();
    for (block, value) in
        [(4, 3 << 30 | free), (6, 3 << 30 | 7), (32_201, 2 << 30), (8, 32_458), (9, 3 << 30 | 32_458), (10, 1)]
    {
        let mut model = good.clone();
        let offset = model.extent().map_entry(block);
        model.put_u32(offset, value);
        model.pool();
        let (field, found) = checked(&model);
        assert_eq!(field, "BTT map entry", "{block}");
        let second = if block == 6 { model.extent().map_entry(7) } else { offset };
        assert_eq!(found, second, "{block}");
    }
}

#[test]
fn one_damaged_info_block_of_two_is_reported() {
    let good = Model::new(512);
    let extent = good.extent();
    let mut model = good.clone();
    model.bytes[extent.start as usize + 60] ^= 1;
    assert!(matches!(model.pool().arenas[0].infos, Infos::FirstDamaged(_)));
    assert_eq!(model.pool().check_first_infos().unwrap_err().offset, extent.start + 4088);
    assert_eq!(checked(&model), ("BTT info checksum", extent.start + 4088));
    let mut model = good;
    model.bytes[extent.info_copy() as usize + 60] ^= 1;
    model.pool().check_first_infos().unwrap();
    assert_eq!(checked(&model), ("BTT info checksum", extent.info_copy() + 4088));
}

#[test]
fn truncated_anywhere_is_damage() {
    let good = Model::new(512);
    let extent = good.extent();
    let places = [0, 8, 4096, 4104, 8192, 12288, extent.map().start, extent.flog(), extent.info_copy(), SIZE];
    for place in places {
        for len in [place.saturating_sub(1), place, place + 1].into_iter().filter(|len| *len < SIZE) {
            assert_eq!(damage(btt::read(&good.bytes[..len as usize])).field, "file size", "{len}");
        }
    }
}

/// A file of two arenas that takes no space.
struct Two {
    file: File,
    layout: Layout,
}

impl Two {
    const SIZE: u64 = (512 << 30) + (48 << 20) + 8192;
    const BLOCK: u32 = 65_536;

    fn new(stores: usize) -> Self {
        let file = tempfile::tempfile().unwrap();
        file.set_len(Self::SIZE).unwrap();
        write_all_at(&file, &header::make(Kind::Blk, &identity(), 1, Machine::HOST), 0).unwrap();
        write_all_at(&file, &btt::make_descriptor(Self::BLOCK, true), 4096).unwrap();
        let layout = Layout::new(Self::SIZE, Self::BLOCK).unwrap();
        let parts =
            layout.iter().flat_map(|extent| parts(&extent)).filter(|(_, bytes)| bytes.iter().any(|byte| *byte != 0));
        for (offset, bytes) in parts.take(stores) {
            write_all_at(&file, &bytes, offset).unwrap();
        }
        Self { file, layout }
    }
}

#[test]
fn the_second_arena_is_checked_as_the_first() {
    let two = Two::new(6);
    let pool = btt::check(&two.file).unwrap();
    assert_eq!((pool.arenas.len(), pool.layout), (2, two.layout));
    assert_eq!(pool.arenas[0].extent.next, 512 << 30);
    let second = two.layout.arena(1);
    write_all_at(&two.file, &[1], second.start).unwrap();
    assert!(btt::read(&two.file).unwrap().check_first_infos().is_err());
    write_all_at(&two.file, &[1], second.info_copy()).unwrap();
    assert_eq!(damage(btt::read(&two.file)).offset, second.start);
}

#[test]
fn a_layout_of_two_arenas_that_was_interrupted_is_none() {
    for stores in 0..=4 {
        assert!(!btt::read(&Two::new(stores).file).unwrap().is_laid_out(), "{stores}");
    }
    assert!(btt::read(&Two::new(5).file).unwrap().is_laid_out());
    // Once a block was written the second arena cannot be missing, nor can the first where the second is there.
    let two = Two::new(3);
    let first = two.layout.arena(0);
    write_all_at(&two.file, &3_u32.to_le_bytes(), first.flog_pair(0) + 16).unwrap();
    write_all_at(&two.file, &(3_u32 << 30 | 3).to_le_bytes(), first.flog_pair(0) + 20).unwrap();
    assert!(!btt::read(&two.file).unwrap().is_laid_out(), "the write was interrupted");
    write_all_at(&two.file, &(3_u32 << 30 | first.geometry.blocks).to_le_bytes(), first.flog_pair(0) + 24).unwrap();
    write_all_at(&two.file, &2_u32.to_le_bytes(), first.flog_pair(0) + 28).unwrap();
    assert_eq!(damage(btt::read(&two.file)).offset, two.layout.arena(1).start);
    let two = Two::new(6);
    write_all_at(&two.file, &[0; 4096], ARENAS_START).unwrap();
    write_all_at(&two.file, &[0; 4096], two.layout.arena(0).info_copy()).unwrap();
    assert_eq!(damage(btt::read(&two.file)).offset, ARENAS_START);
}

#[test]
fn opening_reads_as_much_of_any_pool() {
    struct Counting<'a>(&'a File, std::cell::RefCell<Vec<(u64, usize)>>);
    impl crate::nvml::format::Source for Counting<'_> {
        fn len(&self) -> std::io::Result<u64> {
            crate::nvml::format::Source::len(self.0)
        }
        fn read_at(&self, offset: u64, target: &mut [u8]) -> std::io::Result<()> {
            self.1.borrow_mut().push((offset, target.len()));
            crate::nvml::format::Source::read_at(self.0, offset, target)
        }
    }
    let two = Two::new(6);
    let counting = Counting(&two.file, Default::default());
    btt::read(&counting).unwrap();
    let reads = counting.1.into_inner();
    assert_eq!(reads.len(), 2 + 3 * 2);
    for extent in two.layout.iter() {
        assert!(
            reads.iter().all(|(offset, len)| offset + *len as u64 <= extent.map().start || *offset >= extent.map().end)
        );
    }
    assert!(reads.iter().map(|(_, len)| len).sum::<usize>() < 64 << 10);
}

#[test]
fn recovery_treats_a_map_entry_that_was_never_written_as_its_own_slot() {
    let mut model = Model::new(512);
    model.write(0, 5, 9, 3);
    assert_eq!(u32_at(&model.bytes, model.extent().map_entry(5) as usize), 0);
    assert_eq!(model.read(5), 9);
}
