//! What holds of sessions beside each other: what is freed and when, what is told, and what comes of what fails.

use std::sync::atomic::AtomicBool;

use super::ids::IdSet;
use super::model::{Counters, change};
use super::sharing::{Common, locked};
use super::*;
use crate::os::errno;
use crate::os::seam::recorder::Recorder;

fn map(id: u64) -> Bytes {
    values::naming(header::MAP, id)
}

fn is_there(session: &Session, id: u64) -> bool {
    session.heap.view().unwrap().get(&Key::header(id)).unwrap().is_some()
}

/// Commits of something else, which free what may be freed.
fn go_on(session: &Session, other: u64) {
    for number in 0..4 {
        Batch::default().set(other, &text("goes on"), &int(number)).apply(session);
    }
}

/// Two sessions, the root, and one of its containers.
fn two(path: &Path) -> (Session, Session, u64, u64) {
    let (one, other) = (open(path), open(path));
    let (root, id) = rooted(&one, header::MAP);
    (one, other, root, id)
}

#[test]
fn what_a_session_sees_or_holds_is_not_freed() {
    on_each_medium(|folder| {
        let (one, other, root, id) = two(&folder.join("a"));
        let mut changed = Vec::new();
        other.refresh(&mut changed).unwrap();
        Batch::default().delete(root, &int(0)).apply(&one);
        go_on(&one, root);
        assert!(is_there(&one, id), "it is freed, and the other session sees it");
        other.pin(id);
        other.end_turn();
        go_on(&one, root);
        one.helper().collect().unwrap();
        assert!(is_there(&one, id), "it is freed, and the other session holds it");
        Batch::default().set(id, &int(1), &int(2)).apply(&other);
        Batch::default().set(root, &int(5), &map(id)).apply(&other);
        other.unpin(id);
        go_on(&one, root);
        assert!(is_there(&one, id), "it is freed, and attached again");
        Batch::default().delete(root, &int(5)).apply(&other);
        go_on(&one, root);
        assert!(!is_there(&one, id), "nobody has it, and it is not freed");
        check(&one);
    });
}

#[test]
fn what_is_let_go_of_is_freed_by_later_commits() {
    on_each_medium(|folder| {
        let (one, other, root, id) = two(&folder.join("a"));
        for session in [&one, &other, &other] {
            session.pin(id);
        }
        Batch::default().delete(root, &int(0)).apply(&one);
        go_on(&one, root);
        one.unpin(id);
        one.unpin(id);
        other.unpin(id);
        go_on(&one, root);
        assert!(is_there(&one, id));
        // The pins of a session that goes go with it.
        drop(other);
        go_on(&one, root);
        assert!(!is_there(&one, id));
        check(&one);
    });
}

#[test]
fn what_was_just_removed_is_not_freed_under_a_view_that_is_taken_meanwhile() {
    on_each_medium(|folder| {
        let (one, other, root, id) = two(&folder.join("a"));
        one.begin().unwrap();
        one.apply(&Batch::default().delete(root, &int(0)).0).unwrap();
        // So that it is looked into the queue.
        one.pin(1);
        one.unpin(1);
        one.commit().unwrap();
        // As if the other one had taken its view when the transaction looked whether there was one, and before it was seen.
        assert!(is_there(&one, id), "it is freed by the commit that removes it");
        drop(other);
    });
}

/// Two containers that refer to each other, attached to the root and taken off by `one`.
fn circle(one: &Session, root: u64, id: u64) -> u64 {
    let partner = one.reserve_ids(1).unwrap();
    let batch = Batch::default().create(partner, header::MAP).set(id, &int(1), &map(partner));
    batch.set(partner, &int(1), &map(id)).apply(one);
    one.end_turn();
    let _ = root;
    partner
}

#[test]
fn circles_stay_as_long_as_someone_sees_or_holds_one_of_them() {
    on_each_medium(|folder| {
        let (one, other, root, id) = two(&folder.join("a"));
        let partner = circle(&one, root, id);
        other.refresh(&mut Vec::new()).unwrap();
        Batch::default().delete(root, &int(0)).apply(&one);
        one.helper().collect().unwrap();
        other.pin(partner);
        other.end_turn();
        Batch::default().set(root, &int(3), &map(partner)).apply(&other);
        other.unpin(partner);
        one.helper().collect().unwrap();
        go_on(&one, root);
        assert!(is_there(&one, id) && is_there(&one, partner), "what the root leads to is freed");
        check(&one);
        Batch::default().delete(root, &int(3)).apply(&other);
        assert_eq!(one.helper().collect().unwrap(), 2);
        assert!(!is_there(&one, id) && !is_there(&one, partner));
        check(&one);
    });
}

#[test]
fn a_circle_that_is_held_for_a_moment_while_it_is_looked_for_is_kept() {
    on_each_medium(|folder| {
        let (one, other, root, id) = two(&folder.join("a"));
        let partner = circle(&one, root, id);
        other.refresh(&mut Vec::new()).unwrap();
        Batch::default().delete(root, &int(0)).apply(&one);
        let helper = one.helper();
        std::thread::scope(|scope| {
            let collecting = scope.spawn(move || helper.collect().unwrap());
            while !one.common.is_remembering() {
                std::thread::yield_now();
            }
            // It waits for this view by then.
            std::thread::sleep(Duration::from_millis(20));
            other.pin(id);
            Batch::default().set(root, &int(4), &map(id)).apply(&other);
            other.unpin(id);
            assert_eq!(collecting.join().unwrap(), 0);
        });
        go_on(&one, root);
        assert!(is_there(&one, id) && is_there(&one, partner));
        check(&one);
    });
}

#[test]
fn a_view_that_is_being_taken_is_as_old_as_can_be() {
    let common = Common::new(1);
    let presence = common.join(5);
    let taken = common.look(&presence, || Ok((common.oldest_view(), 7)));
    assert_eq!((taken, common.oldest_view()), (Ok(0), 7));
    let failed: Result<()> = common.look(&presence, || Err(Error::Closed("store")));
    assert!(failed.is_err());
    assert_eq!(common.oldest_view(), 7);
}

#[test]
fn what_a_session_commits_while_another_one_joins_is_not_missed() {
    let common = Common::new(1);
    let first = common.join(0);
    for sequence in 1..=5 {
        common.tell(sequence, first.number, &IdSet::from_iter([sequence]));
    }
    // Its view was taken after the second commit, and it is there only after the fifth one was told to nobody.
    let second = common.join(2);
    for (seen, sequence) in [(2, 4), (4, 5)] {
        let mut changed = Vec::new();
        assert!(!common.changes(second.number, seen, sequence, &mut changed) || changed.contains(&sequence));
    }
    common.tell(6, first.number, &IdSet::from_iter([77]));
    let mut changed = Vec::new();
    assert!(common.changes(second.number, 5, 6, &mut changed));
    assert_eq!(changed, [77]);
    assert!(common.changes(first.number, 5, 6, &mut Vec::new()));
}

#[test]
fn more_changes_than_are_kept_are_told_as_all() {
    on_each_medium(|folder| {
        let (one, other, root, id) = two(&folder.join("a"));
        let refresh = || {
            let mut changed = Vec::new();
            let all = other.refresh(&mut changed).unwrap().all;
            (all, changed)
        };
        let snapshot = other.snapshot().unwrap();
        refresh();
        assert_eq!(refresh(), (false, vec![]));
        Batch::default().set(id, &int(1), &int(1)).apply(&one);
        assert_eq!(refresh(), (false, vec![id]));
        Batch::default().set(id, &int(1), &int(2)).apply(&other);
        assert_eq!(refresh(), (false, vec![]));
        for _ in 0..2 {
            let first = one.reserve_ids(10_000).unwrap();
            let batch = (first..first + 10_000).fold(Batch::default(), |batch, id| batch.create(id, header::SET));
            one.begin().unwrap();
            batch.apply(&one);
            one.rollback().unwrap();
            one.begin().unwrap();
            batch.apply(&one);
            one.commit().unwrap();
        }
        assert!(refresh().0);
        assert_eq!(refresh(), (false, vec![]));
        Batch::default().set(root, &int(1), &int(1)).apply(&one);
        assert_eq!(refresh(), (false, vec![root]));
        let first = one.reserve_ids(20_000).unwrap();
        (first..first + 20_000).fold(Batch::default(), |batch, id| batch.create(id, header::SET)).apply(&one);
        assert!(refresh().0);
        assert_eq!(refresh(), (false, vec![]));
        assert!(!snapshot.refresh(&mut Vec::new()).unwrap().all);
        drop(snapshot);
        one.helper().collect().unwrap();
        assert_eq!(check(&one).containers, 2);
    });
}

#[test]
fn a_session_that_goes_in_a_transaction_takes_it_back() {
    on_each_medium(|folder| {
        let path = folder.join("a");
        let (one, other, root, id) = two(&path);
        let before = contents(&one, &[], 9);
        one.end_turn();
        for is_closed in [false, true] {
            let third = open(&path);
            third.begin().unwrap();
            third.begin().unwrap();
            Batch::default().set(id, &int(1), &map(root)).root(&[1]).apply(&third);
            assert!(!other.try_begin().unwrap());
            if is_closed {
                third.close().unwrap();
            } else {
                drop(third);
            }
            assert_eq!(contents(&one, &[], 9), before);
            one.end_turn();
            assert!(other.try_begin().unwrap());
            other.rollback().unwrap();
        }
        assert!(matches!(one.commit(), Err(Error::InvalidValue { .. })));
        assert!(matches!(one.rollback(), Err(Error::InvalidValue { .. })));
        check(&one);
    });
}

#[test]
fn a_view_stays_where_no_transaction_begins() {
    on_each_medium(|folder| {
        let (one, other, root, _) = two(&folder.join("a"));
        one.refresh(&mut Vec::new()).unwrap();
        let before = contents(&one, &[], 9);
        Batch::default().set(root, &int(8), &int(8)).apply(&other);
        other.begin().unwrap();
        assert!(!one.try_begin().unwrap());
        assert_eq!(contents(&one, &[], 9), before);
        other.rollback().unwrap();
        assert!(one.try_begin().unwrap());
        assert_ne!(contents(&one, &[], 9), before);
    });
}

#[test]
fn ids_are_used_once() {
    on_each_medium(|folder| {
        let path = folder.join("a");
        let mut session = open(&path);
        let (root, _) = rooted(&session, header::MAP);
        let mut known = BTreeSet::new();
        for round in 0..20 {
            let first = session.reserve_ids(700).unwrap();
            for id in [first + 699, first] {
                assert!(known.insert(id));
                session.begin().unwrap();
                Batch::default().create(id, header::MAP).set(root, &int(id), &map(id)).apply(&session);
                if round % 3 == 1 {
                    session.rollback().unwrap();
                    known.remove(&id);
                } else {
                    session.commit().unwrap();
                }
            }
            if round % 2 == 0 {
                drop(session);
                session = open(&path);
            }
        }
        let used = *known.first().unwrap();
        assert!(session.apply(&Batch::default().create(used, header::MAP).0).is_err());
        assert!(session.reserve_ids(1 << 53).is_err() && session.reserve_ids(u64::MAX).is_err());
        check(&session);
    });
}

#[test]
fn a_failed_flush_is_told_as_a_change_of_all() {
    on_each_medium(|folder| {
        if crate::os::mapping::forced::get() == Some(true) {
            return;
        }
        let recorder = Recorder::new();
        let _attached = recorder.attach();
        let mut options = options();
        options.heap.durability = crate::heap::Durability::Group;
        let session = Session::open(&folder.join("a"), &options).unwrap();
        let (root, id) = rooted(&session, header::MAP);
        session.helper().flush().unwrap();
        let before = contents(&session, &[], 9);
        session.refresh(&mut Vec::new()).unwrap();
        Batch::default().set(id, &int(1), &map(root)).apply(&session);
        session.refresh(&mut Vec::new()).unwrap();
        assert_ne!(contents(&session, &[], 9), before);
        recorder.fail_sync(recorder.counts().barriers);
        assert!(matches!(session.helper().flush(), Err(Error::Uncertain { .. })));
        assert!(session.refresh(&mut Vec::new()).unwrap().all, "what is seen is older, and nobody says so");
        assert_eq!(contents(&session, &[], 9), before);
        assert!(!session.refresh(&mut Vec::new()).unwrap().all);
        session.apply(&Batch::default().clear(id).0).unwrap_err();
        session.helper().collect().unwrap_err();
    });
}

/// Carries commands out in a commit that does not wait until it is durable.
fn apply_ahead(session: &Session, batch: &Batch) {
    assert!(session.try_begin().unwrap());
    batch.apply(session);
    session.commit().unwrap();
}

#[test]
fn what_did_not_wait_is_seen_by_its_session_at_once_and_by_others_once_it_is_durable() {
    on_each_medium(|folder| {
        let (one, other, root, id) = two(&folder.join("a"));
        let before = contents(&other, &[], 9);
        let mut changed = Vec::new();
        other.refresh(&mut changed).unwrap();
        apply_ahead(&one, &Batch::default().set(id, &int(1), &int(2)));
        let own = contents(&one, &[], 9);
        assert_ne!(own, before);
        assert!(!one.refresh(&mut changed).unwrap().all);
        assert_eq!(contents(&one.snapshot().unwrap(), &[], 9), own);
        changed.clear();
        let seen = other.refresh(&mut changed).unwrap();
        assert_eq!((seen.all, &changed[..], contents(&other, &[], 9)), (false, &[][..], before));
        one.helper().backup(&folder.join("backup")).unwrap();
        assert_eq!(contents(&open(&folder.join("backup")), &[], 9), own);
        // It goes on from there, and sees what another one commits behind it.
        apply_ahead(&one, &Batch::default().set(id, &int(2), &int(2)));
        one.helper().flush().unwrap();
        other.refresh(&mut changed).unwrap();
        assert_eq!(changed, [id, id]);
        let own = contents(&other, &[], 9);
        assert_eq!(contents(&one, &[], 9), own);
        Batch::default().set(root, &int(7), &int(7)).apply(&other);
        one.refresh(&mut changed).unwrap();
        assert_ne!(contents(&one, &[], 9), own);
        check(&one);
    });
}

#[test]
fn what_did_not_wait_keeps_no_blocks_once_it_is_durable() {
    on_each_medium(|folder| {
        let (one, other, _, id) = two(&folder.join("a"));
        apply_ahead(&one, &Batch::default().set(id, &int(1), &int(2)));
        one.end_turn();
        one.helper().flush().unwrap();
        let mut used = Vec::new();
        for round in 0..40 {
            Batch::default().set(id, &int(1), &text(&"x".repeat(250 + round % 2))).apply(&other);
            other.end_turn();
            other.heap.checkpoint().unwrap();
            used.push(one.stats().unwrap().pinned);
        }
        assert_eq!(used[39], used[9], "{used:?}");
    });
}

#[test]
fn after_a_failed_flush_what_did_not_wait_is_gone() {
    on_each_medium(|folder| {
        if crate::os::mapping::forced::get() == Some(true) {
            return;
        }
        let recorder = Recorder::new();
        let _attached = recorder.attach();
        let (one, other, _, id) = two(&folder.join("a"));
        let told = Arc::new(AtomicBool::new(false));
        let wake = Arc::clone(&told);
        other.on_news(Box::new(move || wake.store(true, Ordering::Relaxed)));
        other.watch(id);
        let before = contents(&one, &[], 9);
        apply_ahead(&one, &Batch::default().set(id, &int(1), &int(2)));
        one.refresh(&mut Vec::new()).unwrap();
        recorder.fail_sync(recorder.counts().barriers);
        assert!(matches!(one.helper().flush(), Err(Error::Uncertain { .. })));
        assert!(one.refresh(&mut Vec::new()).unwrap().all, "what is seen is older, and nobody says so");
        assert_eq!(contents(&one, &[], 9), before);
        assert_eq!(contents(&other, &[], 9), before);
        assert!(!told.load(Ordering::Relaxed));
    });
}

#[test]
fn who_watches_is_told_of_what_did_not_wait_once_it_is_seen() {
    on_each_medium(|folder| {
        let (one, other, root, id) = two(&folder.join("a"));
        for is_flushed in [true, false] {
            other.watch(id);
            let mut news = Vec::new();
            apply_ahead(&one, &Batch::default().set(id, &int(1), &int(2)));
            other.news(&mut news);
            assert_eq!(news, []);
            // A commit that waits makes it durable too.
            if is_flushed {
                one.helper().flush().unwrap();
            } else {
                Batch::default().set(root, &int(1), &int(1)).apply(&one);
            }
            other.news(&mut news);
            assert_eq!(news, [&id.to_le_bytes()[..7], &[0], &int(1)].concat());
            other.unwatch(id);
        }
    });
}

#[test]
fn more_news_than_are_kept_are_told_as_anywhere() {
    on_each_medium(|folder| {
        let (one, other, root, id) = two(&folder.join("a"));
        other.watch(id);
        let told = |count: u64| {
            let batch = (0..count).fold(Batch::default(), |batch, number| batch.set(id, &int(number), &int(number)));
            batch.set(root, &int(1), &int(1)).apply(&one);
            let mut news = Vec::new();
            other.news(&mut news);
            news
        };
        let key = 7 + 1 + int(0).len();
        assert_eq!(told(4096).len(), 4096 * key);
        let anywhere = [&id.to_le_bytes()[..7], &[5]].concat();
        for count in [4097, 6000] {
            assert_eq!(told(count), anywhere);
        }
        assert_eq!(told(1).len(), key);
    });
}

#[test]
fn what_others_still_see_attached_is_not_freed() {
    on_each_medium(|folder| {
        let (one, other, root, id) = two(&folder.join("a"));
        // So that it is looked into the queue at each commit.
        let look = || {
            one.pin(1);
            one.unpin(1);
        };
        apply_ahead(&one, &Batch::default().delete(root, &int(0)));
        for number in 0..3 {
            look();
            apply_ahead(&one, &Batch::default().set(root, &text("goes on"), &int(number)));
        }
        // Nobody had a view meanwhile. This one sees it where it was, and holds it from then on.
        other.refresh(&mut Vec::new()).unwrap();
        other.pin(id);
        one.helper().flush().unwrap();
        go_on(&one, root);
        assert!(is_there(&one, id), "it is freed, and the other session holds it");
        Batch::default().set(root, &int(5), &map(id)).apply(&other);
        check(&one);
    });
}

#[test]
fn circles_that_a_commit_attaches_which_others_do_not_see_yet_are_not_freed() {
    on_each_medium(|folder| {
        let (one, other, root, id) = two(&folder.join("a"));
        let partner = circle(&one, root, id);
        one.pin(id);
        Batch::default().delete(root, &int(0)).apply(&one);
        apply_ahead(&one, &Batch::default().set(root, &int(4), &map(id)));
        one.unpin(id);
        other.helper().collect().unwrap();
        one.helper().flush().unwrap();
        assert!(is_there(&one, id) && is_there(&one, partner), "what the root leads to is freed");
        check(&one);
    });
}

#[test]
fn a_transaction_can_be_looked_at() {
    on_each_medium(|folder| {
        let session = open(&folder.join("a"));
        let (root, id) = rooted(&session, header::MAP);
        let commits = session.stats().unwrap().commits;
        session.begin().unwrap();
        Batch::default().set(root, &int(1), &map(id)).version(3).apply(&session);
        assert_eq!(session.stats().unwrap().commits, commits);
        assert_eq!((session.version().unwrap(), session.depth()), (3, 1));
        assert!(session.snapshot().is_err());
        session.commit().unwrap();
        assert_eq!(session.stats().unwrap().commits, commits + 1);
    });
}

#[test]
fn a_store_takes_so_many_shapes_and_objects_go_on_without() {
    on_each_medium(|folder| {
        let session = open(&folder.join("a"));
        let (root, _) = rooted(&session, header::MAP);
        let shape = |number: u64| [&[0][..], &text(&format!("name {number}"))].concat();
        session.begin().unwrap();
        let first = session.intern(&shape(0)).unwrap();
        for number in 1..10_000 {
            assert_ne!(session.intern(&shape(number)).unwrap(), 0);
        }
        for number in 10_000..10_003 {
            assert_eq!(session.intern(&shape(number)).unwrap(), 0);
        }
        assert_eq!(session.intern(&shape(0)).unwrap(), first);
        session.commit().unwrap();
        assert!(session.intern(&text("Class")).unwrap() > 10_000);
        assert!(session.intern(&[0]).unwrap() > 10_000);
        assert_eq!(session.intern(&shape(20_000)).unwrap(), 0);
        assert!(session.intern(&[]).is_err() && session.intern(&[99]).is_err() && session.intern(&map(root)).is_err());
        let id = session.reserve_ids(1).unwrap();
        let batch = Batch::default().create(id, header::OBJECT).record(id, first, &[map(root)]);
        batch.set(root, &int(1), &values::naming(header::OBJECT, id)).apply(&session);
        assert_eq!(Batch::default().dictionary(id).apply(&session)[0], 1.0);
        Batch::default().set(id, &text("more"), &int(1)).apply(&session);
        check(&session);
    });
}

#[test]
fn a_large_container_is_freed_by_many_commits() {
    on_each_medium(|folder| {
        let path = folder.join("a");
        let mut session = open(&path);
        let (root, id) = rooted(&session, header::MAP);
        (0..1000).fold(Batch::default(), |batch, key| batch.set(id, &int(key), &int(key))).apply(&session);
        Batch::default().delete(root, &int(0)).apply(&session);
        let mut commits = 0;
        while is_there(&session, id) {
            go_on(&session, root);
            commits += 4;
            assert!(commits < 200);
            check(&session);
            if commits == 8 {
                drop(session);
                session = open(&path);
            }
        }
        assert!(commits > 2000 / 64, "{commits} commits");
        check(&session);
    });
}

#[test]
fn a_full_store_can_be_emptied() {
    on_each_medium(|folder| {
        let mut options = options();
        options.heap.max_len = Some(512 << 10);
        let path = folder.join("a");
        let mut filled = Vec::new();
        for round in 0..8 {
            let session = Session::open(&path, &options).unwrap();
            let (root, _) = rooted(&session, header::MAP);
            let mut made = Vec::new();
            loop {
                let id = session.reserve_ids(1).unwrap();
                let batch = Batch::default().create(id, header::MAP).set(root, &int(id), &map(id));
                let batch = (0..10).fold(batch, |batch, key| batch.set(id, &int(key), &text(&"z".repeat(100))));
                match session.apply(&batch.0) {
                    Ok(_) => made.push(id),
                    Err(error) => {
                        assert!(matches!(error, Error::Os { errno: errno::ENOSPC, .. }), "{error}");
                        break;
                    }
                }
            }
            // The rest of it, with less and less.
            let mut number = 0;
            for len in [60, 1] {
                while session
                    .apply(&Batch::default().set(root, &text(&format!("{number}")), &text(&"z".repeat(len))).0)
                    .is_ok()
                {
                    number += 1;
                }
            }
            check(&session);
            filled.push(made.len());
            for (number, id) in made.iter().enumerate() {
                let deleted = session.apply(&Batch::default().delete(root, &int(*id)).0);
                assert_eq!(deleted.unwrap_or_else(|error| panic!("round {round}, {number}: {error}"))[0], 1.0);
            }
            for number in 0..number {
                session.apply(&Batch::default().delete(root, &text(&format!("{number}"))).0).unwrap();
            }
            session.helper().drain_all().unwrap();
            assert_eq!(check(&session).containers, 2);
        }
        assert!(filled.iter().all(|count| count * 10 >= filled[0] * 8), "{filled:?}");
    });
}

#[test]
fn a_look_for_circles_by_itself_ends_with_its_store() {
    on_each_medium(|folder| {
        let path = folder.join("a");
        let session = open(&path);
        let (root, id) = rooted(&session, header::MAP);
        circle(&session, root, id);
        // So that it is not over too soon.
        let common = Arc::clone(&session.common);
        let (held, hold) = std::sync::mpsc::channel();
        let holder = std::thread::spawn(move || {
            let _guard = locked(&common.collecting);
            held.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(500));
        });
        hold.recv().unwrap();
        // What refers to it goes, and something else still does.
        for _ in 0..11 {
            session.begin().unwrap();
            let batch = (0..1000).fold(Batch::default(), |batch, _| batch.set(root, &int(1), &map(id)));
            batch.apply(&session);
            session.commit().unwrap();
        }
        drop(session);
        let mut readonly = options();
        readonly.heap.readonly = true;
        let session = Session::open(&path, &readonly).unwrap_or_else(|error| panic!("it is still open: {error}"));
        assert_eq!(contents(&session, &[], 9).bodies.len(), 3);
        holder.join().unwrap();
    });
}

/// What is reached from a container.
fn below(session: &Session, id: u64) -> BTreeMap<u64, Body> {
    let (mut left, mut found) = (vec![id], BTreeMap::new());
    while let Some(id) = left.pop() {
        found.entry(id).or_insert_with(|| {
            let body = body_of(session, id, 20);
            left.extend(body.referred());
            body
        });
    }
    found
}

#[test]
fn threads_change_what_is_theirs_while_circles_are_freed() {
    on_each_medium(|folder| {
        let path = &folder.join("a");
        let session = open(path);
        let (root, _) = rooted(&session, header::MAP);
        let is_over = &AtomicBool::new(false);
        let freed = std::thread::scope(|scope| {
            let writers: Vec<_> = (1..=2)
                .map(|seed| {
                    scope.spawn(move || {
                        let (session, mut random, mut counters) = (open(path), Random::new(seed), Counters::default());
                        let own = session.reserve_ids(1).unwrap();
                        Batch::default().create(own, header::MAP).set(root, &int(seed), &map(own)).apply(&session);
                        let mut model = Model::default();
                        model.bodies.insert(own, Body::Map(Vec::new()));
                        for step in 0..400 {
                            let before = model.clone();
                            session.begin().unwrap();
                            for _ in 0..random.below(5) {
                                change(&session, &mut model, &mut random, &[own], &mut counters);
                            }
                            if random.below(6) == 0 {
                                session.rollback().unwrap();
                                model = before;
                            } else {
                                session.commit().unwrap();
                            }
                            model = model.reached([own]);
                            if step % 10 == 0 {
                                assert_eq!(below(&session, own), model.bodies, "step {step} of {seed}");
                                session.end_turn();
                            }
                        }
                    })
                })
                .collect();
            let helper = session.helper();
            let collector = scope.spawn(move || {
                let mut freed = 0;
                while !is_over.load(Ordering::Relaxed) {
                    freed += helper.collect().unwrap();
                }
                freed
            });
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            is_over.store(true, Ordering::Relaxed);
            collector.join().unwrap()
        });
        assert!(freed > 0, "{freed}");
        session.helper().collect().unwrap();
        let reached = contents(&session, &[], 20).bodies.len() as u64;
        session.end_turn();
        assert_eq!(check(&session).containers, reached);
    });
}

#[test]
fn nobody_misses_a_change_that_is_seen() {
    on_each_medium(|folder| {
        let path = &folder.join("a");
        let session = open(path);
        let (root, _) = rooted(&session, header::MAP);
        let first = session.reserve_ids(20).unwrap();
        let batch = (first..first + 20).fold(Batch::default(), |batch, id| {
            batch.create(id, header::MAP).set(root, &int(id), &map(id)).set(id, &int(0), &int(0))
        });
        batch.apply(&session);
        let is_over = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(move || {
                        let (mut told, mut rounds) = (0, 0u64);
                        while !is_over.load(Ordering::Relaxed) {
                            let (session, mut cache) = (open(path), BTreeMap::new());
                            // What is read before the first refresh is not known to be as it was at the opening.
                            for _ in 0..60 {
                                let mut changed = Vec::new();
                                if session.refresh(&mut changed).unwrap().all {
                                    cache.clear();
                                } else {
                                    told += 1;
                                    changed.iter().for_each(|id| drop(cache.remove(id)));
                                }
                                for id in first..first + 20 {
                                    let mut now = Vec::new();
                                    session.get(id, &int(0), &mut now).unwrap();
                                    assert_eq!(
                                        cache.entry(id).or_insert(now.clone()),
                                        &now,
                                        "a change of {id} was missed"
                                    );
                                }
                                session.end_turn();
                                rounds += 1;
                            }
                        }
                        (told, rounds)
                    })
                })
                .collect();
            let mut random = Random::new(3);
            for number in 0..6000 {
                let id = first + random.below(20);
                session.begin().unwrap();
                Batch::default().set(id, &int(0), &int(number)).apply(&session);
                if random.below(8) == 0 {
                    session.rollback().unwrap();
                } else {
                    session.commit().unwrap();
                }
            }
            is_over.store(true, Ordering::Relaxed);
            for reader in readers {
                let (told, rounds) = reader.join().unwrap();
                assert!(told * 4 > rounds, "{told} of {rounds}");
            }
        });
    });
}

#[test]
fn what_is_copied_is_found_by_its_keys() {
    on_each_medium(|folder| {
        let session = open(&folder.join("a.store"));
        let [map, inner] = [1, 2];
        session.reserve_ids(2).unwrap();
        let batch = Batch::default()
            .create(map, header::MAP)
            .create(inner, header::MAP)
            .root(&values::naming(header::MAP, map));
        let batch =
            batch.set(map, &text("inner"), &values::naming(header::MAP, inner)).set(inner, &text("key"), &int(7));
        session.apply(&batch.0).unwrap();
        let copied = folder.join("copy");
        session.helper().backup(&copied).unwrap();
        let copy = open(&copied);
        let mut value = Vec::new();
        assert!(copy.get(inner, &text("key"), &mut value).unwrap());
        assert_eq!((value, copy.verify().unwrap().damage), (int(7), Vec::new()));
        copy.close().unwrap();
        assert_eq!(Session::check_file(&copied).unwrap().damage, Vec::<String>::new());
    });
}

#[test]
fn closing_takes_an_open_transaction_back_and_waits_for_nobody() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let mut patient = options();
        patient.heap.busy_timeout = std::time::Duration::from_secs(86_400);
        let session = Session::open(&path, &patient).unwrap();
        let other = Session::open(&path, &patient).unwrap();
        let (_, id) = rooted(&session, header::MAP);
        session.begin().unwrap();
        session.begin().unwrap();
        Batch::default().set(id, &int(1), &int(1)).apply(&session);
        session.close().unwrap();
        assert!(!other.get(id, &int(1), &mut Vec::new()).unwrap());
        other.begin().unwrap();
        Batch::default().set(id, &int(1), &int(1)).apply(&other);
        other.close().unwrap();
        assert!(!open(&path).get(id, &int(1), &mut Vec::new()).unwrap());
    });
}
