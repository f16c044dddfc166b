//! Sorted maps: entries in the order of their keys.

use super::changing::{Changing, Outcome};
use super::header;
use super::keys;
use crate::{Error, Result};

impl Changing {
    pub(super) fn set_sorted(&mut self, id: u64, key: &[u8], value: &[u8]) -> Result<Outcome> {
        self.check_sorted(id)?;
        let mut whole = Vec::with_capacity(keys::PREFIX + key.len());
        keys::sorted(id, key, &mut whole);
        let before = self.named_by(&whole)?;
        self.refer(value)?;
        self.release(before.flatten())?;
        self.transaction.set(&whole, value)?;
        self.changed.insert(id);
        if before.is_some() {
            return Ok(Outcome::Done([0.0, -1.0]));
        }
        let size = self.resize(id, 1)?;
        Ok(Outcome::Done([1.0, size as f64]))
    }

    pub(super) fn delete_sorted(&mut self, id: u64, key: &[u8]) -> Result<Outcome> {
        self.check_sorted(id)?;
        let mut whole = Vec::with_capacity(keys::PREFIX + key.len());
        keys::sorted(id, key, &mut whole);
        let Some(before) = self.named_by(&whole)? else { return Ok(Outcome::Done([0.0, -1.0])) };
        self.release(before)?;
        self.transaction.remove(&whole)?;
        self.changed.insert(id);
        let size = self.resize(id, -1)?;
        Ok(Outcome::Done([1.0, size as f64]))
    }

    fn check_sorted(&mut self, id: u64) -> Result<()> {
        if self.header(id)?.kind == header::SORTED_MAP {
            return Ok(());
        }
        Err(Error::InvalidValue { name: "commands", reason: "the container is no sorted map" })
    }
}
