//! A reader beside a writer, each with an open file of its own, as processes have.

use super::*;
use crate::nvml::format::header::{self, Kind, Machine};
use crate::nvml::format::{self, Identity};
use crate::nvml::log::rust::RustLog;
use crate::storage::beside::Mark;
use crate::storage::medium::crashing::{CrashMedium, Image, SharedMedium, on_each_medium};

const SIZE: u64 = 2 << 20;

fn pool() -> Arc<CrashMedium> {
    let mut image = Image::zeros(SIZE);
    image.put(0, &header::make(Kind::Log, &Identity::random().unwrap(), 1, Machine::HOST));
    image.put(format::PAGE, &format::log::make(SIZE));
    Arc::new(CrashMedium::new(image))
}

fn tail(image: &Image) -> u64 {
    format::log::read(image).unwrap().write_offset - DATA_START
}

/// The writer of a pool, with its mark.
fn writer(pool: &Arc<CrashMedium>) -> (Mark, RustLog<SharedMedium>) {
    let log = RustLog::new(SharedMedium(Arc::clone(pool)), SIZE, DATA_START + tail(&pool.image()), Path::new("test"));
    (Mark::set(pool.written()).unwrap(), log)
}

fn reader(pool: &CrashMedium) -> LogOfOthers<CrashMedium> {
    let (file, place) = Place::take(pool.open_again(), Path::new("test"), "open").unwrap();
    LogOfOthers::new(pool.read_by(file), place, SIZE, Path::new("test"))
}

fn contents(log: &impl LogEngine) -> Vec<u8> {
    let mut bytes = vec![0; 300];
    let count = log.read(0, &mut bytes).unwrap();
    bytes.truncate(count);
    bytes
}

#[test]
fn a_reader_sees_what_is_appended_and_no_more() {
    on_each_medium(|| {
        let pool = pool();
        let (_mark, writer) = writer(&pool);
        let reader = reader(&pool);
        assert_eq!((reader.tell(), contents(&reader)), (Ok(0), vec![]));
        for count in 1..=3_u8 {
            writer.append(&[&[count; 50], &[count; 50]]).unwrap();
            let expected: Vec<u8> = (1..=count).flat_map(|byte| [byte; 100]).collect();
            assert_eq!(contents(&reader), expected);
            assert_eq!(reader.tell(), Ok(100 * u64::from(count)));
        }
        let mut part = [0; 3];
        assert_eq!((reader.read(299, &mut part), part[0]), (Ok(1), 3));
        assert_eq!((reader.read(300, &mut part), reader.read(u64::MAX, &mut part)), (Ok(0), Ok(0)));
    });
}

#[test]
fn what_is_told_survives_a_crash() {
    on_each_medium(|| {
        for seed in 0..40 {
            let pool = pool();
            let (_mark, writer) = writer(&pool);
            let reader = reader(&pool);
            pool.seed(seed);
            writer.append(&[&[1; 64]]).unwrap();
            assert_eq!(reader.tell(), Ok(64));
            // What an append does up to its last sync.
            pool.commit(&[(DATA_START + 64, &[2; 64])], &[]).unwrap();
            pool.write(WRITE_OFFSET, &(DATA_START + 128).to_le_bytes()).unwrap();
            let told = if seed % 2 == 0 { reader.tell().unwrap() } else { contents(&reader).len() as u64 };
            assert_eq!(told, 128);
            assert_eq!(tail(&pool.crash()), 128);
        }
    });
}

#[test]
fn a_reader_that_comes_after_a_kill_syncs_what_it_tells() {
    on_each_medium(|| {
        for seed in 0..40 {
            let pool = pool();
            pool.seed(seed);
            pool.commit(&[(DATA_START, &[2; 64])], &[]).unwrap();
            // The thread ends without a fence for it.
            let offset = (DATA_START + 64).to_le_bytes();
            std::thread::scope(|scope| scope.spawn(|| pool.write(WRITE_OFFSET, &offset).unwrap()).join().unwrap());
            pool.unlock();
            assert_eq!(reader(&pool).tell(), Ok(64));
            assert_eq!(tail(&pool.crash()), 64);
        }
    });
}

#[test]
fn a_failed_sync_gives_nothing_and_is_the_last_word() {
    let pool = pool();
    let (_mark, writer) = writer(&pool);
    let reader = reader(&pool);
    writer.append(&[&[1; 64]]).unwrap();
    pool.fail_sync_number(pool.syncs());
    assert_eq!(reader.tell().unwrap_err().code(), "ENOSPC");
    assert_eq!(reader.tell().unwrap_err().code(), "EIO");
    assert!(reader.read(0, &mut [0; 10]).unwrap_err().to_string().contains("open it again"));
}

#[test]
fn nothing_is_synced_twice_and_nothing_at_all_once_nobody_writes() {
    let pool = pool();
    let (mark, writer) = writer(&pool);
    let reader = reader(&pool);
    writer.append(&[&[1; 64]]).unwrap();
    assert_eq!(reader.tell(), Ok(64));
    let before = pool.syncs();
    for _ in 0..3 {
        assert_eq!((reader.tell(), contents(&reader).len()), (Ok(64), 64));
    }
    drop((mark, writer));
    pool.unlock();
    assert_eq!((reader.tell(), reader.look()), (Ok(64), Ok(64)));
    assert_eq!(pool.syncs(), before);
}

#[test]
fn a_log_that_shrank_is_refused() {
    on_each_medium(|| {
        let pool = pool();
        let (_mark, writer) = writer(&pool);
        let reader = reader(&pool);
        writer.append(&[&[1; 64]]).unwrap();
        assert_eq!(reader.tell(), Ok(64));
        for wrong in [DATA_START + 63, DATA_START - 1, SIZE + 1, u64::MAX] {
            pool.write(WRITE_OFFSET, &wrong.to_le_bytes()).unwrap();
            assert_eq!(reader.tell().unwrap_err().code(), "EAGAIN");
        }
    });
}

#[test]
fn what_a_stranger_overwrote_during_a_copy_is_not_given() {
    on_each_medium(|| {
        let pool = pool();
        let (mark, writer) = writer(&pool);
        let (file, place) = Place::take(pool.open_again(), Path::new("test"), "open").unwrap();
        let medium = crate::storage::medium::crashing::Interrupted::new(pool.read_by(file), DATA_START);
        let reader = LogOfOthers::new(medium, place, SIZE, Path::new("test"));
        writer.append(&[&[1; 64]]).unwrap();
        assert_eq!(reader.tell(), Ok(64));
        let (left, stranger) = (std::sync::Mutex::new(Some((mark, writer))), Arc::clone(&pool));
        reader.medium.arm(move || {
            drop(left.lock().unwrap().take());
            // The lock of the file stays where it was: with someone who has no mark.
            stranger.write(DATA_START, &[2; 64]).unwrap();
        });
        assert_eq!(reader.read(0, &mut [0; 64]).unwrap_err().code(), "EAGAIN");
    });
}
