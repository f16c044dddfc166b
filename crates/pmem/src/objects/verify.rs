//! That all containers are sound: their counts, their indexes, and the free queue.

use std::collections::{HashMap, HashSet};

use super::header::{self, Header};
use super::keys::{self, Key};
use super::{changing, values};
use crate::Result;
use crate::heap::View;

/// What is sound in a store, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many containers there are.
    pub containers: u64,
    /// How many entries they have.
    pub entries: u64,
    /// What is wrong.
    pub damage: Vec<String>,
}

/// How much damage is told of.
const MOST_DAMAGE: usize = 100;

/// What is found of a container on the way through all entries.
#[derive(Default)]
struct Found {
    header: Option<Header>,
    entries: u64,
    hashed: u64,
    first: Option<i64>,
    last: i64,
    is_condemned: bool,
}

struct Verifier<'a> {
    view: &'a View,
    salt: u64,
    report: Report,
    refs: HashMap<u64, u32>,
    /// What something refers to that is not being freed itself.
    needed: HashSet<u64>,
    headers: HashMap<u64, Header>,
    /// How many names each shape has.
    shapes: HashMap<u32, usize>,
    /// The store's next id.
    next: u64,
}

pub(super) fn verify(view: &View, salt: u64) -> Result<Report> {
    let mut verifier = Verifier {
        view,
        salt,
        report: Report::default(),
        refs: HashMap::new(),
        needed: HashSet::new(),
        headers: HashMap::new(),
        shapes: HashMap::new(),
        next: 0,
    };
    verifier.walk()?;
    verifier.check_counts();
    verifier.check_queue()?;
    Ok(verifier.report)
}

impl Verifier<'_> {
    fn damage(&mut self, what: String) {
        if self.report.damage.len() < MOST_DAMAGE {
            self.report.damage.push(what);
        }
    }

    fn walk(&mut self) -> Result<()> {
        let view = self.view;
        let mut cursor = view.entries(None, false)?;
        let (mut current, mut found) = (0, Found::default());
        while let Some((key, value)) = cursor.next()? {
            let Some((id, what, rest)) = keys::parse(key) else {
                self.damage("a key is none".to_owned());
                continue;
            };
            if id != current {
                self.finish(current, std::mem::take(&mut found));
                current = id;
            }
            if id == 0 {
                self.look_at_own(what, rest, &value);
                continue;
            }
            self.look(id, what, rest, &value, &mut found)?;
        }
        self.finish(current, found);
        Ok(())
    }

    /// An entry of the store itself.
    fn look_at_own(&mut self, what: u8, rest: &[u8], value: &[u8]) {
        match what {
            keys::ROOT => self.refer(0, value, false),
            keys::NEXT_ID => self.next = changing::number_of(value),
            keys::SHAPE => match values::count(value) {
                Some(count @ 1..) => drop(self.shapes.insert(keys::number(rest) as u32, count - 1)),
                _ => self.damage(format!("the shape {} is none", keys::number(rest))),
            },
            _ => {}
        }
    }

    /// That an object has a value for each name of its shape.
    fn check_shape(&mut self, id: u64, header: &Header) {
        let (is_dictionary, names) = (!header.is_record(), self.shapes.get(&header.shape()).copied());
        let is_whole = match names {
            Some(names) if is_dictionary => names == 0,
            Some(names) => values::count(&header.record[4..]) == Some(names),
            // One that was made, and never got a record.
            None => header.shape() == 0 && header.record.len() == 4,
        };
        if !is_whole && !header.has(header::CONDEMNED) {
            self.damage(format!("the object {id} has other fields than its shape"));
        }
    }

    fn look(&mut self, id: u64, what: u8, rest: &[u8], value: &[u8], found: &mut Found) -> Result<()> {
        match what {
            keys::HEADER => {
                found.header = Header::decode(value);
                // It stands before all other entries.
                found.is_condemned = found.header.as_ref().is_some_and(|header| header.has(header::CONDEMNED));
                match &found.header {
                    Some(header) if header.is_record() => self.refer(id, &header.record[4..], found.is_condemned),
                    Some(_) => {}
                    None => self.damage(format!("the header of the container {id} is none")),
                }
            }
            keys::ENTRY => {
                found.entries += 1;
                self.refer(id, value, found.is_condemned);
                self.check_hash(id, keys::number(rest), value)?;
            }
            keys::HASH => found.hashed += (value.len() / 7) as u64,
            keys::SORTED => {
                found.entries += 1;
                self.refer(id, value, found.is_condemned);
            }
            keys::ITEM => {
                found.entries += 1;
                found.last = keys::index(rest);
                found.first.get_or_insert(found.last);
                self.refer(id, value, found.is_condemned);
            }
            _ => self.damage(format!("the container {id} has an entry of an unknown kind")),
        }
        Ok(())
    }

    fn refer(&mut self, id: u64, bytes: &[u8], is_condemned: bool) {
        match values::references(bytes) {
            Some(referred) => {
                // What is being freed may refer to what is freed already.
                if !is_condemned {
                    self.needed.extend(&referred);
                }
                referred.into_iter().for_each(|id| *self.refs.entry(id).or_insert(0) += 1);
            }
            None => self.damage(format!("an entry of the container {id} is no values")),
        }
    }

    /// That a key leads to its entry.
    fn check_hash(&mut self, id: u64, number: u64, entry: &[u8]) -> Result<()> {
        let Some((key, _)) = values::split(entry) else { return Ok(()) };
        let list = self.view.get(&Key::hash(id, changing::hash(self.salt, key)))?;
        let leads = list.is_some_and(|list| list.chunks_exact(7).any(|other| values::id_at(other, 0) == number));
        if !leads {
            self.damage(format!("the entry {number} of the container {id} is not found by its key"));
        }
        Ok(())
    }

    fn finish(&mut self, id: u64, found: Found) {
        if id == 0 {
            return;
        }
        self.report.entries += found.entries;
        let Some(header) = found.header else {
            return self.damage(format!("entries are there of the container {id}, which is missing"));
        };
        self.report.containers += 1;
        if header.kind >= header::OBJECT {
            self.check_shape(id, &header);
        }
        if id >= self.next {
            self.damage(format!("the container {id} has an id that is still to be given"));
        }
        let is_whole = header.is_record() || header.has(header::CONDEMNED) || header.size == found.entries;
        if !is_whole {
            self.damage(format!(
                "the container {id} says that it has {} entries, and has {}",
                header.size, found.entries
            ));
        }
        if header.is_keyed() && !header.has(header::CONDEMNED) && found.hashed != found.entries {
            self.damage(format!(
                "the container {id} has {} entries, and {} that are found by keys",
                found.entries, found.hashed
            ));
        }
        if header.kind == header::ARRAY && !header.has(header::CONDEMNED) && found.entries > 0 {
            let (first, count) = (found.first.unwrap_or(0), found.last.abs_diff(found.first.unwrap_or(0)));
            if first != header.base || count != found.entries - 1 {
                self.damage(format!("the array {id} has gaps"));
            }
        }
        self.headers.insert(id, header);
    }

    fn check_counts(&mut self) {
        let refs = std::mem::take(&mut self.refs);
        for (id, count) in &refs {
            match self.headers.get(id).map(|header| header.refs) {
                None if self.needed.contains(id) => {
                    self.damage(format!("the container {id} is missing, to which something refers"))
                }
                Some(refs) if refs != *count => {
                    self.damage(format!("the container {id} counts {refs} references, and has {count}"))
                }
                _ => {}
            }
        }
        let idle: Vec<u64> = self
            .headers
            .iter()
            .filter(|(id, header)| header.refs > 0 && !refs.contains_key(id))
            .map(|(id, _)| *id)
            .collect();
        for id in idle {
            self.damage(format!("the container {id} counts references, and has none"));
        }
    }

    fn check_queue(&mut self) -> Result<()> {
        let headers = std::mem::take(&mut self.headers);
        for (id, header) in &headers {
            let is_free = header.refs == 0 || header.has(header::CONDEMNED);
            let is_queued = self.view.get(&Key::queue(*id))?.is_some();
            if is_free != is_queued || is_queued != header.has(header::QUEUED) {
                self.damage(format!(
                    "the container {id} has {} references, and is {}in the free queue",
                    header.refs,
                    if is_queued { "" } else { "not " }
                ));
            }
        }
        let first = Key::all(0, keys::QUEUE);
        let mut cursor = self.view.entries(Some(&first), false)?;
        while let Some((key, _)) = cursor.next()? {
            let Some((0, keys::QUEUE, id)) = keys::parse(key) else { break };
            let id = keys::number(id);
            if !headers.contains_key(&id) {
                self.damage(format!("the container {id} is in the free queue, and missing"));
            }
        }
        self.report.containers = headers.len() as u64;
        Ok(())
    }
}
