//! What crashes leave of containers, at every step of what a program does.

use std::fs::File;

use super::model::{Counters, change};
use super::*;
use crate::heap::tests::crashes::{materialise, unattached};
use crate::os::seam::recorder::{Crash, Recorder, images};

/// That each crash leaves one of the states that may be there, sound, also one within recovery, and that work goes on from there
/// with ids that nobody has had.
fn check_all(crashes: Vec<Crash>, path: &Path, allowed: &[Model], is_deep: bool) -> usize {
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
        let session = Session::open(&copy, &options()).unwrap_or_else(|error| panic!("image {number}: {error}"));
        let found = contents(&session, &[], 20);
        assert!(allowed.contains(&found), "image {number}: it is not what was committed");
        session.end_turn();
        check(&session);
        if is_deep {
            let inside = recorder.take_crashes();
            recorder.stop_after(0);
            drop((session, attached));
            count += check_all(inside, &copy, allowed, false);
        } else {
            let id = session.reserve_ids(1).unwrap();
            let known = session.verify().unwrap().containers;
            assert!(
                session.heap.view().unwrap().get(&Key::header(id)).unwrap().is_none(),
                "image {number}: {id} is there"
            );
            Batch::default().create(id, header::MAP).set(id, &int(1), &int(2)).version(7).apply(&session);
            session.helper().collect().unwrap();
            let left = check(&session).containers;
            assert!(
                left <= known && left == found.reachable([]).len() as u64,
                "image {number}: {left} of {known} are left"
            );
        }
        std::fs::remove_file(&copy).unwrap();
    }
    count
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
            let (mut random, mut model, mut counters) = (Random::new(seed), Model::default(), Counters::default());
            let mut session = open(path);
            let creation = recorder.take_crashes();
            total += unattached(|| check_all(creation, path, &[Model::default()], true));
            for step in 0..40 {
                let before = model.reached([]);
                let is_own = random.below(3) == 0;
                if is_own {
                    change(&session, &mut model, &mut random, &[], &mut counters);
                } else {
                    session.begin().unwrap();
                    for _ in 0..random.below(if step % 20 == 19 { 60 } else { 6 }) {
                        change(&session, &mut model, &mut random, &[], &mut counters);
                    }
                    if random.below(6) == 0 {
                        session.rollback().unwrap();
                        model.clone_from(&before);
                    } else {
                        session.commit().unwrap();
                    }
                }
                session.end_turn();
                match random.below(12) {
                    0 => {
                        drop(session);
                        session = open(path);
                    }
                    1 => drop(session.helper().collect().unwrap()),
                    2 => session.heap.checkpoint().unwrap(),
                    _ => {}
                }
                model = model.reached([]);
                let crashes = recorder.take_crashes();
                let allowed = [before, model.clone()];
                total += unattached(|| check_all(crashes, path, &allowed, step % 7 == 0));
                let now = recorder.crash();
                total += unattached(|| check_all(vec![now], path, &[model.clone()], false));
            }
            drop((session, attached));
        }
        assert!(total > 100 * images::programs() as usize);
    });
}
