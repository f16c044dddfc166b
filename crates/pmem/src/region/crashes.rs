//! What is durable when a call returns, at every alignment, on persistent memory and in the page cache.
#![allow(unsafe_code, reason = "tests store to mapped memory")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::os::mapping::forced;
use crate::os::seam::recorder::{Recorder, images};
use crate::{CreateOptions, MapOptions, Region};

const LEN: usize = 3 * 4096;

struct Setup {
    region: Region,
    recorder: Arc<Recorder>,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("region");
        std::fs::write(&path, vec![0; LEN]).unwrap();
        let recorder = Recorder::new();
        let _attached = recorder.attach();
        let file = std::fs::File::open(&path).unwrap();
        recorder.adopt_as_it_is(&path, &file);
        let region = Region::open(&path, MapOptions::default()).unwrap();
        Self { region, recorder: Arc::clone(&recorder), path, _folder: folder }
    }

    /// What of the range every crash leaves; `None` where two crashes differ.
    fn survives(&self, offset: usize, len: usize) -> Option<Vec<u8>> {
        let left = || {
            let mut bytes = vec![0; len];
            self.recorder.crash()[&self.path].get(offset as u64, &mut bytes);
            images::opened();
            bytes
        };
        let first = left();
        (0..12).all(|_| left() == first).then_some(first)
    }

    fn copy(&self, offset: usize, data: &[u8], durable: bool) {
        // SAFETY: a slice is readable.
        unsafe { self.region.copy_from(offset, data.as_ptr(), data.len(), durable) }.unwrap();
    }

    /// Stores as JavaScript does: past everything of ours.
    fn store(&self, offset: usize, data: &[u8]) {
        // SAFETY: the range lies in the region, which is mapped.
        unsafe {
            let target = self.region.mapping().start().as_ptr().add(offset);
            std::ptr::copy_nonoverlapping(data.as_ptr(), target, data.len());
        }
    }
}

/// Runs a test with files as persistent memory, and without.
fn on_each(test: impl Fn(&Setup)) {
    for is_pmem in [true, false] {
        forced::pmem(is_pmem);
        let setup = Setup::new();
        let _attached = setup.recorder.attach();
        test(&setup);
        images::tell(is_pmem);
    }
}

fn ranges() -> impl Iterator<Item = (usize, usize)> {
    let lengths = [1, 7, 8, 63, 64, 65, 127, 256, 300, 1000, 4096, 5000];
    [0, 1, 60, 64, 4000, 4095].into_iter().flat_map(move |offset| lengths.map(|len| (offset, len)))
}

#[test]
fn a_persist_makes_all_of_its_range_durable() {
    on_each(|setup| {
        for (round, (offset, len)) in (1u8..).zip(ranges()) {
            let data = vec![round; len];
            setup.store(offset, &data);
            setup.region.persist(offset, len).unwrap();
            assert_eq!(setup.survives(offset, len), Some(data), "{offset} {len}");
        }
    });
}

#[test]
fn copies_and_fills_are_durable_where_that_is_asked() {
    on_each(|setup| {
        for (round, (offset, len)) in (1u8..).zip(ranges()) {
            let data = vec![round; len];
            setup.copy(offset, &data, true);
            assert_eq!(setup.survives(offset, len), Some(data), "copy {offset} {len}");
            setup.region.fill(offset, len, round ^ 0x80, true).unwrap();
            assert_eq!(setup.survives(offset, len), Some(vec![round ^ 0x80; len]), "fill {offset} {len}");
        }
    });
}

#[test]
fn flushes_are_durable_after_the_drain() {
    on_each(|setup| {
        for (round, (offset, len)) in (1u8..).zip(ranges()) {
            let data = vec![round; len];
            setup.copy(offset, &data, false);
            setup.region.flush(offset, len).unwrap();
            setup.region.drain();
            assert_eq!(setup.survives(offset, len), Some(data), "{offset} {len}");
        }
    });
}

#[test]
fn several_ranges_are_durable_together_also_later() {
    on_each(|setup| {
        let some = [(5, 1), (100, 300), (4090, 20), (9000, 1000), (7, 0)];
        for round in 1..10 {
            for (offset, len) in some {
                setup.store(offset, &vec![round; len]);
            }
            if round % 2 == 0 {
                setup.region.persist_many(&some).unwrap();
            } else {
                let tickets = some.map(|(offset, len)| setup.region.enqueue_persist(offset, len).unwrap());
                tickets.iter().for_each(|ticket| ticket.wait().unwrap());
            }
            for (offset, len) in some {
                assert_eq!(setup.survives(offset, len), Some(vec![round; len]), "{offset} {len}");
            }
        }
    });
}

#[test]
fn what_is_not_persisted_may_go() {
    forced::pmem(true);
    let setup = Setup::new();
    let _attached = setup.recorder.attach();
    setup.copy(64, &[1; 64], true);
    setup.copy(64, &[2; 64], false);
    assert_eq!(setup.survives(64, 64), None);
}

#[test]
fn a_file_that_is_made_is_there_with_its_name_and_size() {
    for is_pmem in [true, false] {
        forced::pmem(is_pmem);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made");
        let recorder = Recorder::new();
        let _attached = recorder.attach();
        let create = CreateOptions { len: LEN, mode: 0o600, ..Default::default() };
        let region = Region::map_file(&path, &create).unwrap();
        region.fill(0, 100, 7, true).unwrap();
        for _ in 0..12 {
            let crash = recorder.crash();
            let image = &crash[Path::new(&path)];
            let mut bytes = [0; 100];
            image.get(0, &mut bytes);
            assert_eq!((image.len(), bytes), (LEN as u64, [7; 100]));
        }
    }
}
