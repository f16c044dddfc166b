//! Random programs beside maps, lists and sets of Rust's.

use super::*;
use crate::heap::Durability;

/// The hashes of keys are cut down to these bits in this thread.
pub(super) fn collide(mask: u64) {
    changing::MASK.set(mask);
}

fn key(random: &mut Random, targets: &[u64], model: &Model) -> Bytes {
    match random.below(12) {
        0 => reference(random, targets, model),
        1..=5 => int(random.below(60)),
        6 => text(&"long ".repeat(random.below(80) as usize)),
        _ => text(&format!("key {}", random.below(60))),
    }
}

fn reference(random: &mut Random, targets: &[u64], model: &Model) -> Bytes {
    let id = targets[random.below(targets.len() as u64) as usize];
    values::naming(model.bodies[&id].kind(), id)
}

fn value(random: &mut Random, targets: &[u64], model: &Model) -> Bytes {
    match random.below(16) {
        0..=3 => reference(random, targets, model),
        4 => text(&"x".repeat(random.below(600) as usize)),
        5 => vec![1],
        6 => vec![0],
        7 => [&[9, 4, 0, 0, 0, 2][..], &[7; 3]].concat(),
        8 => text(&"y".repeat(random.below(60) as usize)),
        _ => int(random.below(1000)),
    }
}

fn name(random: &mut Random) -> Bytes {
    text(&format!("field {}", random.below(12)))
}

fn shape(class: &[u8], fields: &[(Bytes, Bytes)]) -> Bytes {
    let names = fields.iter().flat_map(|(name, _)| name.clone());
    class.iter().copied().chain(names).collect()
}

/// A new container, and the commands that make it.
fn make(session: &Session, model: &mut Model, random: &mut Random) -> (u64, Batch) {
    let id = session.reserve_ids(1).unwrap();
    let kind = 1 + random.below(6) as u8;
    let mut batch = Batch::default().create(id, kind);
    let body = match kind {
        header::MAP => {
            // More than one commit frees at once, now and then.
            let count = if random.below(10) == 0 { 150 } else { 0 };
            let entries: Vec<_> = (0..count).map(|number| (int(number), int(number))).collect();
            batch = entries.iter().fold(batch, |batch, (key, value)| batch.set(id, key, value));
            Body::Map(entries)
        }
        header::SET => Body::Set(Vec::new()),
        header::SORTED_MAP => Body::Sorted(BTreeMap::new()),
        header::ARRAY => Body::Array(VecDeque::new()),
        _ => {
            let class = if kind == header::OBJECT { vec![0] } else { text("Class") };
            let fields: Vec<_> =
                (0..random.below(4)).map(|number| (text(&format!("field {number}")), int(number))).collect();
            let known = session.intern(&shape(&class, &fields)).unwrap();
            assert_ne!(known, 0);
            let values: Vec<_> = fields.iter().map(|(_, value)| value.clone()).collect();
            batch = batch.record(id, known, &values);
            Body::Object { kind, class, fields }
        }
    };
    model.bodies.insert(id, body);
    (id, batch)
}

/// Sets a pair among others. Returns whether it is new.
fn put(pairs: &mut Vec<(Bytes, Bytes)>, key: &[u8], value: &[u8]) -> bool {
    if let Some(pair) = pairs.iter_mut().find(|(other, _)| other == key) {
        pair.1 = value.to_vec();
        return false;
    }
    pairs.push((key.to_vec(), value.to_vec()));
    true
}

fn take(pairs: &mut Vec<(Bytes, Bytes)>, key: &[u8]) -> bool {
    let before = pairs.len();
    pairs.retain(|(other, _)| other != key);
    pairs.len() < before
}

/// What programs came by.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) dictionaries: u64,
    pub(super) left: u64,
    pub(super) right: u64,
    pub(super) outdated: u64,
}

/// Changes something at random, in both: within the open transaction, or as one. `targets` are what can be reached.
pub(super) fn change(
    session: &Session,
    model: &mut Model,
    random: &mut Random,
    roots: &[u64],
    counters: &mut Counters,
) {
    let mut targets: Vec<u64> = model.reachable(roots.iter().copied()).into_iter().collect();
    if targets.is_empty() || !model.root.is_empty() && random.below(400) == 0 {
        let (id, batch) = make(session, model, random);
        model.root = values::naming(model.bodies[&id].kind(), id);
        batch.root(&model.root).apply(session);
        return;
    }
    let target = targets[random.below(targets.len() as u64) as usize];
    let mut batch = Batch::default();
    // What is new may be referred to at once, or be attached to nothing at all.
    if random.below(3) == 0 && targets.len() < 60 {
        let (id, made) = make(session, model, random);
        batch = made;
        targets = vec![id];
    }
    let mut body = model.bodies[&target].clone();
    let (expected, batch) = change_body(session, model, &mut body, target, random, &targets, batch, counters);
    let found = batch.apply(session);
    model.bodies.insert(target, body);
    assert_eq!(found[0], expected[0], "the container {target}");
    assert!(expected[1] < 0.0 || found[1] == expected[1], "the container {target}: {found:?}, not {expected:?}");
}

#[allow(clippy::too_many_arguments, reason = "it is all that there is")]
fn change_body(
    session: &Session,
    model: &Model,
    body: &mut Body,
    id: u64,
    random: &mut Random,
    targets: &[u64],
    batch: Batch,
    counters: &mut Counters,
) -> ([f64; 2], Batch) {
    let (key, value) = (key(random, targets, model), value(random, targets, model));
    let is_set = random.below(10) < 6;
    let outcome = |is_new: bool, len: usize| if is_new { [1.0, len as f64] } else { [0.0, -1.0] };
    if random.below(150) == 0 && !matches!(body, Body::Object { .. }) {
        let len = match body {
            Body::Map(entries) => std::mem::take(entries).len(),
            Body::Set(keys) => std::mem::take(keys).len(),
            Body::Sorted(entries) => std::mem::take(entries).len(),
            Body::Array(items) => std::mem::take(items).len(),
            Body::Object { .. } => unreachable!(),
        };
        return ([len as f64, 0.0], batch.clear(id));
    }
    match body {
        Body::Map(entries) if is_set => {
            let is_new = put(entries, &key, &value);
            (outcome(is_new, entries.len()), batch.set(id, &key, &value))
        }
        Body::Map(entries) => {
            let was_there = take(entries, &key);
            (outcome(was_there, entries.len()), batch.delete(id, &key))
        }
        Body::Set(keys) if is_set => {
            let is_new = !keys.contains(&key);
            if is_new {
                keys.push(key.clone());
            }
            (outcome(is_new, keys.len()), batch.insert(id, &key))
        }
        Body::Set(keys) => {
            let before = keys.len();
            keys.retain(|other| *other != key);
            (outcome(keys.len() < before, keys.len()), batch.delete(id, &key))
        }
        Body::Sorted(entries) if is_set => {
            let is_new = entries.insert(key.clone(), value.clone()).is_none();
            (outcome(is_new, entries.len()), batch.sorted_set(id, &key, &value))
        }
        Body::Sorted(entries) => {
            let was_there = entries.remove(&key).is_some();
            (outcome(was_there, entries.len()), batch.sorted_delete(id, &key))
        }
        Body::Array(items) => change_array(items, id, random, &value, batch, counters),
        Body::Object { .. } => change_object(session, body, id, random, &value, batch, counters),
    }
}

fn change_array(
    items: &mut VecDeque<Bytes>,
    id: u64,
    random: &mut Random,
    value: &[u8],
    batch: Batch,
    counters: &mut Counters,
) -> ([f64; 2], Batch) {
    let len = items.len();
    let start = random.below(len as u64 + 1) as usize;
    if random.below(20) == 0 {
        counters.outdated += 1;
        // Nothing of the batch is done then, so that this has nothing of it but this.
        let batch = Batch::default();
        return match random.below(2) {
            0 => ([-1.0, 0.0], batch.item(id, len, value)),
            _ => ([-1.0, 0.0], batch.splice(id, start, len - start + 1, &[])),
        };
    }
    if start < len && random.below(3) == 0 {
        items[start] = value.to_vec();
        return ([0.0, len as f64], batch.item(id, start, value));
    }
    let most = if random.below(8) == 0 { 40 } else { 4 };
    let removed = random.below((len - start).min(most) as u64 + 1) as usize;
    let values: Vec<Bytes> =
        (0..random.below(most as u64)).map(|number| if number == 0 { value.to_vec() } else { int(number) }).collect();
    if removed != values.len() && len > 3 {
        if start < len - start - removed { counters.left += 1 } else { counters.right += 1 }
    }
    let tail = items.split_off(start + removed);
    items.truncate(start);
    items.extend(values.iter().cloned().chain(tail));
    let start = if start == len && random.below(2) == 0 { array::END as usize } else { start };
    ([items.len() as f64; 2], batch.splice(id, start, removed, &values))
}

fn change_object(
    session: &Session,
    body: &mut Body,
    id: u64,
    random: &mut Random,
    value: &[u8],
    batch: Batch,
    counters: &mut Counters,
) -> ([f64; 2], Batch) {
    let Body::Object { class, fields, .. } = body else { unreachable!() };
    let header = header_of(session, id).unwrap();
    let name = name(random);
    if !header.is_record() {
        counters.dictionaries += 1;
        if random.below(10) < 6 {
            let is_new = put(fields, &name, value);
            return (if is_new { [1.0, fields.len() as f64] } else { [0.0, -1.0] }, batch.set(id, &name, value));
        }
        let was_there = take(fields, &name);
        return (if was_there { [1.0, fields.len() as f64] } else { [0.0, -1.0] }, batch.delete(id, &name));
    }
    let before = header.shape();
    if random.below(12) == 0 {
        counters.outdated += 1;
        let batch = Batch::default();
        return match random.below(3) {
            0 => ([-1.0, 0.0], batch.set(id, &name, value)),
            1 => ([-1.0, 0.0], batch.delete(id, &name)),
            _ => ([-1.0, 0.0], batch.field(id, before + 1, 0, value)),
        };
    }
    let len = |fields: &[(Bytes, Bytes)]| 4 + fields.iter().map(|(_, value)| value.len()).sum::<usize>();
    let is_long = |fields: &[(Bytes, Bytes)]| [f64::from(len(fields) > changing::MOST_RECORD), -1.0];
    if random.below(40) == 0 {
        return ([1.0, -1.0], batch.dictionary(id));
    }
    if random.below(20) == 0 {
        fields.reverse();
        fields.iter_mut().for_each(|(_, old)| *old = int(1));
        let known = session.intern(&shape(class, fields)).unwrap();
        let values: Vec<_> = fields.iter().map(|(_, value)| value.clone()).collect();
        return ([0.0, -1.0], batch.record(id, known, &values));
    }
    match fields.iter().position(|(other, _)| *other == name) {
        Some(index) if random.below(4) == 0 => {
            fields.remove(index);
            let after = session.intern(&shape(class, fields)).unwrap();
            (is_long(fields), batch.shrink(id, before, after, index))
        }
        Some(index) => {
            fields[index].1 = value.to_vec();
            (is_long(fields), batch.field(id, before, index, value))
        }
        None => {
            fields.push((name, value.to_vec()));
            let after = session.intern(&shape(class, fields)).unwrap();
            (is_long(fields), batch.extend(id, before, after, value))
        }
    }
}

/// A session, and what it should see.
struct Seat {
    session: Session,
    pins: Vec<u64>,
    /// What its view has, while it has one.
    view: Option<Model>,
    /// What others changed since it looked.
    untold: BTreeSet<u64>,
}

impl Seat {
    fn new(path: &Path, durability: Durability) -> Self {
        let mut options = options();
        options.heap.durability = durability;
        let session = Session::open(path, &options).unwrap_or_else(|error| panic!("{error}"));
        Self { session, pins: Vec::new(), view: None, untold: BTreeSet::new() }
    }

    fn refresh(&mut self, model: &Model) {
        let mut changed = Vec::new();
        let refreshed = self.session.refresh(&mut changed).unwrap();
        for id in std::mem::take(&mut self.untold) {
            assert!(refreshed.all || changed.contains(&id), "nobody told of a change of {id}");
        }
        self.view = Some(model.clone());
    }

    fn end_turn(&mut self) {
        self.session.end_turn();
        self.view = None;
    }
}

/// A store, those who have it open, and what it should have.
struct World {
    seats: Vec<Seat>,
    durability: Durability,
    snapshots: Vec<(Session, Model)>,
    model: Model,
    random: Random,
    counters: Counters,
    circles: u64,
    freed_in_part: u64,
    long_lists: u64,
}

impl World {
    fn pins(&self) -> Vec<u64> {
        self.seats.iter().flat_map(|seat| seat.pins.clone()).collect()
    }

    /// Forgets what nobody can come by any more.
    fn prune(&mut self) {
        let seen = self.seats.iter().filter_map(|seat| seat.view.as_ref()).flat_map(|view| view.bodies.keys().copied());
        let from: Vec<u64> = seen.chain(self.pins()).collect();
        let reachable = self.model.reachable(from);
        self.model.bodies.retain(|id, _| reachable.contains(id));
    }

    /// A transaction of one of the sessions.
    fn transact(&mut self, index: usize) {
        let before = self.model.clone();
        let Self { seats, model, random, counters, .. } = self;
        let roots: Vec<u64> = seats.iter().flat_map(|seat| seat.pins.clone()).collect();
        let seat = &mut seats[index];
        if random.below(3) == 0 {
            seat.end_turn();
            change(&seat.session, model, random, &roots, counters);
        } else {
            seat.session.begin().unwrap();
            seat.view = None;
            for _ in 0..random.below(8) {
                change(&seat.session, model, random, &roots, counters);
                if random.below(6) == 0 {
                    let saved = model.clone();
                    seat.session.begin().unwrap();
                    assert_eq!(seat.session.depth(), 2);
                    (0..random.below(5)).for_each(|_| change(&seat.session, model, random, &roots, counters));
                    if random.below(2) == 0 {
                        seat.session.rollback().unwrap();
                        *model = saved;
                    } else {
                        seat.session.commit().unwrap();
                    }
                }
                if random.below(20) == 0 {
                    refuse(&seat.session, model, random);
                }
            }
            if random.below(10) == 0 {
                assert_eq!(contents(&seat.session, &roots, 7), model.reached(roots.iter().copied()));
            }
            if random.below(5) == 0 {
                seat.session.rollback().unwrap();
                *model = before.clone();
            } else {
                seat.session.commit().unwrap();
            }
        }
        let changed: Vec<u64> = self
            .model
            .bodies
            .iter()
            .filter(|(id, body)| before.bodies.get(id).is_some_and(|old| old != *body))
            .map(|(id, _)| *id)
            .collect();
        for (number, seat) in self.seats.iter_mut().enumerate().filter(|(number, _)| *number != index) {
            let _ = number;
            seat.untold.extend(&changed);
            if before.root != self.model.root {
                seat.untold.insert(0);
            }
        }
        self.prune();
    }

    /// Pins what a session sees, or unpins.
    fn hold(&mut self, index: usize) {
        let Self { seats, random, .. } = self;
        let seat = &mut seats[index];
        let Some(view) = seat.view.as_ref().filter(|_| seat.pins.len() < 4 && random.below(3) > 0) else {
            if let Some(id) = seat.pins.pop() {
                seat.session.unpin(id);
            }
            return self.prune();
        };
        let ids: Vec<u64> = view.bodies.keys().copied().collect();
        if let Some(id) = (!ids.is_empty()).then(|| ids[random.below(ids.len() as u64) as usize]) {
            seat.session.pin(id);
            seat.pins.push(id);
        }
    }

    fn compare(&mut self) {
        let most = 1 + self.random.below(30) as usize;
        for seat in &self.seats {
            if let Some(view) = &seat.view {
                assert_eq!(contents(&seat.session, &[], most), view.reached([]));
            }
        }
        for (snapshot, model) in &self.snapshots {
            assert_eq!(contents(snapshot, &[], most), *model);
        }
        let pins = self.pins();
        let seat = &mut self.seats[0];
        seat.refresh(&self.model);
        assert_eq!(contents(&seat.session, &pins, most), self.model.reached(pins.iter().copied()));
        look_up(&seat.session, &self.model.reached([]));
        seat.end_turn();
        check(&seat.session);
        let view = seat.session.heap.view().unwrap();
        let mut cursor = view.entries(None, false).unwrap();
        while let Some((key, value)) = cursor.next().unwrap() {
            match keys::parse(key) {
                Some((1.., keys::HASH, _)) => self.long_lists += u64::from(value.len() > 7),
                Some((1.., keys::HEADER, _)) => {
                    self.freed_in_part += u64::from(Header::decode(&value).unwrap().has(header::CONDEMNED))
                }
                _ => {}
            }
        }
    }

    /// Frees what nobody can reach, and counts.
    fn collect(&mut self) {
        if self.random.below(2) == 0 {
            self.seats.iter_mut().for_each(Seat::end_turn);
            self.prune();
        }
        let helper = self.seats[0].session.helper();
        helper.drain_all().unwrap();
        let drained = check(&self.seats[0].session).containers;
        helper.collect().unwrap();
        let left = check(&self.seats[0].session).containers;
        self.circles += drained - left;
        let kept = self.model.reachable(self.pins()).len() as u64;
        if self.seats.iter().all(|seat| seat.view.is_none()) {
            assert_eq!(left, kept, "containers are there that nobody can reach");
        } else {
            assert!(left >= kept);
        }
    }

    fn reopen(&mut self, path: &Path) {
        let count = self.seats.len();
        self.snapshots.clear();
        for seat in std::mem::take(&mut self.seats) {
            if self.random.below(2) == 0 {
                seat.session.close().unwrap();
            }
        }
        self.seats.extend((0..count).map(|_| Seat::new(path, self.durability)));
        self.prune();
    }
}

/// That each key leads to its value.
fn look_up(session: &Session, model: &Model) {
    for (id, body) in &model.bodies {
        match body {
            Body::Map(entries) => entries.iter().for_each(|(key, value)| {
                let mut found = Vec::new();
                assert!(session.get(*id, key, &mut found).unwrap() && found == *value);
            }),
            Body::Set(keys) => {
                assert!(keys.iter().all(|key| session.get(*id, key, &mut Vec::new()).unwrap()));
                assert!(!session.get(*id, &text("never"), &mut Vec::new()).unwrap());
            }
            Body::Sorted(entries) => ranges(session, *id, entries),
            _ => {}
        }
    }
}

fn ranges(session: &Session, id: u64, entries: &BTreeMap<Bytes, Bytes>) {
    let keys: Vec<&Bytes> = entries.keys().collect();
    let (Some(low), Some(high)) = (keys.get(keys.len() / 3), keys.get(keys.len() * 2 / 3)) else { return };
    for bits in 0..8 {
        let [reverse, from_out, to_out] = [1, 2, 4].map(|bit| bits & bit != 0);
        let range = Range { reverse, from: Some((low, from_out)), to: Some((high, to_out)) };
        let is_in = |key: &Bytes| {
            (if from_out { key > *low } else { key >= *low }) && if to_out { key < *high } else { key <= *high }
        };
        let mut expected: Vec<_> =
            entries.iter().filter(|(key, _)| is_in(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
        if reverse {
            expected.reverse();
        }
        assert_eq!(range_of(session, id, &range), expected);
    }
    let mut found = Vec::new();
    assert!(session.sorted_get(id, low, &mut found).unwrap() && found == entries[*low]);
}

/// Commands of which the last one fails leave all as it was.
fn refuse(session: &Session, model: &Model, random: &mut Random) {
    let Some((id, body)) = model.bodies.iter().nth(random.below(model.bodies.len() as u64 + 1) as usize) else {
        return;
    };
    let made = session.reserve_ids(1).unwrap();
    let batch = Batch::default().create(made, header::SET);
    let batch = match body {
        Body::Map(_) => batch.set(*id, &int(7), &values::naming(header::SET, made)).delete(*id, &int(3)),
        Body::Array(_) => batch.splice(*id, 0, 0, &[values::naming(header::SET, made)]).clear(*id),
        Body::Set(_) => batch.insert(*id, &values::naming(header::SET, made)).clear(*id),
        Body::Sorted(_) => batch.sorted_set(*id, b"a", &values::naming(header::SET, made)),
        Body::Object { .. } => batch.set(made, &int(0), &[]),
    };
    let batch = match random.below(3) {
        0 => batch.root(&values::naming(header::MAP, 1 << 40)),
        1 => batch.set(made, &int(1), &int(1)),
        _ => batch.add(77, 0, &[]),
    };
    session.apply(&batch.0).unwrap_err();
}

#[test]
fn containers_are_what_those_of_rust_are() {
    on_each_medium(|folder| {
        let mut totals = [0; 7];
        for seed in 1..=6 {
            collide(if seed % 2 == 0 { 3 } else { u64::MAX });
            let durability = if seed < 5 { Durability::Commit } else { Durability::Group };
            let path = folder.join(format!("{seed}.store"));
            let mut world = World {
                seats: (0..3).map(|_| Seat::new(&path, durability)).collect(),
                durability,
                snapshots: Vec::new(),
                model: Model::default(),
                random: Random::new(seed),
                counters: Counters::default(),
                circles: 0,
                freed_in_part: 0,
                long_lists: 0,
            };
            for step in 0..500 {
                let index = world.random.below(3) as usize;
                world.transact(index);
                match world.random.below(40) {
                    0 => world.reopen(&path),
                    1 => world.collect(),
                    2 => {
                        let model = world.model.reached([]);
                        world.snapshots.push((world.seats[0].session.snapshot().unwrap(), model));
                    }
                    3 => drop(world.snapshots.pop()),
                    4 => world.seats[index].session.heap.checkpoint().unwrap(),
                    5..=12 => {
                        let model = world.model.clone();
                        world.seats[index].refresh(&model);
                    }
                    13..=18 => {
                        world.seats[index].end_turn();
                        world.prune();
                    }
                    19..=26 => world.hold(index),
                    _ => {}
                }
                if step % 8 == 0 {
                    world.compare();
                }
            }
            let counters = &world.counters;
            let found = [
                counters.dictionaries,
                counters.left,
                counters.right,
                counters.outdated,
                world.circles,
                world.freed_in_part,
                world.long_lists,
            ];
            totals.iter_mut().zip(found).for_each(|(total, found)| *total += found);
        }
        collide(u64::MAX);
        println!("dictionaries, left, right, outdated, circles, freed in part, long lists: {totals:?}");
        assert!(totals.iter().all(|total| *total > 0), "{totals:?}");
    });
}
