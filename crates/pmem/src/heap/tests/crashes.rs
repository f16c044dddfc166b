//! What crashes leave of a store, at every step of what it does.

use std::fs::{File, OpenOptions};

use super::model::change;
use super::*;
use crate::os::seam::recorder::{Crash, Random, Recorder, images};

/// Writes what a crash left of the store to a file of its own. None where there was none yet.
pub(crate) fn materialise(crash: &Crash, path: &Path, number: usize) -> Option<std::path::PathBuf> {
    let image = crash.get(path)?;
    let copy = Path::new(&format!("{}-{number}", path.display())).to_path_buf();
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&copy).unwrap();
    image.write_to(&file).unwrap();
    Some(copy)
}

/// That each crash leaves one of the states that may be there; that one which is cut short within recovery does too, and that
/// opening again finds the same.
pub(super) fn check_all(crashes: Vec<Crash>, path: &Path, allowed: &[Model], is_deep: bool) -> usize {
    let mut count = 0;
    for (number, crash) in crashes.iter().enumerate() {
        let Some(copy) = materialise(crash, path, number) else { continue };
        count += 1;
        images::opened();
        let recorder = Recorder::new();
        recorder.adopt_as_it_is(&copy, &File::open(&copy).unwrap());
        recorder.seed(number as u64);
        recorder.record_crashes();
        let attached = is_deep.then(|| recorder.attach());
        let heap = Heap::open(&copy, &options()).unwrap_or_else(|error| panic!("image {number}: {error}"));
        let found = contents(&heap.view().unwrap());
        assert!(allowed.contains(&found), "image {number}: {} entries are not what was committed", found.len());
        check(&heap);
        if is_deep {
            let inside = recorder.take_crashes();
            // What was seen is there for good.
            let after = recorder.crash();
            recorder.stop_after(0);
            drop((heap, attached));
            count += check_all(inside, &copy, allowed, false);
            count += check_all(vec![after], &copy, &[found], false);
        } else {
            set(&heap, b"goes on", b"1");
            drop(heap);
            let heap = Heap::open(&copy, &options()).unwrap();
            let expected = found.len() + usize::from(!found.contains_key(&b"goes on"[..]));
            assert_eq!(contents(&heap.view().unwrap()).len(), expected);
        }
        std::fs::remove_file(&copy).unwrap();
    }
    count
}

/// Does work whose files are not the recorder's.
pub(crate) fn unattached<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let is_pmem = forced::get();
    std::thread::scope(|scope| {
        let done = scope.spawn(|| {
            if let Some(is_pmem) = is_pmem {
                forced::pmem(is_pmem);
            }
            work()
        });
        done.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[test]
fn a_crash_at_any_step_leaves_what_was_committed() {
    on_each_medium(|folder| {
        let mut total = 0;
        for seed in 1..=images::programs() {
            let path = &folder.join(format!("{seed}.store"));
            let recorder = Recorder::new();
            recorder.seed(seed);
            recorder.record_crashes();
            let attached = recorder.attach();
            let (mut random, mut model) = (Random::new(seed), Model::new());
            let mut heap = Some(Heap::open(path, &options()).unwrap());
            let creation = recorder.take_crashes();
            total += unattached(|| check_all(creation, path, &[Model::new()], true));
            for step in 0..80 {
                let before = model.clone();
                let mut transaction = heap.as_ref().unwrap().begin().unwrap();
                let count = random.below(if step % 20 == 19 { 400 } else { 12 });
                for _ in 0..count {
                    change(&mut transaction, &mut model, &mut random, 3);
                }
                if random.below(6) == 0 {
                    drop(transaction);
                    model.clone_from(&before);
                } else {
                    transaction.commit().unwrap();
                }
                if random.below(12) == 0 {
                    drop(heap.take());
                    heap = Some(Heap::open(path, &options()).unwrap());
                }
                let crashes = recorder.take_crashes();
                total += unattached(|| check_all(crashes, path, &[before, model.clone()], step % 7 == 0));
                let now = recorder.crash();
                total += unattached(|| check_all(vec![now], path, &[model.clone()], false));
            }
            drop((heap, attached));
        }
        assert!(total > 200 * images::programs() as usize);
    });
}
