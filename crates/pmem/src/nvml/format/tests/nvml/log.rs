//! Log pools in both directions.

use std::fs::File;

use super::{CLog, file_of, folder, pmempool};
use crate::nvml::format::header::{self, Kind, Machine};
use crate::nvml::format::tests::identity;
use crate::nvml::format::{PAGE, log};

#[test]
fn a_log_made_by_the_library_is_valid() {
    let folder = folder();
    for (index, size) in [2 << 20, (2 << 20) + 1, (3 << 20) + 4095, 8 << 20].into_iter().enumerate() {
        let path = folder.path().join(index.to_string());
        let pool = CLog::create(&path, size).unwrap();
        pool.append(&[7; 1001]);
        let expected = (pool.capacity(), pool.len());
        drop(pool);
        let log = log::read(&File::open(&path).unwrap()).unwrap();
        assert_eq!((log.end - log::DATA_START, log.write_offset - log::DATA_START), expected);
        assert_eq!(log.header.machine, Machine::HOST);
        assert!(log.header.shutdown.is_some_and(|state| !state.dirty));
        let age = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() - log.header.created;
        assert!(age < 600, "{age}");
    }
}

#[test]
fn the_documented_size_is_met() {
    let log_end = 2 << 20;
    assert_eq!(log_end - log::DATA_START, 2_088_960);
}

#[test]
fn a_log_that_is_open_is_valid_and_dirty() {
    let folder = folder();
    let path = folder.path().join("log");
    let pool = CLog::create(&path, 2 << 20).unwrap();
    let state = log::read(&File::open(&path).unwrap()).unwrap().header.shutdown.unwrap();
    assert!(state.dirty && !state.depends_on_modules());
    drop(pool);
}

#[test]
fn a_log_made_here_is_accepted_by_the_library() {
    let folder = folder();
    for size in [2 << 20, (2 << 20) + 4095, 1 << 32] {
        let header = header::make(Kind::Log, &identity(), 1_700_000_000, Machine::HOST);
        let parts: [(u64, &[u8]); 2] = [(0, &header), (PAGE, &log::make(size))];
        let path = file_of(folder.path().join(size.to_string()), size, &parts);
        assert!(CLog::check(&path));
        assert_ne!(pmempool(&path), Some(false));
        let pool = CLog::open(&path).unwrap();
        assert_eq!((pool.capacity(), pool.len()), ((size & !4095) - 8192, 0));
        pool.append(b"persistent logging!");
        drop(pool);
        let log = log::read(&File::open(&path).unwrap()).unwrap();
        assert_eq!(log.write_offset, log::DATA_START + 19);
        assert_eq!(log.header.identity, identity());
        assert_ne!(pmempool(&path), Some(false));
    }
}

#[test]
fn the_library_refuses_what_is_refused_here() {
    let folder = folder();
    let header = header::make(Kind::Log, &identity(), 1, Machine::HOST);
    let size = 2 << 20;
    let refused = |name: &str, size, parts: &[(u64, &[u8])]| {
        let path = file_of(folder.path().join(name), size, parts);
        assert!(CLog::open(&path).is_err() && !CLog::check(&path), "{name}");
        assert!(log::read(&File::open(&path).unwrap()).is_err(), "{name}");
    };
    let made = log::make(size);
    refused("short", size - 4096, &[(0, &header), (4096, &log::make(size - 4096))]);
    refused("resized", size + 4096, &[(0, &header), (4096, &made)]);
    refused("start", size, &[(0, &header), (4096, &made), (4096, &[1])]);
    refused("write offset", size, &[(0, &header), (4096, &made), (4112, &[0, 0, 0x20, 1])]);
    refused("checksum", size, &[(0, &header), (4096, &made), (50, &[1])]);
    let other = if Machine::HOST == Machine::X86_64 { Machine::Aarch64 } else { Machine::X86_64 };
    let path = file_of(
        folder.path().join("machine"),
        size,
        &[(0, &header::make(Kind::Log, &identity(), 1, other)), (4096, &made)],
    );
    assert!(CLog::open(&path).is_err(), "the library opens its own architecture alone");
    assert_eq!(log::read(&File::open(&path).unwrap()).unwrap().header.machine, other);
}
