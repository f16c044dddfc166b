//! A transaction on containers: their headers as they are in it, which are written at its end, and the counts of references.

use std::collections::{HashMap, HashSet};

use super::header::{self, Header};
use super::keys::{self, Key};
use super::sharing::Common;
use super::values;
use super::watching::Place;
use crate::heap::{Heap, Savepoint, Transaction};
use crate::os::deliberate;
use crate::storage::bytes::{u32_at, u64_at};
use crate::{Error, Result};

/// The longest record, in bytes: a quarter of a node. A longer one becomes a dictionary.
pub(super) const MOST_RECORD: usize = 1000;

/// How many entries of what nobody needs any more one commit frees.
const SLICE: usize = 64;

/// How many of those that wait in the free queue one commit looks at.
const LOOKS: usize = 16;

/// A transaction.
pub(super) struct Changing {
    pub(super) transaction: Transaction,
    headers: HashMap<u64, Cached>,
    /// The containers that were changed.
    pub(super) changed: HashSet<u64>,
    /// What can be taken back to, and how much of the news there was.
    savepoints: Vec<(Savepoint, usize)>,
    /// What those are told who watch; nothing where nobody does.
    pub(super) news: Vec<(u64, Place)>,
    /// The number that its commit gets at least.
    pub(super) sequence: u64,
    /// The ids below this one are taken, by the file.
    next_id: Option<u64>,
    salt: u64,
    pub(super) bytes: Vec<u8>,
    /// References that went and left others.
    pub(super) suspects: u64,
    path: std::path::PathBuf,
}

struct Cached {
    /// None where it was removed.
    header: Option<Header>,
    is_dirty: bool,
}

/// What came of a change.
pub(super) enum Outcome {
    Done([f64; 2]),
    /// Another thread has changed what it goes by.
    Outdated,
}

impl Changing {
    pub(super) fn new(heap: &Heap, transaction: Transaction) -> Self {
        Self {
            sequence: transaction.sequence() + 1,
            transaction,
            headers: HashMap::new(),
            changed: HashSet::new(),
            savepoints: Vec::new(),
            news: Vec::new(),
            next_id: None,
            salt: heap.salt(),
            bytes: Vec::new(),
            suspects: 0,
            path: heap.path().to_path_buf(),
        }
    }

    pub(super) fn broken(&self, what: impl Into<String>) -> Error {
        Error::Broken { file: self.path.clone(), offset: 0, what: what.into() }
    }

    /// Begins a part that can be taken back.
    pub(super) fn save(&mut self) -> Result<()> {
        self.write_headers()?;
        self.savepoints.push((self.transaction.savepoint(), self.news.len()));
        Ok(())
    }

    /// Takes the last part back.
    pub(super) fn take_back(&mut self) -> Result<()> {
        let Some((savepoint, news)) = self.savepoints.pop() else { return Ok(()) };
        self.news.truncate(news);
        self.headers.clear();
        self.next_id = None;
        self.transaction.rollback_to(savepoint)
    }

    /// Keeps the last part.
    pub(super) fn keep(&mut self) {
        self.savepoints.pop();
    }

    /// How many parts are begun.
    pub(super) fn parts(&self) -> usize {
        self.savepoints.len()
    }

    /// The header of a container.
    pub(super) fn header(&mut self, id: u64) -> Result<&mut Header> {
        if !self.headers.contains_key(&id) {
            let header = match self.transaction.get(&Key::header(id))? {
                None => None,
                Some(bytes) => {
                    let header = Header::decode(&bytes);
                    Some(header.ok_or_else(|| self.broken(format!("the header of the container {id} is none")))?)
                }
            };
            self.headers.insert(id, Cached { header, is_dirty: false });
        }
        if self.headers[&id].header.is_none() {
            return Err(self.broken(format!("the container {id} is missing")));
        }
        Ok(self.headers.get_mut(&id).and_then(|cached| cached.header.as_mut()).expect("it is there"))
    }

    /// The header of a container that is changed.
    pub(super) fn header_mut(&mut self, id: u64) -> Result<&mut Header> {
        self.header(id)?;
        let cached = self.headers.get_mut(&id).expect("it was just found");
        cached.is_dirty = true;
        Ok(cached.header.as_mut().expect("it was just found"))
    }

    /// What the transaction knows of a header. None where it has not looked at it.
    pub(super) fn cached(&self, id: u64) -> Option<Option<&Header>> {
        self.headers.get(&id).map(|cached| cached.header.as_ref())
    }

    pub(super) fn create(&mut self, id: u64, kind: u8) -> Result<()> {
        if !(header::MAP..=header::INSTANCE).contains(&kind) || id == 0 || id > keys::MOST_ID {
            return Err(Error::InvalidValue { name: "commands", reason: "there is no such kind of container" });
        }
        self.headers.insert(id, Cached { header: Some(Header::new(kind)), is_dirty: true });
        self.changed.insert(id);
        if id >= self.next_id()? {
            // Some more, so that not each commit says so.
            self.set_next_id(id + 1024)?;
        }
        Ok(())
    }

    fn next_id(&mut self) -> Result<u64> {
        if let Some(next) = self.next_id {
            return Ok(next);
        }
        let next = self.transaction.get(&Key::own(keys::NEXT_ID))?.map_or(0, |bytes| number_of(&bytes));
        self.next_id = Some(next);
        Ok(next)
    }

    fn set_next_id(&mut self, next: u64) -> Result<()> {
        self.transaction.set(&Key::own(keys::NEXT_ID), &next.to_le_bytes())?;
        self.next_id = Some(next);
        Ok(())
    }

    /// A value refers to a container from now on.
    pub(super) fn refer(&mut self, value: &[u8]) -> Result<()> {
        let Some(id) = values::reference(value) else { return Ok(()) };
        self.header_mut(id)?.refs += 1;
        Ok(())
    }

    /// A value that referred to a container does not any more.
    pub(super) fn release(&mut self, referred: Option<u64>) -> Result<()> {
        let Some(id) = referred.filter(|_| !deliberate::is_on("objects: reference not released")) else {
            return Ok(());
        };
        let header = self.header_mut(id)?;
        let Some(refs) = header.refs.checked_sub(1) else {
            return Err(self.broken(format!("the container {id} has fewer references than refer to it")));
        };
        header.refs = refs;
        if refs > 0 {
            self.suspects += 1;
        }
        Ok(())
    }

    /// As `release`, of what is freed itself: it may be gone already.
    fn release_freed(&mut self, id: u64) -> Result<()> {
        if !self.exists(id)? {
            return Ok(());
        }
        let header = self.header_mut(id)?;
        header.refs = header.refs.saturating_sub(1);
        Ok(())
    }

    /// Whether there is a container.
    pub(super) fn exists(&self, id: u64) -> Result<bool> {
        match self.cached(id) {
            Some(header) => Ok(header.is_some()),
            None => Ok(self.transaction.get(&Key::header(id))?.is_some()),
        }
    }

    /// Whether it has done nothing yet.
    pub(super) fn is_unchanged(&self) -> bool {
        self.headers.values().all(|cached| !cached.is_dirty)
    }

    /// Removes all entries.
    pub(super) fn clear(&mut self, id: u64) -> Result<Outcome> {
        let header = self.header(id)?;
        if header.kind >= header::OBJECT {
            return self.wrong_kind(id);
        }
        let size = header.size;
        for referred in self.take_entries(id, usize::MAX)?.1 {
            self.release(Some(referred))?;
        }
        self.header_mut(id)?.size = 0;
        self.changed.insert(id);
        Ok(Outcome::Done([size as f64, 0.0]))
    }

    /// Writes what changed of headers, and puts those into the free queue to which nothing refers.
    pub(super) fn write_headers(&mut self) -> Result<()> {
        let Self { headers, transaction, bytes, sequence, .. } = self;
        for (id, cached) in headers.iter_mut().filter(|(_, cached)| cached.is_dirty) {
            cached.is_dirty = false;
            let Some(header) = &mut cached.header else {
                transaction.remove(&Key::header(*id))?;
                transaction.remove(&Key::queue(*id))?;
                continue;
            };
            let is_free = header.refs == 0 || header.has(header::CONDEMNED);
            if is_free && !header.has(header::QUEUED) && !deliberate::is_on("objects: free queue not written") {
                header.flags |= header::QUEUED;
                transaction.set(&Key::queue(*id), &sequence.to_le_bytes())?;
            } else if !is_free && header.has(header::QUEUED) {
                header.flags &= !header::QUEUED;
                transaction.remove(&Key::queue(*id))?;
            }
            bytes.clear();
            header.encode(bytes);
            transaction.set(&Key::header(*id), bytes)?;
        }
        Ok(())
    }

    /// Sets the root.
    pub(super) fn set_root(&mut self, value: &[u8]) -> Result<()> {
        self.refer(value)?;
        let before = self.transaction.get(&Key::own(keys::ROOT))?.and_then(|value| values::reference(&value));
        self.release(before)?;
        self.changed.insert(0);
        self.transaction.set(&Key::own(keys::ROOT), value)
    }

    pub(super) fn set_version(&mut self, version: u32) -> Result<()> {
        self.transaction.set(&Key::own(keys::VERSION), &version.to_le_bytes())
    }

    /// The id of a shape, which is kept where it is new; 0 where no more are.
    pub(super) fn intern(&mut self, shape: &[u8]) -> Result<u32> {
        let (class, names) = values::split(shape).ok_or(Error::InvalidValue { name: "shape", reason: "it is none" })?;
        debug_assert!(values::references(names).is_some() && values::reference(class).is_none());
        let by_hash = Key::shape_hash(self.hash(shape));
        let same = self.transaction.get(&by_hash)?.map_or_else(Vec::new, |ids| ids.into_owned());
        for id in same.chunks_exact(4).map(|id| u32_at(id, 0)) {
            if self.transaction.get(&Key::shape(id))?.as_deref() == Some(shape) {
                return Ok(id);
            }
        }
        let id = self.last_shape()? + 1;
        if id > MOST_SHAPES && !names.is_empty() {
            return Ok(0);
        }
        self.transaction.set(&Key::shape(id), shape)?;
        self.transaction.set(&by_hash, &[&same[..], &id.to_le_bytes()].concat())?;
        Ok(id)
    }

    fn last_shape(&self) -> Result<u32> {
        let end = Key::shape(u32::MAX);
        let mut entries = self.transaction.entries(Some(&end), true)?;
        let last = entries.next()?.and_then(|(key, _)| match keys::parse(key) {
            Some((0, keys::SHAPE, id)) => Some(keys::number(id) as u32),
            _ => None,
        });
        Ok(last.unwrap_or(0))
    }

    /// The names of a shape, as values, and its class.
    pub(super) fn shape(&self, id: u32) -> Result<(Vec<u8>, Vec<Vec<u8>>)> {
        let shape = self.transaction.get(&Key::shape(id))?;
        let shape = shape.ok_or_else(|| self.broken(format!("the shape {id} is missing")))?;
        let is_none = || self.broken(format!("the shape {id} is none"));
        let (class, mut rest) = values::split(&shape).ok_or_else(is_none)?;
        let mut names = Vec::new();
        while !rest.is_empty() {
            let (name, more) = values::split(rest).ok_or_else(is_none)?;
            names.push(name.to_vec());
            rest = more;
        }
        Ok((class.to_vec(), names))
    }

    /// The hash of a key in this store.
    pub(super) fn hash(&self, bytes: &[u8]) -> u64 {
        hash(self.salt, bytes)
    }

    /// Frees some of what waits in the queue, of which nobody has anything any more.
    ///
    /// Returns how many containers were freed, and whether there may be more that can be.
    pub(super) fn drain(&mut self, common: &Common, slice: usize) -> Result<(u64, bool)> {
        let mut left = slice;
        let mut freed = 0;
        let oldest = common.oldest_view();
        let mut from = common.drained_to();
        for looks in 0.. {
            if looks == LOOKS.max(slice) || left == 0 {
                common.set_drained_to(from);
                return Ok((freed, true));
            }
            let Some((id, since)) = self.queued_from(from)? else {
                common.set_drained_to(0);
                return Ok((freed, from > 0));
            };
            from = id + 1;
            let is_seen = since > oldest && !deliberate::is_on("objects: freed under an older view");
            if is_seen || common.is_pinned(id) {
                continue;
            }
            let (count, is_gone) = self.free(id, left)?;
            left -= count.min(left);
            freed += u64::from(is_gone);
            if !is_gone {
                from = id;
            }
        }
        unreachable!("the loop returns")
    }

    fn queued_from(&self, id: u64) -> Result<Option<(u64, u64)>> {
        let from = Key::queue(id);
        let mut entries = self.transaction.entries(Some(&from), false)?;
        let Some((key, since)) = entries.next()? else { return Ok(None) };
        Ok(match keys::parse(key) {
            Some((0, keys::QUEUE, id)) => Some((keys::number(id), number_of(&since))),
            _ => None,
        })
    }

    /// Frees up to so many entries of a container, and it, once it has none. Returns how many it were, and whether it is gone.
    fn free(&mut self, id: u64, most: usize) -> Result<(usize, bool)> {
        let header = self.header_mut(id)?;
        header.flags |= header::CONDEMNED;
        let mut count = 1;
        if header.is_record() {
            let record = std::mem::replace(&mut header.record, vec![0; 4]);
            for referred in self.references(&record[4..])? {
                self.release_freed(referred)?;
            }
        } else {
            let (taken, referred) = self.take_entries(id, most)?;
            for referred in referred {
                self.release_freed(referred)?;
            }
            count += taken;
            if count > most {
                return Ok((count, false));
            }
        }
        self.headers.insert(id, Cached { header: None, is_dirty: true });
        Ok((count, true))
    }

    /// Takes up to so many entries out. Returns how many it were, and what they referred to.
    fn take_entries(&mut self, id: u64, most: usize) -> Result<(usize, Vec<u64>)> {
        let (mut gone, mut all) = (Vec::new(), Vec::new());
        let first = Key::all(id, keys::ENTRY);
        let mut entries = self.transaction.entries(Some(&first), false)?;
        while gone.len() < most {
            let Some((key, value)) = entries.next()? else { break };
            let Some((owner, what, _)) = keys::parse(key) else { break };
            if owner != id {
                break;
            }
            if what != keys::HASH {
                all.extend(self.references(&value)?);
            }
            gone.push(key.to_vec());
        }
        drop(entries);
        for key in &gone {
            self.transaction.remove(key)?;
        }
        Ok((gone.len(), all))
    }

    /// The containers that values name which stand one behind the other.
    pub(super) fn references(&self, bytes: &[u8]) -> Result<Vec<u64>> {
        values::references(bytes).ok_or_else(|| self.broken("what should be values are none"))
    }

    /// Marks a container as one that nobody can reach, so that it is freed although something refers to it.
    pub(super) fn condemn(&mut self, id: u64) -> Result<()> {
        self.header_mut(id)?.flags |= header::CONDEMNED;
        Ok(())
    }

    /// Writes all, durably unless the store's commits are durable in groups.
    pub(super) fn commit(mut self, common: &Common, session: u64) -> Result<()> {
        self.write_headers()?;
        if common.may_drain() {
            let (_, is_more) = self.drain(common, SLICE)?;
            common.set_may_drain(is_more);
            self.write_headers()?;
        }
        if self.headers.values().any(|cached| cached.header.as_ref().is_some_and(|header| header.has(header::QUEUED))) {
            common.set_may_drain(true);
        }
        common.suspect(self.suspects);
        common.tell(self.sequence, session, &self.changed);
        self.transaction.commit()?;
        if !self.news.is_empty() {
            common.spread(&self.news);
        }
        Ok(())
    }
}

/// The most shapes that a store has.
const MOST_SHAPES: u32 = 10_000;

/// The hash of a key.
pub(super) fn hash(salt: u64, bytes: &[u8]) -> u64 {
    use std::hash::Hasher;
    let mut hasher = siphasher::sip::SipHasher13::new_with_keys(salt, !salt);
    hasher.write(bytes);
    hasher.finish()
}

/// A number of 8 bytes; 0 where they are fewer.
pub(super) fn number_of(bytes: &[u8]) -> u64 {
    bytes.get(..8).map_or(0, |bytes| u64_at(bytes, 0))
}
