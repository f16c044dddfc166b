//! Writers and readers by several open files of one, which are to each other what processes are.

use std::cell::Cell;

use super::*;

struct Shared(tempfile::NamedTempFile);

impl Shared {
    fn new() -> Self {
        let folder = Path::new("/dev/shm");
        let file =
            if folder.is_dir() { tempfile::NamedTempFile::new_in(folder) } else { tempfile::NamedTempFile::new() };
        Self(file.unwrap())
    }

    fn open(&self) -> File {
        File::options().read(true).write(true).open(self.0.path()).unwrap()
    }

    fn try_write(&self) -> Result<(Locked, Option<Mark>)> {
        let (file, _turn) = lock_as_writer(self.open(), self.0.path(), "open")?;
        let mark = Mark::set(&file);
        Ok((file, mark))
    }

    /// A writer of ours. The mark goes first, as in a pool.
    fn writer(&self) -> (Option<Mark>, Locked) {
        let (file, mark) = self.try_write().unwrap();
        (mark, file)
    }

    /// A writer that knows of no marks.
    fn stranger(&self) -> Result<Locked> {
        Locked::new(self.open(), false, self.0.path(), "open")
    }

    fn reader(&self) -> Result<(Locked, Place)> {
        Place::take(File::open(self.0.path()).unwrap(), self.0.path(), "open")
    }
}

fn look(place: &Place) -> Result<bool> {
    place.read("read", |cover| cover.is_quiet())
}

fn is_busy<T>(result: Result<T>) -> bool {
    result.is_err_and(|error| error.code() == "EAGAIN")
}

#[test]
fn readers_come_beside_writers_of_ours_alone() {
    let file = Shared::new();
    let stranger = file.stranger().unwrap();
    assert!(is_busy(file.reader()));
    drop(stranger);
    let writer = file.writer();
    let readers = [file.reader().unwrap(), file.reader().unwrap()];
    assert!(readers.iter().all(|(_, place)| look(place) == Ok(false)));
    assert!(is_busy(file.try_write()) && is_busy(file.stranger()));
    drop(writer);
    assert!(readers.iter().all(|(_, place)| look(place) == Ok(true)));
    assert!(is_busy(file.try_write()) && is_busy(file.stranger()));
    drop(readers);
    drop(file.stranger().unwrap());
    drop(file.writer());
}

#[test]
fn a_reader_goes_on_beside_the_next_writer() {
    let file = Shared::new();
    let first = file.writer();
    let (_file, place) = file.reader().unwrap();
    drop(first);
    let next = file.writer();
    assert_eq!(look(&place), Ok(false));
    assert!(next.0.as_ref().unwrap().without_readers().is_none());
}

#[test]
fn a_reader_ends_where_another_program_has_the_file_after_its_writer() {
    let file = Shared::new();
    let writer = file.writer();
    let (_file, place) = file.reader().unwrap();
    drop(writer);
    let stranger = file.stranger().unwrap();
    assert!(is_busy(look(&place)));
    drop(stranger);
    assert!(is_busy(look(&place)));
    // It keeps nobody from anything.
    assert!(file.writer().0.unwrap().without_readers().is_some());
}

#[test]
fn what_is_read_while_the_writer_leaves_is_read_again() {
    let file = Shared::new();
    let writer = Cell::new(Some(file.writer()));
    let (_file, place) = file.reader().unwrap();
    let covers = Cell::new(0);
    let quiet = place.read("read", |cover| {
        drop(writer.take());
        covers.set(covers.get() + 1);
        cover.is_quiet()
    });
    assert_eq!((quiet, covers.get()), (Ok(true), 2));
}

#[test]
fn what_another_program_may_have_changed_meanwhile_is_not_given() {
    let file = Shared::new();
    let writer = Cell::new(Some(file.writer()));
    let (_file, place) = file.reader().unwrap();
    let stranger = Cell::new(None);
    let read = place.read("read", |_| {
        drop(writer.take());
        stranger.set(Some(file.stranger().unwrap()));
    });
    assert!(is_busy(read));
}

#[test]
fn contents_are_taken_back_without_readers_alone() {
    let file = Shared::new();
    let (mark, _writer) = file.writer();
    let mark = mark.unwrap();
    let reader = file.reader().unwrap();
    assert!(mark.without_readers().is_none());
    drop(reader);
    let alone = mark.without_readers().unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| file.reader().is_ok());
        sleep(Duration::from_millis(50));
        assert!(!reader.is_finished());
        drop(alone);
        assert!(reader.join().unwrap());
    });
}

#[test]
fn readers_that_look_often_make_room_for_a_writer_of_ours() {
    let file = Shared::new();
    let readers = [file.reader().unwrap(), file.reader().unwrap()];
    assert!(readers.iter().all(|(_, place)| place.make_room() && look(place) == Ok(true)));
    assert!(is_busy(file.stranger()));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| file.writer());
        while !writer.is_finished() {
            for (_, place) in &readers {
                // Whoever reads while it is on its way comes before it, or waits for it.
                let _ = place.make_room() && look(place).is_ok();
            }
            sleep(Duration::from_millis(5));
        }
        let (mark, file) = writer.join().unwrap();
        assert!(readers.iter().all(|(_, place)| look(place) == Ok(false)));
        assert!(mark.as_ref().unwrap().without_readers().is_none());
        drop((mark, file));
    });
    assert!(readers.iter().all(|(_, place)| look(place) == Ok(true)));
}

#[test]
fn a_writer_that_gives_up_leaves_its_readers_as_they_were() {
    let file = Shared::new();
    let (follower, other) = (file.reader().unwrap(), file.reader().unwrap());
    assert!(follower.1.make_room());
    std::thread::scope(|scope| {
        // The other one looks at nothing, and so makes no room.
        let writer = scope.spawn(|| is_busy(file.try_write()));
        while !writer.is_finished() {
            let _ = follower.1.make_room();
            sleep(PAUSE);
        }
        assert!(writer.join().unwrap());
    });
    assert_eq!((look(&follower.1), look(&other.1)), (Ok(true), Ok(true)));
    assert!(is_busy(file.stranger()));
}

#[test]
fn readers_and_writers_that_come_and_go_never_meet_a_stranger() {
    let file = Shared::new();
    let busy = Mutex::new(0);
    let until = std::time::Instant::now() + Duration::from_millis(400);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while std::time::Instant::now() < until {
                    let Ok((_lock, mark)) = file.try_write() else { continue };
                    if let Some(_alone) = mark.as_ref().and_then(Mark::without_readers) {
                        *busy.lock().unwrap() += 1;
                    }
                }
            });
            scope.spawn(|| {
                while std::time::Instant::now() < until {
                    let Ok((_lock, place)) = file.reader() else { continue };
                    let mut first = None;
                    for _ in 0..20 {
                        let Ok(taken_back) = place.read("read", |_| *busy.lock().unwrap()) else { break };
                        assert_eq!(taken_back, *first.get_or_insert(taken_back), "contents were taken back");
                        let _ = place.make_room();
                    }
                }
            });
        }
    });
}
