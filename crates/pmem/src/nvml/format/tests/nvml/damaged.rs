//! Pools of the library, each byte of their metadata changed in turn.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::{CBlk, CLog, Random, folder, pmempool};
use crate::nvml::format::btt::{self, Infos};
use crate::nvml::format::tests::damage;
use crate::nvml::format::tests::model::{self, Model};
use crate::nvml::format::{Invalid, log};

const CHANGES: [u8; 2] = [0xff, 1];

/// A log of the library's with something in it.
fn log_pool(folder: &tempfile::TempDir) -> (PathBuf, Vec<u8>) {
    let path = folder.path().join("log");
    CLog::create(&path, 2 << 20).unwrap().append(&[7; 5000]);
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

/// A block pool of the library's, written to at [`written`].
fn blk_pool(folder: &tempfile::TempDir) -> (PathBuf, Model) {
    let path = folder.path().join("blk");
    let pool = CBlk::create(&path, 512, (16 << 20) + 8192).unwrap();
    for round in 0..3 {
        for block in written() {
            pool.write(block.into(), block as u8 ^ round | 1);
        }
    }
    drop(pool);
    let bytes = std::fs::read(&path).unwrap();
    (path, Model { bytes })
}

fn written() -> impl Iterator<Item = u32> {
    (0..40).map(|index| index * 501)
}

/// Bytes of a header that mean nothing: what the checksum leaves out but for the shutdown state, whose own checksum
/// decides whether it counts.
fn is_ignored_in_header(at: usize) -> bool {
    (2048..4088).contains(&at)
}

#[test]
fn each_byte_of_a_logs_first_two_pages() {
    let folder = folder();
    let (_, mut bytes) = log_pool(&folder);
    let good = log::read(&bytes[..]).unwrap();
    for at in 0..8192 {
        for change in CHANGES {
            bytes[at] ^= change;
            match log::read(&bytes[..]) {
                Ok(found) if (4112..4120).contains(&at) => {
                    assert!((log::DATA_START..=found.end).contains(&found.write_offset));
                }
                Ok(found) => {
                    assert!(is_ignored_in_header(at) || at >= 4120, "{at}");
                    assert_eq!((found.end, found.write_offset), (good.end, good.write_offset));
                }
                Err(Invalid::Damage(damage)) => {
                    assert!(!is_ignored_in_header(at) && at < 4120, "{at}: {damage:?}");
                    assert!(damage.offset < 4120);
                }
                Err(Invalid::Io(error)) => panic!("{error}"),
            }
            bytes[at] ^= change;
        }
    }
}

#[test]
fn each_byte_of_a_block_pools_metadata_but_the_map() {
    let folder = folder();
    let (_, mut model) = blk_pool(&folder);
    let extent = model.extent();
    let values: Vec<_> = written().map(|block| model.read(block)).collect();
    let (flog, copy) = (extent.flog() as usize, extent.info_copy() as usize);
    for at in (0..8192 + 4096).chain(flog..copy + 4096) {
        for change in CHANGES {
            model.bytes[at] ^= change;
            let found = btt::read(&model.bytes[..]);
            match (at, found) {
                (_, Err(Invalid::Io(error))) => panic!("{error}"),
                (0..8192, Ok(_)) => {
                    assert!(is_ignored_in_header(at) || at >= 4104 || at == 4100 && change == 1, "{at}")
                }
                (0..8192, Err(_)) => assert!(!is_ignored_in_header(at) && at < 4104, "{at}"),
                (8192..12_288, Ok(pool)) => {
                    assert!(matches!(pool.arenas[0].infos, Infos::FirstDamaged(_)), "{at}");
                    assert!((8192..12_288).contains(&pool.check_first_infos().unwrap_err().offset));
                }
                (_, Ok(pool)) if at >= copy => assert!(matches!(pool.arenas[0].infos, Infos::CopyDamaged(_)), "{at}"),
                (_, Ok(pool)) => {
                    let found = written().map(|block| model.read_in(&pool, block));
                    assert!(found.eq(values.iter().copied()), "{at}");
                }
                (_, Err(Invalid::Damage(damage))) => {
                    assert!((flog..copy).contains(&at) && (at - flog) % 64 < 32, "{at}: {damage:?}");
                }
            }
            model.bytes[at] ^= change;
        }
    }
}

#[test]
fn random_places_never_panic_and_the_full_check_finds_what_the_map_lacks() {
    let folder = folder();
    let (_, mut model) = blk_pool(&folder);
    let extent = model.extent();
    let map = extent.map();
    let mut random = Random(4);
    for round in 0..3000 {
        let at = match round % 3 {
            0 => random.below(model.bytes.len() as u64),
            1 => map.start + random.below(map.end - map.start),
            _ => extent.flog() + random.below(model::SIZE - extent.flog()),
        } as usize;
        let (before, change) = (model.bytes[at], 1 + random.below(255) as u8);
        model.bytes[at] ^= change;
        let _ = btt::read(&model.bytes[..]);
        if round % 20 == 0 {
            let found = btt::check(&model.bytes[..]);
            let entry = map.start as usize..map.start as usize + 4 * extent.geometry.blocks as usize;
            // A change of the state alone leaves the slot with its owner.
            assert!(!entry.contains(&at) || (at % 4 == 3 && change & 0x3f == 0) || found.is_err(), "{at} {change:#x}");
        }
        model.bytes[at] = before;
    }
}

#[test]
fn what_pmempool_finds_damaged_is_damage_here() {
    let folder = folder();
    let (path, mut model) = blk_pool(&folder);
    if pmempool(&path).is_none() {
        return;
    }
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let extent = model.extent();
    let map = extent.map();
    let mut random = Random(5);
    let mut agreed = 0;
    for round in 0..240 {
        let at = match round % 4 {
            0 => random.below(4104),
            1 => 8192 + random.below(4096),
            2 => map.start + random.below(4 * 2000),
            _ => extent.flog() + random.below(64 * 40),
        };
        let changed = model.bytes[at as usize] ^ CHANGES[round / 4 % 2];
        file.write_all_at(&[changed], at).unwrap();
        let before = std::mem::replace(&mut model.bytes[at as usize], changed);
        let here = btt::check(&model.bytes[..]);
        if pmempool(&path) == Some(false) {
            assert!(here.is_err(), "byte {at} changed to {changed:#x}");
            agreed += 1;
        }
        model.bytes[at as usize] = before;
        file.write_all_at(&[before], at).unwrap();
    }
    assert!(agreed > 100, "{agreed}");
}

#[test]
fn truncated_anywhere_is_damage() {
    let folder = folder();
    let (_, log_bytes) = log_pool(&folder);
    let (_, blk) = blk_pool(&folder);
    for len in [0, 1, 7, 8, 24, 4024, 4095, 4096, 4097, 4120, 8191, 8192, 8193, 1 << 20, (2 << 20) - 1] {
        assert_eq!(damage(log::read(&log_bytes[..len])).field, "file size", "{len}");
        assert_eq!(damage(btt::read(&blk.bytes[..len])).field, "file size", "{len}");
    }
    assert_eq!(damage(btt::read(&log_bytes[..])).field, "signature");
    assert_eq!(damage(log::read(&blk.bytes[..])).field, "signature");
}
