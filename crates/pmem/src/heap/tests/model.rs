//! Random programs beside a map of Rust's.

use super::*;
use crate::os::seam::recorder::Random;

/// Keys of few prefixes, so that they are found again, some of them long.
pub(super) fn key(random: &mut Random) -> Vec<u8> {
    let number = random.below(400);
    match random.below(20) {
        0 => [&[b'k'; 300][..], &(number % 20).to_be_bytes()].concat(),
        1 => vec![b'k'; (number % 70) as usize],
        2..=5 => format!("{number}").into_bytes(),
        6..=10 => [b"common prefix of some length ".as_slice(), &number.to_be_bytes()].concat(),
        _ => number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec(),
    }
}

pub(super) fn value(random: &mut Random) -> Vec<u8> {
    let len = match random.below(40) {
        0 => 700 + random.below(3000),
        1..=4 => random.below(200),
        _ => random.below(40),
    };
    (0..len).map(|_| random.below(256) as u8).collect()
}

/// Changes at random, in both.
pub(super) fn change(transaction: &mut Transaction, model: &mut Model, random: &mut Random, removes: u64) {
    let key = key(random);
    if random.below(10) < removes {
        assert_eq!(transaction.remove(&key).unwrap(), model.remove(&key).is_some());
    } else {
        let value = value(random);
        transaction.set(&key, &value).unwrap();
        model.insert(key, value);
    }
}

#[test]
fn a_store_is_what_a_map_is() {
    on_each_medium(|folder| {
        for seed in 1..=4 {
            let path = folder.join(format!("{seed}.store"));
            let (mut random, mut model) = (Random::new(seed), Model::new());
            let mut heap = Heap::open(&path, &options()).unwrap();
            let mut snapshots: Vec<(View, Model)> = Vec::new();
            let mut deepest = 0;
            for step in 0..600 {
                let removes = if step / 150 % 2 == 0 { 2 } else { 8 };
                let before = model.clone();
                let mut transaction = heap.begin().unwrap();
                for _ in 0..random.below(if step % 50 == 0 { 300 } else { 12 }) {
                    change(&mut transaction, &mut model, &mut random, removes);
                    if random.below(10) == 0 {
                        let (savepoint, saved) = (transaction.savepoint(), model.clone());
                        for _ in 0..random.below(10) {
                            change(&mut transaction, &mut model, &mut random, removes);
                        }
                        if random.below(2) == 0 {
                            transaction.rollback_to(savepoint).unwrap();
                            model = saved;
                        }
                    }
                }
                for _ in 0..5 {
                    let key = key(&mut random);
                    assert_eq!(transaction.get(&key).unwrap().as_deref(), model.get(&key).map(Vec::as_slice));
                }
                if random.below(4) == 0 {
                    drop(transaction);
                    model = before;
                } else {
                    transaction.commit().unwrap();
                }
                match random.below(30) {
                    0 => {
                        snapshots.clear();
                        drop(heap);
                        heap = Heap::open(&path, &options()).unwrap();
                    }
                    1 => heap.checkpoint().unwrap(),
                    2 => snapshots.push((heap.view().unwrap(), model.clone())),
                    3 => {
                        snapshots.pop();
                    }
                    _ => {}
                }
                if step % 10 == 0 {
                    assert_eq!(contents(&heap.view().unwrap()), model, "seed {seed}, step {step}");
                    deepest = deepest.max(check(&heap).depth);
                    for (view, model) in &snapshots {
                        assert_eq!(contents(view), *model);
                    }
                    backwards(&heap.view().unwrap(), &model, &key(&mut random));
                }
            }
            assert!(deepest >= 3, "{deepest}");
            let stats = heap.stats().unwrap();
            assert!(stats.checkpoints > 10, "{stats:?}");
        }
    });
}

/// Cursors from a key on, both ways.
fn backwards(view: &View, model: &Model, from: &[u8]) {
    let mut cursor = view.entries(Some(from), false).unwrap();
    for (key, value) in model.range(from.to_vec()..).take(20) {
        assert_eq!(
            cursor.next().unwrap().map(|(key, value)| (key.to_vec(), value.into_owned())),
            Some((key.clone(), value.clone()))
        );
    }
    let mut cursor = view.entries(Some(from), true).unwrap();
    for (key, value) in model.range(..=from.to_vec()).rev().take(20) {
        assert_eq!(
            cursor.next().unwrap().map(|(key, value)| (key.to_vec(), value.into_owned())),
            Some((key.clone(), value.clone()))
        );
    }
    let mut cursor = view.entries(None, true).unwrap();
    for (key, _) in model.iter().rev() {
        assert_eq!(cursor.next().unwrap().map(|(key, _)| key.to_vec()), Some(key.clone()));
    }
    assert!(cursor.next().unwrap().is_none());
}
