//! Reading containers, in a view or in a transaction.

use std::borrow::Cow;

use super::header::Header;
use super::keyed::Found;
use super::keys::{self, Key};
use super::{changing, keyed, values};
use crate::heap::{Cursor, Transaction, View};
use crate::{Error, Result};

/// What entries are read from.
pub(super) trait Source {
    fn get(&self, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>>;
    fn entries(&self, from: Option<&[u8]>, reverse: bool) -> Result<Cursor<'_>>;
}

impl Source for View {
    fn get(&self, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>> {
        View::get(self, key)
    }

    fn entries(&self, from: Option<&[u8]>, reverse: bool) -> Result<Cursor<'_>> {
        View::entries(self, from, reverse)
    }
}

impl Source for Transaction {
    fn get(&self, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>> {
        Transaction::get(self, key)
    }

    fn entries(&self, from: Option<&[u8]>, reverse: bool) -> Result<Cursor<'_>> {
        Transaction::entries(self, from, reverse)
    }
}

/// How many bytes of entries are given at once, at about most.
const MOST_BYTES: usize = 48 << 10;

/// A range of a sorted map's keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range<'a> {
    /// From the greatest key to the least.
    pub reverse: bool,
    /// The least key, and whether it is left out.
    pub from: Option<(&'a [u8], bool)>,
    /// The greatest key, and whether it is left out.
    pub to: Option<(&'a [u8], bool)>,
}

impl<'a> Range<'a> {
    /// The range that these bytes say: bits (1 reverse, 2 `from` is there, 4 and is left out, 8 `to` is there, 16 and belongs to it), then
    /// the two keys, each behind its length as a u32.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] where they say none.
    pub fn decode(bytes: &'a [u8]) -> Result<Self> {
        fn key<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
            let len = crate::storage::bytes::u32_at(bytes.get(..4)?, 0) as usize;
            let key = bytes.get(4..4 + len)?;
            *bytes = &bytes[4 + len..];
            Some(key)
        }
        let decoded = || {
            let (&bits, mut rest) = bytes.split_first()?;
            let (from, to) = (key(&mut rest)?, key(&mut rest)?);
            Some(Self {
                reverse: bits & 1 != 0,
                from: (bits & 2 != 0).then_some((from, bits & 4 != 0)),
                to: (bits & 8 != 0).then_some((to, bits & 16 == 0)),
            })
        };
        decoded().ok_or(Error::InvalidValue { name: "bounds", reason: "they are no bounds" })
    }
}

/// The value of a key of a map or a dictionary; of a set, that there is one. None where it is damaged, as in all of these.
pub(super) fn get<S: Source>(source: &S, salt: u64, id: u64, key: &[u8], out: &mut Vec<u8>) -> Result<Option<bool>> {
    let hash = changing::hash(salt, key);
    let read = |value: &[u8]| {
        out.extend_from_slice(value);
        value.is_empty() || values::is_one(value)
    };
    Ok(match keyed::find(source, id, hash, key, read)? {
        Found::Nothing(_) => Some(false),
        Found::Entry(_, true) => Some(true),
        _ => None,
    })
}

pub(super) fn sorted_get<S: Source>(source: &S, id: u64, key: &[u8], out: &mut Vec<u8>) -> Result<Option<bool>> {
    let mut whole = Vec::with_capacity(keys::PREFIX + key.len());
    keys::sorted(id, key, &mut whole);
    let Some(value) = source.get(&whole)? else { return Ok(Some(false)) };
    out.extend_from_slice(&value);
    Ok(values::is_one(&value).then_some(true))
}

/// Up to so many entries behind the one of a number: its number, key and value, one behind the other.
pub(super) fn entries<S: Source>(
    source: &S,
    id: u64,
    is_set: bool,
    after: Option<u64>,
    most: usize,
    out: &mut Vec<u8>,
) -> Result<Option<usize>> {
    let mut next = after.map_or(0, |after| after.saturating_add(1));
    if next >= 1 << 56 {
        return Ok(Some(0));
    }
    let first = Key::entry(id, next);
    let mut cursor = source.entries(Some(&first), false)?;
    let mut count = 0;
    while count < most && out.len() < MOST_BYTES {
        let Some((key, entry)) = cursor.next()? else { break };
        let Some((owner, keys::ENTRY, number)) = keys::parse(key) else { break };
        if owner != id {
            break;
        }
        let value = values::split(&entry).map(|(_, value)| value);
        let is_sound = value.is_some_and(|value| if is_set { value.is_empty() } else { values::is_one(value) });
        // Whoever goes on behind it comes further.
        if !is_sound || number.len() != 7 || keys::number(number) < next {
            return Ok(None);
        }
        next = keys::number(number);
        out.extend_from_slice(&next.to_le_bytes()[..7]);
        out.extend_from_slice(&entry);
        count += 1;
    }
    Ok(Some(count))
}

/// Up to so many entries of a range: the length of the key as a u32, the key, and the value.
pub(super) fn range<S: Source>(
    source: &S,
    id: u64,
    range: &Range<'_>,
    most: usize,
    out: &mut Vec<u8>,
) -> Result<Option<usize>> {
    let whole = |key: &[u8]| {
        let mut whole = Vec::with_capacity(keys::PREFIX + key.len());
        keys::sorted(id, key, &mut whole);
        whole
    };
    let (low, high) = (range.from.map(|(key, _)| whole(key)), range.to.map(|(key, _)| whole(key)));
    let start = match (range.reverse, &low, &high) {
        (false, Some(low), _) => low.clone(),
        (false, None, _) => whole(&[]),
        (true, _, Some(high)) => high.clone(),
        (true, _, None) => Key::all(id, keys::SORTED + 1).to_vec(),
    };
    let is_before = |key: &[u8]| {
        low.as_ref().is_some_and(|low| key < &low[..] || range.from.is_some_and(|(_, out)| out) && key == &low[..])
    };
    let is_behind = |key: &[u8]| {
        high.as_ref().is_some_and(|high| key > &high[..] || range.to.is_some_and(|(_, out)| out) && key == &high[..])
    };
    let mut cursor = source.entries(Some(&start), range.reverse)?;
    let mut count = 0;
    while count < most && out.len() < MOST_BYTES {
        let Some((key, value)) = cursor.next()? else { break };
        let (is_early, is_late) =
            if range.reverse { (is_behind(key), is_before(key)) } else { (is_before(key), is_behind(key)) };
        match keys::parse(key) {
            _ if is_early => continue,
            Some((owner, keys::SORTED, _)) if owner == id && !is_late => {}
            // The key that the end of all would have is another container's, or none.
            Some((owner, what, _)) if range.reverse && (owner, what) > (id, keys::SORTED) => continue,
            _ => break,
        }
        if !values::is_one(&value) {
            return Ok(None);
        }
        let key = &key[keys::PREFIX..];
        out.extend_from_slice(&(key.len() as u32).to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(&value);
        count += 1;
    }
    Ok(Some(count))
}

/// Up to so many items of an array, whose first one has the index `base`, from `from` on.
pub(super) fn items<S: Source>(
    source: &S,
    id: u64,
    (base, len): (i64, u64),
    from: u64,
    most: usize,
    out: &mut Vec<u8>,
) -> Result<Option<usize>> {
    let most = len.saturating_sub(from).min(most as u64);
    if most == 0 {
        return Ok(Some(0));
    }
    let first = Key::item(id, base + from as i64);
    if most == 1 {
        let Some(item) = source.get(&first)? else { return Ok(None) };
        out.extend_from_slice(&item);
        return Ok(values::is_one(&item).then_some(1));
    }
    let mut cursor = source.entries(Some(&first), false)?;
    let mut count = 0;
    while count < most && out.len() < MOST_BYTES {
        let Some((key, item)) = cursor.next()? else { return Ok(None) };
        if *key != *Key::item(id, base + (from + count) as i64) || !values::is_one(&item) {
            return Ok(None);
        }
        out.extend_from_slice(&item);
        count += 1;
    }
    Ok(Some(count as usize))
}

/// The containers that one refers to, by keys and values.
pub(super) fn referred<S: Source>(source: &S, id: u64) -> Result<Option<Vec<u64>>> {
    let first = Key::header(id);
    let mut cursor = source.entries(Some(&first), false)?;
    let mut found = Vec::new();
    while let Some((key, value)) = cursor.next()? {
        let Some((owner, what, _)) = keys::parse(key) else { break };
        if owner != id {
            break;
        }
        let more = match what {
            keys::HEADER => Header::decode(&value)
                .filter(Header::is_record)
                .map_or(Some(Vec::new()), |header| values::references(&header.record[4..])),
            keys::HASH => Some(Vec::new()),
            _ => values::references(&value),
        };
        let Some(more) = more else { return Ok(None) };
        found.extend(more);
    }
    Ok(Some(found))
}

/// The first container from an id on: its id, and its header.
pub(super) fn container_from<S: Source>(source: &S, id: u64) -> Result<Option<(u64, Option<Header>)>> {
    let from = Key::header(id);
    let mut cursor = source.entries(Some(&from), false)?;
    let Some((key, value)) = cursor.next()? else { return Ok(None) };
    let Some((id, what, _)) = keys::parse(key) else { return Ok(None) };
    Ok(Some((id, (what == keys::HEADER).then(|| Header::decode(&value)).flatten())))
}
