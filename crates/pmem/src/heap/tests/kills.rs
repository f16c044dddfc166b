//! What is found after a process was killed at any step is there after a power cut too, and so is what is committed then.

use std::fs::OpenOptions;

use super::crashes::unattached;
use super::model::change;
use super::*;
use crate::os::seam::recorder::{Crash, Random, Recorder};

/// What a crash left of a store.
fn reopened(crash: &Crash, path: &Path) -> Model {
    let copy = path.with_extension("crash");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&copy).unwrap();
    crash[path].write_to(&file).unwrap();
    unattached(|| {
        let heap = Heap::open(&copy, &options()).unwrap_or_else(|error| panic!("{error}"));
        check(&heap);
        contents(&heap.view().unwrap())
    })
}

/// What ends a program.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It is killed after so many steps.
    Kill(usize),
    /// The sync of this number fails: what it was to write is in the page cache, and no later sync writes it.
    Failure(usize),
}

/// A program that ends within two commits and a checkpoint. Returns whether it came to that.
fn run(path: &Path, seed: u64, end: End, durability: Durability) -> bool {
    let options = HeapOptions { durability, ..options() };
    let (recorder, mut random, mut model) = (Recorder::new(), Random::new(seed), Model::new());
    recorder.seed(seed);
    let _attached = recorder.attach();
    let heap = Heap::open(path, &options).unwrap();
    let mut commit = |heap: &Heap, count: u64, model: &mut Model| {
        let mut transaction = heap.begin()?;
        (0..count).for_each(|_| change(&mut transaction, model, &mut random, 3));
        transaction.commit()
    };
    for _ in 0..4 {
        commit(&heap, 10, &mut model).unwrap();
    }
    heap.checkpoint().unwrap();
    let (before, counts) = (recorder.steps(), recorder.counts());
    match end {
        End::Kill(steps) => recorder.stop_after(before + steps),
        End::Failure(number) => recorder.fail_sync(counts.barriers + number),
    }
    let _ = commit(&heap, 8, &mut model);
    let _ = commit(&heap, 8, &mut model);
    let _ = heap.checkpoint();
    let is_over = match end {
        End::Kill(steps) => recorder.steps() == before + steps,
        End::Failure(number) => recorder.counts().barriers > counts.barriers + number,
    };
    drop(heap);
    recorder.stop_after(usize::MAX);
    recorder.fail_sync(usize::MAX);
    let heap = Heap::open(path, &options).unwrap();
    let found = contents(&heap.view().unwrap());
    for _ in 0..6 {
        assert_eq!(reopened(&recorder.crash(), path), found, "seed {seed}, {end:?}");
    }
    set(&heap, b"after", b"1");
    heap.flush().unwrap();
    let found = contents(&heap.view().unwrap());
    for _ in 0..6 {
        assert_eq!(reopened(&recorder.crash(), path), found, "seed {seed}, {end:?}, with a commit");
    }
    is_over
}

#[test]
fn what_is_found_after_a_kill_survives_a_power_cut() {
    on_each_medium(|folder| {
        for (seed, durability) in [(1, Durability::Commit), (2, Durability::Group), (3, Durability::Commit)] {
            let path = |steps| folder.join(format!("{seed}-{steps}.store"));
            let kill = |steps: &usize| run(&path(*steps), seed, End::Kill(*steps), durability);
            let killed = (0..200).take_while(kill).count();
            assert!(killed > 8, "{killed}");
        }
    });
}

#[test]
fn what_is_found_after_a_failed_sync_survives_a_power_cut() {
    on_each_medium(|folder| {
        // A barrier for stores cannot fail.
        if forced::get() == Some(true) {
            return;
        }
        for seed in 1..=8 {
            for durability in [Durability::Commit, Durability::Group] {
                let path = |number| folder.join(format!("{seed}-{number}-{durability:?}.store"));
                let fail = |number: &usize| run(&path(*number), seed, End::Failure(*number), durability);
                let failed = (0..20).take_while(fail).count();
                assert!(failed >= 3, "{failed}");
            }
        }
    });
}
