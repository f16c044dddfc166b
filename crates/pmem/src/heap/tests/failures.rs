//! Writes and syncs that fail.

use super::model::change;
use super::*;
use crate::os::seam::recorder::{Random, Recorder};

/// Runs a program in which the sync or write of this number fails. Returns whether it came to that.
fn run(path: &Path, number: usize, is_sync: bool) -> bool {
    let (recorder, mut random, mut model) = (Recorder::new(), Random::new(7), Model::new());
    let attached = recorder.attach();
    let heap = Heap::open(path, &options()).unwrap();
    let counts = recorder.counts();
    if is_sync {
        recorder.fail_sync(counts.barriers + number);
    } else {
        recorder.fail_write(counts.writes + number);
    }
    let mut failed = None;
    for step in 0..60 {
        let before = model.clone();
        let mut transaction = match heap.begin() {
            Ok(transaction) => transaction,
            Err(error) => {
                assert!(matches!(error, Error::Uncertain { .. }) && heap.begin().is_err(), "{number}: {error}");
                failed = Some((before.clone(), before));
                break;
            }
        };
        for _ in 0..random.below(if step % 20 == 19 { 300 } else { 12 }) {
            change(&mut transaction, &mut model, &mut random, 3);
        }
        if let Err(error) = transaction.commit() {
            assert!(!is_sync || matches!(error, Error::Uncertain { .. }), "{number}: {error}");
            assert_eq!(contents(&heap.view().unwrap()), before, "{number}: what is seen");
            failed = Some((before.clone(), std::mem::replace(&mut model, before)));
            if heap.begin().is_err() {
                break;
            }
            assert!(!is_sync, "{number}: not latched");
        }
    }
    let happened = failed.is_some();
    drop((heap, attached));
    let found = contents(&Heap::open(path, &options()).unwrap().view().unwrap());
    let allowed = failed.is_some_and(|(before, after)| found == before || found == after);
    assert!(allowed || found == model, "{number}: {} entries", found.len());
    happened
}

#[test]
fn a_failed_sync_or_write_leaves_before_or_after() {
    on_each_medium(|folder| {
        // A barrier for stores cannot fail, and nothing but growth is written to the file there.
        let is_pmem = forced::get() == Some(true);
        for is_sync in if is_pmem { vec![false] } else { vec![true, false] } {
            let happened = (0..60).filter(|number| run(&folder.join(format!("{is_sync}{number}")), *number, is_sync));
            assert!(happened.count() > if is_pmem { 0 } else { 20 }, "is sync: {is_sync}");
        }
    });
}
