//! What is kept, and what is given up.

use super::*;

/// A journal of at most so many bytes in which a cursor waits at the first record.
fn waited_for(folder: &Path, drop_unread: bool) -> Journal {
    let options = JournalOptions { max_bytes: Some(300_000), drop_unread, ..options() };
    let journal = Journal::open(folder, &options).unwrap();
    journal.commit_cursor("slow", 0, false).unwrap();
    journal
}

#[test]
fn a_truncation_takes_none_back() {
    on_each_medium(|folder| {
        let journal = open(folder);
        for number in 0..600 {
            journal.append(&[&record(number)], None, false).unwrap();
        }
        journal.truncate_before(500).unwrap();
        journal.truncate_before(400).unwrap();
        assert_eq!(journal.limits().unwrap(), (500, 600));
        drop(journal);
        assert_eq!(open(folder).limits().unwrap(), (500, 600));
    });
}

#[test]
#[cfg(unix)]
fn who_lost_the_lock_gives_nothing_up_and_makes_no_segment() {
    on_each_medium(|folder| {
        let journal = open(folder);
        journal.append(&[&record(0)], None, true).unwrap();
        std::fs::remove_file(folder.join("lock")).unwrap();
        assert_eq!(journal.truncate_before(1).unwrap_err().code(), "EAGAIN");
        let append = |number| journal.append(&[&record(number)], None, false).map(drop);
        assert_eq!((1..3000).try_for_each(append).unwrap_err().code(), "EAGAIN");
        assert_eq!((segments(folder), journal.limits().unwrap().0), (1, 0));
    });
}

#[test]
fn who_waits_for_a_record_finds_it() {
    on_each_medium(|folder| {
        let journal = open(folder);
        let (reader, (sender, receiver)) = (journal.clone(), std::sync::mpsc::channel());
        let _wait = journal.wait(0, Box::new(move || sender.send(reader.next().unwrap()).unwrap()));
        journal.append(&[&record(0)], None, true).unwrap();
        assert_eq!(receiver.recv(), Ok(1));
    });
}

#[test]
fn what_a_cursor_needs_is_kept_unless_it_may_go() {
    on_each_medium(|folder| {
        let append = |journal: &Journal| {
            (0..3000).try_for_each(|number| journal.append(&[&record(number)], None, false).map(drop))
        };
        let journal = waited_for(folder, false);
        let error = append(&journal).unwrap_err();
        assert!(error.code() == "ENOSPC" && error.to_string().contains("'slow'"), "{error}");
        let next = journal.limits().unwrap().1;
        assert_eq!(journal.limits().unwrap().0, 0);
        journal.flush().unwrap();
        let next = journal.limits().unwrap().1.max(next);
        journal.commit_cursor("slow", next, false).unwrap();
        journal.append(&[&record(next)], None, true).unwrap();
        assert!(journal.append(&[&[1; 60_000]], None, true).is_ok());
        let other = waited_for(&folder.with_extension("other"), true);
        append(&other).unwrap();
        assert!(other.limits().unwrap().0 > 0);
    });
}

#[test]
fn what_is_old_goes_a_segment_at_a_time() {
    on_each_medium(|folder| {
        let options = JournalOptions { max_age: Some(8000), ..options() };
        let journal = Journal::open(folder, &options).unwrap();
        for number in 0..5 {
            journal.append(&[&record(number)], None, true).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(12));
        }
        let (first, next) = journal.limits().unwrap();
        assert!(first > 0 && next == 5, "{first}");
        assert!(segments(folder) < 4);
        assert_eq!(read(&journal), records(first..5));
    });
}

#[test]
fn a_segment_that_came_back_is_removed() {
    on_each_medium(|folder| {
        let journal = open(folder);
        for number in 0..600 {
            journal.append(&[&record(number)], None, false).unwrap();
        }
        let old = chain::segment_paths(folder).unwrap().remove(0);
        let bytes = std::fs::read(&old).unwrap();
        journal.truncate_before(590).unwrap();
        assert!(!old.exists());
        drop(journal);
        std::fs::write(&old, bytes).unwrap();
        let journal = open(folder);
        assert!(!old.exists());
        assert_eq!(read(&journal), records(590..600));
    });
}

#[test]
fn a_closed_journal_that_lacks_what_readers_saw_is_damaged() {
    forced::pmem(false);
    let folder = folder();
    let folder = &folder.path().join("journal");
    let journal = open(folder);
    journal.append(&[&record(0)], None, true).unwrap();
    let uuid = journal.shelf().all()[0].header.uuid;
    drop(journal);
    let Some(tail) = tail::Tail::publish_to(folder, uuid, 2, 0o600).unwrap() else { return };
    assert!(matches!(Journal::open(folder, &options()).map(drop), Err(Error::Damaged { sequence: 1, .. })));
    assert_eq!(Journal::check(folder).unwrap().damage.len(), 1);
    tail.publish(1);
    assert_eq!(read(&open(folder)), records(0..1));
}

#[test]
fn closing_leaves_no_segment_that_was_being_prepared() {
    on_each_medium(|folder| {
        let options = JournalOptions { segment_size: 1 << 20, ..options() };
        let journal = Journal::open(folder, &options).unwrap();
        journal.append(&[&vec![1; 700_000]], None, true).unwrap();
        let Core::Writer(writer) = &journal.core else { unreachable!() };
        assert!(writer.active().preparation.is_some());
        drop(journal);
        assert!(!folder.join("next.tmp").exists());
    });
}
