//! Maps, sets and dictionaries: entries by key, numbered in the order in which they were added.

use super::changing::{Changing, Outcome};
use super::header;
use super::keys::Key;
use super::reading::Source;
use super::values;
use crate::{Error, Result};

/// The length of an entry's number where others list it.
const NUMBER: usize = 7;

/// The numbers of entries end below this one.
const MOST_NUMBERS: i64 = 1 << 56;

/// The numbers that a hash leads to.
fn numbers(list: &[u8]) -> impl Iterator<Item = u64> + '_ {
    list.chunks_exact(NUMBER).map(|number| values::id_at(number, 0))
}

/// What comes of looking for a key.
pub(super) enum Found<R> {
    /// Nothing, and whether other keys have its hash.
    Nothing(bool),
    /// The number of its entry, and what its value is read with.
    Entry(u64, R),
    /// Its hash leads to what is no entry.
    Damage,
}

/// Looks for the entry of a key.
pub(super) fn find<S: Source, R>(
    source: &S,
    id: u64,
    hash: u64,
    key: &[u8],
    read: impl FnOnce(&[u8]) -> R,
) -> Result<Found<R>> {
    let Some(list) = source.get(&Key::hash(id, hash))? else { return Ok(Found::Nothing(false)) };
    if list.is_empty() || list.len() % NUMBER != 0 {
        return Ok(Found::Damage);
    }
    for number in numbers(&list) {
        let Some(entry) = source.get(&Key::entry(id, number))? else { return Ok(Found::Damage) };
        if let Some(value) = entry.strip_prefix(key) {
            return Ok(Found::Entry(number, read(value)));
        }
    }
    Ok(Found::Nothing(true))
}

impl Changing {
    /// Sets a value by its key; of a set it is empty.
    pub(super) fn set_keyed(&mut self, id: u64, key: &[u8], value: &[u8]) -> Result<Outcome> {
        let header = self.header(id)?;
        if !header.is_keyed() {
            return self.wrong_kind(id);
        }
        if (header.kind == header::SET) != value.is_empty() {
            return Err(Error::InvalidValue {
                name: "commands",
                reason: "a set's entries have no values, and others do",
            });
        }
        let hash = self.hash(key);
        let found = self.find_keyed(id, hash, key)?;
        self.refer(value)?;
        let (number, before) = match found {
            Ok(entry) => entry,
            Err(is_shared) => return self.add_keyed(id, hash, is_shared, key, value),
        };
        self.release(before)?;
        if !value.is_empty() {
            self.changed.insert(id);
            self.put_entry(id, number, key, value)?;
        }
        Ok(Outcome::Done([0.0, -1.0]))
    }

    fn add_keyed(&mut self, id: u64, hash: u64, is_shared: bool, key: &[u8], value: &[u8]) -> Result<Outcome> {
        self.changed.insert(id);
        self.refer(key)?;
        let header = self.header_mut(id)?;
        let number = header.base as u64;
        if !(0..MOST_NUMBERS).contains(&header.base) {
            return Err(self.broken(format!("the container {id} has a next number that none has")));
        }
        header.base += 1;
        let size = self.resize(id, 1)?;
        self.put_entry(id, number, key, value)?;
        let by_hash = Key::hash(id, hash);
        let number = &number.to_le_bytes()[..NUMBER];
        if is_shared {
            let list = self.transaction.get(&by_hash)?.map_or_else(Vec::new, |list| list.into_owned());
            self.transaction.set(&by_hash, &[&list[..], number].concat())?;
        } else {
            self.transaction.set(&by_hash, number)?;
        }
        Ok(Outcome::Done([1.0, size as f64]))
    }

    fn put_entry(&mut self, id: u64, number: u64, key: &[u8], value: &[u8]) -> Result<()> {
        self.bytes.clear();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.transaction.set(&Key::entry(id, number), &self.bytes)
    }

    pub(super) fn delete_keyed(&mut self, id: u64, key: &[u8]) -> Result<Outcome> {
        if !self.header(id)?.is_keyed() {
            return self.wrong_kind(id);
        }
        let hash = self.hash(key);
        let Ok((number, before)) = self.find_keyed(id, hash, key)? else {
            return Ok(Outcome::Done([0.0, -1.0]));
        };
        self.release(before)?;
        self.release(values::reference(key))?;
        self.changed.insert(id);
        self.transaction.remove(&Key::entry(id, number))?;
        self.forget_number(id, hash, number)?;
        let size = self.resize(id, -1)?;
        Ok(Outcome::Done([1.0, size as f64]))
    }

    /// The number of the entry of a key, and the container that its value names; where there is none, whether other keys have its hash.
    fn find_keyed(&mut self, id: u64, hash: u64, key: &[u8]) -> Result<std::result::Result<(u64, Option<u64>), bool>> {
        let is_set = self.header(id)?.kind == header::SET;
        let read = |value: &[u8]| {
            let is_sound = if is_set { value.is_empty() } else { values::is_one(value) };
            is_sound.then(|| values::reference(value))
        };
        match find(&self.transaction, id, hash, key, read)? {
            Found::Nothing(is_shared) => Ok(Err(is_shared)),
            Found::Entry(number, Some(before)) => Ok(Ok((number, before))),
            _ => Err(self.broken(format!("an entry of the container {id} is none"))),
        }
    }

    fn forget_number(&mut self, id: u64, hash: u64, number: u64) -> Result<()> {
        let by_hash = Key::hash(id, hash);
        let list = self.transaction.get(&by_hash)?.map_or_else(Vec::new, |list| list.into_owned());
        let rest: Vec<u8> =
            list.chunks_exact(NUMBER).filter(|other| values::id_at(other, 0) != number).flatten().copied().collect();
        if rest.is_empty() {
            self.transaction.remove(&by_hash)?;
            return Ok(());
        }
        self.transaction.set(&by_hash, &rest)
    }

    /// An object that has another form by now, or a command for another kind.
    pub(super) fn wrong_kind(&mut self, id: u64) -> Result<Outcome> {
        if self.header(id)?.kind >= header::OBJECT {
            return Ok(Outcome::Outdated);
        }
        Err(Error::InvalidValue { name: "commands", reason: "the container is of another kind" })
    }
}
