//! Arrays: items by their indexes, which begin at the header's first one and may be negative in the file.

use super::changing::{Changing, Outcome};
use super::header::{self, MOST_ITEMS};
use super::keys::Key;
use crate::{Error, Result};

/// Where a splice starts that appends, however long the array is by then.
pub(super) const END: u64 = MOST_ITEMS;

impl Changing {
    /// The first item's index in the file, and the length.
    fn array(&mut self, id: u64) -> Result<(i64, u64)> {
        let header = self.header(id)?;
        if header.kind != header::ARRAY {
            return Err(Error::InvalidValue { name: "commands", reason: "the container is no array" });
        }
        let array = header.array();
        array.ok_or_else(|| self.broken(format!("the array {id} has a length or a beginning that none has")))
    }

    /// The container that an item names, which has to be there.
    fn named_by_item(&self, id: u64, key: &Key) -> Result<Option<u64>> {
        self.named_by(key)?.ok_or_else(|| self.missing(id))
    }

    fn missing(&self, id: u64) -> Error {
        self.broken(format!("an item of the array {id} is missing"))
    }

    pub(super) fn set_item(&mut self, id: u64, index: u64, value: &[u8]) -> Result<Outcome> {
        let (base, len) = self.array(id)?;
        if index >= len {
            return Ok(Outcome::Outdated);
        }
        let key = Key::item(id, base + index as i64);
        let before = self.named_by_item(id, &key)?;
        self.refer(value)?;
        self.release(before)?;
        self.transaction.set(&key, value)?;
        self.changed.insert(id);
        Ok(Outcome::Done([0.0, len as f64]))
    }

    /// Removes items and puts others there, at the end where `start` is [`END`]. The shorter side of the array moves.
    pub(super) fn splice(&mut self, id: u64, start: u64, removed: u64, inserted: &[&[u8]]) -> Result<Outcome> {
        let (base, len) = self.array(id)?;
        let start = if start == END { len } else { start };
        if start > len || removed > len - start {
            return Ok(Outcome::Outdated);
        }
        let count = inserted.len() as u64;
        if len - removed + count > MOST_ITEMS {
            return Err(Error::out_of_range("length", format!("<= {MOST_ITEMS}"), len - removed + count));
        }
        for value in inserted {
            self.refer(value)?;
        }
        for index in start..start + removed {
            let key = Key::item(id, base + index as i64);
            let before = self.named_by_item(id, &key)?;
            self.release(before)?;
            if count != removed {
                self.transaction.remove(&key)?;
            }
        }
        let shift = count as i64 - removed as i64;
        let tail = len - start - removed;
        let base = if start < tail {
            self.move_items(id, base, start, -shift)?;
            base - shift
        } else {
            self.move_items(id, base + (start + removed) as i64, tail, shift)?;
            base
        };
        for (index, value) in (start..).zip(inserted) {
            self.transaction.set(&Key::item(id, base + index as i64), value)?;
        }
        self.changed.insert(id);
        let header = self.header_mut(id)?;
        header.base = base;
        header.size = len - removed + count;
        Ok(Outcome::Done([header.size as f64, header.size as f64]))
    }

    /// Moves so many items from an index on, by `shift`.
    fn move_items(&mut self, id: u64, from: i64, count: u64, shift: i64) -> Result<()> {
        if shift == 0 {
            return Ok(());
        }
        // In the order in which none is written over before it has moved.
        let all = 0..count as i64;
        let order: Box<dyn Iterator<Item = i64>> = if shift < 0 { Box::new(all) } else { Box::new(all.rev()) };
        for index in order {
            let key = Key::item(id, from + index);
            let value = self.transaction.get(&key)?.map(|value| value.into_owned());
            let value = value.ok_or_else(|| self.missing(id))?;
            self.transaction.set(&Key::item(id, from + index + shift), &value)?;
            // Of those that nothing moves to, nothing is left.
            let is_left = if shift < 0 { index >= count as i64 + shift } else { index < shift };
            if is_left {
                self.transaction.remove(&key)?;
            }
        }
        Ok(())
    }
}
