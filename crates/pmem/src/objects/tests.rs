//! Tests of containers.

mod crashes;
mod damage;
mod model;
mod rules;
mod versions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use super::header::{self, Header};
use super::*;
use crate::heap::tests::on_each_medium;
use crate::os::seam::recorder::Random;

type Bytes = Vec<u8>;

fn options() -> ObjectsOptions {
    ObjectsOptions { heap: crate::heap::tests::options() }
}

fn open(path: &Path) -> Session {
    Session::open(path, &options()).unwrap_or_else(|error| panic!("{error}"))
}

fn int(number: u64) -> Bytes {
    [&[4][..], &(number as u32).to_le_bytes()].concat()
}

fn text(text: &str) -> Bytes {
    match u8::try_from(text.len()) {
        Ok(len) => [&[16, len][..], text.as_bytes()].concat(),
        Err(_) => [&[17][..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat(),
    }
}

/// Commands, one behind the other.
#[derive(Clone, Default)]
struct Batch(Bytes);

impl Batch {
    fn add(mut self, code: u8, id: u64, parts: &[&[u8]]) -> Self {
        self.0.push(code);
        self.0.extend_from_slice(&id.to_le_bytes()[..7]);
        parts.iter().for_each(|part| self.0.extend_from_slice(part));
        self
    }

    fn create(self, id: u64, kind: u8) -> Self {
        self.add(1, id, &[&[kind]])
    }

    fn record(self, id: u64, shape: u32, values: &[Bytes]) -> Self {
        let record = [&shape.to_le_bytes()[..], &values.concat()].concat();
        self.add(2, id, &[&(record.len() as u32).to_le_bytes(), &record])
    }

    fn set(self, id: u64, key: &[u8], value: &[u8]) -> Self {
        self.add(3, id, &[key, value])
    }

    fn delete(self, id: u64, key: &[u8]) -> Self {
        self.add(4, id, &[key])
    }

    fn clear(self, id: u64) -> Self {
        self.add(5, id, &[])
    }

    fn insert(self, id: u64, key: &[u8]) -> Self {
        self.add(6, id, &[key])
    }

    fn sorted_set(self, id: u64, key: &[u8], value: &[u8]) -> Self {
        self.add(7, id, &[&(key.len() as u32).to_le_bytes(), key, value])
    }

    fn sorted_delete(self, id: u64, key: &[u8]) -> Self {
        self.add(8, id, &[&(key.len() as u32).to_le_bytes(), key])
    }

    fn item(self, id: u64, index: usize, value: &[u8]) -> Self {
        self.add(9, id, &[&(index as u32).to_le_bytes(), value])
    }

    fn splice(self, id: u64, start: usize, removed: usize, values: &[Bytes]) -> Self {
        let numbers = [start, removed, values.len()].map(|number| (number as u32).to_le_bytes()).concat();
        self.add(10, id, &[&numbers, &values.concat()])
    }

    fn root(self, value: &[u8]) -> Self {
        self.add(11, 0, &[value])
    }

    fn version(self, version: u32) -> Self {
        self.add(12, 0, &[&version.to_le_bytes()])
    }

    fn dictionary(self, id: u64) -> Self {
        self.add(13, id, &[])
    }

    fn field(self, id: u64, shape: u32, index: usize, value: &[u8]) -> Self {
        self.add(14, id, &[&shape.to_le_bytes(), &(index as u16).to_le_bytes(), value])
    }

    fn extend(self, id: u64, before: u32, after: u32, value: &[u8]) -> Self {
        self.add(15, id, &[&before.to_le_bytes(), &after.to_le_bytes(), value])
    }

    fn shrink(self, id: u64, before: u32, after: u32, index: usize) -> Self {
        self.add(16, id, &[&before.to_le_bytes(), &after.to_le_bytes(), &(index as u16).to_le_bytes()])
    }

    /// Carries them out. The last one's results.
    fn apply(&self, session: &Session) -> [f64; 2] {
        session.apply(&self.0).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A container that is attached to the root map of a new store.
fn rooted(session: &Session, kind: u8) -> (u64, u64) {
    let (root, id) = (session.reserve_ids(1).unwrap(), session.reserve_ids(1).unwrap());
    let batch = Batch::default().create(root, header::MAP).root(&values::naming(header::MAP, root));
    batch.create(id, kind).set(root, &int(0), &values::naming(kind, id)).apply(session);
    (root, id)
}

/// What there is in a container, by entries in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Body {
    Map(Vec<(Bytes, Bytes)>),
    Set(Vec<Bytes>),
    Sorted(BTreeMap<Bytes, Bytes>),
    Array(VecDeque<Bytes>),
    Object { kind: u8, class: Bytes, fields: Vec<(Bytes, Bytes)> },
}

/// What a store should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    root: Bytes,
    version: u32,
    bodies: BTreeMap<u64, Body>,
}

impl Body {
    fn kind(&self) -> u8 {
        match self {
            Self::Map(_) => header::MAP,
            Self::Set(_) => header::SET,
            Self::Sorted(_) => header::SORTED_MAP,
            Self::Array(_) => header::ARRAY,
            Self::Object { kind, .. } => *kind,
        }
    }

    fn referred(&self) -> Vec<u64> {
        let pairs =
            |pairs: &[(Bytes, Bytes)]| pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect();
        let all: Vec<Bytes> = match self {
            Self::Map(entries) => pairs(entries),
            Self::Object { fields, .. } => pairs(fields),
            Self::Set(keys) => keys.clone(),
            Self::Sorted(entries) => entries.values().cloned().collect(),
            Self::Array(items) => items.iter().cloned().collect(),
        };
        all.iter().filter_map(|value| values::reference(value)).collect()
    }
}

impl Model {
    /// What is reached from the root and from these.
    fn reachable(&self, from: impl IntoIterator<Item = u64>) -> BTreeSet<u64> {
        let mut left: Vec<u64> = from.into_iter().chain(values::reference(&self.root)).collect();
        let mut found = BTreeSet::new();
        while let Some(id) = left.pop() {
            let Some(body) = self.bodies.get(&id).filter(|_| found.insert(id)) else { continue };
            left.extend(body.referred());
        }
        found
    }

    /// The same without what nobody can reach.
    fn reached(&self, from: impl IntoIterator<Item = u64>) -> Self {
        let reachable = self.reachable(from);
        let bodies = self.bodies.iter().filter(|(id, _)| reachable.contains(id));
        Self { bodies: bodies.map(|(id, body)| (*id, body.clone())).collect(), ..self.clone() }
    }
}

/// A header, as a session sees it.
fn header_of(session: &Session, id: u64) -> Option<Header> {
    let mut bytes = Vec::new();
    session.load(id, &mut bytes).unwrap().then(|| Header::decode(&bytes).unwrap())
}

/// The values of a shape: its class, then its names.
fn shape_of(session: &Session, id: u32) -> Vec<Bytes> {
    let mut bytes = Vec::new();
    assert!(session.shape(id, &mut bytes).unwrap(), "the shape {id} is missing");
    split_all(&bytes)
}

fn split_all(mut bytes: &[u8]) -> Vec<Bytes> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (value, rest) = values::split(bytes).unwrap();
        all.push(value.to_vec());
        bytes = rest;
    }
    all
}

/// The entries of a map, a set or a dictionary: keys and values, read in pages of so many.
fn entries_of(session: &Session, id: u64, most: usize) -> Vec<(Bytes, Bytes)> {
    let (mut all, mut after) = (Vec::new(), None);
    let is_set = header_of(session, id).unwrap().kind == header::SET;
    loop {
        let mut bytes = Vec::new();
        let count = session.entries(id, after, most, &mut bytes).unwrap();
        let mut rest = &bytes[..];
        for _ in 0..count {
            let number = values::id_at(rest, 0);
            assert!(after < Some(number), "entries are out of order");
            after = Some(number);
            let (key, more) = values::split(&rest[7..]).unwrap();
            let (value, more) = if is_set { (&[][..], more) } else { values::split(more).unwrap() };
            all.push((key.to_vec(), value.to_vec()));
            rest = more;
        }
        assert!(rest.is_empty());
        if count == 0 {
            return all;
        }
    }
}

fn range_of(session: &Session, id: u64, range: &Range<'_>) -> Vec<(Bytes, Bytes)> {
    let mut bytes = Vec::new();
    let count = session.range(id, range, usize::MAX, &mut bytes).unwrap();
    let (mut rest, mut all) = (&bytes[..], Vec::new());
    for _ in 0..count {
        let (key, more) = rest[4..].split_at(crate::storage::bytes::u32_at(rest, 0) as usize);
        let (value, more) = values::split(more).unwrap();
        all.push((key.to_vec(), value.to_vec()));
        rest = more;
    }
    all
}

/// All entries of a sorted map, whichever way they are read.
fn sorted_of(session: &Session, id: u64) -> BTreeMap<Bytes, Bytes> {
    let mut all = BTreeMap::new();
    loop {
        let last: Option<Bytes> = all.keys().next_back().cloned();
        let from = last.as_deref().map(|key| (key, true));
        let more = range_of(session, id, &Range { from, ..Range::default() });
        if more.is_empty() {
            break;
        }
        all.extend(more);
    }
    let (mut backwards, mut to) = (BTreeMap::new(), None::<Bytes>);
    loop {
        let until = to.as_deref().map(|key| (key, true));
        let more = range_of(session, id, &Range { reverse: true, to: until, ..Range::default() });
        let Some((least, _)) = more.last() else { break };
        to = Some(least.clone());
        backwards.extend(more);
    }
    assert_eq!(all, backwards);
    all
}

fn items_of(session: &Session, id: u64, most: usize) -> VecDeque<Bytes> {
    let mut all = VecDeque::new();
    loop {
        let mut bytes = Vec::new();
        let count = session.items(id, all.len() as u64, most, &mut bytes).unwrap();
        if count == 0 {
            return all;
        }
        let items = split_all(&bytes);
        assert_eq!(items.len(), count);
        all.extend(items);
    }
}

fn body_of(session: &Session, id: u64, most: usize) -> Body {
    let header = header_of(session, id).unwrap_or_else(|| panic!("the container {id} is missing"));
    let body = match header.kind {
        header::MAP => Body::Map(entries_of(session, id, most)),
        header::SET => Body::Set(entries_of(session, id, most).into_iter().map(|(key, _)| key).collect()),
        header::SORTED_MAP => Body::Sorted(sorted_of(session, id)),
        header::ARRAY => Body::Array(items_of(session, id, most)),
        kind => {
            let shape = shape_of(session, header.shape());
            let fields = if header.is_record() {
                shape[1..].iter().cloned().zip(split_all(&header.record[4..])).collect()
            } else {
                entries_of(session, id, most)
            };
            Body::Object { kind, class: shape[0].clone(), fields }
        }
    };
    let size = match &body {
        Body::Map(entries) => entries.len(),
        Body::Object { fields, .. } => fields.len(),
        Body::Set(keys) => keys.len(),
        Body::Sorted(entries) => entries.len(),
        Body::Array(items) => items.len(),
    };
    assert!(header.is_record() || header.size == size as u64, "the container {id} has another size");
    body
}

/// All that is reached from the root and from these.
fn contents(session: &Session, from: &[u64], most: usize) -> Model {
    let mut model = Model { version: session.version().unwrap(), ..Model::default() };
    session.root(&mut model.root).unwrap();
    let mut left: Vec<u64> = from.iter().copied().chain(values::reference(&model.root)).collect();
    while let Some(id) = left.pop() {
        if model.bodies.contains_key(&id) {
            continue;
        }
        let body = body_of(session, id, most);
        left.extend(body.referred());
        model.bodies.insert(id, body);
    }
    model
}

/// That all is sound.
fn check(session: &Session) -> Report {
    let report = session.verify().unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
    assert_eq!(session.heap.verify().unwrap().damage, Vec::<String>::new());
    report
}
