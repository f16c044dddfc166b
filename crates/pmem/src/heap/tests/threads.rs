//! Stores that several threads have, and several processes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use super::crashes::{check_all, unattached};
use super::model::change;
use super::*;
use crate::os::seam::recorder::{Random, Recorder};

fn in_background() -> HeapOptions {
    HeapOptions { background: true, ..options() }
}

fn impatient() -> HeapOptions {
    HeapOptions { busy_timeout: Duration::ZERO, ..options() }
}

fn get(heap: &Heap, key: &[u8]) -> Option<Vec<u8>> {
    heap.view().unwrap().get(key).unwrap().map(Cow::into_owned)
}

const ACCOUNTS: u64 = 200;

fn balance(view: &View, account: u64) -> u64 {
    let balance = view.get(&account.to_be_bytes()).unwrap().unwrap();
    u64::from_le_bytes(balance[..8].try_into().unwrap())
}

fn open_accounts(heap: &Heap) {
    let mut transaction = heap.begin().unwrap();
    for account in 0..ACCOUNTS {
        let long = [&100u64.to_le_bytes()[..], &vec![7; account as usize * 2]].concat();
        transaction.set(&account.to_be_bytes(), &long).unwrap();
    }
    transaction.commit().unwrap();
}

fn transfer(heap: &Heap, random: &mut Random) {
    let (from, to) = (random.below(ACCOUNTS), random.below(ACCOUNTS));
    let mut transaction = heap.begin().unwrap();
    for (account, change) in [(from, -1i64), (to, 1)] {
        let mut value = transaction.get(&account.to_be_bytes()).unwrap().unwrap().into_owned();
        let balance = u64::from_le_bytes(value[..8].try_into().unwrap());
        value[..8].copy_from_slice(&balance.wrapping_add_signed(change).to_le_bytes());
        transaction.set(&account.to_be_bytes(), &value).unwrap();
    }
    transaction.commit().unwrap();
}

fn sum(view: &View) -> u64 {
    (0..ACCOUNTS).fold(0, |sum, account| sum.wrapping_add(balance(view, account)))
}

#[test]
fn readers_never_see_half_a_commit() {
    on_each_medium(|folder| {
        for durability in [Durability::Commit, Durability::Group] {
            let path = folder.join(format!("{durability:?}.store"));
            let heap = Heap::open(&path, &HeapOptions { durability, ..in_background() }).unwrap();
            open_accounts(&heap);
            let is_over = &AtomicBool::new(false);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    let heap = heap.clone();
                    scope.spawn(move || {
                        let (mut kept, mut rounds, mut last) = (Vec::new(), 0, 0);
                        while !is_over.load(Ordering::Relaxed) {
                            let view = heap.view().unwrap();
                            assert!(view.sequence() >= last, "a later view is of an earlier commit");
                            last = view.sequence();
                            assert_eq!(sum(&view), 100 * ACCOUNTS);
                            if rounds % 100 == 0 && kept.len() < 10 {
                                kept.push((contents(&view), view));
                            }
                            rounds += 1;
                        }
                        kept.iter().for_each(|(model, view)| assert_eq!(contents(view), *model));
                    });
                }
                let mut random = Random::new(1);
                (0..2500).for_each(|_| transfer(&heap, &mut random));
                is_over.store(true, Ordering::Relaxed);
            });
            heap.checkpoint().unwrap();
            let stats = heap.stats().unwrap();
            assert_eq!(stats.pinned, 0);
            assert!(stats.checkpoints > 10, "{stats:?}");
            check(&heap);
        }
    });
}

#[test]
fn snapshots_stay_as_they_were_and_their_space_comes_back() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &in_background()).unwrap();
        open_accounts(&heap);
        let (mut random, mut kept) = (Random::new(2), Vec::new());
        for step in 0..10_000 {
            set(&heap, &random.below(ACCOUNTS).to_be_bytes(), &vec![step as u8; random.below(40) as usize]);
            if step % 2000 == 0 {
                let view = heap.view().unwrap();
                kept.push((contents(&view), view));
            }
        }
        kept.iter().for_each(|(model, view)| assert_eq!(contents(view), *model));
        heap.checkpoint().unwrap();
        assert!(heap.stats().unwrap().pinned > 0);
        check(&heap);
        drop(kept);
        heap.checkpoint().unwrap();
        assert_eq!(heap.stats().unwrap().pinned, 0);
        assert!(heap.stats().unwrap().used < 1 << 20);
    });
}

#[test]
fn a_second_handle_sees_nothing_of_a_transaction_that_is_open() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let heap = Heap::open(&path, &impatient()).unwrap();
        set(&heap, b"a", b"1");
        let older = heap.view().unwrap();
        for is_clone in [true, false] {
            let mut transaction = heap.begin().unwrap();
            transaction.set(b"a", b"2").unwrap();
            let second = if is_clone { heap.clone() } else { Heap::open(&path, &impatient()).unwrap() };
            assert_eq!(older.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
            let refused = unattached(|| second.view().map(drop)).unwrap_err();
            assert_eq!(refused.code(), "ERR_PMEM_BUSY");
            assert_eq!(second.view().unwrap_err().code(), "ERR_PMEM_BUSY");
            drop(transaction);
            assert_eq!(get(&second, b"a").unwrap(), b"1");
            // There are two by now: nothing is changed in place.
            let mut transaction = heap.begin().unwrap();
            transaction.set(b"a", b"3").unwrap();
            assert_eq!(get(&second, b"a").unwrap(), b"1");
            assert_eq!(get(&heap, b"a").unwrap(), b"1");
            drop(transaction);
        }
        let patient = Heap::open(&folder.join("b.store"), &options()).unwrap();
        let mut transaction = patient.begin().unwrap();
        transaction.set(b"a", b"1").unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| get(&patient.clone(), b"a"));
            transaction.commit().unwrap();
            // It came before, and waited, or after: never in between.
            assert_eq!(reader.join().unwrap().unwrap(), b"1");
        });
    });
}

#[test]
fn a_thread_that_is_gone_leaves_no_transaction() {
    thread_local!(static LEFT: std::cell::RefCell<Option<Transaction>> = const { std::cell::RefCell::new(None) });
    on_each_medium(|folder| {
        let heap = &Heap::open(&folder.join("a.store"), &impatient()).unwrap();
        set(heap, b"a", b"1");
        let begin = || {
            let mut transaction = heap.begin().unwrap();
            transaction.set(b"a", b"2").unwrap();
            transaction.set(b"b", &[1; 3000]).unwrap();
            transaction
        };
        let check_it = || {
            assert_eq!(contents(&heap.view().unwrap()), Model::from([(b"a".to_vec(), b"1".to_vec())]));
            heap.begin().unwrap();
        };
        std::thread::scope(|scope| {
            let panics = || {
                let _transaction = begin();
                std::panic::resume_unwind(Box::new("a panic"));
            };
            scope.spawn(panics).join().unwrap_err();
            check_it();
            scope.spawn(|| LEFT.set(Some(begin()))).join().unwrap();
            check_it();
            let moved = begin();
            scope.spawn(move || drop(moved)).join().unwrap();
            check_it();
            let moved = begin();
            let holder = std::thread::Builder::new().name("the holder".to_owned());
            let held = holder.spawn_scoped(scope, move || {
                drop(moved);
                begin()
            });
            let held = held.unwrap().join().unwrap();
            let refused = heap.begin().unwrap_err();
            assert!(matches!(&refused, Error::Held { holder, .. } if holder.contains("the holder")), "{refused}");
            drop(held);
            check_it();
        });
    });
}

#[test]
fn crashes_beside_a_checkpoint_in_the_background_leave_what_was_committed() {
    on_each_medium(|folder| {
        for seed in 1..=3 {
            let path = &folder.join(format!("{seed}.store"));
            let recorder = Recorder::new();
            recorder.seed(seed);
            let attached = recorder.attach();
            let heap = Heap::open(path, &in_background()).unwrap();
            recorder.record_crashes();
            let (mut random, mut model) = (Random::new(seed), Model::new());
            for step in 0..60 {
                let before = model.clone();
                let mut transaction = heap.begin().unwrap();
                for _ in 0..random.below(16) {
                    change(&mut transaction, &mut model, &mut random, 3);
                }
                transaction.commit().unwrap();
                let crashes = recorder.take_crashes();
                unattached(|| check_all(crashes, path, &[before, model.clone()], step % 20 == 0));
            }
            assert!(heap.stats().unwrap().checkpoints > 2);
            drop(heap);
            let crashes = recorder.take_crashes();
            unattached(|| check_all(crashes, path, &[model], false));
            drop(attached);
        }
    });
}

/// Whatever sync fails, of a commit or a checkpoint: nobody hangs, all that was acknowledged is there, and what is seen is what
/// was acknowledged.
#[test]
fn a_sync_that_fails_ends_all_changes() {
    on_each_medium(|folder| {
        // Barriers for stores do not fail.
        if forced::get() == Some(true) {
            return;
        }
        for (background, durability) in
            [(true, Durability::Commit), (false, Durability::Commit), (true, Durability::Group)]
        {
            for failing in 0..30 {
                let path = &folder.join("a.store");
                let recorder = Recorder::new();
                let attached = recorder.attach();
                let heap = Heap::open(path, &HeapOptions { background, durability, ..options() }).unwrap();
                recorder.fail_sync(recorder.counts().barriers + failing);
                let (mut states, mut durable) = (vec![Model::new()], 0);
                let failed = (0..400u64).find_map(|step| {
                    let mut model = states[states.len() - 1].clone();
                    let mut transaction = match heap.begin() {
                        Ok(transaction) => transaction,
                        Err(error) => return Some(error),
                    };
                    let value = vec![step as u8; if step % 3 == 2 { 9000 } else { 900 }];
                    transaction.set(&[step as u8 % 8], &value).unwrap();
                    model.insert(vec![step as u8 % 8], value);
                    states.push(model);
                    let done = transaction.commit();
                    if done.is_ok() && durability == Durability::Commit {
                        durable = states.len() - 1;
                    }
                    done.err()
                });
                let refused = failed.expect("a sync failed");
                assert!(matches!(refused, Error::Uncertain { .. }), "{refused}");
                let found = contents(&heap.view().unwrap());
                let now = states.iter().rposition(|state| *state == found).expect("what is seen was committed");
                assert!(now >= durable, "{failing}: what was acknowledged is not seen");
                assert!(durability == Durability::Group || now == durable, "{failing}: what failed is seen");
                let crash = recorder.crash();
                drop((heap, attached));
                unattached(|| check_all(vec![crash], path, &states[now..], false));
                std::fs::remove_file(path).unwrap();
            }
        }
    });
}

#[test]
fn commits_wait_for_a_checkpoint_where_the_log_is_full() {
    on_each_medium(|folder| {
        for durability in [Durability::Commit, Durability::Group] {
            let path = folder.join(format!("{durability:?}.store"));
            let heap = Heap::open(&path, &HeapOptions { durability, ..in_background() }).unwrap();
            // Four of them fill the log, faster than a thread begins.
            (0..400u64).for_each(|step| set(&heap, &(step % 50).to_be_bytes(), &[step as u8; 3500]));
            let stats = heap.stats().unwrap();
            assert!(stats.waits > 0, "{stats:?}");
            let expected: Model =
                (350..400).map(|n| ((n % 50u64).to_be_bytes().to_vec(), vec![n as u8; 3500])).collect();
            assert_eq!(contents(&heap.view().unwrap()), expected);
            check(&heap);
            heap.close().unwrap();
            let heap = Heap::open(&path, &HeapOptions { durability, ..in_background() }).unwrap();
            assert_eq!(contents(&heap.view().unwrap()), expected);
            assert_eq!(heap.stats().unwrap().log, 0);
        }
    });
}

#[test]
fn the_last_handle_waits_for_a_checkpoint() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        for round in 0..20u8 {
            let heap = Heap::open(&path, &in_background()).unwrap();
            // Each has more than half of the log in it: the last commit begins a checkpoint.
            (0..3).for_each(|key| set(&heap, &[key], &[round; 3500]));
            drop(heap);
            let file = std::fs::File::open(&path).unwrap();
            assert!(HEAPS.find(&file, &path, "open").unwrap().is_none(), "it is open after its last handle is gone");
        }
    });
}

#[test]
fn a_copy_is_of_one_commit_and_one_that_fails_is_no_file() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &in_background()).unwrap();
        open_accounts(&heap);
        let (is_over, copied) = (&AtomicBool::new(false), &folder.join("copy"));
        std::thread::scope(|scope| {
            let writer = heap.clone();
            scope.spawn(move || {
                let mut random = Random::new(3);
                while !is_over.load(Ordering::Relaxed) {
                    transfer(&writer, &mut random);
                }
            });
            for _ in 0..10 {
                heap.backup(copied).unwrap();
                assert_eq!(heap.backup(copied).unwrap_err().code(), "EEXIST");
                let copy = Heap::open(copied, &options()).unwrap();
                let view = copy.view().unwrap();
                assert_eq!((view.len(), sum(&view)), (ACCOUNTS, 100 * ACCOUNTS));
                check(&copy);
                drop((view, copy));
                std::fs::remove_file(copied).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        let mut failed = 0;
        for failing in 0..20 {
            let recorder = Recorder::new();
            let attached = recorder.attach();
            recorder.fail_sync(failing);
            failed += usize::from(heap.backup(copied).is_err());
            assert_eq!(copied.exists(), failed <= failing, "{failing}");
            drop(attached);
            if copied.exists() {
                break;
            }
        }
        assert!(failed > 0, "{failed}");
    });
}

const CHILD: &str = "PMEM_TEST_HEAP_CHILD";

/// Commits, and tells of each commit, until it is killed.
fn be_killed(path: &str) {
    forced::pmem(path.ends_with("pmem"));
    let heap = Heap::open(Path::new(path), &in_background()).unwrap();
    let first = get(&heap, b"count").map_or(0, |count| u64::from_le_bytes(count.try_into().unwrap()));
    for count in first + 1.. {
        let mut transaction = heap.begin().unwrap();
        transaction.set(b"count", &count.to_le_bytes()).unwrap();
        transaction.set(&(count % 300).to_be_bytes(), &vec![count as u8; count as usize % 700]).unwrap();
        transaction.commit().unwrap();
        println!("\ncommitted {count}");
    }
}

#[test]
fn a_killed_process_leaves_all_it_acknowledged_and_no_other_opens_it_before() {
    if let Ok(path) = std::env::var(CHILD) {
        return be_killed(&path);
    }
    const NAME: &str = "heap::tests::threads::a_killed_process_leaves_all_it_acknowledged_and_no_other_opens_it_before";
    let folder = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let path = folder.path().join(if round % 2 == 0 { "file" } else { "pmem" });
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", NAME, "--nocapture"]).env(CHILD, &path).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(std::io::Result::ok);
        let mut counts = lines.filter_map(|line| line.strip_prefix("committed ")?.parse::<u64>().ok());
        let first = counts.nth(40 + round * 7).unwrap();
        for readonly in [false, true] {
            let refused = Heap::open(&path, &HeapOptions { readonly, ..options() }).unwrap_err();
            assert_eq!(refused.code(), "EAGAIN", "{refused}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let last = counts.last().unwrap_or(first);
        let heap = Heap::open(&path, &options()).unwrap();
        let found = u64::from_le_bytes(get(&heap, b"count").unwrap().try_into().unwrap());
        assert!(found == last || found == last + 1, "{found} of {last}");
        for count in found.saturating_sub(299).max(1)..=found {
            assert_eq!(get(&heap, &(count % 300).to_be_bytes()).unwrap(), vec![count as u8; count as usize % 700]);
        }
        check(&heap);
    }
}

#[test]
fn a_checkpoint_that_gets_no_thread_is_written_by_whoever_commits() {
    on_each_medium(|folder| {
        let heap = Heap::open(&folder.join("a.store"), &in_background()).unwrap();
        NO_THREADS.set(true);
        for number in 0..2000u32 {
            set(&heap, &number.to_be_bytes(), &[7; 40]);
        }
        NO_THREADS.set(false);
        let stats = heap.stats().unwrap();
        assert!(stats.checkpoints > 5, "{stats:?}");
        heap.checkpoint().unwrap();
        assert_eq!(check(&heap).entries, 2000);
    });
}

#[test]
fn a_readonly_store_is_looked_at_as_any_other() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        let heap = Heap::open(&path, &options()).unwrap();
        (0..500u32).for_each(|number| set(&heap, &number.to_be_bytes(), &[7; 40]));
        heap.close().unwrap();
        let heap = Heap::open(&path, &HeapOptions { create: false, readonly: true, ..options() }).unwrap();
        assert_eq!((check(&heap).entries, heap.stats().unwrap().entries), (500, 500));
        assert_eq!(heap.begin().unwrap_err().code(), "EROFS");
    });
}

#[test]
fn closing_in_ones_own_transaction_waits_for_nobody() {
    on_each_medium(|folder| {
        let path = folder.join("a.store");
        // Whoever waited would do so for a day.
        let patient = HeapOptions { busy_timeout: Duration::from_secs(86_400), ..options() };
        let heap = Heap::open(&path, &patient).unwrap();
        set(&heap, b"before", b"1");
        let (over, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut transaction = heap.begin().unwrap();
            transaction.set(b"open", b"1").unwrap();
            heap.close().unwrap();
            drop(transaction);
            over.send(()).unwrap();
        });
        end.recv_timeout(Duration::from_secs(60)).unwrap();
        let heap = Heap::open(&path, &patient).unwrap();
        assert_eq!(contents(&heap.view().unwrap()).len(), 1);
    });
}
