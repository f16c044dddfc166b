//! A transaction on containers: their headers as they are in it, which are written at its end, and the counts of references.

use std::collections::hash_map::Entry;

use super::header::{self, Header};
use super::ids::{IdMap, IdSet};
use super::keys::{self, Key};
use super::sharing::Common;
use super::values;
use super::watching::Place;
use crate::heap::{Heap, Savepoint, Transaction, View};
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
    headers: IdMap<Cached>,
    /// The containers that were changed.
    pub(super) changed: IdSet,
    /// The headers that were changed by the commands that are carried out, as they were before.
    before: Vec<(u64, Option<Cached>)>,
    /// The number of those commands; 0 where they are not taken back by themselves.
    part: u64,
    parts: u64,
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
    /// Something came into the free queue.
    is_queued: bool,
    /// Something may be larger than before, so that it may not use the room that is kept for removing.
    pub(super) is_growing: bool,
    path: std::path::PathBuf,
}

#[derive(Clone)]
struct Cached {
    /// None where it was removed.
    header: Option<Header>,
    is_dirty: bool,
    /// The last commands that changed it.
    part: u64,
}

/// How a change of a header is noted.
struct Changes<'a> {
    is_dirty: &'a mut bool,
    last: &'a mut u64,
    part: u64,
    before: &'a mut Vec<(u64, Option<Cached>)>,
}

impl Changes<'_> {
    /// The header changes now.
    fn note(self, id: u64, header: &Header) {
        if *self.last != self.part && self.part != 0 {
            let before = Cached { header: Some(header.clone()), is_dirty: *self.is_dirty, part: *self.last };
            self.before.push((id, Some(before)));
            *self.last = self.part;
        }
        *self.is_dirty = true;
    }
}

/// What came of looking through the free queue.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drained {
    /// How many containers were freed.
    pub(super) containers: u64,
    /// How many entries were, of them and of others.
    pub(super) entries: usize,
    /// Whether it came to the queue's end.
    pub(super) is_over: bool,
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
            headers: IdMap::default(),
            changed: IdSet::default(),
            before: Vec::new(),
            part: 0,
            parts: 0,
            savepoints: Vec::new(),
            news: Vec::new(),
            next_id: None,
            salt: heap.salt(),
            bytes: Vec::new(),
            suspects: 0,
            is_queued: false,
            is_growing: false,
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
        if !deliberate::is_on("objects: headers kept at taking back") {
            self.headers.clear();
        }
        self.next_id = None;
        self.transaction.rollback_to(savepoint)
    }

    /// Carries out what is taken back where it fails, or is outdated. It writes no headers: as they were before is remembered.
    pub(super) fn attempt(&mut self, work: impl FnOnce(&mut Self) -> Result<Outcome>) -> Result<Outcome> {
        let (savepoint, news) = (self.transaction.savepoint(), self.news.len());
        self.before.clear();
        self.parts += 1;
        self.part = self.parts;
        let outcome = work(self);
        self.part = 0;
        let is_kept =
            matches!(outcome, Ok(Outcome::Done(_))) || deliberate::is_on("objects: failed commands left there");
        if is_kept {
            return outcome;
        }
        for (id, before) in self.before.drain(..).rev() {
            match before {
                Some(cached) => drop(self.headers.insert(id, cached)),
                None => drop(self.headers.remove(&id)),
            }
        }
        self.next_id = None;
        self.news.truncate(news);
        self.transaction.rollback_to(savepoint)?;
        outcome
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
    pub(super) fn header(&mut self, id: u64) -> Result<&Header> {
        self.cache(id).map(|(header, _)| &*header)
    }

    fn cache(&mut self, id: u64) -> Result<(&mut Header, Changes<'_>)> {
        let Self { headers, transaction, path, before, part, .. } = self;
        let broken = |what: String| Error::Broken { file: path.clone(), offset: 0, what };
        let cached = match headers.entry(id) {
            Entry::Occupied(cached) => cached.into_mut(),
            Entry::Vacant(place) => {
                let found = transaction.get(&Key::header(id))?.map(|bytes| Header::decode(&bytes));
                if found == Some(None) {
                    return Err(broken(format!("the header of the container {id} is none")));
                }
                place.insert(Cached { header: found.flatten(), is_dirty: false, part: 0 })
            }
        };
        let Cached { header, is_dirty, part: last } = cached;
        match header {
            Some(header) => Ok((header, Changes { is_dirty, last, part: *part, before })),
            None => Err(broken(format!("the container {id} is missing"))),
        }
    }

    /// The header of a container that is changed.
    pub(super) fn header_mut(&mut self, id: u64) -> Result<&mut Header> {
        let (header, changes) = self.cache(id)?;
        changes.note(id, header);
        Ok(header)
    }

    /// Puts a header into the cache, which is written later. None removes it.
    fn put_header(&mut self, id: u64, header: Option<Header>) {
        let part = self.part;
        let before = self.headers.insert(id, Cached { header, is_dirty: true, part });
        if part != 0 && before.as_ref().is_none_or(|cached| cached.part != part) {
            self.before.push((id, before));
        }
    }

    /// What the transaction knows of a header. None where it has not looked at it.
    pub(super) fn cached(&self, id: u64) -> Option<Option<&Header>> {
        self.headers.get(&id).map(|cached| cached.header.as_ref())
    }

    pub(super) fn create(&mut self, id: u64, kind: u8) -> Result<()> {
        if !(header::MAP..=header::INSTANCE).contains(&kind) || id == 0 || id > keys::MOST_ID {
            return Err(Error::InvalidValue { name: "commands", reason: "there is no such kind of container" });
        }
        if self.exists(id)? {
            return Err(self.broken(format!("there is a container {id} already")));
        }
        if id >= self.next_id()? && !deliberate::is_on("objects: next id not written") {
            // Some more, so that not each commit says so.
            self.set_next_id((id + 1024).min(keys::MOST_ID + 1))?;
        }
        self.put_header(id, Some(Header::new(kind)));
        self.changed.insert(id);
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
        values::reference(value).map_or(Ok(()), |id| self.refer_to(id))
    }

    /// Something refers to a container from now on.
    pub(super) fn refer_to(&mut self, id: u64) -> Result<()> {
        let header = self.header_mut(id)?;
        let Some(refs) = header.refs.checked_add(1) else {
            return Err(self.broken(format!("the container {id} has more references than can be")));
        };
        header.refs = refs;
        Ok(())
    }

    /// The container that the value of a heap's key names. None where there is no value.
    pub(super) fn named_by(&self, key: &[u8]) -> Result<Option<Option<u64>>> {
        match self.transaction.get(key)? {
            None => Ok(None),
            Some(value) if values::is_one(&value) => Ok(Some(values::reference(&value))),
            Some(_) => Err(self.broken("what should be a value is none")),
        }
    }

    /// A container has so many entries more. Returns how many it has.
    pub(super) fn resize(&mut self, id: u64, more: i64) -> Result<u64> {
        let header = self.header_mut(id)?;
        match header.size.checked_add_signed(more) {
            Some(size) => header.size = size,
            None => return Err(self.broken(format!("the container {id} has more entries than it says"))),
        }
        Ok(self.header(id)?.size)
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
        self.suspects += u64::from(header.refs > 0 && !header.has(header::CONDEMNED));
        Ok(())
    }

    /// Whether there is a container.
    pub(super) fn exists(&self, id: u64) -> Result<bool> {
        match self.cached(id) {
            Some(header) => Ok(header.is_some()),
            None => Ok(self.transaction.get(&Key::header(id))?.is_some()),
        }
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
        let Self { headers, transaction, bytes, sequence, is_queued, .. } = self;
        for (id, cached) in headers.iter_mut().filter(|(_, cached)| cached.is_dirty) {
            let Some(header) = &mut cached.header else {
                transaction.remove(&Key::header(*id))?;
                transaction.remove(&Key::queue(*id))?;
                cached.is_dirty = false;
                continue;
            };
            let is_free = header.refs == 0 || header.has(header::CONDEMNED);
            if is_free && !header.has(header::QUEUED) && !deliberate::is_on("objects: free queue not written") {
                transaction.set(&Key::queue(*id), &sequence.to_le_bytes())?;
                header.flags |= header::QUEUED;
                *is_queued = true;
            } else if !is_free && header.has(header::QUEUED) {
                transaction.remove(&Key::queue(*id))?;
                header.flags &= !header::QUEUED;
            }
            bytes.clear();
            header.encode(bytes);
            transaction.set(&Key::header(*id), bytes)?;
            // Only now: what is not written is tried again.
            cached.is_dirty = false;
        }
        Ok(())
    }

    /// Sets the root.
    pub(super) fn set_root(&mut self, value: &[u8]) -> Result<()> {
        self.refer(value)?;
        let before = self.named_by(&Key::own(keys::ROOT))?.flatten();
        self.release(before)?;
        self.changed.insert(0);
        self.transaction.set(&Key::own(keys::ROOT), value)
    }

    pub(super) fn set_version(&mut self, version: u32) -> Result<()> {
        self.transaction.set(&Key::own(keys::VERSION), &version.to_le_bytes())
    }

    /// The id of a shape, which is kept where it is new; 0 where no more are.
    pub(super) fn intern(&mut self, shape: &[u8]) -> Result<u32> {
        let names = values::split(shape).map(|(_, names)| names);
        let names = names.filter(|_| values::references(shape).is_some_and(|named| named.is_empty()));
        let names = names.ok_or(Error::InvalidValue { name: "shape", reason: "it is none" })?;
        let by_hash = Key::shape_hash(self.hash(shape));
        let same = self.transaction.get(&by_hash)?.map_or_else(Vec::new, |ids| ids.into_owned());
        for id in same.chunks_exact(4).map(|id| u32_at(id, 0)) {
            if self.transaction.get(&Key::shape(id))?.as_deref() == Some(shape) {
                return Ok(id);
            }
        }
        let last = self.last_shape()?;
        if last >= MOST_SHAPES && !names.is_empty() {
            return Ok(0);
        }
        let id = last.checked_add(1).ok_or_else(|| self.broken("a shape has the last number that there is"))?;
        self.is_growing = true;
        // In this order a failure between the two leaves a number that leads nowhere, which is nobody's.
        self.transaction.set(&by_hash, &[&same[..], &id.to_le_bytes()].concat())?;
        self.transaction.set(&Key::shape(id), shape)?;
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
    /// Nobody may free what a view shows, since whoever has it may pin what is there, and go on with that. So only that is freed which
    /// came into the queue by a commit that all views have, and all that are still to be taken: the last one before this one, at most.
    pub(super) fn drain(&mut self, common: &Common, slice: usize, looks: usize) -> Result<Drained> {
        let mut drained = Drained::default();
        let last =
            if deliberate::is_on("objects: freed by the commit that removes") { u64::MAX } else { self.last_seen() };
        let oldest = common.oldest_view().min(last);
        let from = common.next_in_queue();
        let queued = self.queued_from(from, looks)?;
        let next = if queued.len() < looks { 0 } else { queued[looks - 1].0 + 1 };
        let mut left = slice;
        for (id, since) in queued {
            if since > oldest {
                common.not_before(since);
                continue;
            }
            if common.is_pinned(id) {
                continue;
            }
            if left == 0 {
                common.set_next_in_queue(id);
                return Ok(drained);
            }
            let (count, is_gone) = self.free(id, left)?;
            drained.entries += count;
            drained.containers += u64::from(is_gone);
            left -= count.min(left);
            if !is_gone {
                common.set_next_in_queue(id);
                return Ok(drained);
            }
        }
        common.set_next_in_queue(next);
        drained.is_over = next == 0;
        Ok(drained)
    }

    /// The last commit that all see from now on.
    fn last_seen(&self) -> u64 {
        if deliberate::is_on("objects: freed before others see the removal") {
            return self.transaction.sequence();
        }
        self.transaction.seen()
    }

    /// Up to so many of those in the queue, and since when they are there.
    fn queued_from(&self, id: u64, most: usize) -> Result<Vec<(u64, u64)>> {
        let from = Key::queue(id);
        let mut entries = self.transaction.entries(Some(&from), false)?;
        let mut queued = Vec::new();
        while queued.len() < most {
            let Some((key, since)) = entries.next()? else { break };
            match keys::parse(key) {
                Some((0, keys::QUEUE, id)) if id.len() == 7 => queued.push((keys::number(id), number_of(&since))),
                Some((0, keys::QUEUE, _)) => return Err(self.broken("an entry of the free queue is none")),
                _ => break,
            }
        }
        Ok(queued)
    }

    /// Frees up to so many entries of a container, and it, once it has none. Returns how many it were, and whether it is gone.
    fn free(&mut self, id: u64, most: usize) -> Result<(usize, bool)> {
        let header = self.header(id)?;
        let is_free = header.has(header::QUEUED) && (header.refs == 0 || header.has(header::CONDEMNED));
        if !is_free {
            return Err(self.broken(format!("the container {id} is in the free queue, and something refers to it")));
        }
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
        self.put_header(id, None);
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

    /// Writes all, durably unless the store's commits are durable in groups. Returns what is there then, where others see it only once it
    /// is durable.
    pub(super) fn commit(mut self, common: &Common, session: u64) -> Result<Option<View>> {
        self.write_headers()?;
        if common.may_drain(self.last_seen()) {
            self.drain_beside(common)?;
        }
        self.finish(common, session)
    }

    /// As `commit`, without freeing anything.
    pub(super) fn finish(mut self, common: &Common, session: u64) -> Result<Option<View>> {
        self.write_headers()?;
        if self.is_queued {
            common.not_before(self.sequence);
        }
        if !self.is_growing && !deliberate::is_on("objects: removals need room") {
            self.transaction.removes_on_balance();
        }
        common.suspect(self.suspects);
        common.tell(self.sequence, session, &self.changed);
        let committed = self.transaction.commit_ahead();
        if committed.is_err() {
            // What was freed in it was not.
            common.look_again();
        }
        let ahead = committed?;
        common.spread(self.sequence, self.news, ahead.is_none());
        Ok(ahead)
    }

    /// Frees some of the queue in a commit of something else, which goes on where damage is found there.
    fn drain_beside(&mut self, common: &Common) -> Result<()> {
        let savepoint = self.transaction.savepoint();
        let drained = self.drain(common, SLICE, LOOKS).and_then(|_| self.write_headers());
        if !matches!(drained, Err(Error::Broken { .. })) || deliberate::is_on("objects: damaged queue stops commits") {
            return drained;
        }
        common.stop_draining();
        self.headers.clear();
        self.transaction.rollback_to(savepoint)
    }
}

/// The most shapes that a store has.
const MOST_SHAPES: u32 = 10_000;

/// The hash of a key.
pub(super) fn hash(salt: u64, bytes: &[u8]) -> u64 {
    use std::hash::Hasher;
    let mut hasher = siphasher::sip::SipHasher13::new_with_keys(salt, !salt);
    hasher.write(bytes);
    let hash = hasher.finish();
    #[cfg(test)]
    let hash = hash & MASK.get();
    hash
}

#[cfg(test)]
thread_local! {
    /// What is left of hashes, so that those of several keys are equal.
    pub(super) static MASK: std::cell::Cell<u64> = const { std::cell::Cell::new(u64::MAX) };
}

/// A number of 8 bytes; 0 where they are fewer.
pub(super) fn number_of(bytes: &[u8]) -> u64 {
    bytes.get(..8).map_or(0, |bytes| u64_at(bytes, 0))
}
