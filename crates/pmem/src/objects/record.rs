//! Objects: one record, or a dictionary where there are many fields or large ones.

use super::changing::{Changing, MOST_RECORD, Outcome};
use super::header::{self, Header};
use super::values;
use crate::os::deliberate;
use crate::{Error, Result};

/// The bytes of a record before its values.
const SHAPE: usize = 4;

impl Changing {
    /// Replaces a whole record.
    pub(super) fn set_record(&mut self, id: u64, record: &[u8]) -> Result<Outcome> {
        if record.len() < SHAPE {
            return Err(Error::InvalidValue { name: "commands", reason: "the record is too short" });
        }
        if !self.header(id)?.is_record() {
            return self.wrong_kind(id);
        }
        for referred in self.references(&record[SHAPE..])? {
            self.refer_to(referred)?;
        }
        let before = std::mem::replace(&mut self.header_mut(id)?.record, record.to_vec());
        for referred in self.references(&before[SHAPE..])? {
            self.release(Some(referred))?;
        }
        self.is_written(id)
    }

    /// Replaces a field.
    pub(super) fn set_field(&mut self, id: u64, shape: u32, index: usize, value: &[u8]) -> Result<Outcome> {
        let Some((start, end)) = self.field(id, shape, index)? else { return Ok(Outcome::Outdated) };
        self.refer(value)?;
        let header = self.header_mut(id)?;
        let before = values::reference(&header.record[start..end]);
        header.record.splice(start..end, value.iter().copied());
        self.release(before)?;
        self.is_written(id)
    }

    /// Adds a field.
    pub(super) fn extend(&mut self, id: u64, before: u32, after: u32, value: &[u8]) -> Result<Outcome> {
        if !self.has_shape(id, before)? {
            return Ok(Outcome::Outdated);
        }
        self.refer(value)?;
        let header = self.header_mut(id)?;
        header.record[..SHAPE].copy_from_slice(&after.to_le_bytes());
        header.record.extend_from_slice(value);
        self.is_written(id)
    }

    /// Removes a field.
    pub(super) fn shrink(&mut self, id: u64, before: u32, after: u32, index: usize) -> Result<Outcome> {
        let Some((start, end)) = self.field(id, before, index)? else { return Ok(Outcome::Outdated) };
        let header = self.header_mut(id)?;
        let gone = values::reference(&header.record[start..end]);
        header.record.drain(start..end);
        header.record[..SHAPE].copy_from_slice(&after.to_le_bytes());
        self.release(gone)?;
        self.is_written(id)
    }

    fn has_shape(&mut self, id: u64, shape: u32) -> Result<bool> {
        let header = self.header(id)?;
        Ok(header.is_record() && header.shape() == shape)
    }

    /// Where a field of a record is, which has this shape.
    fn field(&mut self, id: u64, shape: u32, index: usize) -> Result<Option<(usize, usize)>> {
        if !self.has_shape(id, shape)? {
            return Ok(None);
        }
        let record = &self.header(id)?.record;
        let mut start = SHAPE;
        for _ in 0..index {
            start += values::len(&record[start..]).unwrap_or(record.len() - start);
        }
        match values::len(&record[start..]) {
            Some(len) => Ok(Some((start, start + len))),
            None => Err(self.broken(format!("the record {id} has fewer fields than its shape"))),
        }
    }

    /// A record was written: one that is too long becomes a dictionary. Gives whether it is one.
    fn is_written(&mut self, id: u64) -> Result<Outcome> {
        self.changed.insert(id);
        if self.header(id)?.record.len() <= MOST_RECORD {
            return Ok(Outcome::Done([0.0, 0.0]));
        }
        self.make_dictionary(id)
    }

    /// Makes a record's fields entries.
    pub(super) fn make_dictionary(&mut self, id: u64) -> Result<Outcome> {
        let header = self.header(id)?;
        if !header.is_record() {
            return self.wrong_kind(id);
        }
        let record = header.record.clone();
        let (class, names) = self.shape(header_shape(&record))?;
        let bare = if deliberate::is_on("objects: dictionary with its record's shape") {
            header_shape(&record)
        } else {
            self.intern(&class)?
        };
        let header = self.header_mut(id)?;
        *header = Header {
            flags: header.flags | header::DICTIONARY,
            size: 0,
            base: 0,
            record: bare.to_le_bytes().to_vec(),
            ..*header
        };
        let mut rest = &record[SHAPE..];
        for name in &names {
            let Some((value, more)) = values::split(rest) else {
                return Err(self.broken(format!("the record {id} has fewer fields than its shape")));
            };
            self.set_keyed(id, name, value)?;
            // The record referred to it before.
            self.release(values::reference(value))?;
            rest = more;
        }
        self.changed.insert(id);
        Ok(Outcome::Done([1.0, names.len() as f64]))
    }
}

fn header_shape(record: &[u8]) -> u32 {
    crate::storage::bytes::u32_at(record, 0)
}
