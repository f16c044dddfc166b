//! Cursors on real files, and as crashes leave them.

use std::sync::Arc;

use super::*;
use crate::os::seam::recorder::{Crash, Recorder};

const UUID: [u8; 16] = *b"a journal's uuid";
const END: u64 = 1 << 40;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" }).unwrap()
}

fn cursors(folder: &Path) -> Cursors {
    Cursors::new(folder, UUID, 0o600)
}

fn commit(cursors: &Cursors, position: u64) -> Result<u64> {
    cursors.commit("name", position, false, END)
}

#[test]
fn a_cursor_goes_on_and_back_only_by_force() {
    let folder = folder();
    let cursors = cursors(folder.path());
    assert_eq!((cursors.position("a"), cursors.names(), cursors.least()), (Ok(None), Ok(vec![]), Ok(None)));
    assert_eq!(cursors.commit("a", 5, false, 5), Ok(5));
    assert_eq!(cursors.commit("a", 4, false, 5), Ok(5));
    assert_eq!(cursors.commit("a", 4, true, 5), Ok(4));
    assert_eq!(cursors.commit("a", 0, true, 5), Ok(0));
    let refused = cursors.commit("a", 6, true, 5).unwrap_err();
    assert_eq!(refused.code(), "ERR_OUT_OF_RANGE");
    assert_eq!(cursors.position("a"), Ok(Some(0)));
    for (position, name) in ["b", "A b/ü"].iter().enumerate() {
        cursors.commit(name, 7 - position as u64, false, 7).unwrap();
    }
    assert_eq!(cursors.names().unwrap(), ["A b/ü", "a", "b"]);
    assert_eq!(cursors.least(), Ok(Some(("a".to_owned(), 0))));
    cursors.delete("a").unwrap();
    cursors.delete("a").unwrap();
    assert_eq!((cursors.position("a"), cursors.least()), (Ok(None), Ok(Some(("A b/ü".to_owned(), 6)))));
    assert_eq!(cursors.commit("a", 3, false, 5), Ok(3));
}

/// A cursor's file, which someone else changes.
#[cfg(target_os = "linux")]
fn being_changed(folder: &Path) -> (PathBuf, File) {
    let path = folder.join("cursors/name");
    let file = File::options().read(true).write(true).open(&path).unwrap();
    assert!(lock(&file, Byte::Change, &path).unwrap());
    (path, file)
}

#[test]
#[cfg(target_os = "linux")]
fn a_commit_waits_for_who_changes_the_cursor_and_looks_at_its_name_then() {
    let folder = folder();
    let cursors = cursors(folder.path());
    commit(&cursors, 1).unwrap();
    let (path, file) = being_changed(folder.path());
    let (starts, started) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let committing = scope.spawn(|| {
            starts.send(()).unwrap();
            commit(&cursors, 2)
        });
        started.recv().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        std::fs::remove_file(&path).unwrap();
        os::lock::unlock(&file, Byte::Change);
        assert_eq!(committing.join().unwrap(), Ok(2));
    });
    assert_eq!(cursors.position("name"), Ok(Some(2)));
}

#[test]
#[cfg(target_os = "linux")]
fn a_change_of_someone_who_does_not_finish_is_not_written_over() {
    let folder = folder();
    let cursors = cursors(folder.path());
    commit(&cursors, 1).unwrap();
    let (_, file) = being_changed(folder.path());
    assert_eq!(commit(&cursors, 2).unwrap_err().code(), "EAGAIN");
    assert_eq!(cursors.position("name"), Ok(Some(1)));
    os::lock::unlock(&file, Byte::Change);
    assert_eq!(commit(&cursors, 2), Ok(2));
}

#[test]
fn the_bytes_are_as_the_format_says() {
    let folder = folder();
    let cursors = cursors(folder.path());
    let read = || std::fs::read(folder.path().join("cursors/%2E-x")).unwrap();
    cursors.commit(".-x", 0x0102_0304, false, END).unwrap();
    let bytes = read();
    assert_eq!(bytes.len(), 4096);
    assert_eq!((&bytes[..16], &bytes[16..32]), (&b"PMEMCURS\x01\0\0\0\0\0\0\0"[..], &UUID[..]));
    assert_eq!(bytes[32..40], [4, 3, 2, 1, 0, 0, 0, 0]);
    assert_eq!((&bytes[48..60], &bytes[60..64]), (&[0; 12][..], &crc32c::crc32c(&bytes[..60]).to_le_bytes()[..]));
    assert_eq!(bytes[64..], [0; 4096 - 64]);
    cursors.commit(".-x", 0x0102_0305, false, END).unwrap();
    assert_eq!((&read()[..64], &read()[2048..2057]), (&bytes[..64], &b"PMEMCURS\x02"[..]));
    cursors.commit(".-x", 0x0102_0306, false, END).unwrap();
    assert_eq!((read()[8], read()[2056]), (3, 2));
}

#[test]
fn names_are_what_a_file_can_have() {
    assert_eq!(encode("abc-_019").unwrap(), "abc-_019");
    assert_eq!(encode("A.b%/ü").unwrap(), "%41%2Eb%25%2F%C3%BC");
    for name in ["", &"x".repeat(101), &"X".repeat(34)] {
        assert_eq!(encode(name).unwrap_err().code(), "ERR_INVALID_ARG_VALUE");
    }
    for name in ["abc", "A.b%/ü", "..", "\0", &"x".repeat(100), &"X".repeat(33)] {
        assert_eq!(decode(&encode(name).unwrap()).as_deref(), Some(name));
    }
    for other in ["", "A", "%61", "%2e", "%2", "%", "%+1", "%C3", ".tmp", "%zz", "a b"] {
        assert_eq!(decode(other), None, "{other}");
    }
    let folder = folder();
    std::fs::create_dir_all(folder.path().join("cursors/folder")).unwrap();
    std::fs::write(folder.path().join("cursors/x.tmp"), b"x").unwrap();
    assert_eq!(cursors(folder.path()).names(), Ok(vec![]));
}

#[test]
fn one_consumes_at_a_time_and_keeps_the_cursor() {
    let folder = folder();
    let (one, other) = (cursors(folder.path()), cursors(folder.path()));
    let held = one.lock("a").unwrap();
    for cursors in [&one, &other] {
        for refused in [cursors.lock("a").map(drop), cursors.delete("a")] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.code(), "EAGAIN");
            assert!(refused.to_string().contains("cursor 'a'"), "{refused}");
        }
    }
    assert_eq!((one.position("a"), one.least(), one.names()), (Ok(None), Ok(None), Ok(vec!["a".to_owned()])));
    let _b = other.lock("b").unwrap();
    assert_eq!((one.commit("a", 3, false, END), other.commit("a", 4, false, END)), (Ok(3), Ok(4)));
    assert_eq!(one.commit("a", 3, false, END), Ok(4));
    drop(held);
    let held = other.lock("a").unwrap();
    assert_eq!(one.delete("a").unwrap_err().code(), "EAGAIN");
    drop(held);
    one.delete("a").unwrap();
    let held = other.lock("a").unwrap();
    assert_eq!((one.lock("a").is_err(), one.position("a")), (true, Ok(None)));
    drop(held);
}

#[test]
fn a_damaged_slot_leaves_the_other() {
    let folder = folder();
    let cursors = cursors(folder.path());
    commit(&cursors, 5).unwrap();
    commit(&cursors, 6).unwrap();
    let path = folder.path().join("cursors/name");
    let sound = std::fs::read(&path).unwrap();
    for byte in 0..64 {
        for (place, left) in [(0, 6), (2048, 5)] {
            let mut bytes = sound.clone();
            bytes[place + byte] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(cursors.position("name"), Ok(Some(left)));
            bytes[2048 - place + byte] ^= 0x80;
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(cursors.position("name").unwrap_err().code(), "ERR_PMEM_CORRUPT");
        }
    }
    assert_eq!(commit(&cursors, 7).unwrap_err().code(), "ERR_PMEM_CORRUPT");
    cursors.delete("name").unwrap();
    assert_eq!(commit(&cursors, 3), Ok(3));
}

#[test]
fn another_journals_cursor_is_refused() {
    let folder = folder();
    commit(&cursors(folder.path()), 5).unwrap();
    let other = Cursors::new(folder.path(), *b"another journals", 0o600);
    for refused in [other.position("name").map(drop), commit(&other, 6).map(drop), other.least().map(drop)] {
        assert_eq!(refused.unwrap_err().code(), "ERR_PMEM_CORRUPT");
    }
}

#[test]
#[cfg(unix)]
fn what_is_no_file_is_an_error() {
    let folder = folder();
    let cursors = cursors(folder.path());
    std::fs::create_dir_all(folder.path().join("cursors/name")).unwrap();
    std::os::unix::fs::symlink("name", folder.path().join("cursors/link")).unwrap();
    for (name, code) in [("name", "EISDIR"), ("link", "ELOOP")] {
        for refused in [cursors.position(name).map(drop), cursors.lock(name).map(drop), cursors.delete(name)] {
            assert_eq!(refused.unwrap_err().code(), code);
        }
    }
    std::fs::write(folder.path().join("file"), b"x").unwrap();
    let below = Cursors::new(&folder.path().join("file"), UUID, 0o600);
    assert_eq!(
        (commit(&below, 1).unwrap_err().code(), below.position("a").unwrap_err().code()),
        ("ENOTDIR".into(), "ENOTDIR".into())
    );
}

#[test]
fn threads_and_handles_commit_one_after_the_other() {
    let folder = folder();
    let all = [cursors(folder.path()), cursors(folder.path())];
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let cursors = &all[thread as usize % 2];
            scope.spawn(move || {
                for number in 0..200 {
                    let position = number * 4 + thread;
                    assert!(commit(cursors, position).unwrap() >= position);
                    assert!(cursors.position("name").unwrap().unwrap() >= position);
                }
            });
        }
    });
    assert_eq!(all[0].position("name"), Ok(Some(799)));
}

/// A journal's cursors, and what crashes leave of them.
struct Setup {
    folder: tempfile::TempDir,
    left: tempfile::TempDir,
    recorder: Arc<Recorder>,
}

impl Setup {
    fn new(seed: u64) -> Self {
        let recorder = Recorder::new();
        recorder.seed(seed);
        recorder.record_crashes();
        Self { folder: folder(), left: folder(), recorder }
    }

    fn cursors(&self) -> Cursors {
        cursors(self.folder.path())
    }

    /// What a cursor is read as after a crash.
    fn position(&self, crash: &Crash) -> Result<Option<u64>> {
        let path = Path::new("cursors").join("name");
        let copy = self.left.path().join(&path);
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        let _ = std::fs::remove_file(&copy);
        if let Some(image) = crash.get(&self.folder.path().join(&path)) {
            image.write_to(&File::create(&copy).unwrap()).unwrap();
        }
        cursors(self.left.path()).position("name")
    }

    /// That each crash since the last call left one of these positions, and that any crash now leaves the last of them where
    /// it was `acknowledged`.
    fn check(&self, possible: &[Option<u64>], acknowledged: bool) {
        for crash in self.recorder.take_crashes() {
            let found = self.position(&crash).unwrap();
            assert!(possible.contains(&found), "{found:?} {possible:?}");
        }
        for _ in 0..5 {
            let found = self.position(&self.recorder.crash()).unwrap();
            let expected = if acknowledged { &possible[possible.len() - 1..] } else { possible };
            assert!(expected.contains(&found), "{found:?} {possible:?}");
        }
    }
}

#[test]
fn a_crash_leaves_what_was_acknowledged_or_is_being_written() {
    for seed in 1..40 {
        let setup = Setup::new(seed);
        let _attached = setup.recorder.attach();
        let cursors = setup.cursors();
        let _consumer = (seed % 2 == 0).then(|| cursors.lock("name").unwrap());
        let mut last = None;
        for position in [3, 1 << 39 | 9, 77, 78, 1 << 33] {
            cursors.commit("name", position, true, END).unwrap();
            setup.check(&[last, Some(position)], true);
            last = Some(position);
        }
        // One that has nothing to do acknowledges what another wrote, too.
        assert_eq!(commit(&setup.cursors(), 5), Ok(1 << 33));
        setup.check(&[last], true);
    }
}

#[test]
fn a_cursor_that_is_deleted_stays_so() {
    for seed in 1..20 {
        let setup = Setup::new(seed);
        let _attached = setup.recorder.attach();
        let cursors = setup.cursors();
        for position in [8, 5] {
            commit(&cursors, position).unwrap();
            setup.check(&[None, Some(position)], true);
            cursors.delete("name").unwrap();
            setup.check(&[Some(position), None], true);
        }
    }
}

/// Whoever commits next finds what a killed process left in the page cache.
#[test]
fn after_a_kill_at_any_step_nothing_is_lost() {
    for (kill, seed) in (0..14).flat_map(|kill| (1..24).map(move |seed| (kill, seed))) {
        let setup = Setup::new(seed);
        let _attached = setup.recorder.attach();
        let cursors = setup.cursors();
        let mut possible = vec![None];
        if seed % 2 == 0 {
            commit(&cursors, 1).unwrap();
            setup.check(&[None, Some(1)], true);
            possible = vec![Some(1)];
        }
        setup.recorder.stop_after(setup.recorder.steps() + kill);
        for position in 2..5 {
            possible.push(Some(position));
            if commit(&cursors, position).is_ok() {
                setup.check(&possible, true);
                possible = vec![Some(position)];
            }
        }
        drop(cursors);
        setup.recorder.stop_after(usize::MAX);
        let _ = setup.recorder.take_crashes();
        let cursors = setup.cursors();
        for position in 5..8 {
            possible.push(Some(position));
            commit(&cursors, position).unwrap();
            setup.check(&possible, true);
            possible = vec![Some(position)];
        }
    }
}

#[test]
fn what_fails_leaves_the_cursor_where_it_was() {
    for (failing, seed) in (0..12).flat_map(|failing| (1..12).map(move |seed| (failing, seed))) {
        for fail in [Recorder::fail_sync, Recorder::fail_write] {
            let setup = Setup::new(seed);
            let _attached = setup.recorder.attach();
            fail(&setup.recorder, failing);
            let (cursors, mut last, mut possible) = (setup.cursors(), None, vec![None]);
            for position in 1..8 {
                possible.push(Some(position));
                if let Ok(position) = commit(&cursors, position) {
                    setup.check(&possible, true);
                    possible = vec![Some(position)];
                    last = Some(position);
                } else {
                    setup.check(&possible, false);
                }
                assert_eq!(cursors.position("name"), Ok(last));
            }
            assert!(last >= Some(6), "{last:?}");
        }
    }
}

#[test]
fn a_commit_takes_one_barrier() {
    let setup = Setup::new(1);
    let _attached = setup.recorder.attach();
    let cursors = setup.cursors();
    commit(&cursors, 1).unwrap();
    let before = setup.recorder.counts().barriers;
    commit(&cursors, 2).unwrap();
    commit(&cursors, 3).unwrap();
    assert_eq!(setup.recorder.counts().barriers - before, 2);
}
