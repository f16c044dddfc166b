//! Entries of the heap that are not what they should be, though their checksums are right.

use super::model::{Counters, change};
use super::*;

/// Makes a store of all kinds of containers. Returns them.
fn build(path: &Path, seed: u64) -> Model {
    let (session, mut random, mut model) = (open(path), Random::new(seed), Model::default());
    let mut counters = Counters::default();
    for _ in 0..150 {
        change(&session, &mut model, &mut random, &[], &mut counters);
    }
    session.end_turn();
    session.helper().collect().unwrap();
    // Some wait in the queue.
    for _ in 0..3 {
        let id = session.reserve_ids(1).unwrap();
        session.pin(id);
        Batch::default().create(id, header::MAP).set(id, &int(1), &int(2)).apply(&session);
    }
    check(&session);
    model.reached([])
}

/// What a call gave, unless it is damage that it told of.
fn sound<T>(result: Result<T>, what: &str) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::Broken { .. } | Error::InvalidValue { .. } | Error::OutOfRange { .. } | Error::Newer { .. }) => None,
        Err(error) => panic!("{what}: {error}"),
    }
}

/// Numbers that lie at borders.
const BORDERS: [u64; 12] = [
    0,
    1,
    127,
    u32::MAX as u64,
    1 << 32,
    (1 << 53) - 1,
    1 << 53,
    1 << 56,
    (1 << 62) - 1,
    i64::MAX as u64,
    i64::MIN as u64,
    u64::MAX,
];

fn spoil(value: &mut Bytes, random: &mut Random) {
    let len = value.len() as u64;
    match random.below(8) {
        0 => value.iter_mut().for_each(|byte| *byte = random.below(256) as u8),
        1 => value.truncate(random.below(len + 1) as usize),
        2 => value.extend((0..random.below(20)).map(|_| random.below(256) as u8)),
        3 => *value = (0..random.below(40)).map(|_| random.below(20) as u8).collect(),
        4 if len >= 8 => {
            let at = random.below(len / 8) as usize * 8;
            value[at..at + 8].copy_from_slice(&BORDERS[random.below(12) as usize].to_le_bytes());
        }
        5 if len >= 4 => {
            let at = random.below(len / 4) as usize * 4;
            let number = [0, 1, u32::MAX, u32::MAX - 1, 1 << 31, 10_000][random.below(6) as usize];
            value[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        6 => value.clear(),
        _ if len > 0 => value[random.below(len) as usize] = random.below(256) as u8,
        _ => value.push(7),
    }
}

/// Spoils some entries: their values, or their keys.
fn damage(path: &Path, random: &mut Random) {
    let heap = Heap::open(path, &crate::heap::tests::options()).unwrap();
    let mut all: Vec<(Bytes, Bytes)> = Vec::new();
    let view = heap.view().unwrap();
    let mut cursor = view.entries(None, false).unwrap();
    while let Some((key, value)) = cursor.next().unwrap() {
        all.push((key.to_vec(), value.to_vec()));
    }
    drop(cursor);
    let mut transaction = heap.begin().unwrap();
    let focus = random.below(12) as u8;
    for _ in 0..=random.below(3) {
        let of_kind = |(key, _): &&(Bytes, Bytes)| match focus {
            0..=4 => key[7] == focus,
            5..=9 => key[7] == 0x0b + focus,
            _ => true,
        };
        let chosen: Vec<_> = all.iter().filter(of_kind).collect();
        let Some((key, value)) = (!chosen.is_empty()).then(|| chosen[random.below(chosen.len() as u64) as usize])
        else {
            continue;
        };
        match random.below(12) {
            0 => drop(transaction.remove(key).unwrap()),
            1 => {
                let mut other = key.clone();
                let at = random.below(other.len() as u64) as usize;
                other[at] = random.below(256) as u8;
                if random.below(2) == 0 {
                    other.push(random.below(256) as u8);
                }
                transaction.set(&other, value).unwrap();
            }
            _ => {
                let mut value = value.clone();
                spoil(&mut value, random);
                transaction.set(key, &value).unwrap();
            }
        }
    }
    transaction.commit().unwrap();
}

/// Reads all there is of a container. Returns how many calls gave something.
fn read(session: &Session, id: u64, body: &Body, what: &str) -> u64 {
    let mut count = 0;
    let mut note = |is_sound: bool| count += u64::from(is_sound);
    let mut out = Vec::new();
    note(sound(session.load(id, &mut out), what).is_some());
    let mut after = None;
    for round in 0.. {
        assert!(round < 10_000, "{what}: entries of {id} have no end");
        let mut bytes = Vec::new();
        let Some(found) = sound(session.entries(id, after, 1 + round % 9, &mut bytes), what) else { break };
        if found == 0 {
            break;
        }
        // Only the last number is needed.
        let is_set = header_of(session, id).unwrap().kind == header::SET;
        let mut rest = &bytes[..];
        for _ in 0..found {
            let number = values::id_at(rest, 0);
            assert!(after < Some(number), "{what}: entries do not go on");
            after = Some(number);
            rest = values::split(&rest[7..]).unwrap().1;
            rest = if is_set { rest } else { values::split(rest).unwrap().1 };
        }
        assert!(rest.is_empty());
        note(true);
    }
    for from in [0, 1, 5, 1 << 32, u64::MAX] {
        for most in [1, 7] {
            let mut bytes = Vec::new();
            if let Some(found) = sound(session.items(id, from, most, &mut bytes), what) {
                assert_eq!(split_all(&bytes).len(), found);
                note(true);
            }
        }
    }
    for reverse in [false, true] {
        let mut bytes = Vec::new();
        note(sound(session.range(id, &Range { reverse, ..Range::default() }, 1000, &mut bytes), what).is_some());
    }
    let keys: Vec<Bytes> = match body {
        Body::Map(entries) | Body::Object { fields: entries, .. } => {
            entries.iter().map(|(key, _)| key.clone()).collect()
        }
        Body::Set(keys) => keys.clone(),
        Body::Sorted(entries) => entries.keys().cloned().collect(),
        Body::Array(_) => vec![int(1)],
    };
    for key in keys {
        let mut value = Vec::new();
        note(sound(session.get(id, &key, &mut value), what).is_some());
        assert!(
            value.is_empty() || sound(session.get(id, &key, &mut Vec::new()), what).is_none() || values::is_one(&value)
        );
        note(sound(session.sorted_get(id, &key, &mut Vec::new()), what).is_some());
    }
    count
}

fn write(session: &Session, id: u64, body: &Body, random: &mut Random, what: &str) -> u64 {
    let mut count = 0;
    let shape = session.load(id, &mut Vec::new()).ok().and_then(|_| header_of(session, id)).filter(Header::is_record);
    let shape = shape.map_or(0, |header| header.shape());
    let value = if random.below(2) == 0 { values::naming(body.kind(), id) } else { int(5) };
    let empty = Batch::default;
    let batches = [
        empty().set(id, &int(1), &value),
        empty().delete(id, &int(1)),
        empty().insert(id, &int(2)),
        empty().sorted_set(id, b"key", &value),
        empty().sorted_delete(id, b"key"),
        empty().item(id, 0, &value),
        empty().splice(id, 0, 0, &[value.clone(), int(2)]),
        empty().splice(id, 1, 1, &[]),
        empty().splice(id, 2, 0, std::slice::from_ref(&value)),
        empty().field(id, shape, 0, &value),
        empty().extend(id, shape, shape, &value),
        empty().shrink(id, shape, shape, 0),
        empty().dictionary(id),
        empty().set(id, &text("field 1"), &value),
        empty().delete(id, &text("field 2")),
        empty().root(&value),
        empty().clear(id),
    ];
    for batch in &batches {
        count += u64::from(sound(session.apply(&batch.0), what).is_some());
    }
    let Some(made) = sound(session.reserve_ids(1), what) else { return count };
    let batch = empty().create(made, header::MAP).set(made, &int(1), &value);
    count + u64::from(sound(session.apply(&batch.0), what).is_some())
}

#[test]
fn damaged_entries_give_something_sound_or_say_so() {
    on_each_medium(|folder| {
        let (path, copy) = (folder.join("a"), folder.join("copy"));
        let (mut done, mut opened) = (0, 0);
        for seed in 1..=600 {
            if seed % 60 == 1 {
                let _ = std::fs::remove_file(&path);
            }
            if !path.exists() {
                build(&path, seed);
            }
            let model = contents(&open(&path), &[], 20);
            std::fs::copy(&path, &copy).unwrap();
            let (mut random, what) = (Random::new(seed), format!("seed {seed}"));
            damage(&copy, &mut random);
            let Some(session) = sound(Session::open(&copy, &options()), &what) else { continue };
            opened += 1;
            let what = &what;
            sound(session.root(&mut Vec::new()), what);
            sound(session.version(), what);
            for (id, body) in &model.bodies {
                done += read(&session, *id, body, what);
            }
            session.end_turn();
            sound(session.verify(), what);
            for (id, body) in model.bodies.iter().step_by(3) {
                done += write(&session, *id, body, &mut random, what);
            }
            sound(session.intern(&[&[0][..], &text("new")].concat()), what);
            sound(session.helper().collect(), what);
            sound(session.verify(), what);
            // What is damaged keeps nobody from changing something else.
            let Some(id) = sound(session.reserve_ids(1), what) else { continue };
            let before = session.heap.view().unwrap().sequence();
            let batch = Batch::default().create(id, header::SET).insert(id, &int(9));
            if session.apply(&batch.0).is_ok() {
                assert!(session.heap.view().unwrap().sequence() > before);
            }
        }
        println!("{opened} opened, {done} calls");
        assert!(opened > 300 && done > 50_000);
    });
}

#[test]
fn a_damaged_queue_keeps_nobody_from_writing() {
    on_each_medium(|folder| {
        for number in [1, 5000, (1 << 53) - 1, (1 << 56) - 1] {
            let path = folder.join(format!("{number}"));
            let session = open(&path);
            let (root, id) = rooted(&session, header::MAP);
            drop(session);
            let heap = Heap::open(&path, &crate::heap::tests::options()).unwrap();
            let mut transaction = heap.begin().unwrap();
            transaction.set(&Key::queue(number), &[0; 8]).unwrap();
            transaction.commit().unwrap();
            drop(heap);
            let session = open(&path);
            for key in 0..20 {
                Batch::default().set(id, &int(key), &int(1)).apply(&session);
            }
            Batch::default().delete(root, &int(0)).apply(&session);
            assert!(matches!(session.helper().collect(), Err(Error::Broken { .. })));
            assert!(!session.verify().unwrap().damage.is_empty());
        }
    });
}
